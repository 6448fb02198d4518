//! What a worker keeps of each contract: in the store for good, in memory while it is used.

use super::{
    keys::ContractSecrets,
    state::{ContractState, StateCipher},
};
use crate::{
    authentic::Authentic,
    error::Refusal,
    store::{Store, code_key, entry_key, head_key, outcome_key},
};
use borsh::{BorshDeserialize, BorshSerialize};
use enigma_protocol::{Hash, ScAddress, hash::keccak256, receipt::Receipt, signature::Signature, state::genesis_tip};
use enigma_runtime::Program;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Contracts whose code and state are held in memory; more are loaded from the store when they are called.
const MAX_CACHED: usize = 64;

/// How far a contract is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Head {
    /// Records that are behind: executed, or closed elsewhere. The index of the next one.
    pub(super) records: u64,
    /// Head of the queue after them.
    pub(super) queue_head: Hash,
    /// The deployed module; zero when the deployment did not open.
    pub(super) pre_code_hash: Hash,
    /// The executed code; zero when the deployment failed.
    pub(super) exe_code_hash: Hash,
    /// Deltas of the state chain. The index of the next one.
    pub(super) entries: u64,
    /// The state chain after them and the snapshot behind them; zero when the deployment failed.
    pub(super) tip: Hash,
    /// The newest snapshot.
    pub(super) snapshot: Option<SnapshotAt>,
    /// Bytes of the deltas behind it.
    pub(super) delta_bytes: u64,
    /// The oldest delta that is kept here; above 0 only where the state was taken over from a snapshot.
    pub(super) first: u64,
    /// The furthest state that this enclave itself executed to, while the chain here does not reach it: it never executes on
    /// a chain that does not contain it.
    pub(super) floor: Option<Floor>,
    /// A contract of requests without records.
    pub(super) bare: bool,
}

/// Where the newest snapshot of a contract stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct SnapshotAt {
    /// The delta behind which it stands.
    pub(super) index: u64,
    /// Its parts.
    pub(super) parts: u32,
    /// The tip before its first part.
    pub(super) previous_tip: Hash,
}

/// A state of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Floor {
    /// Deltas of the chain.
    pub(super) entries: u64,
    /// The tip after them.
    pub(super) tip: Hash,
}

impl Head {
    /// Whether there is code to run.
    pub(super) fn is_deployed(&self) -> bool {
        self.exe_code_hash != Hash::ZERO
    }
}

/// How one record ended.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Outcome {
    pub(super) record_hash: Hash,
    /// Head of the queue after this record.
    pub(super) queue_head: Hash,
    /// Hash of the deployed module; `None` for a call.
    pub(super) deployment: Option<Hash>,
    pub(super) receipt: Receipt,
    pub(super) signature: Signature,
    pub(super) encrypted_output: Vec<u8>,
}

/// Code and state of a contract in memory.
pub(super) struct Live {
    pub(super) program: Program,
    pub(super) state: ContractState,
}

/// One contract in memory; whoever executes it holds the lock.
#[derive(Default)]
pub(super) struct Slot {
    /// As committed last; once read, the store is not asked again.
    pub(super) head: Option<Head>,
    /// Code and state at `head`.
    pub(super) live: Option<Live>,
}

/// The contracts in memory, least recently used first out.
#[derive(Default)]
pub(super) struct Contracts {
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    /// Counts uses, so that they can be ordered.
    clock: u64,
    slots: BTreeMap<ScAddress, Cached>,
}

#[derive(Default)]
struct Cached {
    last_used: u64,
    slot: Arc<Mutex<Slot>>,
}

/// Locks; a lock that a panic left behind is taken over, because what it guards is replaced as a whole or not at all.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Contracts {
    /// The slot of a contract, the same for all who use it at a time.
    pub(super) fn slot(&self, sc: ScAddress) -> Arc<Mutex<Slot>> {
        let mut cache = lock(&self.cache);
        cache.clock = cache.clock.saturating_add(1);
        let clock = cache.clock;
        let cached = cache.slots.entry(sc).or_default();
        cached.last_used = clock;
        let slot = cached.slot.clone();
        while cache.slots.len() > MAX_CACHED {
            // A slot that somebody else holds must stay: another one for the same contract could run beside it.
            let idle = cache.slots.iter().filter(|(_, cached)| Arc::strong_count(&cached.slot) == 1);
            let Some(oldest) = idle.min_by_key(|(_, cached)| cached.last_used).map(|(sc, _)| *sc) else { break };
            cache.slots.remove(&oldest);
        }
        slot
    }
}

pub(super) fn load_head<S: Store>(store: &Authentic<S>, sc: ScAddress) -> Result<Option<Head>, Refusal> {
    store.load("contract", &head_key(sc))
}

pub(super) fn known_head<S: Store>(store: &Authentic<S>, sc: ScAddress) -> Result<Head, Refusal> {
    load_head(store, sc)?.ok_or(Refusal::UnknownContract(sc))
}

pub(super) fn load_outcome<S: Store>(store: &Authentic<S>, sc: ScAddress, index: u64) -> Result<Outcome, Refusal> {
    store.load("outcome", &outcome_key(sc, index))?.ok_or(Refusal::UnknownEntry { sc, what: "executed record", index })
}

pub(super) fn load_entry<S: Store>(store: &Authentic<S>, sc: ScAddress, index: u64) -> Result<Vec<u8>, Refusal> {
    store.get("delta", &entry_key(sc, index))?.ok_or(Refusal::UnknownEntry { sc, what: "delta", index })
}

pub(super) fn load_code<S: Store>(store: &Authentic<S>, sc: ScAddress, head: &Head) -> Result<Vec<u8>, Refusal> {
    let code = store.get("code", &code_key(sc))?.filter(|code| keccak256(code) == head.exe_code_hash);
    code.ok_or(Refusal::Corrupted("code"))
}

/// Loads code and state from the store and verifies both against the head.
pub(super) fn load_live<S: Store>(
    store: &Authentic<S>,
    sc: ScAddress,
    head: &Head,
    secrets: &ContractSecrets,
) -> Result<Live, Refusal> {
    let code = load_code(store, sc, head)?;
    let program = Program::load(&code).map_err(|_| Refusal::Corrupted("code"))?;
    let cipher = StateCipher::new(secrets, sc, head.exe_code_hash)?;
    let mut state = ContractState::default();
    let mut tip = genesis_tip(sc, head.exe_code_hash);
    for index in 0..head.entries {
        let bytes = load_entry(store, sc, index)?;
        tip = cipher.replay(&bytes, index, tip, &mut state).ok_or(Refusal::Corrupted("state"))?;
    }
    if tip != head.tip {
        return Err(Refusal::Corrupted("state"));
    }
    Ok(Live { program, state })
}
