//! Collects what one input leads to: writes first and as one, then the effects in order, then the next wake-up.

use crate::{
    interface::{CallId, ClientId, Event, LedgerCall, Output, PeerId, RequestId, Timestamp},
    limits::{RETRY_FIRST_MS, RETRY_LONGEST_MS},
    message::Message,
    saved::Key,
};
use borsh::BorshSerialize;
use enigma_protocol::{ScAddress, TaskId, ipc, rpc};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Why the mind wants to be woken. A timer that is no longer of use does nothing when it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Worker: look at the queue and the batch of a contract.
    Contract(ScAddress),
    /// Worker: look at the key exchange.
    KeyExchange,
    /// A request to the core has taken too long.
    CoreRequest(RequestId),
    /// A request for an input key has waited too long.
    KeyRequest(u64),
    /// User: an input may have been lost.
    Resend(TaskId),
    /// Key manager: look at view and epoch.
    Manager,
}

/// What one input leads to.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The time of the input being handled.
    pub now: Timestamp,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    effects: Vec<Output>,
    ready: VecDeque<Output>,
    timers: BTreeSet<(Timestamp, Timer)>,
    armed: Option<Timestamp>,
    last_id: u64,
}

impl Outbox {
    pub fn save(&mut self, key: &Key, value: &impl BorshSerialize) {
        self.writes.insert(key.to_bytes(), Some(crate::saved::encode(value)));
    }

    pub fn erase(&mut self, key: &Key) {
        self.writes.insert(key.to_bytes(), None);
    }

    /// An id that this run has not used yet.
    pub fn id(&mut self) -> u64 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    pub fn submit(&mut self, call: LedgerCall) -> CallId {
        let id = CallId(self.id());
        self.effects.push(Output::Submit(id, call));
        id
    }

    pub fn ask_core(&mut self, request: ipc::Request) -> RequestId {
        let id = RequestId(self.id());
        self.effects.push(Output::AskCore(id, request));
        id
    }

    pub fn send(&mut self, peer: &PeerId, message: Message) {
        self.effects.push(Output::Send(peer.clone(), message));
    }

    pub fn reply(&mut self, client: ClientId, result: Result<rpc::Response, rpc::RpcError>) {
        self.effects.push(Output::Reply(client, result));
    }

    pub fn report(&mut self, event: Event) {
        self.effects.push(Output::Report(event));
    }

    /// Fires `timer` at `at`, in the future at any rate, so that no timer loops.
    pub fn wake_at(&mut self, at: Timestamp, timer: Timer) {
        self.timers.insert((at.max(self.now.saturating_add(1)), timer));
    }

    pub fn wake_in(&mut self, wait_ms: u64, timer: Timer) -> Timestamp {
        let at = self.now.saturating_add(wait_ms.max(1));
        self.wake_at(at, timer);
        at
    }

    /// The wake-up asked for was given, be it early.
    pub fn woken(&mut self) {
        self.armed = None;
    }

    /// The next timer whose time has come.
    pub fn due(&mut self) -> Option<Timer> {
        let (at, timer) = *self.timers.first()?;
        if at > self.now {
            return None;
        }
        self.timers.pop_first();
        Some(timer)
    }

    /// Makes what was collected ready to be performed.
    pub fn flush(&mut self) {
        if !self.writes.is_empty() {
            self.ready.push_back(Output::Persist(std::mem::take(&mut self.writes).into_iter().collect()));
        }
        self.ready.extend(self.effects.drain(..));
        let next = self.timers.first().map(|(at, _)| *at);
        if let Some(at) = next.filter(|at| self.armed != Some(*at)) {
            self.ready.push_back(Output::WakeAt(at));
        }
        self.armed = next;
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.ready.pop_front()
    }
}

/// How long to wait before attempt number `attempts` (from 1) is repeated.
pub(crate) fn backoff_ms(attempts: u32) -> u64 {
    let doublings = attempts.saturating_sub(1).min(16);
    RETRY_FIRST_MS.saturating_mul(1 << doublings).min(RETRY_LONGEST_MS)
}
