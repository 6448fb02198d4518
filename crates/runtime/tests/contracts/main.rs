//! The example contracts as they are compiled, in the runtime as enclaves run it.
//!
//! What each contract does is tested where it is written, in `secret-contracts`, natively and in this runtime. Here is what such tests
//! cannot see: that the SDK's encoding is Solidity's, that every run is the same, how large contracts are and what calls cost.
//!
//! `cargo xtask wasm` compiles the contracts. Arguments and results are encoded here by hand, so that a mistake that the SDK
//! makes twice is found. `cargo test -p enigma-runtime --test contracts -- --nocapture budgets` shows sizes and gas.

mod abi;
mod budgets;
mod calculations;
mod erc20;
mod simplest;

use enigma_runtime::{Changes, Context, Entry, Execution, Program, State, prepare};
use std::{collections::BTreeMap, env, fs, path::PathBuf};

/// Who deploys contracts, or owns them.
pub const OWNER: [u8; 20] = [0x01; 20];
/// A caller.
pub const ALICE: [u8; 20] = [0xa1; 20];
/// Another caller.
pub const BOB: [u8; 20] = [0xb0; 20];
/// A third caller.
pub const CAROL: [u8; 20] = [0xca; 20];

/// Enough for everything that is not meant to run out of it.
pub const GAS_LIMIT: u64 = 20_000_000;

/// The preCode of a contract, compiled by `cargo xtask wasm`.
pub fn pre_code(name: &str) -> Vec<u8> {
    let test = env::current_exe().expect("a test knows where it is");
    let file = PathBuf::from("secret-contracts").join(format!("{name}.wasm"));
    let found = test.ancestors().map(|folder| folder.join(&file)).find(|path| path.is_file());
    let path = found.unwrap_or_else(|| panic!("{} is missing: run `cargo xtask wasm` first", file.display()));
    fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// A contract with its state, which calls change as they do in an enclave.
#[derive(Clone)]
pub struct Deployed {
    program: Program,
    /// What it remembers.
    pub state: State,
    /// The time of the next task's block, in seconds since 1970.
    pub now: u64,
    tasks: u8,
}

impl Deployed {
    /// Runs the constructor, which succeeds.
    #[track_caller]
    pub fn new(name: &str, caller: [u8; 20], signature: &str, arguments: &[u8]) -> Deployed {
        let mut contract = Deployed::empty(name);
        let execution = contract.run(Entry::Deploy, caller, signature, arguments, GAS_LIMIT);
        assert_eq!(execution.outcome, Ok(vec![]));
        contract
    }

    /// Before the constructor ran.
    pub fn empty(name: &str) -> Deployed {
        let exe_code = prepare(&pre_code(name)).unwrap_or_else(|error| panic!("{name} is refused: {error}"));
        let program = Program::load(&exe_code).expect("prepared code loads");
        Deployed { program, state: State::new(), now: 1_700_000_000, tasks: 0 }
    }

    /// Runs one task, twice to see that nothing depends on the run, and applies what it changed.
    #[track_caller]
    pub fn run(
        &mut self,
        entry: Entry,
        caller: [u8; 20],
        signature: &str,
        arguments: &[u8],
        gas_limit: u64,
    ) -> Execution {
        self.tasks += 1;
        let context = Context {
            contract: [0xc0; 32],
            task_id: [self.tasks; 32],
            caller,
            value: 0,
            block_number: 100 + u64::from(self.tasks),
            block_timestamp: self.now,
            random_seed: [self.tasks; 32],
            gas_limit,
            call_gas: 0,
            debug: false,
        };
        let execute = || self.program.execute(entry, signature, arguments, &context, &self.state);
        let execution = execute();
        assert!(execution == execute(), "{signature} is not deterministic");
        assert!(execution.gas_used <= gas_limit);
        if execution.outcome.is_err() {
            assert_eq!(execution.changes, Changes::new(), "{signature} failed and changed the state");
        }
        for (key, value) in &execution.changes {
            match value {
                Some(value) => self.state.insert(key.clone(), value.clone()),
                None => self.state.remove(key),
            };
        }
        execution
    }

    /// Calls a function.
    #[track_caller]
    pub fn call(&mut self, caller: [u8; 20], signature: &str, arguments: &[u8]) -> Execution {
        self.run(Entry::Call, caller, signature, arguments, GAS_LIMIT)
    }

    /// The result of a call that succeeds.
    #[track_caller]
    pub fn output(&mut self, caller: [u8; 20], signature: &str, arguments: &[u8]) -> Vec<u8> {
        self.call(caller, signature, arguments)
            .outcome
            .unwrap_or_else(|failure| panic!("{signature} failed: {failure}"))
    }

    /// The text of a call that fails.
    #[track_caller]
    pub fn failure(&mut self, caller: [u8; 20], signature: &str, arguments: &[u8]) -> String {
        let failure = self.call(caller, signature, arguments).outcome.expect_err("the call fails");
        assert!(failure.is_final(), "{failure}");
        failure.to_string()
    }
}

/// What can be seen of a call from outside, before sizes are rounded and keys encrypted.
#[derive(Debug, PartialEq, Eq)]
pub struct Traces {
    gas_used: u64,
    /// Changed keys and the sizes of their new values.
    changes: BTreeMap<Vec<u8>, Option<usize>>,
}

/// The traces of a call.
pub fn traces(execution: &Execution) -> Traces {
    let size = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| (key.clone(), value.as_ref().map(Vec::len));
    Traces { gas_used: execution.gas_used, changes: execution.changes.iter().map(size).collect() }
}
