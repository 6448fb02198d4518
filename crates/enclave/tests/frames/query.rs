//! Queries: what a caller with a permit reads, and what nobody gets.

use crate::{harness::*, path::network};
use enigma_protocol::{
    Address, Hash, ScAddress,
    hash::keccak256,
    ipc::{BlockInput, QueryInput, QueryResult, Request, Response},
    json::{Hex, Hex0x, U64},
    output::{Failure, Output},
    query::{QueryAnswer, QueryPermit, query_hash},
    receipt::Status,
    sealing::{QueryContext, QuerySealer, ResponseKey, SealedQuery},
    signature::SecretKey,
};

const BOB: Address = Address([0xb0; 20]);
const BLOCK_NUMBER: u64 = 1_000;

/// Keeps its constructor's arguments, and in a call its own. A query answers by the first letter of its function: `get` the
/// state, `who` the caller, `block` the number of the block, `random`, `arguments`, `set` (which it cannot), `fail`, `loop`.
pub fn contract() -> Vec<u8> {
    let text = r#"(module
      (import "enigma" "fn_read" (func $fn_read (param i32)))
      (import "enigma" "args_len" (func $args_len (result i32)))
      (import "enigma" "args_read" (func $args_read (param i32)))
      (import "enigma" "output" (func $output (param i32 i32)))
      (import "enigma" "fail" (func $fail (param i32 i32)))
      (import "enigma" "caller" (func $caller (param i32)))
      (import "enigma" "block_number" (func $block_number (result i64)))
      (import "enigma" "random" (func $random (param i32 i32)))
      (import "enigma" "state_get" (func $state_get (param i32 i32) (result i32)))
      (import "enigma" "register_read" (func $register_read (param i32)))
      (import "enigma" "state_set" (func $state_set (param i32 i32 i32 i32)))
      (memory (export "memory") 2)
      (data (i32.const 65000) "kno")
      (func (export "enigma_abi_1"))
      (func $save
        (call $args_read (i32.const 0))
        (call $state_set (i32.const 65000) (i32.const 1) (i32.const 0) (call $args_len)))
      (func (export "deploy") (call $save))
      (func (export "call") (call $save))
      (func (export "query")
        (local $f i32) (local $length i32)
        (call $fn_read (i32.const 60000))
        (local.set $f (i32.load8_u (i32.const 60000)))
        (if (i32.eq (local.get $f) (i32.const 103)) (then
          (local.set $length (call $state_get (i32.const 65000) (i32.const 1)))
          (call $register_read (i32.const 0))
          (call $output (i32.const 0) (local.get $length))))
        (if (i32.eq (local.get $f) (i32.const 119)) (then
          (call $caller (i32.const 0)) (call $output (i32.const 0) (i32.const 20))))
        (if (i32.eq (local.get $f) (i32.const 98)) (then
          (i64.store (i32.const 0) (call $block_number)) (call $output (i32.const 0) (i32.const 8))))
        (if (i32.eq (local.get $f) (i32.const 114)) (then
          (call $random (i32.const 0) (i32.const 32)) (call $output (i32.const 0) (i32.const 32))))
        (if (i32.eq (local.get $f) (i32.const 97)) (then
          (call $args_read (i32.const 0)) (call $output (i32.const 0) (call $args_len))))
        (if (i32.eq (local.get $f) (i32.const 115)) (then (call $save)))
        (if (i32.eq (local.get $f) (i32.const 102)) (then (call $fail (i32.const 65001) (i32.const 2))))
        (if (i32.eq (local.get $f) (i32.const 108)) (then (loop $again (br $again))))))"#;
    wat::parse_str(text).unwrap()
}

fn caller() -> SecretKey {
    SecretKey::from_bytes(&[0x51; 32]).unwrap()
}

/// A sealed query with everything right, before something is changed.
pub struct Asked {
    sc: ScAddress,
    query: SealedQuery,
    key: ResponseKey,
    pub input: QueryInput,
}

pub fn asked(worker: &dyn Machine, sc: ScAddress, function: &str, args: &[u8], last_valid_block: u64) -> Asked {
    asked_with(worker, sc, function, args, |permit, key| {
        let permit = QueryPermit { last_valid_block, ..permit };
        permit.sign(&DOMAIN, key)
    })
}

fn asked_with(
    worker: &dyn Machine,
    sc: ScAddress,
    function: &str,
    args: &[u8],
    sign: impl FnOnce(QueryPermit, &SecretKey) -> enigma_protocol::query::SignedPermit,
) -> Asked {
    let public = input_key(worker, sc, 1).worker_encryption_key.0.0;
    let context = QueryContext { domain: DOMAIN, sc, epoch: 1 };
    static SEED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let seed = SEED.fetch_add(1 << 32, std::sync::atomic::Ordering::SeqCst);
    let sealer = QuerySealer::new(&mut UserRng(seed), &context, &public).unwrap();
    let permit = QueryPermit {
        sc,
        function_hash: keccak256(function),
        caller: caller().address(),
        query_key: sealer.query_key(),
        nonce: seed,
        last_valid_block: BLOCK_NUMBER,
    };
    let (query, key) = sealer.seal(function, args, &sign(permit, &caller())).unwrap();
    let input = QueryInput {
        contract_address: Hex(sc),
        epoch: U64(1),
        suite: None,
        encrypted_fn: Hex(query.encrypted_fn.clone()),
        encrypted_args: Hex(query.encrypted_args.clone()),
        encrypted_permit: Hex(query.encrypted_permit.clone()),
        user_dh_key: Hex(query.user_dh_key.to_vec()),
        block: BlockInput { number: U64(BLOCK_NUMBER), hash: Hex0x(Hash([0xbb; 32])), timestamp: U64(1_800_000_000) },
        tip: None,
        ledger_proof: None,
        certificate: None,
    };
    Asked { sc, query, key, input }
}

