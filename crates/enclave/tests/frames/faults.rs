//! Every call of the store and the TEE fails once, in every request: what is answered then, and that the same request succeeds
//! afterwards as if nothing had been.
//!
//! Each request is asked of a machine whose n-th call fails, for every n until the request makes fewer calls. Requests are in
//! the table that [`table_of`] names; a type that is added there has to be added here.

use crate::{
    bare,
    harness::*,
    key_exchange::give,
    path::{network, signer},
    query,
    snapshots::{parts, steps},
    take_over::{Enclave, closed, code, deltas, five_records, successor},
};
use enigma_attestation::Role;
use enigma_enclave::{KeyManager, Worker, identity};
use enigma_protocol::{
    Address, ScAddress,
    ipc::{
        BatchInput, Delta, DeltaField, DeltaKey, DeltaRange, OneOrMany, PttInput, ReplyFrame, Request, RequestFrame,
        Response, SnapshotKey,
    },
    json::{ByteArray, Hex, Hex0x, U64},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

const ALICE: Address = Address([0xa1; 20]);

type Snapshot = BTreeMap<Vec<u8>, Vec<u8>>;

fn table_of(request: &Request) -> &'static str {
    match request {
        Request::GetTip { .. }
        | Request::GetTips { .. }
        | Request::GetAllTips { .. }
        | Request::GetAllAddrs { .. }
        | Request::GetDelta { .. }
        | Request::GetDeltas { .. }
        | Request::GetContract { .. }
        | Request::GetSnapshot { .. }
        | Request::SignBatch { .. } => "reading",
        Request::DeploySecretContract { .. } | Request::ComputeTask { .. } | Request::Query { .. } => "running",
        Request::UpdateNewContract { .. }
        | Request::UpdateNewContractOnDeployment { .. }
        | Request::RemoveContract { .. }
        | Request::UpdateDeltas { .. }
        | Request::RemoveDeltas { .. }
        | Request::AdvanceQueue { .. } => "writing",
        Request::GetRegistrationParams { .. }
        | Request::GetPTTRequest { .. }
        | Request::PTTResponse { .. }
        | Request::NewTaskEncryptionKey { .. } => "keys",
        Request::SetLedgerView { .. } | Request::AnswerPTTRequest { .. } | Request::SignEpoch { .. } => "managing",
    }
}

fn frame(request: Request) -> Vec<u8> {
    serde_json::to_vec(&RequestFrame::new("7", request)).unwrap()
}

/// The error in a reply; 0 for none.
fn error_of(reply: &[u8]) -> u64 {
    let reply: Value = serde_json::from_slice(reply).expect("a reply is JSON");
    let code = reply["code"].as_u64().or_else(|| reply["result"]["status"].as_u64());
    code.unwrap_or_default()
}

fn code_of(failed: &str) -> u64 {
    if ["get", "scan", "submit", "commit"].contains(&failed) { 20 } else { 21 }
}

fn same(name: &str) -> impl Fn(&dyn Machine, &[u8], &[u8]) {
    move |_, reply, expected| assert!(reply == expected, "{name}: another answer after a failure")
}

/// Asks `request` of machines that `make` makes, each in the same state, with another call failing each time; how many calls
/// the request makes. `accept` checks the answer of the undisturbed machine and, with it, the one after a failure.
#[track_caller]
fn each_call_fails<M: Machine>(
    table: &str,
    name: &str,
    make: impl Fn() -> (Memory, M),
    request: impl Fn(&M) -> Vec<u8>,
    accept: impl Fn(&dyn Machine, &[u8], &[u8]),
) -> u64 {
    let (store, machine) = make();
    let asked = request(&machine);
    let parsed: RequestFrame = serde_json::from_slice(&asked).unwrap();
    assert_eq!(table_of(&parsed.request), table, "{name}");
    let expected = machine.handle(&asked);
    let after = store.snapshot();
    accept(&machine, &expected, &expected);
    for n in 1.. {
        assert!(n < 1_000, "{name} does not end");
        let (store, machine) = make();
        let asked = request(&machine);
        let before = store.snapshot();
        let faults = store.faults();
        faults.fail(n);
        let reply = machine.handle(&asked);
        let failed = faults.failed();
        faults.fail(0);
        let Some(failed) = failed else {
            accept(&machine, &reply, &expected);
            assert!(store.snapshot() == after, "{name}: another state");
            return n - 1;
        };
        let shown = || String::from_utf8_lossy(&reply[..reply.len().min(300)]).into_owned();
        assert_eq!(error_of(&reply), code_of(failed), "{name}: call {n} ({failed}) failed: {}", shown());
        assert!(store.snapshot() == before, "{name}: call {n} ({failed}) failed and left something behind");
        let again = machine.handle(&asked);
        assert!(error_of(&again) == error_of(&expected), "{name}: call {n} ({failed}) failed, and then {}", {
            String::from_utf8_lossy(&again[..again.len().min(300)])
        });
        accept(&machine, &again, &expected);
        assert!(store.snapshot() == after, "{name}: another state after call {n} ({failed}) failed");
    }
    unreachable!()
}

