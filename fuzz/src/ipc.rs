//! Frames into a worker and a key manager, and the JSON types that those frames are made of.

use enigma_protocol::{
    hash::keccak256,
    ipc::{ReplyFrame, RequestFrame},
    json::{ReceiptJson, RecordJson},
    query::QueryPermit,
    rpc,
    sealing::{QueryContext, QuerySealer, seal_bare_task},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use std::{cell::RefCell, collections::BTreeMap, fmt::Debug};

#[path = "../../crates/enclave/tests/frames/harness.rs"]
#[allow(dead_code, missing_docs, reason = "the enclave's tests use the rest of it")]
mod harness;

use harness::{Memory, Network, TestTee};

/// Frames of one input; more add nothing but time.
const MAX_FRAMES: usize = 8;
/// Code of a reply that says that the machine panicked.
const DEFECT: u16 = 5;
/// A line that begins with a byte from this on, as no JSON does, is a frame of ours with changes; the rest of the byte is its
/// number.
pub const TEMPLATE: u8 = 0x80;

/// A network in which a contract is deployed, and one valid frame of each kind for it.
struct Stage {
    network: Network,
    worker: enigma_enclave::Worker<TestTee, Memory>,
    store: Memory,
    before: [BTreeMap<Vec<u8>, Vec<u8>>; 2],
    templates: Vec<Vec<u8>>,
}

thread_local! {
    static STAGE: RefCell<Stage> = RefCell::new(Stage::new());
}

/// Each line of the bytes is a frame for both machines. A line that begins with [`TEMPLATE`] and a number is a valid
/// frame with changes: two bytes of a position and one to put there, again and again.
pub fn check(bytes: &[u8]) {
    STAGE.with_borrow_mut(|stage| {
        for line in bytes.split(|byte| *byte == b'\n').take(MAX_FRAMES) {
            match stage.changed_template(line) {
                Some(frame) => stage.send(&frame),
                None => stage.send(line),
            }
        }
        // What was stored would meet the next input.
        if stage.stored() != stage.before {
            *stage = Stage::new();
        }
    });
}

impl Stage {
    fn new() -> Stage {
        let store = Memory::default();
        let signer = enigma_enclave::identity(&TestTee::new(2), &store, enigma_attestation::Role::Worker)
            .expect("a simulated enclave has an identity")
            .signer;
        let mut network = Network::new(&[signer]);
        let worker = network.worker(2, &store);
        let sc = network.deployed(&worker, &harness::contract(), b"first");
        let templates = templates(&mut network, &worker, sc);
        let mut stage = Stage { network, worker, store, before: Default::default(), templates };
        stage.before = stage.stored();
        stage
    }

    fn stored(&self) -> [BTreeMap<Vec<u8>, Vec<u8>>; 2] {
        [self.store.snapshot(), self.network.km_store.snapshot()]
    }

    fn changed_template(&self, line: &[u8]) -> Option<Vec<u8>> {
        let (number, changes) = line.split_first().filter(|(first, _)| **first >= TEMPLATE)?;
        let mut frame = self.templates.get(usize::from(*number - TEMPLATE) % self.templates.len())?.clone();
        for change in changes.chunks_exact(3) {
            let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % frame.len();
            frame[at] = change[2];
        }
        Some(frame)
    }

    fn send(&self, frame: &[u8]) {
        let worker: &dyn harness::Machine = &self.worker;
        for machine in [worker, &self.network.km] {
            let reply = machine.handle(frame);
            let reply: ReplyFrame = serde_json::from_slice(&reply).expect("a reply is a reply");
            let id = match &reply {
                ReplyFrame::Failure(failure) => {
                    assert_ne!(failure.code, Some(DEFECT), "{}", failure.msg);
                    assert!(failure.code.is_some() && !failure.msg.is_empty());
                    &failure.id
                }
                ReplyFrame::Response(response) => &response.id,
            };
            if let Ok(request) = serde_json::from_slice::<RequestFrame>(frame) {
                assert!(*id == request.id || id.is_empty(), "another id than the request's");
            }
        }
    }
}

/// One valid frame of each type that either machine answers, then some of other shapes.
fn templates(
    network: &mut Network,
    worker: &enigma_enclave::Worker<TestTee, Memory>,
    sc: enigma_protocol::ScAddress,
) -> Vec<Vec<u8>> {
    let (alice, bob) = (enigma_protocol::Address([0xa1; 20]), enigma_protocol::Address([0xb0; 20]));
    let epoch = network.epoch;
    let contract = hex(&sc.0);
    let block = hex(&harness::BLOCK.0);
    let future = network.future_contract(alice);
    network.tell_km(&[future]);
    network.fetch_keys(worker, &[future]);
    // A contract that was here: its code and its deltas can be taken in again, as from another core.
    let other = network.deployed(worker, &harness::contract(), b"third");
    network.call(worker, other, bob, "set(bytes)", b"fourth").run(worker);
    let other = hex(&other.0);
    let ask = |mut request: serde_json::Value| -> serde_json::Value {
        request["id"] = "6".into();
        request["encoding"] = "hex".into();
        serde_json::from_slice(&worker.handle(request.to_string().as_bytes())).expect("a reply is JSON")
    };
    let code = &ask(json!({ "type": "GetContract", "input": other }))["result"]["bytecode"];
    let range = json!([{ "address": other, "from": 0, "to": 1 }]);
    let deltas = &ask(json!({ "type": "GetDeltas", "input": range }))["result"]["deltas"];
    ask(json!({ "type": "RemoveContract", "address": other }));
    let queried = network.deployed(worker, &contract_with_query(), b"fifth");
    // A contract without records, as the published message set has them.
    let without_records = enigma_protocol::ScAddress([0x5c; 32]);
    let bare = |request: &str, mut input: serde_json::Value, function: &str| {
        let public =
            ask(json!({ "type": "NewTaskEncryptionKey", "userPubKey": "aa" }))["result"]["workerEncryptionKey"]
                .as_str()
                .and_then(|key| from_hex(key)?.try_into().ok())
                .expect("a worker has a key");
        let mut rng = harness::UserRng(9 << 40);
        let (task, _) = seal_bare_task(&mut rng, harness::DOMAIN, without_records, &public, function, b"sixth")
            .expect("the key is one");
        input["encryptedFn"] = hex(&task.encrypted_fn).into();
        input["encryptedArgs"] = hex(&task.encrypted_args).into();
        input["userDHKey"] = hex(&task.user_dh_key).into();
        input["gasLimit"] = harness::GAS.into();
        input["contractAddress"] = hex(&without_records.0).into();
        json!({ "type": request, "input": input })
    };
    // Requests whose answers this worker waits for.
    let request = harness::key_request(worker, epoch, &[sc, future]);
    let answer = network.answer(request.clone()).expect("the key manager answers");
    let deployment = network.deployment(worker, alice, &harness::contract(), b"second");
    let call = network.call(worker, sc, bob, "set(bytes)", b"changed");

    let typed = [
        json!({ "type": "GetRegistrationParams" }),
        json!({ "type": "GetRegistrationParams",
                "input": { "operator": hex(&alice.0), "blockHash": block } }),
        json!({ "type": "GetTip", "input": [contract] }),
        json!({ "type": "GetTips", "input": [contract, hex(&queried.0)] }),
        json!({ "type": "GetAllTips" }),
        json!({ "type": "GetAllAddrs" }),
        json!({ "type": "GetDelta", "input": [{ "address": contract, "key": 0 }] }),
        json!({ "type": "GetDeltas", "input": [{ "address": contract, "from": 0, "to": 0 }] }),
        json!({ "type": "GetContract", "input": contract }),
        json!({ "type": "GetPTTRequest",
                "input": { "addresses": [contract], "epoch": epoch, "blockHash": block } }),
        json!({ "type": "PTTResponse", "input": answer }),
        json!({ "type": "NewTaskEncryptionKey", "userPubKey": hex(&[5; 64]) , "contractAddress": contract,
                "epoch": epoch, "blockHash": block }),
        json!({ "type": "SignBatch", "input": { "contractAddress": contract, "firstRecordIndex": 0, "count": 1 } }),
        json!({ "type": "AnswerPTTRequest", "input": request }),
        json!({ "type": "SignEpoch", "input": network.epoch_input(epoch + 1) }),
        json!({ "type": "SetLedgerView", "input": network.view(&[sc]) }),
        json!({ "type": "UpdateNewContract", "address": other, "bytecode": code }),
        json!({ "type": "UpdateNewContractOnDeployment", "address": other, "bytecode": code,
                "delta": { "key": 0, "data": deltas[0]["data"] } }),
        json!({ "type": "UpdateDeltas", "deltas": deltas }),
        json!({ "type": "AdvanceQueue", "input": { "contractAddress": contract, "records": 1,
                "queueHead": hex(&[0; 32]), "tip": hex(&[0; 32]) } }),
        json!({ "type": "GetSnapshot", "input": { "address": contract, "part": 0 } }),
        json!({ "type": "GetContract", "encoding": "hex", "offset": 10, "limit": 100, "input": contract }),
        json!({ "type": "GetAllTips", "encoding": "hex", "after": hex(&[0; 32]), "limit": 1 }),
        query(worker, queried, epoch),
        bare("DeploySecretContract", json!({ "preCode": hex(&harness::contract()) }), "construct(bytes)"),
        bare("ComputeTask", json!({}), "set(bytes)"),
    ];
    let last = [
        json!({ "type": "RemoveDeltas", "input": [{ "address": contract, "from": 0, "to": 0 }] }),
        json!({ "type": "RemoveContract", "address": contract }),
    ];
    let tasks = [deployment.request(), call.request()]
        .map(|request| serde_json::to_value(RequestFrame::new("7", request)).expect("a request is JSON"));
    let frames = typed.into_iter().chain(tasks).chain(last).map(|mut request| {
        request["id"] = "7".into();
        request.to_string().into_bytes()
    });
    frames.collect()
}

/// A query of a caller with a permit.
fn query(
    worker: &enigma_enclave::Worker<TestTee, Memory>,
    sc: enigma_protocol::ScAddress,
    epoch: u64,
) -> serde_json::Value {
    let public = harness::input_key(worker, sc, epoch).worker_encryption_key.0.0;
    let context = QueryContext { domain: harness::DOMAIN, sc, epoch };
    let sealer = QuerySealer::new(&mut harness::UserRng(8 << 40), &context, &public).expect("the key is one");
    let permit = QueryPermit {
        sc,
        function_hash: keccak256("get()"),
        caller: harness::stranger().address(),
        query_key: sealer.query_key(),
        nonce: 1,
        last_valid_block: u64::MAX,
    };
    let permit = permit.sign(&harness::DOMAIN, &harness::stranger());
    let (query, _) = sealer.seal("get()", b"arguments", &permit).expect("a query can be sealed");
    json!({ "type": "Query", "input": { "contractAddress": hex(&sc.0), "epoch": epoch,
        "encryptedFn": hex(&query.encrypted_fn), "encryptedArgs": hex(&query.encrypted_args),
        "encryptedPermit": hex(&query.encrypted_permit), "userDHKey": hex(&query.user_dh_key),
        "block": { "number": 1_000, "hash": hex(&harness::BLOCK.0), "timestamp": 1_800_000_000 } } })
}

/// A contract that answers every query with its arguments.
fn contract_with_query() -> Vec<u8> {
    let text = format!(
        "(module {} (memory (export \"memory\") 1) (func (export \"deploy\")) (func (export \"call\"))
         (func (export \"enigma_abi_1\")) (func (export \"query\")
           (call $args_read (i32.const 0)) (call $output (i32.const 0) (call $args_len))))",
        crate::modules::import_text()
    );
    wat::parse_str(text).expect("the text is WebAssembly")
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(pair).collect()
}

/// Valid frames with what the worker and the key manager reply.
#[must_use]
pub fn frames() -> Vec<(Vec<u8>, [Vec<u8>; 2])> {
    let stage = Stage::new();
    let reply = |frame: &Vec<u8>| [stage.worker.handle(frame), stage.network.km.handle(frame)];
    stage.templates.iter().map(|frame| (frame.clone(), reply(frame))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What decodes encodes to something that decodes to the same.
fn stable<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let text = serde_json::to_vec(&value).expect("a message is JSON");
    let again: T = serde_json::from_slice(&text).expect("what is encoded decodes");
    assert_eq!(again, value);
    assert_eq!(serde_json::to_vec(&again).expect("a message is JSON"), text);
}

/// Decodes the bytes as each JSON message: of a core, of a node, and their parts.
pub fn check_json(bytes: &[u8]) {
    stable::<RequestFrame>(bytes);
    stable::<ReplyFrame>(bytes);
    stable::<rpc::Request>(bytes);
    stable::<rpc::Response>(bytes);
    stable::<RecordJson>(bytes);
    stable::<ReceiptJson>(bytes);
    stable::<enigma_protocol::config::NetworkConfig>(bytes);
}
