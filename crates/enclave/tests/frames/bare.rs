//! Sessions in the published form: no records, no key managers, no Ethereum.

use crate::{harness::*, path::network};
use enigma_protocol::{
    Hash, ScAddress,
    ipc::{BatchInput, Request, Response},
    json::{Hex, U64},
    output::{Failure, Output},
    sealing::{ResponseKey, seal_bare_task},
};
use serde_json::{Value, json};

const SC: ScAddress = ScAddress([0x5c; 32]);

pub fn ask(worker: &dyn Machine, frame: &Value) -> Value {
    serde_json::from_slice(&worker.handle(frame.to_string().as_bytes())).unwrap()
}

/// The `input` of a task in the published form, and what opens its output.
pub fn sealed(worker: &dyn Machine, sc: ScAddress, function: &str, args: &[u8], seed: u64) -> (Value, ResponseKey) {
    let key = ask(worker, &json!({"id": "k", "type": "NewTaskEncryptionKey", "userPubKey": "aa"}));
    let public = hex::decode(key["result"]["workerEncryptionKey"].as_str().unwrap()).unwrap();
    let mut rng = UserRng(seed);
    let (task, response) = seal_bare_task(&mut rng, DOMAIN, sc, &public.try_into().unwrap(), function, args).unwrap();
    let input = json!({
        "encryptedArgs": hex::encode(task.encrypted_args), "encryptedFn": hex::encode(task.encrypted_fn),
        "userDHKey": hex::encode(task.user_dh_key), "gasLimit": GAS.to_string(), "contractAddress": hex::encode(sc.0),
    });
    (input, response)
}

pub fn frame(request_type: &str, input: &Value) -> Value {
    json!({"id": "1", "type": request_type, "input": input})
}

pub fn deployment(worker: &dyn Machine, sc: ScAddress, args: &[u8], seed: u64) -> Value {
    let (mut input, _) = sealed(worker, sc, "construct(bytes)", args, seed);
    input["preCode"] = hex::encode(contract()).into();
    frame("DeploySecretContract", &input)
}

fn opened(reply: &Value, key: &ResponseKey) -> Vec<u8> {
    key.open(&hex::decode(reply["result"]["output"].as_str().unwrap()).unwrap()).unwrap()
}

fn output(reply: &Value, key: &ResponseKey) -> Vec<u8> {
    Output::from_bytes(&opened(reply, key)).unwrap().data
}

#[test]
fn a_session_without_records() {
    let (network, store, worker) = network();
    let deployment = deployment(&worker, SC, b"first", 1);
    let deployed = ask(&worker, &deployment);
    assert_eq!((&deployed["type"], &deployed["result"]["delta"]["key"]), (&json!("DeploySecretContract"), &json!(0)));
    let (set, key) = sealed(&worker, SC, "set(bytes)", b"second", 2);
    let set = frame("ComputeTask", &set);
    let done = ask(&worker, &set);
    assert_eq!((&done["type"], &done["result"]["delta"]["key"]), (&json!("ComputeTask"), &json!(1)));
    assert_eq!(output(&done, &key), b"");
    let (get, key) = sealed(&worker, SC, "get()", b"", 3);
    let get = frame("ComputeTask", &get);
    let got = ask(&worker, &get);
    assert_eq!(output(&got, &key), b"second");
    assert_eq!(got["result"]["delta"], json!({"key": 0, "data": []}));
    let (quit, key) = sealed(&worker, SC, "quit(string)", b"why", 4);
    let failed = ask(&worker, &frame("ComputeTask", &quit));
    assert_eq!(failed["type"], "FailedTask");
    assert_eq!(Failure::from_bytes(&opened(&failed, &key)).unwrap().text, "why");

    // The same content again is answered from the store, whatever its id, also after a restart; other content is another task.
    let restarted = network.worker(2, &store);
    for worker in [&worker, &restarted] {
        let before = store.snapshot();
        for (request, reply) in [(&deployment, &deployed), (&set, &done), (&get, &got)] {
            assert_eq!(&ask(worker, request), reply);
        }
        assert_eq!(store.snapshot(), before);
    }
    let (again, key) = sealed(&restarted, SC, "get()", b"", 5);
    assert_eq!(output(&ask(&restarted, &frame("ComputeTask", &again)), &key), b"second");

    // What cannot be opened is an outcome; what is no task of this contract is an error.
    let mut spoiled = get.clone();
    spoiled["input"]["encryptedArgs"] = "00".into();
    let undecryptable = ask(&restarted, &spoiled);
    assert_eq!((&undecryptable["type"], &undecryptable["result"]["output"]), (&json!("FailedTask"), &json!("")));
    let (stray, _) = sealed(&restarted, ScAddress([9; 32]), "get()", b"", 6);
    assert_eq!(ask(&restarted, &frame("ComputeTask", &stray))["code"], 13);
}

