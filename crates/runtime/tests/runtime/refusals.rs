//! Code that is no contract, and what its author is told.

use crate::{EXPORTS, contract, module};
use enigma_runtime::{InvalidCode, Program, limits, prepare};

#[track_caller]
fn check(pre_code: &[u8], text: &str) {
    let Err(error) = prepare(pre_code) else { panic!("the code is accepted; expected `{text}`") };
    assert!(error.to_string().contains(text), "expected `{text}` in `{error}`");
}

/// A module with a memory, the three functions, and these fields.
fn with(fields: &str) -> Vec<u8> {
    module(&format!("(memory (export \"memory\") 1) {EXPORTS} (func (export \"call\")) {fields}"))
}

/// A contract whose call has this body.
fn body(instructions: &str) -> Vec<u8> {
    contract("", instructions)
}

#[test]
fn the_smallest_contract_is_accepted() {
    assert!(prepare(&with("")).is_ok());
    assert!(prepare(&contract("", "")).is_ok());
}

#[test]
fn bytes_that_are_no_module() {
    for bytes in [&b""[..], b"\0asm", b"hello, this is not WebAssembly", b"\0asm\x02\0\0\0", b"\0asm\x0d\0\x01\0"] {
        assert_eq!(prepare(bytes), Err(InvalidCode::NotWasm), "{bytes:?}");
    }
    check(b"\0asm\x01\0\0\0\x01", "invalid WebAssembly");
    check(b"\0asm\x01\0\0\0", "no memory");
    let component = wat::parse_str("(component)").unwrap();
    assert_eq!(prepare(&component), Err(InvalidCode::NotWasm));
}

#[test]
fn sizes() {
    let mut large = with("");
    large.resize(limits::MAX_PRE_CODE_BYTES + 1, 0);
    check(&large, "preCode has 1048577 bytes, the limit is 1048576");
    let branching = contract("", &format!("(block {})", "(br_if 0 (i32.const 1))".repeat(230_000)));
    assert!(branching.len() < limits::MAX_PRE_CODE_BYTES);
    check(&branching, "exeCode has");
    assert!(matches!(
        Program::load(&vec![0; limits::MAX_EXE_CODE_BYTES + 1]).unwrap_err(),
        InvalidCode::TooLarge { what: "exeCode", .. }
    ));
}

#[test]
fn memory() {
    check(&module(&format!("{EXPORTS} (func (export \"call\"))")), "the module has no memory");
    let memory =
        |limits: &str| module(&format!("(memory (export \"memory\") {limits}) {EXPORTS} (func (export \"call\"))"));
    assert!(prepare(&memory("1 1024")).is_ok());
    check(&memory("1025"), "1025 pages of memory, the limit is 1024");
    check(&memory("1 1025"), "1025 pages of memory, the limit is 1024");
    check(&memory("1 65536"), "65536 pages");
    check(&memory("1 2 shared"), "threads are not allowed (a shared memory)");
    check(&memory("i64 1"), "64-bit addresses");
    check(&with("(memory 1)"), "too many memories: 2, the limit is 1");
}

#[test]
fn start_function() {
    check(&with("(func $s) (start $s)"), "start function");
}

#[test]
fn floating_point() {
    for instructions in [
        "(drop (f32.const 1))",
        "(drop (f64.add (f64.const 1) (f64.const 1)))",
        "(drop (f64.convert_i32_s (i32.const 1)))",
        "(drop (i32.trunc_sat_f32_s (f32.const 1)))",
        "(drop (i32.reinterpret_f32 (f32.const 1)))",
        "(drop (f32.load (i32.const 1)))",
        "(local f64)",
    ] {
        check(&body(instructions), "floating point is not allowed");
    }
    check(&with("(func (param f32))"), "a parameter or result of type f32");
    check(&with("(func (result f64) unreachable)"), "floating point is not allowed");
    check(&with("(global f64 (f64.const 0))"), "a global of type f64");
}

#[test]
fn vectors_and_threads() {
    check(&body("(drop (v128.const i32x4 0 0 0 0))"), "SIMD is not allowed");
    check(&body("(local v128)"), "SIMD is not allowed (a local of type v128)");
    check(&with("(func (param v128))"), "SIMD is not allowed");
    check(&body("(drop (i32.atomic.load (i32.const 0)))"), "threads are not allowed (I32AtomicLoad)");
    check(&body("(atomic.fence)"), "threads are not allowed");
}

