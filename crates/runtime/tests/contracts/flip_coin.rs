//! `flip_coin`: randomness, a value that may be absent, its removal.

use crate::{
    ALICE, BOB, Deployed,
    abi::{boolean, encode},
    traces,
};
use enigma_runtime::State;
use std::collections::BTreeMap;

fn deployed() -> Deployed {
    Deployed::new("flip_coin", ALICE, "construct()", &[])
}

#[test]
fn both_sides_come_up() {
    let mut contract = deployed();
    let mut sides = BTreeMap::<_, u32>::new();
    for _ in 0..100 {
        *sides.entry(contract.output(ALICE, "flip()", &[])).or_default() += 1;
    }
    assert_eq!(sides.keys().cloned().collect::<Vec<_>>(), [encode([boolean(false)]), encode([boolean(true)])]);
    assert!(sides.values().all(|times| *times > 25), "{sides:?}");
}

#[test]
fn a_guess_takes_the_coin_away() {
    let mut contract = deployed();
    for coin in [true, false] {
        for guess in [true, false] {
            assert_eq!(contract.output(ALICE, "commit(bool)", &encode([boolean(coin)])), []);
            let guess_is_right = contract.output(BOB, "guess(bool)", &encode([boolean(guess)]));
            assert_eq!(guess_is_right, encode([boolean(coin == guess)]));
            assert_eq!(contract.state, State::new());
        }
    }
    let heads = encode([boolean(true)]);
    assert_eq!(contract.failure(BOB, "guess(bool)", &heads), "no coin is waiting to be guessed");
    assert_eq!(contract.output(ALICE, "commit(bool)", &heads), []);
    assert_eq!(contract.failure(BOB, "commit(bool)", &heads), "a coin is waiting to be guessed");
    assert_eq!(contract.failure(ALICE, "guess(bool)", &heads), "this is your own coin: somebody else guesses it");
}

#[test]
fn the_side_leaves_no_traces() {
    let committed = [true, false].map(|side| {
        let mut contract = deployed();
        let commit = traces(&contract.call(ALICE, "commit(bool)", &encode([boolean(side)])));
        (commit, traces(&contract.call(BOB, "guess(bool)", &encode([boolean(true)]))))
    });
    assert_eq!(committed[0], committed[1]);
}
