//! The worker's host part: executes the records of its contracts in their order and closes them on Ethereum.
//!
//! The core decides nothing about order or time by itself and is asked for one record of a contract at a time. What it
//! answers is stored before anybody hears of it; whatever is lost on the way is asked for again, because the core
//! recognises a record and repeats its answer.

mod batch;
mod exchange;
mod input_keys;

use crate::{
    interface::{CallId, ClientId, Event, LedgerCallError, PeerId, RequestId, Timestamp},
    limits::{CORE_TIMEOUT_MS, REFUSED_RETRY_MS},
    message::{Hello, Message, Outcome, PeerRole},
    outbox::{Timer, backoff_ms},
    rpc_api::error,
    saved::Recorded,
    shared::{Change, CoreFailure, Shared, core_result},
    tasks::{Accepted, Source, Task, verify_outcome},
};
use batch::Batch;
use enigma_protocol::{
    Address, ScAddress, TaskId,
    ipc::{ComputeInput, DeployInput, ReplyFrame, Request, Response},
    json::{ByteArray, Hex, RecordJson, U64},
    receipt::Receipt,
    rpc::{WorkerKeyParams, codes},
    task::TaskInput,
};
use exchange::KeyExchange;
use input_keys::{Asker, Questions};
use std::collections::BTreeMap;

/// State of the worker role.
#[derive(Debug)]
pub(crate) struct Worker {
    signer: Address,
    core_connected: bool,
    asked: BTreeMap<RequestId, Ask>,
    lines: BTreeMap<ScAddress, Line>,
    exchange: KeyExchange,
    questions: Questions,
}

/// What the core was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Execute { sc: ScAddress, index: u64, task: TaskId },
    SignBatch(ScAddress),
    PttRequest,
    PttResponse,
    InputKey(u64),
}

impl Ask {
    fn name(self) -> &'static str {
        match self {
            Self::Execute { .. } => "ComputeTask",
            Self::SignBatch(_) => "SignBatch",
            Self::PttRequest => "GetPTTRequest",
            Self::PttResponse => "PTTResponse",
            Self::InputKey(_) => "NewTaskEncryptionKey",
        }
    }
}

/// One contract's way through its queue.
#[derive(Debug, Default)]
struct Line {
    /// Position from which on records are not executed yet.
    next: u64,
    run: Run,
    /// Attempts since the last new outcome.
    attempts: u32,
    batch: Batch,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Run {
    #[default]
    Idle,
    /// The core works.
    Asked(RequestId),
    /// The core has no key for the contract in this epoch.
    NeedsKey(u64),
    /// After a failure.
    Waiting(Timestamp),
}

impl Worker {
    pub fn new(signer: Address) -> Self {
        Self {
            signer,
            core_connected: false,
            asked: BTreeMap::new(),
            lines: BTreeMap::new(),
            exchange: KeyExchange::default(),
            questions: Questions::default(),
        }
    }

    pub fn core_connected(&mut self, shared: &mut Shared) {
        self.forget_core();
        self.core_connected = true;
        shared.out.report(Event::CoreConnected);
        for sc in shared.tasks.open_contracts() {
            self.advance(shared, sc);
        }
        self.serve_all(shared);
    }

    pub fn core_lost(&mut self, shared: &mut Shared) {
        self.forget_core();
        shared.out.report(Event::CoreLost);
    }

