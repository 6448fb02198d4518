//! Encryption of a task's input and of its output.
//!
//! **Input**: HPKE (RFC 9180) base mode, suite 1 (DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM). `info` names network,
//! contract and epoch, `aad` is the task id, so a ciphertext re-recorded by anybody else does not open. The function is
//! sealed at sequence 0, the arguments at sequence 1, both padded.
//!
//! **Output**: RFC 9458 section 4.4 keyed from the same context. Its nonce is a MAC over the previous tip, the status and the
//! padded output: the same record on the same state gives the same bytes on every execution, and two different plaintexts
//! never share a nonce.

use crate::{
    hash::Preimage,
    padding::{pad, unpad},
    primitives::{Domain, Hash, ScAddress, TaskId},
    receipt::Status,
};
use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use alloc::{string::String, vec::Vec};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use hpke::{
    Deserializable, HpkeError, Kem as _, OpModeR, OpModeS, Serializable, aead::AesGcm256, kdf::HkdfSha256,
    kem::X25519HkdfSha256, rand_core::CryptoRng,
};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use hpke::rand_core;

const RESPONSE_LABEL: &[u8] = b"enigma/response/1";
const RESPONSE_NONCE_LABEL: &[u8] = b"enigma/response-nonce/1";
const RESPONSE_NONCE_BYTES: usize = 32;

type PrivateKey = <X25519HkdfSha256 as hpke::Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as hpke::Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as hpke::Kem>::EncappedKey;

/// What a task's input is sealed for.
#[derive(Clone, Copy, Debug)]
pub struct TaskContext {
    /// Chain and contract.
    pub domain: Domain,
    /// The called contract.
    pub sc: ScAddress,
    /// The epoch of the input key.
    pub epoch: u64,
    /// The task.
    pub task_id: TaskId,
}

impl TaskContext {
    fn info(&self) -> Hash {
        Preimage::new("enigma/task/1").domain(&self.domain).contract(self.sc).u64(self.epoch).finish()
    }
}

/// The ciphertexts of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedTask {
    /// The encapsulated key.
    pub user_dh_key: [u8; 32],
    /// The padded function signature.
    pub encrypted_fn: Vec<u8>,
    /// The padded arguments.
    pub encrypted_args: Vec<u8>,
}

/// An input key that is no X25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker's input key is not a usable X25519 public key")]
pub struct InvalidInputKey;

/// A ciphertext that does not open: changed, or made for another key, task, contract, epoch or network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ciphertext does not open: it was changed, or made for another key, task, contract, epoch or network")]
pub struct DoesNotOpen;

/// Seals function and arguments to the input key of a verified worker.
///
/// Returns the ciphertexts and the key that opens the output.
///
/// # Errors
/// [`InvalidInputKey`] when the key is not a usable point.
pub fn seal_task(
    rng: &mut impl CryptoRng,
    context: &TaskContext,
    input_public_key: &[u8; 32],
    function: &str,
    args: &[u8],
) -> Result<(SealedTask, ResponseKey), InvalidInputKey> {
    let public = PublicKey::from_bytes(input_public_key).map_err(|_| InvalidInputKey)?;
    let (encapped, mut sender) = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        &context.info().0,
        rng,
    )
    .map_err(|_| InvalidInputKey)?;
    let user_dh_key: [u8; 32] = encapped.to_bytes().into();
    let mut seal = |content: &[u8]| sender.seal(&Zeroizing::new(pad(content)), &context.task_id.0);
    let encrypted_fn = seal(function.as_bytes()).map_err(|_| InvalidInputKey)?;
    let encrypted_args = seal(args).map_err(|_| InvalidInputKey)?;
    let mut secret = [0; 32];
    sender.export(RESPONSE_LABEL, &mut secret).map_err(|_| InvalidInputKey)?;
    Ok((SealedTask { user_dh_key, encrypted_fn, encrypted_args }, ResponseKey { user_dh_key, secret }))
}

/// Opens the output of one task; lives with the client that sealed it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ResponseKey {
    user_dh_key: [u8; 32],
    secret: [u8; 32],
}

impl core::fmt::Debug for ResponseKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ResponseKey(secret)")
    }
}

