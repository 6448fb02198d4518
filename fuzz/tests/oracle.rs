//! wasmi and wasmtime agree: on every example contract, on the edges of gas, stack and memory, and on made-up modules.
//!
//! `cargo xtask wasm` compiles the contracts. Every function of theirs is called as its ABI tells, so that a new example is
//! part of this without a word here.

// Code that is compiled for coverage needs libFuzzer, which wants a target.
#[cfg(feature = "libfuzzer")]
libfuzzer_sys::fuzz_target!(|_bytes: &[u8]| {});

use arbitrary::Unstructured;
use enigma_fuzz::{
    engine::{Contract, context},
    modules,
};
use enigma_runtime::{Entry, Execution, prepare};
use serde_json::Value;
use std::{env, fs, path::PathBuf};

/// Enough for every call of an example that is not meant to run out of it.
const PLENTY: u64 = 4_000_000;
/// Enough for the deepest stack and for all memory.
const ENOUGH: u64 = 8_000_000;
/// Modules that both engines run, of each kind.
const MODULES: usize = 220;
/// Bytes that a module is made from.
const SEED_BYTES: usize = 2_048;

/// Where `cargo xtask wasm` puts contracts.
fn compiled() -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let found = test.ancestors().map(|folder| folder.join("secret-contracts")).find(|folder| {
        fs::read_dir(folder).is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|file| file.path().extension().is_some_and(|kind| kind == "wasm")))
        })
    });
    found.expect("compiled contracts are missing: run `cargo xtask wasm` first")
}

/// Runs with plenty of gas, then the same with less than it took: the calls before must not differ either.
fn run_short(contract: &mut Contract, entry: Entry, function: &str, args: &[u8], number: usize, gas: u64) -> Execution {
    // Most functions refuse value.
    let rich = number % 7 == 1;
    let before = contract.state.clone();
    let whole = contract.run(entry, function, args, &context(number, gas, rich));
    let after = std::mem::replace(&mut contract.state, before);
    let used = whole.gas_used;
    for limit in [0, 999, used / 3, used / 2, used - used / 10, used.saturating_sub(1), used] {
        let before = contract.state.clone();
        let execution = contract.run(entry, function, args, &context(number, limit, rich));
        assert!(limit >= used || execution.outcome.is_err());
        contract.state = before;
    }
    contract.state = after;
    whole
}

#[test]
fn example_contracts() {
    let mut contracts = 0;
    let (mut calls, mut successes) = (0, 0);
    for file in fs::read_dir(compiled()).expect("the folder can be read") {
        let path = file.expect("the folder can be read").path();
        if path.extension().is_none_or(|kind| kind != "wasm") {
            continue;
        }
        contracts += 1;
        let exe_code = prepare(&fs::read(&path).expect("it can be read")).expect("an example is a contract");
        let abi = fs::read_to_string(path.with_extension("abi.json")).expect("an example has an ABI");
        let abi: Vec<Value> = serde_json::from_str(&abi).expect("an ABI is JSON");
        let mut contract = Contract::new(&exe_code);
        let mut number = 0;
        let mut call = |entry: Entry, function: &str, args: &[u8]| {
            number += 1;
            calls += 1;
            successes += u32::from(run_short(&mut contract, entry, function, args, number, PLENTY).outcome.is_ok());
        };
        let constructor = abi.iter().find(|entry| entry["type"] == "constructor");
        let parameters = constructor.map(|entry| entry["inputs"].clone()).unwrap_or_default();
        call(Entry::Call, "before()", b"");
        call(Entry::Deploy, &signature("construct", &parameters), &arguments(&parameters, 3));
        // Twice: what the first round remembers changes the second.
        for round in 0..2 {
            for function in abi.iter().filter(|entry| entry["type"] == "function") {
                let parameters = &function["inputs"];
                let name = signature(function["name"].as_str().expect("a function has a name"), parameters);
                for variant in 0..4 {
                    call(Entry::Call, &name, &arguments(parameters, variant + round));
                }
                call(Entry::Query, &name, &arguments(parameters, 1));
                call(Entry::Call, &name, b"");
                call(Entry::Call, &name, &[0xff; 100]);
            }
        }
        call(Entry::Call, "no_such_function()", b"");
    }
    assert!(contracts >= 9, "only {contracts} contracts are compiled: run `cargo xtask wasm`");
    assert!(successes * 4 > calls, "only {successes} of {calls} calls succeed");
    println!("{contracts} contracts, {calls} calls with eight gas limits each, {successes} succeed with plenty");
}

