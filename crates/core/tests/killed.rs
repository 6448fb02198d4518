//! `kill -9` of the real program under load, again and again.
//!
//! Several requesters send tasks of two contracts without pause. The process is killed at random moments, some of them while
//! it starts, and started again on the same data directory. What was acknowledged must be there byte for byte, nothing
//! half-written may show, and work goes on. In the end every reply equals that of a twin with the same identity that was never
//! killed.
//!
//! `ENIGMA_KILLS` and `ENIGMA_KILL_SEED` choose how often and at which moments; how far the process is at a moment is up to the
//! machine, so a seed repeats a run only as far as the machine does.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use enigma_protocol::{
    Address, Domain, Hash, ScAddress,
    config::NetworkConfig,
    hash::keccak256,
    ipc::{ReplyFrame, Response},
    json::{Hex, Hex0x, RecordJson},
    receipt::{Receipt, Status},
    record::Record,
    sealing::{TaskContext, rand_core, seal_task},
    state::StateEntry,
    task::{TaskInput, task_id},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    convert::Infallible,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::timeout};
use zeromq::{ReqSocket, Socket, SocketRecv, SocketSend};

/// The program in the test's folder, where nobody replaces it while the test runs: another build is another enclave.
const PROGRAM: &str = "enigma-core";
const PATIENCE: Duration = Duration::from_secs(60);
const KILLS: u64 = 100;
const REQUESTERS: usize = 3;
const GAS: u64 = 1_000_000;
const EPOCH: u64 = 1;
const BLOCK: Hash = Hash([0xbb; 32]);
const USER: Address = Address([0xa1; 20]);

/// Folds each task's arguments into its state, so that every delta depends on all before it; `get()` only reads, `fail()` fails.
const CONTRACT: &str = r#"(module
  (import "enigma" "fn_read" (func $fn_read (param i32)))
  (import "enigma" "args_len" (func $args_len (result i32)))
  (import "enigma" "args_read" (func $args_read (param i32)))
  (import "enigma" "output" (func $output (param i32 i32)))
  (import "enigma" "fail" (func $fail (param i32 i32)))
  (import "enigma" "keccak256" (func $keccak256 (param i32 i32 i32)))
  (import "enigma" "state_get" (func $state_get (param i32 i32) (result i32)))
  (import "enigma" "register_read" (func $register_read (param i32)))
  (import "enigma" "state_set" (func $state_set (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 65000) "k")
  (func (export "enigma_abi_1"))
  (func $fold
    (if (i32.ne (call $state_get (i32.const 65000) (i32.const 1)) (i32.const -1))
      (then (call $register_read (i32.const 0))))
    (call $args_read (i32.const 32))
    (call $keccak256 (i32.const 0) (i32.add (i32.const 32) (call $args_len)) (i32.const 0))
    (call $state_set (i32.const 65000) (i32.const 1) (i32.const 0) (i32.const 32))
    (call $output (i32.const 0) (i32.const 32)))
  (func (export "deploy") (call $fold))
  (func (export "call") (local $f i32)
    (call $fn_read (i32.const 60000))
    (local.set $f (i32.load8_u (i32.const 60000)))
    (if (i32.eq (local.get $f) (i32.const 97)) (then (call $fold)))
    (if (i32.eq (local.get $f) (i32.const 103)) (then
      (drop (call $state_get (i32.const 65000) (i32.const 1)))
      (call $register_read (i32.const 0))
      (call $output (i32.const 0) (i32.const 32))))
    (if (i32.eq (local.get $f) (i32.const 102)) (then (call $fail (i32.const 65000) (i32.const 1))))))"#;

/// A generator that needs no secrecy (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn ms(&mut self, bound: u64) -> Duration {
        Duration::from_micros(self.below(bound * 1_000))
    }
}

impl rand_core::TryRng for Random {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next() as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.next() as u8);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Random {}

