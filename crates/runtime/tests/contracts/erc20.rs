//! `erc20`: secret balances, and rights that depend on who calls.

use crate::{
    ALICE, BOB, CAROL, Deployed, OWNER,
    abi::{MAX, Value, address, encode, number},
    traces,
};
use enigma_runtime::{Execution, State};

const TRANSFER: &str = "transfer(address,uint256)";
const TRANSFER_FROM: &str = "transfer_from(address,address,uint256)";
const APPROVE: &str = "approve(address,uint256)";
const MINT: &str = "mint(address,uint256)";

fn deployed(supply: Value) -> Deployed {
    Deployed::new("erc20", ALICE, "construct(address,uint256)", &encode([address(OWNER), supply]))
}

/// The arguments of `transfer`, `approve` and `mint`.
fn to(account: [u8; 20], amount: u128) -> Vec<u8> {
    encode([address(account), number(amount)])
}

fn from_to(from: [u8; 20], to: [u8; 20], amount: u128) -> Vec<u8> {
    encode([address(from), address(to), number(amount)])
}

#[track_caller]
fn check_balances(contract: &mut Deployed, balances: [([u8; 20], u128); 3]) {
    for (account, balance) in balances {
        let told = contract.output(account, "balance_of(address)", &encode([address(account)]));
        assert_eq!(told, encode([number(balance)]));
    }
}

#[test]
fn transfers() {
    let mut contract = deployed(number(100));
    assert_eq!(contract.output(OWNER, TRANSFER, &to(ALICE, 60)), []);
    assert_eq!(contract.output(ALICE, TRANSFER, &to(BOB, 20)), []);
    assert_eq!(contract.output(ALICE, TRANSFER, &to(ALICE, 40)), []);
    check_balances(&mut contract, [(OWNER, 40), (ALICE, 40), (BOB, 20)]);
    assert_eq!(contract.failure(BOB, TRANSFER, &to(ALICE, 21)), "insufficient funds");
    assert_eq!(contract.failure(CAROL, TRANSFER, &to(ALICE, 1)), "insufficient funds");
    assert_eq!(contract.failure(BOB, TRANSFER, &encode([address(ALICE), MAX])), "insufficient funds");
    check_balances(&mut contract, [(OWNER, 40), (ALICE, 40), (BOB, 20)]);
}

#[test]
fn only_the_owner_mints() {
    let mut contract = deployed(number(100));
    assert_eq!(contract.output(OWNER, MINT, &to(BOB, 5)), []);
    // Alice deployed the contract, which gives her no right.
    assert_eq!(contract.failure(ALICE, MINT, &to(ALICE, 5)), "only the owner of the contract can mint");
    assert_eq!(contract.output(CAROL, "total_supply()", &[]), encode([number(105)]));
    assert_eq!(contract.failure(OWNER, MINT, &encode([address(OWNER), MAX])), "the total supply would not fit uint256");
    check_balances(&mut contract, [(OWNER, 100), (ALICE, 0), (BOB, 5)]);
}

#[test]
fn allowances() {
    let mut contract = deployed(number(100));
    assert_eq!(contract.output(OWNER, APPROVE, &to(ALICE, 50)), []);
    assert_eq!(contract.output(ALICE, TRANSFER_FROM, &from_to(OWNER, BOB, 30)), []);
    assert_eq!(contract.failure(ALICE, TRANSFER_FROM, &from_to(OWNER, BOB, 21)), "insufficient allowance");
    assert_eq!(contract.failure(BOB, TRANSFER_FROM, &from_to(OWNER, BOB, 1)), "insufficient allowance");
    let pair = encode([address(OWNER), address(ALICE)]);
    for caller in [OWNER, ALICE] {
        assert_eq!(contract.output(caller, "allowance(address,address)", &pair), encode([number(20)]));
    }
    assert_eq!(contract.output(BOB, APPROVE, &to(ALICE, 1_000)), []);
    assert_eq!(contract.failure(ALICE, TRANSFER_FROM, &from_to(BOB, ALICE, 31)), "insufficient funds");
    assert_eq!(contract.output(ALICE, TRANSFER_FROM, &from_to(BOB, ALICE, 30)), []);
    check_balances(&mut contract, [(OWNER, 70), (ALICE, 30), (BOB, 0)]);
}

#[test]
fn strangers_learn_nothing() {
    let mut contract = deployed(number(100));
    let owner = encode([address(OWNER)]);
    assert_eq!(contract.failure(ALICE, "balance_of(address)", &owner), "a balance is for its owner only");
    let pair = encode([address(OWNER), address(ALICE)]);
    assert_eq!(
        contract.failure(BOB, "allowance(address,address)", &pair),
        "an allowance is for its owner and its spender only"
    );
}

#[test]
fn an_amount_leaves_no_traces() {
    let transfer = |amount| -> Execution {
        let mut contract = deployed(MAX);
        contract.output(OWNER, TRANSFER, &to(BOB, 7));
        contract.call(OWNER, TRANSFER, &to(BOB, amount))
    };
    assert_eq!(traces(&transfer(1)), traces(&transfer(u128::MAX)));
    assert_eq!(transfer(1).changes.len(), 2);
}

#[test]
fn a_transfer_costs_the_same_however_many_hold_tokens() {
    let gas = |holders: u32| {
        let mut contract = deployed(number(100));
        contract.output(OWNER, TRANSFER, &to(BOB, 10));
        let holder = contract.state.iter().find(|(_, value)| value.last() == Some(&10)).expect("Bob's balance");
        let (prefix, value) = (holder.0[..holder.0.len() - 20].to_vec(), holder.1.clone());
        let balance = |index: u32| ([prefix.clone(), index.to_be_bytes().repeat(5)].concat(), value.clone());
        contract.state.extend((0..holders).map(balance).collect::<State>());
        contract.call(OWNER, TRANSFER, &to(BOB, 10)).gas_used
    };
    assert_eq!(gas(10), gas(10_000));
}
