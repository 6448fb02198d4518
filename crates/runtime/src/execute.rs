//! Loads exeCode and runs one call of it.

use crate::{
    Failure,
    engine::{gas_export, stack_export},
    gas,
    host::{Host, HostCall},
    imports::{Import, MODULE, Returns},
    limits as limit,
    validate::{self, Form, InvalidCode, MEMORY},
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::fmt;
use enigma_protocol::output::Event;
use wasmi::{
    Caller, CompilationMode, Config, Engine, Error, Extern, ExternType, Func, Global, Instance, Memory, Module,
    Mutability, Store, Val, ValType,
};
use zeroize::Zeroize as _;

/// Nested calls that the engine allows; metered code ends before (every counted frame has at least `FRAME_UNITS` units).
const ENGINE_MAX_FRAMES: usize = 20_000;
/// Bytes of stack that the engine allows: metered code uses an eighth (8 bytes a unit), and one frame that is not counted.
const ENGINE_MAX_STACK_BYTES: usize = 8 << 20;

/// The state of a contract.
pub type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a call changed: new values, `None` where a key was removed. Canonical: nothing that leaves the state as it was.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Which exported function of the contract is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The constructor.
    Deploy,
    /// Everything after that.
    Call,
    /// A reading call that leaves no trace; contracts need not offer it.
    Query,
}

impl Entry {
    /// The exported function.
    #[must_use]
    pub const fn export(self) -> &'static str {
        match self {
            Entry::Deploy => "deploy",
            Entry::Call => "call",
            Entry::Query => validate::QUERY,
        }
    }
}

/// What a call knows about its surroundings. The seed is erased when the context is dropped.
#[derive(Clone)]
pub struct Context {
    /// Identifier of the secret contract.
    pub contract: [u8; 32],
    /// Identifier of the task.
    pub task_id: [u8; 32],
    /// Ethereum address that recorded the task.
    pub caller: [u8; 20],
    /// Grains that came with the task.
    pub value: u128,
    /// Number of the block that holds the task's record.
    pub block_number: u64,
    /// Time of that block, in seconds since 1970.
    pub block_timestamp: u64,
    /// Seed of the contract's randomness in this call.
    pub random_seed: [u8; 32],
    /// Most gas that the call may use; more than 2^63 - 1 counts as that.
    pub gas_limit: u64,
    /// Ethereum gas that the task bought for a call; without any, there is no call.
    pub call_gas: u64,
    /// Whether texts for the author are collected. They are part of no result.
    pub debug: bool,
}

impl Drop for Context {
    fn drop(&mut self) {
        self.random_seed.zeroize();
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Context").field("gas_limit", &self.gas_limit).finish_non_exhaustive()
    }
}

/// A call of an Ethereum contract that a task asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EthereumCall {
    /// The contract.
    pub target: [u8; 20],
    /// Calldata.
    pub data: Vec<u8>,
}

/// A payment from the contract's vault that a task asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayOut {
    /// Who is paid.
    pub to: [u8; 20],
    /// Grains.
    pub amount: u128,
}

/// What came of a call. A failure leaves nothing behind but its gas, and texts for the author.
#[derive(Clone, PartialEq, Eq)]
pub struct Execution {
    /// Gas used, never more than the limit; all of it when it ran out.
    pub gas_used: u64,
    /// The output (Solidity ABI), or why there is none.
    pub outcome: Result<Vec<u8>, Failure>,
    /// What changed.
    pub changes: Changes,
    /// What the contract tells the caller beside the output.
    pub events: Vec<Event>,
    /// What it calls on Ethereum.
    pub ethereum_call: Option<EthereumCall>,
    /// What it pays.
    pub pay_out: Option<PayOut>,
    /// Texts for the author, where [`Context::debug`] asks for them.
    pub debug: Vec<String>,
}

impl Execution {
    pub(crate) fn failed(gas_used: u64, failure: Failure) -> Self {
        Execution {
            gas_used,
            outcome: Err(failure),
            changes: Changes::new(),
            events: Vec::new(),
            ethereum_call: None,
            pay_out: None,
            debug: Vec::new(),
        }
    }
}

impl fmt::Debug for Execution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Execution").field("gas_used", &self.gas_used).finish_non_exhaustive()
    }
}

