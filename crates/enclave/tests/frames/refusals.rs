//! What is refused, or ends without an output, and changes nothing.

use crate::{harness::*, path::network};
use enigma_protocol::{
    Address, ScAddress,
    ipc::{ComputeInput, Request, Response},
    json::{Hex, U64},
    receipt::{MINIMUM_GAS, Status},
};

const ALICE: Address = Address([0xa1; 20]);
const MALLORY: Address = Address([0x66; 20]);

fn is_undecryptable(done: &Done) {
    assert!(matches!(done.response, Response::FailedTask { .. }));
    assert_eq!((done.receipt.status, done.receipt.gas_used), (Status::Undecryptable, MINIMUM_GAS));
    assert_eq!(done.receipt.tip, done.receipt.previous_tip);
    assert!(done.encrypted_output.is_empty());
}

#[test]
fn an_input_that_is_not_the_recorded_one() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"kept");
    let task = network.call(&worker, sc, ALICE, "set(bytes)", b"changed");
    let before = store.snapshot();
    let change = |change: &dyn Fn(&mut ComputeInput)| {
        let Request::ComputeTask { mut input } = task.request() else { panic!() };
        change(&mut input);
        let (code, text) = worker.refuses(Request::ComputeTask { input });
        assert_eq!(store.snapshot(), before, "{text}");
        code
    };
    let codes = [
        change(&|input| input.encrypted_args.0[100] ^= 1),
        change(&|input| input.encrypted_fn.0[0] ^= 1),
        change(&|input| input.user_dh_key.0[0] ^= 1),
        change(&|input| input.suite = Some(2)),
        change(&|input| input.gas_limit = U64(GAS + 1)),
        change(&|input| input.contract_address = Hex(ScAddress([9; 32]))),
        change(&|input| input.record.as_mut().unwrap().inputs_hash.0.0[0] ^= 1),
        change(&|input| input.record.as_mut().unwrap().sender.0 = MALLORY),
        change(&|input| input.record.as_mut().unwrap().sender_nonce = U64(9)),
        change(&|input| input.record.as_mut().unwrap().epoch = U64(2)),
        change(&|input| input.record.as_mut().unwrap().record_index = U64(0)),
    ];
    assert_eq!(codes, [12; 11]);
    assert_eq!(change(&|input| input.record.as_mut().unwrap().record_index = U64(2)), 11);
    assert_eq!(change(&|input| input.ledger_proof = Some(Hex(vec![1]))), 22);
    // Nothing of that harmed the task.
    assert_eq!(task.run(&worker).receipt.status, Status::Success);
}

#[test]
fn a_ciphertext_that_was_changed_before_it_was_recorded() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"kept");
    let spoil: [&dyn Fn(&mut Task); 6] = [
        &|task| task.input.encrypted_args[0] ^= 1,
        &|task| task.input.encrypted_fn[0] ^= 1,
        &|task| task.input.user_dh_key[0] ^= 1,
        &|task| task.input.user_dh_key.truncate(31),
        &|task| task.input.encrypted_args.clear(),
        &|task| task.input.suite = 2,
    ];
    for spoil in spoil {
        let mut task = network.call(&worker, sc, ALICE, "set(bytes)", b"changed");
        spoil(&mut task);
        task.record.inputs_hash = task.input.inputs_hash();
        is_undecryptable(&task.run(&worker));
    }
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    assert_eq!(get.output(&get.run(&worker)), b"kept");
}

#[test]
fn another_users_ciphertext() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"kept");
    let alices = network.call(&worker, sc, ALICE, "echo(bytes)", b"a secret of Alice");
    // Mallory records the same ciphertext under her own name, with all hashes right.
    let mut input = alices.input.clone();
    let sender_nonce = network.nonce(MALLORY);
    input.task_id = enigma_protocol::task::task_id(&DOMAIN, MALLORY, sender_nonce);
    let record = network.record(sc, MALLORY, input.inputs_hash());
    let user = enigma_protocol::sealing::ResponseKey::from_bytes(&[0; 64]).unwrap();
    let mallorys = Task { record, input, response_key: user };
    let done = alices.run(&worker);
    assert_eq!(alices.output(&done), b"a secret of Alice");
    is_undecryptable(&mallorys.run(&worker));
    assert!(mallorys.response_key.open(&done.encrypted_output).is_err());
}

