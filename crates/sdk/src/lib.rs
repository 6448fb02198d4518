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
//! | mark | called by | takes |
//! |---|---|---|
//! | `#[constructor]` | the deployment, once | `&mut self` |
//! | `#[call]` | tasks | `&mut self`, or `&self` if it only reads (the ABI calls it `view`) |
//! | `#[query]` | queries: at once, without a transaction, and without changing anything | `&self` |
//! | `#[call]` and `#[query]` | both | `&self` |
//! | none | the contract itself | anything |
//!
//! `#[call(payable)]` and `#[constructor(payable)]` take [`value`]; to all others it cannot be sent. [`ensure_caller!`] lets in the
//! owner, or whom you like.
//!
//! Functions are called by their Solidity signature, above `store(string,uint256)` and `reveal(string)`, and take and
//! return Solidity's ABI, so that any Ethereum library can call them:
//!
//! | Rust | Solidity |
//! |---|---|
//! | `bool`, `u8` … `u128`, `i8` … `i128` | `bool`, `uint8` … `uint128`, `int8` … `int128` |
//! | [`U256`], [`I256`], [`Uint<40>`](Uint), [`Int<24>`](Int), … | `uint256`, `int256`, `uint40`, `int24`, … |
//! | [`Address`], [`Bytes32`], [`FixedBytes<N>`](FixedBytes) | `address`, `bytes32`, `bytesN` |
//! | `String`, [`Bytes`] | `string`, `bytes` |
//! | `Vec<T>`, `[T; N]`, `(T, U)` | `T[]`, `T[N]`, `(T,U)` |
//! | a struct, an enum without fields, with [`#[enigma_sdk::data]`](data) | a tuple with named components, `uint8` |
//!
//! A function returns nothing, one of these types, or a `Result` of one. A tuple is returned as several results. The constructor is
//! called as `construct(…)`, whatever its name in Rust; without one, deploy with `construct()`.
//!
//! # Failures
//!
//! When a function returns an error, when [`ensure!`] does not hold, and when anything panics (an overflow, an index out
//! of bounds), the call stops, the state stays as it was before the call, and the caller reads the text.
//! **The caller reads the text**: put no secret of somebody else in it.
//!
//! An error is a `String`, a `&'static str`, or one of your own, which clients decode as a custom error of Solidity:
//!
//! ```
//! # use enigma_sdk::prelude::*;
//! #[enigma_sdk::error]
//! pub enum Refusal {
//!     #[error("you have {have}, not {wanted}")]
//!     TooLittle { have: U256, wanted: U256 },
//!     #[error("the sale is over")]
//!     Over,
//! }
//!
//! fn spend(have: U256, wanted: U256) -> Result<U256, Refusal> {
//!     ensure!(wanted <= have, Refusal::TooLittle { have, wanted });
//!     Ok(have - wanted)
//! }
//! # assert!(spend(U256::ONE, U256::ZERO).is_ok());
//! ```
//!
//! # State
//!
//! [`Value`], [`Map`] and [`List`] read and write what is used and nothing more. They nest: `Map<Address, Map<U256, bool>>`,
//! `Map<U256, List<Address>>`, and `Map<U256, Poll>` where `Poll` is a struct with [`#[enigma_sdk::state]`](state) of its own; `at` and
//! `at_mut` reach the inner field. How much a call reads and writes can be guessed from the gas that it used, and the size of what it
//! changed can be seen: where that tells a secret, do the same work in every case, and let
//! [`leak_check`](testing::Tested::leak_check) see to it.
//!
//! # Events
//!
//! What a call tells its caller besides the result. An event reaches the caller only, sealed with the result: it is no log of
//! Ethereum.
//!
//! ```
//! # use enigma_sdk::prelude::*;
//! # #[enigma_sdk::state] pub struct Token { balances: Map<Address, U256> }
//! #[enigma_sdk::event]
//! pub struct Minted {
//!     to: Address,
//!     amount: U256,
//! }
//!
//! #[enigma_sdk::contract(events(Minted))]
//! impl Token {
//!     #[call]
//!     pub fn mint(&mut self, to: Address, amount: U256) {
//!         self.balances.set(&to, amount);
//!         self.emit(Minted { to, amount });
//!     }
//! }
//! ```
//!
//! # Ethereum
//!
//! A task can make one call of a contract on Ethereum, whose ABI [`ethereum_contract!`] turns into typed functions, and one payment
//! out of what the contract holds there, [`pay_out`]. Both happen when the task's receipt is accepted on Ethereum, after the call
//! here has ended, and both are public. See [`ethereum`].
//!
//! **A contract cannot call another secret contract.** A task has one contract, one state and one key; if contracts called each
//! other, what they said would show in which of them did how much work. Where two must work together, go through Ethereum, in two
//! tasks: the first contract calls a contract on Ethereum, which keeps what it is told (or an account, which sees it in
//! the task's receipt); whoever wants the second one to know makes a task of it that carries this as an argument. Let the first one
//! sign or seal what it passes on with a [`crypto::Key`] that both were given when they were set up, and the second one
//! [`open`](crypto::open) it: then it believes the first contract and not the messenger.
//!
//! ```
//! # use enigma_sdk::prelude::*;
//! use enigma_sdk::crypto::{Key, open, seal};
//!
//! enigma_sdk::ethereum_contract!(
//!     Mailbox,
//!     r#"[{"type":"function","name":"put","inputs":[{"name":"message","type":"bytes"}],"outputs":[]}]"#
//! );
//! # #[enigma_sdk::state] pub struct Sender { key: Value<Key>, mailbox: Value<Address> }
//! # #[enigma_sdk::state] pub struct Receiver { key: Value<Key>, seen: Map<Bytes, bool>, total: Value<u64> }
//!
//! #[enigma_sdk::contract]
//! impl Sender {
//!     #[call]
//!     pub fn report(&mut self, amount: u64) -> Result<(), &'static str> {
//!         let key = self.key.get().ok_or("no key was set up")?;
//!         let message = seal(&key, b"report", &amount.to_be_bytes());
//!         Mailbox::at(self.mailbox.get_or_default()).put(message.into()).send();
//!         Ok(())
//!     }
//! }
//!
//! # mod receiver { use super::*;
//! #[enigma_sdk::contract]
//! impl Receiver {
//!     #[call]
//!     pub fn take(&mut self, message: Bytes) -> Result<u64, &'static str> {
//!         ensure!(!self.seen.contains(&message), "this message came before");
//!         let key = self.key.get().ok_or("no key was set up")?;
//!         let amount = open(&key, b"report", &message.0).ok_or("this is no message of the sender")?;
//!         self.seen.set(&message, true);
//!         Ok(u64::from_be_bytes(amount.try_into().map_err(|_| "this is no amount")?))
//!     }
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! # The world around
//!
//! [`caller`], [`value`], [`block_number`] and [`block_timestamp`] tell about the task, [`random`] gives random bytes that
//! nobody chose ([`random_below`] and [`shuffle`] draw with it), [`keccak256`] hashes. [`crypto`] encrypts what leaves the contract,
//! and recovers who signed something. [`debug!`] shows a text to the author during development.
//!
//! # Tests
//!
//! `cargo test` compiles the contract natively, with [`testing`] in the place of the runtime; with `#[enigma_sdk::test]`, the same
//! test also runs the compiled contract in the real runtime.
//!
//! # What the compiled contract contains
//!
//! The exports `deploy`, `call`, `query` (if anything answers queries) and the marker `enigma_abi_1`, imports from the module
//! `enigma` only, and the contract's interface as Solidity's JSON ABI in the custom section `enigma_abi` (also
//! [`Contract::ABI_JSON`]). What a contract does not use, it does not carry.
//!
//! What this library does not do: talk to the network, encrypt messages, or know where it runs. The runtime does that.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;
// So that the macros' paths also hold in this crate's own tests.
extern crate self as enigma_sdk;

