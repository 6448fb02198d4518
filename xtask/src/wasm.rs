//! Builds the secret contracts and lays them out where programs and tests find them:
//! `<target>/secret-contracts/<name>.wasm` and, from the custom section that the SDK's macros write, `<name>.abi.json`.

use crate::{
    setup::WASM_TARGET,
    workspace::{Workspace, list, metadata, run, text},
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{env, fs, path::Path};

/// Where the SDK's macros put a contract's ABI, as UTF-8 JSON.
const ABI_SECTION: &str = "enigma_abi";

pub fn build(workspace: &Workspace) -> Result<()> {
    let contracts = contract_names(workspace)?;
    let mut cargo = workspace.contracts_cargo();
    cargo.args(["build", "--release", "--target", WASM_TARGET]).args(["--config", &flags(workspace)]);
    for (package, _) in &contracts {
        cargo.args(["-p", package]);
    }
    run(&mut cargo)?;

    let built = workspace.target.join("contracts-build").join(WASM_TARGET).join("release");
    let directory = workspace.target.join("secret-contracts");
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    println!("{:<24} {:>10} {:>10}", "secret contract", "bytes", "functions");
    for (_, name) in &contracts {
        let path = built.join(format!("{name}.wasm"));
        let wasm = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let abi = abi(&wasm).with_context(|| format!("{name}.wasm has no usable ABI"))?;
        let functions = list_functions(&abi);
        write_if_changed(&directory.join(format!("{name}.wasm")), &wasm)?;
        write_if_changed(&directory.join(format!("{name}.abi.json")), format!("{abi:#}\n").as_bytes())?;
        println!("{name:<24} {:>10} {functions:>10}", wasm.len());
    }
    Ok(())
}

/// Packages that are contracts, with the names of their files.
fn contract_names(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let metadata = metadata(workspace.contracts_cargo(), &["--no-deps"])?;
    let mut names = Vec::new();
    for package in list(&metadata, "packages") {
        let is_contract = |target: &&Value| list(target, "crate_types").iter().any(|kind| kind == "cdylib");
        if let Some(target) = list(package, "targets").iter().find(is_contract) {
            names.push((text(package, "name").to_owned(), text(target, "name").replace('-', "_")));
        }
    }
    ensure!(!names.is_empty(), "secret-contracts/ has no package with crate-type cdylib");
    Ok(names)
}

/// The compiler's flags. Panic messages carry file names: what is deployed does not tell the directories of the machine that built
/// it. A stack of 64 KiB is what other contract languages of WebAssembly take; the megabyte of Rust programs would be cleared for
/// every call. (On the command line, because cargo joins it with the flags of a configuration file.)
fn flags(workspace: &Workspace) -> String {
    let home = env::home_dir().unwrap_or_default();
    let cargo = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), Into::into);
    let mut flags = vec![Value::from("-Clink-arg=-zstack-size=65536")];
    flags.extend(
        [(cargo.as_path(), "cargo"), (&workspace.root, "enigma")]
            .map(|(from, to)| Value::from(format!("--remap-path-prefix={}={to}", from.display()))),
    );
    format!("target.{WASM_TARGET}.rustflags={}", Value::from(flags))
}

fn list_functions(abi: &Value) -> usize {
    abi.as_array().map_or(0, |entries| entries.iter().filter(|entry| entry["type"] == "function").count())
}

fn abi(wasm: &[u8]) -> Result<Value> {
    let Some(section) = custom_section(wasm, ABI_SECTION)? else {
        bail!("it has no custom section `{ABI_SECTION}`\n  next: write the contract with the macros of the SDK");
    };
    serde_json::from_slice(section).with_context(|| format!("its section `{ABI_SECTION}` is not JSON"))
}

/// The content of the first custom section called `name`.
fn custom_section<'a>(wasm: &'a [u8], name: &str) -> Result<Option<&'a [u8]>> {
    let mut rest = wasm.strip_prefix(b"\0asm\x01\0\0\0").context("it is not a WebAssembly module")?;
    while let Some((&id, after)) = rest.split_first() {
        let (length, after) = leb128(after)?;
        let (section, next) = after.split_at_checked(length).context("a section is cut short")?;
        if id == 0 {
            let (length, after) = leb128(section)?;
            let (found, content) = after.split_at_checked(length).context("the name of a section is cut short")?;
            if found == name.as_bytes() {
                return Ok(Some(content));
            }
        }
        rest = next;
    }
    Ok(None)
}

/// An unsigned 32-bit number and what follows it.
fn leb128(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((usize::try_from(value)?, &bytes[index + 1..]));
        }
    }
    bail!("a length is malformed")
}

/// Leaves an unchanged file alone, so that what depends on it is not built again.
fn write_if_changed(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_custom_section_by_name() {
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        wasm.extend(b"\x01\x01\x00"); // an empty type section
        wasm.extend(b"\x00\x06\x04nameX");
        wasm.extend(b"\x00\x91\x00\x0aenigma_abi[{}]  "); // a length of two bytes
        assert_eq!(custom_section(&wasm, "enigma_abi").unwrap(), Some(&b"[{}]  "[..]));
        assert_eq!(custom_section(&wasm, "name").unwrap(), Some(&b"X"[..]));
        assert_eq!(custom_section(&wasm, "absent").unwrap(), None);
        assert!(custom_section(&wasm[..wasm.len() - 1], "enigma_abi").is_err());
        assert!(custom_section(b"not wasm", "enigma_abi").is_err());
    }
}
