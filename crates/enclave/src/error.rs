//! Why a request is refused: one typed reason, one stable number, one sentence.
//!
//! The numbers are the registry of `spec/ipc.md`. No text holds a plaintext, a state value or a key.

use crate::{store::StoreError, tee::TeeError};
use enigma_attestation::{EvidenceError, Role};
use enigma_protocol::{Address, Hash, ScAddress, selection::InvalidWorkers, task::InvalidInput};

/// Why a machine does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The TEE failed.
    #[error(transparent)]
    Tee(#[from] TeeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sealed identity does not open, or is not one.
    #[error(
        "the sealed identity in the data directory does not open: it was changed, or sealed by another program or on \
         another machine. Restore the data directory from before, or move it away: the enclave then makes a new identity \
         that has to be registered anew"
    )]
    SealedIdentity,
    /// The data directory belongs to an enclave of the other role.
    #[error(
        "the data directory belongs to a {found}; start it as that, or use another data directory for the {wanted}"
    )]
    Role {
        /// The role it was made for.
        found: Role,
        /// The role asked for.
        wanted: Role,
    },
    /// The configuration names no such key manager.
    #[error("the configuration does not name this key manager: add signer {signer} with commitment {commitment}")]
    NotConfigured {
        /// This enclave.
        signer: Address,
        /// The commitment to its share.
        commitment: Hash,
    },
    /// A threshold other than one of one.
    #[error(
        "the configuration asks for {threshold} of {key_managers} key managers; this version has no distributed key \
         generation and runs with exactly 1 of 1"
    )]
    Threshold {
        /// t.
        threshold: u64,
        /// n.
        key_managers: usize,
    },
    /// A commitment that is no group element.
    #[error("the configured commitment {0} is not a valid ristretto255 point")]
    Commitment(Hash),
    /// A primitive refused an input that it must accept.
    #[error("a cryptographic primitive refused its input; this is a defect of the program")]
    Primitive,
}

