//! Gas and stack: exact, equal everywhere, and never too late.

use crate::{context, contract, failure, program, run};
use enigma_runtime::{Entry, State, gas};
use proptest::prelude::*;

/// What the contract of `contract("", "")` costs: the base, its three functions, and entering `call`.
const EMPTY: u64 = gas::CALL_BASE + 3 * gas::SETUP_ITEM + gas::FUNCTION_ENTRY;

#[track_caller]
fn check(fields: &str, call: &str, expected: u64) {
    let execution = run(&contract(fields, call), 100_000_000);
    assert!(execution.outcome.is_ok(), "{:?}", execution.outcome);
    assert_eq!(execution.gas_used, EMPTY + expected, "{call}");
}

#[test]
fn the_schedule() {
    check("", "", 0);
    check("", "nop (block) (loop)", 0);
    check("", "(drop (i32.const 1))", 1);
    check("", "(drop (i32.add (i32.const 1) (i32.const 1)))", 3);
    check("", "(drop (i32.load (i32.const 1)))", 3);
    check("", "(i64.store (i32.const 0) (i64.const 0))", 4);
    check("", "(drop (i64.div_u (i64.const 1) (i64.const 1)))", 6);
    check("", "(local i32 i32 i32 i32 i64)", 2);
    check("(func $f)", "(call $f) (call $f)", gas::SETUP_ITEM + 2 * (6 + gas::FUNCTION_ENTRY));
    check(
        "(table 3 funcref) (func $f) (elem (i32.const 0) $f)",
        "(call_indirect (i32.const 0))",
        5 * gas::SETUP_ITEM + 11 + gas::FUNCTION_ENTRY,
    );
    // Only the branch that is taken.
    check("", "(if (i32.const 1) (then (drop (i32.const 1))) (else (drop (i64.load (i32.const 1)))))", 3);
    check("", "(if (i32.const 0) (then (drop (i32.const 1))) (else (drop (i64.load (i32.const 1)))))", 5);
    check("", "(block (br_if 0 (i32.const 1)) (drop (i32.const 1)))", 2);
    check("", "(block (br_if 0 (i32.const 0)) (drop (i32.const 1)))", 3);
    check("", "(block (block (br_table 0 1 (i32.const 1))) (drop (i32.const 1)))", 3);
    check("", "(block (block (br_table 0 1 (i32.const 0))) (drop (i32.const 1)))", 4);
    check("", "(block (return) (drop (i32.const 1)))", 1);
    let loops = |count: u32| {
        format!(
            "(local $i i32) (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))))"
        )
    };
    check("", &loops(1), 1 + 7);
    check("", &loops(1_000), 1 + 7_000);
}

#[test]
fn lengths() {
    let fill = |length: u32| format!("(memory.fill (i32.const 0) (i32.const 0) (i32.const {length}))");
    check("", &fill(0), 19);
    check("", &fill(1), 20);
    check("", &fill(32), 20);
    check("", &fill(33), 21);
    check("", "(memory.copy (i32.const 0) (i32.const 0) (i32.const 64000))", 19 + 2_000);
    check(
        "(data $d \"0123456789012345678901234567890123456789\")",
        "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 40))",
        2 + 19 + 2,
    );
    check("(data (i32.const 0) \"abc\")", "", 1);
    check("", "(drop (memory.grow (i32.const 3)))", 17 + 3 * gas::PAGE);
    check("", "(drop (memory.grow (i32.const 0)))", 17);
    check("", "(drop (memory.grow (i32.const 1024)))", 17);
    let large = crate::module(&format!("(memory (export \"memory\") 40) {} (func (export \"call\"))", crate::EXPORTS));
    assert_eq!(run(&large, 1_000_000).gas_used, EMPTY + 8 * gas::PAGE);
}

#[test]
fn imports() {
    check("", "(drop (call $fn_len))", 6 + gas::HOST_CALL);
    check("", "(call $args_read (i32.const 0))", 7 + gas::HOST_CALL + 1);
    check("", "(call $output (i32.const 0) (i32.const 64))", 8 + gas::HOST_CALL + 2);
    check("", "(call $random (i32.const 0) (i32.const 10))", 8 + gas::HOST_CALL + 10 * gas::RANDOM_BYTE);
    check(
        "",
        "(call $keccak256 (i32.const 0) (i32.const 10) (i32.const 0))",
        9 + gas::HOST_CALL + gas::HASH + 10 * gas::HASH_BYTE,
    );
    check("", "(drop (call $state_get (i32.const 0) (i32.const 8)))", 8 + gas::HOST_CALL + gas::STATE_GET + 1);
    check(
        "",
        "(call $state_set (i32.const 0) (i32.const 8) (i32.const 0) (i32.const 100))",
        10 + gas::HOST_CALL + gas::STATE_WRITE + 108 * gas::STATE_WRITE_BYTE,
    );
    check(
        "",
        "(call $state_remove (i32.const 0) (i32.const 8))",
        8 + gas::HOST_CALL + gas::STATE_WRITE + 8 * gas::STATE_WRITE_BYTE,
    );
    check(
        "",
        "(call $event (i32.const 0) (i32.const 8) (i32.const 0) (i32.const 100))",
        10 + gas::HOST_CALL + gas::EVENT + 108 * gas::EVENT_BYTE,
    );
    check(
        "(data (i32.const 0) \"\\01\")",
        "(call $ethereum_call (i32.const 0) (i32.const 0) (i32.const 9))",
        1 + 9 + gas::HOST_CALL + gas::EFFECT + 9 * gas::EFFECT_BYTE,
    );
    check(
        "(data (i32.const 0) \"\\01\")",
        "(call $pay_out (i32.const 0) (i32.const 20))",
        1 + 8 + gas::HOST_CALL + gas::EFFECT,
    );
    check(
        "",
        "(call $sha256 (i32.const 0) (i32.const 10) (i32.const 0))",
        9 + gas::HOST_CALL + gas::HASH + 10 * gas::HASH_BYTE,
    );
    check("", "(drop (call $recover (i32.const 0) (i32.const 0) (i32.const 0)))", 9 + gas::HOST_CALL + gas::RECOVER);
    let cipher = 13 + gas::HOST_CALL + gas::CIPHER + 40 * gas::CIPHER_BYTE;
    let arguments =
        "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 0) (i32.const 30) (i32.const 0)";
    check("", &format!("(call $encrypt {arguments})"), cipher);
    check("", &format!("(drop (call $decrypt {arguments}))"), cipher);
    check("", "(call $debug (i32.const 0) (i32.const 33))", 8 + gas::HOST_CALL + 2);
}

