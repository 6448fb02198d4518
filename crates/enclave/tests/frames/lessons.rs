//! What went wrong in the first implementation, and does not any more: a test for each lesson, in their order.
//!
//! Deliberately absent: lessons about Ethereum, the network and processes (10, 12, 14, 16 to 20).

use crate::{
    bare,
    harness::*,
    key_exchange::{SC, give, has_no_key},
    path::{network, signer},
    take_over::{Enclave, advance, closed, code, cut, deltas, five_records, remove, successor, take, take_code},
};
use enigma_attestation::simulation::{Platform, Validity};
use enigma_protocol::{
    Address, Domain, Hash, ScAddress, TaskId,
    hash::keccak256,
    ipc::{AdvanceInput, BatchInput, DeltaKey, Failure, OneOrMany, Request, Response},
    json::{ByteArray, Hex, Hex0x, ReceiptJson, RecordJson, U64, U128},
    output,
    receipt::{Batch, Receipt, Status},
    record::Record,
    selection::EpochParameters,
    signature::{Purpose as SigningPurpose, SecretKey, Signature},
    state::StateEntry,
};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

const ALICE: Address = Address([0xa1; 20]);
const MALLORY: Address = Address([0x66; 20]);

/// Signs a key manager's answer anew with `key`, as its own answer.
fn signed_by(key: &SecretKey, answer: &[u8]) -> Vec<u8> {
    const SIGNER_BYTES: usize = 20;
    const SIGNATURE_FIELD_BYTES: usize = 1 + 9 + 2 + 65;
    let mut unsigned = answer[..answer.len() - SIGNATURE_FIELD_BYTES].to_vec();
    assert_eq!(unsigned[0], 0x86, "a map of six");
    unsigned[0] = 0x85;
    let place = unsigned.len() - SIGNER_BYTES;
    unsigned[place..].copy_from_slice(&key.address().0);
    let Signature(signature) = key.sign(SigningPurpose::PttResponse.digest(&DOMAIN, 1, &unsigned));
    let mut signed = unsigned;
    signed[0] = 0x86;
    signed.push(0xa9);
    signed.extend(b"signature");
    signed.extend([0xc4, 65]);
    signed.extend(signature);
    signed
}

/// Lesson 1.
#[test]
fn an_answer_that_no_key_manager_signed_installs_no_key() {
    let (network, _, worker) = network();
    let request = key_request(&worker, 1, &[SC]);
    let answer = network.answer(request.clone()).unwrap().response.0;
    for position in 0..answer.len() {
        let mut changed = answer.clone();
        changed[position] ^= 1;
        assert_eq!(give(&worker, changed).unwrap_err().0, 15, "{position}");
    }
    assert_eq!(give(&worker, answer[..answer.len() - 1].to_vec()).unwrap_err().0, 15);
    assert_eq!(give(&worker, [&answer[..], &[0]].concat()).unwrap_err().0, 15);
    assert_eq!(give(&worker, Vec::new()).unwrap_err().0, 15);
    assert_eq!(give(&worker, vec![0; 1 << 20]).unwrap_err().0, 15);
    has_no_key(&worker);

    let (code, text) = give(&worker, signed_by(&stranger(), &answer)).unwrap_err();
    assert_eq!((code, text.contains("is not a key manager of this network")), (15, true), "{text}");
    // Signed by somebody else in the key manager's name.
    let mut in_its_name = signed_by(&stranger(), &answer);
    let signer = answer.len() - 77 - 20;
    in_its_name[signer..signer + 20].copy_from_slice(&network.km.signer().0);
    let (code, text) = give(&worker, in_its_name).unwrap_err();
    assert_eq!((code, text.contains("signature is invalid")), (15, true), "{text}");
    has_no_key(&worker);

    assert_eq!(give(&worker, answer.clone()).unwrap(), []);
    input_key(&worker, SC, 1);
    let (code, text) = give(&worker, answer).unwrap_err();
    assert_eq!((code, text.contains("accepted once")), (15, true), "{text}");
    // Asked again, the key manager makes another answer to the same request, which is not waited for any more.
    assert_eq!(give(&worker, network.answer(request).unwrap().response.0).unwrap_err().0, 15);
}

/// Lesson 2. A key manager's host says which workers there are, once for each epoch. Whoever it invents gets nothing: keys go
/// to enclaves that show evidence, and to the selected one.
#[test]
fn a_key_managers_operator_who_invents_workers_gets_nothing() {
    let (mut network, _, worker) = network();
    let invented = stranger().address();
    let genuine = network.sign_epoch(1);
    // In a signed epoch there are the signed workers.
    let mut input = network.epoch_input(1);
    input.workers[0].signer = Hex0x(invented);
    let Ok(Response::SignEpoch { result }) = network.km.ask(Request::SignEpoch { input: input.clone() }) else {
        panic!()
    };
    assert_eq!(result, genuine);
    let mut view = network.view(&[]);
    view.workers = input.workers;
    assert_eq!(network.km.refuses(Request::SetLedgerView { input: view }).0, 3);
    // Enclaves that nobody selected, and programs that are no enclave of this network.
    let code_of =
        |machine: &dyn Machine, epoch| network.answer(key_request(machine, epoch, &[SC])).err().and_then(|f| f.code);
    assert_eq!(code_of(&network.worker(4, &Memory::default()), 1), Some(16));
    let other_program = |seed| {
        let platform = Platform::from_secret([seed; 32], Hash([1; 32]), Validity::DEVELOPMENT).unwrap();
        let store = Memory::default();
        (signer(seed, &store), network.worker_on(TestTee::on(seed, platform), &store))
    };
    let (invented, program) = other_program(9);
    assert_eq!(code_of(&program, 1), Some(14));
    let mut claimed = key_request(&program, 1, &[SC]);
    claimed.worker_sig = Hex(stranger().sign(Hash([1; 32])));
    assert_eq!(network.answer(claimed).unwrap_err().code, Some(14));
    assert_eq!(code_of(&worker, 1), None, "who it should be");

    // Also where the epoch was signed with nobody but invented workers.
    network.replace_workers(&[invented]);
    let code_of = |machine: &dyn Machine| network.answer(key_request(machine, 2, &[SC])).err().and_then(|f| f.code);
    assert_eq!((code_of(&program), code_of(&worker)), (Some(14), Some(16)));
}