/// A worker on a copy of a store, whose calls can fail.
fn worker_on(network: &Network, seed: u8, snapshot: &Snapshot) -> (Memory, Enclave) {
    let store = Memory::from_snapshot(snapshot.clone());
    let mut tee = TestTee::new(seed);
    tee.faults = store.faults();
    let worker = network.worker_on(tee, &store);
    (store, worker)
}

fn delta_key(sc: ScAddress, key: u64) -> OneOrMany<DeltaKey> {
    OneOrMany::One(DeltaKey { address: Hex(sc), key: U64(key) })
}

fn range(sc: ScAddress, from: u64, to: u64) -> OneOrMany<DeltaRange> {
    OneOrMany::One(DeltaRange { address: Hex(sc), from: U64(from), to: U64(to) })
}

#[test]
fn reading() {
    let (mut network, store, worker) = network();
    let sc = five_records(&mut network, &worker);
    let large = network.deployed(&worker, &contract(), b"0");
    for n in 0..8 {
        network.call(&worker, large, ALICE, "set(bytes)", &[n; 59_000]).run(&worker);
    }
    let snapshot = store.snapshot();
    let batch = BatchInput { contract_address: Hex(sc), first_record_index: U64(0), count: U64(5) };
    let requests = [
        Request::GetTip { input: one(sc) },
        Request::GetTip { input: one(large) },
        Request::GetTips { input: OneOrMany::Many(vec![Hex(sc), Hex(large)]) },
        Request::GetAllTips {},
        Request::GetAllAddrs {},
        Request::GetDelta { input: delta_key(sc, 3) },
        Request::GetDeltas { input: range(sc, 0, 4) },
        Request::GetContract { input: one(sc) },
        Request::GetSnapshot { input: SnapshotKey { address: Hex(large), part: None } },
        Request::SignBatch { input: batch },
    ];
    for request in requests {
        let name = format!("{request:?}");
        let make = || worker_on(&network, 2, &snapshot);
        assert_eq!(error_of(&make().1.handle(&frame(request.clone()))), 0, "{name}");
        let calls = each_call_fails("reading", &name, make, |_| frame(request.clone()), same(&name));
        assert!(calls > 0, "{name} reads nothing");
    }
}

#[test]
fn running() {
    let (mut network, store, worker) = network();
    let sc = five_records(&mut network, &worker);
    let snapshot = store.snapshot();
    let executed = network.call(&worker, sc, ALICE, "get()", b"");
    executed.run(&worker);
    let after_one = store.snapshot();

    // In its place, the next record is any of these.
    let next = |network: &mut Network, function: &str, args: &[u8]| {
        let mut task = network.call(&worker, sc, ALICE, function, args);
        task.record.record_index = 6;
        task
    };
    let set = next(&mut network, "set(bytes)", b"six");
    let get = next(&mut network, "get()", b"");
    let fail = next(&mut network, "quit(string)", b"why");
    let mut spoiled = next(&mut network, "get()", b"");
    spoiled.input.encrypted_args[0] ^= 1;
    spoiled.record.inputs_hash = spoiled.input.inputs_hash();
    let keys = |made: (Memory, Enclave)| {
        network.fetch_keys(&made.1, &[sc]);
        made
    };
    let cold = || keys(worker_on(&network, 2, &after_one));
    let warm = || {
        let made = keys(worker_on(&network, 2, &snapshot));
        executed.run(&made.1);
        made
    };
    for (name, task) in [("set", &set), ("get", &get), ("fail", &fail), ("spoiled", &spoiled), ("again", &executed)] {
        let request = |_: &Enclave| frame(task.request());
        let calls = each_call_fails("running", &format!("{name}, cold"), cold, request, same(name));
        assert!(calls > 2, "{name}: {calls}");
        let calls = each_call_fails("running", &format!("{name}, warm"), warm, request, same(name));
        assert!(calls >= 1, "{name}: {calls}");
    }
}

