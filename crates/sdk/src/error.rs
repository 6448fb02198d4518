//! Errors of a contract's functions: texts, and Solidity's custom errors.

use crate::abi::{self, DecodeError, Decoder};
use crate::contract::Failure;
use crate::describe::Signature;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What a function's `Result` may have as its error.
#[diagnostic::on_unimplemented(
    message = "a contract's function cannot fail with `{Self}`",
    label = "not an error of a contract",
    note = "write `Result<T, String>`, `Result<T, &'static str>`, or `Result<T, MyError>` where `MyError` is an enum or struct with `#[enigma_sdk::error]`"
)]
pub trait Failing {
    /// The custom errors that this can be.
    const ERRORS: &'static [Signature];

    /// What the caller is told.
    fn into_failure(self) -> Failure;
}

impl Failing for String {
    const ERRORS: &'static [Signature] = &[];

    fn into_failure(self) -> Failure {
        Failure::Text(self)
    }
}

impl Failing for &str {
    const ERRORS: &'static [Signature] = &[];

    fn into_failure(self) -> Failure {
        Failure::Text(self.into())
    }
}

/// A custom error of Solidity, with a text for people: what `#[enigma_sdk::error]` implements.
///
/// The caller gets both: the text, and the selector with the ABI encoding of the fields, which Ethereum's libraries decode.
pub trait CustomError: fmt::Display + Sized {
    /// The custom errors that this can be: one for a struct, one for each variant of an enum.
    const ERRORS: &'static [Signature];

    /// The selector and the fields, as Solidity encodes them.
    fn encode(&self) -> Vec<u8>;

    /// Reads what [`encode`](CustomError::encode) wrote; `None` if it is another error.
    fn decode(data: &[u8]) -> Option<Self>;
}

impl<E: CustomError> Failing for E {
    const ERRORS: &'static [Signature] = E::ERRORS;

    #[cfg(target_arch = "wasm32")]
    fn into_failure(self) -> Failure {
        // Ends the call here, so that only contracts with custom errors carry the code for them.
        fail_with(&self)
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn into_failure(self) -> Failure {
        Failure::Error { data: self.encode(), text: alloc::format!("{self}") }
    }
}

/// Stops the call with a custom error, as returning it does. Prefer to return it: then the contract's ABI lists it.
pub fn fail_with(error: &impl CustomError) -> ! {
    crate::failure::fail_with(&error.encode(), format_args!("{error}"))
}

/// Reads an error's fields, for the macros' output.
#[doc(hidden)]
pub fn decode_error<T>(
    data: &[u8],
    selector: [u8; 4],
    fields: impl FnOnce(&mut Decoder<'_>) -> Result<T, DecodeError>,
) -> Option<T> {
    let encoded = data.strip_prefix(&selector)?;
    fields(&mut abi::Decoder::new(encoded)).ok()
}
