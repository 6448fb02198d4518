//! Every check in one go, what costs least first.

use crate::{
    fuzz,
    setup::{self, WASM_TARGET},
    solidity, tidy, vectors, wasm,
    workspace::{Workspace, run},
};
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};

/// A machine without an operating system: what compiles for it does not use the standard library.
const NO_STD_TARGET: &str = "x86_64-unknown-none";

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "setup", about: "install what is missing", run: setup::install },
    Step { name: "fmt", about: "formatting", run: format },
    Step { name: "tidy", about: "rules of the architecture", run: tidy::check },
    Step { name: "solidity", about: "Ethereum contracts: artifacts are current, tests", run: ethereum_contracts },
    Step { name: "wasm", about: "secret contracts for WebAssembly", run: wasm::build },
    Step { name: "contracts", about: "secret contracts and SDK: lints, native tests", run: secret_contracts },
    Step { name: "portable", about: "crates without std, crates for the browser", run: portable_crates },
    Step { name: "clippy", about: "lints", run: lints },
    Step { name: "vectors", about: "test vectors are current", run: vectors::check },
    Step {
        name: "build",
        about: "programs and tests",
        run: |workspace| cargo(workspace, &["build", "--workspace", "--all-targets"]),
    },
    Step {
        name: "tests",
        about: "all tests, with real processes",
        run: |workspace| {
            cargo(workspace, &["test", "--workspace"])?;
            run(workspace.benches_cargo().args(["test", "-p", "bench-core"]))
        },
    },
    Step { name: "doc", about: "documentation", run: documentation },
    Step { name: "fuzz", about: "the second engine agrees, hostile bytes break nothing", run: fuzz::step },
];

const CLIPPY: &[&str] = &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];

/// Runs all steps, or those that are named, and stops at the first that fails.
pub fn test(workspace: &Workspace, names: &[&str]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|step| step.name == **name)) {
        let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!("there is no step `{unknown}`\n  next: choose from {}", known.join(", "));
    }
    let chosen: Vec<&Step> = STEPS.iter().filter(|step| names.is_empty() || names.contains(&step.name)).collect();
    let mut durations = Vec::new();
    for (index, step) in chosen.iter().enumerate() {
        println!("\n== {}/{} {}: {}", index + 1, chosen.len(), step.name, step.about);
        let start = Instant::now();
        (step.run)(workspace).with_context(|| {
            format!(
                "step `{}` ({}) failed after {}; {index} steps passed before it\n  next: then `cargo xtask test {}`",
                step.name,
                step.about,
                seconds(start.elapsed()),
                step.name
            )
        })?;
        durations.push(start.elapsed());
    }

    println!("\n{:<12} {:>8}", "step", "time");
    for (step, duration) in chosen.iter().zip(&durations) {
        println!("{:<12} {:>8}", step.name, seconds(*duration));
    }
    println!("{:<12} {:>8}", "together", seconds(durations.iter().sum()));
    println!("steps: {} passed, 0 failed", durations.len());
    Ok(())
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    run(workspace.cargo().args(arguments))
}

fn format(workspace: &Workspace) -> Result<()> {
    let next = "the code is not formatted\n  next: `make fmt`";
    run(workspace.cargo().args(["fmt", "--all", "--check"])).context(next)?;
    run(workspace.contracts_cargo().args(["fmt", "--all", "--check"])).context(next)?;
    run(workspace.fuzz_cargo().args(["fmt", "--check"])).context(next)?;
    run(workspace.benches_cargo().args(["fmt", "--check"])).context(next)
}

/// Of the benchmarks only what measures the core: the peer that it is compared with takes minutes to build.
fn lints(workspace: &Workspace) -> Result<()> {
    run(workspace.cargo().args(CLIPPY))?;
    let packages = ["-p", "bench-core", "-p", "bench-many-holders"];
    run(workspace.benches_cargo().arg("clippy").args(packages).args(["--all-targets", "--", "-D", "warnings"]))
}

fn ethereum_contracts(workspace: &Workspace) -> Result<()> {
    solidity::check_artifacts(workspace)?;
    solidity::check_examples(workspace)?;
    solidity::test(workspace)
}

fn secret_contracts(workspace: &Workspace) -> Result<()> {
    run(workspace.contracts_cargo().args(CLIPPY))?;
    run(workspace.contracts_cargo().args(["test", "--workspace"]))
}

/// `protocol` and `attestation` build for the browser, `protocol` and `runtime` for a machine without a standard library.
fn portable_crates(workspace: &Workspace) -> Result<()> {
    let check = |target, first, second| cargo(workspace, &["check", "-p", first, "-p", second, "--target", target]);
    check(WASM_TARGET, "enigma-protocol", "enigma-attestation")?;
    if !setup::has_target(NO_STD_TARGET)?
        && let Err(error) = setup::add_target(NO_STD_TARGET)
    {
        println!("note: {error}");
        println!(
            "note: no_std is checked by attribute (tidy) and on {WASM_TARGET} only, where a dependency could use std"
        );
        return check(WASM_TARGET, "enigma-protocol", "enigma-runtime");
    }
    check(NO_STD_TARGET, "enigma-protocol", "enigma-runtime")
}

fn documentation(workspace: &Workspace) -> Result<()> {
    run(workspace.cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}
