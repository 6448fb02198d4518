// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Preimages of everything the protocol hashes on Ethereum, EIP-712 structures excepted
/// @notice `H(label, words…) = keccak256(abi.encode(keccak256(label), words…))`.
/// @dev Pure functions of all their inputs, so that the shared vectors exercise them without a deployed contract.
library Preimages {
    bytes32 private constant TASK_ID = keccak256("enigma/task-id/1");
    bytes32 private constant INPUTS = keccak256("enigma/inputs/1");
    bytes32 private constant BODY = keccak256("enigma/body/1");
    bytes32 private constant RECORD = keccak256("enigma/record/1");
    bytes32 private constant QUEUE = keccak256("enigma/queue/1");
    bytes32 private constant GENESIS = keccak256("enigma/genesis/1");
    bytes32 private constant TIP = keccak256("enigma/tip/1");
    bytes32 private constant RANK = keccak256("enigma/rank/1");
    bytes32 private constant CONFIG = keccak256("enigma/config/1");
    bytes32 private constant ATTEST = keccak256("enigma/attest/1");
    bytes32 private constant DEV_PLATFORM = keccak256("enigma/dev-platform/1");
    bytes32 private constant DEV_QUOTE = keccak256("enigma/dev-quote/1");

    /// @notice Identity of a task, and the address of the secret contract that a deployment makes.
    function taskId(uint256 chainId, address enigma, address sender, uint64 senderNonce)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(TASK_ID, chainId, enigma, sender, senderNonce));
    }

    /// @notice What a user commits to when recording a task.
    /// @dev Ethereum takes it as given; it is here for the shared vectors and for contracts that record tasks.
    function inputsHash(
        uint8 kind,
        bytes32 taskId_,
        bytes32 sc,
        uint64 epoch,
        uint8 suite,
        bytes32 encryptedFnHash,
        bytes32 encryptedArgsHash,
        bytes32 userKeyHash,
        bytes32 preCodeHash
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                INPUTS,
                kind,
                taskId_,
                sc,
                epoch,
                suite,
                encryptedFnHash,
                encryptedArgsHash,
                userKeyHash,
                preCodeHash
            )
        );
    }

    /// @notice The part of a record that the enclave's randomness and clock come from.
    function bodyHash(bytes32 taskId_, bytes32 inputsHash_, uint64 timestamp, uint256 prevrandao, bool inlined)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(BODY, taskId_, inputsHash_, timestamp, prevrandao, inlined));
    }

    /// @notice A whole record.
    function recordHash(
        bytes32 bodyHash_,
        address sender,
        uint64 gasLimit,
        uint128 gasPrice,
        uint128 value,
        uint64 callGas,
        uint64 epoch,
        uint64 blockNumber,
        uint64 due
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(RECORD, bodyHash_, sender, gasLimit, gasPrice, value, callGas, epoch, blockNumber, due)
        );
    }

    /// @notice Head of the empty queue of a secret contract.
    function emptyQueueHead(bytes32 sc) internal pure returns (bytes32) {
        return keccak256(abi.encode(QUEUE, sc));
    }

    /// @notice Head of a queue after one more record.
    function nextQueueHead(bytes32 head, bytes32 recordHash_) internal pure returns (bytes32) {
        return keccak256(abi.encode(QUEUE, head, recordHash_));
    }

    /// @notice Tip of a state chain before its first entry.
    function genesisTip(bytes32 sc, bytes32 exeCodeHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(GENESIS, sc, exeCodeHash));
    }

    /// @notice Tip of a state chain after one more entry; `kind` is 1 for a delta, 2 for a snapshot.
    /// @dev Only enclaves compute tips; here for the shared vectors.
    function nextTip(bytes32 tip, uint8 kind, bytes32 entryHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(TIP, tip, kind, entryHash));
    }

    /// @notice The grain of stake that is drawn for a rank of a secret contract; its owner is the worker.
    function drawnStake(bytes32 seed, bytes32 sc, uint8 rank, uint128 totalStake) internal pure returns (uint128) {
        return uint128(uint256(keccak256(abi.encode(RANK, seed, sc, rank))) % totalStake);
    }

    /// @notice What all evidence of one network claims.
    /// @param keyManagersHash keccak256 of (signer as a word ‖ commitment) of each initial key manager, in order
    function configHash(
        uint256 chainId,
        address enigma,
        bytes32 checkpoint,
        uint256 threshold,
        bytes32 keyManagersHash
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(CONFIG, chainId, enigma, checkpoint, threshold, keyManagersHash));
    }

    /// @notice First half of a quote's report data.
    function reportData(
        bytes32 configHash_,
        uint8 role,
        address signer,
        uint8 purpose,
        bytes32 purposeKeyHash,
        bytes32 blockHash
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(ATTEST, configHash_, role, signer, purpose, purposeKeyHash, blockHash));
    }

    /// @notice What the development root signs about a simulated platform.
    function developmentPlatform(address platformKey, bytes32 hardwareId, uint64 notBefore, uint64 notAfter)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(DEV_PLATFORM, platformKey, hardwareId, notBefore, notAfter));
    }

    /// @notice What a simulated platform signs about an enclave.
    function developmentQuote(
        bytes32 measurement,
        bytes32 hardwareId,
        uint16 tcbLevel,
        uint8 debug,
        bytes32 reportData_
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(DEV_QUOTE, measurement, hardwareId, tcbLevel, debug, reportData_));
    }
}
