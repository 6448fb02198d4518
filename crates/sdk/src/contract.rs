//! Between the runtime and a contract's functions: what the macros' output is made of.

use crate::abi::{ArgumentError, Arguments};
use crate::describe::Function;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Why the contract runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is being deployed: only the constructor can be called.
    Deploy,
    /// A task calls one of its functions.
    Call,
}

/// What `#[enigma_sdk::contract]` implements.
pub trait Contract {
    /// All functions, the constructor first.
    const FUNCTIONS: &'static [Function];

    /// The interface as Solidity's JSON ABI; the compiled contract carries it in its custom section `enigma_abi`.
    const ABI_JSON: &'static str;

    /// Runs the function with this Solidity signature.
    ///
    /// # Errors
    /// The text that the caller reads.
    fn dispatch(entry: Entry, signature: &[u8], arguments: &[u8]) -> Result<Vec<u8>, String>;
}

/// Decodes a function's arguments for the macro.
///
/// # Errors
/// The text that the caller reads.
pub fn decode_arguments<T: Arguments>(arguments: &[u8]) -> Result<T, String> {
    crate::abi::decode(arguments).map_err(|error: ArgumentError| error.to_string())
}

/// The text for a signature that the contract does not have.
pub fn no_function(entry: Entry, signature: &[u8]) -> String {
    let signature = String::from_utf8_lossy(signature);
    match entry {
        Entry::Deploy => format!("no constructor `{signature}`"),
        Entry::Call => format!("no function `{signature}`"),
    }
}

/// Serves one call from the runtime.
#[cfg(target_arch = "wasm32")]
pub fn serve<C: Contract>(entry: Entry) {
    let signature = crate::host::function();
    let arguments = crate::host::arguments();
    match C::dispatch(entry, &signature, &arguments) {
        Ok(output) => crate::host::output(&output),
        Err(text) => crate::host::fail(&text),
    }
}
