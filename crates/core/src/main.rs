//! `enigma-core`: the process inside the TEE.
//!
//! It hosts the trusted state machines of `enigma-enclave` and gives them what they cannot have themselves: a TEE ([`tee`]),
//! a durable store ([`store`]) and a way to be asked ([`ipc`]). One process is one identity in one role: a worker, which runs
//! secret contracts, or a key manager, which holds a share of the key all state keys come from.
//!
//! Invariants: every request gets exactly one reply; no request ends the process; one process at a time uses a data directory.
//!
//! Deliberately absent: Ethereum, the peer-to-peer network and clients, which are the untrusted node's. The node speaks with this
//! process over the endpoint and nothing else.

mod ipc;
mod store;
mod tee;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use enigma_attestation::Role;
use enigma_enclave::{KeyManager, Reply, Worker};
use enigma_protocol::{Address, config::NetworkConfig, json::Hex0x};
use ipc::{Pool, Service, endpoint::Endpoint};
use serde_json::json;
use std::{
    fs,
    io::{self, Read, Write},
    panic,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use store::DiskStore;
use tee::simulation::Simulation;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// Time that running requests have to end once the process was asked to stop. What they have not committed by then is not lost:
/// the node asks again.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  Make an identity and see its signing address:
    enigma-core identity --data-dir ~/.enigma/worker --role worker

  Serve a node on this machine over a local socket:
    enigma-core run --data-dir ~/.enigma/worker --role worker \\
      --config network.json --endpoint ipc://worker.sock

The configuration is a JSON file that all enclaves of a network share:
  {\"chainId\": 31337, \"enigma\": \"0x…\", \"checkpoint\": \"0x…\", \"threshold\": 1,
   \"keyManagers\": [{\"signer\": \"0x…\", \"commitment\": \"0x…\"}], \"measurements\": [\"0x…\"]}
Its hash stands in all evidence, so enclaves with another configuration are another network.

stdout carries results only (one line of JSON when `run` is ready); the log goes to stderr.
ENIGMA_LOG or RUST_LOG chooses what is logged, for example ENIGMA_LOG=debug.";

/// The process inside the TEE: runs secret contracts, or holds a share of the network's key.
#[derive(Parser)]
#[command(name = "enigma-core", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the identity in a data directory; make one when there is none
    Identity {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Serve requests until SIGINT or SIGTERM
    Run {
        #[command(flatten)]
        place: Place,
        /// The network's configuration, a JSON file (see `enigma-core --help`)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Where to listen: tcp://127.0.0.1:PORT (0 picks a free port) or ipc://PATH
        #[arg(long, value_name = "ENDPOINT")]
        endpoint: Endpoint,
        /// Stop when stdin ends, so that a supervisor that dies takes this process along
        #[arg(long)]
        exit_with_parent: bool,
        /// Allow an endpoint that other machines reach; whoever reaches it can ask for everything a node can
        #[arg(long)]
        allow_remote: bool,
        /// Log what contracts tell their authors with the SDK's `debug!`, secrets included; a simulation only
        #[arg(long)]
        contract_debug: bool,
    },
}

#[derive(Args)]
struct Place {
    /// Where identity and state are kept; made when missing, used by one process at a time
    #[arg(long, value_name = "DIR", env = "ENIGMA_CORE_DATA_DIR")]
    data_dir: PathBuf,
    /// What this enclave is in the network
    #[arg(long, value_enum)]
    role: RoleName,
    /// The platform to run on. A simulation protects nobody from the machine's operator
    #[arg(long, value_enum, env = "ENIGMA_MODE", default_value = "simulation")]
    mode: Mode,
    /// The same as --mode hardware
    #[arg(long)]
    hardware: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleName {
    /// Runs secret contracts
    Worker,
    /// Key manager: holds a share of the network's key
    Km,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// No TEE: for development
    Simulation,
    /// SGX, TDX or SEV-SNP
    Hardware,
}

/// A machine of either role.
type Machine = dyn Fn(&[u8]) -> Reply + Send + Sync;

/// What serves requests.
struct Handler(Box<Machine>);

impl Service for Handler {
    fn pool(&self, frame: &[u8]) -> Pool {
        if enigma_enclave::is_computation(frame) { Pool::Computations } else { Pool::Reads }
    }

    fn answer(&self, frame: &[u8]) -> Reply {
        (self.0)(frame)
    }

    fn busy(&self, frame: &[u8]) -> Vec<u8> {
        enigma_enclave::busy(frame)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    let done = match arguments.command {
        Command::Identity { place, json } => identity(&place, json),
        Command::Run { place, config, endpoint, exit_with_parent, allow_remote, contract_debug } => {
            run(&place, &config, endpoint, exit_with_parent, allow_remote, contract_debug)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr() {
    let filter = ["ENIGMA_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter.as_deref().unwrap_or("info")))
        .with_writer(io::stderr)
        .init();
    // Where, but not what: the message of a panic may quote data that must not leave the enclave.
    panic::set_hook(Box::new(|panic| match panic.location() {
        Some(at) => tracing::error!("panic at {}:{}", at.file(), at.line()),
        None => tracing::error!("panic"),
    }));
}

fn identity(place: &Place, json: bool) -> Result<()> {
    let (tee, store) = place.open()?;
    let identity = enigma_enclave::identity(&tee, &store, place.role.into()).with_context(|| place.failed())?;
    let signer = Hex0x(identity.signer);
    let mut shown = json!({ "signer": signer });
    if let Some(commitment) = identity.commitment {
        shown["commitment"] = json!(Hex0x(commitment));
    }
    if json {
        return print_line(&shown.to_string());
    }
    for (name, value) in shown.as_object().into_iter().flatten() {
        print_line(&format!("{name}: {}", value.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

fn run(
    place: &Place,
    config: &Path,
    endpoint: Endpoint,
    exit_with_parent: bool,
    allow_remote: bool,
    contract_debug: bool,
) -> Result<()> {
    if !endpoint.is_local() && !allow_remote {
        bail!(
            "{endpoint} can be reached from other machines, and whoever reaches it can ask for everything a node can; use \
             tcp://127.0.0.1:PORT or ipc://PATH, or add --allow-remote if another layer protects it"
        );
    }
    let config = read_config(config)?;
    let (mut tee, store) = place.open()?;
    tee.contract_debug = contract_debug;
    let (signer, handler) = place.role.open(tee, store, config).with_context(|| place.failed())?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let done = runtime.block_on(async {
        let stop = Stop::new(exit_with_parent)?;
        let listener = endpoint.bind().await?;
        tracing::info!(endpoint = %listener.endpoint, "ready");
        let ready = json!({
            "ready": true,
            "endpoint": listener.endpoint.to_string(),
            "signer": Hex0x(signer),
            "role": place.role.name(),
            "mode": "simulation",
        });
        print_line(&ready.to_string())?;
        ipc::server::serve(listener, handler, stop.requested()).await;
        Ok(())
    });
    runtime.shutdown_timeout(STOP_TIMEOUT);
    done
}

fn read_config(path: &Path) -> Result<NetworkConfig> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {shown}; give its path with --config"))?;
    serde_json::from_str(&text)
        .with_context(|| format!("the configuration {shown} is not valid; `enigma-core --help` shows its form"))
}

fn print_line(line: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("cannot write to stdout")
}

impl Place {
    /// Locks and opens the data directory, and the TEE that belongs to it.
    fn open(&self) -> Result<(Simulation, DiskStore)> {
        if self.hardware || self.mode == Mode::Hardware {
            return Err(tee::hardware().into());
        }
        let store = DiskStore::open(&self.data_dir)?;
        let tee = Simulation::open(&self.data_dir)?;
        tracing::warn!("simulation: nothing in this process is protected from the operator of this machine");
        Ok((tee, store))
    }

    fn failed(&self) -> String {
        format!("cannot open the enclave in {}", self.data_dir.display())
    }
}

impl RoleName {
    fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Km => "km",
        }
    }

    fn open(self, tee: Simulation, store: DiskStore, config: NetworkConfig) -> Result<(Address, Handler)> {
        Ok(match self {
            Self::Worker => {
                let worker = Worker::open(tee, store, config)?;
                (worker.signer(), Handler(Box::new(move |frame: &[u8]| worker.begin(frame))))
            }
            Self::Km => {
                let manager = KeyManager::open(tee, store, config)?;
                (manager.signer(), Handler(Box::new(move |frame: &[u8]| manager.handle(frame).into())))
            }
        })
    }
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Worker => Self::Worker,
            RoleName::Km => Self::KeyManager,
        }
    }
}

/// What ends `run`.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    parent_gone: Option<oneshot::Receiver<()>>,
}

impl Stop {
    fn new(exit_with_parent: bool) -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let parent_gone = exit_with_parent.then(|| {
            let (gone, parent_gone) = oneshot::channel();
            // A thread of its own: a read of stdin cannot be cancelled, and must not hold up the end of the process.
            std::thread::spawn(move || {
                let mut ignored = [0; 1024];
                while matches!(io::stdin().read(&mut ignored), Ok(1..)) {}
                let _ = gone.send(());
            });
            parent_gone
        });
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            parent_gone,
        })
    }

    async fn requested(mut self) {
        let parent_gone = async {
            match self.parent_gone {
                Some(parent_gone) => _ = parent_gone.await,
                None => std::future::pending().await,
            }
        };
        let reason = tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            () = parent_gone => "end of stdin",
        };
        tracing::info!(reason, "stopping");
    }
}
