//! The committed test vectors of spec/vectors and the programs that print them.

use crate::workspace::{Workspace, output};
use anyhow::{Context, Result, bail};
use std::fs;

/// An example of a crate that prints a whole file of vectors.
struct Generator {
    package: &'static str,
    example: &'static str,
    file: &'static str,
}

const GENERATORS: &[Generator] = &[
    Generator { package: "enigma-protocol", example: "protocol_vectors", file: "spec/vectors/ledger.json" },
    Generator { package: "enigma-attestation", example: "evidence_vectors", file: "spec/vectors/attestation.json" },
    Generator { package: "enigma-enclave", example: "ipc_vectors", file: "spec/vectors/ipc.json" },
];

impl Generator {
    fn print(&self, workspace: &Workspace) -> Result<String> {
        output(workspace.cargo().args(["run", "--quiet", "-p", self.package, "--example", self.example]))
    }
}

/// Writes every file of vectors.
pub fn write(workspace: &Workspace) -> Result<()> {
    for generator in GENERATORS {
        let path = workspace.root.join(generator.file);
        fs::write(&path, generator.print(workspace)?).with_context(|| format!("cannot write {}", path.display()))?;
        println!("vectors: wrote {}", generator.file);
    }
    Ok(())
}

/// Fails if a committed file is not what the code prints.
pub fn check(workspace: &Workspace) -> Result<()> {
    for generator in GENERATORS {
        let path = workspace.root.join(generator.file);
        let committed = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let printed = generator.print(workspace)?;
        if committed != printed {
            let line = committed.lines().zip(printed.lines()).take_while(|(old, new)| old == new).count();
            bail!(
                "{}:{}: not what the code prints\n  committed: {}\n  printed:   {}\n  \
                 next: a changed vector is a changed protocol; if that is meant, `cargo xtask vectors` and an ADR",
                generator.file,
                line.saturating_add(1),
                committed.lines().nth(line).unwrap_or("(end of file)").trim(),
                printed.lines().nth(line).unwrap_or("(end of file)").trim(),
            );
        }
        println!("vectors: {} is current", generator.file);
    }
    Ok(())
}
