//! JSON-RPC 2.0 between client and node.
//!
//! Parameters are one object, by name. Hexadecimal has `0x`, amounts are decimal strings.

use crate::{
    json::{Hex0x, ReceiptJson, U64, U128},
    limits::MAX_PRE_CODE_BYTES,
    primitives::{Address, Hash, ScAddress, TaskId},
    selection::{PathStep, SelectionProof, WorkerStake},
    signature::Signature,
    task::TaskInput,
};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// What a client can ask of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "camelCase")]
#[allow(clippy::large_enum_variant, reason = "requests are handled one at a time")]
pub enum Request {
    /// What this node is and how far it is.
    GetInfo(Empty),
    /// Evidence of the worker that a contract has now, with a fresh input key.
    GetWorkerEncryptionKey(WorkerKeyParams),
    /// Hands over the input of a deployment.
    DeploySecretContract(TaskInputJson),
    /// Hands over the input of a call.
    SendTaskInput(TaskInputJson),
    /// Where a task is.
    GetTaskStatus(TaskParams),
    /// The result of a task, as soon as it is computed.
    GetTaskResult(TaskParams),
    /// Evidence of the worker, as [`Request::GetWorkerEncryptionKey`] gives it.
    GetEvidence(WorkerKeyParams),
}

/// No parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// For which contract a key is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerKeyParams {
    /// The contract; for a deployment its future address.
    pub sc: Hex0x<ScAddress>,
    /// The epoch in which the task will be recorded.
    pub epoch: U64,
    /// A key of the user's choice that `workerSig` covers; may be empty.
    #[serde(default)]
    pub user_pub_key: Hex0x<Vec<u8>>,
}

/// Names a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskParams {
    /// The task.
    pub task_id: Hex0x<TaskId>,
}

/// The encrypted input of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are those of `TaskInput`")]
pub struct TaskInputJson {
    pub task_id: Hex0x<TaskId>,
    pub sc: Hex0x<ScAddress>,
    pub epoch: U64,
    pub suite: u16,
    pub encrypted_fn: Hex0x<Vec<u8>>,
    pub encrypted_args: Hex0x<Vec<u8>>,
    #[serde(rename = "userDHKey")]
    pub user_dh_key: Hex0x<Vec<u8>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_code: Option<Hex0x<Vec<u8>>>,
}

impl From<TaskInputJson> for TaskInput {
    fn from(json: TaskInputJson) -> Self {
        Self {
            task_id: json.task_id.0,
            sc: json.sc.0,
            epoch: json.epoch.0,
            suite: json.suite,
            encrypted_fn: json.encrypted_fn.0,
            encrypted_args: json.encrypted_args.0,
            user_dh_key: json.user_dh_key.0,
            pre_code: json.pre_code.map(|code| code.0),
        }
    }
}

impl From<&TaskInput> for TaskInputJson {
    fn from(input: &TaskInput) -> Self {
        Self {
            task_id: Hex0x(input.task_id),
            sc: Hex0x(input.sc),
            epoch: U64(input.epoch),
            suite: input.suite,
            encrypted_fn: Hex0x(input.encrypted_fn.clone()),
            encrypted_args: Hex0x(input.encrypted_args.clone()),
            user_dh_key: Hex0x(input.user_dh_key.clone()),
            pre_code: input.pre_code.clone().map(Hex0x),
        }
    }
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "replies are handled one at a time")]
pub enum Response {
    /// To `getInfo`.
    Info(NodeInfo),
    /// To `getWorkerEncryptionKey` and `getEvidence`.
    WorkerKey(WorkerKey),
    /// To `getTaskResult`.
    Result(TaskResult),
    /// To `getTaskStatus`, `sendTaskInput` and `deploySecretContract`.
    Status(TaskStatus),
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// Version of the program.
    pub version: String,
    /// `user` or `worker`.
    pub role: String,
    /// Name of the network, a hash of chain and contract.
    pub network_id: String,
    /// Ethereum chain id.
    pub chain_id: U64,
    /// The Enigma contract.
    pub enigma: Hex0x<Address>,
    /// The newest block this node has followed.
    pub block_number: U64,
    /// The current epoch, 0 before the first.
    pub epoch: U64,
    /// Its libp2p peer id.
    pub peer_id: String,
    /// Addresses of connected peers.
    pub peers: Vec<String>,
    /// Signing address of its enclave, for a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Hex0x<Address>>,
}

