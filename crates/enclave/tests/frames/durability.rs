//! What a restart, a failing disk and a hostile host cannot do.

use crate::{
    harness::*,
    path::{network, signer},
};
use enigma_attestation::Role;
use enigma_enclave::{KeyManager, OpenError, Worker, identity};
use enigma_protocol::{
    Address, Hash, ScAddress,
    ipc::{BatchInput, OneOrMany, Request, Response},
    json::{Hex, Hex0x, U64},
    receipt::Status,
};
use std::collections::BTreeMap;

type Snapshot = BTreeMap<Vec<u8>, Vec<u8>>;

const ALICE: Address = Address([0xa1; 20]);

#[test]
fn a_restart_keeps_everything_but_the_keys() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"first");
    let set = network.call(&worker, sc, ALICE, "set(bytes)", b"second");
    let fail = network.call(&worker, sc, ALICE, "panic()", b"");
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    let done = [set.run(&worker), fail.run(&worker)];
    drop(worker);

    let worker = network.worker(2, &store);
    // What was executed is answered again, byte by byte, without any key.
    assert_eq!([set.run(&worker), fail.run(&worker)], done);
    assert_eq!(worker.refuses(get.request()).0, 10);
    network.fetch_keys(&worker, &[sc]);
    assert_eq!(get.output(&get.run(&worker)), b"second");
}

#[test]
fn state_is_rebuilt_from_its_deltas() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    for (function, args) in [("set(bytes)", &b"1"[..]), ("clear()", b""), ("set(bytes)", b"last")] {
        assert_eq!(network.call(&worker, sc, ALICE, function, args).run(&worker).receipt.status, Status::Success);
    }
    let restart = |network: &Network| {
        let worker = network.worker(2, &store);
        network.fetch_keys(&worker, &[sc]);
        worker
    };
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    let clear = network.call(&worker, sc, ALICE, "clear()", b"");
    let missing = network.call(&worker, sc, ALICE, "get()", b"");
    let restarted = restart(&network);
    assert_eq!(get.output(&get.run(&restarted)), b"last");
    assert_eq!(clear.run(&restarted).receipt.delta_index, 4);
    assert_eq!(missing.run(&restart(&network)).receipt.status, Status::Failure, "there is nothing to output");
}

#[test]
fn a_replay_changes_nothing() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    let tasks: Vec<_> = (1..4u8).map(|n| network.call(&worker, sc, ALICE, "set(bytes)", &[n])).collect();
    let done: Vec<_> = tasks.iter().map(|task| task.run(&worker)).collect();
    let before = store.snapshot();
    for _ in 0..2 {
        let again: Vec<_> = tasks.iter().map(|task| task.run(&worker)).collect();
        assert_eq!(again, done);
    }
    assert_eq!(store.snapshot(), before);
    let raw = |worker: &dyn Machine| {
        let request = enigma_protocol::ipc::RequestFrame::new("1", tasks[1].request());
        worker.handle(&serde_json::to_vec(&request).unwrap())
    };
    assert_eq!(raw(&worker), raw(&network.worker(2, &store)));
}

/// Plays a scenario in which the n-th commit fails, retrying each step once, and returns what came of it.
fn with_failing_commit(n: u64) -> Option<(Vec<Done>, Snapshot)> {
    let (mut network, store, worker) = network();
    let sc = network.future_contract(ALICE);
    network.tell_km(&[sc]);
    network.fetch_keys(&worker, &[sc]);
    let mut tasks = vec![network.deployment(&worker, ALICE, &contract(), b"0")];
    for (function, args) in [("set(bytes)", &b"1"[..]), ("panic()", b""), ("set(bytes)", b"2"), ("get()", b"")] {
        tasks.push(network.call(&worker, sc, ALICE, function, args));
    }
    store.fail_commit(n);
    let mut failures = 0;
    let mut done = Vec::new();
    for task in &tasks {
        let before = store.snapshot();
        done.push(task.try_run(&worker).unwrap_or_else(|failure| {
            failures += 1;
            assert_eq!(failure.code, Some(20), "{}", failure.msg);
            assert_eq!(store.snapshot(), before);
            task.run(&worker)
        }));
    }
    assert_eq!(tasks[4].output(&done[4]), b"2");
    assert!(failures <= 1);
    (failures == 1).then(|| (done, store.snapshot()))
}

#[test]
fn any_failing_commit_can_be_retried() {
    let commits = (1..).take_while(|n| with_failing_commit(*n).is_some()).count();
    assert_eq!(commits, 5, "one commit for each record");
}