#[test]
fn a_contract_sees_its_gas() {
    let call = "(i64.store (i32.const 0) (call $gas_left)) (call $output (i32.const 0) (i32.const 8))";
    let left = run(&contract("", call), 50_000).outcome.unwrap();
    // The run of instructions with the call, and the call, have been charged.
    assert_eq!(u64::from_le_bytes(left.try_into().unwrap()), 50_000 - EMPTY - 17 - gas::HOST_CALL);
}

/// A call that loops, calls, grows, copies and uses imports.
const BUSY: &str = "(local $i i32) (drop (memory.grow (i32.const 2)))
    (loop $l
      (call $state_set (local.get $i) (i32.const 4) (i32.const 0) (i32.const 40))
      (memory.fill (i32.const 0) (local.get $i) (i32.const 500))
      (drop (call $f (local.get $i)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))";
const BUSY_FIELDS: &str = "(func $f (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
    (i32.mul (call $f (i32.sub (local.get 0) (i32.const 1))) (local.get 0)))";

#[test]
fn enough_is_enough_and_one_less_is_not() {
    let program = program(&contract(BUSY_FIELDS, BUSY));
    let run = |limit| program.execute(Entry::Call, "f()", b"", &context(limit), &State::new());
    let needed = run(1_000_000).gas_used;
    assert!(needed > 10_000);
    let exact = run(needed);
    assert!(exact.outcome.is_ok());
    assert_eq!(exact.gas_used, needed);
    for limit in [needed - 1, needed / 2, EMPTY, EMPTY - 1, gas::CALL_BASE, 1, 0] {
        let short = run(limit);
        assert_eq!(failure(&short, limit), format!("out of gas: the limit was {limit}"));
        assert_eq!(short.gas_used, limit);
    }
    assert_eq!(run(u64::MAX).gas_used, needed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the limit: the same outcome and gas twice, success with the same gas or exhaustion with all of it.
    #[test]
    fn any_limit(limit in 0_u64..60_000) {
        let pre_code = contract(BUSY_FIELDS, BUSY);
        let program = program(&pre_code);
        let first = program.execute(Entry::Call, "f()", b"", &context(limit), &State::new());
        let second = program.execute(Entry::Call, "f()", b"", &context(limit), &State::new());
        prop_assert_eq!(&first, &second);
        match first.outcome {
            Ok(_) => prop_assert!(first.gas_used <= limit),
            Err(failure) => {
                prop_assert_eq!(failure.to_string(), format!("out of gas: the limit was {limit}"));
                prop_assert_eq!(first.gas_used, limit);
            }
        }
    }
}

#[test]
fn every_way_out_of_a_function_gives_its_stack_back() {
    let fields = "(func $leaf) (table 1 funcref) (elem (i32.const 0) $leaf)
        (func $f (param $way i32) (result i32 i64) (local i64 i64 i64)
          (call $leaf)
          (block (block (block (block (block (br_table 0 1 2 3 4 (local.get $way)))
            (return (i32.const 0) (i64.const 0)))
            (i32.const 1) (i64.const 1) (br 3))
            (i32.const 2) (i64.const 2) (br_if 2 (i32.const 1)) (unreachable))
            (i32.const 3) (i64.const 3) (br_table 1 1 1 (i32.const 2)))
          (call_indirect (i32.const 0)) (i32.const 4) (i64.const 4))";
    let call = "(local $i i32)
        (loop $l (call $f (i32.rem_u (local.get $i) (i32.const 5))) (drop)
          (if (i32.ne (i32.rem_u (local.get $i) (i32.const 5))) (then (unreachable)))
          (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))";
    let execution = run(&contract(fields, call), 100_000_000);
    assert!(execution.outcome.is_ok(), "{:?}", execution.outcome);
}

#[test]
fn stack_is_metered_by_frame_size() {
    // Depth reached before the stack ends, as the number of frames counted in memory of a call that survives.
    let deepest = |locals: usize, limit: u32| {
        let fields = format!(
            "(func $f (param i32) {} (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))",
            "(local i64)".repeat(locals)
        );
        let execution = run(&contract(&fields, &format!("(call $f (i32.const {limit}))")), 100_000_000);
        execution.outcome.is_ok()
    };
    assert!(deepest(0, 10_000));
    assert!(!deepest(0, 20_000));
    assert!(deepest(100, 1_000));
    assert!(!deepest(100, 2_000));
}
