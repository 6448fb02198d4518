//! Between the runtime and a contract's functions: what the macros' output is made of.

use crate::abi::ArgumentError;
use crate::describe::{Function, Signature};
use crate::host;
use alloc::string::String;
use alloc::vec::Vec;

/// Why the contract runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is being deployed: only the constructor can be called.
    Deploy,
    /// A task calls one of its functions.
    Call,
    /// A query calls one of its functions, which can change nothing.
    Query,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The contract has no function with this signature.
    NoFunction,
    /// The arguments are not those of the signature.
    Arguments(ArgumentError),
    /// The function returned a text as its error.
    Text(String),
    /// The function returned a custom error.
    Error {
        /// Selector and fields, as Solidity encodes them.
        data: Vec<u8>,
        /// The same in words.
        text: String,
    },
}

impl From<ArgumentError> for Failure {
    fn from(error: ArgumentError) -> Self {
        Failure::Arguments(error)
    }
}

/// What `#[enigma_sdk::contract]` implements.
pub trait Contract: Default {
    /// All functions, the constructor first.
    const FUNCTIONS: &'static [Function];

    /// The events that it emits.
    const EVENTS: &'static [Signature];

    /// The interface as Solidity's JSON ABI; the compiled contract carries it in its custom section `enigma_abi`.
    const ABI_JSON: &'static str;

    /// Runs the function with this Solidity signature and returns its encoded results.
    ///
    /// # Errors
    /// If there is no such function, its arguments cannot be decoded, or it returned an error.
    fn dispatch(entry: Entry, signature: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Failure>;
}

/// The text for a signature that the contract does not have.
pub(crate) fn no_function(entry: Entry, signature: &[u8]) -> Vec<u8> {
    let text: &[u8] = match entry {
        Entry::Deploy => b"no constructor `",
        Entry::Call => b"no function `",
        Entry::Query => b"no query `",
    };
    [text, signature, b"`"].concat()
}

/// Ends the call if it came with value, which the function does not take.
pub fn refuse_value() {
    if host::value() != 0 {
        crate::failure::fail(format_args!("this function takes no value: call it with a value of 0"));
    }
}

/// Serves one call from the runtime.
#[cfg(target_arch = "wasm32")]
pub fn serve<C: Contract>(entry: Entry) {
    let signature = host::function();
    let arguments = host::arguments();
    match C::dispatch(entry, &signature, &arguments) {
        Ok(output) => host::output(&output),
        Err(Failure::NoFunction) => host::fail(&no_function(entry, &signature)),
        Err(Failure::Arguments(error)) => crate::failure::fail(format_args!("{error}")),
        Err(Failure::Text(text)) => host::fail(text.as_bytes()),
        // A custom error ended the call where it was returned.
        Err(Failure::Error { .. }) => {}
    }
}
