//! `enigma deploy`, `enigma call` and `enigma task`: private computation from the command line.

use super::network::NetworkArgs;
use crate::{
    amount::Eng,
    output::{OutputArgs, progress, table},
    taskfile::{StateArgs, forget},
};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use enigma_client::{
    Client, Event, Outcome, Output, PreparedTask, Task, TaskError, TaskFailed, TaskOptions, abi,
    protocol::{
        ScAddress, TaskId,
        json::Hex0x,
        receipt::Status,
        rpc::{TaskParams, TaskState, TaskStatus},
    },
};
use serde::Serialize;
use std::{
    fmt::{self, Display},
    path::PathBuf,
    time::Duration,
};

/// What every task may cost and how long to wait for it.
#[derive(Debug, Args)]
pub struct TaskArgs {
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    state: StateArgs,
    /// Most gas that the task may use; it is paid for from the deposit.
    #[arg(long, value_name = "GAS", default_value_t = TaskOptions::default().gas_limit)]
    gas_limit: u64,
    /// Grains of ENG (18 digits make one ENG) for a unit of gas.
    #[arg(long, value_name = "GRAINS", default_value_t = TaskOptions::default().gas_price)]
    gas_price: u128,
    /// Seconds to wait for the result.
    #[arg(long, value_name = "S", default_value_t = 60)]
    timeout: u64,
    /// Return once the task is recorded; `enigma task result` opens the result later.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    output: OutputArgs,
}

impl TaskArgs {
    fn options(&self) -> TaskOptions {
        TaskOptions { gas_limit: self.gas_limit, gas_price: self.gas_price, timeout: Duration::from_secs(self.timeout) }
    }

    async fn connect(&self) -> anyhow::Result<Client> {
        self.state.prepare()?;
        self.network.resolve().await?.connect().await
    }

    /// Ends what [`Kept`] began, then waits for the result unless told not to.
    async fn finish(
        &self,
        client: &Client,
        made: Result<Task, TaskError>,
        kept: Kept<'_>,
        returns: Option<&str>,
    ) -> anyhow::Result<()> {
        let task = &kept.settle(made)?;
        let prepared = kept.path.context("a task is kept before it is recorded")?;
        let path = self.state.save(task, &prepared)?;
        progress(&format!("recorded as task {}; its key is in {}", task.id(), path.display()));
        if self.no_wait {
            let report = Recorded {
                task_id: task.id().to_string(),
                sc: task.sc().to_string(),
                epoch: task.epoch(),
                record_gas_used: task.record_gas_used(),
            };
            return self
                .output
                .result(&report, |report| table(&[("task", report.task_id.clone()), ("contract", report.sc.clone())]));
        }
        progress("waiting for the result");
        let outcome = client.result_within(task, self.options().timeout).await;
        report(self.output, task, outcome.map_err(|error| ask_later(error, task.id()))?, returns)
    }
}

/// The key of a task in the making, on disk before Ethereum has the record.
struct Kept<'a> {
    state: &'a StateArgs,
    id: Option<TaskId>,
    path: Option<PathBuf>,
}

impl<'a> Kept<'a> {
    fn new(state: &'a StateArgs) -> Self {
        Self { state, id: None, path: None }
    }

    fn keep(&mut self, task: &PreparedTask) -> std::io::Result<()> {
        let path = self.state.keep(task).map_err(|error| std::io::Error::other(format!("{error:#}")))?;
        // Sealed again, for the next epoch or under the next number: nobody recorded the one before.
        if let Some(old) = self.path.replace(path) {
            forget(&old);
        }
        self.id = Some(task.id());
        Ok(())
    }

    /// Removes the key of a task that was not recorded; says where to go on with one that may be.
    fn settle(&self, made: Result<Task, TaskError>) -> anyhow::Result<Task> {
        let error = match made {
            Ok(task) => return Ok(task),
            Err(error) => error,
        };
        if let TaskError::Deposit { balance, cost } = error {
            let (balance, cost) = (Eng { grains: balance }, Eng { grains: cost });
            return Err(anyhow::anyhow!(
                "the deposit holds {balance} ENG and the task may cost {cost} ENG: `enigma deposit` adds to it, a lower \
                 --gas-limit or --gas-price costs less"
            ));
        }
        let Some((id, path)) = self.id.zip(self.path.as_ref()) else { return Err(error.into()) };
        if error.may_be_recorded() {
            let next = format!(
                "its key is kept; `enigma task result {id}` tells whether it was recorded, and opens its result"
            );
            return Err(anyhow::anyhow!("{error}; {next}"));
        }
        forget(path);
        let TaskError::Ledger(refused) = &error else { return Err(error.into()) };
        let hint = if refused.is_revert("UnknownContract") {
            "is there no contract at this address on this network? `enigma deploy` prints the address of a new one"
        } else if refused.is_revert("GasLimitTooLow") {
            "give a higher --gas-limit"
        } else {
            return Err(error.into());
        };
        Err(anyhow::anyhow!("{error}; {hint}"))
    }
}

