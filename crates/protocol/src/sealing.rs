//! Encryption of a task's input and of its output.
//!
//! **Input**: HPKE (RFC 9180) base mode, suite 1 (DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM). `info` names network,
//! contract and epoch, `aad` is the task id, so a ciphertext re-recorded by anybody else does not open. The function is
//! sealed at sequence 0, the arguments at sequence 1, both padded.
//!
//! **Output**: RFC 9458 section 4.4 keyed from the same context. Its nonce is a MAC over the previous tip, the status and the
//! padded output: the same record on the same state gives the same bytes on every execution, and two different plaintexts
//! never share a nonce.
//!
//! **Query**: the same with an `info` and an `aad` of its own, and the caller's permit at sequence 2. An answer is not repeated,
//! so its response nonce is random.

use crate::{
    hash::Preimage,
    padding::{pad, unpad},
    primitives::{Domain, Hash, ScAddress, TaskId},
    query::SignedPermit,
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
const QUERY_RESPONSE_LABEL: &[u8] = b"enigma/query-response/1";
const RESPONSE_NONCE_LABEL: &[u8] = b"enigma/response-nonce/1";
/// Bytes of a response nonce.
pub const RESPONSE_NONCE_BYTES: usize = 32;

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

/// What a query is sealed for.
#[derive(Clone, Copy, Debug)]
pub struct QueryContext {
    /// Chain and contract.
    pub domain: Domain,
    /// The contract that is asked.
    pub sc: ScAddress,
    /// The epoch of the input key.
    pub epoch: u64,
}

impl QueryContext {
    fn info(&self) -> Hash {
        Preimage::new("enigma/query/1").domain(&self.domain).contract(self.sc).u64(self.epoch).finish()
    }

    fn aad(&self) -> Hash {
        Preimage::new("enigma/query-aad/1").domain(&self.domain).contract(self.sc).u64(self.epoch).finish()
    }
}

/// The ciphertexts of one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedQuery {
    /// The encapsulated key, which the permit names.
    pub user_dh_key: [u8; 32],
    /// The padded function signature.
    pub encrypted_fn: Vec<u8>,
    /// The padded arguments.
    pub encrypted_args: Vec<u8>,
    /// The padded permit.
    pub encrypted_permit: Vec<u8>,
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
    seal(rng, context.info(), &context.task_id.0, input_public_key, function, args)
}

/// The same for a task that no record names (see [`InputKey::open_bare_task`]).
///
/// # Errors
/// [`InvalidInputKey`] when the key is not a usable point.
pub fn seal_bare_task(
    rng: &mut impl CryptoRng,
    domain: Domain,
    sc: ScAddress,
    input_public_key: &[u8; 32],
    function: &str,
    args: &[u8],
) -> Result<(SealedTask, ResponseKey), InvalidInputKey> {
    let context = TaskContext { domain, sc, epoch: 0, task_id: TaskId::default() };
    seal(rng, context.info(), &[], input_public_key, function, args)
}

fn seal(
    rng: &mut impl CryptoRng,
    info: Hash,
    aad: &[u8],
    input_public_key: &[u8; 32],
    function: &str,
    args: &[u8],
) -> Result<(SealedTask, ResponseKey), InvalidInputKey> {
    let public = PublicKey::from_bytes(input_public_key).map_err(|_| InvalidInputKey)?;
    let (encapped, mut sender) =
        hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(&OpModeS::Base, &public, &info.0, rng)
            .map_err(|_| InvalidInputKey)?;
    let user_dh_key: [u8; 32] = encapped.to_bytes().into();
    let mut seal = |content: &[u8]| sender.seal(&Zeroizing::new(pad(content)), aad);
    let encrypted_fn = seal(function.as_bytes()).map_err(|_| InvalidInputKey)?;
    let encrypted_args = seal(args).map_err(|_| InvalidInputKey)?;
    let mut secret = [0; 32];
    sender.export(RESPONSE_LABEL, &mut secret).map_err(|_| InvalidInputKey)?;
    Ok((SealedTask { user_dh_key, encrypted_fn, encrypted_args }, ResponseKey { user_dh_key, secret }))
}

