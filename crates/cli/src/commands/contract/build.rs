//! `enigma contract build`: from source to the two files that everything else takes.

use super::{
    code::{Code, number},
    package::PackageArgs,
};
use crate::output::{OutputArgs, progress};
use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use std::{fs, path::PathBuf};

/// Compile secret contracts for the network, always optimised: NAME.wasm is what is deployed, NAME.abi.json its interface for
/// Ethereum libraries.
///
/// The same sources and compiler make the same bytes on every machine, and no path of the machine is in them.
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

#[derive(Debug, Serialize)]
struct Built {
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
        packages.compile()?;
        let folder = self.out.unwrap_or_else(|| packages.results());
        fs::create_dir_all(&folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        let mut contracts = Vec::new();
        for contract in &packages.contracts {
            let name = contract.name.clone();
            let code = Code::new(name.clone(), packages.compiled(contract)?, None);
            ensure!(
                code.abi.is_some(),
                "{name} tells no interface; is its `impl` block marked #[enigma_sdk::contract]?"
            );
            let (wasm, abi) = (folder.join(format!("{name}.wasm")), folder.join(format!("{name}.abi.json")));
            let write = |path: &PathBuf, bytes: &[u8]| {
                fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
            };
            write(&wasm, &code.pre_code)?;
            write(&abi, format!("{:#}\n", code.abi.clone().unwrap_or_default()).as_bytes())?;
            if let Err(refused) = &code.prepared {
                progress(&format!("warning: the network would refuse {name}: {refused}; see `enigma contract check`"));
            }
            let (bytes, functions) = (code.pre_code.len(), code.entries("function").count());
            contracts.push(Built { name, wasm, abi, bytes, functions });
        }
        self.output.result(&Report { contracts }, Report::words)
    }
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
