//! `enigma bench`: measures a devnet as its users meet it.
//!
//! Every figure comes from the real programs of this build. Times depend on the machine and are never tested; gas does not
//! depend on it.

use crate::{
    devnet::programs,
    ledger::Ledger,
    output::{UsageError, progress},
};
use anyhow::{Context, ensure};
use clap::Args;
use enigma_client::{Client, Network, Options, Task, TaskOptions, abi};
use serde::Serialize;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Starts of a devnet; the median counts.
const DEVNET_STARTS: usize = 3;
/// Tasks before anything counts: caches fill, and the contract's ring of heads on Ethereum is written once all around.
const WARM_UP_TASKS: usize = 260;
/// Tasks that count.
const MEASURED_TASKS: usize = 200;
/// Tasks that are confirmed one by one, each in a batch of its own.
const SINGLE_BATCHES: usize = 5;
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Measure a devnet: time until it is ready, latency of a task, gas. Build with --release first (`make bench` does).
#[derive(Debug, Args)]
pub struct Bench {
    /// Where the results go: a list of {name, value, unit, better}.
    #[arg(long, value_name = "FILE", default_value = "target/bench/results.json")]
    out: PathBuf,
    /// Measure an unoptimised build all the same.
    #[arg(long)]
    allow_debug: bool,
}

#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    better: &'static str,
}

fn lower(name: &'static str, value: f64, unit: &'static str) -> Figure {
    Figure { name, value, unit, better: "lower" }
}

/// A devnet in a process of its own, ended with this one.
struct Running {
    child: Child,
    ready_s: f64,
    description: Value,
}

impl Running {
    fn start() -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["devnet", "--json", "--port", "0", "--exit-with-parent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start `enigma devnet`")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the devnet has no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let ready_s = began.elapsed().as_secs_f64();
        let description =
            serde_json::from_str(&line).context("the devnet did not start; run `enigma devnet` to see why")?;
        Ok(Self { child, ready_s, description })
    }

    fn text(&self, pointer: &str) -> anyhow::Result<String> {
        let text = self.description.pointer(pointer).and_then(Value::as_str);
        Ok(text.with_context(|| format!("the devnet does not tell {pointer}"))?.to_owned())
    }

    /// The first account with a deposit.
    async fn client(&self) -> anyhow::Result<Client> {
        let accounts = self.description["accounts"].as_array().context("the devnet has no accounts")?;
        let user = accounts.iter().find(|account| account["role"] == "user").context("the devnet has no user")?;
        let options = Options {
            ethereum_url: self.text("/ethereum")?,
            node_url: self.text("/nodes/user/rpc")?,
            enigma: self.text("/contracts/enigma")?.parse()?,
            private_key: user["privateKey"].as_str().unwrap_or_default().to_owned().into(),
            network: Network::Devnet,
        };
        Ok(Client::connect(options).await?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its parts end when its standard input does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Bench {
    /// Measures, writes the results and prints them as a table.
    ///
    /// # Errors
    /// A part did not work.
    pub async fn run(self) -> anyhow::Result<()> {
        if cfg!(debug_assertions) && !self.allow_debug {
            let advice =
                "this is an unoptimised build, whose times mean nothing: run `make bench`, or add --allow-debug";
            return Err(UsageError(advice.into()).into());
        }
        let code = fs::read(programs::secret_contracts()?.join("simple_calculator.wasm"))
            .context("simple_calculator.wasm is missing: run `cargo xtask wasm`")?;
        let mut starts = Vec::new();
        for start in 1..=DEVNET_STARTS {
            progress(&format!("Starting a devnet, {start} of {DEVNET_STARTS}"));
            starts.push(Running::start()?.ready_s);
        }
        let devnet = Running::start()?;
        let client = devnet.client().await?;
        let mut figures = vec![lower("devnet_ready_s", percentile(&mut starts, 50), "s")];
        figures.extend(tasks(&client, &devnet, code).await?);
        drop(devnet);

        if let Some(folder) = self.out.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&self.out, serde_json::to_string_pretty(&figures)?)
            .with_context(|| format!("cannot write {}", self.out.display()))?;
        println!("{:<28} {:>12} {:<6} better", "figure", "value", "unit");
        for figure in &figures {
            println!("{:<28} {:>12.2} {:<6} {}", figure.name, figure.value, figure.unit, figure.better);
        }
        progress(&format!("Written to {}", self.out.display()));
        Ok(())
    }
}

async fn tasks(client: &Client, devnet: &Running, code: Vec<u8>) -> anyhow::Result<Vec<Figure>> {
    let deployment = client.deploy(code, &abi::call("construct()", &[])?, TaskOptions::default()).await?;
    client.result(&deployment).await?.into_success()?;
    let call = abi::call("add(uint256,uint256)", &["40".into(), "2".into()])?;
    let compute = async || -> anyhow::Result<Task> {
        let task = client.call(deployment.sc(), &call, TaskOptions::default()).await?;
        let output = client.result(&task).await?.into_success()?;
        ensure!(abi::decode("uint256", &output)? == ["42"], "a wrong result");
        Ok(task)
    };
    progress(&format!("Warming up with {WARM_UP_TASKS} tasks"));
    for _ in 0..WARM_UP_TASKS {
        compute().await?;
    }
    progress(&format!("Measuring {MEASURED_TASKS} tasks, one after the other"));
    let (mut latencies_ms, mut record_gas) = (Vec::new(), 0);
    for _ in 0..MEASURED_TASKS {
        let began = Instant::now();
        let task = compute().await?;
        latencies_ms.push(began.elapsed().as_secs_f64() * 1000.0);
        record_gas = record_gas.max(task.record_gas_used());
    }
    progress(&format!("Confirming {SINGLE_BATCHES} tasks, each in a batch of its own"));
    for _ in 0..=SINGLE_BATCHES {
        let task = compute().await?;
        client.confirmed_within(&task, CONFIRMATION_TIMEOUT).await?;
    }
    let ledger = Ledger::connect(&devnet.text("/ethereum")?, client.ledger().domain().enigma, None).await?;
    let batches = ledger.batches(deployment.sc()).await?;
    let single = batches.iter().rev().take(SINGLE_BATCHES).filter(|batch| batch.records == 1);
    let batch_gas = single.map(|batch| batch.gas_used).max().context("no batch held exactly one receipt")?;
    Ok(vec![
        lower("task_latency_ms_p50", percentile(&mut latencies_ms, 50), "ms"),
        lower("task_latency_ms_p99", percentile(&mut latencies_ms, 99), "ms"),
        lower("gas_record", record_gas as f64, "gas"),
        lower("gas_receipt_batch_1", batch_gas as f64, "gas"),
    ])
}

/// The smallest value that at least this share of the values does not exceed.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!([1, 50, 99].map(|percent| percentile(&mut values, percent)), [1.0, 3.0, 5.0]);
        assert_eq!(percentile(&mut [7.0], 50), 7.0);
    }
}
