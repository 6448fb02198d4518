//! State deltas and the hash chain that Ethereum keeps the tip of.
//!
//! A delta travels and is stored as an *entry*: a header in the clear, then the ciphertext. Any node checks a whole chain of
//! entries against one tip, without keys.

use crate::{
    hash::Preimage,
    primitives::{Hash, ScAddress, TaskId},
};
use alloc::{collections::BTreeMap, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};

/// What an entry of the state chain holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum EntryKind {
    /// The keys that one task set and removed.
    Delta = 1,
    /// The whole state.
    Snapshot = 2,
}

/// The public part of an entry; all of it is authenticated by the encryption and by the tip.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EntryHeader {
    /// Delta or snapshot.
    pub kind: EntryKind,
    /// The contract.
    pub sc: ScAddress,
    /// Generation of the state key that encrypts it.
    pub generation: u32,
    /// The task that caused it.
    pub task_id: TaskId,
    /// Position in the chain, from 0.
    pub index: u64,
    /// The tip before it.
    pub previous_tip: Hash,
}

/// One link of a contract's state chain.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateEntry {
    /// What anybody may know.
    pub header: EntryHeader,
    /// AES-256-GCM-SIV nonce.
    pub nonce: [u8; 12],
    /// The padded delta, encrypted.
    pub ciphertext: Vec<u8>,
}

impl StateEntry {
    /// The canonical bytes that nodes keep and exchange.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to memory cannot fail.
        borsh::to_vec(self).unwrap_or_default()
    }

    /// Parses an entry; only the canonical form is accepted.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }

    /// The tip of the chain after this entry.
    pub fn tip(&self) -> Hash {
        Preimage::new("enigma/tip/1")
            .hash(self.header.previous_tip)
            .u64(self.header.kind as u64)
            .bytes(self.to_bytes())
            .finish()
    }
}

/// The tip of a contract that has no delta yet.
pub fn genesis_tip(sc: ScAddress, exe_code_hash: Hash) -> Hash {
    Preimage::new("enigma/genesis/1").contract(sc).hash(exe_code_hash).finish()
}

/// The plaintext of a delta: set keys with their values, removed keys with `None`. Ordered, hence canonical.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateChanges(pub BTreeMap<Vec<u8>, Option<Vec<u8>>>);
