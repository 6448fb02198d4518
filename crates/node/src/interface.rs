//! What goes into the mind and what comes out, as values.

use crate::message::Message;
use enigma_protocol::{
    Address, Domain, Hash, ScAddress, TaskId, ipc,
    receipt::{Receipt, Status},
    record::Record,
    rpc,
    selection::{EpochParameters, SelectionProof},
    signature::Signature,
};
use std::fmt;

/// Milliseconds of a clock that the shell chooses; only differences matter.
pub type Timestamp = u64;

/// What a node is told about itself.
#[derive(Clone, Debug)]
pub struct Config {
    /// Chain and contract.
    pub domain: Domain,
    /// What the node does.
    pub role: Role,
    /// Version of the program, for `getInfo`.
    pub version: String,
    /// The node's own name in the peer-to-peer network, for `getInfo`.
    pub peer_id: String,
    /// Worker: how long a receipt may wait for company before its batch is committed.
    pub batch_age_ms: u64,
    /// Key manager: blocks that an epoch lasts at least.
    pub epoch_length_blocks: u64,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves clients, has no core.
    User,
    /// Computes with the core of this signing address.
    Worker {
        /// Of its core.
        signer: Address,
    },
    /// Carries requests to the key managing core of this signing address.
    KeyManager {
        /// Of its core.
        signer: Address,
    },
}

/// A peer on the network, by whatever bytes the shell identifies it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub Vec<u8>);

impl fmt::Display for PeerId {
    /// Text as it is, other bytes as hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) => f.write_str(text),
            Err(_) => f.write_str(&hex::encode(&self.0)),
        }
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

/// One open request of a client; chosen by the shell, answered exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// One request to the core; unique within a run of the mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// One transaction; unique within a run of the mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Everything that can happen to a node.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "inputs are handled one at a time")]
pub enum Input {
    /// The shell runs; the first input.
    Started,
    /// The time asked for by [`Output::WakeAt`] has come. More ticks do no harm.
    Tick,
    /// A block of Ethereum.
    Ledger(LedgerBlock),
    /// A transaction was included and succeeded, or was not.
    LedgerCall(CallId, Result<(), LedgerCallError>),
    /// A connection to this peer is open.
    PeerConnected(PeerId),
    /// There is no connection to it any more.
    PeerGone(PeerId),
    /// A peer says something.
    Peer(PeerId, Message),
    /// The core answers. It may have been restarted and hold no keys.
    CoreConnected,
    /// The core does not answer any more; requests to it are lost.
    CoreLost,
    /// The core's reply to a request.
    Core(RequestId, ipc::ReplyFrame),
    /// A client asks.
    Client(ClientId, rpc::Request),
}

/// A block as far as it concerns Enigma. Blocks come in ascending order; a block without events may be left out, except the
/// newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its timestamp in seconds.
    pub timestamp: u64,
    /// All events of the Enigma contract in it, in order.
    pub events: Vec<LedgerEvent>,
}

/// An event of the Enigma contract.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a block has few of them")]
pub enum LedgerEvent {
    /// A task was recorded.
    TaskRecorded {
        /// The task.
        task_id: TaskId,
        /// Its record; `block_number` and `timestamp` are those of the block.
        record: Record,
        /// Of a deployment; zero for a call.
        pre_code_hash: Hash,
        /// The entry of the ring of queue heads that the record's transaction wrote.
        entry: u64,
    },
    /// Records were closed with receipts.
    BatchCommitted {
        /// The contract.
        sc: ScAddress,
        /// Their epoch.
        epoch: u64,
        /// Who signed.
        signer: Address,
        /// The first of them.
        first_record_index: u64,
        /// How many.
        record_count: u64,
        /// Entries of the state chain now.
        delta_count: u64,
        /// The state chain's tip now.
        tip: Hash,
        /// The contract's executed code.
        exe_code_hash: Hash,
    },
    /// Records were closed because nobody delivered in time.
    RecordsExpired {
        /// The contract.
        sc: ScAddress,
        /// Their epoch.
        epoch: u64,
        /// The first of them.
        first_record_index: u64,
        /// How many.
        record_count: u64,
    },
    /// A new epoch is the current one.
    EpochStarted {
        /// Number, seed and workers.
        parameters: EpochParameters,
        /// The block from which it counts.
        first_block: u64,
    },
    /// A worker's stake changed.
    WorkerStaked {
        /// Signing address of the worker.
        signer: Address,
        /// Its stake now, in grains.
        stake: u128,
    },
    /// A worker takes part from the next epoch on.
    WorkerLoggedIn {
        /// Signing address of the worker.
        signer: Address,
    },
    /// A worker leaves with the next epoch.
    WorkerLoggedOut {
        /// Signing address of the worker.
        signer: Address,
    },
    /// A key manager's evidence was accepted.
    KeyManagerRegistered {
        /// Signing address of the key manager.
        signer: Address,
    },
}

/// Why a transaction did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerCallError {
    /// The contract refused.
    #[error("the transaction was refused: {0}")]
    Reverted(String),
    /// It was not sent or not included; nobody knows what becomes of it.
    #[error("the transaction was not included: {0}")]
    Unavailable(String),
}

