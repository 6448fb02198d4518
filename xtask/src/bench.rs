//! Benchmarks: builds the programs as operators run them, lets `enigma bench` measure a devnet and `bench-core` the core alone.

use crate::{
    setup::WASM_TARGET,
    wasm,
    workspace::{Workspace, run},
};
use anyhow::Result;
use std::process::{Command, Stdio};

/// The results lie in the repository's `target`, wherever cargo builds.
const RESULTS: &str = "target/bench/results.json";

pub fn run_all(workspace: &Workspace) -> Result<()> {
    wasm::build(workspace)?;
    run(workspace.cargo().args(["build", "--release", "--bins", "-p", "enigma-cli", "-p", "enigma-core"]))?;
    run(workspace.benches_cargo().args(["build", "--release"]))?;
    let contracts = ["-p", "bench-many-holders", "-p", "bench-cosmwasm-token"];
    run(workspace.benches_cargo().args(["build", "--profile", "contract", "--target", WASM_TARGET]).args(contracts))?;
    let enigma = workspace.target.join("release/enigma");
    // Its figures are in the table at the end.
    let mut devnet = Command::new(enigma);
    run(devnet.current_dir(&workspace.root).args(["bench", "--out", RESULTS]).stdout(Stdio::null()))?;
    let core = workspace.target.join("benches-build/release/bench-core");
    let mut core = Command::new(core);
    run(core.current_dir(&workspace.root).arg("--target").arg(&workspace.target).args(["--out", RESULTS]))
}
