// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../interfaces/IEnigma.sol";
import {IEnigmaErrors} from "../interfaces/IEnigmaErrors.sol";

/// @title The rules of one network
/// @notice Fixed at construction. Enclaves and nodes read them here; none is in a binary.
/// @dev Deliberately absent: an owner. Changing a rule needs activation delays and a governor, which do not exist yet.
abstract contract NetworkPolicy is IEnigma, IEnigmaErrors {
    uint64 internal immutable EPOCH_LENGTH_BLOCKS;
    uint64 internal immutable DEADLINE_BLOCKS;
    uint64 internal immutable GAS_PER_BLOCK;
    uint64 internal immutable BACKLOG_BLOCKS;
    uint64 internal immutable UNBONDING_BLOCKS;
    uint128 internal immutable MINIMUM_GAS_PRICE;
    uint128 internal immutable MINIMUM_STAKE;
    uint16 internal immutable MINIMUM_TCB_LEVEL;

    mapping(bytes32 measurement => bool) private _measurementAccepted;

    constructor(bytes32[] memory measurements, Policy memory parameters) {
        // Sums of block numbers and these stay far below 2^64; due blocks are stored in 56 bits.
        uint64 limit = type(uint32).max;
        if (parameters.epochLengthBlocks > limit) revert InvalidConfiguration("epoch too long");
        if (parameters.deadlineBlocks == 0 || parameters.deadlineBlocks > limit) {
            revert InvalidConfiguration("deadline out of range");
        }
        if (parameters.gasPerBlock == 0) revert InvalidConfiguration("gas per block is zero");
        if (parameters.backlogBlocks <= parameters.deadlineBlocks || parameters.backlogBlocks > limit) {
            revert InvalidConfiguration("backlog out of range");
        }
        if (parameters.unbondingBlocks > limit) revert InvalidConfiguration("unbonding too long");
        if (parameters.minimumStake == 0) revert InvalidConfiguration("minimum stake is zero");
        EPOCH_LENGTH_BLOCKS = parameters.epochLengthBlocks;
        DEADLINE_BLOCKS = parameters.deadlineBlocks;
        GAS_PER_BLOCK = parameters.gasPerBlock;
        BACKLOG_BLOCKS = parameters.backlogBlocks;
        UNBONDING_BLOCKS = parameters.unbondingBlocks;
        MINIMUM_GAS_PRICE = parameters.minimumGasPrice;
        MINIMUM_STAKE = parameters.minimumStake;
        MINIMUM_TCB_LEVEL = parameters.minimumTcbLevel;
        for (uint256 i = 0; i < measurements.length; ++i) {
            _measurementAccepted[measurements[i]] = true;
        }
    }

    /// @inheritdoc IEnigma
    function epochLengthBlocks() external view returns (uint64) {
        return EPOCH_LENGTH_BLOCKS;
    }

    /// @inheritdoc IEnigma
    function isMeasurementAccepted(bytes32 measurement) public view returns (bool) {
        return _measurementAccepted[measurement];
    }

    /// @inheritdoc IEnigma
    function policy() external view returns (Policy memory) {
        return Policy({
            epochLengthBlocks: EPOCH_LENGTH_BLOCKS,
            deadlineBlocks: DEADLINE_BLOCKS,
            gasPerBlock: GAS_PER_BLOCK,
            backlogBlocks: BACKLOG_BLOCKS,
            unbondingBlocks: UNBONDING_BLOCKS,
            minimumGasPrice: MINIMUM_GAS_PRICE,
            minimumStake: MINIMUM_STAKE,
            minimumTcbLevel: MINIMUM_TCB_LEVEL
        });
    }
}
