// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../src/interfaces/IEnigma.sol";
import {EnigmaTest} from "./support/EnigmaTest.sol";
import {vm} from "./support/Vm.sol";

/// @dev What transactions cost, intrinsic gas and calldata included (`isolate = true` runs every call as a transaction).
/// The figures are committed in `snapshots/`; the bounds are what a user may rely on.
contract GasTest is EnigmaTest {
    uint256 private constant RECORD_BOUND = 60_000;
    uint256 private constant BATCH_BOUND = 130_000;

    function test_first_records() public {
        _deploy(USER);
        vm.snapshotGasLastCall("gas", "record a deployment");
        bytes32 sc = _deployed(USER);
        vm.snapshotGasLastCall("gas", "commit a deployment");
        _recordTasks(USER, sc, _tasks(1));
        vm.snapshotGasLastCall("gas", "record one task, new ring slot");
    }

    /// @dev The steady state: the ring has been written all around, accounts and state exist.
    function test_steady_state() public {
        bytes32 sc = _steadyContract();
        _recordTasks(USER, sc, _tasks(1));
        vm.snapshotGasLastCall("gas", "record one task");
        vm.assertLe(vm.lastCallGas().gasTotalUsed, RECORD_BOUND, "record one task");
        _commit(_signedBatch(sc));
        vm.snapshotGasLastCall("gas", "commit one receipt");
        vm.assertLe(vm.lastCallGas().gasTotalUsed, BATCH_BOUND, "commit one receipt");

        _recordTasks(USER, sc, _tasks(100));
        vm.snapshotGasLastCall("gas", "record 100 tasks");
        _commit(_signedBatch(sc));
        vm.snapshotGasLastCall("gas", "commit 100 receipts");
    }

    function test_epoch() public {
        _nextEpoch();
        vm.snapshotGasLastCall("gas", "start an epoch, two signatures");
    }

    function _steadyContract() private returns (bytes32 sc) {
        sc = _deployed(USER);
        for (uint256 i = 0; i < 2; ++i) {
            for (uint256 j = 0; j < 128; ++j) {
                _recordTasks(USER, sc, _tasks(1));
            }
            _commit(_signedBatch(sc));
        }
    }
}
