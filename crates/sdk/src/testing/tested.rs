//! A contract under test: its state, and the tasks and queries that are sent to it.

use super::host::{self, FailedWith, Runtime, with};
use super::{EncodeArguments, Failure, leak};
use crate::abi::{self, DecodeError, Decoder};
use crate::contract::{self, Contract, Entry};
use crate::ethereum::EthereumCall;
use crate::{Address, Bytes32, Event};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use sha3::{Digest, Keccak256};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

const MAX_OUTPUT_BYTES: usize = 64 << 10;
const MAX_ARGUMENT_BYTES: usize = 256 << 10;

/// A contract under test. Tasks and queries change and read its state as they would in an enclave.
///
/// `tested.by(ALICE)` sends a task, `tested.query(ALICE)` a query; what follows is one of the contract's functions, with its
/// arguments: `tested.by(ALICE).transfer(BOB, U256::from(5))`. [`last`](Tested::last) tells what it did beside its result.
pub struct Tested<C> {
    backend: Backend,
    /// State, contract and block.
    surroundings: Runtime,
    /// From which all randomness is drawn.
    seed: [u8; 32],
    tasks: u64,
    last: Execution,
    pub(super) recording: Option<Vec<leak::Step>>,
    contract: PhantomData<fn() -> C>,
}

#[derive(Clone)]
enum Backend {
    Native,
    #[cfg(feature = "runtime")]
    Runtime(std::sync::Arc<super::runtime::Module>),
}

/// A package, so that its contract can be compiled: `package!()` of a test's expansion.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Package {
    pub name: &'static str,
    pub directory: &'static str,
}

/// A task or a query as its sender makes it: `Task::by(ALICE).value(5)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    caller: Address,
    value: u128,
    gas_limit: u64,
    call_gas: u64,
}

impl Task {
    /// Of this account, without value, with more gas than any test needs, and with none for a call of Ethereum.
    pub fn by(caller: Address) -> Task {
        Task { caller, value: 0, gas_limit: 1_000_000_000, call_gas: 0 }
    }

    /// With value, in the smallest unit.
    pub fn value(self, value: u128) -> Task {
        Task { value, ..self }
    }

    /// With this much gas. Natively nothing is metered, and every limit suffices.
    pub fn gas_limit(self, gas_limit: u64) -> Task {
        Task { gas_limit, ..self }
    }

    /// With gas for a call of Ethereum, without which the contract cannot make one.
    pub fn call_gas(self, call_gas: u64) -> Task {
        Task { call_gas, ..self }
    }
}

impl From<Address> for Task {
    fn from(caller: Address) -> Task {
        Task::by(caller)
    }
}

/// What a task or query did, beside its result. After a failure, nothing but its gas and what it printed for the author.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// The gas that it used; 0 natively, where nothing is metered.
    pub gas_used: u64,
    /// Its events, in order. [`events`](Execution::events) decodes them.
    pub emitted: Vec<EmittedEvent>,
    /// The call of Ethereum that it asked for, to compare with `Voting::at(address).record_tally(…)`.
    pub ethereum_call: Option<EthereumCall>,
    /// The payment that it asked for.
    pub pay_out: Option<PayOut>,
    /// What [`debug!`](crate::debug) showed.
    pub debug: Vec<String>,
    /// The keys that it changed, with their new values.
    pub changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Execution {
    /// The events of a kind, in order.
    ///
    /// # Panics
    /// If one with this signature has other parameters, which the SDK cannot have written.
    #[track_caller]
    pub fn events<E: Event>(&self) -> Vec<E> {
        let of_this_kind = self.emitted.iter().filter(|event| event.signature == E::TEXT);
        let decode = |event: &EmittedEvent| E::decode(&mut Decoder::new(&event.data));
        match of_this_kind.map(decode).collect::<Result<_, DecodeError>>() {
            Ok(events) => events,
            Err(error) => panic!("an event {} cannot be decoded: {error}", E::TEXT),
        }
    }
}

