//! What contracts can do.

use crate::{context, contract, program, run, run_on};
use enigma_runtime::{Changes, Entry, State, limits, prepare};

/// Runs a call and returns its output.
#[track_caller]
fn output(fields: &str, call: &str) -> Vec<u8> {
    run(&contract(fields, call), 10_000_000).outcome.expect("the call succeeds")
}

#[test]
fn reads_the_call() {
    let echo = "(call $fn_read (i32.const 0)) (call $args_read (call $fn_len))
                (call $output (i32.const 0) (i32.add (call $fn_len) (call $args_len)))";
    assert_eq!(output("", echo), b"f()arguments");
}

#[test]
fn reads_the_surroundings() {
    let call = "(call $caller (i32.const 0)) (call $contract (i32.const 20)) (call $task_id (i32.const 52))
                (call $value (i32.const 84)) (i64.store (i32.const 100) (call $block_number))
                (i64.store (i32.const 108) (call $block_timestamp)) (call $output (i32.const 0) (i32.const 116))";
    let mut expected = vec![3; 20];
    expected.extend([1; 32]);
    expected.extend([2; 32]);
    expected.extend(0x0102_0304_u128.to_be_bytes());
    expected.extend(77_u64.to_le_bytes());
    expected.extend(1_700_000_000_u64.to_le_bytes());
    assert_eq!(output("", call), expected);
}

#[test]
fn the_last_output_counts() {
    let fields = "(data (i32.const 0) \"onetwo\")";
    assert_eq!(
        output(fields, "(call $output (i32.const 0) (i32.const 3)) (call $output (i32.const 3) (i32.const 3))"),
        b"two"
    );
    assert_eq!(output("", ""), b"");
}

