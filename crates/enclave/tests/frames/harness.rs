//! A network of one key manager and some workers, spoken to through JSON frames only.

use enigma_attestation::{
    Claims, Expected, Freshness, Policy, Purpose, Role,
    simulation::{Platform, Validity},
    verify,
};
use enigma_enclave::{
    Generation, Identity, KeyManager, KeyValue, Store, StoreError, Tee, TeeError, Ticket, Worker, Write, identity,
};
use enigma_protocol::{
    Address, Domain, Hash, ScAddress,
    config::{KeyManagerConfig, NetworkConfig},
    hash::keccak256,
    ipc::{
        ComputeInput, DeployInput, Failure, OneOrMany, PttInput, PttRequestResult, PttResponseInput, ReplyFrame,
        Request, RequestFrame, Response, TaskEncryptionKey, WorkerJson, input_key_message,
    },
    ipc::{EpochInput, EpochResult, LedgerViewInput},
    json::{ByteArray, Hex, Hex0x, RecordJson, U64, U128},
    output::{Failure as TaskFailure, Output},
    receipt::{Receipt, Status},
    record::Record,
    sealing::{
        ResponseKey, TaskContext,
        rand_core::{TryCryptoRng, TryRng},
        seal_task,
    },
    signature::{Purpose as SigningPurpose, SecretKey, Signature},
    task::{TaskInput, task_id},
};
use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use zeroize::Zeroizing;

pub const MEASUREMENT: Hash = Hash([0xaa; 32]);
pub const BLOCK: Hash = Hash([0xbb; 32]);
pub const DOMAIN: Domain = Domain { chain_id: 31337, enigma: Address([0xee; 20]) };
pub const GAS: u64 = 1_000_000;
const NOW_S: u64 = 1_800_000_000;

/// Counts what a machine asks of its store and its TEE, and makes one of these calls fail.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    calls: u64,
    failing: u64,
    failed: Option<&'static str>,
}

impl Faults {
    /// Makes the `n`-th call from now on fail, counted from 1; 0 for none.
    pub fn fail(&self, n: u64) {
        *self.0.lock().unwrap() = Plan { calls: 0, failing: n, failed: None };
    }

    /// Which call failed since then.
    pub fn failed(&self) -> Option<&'static str> {
        self.0.lock().unwrap().failed
    }

    /// Whether this call fails.
    fn meets(&self, call: &'static str) -> bool {
        let mut plan = self.0.lock().unwrap();
        plan.calls += 1;
        let fails = plan.calls == plan.failing;
        plan.failed = plan.failed.or(fails.then_some(call));
        fails
    }

    fn in_store(&self, call: &'static str) -> Result<(), StoreError> {
        if self.meets(call) { Err(StoreError("the disk does not answer".into())) } else { Ok(()) }
    }

    fn in_tee(&self, service: &'static str) -> Result<(), TeeError> {
        let reason = || "it is out of order".into();
        if self.meets(service) { Err(TeeError::Unavailable { service, reason: reason() }) } else { Ok(()) }
    }
}

/// What a store was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    pub reads: u64,
    pub bytes_read: u64,
    pub commits: u64,
    pub writes: u64,
    pub bytes_written: u64,
}

/// A store in memory whose calls can be counted and made to fail, and whose commits can be held back.
#[derive(Clone, Default)]
pub struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    map: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    queue: Mutex<Queue>,
    faults: Faults,
    cost: Mutex<Cost>,
}

#[derive(Default)]
struct Queue {
    commits: u64,
    failing: u64,
    generation: Generation,
    held: bool,
    waiting: VecDeque<(Vec<Write>, Ticket)>,
}

impl Memory {
    /// Makes the `n`-th commit from now on fail, counted from 1; 0 for none.
    pub fn fail_commit(&self, n: u64) {
        let mut queue = self.0.queue.lock().unwrap();
        (queue.commits, queue.failing) = (0, n);
    }

    /// What makes calls of this store fail.
    pub fn faults(&self) -> Faults {
        self.0.faults.clone()
    }

    /// What was asked for since this was asked last.
    pub fn cost(&self) -> Cost {
        std::mem::take(&mut self.0.cost.lock().unwrap())
    }

