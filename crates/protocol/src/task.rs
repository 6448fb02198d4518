//! What a user asks for: the encrypted input of a task and the hash that stands for it on Ethereum.

use crate::{
    hash::{Preimage, keccak256},
    limits::{MAX_ENCRYPTED_ARGS_BYTES, MAX_ENCRYPTED_FN_BYTES, MAX_PRE_CODE_BYTES},
    primitives::{Address, Domain, Hash, ScAddress, TaskId},
};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

/// HPKE suite 1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
pub const SUITE_X25519: u16 = 1;

/// The id of the task that `sender` records with its counter at `sender_nonce`.
pub fn task_id(domain: &Domain, sender: Address, sender_nonce: u64) -> TaskId {
    TaskId(Preimage::new("enigma/task-id/1").domain(domain).address(sender).u64(sender_nonce).finish().0)
}

/// The ciphertext of one task, as it travels from the client to the enclave.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TaskInput {
    /// The task this input belongs to; bound into the ciphertext.
    pub task_id: TaskId,
    /// The called contract; equal to `task_id` for a deployment.
    pub sc: ScAddress,
    /// The epoch whose input key sealed it.
    pub epoch: u64,
    /// The HPKE suite, [`SUITE_X25519`].
    pub suite: u16,
    /// The Solidity signature of the function, padded and sealed at sequence 0.
    pub encrypted_fn: Vec<u8>,
    /// The Solidity ABI encoded arguments, padded and sealed at sequence 1.
    pub encrypted_args: Vec<u8>,
    /// The encapsulated key, 32 bytes for suite 1.
    pub user_dh_key: Vec<u8>,
    /// The module to deploy; `None` for a call.
    pub pre_code: Option<Vec<u8>>,
}

/// An input that no honest client builds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    /// Another suite than those this version knows.
    #[error("encryption suite {0} is not known")]
    Suite(u16),
    /// The encapsulated key has another length than the suite's.
    #[error("the user key has {0} bytes instead of 32")]
    UserKey(usize),
    /// A field exceeds its bound.
    #[error("{field} has {bytes} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Which field.
        field: &'static str,
        /// Its size.
        bytes: usize,
        /// Its bound in [`crate::limits`].
        limit: usize,
    },
    /// A deployment whose contract is not its own task id.
    #[error("a deployment creates the contract named by its task id")]
    DeploymentAddress,
    /// The input is not the one that was recorded.
    #[error("the input does not match its record: its hash is {actual}, the record says {recorded}")]
    Mismatch {
        /// The hash of this input.
        actual: Hash,
        /// The hash on Ethereum.
        recorded: Hash,
    },
}

impl TaskInput {
    /// `keccak256` of the module, or zero for a call.
    pub fn pre_code_hash(&self) -> Hash {
        self.pre_code.as_ref().map_or(Hash::ZERO, keccak256)
    }

    /// The hash that is recorded on Ethereum.
    pub fn inputs_hash(&self) -> Hash {
        let kind = if self.pre_code.is_some() { 1 } else { 2 };
        Preimage::new("enigma/inputs/1")
            .u64(kind)
            .task(self.task_id)
            .contract(self.sc)
            .u64(self.epoch)
            .u64(self.suite.into())
            .bytes(&self.encrypted_fn)
            .bytes(&self.encrypted_args)
            .bytes(&self.user_dh_key)
            .hash(self.pre_code_hash())
            .finish()
    }

    /// Checks what can be checked without a record: sizes, suite, and the address of a deployment.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn validate(&self) -> Result<(), InvalidInput> {
        if self.suite != SUITE_X25519 {
            return Err(InvalidInput::Suite(self.suite));
        }
        if self.user_dh_key.len() != 32 {
            return Err(InvalidInput::UserKey(self.user_dh_key.len()));
        }
        let pre_code_bytes = self.pre_code.as_ref().map_or(0, Vec::len);
        for (field, bytes, limit) in [
            ("the function", self.encrypted_fn.len(), MAX_ENCRYPTED_FN_BYTES),
            ("the arguments", self.encrypted_args.len(), MAX_ENCRYPTED_ARGS_BYTES),
            ("the contract's code", pre_code_bytes, MAX_PRE_CODE_BYTES),
        ] {
            if bytes > limit {
                return Err(InvalidInput::TooLarge { field, bytes, limit });
            }
        }
        if self.pre_code.is_some() && self.sc != ScAddress::from(self.task_id) {
            return Err(InvalidInput::DeploymentAddress);
        }
        Ok(())
    }

    /// Checks that this is the input that was recorded with `inputs_hash`.
    ///
    /// # Errors
    /// [`InvalidInput::Mismatch`] with both hashes.
    pub fn verify_recorded(&self, inputs_hash: Hash) -> Result<(), InvalidInput> {
        let actual = self.inputs_hash();
        if actual == inputs_hash {
            return Ok(());
        }
        Err(InvalidInput::Mismatch { actual, recorded: inputs_hash })
    }
}
