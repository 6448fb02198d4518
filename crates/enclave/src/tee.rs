//! What the machines ask of the TEE they run in.

use enigma_attestation::Claims;
use enigma_protocol::{Hash, ScAddress};
use zeroize::Zeroizing;

/// What a TEE failed to do. The texts reach the operator and hold nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TeeError {
    /// The platform did not provide a service; asking again may help.
    #[error("the TEE does not provide {service}: {reason}")]
    Unavailable {
        /// Which service.
        service: &'static str,
        /// What the platform said.
        reason: String,
    },
    /// The sealed bytes do not open here.
    #[error("the sealed data was changed, or sealed by another machine or another program")]
    DoesNotUnseal,
}

/// The services of a TEE: measurement, attestation, sealing and randomness.
pub trait Tee: Send + Sync + 'static {
    /// What runs.
    fn measurement(&self) -> Hash;

    /// Evidence for `claims`.
    ///
    /// # Errors
    /// When the platform makes no quote now.
    fn attest(&self, claims: &Claims) -> Result<Vec<u8>, TeeError>;

    /// Encrypts and authenticates so that only this program on this machine opens it.
    ///
    /// # Errors
    /// When the platform gives no sealing key now.
    fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, TeeError>;

    /// The inverse of [`Self::seal`].
    ///
    /// # Errors
    /// [`TeeError::DoesNotUnseal`] for anything else than what [`Self::seal`] gave.
    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError>;

    /// Fills `bytes` from a secure generator.
    ///
    /// # Errors
    /// When there is no randomness; `bytes` must not be used then.
    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), TeeError>;

    /// Whether this is a simulation under the public development root, which protects nobody from its host: only then the host's
    /// word stands in for proofs of Ethereum, and requests without records are served.
    fn is_development(&self) -> bool {
        false
    }

    /// The host's clock in Unix seconds: untrusted, used for the validity of certificates only.
    fn now_s(&self) -> u64;

    /// Takes a text for a contract's author, which tells the host what a contract does with secrets: a TEE gets it only in
    /// development.
    fn contract_debug(&self, _sc: ScAddress, _text: &str) {}
}