    fn count_read(&self, bytes: usize) {
        let mut cost = self.0.cost.lock().unwrap();
        cost.reads += 1;
        cost.bytes_read += bytes as u64;
    }

    fn count_commit(&self, writes: &[Write]) {
        let mut cost = self.0.cost.lock().unwrap();
        cost.commits += 1;
        cost.writes += writes.len() as u64;
        let bytes = |(key, value): &Write| key.len() + value.as_ref().map_or(0, Vec::len);
        cost.bytes_written += writes.iter().map(bytes).sum::<usize>() as u64;
    }

    /// Makes durable what is held, and goes on holding.
    pub fn commit_held(&self) {
        self.commit_waiting(&mut self.0.queue.lock().unwrap());
    }

    /// Nothing that is submitted from now on becomes durable until it is released.
    pub fn hold(&self) {
        self.0.queue.lock().unwrap().held = true;
    }

    pub fn release(&self) {
        let mut queue = self.0.queue.lock().unwrap();
        queue.held = false;
        self.commit_waiting(&mut queue);
    }

    /// Waits until this many sets of writes are held.
    pub fn await_held(&self, count: usize) {
        for _ in 0..30_000 {
            if self.0.queue.lock().unwrap().waiting.len() == count {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("{count} sets of writes were expected");
    }

    fn commit_waiting(&self, queue: &mut Queue) {
        while let Some((writes, ticket)) = queue.waiting.pop_front() {
            queue.commits += u64::from(!writes.is_empty());
            let counted = !writes.is_empty() && queue.commits == queue.failing;
            if self.0.faults.meets("commit") || counted {
                queue.generation.0 += 1;
                let behind = queue.waiting.drain(..).map(|(_, ticket)| ticket);
                for ticket in std::iter::once(ticket).chain(behind) {
                    ticket.settle(Err(StoreError("the disk is full".into())));
                }
                return;
            }
            self.count_commit(&writes);
            let mut map = self.0.map.lock().unwrap();
            for (key, value) in writes {
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
                };
            }
            drop(map);
            ticket.settle(Ok(()));
        }
    }

    pub fn snapshot(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.0.map.lock().unwrap().clone()
    }

    /// What a host can always do.
    pub fn put_back(&self, map: BTreeMap<Vec<u8>, Vec<u8>>) {
        *self.0.map.lock().unwrap() = map;
    }

    pub fn from_snapshot(map: BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        Self(Arc::new(Inner { map: Mutex::new(map), ..Inner::default() }))
    }
}

impl Store for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.faults.in_store("get")?;
        let value = self.0.map.lock().unwrap().get(key).cloned();
        self.count_read(value.as_ref().map_or(0, Vec::len));
        Ok(value)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<KeyValue>, StoreError> {
        self.0.faults.in_store("scan")?;
        let map = self.0.map.lock().unwrap();
        let found = map.range(from.to_vec()..).filter(|(key, _)| key.starts_with(prefix)).take(limit);
        let found: Vec<KeyValue> = found.map(|(key, value)| (key.clone(), value.clone())).collect();
        self.count_read(found.iter().map(|(_, value)| value.len()).sum());
        Ok(found)
    }

    fn generation(&self) -> Generation {
        self.0.queue.lock().unwrap().generation
    }

    fn submit(&self, generation: Generation, writes: Vec<Write>) -> Result<Ticket, StoreError> {
        self.0.faults.in_store("submit")?;
        let mut queue = self.0.queue.lock().unwrap();
        if queue.generation != generation {
            return Err(StoreError::stale());
        }
        let ticket = Ticket::default();
        queue.waiting.push_back((writes, ticket.clone()));
        if !queue.held {
            self.commit_waiting(&mut queue);
        }
        Ok(ticket)
    }
}

/// A simulated TEE with counted, reproducible randomness.
pub struct TestTee {
    pub platform: Platform,
    /// Says that it is no simulation.
    pub protects: bool,
    /// What makes its services fail.
    pub faults: Faults,
    /// What contracts told their authors.
    pub texts: Arc<Mutex<Vec<String>>>,
    seed: u8,
    drawn: AtomicU64,
}