/// An event as the caller gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmittedEvent {
    /// The text of its signature.
    pub signature: String,
    /// Its parameters, as Solidity encodes them.
    pub data: Vec<u8>,
}

/// A payment out of what the contract holds on Ethereum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayOut {
    /// Who is paid.
    pub to: Address,
    /// How much, in the smallest unit.
    pub amount: u128,
}

/// One use of the runtime by the contract, for the leak check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCall {
    /// The function of the runtime.
    pub import: &'static str,
    /// The key, where the state is read or written.
    pub key: Option<Vec<u8>>,
    /// The lengths involved.
    pub bytes: Vec<usize>,
}

/// What `#[enigma_sdk::contract]` implements for tests: the contract's functions as functions of a handle.
pub trait Typed: Contract + 'static {
    /// The functions.
    type Calls<'a>: From<Handle<'a, Self>>;
}

/// A task or query that waits for its function.
pub struct Handle<'a, C> {
    tested: &'a mut Tested<C>,
    entry: Entry,
    task: Task,
}

impl<C: Contract> Handle<'_, C> {
    /// Sends it, and decodes what comes back. For the macros' output.
    #[doc(hidden)]
    #[track_caller]
    pub fn send<T: abi::Outputs>(self, constructs: bool, signature: &str, arguments: &[u8]) -> Result<T, Failure> {
        let entry = if constructs { Entry::Deploy } else { self.entry };
        let output = self.tested.run(entry, self.task, signature, arguments)?;
        match abi::decode_outputs(&output) {
            Ok(result) => Ok(result),
            Err(error) => panic!("`{signature}` returned something else than its type says: {error}"),
        }
    }
}

impl<C> fmt::Debug for Handle<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("entry", &self.entry).field("task", &self.task).finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for Tested<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tested").field("runs_in", &self.runs_in()).field("tasks", &self.tasks).finish_non_exhaustive()
    }
}

impl<C> Clone for Tested<C> {
    fn clone(&self) -> Self {
        Tested {
            backend: self.backend.clone(),
            surroundings: self.surroundings.clone(),
            seed: self.seed,
            tasks: self.tasks,
            last: self.last.clone(),
            recording: self.recording.clone(),
            contract: PhantomData,
        }
    }
}

impl<C> Tested<C> {
    fn new(backend: Backend) -> Self {
        let surroundings =
            Runtime { contract: [0xc0; 32], block_number: 1, block_timestamp: 1_800_000_000, ..Runtime::default() };
        Tested {
            backend,
            surroundings,
            seed: [0; 32],
            tasks: 0,
            last: Execution::default(),
            recording: None,
            contract: PhantomData,
        }
    }

    /// A contract that runs as it is compiled natively, with nothing in its state.
    pub fn native() -> Self {
        Tested::new(Backend::Native)
    }

    /// A contract that runs compiled to WebAssembly in the real runtime, with nothing in its state.
    #[cfg(feature = "runtime")]
    #[doc(hidden)]
    #[track_caller]
    pub fn in_runtime(package: Package) -> Self {
        Tested::new(Backend::Runtime(super::runtime::Module::of(package)))
    }