/// How to come back to a task that is recorded, whatever kept its result away.
fn ask_later(error: TaskError, id: TaskId) -> anyhow::Error {
    match error {
        TaskError::Timeout { waited_s, state } => anyhow::anyhow!(
            "no result within {waited_s} s; the task is {}. It is not lost: run `enigma task result {id}`",
            format!("{state:?}").to_lowercase()
        ),
        TaskError::Node(_) => anyhow::anyhow!("{error}; the task is recorded: run `enigma task result {id}` later"),
        other => other.into(),
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    task_id: String,
    sc: String,
    epoch: u64,
    record_gas_used: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finished {
    task_id: String,
    sc: String,
    epoch: u64,
    status: &'static str,
    gas_used: u64,
    worker: String,
    /// The decrypted output as it was computed, ABI encoded; empty unless it succeeded.
    output: String,
    /// What the contract tells its caller beside the output.
    events: Vec<ShownEvent>,
    /// The output by the types of `--returns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
    /// Why the task failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// The Solidity custom error that the task failed with: selector and arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownEvent {
    signature: String,
    /// All parameters, ABI encoded.
    data: String,
    /// The parameters by the types of the signature, where these can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
}

impl From<&Event> for ShownEvent {
    fn from(event: &Event) -> Self {
        let types = event.signature.split_once('(').and_then(|(_, types)| types.strip_suffix(')'));
        let values = match types {
            Some("") if event.data.is_empty() => Some(Vec::new()),
            types => types.and_then(|types| abi::decode(types, &event.data).ok()),
        };
        Self { signature: event.signature.clone(), data: hex0x(&event.data), values }
    }
}

impl Display for ShownEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.signature.split('(').next().unwrap_or_default();
        match &self.values {
            Some(values) => write!(f, "{name}({})", values.join(", ")),
            None => write!(f, "{} {}", self.signature, self.data),
        }
    }
}

/// What a contract says, without what would steer a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Prints how a task ended; one that did not succeed is an error, after its JSON.
fn report(output: OutputArgs, task: &Task, outcome: Outcome, returns: Option<&str>) -> anyhow::Result<()> {
    let (status, gas_used) = (outcome.receipt.status, outcome.receipt.gas_used);
    let is_deployment = TaskId(task.sc().0) == task.id();
    let (output_data, events, failure) = match outcome.output {
        Ok(Output { data, events }) => (data, events, None),
        Err(failed) => (Vec::new(), Vec::new(), Some(failed)),
    };
    let hex = hex0x(&output_data);
    let values = match returns {
        Some(types) if failure.is_none() => {
            Some(abi::decode(types, &output_data).with_context(|| format!("the task succeeded with {hex}"))?)
        }
        _ => None,
    };
    let error = match &failure {
        Some(TaskFailed::Failure { data, .. }) if !data.is_empty() => Some(hex0x(data)),
        _ => None,
    };
    let report = Finished {
        task_id: task.id().to_string(),
        sc: task.sc().to_string(),
        epoch: task.epoch(),
        status: status.name(),
        gas_used,
        worker: task.worker().to_string(),
        output: hex,
        events: events.iter().map(ShownEvent::from).collect(),
        values,
        failure: failure.as_ref().map(ToString::to_string),
        error,
    };
    if output.json || failure.is_none() {
        output.result(&report, |report| match &report.values {
            Some(values) => values.join("\n"),
            None if is_deployment => report.sc.clone(),
            None => report.output.clone(),
        })?;
    }
    for event in &report.events {
        progress(&printable(&format!("event {event}")));
    }
    progress(&format!("{} with {gas_used} gas, computed by {}, receipt verified", status.name(), task.worker()));
    match failure {
        None => Ok(()),
        Some(failed) => {
            let hint = match status {
                Status::Failure => "; nothing in the contract's state changed",
                Status::Success | Status::Skipped | Status::Expired | Status::Undecryptable => "",
            };
            let typed = report.error.map_or_else(String::new, |error| format!(" (error {error})"));
            bail!("{}{typed}{hint}", printable(&failed.to_string()))
        }
    }
}

/// Deploy a secret contract: encrypt the constructor's arguments, record the deployment on Ethereum, wait for the signed
/// receipt. Prints the contract's address.
#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLES (on a running `enigma devnet`)
  enigma deploy target/secret-contracts/simple_calculator.wasm
  enigma deploy voting.wasm 'construct(address)' 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")]
