//! `enigma contract test`: natively, and compiled in the real runtime.

use super::{
    build,
    package::{PackageArgs, run},
};
use crate::output::progress;
use clap::Args;

/// Run the tests of a contract, natively and in the real runtime.
///
/// The contract is compiled for the network first, so that tests in the real runtime run the code that will be deployed, and measure
/// its gas for `enigma contract inspect`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLES
  enigma contract test                        all tests of the contract in this folder
  enigma contract test transfers              those whose name contains `transfers`
  enigma contract test -- --nocapture         show what the tests print")]
pub struct Test {
    /// Only tests whose name contains this.
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    #[command(flatten)]
    packages: PackageArgs,
    /// Arguments for the test programs.
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

impl Test {
    /// Does it.
    ///
    /// # Errors
    /// It does not compile, or a test fails.
    pub fn run(self) -> anyhow::Result<()> {
        let packages = self.packages.find()?;
        progress("compiling for the network");
        // Where the test kit looks for it.
        build::into(&packages, &packages.results())?;
        progress("running the tests");
        let mut cargo = packages.cargo();
        cargo.arg("test");
        for contract in &packages.contracts {
            cargo.args(["-p", &contract.package]);
        }
        cargo.args(self.filter).arg("--").args(self.arguments);
        run(&mut cargo, "not all tests pass, or they do not compile; the reasons are above")
    }
}
