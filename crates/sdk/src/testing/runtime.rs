//! The compiled contract in the real runtime.
//!
//! The contract is compiled on demand, once in a test program: `cargo build --release --target wasm32-unknown-unknown` into a
//! directory of its own below the target directory. A module that `enigma contract build` or `cargo xtask wasm` made,
//! `<target>/enigma/<name>.wasm` or `<target>/secret-contracts/<name>.wasm`, is used instead if it is newer than the sources.

use super::host::Runtime;
use super::{EmittedEvent, Execution, Failure, HostCall, Package, PayOut, gas};
use crate::contract::Entry;
use crate::ethereum::EthereumCall;
use crate::{Address, FixedBytes};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use enigma_runtime::{Context, Program};
use serde_json::Value;
use sha3::{Digest, Keccak256};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use std::{env, fs};

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "release";

/// A compiled contract.
pub struct Module {
    pub name: &'static str,
    pub pre_code_hash: String,
    pub pre_code_bytes: usize,
    pub exe_code_bytes: usize,
    program: Program,
}

/// The modules of this process.
static MODULES: Mutex<BTreeMap<&'static str, Result<Arc<Module>, String>>> = Mutex::new(BTreeMap::new());

impl Module {
    /// The module of a package, compiled now if it was not before.
    #[track_caller]
    pub fn of(package: Package) -> Arc<Module> {
        let mut modules = MODULES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let module = modules.entry(package.name).or_insert_with(|| load(package).map(Arc::new)).clone();
        drop(modules);
        match module {
            Ok(module) => module,
            Err(text) => panic!("{text}"),
        }
    }

    /// Runs one call. The trace is empty unless it is asked for.
    pub fn run(
        &self,
        call: Runtime,
        gas_limit: u64,
        signature: &str,
        arguments: &[u8],
        traced: bool,
    ) -> (Result<Vec<u8>, Failure>, Execution, Vec<HostCall>) {
        let entry = match call.entry {
            Entry::Deploy => enigma_runtime::Entry::Deploy,
            Entry::Call => enigma_runtime::Entry::Call,
            Entry::Query => enigma_runtime::Entry::Query,
        };
        let context = Context {
            contract: call.contract,
            task_id: call.task_id,
            caller: call.caller,
            value: call.value,
            block_number: call.block_number,
            block_timestamp: call.block_timestamp,
            random_seed: call.random_seed,
            gas_limit,
            call_gas: call.call_gas,
            debug: true,
        };
        let (execution, trace) = if traced {
            self.program.execute_traced(entry, signature, arguments, &context, &call.state)
        } else {
            (self.program.execute(entry, signature, arguments, &context, &call.state), Vec::new())
        };
        for text in &execution.debug {
            std::println!("debug: {text}");
        }
        let result = execution.outcome.map_err(|failure| {
            let data = match &failure {
                enigma_runtime::Failure::Contract { data, .. } => data.clone(),
                _ => Vec::new(),
            };
            Failure { text: failure.to_string(), data }
        });
        if result.is_ok() {
            gas::measured(self, signature, execution.gas_used);
        }
        let events = execution.events.into_iter();
        let trace = trace.into_iter();
        let done = Execution {
            gas_used: execution.gas_used,
            emitted: events.map(|event| EmittedEvent { signature: event.signature, data: event.data }).collect(),
            ethereum_call: execution
                .ethereum_call
                .map(|call| EthereumCall { target: Address(call.target), data: call.data }),
            pay_out: execution.pay_out.map(|pay_out| PayOut { to: Address(pay_out.to), amount: pay_out.amount }),
            debug: execution.debug,
            changes: execution.changes,
        };
        let trace = trace.map(|call| HostCall { import: call.import, key: call.key, bytes: call.bytes }).collect();
        (result, done, trace)
    }
}

fn load(package: Package) -> Result<Module, String> {
    let pre_code = pre_code(package)?;
    let name = package.name;
    let exe_code =
        enigma_runtime::prepare(&pre_code).map_err(|error| format!("the runtime refuses `{name}`: {error}"))?;
    let program = Program::load(&exe_code).map_err(|error| format!("the runtime cannot load `{name}`: {error}"))?;
    Ok(Module {
        name,
        pre_code_hash: FixedBytes(Keccak256::digest(&pre_code).into()).to_string(),
        pre_code_bytes: pre_code.len(),
        exe_code_bytes: exe_code.len(),
        program,
    })
}

