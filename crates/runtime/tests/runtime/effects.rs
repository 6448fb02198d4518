//! What a call does beside its output: events, a call of Ethereum, a payment, typed failures, texts for the author; queries,
//! which do none of it; and the cryptography that contracts are offered.

use crate::{context, contract, failure, program, run};
use enigma_protocol::{Hash, signature::SecretKey};
use enigma_runtime::{Entry, EthereumCall, Event, Execution, Failure, HostCall, PayOut, State, gas, limits};

const GAS: u64 = 10_000_000;
/// An address at 0, an amount at 32, a text at 64.
const FIELDS: &str = r#"(data (i32.const 0) "\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07\07")
    (data (i32.const 46) "\01\02") (data (i32.const 64) "Moved(uint8)\ff")"#;
const EVENT: &str = "(call $event (i32.const 64) (i32.const 12) (i32.const 46) (i32.const 2))";
const CALL: &str = "(call $ethereum_call (i32.const 0) (i32.const 46) (i32.const 2))";
const PAY: &str = "(call $pay_out (i32.const 0) (i32.const 32))";
const SET: &str = "(call $state_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))";

#[track_caller]
fn fails(call: &str, text: &str) -> Execution {
    let execution = run(&contract(FIELDS, call), GAS);
    assert_eq!(failure(&execution, GAS), text, "{call}");
    execution
}

#[test]
fn effects_of_a_call_that_returns() {
    let effects = format!("{EVENT} {CALL} {PAY} {EVENT} {SET}");
    let execution = run(&contract(FIELDS, &effects), GAS);
    let event = Event { signature: "Moved(uint8)".into(), data: vec![1, 2] };
    assert_eq!(execution.outcome, Ok(vec![]));
    assert_eq!(execution.events, [event.clone(), event]);
    assert_eq!(execution.ethereum_call, Some(EthereumCall { target: [7; 20], data: vec![1, 2] }));
    assert_eq!(execution.pay_out, Some(PayOut { to: [7; 20], amount: 0x0102 }));
    assert_eq!(execution.changes.len(), 1);
    // And of one that does not.
    fails(&format!("{effects} unreachable"), "the contract panicked without a message");
    fails(&format!("{effects} (call $fail (i32.const 64) (i32.const 5))"), "Moved");
    fails(&format!("{effects} (drop (i32.div_u (i32.const 1) (i32.const 0)))"), "division by zero");
}

#[test]
fn effects_that_are_refused() {
    fails(&format!("{CALL} {CALL}"), "a task can call Ethereum only once");
    fails(&format!("{PAY} {PAY}"), "a task can pay out only once");
    let zero = "the zero address can neither be called nor paid";
    fails("(call $ethereum_call (i32.const 100) (i32.const 0) (i32.const 0))", zero);
    fails("(call $pay_out (i32.const 100) (i32.const 0))", zero);
    fails(
        "(call $event (i32.const 64) (i32.const 13) (i32.const 0) (i32.const 0))",
        "the signature of an event must be text",
    );
    let mut no_gas = context(GAS);
    no_gas.call_gas = 0;
    let execution = program(&contract(FIELDS, CALL)).execute(Entry::Call, "f()", b"", &no_gas, &State::new());
    assert_eq!(failure(&execution, GAS), "this task bought no gas for an Ethereum call (callGas is 0)");
}

#[test]
fn effects_are_bounded() {
    let grow = "(drop (memory.grow (i32.const 2)))";
    let most = limits::MAX_EVENT_BYTES;
    let event =
        |length: usize| format!("(call $event (i32.const 64) (i32.const 5) (i32.const 0) (i32.const {length}))");
    assert_eq!(run(&contract(FIELDS, &(grow.to_owned() + &event(most - 5))), GAS).events[0].data.len(), most - 5);
    let text = "the size of all events is too large: the limit is 65536";
    fails(&(grow.to_owned() + &event(most - 4)), text);
    fails(&(grow.to_owned() + &event(most / 2) + &event(most / 2 - 9)), text);
    fails(&(grow.to_owned() + &event(most + 1)), "an event's data is too large: the limit is 65536");
    assert_eq!(run(&contract(FIELDS, &event(0).repeat(64)), GAS).events.len(), 64);
    fails(&event(0).repeat(65), "the number of events is too large: the limit is 64");

    let call = |length: usize| format!("(call $ethereum_call (i32.const 0) (i32.const 0) (i32.const {length}))");
    let largest = run(&contract(FIELDS, &call(limits::MAX_CALL_DATA_BYTES)), GAS);
    assert_eq!(largest.ethereum_call.unwrap().data.len(), limits::MAX_CALL_DATA_BYTES);
    let text = "the data of an Ethereum call is too large: the limit is 16384";
    fails(&call(limits::MAX_CALL_DATA_BYTES + 1), text);
}