/// Seals one query. In two steps, because the caller's permit names the key that the first one draws.
pub struct QuerySealer {
    sender: hpke::aead::AeadCtxS<AesGcm256, HkdfSha256, X25519HkdfSha256>,
    aad: Hash,
    user_dh_key: [u8; 32],
}

impl core::fmt::Debug for QuerySealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("QuerySealer(secret)")
    }
}

impl QuerySealer {
    /// Draws the key of a query to a verified worker.
    ///
    /// # Errors
    /// [`InvalidInputKey`] when the worker's key is not a usable point.
    pub fn new(
        rng: &mut impl CryptoRng,
        context: &QueryContext,
        input_public_key: &[u8; 32],
    ) -> Result<Self, InvalidInputKey> {
        let public = PublicKey::from_bytes(input_public_key).map_err(|_| InvalidInputKey)?;
        let info = context.info();
        let (encapped, sender) = hpke::setup_sender_with_rng(&OpModeS::Base, &public, &info.0, rng)
            .map_err(|_: HpkeError| InvalidInputKey)?;
        Ok(Self { sender, aad: context.aad(), user_dh_key: encapped.to_bytes().into() })
    }

    /// What the permit names as `queryKey`.
    pub fn query_key(&self) -> [u8; 32] {
        self.user_dh_key
    }

    /// Seals the query with its permit; the key opens the answer.
    ///
    /// # Errors
    /// [`InvalidInputKey`] only if a primitive refuses its bounded input.
    pub fn seal(
        mut self,
        function: &str,
        args: &[u8],
        permit: &SignedPermit,
    ) -> Result<(SealedQuery, ResponseKey), InvalidInputKey> {
        let permit = Zeroizing::new(borsh::to_vec(permit).map_err(|_| InvalidInputKey)?);
        let mut seal = |content: &[u8]| self.sender.seal(&Zeroizing::new(pad(content)), &self.aad.0);
        let encrypted_fn = seal(function.as_bytes()).map_err(|_| InvalidInputKey)?;
        let encrypted_args = seal(args).map_err(|_| InvalidInputKey)?;
        let encrypted_permit = seal(&permit).map_err(|_| InvalidInputKey)?;
        let user_dh_key = self.user_dh_key;
        let mut secret = [0; 32];
        self.sender.export(QUERY_RESPONSE_LABEL, &mut secret).map_err(|_| InvalidInputKey)?;
        let query = SealedQuery { user_dh_key, encrypted_fn, encrypted_args, encrypted_permit };
        Ok((query, ResponseKey { user_dh_key, secret }))
    }
}

