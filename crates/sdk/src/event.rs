//! Events: what a call tells its caller besides its result.
//!
//! An event of a secret contract is sealed together with the result and reaches the caller only. It is no log of Ethereum: nobody
//! can filter for it, and nothing of it is public but the size class of everything that the caller gets.

use crate::abi::{DecodeError, Decoder};
use crate::describe::Signature;
use alloc::vec::Vec;

/// An event: what `#[enigma_sdk::event]` implements.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "write `#[enigma_sdk::event]` on the struct `{Self}`"
)]
pub trait Event: Sized {
    /// Its name and parameters.
    const SIGNATURE: Signature;

    /// The text of its signature, such as `Transfer(address,address,uint256)`.
    const TEXT: &'static str;

    /// Its parameters, as Solidity encodes a list of arguments.
    fn encode(&self) -> Vec<u8>;

    /// Reads what [`encode`](Event::encode) wrote.
    ///
    /// # Errors
    /// If the bytes are not the parameters of this event.
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError>;
}

/// That a contract lists an event: what `#[enigma_sdk::contract(events(…))]` implements.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not list this event",
    label = "this event is missing in the contract's ABI",
    note = "write its name into `#[enigma_sdk::contract(events(…))]` on the contract's `impl` block"
)]
pub trait Emits<E> {}

/// Emitting events: `self.emit(Transfer { … })` in a function that takes `&mut self`.
pub trait Emit {
    /// Tells the caller, and nobody else, of an event. A call that fails tells none.
    fn emit<E: Event>(&mut self, event: E)
    where
        Self: Emits<E>,
    {
        crate::host::event(E::TEXT.as_bytes(), &event.encode());
    }
}

impl<C: crate::Contract> Emit for C {}
