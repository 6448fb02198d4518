//! One node: takes inputs apart and hands them to the part they concern.

use crate::{
    interface::{Config, Event, Input, LedgerBlock, LedgerEvent, Output, PeerId, RestoreError, Role, Timestamp},
    key_manager::KeyManager,
    ledger_view::{LedgerView, apply_worker_event},
    limits::MAX_PEERS,
    message::Message,
    outbox::{Outbox, Timer},
    rpc_api,
    saved::{Closed, Cursor, Epoch, Key, Recorded, Registered, decode},
    shared::{Change, Shared},
    tasks::Tasks,
    user::User,
    worker::Worker,
};
use enigma_protocol::{
    Domain, Hash, TaskId,
    rpc::{Request, Response, codes},
    task::TaskInput,
};
use std::collections::BTreeMap;

/// One node without its body.
#[derive(Debug)]
pub struct Node {
    shared: Shared,
    mind: Mind,
}

#[derive(Debug)]
enum Mind {
    User(User),
    Worker(Worker),
    KeyManager(KeyManager),
}

impl Node {
    /// A node as it was when `saved` was written; with nothing saved, a new one.
    ///
    /// # Errors
    /// [`RestoreError`] when the values were not written by this version for this network.
    pub fn new(config: Config, saved: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<Self, RestoreError> {
        let mind = match config.role {
            Role::User => Mind::User(User::default()),
            Role::Worker { signer } => Mind::Worker(Worker::new(signer)),
            Role::KeyManager { signer } => Mind::KeyManager(KeyManager::new(signer)),
        };
        let shared = Shared {
            config,
            out: Outbox::default(),
            ledger: LedgerView::default(),
            tasks: Tasks::default(),
            peers: BTreeMap::new(),
            turn: 0,
        };
        let mut node = Self { shared, mind };
        for (key, value) in saved {
            node.restore(Key::from_bytes(&key)?, &value)?;
        }
        node.shared.tasks.finish_restore();
        Ok(node)
    }

    fn restore(&mut self, key: Key, value: &[u8]) -> Result<(), RestoreError> {
        let Shared { config, ledger, tasks, .. } = &mut self.shared;
        match key {
            Key::Network => {
                let domain: Domain = decode(&key, value)?;
                if domain != config.domain {
                    return Err(RestoreError::OtherNetwork(domain));
                }
            }
            Key::Cursor => {
                let cursor: Cursor = decode(&key, value)?;
                ledger.newest = Some(cursor);
                if let Mind::KeyManager(manager) = &mut self.mind {
                    manager.restore_newest(cursor.hash);
                }
            }
            Key::Registered(signer) => ledger.restore_registered(signer, decode::<Registered>(&key, value)?),
            Key::Workers(block) => ledger.restore_workers(block, decode(&key, value)?),
            Key::Epoch(_) => ledger.restore_epoch(decode::<Epoch>(&key, value)?),
            Key::Record(id) => tasks.restore_record(id, decode::<Recorded>(&key, value)?),
            Key::Closed(id) => tasks.restore_closed(id, decode::<Closed>(&key, value)?),
            Key::Input(_) => tasks.restore_input(decode::<TaskInput>(&key, value)?),
            Key::Held(..) => tasks.restore_held(decode::<TaskInput>(&key, value)?),
            Key::Outcome(id) => tasks.restore_outcome(id, decode(&key, value)?),
            Key::Deployed(sc) => {
                decode::<()>(&key, value)?;
                if let Mind::KeyManager(manager) = &mut self.mind {
                    manager.restore_deployed(sc);
                }
            }
        }
        Ok(())
    }

    /// The first block that the node has not followed yet; 0 for none.
    pub fn next_block(&self) -> u64 {
        self.shared.ledger.next_block()
    }

    /// Takes one input; what it leads to is fetched with [`Node::poll`].
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        self.shared.out.now = now;
        self.take(input);
        while let Some(timer) = self.shared.out.due() {
            self.fire(timer);
        }
        self.shared.out.flush();
    }

    /// The next output, in the order in which outputs must be performed.
    pub fn poll(&mut self) -> Option<Output> {
        self.shared.out.poll()
    }

