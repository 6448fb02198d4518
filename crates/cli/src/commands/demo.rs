//! `enigma demo`.

use crate::{
    demo::{self, PLAYERS, Played, Searched},
    devnet::{Devnet, Options, Progress, programs},
    exit,
    output::Steps,
};
use anyhow::{bail, ensure};
use clap::Args;
use std::{path::PathBuf, time::Instant};

/// Play the millionaires' problem on a devnet with three users: who is the richest, when nobody tells what they own? Then
/// show what Ethereum recorded and what the hosts could see. The exit status is 0 only if everything held.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder with the built secret contracts, when they are not in the target directory.
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
    /// Folder for the files of all parts, kept afterwards; without it a temporary one, which goes away.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

const EPOCH_BLOCKS: u64 = 100;
/// Long enough that several receipts share a batch, as they would on Ethereum.
const BATCH_AGE_MS: u64 = 500;

impl DemoArgs {
    /// Plays.
    ///
    /// # Errors
    /// What did not hold.
    pub async fn run(self) -> anyhow::Result<()> {
        let began = Instant::now();
        let contracts = match self.contracts {
            Some(folder) => folder,
            None => programs::secret_contracts()?,
        };
        let steps = Steps::new();
        steps.say("Enigma: private computation for Ethereum. This is a devnet, a simulation without a TEE.");
        steps.begin("Starting Ethereum, a key manager, a worker and a user node");
        let options =
            Options { port: 0, data_dir: self.data_dir, epoch_blocks: EPOCH_BLOCKS, batch_age_ms: BATCH_AGE_MS };
        let report = |event: Progress| {
            if let Progress::Done(name, _) = event {
                steps.note(&format!("Starting the network: {name} ready"));
            }
        };
        let mut devnet = Devnet::open(options, &report).await?;
        let played = tokio::select! {
            played = launch_and_play(&mut devnet, &contracts, &steps, &report) => played,
            reason = exit::requested(false) => Err(reason.map_or_else(|error| error, |reason| anyhow::anyhow!("{reason}"))),
        };
        devnet.stop().await;
        let played = played?;
        steps.begin("Searching everything that the hosts have for what must be secret");
        let searched = demo::search_everything(devnet.data_dir(), &played)?;
        if !searched.found.is_empty() {
            bail!("something secret was found: {}", searched.found.join("; "));
        }
        steps.done("Nothing secret was found anywhere");
        print!("\n{}", story(&played, &searched));
        println!("Everything held. The whole demo took {:.1} s.", began.elapsed().as_secs_f64());
        Ok(())
    }
}

async fn launch_and_play(
    devnet: &mut Devnet,
    contracts: &std::path::Path,
    steps: &Steps,
    report: &dyn Fn(Progress),
) -> anyhow::Result<Played> {
    devnet.launch(report).await?;
    let description = devnet.description();
    steps.done(&format!(
        "A network of {} programs is ready after {} ms",
        description.parts.len(),
        description.ready_ms
    ));
    let played = tokio::select! {
        played = demo::play(&description, contracts, steps) => played?,
        failure = devnet.failed() => bail!("{failure}"),
    };
    ensure!(!played.batches.is_empty(), "Ethereum has no batch of receipts");
    Ok(played)
}

/// What happened, in plain words.
fn story(played: &Played, searched: &Searched) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    let names: Vec<_> = PLAYERS.iter().map(|(name, _)| *name).collect();
    line("THE ANSWER".into());
    line(format!("  Who is the richest of {}?  {}.", names.join(", "), played.richest));
    line(format!(
        "  Carol asked and opened the answer {} ms later. She learned nothing else about the others.",
        played.answer_ms
    ));
    line(String::new());
    line("WHAT ETHEREUM RECORDED (hashes, and what it cost)".into());
    for (what, task, receipt) in &played.tasks {
        line(format!("  {what}"));
        line(format!("    input hash {}   record: {} gas", task.inputs_hash(), task.record_gas_used()));
        line(format!("    output hash {}   computed with {} gas of Enigma", receipt.output_hash, receipt.gas_used));
    }
    for batch in &played.batches {
        line(format!(
            "  {} receipt{} of worker {} confirmed in block {}: {} gas",
            batch.records,
            if batch.records == 1 { "" } else { "s" },
            batch.signer,
            batch.block_number,
            batch.gas_used
        ));
    }
    line(format!("  State of the contract after {} changes: tip {}", played.facts.delta_count, played.facts.tip));
    line(String::new());
    line("WHAT THE HOSTS SAW".into());
    line("  Sealed bytes only. The last input, as it passed the user node on its way to the worker, begins:".into());
    line(format!("    {}…", played.sealed_input));
    line("  The answer, as the worker's host has it, begins:".into());
    line(format!("    {}…", played.sealed_output));
    line(format!(
        "  All {} files of all hosts, their logs, and the traffic of the user node ({:.1} MB) were searched for the",
        searched.places,
        searched.bytes as f64 / 1e6
    ));
    line(format!("  net worths of {} (as binary and hexadecimal words and in digits) and for the", names.join(", ")));
    line("  unsealed calls. Neither was found.".into());
    line(String::new());
    line("  In this simulation the keys of the enclaves lie on this machine, so its operator could open everything. A real".into());
    line("  TEE keeps them from the operator; SECURITY.md says what else this version does not have yet.".into());
    line(String::new());
    text
}
