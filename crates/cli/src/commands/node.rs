//! `enigma node`.

use super::host::{Host, HostArgs, ServeArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Commands on a node.
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Run),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Run(run) => run.run().await,
        }
    }
}

const HELP: &str = "\
EXAMPLES
  A user node next to a worker:
    enigma node run --contract 0x5FbD... --peer /ip4/127.0.0.1/tcp/9000/p2p/12D3Koo...
  A worker, whose core runs already (enigma-core run --role worker --endpoint tcp://127.0.0.1:5552):
    enigma node run --contract 0x5FbD... --core tcp://127.0.0.1:5552 --eth-key-file worker.key --data-dir worker

DATA DIRECTORY
  node.redb   what the node has followed, its queues and inputs (ciphertext); rebuilt from elsewhere when it is lost
  p2p.key     the node's name in the peer network

OUTPUT
  Standard output has one line when the node is ready; with --json it is {\"ready\":true,\"rpc\":..,\"p2p\":..,\"role\":..}.
  The log goes to standard error; ENIGMA_LOG=debug shows more.";

/// Run a node until it is stopped.
///
/// Without --core it is a user node: it serves clients and passes their encrypted inputs to workers. With
/// --core it is a worker: it hands recorded tasks to its enclave and commits the receipts to Ethereum.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct Run {
    #[command(flatten)]
    host: HostArgs,
    /// ZeroMQ endpoint of the core; makes this node a worker.
    #[arg(long, env = "ENIGMA_CORE", value_name = "ENDPOINT", requires = "eth_key_file")]
    core: Option<String>,
    /// File with the hexadecimal private key of the worker's Ethereum account, which pays for its transactions; nobody
    /// else may read the file.
    #[arg(long, env = "ENIGMA_ETH_KEY_FILE", value_name = "FILE", requires = "core")]
    eth_key_file: Option<PathBuf>,
    /// Where clients are served with JSON-RPC; port 0 takes a free one.
    #[arg(long, env = "ENIGMA_RPC", value_name = "ADDR:PORT", default_value = "127.0.0.1:8645")]
    rpc: std::net::SocketAddr,
    /// Milliseconds a worker's receipt may wait for others before they are committed together.
    #[arg(long, env = "ENIGMA_BATCH_AGE_MS", value_name = "MS", default_value_t = 2000)]
    batch_age_ms: u64,
    #[command(flatten)]
    serve: ServeArgs,
}

impl Run {
    async fn run(self) -> anyhow::Result<()> {
        let host = Host {
            args: self.host,
            core: self.core.map(|endpoint| (endpoint, super::host::CoreRole::Worker)),
            eth_key_file: self.eth_key_file,
            rpc: Some((self.rpc, self.serve)),
            batch_age_ms: self.batch_age_ms,
        };
        host.run().await
    }
}
