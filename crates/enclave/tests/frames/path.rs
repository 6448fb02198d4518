//! What works: deployment, calls, results, batches, reads.

use crate::harness::*;
use enigma_attestation::{Expected, Freshness, Policy, Purpose, Role, verify};
use enigma_protocol::{
    Address, Hash, ScAddress,
    hash::keccak256,
    ipc::{
        BatchInput, BatchResult, DeltaKey, DeltaRange, OneOrMany, RegistrationInput, Request, RequestFrame, Response,
        ResponseFrame,
    },
    json::{Hex, Hex0x, U64},
    limits::MAX_BATCH_RECORDS,
    receipt::{Batch, MINIMUM_GAS, Receipt, Status},
    record::{queue_genesis, queue_head},
    signature::Purpose as SigningPurpose,
    state::{StateEntry, genesis_tip},
};

const ALICE: Address = Address([0xa1; 20]);
const BOB: Address = Address([0xb0; 20]);

/// The signer of the worker with this seed, before it is opened.
pub fn signer(seed: u8, store: &Memory) -> Address {
    enigma_enclave::identity(&TestTee::new(seed), store, Role::Worker).unwrap().signer
}

pub fn network() -> (Network, Memory, enigma_enclave::Worker<TestTee, Memory>) {
    let store = Memory::default();
    let network = Network::new(&[signer(2, &store)]);
    let worker = network.worker(2, &store);
    (network, store, worker)
}

fn batch(worker: &dyn Machine, sc: ScAddress, first: u64, count: u64) -> BatchResult {
    let input = BatchInput { contract_address: Hex(sc), first_record_index: U64(first), count: U64(count) };
    match worker.ask(Request::SignBatch { input }) {
        Ok(Response::SignBatch { result }) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_contract_from_deployment_to_batch() {
    let (mut network, _, worker) = network();
    let sc = network.future_contract(ALICE);
    network.tell_km(&[sc]);
    network.fetch_keys(&worker, &[sc]);
    verify_input_key(&network, &input_key(&worker, sc, 1), sc, 1);

    let deployment = network.deployment(&worker, ALICE, &contract(), b"first");
    let set = network.call(&worker, sc, BOB, "set(bytes)", b"second");
    let get = network.call(&worker, sc, ALICE, "get()", b"");

    let deployed = deployment.run(&worker);
    let Response::DeploySecretContract { result } = &deployed.response else { panic!("{deployed:?}") };
    let exe_code_hash = keccak256(&result.output.0);
    assert_eq!(result.pre_code_hash.0, keccak256(contract()));
    assert_eq!(deployed.receipt.status, Status::Success);
    assert_eq!(deployed.receipt.exe_code_hash, exe_code_hash);
    assert_eq!(deployed.receipt.previous_tip, genesis_tip(sc, exe_code_hash));
    assert_eq!((deployed.receipt.delta_index, result.delta.key), (0, U64(0)));
    assert_eq!(deployment.output(&deployed), b"");
    let entry = StateEntry::from_bytes(&result.delta.data.0).unwrap();
    assert_eq!(entry.tip(), deployed.receipt.tip);

    let changed = set.run(&worker);
    let Response::ComputeTask { result } = &changed.response else { panic!("{changed:?}") };
    assert_eq!((changed.receipt.delta_index, result.delta.key), (1, U64(1)));
    assert_eq!(changed.receipt.previous_tip, deployed.receipt.tip);
    assert_eq!(StateEntry::from_bytes(&result.delta.data.0).unwrap().tip(), changed.receipt.tip);

    let read = get.run(&worker);
    assert_eq!(get.output(&read), b"second");
    let Response::ComputeTask { result } = &read.response else { panic!("{read:?}") };
    assert_eq!((result.delta.key, result.delta.data.0.len()), (U64(0), 0));
    assert_eq!((read.receipt.delta_index, read.receipt.tip), (2, changed.receipt.tip));
    assert_eq!(read.receipt.previous_tip, changed.receipt.tip);

    for done in [&deployed, &changed, &read] {
        done.receipt.verify(&DOMAIN, &done.signature, worker.signer()).unwrap();
    }
    let signed = batch(&worker, sc, 0, 3);
    let receipts: Vec<Receipt> = signed.receipts.iter().map(|json| json.clone().try_into().unwrap()).collect();
    assert_eq!(receipts, [deployed.receipt, changed.receipt, read.receipt]);
    let head = [&deployment, &set, &get]
        .iter()
        .fold(queue_genesis(sc), |head, task| queue_head(head, task.record.record_hash(&DOMAIN)));
    assert_eq!(signed.head.0, head);
    let batch = Batch { sc, epoch: 1, rank: 0, head, receipts };
    signed.signature.0.verify(batch.digest(&DOMAIN), worker.signer()).unwrap();
}

#[test]
fn batches_are_of_executed_records_of_one_epoch() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"x");
    network.next_epoch();
    network.fetch_keys(&worker, &[sc]);
    network.call(&worker, sc, BOB, "get()", b"").run(&worker);
    assert_eq!(batch(&worker, sc, 0, 1).epoch, U64(1));
    assert_eq!(batch(&worker, sc, 1, 1).epoch, U64(2));
    let refused = |first: u64, count: u64| {
        let input = BatchInput { contract_address: Hex(sc), first_record_index: U64(first), count: U64(count) };
        worker.refuses(Request::SignBatch { input }).0
    };
    let too_many = MAX_BATCH_RECORDS as u64 + 1;
    assert_eq!([refused(0, 2), refused(0, 0), refused(0, too_many), refused(u64::MAX, 1)], [3, 3, 3, 3]);
    assert_eq!([refused(2, 1), refused(1, 2)], [13, 13]);
}

