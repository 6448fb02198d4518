//! Cores that answer as the real ones do, without secrets: their "envelopes" say in plain what was asked.

use enigma_protocol::{
    Address, Domain, Hash, ScAddress,
    hash::{Preimage, keccak256},
    ipc::*,
    json::{ByteArray, Hex, Hex0x, ReceiptJson, U64, U128},
    receipt::{Batch, Receipt, Status},
    record::{Record, queue_genesis, queue_head},
    selection::{EpochParameters, WorkerStake, WorkerTree},
    signature::{Purpose, SecretKey, Signature},
};
use std::collections::{BTreeMap, BTreeSet};

pub const DOMAIN: Domain = Domain { chain_id: 31337, enigma: Address([0xee; 20]) };

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

/// Record, receipt, signature and output.
type Execution = (Record, Receipt, Signature, Vec<u8>);
type Answer = Result<Response, (u16, &'static str)>;

pub fn frame(request: &str, answer: Answer) -> ReplyFrame {
    let frame = match answer {
        Ok(response) => ReplyFrame::Response(ResponseFrame { id: "1".into(), response }),
        Err((code, msg)) => ReplyFrame::Failure(Failure {
            id: "1".into(),
            request_type: request.into(),
            msg: msg.into(),
            code: Some(code),
        }),
    };
    // As it comes over the wire.
    serde_json::from_str(&serde_json::to_string(&frame).unwrap()).unwrap()
}

/// A worker's core. What a real one keeps sealed survives `restart`, its keys do not.
pub struct WorkerCore {
    key: SecretKey,
    keys: BTreeMap<(u64, ScAddress), bool>,
    executed: BTreeMap<(ScAddress, u64), Execution>,
    pub executions: usize,
    pub ptt_requests: usize,
    /// Answers to give instead of working, oldest first.
    pub failures: Vec<u16>,
    /// So many answers of key managers hold nothing that was asked for.
    pub empty_answers: usize,
}

impl WorkerCore {
    pub fn new(seed: u8) -> Self {
        Self {
            key: key(seed),
            keys: BTreeMap::new(),
            executed: BTreeMap::new(),
            executions: 0,
            ptt_requests: 0,
            failures: Vec::new(),
            empty_answers: 0,
        }
    }

    pub fn restart(&mut self) {
        self.keys.clear();
    }

    /// Loses what it stored, as a core with a new disk.
    pub fn lose_store(&mut self) {
        self.keys.clear();
        self.executed.clear();
    }

    pub fn handle(&mut self, request: Request) -> ReplyFrame {
        frame("task", self.answer(request))
    }

    fn answer(&mut self, request: Request) -> Answer {
        match request {
            Request::GetPTTRequest { input } => {
                self.ptt_requests += 1;
                let request = serde_json::to_vec(&input.unwrap()).unwrap();
                let worker_sig = Hex(self.key.sign(keccak256(&request)));
                Ok(Response::GetPTTRequest { result: PttRequestResult { request: Hex(request), worker_sig } })
            }
            Request::PTTResponse { input } => {
                let Ok(keys) = serde_json::from_slice::<Vec<(u64, String, bool)>>(&input.response.0) else {
                    return Err((15, "no key manager signed this"));
                };
                if self.empty_answers > 0 {
                    self.empty_answers -= 1;
                    return Ok(Response::PTTResponse { result: PttErrors::default() });
                }
                for (epoch, sc, with_state) in keys {
                    self.keys.insert((epoch, sc.parse().unwrap()), with_state);
                }
                Ok(Response::PTTResponse { result: PttErrors::default() })
            }
            Request::NewTaskEncryptionKey { user_pub_key, contract_address, epoch, .. } => {
                let (sc, epoch) = (contract_address.unwrap().0, epoch.unwrap().0);
                if !self.keys.contains_key(&(epoch, sc)) {
                    return Err((10, "no key"));
                }
                let public = Preimage::new("test/key").contract(sc).u64(epoch).finish();
                let message = input_key_message(sc, epoch, 1, &public, b"evidence", &user_pub_key.0);
                Ok(Response::NewTaskEncryptionKey {
                    result: TaskEncryptionKey {
                        worker_encryption_key: Hex(public),
                        worker_sig: Hex(self.key.sign(Purpose::InputKey.digest(&DOMAIN, epoch, &message))),
                        signer: Hex0x(self.key.address()),
                        evidence: Hex(b"evidence".to_vec()),
                    },
                })
            }
            Request::DeploySecretContract { input } => self.execute(input.task, Some(input.pre_code.0)),
            Request::ComputeTask { input } => self.execute(input, None),
            Request::SignBatch { input } => self.sign_batch(input),
            other => panic!("a worker's core is not asked {other:?}"),
        }
    }

    fn execute(&mut self, input: ComputeInput, pre_code: Option<Vec<u8>>) -> Answer {
        if !self.failures.is_empty() {
            return Err((self.failures.remove(0), "told to fail"));
        }
        let record = Record::from(input.record.unwrap());
        let place = (record.sc, record.record_index);
        if !self.executed.contains_key(&place) {
            if self.keys.get(&(record.epoch, record.sc)) != Some(&true) {
                return Err((10, "no key"));
            }
            let done = self.executed.range((record.sc, 0)..(record.sc, u64::MAX)).count() as u64;
            if done != record.record_index {
                return Err((11, "out of order"));
            }
            self.executions += 1;
            let outcome = self.run(&record);
            self.executed.insert(place, outcome);
        }
        let (_, receipt, signature, output) = self.executed[&place].clone();
        let delta = Delta { key: U64(receipt.delta_index), data: ByteArray(vec![1]) };
        let used_gas = U64(receipt.gas_used);
        let (signature, receipt) = (Hex(signature), ReceiptJson::from(&receipt));
        let (ethereum_payload, ethereum_address) = (Hex(vec![]), Hex(Address::ZERO));
        Ok(match pre_code {
            Some(code) => Response::DeploySecretContract {
                result: DeployResult {
                    output: ByteArray(code.clone()),
                    pre_code_hash: Hex(keccak256(&code)),
                    delta,
                    used_gas,
                    ethereum_payload,
                    ethereum_address,
                    signature,
                    receipt,
                    encrypted_output: Hex(output),
                    snapshot: None,
                },
            },
            None => Response::ComputeTask {
                result: ComputeResult {
                    output: Hex(output),
                    delta,
                    used_gas,
                    ethereum_payload,
                    ethereum_address,
                    signature,
                    receipt,
                    snapshot: None,
                },
            },
        })
    }

    fn run(&self, record: &Record) -> Execution {
        let output = record.record_hash(&DOMAIN).0.to_vec();
        let receipt = Receipt {
            task_id: record.task_id(&DOMAIN),
            sc: record.sc,
            record_index: record.record_index,
            delta_index: record.record_index,
            epoch: record.epoch,
            rank: 0,
            generation: 0,
            exe_code_hash: Hash([5; 32]),
            inputs_hash: record.inputs_hash,
            previous_tip: Hash([record.record_index as u8; 32]),
            tip: Hash([record.record_index as u8 + 1; 32]),
            output_hash: keccak256(&output),
            gas_used: 10_000,
            status: Status::Success,
            call_target: Address::ZERO,
            call_data_hash: Hash::ZERO,
            call_gas: 0,
            pay_to: Address::ZERO,
            pay_amount: 0,
        };
        let signature = self.key.sign(receipt.digest(&DOMAIN));
        (record.clone(), receipt, signature, output)
    }

    fn sign_batch(&mut self, input: BatchInput) -> Answer {
        let (sc, first) = (input.contract_address.0, input.first_record_index.0);
        let mut head = queue_genesis(sc);
        for index in 0..first + input.count.0 {
            let Some((record, ..)) = self.executed.get(&(sc, index)) else { return Err((13, "unknown records")) };
            head = queue_head(head, record.record_hash(&DOMAIN));
        }
        let receipts: Vec<Receipt> =
            (first..first + input.count.0).map(|index| self.executed[&(sc, index)].1.clone()).collect();
        let epoch = receipts[0].epoch;
        assert!(receipts.iter().all(|receipt| receipt.epoch == epoch), "a batch has one epoch");
        let batch = Batch { sc, epoch, rank: 0, head, receipts: receipts.clone() };
        Ok(Response::SignBatch {
            result: BatchResult {
                epoch: U64(epoch),
                head: Hex0x(head),
                receipts: receipts.iter().map(ReceiptJson::from).collect(),
                signature: Hex0x(self.key.sign(batch.digest(&DOMAIN))),
            },
        })
    }
}

/// A key manager's core.
pub struct ManagerCore {
    key: SecretKey,
    view: Option<LedgerViewInput>,
    deployed: BTreeSet<ScAddress>,
    /// What it has signed, which survives.
    pub signed: BTreeMap<u64, EpochResult>,
    pub failures: Vec<u16>,
    pub refused_views: usize,
}

impl ManagerCore {
    pub fn new(seed: u8) -> Self {
        Self {
            key: key(seed),
            view: None,
            deployed: BTreeSet::new(),
            signed: BTreeMap::new(),
            failures: Vec::new(),
            refused_views: 0,
        }
    }

    pub fn restart(&mut self) {
        self.view = None;
        self.deployed.clear();
    }

    pub fn handle(&mut self, request: Request) -> ReplyFrame {
        frame("key", self.answer(request))
    }

    fn answer(&mut self, request: Request) -> Answer {
        match request {
            Request::SetLedgerView { input } => {
                if self.refused_views > 0 {
                    self.refused_views -= 1;
                    return Err((20, "told to fail"));
                }
                assert!(input.block_hashes.len() <= 256);
                self.deployed.extend(input.deployed.iter().map(|sc| sc.0));
                let result = LedgerViewResult { block_number: input.block_number };
                self.view = Some(input);
                Ok(Response::SetLedgerView { result })
            }
            Request::AnswerPTTRequest { input } => {
                let Ok(asked) = serde_json::from_slice::<PttInput>(&input.request.0) else {
                    return Err((3, "no request"));
                };
                let Some(view) = &self.view else { return Err((14, "nothing is known of Ethereum")) };
                if !view.block_hashes.contains(&asked.block_hash) {
                    return Err((14, "the block is not known"));
                }
                let with_state = |sc: &Hex<ScAddress>| self.deployed.contains(&sc.0);
                let keys: Vec<_> =
                    asked.addresses.iter().map(|sc| (asked.epoch.0, sc.0.to_string(), with_state(sc))).collect();
                let response = Hex(serde_json::to_vec(&keys).unwrap());
                Ok(Response::AnswerPTTRequest { result: PttResponseInput { response } })
            }
            Request::SignEpoch { input } => {
                if !self.failures.is_empty() {
                    return Err((self.failures.remove(0), "told to fail"));
                }
                let epoch = input.epoch.0;
                let result = self.signed.entry(epoch).or_insert_with(|| {
                    let tree = WorkerTree::new(input.workers.iter().map(WorkerStake::from).collect()).unwrap();
                    let parameters = EpochParameters {
                        epoch,
                        seed: Preimage::new("test/seed").u64(epoch).hash(input.block_hash.0).finish(),
                        workers_root: tree.root(),
                        total_stake: tree.total_stake(),
                    };
                    EpochResult {
                        epoch: U64(epoch),
                        seed: Hex0x(parameters.seed),
                        workers_root: Hex0x(parameters.workers_root),
                        total_stake: U128(parameters.total_stake),
                        signature: Hex0x(self.key.sign(parameters.digest(&DOMAIN))),
                    }
                });
                Ok(Response::SignEpoch { result: result.clone() })
            }
            other => panic!("a key manager's core is not asked {other:?}"),
        }
    }
}
