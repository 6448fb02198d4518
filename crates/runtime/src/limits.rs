//! Every bound of the runtime, with its reason. `spec/runtime.md` repeats the ones that a contract can meet.

/// preCode: an ordinary contract has 10 to 200 KB, and nodes store and forward it.
pub const MAX_PRE_CODE_BYTES: usize = 1 << 20;
/// exeCode: instrumentation adds two thirds to ordinary code. A core's reply holds it as decimal numbers beside the largest
/// delta, in one frame of 16 MiB.
pub const MAX_EXE_CODE_BYTES: usize = 5 << 19;

/// Pages of linear memory (64 MiB): many contracts run in one enclave at once. Also the maximum of a module that states none.
pub const MAX_MEMORY_PAGES: u32 = 1024;
/// Function types.
pub const MAX_TYPES: u32 = 1_000;
/// Parameters of a function: a call copies them.
pub const MAX_PARAMETERS: u32 = 32;
/// Results of a function, and values that a block takes or leaves: a branch copies them.
pub const MAX_RESULTS: u32 = 8;
/// Imported functions; more than the interface has, since a function may be imported twice.
pub const MAX_IMPORTS: u32 = 64;
/// Functions that the module defines.
pub const MAX_FUNCTIONS: u32 = 10_000;
/// Locals of a function without its parameters: every call sets them to zero.
pub const MAX_LOCALS: u32 = 2_048;
/// Parameters, locals and operands of a function together, well below what the engine can hold in one frame.
pub const MAX_FRAME: u32 = 16_384;
/// Targets of a `br_table`, well below what the engine's parser takes.
pub const MAX_BRANCH_TARGETS: u32 = 4_096;
/// Globals.
pub const MAX_GLOBALS: u32 = 256;
/// Entries of the one table, and elements of all element segments together: every call sets them up.
pub const MAX_TABLE_ENTRIES: u32 = 10_000;
/// Element and data segments, each: every call sets them up.
pub const MAX_SEGMENTS: u32 = 1_000;
/// Exports.
pub const MAX_EXPORTS: u32 = 1_000;

/// Height of the stack in units: a function call takes [`FRAME_UNITS`](crate::gas::FRAME_UNITS) and one unit for each
/// parameter, local and operand. One unit is eight bytes in the engine, whose own limits are several times higher.
pub const MAX_STACK_UNITS: u32 = 131_072;

/// The signature text of the called function.
pub const MAX_FUNCTION_BYTES: usize = 1_024;
/// The arguments of a call.
pub const MAX_ARGS_BYTES: usize = 256 << 10;
/// The result of a call.
pub const MAX_OUTPUT_BYTES: usize = 64 << 10;
/// The text of a failure that the contract reports.
pub const MAX_FAILURE_TEXT_BYTES: usize = 1_024;
/// The data of a typed failure: a selector with a few arguments.
pub const MAX_FAILURE_DATA_BYTES: usize = 4 << 10;
/// Events of a call, which its caller gets with the output.
pub const MAX_EVENTS: usize = 64;
/// Signatures and data of all events of a call together.
pub const MAX_EVENT_BYTES: usize = 64 << 10;
/// The data of a call of Ethereum: it goes into a transaction, where each byte costs.
pub const MAX_CALL_DATA_BYTES: usize = 16 << 10;
/// Texts for the author that are collected in one call.
pub const MAX_DEBUG_BYTES: usize = 16 << 10;
/// What a text for the author counts for at least, so that there are not too many empty ones.
pub const MIN_DEBUG_BYTES: usize = 16;
/// A key of the state.
pub const MAX_KEY_BYTES: usize = 1_024;
/// A value of the state, and so the register that `state_get` fills.
pub const MAX_VALUE_BYTES: usize = 256 << 10;
/// Distinct keys that one call sets or removes.
pub const MAX_STATE_WRITES: usize = 4_096;
/// Keys and values that one call sets or removes, all together: the size of a delta before encryption.
pub const MAX_DELTA_BYTES: usize = 1 << 20;
