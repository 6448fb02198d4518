//! Encryption of state entries and the state that they add up to.
//!
//! AES-256-GCM-SIV (RFC 8452). The key is derived from the contract's state key, its address and the hash of its code: other
//! code under the same address opens nothing. The nonce is a MAC over everything that is encrypted and authenticated: the same
//! change at the same place gives the same bytes on every execution, and two different ones never share a nonce.

use super::keys::ContractSecrets;
use crate::{error::Refusal, ptt::GENERATION};
use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit,
    aead::{Aead, Payload},
};
use enigma_protocol::{
    Hash, ScAddress, TaskId,
    padding::{pad, unpad},
    state::{EntryHeader, EntryKind, StateChanges, StateEntry},
};
use enigma_runtime::State;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Largest state of one contract, keys, values and [`ITEM_OVERHEAD_BYTES`] together: it is held in the enclave's memory.
pub(super) const MAX_STATE_BYTES: usize = 64 << 20;
/// What a key with its value counts for beyond their bytes: the map and two allocations hold it, however short it is.
const ITEM_OVERHEAD_BYTES: usize = 96;

/// HKDF-SHA256 of `secret` for `info`.
pub(super) fn derive(secret: &[u8; 32], info: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, Refusal> {
    let mut key = Zeroizing::new([0; 32]);
    let info = info.concat();
    Hkdf::<Sha256>::new(None, secret).expand(&info, key.as_mut_slice()).map_err(|_| Refusal::Primitive)?;
    Ok(key)
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The entry, as it is kept and exchanged.
    pub(super) bytes: Vec<u8>,
    /// The tip after it.
    pub(super) tip: Hash,
}

/// Encrypts and decrypts the entries of one contract with one code.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct StateCipher {
    #[zeroize(skip)]
    sc: ScAddress,
    encryption_key: [u8; 32],
    nonce_key: [u8; 32],
}

impl StateCipher {
    pub(super) fn new(secrets: &ContractSecrets, sc: ScAddress, exe_code_hash: Hash) -> Result<Self, Refusal> {
        let key = |label: &[u8]| derive(&secrets.state, &[label, &sc.0, &exe_code_hash.0]);
        Ok(Self { sc, encryption_key: *key(b"enigma/state/1")?, nonce_key: *key(b"enigma/nonce/1")? })
    }

    fn cipher(&self) -> Result<Aes256GcmSiv, Refusal> {
        Aes256GcmSiv::new_from_slice(&self.encryption_key).map_err(|_| Refusal::Primitive)
    }

    /// The header of an entry of this contract.
    pub(super) fn header(&self, kind: EntryKind, task_id: TaskId, index: u64, previous_tip: Hash) -> EntryHeader {
        EntryHeader { kind, sc: self.sc, generation: GENERATION, task_id, index, previous_tip }
    }

    /// The entry that holds `changes` at its place in the chain.
    pub(super) fn encrypt(
        &self,
        task_id: TaskId,
        index: u64,
        previous_tip: Hash,
        changes: &StateChanges,
    ) -> Result<Link, Refusal> {
        let content = Zeroizing::new(borsh::to_vec(changes).map_err(|_| Refusal::Primitive)?);
        let padded = Zeroizing::new(pad(&content));
        self.seal(self.header(EntryKind::Delta, task_id, index, previous_tip), &padded)
    }

