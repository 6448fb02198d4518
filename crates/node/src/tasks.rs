//! The life of tasks: records from Ethereum, inputs from clients and peers, outcomes from the worker.
//!
//! Whichever comes first waits for the others. Before its record is visible, several inputs may claim to be a task's; they are
//! held, bounded, until the record tells the true one. Open tasks are kept whole, closed ones without their input, and of
//! those only the newest.

use crate::{
    interface::PeerId,
    limits::{
        MAX_CLOSED_BYTES, MAX_CLOSED_TASKS, MAX_HELD_BYTES, MAX_HELD_BYTES_PER_SOURCE, MAX_HELD_PER_SOURCE,
        MAX_HELD_PER_TASK, MAX_INTERESTED_PEERS,
    },
    message::Outcome,
    outbox::Outbox,
    saved::{Closed, Key, Recorded},
};
use enigma_protocol::{
    Domain, Hash, ScAddress, TaskId,
    hash::keccak256,
    rpc::TaskState,
    task::{InvalidInput, TaskInput},
};
use std::collections::{BTreeMap, BTreeSet};

/// Who handed an input over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Any client; they have no names.
    Clients,
    Peer(PeerId),
}

/// What is known of one task.
#[derive(Debug, Default)]
pub(crate) struct Task {
    pub recorded: Option<Recorded>,
    pub closed: Option<Closed>,
    /// The input that matches the record.
    pub input: Option<TaskInput>,
    pub outcome: Option<Outcome>,
    /// Peers that want the outcome.
    pub interested: BTreeSet<PeerId>,
    /// When the outcome was last asked for.
    pub asked_at: Option<u64>,
    held: BTreeMap<Hash, (Source, TaskInput)>,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// It is the recorded one, and new.
    Matched,
    /// It waits for its record.
    Held,
    /// It is here already, or not needed any more.
    Known,
}

/// Why an input is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Invalid(InvalidInput),
    #[error(transparent)]
    Mismatch(InvalidInput),
    #[error(
        "the input was sealed for epoch {epoch}, but the current epoch is {current}; ask for the worker's key again"
    )]
    WrongEpoch { epoch: u64, current: u64 },
    #[error(
        "{MAX_HELD_PER_TASK} other inputs wait for the record of this task; send this one again when it is recorded"
    )]
    Conflict,
    #[error("this node holds as many inputs without a record as it can; record the task, then send the input again")]
    Busy,
}

/// All tasks that a node knows.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    tasks: BTreeMap<TaskId, Task>,
    /// Open records of each contract by their position.
    queues: BTreeMap<ScAddress, BTreeMap<u64, TaskId>>,
    closed: BTreeMap<u64, TaskId>,
    closed_bytes: usize,
    held: BTreeMap<Source, Usage>,
    held_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    inputs: usize,
    bytes: usize,
}

impl Tasks {
    pub fn get(&self, task: TaskId) -> Option<&Task> {
        self.tasks.get(&task)
    }

    pub fn get_mut(&mut self, task: TaskId) -> Option<&mut Task> {
        self.tasks.get_mut(&task)
    }

    /// Open records of a contract by their position.
    pub fn queue(&self, sc: ScAddress) -> Option<&BTreeMap<u64, TaskId>> {
        self.queues.get(&sc)
    }

    /// Contracts with open records.
    pub fn open_contracts(&self) -> Vec<ScAddress> {
        self.queues.keys().copied().collect()
    }

    /// Open tasks, contract by contract, in their order.
    pub fn open(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.queues.values().flat_map(BTreeMap::values).filter_map(|id| Some((*id, self.tasks.get(id)?)))
    }

    /// The oldest epoch with an open record.
    pub fn oldest_open_epoch(&self) -> Option<u64> {
        self.open().filter_map(|(_, task)| task.recorded.as_ref()).map(|recorded| recorded.record.epoch).min()
    }

    /// Where a task is.
    pub fn state(&self, id: TaskId) -> TaskState {
        let Some(task) = self.tasks.get(&id) else { return TaskState::Unknown };
        match (&task.recorded, task.closed) {
            (None, _) if task.held.is_empty() => TaskState::Unknown,
            (None, _) => TaskState::Submitted,
            (Some(_), Some(Closed { confirmed: true, .. })) => TaskState::Confirmed,
            (Some(_), Some(Closed { confirmed: false, .. })) => TaskState::Expired,
            (Some(_), None) if task.outcome.is_some() => TaskState::Computed,
            (Some(_), None) if task.input.is_some() => TaskState::Queued,
            (Some(_), None) => TaskState::Recorded,
        }
    }

