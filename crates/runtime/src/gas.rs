//! The gas schedule. One gas is about the time of one simple instruction (2 to 10 ns in the engine); nothing is ever refunded.
//!
//! A change here is a change of [`RUNTIME_VERSION`](crate::RUNTIME_VERSION): gas is part of receipts.

use wasmparser::Operator;

/// Every call, before its first instruction.
pub const CALL_BASE: u64 = 1_000;
/// Pages of initial memory that [`CALL_BASE`] covers (what a small Rust program starts with).
pub const INCLUDED_PAGES: u32 = 32;
/// Each page of memory, when it is grown or initial beyond [`INCLUDED_PAGES`]: the machine has to find and clear 64 KiB.
pub const PAGE: u64 = 4_096;
/// Each function, table entry and element of an element segment, which every call sets up.
pub const SETUP_ITEM: u64 = 2;
/// Bytes that one gas copies: bulk memory instructions, data segments, and copies between contract and runtime.
pub const BYTES_PER_GAS: u64 = 32;

/// Entering a function, besides its locals.
pub const FUNCTION_ENTRY: u64 = 2;
/// Locals that one gas sets to zero at function entry.
pub const LOCALS_PER_GAS: u64 = 4;
/// Stack units of a call besides parameters, locals and operands.
pub const FRAME_UNITS: u32 = 8;

/// A call of any import, besides what follows.
pub const HOST_CALL: u64 = 50;
/// `state_get`.
pub const STATE_GET: u64 = 200;
/// `state_set` and `state_remove`, besides the bytes.
pub const STATE_WRITE: u64 = 500;
/// Each byte of key and value that `state_set` and `state_remove` write.
pub const STATE_WRITE_BYTE: u64 = 4;
/// `event`, besides the bytes.
pub const EVENT: u64 = 300;
/// Each byte of an event's signature and data: it is sealed, stored and sent.
pub const EVENT_BYTE: u64 = 4;
/// `ethereum_call` and `pay_out`, besides the bytes.
pub const EFFECT: u64 = 500;
/// Each byte of data of an Ethereum call.
pub const EFFECT_BYTE: u64 = 4;
/// `keccak256` and `sha256`, besides the bytes.
pub const HASH: u64 = 150;
/// Each byte that they hash.
pub const HASH_BYTE: u64 = 2;
/// `recover`.
pub const RECOVER: u64 = 50_000;
/// `encrypt` and `decrypt`, besides the bytes.
pub const CIPHER: u64 = 1_000;
/// Each byte of message and additional data that they read.
pub const CIPHER_BYTE: u64 = 2;
/// Each byte of `random`.
pub const RANDOM_BYTE: u64 = 8;

/// Gas for moving `bytes`.
pub(crate) fn copy(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(BYTES_PER_GAS)
}

/// Gas of `count` units at `price`.
pub(crate) fn per(count: usize, price: u64) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(price)
}

/// What a call costs before its first instruction, for a module with this initial memory, these functions, table entries and
/// elements together, and these bytes of data segments.
pub(crate) fn start(initial_pages: u32, items: u64, data_bytes: usize) -> u64 {
    let extra_pages = u64::from(initial_pages.saturating_sub(INCLUDED_PAGES));
    CALL_BASE
        .saturating_add(extra_pages.saturating_mul(PAGE))
        .saturating_add(items.saturating_mul(SETUP_ITEM))
        .saturating_add(copy(data_bytes))
}

/// What entering a function costs.
pub(crate) fn function_entry(declared_locals: u32) -> u64 {
    FUNCTION_ENTRY.saturating_add(u64::from(declared_locals).div_ceil(LOCALS_PER_GAS))
}

/// What one instruction costs; what depends on a length at run time is charged in addition.
pub(crate) fn instruction(operator: &Operator<'_>) -> u64 {
    use Operator as O;
    match operator {
        O::Nop | O::Block { .. } | O::Loop { .. } | O::Else | O::End | O::Drop => 0,
        O::I32Load { .. }
        | O::I64Load { .. }
        | O::I32Load8S { .. }
        | O::I32Load8U { .. }
        | O::I32Load16S { .. }
        | O::I32Load16U { .. }
        | O::I64Load8S { .. }
        | O::I64Load8U { .. }
        | O::I64Load16S { .. }
        | O::I64Load16U { .. }
        | O::I64Load32S { .. }
        | O::I64Load32U { .. }
        | O::I32Store { .. }
        | O::I64Store { .. }
        | O::I32Store8 { .. }
        | O::I32Store16 { .. }
        | O::I64Store8 { .. }
        | O::I64Store16 { .. }
        | O::I64Store32 { .. }
        | O::BrTable { .. }
        | O::MemorySize { .. } => 2,
        O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU | O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => 4,
        O::Call { .. } => 6,
        O::CallIndirect { .. } => 10,
        O::MemoryGrow { .. } | O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryInit { .. } => 16,
        _ => 1,
    }
}
