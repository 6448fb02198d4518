//! The client: verify, seal, record, hand over, open.

use crate::{
    Outcome, PreparedTask, Task,
    abi::Call,
    ledger::{Ledger, LedgerError, RecordRequest, RecordTarget},
    node::{NodeClient, NodeError},
    verify::{Expectation, ResultRefused, VerifiedWorker, WorkerRefused, verify_result, verify_worker},
};
use enigma_attestation::{Evidence, Policy};
use enigma_protocol::{
    Address, Hash, ScAddress, TaskId,
    hash::keccak256,
    json::{Hex0x, U64},
    rpc::{
        Empty, NodeInfo, TaskInputJson, TaskParams, TaskResult, TaskState, TaskStatus, WorkerKey, WorkerKeyParams,
        codes,
    },
    sealing::{DoesNotOpen, InvalidInputKey, TaskContext, rand_core::UnwrapErr, seal_task},
    selection::EpochParameters,
    task::{InvalidInput, SUITE_X25519, TaskInput, task_id},
};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::Mutex, time::Instant};
use zeroize::Zeroizing;

/// A task that meets a change of epoch is made again: client, node and Ethereum see the new one at different moments.
const EPOCH_PATIENCE: Duration = Duration::from_secs(15);
const EPOCH_PAUSE: Duration = Duration::from_millis(20);
/// A recorded task's input is offered to the node for this long.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(30);
/// Verified workers kept, so that many tasks in one epoch ask the node once.
const MAX_CACHED_WORKERS: usize = 256;
/// Pauses between questions for a result: short at first, since most tasks take milliseconds.
const FIRST_POLL: Duration = Duration::from_millis(4);
const LONGEST_POLL: Duration = Duration::from_millis(250);

/// Whom a client trusts for evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// A network of real TEEs: evidence must show one of the measurements that the application pins.
    Production {
        /// The accepted enclaves.
        pinned_measurements: Vec<Hash>,
    },
    /// A development network: evidence of the development root is accepted, which protects nobody from the operator.
    Devnet,
}

/// Where a client connects to, and as whom.
pub struct Options {
    /// JSON-RPC of an Ethereum node.
    pub ethereum_url: String,
    /// JSON-RPC of an Enigma node.
    pub node_url: String,
    /// The Enigma contract.
    pub enigma: Address,
    /// The user's Ethereum key in hexadecimal.
    pub private_key: Zeroizing<String>,
    /// What evidence is accepted.
    pub network: Network,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("ethereum_url", &self.ethereum_url)
            .field("node_url", &self.node_url)
            .field("enigma", &self.enigma)
            .field("private_key", &"(secret)")
            .field("network", &self.network)
            .finish()
    }
}

/// What a task may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskOptions {
    /// Most gas the task may use.
    pub gas_limit: u64,
    /// Grains of ENG per unit of gas.
    pub gas_price: u128,
    /// How long to wait for a result.
    pub timeout: Duration,
}

impl Default for TaskOptions {
    fn default() -> Self {
        Self { gas_limit: 10_000_000, gas_price: 1, timeout: Duration::from_secs(60) }
    }
}

/// A connection that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Ethereum.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node belongs to another network.
    #[error(
        "the node at this address belongs to {node}, the Enigma contract to {ours}: use a node of the same network"
    )]
    OtherNetwork {
        /// What the node says.
        node: String,
        /// What the contract's address gives.
        ours: String,
    },
}

