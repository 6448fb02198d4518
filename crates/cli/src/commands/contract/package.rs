//! Contracts as cargo knows them: where their packages are, and how they are compiled.

use crate::output::UsageError;
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What contracts are compiled for.
const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// The library that every contract is written with.
const SDK: &str = "enigma-sdk";
/// A stack of 64 KiB instead of the megabyte of Rust programs, which would be cleared for every call.
const STACK: &str = "-Clink-arg=-zstack-size=65536";

/// Which packages are meant.
#[derive(Debug, clap::Args)]
pub struct PackageArgs {
    /// Folder of the contract, or of a cargo workspace of contracts.
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// Only this contract of a workspace; can be repeated.
    #[arg(long, short, value_name = "NAME")]
    package: Vec<String>,
}

/// Contracts of one package or workspace.
#[derive(Debug)]
pub struct Packages {
    folder: PathBuf,
    /// Where cargo puts what it builds.
    target: PathBuf,
    /// The repository that the SDK comes from.
    sdk_repository: Option<PathBuf>,
    workspace_root: PathBuf,
    /// What was chosen, in cargo's order.
    pub contracts: Vec<Contract>,
}

/// One contract.
#[derive(Debug, Clone)]
pub struct Contract {
    /// Cargo's name of the package.
    pub package: String,
    /// Name of the compiled files.
    pub name: String,
    folder: PathBuf,
}

impl PackageArgs {
    /// Finds the contracts that are meant: those that are named, else the one whose folder it is, else all.
    ///
    /// # Errors
    /// There is no such package, or it is no contract.
    pub fn find(&self) -> anyhow::Result<Packages> {
        let folder =
            fs::canonicalize(&self.path).with_context(|| format!("there is no folder {}", self.path.display()))?;
        let metadata = metadata(&folder)?;
        let mut contracts: Vec<Contract> = list(&metadata, "packages").iter().filter_map(contract).collect();
        ensure!(
            !contracts.is_empty(),
            "{} has no secret contract: a contract is a package with crate-type = [\"cdylib\", \"rlib\"] that uses {SDK}; \
             `enigma contract new NAME` begins one",
            folder.display()
        );
        if !self.package.is_empty() {
            let known = names(&contracts);
            for name in &self.package {
                if !contracts.iter().any(|contract| contract.is_called(name)) {
                    return Err(UsageError(format!("there is no contract `{name}` here; there is {known}")).into());
                }
            }
            contracts.retain(|contract| self.package.iter().any(|name| contract.is_called(name)));
        } else if let Some(here) = contracts.iter().position(|contract| folder.starts_with(&contract.folder)) {
            contracts = vec![contracts.swap_remove(here)];
        }
        let path =
            |key: &str| metadata[key].as_str().map(PathBuf::from).with_context(|| format!("cargo tells no {key}"));
        Ok(Packages {
            target: path("target_directory")?,
            workspace_root: path("workspace_root")?,
            sdk_repository: sdk_repository(&metadata),
            contracts,
            folder,
        })
    }
}

impl Contract {
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.package == name
    }
}

impl Packages {
    /// Compiles for the network. Cargo tells on standard error how far it is.
    ///
    /// # Errors
    /// The compiler's are above; what is missing on this machine.
    pub fn compile(&self) -> anyhow::Result<()> {
        ensure_wasm_target()?;
        let mut cargo = self.cargo();
        cargo.args(["build", "--release", "--lib", "--target", WASM_TARGET]).arg("--config").arg(self.reproducibly());
        for contract in &self.contracts {
            cargo.args(["-p", &contract.package]);
        }
        run(&mut cargo, &format!("{} does not compile; the reasons are above", names(&self.contracts)))
    }

    /// What the compiler made of a contract.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn compiled(&self, contract: &Contract) -> anyhow::Result<Vec<u8>> {
        let path = self.target.join(WASM_TARGET).join("release").join(format!("{}.wasm", contract.name));
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Where contracts and their interfaces are put, and the reports of their tests.
    pub fn results(&self) -> PathBuf {
        self.target.join("enigma")
    }