#[test]
fn typed_failures() {
    let fail = |data: u32, text: u32| {
        format!("(call $fail_with (i32.const 0) (i32.const {data}) (i32.const 64) (i32.const {text})) unreachable")
    };
    let typed = fails(&fail(4, 5), "Moved");
    assert_eq!(typed.outcome, Err(Failure::Contract { text: "Moved".into(), data: vec![7; 4] }));
    assert_eq!(
        fails(&fail(0, 0), "the contract failed without a message").outcome,
        Err(Failure::Contract { text: "the contract failed without a message".into(), data: vec![] })
    );
    assert!(
        run(&contract(FIELDS, &fail(4_096, 4_000)), GAS)
            .outcome
            .is_err_and(|failure| failure.to_string().len() <= 1_024)
    );
    fails(&fail(4_097, 1), "the error's data is too large: the limit is 4096");
}

#[test]
fn texts_for_the_author() {
    let debug = "(call $debug (i32.const 64) (i32.const 13))";
    let run = |call: &str, debug: bool| {
        let mut context = context(GAS);
        context.debug = debug;
        program(&contract(FIELDS, call)).execute(Entry::Call, "f()", b"", &context, &State::new())
    };
    let shown = run(&debug.repeat(2), true);
    assert_eq!(shown.debug, ["Moved(uint8)\u{fffd}", "Moved(uint8)\u{fffd}"]);
    // The same in everything else.
    let hidden = run(&debug.repeat(2), false);
    assert_eq!(Execution { debug: vec![], ..shown }, hidden);
    // Most of all where the call fails.
    let failed = run(&format!("{debug} unreachable"), true);
    assert_eq!((failed.debug.len(), failed.outcome.is_err()), (1, true));
    let long = run(&"(call $debug (i32.const 100) (i32.const 10000))".repeat(3), true);
    assert_eq!(long.debug.iter().map(String::len).collect::<Vec<_>>(), [10_000, limits::MAX_DEBUG_BYTES - 10_000]);
    let many = "(local $i i32) (loop $l (call $debug (i32.const 0) (i32.const 0))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5000))))";
    assert_eq!(run(many, true).debug.len(), limits::MAX_DEBUG_BYTES / limits::MIN_DEBUG_BYTES);
}

#[test]
fn queries() {
    let with = |body: &str| contract(&format!("{FIELDS} (func (export \"query\") {body})"), SET);
    let ask = |code: &[u8]| program(code).execute(Entry::Query, "f()", b"args", &context(GAS), &State::new());
    let read = "(call $args_read (i32.const 0)) (drop (call $state_get (i32.const 0) (i32.const 1)))
        (call $debug (i32.const 0) (i32.const 1)) (call $output (i32.const 0) (i32.const 4))";
    assert_eq!(ask(&with(read)).outcome, Ok(b"args".to_vec()));
    for (body, text) in [
        (SET, "a query cannot change the state"),
        ("(call $state_remove (i32.const 0) (i32.const 1))", "a query cannot change the state"),
        (EVENT, "a query cannot emit events"),
        (CALL, "a query cannot call Ethereum"),
        (PAY, "a query cannot pay out"),
    ] {
        assert_eq!(failure(&ask(&with(body)), GAS), text);
    }
    let none = ask(&contract(FIELDS, SET));
    assert_eq!(failure(&none, GAS), "this contract answers no queries");
    assert!(none.gas_used < 2_000);
    // A contract that has it is an ordinary one otherwise.
    assert_eq!(run(&with(read), GAS).changes.len(), 1);
    let wrong = contract("(func (export \"query\") (param i32))", "");
    assert_eq!(enigma_runtime::prepare(&wrong).unwrap_err().to_string(), "the export `query` has the wrong type");
    let wrong = contract("(global (export \"query\") i32 (i32.const 1))", "");
    assert_eq!(enigma_runtime::prepare(&wrong).unwrap_err().to_string(), "the export `query` has the wrong type");
}

