//! What a worker keeps of each contract: in the store for good, in memory while it is used.

use super::{
    keys::ContractSecrets,
    snapshot,
    state::{ContractState, StateCipher},
};
use crate::{
    authentic::Authentic,
    error::Refusal,
    store::{Generation, Store, StoreError, Ticket, Write, code_key, entry_key, head_key, outcome_key, snapshot_key},
};
use borsh::{BorshDeserialize, BorshSerialize};
use enigma_protocol::{Hash, ScAddress, hash::keccak256, receipt::Receipt, state::genesis_tip};
use enigma_runtime::Program;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Contracts whose code and state are held in memory; more are loaded from the store when they are called.
const MAX_CACHED: usize = 64;
/// Bytes that they may take together; the least recently used go first, whose load is the cheapest to repeat.
const MAX_CACHED_BYTES: usize = 1 << 30;
/// What compiled code takes for each byte of exeCode.
const PROGRAM_BYTES_PER_BYTE: usize = 8;
/// What [`Contract::next`] is before the contract was read.
const NOT_KNOWN: u64 = u64::MAX;
/// Records that wait for their predecessors at a time: each holds one of the threads on which these have to run.
const MAX_WAITING: usize = 16;

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
    /// The state behind the last record, where the chain here is another: entries were taken in or removed, and no record is
    /// executed until the host says which ones they stand behind. The chain must lead through the floor by then.
    pub(super) floor: Option<Floor>,
    /// A contract of requests without records.
    pub(super) bare: bool,
    /// What came from outside.
    pub(super) import: Import,
}

/// What of a contract was taken in from outside, see [`super::import`].
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Import {
    /// Code and state were removed. What remains remembers what was executed.
    pub(super) removed: bool,
    /// Entries were taken while the state key was not here: whether they open shows when the contract is loaded.
    pub(super) unverified: bool,
    /// A snapshot of which not all parts are here.
    pub(super) partial: Option<PartialSnapshot>,
}

/// A snapshot of which not all parts are here; it is not part of the chain yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct PartialSnapshot {
    /// The delta behind which it stands.
    pub(super) index: u64,
    /// Its parts.
    pub(super) parts: u32,
    /// The next part.
    pub(super) next: u32,
    /// The tip before its first part.
    pub(super) previous_tip: Hash,
    /// The tip after the parts that are here.
    pub(super) tip: Hash,
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

impl SnapshotAt {
    /// Where its parts are kept.
    pub(super) fn keys(self, sc: ScAddress) -> impl Iterator<Item = Vec<u8>> {
        (0..self.parts).map(move |part| snapshot_key(sc, self.index, part))
    }
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

/// How one record ended. Its signature is not kept: it is the same each time it is made (RFC 6979).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Outcome {
    pub(super) record_hash: Hash,
    /// Head of the queue after this record.
    pub(super) queue_head: Hash,
    /// Hash of the deployed module; `None` for a call.
    pub(super) deployment: Option<Hash>,
    pub(super) receipt: Receipt,
    pub(super) encrypted_output: Vec<u8>,
    /// Parts of the snapshot that stands behind the delta of this record, where one does.
    pub(super) snapshot_parts: Option<u32>,
    /// Data of the call of Ethereum that the receipt names.
    pub(super) ethereum_payload: Vec<u8>,
}

/// Code and state of a contract in memory.
pub(super) struct Live {
    pub(super) program: Program,
    /// Length of its exeCode.
    pub(super) code_bytes: usize,
    pub(super) cipher: StateCipher,
    pub(super) state: ContractState,
}

/// What is in memory of one contract: what is durable, or what follows from it by writes that are submitted.
#[derive(Default)]
pub(super) struct Slot {
    /// In which generation of the store `head` was read; `None` when it was not.
    generation: Option<Generation>,
    /// `None` when the contract is not known.
    pub(super) head: Option<Head>,
    /// Code and state at `head`.
    pub(super) live: Option<Live>,
    /// The writes that were submitted last.
    submitted: Option<Ticket>,
}