    /// Where the contract runs: `native` or `runtime`.
    pub fn runs_in(&self) -> &'static str {
        match &self.backend {
            Backend::Native => "native",
            #[cfg(feature = "runtime")]
            Backend::Runtime(_) => "runtime",
        }
    }

    /// Whether gas is metered: in the runtime, but not natively.
    pub fn meters_gas(&self) -> bool {
        self.runs_in() == "runtime"
    }

    /// What the last task or query did.
    pub fn last(&self) -> &Execution {
        &self.last
    }

    /// Sets the block of the tasks that follow: its number, and its time in seconds since 1970.
    pub fn set_block(&mut self, number: u64, timestamp: u64) {
        self.surroundings.block_number = number;
        self.surroundings.block_timestamp = timestamp;
    }

    /// Lets time pass: seconds, and a block for every twelve of them.
    pub fn wait(&mut self, seconds: u64) {
        self.surroundings.block_number += seconds.div_ceil(12);
        self.surroundings.block_timestamp += seconds;
    }

    /// The number of the block of the next task.
    pub fn block_number(&self) -> u64 {
        self.surroundings.block_number
    }

    /// The time of that block, in seconds since 1970.
    pub fn block_timestamp(&self) -> u64 {
        self.surroundings.block_timestamp
    }

    /// Sets where randomness comes from. With the same seed, a test draws the same numbers, natively and in the runtime.
    pub fn set_random_seed(&mut self, seed: u64) {
        self.seed[24..].copy_from_slice(&seed.to_be_bytes());
    }

    /// Sets the contract's identifier.
    pub fn set_contract(&mut self, contract: Bytes32) {
        self.surroundings.contract = contract.0;
    }

    /// How many keys the state has.
    pub fn state_entries(&self) -> usize {
        self.surroundings.state.len()
    }

    /// How many bytes the state's keys and values have together.
    pub fn state_bytes(&self) -> usize {
        self.surroundings.state.iter().map(|(key, value)| key.len() + value.len()).sum()
    }
}

impl<C: Contract> Tested<C> {
    /// Sends a task: `tested.by(ALICE).function(…)`, or `tested.by(Task::by(ALICE).value(5)).function(…)`.
    pub fn by(&mut self, task: impl Into<Task>) -> C::Calls<'_>
    where
        C: Typed,
    {
        Handle { tested: self, entry: Entry::Call, task: task.into() }.into()
    }

    /// Sends a query: `tested.query(ALICE).function(…)`. Only functions with `#[query]` answer, and nothing changes.
    pub fn query(&mut self, task: impl Into<Task>) -> C::Calls<'_>
    where
        C: Typed,
    {
        Handle { tested: self, entry: Entry::Query, task: task.into() }.into()
    }

    /// Sends a task to a function by its signature: for arguments of other types than the contract's.
    ///
    /// # Errors
    /// What the caller is told of a call that fails.
    pub fn call(
        &mut self,
        task: impl Into<Task>,
        signature: &str,
        arguments: impl EncodeArguments,
    ) -> Result<Vec<u8>, Failure> {
        self.run(Entry::Call, task.into(), signature, &arguments.encode_arguments())
    }

    /// Runs a constructor by its signature, `construct(…)`.
    ///
    /// # Errors
    /// What the deployer is told of a constructor that fails.
    pub fn deploy(
        &mut self,
        task: impl Into<Task>,
        signature: &str,
        arguments: impl EncodeArguments,
    ) -> Result<Vec<u8>, Failure> {
        self.run(Entry::Deploy, task.into(), signature, &arguments.encode_arguments())
    }

