//! A network in one thread: minds, the ledger model and fake cores joined by a queue of values.

pub mod cores;
pub mod ledger;

use cores::{DOMAIN, ManagerCore, WorkerCore, key};
use enigma_node::{
    ClientId, Config, Event, Input, LedgerEvent, Node, Output, PeerId, Role, Severity, Timestamp, message::Message,
};
use enigma_protocol::{
    Address, ScAddress, TaskId,
    json::{Hex0x, U64},
    rpc::{self, Empty, Request, Response, RpcError, TaskParams, TaskState, WorkerKeyParams},
    task::{TaskInput, task_id},
};
use ledger::Ledger;
use std::collections::{BTreeMap, VecDeque};

pub const USER: usize = 0;
pub const WORKER: usize = 1;
pub const MANAGER: usize = 2;
pub const ALICE: Address = Address([0xa1; 20]);

pub struct Host {
    pub config: Config,
    pub node: Node,
    pub store: BTreeMap<Vec<u8>, Vec<u8>>,
    wake: Option<Timestamp>,
    /// Outputs performed so far.
    pub performed: usize,
    /// Crashes before it performs this output.
    pub crash_at: Option<usize>,
    pub core_is_up: bool,
    /// Requests to the core so far.
    pub asked: usize,
    /// The core dies before it answers this request, and comes back.
    pub core_dies_at: Option<usize>,
    blocks_sent: u64,
    pub events: Vec<Event>,
}

pub struct Network {
    pub now: Timestamp,
    pub hosts: Vec<Host>,
    pub ledger: Ledger,
    pub worker_core: WorkerCore,
    pub manager_core: ManagerCore,
    queue: VecDeque<(usize, Input)>,
    pub replies: BTreeMap<ClientId, Result<Response, RpcError>>,
    next_client: u64,
    /// Messages to peers outside this network, by name.
    pub strangers: Vec<(PeerId, Message)>,
    /// Every input is delivered twice.
    pub duplicate: bool,
    /// Chooses among waiting inputs and what is lost.
    pub disorder: Option<Disorder>,
    /// Connections that are down.
    pub down: Vec<(usize, usize)>,
}

/// A small generator of choices (splitmix64).
pub struct Disorder {
    pub state: u64,
    /// Of a hundred messages between peers, so many are lost.
    pub lost_percent: u64,
}

impl Disorder {
    fn draw(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
}

pub fn peer(host: usize) -> PeerId {
    PeerId(vec![b'h', host as u8])
}

fn host_of(peer: &PeerId) -> Option<usize> {
    match peer.0.as_slice() {
        [b'h', host] => Some(usize::from(*host)),
        _ => None,
    }
}

fn config(role: Role) -> Config {
    Config {
        domain: DOMAIN,
        role,
        version: "test".into(),
        peer_id: "peer".into(),
        batch_age_ms: 200,
        epoch_length_blocks: 20,
    }
}

impl Network {
    /// A user node, a worker and a key manager, connected, before the first block.
    pub fn new() -> Self {
        let (worker, manager) = (key(1).address(), key(2).address());
        let roles = [Role::User, Role::Worker { signer: worker }, Role::KeyManager { signer: manager }];
        let hosts = roles
            .into_iter()
            .map(|role| Host {
                config: config(role),
                node: Node::new(config(role), []).unwrap(),
                store: BTreeMap::new(),
                wake: None,
                performed: 0,
                crash_at: None,
                core_is_up: role != Role::User,
                asked: 0,
                core_dies_at: None,
                blocks_sent: 0,
                events: Vec::new(),
            })
            .collect();
        let mut network = Self {
            now: 1_000,
            hosts,
            ledger: Ledger::new(2, 20),
            worker_core: WorkerCore::new(1),
            manager_core: ManagerCore::new(2),
            queue: VecDeque::new(),
            replies: BTreeMap::new(),
            next_client: 0,
            strangers: Vec::new(),
            duplicate: false,
            disorder: None,
            down: Vec::new(),
        };
        network.boot_all();
        network
    }

    fn boot_all(&mut self) {
        for host in [USER, WORKER, MANAGER] {
            self.boot(host);
        }
    }

