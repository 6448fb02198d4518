//! `enigma contract inspect`: everything about a contract on one page.

use super::{
    check::size_table,
    code::{Code, CodeArgs, Size, number, signature, types},
};
use crate::output::{OutputArgs, table};
use clap::Args;
use enigma_runtime::RUNTIME_VERSION;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fs};

/// Show functions, gas, sizes, hashes and limits of a contract.
///
/// The hashes are those by which Ethereum and receipts know the code. Gas is what the tests in the real runtime used, from `enigma
/// contract test`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLES
  enigma contract inspect                     build and show the contract of this folder
  enigma contract inspect target/enigma/my_token.wasm --json")]
pub struct Inspect {
    #[command(flatten)]
    code: CodeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct Report {
    contracts: Vec<Contract>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Contract {
    name: String,
    runtime_version: u32,
    pre_code_hash: String,
    /// Absent when the network would refuse the code; then `refused` says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    exe_code_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    imports: u32,
    /// Whether it has functions that queries can call.
    answers_queries: bool,
    sizes: Vec<Size>,
    gas: StaticGas,
    functions: Vec<Function>,
    events: Vec<String>,
    errors: Vec<String>,
}

/// Gas that is known without running anything.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StaticGas {
    /// One for each byte of preCode; the constructor comes on top.
    deployment: u64,
    /// Before the first instruction of every call.
    call_start: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Function {
    signature: String,
    returns: String,
    mutability: String,
    /// Absent when no test has called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    gas: Option<Measured>,
}

/// What the calls of a function in tests used.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Measured {
    calls: u64,
    min: u64,
    median: u64,
    max: u64,
}

/// What the SDK's test kit leaves behind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GasReport {
    pre_code_hash: String,
    functions: BTreeMap<String, Measured>,
}

impl Inspect {
    /// Does it.
    ///
    /// # Errors
    /// There is no such code.
    pub fn run(self) -> anyhow::Result<()> {
        let contracts = self.code.read()?.iter().map(Contract::of).collect();
        self.output.result(&Report { contracts }, Report::words)
    }
}

/// Gas by function, if tests measured this very code.
fn measured(code: &Code) -> BTreeMap<String, Measured> {
    // The kit names its report after the package, whose name may have hyphens.
    let names = [code.name.clone(), code.name.replace('_', "-")];
    let reports =
        code.results.iter().flat_map(|folder| names.iter().map(move |name| folder.join(format!("gas/{name}.json"))));
    let hash = code.pre_code_hash().to_string();
    reports
        .filter_map(|path| serde_json::from_slice::<GasReport>(&fs::read(path).ok()?).ok())
        .find(|report| report.pre_code_hash == hash)
        .map(|report| report.functions)
        .unwrap_or_default()
}

impl Contract {
    fn of(code: &Code) -> Self {
        let measured = measured(code);
        let prepared = code.prepared.as_ref();
        Self {
            name: code.name.clone(),
            runtime_version: RUNTIME_VERSION,
            pre_code_hash: code.pre_code_hash().to_string(),
            exe_code_hash: prepared.ok().map(|prepared| prepared.hash().to_string()),
            refused: prepared.err().map(ToString::to_string),
            imports: code.sections.imports,
            answers_queries: code.sections.has_query,
            sizes: code.sizes(),
            gas: StaticGas {
                deployment: code.pre_code.len() as u64,
                call_start: prepared.ok().map(|prepared| prepared.start_gas),
            },
            functions: functions(code, &measured),
            events: code.entries("event").map(signature).collect(),
            errors: code.entries("error").map(signature).collect(),
        }
    }

    fn words(&self) -> String {
        let mut facts = vec![
            ("runtimeVersion", self.runtime_version.to_string()),
            ("preCodeHash", self.pre_code_hash.clone()),
            (
                "exeCodeHash",
                self.exe_code_hash.clone().unwrap_or_else(|| "none: the network would refuse this code".into()),
            ),
        ];
        facts.extend(self.refused.clone().map(|reason| ("refused", reason)));
        let bytes = number(self.gas.deployment);
        facts.push(("deployment", format!("{bytes} gas (1 a byte of preCode) and the constructor's")));
        facts.extend(
            self.gas.call_start.map(|gas| ("every call", format!("{} gas before its first instruction", number(gas)))),
        );
        facts.push(("queries", if self.answers_queries { "answered" } else { "none" }.to_owned()));
        facts.extend((!self.events.is_empty()).then(|| ("events", self.events.join(", "))));
        facts.extend((!self.errors.is_empty()).then(|| ("errors", self.errors.join(", "))));
        let facts: String = table(&facts).lines().map(|line| format!("  {line}\n")).collect();
        format!("{}\n{facts}\n{}\n{}", self.name, size_table(&self.sizes), function_table(&self.functions))
    }
}

fn functions(code: &Code, measured: &BTreeMap<String, Measured>) -> Vec<Function> {
    let abi = |entry: &Value| {
        let is_constructor = entry["type"] == "constructor";
        let signature = if is_constructor { format!("construct{}", types(&entry["inputs"])) } else { signature(entry) };
        Function {
            gas: measured.get(&signature).copied(),
            signature,
            returns: if is_constructor { String::new() } else { types(&entry["outputs"]) },
            mutability: entry["stateMutability"].as_str().unwrap_or_default().to_owned(),
        }
    };
    code.entries("constructor").chain(code.entries("function")).map(abi).collect()
}

/// Functions with what they return and their gas.
fn function_table(functions: &[Function]) -> String {
    if functions.is_empty() {
        return "  no functions are known: the code tells no interface\n".into();
    }
    let gas = |function: &Function| match function.gas {
        None => "not measured".to_owned(),
        Some(gas) if gas.min == gas.max => number(gas.max),
        Some(gas) => format!("{} to {}", number(gas.min), number(gas.max)),
    };
    let rows: Vec<[String; 4]> = functions
        .iter()
        .map(|function| {
            let returns = if function.returns == "()" { String::new() } else { function.returns.clone() };
            [function.signature.clone(), returns, function.mutability.clone(), gas(function)]
        })
        .collect();
    let heads = ["function", "returns", "kind", "gas in tests"].map(String::from);
    let width = |column: usize| {
        std::iter::once(&heads).chain(&rows).map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; 4] = std::array::from_fn(width);
    let line = |row: &[String; 4]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text: String = std::iter::once(&heads).chain(&rows).map(line).collect();
    if functions.iter().any(|function| function.gas.is_none()) {
        text += "  `enigma contract test` measures the gas of this code where tests call it in the real runtime.\n";
    }
    text
}

impl Report {
    fn words(&self) -> String {
        self.contracts.iter().map(Contract::words).collect::<Vec<_>>().join("\n")
    }
}
