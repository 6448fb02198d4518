//! `enigma contract build`: from source to the two files that everything else takes.

use super::{
    code::{Code, number},
    package::{Contract, PackageArgs, Packages},
};
use crate::output::{OutputArgs, progress};
use anyhow::Context;
use clap::Args;
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Compile secret contracts for the network.
///
/// Always optimised. NAME.wasm is what is deployed, NAME.abi.json its interface for Ethereum libraries. The same sources and compiler
/// make the same bytes on every machine, and no path of the machine is in them.
#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLES
  enigma contract build                       the contract of this folder, into target/enigma
  enigma contract build --path my_token --out dist")]
pub struct Build {
    #[command(flatten)]
    packages: PackageArgs,
    /// Folder to put the files into, instead of `enigma` in cargo's target directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct Report {
    contracts: Vec<Built>,
}

/// What was built of a contract.
#[derive(Debug, Serialize)]
pub struct Built {
    name: String,
    wasm: PathBuf,
    abi: PathBuf,
    bytes: usize,
    functions: usize,
}

impl Build {
    /// Does it.
    ///
    /// # Errors
    /// It does not compile, or the files cannot be written.
    pub fn run(self) -> anyhow::Result<()> {
        let packages = self.packages.find()?;
        let folder = self.out.unwrap_or_else(|| packages.results());
        self.output.result(&Report { contracts: into(&packages, &folder)? }, Report::words)
    }
}

/// Compiles contracts and puts what came out into a folder.
///
/// # Errors
/// They do not compile, or the files cannot be written.
pub fn into(packages: &Packages, folder: &Path) -> anyhow::Result<Vec<Built>> {
    packages.compile()?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    packages.contracts.iter().map(|contract| write(packages, contract, folder)).collect()
}

fn write(packages: &Packages, contract: &Contract, folder: &Path) -> anyhow::Result<Built> {
    let name = contract.name.clone();
    let code = Code::new(name.clone(), packages.compiled(contract)?, None);
    let interface = code
        .abi
        .as_ref()
        .with_context(|| format!("{name} tells no interface; is its impl block marked #[enigma_sdk::contract]?"))?;
    let (wasm, abi) = (folder.join(format!("{name}.wasm")), folder.join(format!("{name}.abi.json")));
    let put = |path: &PathBuf, bytes: &[u8]| {
        fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    // Written even if nothing changed: the test kit compiles again what is older than its source.
    put(&wasm, &code.pre_code)?;
    put(&abi, format!("{interface:#}\n").as_bytes())?;
    if let Err(refused) = &code.prepared {
        progress(&format!("warning: the network would refuse {name}: {refused}; see `enigma contract check`"));
    }
    let (bytes, functions) = (code.pre_code.len(), code.entries("function").count());
    Ok(Built { name, wasm, abi, bytes, functions })
}

impl Report {
    fn words(&self) -> String {
        let line = |built: &Built| {
            format!(
                "{}: {} bytes, {} function{}\n  {}\n  {}\n",
                built.name,
                number(built.bytes as u64),
                built.functions,
                if built.functions == 1 { "" } else { "s" },
                built.wasm.display(),
                built.abi.display()
            )
        };
        self.contracts.iter().map(line).collect()
    }
}
