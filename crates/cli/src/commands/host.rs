//! What `enigma node run` and `enigma km run` share: the parts of a host are checked, started and joined.

use crate::{
    exit,
    ipc::{self, AskError},
    ledger::{self, Ledger, Submitter},
    net::{self, Multiaddr},
    rpc::{self, Health, Replies},
    shell::{INPUT_QUEUE, Shell},
    store::Store,
};
use anyhow::{Context, bail};
use clap::Args;
use enigma_node::{Config, Node, Role};
use enigma_protocol::{
    Address,
    ipc::{Request, Response},
};
use serde::Serialize;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tracing::info;

/// Flags of every host.
#[derive(Debug, Args)]
pub struct HostArgs {
    /// Folder for what the node keeps; made when it is missing, used by one process.
    #[arg(long, env = "ENIGMA_DATA_DIR", value_name = "DIR", default_value = "enigma-data")]
    data_dir: PathBuf,
    /// HTTP JSON-RPC endpoint of an Ethereum node.
    #[arg(long, env = "ENIGMA_ETHEREUM", value_name = "URL", default_value = "http://127.0.0.1:8545")]
    ethereum: String,
    /// Address of the Enigma contract.
    #[arg(long, env = "ENIGMA_CONTRACT", value_name = "0x..")]
    contract: Address,
    /// Where to listen for peers; port 0 takes a free one.
    #[arg(long, env = "ENIGMA_P2P", value_name = "MULTIADDR", default_value = "/ip4/127.0.0.1/tcp/0")]
    p2p: Multiaddr,
    /// A peer to stay connected with, such as /ip4/192.0.2.1/tcp/9000/p2p/12D3Koo..; may be given several times.
    #[arg(long, env = "ENIGMA_PEER", value_name = "MULTIADDR", value_delimiter = ',')]
    peer: Vec<Multiaddr>,
    /// Milliseconds between two questions to Ethereum for the newest block.
    #[arg(long, env = "ENIGMA_POLL_MS", value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    poll_ms: u64,
    /// Blocks to stay behind the newest one, where Ethereum may be reorganised.
    #[arg(long, env = "ENIGMA_CONFIRMATIONS", value_name = "BLOCKS", default_value_t = 0)]
    confirmations: u64,
    /// Print the ready line as JSON.
    #[arg(long)]
    json: bool,
    /// Stop when standard input ends, which it does when the process that started this one is gone.
    #[arg(long)]
    exit_with_parent: bool,
}

/// Flags of the server for clients.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Web origin whose pages may ask this node, or `*` for all; may be given several times. Without it: all when serving
    /// on loopback, none otherwise.
    #[arg(long, env = "ENIGMA_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    cors_origin: Vec<String>,
}

/// What the core of a host does.
#[derive(Clone, Copy, Debug)]
pub enum CoreRole {
    /// Computes.
    Worker,
    /// Holds a key share.
    KeyManager,
}

impl CoreRole {
    fn flag(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::KeyManager => "km",
        }
    }
}

/// A host to be run.
pub struct Host {
    /// What every host needs.
    pub args: HostArgs,
    /// Endpoint and role of the core; `None` for a user node.
    pub core: Option<(String, CoreRole)>,
    /// The account for transactions.
    pub eth_key_file: Option<PathBuf>,
    /// Where and how clients are served.
    pub rpc: Option<(SocketAddr, ServeArgs)>,
    /// How long receipts wait for each other.
    pub batch_age_ms: u64,
}

/// The one line on standard output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    ready: bool,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rpc: Option<String>,
    p2p: String,
    peer_id: String,
    network_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
}

impl Host {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// A part could not be started or failed: what happened, why, and what to do.
    pub async fn run(self) -> anyhow::Result<()> {
        let (json, with_parent) = (self.args.json, self.args.exit_with_parent);
        let (shell, ready) = tokio::select! {
            started = self.start() => started?,
            // A supervisor that dies while this starts takes it along too.
            reason = exit::requested(with_parent) => {
                info!(reason = reason?, "stopped while starting");
                return Ok(());
            }
        };
        ready.print(json)?;
        shell.run(exit::requested(with_parent)).await
    }

