// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title EIP-712 structures that enclaves sign for Ethereum
/// @dev Hashes of structures only; the domain separator is the contract's.
library TypedData {
    /// @notice What a worker's enclave states about one record.
    struct Receipt {
        bytes32 taskId;
        bytes32 sc;
        uint64 recordIndex;
        uint64 deltaIndex;
        uint64 epoch;
        uint8 rank;
        uint32 generation;
        bytes32 exeCodeHash;
        bytes32 inputsHash;
        bytes32 previousTip;
        bytes32 tip;
        bytes32 outputHash;
        uint64 gasUsed;
        uint8 status;
        address callTarget;
        bytes32 callDataHash;
        uint64 callGas;
        address payTo;
        uint256 payAmount;
    }

    bytes private constant RECEIPT_TYPE =
        "Receipt(bytes32 taskId,bytes32 sc,uint64 recordIndex,uint64 deltaIndex,uint64 epoch,uint8 rank,uint32 generation,bytes32 exeCodeHash,bytes32 inputsHash,bytes32 previousTip,bytes32 tip,bytes32 outputHash,uint64 gasUsed,uint8 status,address callTarget,bytes32 callDataHash,uint64 callGas,address payTo,uint256 payAmount)";
    bytes32 private constant RECEIPT_TYPE_HASH = keccak256(RECEIPT_TYPE);
    bytes32 private constant BATCH_TYPE_HASH = keccak256(
        abi.encodePacked(
            "Batch(bytes32 sc,uint64 epoch,uint8 rank,bytes32 head,Receipt[] receipts)", RECEIPT_TYPE
        )
    );
    bytes32 private constant EPOCH_TYPE_HASH =
        keccak256("EpochParameters(uint64 epoch,bytes32 seed,bytes32 workersRoot,uint128 totalStake)");

    /// @notice `hashStruct` of a receipt.
    function hashReceipt(Receipt memory receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT_TYPE_HASH, receipt));
    }

    /// @notice `hashStruct` of a batch.
    /// @param head queue head after the batch's last record
    /// @param receiptHashes `hashStruct` of each receipt, in order
    function hashBatch(bytes32 sc, uint64 epoch, uint8 rank, bytes32 head, bytes32[] memory receiptHashes)
        internal
        pure
        returns (bytes32)
    {
        bytes32 receipts = keccak256(abi.encodePacked(receiptHashes));
        return keccak256(abi.encode(BATCH_TYPE_HASH, sc, epoch, rank, head, receipts));
    }

    /// @notice `hashStruct` of an epoch's parameters.
    function hashEpoch(uint64 epoch, bytes32 seed, bytes32 workersRoot, uint128 totalStake)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(EPOCH_TYPE_HASH, epoch, seed, workersRoot, totalStake));
    }
}
