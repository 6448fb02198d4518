//! Measures the real `enigma-core` as its node uses it: processes of the release build, ZeroMQ over loopback, durable commits.
//!
//! This program plays everything around the core: the hosts of a key manager and a worker, Ethereum's records, and users who seal
//! inputs. Inputs are sealed and laid out before the clock starts, and replies are checked after it stopped: every task succeeded,
//! receipts chain, signatures verify, outputs open. Times are measured, never tested; each figure is the best of a few rounds,
//! because other programs on a machine can only slow a round down.
//!
//! Deliberately absent: nodes and Ethereum, which `enigma bench` measures with a whole devnet.

mod floor;
mod footprint;
mod history;
mod holders;
mod load;
mod network;
mod parallel;
mod peer;
mod process;
mod results;
mod tasks;
mod throughput;
mod wire;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use network::Network;
use results::Figure;
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

/// One benchmark: its name, and what it measures.
type Bench = (&'static str, fn(&Setup) -> Result<Vec<Figure>>);

const BENCHES: &[Bench] = &[
    ("footprint", footprint::measure),
    ("throughput", throughput::measure),
    ("holders", holders::measure),
    ("parallel", parallel::measure),
    ("history", history::measure),
    ("floor", floor::measure),
    ("peer", peer::measure),
];

/// Measure enigma-core: throughput, latency, memory. `make bench` builds everything and runs it.
#[derive(Parser)]
#[command(name = "bench-core", version)]
struct Arguments {
    /// Measure only this; may be given several times
    #[arg(long, value_name = "NAME", value_parser = BENCHES.iter().map(|(name, _)| *name).collect::<Vec<_>>())]
    only: Vec<String>,
    /// Cargo's target directory, with release/enigma-core and secret-contracts/*.wasm
    #[arg(long, value_name = "DIR", env = "CARGO_TARGET_DIR", default_value = "target")]
    target: PathBuf,
    /// Another enigma-core to measure
    #[arg(long, value_name = "FILE")]
    core: Option<PathBuf>,
    /// Where the cores keep their data while they are measured: on the disk that counts [default: bench below --target]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Results file: a list of {name, value, unit, better}, which this adds to
    #[arg(long, value_name = "FILE", default_value = "target/bench/results.json")]
    out: PathBuf,
    /// Print the figures as JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Requesters of the load
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    requesters: usize,
}

/// What all benchmarks use.
pub struct Setup {
    target: PathBuf,
    core: PathBuf,
    data: PathBuf,
    /// Requesters of the load.
    pub requesters: usize,
    began: Instant,
}

impl Setup {
    /// A fresh network.
    pub fn network(&self) -> Result<Network> {
        let network = Network::start(&self.core, &self.data)?;
        self.progress(&format!("enigma-core runs as process {}", network.worker.id()));
        Ok(network)
    }

    /// Where data directories are made.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The code of an example contract.
    pub fn secret_contract(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.target.join("secret-contracts").join(format!("{name}.wasm"));
        fs::read(&path).with_context(|| format!("cannot read {}: run `cargo xtask wasm` first", path.display()))
    }

    /// Where a contract that was written to be measured lies.
    pub fn bench_contract_path(&self, name: &str) -> PathBuf {
        self.target.join("benches-build/wasm32-unknown-unknown/contract").join(format!("{name}.wasm"))
    }

    /// The code of a contract that was written to be measured.
    pub fn bench_contract(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.bench_contract_path(name);
        fs::read(&path).with_context(|| format!("cannot read {}: run `make bench`, which builds it", path.display()))
    }

    /// Another program of this build.
    pub fn beside(&self, name: &str) -> Result<PathBuf> {
        let path = std::env::current_exe()?.with_file_name(name);
        ensure!(path.is_file(), "{} is missing: run `make bench`, which builds it", path.display());
        Ok(path)
    }

    /// Tells those who wait.
    pub fn progress(&self, text: &str) {
        eprintln!("{:>6.1} s  {text}", self.began.elapsed().as_secs_f64());
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    if cfg!(debug_assertions) {
        bail!("this is an unoptimised build, which takes the processor from what it measures: run `make bench`");
    }
    let core = arguments.core.unwrap_or_else(|| arguments.target.join("release/enigma-core"));
    if !core.is_file() {
        bail!(
            "{} is missing: run `cargo build --release -p enigma-core` first, or name another program with --core",
            core.display()
        );
    }
    let data = arguments.data.unwrap_or_else(|| arguments.target.join("bench"));
    let setup = Setup { target: arguments.target, core, data, requesters: arguments.requesters, began: Instant::now() };
    let mut figures = Vec::new();
    for (name, measure) in BENCHES {
        if arguments.only.is_empty() || arguments.only.iter().any(|only| only == name) {
            figures.extend(measure(&setup).with_context(|| format!("the benchmark `{name}` failed"))?);
        }
    }
    results::merge(&arguments.out, &figures)?;
    figures.extend(results::ratios(&arguments.out)?);
    let all = results::merge(&arguments.out, &figures)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        results::print(&all);
    }
    setup.progress(&format!("Written to {}", arguments.out.display()));
    Ok(())
}