/// What becomes of `tasks`, and then of `last`, when each is asked for by a thread of its own while nothing becomes durable.
fn in_the_pipeline(
    tasks: &[Task],
    last: &[Task],
    worker: &Worker<TestTee, Memory>,
    store: &Memory,
    meanwhile: impl FnOnce(),
) -> Vec<Result<Done, u16>> {
    store.hold();
    std::thread::scope(|scope| {
        let run = |task: &Task| task.try_run(worker).map_err(|failure| failure.code.unwrap());
        let mut asked: Vec<_> = tasks.iter().map(|task| scope.spawn(move || run(task))).collect();
        store.await_held(tasks.len());
        asked.extend(last.iter().map(|task| scope.spawn(move || run(task))));
        store.await_held(tasks.len() + last.len());
        assert!(asked.iter().all(|asked| !asked.is_finished()), "nothing is answered that is not durable");
        meanwhile();
        store.release();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

fn sets(network: &mut Network, worker: &dyn Machine, sc: ScAddress, values: &[u8]) -> Vec<Task> {
    values.iter().map(|n| network.call(worker, sc, ALICE, "set(bytes)", &[*n])).collect()
}

#[test]
fn records_run_ahead_of_the_disk_and_reads_do_not() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    let tasks = sets(&mut network, &worker, sc, &[1, 2, 3, 4]);
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    let done = in_the_pipeline(&tasks, &[], &worker, &store, || {
        let Ok(Response::GetTip { result }) = worker.ask(Request::GetTip { input: one(sc) }) else { panic!() };
        assert_eq!(result.key, U64(0), "only the constructor's delta is durable");
        let input = BatchInput { contract_address: Hex(sc), first_record_index: U64(0), count: U64(2) };
        assert_eq!(worker.refuses(Request::SignBatch { input }).0, 13);
    });
    let tips: Vec<_> = done.iter().map(|done| done.as_ref().unwrap().receipt.tip).collect();
    for (index, task) in tasks.iter().enumerate() {
        assert_eq!(task.run(&worker).receipt.tip, tips[index]);
    }
    assert_eq!(get.output(&get.run(&worker)), [4]);
}

#[test]
fn a_failure_in_the_pipeline_takes_all_behind_it_along() {
    for n in 1..=4 {
        let (mut network, store, worker) = network();
        let sc = network.deployed(&worker, &contract(), b"0");
        let other = network.deployed(&worker, &contract(), b"0");
        let tasks = sets(&mut network, &worker, sc, &[1, 2, 3, 4]);
        // Another contract's record, behind all of them: it fails too, and can be repeated like them.
        let of_other = sets(&mut network, &worker, other, &[9]);
        let (before_it, rest) = tasks.split_at(n - 1);
        let mut done = in_the_pipeline(&tasks, &of_other, &worker, &store, || store.fail_commit(n as u64));
        let failed = done.split_off(n - 1);
        assert_eq!(failed, vec![Err(20); 6 - n]);
        for (task, done) in before_it.iter().zip(done) {
            assert_eq!(Ok(task.run(&worker)), done);
        }
        // Nothing of it is in the store: a new process is exactly as far.
        let restarted = network.worker(2, &Memory::from_snapshot(store.snapshot()));
        network.fetch_keys(&restarted, &[sc, other]);
        for worker in [&worker, &restarted] {
            let done: Vec<_> = rest.iter().map(|task| task.run(worker)).collect();
            assert_eq!(done.len(), 5 - n);
            assert_eq!(of_other[0].run(worker).receipt.status, Status::Success);
        }
        let get = network.call(&worker, sc, ALICE, "get()", b"");
        assert_eq!(get.run(&worker), get.run(&restarted));
        assert_eq!(get.output(&get.run(&worker)), [4]);
    }
}

#[test]
fn a_repeat_waits_for_the_disk_and_takes_over_what_failed() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    let task = &sets(&mut network, &worker, sc, &[1])[0];
    store.hold();
    store.fail_commit(1);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| task.try_run(&worker));
        store.await_held(1);
        let again = scope.spawn(|| task.try_run(&worker));
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!again.is_finished());
        store.release();
        assert_eq!(first.join().unwrap().unwrap_err().code, Some(20));
        assert_eq!(again.join().unwrap().unwrap(), task.run(&worker));
    });
}