    /// Takes a record. Says whether it is new.
    pub fn record(&mut self, out: &mut Outbox, id: TaskId, recorded: Recorded) -> bool {
        let task = self.tasks.entry(id).or_default();
        if task.recorded.is_some() {
            return false;
        }
        self.queues.entry(recorded.record.sc).or_default().insert(recorded.record.record_index, id);
        out.save(&Key::Record(id), &recorded);
        let inputs_hash = recorded.record.inputs_hash;
        task.recorded = Some(recorded);
        if let Some((source, input)) = task.held.get(&inputs_hash) {
            out.save(&Key::Input(id), input);
            if let Source::Peer(peer) = source {
                task.interested.insert(peer.clone());
            }
            task.input = Some(input.clone());
        }
        self.release(out, id, |_, _| false);
        true
    }

    /// Takes an input. `current` is the current epoch.
    pub fn offer(
        &mut self,
        out: &mut Outbox,
        source: &Source,
        input: TaskInput,
        current: u64,
    ) -> Result<Accepted, Refused> {
        input.validate().map_err(Refused::Invalid)?;
        let id = input.task_id;
        let Some(recorded) = self.tasks.get(&id).and_then(|task| task.recorded.as_ref()) else {
            return self.hold(out, source, input, current);
        };
        input.verify_recorded(recorded.record.inputs_hash).map_err(Refused::Mismatch)?;
        let Some(task) = self.tasks.get_mut(&id) else { return Ok(Accepted::Known) };
        if let Source::Peer(peer) = source
            && task.interested.len() < MAX_INTERESTED_PEERS
        {
            task.interested.insert(peer.clone());
        }
        if task.input.is_some() || task.closed.is_some() {
            return Ok(Accepted::Known);
        }
        out.save(&Key::Input(id), &input);
        task.input = Some(input);
        Ok(Accepted::Matched)
    }

    fn hold(&mut self, out: &mut Outbox, source: &Source, input: TaskInput, current: u64) -> Result<Accepted, Refused> {
        let (id, epoch) = (input.task_id, input.epoch);
        // Ethereum may be a block ahead of this node, never behind: an older epoch gets no new record.
        if epoch != current && epoch != current.saturating_add(1) {
            return Err(Refused::WrongEpoch { epoch, current });
        }
        let hash = input.inputs_hash();
        let held = self.tasks.get(&id).map(|task| &task.held);
        if held.is_some_and(|held| held.contains_key(&hash)) {
            return Ok(Accepted::Known);
        }
        if held.is_some_and(|held| held.len() >= MAX_HELD_PER_TASK) {
            return Err(Refused::Conflict);
        }
        let bytes = input_bytes(&input);
        let usage = self.held.get(source).copied().unwrap_or_default();
        if usage.inputs >= MAX_HELD_PER_SOURCE
            || usage.bytes.saturating_add(bytes) > MAX_HELD_BYTES_PER_SOURCE
            || self.held_bytes.saturating_add(bytes) > MAX_HELD_BYTES
        {
            return Err(Refused::Busy);
        }
        if *source == Source::Clients {
            out.save(&Key::Held(id, hash), &input);
        }
        self.insert_held(source.clone(), hash, input);
        Ok(Accepted::Held)
    }

    fn insert_held(&mut self, source: Source, hash: Hash, input: TaskInput) {
        let bytes = input_bytes(&input);
        let usage = self.held.entry(source.clone()).or_default();
        usage.inputs = usage.inputs.saturating_add(1);
        usage.bytes = usage.bytes.saturating_add(bytes);
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        self.tasks.entry(input.task_id).or_default().held.insert(hash, (source, input));
    }

