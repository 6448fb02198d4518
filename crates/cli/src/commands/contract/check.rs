//! `enigma contract check`: the verdict of the network before it costs anything.

use super::code::{Code, CodeArgs, Size, number};
use crate::output::OutputArgs;
use anyhow::bail;
use clap::Args;
use enigma_runtime::InvalidCode;
use serde::Serialize;
use std::env;

/// Share of a limit from which an author should know, in per cent.
const NEAR: u64 = 80;

/// Say whether the network would take a contract, and what to change if not.
///
/// Makes the checks that every enclave makes, and tells what is worth a look where they pass. Ends with status 1 if a contract would
/// be refused.
#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLES
  enigma contract check                       build and check the contract of this folder
  enigma contract check target/enigma/my_token.wasm --json")]
pub struct Check {
    #[command(flatten)]
    code: CodeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct Report {
    contracts: Vec<Checked>,
}

#[derive(Debug, Serialize)]
struct Checked {
    name: String,
    accepted: bool,
    refusals: Vec<Refusal>,
    warnings: Vec<String>,
    sizes: Vec<Size>,
}

#[derive(Debug, Serialize)]
struct Refusal {
    reason: String,
    next: String,
}

impl Check {
    /// Does it.
    ///
    /// # Errors
    /// There is no such code, or the network would refuse it.
    pub fn run(self) -> anyhow::Result<()> {
        let contracts: Vec<Checked> = self.code.read()?.iter().map(checked).collect();
        let refused: Vec<String> =
            contracts.iter().filter(|checked| !checked.accepted).map(|checked| checked.name.clone()).collect();
        self.output.result(&Report { contracts }, Report::words)?;
        if !refused.is_empty() {
            bail!("the network would refuse {}", refused.join(", "));
        }
        Ok(())
    }
}

fn checked(code: &Code) -> Checked {
    let first = code.prepared.as_ref().err();
    // Where one thing is refused, everything else that can be known is said, too.
    let others = code.sections.refusals.iter().filter(|other| first.is_some_and(|first| first != *other));
    let refusal = |error: &InvalidCode| Refusal { reason: error.to_string(), next: advice(error).to_owned() };
    let refusals: Vec<Refusal> = first.into_iter().chain(others).map(refusal).collect();
    Checked {
        name: code.name.clone(),
        accepted: refusals.is_empty(),
        refusals,
        warnings: warnings(code),
        sizes: code.sizes(),
    }
}

/// What an author does about a refusal.
fn advice(error: &InvalidCode) -> &'static str {
    match error {
        InvalidCode::TooLarge { .. } => {
            "build with `enigma contract build`; if that is not enough, leave out dependencies, formatted texts and divisions of U256, \
             or split the contract"
        }
        InvalidCode::NotWasm => "give the .wasm file that `enigma contract build` names",
        InvalidCode::Malformed { .. } => {
            "build again with `enigma contract build`: a file that was cut short, or features of WebAssembly beyond bulk memory, \
             sign extension and multiple values, look like this"
        }
        InvalidCode::NoMemory | InvalidCode::MissingExport(_) | InvalidCode::ExportType(_) => {
            "mark the impl block of the contract #[enigma_sdk::contract] and build the crate type cdylib: the macro makes all \
             exports"
        }
        InvalidCode::MemoryTooLarge { .. } => {
            "keep large data in the state instead of statics, and leave the linker's memory flags alone"
        }
        InvalidCode::StartFunction => "move what it does into the constructor",
        InvalidCode::FloatingPoint(_) => {
            "compute with integers, in a smaller unit; a dependency that uses floating point cannot be used. Formatting of f32 \
             and f64 counts too"
        }
        InvalidCode::Simd(_) => "remove +simd128 from RUSTFLAGS and .cargo/config.toml",
        InvalidCode::Threads(_) => "remove +atomics from RUSTFLAGS and .cargo/config.toml; a call is a single thread",
        InvalidCode::ReferenceTypes(_) | InvalidCode::Instruction { .. } | InvalidCode::Section(_) => {
            "build with `enigma contract build` and without -C target-feature or -C target-cpu in RUSTFLAGS and \
             .cargo/config.toml"
        }
        InvalidCode::UnknownImport { .. } | InvalidCode::ImportType(_) => {
            "a contract sees only what the SDK offers: no file, network, clock or operating system. Take out the dependency that \
             wants more; if it is the SDK itself, its version and this program's differ"
        }
        InvalidCode::ImportKind(_) => "build with `enigma contract build`: the memory is the contract's own",
        InvalidCode::ReservedExport(_) => "give it another name; exports that begin with `enigma.` are the runtime's",
        InvalidCode::TooMany { .. } => "split the contract, or leave out the dependency that brings them",
        InvalidCode::Engine(_) => "make the largest function smaller; this is a limit of the engine",
    }
}

