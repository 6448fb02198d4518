//! The commands of `enigma`, one file each.
//!
//! A new command is a file with an `Args` structure that has `async fn run(self) -> anyhow::Result<()>`, a variant of
//! [`Command`], and its line in [`Command::run`].

mod account;
mod bench;
mod contract;
mod demo;
mod devnet;
mod guard;
mod host;
mod km;
mod network;
mod node;
mod register;
mod task;
mod worker;

use clap::Subcommand;

/// What can be done.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one command in a program")]
pub enum Command {
    /// Run a whole network on this machine for development.
    Devnet(devnet::DevnetArgs),
    /// Play the millionaires' problem on a devnet and show who saw what.
    Demo(demo::DemoArgs),
    /// Write, build, check, test and inspect secret contracts.
    #[command(subcommand)]
    Contract(contract::Command),
    /// Deploy a secret contract.
    Deploy(task::Deploy),
    /// Call a secret contract.
    Call(task::Call),
    /// Look at a task, or open its result.
    #[command(subcommand)]
    Task(task::Command),
    /// Show the ENG of an account.
    Balance(account::Balance),
    /// Put ENG into the deposit that pays for tasks.
    Deposit(account::Deposit),
    /// Take ENG out of the deposit.
    Withdraw(account::Withdraw),
    /// Run a node: a user node that serves clients, or a worker with its core.
    #[command(subcommand)]
    Node(node::Command),
    /// Register a worker, or verify one.
    #[command(subcommand)]
    Worker(worker::Command),
    /// Run the host of a key manager, or register it.
    #[command(subcommand)]
    Km(km::Command),
    /// Measure a devnet (see `make bench`).
    #[command(hide = true)]
    Bench(bench::Bench),
    /// Run a program and end it when standard input ends.
    #[command(hide = true)]
    Guard(guard::Guard),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Devnet(command) => command.run().await,
            Self::Demo(command) => command.run().await,
            Self::Contract(command) => command.run(),
            Self::Deploy(command) => command.run().await,
            Self::Call(command) => command.run().await,
            Self::Task(command) => command.run().await,
            Self::Balance(command) => command.run().await,
            Self::Deposit(command) => command.run().await,
            Self::Withdraw(command) => command.run().await,
            Self::Node(command) => command.run().await,
            Self::Worker(command) => command.run().await,
            Self::Km(command) => command.run().await,
            Self::Bench(command) => command.run().await,
            Self::Guard(command) => command.run(),
        }
    }
}
