//! The runtime from outside: contracts as text, run as a node's enclave runs them.

mod behaviour;
mod effects;
mod equivalence;
mod failures;
mod hostile;
mod metering;
mod properties;
mod refusals;

use enigma_runtime::{Changes, Context, Entry, Execution, Program, State, prepare};

/// Every import, under short names.
pub const IMPORTS: &str = r#"
  (import "enigma" "fn_len" (func $fn_len (result i32)))
  (import "enigma" "fn_read" (func $fn_read (param i32)))
  (import "enigma" "args_len" (func $args_len (result i32)))
  (import "enigma" "args_read" (func $args_read (param i32)))
  (import "enigma" "output" (func $output (param i32 i32)))
  (import "enigma" "fail" (func $fail (param i32 i32)))
  (import "enigma" "state_get" (func $state_get (param i32 i32) (result i32)))
  (import "enigma" "register_read" (func $register_read (param i32)))
  (import "enigma" "state_set" (func $state_set (param i32 i32 i32 i32)))
  (import "enigma" "state_remove" (func $state_remove (param i32 i32)))
  (import "enigma" "caller" (func $caller (param i32)))
  (import "enigma" "contract" (func $contract (param i32)))
  (import "enigma" "task_id" (func $task_id (param i32)))
  (import "enigma" "value" (func $value (param i32)))
  (import "enigma" "block_number" (func $block_number (result i64)))
  (import "enigma" "block_timestamp" (func $block_timestamp (result i64)))
  (import "enigma" "random" (func $random (param i32 i32)))
  (import "enigma" "keccak256" (func $keccak256 (param i32 i32 i32)))
  (import "enigma" "gas_left" (func $gas_left (result i64)))
  (import "enigma" "fail_with" (func $fail_with (param i32 i32 i32 i32)))
  (import "enigma" "event" (func $event (param i32 i32 i32 i32)))
  (import "enigma" "ethereum_call" (func $ethereum_call (param i32 i32 i32)))
  (import "enigma" "pay_out" (func $pay_out (param i32 i32)))
  (import "enigma" "recover" (func $recover (param i32 i32 i32) (result i32)))
  (import "enigma" "sha256" (func $sha256 (param i32 i32 i32)))
  (import "enigma" "encrypt" (func $encrypt (param i32 i32 i32 i32 i32 i32 i32)))
  (import "enigma" "decrypt" (func $decrypt (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "enigma" "debug" (func $debug (param i32 i32)))
"#;

/// What every contract must export, with empty bodies.
pub const EXPORTS: &str = r#"
  (func (export "deploy")) (func (export "enigma_abi_1"))
"#;

/// A contract whose `call` has this body, after these other fields.
pub fn contract(fields: &str, call: &str) -> Vec<u8> {
    module(&format!("{IMPORTS} (memory (export \"memory\") 1) {EXPORTS} {fields} (func (export \"call\") {call})"))
}

/// A module with these fields.
pub fn module(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {fields})")).expect("a test's text is WebAssembly")
}

/// A context with this gas limit.
pub fn context(gas_limit: u64) -> Context {
    Context {
        contract: [1; 32],
        task_id: [2; 32],
        caller: [3; 20],
        value: 0x0102_0304,
        block_number: 77,
        block_timestamp: 1_700_000_000,
        random_seed: [9; 32],
        gas_limit,
        call_gas: 50_000,
        debug: false,
    }
}

/// Prepares and loads.
pub fn program(pre_code: &[u8]) -> Program {
    let exe_code = prepare(pre_code).expect("the contract is valid");
    Program::load(&exe_code).expect("prepared code loads")
}

/// Runs one call on a state.
pub fn run_on(pre_code: &[u8], gas_limit: u64, state: &State) -> Execution {
    program(pre_code).execute(Entry::Call, "f()", b"arguments", &context(gas_limit), state)
}

/// Runs one call on an empty state.
pub fn run(pre_code: &[u8], gas_limit: u64) -> Execution {
    run_on(pre_code, gas_limit, &State::new())
}

/// The text of a call's failure, after checking what holds for all failures.
pub fn failure(execution: &Execution, gas_limit: u64) -> String {
    assert!(execution.gas_used <= gas_limit, "{} of {gas_limit} gas", execution.gas_used);
    assert_eq!(execution.changes, Changes::new());
    assert!(execution.events.is_empty() && execution.ethereum_call.is_none() && execution.pay_out.is_none());
    let failure = execution.outcome.clone().expect_err("the call fails");
    assert!(failure.is_final(), "{failure}");
    failure.to_string()
}