impl Slot {
    /// The index of the next record.
    pub(super) fn records(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.records)
    }

    fn bytes(&self) -> usize {
        let Some(live) = &self.live else { return 0 };
        live.state.size().in_memory().saturating_add(live.code_bytes.saturating_mul(PROGRAM_BYTES_PER_BYTE))
    }

    /// What must be durable before anything that is in memory is answered.
    pub(super) fn submitted(&self) -> Option<Ticket> {
        self.submitted.clone()
    }

    /// Submits what makes `head` of this slot, and takes it over with the code and state that it stands for. Whatever fails
    /// or panics on the way: the slot is read again, or it stands for what was submitted.
    pub(super) fn advance<S: Store>(
        &mut self,
        store: &Authentic<S>,
        writes: Vec<Write>,
        head: impl Into<Option<Head>>,
        live: impl FnOnce(Option<Live>) -> Option<Live>,
    ) -> Result<Ticket, StoreError> {
        let before = std::mem::take(self);
        let generation = before.generation.unwrap_or_default();
        let ticket = store.submit(generation, writes)?;
        let live = live(before.live);
        *self = Self { generation: Some(generation), head: head.into(), live, submitted: Some(ticket.clone()) };
        Ok(ticket)
    }
}

/// A contract as those know it who use it at the same time.
pub(super) struct Contract {
    sc: ScAddress,
    slot: Mutex<Slot>,
    /// Index of the next record when somebody last said so; [`NOT_KNOWN`] before.
    next: AtomicU64,
    /// Those who wait for the turn of a record, with what wakes exactly them.
    waiting: Mutex<BTreeMap<u64, Arc<Condvar>>>,
    /// What the slot took in memory when somebody last said so.
    bytes: AtomicUsize,
}

impl Contract {
    pub(super) fn sc(&self) -> ScAddress {
        self.sc
    }

    /// Locks the contract; what the slot holds is durable or follows from it.
    pub(super) fn lock<S: Store>(&self, store: &Authentic<S>) -> Result<MutexGuard<'_, Slot>, Refusal> {
        let mut slot = lock(&self.slot);
        self.refresh(&mut slot, store)?;
        Ok(slot)
    }

    /// The same when nothing of the contract is on its way to the disk: what the slot holds can be read from the store.
    pub(super) fn lock_settled<S: Store>(&self, store: &Authentic<S>) -> Result<MutexGuard<'_, Slot>, Refusal> {
        loop {
            let slot = self.lock(store)?;
            // What failed is not there any more: the slot is read again.
            if slot.submitted().is_none_or(|submitted| submitted.wait().is_ok()) {
                return Ok(slot);
            }
        }
    }

    fn refresh<S: Store>(&self, slot: &mut Slot, store: &Authentic<S>) -> Result<(), Refusal> {
        let generation = store.generation();
        if slot.generation == Some(generation) {
            return Ok(());
        }
        *slot = Slot::default();
        // Behind this point nothing of this contract is under way, even if its slot was dropped meanwhile.
        store.submit(generation, Vec::new())?.wait()?;
        slot.head = load_head(store, self.sc)?;
        slot.generation = Some(generation);
        Ok(())
    }

    /// Index of the next record, without waiting for the one that is executed now. It may have moved on.
    pub(super) fn next<S: Store>(&self, store: &Authentic<S>) -> Result<u64, Refusal> {
        match self.next.load(Ordering::Relaxed) {
            NOT_KNOWN => Ok(self.lock(store)?.records()),
            next => Ok(next),
        }
    }

    /// Unlocks the contract after a record and wakes those whose turn it is.
    pub(super) fn advanced(&self, slot: MutexGuard<'_, Slot>) {
        let next = slot.records();
        self.bytes.store(slot.bytes(), Ordering::Relaxed);
        self.next.store(next, Ordering::Relaxed);
        drop(slot);
        for (_, turn) in lock(&self.waiting).range(..=next) {
            turn.notify_all();
        }
    }

    /// Lets others have the contract until it is the turn of record `index` or `patience` is over; returns what is left of that.
    pub(super) fn wait_for_turn<'a, S: Store>(
        &self,
        index: u64,
        slot: MutexGuard<'a, Slot>,
        store: &Authentic<S>,
        patience: Duration,
    ) -> Result<(MutexGuard<'a, Slot>, Duration), Refusal> {
        let started = Instant::now();
        let turn = lock(&self.waiting).entry(index).or_default().clone();
        let (mut slot, _) = turn.wait_timeout(slot, patience).unwrap_or_else(PoisonError::into_inner);
        let mut waiting = lock(&self.waiting);
        // The list has it, and this one.
        if Arc::strong_count(&turn) <= 2 {
            waiting.remove(&index);
        }
        drop(waiting);
        self.refresh(&mut slot, store)?;
        Ok((slot, patience.saturating_sub(started.elapsed())))
    }
}

/// The contracts in memory, least recently used first out.
#[derive(Default)]
pub(super) struct Contracts {
    cache: Mutex<Cache>,
    waiting: AtomicUsize,
}

/// The right to wait for the turn of a record that arrived before its predecessors.
pub(super) struct WaitingPlace<'a>(&'a AtomicUsize);

