//! Write secret contracts: programs that Enigma runs on encrypted inputs and encrypted state.
//!
//! A contract is a struct of state and an `impl` block of functions. Here is a whole one, `src/lib.rs` of a crate:
//!
//! ```
//! #![no_std]
//! use enigma_sdk::prelude::*;
//!
//! /// What the contract remembers. Only the enclave that runs it can read this.
//! #[enigma_sdk::state]
//! pub struct Vault {
//!     owner: Value<Address>,
//!     secrets: Map<String, U256>,
//! }
//!
//! #[enigma_sdk::contract]
//! impl Vault {
//!     /// Runs once, when the contract is deployed.
//!     #[constructor]
//!     pub fn construct(&mut self, owner: Address) {
//!         self.owner.set(owner);
//!     }
//!
//!     /// Anybody can call this, and nobody else learns that they did, or with what.
//!     #[call]
//!     pub fn store(&mut self, name: String, secret: U256) {
//!         ensure!(!self.secrets.contains(&name), "`{name}` is taken");
//!         self.secrets.set(&name, secret);
//!     }
//!
//!     /// Only the caller can decrypt what a function returns.
//!     #[call]
//!     pub fn reveal(&self, name: String) -> Result<U256, String> {
//!         ensure!(Some(caller()) == self.owner.get(), "only the owner may read the vault");
//!         self.secrets.get(&name).ok_or_else(|| format!("there is no `{name}`"))
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! with a `Cargo.toml` of
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]   # the contract, and something native to test
//!
//! [dependencies]
//! enigma-sdk = "0.1"
//!
//! [profile.release]
//! opt-level = "z"
//! lto = true
//! codegen-units = 1
//! panic = "abort"
//! strip = true
//! overflow-checks = true            # a sum that is too large stops the call
//! ```
//!
//! and built by `cargo build --release --target wasm32-unknown-unknown`.
//!
//! # Functions
//!
//! Functions are called by their Solidity signature, here `store(string,uint256)` and `reveal(string)`, and take and
//! return Solidity's ABI, so that any Ethereum library can call them:
//!
//! | Rust | Solidity |
//! |---|---|
//! | `bool`, `u8` … `u128`, `i8` … `i128`, [`U256`] | `bool`, `uint8` … `uint128`, `int8` … `int128`, `uint256` |
//! | [`Address`], [`Bytes32`], [`FixedBytes<N>`](FixedBytes) | `address`, `bytes32`, `bytesN` |
//! | `String`, [`Bytes`] | `string`, `bytes` |
//! | `Vec<T>`, `[T; N]`, `(T, U)` | `T[]`, `T[N]`, `(T,U)` |
//!
//! A function takes `&self` if it only reads the state (the ABI calls it `view`) and `&mut self` if it changes it. It
//! returns nothing, one of the types above, or a `Result` of one with an error that can be displayed. A tuple is
//! returned as several results. The constructor is called as `construct(…)`, whatever its name in Rust; without
//! one, deploy with `construct()`.
//!
//! # Failures
//!
//! When a function returns an error, when [`ensure!`] does not hold, and when anything panics (an overflow, an index out
//! of bounds), the call stops, the state stays as it was before the call, and the caller reads the text.
//! **The caller reads the text**: put no secret of somebody else in it.
//!
//! # State
//!
//! [`Value`], [`Map`] and [`List`] read and write what is used and nothing more. How much a call reads and writes can be
//! guessed from the gas that it used, and the size of what it changed can be seen: where that tells a secret, do the
//! same work in every case.
//!
//! # The world around
//!
//! [`caller`], [`value`], [`block_number`] and [`block_timestamp`] tell about the task, [`random`] gives random bytes that
//! nobody chose ([`random_below`] and [`shuffle`] draw with it), [`keccak256`] hashes.
//!
//! # Tests
//!
//! `cargo test` compiles the contract natively, with [`testing`] in the place of the runtime.
//!
//! # What the compiled contract contains
//!
//! The exports `deploy`, `call` and the marker `enigma_abi_1`, imports from the module `enigma` only, and the contract's
//! interface as Solidity's JSON ABI in the custom section `enigma_abi` (also [`Contract::ABI_JSON`]).
//!
//! What this library does not do: talk to the network, encrypt messages, or know where it runs. The runtime does that.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;
// So that the macros' paths also hold in this crate's own tests.
extern crate self as enigma_sdk;

pub mod abi;
mod contract;
pub mod describe;
mod failure;
mod storage;
mod types;
mod u256;

