// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title What the Enigma network writes to and reads from Ethereum
/// @notice Ethereum keeps hashes only: queues of task records, tips of state chains, roots of worker sets.
/// @dev Preimages and encodings are specified in `spec/ledger.md`; Rust and Solidity pass the same vectors.
interface IEnigma {
    // ---------------------------------------------------------------- types

    /// @notice What a user asks for when recording a task; the ciphertext itself never reaches Ethereum.
    struct TaskRequest {
        bytes32 inputsHash;
        uint64 gasLimit;
        uint128 gasPrice; // grains of ENG per unit of gas
        uint128 value; // grains, 0 until payable tasks exist
        uint64 callGas; // Ethereum gas bought for a call, 0 forbids calls
    }

    /// @notice Preimage of one record, given back by the worker that closes it.
    struct RecordPreimage {
        address sender;
        uint64 senderNonce;
        bytes32 inputsHash;
        uint64 timestamp;
        uint256 prevrandao;
        bool inlined;
        uint64 gasLimit;
        uint128 gasPrice;
        uint128 value;
        uint64 callGas;
        uint64 blockNumber;
        uint64 due;
    }

    /// @notice The part of a receipt that cannot be derived from the record and the contract's state.
    struct ReceiptData {
        bytes32 tip; // equal to the previous tip when the state did not change
        bytes32 outputHash;
        uint64 gasUsed;
        uint8 status; // 0 success, 1 failure, 4 undecryptable
    }

    /// @notice Merkle-sum path of the signing worker in the epoch's worker tree, from the leaf up.
    struct Selection {
        uint8 rank;
        uint128 stake;
        bytes32[] siblings;
        uint128[] sums;
        bool[] siblingIsLeft;
    }

    struct ContractState {
        bytes32 preCodeHash;
        bytes32 exeCodeHash;
        bytes32 tip;
        uint64 deltaCount;
        uint32 generation;
        uint64 recordCount;
        uint64 closedRecords;
        uint64 openEntry; // ring entry written by the newest record transaction
        uint64 closedEntry; // ring entry that the newest batch reached
        uint64 due;
        bool deployed; // the deployment's receipt succeeded
    }

    struct EpochState {
        bytes32 seed;
        bytes32 workersRoot;
        uint128 totalStake;
        uint64 firstBlock;
    }

    struct Worker {
        address operator;
        uint128 stake;
        bytes32 evidenceHash;
        bytes32 measurement;
        bool loggedIn;
    }

    struct KeyManager {
        address signer;
        bytes32 commitment; // ristretto255 share commitment
    }

    /// @notice Numbers that a network is made with.
    struct Policy {
        uint64 epochLengthBlocks; // an epoch lasts at least so long
        uint64 deadlineBlocks; // D: blocks from a record to its due block, before the time for its gas
        uint64 gasPerBlock; // G: gas that a worker is expected to compute in a block
        uint64 backlogBlocks; // a record whose due block is further away is refused
        uint64 unbondingBlocks; // blocks a stake stays after the first epoch without its worker began
        uint128 minimumGasPrice; // grains of ENG per unit of gas
        uint128 minimumStake; // grains of ENG
        uint16 minimumTcbLevel; // of platforms whose enclaves register
    }

    // --------------------------------------------------------------- events

    event EpochStarted(
        uint64 indexed epoch, bytes32 seed, bytes32 workersRoot, uint128 totalStake, uint64 firstBlock
    );
    event WorkerRegistered(address indexed signer, address indexed operator, bytes32 measurement, bytes32 evidenceHash);
    event WorkerStaked(address indexed signer, uint128 stake);
    event WorkerLoggedIn(address indexed signer);
    event WorkerLoggedOut(address indexed signer);
    event KeyManagerRegistered(address indexed signer, bytes32 commitment, bytes32 evidenceHash);
    /// @dev A deployment emits this with `preCodeHash != 0`; then `sc` is the task id.
    event TaskRecorded(
        bytes32 indexed sc,
        bytes32 indexed taskId,
        address indexed sender,
        uint64 senderNonce,
        bytes32 inputsHash,
        bytes32 preCodeHash,
        uint64 timestamp,
        uint256 prevrandao,
        uint64 gasLimit,
        uint128 gasPrice,
        uint128 value,
        uint64 callGas,
        uint64 epoch,
        uint64 due,
        uint64 recordIndex,
        uint64 entry
    );
    event BatchCommitted(
        bytes32 indexed sc,
        uint64 indexed epoch,
        address indexed signer,
        uint64 firstRecordIndex,
        uint64 recordCount,
        uint64 deltaCount,
        bytes32 tip,
        bytes32 exeCodeHash
    );
    /// @dev Nobody delivered these records in time; their senders have their fees back.
    event RecordsExpired(bytes32 indexed sc, uint64 indexed epoch, uint64 firstRecordIndex, uint64 recordCount);
    event Deposited(address indexed account, uint128 amount);
    event Withdrawn(address indexed account, uint128 amount);