impl ResponseKey {
    /// The key as 64 secret bytes, for a client that outlives its process.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 64]> {
        let mut bytes = Zeroizing::new([0; 64]);
        let (left, right) = bytes.split_at_mut(32);
        left.copy_from_slice(&self.user_dh_key);
        right.copy_from_slice(&self.secret);
        bytes
    }

    /// The inverse of [`Self::to_bytes`]; `None` unless there are 64 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (left, right) = bytes.split_at_checked(32)?;
        Some(Self { user_dh_key: left.try_into().ok()?, secret: right.try_into().ok()? })
    }

    /// Decrypts an output.
    ///
    /// # Errors
    /// [`DoesNotOpen`] for anything that the enclave did not seal for this task.
    pub fn open(&self, encrypted_output: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let (nonce, ciphertext) = encrypted_output.split_at_checked(RESPONSE_NONCE_BYTES).ok_or(DoesNotOpen)?;
        let (cipher, nonce) = response_cipher(&self.user_dh_key, &self.secret, nonce).ok_or(DoesNotOpen)?;
        let padded = cipher.decrypt(&nonce, ciphertext).map_err(|_| DoesNotOpen)?;
        unpad(&Zeroizing::new(padded)).map_err(|_| DoesNotOpen)
    }
}

/// RFC 9458 section 4.4: key and nonce from the exported secret, salted with the encapsulated key and the response nonce.
fn response_cipher(
    enc: &[u8; 32],
    secret: &[u8; 32],
    response_nonce: &[u8],
) -> Option<(Aes256Gcm, Nonce<aes_gcm::aead::consts::U12>)> {
    let mut salt = Vec::with_capacity(64);
    salt.extend(enc);
    salt.extend(response_nonce);
    let kdf = Hkdf::<Sha256>::new(Some(&salt), secret);
    let mut key = Zeroizing::new([0; 32]);
    let mut nonce = [0; 12];
    kdf.expand(b"key", key.as_mut_slice()).ok()?;
    kdf.expand(b"nonce", &mut nonce).ok()?;
    Some((Aes256Gcm::new_from_slice(key.as_slice()).ok()?, nonce.into()))
}

/// The private input key of a contract and epoch; exists in enclaves only.
pub struct InputKey {
    private: PrivateKey,
    public: [u8; 32],
}

impl core::fmt::Debug for InputKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("InputKey(secret)")
    }
}

/// A decrypted task.
pub struct OpenedTask {
    /// The Solidity signature of the function.
    pub function: String,
    /// Its ABI encoded arguments.
    pub args: Zeroizing<Vec<u8>>,
    /// Seals the output.
    pub response: ResponseSealer,
}

impl core::fmt::Debug for OpenedTask {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OpenedTask(secret)")
    }
}

impl InputKey {
    /// HPKE `DeriveKeyPair` of 32 secret bytes.
    pub fn derive(seed: &[u8; 32]) -> Self {
        let (private, public) = X25519HkdfSha256::derive_keypair(seed);
        Self { private, public: public.to_bytes().into() }
    }

    /// The public key that clients seal to.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Opens the input of a task.
    ///
    /// # Errors
    /// [`DoesNotOpen`] when any part was changed or made for something else.
    pub fn open_task(
        &self,
        context: &TaskContext,
        user_dh_key: &[u8],
        encrypted_fn: &[u8],
        encrypted_args: &[u8],
    ) -> Result<OpenedTask, DoesNotOpen> {
        let encapped = EncappedKey::from_bytes(user_dh_key).map_err(|_| DoesNotOpen)?;
        let user_dh_key: [u8; 32] = user_dh_key.try_into().map_err(|_| DoesNotOpen)?;
        let mut receiver = hpke::setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &encapped,
            &context.info().0,
        )
        .map_err(|_| DoesNotOpen)?;
        let mut open = |ciphertext: &[u8]| -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
            let padded = receiver.open(ciphertext, &context.task_id.0).map(Zeroizing::new);
            let padded = padded.map_err(|_: HpkeError| DoesNotOpen)?;
            unpad(&padded).map(Zeroizing::new).map_err(|_| DoesNotOpen)
        };
        let function = open(encrypted_fn)?;
        let args = open(encrypted_args)?;
        let function = core::str::from_utf8(&function).map_err(|_| DoesNotOpen)?.into();
        let mut response = ResponseSealer { user_dh_key, secret: [0; 32], nonce_key: [0; 32] };
        receiver.export(RESPONSE_LABEL, &mut response.secret).map_err(|_| DoesNotOpen)?;
        receiver.export(RESPONSE_NONCE_LABEL, &mut response.nonce_key).map_err(|_| DoesNotOpen)?;
        Ok(OpenedTask { function, args, response })
    }
}

/// Seals the output of one task; the enclave's half of [`ResponseKey`].
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ResponseSealer {
    user_dh_key: [u8; 32],
    secret: [u8; 32],
    nonce_key: [u8; 32],
}

