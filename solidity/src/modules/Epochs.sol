// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IEnigma} from "../interfaces/IEnigma.sol";
import {Preimages} from "../libraries/Preimages.sol";
import {MerkleSum} from "../libraries/MerkleSum.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Registry} from "./Registry.sol";

/// @title Epochs and who works in them
/// @notice An epoch starts when the threshold of key managers has signed its parameters, and lasts until the next one starts:
/// a late key manager never stops tasks.
/// @dev O(1) storage an epoch. Parameters stay for ever, because a record's own epoch decides who may close it.
abstract contract Epochs is Registry, EIP712 {
    uint64 private _epoch;
    mapping(uint64 epoch => EpochState) private _epochs;

    constructor() EIP712("Enigma", "1") {}

    /// @inheritdoc IEnigma
    function startEpoch(
        uint64 epoch,
        bytes32 seed,
        bytes32 workersRoot,
        uint128 totalStake,
        bytes[] calldata signatures
    ) external {
        uint64 current = _epoch;
        if (epoch != current + 1) revert WrongEpochNumber(epoch, current + 1);
        if (current != 0) {
            uint256 earliest = uint256(_epochs[current].firstBlock) + EPOCH_LENGTH_BLOCKS;
            if (block.number < earliest) revert EpochTooEarly(earliest);
        }
        if (totalStake == 0) revert EmptyWorkerSet();
        bytes32 structHash = TypedData.hashEpoch(epoch, seed, workersRoot, totalStake);
        _checkKeyManagers(_hashTypedDataV4(structHash), signatures);

        uint64 firstBlock = uint64(block.number);
        _epoch = epoch;
        _epochs[epoch] = EpochState({
            seed: seed,
            workersRoot: workersRoot,
            totalStake: totalStake,
            firstBlock: firstBlock
        });
        emit EpochStarted(epoch, seed, workersRoot, totalStake, firstBlock);
    }

    /// @inheritdoc IEnigma
    function currentEpoch() external view returns (uint64 epoch, EpochState memory state) {
        epoch = _epoch;
        state = _epochs[epoch];
    }

    /// @inheritdoc IEnigma
    function epochState(uint64 epoch) external view returns (EpochState memory) {
        return _epochs[epoch];
    }

    /// @inheritdoc Registry
    function _currentEpoch() internal view override returns (uint64) {
        return _epoch;
    }

    /// @inheritdoc Registry
    function _firstBlock(uint64 epoch) internal view override returns (uint64) {
        return _epochs[epoch].firstBlock;
    }

    /// @dev Reverts unless the selection proves that `signer` works for `sc` in `epoch` at the selection's rank.
    function _checkSelection(bytes32 sc, uint64 epoch, address signer, Selection calldata selection) internal view {
        EpochState memory state = _epochs[epoch];
        if (state.totalStake == 0) revert UnknownEpoch(epoch);
        (bytes32 root, uint128 total, uint128 left) = MerkleSum.follow(
            signer, selection.stake, selection.siblings, selection.sums, selection.siblingIsLeft
        );
        if (root != state.workersRoot || total != state.totalStake) revert WrongSelectionPath(signer, root, total);
        uint128 drawn = Preimages.drawnStake(state.seed, sc, selection.rank, total);
        // left + stake is at most the total, so it cannot overflow.
        if (drawn < left || drawn >= left + selection.stake) {
            revert NotSelected(signer, left, selection.stake, drawn);
        }
    }

    function _checkKeyManagers(bytes32 digest, bytes[] calldata signatures) private view {
        uint256 threshold = _keyManagerThreshold();
        if (signatures.length != threshold) revert WrongSignatureCount(signatures.length, threshold);
        address previous = address(0);
        for (uint256 i = 0; i < threshold; ++i) {
            address signer = Signatures.recover(digest, signatures[i]);
            if (signer == address(0)) revert InvalidSignature();
            if (signer <= previous) revert SignersNotAscending(previous, signer);
            if (!isKeyManagerRegistered(signer)) revert KeyManagerNotRegistered(signer);
            previous = signer;
        }
    }
}
