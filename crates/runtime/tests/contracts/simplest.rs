//! `simplest`: types, state and randomness.

use crate::{
    ALICE, BOB, CAROL, Deployed,
    abi::{MAX, Value, address, encode, number, string},
};
use sha3::{Digest, Keccak256};
use std::collections::BTreeSet;

fn deployed() -> Deployed {
    Deployed::new("simplest", ALICE, "construct(uint256)", &encode([number(3)]))
}

#[test]
fn a_sum_is_kept_across_calls() {
    let mut contract = deployed();
    assert_eq!(contract.output(BOB, "get_last_sum()", &[]), encode([number(3)]));
    let addition = "addition(uint256,uint256)";
    assert_eq!(contract.output(ALICE, addition, &encode([number(24), number(67)])), encode([number(91)]));
    assert_eq!(contract.failure(ALICE, addition, &encode([MAX, number(1)])), "the sum is too large for uint256");
    assert_eq!(contract.output(BOB, "get_last_sum()", &[]), encode([number(91)]));
}

#[test]
fn texts_and_hashes_in_the_state() {
    let text = "how secret is a secret?";
    let hash: [u8; 32] = Keccak256::digest(text).into();
    let mut contract = deployed();
    assert_eq!(contract.output(ALICE, "write()", &[]), encode([string(text), Value::Word(hash)]));
    assert_eq!(contract.state.get(&b"hash"[..]), Some(&hash.to_vec()));
}

#[test]
fn randomness() {
    let mut contract = deployed();
    let colors: BTreeSet<_> = (0..60).map(|_| contract.output(ALICE, "choose_rand_color()", &[])).collect();
    let known = ["green", "yellow", "red", "blue", "white", "black", "orange", "purple"];
    assert_eq!(colors, known.map(|color| encode([string(color)])).into());

    let orders: Vec<_> = (0..3).map(|_| contract.output(ALICE, "get_scrambled_vec()", &[])).collect();
    assert!(orders[0] != orders[1] && orders[1] != orders[2]);
    for order in orders {
        let numbers: BTreeSet<_> = order.chunks(32).map(<[u8]>::to_vec).collect();
        assert_eq!(numbers, (1..=10).map(|index| encode([number(index)])).collect());
    }
}

#[test]
fn arrays_and_nested_dynamic_arguments() {
    let mut contract = deployed();
    let more = Value::Array(vec![address(BOB), address(CAROL)]);
    let all = Value::Array(vec![address(ALICE), address(BOB), address(CAROL)]);
    assert_eq!(
        contract.output(ALICE, "check_addresses(address,address[])", &encode([address(ALICE), more])),
        encode([all])
    );

    let arguments = encode([
        Value::Array(vec![Value::Bytes(vec![1, 2]), Value::Bytes(vec![]), Value::Bytes(vec![7; 33])]),
        Value::Array(vec![string("grüezi")]),
        Value::Array(vec![Value::Word([5; 32]), Value::Word([6; 32])]),
    ]);
    let signature = "dynamic_types(bytes[],string[],bytes32[])";
    assert_eq!(contract.output(ALICE, signature, &arguments), arguments);

    let no_address = encode([MAX, Value::Array(vec![])]);
    assert_eq!(
        contract.failure(ALICE, "check_addresses(address,address[])", &no_address),
        "argument 1 (address): the value does not fit the type"
    );
}
