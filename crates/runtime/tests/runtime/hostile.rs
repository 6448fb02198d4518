//! Modules that want to harm whoever runs them.

use crate::{contract, failure, module, program, run};
use enigma_runtime::{Program, State, prepare};
use proptest::prelude::*;

const GAS: u64 = 8_000_000;

#[track_caller]
fn check_with(fields: &str, call: &str, text: &str) {
    let execution = run(&contract(fields, call), GAS);
    assert_eq!(failure(&execution, GAS), text, "{call}");
    assert_eq!(run(&contract(fields, call), GAS), execution);
}

fn out_of_gas() -> String {
    format!("out of gas: the limit was {GAS}")
}

#[test]
fn endless_loops() {
    for call in [
        "(loop $l (br $l))",
        "(loop $l (br_if $l (i32.const 1)))",
        "(loop $l (br_table $l $l (i32.const 7)))",
        "(loop $l (block (br $l)))",
        "(loop $l (loop $m (br_if $l (i32.const 0)) (br $m)))",
        "(loop $l (if (i32.const 1) (then (br $l))))",
        "(loop $l (drop (call $fn_len)) (br $l))",
        "(loop $l (drop (memory.grow (i32.const 0))) (br $l))",
        "(loop $l (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br $l))",
    ] {
        check_with("", call, &out_of_gas());
    }
}

#[test]
fn endless_recursion() {
    let text = "the call stack is exhausted: recursion is too deep";
    check_with("(func $f (call $f))", "(call $f)", text);
    check_with("(func $f (call $g)) (func $g (call $f))", "(call $f)", text);
    check_with("(table 1 funcref) (func $f (call_indirect (i32.const 0))) (elem (i32.const 0) $f)", "(call $f)", text);
    check_with(
        "(func $f (param i64 i64 i64) (result i64) (i64.add (call $f (i64.const 1) (i64.const 2) (i64.const 3)) (i64.const 1)))",
        "(drop (call $f (i64.const 1) (i64.const 2) (i64.const 3)))",
        text,
    );
    // Frames of every size, and with operands waiting below the call.
    for locals in [1, 10, 100, 2_000] {
        let fields = format!("(func $f (local {}) (call $f))", "i64 ".repeat(locals));
        check_with(&fields, "(call $f)", text);
    }
    for operands in [10, 1_000, 5_000] {
        let fields = format!(
            "(func $f (result i32) {} (call $f) {})",
            "(i32.const 1) (i32.load8_u)".repeat(operands),
            "i32.add ".repeat(operands)
        );
        check_with(&fields, "(drop (call $f))", text);
    }
    // The deepest stack, with the largest frame that is not counted on top.
    let fields = format!(
        "(func $leaf (param {}) (local {})) (func $f (param i32) (call $leaf {}) (call $f (local.get 0)))",
        "i64 ".repeat(32),
        "i64 ".repeat(2_048),
        "(i64.const 1)".repeat(32)
    );
    check_with(&fields, "(call $f (i32.const 0))", text);
    // The exported function itself.
    let recursive =
        module(&format!("(memory (export \"memory\") 1) {} (func $c (export \"call\") (call $c))", crate::EXPORTS));
    assert_eq!(failure(&run(&recursive, GAS), GAS), text);
}

#[test]
fn memory_without_end() {
    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    let execution = run(&contract("", grow), GAS);
    assert!(execution.outcome.is_ok(), "growing fails at the maximum, and the call goes on");
    assert!(execution.gas_used > 1_000 * enigma_runtime::gas::PAGE);
    assert_eq!(failure(&run(&contract("", grow), 500_000), 500_000), "out of gas: the limit was 500000");
    check_with("", "(loop $l (drop (memory.grow (i32.const -1))) (br $l))", &out_of_gas());
    let size = |fields: &str, pages: &str| {
        let call = format!(
            "(i32.store (i32.const 0) (memory.grow (i32.const {pages}))) (call $output (i32.const 0) (i32.const 4))"
        );
        let text = format!("{} {} {fields} (func (export \"call\") {call})", crate::IMPORTS, crate::EXPORTS);
        i32::from_le_bytes(run(&module(&text), GAS).outcome.unwrap().try_into().unwrap())
    };
    assert_eq!(size("(memory (export \"memory\") 1 3)", "2"), 1);
    assert_eq!(size("(memory (export \"memory\") 1 3)", "3"), -1);
    assert_eq!(size("(memory (export \"memory\") 1)", "1023"), 1);
    assert_eq!(size("(memory (export \"memory\") 1)", "1024"), -1);
    assert_eq!(size("(memory (export \"memory\") 1)", "-1"), -1);
}

#[test]
fn huge_lengths() {
    for call in [
        "(memory.fill (i32.const 0) (i32.const 1) (i32.const -1))",
        "(memory.copy (i32.const 0) (i32.const 1) (i32.const -1))",
    ] {
        check_with("", call, &out_of_gas());
        let rich = run(&contract("", call), 1_000_000_000);
        assert_eq!(failure(&rich, 1_000_000_000), "the contract accessed memory out of bounds");
    }
    let init = contract("(data $d \"abc\")", "(memory.init $d (i32.const 0) (i32.const 0) (i32.const -1))");
    assert_eq!(failure(&run(&init, 1_000_000_000), 1_000_000_000), "the contract accessed memory out of bounds");
}

