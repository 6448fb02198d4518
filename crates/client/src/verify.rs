//! The checks that stand between a user's data and anybody's machine. Pure functions; nothing here asks anyone.

use enigma_attestation::{Expected, Freshness, Policy, Purpose, Role, VerifiedEvidence};
use enigma_protocol::{
    Address, Domain, Hash, ScAddress,
    hash::keccak256,
    ipc::input_key_message,
    json::UnknownStatus,
    receipt::Receipt,
    rpc::{ComputedTask, WorkerKey},
    selection::{EpochParameters, InvalidSelection},
    signature::{InvalidSignature, Purpose as SigningPurpose},
    task::SUITE_X25519,
};

use crate::Task;

pub use enigma_attestation::simulation::DEVELOPMENT_ROOT;

/// A worker that may be sealed to: selected, attested, and the owner of this input key.
#[derive(Clone, Debug)]
pub struct VerifiedWorker {
    /// Its signing address.
    pub signer: Address,
    /// The contract.
    pub sc: ScAddress,
    /// The epoch.
    pub epoch: u64,
    /// The public input key.
    pub input_key: [u8; 32],
    /// What its evidence shows.
    pub evidence: VerifiedEvidence,
}

/// Why a worker was refused. Nothing was sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkerRefused {
    /// The answer is for another contract or epoch.
    #[error("the node answered for another contract or epoch than was asked")]
    OtherTask,
    /// An encryption suite that this client does not have.
    #[error("the worker wants encryption suite {0}, which this client does not have")]
    Suite(u16),
    /// It is not the selected worker.
    #[error("the worker is not the one that Ethereum selected: {0}")]
    NotSelected(#[from] InvalidSelection),
    /// The evidence does not hold.
    #[error("the worker's evidence is refused: {0}")]
    Evidence(#[from] enigma_attestation::EvidenceError),
    /// The signature over the input key does not hold.
    #[error("the input key is not signed by the attested worker: {0}")]
    KeySignature(#[from] InvalidSignature),
}

/// What a worker is checked against; all of it is read from Ethereum or pinned by the application.
#[derive(Clone, Debug)]
pub struct Expectation<'a> {
    /// Chain and contract.
    pub domain: Domain,
    /// The contract of the task.
    pub sc: ScAddress,
    /// The epoch of the task.
    pub epoch: &'a EpochParameters,
    /// `configHash` of the network.
    pub config_hash: Hash,
    /// Which evidence is accepted.
    pub policy: &'a Policy,
    /// The key that the client sent along, possibly empty.
    pub user_pub_key: &'a [u8],
    /// Seconds since 1970.
    pub now_s: u64,
}

/// Verifies everything a node says about a worker before anything is sealed to it.
///
/// # Errors
/// The first check that fails.
pub fn verify_worker(key: &WorkerKey, expected: &Expectation<'_>) -> Result<VerifiedWorker, WorkerRefused> {
    if key.sc.0 != expected.sc || key.epoch.0 != expected.epoch.epoch {
        return Err(WorkerRefused::OtherTask);
    }
    if key.suite != SUITE_X25519 {
        return Err(WorkerRefused::Suite(key.suite));
    }
    let (signer, public_key) = (key.signer.0, key.worker_encryption_key.0);
    key.selection().verify(expected.epoch, expected.sc)?;
    let purpose = Purpose::InputKey { sc: expected.sc, epoch: expected.epoch.epoch, suite: key.suite, public_key };
    let evidence = enigma_attestation::verify(
        &key.evidence.0,
        &Expected {
            config_hash: expected.config_hash,
            role: Role::Worker,
            signer,
            purpose,
            // The purpose binds the current epoch, and the key changes with it.
            freshness: Freshness::NotChecked,
        },
        expected.policy,
        expected.now_s,
    )?;
    let (epoch, user_key) = (expected.epoch.epoch, expected.user_pub_key);
    let message = input_key_message(expected.sc, epoch, key.suite, &public_key, &key.evidence.0, user_key);
    let digest = SigningPurpose::InputKey.digest(&expected.domain, expected.epoch.epoch, &message);
    key.worker_sig.0.verify(digest, signer)?;
    Ok(VerifiedWorker { signer, sc: expected.sc, epoch: expected.epoch.epoch, input_key: public_key.0, evidence })
}

/// Why a result was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResultRefused {
    /// The receipt is for something else.
    #[error("the receipt is for another {0}")]
    Other(&'static str),
    /// The output is not the one in the receipt.
    #[error("the output is not the one that the receipt confirms")]
    Output,
    /// The status is unknown.
    #[error(transparent)]
    Status(#[from] UnknownStatus),
    /// The signature is not the verified worker's.
    #[error("the receipt is not signed by the verified worker: {0}")]
    Signature(#[from] InvalidSignature),
}

/// Verifies that a receipt is the verified worker's word about this very task on this very network.
///
/// # Errors
/// The first check that fails.
pub fn verify_result(domain: &Domain, task: &Task, computed: &ComputedTask) -> Result<Receipt, ResultRefused> {
    let receipt = Receipt::try_from(computed.receipt.clone())?;
    let same = [
        (receipt.task_id == task.id(), "task"),
        (receipt.sc == task.sc(), "contract"),
        (receipt.epoch == task.epoch(), "epoch"),
        (receipt.inputs_hash == task.inputs_hash(), "input"),
        (receipt.record_index == task.record_index, "record"),
    ];
    if let Some((_, what)) = same.into_iter().find(|(same, _)| !same) {
        return Err(ResultRefused::Other(what));
    }
    if keccak256(&computed.encrypted_output.0) != receipt.output_hash {
        return Err(ResultRefused::Output);
    }
    receipt.verify(domain, &computed.signature.0, task.worker())?;
    Ok(receipt)
}