/// Opens the output of one task, or the answer to one query; lives with the client that sealed it.
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

    fn receive(&self, info: Hash, user_dh_key: &[u8]) -> Result<([u8; 32], Receiver), DoesNotOpen> {
        let encapped = EncappedKey::from_bytes(user_dh_key).map_err(|_| DoesNotOpen)?;
        let user_dh_key: [u8; 32] = user_dh_key.try_into().map_err(|_| DoesNotOpen)?;
        let context = hpke::setup_receiver(&OpModeR::Base, &self.private, &encapped, &info.0);
        Ok((user_dh_key, Receiver(context.map_err(|_: HpkeError| DoesNotOpen)?)))
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
        self.open_sealed(context.info(), &context.task_id.0, user_dh_key, encrypted_fn, encrypted_args)
    }

    /// Opens the input of a task that no record names: sealed for a contract at epoch 0, with an empty `aad`.
    ///
    /// # Errors
    /// [`DoesNotOpen`] when any part was changed or made for something else.
    pub fn open_bare_task(
        &self,
        domain: Domain,
        sc: ScAddress,
        user_dh_key: &[u8],
        encrypted_fn: &[u8],
        encrypted_args: &[u8],
    ) -> Result<OpenedTask, DoesNotOpen> {
        let context = TaskContext { domain, sc, epoch: 0, task_id: TaskId::default() };
        self.open_sealed(context.info(), &[], user_dh_key, encrypted_fn, encrypted_args)
    }

    fn open_sealed(
        &self,
        info: Hash,
        aad: &[u8],
        user_dh_key: &[u8],
        encrypted_fn: &[u8],
        encrypted_args: &[u8],
    ) -> Result<OpenedTask, DoesNotOpen> {
        let (user_dh_key, mut receiver) = self.receive(info, user_dh_key)?;
        let function = receiver.open_text(encrypted_fn, aad)?;
        let args = receiver.open(encrypted_args, aad)?;
        let mut response = ResponseSealer { user_dh_key, secret: [0; 32], nonce_key: [0; 32] };
        receiver.export(RESPONSE_LABEL, &mut response.secret)?;
        receiver.export(RESPONSE_NONCE_LABEL, &mut response.nonce_key)?;
        Ok(OpenedTask { function, args, response })
    }

    /// Opens a query. Whether its permit fits is not checked here.
    ///
    /// # Errors
    /// [`DoesNotOpen`] when any part was changed or made for something else.
    pub fn open_query(&self, context: &QueryContext, query: &SealedQuery) -> Result<OpenedQuery, DoesNotOpen> {
        let (user_dh_key, mut receiver) = self.receive(context.info(), &query.user_dh_key)?;
        let aad = context.aad();
        let function = receiver.open_text(&query.encrypted_fn, &aad.0)?;
        let args = receiver.open(&query.encrypted_args, &aad.0)?;
        let permit = receiver.open(&query.encrypted_permit, &aad.0)?;
        let permit = borsh::from_slice(&permit).map_err(|_| DoesNotOpen)?;
        let mut response = QueryResponseSealer { user_dh_key, secret: [0; 32] };
        receiver.export(QUERY_RESPONSE_LABEL, &mut response.secret)?;
        Ok(OpenedQuery { function, args, permit, response })
    }
}

/// The enclave's side of one HPKE context.
struct Receiver(hpke::aead::AeadCtxR<AesGcm256, HkdfSha256, X25519HkdfSha256>);

impl Receiver {
    fn open(&mut self, ciphertext: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let padded = self.0.open(ciphertext, aad).map(Zeroizing::new).map_err(|_: HpkeError| DoesNotOpen)?;
        unpad(&padded).map(Zeroizing::new).map_err(|_| DoesNotOpen)
    }

    fn open_text(&mut self, ciphertext: &[u8], aad: &[u8]) -> Result<String, DoesNotOpen> {
        let bytes = self.open(ciphertext, aad)?;
        core::str::from_utf8(&bytes).map(Into::into).map_err(|_| DoesNotOpen)
    }

    fn export(&self, label: &[u8], secret: &mut [u8; 32]) -> Result<(), DoesNotOpen> {
        self.0.export(label, secret).map_err(|_| DoesNotOpen)
    }
}

/// A decrypted query.
pub struct OpenedQuery {
    /// The Solidity signature of the function.
    pub function: String,
    /// Its ABI encoded arguments.
    pub args: Zeroizing<Vec<u8>>,
    /// Who asks.
    pub permit: SignedPermit,
    /// Seals the answer.
    pub response: QueryResponseSealer,
}

impl core::fmt::Debug for OpenedQuery {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OpenedQuery(secret)")
    }
}

/// Seals the answer to one query; the enclave's half of its [`ResponseKey`].
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct QueryResponseSealer {
    user_dh_key: [u8; 32],
    secret: [u8; 32],
}