#[test]
fn a_second_deployment_without_a_record_changes_nothing() {
    let (_, store, worker) = network();
    ask(&worker, &deployment(&worker, SC, b"first", 1));
    let before = store.snapshot();
    let reply = ask(&worker, &deployment(&worker, SC, b"second", 2));
    assert_eq!(reply["code"], 31);
    assert_eq!(store.snapshot(), before);
}

#[test]
fn a_contract_is_bare_or_recorded_for_good() {
    let (mut network, store, worker) = network();
    let recorded = network.deployed(&worker, &contract(), b"kept");
    let (get, _) = sealed(&worker, recorded, "get()", b"", 1);
    assert_eq!(ask(&worker, &frame("ComputeTask", &get))["code"], 40);
    assert_eq!(ask(&worker, &deployment(&worker, recorded, b"x", 2))["code"], 40);

    // The address of a contract that will be recorded, taken without a record.
    let sender = enigma_protocol::Address([0xa1; 20]);
    let sc = network.future_contract(sender);
    network.tell_km(&[sc]);
    network.fetch_keys(&worker, &[sc]);
    ask(&worker, &deployment(&worker, sc, b"bare", 3));
    let before = store.snapshot();
    let task = network.deployment(&worker, sender, &contract(), b"recorded");
    assert_eq!(worker.refuses(task.request()).0, 40);
    let batch = BatchInput { contract_address: Hex(sc), first_record_index: U64(0), count: U64(1) };
    assert_eq!(worker.refuses(Request::SignBatch { input: batch }).0, 40, "nothing for Ethereum is signed of it");
    let advance = json!({"contractAddress": hex::encode(sc.0), "records": 5, "queueHead": Hash::ZERO.to_string(),
        "tip": Hash::ZERO.to_string()});
    assert_eq!(ask(&worker, &frame("AdvanceQueue", &advance))["code"], 40);
    assert_eq!(store.snapshot(), before);
    // Neither kind reads what the other one sealed: keys and contexts differ.
    let key = ask(&worker, &json!({"id": "k", "type": "NewTaskEncryptionKey", "userPubKey": "aa"}));
    assert_ne!(key["result"]["workerEncryptionKey"], hex::encode(input_key(&worker, sc, 1).worker_encryption_key.0.0));
}

#[test]
fn what_a_bare_session_reads_and_asks() {
    let (network, _, worker) = network();
    ask(&worker, &deployment(&worker, SC, b"first", 1));
    let address = hex::encode(SC.0);
    let tip = ask(&worker, &json!({"id": "1", "type": "GetTip", "input": [address]}));
    let delta = ask(&worker, &json!({"id": "1", "type": "GetDelta", "input": [{"address": address, "key": 0}]}));
    assert_eq!(tip["result"]["data"], delta["result"]["delta"]);
    let addresses = ask(&worker, &json!({"id": "1", "type": "GetAllAddrs"}));
    assert_eq!(addresses["result"], json!({"addresses": [address]}));

    // A request for keys in the published form is answered and signed; no key manager gives anything for it.
    let Ok(Response::GetPTTRequest { result }) = worker.ask(Request::GetPTTRequest { input: None }) else { panic!() };
    assert!(network.answer(result).is_err());
}

#[test]
fn a_bare_request_whose_commit_fails_can_be_repeated() {
    let (_, store, worker) = network();
    let deployment = deployment(&worker, SC, b"first", 1);
    let (get, key) = sealed(&worker, SC, "get()", b"", 2);
    for (request, _) in [(&deployment, 0), (&frame("ComputeTask", &get), 1)] {
        let before = store.snapshot();
        store.fail_commit(1);
        assert_eq!(ask(&worker, request)["code"], 20);
        assert_eq!(store.snapshot(), before);
        let done = ask(&worker, request);
        assert!(done["result"].is_object(), "{done}");
        assert_eq!(ask(&worker, request), done);
    }
    assert_eq!(output(&ask(&worker, &frame("ComputeTask", &get)), &key), b"first");
}
