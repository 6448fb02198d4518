//! Bounds on what comes from outside, each with its reason.

/// Largest deployable module, as the runtime has it. A contract of the SDK takes 10–60 KB.
pub const MAX_PRE_CODE_BYTES: usize = 1 << 20;
/// Largest encrypted argument list: the runtime takes 256 KiB, and padding adds at most an eighth.
pub const MAX_ENCRYPTED_ARGS_BYTES: usize = 300 << 10;
/// Largest encrypted function signature: a text, padded to one or two size classes.
pub const MAX_ENCRYPTED_FN_BYTES: usize = 4 << 10;
/// Largest frame on IPC, RPC and p2p: a deployment in hexadecimal, twice.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// Most records in one batch: as many as one transaction may record, because a batch closes what a transaction recorded as a
/// whole; its receipts are checked in one Ethereum block.
pub const MAX_BATCH_RECORDS: usize = 128;
/// Most addresses in one key request; each costs the key managers one evaluation per purpose.
pub const MAX_PTT_ADDRESSES: usize = 64;
/// Most workers that the tree of one epoch may hold (a path of 20 steps).
pub const MAX_WORKERS: usize = 1 << 20;
/// Deepest selection path; follows from [`MAX_WORKERS`].
pub const MAX_SELECTION_STEPS: usize = 20;
/// Most items that one IPC request may name.
pub const MAX_ITEMS: usize = 1_024;