impl QueryResponseSealer {
    /// Pads and seals an answer under a response nonce that was drawn for it.
    ///
    /// # Errors
    /// [`DoesNotOpen`] only if a primitive refuses its bounded input.
    pub fn seal(&self, nonce: &[u8; RESPONSE_NONCE_BYTES], output: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let padded = Zeroizing::new(pad(output));
        let (cipher, aead_nonce) = response_cipher(&self.user_dh_key, &self.secret, nonce).ok_or(DoesNotOpen)?;
        let mut sealed = nonce.to_vec();
        sealed.extend(cipher.encrypt(&aead_nonce, Payload::from(padded.as_slice())).map_err(|_| DoesNotOpen)?);
        Ok(sealed)
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
    fn a_task_without_a_record_opens_as_such_only() {
        let key = InputKey::derive(&[9; 32]);
        let (domain, sc) = (context().domain, context().sc);
        let (task, response) =
            seal_bare_task(&mut Counter(0), domain, sc, key.public(), "add(uint256)", &[7; 32]).unwrap();
        let open = |sc| key.open_bare_task(domain, sc, &task.user_dh_key, &task.encrypted_fn, &task.encrypted_args);
        let opened = open(sc).unwrap();
        assert_eq!((opened.function.as_str(), opened.args.as_slice()), ("add(uint256)", &[7; 32][..]));
        let output = opened.response.seal(Hash([5; 32]), Status::Success, b"42").unwrap();
        assert_eq!(response.open(&output).unwrap(), b"42");
        open(ScAddress([3; 32])).unwrap_err();
        self::open(&key, &TaskContext { epoch: 0, task_id: TaskId::default(), ..context() }, &task).unwrap_err();
    }

    fn sealed_query(context: &QueryContext, key: &InputKey) -> (SealedQuery, ResponseKey, SignedPermit) {
        let caller = crate::signature::SecretKey::from_bytes(&[7; 32]).unwrap();
        let sealer = QuerySealer::new(&mut Counter(0), context, key.public()).unwrap();
        let permit = crate::query::QueryPermit {
            sc: context.sc,
            function_hash: crate::hash::keccak256("balance()"),
            caller: caller.address(),
            query_key: sealer.query_key(),
            nonce: 1,
            last_valid_block: 2,
        };
        let permit = permit.sign(&context.domain, &caller);
        let (query, response) = sealer.seal("balance()", &[7; 32], &permit).unwrap();
        (query, response, permit)
    }

    #[test]
    fn a_query_and_its_answer_round_trip() {
        let key = InputKey::derive(&[9; 32]);
        let context = QueryContext { domain: context().domain, sc: context().sc, epoch: 3 };
        let (query, response, permit) = sealed_query(&context, &key);
        let opened = key.open_query(&context, &query).unwrap();
        assert_eq!((opened.function.as_str(), opened.args.as_slice()), ("balance()", &[7; 32][..]));
        assert_eq!(opened.permit, permit);
        opened.permit.verify(&context.domain, context.sc, &opened.function, query.user_dh_key).unwrap();
        let (one, two) = ([1; 32], [2; 32]);
        let answer = opened.response.seal(&one, b"42").unwrap();
        assert_eq!(response.open(&answer).unwrap(), b"42");
        assert_ne!(opened.response.seal(&two, b"42").unwrap()[32..], answer[32..]);
        // The permit is as opaque as the rest.
        assert_eq!(query.encrypted_permit.len(), 528);
    }

    #[test]
    fn a_query_opens_as_nothing_else() {
        let key = InputKey::derive(&[9; 32]);
        let right = QueryContext { domain: context().domain, sc: context().sc, epoch: 3 };
        let (query, _, _) = sealed_query(&right, &key);
        for wrong in [
            QueryContext { epoch: 4, ..right },
            QueryContext { sc: ScAddress([3; 32]), ..right },
            QueryContext { domain: Domain { chain_id: 1, ..right.domain }, ..right },
        ] {
            key.open_query(&wrong, &query).unwrap_err();
        }
        InputKey::derive(&[8; 32]).open_query(&right, &query).unwrap_err();
        // Neither as a task, nor with its parts at other places.
        key.open_task(&context(), &query.user_dh_key, &query.encrypted_fn, &query.encrypted_args).unwrap_err();
        key.open_bare_task(right.domain, right.sc, &query.user_dh_key, &query.encrypted_fn, &query.encrypted_args)
            .unwrap_err();
        let swapped = SealedQuery { encrypted_permit: query.encrypted_args.clone(), ..query.clone() };
        key.open_query(&right, &swapped).unwrap_err();
        for position in 0..query.encrypted_permit.len() {
            let mut changed = query.clone();
            changed.encrypted_permit[position] ^= 1;
            key.open_query(&right, &changed).unwrap_err();
        }
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
