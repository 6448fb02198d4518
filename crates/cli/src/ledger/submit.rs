//! Sends the mind's calls as transactions and reports what became of them.
//!
//! Transactions are sent one after another, so that each sees the nonce of the one before; their receipts are awaited side by
//! side. A call that the contract refuses is reported with the name of its custom error.

use super::{CALL_TIMEOUT, Ledger};
use alloy::{
    contract::{CallBuilder, CallDecoder},
    primitives::{B256, U256},
    providers::Provider,
};
use enigma_client::ledger::{
    self, LedgerError, b256,
    bindings::IEnigma::{ReceiptData, RecordPreimage, Selection},
    eth_address,
};
use enigma_node::{CallId, Input, LedgerCall, LedgerCallError};
use enigma_protocol::{Address, receipt::Receipt, record::Record, selection::SelectionProof};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::Instant,
};
use tracing::{debug, info};

/// Calls of the mind that wait to be sent.
const CALL_QUEUE: usize = 256;
/// Transactions that wait for their block.
const MAX_AWAITED: usize = 64;
/// A transaction that is in no block by then is reported as not included; the mind makes the call anew.
const INCLUSION_TIMEOUT: Duration = Duration::from_secs(90);

/// The queue of transactions.
pub struct Submitter(mpsc::Sender<(CallId, LedgerCall)>);

