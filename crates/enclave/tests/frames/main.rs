//! The enclave from outside: everything through JSON frames, as its host speaks to it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod bare;
mod durability;
mod effects;
mod faults;
mod frames;
mod harness;
mod key_exchange;
mod lessons;
mod path;
mod query;
mod refusals;
mod snapshots;
mod take_over;
