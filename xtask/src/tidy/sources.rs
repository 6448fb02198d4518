//! Rules on the text of the code.

use super::{File, TRUSTED};

/// The library that a crate may use in one module only, so that it can be replaced there.
struct Door {
    library: &'static str,
    rooms: &'static [(&'static str, &'static str)],
}

const DOORS: &[Door] = &[
    Door { library: "libp2p", rooms: &[("cli", "net")] },
    Door { library: "alloy", rooms: &[("cli", "ledger"), ("client", "ledger"), ("client", "abi")] },
    Door { library: "zeromq", rooms: &[("cli", "ipc"), ("core", "ipc")] },
    Door { library: "redb", rooms: &[("cli", "store"), ("core", "store")] },
];

/// Crates that compile without the standard library.
const NO_STD: &[&str] = &["protocol", "runtime"];

/// Crates that hostile input reaches, which must not panic on it.
const HOSTILE_INPUT: &[&str] = &["protocol", "attestation", "runtime", "enclave", "node"];
const HOSTILE_INPUT_LINTS: &[&str] =
    &["clippy::unwrap_used", "clippy::expect_used", "clippy::indexing_slicing", "clippy::arithmetic_side_effects"];

const CODE: &[&str] = &["rs", "sol", "ts", "tsx", "js", "mjs", "sh", "py"];

/// Text that no source file contains, and why. (Written in halves, so that this file keeps the rule.)
const UNFINISHED: &[(&str, &str)] = &[
    (concat!("#[ign", "ore"), "a test that does not run"),
    (concat!("tod", "o!("), "unfinished code"),
    (concat!("unimplem", "ented!("), "unfinished code"),
    (concat!("FIX", "ME"), "unfinished code"),
    (concat!("it.sk", "ip("), "a test that does not run"),
    (concat!("test.sk", "ip("), "a test that does not run"),
    (concat!("describe.sk", "ip("), "tests that do not run"),
    (concat!("it.on", "ly("), "keeps other tests from running"),
    (concat!("test.on", "ly("), "keeps other tests from running"),
    (concat!("vm.sk", "ip("), "a test that does not run"),
];

/// Directories that exist on one machine only.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Hosts of package registries, which a lock file must not pin.
const REGISTRIES: &[&str] =
    &[concat!("registry.npm", "js.org"), concat!("static.crates", ".io"), concat!("index.crates", ".io")];

const MAXIMUM_FILE_BYTES: u64 = 1_500_000;

pub fn check(files: &[File], problems: &mut Vec<String>) {
    for file in files {
        if file.is(&["rs"]) {
            doors(file, problems);
        }
        if file.is(CODE) {
            forbid(file, UNFINISHED, problems);
        }
        paths_and_hosts(file, problems);
        if file.is(&["wasm"]) {
            problems.push(format!("{}: compiled code is built, never committed", file.path));
        }
        if file.bytes > MAXIMUM_FILE_BYTES {
            problems.push(format!(
                "{}: {} bytes; files over {MAXIMUM_FILE_BYTES} are built, not committed",
                file.path, file.bytes
            ));
        }
    }
    attributes(files, problems);
}

fn doors(file: &File, problems: &mut Vec<String>) {
    let Some((krate, module)) = source_of_crate(&file.path) else { return };
    for door in DOORS {
        let in_room = |&(owner, room): &(&str, &str)| {
            owner == krate && module.split('/').any(|name| name == room || name.starts_with(&format!("{room}_")))
        };
        if door.rooms.iter().any(in_room) {
            continue;
        }
        for (number, line) in file.lines() {
            if uses(code_of(line), door.library) {
                let rooms: Vec<_> =
                    door.rooms.iter().map(|(owner, room)| format!("crates/{owner}/src/…/{room}")).collect();
                problems.push(format!(
                    "{}:{number}: {} is used only in {}",
                    file.path,
                    door.library,
                    rooms.join(" and ")
                ));
            }
        }
    }
}

/// `crates/cli/src/net/swarm.rs` is `("cli", "net/swarm")`.
fn source_of_crate(path: &str) -> Option<(&str, &str)> {
    let (krate, rest) = path.strip_prefix("crates/")?.split_once('/')?;
    Some((krate, rest.strip_prefix("src/")?.strip_suffix(".rs")?))
}

/// Whether a line of code names a library in a path or a `use`.
fn uses(code: &str, library: &str) -> bool {
    code.match_indices(library).any(|(start, _)| {
        let (before, after) = (&code[..start], &code[start + library.len()..]);
        let whole = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let keyword = before.trim_end().trim_end_matches("::").trim_end();
        whole && (after.starts_with("::") || keyword.ends_with("use") || keyword.ends_with("crate"))
    })
}

