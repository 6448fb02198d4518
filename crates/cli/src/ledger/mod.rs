//! Ethereum as the node follows it and writes to it; with the client's bindings the only place of this program that knows alloy.
//!
//! [`Ledger::connect`] checks that the endpoint, the chain and the contract are there; [`mod@follow`] turns logs into
//! `LedgerBlock`s in ascending order; [`submit`] turns `LedgerCall`s into transactions. An endpoint that goes away is
//! asked again with growing pauses, and the log says so.
//!
//! The endpoint is trusted with what it says about Ethereum: proofs against certified headers are the core's business, not
//! the host's. Deliberately absent: undoing blocks. A reorganisation below the followed block is reported; `--confirmations`
//! keeps a distance from the newest block where that can happen.

pub mod deploy;
mod events;
mod follow;
pub mod operator;
mod submit;

pub use follow::{Pace, follow};
pub use submit::Submitter;

use alloy::{
    eips::BlockNumberOrTag,
    network::EthereumWallet,
    providers::{DynProvider, Provider, ProviderBuilder},
    signers::local::PrivateKeySigner,
};
use anyhow::{Context, bail};
use enigma_client::ledger::{bindings::Enigma, eth_address};
use enigma_protocol::{Address, Domain, Hash};
use std::{path::Path, time::Duration};

/// For one question to the endpoint.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// For the first one; an operator waits for it.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// An Ethereum endpoint with the Enigma contract on it.
#[derive(Clone)]
pub struct Ledger {
    provider: DynProvider,
    contract: Enigma::EnigmaInstance<DynProvider>,
    domain: Domain,
    account: Option<Address>,
}

impl Ledger {
    /// Connects to the endpoint and checks that the contract is there. With a key file, transactions are signed with its key.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub async fn connect(url: &str, contract: Address, key_file: Option<&Path>) -> anyhow::Result<Self> {
        let parsed = url
            .parse()
            .with_context(|| format!("--ethereum {url:?} is no URL; give one such as http://127.0.0.1:8545"))?;
        let (provider, account) = match key_file {
            Some(path) => {
                let key = crate::keyfile::read_hex_key(path)?;
                let signer = PrivateKeySigner::from_slice(key.as_slice()).ok().with_context(|| {
                    format!("the key file {} holds a number that is no private key", path.display())
                })?;
                let account = Address(signer.address().into());
                // The node is asked for the nonce each time: nothing remembered can go stale.
                let builder =
                    ProviderBuilder::new().with_simple_nonce_management().wallet(EthereumWallet::from(signer));
                (builder.connect_http(parsed).erased(), Some(account))
            }
            None => (ProviderBuilder::new().connect_http(parsed).erased(), None),
        };
        let chain_id = tokio::time::timeout(START_TIMEOUT, provider.get_chain_id())
            .await
            .context("no answer in time")
            .and_then(|answer| Ok(answer?))
            .with_context(|| {
                format!("cannot reach Ethereum at {url}; start a node there, or give another --ethereum")
            })?;
        let code = provider
            .get_code_at(eth_address(contract))
            .await
            .with_context(|| format!("Ethereum at {url} did not say whether {contract} is a contract"))?;
        if code.is_empty() {
            bail!("there is no contract at {contract} on chain {chain_id} ({url}); check --contract and --ethereum");
        }
        let instance = Enigma::new(eth_address(contract), provider.clone());
        Ok(Self { provider, contract: instance, domain: Domain { chain_id, enigma: contract }, account })
    }

    /// Chain and contract.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The account that pays for transactions, where there is one.
    pub fn account(&self) -> Option<Address> {
        self.account
    }

    /// How many blocks an epoch lasts at least.
    ///
    /// # Errors
    /// The contract is none of Enigma, or the endpoint is gone.
    pub async fn epoch_length_blocks(&self) -> anyhow::Result<u64> {
        self.contract.epochLengthBlocks().call().await.with_context(|| {
            format!("the contract {} does not answer as Enigma's does; check --contract", self.domain.enigma)
        })
    }

    /// Hash of the block before the newest: the newest that a contract sees while gas is estimated in the newest block.
    ///
    /// # Errors
    /// The endpoint is gone.
    pub async fn recent_block_hash(&self) -> anyhow::Result<Hash> {
        let newest = self.provider.get_block_by_number(BlockNumberOrTag::Latest).await?;
        Ok(Hash(newest.context("Ethereum has no newest block")?.header.parent_hash.0))
    }
}
