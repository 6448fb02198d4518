//! Ethereum as a client sees it: deposits, records, and the facts that a worker is verified against.

use alloy::{
    contract::{CallBuilder, CallDecoder, Error as ContractError},
    network::{Ethereum, EthereumWallet},
    primitives::{Address as EthAddress, B256, Bytes, U256},
    providers::{DynProvider, PendingTransactionBuilder, Provider, ProviderBuilder},
    signers::local::PrivateKeySigner,
    transports::RpcError,
};
use enigma_protocol::{Address, Domain, Hash, ScAddress, TaskId, selection::EpochParameters};
use std::time::Duration;

/// The contracts' Rust bindings, generated from the committed artifacts.
#[allow(missing_docs, clippy::too_many_arguments, reason = "generated")]
pub mod bindings {
    alloy::sol!(
        #[sol(rpc, all_derives)]
        Enigma,
        "../../solidity/artifacts/Enigma.json"
    );
    alloy::sol!(
        #[sol(rpc, all_derives)]
        EnigmaToken,
        "../../solidity/artifacts/EnigmaToken.json"
    );
    alloy::sol!(
        #[sol(rpc, all_derives)]
        DevelopmentVerifier,
        "../../solidity/artifacts/DevelopmentVerifier.json"
    );
}
use bindings::{Enigma, EnigmaToken, IEnigma};

/// What went wrong with Ethereum.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The address is no URL.
    #[error("`{0}` is not the URL of an Ethereum node")]
    Url(String),
    /// The private key is none.
    #[error("the private key is not 32 bytes of hexadecimal digits")]
    PrivateKey,
    /// The contract refused, with its own error.
    #[error("the Enigma contract refused: {0}")]
    Reverted(String),
    /// The node of Ethereum did not do it.
    #[error("Ethereum: {0}")]
    Rpc(String),
    /// Another transaction of the same account took the number of this one, which is not sent.
    #[error("another transaction of this account was sent at the same time ({0}); try again")]
    Overtaken(String),
    /// A transaction was mined and failed.
    #[error("the transaction {0} failed on Ethereum")]
    Failed(String),
}

impl LedgerError {
    /// Whether the contract refused with the custom error of this name.
    pub fn is_revert(&self, name: &str) -> bool {
        matches!(self, Self::Reverted(text) if text.split(' ').next() == Some(name))
    }
}

/// Turns a contract call's error into words, decoding the contract's own errors.
pub fn describe(error: ContractError) -> LedgerError {
    if let Some(decoded) = error.as_decoded_interface_error::<Enigma::EnigmaErrors>() {
        // `WrongEpoch(WrongEpoch { given: 1, current: 2 })`: the variant says the struct's name once more.
        let text = format!("{decoded:?}");
        let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(&text);
        return LedgerError::Reverted(inner.into());
    }
    match error.as_revert_data() {
        Some(data) => LedgerError::Reverted(format!("revert data {data}")),
        None => match &error {
            // Nodes have no codes of their own for this; the words are those of geth, reth and anvil.
            ContractError::TransportError(RpcError::ErrorResp(answer))
                if ["nonce too low", "replacement transaction underpriced"]
                    .iter()
                    .any(|text| answer.message.contains(text)) =>
            {
                LedgerError::Overtaken(answer.message.to_string())
            }
            _ => LedgerError::Rpc(error.to_string()),
        },
    }
}

/// Takes a protocol address into alloy's.
pub fn eth_address(address: Address) -> EthAddress {
    EthAddress::from(address.0)
}

/// Takes a hash into alloy's.
pub fn b256(hash: impl Into<[u8; 32]>) -> B256 {
    B256::from(hash.into())
}

/// The account of a user in the Enigma contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Grains in the deposit.
    pub balance: u128,
    /// Number of tasks recorded, the nonce of the next one.
    pub sender_nonce: u64,
}

/// One task to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct RecordRequest {
    /// The epoch whose input key sealed it.
    pub epoch: u64,
    /// The sender's counter.
    pub sender_nonce: u64,
    /// The called contract; `None` with a code hash for a deployment.
    pub target: RecordTarget,
    /// Hash of the input.
    pub inputs_hash: Hash,
    /// Most gas.
    pub gas_limit: u64,
    /// Grains per unit of gas.
    pub gas_price: u128,
}

/// What a record is for.
#[derive(Clone, Copy, Debug)]
pub enum RecordTarget {
    /// A call of a contract.
    Call(ScAddress),
    /// The deployment of the module with this hash.
    Deployment(Hash),
}