/// Lesson 3. The key of the state depends on the code's hash, and so does the chain.
#[test]
fn other_code_under_the_same_address_cannot_read_the_state() {
    let (mut network, store, first) = network();
    let sc = five_records(&mut network, &first);
    // It would tell everything: the same module with another page of memory.
    let mut telling = contract();
    let pages = telling.windows(5).position(|bytes| bytes == [5, 3, 1, 0, 4]).unwrap() + 4;
    telling[pages] = 5;
    let other = network.deployed(&first, &telling, b"");
    let other_code = code(&first, other);
    assert!(other_code != code(&first, sc));

    // Not where the contract was executed, nor after it was removed there.
    assert_eq!(take_code(&first, sc, other_code.clone()).status, 31);
    // Not where it never was, though keys and entries are there, and the entries are bent to its chain.
    let (mut others, _, second) = successor(&network, 3);
    others.tell_km(&[sc]);
    others.fetch_keys(&second, &[sc]);
    assert_eq!(take_code(&second, sc, other_code.clone()).status, 0);
    let entries = deltas(&first, sc, 0, 1);
    assert_eq!(take(&second, &entries).status, 34);
    let mut bent = entries;
    let mut entry = StateEntry::from_bytes(&bent[0].data.0).unwrap();
    entry.header.previous_tip = enigma_protocol::state::genesis_tip(sc, keccak256(&other_code));
    bent[0].data = ByteArray(entry.to_bytes());
    assert_eq!(take(&second, &bent).status, 35);
    let place = AdvanceInput { tip: Hex0x(entry.header.previous_tip), ..closed(&first, sc, 1) };
    assert_eq!(advance(&second, place), Err(38));

    // Not by putting it in the place of the code in the store, with or without the record of what the contract is.
    let get = network.call(&first, sc, ALICE, "get()", b"");
    let key = |prefix: &[u8], sc: ScAddress| [prefix, &sc.0].concat();
    for moved in [&[&b"code/"[..]][..], &[b"code/", b"head/"]] {
        let mut changed = store.snapshot();
        for prefix in moved {
            changed.insert(key(prefix, sc), changed[&key(prefix, other)].clone());
        }
        let worker = network.worker(2, &Memory::from_snapshot(changed));
        network.fetch_keys(&worker, &[sc]);
        assert_eq!(worker.refuses(get.request()).0, 23);
    }
    assert_eq!(get.output(&get.run(&first)), [4]);
}

/// Lesson 4. Nothing older than what was executed here is executed on again. That a whole old store is presented to a new process
/// cannot be seen in the enclave: there the newest record finds another place, and a receipt has a tip that Ethereum refuses.
#[test]
fn an_old_state_that_is_replayed_is_refused() {
    let (mut network, store, worker) = network();
    let sc = five_records(&mut network, &worker);
    let old = store.snapshot();
    let (at_five, entries, module) = (closed(&worker, sc, 5), deltas(&worker, sc, 0, 5), code(&worker, sc));
    let six = network.call(&worker, sc, ALICE, "set(bytes)", b"six");
    let done = six.run(&worker);
    let get = network.call(&worker, sc, ALICE, "get()", b"");

    // By the messages for it: the end is cut off, or everything is removed and the old chain taken in again.
    assert_eq!(cut(&worker, sc, 5, 5), 36);
    assert_eq!(remove(&worker, sc), 0);
    assert_eq!(take_code(&worker, sc, module).status, 0);
    assert_eq!(take(&worker, &entries).status, 0);
    let queue_head = enigma_protocol::record::queue_head(at_five.queue_head.0, six.record.record_hash(&DOMAIN));
    let as_six = AdvanceInput { records: U64(6), queue_head: Hex0x(queue_head), ..at_five.clone() };
    assert_eq!([advance(&worker, at_five), advance(&worker, as_six)], [Err(36), Err(36)]);
    assert_eq!(worker.refuses(get.request()).0, 39);

    // By the old store: behind the back of a process that runs, and to a new one.
    let (mut network, store, worker) = self::network();
    let sc = five_records(&mut network, &worker);
    let store_of_five = store.snapshot();
    let six = network.call(&worker, sc, ALICE, "set(bytes)", b"six");
    six.run(&worker);
    store.put_back(store_of_five.clone());
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    assert_eq!(get.output(&get.run(&worker)), b"six");
    let restarted = network.worker(2, &Memory::from_snapshot(store_of_five));
    network.fetch_keys(&restarted, &[sc]);
    assert_eq!(restarted.refuses(get.request()).0, 11);
    let mut forked = get;
    forked.record.record_index = 5;
    let forked = forked.run(&restarted);
    assert_ne!(forked.receipt.previous_tip, done.receipt.tip);
    assert!(old.len() > 5);
}

