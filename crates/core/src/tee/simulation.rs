//! A TEE in name only: everything a TEE does for the enclave, done with a file that the machine's operator can read.
//!
//! It exists so that the same enclave, verifier and contracts run on any machine. Its evidence is signed under the public
//! development root, which production policy refuses.
//!
//! Sealing is bound to the platform's secret, not to the measurement: it is what SGX calls sealing to the signer. A rebuilt
//! program on the same data directory therefore keeps its identity and state, as an upgraded one would; what it *is* shows in
//! its evidence, where the measurement is the hash of the running executable.

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use enigma_attestation::{
    Claims,
    simulation::{Platform, Validity},
};
use enigma_enclave::{Tee, TeeError};
use enigma_protocol::{Hash, ScAddress, hash::keccak256};
use hkdf::Hkdf;
use sha2::Sha256;
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use zeroize::Zeroizing;

const SECRET_FILE: &str = "platform.secret";
const SEAL_CONTEXT: &[u8] = b"enigma/sim-seal/1";
const NONCE_BYTES: usize = 12;

/// Why the simulated platform is not there.
#[derive(Debug, thiserror::Error)]
pub enum OpenPlatformError {
    #[error("the platform secret {path} cannot be read or created: {source}; check the rights of the --data-dir")]
    Secret { path: PathBuf, source: io::Error },
    #[error(
        "the platform secret {0} is damaged; restore it from a backup, or start with an empty --data-dir, which makes a \
         new identity that has to register again"
    )]
    Damaged(PathBuf),
    #[error("the running executable cannot be read to measure it: {0}; do not replace it while it runs")]
    Measurement(io::Error),
}

/// A simulated platform that runs this executable.
pub struct Simulation {
    platform: Platform,
    cipher: Aes256GcmSiv,
    /// Whether the log shows what contracts tell their authors.
    pub contract_debug: bool,
}

impl Simulation {
    /// The platform of a data directory, whose secret is created when missing. The caller holds the directory's lock.
    ///
    /// # Errors
    /// See [`OpenPlatformError`].
    pub fn open(folder: &Path) -> Result<Self, OpenPlatformError> {
        let path = folder.join(SECRET_FILE);
        let secret = match fs::read(&path).map(Zeroizing::new) {
            Ok(bytes) => Zeroizing::new(
                <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| OpenPlatformError::Damaged(path.clone()))?,
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_secret(&path).map_err(|source| OpenPlatformError::Secret { path: path.clone(), source })?
            }
            Err(source) => return Err(OpenPlatformError::Secret { path, source }),
        };
        Self::new(&secret, measure().map_err(OpenPlatformError::Measurement)?).ok_or(OpenPlatformError::Damaged(path))
    }

    fn new(secret: &[u8; 32], measurement: Hash) -> Option<Self> {
        let platform = Platform::from_secret(*secret, measurement, Validity::DEVELOPMENT).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, secret).expand(SEAL_CONTEXT, key.as_mut()).ok()?;
        let cipher = Aes256GcmSiv::new_from_slice(key.as_ref()).ok()?;
        Some(Self { platform, cipher, contract_debug: false })
    }
}

/// keccak256 of the executable that runs.
fn measure() -> io::Result<Hash> {
    fs::read(std::env::current_exe()?).map(keccak256)
}

/// Writes a new secret so that a crash leaves either all of it or none.
fn create_secret(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut())?;
    let unfinished = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(secret.as_ref())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(secret)
}

impl Tee for Simulation {
    fn measurement(&self) -> Hash {
        self.platform.measurement()
    }

    fn attest(&self, claims: &Claims) -> Result<Vec<u8>, TeeError> {
        Ok(self.platform.attest(claims))
    }

    fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, TeeError> {
        let mut nonce = [0; NONCE_BYTES];
        self.fill_random(&mut nonce)?;
        let payload = Payload { msg: plaintext, aad: SEAL_CONTEXT };
        let ciphertext = self.cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| TeeError::Unavailable {
            service: "sealing",
            reason: "there is too much to seal at once".into(),
        })?;
        Ok([&nonce[..], &ciphertext].concat())
    }

    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(TeeError::DoesNotUnseal)?;
        let payload = Payload { msg: ciphertext, aad: SEAL_CONTEXT };
        let opened = self.cipher.decrypt(&Nonce::from(*nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| TeeError::DoesNotUnseal)
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), TeeError> {
        getrandom::fill(bytes)
            .map_err(|error| TeeError::Unavailable { service: "randomness", reason: error.to_string() })
    }

    fn is_development(&self) -> bool {
        true
    }

    fn now_s(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    fn contract_debug(&self, sc: ScAddress, text: &str) {
        if self.contract_debug {
            tracing::info!(contract = %sc, "contract: {}", text.escape_debug());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn platform(secret: u8, measurement: u8) -> Simulation {
        Simulation::new(&[secret; 32], Hash([measurement; 32])).unwrap()
    }

    #[test]
    fn sealed_bytes_open_on_their_platform_only() {
        let sealed = platform(1, 1).seal(b"secret").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_ne!(platform(1, 1).seal(b"secret").unwrap(), sealed);
        // A rebuilt program is another measurement on the same platform.
        assert_eq!(platform(1, 2).unseal(&sealed).unwrap().as_slice(), b"secret");
        assert!(platform(2, 1).unseal(&sealed).is_err());
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(platform(1, 1).unseal(&changed).is_err());
            assert!(platform(1, 1).unseal(&sealed[..position]).is_err());
        }
    }

    #[test]
    fn the_secret_is_made_once_and_belongs_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SECRET_FILE);
        let sealed = Simulation::open(folder.path()).unwrap().seal(b"identity").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Simulation::open(folder.path()).unwrap();
        assert_eq!(again.unseal(&sealed).unwrap().as_slice(), b"identity");
        assert_eq!(again.measurement(), measure().unwrap());

        fs::write(&path, "short").unwrap();
        assert!(matches!(Simulation::open(folder.path()), Err(OpenPlatformError::Damaged(_))));
    }
}