#[test]
fn a_failed_deployment_fails_and_its_queue_goes_on() {
    let broken = wat::parse_str("(module (memory (export \"memory\") 1))").unwrap();
    let panicking = wat::parse_str(
        "(module (memory (export \"memory\") 1) (func (export \"enigma_abi_1\"))
         (func (export \"deploy\") unreachable) (func (export \"call\")))",
    )
    .unwrap();
    for (code, expected) in
        [(&b"not wasm"[..], "the code is refused"), (&broken, "the code is refused"), (&panicking, "panicked")]
    {
        let (mut network, store, worker) = network();
        let sc = network.future_contract(ALICE);
        network.tell_km(&[sc]);
        network.fetch_keys(&worker, &[sc]);
        let deployment = network.deployment(&worker, ALICE, code, b"");
        let call = network.call(&worker, sc, BOB, "get()", b"");
        let failed = deployment.run(&worker);
        assert!(matches!(failed.response, Response::FailedTask { .. }));
        assert!(deployment.text(&failed).contains(expected), "{}", deployment.text(&failed));
        assert_eq!(failed.receipt.status, Status::Failure);
        let nothing = (Hash::ZERO, Hash::ZERO, Hash::ZERO, 0);
        let state = |done: &Done| {
            let Receipt { exe_code_hash, previous_tip, tip, delta_index, .. } = done.receipt;
            (exe_code_hash, previous_tip, tip, delta_index)
        };
        assert_eq!(state(&failed), nothing);
        let later = call.run(&worker);
        assert_eq!((later.receipt.status, later.receipt.gas_used), (Status::Undecryptable, MINIMUM_GAS));
        assert_eq!((state(&later), later.encrypted_output.len()), (nothing, 0));
        assert_eq!(batch(&worker, sc, 0, 2).receipts.len(), 2);
        assert_eq!(worker.refuses(Request::GetContract { input: one(sc) }).0, 13);
        // And again by a new process.
        assert_eq!(call.run(&network.worker(2, &store)), later);
    }
}

#[test]
fn a_deployment_pays_for_its_code() {
    let (mut network, _, worker) = network();
    let sc = network.future_contract(ALICE);
    network.tell_km(&[sc]);
    network.fetch_keys(&worker, &[sc]);
    let mut large = contract();
    // A custom section: a name and zeros.
    large.extend([0, 0x82, 0x80, 0x20, 1, b'x']);
    large.extend(vec![0; 1 << 19]);
    network.gas_limit = 500_000;
    let deployment = network.deployment(&worker, ALICE, &large, b"");
    let done = deployment.run(&worker);
    assert_eq!((done.receipt.status, done.receipt.gas_used), (Status::Failure, 500_000));
    assert!(deployment.text(&done).starts_with("out of gas: the code alone takes 52"), "{}", deployment.text(&done));
}

#[test]
fn two_enclaves_make_the_same_of_the_same_records() {
    let (mut network, _, first) = network();
    let sc = network.future_contract(ALICE);
    network.tell_km(&[sc]);
    network.fetch_keys(&first, &[sc]);
    let mut tasks = vec![network.deployment(&first, ALICE, &contract(), b"first")];
    for (function, args) in
        [("random()", &b""[..]), ("set(bytes)", b"second"), ("random()", b""), ("quit(string)", b"why"), ("get()", b"")]
    {
        tasks.push(network.call(&first, sc, BOB, function, args));
    }
    let one: Vec<Done> = tasks.iter().map(|task| task.run(&first)).collect();
    assert_eq!(tasks[1].output(&one[1]).len(), 32);
    assert_ne!(tasks[1].output(&one[1]), tasks[3].output(&one[3]), "each task has its own randomness");
    assert_eq!(tasks[5].output(&one[5]), b"second");

    // The same key manager, had it selected another enclave.
    let mut km = network.km_store.snapshot();
    km.retain(|key, _| key == b"identity");
    let store = Memory::default();
    let mut other_network = Network::on(Memory::from_snapshot(km), &[signer(3, &store)]);
    assert_eq!(other_network.config, network.config);
    let second = other_network.worker(3, &store);
    assert_ne!(second.signer(), first.signer());
    other_network.tell_km(&[sc]);
    other_network.fetch_keys(&second, &[sc]);
    for (task, one) in tasks.iter().zip(one) {
        let two = task.run(&second);
        two.receipt.verify(&DOMAIN, &two.signature, second.signer()).unwrap();
        assert_ne!(two.signature, one.signature);
        assert_eq!((&two.receipt, &two.encrypted_output), (&one.receipt, &one.encrypted_output));
    }
    let deltas = |worker: &dyn Machine| {
        let input = OneOrMany::One(DeltaRange { address: Hex(sc), from: U64(0), to: U64(1) });
        worker.ask(Request::GetDeltas { input }).unwrap()
    };
    assert_eq!(deltas(&first), deltas(&second));

    network.next_epoch();
    network.fetch_keys(&first, &[sc]);
    let keys = [1, 2].map(|epoch| input_key(&first, sc, epoch).worker_encryption_key);
    assert_ne!(keys[0], keys[1], "each epoch has its own input key");
}

#[test]
fn the_same_records_give_the_same_bytes_in_another_store() {
    let (mut network, store, worker) = network();
    // The same identity, and nothing else of the store.
    let identity = store.snapshot();
    let sc = network.future_contract(ALICE);
    network.tell_km(&[sc]);
    network.fetch_keys(&worker, &[sc]);
    let mut tasks = vec![network.deployment(&worker, ALICE, &contract(), b"first")];
    for (function, args) in
        [("random()", &b""[..]), ("set(bytes)", b"second"), ("quit(string)", b"why"), ("get()", b"")]
    {
        tasks.push(network.call(&worker, sc, BOB, function, args));
    }
    let done: Vec<Done> = tasks.iter().map(|task| task.run(&worker)).collect();
    let twin = network.worker(2, &Memory::from_snapshot(identity));
    network.fetch_keys(&twin, &[sc]);
    let again: Vec<Done> = tasks.iter().map(|task| task.run(&twin)).collect();
    assert_eq!(done, again);
}

#[test]
fn contracts_run_in_parallel_and_one_in_its_order() {
    let (mut network, _, worker) = network();
    let contracts: Vec<_> = (0..3).map(|_| network.deployed(&worker, &contract(), b"0")).collect();
    let tasks: Vec<Vec<Task>> = contracts
        .iter()
        .map(|sc| (0..5u8).map(|n| network.call(&worker, *sc, ALICE, "set(bytes)", &[n])).collect())
        .collect();
    std::thread::scope(|scope| {
        for tasks in &tasks {
            for _ in 0..2 {
                // Two requesters at once; both get the same answer for each record.
                scope.spawn(|| tasks.iter().for_each(|task| drop(task.run(&worker))));
            }
        }
    });
    for sc in contracts {
        let get = network.call(&worker, sc, BOB, "get()", b"");
        assert_eq!(get.output(&get.run(&worker)), [4]);
    }
}

#[test]
fn reads() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"first");
    let empty = wat::parse_str(
        "(module (memory (export \"memory\") 1) (func (export \"enigma_abi_1\"))
         (func (export \"deploy\")) (func (export \"call\")))",
    )
    .unwrap();
    let without_state = network.deployed(&worker, &empty, b"");
    let set = network.call(&worker, sc, BOB, "set(bytes)", b"second").run(&worker);

    let Ok(Response::GetTip { result }) = worker.ask(Request::GetTip { input: one(sc) }) else { panic!() };
    assert_eq!(result.key, U64(1));
    assert_eq!(StateEntry::from_bytes(&result.data.0).unwrap().tip(), set.receipt.tip);
    let Ok(Response::GetTip { result }) = worker.ask(Request::GetTip { input: one(without_state) }) else { panic!() };
    assert_eq!((result.key, result.data.0), (U64(0), vec![]));

    let both = OneOrMany::Many(vec![Hex(sc), Hex(without_state)]);
    let Ok(Response::GetTips { result: some }) = worker.ask(Request::GetTips { input: both }) else { panic!() };
    let Ok(Response::GetAllTips { result: all }) = worker.ask(Request::GetAllTips {}) else { panic!() };
    assert_eq!((some.tips.len(), &some), (1, &all));

    let Ok(Response::GetAllAddrs { result }) = worker.ask(Request::GetAllAddrs {}) else { panic!() };
    let mut expected = vec![Hex(sc), Hex(without_state)];
    expected.sort();
    assert_eq!(result.addresses, expected);

    let range = OneOrMany::Many(vec![DeltaRange { address: Hex(sc), from: U64(0), to: U64(1) }]);
    let Ok(Response::GetDeltas { result }) = worker.ask(Request::GetDeltas { input: range }) else { panic!() };
    for delta in &result.deltas {
        let key = OneOrMany::One(DeltaKey { address: Hex(sc), key: delta.key });
        let Ok(Response::GetDelta { result }) = worker.ask(Request::GetDelta { input: key }) else { panic!() };
        assert_eq!(result.delta, delta.data);
    }
    assert_eq!(result.deltas.len(), 2);

    let Ok(Response::GetContract { result }) = worker.ask(Request::GetContract { input: one(sc) }) else { panic!() };
    assert_eq!(keccak256(&result.bytecode.0), set.receipt.exe_code_hash);

    let key = |sc: ScAddress, key: u64| OneOrMany::One(DeltaKey { address: Hex(sc), key: U64(key) });
    assert_eq!(worker.refuses(Request::GetDelta { input: key(sc, 2) }).0, 13);
    assert_eq!(worker.refuses(Request::GetDelta { input: key(ScAddress([1; 32]), 0) }).0, 13);
    assert_eq!(worker.refuses(Request::GetTip { input: one(ScAddress([1; 32])) }).0, 13);
    let endless = OneOrMany::One(DeltaRange { address: Hex(sc), from: U64(0), to: U64(u64::MAX) });
    assert_eq!(worker.refuses(Request::GetDeltas { input: endless }).0, 13);
    let many = OneOrMany::Many(vec![Hex(sc); 2_000]);
    assert_eq!(worker.refuses(Request::GetTips { input: many }).0, 4);
}

/// The reply to a request with options beside `id` and `type`, given as JSON.
fn asked(worker: &dyn Machine, request: serde_json::Value) -> serde_json::Value {
    serde_json::from_slice(&worker.handle(request.to_string().as_bytes())).unwrap()
}

#[test]
fn replies_are_bounded_and_come_in_pages() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"");
    for n in 0..22u8 {
        let name = if n % 2 == 0 { "big()" } else { "set(bytes)" };
        let task = network.call(&worker, sc, BOB, name, &[n]);
        assert_eq!(task.run(&worker).receipt.status, Status::Success);
    }
    let address = hex::encode(sc.0);
    let range = |to: u64| OneOrMany::One(DeltaRange { address: Hex(sc), from: U64(0), to: U64(to) });
    assert!(worker.ask(Request::GetDeltas { input: range(10) }).is_ok());
    let four = vec![DeltaRange { address: Hex(sc), from: U64(0), to: U64(22) }; 8];
    let (code, text) = worker.refuses(Request::GetDeltas { input: OneOrMany::Many(four.clone()) });
    assert!(code == 4 && text.contains("`limit`"), "{text}");

    // The same in pages: nothing is missing, nothing twice, each page fits.
    let Ok(Response::GetDeltas { result: all }) = worker.ask(Request::GetDeltas { input: range(22) }) else { panic!() };
    for (limit, encoding, pages) in [(5, "array", 37), (1_000, "array", 5), (1_000, "hex", 3)] {
        let (mut input, mut got, mut count) = (serde_json::to_value(&four).unwrap(), Vec::new(), 0);
        while !input.is_null() {
            let request = serde_json::json!({"id": "1", "type": "GetDeltas", "input": input, "limit": limit,
                "encoding": encoding});
            let frame = worker.handle(request.to_string().as_bytes());
            assert!(frame.len() <= enigma_protocol::limits::MAX_MESSAGE_BYTES);
            let reply: serde_json::Value = serde_json::from_slice(&frame).unwrap();
            let page: enigma_protocol::ipc::Deltas = serde_json::from_value(reply["result"].clone()).unwrap();
            assert!(page.deltas.len() <= limit, "{reply}");
            got.extend(page.deltas);
            input = reply["result"]["next"].clone();
            count += 1;
        }
        assert!(count <= pages, "{count} pages of {limit} in {encoding}");
        let expected: Vec<_> = (0..8).flat_map(|_| all.deltas.clone()).collect();
        assert!(got == expected);
    }

    let code = |options: &str| {
        let frame = format!(r#"{{"id":"1","type":"GetContract","input":"{address}"{options}}}"#);
        asked(&worker, serde_json::from_str(&frame).unwrap())["result"].clone()
    };
    let whole = code("");
    let (mut bytes, mut offset) = (Vec::new(), Some(0));
    while let Some(at) = offset {
        let part = code(&format!(r#","offset":{at},"limit":1000,"encoding":"hex""#));
        bytes.extend(hex::decode(part["bytecode"].as_str().unwrap()).unwrap());
        offset = part["next"].as_u64();
    }
    assert_eq!(serde_json::json!(bytes), whole["bytecode"]);
    assert!(whole.get("next").is_none());
}

#[test]
fn lists_come_in_pages() {
    let (mut network, _, worker) = network();
    let mut contracts: Vec<_> = (0..5).map(|_| network.deployed(&worker, &contract(), b"x")).collect();
    contracts.sort();
    for (request, list) in [("GetAllAddrs", "addresses"), ("GetAllTips", "tips")] {
        let whole = asked(&worker, serde_json::json!({"id": "1", "type": request, "encoding": "hex"}));
        for limit in 1..7 {
            let (mut got, mut after) = (Vec::new(), serde_json::json!("00".repeat(32)));
            while !after.is_null() {
                let request = serde_json::json!({"id": "1", "type": request, "limit": limit, "after": after,
                    "encoding": "hex"});
                let reply = asked(&worker, request);
                got.extend(reply["result"][list].as_array().unwrap().clone());
                after = reply["result"]["next"].clone();
            }
            assert_eq!(got, *whole["result"][list].as_array().unwrap(), "{request} {limit}");
        }
        assert_eq!(whole["result"][list].as_array().unwrap().len(), 5);
    }
    let zero = asked(&worker, serde_json::json!({"id": "1", "type": "GetAllAddrs", "limit": 0}));
    assert_eq!(zero["code"], 3);
}

#[test]
fn large_fields_are_hexadecimal_when_asked() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"x");
    let set = network.call(&worker, sc, BOB, "set(bytes)", b"y");
    let ask = |request: Request, encoding: Option<&str>| {
        let mut frame = serde_json::to_value(RequestFrame::new("1", request)).unwrap();
        if let Some(encoding) = encoding {
            frame["encoding"] = encoding.into();
        }
        asked(&worker, frame)
    };
    let one_key = || OneOrMany::One(DeltaKey { address: Hex(sc), key: U64(0) });
    let range = || OneOrMany::One(DeltaRange { address: Hex(sc), from: U64(0), to: U64(0) });
    let requests: [(Request, &str); 6] = [
        (Request::GetTip { input: one(sc) }, "/result/data"),
        (Request::GetTips { input: one(sc) }, "/result/tips/0/data"),
        (Request::GetDelta { input: one_key() }, "/result/delta"),
        (Request::GetDeltas { input: range() }, "/result/deltas/0/data"),
        (Request::GetContract { input: one(sc) }, "/result/bytecode"),
        (set.request(), "/result/delta/data"),
    ];
    for (request, place) in requests {
        let array = ask(request.clone(), None);
        assert_eq!(ask(request.clone(), Some("array")), array);
        let bytes: Vec<u8> = serde_json::from_value(array.pointer(place).unwrap().clone()).unwrap();
        let text = ask(request.clone(), Some("hex"));
        assert_eq!(text.pointer(place).unwrap(), &serde_json::json!(hex::encode(bytes)));
        // Nothing else differs, and both are read.
        let mut same = text.clone();
        *same.pointer_mut(place).unwrap() = array.pointer(place).unwrap().clone();
        assert_eq!(same, array);
        let read = |value: serde_json::Value| serde_json::from_value::<ResponseFrame>(value).unwrap();
        assert_eq!(read(text), read(array));
        let wrong = ask(request, Some("base64"));
        assert_eq!((&wrong["id"], &wrong["code"]), (&"1".into(), &3.into()));
    }
}

#[test]
fn registration_evidence_binds_operator_and_share() {
    let (network, _, worker) = network();
    let (operator, block_hash) = (Address([0x0b; 20]), Hash([0xbc; 32]));
    let input = || Some(RegistrationInput { operator: Hex0x(operator), block_hash: Hex0x(block_hash) });
    let check = |machine: &dyn Machine, role, signer, purpose| {
        let Ok(Response::GetRegistrationParams { result }) =
            machine.ask(Request::GetRegistrationParams { input: input() })
        else {
            panic!()
        };
        assert_eq!(result.signing_key.0, signer);
        let freshness = Freshness::OneOf(&[block_hash]);
        let expected = Expected { config_hash: network.config.hash(), role, signer, purpose, freshness };
        verify(&result.report.0, &expected, &Policy::development([MEASUREMENT]), 1_800_000_000).unwrap();
        let digest = SigningPurpose::Registration.digest(&DOMAIN, 0, &result.report.0);
        result.signature.0.verify(digest, signer).unwrap();
        // Without the addition, as in the published set.
        assert!(machine.ask(Request::GetRegistrationParams { input: None }).is_ok());
    };
    check(&worker, Role::Worker, worker.signer(), Purpose::Registration { operator });
    let commitment = network.config.key_managers[0].commitment.0;
    check(&network.km, Role::KeyManager, network.km.signer(), Purpose::KeyManagerRegistration { operator, commitment });
}