/// A record that causes a snapshot, one that is executed on it, and a core that takes over from it.
#[test]
fn snapshots_of_the_state() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    let tasks = steps(&mut network, &worker, sc, 5);
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    tasks[..4].iter().for_each(|task| drop(task.run(&worker)));
    let check = |name: &str, task: &Task| {
        let snapshot = store.snapshot();
        let make = || {
            let made = worker_on(&network, 2, &snapshot);
            network.fetch_keys(&made.1, &[sc]);
            made
        };
        let calls = each_call_fails("running", name, make, |_| frame(task.request()), same(name));
        assert!(calls > 3, "{name}: {calls}");
        task.run(&worker);
    };
    check("the record that causes it", &tasks[4]);
    check("the record behind it", &get);

    let (mut other, store, second) = successor(&network, 3);
    other.tell_km(&[sc]);
    let take_code = Request::UpdateNewContract { address: Hex(sc), bytecode: ByteArray(code(&worker, sc)) };
    let take_parts = Request::UpdateDeltas { deltas: OneOrMany::Many(parts(&worker, sc)) };
    for (name, request) in [
        ("code", take_code),
        ("snapshot", take_parts.clone()),
        ("snapshot again", take_parts),
        ("place", Request::AdvanceQueue { input: closed(&worker, sc, 7) }),
    ] {
        let snapshot = store.snapshot();
        let make = || {
            let made = worker_on(&other, 3, &snapshot);
            other.fetch_keys(&made.1, &[sc]);
            made
        };
        assert!(each_call_fails("writing", name, make, |_| frame(request.clone()), same(name)) > 1);
        assert_eq!(error_of(&second.handle(&frame(request))), 0, "{name}");
    }
}

#[test]
fn deploying() {
    let (mut network, store, worker) = network();
    for (name, code) in [("contract", contract()), ("no contract", b"no module".to_vec())] {
        let sc = network.future_contract(ALICE);
        network.tell_km(&[sc]);
        network.fetch_keys(&worker, &[sc]);
        let deployment = network.deployment(&worker, ALICE, &code, b"first");
        let on = |snapshot: &Snapshot| {
            let made = worker_on(&network, 2, snapshot);
            network.fetch_keys(&made.1, &[sc]);
            made
        };
        let before = store.snapshot();
        let request = |_: &Enclave| frame(deployment.request());
        let calls = each_call_fails("running", name, || on(&before), request, same(name));
        assert!(calls >= 3, "{name}: {calls}");
        // Another time: from the store.
        deployment.run(&worker);
        let done = store.snapshot();
        let calls = each_call_fails("running", &format!("{name} again"), || on(&done), request, same(name));
        assert!(calls >= 3, "{name} again: {calls}");
    }
}

#[test]
fn querying() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &query::contract(), b"kept");
    let snapshot = store.snapshot();
    let asked = query::asked(&worker, sc, "get()", b"", u64::MAX);
    let make = || {
        let made = worker_on(&network, 2, &snapshot);
        network.fetch_keys(&made.1, &[sc]);
        made
    };
    let request = |_: &Enclave| frame(Request::Query { input: asked.input.clone() });
    // Each answer has a nonce of its own.
    let alike = |_: &dyn Machine, reply: &[u8], expected: &[u8]| {
        let fields = |reply: &[u8]| {
            let reply: Value = serde_json::from_slice(reply).unwrap();
            ["status", "blockNumber", "tip", "entries"].map(|field| reply["result"][field].clone())
        };
        assert!(fields(reply) == fields(expected) && fields(reply)[0] == 0);
    };
    assert!(each_call_fails("running", "query", make, request, alike) >= 4);
}

