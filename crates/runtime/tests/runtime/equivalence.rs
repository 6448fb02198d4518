//! Instrumented code computes what the code before instrumentation computes.

use crate::contract;
use enigma_runtime::{Entry, Program, State, prepare};
use proptest::prelude::*;

/// A statement of a random program. Its variables are three globals; a fourth counts loops and calls and ends the program.
#[derive(Debug, Clone)]
enum Statement {
    Set(u8, u8, i32),
    Store(u8, u8),
    Copy(u8, u8),
    If(u8, Vec<Statement>, Vec<Statement>),
    Block(Vec<Statement>),
    Loop(u8, Vec<Statement>),
    Branch(u32),
    BranchIf(u32, u8),
    Table(u32, u32, u8),
    Pair(u8, u8),
    Call,
    CallIndirect,
    Return,
    Trap(u8),
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    use Statement as S;
    let leaf = prop_oneof![
        4 => (0..3_u8, 0..3_u8, any::<i32>()).prop_map(|(to, from, add)| S::Set(to, from, add)),
        2 => (0..3_u8, 0..3_u8).prop_map(|(at, from)| S::Store(at, from)),
        1 => (0..3_u8, 0..3_u8).prop_map(|(to, from)| S::Copy(to, from)),
        1 => any::<u32>().prop_map(S::Branch),
        3 => (any::<u32>(), 0..3_u8).prop_map(|(depth, on)| S::BranchIf(depth, on)),
        1 => (any::<u32>(), any::<u32>(), 0..3_u8).prop_map(|(first, second, on)| S::Table(first, second, on)),
        2 => (0..3_u8, 0..3_u8).prop_map(|(first, second)| S::Pair(first, second)),
        2 => Just(S::Call),
        1 => Just(S::CallIndirect),
        1 => Just(S::Return),
        1 => (0..3_u8).prop_map(S::Trap),
    ];
    let statement = leaf.prop_recursive(5, 60, 5, |inner| {
        let some = prop::collection::vec(inner, 0..5);
        prop_oneof![
            (0..3_u8, some.clone(), some.clone()).prop_map(|(on, then, other)| S::If(on, then, other)),
            some.clone().prop_map(S::Block),
            (0..3_u8, some).prop_map(|(on, body)| S::Loop(on, body)),
        ]
    });
    prop::collection::vec(statement, 1..8)
}

const COUNT: &str = "(global.set 3 (i32.add (global.get 3) (i32.const 1)))
    (if (i32.gt_u (global.get 3) (i32.const 300)) (then (return (i32.const 1) (i64.const 2))))";

/// The statements as text, inside `depth` blocks; branches that would leave the function end it.
fn text(statements: &[Statement], depth: u32) -> String {
    statements.iter().map(|statement| one(statement, depth)).collect()
}