#[test]
fn reference_types() {
    for instructions in [
        "(drop (ref.func $f))",
        "(drop (ref.null func))",
        "(drop (table.get $t (i32.const 0)))",
        "(drop (table.size $t))",
        "(drop (table.grow $t (ref.null func) (i32.const 1)))",
        "(table.copy $t $t (i32.const 0) (i32.const 0) (i32.const 0))",
        "(drop (select (result i32) (i32.const 1) (i32.const 1) (i32.const 1)))",
    ] {
        let fields = "(table $t 2 funcref) (func $f) (elem (i32.const 0) $f)";
        check(&contract(fields, instructions), "reference types are not allowed");
    }
    check(&with("(table 1 externref)"), "a table of another type than funcref");
    check(&with("(func (param externref))"), "reference types are not allowed");
    check(&with("(table 1 funcref) (table 1 funcref)"), "too many tables: 2");
    check(&with("(table 10001 funcref)"), "too many table entries: 10001");
    check(&with("(func $f) (table 1 funcref) (elem (i32.const 0) funcref (ref.null func))"), "reference types");
}

#[test]
fn other_proposals() {
    check(&contract("(func $f)", "(return_call $f)"), "ReturnCall (tail_call) is not allowed");
    check(&with("(tag)"), "exceptions");
    check(&contract("", "(try_table)"), "TryTable (exceptions) is not allowed");
    check(&with("(type (struct (field i32)))"), "a type that is not a function");
    check(&contract("", "(drop (ref.i31 (i32.const 1)))"), "RefI31 (gc) is not allowed");
    check(&with("(global i32 (i32.add (i32.const 1) (i32.const 2)))"), "invalid WebAssembly");
}

#[test]
fn imports() {
    let import =
        |import: &str| module(&format!("{import} (memory (export \"memory\") 1) {EXPORTS} (func (export \"call\"))"));
    assert!(prepare(&import("(import \"enigma\" \"fn_len\" (func (result i32)))")).is_ok());
    check(&import("(import \"env\" \"fn_len\" (func (result i32)))"), "unknown import env.fn_len");
    check(&import("(import \"enigma\" \"clock\" (func (result i64)))"), "unknown import enigma.clock");
    check(&import("(import \"enigma\" \"fn_len\" (func (result i64)))"), "import enigma.fn_len has another type");
    check(&import("(import \"enigma\" \"output\" (func (param i32)))"), "import enigma.output has another type");
    check(&import("(import \"enigma\" \"g\" (global i32))"), "enigma.g is not a function");
    check(&import("(import \"enigma\" \"t\" (table 1 funcref))"), "enigma.t is not a function");
    check(&module(&format!("(import \"enigma\" \"m\" (memory 1)) {EXPORTS}")), "enigma.m is not a function");
    check(&import(&"(import \"enigma\" \"fn_len\" (func (result i32)))".repeat(65)), "too many imports: 65");
}

#[test]
fn exports() {
    let memory = "(memory (export \"memory\") 1)";
    check(&module("(memory 1)"), "does not export `memory`");
    check(&module(memory), "does not export `deploy`");
    check(&module(&format!("{memory} {EXPORTS}")), "does not export `call`");
    check(&module(&format!("{memory} (func (export \"deploy\")) (func (export \"call\"))")), "`enigma_abi_1`");
    check(&module(&format!("{memory} {EXPORTS} (func (export \"call\") (param i32))")), "`call` has the wrong type");
    check(
        &module(&format!("{memory} {EXPORTS} (global (export \"call\") i32 (i32.const 1))")),
        "`call` has the wrong type",
    );
    check(&module(&format!("(memory 1) (func (export \"memory\")) {EXPORTS}")), "`memory` has the wrong type");
    check(&with("(global (export \"enigma.gas.1\") (mut i64) (i64.const 1))"), "`enigma.gas.1` is reserved");
}

