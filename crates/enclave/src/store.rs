//! What the machines ask of storage, and the layout of what they keep.
//!
//! The store lies in the host's hands. Values are therefore authenticated by the enclave (see [`crate::authentic`]); that an
//! *old* store is presented cannot be seen here.

use enigma_protocol::{ScAddress, TaskId};
use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// What the store failed to do; the text is the database's and holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);

impl StoreError {
    /// What writes of an earlier generation are answered with.
    pub fn stale() -> Self {
        Self("writes before these failed; try again".into())
    }
}

/// A key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// One write: a key, and its value or `None` to remove it.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// How often writes have failed since the store was opened. What was computed from writes of an earlier generation may rest on
/// something that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// What becomes of submitted writes. The store settles it, whoever needs to know waits for it.
#[derive(Clone, Default)]
pub struct Ticket(Arc<Settlement>);

/// What somebody wants to do when writes are settled.
type Then = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

#[derive(Default)]
struct Settlement {
    state: Mutex<TicketState>,
    settled: Condvar,
}

#[derive(Default)]
struct TicketState {
    result: Option<Result<(), StoreError>>,
    waiting: bool,
    then: Vec<Then>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({:?})", self.state().result)
    }
}

impl Ticket {
    fn state(&self) -> MutexGuard<'_, TicketState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what became of the writes. The first word counts.
    pub fn settle(&self, result: Result<(), StoreError>) {
        let mut state = self.state();
        let result = state.result.get_or_insert(result).clone();
        let (waiting, then) = (state.waiting, std::mem::take(&mut state.then));
        drop(state);
        if waiting {
            self.0.settled.notify_all();
        }
        then.into_iter().for_each(|then| then(result.clone()));
    }

    /// Does something when the writes are settled, on the thread that settles them, or now if they are. It must be quick.
    pub fn on_settled(&self, then: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let mut state = self.state();
        match state.result.clone() {
            None => state.then.push(Box::new(then)),
            Some(result) => {
                drop(state);
                then(result);
            }
        }
    }

    /// Waits until the writes are durable.
    ///
    /// # Errors
    /// When none of them was made.
    pub fn wait(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        loop {
            if let Some(result) = &state.result {
                return result.clone();
            }
            state.waiting = true;
            state = self.0.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// An ordered map from bytes to bytes that survives the process.
///
/// Sets of writes become durable in the order in which they were submitted, several of them together if the store likes. When
/// one fails, everything that was submitted behind it fails too: it may rest on what was lost. From then on the store is in
/// its next [`Generation`] and refuses what was made in an earlier one. So whoever computes ahead of the disk reads again what
/// is durable when the generation has changed, and nothing half-written can come of a failure.
pub trait Store: Send + Sync + 'static {
    /// The durable value of a key.
    ///
    /// # Errors
    /// When the database does not answer.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` durable entries whose keys start with `prefix` and are not below `from`, ascending.
    ///
    /// # Errors
    /// When the database does not answer.
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<KeyValue>, StoreError>;

    /// The current generation.
    fn generation(&self) -> Generation;

    /// Takes writes that rest on what was read or submitted in `generation`; they are made atomically and durably, behind all
    /// that were submitted before. Waits only while too much is waiting already. No writes are the point up to which
    /// everything is settled.
    ///
    /// # Errors
    /// When `generation` is over; nothing is made then.
    fn submit(&self, generation: Generation, writes: Vec<Write>) -> Result<Ticket, StoreError>;

    /// Makes all writes, atomically and durably.
    ///
    /// # Errors
    /// Then none of them is made.
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.submit(self.generation(), writes)?.wait()
    }
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
const BARE: &[u8] = b"bare/";
const SNAPSHOTS: &[u8] = b"snapshot/";
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

/// A part of the snapshot behind a delta.
pub(crate) fn snapshot_key(sc: ScAddress, index: u64, part: u32) -> Vec<u8> {
    [SNAPSHOTS, &sc.0, &index.to_be_bytes(), &part.to_be_bytes()].concat()
}

/// A request without a record, by its content: the index under which it was executed.
pub(crate) fn bare_key(sc: ScAddress, content: TaskId) -> Vec<u8> {
    [BARE, &sc.0, &content.0].concat()
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
