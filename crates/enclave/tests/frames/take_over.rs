//! Code and state that were made elsewhere: a core takes over, and refuses everything that is not the chain.

use crate::{
    harness::*,
    path::{network, signer},
};
use enigma_enclave::Worker;
use enigma_protocol::{
    Address, Hash, ScAddress,
    ipc::{
        AddressedDelta, AdvanceInput, BatchInput, Delta, DeltaField, DeltaRange, Done as Status, DoneDeltas, OneOrMany,
        Request, Response, SnapshotKey,
    },
    json::{ByteArray, Hex, Hex0x, U64},
    record::queue_genesis,
    state::{EntryKind, SnapshotPart, StateEntry, genesis_tip},
};
use serde_json::{Value, json};

const ALICE: Address = Address([0xa1; 20]);
const BOB: Address = Address([0xb0; 20]);

pub type Enclave = Worker<TestTee, Memory>;

/// Another worker that the same key manager serves, as if it had selected that one, and its network.
pub fn successor(network: &Network, seed: u8) -> (Network, Memory, Enclave) {
    let mut km = network.km_store.snapshot();
    km.retain(|key, _| key == b"identity");
    let store = Memory::default();
    let other = Network::on(Memory::from_snapshot(km), &[signer(seed, &store)]);
    assert_eq!(other.config, network.config);
    let worker = other.worker(seed, &store);
    (other, store, worker)
}

pub fn code(worker: &dyn Machine, sc: ScAddress) -> Vec<u8> {
    match worker.ask(Request::GetContract { input: one(sc) }) {
        Ok(Response::GetContract { result }) => result.bytecode.0,
        other => panic!("{other:?}"),
    }
}

/// The deltas `from..to` of a contract.
pub fn deltas(worker: &dyn Machine, sc: ScAddress, from: u64, to: u64) -> Vec<AddressedDelta> {
    let input = OneOrMany::One(DeltaRange { address: Hex(sc), from: U64(from), to: U64(to - 1) });
    match worker.ask(Request::GetDeltas { input }) {
        Ok(Response::GetDeltas { result }) => result.deltas,
        other => panic!("{other:?}"),
    }
}

pub fn take_code(worker: &dyn Machine, sc: ScAddress, code: Vec<u8>) -> Status {
    match worker.ask(Request::UpdateNewContract { address: Hex(sc), bytecode: ByteArray(code) }) {
        Ok(Response::UpdateNewContract { address, result }) if address.0 == sc => result,
        other => panic!("{other:?}"),
    }
}

pub fn take(worker: &dyn Machine, deltas: &[AddressedDelta]) -> DoneDeltas {
    match worker.ask(Request::UpdateDeltas { deltas: OneOrMany::Many(deltas.to_vec()) }) {
        Ok(Response::UpdateDeltas { result }) => result,
        other => panic!("{other:?}"),
    }
}

/// The codes of the entries that were refused, with their indices.
fn refused(done: &DoneDeltas) -> Vec<(u64, u16)> {
    assert_eq!(done.status, done.errors.first().map_or(0, |error| error.status));
    assert!(done.errors.iter().all(|error| !error.msg.is_empty()));
    done.errors.iter().map(|error| (error.key.0, error.status)).collect()
}

pub fn remove(worker: &dyn Machine, sc: ScAddress) -> u16 {
    match worker.ask(Request::RemoveContract { address: Hex(sc) }) {
        Ok(Response::RemoveContract { address, result }) if address.0 == sc => result.status,
        other => panic!("{other:?}"),
    }
}

pub fn cut(worker: &dyn Machine, sc: ScAddress, from: u64, to: u64) -> u16 {
    let input = OneOrMany::One(DeltaRange { address: Hex(sc), from: U64(from), to: U64(to) });
    match worker.ask(Request::RemoveDeltas { input }) {
        Ok(Response::RemoveDeltas { result }) => result.status,
        other => panic!("{other:?}"),
    }
}

/// What Ethereum has of a contract after its first `records` records, as the core that executed them signs it.
pub fn closed(worker: &dyn Machine, sc: ScAddress, records: u64) -> AdvanceInput {
    let input = BatchInput { contract_address: Hex(sc), first_record_index: U64(0), count: U64(records) };
    let Ok(Response::SignBatch { result }) = worker.ask(Request::SignBatch { input }) else { panic!() };
    AdvanceInput {
        contract_address: Hex(sc),
        records: U64(records),
        queue_head: result.head,
        tip: result.receipts.last().unwrap().tip,
        ledger_proof: None,
    }
}

pub fn advance(worker: &dyn Machine, input: AdvanceInput) -> Result<u64, u16> {
    match worker.ask(Request::AdvanceQueue { input }) {
        Ok(Response::AdvanceQueue { result }) => Ok(result.records.0),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(failure.code.unwrap()),
    }
}

/// A contract with five records, each with a delta, that `worker` executed.
pub fn five_records(network: &mut Network, worker: &dyn Machine) -> ScAddress {
    let sc = network.deployed(worker, &contract(), b"0");
    for n in 1..5u8 {
        network.call(worker, sc, BOB, "set(bytes)", &[n]).run(worker);
    }
    sc
}

