//! Bytes as code: validation, instrumentation and loading.

use crate::{engine::context, modules};
use arbitrary::Unstructured;
use enigma_runtime::{Entry, Program, State, prepare};

/// Gas of the call that shows that accepted code runs.
const GAS: u64 = 50_000;

/// The first byte chooses: the rest is code, or code is made from it that is valid WebAssembly and perhaps no contract.
pub fn check(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, rest)) => {
            if let Ok(module) = modules::any_module(&mut Unstructured::new(rest)) {
                holds(&module);
            }
        }
        Some((_, rest)) => holds(rest),
        None => {}
    }
}

/// Preparation is a function of the bytes; what it accepts is loaded and runs; what it makes is not accepted a second time.
fn holds(code: &[u8]) {
    let prepared = prepare(code);
    assert_eq!(prepare(code), prepared);
    let _ = Program::load(code);
    if let Ok(exe_code) = prepared {
        assert!(prepare(&exe_code).is_err(), "exeCode was accepted as preCode");
        let program = Program::load(&exe_code).expect("what is prepared loads");
        let run = || program.execute(Entry::Call, "f()", b"arguments", &context(0, GAS, false), &State::new());
        let execution = run();
        assert!(execution.gas_used <= GAS);
        assert!(execution.outcome.as_ref().err().is_none_or(|failure| failure.is_final()));
        assert!(run() == execution, "the second run differs");
    }
}
