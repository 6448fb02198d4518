//! Prints the test vectors of the link between node and core: `spec/vectors/ipc.json`.
//!
//! A whole session of real machines with reproducible randomness: every request of `spec/ipc.md` with its reply, and the errors that
//! matter. `cargo xtask vectors --check` keeps the committed file current, so the machines cannot change what they say
//! without the file changing.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../tests/frames/harness.rs"]
mod harness;

use enigma_attestation::Role;
use enigma_enclave::identity;
use enigma_protocol::{
    Address,
    hash::keccak256,
    ipc::{Request, RequestFrame},
    json::U64,
    query::QueryPermit,
    sealing::{QueryContext, QuerySealer, seal_bare_task},
    signature::SecretKey,
};
use harness::*;
use serde_json::{Value, json};

const ALICE: Address = Address([0xa1; 20]);

/// What was asked and answered.
struct Session(Vec<Value>);

impl Session {
    fn ask(&mut self, name: &str, machine: &dyn Machine, mut request: Value) -> Value {
        request["id"] = (self.0.len() + 1).to_string().into();
        let reply: Value = serde_json::from_slice(&machine.handle(request.to_string().as_bytes())).unwrap();
        self.0.push(json!({"name": name, "request": request, "reply": reply}));
        reply
    }

    /// The same for a request of the protocol's types, with large fields in hexadecimal.
    fn ask_typed(&mut self, name: &str, machine: &dyn Machine, request: Request) -> Value {
        let mut request = serde_json::to_value(RequestFrame::new("", request)).unwrap();
        request["encoding"] = "hex".into();
        self.ask(name, machine, request)
    }
}

/// A contract that is small: a call keeps its arguments and returns those kept before, or fails without any; a query returns them.
fn keeper() -> Vec<u8> {
    let text = r#"(module
      (import "enigma" "args_len" (func $args_len (result i32)))
      (import "enigma" "args_read" (func $args_read (param i32)))
      (import "enigma" "output" (func $output (param i32 i32)))
      (import "enigma" "fail" (func $fail (param i32 i32)))
      (import "enigma" "state_get" (func $state_get (param i32 i32) (result i32)))
      (import "enigma" "register_read" (func $register_read (param i32)))
      (import "enigma" "state_set" (func $state_set (param i32 i32 i32 i32)))
      (memory (export "memory") 1)
      (data (i32.const 60000) "kno")
      (func (export "enigma_abi_1"))
      (func $save
        (call $args_read (i32.const 0))
        (call $state_set (i32.const 60000) (i32.const 1) (i32.const 0) (call $args_len)))
      (func $show
        (local $length i32)
        (local.set $length (call $state_get (i32.const 60000) (i32.const 1)))
        (call $register_read (i32.const 1000))
        (call $output (i32.const 1000) (local.get $length)))
      (func (export "deploy") (call $save))
      (func (export "query") (call $show))
      (func (export "call")
        (if (i32.eqz (call $args_len)) (then (call $fail (i32.const 60001) (i32.const 2))))
        (call $show)
        (call $save)))"#;
    wat::parse_str(text).unwrap()
}

