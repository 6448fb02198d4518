//! A failed call, as its caller sees it.

use crate::CustomError;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What the caller of a failed call reads: a text, and the encoding of a custom error if it was one.
///
/// Texts and custom errors turn into failures, to compare: `Err("no funds".into())`, `Err(TokenError::NoFunds.into())`.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// In words.
    pub text: String,
    /// Selector and fields of a custom error; empty without one.
    pub data: Vec<u8>,
}

impl Failure {
    /// The custom error, if it is one of these.
    pub fn decode<E: CustomError>(&self) -> Option<E> {
        E::decode(&self.data)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)?;
        if self.data.is_empty() { Ok(()) } else { write!(f, " ({})", crate::Bytes(self.data.clone())) }
    }
}

impl core::error::Error for Failure {}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Failure { text: text.into(), data: Vec::new() }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Failure { text, data: Vec::new() }
    }
}

impl<E: CustomError> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure { text: alloc::format!("{error}"), data: error.encode() }
    }
}
