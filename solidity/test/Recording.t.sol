// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../src/interfaces/IEnigma.sol";
import {Preimages} from "../src/libraries/Preimages.sol";
import {EnigmaTest} from "./support/EnigmaTest.sol";
import {vm} from "./support/Vm.sol";

/// @dev What recording writes down, charges and refuses.
contract RecordingTest is EnigmaTest {
    address private constant POOR = address(0x9004);

    function test_deployment_opens_a_queue_at_its_task_id() public {
        uint128 before = _balance(USER);
        bytes32 sc = _deploy(USER);
        IEnigma.ContractState memory state = enigma.contractState(sc);
        vm.assertEq(state.preCodeHash, CODE, "code");
        vm.assertEq(state.openEntry, 1, "open entry");
        vm.assertEq(state.closedEntry, 0, "closed entry");
        vm.assertEq(state.recordCount, 1, "records");
        vm.assertEq(state.due, 1000 + DEADLINE + 1, "due");
        vm.assertEq(state.deployed, false, "deployed");
        vm.assertEq(before - _balance(USER), GAS_LIMIT * PRICE, "fee");
        vm.assertEq(_nonce(USER), 1, "nonce");
    }

    function test_head_follows_the_specification() public {
        bytes32 sc = _deploy(USER);
        bytes32 body = keccak256(
            abi.encode(
                keccak256("enigma/body/1"), sc, keccak256("inputs"), vm.getBlockTimestamp(), block.prevrandao, 0
            )
        );
        bytes32 record = keccak256(
            abi.encode(
                keccak256("enigma/record/1"), body, USER, GAS_LIMIT, PRICE, 0, 0, 1, 1000, 1000 + DEADLINE + 1
            )
        );
        bytes32 empty = keccak256(abi.encode(keccak256("enigma/queue/1"), sc));
        vm.assertEq(enigma.queueHead(sc, 0), empty, "head of the empty queue");
        vm.assertEq(
            enigma.queueHead(sc, 1),
            keccak256(abi.encode(keccak256("enigma/queue/1"), empty, record)),
            "head after the deployment"
        );
    }

    function test_event_carries_what_workers_need() public {
        bytes32 sc = Preimages.taskId(block.chainid, address(enigma), USER, 0);
        vm.expectEmit();
        emit IEnigma.TaskRecorded(
            sc,
            sc,
            USER,
            0,
            keccak256("inputs"),
            CODE,
            uint64(vm.getBlockTimestamp()),
            block.prevrandao,
            GAS_LIMIT,
            PRICE,
            0,
            0,
            1,
            1000 + DEADLINE + 1,
            0,
            1
        );
        vm.prank(USER);
        enigma.recordDeployment(1, 0, CODE, _task());
    }

    function test_many_tasks_take_one_entry() public {
        bytes32 sc = _deploy(USER);
        _recordTasks(USER, sc, _tasks(5));
        IEnigma.ContractState memory state = enigma.contractState(sc);
        vm.assertEq(state.openEntry, 2, "entries");
        vm.assertEq(state.recordCount, 6, "records");
        vm.assertEq(state.due, 1000 + DEADLINE + 6, "each task adds its time");
        vm.assertEq(_nonce(USER), 6, "nonce");
    }

    function test_tasks_may_be_recorded_before_the_deployment_is_closed_and_by_anybody() public {
        bytes32 sc = _deploy(USER);
        _fund(POOR, 100 ether);
        vm.prank(POOR);
        enigma.deposit(100 ether);
        _recordTasks(POOR, sc, _tasks(1));
        vm.assertEq(enigma.contractState(sc).recordCount, 2, "records");
    }

    function testFuzz_due_is_monotone(uint64[8] memory gasLimits, uint8[8] memory gaps) public {
        bytes32 sc = _deploy(USER);
        uint64 previous = enigma.contractState(sc).due;
        for (uint256 i = 0; i < gasLimits.length; ++i) {
            vm.roll(vm.getBlockNumber() + gaps[i]);
            IEnigma.TaskRequest[] memory tasks = _tasks(1);
            tasks[0].gasLimit = 10_000 + gasLimits[i] % 20_000_000;
            tasks[0].gasPrice = 2;
            _recordTasks(USER, sc, tasks);
            uint64 due = enigma.contractState(sc).due;
            vm.assertTrue(due > previous, "due moves on");
            vm.assertTrue(due > vm.getBlockNumber() + DEADLINE, "a worker has D blocks at least");
            previous = due;
        }
    }

    // --------------------------------------------------------------- refusals

    function test_refuses_wrong_epoch() public {
        _refuseDeployment(2, 0, CODE, _task(), abi.encodeWithSelector(WrongEpoch.selector, 2, 1));
        _refuseDeployment(0, 0, CODE, _task(), abi.encodeWithSelector(WrongEpoch.selector, 0, 1));
        _nextEpoch();
        _refuseDeployment(1, 0, CODE, _task(), abi.encodeWithSelector(WrongEpoch.selector, 1, 2));
    }

    function test_refuses_records_before_the_first_epoch() public {
        enigma = _newEnigma(_policy());
        _refuseDeployment(0, 0, CODE, _task(), abi.encodeWithSelector(WrongEpoch.selector, 0, 0));
    }

    function test_refuses_a_nonce_that_is_used_or_ahead_and_charges_nothing() public {
        bytes32 sc = _deploy(USER);
        uint128 before = _balance(USER);
        _refuseDeployment(1, 0, CODE, _task(), abi.encodeWithSelector(WrongSenderNonce.selector, USER, 0, 1));
        _refuseDeployment(1, 2, CODE, _task(), abi.encodeWithSelector(WrongSenderNonce.selector, USER, 2, 1));
        _refuseTasks(0, sc, _tasks(1), abi.encodeWithSelector(WrongSenderNonce.selector, USER, 0, 1));
        vm.assertEq(_balance(USER), before, "balance");
    }

    function test_second_deployment_gets_another_address() public {
        bytes32 first = _deploy(USER);
        bytes32 second = _deploy(USER);
        vm.assertTrue(first != second, "addresses differ");
    }

    function test_refuses_insufficient_deposit() public {
        vm.prank(POOR);
        vm.expectRevert(
            abi.encodeWithSelector(InsufficientDeposit.selector, POOR, 0, uint256(GAS_LIMIT) * PRICE)
        );
        enigma.recordDeployment(1, 0, CODE, _task());
    }

    function test_refuses_a_fee_above_128_bits() public {
        IEnigma.TaskRequest memory task = _task();
        task.gasLimit = 20_000_000;
        task.gasPrice = type(uint128).max;
        uint256 fee = uint256(task.gasLimit) * task.gasPrice;
        _refuseDeployment(
            1, 0, CODE, task, abi.encodeWithSelector(InsufficientDeposit.selector, USER, _balance(USER), fee)
        );
    }

    function test_refuses_bad_requests() public {
        IEnigma.TaskRequest memory task = _task();
        _refuseDeployment(1, 0, bytes32(0), task, abi.encodeWithSelector(MissingCode.selector));
        task.gasLimit = 9_999;
        _refuseDeployment(1, 0, CODE, task, abi.encodeWithSelector(GasLimitTooLow.selector, 9_999, 10_000));
        task = _task();
        task.gasPrice = 1;
        _refuseDeployment(1, 0, CODE, task, abi.encodeWithSelector(GasPriceTooLow.selector, 1, 2));
        task = _task();
        task.value = 1;
        _refuseDeployment(1, 0, CODE, task, abi.encodeWithSelector(ValueNotSupported.selector, 1));
        task = _task();
        task.callGas = 1;
        _refuseDeployment(1, 0, CODE, task, abi.encodeWithSelector(CallGasNotSupported.selector, 1));
    }

    function test_refuses_unknown_contract_and_wrong_counts() public {
        bytes32 sc = _deploy(USER);
        bytes32 nowhere = keccak256("nowhere");
        _refuseTasks(1, nowhere, _tasks(1), abi.encodeWithSelector(UnknownContract.selector, nowhere));
        _refuseTasks(1, sc, _tasks(0), abi.encodeWithSelector(WrongTaskCount.selector, 0, 128));
        _refuseTasks(1, sc, _tasks(129), abi.encodeWithSelector(WrongTaskCount.selector, 129, 128));
        _recordTasks(USER, sc, _tasks(128));
    }

    function test_refuses_a_backlog_beyond_policy() public {
        bytes32 sc = _deploy(USER);
        uint64 due = enigma.contractState(sc).due;
        IEnigma.TaskRequest[] memory tasks = _tasks(1);
        tasks[0].gasPrice = 2;
        tasks[0].gasLimit = type(uint64).max;
        _refuseTasks(1, sc, tasks, abi.encodeWithSelector(BacklogTooLong.selector, sc, due, 1000 + BACKLOG));
        tasks[0].gasLimit = (1000 + BACKLOG - due) * GAS_PER_BLOCK;
        _recordTasks(USER, sc, tasks);
        _refuseTasks(2, sc, _tasks(1), abi.encodeWithSelector(BacklogTooLong.selector, sc, 1500, 1500));
        vm.roll(1001);
        _recordTasks(USER, sc, _tasks(1));
    }

    function test_refuses_when_the_ring_is_full_and_wraps_when_closed() public {
        bytes32 sc = _deployed(USER);
        for (uint256 i = 0; i < 255; ++i) {
            _recordTasks(USER, sc, _tasks(1));
        }
        _refuseTasks(256, sc, _tasks(1), abi.encodeWithSelector(QueueFull.selector, sc));
        vm.assertEq(enigma.contractState(sc).openEntry, 256, "open entry");

        Batch memory batch = _batch(sc);
        batch.toEntry = 101;
        _keep(batch, 100);
        _sign(batch, WORKER_KEY);
        _commit(batch);
        _recordTasks(USER, sc, _tasks(3));
        _commit(_signedBatch(sc));
        vm.assertEq(enigma.contractState(sc).closedEntry, 257, "closed entry after the wrap");
        vm.assertEq(enigma.contractState(sc).closedRecords, 259, "closed records after the wrap");
    }

    function test_heads_outside_of_the_ring_are_not_given() public {
        bytes32 sc = _deploy(USER);
        vm.expectRevert(abi.encodeWithSelector(WrongEntry.selector, 2, 0, 1));
        enigma.queueHead(sc, 2);
    }

    function _keep(Batch memory batch, uint256 count) private pure {
        IEnigma.RecordPreimage[] memory records = batch.records;
        IEnigma.ReceiptData[] memory receipts = batch.receipts;
        assembly ("memory-safe") {
            mstore(records, count)
            mstore(receipts, count)
        }
    }

    function _refuseDeployment(
        uint64 epoch,
        uint64 nonce,
        bytes32 code,
        IEnigma.TaskRequest memory task,
        bytes memory reason
    ) private {
        vm.prank(USER);
        vm.expectRevert(reason);
        enigma.recordDeployment(epoch, nonce, code, task);
    }

    function _refuseTasks(uint64 nonce, bytes32 sc, IEnigma.TaskRequest[] memory tasks, bytes memory reason) private {
        vm.prank(USER);
        vm.expectRevert(reason);
        enigma.recordTasks(1, nonce, sc, tasks);
    }
}
