//! The key manager's host part: tells its core of Ethereum, carries workers' requests for keys, starts epochs.
//!
//! A request is answered only after the core was told every block that this node had followed when the request came, so that
//! evidence with a fresh block hash is not refused. An epoch is asked for until Ethereum has it; the core sees to it that it
//! has one seed, however often and with whatever block hash it is asked.

use crate::{
    interface::{CallId, Event, LedgerCall, LedgerCallError, PeerId, RequestId, Timestamp},
    limits::{
        CORE_TIMEOUT_MS, DEPLOYED_PAGE, MAX_BLOCK_HASHES, MAX_PENDING_PTT, MAX_PENDING_PTT_PER_PEER, MAX_PTT_BYTES,
        SUBMIT_TIMEOUT_MS,
    },
    message::Message,
    outbox::{Timer, backoff_ms},
    saved::Key,
    shared::{Change, CoreFailure, Shared, core_result},
};
use enigma_protocol::{
    Address, Hash, ScAddress,
    ipc::{EpochInput, EpochResult, LedgerViewInput, PttRequestResult, ReplyFrame, Request, Response, WorkerJson},
    json::{Hex, Hex0x, U64, U128},
    selection::{EpochParameters, WorkerStake},
    signature::Signature,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// State of the key manager role.
#[derive(Debug)]
pub(crate) struct KeyManager {
    signer: Address,
    core_connected: bool,
    asked: BTreeMap<RequestId, Ask>,
    deployed: BTreeSet<ScAddress>,
    /// Hashes of recent blocks, newest last.
    hashes: VecDeque<Hash>,
    view: View,
    questions: BTreeMap<u64, Question>,
    epoch_step: EpochStep,
    epoch_attempts: u32,
}

/// What the core knows of Ethereum.
#[derive(Debug, Default)]
struct View {
    /// Deployed contracts it was not told of.
    unreported: BTreeSet<ScAddress>,
    /// The newest block it was told of.
    told: Option<u64>,
    /// The newest block of which it was told everything.
    complete: Option<u64>,
    step: ViewStep,
    attempts: u32,
}

#[derive(Debug, Default)]
enum ViewStep {
    #[default]
    Idle,
    Asked {
        request: RequestId,
        block: u64,
        page: Vec<ScAddress>,
    },
    Waiting(Timestamp),
}

/// A worker's request for keys.
#[derive(Debug)]
struct Question {
    peer: PeerId,
    id: u64,
    request: PttRequestResult,
    /// The newest block when it came.
    block: u64,
    asked: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum EpochStep {
    #[default]
    Idle,
    Signing(RequestId),
    Submitted(CallId, Timestamp),
    Waiting(Timestamp),
}

#[derive(Clone, Copy, Debug)]
enum Ask {
    View,
    Answer(u64),
    Epoch,
}

impl Ask {
    fn name(self) -> &'static str {
        match self {
            Self::View => "SetLedgerView",
            Self::Answer(_) => "AnswerPTTRequest",
            Self::Epoch => "SignEpoch",
        }
    }
}

impl KeyManager {
    pub fn new(signer: Address) -> Self {
        Self {
            signer,
            core_connected: false,
            asked: BTreeMap::new(),
            deployed: BTreeSet::new(),
            hashes: VecDeque::new(),
            view: View::default(),
            questions: BTreeMap::new(),
            epoch_step: EpochStep::Idle,
            epoch_attempts: 0,
        }
    }

    pub fn restore_deployed(&mut self, sc: ScAddress) {
        self.deployed.insert(sc);
    }

    pub fn restore_newest(&mut self, hash: Hash) {
        self.hashes.push_back(hash);
    }

    pub fn core_connected(&mut self, shared: &mut Shared) {
        self.forget_core();
        self.core_connected = true;
        shared.out.report(Event::CoreConnected);
        self.step(shared);
    }

    pub fn core_lost(&mut self, shared: &mut Shared) {
        self.forget_core();
        shared.out.report(Event::CoreLost);
    }

    /// A core that comes back is told everything anew.
    fn forget_core(&mut self) {
        self.core_connected = false;
        self.asked.clear();
        self.view = View { unreported: self.deployed.clone(), ..View::default() };
        for question in self.questions.values_mut() {
            question.asked = false;
        }
        if matches!(self.epoch_step, EpochStep::Signing(_)) {
            self.epoch_step = EpochStep::Idle;
        }
    }

    fn ask(&mut self, shared: &mut Shared, ask: Ask, request: Request) -> RequestId {
        let id = shared.out.ask_core(request);
        self.asked.insert(id, ask);
        shared.out.wake_in(CORE_TIMEOUT_MS, Timer::CoreRequest(id));
        id
    }

    pub fn core(&mut self, shared: &mut Shared, id: RequestId, frame: ReplyFrame) {
        self.answered(shared, id, core_result(frame));
    }

    fn answered(&mut self, shared: &mut Shared, id: RequestId, result: Result<Response, CoreFailure>) {
        let Some(ask) = self.asked.remove(&id) else { return };
        if let Err(failure) = &result {
            shared.out.report(failure.event(ask.name()));
        }
        match ask {
            Ask::View => self.view_set(shared, id, result),
            Ask::Answer(question) => self.keys_given(shared, question, result),
            Ask::Epoch => self.epoch_signed(shared, id, result),
        }
        self.step(shared);
    }

    pub fn changed(&mut self, shared: &mut Shared, change: &Change) {
        match change {
            Change::Deployed(sc) => {
                if self.deployed.insert(*sc) {
                    shared.out.save(&Key::Deployed(*sc), &());
                    self.view.unreported.insert(*sc);
                }
            }
            Change::EpochStarted => {
                self.epoch_step = EpochStep::Idle;
                self.epoch_attempts = 0;
            }
            Change::Recorded(_) | Change::Closed(_) => {}
        }
    }

    pub fn block_followed(&mut self, shared: &mut Shared) {
        if let Some(newest) = shared.ledger.newest {
            self.hashes.push_back(newest.hash);
        }
        while self.hashes.len() > MAX_BLOCK_HASHES {
            self.hashes.pop_front();
        }
        self.step(shared);
    }

    pub fn peer_gone(&mut self, peer: &PeerId) {
        self.questions.retain(|_, question| question.peer != *peer);
    }

    pub fn message(&mut self, shared: &mut Shared, peer: &PeerId, message: Message) {
        match message {
            Message::PttRequest { id, request, worker_sig } => {
                let request = PttRequestResult { request: Hex(request), worker_sig: Hex(worker_sig) };
                self.question(shared, peer, id, request);
            }
            Message::KeyRequest(request) => {
                let result = Err("this node does not compute".into());
                shared.out.send(peer, Message::KeyReply { id: request.id, result });
            }
            Message::Hello(_)
            | Message::KeyReply { .. }
            | Message::Input(_)
            | Message::Outcome(_)
            | Message::GetOutcome { .. }
            | Message::PttReply { .. } => shared.ignore(peer, "a key manager has no use for this message"),
        }
    }

    fn question(&mut self, shared: &mut Shared, peer: &PeerId, id: u64, request: PttRequestResult) {
        let of_peer = self.questions.values().filter(|question| question.peer == *peer).count();
        if self.questions.len() >= MAX_PENDING_PTT || of_peer >= MAX_PENDING_PTT_PER_PEER {
            let result = Err("too many requests are waiting".into());
            return shared.out.send(peer, Message::PttReply { id, result });
        }
        let block = shared.ledger.newest.map_or(0, |newest| newest.number);
        let number = shared.out.id();
        self.questions.insert(number, Question { peer: peer.clone(), id, request, block, asked: false });
        shared.out.wake_in(CORE_TIMEOUT_MS, Timer::KeyRequest(number));
        self.step(shared);
    }

    pub fn ledger_call(&mut self, shared: &mut Shared, call: CallId, result: Result<(), LedgerCallError>) {
        let Err(error) = result else {
            // The event tells that the epoch has started.
            return;
        };
        if matches!(self.epoch_step, EpochStep::Submitted(submitted, _) if submitted == call) {
            shared.out.report(Event::CallFailed { call: "startEpoch", error });
            self.epoch_wait(shared);
        }
    }

    pub fn fire(&mut self, shared: &mut Shared, timer: Timer) {
        match timer {
            Timer::CoreRequest(id) => self.answered(shared, id, Err(CoreFailure::timeout())),
            Timer::KeyRequest(number) => {
                self.finish_question(shared, number, Err("the key manager did not answer in time".into()));
            }
            Timer::Manager => self.step(shared),
            Timer::Contract(_) | Timer::KeyExchange | Timer::Resend(_) => {}
        }
    }

    /// Does what can be done now: first the view, then what depends on it.
    fn step(&mut self, shared: &mut Shared) {
        if !self.core_connected {
            return;
        }
        self.step_view(shared);
        self.step_questions(shared);
        self.step_epoch(shared);
    }

    fn step_view(&mut self, shared: &mut Shared) {
        let Some(newest) = shared.ledger.newest else { return };
        match self.view.step {
            ViewStep::Idle => {}
            ViewStep::Waiting(until) if until <= shared.out.now => {}
            ViewStep::Waiting(_) | ViewStep::Asked { .. } => return,
        }
        if self.view.told == Some(newest.number) && self.view.unreported.is_empty() {
            return;
        }
        let page: Vec<ScAddress> = self.view.unreported.iter().take(DEPLOYED_PAGE).copied().collect();
        let epoch = shared.ledger.current();
        let input = LedgerViewInput {
            block_number: U64(newest.number),
            block_hashes: self.hashes.iter().copied().map(Hex0x).collect(),
            epoch: U64(epoch.map_or(0, |epoch| epoch.parameters.epoch)),
            seed: Hex0x(epoch.map_or(Hash::ZERO, |epoch| epoch.parameters.seed)),
            workers: epoch.map(|epoch| workers_json(&epoch.workers)).unwrap_or_default(),
            deployed: page.iter().copied().map(Hex).collect(),
        };
        let request = self.ask(shared, Ask::View, Request::SetLedgerView { input });
        self.view.step = ViewStep::Asked { request, block: newest.number, page };
    }

    fn view_set(&mut self, shared: &mut Shared, id: RequestId, result: Result<Response, CoreFailure>) {
        let (block, page) = match std::mem::take(&mut self.view.step) {
            ViewStep::Asked { request, block, page } if request == id => (block, page),
            other => {
                self.view.step = other;
                return;
            }
        };
        match result {
            Ok(Response::SetLedgerView { .. }) => {
                self.view.attempts = 0;
                self.view.told = Some(block);
                for sc in &page {
                    self.view.unreported.remove(sc);
                }
                if page.len() < DEPLOYED_PAGE || self.view.unreported.is_empty() {
                    self.view.complete = Some(block);
                }
                return;
            }
            Ok(_) => shared.report_unexpected("SetLedgerView", "it is no view"),
            Err(_) => {}
        }
        self.view.attempts = self.view.attempts.saturating_add(1);
        let until = shared.out.wake_in(backoff_ms(self.view.attempts), Timer::Manager);
        self.view.step = ViewStep::Waiting(until);
    }

    fn step_questions(&mut self, shared: &mut Shared) {
        let Some(complete) = self.view.complete else { return };
        let ready: Vec<(u64, PttRequestResult)> = self
            .questions
            .iter()
            .filter(|(_, question)| !question.asked && question.block <= complete)
            .map(|(number, question)| (*number, question.request.clone()))
            .collect();
        for (number, input) in ready {
            self.ask(shared, Ask::Answer(number), Request::AnswerPTTRequest { input });
            if let Some(question) = self.questions.get_mut(&number) {
                question.asked = true;
            }
        }
    }

    fn keys_given(&mut self, shared: &mut Shared, number: u64, result: Result<Response, CoreFailure>) {
        let result = match result {
            Ok(Response::AnswerPTTRequest { result }) if result.response.0.len() <= MAX_PTT_BYTES => {
                Ok(result.response.0)
            }
            Ok(_) => Err("the key manager's enclave gave no answer".into()),
            Err(failure) => Err(failure.message),
        };
        self.finish_question(shared, number, result);
    }

    fn finish_question(&mut self, shared: &mut Shared, number: u64, result: Result<Vec<u8>, String>) {
        if let Some(question) = self.questions.remove(&number) {
            shared.out.send(&question.peer, Message::PttReply { id: question.id, result });
        }
    }

    fn step_epoch(&mut self, shared: &mut Shared) {
        match self.epoch_step {
            EpochStep::Idle => {}
            EpochStep::Waiting(until) | EpochStep::Submitted(_, until) if until <= shared.out.now => {}
            EpochStep::Waiting(_) | EpochStep::Submitted(..) | EpochStep::Signing(_) => return,
        }
        let newest = shared.ledger.newest.map(|newest| newest.number);
        // The core signs only on top of what it was told.
        if newest.is_none() || self.view.complete != newest {
            return;
        }
        let Some(input) = next_epoch(shared) else { return };
        let request = self.ask(shared, Ask::Epoch, Request::SignEpoch { input });
        self.epoch_step = EpochStep::Signing(request);
    }

    fn epoch_signed(&mut self, shared: &mut Shared, id: RequestId, result: Result<Response, CoreFailure>) {
        if self.epoch_step != EpochStep::Signing(id) {
            return;
        }
        match result {
            Ok(Response::SignEpoch { result }) => match self.checked(shared, &result) {
                Some((parameters, signature)) => {
                    let call = shared.out.submit(LedgerCall::StartEpoch { parameters, signatures: vec![signature] });
                    let until = shared.out.wake_in(SUBMIT_TIMEOUT_MS, Timer::Manager);
                    self.epoch_step = EpochStep::Submitted(call, until);
                    return;
                }
                None => shared.report_unexpected("SignEpoch", "it is not signed, or not the epoch asked for"),
            },
            Ok(_) => shared.report_unexpected("SignEpoch", "it is no epoch"),
            Err(_) => {}
        }
        self.epoch_wait(shared);
    }

    /// The epoch in a reply, if Ethereum will take it. A core that signed this epoch before repeats what it signed then.
    fn checked(&self, shared: &Shared, result: &EpochResult) -> Option<(EpochParameters, Signature)> {
        let parameters = EpochParameters {
            epoch: result.epoch.0,
            seed: result.seed.0,
            workers_root: result.workers_root.0,
            total_stake: result.total_stake.0,
        };
        let is_next = parameters.epoch == shared.ledger.epoch().saturating_add(1);
        let signature = result.signature.0;
        signature.verify(parameters.digest(&shared.config.domain), self.signer).ok().filter(|()| is_next)?;
        Some((parameters, signature))
    }

    fn epoch_wait(&mut self, shared: &mut Shared) {
        self.epoch_attempts = self.epoch_attempts.saturating_add(1);
        let until = shared.out.wake_in(backoff_ms(self.epoch_attempts), Timer::Manager);
        self.epoch_step = EpochStep::Waiting(until);
    }
}

/// The next epoch, when it is time for it.
fn next_epoch(shared: &Shared) -> Option<EpochInput> {
    let newest = shared.ledger.newest?;
    let workers = match shared.ledger.current() {
        None => shared.ledger.workers(),
        Some(current) => {
            if newest.number < current.first_block.saturating_add(shared.config.epoch_length_blocks) {
                return None;
            }
            // Fixed before the block hash that goes into the seed was known.
            shared.ledger.workers_before_newest()
        }
    };
    let epoch = U64(shared.ledger.epoch().saturating_add(1));
    let input = EpochInput { epoch, block_hash: Hex0x(newest.hash), workers: workers_json(&workers) };
    (!workers.is_empty()).then_some(input)
}

fn workers_json(workers: &[WorkerStake]) -> Vec<WorkerJson> {
    workers.iter().map(|worker| WorkerJson { signer: Hex0x(worker.signer), stake: U128(worker.stake) }).collect()
}
