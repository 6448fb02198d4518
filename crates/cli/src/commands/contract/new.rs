//! `enigma contract new`: a package that builds and passes its tests, to be changed into what its author wants.

use crate::output::{OutputArgs, UsageError, progress};
use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

/// The repository this program was built from.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The SDK in a repository.
const SDK_FOLDER: &str = "crates/sdk";
/// Longest name: it becomes part of file names.
const MAX_NAME_CHARACTERS: usize = 64;

/// Files of a new package. In them `contract_name` and `ContractName` are the name, `SDK_FOLDER` is the SDK.
const FILES: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("../../../templates/contract/package.toml")),
    ("README.md", include_str!("../../../templates/contract/readme.md")),
    (".gitignore", include_str!("../../../templates/contract/gitignore")),
    ("src/lib.rs", include_str!("../../../templates/contract/lib.rs")),
];

/// Names that Rust or the SDK need for something else.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Begin a secret contract: a package that builds, with tests.
///
/// It has state, functions, a query, an event, a typed error and tests that pass, to be changed into what you want.
#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  enigma contract new my_token
  cd my_token
  enigma contract test")]
pub struct New {
    /// Name of the contract: lower-case letters, digits and underscores.
    name: String,
    /// Folder in which the folder of the contract is made.
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// The SDK: a clone of Enigma's repository, or `crates/sdk` in one. Without it, the one that this program was built with.
    #[arg(long, env = "ENIGMA_SDK", value_name = "DIR")]
    sdk: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct Report {
    name: String,
    folder: PathBuf,
    sdk: PathBuf,
}

impl New {
    /// Does it.
    ///
    /// # Errors
    /// The name cannot be used, the folder exists, the SDK is not found, or the disk refuses. Then nothing is left behind.
    pub fn run(self) -> anyhow::Result<()> {
        check_name(&self.name)?;
        let sdk = Sdk::find(self.sdk.as_deref())?;
        if sdk.locked_packages().any(|package| package == self.name) {
            let name = &self.name;
            return Err(usage(format!("`{name}` is a library that contracts are built from; choose another name")));
        }
        let parent = fs::canonicalize(&self.path).with_context(|| {
            format!("there is no folder {} to make the contract in; --path names another", self.path.display())
        })?;
        let folder = parent.join(&self.name);
        if fs::symlink_metadata(&folder).is_ok() {
            bail!("{} exists already; choose another name or --path", folder.display());
        }
        // Complete before it has its name.
        let draft = parent.join(format!(".{}.{}", self.name, process::id()));
        let written = write(&draft, &self.name, &sdk)
            .and_then(|()| fs::rename(&draft, &folder).map_err(Into::into))
            .with_context(|| format!("cannot make {}", folder.display()));
        if written.is_err() {
            let _ = fs::remove_dir_all(&draft);
        }
        written?;
        progress(&format!("made the contract {} with the SDK in {}", self.name, sdk.folder.display()));
        let report = Report { name: self.name, folder, sdk: sdk.folder };
        self.output.result(&report, |report| report.words(&self.path))
    }
}

impl Report {
    fn words(&self, parent: &Path) -> String {
        let folder = parent.join(&self.name);
        let folder = folder.strip_prefix(".").unwrap_or(&folder).display().to_string();
        format!(
            "{folder}/src/lib.rs is the contract with its tests. Next:\n\n  cd {folder}\n  \
             enigma contract test       run its tests, natively and in the real runtime\n  \
             enigma contract check      ask whether the network would take it\n  \
             enigma contract inspect    show functions, gas, sizes and hashes\n  \
             enigma contract build      make what is deployed: target/enigma/{}.wasm",
            self.name
        )
    }
}

fn usage(text: String) -> anyhow::Error {
    UsageError(text).into()
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let is_plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(is_plain) || name.ends_with('_')
    {
        let better = snake_case(name);
        let hint = if better.is_empty() { String::new() } else { format!("; `{better}` would do") };
        return Err(usage(format!(
            "`{}` cannot be the name of a contract: a name begins with a lower-case letter and goes on with lower-case letters, \
             digits and underscores{hint}",
            name.escape_debug()
        )));
    }
    if name.len() > MAX_NAME_CHARACTERS {
        return Err(usage(format!("the name has {} characters, {MAX_NAME_CHARACTERS} are possible", name.len())));
    }
    if TAKEN.contains(&name) {
        return Err(usage(format!("`{name}` means something else to Rust; choose another name")));
    }
    Ok(())
}

/// `My-Token` and `MyToken` as `my_token`; empty if there is nothing to make a name of.
fn snake_case(name: &str) -> String {
    let mut text = String::new();
    let mut before = '_';
    for character in name.chars() {
        let begins_word = character.is_ascii_uppercase() && !before.is_ascii_uppercase();
        let is_kept = if text.is_empty() { character.is_ascii_alphabetic() } else { character.is_ascii_alphanumeric() };
        if is_kept {
            if !text.is_empty() && (begins_word || !before.is_ascii_alphanumeric()) {
                text.push('_');
            }
            text.push(character.to_ascii_lowercase());
        }
        before = character;
    }
    text
}

/// `my_token` as `MyToken`.
fn camel_case(name: &str) -> String {
    let capital =
        |word: &str| word.chars().take(1).map(|first| first.to_ascii_uppercase()).chain(word.chars().skip(1)).collect();
    name.split('_').map(|word| -> String { capital(word) }).collect()
}

fn write(folder: &Path, name: &str, sdk: &Sdk) -> anyhow::Result<()> {
    fs::create_dir_all(folder.join("src"))?;
    // A path in a TOML string.
    let sdk_folder = sdk.folder.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    for (file, template) in FILES {
        let text = template
            .replace("contract_name", name)
            .replace("ContractName", &camel_case(name))
            .replace("SDK_FOLDER", &sdk_folder);
        fs::write(folder.join(file), text)?;
    }
    if let Some(lock) = &sdk.lock {
        fs::write(folder.join("Cargo.lock"), lock)?;
    }
    Ok(())
}

/// What contracts are written with.
struct Sdk {
    folder: PathBuf,
    /// Versions of libraries that its own contracts are built with: a new contract begins with the same, which a machine that has
    /// built the repository holds already.
    lock: Option<String>,
}

impl Sdk {
    fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        let folder = match named {
            Some(folder) => {
                [folder.join(SDK_FOLDER), folder.to_path_buf()].into_iter().find(|folder| is_sdk(folder)).with_context(
                    || format!("{} is neither a clone of Enigma's repository nor its {SDK_FOLDER}", folder.display()),
                )?
            }
            None => {
                let program = env::current_exe().unwrap_or_default();
                let around = program.ancestors().map(|folder| folder.join(SDK_FOLDER));
                let built_from = Path::new(REPOSITORY).join(SDK_FOLDER);
                around.chain([built_from]).find(|folder| is_sdk(folder)).context(
                    "the SDK was not found beside this program; --sdk DIR or ENIGMA_SDK names a clone of Enigma's repository",
                )?
            }
        };
        let folder = fs::canonicalize(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let lock = fs::read_to_string(folder.join("../../secret-contracts/Cargo.lock")).ok();
        Ok(Self { folder, lock })
    }

    /// Names of libraries from registries.
    fn locked_packages(&self) -> impl Iterator<Item = &str> {
        let packages = self.lock.as_deref().unwrap_or_default().split("[[package]]");
        let foreign = packages.filter(|package| package.contains("\nsource = "));
        foreign.filter_map(|package| package.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')))
    }
}

fn is_sdk(folder: &Path) -> bool {
    fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|manifest| manifest.contains("name = \"enigma-sdk\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "token", "my_token", "erc20", "a_1"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in
            ["", "_", "MyToken", "my-token", "9lives", "a_", "über", "a/b", "..", "fn", "test", "a b", &"a".repeat(65)]
        {
            assert!(check_name(name).is_err(), "{name}");
        }
        for (name, better) in
            [("MyToken", "my_token"), ("my-token", "my_token"), ("9 lives", "lives"), ("ERC20", "erc20"), ("..", "")]
        {
            assert_eq!(snake_case(name), better);
        }
        assert_eq!(camel_case("my_token_2"), "MyToken2");
    }
}
