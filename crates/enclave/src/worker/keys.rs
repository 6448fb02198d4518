//! The keys that a worker holds: in memory only, bounded, fetched again after a restart.

use crate::{
    dprf::Secret,
    error::Refusal,
    ptt::{Accepted, ContractKeys},
};
use enigma_protocol::{ScAddress, sealing::InputKey};
use std::{collections::BTreeMap, sync::Arc};

/// Input keys held at once: contracts of one worker times a few epochs. The oldest epoch goes first.
const MAX_INPUT_KEYS: usize = 4_096;
/// Contracts whose state keys are held at once. The longest held goes first.
const MAX_CONTRACTS: usize = 4_096;

/// What opens a contract's state and draws its randomness.
pub(super) struct ContractSecrets {
    pub(super) state: Secret,
    pub(super) random: Secret,
}

/// All keys of a worker.
#[derive(Default)]
pub(super) struct KeyRing {
    inputs: BTreeMap<(u64, ScAddress), Arc<InputKey>>,
    contracts: BTreeMap<ScAddress, (u64, Arc<ContractSecrets>)>,
    installed: u64,
}

impl KeyRing {
    /// Takes what an answer gave; returns the contracts for which there is no input key now.
    pub(super) fn install(&mut self, accepted: Accepted) -> Vec<ScAddress> {
        let mut missing = Vec::new();
        for (sc, ContractKeys { input, state, random }) in accepted.keys {
            match input {
                Some(input) => {
                    self.inputs.insert((accepted.epoch, sc), Arc::new(InputKey::derive(&input)));
                }
                None => missing.push(sc),
            }
            if let (Some(state), Some(random)) = (state, random) {
                self.installed = self.installed.saturating_add(1);
                self.contracts.insert(sc, (self.installed, Arc::new(ContractSecrets { state, random })));
            }
        }
        while self.inputs.len() > MAX_INPUT_KEYS {
            self.inputs.pop_first();
        }
        while self.contracts.len() > MAX_CONTRACTS {
            let oldest = self.contracts.iter().min_by_key(|(_, held)| held.0).map(|(sc, _)| *sc);
            oldest.and_then(|sc| self.contracts.remove(&sc));
        }
        missing
    }

    pub(super) fn input(&self, sc: ScAddress, epoch: u64) -> Result<Arc<InputKey>, Refusal> {
        self.inputs.get(&(epoch, sc)).cloned().ok_or(Refusal::NoInputKey { sc, epoch })
    }

    pub(super) fn contract(&self, sc: ScAddress) -> Result<Arc<ContractSecrets>, Refusal> {
        self.contracts.get(&sc).map(|held| held.1.clone()).ok_or(Refusal::NoStateKey(sc))
    }
}