fn signature(name: &str, parameters: &Value) -> String {
    let types: Vec<String> = list(parameters).iter().map(type_name).collect();
    format!("{name}({})", types.join(","))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The type of a parameter as signatures write it.
fn type_name(parameter: &Value) -> String {
    let ty = parameter["type"].as_str().expect("a parameter has a type");
    match ty.strip_prefix("tuple") {
        Some(array) => signature("", &parameter["components"]) + array,
        None => ty.to_owned(),
    }
}

/// Solidity's encoding of arguments; `variant` chooses among small, large and odd values.
fn arguments(parameters: &Value, variant: usize) -> Vec<u8> {
    sequence(list(parameters).iter().enumerate().map(|(index, parameter)| {
        let ty = parameter["type"].as_str().expect("a parameter has a type");
        encode(ty, &parameter["components"], variant + index)
    }))
}

/// An encoding, and whether it lies behind an offset.
type Encoded = (Vec<u8>, bool);

fn sequence(values: impl Iterator<Item = Encoded>) -> Vec<u8> {
    let values: Vec<Encoded> = values.collect();
    let head: usize = values.iter().map(|(bytes, dynamic)| if *dynamic { 32 } else { bytes.len() }).sum();
    let (mut heads, mut tails) = (Vec::new(), Vec::new());
    for (bytes, dynamic) in values {
        if dynamic {
            heads.extend(word((head + tails.len()) as u128));
            tails.extend(bytes);
        } else {
            heads.extend(bytes);
        }
    }
    heads.extend(tails);
    heads
}

fn word(number: u128) -> [u8; 32] {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&number.to_be_bytes());
    word
}

fn encode(ty: &str, components: &Value, variant: usize) -> Encoded {
    if let Some((element, length)) = ty.strip_suffix(']').and_then(|ty| ty.rsplit_once('[')) {
        let count = length.parse().unwrap_or(variant % 3);
        let elements: Vec<Encoded> = (0..count).map(|index| encode(element, components, variant + index)).collect();
        let dynamic = length.is_empty() || elements.iter().any(|(_, dynamic)| *dynamic);
        let length = if length.is_empty() { word(count as u128).to_vec() } else { Vec::new() };
        return ([length, sequence(elements.into_iter())].concat(), dynamic);
    }
    let bits = |kind: &str| ty.strip_prefix(kind).and_then(|bits| bits.parse::<usize>().ok());
    match ty {
        "tuple" => {
            let fields: Vec<Encoded> = list(components)
                .iter()
                .map(|field| encode(field["type"].as_str().expect("a field has a type"), &field["components"], variant))
                .collect();
            let dynamic = fields.iter().any(|(_, dynamic)| *dynamic);
            (sequence(fields.into_iter()), dynamic)
        }
        // The callers of `context` are among them.
        "address" => ([[0; 12].as_slice(), &[0xa0 + u8::try_from(variant % 4).unwrap_or(0); 20]].concat(), false),
        "bool" => (word((variant % 2) as u128).to_vec(), false),
        "string" | "bytes" => {
            let text = "The quick brown fox jumps over the lazy dog";
            let text = &text.as_bytes()[..[0, 5, 32, 43][variant % 4]];
            let padding = text.len().next_multiple_of(32) - text.len();
            ([&word(text.len() as u128), text, &[0; 32][..padding]].concat(), true)
        }
        _ if bits("bytes").is_some() => {
            let mut bytes = word(0);
            bytes[..bits("bytes").unwrap_or(0)].fill(u8::try_from(variant % 256).unwrap_or(0));
            (bytes.to_vec(), false)
        }
        _ => {
            let bits = bits("uint").or_else(|| bits("int")).expect("a type of the ABI");
            let mut number = word([0, 7, 100, 1_000][variant % 4]);
            if variant % 5 == 4 && ty.starts_with('u') {
                number[32 - bits / 8..].fill(0xff);
            }
            (number.to_vec(), false)
        }
    }
}

