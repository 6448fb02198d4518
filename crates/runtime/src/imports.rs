//! The functions that a contract may import, as `spec/runtime.md` lists them.

use wasmparser::ValType::{self, I32, I64};

/// The only module that imports may name.
pub(crate) const MODULE: &str = "enigma";

/// Parameters and results of the import `name`, if there is such an import.
pub(crate) fn signature(name: &str) -> Option<(&'static [ValType], &'static [ValType])> {
    Some(match name {
        "fn_len" | "args_len" => (&[], &[I32]),
        "fn_read" | "args_read" | "register_read" | "caller" | "contract" | "task_id" | "value" => (&[I32], &[]),
        "output" | "fail" | "state_remove" | "random" => (&[I32, I32], &[]),
        "state_get" => (&[I32, I32], &[I32]),
        "state_set" => (&[I32, I32, I32, I32], &[]),
        "block_number" | "block_timestamp" | "gas_left" => (&[], &[I64]),
        "keccak256" => (&[I32, I32, I32], &[]),
        _ => return None,
    })
}
