//! The commands of `enigma`, one file each.
//!
//! A new command is a file with an `Args` structure that has `async fn run(self) -> anyhow::Result<()>`, a variant of
//! [`Command`], and its line in [`Command::run`].

mod host;
mod km;
mod node;

use clap::Subcommand;

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node: a user node that serves clients, or a worker with its core.
    #[command(subcommand)]
    Node(node::Command),
    /// Run the host of a key manager.
    #[command(subcommand)]
    Km(km::Command),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Node(command) => command.run().await,
            Self::Km(command) => command.run().await,
        }
    }
}