#[cfg(target_arch = "wasm32")]
#[path = "imports.rs"]
mod host;
#[cfg(target_arch = "wasm32")]
mod panic;
#[cfg(not(target_arch = "wasm32"))]
use testing as host;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use contract::{Contract, Entry, Failure};
pub use enigma_sdk_macros::{contract, state};
pub use storage::{Field, List, Map, Stored, Value};
pub use types::{Address, Bytes, Bytes32, FixedBytes};
pub use u256::{NotANumber, TooLarge, U256};

pub use borsh;

/// What a contract needs: `use enigma_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Address, Bytes, Bytes32, FixedBytes, List, Map, U256, Value, block_number, block_timestamp, caller, ensure,
        keccak256, random, random_below, shuffle, value,
    };
    pub use alloc::borrow::ToOwned;
    pub use alloc::boxed::Box;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec::Vec;
    pub use alloc::{format, vec};
}

/// What the macros' output uses; not for contracts.
#[doc(hidden)]
pub mod macro_support {
    #[cfg(target_arch = "wasm32")]
    pub use crate::contract::serve;
    pub use crate::failure::fail;
    pub use alloc::vec::Vec;
}

/// Who signed the task on Ethereum.
pub fn caller() -> Address {
    Address(host::caller())
}

/// The identifier of this contract.
pub fn contract_id() -> Bytes32 {
    FixedBytes(host::contract())
}

/// The identifier of the task.
pub fn task_id() -> Bytes32 {
    FixedBytes(host::task_id())
}

/// The amount that comes with the task, in the smallest unit.
pub fn value() -> u128 {
    host::value()
}

/// The number of the Ethereum block that recorded the task.
pub fn block_number() -> u64 {
    host::block_number()
}

/// The time of the Ethereum block that recorded the task, in seconds since 1970.
pub fn block_timestamp() -> u64 {
    host::block_timestamp()
}

/// Random bytes that nobody could choose or foresee.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    host::random(&mut bytes);
    bytes
}

/// A random number from 0 to `bound` − 1, each equally likely.
///
/// # Panics
/// If `bound` is 0.
pub fn random_below(bound: u64) -> u64 {
    assert!(bound > 0, "there is no number below 0");
    // The largest range that `bound` divides; numbers beyond it would favour the small ones.
    let excess = (u64::MAX % bound + 1) % bound;
    loop {
        let number = u64::from_le_bytes(random());
        if number <= u64::MAX - excess {
            return number % bound;
        }
    }
}

/// Puts the items into a random order, each equally likely.
pub fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, random_below(last as u64 + 1) as usize);
    }
}

/// The Keccak-256 hash, as Solidity's `keccak256`.
pub fn keccak256(bytes: impl AsRef<[u8]>) -> Bytes32 {
    FixedBytes(host::keccak256(bytes.as_ref()))
}

/// How much gas the call has left.
pub fn gas_left() -> u64 {
    host::gas_left()
}

/// Stops the call: the state stays as it was, and the caller reads the text.
pub fn fail(text: &str) -> ! {
    host::fail(text.as_bytes())
}

/// Stops the call with a text for the caller unless a condition holds.
///
/// ```should_panic
/// # use enigma_sdk::ensure;
/// let (balance, amount) = (5, 7);
/// ensure!(amount <= balance, "you have {balance}, not {amount}");
/// ```
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $text:literal $(,)?) => {
        if !$condition {
            $crate::macro_support::fail(::core::format_args!($text))
        }
    };
    ($condition:expr, $text:literal, $($arguments:tt)+) => {
        if !$condition {
            $crate::macro_support::fail(::core::format_args!($text, $($arguments)+))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keccak256_of_nothing() {
        assert_eq!(format!("{}", keccak256([])), "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    }

    #[test]
    fn random_numbers() {
        assert_ne!(random::<40>(), random::<40>());
        assert_eq!(random_below(1), 0);
        let drawn = (0..200).map(|_| random_below(3)).collect::<alloc::collections::BTreeSet<_>>();
        assert_eq!(drawn, [0, 1, 2].into());
    }

    #[test]
    fn every_order_is_drawn() {
        let mut orders = alloc::collections::BTreeMap::new();
        for _ in 0..600 {
            let mut items = [1, 2, 3];
            shuffle(&mut items);
            *orders.entry(items).or_insert(0) += 1;
        }
        assert_eq!(orders.len(), 6);
        assert!(orders.values().all(|times| (60..140).contains(times)), "{orders:?}");
        shuffle::<u8>(&mut []);
    }
}
