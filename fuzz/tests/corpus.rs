//! Every committed input of every target, among them those that once broke something.

// Code that is compiled for coverage needs libFuzzer, which wants a target.
#[cfg(feature = "libfuzzer")]
libfuzzer_sys::fuzz_target!(|_bytes: &[u8]| {});

use std::{fs, path::Path};

/// Most inputs that a target commits, and bytes of each.
const MAX_INPUTS: usize = 100;
const MAX_INPUT_BYTES: u64 = 64 << 10;

#[test]
fn committed_inputs_break_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in enigma_fuzz::TARGETS {
        let folder = corpus.join(name);
        let mut inputs: Vec<_> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("the folder can be read").path())
            .collect();
        inputs.sort();
        assert!((1..=MAX_INPUTS).contains(&inputs.len()), "{name} has {} inputs", inputs.len());
        for input in inputs {
            let bytes = fs::read(&input).expect("the file can be read");
            assert!(bytes.len() as u64 <= MAX_INPUT_BYTES, "{} is too large", input.display());
            println!("{name}: {}", input.display());
            target(&bytes);
        }
    }
}

/// Otherwise the frames that inputs are changed from would no longer reach what they are for.
#[test]
fn frames_are_valid() {
    // They come too late or too early to be accepted, or ask for what a small contract does not have.
    let out_of_order = ["AdvanceQueue", "GetSnapshot", "PTTResponse", "RemoveDeltas"];
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(250).collect::<String>();
    let refused: Vec<String> = enigma_fuzz::ipc::frames()
        .iter()
        .filter(|(_, replies)| replies.iter().all(|reply| reply.windows(6).any(|window| window == b"\"msg\":")))
        .map(|(request, [reply, _])| format!("{}\n{}\n", text(request), text(reply)))
        .filter(|refused| !out_of_order.iter().any(|name| refused.contains(name)))
        .collect();
    assert!(refused.is_empty(), "{}", refused.concat());
}

#[test]
fn every_target_has_a_program() {
    let manifest = include_str!("../Cargo.toml");
    for (name, _) in enigma_fuzz::TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} has no program");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), enigma_fuzz::TARGETS.len());
}