impl TestTee {
    pub fn new(seed: u8) -> Self {
        Self::on(seed, Platform::from_secret([seed; 32], MEASUREMENT, Validity::DEVELOPMENT).unwrap())
    }

    pub fn on(seed: u8, platform: Platform) -> Self {
        Self {
            platform,
            protects: false,
            faults: Faults::default(),
            texts: Arc::default(),
            seed,
            drawn: AtomicU64::new(0),
        }
    }

    fn mac(&self, plaintext: &[u8]) -> Hash {
        keccak256([&[self.seed; 32], plaintext].concat())
    }
}

/// Distinguishes the runs of one enclave, as a real generator would.
static RUNS: AtomicU64 = AtomicU64::new(0);

impl Tee for TestTee {
    fn measurement(&self) -> Hash {
        self.platform.measurement()
    }

    fn attest(&self, claims: &Claims) -> Result<Vec<u8>, TeeError> {
        self.faults.in_tee("attestation")?;
        Ok(self.platform.attest(claims))
    }

    fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, TeeError> {
        self.faults.in_tee("sealing")?;
        Ok([&self.mac(plaintext).0, plaintext].concat())
    }

    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        self.faults.in_tee("unsealing")?;
        let (mac, plaintext) = sealed.split_at_checked(32).ok_or(TeeError::DoesNotUnseal)?;
        if mac != self.mac(plaintext).0 {
            return Err(TeeError::DoesNotUnseal);
        }
        Ok(Zeroizing::new(plaintext.to_vec()))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), TeeError> {
        self.faults.in_tee("randomness")?;
        for byte in bytes {
            let run = RUNS.fetch_add(1, Ordering::SeqCst);
            let drawn = self.drawn.fetch_add(1, Ordering::SeqCst);
            *byte = keccak256([&[self.seed], &run.to_be_bytes()[..], &drawn.to_be_bytes()].concat()).0[0];
        }
        Ok(())
    }

    fn is_development(&self) -> bool {
        !self.protects
    }

    fn contract_debug(&self, _sc: ScAddress, text: &str) {
        self.texts.lock().unwrap().push(text.into());
    }

    fn now_s(&self) -> u64 {
        NOW_S
    }
}

/// Randomness of users.
pub struct UserRng(pub u64);

impl TryRng for UserRng {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| number as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            self.0 += 1;
            *byte = keccak256(self.0.to_be_bytes()).0[0];
        }
        Ok(())
    }
}

impl TryCryptoRng for UserRng {}

/// Anything that answers frames.
pub trait Machine {
    fn handle(&self, frame: &[u8]) -> Vec<u8>;

    fn ask(&self, request: Request) -> Result<Response, Failure> {
        let frame = serde_json::to_vec(&RequestFrame::new("7", request)).unwrap();
        match serde_json::from_slice(&self.handle(&frame)).unwrap() {
            ReplyFrame::Failure(failure) => Err(failure),
            ReplyFrame::Response(frame) => {
                assert_eq!(frame.id, "7");
                Ok(frame.response)
            }
        }
    }

    /// The error code of a request that is refused.
    #[track_caller]
    fn refuses(&self, request: Request) -> (u16, String) {
        let failure = self.ask(request).expect_err("the request is refused");
        (failure.code.unwrap(), failure.msg)
    }
}

impl Machine for Worker<TestTee, Memory> {
    fn handle(&self, frame: &[u8]) -> Vec<u8> {
        self.handle(frame)
    }
}

impl Machine for KeyManager<TestTee, Memory> {
    fn handle(&self, frame: &[u8]) -> Vec<u8> {
        self.handle(frame)
    }
}

/// The key manager, and Ethereum as far as the enclaves see it.
pub struct Network {
    pub config: NetworkConfig,
    pub km_store: Memory,
    pub km: KeyManager<TestTee, Memory>,
    pub epoch: u64,
    pub gas_limit: u64,
    pub call_gas: u64,
    block: u64,
    workers: Vec<WorkerJson>,
    nonces: BTreeMap<Address, u64>,
    records: BTreeMap<ScAddress, u64>,
}