    /// The entry with this header and padded plaintext.
    pub(super) fn seal(&self, header: EntryHeader, padded: &[u8]) -> Result<Link, Refusal> {
        let aad = borsh::to_vec(&header).map_err(|_| Refusal::Primitive)?;
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.nonce_key).map_err(|_| Refusal::Primitive)?;
        mac.update(&aad);
        mac.update(padded);
        let tag = mac.finalize().into_bytes();
        let nonce: [u8; 12] = tag.first_chunk().copied().ok_or(Refusal::Primitive)?;
        let payload = Payload { msg: padded, aad: &aad };
        let ciphertext = self.cipher()?.encrypt(&nonce.into(), payload).map_err(|_| Refusal::Primitive)?;
        let entry = StateEntry { header, nonce, ciphertext };
        let bytes = entry.to_bytes();
        Ok(Link { tip: entry.header.tip(&bytes), bytes })
    }

    /// Whether an entry was encrypted for this contract, code and key.
    pub(super) fn opens(&self, entry: &StateEntry) -> bool {
        self.plaintext(entry).is_some()
    }

    /// The changes in an entry; `None` when it was changed or made for another contract, code, key or place.
    fn decrypt(&self, entry: &StateEntry) -> Option<StateChanges> {
        let padded = self.plaintext(entry)?;
        borsh::from_slice(&Zeroizing::new(unpad(&padded).ok()?)).ok()
    }

    /// The padded plaintext of an entry; `None` when it was changed or made for another contract, code, key or place.
    pub(super) fn plaintext(&self, entry: &StateEntry) -> Option<Zeroizing<Vec<u8>>> {
        let aad = borsh::to_vec(&entry.header).ok()?;
        let payload = Payload { msg: &entry.ciphertext, aad: &aad };
        self.cipher().ok()?.decrypt(&entry.nonce.into(), payload).ok().map(Zeroizing::new)
    }

    /// Applies the entry with this index, which must follow `tip`; returns the tip after it.
    pub(super) fn replay(&self, bytes: &[u8], index: u64, tip: Hash, state: &mut ContractState) -> Option<Hash> {
        let entry = StateEntry::from_bytes(bytes)?;
        let header = &entry.header;
        if *header != self.header(EntryKind::Delta, header.task_id, index, tip) {
            return None;
        }
        let tip = header.tip(bytes);
        state.apply(self.decrypt(&entry)?);
        Some(tip)
    }
}

/// How large a state is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Keys and values.
    pub(super) bytes: usize,
    pub(super) items: usize,
}

impl Size {
    fn of(key: &[u8], value: &[u8]) -> Self {
        Self { bytes: key.len().saturating_add(value.len()), items: 1 }
    }

    fn plus(self, other: Self) -> Self {
        let bytes = self.bytes.saturating_add(other.bytes);
        Self { bytes, items: self.items.saturating_add(other.items) }
    }

    fn minus(self, other: Self) -> Self {
        let bytes = self.bytes.saturating_sub(other.bytes);
        Self { bytes, items: self.items.saturating_sub(other.items) }
    }

    /// What it takes in memory, by which [`MAX_STATE_BYTES`] is checked.
    pub(super) fn in_memory(self) -> usize {
        self.bytes.saturating_add(self.items.saturating_mul(ITEM_OVERHEAD_BYTES))
    }

    /// Its borsh encoding: a count, and two lengths with each item.
    pub(super) fn encoded(self) -> usize {
        self.bytes.saturating_add(self.items.saturating_mul(8)).saturating_add(4)
    }
}

/// The decrypted state of one contract, with its size: what a task costs does not depend on how much state there is. Erased on
/// drop.
#[derive(Default)]
pub(super) struct ContractState {
    items: State,
    size: Size,
}

impl ContractState {
    /// Keys and values, as a contract reads them.
    pub(super) fn items(&self) -> &State {
        &self.items
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Its size after `changes`.
    pub(super) fn size_after(&self, changes: &StateChanges) -> Size {
        let old = changes.0.keys().filter_map(|key| Some(Size::of(key, self.items.get(key)?)));
        let new = changes.0.iter().filter_map(|(key, value)| Some(Size::of(key, value.as_ref()?)));
        new.fold(self.size.minus(old.fold(Size::default(), Size::plus)), Size::plus)
    }

    /// Makes the changes; erases what they replace.
    pub(super) fn apply(&mut self, changes: StateChanges) {
        self.size = self.size_after(&changes);
        for (key, value) in changes.0 {
            let replaced = match value {
                Some(value) => self.items.insert(key, value),
                None => self.items.remove(&key),
            };
            drop(replaced.map(Zeroizing::new));
        }
    }

    /// Adds an item that is not there yet.
    pub(super) fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.size = self.size.plus(Size::of(&key, &value));
        self.items.insert(key, value);
    }
}

