//! A stand-in for the runtime, so that contracts can be tested natively with `cargo test`.
//!
//! State, caller and block belong to the thread, and Rust runs each test in a thread of its own, so every test begins
//! with an empty state. Call a contract's functions directly, or by signature as the runtime does:
//!
//! ```
//! use enigma_sdk::prelude::*;
//! use enigma_sdk::testing;
//!
//! #[enigma_sdk::state]
//! struct Counter {
//!     count: Value<u64>,
//! }
//!
//! #[enigma_sdk::contract]
//! impl Counter {
//!     #[call]
//!     fn add(&mut self, number: u64) -> u64 {
//!         let count = self.count.get_or_default() + number;
//!         self.count.set(count);
//!         count
//!     }
//! }
//!
//! let mut counter = Counter::default();
//! assert_eq!(counter.add(2), 2);
//! assert_eq!(testing::call::<Counter>("add(uint64)", (3u64,)), Ok(testing::encoded(5u64)));
//! assert_eq!(testing::call::<Counter>("sub(uint64)", (3u64,)), Err("no function `sub(uint64)`".into()));
//! ```

use crate::abi::{self, Abi};
use crate::contract::{Contract, Entry, Failure, no_function};
use crate::{Address, Bytes32};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use sha3::{Digest, Keccak256};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

#[derive(Default)]
struct Runtime {
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    caller: [u8; 20],
    contract: [u8; 32],
    task_id: [u8; 32],
    value: u128,
    block_number: u64,
    block_timestamp: u64,
    random_drawn: u64,
}

std::thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::default();
}

fn with<R>(f: impl FnOnce(&mut Runtime) -> R) -> R {
    RUNTIME.with(|runtime| f(&mut runtime.borrow_mut()))
}

/// Forgets the state and everything that was set here.
pub fn reset() {
    with(|runtime| *runtime = Runtime::default());
}

/// Sets who calls.
pub fn set_caller(caller: Address) {
    with(|runtime| runtime.caller = caller.0);
}

/// Sets the contract's identifier.
pub fn set_contract(contract: Bytes32) {
    with(|runtime| runtime.contract = contract.0);
}

/// Sets the task's identifier, which also changes the randomness.
pub fn set_task_id(task_id: Bytes32) {
    with(|runtime| runtime.task_id = task_id.0);
}

/// Sets the amount that comes with the call.
pub fn set_value(value: u128) {
    with(|runtime| runtime.value = value);
}

/// Sets the block of the record: its number, and its time in seconds since 1970.
pub fn set_block(number: u64, timestamp: u64) {
    with(|runtime| {
        runtime.block_number = number;
        runtime.block_timestamp = timestamp;
    });
}

/// Runs the constructor by its signature, `construct(…)`, as a deployment does. A failure leaves the state as it was.
///
/// # Errors
/// The text that the deployer would read.
pub fn deploy<C: Contract>(signature: &str, arguments: impl EncodeArguments) -> Result<Vec<u8>, String> {
    run::<C>(Entry::Deploy, signature, &arguments.encode_arguments())
}

/// Calls a function by its signature, as a task does. A failure leaves the state as it was.
///
/// # Errors
/// The text that the caller would read.
pub fn call<C: Contract>(signature: &str, arguments: impl EncodeArguments) -> Result<Vec<u8>, String> {
    run::<C>(Entry::Call, signature, &arguments.encode_arguments())
}

/// The Solidity encoding of a function's result, to compare with what [`call`] returns.
pub fn encoded<T: Abi>(result: T) -> Vec<u8> {
    abi::encode(&result)
}

/// Arguments for [`call`]: a tuple, or `()`.
pub trait EncodeArguments {
    /// The Solidity encoding.
    fn encode_arguments(&self) -> Vec<u8>;
}

impl EncodeArguments for () {
    fn encode_arguments(&self) -> Vec<u8> {
        Vec::new()
    }
}

impl<T: Abi> EncodeArguments for T {
    fn encode_arguments(&self) -> Vec<u8> {
        abi::encode(self)
    }
}

fn run<C: Contract>(entry: Entry, signature: &str, arguments: &[u8]) -> Result<Vec<u8>, String> {
    let before = with(|runtime| runtime.state.clone());
    let result = match catch_unwind(AssertUnwindSafe(|| C::dispatch(entry, signature.as_bytes(), arguments))) {
        Ok(result) => result.map_err(|failure| match failure {
            Failure::NoFunction => String::from_utf8_lossy(&no_function(entry, signature.as_bytes())).into_owned(),
            Failure::Arguments(error) => error.to_string(),
            Failure::Text(text) => text,
        }),
        Err(panic) => Err(match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => match panic.downcast::<&'static str>() {
                Ok(text) => String::from(*text),
                Err(panic) => resume_unwind(panic),
            },
        }),
    };
    if result.is_err() {
        with(|runtime| runtime.state = before);
    }
    result
}

// What `imports.rs` offers when compiled for the runtime.

pub(crate) fn fail(text: &[u8]) -> ! {
    panic!("{}", String::from_utf8_lossy(text))
}

pub(crate) fn state_get(key: &[u8]) -> Option<Vec<u8>> {
    with(|runtime| runtime.state.get(key).cloned())
}

pub(crate) fn state_contains(key: &[u8]) -> bool {
    with(|runtime| runtime.state.contains_key(key))
}

pub(crate) fn state_set(key: &[u8], value: &[u8]) {
    with(|runtime| runtime.state.insert(key.to_vec(), value.to_vec()));
}

pub(crate) fn state_remove(key: &[u8]) {
    with(|runtime| runtime.state.remove(key));
}

pub(crate) fn caller() -> [u8; 20] {
    with(|runtime| runtime.caller)
}

pub(crate) fn contract() -> [u8; 32] {
    with(|runtime| runtime.contract)
}

pub(crate) fn task_id() -> [u8; 32] {
    with(|runtime| runtime.task_id)
}

pub(crate) fn value() -> u128 {
    with(|runtime| runtime.value)
}

pub(crate) fn block_number() -> u64 {
    with(|runtime| runtime.block_number)
}

pub(crate) fn block_timestamp() -> u64 {
    with(|runtime| runtime.block_timestamp)
}

/// Predictable, so that tests are: a hash of the task and a counter.
pub(crate) fn random(out: &mut [u8]) {
    with(|runtime| {
        for chunk in out.chunks_mut(32) {
            runtime.random_drawn += 1;
            let hash = Keccak256::new()
                .chain_update(runtime.task_id)
                .chain_update(runtime.random_drawn.to_be_bytes())
                .finalize();
            chunk.copy_from_slice(&hash[..chunk.len()]);
        }
    });
}

pub(crate) fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// Nothing is metered natively.
pub(crate) fn gas_left() -> u64 {
    u64::MAX
}
