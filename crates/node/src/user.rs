//! The user node: carries keys, inputs and outcomes between clients and workers.

use crate::{
    interface::{ClientId, Event, PeerId},
    limits::{ASK_OUTCOME_MS, KEY_TIMEOUT_MS, MAX_CACHED_KEYS, MAX_EVIDENCE_BYTES, MAX_PENDING_KEYS, RESEND_MS},
    message::{Hello, InputKey, KeyRequest, Message, Outcome, plain_text},
    outbox::Timer,
    rpc_api::{error, worker_key},
    shared::{Change, Shared, is_worker},
    tasks::verify_outcome,
};
use enigma_protocol::{
    ScAddress, TaskId,
    ipc::input_key_message,
    rpc::{WorkerKeyParams, codes},
    selection::SelectionProof,
    signature::Purpose,
    task::SUITE_X25519,
};
use std::collections::{BTreeMap, BTreeSet};

/// State of the user role.
#[derive(Debug, Default)]
pub(crate) struct User {
    pending: BTreeMap<u64, PendingKey>,
    /// Keys that no user key was bound to, by epoch and contract; the input key of an epoch never changes.
    cached: BTreeMap<(u64, ScAddress), InputKey>,
}

#[derive(Debug)]
struct PendingKey {
    client: ClientId,
    sc: ScAddress,
    epoch: u64,
    user_pub_key: Vec<u8>,
    selection: SelectionProof,
    /// Peers that have not answered yet.
    waiting: BTreeSet<PeerId>,
}

impl User {
    pub fn started(&mut self, shared: &mut Shared) {
        let unanswered: Vec<_> =
            shared.tasks.open().filter(|(_, task)| task.outcome.is_none()).map(|(id, _)| id).collect();
        for id in unanswered {
            shared.out.wake_in(RESEND_MS, Timer::Resend(id));
        }
    }

    pub fn changed(&mut self, shared: &mut Shared, change: &Change) {
        match change {
            Change::Recorded(id) => self.matched(shared, *id),
            Change::EpochStarted => {
                let current = shared.ledger.epoch();
                self.cached.retain(|(epoch, _), _| *epoch >= current);
            }
            Change::Closed(_) | Change::Deployed(_) => {}
        }
    }

    /// Sends an input to its worker, if record and input are there, and does so again until there is an outcome.
    pub fn matched(&mut self, shared: &mut Shared, id: TaskId) {
        let Some(task) = shared.tasks.get(id) else { return };
        let (Some(recorded), Some(input), None, None) = (&task.recorded, &task.input, &task.outcome, task.closed)
        else {
            return;
        };
        let Some(worker) = recorded.worker else { return };
        let message = Message::Input(input.clone());
        for peer in shared.workers_named(worker) {
            shared.out.send(&peer, message.clone());
        }
        shared.out.wake_in(RESEND_MS, Timer::Resend(id));
    }

    /// A peer has introduced itself: a worker gets what waits for it.
    pub fn hello(&mut self, shared: &mut Shared, peer: &PeerId, hello: &Hello) {
        let inputs: Vec<_> = shared
            .tasks
            .open()
            .filter(|(_, task)| task.outcome.is_none())
            .filter(|(_, task)| {
                let worker = task.recorded.as_ref().and_then(|recorded| recorded.worker);
                worker.is_some_and(|worker| is_worker(hello, worker))
            })
            .filter_map(|(_, task)| task.input.clone())
            .collect();
        for input in inputs {
            shared.out.send(peer, Message::Input(input));
        }
    }

    pub fn peer_gone(&mut self, shared: &mut Shared, peer: &PeerId) {
        let asked: Vec<u64> =
            self.pending.iter_mut().filter_map(|(id, key)| key.waiting.remove(peer).then_some(*id)).collect();
        for id in asked {
            self.fail_unless_waiting(shared, id, "the connection to the worker was lost");
        }
    }

    pub fn message(&mut self, shared: &mut Shared, peer: &PeerId, message: Message) {
        match message {
            Message::KeyReply { id, result } => self.key_reply(shared, peer, id, result),
            Message::Outcome(outcome) => self.outcome(shared, outcome),
            Message::GetOutcome { task_id } => {
                let outcome = shared.tasks.get(task_id).and_then(|task| task.outcome.clone());
                if let Some(outcome) = outcome {
                    shared.out.send(peer, Message::Outcome(outcome));
                }
            }
            Message::KeyRequest(KeyRequest { id, .. }) => {
                shared.out.send(peer, Message::KeyReply { id, result: Err("this node has no enclave".into()) });
            }
            Message::PttRequest { id, .. } => {
                shared.out.send(peer, Message::PttReply { id, result: Err("this node manages no keys".into()) });
            }
            Message::Input(_) | Message::PttReply { .. } | Message::Hello(_) => {
                shared.ignore(peer, "a user node has no use for this message");
            }
        }
    }

