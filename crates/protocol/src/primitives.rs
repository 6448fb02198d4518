//! Identifiers as types of their own, so that a task id is never taken for a contract address.

use alloc::{format, string::String};
use borsh::{BorshDeserialize, BorshSerialize};
use core::{fmt, str::FromStr};

/// A text that is not the hexadecimal form of the expected number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} bytes as hexadecimal digits")]
pub struct InvalidHex {
    /// The length of the value in bytes.
    pub expected: usize,
}

macro_rules! bytes_newtype {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// All bytes zero: "none" where a field is optional in a hash.
            pub const ZERO: Self = Self([0; $len]);
            /// The length in bytes.
            pub const LEN: usize = $len;

            /// The bytes themselves.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ZERO
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = InvalidHex;
            fn try_from(bytes: &[u8]) -> Result<Self, InvalidHex> {
                bytes.try_into().map(Self).map_err(|_| InvalidHex { expected: $len })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{}", hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = InvalidHex;
            /// Accepts lower- and upper-case digits, with and without `0x`.
            fn from_str(text: &str) -> Result<Self, InvalidHex> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes)
                    .map_err(|_| InvalidHex { expected: $len })?;
                Ok(Self(bytes))
            }
        }
    };
}

bytes_newtype!(
    /// A keccak-256 hash or another value that Ethereum calls `bytes32`.
    Hash,
    32
);
bytes_newtype!(
    /// Identifies one task for ever: a hash of chain, contract, sender and the sender's counter.
    TaskId,
    32
);
bytes_newtype!(
    /// The address of a secret contract: the task id of its deployment.
    ScAddress,
    32
);
bytes_newtype!(
    /// An Ethereum address: a user, the Enigma contract, or the signing address of an enclave.
    Address,
    20
);

impl From<TaskId> for ScAddress {
    /// The address of the contract that the deployment `task` creates.
    fn from(task: TaskId) -> Self {
        Self(task.0)
    }
}

/// Chain and contract: what separates one Enigma network from every other in each hash and signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Domain {
    /// The Ethereum chain id.
    pub chain_id: u64,
    /// The Enigma contract on that chain.
    pub enigma: Address,
}

impl Domain {
    /// The name of this network towards peers: `H(chainId, enigma)`.
    pub fn network_id(&self) -> String {
        let hash = crate::hash::Preimage::new("enigma/network/1").domain(self).finish();
        format!("enigma-{}", hex::encode(hash.0.get(..8).unwrap_or_default()))
    }
}