pub mod abi;
mod contract;
pub mod crypto;
pub mod describe;
mod error;
pub mod ethereum;
mod event;
mod failure;
mod integers;
mod keccak;
mod storage;
mod types;
mod u256;

#[cfg(target_arch = "wasm32")]
mod heap;
#[cfg(target_arch = "wasm32")]
#[path = "imports.rs"]
mod host;
#[cfg(target_arch = "wasm32")]
mod panic;
#[cfg(not(target_arch = "wasm32"))]
use testing::host;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use contract::{Contract, Entry, Failure};
pub use enigma_sdk_macros::{contract, data, error, ethereum_contract, event, state, test};
pub use error::{CustomError, Failing, fail_with};
pub use ethereum::pay_out;
pub use event::{Emit, Emits, Event};
pub use integers::{I256, Int, Uint};
pub use storage::{Entry as MapEntry, EntryMut as MapEntryMut, Field, List, Map, Place, Stored, Value};
pub use types::{Address, Bytes, Bytes32, FixedBytes};
pub use u256::{NotANumber, TooLarge, U256};

pub use borsh;

/// What a contract needs: `use enigma_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Address, Bytes, Bytes32, Emit as _, FixedBytes, I256, Int, List, Map, U256, Uint, Value, block_number,
        block_timestamp, caller, debug, ensure, ensure_caller, keccak256, pay_out, random, random_below, shuffle,
        value,
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
    pub use crate::Callers;
    pub use crate::abi::{Sequence, encode};
    pub use crate::contract::refuse_value;
    #[cfg(target_arch = "wasm32")]
    pub use crate::contract::serve;
    pub use crate::error::decode_error;
    pub use crate::ethereum::EthereumCall;
    pub use crate::failure::{debug, fail};
    pub use alloc::string::String;
    pub use alloc::vec::Vec;
    pub use core::mem::ManuallyDrop;
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