impl Drop for WaitingPlace<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Cache {
    /// Counts uses, so that they can be ordered.
    clock: u64,
    contracts: BTreeMap<ScAddress, Cached>,
}

impl Cache {
    fn bytes(&self) -> usize {
        let bytes = self.contracts.values().map(|cached| cached.contract.bytes.load(Ordering::Relaxed));
        bytes.fold(0, usize::saturating_add)
    }
}

struct Cached {
    last_used: u64,
    contract: Arc<Contract>,
}

/// Locks; a lock that a panic left behind is taken over, because what it guards is replaced as a whole or not at all.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Contracts {
    /// A place to wait in; `None` when all are taken.
    pub(super) fn waiting_place(&self) -> Option<WaitingPlace<'_>> {
        let more = |taken: usize| (taken < MAX_WAITING).then_some(taken.saturating_add(1));
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(WaitingPlace(&self.waiting))
    }

    /// A contract, the same for all who use it at a time.
    pub(super) fn contract(&self, sc: ScAddress) -> Arc<Contract> {
        let mut cache = lock(&self.cache);
        cache.clock = cache.clock.saturating_add(1);
        let clock = cache.clock;
        let new = || {
            let (slot, waiting, bytes) = Default::default();
            Arc::new(Contract { sc, slot, next: AtomicU64::new(NOT_KNOWN), waiting, bytes })
        };
        let cached = cache.contracts.entry(sc).or_insert_with(|| Cached { last_used: clock, contract: new() });
        cached.last_used = clock;
        let contract = cached.contract.clone();
        while cache.contracts.len() > MAX_CACHED || cache.bytes() > MAX_CACHED_BYTES {
            // One that somebody else holds must stay: another one for the same contract could run beside it.
            let idle = cache.contracts.iter().filter(|(_, cached)| Arc::strong_count(&cached.contract) == 1);
            let Some(oldest) = idle.min_by_key(|(_, cached)| cached.last_used).map(|(sc, _)| *sc) else { break };
            cache.contracts.remove(&oldest);
        }
        contract
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

/// Loads code and state from the store, from the newest snapshot on, and verifies both against the head.
pub(super) fn load_live<S: Store>(
    store: &Authentic<S>,
    sc: ScAddress,
    head: &Head,
    secrets: &ContractSecrets,
) -> Result<Live, Refusal> {
    let code = load_code(store, sc, head)?;
    let program = Program::load(&code).map_err(|_| Refusal::Corrupted("code"))?;
    let cipher = StateCipher::new(secrets, sc, head.exe_code_hash)?;
    let corrupted = Refusal::Corrupted("state");
    let (mut state, mut tip, next) = match head.snapshot {
        None => (ContractState::default(), genesis_tip(sc, head.exe_code_hash), 0),
        Some(at) => {
            let part = |part| {
                let part = store.get("snapshot", &snapshot_key(sc, at.index, part))?;
                part.ok_or(Refusal::Corrupted("snapshot"))
            };
            let (state, tip) = snapshot::restore(&cipher, at, part)?.ok_or(corrupted.clone())?;
            (state, tip, at.index.saturating_add(1))
        }
    };
    for index in next..head.entries {
        let bytes = load_entry(store, sc, index)?;
        tip = cipher.replay(&bytes, index, tip, &mut state).ok_or(corrupted.clone())?;
    }
    if tip != head.tip {
        return Err(corrupted);
    }
    Ok(Live { program, code_bytes: code.len(), cipher, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_is_bounded_in_number_and_bytes() {
        let contracts = Contracts::default();
        let sc = |n: u8| ScAddress([n; 32]);
        let held =
            |contracts: &Contracts| lock(&contracts.cache).contracts.keys().map(|sc| sc.0[0]).collect::<Vec<_>>();
        for n in 0..=MAX_CACHED as u8 {
            contracts.contract(sc(n));
        }
        assert_eq!(held(&contracts), (1..=MAX_CACHED as u8).collect::<Vec<_>>());
        let large = |n: u8| contracts.contract(sc(n)).bytes.store(MAX_CACHED_BYTES / 3 + 1, Ordering::Relaxed);
        (1..=3).for_each(large);
        let used = contracts.contract(sc(2));
        assert_eq!(held(&contracts), [2, 3], "the least recently used went, however small they are");
        large(4);
        contracts.contract(sc(3));
        assert_eq!(held(&contracts), [2, 3], "one that is in use stays");
        drop(used);
        large(4);
        contracts.contract(sc(3));
        assert_eq!(held(&contracts), [3, 4]);
    }
}