/// Lesson 5.
#[test]
fn a_second_deployment_to_one_address_changes_nothing() {
    let (mut network, store, worker) = network();
    let sc = network.future_contract(ALICE);
    network.tell_km(&[sc]);
    network.fetch_keys(&worker, &[sc]);
    let deployment = network.deployment(&worker, ALICE, &contract(), b"first");
    let done = deployment.run(&worker);
    let before = store.snapshot();

    // The same code and ciphertext in another block, other code, and a later place in the queue.
    let Request::DeploySecretContract { input } = deployment.request() else { panic!() };
    let mut again = input.clone();
    again.task.record.as_mut().unwrap().block_number = U64(99);
    assert_eq!(worker.refuses(Request::DeploySecretContract { input: again }).0, 11);
    let mut other = input.clone();
    other.pre_code = ByteArray(b"other".to_vec());
    assert_eq!(worker.refuses(Request::DeploySecretContract { input: other }).0, 12);
    let mut later = input.clone();
    later.task.record.as_mut().unwrap().record_index = U64(1);
    assert_eq!(worker.refuses(Request::DeploySecretContract { input: later }).0, 12);
    // Somebody else's deployment, claimed to be of this address.
    let mut stolen = network.deployment(&worker_with_key(&network, &worker, MALLORY), MALLORY, &contract(), b"evil");
    stolen.record.sc = sc;
    stolen.input.sc = sc;
    stolen.record.inputs_hash = stolen.input.inputs_hash();
    assert_eq!(worker.refuses(stolen.request()).0, 12);

    assert_eq!(store.snapshot(), before);
    assert_eq!(deployment.run(&worker), done);
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    assert_eq!(get.output(&get.run(&worker)), b"first");
}

/// The worker, once it has the input key of the contract that `sender` would deploy next.
fn worker_with_key<'a>(network: &Network, worker: &'a Enclave, sender: Address) -> Forward<'a> {
    network.fetch_keys(worker, &[network.future_contract(sender)]);
    Forward(worker)
}

struct Forward<'a>(&'a Enclave);
impl Machine for Forward<'_> {
    fn handle(&self, frame: &[u8]) -> Vec<u8> {
        self.0.handle(frame)
    }
}

/// Lesson 6.
#[test]
fn two_tasks_and_two_key_requests_of_one_user_at_once_both_work() {
    let (mut network, _, worker) = network();
    let contracts = [0, 1].map(|_| network.deployed(&worker, &contract(), b"0"));
    // Two requests for keys under way at once, answered in the other order; two users' requests for the input key.
    let requests = contracts.map(|sc| key_request(&worker, 1, &[sc]));
    let answers = requests.map(|request| network.answer(request).unwrap().response.0);
    for answer in answers.into_iter().rev() {
        assert_eq!(give(&worker, answer), Ok(vec![]));
    }
    let keys: Vec<_> = std::thread::scope(|scope| {
        let ask = || input_key(&worker, contracts[0], 1);
        let asked: Vec<_> = (0..2).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(keys[0], keys[1]);

    // Two tasks of one user at once, of one contract and of two, each sealed before the other ran.
    for (one, two) in [(0, 0), (0, 1)] {
        let tasks = [(one, b"first "), (two, b"second")]
            .map(|(contract, args)| (network.call(&worker, contracts[contract], ALICE, "echo(bytes)", args), args));
        let done: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = tasks.iter().map(|(task, _)| scope.spawn(|| task.run(&worker))).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        for ((task, args), done) in tasks.iter().zip(&done) {
            assert_eq!(task.output(done), *args);
            assert_eq!(task.run(&worker), *done);
        }
    }
}

/// Lesson 7. What a contract does wrong is an outcome: signed, paid, and readable by its caller. What the machine cannot do is an
/// error with a number, and the same task has its outcome later.
#[test]
fn every_failure_gives_the_user_an_answer() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"kept");
    let tip = |done: &Done| (done.receipt.previous_tip, done.receipt.tip);
    let before = network.call(&worker, sc, ALICE, "get()", b"").run(&worker);
    for (function, args, expected) in [
        ("panic()", &b""[..], "panicked"),
        ("zero()", b"", "division by zero"),
        ("loop()", b"", "out of gas"),
        ("quit(string)", b"too poor", "too poor"),
        ("quit(string)", b"", "without a message"),
        ("set(bytes)", &[7; 270 << 10], "large"),
    ] {
        let task = network.call(&worker, sc, ALICE, function, args);
        let done = task.run(&worker);
        assert!(matches!(done.response, Response::FailedTask { .. }), "{function}");
        assert_eq!(done.receipt.status, Status::Failure, "{function}");
        assert!(task.text(&done).contains(expected), "{function}: {}", task.text(&done));
        assert_eq!(tip(&done), tip(&before));
        assert_eq!(done.receipt.delta_index, 1);
        done.receipt.verify(&DOMAIN, &done.signature, worker.signer()).unwrap();
        if function == "loop()" {
            assert_eq!(done.receipt.gas_used, GAS);
        }
    }
    // An input that does not open has an answer too, which is signed and closes its record.
    let mut spoiled = network.call(&worker, sc, ALICE, "get()", b"");
    spoiled.input.encrypted_args[0] ^= 1;
    spoiled.record.inputs_hash = spoiled.input.inputs_hash();
    let done = spoiled.run(&worker);
    assert_eq!((done.receipt.status, done.encrypted_output.len()), (Status::Undecryptable, 0));
    done.receipt.verify(&DOMAIN, &done.signature, worker.signer()).unwrap();

    // Failures of the machine, and the task afterwards.
    let echo = |network: &mut Network| network.call(&worker, sc, ALICE, "set(bytes)", b"later");
    let task = echo(&mut network);
    store.faults().fail(1);
    assert_eq!(task.try_run(&worker).unwrap_err().code, Some(20));
    store.faults().fail(0);
    assert_eq!(task.run(&worker).receipt.status, Status::Success);
    let (missing, task) = (echo(&mut network), echo(&mut network));
    let failure = task.try_run(&worker).unwrap_err();
    assert_eq!((failure.code, failure.request_type.as_str()), (Some(11), "ComputeTask"));
    missing.run(&worker);
    assert_eq!(task.run(&worker).receipt.status, Status::Success);
    let restarted = network.worker(2, &store);
    let task = echo(&mut network);
    assert_eq!(task.try_run(&restarted).unwrap_err().code, Some(10));
    network.fetch_keys(&restarted, &[sc]);
    assert_eq!(task.run(&restarted).receipt.status, Status::Success);
    let mut tee = TestTee::new(2);
    let faults = store.faults();
    tee.faults = faults.clone();
    let worker = network.worker_on(tee, &store);
    faults.fail(1);
    let input =
        Some(enigma_protocol::ipc::PttInput { addresses: vec![Hex(sc)], epoch: U64(1), block_hash: Hex0x(BLOCK) });
    let failure = worker.ask(Request::GetPTTRequest { input }).unwrap_err();
    assert_eq!((failure.code, failure.msg.is_empty()), (Some(21), false));
    network.fetch_keys(&worker, &[sc]);
    let get = network.call(&worker, sc, ALICE, "get()", b"");
    assert_eq!(get.output(&get.run(&worker)), b"later");
}

