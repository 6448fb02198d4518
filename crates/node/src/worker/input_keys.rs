//! Questions for the input key of a contract, from user nodes and from clients of this node.

use super::{Ask, Worker};
use crate::{
    interface::{ClientId, PeerId, RequestId},
    limits::{KEY_TIMEOUT_MS, MAX_EVIDENCE_BYTES, MAX_PENDING_KEYS, MAX_PENDING_KEYS_PER_PEER},
    message::{InputKey, Message},
    outbox::Timer,
    rpc_api::{error, worker_key},
    shared::{CoreFailure, Shared},
};
use enigma_protocol::{
    ScAddress,
    ipc::{Request, Response},
    json::{Hex, Hex0x, U64},
    rpc::codes,
    selection::SelectionProof,
};
use std::collections::BTreeMap;

/// Questions that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Questions(BTreeMap<u64, Question>);

/// Who asks.
#[derive(Debug)]
pub(super) enum Asker {
    /// A peer, with the id of its request.
    Peer(PeerId, u64),
    /// A client, with the selection it is told.
    Client(ClientId, Box<SelectionProof>),
}

#[derive(Debug)]
struct Question {
    asker: Asker,
    sc: ScAddress,
    epoch: u64,
    user_pub_key: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Asked(RequestId),
    NeedsKey,
}

impl Questions {
    pub fn forget_core(&mut self) {
        for question in self.0.values_mut() {
            question.state = State::Idle;
        }
    }

    pub fn peer_gone(&mut self, peer: &PeerId) {
        self.0.retain(|_, question| !question.is_of(peer));
    }

    pub fn want_key(&self, epoch: u64, sc: ScAddress) -> bool {
        self.0
            .values()
            .any(|question| question.epoch == epoch && question.sc == sc && question.state == State::NeedsKey)
    }
}

impl Question {
    fn is_of(&self, peer: &PeerId) -> bool {
        match &self.asker {
            Asker::Peer(asker, _) => asker == peer,
            Asker::Client(..) => false,
        }
    }
}

impl Worker {
    /// Takes a question and answers it as soon as the core can.
    pub(super) fn question(
        &mut self,
        shared: &mut Shared,
        asker: Asker,
        sc: ScAddress,
        epoch: u64,
        user_pub_key: Vec<u8>,
    ) {
        let question = Question { asker, sc, epoch, user_pub_key, state: State::Idle };
        let of_asker = match &question.asker {
            Asker::Peer(peer, _) => self.questions.0.values().filter(|other| other.is_of(peer)).count(),
            Asker::Client(..) => 0,
        };
        if self.questions.0.len() >= MAX_PENDING_KEYS || of_asker >= MAX_PENDING_KEYS_PER_PEER {
            return answer(shared, question, Err("too many requests for keys are waiting".into()));
        }
        let id = shared.out.id();
        shared.out.wake_in(KEY_TIMEOUT_MS, Timer::KeyRequest(id));
        self.questions.0.insert(id, question);
        self.serve(shared, id);
    }

    fn serve(&mut self, shared: &mut Shared, id: u64) {
        let Some(question) = self.questions.0.get(&id) else { return };
        let (sc, epoch) = (question.sc, question.epoch);
        let current = shared.ledger.epoch();
        if question.state != State::Idle || epoch == current.saturating_add(1) {
            // The asker may be a block ahead: the question is served when the epoch starts here.
            return;
        }
        let selected = shared.ledger.select(epoch, sc).map(|selection| selection.worker.signer);
        if epoch != current || selected != Some(self.signer) {
            let text = format!("this worker is not the one of the contract in epoch {epoch}");
            return self.finish_question(shared, id, Err(text));
        }
        if !self.core_connected {
            return;
        }
        let request = Request::NewTaskEncryptionKey {
            user_pub_key: Hex(question.user_pub_key.clone()),
            contract_address: Some(Hex(sc)),
            epoch: Some(U64(epoch)),
            block_hash: shared.ledger.newest.map(|newest| Hex0x(newest.hash)),
        };
        let request = self.ask(shared, Ask::InputKey(id), request);
        self.set_state(id, State::Asked(request));
    }

    fn set_state(&mut self, id: u64, state: State) {
        if let Some(question) = self.questions.0.get_mut(&id) {
            question.state = state;
        }
    }

    pub(super) fn serve_all(&mut self, shared: &mut Shared) {
        let all: Vec<u64> = self.questions.0.keys().copied().collect();
        for id in all {
            self.serve(shared, id);
        }
    }

    pub(super) fn serve_questions_of(&mut self, shared: &mut Shared, epoch: u64, sc: ScAddress) {
        let waiting: Vec<u64> = self
            .questions
            .0
            .iter()
            .filter(|(_, question)| question.epoch == epoch && question.sc == sc && question.state == State::NeedsKey)
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            self.set_state(id, State::Idle);
            self.serve(shared, id);
        }
    }

    pub(super) fn input_key_given(
        &mut self,
        shared: &mut Shared,
        request: RequestId,
        id: u64,
        result: Result<Response, CoreFailure>,
    ) {
        let Some(question) = self.questions.0.get(&id).filter(|question| question.state == State::Asked(request))
        else {
            return;
        };
        let (epoch, sc) = (question.epoch, question.sc);
        match result {
            Ok(Response::NewTaskEncryptionKey { result }) if result.evidence.0.len() <= MAX_EVIDENCE_BYTES => {
                self.exchange.succeeded(epoch, sc);
                let key = InputKey {
                    worker_encryption_key: result.worker_encryption_key.0,
                    worker_sig: result.worker_sig.0,
                    signer: result.signer.0,
                    evidence: result.evidence.0,
                };
                self.finish_question(shared, id, Ok(key));
            }
            Ok(_) => {
                shared.report_unexpected("NewTaskEncryptionKey", "it holds no key, or evidence that is too large");
                self.finish_question(shared, id, Err("the enclave gave no key".into()));
            }
            Err(CoreFailure { code: CoreFailure::NO_KEY, .. }) => {
                self.set_state(id, State::NeedsKey);
                self.need_key(shared, epoch, sc);
            }
            Err(failure) => self.finish_question(shared, id, Err(failure.message)),
        }
    }

    pub(super) fn finish_question(&mut self, shared: &mut Shared, id: u64, result: Result<InputKey, String>) {
        if let Some(question) = self.questions.0.remove(&id) {
            answer(shared, question, result);
        }
    }
}

fn answer(shared: &mut Shared, question: Question, result: Result<InputKey, String>) {
    let Question { asker, sc, epoch, .. } = question;
    match asker {
        Asker::Peer(peer, id) => shared.out.send(&peer, Message::KeyReply { id, result }),
        Asker::Client(client, selection) => {
            let reply = result
                .map(|key| worker_key(sc, epoch, key, *selection))
                .map_err(|text| error(codes::WORKER_OFFLINE, format!("{text}; try again later")));
            shared.out.reply(client, reply);
        }
    }
}
