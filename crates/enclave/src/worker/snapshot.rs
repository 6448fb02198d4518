//! Snapshots: the whole state of a contract as entries of its chain, so that whoever loads or takes over a contract needs the
//! deltas behind the newest one only.
//!
//! The plaintext is the state's canonical encoding, padded as a whole to its public size class and cut into parts. It is made
//! and read part by part: neither side holds more than one part of it beside the state.
//!
//! Deliberately absent: when there is one ([`enigma_protocol::state::snapshot_due`]), and where its parts are kept.

use super::{
    contracts::SnapshotAt,
    state::{ContractState, StateCipher},
};
use crate::error::Refusal;
use enigma_protocol::{
    Hash, TaskId,
    padding::size_class,
    state::{EntryHeader, EntryKind, SNAPSHOT_PART_BYTES, SnapshotPart, StateChanges, StateEntry},
};
use enigma_runtime::{
    State,
    limits::{MAX_KEY_BYTES, MAX_VALUE_BYTES},
};
use std::iter;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a length or a count.
const LENGTH_BYTES: usize = 4;

/// A snapshot that was made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) at: SnapshotAt,
    /// The entries of its parts.
    pub(super) parts: Vec<Vec<u8>>,
    /// The tip behind the last of them.
    pub(super) tip: Hash,
}

/// The plaintext of a snapshot as it is cut into parts.
struct Parts<'a> {
    cipher: &'a StateCipher,
    header: EntryHeader,
    parts: u32,
    buffer: Zeroizing<Vec<u8>>,
    made: Vec<Vec<u8>>,
}

impl Parts<'_> {
    fn push(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let room = SNAPSHOT_PART_BYTES.saturating_sub(self.buffer.len()).min(bytes.len());
            let (now, later) = bytes.split_at_checked(room).ok_or(Refusal::Primitive)?;
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == SNAPSHOT_PART_BYTES {
                self.cut()?;
            }
        }
        Ok(())
    }

    fn push_text(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.push(&(bytes.len() as u32).to_le_bytes())?;
        self.push(bytes)
    }

    fn cut(&mut self) -> Result<(), Refusal> {
        let part = u32::try_from(self.made.len()).map_err(|_| Refusal::Primitive)?;
        self.header.kind = EntryKind::Snapshot(SnapshotPart { part, parts: self.parts });
        let link = self.cipher.seal(self.header.clone(), &self.buffer)?;
        self.header.previous_tip = link.tip;
        self.made.push(link.bytes);
        self.buffer.zeroize();
        Ok(())
    }
}

/// The snapshot behind the delta `index`, which makes `changes` to `state`.
pub(super) fn make(
    cipher: &StateCipher,
    (task_id, index, previous_tip): (TaskId, u64, Hash),
    state: &ContractState,
    changes: &StateChanges,
) -> Result<Snapshot, Refusal> {
    let size = state.size_after(changes);
    let (content, padded) = (size.encoded(), size_class(size.encoded()));
    let parts = u32::try_from(padded.div_ceil(SNAPSHOT_PART_BYTES)).map_err(|_| Refusal::Primitive)?;
    let mut writer = Parts {
        cipher,
        header: cipher.header(EntryKind::Delta, task_id, index, previous_tip),
        parts,
        buffer: Zeroizing::new(Vec::with_capacity(SNAPSHOT_PART_BYTES.min(padded))),
        made: Vec::new(),
    };
    writer.push(&(content as u32).to_be_bytes())?;
    writer.push(&(size.items as u32).to_le_bytes())?;
    for (key, value) in after(state.items(), changes) {
        writer.push_text(key)?;
        writer.push_text(value)?;
    }
    // At most a thirtieth of a large state.
    writer.push(&vec![0; padded.saturating_sub(content).saturating_sub(LENGTH_BYTES)])?;
    if !writer.buffer.is_empty() {
        writer.cut()?;
    }
    let at = SnapshotAt { index, parts, previous_tip };
    Ok(Snapshot { at, tip: writer.header.previous_tip, parts: writer.made })
}

/// Keys and values of `state` after `changes`, ascending.
fn after<'a>(state: &'a State, changes: &'a StateChanges) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let (mut old, mut new) = (state.iter().peekable(), changes.0.iter().peekable());
    iter::from_fn(move || {
        loop {
            let Some((changed, _)) = new.peek() else {
                return old.next().map(|(key, value)| (key.as_slice(), value.as_slice()));
            };
            if old.peek().is_some_and(|(key, _)| key < changed) {
                return old.next().map(|(key, value)| (key.as_slice(), value.as_slice()));
            }
            old.next_if(|(key, _)| key == changed);
            if let Some((key, Some(value))) = new.next() {
                return Some((key.as_slice(), value.as_slice()));
            }
        }
    })
}