    async fn start(self) -> anyhow::Result<(Shell, Ready)> {
        let args = self.args;
        let ledger = Ledger::connect(&args.ethereum, args.contract, self.eth_key_file.as_deref()).await?;
        let domain = ledger.domain();
        let network_id = domain.network_id();
        let store = Store::open(&args.data_dir.join("node.redb"), &network_id)?;
        let role = match &self.core {
            Some((endpoint, role)) => {
                let signer = signer_of(endpoint, *role).await?;
                match role {
                    CoreRole::Worker => Role::Worker { signer },
                    CoreRole::KeyManager => Role::KeyManager { signer },
                }
            }
            None => Role::User,
        };

        let (sender, inputs) = mpsc::channel(INPUT_QUEUE);
        let health = Arc::new(Health { has_core: self.core.is_some(), ..Health::default() });
        let replies = Arc::new(Replies::default());
        let network = net::Options {
            network_id: network_id.clone(),
            key_file: args.data_dir.join("p2p.key"),
            listen: args.p2p,
            peers: args.peer,
        };
        let (network, task) = net::start(network, sender.clone()).await?;
        let mut parts = vec![("the peer network", task)];

        let config = Config {
            domain,
            role,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            peer_id: network.peer_id.clone(),
            batch_age_ms: self.batch_age_ms,
            epoch_length_blocks: ledger.epoch_length_blocks().await?,
        };
        let node = Node::new(config, store.load()?)
            .with_context(|| format!("cannot restore the node from {}", args.data_dir.display()))?;

        let mut rpc_url = None;
        if let Some((address, serve)) = self.rpc {
            let options = rpc::Options { address, cors_origins: serve.cors_origin };
            let (taken, task) = rpc::start(options, sender.clone(), Arc::clone(&replies), Arc::clone(&health)).await?;
            parts.push(("the server for clients", task));
            rpc_url = Some(format!("http://{taken}"));
        }
        let poll = Duration::from_millis(args.poll_ms);
        let submitter = ledger.account().map(|account| {
            info!(%account, "transactions are paid by this account");
            let (submitter, task) = Submitter::start(ledger.clone(), poll, sender.clone());
            parts.push(("the sender of transactions", task));
            submitter
        });
        let core = self.core.map(|(endpoint, _)| {
            let (core, task) = ipc::start(endpoint, sender.clone());
            parts.push(("the link to the core", task));
            core
        });
        let pace = ledger::Pace { poll, confirmations: args.confirmations };
        let follow = ledger::follow(ledger, node.next_block(), pace, sender, Arc::clone(&health));
        parts.push(("the follower of Ethereum", tokio::spawn(follow)));

        let (role, signer) = match role {
            Role::User => ("user", None),
            Role::Worker { signer } => ("worker", Some(signer)),
            Role::KeyManager { signer } => ("km", Some(signer)),
        };
        let ready = Ready {
            ready: true,
            role,
            rpc: rpc_url,
            p2p: network.addresses.first().map(ToString::to_string).unwrap_or_default(),
            peer_id: network.peer_id.clone(),
            network_id,
            signer: signer.map(|signer| signer.to_string()),
        };
        Ok((Shell { node, store, inputs, network, core, submitter, replies, health, parts }, ready))
    }
}

impl Ready {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        let line = if json {
            serde_json::to_string(self)?
        } else {
            let rpc = self.rpc.as_ref().map(|url| format!(", clients at {url}")).unwrap_or_default();
            format!("{} node of {} is ready{rpc}, peers at {}", self.role, self.network_id, self.p2p)
        };
        let mut stdout = std::io::stdout().lock();
        std::io::Write::write_all(&mut stdout, format!("{line}\n").as_bytes())
            .and_then(|()| std::io::Write::flush(&mut stdout))
            .context("cannot write the ready line to standard output")
    }
}

async fn signer_of(endpoint: &str, role: CoreRole) -> anyhow::Result<Address> {
    let answer = ipc::ask_once(endpoint, Request::GetRegistrationParams { input: None }).await;
    match answer {
        Ok(Response::GetRegistrationParams { result }) => Ok(result.signing_key.0),
        Ok(_) => bail!("what answers at {endpoint} is no core of this version"),
        Err(error @ AskError::Unreachable { .. }) => Err(error).with_context(|| {
            let role = role.flag();
            format!("the core does not answer; start it first: enigma-core run --role {role} --endpoint {endpoint} ..")
        }),
        Err(error) => Err(error).with_context(|| format!("the core at {endpoint} does not say who it is")),
    }
}