/// The same with a successor that took over all of it.
fn taken_over() -> (Network, Enclave, ScAddress, Memory, Enclave) {
    let (mut network, _, first) = network();
    let sc = five_records(&mut network, &first);
    let (mut other, store, second) = successor(&network, 3);
    other.tell_km(&[sc]);
    other.fetch_keys(&second, &[sc]);
    assert_eq!(take_code(&second, sc, code(&first, sc)), Status::default());
    assert_eq!(take(&second, &deltas(&first, sc, 0, 5)), DoneDeltas::default());
    assert_eq!(advance(&second, closed(&first, sc, 5)), Ok(5));
    (network, first, sc, store, second)
}

#[test]
fn a_successor_goes_on_where_the_first_one_stopped() {
    for keys_first in [true, false] {
        let (mut network, _, first) = network();
        let sc = five_records(&mut network, &first);
        let next = network.call(&first, sc, ALICE, "set(bytes)", b"six");
        let get = network.call(&first, sc, ALICE, "get()", b"");
        let closed = closed(&first, sc, 5);

        let (mut other, store, second) = successor(&network, 3);
        other.tell_km(&[sc]);
        if keys_first {
            other.fetch_keys(&second, &[sc]);
        }
        assert_eq!(take_code(&second, sc, code(&first, sc)), Status::default());
        for delta in deltas(&first, sc, 0, 5) {
            assert_eq!(take(&second, &[delta]), DoneDeltas::default());
        }
        if keys_first {
            let (code, text) = second.refuses(next.request());
            assert!(code == 39 && text.contains("AdvanceQueue"), "{text}");
        }
        assert_eq!(advance(&second, closed.clone()), Ok(5));
        assert_eq!(advance(&second, closed.clone()), Ok(5), "repeating it changes nothing");
        if !keys_first {
            assert_eq!(second.refuses(next.request()).0, 10);
            other.fetch_keys(&second, &[sc]);
        }
        // It survives a restart, and everything can be read from the successor.
        drop(second);
        let second = other.worker(3, &store);
        other.fetch_keys(&second, &[sc]);
        assert_eq!(code(&second, sc), code(&first, sc));
        assert_eq!(deltas(&second, sc, 0, 5), deltas(&first, sc, 0, 5));

        for task in [&next, &get] {
            let (one, two) = (task.run(&first), task.run(&second));
            two.receipt.verify(&DOMAIN, &two.signature, second.signer()).unwrap();
            assert_ne!(one.signature, two.signature);
            assert_eq!((&one.receipt, &one.encrypted_output), (&two.receipt, &two.encrypted_output));
        }
        assert_eq!(get.output(&get.run(&second)), b"six");
        assert_eq!(deltas(&second, sc, 5, 6), deltas(&first, sc, 5, 6));
        // Records that were executed elsewhere are not answered, and none is executed again.
        let earlier = BatchInput { contract_address: Hex(sc), first_record_index: U64(0), count: U64(1) };
        assert_eq!(second.refuses(Request::SignBatch { input: earlier }).0, 13);
    }
}

#[test]
fn a_deployment_is_taken_with_its_delta_in_one() {
    let (mut network, _, first) = network();
    let sc = network.deployed(&first, &contract(), b"0");
    let (mut other, store, second) = successor(&network, 3);
    other.tell_km(&[sc]);
    other.fetch_keys(&second, &[sc]);
    let delta = deltas(&first, sc, 0, 1).remove(0);
    let update = |address: ScAddress, delta: &AddressedDelta, code: Vec<u8>| {
        let delta = DeltaField(Delta { key: delta.key, data: delta.data.clone() });
        let request =
            Request::UpdateNewContractOnDeployment { address: Hex(address), bytecode: ByteArray(code), delta };
        match second.ask(request) {
            Ok(Response::UpdateNewContractOnDeployment { result, .. }) => result.status,
            other => panic!("{other:?}"),
        }
    };
    // A delta that does not fit leaves no code behind.
    let before = store.snapshot();
    let mut forged = delta.clone();
    *forged.data.0.last_mut().unwrap() ^= 1;
    assert_eq!(update(sc, &forged, code(&first, sc)), 35);
    assert_eq!(update(ScAddress([7; 32]), &delta, code(&first, sc)), 32);
    assert_eq!(store.snapshot(), before);
    assert_eq!(update(sc, &delta, code(&first, sc)), 0);
    assert_eq!(update(sc, &delta, code(&first, sc)), 0, "repeating it changes nothing");
    assert_eq!(advance(&second, closed(&first, sc, 1)), Ok(1));
    let get = network.call(&first, sc, ALICE, "get()", b"");
    assert_eq!(get.output(&get.run(&second)), b"0");
}

#[test]
fn records_that_were_closed_without_execution_are_passed() {
    let (mut network, _, worker) = network();
    let sc = five_records(&mut network, &worker);
    let lost = network.call(&worker, sc, ALICE, "set(bytes)", b"lost");
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    assert_eq!(worker.refuses(get.request()).0, 11);
    let at = closed(&worker, sc, 5);
    let queue_head = enigma_protocol::record::queue_head(at.queue_head.0, lost.record.record_hash(&DOMAIN));
    let passed = AdvanceInput { records: U64(6), queue_head: Hex0x(queue_head), ..at.clone() };
    assert_eq!(advance(&worker, passed.clone()), Ok(6));
    assert_eq!(get.output(&get.run(&worker)), [4]);
    assert_eq!(worker.refuses(lost.request()).0, 13, "it is over, and was not executed");

    // Never back, and nothing else at the same place.
    assert_eq!(advance(&worker, at), Err(36));
    let get_done = closed_after(&passed, &get);
    assert_eq!(advance(&worker, passed), Err(36));
    assert_eq!(advance(&worker, get_done.clone()), Ok(7));
    let other_head = AdvanceInput { queue_head: Hex0x(Hash([9; 32])), ..get_done.clone() };
    assert_eq!(advance(&worker, other_head), Err(36));
    let other_tip = AdvanceInput { records: U64(8), tip: Hex0x(Hash([9; 32])), ..get_done.clone() };
    assert_eq!(advance(&worker, other_tip), Err(37));
    let proof = AdvanceInput { ledger_proof: Some(Hex(vec![1])), ..get_done };
    assert_eq!(advance(&worker, proof), Err(22));
}