    /// Gives a client the key of the worker that a contract has now.
    pub fn client_key(&mut self, shared: &mut Shared, client: ClientId, params: WorkerKeyParams) {
        let (sc, epoch, user_pub_key) = (params.sc.0, params.epoch.0, params.user_pub_key.0);
        let selection = match crate::rpc_api::select(shared, sc, epoch, &user_pub_key) {
            Ok(selection) => selection,
            Err(refusal) => return shared.out.reply(client, Err(refusal)),
        };
        if let Some(key) = self.cached.get(&(epoch, sc)).filter(|_| user_pub_key.is_empty()) {
            return shared.out.reply(client, Ok(worker_key(sc, epoch, key.clone(), selection)));
        }
        let peers = shared.workers_named(selection.worker.signer);
        if peers.is_empty() {
            let text = format!(
                "the worker {} of this contract is not connected to this node; try again later",
                selection.worker.signer
            );
            return shared.out.reply(client, Err(error(codes::WORKER_OFFLINE, text)));
        }
        if self.pending.len() >= MAX_PENDING_KEYS {
            let text = "too many requests for keys are waiting; try again in a few seconds";
            return shared.out.reply(client, Err(error(codes::BUSY, text)));
        }
        let id = shared.out.id();
        for peer in &peers {
            let request = KeyRequest { id, sc, epoch, user_pub_key: user_pub_key.clone() };
            shared.out.send(peer, Message::KeyRequest(request));
        }
        shared.out.wake_in(KEY_TIMEOUT_MS, Timer::KeyRequest(id));
        let waiting = peers.into_iter().collect();
        self.pending.insert(id, PendingKey { client, sc, epoch, user_pub_key, selection, waiting });
    }

    fn key_reply(&mut self, shared: &mut Shared, peer: &PeerId, id: u64, result: Result<InputKey, String>) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        if !pending.waiting.remove(peer) {
            return;
        }
        let key = match result {
            Ok(key) => key,
            Err(text) => {
                let text = format!("the worker has no key to give: {}", plain_text(&text));
                return self.fail_unless_waiting(shared, id, &text);
            }
        };
        if !is_signed(shared, pending, &key) {
            shared.ignore(peer, "its input key is not signed by the selected worker");
            return self.fail_unless_waiting(shared, id, "the peer that answered is not the worker");
        }
        let Some(PendingKey { client, sc, epoch, user_pub_key, selection, .. }) = self.pending.remove(&id) else {
            return;
        };
        if user_pub_key.is_empty() && epoch >= shared.ledger.epoch() {
            if self.cached.len() >= MAX_CACHED_KEYS {
                self.cached.pop_first();
            }
            self.cached.insert((epoch, sc), key.clone());
        }
        shared.out.reply(client, Ok(worker_key(sc, epoch, key, selection)));
    }

    fn fail_unless_waiting(&mut self, shared: &mut Shared, id: u64, text: &str) {
        if self.pending.get(&id).is_none_or(|pending| !pending.waiting.is_empty()) {
            return;
        }
        if let Some(pending) = self.pending.remove(&id) {
            let text = format!("{text}; try again later");
            shared.out.reply(pending.client, Err(error(codes::WORKER_OFFLINE, text)));
        }
    }

    fn outcome(&mut self, shared: &mut Shared, outcome: Outcome) {
        let id = outcome.receipt.task_id;
        // An outcome of a record that is not visible here yet is asked for again when somebody wants it.
        let Some(task) = shared.tasks.get(id) else { return };
        let Some(recorded) = &task.recorded else { return };
        if task.outcome.is_some() {
            return;
        }
        match verify_outcome(&shared.config.domain, recorded, &outcome) {
            Ok(()) => {
                let status = outcome.receipt.status;
                shared.tasks.set_outcome(&mut shared.out, id, outcome);
                shared.out.report(Event::TaskComputed { task_id: id, status });
            }
            Err(reason) => shared.out.report(Event::OutcomeRefused { task_id: id, reason }),
        }
    }

    /// Asks the worker for an outcome that a client wants, now and then.
    pub fn ask_outcome(&mut self, shared: &mut Shared, id: TaskId) {
        let now = shared.out.now;
        let Some(task) = shared.tasks.get_mut(id).filter(|task| task.outcome.is_none()) else { return };
        let Some(worker) = task.recorded.as_ref().and_then(|recorded| recorded.worker) else { return };
        if task.asked_at.is_some_and(|asked| now.saturating_sub(asked) < ASK_OUTCOME_MS) {
            return;
        }
        task.asked_at = Some(now);
        for peer in shared.workers_named(worker) {
            shared.out.send(&peer, Message::GetOutcome { task_id: id });
        }
    }

    pub fn fire(&mut self, shared: &mut Shared, timer: Timer) {
        match timer {
            Timer::Resend(id) => self.matched(shared, id),
            Timer::KeyRequest(id) => {
                if let Some(pending) = self.pending.remove(&id) {
                    let text = "the worker of this contract did not answer; try again later";
                    shared.out.reply(pending.client, Err(error(codes::WORKER_OFFLINE, text)));
                }
            }
            Timer::Contract(_) | Timer::KeyExchange | Timer::CoreRequest(_) | Timer::Manager => {}
        }
    }
}

fn is_signed(shared: &Shared, pending: &PendingKey, key: &InputKey) -> bool {
    let PendingKey { sc, epoch, user_pub_key, selection, .. } = pending;
    let (public_key, evidence) = (&key.worker_encryption_key, &key.evidence);
    let message = input_key_message(*sc, *epoch, SUITE_X25519, public_key, evidence, user_pub_key);
    let digest = Purpose::InputKey.digest(&shared.config.domain, *epoch, &message);
    let signer = selection.worker.signer;
    key.evidence.len() <= MAX_EVIDENCE_BYTES && key.signer == signer && key.worker_sig.verify(digest, signer).is_ok()
}
