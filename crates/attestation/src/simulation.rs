//! A platform without hardware, for development: same chain of trust, public root.
//!
//! The development root's private key is `keccak256("enigma development root")`, known to everybody. Evidence under it shows
//! that the programs fit together and protects nobody.

use crate::{
    claims::Claims,
    evidence::{Evidence, certificate_digest},
};
use alloc::vec::Vec;
use enigma_protocol::{
    Address, Hash,
    hash::{Preimage, keccak256},
    signature::{InvalidSignature, SecretKey, Signature},
};

/// Address of the development root: `0x69f27f01695ae23ca8b90b749830159792c850ce`.
pub const DEVELOPMENT_ROOT: Address = Address([
    0x69, 0xf2, 0x7f, 0x01, 0x69, 0x5a, 0xe2, 0x3c, 0xa8, 0xb9, 0x0b, 0x74, 0x98, 0x30, 0x15, 0x97, 0x92, 0xc8, 0x50,
    0xce,
]);

/// The development root's key: public, as its name says.
///
/// # Errors
/// None that can happen: the constant is a valid key.
pub fn development_root_key() -> Result<SecretKey, InvalidSignature> {
    SecretKey::from_bytes(&keccak256("enigma development root").0)
}

/// How long a platform's certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First Unix second.
    pub not_before_s: u64,
    /// Last Unix second.
    pub not_after_s: u64,
}

impl Validity {
    /// Until the year 2100, whatever a development chain's clock shows.
    pub const DEVELOPMENT: Self = Self { not_before_s: 0, not_after_s: 4_102_444_800 };
}

/// One simulated machine that runs one program.
pub struct Platform {
    key: SecretKey,
    measurement: Hash,
    hardware_id: Hash,
    tcb_level: u16,
    debug: u8,
    validity: Validity,
    root_signature: Signature,
}

impl core::fmt::Debug for Platform {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Platform")
            .field("measurement", &self.measurement)
            .field("hardware_id", &self.hardware_id)
            .finish_non_exhaustive()
    }
}

impl Platform {
    /// The machine that `secret` stands for, certified by the development root, running the program `measurement`.
    ///
    /// # Errors
    /// [`InvalidSignature`] for the one secret in 2^128 that gives no key.
    pub fn from_secret(secret: [u8; 32], measurement: Hash, validity: Validity) -> Result<Self, InvalidSignature> {
        Self::certified_by(&development_root_key()?, secret, measurement, validity)
    }

    /// The same machine under another root.
    ///
    /// # Errors
    /// As [`Self::from_secret`].
    pub fn certified_by(
        root: &SecretKey,
        secret: [u8; 32],
        measurement: Hash,
        validity: Validity,
    ) -> Result<Self, InvalidSignature> {
        let key = SecretKey::from_bytes(&Preimage::new("enigma/dev-platform-key/1").hash(Hash(secret)).finish().0)?;
        let hardware_id = Preimage::new("enigma/dev-hardware/1").address(key.address()).finish();
        let root_signature =
            root.sign(certificate_digest(key.address(), hardware_id, validity.not_before_s, validity.not_after_s));
        Ok(Self { key, measurement, hardware_id, tcb_level: 1, debug: 0, validity, root_signature })
    }

    /// The same machine with a debuggable enclave, which every verifier refuses.
    #[must_use]
    pub fn with_debug(self) -> Self {
        Self { debug: 1, ..self }
    }

    /// The same machine at another TCB level (1 unless said otherwise).
    #[must_use]
    pub fn with_tcb_level(self, tcb_level: u16) -> Self {
        Self { tcb_level, ..self }
    }

    /// What runs on it.
    pub fn measurement(&self) -> Hash {
        self.measurement
    }

    /// Evidence for these claims.
    pub fn attest(&self, claims: &Claims) -> Vec<u8> {
        let unsigned = self.unsigned(claims);
        let quote_signature = self.key.sign(unsigned.quote_digest());
        Evidence { quote_signature, ..unsigned }.to_bytes()
    }

    fn unsigned(&self, claims: &Claims) -> Evidence {
        Evidence {
            claims: claims.clone(),
            measurement: self.measurement,
            hardware_id: self.hardware_id,
            tcb_level: self.tcb_level,
            debug: self.debug,
            platform_key: self.key.address(),
            not_before_s: self.validity.not_before_s,
            not_after_s: self.validity.not_after_s,
            root_signature: self.root_signature,
            quote_signature: Signature([0; 65]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_documented_key() {
        assert_eq!(development_root_key().unwrap().address(), DEVELOPMENT_ROOT);
    }
}