fn main() {
    let mut session = Session(Vec::new());
    let (store, later_store) = (Memory::default(), Memory::default());
    let signer = |seed: u8, store: &Memory| identity(&TestTee::new(seed), store, Role::Worker).unwrap().signer;
    let mut network = Network::new(&[signer(2, &store)]);
    let worker = network.worker(2, &store);
    let hash = |byte: &str| format!("0x{}", byte.repeat(32));

    // Identity and keys.
    let registration = json!({"type": "GetRegistrationParams", "input": {"operator": format!("0x{}", "0b".repeat(20)),
        "blockHash": hash("bb")}});
    session.ask("registration of a worker", &worker, registration.clone());
    session.ask("registration of a key manager", &network.km, registration);
    let sc = network.future_contract(ALICE);
    let address = hex::encode(sc.0);
    network.tell_km(&[sc]);
    session.ask_typed("view of Ethereum", &network.km, Request::SetLedgerView { input: network.view(&[sc]) });
    session.ask_typed("parameters of an epoch", &network.km, Request::SignEpoch { input: network.epoch_input(1) });
    let block = network.view(&[]).block_hashes[0];
    let request = json!({"type": "GetPTTRequest", "input": {"addresses": [address], "epoch": 1, "blockHash": block}});
    let request = session.ask("request for keys", &worker, request);
    let answer = json!({"type": "AnswerPTTRequest", "input": request["result"]});
    let answer = session.ask("answer of a key manager", &network.km, answer);
    let response = json!({"type": "PTTResponse", "input": answer["result"]});
    session.ask("keys are installed", &worker, response.clone());
    session.ask("an answer counts once", &worker, response);
    let key = json!({"type": "NewTaskEncryptionKey", "userPubKey": "05".repeat(32), "contractAddress": address, "epoch": 1,
        "blockHash": hash("bb")});
    session.ask("input key", &worker, key);

    // Tasks.
    let deployment = network.deployment(&worker, ALICE, &keeper(), b"first");
    let call = network.call(&worker, sc, ALICE, "swap(bytes)", b"second");
    let failing = network.call(&worker, sc, ALICE, "swap(bytes)", b"");
    let last = network.call(&worker, sc, ALICE, "swap(bytes)", b"third");
    let mut plain = serde_json::to_value(RequestFrame::new("", deployment.request())).unwrap();
    plain["input"]["preCode"] = hex::encode(keeper()).into();
    session.ask("deployment, its code in hexadecimal", &worker, plain);
    session.ask_typed("call", &worker, call.request());
    session.ask_typed("call that fails", &worker, failing.request());
    session.ask_typed("the same call again", &worker, call.request());
    let Request::ComputeTask { mut input } = last.request() else { panic!() };
    input.record.as_mut().unwrap().record_index = U64(1_000);
    session.ask_typed("a record that is not the next", &worker, Request::ComputeTask { input });
    let batch = json!({"type": "SignBatch", "input": {"contractAddress": address, "firstRecordIndex": 0, "count": 3}});
    let batch = session.ask("batch", &worker, batch);

    // Reads.
    session.ask("newest delta", &worker, json!({"type": "GetTip", "input": [address], "encoding": "hex"}));
    session.ask("newest deltas", &worker, json!({"type": "GetTips", "input": [address], "encoding": "hex"}));
    session.ask("all newest deltas", &worker, json!({"type": "GetAllTips", "encoding": "hex", "limit": 10}));
    session.ask("contracts", &worker, json!({"type": "GetAllAddrs"}));
    session.ask("a delta", &worker, json!({"type": "GetDelta", "input": [{"address": address, "key": 0}]}));
    let range = json!([{"address": address, "from": 0, "to": 1}]);
    let page = json!({"type": "GetDeltas", "input": range, "limit": 1, "encoding": "hex"});
    let page = session.ask("first page of deltas", &worker, page);
    let next = json!({"type": "GetDeltas", "input": page["result"]["next"], "limit": 1, "encoding": "hex"});
    let next = session.ask("last page of deltas", &worker, next);
    let code = session.ask("code", &worker, json!({"type": "GetContract", "input": address, "encoding": "hex"}));
    let part = json!({"type": "GetContract", "input": address, "offset": 4, "limit": 4});
    session.ask("four bytes of code", &worker, part);
    session.ask("no snapshot yet", &worker, json!({"type": "GetSnapshot", "input": {"address": address, "part": 0}}));

    // A query.
    let caller = SecretKey::from_bytes(&[0x51; 32]).unwrap();
    let public = input_key(&worker, sc, 1).worker_encryption_key.0.0;
    let context = QueryContext { domain: DOMAIN, sc, epoch: 1 };
    let sealer = QuerySealer::new(&mut UserRng(77), &context, &public).unwrap();
    let (query_key, nonce, last_valid_block) = (sealer.query_key(), 1, 100);
    let function_hash = keccak256("get()");
    let permit = QueryPermit { sc, function_hash, caller: caller.address(), query_key, nonce, last_valid_block };
    let (query, _) = sealer.seal("get()", b"", &permit.sign(&DOMAIN, &caller)).unwrap();
    let mut query = json!({"type": "Query", "input": {
        "contractAddress": address, "epoch": 1, "encryptedFn": hex::encode(query.encrypted_fn),
        "encryptedArgs": hex::encode(query.encrypted_args), "encryptedPermit": hex::encode(query.encrypted_permit),
        "userDHKey": hex::encode(query.user_dh_key),
        "block": {"number": 100, "hash": hash("bb"), "timestamp": 1_800_000_000},
    }});
    session.ask("query", &worker, query.clone());
    query["input"]["block"]["number"] = 101.into();
    session.ask("query after its permit", &worker, query);

    // Another worker takes over.
    network.replace_workers(&[signer(3, &later_store)]);
    let later = network.worker(3, &later_store);
    let (bytecode, first) = (&code["result"]["bytecode"], &page["result"]["deltas"][0]);
    session.ask("code enters", &later, json!({"type": "UpdateNewContract", "address": address, "bytecode": bytecode}));
    session.ask("code leaves", &later, json!({"type": "RemoveContract", "address": address}));
    let delta = json!({"key": first["key"], "data": first["data"]});
    let update =
        json!({"type": "UpdateNewContractOnDeployment", "address": address, "bytecode": bytecode, "delta": delta});
    session.ask("code enters with its first delta", &later, update);
    let second = &next["result"]["deltas"][0];
    let mut gap = second.clone();
    gap["key"] = 2.into();
    let update = |deltas: Value| json!({"type": "UpdateDeltas", "deltas": deltas});
    session.ask("a delta that does not fit", &later, update(json!([gap])));
    session.ask("a delta", &later, update(json!([second])));
    let end = json!({"type": "RemoveDeltas", "input": [{"address": address, "from": 1, "to": 1}]});
    session.ask("the end of a chain is removed", &later, end);
    let middle = json!({"type": "RemoveDeltas", "input": [{"address": "07".repeat(32), "from": 0, "to": 0}]});
    session.ask("nothing to remove", &later, middle);
    session.ask("the delta again", &later, update(json!([second])));
    network.fetch_keys(&later, &[sc]);
    let unplaced = later.handle(&serde_json::to_vec(&RequestFrame::new("", last.request())).unwrap());
    assert_eq!(serde_json::from_slice::<Value>(&unplaced).unwrap()["code"], 39);
    let queue_head = &batch["result"]["head"];
    let tip = &batch["result"]["receipts"][2]["tip"];
    let advance = json!({"type": "AdvanceQueue", "input": {"contractAddress": address, "records": 3, "queueHead": queue_head,
        "tip": tip}});
    session.ask("the records are placed", &later, advance);

    // Without records.
    let bare_key = json!({"type": "NewTaskEncryptionKey", "userPubKey": "05".repeat(32)});
    let bare_key = session.ask("key of a core", &later, bare_key);
    let public = hex::decode(bare_key["result"]["workerEncryptionKey"].as_str().unwrap()).unwrap().try_into().unwrap();
    let bare = enigma_protocol::ScAddress([0x5c; 32]);
    let task = |function: &str, args: &[u8], seed: u64| {
        let (task, _) = seal_bare_task(&mut UserRng(seed), DOMAIN, bare, &public, function, args).unwrap();
        json!({"encryptedArgs": hex::encode(task.encrypted_args), "encryptedFn": hex::encode(task.encrypted_fn),
            "userDHKey": hex::encode(task.user_dh_key), "gasLimit": 1_000_000, "contractAddress": hex::encode(bare.0)})
    };
    let mut input = task("construct(bytes)", b"first", 1);
    input["preCode"] = hex::encode(keeper()).into();
    let deploy = json!({"type": "DeploySecretContract", "input": input, "encoding": "hex"});
    session.ask("deployment without a record", &later, deploy);
    let compute = json!({"type": "ComputeTask", "input": task("swap(bytes)", b"second", 2), "encoding": "hex"});
    session.ask("call without a record", &later, compute);
    session.ask("request for keys that names nothing", &later, json!({"type": "GetPTTRequest"}));

    // Errors.
    session.ask("unknown type", &worker, json!({"type": "Nonsense"}));
    session.ask("missing field", &worker, json!({"type": "GetTip"}));
    session.ask("unknown contract", &worker, json!({"type": "GetTip", "input": ["07".repeat(32)]}));
    session.ask("request for the other role", &worker, json!({"type": "SignEpoch", "input": {}}));
    let malformed: Value = serde_json::from_slice(&worker.handle(b"not json")).unwrap();
    session.0.push(json!({"name": "not JSON", "text": "not json", "reply": malformed}));

    let about = "A session of two workers and a key manager, in the order in which it happened. See spec/ipc.md.";
    println!("{:#}", json!({"about": about, "exchanges": session.0}));
}
