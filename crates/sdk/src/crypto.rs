//! Encryption inside a contract, hashes and signatures.
//!
//! State, arguments and results are encrypted already, by the network. What this module is for is data that *leaves* the contract
//! and must be readable by nobody, or by somebody with a key, until it comes back: [`seal`] and [`open`] with a [`Key`].
//!
//! [`seal`] and [`open`] are AES-256-GCM-SIV ([RFC 8452](https://www.rfc-editor.org/rfc/rfc8452)) with a nonce from
//! [`random`], which differs in every task, so that there is nothing to keep count of. What the caller
//! brings along is authenticated too: pass as `context` what the bytes are for, and bytes that were sealed for something else do
//! not open.
//!
//! ```
//! use enigma_sdk::crypto::{Key, open, seal};
//!
//! let key = Key::random();
//! let sealed = seal(&key, b"note", b"meet at noon");
//! assert_eq!(open(&key, b"note", &sealed), Some(b"meet at noon".to_vec()));
//! assert_eq!(open(&key, b"bid", &sealed), None);
//! assert_eq!(open(&Key::random(), b"note", &sealed), None);
//! ```
//!
//! **Sizes are visible** to whoever sees the sealed bytes: 28 bytes more than the text. Pad texts whose length tells something.

use crate::types::read_array;
use crate::{Address, Bytes32, FixedBytes, host, random};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize, io};
use core::fmt;

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// A key for [`seal`] and [`open`]. It can be kept in the state, and has no text form: nothing prints it by mistake.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// A key that nobody could choose or foresee.
    pub fn random() -> Key {
        Key(random())
    }

    /// The key with these bytes, which must come from somewhere secret: an argument, or [`random`].
    pub fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// The key's bytes, for a result that only the caller reads.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl BorshSerialize for Key {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.0)
    }
}

impl BorshDeserialize for Key {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Ok(Key(BorshDeserialize::deserialize_reader(reader)?))
    }

    fn deserialize(bytes: &mut &[u8]) -> io::Result<Self> {
        read_array(bytes).map(Key)
    }
}

/// Encrypts a text under a key, with a fresh nonce, which stands before the result.
pub fn seal(key: &Key, context: &[u8], text: &[u8]) -> Vec<u8> {
    let nonce = random::<NONCE_BYTES>();
    let mut sealed = Vec::with_capacity(NONCE_BYTES + text.len() + TAG_BYTES);
    sealed.extend_from_slice(&nonce);
    sealed.resize(NONCE_BYTES + text.len() + TAG_BYTES, 0);
    if let Some(out) = sealed.get_mut(NONCE_BYTES..) {
        host::encrypt(&key.0, &nonce, context, text, out);
    }
    sealed
}

/// The text that [`seal`] encrypted under this key for this context; `None` if it did not, or a byte was changed since.
pub fn open(key: &Key, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, encrypted) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    open_with_nonce(key, nonce, context, encrypted)
}

/// Encrypts a text under a key with a nonce of the caller's, which does not stand in the result: for formats of others.
///
/// Under one key, two texts with one nonce and one context show whether they are equal; with anything less than a different nonce
/// for every text, nothing else about them. Where the format leaves the choice, use [`seal`].
pub fn seal_with_nonce(key: &Key, nonce: &[u8; NONCE_BYTES], context: &[u8], text: &[u8]) -> Vec<u8> {
    let mut sealed = alloc::vec![0; text.len() + TAG_BYTES];
    host::encrypt(&key.0, nonce, context, text, &mut sealed);
    sealed
}

/// The text that [`seal_with_nonce`] encrypted; `None` if it did not.
pub fn open_with_nonce(key: &Key, nonce: &[u8; NONCE_BYTES], context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let mut text = alloc::vec![0; sealed.len().checked_sub(TAG_BYTES)?];
    host::decrypt(&key.0, nonce, context, sealed, &mut text).then_some(text)
}

/// The SHA-256 hash.
pub fn sha256(bytes: impl AsRef<[u8]>) -> Bytes32 {
    FixedBytes(host::sha256(bytes.as_ref()))
}

/// The address whose key signed a hash, as Solidity's `ecrecover`: the signature is r, s and v (27 or 28, or 0 or 1), 65 bytes.
/// `None` for an invalid signature, and for one with a high s, of which everybody could make a second one.
///
/// The hash must be one that nobody signs for another purpose: use EIP-712, or EIP-191 with a text that names this contract.
pub fn recover(hash: &Bytes32, signature: &[u8; 65]) -> Option<Address> {
    host::recover(&hash.0, signature).map(Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_bytes_do_not_open() {
        let key = Key::from_bytes([7; 32]);
        let sealed = seal(&key, b"", b"text");
        assert_eq!(sealed.len(), 4 + 28);
        assert_ne!(sealed, seal(&key, b"", b"text"));
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert_eq!(open(&key, b"", &changed), None, "{i}");
        }
        for length in 0..sealed.len() {
            assert_eq!(open(&key, b"", &sealed[..length]), None, "{length}");
        }
        assert_eq!(open(&key, b"", &seal(&key, b"", b"")), Some(Vec::new()));
    }

    /// RFC 8452, appendix C.2: the first vector with a text.
    #[test]
    fn aes_256_gcm_siv() {
        let mut key = [0; 32];
        key[0] = 1;
        let mut nonce = [0; 12];
        nonce[0] = 3;
        let sealed = seal_with_nonce(&Key::from_bytes(key), &nonce, b"", &[1, 0, 0, 0, 0, 0, 0, 0]);
        let expected = "0xc2ef328e5c71c83b843122130f7364b761e0b97427e3df28";
        assert_eq!(crate::Bytes(sealed.clone()).to_string(), expected);
        let opened = open_with_nonce(&Key::from_bytes(key), &nonce, b"", &sealed);
        assert_eq!(opened, Some(alloc::vec![1, 0, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn keys_are_kept_and_not_shown() {
        let key = Key::from_bytes([9; 32]);
        assert_eq!(borsh::from_slice::<Key>(&borsh::to_vec(&key).unwrap()).unwrap(), key);
        assert_eq!(alloc::format!("{key:?}"), "Key");
    }

    #[test]
    fn sha256_of_abc() {
        let expected = "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256("abc").to_string(), expected);
    }

    /// The private key 0x46…46 signed the transaction hash of EIP-155's example.
    #[test]
    fn recovers_the_signer() {
        let bytes = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
        };
        let hash = bytes("daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53");
        let hash = FixedBytes(hash.try_into().unwrap());
        let mut signature = [0; 65];
        signature[..32].copy_from_slice(&bytes("28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"));
        signature[32..64].copy_from_slice(&bytes("67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"));
        signature[64] = 27;
        let signer = recover(&hash, &signature).unwrap();
        assert_eq!(signer.to_string(), "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f");
        signature[64] = 0;
        assert_eq!(recover(&hash, &signature), Some(signer));
        signature[64] = 2;
        assert_eq!(recover(&hash, &signature), None);
        signature[64] = 28;
        signature[32] = 0xff;
        assert_eq!(recover(&hash, &signature), None);
    }
}
