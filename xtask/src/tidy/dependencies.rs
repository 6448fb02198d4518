//! Arrows between crates, and what the trusted base depends on.

use super::{File, TRUSTED};
use crate::workspace::{Workspace, list, metadata, output, text};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{collections::BTreeSet, fs};

/// Each crate of the workspace and the crates it may depend on outside tests. Everything else is forbidden.
const ARROWS: &[(&str, &[&str])] = &[
    ("enigma-protocol", &[]),
    ("enigma-attestation", &["enigma-protocol"]),
    ("enigma-runtime", &["enigma-protocol"]),
    ("enigma-enclave", &["enigma-runtime", "enigma-attestation", "enigma-protocol"]),
    ("enigma-node", &["enigma-protocol"]),
    ("enigma-client", &["enigma-attestation", "enigma-protocol"]),
    ("enigma-core", &["enigma-enclave", "enigma-attestation", "enigma-protocol"]),
    ("enigma-cli", &["enigma-node", "enigma-client", "enigma-runtime", "enigma-protocol"]),
    ("enigma-sdk", &["enigma-sdk-macros"]),
    ("enigma-sdk-macros", &[]),
    ("xtask", &[]),
    ("bench-core", &["enigma-protocol"]),
    ("bench-many-holders", &["enigma-sdk"]),
    ("bench-cosmwasm", &[]),
    ("bench-cosmwasm-token", &[]),
    ("enigma-fuzz", &["enigma-enclave", "enigma-runtime", "enigma-attestation", "enigma-protocol", "enigma-sdk"]),
];

/// Arrows that only a feature draws, and never for wasm32: tests of contracts in the real runtime.
const OPTIONAL_ARROWS: &[(&str, &str)] = &[("enigma-sdk", "enigma-runtime")];

/// What a secret contract may depend on; it sees nothing else of the repository.
const CONTRACT_ARROWS: &[&str] = &["enigma-sdk"];

/// The machine that the trusted base is built for.
const TRUSTED_TARGET: &str = "x86_64-unknown-linux-gnu";

/// The accepted dependencies of the trusted base.
const TRUSTED_LIST: &str = "xtask/trusted-dependencies.txt";

const TRUSTED_LIST_HEAD: &str = "\
# Every crate that the trusted base (protocol, attestation, runtime, enclave) is made of on x86_64 Linux.
# `cargo xtask tidy` compares it with what cargo resolves; `cargo xtask tidy --bless` rewrites it. A new line needs an ADR.
";

/// Crates that compile or bind to C.
const C_BUILDERS: &[&str] = &["cc", "cmake", "bindgen", "pkg-config", "vcpkg"];

/// Crates that use cargo's `links` key for something other than a C library.
const LINKS_WITHOUT_C: &[&str] = &[];

pub fn check(workspace: &Workspace, files: &[File], problems: &mut Vec<String>) -> Result<()> {
    arrows(&metadata(workspace.cargo(), &["--no-deps"])?, problems);
    if workspace.contracts().join("Cargo.toml").is_file() {
        arrows(&metadata(workspace.contracts_cargo(), &["--no-deps"])?, problems);
    }
    if workspace.fuzz().join("Cargo.toml").is_file() {
        arrows(&metadata(workspace.fuzz_cargo(), &["--no-deps"])?, problems);
    }
    arrows(&metadata(workspace.benches_cargo(), &["--no-deps"])?, problems);

    let resolved = TrustedBase::resolve(workspace)?;
    resolved.compare(files, problems);
    resolved.refuse_c(workspace, problems)
}

pub fn bless(workspace: &Workspace) -> Result<()> {
    let base = TrustedBase::resolve(workspace)?;
    fs::write(workspace.root.join(TRUSTED_LIST), base.listing())
        .with_context(|| format!("cannot write {TRUSTED_LIST}"))?;
    println!("tidy: wrote {TRUSTED_LIST}: {} linked, {} at build time", base.linked.len(), base.build_time.len());
    Ok(())
}

fn arrows(metadata: &Value, problems: &mut Vec<String>) {
    for package in list(metadata, "packages") {
        let from = text(package, "name");
        let manifest = text(package, "manifest_path");
        let allowed = match ARROWS.iter().find(|(name, _)| *name == from) {
            Some((_, allowed)) => allowed,
            None if manifest.contains("/secret-contracts/") => CONTRACT_ARROWS,
            None => {
                problems.push(format!(
                    "{from}: a crate that xtask/src/tidy/dependencies.rs does not know; \
                     a new crate buys a guarantee that a machine checks, and comes with an ADR"
                ));
                continue;
            }
        };
        for dependency in list(package, "dependencies") {
            let to = text(dependency, "name");
            let in_repository = dependency["path"].is_string();
            let is_optional = OPTIONAL_ARROWS.contains(&(from, to))
                && dependency["optional"] == true
                && dependency["target"] == "cfg(not(target_arch = \"wasm32\"))";
            if in_repository && dependency["kind"] != "dev" && !allowed.contains(&to) && !is_optional {
                problems.push(format!(
                    "{from} depends on {to}: not an arrow of ARCHITECTURE.md (allowed: {})",
                    if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") }
                ));
            }
        }
    }
}

/// Names of the crates that the trusted base is built from, itself excluded.
struct TrustedBase {
    linked: BTreeSet<String>,
    build_time: BTreeSet<String>,
}