fn closed_after(at: &AdvanceInput, task: &Task) -> AdvanceInput {
    let queue_head = enigma_protocol::record::queue_head(at.queue_head.0, task.record.record_hash(&DOMAIN));
    AdvanceInput { records: U64(at.records.0 + 1), queue_head: Hex0x(queue_head), ..at.clone() }
}

#[test]
fn the_hosts_word_counts_under_the_development_root_only() {
    let (mut network, _, worker) = network();
    let sc = five_records(&mut network, &worker);
    let (mut tee, store) = (TestTee::new(3), Memory::default());
    tee.protects = true;
    let protecting = network.worker_on(tee, &store);
    let (code, text) = protecting.refuses(Request::AdvanceQueue { input: closed(&worker, sc, 5) });
    assert!(code == 18 && text.contains("development root"), "{text}");
}

/// A core that has the code of a contract, the keys or not, and nothing else; what it makes of entries, and that it changes
/// nothing when it refuses.
struct Refusing {
    sc: ScAddress,
    entries: Vec<AddressedDelta>,
    store: Memory,
    second: Enclave,
    /// Serves `second` with keys.
    other: Network,
}

impl Refusing {
    fn new(with_keys: bool) -> (Self, Network, Enclave) {
        let (mut network, _, first) = network();
        let sc = five_records(&mut network, &first);
        let (mut other, store, second) = successor(&network, 3);
        other.tell_km(&[sc]);
        if with_keys {
            other.fetch_keys(&second, &[sc]);
        }
        assert_eq!(take_code(&second, sc, code(&first, sc)), Status::default());
        (Self { sc, entries: deltas(&first, sc, 0, 5), store, second, other }, network, first)
    }

    #[track_caller]
    fn refuses(&self, deltas: &[AddressedDelta], expected: &[(u64, u16)]) {
        let before = self.store.snapshot();
        assert_eq!(refused(&take(&self.second, deltas)), expected);
        assert_eq!(self.store.snapshot(), before, "nothing was changed");
    }

    /// An entry with another header or ciphertext.
    fn changed(&self, index: usize, change: impl FnOnce(&mut StateEntry)) -> AddressedDelta {
        let mut entry = StateEntry::from_bytes(&self.entries[index].data.0).unwrap();
        change(&mut entry);
        AddressedDelta { address: Hex(self.sc), key: U64(entry.header.index), data: ByteArray(entry.to_bytes()) }
    }
}

#[test]
fn a_gap_is_refused() {
    for with_keys in [true, false] {
        let (core, ..) = Refusing::new(with_keys);
        core.refuses(&core.entries[1..3], &[(1, 33), (2, 33)]);
        // What comes before the gap is taken.
        let with_gap = [&core.entries[..2], &core.entries[3..]].concat();
        assert_eq!(refused(&take(&core.second, &with_gap)), [(3, 33), (4, 33)]);
        assert_eq!(deltas(&core.second, core.sc, 0, 2), core.entries[..2]);
        assert_eq!(take(&core.second, &core.entries), DoneDeltas::default());
    }
}

#[test]
fn reordered_entries_are_refused() {
    let (core, ..) = Refusing::new(true);
    let mut reordered = core.entries.clone();
    reordered.swap(0, 1);
    assert_eq!(refused(&take(&core.second, &reordered)), [(1, 33), (2, 33), (3, 33), (4, 33)]);
    // Renamed to the other's place, as given and inside the entry.
    let renamed = AddressedDelta { key: U64(1), ..core.entries[2].clone() };
    core.refuses(&[renamed], &[(1, 32)]);
    core.refuses(&[core.changed(2, |entry| entry.header.index = 1)], &[(1, 34)]);
    let tip = StateEntry::from_bytes(&core.entries[0].data.0).unwrap().tip();
    let moved = core.changed(2, |entry| (entry.header.index, entry.header.previous_tip) = (1, tip));
    core.refuses(&[moved], &[(1, 35)]);
}

#[test]
fn forged_entries_are_refused() {
    let (core, ..) = Refusing::new(true);
    for forged in [
        core.changed(0, |entry| entry.ciphertext[7] ^= 1),
        core.changed(0, |entry| entry.nonce[0] ^= 1),
        core.changed(0, |entry| entry.header.task_id.0[0] ^= 1),
        core.changed(0, |entry| entry.ciphertext = vec![7; 528]),
    ] {
        core.refuses(&[forged], &[(0, 35)]);
    }
    core.refuses(&[core.changed(0, |entry| entry.header.previous_tip.0[0] ^= 1)], &[(0, 34)]);
    let garbage = |data: Vec<u8>| AddressedDelta { address: Hex(core.sc), key: U64(0), data: ByteArray(data) };
    core.refuses(
        &[garbage(Vec::new()), garbage(vec![1; 200]), garbage(vec![2; 2 << 20])],
        &[(0, 32), (0, 32), (0, 32)],
    );
    let longer = garbage([&core.entries[0].data.0[..], &[0]].concat());
    core.refuses(&[longer], &[(0, 32)]);
    // Another entry where one is already.
    assert_eq!(take(&core.second, &core.entries[..1]), DoneDeltas::default());
    core.refuses(&[core.changed(0, |entry| entry.ciphertext[7] ^= 1)], &[(0, 34)]);
}