/// A line without its comment. A string that contains `//` is cut too, which hides nothing these rules look for.
fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn forbid(file: &File, rules: &[(&str, &str)], problems: &mut Vec<String>) {
    for (number, line) in file.lines() {
        for (text, reason) in rules {
            if line.contains(text) {
                problems.push(format!("{}:{number}: `{text}`: {reason}", file.path));
            }
        }
    }
}

fn paths_and_hosts(file: &File, problems: &mut Vec<String>) {
    for (number, line) in file.lines() {
        for path in MACHINE_PATHS {
            let starts_a_path = |(start, _): (usize, &str)| {
                !line[..start]
                    .ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '}' | ')' | '$'))
            };
            if line.match_indices(path).any(starts_a_path) {
                problems
                    .push(format!("{}:{number}: `{path}` exists on one machine only; use a relative path", file.path));
            }
        }
        for host in REGISTRIES {
            if line.contains(host) {
                problems.push(format!("{}:{number}: names the registry {host}; users choose their own", file.path));
            }
        }
    }
}

fn attributes(files: &[File], problems: &mut Vec<String>) {
    let mut demand = |path: String, wanted: &[&str], why: &str| {
        let Some(file) = files.iter().find(|file| file.path == path) else { return };
        let missing: Vec<&str> = wanted.iter().copied().filter(|text| !file.text().contains(text)).collect();
        if !missing.is_empty() {
            problems.push(format!("{path}: `{}` is missing: {why}", missing.join("`, `")));
        }
    };
    demand("Cargo.toml".into(), &["unsafe_code = \"forbid\""], "code without unsafe is the rule");
    for name in TRUSTED {
        demand(format!("crates/{name}/Cargo.toml"), &["[lints]\nworkspace = true"], "it brings forbid(unsafe_code)");
    }
    for name in NO_STD {
        demand(format!("crates/{name}/src/lib.rs"), &["no_std"], "the crate compiles without the standard library");
    }
    for name in HOSTILE_INPUT {
        demand(
            format!("crates/{name}/src/lib.rs"),
            HOSTILE_INPUT_LINTS,
            "the crate denies what panics on hostile input",
        );
    }
}

/// How much code has to be right for secrets to stay secret. Tests do not count.
pub fn print_trusted_size(files: &[File]) {
    println!("{:<24} {:>10}", "trusted base", "lines");
    let mut total = 0;
    for name in TRUSTED {
        let sources = files.iter().filter(|file| source_of_crate(&file.path).is_some_and(|(krate, _)| krate == *name));
        let lines: usize = sources.map(|file| code_lines(file.text())).sum();
        println!("{name:<24} {lines:>10}");
        total += lines;
    }
    println!("{:<24} {total:>10}", "together");
}

/// Lines that are neither blank nor comments, up to the tests at the end of the file.
fn code_lines(text: &str) -> usize {
    let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    before_tests.lines().filter(|line| !code_of(line).trim().is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        check(&[File { path: path.into(), bytes: text.len() as u64, text: Some(text.into()) }], &mut problems);
        problems
    }

    #[test]
    fn a_library_has_one_door() {
        for text in
            ["use libp2p::Swarm;", "fn f(swarm: libp2p::Swarm) {}", "pub use ::libp2p;", "    use libp2p as p2p;"]
        {
            assert_eq!(problems("crates/cli/src/rpc.rs", text).len(), 1, "{text}");
            assert_eq!(problems("crates/core/src/net.rs", text).len(), 1, "{text}");
            assert_eq!(problems("crates/cli/src/net.rs", text), [""; 0], "{text}");
            assert_eq!(problems("crates/cli/src/net/swarm.rs", text), [""; 0], "{text}");
            assert_eq!(problems("crates/cli/tests/devnet.rs", text), [""; 0], "{text}");
        }
        for text in ["// use libp2p::Swarm;", "use my_libp2p::Swarm;", "let libp2p = 1;", "\"libp2p\""] {
            assert_eq!(problems("crates/cli/src/rpc.rs", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn unfinished_code_and_traces_of_a_machine_are_found() {
        for (text, _) in UNFINISHED {
            assert_eq!(problems("crates/node/src/task.rs", text).len(), 1, "{text}");
            assert_eq!(problems("CONTRIBUTING.md", text), [""; 0], "{text}");
        }
        for directory in MACHINE_PATHS {
            assert_eq!(problems("README.md", &format!("in `{directory}x`")).len(), 1, "{directory}");
            assert_eq!(problems("README.md", &format!("in ./some{directory}x")), [""; 0], "{directory}");
        }
        assert_eq!(problems("contract.wasm", "").len(), 1);
        assert_eq!(problems("crates/runtime/src/lib.rs", "fn main() {}").len(), 2);
    }

    #[test]
    fn tests_and_comments_do_not_count() {
        assert_eq!(
            code_lines("//! Head.\n\nfn f() {\n    // why\n    g(); // why\n}\n#[cfg(test)]\nmod tests {\n}\n"),
            3
        );
    }
}
