//! Snapshots: when they are made, what is loaded from them, and who takes over from them.

use crate::{
    harness::*,
    path::network,
    take_over::{advance, closed, code, deltas, successor, take, take_code},
};
use enigma_enclave::Worker;
use enigma_protocol::{
    Address, ScAddress,
    ipc::{AddressedDelta, Done as Taken, DoneDeltas, Request, Response, SnapshotKey, SnapshotMade},
    json::{Hex, U64},
    state::{EntryKind, StateEntry},
};

const ALICE: Address = Address([0xa1; 20]);

/// Calls that replace the whole state: the deltas of five of them weigh enough for a snapshot.
pub fn steps(network: &mut Network, worker: &dyn Machine, sc: ScAddress, count: u8) -> Vec<Task> {
    (0..count).map(|n| network.call(worker, sc, ALICE, "set(bytes)", &[n + 1; 59_000])).collect()
}

fn made(done: &Done) -> Option<(u64, u64)> {
    match &done.response {
        Response::ComputeTask { result } => {
            result.snapshot.map(|SnapshotMade { key: U64(key), parts: U64(parts) }| (key, parts))
        }
        other => panic!("{other:?}"),
    }
}

/// The parts of a contract's newest snapshot as a core gives them.
pub fn parts(worker: &dyn Machine, sc: ScAddress) -> Vec<AddressedDelta> {
    let mut parts = Vec::new();
    loop {
        let input = SnapshotKey { address: Hex(sc), part: Some(U64(parts.len() as u64)) };
        let Ok(Response::GetSnapshot { result }) = worker.ask(Request::GetSnapshot { input }) else { panic!() };
        parts.push(AddressedDelta { address: Hex(sc), key: result.key, data: result.data });
        if parts.len() as u64 == result.parts.0 {
            return parts;
        }
    }
}

fn entry_key(sc: ScAddress, index: u64) -> Vec<u8> {
    [b"entry/", sc.0.as_slice(), &index.to_be_bytes()].concat()
}

fn part_keys(store: &Memory) -> Vec<Vec<u8>> {
    store.snapshot().into_keys().filter(|key| key.starts_with(b"snapshot/")).collect()
}

fn restarted(network: &Network, store: &Memory, sc: ScAddress) -> Worker<TestTee, Memory> {
    let worker = network.worker(2, store);
    network.fetch_keys(&worker, &[sc]);
    worker
}

#[test]
fn a_snapshot_stands_in_the_chain_behind_the_delta_that_caused_it() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    let tasks = steps(&mut network, &worker, sc, 11);
    let done: Vec<Done> = tasks.iter().map(|task| task.run(&worker)).collect();
    let snapshots: Vec<_> = done.iter().enumerate().filter_map(|(number, done)| Some((number, made(done)?))).collect();
    assert_eq!(snapshots, [(4, (5, 1)), (9, (10, 1))]);
    assert_eq!(part_keys(&store).len(), 1, "only the newest one is kept");
    // The chain, as somebody without keys follows it.
    let part = StateEntry::from_bytes(&parts(&worker, sc)[0].data.0).unwrap();
    assert!(matches!(part.header.kind, EntryKind::Snapshot(_)));
    assert_eq!((part.header.index, part.header.task_id), (10, done[9].receipt.task_id));
    let entry = |delta: AddressedDelta| StateEntry::from_bytes(&delta.data.0).unwrap();
    let entries: Vec<_> = deltas(&worker, sc, 0, 12).into_iter().map(entry).collect();
    assert_eq!(entries[10].tip(), part.header.previous_tip);
    assert_eq!(part.tip(), entries[11].header.previous_tip);
    for (number, done) in done.iter().enumerate() {
        let delta = &entries[number + 1];
        assert_eq!(done.receipt.delta_index, delta.header.index);
        assert_eq!(done.receipt.previous_tip, delta.header.previous_tip);
        assert_eq!(done.receipt.tip == delta.tip(), made(done).is_none());
    }
    // Repeated, also by a new process, it is the same answer.
    let again = restarted(&network, &store, sc);
    for (task, done) in tasks.iter().zip(&done) {
        assert_eq!([&task.run(&worker), &task.run(&again)], [done, done]);
    }
}

