//! `enigma devnet`.

use crate::{
    amount::Eng,
    devnet::{Description, Devnet, Options, Progress, accounts},
    exit,
    output::{UsageError, progress, table},
};
use clap::Args;
use std::{path::PathBuf, time::Duration};

const HELP: &str = "\
EXAMPLES
  enigma devnet                         then, in another terminal:
  enigma deploy target/secret-contracts/simple_calculator.wasm
  enigma call 0x.. 'add(uint256,uint256)' 2 3 --returns uint256

OUTPUT
  Standard output tells addresses, URLs and funded accounts once the devnet is ready; with --json as one line. The page at
  http://localhost:8080 and /addresses.json on it tell the same and the state of each part. The devnet runs until Ctrl-C, or
  until a part fails; it leaves no process behind.

DATA DIRECTORY
  Logs are in logs/, one file a part. Chains are not kept: a data directory of an earlier devnet is emptied.";

/// Run a whole network on this machine for development: Ethereum with the contracts, a key manager, a worker, a user node,
/// and funded accounts. It is a simulation without a TEE and protects nothing from the operator of the machine.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct DevnetArgs {
    /// Port of the page with the addresses; 0 takes a free one. All other ports are free ones.
    #[arg(long, env = "ENIGMA_DEVNET_PORT", value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// Folder for the files of all parts, kept afterwards; without it a temporary one, which goes away.
    #[arg(long, env = "ENIGMA_DEVNET_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Blocks that an epoch lasts at least; every transaction is a block.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    epoch_blocks: u64,
    /// Milliseconds that a receipt may wait for others before they are committed to Ethereum together.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    batch_age_ms: u64,
    /// Use a real TEE instead of the simulation.
    #[arg(long)]
    hardware: bool,
    /// Print one line of JSON when ready.
    #[arg(long)]
    json: bool,
    /// Stop when standard input ends, which it does when the process that started this one is gone.
    #[arg(long)]
    exit_with_parent: bool,
}

impl DevnetArgs {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// What is missing or taken, or which part failed.
    pub async fn run(self) -> anyhow::Result<()> {
        if self.hardware {
            return Err(UsageError(
                "--hardware needs a TEE, and this version of Enigma has no hardware backend: every devnet is a simulation. \
                 Leave the flag away"
                    .to_owned(),
            )
            .into());
        }
        progress("Enigma devnet: a simulation, which protects nothing from the operator of this machine.");
        let options = Options {
            port: self.port,
            data_dir: self.data_dir.clone(),
            epoch_blocks: self.epoch_blocks,
            batch_age_ms: self.batch_age_ms,
        };
        let mut devnet = Devnet::open(options, &tell).await?;
        let stop = exit::requested(self.exit_with_parent);
        let mut stop = std::pin::pin!(stop);
        let started = tokio::select! {
            launched = devnet.launch(&tell) => launched.map(|()| true),
            reason = &mut stop => reason.map(|_| false),
        };
        let ended = match started {
            Ok(true) => self.watch(&mut devnet, stop).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        progress("stopping");
        devnet.stop().await;
        ended
    }

    async fn watch(
        &self,
        devnet: &mut Devnet,
        stop: impl Future<Output = anyhow::Result<&'static str>>,
    ) -> anyhow::Result<()> {
        let description = devnet.description();
        let text = if self.json { serde_json::to_string(&description)? } else { words(&description) };
        print(&text)?;
        tokio::select! {
            reason = stop => reason.map(drop),
            failure = devnet.failed() => anyhow::bail!("{failure}"),
        }
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn tell(event: Progress) {
    match event {
        Progress::Replaced(path) => progress(&format!(
            "  the files of an earlier devnet in {} are removed: chains are not kept across restarts",
            path.display()
        )),
        Progress::Done(name, after) => progress(&format!("  {name:<26} {:>6} ms", after.as_millis())),
    }
}

fn words(description: &Description) -> String {
    let nodes = &description.nodes;
    let ready = Duration::from_millis(description.ready_ms);
    let facts = table(&[
        ("page", description.url.clone()),
        ("addresses", format!("{}/addresses.json", description.url)),
        ("ethereum", format!("{} (chain {})", description.ethereum, description.chain_id)),
        ("user node", format!("{} (JSON-RPC for clients)", nodes.user.rpc)),
        ("worker", format!("{} (signs as {})", nodes.worker.rpc, nodes.worker.signer.clone().unwrap_or_default())),
        ("Enigma contract", description.contracts.enigma.clone()),
        ("ENG token", description.contracts.token.clone()),
        ("logs", format!("{}/logs", description.data_dir)),
    ]);
    let mut text = format!("Enigma devnet (simulation) is ready after {:.1} s.\n\n{facts}\n", ready.as_secs_f64());
    text.push_str("Accounts. Their keys are known to everybody: never send anything of value to them.\n");
    for account in &description.accounts {
        let funds = match account.index {
            accounts::WORKER => format!("{} ENG staked", accounts::STAKE),
            index if index >= accounts::FIRST_USER => format!("{} ENG deposited", account.deposit),
            _ => String::new(),
        };
        let line =
            format!("({}) {} {} {:<11} {funds}", account.index, account.address, account.private_key, account.role);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let wallet: Eng = accounts::WALLET;
    text.push_str(&format!("Users hold {wallet} ENG more in their wallets. Ctrl-C stops everything."));
    text
}
