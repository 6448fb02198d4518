//! Where the programs of a devnet are: those of this build, and anvil from npm.

use anyhow::{Context, bail};
use enigma_protocol::{Hash, hash::keccak256};
use std::{
    env,
    path::{Path, PathBuf},
};

/// Folder of npm's packages, relative to the repository.
const NPM_PACKAGES: &str = "solidity/node_modules/@foundry-rs";
/// The repository this program was built from.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The executables that a devnet starts.
#[derive(Clone, Debug)]
pub struct Programs {
    /// This very program.
    pub enigma: PathBuf,
    /// The enclave's.
    pub core: PathBuf,
    /// Ethereum's.
    pub anvil: PathBuf,
}

impl Programs {
    /// Finds them all.
    ///
    /// # Errors
    /// Which one is missing, and how to get it.
    pub fn find() -> anyhow::Result<Self> {
        let enigma = env::current_exe().context("cannot find out where this program is")?;
        let core = enigma.with_file_name(format!("enigma-core{}", env::consts::EXE_SUFFIX));
        if !core.is_file() {
            bail!("{} is missing; build it with `make build` (cargo build --bins)", core.display());
        }
        Ok(Self { anvil: anvil(&enigma)?, enigma, core })
    }

    /// What a simulated core measures of itself: the hash of its executable.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn core_measurement(&self) -> anyhow::Result<Hash> {
        let bytes = std::fs::read(&self.core).with_context(|| format!("cannot read {}", self.core.display()))?;
        Ok(keccak256(bytes))
    }
}

/// npm's name of this platform.
fn npm_platform() -> String {
    let system = match env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let processor = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}-{processor}")
}

/// The platform's binary itself: npm's wrapper would leave it behind when killed.
fn anvil(enigma: &Path) -> anyhow::Result<PathBuf> {
    if let Some(path) = env::var_os("ENIGMA_ANVIL").map(PathBuf::from) {
        if !path.is_file() {
            bail!(
                "ENIGMA_ANVIL names {}, which is not there; correct it, or unset it and run `make setup`",
                path.display()
            );
        }
        return Ok(path);
    }
    let name = format!("anvil{}", env::consts::EXE_SUFFIX);
    let package = format!("{NPM_PACKAGES}/anvil-{}/bin/{name}", npm_platform());
    let in_repository = enigma.ancestors().chain([Path::new(REPOSITORY)]).map(|folder| folder.join(&package));
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join(&name));
    in_repository.chain(on_path).find(|candidate| candidate.is_file()).with_context(|| {
        format!(
            "anvil is missing: neither {package} in the repository nor `anvil` on PATH; install it with `make setup`, or \
             name it in ENIGMA_ANVIL"
        )
    })
}

/// Where the built example contracts are: `secret-contracts/` in the target directory that this program lies in.
///
/// # Errors
/// They were not built.
pub fn secret_contracts() -> anyhow::Result<PathBuf> {
    let enigma = env::current_exe().context("cannot find out where this program is")?;
    let found = enigma.ancestors().skip(1).map(|folder| folder.join("secret-contracts"));
    found.into_iter().find(|folder| folder.join("millionaires_problem.wasm").is_file()).context(
        "the example contracts are not built; run `make build` (cargo xtask wasm), or say where they are with --contracts",
    )
}
