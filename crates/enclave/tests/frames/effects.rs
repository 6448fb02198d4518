//! What a task does beside its output: events, Ethereum calls, payments, typed failures, texts for the author.

use crate::{
    harness::*,
    path::{network, signer},
};
use enigma_enclave::Worker;
use enigma_protocol::{
    Address, Hash,
    hash::keccak256,
    ipc::Response,
    json::Hex,
    output::{Event, Failure, Output},
    receipt::Status,
};

const ALICE: Address = Address([0xa1; 20]);

/// Does everything there is, then fails if there are arguments.
fn contract() -> Vec<u8> {
    let text = r#"(module
      (import "enigma" "args_len" (func $args_len (result i32)))
      (import "enigma" "output" (func $output (param i32 i32)))
      (import "enigma" "fail_with" (func $fail_with (param i32 i32 i32 i32)))
      (import "enigma" "event" (func $event (param i32 i32 i32 i32)))
      (import "enigma" "ethereum_call" (func $ethereum_call (param i32 i32 i32)))
      (import "enigma" "pay_out" (func $pay_out (param i32 i32)))
      (import "enigma" "debug" (func $debug (param i32 i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07")
      (data (i32.const 46) "\01\02") (data (i32.const 64) "Moved(uint8)")
      (func (export "enigma_abi_1")) (func (export "deploy"))
      (func (export "call")
        (call $event (i32.const 64) (i32.const 12) (i32.const 46) (i32.const 2))
        (call $ethereum_call (i32.const 0) (i32.const 44) (i32.const 4))
        (call $pay_out (i32.const 0) (i32.const 32))
        (call $debug (i32.const 64) (i32.const 5))
        (call $output (i32.const 46) (i32.const 2))
        (if (call $args_len) (then (call $fail_with (i32.const 44) (i32.const 4) (i32.const 64) (i32.const 5))))))"#;
    wat::parse_str(text).unwrap()
}

#[test]
fn effects_are_in_the_receipt_and_the_reply_and_stay_there() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"");
    network.call_gas = 70_000;
    let task = network.call(&worker, sc, ALICE, "f()", b"");
    let done = task.run(&worker);
    let event = Event { signature: "Moved(uint8)".into(), data: vec![1, 2] };
    assert_eq!(task.whole_output(&done), Output { data: vec![1, 2], events: vec![event] });
    let receipt = &done.receipt;
    let calldata = vec![0, 0, 1, 2];
    assert_eq!((receipt.call_target, receipt.call_data_hash), (Address([7; 20]), keccak256(&calldata)));
    assert_eq!((receipt.call_gas, receipt.pay_to, receipt.pay_amount), (70_000, Address([7; 20]), 0x0102));
    let Response::ComputeTask { result } = &done.response else { panic!("{done:?}") };
    assert_eq!((&result.ethereum_payload, result.ethereum_address), (&Hex(calldata), Hex(Address([7; 20]))));
    assert_eq!(task.run(&worker), done, "the same record has the same reply");

    // Nothing of it is left of a task that fails, whose failure has a type.
    let task = network.call(&worker, sc, ALICE, "f()", b"x");
    let failed = task.run(&worker);
    assert_eq!(failed.receipt.status, Status::Failure);
    assert_eq!(task.failure(&failed), Failure { text: "Moved".into(), data: vec![0, 0, 1, 2] });
    let receipt = &failed.receipt;
    assert_eq!((receipt.call_target, receipt.call_data_hash, receipt.call_gas), (Address::ZERO, Hash::ZERO, 0));
    assert_eq!((receipt.pay_to, receipt.pay_amount), (Address::ZERO, 0));
    assert_eq!(task.run(&worker), failed);

    network.call_gas = 0;
    let task = network.call(&worker, sc, ALICE, "f()", b"");
    let text = "this task bought no gas for an Ethereum call (callGas is 0)";
    assert_eq!(task.failure(&task.run(&worker)), Failure { text: text.into(), data: vec![] });
}

#[test]
fn texts_for_authors_leave_an_enclave_in_development_only() {
    for protects in [false, true] {
        let store = Memory::default();
        let mut network = Network::new(&[signer(2, &store)]);
        let mut tee = TestTee::new(2);
        tee.protects = protects;
        let texts = tee.texts.clone();
        let worker = Worker::open(tee, store, network.config.clone()).unwrap();
        let sc = network.deployed(&worker, &contract(), b"");
        network.call_gas = 1;
        let task = network.call(&worker, sc, ALICE, "f()", b"");
        assert_eq!(task.output(&task.run(&worker)), [1, 2]);
        assert_eq!(texts.lock().unwrap().len(), usize::from(!protects));
    }
}
