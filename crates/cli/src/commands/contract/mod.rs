//! `enigma contract`: write, build, check, test and inspect secret contracts.
//!
//! These commands need neither a network nor a devnet. They call the cargo and rustc of the machine, and look at compiled code
//! with the very runtime that enclaves execute it with. Deploying and calling are `enigma deploy` and `enigma call`.

mod build;
mod check;
mod code;
mod inspect;
mod new;
mod package;
mod test;

use clap::Subcommand;

/// Commands on the source and the code of a secret contract. What each does is said where it is.
#[derive(Debug, Subcommand)]
pub enum Command {
    New(new::New),
    Build(build::Build),
    Check(check::Check),
    Test(test::Test),
    Inspect(inspect::Inspect),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What happened, why, and what to do next.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::New(command) => command.run(),
            Self::Build(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Test(command) => command.run(),
            Self::Inspect(command) => command.run(),
        }
    }
}