/// The state of a secret contract's queue and chain on Ethereum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractFacts {
    /// Whether its deployment succeeded.
    pub deployed: bool,
    /// Records closed by receipts.
    pub closed_records: u64,
    /// Records made.
    pub record_count: u64,
    /// The confirmed tip.
    pub tip: Hash,
    /// Entries in the confirmed chain.
    pub delta_count: u64,
}

/// A connection to Ethereum with an account.
#[derive(Clone, Debug)]
pub struct Ledger {
    provider: DynProvider,
    account: EthAddress,
    enigma: Enigma::EnigmaInstance<DynProvider>,
    domain: Domain,
}

impl Ledger {
    /// Connects and reads the chain id.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn connect(url: &str, enigma: Address, private_key: &str) -> Result<Self, LedgerError> {
        let signer: PrivateKeySigner = private_key.trim().parse().map_err(|_| LedgerError::PrivateKey)?;
        let account = signer.address();
        let url = url.parse().map_err(|_| LedgerError::Url(url.into()))?;
        let provider = ProviderBuilder::new().wallet(EthereumWallet::from(signer)).connect_http(url).erased();
        let chain_id = provider.get_chain_id().await.map_err(|error| LedgerError::Rpc(error.to_string()))?;
        let contract = Enigma::new(eth_address(enigma), provider.clone());
        Ok(Self { provider, account, enigma: contract, domain: Domain { chain_id, enigma } })
    }

    /// Chain and contract.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        Address(self.account.into())
    }

    /// The provider, for what this type does not offer.
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The Enigma contract.
    pub fn contract(&self) -> &Enigma::EnigmaInstance<DynProvider> {
        &self.enigma
    }

    /// Parameters of the current epoch; epoch 0 before the first one.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn current_epoch(&self) -> Result<EpochParameters, LedgerError> {
        let current = self.enigma.currentEpoch().call().await.map_err(describe)?;
        Ok(EpochParameters {
            epoch: current.epoch,
            seed: Hash(current.state.seed.0),
            workers_root: Hash(current.state.workersRoot.0),
            total_stake: current.state.totalStake,
        })
    }

    /// What evidence on this network must claim.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn config_hash(&self) -> Result<Hash, LedgerError> {
        Ok(Hash(self.enigma.configHash().call().await.map_err(describe)?.0))
    }

    /// Whether the policy on Ethereum accepts a measurement.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn is_measurement_accepted(&self, measurement: Hash) -> Result<bool, LedgerError> {
        self.enigma.isMeasurementAccepted(b256(measurement.0)).call().await.map_err(describe)
    }

    /// Deposit and counter of this account.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn account(&self) -> Result<Account, LedgerError> {
        let account = self.enigma.accountOf(self.account).call().await.map_err(describe)?;
        Ok(Account { balance: account.balance, sender_nonce: account.senderNonce })
    }

    /// Grains of ENG that this account holds outside its deposit.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn token_balance(&self) -> Result<u128, LedgerError> {
        let token = self.enigma.token().call().await.map_err(describe)?;
        let token = EnigmaToken::new(token, self.provider.clone());
        Ok(token.balanceOf(self.account).call().await.map_err(describe)?.saturating_to())
    }

    /// What Ethereum knows of a secret contract.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn contract_facts(&self, sc: ScAddress) -> Result<ContractFacts, LedgerError> {
        let state = self.enigma.contractState(b256(sc.0)).call().await.map_err(describe)?;
        Ok(ContractFacts {
            deployed: state.deployed,
            closed_records: state.closedRecords,
            record_count: state.recordCount,
            tip: Hash(state.tip.0),
            delta_count: state.deltaCount,
        })
    }

    /// Puts grains of ENG from the account into its deposit.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn deposit(&self, amount: u128) -> Result<(), LedgerError> {
        let token = self.enigma.token().call().await.map_err(describe)?;
        let token = EnigmaToken::new(token, self.provider.clone());
        finish(send(token.approve(*self.enigma.address(), U256::from(amount)), self.account).await?).await?;
        finish(send(self.enigma.deposit(amount), self.account).await?).await.map(drop)
    }

    /// Takes grains back from the deposit.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn withdraw(&self, amount: u128) -> Result<(), LedgerError> {
        finish(send(self.enigma.withdraw(amount), self.account).await?).await.map(drop)
    }

    /// The record of a task with this id and input, if Ethereum has one.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn find_record(&self, task_id: TaskId, inputs_hash: Hash) -> Result<Option<RecordedTask>, LedgerError> {
        let rpc = |error: &dyn std::fmt::Display| LedgerError::Rpc(error.to_string());
        let filter = self.enigma.TaskRecorded_filter().topic2(b256(task_id.0)).from_block(0);
        let events = filter.query().await.map_err(|error| rpc(&error))?;
        let Some((event, log)) = events.into_iter().find(|(event, _)| event.inputsHash.0 == inputs_hash.0) else {
            return Ok(None);
        };
        let hash = log.transaction_hash.unwrap_or_default();
        let receipt = self.provider.get_transaction_receipt(hash).await.map_err(|error| rpc(&error))?;
        Ok(Some(RecordedTask {
            task_id,
            record_index: event.recordIndex,
            block_number: log.block_number.unwrap_or_default(),
            gas_used: receipt.map_or(0, |receipt| receipt.gas_used),
            transaction: Hash(hash.0),
        }))
    }

    /// Records one task and waits until it is mined.
    ///
    /// # Errors
    /// [`LedgerError`]; `Reverted` tells why the contract refused.
    pub async fn record(&self, request: &RecordRequest) -> Result<RecordedTask, LedgerError> {
        let task = IEnigma::TaskRequest {
            inputsHash: b256(request.inputs_hash.0),
            gasLimit: request.gas_limit,
            gasPrice: request.gas_price,
            value: 0,
            callGas: 0,
        };
        let (epoch, nonce) = (request.epoch, request.sender_nonce);
        let pending = match request.target {
            RecordTarget::Call(sc) => {
                send(self.enigma.recordTasks(epoch, nonce, b256(sc.0), vec![task]), self.account).await?
            }
            RecordTarget::Deployment(hash) => {
                send(self.enigma.recordDeployment(epoch, nonce, b256(hash.0), task), self.account).await?
            }
        };
        let receipt = finish(pending).await?;
        let log = receipt
            .decoded_log::<Enigma::TaskRecorded>()
            .ok_or_else(|| LedgerError::Failed(receipt.transaction_hash.to_string()))?;
        Ok(RecordedTask {
            task_id: TaskId(log.taskId.0),
            record_index: log.recordIndex,
            block_number: receipt.block_number.unwrap_or_default(),
            gas_used: receipt.gas_used,
            transaction: Hash(receipt.transaction_hash.0),
        })
    }
}

