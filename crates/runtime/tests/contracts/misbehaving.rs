//! `misbehaving`: every failure is contained and explained.

use crate::{
    ALICE, Deployed, GAS_LIMIT,
    abi::{encode, number},
};
use enigma_runtime::Entry;

#[test]
fn failures_are_contained() {
    let mut contract = Deployed::new("misbehaving", ALICE, "construct()", &[]);
    assert_eq!(contract.output(ALICE, "count()", &[]), encode([number(1)]));
    assert_eq!(contract.failure(ALICE, "panic()", &[]), "this contract panicked on purpose");
    assert_eq!(contract.failure(ALICE, "divide_by_zero()", &[]), "attempt to divide by zero");
    let endless = contract.run(Entry::Call, ALICE, "loop_forever()", &[], 500_000);
    assert_eq!(endless.gas_used, 500_000);
    assert_eq!(endless.outcome.expect_err("the gas ends").to_string(), "out of gas: the limit was 500000");
    let greedy = contract.run(Entry::Call, ALICE, "allocate_without_end()", &[], GAS_LIMIT);
    assert!(greedy.outcome.expect_err("the memory ends").is_final());
    assert_eq!(contract.output(ALICE, "count()", &[]), encode([number(2)]));
}