/// Compiled exeCode. A clone shares the compiled code; calls can run in parallel.
#[derive(Clone)]
pub struct Program {
    engine: Engine,
    module: Module,
    pub(crate) start_gas: u64,
    pub(crate) answers_queries: bool,
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Program").field("start_gas", &self.start_gas).finish_non_exhaustive()
    }
}

impl Program {
    /// Compiles exeCode. It must come from [`prepare`](crate::prepare) of this version: that is authenticated by whoever keeps
    /// it; here its form is checked, not that every run of instructions is metered.
    ///
    /// # Errors
    ///
    /// [`InvalidCode`] for anything that is not well-formed exeCode of this version.
    pub fn load(exe_code: &[u8]) -> Result<Program, InvalidCode> {
        if exe_code.len() > limit::MAX_EXE_CODE_BYTES {
            return Err(InvalidCode::TooLarge {
                what: "exeCode",
                bytes: exe_code.len(),
                limit: limit::MAX_EXE_CODE_BYTES,
            });
        }
        let mut parts = validate::module(exe_code, Form::ExeCode)?;
        validate::bodies(&mut parts)?;
        let start_gas = gas::start(parts.initial_pages, parts.items, parts.data_bytes);
        let answers_queries = parts.query.is_some();
        drop(parts);
        let engine = Engine::new(&config());
        let module = Module::new(&engine, exe_code).map_err(|error| validate::engine_error(&error))?;
        for name in [gas_export(), stack_export()] {
            match module.get_export(&name) {
                Some(ExternType::Global(ty)) if ty.content() == ValType::I64 && ty.mutability() == Mutability::Var => {}
                Some(_) => return Err(InvalidCode::ExportType(name)),
                None => return Err(InvalidCode::MissingExport(name)),
            }
        }
        Ok(Program { engine, module, start_gas, answers_queries })
    }

    /// What every call costs before its first instruction.
    #[must_use]
    pub fn start_gas(&self) -> u64 {
        self.start_gas
    }

    /// Runs one call.
    ///
    /// `function` is the Solidity signature of the called function, `args` its arguments in Solidity ABI. `state` is not
    /// changed: the caller applies [`Execution::changes`] once they are stored.
    #[must_use]
    pub fn execute(&self, entry: Entry, function: &str, args: &[u8], context: &Context, state: &State) -> Execution {
        match Host::begin(self, entry, function, args, context, state) {
            Ok((host, gas)) => self.run(entry, host, gas).0,
            Err(execution) => *execution,
        }
    }

    /// [`Self::execute`] that also tells which imports were called, in order: what a contract does must not depend on its secrets.
    #[must_use]
    pub fn execute_traced(
        &self,
        entry: Entry,
        function: &str,
        args: &[u8],
        context: &Context,
        state: &State,
    ) -> (Execution, Vec<HostCall>) {
        match Host::begin(self, entry, function, args, context, state) {
            Ok((mut host, gas)) => {
                host.trace = Some(Vec::new());
                self.run(entry, host, gas)
            }
            Err(execution) => (*execution, Vec::new()),
        }
    }

    fn run(&self, entry: Entry, host: Host<'_>, gas: i64) -> (Execution, Vec<HostCall>) {
        let mut store = Store::new(&self.engine, Running { host, instance: None });
        let (result, gas_left, stack_left) = match self.instantiate(&mut store, gas) {
            Ok((instance, gas_global, stack_global)) => {
                let function = instance.get_typed_func::<(), ()>(&store, entry.export());
                let result = function.and_then(|function| function.call(&mut store, ())).map_err(call_failure);
                let meter = |global: Global| global.get(&store).i64().unwrap_or(0);
                (result, meter(gas_global), meter(stack_global))
            }
            Err(error) => (Err(instantiation_failure(&error)), gas, 0),
        };
        let mut host = store.into_data().host;
        let trace = host.trace.take().unwrap_or_default();
        (host.finish(result, gas_left, stack_left), trace)
    }

