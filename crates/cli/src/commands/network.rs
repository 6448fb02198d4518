//! Which network a user's command works on, and as whom.
//!
//! There are two ways and no mixture of them, so that nobody accepts a simulated enclave on a real network by accident:
//! a devnet, whose `addresses.json` tells everything; or a network whose endpoints, contract, key and accepted measurements
//! are all given.

use anyhow::{Context, bail, ensure};
use clap::Args;
use enigma_client::{Client, Network, Options};
use enigma_protocol::{Address, Hash};
use serde::Deserialize;
use std::{path::PathBuf, time::Duration};
use zeroize::Zeroizing;

/// Where a devnet is expected when nothing is said.
const DEFAULT_DEVNET: &str = "http://localhost:8080";
const DEVNET_TIMEOUT: Duration = Duration::from_secs(10);

/// Flags of every command that talks to a network.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// A devnet to use; it tells addresses, nodes and funded accounts. The default when no network is described otherwise is
    /// http://localhost:8080.
    #[arg(long, env = "ENIGMA_DEVNET", value_name = "URL", conflicts_with_all = ["ethereum", "node", "contract", "measurement"])]
    devnet: Option<String>,
    /// Number of the devnet account to act as.
    #[arg(long, env = "ENIGMA_ACCOUNT", value_name = "N", default_value_t = 3)]
    account: usize,
    /// HTTP JSON-RPC endpoint of an Ethereum node.
    #[arg(long, env = "ENIGMA_ETHEREUM", value_name = "URL")]
    ethereum: Option<String>,
    /// JSON-RPC endpoint of an Enigma node.
    #[arg(long, env = "ENIGMA_NODE", value_name = "URL")]
    node: Option<String>,
    /// Address of the Enigma contract.
    #[arg(long, env = "ENIGMA_CONTRACT", value_name = "0x..")]
    contract: Option<Address>,
    /// File with the hexadecimal private key of the Ethereum account to act as; nobody else may read the file.
    #[arg(long, env = "ENIGMA_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Measurement of an enclave that is accepted, besides being in the policy on Ethereum; may be given several times.
    #[arg(long, env = "ENIGMA_MEASUREMENT", value_name = "0x..", value_delimiter = ',')]
    measurement: Vec<Hash>,
}

/// A network with everything that is needed to use it.
pub struct ResolvedNetwork {
    ethereum: String,
    node: String,
    contract: Address,
    private_key: Zeroizing<String>,
    trust: Network,
}

/// What these commands read of a devnet's `addresses.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addresses {
    ready: bool,
    mode: String,
    ethereum: String,
    contracts: Contracts,
    nodes: Nodes,
    accounts: Vec<Account>,
}

#[derive(Debug, Deserialize)]
struct Contracts {
    enigma: String,
}

#[derive(Debug, Deserialize)]
struct Nodes {
    user: NodeUrls,
}

#[derive(Debug, Deserialize)]
struct NodeUrls {
    rpc: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    private_key: String,
}

impl NetworkArgs {
    /// Finds out what is missing, and refuses what does not fit together.
    ///
    /// # Errors
    /// What is missing, and how to give it.
    pub async fn resolve(&self) -> anyhow::Result<ResolvedNetwork> {
        let describes_network =
            self.ethereum.is_some() || self.node.is_some() || self.contract.is_some() || !self.measurement.is_empty();
        if describes_network {
            return self.described();
        }
        self.devnet(self.devnet.as_deref().unwrap_or(DEFAULT_DEVNET)).await
    }

    fn described(&self) -> anyhow::Result<ResolvedNetwork> {
        let missing = |flag: &str, what: &str| {
            format!(
                "{flag} is missing ({what}); a network is described by --ethereum, --node, --contract, --key-file and --measurement"
            )
        };
        let ethereum = self.ethereum.clone().with_context(|| missing("--ethereum", "an Ethereum node"))?;
        let node = self.node.clone().with_context(|| missing("--node", "an Enigma node"))?;
        let contract = self.contract.with_context(|| missing("--contract", "the Enigma contract"))?;
        let path = self.key_file.as_ref().with_context(|| missing("--key-file", "your account's key"))?;
        ensure!(!self.measurement.is_empty(), missing("--measurement", "which enclaves you accept"));
        let key = crate::keyfile::read_hex_key(path)?;
        Ok(ResolvedNetwork {
            ethereum,
            node,
            contract,
            private_key: Zeroizing::new(hex::encode(key.as_slice())),
            trust: Network::Production { pinned_measurements: self.measurement.clone() },
        })
    }

    async fn devnet(&self, url: &str) -> anyhow::Result<ResolvedNetwork> {
        let addresses_url = format!("{}/addresses.json", url.trim_end_matches('/'));
        let request = reqwest::Client::new().get(&addresses_url).timeout(DEVNET_TIMEOUT);
        let answer = async { request.send().await?.error_for_status()?.json::<Addresses>().await }.await;
        let addresses = answer.with_context(|| {
            format!(
                "no devnet answers at {addresses_url}; start one with `enigma devnet`, say where it is with --devnet, or \
                 describe a network with --ethereum, --node, --contract, --key-file and --measurement"
            )
        })?;
        if addresses.mode != "simulation" {
            bail!("{addresses_url} describes a network of mode {:?}, not a devnet", addresses.mode);
        }
        ensure!(addresses.ready, "the devnet at {url} is still starting; try again in a moment");
        let private_key = match &self.key_file {
            Some(path) => Zeroizing::new(hex::encode(crate::keyfile::read_hex_key(path)?.as_slice())),
            None => {
                let account = addresses.accounts.into_iter().nth(self.account).with_context(|| {
                    format!("the devnet has no account {}; its accounts are listed at {url}", self.account)
                })?;
                Zeroizing::new(account.private_key)
            }
        };
        Ok(ResolvedNetwork {
            ethereum: addresses.ethereum,
            node: addresses.nodes.user.rpc,
            contract: addresses.contracts.enigma.parse().context("the devnet's contract address is no address")?,
            private_key,
            trust: Network::Devnet,
        })
    }
}

impl ResolvedNetwork {
    /// Whether evidence of real TEEs is required.
    pub fn is_production(&self) -> bool {
        match self.trust {
            Network::Production { .. } => true,
            Network::Devnet => false,
        }
    }

    /// Connects to Ethereum and the node.
    ///
    /// # Errors
    /// They do not answer, or do not belong together.
    pub async fn connect(self) -> anyhow::Result<Client> {
        let options = Options {
            ethereum_url: self.ethereum,
            node_url: self.node,
            enigma: self.contract,
            private_key: self.private_key,
            network: self.trust,
        };
        Ok(Client::connect(options).await?)
    }
}
