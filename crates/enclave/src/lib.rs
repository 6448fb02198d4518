//! The trusted state machines: what runs inside the TEE.
//!
//! [`Worker`] executes the tasks of secret contracts; [`KeyManager`] holds the share from which every key is derived. Each is a
//! function from one JSON frame to one JSON frame (`handle`), usable from several threads, and asks two services in the middle
//! of its work: the [`Tee`] and the [`Store`].
//!
//! Invariants:
//! * No frame ends the process, and every frame has one reply.
//! * Plaintexts, state and keys leave only encrypted for whom they are meant; no error text holds any of them.
//! * A record is executed once and in its order; the same record again gives the stored bytes.
//! * Code, delta, snapshot, outcome and head that one record makes are written together or not at all, in the order of the
//!   records. Memory may be ahead of the disk; nothing that leaves the enclave is.
//! * What enters from outside is a link of a chain that opens with the contract's key, and code is pinned by its hash; nothing older
//!   than what was executed here is executed again, and no code before an entry of its state has opened.
//! * A key is installed only from an answer that a configured key manager signed, for a request that this run made.
//!
//! Deliberately absent: IO, threads, and clocks but for one bounded wait (a record that arrived before its predecessor);
//! knowledge of Ethereum beyond what requests carry (proofs of records and headers are not part of this version, so a host can
//! present records that Ethereum does not have; what rests on its word alone is served in a simulation only); protection against
//! an old store being put back.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod authentic;
mod dprf;
mod error;
mod frame;
mod identity;
mod key_manager;
mod network;
mod ptt;
mod reply;
mod store;
mod tee;
mod worker;

pub use error::{InvalidAnswer, OpenError};
pub use frame::{Reply, busy, is_computation};
pub use identity::{Identity, identity};
pub use key_manager::KeyManager;
pub use store::{Generation, KeyValue, Store, StoreError, Ticket, Write};
pub use tee::{Tee, TeeError};
pub use worker::Worker;