#[test]
fn forged_entries_are_found_out_when_the_key_comes() {
    let (core, mut network, first) = Refusing::new(false);
    let forged = core.changed(0, |entry| entry.ciphertext[7] ^= 1);
    let tip = StateEntry::from_bytes(&forged.data.0).unwrap().tip();
    assert_eq!(take(&core.second, &[forged]), DoneDeltas::default());
    let at = AdvanceInput { tip: Hex0x(tip), ..closed(&first, core.sc, 1) };
    assert_eq!(advance(&core.second, at), Ok(1));
    core.other.fetch_keys(&core.second, &[core.sc]);
    let mut next = network.call(&first, core.sc, ALICE, "get()", b"");
    next.record.record_index = 1;
    let (code, text) = core.second.refuses(next.request());
    assert!(code == 35 && text.contains("forged"), "{text}");
}

#[test]
fn entries_of_other_code_are_refused() {
    let (core, ..) = Refusing::new(true);
    let (mut network, _, first) = network();
    // The same contract with other code: its chain begins with another genesis, and its key is another.
    let other_code = code(&first, network.deployed(&first, &small_contract(), b""));
    assert_eq!(take_code(&core.second, ScAddress([5; 32]), other_code.clone()), Status::default());
    let genesis = genesis_tip(core.sc, enigma_protocol::hash::keccak256(&other_code));
    core.refuses(&[core.changed(0, |entry| entry.header.previous_tip = genesis)], &[(0, 34)]);

    assert_eq!(remove(&core.second, core.sc), 0);
    assert_eq!(take_code(&core.second, core.sc, other_code), Status::default());
    core.refuses(&core.entries[..1], &[(0, 34)]);
    core.refuses(&[core.changed(0, |entry| entry.header.previous_tip = genesis)], &[(0, 35)]);
}

