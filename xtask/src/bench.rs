//! Benchmarks: builds the programs as operators run them, and lets `enigma bench` measure them.

use crate::{
    wasm,
    workspace::{Workspace, run},
};
use anyhow::Result;
use std::process::Command;

/// The results lie in the repository's `target`, wherever cargo builds.
const RESULTS: &str = "target/bench/results.json";

pub fn run_all(workspace: &Workspace) -> Result<()> {
    wasm::build(workspace)?;
    run(workspace.cargo().args(["build", "--release", "--bins", "-p", "enigma-cli", "-p", "enigma-core"]))?;
    let enigma = workspace.target.join("release/enigma");
    run(Command::new(enigma).current_dir(&workspace.root).args(["bench", "--out", RESULTS]))
}
