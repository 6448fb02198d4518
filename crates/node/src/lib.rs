//! The mind of the untrusted node: a deterministic function of its saved values, the time and its inputs.
//!
//! Placeholder head.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod interface;
pub mod limits;
pub mod message;

pub use interface::{
    CallId, ClientId, Config, Event, Input, LedgerBlock, LedgerCall, LedgerCallError, LedgerEvent, Output, PeerId,
    RequestId, RestoreError, Role, Severity, Timestamp,
};

/// One node without its body.
pub struct Node {
    _config: Config,
}

impl Node {
    /// A node as it was when `saved` was written; with nothing saved, a new one.
    ///
    /// # Errors
    /// [`RestoreError`] when the values were not written by this version for this network.
    pub fn new(
        config: Config,
        _saved: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, RestoreError> {
        Ok(Self { _config: config })
    }

    /// The first block that the node has not followed yet; 0 for none.
    pub fn next_block(&self) -> u64 {
        0
    }

    /// Takes one input; what it leads to is fetched with [`Node::poll`].
    pub fn handle(&mut self, _now: Timestamp, _input: Input) {}

    /// The next output, in the order in which outputs must be performed.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }
}
