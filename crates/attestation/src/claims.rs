//! What an enclave claims about itself, and the report data that stands for it in a quote.

use core::fmt;
use enigma_protocol::{
    Address, Hash, ScAddress,
    hash::{Preimage, keccak256},
};

/// What an enclave does in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Computes.
    Worker = 1,
    /// Holds a share of the keys.
    KeyManager = 2,
}

impl Role {
    /// The number in evidence.
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worker => "worker",
            Self::KeyManager => "key manager",
        })
    }
}

/// What the evidence is made for, and the key or account that it binds to the enclave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Registration of a worker.
    Registration {
        /// The Ethereum account that may register it.
        operator: Address,
    },
    /// A request for keys.
    PttKey(
        /// The fresh X25519 key to which the answer is sealed.
        &'a [u8; 32],
    ),
    /// Registration of a key manager.
    KeyManagerRegistration {
        /// The Ethereum account that may register it.
        operator: Address,
        /// Commitment to its share.
        commitment: Hash,
    },
    /// The input key of a contract in one epoch.
    InputKey {
        /// The contract.
        sc: ScAddress,
        /// The epoch.
        epoch: u64,
        /// The HPKE suite.
        suite: u16,
        /// The public key that clients seal to.
        public_key: Hash,
    },
}

impl Purpose<'_> {
    /// The number in evidence.
    pub fn number(&self) -> u8 {
        match self {
            Self::Registration { .. } => 1,
            Self::PttKey(_) => 2,
            Self::KeyManagerRegistration { .. } => 3,
            Self::InputKey { .. } => 4,
        }
    }

    /// keccak-256 of the bytes that the purpose binds.
    pub fn key_hash(&self) -> Hash {
        match self {
            Self::Registration { operator } => keccak256(operator),
            Self::PttKey(key) => keccak256(key),
            Self::KeyManagerRegistration { operator, commitment } => {
                let mut bytes = [0; 52];
                let (left, right) = bytes.split_at_mut(20);
                left.copy_from_slice(&operator.0);
                right.copy_from_slice(&commitment.0);
                keccak256(bytes)
            }
            Self::InputKey { sc, epoch, suite, public_key } => keccak256(
                Preimage::new("enigma/input-key/1")
                    .contract(*sc)
                    .u64(*epoch)
                    .u64((*suite).into())
                    .bytes(public_key)
                    .finish(),
            ),
        }
    }
}

/// Everything that the report data of a quote stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Chain, contract, checkpoint and initial key managers; see [`enigma_protocol::config::NetworkConfig::hash`].
    pub config_hash: Hash,
    /// The enclave's role.
    pub role: Role,
    /// The enclave's signing key.
    pub signer: Address,
    /// Number of the purpose.
    pub purpose: u8,
    /// Hash of what the purpose binds.
    pub purpose_key_hash: Hash,
    /// A block that was recent when the evidence was made.
    pub block_hash: Hash,
}

impl Claims {
    /// The claims of an enclave for one purpose.
    pub fn new(config_hash: Hash, role: Role, signer: Address, purpose: &Purpose<'_>, block_hash: Hash) -> Self {
        let (purpose, purpose_key_hash) = (purpose.number(), purpose.key_hash());
        Self { config_hash, role, signer, purpose, purpose_key_hash, block_hash }
    }

    /// The first half of the report data.
    pub fn report_hash(&self) -> Hash {
        Preimage::new("enigma/attest/1")
            .hash(self.config_hash)
            .u64(self.role.number().into())
            .address(self.signer)
            .u64(self.purpose.into())
            .hash(self.purpose_key_hash)
            .hash(self.block_hash)
            .finish()
    }

    /// The report data of a quote: [`Self::report_hash`] and 32 zero bytes.
    pub fn report_data(&self) -> [u8; 64] {
        let mut data = [0; 64];
        let (hash, _) = data.split_at_mut(32);
        hash.copy_from_slice(&self.report_hash().0);
        data
    }
}