impl Asked {
    fn request(&self) -> Request {
        Request::Query { input: self.input.clone() }
    }

    /// The answer, checked as a client does.
    fn ask(&self, worker: &dyn Machine, signer: Address) -> (Status, Vec<u8>, QueryResult) {
        let Ok(Response::Query { result }) = worker.ask(self.request()) else {
            panic!("{:?}", worker.ask(self.request()))
        };
        let answer = QueryAnswer {
            sc: self.sc,
            epoch: 1,
            query_hash: query_hash(self.sc, 1, 1, &self.query),
            status: Status::from_u8(result.status).unwrap(),
            output_hash: keccak256(&result.output.0),
            block_number: self.input.block.number.0,
            block_hash: self.input.block.hash.0,
            tip: result.tip.0,
            entries: result.entries.0,
        };
        answer.verify(&DOMAIN, &result.signature.0, signer).unwrap();
        QueryAnswer { tip: Hash([1; 32]), ..answer.clone() }.verify(&DOMAIN, &result.signature.0, signer).unwrap_err();
        (answer.status, self.key.open(&result.output.0).unwrap(), result)
    }

    fn data(&self, worker: &dyn Machine, signer: Address) -> Vec<u8> {
        let (status, content, _) = self.ask(worker, signer);
        assert_eq!(status, Status::Success, "{:?}", Failure::from_bytes(&content));
        Output::from_bytes(&content).unwrap().data
    }
}

#[test]
fn a_query_reads_the_newest_state_and_changes_nothing() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"first");
    let set = network.call(&worker, sc, BOB, "set(bytes)", b"second");
    let signer = worker.signer();
    assert_eq!(asked(&worker, sc, "get()", b"", BLOCK_NUMBER).data(&worker, signer), b"first");
    let done = set.run(&worker);
    let before = store.snapshot();
    let get = asked(&worker, sc, "get()", b"", BLOCK_NUMBER);
    let (_, content, result) = get.ask(&worker, signer);
    assert_eq!(Output::from_bytes(&content).unwrap().data, b"second");
    assert_eq!((result.tip.0, result.entries), (done.receipt.tip, U64(2)), "the answer names the state");
    assert_eq!(asked(&worker, sc, "who()", b"", BLOCK_NUMBER).data(&worker, signer), caller().address().0);
    assert_eq!(asked(&worker, sc, "block()", b"", BLOCK_NUMBER).data(&worker, signer), BLOCK_NUMBER.to_le_bytes());
    assert_eq!(asked(&worker, sc, "arguments(bytes)", b"xyz", BLOCK_NUMBER).data(&worker, signer), b"xyz");
    // The same query again: another nonce, so other bytes, and other randomness.
    assert_ne!(get.ask(&worker, signer).2.output, result.output);
    let random = asked(&worker, sc, "random()", b"", BLOCK_NUMBER);
    assert_ne!(random.data(&worker, signer), random.data(&worker, signer));
    assert_eq!(store.snapshot(), before);
    // The caller stands nowhere in the clear.
    let frame = serde_json::to_string(&get.input).unwrap();
    assert!(!frame.contains(&hex::encode(caller().address().0)));
}

#[test]
fn failures_of_queries_are_sealed_answers() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"first");
    let before = store.snapshot();
    for (function, text) in [("set(bytes)", "a query cannot"), ("fail()", "no"), ("loop()", "out of gas")] {
        let (status, content, _) = asked(&worker, sc, function, b"x", BLOCK_NUMBER).ask(&worker, worker.signer());
        let failure = Failure::from_bytes(&content).unwrap();
        assert!(status == Status::Failure && failure.text.contains(text), "{function}: {}", failure.text);
    }
    let without = network.deployed(&worker, &crate::harness::contract(), b"first");
    let (status, content, _) = asked(&worker, without, "get()", b"", BLOCK_NUMBER).ask(&worker, worker.signer());
    let failure = Failure::from_bytes(&content).unwrap();
    assert!(status == Status::Failure && failure.text.contains("answers no queries"), "{}", failure.text);
    assert_ne!(store.snapshot(), before, "only the second contract was added");
}

