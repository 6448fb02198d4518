//! What the fuzz targets and their tests share: a property for each decoder and machine that hostile bytes reach, generators
//! of modules that contracts could be, and wasmtime as the second engine.
//!
//! A *target* is a function from bytes to nothing that panics when a property does not hold ([`TARGETS`]). libFuzzer drives it
//! with coverage (`cargo xtask fuzz`), and `tests/` runs it over the committed corpora without. Whether a target finds
//! anything depends on nothing but its bytes, so that a crash file is its own reproduction.
//!
//! Deliberately absent: properties that need more than one process, time or a network; those are tests of their crates. The
//! framing of ZeroMQ messages lies in a program, not a library, and is tested there.

pub mod abi;
pub mod binary;
pub mod code;
pub mod engine;
pub mod ipc;
pub mod modules;
pub mod oracle;

/// A property of bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also the name of its program and of its folder in `corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("abi", abi::check),
    ("binary", binary::check),
    ("code", code::check),
    ("engine", engine::check),
    ("ipc", ipc::check),
    ("json", ipc::check_json),
];
