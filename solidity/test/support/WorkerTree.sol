// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../../src/interfaces/IEnigma.sol";

/// @dev Builds whole worker trees and paths in them, written from the specification and not from `MerkleSum`.
library WorkerTree {
    function root(address[] memory signers, uint128[] memory stakes)
        internal
        pure
        returns (bytes32 hash, uint128 total)
    {
        (bytes32[] memory hashes, uint128[] memory sums) = _leaves(signers, stakes);
        while (hashes.length > 1) (hashes, sums) = _up(hashes, sums);
        return (hashes[0], sums[0]);
    }

    function path(address[] memory signers, uint128[] memory stakes, uint256 index, uint8 rank)
        internal
        pure
        returns (IEnigma.Selection memory selection)
    {
        (bytes32[] memory hashes, uint128[] memory sums) = _leaves(signers, stakes);
        bytes32[] memory siblings = new bytes32[](64);
        uint128[] memory siblingSums = new uint128[](64);
        bool[] memory isLeft = new bool[](64);
        uint256 depth = 0;
        uint256 position = index;
        while (hashes.length > 1) {
            uint256 sibling = position ^ 1;
            if (sibling < hashes.length) {
                siblings[depth] = hashes[sibling];
                siblingSums[depth] = sums[sibling];
                isLeft[depth] = sibling < position;
                ++depth;
            }
            position /= 2;
            (hashes, sums) = _up(hashes, sums);
        }
        assembly ("memory-safe") {
            mstore(siblings, depth)
            mstore(siblingSums, depth)
            mstore(isLeft, depth)
        }
        return IEnigma.Selection(rank, stakes[index], siblings, siblingSums, isLeft);
    }

    function _leaves(address[] memory signers, uint128[] memory stakes)
        private
        pure
        returns (bytes32[] memory hashes, uint128[] memory sums)
    {
        hashes = new bytes32[](signers.length);
        sums = new uint128[](signers.length);
        for (uint256 i = 0; i < signers.length; ++i) {
            hashes[i] = keccak256(abi.encodePacked(uint8(0), signers[i], stakes[i]));
            sums[i] = stakes[i];
        }
    }

    function _up(bytes32[] memory hashes, uint128[] memory sums)
        private
        pure
        returns (bytes32[] memory upHashes, uint128[] memory upSums)
    {
        uint256 count = (hashes.length + 1) / 2;
        upHashes = new bytes32[](count);
        upSums = new uint128[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 left = 2 * i;
            if (left + 1 == hashes.length) {
                upHashes[i] = hashes[left];
                upSums[i] = sums[left];
            } else {
                upHashes[i] =
                    keccak256(abi.encodePacked(uint8(1), hashes[left], sums[left], hashes[left + 1], sums[left + 1]));
                upSums[i] = sums[left] + sums[left + 1];
            }
        }
    }
}