/// Reads a snapshot part by part; returns the state and the tip behind it, or `None` when a part is not the one that belongs
/// here or does not open.
pub(super) fn restore(
    cipher: &StateCipher,
    at: SnapshotAt,
    mut part_bytes: impl FnMut(u32) -> Result<Vec<u8>, Refusal>,
) -> Result<Option<(ContractState, Hash)>, Refusal> {
    let mut decoder = Decoder::default();
    let mut tip = at.previous_tip;
    for part in 0..at.parts {
        let bytes = part_bytes(part)?;
        let Some((plaintext, after)) = open_part(cipher, at, part, tip, &bytes) else { return Ok(None) };
        let is_last = part.saturating_add(1) == at.parts;
        if (plaintext.len() < SNAPSHOT_PART_BYTES && !is_last) || decoder.feed(&plaintext).is_none() {
            return Ok(None);
        }
        tip = after;
    }
    Ok(decoder.finish().map(|state| (state, tip)))
}

fn open_part(
    cipher: &StateCipher,
    at: SnapshotAt,
    part: u32,
    tip: Hash,
    bytes: &[u8],
) -> Option<(Zeroizing<Vec<u8>>, Hash)> {
    let entry = StateEntry::from_bytes(bytes)?;
    let header = &entry.header;
    let kind = EntryKind::Snapshot(SnapshotPart { part, parts: at.parts });
    if *header != cipher.header(kind, header.task_id, at.index, tip) {
        return None;
    }
    let plaintext = cipher.plaintext(&entry)?;
    (plaintext.len() <= SNAPSHOT_PART_BYTES).then(|| (plaintext, header.tip(bytes)))
}

/// Takes a snapshot's plaintext apart as it comes.
#[derive(Default)]
struct Decoder {
    /// What came and is not understood yet: less than one item beside the newest part.
    buffer: Zeroizing<Vec<u8>>,
    received: usize,
    /// Bytes of content, and of these what is not read yet; items that are still to come.
    frame: Option<(usize, usize, u32)>,
    state: ContractState,
}

impl Decoder {
    fn feed(&mut self, plaintext: &[u8]) -> Option<()> {
        self.received = self.received.checked_add(plaintext.len())?;
        if self.buffer.capacity() == 0 {
            // Never grown again, so no copy of it stays behind.
            let longest = SNAPSHOT_PART_BYTES.checked_add(MAX_KEY_BYTES)?.checked_add(MAX_VALUE_BYTES)?;
            self.buffer.reserve_exact(longest.checked_add(4 * LENGTH_BYTES)?);
        }
        self.buffer.extend_from_slice(plaintext);
        let mut rest = self.buffer.as_slice();
        let (content, mut unread, mut items) = match self.frame {
            Some(frame) => frame,
            None => {
                let (length, behind) = rest.split_first_chunk()?;
                let (count, behind) = behind.split_first_chunk()?;
                rest = behind;
                let content = u32::from_be_bytes(*length) as usize;
                (content, content.checked_sub(LENGTH_BYTES)?, u32::from_le_bytes(*count))
            }
        };
        while items > 0 {
            let Some((key, value, behind)) = item(rest)? else { break };
            if self.state.items().last_key_value().is_some_and(|(last, _)| last.as_slice() >= key) {
                return None;
            }
            unread = unread.checked_sub(rest.len().checked_sub(behind.len())?)?;
            items = items.checked_sub(1)?;
            self.state.insert(key.to_vec(), value.to_vec());
            rest = behind;
        }
        if items == 0 && (unread != 0 || rest.iter().any(|byte| *byte != 0)) {
            return None;
        }
        let kept = if items == 0 { 0 } else { rest.len() };
        let read = self.buffer.len().checked_sub(kept)?;
        self.frame = Some((content, unread, items));
        self.buffer.drain(..read);
        Some(())
    }

    fn finish(self) -> Option<ContractState> {
        let (content, _, items) = self.frame?;
        (items == 0 && self.received == size_class(content)).then_some(self.state)
    }
}

/// A key, its value and what stands behind them.
type Item<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// The first item in `bytes`; `Some(None)` when it is not whole yet, `None` when it is none.
fn item(bytes: &[u8]) -> Option<Option<Item<'_>>> {
    let Some((key, behind)) = text(bytes, MAX_KEY_BYTES)? else { return Some(None) };
    let Some((value, behind)) = text(behind, MAX_VALUE_BYTES)? else { return Some(None) };
    Some(Some((key, value, behind)))
}

