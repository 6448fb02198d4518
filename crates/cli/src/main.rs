//! `enigma`: runs nodes and key managers, and talks to them.
//!
//! Standard output carries results, standard error everything else. The program is the only home of asynchronous IO: the
//! rules of a node are the pure crate `enigma-node`, whose inputs and outputs `shell` joins with the doors of this crate:
//! `net` (libp2p), `ledger` (alloy), `ipc` (ZeroMQ), `rpc` (HTTP) and `store` (redb). `devnet` starts these programs as a
//! whole network, `demo` plays on it; users and operators work through `commands`.

mod amount;
mod backoff;
mod commands;
mod demo;
mod devnet;
mod exit;
mod ipc;
mod keyfile;
mod ledger;
mod net;
mod operator;
mod output;
mod rpc;
mod shell;
mod store;
mod taskfile;

use clap::Parser;
use std::{io::IsTerminal, process::ExitCode};
use tracing_subscriber::EnvFilter;

/// Private computation for Ethereum applications.
#[derive(Debug, Parser)]
#[command(name = "enigma", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

/// What the log shows when `ENIGMA_LOG` says nothing: ourselves, and others when they fail.
const DEFAULT_LOG: &str = "warn,enigma=info,enigma_node=info,enigma_client=info";

/// Exit status of a program that SIGPIPE ended.
const CLOSED_PIPE: u8 = 141;

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("ENIGMA_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).init();
    match cli.command.run().await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the result has seen enough of it, as with `enigma … | head -1`.
        Err(error) if is_closed_pipe(&error) => ExitCode::from(CLOSED_PIPE),
        Err(error) => {
            eprintln!("error: {error:#}");
            // As clap does with wrong flags.
            if error.is::<output::UsageError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
