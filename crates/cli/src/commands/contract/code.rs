//! What compiled code says about itself: sizes, hashes, interface, and whether the network takes it.

use super::package::{PackageArgs, Packages};
use anyhow::{Context, bail};
use enigma_protocol::{Hash, hash::keccak256};
use enigma_runtime::{
    InvalidCode, Program,
    engine::{Import, MODULE},
    limits, prepare,
};
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
};
use wasmparser::{KnownCustom, Parser, Payload};

/// What every contract exports.
const EXPORTS: [&str; 4] = ["memory", "deploy", "call", "enigma_abi_1"];
/// Where the SDK's macros put a contract's interface, as UTF-8 JSON.
const ABI_SECTION: &str = "enigma_abi";

/// A compiled contract, accepted or not.
#[derive(Debug)]
pub struct Code {
    /// Name of the contract.
    pub name: String,
    /// What was compiled.
    pub pre_code: Vec<u8>,
    /// What enclaves execute, or why they refuse to.
    pub prepared: Result<Prepared, InvalidCode>,
    /// Solidity's JSON ABI.
    pub abi: Option<Value>,
    /// What the sections hold.
    pub sections: Sections,
    /// Where the reports of its tests are.
    pub results: Option<PathBuf>,
}

/// Code that the network takes.
#[derive(Debug)]
pub struct Prepared {
    /// With metering in it.
    pub exe_code: Vec<u8>,
    /// What every call costs before its first instruction.
    pub start_gas: u64,
}

/// What can be counted in code that is not accepted, too.
#[derive(Debug, Default)]
pub struct Sections {
    /// Pages of 64 KiB that a call begins with.
    pub pages: u64,
    /// Functions that the module defines.
    pub functions: u32,
    /// Functions of the runtime that it imports.
    pub imports: u32,
    /// Whether it answers queries.
    pub has_query: bool,
    /// Bytes of names and debug information.
    pub debug_bytes: usize,
    /// What is wrong with imports and exports, all of it: [`prepare`] stops at the first.
    pub refusals: Vec<InvalidCode>,
}

/// Which compiled code is meant.
#[derive(Debug, clap::Args)]
pub struct CodeArgs {
    /// A .wasm file, or the name of a contract that was built; without it the contracts of this folder, which are built first.
    #[arg(value_name = "FILE|NAME")]
    what: Option<String>,
    #[command(flatten)]
    packages: PackageArgs,
}