/// A contract whose n-th function (named by the n-th letter) gives a host function lengths and pointers of almost 4 GiB.
fn four_gigabytes() -> (Vec<u8>, Vec<String>) {
    // Pointers and lengths, and whether there is a result.
    let imports = [
        ("output", "pl", false),
        ("fail", "pl", false),
        ("state_get", "pl", true),
        ("state_set", "plpl", false),
        ("state_remove", "pl", false),
        ("random", "pl", false),
        ("keccak256", "plp", false),
        ("sha256", "plp", false),
        ("event", "plpl", false),
        ("ethereum_call", "ppl", false),
        ("fail_with", "plpl", false),
        ("encrypt", "ppplplp", false),
        ("decrypt", "ppplplp", true),
    ];
    let (mut declared, mut called, mut names) = (String::new(), String::new(), Vec::new());
    declared += "(import \"enigma\" \"args_read\" (func $args_read (param i32)))\n";
    for (name, parameters, has_result) in imports {
        let params = " i32".repeat(parameters.len());
        let result = if has_result { "(result i32)" } else { "" };
        declared += &format!("(import \"enigma\" \"{name}\" (func ${name} (param{params}) {result}))\n");
        for length in [-1, i32::MIN, i32::MAX] {
            for pointer in [0, -1] {
                let values = parameters.chars().map(|kind| if kind == 'l' { length } else { pointer });
                let values: String = values.map(|value| format!(" (i32.const {value})")).collect();
                let call = format!("(call ${name}{values})");
                let call = if has_result { format!("(drop {call})") } else { call };
                let number = 1 + names.len();
                called += &format!("(if (i32.eq (local.get $f) (i32.const {number})) (then {call}))\n");
                names.push(format!("{name}({length} at {pointer})"));
            }
        }
    }
    // Arguments: the number of the call, in one byte.
    let text = format!(
        "(module {declared} (memory (export \"memory\") 1) (func (export \"enigma_abi_1\")) (func (export \"deploy\"))
         (func (export \"call\") (local $f i32) (call $args_read (i32.const 60000))
           (local.set $f (i32.load8_u (i32.const 60000))) {called}
           (if (i32.eqz (local.get $f)) (then (call $output (i32.const 60000) (i32.const 1))))))"
    );
    (wat::parse_str(text).unwrap(), names)
}

