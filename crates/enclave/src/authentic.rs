//! Values in the host's store that the enclave recognises as its own.
//!
//! Each value carries an HMAC-SHA256 over its key and content, under a key derived from the enclave's identity, so the host
//! can neither change a value, nor move it to another key, nor bring one from another enclave. It can remove values and
//! present old ones: what depends on freshness must not rest on the store alone.

use crate::{
    error::Refusal,
    store::{Generation, KeyValue, Store, StoreError, Ticket, Write},
};
use borsh::{BorshDeserialize, BorshSerialize};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const TAG_BYTES: usize = 32;
const KEY_LABEL: &[u8] = b"enigma/store-mac/1";

/// A store whose values are authenticated.
pub(crate) struct Authentic<S> {
    store: S,
    key: Zeroizing<[u8; 32]>,
}

impl<S: Store> Authentic<S> {
    /// Takes the key from the enclave's signing key.
    pub(crate) fn new(store: S, signing_key: &[u8; 32]) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, signing_key).expand(KEY_LABEL, key.as_mut_slice()).ok()?;
        Some(Self { store, key })
    }

    fn mac(&self, key: &[u8], content: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_slice()).ok()?;
        mac.update(&(key.len() as u64).to_be_bytes());
        mac.update(key);
        mac.update(content);
        Some(mac)
    }

    fn open<'a>(&self, key: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
        let (tag, content) = value.split_at_checked(TAG_BYTES)?;
        self.mac(key, content)?.verify_slice(tag).ok()?;
        Some(content)
    }

    /// The content under `key`.
    pub(crate) fn get(&self, what: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(value) = self.store.get(key)? else { return Ok(None) };
        self.open(key, &value).map(|content| Some(content.to_vec())).ok_or(Refusal::Corrupted(what))
    }

    /// The decoded content under `key`.
    pub(crate) fn load<T: BorshDeserialize>(&self, what: &'static str, key: &[u8]) -> Result<Option<T>, Refusal> {
        let Some(content) = self.get(what, key)? else { return Ok(None) };
        borsh::from_slice(&content).map(Some).map_err(|_| Refusal::Corrupted(what))
    }

    /// Keys and contents under `prefix` from `from` on.
    pub(crate) fn scan(
        &self,
        what: &'static str,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<KeyValue>, Refusal> {
        let values = self.store.scan(prefix, from, limit)?;
        let open = |(key, value): KeyValue| match self.open(&key, &value) {
            Some(content) if key.starts_with(prefix) => Ok((key, content.to_vec())),
            _ => Err(Refusal::Corrupted(what)),
        };
        values.into_iter().map(open).collect()
    }

    /// A write of `content` under `key`.
    pub(crate) fn write(&self, key: Vec<u8>, content: &[u8]) -> Result<Write, Refusal> {
        let mac = self.mac(&key, content).ok_or(Refusal::Primitive)?;
        let mut value = mac.finalize().into_bytes().to_vec();
        value.extend(content);
        Ok((key, Some(value)))
    }

    /// A write of an encoded value under `key`.
    pub(crate) fn save<T: BorshSerialize>(&self, key: Vec<u8>, value: &T) -> Result<Write, Refusal> {
        let content = borsh::to_vec(value).map_err(|_| Refusal::Primitive)?;
        self.write(key, &content)
    }

    /// The store's generation, see [`Store`].
    pub(crate) fn generation(&self) -> Generation {
        self.store.generation()
    }

    /// Submits writes that rest on this generation, see [`Store`].
    pub(crate) fn submit(&self, generation: Generation, writes: Vec<Write>) -> Result<Ticket, StoreError> {
        self.store.submit(generation, writes)
    }

    /// Makes all writes, atomically and durably.
    pub(crate) fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.store.commit(writes)
    }
}
