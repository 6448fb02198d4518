//! wasmi against wasmtime: a script of calls comes to the same outputs, gas, failures and changes on both.

use crate::{modules, oracle::Oracle};
use arbitrary::{Result, Unstructured};
use enigma_runtime::{Context, Entry, Execution, State, prepare};

/// Gas of a call: enough to fill memory and stack, little enough for many calls a second.
const MAX_GAS: u64 = 400_000;
const MAX_CALLS: usize = 4;
const ENTRIES: [Entry; 3] = [Entry::Deploy, Entry::Call, Entry::Query];

/// A module and calls of it are made from the bytes.
pub fn check(bytes: &[u8]) {
    // Bytes that are used up are no mistake of the code under test.
    let _ = script(&mut Unstructured::new(bytes));
}

fn script(bytes: &mut Unstructured<'_>) -> Result<()> {
    let calls = bytes.int_in_range(1..=MAX_CALLS)?;
    let calls: Vec<(Entry, Context, Vec<u8>)> = (0..calls)
        .map(|number| {
            let entry = *bytes.choose(&ENTRIES)?;
            let args = bytes.arbitrary::<[u8; 8]>()?.to_vec();
            Ok((entry, context(number, bytes.int_in_range(0..=MAX_GAS)?, bytes.arbitrary()?), args))
        })
        .collect::<Result<_>>()?;
    let pre_code = modules::contract(bytes)?;
    let Ok(exe_code) = prepare(&pre_code) else { return Ok(()) };
    let mut contract = Contract::new(&exe_code);
    for (entry, context, args) in calls {
        contract.run(entry, "f(uint256)", &args, &context);
    }
    Ok(())
}

/// The surroundings of the call with this number. What a task may cause on Ethereum is allowed where `rich`.
#[must_use]
pub fn context(number: usize, gas_limit: u64, rich: bool) -> Context {
    let number = u8::try_from(number % 251).unwrap_or(0);
    Context {
        contract: [0xc0; 32],
        task_id: [number; 32],
        caller: [0xa0 + number % 4; 20],
        value: if rich { u128::from(number) << 64 } else { 0 },
        block_number: 100 + u64::from(number),
        block_timestamp: 1_700_000_000,
        random_seed: [number; 32],
        gas_limit,
        call_gas: if rich { 100_000 } else { 0 },
        debug: rich,
    }
}

/// A contract whose calls run on both engines.
pub struct Contract {
    engines: Oracle,
    /// What it remembers.
    pub state: State,
}

impl Contract {
    /// With an empty state.
    ///
    /// # Panics
    ///
    /// If an engine does not take the code.
    #[must_use]
    pub fn new(exe_code: &[u8]) -> Self {
        Self { engines: Oracle::load(exe_code), state: State::new() }
    }

    /// Runs a call on both engines and applies what it changed.
    ///
    /// # Panics
    ///
    /// If they come to different results.
    pub fn run(&mut self, entry: Entry, function: &str, args: &[u8], context: &Context) -> Execution {
        let execution = self.engines.program.execute(entry, function, args, context, &self.state);
        let other = self.engines.execute(entry, function, args, context, &self.state);
        assert_eq!(Shown(&execution), Shown(&other), "wasmi (left) and wasmtime (right) differ");
        assert!(execution.gas_used <= context.gas_limit, "more gas than the limit");
        if let Err(failure) = &execution.outcome {
            assert!(failure.is_final(), "{failure}");
            assert!(execution.changes.is_empty() && execution.events.is_empty(), "a failure leaves something behind");
            assert!(execution.ethereum_call.is_none() && execution.pay_out.is_none());
        }
        for (key, value) in &execution.changes {
            match value {
                Some(value) => self.state.insert(key.clone(), value.clone()),
                None => self.state.remove(key),
            };
        }
        execution
    }
}

/// An execution of which everything may be shown, because nothing here is secret.
#[derive(PartialEq)]
struct Shown<'a>(&'a Execution);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Execution { gas_used, outcome, changes, events, ethereum_call, pay_out, debug } = self.0;
        formatter
            .debug_struct("Execution")
            .field("gas_used", gas_used)
            .field("outcome", outcome)
            .field("changes", changes)
            .field("events", events)
            .field("ethereum_call", ethereum_call)
            .field("pay_out", pay_out)
            .field("debug", debug)
            .finish()
    }
}