#[test]
fn running_without_records() {
    let (network, store, worker) = network();
    let (sc, other) = (ScAddress([0x5c; 32]), ScAddress([0x5d; 32]));
    let deployment = bare::deployment(&worker, sc, b"first", 1);
    bare::ask(&worker, &deployment);
    let task = |function: &str, seed| bare::frame("ComputeTask", &bare::sealed(&worker, sc, function, b"x", seed).0);
    let executed = task("get()", 2);
    bare::ask(&worker, &executed);
    let snapshot = store.snapshot();
    for (name, request) in [
        ("deployment", bare::deployment(&worker, other, b"other", 3)),
        ("deployment again", deployment),
        ("set", task("set(bytes)", 4)),
        ("get", task("get()", 5)),
        ("fail", task("quit(string)", 6)),
        ("get again", executed),
    ] {
        let make = || worker_on(&network, 2, &snapshot);
        let request = |_: &Enclave| request.to_string().into_bytes();
        let calls = each_call_fails("running", &format!("bare {name}"), make, request, same(name));
        assert!(calls > 2, "{name}: {calls}");
    }
}

#[test]
fn writing() {
    let (mut network, _, first) = network();
    let (sc, also) = (five_records(&mut network, &first), five_records(&mut network, &first));
    let (mut other, store, second) = successor(&network, 3);
    other.tell_km(&[sc, also]);
    let entries = deltas(&first, sc, 0, 5);
    let both = [&entries[..], &deltas(&first, also, 0, 5)].concat();
    let (bytes, closed) = (ByteArray(code(&first, sc)), closed(&first, sc, 5));
    let constructed = DeltaField(Delta { key: entries[0].key, data: entries[0].data.clone() });
    let address = Hex(sc);
    let update = |entries: &[_]| Request::UpdateDeltas { deltas: OneOrMany::Many(entries.to_vec()) };
    let take_code = |address| Request::UpdateNewContract { address, bytecode: bytes.clone() };

    // Each of these stands on what the ones before it left.
    let steps = [
        ("code and delta", {
            Request::UpdateNewContractOnDeployment { address, bytecode: bytes.clone(), delta: constructed }
        }),
        ("removal of a blank contract", Request::RemoveContract { address }),
        ("code", take_code(address)),
        ("code again", take_code(address)),
        ("code of another", take_code(Hex(also))),
        ("deltas", update(&entries[..4])),
        ("deltas again", update(&entries[..4])),
        ("the last delta", update(&entries[4..])),
        ("removal of the last", Request::RemoveDeltas { input: range(sc, 3, 4) }),
        ("deltas that overlap", update(&entries[3..])),
        ("place", Request::AdvanceQueue { input: closed.clone() }),
        ("place again", Request::AdvanceQueue { input: closed }),
        ("removal", Request::RemoveContract { address }),
        ("code after its removal", take_code(address)),
    ];
    for (name, request) in steps {
        for with_keys in [false, true] {
            let snapshot = store.snapshot();
            let make = || {
                let made = worker_on(&other, 3, &snapshot);
                if with_keys {
                    other.fetch_keys(&made.1, &[sc, also]);
                }
                made
            };
            let shown = format!("{name}, keys: {with_keys}");
            let calls = each_call_fails("writing", &shown, make, |_| frame(request.clone()), same(&shown));
            assert!(calls >= 1, "{shown}");
        }
        assert_eq!(error_of(&second.handle(&frame(request))), 0, "{name}");
    }

    // Of two contracts one may be done when the other fails; the reply names what is not.
    let snapshot = store.snapshot();
    let of_two = frame(update(&both));
    let (whole, worker) = worker_on(&other, 3, &snapshot);
    let expected = worker.handle(&of_two);
    for n in 1.. {
        let (store, worker) = worker_on(&other, 3, &snapshot);
        store.faults().fail(n);
        let reply: Value = serde_json::from_slice(&worker.handle(&of_two)).unwrap();
        let failed = store.faults().failed();
        store.faults().fail(0);
        let errors = reply["result"]["errors"].as_array().unwrap();
        let codes: Vec<_> = errors.iter().map(|error| error["status"].as_u64().unwrap()).collect();
        assert_eq!(codes, vec![20; if failed.is_some() { 5 } else { 0 }], "call {n}");
        assert!(worker.handle(&of_two) == expected && store.snapshot() == whole.snapshot(), "call {n}");
        if failed.is_none() {
            assert!(n > 6);
            break;
        }
    }
}