impl ResponseSealer {
    /// Pads and seals an output.
    ///
    /// # Errors
    /// [`DoesNotOpen`] only if a primitive refuses its bounded input.
    pub fn seal(&self, previous_tip: Hash, status: Status, output: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let padded = Zeroizing::new(pad(output));
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.nonce_key).map_err(|_| DoesNotOpen)?;
        mac.update(&previous_tip.0);
        mac.update(&[status as u8]);
        mac.update(&padded);
        let mut sealed = mac.finalize().into_bytes().to_vec();
        let (cipher, nonce) = response_cipher(&self.user_dh_key, &self.secret, &sealed).ok_or(DoesNotOpen)?;
        sealed.extend(cipher.encrypt(&nonce, Payload::from(padded.as_slice())).map_err(|_| DoesNotOpen)?);
        Ok(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::convert::Infallible;
    use hpke::rand_core::{TryCryptoRng, TryRng};

    struct Counter(u8);
    impl TryRng for Counter {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            self.0 += 1;
            Ok(self.0.into())
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            self.try_next_u32().map(u64::from)
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            self.0 += 1;
            bytes.fill(self.0);
            Ok(())
        }
    }
    impl TryCryptoRng for Counter {}

    fn context() -> TaskContext {
        TaskContext {
            domain: Domain { chain_id: 31337, enigma: [1; 20].into() },
            sc: [2; 32].into(),
            epoch: 3,
            task_id: [4; 32].into(),
        }
    }

    fn sealed() -> (InputKey, SealedTask, ResponseKey) {
        let key = InputKey::derive(&[9; 32]);
        let (task, response) = seal_task(&mut Counter(0), &context(), key.public(), "add(uint256)", &[7; 32]).unwrap();
        (key, task, response)
    }

    fn open(key: &InputKey, context: &TaskContext, task: &SealedTask) -> Result<OpenedTask, DoesNotOpen> {
        key.open_task(context, &task.user_dh_key, &task.encrypted_fn, &task.encrypted_args)
    }

    #[test]
    fn input_and_output_round_trip() {
        let (key, task, response) = sealed();
        let opened = open(&key, &context(), &task).unwrap();
        assert_eq!((opened.function.as_str(), opened.args.as_slice()), ("add(uint256)", &[7; 32][..]));
        let output = opened.response.seal(Hash([5; 32]), Status::Success, b"42").unwrap();
        assert_eq!(response.open(&output).unwrap(), b"42");
        assert_eq!(ResponseKey::from_bytes(response.to_bytes().as_slice()).unwrap().open(&output).unwrap(), b"42");
        // The same plaintext again gives the same bytes; another status or tip another nonce.
        assert_eq!(output, opened.response.seal(Hash([5; 32]), Status::Success, b"42").unwrap());
        assert_ne!(output, opened.response.seal(Hash([5; 32]), Status::Failure, b"42").unwrap());
        assert_ne!(output, opened.response.seal(Hash([6; 32]), Status::Success, b"42").unwrap());
    }

    #[test]
    fn nothing_else_opens_it() {
        let (key, task, response) = sealed();
        let others = [
            TaskContext { task_id: [5; 32].into(), ..context() },
            TaskContext { epoch: 4, ..context() },
            TaskContext { sc: [3; 32].into(), ..context() },
            TaskContext { domain: Domain { chain_id: 1, ..context().domain }, ..context() },
            TaskContext { domain: Domain { enigma: [2; 20].into(), ..context().domain }, ..context() },
        ];
        for other in others {
            assert_eq!(open(&key, &other, &task).unwrap_err(), DoesNotOpen);
        }
        assert!(open(&InputKey::derive(&[8; 32]), &context(), &task).is_err());
        for position in 0..task.encrypted_args.len() {
            let mut changed = task.clone();
            changed.encrypted_args[position] ^= 1;
            assert!(open(&key, &context(), &changed).is_err());
        }
        let mut swapped = task.clone();
        core::mem::swap(&mut swapped.encrypted_fn, &mut swapped.encrypted_args);
        assert!(open(&key, &context(), &swapped).is_err());
        assert!(response.open(&[0; 600]).is_err());
        assert!(response.open(&[]).is_err());
    }

    #[test]
    fn lengths_tell_nothing_below_the_size_class() {
        let key = InputKey::derive(&[9; 32]);
        for args in [0, 1, 32, 33, 256] {
            let (task, _) = seal_task(&mut Counter(0), &context(), key.public(), "f()", &std::vec![1; args]).unwrap();
            assert_eq!((task.encrypted_fn.len(), task.encrypted_args.len()), (528, 528));
        }
    }
}