#[test]
fn a_ciphertext_for_another_contract_or_epoch() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"kept");
    let other = network.deployed(&worker, &contract(), b"kept");
    let mut task = network.call(&worker, sc, ALICE, "get()", b"");
    let meant = network.call(&worker, other, ALICE, "get()", b"");
    task.input.encrypted_args = meant.input.encrypted_args;
    task.input.encrypted_fn = meant.input.encrypted_fn;
    task.input.user_dh_key = meant.input.user_dh_key;
    task.record.inputs_hash = task.input.inputs_hash();
    is_undecryptable(&task.run(&worker));

    // Sealed in epoch 1, recorded in epoch 2.
    let sealed = network.call(&worker, sc, ALICE, "get()", b"");
    network.next_epoch();
    network.fetch_keys(&worker, &[sc]);
    let mut late = sealed;
    late.record.epoch = 2;
    late.input.epoch = 2;
    late.record.inputs_hash = late.input.inputs_hash();
    is_undecryptable(&late.run(&worker));
    // A task that was recorded in the last epoch and comes late is executed.
    network.epoch = 1;
    let recorded_before = network.call(&worker, sc, ALICE, "get()", b"");
    network.epoch = 2;
    assert_eq!(recorded_before.output(&recorded_before.run(&worker)), b"kept");
}

#[test]
fn records_out_of_their_order() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"kept");
    let first = network.call(&worker, sc, ALICE, "set(bytes)", b"1");
    let second = network.call(&worker, sc, ALICE, "set(bytes)", b"2");
    let before = store.snapshot();
    let (code, text) = worker.refuses(second.request());
    assert_eq!(code, 11);
    assert!(text.contains("record 1 is next"), "{text}");
    assert_eq!(store.snapshot(), before);
    first.run(&worker);
    second.run(&worker);

    // Another record in the place of an executed one.
    let mut forged = network.call(&worker, sc, MALLORY, "set(bytes)", b"3");
    forged.record.record_index = 1;
    let before = store.snapshot();
    assert_eq!(worker.refuses(forged.request()).0, 11);
    assert_eq!(store.snapshot(), before);

    let unknown = network.future_contract(MALLORY);
    network.fetch_keys(&worker, &[unknown]);
    let mut stray = network.call(&worker, unknown, ALICE, "get()", b"");
    stray.record.record_index = 5;
    assert_eq!(worker.refuses(stray.request()).0, 13);
}

#[test]
fn requests_without_the_additions_are_for_development() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"kept");
    let task = network.call(&worker, sc, ALICE, "get()", b"");
    let Request::ComputeTask { mut input } = task.request() else { panic!() };
    input.record = None;
    let bare_task = Request::ComputeTask { input };
    let (code, text) = worker.refuses(bare_task.clone());
    assert_eq!((code, text.contains("requests without records")), (40, true), "{text}");

    let key = |contract: bool, epoch: bool| Request::NewTaskEncryptionKey {
        user_pub_key: Hex(vec![5; 32]),
        contract_address: contract.then_some(Hex(sc)),
        epoch: epoch.then_some(U64(1)),
        block_hash: None,
    };
    assert_eq!(worker.refuses(key(false, true)), (3, "the field `contractAddress` is missing".into()));
    assert_eq!(worker.refuses(key(true, false)), (3, "the field `epoch` is missing".into()));
    let long = Request::NewTaskEncryptionKey {
        user_pub_key: Hex(vec![5; 257]),
        contract_address: Some(Hex(sc)),
        epoch: Some(U64(1)),
        block_hash: None,
    };
    assert_eq!(worker.refuses(long).0, 4);

    // A TEE that protects somebody serves none of them.
    let (mut tee, store) = (TestTee::new(3), Memory::default());
    tee.protects = true;
    let protecting = network.worker_on(tee, &store);
    for request in [bare_task, key(false, false), Request::GetPTTRequest { input: None }] {
        let (code, text) = protecting.refuses(request);
        assert_eq!((code, text.contains("development root")), (18, true), "{text}");
    }
}

#[test]
fn tasks_without_keys_wait() {
    let (mut network, store, worker) = network();
    let sc = network.future_contract(ALICE);
    assert_eq!(worker.refuses(encryption_key_request(sc, 1)).0, 10);
    // The deployment is not known to the key manager yet: there is an input key, and no state key.
    network.fetch_keys(&worker, &[sc]);
    let deployment = network.deployment(&worker, ALICE, &contract(), b"first");
    let before = store.snapshot();
    let (code, text) = worker.refuses(deployment.request());
    assert_eq!((code, text.contains("no state key")), (10, true), "{text}");
    assert_eq!(store.snapshot(), before);
    network.tell_km(&[sc]);
    network.fetch_keys(&worker, &[sc]);
    assert_eq!(deployment.run(&worker).receipt.status, Status::Success);
    network.next_epoch();
    assert_eq!(worker.refuses(encryption_key_request(sc, 2)).0, 10);
}
