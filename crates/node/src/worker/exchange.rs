//! Keys on demand: what the core lacks is fetched from a key manager, one exchange at a time.
//!
//! An exchange is a request that the core makes fresh, a key manager's answer to it, and its installation. The node sees
//! neither keys nor whether an answer is true; it asks again, and somebody else, when keys are still missing.

use super::{Ask, Worker};
use crate::{
    interface::{Event, PeerId, RequestId, Timestamp},
    limits::{MAX_NEEDS, PTT_TIMEOUT_MS},
    message::{Message, plain_text},
    outbox::{Timer, backoff_ms},
    shared::{CoreFailure, Shared},
};
use enigma_protocol::{
    ScAddress,
    ipc::{PttInput, PttResponseInput, Request, Response},
    json::{Hex, Hex0x, U64},
    limits::MAX_PTT_ADDRESSES,
};
use std::collections::BTreeMap;

/// Which keys are missing and how far the exchange is.
#[derive(Debug, Default)]
pub(super) struct KeyExchange {
    needs: BTreeMap<(u64, ScAddress), Need>,
    step: Step,
    /// Exchanges that failed since the last that did not.
    attempts: u32,
    retry_at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Need {
    state: NeedState,
    attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NeedState {
    Wanted { not_before: Timestamp },
    Asked,
    Installed,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    Idle,
    /// The core makes a request.
    Requesting { request: RequestId, keys: Keys },
    /// A key manager answers it.
    Waiting { id: u64, peer: PeerId, until: Timestamp, keys: Keys },
    /// The core takes the answer.
    Installing { request: RequestId, keys: Keys },
}

/// The keys of one exchange.
#[derive(Clone, Debug)]
struct Keys {
    epoch: u64,
    contracts: Vec<ScAddress>,
}

impl KeyExchange {
    /// A key manager has come: no reason to wait.
    pub fn retry_now(&mut self) {
        self.retry_at = 0;
    }

    /// The keys of a contract have served.
    pub fn succeeded(&mut self, epoch: u64, sc: ScAddress) {
        self.needs.remove(&(epoch, sc));
    }
}

impl Worker {
    /// The core said that it lacks keys.
    pub(super) fn need_key(&mut self, shared: &mut Shared, epoch: u64, sc: ScAddress) {
        let now = shared.out.now;
        if self.exchange.needs.len() >= MAX_NEEDS {
            // Installed keys that nobody used: those who asked for them have left.
            self.exchange.needs.retain(|_, need| need.state != NeedState::Installed);
        }
        let fresh = Need { state: NeedState::Wanted { not_before: now }, attempts: 0 };
        let need = self.exchange.needs.entry((epoch, sc)).or_insert(fresh);
        if need.state == NeedState::Installed {
            // Installed, and yet not enough: the key managers may not have seen the deployment yet.
            need.postpone(now);
        }
        self.step_exchange(shared);
    }

    /// Begins an exchange when there is something to fetch.
    pub(super) fn step_exchange(&mut self, shared: &mut Shared) {
        if !self.core_connected || !matches!(self.exchange.step, Step::Idle) {
            return;
        }
        self.drop_unwanted();
        let now = shared.out.now;
        let Some(wake) = self.exchange.next_attempt() else { return };
        if wake > now {
            return shared.out.wake_at(wake, Timer::KeyExchange);
        }
        // The evidence in the request binds a recent block.
        let Some(newest) = shared.ledger.newest else { return };
        let Some(keys) = self.exchange.take_ready(now) else { return };
        if shared.key_managers().is_empty() {
            return self.exchange_failed(shared, &keys, "no key manager is connected");
        }
        let input = PttInput {
            addresses: keys.contracts.iter().map(|sc| Hex(*sc)).collect(),
            epoch: U64(keys.epoch),
            block_hash: Hex0x(newest.hash),
        };
        let request = self.ask(shared, Ask::PttRequest, Request::GetPTTRequest { input: Some(input) });
        self.exchange.step = Step::Requesting { request, keys };
    }

    /// Forgets needs whose tasks and questions are gone.
    fn drop_unwanted(&mut self) {
        let unwanted: Vec<_> = self
            .exchange
            .needs
            .iter()
            .filter(|(_, need)| matches!(need.state, NeedState::Wanted { .. }))
            .map(|(key, _)| *key)
            .filter(|(epoch, sc)| !self.wants_key(*epoch, *sc))
            .collect();
        for key in unwanted {
            self.exchange.needs.remove(&key);
        }
    }

    pub(super) fn ptt_requested(&mut self, shared: &mut Shared, id: RequestId, result: Result<Response, CoreFailure>) {
        let keys = match &self.exchange.step {
            Step::Requesting { request, keys } if *request == id => keys.clone(),
            Step::Idle | Step::Requesting { .. } | Step::Waiting { .. } | Step::Installing { .. } => return,
        };
        let result = match result {
            Ok(Response::GetPTTRequest { result }) => result,
            Ok(_) => return self.exchange_failed(shared, &keys, "the core made no request"),
            Err(failure) => return self.exchange_failed(shared, &keys, &failure.message),
        };
        let managers = shared.key_managers();
        // Another one each time: who claims to manage keys need not do so.
        let turn = (self.exchange.attempts as usize).checked_rem(managers.len()).unwrap_or(0);
        let Some(peer) = managers.get(turn).cloned() else {
            return self.exchange_failed(shared, &keys, "no key manager is connected");
        };
        let id = shared.out.id();
        let message = Message::PttRequest { id, request: result.request.0, worker_sig: result.worker_sig.0 };
        shared.out.send(&peer, message);
        let until = shared.out.wake_in(PTT_TIMEOUT_MS, Timer::KeyExchange);
        self.exchange.step = Step::Waiting { id, peer, until, keys };
    }

    pub(super) fn ptt_reply(&mut self, shared: &mut Shared, from: &PeerId, id: u64, result: Result<Vec<u8>, String>) {
        let keys = match &self.exchange.step {
            Step::Waiting { id: waiting, peer, keys, .. } if *waiting == id && peer == from => keys.clone(),
            Step::Idle | Step::Requesting { .. } | Step::Waiting { .. } | Step::Installing { .. } => return,
        };
        match result {
            Ok(response) => {
                let input = PttResponseInput { response: Hex(response) };
                let request = self.ask(shared, Ask::PttResponse, Request::PTTResponse { input });
                self.exchange.step = Step::Installing { request, keys };
            }
            Err(text) => self.exchange_failed(shared, &keys, &plain_text(&text)),
        }
    }

    pub(super) fn ptt_installed(&mut self, shared: &mut Shared, id: RequestId, result: Result<Response, CoreFailure>) {
        let keys = match &self.exchange.step {
            Step::Installing { request, keys } if *request == id => keys.clone(),
            Step::Idle | Step::Requesting { .. } | Step::Waiting { .. } | Step::Installing { .. } => return,
        };
        let missing: Vec<ScAddress> = match result {
            Ok(Response::PTTResponse { result }) => result.errors.iter().map(|error| error.address.0).collect(),
            Ok(_) => return self.exchange_failed(shared, &keys, "the core installed nothing"),
            Err(failure) => return self.exchange_failed(shared, &keys, &failure.message),
        };
        let now = shared.out.now;
        let (missing, installed): (Vec<_>, Vec<_>) = keys.contracts.iter().partition(|sc| missing.contains(sc));
        for sc in &missing {
            if let Some(need) = self.exchange.needs.get_mut(&(keys.epoch, *sc)) {
                need.postpone(now);
            }
        }
        for sc in &installed {
            if let Some(need) = self.exchange.needs.get_mut(&(keys.epoch, *sc)) {
                need.state = NeedState::Installed;
            }
        }
        self.exchange.step = Step::Idle;
        self.exchange.attempts = 0;
        shared.out.report(Event::KeysInstalled { epoch: keys.epoch, contracts: installed.len() });
        for sc in installed {
            self.key_installed(shared, keys.epoch, sc);
        }
        self.step_exchange(shared);
    }

    pub(super) fn ptt_peer_gone(&mut self, shared: &mut Shared, gone: &PeerId) {
        if let Step::Waiting { peer, keys, .. } = &self.exchange.step
            && peer == gone
        {
            let keys = keys.clone();
            self.exchange_failed(shared, &keys, "the connection to the key manager was lost");
        }
    }

    pub(super) fn exchange_timer(&mut self, shared: &mut Shared) {
        if let Step::Waiting { until, keys, .. } = &self.exchange.step
            && *until <= shared.out.now
        {
            let keys = keys.clone();
            self.exchange_failed(shared, &keys, "the key manager did not answer in time");
        }
        self.step_exchange(shared);
    }

    fn exchange_failed(&mut self, shared: &mut Shared, keys: &Keys, reason: &str) {
        let exchange = &mut self.exchange;
        exchange.step = Step::Idle;
        exchange.attempts = exchange.attempts.saturating_add(1);
        exchange.retry_at = shared.out.wake_in(backoff_ms(exchange.attempts), Timer::KeyExchange);
        for sc in &keys.contracts {
            if let Some(need) = exchange.needs.get_mut(&(keys.epoch, *sc)) {
                need.state = NeedState::Wanted { not_before: 0 };
            }
        }
        shared.out.report(Event::KeyExchangeFailed { reason: reason.into() });
    }
}

impl Need {
    fn postpone(&mut self, now: Timestamp) {
        self.attempts = self.attempts.saturating_add(1);
        self.state = NeedState::Wanted { not_before: now.saturating_add(backoff_ms(self.attempts)) };
    }

    fn wanted_from(&self) -> Option<Timestamp> {
        match self.state {
            NeedState::Wanted { not_before } => Some(not_before),
            NeedState::Asked | NeedState::Installed => None,
        }
    }
}

impl KeyExchange {
    /// When the next exchange may begin; `None` when nothing is wanted.
    fn next_attempt(&self) -> Option<Timestamp> {
        let earliest = self.needs.values().filter_map(Need::wanted_from).min()?;
        Some(earliest.max(self.retry_at))
    }

    /// Takes wanted keys of one epoch, the oldest first.
    fn take_ready(&mut self, now: Timestamp) -> Option<Keys> {
        let ready = |need: &Need| need.wanted_from().is_some_and(|from| from <= now);
        let epoch = self.needs.iter().find(|(_, need)| ready(need)).map(|((epoch, _), _)| *epoch)?;
        let mut contracts = Vec::new();
        for ((_, sc), need) in self.needs.iter_mut().filter(|((of, _), need)| *of == epoch && ready(need)) {
            if contracts.len() >= MAX_PTT_ADDRESSES {
                break;
            }
            need.state = NeedState::Asked;
            contracts.push(*sc);
        }
        Some(Keys { epoch, contracts })
    }
}
