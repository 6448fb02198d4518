//! Who an enclave is: its signing key and, for a key manager, its share. Made once, sealed, never shown.

use crate::{
    dprf::Share,
    error::OpenError,
    store::{IDENTITY, Store},
    tee::{Tee, TeeError},
};
use borsh::{BorshDeserialize, BorshSerialize};
use enigma_attestation::Role;
use enigma_protocol::{Address, Hash, signature::SecretKey};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const VERSION: u8 = 1;

/// The public part of an enclave's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Signing address of the enclave.
    pub signer: Address,
    /// Commitment to its share; key managers only.
    pub commitment: Option<Hash>,
}

/// Reads the identity of an enclave, or makes and seals one when there is none.
///
/// # Errors
/// [`OpenError`] when TEE or store fail, or the sealed identity is not one of this role.
pub fn identity<T: Tee, S: Store>(tee: &T, store: &S, role: Role) -> Result<Identity, OpenError> {
    let keys = Keys::load_or_create(tee, store, role)?;
    Ok(Identity {
        signer: keys.signing_key()?.address(),
        commitment: keys.share()?.map(|share| share.commitment().to_hash()),
    })
}

/// The sealed content.
#[derive(BorshSerialize, BorshDeserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Keys {
    version: u8,
    role: u8,
    pub(crate) signing_key: [u8; 32],
    share: Option<[u8; 32]>,
}

impl Keys {
    pub(crate) fn load_or_create<T: Tee, S: Store>(tee: &T, store: &S, role: Role) -> Result<Self, OpenError> {
        match store.get(IDENTITY)? {
            Some(sealed) => Self::open(tee, &sealed, role),
            None => Self::create(tee, store, role),
        }
    }

    fn open<T: Tee>(tee: &T, sealed: &[u8], wanted: Role) -> Result<Self, OpenError> {
        let plaintext = tee.unseal(sealed).map_err(|error| match error {
            TeeError::DoesNotUnseal => OpenError::SealedIdentity,
            TeeError::Unavailable { .. } => OpenError::Tee(error),
        })?;
        let keys: Self = borsh::from_slice(&plaintext).map_err(|_| OpenError::SealedIdentity)?;
        let roles = [Role::Worker, Role::KeyManager];
        let found = roles.into_iter().find(|role| role.number() == keys.role).ok_or(OpenError::SealedIdentity)?;
        if keys.version != VERSION || keys.share.is_some() != (found == Role::KeyManager) {
            return Err(OpenError::SealedIdentity);
        }
        if found != wanted {
            return Err(OpenError::Role { found, wanted });
        }
        keys.signing_key()?;
        keys.share()?;
        Ok(keys)
    }

    fn create<T: Tee, S: Store>(tee: &T, store: &S, role: Role) -> Result<Self, OpenError> {
        let signing_key = draw_signing_key(tee)?;
        let share = match role {
            Role::Worker => None,
            Role::KeyManager => Some(*Share::random(tee)?.to_bytes()),
        };
        let keys = Self { version: VERSION, role: role.number(), signing_key: *signing_key, share };
        keys.share()?;
        let plaintext = Zeroizing::new(borsh::to_vec(&keys).map_err(|_| OpenError::Primitive)?);
        store.commit(vec![(IDENTITY.to_vec(), Some(tee.seal(&plaintext)?))])?;
        Ok(keys)
    }

    pub(crate) fn signing_key(&self) -> Result<SecretKey, OpenError> {
        SecretKey::from_bytes(&self.signing_key).map_err(|_| OpenError::SealedIdentity)
    }

    pub(crate) fn share(&self) -> Result<Option<Share>, OpenError> {
        let share = |bytes| Share::from_bytes(bytes).ok_or(OpenError::SealedIdentity);
        self.share.as_ref().map(share).transpose()
    }
}

/// One draw in 2^128 is no key; a generator that gives two of them is broken.
fn draw_signing_key(tee: &impl Tee) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    let mut key = Zeroizing::new([0; 32]);
    for _ in 0..2 {
        tee.fill_random(key.as_mut_slice())?;
        if SecretKey::from_bytes(&key).is_ok() {
            return Ok(key);
        }
    }
    Err(TeeError::Unavailable { service: "randomness", reason: "it gives no usable key".into() }.into())
}
