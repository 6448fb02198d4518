// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../src/interfaces/IEnigma.sol";
import {TypedData} from "../src/libraries/TypedData.sol";
import {EnigmaTest} from "./support/EnigmaTest.sol";
import {Evidence} from "./support/Evidence.sol";
import {vm} from "./support/Vm.sol";

/// @dev Who starts an epoch, when, and with what.
contract EpochsTest is EnigmaTest {
    bytes32 private constant ROOT = keccak256("root");
    uint128 private constant TOTAL = 77;

    function test_first_epoch_starts_at_once_and_stays() public view {
        (uint64 epoch, IEnigma.EpochState memory state) = enigma.currentEpoch();
        vm.assertEq(epoch, 1, "number");
        vm.assertEq(state.firstBlock, 1000, "first block");
        vm.assertEq(state.totalStake, STAKE, "stake");
        vm.assertEq(state.seed, keccak256(abi.encode(SEED, uint64(1))), "seed");
        vm.assertEq(enigma.epochState(2).firstBlock, 0, "next epoch");
    }

    function test_any_two_of_three_start_the_next() public {
        uint8[2][3] memory pairs = [[0, 1], [0, 2], [1, 2]];
        for (uint64 i = 0; i < 3; ++i) {
            vm.roll(vm.getBlockNumber() + EPOCH_LENGTH);
            bytes[] memory signatures = _epochSignatures(2 + i, SEED, ROOT, TOTAL, pairs[i][0], pairs[i][1]);
            vm.expectEmit();
            emit IEnigma.EpochStarted(2 + i, SEED, ROOT, TOTAL, uint64(vm.getBlockNumber()));
            enigma.startEpoch(2 + i, SEED, ROOT, TOTAL, signatures);
        }
        vm.assertEq(_epoch(), 4, "epoch");
        vm.assertEq(enigma.epochState(3).workersRoot, ROOT, "earlier epochs stay");
    }

    function test_refuses_to_cut_an_epoch_short() public {
        bytes[] memory signatures = _epochSignatures(2, SEED, ROOT, TOTAL, 0, 1);
        vm.roll(1000 + EPOCH_LENGTH - 1);
        vm.expectRevert(abi.encodeWithSelector(EpochTooEarly.selector, 1000 + EPOCH_LENGTH));
        enigma.startEpoch(2, SEED, ROOT, TOTAL, signatures);
        vm.roll(1000 + EPOCH_LENGTH);
        enigma.startEpoch(2, SEED, ROOT, TOTAL, signatures);
    }

    function test_refuses_another_number_and_a_replay() public {
        vm.roll(5000);
        uint64[3] memory wrong = [uint64(0), 1, 3];
        for (uint256 i = 0; i < 3; ++i) {
            bytes[] memory signatures = _epochSignatures(wrong[i], SEED, ROOT, TOTAL, 0, 1);
            vm.expectRevert(abi.encodeWithSelector(WrongEpochNumber.selector, wrong[i], 2));
            enigma.startEpoch(wrong[i], SEED, ROOT, TOTAL, signatures);
        }
        bytes[] memory second = _epochSignatures(2, SEED, ROOT, TOTAL, 0, 1);
        enigma.startEpoch(2, SEED, ROOT, TOTAL, second);
        vm.expectRevert(abi.encodeWithSelector(WrongEpochNumber.selector, 2, 3));
        enigma.startEpoch(2, SEED, ROOT, TOTAL, second);
    }

    function test_refuses_an_epoch_without_stake() public {
        vm.roll(5000);
        bytes[] memory signatures = _epochSignatures(2, SEED, ROOT, 0, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(EmptyWorkerSet.selector));
        enigma.startEpoch(2, SEED, ROOT, 0, signatures);
    }

    function test_refuses_signatures_over_other_parameters() public {
        bytes[] memory signatures = _epochSignatures(2, SEED, ROOT, TOTAL, 0, 1);
        vm.roll(5000);
        // What is recovered from them is nobody, in either order.
        _refuseEither(keccak256("other seed"), ROOT, TOTAL, signatures);
        _refuseEither(SEED, keccak256("other root"), TOTAL, signatures);
        _refuseEither(SEED, ROOT, TOTAL + 1, signatures);
    }

    function test_refuses_too_few_too_many_repeated_and_descending_signatures() public {
        vm.roll(5000);
        bytes[] memory signatures = _epochSignatures(2, SEED, ROOT, TOTAL, 0, 1);
        bytes[] memory one = new bytes[](1);
        one[0] = signatures[0];
        _refuse(one, WrongSignatureCount.selector);
        bytes[] memory three = new bytes[](3);
        (three[0], three[1], three[2]) = (signatures[0], signatures[1], signatures[1]);
        _refuse(three, WrongSignatureCount.selector);
        _refuse(_epochSignatures(2, SEED, ROOT, TOTAL, 0, 0), SignersNotAscending.selector);
        _refuse(_epochSignatures(2, SEED, ROOT, TOTAL, 1, 0), SignersNotAscending.selector);
        signatures[1] = hex"00";
        _refuse(signatures, InvalidSignature.selector);
    }

    function test_refuses_strangers_and_key_managers_that_did_not_register() public {
        vm.roll(5000);
        bytes32 digest = _digest(TypedData.hashEpoch(2, SEED, ROOT, TOTAL));
        bytes[] memory signatures = _epochSignatures(2, SEED, ROOT, TOTAL, 0, 1);
        uint256 position = vm.addr(STRANGER_KEY) > vm.addr(keyManagerKeys[0]) ? 1 : 0;
        signatures[position] = Evidence.sign(STRANGER_KEY, digest);
        _refuse(signatures, KeyManagerNotRegistered.selector);

        enigma = _newEnigma(_policy());
        _registerKeyManager(keyManagerKeys[0]);
        signatures = _epochSignatures(1, SEED, ROOT, TOTAL, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(KeyManagerNotRegistered.selector, vm.addr(keyManagerKeys[1])));
        enigma.startEpoch(1, SEED, ROOT, TOTAL, signatures);
        _registerKeyManager(keyManagerKeys[1]);
        enigma.startEpoch(1, SEED, ROOT, TOTAL, signatures);
    }

    function test_a_late_key_manager_does_not_stop_tasks() public {
        vm.roll(1000 + 100 * EPOCH_LENGTH);
        _commit(_signedBatch(_deploy(USER)));
    }

    function _refuse(bytes[] memory signatures, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        enigma.startEpoch(2, SEED, ROOT, TOTAL, signatures);
    }

    function _refuseEither(bytes32 seed, bytes32 workersRoot, uint128 totalStake, bytes[] memory signatures) private {
        bytes memory call = abi.encodeCall(enigma.startEpoch, (2, seed, workersRoot, totalStake, signatures));
        (bool accepted,) = address(enigma).call(call);
        vm.assertEq(accepted, false, "accepted");
    }
}
