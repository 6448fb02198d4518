//! A task in the user's hands, and how it ended.

use enigma_protocol::{
    Address, Hash, ScAddress, TaskId,
    json::Hex0x,
    output::{Failure, Output},
    receipt::{Receipt, Status},
    rpc::TaskInputJson,
    sealing::ResponseKey,
    task::TaskInput,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A sealed task that may not be recorded yet, with the key that opens its result.
///
/// Keep [`PreparedTask::to_secret_json`] before the task is recorded ([`crate::Client::call_keeping`]): a process that ends
/// while Ethereum records it loses nothing then, since [`crate::Client::recover`] makes a [`Task`] of it.
#[derive(Debug)]
pub struct PreparedTask {
    pub(crate) input: TaskInput,
    pub(crate) signer: Address,
    pub(crate) response_key: ResponseKey,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PreparedTaskJson {
    input: TaskInputJson,
    worker: Hex0x<Address>,
    response_key: Hex0x<Vec<u8>>,
}

impl PreparedTask {
    /// The task's id. A task that is not recorded leaves it to the next one of the same sender.
    pub fn id(&self) -> TaskId {
        self.input.task_id
    }

    /// Hash of the input: tells apart the tasks that were prepared under one id, of which at most one is recorded.
    pub fn inputs_hash(&self) -> Hash {
        self.input.inputs_hash()
    }

    /// The sealed input and the secret key, as JSON.
    pub fn to_secret_json(&self) -> Zeroizing<String> {
        secret_json(&PreparedTaskJson {
            input: TaskInputJson::from(&self.input),
            worker: Hex0x(self.signer),
            response_key: Hex0x(self.response_key.to_bytes().to_vec()),
        })
    }

    /// The inverse of [`Self::to_secret_json`]; `None` for anything else.
    pub fn from_secret_json(text: &str) -> Option<Self> {
        let json: PreparedTaskJson = serde_json::from_str(text).ok()?;
        let response_key = Zeroizing::new(json.response_key.0);
        Some(Self {
            input: json.input.into(),
            signer: json.worker.0,
            response_key: ResponseKey::from_bytes(&response_key)?,
        })
    }

    pub(crate) fn recorded(self, record_index: u64, record_gas_used: u64) -> Task {
        Task {
            id: self.id(),
            sc: self.input.sc,
            epoch: self.input.epoch,
            inputs_hash: self.inputs_hash(),
            signer: self.signer,
            record_index,
            record_gas_used,
            response_key: self.response_key,
        }
    }
}

fn secret_json(json: &impl Serialize) -> Zeroizing<String> {
    // A structure of strings and numbers always serialises.
    Zeroizing::new(serde_json::to_string_pretty(json).unwrap_or_default())
}

/// A recorded task, with the key that opens its result.
///
/// [`Task::to_secret_json`] and [`Task::from_secret_json`] let it outlive the process; whoever has that text reads the result.
#[derive(Debug)]
pub struct Task {
    pub(crate) id: TaskId,
    pub(crate) sc: ScAddress,
    pub(crate) epoch: u64,
    pub(crate) inputs_hash: Hash,
    pub(crate) signer: Address,
    pub(crate) record_index: u64,
    pub(crate) record_gas_used: u64,
    pub(crate) response_key: ResponseKey,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TaskJson {
    task_id: Hex0x<TaskId>,
    sc: Hex0x<ScAddress>,
    epoch: u64,
    inputs_hash: Hex0x<Hash>,
    worker: Hex0x<Address>,
    record_index: u64,
    record_gas_used: u64,
    response_key: Hex0x<Vec<u8>>,
}

impl Task {
    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The contract; for a deployment the address it creates.
    pub fn sc(&self) -> ScAddress {
        self.sc
    }

    /// The epoch it was recorded in.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Hash of the input, as recorded.
    pub fn inputs_hash(&self) -> Hash {
        self.inputs_hash
    }

    /// Signing address of the worker that was verified for it.
    pub fn worker(&self) -> Address {
        self.signer
    }

    /// Place in the contract's queue.
    pub fn record_index(&self) -> u64 {
        self.record_index
    }

    /// Ethereum gas of its record.
    pub fn record_gas_used(&self) -> u64 {
        self.record_gas_used
    }

    /// The task with its secret key, as JSON.
    pub fn to_secret_json(&self) -> Zeroizing<String> {
        secret_json(&TaskJson {
            task_id: Hex0x(self.id),
            sc: Hex0x(self.sc),
            epoch: self.epoch,
            inputs_hash: Hex0x(self.inputs_hash),
            worker: Hex0x(self.signer),
            record_index: self.record_index,
            record_gas_used: self.record_gas_used,
            response_key: Hex0x(self.response_key.to_bytes().to_vec()),
        })
    }

    /// The inverse of [`Self::to_secret_json`]; `None` for anything else.
    pub fn from_secret_json(text: &str) -> Option<Self> {
        let json: TaskJson = serde_json::from_str(text).ok()?;
        let response_key = Zeroizing::new(json.response_key.0);
        Some(Self {
            id: json.task_id.0,
            sc: json.sc.0,
            epoch: json.epoch,
            inputs_hash: json.inputs_hash.0,
            signer: json.worker.0,
            record_index: json.record_index,
            record_gas_used: json.record_gas_used,
            response_key: ResponseKey::from_bytes(&response_key)?,
        })
    }
}

/// How a computed task ended; its receipt is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The receipt, signed by the verified worker.
    pub receipt: Receipt,
    /// What the task gave, or why it gave nothing.
    pub output: Result<Output, TaskFailed>,
}

/// A task that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskFailed {
    /// The contract failed, and says why.
    #[error("the contract failed: {text}")]
    Failure {
        /// What it says.
        text: String,
        /// A Solidity custom error (selector and arguments), or empty.
        data: Vec<u8>,
    },
    /// The worker could not open the input.
    #[error("the recorded input does not open under the contract's key")]
    Undecryptable,
    /// It was closed without being executed.
    #[error("the task was closed as {0} without being executed")]
    NotExecuted(&'static str),
}

impl Outcome {
    /// Opens what the worker sealed; `None` when it has another form than the receipt's status says.
    pub(crate) fn open(receipt: Receipt, plaintext: &[u8]) -> Option<Self> {
        let output = match receipt.status {
            Status::Success => Ok(Output::from_bytes(plaintext)?),
            Status::Failure => {
                let Failure { text, data } = Failure::from_bytes(plaintext)?;
                Err(TaskFailed::Failure { text, data })
            }
            Status::Undecryptable => Err(TaskFailed::Undecryptable),
            Status::Skipped | Status::Expired => Err(TaskFailed::NotExecuted(receipt.status.name())),
        };
        Some(Self { receipt, output })
    }

    /// The ABI encoded output of a successful task, without its events.
    ///
    /// # Errors
    /// [`TaskFailed`] with the reason otherwise.
    pub fn into_success(self) -> Result<Vec<u8>, TaskFailed> {
        self.output.map(|output| output.data)
    }
}