impl Submitter {
    /// Starts to send with the account of `ledger`; outcomes go to `inputs`.
    pub fn start(ledger: Ledger, poll: Duration, inputs: mpsc::Sender<Input>) -> (Self, JoinHandle<()>) {
        let (sender, mut queue) = mpsc::channel(CALL_QUEUE);
        let awaited = Arc::new(Semaphore::new(MAX_AWAITED));
        let task = tokio::spawn(async move {
            while let Some((id, call)) = queue.recv().await {
                let Ok(place) = Arc::clone(&awaited).acquire_owned().await else { return };
                match send(&ledger, call).await {
                    Ok(transaction) => {
                        let (ledger, inputs) = (ledger.clone(), inputs.clone());
                        tokio::spawn(async move {
                            let result = included(&ledger, transaction, poll).await;
                            let _ = inputs.send(Input::LedgerCall(id, result)).await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        let _ = inputs.send(Input::LedgerCall(id, Err(error))).await;
                    }
                }
            }
        });
        (Self(sender), task)
    }

    /// Queues a call.
    ///
    /// # Errors
    /// What to report to the mind when the queue is full.
    pub fn submit(&self, id: CallId, call: LedgerCall) -> Result<(), LedgerCallError> {
        self.0
            .try_send((id, call))
            .map_err(|_| LedgerCallError::Unavailable("too many transactions wait to be sent".to_owned()))
    }
}

fn failed(error: LedgerError) -> LedgerCallError {
    match error {
        LedgerError::Reverted(reason) => LedgerCallError::Reverted(reason),
        LedgerError::Failed(transaction) => LedgerCallError::Reverted(format!("transaction {transaction}")),
        LedgerError::Rpc(reason) => LedgerCallError::Unavailable(reason),
        error @ (LedgerError::Url(_) | LedgerError::PrivateKey | LedgerError::Overtaken(_)) => {
            LedgerCallError::Unavailable(error.to_string())
        }
    }
}

async fn send(ledger: &Ledger, call: LedgerCall) -> Result<B256, LedgerCallError> {
    let Some(account) = ledger.account else {
        return Err(LedgerCallError::Unavailable(
            "this node has no Ethereum account; give it --eth-key-file".to_owned(),
        ));
    };
    match call {
        LedgerCall::CommitBatch { sc, epoch, to_entry, exe_code_hash, records, receipts, selection, signature } => {
            let count = records.len();
            let call = ledger.contract.commitBatch(
                b256(sc.0),
                epoch,
                to_entry,
                b256(exe_code_hash.0),
                records.iter().map(record_preimage).collect(),
                receipts.iter().map(receipt_data).collect(),
                selection_of(selection),
                signature.0.to_vec().into(),
            );
            let transaction = dispatch(call, account).await?;
            info!(%sc, epoch, records = count, %transaction, "batch sent");
            Ok(transaction)
        }
        LedgerCall::StartEpoch { parameters, signatures } => {
            let call = ledger.contract.startEpoch(
                parameters.epoch,
                b256(parameters.seed.0),
                b256(parameters.workers_root.0),
                parameters.total_stake,
                signatures.iter().map(|signature| signature.0.to_vec().into()).collect(),
            );
            let transaction = dispatch(call, account).await?;
            info!(epoch = parameters.epoch, %transaction, "epoch sent");
            Ok(transaction)
        }
    }
}

async fn dispatch<P: Provider, D: CallDecoder>(
    call: CallBuilder<P, D>,
    account: Address,
) -> Result<B256, LedgerCallError> {
    match tokio::time::timeout(CALL_TIMEOUT, ledger::send(call, eth_address(account))).await {
        Ok(Ok(pending)) => Ok(*pending.tx_hash()),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(LedgerCallError::Unavailable("Ethereum gave no answer in time".to_owned())),
    }
}

async fn included(ledger: &Ledger, transaction: B256, poll: Duration) -> Result<(), LedgerCallError> {
    let deadline = Instant::now() + INCLUSION_TIMEOUT;
    loop {
        match tokio::time::timeout(CALL_TIMEOUT, ledger.provider.get_transaction_receipt(transaction)).await {
            Ok(Ok(Some(receipt))) if receipt.status() => return Ok(()),
            Ok(Ok(Some(_))) => return Err(LedgerCallError::Reverted(format!("transaction {transaction}"))),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => debug!(%error, %transaction, "no receipt yet"),
            Err(_) => debug!(%transaction, "no answer about a receipt"),
        }
        if Instant::now() >= deadline {
            let seconds = INCLUSION_TIMEOUT.as_secs();
            return Err(LedgerCallError::Unavailable(format!(
                "transaction {transaction} waits for {seconds} s already"
            )));
        }
        tokio::time::sleep(poll).await;
    }
}

fn record_preimage(record: &Record) -> RecordPreimage {
    RecordPreimage {
        sender: eth_address(record.sender),
        senderNonce: record.sender_nonce,
        inputsHash: b256(record.inputs_hash.0),
        timestamp: record.timestamp,
        prevrandao: U256::from_be_bytes(record.prevrandao.0),
        inlined: record.inlined,
        gasLimit: record.gas_limit,
        gasPrice: record.gas_price,
        value: record.value,
        callGas: record.call_gas,
        blockNumber: record.block_number,
        due: record.due,
    }
}

fn receipt_data(receipt: &Receipt) -> ReceiptData {
    ReceiptData {
        tip: b256(receipt.tip.0),
        outputHash: b256(receipt.output_hash.0),
        gasUsed: receipt.gas_used,
        status: receipt.status as u8,
    }
}

fn selection_of(proof: SelectionProof) -> Selection {
    Selection {
        rank: proof.rank,
        stake: proof.worker.stake,
        siblings: proof.path.iter().map(|step| b256(step.sibling.0)).collect(),
        sums: proof.path.iter().map(|step| step.sum).collect(),
        siblingIsLeft: proof.path.iter().map(|step| step.sibling_is_left).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::{primitives::Bytes, sol_types::SolError};
    use axum::{Json, Router, extract::State, routing::post};
    use enigma_client::ledger::bindings::Enigma;
    use enigma_protocol::{Address, Hash, selection::EpochParameters};
    use serde_json::{Value, json};
    use std::sync::Mutex;

    /// What becomes of the one transaction.
    #[derive(Clone, Debug)]
    enum Fate {
        /// Refused when its gas is estimated, with this data.
        Refused(Bytes),
        /// In a block, after some questions, with this status.
        Included { after: u32, status: u8 },
        /// The endpoint fails.
        Broken,
    }

    fn answer(fate: &mut Fate, method: &str) -> Result<Value, Value> {
        match (method, fate) {
            ("eth_chainId", _) => Ok(json!("0x1")),
            ("eth_getCode", _) => Ok(json!("0x00")),
            ("eth_estimateGas", Fate::Refused(data)) => {
                Err(json!({"code": 3, "message": "execution reverted", "data": data}))
            }
            ("eth_estimateGas", Fate::Included { .. }) => Ok(json!("0x5208")),
            ("eth_feeHistory", _) => Ok(json!({
                "oldestBlock": "0x1", "baseFeePerGas": ["0x1", "0x1"], "gasUsedRatio": [0.5], "reward": [["0x1"]],
            })),
            ("eth_getTransactionCount", _) => Ok(json!("0x7")),
            ("eth_sendRawTransaction", _) => Ok(json!(B256::repeat_byte(5))),
            ("eth_getTransactionReceipt", Fate::Included { after, status }) => {
                if *after > 0 {
                    *after -= 1;
                    return Ok(Value::Null);
                }
                let zero = Address::ZERO.to_string();
                Ok(json!({
                    "transactionHash": B256::repeat_byte(5), "transactionIndex": "0x0", "blockHash": B256::repeat_byte(6),
                    "blockNumber": "0x1", "from": zero, "to": zero, "cumulativeGasUsed": "0x1", "gasUsed": "0x1",
                    "effectiveGasPrice": "0x1", "contractAddress": null, "logs": [], "type": "0x2",
                    "logsBloom": format!("0x{}", "00".repeat(256)), "status": format!("0x{status:x}"),
                }))
            }
            _ => Err(json!({"code": -32603, "message": "out of order"})),
        }
    }

    async fn serve(fate: Fate) -> String {
        async fn reply(State(fate): State<Arc<Mutex<Fate>>>, Json(request): Json<Value>) -> Json<Value> {
            let answer = answer(&mut fate.lock().unwrap(), request["method"].as_str().unwrap());
            Json(match answer {
                Ok(result) => json!({"jsonrpc": "2.0", "id": request["id"], "result": result}),
                Err(error) => json!({"jsonrpc": "2.0", "id": request["id"], "error": error}),
            })
        }
        let app = Router::new().route("/", post(reply)).with_state(Arc::new(Mutex::new(fate)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    async fn submit(fate: Fate) -> Result<(), LedgerCallError> {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("key");
        crate::keyfile::write_private(&key, "ab".repeat(32).as_bytes()).unwrap();
        let ledger = Ledger::connect(&serve(fate).await, Address([9; 20]), Some(&key)).await.unwrap();
        let (sender, mut inputs) = mpsc::channel(4);
        let (submitter, _task) = Submitter::start(ledger, Duration::from_millis(1), sender);
        let parameters = EpochParameters { epoch: 1, seed: Hash([1; 32]), workers_root: Hash([2; 32]), total_stake: 3 };
        submitter.submit(CallId(4), LedgerCall::StartEpoch { parameters, signatures: Vec::new() }).unwrap();
        match tokio::time::timeout(Duration::from_secs(30), inputs.recv()).await.unwrap().unwrap() {
            Input::LedgerCall(CallId(4), result) => result,
            input => panic!("{input:?}"),
        }
    }

    #[tokio::test]
    async fn the_mind_learns_what_became_of_its_call() {
        assert_eq!(submit(Fate::Included { after: 3, status: 1 }).await, Ok(()));
        let failed = submit(Fate::Included { after: 0, status: 0 }).await;
        assert!(matches!(failed, Err(LedgerCallError::Reverted(_))), "{failed:?}");
        let refusal = Enigma::WrongEpochNumber { given: 1, expected: 2 }.abi_encode();
        match submit(Fate::Refused(refusal.into())).await {
            Err(LedgerCallError::Reverted(text)) => assert!(text.starts_with("WrongEpochNumber"), "{text}"),
            other => panic!("{other:?}"),
        }
        let broken = submit(Fate::Broken).await;
        assert!(matches!(broken, Err(LedgerCallError::Unavailable(_))), "{broken:?}");
    }
}