fn text(bytes: &[u8], longest: usize) -> Option<Option<(&[u8], &[u8])>> {
    let Some((length, behind)) = bytes.split_first_chunk() else { return Some(None) };
    let length = u32::from_le_bytes(*length) as usize;
    (length <= longest).then(|| behind.split_at_checked(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::{keys::ContractSecrets, state::Link};
    use enigma_protocol::ScAddress;
    use std::collections::BTreeMap;

    const SC: ScAddress = ScAddress([1; 32]);
    const TIP: Hash = Hash([3; 32]);
    const TASK: TaskId = TaskId([4; 32]);

    fn cipher(state: u8, code: u8) -> StateCipher {
        let secrets = ContractSecrets { state: Zeroizing::new([state; 32]), random: Zeroizing::new([9; 32]) };
        StateCipher::new(&secrets, SC, Hash([code; 32])).unwrap()
    }

    fn changes(items: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>) -> StateChanges {
        StateChanges(items.into_iter().collect())
    }

    fn state(items: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> ContractState {
        let mut state = ContractState::default();
        state.apply(changes(items.into_iter().map(|(key, value)| (key, Some(value)))));
        state
    }

    fn snapshot(state: &ContractState, changes: &StateChanges) -> Snapshot {
        make(&cipher(7, 2), (TASK, 5, TIP), state, changes).unwrap()
    }

    fn restored(cipher: &StateCipher, at: SnapshotAt, parts: &[Vec<u8>]) -> Option<(ContractState, Hash)> {
        restore(cipher, at, |part| Ok(parts[part as usize].clone())).unwrap()
    }

    #[track_caller]
    fn check_round_trip(before: ContractState, changes: StateChanges) -> Snapshot {
        let made = snapshot(&before, &changes);
        assert_eq!(made, snapshot(&before, &changes), "the same bytes again");
        let mut after = before;
        after.apply(changes);
        assert_eq!(made, snapshot(&after, &StateChanges::default()), "whether the changes are made before or with it");
        let (state, tip) = restored(&cipher(7, 2), made.at, &made.parts).unwrap();
        assert_eq!((state.items(), state.size(), tip), (after.items(), after.size(), made.tip));
        let encoded = borsh::to_vec(after.items()).unwrap().len();
        assert_eq!(state.size().encoded(), encoded);
        let plaintext: usize = made.parts.iter().map(|part| part.len() - 117 - 12 - 4 - 16).sum();
        assert_eq!(plaintext, size_class(encoded));
        let mut tip = made.at.previous_tip;
        for part in &made.parts {
            let entry = StateEntry::from_bytes(part).unwrap();
            assert_eq!(entry.header.previous_tip, tip);
            tip = entry.tip();
        }
        assert_eq!(tip, made.tip);
        made
    }

    #[test]
    fn what_was_made_is_restored() {
        let nothing = StateChanges::default;
        check_round_trip(state([]), nothing());
        check_round_trip(state([(b"k".to_vec(), vec![])]), nothing());
        check_round_trip(state([]), changes([(b"new".to_vec(), Some(b"value".to_vec())), (b"no".to_vec(), None)]));
        let before = state([b"b", b"d", b"f"].map(|key| (key.to_vec(), b"old".to_vec())));
        let changed = [(b"a", Some(1)), (b"b", None), (b"c", None), (b"d", Some(2)), (b"g", Some(3))];
        let changed = changed.map(|(key, value)| (key.to_vec(), value.map(|byte| vec![byte; 9])));
        check_round_trip(before, changes(changed));
        // Items that lie across the borders of parts, and one of the largest.
        let many = (0..6_000u32).map(|n| (n.to_be_bytes().to_vec(), vec![n as u8; 300]));
        assert_eq!(check_round_trip(state(many), nothing()).parts.len(), 2);
        let large = (0..9u8).map(|n| (vec![n; MAX_KEY_BYTES], vec![n; MAX_VALUE_BYTES]));
        assert_eq!(check_round_trip(state(large), nothing()).parts.len(), 3);
    }

    #[test]
    fn every_size_around_the_border_of_a_part() {
        for less in [43, 44, 45] {
            let mut items: Vec<_> = (0..4u8).map(|n| (vec![n], vec![n; MAX_VALUE_BYTES])).collect();
            items[3].1.truncate(MAX_VALUE_BYTES - less);
            let parts = check_round_trip(state(items), StateChanges::default()).parts.len();
            assert_eq!(parts, if less < 44 { 2 } else { 1 }, "{less}");
        }
    }

    #[test]
    fn nothing_else_is_restored() {
        let items = |n: u32| (n.to_be_bytes().to_vec(), vec![n as u8; 60_000]);
        let made = snapshot(&state((0..40).map(items)), &StateChanges::default());
        let parts = &made.parts;
        assert_eq!(parts.len(), 3);
        let refused = |cipher: &StateCipher, at: SnapshotAt, parts: &[Vec<u8>]| {
            assert!(restored(cipher, at, parts).is_none());
        };
        let cipher = cipher(7, 2);
        refused(&self::cipher(8, 2), made.at, parts);
        refused(&self::cipher(7, 3), made.at, parts);
        refused(&cipher, SnapshotAt { index: 4, ..made.at }, parts);
        refused(&cipher, SnapshotAt { previous_tip: Hash([9; 32]), ..made.at }, parts);
        refused(&cipher, SnapshotAt { parts: 2, ..made.at }, parts);
        let ordered = |order: [usize; 3]| order.map(|part| parts[part].clone());
        for order in [[1, 0, 2], [0, 2, 1], [0, 0, 2], [0, 1, 1]] {
            refused(&cipher, made.at, &ordered(order));
        }
        // Parts of another snapshot of the same chain.
        let other = snapshot(&state((1..41).map(items)), &StateChanges::default());
        refused(&cipher, made.at, &[parts[0].clone(), parts[1].clone(), other.parts[2].clone()]);
        let mut changed = parts.clone();
        changed[2][130] ^= 1;
        refused(&cipher, made.at, &changed);
        let small = snapshot(&state([(b"key".to_vec(), b"value".to_vec())]), &StateChanges::default());
        for position in 0..small.parts[0].len() {
            let mut changed = small.parts.clone();
            changed[0][position] ^= 1;
            refused(&cipher, small.at, &changed);
            changed[0].truncate(position);
            refused(&cipher, small.at, &changed);
        }
    }

    #[test]
    fn a_plaintext_that_is_not_canonical_is_refused() {
        let cipher = cipher(7, 2);
        let at = SnapshotAt { index: 5, parts: 1, previous_tip: TIP };
        let opens = |plaintext: &[u8]| {
            let kind = EntryKind::Snapshot(SnapshotPart { part: 0, parts: 1 });
            let Link { bytes, .. } = cipher.seal(cipher.header(kind, TASK, 5, TIP), plaintext).unwrap();
            restored(&cipher, at, &[bytes]).is_some()
        };
        let text = |bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes(), bytes].concat();
        let content = |keys: &[&[u8]], count: u32| {
            let items = keys.iter().flat_map(|key| [text(key), text(b"value")].concat());
            count.to_le_bytes().into_iter().chain(items).collect::<Vec<u8>>()
        };
        let padded = enigma_protocol::padding::pad;
        assert!(opens(&padded(&content(&[b"a", b"b"], 2))));
        assert!(!opens(&padded(&content(&[b"b", b"a"], 2))), "not in order");
        assert!(!opens(&padded(&content(&[b"a", b"a"], 2))), "twice");
        assert!(!opens(&padded(&content(&[b"a", b"b"], 1))), "more than counted");
        assert!(!opens(&padded(&content(&[b"a", b"b"], 3))), "less than counted");
        assert!(!opens(&padded(&content(&[&[1; MAX_KEY_BYTES + 1]], 1))), "a key that no state has");
        assert!(!opens(&padded(&[1, 0, 0])), "not even a count");
        let sound = padded(&content(&[b"a"], 1));
        assert!(!opens(&[sound.as_slice(), &[0; 32]].concat()), "more padding");
        assert!(!opens(&sound[..100]), "less padding");
        let mut dirty = sound.clone();
        *dirty.last_mut().unwrap() = 1;
        assert!(!opens(&dirty), "padding that says something");
        let mut short = sound;
        short[3] -= 1;
        assert!(!opens(&short), "a length that the items exceed");
    }

    #[test]
    fn restoring_is_the_same_as_replaying() {
        let cipher = cipher(7, 2);
        let (mut tip, mut state) = (TIP, ContractState::default());
        let mut links = Vec::new();
        let mut made = None;
        for index in 0..60u64 {
            let keys = [index % 7, index % 11, 100 + index];
            let value = |key: u64| (!(index + key).is_multiple_of(5)).then(|| vec![index as u8; (key * 7) as usize]);
            let changes: BTreeMap<_, _> = keys.iter().map(|key| (key.to_be_bytes().to_vec(), value(*key))).collect();
            let changes = StateChanges(changes);
            let link = cipher.encrypt(TASK, index, tip, &changes).unwrap();
            tip = link.tip;
            if index == 40 {
                let snapshot = make(&cipher, (TASK, index, tip), &state, &changes).unwrap();
                tip = snapshot.tip;
                made = Some(snapshot);
            }
            state.apply(changes);
            links.push(link);
        }
        let made = made.unwrap();
        let (mut loaded, mut loaded_tip) = restored(&cipher, made.at, &made.parts).unwrap();
        for (index, link) in links.iter().enumerate().skip(41) {
            loaded_tip = cipher.replay(&link.bytes, index as u64, loaded_tip, &mut loaded).unwrap();
        }
        assert_eq!((loaded.items(), loaded.size(), loaded_tip), (state.items(), state.size(), tip));
    }
}
