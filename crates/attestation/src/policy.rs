//! What a relying party expects and accepts, and how evidence can fail it.

use crate::{
    claims::{Purpose, Role},
    simulation::DEVELOPMENT_ROOT,
};
use alloc::collections::BTreeSet;
use core::fmt;
use enigma_protocol::{Address, Hash};

/// Kinds of platforms that evidence can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Platform {
    /// A development platform: protects nobody from the machine's operator.
    Simulation = 0,
    /// Intel SGX with DCAP.
    SgxDcap = 1,
    /// Intel TDX.
    Tdx = 2,
    /// AMD SEV-SNP.
    SevSnp = 3,
}

impl Platform {
    /// The platform with this number in evidence.
    pub fn from_u8(number: u8) -> Option<Self> {
        [Self::Simulation, Self::SgxDcap, Self::Tdx, Self::SevSnp].into_iter().find(|known| *known as u8 == number)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simulation => "simulation",
            Self::SgxDcap => "sgx-dcap",
            Self::Tdx => "tdx",
            Self::SevSnp => "sev-snp",
        })
    }
}

/// What is accepted: roots of trust, measurements, and the least state of the platform.
#[derive(Clone, Debug)]
pub struct Policy {
    roots: BTreeSet<Address>,
    measurements: BTreeSet<Hash>,
    min_tcb_level: u16,
}

impl Policy {
    /// For networks that protect somebody: never accepts the development root.
    pub fn production(measurements: impl IntoIterator<Item = Hash>) -> Self {
        Self { roots: BTreeSet::new(), measurements: measurements.into_iter().collect(), min_tcb_level: 0 }
    }

    /// For development networks: accepts simulated platforms under the development root.
    pub fn development(measurements: impl IntoIterator<Item = Hash>) -> Self {
        Self { roots: [DEVELOPMENT_ROOT].into(), ..Self::production(measurements) }
    }

    /// Refuses platforms below this TCB level.
    #[must_use]
    pub fn with_min_tcb_level(self, min_tcb_level: u16) -> Self {
        Self { min_tcb_level, ..self }
    }

    pub(crate) fn check_root(&self, root: Address) -> Result<(), EvidenceError> {
        if self.roots.contains(&root) {
            return Ok(());
        }
        if root == DEVELOPMENT_ROOT {
            Err(EvidenceError::DevelopmentRoot)
        } else {
            Err(EvidenceError::UnknownRoot(root))
        }
    }

    pub(crate) fn check_platform(&self, measurement: Hash, tcb_level: u16) -> Result<(), EvidenceError> {
        if !self.measurements.contains(&measurement) {
            return Err(EvidenceError::Measurement(measurement));
        }
        if tcb_level < self.min_tcb_level {
            return Err(EvidenceError::TcbLevel { actual: tcb_level, required: self.min_tcb_level });
        }
        Ok(())
    }
}

/// Which blocks evidence may name.
#[derive(Clone, Copy, Debug)]
pub enum Freshness<'a> {
    /// Exactly these, the recent ones.
    OneOf(&'a [Hash]),
    /// Any: for who has another proof that the evidence is current, and says so.
    NotChecked,
}

/// What the evidence must claim.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The network.
    pub config_hash: Hash,
    /// The role.
    pub role: Role,
    /// The enclave's signing key.
    pub signer: Address,
    /// The purpose with what it binds.
    pub purpose: Purpose<'a>,
    /// The blocks that count as recent.
    pub freshness: Freshness<'a>,
}

/// The check that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Too short to name version and platform, or not of its platform's length.
    #[error("the evidence has {actual} bytes instead of {expected}")]
    Length {
        /// Bytes given.
        actual: usize,
        /// Bytes of this format.
        expected: usize,
    },
    /// A format of another version.
    #[error("evidence version {0} is not known")]
    Version(u8),
    /// A number that no platform has.
    #[error("platform number {0} is not known")]
    UnknownPlatform(u8),
    /// A platform whose evidence this version does not read.
    #[error("platform {0} is not supported by this version")]
    UnsupportedPlatform(Platform),
    /// A number that no role has.
    #[error("role number {0} is not known")]
    UnknownRole(u8),
    /// The enclave runs in debug mode: its memory is open.
    #[error("the enclave runs in debug mode")]
    Debug,
    /// The platform's certificate is not valid now.
    #[error("the platform's certificate is valid from {not_before_s} to {not_after_s}, and now is {now_s}")]
    Expired {
        /// First second.
        not_before_s: u64,
        /// Last second.
        not_after_s: u64,
        /// The verifier's time.
        now_s: u64,
    },
    /// The development root where it is not accepted.
    #[error("the evidence comes from a simulated platform, which protects nobody; this policy refuses it")]
    DevelopmentRoot,
    /// Nobody trusted certifies the platform.
    #[error("the platform is certified by {0}, which is no accepted root")]
    UnknownRoot(Address),
    /// The root's signature is malformed.
    #[error("the root's signature is invalid")]
    RootSignature,
    /// The quote is not signed by the certified platform, or was changed.
    #[error("the quote is not signed by the certified platform")]
    QuoteSignature,
    /// Another program.
    #[error("measurement {0} is not accepted")]
    Measurement(Hash),
    /// An outdated platform.
    #[error("the platform's TCB level is {actual}, at least {required} is required")]
    TcbLevel {
        /// The platform's.
        actual: u16,
        /// The policy's.
        required: u16,
    },
    /// Another network.
    #[error("the evidence is of a network with configuration {actual}, not {expected}")]
    ConfigHash {
        /// In the evidence.
        actual: Hash,
        /// Of this network.
        expected: Hash,
    },
    /// Another role.
    #[error("the evidence is of a {actual}, not of a {expected}")]
    Role {
        /// In the evidence.
        actual: Role,
        /// Wanted.
        expected: Role,
    },
    /// Another enclave.
    #[error("the evidence is of the enclave that signs as {actual}, not of {expected}")]
    Signer {
        /// In the evidence.
        actual: Address,
        /// Wanted.
        expected: Address,
    },
    /// Made for something else.
    #[error("the evidence was made for purpose {actual}, not {expected}")]
    Purpose {
        /// In the evidence.
        actual: u8,
        /// Wanted.
        expected: u8,
    },
    /// Binds another key or account.
    #[error("the evidence binds another key or account than the one given")]
    PurposeKey,
    /// Names a block that is not recent.
    #[error("the evidence names block {0}, which is not among the recent ones")]
    Block(Hash),
}