impl Network {
    /// A network in epoch 1 with these workers, all with the same stake.
    pub fn new(workers: &[Address]) -> Self {
        Self::on(Memory::default(), workers)
    }

    /// The same with the key manager in this store.
    pub fn on(km_store: Memory, workers: &[Address]) -> Self {
        let Identity { signer, commitment } = identity(&TestTee::new(1), &km_store, Role::KeyManager).unwrap();
        let config = NetworkConfig {
            chain_id: DOMAIN.chain_id,
            enigma: Hex0x(DOMAIN.enigma),
            checkpoint: Hex0x(Hash::ZERO),
            threshold: 1,
            key_managers: vec![KeyManagerConfig { signer: Hex0x(signer), commitment: Hex0x(commitment.unwrap()) }],
            measurements: vec![Hex0x(MEASUREMENT)],
        };
        let km = KeyManager::open(TestTee::new(1), km_store.clone(), config.clone()).unwrap();
        let workers = stakes(workers);
        let (nonces, records) = (BTreeMap::new(), BTreeMap::new());
        let (epoch, call_gas, block) = (0, 0, 0);
        let mut network =
            Self { config, km_store, km, epoch, gas_limit: GAS, call_gas, block, workers, nonces, records };
        network.next_epoch();
        network
    }

    pub fn restart_km(&mut self) {
        self.km = KeyManager::open(TestTee::new(1), self.km_store.clone(), self.config.clone()).unwrap();
    }

    pub fn epoch_input(&self, epoch: u64) -> EpochInput {
        EpochInput { epoch: U64(epoch), block_hash: Hex0x(BLOCK), workers: self.workers.clone() }
    }

    pub fn sign_epoch(&self, epoch: u64) -> EpochResult {
        match self.km.ask(Request::SignEpoch { input: self.epoch_input(epoch) }) {
            Ok(Response::SignEpoch { result }) => result,
            other => panic!("{other:?}"),
        }
    }

    pub fn next_epoch(&mut self) {
        self.epoch += 1;
        self.sign_epoch(self.epoch);
        self.tell_km(&[]);
    }

    pub fn view(&self, deployed: &[ScAddress]) -> LedgerViewInput {
        LedgerViewInput {
            block_number: U64(self.block),
            block_hashes: vec![Hex0x(BLOCK)],
            epoch: U64(self.epoch),
            seed: self.sign_epoch(self.epoch).seed,
            workers: self.workers.clone(),
            deployed: deployed.iter().map(|sc| Hex(*sc)).collect(),
        }
    }

    /// Tells the key manager of a new block with these deployments.
    pub fn tell_km(&mut self, deployed: &[ScAddress]) {
        self.block += 1;
        let input = self.view(deployed);
        self.km.ask(Request::SetLedgerView { input }).unwrap();
    }

    pub fn worker(&self, seed: u8, store: &Memory) -> Worker<TestTee, Memory> {
        self.worker_on(TestTee::new(seed), store)
    }

    pub fn worker_on(&self, tee: TestTee, store: &Memory) -> Worker<TestTee, Memory> {
        Worker::open(tee, store.clone(), self.config.clone()).unwrap()
    }

    /// The next epoch has these workers.
    pub fn replace_workers(&mut self, workers: &[Address]) {
        self.workers = stakes(workers);
        self.next_epoch();
    }

    /// The whole exchange for the keys of the current epoch.
    pub fn fetch_keys(&self, worker: &dyn Machine, addresses: &[ScAddress]) {
        self.fetch_keys_of(worker, addresses, self.epoch).unwrap();
    }

