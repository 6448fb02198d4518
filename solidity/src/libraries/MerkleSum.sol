// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Merkle-sum tree of an epoch's workers and their stakes
/// @notice `leaf = H(0x00 ‖ signer20 ‖ stake16)`, `node = H(0x01 ‖ hL ‖ sumL16 ‖ hR ‖ sumR16)`, packed.
/// @dev Sums are checked 128-bit: a tree whose sums overflow has no valid path. A level with an odd number of nodes moves
/// its last node up unchanged, so paths in one tree differ in length.
library MerkleSum {
    /// @notice More levels than any worker set has; bounds the work of one check.
    uint256 internal constant MAXIMUM_DEPTH = 40;

    /// @notice The arrays of a path differ in length, or the path is longer than any tree.
    error MalformedPath();

    /// @notice Follows a path from a leaf to the root.
    /// @param signer the worker at the leaf
    /// @param stake its stake
    /// @param siblings hashes beside the path, from the leaf up
    /// @param sums stakes below each sibling
    /// @param siblingIsLeft on which side each sibling is
    /// @return hash the root's hash
    /// @return total the root's sum: all stake
    /// @return left the stake to the left of the leaf
    function follow(
        address signer,
        uint128 stake,
        bytes32[] calldata siblings,
        uint128[] calldata sums,
        bool[] calldata siblingIsLeft
    ) internal pure returns (bytes32 hash, uint128 total, uint128 left) {
        uint256 depth = siblings.length;
        if (depth != sums.length || depth != siblingIsLeft.length || depth > MAXIMUM_DEPTH) revert MalformedPath();
        hash = leaf(signer, stake);
        total = stake;
        for (uint256 i = 0; i < depth; ++i) {
            uint128 sum = sums[i];
            if (siblingIsLeft[i]) {
                hash = node(siblings[i], sum, hash, total);
                left += sum;
            } else {
                hash = node(hash, total, siblings[i], sum);
            }
            total += sum;
        }
    }

    /// @notice Hash of one worker and its stake.
    function leaf(address signer, uint128 stake) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), signer, stake));
    }

    /// @notice Hash of two neighbours and their sums.
    function node(bytes32 leftHash, uint128 leftSum, bytes32 rightHash, uint128 rightSum)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(bytes1(0x01), leftHash, leftSum, rightHash, rightSum));
    }
}
