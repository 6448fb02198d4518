//! Runs one call of a secret contract, always with the same result.
//!
//! A contract is a WebAssembly module. [`prepare`] turns the *preCode* that its author compiled into the *exeCode* that is
//! executed: it refuses what could behave differently on two machines or run without bound, and writes the metering of gas
//! and of the stack into the code itself. [`Program::load`] compiles exeCode, [`Program::execute`] runs one call on a state and
//! returns what it changed. The interface that contracts see (imports, limits, gas schedule) is `spec/runtime.md`.
//!
//! Invariants:
//! * The outcome, the gas and the effects of a call are functions of exeCode, entry, function, arguments, context and state.
//! * No input ends the process: bad code is an [`InvalidCode`], whatever goes wrong in a call is a [`Failure`].
//! * A call that fails has no effects, and a query never has any.
//!
//! Deliberately absent: any IO, clock or source of randomness; knowledge of the encryption of state and messages, of Ethereum or
//! the network; a choice of engine at run time ([`engine`] is for tests that compare another one); a check that exeCode really
//! came from [`prepare`] (whoever keeps exeCode authenticates it); erasing what a call leaves in freed memory, which the engine
//! copies when it grows.
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

extern crate alloc;

pub mod engine;
mod execute;
mod failure;
pub mod gas;
mod host;
mod imports;
mod instrument;
pub mod limits;
mod validate;

pub use enigma_protocol::output::Event;
pub use execute::{Changes, Context, Entry, EthereumCall, Execution, PayOut, Program, State};
pub use failure::Failure;
pub use host::HostCall;
pub use instrument::prepare;
pub use validate::InvalidCode;

/// Version of the contract interface, the instrumentation and the gas schedule together. It is part of exeCode (in the names
/// of the metering exports), so code that another version prepared is refused instead of being metered differently.
pub const RUNTIME_VERSION: u32 = 1;
