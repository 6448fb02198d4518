//! Puts a network's contracts on an Ethereum chain. Used by the devnet; the rules of a real network are chosen by its founders.

use alloy::{
    network::EthereumWallet,
    primitives::{Address as EthAddress, U256},
    providers::{DynProvider, Provider, ProviderBuilder},
    signers::local::PrivateKeySigner,
};
use anyhow::{Context, ensure};
use enigma_client::{
    ledger::{
        b256,
        bindings::{DevelopmentVerifier, Enigma, EnigmaToken, IEnigma},
        eth_address, finish, send,
    },
    verify::DEVELOPMENT_ROOT,
};
use enigma_protocol::{Address, config::NetworkConfig};
use serde::Serialize;

/// The contracts of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contracts {
    /// ENG.
    pub token: Address,
    /// The verifier of simulated evidence.
    pub verifier: Address,
    /// Enigma itself.
    pub enigma: Address,
}

impl Contracts {
    /// Where `deploy` will put them when `deployer` has sent no transaction before.
    pub fn of_fresh_account(deployer: Address) -> Self {
        let create = |nonce| Address(eth_address(deployer).create(nonce).into());
        Self { token: create(0), verifier: create(1), enigma: create(2) }
    }
}

/// The numbers of a network, as its contract takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// An epoch lasts at least so many blocks.
    pub epoch_length_blocks: u64,
    /// Least stake of a worker, in grains.
    #[serde(skip)]
    pub minimum_stake: u128,
}

/// Blocks are as many as transactions where each is mined at once; a deadline in blocks must be far away to mean anything.
const DEADLINE_BLOCKS: u64 = 100_000;
const BACKLOG_BLOCKS: u64 = 1_000_000;
const GAS_PER_BLOCK: u64 = 10_000_000;
const UNBONDING_BLOCKS: u64 = 100;
const MINIMUM_GAS_PRICE: u128 = 1;
const MINIMUM_TCB_LEVEL: u16 = 1;

/// An account that deploys and hands out ENG.
pub struct Treasury {
    provider: DynProvider,
    account: EthAddress,
}

impl Treasury {
    /// Takes the account of a private key.
    ///
    /// # Errors
    /// URL or key are none.
    pub fn new(url: &str, private_key: &str) -> anyhow::Result<Self> {
        let signer: PrivateKeySigner = private_key.parse().context("the deployer's key is no private key")?;
        let account = signer.address();
        let url = url.parse().with_context(|| format!("{url:?} is no URL"))?;
        let provider = ProviderBuilder::new()
            .with_simple_nonce_management()
            .wallet(EthereumWallet::from(signer))
            .connect_http(url)
            .erased();
        Ok(Self { provider, account })
    }

    /// Deploys token, verifier and Enigma for the network that `config` describes.
    ///
    /// # Errors
    /// Ethereum refuses, or the account is not fresh and the contracts would have other addresses than `config` says.
    pub async fn deploy(&self, config: &NetworkConfig, rules: &Rules) -> anyhow::Result<Contracts> {
        let expected = Contracts::of_fresh_account(Address(self.account.into()));
        ensure!(
            expected.enigma == config.enigma.0,
            "the configuration names the contract {}, the deployer would create {}",
            config.enigma.0,
            expected.enigma
        );
        let token = EnigmaToken::deploy(&self.provider).await.context("the token was not deployed")?;
        let verifier = DevelopmentVerifier::deploy(&self.provider, eth_address(DEVELOPMENT_ROOT))
            .await
            .context("the verifier was not deployed")?;
        let key_managers = config
            .key_managers
            .iter()
            .map(|manager| IEnigma::KeyManager {
                signer: eth_address(manager.signer.0),
                commitment: b256(manager.commitment.0.0),
            })
            .collect();
        let enigma = Enigma::deploy(
            &self.provider,
            *token.address(),
            *verifier.address(),
            key_managers,
            U256::from(config.threshold),
            b256(config.checkpoint.0.0),
            config.measurements.iter().map(|measurement| b256(measurement.0.0)).collect(),
            IEnigma::Policy {
                epochLengthBlocks: rules.epoch_length_blocks,
                deadlineBlocks: DEADLINE_BLOCKS,
                gasPerBlock: GAS_PER_BLOCK,
                backlogBlocks: BACKLOG_BLOCKS,
                unbondingBlocks: UNBONDING_BLOCKS,
                minimumGasPrice: MINIMUM_GAS_PRICE,
                minimumStake: rules.minimum_stake,
                minimumTcbLevel: MINIMUM_TCB_LEVEL,
            },
        )
        .await
        .context("the Enigma contract was not deployed")?;
        let contracts = Contracts {
            token: Address((*token.address()).into()),
            verifier: Address((*verifier.address()).into()),
            enigma: Address((*enigma.address()).into()),
        };
        ensure!(contracts == expected, "the deployer's account was not fresh; start with a new chain");
        Ok(contracts)
    }

    /// Sends grains of ENG to an account.
    ///
    /// # Errors
    /// Ethereum refuses.
    pub async fn send(&self, token: Address, to: Address, grains: u128) -> anyhow::Result<()> {
        let token = EnigmaToken::new(eth_address(token), &self.provider);
        finish(send(token.transfer(eth_address(to), U256::from(grains)), self.account).await?).await?;
        Ok(())
    }
}
