// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../src/interfaces/IEnigma.sol";
import {MerkleSum} from "../src/libraries/MerkleSum.sol";
import {Preimages} from "../src/libraries/Preimages.sol";
import {TypedData} from "../src/libraries/TypedData.sol";
import {EnigmaTest} from "./support/EnigmaTest.sol";
import {Evidence} from "./support/Evidence.sol";
import {vm} from "./support/Vm.sol";
import {WorkerTree} from "./support/WorkerTree.sol";

/// @dev What a batch closes, pays and moves, and every batch that is refused.
contract BatchesTest is EnigmaTest {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    // ---------------------------------------------------------------- success

    function test_deployment_sets_code_and_tip() public {
        bytes32 sc = _deploy(USER);
        Batch memory batch = _signedBatch(sc);
        vm.expectEmit();
        emit IEnigma.BatchCommitted(sc, 1, workerSigner, 0, 1, 1, batch.receipts[0].tip, EXE_CODE);
        _commit(batch);
        IEnigma.ContractState memory state = enigma.contractState(sc);
        vm.assertEq(state.deployed, true, "deployed");
        vm.assertEq(state.exeCodeHash, EXE_CODE, "code hash");
        vm.assertEq(state.tip, batch.receipts[0].tip, "tip");
        vm.assertEq(state.deltaCount, 1, "deltas");
        vm.assertEq(state.closedRecords, 1, "closed records");
        vm.assertEq(state.closedEntry, 1, "closed entry");
    }

    function test_deployment_without_state_keeps_the_genesis_tip() public {
        bytes32 sc = _deploy(USER);
        Batch memory batch = _batch(sc);
        batch.receipts[0].tip = Preimages.genesisTip(sc, EXE_CODE);
        _sign(batch, WORKER_KEY);
        _commit(batch);
        vm.assertEq(enigma.contractState(sc).deltaCount, 0, "deltas");
        vm.assertEq(enigma.contractState(sc).tip, keccak256(abi.encode(keccak256("enigma/genesis/1"), sc, EXE_CODE)), "tip");
    }

    function test_fee_goes_to_the_operator_and_the_rest_back() public {
        uint128 user = _balance(USER);
        bytes32 sc = _deployed(USER);
        vm.assertEq(user - _balance(USER), GAS_USED * PRICE, "paid by the user");
        vm.assertEq(_balance(OPERATOR), GAS_USED * PRICE, "credited to the operator");
        _recordTasks(USER, sc, _tasks(4));
        _commit(_signedBatch(sc));
        vm.assertEq(_balance(OPERATOR), 5 * GAS_USED * PRICE, "credited for five");
        uint256 before = token.balanceOf(OPERATOR);
        vm.prank(OPERATOR);
        enigma.withdraw(uint128(5 * GAS_USED * PRICE));
        vm.assertEq(token.balanceOf(OPERATOR) - before, 5 * GAS_USED * PRICE, "withdrawn");
    }

    function test_batches_of_several_entries_statuses_and_senders() public {
        bytes32 sc = _deployed(USER);
        address other = address(0x07E4);
        _fund(other, 10 ether);
        vm.prank(other);
        enigma.deposit(10 ether);
        _recordTasks(USER, sc, _tasks(2));
        _recordTasks(other, sc, _tasks(1));
        _recordTasks(USER, sc, _tasks(1));

        Batch memory batch = _batch(sc);
        bytes32 tip = enigma.contractState(sc).tip;
        batch.receipts[0].status = 1; // a failure leaves the tip
        batch.receipts[0].tip = tip;
        batch.receipts[2].status = 4; // so does an undecryptable input
        batch.receipts[2].tip = batch.receipts[1].tip;
        batch.receipts[2].gasUsed = 10_000;
        batch.receipts[3].tip = batch.receipts[1].tip; // a success that changes nothing
        uint128 operatorBefore = _balance(OPERATOR);
        _sign(batch, WORKER_KEY);
        _commit(batch);

        IEnigma.ContractState memory state = enigma.contractState(sc);
        vm.assertEq(state.deltaCount, 2, "deltas");
        vm.assertEq(state.tip, batch.receipts[1].tip, "tip");
        vm.assertEq(state.closedRecords, 5, "closed records");
        vm.assertEq(10 ether - _balance(other), 10_000 * PRICE, "minimum fee");
        vm.assertEq(_balance(OPERATOR) - operatorBefore, (3 * GAS_USED + 10_000) * PRICE, "operator");
    }

    function test_batch_stops_at_an_entry_and_the_next_goes_on() public {
        bytes32 sc = _deploy(USER);
        _recordTasks(USER, sc, _tasks(2));
        _recordTasks(USER, sc, _tasks(1));
        Batch memory batch = _batch(sc);
        _keepFirst(batch, 3);
        batch.toEntry = 2;
        _sign(batch, WORKER_KEY);
        _commit(batch);
        vm.assertEq(enigma.contractState(sc).closedRecords, 3, "closed records");
        _commit(_signedBatch(sc));
        vm.assertEq(enigma.contractState(sc).closedRecords, 4, "closed records");
    }

    function test_records_of_an_earlier_epoch_close_under_its_parameters() public {
        bytes32 sc = _deploy(USER);
        _nextEpoch();
        Batch memory batch = _batch(sc);
        _refuse(batch, RecordsDoNotMatchQueue.selector);
        batch.epoch = 1;
        _sign(batch, WORKER_KEY);
        _commit(batch);
        vm.assertEq(enigma.contractState(sc).deployed, true, "deployed");
    }

    function test_anybody_may_send_a_signed_batch_and_the_operator_is_paid() public {
        bytes32 sc = _deploy(USER);
        Batch memory batch = _signedBatch(sc);
        vm.prank(address(0xFEE));
        _send(batch);
        vm.assertEq(_balance(address(0xFEE)), 0, "sender");
        vm.assertEq(_balance(OPERATOR), GAS_USED * PRICE, "operator");
    }

    function testFuzz_any_mixture_conserves_money(uint8[6] memory statuses, uint64[6] memory gasUsed) public {
        bytes32 sc = _deployed(USER);
        _recordTasks(USER, sc, _tasks(6));
        Batch memory batch = _batch(sc);
        bytes32 tip = enigma.contractState(sc).tip;
        uint256 paid = _balance(OPERATOR);
        uint256 total = uint256(_balance(USER)) + _balance(OPERATOR) + 6 * uint256(GAS_LIMIT) * PRICE;
        for (uint256 i = 0; i < 6; ++i) {
            uint8 status = [0, 1, 4][statuses[i] % 3];
            batch.receipts[i].status = status;
            batch.receipts[i].gasUsed = status == 4 ? 10_000 : 10_000 + gasUsed[i] % (GAS_LIMIT - 9_999);
            if (status != 0) batch.receipts[i].tip = tip;
            tip = batch.receipts[i].tip;
            paid += batch.receipts[i].gasUsed * PRICE;
        }
        _sign(batch, WORKER_KEY);
        _commit(batch);
        vm.assertEq(_balance(OPERATOR), paid, "operator");
        vm.assertEq(uint256(_balance(USER)) + _balance(OPERATOR), total, "sum of deposits");
        vm.assertEq(enigma.contractState(sc).tip, tip, "tip");
    }

    // ------------------------------------------------------ failed deployments

    function test_failed_deployment_closes_everything_after_it_for_free() public {
        bytes32 sc = _deploy(USER);
        _recordTasks(USER, sc, _tasks(2));
        Batch memory batch = _failedDeployment(sc, 1);
        uint128 before = _balance(USER);
        _sign(batch, WORKER_KEY);
        _commit(batch);
        IEnigma.ContractState memory state = enigma.contractState(sc);
        vm.assertEq(state.deployed, false, "deployed");
        vm.assertEq(state.exeCodeHash, bytes32(0), "code hash");
        vm.assertEq(state.tip, bytes32(0), "tip");
        vm.assertEq(state.deltaCount, 0, "deltas");
        vm.assertEq(state.closedRecords, 3, "closed records");
        vm.assertEq(_balance(OPERATOR), GAS_USED * PRICE, "paid for the deployment only");
        vm.assertEq(_balance(USER) - before, (3 * GAS_LIMIT - GAS_USED) * PRICE, "the rest is back");
    }

    function test_records_after_a_failed_deployment_close_in_a_later_batch() public {
        bytes32 sc = _deploy(USER);
        _recordTasks(USER, sc, _tasks(1));
        Batch memory batch = _failedDeployment(sc, 4);
        _keepFirst(batch, 1);
        batch.toEntry = 1;
        batch.receipts[0].gasUsed = 10_000;
        _sign(batch, WORKER_KEY);
        _commit(batch);

        batch = _batch(sc);
        batch.receipts[0] = IEnigma.ReceiptData(bytes32(0), 0, 10_000, 0);
        _refuse(batch, WrongStatus.selector);
        batch.receipts[0].status = 4;
        batch.receipts[0].tip = keccak256("tip");
        _refuse(batch, WrongTip.selector);
        batch.receipts[0].tip = 0;
        _sign(batch, WORKER_KEY);
        _commit(batch);
        vm.assertEq(_balance(OPERATOR), 10_000 * PRICE, "paid for the deployment only");
    }

    function test_nothing_is_recorded_on_a_failed_deployment() public {
        bytes32 sc = _deploy(USER);
        Batch memory batch = _failedDeployment(sc, 1);
        _sign(batch, WORKER_KEY);
        _commit(batch);
        vm.prank(USER);
        vm.expectRevert(abi.encodeWithSelector(DeploymentFailed.selector, sc));
        enigma.recordTasks(1, 1, sc, _tasks(1));
    }

    function test_refuses_code_hash_that_does_not_fit_the_status() public {
        bytes32 sc = _deploy(USER);
        Batch memory batch = _batch(sc);
        batch.exeCodeHash = 0;
        _refuse(batch, WrongCodeHash.selector);
        batch = _failedDeployment(sc, 1);
        batch.exeCodeHash = EXE_CODE;
        _refuse(batch, WrongCodeHash.selector);
    }

    function test_code_hash_argument_means_nothing_after_the_deployment() public {
        bytes32 sc = _deployed(USER);
        _recordTasks(USER, sc, _tasks(1));
        Batch memory batch = _batch(sc);
        batch.exeCodeHash = keccak256("other code");
        _sign(batch, WORKER_KEY);
        _commit(batch);
        vm.assertEq(enigma.contractState(sc).exeCodeHash, EXE_CODE, "code hash");
    }

    // ---------------------------------------------------------- order, replays

    function test_refuses_replay() public {
        bytes32 sc = _deploy(USER);
        Batch memory batch = _signedBatch(sc);
        _commit(batch);
        _refuseSigned(batch, WrongEntry.selector);
        _recordTasks(USER, sc, _tasks(1));
        _refuseSigned(batch, WrongEntry.selector);
        batch.toEntry = 2;
        _refuseSigned(batch, RecordsDoNotMatchQueue.selector);
    }

    function test_refuses_out_of_order() public {
        bytes32 sc = _deployed(USER);
        _recordTasks(USER, sc, _tasks(1));
        _recordTasks(USER, sc, _tasks(1));
        Batch memory whole = _batch(sc);
        Batch memory batch = _batch(sc);
        _keepFirst(batch, 1);
        batch.records[0] = whole.records[1];
        _refuse(batch, RecordsDoNotMatchQueue.selector);

        batch = _batch(sc);
        (batch.records[0], batch.records[1]) = (batch.records[1], batch.records[0]);
        _refuse(batch, RecordsDoNotMatchQueue.selector);

        batch = _batch(sc);
        batch.toEntry = 2; // two records where the entry ends after one
        _refuse(batch, RecordsDoNotMatchQueue.selector);
    }

    function test_refuses_part_of_an_entry_and_entries_not_written() public {
        bytes32 sc = _deployed(USER);
        _recordTasks(USER, sc, _tasks(3));
        Batch memory batch = _batch(sc);
        _keepFirst(batch, 2);
        _refuse(batch, RecordsDoNotMatchQueue.selector);
        batch = _signedBatch(sc);
        batch.toEntry = 3;
        _refuseSigned(batch, WrongEntry.selector);
        batch.toEntry = 1;
        _refuseSigned(batch, WrongEntry.selector);
        batch.sc = keccak256("nowhere");
        _refuseSigned(batch, WrongEntry.selector);
    }

    function test_refuses_counts_that_differ_and_empty_batches() public {
        bytes32 sc = _deployed(USER);
        _recordTasks(USER, sc, _tasks(2));
        Batch memory batch = _signedBatch(sc);
        IEnigma.ReceiptData[] memory receipts = batch.receipts;
        assembly ("memory-safe") {
            mstore(receipts, 1)
        }
        _refuseSigned(batch, WrongReceiptCount.selector);
        batch.records = new IEnigma.RecordPreimage[](0);
        batch.receipts = new IEnigma.ReceiptData[](0);
        _refuseSigned(batch, WrongReceiptCount.selector);
    }

    function testFuzz_refuses_any_change_of_a_record(uint8 field, uint256 change) public {
        bytes32 sc = _deployed(USER);
        _recordTasks(USER, sc, _tasks(2));
        Batch memory batch = _batch(sc);
        IEnigma.RecordPreimage memory record = batch.records[1];
        uint64 by = uint64(change % type(uint64).max) + 1;
        field = field % 12;
        unchecked {
            if (field == 0) record.sender = address(uint160(record.sender) + by);
            if (field == 1) record.senderNonce += by;
            if (field == 2) record.inputsHash = bytes32(uint256(record.inputsHash) + by);
            if (field == 3) record.timestamp += by;
            if (field == 4) record.prevrandao += by;
            if (field == 5) record.inlined = true;
            if (field == 6) record.gasLimit += by;
            if (field == 7) record.gasPrice += by;
            if (field == 8) record.value += by;
            if (field == 9) record.callGas += by;
            if (field == 10) record.blockNumber += by;
            if (field == 11) record.due += by;
        }
        _refuse(batch, RecordsDoNotMatchQueue.selector);
    }

    // --------------------------------------------------------------- receipts

    function test_refuses_wrong_tips() public {
        bytes32 sc = _deployed(USER);
        _recordTasks(USER, sc, _tasks(2));
        Batch memory batch = _batch(sc);
        batch.receipts[1].status = 1;
        _refuse(batch, WrongTip.selector);
        batch.receipts[1].tip = enigma.contractState(sc).tip; // the tip before the first record
        _refuse(batch, WrongTip.selector);
        batch.receipts[1].status = 4;
        batch.receipts[1].gasUsed = 10_000;
        _refuse(batch, WrongTip.selector);

        // Signed over another previous tip than Ethereum's: not a signature of these receipts.
        batch = _batch(sc);
        TypedData.Receipt[] memory receipts = _receipts(batch);
        receipts[0].previousTip = keccak256("fork");
        _signReceipts(batch, receipts);
        _refuseSigned(batch, WrongSelectionPath.selector);
    }

    function test_refuses_wrong_gas() public {
        bytes32 sc = _deployed(USER);
        _recordTasks(USER, sc, _tasks(1));
        Batch memory batch = _batch(sc);
        batch.receipts[0].gasUsed = GAS_LIMIT + 1;
        _refuse(batch, WrongGasUsed.selector);
        batch.receipts[0].gasUsed = 9_999;
        _refuse(batch, WrongGasUsed.selector);
        batch.receipts[0] = IEnigma.ReceiptData(enigma.contractState(sc).tip, 0, 10_001, 4);
        _refuse(batch, WrongGasUsed.selector);
    }

    function test_refuses_statuses_that_no_worker_may_sign() public {
        bytes32 sc = _deployed(USER);
        _recordTasks(USER, sc, _tasks(1));
        Batch memory batch = _batch(sc);
        uint8[4] memory refused = [uint8(2), 3, 5, 255];
        for (uint256 i = 0; i < refused.length; ++i) {
            batch.receipts[0].status = refused[i];
            _refuse(batch, WrongStatus.selector);
        }
    }

    /// @dev Every field of a receipt is under the signature: a signature over other content is another signer's.
    function testFuzz_refuses_a_signature_over_other_receipts(uint8 field) public {
        bytes32 sc = _deployed(USER);
        _recordTasks(USER, sc, _tasks(1));
        Batch memory batch = _batch(sc);
        TypedData.Receipt[] memory receipts = _receipts(batch);
        TypedData.Receipt memory receipt = receipts[0];
        field = field % 19;
        if (field == 0) receipt.taskId = keccak256("another task");
        if (field == 1) receipt.sc = keccak256("another contract");
        if (field == 2) receipt.recordIndex += 1;
        if (field == 3) receipt.deltaIndex += 1;
        if (field == 4) receipt.epoch += 1;
        if (field == 5) receipt.rank += 1;
        if (field == 6) receipt.generation += 1;
        if (field == 7) receipt.exeCodeHash = keccak256("other code");
        if (field == 8) receipt.inputsHash = keccak256("other inputs");
        if (field == 9) receipt.previousTip = keccak256("other tip");
        if (field == 10) receipt.tip = keccak256("other tip");
        if (field == 11) receipt.outputHash = keccak256("other output");
        if (field == 12) receipt.gasUsed += 1;
        if (field == 13) receipt.status = 1;
        if (field == 14) receipt.callTarget = address(1);
        if (field == 15) receipt.callDataHash = keccak256("call");
        if (field == 16) receipt.callGas = 1;
        if (field == 17) receipt.payTo = address(1);
        if (field == 18) receipt.payAmount = 1;
        _signReceipts(batch, receipts);
        _refuseSigned(batch, WrongSelectionPath.selector);
    }

    function test_refuses_a_batch_signed_for_another_contract_epoch_rank_or_head() public {
        bytes32 sc = _deployed(USER);
        _recordTasks(USER, sc, _tasks(1));
        Batch memory batch = _batch(sc);
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = TypedData.hashReceipt(_receipts(batch)[0]);
        bytes32 head = enigma.queueHead(sc, 2);
        bytes32[4] memory wrong = [
            TypedData.hashBatch(keccak256("another"), 1, 0, head, hashes),
            TypedData.hashBatch(sc, 2, 0, head, hashes),
            TypedData.hashBatch(sc, 1, 1, head, hashes),
            TypedData.hashBatch(sc, 1, 0, keccak256("another"), hashes)
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            batch.signature = Evidence.sign(WORKER_KEY, _digest(wrong[i]));
            _refuseSigned(batch, WrongSelectionPath.selector);
        }
    }

    function test_refuses_a_batch_signed_for_another_chain_or_deployment() public {
        bytes32 sc = _deploy(USER);
        Batch memory batch = _batch(sc);
        bytes32 structHash = _batchHash(batch, _receipts(batch));
        bytes32 otherChain = keccak256(
            abi.encode(DOMAIN_TYPE_HASH, keccak256("Enigma"), keccak256("1"), block.chainid + 1, address(enigma))
        );
        bytes32 otherContract = keccak256(
            abi.encode(DOMAIN_TYPE_HASH, keccak256("Enigma"), keccak256("1"), block.chainid, address(token))
        );
        batch.signature =
            Evidence.sign(WORKER_KEY, keccak256(abi.encodePacked(hex"1901", otherChain, structHash)));
        _refuseSigned(batch, WrongSelectionPath.selector);
        batch.signature =
            Evidence.sign(WORKER_KEY, keccak256(abi.encodePacked(hex"1901", otherContract, structHash)));
        _refuseSigned(batch, WrongSelectionPath.selector);
        // On a fork of the chain the records and the domain are others.
        _sign(batch, WORKER_KEY);
        vm.chainId(block.chainid + 1);
        _refuseSigned(batch, RecordsDoNotMatchQueue.selector);
    }

    function test_refuses_another_key_and_malformed_signatures() public {
        bytes32 sc = _deploy(USER);
        Batch memory batch = _batch(sc);
        _sign(batch, STRANGER_KEY);
        _refuseSigned(batch, WrongSelectionPath.selector);

        _sign(batch, WORKER_KEY);
        (bytes32 r, bytes32 s, uint8 v) = _split(batch.signature);
        batch.signature = abi.encodePacked(r, s);
        _refuseSigned(batch, InvalidSignature.selector);
        batch.signature = abi.encodePacked(r, s, v - 27);
        _refuseSigned(batch, InvalidSignature.selector);
        batch.signature = abi.encodePacked(r, bytes32(ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        _refuseSigned(batch, InvalidSignature.selector);
        batch.signature = abi.encodePacked(r, s, v, uint8(0));
        _refuseSigned(batch, InvalidSignature.selector);
    }

    // -------------------------------------------------------------- selection

    function test_only_the_selected_of_several_workers_is_accepted() public {
        _addWorker(0xB0B, OPERATOR, 700 ether);
        _addWorker(0xCA7, OPERATOR, 2300 ether);
        _nextEpoch();
        (address[] memory signers, uint128[] memory stakes) = enigma.activeWorkers();
        bool[3] memory seen;
        for (uint256 i = 0; i < 12; ++i) {
            bytes32 sc = _deploy(USER);
            uint256 selected = _selected(sc, 0, stakes);
            seen[selected] = true;
            Batch memory batch = _batch(sc);
            for (uint256 j = 0; j < 3; ++j) {
                if (j == selected) continue;
                batch.selection = WorkerTree.path(signers, stakes, j, 0);
                _sign(batch, _keyOf(signers[j]));
                _refuseSigned(batch, NotSelected.selector);
                // The selected worker's path does not help another signer.
                batch.selection = WorkerTree.path(signers, stakes, selected, 0);
                _sign(batch, _keyOf(signers[j]));
                _refuseSigned(batch, WrongSelectionPath.selector);
            }
            batch.selection = WorkerTree.path(signers, stakes, selected, 0);
            _sign(batch, _keyOf(signers[selected]));
            _commit(batch);
        }
        vm.assertTrue(seen[0] && seen[1] && seen[2], "every worker is selected for some contract");
    }

    function test_refuses_forged_paths() public {
        _addWorker(0xB0B, OPERATOR, 700 ether);
        _nextEpoch();
        bytes32 sc = _deploy(USER);
        (address[] memory signers, uint128[] memory stakes) = enigma.activeWorkers();
        uint256 selected = _selected(sc, 0, stakes);
        Batch memory batch = _batch(sc);
        uint256 key = _keyOf(signers[selected]);

        batch.selection = WorkerTree.path(signers, stakes, selected, 0);
        batch.selection.stake += 1;
        _refuseFrom(batch, key, WrongSelectionPath.selector);
        batch.selection = WorkerTree.path(signers, stakes, selected, 0);
        batch.selection.sums[0] -= 1;
        _refuseFrom(batch, key, WrongSelectionPath.selector);
        batch.selection = WorkerTree.path(signers, stakes, selected, 0);
        batch.selection.siblingIsLeft[0] = !batch.selection.siblingIsLeft[0];
        _refuseFrom(batch, key, WrongSelectionPath.selector);
        // A root alone, as if it were a leaf, and a path that is cut.
        batch.selection = WorkerTree.path(signers, stakes, selected, 0);
        batch.selection.siblings = new bytes32[](0);
        _refuseFrom(batch, key, MerkleSum.MalformedPath.selector);
        batch.selection.sums = new uint128[](0);
        batch.selection.siblingIsLeft = new bool[](0);
        _refuseFrom(batch, key, WrongSelectionPath.selector);
        // Sums that would wrap around.
        batch.selection = WorkerTree.path(signers, stakes, selected, 0);
        batch.selection.sums[0] = type(uint128).max;
        _sign(batch, key);
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        _send(batch);
        // Deeper than any tree.
        batch.selection.siblings = new bytes32[](41);
        batch.selection.sums = new uint128[](41);
        batch.selection.siblingIsLeft = new bool[](41);
        _refuseFrom(batch, key, MerkleSum.MalformedPath.selector);
    }

    function test_refuses_an_epoch_that_never_started() public {
        bytes32 sc = _deploy(USER);
        Batch memory batch = _batch(sc);
        batch.epoch = 7;
        // Records name their epoch, so the queue does not match before the epoch is looked up.
        _refuse(batch, RecordsDoNotMatchQueue.selector);
    }

    // -------------------------------------------------------------- deadlines

    function test_rank_0_delivers_until_two_deadlines_after_due() public {
        bytes32 sc = _deploy(USER);
        Batch memory batch = _signedBatch(sc);
        uint64 due = batch.records[0].due;
        vm.roll(due + 2 * DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(BatchTooLate.selector, due + 2 * DEADLINE));
        _send(batch);
        vm.roll(due + 2 * DEADLINE);
        _commit(batch);
    }

    function test_higher_ranks_wait_for_their_turn() public {
        for (uint8 rank = 1; rank <= 2; ++rank) {
            bytes32 sc = _deploy(USER);
            Batch memory batch = _batch(sc);
            batch.selection = _soleWorkerSelection(rank);
            _sign(batch, WORKER_KEY);
            uint256 from = uint256(batch.records[0].due) + (rank - 1) * DEADLINE;
            vm.roll(from - 1);
            vm.expectRevert(abi.encodeWithSelector(RankTooEarly.selector, rank, from));
            _send(batch);
            vm.roll(from);
            _commit(batch);
        }
        bytes32 last = _deploy(USER);
        Batch memory third = _batch(last);
        third.selection = _soleWorkerSelection(3);
        _refuse(third, WrongRank.selector);
    }

    function test_expired_records_are_refunded_to_their_senders() public {
        bytes32 sc = _deployed(USER);
        uint128 before = _balance(USER);
        _recordTasks(USER, sc, _tasks(2));
        bytes32 tip = enigma.contractState(sc).tip;
        IEnigma.RecordPreimage[] memory records = _open(sc);
        uint64 last = records[1].due + 2 * DEADLINE;
        vm.roll(last);
        vm.expectRevert(abi.encodeWithSelector(NotExpired.selector, last));
        enigma.closeExpired(sc, 1, 2, records);
        vm.roll(last + 1);
        Batch memory batch = _batch(sc);
        _refuse(batch, BatchTooLate.selector);
        vm.expectEmit();
        emit IEnigma.RecordsExpired(sc, 1, 1, 2);
        enigma.closeExpired(sc, 1, 2, records);
        _forget(sc, 2);
        vm.assertEq(_balance(USER), before, "refund");
        vm.assertEq(enigma.contractState(sc).tip, tip, "tip");
        vm.assertEq(enigma.contractState(sc).closedRecords, 3, "closed records");
        // A second refund finds nothing open; the contract goes on.
        vm.expectPartialRevert(WrongEntry.selector);
        enigma.closeExpired(sc, 1, 2, records);
        _recordTasks(USER, sc, _tasks(1));
        _commit(_signedBatch(sc));
    }

    function test_expired_deployment_ends_the_contract() public {
        bytes32 sc = _deploy(USER);
        _recordTasks(USER, sc, _tasks(1));
        IEnigma.RecordPreimage[] memory records = _open(sc);
        vm.roll(records[1].due + 2 * DEADLINE + 1);
        vm.expectPartialRevert(RecordsDoNotMatchQueue.selector);
        enigma.closeExpired(sc, 1, 1, records);
        uint128 before = _balance(USER);
        enigma.closeExpired(sc, 1, 2, records);
        vm.assertEq(_balance(USER) - before, 2 * GAS_LIMIT * PRICE, "refund");
        vm.assertEq(enigma.contractState(sc).deployed, false, "deployed");
        vm.prank(USER);
        vm.expectRevert(abi.encodeWithSelector(DeploymentFailed.selector, sc));
        enigma.recordTasks(1, 2, sc, _tasks(1));
        vm.expectPartialRevert(WrongReceiptCount.selector);
        enigma.closeExpired(sc, 1, 2, new IEnigma.RecordPreimage[](0));
    }

    // ---------------------------------------------------------------- helpers

    function _signReceipts(Batch memory batch, TypedData.Receipt[] memory receipts) private view {
        batch.signature = Evidence.sign(WORKER_KEY, _digest(_batchHash(batch, receipts)));
    }

    function _failedDeployment(bytes32 sc, uint8 status) private view returns (Batch memory batch) {
        batch = _batch(sc);
        batch.exeCodeHash = 0;
        for (uint256 i = 0; i < batch.receipts.length; ++i) {
            batch.receipts[i].tip = 0;
            batch.receipts[i].status = i == 0 ? status : 4;
            batch.receipts[i].gasUsed = i == 0 ? GAS_USED : 10_000;
        }
    }

    function _refuseFrom(Batch memory batch, uint256 key, bytes4 selector) private {
        _sign(batch, key);
        _refuseSigned(batch, selector);
    }

    function _keepFirst(Batch memory batch, uint256 count) private pure {
        IEnigma.RecordPreimage[] memory records = batch.records;
        IEnigma.ReceiptData[] memory receipts = batch.receipts;
        assembly ("memory-safe") {
            mstore(records, count)
            mstore(receipts, count)
        }
    }

    /// @dev Position of the selected worker, by the specification.
    function _selected(bytes32 sc, uint8 rank, uint128[] memory stakes) private view returns (uint256) {
        (, IEnigma.EpochState memory state) = enigma.currentEpoch();
        uint256 x = uint256(keccak256(abi.encode(keccak256("enigma/rank/1"), state.seed, sc, rank))) % state.totalStake;
        for (uint256 i = 0; i < stakes.length; ++i) {
            if (x < stakes[i]) return i;
            x -= stakes[i];
        }
        revert("no worker is selected");
    }

    function _keyOf(address signer) private pure returns (uint256) {
        uint256[3] memory keys = [WORKER_KEY, 0xB0B, 0xCA7];
        for (uint256 i = 0; i < keys.length; ++i) {
            if (vm.addr(keys[i]) == signer) return keys[i];
        }
        revert("not one of the workers");
    }

    function _split(bytes memory signature) private pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
            v := byte(0, mload(add(signature, 96)))
        }
    }
}