impl Drop for ContractState {
    fn drop(&mut self) {
        for (mut key, mut value) in std::mem::take(&mut self.items) {
            key.zeroize();
            value.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const SC: ScAddress = ScAddress([1; 32]);
    const CODE: Hash = Hash([2; 32]);
    const TIP: Hash = Hash([3; 32]);
    const TASK: TaskId = TaskId([4; 32]);

    fn cipher(state: u8, sc: ScAddress, exe_code_hash: Hash) -> StateCipher {
        let secrets = ContractSecrets { state: Zeroizing::new([state; 32]), random: Zeroizing::new([9; 32]) };
        StateCipher::new(&secrets, sc, exe_code_hash).unwrap()
    }

    fn changes(value: &[u8]) -> StateChanges {
        StateChanges(BTreeMap::from([(b"key".to_vec(), Some(value.to_vec())), (b"gone".to_vec(), None)]))
    }

    #[test]
    fn what_was_encrypted_is_replayed() {
        let cipher = cipher(7, SC, CODE);
        let entry = cipher.encrypt(TASK, 5, TIP, &changes(b"value")).unwrap();
        let before = [(b"gone".to_vec(), Some(b"x".to_vec())), (b"other".to_vec(), Some(b"y".to_vec()))];
        let mut state = ContractState::default();
        state.apply(StateChanges(before.into()));
        assert_eq!(state.size(), Size { bytes: 4 + 1 + 5 + 1, items: 2 });
        let after = Size { bytes: 3 + 5 + 5 + 1, items: 2 };
        assert_eq!(state.size_after(&changes(b"value")), after);
        assert_eq!(after.in_memory(), 14 + 2 * ITEM_OVERHEAD_BYTES);
        assert_eq!(cipher.replay(&entry.bytes, 5, TIP, &mut state), Some(entry.tip));
        let expected = [(b"key".to_vec(), b"value".to_vec()), (b"other".to_vec(), b"y".to_vec())];
        assert_eq!((state.items(), state.size()), (&State::from(expected), after));
        assert_eq!(cipher.encrypt(TASK, 5, TIP, &changes(b"value")).unwrap(), entry, "the same bytes again");
    }

    #[test]
    fn nothing_else_replays_it() {
        let cipher = cipher(7, SC, CODE);
        let bytes = cipher.encrypt(TASK, 5, TIP, &changes(b"value")).unwrap().bytes;
        let refused = |cipher: &StateCipher, bytes: &[u8], index: u64, tip: Hash| {
            let mut state = ContractState::default();
            assert_eq!(cipher.replay(bytes, index, tip, &mut state), None);
            assert!(state.items().is_empty());
        };
        refused(&self::cipher(8, SC, CODE), &bytes, 5, TIP);
        refused(&self::cipher(7, ScAddress([9; 32]), CODE), &bytes, 5, TIP);
        // Other code under the same address.
        refused(&self::cipher(7, SC, Hash([9; 32])), &bytes, 5, TIP);
        refused(&cipher, &bytes, 4, TIP);
        refused(&cipher, &bytes, 5, Hash([9; 32]));
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            refused(&cipher, &changed, 5, TIP);
            refused(&cipher, &bytes[..position], 5, TIP);
        }
    }

    #[test]
    fn different_entries_have_different_nonces_and_equal_lengths() {
        let cipher = cipher(7, SC, CODE);
        let entry = |link: Link| StateEntry::from_bytes(&link.bytes).unwrap();
        let encrypt =
            |task, index, tip, value: &[u8]| entry(cipher.encrypt(task, index, tip, &changes(value)).unwrap());
        let entries = [
            encrypt(TASK, 5, TIP, b"value"),
            encrypt(TASK, 5, TIP, b"valuf"),
            encrypt(TASK, 5, TIP, &[0; 300]),
            encrypt(TASK, 6, TIP, b"value"),
            encrypt(TaskId([5; 32]), 5, TIP, b"value"),
            encrypt(TASK, 5, Hash([4; 32]), b"value"),
            entry(self::cipher(7, SC, Hash([9; 32])).encrypt(TASK, 5, TIP, &changes(b"value")).unwrap()),
        ];
        let nonces: std::collections::BTreeSet<_> = entries.iter().map(|entry| entry.nonce).collect();
        assert_eq!(nonces.len(), entries.len());
        assert!(entries.iter().all(|entry| entry.ciphertext.len() == 512 + 16));
    }
}