    pub fn fetch_keys_of(&self, worker: &dyn Machine, addresses: &[ScAddress], epoch: u64) -> Result<(), Failure> {
        let request = key_request(worker, epoch, addresses);
        let answer = self.answer(request)?;
        match worker.ask(Request::PTTResponse { input: answer }).unwrap() {
            Response::PTTResponse { result } => assert_eq!(result.errors, []),
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    pub fn answer(&self, input: PttRequestResult) -> Result<PttResponseInput, Failure> {
        match self.km.ask(Request::AnswerPTTRequest { input })? {
            Response::AnswerPTTRequest { result } => Ok(result),
            other => panic!("{other:?}"),
        }
    }

    pub fn nonce(&self, sender: Address) -> u64 {
        self.nonces.get(&sender).copied().unwrap_or_default()
    }

    /// What the Enigma contract does when a task is recorded.
    pub fn record(&mut self, sc: ScAddress, sender: Address, inputs_hash: Hash) -> Record {
        let nonce = self.nonces.entry(sender).or_default();
        let index = self.records.entry(sc).or_default();
        self.block += 1;
        let record = Record {
            sc,
            sender,
            sender_nonce: *nonce,
            inputs_hash,
            timestamp: NOW_S,
            prevrandao: keccak256(self.block.to_be_bytes()),
            inlined: false,
            gas_limit: self.gas_limit,
            gas_price: 1,
            value: 0,
            call_gas: self.call_gas,
            epoch: self.epoch,
            block_number: self.block,
            due: self.block + 10,
            record_index: *index,
        };
        *nonce += 1;
        *index += 1;
        record
    }

    /// Seals and records a deployment by `sender`; the worker must have the input key.
    pub fn deployment(&mut self, worker: &dyn Machine, sender: Address, pre_code: &[u8], args: &[u8]) -> Task {
        let sc = self.future_contract(sender);
        self.task(worker, sc, sender, "construct(bytes)", args, Some(pre_code.to_vec()))
    }

    /// The address of the contract that `sender` would deploy next.
    pub fn future_contract(&self, sender: Address) -> ScAddress {
        task_id(&DOMAIN, sender, self.nonce(sender)).into()
    }

    /// Seals and records a call.
    pub fn call(&mut self, worker: &dyn Machine, sc: ScAddress, sender: Address, function: &str, args: &[u8]) -> Task {
        self.task(worker, sc, sender, function, args, None)
    }

    fn task(
        &mut self,
        worker: &dyn Machine,
        sc: ScAddress,
        sender: Address,
        function: &str,
        args: &[u8],
        pre_code: Option<Vec<u8>>,
    ) -> Task {
        let key = input_key(worker, sc, self.epoch);
        let task_id = task_id(&DOMAIN, sender, self.nonce(sender));
        let context = TaskContext { domain: DOMAIN, sc, epoch: self.epoch, task_id };
        let public = key.worker_encryption_key.0.0;
        let mut rng = UserRng(u64::from_be_bytes(task_id.0[..8].try_into().unwrap()) >> 1);
        let (sealed, response_key) = seal_task(&mut rng, &context, &public, function, args).unwrap();
        let input = TaskInput {
            task_id,
            sc,
            epoch: self.epoch,
            suite: 1,
            encrypted_fn: sealed.encrypted_fn,
            encrypted_args: sealed.encrypted_args,
            user_dh_key: sealed.user_dh_key.to_vec(),
            pre_code,
        };
        let record = self.record(sc, sender, input.inputs_hash());
        Task { record, input, response_key }
    }

    /// A contract that is deployed, with the keys for it in place.
    pub fn deployed(&mut self, worker: &dyn Machine, pre_code: &[u8], args: &[u8]) -> ScAddress {
        let sender = Address([0xd0; 20]);
        let sc = self.future_contract(sender);
        self.tell_km(&[sc]);
        self.fetch_keys(worker, &[sc]);
        let task = self.deployment(worker, sender, pre_code, args);
        let done = task.run(worker);
        assert_eq!(done.receipt.status as u8, 0, "{}", task.text(&done));
        sc
    }
}

fn stakes(workers: &[Address]) -> Vec<WorkerJson> {
    let worker = |signer: &Address| WorkerJson { signer: Hex0x(*signer), stake: U128(1_000) };
    let mut workers: Vec<_> = workers.iter().map(worker).collect();
    workers.sort_by_key(|worker| worker.signer);
    workers
}

pub fn key_request(worker: &dyn Machine, epoch: u64, addresses: &[ScAddress]) -> PttRequestResult {
    let addresses = addresses.iter().map(|sc| Hex(*sc)).collect();
    let input = Some(PttInput { addresses, epoch: U64(epoch), block_hash: Hex0x(BLOCK) });
    match worker.ask(Request::GetPTTRequest { input }) {
        Ok(Response::GetPTTRequest { result }) => result,
        other => panic!("{other:?}"),
    }
}

pub fn encryption_key_request(sc: ScAddress, epoch: u64) -> Request {
    Request::NewTaskEncryptionKey {
        user_pub_key: Hex(vec![5; 32]),
        contract_address: Some(Hex(sc)),
        epoch: Some(U64(epoch)),
        block_hash: Some(Hex0x(BLOCK)),
    }
}

/// The input key, verified as a client verifies it.
pub fn input_key(worker: &dyn Machine, sc: ScAddress, epoch: u64) -> TaskEncryptionKey {
    match worker.ask(encryption_key_request(sc, epoch)) {
        Ok(Response::NewTaskEncryptionKey { result }) => result,
        other => panic!("{other:?}"),
    }
}

pub fn verify_input_key(network: &Network, key: &TaskEncryptionKey, sc: ScAddress, epoch: u64) {
    let (signer, public_key) = (key.signer.0, key.worker_encryption_key.0);
    let expected = Expected {
        config_hash: network.config.hash(),
        role: Role::Worker,
        signer,
        purpose: Purpose::InputKey { sc, epoch, suite: 1, public_key },
        freshness: Freshness::OneOf(&[BLOCK]),
    };
    verify(&key.evidence.0, &expected, &Policy::development([MEASUREMENT]), NOW_S).unwrap();
    let message = input_key_message(sc, epoch, 1, &public_key, &key.evidence.0, &[5; 32]);
    key.worker_sig.0.verify(SigningPurpose::InputKey.digest(&DOMAIN, epoch, &message), signer).unwrap();
}

/// A recorded task with the user's key to its output.
pub struct Task {
    pub record: Record,
    pub input: TaskInput,
    pub response_key: ResponseKey,
}

/// What a worker made of a task, its signature verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub response: Response,
    pub receipt: Receipt,
    pub signature: Signature,
    pub encrypted_output: Vec<u8>,
}

impl Task {
    pub fn request(&self) -> Request {
        let task = ComputeInput {
            encrypted_args: Hex(self.input.encrypted_args.clone()),
            encrypted_fn: Hex(self.input.encrypted_fn.clone()),
            user_dh_key: Hex(self.input.user_dh_key.clone()),
            gas_limit: U64(self.record.gas_limit),
            contract_address: Hex(self.input.sc),
            suite: Some(self.input.suite),
            record: Some(RecordJson::from(&self.record)),
            ledger_proof: None,
        };
        match &self.input.pre_code {
            Some(code) => {
                Request::DeploySecretContract { input: DeployInput { pre_code: ByteArray(code.clone()), task } }
            }
            None => Request::ComputeTask { input: task },
        }
    }