/// One step of a selection path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields are those of `PathStep`")]
pub struct PathStepJson {
    pub sibling: Hex0x<Hash>,
    pub sum: U128,
    pub sibling_is_left: bool,
}

/// Evidence, input key and selection of a worker: everything a client verifies before it seals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerKey {
    /// The contract.
    pub sc: Hex0x<ScAddress>,
    /// The epoch.
    pub epoch: U64,
    /// The encryption suite.
    pub suite: u16,
    /// The public input key.
    pub worker_encryption_key: Hex0x<Hash>,
    /// The worker's signature over [`crate::ipc::input_key_message`].
    pub worker_sig: Hex0x<Signature>,
    /// Signing address of the worker.
    pub signer: Hex0x<Address>,
    /// Evidence that binds the input key.
    pub evidence: Hex0x<Vec<u8>>,
    /// The rank the worker claims.
    pub rank: u8,
    /// Its stake in grains.
    pub stake: U128,
    /// Its path in the epoch's worker tree.
    pub path: Vec<PathStepJson>,
}

impl WorkerKey {
    /// The selection proof in it.
    pub fn selection(&self) -> SelectionProof {
        SelectionProof {
            rank: self.rank,
            worker: WorkerStake { signer: self.signer.0, stake: self.stake.0 },
            path: self
                .path
                .iter()
                .map(|step| PathStep {
                    sibling: step.sibling.0,
                    sum: step.sum.0,
                    sibling_is_left: step.sibling_is_left,
                })
                .collect(),
        }
    }
}

impl From<&PathStep> for PathStepJson {
    fn from(step: &PathStep) -> Self {
        Self { sibling: Hex0x(step.sibling), sum: U128(step.sum), sibling_is_left: step.sibling_is_left }
    }
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskState {
    /// Neither record nor input is known here.
    Unknown,
    /// The input waits for its record.
    Submitted,
    /// The record waits for its input.
    Recorded,
    /// Record and input are there; the worker has it.
    Queued,
    /// The worker has answered; the receipt is signed.
    Computed,
    /// The receipt is on Ethereum.
    Confirmed,
    /// Nobody delivered a receipt in time; the fee is refunded.
    Expired,
}

/// Reply to `getTaskStatus` and to an accepted input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskStatus {
    /// The task.
    pub task_id: Hex0x<TaskId>,
    /// Where it is.
    pub state: TaskState,
}

/// Reply to `getTaskResult`; the fields after `state` are there once it is computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskResult {
    /// The task.
    pub task_id: Hex0x<TaskId>,
    /// Where it is.
    pub state: TaskState,
    /// The result.
    pub result: Option<ComputedTask>,
}

/// A computed task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComputedTask {
    /// The receipt.
    pub receipt: ReceiptJson,
    /// The worker's signature over it.
    pub signature: Hex0x<Signature>,
    /// The sealed output.
    pub encrypted_output: Hex0x<Vec<u8>>,
}

/// A JSON-RPC error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcError {
    /// One of [`codes`].
    pub code: i32,
    /// What happened and what to do.
    pub message: String,
}

/// Stable error codes.
pub mod codes {
    /// Not JSON.
    pub const PARSE_ERROR: i32 = -32700;
    /// JSON, but no JSON-RPC 2.0 request.
    pub const INVALID_REQUEST: i32 = -32600;
    /// No such method.
    pub const METHOD_NOT_FOUND: i32 = -32601;
    /// Parameters missing, misspelt or malformed.
    pub const INVALID_PARAMS: i32 = -32602;
    /// The node failed.
    pub const INTERNAL_ERROR: i32 = -32603;
    /// The input differs from its record.
    pub const INPUT_MISMATCH: i32 = -32001;
    /// Another input is already held for this task.
    pub const INPUT_CONFLICT: i32 = -32002;
    /// No worker is reachable for this contract and epoch.
    pub const WORKER_OFFLINE: i32 = -32003;
    /// The epoch is not the current one.
    pub const WRONG_EPOCH: i32 = -32004;
    /// The node holds as much as it can.
    pub const BUSY: i32 = -32005;
    /// The body exceeds [`crate::limits::MAX_MESSAGE_BYTES`].
    pub const TOO_LARGE: i32 = -32006;
}

const _: () = assert!(MAX_PRE_CODE_BYTES * 2 < crate::limits::MAX_MESSAGE_BYTES, "a deployment fits one message");
