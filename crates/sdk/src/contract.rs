//! Between the runtime and a contract's functions: what the macros' output is made of.

use crate::abi::ArgumentError;
use crate::describe::{Function, Signature};
use crate::failure::Text;
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

impl Failure {
    /// Its text, put together without formatting, which would be the largest part of a small contract.
    #[cold]
    pub(crate) fn write(&self, entry: Entry, signature: &[u8], out: &mut Text) {
        match self {
            Failure::NoFunction => {
                out.push(match entry {
                    Entry::Deploy => b"no constructor `",
                    Entry::Call => b"no function `",
                    Entry::Query => b"no query `",
                });
                out.push(signature);
                out.push(b"`");
            }
            Failure::Arguments(error) => {
                // Functions have at most 12 arguments.
                let number = error.index as u8 + 1;
                out.push(b"argument ");
                if number >= 10 {
                    out.push(b"1");
                }
                out.push(&[b'0' + number % 10]);
                out.push(b" (");
                out.push(argument_type(signature, error.index));
                out.push(b"): ");
                out.push(error.reason.text().as_bytes());
            }
            Failure::Text(text) | Failure::Error { text, .. } => out.push(text.as_bytes()),
        }
    }
}

/// The type of an argument, from the text of the function's signature.
fn argument_type(signature: &[u8], index: usize) -> &[u8] {
    let (mut depth, mut argument, mut start) = (0u32, 0, 0);
    for (i, byte) in signature.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (byte, depth) {
            (b'(', 1) => start = i + 1,
            (b',', 1) | (b')', 0) if argument == index => return signature.get(start..i).unwrap_or_default(),
            (b',', 1) => (argument, start) = (argument + 1, i + 1),
            _ => {}
        }
    }
    b""
}

/// Ends the call if it came with value, which the function does not take.
pub fn refuse_value() {
    if host::value() != 0 {
        host::fail(b"this function takes no value: call it with a value of 0");
    }
}

/// Serves one call from the runtime.
#[cfg(target_arch = "wasm32")]
pub fn serve<C: Contract>(entry: Entry) {
    let signature = host::function();
    let arguments = host::arguments();
    match C::dispatch(entry, &signature, &arguments) {
        Ok(output) => host::output(&output),
        Err(Failure::Text(text)) => host::fail(text.as_bytes()),
        // A custom error ended the call where it was returned.
        Err(Failure::Error { .. }) => {}
        Err(failure) => {
            let mut text = Text::new();
            failure.write(entry, &signature, &mut text);
            host::fail(text.written())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_in_a_signature() {
        let signature = b"f(uint8,(bool,bytes)[2],string[])";
        for (index, ty) in ["uint8", "(bool,bytes)[2]", "string[]", ""].into_iter().enumerate() {
            assert_eq!(argument_type(signature, index), ty.as_bytes());
        }
        assert_eq!(argument_type(b"f()", 1), b"");
    }
}