fn small_contract() -> Vec<u8> {
    wat::parse_str(
        "(module (memory (export \"memory\") 1) (func (export \"enigma_abi_1\"))
         (func (export \"deploy\")) (func (export \"call\")))",
    )
    .unwrap()
}

#[test]
fn entries_of_other_contracts_generations_and_keys_are_refused() {
    let (core, mut network, first) = Refusing::new(true);
    let other = network.deployed(&first, &contract(), b"other");
    let theirs = deltas(&first, other, 0, 1).remove(0);
    let claimed = AddressedDelta { address: Hex(core.sc), ..theirs.clone() };
    core.refuses(&[claimed], &[(0, 32)]);
    core.refuses(&[theirs], &[(0, 13)]);
    core.refuses(&[core.changed(0, |entry| entry.header.generation = 1)], &[(0, 32)]);
    // The same contract in a network with another key manager: everything fits but the key.
    let store = Memory::default();
    let mut elsewhere = Network::new(&[signer(2, &store)]);
    let worker = elsewhere.worker(2, &store);
    let sc = elsewhere.deployed(&worker, &contract(), b"0");
    let entry = deltas(&worker, sc, 0, 1).remove(0);
    assert!(sc == core.sc && elsewhere.config != network.config);
    core.refuses(&[entry], &[(0, 35)]);
}

#[test]
fn a_second_code_for_one_address_is_refused() {
    let (core, mut network, first) = Refusing::new(true);
    let before = core.store.snapshot();
    let other = code(&first, network.deployed(&first, &small_contract(), b""));
    let refused = take_code(&core.second, core.sc, other.clone());
    assert!(refused.status == 31 && refused.msg.is_some());
    assert_eq!(core.store.snapshot(), before);
    // Nor for what was executed here.
    let sc = five_records(&mut network, &first);
    assert_eq!(take_code(&first, sc, other.clone()).status, 31);
    assert_eq!(take_code(&first, sc, code(&first, sc)), Status::default());
    assert_eq!(remove(&first, sc), 0);
    assert_eq!(take_code(&first, sc, other).status, 31, "also after it was removed");
    // What is no exeCode is refused before anything else.
    for garbage in [vec![], b"\0asm\x01\0\0\0".to_vec(), contract(), vec![0; 3 << 20]] {
        assert_eq!(take_code(&core.second, ScAddress([8; 32]), garbage).status, 30);
    }
}

#[test]
fn code_without_state_is_not_executed() {
    let (mut network, _, first) = network();
    let sc = network.deployed(&first, &small_contract(), b"");
    let (mut other, _, second) = successor(&network, 3);
    other.tell_km(&[sc]);
    other.fetch_keys(&second, &[sc]);
    assert_eq!(take_code(&second, sc, code(&first, sc)), Status::default());
    assert_eq!(advance(&second, closed(&first, sc, 1)), Err(38));
    let call = network.call(&first, sc, ALICE, "f()", b"");
    assert_eq!(second.refuses(call.request()).0, 39);
    // Nor is its own deployment: the address is taken until it is given up.
    let genesis = AdvanceInput {
        contract_address: Hex(sc),
        records: U64(0),
        queue_head: Hex0x(queue_genesis(sc)),
        tip: closed(&first, sc, 1).tip,
        ledger_proof: None,
    };
    assert_eq!(advance(&second, genesis), Err(38));
    assert_eq!(remove(&second, sc), 0);
    assert_eq!(remove(&second, sc), 13);
}

#[test]
fn what_was_executed_is_not_rolled_back() {
    let (mut network, first, sc, store, second) = taken_over();
    let six = network.call(&first, sc, ALICE, "set(bytes)", b"six");
    let before = closed(&first, sc, 5);
    six.run(&first);
    six.run(&second);
    let all = deltas(&first, sc, 0, 6);
    let snapshot = store.snapshot();
    for (from, to) in [(5, 5), (3, 5), (0, u64::MAX)] {
        assert_eq!(cut(&second, sc, from, to), 36);
    }
    assert_eq!(store.snapshot(), snapshot);

    // Everything removed and taken in again: nothing is executed on an older state.
    assert_eq!(remove(&second, sc), 0);
    let gone = Request::GetTip { input: one(sc) };
    assert_eq!(second.refuses(gone.clone()).0, 13);
    assert_eq!(refused(&take(&second, &all[..1])), [(0, 13)], "the code comes first");
    assert_eq!(take_code(&second, sc, code(&first, sc)), Status::default());
    assert_eq!(take(&second, &all[..5]), DoneDeltas::default());
    assert_eq!(advance(&second, before.clone()), Err(36));
    let later = AdvanceInput { records: U64(6), queue_head: closed_after(&before, &six).queue_head, ..before };
    assert_eq!(advance(&second, later), Err(36), "the tip of five records is behind the floor");
    let seven = network.call(&first, sc, ALICE, "set(bytes)", b"seven");
    assert_eq!(second.refuses(seven.request()).0, 39);

    // Another chain of the same length, from another worker that was given other records, does not pass it either.
    let (mut other_network, _, third) = successor(&network, 4);
    other_network.tell_km(&[sc]);
    other_network.fetch_keys(&third, &[sc]);
    take_code(&third, sc, code(&first, sc));
    take(&third, &all[..5]);
    advance(&third, closed(&first, sc, 5)).unwrap();
    let mut forked = network.call(&first, sc, BOB, "set(bytes)", b"fork");
    forked.record.record_index = 5;
    let mut fork_end = network.call(&first, sc, BOB, "set(bytes)", b"end");
    fork_end.record.record_index = 6;
    forked.run(&third);
    fork_end.run(&third);
    let fork = deltas(&third, sc, 5, 7);
    assert_eq!(refused(&take(&second, &fork)), [(6, 36)]);
    let input = BatchInput { contract_address: Hex(sc), first_record_index: U64(5), count: U64(1) };
    let Ok(Response::SignBatch { result }) = third.ask(Request::SignBatch { input }) else { panic!() };
    let forked = AdvanceInput {
        records: U64(6),
        queue_head: result.head,
        tip: result.receipts[0].tip,
        contract_address: Hex(sc),
        ledger_proof: None,
    };
    assert_eq!(advance(&second, forked), Err(36));

    // The chain that was executed does.
    assert_eq!(cut(&second, sc, 5, u64::MAX), 36, "not even while it is only taken in");
    assert_eq!(remove(&second, sc), 0);
    assert_eq!(take_code(&second, sc, code(&first, sc)), Status::default());
    assert_eq!(take(&second, &all), DoneDeltas::default());
    assert_eq!(advance(&second, closed(&first, sc, 6)), Ok(6));
    let mut seven = seven;
    seven.record.record_index = 6;
    assert_eq!(seven.run(&second).receipt.record_index, 6);
}

#[test]
fn ends_of_chains_are_removed_and_nothing_else() {
    let (core, ..) = Refusing::new(true);
    let (second, sc) = (&core.second, core.sc);
    assert_eq!(take(second, &core.entries), DoneDeltas::default());
    for (from, to, code) in [(1, 3, 33), (0, 0, 33), (5, 5, 13), (3, 2, 13), (u64::MAX, u64::MAX, 13)] {
        let before = core.store.snapshot();
        assert_eq!(cut(second, sc, from, to), code, "{from} {to}");
        assert_eq!(core.store.snapshot(), before);
    }
    assert_eq!(cut(second, ScAddress([9; 32]), 0, 1), 13);
    assert_eq!(cut(second, sc, 3, 4), 0);
    assert_eq!(
        second
            .refuses(Request::GetDeltas {
                input: OneOrMany::One(DeltaRange { address: Hex(sc), from: U64(3), to: U64(3) })
            })
            .0,
        13
    );
    assert_eq!(take(second, &core.entries), DoneDeltas::default());
    assert_eq!(cut(second, sc, 0, u64::MAX), 0);
    assert_eq!(take(second, &core.entries), DoneDeltas::default());
    assert_eq!(deltas(second, sc, 0, 5), core.entries);
}

#[test]
fn a_core_that_lost_a_commit_of_an_import_goes_on() {
    let (mut network, _, first) = network();
    let sc = five_records(&mut network, &first);
    let next = network.call(&first, sc, ALICE, "get()", b"");
    let (mut other, store, second) = successor(&network, 3);
    other.tell_km(&[sc]);
    other.fetch_keys(&second, &[sc]);
    let failing = |act: &dyn Fn() -> u16| {
        let before = store.snapshot();
        store.fail_commit(1);
        assert_eq!(act(), 20);
        assert_eq!(store.snapshot(), before);
        assert_eq!(act(), 0);
    };
    failing(&|| take_code(&second, sc, code(&first, sc)).status);
    failing(&|| take(&second, &deltas(&first, sc, 0, 5)).status);
    failing(&|| cut(&second, sc, 4, 4));
    failing(&|| take(&second, &deltas(&first, sc, 4, 5)).status);
    failing(&|| advance(&second, closed(&first, sc, 5)).err().unwrap_or_default());
    assert_eq!(next.output(&next.run(&second)), [4]);
    failing(&|| remove(&second, sc));
}

/// The frames of the published set and their relatives: where it is loose, each form is read, and one is given.
#[test]
fn every_form_of_the_writing_messages_is_read() {
    let (mut network, _, first) = network();
    let sc = five_records(&mut network, &first);
    let (mut other, _, second) = successor(&network, 3);
    other.tell_km(&[sc]);
    other.fetch_keys(&second, &[sc]);
    let ask =
        |frame: &Value| -> Value { serde_json::from_slice(&second.handle(frame.to_string().as_bytes())).unwrap() };
    let (bytes, address) = (code(&first, sc), hex::encode(sc.0));
    let entries = deltas(&first, sc, 0, 5);
    let (data, text) = (&entries[0].data.0, hex::encode(&entries[0].data.0));
    let gone = || assert_eq!(remove(&second, sc), 0);

    for frame in [
        json!({"address": address, "bytecode": bytes}),
        json!({"address": format!("0x{address}"), "bytecode": hex::encode(&bytes)}),
        json!({"input": {"address": address, "bytecode": bytes}}),
        json!({"address": address, "input": {"bytecode": hex::encode(&bytes)}}),
    ] {
        let frame = with(frame, "UpdateNewContract");
        let expected = json!({"id": "1", "type": "UpdateNewContract", "address": address, "result": {"status": 0}});
        assert_eq!(ask(&frame), expected);
        gone();
    }
    for delta in [
        json!([0, data]),
        json!(["0", text]),
        json!({"key": 0, "data": data}),
        json!({"key": "0", "data": text}),
        json!([{"key": 0, "data": text}]),
    ] {
        for frame in [
            json!({"address": address, "bytecode": hex::encode(&bytes), "delta": delta}),
            json!({"input": {"address": address, "bytecode": hex::encode(&bytes), "delta": delta}}),
        ] {
            let reply = ask(&with(frame, "UpdateNewContractOnDeployment"));
            let expected = json!({"id": "1", "type": "UpdateNewContractOnDeployment", "address": address,
                "result": {"status": 0}});
            assert_eq!(reply, expected, "{delta}");
            gone();
        }
    }
    let one = json!({"address": address, "key": 0, "data": data});
    let by_text = json!({"address": address, "key": "0", "data": text});
    for frame in [
        json!({"deltas": [one]}),
        json!({"deltas": one}),
        json!({"deltas": [by_text]}),
        json!({"input": [one]}),
        json!({"input": one}),
        json!({"input": {"deltas": [by_text]}}),
    ] {
        take_code(&second, sc, bytes.clone());
        let reply = ask(&with(frame.clone(), "UpdateDeltas"));
        let expected = json!({"id": "1", "type": "UpdateDeltas", "result": {"status": 0, "errors": []}});
        assert_eq!(reply, expected, "{frame}");
        assert_eq!(deltas(&second, sc, 0, 1), entries[..1]);
        gone();
    }
    for frame in [
        json!({"address": address}),
        json!({"input": address}),
        json!({"input": [address]}),
        json!({"input": {"address": address}}),
        json!({"input": [{"address": address}]}),
    ] {
        take_code(&second, sc, bytes.clone());
        let expected = json!({"id": "1", "type": "RemoveContract", "address": address, "result": {"status": 0}});
        assert_eq!(ask(&with(frame, "RemoveContract")), expected);
    }
    let range = json!({"address": address, "from": 3, "to": 4});
    for input in [json!([range]), range] {
        take_code(&second, sc, bytes.clone());
        take(&second, &entries);
        let expected = json!({"id": "1", "type": "RemoveDeltas", "result": {"status": 0, "errors": []}});
        assert_eq!(ask(&with(json!({"input": input}), "RemoveDeltas")), expected);
    }
    // Refusals in the form of each.
    let reply = ask(&with(json!({"deltas": [{"address": "07".repeat(32), "key": 5, "data": []}]}), "UpdateDeltas"));
    assert_eq!((&reply["result"]["status"], &reply["result"]["errors"][0]["status"]), (&json!(13), &json!(13)));
    assert_eq!(reply["result"]["errors"][0]["address"], "07".repeat(32));
    let reply = ask(&with(json!({"address": "07".repeat(32)}), "RemoveContract"));
    assert_eq!((&reply["address"], &reply["result"]["status"]), (&json!("07".repeat(32)), &json!(13)));
    for (request, frame) in [
        ("UpdateNewContract", json!({"address": address})),
        ("UpdateNewContract", json!({"bytecode": []})),
        ("UpdateNewContract", json!({"address": "00", "bytecode": []})),
        ("UpdateNewContractOnDeployment", json!({"address": address, "bytecode": []})),
        ("UpdateNewContractOnDeployment", json!({"address": address, "bytecode": [], "delta": []})),
        ("UpdateNewContractOnDeployment", json!({"address": address, "bytecode": [], "delta": [0]})),
        ("UpdateNewContractOnDeployment", json!({"address": address, "bytecode": [], "delta": [0, [], 1]})),
        ("RemoveContract", json!({})),
        ("RemoveContract", json!({"input": []})),
        ("UpdateDeltas", json!({})),
        ("UpdateDeltas", json!({"input": {}})),
        ("UpdateDeltas", json!({"deltas": [[]]})),
        ("RemoveDeltas", json!({})),
        ("AdvanceQueue", json!({"input": {}})),
    ] {
        let reply = ask(&with(frame.clone(), request));
        assert_eq!((&reply["code"], &reply["type"]), (&json!(3), &json!(request)), "{frame}: {reply}");
    }
    let many = vec![json!({"address": address, "key": 0, "data": ""}); 1_025];
    assert_eq!(ask(&with(json!({"deltas": many}), "UpdateDeltas"))["code"], 4);
}

fn with(mut fields: Value, request_type: &str) -> Value {
    fields["id"] = "1".into();
    fields["type"] = request_type.into();
    fields
}

/// A contract whose calls write 200 KB under a key of one letter, the first of their arguments.
fn large_contract() -> Vec<u8> {
    let text = r#"(module
      (import "enigma" "args_len" (func $args_len (result i32)))
      (import "enigma" "args_read" (func $args_read (param i32)))
      (import "enigma" "state_set" (func $state_set (param i32 i32 i32 i32)))
      (memory (export "memory") 4)
      (func (export "enigma_abi_1"))
      (func (export "deploy"))
      (func (export "call")
        (call $args_read (i32.const 0))
        (call $state_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 200000))))"#;
    wat::parse_str(text).unwrap()
}

