//! `enigma balance`, `enigma deposit` and `enigma withdraw`: the ENG that pays for tasks.

use super::network::NetworkArgs;
use crate::{
    amount::Eng,
    output::{OutputArgs, progress, table},
};
use anyhow::ensure;
use clap::Args;
use enigma_client::{
    Client,
    ledger::{Ledger, LedgerError},
};
use serde::Serialize;

/// Show the account's deposit and the ENG it holds besides.
#[derive(Debug, Args)]
pub struct Balance {
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Put ENG into the deposit that pays for tasks.
#[derive(Debug, Args)]
pub struct Deposit {
    /// ENG, exact to 18 digits.
    #[arg(value_name = "ENG")]
    amount: Eng,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Take ENG out of the deposit.
#[derive(Debug, Args)]
pub struct Withdraw {
    /// ENG, exact to 18 digits.
    #[arg(value_name = "ENG")]
    amount: Eng,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Amounts are decimal texts of ENG, because numbers of 18 digits after the point do not survive JavaScript.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    account: String,
    deposit: String,
    wallet: String,
    tasks_recorded: u64,
}

async fn report(client: &Client, output: OutputArgs) -> anyhow::Result<()> {
    let account = client.ledger().account().await?;
    let report = Report {
        account: client.address().to_string(),
        deposit: Eng::from_grains(account.balance).to_string(),
        wallet: wallet(client.ledger()).await?.to_string(),
        tasks_recorded: account.sender_nonce,
    };
    output.result(&report, |report| {
        table(&[
            ("account", report.account.clone()),
            ("deposit", format!("{} ENG", report.deposit)),
            ("wallet", format!("{} ENG", report.wallet)),
            ("tasks recorded", report.tasks_recorded.to_string()),
        ])
    })
}

async fn wallet(ledger: &Ledger) -> Result<Eng, LedgerError> {
    Ok(Eng::from_grains(ledger.token_balance().await?))
}

impl Balance {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub async fn run(self) -> anyhow::Result<()> {
        report(&self.network.resolve().await?.connect().await?, self.output).await
    }
}

impl Deposit {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub async fn run(self) -> anyhow::Result<()> {
        ensure!(self.amount.grains > 0, "there is nothing to deposit: the amount is 0");
        let client = self.network.resolve().await?.connect().await?;
        let held = wallet(client.ledger()).await?;
        ensure!(held >= self.amount, "the account {} holds {held} ENG, less than {}", client.address(), self.amount);
        progress(&format!("depositing {} ENG", self.amount));
        client.ledger().deposit(self.amount.grains).await?;
        report(&client, self.output).await
    }
}

impl Withdraw {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub async fn run(self) -> anyhow::Result<()> {
        ensure!(self.amount.grains > 0, "there is nothing to withdraw: the amount is 0");
        let client = self.network.resolve().await?.connect().await?;
        let deposit = Eng::from_grains(client.ledger().account().await?.balance);
        ensure!(deposit >= self.amount, "the deposit holds {deposit} ENG, less than {}", self.amount);
        progress(&format!("withdrawing {} ENG", self.amount));
        client.ledger().withdraw(self.amount.grains).await?;
        report(&client, self.output).await
    }
}