/// Runs a call whose arguments lie at 0 and whose output are the bytes from `from`, with what `import` returned in front.
#[track_caller]
fn with_arguments(arguments: &[u8], import: &str, from: usize, length: usize) -> Vec<u8> {
    let call =
        format!("(call $args_read (i32.const 0)) {import} (call $output (i32.const {from}) (i32.const {length}))");
    program(&contract("", &call)).execute(Entry::Call, "f()", arguments, &context(GAS), &State::new()).outcome.unwrap()
}

#[test]
fn sha256_is_sha256() {
    let hash = "(call $sha256 (i32.const 0) (i32.const 3) (i32.const 2))";
    let expected = [
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03,
        0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    ];
    assert_eq!(with_arguments(b"abc", hash, 2, 32), expected);
}

#[test]
fn signatures_are_recovered_as_ethereum_does() {
    let key = SecretKey::from_bytes(&[0x42; 32]).unwrap();
    let hash = Hash([5; 32]);
    let signature = key.sign(hash).0;
    let recover = |hash: Hash, signature: [u8; 65]| {
        let arguments = [hash.0.as_slice(), &signature, &[0xee; 20]].concat();
        let import = "(i32.store8 (i32.const 120) (call $recover (i32.const 0) (i32.const 32) (i32.const 97)))";
        let output = with_arguments(&arguments, import, 97, 24);
        (output[23], <[u8; 20]>::try_from(&output[..20]).unwrap())
    };
    assert_eq!(recover(hash, signature), (1, key.address().0));
    let mut small = signature;
    small[64] -= 27;
    assert_eq!(recover(hash, small), (1, key.address().0));
    let (found, other) = recover(Hash([6; 32]), signature);
    assert!(found == 0 || other != key.address().0);
    // Nothing is written where nothing is recovered.
    for v in [2, 26, 29, 255] {
        let mut wrong = signature;
        wrong[64] = v;
        assert_eq!(recover(hash, wrong), (0, [0xee; 20]), "{v}");
    }
    assert_eq!(recover(hash, [0; 65]), (0, [0xee; 20]));
    assert_eq!(recover(hash, [0xff; 65]), (0, [0xee; 20]));
    // The other form of the same signature: n - s, and the other parity.
    let order = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae,
        0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ];
    let mut high = signature;
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i32::from(order[at] as u8) - i32::from(signature[32 + at]) - borrow;
        high[32 + at] = difference.rem_euclid(256) as u8;
        borrow = i32::from(difference < 0);
    }
    high[64] = 55 - signature[64];
    assert_eq!(recover(hash, high), (0, [0xee; 20]));
}