#[test]
fn a_query_without_a_fitting_permit_is_refused() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"first");
    let refuses = |asked: &Asked, part: &str| {
        let (code, text) = worker.refuses(asked.request());
        assert!(code == 41 && text.contains(part), "{code}: {text}");
    };
    let signed = |change: &dyn Fn(QueryPermit) -> QueryPermit| {
        asked_with(&worker, sc, "get()", b"", |permit, key| {
            let signature = change(permit.clone()).sign(&DOMAIN, key).signature;
            permit.signed(signature)
        })
    };
    let not_signed = "not signed by its caller";
    refuses(&signed(&|permit| QueryPermit { sc: ScAddress([9; 32]), ..permit }), not_signed);
    refuses(&signed(&|permit| QueryPermit { function_hash: keccak256("set(bytes)"), ..permit }), not_signed);
    refuses(&signed(&|permit| QueryPermit { query_key: [9; 32], ..permit }), not_signed);
    refuses(&signed(&|permit| QueryPermit { nonce: 0, ..permit }), not_signed);
    refuses(&signed(&|permit| QueryPermit { last_valid_block: u64::MAX, ..permit }), not_signed);
    refuses(&asked_with(&worker, sc, "get()", b"", |permit, _| permit.sign(&DOMAIN, &stranger())), not_signed);
    let other_chain = enigma_protocol::Domain { chain_id: 1, ..DOMAIN };
    refuses(&asked_with(&worker, sc, "get()", b"", |permit, key| permit.sign(&other_chain, key)), not_signed);
    // Somebody else's permit, moved to a query of one's own.
    let theirs = asked(&worker, sc, "get()", b"", BLOCK_NUMBER);
    let mut own = asked(&worker, sc, "get()", b"", BLOCK_NUMBER);
    own.input.encrypted_permit = theirs.input.encrypted_permit.clone();
    refuses(&own, "does not open");
}

#[test]
fn a_permit_is_over_after_its_last_block() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"first");
    let mut get = asked(&worker, sc, "get()", b"", BLOCK_NUMBER);
    for _ in 0..2 {
        assert_eq!(get.data(&worker, worker.signer()), b"first");
    }
    get.input.block.number = U64(BLOCK_NUMBER + 1);
    let (code, text) = worker.refuses(get.request());
    assert!(code == 41 && text.contains("over"), "{text}");
    // The host cannot go back to the block in which it was valid.
    get.input.block.number = U64(BLOCK_NUMBER);
    let (code, text) = worker.refuses(get.request());
    assert!(code == 41 && text.contains("go back"), "{text}");
}

#[test]
fn changed_queries_do_not_open() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"first");
    let other = network.deployed(&worker, &contract(), b"other");
    let change = |change: &dyn Fn(&mut QueryInput)| {
        let mut asked = asked(&worker, sc, "get()", b"", BLOCK_NUMBER);
        change(&mut asked.input);
        worker.refuses(asked.request()).0
    };
    let codes = [
        change(&|input| input.encrypted_fn.0[9] ^= 1),
        change(&|input| input.encrypted_args.0[9] ^= 1),
        change(&|input| input.encrypted_permit.0[9] ^= 1),
        change(&|input| input.encrypted_permit.0.clear()),
        change(&|input| input.user_dh_key.0[0] ^= 1),
        change(&|input| input.user_dh_key.0.truncate(31)),
        change(&|input| input.contract_address = Hex(other)),
        change(&|input| input.suite = Some(2)),
        change(&|input| input.encrypted_args.0 = vec![0; 1 << 20]),
    ];
    assert_eq!(codes, [41; 9]);
    assert_eq!(change(&|input| input.epoch = U64(2)), 10);
    assert_eq!(change(&|input| input.contract_address = Hex(ScAddress([9; 32]))), 13);
    assert_eq!(change(&|input| input.ledger_proof = Some(Hex(vec![1]))), 22);
    assert_eq!(change(&|input| input.certificate = Some(Hex(vec![1]))), 22);
    assert_eq!(change(&|input| input.tip = Some(Hex0x(Hash([9; 32])))), 37);
}

#[test]
fn queries_rest_on_the_hosts_word() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"first");
    let get = asked(&worker, sc, "get()", b"", BLOCK_NUMBER);
    let (mut tee, store) = (TestTee::new(3), Memory::default());
    tee.protects = true;
    assert_eq!(network.worker_on(tee, &store).refuses(get.request()).0, 18);
}

#[test]
fn queries_and_records_of_one_contract_at_once() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), &[0; 8]);
    let tasks: Vec<Task> = (1..20u64).map(|n| network.call(&worker, sc, BOB, "set(bytes)", &n.to_le_bytes())).collect();
    let queries: Vec<Asked> = (0..20).map(|_| asked(&worker, sc, "get()", b"", BLOCK_NUMBER)).collect();
    let signer = worker.signer();
    std::thread::scope(|scope| {
        scope.spawn(|| tasks.iter().for_each(|task| drop(task.run(&worker))));
        scope.spawn(|| {
            let mut newest = 0;
            for query in &queries {
                let seen = u64::from_le_bytes(query.data(&worker, signer).try_into().unwrap());
                assert!(seen >= newest);
                newest = seen;
            }
        });
    });
}
