//! `millionaires_problem`: who is the richest, and nothing else.

use crate::{
    ALICE, BOB, CAROL, Deployed,
    abi::{address, encode, number},
    traces,
};

fn with(fortunes: &[([u8; 20], u128)]) -> Deployed {
    let mut contract = Deployed::new("millionaires_problem", ALICE, "construct()", &[]);
    for (person, fortune) in fortunes {
        let arguments = encode([address(*person), number(*fortune)]);
        assert_eq!(contract.output(*person, "add_millionaire(address,uint256)", &arguments), []);
    }
    contract
}

#[test]
fn the_richer_one() {
    let mut contract = with(&[(ALICE, 1_000_000), (BOB, 2_000_000)]);
    assert_eq!(contract.output(CAROL, "compute_richest()", &[]), encode([address(BOB)]));
    assert_eq!(with(&[]).failure(CAROL, "compute_richest()", &[]), "nobody has been added yet");
}

#[test]
fn a_fortune_leaves_no_traces() {
    let added = [1, u128::MAX].map(|fortune| {
        let arguments = encode([address(ALICE), number(fortune)]);
        traces(&with(&[]).call(ALICE, "add_millionaire(address,uint256)", &arguments))
    });
    assert_eq!(added[0], added[1]);
}
