//! How calls fail, in their callers' words.

use crate::{context, contract, failure, program, run, run_on};
use enigma_runtime::{Entry, State, limits};

const GAS: u64 = 10_000_000;

#[track_caller]
fn check_with(fields: &str, call: &str, text: &str) {
    let execution = run(&contract(fields, call), GAS);
    assert_eq!(failure(&execution, GAS), text, "{call}");
    assert!(execution.gas_used < GAS, "only running out of gas uses all of it");
}

#[track_caller]
fn check(call: &str, text: &str) {
    check_with("", call, text);
}

#[test]
fn the_contract_says_why() {
    let fields = "(data (i32.const 0) \"not enough \\f0\\9f\\92\\b0\\ff\")";
    check_with(fields, "(call $fail (i32.const 0) (i32.const 15)) unreachable", "not enough \u{1f4b0}");
    check_with(fields, "(call $fail (i32.const 0) (i32.const 16))", "not enough \u{1f4b0}\u{fffd}");
    check("(call $fail (i32.const 0) (i32.const 0))", "the contract failed without a message");
    let execution = run(
        &contract("(data (i32.const 0) \"\\ff\\ff\\ff\\ff\")", "(call $fail (i32.const 0) (i32.const 65536))"),
        GAS,
    );
    assert_eq!(failure(&execution, GAS).len(), limits::MAX_FAILURE_TEXT_BYTES);
    let long = run(
        &contract(
            "",
            "(memory.fill (i32.const 0) (i32.const 255) (i32.const 4000)) (call $fail (i32.const 0) (i32.const 4000))",
        ),
        GAS,
    );
    assert!(failure(&long, GAS).len() <= limits::MAX_FAILURE_TEXT_BYTES);
}

#[test]
fn nothing_is_kept_of_a_failed_call() {
    let call = "(call $state_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)) (call $output (i32.const 0) (i32.const 1)) unreachable";
    check(call, "the contract panicked without a message");
}