#[test]
fn too_many_of_something() {
    check(&with(&"(func)".repeat(10_001)), "too many functions: 10004");
    check(&with(&"(global i32 (i32.const 0))".repeat(257)), "too many globals: 257");
    check(&with(&format!("(func (local {}))", "i64 ".repeat(2_049))), "too many locals of a function: 2049");
    check(&with(&format!("(func (param {}))", "i64 ".repeat(33))), "too many parameters: 33");
    check(&with(&format!("(func (result {}) unreachable)", "i64 ".repeat(9))), "too many results: 9");
    check(&with(&"(data (i32.const 0) \"\")".repeat(1_001)), "too many data segments: 1001");
    check(
        &with(&format!("(table 1 funcref) (func $f) {}", "(elem (i32.const 0) $f)".repeat(1_001))),
        "too many element segments",
    );
    check(
        &with(&format!("(table 1 funcref) (func $f) (elem (i32.const 0) {})", "$f ".repeat(10_001))),
        "too many elements: 10001",
    );
    let types = (0..1_001).map(|index| format!("(type $t{index} (func))")).collect::<String>();
    check(&with(&types), "too many types");
    let operands = format!("(func {} {})", "(i32.const 1) (i32.load8_u)".repeat(16_385), "drop ".repeat(16_385));
    check(&with(&operands), "too many parameters, locals and operands of a function: 16385");
    let targets = format!("(func (br_table {} (i32.const 1)))", "0 ".repeat(4_098));
    check(&with(&targets), "too many targets of a br_table: 4097");
    check(&with(&format!("(func {})", "(local i64 i32)".repeat(30_000))), "too many locals of a function: 2049");
}

#[test]
fn exe_code_and_pre_code_are_not_interchangeable() {
    let pre_code = contract("", "");
    let exe_code = prepare(&pre_code).unwrap();
    assert!(matches!(Program::load(&pre_code), Err(InvalidCode::MissingExport(name)) if name == "enigma.gas.1"));
    assert!(matches!(prepare(&exe_code), Err(InvalidCode::ReservedExport(_))));
    let other_version = String::from_utf8_lossy(&exe_code).contains("enigma.gas.1");
    assert!(other_version);
    let mut changed = exe_code.clone();
    let at = changed.windows(12).position(|window| window == b"enigma.gas.1").unwrap();
    changed[at + 11] = b'2';
    assert!(matches!(Program::load(&changed), Err(InvalidCode::MissingExport(_))));
}

#[test]
fn what_compilers_emit_is_accepted() {
    let accepted = contract(
        r#"(table 1 funcref) (elem (i32.const 0) $pair) (data $d "passive") (global $g (mut i32) (i32.const 1))
           (func $pair (result i32 i64) (i32.const 1) (i64.const 2))"#,
        r#"(drop (i32.extend8_s (i32.const 200))) (drop (i64.extend32_s (i64.const 200)))
           (memory.fill (i32.const 0) (i32.const 1) (i32.const 8)) (memory.copy (i32.const 8) (i32.const 0) (i32.const 8))
           (memory.init $d (i32.const 0) (i32.const 0) (i32.const 7)) (data.drop $d)
           (global.set $g (i32.const 5)) (call $pair) drop drop
           (call_indirect (result i32 i64) (i32.const 0)) drop drop
           (block (result i32 i64) (call $pair)) drop drop"#,
    );
    assert!(crate::run(&accepted, 100_000).outcome.is_ok());
}

/// Linkers leave the table of an indirect call in five bytes.
#[test]
fn a_long_table_index_is_accepted() {
    let mut bytes = contract("(table 1 funcref) (func $f) (elem (i32.const 0) $f)", "(call_indirect (i32.const 0))");
    let body = bytes.windows(4).rposition(|window| window == [0x00, 0x41, 0x00, 0x11]).unwrap();
    let table = body + 5;
    assert_eq!(bytes[table..=table + 1], [0x00, 0x0b]);
    bytes.splice(table..=table, [0x80, 0x80, 0x80, 0x80, 0x00]);
    bytes[body - 1] += 4;
    // The code section: its size, four bodies, three of them empty.
    let section = bytes.windows(3).rposition(|window| window[0] == 0x0a && window[2] == 4).unwrap();
    bytes[section + 1] += 4;
    assert!(crate::run(&bytes, 100_000).outcome.is_ok());
}
