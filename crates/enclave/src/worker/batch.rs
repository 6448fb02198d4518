//! One signature over the receipts of consecutive records, for Ethereum.

use super::{Worker, contracts};
use crate::{error::Refusal, store::Store, tee::Tee};
use enigma_protocol::{
    ipc::{BatchInput, BatchResult, Response},
    json::{Hex0x, ReceiptJson, U64},
    limits::MAX_BATCH_RECORDS,
    receipt::Batch,
};

impl<T: Tee, S: Store> Worker<T, S> {
    /// Signs stored receipts; what is stored is authenticated, so nothing else can be signed.
    pub(super) fn sign_batch(&self, input: BatchInput) -> Result<Response, Refusal> {
        let (sc, first, count) = (input.contract_address.0, input.first_record_index.0, input.count.0);
        if !(1..=MAX_BATCH_RECORDS as u64).contains(&count) {
            return Err(Refusal::Field(format!("`count` must be 1 to {MAX_BATCH_RECORDS}")));
        }
        if contracts::known_head(&self.store, sc)?.bare {
            return Err(Refusal::Bare(sc));
        }
        let mut outcomes = Vec::new();
        for index in first..first.saturating_add(count) {
            outcomes.push(contracts::load_outcome(&self.store, sc, index)?);
        }
        let Some(last) = outcomes.last() else { return Err(Refusal::Field("`firstRecordIndex` is too large".into())) };
        let (epoch, rank, head) = (last.receipt.epoch, last.receipt.rank, last.queue_head);
        if outcomes.iter().any(|outcome| (outcome.receipt.epoch, outcome.receipt.rank) != (epoch, rank)) {
            return Err(Refusal::Field("the records of a batch must be of one epoch".into()));
        }
        let receipts = outcomes.into_iter().map(|outcome| outcome.receipt).collect();
        let batch = Batch { sc, epoch, rank, head, receipts };
        let signature = self.signing_key.sign(batch.digest(&self.network.domain));
        Ok(Response::SignBatch {
            result: BatchResult {
                epoch: U64(epoch),
                head: Hex0x(head),
                receipts: batch.receipts.iter().map(ReceiptJson::from).collect(),
                signature: Hex0x(signature),
            },
        })
    }
}
