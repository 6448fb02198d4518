// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IEnigma} from "../../src/interfaces/IEnigma.sol";
import {IEvidenceVerifier} from "../../src/interfaces/IEvidenceVerifier.sol";
import {IEnigmaErrors} from "../../src/interfaces/IEnigmaErrors.sol";
import {Preimages} from "../../src/libraries/Preimages.sol";
import {TypedData} from "../../src/libraries/TypedData.sol";
import {Evidence} from "./Evidence.sol";
import {vm} from "./Vm.sol";
import {WorkerTree} from "./WorkerTree.sol";

/// @dev What tests use of the token.
interface IToken is IERC20Metadata, IERC20Permit {}

/// @dev A network with three key managers (two of them enough), one worker in epoch 1, and users with deposits; and what
/// stands in for nodes and enclaves: it keeps the preimages of records, and makes and signs batches.
abstract contract EnigmaTest is IEnigmaErrors {
    bytes32 internal constant DOMAIN_TYPE_HASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant MEASUREMENT = keccak256("core");
    bytes32 internal constant CODE = keccak256("preCode");
    bytes32 internal constant EXE_CODE = keccak256("exeCode");
    bytes32 internal constant SEED = keccak256("seed of epoch");
    uint256 internal constant WORKER_KEY = 0xA11CE;
    uint256 internal constant STRANGER_KEY = 0xBAD;
    uint128 internal constant STAKE = 1000 ether;
    uint128 internal constant PRICE = 5;
    uint64 internal constant GAS_LIMIT = 100_000;
    uint64 internal constant GAS_USED = 20_480;
    uint64 internal constant EPOCH_LENGTH = 20;
    uint64 internal constant DEADLINE = 50;
    uint64 internal constant GAS_PER_BLOCK = 1_000_000;
    uint64 internal constant BACKLOG = 500;
    uint64 internal constant UNBONDING = 1000;
    address internal constant OPERATOR = address(0x0BE7A708);
    address internal constant USER = address(0x5E4D);

    /// @dev Everything `commitBatch` takes.
    struct Batch {
        bytes32 sc;
        uint64 epoch;
        uint64 toEntry;
        bytes32 exeCodeHash;
        IEnigma.RecordPreimage[] records;
        IEnigma.ReceiptData[] receipts;
        IEnigma.Selection selection;
        bytes signature;
    }

    IToken internal token;
    IEvidenceVerifier internal verifier;
    IEnigma internal enigma;
    address internal workerSigner;
    uint256[] internal keyManagerKeys;
    mapping(bytes32 sc => IEnigma.RecordPreimage[]) private _openRecords;

    function setUp() public virtual {
        vm.roll(1000);
        vm.warp(1_800_000_000);
        vm.prevrandao(keccak256("prevrandao"));
        token = IToken(_create("EnigmaToken", ""));
        verifier = _newVerifier(vm.addr(Evidence.ROOT_KEY));
        _makeKeyManagers();
        enigma = _newEnigma(_policy());
        workerSigner = vm.addr(WORKER_KEY);
        _fund(OPERATOR, 100_000 ether);
        _fund(USER, 1_000_000 ether);
        vm.prank(USER);
        enigma.deposit(100_000 ether);
        for (uint256 i = 0; i < keyManagerKeys.length; ++i) {
            _registerKeyManager(keyManagerKeys[i]);
        }
        _addWorker(WORKER_KEY, OPERATOR, STAKE);
        _startEpochWithActiveWorkers();
    }

    // ------------------------------------------------------------ construction

    function _policy() internal pure virtual returns (IEnigma.Policy memory) {
        return IEnigma.Policy({
            epochLengthBlocks: EPOCH_LENGTH,
            deadlineBlocks: DEADLINE,
            gasPerBlock: GAS_PER_BLOCK,
            backlogBlocks: BACKLOG,
            unbondingBlocks: UNBONDING,
            minimumGasPrice: 2,
            minimumStake: 100 ether,
            minimumTcbLevel: 3
        });
    }

    function _newEnigma(IEnigma.Policy memory policy) internal returns (IEnigma) {
        return _newEnigma(_keyManagerSet(), 2, policy);
    }

    function _newEnigma(IEnigma.KeyManager[] memory set, uint256 threshold, IEnigma.Policy memory policy)
        internal
        returns (IEnigma)
    {
        bytes32[] memory measurements = new bytes32[](1);
        measurements[0] = MEASUREMENT;
        bytes memory arguments = abi.encode(token, verifier, set, threshold, bytes32(0), measurements, policy);
        return IEnigma(_create("Enigma", arguments));
    }

    function _newVerifier(address root) internal returns (IEvidenceVerifier) {
        return IEvidenceVerifier(_create("DevelopmentVerifier", abi.encode(root)));
    }

    /// @dev Tests know the contracts by their interfaces, so that changing a contract recompiles no test.
    function _create(string memory name, bytes memory arguments) private returns (address made) {
        bytes memory code = bytes.concat(vm.getCode(string.concat(name, ".sol:", name)), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
            if iszero(made) {
                returndatacopy(mload(0x40), 0, returndatasize())
                revert(mload(0x40), returndatasize())
            }
        }
    }

    function _keyManagerSet() internal view returns (IEnigma.KeyManager[] memory set) {
        set = new IEnigma.KeyManager[](keyManagerKeys.length);
        for (uint256 i = 0; i < set.length; ++i) {
            address signer = vm.addr(keyManagerKeys[i]);
            set[i] = IEnigma.KeyManager(signer, _commitment(signer));
        }
    }

    function _commitment(address signer) internal pure returns (bytes32) {
        return keccak256(abi.encode("commitment", signer));
    }

    /// @dev Three keys whose addresses ascend, so that any two in order make valid epoch signatures.
    function _makeKeyManagers() private {
        uint256[3] memory keys = [uint256(0x101), 0x102, 0x103];
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (vm.addr(keys[j]) < vm.addr(keys[i])) (keys[i], keys[j]) = (keys[j], keys[i]);
            }
        }
        for (uint256 i = 0; i < 3; ++i) {
            keyManagerKeys.push(keys[i]);
        }
    }

    function _fund(address account, uint256 amount) internal {
        require(token.transfer(account, amount));
        vm.prank(account);
        token.approve(address(enigma), type(uint256).max);
    }

    // ------------------------------------------------------ enclaves and epochs

    /// @dev Honest evidence of an enclave, to be made dishonest by tests.
    function _evidence(uint8 role, uint8 purpose, address signer, bytes memory purposeKey)
        internal
        view
        returns (Evidence.Parts memory)
    {
        return Evidence.Parts({
            version: 1,
            platform: 0,
            configHash: enigma.configHash(),
            role: role,
            signer: signer,
            purpose: purpose,
            purposeKeyHash: keccak256(purposeKey),
            blockHash: blockhash(vm.getBlockNumber() - 3),
            measurement: MEASUREMENT,
            hardwareId: keccak256("hardware"),
            tcbLevel: 3,
            debug: 0,
            platformKey: Evidence.PLATFORM_KEY,
            rootKey: Evidence.ROOT_KEY,
            quoteKey: Evidence.PLATFORM_KEY,
            notBefore: uint64(vm.getBlockTimestamp() - 100),
            notAfter: uint64(vm.getBlockTimestamp() + 100)
        });
    }

    function _workerEvidence(uint256 key, address operator) internal view returns (Evidence.Parts memory) {
        return _evidence(1, 1, vm.addr(key), abi.encodePacked(operator));
    }

    function _keyManagerEvidence(uint256 key, address operator) internal view returns (Evidence.Parts memory) {
        address signer = vm.addr(key);
        return _evidence(2, 3, signer, abi.encodePacked(operator, _commitment(signer)));
    }

    function _registerKeyManager(uint256 key) internal {
        bytes memory evidence = Evidence.encode(_keyManagerEvidence(key, OPERATOR));
        vm.prank(OPERATOR);
        enigma.registerKeyManager(evidence);
    }

    function _registerWorker(uint256 key, address operator) internal {
        bytes memory evidence = Evidence.encode(_workerEvidence(key, operator));
        vm.prank(operator);
        enigma.registerWorker(evidence);
    }

    function _addWorker(uint256 key, address operator, uint128 amount) internal {
        _registerWorker(key, operator);
        vm.prank(operator);
        enigma.stake(vm.addr(key), amount);
        vm.prank(operator);
        enigma.logIn(vm.addr(key));
    }

    /// @dev The digest that wallets and enclaves sign, written out here instead of asked from the contract.
    function _digest(bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPE_HASH, keccak256("Enigma"), keccak256("1"), block.chainid, address(enigma))
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// @dev Signatures of the key managers at two positions of the ascending set.
    function _epochSignatures(
        uint64 epoch,
        bytes32 seed,
        bytes32 workersRoot,
        uint128 totalStake,
        uint256 first,
        uint256 second
    ) internal view returns (bytes[] memory signatures) {
        bytes32 digest = _digest(TypedData.hashEpoch(epoch, seed, workersRoot, totalStake));
        signatures = new bytes[](2);
        signatures[0] = Evidence.sign(keyManagerKeys[first], digest);
        signatures[1] = Evidence.sign(keyManagerKeys[second], digest);
    }

    function _startEpochWithActiveWorkers() internal {
        (address[] memory signers, uint128[] memory stakes) = enigma.activeWorkers();
        (bytes32 workersRoot, uint128 totalStake) = WorkerTree.root(signers, stakes);
        uint64 epoch = _epoch() + 1;
        bytes32 seed = keccak256(abi.encode(SEED, epoch));
        bytes[] memory signatures = _epochSignatures(epoch, seed, workersRoot, totalStake, 0, 1);
        enigma.startEpoch(epoch, seed, workersRoot, totalStake, signatures);
    }

    function _nextEpoch() internal {
        vm.roll(vm.getBlockNumber() + EPOCH_LENGTH);
        _startEpochWithActiveWorkers();
    }

    function _epoch() internal view returns (uint64 epoch) {
        (epoch,) = enigma.currentEpoch();
    }

    // ---------------------------------------------------------------- records

    function _task() internal pure returns (IEnigma.TaskRequest memory) {
        return IEnigma.TaskRequest(keccak256("inputs"), GAS_LIMIT, PRICE, 0, 0);
    }

    function _tasks(uint256 count) internal pure returns (IEnigma.TaskRequest[] memory tasks) {
        tasks = new IEnigma.TaskRequest[](count);
        for (uint256 i = 0; i < count; ++i) {
            tasks[i] = _task();
            tasks[i].inputsHash = keccak256(abi.encode("inputs", i));
        }
    }

    function _deploy(address user) internal returns (bytes32 sc) {
        uint64 nonce = _nonce(user);
        sc = Preimages.taskId(block.chainid, address(enigma), user, nonce);
        _remember(sc, user, nonce, _task());
        uint64 epoch = _epoch();
        vm.prank(user);
        bytes32 given = enigma.recordDeployment(epoch, nonce, CODE, _task());
        vm.assertEq(given, sc, "address of the secret contract");
    }

    function _recordTasks(address user, bytes32 sc, IEnigma.TaskRequest[] memory tasks) internal {
        uint64 nonce = _nonce(user);
        for (uint256 i = 0; i < tasks.length; ++i) {
            _remember(sc, user, nonce + uint64(i), tasks[i]);
        }
        uint64 epoch = _epoch();
        vm.prank(user);
        enigma.recordTasks(epoch, nonce, sc, tasks);
    }

    /// @dev A contract whose deployment succeeded.
    function _deployed(address user) internal returns (bytes32 sc) {
        sc = _deploy(user);
        _commit(_signedBatch(sc));
    }

    function _nonce(address user) internal view returns (uint64 nonce) {
        (, nonce) = enigma.accountOf(user);
    }

    function _balance(address user) internal view returns (uint128 balance) {
        (balance,) = enigma.accountOf(user);
    }

    function _remember(bytes32 sc, address user, uint64 nonce, IEnigma.TaskRequest memory task) private {
        IEnigma.RecordPreimage[] storage open = _openRecords[sc];
        uint64 due = open.length == 0 ? enigma.contractState(sc).due : open[open.length - 1].due;
        uint64 blockNumber = uint64(vm.getBlockNumber());
        uint64 start = due > blockNumber + DEADLINE ? due : blockNumber + DEADLINE;
        open.push(
            IEnigma.RecordPreimage({
                sender: user,
                senderNonce: nonce,
                inputsHash: task.inputsHash,
                timestamp: uint64(vm.getBlockTimestamp()),
                prevrandao: block.prevrandao,
                inlined: false,
                gasLimit: task.gasLimit,
                gasPrice: task.gasPrice,
                value: task.value,
                callGas: task.callGas,
                blockNumber: blockNumber,
                due: start + (task.gasLimit + GAS_PER_BLOCK - 1) / GAS_PER_BLOCK
            })
        );
    }

    function _open(bytes32 sc) internal view returns (IEnigma.RecordPreimage[] memory) {
        return _openRecords[sc];
    }

    /// @dev Drops the oldest open records once a batch has closed them.
    function _forget(bytes32 sc, uint256 count) internal {
        IEnigma.RecordPreimage[] storage open = _openRecords[sc];
        for (uint256 i = count; i < open.length; ++i) {
            open[i - count] = open[i];
        }
        for (uint256 i = 0; i < count; ++i) {
            open.pop();
        }
    }

    // ---------------------------------------------------------------- batches

    /// @dev A batch of all open records, every one a success that changes the state, not signed yet.
    function _batch(bytes32 sc) internal view returns (Batch memory batch) {
        IEnigma.ContractState memory state = enigma.contractState(sc);
        batch.sc = sc;
        batch.epoch = _epoch();
        batch.toEntry = state.openEntry;
        batch.exeCodeHash = state.closedRecords == 0 ? EXE_CODE : bytes32(0);
        batch.records = _openRecords[sc];
        batch.receipts = new IEnigma.ReceiptData[](batch.records.length);
        for (uint256 i = 0; i < batch.records.length; ++i) {
            bytes32 tip = keccak256(abi.encode("tip", sc, state.closedRecords + i));
            batch.receipts[i] = IEnigma.ReceiptData(tip, keccak256(abi.encode("output", tip)), GAS_USED, 0);
        }
        batch.selection = _soleWorkerSelection(0);
    }

    function _soleWorkerSelection(uint8 rank) internal pure returns (IEnigma.Selection memory) {
        return IEnigma.Selection(rank, STAKE, new bytes32[](0), new uint128[](0), new bool[](0));
    }

    function _signedBatch(bytes32 sc) internal view returns (Batch memory batch) {
        batch = _batch(sc);
        _sign(batch, WORKER_KEY);
    }

    function _sign(Batch memory batch, uint256 key) internal view {
        batch.signature = Evidence.sign(key, _digest(_batchHash(batch, _receipts(batch))));
    }

    function _batchHash(Batch memory batch, TypedData.Receipt[] memory receipts) internal view returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](receipts.length);
        for (uint256 i = 0; i < receipts.length; ++i) {
            hashes[i] = TypedData.hashReceipt(receipts[i]);
        }
        bytes32 head = enigma.queueHead(batch.sc, batch.toEntry);
        return TypedData.hashBatch(batch.sc, batch.epoch, batch.selection.rank, head, hashes);
    }

    /// @dev The receipts that an enclave would sign for this batch.
    function _receipts(Batch memory batch) internal view returns (TypedData.Receipt[] memory receipts) {
        IEnigma.ContractState memory state = enigma.contractState(batch.sc);
        bytes32 exeCodeHash = state.closedRecords == 0 ? batch.exeCodeHash : state.exeCodeHash;
        bytes32 tip = state.tip;
        uint64 deltaCount = state.deltaCount;
        if (state.closedRecords == 0 && exeCodeHash != bytes32(0)) tip = Preimages.genesisTip(batch.sc, exeCodeHash);
        receipts = new TypedData.Receipt[](batch.records.length);
        for (uint256 i = 0; i < receipts.length; ++i) {
            TypedData.Receipt memory receipt = receipts[i];
            IEnigma.RecordPreimage memory record = batch.records[i];
            IEnigma.ReceiptData memory data = batch.receipts[i];
            receipt.taskId = Preimages.taskId(block.chainid, address(enigma), record.sender, record.senderNonce);
            receipt.sc = batch.sc;
            receipt.recordIndex = state.closedRecords + uint64(i);
            receipt.deltaIndex = deltaCount;
            receipt.epoch = batch.epoch;
            receipt.rank = batch.selection.rank;
            receipt.generation = state.generation;
            receipt.exeCodeHash = exeCodeHash;
            receipt.inputsHash = record.inputsHash;
            receipt.previousTip = tip;
            receipt.tip = data.tip;
            receipt.outputHash = data.outputHash;
            receipt.gasUsed = data.gasUsed;
            receipt.status = data.status;
            if (data.tip != tip) ++deltaCount;
            tip = data.tip;
        }
    }

    /// @dev The transaction alone; any account may send it.
    function _send(Batch memory batch) internal {
        enigma.commitBatch(
            batch.sc,
            batch.epoch,
            batch.toEntry,
            batch.exeCodeHash,
            batch.records,
            batch.receipts,
            batch.selection,
            batch.signature
        );
    }

    function _commit(Batch memory batch) internal {
        _send(batch);
        _forget(batch.sc, batch.records.length);
    }

    /// @dev Signs as the selected worker and expects the refusal.
    function _refuse(Batch memory batch, bytes4 selector) internal {
        _sign(batch, WORKER_KEY);
        _refuseSigned(batch, selector);
    }

    function _refuseSigned(Batch memory batch, bytes4 selector) internal {
        vm.expectPartialRevert(selector);
        _send(batch);
    }
}
