//! What the machines ask of storage, and the layout of what they keep.
//!
//! The store lies in the host's hands. Values are therefore authenticated by the enclave (see [`crate::authentic`]); that an
//! *old* store is presented cannot be seen here.

use enigma_protocol::ScAddress;

/// What the store failed to do; the text is the database's and holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);

/// A key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// One write: a key, and its value or `None` to remove it.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// An ordered map from bytes to bytes that survives the process.
pub trait Store: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// When the database does not answer.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` entries whose keys start with `prefix` and are not below `from`, ascending.
    ///
    /// # Errors
    /// When the database does not answer.
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<KeyValue>, StoreError>;

    /// Makes all writes, atomically and durably.
    ///
    /// # Errors
    /// Then none of them is made.
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError>;
}

/// The sealed identity.
pub(crate) const IDENTITY: &[u8] = b"identity";
/// Heads of contracts: prefix ‖ sc.
pub(crate) const HEADS: &[u8] = b"head/";
/// Signed epochs: prefix ‖ number.
pub(crate) const EPOCHS: &[u8] = b"epoch/";
/// Deployed contracts that a key manager knows: prefix ‖ sc.
const DEPLOYED: &[u8] = b"deployed/";
const CODES: &[u8] = b"code/";
const ENTRIES: &[u8] = b"entry/";
const OUTCOMES: &[u8] = b"outcome/";

pub(crate) fn head_key(sc: ScAddress) -> Vec<u8> {
    [HEADS, &sc.0].concat()
}

pub(crate) fn code_key(sc: ScAddress) -> Vec<u8> {
    [CODES, &sc.0].concat()
}

pub(crate) fn entry_key(sc: ScAddress, index: u64) -> Vec<u8> {
    [ENTRIES, &sc.0, &index.to_be_bytes()].concat()
}

pub(crate) fn outcome_key(sc: ScAddress, record_index: u64) -> Vec<u8> {
    [OUTCOMES, &sc.0, &record_index.to_be_bytes()].concat()
}

pub(crate) fn deployed_key(sc: ScAddress) -> Vec<u8> {
    [DEPLOYED, &sc.0].concat()
}

pub(crate) fn epoch_key(epoch: u64) -> Vec<u8> {
    [EPOCHS, &epoch.to_be_bytes()].concat()
}