fn snapshot(worker: &dyn Machine, sc: ScAddress) -> Vec<AddressedDelta> {
    let (mut parts, mut next) = (Vec::new(), Some(U64(0)));
    while let Some(part) = next {
        let input = SnapshotKey { address: Hex(sc), part: Some(part) };
        let Ok(Response::GetSnapshot { result }) = worker.ask(Request::GetSnapshot { input }) else { panic!() };
        assert_eq!((result.address.0, result.part), (sc, part));
        parts.push(AddressedDelta { address: result.address, key: result.key, data: result.data });
        assert_eq!(result.next.is_none(), parts.len() as u64 == result.parts.0);
        next = result.next;
    }
    parts
}

/// Deploys the large contract and writes under these keys.
fn large(network: &mut Network, worker: &dyn Machine, keys: &[u8]) -> ScAddress {
    network.gas_limit = 10_000_000;
    let sc = network.deployed(worker, &large_contract(), b"");
    write_large(network, worker, sc, keys);
    sc
}

/// A call that writes under a key; never the same twice, which would leave no delta.
fn write(network: &mut Network, worker: &dyn Machine, sc: ScAddress, key: u8) -> Task {
    let n = network.nonce(BOB).to_be_bytes();
    network.call(worker, sc, BOB, "write(bytes)", &[&[key], &n[..]].concat())
}

