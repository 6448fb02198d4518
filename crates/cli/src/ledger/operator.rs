//! What operators write to the registry and read from it.

use super::Ledger;
use alloy::{
    contract::{CallBuilder, CallDecoder},
    network::Ethereum,
    primitives::U256,
    providers::{PendingTransactionBuilder, Provider},
};
use enigma_client::ledger::{LedgerError, b256, bindings::EnigmaToken, bytes, describe, eth_address, finish, send};
use enigma_protocol::{Address, Hash, ScAddress};

/// A worker in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredWorker {
    /// Who registered it; zero when nobody has.
    pub operator: Address,
    /// Grains.
    pub stake: u128,
    /// What it runs.
    pub measurement: Hash,
    /// Hash of its registration evidence.
    pub evidence_hash: Hash,
    /// Whether it takes part in the next epochs.
    pub logged_in: bool,
    /// Whether it takes part in the current epoch, as the registry stands now.
    pub is_registered: bool,
}

impl Ledger {
    /// What the registry says about a worker.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn registered_worker(&self, signer: Address) -> Result<RegisteredWorker, LedgerError> {
        let worker = self.contract.worker(eth_address(signer)).call().await.map_err(describe)?;
        Ok(RegisteredWorker {
            operator: Address(worker.operator.into()),
            stake: worker.stake,
            measurement: Hash(worker.measurement.0),
            evidence_hash: Hash(worker.evidenceHash.0),
            logged_in: worker.loggedIn,
            is_registered: !worker.operator.is_zero(),
        })
    }

    /// Least stake of a worker, in grains.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn minimum_stake(&self) -> Result<u128, LedgerError> {
        Ok(self.contract.policy().call().await.map_err(describe)?.minimumStake)
    }

    /// Whether a key manager's enclave has registered.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn is_key_manager_registered(&self, signer: Address) -> Result<bool, LedgerError> {
        self.contract.isKeyManagerRegistered(eth_address(signer)).call().await.map_err(describe)
    }

    /// Number of the current epoch, 0 before the first.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn epoch_number(&self) -> Result<u64, LedgerError> {
        Ok(self.contract.currentEpoch().call().await.map_err(describe)?.epoch)
    }

    async fn send<P: Provider, D: CallDecoder>(
        &self,
        call: CallBuilder<P, D>,
    ) -> Result<PendingTransactionBuilder<Ethereum>, LedgerError> {
        send(call, eth_address(self.account.ok_or(LedgerError::PrivateKey)?)).await
    }

    /// Registers a worker's enclave.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn register_worker(&self, evidence: &[u8]) -> Result<(), LedgerError> {
        finish(self.send(self.contract.registerWorker(bytes(evidence))).await?).await.map(drop)
    }

    /// Registers a key manager's enclave.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn register_key_manager(&self, evidence: &[u8]) -> Result<(), LedgerError> {
        finish(self.send(self.contract.registerKeyManager(bytes(evidence))).await?).await.map(drop)
    }

    /// Adds grains to a worker's stake, from the account's own ENG.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn add_stake(&self, signer: Address, grains: u128) -> Result<(), LedgerError> {
        let token = self.contract.token().call().await.map_err(describe)?;
        let token = EnigmaToken::new(token, &self.provider);
        finish(self.send(token.approve(*self.contract.address(), U256::from(grains))).await?).await?;
        finish(self.send(self.contract.stake(eth_address(signer), grains)).await?).await.map(drop)
    }

    /// Lets a worker take part in the following epochs.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn log_in(&self, signer: Address) -> Result<(), LedgerError> {
        finish(self.send(self.contract.logIn(eth_address(signer))).await?).await.map(drop)
    }

    /// Grains of ENG that an account holds outside its deposit.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn token_balance(&self, account: Address) -> Result<u128, LedgerError> {
        let token = self.contract.token().call().await.map_err(describe)?;
        let token = EnigmaToken::new(token, &self.provider);
        Ok(token.balanceOf(eth_address(account)).call().await.map_err(describe)?.saturating_to())
    }

    /// What batches of one secret contract Ethereum has taken, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn batches(&self, sc: ScAddress) -> Result<Vec<CommittedBatch>, LedgerError> {
        let filter = self.contract.BatchCommitted_filter().topic1(b256(sc.0)).from_block(0);
        let mut batches = Vec::new();
        for (event, log) in filter.query().await.map_err(describe)? {
            let transaction = log.transaction_hash.unwrap_or_default();
            let receipt = self.provider.get_transaction_receipt(transaction).await;
            let receipt = receipt.map_err(|error| LedgerError::Rpc(error.to_string()))?;
            batches.push(CommittedBatch {
                records: event.recordCount,
                tip: Hash(event.tip.0),
                signer: Address(event.signer.into()),
                transaction: Hash(transaction.0),
                block_number: log.block_number.unwrap_or_default(),
                gas_used: receipt.map_or(0, |receipt| receipt.gas_used),
            });
        }
        Ok(batches)
    }
}

/// A batch of receipts on Ethereum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedBatch {
    /// How many receipts.
    pub records: u64,
    /// The contract's tip after it.
    pub tip: Hash,
    /// Who computed.
    pub signer: Address,
    /// The transaction.
    pub transaction: Hash,
    /// Its block.
    pub block_number: u64,
    /// Its Ethereum gas.
    pub gas_used: u64,
}