    /// Sets up an instance with `gas` to spend.
    fn instantiate(&self, store: &mut Store<Running<'_>>, gas: i64) -> Result<(Instance, Global, Global), Error> {
        let mut functions = Vec::new();
        for import in self.module.imports() {
            // Loading has checked the imports.
            let known = Import::named(import.name()).filter(|_| import.module() == MODULE);
            functions.push(Extern::Func(function(store, known.ok_or_else(|| missing(import.name()))?)));
        }
        let instance = Instance::new(&mut *store, &self.module, &functions)?;
        let global =
            |store: &Store<Running<'_>>, name: &str| instance.get_global(store, name).ok_or_else(|| missing(name));
        let gas_global = global(store, &gas_export())?;
        let stack_global = global(store, &stack_export())?;
        let memory = instance.get_memory(&*store, MEMORY).ok_or_else(|| missing(MEMORY))?;
        gas_global.set(&mut *store, Val::I64(gas)).map_err(|_| missing("a mutable gas global"))?;
        store.data_mut().instance = Some((gas_global, memory));
        Ok((instance, gas_global, stack_global))
    }
}

/// What the engine keeps for its imports.
struct Running<'a> {
    host: Host<'a>,
    /// Gas global and memory of the instance; set once it exists.
    instance: Option<(Global, Memory)>,
}

type In<'c, 'a> = Caller<'c, Running<'a>>;

/// Lets the host do what an import asks for.
fn serve(mut caller: In<'_, '_>, import: Import, arguments: &[u32]) -> Result<i64, Error> {
    // A contract runs only after its instance exists.
    let (global, memory) = caller.data().instance.ok_or_else(|| missing("the instance"))?;
    let mut gas = global.get(&caller).i64().unwrap_or(0);
    let (memory, running) = memory.data_and_store_mut(&mut caller);
    let result = running.host.call(import, arguments, memory, &mut gas);
    global.set(&mut caller, Val::I64(gas)).map_err(|_| missing("a mutable gas global"))?;
    result.map_err(Error::host)
}

/// An import as a function of the engine.
#[allow(clippy::cast_possible_truncation, reason = "what returns an i32 returns a length or a flag")]
fn function<'a>(store: &mut Store<Running<'a>>, import: Import) -> Func {
    macro_rules! wrap {
        ($($argument:ident)*) => {
            match import.returns() {
                Returns::Nothing => Func::wrap(store, move |caller: In<'_, 'a>, $($argument: u32),*| {
                    serve(caller, import, &[$($argument),*]).map(|_| ())
                }),
                Returns::I32 => Func::wrap(store, move |caller: In<'_, 'a>, $($argument: u32),*| {
                    serve(caller, import, &[$($argument),*]).map(|result| result as i32)
                }),
                Returns::I64 => Func::wrap(store, move |caller: In<'_, 'a>, $($argument: u32),*| {
                    serve(caller, import, &[$($argument),*])
                }),
            }
        };
    }
    match import.parameters() {
        0 => wrap!(),
        1 => wrap!(a),
        2 => wrap!(a b),
        3 => wrap!(a b c),
        4 => wrap!(a b c d),
        _ => wrap!(a b c d e f g),
    }
}

/// The engine's settings: what validation accepts, no fuel, everything compiled at once.
fn config() -> Config {
    let mut config = Config::default();
    config
        .set_max_recursion_depth(ENGINE_MAX_FRAMES)
        .set_max_stack_height(ENGINE_MAX_STACK_BYTES)
        .compilation_mode(CompilationMode::Eager)
        .consume_fuel(false)
        .allow_start_fn(false)
        .ignore_custom_sections(true)
        .floats(false)
        .wasm_saturating_float_to_int(false)
        .wasm_multi_memory(false)
        .wasm_reference_types(false)
        .wasm_tail_call(false)
        .wasm_extended_const(false);
    config
}

fn missing(what: &str) -> Error {
    let mut message = String::from("missing ");
    message.push_str(what);
    Error::new(message)
}

/// Why an instance could not be set up: its segments do not fit, or the machine lacks memory.
fn instantiation_failure(error: &Error) -> Failure {
    use wasmi::errors::{ErrorKind, InstantiationError, MemoryError, TableError};
    match error.kind() {
        ErrorKind::TrapCode(wasmi::TrapCode::MemoryOutOfBounds | wasmi::TrapCode::TableOutOfBounds)
        | ErrorKind::Memory(MemoryError::OutOfBoundsAccess)
        | ErrorKind::Table(TableError::InitOutOfBounds | TableError::CopyOutOfBounds)
        | ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) => Failure::BadSegment,
        _ => Failure::HostExhausted,
    }
}

fn call_failure(error: Error) -> Failure {
    match error.as_trap_code() {
        Some(trap) => Failure::of_trap(trap),
        None => error.downcast::<Failure>().unwrap_or(Failure::HostExhausted),
    }
}