fn one(statement: &Statement, depth: u32) -> String {
    use Statement as S;
    match statement {
        S::Set(to, from, add) => {
            format!("(global.set {to} (i32.add (i32.mul (global.get {from}) (i32.const 31)) (i32.const {add}))) ")
        }
        S::Store(at, from) => {
            format!("(i32.store (i32.and (global.get {at}) (i32.const 1023)) (global.get {from})) ")
        }
        S::Copy(to, from) => format!(
            "(memory.copy (i32.and (global.get {to}) (i32.const 511)) (i32.and (global.get {from}) (i32.const 511)) (i32.const 64)) "
        ),
        S::If(on, then, other) => format!(
            "(if (i32.and (global.get {on}) (i32.const 4)) (then {}) (else {})) ",
            text(then, depth + 1),
            text(other, depth + 1)
        ),
        S::Block(body) => format!("(block {}) ", text(body, depth + 1)),
        S::Loop(on, body) => {
            format!("(loop {COUNT} {} (br_if 0 (i32.and (global.get {on}) (i32.const 2)))) ", text(body, depth + 1))
        }
        // Branches out of the function carry its results; those within carry nothing.
        S::Branch(to) if to % (depth + 1) == depth => format!("(br {depth} (i32.const 3) (i64.const 4)) "),
        S::Branch(to) => format!("(br {}) ", to % (depth + 1)),
        S::BranchIf(to, on) if to % (depth + 1) == depth => {
            format!("(i32.const 5) (i64.const 6) (br_if {depth} (i32.and (global.get {on}) (i32.const 1))) drop drop ")
        }
        S::BranchIf(to, on) => format!("(br_if {} (i32.and (global.get {on}) (i32.const 1))) ", to % (depth + 1)),
        S::Table(_, _, on) if depth == 0 => {
            format!("(br_table 0 0 (i32.const 7) (i64.const 8) (i32.and (global.get {on}) (i32.const 1))) ")
        }
        S::Table(first, second, on) => {
            format!("(br_table {} {} (i32.and (global.get {on}) (i32.const 1))) ", first % depth, second % depth)
        }
        S::Pair(first, second) => format!(
            "(block (result i32 i64) (i32.const 9) (i64.const 10) (br_if 0 (global.get {first})) drop drop
             (global.get {second}) (i64.extend_i32_u (global.get {first}))) (global.set 0 (i32.wrap_i64)) (global.set 1) "
        ),
        S::Call => format!("{COUNT} (call $f) drop (global.set 2 (i32.add (global.get 2))) "),
        S::CallIndirect => format!("{COUNT} (call_indirect (result i32 i64) (i32.const 0)) drop drop "),
        S::Return => "(return (i32.const 11) (i64.const 12)) ".to_owned(),
        S::Trap(on) => format!("(if (i32.eq (global.get {on}) (i32.const 77)) (then (unreachable))) "),
    }
}

fn program(statements: &[Statement]) -> Vec<u8> {
    let fields = format!(
        "(global (mut i32) (i32.const 12345)) (global (mut i32) (i32.const 3)) (global (mut i32) (i32.const 77))
         (global (mut i32) (i32.const 0)) (table 1 funcref) (elem (i32.const 0) $f)
         (func $f (result i32 i64) (local i32) {} (i32.const 13) (i64.const 14))",
        text(statements, 0)
    );
    let call = "(local $first i32) (local $second i64) (call $f) (local.set $second) (local.set $first) (i32.store (i32.const 1100) (local.get $first))
        (i64.store (i32.const 1104) (local.get $second))
        (i32.store (i32.const 1112) (global.get 0)) (i32.store (i32.const 1116) (global.get 1))
        (i32.store (i32.const 1120) (global.get 2)) (i32.store (i32.const 1124) (global.get 3))
        (call $output (i32.const 0) (i32.const 1128))";
    contract(&fields, call)
}

/// The output of code that is not instrumented, from the engine itself.
fn plain(pre_code: &[u8]) -> Option<Vec<u8>> {
    use wasmi::{Caller, Engine, Func, Instance, Module, Store, Val};
    let engine = Engine::default();
    let module = Module::new(&engine, pre_code).expect("the program is valid");
    let mut store = Store::new(&engine, Vec::new());
    let mut imports = Vec::new();
    for import in module.imports() {
        let ty = import.ty().func().expect("a function").clone();
        let call = |mut caller: Caller<'_, Vec<u8>>, arguments: &[Val], _: &mut [Val]| {
            let memory = caller.get_export("memory").and_then(|export| export.into_memory()).expect("a memory");
            let [Val::I32(at), Val::I32(length)] = arguments else { panic!("only `output` is called") };
            let (at, length) = (usize::try_from(*at).unwrap(), usize::try_from(*length).unwrap());
            *caller.data_mut() = memory.data(&caller)[at..at + length].to_vec();
            Ok(())
        };
        imports.push(Func::new(&mut store, ty, call).into());
    }
    let instance = Instance::new(&mut store, &module, &imports).expect("the program has no start function");
    instance.get_typed_func::<(), ()>(&store, "call").expect("exported").call(&mut store, ()).ok()?;
    Some(store.into_data())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn metering_changes_no_result(statements in statements()) {
        let pre_code = program(&statements);
        let metered = Program::load(&prepare(&pre_code).unwrap()).unwrap();
        let execution = metered.execute(Entry::Call, "", b"", &crate::context(10_000_000), &State::new());
        prop_assert_eq!(execution.outcome.ok(), plain(&pre_code));
    }
}