/// Stops the call unless a condition holds: with a text for the caller, or with an error that the function returns.
///
/// ```should_panic
/// # use enigma_sdk::ensure;
/// let (balance, amount) = (5, 7);
/// ensure!(amount <= balance, "you have {balance}, not {amount}");
/// ```
///
/// ```
/// # use enigma_sdk::ensure;
/// # #[derive(Debug, PartialEq)] enum Refusal { TooMuch }
/// fn spend(balance: u64, amount: u64) -> Result<u64, Refusal> {
///     ensure!(amount <= balance, Refusal::TooMuch);
///     Ok(balance - amount)
/// }
/// assert_eq!(spend(5, 7), Err(Refusal::TooMuch));
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
    ($condition:expr, $error:expr $(,)?) => {
        if !$condition {
            return ::core::result::Result::Err(::core::convert::From::from($error));
        }
    };
}

/// Stops the call unless the caller is the given one, or one of them; a text or an error for the caller may follow, as in
/// [`ensure!`].
///
/// Takes an [`Address`], an array of them, or what a [`Value`] holds (`self.owner.get()`), which nobody is while it is not set.
///
/// ```
/// # use enigma_sdk::prelude::*;
/// # use enigma_sdk::testing;
/// # testing::set_caller(Address([1; 20]));
/// ensure_caller!(Address([1; 20]));
/// ensure_caller!([Address([1; 20]), Address([2; 20])], "this is between the two of them");
/// ```
#[macro_export]
macro_rules! ensure_caller {
    ($who:expr $(,)?) => {
        $crate::ensure_caller!($who, "the caller may not do this")
    };
    ($who:expr, $($otherwise:tt)+) => {
        $crate::ensure!($crate::macro_support::Callers::include(&$who, $crate::caller()), $($otherwise)+)
    };
}

/// Shows a text to the author of the contract: in tests, and on a network whose enclaves run under the development root. Elsewhere
/// nobody sees it, and it costs the same gas; a released contract had better not carry it.
///
/// ```
/// # use enigma_sdk::debug;
/// let balance = 5;
/// debug!("the balance is {balance}");
/// ```
#[macro_export]
macro_rules! debug {
    ($($text:tt)+) => {
        $crate::macro_support::debug(::core::format_args!($($text)+))
    };
}

/// The tests that need the real runtime, for the macros' output.
#[cfg(feature = "runtime")]
#[doc(hidden)]
#[macro_export]
macro_rules! if_runtime {
    ($($test:item)*) => { $($test)* };
}

/// The tests that need the real runtime, for the macros' output.
#[cfg(not(feature = "runtime"))]
#[doc(hidden)]
#[macro_export]
macro_rules! if_runtime {
    ($($test:item)*) => {
        ::core::compile_error!(
            "write `enigma-sdk = { version = \"0.1\", features = [\"runtime\"] }` under [dev-dependencies], so that the test can run in \
             the real runtime, or `#[enigma_sdk::test(native)]`"
        );
    };
}

/// Who may call: an address, an array of them, or one that may not be set.
#[diagnostic::on_unimplemented(
    message = "`{Self}` tells no callers",
    note = "write an `Address`, `[Address; N]` or `Option<Address>`, such as `self.owner.get()`"
)]
pub trait Callers {
    /// Whether this caller is among them.
    fn include(&self, caller: Address) -> bool;
}

impl Callers for Address {
    fn include(&self, caller: Address) -> bool {
        *self == caller
    }
}

impl Callers for Option<Address> {
    fn include(&self, caller: Address) -> bool {
        *self == Some(caller)
    }
}

impl<const N: usize> Callers for [Address; N] {
    fn include(&self, caller: Address) -> bool {
        self.contains(&caller)
    }
}

#[cfg(test)]
mod tests {
    // Not all: the macro `test` would stand in the way of Rust's own.
    use super::{keccak256, random, random_below, shuffle};

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
