//! Loads exeCode and runs one call of it.

use crate::{
    Failure, gas,
    host::{self, Host, RandomStream},
    imports,
    instrument::{GAS_HOST_EXHAUSTED, gas_export, stack_export},
    limits as limit,
    validate::{self, Form, InvalidCode, MEMORY},
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::fmt;
use wasmi::{
    CompilationMode, Config, Engine, Error, Extern, ExternType, Global, Instance, Module, Mutability, Store, Val,
    ValType,
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

/// What came of a call.
#[derive(Clone, PartialEq, Eq)]
pub struct Execution {
    /// Gas used, never more than the limit; all of it when it ran out.
    pub gas_used: u64,
    /// The output (Solidity ABI), or why there is none.
    pub outcome: Result<Vec<u8>, Failure>,
    /// What changed; nothing after a failure.
    pub changes: Changes,
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
    start_gas: u64,
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
        Ok(Program { engine, module, start_gas })
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
        let limit = context.gas_limit.min(i64::MAX.unsigned_abs());
        let refuse = |gas_used: u64, failure| Execution { gas_used, outcome: Err(failure), changes: Changes::new() };
        let Some(gas) = limit.checked_sub(self.start_gas) else {
            return refuse(limit, Failure::OutOfGas { limit: context.gas_limit });
        };
        if let Some(failure) = input_failure(function, args) {
            return refuse(self.start_gas, failure);
        }
        let host = Host {
            function,
            args,
            context,
            state,
            changes: Changes::new(),
            delta_bytes: 0,
            register: Vec::new(),
            output: Vec::new(),
            random: RandomStream::new(),
            instance: None,
        };
        let mut store = Store::new(&self.engine, host);
        let (instance, gas_global, stack_global) = match self.instantiate(&mut store, gas) {
            Ok(instance) => instance,
            Err(error) => return refuse(self.start_gas, instantiation_failure(&error)),
        };
        let name = match entry {
            Entry::Deploy => "deploy",
            Entry::Call => "call",
        };
        let result = instance.get_typed_func::<(), ()>(&store, name).and_then(|function| function.call(&mut store, ()));

        let gas_left = gas_global.get(&store).i64().unwrap_or(0);
        let stack_left = stack_global.get(&store).i64().unwrap_or(0);
        let host = store.into_data();
        let failure = match result {
            Ok(()) => None,
            Err(_) if gas_left == GAS_HOST_EXHAUSTED => Some(Failure::HostExhausted),
            Err(_) if gas_left < 0 => Some(Failure::OutOfGas { limit: context.gas_limit }),
            Err(_) if stack_left < 0 => Some(Failure::StackExhausted),
            Err(error) => Some(call_failure(error)),
        };
        let gas_used = limit.saturating_sub(u64::try_from(gas_left).unwrap_or(0));
        match failure {
            Some(failure) => refuse(gas_used, failure),
            None => Execution { gas_used, outcome: Ok(host.output), changes: canonical(host.changes, state) },
        }
    }

    /// Sets up an instance with `gas` to spend.
    fn instantiate(&self, store: &mut Store<Host<'_>>, gas: u64) -> Result<(Instance, Global, Global), Error> {
        let mut functions = Vec::new();
        for import in self.module.imports() {
            let function = if import.module() == imports::MODULE { host::import(store, import.name()) } else { None };
            // Loading has checked the imports.
            functions.push(Extern::Func(function.ok_or_else(|| missing(import.name()))?));
        }
        let instance = Instance::new(&mut *store, &self.module, &functions)?;
        let global =
            |store: &Store<Host<'_>>, name: &str| instance.get_global(store, name).ok_or_else(|| missing(name));
        let gas_global = global(store, &gas_export())?;
        let stack_global = global(store, &stack_export())?;
        let memory = instance.get_memory(&*store, MEMORY).ok_or_else(|| missing(MEMORY))?;
        gas_global
            .set(&mut *store, Val::I64(i64::try_from(gas).unwrap_or(i64::MAX)))
            .map_err(|_| missing("a mutable gas global"))?;
        store.data_mut().instance = Some((gas_global, memory));
        Ok((instance, gas_global, stack_global))
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

fn input_failure(function: &str, args: &[u8]) -> Option<Failure> {
    if function.len() > limit::MAX_FUNCTION_BYTES {
        return Some(Failure::TooLarge { what: "the function's name is", limit: limit::MAX_FUNCTION_BYTES });
    }
    if args.len() > limit::MAX_ARGS_BYTES {
        return Some(Failure::TooLarge { what: "the arguments are", limit: limit::MAX_ARGS_BYTES });
    }
    None
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

/// Leaves out what is as it was.
fn canonical(mut changes: Changes, state: &State) -> Changes {
    changes.retain(|key, value| state.get(key) != value.as_ref());
    changes
}
