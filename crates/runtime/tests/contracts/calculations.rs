//! `simple_addition`, `simple_calculator` and `factorization`: contracts without state.

use crate::{
    ALICE, BOB, Deployed, GAS_LIMIT,
    abi::{MAX, encode, number},
};
use enigma_runtime::{Entry, State};

#[test]
fn simple_addition() {
    let mut contract = Deployed::new("simple_addition", ALICE, "construct()", &[]);
    let signature = "addition(uint256,uint256)";
    assert_eq!(contract.output(ALICE, signature, &encode([number(24), number(67)])), encode([number(91)]));
    assert_eq!(contract.output(BOB, signature, &encode([MAX, number(0)])), encode([MAX]));
    assert_eq!(contract.failure(BOB, signature, &encode([MAX, number(1)])), "the sum is too large for uint256");
    assert_eq!(contract.state, State::new());
}

#[test]
fn simple_calculator() {
    let mut contract = Deployed::new("simple_calculator", ALICE, "construct()", &[]);
    for (function, a, b, expected) in [("add", 17, 25, 42), ("sub", 76, 34, 42), ("mul", 6, 7, 42), ("div", 85, 2, 42)]
    {
        let signature = format!("{function}(uint256,uint256)");
        assert_eq!(contract.output(BOB, &signature, &encode([number(a), number(b)])), encode([number(expected)]));
    }
    for (function, a, b, text) in [
        ("add", MAX, number(1), "the sum is too large: it does not fit uint256"),
        ("sub", number(0), number(1), "the difference is negative: uint256 starts at 0"),
        ("mul", MAX, number(2), "the product is too large: it does not fit uint256"),
        ("div", number(1), number(0), "division by zero"),
    ] {
        assert_eq!(contract.failure(BOB, &format!("{function}(uint256,uint256)"), &encode([a, b])), text);
    }
    assert_eq!(contract.state, State::new());
}

#[test]
fn factorization() {
    const SIGNATURE: &str = "find_number_of_prime_factors(uint64)";
    let mut contract = Deployed::new("factorization", ALICE, "construct()", &[]);
    for (argument, factors) in [(199_998, 5), (71, 1), (76, 3), (0, 0), (1 << 63, 63)] {
        assert_eq!(contract.output(ALICE, SIGNATURE, &encode([number(argument)])), encode([number(factors)]));
    }

    // The largest prime below 2^64 takes two thousand million divisions.
    let prime = encode([number(u128::from(u64::MAX - 58))]);
    let limit = 1_000_000;
    let execution = contract.run(Entry::Call, ALICE, SIGNATURE, &prime, limit);
    assert_eq!(execution.gas_used, limit);
    assert_eq!(
        execution.outcome.expect_err("there is too little gas").to_string(),
        "out of gas: the limit was 1000000"
    );

    let too_large = encode([number(1 << 64)]);
    assert_eq!(contract.failure(ALICE, SIGNATURE, &too_large), "argument 1 (uint64): the value does not fit the type");
    assert!(contract.call(ALICE, SIGNATURE, &encode([number(199_998)])).gas_used < GAS_LIMIT / 100);
}

#[test]
fn what_is_not_there() {
    let mut contract = Deployed::empty("simple_addition");
    let deployment = contract.run(Entry::Deploy, ALICE, "construct(uint256)", &encode([number(1)]), GAS_LIMIT);
    assert_eq!(
        deployment.outcome.expect_err("it has no constructor").to_string(),
        "no constructor `construct(uint256)`"
    );
    assert_eq!(contract.failure(ALICE, "construct()", &[]), "no function `construct()`");
    assert_eq!(contract.failure(ALICE, "addition(uint256)", &[]), "no function `addition(uint256)`");
    assert_eq!(
        contract.failure(ALICE, "addition(uint256,uint256)", &encode([number(1)])),
        "argument 2 (uint256): its encoding is too short"
    );
}
