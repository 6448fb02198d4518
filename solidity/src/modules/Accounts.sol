// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IEnigma} from "../interfaces/IEnigma.sol";
import {IEnigmaErrors} from "../interfaces/IEnigmaErrors.sol";

/// @title Deposits of ENG and counters of recorded tasks
/// @notice Everybody pays from a deposit and is paid into it; only `withdraw` moves tokens out of one.
/// @dev Invariant: the token balance of this contract is at least the deposits, the stakes and the fees of open records.
/// The token is trusted: plain ERC-20, no fee on transfer, supply below 2^128.
abstract contract Accounts is IEnigma, IEnigmaErrors {
    using SafeERC20 for IERC20;

    /// @dev One slot, so that recording a task touches one.
    struct Account {
        uint128 balance;
        uint64 senderNonce;
    }

    IERC20 private immutable _token;
    mapping(address account => Account) private _accounts;

    constructor(IERC20 token_) {
        if (address(token_).code.length == 0) revert InvalidConfiguration("token has no code");
        _token = token_;
    }

    /// @inheritdoc IEnigma
    function token() external view returns (address) {
        return address(_token);
    }

    /// @inheritdoc IEnigma
    function deposit(uint128 amount) external {
        _deposit(amount);
    }

    /// @inheritdoc IEnigma
    /// @dev A permit that was front-run has done its work already; then the allowance decides.
    function depositWithPermit(uint128 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        try IERC20Permit(address(_token)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(amount);
    }

    /// @inheritdoc IEnigma
    function withdraw(uint128 amount) external {
        if (amount == 0) revert ZeroAmount();
        Account storage account = _accounts[msg.sender];
        uint128 balance = account.balance;
        if (balance < amount) revert InsufficientDeposit(msg.sender, balance, amount);
        account.balance = balance - amount;
        emit Withdrawn(msg.sender, amount);
        _payOut(msg.sender, amount);
    }

    /// @inheritdoc IEnigma
    function accountOf(address account) external view returns (uint128 balance, uint64 senderNonce) {
        Account storage stored = _accounts[account];
        return (stored.balance, stored.senderNonce);
    }

    /// @dev Takes `fee` from the sender's deposit and counts `taskCount` tasks, starting at `senderNonce`.
    function _charge(address sender, uint64 senderNonce, uint64 taskCount, uint256 fee) internal {
        Account storage account = _accounts[sender];
        (uint128 balance, uint64 expectedNonce) = (account.balance, account.senderNonce);
        if (senderNonce != expectedNonce) revert WrongSenderNonce(sender, senderNonce, expectedNonce);
        if (fee > balance) revert InsufficientDeposit(sender, balance, fee);
        unchecked {
            // The fee is at most the balance; a counter of tasks does not reach 2^64.
            (account.balance, account.senderNonce) = (balance - uint128(fee), senderNonce + taskCount);
        }
    }

    /// @dev Pays into a deposit what was taken from one: all amounts together stay below the token's supply.
    function _credit(address account, uint256 amount) internal {
        if (amount != 0) _accounts[account].balance += uint128(amount);
    }

    /// @dev Moves tokens from the caller into this contract.
    function _payIn(uint128 amount) internal {
        if (amount == 0) revert ZeroAmount();
        _token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @dev Moves tokens out of this contract; the caller has done its accounting before.
    function _payOut(address to, uint128 amount) internal {
        _token.safeTransfer(to, amount);
    }

    function _deposit(uint128 amount) private {
        _accounts[msg.sender].balance += amount;
        emit Deposited(msg.sender, amount);
        _payIn(amount);
    }
}