    pub fn run(&self, worker: &dyn Machine) -> Done {
        self.try_run(worker).unwrap()
    }

    pub fn try_run(&self, worker: &dyn Machine) -> Result<Done, Failure> {
        let response = worker.ask(self.request())?;
        let (receipt, signature, output) = response.receipt().expect("an answer to a task has a receipt");
        let receipt = Receipt::try_from(receipt.clone()).unwrap();
        let (signature, encrypted_output) = (*signature, output.to_vec());
        assert_eq!(receipt.task_id, self.input.task_id);
        assert_eq!((receipt.sc, receipt.record_index), (self.record.sc, self.record.record_index));
        assert_eq!((receipt.epoch, receipt.inputs_hash), (self.record.epoch, self.record.inputs_hash));
        assert_eq!(receipt.output_hash, keccak256(&encrypted_output));
        assert!((10_000..=self.record.gas_limit).contains(&receipt.gas_used));
        Ok(Done { response, receipt, signature, encrypted_output })
    }

    /// Everything that the user reads of a success.
    #[track_caller]
    pub fn whole_output(&self, done: &Done) -> Output {
        Output::from_bytes(&self.response_key.open(&done.encrypted_output).unwrap()).expect("an output")
    }

    /// The output as the user reads it.
    #[track_caller]
    pub fn output(&self, done: &Done) -> Vec<u8> {
        assert_eq!(done.receipt.status, Status::Success, "{}", self.text(done));
        self.whole_output(done).data
    }

