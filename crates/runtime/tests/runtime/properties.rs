//! What holds for every call: the same inputs have the same result and gas, a failure leaves nothing, memory grows to its maximum.

use crate::{IMPORTS, context, contract, module, program};
use enigma_runtime::{Entry, EthereumCall, Event, Execution, HostCall, PayOut, State, limits};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One thing that a call does.
#[derive(Debug, Clone)]
enum Step {
    Set(u8, u8),
    Remove(u8),
    Get(u8),
    Event(u8),
    Call,
    Pay(u8),
    Output(u8),
    Debug(u8),
    Random(u8),
    Hash(u8),
}

impl Step {
    fn text(&self) -> String {
        match self {
            Step::Set(key, length) => {
                format!("(call $state_set (i32.const {key}) (i32.const 1) (i32.const 300) (i32.const {length}))")
            }
            Step::Remove(key) => format!("(call $state_remove (i32.const {key}) (i32.const 1))"),
            Step::Get(key) => format!("(drop (call $state_get (i32.const {key}) (i32.const 1)))"),
            Step::Event(length) => {
                format!("(call $event (i32.const 300) (i32.const 3) (i32.const 300) (i32.const {length}))")
            }
            Step::Call => "(call $ethereum_call (i32.const 1) (i32.const 300) (i32.const 5))".into(),
            Step::Pay(at) => format!("(call $pay_out (i32.const 1) (i32.const {at}))"),
            Step::Output(length) => format!("(call $output (i32.const 300) (i32.const {length}))"),
            Step::Debug(length) => format!("(call $debug (i32.const 300) (i32.const {length}))"),
            Step::Random(length) => format!("(call $random (i32.const 1000) (i32.const {length}))"),
            Step::Hash(length) => format!("(call $sha256 (i32.const 0) (i32.const {length}) (i32.const 2000))"),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 1..6_u8;
    let step = prop_oneof![
        3 => (key.clone(), any::<u8>()).prop_map(|(key, length)| Step::Set(key, length)),
        1 => key.clone().prop_map(Step::Remove),
        1 => key.prop_map(Step::Get),
        2 => any::<u8>().prop_map(Step::Event),
        1 => Just(Step::Call),
        1 => (0..200_u8).prop_map(Step::Pay),
        2 => any::<u8>().prop_map(Step::Output),
        1 => any::<u8>().prop_map(Step::Debug),
        1 => any::<u8>().prop_map(Step::Random),
        1 => any::<u8>().prop_map(Step::Hash),
    ];
    prop::collection::vec(step, 0..12)
}

/// The memory of these contracts: each byte below 256 is its address, then come letters.
fn fields() -> String {
    let bytes: String = (0..256).map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const 0) \"{bytes}\") (data (i32.const 300) \"{}\")", "abc".repeat(100))
}

fn start() -> State {
    State::from([(vec![1], b"abc".to_vec()), (vec![2], vec![9])])
}

/// What the steps do, or the first that may not be done.
fn model(steps: &[Step]) -> Result<Execution, ()> {
    let letters = |length: u8| b"abc".repeat(100)[..usize::from(length)].to_vec();
    let mut expected = Execution {
        gas_used: 0,
        outcome: Ok(vec![]),
        changes: BTreeMap::new(),
        events: vec![],
        ethereum_call: None,
        pay_out: None,
        debug: vec![],
    };
    let target: [u8; 20] = std::array::from_fn(|at| at as u8 + 1);
    for step in steps {
        match *step {
            Step::Set(key, length) => _ = expected.changes.insert(vec![key], Some(letters(length))),
            Step::Remove(key) => _ = expected.changes.insert(vec![key], None),
            Step::Event(length) => {
                expected.events.push(Event { signature: "abc".into(), data: letters(length) });
            }
            Step::Call if expected.ethereum_call.is_some() => return Err(()),
            Step::Call => expected.ethereum_call = Some(EthereumCall { target, data: letters(5) }),
            Step::Pay(_) if expected.pay_out.is_some() => return Err(()),
            Step::Pay(at) => {
                let amount = u128::from_be_bytes(std::array::from_fn(|byte| at + byte as u8));
                expected.pay_out = Some(PayOut { to: target, amount });
            }
            Step::Output(length) => expected.outcome = Ok(letters(length)),
            Step::Debug(length) => expected.debug.push(String::from_utf8(letters(length)).unwrap()),
            Step::Get(_) | Step::Random(_) | Step::Hash(_) => {}
        }
    }
    let start = start();
    expected.changes.retain(|key, value| start.get(key) != value.as_ref());
    Ok(expected)
}

