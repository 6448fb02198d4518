//! `enigma km`.

use super::host::{CoreRole, Host, HostArgs, ServeArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Commands on a key manager.
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Run),
    /// Register the enclave of a key manager on Ethereum.
    Register(super::register::RegisterKeyManager),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Run(run) => run.run().await,
            Self::Register(register) => register.run().await,
        }
    }
}

const HELP: &str = "\
EXAMPLE
  The core runs already (enigma-core run --role km --endpoint tcp://127.0.0.1:5553):
    enigma km run --contract 0x5FbD... --core tcp://127.0.0.1:5553 --eth-key-file km.key --p2p /ip4/0.0.0.0/tcp/9001

DATA DIRECTORY
  node.redb   what the node has followed of Ethereum; rebuilt from there when it is lost
  p2p.key     the node's name in the peer network
  The key share is not here: it is sealed in the data directory of the core.

OUTPUT
  Standard output has one line when the node is ready; with --json it is {\"ready\":true,\"rpc\":..,\"p2p\":..,\"role\":\"km\"}.
  The log goes to standard error; ENIGMA_LOG=debug shows more.";

/// Run the host of a key manager until it is stopped.
///
/// It carries the key requests of workers to its enclave, tells the enclave what Ethereum
/// says, and starts epochs on Ethereum.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct Run {
    #[command(flatten)]
    host: HostArgs,
    /// ZeroMQ endpoint of the core.
    #[arg(long, env = "ENIGMA_CORE", value_name = "ENDPOINT")]
    core: String,
    /// File with the hexadecimal private key of the Ethereum account that pays for starting epochs; nobody else may read
    /// the file.
    #[arg(long, env = "ENIGMA_ETH_KEY_FILE", value_name = "FILE")]
    eth_key_file: PathBuf,
    /// Where `getInfo` and `/healthz` are served, for monitoring; port 0 takes a free one. Not served when absent.
    #[arg(long, env = "ENIGMA_RPC", value_name = "ADDR:PORT")]
    rpc: Option<std::net::SocketAddr>,
    #[command(flatten)]
    serve: ServeArgs,
}

impl Run {
    async fn run(self) -> anyhow::Result<()> {
        let host = Host {
            args: self.host,
            core: Some((self.core, CoreRole::KeyManager)),
            eth_key_file: Some(self.eth_key_file),
            rpc: self.rpc.map(|address| (address, self.serve)),
            batch_age_ms: 0,
        };
        host.run().await
    }
}