#[test]
fn traps() {
    check("unreachable", "the contract panicked without a message");
    check("(drop (i32.load (i32.const 65533)))", "the contract accessed memory out of bounds");
    check("(i64.store offset=4294967295 (i32.const -1) (i64.const 1))", "the contract accessed memory out of bounds");
    check("(memory.copy (i32.const 0) (i32.const 65535) (i32.const 2))", "the contract accessed memory out of bounds");
    check("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "division by zero");
    check("(drop (i64.rem_s (i64.const 1) (i64.const 0)))", "division by zero");
    check("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow in a division");
    let text = "the contract called a function pointer that does not exist or has another type";
    let table = "(table 2 funcref) (func $f (param i32)) (elem (i32.const 0) $f)";
    check_with(table, "(call_indirect (i32.const 0))", text);
    check_with(table, "(call_indirect (i32.const 1))", text);
    check_with(table, "(call_indirect (i32.const 2))", text);
}

#[test]
fn pointers_outside_the_memory() {
    let outside = |import: &str, pointer: u32, length: u32| {
        format!("the contract gave `{import}` {length} bytes at {pointer}, which is outside its memory")
    };
    let max = u32::MAX;
    for (call, text) in [
        ("(call $fn_read (i32.const 65534))", outside("fn_read", 65534, 3)),
        ("(call $args_read (i32.const -1))", outside("args_read", max, 9)),
        ("(call $output (i32.const 0) (i32.const -1))", outside("output", 0, max)),
        ("(call $output (i32.const -1) (i32.const -1))", outside("output", max, max)),
        ("(call $output (i32.const 65536) (i32.const 1))", outside("output", 65536, 1)),
        ("(call $fail (i32.const 1) (i32.const -1))", outside("fail", 1, max)),
        ("(drop (call $state_get (i32.const 0) (i32.const -1)))", outside("state_get", 0, max)),
        ("(call $state_set (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 1))", outside("state_set", 0, max)),
        ("(call $state_set (i32.const 0) (i32.const 1) (i32.const 9) (i32.const -1))", outside("state_set", 9, max)),
        ("(call $state_remove (i32.const 0) (i32.const -1))", outside("state_remove", 0, max)),
        ("(call $caller (i32.const 65517))", outside("caller", 65517, 20)),
        ("(call $contract (i32.const 65505))", outside("contract", 65505, 32)),
        ("(call $task_id (i32.const 65505))", outside("task_id", 65505, 32)),
        ("(call $value (i32.const 65521))", outside("value", 65521, 16)),
        ("(call $random (i32.const 0) (i32.const -1))", outside("random", 0, max)),
        ("(call $keccak256 (i32.const 0) (i32.const -1) (i32.const 0))", outside("keccak256", 0, max)),
        ("(call $keccak256 (i32.const 0) (i32.const 1) (i32.const 65505))", outside("keccak256", 65505, 32)),
        ("(call $sha256 (i32.const 0) (i32.const -1) (i32.const 0))", outside("sha256", 0, max)),
        ("(call $sha256 (i32.const 0) (i32.const 1) (i32.const 65505))", outside("sha256", 65505, 32)),
        ("(call $event (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 1))", outside("event", 0, max)),
        ("(call $event (i32.const 0) (i32.const 1) (i32.const 65536) (i32.const 1))", outside("event", 65536, 1)),
        ("(call $ethereum_call (i32.const 65517) (i32.const 0) (i32.const 0))", outside("ethereum_call", 65517, 20)),
        ("(call $ethereum_call (i32.const 0) (i32.const 1) (i32.const -1))", outside("ethereum_call", 1, max)),
        ("(call $pay_out (i32.const 65517) (i32.const 0))", outside("pay_out", 65517, 20)),
        ("(call $pay_out (i32.const 0) (i32.const 65521))", outside("pay_out", 65521, 16)),
        ("(call $fail_with (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0))", outside("fail_with", 0, max)),
        ("(call $fail_with (i32.const 0) (i32.const 0) (i32.const 2) (i32.const -1))", outside("fail_with", 2, max)),
        ("(call $debug (i32.const 3) (i32.const -1))", outside("debug", 3, max)),
        ("(drop (call $recover (i32.const 65505) (i32.const 0) (i32.const 0)))", outside("recover", 65505, 32)),
        ("(drop (call $recover (i32.const 0) (i32.const 65472) (i32.const 0)))", outside("recover", 65472, 65)),
        ("(drop (call $recover (i32.const 0) (i32.const 0) (i32.const 65517)))", outside("recover", 65517, 20)),
    ] {
        check(call, &text);
    }
    let register = "(drop (call $state_get (i32.const 0) (i32.const 1))) (call $register_read (i32.const 65534))";
    let state = State::from([(vec![0], vec![1; 3])]);
    let execution = run_on(&contract("", register), GAS, &state);
    assert_eq!(failure(&execution, GAS), outside("register_read", 65534, 3));
    // The end of the memory is inside.
    assert!(run(&contract("", "(call $output (i32.const 65536) (i32.const 0))"), GAS).outcome.is_ok());
    assert!(run(&contract("", "(call $value (i32.const 65520))"), GAS).outcome.is_ok());
}

#[test]
fn bounds() {
    let grow = "(drop (memory.grow (i32.const 30)))";
    let check = |call: &str, text: &str| check(&format!("{grow} {call}"), text);
    check("(call $output (i32.const 0) (i32.const 65537))", "the output is too large: the limit is 65536");
    check(
        "(drop (call $state_get (i32.const 0) (i32.const 1025)))",
        "the key of the state is too large: the limit is 1024",
    );
    check(
        "(call $state_remove (i32.const 0) (i32.const 1025))",
        "the key of the state is too large: the limit is 1024",
    );
    check(
        "(call $state_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 262145))",
        "a value of the state is too large: the limit is 262144",
    );
    let set = "(call $state_set (i32.const KEY) (i32.const 1) (i32.const 0) (i32.const 262144))";
    let fill = (0..4).map(|key| {
        format!("(i32.store8 (i32.const {key}) (i32.const {key})) {}", set.replace("KEY", &key.to_string()))
    });
    check(&fill.collect::<String>(), "the change of the state in bytes is too large: the limit is 1048576");
    // The same key again replaces what was counted.
    let again = set.replace("KEY", "0").repeat(5);
    assert!(run(&contract("", &format!("{grow} {again}")), GAS).outcome.is_ok());
    let many = |count: u32| {
        format!(
            "(local $i i32) (loop $l (i32.store (i32.const 0) (local.get $i)) (call $state_remove (i32.const 0) (i32.const 4))
             (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))))"
        )
    };
    assert!(run(&contract("", &many(4_096)), GAS).outcome.is_ok());
    crate::failures::check(&many(4_097), "the number of changed keys is too large: the limit is 4096");
}

#[test]
fn what_is_given_to_a_call_is_bounded() {
    let program = program(&contract("", ""));
    let run = |function: &str, args: &[u8]| program.execute(Entry::Call, function, args, &context(GAS), &State::new());
    let long = run(&"f".repeat(1_025), b"");
    assert_eq!(failure(&long, GAS), "the function's name is too large: the limit is 1024");
    let large = run("f()", &vec![0; limits::MAX_ARGS_BYTES + 1]);
    assert_eq!(failure(&large, GAS), "the arguments are too large: the limit is 262144");
    assert!(run(&"f".repeat(1_024), &vec![0; limits::MAX_ARGS_BYTES]).outcome.is_ok());
}

#[test]
fn segments_that_do_not_fit() {
    let text = "the contract's data does not fit its memory or table";
    check_with("(data (i32.const 65535) \"ab\")", "", text);
    check_with("(data (i32.const -1) \"ab\")", "", text);
    check_with("(table 1 funcref) (func $f) (elem (i32.const 1) $f)", "", text);
}