/// A running program; killed when dropped.
struct Core(Child);

impl Core {
    fn spawn(folder: &Path, data_dir: &str, role: &str) -> Self {
        let mut program = Command::new(folder.join(PROGRAM));
        program.args(["run", "--role", role, "--data-dir"]).arg(folder.join(data_dir));
        program.arg("--config").arg(folder.join("network.json")).arg("--endpoint").arg(endpoint(folder, data_dir));
        program.env_remove("ENIGMA_MODE").env_remove("RUST_LOG").env("ENIGMA_LOG", "warn").stdin(Stdio::null());
        Self(program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn start(folder: &Path, data_dir: &str, role: &str) -> Self {
        let mut core = Self::spawn(folder, data_dir, role);
        let mut line = String::new();
        BufReader::new(core.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if !line.contains("\"ready\":true") {
            let _ = core.0.kill();
            let mut log = String::new();
            core.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            panic!("{data_dir} is not ready: {log}");
        }
        core
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn endpoint(folder: &Path, data_dir: &str) -> String {
    format!("ipc://{}/{data_dir}.sock", folder.display())
}

fn identity(folder: &Path, data_dir: &str, role: &str) -> Value {
    let mut program = Command::new(folder.join(PROGRAM));
    program.args(["identity", "--json", "--role", role, "--data-dir"]).arg(folder.join(data_dir));
    let output = program.env_remove("ENIGMA_MODE").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A plain REQ socket.
struct Requester(ReqSocket);

impl Requester {
    async fn connect(folder: &Path, data_dir: &str) -> Self {
        timeout(PATIENCE, Self::try_connect(folder, data_dir)).await.expect("in time").expect("a connection")
    }

    /// `None` when the other side is gone.
    async fn try_connect(folder: &Path, data_dir: &str) -> Option<Self> {
        let mut socket = ReqSocket::new();
        socket.connect(&endpoint(folder, data_dir)).await.ok()?;
        Some(Self(socket))
    }

    /// `None` when the other side is gone.
    async fn try_ask(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        self.0.send(frame.to_vec().into()).await.ok()?;
        let reply = self.0.recv().await.ok()?;
        Some(reply.get(0)?.to_vec())
    }

    async fn ask(&mut self, frame: &[u8]) -> Vec<u8> {
        timeout(PATIENCE, self.try_ask(frame)).await.expect("a reply in time").expect("a reply")
    }

    /// The reply to a request of this type with these fields.
    async fn message(&mut self, request_type: &str, fields: Value) -> Value {
        let mut frame = fields;
        (frame["id"], frame["type"]) = ("1".into(), request_type.into());
        serde_json::from_slice(&self.ask(frame.to_string().as_bytes()).await).unwrap()
    }

    async fn result(&mut self, request_type: &str, fields: Value) -> Value {
        let reply = self.message(request_type, fields).await;
        assert!(reply["result"].is_object(), "{request_type}: {reply}");
        reply["result"].clone()
    }
}

/// The records of one contract, made when they are needed, and what was acknowledged of them.
struct Contract {
    sc: ScAddress,
    domain: Domain,
    input_key: [u8; 32],
    /// The senders' nonces: each contract has its own sender.
    sender: Address,
    random: Random,
    frames: Vec<Vec<u8>>,
    replies: Vec<Option<Vec<u8>>>,
    asked: BTreeSet<usize>,
    /// How many of the first replies were looked at after a restart.
    checked: usize,
}

impl Contract {
    /// The next record without an acknowledgement that nobody asks for now.
    fn next(&mut self) -> (usize, Vec<u8>) {
        let free = |index: &usize| self.replies[*index].is_none() && !self.asked.contains(index);
        let index = (self.checked..self.frames.len()).find(free).unwrap_or(self.frames.len());
        if index == self.frames.len() {
            let frame = self.seal(index as u64);
            self.frames.push(frame);
            self.replies.push(None);
        }
        self.asked.insert(index);
        (index, self.frames[index].clone())
    }

    fn seal(&mut self, index: u64) -> Vec<u8> {
        let (sc, sender, sender_nonce) = (self.sc, self.sender, index);
        let function = match index {
            0 => "construct(bytes)",
            _ if index % 10 == 3 => "get()",
            _ if index % 10 == 6 => "fail()",
            _ => "add(bytes)",
        };
        let task_id = task_id(&self.domain, sender, sender_nonce);
        let context = TaskContext { domain: self.domain, sc, epoch: EPOCH, task_id };
        let args = index.to_be_bytes();
        let (sealed, _) = seal_task(&mut self.random, &context, &self.input_key, function, &args).unwrap();
        let input = TaskInput {
            task_id,
            sc,
            epoch: EPOCH,
            suite: 1,
            encrypted_fn: sealed.encrypted_fn,
            encrypted_args: sealed.encrypted_args,
            user_dh_key: sealed.user_dh_key.to_vec(),
            pre_code: (index == 0).then(|| wat::parse_str(CONTRACT).unwrap()),
        };
        let record = Record {
            sc,
            sender,
            sender_nonce,
            inputs_hash: input.inputs_hash(),
            timestamp: 1_800_000_000,
            prevrandao: keccak256(index.to_be_bytes()),
            inlined: false,
            gas_limit: GAS,
            gas_price: 1,
            value: 0,
            call_gas: 0,
            epoch: EPOCH,
            block_number: index + 1,
            due: index + 11,
            record_index: index,
        };
        let mut fields = json!({
            "encryptedArgs": Hex(&input.encrypted_args), "encryptedFn": Hex(&input.encrypted_fn),
            "userDHKey": Hex(&input.user_dh_key), "gasLimit": GAS, "contractAddress": Hex(sc),
            "record": RecordJson::from(&record),
        });
        let mut request_type = "ComputeTask";
        if let Some(code) = &input.pre_code {
            fields["preCode"] = json!(Hex(code));
            request_type = "DeploySecretContract";
        }
        json!({"id": index.to_string(), "type": request_type, "input": fields}).to_string().into_bytes()
    }

    fn acknowledge(&mut self, index: usize, reply: Vec<u8>) {
        self.asked.remove(&index);
        let known = self.replies[index].get_or_insert_with(|| reply.clone());
        assert!(*known == reply, "record {index} has two replies");
    }

    /// Replies before the first that is missing.
    fn acknowledged(&self) -> usize {
        self.replies.iter().take_while(|reply| reply.is_some()).count()
    }
}

/// The receipt of a reply and its delta, if there is one.
fn receipt(reply: &[u8]) -> (Receipt, Option<(u64, Vec<u8>)>, bool) {
    let ReplyFrame::Response(frame) = serde_json::from_slice(reply).unwrap() else {
        panic!("refused: {}", String::from_utf8_lossy(reply))
    };
    let (json, ..) = frame.response.receipt().expect("a receipt");
    let receipt = Receipt::try_from(json.clone()).unwrap();
    let (delta, snapshot) = match frame.response {
        Response::ComputeTask { result } => (Some(result.delta), result.snapshot),
        Response::DeploySecretContract { result } => (Some(result.delta), result.snapshot),
        _ => (None, None),
    };
    let delta = delta.filter(|delta| !delta.data.0.is_empty()).map(|delta| (delta.key.0, delta.data.0));
    (receipt, delta, snapshot.is_some())
}

/// A key manager that is never killed, and two workers with one identity.
struct Network {
    folder: TempDir,
    km: Requester,
    _km: Core,
    contracts: [Arc<Mutex<Contract>>; 2],
    random: Random,
}

impl Network {
    async fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::copy(env!("CARGO_BIN_EXE_enigma-core"), path.join(PROGRAM)).unwrap();
        // It measures itself at each start, which is quicker without its debugging information.
        let _ = Command::new("strip").arg(path.join(PROGRAM)).status();
        let manager = identity(path, "km", "km");
        let signer = identity(path, "worker", "worker")["signer"].clone();
        // The same identity once more, before anything happens to it.
        fs::create_dir(path.join("twin")).unwrap();
        for file in fs::read_dir(path.join("worker")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), path.join("twin").join(file.file_name())).unwrap();
        }
        let measurement = Hex0x(keccak256(fs::read(path.join(PROGRAM)).unwrap()));
        let config = json!({
            "chainId": 31337, "enigma": Hex0x(Address([0x11; 20])), "checkpoint": Hex0x(Hash::ZERO), "threshold": 1,
            "keyManagers": [manager], "measurements": [measurement],
        });
        fs::write(path.join("network.json"), config.to_string()).unwrap();
        let domain = serde_json::from_value::<NetworkConfig>(config).unwrap().domain();

        let process = Core::start(path, "km", "km");
        let mut km = Requester::connect(path, "km").await;
        let workers = json!([{"signer": signer, "stake": "1000"}]);
        let input = json!({"epoch": EPOCH, "blockHash": Hex0x(BLOCK), "workers": workers});
        let epoch_seed = km.result("SignEpoch", json!({ "input": input })).await["seed"].clone();
        let contract = |n: u8| {
            let sender = Address([USER.0[0] + n; 20]);
            Contract {
                sc: task_id(&domain, sender, 0).into(),
                domain,
                input_key: [0; 32],
                sender,
                random: Random(seed + 1 + u64::from(n)),
                frames: Vec::new(),
                replies: Vec::new(),
                asked: BTreeSet::new(),
                checked: 0,
            }
        };
        let contracts = [contract(0), contract(1)];
        let input = json!({
            "blockNumber": 1, "blockHashes": [Hex0x(BLOCK)], "epoch": EPOCH, "seed": epoch_seed, "workers": workers,
            "deployed": contracts.each_ref().map(|contract| Hex(contract.sc)),
        });
        km.result("SetLedgerView", json!({ "input": input })).await;
        let contracts = contracts.map(|contract| Arc::new(Mutex::new(contract)));
        let mut network = Self { folder, km, _km: process, contracts, random: Random(seed) };

        let worker = Core::start(network.folder.path(), "worker", "worker");
        let mut requester = Requester::connect(network.folder.path(), "worker").await;
        network.fetch_keys(&mut requester).await;
        for contract in &network.contracts {
            let sc = contract.lock().unwrap().sc;
            let fields = json!({"userPubKey": "", "contractAddress": Hex(sc), "epoch": EPOCH});
            let key = requester.result("NewTaskEncryptionKey", fields).await["workerEncryptionKey"].clone();
            let key: Hex<Hash> = serde_json::from_value(key).unwrap();
            contract.lock().unwrap().input_key = key.0.0;
        }
        worker.kill();
        network
    }

    fn folder(&self) -> PathBuf {
        self.folder.path().into()
    }

    async fn fetch_keys(&mut self, worker: &mut Requester) {
        let addresses = self.contracts.each_ref().map(|contract| Hex(contract.lock().unwrap().sc));
        let input = json!({"addresses": addresses, "epoch": EPOCH, "blockHash": Hex0x(BLOCK)});
        let request = worker.result("GetPTTRequest", json!({ "input": input })).await;
        let answer = self.km.result("AnswerPTTRequest", json!({ "input": request })).await;
        let installed = worker.result("PTTResponse", json!({ "input": answer })).await;
        assert_eq!(installed["errors"], json!([]));
    }

    /// Everybody sends records of both contracts until the process is killed, after some were acknowledged.
    async fn load(&mut self, worker: Core) {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let mut requesters = JoinSet::new();
        for contract in &self.contracts {
            for _ in 0..REQUESTERS {
                let (contract, folder, acknowledged) = (contract.clone(), self.folder(), acknowledged.clone());
                requesters.spawn(async move {
                    let Some(mut socket) = Requester::try_connect(&folder, "worker").await else { return };
                    loop {
                        let (index, frame) = contract.lock().unwrap().next();
                        let Some(reply) = socket.try_ask(&frame).await else { return };
                        contract.lock().unwrap().acknowledge(index, reply);
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        }
        let enough = self.random.below(30);
        let until = Instant::now() + Duration::from_secs(2);
        while acknowledged.load(Ordering::SeqCst) < enough && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(self.random.ms(8)).await;
        tokio::task::spawn_blocking(move || worker.kill()).await.unwrap();
        requesters.abort_all();
        while let Some(ended) = requesters.join_next().await {
            if let Err(error) = ended {
                assert!(error.is_cancelled(), "a requester failed: {error}");
            }
        }
        for contract in &self.contracts {
            contract.lock().unwrap().asked.clear();
        }
    }

    /// What a core has after a start: everything that was acknowledged, and nothing half.
    async fn check(&mut self, worker: &mut Requester) {
        for contract in self.contracts.clone() {
            let (sc, frames, replies, checked, acknowledged) = {
                let contract = contract.lock().unwrap();
                let replies = contract.replies.clone();
                (contract.sc, contract.frames.clone(), replies, contract.checked, contract.acknowledged())
            };
            let replies_before: Vec<_> = replies.iter().flatten().map(|reply| receipt(reply)).collect();
            // Repetition: everything new, and some of what is older.
            let older: Vec<_> =
                (0..4).filter(|_| checked > 0).map(|_| self.random.below(checked as u64) as usize).collect();
            for index in older.into_iter().chain(checked..replies.len()) {
                let Some(expected) = &replies[index] else { continue };
                let again = worker.ask(&frames[index]).await;
                assert!(again == *expected, "record {index} of {sc}: {}", String::from_utf8_lossy(&again));
            }
            // The receipts chain, and each has its delta.
            for pair in replies_before[..acknowledged].windows(2) {
                assert_eq!(pair[0].0.tip, pair[1].0.previous_tip);
                assert_eq!(pair[0].0.record_index + 1, pair[1].0.record_index);
            }
            let tip = worker.message("GetTip", json!({"input": [Hex(sc)], "encoding": "hex"})).await;
            if tip["code"] == 13 {
                assert_eq!(replies_before.len(), 0, "a contract of which records were acknowledged is unknown");
                continue;
            }
            let last = tip["result"]["key"].as_u64().unwrap();
            let get = |key: u64| json!({"input": [{"address": Hex(sc), "key": key}], "encoding": "hex"});
            assert_eq!(worker.message("GetDelta", get(last + 1)).await["code"], 13);
            assert_eq!(worker.result("GetDelta", get(last)).await["delta"], tip["result"]["data"]);
            for (receipt, delta, snapshot) in &replies_before[replies_before.len().min(checked)..] {
                let Some((key, data)) = delta else { continue };
                assert!(*key <= last && receipt.delta_index == *key);
                assert_eq!(worker.result("GetDelta", get(*key)).await["delta"], hex::encode(data));
                let entry = StateEntry::from_bytes(data).unwrap();
                assert_eq!((entry.header.index, entry.header.previous_tip), (*key, receipt.previous_tip));
                assert!(*snapshot || entry.tip() == receipt.tip);
            }
            // Beyond: only what was under way, and whole.
            let known = replies_before[..acknowledged].iter().filter_map(|(_, delta, _)| delta.as_ref()).count() as u64;
            assert!(last < known + 2 * REQUESTERS as u64, "{last} deltas, {known} known");
            for key in known..=last {
                let data = worker.result("GetDelta", get(key)).await["delta"].clone();
                let entry = StateEntry::from_bytes(&hex::decode(data.as_str().unwrap()).unwrap()).unwrap();
                assert_eq!((entry.header.sc, entry.header.index), (sc, key));
            }
            // The outcomes can be signed for together.
            let first = acknowledged.saturating_sub(16);
            if first < acknowledged {
                let count = acknowledged - first;
                let input = json!({"contractAddress": Hex(sc), "firstRecordIndex": first, "count": count});
                let batch = worker.result("SignBatch", json!({ "input": input })).await;
                for (at, signed) in batch["receipts"].as_array().unwrap().iter().enumerate() {
                    let signed = serde_json::from_value::<enigma_protocol::json::ReceiptJson>(signed.clone()).unwrap();
                    assert_eq!(Receipt::try_from(signed).unwrap(), replies_before[first + at].0);
                }
            }
            contract.lock().unwrap().checked = acknowledged;
        }
    }
}

/// Says how to do it again when the test fails.
struct Replay(u64, u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "after kill {}; again with: ENIGMA_KILL_SEED={} cargo test -p enigma-core --test killed",
                self.1, self.0
            );
        }
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_is_killed_under_load_loses_nothing() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let seed = setting("ENIGMA_KILL_SEED").unwrap_or(now);
    let kills = setting("ENIGMA_KILLS").unwrap_or(KILLS);
    eprintln!("ENIGMA_KILL_SEED={seed}");
    let mut replay = Replay(seed, 0);
    let mut network = Network::new(seed).await;
    let folder = network.folder();

    for kill in 0..kills {
        replay.1 = kill;
        if network.random.below(8) == 0 {
            let starting = Core::spawn(&folder, "worker", "worker");
            tokio::time::sleep(network.random.ms(300)).await;
            starting.kill();
            continue;
        }
        let worker = Core::start(&folder, "worker", "worker");
        let mut requester = Requester::connect(&folder, "worker").await;
        network.fetch_keys(&mut requester).await;
        network.check(&mut requester).await;
        network.load(worker).await;
    }

    // What is missing is asked for in its order; then the twin, which was never killed, is given the same.
    let worker = Core::start(&folder, "worker", "worker");
    let twin = Core::start(&folder, "twin", "worker");
    let mut requester = Requester::connect(&folder, "worker").await;
    let mut undisturbed = Requester::connect(&folder, "twin").await;
    network.fetch_keys(&mut requester).await;
    network.fetch_keys(&mut undisturbed).await;
    network.check(&mut requester).await;
    let (mut tasks, mut statuses) = (0, BTreeSet::new());
    for contract in network.contracts.clone() {
        let (sc, frames, replies) = {
            let contract = contract.lock().unwrap();
            (contract.sc, contract.frames.clone(), contract.replies.clone())
        };
        for (index, (frame, reply)) in frames.iter().zip(replies).enumerate() {
            let again = requester.ask(frame).await;
            let expected = undisturbed.ask(frame).await;
            assert!(again == expected, "record {index} of {sc}: {}", String::from_utf8_lossy(&again));
            assert!(reply.is_none_or(|reply| reply == expected), "record {index} of {sc} was answered otherwise");
            statuses.insert(receipt(&expected).0.status as u8);
            tasks += 1;
        }
        for request_type in ["GetTip", "GetContract"] {
            let fields = || json!({"input": [Hex(sc)], "encoding": "hex"});
            let expected = undisturbed.message(request_type, fields()).await;
            assert_eq!(requester.message(request_type, fields()).await, expected);
        }
    }
    let all = || json!({"encoding": "hex"});
    assert_eq!(requester.message("GetAllTips", all()).await, undisturbed.message("GetAllTips", all()).await);
    assert_eq!(statuses, BTreeSet::from([Status::Success as u8, Status::Failure as u8]));
    assert!(tasks as u64 > kills, "{tasks} tasks under {kills} kills are no load");
    eprintln!("{tasks} tasks under {kills} kills");
    drop((worker, twin));
}