    fn take(&mut self, input: Input) {
        let Self { shared, mind } = self;
        match input {
            Input::Started => {
                let domain = shared.config.domain;
                shared.out.save(&Key::Network, &domain);
                if let Mind::User(user) = mind {
                    user.started(shared);
                }
            }
            Input::Tick => shared.out.woken(),
            Input::Ledger(block) => self.ledger(block),
            Input::LedgerCall(call, result) => match mind {
                Mind::User(_) => {}
                Mind::Worker(worker) => worker.ledger_call(shared, call, result),
                Mind::KeyManager(manager) => manager.ledger_call(shared, call, result),
            },
            Input::PeerConnected(peer) => self.peer_connected(peer),
            Input::PeerGone(peer) => self.peer_gone(&peer),
            Input::Peer(peer, message) => self.peer(&peer, message),
            Input::CoreConnected => match mind {
                Mind::User(_) => {}
                Mind::Worker(worker) => worker.core_connected(shared),
                Mind::KeyManager(manager) => manager.core_connected(shared),
            },
            Input::CoreLost => match mind {
                Mind::User(_) => {}
                Mind::Worker(worker) => worker.core_lost(shared),
                Mind::KeyManager(manager) => manager.core_lost(shared),
            },
            Input::Core(id, frame) => match mind {
                Mind::User(_) => {}
                Mind::Worker(worker) => worker.core(shared, id, frame),
                Mind::KeyManager(manager) => manager.core(shared, id, frame),
            },
            Input::Client(client, request) => self.client(client, request),
        }
    }

    fn fire(&mut self, timer: Timer) {
        let Self { shared, mind } = self;
        match mind {
            Mind::User(user) => user.fire(shared, timer),
            Mind::Worker(worker) => worker.fire(shared, timer),
            Mind::KeyManager(manager) => manager.fire(shared, timer),
        }
    }

    fn ledger(&mut self, block: LedgerBlock) {
        if block.number < self.next_block() {
            return;
        }
        let mut changes = Vec::new();
        for event in &block.events {
            self.event(event, &mut changes);
        }
        let Self { shared, mind } = self;
        shared.ledger.finish_block(&mut shared.out, &block);
        for change in &changes {
            match mind {
                Mind::User(user) => user.changed(shared, change),
                Mind::Worker(worker) => worker.changed(shared, change),
                Mind::KeyManager(manager) => manager.changed(shared, change),
            }
        }
        match mind {
            Mind::User(_) => {}
            Mind::Worker(worker) => worker.block_followed(shared),
            Mind::KeyManager(manager) => manager.block_followed(shared),
        }
    }

    fn event(&mut self, event: &LedgerEvent, changes: &mut Vec<Change>) {
        let shared = &mut self.shared;
        match event {
            LedgerEvent::TaskRecorded { task_id, record, pre_code_hash, entry } => {
                if *task_id != record.task_id(&shared.config.domain) {
                    return;
                }
                if *pre_code_hash != Hash::ZERO {
                    changes.push(Change::Deployed(record.sc));
                }
                if matches!(self.mind, Mind::KeyManager(_)) {
                    return;
                }
                let worker = shared.ledger.select(record.epoch, record.sc).map(|selection| selection.worker.signer);
                let recorded =
                    Recorded { record: record.clone(), pre_code_hash: *pre_code_hash, entry: *entry, worker };
                if shared.tasks.record(&mut shared.out, *task_id, recorded) {
                    let (task_id, sc, record_index) = (*task_id, record.sc, record.record_index);
                    shared.out.report(Event::TaskRecorded { task_id, sc, record_index });
                    changes.push(Change::Recorded(task_id));
                }
            }
            LedgerEvent::BatchCommitted { sc, first_record_index, record_count, .. } => {
                let closed = shared.tasks.close(&mut shared.out, *sc, *first_record_index, *record_count, true);
                self.closed(*sc, closed.len(), changes);
            }
            LedgerEvent::RecordsExpired { sc, first_record_index, record_count, .. } => {
                let closed = shared.tasks.close(&mut shared.out, *sc, *first_record_index, *record_count, false);
                self.closed(*sc, closed.len(), changes);
            }
            LedgerEvent::EpochStarted { parameters, first_block } => {
                let epoch = parameters.epoch;
                if epoch <= shared.ledger.epoch() {
                    return;
                }
                let oldest = shared.tasks.oldest_open_epoch();
                match shared.ledger.start_epoch(&mut shared.out, parameters.clone(), *first_block, oldest) {
                    Some(workers) => shared.out.report(Event::EpochStarted { epoch, workers }),
                    None => shared.out.report(Event::EpochWorkersUnknown { epoch }),
                }
                shared.tasks.epoch_started(&mut shared.out, epoch);
                changes.push(Change::EpochStarted);
            }
            LedgerEvent::WorkerStaked { .. }
            | LedgerEvent::WorkerLoggedIn { .. }
            | LedgerEvent::WorkerLoggedOut { .. } => apply_worker_event(&mut shared.ledger, &mut shared.out, event),
            LedgerEvent::KeyManagerRegistered { .. } => {}
        }
    }

