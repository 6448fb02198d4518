//! `H(label, words…) = keccak256(abi.encode(keccak256(label), words…))`.
//!
//! Every integer, address and hash takes one 32-byte word, so Solidity (`keccak256(abi.encode(...))`), Rust and TypeScript
//! agree without thought, and no two different lists of words share a preimage.

use crate::primitives::{Address, Domain, Hash, ScAddress, TaskId};
use sha3::{Digest, Keccak256};

/// keccak-256 as Ethereum uses it.
pub fn keccak256(bytes: impl AsRef<[u8]>) -> Hash {
    // Not generic, so that it is compiled here once, with this crate's optimisation.
    fn of_bytes(bytes: &[u8]) -> Hash {
        Hash(Keccak256::digest(bytes).into())
    }
    of_bytes(bytes.as_ref())
}

/// Builds one labelled preimage word by word.
///
/// ```
/// use enigma_protocol::hash::{keccak256, Preimage};
/// let hash = Preimage::new("enigma/example/1").u64(7).finish();
/// let mut encoded = keccak256("enigma/example/1").0.to_vec();
/// encoded.extend([0; 31]);
/// encoded.push(7);
/// assert_eq!(hash, keccak256(encoded));
/// ```
#[must_use]
pub struct Preimage(Keccak256);

impl Preimage {
    /// Starts a preimage; `label` is one of the purposes named in `spec/`.
    pub fn new(label: &str) -> Self {
        Self::raw().hash(keccak256(label))
    }

    /// A preimage of words without a label, as EIP-712 wants it.
    pub(crate) fn raw() -> Self {
        Self(Keccak256::new())
    }

    /// A `bytes32`.
    pub fn hash(mut self, word: Hash) -> Self {
        self.0.update(word.0);
        self
    }

    /// The hash of a byte string, which stands for it.
    pub fn bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        self.hash(keccak256(bytes))
    }

    /// A task id.
    pub fn task(self, task: TaskId) -> Self {
        self.hash(Hash(task.0))
    }

    /// A secret contract's address.
    pub fn contract(self, sc: ScAddress) -> Self {
        self.hash(Hash(sc.0))
    }

    /// An Ethereum address, padded on the left.
    pub fn address(mut self, address: Address) -> Self {
        self.0.update([0; 12]);
        self.0.update(address.0);
        self
    }

    /// An unsigned integer of up to 64 bits.
    pub fn u64(self, value: u64) -> Self {
        self.u128(value.into())
    }

    /// An unsigned integer of up to 128 bits.
    pub fn u128(mut self, value: u128) -> Self {
        self.0.update([0; 16]);
        self.0.update(value.to_be_bytes());
        self
    }

    /// Chain id and contract address.
    pub fn domain(self, domain: &Domain) -> Self {
        self.u64(domain.chain_id).address(domain.enigma)
    }

    /// The hash of everything added.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}
