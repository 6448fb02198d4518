//! Installs what the repository needs and a fresh machine lacks; says what a person has to install.

use crate::workspace::{Workspace, on_path, output, run};
use anyhow::{Context, Result, bail};
use std::{env, fs, path::Path, process::Command, time::SystemTime};

/// What secret contracts are compiled for.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The Node.js release that the packages of solidity/ are tested with.
const MINIMUM_NODE: u32 = 20;

/// Leaves the machine able to build and run everything; quick when nothing is missing.
pub fn install(workspace: &Workspace) -> Result<()> {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
    if !on_path(&compiler) && !Path::new(&compiler).is_file() {
        bail!(
            "there is no C compiler called `{compiler}`\n  why: Rust links with it\n  \
             next: `apt-get install build-essential` (Debian, Ubuntu) or `xcode-select --install` (macOS)"
        );
    }
    let node = check_node()?;
    if !has_target(WASM_TARGET)? {
        add_target(WASM_TARGET).context("secret contracts are compiled for it")?;
    }
    install_packages(&workspace.solidity())?;
    fetch_libraries_of_contracts(workspace)?;
    println!("setup: ready (Rust with {WASM_TARGET}, Node.js {node}, npm packages, C compiler)");
    Ok(())
}

fn check_node() -> Result<String> {
    let next = format!(
        "next: install Node.js {MINIMUM_NODE} or newer with npm from https://nodejs.org or your system's packages"
    );
    if !on_path("node") || !on_path("npm") {
        bail!(
            "Node.js or its npm was not found\n  why: anvil, forge and the Solidity compiler come as npm packages\n  {next}"
        );
    }
    let version = output(Command::new("node").arg("--version"))?;
    let version = version.trim().trim_start_matches('v');
    match version.split('.').next().map(str::parse::<u32>) {
        Some(Ok(major)) if major >= MINIMUM_NODE => Ok(version.to_owned()),
        _ => bail!("Node.js is {version}, but {MINIMUM_NODE} or newer is needed\n  {next}"),
    }
}

/// Whether the standard library for `target` is installed.
pub fn has_target(target: &str) -> Result<bool> {
    let directory = output(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))?;
    Ok(Path::new(directory.trim()).is_dir())
}

/// Installs the standard library for `target`.
pub fn add_target(target: &str) -> Result<()> {
    if !on_path("rustup") {
        bail!(
            "Rust's target {target} is not installed, and there is no rustup to add it\n  \
             next: install Rust from https://rustup.rs, or your system's package with Rust's library for {target}"
        );
    }
    run(Command::new("rustup").args(["target", "add", target])).with_context(|| {
        format!(
            "Rust's target {target} is missing and could not be added\n  \
             next: check the network, then run `rustup target add {target}`"
        )
    })
}

/// What `enigma contract new` begins with builds and tests without a network afterwards.
fn fetch_libraries_of_contracts(workspace: &Workspace) -> Result<()> {
    let host = output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let mut cargo = workspace.contracts_cargo();
    cargo.args(["fetch", "--quiet", "--target", WASM_TARGET, "--target", host.trim()]);
    run(&mut cargo).context(
        "the libraries of secret contracts could not be downloaded\n  next: check the network, then run `make setup`",
    )
}

/// npm writes the copy of the lock file inside node_modules when it is done, so an interrupted installation is repeated.
fn install_packages(project: &Path) -> Result<()> {
    let modified = |path| -> Option<SystemTime> { fs::metadata(project.join(path)).ok()?.modified().ok() };
    let installed = modified("node_modules/.package-lock.json");
    if installed.is_some() && installed >= modified("package-lock.json") {
        return Ok(());
    }
    eprintln!("installing anvil, forge and the Solidity compiler (npm packages of solidity/)");
    run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(project)).context(
        "the npm packages of solidity/ could not be installed\n  \
         next: npm says why above; mend that, then run `make setup`",
    )
}