    /// Cargo where the contracts are.
    pub fn cargo(&self) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(&self.folder);
        cargo
    }

    /// Panics name source files. With these flags the code holds no path of the machine that compiled it, and two machines with
    /// the same compiler make the same code. (On the command line, because cargo joins it with the flags of configuration files.)
    fn reproducibly(&self) -> String {
        let home = env::home_dir().unwrap_or_default();
        let cargo_home = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
        let mut places = vec![(self.workspace_root.clone(), "contract"), (cargo_home, "cargo")];
        // The last that fits counts.
        places.extend(self.sdk_repository.clone().map(|repository| (repository, "enigma")));
        let names = places.iter().map(|(from, to)| Value::from(format!("--remap-path-prefix={}={to}", from.display())));
        let flags: Value = names.chain([Value::from(STACK)]).collect();
        format!("target.{WASM_TARGET}.rustflags={flags}")
    }
}

fn names(contracts: &[Contract]) -> String {
    contracts.iter().map(|contract| format!("`{}`", contract.name)).collect::<Vec<_>>().join(", ")
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn metadata(folder: &Path) -> anyhow::Result<Value> {
    ensure!(
        folder.ancestors().any(|folder| folder.join("Cargo.toml").is_file()),
        "{} is no package of Rust (there is no Cargo.toml); `enigma contract new NAME` begins a contract, --path DIR names \
         the folder of one",
        folder.display()
    );
    let mut cargo = cargo();
    cargo.current_dir(folder).args(["metadata", "--no-deps", "--format-version", "1"]);
    let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(|error| not_started(&error))?;
    ensure!(output.status.success(), "cargo cannot read the package in {}; it says why above", folder.display());
    serde_json::from_slice(&output.stdout).context("cargo metadata printed something that is not JSON")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn contract(package: &Value) -> Option<Contract> {
    sdk_of(package)?;
    let is_cdylib = |target: &&Value| list(target, "crate_types").iter().any(|kind| kind == "cdylib");
    let target = list(package, "targets").iter().find(is_cdylib)?;
    Some(Contract {
        package: package["name"].as_str()?.to_owned(),
        name: target["name"].as_str()?.replace('-', "_"),
        folder: Path::new(package["manifest_path"].as_str()?).parent()?.to_path_buf(),
    })
}

/// How a package depends on the SDK.
fn sdk_of(package: &Value) -> Option<&Value> {
    list(package, "dependencies").iter().find(|dependency| dependency["name"] == SDK && dependency["kind"].is_null())
}

fn sdk_repository(metadata: &Value) -> Option<PathBuf> {
    let sdk = list(metadata, "packages").iter().find_map(sdk_of)?["path"].as_str()?;
    Some(Path::new(sdk).parent()?.parent()?.to_path_buf())
}

/// Runs cargo, whose messages the user sees.
///
/// # Errors
/// `failed`, or cargo cannot be started.
pub fn run(cargo: &mut Command, failed: &str) -> anyhow::Result<()> {
    // Its results are none of ours.
    let status = cargo.stdin(Stdio::null()).status().map_err(|error| not_started(&error))?;
    ensure!(status.success(), "{failed}");
    Ok(())
}

fn not_started(error: &std::io::Error) -> anyhow::Error {
    anyhow::anyhow!("cannot start cargo: {error}; install Rust from https://rustup.rs")
}

fn ensure_wasm_target() -> anyhow::Result<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output()
        .with_context(|| format!("cannot start {}; install Rust from https://rustup.rs", rustc.display()))?;
    let folder = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !Path::new(folder.trim()).is_dir() {
        bail!(
            "Rust's target {WASM_TARGET} is not installed, which contracts are compiled for; run `rustup target add \
             {WASM_TARGET}` (in the repository of Enigma `make setup` does it)"
        );
    }
    Ok(())
}