/// Everything that a node wants done. Outputs are performed strictly in order, and a [`Output::Persist`] is durable before any
/// later output is performed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "outputs are handled one at a time")]
pub enum Output {
    /// Send a transaction and report with [`Input::LedgerCall`].
    Submit(CallId, LedgerCall),
    /// Send a message, or drop it when there is no connection.
    Send(PeerId, Message),
    /// Ask the core and report with [`Input::Core`]. Requests may run at the same time.
    AskCore(RequestId, ipc::Request),
    /// Answer a client.
    Reply(ClientId, Result<rpc::Response, rpc::RpcError>),
    /// Give a [`Input::Tick`] at this time; replaces an earlier one.
    WakeAt(Timestamp),
    /// Store these values, or remove the keys without one, all or nothing.
    Persist(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    /// Something worth a line in the log.
    Report(Event),
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there are few of them")]
pub enum LedgerCall {
    /// `commitBatch`.
    CommitBatch {
        /// The contract.
        sc: ScAddress,
        /// The epoch of the records.
        epoch: u64,
        /// The ring entry that the last record's transaction wrote.
        to_entry: u64,
        /// The executed code; read when the deployment is among the records.
        exe_code_hash: Hash,
        /// The records.
        records: Vec<Record>,
        /// Their receipts.
        receipts: Vec<Receipt>,
        /// Why this worker may close them.
        selection: SelectionProof,
        /// Its core's signature over the batch.
        signature: Signature,
    },
    /// `startEpoch`.
    StartEpoch {
        /// The epoch.
        parameters: EpochParameters,
        /// Of the key managers, in ascending order of their addresses.
        signatures: Vec<Signature>,
    },
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For those who search.
    Debug,
    /// The life of a node.
    Info,
    /// Something failed and is tried again, or somebody misbehaved.
    Warning,
    /// An operator must act.
    Error,
}

/// What the mind tells people; nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what the fields are")]
pub enum Event {
    #[error("epoch {epoch} has started with {workers} workers")]
    EpochStarted { epoch: u64, workers: usize },
    #[error("the workers of epoch {epoch} are none of the sets seen on Ethereum; its tasks cannot be followed")]
    EpochWorkersUnknown { epoch: u64 },
    #[error("task {task_id} of contract {sc} is recorded at position {record_index}")]
    TaskRecorded { task_id: TaskId, sc: ScAddress, record_index: u64 },
    #[error("task {task_id} is computed: {}", .status.name())]
    TaskComputed { task_id: TaskId, status: Status },
    #[error("{records} records of contract {sc} are sent to Ethereum")]
    BatchSubmitted { sc: ScAddress, records: usize },
    #[error("{records} records of contract {sc} are closed on Ethereum")]
    RecordsClosed { sc: ScAddress, records: usize },
    #[error("keys of {contracts} contracts for epoch {epoch} are installed")]
    KeysInstalled { epoch: u64, contracts: usize },
    #[error("no key exchange took place: {reason}")]
    KeyExchangeFailed { reason: String },
    #[error("the core answers")]
    CoreConnected,
    #[error("the core does not answer; what it was asked is asked again when it does")]
    CoreLost,
    #[error("the core refused {request}: {message} (code {code})")]
    CoreRefused { request: &'static str, code: u16, message: String },
    #[error("the core's reply to {request} does not fit the question: {reason}")]
    CoreReplyUnexpected { request: &'static str, reason: String },
    #[error("{call} failed and is tried again: {error}")]
    CallFailed { call: &'static str, error: LedgerCallError },
    #[error("an input for task {task_id} is refused: {reason}")]
    InputRefused { task_id: TaskId, reason: String },
    #[error("an outcome of task {task_id} is refused: {reason}")]
    OutcomeRefused { task_id: TaskId, reason: &'static str },
    #[error("peer {peer} is ignored: {reason}")]
    PeerIgnored { peer: PeerId, reason: &'static str },
}

impl Event {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Self::TaskRecorded { .. } | Self::InputRefused { .. } | Self::PeerIgnored { .. } => Severity::Debug,
            Self::EpochStarted { .. }
            | Self::TaskComputed { .. }
            | Self::BatchSubmitted { .. }
            | Self::RecordsClosed { .. }
            | Self::KeysInstalled { .. }
            | Self::CoreConnected => Severity::Info,
            Self::KeyExchangeFailed { .. } | Self::CoreLost | Self::CallFailed { .. } | Self::OutcomeRefused { .. } => {
                Severity::Warning
            }
            Self::EpochWorkersUnknown { .. } | Self::CoreRefused { .. } | Self::CoreReplyUnexpected { .. } => {
                Severity::Error
            }
        }
    }
}

/// Saved values from which no node can be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A key that this version does not write.
    #[error("the store holds the unknown key {key}; it was written by another version")]
    UnknownKey {
        /// The key, as hexadecimal digits.
        key: String,
    },
    /// A value that this version does not write.
    #[error("the value of the key {key} is damaged or was written by another version")]
    Value {
        /// The key, as hexadecimal digits.
        key: String,
    },
    /// The store belongs to another network.
    #[error("the store belongs to chain {} and contract {}; use another data directory", .0.chain_id, .0.enigma)]
    OtherNetwork(Domain),
}
