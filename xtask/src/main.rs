//! Every chore of the repository behind one command, `cargo xtask`: what `make` and continuous integration call.
//!
//! A chore is a function here rather than a shell script, so that it behaves the same on Linux and macOS and its rules can be
//! tested. What a chore builds goes to cargo's target directory; nothing outside it and `solidity/node_modules` is written.
//! Deliberately absent: anything a user of Enigma needs at run time. That is the `enigma` program.

mod bench;
mod fuzz;
mod setup;
mod solidity;
mod steps;
mod tidy;
mod vectors;
mod wasm;
mod workspace;

use anyhow::{Error, Result, bail};
use std::process::ExitCode;
use workspace::Workspace;

const HELP: &str = "\
Every chore of the repository.

Usage: cargo xtask <COMMAND>

  setup                 install what is missing: Rust's WebAssembly target, the npm packages of solidity/
  wasm                  build the example secret contracts and extract their ABIs
  solidity [--check]    compile the Ethereum contracts into solidity/artifacts, or check that those are current
  vectors [--check]     write the test vectors of spec/vectors, or check that those are current
  tidy [--bless]        check the rules of ARCHITECTURE.md; --bless accepts the dependencies of the trusted base
  fuzz [TARGET]         look for inputs that break something, with coverage: all targets or one; --seconds N each (10),
                        --replay FILE runs one input again
  bench                 build with optimisation, measure a devnet and the core, write target/bench/results.json
  test [STEP]...        run every check from cheap to expensive, or only the named steps
  help                  show this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = if fuzz::is_compiler() {
        fuzz::compile(&arguments)
    } else {
        dispatch(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).map(|()| ExitCode::SUCCESS)
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprint!("{}", explain(&error));
            ExitCode::FAILURE
        }
    }
}

/// What happened, why, and what to do next. The lines of a message that begin with `next:` are advice; the advice of the deepest
/// cause comes first, because it mends the others.
fn explain(error: &Error) -> String {
    let (mut story, mut advice) = (String::new(), String::new());
    for (depth, cause) in error.chain().enumerate() {
        let message = cause.to_string();
        let is_advice = |line: &&str| line.trim_start().starts_with("next:");
        let (next, what): (Vec<&str>, Vec<&str>) = message.lines().partition(is_advice);
        story += &format!("{} {}\n", if depth == 0 { "error:" } else { "  why:" }, what.join("\n"));
        advice = next.iter().map(|line| format!("{line}\n")).collect::<String>() + &advice;
    }
    story + &advice
}

fn dispatch(arguments: &[&str]) -> Result<()> {
    let workspace = Workspace::find()?;
    match arguments {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["setup"] => setup::install(&workspace),
        ["wasm"] => wasm::build(&workspace),
        ["solidity"] => solidity::write_artifacts(&workspace),
        ["solidity", "--check"] => solidity::check_artifacts(&workspace),
        ["vectors"] => vectors::write(&workspace),
        ["vectors", "--check"] => vectors::check(&workspace),
        ["tidy"] => tidy::check(&workspace),
        ["tidy", "--bless"] => tidy::bless(&workspace),
        ["fuzz", arguments @ ..] => fuzz::command(&workspace, arguments),
        ["bench"] => bench::run_all(&workspace),
        ["test", steps @ ..] => steps::test(&workspace, steps),
        unknown => {
            bail!("no such command: `cargo xtask {}`\n  next: `cargo xtask help` lists them all", unknown.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_why_and_what_next() {
        let error = Error::msg("it rained\n  next: wait").context("the street is wet\n  next: then walk");
        assert_eq!(explain(&error), "error: the street is wet\n  why: it rained\n  next: wait\n  next: then walk\n");
    }
}