#[test]
fn keys() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    let snapshot = store.snapshot();
    let bare = || worker_on(&network, 2, &snapshot);
    let with_keys = || {
        let made = bare();
        network.fetch_keys(&made.1, &[sc]);
        made
    };
    let registration = |_: &Enclave| frame(Request::GetRegistrationParams { input: None });
    assert_eq!(each_call_fails("keys", "registration", bare, registration, same("registration")), 1);
    let input_key = |_: &Enclave| frame(encryption_key_request(sc, 1));
    assert_eq!(each_call_fails("keys", "input key", with_keys, input_key, same("input key")), 1);
    let published = |_: &Enclave| br#"{"id":"7","type":"NewTaskEncryptionKey","userPubKey":"aa"}"#.to_vec();
    assert_eq!(each_call_fails("keys", "bare input key", bare, published, same("bare input key")), 1);

    // Each request for keys has keys of its own, and the key manager answers it.
    let input = Some(PttInput { addresses: vec![Hex(sc)], epoch: U64(1), block_hash: Hex0x(BLOCK) });
    let request = |_: &Enclave| frame(Request::GetPTTRequest { input: input.clone() });
    let installs = |worker: &dyn Machine, reply: &[u8], _: &[u8]| {
        let Ok(ReplyFrame::Response(reply)) = serde_json::from_slice(reply) else { panic!("no request for keys") };
        let Response::GetPTTRequest { result } = reply.response else { panic!("{reply:?}") };
        let answer = network.answer(result).unwrap();
        assert_eq!(give(worker, answer.response.0), Ok(vec![]));
        assert!(worker.ask(encryption_key_request(sc, 1)).is_ok());
    };
    assert!(each_call_fails("keys", "request for keys", bare, request, installs) >= 2);
    let published = |_: &Enclave| br#"{"id":"7","type":"GetPTTRequest"}"#.to_vec();
    let is_one = |_: &dyn Machine, reply: &[u8], _: &[u8]| assert_eq!(error_of(reply), 0);
    assert!(each_call_fails("keys", "bare request for keys", bare, published, is_one) >= 2);
    let answer = |worker: &Enclave| {
        let input = network.answer(key_request(worker, 1, &[sc])).unwrap();
        frame(Request::PTTResponse { input })
    };
    assert_eq!(each_call_fails("keys", "answer", bare, answer, same("answer")), 0, "it is taken from memory alone");
}

#[test]
fn managing() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    let snapshot = network.km_store.snapshot();
    let view = network.view(&[ScAddress([1; 32]), ScAddress([2; 32])]);
    let make = || {
        let store = Memory::from_snapshot(snapshot.clone());
        let mut tee = TestTee::new(1);
        tee.faults = store.faults();
        let km = KeyManager::open(tee, store.clone(), network.config.clone()).unwrap();
        km.ask(Request::SetLedgerView { input: network.view(&[]) }).unwrap();
        (store, km)
    };
    type Km = KeyManager<TestTee, Memory>;
    let registration = |_: &Km| frame(Request::GetRegistrationParams { input: None });
    assert_eq!(each_call_fails("keys", "registration", make, registration, same("registration")), 1);
    let tell = |_: &Km| frame(Request::SetLedgerView { input: view.clone() });
    assert!(each_call_fails("managing", "view", make, tell, same("view")) >= 3);
    for (name, epoch) in [("epoch again", 1), ("epoch", 2)] {
        let sign = |_: &Km| frame(Request::SignEpoch { input: network.epoch_input(epoch) });
        assert!(each_call_fails("managing", name, make, sign, same(name)) >= 1);
    }
    // Each answer is sealed anew, and installs the same keys.
    let request = |_: &Km| frame(Request::AnswerPTTRequest { input: key_request(&worker, 1, &[sc]) });
    let installs = |_: &dyn Machine, reply: &[u8], _: &[u8]| {
        let Ok(ReplyFrame::Response(reply)) = serde_json::from_slice(reply) else { panic!("no answer") };
        let Response::AnswerPTTRequest { result } = reply.response else { panic!("{reply:?}") };
        // The worker takes one answer to each request; the later ones of the same request find nobody waiting.
        let taken = give(&worker, result.response.0);
        assert!(taken.as_ref().is_ok_and(|errors| errors.is_empty()) || taken.is_err_and(|(code, _)| code == 15));
        assert!(worker.ask(encryption_key_request(sc, 1)).is_ok());
    };
    assert!(each_call_fails("managing", "answer", make, request, installs) >= 5);
}