/// A task that did not come about, or whose result could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Ethereum.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The worker was refused; nothing was sealed.
    #[error(transparent)]
    WorkerRefused(#[from] WorkerRefused),
    /// The worker's key cannot be sealed to.
    #[error(transparent)]
    InputKey(#[from] InvalidInputKey),
    /// The input exceeds a bound.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The deposit does not pay for it.
    #[error(
        "the deposit holds {balance} grains, the task may cost {cost}: deposit more, or lower the gas limit or price"
    )]
    Deposit {
        /// Grains there.
        balance: u128,
        /// Gas limit times price.
        cost: u128,
    },
    /// The key of the result could not be kept.
    #[error("the key to the task's result could not be kept, so nothing was recorded: {0}")]
    NotKept(#[source] std::io::Error),
    /// There is no epoch, so no worker.
    #[error("the network has no epoch yet: no worker is logged in, or the key managers are offline")]
    NoEpoch,
    /// It is recorded on Ethereum, and the node did not take its input.
    #[error("task {task_id} is recorded on Ethereum, but the node did not take its input: {source}")]
    NotHandedOver {
        /// The recorded task.
        task_id: TaskId,
        /// Why.
        source: NodeError,
    },
    /// The result is not the verified worker's.
    #[error("the result is refused: {0}")]
    ResultRefused(#[from] ResultRefused),
    /// The output does not open.
    #[error("the output: {0}")]
    Output(#[from] DoesNotOpen),
    /// The worker sealed something else than an output.
    #[error("the output opens and has no known form: the worker runs another version")]
    OutputForm,
    /// Nothing in time.
    #[error("no result within {waited_s} s; the task is {state:?}. It is not lost: ask again later")]
    Timeout {
        /// Seconds waited.
        waited_s: u64,
        /// Where the task is.
        state: TaskState,
    },
}

impl TaskError {
    /// Whether Ethereum has, or may still come to have, the task's record: a kept key may open its result.
    pub fn may_be_recorded(&self) -> bool {
        matches!(self, Self::Ledger(LedgerError::Rpc(_)) | Self::NotHandedOver { .. })
    }

    /// Whether another process recorded a task of the same account in between: nothing was recorded under `nonce` by us.
    fn met_another_record(&self, nonce: u64, expected: u64) -> bool {
        match self {
            Self::Ledger(LedgerError::Overtaken(_)) => true,
            Self::Ledger(LedgerError::Failed(_)) => nonce < expected,
            Self::Ledger(error) => error.is_revert("WrongSenderNonce") && nonce < expected,
            _ => false,
        }
    }

    /// Whether somebody is in another epoch: nothing was recorded, and the same task can be made again.
    fn is_wrong_epoch(&self) -> bool {
        match self {
            Self::Ledger(error) => error.is_revert("WrongEpoch"),
            Self::Node(NodeError::Refused(error)) => error.code == codes::WRONG_EPOCH,
            _ => false,
        }
    }
}

/// Keeps a task's secret somewhere that outlives the process; an error stops the task before it is recorded.
pub type Keep<'a> = &'a mut (dyn FnMut(&PreparedTask) -> std::io::Result<()> + Send);

/// A user's connection to one Enigma network. Cheap to share behind an `Arc`; all methods take `&self`.
#[derive(Debug)]
pub struct Client {
    ledger: Ledger,
    node: NodeClient,
    config_hash: Hash,
    network: Network,
    /// Counter of the next record. Held while a record is being made, because Ethereum takes them in order.
    next_nonce: Mutex<Option<u64>>,
    workers: Mutex<BTreeMap<(ScAddress, u64), VerifiedWorker>>,
}

impl Client {
    /// Connects, and checks that contract and node belong together.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(options: Options) -> Result<Self, ConnectError> {
        let ledger = Ledger::connect(&options.ethereum_url, options.enigma, &options.private_key).await?;
        let node = NodeClient::new(options.node_url);
        let info: NodeInfo = node.call("getInfo", &Empty {}).await?;
        let ours = ledger.domain().network_id();
        if info.network_id != ours {
            return Err(ConnectError::OtherNetwork { node: info.network_id, ours });
        }
        let config_hash = ledger.config_hash().await?;
        Ok(Self {
            ledger,
            node,
            config_hash,
            network: options.network,
            next_nonce: Mutex::new(None),
            workers: Mutex::new(BTreeMap::new()),
        })
    }

    /// The user's address.
    pub fn address(&self) -> Address {
        self.ledger.address()
    }

    /// Ethereum.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The node.
    pub fn node(&self) -> &NodeClient {
        &self.node
    }

    /// The worker of a contract in the current epoch, verified. Nothing is sealed by this.
    ///
    /// # Errors
    /// [`TaskError::WorkerRefused`] names the check that failed.
    pub async fn worker(&self, sc: ScAddress) -> Result<VerifiedWorker, TaskError> {
        let deadline = Instant::now() + EPOCH_PATIENCE;
        loop {
            let epoch = self.epoch().await?;
            match self.verified_worker(sc, &epoch).await {
                Err(error) if error.is_wrong_epoch() && Instant::now() < deadline => {
                    tokio::time::sleep(EPOCH_PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    async fn epoch(&self) -> Result<EpochParameters, TaskError> {
        let epoch = self.ledger.current_epoch().await?;
        if epoch.epoch == 0 { Err(TaskError::NoEpoch) } else { Ok(epoch) }
    }

    async fn verified_worker(&self, sc: ScAddress, epoch: &EpochParameters) -> Result<VerifiedWorker, TaskError> {
        if let Some(worker) = self.workers.lock().await.get(&(sc, epoch.epoch)) {
            return Ok(worker.clone());
        }
        let params = WorkerKeyParams { sc: Hex0x(sc), epoch: U64(epoch.epoch), user_pub_key: Hex0x(Vec::new()) };
        let key: WorkerKey = self.node.call("getWorkerEncryptionKey", &params).await?;
        let policy = self.policy(&key).await?;
        let worker = verify_worker(
            &key,
            &Expectation {
                domain: self.ledger.domain(),
                sc,
                epoch,
                config_hash: self.config_hash,
                policy: &policy,
                user_pub_key: &[],
                now_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            },
        )?;
        let mut workers = self.workers.lock().await;
        workers.retain(|(_, known_epoch), _| *known_epoch >= epoch.epoch);
        if workers.len() >= MAX_CACHED_WORKERS {
            workers.pop_first();
        }
        workers.insert((sc, epoch.epoch), worker.clone());
        Ok(worker)
    }

    /// A measurement is accepted when the policy on Ethereum accepts it and, outside devnets, the application pins it.
    async fn policy(&self, key: &WorkerKey) -> Result<Policy, TaskError> {
        let claimed = Evidence::from_bytes(&key.evidence.0).map_err(WorkerRefused::Evidence)?.measurement;
        let pinned = match &self.network {
            Network::Devnet => true,
            Network::Production { pinned_measurements } => pinned_measurements.contains(&claimed),
        };
        let accepted = pinned && self.ledger.is_measurement_accepted(claimed).await?;
        let measurements = accepted.then_some(claimed);
        Ok(match &self.network {
            Network::Devnet => Policy::development(measurements),
            Network::Production { .. } => Policy::production(measurements),
        })
    }

    /// Records and hands over a deployment. `code` is a module built with the SDK.
    ///
    /// # Errors
    /// [`TaskError`].
    pub async fn deploy(&self, code: Vec<u8>, constructor: &Call, options: TaskOptions) -> Result<Task, TaskError> {
        self.deploy_keeping(code, constructor, options, &mut |_| Ok(())).await
    }

    /// Records and hands over a call.
    ///
    /// # Errors
    /// [`TaskError`].
    pub async fn call(&self, sc: ScAddress, call: &Call, options: TaskOptions) -> Result<Task, TaskError> {
        self.call_keeping(sc, call, options, &mut |_| Ok(())).await
    }

    /// [`Self::deploy`] that hands the task to `keep` before anything is recorded, so that its result outlives this process.
    /// A task that meets a change of epoch, or another of the same account, is sealed again, and `keep` is called again.
    ///
    /// # Errors
    /// [`TaskError`]; [`TaskError::may_be_recorded`] says whether what was kept is still of use.
    pub async fn deploy_keeping(
        &self,
        code: Vec<u8>,
        constructor: &Call,
        options: TaskOptions,
        keep: Keep<'_>,
    ) -> Result<Task, TaskError> {
        self.submit(None, Some(code), constructor, options, keep).await
    }

    /// [`Self::call`] that hands the task to `keep` before anything is recorded, as [`Self::deploy_keeping`] does.
    ///
    /// # Errors
    /// [`TaskError`]; [`TaskError::may_be_recorded`] says whether what was kept is still of use.
    pub async fn call_keeping(
        &self,
        sc: ScAddress,
        call: &Call,
        options: TaskOptions,
        keep: Keep<'_>,
    ) -> Result<Task, TaskError> {
        self.submit(Some(sc), None, call, options, keep).await
    }

    /// The recorded task of one that was kept before; `None` if Ethereum has no record of it. The node is given the input once
    /// more, in case the process that recorded it ended before it could.
    ///
    /// # Errors
    /// [`TaskError::Ledger`], [`TaskError::NotHandedOver`].
    pub async fn recover(&self, prepared: PreparedTask) -> Result<Option<Task>, TaskError> {
        let Some(record) = self.ledger.find_record(prepared.id(), prepared.inputs_hash()).await? else {
            return Ok(None);
        };
        self.hand_over(&prepared.input).await?;
        Ok(Some(prepared.recorded(record.record_index, record.gas_used)))
    }

    async fn submit(
        &self,
        sc: Option<ScAddress>,
        pre_code: Option<Vec<u8>>,
        call: &Call,
        options: TaskOptions,
        keep: Keep<'_>,
    ) -> Result<Task, TaskError> {
        let mut next_nonce = self.next_nonce.lock().await;
        let mut account = self.ledger.account().await?;
        let cost = u128::from(options.gas_limit).saturating_mul(options.gas_price);
        if account.balance < cost {
            return Err(TaskError::Deposit { balance: account.balance, cost });
        }
        let deadline = Instant::now() + EPOCH_PATIENCE;
        loop {
            let nonce = next_nonce.unwrap_or(account.sender_nonce).max(account.sender_nonce);
            let epoch = self.epoch().await?;
            let error = match self.submit_once(sc, pre_code.clone(), call, options, nonce, &epoch, keep).await {
                Ok(task) => {
                    *next_nonce = nonce.checked_add(1);
                    return Ok(task);
                }
                Err(error) => error,
            };
            if Instant::now() >= deadline {
                *next_nonce = None;
                return Err(error);
            }
            if self.met_another_epoch(&error, &epoch).await {
                tokio::time::sleep(EPOCH_PAUSE).await;
                continue;
            }
            // What Ethereum says counts the next time.
            *next_nonce = None;
            account = self.ledger.account().await?;
            if !error.met_another_record(nonce, account.sender_nonce) {
                return Err(error);
            }
            tokio::time::sleep(EPOCH_PAUSE).await;
        }
    }

    /// Whether a task was not recorded because of a change of epoch. A transaction that fails only in its block does not say
    /// why; it recorded nothing, and its nonce cannot be used twice.
    async fn met_another_epoch(&self, error: &TaskError, epoch: &EpochParameters) -> bool {
        let failed = matches!(error, TaskError::Ledger(LedgerError::Failed(_)));
        error.is_wrong_epoch() || (failed && self.epoch().await.is_ok_and(|current| current.epoch != epoch.epoch))
    }

    #[allow(clippy::too_many_arguments, reason = "one caller, which repeats it with another nonce and epoch")]
    async fn submit_once(
        &self,
        sc: Option<ScAddress>,
        pre_code: Option<Vec<u8>>,
        call: &Call,
        options: TaskOptions,
        nonce: u64,
        epoch: &EpochParameters,
        keep: Keep<'_>,
    ) -> Result<Task, TaskError> {
        let domain = self.ledger.domain();
        let id = task_id(&domain, self.address(), nonce);
        let sc = sc.unwrap_or(ScAddress::from(id));
        let worker = self.verified_worker(sc, epoch).await?;
        let context = TaskContext { domain, sc, epoch: epoch.epoch, task_id: id };
        let mut rng = UnwrapErr(getrandom::SysRng);
        let (sealed, response_key) = seal_task(&mut rng, &context, &worker.input_key, &call.function, &call.args)?;
        let target = match &pre_code {
            Some(code) => RecordTarget::Deployment(keccak256(code)),
            None => RecordTarget::Call(sc),
        };
        let input = TaskInput {
            task_id: id,
            sc,
            epoch: epoch.epoch,
            suite: SUITE_X25519,
            encrypted_fn: sealed.encrypted_fn,
            encrypted_args: sealed.encrypted_args,
            user_dh_key: sealed.user_dh_key.to_vec(),
            pre_code,
        };
        input.validate()?;
        let request = RecordRequest {
            epoch: epoch.epoch,
            sender_nonce: nonce,
            target,
            inputs_hash: input.inputs_hash(),
            gas_limit: options.gas_limit,
            gas_price: options.gas_price,
        };
        let task = PreparedTask { input, signer: worker.signer, response_key };
        keep(&task).map_err(TaskError::NotKept)?;
        // The node holds the input until it sees the record, so both go out at once.
        let (recorded, handed_over) = futures::join!(self.ledger.record(&request), self.send_input(&task.input));
        let recorded = recorded?;
        if handed_over.is_err() {
            self.hand_over(&task.input).await?;
        }
        Ok(task.recorded(recorded.record_index, recorded.gas_used))
    }

    async fn send_input(&self, input: &TaskInput) -> Result<TaskStatus, NodeError> {
        let method = if input.pre_code.is_some() { "deploySecretContract" } else { "sendTaskInput" };
        self.node.call(method, &TaskInputJson::from(input)).await
    }

    /// The record stands, so the input must follow. The node may be busy, or not yet have seen the epoch.
    async fn hand_over(&self, input: &TaskInput) -> Result<(), TaskError> {
        let deadline = Instant::now() + HAND_OVER_PATIENCE;
        let mut pause = FIRST_POLL;
        while let Err(source) = self.send_input(input).await {
            if !source.is_retryable() || Instant::now() >= deadline {
                return Err(TaskError::NotHandedOver { task_id: input.task_id, source });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_POLL);
        }
        Ok(())
    }

    /// Where a task is, according to the node.
    ///
    /// # Errors
    /// [`TaskError::Node`].
    pub async fn status(&self, task: &Task) -> Result<TaskState, TaskError> {
        let params = TaskParams { task_id: Hex0x(task.id()) };
        Ok(self.node.call::<_, TaskStatus>("getTaskStatus", &params).await?.state)
    }

    /// Waits for the result (by default 60 s), verifies its receipt and opens it.
    ///
    /// # Errors
    /// [`TaskError`]; a task whose contract failed is an `Ok` [`Outcome`] with that status.
    pub async fn result(&self, task: &Task) -> Result<Outcome, TaskError> {
        self.result_within(task, TaskOptions::default().timeout).await
    }

    /// [`Self::result`] with a time limit.
    ///
    /// # Errors
    /// [`TaskError`].
    pub async fn result_within(&self, task: &Task, timeout: Duration) -> Result<Outcome, TaskError> {
        let params = TaskParams { task_id: Hex0x(task.id()) };
        let deadline = Instant::now() + timeout;
        let mut pause = FIRST_POLL;
        loop {
            let answer: TaskResult = self.node.call("getTaskResult", &params).await?;
            if let Some(computed) = answer.result {
                let receipt = verify_result(&self.ledger.domain(), task, &computed)?;
                let plaintext = match computed.encrypted_output.0.as_slice() {
                    [] => Vec::new(),
                    sealed => task.response_key.open(sealed)?,
                };
                return Outcome::open(receipt, &plaintext).ok_or(TaskError::OutputForm);
            }
            if Instant::now() >= deadline {
                return Err(TaskError::Timeout { waited_s: timeout.as_secs(), state: answer.state });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 5 / 4).min(LONGEST_POLL);
        }
    }

    /// Waits until Ethereum itself shows that the task's record is closed by a receipt.
    ///
    /// # Errors
    /// [`TaskError`].
    pub async fn confirmed_within(&self, task: &Task, timeout: Duration) -> Result<(), TaskError> {
        let deadline = Instant::now() + timeout;
        while self.ledger.contract_facts(task.sc()).await?.closed_records <= task.record_index {
            if Instant::now() >= deadline {
                return Err(TaskError::Timeout { waited_s: timeout.as_secs(), state: self.status(task).await? });
            }
            tokio::time::sleep(LONGEST_POLL / 5).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_shown_without_their_key() {
        let options = Options {
            ethereum_url: "http://127.0.0.1:1".into(),
            node_url: "http://127.0.0.1:2".into(),
            enigma: Address([1; 20]),
            private_key: Zeroizing::new("abcdef0123".into()),
            network: Network::Devnet,
        };
        let shown = format!("{options:?}");
        assert!(shown.contains("secret") && !shown.contains("abcdef0123"), "{shown}");
    }
}
