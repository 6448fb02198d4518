// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../src/interfaces/IEnigma.sol";
import {Harness} from "./support/Harness.sol";
import {vm} from "./support/Vm.sol";
import {WorkerTree} from "./support/WorkerTree.sol";

/// @dev Every leaf of every tree is reached, and the leaves share out the whole stake without gap or overlap.
contract MerkleSumTest {
    Harness private immutable HARNESS = new Harness();

    function testFuzz_leaves_tile_the_total_stake(uint256 seed) public view {
        uint256 count = 1 + seed % 33;
        address[] memory signers = new address[](count);
        uint128[] memory stakes = new uint128[](count);
        for (uint256 i = 0; i < count; ++i) {
            signers[i] = address(uint160(1000 * i + 1));
            stakes[i] = 1 + uint128(uint256(keccak256(abi.encode(seed, i))) % 1e30);
        }
        (bytes32 root, uint128 total) = WorkerTree.root(signers, stakes);
        uint128 expectedLeft = 0;
        for (uint256 i = 0; i < count; ++i) {
            IEnigma.Selection memory path = WorkerTree.path(signers, stakes, i, 0);
            (bytes32 hash, uint128 sum, uint128 left) =
                HARNESS.follow(signers[i], stakes[i], path.siblings, path.sums, path.siblingIsLeft);
            vm.assertEq(hash, root, "root");
            vm.assertEq(sum, total, "total");
            vm.assertEq(left, expectedLeft, "left");
            expectedLeft += stakes[i];
        }
        vm.assertEq(expectedLeft, total, "the leaves cover the total");
    }
}
