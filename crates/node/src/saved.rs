//! What a node keeps on disk: keys and values, each value with a version in front.
//!
//! Nothing here is secret, and everything but the clients' inputs can be rebuilt from Ethereum, the core and other nodes.

use crate::interface::RestoreError;
use borsh::{BorshDeserialize, BorshSerialize};
use enigma_protocol::{
    Address, Hash, ScAddress, TaskId,
    record::Record,
    selection::{EpochParameters, WorkerStake},
};

/// The version of every value.
const VERSION: u8 = 1;

/// Names one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Key {
    /// [`enigma_protocol::Domain`] that everything else belongs to.
    Network,
    /// [`Cursor`].
    Cursor,
    /// [`Registered`] of a worker.
    Registered(Address),
    /// `Vec<WorkerStake>` after a block.
    Workers(u64),
    /// [`Epoch`].
    Epoch(u64),
    /// [`Recorded`] of a task.
    Record(TaskId),
    /// [`Closed`] of a task.
    Closed(TaskId),
    /// The `TaskInput` that matches the record.
    Input(TaskId),
    /// A `TaskInput` of a client that waits for its record, by its hash.
    Held(TaskId, Hash),
    /// [`crate::message::Outcome`] of a task.
    Outcome(TaskId),
    /// A contract with a deployment record; key managers only.
    Deployed(ScAddress),
}

impl Key {
    pub fn to_bytes(self) -> Vec<u8> {
        // Writing to memory cannot fail.
        borsh::to_vec(&self).unwrap_or_default()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RestoreError> {
        borsh::from_slice(bytes).map_err(|_| RestoreError::UnknownKey { key: hex::encode(bytes) })
    }
}

/// How far Ethereum was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Cursor {
    pub number: u64,
    pub hash: Hash,
}

/// A worker in the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Registered {
    pub stake: u128,
    pub logged_in: bool,
}

/// An epoch with the workers its root stands for; none when no set on Ethereum had that root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Epoch {
    pub parameters: EpochParameters,
    pub first_block: u64,
    pub workers: Vec<WorkerStake>,
}

/// A record with what was derived from the ledger when it was seen.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Recorded {
    pub record: Record,
    pub pre_code_hash: Hash,
    /// Ring entry of its transaction.
    pub entry: u64,
    /// The selected worker of its epoch.
    pub worker: Option<Address>,
}

/// How a record ended on Ethereum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Closed {
    /// Counts closed records; the lowest is forgotten first.
    pub sequence: u64,
    /// By a receipt; otherwise it expired.
    pub confirmed: bool,
}

pub(crate) fn encode(value: &impl BorshSerialize) -> Vec<u8> {
    // Writing to memory cannot fail.
    borsh::to_vec(&(VERSION, value)).unwrap_or_default()
}

pub(crate) fn decode<T: BorshDeserialize>(key: &Key, bytes: &[u8]) -> Result<T, RestoreError> {
    match borsh::from_slice(bytes) {
        Ok((VERSION, value)) => Ok(value),
        Ok((_, _)) | Err(_) => Err(RestoreError::Value { key: hex::encode(key.to_bytes()) }),
    }
}