    fn closed(&mut self, sc: enigma_protocol::ScAddress, records: usize, changes: &mut Vec<Change>) {
        if records > 0 {
            self.shared.out.report(Event::RecordsClosed { sc, records });
            changes.push(Change::Closed(sc));
        }
    }

    fn peer_connected(&mut self, peer: PeerId) {
        let shared = &mut self.shared;
        if shared.peers.len() >= MAX_PEERS && !shared.peers.contains_key(&peer) {
            return shared.ignore(&peer, "as many peers as this node talks to are connected");
        }
        let hello = shared.hello();
        shared.out.send(&peer, Message::Hello(hello));
        // Whoever it was before, it may introduce itself anew.
        shared.peers.entry(peer).or_default().is_introduced = false;
    }

    fn peer_gone(&mut self, peer: &PeerId) {
        let Self { shared, mind } = self;
        if shared.peers.remove(peer).is_none() {
            return;
        }
        shared.tasks.peer_gone(&mut shared.out, peer);
        match mind {
            Mind::User(user) => user.peer_gone(shared, peer),
            Mind::Worker(worker) => worker.peer_gone(shared, peer),
            Mind::KeyManager(manager) => manager.peer_gone(peer),
        }
    }

    fn peer(&mut self, peer: &PeerId, message: Message) {
        let Self { shared, mind } = self;
        let Some(known) = shared.peers.get_mut(peer) else {
            return shared.ignore(peer, "it is not connected");
        };
        if let Message::Hello(hello) = message {
            // Once a connection: what follows from it may be many large messages.
            if std::mem::replace(&mut known.is_introduced, true) {
                return shared.ignore(peer, "it has introduced itself before");
            }
            known.hello = Some(hello);
            return match mind {
                Mind::User(user) => user.hello(shared, peer, &hello),
                Mind::Worker(worker) => worker.hello(shared, &hello),
                Mind::KeyManager(_) => {}
            };
        }
        match mind {
            Mind::User(user) => user.message(shared, peer, message),
            Mind::Worker(worker) => worker.message(shared, peer, message),
            Mind::KeyManager(manager) => manager.message(shared, peer, message),
        }
    }

    fn client(&mut self, client: crate::interface::ClientId, request: Request) {
        let Self { shared, mind } = self;
        if matches!(mind, Mind::KeyManager(_)) && !matches!(request, Request::GetInfo(_)) {
            let text = "a key manager serves no clients; ask a user node";
            return shared.out.reply(client, Err(rpc_api::error(codes::METHOD_NOT_FOUND, text)));
        }
        match request {
            Request::GetInfo(_) => {
                let info = rpc_api::info(shared);
                shared.out.reply(client, Ok(info));
            }
            Request::GetTaskStatus(params) => {
                let status = rpc_api::status(shared, params.task_id.0);
                shared.out.reply(client, Ok(status));
            }
            Request::GetTaskResult(params) => {
                let result = rpc_api::result(shared, params.task_id.0);
                if let (Mind::User(user), None) = (mind, &result.result) {
                    user.ask_outcome(shared, params.task_id.0);
                }
                shared.out.reply(client, Ok(Response::Result(result)));
            }
            Request::DeploySecretContract(input) => {
                let complete = rpc_api::take_input(shared, client, input, true);
                self.matched(complete);
            }
            Request::SendTaskInput(input) => {
                let complete = rpc_api::take_input(shared, client, input, false);
                self.matched(complete);
            }
            Request::GetWorkerEncryptionKey(params) | Request::GetEvidence(params) => match mind {
                Mind::User(user) => user.client_key(shared, client, params),
                Mind::Worker(worker) => worker.client_key(shared, client, params),
                Mind::KeyManager(_) => {}
            },
        }
    }

    /// The input of a recorded task has come.
    fn matched(&mut self, task: Option<TaskId>) {
        let Self { shared, mind } = self;
        let Some(task) = task else { return };
        match mind {
            Mind::User(user) => user.matched(shared, task),
            Mind::Worker(worker) => worker.matched(shared, task),
            Mind::KeyManager(_) => {}
        }
    }
}
