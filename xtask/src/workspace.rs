//! Where things are, and how programs are called.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The repository, cargo's target directory and this program, all absolute.
pub struct Workspace {
    pub root: PathBuf,
    pub target: PathBuf,
    /// Asked for at the start: a build of the workspace may put a newer one in its place, and then this one has no name.
    pub program: PathBuf,
}

impl Workspace {
    /// Cargo tells a program that it runs where its package lies. The directory of compilation would not do: several clones may
    /// share one target directory.
    pub fn find() -> Result<Self> {
        let package = env::var_os("CARGO_MANIFEST_DIR").context("started without cargo\n  next: run `cargo xtask`")?;
        let root = Path::new(&package).parent().context("xtask lies at the root of the file system")?.to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(path) => std::path::absolute(path)?,
            None => root.join("target"),
        };
        Ok(Self { root, target, program: env::current_exe()? })
    }

    /// The workspace of secret contracts, apart because it is compiled for wasm32.
    pub fn contracts(&self) -> PathBuf {
        self.root.join("secret-contracts")
    }

    pub fn solidity(&self) -> PathBuf {
        self.root.join("solidity")
    }

    /// The cargo that runs this program, in `directory`.
    pub fn cargo_in(&self, directory: &Path) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(directory).env("CARGO_TARGET_DIR", &self.target);
        cargo
    }

    pub fn cargo(&self) -> Command {
        self.cargo_in(&self.root)
    }

    /// Cargo in the workspace of secret contracts. Its target directory is its own, so that the two workspaces do not wait for
    /// each other's lock.
    pub fn contracts_cargo(&self) -> Command {
        let mut cargo = self.cargo_in(&self.contracts());
        cargo.env("CARGO_TARGET_DIR", self.target.join("contracts-build"));
        cargo
    }

    /// Cargo in the workspace of benchmarks, with a target directory of its own as well.
    pub fn benches_cargo(&self) -> Command {
        let mut cargo = self.cargo_in(&self.root.join("benches"));
        cargo.env("CARGO_TARGET_DIR", self.target.join("benches-build"));
        cargo
    }

    /// The workspace of fuzz targets.
    pub fn fuzz(&self) -> PathBuf {
        self.root.join("fuzz")
    }

    /// Where it is built.
    pub fn fuzz_target(&self) -> PathBuf {
        self.target.join("fuzz-build")
    }

    /// Cargo in the workspace of fuzz targets.
    pub fn fuzz_cargo(&self) -> Command {
        let mut cargo = self.cargo_in(&self.fuzz());
        cargo.env("CARGO_TARGET_DIR", self.fuzz_target());
        cargo
    }
}

/// What `cargo metadata` answers; `arguments` narrow it.
pub fn metadata(mut cargo: Command, arguments: &[&str]) -> Result<Value> {
    cargo.args(["metadata", "--format-version", "1"]).args(arguments);
    serde_json::from_str(&output(&mut cargo)?).context("cargo metadata printed something that is not JSON")
}

/// The elements of an array in cargo's metadata; none if it is not one.
pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A string in cargo's metadata; empty if it is not one.
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Runs a program whose output the user sees, after the line that would start it by hand.
pub fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", display(command));
    let status = command.status().with_context(|| format!("cannot start `{}`", display(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", display(command));
    }
    Ok(())
}

/// Runs a program for what it prints on standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", display(command)))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", display(command), output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something that is not UTF-8", display(command)))
}

/// Whether a program of this name is on the search path.
pub fn on_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|directory| directory.join(program).is_file()))
}

fn display(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words: Vec<_> = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}