#[test]
fn encryption_is_aes_256_gcm_siv() {
    // RFC 8452, appendix C.2: 8 bytes of plaintext, 1 byte of additional data.
    let mut arguments = vec![1];
    arguments.resize(32, 0);
    arguments.push(3);
    arguments.resize(44, 0);
    arguments.push(1);
    arguments.extend([2, 0, 0, 0, 0, 0, 0, 0]);
    let encrypt = "(call $encrypt (i32.const 0) (i32.const 32) (i32.const 44) (i32.const 1) (i32.const 45) (i32.const 8) (i32.const 45))";
    let sealed = with_arguments(&arguments, encrypt, 45, 24);
    let expected = [
        0x1d, 0xe2, 0x29, 0x67, 0x23, 0x7a, 0x81, 0x32, 0x91, 0x21, 0x3f, 0x26, 0x7e, 0x3b, 0x45, 0x2f, 0x02, 0xd0,
        0x1a, 0xe3, 0x3e, 0x4e, 0xc8, 0x54,
    ];
    assert_eq!(sealed, expected);
    let open = |changed: Option<usize>, length: u32| {
        let mut arguments = arguments[..45].to_vec();
        arguments.extend(&sealed);
        if let Some(at) = changed {
            arguments[at] ^= 1;
        }
        let decrypt = format!(
            "(i32.store8 (i32.const 180) (call $decrypt (i32.const 0) (i32.const 32) (i32.const 44) (i32.const 1) (i32.const 45)
             (i32.const {length}) (i32.const 172)))"
        );
        with_arguments(&arguments, &decrypt, 172, 9)
    };
    assert_eq!(open(None, 24), [2, 0, 0, 0, 0, 0, 0, 0, 1]);
    for changed in [0, 32, 44, 45, 60, 68] {
        assert_eq!(open(Some(changed), 24), [0; 9]);
    }
    for length in [0, 1, 15, 16, 23] {
        assert_eq!(open(None, length), [0; 9]);
    }
    let outside = |call: &str, text: &str| {
        assert_eq!(failure(&run(&contract("", call), GAS), GAS), text);
    };
    let call = |name: &str, values: [i64; 7]| {
        let values = values.map(|value| format!("(i32.const {value})")).join(" ");
        if name == "decrypt" { format!("(drop (call $decrypt {values}))") } else { format!("(call $encrypt {values})") }
    };
    for name in ["encrypt", "decrypt"] {
        let text = |length: u32, at: u32| {
            format!("the contract gave `{name}` {length} bytes at {at}, which is outside its memory")
        };
        outside(&call(name, [65_505, 0, 0, 0, 0, 0, 0]), &text(32, 65_505));
        outside(&call(name, [0, 65_525, 0, 0, 0, 0, 0]), &text(12, 65_525));
        outside(&call(name, [0, 0, 9, -1, 0, 0, 0]), &text(u32::MAX, 9));
        outside(&call(name, [0, 0, 0, 0, 9, -1, 0]), &text(u32::MAX, 9));
    }
    outside(
        &call("encrypt", [0, 0, 0, 0, 0, 9, 65_520]),
        "the contract gave `encrypt` 25 bytes at 65520, which is outside its memory",
    );
    outside(
        &call("decrypt", [0, 0, 0, 0, 0, 26, 65_530]),
        "the contract gave `decrypt` 10 bytes at 65530, which is outside its memory",
    );
}

/// Whatever is bought by length runs out of gas before the work is done.
#[test]
fn everything_is_paid_for() {
    for call in [
        EVENT,
        CALL,
        PAY,
        "(call $sha256 (i32.const 0) (i32.const 60000) (i32.const 0))",
        "(drop (call $recover (i32.const 0) (i32.const 0) (i32.const 0)))",
        "(call $encrypt (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 9) (i32.const 0))",
        "(drop (call $decrypt (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 9) (i32.const 0)))",
        "(call $debug (i32.const 0) (i32.const 60000))",
    ] {
        let program = program(&contract(FIELDS, call));
        let run = |limit| program.execute(Entry::Call, "f()", b"", &context(limit), &State::new());
        let needed = run(GAS).gas_used;
        assert!(run(needed).outcome.is_ok(), "{call}");
        assert_eq!(failure(&run(needed - 1), needed), format!("out of gas: the limit was {}", needed - 1), "{call}");
    }
    let fail = contract(FIELDS, "(call $fail_with (i32.const 0) (i32.const 4000) (i32.const 0) (i32.const 0))");
    let needed = run(&fail, GAS).gas_used;
    assert_eq!(failure(&run(&fail, needed - 1), needed), format!("out of gas: the limit was {}", needed - 1));
}

#[test]
fn the_trace_tells_what_was_asked_in_order() {
    let call = format!("{SET} (drop (call $state_get (i32.const 0) (i32.const 1))) {EVENT} (drop (call $fn_len))");
    let program = program(&contract(FIELDS, &call));
    let (execution, trace) = program.execute_traced(Entry::Call, "f()", b"", &context(GAS), &State::new());
    assert_eq!(execution, program.execute(Entry::Call, "f()", b"", &context(GAS), &State::new()));
    let key = Some(vec![7]);
    assert_eq!(
        trace,
        [
            HostCall { import: "state_set", key: key.clone(), bytes: vec![1, 1] },
            HostCall { import: "state_get", key, bytes: vec![1, 1] },
            HostCall { import: "event", key: None, bytes: vec![12, 2] },
            HostCall { import: "fn_len", key: None, bytes: vec![] },
        ]
    );
    let (short, trace) = program.execute_traced(Entry::Call, "f()", b"", &context(gas::CALL_BASE - 1), &State::new());
    assert!(short.outcome.is_err() && trace.is_empty());
}