impl TrustedBase {
    fn resolve(workspace: &Workspace) -> Result<Self> {
        let tree = |edges: &str| -> Result<BTreeSet<String>> {
            let mut cargo = workspace.cargo();
            cargo.args([
                "tree",
                "--quiet",
                "--prefix",
                "none",
                "--format",
                "{p}",
                "--target",
                TRUSTED_TARGET,
                "-e",
                edges,
            ]);
            for name in TRUSTED {
                cargo.args(["-p", &format!("enigma-{name}")]);
            }
            let lines = output(&mut cargo)?;
            let names = lines.lines().filter_map(|line| line.split(' ').next());
            Ok(names.filter(|name| !name.is_empty() && !name.starts_with("enigma-")).map(str::to_owned).collect())
        };
        let linked = tree("normal,no-proc-macro")?;
        let build_time = tree("normal,build")?.difference(&linked).cloned().collect();
        Ok(Self { linked, build_time })
    }

    fn listing(&self) -> String {
        let section = |set: &BTreeSet<String>| set.iter().map(|name| format!("{name}\n")).collect::<String>();
        format!("{TRUSTED_LIST_HEAD}\n[linked]\n{}\n[build time]\n{}", section(&self.linked), section(&self.build_time))
    }

    fn compare(&self, files: &[File], problems: &mut Vec<String>) {
        let committed = files.iter().find(|file| file.path == TRUSTED_LIST).map_or("", File::text);
        let (mut linked, mut build_time) = (BTreeSet::new(), BTreeSet::new());
        let mut section = &mut linked;
        for line in committed.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line {
                "[linked]" => section = &mut linked,
                "[build time]" => section = &mut build_time,
                name => _ = section.insert(name.to_owned()),
            }
        }
        for (kind, accepted, resolved) in
            [("linked", &linked, &self.linked), ("build time", &build_time, &self.build_time)]
        {
            for name in resolved.difference(accepted) {
                problems.push(format!(
                    "{TRUSTED_LIST}: + {name} ({kind}): a new dependency of the trusted base; \
                     it needs an ADR, then `cargo xtask tidy --bless`"
                ));
            }
            for name in accepted.difference(resolved) {
                problems
                    .push(format!("{TRUSTED_LIST}: - {name} ({kind}): gone; `cargo xtask tidy --bless` removes it"));
            }
        }
    }

    fn refuse_c(&self, workspace: &Workspace, problems: &mut Vec<String>) -> Result<()> {
        let metadata = metadata(workspace.cargo(), &["--filter-platform", TRUSTED_TARGET])?;
        let links: BTreeSet<&str> = list(&metadata, "packages")
            .iter()
            .filter(|package| package["links"].is_string())
            .map(|package| text(package, "name"))
            .filter(|name| !LINKS_WITHOUT_C.contains(name))
            .collect();
        for name in self.linked.union(&self.build_time) {
            if C_BUILDERS.contains(&name.as_str()) || links.contains(name.as_str()) {
                problems.push(format!(
                    "{name} is in the trusted base and builds or links C; the trusted base is Rust only"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_known_arrows_are_allowed() {
        let check = |from: &str, to: &str, kind: Value| {
            let mut problems = Vec::new();
            let dependencies = json!([
                { "name": to, "path": "somewhere", "kind": kind },
                { "name": "serde", "kind": null },
            ]);
            let package = json!({ "name": from, "manifest_path": "Cargo.toml", "dependencies": dependencies });
            arrows(&json!({ "packages": [package] }), &mut problems);
            problems.len()
        };
        assert_eq!(check("enigma-cli", "enigma-node", Value::Null), 0);
        assert_eq!(check("enigma-node", "enigma-enclave", Value::Null), 1);
        assert_eq!(check("enigma-node", "enigma-enclave", json!("build")), 1);
        assert_eq!(check("enigma-node", "enigma-enclave", json!("dev")), 0);
        assert_eq!(check("enigma-new", "enigma-protocol", Value::Null), 1);
    }

    #[test]
    fn the_sdk_sees_the_runtime_in_tests_only() {
        let check = |optional: bool, target: Value| {
            let mut problems = Vec::new();
            let dependency = json!({ "name": "enigma-runtime", "path": "somewhere", "kind": null, "optional": optional, "target": target });
            let package = json!({ "name": "enigma-sdk", "manifest_path": "Cargo.toml", "dependencies": [dependency] });
            arrows(&json!({ "packages": [package] }), &mut problems);
            problems.len()
        };
        assert_eq!(check(true, json!("cfg(not(target_arch = \"wasm32\"))")), 0);
        assert_eq!(check(false, json!("cfg(not(target_arch = \"wasm32\"))")), 1);
        assert_eq!(check(true, Value::Null), 1);
    }

    #[test]
    fn the_trusted_base_neither_grows_nor_shrinks_silently() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let accepted = TrustedBase { linked: set(&["a", "b"]), build_time: set(&["c"]) };
        let file = File { path: TRUSTED_LIST.into(), bytes: 0, text: Some(accepted.listing()) };
        let check = |linked: &[&str], build_time: &[&str]| {
            let mut problems = Vec::new();
            let resolved = TrustedBase { linked: set(linked), build_time: set(build_time) };
            resolved.compare(std::slice::from_ref(&file), &mut problems);
            problems.len()
        };
        assert_eq!(check(&["a", "b"], &["c"]), 0);
        assert_eq!(check(&["a", "b", "d"], &["c"]), 1);
        assert_eq!(check(&["a"], &["c"]), 1);
        assert_eq!(check(&["a", "b", "c"], &[]), 2);
    }
}