    /// Drops the held inputs of a task but those that `keep` names.
    fn release(&mut self, out: &mut Outbox, id: TaskId, keep: impl Fn(&Source, &TaskInput) -> bool) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let (held, usage, held_bytes) = (&mut task.held, &mut self.held, &mut self.held_bytes);
        held.retain(|hash, (source, input)| {
            if keep(source, input) {
                return true;
            }
            let bytes = input_bytes(input);
            *held_bytes = held_bytes.saturating_sub(bytes);
            if let Some(entry) = usage.get_mut(source) {
                entry.inputs = entry.inputs.saturating_sub(1);
                entry.bytes = entry.bytes.saturating_sub(bytes);
                if entry.inputs == 0 {
                    usage.remove(source);
                }
            }
            if *source == Source::Clients {
                out.erase(&Key::Held(id, *hash));
            }
            false
        });
        if task.recorded.is_none() && task.held.is_empty() {
            self.tasks.remove(&id);
        }
    }

    fn release_all(&mut self, out: &mut Outbox, keep: impl Fn(&Source, &TaskInput) -> bool) {
        let holding: Vec<_> = self.tasks.iter().filter(|(_, task)| !task.held.is_empty()).map(|(id, _)| *id).collect();
        for id in holding {
            self.release(out, id, &keep);
        }
    }

    /// Drops the held inputs that no record can name any more.
    pub fn epoch_started(&mut self, out: &mut Outbox, epoch: u64) {
        self.release_all(out, |_, input| input.epoch >= epoch);
    }

    /// Drops what was held for a peer.
    pub fn peer_gone(&mut self, out: &mut Outbox, peer: &PeerId) {
        let gone = Source::Peer(peer.clone());
        if self.held.contains_key(&gone) {
            self.release_all(out, |source, _| *source != gone);
        }
    }

    /// Stores a verified outcome.
    pub fn set_outcome(&mut self, out: &mut Outbox, id: TaskId, outcome: Outcome) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if task.outcome.as_ref() == Some(&outcome) {
            return;
        }
        out.save(&Key::Outcome(id), &outcome);
        let (was, is) = (outcome_bytes(task.outcome.as_ref()), outcome_bytes(Some(&outcome)));
        if task.closed.is_some() {
            self.closed_bytes = self.closed_bytes.saturating_sub(was).saturating_add(is);
        }
        task.outcome = Some(outcome);
        self.evict(out);
    }

    /// Closes consecutive records of a contract; gives those that were open.
    pub fn close(&mut self, out: &mut Outbox, sc: ScAddress, first: u64, count: u64, confirmed: bool) -> Vec<TaskId> {
        let Some(queue) = self.queues.get_mut(&sc) else { return Vec::new() };
        // Everything before the first is closed too, should its event have been missed.
        let rest = queue.split_off(&first.saturating_add(count));
        let closed = std::mem::replace(queue, rest);
        if queue.is_empty() {
            self.queues.remove(&sc);
        }
        for id in closed.values() {
            let Some(task) = self.tasks.get_mut(id) else { continue };
            let sequence = self.closed.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
            let closed = Closed { sequence, confirmed };
            task.closed = Some(closed);
            task.interested.clear();
            out.save(&Key::Closed(*id), &closed);
            if task.input.take().is_some() {
                out.erase(&Key::Input(*id));
            }
            self.closed.insert(sequence, *id);
            self.closed_bytes = self.closed_bytes.saturating_add(outcome_bytes(task.outcome.as_ref()));
        }
        self.evict(out);
        closed.into_values().collect()
    }

    /// Forgets the oldest closed tasks beyond the limits.
    fn evict(&mut self, out: &mut Outbox) {
        while self.closed.len() > MAX_CLOSED_TASKS || (self.closed_bytes > MAX_CLOSED_BYTES && self.closed.len() > 1) {
            let Some((_, id)) = self.closed.pop_first() else { return };
            let Some(task) = self.tasks.remove(&id) else { continue };
            self.closed_bytes = self.closed_bytes.saturating_sub(outcome_bytes(task.outcome.as_ref()));
            for key in [Key::Record(id), Key::Closed(id), Key::Outcome(id)] {
                out.erase(&key);
            }
        }
    }

    pub fn restore_record(&mut self, id: TaskId, recorded: Recorded) {
        self.tasks.entry(id).or_default().recorded = Some(recorded);
    }

    pub fn restore_closed(&mut self, id: TaskId, closed: Closed) {
        self.tasks.entry(id).or_default().closed = Some(closed);
    }

    pub fn restore_input(&mut self, input: TaskInput) {
        let task = self.tasks.entry(input.task_id).or_default();
        task.input = Some(input);
    }

    pub fn restore_outcome(&mut self, id: TaskId, outcome: Outcome) {
        self.tasks.entry(id).or_default().outcome = Some(outcome);
    }

    pub fn restore_held(&mut self, input: TaskInput) {
        self.insert_held(Source::Clients, input.inputs_hash(), input);
    }

    /// Rebuilds what follows from the restored tasks.
    pub fn finish_restore(&mut self) {
        for (id, task) in &self.tasks {
            let Some(recorded) = &task.recorded else { continue };
            if let Some(closed) = task.closed {
                self.closed.insert(closed.sequence, *id);
                self.closed_bytes = self.closed_bytes.saturating_add(outcome_bytes(task.outcome.as_ref()));
            } else {
                self.queues.entry(recorded.record.sc).or_default().insert(recorded.record.record_index, *id);
            }
        }
    }
}