#[test]
fn a_record_that_overtook_its_predecessor_waits_for_it() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    let tasks = sets(&mut network, &worker, sc, &[1, 2, 3]);
    std::thread::scope(|scope| {
        for task in tasks.iter().rev() {
            scope.spawn(|| task.run(&worker));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    assert_eq!(get.output(&get.run(&worker)), [3]);
}

#[test]
fn a_key_manager_survives_failing_commits() {
    let (mut network, ..) = network();
    let sc = network.future_contract(ALICE);
    network.km_store.fail_commit(1);
    let input = network.view(&[sc]);
    assert_eq!(network.km.refuses(Request::SetLedgerView { input }).0, 20);
    network.tell_km(&[sc]);
    network.km_store.fail_commit(1);
    assert_eq!(network.km.refuses(Request::SignEpoch { input: network.epoch_input(2) }).0, 20);
    let signed = network.sign_epoch(2);
    network.restart_km();
    assert_eq!(network.sign_epoch(2), signed);
}

#[test]
fn values_that_the_host_changed_are_recognised() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"first");
    network.call(&worker, sc, ALICE, "set(bytes)", b"second").run(&worker);
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    let good = store.snapshot();
    let batch = BatchInput { contract_address: Hex(sc), first_record_index: U64(0), count: U64(2) };
    let codes_on = |snapshot: Snapshot| {
        let worker = network.worker(2, &Memory::from_snapshot(snapshot));
        network.fetch_keys(&worker, &[sc]);
        let code = |request: Request| worker.ask(request).err().and_then(|failure| failure.code);
        [code(get.request()), code(Request::SignBatch { input: batch.clone() })]
    };
    assert_eq!(codes_on(good.clone()), [None, None]);
    for key in good.keys().filter(|key| *key != b"identity") {
        let name = String::from_utf8_lossy(key).into_owned();
        let expected = if name.starts_with("outcome") {
            [None, Some(23)]
        } else if name.starts_with("head") {
            [Some(23), Some(23)]
        } else {
            [Some(23), None]
        };
        for position in [0, 31, 32, good[key].len() - 1] {
            let mut changed = good.clone();
            changed.get_mut(key).unwrap()[position] ^= 1;
            assert_eq!(codes_on(changed), expected, "{name} at {position}");
        }
        let mut empty = good.clone();
        empty.insert(key.clone(), Vec::new());
        assert_eq!(codes_on(empty), expected, "{name} empty");
    }
    // One outcome in the place of another, and the outcomes of another enclave.
    let outcomes: Vec<_> = good.keys().filter(|key| key.starts_with(b"outcome/")).cloned().collect();
    let mut swapped = good.clone();
    swapped.insert(outcomes[0].clone(), good[&outcomes[1]].clone());
    assert_eq!(codes_on(swapped), [None, Some(23)]);
    let mut foreign = good.clone();
    let other = Memory::default();
    signer(2, &other);
    foreign.insert(b"identity".to_vec(), other.snapshot()[&b"identity"[..]].clone());
    let worker = network.worker(2, &Memory::from_snapshot(foreign));
    assert_eq!(worker.refuses(Request::GetTip { input: one(sc) }).0, 23);
    assert_eq!(worker.refuses(Request::GetAllAddrs {}).0, 23);
}

#[test]
fn missing_deltas_are_noticed() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"first");
    network.call(&worker, sc, ALICE, "set(bytes)", b"second").run(&worker);
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    for key in store.snapshot().keys().filter(|key| key.starts_with(b"entry/") || key.starts_with(b"code/")) {
        let mut without = store.snapshot();
        without.remove(key);
        let worker = network.worker(2, &Memory::from_snapshot(without));
        network.fetch_keys(&worker, &[sc]);
        assert!([13, 23].contains(&worker.refuses(get.request()).0));
    }
}

#[test]
fn a_store_that_is_put_back_while_the_worker_runs_is_not_read() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"first");
    let old = store.snapshot();
    network.call(&worker, sc, ALICE, "set(bytes)", b"second").run(&worker);
    store.put_back(old);
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    assert_eq!(get.output(&get.run(&worker)), b"second");
}

#[test]
fn more_contracts_than_are_kept_in_memory() {
    let (mut network, _, worker) = network();
    let contracts: Vec<_> = (0..70u8).map(|n| network.deployed(&worker, &contract(), &[n])).collect();
    for (n, sc) in contracts.iter().enumerate() {
        let get = network.call(&worker, *sc, ALICE, "get()", b"");
        assert_eq!(get.output(&get.run(&worker)), [n as u8]);
    }
}

