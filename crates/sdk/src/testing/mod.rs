//! Testing contracts: natively, and through the real runtime.
//!
//! # One test, two runs
//!
//! [`#[enigma_sdk::test]`](crate::test) makes two tests of one body. One calls the contract as it is compiled natively, which is
//! fast and shows in a debugger; the other compiles it to WebAssembly and runs it in the runtime that enclaves use, with the same
//! gas, limits and failures.
//!
//! ```
//! # use enigma_sdk::prelude::*;
//! # #[enigma_sdk::state]
//! # pub struct Counter { owner: Value<Address>, count: Value<u64> }
//! # #[enigma_sdk::contract]
//! # impl Counter {
//! #     #[constructor]
//! #     pub fn construct(&mut self) { self.owner.set(caller()); }
//! #     #[call]
//! #     pub fn add(&mut self, number: u64) -> u64 {
//! #         ensure!(number > 0, "nothing to add");
//! #         let count = self.count.get_or_default() + number;
//! #         self.count.set(count);
//! #         count
//! #     }
//! # }
//! use enigma_sdk::testing::{Task, Tested};
//! const ALICE: Address = Address([0xa1; 20]);
//! const BOB: Address = Address([0xb0; 20]);
//!
//! # /*
//! #[enigma_sdk::test]
//! # */
//! fn counts(counter: &mut Tested<Counter>) {
//!     counter.by(ALICE).construct().unwrap();
//!     assert_eq!(counter.by(ALICE).add(2), Ok(2));
//!     assert_eq!(counter.by(BOB).add(3), Ok(5));
//!     assert_eq!(counter.by(BOB).add(0), Err("nothing to add".into()));
//!     assert_eq!(counter.by(Task::by(BOB).value(1)).add(1).unwrap_err().text, "this function takes no value: call it with a value of 0");
//!     assert!(counter.last().gas_used < 20_000);
//! }
//! # counts(&mut Tested::native());
//! ```
//!
//! The run in the runtime needs the SDK's feature `runtime`, for tests only:
//!
//! ```toml
//! [dev-dependencies]
//! enigma-sdk = { version = "0.1", features = ["runtime"] }
//! ```
//!
//! `#[enigma_sdk::test(native)]` and `#[enigma_sdk::test(runtime)]` make one of the two. The names are `counts::native` and
//! `counts::runtime`, so `cargo test native` runs the fast ones.
//!
//! # What a secret shows
//!
//! [`Tested::leak_check`] runs the same calls with different secrets and fails where an observer could tell them apart.
//!
//! # Plain unit tests
//!
//! A contract's functions can also be called directly. State, caller and block then belong to the thread, and Rust runs each test
//! in a thread of its own, so every test begins with an empty state:
//!
//! ```
//! # use enigma_sdk::prelude::*;
//! # #[enigma_sdk::state]
//! # struct Counter { count: Value<u64> }
//! # #[enigma_sdk::contract]
//! # impl Counter {
//! #     #[call]
//! #     fn add(&mut self, number: u64) -> u64 {
//! #         let count = self.count.get_or_default() + number;
//! #         self.count.set(count);
//! #         count
//! #     }
//! # }
//! use enigma_sdk::testing;
//!
//! testing::set_caller(Address([1; 20]));
//! let mut counter = Counter::default();
//! assert_eq!(counter.add(2), 2);
//! assert_eq!(testing::call::<Counter>("add(uint64)", (3u64,)), Ok(testing::encoded(5u64)));
//! assert_eq!(testing::call::<Counter>("sub(uint64)", (3u64,)), Err("no function `sub(uint64)`".into()));
//! ```

mod failure;
#[cfg(feature = "runtime")]
mod gas;
pub(crate) mod host;
mod leak;
#[cfg(feature = "runtime")]
mod runtime;
mod tested;

pub use failure::Failure;
pub use tested::{EmittedEvent, Execution, Handle, HostCall, Package, PayOut, Task, Tested, Typed};

use crate::abi::{self, Abi};
use crate::contract::{Contract, Entry};
use crate::{Address, Bytes32};
use alloc::string::String;
use alloc::vec::Vec;
use host::{Runtime, with};

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
    with(|runtime| {
        runtime.task_id = task_id.0;
        runtime.random_seed = task_id.0;
        runtime.random_drawn = 0;
    });
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
    tested::run_natively::<C>(entry, signature, arguments).map_err(|failure| failure.text)
}
