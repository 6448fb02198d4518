//! State deltas, snapshots and the hash chain that Ethereum keeps the tip of.
//!
//! A delta, and each part of a snapshot, travels and is stored as an *entry*: a header in the clear, then the ciphertext. Any
//! node checks a whole chain of entries against one tip, without keys.
//!
//! Deliberately absent: encryption and what the plaintext of a snapshot looks like, which are the enclave's.

use crate::{
    hash::Preimage,
    padding::SMALLEST_CLASS_BYTES,
    primitives::{Hash, ScAddress, TaskId},
};
use alloc::{collections::BTreeMap, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};

/// Plaintext of one part of a snapshot; only the last part may have less. An entry of it fits every message several times.
pub const SNAPSHOT_PART_BYTES: usize = 1 << 20;
/// Most parts of a snapshot: the largest state of a contract has 64 MiB.
pub const MAX_SNAPSHOT_PARTS: u32 = 64;
/// Bytes of entries behind the newest snapshot from which on there may be another one, however small the state is.
pub const SNAPSHOT_EVERY_BYTES: u64 = 256 << 10;
/// Largest entry: a delta of the most changes that one call can make, padded.
pub const MAX_ENTRY_BYTES: usize = 5 << 18;

/// What an entry of the state chain holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum EntryKind {
    /// The keys that one task set and removed.
    Delta = 1,
    /// A part of the whole state.
    Snapshot(SnapshotPart) = 2,
}

/// Which part of a snapshot an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SnapshotPart {
    /// Counted from 0.
    pub part: u32,
    /// How many there are.
    pub parts: u32,
}

impl EntryKind {
    /// The number on the wire and in the tip.
    pub fn number(self) -> u8 {
        match self {
            Self::Delta => 1,
            Self::Snapshot(_) => 2,
        }
    }

    fn is_valid(self) -> bool {
        match self {
            Self::Delta => true,
            Self::Snapshot(SnapshotPart { part, parts }) => part < parts && parts <= MAX_SNAPSHOT_PARTS,
        }
    }
}

/// Whether a snapshot stands behind a delta: `entry_bytes` are the bytes of all deltas since the newest snapshot with this one,
/// `snapshot_bytes` the plaintext that a snapshot would have now. So all snapshots together are not larger than all deltas.
pub fn snapshot_due(entry_bytes: u64, snapshot_bytes: usize) -> bool {
    entry_bytes >= SNAPSHOT_EVERY_BYTES.max(snapshot_bytes.max(SMALLEST_CLASS_BYTES) as u64)
}

/// The public part of an entry; all of it is authenticated by the encryption and by the tip.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EntryHeader {
    /// Delta, or part of a snapshot.
    pub kind: EntryKind,
    /// The contract.
    pub sc: ScAddress,
    /// Generation of the state key that encrypts it.
    pub generation: u32,
    /// The task that caused it.
    pub task_id: TaskId,
    /// Number of the delta, from 0; of a snapshot the number of the delta behind which it stands.
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
    /// The padded delta, or the part of a padded state, encrypted.
    pub ciphertext: Vec<u8>,
}

impl StateEntry {
    /// The canonical bytes that nodes keep and exchange.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to memory cannot fail.
        borsh::to_vec(self).unwrap_or_default()
    }

    /// Parses an entry of at most [`MAX_ENTRY_BYTES`]; only the canonical form is accepted.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return None;
        }
        borsh::from_slice(bytes).ok().filter(|entry: &Self| entry.header.kind.is_valid())
    }

    /// The tip of the chain after this entry.
    pub fn tip(&self) -> Hash {
        self.header.tip(&self.to_bytes())
    }
}

impl EntryHeader {
    /// The tip of the chain after the entry with this header, whose bytes are at hand.
    pub fn tip(&self, entry: &[u8]) -> Hash {
        Preimage::new("enigma/tip/1").hash(self.previous_tip).u64(self.kind.number().into()).bytes(entry).finish()
    }
}

/// The tip of a contract that has no delta yet.
pub fn genesis_tip(sc: ScAddress, exe_code_hash: Hash) -> Hash {
    Preimage::new("enigma/genesis/1").contract(sc).hash(exe_code_hash).finish()
}