fn write_large(network: &mut Network, worker: &dyn Machine, sc: ScAddress, keys: &[u8]) {
    for key in keys {
        let done = write(network, worker, sc, *key).run(worker);
        assert_eq!(done.receipt.status as u8, 0);
    }
}

#[test]
fn a_successor_begins_with_a_snapshot_and_makes_the_next_one() {
    let (mut network, _, first) = network();
    // Two deltas of 200 KB weigh more than the state: a snapshot stands behind the second. One delta more.
    let sc = large(&mut network, &first, b"aab");
    let parts = snapshot(&first, sc);
    assert_eq!((parts.len(), parts[0].key), (1, U64(1)));
    let later = deltas(&first, sc, 2, 3);
    let (mut other, store, second) = successor(&network, 3);
    other.tell_km(&[sc]);
    other.fetch_keys(&second, &[sc]);
    take_code(&second, sc, code(&first, sc));
    assert_eq!(take(&second, &parts), DoneDeltas::default());
    let input = OneOrMany::One(Hex(sc));
    let Ok(Response::GetTip { result }) = second.ask(Request::GetTip { input }) else { panic!() };
    assert_eq!((result.key, &result.data), (U64(1), &parts[0].data), "nothing but the snapshot is here");
    assert_eq!(take(&second, &later), DoneDeltas::default());
    assert_eq!(take(&second, &[&parts[..], &later[..]].concat()), DoneDeltas::default(), "again, all of it");
    assert_eq!(advance(&second, closed(&first, sc, 4)), Ok(4));
    // What stands before the snapshot is not here, and is not needed.
    let before = OneOrMany::One(DeltaRange { address: Hex(sc), from: U64(1), to: U64(1) });
    assert_eq!(second.refuses(Request::GetDeltas { input: before }).0, 13);
    assert_eq!(refused(&take(&second, &deltas(&first, sc, 1, 2))), [(1, 33)]);

    // The same from here on, the next snapshot and a restart included.
    let mut tasks = Vec::new();
    for key in b"cabcb" {
        tasks.push(write(&mut network, &first, sc, *key));
    }
    for (n, task) in tasks.iter().enumerate() {
        let (one, two) = (task.run(&first), task.run(&second));
        assert_eq!((&one.receipt, &one.encrypted_output), (&two.receipt, &two.encrypted_output));
        assert_eq!(n < 2, snapshot(&first, sc) == parts);
        assert_eq!(snapshot(&first, sc), snapshot(&second, sc));
    }
    drop(second);
    let second = other.worker(3, &store);
    other.fetch_keys(&second, &[sc]);
    let task = write(&mut network, &first, sc, b'z');
    assert_eq!(task.run(&first).receipt, task.run(&second).receipt);
}

