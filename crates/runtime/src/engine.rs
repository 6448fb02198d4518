//! What another engine needs to run exeCode with the very same imports, metering and results.
//!
//! [`Program::execute`](crate::Program::execute) runs calls on one engine. Tests that compare it with another one:
//! 1. [`Host::begin`] with a loaded [`Program`](crate::Program), which checks the call and says how much gas there is to spend;
//! 2. instantiate the exeCode with a function for each of [`Import::ALL`] in module [`MODULE`]: all parameters are `i32`, the
//!    result is [`Import::returns`]. It calls [`Host::call`] with the arguments as `u32`, the memory exported as [`MEMORY`], and
//!    the value of the global [`gas_export`], which it sets to what the host left there; an error ends the call;
//! 3. set the gas global, and call [`Entry::export`](crate::Entry::export);
//! 4. [`Host::finish`] with what came of it and the values of the globals [`gas_export`] and [`stack_export`]. An instance that
//!    cannot be set up because a segment does not fit is [`Failure::BadSegment`](crate::Failure::BadSegment) with the gas of
//!    [`Host::begin`]; traps are the variants of [`Failure`](crate::Failure) that name them.
//!
//! The engine must run WebAssembly 1.0 with multi-value, sign extension and bulk memory, and have a stack for 131,072 units.

pub use crate::{
    host::Host,
    imports::{Import, MODULE, Returns},
    validate::MEMORY,
};

use crate::RUNTIME_VERSION;
use alloc::{format, string::String};

/// Name under which exeCode exports the global that holds the gas left, a mutable `i64`.
#[must_use]
pub fn gas_export() -> String {
    format!("enigma.gas.{RUNTIME_VERSION}")
}

/// Name under which exeCode exports the global that holds the stack left, a mutable `i64`.
#[must_use]
pub fn stack_export() -> String {
    format!("enigma.stack.{RUNTIME_VERSION}")
}