    /// The worker is registered, staked and logged in, and the first epoch has begun.
    pub fn started() -> Self {
        let mut network = Self::new();
        network.join_worker();
        network.run();
        assert_eq!(network.ledger.epoch(), 1);
        network
    }

    pub fn join_worker(&mut self) {
        let signer = key(1).address();
        self.mine(vec![LedgerEvent::WorkerStaked { signer, stake: 100 }, LedgerEvent::WorkerLoggedIn { signer }]);
    }

    pub fn mine(&mut self, events: Vec<LedgerEvent>) {
        self.ledger.mine(events);
    }

    pub fn mine_empty(&mut self, blocks: usize) {
        for _ in 0..blocks {
            self.ledger.mine(vec![]);
        }
    }

    fn others(&self, host: usize) -> Vec<usize> {
        let is_down = |other: usize| self.down.iter().any(|pair| *pair == (host, other) || *pair == (other, host));
        (0..self.hosts.len()).filter(|other| *other != host && !is_down(*other)).collect()
    }

    fn boot(&mut self, host: usize) {
        self.queue.push_back((host, Input::Started));
        for other in self.others(host) {
            self.queue.push_back((host, Input::PeerConnected(peer(other))));
        }
        if self.hosts[host].core_is_up {
            self.queue.push_back((host, Input::CoreConnected));
        }
    }

    /// The process of a host dies and comes back with what it had stored.
    pub fn restart(&mut self, host: usize) {
        self.queue.retain(|(to, _)| *to != host);
        let state = &mut self.hosts[host];
        state.node = Node::new(state.config.clone(), state.store.clone()).unwrap();
        state.wake = None;
        state.blocks_sent = state.node.next_block();
        for other in self.others(host) {
            self.queue
                .retain(|(to, input)| *to != other || !matches!(input, Input::Peer(from, _) if *from == peer(host)));
            self.queue.push_back((other, Input::PeerGone(peer(host))));
            self.queue.push_back((other, Input::PeerConnected(peer(host))));
        }
        self.boot(host);
    }

    pub fn disconnect(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            self.queue.retain(|(at, input)| *at != to || !matches!(input, Input::Peer(p, _) if *p == peer(from)));
            self.queue.push_back((to, Input::PeerGone(peer(from))));
        }
        self.down.push((a, b));
    }

    pub fn connect(&mut self, a: usize, b: usize) {
        self.down.retain(|pair| *pair != (a, b) && *pair != (b, a));
        self.queue.push_back((a, Input::PeerConnected(peer(b))));
        self.queue.push_back((b, Input::PeerConnected(peer(a))));
    }

    pub fn core_lost(&mut self, host: usize) {
        self.hosts[host].core_is_up = false;
        self.queue.retain(|(to, input)| *to != host || !matches!(input, Input::Core(..)));
        self.queue.push_back((host, Input::CoreLost));
        if host == WORKER { self.worker_core.restart() } else { self.manager_core.restart() }
    }

    pub fn core_back(&mut self, host: usize) {
        self.hosts[host].core_is_up = true;
        self.queue.push_back((host, Input::CoreConnected));
    }

    pub fn push(&mut self, host: usize, input: Input) {
        self.queue.push_back((host, input));
    }

