//! What an enclave is configured with, and what its evidence therefore binds.

use crate::{
    hash::{Preimage, keccak256},
    json::Hex0x,
    primitives::{Address, Domain, Hash},
};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One key manager of the initial set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyManagerConfig {
    /// Signing address of its enclave.
    pub signer: Hex0x<Address>,
    /// Commitment to its key share: a compressed ristretto255 point.
    pub commitment: Hex0x<Hash>,
}

/// The configuration file of `enigma-core`; its hash stands in all evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkConfig {
    /// Ethereum chain id.
    pub chain_id: u64,
    /// The Enigma contract.
    pub enigma: Hex0x<Address>,
    /// Block hash from which Ethereum is followed; zero on devnets.
    pub checkpoint: Hex0x<Hash>,
    /// Key managers that must answer, t.
    pub threshold: u64,
    /// The initial set; the position, from 1, is the index of the share.
    pub key_managers: Vec<KeyManagerConfig>,
    /// Measurements that a key manager serves. Policy, not identity: outside the hash.
    pub measurements: Vec<Hex0x<Hash>>,
}

impl NetworkConfig {
    /// Chain and contract.
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id, enigma: self.enigma.0 }
    }

    /// `configHash`, as the Enigma contract computes it too.
    pub fn hash(&self) -> Hash {
        let mut set = Vec::new();
        for manager in &self.key_managers {
            set.extend([0; 12]);
            set.extend(manager.signer.0.0);
            set.extend(manager.commitment.0.0);
        }
        Preimage::new("enigma/config/1")
            .domain(&self.domain())
            .hash(self.checkpoint.0)
            .u64(self.threshold)
            .hash(keccak256(set))
            .finish()
    }
}