/// The contract cannot reach the meters: their numbers do not exist in its own module.
#[test]
fn meters_cannot_be_named() {
    let forge = |global: u32| {
        let text = contract("(global (mut i64) (i64.const 0))", "(global.set 0 (i64.const 9223372036854775807))");
        let mut bytes = text;
        let at = bytes.windows(2).rposition(|window| window == [0x24, 0x00]).unwrap();
        bytes[at + 1] = u8::try_from(global).unwrap();
        bytes
    };
    assert!(prepare(&forge(0)).is_ok());
    for global in [1, 2, 3] {
        assert!(prepare(&forge(global)).unwrap_err().to_string().contains("unknown global"), "{global}");
    }
    let helper = contract("", "(call 31)");
    assert!(prepare(&helper).unwrap_err().to_string().contains("unknown function"));
}

/// The deepest nesting, widest tables and largest frames that are accepted also compile and run.
#[test]
fn deep_and_wide_code() {
    let deep = "(block ".repeat(20_000) + &")".repeat(20_000);
    let loops = "(loop ".repeat(20_000) + &")".repeat(20_000);
    let ifs = "(if (i32.const 1) (then ".repeat(5_000) + &"))".repeat(5_000);
    let table = format!("(block (br_table {} (i32.const 1)))", "0 ".repeat(4_097));
    let operands = format!("{} {}", "(i32.const 1) (i32.load8_u)".repeat(16_384), "drop ".repeat(16_384));
    let locals = format!(
        "(local {}) {} {} {}",
        "i64 ".repeat(2_048),
        "(local.get 7) ".repeat(14_335),
        "(local.set 7 (i64.const 1))",
        "drop ".repeat(14_335)
    );
    for call in [deep, loops, ifs, table, operands, locals] {
        assert!(run(&contract("", &call), GAS).outcome.is_ok());
    }
}

/// A contract with most of what there is, for mutation.
fn seed() -> Vec<u8> {
    contract(
        r#"(table 2 funcref) (elem (i32.const 0) $f $g) (data (i32.const 8) "hello") (data $p "passive")
           (global $x (mut i32) (i32.const 3)) (global i64 (i64.const 4))
           (func $f (result i32 i64) (i32.const 1) (i64.const 2))
           (func $g (param i32 i64) (result i32) (local i32 i64) (call $f) (drop) (if (result i32) (then (i32.const 1)) (else (local.get 0))))"#,
        r#"(local i32) (block (loop (br_if 1 (i32.eqz (local.get 0))) (br 0)))
           (drop (call_indirect (result i32 i64) (i32.const 0)) ) drop
           (memory.init $p (i32.const 0) (i32.const 0) (i32.const 3)) (memory.fill (i32.const 0) (i32.const 1) (i32.const 9))
           (drop (memory.grow (i32.const 1))) (global.set $x (call $g (i32.const 1) (i64.const 1)))
           (block (block (br_table 0 1 (global.get $x)))) (call $state_set (i32.const 0) (i32.const 4) (i32.const 8) (i32.const 5))"#,
    )
}

/// Runs whatever is accepted; nothing may panic, and nothing may differ the second time.
fn survives(pre_code: &[u8]) {
    let prepared = prepare(pre_code);
    assert_eq!(prepare(pre_code), prepared);
    if let Ok(exe_code) = prepared {
        let program = Program::load(&exe_code).expect("what is prepared loads");
        let run = || program.execute(enigma_runtime::Entry::Call, "f()", b"", &crate::context(200_000), &State::new());
        let execution = run();
        assert!(execution.gas_used <= 200_000);
        if let Err(failure) = &execution.outcome {
            assert!(failure.is_final(), "{failure}");
        }
        assert_eq!(run(), execution);
    }
}

#[test]
fn the_seed_is_accepted() {
    assert!(prepare(&seed()).is_ok());
    survives(&seed());
    let _ = program(&seed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn garbage(bytes in prop::collection::vec(any::<u8>(), 0..200), module in any::<bool>()) {
        let mut code = if module { b"\0asm\x01\0\0\0".to_vec() } else { Vec::new() };
        code.extend(bytes);
        survives(&code);
        let _ = Program::load(&code);
    }

    #[test]
    fn mutations(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in any::<Option<prop::sample::Index>>()) {
        let mut code = seed();
        for (at, byte) in changes {
            let at = at.index(code.len());
            code[at] = byte;
        }
        if let Some(cut) = cut {
            code.truncate(cut.index(code.len()).max(code.len() / 2));
        }
        survives(&code);
    }

    #[test]
    fn mutated_exe_code(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut code = prepare(&seed()).unwrap();
        let at = at.index(code.len());
        code[at] = byte;
        let _ = Program::load(&code);
    }
}