fn pre_code(package: Package) -> Result<Vec<u8>, String> {
    let file = format!("{}.wasm", package.name.replace('-', "_"));
    let path = match prepared(package, &file) {
        Some(path) => path,
        None => build(package)?.join(file),
    };
    fs::read(&path).map_err(|error| {
        format!(
            "cannot read `{}`, the compiled contract: {error}\n  next: write `crate-type = [\"cdylib\", \"rlib\"]` under [lib] in its \
             Cargo.toml",
            path.display()
        )
    })
}

/// A module that was compiled before and is newer than everything that it is made of.
fn prepared(package: Package, file: &str) -> Option<PathBuf> {
    let test = env::current_exe().ok()?;
    let mut places =
        test.ancestors().flat_map(|folder| ["enigma", "secret-contracts"].map(|place| folder.join(place).join(file)));
    if !places.clone().any(|path| path.is_file()) {
        return None;
    }
    let sources = sources(package)?.iter().map(|folder| newest(folder)).max()?;
    places.find(|path| {
        let made = fs::metadata(path).and_then(|metadata| metadata.modified());
        made.is_ok_and(|made| sources < made)
    })
}

/// The folders of the package, of what it is compiled with out of other folders (the SDK, libraries of its author), and the file
/// with its workspace's profiles. `None` if cargo cannot tell.
fn sources(package: Package) -> Option<Vec<PathBuf>> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", TARGET])
        .current_dir(package.directory)
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let metadata: Value = serde_json::from_slice(&output.stdout).ok()?;
    let packages = metadata["packages"].as_array()?;
    let nodes = metadata["resolve"]["nodes"].as_array()?;
    let own = packages.iter().find(|entry| entry["name"] == package.name && entry["source"].is_null())?;
    let mut waiting = alloc::vec![&own["id"]];
    let mut seen = Vec::new();
    let mut sources = alloc::vec![Path::new(metadata["workspace_root"].as_str()?).join("Cargo.toml")];
    while let Some(id) = waiting.pop() {
        let entry = with_id(packages, id)?;
        if seen.contains(&id) || !entry["source"].is_null() {
            continue;
        }
        seen.push(id);
        sources.push(Path::new(entry["manifest_path"].as_str()?).parent()?.to_path_buf());
        let dependencies = with_id(nodes, id)?["deps"].as_array()?;
        let is_compiled = |dependency: &&Value| {
            dependency["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"] != "dev"))
        };
        waiting.extend(dependencies.iter().filter(is_compiled).map(|dependency| &dependency["pkg"]));
    }
    Some(sources)
}

fn with_id<'a>(entries: &'a [Value], id: &Value) -> Option<&'a Value> {
    entries.iter().find(|entry| entry["id"] == *id)
}

/// When the newest source in a folder, or the file, was written.
fn newest(folder: &Path) -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    if folder.is_file() {
        return fs::metadata(folder).and_then(|metadata| metadata.modified()).unwrap_or(newest);
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && name != "target" {
            newest = newest.max(self::newest(&path));
        } else if kind.is_file()
            && path.extension().is_some_and(|extension| ["rs", "toml", "json"].iter().any(|e| extension == *e))
        {
            newest = newest.max(entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(newest));
        }
    }
    newest
}

/// Compiles the package's contract; returns the folder with the module.
fn build(package: Package) -> Result<PathBuf, String> {
    let Package { name, directory } = package;
    let target = target_directory().ok_or("the test does not lie in a target directory of cargo")?.join("enigma/wasm");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--lib", "--release", "--target", TARGET, "--package", name, "--target-dir"])
        .arg(&target)
        .current_dir(directory)
        .stdin(Stdio::null())
        // What is meant for the test is not meant for the contract.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("CARGO_TARGET_DIR");
    let shown = format!("cargo build --lib --release --target {TARGET} --package {name}");
    let output = cargo.output().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if output.status.success() {
        return Ok(target.join(TARGET).join(PROFILE));
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("can't find crate for `core`") || errors.contains("target may not be installed") {
        return Err(format!(
            "`{name}` cannot be compiled: Rust's target {TARGET} is not installed\n  next: run `rustup target add {TARGET}`"
        ));
    }
    Err(format!("`{shown}` failed:\n{errors}"))
}

/// Cargo's target directory that the running test lies in.
pub fn target_directory() -> Option<PathBuf> {
    let test = env::current_exe().ok()?;
    // Cargo marks it with this file.
    test.ancestors().skip(1).find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_path_buf)
}
