// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Why Enigma refuses
/// @notice Every refusal of the Enigma contract, with the values that explain it.
interface IEnigmaErrors {
    // ----------------------------------------------------------- construction

    /// @notice A constructor argument makes no working network; `reason` names it.
    error InvalidConfiguration(string reason);

    // ------------------------------------------------------------------ money

    /// @notice The deposit holds less than the operation needs.
    error InsufficientDeposit(address account, uint256 available, uint256 needed);
    /// @notice An amount of zero was given where something must move.
    error ZeroAmount();

    // ---------------------------------------------------------------- records

    /// @notice The record names another epoch than the current one; record again with the current one.
    error WrongEpoch(uint64 given, uint64 current);
    /// @notice The sender's counter is at another value: the task is recorded already, or an earlier one is missing.
    error WrongSenderNonce(address sender, uint64 given, uint64 expected);
    /// @notice A deployment must name its code.
    error MissingCode();
    /// @notice The gas limit is below what any task uses.
    error GasLimitTooLow(uint64 given, uint64 minimum);
    /// @notice The gas price is below the policy's minimum.
    error GasPriceTooLow(uint128 given, uint128 minimum);
    /// @notice Payable tasks do not exist yet.
    error ValueNotSupported(uint128 given);
    /// @notice Tasks that call Ethereum do not exist yet.
    error CallGasNotSupported(uint64 given);
    /// @notice A recording holds between one and `maximum` tasks.
    error WrongTaskCount(uint256 given, uint256 maximum);
    /// @notice No deployment of this secret contract was recorded.
    error UnknownContract(bytes32 sc);
    /// @notice The deployment of this secret contract failed: no task can ever run on it.
    error DeploymentFailed(bytes32 sc);
    /// @notice 255 record transactions of this secret contract are open; wait until a batch closes some.
    error QueueFull(bytes32 sc);
    /// @notice The open records would keep workers busy for longer than the policy allows.
    error BacklogTooLong(bytes32 sc, uint64 due, uint64 latest);

    // ---------------------------------------------------------------- batches

    /// @notice The batch must end at an entry that is written and not closed.
    error WrongEntry(uint64 toEntry, uint64 closedEntry, uint64 openEntry);
    /// @notice A batch has at least one record, and one receipt for each.
    error WrongReceiptCount(uint256 records, uint256 receipts);
    /// @notice The given records are not the queue's records between the closed entry and the batch's end.
    error RecordsDoNotMatchQueue(bytes32 sc, bytes32 computedHead, bytes32 queueHead);
    /// @notice The status of a receipt is unknown or not possible here.
    error WrongStatus(uint64 recordIndex, uint8 status);
    /// @notice The gas used lies outside of what the record and the status allow.
    error WrongGasUsed(uint64 recordIndex, uint64 gasUsed, uint64 gasLimit);
    /// @notice A tip moves with a success only.
    error WrongTip(uint64 recordIndex, bytes32 tip, bytes32 previousTip);
    /// @notice The code hash is zero exactly when the deployment did not succeed.
    error WrongCodeHash(bytes32 exeCodeHash);
    /// @notice The epoch never started.
    error UnknownEpoch(uint64 epoch);
    /// @notice Ranks are 0, 1 and 2.
    error WrongRank(uint8 rank);
    /// @notice A rank above 0 may deliver from `from` on.
    error RankTooEarly(uint8 rank, uint256 from);
    /// @notice The records expired after block `last`.
    error BatchTooLate(uint256 last);
    /// @notice The records expire after block `last`.
    error NotExpired(uint256 last);
    /// @notice The path does not lead from the signer to the epoch's root and total stake.
    error WrongSelectionPath(address signer, bytes32 root, uint256 totalStake);
    /// @notice The signer is in the epoch's tree, but another worker is selected.
    error NotSelected(address signer, uint256 left, uint256 stake, uint256 drawn);
    /// @notice The signature is malformed, or its `s` is in the upper half.
    error InvalidSignature();

    // ---------------------------------------------------- workers and evidence

    /// @notice The evidence is about another chain, contract or key manager set.
    error WrongConfiguration(bytes32 given, bytes32 expected);
    /// @notice The evidence was made by another kind of enclave.
    error WrongRole(uint8 given, uint8 expected);
    /// @notice The evidence was made for another purpose.
    error WrongPurpose(uint8 given, uint8 expected);
    /// @notice The evidence binds another operator (or another share commitment) than the transaction's.
    error WrongPurposeKey(bytes32 given, bytes32 expected);
    /// @notice The code that runs in the enclave is not in the policy.
    error MeasurementNotAccepted(bytes32 measurement);
    /// @notice The platform's security level is below the policy's minimum.
    error TcbLevelTooLow(uint16 given, uint16 minimum);
    /// @notice The block named by the evidence is not among the last 256.
    error StaleEvidence(bytes32 blockHash);
    /// @notice The worker belongs to another operator.
    error AlreadyRegistered(address signer, address operator);
    /// @notice No such worker is registered.
    error UnknownWorker(address signer);
    /// @notice Only the worker's operator may do this.
    error NotOperator(address caller, address operator);
    /// @notice The worker is in that state already.
    error AlreadyLoggedIn(address signer);
    /// @notice The worker is not logged in.
    error NotLoggedIn(address signer);
    /// @notice The stake is below the policy's minimum.
    error StakeTooLow(uint128 stake, uint128 minimum);
    /// @notice The stake stays until records of the worker's last epoch cannot be open any more.
    error StakeLocked(address signer);
    /// @notice The signer is not one of the key managers of this network.
    error UnknownKeyManager(address signer);

    // ----------------------------------------------------------------- epochs

    /// @notice Epochs follow one another.
    error WrongEpochNumber(uint64 given, uint64 expected);
    /// @notice The current epoch lasts until block `until`.
    error EpochTooEarly(uint256 until);
    /// @notice An epoch needs stake, or nobody could be selected.
    error EmptyWorkerSet();
    /// @notice The epoch's parameters carry as many signatures as the threshold.
    error WrongSignatureCount(uint256 given, uint256 expected);
    /// @notice Signatures are ordered by their signers' addresses, each once.
    error SignersNotAscending(address previous, address next);
    /// @notice The signer is no registered key manager.
    error KeyManagerNotRegistered(address signer);
}
