//! The mind of the untrusted node: a deterministic function of its saved values, the time and its inputs.
//!
//! A [`Node`] is handed everything that happens as an [`Input`] and says what is to be done as [`Output`]s. It reads no clock,
//! opens no socket and draws no random number; the shell in the program does, and so does a test that plays a whole network
//! in one thread.
//!
//! ```
//! use enigma_node::{Config, Input, Node, Output, Role};
//! use enigma_protocol::{Address, Domain};
//!
//! let config = Config {
//!     domain: Domain { chain_id: 1, enigma: Address([1; 20]) },
//!     role: Role::User,
//!     version: "1.0.0".into(),
//!     peer_id: "me".into(),
//!     batch_age_ms: 1_000,
//!     epoch_length_blocks: 100,
//! };
//! let mut node = Node::new(config, []).expect("nothing is saved, so nothing is damaged");
//! node.handle(0, Input::Started);
//! while let Some(output) = node.poll() {
//!     match output {
//!         Output::Persist(writes) => assert!(!writes.is_empty()), // durable before the next output is performed
//!         other => println!("to be performed: {other:?}"),
//!     }
//! }
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `node` | takes inputs apart |
//! | `tasks`, `ledger_view` | what all roles know: tasks and Ethereum |
//! | `user` | carries keys, inputs and outcomes between clients and workers |
//! | `worker` | executes records in order, fetches keys, commits batches |
//! | `key_manager` | tells its core of Ethereum, carries requests for keys, starts epochs |
//! | [`message`] | what nodes say to each other |
//! | `saved`, `outbox` | what is on disk, and how outputs leave |
//! | [`limits`] | every bound with its reason |
//!
//! Invariants:
//!
//! * Peers, clients, core and Ethereum may lie, repeat themselves, and speak out of turn. An input is believed when its hash is
//!   the recorded one, an outcome when the selected worker signed it for its record, a key when that worker signed it.
//! * What a node promised is saved before it says so: all writes of one input are one [`Output::Persist`] in front of all
//!   other outputs of that input.
//! * A restart at any point loses nothing but unanswered questions; whatever was under way is begun again, because core and
//!   Ethereum recognise repetition.
//! * Memory and disk are bounded by open records, deployed contracts (key manager only) and the constants in [`limits`].
//!
//! Deliberately absent: every secret. This crate cannot name the enclave's; it sees ciphertext, sizes and times.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod interface;
mod key_manager;
mod ledger_view;
pub mod limits;
pub mod message;
mod node;
mod outbox;
mod rpc_api;
mod saved;
mod shared;
mod tasks;
mod user;
mod worker;

pub use interface::{
    CallId, ClientId, Config, Event, Input, LedgerBlock, LedgerCall, LedgerCallError, LedgerEvent, Output, PeerId,
    RequestId, RestoreError, Role, Severity, Timestamp,
};
pub use node::Node;