    /// Looks at the state through the contract's fields, as no caller can.
    pub fn inspect<R>(&self, look: impl FnOnce(&C) -> R) -> R {
        let before = with(|runtime| std::mem::replace(runtime, self.surroundings.clone()));
        let seen = catch_unwind(AssertUnwindSafe(|| look(&C::default())));
        with(|runtime| *runtime = before);
        seen.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn run(&mut self, entry: Entry, task: Task, signature: &str, arguments: &[u8]) -> Result<Vec<u8>, Failure> {
        self.tasks += 1;
        let number = self.tasks.to_be_bytes();
        let derive = |label: &[u8]| -> [u8; 32] {
            Keccak256::new().chain_update(label).chain_update(self.seed).chain_update(number).finalize().into()
        };
        let context = Runtime {
            entry,
            caller: task.caller.0,
            // A query is no transaction.
            value: if entry == Entry::Query { 0 } else { task.value },
            call_gas: if entry == Entry::Query { 0 } else { task.call_gas },
            task_id: derive(b"task"),
            random_seed: derive(b"seed"),
            ..self.surroundings.clone()
        };
        let (result, execution, trace) = match &self.backend {
            Backend::Native => run_in::<C>(context, signature, arguments),
            #[cfg(feature = "runtime")]
            Backend::Runtime(module) => {
                module.run(context, task.gas_limit, signature, arguments, self.recording.is_some())
            }
        };
        for (key, value) in &execution.changes {
            match value {
                Some(value) => self.surroundings.state.insert(key.clone(), value.clone()),
                None => self.surroundings.state.remove(key),
            };
        }
        if let Some(steps) = &mut self.recording {
            steps.push(leak::Step::new(signature, task.gas_limit, &result, &execution, trace));
        }
        self.last = execution;
        result
    }
}

/// A call on a state of its own, apart from what the thread holds.
fn run_in<C: Contract>(
    context: Runtime,
    signature: &str,
    arguments: &[u8],
) -> (Result<Vec<u8>, Failure>, Execution, Vec<HostCall>) {
    let old = context.state.clone();
    let entry = context.entry;
    let before = with(|runtime| std::mem::replace(runtime, context));
    let result = run_natively::<C>(entry, signature, arguments);
    let after = with(|runtime| std::mem::replace(runtime, before));
    let mut changes = BTreeMap::new();
    for (key, value) in &after.state {
        if old.get(key) != Some(value) {
            changes.insert(key.clone(), Some(value.clone()));
        }
    }
    for key in old.keys().filter(|key| !after.state.contains_key(*key)) {
        changes.insert(key.clone(), None);
    }
    let execution = Execution {
        gas_used: 0,
        emitted: after.events,
        ethereum_call: after.ethereum_call,
        pay_out: after.pay_out,
        debug: after.debug,
        changes,
    };
    (result, execution, after.trace)
}

/// A call on the thread's state. A failure leaves the state as it was, and nothing of what the call asked for.
pub(super) fn run_natively<C: Contract>(entry: Entry, signature: &str, arguments: &[u8]) -> Result<Vec<u8>, Failure> {
    let before = with(|runtime| {
        runtime.entry = entry;
        runtime.events.clear();
        runtime.ethereum_call = None;
        runtime.pay_out = None;
        runtime.state.clone()
    });
    let result = if arguments.len() > MAX_ARGUMENT_BYTES {
        Err("the arguments are too large: the limit is 262144".into())
    } else if entry == Entry::Query && !answers_queries::<C>() {
        Err("this contract answers no queries".into())
    } else {
        dispatch::<C>(entry, signature, arguments)
    };
    let result = result.and_then(|output| {
        if output.len() > MAX_OUTPUT_BYTES {
            Err("the output is too large: the limit is 65536".into())
        } else {
            Ok(output)
        }
    });
    if result.is_err() {
        with(|runtime| {
            runtime.state = before;
            runtime.events.clear();
            runtime.ethereum_call = None;
            runtime.pay_out = None;
        });
    }
    with(|runtime| runtime.entry = Entry::Call);
    result
}

fn answers_queries<C: Contract>() -> bool {
    C::FUNCTIONS.iter().any(|function| function.entries.contains(&Entry::Query))
}

fn dispatch<C: Contract>(entry: Entry, signature: &str, arguments: &[u8]) -> Result<Vec<u8>, Failure> {
    let text = |bytes: &[u8]| Failure { text: host::failure_text(bytes), data: Vec::new() };
    match catch_unwind(AssertUnwindSafe(|| C::dispatch(entry, signature.as_bytes(), arguments))) {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(failure)) => {
            let mut written = crate::failure::Text::new();
            failure.write(entry, signature.as_bytes(), &mut written);
            let text = text(written.written());
            Err(match failure {
                contract::Failure::Error { data, .. } => Failure { data, ..text },
                contract::Failure::NoFunction | contract::Failure::Arguments(_) | contract::Failure::Text(_) => text,
            })
        }
        Err(panic) => Err(match panic.downcast::<FailedWith>() {
            Ok(failure) => Failure { text: failure.text, data: failure.data },
            Err(panic) => match panic.downcast::<String>() {
                Ok(failure) => text(failure.as_bytes()),
                Err(panic) => match panic.downcast::<&'static str>() {
                    Ok(failure) => text(failure.as_bytes()),
                    Err(panic) => resume_unwind(panic),
                },
            },
        }),
    }
}
