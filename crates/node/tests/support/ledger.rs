//! A model of the Enigma contract: accepts what the real one accepts, one block per transaction.

use super::cores::{DOMAIN, key};
use enigma_node::{LedgerBlock, LedgerCall, LedgerCallError, LedgerEvent};
use enigma_protocol::{
    Address, Hash, ScAddress,
    hash::Preimage,
    receipt::Batch,
    record::{Record, queue_genesis, queue_head},
    selection::EpochParameters,
    task::TaskInput,
};
use std::collections::BTreeMap;

#[derive(Default)]
struct Queue {
    heads: BTreeMap<u64, Hash>,
    entry: u64,
    closed_entry: u64,
    records: u64,
    closed: u64,
}

pub struct Ledger {
    pub blocks: Vec<LedgerBlock>,
    pub manager: Address,
    pub epochs: Vec<(EpochParameters, u64)>,
    pub epoch_length: u64,
    queues: BTreeMap<ScAddress, Queue>,
    nonces: BTreeMap<Address, u64>,
    pub batches: Vec<usize>,
    /// Transactions that fail before the model sees them.
    pub failures: usize,
    /// Transactions that are reported as included, but are not.
    pub swallowed: usize,
}

impl Ledger {
    pub fn new(manager_seed: u8, epoch_length: u64) -> Self {
        Self {
            blocks: Vec::new(),
            manager: key(manager_seed).address(),
            epochs: Vec::new(),
            epoch_length,
            queues: BTreeMap::new(),
            nonces: BTreeMap::new(),
            batches: Vec::new(),
            failures: 0,
            swallowed: 0,
        }
    }

    pub fn next_number(&self) -> u64 {
        self.blocks.len() as u64
    }

    pub fn epoch(&self) -> u64 {
        self.epochs.len() as u64
    }

    pub fn mine(&mut self, events: Vec<LedgerEvent>) {
        let number = self.next_number();
        let hash = Preimage::new("test/block").u64(number).finish();
        self.blocks.push(LedgerBlock { number, hash, timestamp: 1_700_000_000 + number, events });
    }

    pub fn nonce(&self, sender: Address) -> u64 {
        self.nonces.get(&sender).copied().unwrap_or(0)
    }

    /// Records tasks of one contract in one transaction.
    pub fn record(&mut self, sender: Address, inputs: &[TaskInput]) {
        let number = self.next_number();
        let sc = inputs[0].sc;
        let queue = self.queues.entry(sc).or_default();
        queue.heads.entry(0).or_insert(queue_genesis(sc));
        let mut head = queue.heads[&queue.entry];
        queue.entry += 1;
        let mut events = Vec::new();
        for input in inputs {
            assert_eq!((input.sc, input.epoch), (sc, self.epochs.len() as u64), "Ethereum refuses other epochs");
            let nonce = self.nonces.entry(sender).or_default();
            let record = Record {
                sc,
                sender,
                sender_nonce: *nonce,
                inputs_hash: input.inputs_hash(),
                timestamp: 1_700_000_000 + number,
                prevrandao: Hash([3; 32]),
                inlined: false,
                gas_limit: 1_000_000,
                gas_price: 1,
                value: 0,
                call_gas: 0,
                epoch: input.epoch,
                block_number: number,
                due: number + 10,
                record_index: queue.records,
            };
            *nonce += 1;
            queue.records += 1;
            head = queue_head(head, record.record_hash(&DOMAIN));
            let task_id = record.task_id(&DOMAIN);
            assert_eq!(task_id, input.task_id);
            let pre_code_hash = input.pre_code_hash();
            events.push(LedgerEvent::TaskRecorded { task_id, record, pre_code_hash, entry: queue.entry });
        }
        queue.heads.insert(queue.entry, head);
        self.mine(events);
    }

    pub fn expire(&mut self, sc: ScAddress) {
        let queue = self.queues.get_mut(&sc).unwrap();
        let event = LedgerEvent::RecordsExpired {
            sc,
            epoch: 1,
            first_record_index: queue.closed,
            record_count: queue.records - queue.closed,
        };
        (queue.closed, queue.closed_entry) = (queue.records, queue.entry);
        self.mine(vec![event]);
    }

    pub fn submit(&mut self, call: LedgerCall) -> Result<(), LedgerCallError> {
        if self.failures > 0 {
            self.failures -= 1;
            return Err(LedgerCallError::Unavailable("told to fail".into()));
        }
        if self.swallowed > 0 {
            self.swallowed -= 1;
            return Ok(());
        }
        let refuse = |text: &str| Err(LedgerCallError::Reverted(text.into()));
        match call {
            LedgerCall::StartEpoch { parameters, signatures } => {
                let Some(signature) = signatures.first() else { return refuse("unsigned") };
                if parameters.epoch != self.epoch() + 1 {
                    return refuse("wrong epoch");
                }
                if signature.verify(parameters.digest(&DOMAIN), self.manager).is_err() {
                    return refuse("not a key manager");
                }
                if self.epochs.last().is_some_and(|(_, first)| self.next_number() < first + self.epoch_length) {
                    return refuse("too early");
                }
                let first_block = self.next_number();
                self.epochs.push((parameters.clone(), first_block));
                self.mine(vec![LedgerEvent::EpochStarted { parameters, first_block }]);
            }
            LedgerCall::CommitBatch { sc, epoch, to_entry, records, receipts, selection, signature, exe_code_hash } => {
                let Some(queue) = self.queues.get_mut(&sc) else { return refuse("unknown contract") };
                let mut head = queue.heads[&queue.closed_entry];
                for record in &records {
                    head = queue_head(head, record.record_hash(&DOMAIN));
                }
                if to_entry <= queue.closed_entry || queue.heads.get(&to_entry) != Some(&head) {
                    return refuse("not from entry to entry");
                }
                if records.iter().any(|record| record.epoch != epoch) || records.len() != receipts.len() {
                    return refuse("mixed");
                }
                let parameters = &self.epochs[epoch as usize - 1].0;
                if selection.verify(parameters, sc).is_err() {
                    return refuse("not selected");
                }
                let batch = Batch { sc, epoch, rank: 0, head, receipts };
                if signature.verify(batch.digest(&DOMAIN), selection.worker.signer).is_err() {
                    return refuse("not signed");
                }
                let event = LedgerEvent::BatchCommitted {
                    sc,
                    epoch,
                    signer: selection.worker.signer,
                    first_record_index: queue.closed,
                    record_count: records.len() as u64,
                    delta_count: queue.closed + records.len() as u64,
                    tip: batch.receipts.last().unwrap().tip,
                    exe_code_hash,
                };
                queue.closed += records.len() as u64;
                queue.closed_entry = to_entry;
                self.batches.push(records.len());
                self.mine(vec![event]);
            }
        }
        Ok(())
    }
}
