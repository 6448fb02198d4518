//! Calls of contracts on Ethereum.
//!
//! A task can make **one** call of one Ethereum contract, which happens when the task's receipt is accepted on Ethereum, after the
//! secret contract has ended: it has no result here. Target and data are public. The task must have bought gas for it
//! (`callGas`); without, the task fails.
//!
//! [`ethereum_contract!`](crate::ethereum_contract) makes typed calls out of the Ethereum contract's JSON ABI:
//!
//! ```
//! # use enigma_sdk::prelude::*;
//! enigma_sdk::ethereum_contract!(
//!     /// Keeps the results of polls.
//!     pub Polls,
//!     r#"[{"type":"function","name":"recordTally","inputs":[{"name":"percent","type":"uint256"}],"outputs":[]}]"#
//! );
//!
//! fn publish(polls: Address, percent: U256) {
//!     Polls::at(polls).record_tally(percent).send();
//! }
//! ```

use crate::{Address, host};
use alloc::vec::Vec;

/// A call of a contract on Ethereum that was not made yet: [`send`](EthereumCall::send) makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is called on Ethereum before `.send()`"]
pub struct EthereumCall {
    /// The contract that is called.
    pub target: Address,
    /// The selector of the function and its arguments.
    pub data: Vec<u8>,
}

impl EthereumCall {
    /// Makes this the task's call. A task makes at most one, and none if it fails afterwards.
    pub fn send(self) {
        host::ethereum_call(&self.target.0, &self.data);
    }
}

/// Pays out of what the contract holds on Ethereum, when the task's receipt is accepted there. A task pays out at most once, and
/// nothing if it fails afterwards. Recipient and amount are public.
pub fn pay_out(to: Address, amount: u128) {
    host::pay_out(&to.0, amount);
}