    // ---------------------------------------------------------------- money

    function token() external view returns (address);
    /// @notice Moves `amount` grains from the caller into its deposit (needs an allowance).
    function deposit(uint128 amount) external;
    /// @notice Deposit and EIP-2612 approval in one call.
    function depositWithPermit(uint128 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
    function withdraw(uint128 amount) external;
    /// @return balance grains in the deposit  @return senderNonce number of tasks the account has recorded
    function accountOf(address account) external view returns (uint128 balance, uint64 senderNonce);

    // ---------------------------------------------------------------- tasks

    /// @notice Records the deployment of a secret contract; its address is the task id.
    function recordDeployment(uint64 epoch, uint64 senderNonce, bytes32 preCodeHash, TaskRequest calldata task)
        external
        returns (bytes32 sc);
    /// @notice Records one or many calls of one secret contract; task i uses nonce `senderNonce + i`.
    function recordTasks(uint64 epoch, uint64 senderNonce, bytes32 sc, TaskRequest[] calldata tasks) external;
    /// @notice Closes the records from the queue's closed entry up to `toEntry` with receipts of the selected worker.
    /// @param exeCodeHash hash of the executed code; only read when the batch contains the deployment (record 0)
    function commitBatch(
        bytes32 sc,
        uint64 epoch,
        uint64 toEntry,
        bytes32 exeCodeHash,
        RecordPreimage[] calldata records,
        ReceiptData[] calldata receipts,
        Selection calldata selection,
        bytes calldata signature
    ) external;
    /// @notice Closes records that nobody delivered in time, from the queue's closed entry up to `toEntry`, all of one epoch.
    function closeExpired(bytes32 sc, uint64 epoch, uint64 toEntry, RecordPreimage[] calldata records) external;
    function contractState(bytes32 sc) external view returns (ContractState memory);
    function queueHead(bytes32 sc, uint64 entry) external view returns (bytes32);

    // --------------------------------------------------- workers and epochs

    /// @notice Registers an enclave by its registration evidence; the evidence binds `msg.sender` as operator.
    function registerWorker(bytes calldata evidence) external returns (address signer);
    function stake(address signer, uint128 amount) external;
    function logIn(address signer) external;
    function logOut(address signer) external;
    /// @notice Pays a worker's stake back, once no record of its last epoch can be open.
    function withdrawStake(address signer) external;
    function worker(address signer) external view returns (Worker memory);
    /// @notice Signers that are logged in with a stake, ascending: the leaves of the next epoch's tree.
    function activeWorkers() external view returns (address[] memory signers, uint128[] memory stakes);
    function registerKeyManager(bytes calldata evidence) external returns (address signer);
    function keyManagers() external view returns (KeyManager[] memory, uint256 threshold);
    function isKeyManagerRegistered(address signer) external view returns (bool);
    function startEpoch(uint64 epoch, bytes32 seed, bytes32 workersRoot, uint128 totalStake, bytes[] calldata signatures)
        external;
    function currentEpoch() external view returns (uint64 epoch, EpochState memory state);
    function epochState(uint64 epoch) external view returns (EpochState memory);
    function epochLengthBlocks() external view returns (uint64);

    // --------------------------------------------------------------- policy

    /// @notice What evidence must claim: chain, contract, checkpoint and initial key managers.
    function configHash() external view returns (bytes32);
    /// @notice The numbers this network was made with.
    function policy() external view returns (Policy memory);
    /// @notice Whether a measurement is accepted now.
    function isMeasurementAccepted(bytes32 measurement) external view returns (bool);
}
