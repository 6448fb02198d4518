//! Types, encodings, hash preimages, signatures and messages of the Enigma protocol.
//!
//! Everything that two programs must agree on byte for byte lives here, once: the client seals with the same code that the
//! enclave opens with, and the hashes that Solidity recomputes come from the same [`hash::Preimage`]. The crate is `no_std`,
//! does no IO and holds no state; `spec/` describes the same rules in prose and `spec/vectors` pins them.
//!
//! | module | what it fixes |
//! |---|---|
//! | [`primitives`] | identifiers as types of their own |
//! | [`hash`] | `H(label, words…)`, the one shape of every hash preimage |
//! | [`signature`] | secp256k1 signatures and the registry of signing purposes |
//! | [`task`], [`record`], [`receipt`] | what a user asks for, what Ethereum records, what the enclave signs |
//! | [`sealing`], [`padding`] | how inputs and outputs are encrypted, and what their lengths tell |
//! | [`output`] | what an output holds |
//! | [`state`] | state deltas and the tip chain |
//! | [`selection`] | epochs and the worker tree |
//! | [`config`] | what evidence binds an enclave to |
//! | [`ipc`], [`rpc`] | JSON between node and core, and between client and node |
//!
//! Deliberately absent: networking, storage, randomness sources, the state keys and everything that only an enclave does.
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod config;
pub mod hash;
pub mod ipc;
pub mod json;
pub mod limits;
pub mod output;
pub mod padding;
pub mod primitives;
pub mod query;
pub mod receipt;
pub mod record;
pub mod rpc;
pub mod sealing;
pub mod selection;
pub mod signature;
pub mod state;
pub mod task;

pub use primitives::{Address, Domain, Hash, ScAddress, TaskId};
