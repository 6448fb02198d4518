//! `enigma worker`: what an operator does with a worker, and what a user can find out about one.

use super::{
    network::NetworkArgs,
    register::{RegisterWorker, WorkerStatus},
};
use crate::output::{OutputArgs, progress, table};
use clap::{Args, Subcommand};
use enigma_protocol::ScAddress;
use serde::Serialize;

/// Commands on a worker.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a worker's enclave on Ethereum, stake for it and log it in (operators).
    Register(RegisterWorker),
    /// Show what Ethereum knows about a worker (operators).
    Status(WorkerStatus),
    /// Verify the worker that a secret contract has now, and show what was verified (users).
    Show(Show),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Register(register) => register.run().await,
            Self::Status(status) => status.run().await,
            Self::Show(show) => show.run().await,
        }
    }
}

/// Ask a node for the worker of a secret contract in the current epoch and check it as is done before every task. Nothing
/// is sealed or recorded.
#[derive(Debug, Args)]
pub struct Show {
    /// The secret contract.
    #[arg(value_name = "CONTRACT")]
    sc: ScAddress,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    sc: String,
    epoch: u64,
    signer: String,
    input_key: String,
    measurement: String,
    hardware_id: String,
    tcb_level: u16,
    platform: &'static str,
    /// Each of these holds, or the command fails and says which does not.
    checked: Vec<&'static str>,
}

const CHECKED: [&str; 6] = [
    "it is the worker that Ethereum selected for this contract and epoch, by its stake",
    "its platform is certified by an accepted root, and the certificate is valid now",
    "its measurement is accepted by the policy on Ethereum",
    "its evidence binds this network's chain, contract and key managers",
    "its evidence binds this input key, contract and epoch",
    "it signed the input key with the attested signing key",
];
const PINNED: &str = "its measurement is one of those given by --measurement";

impl Show {
    async fn run(self) -> anyhow::Result<()> {
        let network = self.network.resolve().await?;
        let is_pinned = network.is_production();
        let client = network.connect().await?;
        progress("verifying the worker");
        let worker = client.worker(self.sc).await?;
        let evidence = worker.evidence.evidence();
        let report = Report {
            sc: worker.sc.to_string(),
            epoch: worker.epoch,
            signer: worker.signer.to_string(),
            input_key: format!("0x{}", hex::encode(worker.input_key)),
            measurement: evidence.measurement.to_string(),
            hardware_id: evidence.hardware_id.to_string(),
            tcb_level: evidence.tcb_level,
            platform: if is_pinned { "hardware" } else { "simulation" },
            checked: CHECKED.into_iter().chain(is_pinned.then_some(PINNED)).collect(),
        };
        self.output.result(&report, |report| {
            let facts = table(&[
                ("worker", report.signer.clone()),
                ("epoch", report.epoch.to_string()),
                ("input key", report.input_key.clone()),
                ("measurement", report.measurement.clone()),
                ("platform", format!("{}, TCB level {}", report.platform, report.tcb_level)),
                ("hardware id", report.hardware_id.clone()),
            ]);
            let checks: String = report.checked.iter().map(|check| format!("  ✓ {check}\n")).collect();
            let warning =
                if is_pinned { "" } else { "A simulated platform protects nothing from the machine's operator.\n" };
            format!("{facts}verified:\n{checks}{warning}")
        })
    }
}
