// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../src/interfaces/IEnigma.sol";
import {EnigmaTest} from "./support/EnigmaTest.sol";
import {Evidence} from "./support/Evidence.sol";
import {vm} from "./support/Vm.sol";

/// @dev Who enters the network, on which evidence, with which stake; and how a network is configured.
contract RegistryTest is EnigmaTest {
    uint256 private constant KEY = 0xB0B;
    address private constant OTHER = address(0x07E4);

    // ---------------------------------------------------------------- workers

    function test_registration_stores_what_the_evidence_says() public {
        bytes memory evidence = Evidence.encode(_workerEvidence(KEY, OPERATOR));
        vm.expectEmit();
        emit IEnigma.WorkerRegistered(vm.addr(KEY), OPERATOR, MEASUREMENT, keccak256(evidence));
        vm.prank(OPERATOR);
        vm.assertEq(enigma.registerWorker(evidence), vm.addr(KEY), "signer");
        IEnigma.Worker memory worker = enigma.worker(vm.addr(KEY));
        vm.assertEq(worker.operator, OPERATOR, "operator");
        vm.assertEq(worker.measurement, MEASUREMENT, "measurement");
        vm.assertEq(worker.evidenceHash, keccak256(evidence), "evidence");
        vm.assertEq(worker.stake, 0, "stake");
        vm.assertEq(worker.loggedIn, false, "logged in");
    }

    function test_refuses_evidence_for_another_operator() public {
        bytes memory evidence = Evidence.encode(_workerEvidence(KEY, OPERATOR));
        vm.expectPartialRevert(WrongPurposeKey.selector);
        vm.prank(OTHER);
        enigma.registerWorker(evidence);
    }

    function test_refuses_an_enclave_of_another_operator() public {
        _registerWorker(KEY, OPERATOR);
        bytes memory evidence = Evidence.encode(_workerEvidence(KEY, OTHER));
        vm.expectRevert(abi.encodeWithSelector(AlreadyRegistered.selector, vm.addr(KEY), OPERATOR));
        vm.prank(OTHER);
        enigma.registerWorker(evidence);
    }

    function test_renewal_keeps_stake_and_log_in() public {
        vm.roll(vm.getBlockNumber() + 10);
        _registerWorker(WORKER_KEY, OPERATOR);
        IEnigma.Worker memory worker = enigma.worker(workerSigner);
        vm.assertEq(worker.stake, STAKE, "stake");
        vm.assertEq(worker.loggedIn, true, "logged in");
        (address[] memory signers,) = enigma.activeWorkers();
        vm.assertEq(signers.length, 1, "active workers");
    }

    function test_refuses_claims_that_are_not_wanted_here() public {
        Evidence.Parts memory parts = _workerEvidence(KEY, OPERATOR);
        parts.configHash = keccak256("another network");
        _refuse(parts, WrongConfiguration.selector);
        parts = _workerEvidence(KEY, OPERATOR);
        parts.role = 2;
        _refuse(parts, WrongRole.selector);
        for (uint8 purpose = 0; purpose < 5; ++purpose) {
            if (purpose == 1) continue;
            parts = _workerEvidence(KEY, OPERATOR);
            parts.purpose = purpose;
            _refuse(parts, WrongPurpose.selector);
        }
        parts = _workerEvidence(KEY, OPERATOR);
        parts.measurement = keccak256("other code");
        _refuse(parts, MeasurementNotAccepted.selector);
        parts = _workerEvidence(KEY, OPERATOR);
        parts.tcbLevel = 2;
        _refuse(parts, TcbLevelTooLow.selector);
    }

    function test_refuses_evidence_of_blocks_that_are_old_or_unknown() public {
        Evidence.Parts memory parts = _workerEvidence(KEY, OPERATOR);
        parts.blockHash = bytes32(0);
        _refuse(parts, StaleEvidence.selector);
        parts.blockHash = keccak256("no block");
        _refuse(parts, StaleEvidence.selector);

        parts = _workerEvidence(KEY, OPERATOR);
        uint256 blockNumber = vm.getBlockNumber();
        vm.roll(blockNumber + 254); // the evidence names block - 3
        _refuse(parts, StaleEvidence.selector);
        vm.roll(blockNumber + 253);
        vm.prank(OPERATOR);
        enigma.registerWorker(Evidence.encode(parts));
    }

    function test_stakes_add_up_and_belong_to_the_operator() public {
        _registerWorker(KEY, OPERATOR);
        vm.prank(OPERATOR);
        enigma.stake(vm.addr(KEY), 60 ether);
        vm.expectRevert(abi.encodeWithSelector(StakeTooLow.selector, 60 ether, 100 ether));
        vm.prank(OPERATOR);
        enigma.logIn(vm.addr(KEY));
        vm.expectEmit();
        emit IEnigma.WorkerStaked(vm.addr(KEY), 100 ether);
        vm.prank(OPERATOR);
        enigma.stake(vm.addr(KEY), 40 ether);
        vm.prank(OPERATOR);
        enigma.logIn(vm.addr(KEY));
        vm.assertEq(enigma.worker(vm.addr(KEY)).loggedIn, true, "logged in");
    }

    function test_refuses_strangers_and_unknown_workers() public {
        bytes memory reason = abi.encodeWithSelector(NotOperator.selector, OTHER, OPERATOR);
        vm.expectRevert(reason);
        vm.prank(OTHER);
        enigma.stake(workerSigner, 1);
        vm.expectRevert(reason);
        vm.prank(OTHER);
        enigma.logIn(workerSigner);
        vm.expectRevert(reason);
        vm.prank(OTHER);
        enigma.logOut(workerSigner);
        vm.expectRevert(reason);
        vm.prank(OTHER);
        enigma.withdrawStake(workerSigner);
        vm.expectRevert(abi.encodeWithSelector(UnknownWorker.selector, OTHER));
        enigma.logIn(OTHER);
    }

    function test_log_in_and_out_change_the_next_tree_and_are_not_repeatable() public {
        vm.startPrank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(AlreadyLoggedIn.selector, workerSigner));
        enigma.logIn(workerSigner);
        enigma.logOut(workerSigner);
        vm.expectRevert(abi.encodeWithSelector(NotLoggedIn.selector, workerSigner));
        enigma.logOut(workerSigner);
        vm.stopPrank();
        (address[] memory signers,) = enigma.activeWorkers();
        vm.assertEq(signers.length, 0, "active workers");
        // The running epoch is not touched: the worker's batches go on.
        _commit(_signedBatch(_deploy(USER)));
    }

    function test_stake_is_locked_until_no_record_can_be_open() public {
        _addWorker(KEY, OPERATOR, STAKE);
        vm.startPrank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(StakeLocked.selector, workerSigner));
        enigma.withdrawStake(workerSigner);
        enigma.logOut(workerSigner);
        vm.expectRevert(abi.encodeWithSelector(StakeLocked.selector, workerSigner));
        enigma.withdrawStake(workerSigner);
        vm.stopPrank();
        _nextEpoch();
        _nextEpoch();
        vm.roll(vm.getBlockNumber() + UNBONDING - 1);
        vm.expectRevert(abi.encodeWithSelector(StakeLocked.selector, workerSigner));
        vm.prank(OPERATOR);
        enigma.withdrawStake(workerSigner);
        vm.roll(vm.getBlockNumber() + 1);
        uint256 before = token.balanceOf(OPERATOR);
        vm.prank(OPERATOR);
        enigma.withdrawStake(workerSigner);
        vm.assertEq(token.balanceOf(OPERATOR) - before, STAKE, "paid back");
        vm.expectRevert(abi.encodeWithSelector(ZeroAmount.selector));
        vm.prank(OPERATOR);
        enigma.withdrawStake(workerSigner);
    }

    function testFuzz_active_workers_ascend(uint256 seed, uint8 count) public {
        count = uint8(seed % 12);
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = uint256(keccak256(abi.encode(seed, i))) % type(uint128).max + 1;
            _addWorker(key, OPERATOR, 100 ether + uint128(i));
            if (key % 3 == 0) {
                vm.prank(OPERATOR);
                enigma.logOut(vm.addr(key));
            }
        }
        (address[] memory signers, uint128[] memory stakes) = enigma.activeWorkers();
        vm.assertEq(signers.length, stakes.length, "lengths");
        for (uint256 i = 0; i < signers.length; ++i) {
            if (i > 0) vm.assertTrue(signers[i - 1] < signers[i], "ascending");
            IEnigma.Worker memory worker = enigma.worker(signers[i]);
            vm.assertTrue(worker.loggedIn, "logged in");
            vm.assertEq(stakes[i], worker.stake, "stake");
        }
    }

    // ----------------------------------------------------------- key managers

    function test_key_managers_register_by_evidence() public {
        enigma = _newEnigma(_policy());
        address signer = vm.addr(keyManagerKeys[1]);
        vm.assertEq(enigma.isKeyManagerRegistered(signer), false, "before");
        bytes memory evidence = Evidence.encode(_keyManagerEvidence(keyManagerKeys[1], OTHER));
        vm.expectEmit();
        emit IEnigma.KeyManagerRegistered(signer, _commitment(signer), keccak256(evidence));
        vm.prank(OTHER);
        enigma.registerKeyManager(evidence);
        vm.assertEq(enigma.isKeyManagerRegistered(signer), true, "after");
        (IEnigma.KeyManager[] memory set, uint256 threshold) = enigma.keyManagers();
        vm.assertEq(set.length, 3, "set");
        vm.assertEq(threshold, 2, "threshold");
        vm.assertEq(set[1].signer, signer, "order");
        vm.assertEq(set[1].commitment, _commitment(signer), "commitment");
    }

    function test_refuses_key_managers_that_are_not_in_the_set() public {
        bytes memory evidence = Evidence.encode(_keyManagerEvidence(STRANGER_KEY, OPERATOR));
        vm.expectRevert(abi.encodeWithSelector(UnknownKeyManager.selector, vm.addr(STRANGER_KEY)));
        vm.prank(OPERATOR);
        enigma.registerKeyManager(evidence);
    }

    function test_refuses_key_manager_evidence_of_another_commitment_operator_role_or_purpose() public {
        address signer = vm.addr(keyManagerKeys[0]);
        bytes memory otherCommitment = abi.encodePacked(OPERATOR, keccak256("other commitment"));
        _refuseKeyManager(_evidence(2, 3, signer, otherCommitment), WrongPurposeKey.selector);
        _refuseKeyManager(_keyManagerEvidence(keyManagerKeys[0], OTHER), WrongPurposeKey.selector);
        bytes memory purposeKey = abi.encodePacked(OPERATOR, _commitment(signer));
        _refuseKeyManager(_evidence(1, 3, signer, purposeKey), WrongRole.selector);
        _refuseKeyManager(_evidence(2, 1, signer, purposeKey), WrongPurpose.selector);
    }

    // ----------------------------------------------------------- configuration

    function test_config_hash_follows_the_specification() public view {
        bytes memory packed;
        for (uint256 i = 0; i < 3; ++i) {
            address signer = vm.addr(keyManagerKeys[i]);
            packed = abi.encodePacked(packed, bytes32(uint256(uint160(signer))), _commitment(signer));
        }
        vm.assertEq(
            enigma.configHash(),
            keccak256(
                abi.encode(
                    keccak256("enigma/config/1"), block.chainid, address(enigma), bytes32(0), 2, keccak256(packed)
                )
            ),
            "config hash"
        );
    }

    function test_policy_is_readable() public view {
        vm.assertEq(keccak256(abi.encode(enigma.policy())), keccak256(abi.encode(_policy())), "policy");
        vm.assertEq(enigma.epochLengthBlocks(), EPOCH_LENGTH, "epoch length");
        vm.assertEq(enigma.isMeasurementAccepted(MEASUREMENT), true, "accepted");
        vm.assertEq(enigma.isMeasurementAccepted(keccak256("other code")), false, "not accepted");
    }

    function test_refuses_networks_that_cannot_work() public {
        IEnigma.Policy memory policy = _policy();
        policy.deadlineBlocks = 0;
        _refuseNetwork(policy, "deadline out of range");
        policy = _policy();
        policy.gasPerBlock = 0;
        _refuseNetwork(policy, "gas per block is zero");
        policy = _policy();
        policy.backlogBlocks = policy.deadlineBlocks;
        _refuseNetwork(policy, "backlog out of range");
        policy = _policy();
        policy.minimumStake = 0;
        _refuseNetwork(policy, "minimum stake is zero");
        policy = _policy();
        policy.epochLengthBlocks = type(uint64).max;
        _refuseNetwork(policy, "epoch too long");
        policy = _policy();
        policy.unbondingBlocks = type(uint64).max;
        _refuseNetwork(policy, "unbonding too long");
    }

    function test_refuses_key_manager_sets_that_cannot_work() public {
        _refuseKeyManagerSet(_keyManagerSet(), 0, "threshold out of range");
        _refuseKeyManagerSet(_keyManagerSet(), 4, "threshold out of range");
        IEnigma.KeyManager[] memory set = _keyManagerSet();
        set[2].signer = set[0].signer;
        _refuseKeyManagerSet(set, 2, "key manager named twice");
        set[2].signer = address(0);
        _refuseKeyManagerSet(set, 2, "key manager without signer");
        _refuseKeyManagerSet(new IEnigma.KeyManager[](65), 1, "too many key managers");
    }

    function _refuse(Evidence.Parts memory parts, bytes4 selector) private {
        bytes memory evidence = Evidence.encode(parts);
        vm.expectPartialRevert(selector);
        vm.prank(OPERATOR);
        enigma.registerWorker(evidence);
    }

    function _refuseKeyManager(Evidence.Parts memory parts, bytes4 selector) private {
        bytes memory evidence = Evidence.encode(parts);
        vm.expectPartialRevert(selector);
        vm.prank(OPERATOR);
        enigma.registerKeyManager(evidence);
    }

    function _refuseNetwork(IEnigma.Policy memory policy, string memory reason) private {
        _expectConfigurationRefused(reason);
        this.newEnigma(_keyManagerSet(), 2, policy);
    }

    function _refuseKeyManagerSet(IEnigma.KeyManager[] memory set, uint256 threshold, string memory reason) private {
        _expectConfigurationRefused(reason);
        this.newEnigma(set, threshold, _policy());
    }

    /// @dev External, so that the refusal is the next call's.
    function newEnigma(IEnigma.KeyManager[] memory set, uint256 threshold, IEnigma.Policy memory policy) external {
        _newEnigma(set, threshold, policy);
    }

    function _expectConfigurationRefused(string memory reason) private {
        vm.expectRevert(abi.encodeWithSelector(InvalidConfiguration.selector, reason));
    }
}