fn effects(execution: &Execution) -> usize {
    let Execution { changes, events, ethereum_call, pay_out, .. } = execution;
    changes.len() + events.len() + usize::from(ethereum_call.is_some()) + usize::from(pay_out.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_call_does_all_or_nothing(steps in steps(), end in 0..5_usize, part in 0..100_u64) {
        let ends = ["", "unreachable", "(call $fail (i32.const 300) (i32.const 3))", "(drop (i32.load (i32.const -1)))",
            "(call $fail_with (i32.const 300) (i32.const 4) (i32.const 300) (i32.const 3))"];
        let body: String = steps.iter().map(Step::text).chain([ends[end].to_owned()]).collect();
        let program = program(&contract(&fields(), &body));
        let (mut context, state) = (context(1_000_000), start());
        context.debug = true;
        let first = program.execute(Entry::Call, "f()", b"", &context, &state);
        prop_assert_eq!(&program.execute(Entry::Call, "f()", b"", &context, &state), &first);
        let (traced, trace) = program.execute_traced(Entry::Call, "f()", b"", &context, &state);
        prop_assert_eq!(&traced, &first);
        let gas = first.gas_used;
        match model(&steps) {
            Ok(expected) if end == 0 => {
                prop_assert_eq!(&first, &Execution { gas_used: gas, ..expected });
                prop_assert_eq!(trace.len(), steps.len());
            }
            _ => prop_assert!(first.outcome.is_err() && effects(&first) == 0),
        }
        // Texts for the author change nothing else.
        context.debug = false;
        let silent = program.execute(Entry::Call, "f()", b"", &context, &state);
        prop_assert_eq!(&silent, &Execution { debug: vec![], ..first.clone() });
        // With less gas there is nothing at all, and what was done before is a beginning of it.
        context.gas_limit = gas * part / 100;
        let (short, beginning) = program.execute_traced(Entry::Call, "f()", b"", &context, &state);
        prop_assert!(short.outcome.is_err() && effects(&short) == 0);
        prop_assert_eq!(short.gas_used, context.gas_limit);
        let whole: &[HostCall] = &trace;
        prop_assert!(whole.starts_with(&beginning));
    }

    #[test]
    fn memory_grows_to_its_maximum_and_no_further(
        initial in 0..6_u32, room in prop::option::of(0..6_u32), pages in prop::collection::vec(0..5_u32, 1..6)
    ) {
        let maximum = room.map(|room| initial + room);
        let declared = maximum.map_or(String::new(), |maximum| maximum.to_string());
        let grow = |pages: &u32| format!("(i32.store (local.get $i) (memory.grow (i32.const {pages}))) (local.set $i (i32.add (local.get $i) (i32.const 4)))");
        let body: String = pages.iter().map(grow).collect();
        // A first page for what is written down.
        let code = module(&format!("{IMPORTS} (memory (export \"memory\") {} {}) {}
            (func (export \"call\") (local $i i32) {body} (call $output (i32.const 0) (local.get $i)))",
            initial + 1, maximum.map_or(declared, |maximum| (maximum + 1).to_string()), crate::EXPORTS));
        let output = crate::run(&code, 1_000_000).outcome.unwrap();
        let mut size = initial + 1;
        let most = maximum.map_or(limits::MAX_MEMORY_PAGES, |maximum| maximum + 1);
        for (asked, answer) in pages.iter().zip(output.chunks(4)) {
            let answer = i32::from_le_bytes(answer.try_into().unwrap());
            if size + asked > most {
                prop_assert_eq!(answer, -1);
            } else {
                prop_assert_eq!(answer, size as i32);
                size += asked;
            }
        }
    }
}