    /// Delivers what waits, and the blocks that are new, until nothing is left to do at this time.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the network does not come to rest: a hot loop");
    }

    fn step(&mut self) -> bool {
        for host in 0..self.hosts.len() {
            let next = self.hosts[host].blocks_sent;
            if let Some(block) = self.ledger.blocks.get(next as usize) {
                self.hosts[host].blocks_sent += 1;
                self.queue.push_back((host, Input::Ledger(block.clone())));
            }
        }
        let mut at = 0;
        if let Some(disorder) = &mut self.disorder
            && !self.queue.is_empty()
        {
            at = disorder.draw(self.queue.len());
            // The shell keeps the order of blocks, and of connection, messages and end of one peer.
            let kind = order_of(&self.queue[at]);
            at = self.queue.iter().position(|other| order_of(other) == kind).unwrap();
            let is_lossy =
                matches!(&self.queue[at].1, Input::Peer(_, message) if !matches!(message, Message::Hello(_)));
            if is_lossy && (disorder.draw(100) as u64) < disorder.lost_percent {
                self.queue.remove(at);
                return true;
            }
        }
        let Some((host, input)) = self.queue.remove(at) else { return false };
        if self.duplicate && !matches!(input, Input::Client(..) | Input::Started | Input::CoreConnected) {
            self.deliver(host, input.clone());
        }
        self.deliver(host, input);
        true
    }

    fn deliver(&mut self, host: usize, input: Input) {
        let state = &mut self.hosts[host];
        state.node.handle(self.now, input);
        while let Some(output) = self.hosts[host].node.poll() {
            let state = &mut self.hosts[host];
            if state.crash_at == Some(state.performed) {
                state.crash_at = None;
                return self.restart(host);
            }
            state.performed += 1;
            self.perform(host, output);
        }
    }

    fn perform(&mut self, host: usize, output: Output) {
        match output {
            Output::Persist(writes) => {
                for (key, value) in writes {
                    match value {
                        Some(value) => self.hosts[host].store.insert(key, value),
                        None => self.hosts[host].store.remove(&key),
                    };
                }
            }
            Output::Send(to, message) => {
                assert_eq!(Message::from_bytes(&message.to_bytes()).as_ref(), Ok(&message), "it can be sent");
                match host_of(&to) {
                    Some(other) if self.others(host).contains(&other) => {
                        self.queue.push_back((other, Input::Peer(peer(host), message)));
                    }
                    Some(_) => {}
                    None => self.strangers.push((to, message)),
                }
            }
            Output::AskCore(id, request) => {
                self.hosts[host].asked += 1;
                if self.hosts[host].core_dies_at == Some(self.hosts[host].asked) {
                    self.hosts[host].core_dies_at = None;
                    self.core_lost(host);
                    self.core_back(host);
                } else if self.hosts[host].core_is_up {
                    let reply = match host {
                        WORKER => self.worker_core.handle(request),
                        _ => self.manager_core.handle(request),
                    };
                    self.queue.push_back((host, Input::Core(id, reply)));
                }
            }
            Output::Submit(id, call) => {
                let result = self.ledger.submit(call);
                self.queue.push_back((host, Input::LedgerCall(id, result)));
            }
            Output::Reply(client, result) => {
                assert!(self.replies.insert(client, result).is_none(), "a client is answered once");
            }
            Output::WakeAt(at) => self.hosts[host].wake = Some(at),
            Output::Report(event) => self.hosts[host].events.push(event),
        }
    }

    /// Lets time pass until `until`, or until nobody wants to be woken.
    pub fn run_until(&mut self, until: Timestamp) {
        self.settle();
        while let Some(at) = self.hosts.iter().filter_map(|host| host.wake).min().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            for host in 0..self.hosts.len() {
                if self.hosts[host].wake.is_some_and(|wake| wake <= self.now) {
                    self.hosts[host].wake = None;
                    self.queue.push_back((host, Input::Tick));
                }
            }
            self.settle();
        }
        self.now = self.now.max(until);
    }

    /// Five seconds: enough for everything that does not wait for somebody.
    pub fn run(&mut self) {
        self.run_until(self.now + 5_000);
    }

    pub fn ask_later(&mut self, host: usize, request: Request) -> ClientId {
        self.next_client += 1;
        let client = ClientId(self.next_client);
        let json = serde_json::to_string(&request).unwrap();
        self.queue.push_back((host, Input::Client(client, serde_json::from_str(&json).unwrap())));
        client
    }

    /// A client's question, repeated when the node dies before it answers.
    pub fn ask(&mut self, request: Request) -> Result<Response, RpcError> {
        for _ in 0..10 {
            let client = self.ask_later(USER, request.clone());
            self.settle();
            if !self.replies.contains_key(&client) {
                self.run_until(self.now + 20_000);
            }
            if let Some(reply) = self.replies.remove(&client) {
                return reply;
            }
        }
        panic!("no answer to {request:?}");
    }

    pub fn key(&mut self, sc: ScAddress, epoch: u64) -> Result<rpc::WorkerKey, RpcError> {
        let params = WorkerKeyParams { sc: Hex0x(sc), epoch: U64(epoch), user_pub_key: Hex0x(vec![]) };
        match self.ask(Request::GetWorkerEncryptionKey(params))? {
            Response::WorkerKey(key) => Ok(key),
            other => panic!("no key: {other:?}"),
        }
    }

    pub fn send_input(&mut self, input: &TaskInput) -> Result<TaskState, RpcError> {
        let request = match input.pre_code {
            Some(_) => Request::DeploySecretContract(input.into()),
            None => Request::SendTaskInput(input.into()),
        };
        match self.ask(request)? {
            Response::Status(status) => Ok(status.state),
            other => panic!("no status: {other:?}"),
        }
    }

    pub fn state(&mut self, task: TaskId) -> TaskState {
        match self.ask(Request::GetTaskStatus(TaskParams { task_id: Hex0x(task) })) {
            Ok(Response::Status(status)) => status.state,
            other => panic!("no status: {other:?}"),
        }
    }

    pub fn result(&mut self, task: TaskId) -> rpc::TaskResult {
        match self.ask(Request::GetTaskResult(TaskParams { task_id: Hex0x(task) })) {
            Ok(Response::Result(result)) => result,
            other => panic!("no result: {other:?}"),
        }
    }

    pub fn info(&mut self, host: usize) -> rpc::NodeInfo {
        let client = self.ask_later(host, Request::GetInfo(Empty {}));
        self.settle();
        match self.replies.remove(&client) {
            Some(Ok(Response::Info(info))) => info,
            other => panic!("no info: {other:?}"),
        }
    }

    /// The input of Alice's next deployment, or of the one after `ahead` others.
    pub fn deployment(&self, ahead: u64) -> TaskInput {
        let task = task_id(&DOMAIN, ALICE, self.ledger.nonce(ALICE) + ahead);
        TaskInput { sc: task.into(), pre_code: Some(b"module".to_vec()), ..self.call(task.into(), ahead) }
    }

    pub fn call(&self, sc: ScAddress, ahead: u64) -> TaskInput {
        TaskInput {
            task_id: task_id(&DOMAIN, ALICE, self.ledger.nonce(ALICE) + ahead),
            sc,
            epoch: self.ledger.epoch(),
            suite: 1,
            encrypted_fn: b"sealed function".to_vec(),
            encrypted_args: b"sealed arguments".to_vec(),
            user_dh_key: vec![7; 32],
            pre_code: None,
        }
    }

    pub fn record_one(&mut self, input: &TaskInput) {
        self.record(std::slice::from_ref(input));
    }

    pub fn record(&mut self, inputs: &[TaskInput]) {
        self.ledger.record(ALICE, inputs);
    }

    /// Deploys a contract and waits until that is confirmed.
    pub fn deploy(&mut self) -> ScAddress {
        let input = self.deployment(0);
        self.key(input.sc, input.epoch).unwrap();
        self.record_one(&input);
        self.send_input(&input).unwrap();
        self.run();
        assert_eq!(self.state(input.task_id), TaskState::Confirmed);
        input.sc
    }

    /// Nobody reported that an operator must act.
    pub fn assert_calm(&self) {
        for host in &self.hosts {
            let errors: Vec<_> = host.events.iter().filter(|event| event.severity() == Severity::Error).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
    }
}

/// Inputs with the same value here keep their order.
fn order_of((host, input): &(usize, Input)) -> (usize, u8, Option<PeerId>) {
    match input {
        Input::Ledger(_) => (*host, 0, None),
        Input::PeerConnected(peer) | Input::PeerGone(peer) | Input::Peer(peer, _) => (*host, 1, Some(peer.clone())),
        Input::Started | Input::CoreConnected | Input::CoreLost | Input::Core(..) => (*host, 2, None),
        Input::Tick | Input::LedgerCall(..) | Input::Client(..) => (*host, 3, None),
    }
}
