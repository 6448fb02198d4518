// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../src/interfaces/IEnigma.sol";
import {EnigmaTest} from "./support/EnigmaTest.sol";
import {Evidence} from "./support/Evidence.sol";
import {vm} from "./support/Vm.sol";

/// @dev Deposits, permits and withdrawals.
contract AccountsTest is EnigmaTest {
    uint256 private constant HOLDER_KEY = 0x401DE5;

    function test_token_has_a_fixed_supply_of_18_decimals() public view {
        vm.assertEq(token.totalSupply(), 150_000_000 * 10 ** 18, "supply");
        vm.assertEq(token.decimals(), 18, "decimals");
        vm.assertEq(enigma.token(), address(token), "token of the network");
    }

    function testFuzz_deposit_and_withdraw(uint128 amount, uint128 back) public {
        amount = 1 + amount % 1000 ether;
        back = 1 + back % amount;
        uint128 before = _balance(USER);
        vm.expectEmit();
        emit IEnigma.Deposited(USER, amount);
        vm.prank(USER);
        enigma.deposit(amount);
        vm.expectEmit();
        emit IEnigma.Withdrawn(USER, back);
        vm.prank(USER);
        enigma.withdraw(back);
        vm.assertEq(_balance(USER), before + amount - back, "deposit");
    }

    function test_refuses_to_withdraw_more_than_the_deposit() public {
        uint128 balance = _balance(USER);
        vm.expectRevert(abi.encodeWithSelector(InsufficientDeposit.selector, USER, balance, balance + 1));
        vm.prank(USER);
        enigma.withdraw(balance + 1);
    }

    function test_refuses_zero() public {
        vm.expectRevert(abi.encodeWithSelector(ZeroAmount.selector));
        enigma.deposit(0);
        vm.expectRevert(abi.encodeWithSelector(ZeroAmount.selector));
        enigma.withdraw(0);
    }

    function test_refuses_deposit_without_allowance() public {
        address holder = vm.addr(HOLDER_KEY);
        require(token.transfer(holder, 5 ether));
        vm.expectPartialRevert(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        vm.prank(holder);
        enigma.deposit(5 ether);
        vm.assertEq(_balance(holder), 0, "deposit");
    }

    function test_deposit_with_permit_needs_no_allowance_and_survives_front_running() public {
        address holder = vm.addr(HOLDER_KEY);
        require(token.transfer(holder, 9 ether));
        for (uint256 i = 0; i < 2; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = _permit(holder, 4 ether, i);
            if (i == 1) token.permit(holder, address(enigma), 4 ether, type(uint256).max, v, r, s);
            vm.prank(holder);
            enigma.depositWithPermit(4 ether, type(uint256).max, v, r, s);
        }
        vm.assertEq(_balance(holder), 8 ether, "deposit");
    }

    function test_fees_of_open_records_cannot_be_withdrawn() public {
        uint128 balance = _balance(USER);
        _deploy(USER);
        vm.expectPartialRevert(InsufficientDeposit.selector);
        vm.prank(USER);
        enigma.withdraw(balance);
    }

    function _permit(address holder, uint256 amount, uint256 nonce)
        private
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                holder,
                address(enigma),
                amount,
                nonce,
                type(uint256).max
            )
        );
        return vm.sign(HOLDER_KEY, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }
}