#[test]
fn deploy_and_call_are_two_functions() {
    let contract = crate::module(&format!(
        "{} (memory (export \"memory\") 1) (data (i32.const 0) \"DC\") (func (export \"enigma_abi_1\"))
         (func (export \"deploy\") (call $output (i32.const 0) (i32.const 1)))
         (func (export \"call\") (call $output (i32.const 1) (i32.const 1)))",
        crate::IMPORTS
    ));
    let program = program(&contract);
    let run = |entry| program.execute(entry, "", b"", &context(100_000), &State::new()).outcome.unwrap();
    assert_eq!(run(Entry::Deploy), b"D");
    assert_eq!(run(Entry::Call), b"C");
}

#[test]
fn hashes_and_random_bytes() {
    let hash =
        "(call $keccak256 (i32.const 0) (i32.const 3) (i32.const 32)) (call $output (i32.const 32) (i32.const 32))";
    let expected = [
        0x4e, 0x03, 0x65, 0x7a, 0xea, 0x45, 0xa9, 0x4f, 0xc7, 0xd4, 0x7b, 0xa8, 0x26, 0xc8, 0xd6, 0x67, 0xc0, 0xd1,
        0xe6, 0xe3, 0x3a, 0x64, 0xa0, 0x36, 0xec, 0x44, 0xf5, 0x8f, 0xa1, 0x2d, 0x6c, 0x45,
    ];
    assert_eq!(output("(data (i32.const 0) \"abc\")", hash), expected);

    let at_once = output("", "(call $random (i32.const 0) (i32.const 70)) (call $output (i32.const 0) (i32.const 70))");
    let in_parts = output(
        "",
        "(call $random (i32.const 0) (i32.const 5)) (call $random (i32.const 5) (i32.const 0))
         (call $random (i32.const 5) (i32.const 65)) (call $output (i32.const 0) (i32.const 70))",
    );
    assert_eq!(at_once, in_parts);
    assert!(at_once.iter().filter(|byte| **byte == 0).count() < 5);

    let contract =
        contract("", "(call $random (i32.const 0) (i32.const 32)) (call $output (i32.const 0) (i32.const 32))");
    let program = program(&contract);
    let mut other = context(100_000);
    other.random_seed = [8; 32];
    let other = program.execute(Entry::Call, "", b"", &other, &State::new()).outcome.unwrap();
    assert_ne!(other, at_once[..32]);
}

/// `random` is `keccak256(keccak256(label) ‖ seed ‖ word(i))`, block after block.
#[test]
fn the_random_stream_is_the_documented_one() {
    use sha3::{Digest, Keccak256};
    let bytes = output("", "(call $random (i32.const 0) (i32.const 64)) (call $output (i32.const 0) (i32.const 64))");
    let block = |index: u8| {
        let mut word = [0; 32];
        word[31] = index;
        let input = [Keccak256::digest(b"enigma/random-stream/1").as_slice(), &[9; 32], &word].concat();
        Keccak256::digest(input).to_vec()
    };
    assert_eq!(bytes, [block(0), block(1)].concat());
}

fn state(entries: &[(&[u8], &[u8])]) -> State {
    entries.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

#[test]
fn reads_and_changes_the_state() {
    let fields = r#"(data (i32.const 0) "abcnew")
        (func $show (param $key i32) (local $length i32)
          (local.set $length (call $state_get (local.get $key) (i32.const 1)))
          (call $output (i32.const 100) (i32.const 0))
          (if (i32.ge_s (local.get $length) (i32.const 0)) (then
            (call $register_read (i32.const 100)) (call $output (i32.const 100) (local.get $length)))))"#;
    let check = |call: &str, output: &[u8], changes: &[(&[u8], Option<&[u8]>)]| {
        let execution = run_on(&contract(fields, call), 1_000_000, &state(&[(b"a", b"old"), (b"b", b"")]));
        assert_eq!(execution.outcome.unwrap(), output, "{call}");
        let expected: Changes = changes.iter().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
        assert_eq!(execution.changes, expected, "{call}");
    };
    let set = |key: u8| format!("(call $state_set (i32.const {key}) (i32.const 1) (i32.const 3) (i32.const 3))");
    let remove = |key: u8| format!("(call $state_remove (i32.const {key}) (i32.const 1))");
    let show = |key: u8| format!("(call $show (i32.const {key}))");

    check(&show(0), b"old", &[]);
    check(&show(1), b"", &[]);
    check(&(set(0) + &show(0)), b"new", &[(b"a", Some(b"new"))]);
    check(&(set(2) + &show(2)), b"new", &[(b"c", Some(b"new"))]);
    check(&(remove(0) + &show(0)), b"", &[(b"a", None)]);
    check(&(remove(0) + &set(0) + &show(0)), b"new", &[(b"a", Some(b"new"))]);
    // Nothing that leaves the state as it was.
    check(&(set(2) + &remove(2)), b"", &[]);
    check(&remove(2), b"", &[]);
    check(
        &(set(0) + &set(0) + "(call $state_set (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 0))"),
        b"",
        &[(b"a", Some(b"new"))],
    );
    // An absent key is not an empty value.
    let length = "(i32.store (i32.const 50) (call $state_get (i32.const 2) (i32.const 1))) (call $output (i32.const 50) (i32.const 4))";
    check(length, &(-1_i32).to_le_bytes(), &[]);
}

#[test]
fn the_largest_of_everything() {
    let value = limits::MAX_VALUE_BYTES;
    let call = format!(
        "(drop (memory.grow (i32.const 8))) (call $state_set (i32.const 0) (i32.const 1024) (i32.const 0) (i32.const {value}))
         (drop (call $state_get (i32.const 0) (i32.const 1024))) (call $register_read (i32.const 0))
         (call $output (i32.const 0) (i32.const 65536))"
    );
    let execution = run(&contract("", &call), 10_000_000);
    assert_eq!(execution.outcome.unwrap().len(), limits::MAX_OUTPUT_BYTES);
    assert_eq!(execution.changes.values().next().unwrap().as_ref().unwrap().len(), value);
}

#[test]
fn the_same_bytes_and_the_same_results_every_time() {
    let call = "(local $i i32) (call $random (i32.const 0) (i32.const 32))
        (loop $l (call $state_set (local.get $i) (i32.const 2) (i32.const 8) (i32.const 8))
          (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $l (i32.lt_u (local.get $i) (i32.const 20))))
        (call $output (i32.const 0) (i32.const 32))";
    let pre_code = contract("(func $f (result i32 i64) (call $block_number) (drop) (i32.const 1) (i64.const 1))", call);
    let exe_code = prepare(&pre_code).unwrap();
    assert_eq!(prepare(&pre_code).unwrap(), exe_code);
    let program = program(&pre_code);
    let first = program.execute(Entry::Call, "f()", b"", &context(1_000_000), &State::new());
    assert!(first.outcome.is_ok() && first.gas_used > 10_000);
    assert_eq!(program.execute(Entry::Call, "f()", b"", &context(1_000_000), &State::new()), first);
    let clone = program.clone();
    let other = std::thread::spawn(move || clone.execute(Entry::Call, "f()", b"", &context(1_000_000), &State::new()));
    assert_eq!(other.join().unwrap(), first);
}

#[test]
fn custom_sections_and_foreign_exports_disappear() {
    let mut with_names = contract("(global $secret_name (export \"__heap_base\") i32 (i32.const 1))", "");
    with_names.extend_from_slice(b"\x00\x0a\x09producerx");
    let exe_code = String::from_utf8_lossy(&prepare(&with_names).unwrap()).into_owned();
    assert!(!exe_code.contains("producerx") && !exe_code.contains("__heap_base") && !exe_code.contains("secret_name"));
}
