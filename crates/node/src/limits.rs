//! Bounds of the mind, each with its reason. What several programs must agree on is in [`enigma_protocol::limits`].

/// Peers that may be connected at once; a home machine's share of sockets.
pub const MAX_PEERS: usize = 256;
/// Peers that are asked at the same time when several claim to be the worker: one of them is, and tells by its signature.
pub const MAX_PEERS_PER_SIGNER: usize = 4;
/// Different inputs held for one task before its record shows which is the true one.
pub const MAX_HELD_PER_TASK: usize = 4;
/// Inputs held for one peer, or for all clients together, before their records are visible.
pub const MAX_HELD_PER_SOURCE: usize = 256;
/// Bytes of them: five deployments of the largest size.
pub const MAX_HELD_BYTES_PER_SOURCE: usize = 16 << 20;
/// Bytes of held inputs of all sources: what a small machine can spare.
pub const MAX_HELD_BYTES: usize = 128 << 20;
/// Peers that an outcome is sent to without being asked for.
pub const MAX_INTERESTED_PEERS: usize = 8;
/// Closed tasks whose outcome is kept for clients that come late.
pub const MAX_CLOSED_TASKS: usize = 10_000;
/// Bytes of sealed outputs among them.
pub const MAX_CLOSED_BYTES: usize = 64 << 20;
/// Versions of the worker set that a new epoch may be built on; one per block in which it changed.
pub const MAX_WORKER_VERSIONS: usize = 64;
/// Epochs kept after they ended, for clients that come late; epochs with open records are kept in any case.
pub const KEPT_EPOCHS: u64 = 8;
/// Requests of clients or peers for an input key that wait at once.
pub const MAX_PENDING_KEYS: usize = 1024;
/// Those of one peer: a user node serves many clients, but not all of them.
pub const MAX_PENDING_KEYS_PER_PEER: usize = 128;
/// Input keys remembered at a user node, one per contract.
pub const MAX_CACHED_KEYS: usize = 1024;
/// A user's public key in a key request; suites of the future may have longer ones.
pub const MAX_USER_KEY_BYTES: usize = 2048;
/// Evidence with its collateral: a DCAP quote with certificates takes about 20 KB.
pub const MAX_EVIDENCE_BYTES: usize = 256 << 10;
/// A request or answer of the key exchange: evidence and 64 addresses with keys.
pub const MAX_PTT_BYTES: usize = 1 << 20;
/// Texts of peers and cores that are shown to people.
pub const MAX_TEXT_BYTES: usize = 500;
/// Key requests of workers that wait at a key manager.
pub const MAX_PENDING_PTT: usize = 256;
/// Those of one peer: a worker has one at a time.
pub const MAX_PENDING_PTT_PER_PEER: usize = 4;
/// Blocks whose hashes a key manager is told.
pub const MAX_BLOCK_HASHES: usize = 256;
/// Deployed contracts told to a key manager in one message (64 KB of JSON).
pub const DEPLOYED_PAGE: usize = 1000;

/// Keys whose way into the core a worker remembers, before it forgets those that are in.
pub const MAX_NEEDS: usize = 4096;

/// How long a client waits for a worker's key before it is told that the worker is offline.
pub const KEY_TIMEOUT_MS: u64 = 15_000;
/// How long a core may take; longer than any gas limit a record can pay for.
pub const CORE_TIMEOUT_MS: u64 = 120_000;
/// How long a key manager may take before the next one is asked.
pub const PTT_TIMEOUT_MS: u64 = 5_000;
/// How often a user node repeats an input for which it has no outcome.
pub const RESEND_MS: u64 = 30_000;
/// How often a user node asks for one outcome, however often clients ask it.
pub const ASK_OUTCOME_MS: u64 = 1_000;
/// How long a submitted transaction may go without its event before it is made anew.
pub const SUBMIT_TIMEOUT_MS: u64 = 120_000;
/// First wait before something is tried again; it doubles each time.
pub const RETRY_FIRST_MS: u64 = 100;
/// Longest wait between attempts that may well succeed next time.
pub const RETRY_LONGEST_MS: u64 = 30_000;
/// Wait after a refusal that only an operator or a change on Ethereum can cure.
pub const REFUSED_RETRY_MS: u64 = 60_000;
