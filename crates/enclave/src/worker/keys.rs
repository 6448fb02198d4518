//! The keys that a worker holds: in memory only, bounded, fetched again after a restart.

use crate::{
    dprf::Secret,
    error::Refusal,
    ptt::{Accepted, ContractKeys},
};
use enigma_protocol::{ScAddress, sealing::InputKey};
use std::{collections::BTreeMap, sync::Arc};

/// Input keys held at once: contracts of one worker times a few epochs. The longest held goes first: anybody can ask for the
/// input keys of addresses of his choice, so a rule by address or epoch would let him keep out the keys of others.
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
    inputs: BTreeMap<(u64, ScAddress), (u64, Arc<InputKey>)>,
    contracts: BTreeMap<ScAddress, (u64, Arc<ContractSecrets>)>,
    installed: u64,
}

impl KeyRing {
    /// Takes what an answer gave; returns the contracts for which there is no input key now.
    pub(super) fn install(&mut self, accepted: Accepted) -> Vec<ScAddress> {
        let mut missing = Vec::new();
        for (sc, ContractKeys { input, state, random }) in accepted.keys {
            self.installed = self.installed.saturating_add(1);
            match input {
                Some(input) => {
                    let key = Arc::new(InputKey::derive(&input));
                    self.inputs.insert((accepted.epoch, sc), (self.installed, key));
                }
                None => missing.push(sc),
            }
            if let (Some(state), Some(random)) = (state, random) {
                self.contracts.insert(sc, (self.installed, Arc::new(ContractSecrets { state, random })));
            }
        }
        drop_longest_held(&mut self.inputs, MAX_INPUT_KEYS);
        drop_longest_held(&mut self.contracts, MAX_CONTRACTS);
        missing
    }

    pub(super) fn input(&self, sc: ScAddress, epoch: u64) -> Result<Arc<InputKey>, Refusal> {
        self.inputs.get(&(epoch, sc)).map(|held| held.1.clone()).ok_or(Refusal::NoInputKey { sc, epoch })
    }

    pub(super) fn contract(&self, sc: ScAddress) -> Result<Arc<ContractSecrets>, Refusal> {
        self.contracts.get(&sc).map(|held| held.1.clone()).ok_or(Refusal::NoStateKey(sc))
    }
}

/// Brings `held`, whose values say when they were installed, down to `limit` entries.
fn drop_longest_held<K: Ord + Copy, V>(held: &mut BTreeMap<K, (u64, V)>, limit: usize) {
    while held.len() > limit {
        let Some(longest) = held.iter().min_by_key(|(_, entry)| entry.0).map(|(key, _)| *key) else { return };
        held.remove(&longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn accepted(epoch: u64, sc: ScAddress) -> Accepted {
        let keys = ContractKeys { input: Some(Zeroizing::new([1; 32])), ..ContractKeys::default() };
        Accepted { epoch, keys: vec![(sc, keys)] }
    }

    #[test]
    fn keys_that_somebody_fills_the_ring_with_keep_no_other_out() {
        let mut ring = KeyRing::default();
        for n in 0..=MAX_INPUT_KEYS as u64 {
            let mut high = [0xff; 32];
            high[24..].copy_from_slice(&n.to_be_bytes());
            ring.install(accepted(9, ScAddress(high)));
        }
        assert_eq!(ring.inputs.len(), MAX_INPUT_KEYS);
        // A low address and an old epoch: what an order by either would drop at once.
        let (low, old) = (ScAddress([0; 32]), ScAddress([1; 32]));
        ring.install(accepted(9, low));
        ring.install(accepted(8, old));
        assert!(ring.input(low, 9).is_ok() && ring.input(old, 8).is_ok());
        assert_eq!(ring.inputs.len(), MAX_INPUT_KEYS);
    }
}