/// Checks everything about an outcome that can be checked without keys.
pub(crate) fn verify_outcome(domain: &Domain, recorded: &Recorded, outcome: &Outcome) -> Result<(), &'static str> {
    let (record, receipt) = (&recorded.record, &outcome.receipt);
    let worker = recorded.worker.ok_or("the worker of its record is not known here")?;
    let same = receipt.task_id == record.task_id(domain)
        && receipt.sc == record.sc
        && receipt.record_index == record.record_index
        && receipt.epoch == record.epoch
        && receipt.inputs_hash == record.inputs_hash
        && receipt.rank == 0;
    if !same {
        return Err("its receipt is for another record");
    }
    if keccak256(&outcome.encrypted_output) != receipt.output_hash {
        return Err("its output is not the one in the receipt");
    }
    receipt.verify(domain, &outcome.signature, worker).map_err(|_| "the selected worker did not sign it")
}

fn input_bytes(input: &TaskInput) -> usize {
    [&input.encrypted_fn, &input.encrypted_args, &input.user_dh_key]
        .into_iter()
        .chain(&input.pre_code)
        .fold(0, |sum, field| sum.saturating_add(field.len()))
}

fn outcome_bytes(outcome: Option<&Outcome>) -> usize {
    outcome.map_or(0, |outcome| outcome.encrypted_output.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_protocol::{Address, record::Record};

    const DOMAIN: Domain = Domain { chain_id: 1, enigma: Address([1; 20]) };

    fn recorded(number: u64) -> (TaskId, Recorded) {
        let record = Record {
            sc: ScAddress([1; 32]),
            sender: Address([2; 20]),
            sender_nonce: number,
            inputs_hash: Hash([3; 32]),
            timestamp: 1,
            prevrandao: Hash::ZERO,
            inlined: false,
            gas_limit: 10_000,
            gas_price: 1,
            value: 0,
            call_gas: 0,
            epoch: 1,
            block_number: number,
            due: number,
            record_index: number,
        };
        let id = record.task_id(&DOMAIN);
        (id, Recorded { record, pre_code_hash: Hash::ZERO, entry: number, worker: None })
    }

    fn input(task: u8, bytes: usize) -> TaskInput {
        TaskInput {
            task_id: TaskId([task; 32]),
            sc: ScAddress([1; 32]),
            epoch: 1,
            suite: 1,
            encrypted_fn: vec![],
            encrypted_args: vec![task; bytes],
            user_dh_key: vec![0; 32],
            pre_code: None,
        }
    }

    #[test]
    fn the_oldest_closed_tasks_are_forgotten() {
        let (mut out, mut tasks) = (Outbox::default(), Tasks::default());
        let extra = 5;
        for number in 0..MAX_CLOSED_TASKS as u64 + extra {
            let (id, record) = recorded(number);
            assert!(tasks.record(&mut out, id, record.clone()));
            assert!(!tasks.record(&mut out, id, record), "a repeated record is no news");
            assert_eq!(tasks.close(&mut out, ScAddress([1; 32]), number, 1, true), [id]);
        }
        assert_eq!(tasks.tasks.len(), MAX_CLOSED_TASKS);
        for number in 0..extra {
            assert_eq!(tasks.state(recorded(number).0), TaskState::Unknown);
        }
        assert_eq!(tasks.state(recorded(extra).0), TaskState::Confirmed);
        assert!(tasks.queues.is_empty());
    }

    #[test]
    fn held_inputs_are_bounded_for_each_source_and_released() {
        let (mut out, mut tasks) = (Outbox::default(), Tasks::default());
        let peer = |name: u8| Source::Peer(PeerId(vec![name]));
        let size = 1 << 18;
        let mut accepted = 0;
        for task in 0..100 {
            match tasks.offer(&mut out, &peer(1), input(task, size), 1) {
                Ok(Accepted::Held) => accepted += 1,
                other => assert_eq!(other, Err(Refused::Busy)),
            }
        }
        assert_eq!(accepted, MAX_HELD_BYTES_PER_SOURCE / size - 1, "32 bytes of each are its key");
        assert_eq!(tasks.offer(&mut out, &peer(2), input(0, size), 1), Ok(Accepted::Known));
        assert_eq!(tasks.offer(&mut out, &peer(2), input(200, size), 1), Ok(Accepted::Held));
        tasks.peer_gone(&mut out, &PeerId(vec![1]));
        assert_eq!((tasks.tasks.len(), tasks.held.len()), (1, 1));
        tasks.epoch_started(&mut out, 2);
        assert_eq!((tasks.tasks.len(), tasks.held.len(), tasks.held_bytes), (0, 0, 0));
    }
}