/// Why a key manager's answer installs no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnswer {
    /// Not the envelope that is specified.
    #[error("it is not a valid envelope")]
    Envelope,
    /// No request waits for it: it is a repetition, or too late, or invented.
    #[error("no request with its id is waiting; each answer is accepted once")]
    NotPending,
    /// Its signer is no configured key manager.
    #[error("{0} is not a key manager of this network")]
    UnknownSigner(Address),
    /// It is not signed by its signer.
    #[error("its signature is invalid")]
    Signature,
    /// It is not sealed to the request's key.
    #[error("its content does not open")]
    DoesNotOpen,
    /// It holds something that was not asked for, or the same twice.
    #[error("its content is not what was asked for")]
    Content,
    /// A share does not fit the key manager's commitment.
    #[error("a share in it was not made with the committed key")]
    Share,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the frame is not valid JSON: {0}")]
    Json(String),
    #[error("request type `{0}` is not known")]
    UnknownType(String),
    #[error("{0}")]
    Field(String),
    #[error("{what} takes {actual}, more than the {limit} allowed")]
    TooLarge { what: &'static str, actual: usize, limit: usize },
    #[error(
        "the reply would exceed {} bytes: ask for less, for pages (`limit`), or for `\"encoding\":\"hex\"`",
        enigma_protocol::limits::MAX_MESSAGE_BYTES
    )]
    ReplyTooLarge,
    #[error("the core is busy and did not begin with this request; ask again")]
    Busy,
    #[error("no input key for contract {sc} in epoch {epoch}: request it from the key managers")]
    NoInputKey { sc: ScAddress, epoch: u64 },
    #[error("no state key for contract {0}: request it from the key managers")]
    NoStateKey(ScAddress),
    #[error("record {given} of contract {sc} is out of order: record {expected} is next")]
    OutOfOrder { sc: ScAddress, given: u64, expected: u64 },
    #[error("record {index} of contract {sc} was executed already, with another content")]
    OtherRecord { sc: ScAddress, index: u64 },
    #[error(transparent)]
    Input(InvalidInput),
    #[error("the input does not match its record: {0}")]
    Mismatch(&'static str),
    #[error("contract {0} is not known here: its deployment, record 0, comes first")]
    UnknownContract(ScAddress),
    #[error("contract {sc} has no {what} {index}")]
    UnknownEntry { sc: ScAddress, what: &'static str, index: u64 },
    #[error("the evidence is refused: {0}")]
    Evidence(#[from] EvidenceError),
    #[error("the request for keys is not signed by the enclave in its evidence")]
    RequestSignature,
    #[error("the key manager's answer is refused: {0}")]
    Answer(#[from] InvalidAnswer),
    #[error("epoch {0} is not a current or recent epoch of this key manager")]
    UnknownEpoch(u64),
    #[error("{signer} is not the selected worker of any of these contracts in epoch {epoch}")]
    NotSelected { signer: Address, epoch: u64 },
    #[error("`{request}` is not a request to a {role}")]
    WrongRole { request: String, role: Role },
    #[error("{0}")]
    View(&'static str),
    #[error("the list of workers is invalid: {0}")]
    Workers(#[from] InvalidWorkers),
    #[error("epoch {given} cannot be signed now: epoch {next} is next")]
    EpochOrder { given: u64, next: u64 },
    #[error("the code is refused: {0}")]
    InvalidCode(String),
    #[error("contract {0} is here already, with other code or without any; what is here was not changed")]
    OtherCode(ScAddress),
    #[error("this is no entry of the contract's chain: {0}")]
    NotAnEntry(&'static str),
    #[error("this would leave a gap: {next} of contract {sc} is next")]
    Gap { sc: ScAddress, next: String },
    #[error("this would leave a gap: the chain of contract {sc} ends with delta {last}, and so must what is removed")]
    LeavesGap { sc: ScAddress, last: u64 },
    #[error("a snapshot of contract {0} stands behind this delta: remove the contract and take it in again")]
    BehindSnapshot(ScAddress),
    #[error(
        "this does not continue the chain of contract {0} that is here: it belongs to another chain, to other code, or to \
         another place"
    )]
    NotContinuing(ScAddress),
    #[error(
        "this does not open with the key of contract {0}: it was forged, or made for other code or with another key"
    )]
    DoesNotOpen(ScAddress),
    #[error("this would take contract {0} back behind a state that was executed here, or past it on another chain")]
    RollBack(ScAddress),
    #[error(
        "records of contract {sc} never come back: {records} are closed here, with another head of the queue or more"
    )]
    QueueBack { sc: ScAddress, records: u64 },
    #[error(
        "the state of contract {sc} that is here is another one: its tip is {tip}, and its snapshot must be complete"
    )]
    OtherTip { sc: ScAddress, tip: Hash },
    #[error("nothing shows that this code belongs to contract {0}: an entry of its state must be here first")]
    Unproven(ScAddress),
    #[error(
        "entries of contract {0} were taken in or removed: `AdvanceQueue` must say first which records they stand behind"
    )]
    NotPlaced(ScAddress),
    #[error("contract {0} is of requests without records, or this request is: a contract has one kind for good")]
    Bare(ScAddress),
    #[error("the query is refused: {0}")]
    Query(&'static str),
    #[error("{0} rests on the word of the host and is served by a simulation under the development root only")]
    DevelopmentOnly(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Tee(#[from] TeeError),
    #[error("the machine ran out of resources while the task ran; nothing was signed, try again")]
    HostExhausted,
    #[error("this version does not read {0}")]
    UnsupportedField(&'static str),
    #[error("the stored {0} does not verify: the data directory was changed by something else than this enclave")]
    Corrupted(&'static str),
    #[error("a cryptographic primitive refused its input; this is a defect of the program")]
    Primitive,
    #[error("this request met a defect of enigma-core, which its log reports")]
    Defect,
}

impl Refusal {
    /// The number on the wire.
    pub(crate) fn code(&self) -> u16 {
        match self {
            Self::Json(_) => 1,
            Self::UnknownType(_) => 2,
            Self::Field(_) | Self::View(_) | Self::Workers(_) | Self::EpochOrder { .. } => 3,
            Self::TooLarge { .. } | Self::ReplyTooLarge => 4,
            Self::Defect => 5,
            Self::Busy => 6,
            Self::NoInputKey { .. } | Self::NoStateKey(_) => 10,
            Self::OutOfOrder { .. } | Self::OtherRecord { .. } => 11,
            Self::Input(_) | Self::Mismatch(_) => 12,
            Self::UnknownContract(_) | Self::UnknownEntry { .. } => 13,
            Self::Evidence(_) | Self::RequestSignature => 14,
            Self::Answer(_) => 15,
            Self::UnknownEpoch(_) | Self::NotSelected { .. } => 16,
            Self::WrongRole { .. } => 17,
            Self::DevelopmentOnly(_) => 18,
            Self::Store(_) => 20,
            Self::Tee(_) | Self::HostExhausted => 21,
            Self::UnsupportedField(_) => 22,
            Self::Corrupted(_) | Self::Primitive => 23,
            Self::InvalidCode(_) => 30,
            Self::OtherCode(_) => 31,
            Self::NotAnEntry(_) => 32,
            Self::Gap { .. } | Self::LeavesGap { .. } | Self::BehindSnapshot(_) => 33,
            Self::NotContinuing(_) => 34,
            Self::DoesNotOpen(_) => 35,
            Self::RollBack(_) | Self::QueueBack { .. } => 36,
            Self::OtherTip { .. } => 37,
            Self::Unproven(_) => 38,
            Self::NotPlaced(_) => 39,
            Self::Bare(_) => 40,
            Self::Query(_) => 41,
        }
    }
}
