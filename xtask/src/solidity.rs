//! The Ethereum contracts: compiled by npm's solc, tested by npm's forge.

use crate::workspace::{Workspace, run};
use anyhow::{Context, Result};
use std::process::Command;

/// Compiles the contracts and writes ABI and bytecode to solidity/artifacts.
pub fn write_artifacts(workspace: &Workspace) -> Result<()> {
    run(Command::new("node").arg("scripts/artifacts.mjs").current_dir(workspace.solidity()))
}

/// Fails if solidity/artifacts is not what the sources compile to.
pub fn check_artifacts(workspace: &Workspace) -> Result<()> {
    run(Command::new("node").args(["scripts/artifacts.mjs", "--check"]).current_dir(workspace.solidity())).context(
        "solidity/artifacts is not what solidity/src compiles to\n  next: `cargo xtask solidity`, then commit it",
    )
}

/// Fails if an Ethereum contract that an example calls does not compile, or is not what the example's ABI file says.
pub fn check_examples(workspace: &Workspace) -> Result<()> {
    run(Command::new("node").arg("scripts/examples.mjs").current_dir(workspace.solidity()))
}

/// Unit, fuzz and invariant tests.
pub fn test(workspace: &Workspace) -> Result<()> {
    let solidity = workspace.solidity();
    run(Command::new(solidity.join("node_modules/.bin/forge")).arg("test").current_dir(&solidity))
}
