//! A peer in the same run: `cosmwasm-vm` executing a comparable transfer in plaintext, in a program of its own.

use crate::{
    Setup,
    results::{Figure, higher},
};
use anyhow::{Context, Result, ensure};
use std::process::{Command, Stdio};

/// `cosmwasm_plaintext_tasks_per_s`.
pub fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    let program = setup.beside("bench-cosmwasm")?;
    let token = setup.bench_contract_path("bench_cosmwasm_token");
    setup.progress("The same transfer in plaintext, by cosmwasm-vm");
    let output = Command::new(&program).arg(&token).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(output.status.success(), "{} ended with {}", program.display(), output.status);
    let rate =
        String::from_utf8(output.stdout)?.trim().parse().context("the peer printed something else than a number")?;
    Ok(vec![higher("cosmwasm_plaintext_tasks_per_s", rate, "1/s")])
}
