//! Encodings in bytes: entries of the state chain, deltas, results, padding, and what is hashed or stored.
//!
//! They are canonical: what decodes is what its own value encodes to. Otherwise one value would have two hashes.

use borsh::{BorshDeserialize, BorshSerialize};
use enigma_protocol::{
    output::{Failure, Output},
    padding::{pad, unpad},
    query::SignedPermit,
    receipt::{Batch, Receipt},
    record::Record,
    state::{EntryHeader, StateChanges, StateEntry},
    task::TaskInput,
};

fn canonical<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) {
    if let Ok(value) = borsh::from_slice::<T>(bytes) {
        assert_eq!(borsh::to_vec(&value).expect("memory suffices"), bytes, "another encoding of the same value");
    }
}

/// Decodes the bytes as everything that they could be.
pub fn check(bytes: &[u8]) {
    canonical::<EntryHeader>(bytes);
    canonical::<StateChanges>(bytes);
    canonical::<Receipt>(bytes);
    canonical::<Batch>(bytes);
    canonical::<Record>(bytes);
    canonical::<TaskInput>(bytes);
    canonical::<SignedPermit>(bytes);
    canonical::<Output>(bytes);
    canonical::<Failure>(bytes);
    if let Some(entry) = StateEntry::from_bytes(bytes) {
        assert_eq!(entry.to_bytes(), bytes);
    }
    if let Ok(content) = unpad(bytes) {
        assert_eq!(pad(&content), bytes);
    }
}