#[test]
fn nothing_secret_leaves_in_the_clear() {
    const SECRET: &[u8] = b"the secret that nobody may see";
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), SECRET);
    let mut seen = Vec::new();
    for (function, args) in [("set(bytes)", SECRET), ("get()", b""), ("echo(bytes)", SECRET), ("quit(string)", SECRET)]
    {
        let task = network.call(&worker, sc, ALICE, function, args);
        let done = task.run(&worker);
        let read = match done.receipt.status {
            Status::Success => task.output(&done),
            _ => task.text(&done).into_bytes(),
        };
        assert_eq!(read, if function == "set(bytes)" { b"" } else { SECRET });
        seen.push(serde_json::to_vec(&done.response).unwrap());
    }
    seen.push(serde_json::to_vec(&worker.ask(Request::GetAllTips {}).unwrap()).unwrap());
    seen.extend(store.snapshot().into_iter().flat_map(|(key, value)| [key, value]));
    let forms = [SECRET.to_vec(), hex::encode(SECRET).into_bytes(), decimal(SECRET)];
    for bytes in &seen {
        for form in &forms {
            assert!(!bytes.windows(form.len()).any(|window| window == form));
        }
    }
    // The search finds what is there.
    let public = decimal(&worker_code(&worker, sc)[..8]);
    let reply = serde_json::to_vec(&worker.ask(Request::GetContract { input: one(sc) }).unwrap()).unwrap();
    assert!(reply.windows(public.len()).any(|window| window == public));
}

fn decimal(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",").into_bytes()
}

fn worker_code(worker: &dyn Machine, sc: ScAddress) -> Vec<u8> {
    match worker.ask(Request::GetContract { input: OneOrMany::One(Hex(sc)) }) {
        Ok(Response::GetContract { result }) => result.bytecode.0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sealed_identity_that_does_not_open_says_what_to_do() {
    let (network, store, worker) = network();
    let config = || network.config.clone();
    assert_eq!(identity(&TestTee::new(2), &store, Role::Worker).unwrap().signer, worker.signer());
    let sealed = store.snapshot()[&b"identity"[..]].clone();
    let open = |sealed: Vec<u8>| {
        let store = Memory::from_snapshot([(b"identity".to_vec(), sealed)].into());
        Worker::open(TestTee::new(2), store, config()).err()
    };
    assert_eq!(open(sealed.clone()), None);
    for position in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        assert_eq!(open(changed), Some(OpenError::SealedIdentity));
    }
    assert_eq!(open(Vec::new()), Some(OpenError::SealedIdentity));
    assert!(OpenError::SealedIdentity.to_string().contains("move it away"));
    // Another machine, another role.
    assert_eq!(Worker::open(TestTee::new(3), store.clone(), config()).err(), Some(OpenError::SealedIdentity));
    let role = OpenError::Role { found: Role::Worker, wanted: Role::KeyManager };
    assert_eq!(KeyManager::open(TestTee::new(2), store, config()).err(), Some(role.clone()));
    assert_eq!(identity(&TestTee::new(1), &network.km_store, Role::Worker).err().unwrap().to_string(), {
        let (found, wanted) = (Role::KeyManager, Role::Worker);
        OpenError::Role { found, wanted }.to_string()
    });
    assert!(role.to_string().contains("use another data directory"));
}

#[test]
fn configurations_that_cannot_work() {
    let (network, store, _) = network();
    let open = |change: &dyn Fn(&mut enigma_protocol::config::NetworkConfig)| {
        let mut config = network.config.clone();
        change(&mut config);
        let km = KeyManager::open(TestTee::new(1), network.km_store.clone(), config.clone()).err();
        (Worker::open(TestTee::new(2), store.clone(), config).err(), km)
    };
    assert_eq!(open(&|_| {}), (None, None));
    let threshold = |threshold, key_managers| Some(OpenError::Threshold { threshold, key_managers });
    assert_eq!(open(&|config| config.threshold = 0), (threshold(0, 1), threshold(0, 1)));
    assert_eq!(open(&|config| config.threshold = 2), (threshold(2, 1), threshold(2, 1)));
    assert_eq!(open(&|config| config.key_managers.clear()), (threshold(1, 0), threshold(1, 0)));
    let no_point = |config: &mut enigma_protocol::config::NetworkConfig| {
        config.key_managers[0].commitment = Hex0x(Hash([0xff; 32]));
    };
    let error = Some(OpenError::Commitment(Hash([0xff; 32])));
    assert_eq!(open(&no_point), (error.clone(), error));
    let (_, refused) = open(&|config| config.key_managers[0].signer = Hex0x(ALICE));
    assert!(matches!(refused, Some(OpenError::NotConfigured { .. })));
    assert!(refused.unwrap().to_string().contains(&network.km.signer().to_string()));
}
