//! secp256k1 signatures: 65 bytes `r ‖ s ‖ v`, low-s, `v` 27 or 28, as Ethereum recovers them.
//!
//! Every signature names its purpose, chain, contract and epoch; [`Purpose`] is the registry. Where a wallet or a contract
//! verifies, the digest is EIP-712 instead (see [`crate::receipt`] and [`crate::selection`]).

use crate::{
    hash::{Preimage, keccak256},
    primitives::{Address, Domain, Hash},
};
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use k256::ecdsa::{RecoveryId, SigningKey, VerifyingKey};

/// What a signature between enclaves and towards clients is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A worker's input key: `workerSig` of `NewTaskEncryptionKey`.
    InputKey,
    /// A worker's request for keys: `workerSig` of `GetPTTRequest`.
    PttRequest,
    /// A key manager's answer to it.
    PttResponse,
    /// Registration parameters.
    Registration,
    /// The answer to a query.
    QueryAnswer,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Self::InputKey => "enigma/input-key-signature/1",
            Self::PttRequest => "enigma/ptt-request/1",
            Self::PttResponse => "enigma/ptt-response/1",
            Self::Registration => "enigma/registration/1",
            Self::QueryAnswer => "enigma/query-answer/1",
        }
    }

    /// The digest that is signed for `message`.
    pub fn digest(self, domain: &Domain, epoch: u64, message: &[u8]) -> Hash {
        Preimage::new(self.label()).domain(domain).u64(epoch).bytes(message).finish()
    }
}

/// A recoverable signature.
#[derive(Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signature(pub [u8; 65]);

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = InvalidSignature;
    fn try_from(bytes: &[u8]) -> Result<Self, InvalidSignature> {
        bytes.try_into().map(Self).map_err(|_| InvalidSignature)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", hex::encode(self.0))
    }
}

/// A signature that no key made, or another key than the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is invalid or was made by another key")]
pub struct InvalidSignature;

impl Signature {
    /// The address whose key signed `digest`. Rejects high-s, so that a signature has one form.
    ///
    /// # Errors
    /// [`InvalidSignature`] when nothing can be recovered.
    pub fn recover(&self, digest: Hash) -> Result<Address, InvalidSignature> {
        let (rs, v) = self.0.split_at_checked(64).ok_or(InvalidSignature)?;
        let recovery = match v {
            [27] => RecoveryId::new(false, false),
            [28] => RecoveryId::new(true, false),
            _ => return Err(InvalidSignature),
        };
        let signature = k256::ecdsa::Signature::from_slice(rs).map_err(|_| InvalidSignature)?;
        if signature.normalize_s() != signature {
            return Err(InvalidSignature);
        }
        let key = VerifyingKey::recover_from_prehash(&digest.0, &signature, recovery).map_err(|_| InvalidSignature)?;
        Ok(address_of(&key))
    }

    /// Checks that `signer` signed `digest`.
    ///
    /// # Errors
    /// [`InvalidSignature`] otherwise.
    pub fn verify(&self, digest: Hash, signer: Address) -> Result<(), InvalidSignature> {
        if self.recover(digest)? == signer { Ok(()) } else { Err(InvalidSignature) }
    }
}

/// A secp256k1 private key; erased on drop, never printed.
pub struct SecretKey(SigningKey);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.address())
    }
}

impl SecretKey {
    /// Takes 32 bytes as a key.
    ///
    /// # Errors
    /// [`InvalidSignature`] for zero and for values not below the group order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidSignature> {
        SigningKey::from_slice(bytes).map(Self).map_err(|_| InvalidSignature)
    }

    /// The Ethereum address of the public key.
    pub fn address(&self) -> Address {
        address_of(self.0.verifying_key())
    }

    /// Signs a digest (deterministic nonce, RFC 6979).
    pub fn sign(&self, digest: Hash) -> Signature {
        let (signature, recovery) = self.0.sign_prehash_recoverable(&digest.0);
        let mut bytes = [0; 65];
        let (rs, v) = bytes.split_at_mut(64);
        rs.copy_from_slice(&signature.to_bytes());
        v.fill(if recovery.is_y_odd() { 28 } else { 27 });
        Signature(bytes)
    }
}

fn address_of(key: &VerifyingKey) -> Address {
    let point = key.to_sec1_point(false);
    let coordinates = point.as_bytes().get(1..).unwrap_or_default();
    let hash = keccak256(coordinates);
    Address::try_from(hash.0.get(12..).unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SecretKey {
        // The first account of Ethereum's well-known test mnemonic.
        let bytes = hex::decode("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").unwrap();
        SecretKey::from_bytes(&bytes.try_into().unwrap()).unwrap()
    }

    #[test]
    fn address_is_ethereums() {
        assert_eq!(key().address(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap());
    }

    #[test]
    fn only_the_signed_digest_verifies() {
        let domain = Domain { chain_id: 1, enigma: Address([1; 20]) };
        let digest = Purpose::InputKey.digest(&domain, 1, b"message");
        let signature = key().sign(digest);
        assert_eq!(signature.verify(digest, key().address()), Ok(()));
        let others = [
            Purpose::PttRequest.digest(&domain, 1, b"message"),
            Purpose::InputKey.digest(&Domain { chain_id: 2, ..domain }, 1, b"message"),
            Purpose::InputKey.digest(&Domain { enigma: Address([2; 20]), ..domain }, 1, b"message"),
            Purpose::InputKey.digest(&domain, 2, b"message"),
            Purpose::InputKey.digest(&domain, 1, b"messagf"),
        ];
        for other in others {
            assert_eq!(signature.verify(other, key().address()), Err(InvalidSignature));
        }
        for position in 0..65 {
            let mut changed = signature;
            changed.0[position] ^= 1;
            assert_eq!(changed.verify(digest, key().address()), Err(InvalidSignature));
        }
    }
}
