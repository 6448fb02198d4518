//! `enigma contract` as an author uses it: from an empty folder to a contract that the network takes, without a network.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The program, without the settings of the machine.
fn enigma(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_enigma"));
    // Libraries are compiled once for all runs of this test.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract");
    command.args(["contract"]).args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", target);
    // Whatever the repository's set-up brought is enough.
    command.env("CARGO_NET_OFFLINE", "true").env_remove("RUSTFLAGS");
    command
}

#[track_caller]
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = enigma(folder, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[track_caller]
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let (status, out, errors) = run(folder, arguments);
    assert_eq!(status, 0, "{arguments:?}\n{out}\n{errors}");
    out
}

#[track_caller]
fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(folder, arguments)).unwrap()
}

/// Exit status and message of a command that fails.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str], expected_status: i32, words: &[&str]) {
    let (status, out, errors) = run(folder, arguments);
    assert_eq!(status, expected_status, "{arguments:?}\n{out}\n{errors}");
    for word in words {
        assert!(errors.contains(word) || out.contains(word), "{arguments:?} does not say {word:?}:\n{out}\n{errors}");
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn from_nothing_to_a_contract_that_the_network_takes() {
    let home = tempfile::tempdir().unwrap();
    let made = succeed(home.path(), &["new", "first_try"]);
    assert!(made.contains("cd first_try"), "{made}");
    let folder = home.path().join("first_try");
    for file in ["Cargo.toml", "Cargo.lock", "README.md", ".gitignore", "src/lib.rs"] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        for placeholder in ["contract_name", "ContractName", "SDK_FOLDER"] {
            assert!(!text.contains(placeholder), "{file} still says {placeholder}");
        }
    }

    let built = json(&folder, &["build", "--json"]);
    let file = built["contracts"][0]["wasm"].as_str().unwrap();
    let interface: Value =
        serde_json::from_slice(&fs::read(built["contracts"][0]["abi"].as_str().unwrap()).unwrap()).unwrap();
    assert!(interface.as_array().unwrap().iter().any(|entry| entry["name"] == "add"));
    let code = fs::read(file).unwrap();
    let machine = home.path().to_str().unwrap().as_bytes();
    assert!(!code.windows(machine.len()).any(|window| window == machine), "the code tells where it was built");

    let checked = json(&folder, &["check", "--json"]);
    assert_eq!(checked["contracts"][0]["accepted"], true);
    assert_eq!(checked["contracts"][0]["warnings"], serde_json::json!([]));

    succeed(&folder, &["test"]);

    let page = succeed(&folder, &["inspect", file]);
    for word in ["preCodeHash", "exeCodeHash", "add(uint64)", "of at most", "every call"] {
        assert!(page.contains(word), "no {word} in\n{page}");
    }
    let shown = &json(&folder, &["inspect", "first_try", "--json"])["contracts"][0];
    assert_eq!(shown["gas"]["deployment"].as_u64().unwrap(), code.len() as u64);
    assert_eq!(shown["preCodeHash"].as_str().unwrap(), enigma_protocol::hash::keccak256(&code).to_string());

    // The tests in the runtime ran this very code.
    let add = shown["functions"].as_array().unwrap().iter().find(|function| function["signature"] == "add(uint64)");
    assert!(add.unwrap()["gas"]["max"].as_u64().unwrap() > 1_000, "{shown}");

    // A broken test and a broken source are failures.
    let source = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
    fs::write(folder.join("src/lib.rs"), source.clone() + "#[test]\nfn fails() {\n    panic!(\"rain\")\n}\n").unwrap();
    refused(&folder, &["test", "fails"], 1, &["rain", "not all tests pass"]);
    fs::write(folder.join("src/lib.rs"), source + "this is no Rust").unwrap();
    refused(&folder, &["build"], 1, &["`first_try` does not compile"]);
}

#[test]
fn a_new_contract_is_made_whole_or_not_at_all() {
    let home = tempfile::tempdir().unwrap();
    refused(home.path(), &["new", "My-Token"], 2, &["`my_token` would do"]);
    refused(home.path(), &["new", "../escape"], 2, &["cannot be the name"]);
    refused(home.path(), &["new", "impl"], 2, &["means something else to Rust"]);
    refused(home.path(), &["new", "borsh"], 2, &["a library that contracts are built from"]);
    refused(home.path(), &["new", "token", "--path", "absent"], 1, &["there is no folder absent"]);
    refused(home.path(), &["new", "token", "--sdk", "."], 1, &["neither a clone of Enigma's repository"]);
    assert_eq!(entries(home.path()), [] as [PathBuf; 0]);

    fs::create_dir(home.path().join("token")).unwrap();
    refused(home.path(), &["new", "token"], 1, &["exists already"]);
    assert_eq!(entries(home.path()), [home.path().join("token")]);
    assert_eq!(entries(&home.path().join("token")), [] as [PathBuf; 0]);
}

#[test]
fn what_is_no_contract_is_refused_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    refused(home.path(), &["build"], 1, &["is no package of Rust", "enigma contract new"]);
    refused(home.path(), &["check", "absent.wasm"], 1, &["there is no file absent.wasm"]);
    refused(home.path(), &["inspect", "absent"], 1, &["no contract `absent` has been built here"]);

    fs::create_dir(home.path().join("src")).unwrap();
    fs::write(home.path().join("Cargo.toml"), "[package]\nname = \"plain\"\nedition = \"2024\"\n").unwrap();
    fs::write(home.path().join("src/lib.rs"), "").unwrap();
    refused(home.path(), &["build"], 1, &["has no secret contract"]);

    fs::write(home.path().join("text.wasm"), "hello").unwrap();
    refused(home.path(), &["check", "text.wasm"], 1, &["this is not a WebAssembly module", "would refuse text"]);
    fs::write(home.path().join("empty.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let all =
        ["the module has no memory", "does not export `deploy`", "does not export `call`", "#[enigma_sdk::contract]"];
    refused(home.path(), &["check", "empty.wasm"], 1, &all);
    let shown = &json(home.path(), &["inspect", "empty.wasm", "--json"])["contracts"][0];
    assert_eq!(shown["refused"], "the module has no memory");
}