#[test]
fn what_stands_before_the_newest_snapshot_is_not_needed() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    let tasks = steps(&mut network, &worker, sc, 10);
    tasks[..6].iter().for_each(|task| drop(task.run(&worker)));
    let mut kept = store.snapshot();
    for index in 0..=5 {
        assert!(kept.remove(&entry_key(sc, index)).is_some());
    }
    let without_history = Memory::from_snapshot(kept);
    let other = restarted(&network, &without_history, sc);
    // The same bytes, also of the next snapshot, whether the state was executed or loaded, and from wherever.
    for task in &tasks[6..9] {
        assert_eq!(task.run(&other), task.run(&worker));
    }
    let other = restarted(&network, &without_history, sc);
    assert_eq!(tasks[9].run(&other), tasks[9].run(&worker));
    assert_eq!(made(&tasks[9].run(&other)), Some((10, 1)));
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    assert_eq!(get.output(&get.run(&restarted(&network, &without_history, sc))), [10; 59_000]);
}

#[test]
fn a_snapshot_that_was_changed_is_not_loaded() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    steps(&mut network, &worker, sc, 6).iter().for_each(|task| drop(task.run(&worker)));
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    let code_on = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = store.snapshot();
        change(changed.get_mut(&part_keys(&store)[0]).unwrap());
        restarted(&network, &Memory::from_snapshot(changed), sc).refuses(get.request()).0
    };
    for position in [0, 31, 32, 150, 59_000] {
        assert_eq!(code_on(&|part| part[position] ^= 1), 23);
        assert_eq!(code_on(&|part| part.truncate(position)), 23);
    }
    let without = |key: Vec<u8>| {
        let mut changed = store.snapshot();
        changed.remove(&key).unwrap();
        restarted(&network, &Memory::from_snapshot(changed), sc).refuses(get.request()).0
    };
    assert_eq!([without(part_keys(&store).remove(0)), without(entry_key(sc, 6))], [23, 13]);
}

#[test]
fn a_snapshot_and_its_record_are_written_together_or_not_at_all() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    let tasks = steps(&mut network, &worker, sc, 10);
    tasks[..9].iter().for_each(|task| drop(task.run(&worker)));
    let before = store.snapshot();
    store.fail_commit(1);
    assert_eq!(tasks[9].try_run(&worker).unwrap_err().code, Some(20));
    assert_eq!(store.snapshot(), before);
    let done = tasks[9].run(&worker);
    assert_eq!(made(&done), Some((10, 1)));
    // A process that was killed before that goes on from what is there, and comes to the same.
    let store = Memory::from_snapshot(before);
    assert_eq!(tasks[9].run(&restarted(&network, &store, sc)), done);
    assert_eq!(part_keys(&store).len(), 1);
}

#[test]
fn a_successor_takes_over_from_a_snapshot() {
    let (mut network, _, first) = network();
    let sc = network.deployed(&first, &contract(), b"0");
    let tasks = steps(&mut network, &first, sc, 11);
    tasks[..7].iter().for_each(|task| drop(task.run(&first)));
    let (mut other, _, second) = successor(&network, 3);
    other.tell_km(&[sc]);
    other.fetch_keys(&second, &[sc]);
    assert_eq!(take_code(&second, sc, code(&first, sc)), Taken::default());
    assert_eq!(take(&second, &parts(&first, sc)), DoneDeltas::default());
    assert_eq!(take(&second, &deltas(&first, sc, 6, 8)), DoneDeltas::default());
    assert_eq!(advance(&second, closed(&first, sc, 8)), Ok(8));
    // Up to and behind the next snapshot.
    for task in &tasks[7..] {
        let (one, two) = (task.run(&first), task.run(&second));
        assert_eq!((&one.receipt, made(&one)), (&two.receipt, made(&two)));
    }
    assert_eq!(parts(&first, sc), parts(&second, sc));
    assert_eq!(parts(&first, sc)[0].key, U64(10));
}
