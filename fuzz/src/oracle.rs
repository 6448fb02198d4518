//! The second engine: wasmtime runs exeCode with the very imports, metering and results of the runtime.
//!
//! Everything that decides what a call does is shared code ([`enigma_runtime::engine`]); what differs is who executes the
//! instructions. wasmtime is used as far from wasmi as it goes: it compiles to machine code.

use enigma_runtime::{
    Context, Entry, Execution, Failure, Program, State,
    engine::{Host, Import, MEMORY, MODULE, Returns, gas_export, stack_export},
};
use self_cell::self_cell;
use std::{sync::OnceLock, thread};
use wasmtime::{
    Caller, Config, Engine, Error, Extern, Func, FuncType, Global, Instance, Memory, Module, OptLevel, Store, Trap,
    Val, ValType,
};

/// Stack for wasmtime's frames, which are larger than the units that metering counts; its pages are used only when needed.
const WASM_STACK_BYTES: usize = 64 << 20;
/// Stack of the thread that runs them: besides, there is our own code.
const THREAD_STACK_BYTES: usize = WASM_STACK_BYTES + (4 << 20);
/// Address space for a memory, which grows to 64 MiB.
const MEMORY_RESERVATION_BYTES: u64 = 64 << 20;

/// exeCode compiled by both engines.
pub struct Oracle {
    /// What enclaves run.
    pub program: Program,
    module: Module,
}

/// What a call is given. wasmtime keeps the data of a store for as long as it likes, so the host borrows from a copy.
struct Given {
    program: Program,
    entry: Entry,
    function: String,
    args: Vec<u8>,
    context: Context,
    state: State,
}

/// The host, until the call is over, and the gas that it begins with.
struct Begun<'a> {
    host: Option<Host<'a>>,
    gas: i64,
}

self_cell! {
    struct Serving {
        owner: Given,
        #[covariant]
        dependent: Begun,
    }
}

struct Running {
    serving: Serving,
    /// Gas global and memory of the instance; set once it exists.
    instance: Option<(Global, Memory)>,
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::new();
        config
            .cranelift_opt_level(OptLevel::None)
            .async_stack_size(WASM_STACK_BYTES)
            .max_wasm_stack(WASM_STACK_BYTES)
            .memory_reservation(MEMORY_RESERVATION_BYTES)
            .memory_guard_size(0)
            .signals_based_traps(false)
            .wasm_bulk_memory(true)
            .wasm_multi_value(true)
            .wasm_simd(false)
            .wasm_relaxed_simd(false)
            .wasm_extended_const(false);
        Engine::new(&config).expect("the settings fit each other")
    })
}

impl Oracle {
    /// Compiles exeCode that the runtime prepared.
    ///
    /// # Panics
    ///
    /// If one of the engines does not take it.
    #[must_use]
    pub fn load(exe_code: &[u8]) -> Self {
        let program = Program::load(exe_code).expect("what is prepared loads");
        let module = Module::new(engine(), exe_code).expect("both engines take what is prepared");
        Self { program, module }
    }

