// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../interfaces/IEnigma.sol";
import {IEvidenceVerifier} from "../interfaces/IEvidenceVerifier.sol";
import {Preimages} from "../libraries/Preimages.sol";
import {Sorting} from "../libraries/Sorting.sol";
import {Accounts} from "./Accounts.sol";
import {NetworkPolicy} from "./NetworkPolicy.sol";

/// @title Enclaves that the network knows: workers with their stakes, key managers with their share commitments
/// @notice An enclave enters by evidence that binds its operator. The key manager set is fixed at construction, because its
/// hash is a claim in all evidence; a member becomes usable when its enclave has registered.
/// @dev Deliberately absent: slashing, changes of the key manager set, changes of policy.
abstract contract Registry is Accounts, NetworkPolicy {
    uint8 private constant ROLE_WORKER = 1;
    uint8 private constant ROLE_KEY_MANAGER = 2;
    uint8 private constant PURPOSE_REGISTRATION = 1;
    uint8 private constant PURPOSE_KEY_MANAGER_REGISTRATION = 3;

    /// @dev A key manager set is small; the bound keeps an epoch's start within one block.
    uint256 private constant MAXIMUM_KEY_MANAGERS = 64;
    /// @dev As far back as the `BLOCKHASH` instruction sees.
    uint256 private constant RECENT_BLOCKS = 256;

    struct StoredWorker {
        address operator; // zero: not registered
        bool loggedIn;
        uint64 logOutEpoch; // current epoch at the newest log-out
        uint128 stake;
        bytes32 evidenceHash;
        bytes32 measurement;
    }

    IEvidenceVerifier private immutable _verifier;
    uint256 private immutable _threshold;
    bytes32 private immutable _configHash;

    mapping(address signer => StoredWorker) private _workers;
    address[] private _signers;
    KeyManager[] private _keyManagers;
    mapping(address signer => bool) private _keyManagerRegistered;

    constructor(
        IEvidenceVerifier verifier,
        KeyManager[] memory initialKeyManagers,
        uint256 threshold,
        bytes32 checkpoint
    ) {
        if (address(verifier).code.length == 0) revert InvalidConfiguration("verifier has no code");
        uint256 count = initialKeyManagers.length;
        if (count > MAXIMUM_KEY_MANAGERS) revert InvalidConfiguration("too many key managers");
        if (threshold == 0 || threshold > count) revert InvalidConfiguration("threshold out of range");

        bytes memory packed;
        for (uint256 i = 0; i < count; ++i) {
            KeyManager memory keyManager = initialKeyManagers[i];
            if (keyManager.signer == address(0)) revert InvalidConfiguration("key manager without signer");
            for (uint256 j = 0; j < i; ++j) {
                if (initialKeyManagers[j].signer == keyManager.signer) {
                    revert InvalidConfiguration("key manager named twice");
                }
            }
            _keyManagers.push(keyManager);
            packed = bytes.concat(packed, abi.encode(keyManager.signer, keyManager.commitment));
        }

        _verifier = verifier;
        _threshold = threshold;
        _configHash = Preimages.configHash(block.chainid, address(this), checkpoint, threshold, keccak256(packed));
    }

    /// @inheritdoc IEnigma
    function configHash() external view returns (bytes32) {
        return _configHash;
    }

    // ---------------------------------------------------------------- workers

    /// @inheritdoc IEnigma
    /// @dev Repeating it with newer evidence renews a registration; stake and log-in stay.
    function registerWorker(bytes calldata evidence) external returns (address signer) {
        IEvidenceVerifier.Claims memory claims = _verifier.verify(evidence);
        _checkClaims(claims, ROLE_WORKER, PURPOSE_REGISTRATION, keccak256(abi.encodePacked(msg.sender)));
        signer = claims.signer;
        StoredWorker storage stored = _workers[signer];
        address operator = stored.operator;
        if (operator == address(0)) {
            stored.operator = msg.sender;
            _signers.push(signer);
        } else if (operator != msg.sender) {
            revert AlreadyRegistered(signer, operator);
        }
        bytes32 evidenceHash = keccak256(evidence);
        stored.evidenceHash = evidenceHash;
        stored.measurement = claims.measurement;
        emit WorkerRegistered(signer, msg.sender, claims.measurement, evidenceHash);
    }

    /// @inheritdoc IEnigma
    function stake(address signer, uint128 amount) external {
        StoredWorker storage stored = _ownWorker(signer);
        uint128 newStake = stored.stake + amount;
        stored.stake = newStake;
        emit WorkerStaked(signer, newStake);
        _payIn(amount);
    }

    /// @inheritdoc IEnigma
    function logIn(address signer) external {
        StoredWorker storage stored = _ownWorker(signer);
        if (stored.loggedIn) revert AlreadyLoggedIn(signer);
        if (stored.stake < MINIMUM_STAKE) revert StakeTooLow(stored.stake, MINIMUM_STAKE);
        if (!isMeasurementAccepted(stored.measurement)) revert MeasurementNotAccepted(stored.measurement);
        stored.loggedIn = true;
        emit WorkerLoggedIn(signer);
    }

    /// @inheritdoc IEnigma
    function logOut(address signer) external {
        StoredWorker storage stored = _ownWorker(signer);
        if (!stored.loggedIn) revert NotLoggedIn(signer);
        stored.loggedIn = false;
        stored.logOutEpoch = _currentEpoch();
        emit WorkerLoggedOut(signer);
    }

    /// @inheritdoc IEnigma
    function withdrawStake(address signer) external {
        StoredWorker storage stored = _ownWorker(signer);
        uint128 amount = stored.stake;
        if (amount == 0) revert ZeroAmount();
        // The next epoch's tree may have been fixed before the log-out; the one after it cannot hold the worker.
        uint64 firstBlock = _firstBlock(stored.logOutEpoch + 2);
        bool released = firstBlock != 0 && block.number >= uint256(firstBlock) + UNBONDING_BLOCKS;
        if (stored.loggedIn || !released) revert StakeLocked(signer);
        stored.stake = 0;
        emit WorkerStaked(signer, 0);
        _payOut(msg.sender, amount);
    }

    /// @inheritdoc IEnigma
    function worker(address signer) external view returns (Worker memory) {
        StoredWorker storage stored = _workers[signer];
        return Worker({
            operator: stored.operator,
            stake: stored.stake,
            evidenceHash: stored.evidenceHash,
            measurement: stored.measurement,
            loggedIn: stored.loggedIn
        });
    }

    /// @inheritdoc IEnigma
    /// @dev For reading from outside only: the cost grows with the number of workers ever registered.
    function activeWorkers() external view returns (address[] memory signers, uint128[] memory stakes) {
        address[] memory active = new address[](_signers.length);
        uint256 count = 0;
        for (uint256 i = 0; i < _signers.length; ++i) {
            StoredWorker storage stored = _workers[_signers[i]];
            if (stored.loggedIn && stored.stake != 0) active[count++] = _signers[i];
        }
        Sorting.sort(active, count);
        signers = new address[](count);
        stakes = new uint128[](count);
        for (uint256 i = 0; i < count; ++i) {
            signers[i] = active[i];
            stakes[i] = _workers[active[i]].stake;
        }
    }

    // ----------------------------------------------------------- key managers

    /// @inheritdoc IEnigma
    function registerKeyManager(bytes calldata evidence) external returns (address signer) {
        IEvidenceVerifier.Claims memory claims = _verifier.verify(evidence);
        signer = claims.signer;
        bytes32 commitment = _commitmentOf(signer);
        bytes32 purposeKeyHash = keccak256(abi.encodePacked(msg.sender, commitment));
        _checkClaims(claims, ROLE_KEY_MANAGER, PURPOSE_KEY_MANAGER_REGISTRATION, purposeKeyHash);
        _keyManagerRegistered[signer] = true;
        emit KeyManagerRegistered(signer, commitment, keccak256(evidence));
    }

    /// @inheritdoc IEnigma
    function keyManagers() external view returns (KeyManager[] memory, uint256 threshold) {
        return (_keyManagers, _threshold);
    }

    /// @inheritdoc IEnigma
    function isKeyManagerRegistered(address signer) public view returns (bool) {
        return _keyManagerRegistered[signer];
    }

    // --------------------------------------------------------------- internal

    /// @dev How many key managers must agree.
    function _keyManagerThreshold() internal view returns (uint256) {
        return _threshold;
    }

    /// @dev Who is paid for a worker's receipts.
    function _operatorOf(address signer) internal view returns (address operator) {
        operator = _workers[signer].operator;
        if (operator == address(0)) revert UnknownWorker(signer);
    }

    /// @dev Number of the epoch that runs now; 0 before the first.
    function _currentEpoch() internal view virtual returns (uint64);

    /// @dev First block of an epoch; 0 when it has not started.
    function _firstBlock(uint64 epoch) internal view virtual returns (uint64);

    function _ownWorker(address signer) private view returns (StoredWorker storage stored) {
        stored = _workers[signer];
        if (stored.operator == address(0)) revert UnknownWorker(signer);
        if (stored.operator != msg.sender) revert NotOperator(msg.sender, stored.operator);
    }

    function _commitmentOf(address signer) private view returns (bytes32) {
        for (uint256 i = 0; i < _keyManagers.length; ++i) {
            if (_keyManagers[i].signer == signer) return _keyManagers[i].commitment;
        }
        revert UnknownKeyManager(signer);
    }

    function _checkClaims(
        IEvidenceVerifier.Claims memory claims,
        uint8 role,
        uint8 purpose,
        bytes32 purposeKeyHash
    ) private view {
        if (claims.configHash != _configHash) revert WrongConfiguration(claims.configHash, _configHash);
        if (claims.role != role) revert WrongRole(claims.role, role);
        if (claims.purpose != purpose) revert WrongPurpose(claims.purpose, purpose);
        if (claims.purposeKeyHash != purposeKeyHash) revert WrongPurposeKey(claims.purposeKeyHash, purposeKeyHash);
        if (!isMeasurementAccepted(claims.measurement)) revert MeasurementNotAccepted(claims.measurement);
        if (claims.tcbLevel < MINIMUM_TCB_LEVEL) revert TcbLevelTooLow(claims.tcbLevel, MINIMUM_TCB_LEVEL);
        if (!_isRecentBlock(claims.blockHash)) revert StaleEvidence(claims.blockHash);
    }

    /// @dev Twenty thousand gas at most, at a registration only.
    function _isRecentBlock(bytes32 hash) private view returns (bool) {
        if (hash == bytes32(0)) return false;
        for (uint256 age = 1; age <= RECENT_BLOCKS && age <= block.number; ++age) {
            if (blockhash(block.number - age) == hash) return true;
        }
        return false;
    }
}