/// Lesson 8, as far as contracts and keys go; frames that are malformed otherwise are in [`crate::frames`].
#[test]
fn malformed_modules_keys_and_lengths_are_errors_and_never_a_crash() {
    let (mut network, _, worker) = network();
    let exports = "(func (export \"enigma_abi_1\")) (func (export \"deploy\")) (func (export \"call\"))";
    let module = |fields: &str| wat::parse_str(format!("(module {fields} {exports})")).unwrap();
    let memory = "(memory (export \"memory\") 1)";
    let mut truncated = contract();
    truncated.truncate(100);
    let modules = [
        ("empty", Vec::new()),
        ("text", b"hello, this is not WebAssembly".to_vec()),
        ("magic only", b"\0asm".to_vec()),
        ("another version", b"\0asm\x02\0\0\0".to_vec()),
        ("an endless section", b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\x0f".to_vec()),
        ("truncated", truncated),
        ("zeros", vec![0; 1 << 16]),
        ("ones", vec![0xff; 1 << 16]),
        ("without memory", module("")),
        ("with a start function", module(&format!("{memory} (func $s) (start $s)"))),
        ("with a start function that loops", module(&format!("{memory} (func $s (loop $l (br $l))) (start $s)"))),
        ("with 4 GiB of memory", module("(memory (export \"memory\") 65536)")),
        ("with an unknown import", module(&format!("(import \"env\" \"system\" (func)) {memory}"))),
        ("with a float", module(&format!("{memory} (func (drop (f64.const 1)))"))),
    ];
    for (name, code) in modules {
        let sc = network.future_contract(MALLORY);
        network.tell_km(&[sc]);
        network.fetch_keys(&worker, &[sc]);
        let task = network.deployment(&worker, MALLORY, &code, b"");
        let done = task.run(&worker);
        assert_eq!(done.receipt.status, Status::Failure, "{name}");
        assert!(task.text(&done).starts_with("the code is refused"), "{name}: {}", task.text(&done));
    }

    network.call_gas = 1;
    network.gas_limit = 10_000_000;
    let (code, names) = four_gigabytes();
    let sc = network.deployed(&worker, &code, b"");
    for (number, name) in (1u8..).zip(&names) {
        let task = network.call(&worker, sc, MALLORY, "f()", &[number]);
        let done = task.run(&worker);
        assert_eq!(done.receipt.status, Status::Failure, "{name}");
        assert!(!task.text(&done).is_empty(), "{name}");
    }
    let alive = network.call(&worker, sc, ALICE, "f()", &[0]);
    assert_eq!(alive.output(&alive.run(&worker)), [0]);

    // Keys of users of any length, sealed and recorded like that; and where a key is expected by the message itself.
    for length in [0, 1, 31, 33, 64, 65_536] {
        let mut task = network.call(&worker, sc, MALLORY, "f()", &[0]);
        task.input.user_dh_key = vec![9; length];
        task.record.inputs_hash = task.input.inputs_hash();
        assert_eq!(task.run(&worker).receipt.status, Status::Undecryptable, "{length}");
    }
    for key in [[0; 32], [0xff; 32]] {
        let mut task = network.call(&worker, sc, MALLORY, "f()", &[0]);
        task.input.user_dh_key = key.to_vec();
        task.record.inputs_hash = task.input.inputs_hash();
        assert_eq!(task.run(&worker).receipt.status, Status::Undecryptable, "a point of low order");
    }
    for (request, code) in [
        (r#"{"id":"1","type":"GetTip","input":["5c"]}"#.to_owned(), 3),
        (format!(r#"{{"id":"1","type":"GetTip","input":["{}"]}}"#, "5c".repeat(33)), 3),
        (format!(r#"{{"id":"1","type":"NewTaskEncryptionKey","userPubKey":"{}"}}"#, "5c".repeat(257)), 4),
        (r#"{"id":"1","type":"PTTResponse","input":{"response":""}}"#.to_owned(), 15),
        (r#"{"id":"1","type":"NoSuchThing","input":{}}"#.to_owned(), 2),
        (r#"{"id":"1","type":"GetTip","input":"#.to_owned(), 1),
    ] {
        let failure: Failure = serde_json::from_slice(&worker.handle(request.as_bytes())).unwrap();
        assert_eq!(failure.code, Some(code), "{request}: {}", failure.msg);
    }
    let alive = network.call(&worker, sc, ALICE, "f()", &[0]);
    assert_eq!(alive.output(&alive.run(&worker)), [0]);
}

type Change = fn(&mut Receipt);

/// A change of each field of a receipt.
const CHANGES: [(&str, Change); 19] = [
    ("taskId", |receipt| receipt.task_id.0[31] ^= 1),
    ("sc", |receipt| receipt.sc.0[0] ^= 1),
    ("recordIndex", |receipt| receipt.record_index += 1),
    ("deltaIndex", |receipt| receipt.delta_index += 1),
    ("epoch", |receipt| receipt.epoch += 1),
    ("rank", |receipt| receipt.rank += 1),
    ("generation", |receipt| receipt.generation += 1),
    ("exeCodeHash", |receipt| receipt.exe_code_hash.0[0] ^= 1),
    ("inputsHash", |receipt| receipt.inputs_hash.0[0] ^= 1),
    ("previousTip", |receipt| receipt.previous_tip.0[0] ^= 1),
    ("tip", |receipt| receipt.tip.0[0] ^= 1),
    ("outputHash", |receipt| receipt.output_hash.0[0] ^= 1),
    ("gasUsed", |receipt| receipt.gas_used -= 1),
    ("status", |receipt| {
        receipt.status = if receipt.status == Status::Success { Status::Failure } else { Status::Success };
    }),
    ("callTarget", |receipt| receipt.call_target.0[0] ^= 1),
    ("callDataHash", |receipt| receipt.call_data_hash.0[0] ^= 1),
    ("callGas", |receipt| receipt.call_gas += 1),
    ("payTo", |receipt| receipt.pay_to.0[0] ^= 1),
    ("payAmount", |receipt| receipt.pay_amount += 1),
];

/// Lesson 9.
#[test]
fn a_receipt_of_another_chain_contract_task_or_epoch_is_refused() {
    let (mut network, _, worker) = network();
    let contracts = [0, 1].map(|_| network.deployed(&worker, &contract(), b"kept"));
    let mut done = Vec::new();
    for epoch in 1..=2 {
        if epoch > 1 {
            network.next_epoch();
            network.fetch_keys(&worker, &contracts);
        }
        for sc in contracts {
            for _ in 0..2 {
                done.push(network.call(&worker, sc, ALICE, "get()", b"").run(&worker));
            }
        }
    }
    for (n, one) in done.iter().enumerate() {
        assert_eq!(one.receipt.verify(&DOMAIN, &one.signature, worker.signer()), Ok(()));
        // In the place of any other: another task, contract, epoch.
        for (m, other) in done.iter().enumerate() {
            let verified = other.receipt.verify(&DOMAIN, &one.signature, worker.signer()).is_ok();
            assert_eq!(verified, n == m, "receipt {m} with the signature of {n}");
        }
        for domain in [Domain { chain_id: 1, ..DOMAIN }, Domain { enigma: ALICE, ..DOMAIN }] {
            assert!(one.receipt.verify(&domain, &one.signature, worker.signer()).is_err());
        }
        assert!(one.receipt.verify(&DOMAIN, &one.signature, stranger().address()).is_err());
    }
}

/// Lesson 11.
#[test]
fn failures_and_every_hash_that_ethereum_stores_are_covered_by_a_signature() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"kept");
    let mut tasks = vec![network.call(&worker, sc, ALICE, "set(bytes)", b"x")];
    for (function, args) in [("quit(string)", &b"why"[..]), ("loop()", b""), ("get()", b"")] {
        tasks.push(network.call(&worker, sc, ALICE, function, args));
    }
    tasks[3].input.encrypted_args.clear();
    tasks[3].record.inputs_hash = tasks[3].input.inputs_hash();
    let done: Vec<_> = tasks.iter().map(|task| task.run(&worker)).collect();
    let statuses: Vec<_> = done.iter().map(|done| done.receipt.status).collect();
    assert_eq!(statuses, [Status::Success, Status::Failure, Status::Failure, Status::Undecryptable]);
    for done in &done {
        // The output, sealed reasons of failures included, by its hash; then each field.
        assert_eq!(done.receipt.output_hash, keccak256(&done.encrypted_output));
        done.receipt.verify(&DOMAIN, &done.signature, worker.signer()).unwrap();
        for (field, change) in CHANGES {
            let mut changed = done.receipt.clone();
            change(&mut changed);
            assert_ne!(changed, done.receipt, "{field}");
            assert!(changed.verify(&DOMAIN, &done.signature, worker.signer()).is_err(), "{field} is not covered");
        }
    }

    let input = BatchInput { contract_address: Hex(sc), first_record_index: U64(1), count: U64(4) };
    let Ok(Response::SignBatch { result }) = worker.ask(Request::SignBatch { input }) else { panic!() };
    let receipts = done.iter().map(|done| done.receipt.clone()).collect();
    let batch = Batch { sc, epoch: 1, rank: 0, head: result.head.0, receipts };
    let verify = |batch: &Batch| result.signature.0.verify(batch.digest(&DOMAIN), worker.signer());
    verify(&batch).unwrap();
    let changes: [fn(&mut Batch); 6] = [
        |batch| batch.sc.0[0] ^= 1,
        |batch| batch.epoch = 2,
        |batch| batch.rank = 1,
        |batch| batch.head.0[0] ^= 1,
        |batch| batch.receipts.truncate(3),
        |batch| batch.receipts.swap(0, 1),
    ];
    for change in changes {
        let mut changed = batch.clone();
        change(&mut changed);
        assert!(verify(&changed).is_err());
    }
    for at in 0..4 {
        for (field, change) in CHANGES {
            let mut changed = batch.clone();
            change(&mut changed.receipts[at]);
            assert!(verify(&changed).is_err(), "{field} in a batch is not covered");
        }
    }

    // What Ethereum keeps of an epoch and of an enclave.
    let signed = network.sign_epoch(1);
    let epoch = EpochParameters {
        epoch: 1,
        seed: signed.seed.0,
        workers_root: signed.workers_root.0,
        total_stake: signed.total_stake.0,
    };
    let verify = |epoch: EpochParameters| signed.signature.0.verify(epoch.digest(&DOMAIN), network.km.signer()).is_ok();
    assert!(verify(epoch.clone()));
    assert!(!verify(EpochParameters { epoch: 2, ..epoch.clone() }));
    assert!(!verify(EpochParameters { seed: Hash([1; 32]), ..epoch.clone() }));
    assert!(!verify(EpochParameters { workers_root: Hash([1; 32]), ..epoch.clone() }));
    assert!(!verify(EpochParameters { total_stake: 1, ..epoch }));
    let Ok(Response::GetRegistrationParams { result }) = worker.ask(Request::GetRegistrationParams { input: None })
    else {
        panic!()
    };
    let verify = |report: &[u8]| {
        result.signature.0.verify(SigningPurpose::Registration.digest(&DOMAIN, 0, report), worker.signer()).is_ok()
    };
    let mut report = result.report.0.clone();
    assert!(verify(&report));
    report[0] ^= 1;
    assert!(!verify(&report));
}

/// The smallest cost of some tasks with one delta each, so that a snapshot among them does not count, and their whole cost.
fn cost(network: &mut Network, store: &Memory, worker: &dyn Machine, sc: ScAddress, tasks: u64) -> (Cost, Cost) {
    let (mut smallest, mut whole) = (Cost { reads: u64::MAX, ..Cost::default() }, Cost::default());
    for _ in 0..tasks {
        // Another value each time, or there would be no delta.
        let args = network.nonce(ALICE).to_be_bytes();
        let task = network.call(worker, sc, ALICE, "set(bytes)", &args);
        store.cost();
        let done = task.run(worker);
        let cost = store.cost();
        assert_eq!(done.receipt.status, Status::Success);
        smallest = smallest.min(cost);
        whole = Cost {
            reads: whole.reads + cost.reads,
            bytes_read: whole.bytes_read + cost.bytes_read,
            commits: whole.commits + cost.commits,
            writes: whole.writes + cost.writes,
            bytes_written: whole.bytes_written + cost.bytes_written,
        };
    }
    (smallest, whole)
}

/// Lesson 13. Counted in what the store is asked for, and not in time.
#[test]
fn the_cost_of_a_task_does_not_grow_with_earlier_deltas_contracts_or_workers() {
    let (mut network, store, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"0");
    cost(&mut network, &store, &worker, sc, 10);
    let (after_10, first_1000) = cost(&mut network, &store, &worker, sc, 1_000);
    cost(&mut network, &store, &worker, sc, 990);
    let (after_2000, last_1000) = cost(&mut network, &store, &worker, sc, 1_000);
    let (after_3000, _) = cost(&mut network, &store, &worker, sc, 5);
    assert!(after_10.commits == 1 && after_10.writes >= 3, "{after_10:?}");
    // The place of the newest snapshot is the only thing that is more.
    let as_before = |cost: Cost| {
        let Cost { reads, commits, writes, bytes_written, .. } = cost;
        assert_eq!((reads, commits, writes), (after_10.reads, after_10.commits, after_10.writes));
        assert!(bytes_written <= after_10.bytes_written + 64, "{cost:?} and not {after_10:?}");
    };
    as_before(after_2000);
    as_before(after_3000);
    // Snapshots included, in the long run.
    assert!(last_1000.bytes_written <= first_1000.bytes_written + (1 << 20), "{first_1000:?} {last_1000:?}");
    // A new process begins at the newest snapshot.
    let restarted = network.worker(2, &store);
    network.fetch_keys(&restarted, &[sc]);
    let (first_task, _) = cost(&mut network, &store, &restarted, sc, 1);
    assert!(first_task.reads < 1_000, "{first_task:?}");
    let worker = restarted;

    // Beside 200 other contracts.
    for n in 0..200 {
        let deployment = bare::deployment(&worker, ScAddress(keccak256([n]).0), b"other", n.into());
        assert_eq!(bare::ask(&worker, &deployment)["type"], "DeploySecretContract");
    }
    network.call(&worker, sc, ALICE, "get()", b"").run(&worker);
    let (among_200, _) = cost(&mut network, &store, &worker, sc, 5);
    as_before(among_200);

    // The key manager's answer beside 1 and 200 workers, once it knows the epoch.
    let answered = |network: &Network, epoch| {
        let request = key_request(&worker, epoch, &[sc]);
        network.answer(request.clone()).ok();
        network.km_store.cost();
        network.answer(request).ok();
        network.km_store.cost()
    };
    let alone = answered(&network, 1);
    let mut workers: Vec<_> = (0..199).map(|n| Address([n; 20])).collect();
    workers.push(worker.signer());
    network.replace_workers(&workers);
    let among = answered(&network, 2);
    assert!(among.reads <= alone.reads && among.bytes_read <= alone.bytes_read, "{alone:?} {among:?}");
    network.fetch_keys_of(&worker, &[sc], 1).unwrap();
    network.epoch = 1;
    let (among_workers, _) = cost(&mut network, &store, &worker, sc, 5);
    as_before(among_workers);
}

#[track_caller]
fn round_trips<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, text: &str) {
    assert_eq!(serde_json::to_string(&value).unwrap(), text);
    assert_eq!(serde_json::from_str::<T>(text).unwrap(), value);
}

/// Bytes that begin with `zeros` zeros.
fn zeros<const N: usize>(zeros: usize) -> [u8; N] {
    let mut bytes = [0; N];
    (zeros..N).for_each(|at| bytes[at] = 0xa0 + at as u8 % 0x50);
    bytes
}

/// Lesson 15. Values of the ABI are in the tests of the contracts' and the client's libraries, which know it.
#[test]
fn encodings_with_leading_zeros_round_trip() {
    for count in [1, 2, 19, 20] {
        let digits = |bytes: &[u8]| hex::encode(bytes);
        let (address, hash): ([u8; 20], [u8; 32]) = (zeros(count), zeros(count));
        round_trips(Hex(Address(address)), &format!("\"{}\"", digits(&address)));
        round_trips(Hex0x(Address(address)), &format!("\"0x{}\"", digits(&address)));
        round_trips(Hex(Hash(hash)), &format!("\"{}\"", digits(&hash)));
        round_trips(Hex0x(TaskId(hash)), &format!("\"0x{}\"", digits(&hash)));
        round_trips(Hex(ScAddress(hash)), &format!("\"{}\"", digits(&hash)));
        round_trips(Hex(hash.to_vec()), &format!("\"{}\"", digits(&hash)));
        round_trips(Hex0x(Signature(zeros(count))), &format!("\"0x{}\"", digits(&zeros::<65>(count))));
        assert_eq!(digits(&hash).parse::<Hash>().unwrap(), Hash(hash));
        assert_eq!(Hash(hash).to_string().len(), 66);
        // A digit less is no shorter number.
        assert!(serde_json::from_str::<Hex0x<Hash>>(&format!("\"0x{}\"", &digits(&hash)[1..])).is_err());
        assert!(serde_json::from_str::<Hex0x<Hash>>(&format!("\"0x{}\"", &digits(&hash)[2..])).is_err());
    }
    round_trips(ByteArray(vec![0, 0, 7, 0]), "[0,0,7,0]");
    assert_eq!(serde_json::from_str::<ByteArray>("\"00000700\"").unwrap(), ByteArray(vec![0, 0, 7, 0]));
    assert_eq!(serde_json::from_str::<U64>("\"007\"").unwrap(), U64(7));
    assert_eq!(serde_json::from_str::<U128>("\"0001000000000000000000000\"").unwrap(), U128(10u128.pow(21)));
    let bytes = output::Output { data: vec![0, 0, 1], events: vec![] }.to_bytes();
    assert_eq!(output::Output::from_bytes(&bytes).unwrap().data, [0, 0, 1]);

    // Records and receipts, in JSON and in what is hashed and signed.
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"\0first");
    let sender = Address(zeros(19));
    for args in [&b""[..], b"\0", b"\0\0\0", b"\0a", &[0; 300]] {
        let task = network.call(&worker, sc, sender, "echo(bytes)", args);
        let done = task.run(&worker);
        assert_eq!(task.output(&done), args);
        let set = network.call(&worker, sc, sender, "set(bytes)", args);
        set.run(&worker);
        let get = network.call(&worker, sc, sender, "get()", b"");
        assert_eq!(get.output(&get.run(&worker)), args);

        let mut record = task.record;
        (record.prevrandao, record.inputs_hash) = (Hash(zeros(2)), Hash(zeros(31)));
        let json = serde_json::to_string(&RecordJson::from(&record)).unwrap();
        assert_eq!(Record::from(serde_json::from_str::<RecordJson>(&json).unwrap()), record);
        assert_eq!(borsh::from_slice::<Record>(&borsh::to_vec(&record).unwrap()).unwrap(), record);
        let mut receipt = done.receipt;
        (receipt.tip, receipt.call_target, receipt.pay_amount) = (Hash(zeros(3)), Address(zeros(20)), 1);
        let json = serde_json::to_string(&ReceiptJson::from(&receipt)).unwrap();
        assert_eq!(Receipt::try_from(serde_json::from_str::<ReceiptJson>(&json).unwrap()).unwrap(), receipt);
        assert_eq!(borsh::from_slice::<Receipt>(&borsh::to_vec(&receipt).unwrap()).unwrap(), receipt);
    }

    // Signatures with leading zeros in either half, as one in 128 has.
    let key = SecretKey::from_bytes(&zeros(5)).unwrap();
    let mut seen = [0; 2];
    for n in 0..2_000u32 {
        let digest = keccak256(n.to_be_bytes());
        let signature = key.sign(digest);
        for (half, seen) in [0, 32].into_iter().zip(&mut seen) {
            if signature.0[half] == 0 {
                *seen += 1;
                signature.verify(digest, key.address()).unwrap();
                assert_eq!(signature.recover(digest).unwrap(), key.address());
                let text = serde_json::to_string(&Hex(signature)).unwrap();
                assert_eq!(serde_json::from_str::<Hex<Signature>>(&text).unwrap(), Hex(signature));
            }
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");

    // A contract whose address begins with zeros, wherever it is written.
    let sc = ScAddress(zeros(2));
    let deployment = bare::deployment(&worker, sc, b"\0", 1);
    assert_eq!(bare::ask(&worker, &deployment)["type"], "DeploySecretContract");
    let Ok(Response::GetTip { result }) = worker.ask(Request::GetTip { input: one(sc) }) else { panic!() };
    let key = OneOrMany::One(DeltaKey { address: Hex(sc), key: U64(0) });
    let Ok(Response::GetDelta { result: delta }) = worker.ask(Request::GetDelta { input: key }) else { panic!() };
    assert_eq!(result.data, delta.delta);
    let entry = StateEntry::from_bytes(&result.data.0).unwrap();
    assert_eq!((entry.header.sc, entry.to_bytes()), (sc, result.data.0));
    let Ok(Response::GetAllAddrs { result }) = worker.ask(Request::GetAllAddrs {}) else { panic!() };
    assert_eq!(result.addresses[0], Hex(sc));
}