/// The plaintext of a delta: set keys with their values, removed keys with `None`. Ordered, hence canonical.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateChanges(pub BTreeMap<Vec<u8>, Option<Vec<u8>>>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = StateEntry> {
        let part = (1..=MAX_SNAPSHOT_PARTS).prop_flat_map(|parts| (0..parts, Just(parts)));
        let part = part.prop_map(|(part, parts)| EntryKind::Snapshot(SnapshotPart { part, parts }));
        let kind = prop_oneof![Just(EntryKind::Delta), part];
        let header = (kind, any::<[u8; 32]>(), any::<u32>(), any::<[u8; 32]>(), any::<u64>(), any::<[u8; 32]>());
        let rest = (any::<[u8; 12]>(), proptest::collection::vec(any::<u8>(), 0..200));
        (header, rest).prop_map(|((kind, sc, generation, task, index, tip), (nonce, ciphertext))| {
            let (sc, task_id, previous_tip) = (ScAddress(sc), TaskId(task), Hash(tip));
            let header = EntryHeader { kind, sc, generation, task_id, index, previous_tip };
            StateEntry { header, nonce, ciphertext }
        })
    }

    proptest! {
        #[test]
        fn entries_round_trip(entry in entries()) {
            let bytes = entry.to_bytes();
            prop_assert_eq!(bytes[0], entry.header.kind.number());
            let header = borsh::to_vec(&entry.header).unwrap();
            prop_assert_eq!(&bytes[..header.len()], &header);
            prop_assert_eq!(header.len(), if entry.header.kind == EntryKind::Delta { 109 } else { 117 });
            prop_assert_eq!(StateEntry::from_bytes(&bytes), Some(entry));
        }

        #[test]
        fn only_the_canonical_form(entry in entries(), position: prop::sample::Index, change in 1..=255u8) {
            let mut bytes = entry.to_bytes();
            let position = position.index(bytes.len());
            prop_assert_eq!(StateEntry::from_bytes(&bytes[..position]), None);
            bytes[position] ^= change;
            if let Some(other) = StateEntry::from_bytes(&bytes) {
                prop_assert_eq!(other.to_bytes(), bytes);
                prop_assert_ne!(other.tip(), entry.tip());
            }
        }

        #[test]
        fn anything_else_is_refused_or_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(entry) = StateEntry::from_bytes(&bytes) {
                prop_assert_eq!(entry.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn parts_and_sizes_are_bounded() {
        let entry = |kind, bytes: usize| {
            let header = EntryHeader {
                kind,
                sc: ScAddress([1; 32]),
                generation: 0,
                task_id: TaskId([2; 32]),
                index: 3,
                previous_tip: Hash([4; 32]),
            };
            StateEntry { header, nonce: [5; 12], ciphertext: std::vec![6; bytes] }
        };
        let accepted = |entry: StateEntry| StateEntry::from_bytes(&entry.to_bytes()).is_some();
        let part = |part, parts| EntryKind::Snapshot(SnapshotPart { part, parts });
        for (kind, expected) in [
            (part(0, 1), true),
            (part(63, 64), true),
            (part(0, 0), false),
            (part(1, 1), false),
            (part(0, 65), false),
            (part(u32::MAX, u32::MAX), false),
        ] {
            assert_eq!(accepted(entry(kind, 9)), expected, "{kind:?}");
        }
        let around = 109 + 12 + 4;
        assert!(accepted(entry(EntryKind::Delta, MAX_ENTRY_BYTES - around)));
        assert!(!accepted(entry(EntryKind::Delta, MAX_ENTRY_BYTES - around + 1)));
        assert!(accepted(entry(part(0, 1), SNAPSHOT_PART_BYTES + 16)));
        // A length that promises more than there is.
        let mut bytes = entry(EntryKind::Delta, 0).to_bytes();
        bytes[121..].fill(0xff);
        assert_eq!(StateEntry::from_bytes(&bytes), None);
    }

    #[test]
    fn a_delta_has_one_encoding() {
        // The removal of keys of one byte.
        let decoded = |keys: &[u8]| {
            let mut bytes = std::vec![keys.len() as u8, 0, 0, 0];
            keys.iter().for_each(|key| bytes.extend([1, 0, 0, 0, *key, 0]));
            borsh::from_slice::<StateChanges>(&bytes).ok().map(|changes| changes.0.len())
        };
        assert_eq!(decoded(&[1, 2]), Some(2));
        assert_eq!([decoded(&[2, 1]), decoded(&[1, 1])], [None, None]);
    }

    #[test]
    fn a_snapshot_comes_when_the_deltas_weigh_as_much() {
        for (entries, state, expected) in [
            (SNAPSHOT_EVERY_BYTES - 1, 512, false),
            (SNAPSHOT_EVERY_BYTES, 512, true),
            (SNAPSHOT_EVERY_BYTES, 256 << 10, true),
            (SNAPSHOT_EVERY_BYTES, (256 << 10) + 1, false),
            (1 << 20, 1 << 20, true),
        ] {
            assert_eq!(snapshot_due(entries, state), expected, "{entries} {state}");
        }
    }
}
