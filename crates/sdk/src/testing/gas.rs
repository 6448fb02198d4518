//! What calls cost: a report that tests leave behind.
//!
//! Every test in the runtime adds to `<target directory>/enigma/gas/<package>.json`, which `enigma contract inspect` shows:
//!
//! ```json
//! {
//!   "contract": "erc20",
//!   "preCodeHash": "0x…",
//!   "preCodeBytes": 27000,
//!   "exeCodeBytes": 45000,
//!   "functions": {
//!     "transfer(address,uint256)": { "calls": 12, "min": 14876, "median": 15120, "max": 15900 }
//!   }
//! }
//! ```
//!
//! `preCodeHash` is the Keccak-256 hash of the compiled contract: figures of other code are of no use. Only calls that succeed count,
//! those of the constructor as `construct(…)`, queries too. The file holds what the last run of each test program measured; functions
//! that it did not call keep the figures of an earlier run of the same code. Nothing fails when it cannot be written.

use super::runtime::Module;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

/// Gas of each successful call in this process, by contract and function.
static MEASURED: Mutex<BTreeMap<String, BTreeMap<String, Vec<u64>>>> = Mutex::new(BTreeMap::new());

/// Adds a call, and writes the report anew.
pub fn measured(module: &Module, signature: &str, gas_used: u64) {
    let Ok(mut measured) = MEASURED.lock() else { return };
    let functions = measured.entry(module.name.into()).or_default();
    let calls = functions.entry(signature.into()).or_default();
    let at = calls.partition_point(|gas| *gas < gas_used);
    let is_new_figure = calls.first().is_none_or(|least| gas_used < *least) || calls.last() < Some(&gas_used);
    calls.insert(at, gas_used);
    // Not on every call of a long loop: the count and the median may come late.
    if is_new_figure || calls.len().is_power_of_two() {
        let Some(path) = file(module) else { return };
        let report = report(module, functions, fs::read_to_string(&path).ok());
        let _ = path.parent().map(fs::create_dir_all);
        let _ = fs::write(path, report);
    }
}

fn file(module: &Module) -> Option<PathBuf> {
    Some(super::runtime::target_directory()?.join("enigma/gas").join(alloc::format!("{}.json", module.name)))
}

fn report(module: &Module, functions: &BTreeMap<String, Vec<u64>>, before: Option<String>) -> String {
    let before: Value = before.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let mut figures = match &before["functions"] {
        Value::Object(figures) if before["preCodeHash"] == module.pre_code_hash => figures.clone(),
        _ => serde_json::Map::new(),
    };
    for (signature, calls) in functions {
        let (Some(min), Some(max)) = (calls.first(), calls.last()) else { continue };
        let median = calls.get(calls.len() / 2).unwrap_or(max);
        figures.insert(signature.clone(), json!({ "calls": calls.len(), "min": min, "median": median, "max": max }));
    }
    let report = json!({
        "contract": module.name,
        "preCodeHash": module.pre_code_hash,
        "preCodeBytes": module.pre_code_bytes,
        "exeCodeBytes": module.exe_code_bytes,
        "functions": figures,
    });
    alloc::format!("{report:#}\n")
}
