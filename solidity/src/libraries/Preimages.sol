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
        return _hash5(TASK_ID, chainId, uint160(enigma), uint160(sender), senderNonce);
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
        return _hash6(BODY, uint256(taskId_), uint256(inputsHash_), timestamp, prevrandao, inlined ? 1 : 0);
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
        return _hash10(
            RECORD,
            uint256(bodyHash_),
            uint160(sender),
            gasLimit,
            gasPrice,
            value,
            callGas,
            epoch,
            blockNumber,
            due
        );
    }

    /// @notice Head of the empty queue of a secret contract.
    function emptyQueueHead(bytes32 sc) internal pure returns (bytes32) {
        return keccak256(abi.encode(QUEUE, sc));
    }

    /// @notice Head of a queue after one more record.
    function nextQueueHead(bytes32 head, bytes32 recordHash_) internal pure returns (bytes32) {
        return _hash3(QUEUE, uint256(head), uint256(recordHash_));
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

    // ------------------------------------------------------------------ words

    // `keccak256(abi.encode(label, …))` of the hashes that are computed for every record: the words are laid out above the
    // free memory pointer, which stays, so that memory does not grow with the number of records in a transaction. Parameters
    // are whole words, because assembly would see whatever is in the upper bits of a shorter type.

    function _hash3(bytes32 label, uint256 w1, uint256 w2) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, label)
            mstore(add(words, 0x20), w1)
            mstore(add(words, 0x40), w2)
            hash := keccak256(words, 0x60)
        }
    }

    function _hash5(bytes32 label, uint256 w1, uint256 w2, uint256 w3, uint256 w4) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, label)
            mstore(add(words, 0x20), w1)
            mstore(add(words, 0x40), w2)
            mstore(add(words, 0x60), w3)
            mstore(add(words, 0x80), w4)
            hash := keccak256(words, 0xa0)
        }
    }

    function _hash6(bytes32 label, uint256 w1, uint256 w2, uint256 w3, uint256 w4, uint256 w5) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, label)
            mstore(add(words, 0x20), w1)
            mstore(add(words, 0x40), w2)
            mstore(add(words, 0x60), w3)
            mstore(add(words, 0x80), w4)
            mstore(add(words, 0xa0), w5)
            hash := keccak256(words, 0xc0)
        }
    }

    function _hash10(bytes32 label, uint256 w1, uint256 w2, uint256 w3, uint256 w4, uint256 w5, uint256 w6, uint256 w7, uint256 w8, uint256 w9) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, label)
            mstore(add(words, 0x20), w1)
            mstore(add(words, 0x40), w2)
            mstore(add(words, 0x60), w3)
            mstore(add(words, 0x80), w4)
            mstore(add(words, 0xa0), w5)
            mstore(add(words, 0xc0), w6)
            mstore(add(words, 0xe0), w7)
            mstore(add(words, 0x100), w8)
            mstore(add(words, 0x120), w9)
            hash := keccak256(words, 0x140)
        }
    }
}
