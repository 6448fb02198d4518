//! `enigma worker register`, `enigma worker status` and `enigma km register`: what operators do on Ethereum.

use crate::{
    amount::Eng,
    ledger::{Ledger, operator::RegisteredWorker},
    operator,
    output::{OutputArgs, progress, table},
};
use anyhow::Context;
use clap::Args;
use enigma_protocol::Address;
use serde::Serialize;
use std::path::PathBuf;

/// Where Ethereum and the contract are.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// HTTP JSON-RPC endpoint of an Ethereum node.
    #[arg(long, env = "ENIGMA_ETHEREUM", value_name = "URL", default_value = "http://127.0.0.1:8545")]
    ethereum: String,
    /// Address of the Enigma contract.
    #[arg(long, env = "ENIGMA_CONTRACT", value_name = "0x..")]
    contract: Address,
}

/// Core and account of an operator.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    #[command(flatten)]
    ledger: LedgerArgs,
    /// ZeroMQ endpoint of the core.
    #[arg(long, env = "ENIGMA_CORE", value_name = "ENDPOINT")]
    core: String,
    /// File with the hexadecimal private key of the operator's Ethereum account; nobody else may read the file.
    #[arg(long, env = "ENIGMA_ETH_KEY_FILE", value_name = "FILE")]
    eth_key_file: PathBuf,
}

impl OperatorArgs {
    async fn connect(&self) -> anyhow::Result<Ledger> {
        Ledger::connect(&self.ledger.ethereum, self.ledger.contract, Some(&self.eth_key_file)).await
    }
}

/// Register the enclave of a worker, stake for it and log it in. Can be repeated: what is done already is left alone.
#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  The core runs already (enigma-core run --role worker --endpoint tcp://127.0.0.1:5552):
    enigma worker register --core tcp://127.0.0.1:5552 --contract 0x5FbD... --eth-key-file worker.key --stake 1000
  Then start the host: enigma node run --core tcp://127.0.0.1:5552 ..")]
pub struct RegisterWorker {
    #[command(flatten)]
    operator: OperatorArgs,
    /// ENG that the worker shall have staked; what is missing is taken from the operator's account.
    #[arg(long, value_name = "ENG", default_value = "1000")]
    stake: Eng,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkerReport {
    signer: String,
    registered: bool,
    operator: String,
    /// ENG, exact.
    stake: String,
    logged_in: bool,
    measurement: String,
    evidence_hash: String,
}

impl WorkerReport {
    fn new(signer: Address, worker: &RegisteredWorker) -> Self {
        Self {
            signer: signer.to_string(),
            registered: worker.is_registered,
            operator: worker.operator.to_string(),
            stake: Eng::from_grains(worker.stake).to_string(),
            logged_in: worker.logged_in,
            measurement: worker.measurement.to_string(),
            evidence_hash: worker.evidence_hash.to_string(),
        }
    }

    fn words(&self) -> String {
        if !self.registered {
            return format!("{} is not registered; run `enigma worker register`", self.signer);
        }
        table(&[
            ("worker", self.signer.clone()),
            ("operator", self.operator.clone()),
            ("stake", format!("{} ENG", self.stake)),
            ("logged in", if self.logged_in { "yes".into() } else { "no".into() }),
            ("measurement", self.measurement.clone()),
            ("evidence", self.evidence_hash.clone()),
        ])
    }
}

impl RegisterWorker {
    /// Does it.
    ///
    /// # Errors
    /// What the core or Ethereum refused.
    pub async fn run(self) -> anyhow::Result<()> {
        let ledger = self.operator.connect().await?;
        let signer = operator::signer_of(&self.operator.core).await?;
        progress(&format!("registering the worker {signer} with a stake of {} ENG", self.stake));
        let worker = operator::register_worker(&self.operator.core, &ledger, self.stake).await?;
        progress("done; the worker takes part from the next epoch on");
        self.output.result(&WorkerReport::new(signer, &worker), WorkerReport::words)
    }
}

/// Show what Ethereum knows about a worker.
#[derive(Debug, Args)]
pub struct WorkerStatus {
    #[command(flatten)]
    ledger: LedgerArgs,
    /// ZeroMQ endpoint of its core.
    #[arg(long, env = "ENIGMA_CORE", value_name = "ENDPOINT", required_unless_present = "signer")]
    core: Option<String>,
    /// Its signing address, instead of asking the core.
    #[arg(long, value_name = "0x..")]
    signer: Option<Address>,
    #[command(flatten)]
    output: OutputArgs,
}

impl WorkerStatus {
    /// Does it.
    ///
    /// # Errors
    /// Core or Ethereum do not answer.
    pub async fn run(self) -> anyhow::Result<()> {
        let ledger = Ledger::connect(&self.ledger.ethereum, self.ledger.contract, None).await?;
        let signer = match (self.signer, &self.core) {
            (Some(signer), _) => signer,
            (None, core) => operator::signer_of(core.as_deref().context("give --core or --signer")?).await?,
        };
        let worker = ledger.registered_worker(signer).await?;
        self.output.result(&WorkerReport::new(signer, &worker), WorkerReport::words)
    }
}

/// Register the enclave of a key manager, which the contract has known by signer and commitment since it was made.
#[derive(Debug, Args)]
pub struct RegisterKeyManager {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyManagerReport {
    signer: String,
    registered: bool,
}

impl RegisterKeyManager {
    /// Does it.
    ///
    /// # Errors
    /// What the core or Ethereum refused.
    pub async fn run(self) -> anyhow::Result<()> {
        let ledger = self.operator.connect().await?;
        progress("registering the key manager");
        let signer = operator::register_key_manager(&self.operator.core, &ledger).await?;
        let registered = ledger.is_key_manager_registered(signer).await?;
        let report = KeyManagerReport { signer: signer.to_string(), registered };
        self.output.result(&report, |report| format!("the key manager {} is registered", report.signer))
    }
}
