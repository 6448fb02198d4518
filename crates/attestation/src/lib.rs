//! Evidence of what runs in a TEE: its format and its verification, offline.
//!
//! An enclave proves what it is with *evidence*: a platform vouches for a measurement and for 64 bytes of *report data*, the
//! hash of everything the enclave [claims](Claims) (network, role, signing key, a key for one purpose, a recent block). Whoever
//! relies on it says what it [expects](Expected) and what it [accepts](Policy), and gets a [`VerifiedEvidence`] or the one check
//! that failed, as a typed error.
//!
//! ```
//! use enigma_attestation::{simulation, verify, Claims, Expected, Freshness, Policy, Purpose, Role};
//! use enigma_protocol::{Address, Hash};
//!
//! let measurement = Hash([1; 32]);
//! let platform = simulation::Platform::from_secret([7; 32], measurement, simulation::Validity::DEVELOPMENT).unwrap();
//! let purpose = Purpose::Registration { operator: Address([2; 20]) };
//! let (config_hash, signer, block_hash) = (Hash([3; 32]), Address([4; 20]), Hash([5; 32]));
//! let evidence = platform.attest(&Claims::new(config_hash, Role::Worker, signer, &purpose, block_hash));
//!
//! let expected = Expected { config_hash, role: Role::Worker, signer, purpose, freshness: Freshness::OneOf(&[block_hash]) };
//! let now_s = 1_800_000_000;
//! assert!(verify(&evidence, &expected, &Policy::development([measurement]), now_s).is_ok());
//! assert!(verify(&evidence, &expected, &Policy::production([measurement]), now_s).is_err());
//! ```
//!
//! Invariants:
//! * Simulated evidence passes through the same [`verify`] as any other; only its root differs, and a
//!   [production policy](Policy::production) refuses that root.
//! * No byte of accepted evidence can be changed: each is fixed by the format or covered by a signature.
//!
//! Deliberately absent: IO and clocks (time is an argument), the policy on Ethereum (the caller reads it), and the formats of
//! SGX, TDX and SEV-SNP, whose numbers are reserved and which are refused as unsupported.
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

extern crate alloc;

mod claims;
mod evidence;
mod policy;
pub mod simulation;

pub use claims::{Claims, Purpose, Role};
pub use evidence::{EVIDENCE_BYTES, Evidence, VerifiedEvidence, verify};
pub use policy::{EvidenceError, Expected, Freshness, Platform, Policy};