#[test]
fn parts_of_a_snapshot_come_complete_and_in_order() {
    let (mut network, _, first) = network();
    let sc = large(&mut network, &first, b"abcdef");
    let mut records = 7;
    // A state of more than 1 MiB has a snapshot of two parts some time.
    loop {
        records += 1;
        let Response::ComputeTask { result } = write(&mut network, &first, sc, b'a').run(&first).response else {
            panic!()
        };
        if result.snapshot.is_some_and(|made| made.parts == U64(2)) {
            break;
        }
        assert!(records < 30);
    }
    let parts = snapshot(&first, sc);
    let other_contract = large(&mut network, &first, b"aa");
    let others = snapshot(&first, other_contract);
    let index = parts[0].key.0;
    let (mut other, store, second) = successor(&network, 3);
    other.tell_km(&[sc]);
    other.fetch_keys(&second, &[sc]);
    take_code(&second, sc, code(&first, sc));
    let refuses = |entries: &[AddressedDelta], expected: &[(u64, u16)]| {
        let before = store.snapshot();
        assert_eq!(refused(&take(&second, entries)), expected);
        assert_eq!(store.snapshot(), before);
    };
    let forged = |part: usize, change: &dyn Fn(&mut StateEntry)| {
        let mut entry = StateEntry::from_bytes(&parts[part].data.0).unwrap();
        change(&mut entry);
        AddressedDelta { data: ByteArray(entry.to_bytes()), ..parts[part].clone() }
    };
    // Not the second part first, not another contract's, nothing changed.
    refuses(&parts[1..], &[(index, 33)]);
    refuses(&[AddressedDelta { address: Hex(sc), ..others[0].clone() }], &[(others[0].key.0, 32)]);
    refuses(&[forged(0, &|entry| entry.ciphertext[100] ^= 1)], &[(index, 35)]);
    refuses(&[forged(0, &|entry| entry.header.previous_tip.0[0] ^= 1)], &[(index, 35)]);
    let fewer = |entry: &mut StateEntry| entry.header.kind = EntryKind::Snapshot(SnapshotPart { part: 0, parts: 1 });
    refuses(&[forged(0, &fewer)], &[(index, 35)]);

    assert_eq!(take(&second, &parts[..1]), DoneDeltas::default());
    assert_eq!(take(&second, &parts[..1]), DoneDeltas::default(), "again");
    refuses(&[forged(0, &|entry| entry.ciphertext[100] ^= 1)], &[(index, 34)]);
    refuses(&[forged(1, &|entry| entry.ciphertext[100] ^= 1)], &[(index, 35)]);
    refuses(&[forged(1, &|entry| entry.header.previous_tip.0[0] ^= 1)], &[(index, 34)]);
    refuses(&deltas(&first, sc, 0, 1), &[(0, 33)]);
    // Half a snapshot is no state.
    let at = closed(&first, sc, records);
    assert_eq!(advance(&second, at.clone()), Err(37));
    assert_eq!(second.refuses(Request::GetSnapshot { input: SnapshotKey { address: Hex(sc), part: None } }).0, 13);
    // It can be given up for another beginning.
    assert_eq!(cut(&second, sc, 0, u64::MAX), 0);
    assert_eq!(cut(&second, sc, 0, u64::MAX), 13);
    assert_eq!(take(&second, &deltas(&first, sc, 0, 2)), DoneDeltas::default());
    assert_eq!(cut(&second, sc, 0, u64::MAX), 0);
    assert_eq!(take(&second, &parts), DoneDeltas::default());
    assert_eq!(cut(&second, sc, index + 1, u64::MAX), 13);
    assert_eq!(advance(&second, at), Ok(records));
    let task = write(&mut network, &first, sc, b'z');
    assert_eq!(task.run(&first).receipt, task.run(&second).receipt);
}

#[test]
fn a_chain_that_begins_behind_what_was_executed_is_refused() {
    let (mut network, _, first) = network();
    let sc = large(&mut network, &first, b"aab");
    let (old, later) = (snapshot(&first, sc), deltas(&first, sc, 2, 3));
    let (mut other, _, second) = successor(&network, 3);
    other.tell_km(&[sc]);
    other.fetch_keys(&second, &[sc]);
    let code = code(&first, sc);
    take_code(&second, sc, code.clone());
    assert_eq!(take(&second, &[&old[..], &later[..]].concat()), DoneDeltas::default());
    assert_eq!(advance(&second, closed(&first, sc, 4)), Ok(4));
    let place = closed(&first, sc, 4);
    write_large(&mut network, &first, sc, b"aaa");
    let new = snapshot(&first, sc);
    assert!(new[0].key.0 > 3);
    // Nor may a snapshot stand behind a state from which was executed, when none does.
    assert_eq!(refused(&take(&second, &new))[0].1, 33);
    assert_eq!(remove(&second, sc), 0);
    take_code(&second, sc, code);
    assert_eq!(refused(&take(&second, &new))[0].1, 36, "that it leads through what was executed cannot be seen");
    assert_eq!(take(&second, &old), DoneDeltas::default());
    assert_eq!(
        advance(
            &second,
            AdvanceInput {
                tip: Hex0x(StateEntry::from_bytes(&later[0].data.0).unwrap().header.previous_tip),
                ..place.clone()
            }
        ),
        Err(36),
        "behind the floor"
    );
    assert_eq!(take(&second, &later), DoneDeltas::default());
    assert_eq!(advance(&second, place), Ok(4));
}
