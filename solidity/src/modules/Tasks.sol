// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../interfaces/IEnigma.sol";
import {Preimages} from "../libraries/Preimages.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Epochs} from "./Epochs.sol";

/// @title Queues of task records, and the batches of receipts that close them
/// @notice Per secret contract: one hash chain over all its records, a ring of the chain's heads, and the tip of its state.
/// @dev A task has no slot of its own: its record is a link of the chain and comes back as a preimage in a batch, where its
/// fee is settled. Records close strictly in order. Deliberately absent: skipping, Ethereum calls, payable tasks, acknowledgements.
abstract contract Tasks is Epochs {
    /// @dev Heads that are kept; one fewer than that may be open, so that the head before the first open one is there.
    uint64 private constant RING_SIZE = 256;
    /// @dev One entry of the ring closes as a whole, so its records must fit one transaction of a worker.
    uint256 private constant MAXIMUM_TASKS_PER_ENTRY = 128;
    /// @dev Smallest gas tier: what an undecryptable task costs, and less than no task does.
    uint64 private constant MINIMUM_GAS = 10_000;
    uint8 private constant MAXIMUM_RANK = 2;

    uint8 private constant STATUS_SUCCESS = 0;
    uint8 private constant STATUS_FAILURE = 1;
    uint8 private constant STATUS_UNDECRYPTABLE = 4;

    /// @dev One slot: all that recording touches besides the ring.
    struct Queue {
        uint64 openEntry; // entry of the newest record transaction; 0: no such contract
        uint64 closedEntry; // entry up to which everything is closed
        uint64 recordCount;
        uint56 due; // block by which the newest record should be closed
        bool failed; // the deployment is closed without success
    }

    /// @dev One slot: what closing moves besides the tip.
    struct Progress {
        uint64 closedRecords;
        uint64 deltaCount;
        uint32 generation;
        bool deployed;
    }

    struct SecretContract {
        Queue queue;
        Progress progress;
        bytes32 tip;
        bytes32 exeCodeHash;
        bytes32 preCodeHash;
        bytes32[RING_SIZE] heads; // entry n at n mod RING_SIZE; entry 0 is derived
    }

    /// @dev A batch while it is replayed, in memory.
    struct Replay {
        bytes32 sc;
        uint64 epoch;
        uint8 rank;
        bool failed;
        Progress progress;
        bytes32 tip;
        bytes32 exeCodeHash;
        uint256 workerFee;
    }

    mapping(bytes32 sc => SecretContract) private _contracts;

    // ---------------------------------------------------------------- records

    /// @inheritdoc IEnigma
    function recordDeployment(uint64 epoch, uint64 senderNonce, bytes32 preCodeHash, TaskRequest calldata task)
        external
        returns (bytes32 sc)
    {
        if (preCodeHash == bytes32(0)) revert MissingCode();
        _requireCurrentEpoch(epoch);
        // The sender's counter makes the address new: a second deployment to it cannot be written down.
        sc = Preimages.taskId(block.chainid, address(this), msg.sender, senderNonce);
        SecretContract storage state = _contracts[sc];
        Queue memory queue;
        queue.openEntry = 1;
        bytes32 head = _append(queue, sc, Preimages.emptyQueueHead(sc), epoch, senderNonce, preCodeHash, task);
        state.queue = queue;
        state.preCodeHash = preCodeHash;
        state.heads[1] = head;
        _charge(msg.sender, senderNonce, 1, _maximumFee(task));
    }

    /// @inheritdoc IEnigma
    function recordTasks(uint64 epoch, uint64 senderNonce, bytes32 sc, TaskRequest[] calldata tasks) external {
        uint256 count = tasks.length;
        if (count == 0 || count > MAXIMUM_TASKS_PER_ENTRY) revert WrongTaskCount(count, MAXIMUM_TASKS_PER_ENTRY);
        _requireCurrentEpoch(epoch);
        SecretContract storage state = _contracts[sc];
        Queue memory queue = state.queue;
        if (queue.openEntry == 0) revert UnknownContract(sc);
        if (queue.failed) revert DeploymentFailed(sc);
        if (queue.openEntry - queue.closedEntry >= RING_SIZE - 1) revert QueueFull(sc);

        bytes32 head = state.heads[queue.openEntry % RING_SIZE];
        queue.openEntry += 1;
        uint256 fee = 0;
        for (uint256 i = 0; i < count; ++i) {
            TaskRequest memory task = tasks[i];
            head = _append(queue, sc, head, epoch, senderNonce + uint64(i), bytes32(0), task);
            fee += _maximumFee(task);
        }
        state.queue = queue;
        state.heads[queue.openEntry % RING_SIZE] = head;
        _charge(msg.sender, senderNonce, uint64(count), fee);
    }

    // ---------------------------------------------------------------- batches

    /// @inheritdoc IEnigma
    function commitBatch(
        bytes32 sc,
        uint64 epoch,
        uint64 toEntry,
        bytes32 exeCodeHash,
        RecordPreimage[] calldata records,
        ReceiptData[] calldata receipts,
        Selection calldata selection,
        bytes calldata signature
    ) external {
        if (records.length == 0 || records.length != receipts.length) {
            revert WrongReceiptCount(records.length, receipts.length);
        }
        SecretContract storage state = _contracts[sc];
        Queue memory queue = state.queue;
        bytes32 head = _replayRecords(state, queue, sc, epoch, toEntry, records);
        _checkTime(selection.rank, records);

        Replay memory replay = _startReplay(state, queue.failed, sc, epoch, selection.rank, exeCodeHash);
        uint64 firstRecordIndex = replay.progress.closedRecords;
        bytes32[] memory receiptHashes = new bytes32[](records.length);
        uint256[] memory refunds = new uint256[](records.length);
        for (uint256 i = 0; i < records.length; ++i) {
            (receiptHashes[i], refunds[i]) = _replayReceipt(replay, records[i], receipts[i]);
        }
        bytes32 batchHash = TypedData.hashBatch(sc, epoch, selection.rank, head, receiptHashes);
        address signer = Signatures.recover(_hashTypedDataV4(batchHash), signature);
        if (signer == address(0)) revert InvalidSignature();
        _checkSelection(sc, epoch, signer, selection);

        state.queue.closedEntry = toEntry;
        if (replay.failed != queue.failed) state.queue.failed = true;
        state.progress = replay.progress;
        state.tip = replay.tip;
        if (firstRecordIndex == 0) state.exeCodeHash = replay.exeCodeHash;
        for (uint256 i = 0; i < records.length; ++i) {
            _credit(records[i].sender, refunds[i]);
        }
        _credit(_operatorOf(signer), replay.workerFee);
        emit BatchCommitted(
            sc,
            epoch,
            signer,
            firstRecordIndex,
            uint64(records.length),
            replay.progress.deltaCount,
            replay.tip,
            replay.exeCodeHash
        );
    }

    /// @inheritdoc IEnigma
    function closeExpired(bytes32 sc, uint64 epoch, uint64 toEntry, RecordPreimage[] calldata records) external {
        if (records.length == 0) revert WrongReceiptCount(0, 0);
        SecretContract storage state = _contracts[sc];
        Queue memory queue = state.queue;
        _replayRecords(state, queue, sc, epoch, toEntry, records);
        uint256 last = _expiry(records[records.length - 1].due);
        if (block.number <= last) revert NotExpired(last);

        uint64 firstRecordIndex = state.progress.closedRecords;
        state.queue.closedEntry = toEntry;
        if (firstRecordIndex == 0) state.queue.failed = true;
        state.progress.closedRecords = firstRecordIndex + uint64(records.length);
        for (uint256 i = 0; i < records.length; ++i) {
            _credit(records[i].sender, uint256(records[i].gasLimit) * records[i].gasPrice);
        }
        emit RecordsExpired(sc, epoch, firstRecordIndex, uint64(records.length));
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IEnigma
    function contractState(bytes32 sc) external view returns (ContractState memory) {
        SecretContract storage state = _contracts[sc];
        Queue memory queue = state.queue;
        Progress memory progress = state.progress;
        return ContractState({
            preCodeHash: state.preCodeHash,
            exeCodeHash: state.exeCodeHash,
            tip: state.tip,
            deltaCount: progress.deltaCount,
            generation: progress.generation,
            recordCount: queue.recordCount,
            closedRecords: progress.closedRecords,
            openEntry: queue.openEntry,
            closedEntry: queue.closedEntry,
            due: queue.due,
            deployed: progress.deployed
        });
    }

    /// @inheritdoc IEnigma
    function queueHead(bytes32 sc, uint64 entry) external view returns (bytes32) {
        SecretContract storage state = _contracts[sc];
        uint64 openEntry = state.queue.openEntry;
        if (entry > openEntry || openEntry - entry >= RING_SIZE) revert WrongEntry(entry, state.queue.closedEntry, openEntry);
        return _headAt(state, sc, entry);
    }

    // --------------------------------------------------------------- recording

    /// @dev Adds one record to the queue in memory and returns the chain's new head.
    function _append(
        Queue memory queue,
        bytes32 sc,
        bytes32 head,
        uint64 epoch,
        uint64 senderNonce,
        bytes32 preCodeHash,
        TaskRequest memory task
    ) private returns (bytes32) {
        _checkRequest(task);
        uint64 due = _nextDue(sc, queue.due, task.gasLimit);
        uint64 recordIndex = queue.recordCount;
        queue.due = uint56(due);
        queue.recordCount = recordIndex + 1;

        bytes32 taskId = preCodeHash == bytes32(0)
            ? Preimages.taskId(block.chainid, address(this), msg.sender, senderNonce)
            : sc;
        bytes32 bodyHash =
            Preimages.bodyHash(taskId, task.inputsHash, uint64(block.timestamp), block.prevrandao, false);
        bytes32 recordHash = Preimages.recordHash(
            bodyHash,
            msg.sender,
            task.gasLimit,
            task.gasPrice,
            task.value,
            task.callGas,
            epoch,
            uint64(block.number),
            due
        );
        emit TaskRecorded(
            sc,
            taskId,
            msg.sender,
            senderNonce,
            task.inputsHash,
            preCodeHash,
            uint64(block.timestamp),
            block.prevrandao,
            task.gasLimit,
            task.gasPrice,
            task.value,
            task.callGas,
            epoch,
            due,
            recordIndex,
            queue.openEntry
        );
        return Preimages.nextQueueHead(head, recordHash);
    }

    function _requireCurrentEpoch(uint64 epoch) private view {
        uint64 current = _currentEpoch();
        if (epoch != current || epoch == 0) revert WrongEpoch(epoch, current);
    }

    function _checkRequest(TaskRequest memory task) private view {
        if (task.gasLimit < MINIMUM_GAS) revert GasLimitTooLow(task.gasLimit, MINIMUM_GAS);
        if (task.gasPrice < MINIMUM_GAS_PRICE) revert GasPriceTooLow(task.gasPrice, MINIMUM_GAS_PRICE);
        if (task.value != 0) revert ValueNotSupported(task.value);
        if (task.callGas != 0) revert CallGasNotSupported(task.callGas);
    }

    /// @dev `due' = max(due, block + D) + ceil(gasLimit / G)`, refused when it is too far away.
    function _nextDue(bytes32 sc, uint64 due, uint64 gasLimit) private view returns (uint64) {
        uint64 blockNumber = uint64(block.number);
        uint64 earliest = blockNumber + DEADLINE_BLOCKS;
        uint64 start = due > earliest ? due : earliest;
        uint64 work = (gasLimit - 1) / GAS_PER_BLOCK + 1; // rounded up; the limit is not zero
        uint64 latest = blockNumber + BACKLOG_BLOCKS;
        // Compared this way round because `start + work` may overflow.
        if (start > latest || work > latest - start) revert BacklogTooLong(sc, start, latest);
        return start + work;
    }

    /// @dev 64 times 128 bits: the product fits.
    function _maximumFee(TaskRequest memory task) private pure returns (uint256) {
        return uint256(task.gasLimit) * task.gasPrice;
    }

    // ------------------------------------------------------------------ closing

    /// @dev Replays the queue from its closed entry over all `records`; reverts unless that ends at `toEntry`.
    function _replayRecords(
        SecretContract storage state,
        Queue memory queue,
        bytes32 sc,
        uint64 epoch,
        uint64 toEntry,
        RecordPreimage[] calldata records
    ) private view returns (bytes32 head) {
        if (toEntry <= queue.closedEntry || toEntry > queue.openEntry) {
            revert WrongEntry(toEntry, queue.closedEntry, queue.openEntry);
        }
        head = _headAt(state, sc, queue.closedEntry);
        for (uint256 i = 0; i < records.length; ++i) {
            RecordPreimage calldata record = records[i];
            bytes32 bodyHash = Preimages.bodyHash(
                _taskIdOf(record), record.inputsHash, record.timestamp, record.prevrandao, record.inlined
            );
            bytes32 recordHash = Preimages.recordHash(
                bodyHash,
                record.sender,
                record.gasLimit,
                record.gasPrice,
                record.value,
                record.callGas,
                epoch,
                record.blockNumber,
                record.due
            );
            head = Preimages.nextQueueHead(head, recordHash);
        }
        bytes32 expected = state.heads[toEntry % RING_SIZE];
        if (head != expected) revert RecordsDoNotMatchQueue(sc, head, expected);
    }

    /// @dev Rank 0 delivers until the first record expires; higher ranks from when the last record is late enough.
    function _checkTime(uint8 rank, RecordPreimage[] calldata records) private view {
        if (rank > MAXIMUM_RANK) revert WrongRank(rank);
        uint256 last = _expiry(records[0].due);
        if (block.number > last) revert BatchTooLate(last);
        if (rank == 0) return;
        uint256 from = uint256(records[records.length - 1].due) + uint256(rank - 1) * DEADLINE_BLOCKS;
        if (block.number < from) revert RankTooEarly(rank, from);
    }

    /// @dev Last block in which a record with this due block can be delivered.
    function _expiry(uint64 due) private view returns (uint256) {
        return uint256(due) + 2 * uint256(DEADLINE_BLOCKS);
    }

    /// @dev State before the batch. The code hash of the caller counts only while the deployment is open.
    function _startReplay(
        SecretContract storage state,
        bool failed,
        bytes32 sc,
        uint64 epoch,
        uint8 rank,
        bytes32 exeCodeHash
    ) private view returns (Replay memory replay) {
        replay.sc = sc;
        replay.epoch = epoch;
        replay.rank = rank;
        replay.failed = failed;
        replay.progress = state.progress;
        bool deploying = replay.progress.closedRecords == 0;
        replay.exeCodeHash = deploying ? exeCodeHash : state.exeCodeHash;
        replay.tip = deploying ? bytes32(0) : state.tip;
    }

    /// @dev Checks one receipt against the state before it, moves that state, and returns what was signed and what to refund.
    function _replayReceipt(Replay memory replay, RecordPreimage calldata record, ReceiptData calldata data)
        private
        view
        returns (bytes32 receiptHash, uint256 refund)
    {
        Progress memory progress = replay.progress;
        uint64 recordIndex = progress.closedRecords;
        bool wasFailed = replay.failed;
        if (recordIndex == 0) _replayDeployment(replay, data.status);
        _checkReceipt(replay, wasFailed, recordIndex, record.gasLimit, data);

        receiptHash = TypedData.hashReceipt(
            TypedData.Receipt({
                taskId: _taskIdOf(record),
                sc: replay.sc,
                recordIndex: recordIndex,
                deltaIndex: progress.deltaCount,
                epoch: replay.epoch,
                rank: replay.rank,
                generation: progress.generation,
                exeCodeHash: replay.exeCodeHash,
                inputsHash: record.inputsHash,
                previousTip: replay.tip,
                tip: data.tip,
                outputHash: data.outputHash,
                gasUsed: data.gasUsed,
                status: data.status,
                callTarget: address(0),
                callDataHash: bytes32(0),
                callGas: 0,
                payTo: address(0),
                payAmount: 0
            })
        );

        if (data.tip != replay.tip) progress.deltaCount += 1;
        replay.tip = data.tip;
        progress.closedRecords = recordIndex + 1;
        // Records after a failed deployment could never run: nothing is kept for them.
        uint256 paidGas = wasFailed ? 0 : data.gasUsed;
        replay.workerFee += paidGas * record.gasPrice;
        refund = (record.gasLimit - paidGas) * record.gasPrice;
    }

    /// @dev The first record decides whether there is a secret contract.
    function _replayDeployment(Replay memory replay, uint8 status) private pure {
        bool success = status == STATUS_SUCCESS;
        if (success == (replay.exeCodeHash == bytes32(0))) revert WrongCodeHash(replay.exeCodeHash);
        replay.failed = !success;
        replay.progress.deployed = success;
        if (success) replay.tip = Preimages.genesisTip(replay.sc, replay.exeCodeHash);
    }

    function _checkReceipt(
        Replay memory replay,
        bool wasFailed,
        uint64 recordIndex,
        uint64 gasLimit,
        ReceiptData calldata data
    ) private pure {
        uint8 status = data.status;
        bool known = status == STATUS_SUCCESS || status == STATUS_FAILURE || status == STATUS_UNDECRYPTABLE;
        if (!known || (wasFailed && status != STATUS_UNDECRYPTABLE)) revert WrongStatus(recordIndex, status);
        uint64 most = status == STATUS_UNDECRYPTABLE ? MINIMUM_GAS : gasLimit;
        if (data.gasUsed < MINIMUM_GAS || data.gasUsed > most) revert WrongGasUsed(recordIndex, data.gasUsed, gasLimit);
        if (data.tip != replay.tip && status != STATUS_SUCCESS) revert WrongTip(recordIndex, data.tip, replay.tip);
    }

    function _taskIdOf(RecordPreimage calldata record) private view returns (bytes32) {
        return Preimages.taskId(block.chainid, address(this), record.sender, record.senderNonce);
    }

    function _headAt(SecretContract storage state, bytes32 sc, uint64 entry) private view returns (bytes32) {
        return entry == 0 ? Preimages.emptyQueueHead(sc) : state.heads[entry % RING_SIZE];
    }
}