pub struct Deploy {
    /// The contract: a WebAssembly module built with the SDK.
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// The constructor's Solidity signature.
    #[arg(value_name = "CONSTRUCTOR", default_value = "construct()")]
    constructor: String,
    /// Its arguments: numbers, addresses, true, text, lists in square brackets.
    #[arg(value_name = "ARGS", allow_negative_numbers = true)]
    args: Vec<String>,
    #[command(flatten)]
    task: TaskArgs,
}

impl Deploy {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub async fn run(self) -> anyhow::Result<()> {
        let constructor = abi::call(&self.constructor, &self.args)?;
        let code = std::fs::read(&self.file)
            .with_context(|| format!("cannot read the contract {}; build it first?", self.file.display()))?;
        let client = self.task.connect().await?;
        progress(&format!("deploying {} ({} bytes)", self.file.display(), code.len()));
        let mut kept = Kept::new(&self.task.state);
        let made = client.deploy_keeping(code, &constructor, self.task.options(), &mut |task| kept.keep(task)).await;
        self.task.finish(&client, made, kept, None).await
    }
}

/// Call a secret contract: encrypt function and arguments, record the task on Ethereum, wait for the result and open it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE (on a running `enigma devnet`)
  enigma call 0x3d1f... 'add(uint256,uint256)' 2 3 --returns uint256")]
pub struct Call {
    /// The secret contract.
    #[arg(value_name = "CONTRACT")]
    sc: ScAddress,
    /// The function's Solidity signature.
    #[arg(value_name = "FUNCTION")]
    function: String,
    /// Its arguments: numbers, addresses, true, text, lists in square brackets.
    #[arg(value_name = "ARGS", allow_negative_numbers = true)]
    args: Vec<String>,
    /// Solidity types of the result, such as `uint256` or `address,string`; without it the result is printed in hexadecimal.
    #[arg(long, value_name = "TYPES")]
    returns: Option<String>,
    #[command(flatten)]
    task: TaskArgs,
}

impl Call {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub async fn run(self) -> anyhow::Result<()> {
        let call = abi::call(&self.function, &self.args)?;
        self.returns.as_deref().map(abi::check_types).transpose()?;
        let client = self.task.connect().await?;
        progress(&format!("calling {}", call.function));
        let mut kept = Kept::new(&self.task.state);
        let made = client.call_keeping(self.sc, &call, self.task.options(), &mut |task| kept.keep(task)).await;
        self.task.finish(&client, made, kept, self.returns.as_deref()).await
    }
}

/// Commands on a task.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show where a task is.
    Status(StatusOf),
    /// Wait for the result of a task that you made, verify and open it.
    Result(ResultOf),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Status(status) => status.run().await,
            Self::Result(result) => result.run().await,
        }
    }
}

/// Show where a task is, as a node sees it. Anybody can ask for any task.
#[derive(Debug, Args)]
pub struct StatusOf {
    /// The task.
    #[arg(value_name = "TASK")]
    id: TaskId,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl StatusOf {
    async fn run(self) -> anyhow::Result<()> {
        let client = self.network.resolve().await?.connect().await?;
        let status: TaskStatus = client.node().call("getTaskStatus", &TaskParams { task_id: Hex0x(self.id) }).await?;
        self.output.result(&status, |status| {
            let words = match status.state {
                TaskState::Unknown => "unknown: this node has seen neither its record nor its input",
                TaskState::Submitted => "submitted: its input waits for the record on Ethereum",
                TaskState::Recorded => "recorded: its record on Ethereum waits for the input",
                TaskState::Queued => "queued: record and input are there, the worker computes it in its turn",
                TaskState::Computed => "computed: the receipt is signed, and not on Ethereum yet",
                TaskState::Confirmed => "confirmed: the receipt is on Ethereum",
                TaskState::Expired => "expired: nobody computed it in time, the fee is refunded",
            };
            words.to_owned()
        })
    }
}

/// Wait for the result of a task, verify its receipt and open it with the key that was kept when the task was made.
#[derive(Debug, Args)]
pub struct ResultOf {
    /// The task.
    #[arg(value_name = "TASK")]
    id: TaskId,
    /// Solidity types of the result; without it the result is printed in hexadecimal.
    #[arg(long, value_name = "TYPES")]
    returns: Option<String>,
    /// Seconds to wait for the result.
    #[arg(long, value_name = "S", default_value_t = 60)]
    timeout: u64,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl ResultOf {
    async fn run(self) -> anyhow::Result<()> {
        self.returns.as_deref().map(abi::check_types).transpose()?;
        let client = self.network.resolve().await?.connect().await?;
        let task = self.state.load(self.id, &client).await?;
        let outcome = client.result_within(&task, Duration::from_secs(self.timeout)).await;
        report(self.output, &task, outcome.map_err(|error| ask_later(error, task.id()))?, self.returns.as_deref())
    }
}