impl CodeArgs {
    /// Reads it, and builds it if nothing was named.
    ///
    /// # Errors
    /// There is no such file or contract, or it does not compile.
    pub fn read(&self) -> anyhow::Result<Vec<Code>> {
        let Some(what) = &self.what else {
            let packages = self.packages.find()?;
            packages.compile()?;
            let results = Some(packages.results());
            let codes = packages
                .contracts
                .iter()
                .map(|contract| Ok(Code::new(contract.name.clone(), packages.compiled(contract)?, results.clone())));
            return codes.collect();
        };
        let path = Path::new(what);
        if path.is_file() {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(vec![Code::new(name, read(path)?, reports_beside(path))]);
        }
        if what.contains(['/', '.']) {
            bail!("there is no file {what}; `enigma contract build` says where it puts what it builds");
        }
        let packages = self.packages.find().ok();
        let folders = packages.as_ref().map(Packages::results).into_iter().chain(examples());
        let found = folders.map(|folder| folder.join(format!("{what}.wasm"))).find(|path| path.is_file());
        let path = found.with_context(|| {
            format!("no contract `{what}` has been built here; run `enigma contract build`, or give the path of a .wasm file")
        })?;
        let results = reports_beside(&path).or_else(|| packages.as_ref().map(Packages::results));
        Ok(vec![Code::new(what.clone(), read(&path)?, results)])
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The folder of a compiled file, if reports of tests lie beside it.
fn reports_beside(path: &Path) -> Option<PathBuf> {
    path.parent().filter(|folder| folder.join("gas").is_dir()).map(Path::to_path_buf)
}

/// The folders of built examples, seen from this program.
fn examples() -> Vec<PathBuf> {
    let Ok(program) = env::current_exe() else { return Vec::new() };
    program.ancestors().skip(1).take(3).map(|folder| folder.join("secret-contracts")).collect()
}

impl Code {
    /// Looks at code.
    pub fn new(name: String, pre_code: Vec<u8>, results: Option<PathBuf>) -> Self {
        let prepared = prepare(&pre_code).and_then(|exe_code| {
            let start_gas = Program::load(&exe_code)?.start_gas();
            Ok(Prepared { exe_code, start_gas })
        });
        let (sections, abi) = sections(&pre_code);
        Self { name, prepared, abi, sections, results, pre_code }
    }

    /// The identity that Ethereum records at deployment.
    pub fn pre_code_hash(&self) -> Hash {
        keccak256(&self.pre_code)
    }

    /// The entries of the interface of a kind: `function`, `event`, `error`.
    pub fn entries<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        let entries = self.abi.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        entries.iter().filter(move |entry| entry["type"] == kind)
    }

    /// Kinds of value with their limits, and how much of each this contract takes.
    pub fn sizes(&self) -> Vec<Size> {
        let pages = |pages: u64| pages.saturating_mul(64 << 10);
        let exe_code = self.prepared.as_ref().ok().map(|prepared| prepared.exe_code.len() as u64);
        let mut sizes = vec![Size::bytes("preCode", self.pre_code.len() as u64, limits::MAX_PRE_CODE_BYTES as u64)];
        sizes.extend(exe_code.map(|bytes| Size::bytes("exeCode", bytes, limits::MAX_EXE_CODE_BYTES as u64)));
        let memory = pages(u64::from(limits::MAX_MEMORY_PAGES));
        sizes.push(Size::bytes("memory at start", pages(self.sections.pages), memory));
        sizes.push(Size {
            what: "functions",
            value: u64::from(self.sections.functions),
            limit: u64::from(limits::MAX_FUNCTIONS),
            unit: "",
        });
        sizes
    }
}

/// How much there is of something, and how much there may be.
#[derive(Debug, serde::Serialize)]
pub struct Size {
    /// Of what.
    pub what: &'static str,
    /// How much there is.
    pub value: u64,
    /// The bound.
    pub limit: u64,
    /// Behind the numbers.
    #[serde(skip)]
    pub unit: &'static str,
}

impl Size {
    fn bytes(what: &'static str, value: u64, limit: u64) -> Self {
        Self { what, value, limit, unit: " bytes" }
    }
}

impl Prepared {
    /// The identity that receipts name.
    pub fn hash(&self) -> Hash {
        keccak256(&self.exe_code)
    }
}

/// Counts as far as the module can be read.
fn sections(wasm: &[u8]) -> (Sections, Option<Value>) {
    let (mut sections, mut abi) = (Sections::default(), None);
    let mut missing = EXPORTS.to_vec();
    for payload in Parser::new(0).parse_all(wasm) {
        let Ok(payload) = payload else { break };
        match payload {
            Payload::ImportSection(imports) => {
                sections.imports = imports.count();
                let unknown =
                    |import: &wasmparser::Import<'_>| import.module != MODULE || Import::named(import.name).is_none();
                for import in imports.into_imports().flatten().filter(unknown) {
                    let (module, name) = (import.module.to_owned(), import.name.to_owned());
                    sections.refusals.push(InvalidCode::UnknownImport { module, name });
                }
            }
            Payload::FunctionSection(functions) => sections.functions = functions.count(),
            Payload::MemorySection(memories) => {
                sections.pages = memories.into_iter().flatten().map(|memory| memory.initial).sum();
            }
            Payload::ExportSection(exports) => {
                for export in exports.into_iter().flatten() {
                    sections.has_query |= export.name == "query";
                    missing.retain(|name| *name != export.name);
                }
            }
            Payload::CustomSection(section) if section.name() == ABI_SECTION => {
                abi = serde_json::from_slice(section.data()).ok();
            }
            Payload::CustomSection(section)
                if matches!(section.as_known(), KnownCustom::Name(_)) || section.name().starts_with(".debug") =>
            {
                sections.debug_bytes += section.data().len();
            }
            _ => {}
        }
    }
    sections.refusals.extend(missing.into_iter().map(|name| InvalidCode::MissingExport(name.to_owned())));
    (sections, abi)
}

/// A function, event or error as Solidity writes it: name and types, tuples in brackets.
pub fn signature(entry: &Value) -> String {
    format!("{}{}", entry["name"].as_str().unwrap_or("constructor"), types(&entry["inputs"]))
}

/// The types of parameters or results, in brackets.
pub fn types(parameters: &Value) -> String {
    let all = parameters.as_array().map_or(&[][..], Vec::as_slice);
    format!("({})", all.iter().map(canonical).collect::<Vec<_>>().join(","))
}

/// `tuple[2]` is `(uint256,bool)[2]`.
fn canonical(parameter: &Value) -> String {
    let name = parameter["type"].as_str().unwrap_or("?");
    match name.strip_prefix("tuple") {
        Some(array) => types(&parameter["components"]) + array,
        None => name.to_owned(),
    }
}

/// 1234567 as `1,234,567`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn signatures_are_canonical() {
        let pair = json!([{ "type": "uint256" }, { "type": "bytes[]" }]);
        let entry = json!({ "name": "store", "inputs": [
            { "type": "address" }, { "type": "tuple[2][]", "components": pair }, { "type": "tuple", "components": [] },
        ] });
        assert_eq!(signature(&entry), "store(address,(uint256,bytes[])[2][],())");
        assert_eq!(signature(&json!({ "type": "constructor" })), "constructor()");
    }

    #[test]
    fn numbers_have_commas() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(number(value), text);
        }
    }
}
