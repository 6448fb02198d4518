// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {MerkleSum} from "../../src/libraries/MerkleSum.sol";
import {Signatures} from "../../src/libraries/Signatures.sol";

/// @dev Internal library functions that take calldata, made callable.
contract Harness {
    function follow(
        address signer,
        uint128 stake,
        bytes32[] calldata siblings,
        uint128[] calldata sums,
        bool[] calldata siblingIsLeft
    ) external pure returns (bytes32 hash, uint128 total, uint128 left) {
        return MerkleSum.follow(signer, stake, siblings, sums, siblingIsLeft);
    }

    function recover(bytes32 digest, bytes calldata signature) external pure returns (address) {
        return Signatures.recover(digest, signature);
    }
}