/// A contract whose call has this body, after these other fields.
fn contract(fields: &str, call: &str) -> Contract {
    let text = format!(
        "(module {} (memory (export \"memory\") 2) (func (export \"deploy\")) (func (export \"enigma_abi_1\"))
         {fields} (func (export \"call\") {call}) (func (export \"query\") {call}))",
        modules::import_text()
    );
    Contract::new(&prepare(&wat::parse_str(text).expect("the text is WebAssembly")).expect("it is a contract"))
}

/// A call and the same as a query end with this text, which is empty for a success.
#[track_caller]
fn check_with(gas: u64, fields: &str, call: &str, expected: &str) {
    for entry in [Entry::Call, Entry::Query] {
        let execution = run_short(&mut contract(fields, call), entry, "f()", b"arguments", 1, gas);
        let text = execution.outcome.err().map(|failure| failure.to_string()).unwrap_or_default();
        assert_eq!(text, expected, "{call}");
    }
}

#[track_caller]
fn check(fields: &str, call: &str, expected: &str) {
    check_with(ENOUGH, fields, call, expected);
}

#[test]
fn traps() {
    check("", "", "");
    check("", "unreachable", "the contract panicked without a message");
    check("", "(drop (i32.div_u (i32.const 1) (i32.const 0)))", "division by zero");
    check("", "(drop (i64.rem_s (i64.const 1) (i64.const 0)))", "division by zero");
    check("", "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow in a division");
    check("", "(drop (i32.rem_s (i32.const 0x80000000) (i32.const -1)))", "");
    let outside = "the contract accessed memory out of bounds";
    check("", "(drop (i32.load8_u (i32.const 131071)))", "");
    check("", "(drop (i32.load8_u (i32.const 131072)))", outside);
    check("", "(drop (i64.load (i32.const 131065)))", outside);
    check("", "(i32.store offset=0xffffffff (i32.const -1) (i32.const 1))", outside);
    check("", "(memory.copy (i32.const 131071) (i32.const 0) (i32.const 2))", outside);
    check("", "(memory.fill (i32.const 131072) (i32.const 0) (i32.const 0))", "");
    check("", "(memory.fill (i32.const 131073) (i32.const 0) (i32.const 0))", outside);
    check("(data $d \"abc\")", "(memory.init $d (i32.const 0) (i32.const 1) (i32.const 3))", outside);
    check("(data $d \"abc\")", "(data.drop $d) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))", outside);
    let indirect = "(table 3 funcref) (func $f) (elem (i32.const 0) $f)";
    let no_function = "the contract called a function pointer that does not exist or has another type";
    check(indirect, "(call_indirect (i32.const 0))", "");
    for wrong in ["(call_indirect (i32.const 1))", "(call_indirect (i32.const 3))", "(call_indirect (i32.const -1))"] {
        check(indirect, wrong, no_function);
    }
    check(indirect, "(drop (call_indirect (result i32) (i32.const 0)))", no_function);
    let does_not_fit = "the contract's data does not fit its memory or table";
    check("(data (i32.const 131071) \"a\")", "", "");
    check("(data (i32.const 131072) \"a\")", "", does_not_fit);
    check("(data (i32.const -1) \"\")", "", does_not_fit);
    check("(table 1 funcref) (func $f) (elem (i32.const 1) $f)", "", does_not_fit);
}

#[test]
fn stack_and_memory() {
    let text = "the call stack is exhausted: recursion is too deep";
    check("(func $f (call $f))", "(call $f)", text);
    check("(table 1 funcref) (func $f (call_indirect (i32.const 0))) (elem (i32.const 0) $f)", "(call $f)", text);
    for locals in [1, 10, 100, 2_000] {
        check(&format!("(func $f (local {}) (call $f))", "i64 ".repeat(locals)), "(call $f)", text);
    }
    for operands in [10, 1_000, 5_000] {
        let (first, last) = ("(i32.const 1) (i32.load8_u)".repeat(operands), "i32.add ".repeat(operands));
        check(&format!("(func $f (result i32) {first} (call $f) {last})"), "(drop (call $f))", text);
    }
    let counted = "(func $f (param i32) (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))";
    check(counted, "(call $f (i32.const 10000))", "");
    check(counted, "(call $f (i32.const 20000))", text);
    // The deepest stack, with the largest frame that is not counted on top.
    let largest = format!(
        "(func $leaf (param {}) (local {})) (func $f (param i32) (call $leaf {}) (call $f (local.get 0)))",
        "i64 ".repeat(32),
        "i64 ".repeat(2_048),
        "(i64.const 1)".repeat(32)
    );
    check(&largest, "(call $f (i32.const 0))", text);

    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    check("", grow, "");
    check("", "(drop (memory.grow (i32.const 1022))) (i64.store (i32.const 0x3fffff8) (i64.const 1))", "");
    check("", "(drop (memory.grow (i32.const 1023)))", "");
    for endless in [
        "(loop $l (br $l))",
        "(loop $l (drop (call $fn_len)) (br $l))",
        "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $l))",
    ] {
        check_with(500_000, "", endless, "out of gas: the limit was 500000");
    }
}

/// Bytes from a number, always the same (SplitMix64).
fn seed(number: u64) -> Vec<u8> {
    let mut state = number;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..SEED_BYTES / 8).flat_map(|_| next().to_le_bytes()).collect()
}

/// Runs the first modules that are accepted, from fixed seeds; how many were made for that.
fn made_up(make: fn(&mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>>) {
    let (mut accepted, mut failed, mut numbers) = (0, std::collections::BTreeMap::<String, u32>::new(), 0..);
    while accepted < MODULES {
        let number = numbers.next().expect("numbers do not end");
        let bytes = seed(number);
        let Ok(module) = make(&mut Unstructured::new(&bytes)) else { continue };
        let Ok(exe_code) = prepare(&module) else { continue };
        accepted += 1;
        let mut contract = Contract::new(&exe_code);
        for (call, entry) in [Entry::Deploy, Entry::Call, Entry::Query].into_iter().enumerate() {
            for (limit, rich) in [(200_000, true), (20_000, false), (3_000, true)] {
                let execution = contract.run(entry, "f(uint256)", b"arguments", &context(call, limit, rich));
                let kind = execution.outcome.err().map_or_else(String::new, |failure| failure.to_string());
                let kind: String = kind.chars().take_while(|letter| !letter.is_ascii_digit()).collect();
                *failed.entry(kind).or_default() += 1;
            }
        }
    }
    println!("{accepted} of {} modules are accepted; outcomes of calls: {failed:#?}", numbers.start);
    assert!(numbers.start < 3 * MODULES as u64, "hardly any module is accepted");
    assert!(failed.len() >= 4, "the modules do too little: {failed:?}");
}

#[test]
fn modules_of_wasm_smith() {
    made_up(modules::shaped);
}

#[test]
fn modules_that_use_the_imports() {
    made_up(modules::written);
}