#[test]
fn opening() {
    let (network, store, _) = network();
    for (role, seed, existing) in
        [(Role::Worker, 2, store.snapshot()), (Role::KeyManager, 1, network.km_store.snapshot())]
    {
        for before in [Snapshot::new(), existing] {
            let is_new = before.is_empty();
            for n in 1.. {
                let store = Memory::from_snapshot(before.clone());
                let (faults, config) = (store.faults(), network.config.clone());
                let tee = || {
                    let mut tee = TestTee::new(seed);
                    tee.faults = faults.clone();
                    tee
                };
                faults.fail(n);
                let opened = match role {
                    Role::KeyManager if !is_new => KeyManager::open(tee(), store.clone(), config).err(),
                    Role::Worker => Worker::open(tee(), store.clone(), config).err(),
                    Role::KeyManager => identity(&tee(), &store, role).err(),
                };
                let Some(failed) = faults.failed() else {
                    assert_eq!(opened, None);
                    assert!(n > 2, "{role}: {n}");
                    break;
                };
                faults.fail(0);
                let error = opened.unwrap_or_else(|| panic!("{role}: call {n} ({failed}) failed")).to_string();
                let expected = if code_of(failed) == 20 { "the store failed" } else { "the TEE does not provide" };
                assert!(error.starts_with(expected), "{role}: call {n} ({failed}) failed: {error}");
                assert!(store.snapshot() == before, "{role}: call {n} ({failed})");
                let made = identity(&tee(), &store, role).unwrap();
                assert_eq!(identity(&tee(), &store, role).unwrap(), made);
                assert!(is_new || store.snapshot() == before);
            }
        }
    }
    assert_eq!(signer(2, &store), identity(&TestTee::new(2), &store, Role::Worker).unwrap().signer);
}

/// Records of two contracts under way at once while the disk commits what is there from time to time, and any call fails in the
/// middle of it: whoever is refused asks again, and in the end everything is as if nothing had been.
#[test]
fn in_the_middle_of_a_pipeline() {
    let (mut network, store, worker) = network();
    let contracts = [0, 1].map(|_| network.deployed(&worker, &contract(), b"0"));
    let first = contracts.map(|sc| network.call(&worker, sc, ALICE, "get()", b""));
    let snapshot = store.snapshot();
    let mut tasks = Vec::new();
    for n in 1..4u8 {
        for sc in contracts {
            let function = if n == 2 { "panic()" } else { "set(bytes)" };
            tasks.push(network.call(&worker, sc, ALICE, function, &[n]));
        }
    }
    let make = || {
        let made = worker_on(&network, 2, &snapshot);
        network.fetch_keys(&made.1, &contracts);
        first.iter().for_each(|task| drop(task.run(&made.1)));
        made
    };
    let (undisturbed, worker) = make();
    let expected: Vec<_> = tasks.iter().map(|task| task.run(&worker)).collect();
    let mut refused = 0;
    for n in 1.. {
        let (store, worker) = make();
        let (done, again) = (AtomicBool::new(false), std::sync::atomic::AtomicU64::new(0));
        let (done, again) = (&done, &again);
        store.hold();
        store.faults().fail(n);
        let got: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    std::thread::sleep(std::time::Duration::from_micros(500));
                    store.commit_held();
                }
            });
            let ask = |task: &Task| loop {
                match task.try_run(&worker) {
                    Ok(done) => return done,
                    Err(failure) => assert!([20, 11].contains(&failure.code.unwrap()), "call {n}: {}", failure.msg),
                }
                again.fetch_add(1, Ordering::SeqCst);
            };
            let asked: Vec<_> = tasks.iter().map(|task| scope.spawn(move || ask(task))).collect();
            let got = asked.into_iter().map(|asked| asked.join());
            let got: Vec<_> = got.collect();
            done.store(true, Ordering::SeqCst);
            got.into_iter().map(|got| got.unwrap()).collect()
        });
        assert_eq!(got, expected, "call {n}");
        assert!(store.snapshot() == undisturbed.snapshot(), "call {n}");
        refused += again.load(Ordering::SeqCst);
        if store.faults().failed().is_none() {
            assert!(n > 10 && refused > 10, "{n} calls, {refused} refused");
            return;
        }
    }
}
