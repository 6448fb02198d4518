//! What every role has: its configuration, the view of Ethereum, tasks, peers and the way out.

use crate::{
    interface::{Config, Event, PeerId, Role},
    ledger_view::LedgerView,
    limits::MAX_PEERS_PER_SIGNER,
    message::{Hello, PeerRole, plain_text},
    outbox::Outbox,
    tasks::Tasks,
};
use enigma_protocol::{
    Address, ScAddress, TaskId,
    ipc::{Failure, ReplyFrame, Response},
};
use std::collections::BTreeMap;

/// The part of a node that its role works on.
#[derive(Debug)]
pub(crate) struct Shared {
    pub config: Config,
    pub out: Outbox,
    pub ledger: LedgerView,
    pub tasks: Tasks,
    /// Connected peers and what they said about themselves.
    pub peers: BTreeMap<PeerId, Peer>,
    /// Where to begin among several peers that say they are the same worker.
    pub turn: usize,
}

/// A connected peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    /// What it said about itself, on this connection or the one before.
    pub hello: Option<Hello>,
    /// Whether it has spoken on this connection.
    pub is_introduced: bool,
}

/// What a block changed, told to the role after the whole block.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Recorded(TaskId),
    Closed(ScAddress),
    Deployed(ScAddress),
    EpochStarted,
}

impl Shared {
    /// What this node says about itself.
    pub fn hello(&self) -> Hello {
        match self.config.role {
            Role::User => Hello { role: PeerRole::User, signer: None },
            Role::Worker { signer } => Hello { role: PeerRole::Worker, signer: Some(signer) },
            Role::KeyManager { signer } => Hello { role: PeerRole::KeyManager, signer: Some(signer) },
        }
    }

    /// Peers that say they are this worker. Anybody can say so; what they answer is checked. When there are too many, the
    /// next ones each time, so that no number of them keeps out the true one for good.
    pub fn workers_named(&mut self, signer: Address) -> Vec<PeerId> {
        let mut named: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.hello.is_some_and(|hello| is_worker(&hello, signer)))
            .map(|(peer, _)| peer.clone())
            .collect();
        if named.len() > MAX_PEERS_PER_SIGNER {
            let first = self.turn.checked_rem(named.len()).unwrap_or(0);
            self.turn = first.saturating_add(MAX_PEERS_PER_SIGNER);
            named.rotate_left(first);
            named.truncate(MAX_PEERS_PER_SIGNER);
        }
        named
    }

    /// Peers that say they manage keys.
    pub fn key_managers(&self) -> Vec<PeerId> {
        self.peers
            .iter()
            .filter(|(_, peer)| peer.hello.is_some_and(|hello| hello.role == PeerRole::KeyManager))
            .map(|(peer, _)| peer.clone())
            .collect()
    }

    pub fn ignore(&mut self, peer: &PeerId, reason: &'static str) {
        self.out.report(Event::PeerIgnored { peer: peer.clone(), reason });
    }

    pub fn report_unexpected(&mut self, request: &'static str, reason: impl Into<String>) {
        self.out.report(Event::CoreReplyUnexpected { request, reason: reason.into() });
    }
}

pub(crate) fn is_worker(hello: &Hello, signer: Address) -> bool {
    hello.role == PeerRole::Worker && hello.signer == Some(signer)
}

/// A refusal of the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoreFailure {
    pub code: u16,
    pub message: String,
}

impl CoreFailure {
    /// The core has no key for this contract and epoch.
    pub const NO_KEY: u16 = 10;
    /// The record is not the next one for the core.
    pub const OUT_OF_ORDER: u16 = 11;
    /// The contract, or the receipts asked for, are not in the core's store.
    pub const UNKNOWN: u16 = 13;
    /// The core's store failed.
    pub const STORE_FAILED: u16 = 20;
    /// The core's TEE failed.
    pub const TEE_FAILED: u16 = 21;

    /// No answer at all.
    pub fn timeout() -> Self {
        Self { code: Self::TEE_FAILED, message: "no answer in time".into() }
    }

    /// Whether the same request may succeed shortly.
    pub fn is_retryable(&self) -> bool {
        matches!(self.code, Self::STORE_FAILED | Self::TEE_FAILED)
    }

    pub fn event(&self, request: &'static str) -> Event {
        Event::CoreRefused { request, code: self.code, message: self.message.clone() }
    }
}

/// Separates answers from refusals.
pub(crate) fn core_result(frame: ReplyFrame) -> Result<Response, CoreFailure> {
    match frame {
        ReplyFrame::Response(frame) => Ok(frame.response),
        ReplyFrame::Failure(Failure { msg, code, .. }) => {
            Err(CoreFailure { code: code.unwrap_or(0), message: plain_text(&msg) })
        }
    }
}