    /// Runs one call as [`Program::execute`] does.
    ///
    /// # Panics
    ///
    /// If wasmtime ends a call for a reason that the runtime does not know.
    #[must_use]
    pub fn execute(&self, entry: Entry, function: &str, args: &[u8], context: &Context, state: &State) -> Execution {
        let given = Given {
            program: self.program.clone(),
            entry,
            function: function.to_owned(),
            args: args.to_vec(),
            context: context.clone(),
            state: state.clone(),
        };
        let serving = Serving::try_new(given, |given| {
            Host::begin(&given.program, given.entry, &given.function, &given.args, &given.context, &given.state)
                .map(|(host, gas)| Begun { host: Some(host), gas })
        });
        let serving = match serving {
            Ok(serving) => serving,
            Err(execution) => return *execution,
        };
        thread::scope(|scope| {
            let run = || self.run(entry, serving);
            let thread = thread::Builder::new().stack_size(THREAD_STACK_BYTES).spawn_scoped(scope, run);
            thread.expect("a thread starts").join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn run(&self, entry: Entry, serving: Serving) -> Execution {
        let gas = serving.borrow_dependent().gas;
        let mut store = Store::new(engine(), Running { serving, instance: None });
        let (result, gas_left, stack_left) = match self.instantiate(&mut store, gas) {
            Ok((instance, gas_global, stack_global)) => {
                let function = instance.get_typed_func::<(), ()>(&mut store, entry.export()).expect("it is exported");
                let result = function.call(&mut store, ()).map_err(failure);
                let mut meter = |global: Global| global.get(&mut store).i64().expect("meters are i64");
                (result, meter(gas_global), meter(stack_global))
            }
            Err(error) => match error.downcast_ref::<Trap>() {
                Some(Trap::MemoryOutOfBounds | Trap::TableOutOfBounds) => (Err(Failure::BadSegment), gas, 0),
                _ => panic!("wasmtime does not set up the instance: {error:?}"),
            },
        };
        store.data_mut().serving.with_dependent_mut(|_, begun| {
            begun.host.take().expect("the call ends once").finish(result, gas_left, stack_left)
        })
    }

    fn instantiate(&self, store: &mut Store<Running>, gas: i64) -> Result<(Instance, Global, Global), Error> {
        let functions: Vec<Extern> = self
            .module
            .imports()
            .map(|import| {
                assert_eq!(import.module(), MODULE);
                function(store, Import::named(import.name()).expect("the validator knows the imports")).into()
            })
            .collect();
        let instance = Instance::new(&mut *store, &self.module, &functions)?;
        let gas_global = instance.get_global(&mut *store, &gas_export()).expect("the gas meter");
        let stack_global = instance.get_global(&mut *store, &stack_export()).expect("the stack meter");
        let memory = instance.get_memory(&mut *store, MEMORY).expect("the memory");
        gas_global.set(&mut *store, Val::I64(gas))?;
        store.data_mut().instance = Some((gas_global, memory));
        Ok((instance, gas_global, stack_global))
    }
}

/// An import as a function of wasmtime.
fn function(store: &mut Store<Running>, import: Import) -> Func {
    let results = match import.returns() {
        Returns::Nothing => None,
        Returns::I32 => Some(ValType::I32),
        Returns::I64 => Some(ValType::I64),
    };
    let ty = FuncType::new(engine(), vec![ValType::I32; import.parameters()], results);
    Func::new(store, ty, move |mut caller: Caller<'_, Running>, parameters, results| {
        let arguments: Vec<u32> = parameters.iter().map(|value| value.unwrap_i32().cast_unsigned()).collect();
        let (global, memory) = caller.data().instance.expect("code runs only in an instance");
        let mut gas = global.get(&mut caller).i64().expect("the gas meter is i64");
        let (memory, running) = memory.data_and_store_mut(&mut caller);
        let result = running.serving.with_dependent_mut(|_, begun| {
            let host = begun.host.as_mut().expect("the call is not over");
            host.call(import, &arguments, memory, &mut gas)
        });
        global.set(&mut caller, Val::I64(gas))?;
        let result = result.map_err(Error::new)?;
        match (import.returns(), results) {
            (Returns::Nothing, []) => {}
            (Returns::I32, [out]) => *out = Val::I32(i32::try_from(result).expect("a length or a flag")),
            (Returns::I64, [out]) => *out = Val::I64(result),
            _ => panic!("{} has another type", import.name()),
        }
        Ok(())
    })
}

/// What ended a call: a trap, or the failure of an import.
fn failure(error: Error) -> Failure {
    match error.downcast_ref::<Trap>() {
        None => error.downcast().expect("imports end calls with a failure"),
        Some(Trap::UnreachableCodeReached) => Failure::Panicked,
        Some(Trap::MemoryOutOfBounds) => Failure::MemoryOutOfBounds,
        Some(Trap::IntegerDivisionByZero) => Failure::DivisionByZero,
        Some(Trap::IntegerOverflow) => Failure::IntegerOverflow,
        Some(Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature) => Failure::BadIndirectCall,
        Some(trap) => panic!("wasmtime ends the call for a reason that the runtime does not know: {trap}"),
    }
}