    /// A core that comes back has none of the keys, and nothing of what it was asked.
    fn forget_core(&mut self) {
        self.core_connected = false;
        self.asked.clear();
        self.exchange = KeyExchange::default();
        self.questions.forget_core();
        for line in self.lines.values_mut() {
            line.run = Run::Idle;
            line.batch.forget_core();
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
        if let Err(failure) = &result
            && failure.code != CoreFailure::NO_KEY
        {
            shared.out.report(failure.event(ask.name()));
        }
        match ask {
            Ask::Execute { sc, index, task } => self.executed(shared, id, (sc, index, task), result),
            Ask::SignBatch(sc) => self.batch_signed(shared, id, sc, result),
            Ask::PttRequest => self.ptt_requested(shared, id, result),
            Ask::PttResponse => self.ptt_installed(shared, id, result),
            Ask::InputKey(question) => self.input_key_given(shared, id, question, result),
        }
    }

    pub fn changed(&mut self, shared: &mut Shared, change: &Change) {
        match change {
            Change::Recorded(id) => {
                if let Some(sc) = contract_of(shared, *id) {
                    self.advance(shared, sc);
                }
            }
            Change::Closed(sc) => {
                self.batch_closed(shared, *sc);
                self.advance(shared, *sc);
            }
            Change::EpochStarted => {
                // Batches of the epoch that ended wait no longer.
                for sc in shared.tasks.open_contracts() {
                    self.advance(shared, sc);
                }
            }
            Change::Deployed(_) => {}
        }
    }

    /// An exchange of keys that waited for a first block can begin, and a question that was early can be answered.
    pub fn block_followed(&mut self, shared: &mut Shared) {
        self.step_exchange(shared);
        self.serve_all(shared);
    }

    pub fn matched(&mut self, shared: &mut Shared, id: TaskId) {
        if let Some(sc) = contract_of(shared, id) {
            self.advance(shared, sc);
        }
    }

    pub fn hello(&mut self, shared: &mut Shared, hello: &Hello) {
        if hello.role == PeerRole::KeyManager {
            self.exchange.retry_now();
            self.step_exchange(shared);
        }
    }

    pub fn peer_gone(&mut self, shared: &mut Shared, peer: &PeerId) {
        self.questions.peer_gone(peer);
        self.ptt_peer_gone(shared, peer);
    }

    pub fn message(&mut self, shared: &mut Shared, peer: &PeerId, message: Message) {
        match message {
            Message::KeyRequest(request) => {
                let asker = Asker::Peer(peer.clone(), request.id);
                self.question(shared, asker, request.sc, request.epoch, request.user_pub_key);
            }
            Message::Input(input) => self.input(shared, peer, input),
            Message::GetOutcome { task_id } => send_outcome(shared, peer, task_id),
            Message::PttReply { id, result } => self.ptt_reply(shared, peer, id, result),
            Message::PttRequest { id, .. } => {
                shared.out.send(peer, Message::PttReply { id, result: Err("this node manages no keys".into()) });
            }
            Message::Hello(_) | Message::KeyReply { .. } | Message::Outcome(_) => {
                shared.ignore(peer, "a worker has no use for this message");
            }
        }
    }

    fn input(&mut self, shared: &mut Shared, peer: &PeerId, input: TaskInput) {
        let id = input.task_id;
        let current = shared.ledger.epoch();
        match shared.tasks.offer(&mut shared.out, &Source::Peer(peer.clone()), input, current) {
            Ok(Accepted::Matched) => self.matched(shared, id),
            Ok(Accepted::Known) => send_outcome(shared, peer, id),
            Ok(Accepted::Held) => {}
            Err(refused) => {
                shared.out.report(Event::InputRefused { task_id: id, reason: refused.to_string() });
            }
        }
    }

    pub fn client_key(&mut self, shared: &mut Shared, client: ClientId, params: WorkerKeyParams) {
        let (sc, epoch, user_pub_key) = (params.sc.0, params.epoch.0, params.user_pub_key.0);
        match crate::rpc_api::select(shared, sc, epoch, &user_pub_key) {
            Ok(selection) if selection.worker.signer == self.signer => {
                self.question(shared, Asker::Client(client, Box::new(selection)), sc, epoch, user_pub_key);
            }
            Ok(selection) => {
                let text = format!("the worker of this contract is {}; ask a user node", selection.worker.signer);
                shared.out.reply(client, Err(error(codes::WORKER_OFFLINE, text)));
            }
            Err(refusal) => shared.out.reply(client, Err(refusal)),
        }
    }

    pub fn ledger_call(&mut self, shared: &mut Shared, call: CallId, result: Result<(), LedgerCallError>) {
        self.batch_submitted(shared, call, result);
    }

    pub fn fire(&mut self, shared: &mut Shared, timer: Timer) {
        match timer {
            Timer::Contract(sc) => self.advance(shared, sc),
            Timer::KeyExchange => self.exchange_timer(shared),
            Timer::CoreRequest(id) => self.answered(shared, id, Err(CoreFailure::timeout())),
            Timer::KeyRequest(question) => {
                self.finish_question(shared, question, Err("the enclave did not answer in time".into()));
            }
            Timer::Resend(_) | Timer::Manager => {}
        }
    }

    /// Does what can be done now for one contract.
    fn advance(&mut self, shared: &mut Shared, sc: ScAddress) {
        if shared.tasks.queue(sc).is_none() {
            self.lines.remove(&sc);
            return;
        }
        self.lines.entry(sc).or_insert_with(|| Line { next: first_unanswered(shared, sc), ..Line::default() });
        if self.core_connected {
            self.execute_next(shared, sc);
            self.try_batch(shared, sc);
        }
    }

    fn execute_next(&mut self, shared: &mut Shared, sc: ScAddress) {
        let Some(line) = self.lines.get(&sc) else { return };
        match line.run {
            Run::Idle => {}
            Run::Waiting(until) if until <= shared.out.now => {}
            Run::Waiting(_) | Run::Asked(_) | Run::NeedsKey(_) => return,
        }
        let next = shared.tasks.queue(sc).and_then(|queue| queue.range(line.next..).next());
        let Some((index, id)) = next.map(|(index, id)| (*index, *id)) else { return };
        let Some(Task { recorded: Some(recorded), input: Some(input), .. }) = shared.tasks.get(id) else { return };
        // A record of another worker stays in the way until that worker closes it.
        if recorded.worker != Some(self.signer) {
            return;
        }
        let request = execution(recorded, input);
        let request = self.ask(shared, Ask::Execute { sc, index, task: id }, request);
        self.set_run(sc, Run::Asked(request));
    }

    fn set_run(&mut self, sc: ScAddress, run: Run) {
        if let Some(line) = self.lines.get_mut(&sc) {
            line.run = run;
        }
    }

    fn executed(
        &mut self,
        shared: &mut Shared,
        request: RequestId,
        (sc, index, id): (ScAddress, u64, TaskId),
        result: Result<Response, CoreFailure>,
    ) {
        if self.lines.get(&sc).is_none_or(|line| line.run != Run::Asked(request)) {
            return;
        }
        match result.map(|response| outcome_of(shared, id, &response)) {
            Ok(Ok(outcome)) => self.computed(shared, sc, index, outcome),
            Ok(Err(reason)) => {
                shared.report_unexpected("ComputeTask", reason);
                self.wait(shared, sc, REFUSED_RETRY_MS);
            }
            Err(failure) => self.not_executed(shared, sc, index, id, &failure),
        }
    }

    fn computed(&mut self, shared: &mut Shared, sc: ScAddress, index: u64, outcome: Outcome) {
        let (id, epoch, status) = (outcome.receipt.task_id, outcome.receipt.epoch, outcome.receipt.status);
        self.exchange.succeeded(epoch, sc);
        let task = shared.tasks.get(id);
        let is_new = task.is_some_and(|task| task.outcome.is_none());
        let interested = task.map(|task| task.interested.clone()).unwrap_or_default();
        if let Some(line) = self.lines.get_mut(&sc) {
            line.run = Run::Idle;
            line.next = index.saturating_add(1);
            line.batch.receipt_added(shared.out.now);
            if is_new {
                line.attempts = 0;
            }
        }
        shared.tasks.set_outcome(&mut shared.out, id, outcome.clone());
        if is_new {
            shared.out.report(Event::TaskComputed { task_id: id, status });
            for peer in interested {
                shared.out.send(&peer, Message::Outcome(outcome.clone()));
            }
        }
        self.advance(shared, sc);
    }

    fn not_executed(&mut self, shared: &mut Shared, sc: ScAddress, index: u64, id: TaskId, failure: &CoreFailure) {
        let epoch = shared.tasks.get(id).and_then(|task| task.recorded.as_ref()).map(|recorded| recorded.record.epoch);
        if let (CoreFailure::NO_KEY, Some(epoch)) = (failure.code, epoch) {
            self.set_run(sc, Run::NeedsKey(epoch));
            return self.need_key(shared, epoch, sc);
        }
        let first_open = shared.tasks.queue(sc).and_then(|queue| queue.first_key_value()).map(|(first, _)| *first);
        let Some(line) = self.lines.get_mut(&sc) else { return };
        line.attempts = line.attempts.saturating_add(1);
        let retry = backoff_ms(line.attempts);
        let wait = match failure.code {
            // The core does not know what this node took for executed: begin again with the oldest open record.
            CoreFailure::OUT_OF_ORDER | CoreFailure::UNKNOWN if first_open.is_some_and(|first| first < index) => {
                line.next = first_open.unwrap_or(index);
                retry
            }
            _ if failure.is_retryable() => retry,
            _ => REFUSED_RETRY_MS,
        };
        self.wait(shared, sc, wait);
    }

    fn wait(&mut self, shared: &mut Shared, sc: ScAddress, wait_ms: u64) {
        let until = shared.out.wake_in(wait_ms, Timer::Contract(sc));
        self.set_run(sc, Run::Waiting(until));
    }

    /// Keys of a contract are in the core: whoever waited for them tries again.
    fn key_installed(&mut self, shared: &mut Shared, epoch: u64, sc: ScAddress) {
        if self.lines.get(&sc).is_some_and(|line| line.run == Run::NeedsKey(epoch)) {
            self.set_run(sc, Run::Idle);
            self.advance(shared, sc);
        }
        self.serve_questions_of(shared, epoch, sc);
    }

    /// Whether anything waits for the keys of a contract.
    fn wants_key(&self, epoch: u64, sc: ScAddress) -> bool {
        self.lines.get(&sc).is_some_and(|line| line.run == Run::NeedsKey(epoch)) || self.questions.want_key(epoch, sc)
    }
}

fn contract_of(shared: &Shared, id: TaskId) -> Option<ScAddress> {
    shared.tasks.get(id)?.recorded.as_ref().map(|recorded| recorded.record.sc)
}

/// Position of the first open record without an outcome.
fn first_unanswered(shared: &Shared, sc: ScAddress) -> u64 {
    let Some(queue) = shared.tasks.queue(sc) else { return 0 };
    let answered = |id: &TaskId| shared.tasks.get(*id).is_some_and(|task| task.outcome.is_some());
    let first = queue.iter().find(|(_, id)| !answered(id)).map(|(index, _)| *index);
    first.or_else(|| queue.last_key_value().map(|(last, _)| last.saturating_add(1))).unwrap_or(0)
}

fn send_outcome(shared: &mut Shared, peer: &PeerId, id: TaskId) {
    if let Some(outcome) = shared.tasks.get(id).and_then(|task| task.outcome.clone()) {
        shared.out.send(peer, Message::Outcome(outcome));
    }
}

fn execution(recorded: &Recorded, input: &TaskInput) -> Request {
    let task = ComputeInput {
        encrypted_args: Hex(input.encrypted_args.clone()),
        encrypted_fn: Hex(input.encrypted_fn.clone()),
        user_dh_key: Hex(input.user_dh_key.clone()),
        gas_limit: U64(recorded.record.gas_limit),
        contract_address: Hex(recorded.record.sc),
        suite: Some(input.suite),
        record: Some(RecordJson::from(&recorded.record)),
        ledger_proof: None,
    };
    match &input.pre_code {
        Some(pre_code) => {
            Request::DeploySecretContract { input: DeployInput { pre_code: ByteArray(pre_code.clone()), task } }
        }
        None => Request::ComputeTask { input: task },
    }
}

/// The outcome in an answer of the core, checked as every other node will check it.
fn outcome_of(shared: &Shared, id: TaskId, response: &Response) -> Result<Outcome, &'static str> {
    let (receipt, signature, output) = response.receipt().ok_or("it is no answer to a task")?;
    let receipt = Receipt::try_from(receipt.clone()).map_err(|_| "its receipt has an unknown status")?;
    let outcome = Outcome { receipt, signature: *signature, encrypted_output: output.to_vec() };
    let recorded = shared.tasks.get(id).and_then(|task| task.recorded.as_ref()).ok_or("the task is forgotten")?;
    verify_outcome(&shared.config.domain, recorded, &outcome)?;
    Ok(outcome)
}
