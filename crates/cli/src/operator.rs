//! Registration of enclaves: evidence from the core, a transaction to Ethereum. The devnet does it the way operators do.

use crate::{
    amount::Eng,
    ipc,
    ledger::{Ledger, operator::RegisteredWorker},
    output::progress,
};
use anyhow::{Context, bail, ensure};
use enigma_protocol::{
    Address,
    ipc::{RegistrationInput, RegistrationParams, Request, Response},
    json::Hex0x,
};

/// Asks a core for evidence that binds `ledger`'s account as its operator and a recent block.
async fn evidence(core: &str, ledger: &Ledger) -> anyhow::Result<RegistrationParams> {
    let operator = ledger.account().context("registering needs an Ethereum account; give --eth-key-file")?;
    let block_hash = ledger.recent_block_hash().await?;
    let input = RegistrationInput { operator: Hex0x(operator), block_hash: Hex0x(block_hash) };
    let answer = ipc::ask_once(core, Request::GetRegistrationParams { input: Some(input) }).await;
    match answer
        .with_context(|| format!("the core at {core} gave no registration evidence; is enigma-core running there?"))?
    {
        Response::GetRegistrationParams { result } => Ok(result),
        _ => bail!("what answers at {core} is no core of this version"),
    }
}

/// Registers a worker's enclave, brings its stake to at least `stake`, and logs it in. What is done already is left alone,
/// so that the command can be repeated after a failure.
///
/// # Errors
/// What the core or Ethereum refused.
pub async fn register_worker(core: &str, ledger: &Ledger, stake: Eng) -> anyhow::Result<RegisteredWorker> {
    let signer = register_and_stake(core, ledger, stake).await?;
    log_in(ledger, signer).await
}

/// The part of [`register_worker`] after which the worker is known and paid for, but takes part in nothing.
///
/// # Errors
/// What the core or Ethereum refused.
pub async fn register_and_stake(core: &str, ledger: &Ledger, stake: Eng) -> anyhow::Result<Address> {
    let minimum = Eng::from_grains(ledger.minimum_stake().await?);
    ensure!(stake >= minimum, "a stake of {stake} ENG is below this network's minimum of {minimum} ENG; raise --stake");
    let params = evidence(core, ledger).await?;
    let signer = params.signing_key.0;
    ledger.register_worker(&params.report.0).await.context("the worker was not registered")?;
    let worker = ledger.registered_worker(signer).await?;
    let missing = Eng::from_grains(stake.grains.saturating_sub(worker.stake));
    if missing.grains > 0 {
        let operator = worker.operator;
        let held = Eng::from_grains(ledger.token_balance(operator).await?);
        ensure!(held >= missing, "the operator {operator} holds {held} ENG, {missing} are missing for the stake");
        ledger.add_stake(signer, missing.grains).await.context("the stake was not taken")?;
    }
    Ok(signer)
}

/// Logs a registered worker in, unless it is.
///
/// # Errors
/// What Ethereum refused.
pub async fn log_in(ledger: &Ledger, signer: Address) -> anyhow::Result<RegisteredWorker> {
    if !ledger.registered_worker(signer).await?.logged_in {
        ledger.log_in(signer).await.context("the worker was not logged in")?;
    }
    Ok(ledger.registered_worker(signer).await?)
}

/// Registers a key manager's enclave, whose signer and commitment the contract has known since it was made.
///
/// # Errors
/// What the core or Ethereum refused.
pub async fn register_key_manager(core: &str, ledger: &Ledger) -> anyhow::Result<Address> {
    let params = evidence(core, ledger).await?;
    ledger.register_key_manager(&params.report.0).await.context("the key manager was not registered")?;
    Ok(params.signing_key.0)
}

/// Signing address of the enclave behind a core.
///
/// # Errors
/// The core does not answer.
pub async fn signer_of(core: &str) -> anyhow::Result<Address> {
    progress(&format!("asking the core at {core} who it is"));
    match ipc::ask_once(core, Request::GetRegistrationParams { input: None }).await? {
        Response::GetRegistrationParams { result } => Ok(result.signing_key.0),
        _ => bail!("what answers at {core} is no core of this version"),
    }
}