/// A task that Ethereum has recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedTask {
    /// Its id.
    pub task_id: TaskId,
    /// Its place in the contract's queue.
    pub record_index: u64,
    /// The block.
    pub block_number: u64,
    /// Ethereum gas of the transaction.
    pub gas_used: u64,
    /// The transaction.
    pub transaction: Hash,
}

/// Sends a contract call as a transaction of `from`, with a quarter more gas than it needs now: others may change the state
/// that it meets when it is mined.
///
/// # Errors
/// [`LedgerError`]; `Reverted` when the contract would refuse now.
pub async fn send<P: Provider, D: CallDecoder>(
    call: CallBuilder<P, D>,
    from: EthAddress,
) -> Result<PendingTransactionBuilder<Ethereum>, LedgerError> {
    let call = call.from(from);
    let gas = call.estimate_gas().await.map_err(describe)?;
    call.gas(gas.saturating_add(gas / 4)).send().await.map_err(describe)
}

/// Pauses between the first looks for a receipt.
const QUICK_LOOKS_MS: [u64; 6] = [2, 4, 8, 16, 32, 64];

/// Waits for a transaction and fails unless it succeeded.
///
/// # Errors
/// [`LedgerError`].
pub async fn finish(
    pending: PendingTransactionBuilder<Ethereum>,
) -> Result<alloy::rpc::types::TransactionReceipt, LedgerError> {
    let provider = pending.provider().clone();
    let hash = *pending.tx_hash();
    let rpc = |error: alloy::transports::TransportError| LedgerError::Rpc(error.to_string());
    // A chain that mines at once has the receipt in a moment; only on another is a watcher worth its polling interval.
    let mut known = provider.get_transaction_receipt(hash).await.map_err(rpc)?;
    for pause_ms in QUICK_LOOKS_MS {
        if known.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        known = provider.get_transaction_receipt(hash).await.map_err(rpc)?;
    }
    let receipt = match known {
        Some(receipt) => receipt,
        None => pending.get_receipt().await.map_err(|error| LedgerError::Rpc(error.to_string()))?,
    };
    if receipt.status() { Ok(receipt) } else { Err(LedgerError::Failed(hash.to_string())) }
}

/// Calldata or a private key as bytes.
pub fn bytes(bytes: impl Into<Vec<u8>>) -> Bytes {
    Bytes::from(bytes.into())
}