fn warnings(code: &Code) -> Vec<String> {
    let mut warnings = Vec::new();
    for size in code.sizes() {
        if size.value.saturating_mul(100) >= size.limit.saturating_mul(NEAR) {
            let (value, limit) = (number(size.value), number(size.limit));
            warnings.push(format!("{} is near its limit: {value} of {limit}{}", size.what, size.unit));
        }
    }
    if code.abi.is_none() {
        warnings.push("it tells no interface (no section `enigma_abi`): clients have to know its functions".into());
    }
    if code.sections.debug_bytes > 0 {
        warnings.push(format!(
            "{} bytes are names and debug information, which are paid for at deployment; set strip = true in [profile.release]",
            number(code.sections.debug_bytes as u64)
        ));
    }
    if let Some(path) = machine_path(&code.pre_code) {
        warnings.push(format!(
            "it contains a path of the machine that built it ({path}), which becomes public; `enigma contract build` leaves paths out"
        ));
    }
    warnings
}

/// A path below a home or temporary folder in code.
fn machine_path(code: &[u8]) -> Option<String> {
    let home = env::home_dir().map(|home| home.to_string_lossy().into_owned()).filter(|home| home.len() > 1);
    let beginnings = ["home", "Users", "root"].map(|folder| format!("/{folder}/")).into_iter().chain(home);
    beginnings.into_iter().find_map(|beginning| {
        let start = code.windows(beginning.len()).position(|window| window == beginning.as_bytes())?;
        let path = code.get(start..)?.iter().take(60).take_while(|byte| byte.is_ascii_graphic());
        Some(path.map(|byte| char::from(*byte)).collect())
    })
}

impl Report {
    fn words(&self) -> String {
        self.contracts.iter().map(Checked::words).collect::<Vec<_>>().join("\n")
    }
}

impl Checked {
    fn words(&self) -> String {
        let mut text = match self.accepted {
            true => format!("{}: the network takes it\n", self.name),
            false => format!("{}: the network would refuse it\n", self.name),
        };
        for (index, refusal) in self.refusals.iter().enumerate() {
            text += &format!("  refused  {}\n", refusal.reason);
            // Several with one remedy have it once.
            if self.refusals.get(index + 1).is_none_or(|following| following.next != refusal.next) {
                text += &format!("     next  {}\n", refusal.next);
            }
        }
        for warning in &self.warnings {
            text += &format!("  warning  {warning}\n");
        }
        text + &size_table(&self.sizes)
    }
}

/// Values beside their limits.
pub fn size_table(sizes: &[Size]) -> String {
    let rows: Vec<_> = sizes.iter().map(|size| (size, number(size.value), number(size.limit))).collect();
    let width = rows.iter().map(|(_, value, _)| value.len()).max().unwrap_or_default();
    let limit_width = rows.iter().map(|(_, _, limit)| limit.len()).max().unwrap_or_default();
    let line = |(size, value, limit): &(&Size, String, String)| {
        format!("  {:<16} {value:>width$}  of at most {limit:>limit_width$}{}\n", size.what, size.unit)
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_machine_is_found() {
        let path = format!("/{}/alice/token/src/lib.rs", "home");
        assert_eq!(machine_path(format!("\0\x01{path}\0rest").as_bytes()), Some(path));
        assert_eq!(machine_path(b"\0contract/src/lib.rs, /rustc/abc/library/core"), None);
    }
}