    /// Everything that the user reads of a failure.
    #[track_caller]
    pub fn failure(&self, done: &Done) -> TaskFailure {
        TaskFailure::from_bytes(&self.response_key.open(&done.encrypted_output).unwrap()).expect("a failure")
    }

    /// The text of a failure; empty for a success.
    pub fn text(&self, done: &Done) -> String {
        if done.receipt.status == Status::Failure { self.failure(done).text } else { String::new() }
    }
}

pub fn one(sc: ScAddress) -> OneOrMany<Hex<ScAddress>> {
    OneOrMany::One(Hex(sc))
}

/// Somebody who is no enclave of this network.
pub fn stranger() -> SecretKey {
    SecretKey::from_bytes(&[0x77; 32]).unwrap()
}

/// A contract in text: keeps its constructor's arguments; then, by the first letter of the function: `get`, `set`, `clear`, `echo`,
/// `random`, `panic`, `zero` (division by it), `loop`, `quit` (with the arguments as text), `big` (writes 200 KB).
pub fn contract() -> Vec<u8> {
    let text = r#"(module
      (import "enigma" "fn_read" (func $fn_read (param i32)))
      (import "enigma" "args_len" (func $args_len (result i32)))
      (import "enigma" "args_read" (func $args_read (param i32)))
      (import "enigma" "output" (func $output (param i32 i32)))
      (import "enigma" "fail" (func $fail (param i32 i32)))
      (import "enigma" "state_get" (func $state_get (param i32 i32) (result i32)))
      (import "enigma" "register_read" (func $register_read (param i32)))
      (import "enigma" "state_set" (func $state_set (param i32 i32 i32 i32)))
      (import "enigma" "state_remove" (func $state_remove (param i32 i32)))
      (import "enigma" "random" (func $random (param i32 i32)))
      (memory (export "memory") 4)
      (data (i32.const 65000) "k")
      (func (export "enigma_abi_1"))
      (func $save
        (call $args_read (i32.const 0))
        (call $state_set (i32.const 65000) (i32.const 1) (i32.const 0) (call $args_len)))
      (func (export "deploy") (call $save))
      (func (export "call")
        (local $f i32)
        (call $fn_read (i32.const 60000))
        (local.set $f (i32.load8_u (i32.const 60000)))
        (if (i32.eq (local.get $f) (i32.const 103)) (then
          (drop (call $state_get (i32.const 65000) (i32.const 1)))
          (call $register_read (i32.const 0))
          (call $output (i32.const 0) (call $state_get (i32.const 65000) (i32.const 1)))))
        (if (i32.eq (local.get $f) (i32.const 115)) (then (call $save)))
        (if (i32.eq (local.get $f) (i32.const 101)) (then
          (call $args_read (i32.const 0))
          (call $output (i32.const 0) (call $args_len))))
        (if (i32.eq (local.get $f) (i32.const 114)) (then
          (call $random (i32.const 0) (i32.const 32))
          (call $output (i32.const 0) (i32.const 32))))
        (if (i32.eq (local.get $f) (i32.const 99)) (then (call $state_remove (i32.const 65000) (i32.const 1))))
        (if (i32.eq (local.get $f) (i32.const 112)) (then unreachable))
        (if (i32.eq (local.get $f) (i32.const 122)) (then
          (drop (i32.div_u (i32.const 1) (i32.const 0)))))
        (if (i32.eq (local.get $f) (i32.const 108)) (then (loop $again (br $again))))
        (if (i32.eq (local.get $f) (i32.const 98)) (then
          (call $state_set (i32.const 65000) (i32.const 1) (i32.const 0) (i32.const 200000))))
        (if (i32.eq (local.get $f) (i32.const 113)) (then
          (call $args_read (i32.const 0))
          (call $fail (i32.const 0) (call $args_len))))))"#;
    wat::parse_str(text).unwrap()
}
