//! `auction`: sealed bids, and a result when the time is over.

use crate::{
    ALICE, BOB, CAROL, Deployed, GAS_LIMIT, OWNER,
    abi::{address, encode, number, string},
    traces,
};
use enigma_runtime::Entry;

const CONSTRUCT: &str = "construct(string,uint64,uint256)";
const BID: &str = "bid(uint256)";

/// An auction that closes in an hour, with bids.
fn with(reserve: u128, bids: &[([u8; 20], u128)]) -> Deployed {
    let mut contract = Deployed::empty("auction");
    let arguments = encode([string("a painting"), number(u128::from(contract.now) + 3_600), number(reserve)]);
    let deployment = contract.run(Entry::Deploy, OWNER, CONSTRUCT, &arguments, GAS_LIMIT);
    assert_eq!(deployment.outcome, Ok(vec![]));
    for (bidder, amount) in bids {
        assert_eq!(contract.output(*bidder, BID, &encode([number(*amount)])), []);
    }
    contract
}

#[test]
fn the_highest_bidder_pays_the_second_price() {
    let mut contract = with(10, &[(ALICE, 50), (BOB, 20), (CAROL, 60), (BOB, 70)]);
    assert_eq!(contract.failure(ALICE, "result()", &[]), "the auction is not over yet");
    contract.now += 3_600;
    for caller in [ALICE, OWNER] {
        assert_eq!(contract.output(caller, "result()", &[]), encode([address(BOB), number(60)]));
    }
    assert_eq!(contract.failure(ALICE, BID, &encode([number(80)])), "the auction is over");
}

#[test]
fn the_reserve_price() {
    for (bids, expected) in [
        (&[(ALICE, 50)][..], Ok((ALICE, 10))),
        (&[(ALICE, 9), (BOB, 10)], Ok((BOB, 10))),
        (&[(ALICE, 9)], Err("nobody bid the reserve price")),
        (&[], Err("nobody bid the reserve price")),
    ] {
        let mut contract = with(10, bids);
        contract.now += 3_600;
        let result = contract.call(ALICE, "result()", &[]).outcome.map_err(|failure| failure.to_string());
        let expected = expected.map(|(winner, price)| encode([address(winner), number(price)]));
        assert_eq!(result, expected.map_err(String::from));
    }
}

#[test]
fn refusals() {
    let mut contract = with(10, &[]);
    assert_eq!(contract.failure(OWNER, BID, &encode([number(80)])), "the seller cannot bid");
    let over = encode([string(""), number(u128::from(contract.now)), number(0)]);
    let deployment = Deployed::empty("auction").run(Entry::Deploy, OWNER, CONSTRUCT, &over, GAS_LIMIT);
    assert_eq!(
        deployment.outcome.expect_err("it would be over").to_string(),
        "the auction would be over before it begins"
    );
}

#[test]
fn everybody_may_know_what_is_sold() {
    let mut contract = with(10, &[]);
    let closes_at = number(u128::from(contract.now) + 3_600);
    assert_eq!(contract.output(BOB, "info()", &[]), encode([string("a painting"), address(OWNER), closes_at]));
}

#[test]
fn a_bid_leaves_no_traces() {
    let bid = |amount| traces(&with(10, &[(ALICE, 50)]).call(BOB, BID, &encode([number(amount)])));
    let low = bid(1);
    assert_eq!(low, bid(49));
    assert_eq!(low, bid(u128::MAX));
}
