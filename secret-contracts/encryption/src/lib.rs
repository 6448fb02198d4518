//! A key that is made inside the enclave, that nobody ever sees, and what it encrypts.
//!
//! State, arguments and results are encrypted already. Encryption in a contract is for data that leaves it and comes back: kept in a
//! file, on Ethereum, or by somebody else, and readable through this contract only.
#![no_std]

use enigma_sdk::crypto::{self, Key};
use enigma_sdk::prelude::*;

/// The key.
#[enigma_sdk::state]
pub struct Encryption {
    key: Value<Key>,
}

/// Why something is not decrypted.
#[enigma_sdk::error]
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was changed, or encrypted elsewhere, or for somebody else.
    #[error("this was not encrypted here, for you")]
    NotEncryptedHere,
}

#[enigma_sdk::contract]
impl Encryption {
    /// Makes the key.
    #[constructor]
    pub fn construct(&mut self) {
        self.key.set(Key::random());
    }

    /// Encrypts a text for the caller. The same text twice gives different bytes.
    #[call]
    pub fn encrypt(&self, text: Bytes) -> Bytes {
        Bytes(crypto::seal(&self.key(), &caller().0, &text.0))
    }

    /// The text that was encrypted for the caller.
    #[call]
    pub fn decrypt(&self, sealed: Bytes) -> Result<Bytes, Refusal> {
        crypto::open(&self.key(), &caller().0, &sealed.0).map(Bytes).ok_or(Refusal::NotEncryptedHere)
    }

    /// There and back: returns the text.
    #[call]
    pub fn encrypt_decrypt(&self, text: Bytes) -> Result<Bytes, Refusal> {
        let sealed = self.encrypt(text);
        self.decrypt(sealed)
    }

    fn key(&self) -> Key {
        self.key.get().expect("the constructor makes a key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing::Tested;

    const ALICE: Address = Address([0xa1; 20]);
    const BOB: Address = Address([0xb0; 20]);

    fn text(text: &str) -> Bytes {
        Bytes(text.as_bytes().to_vec())
    }

    #[enigma_sdk::test]
    fn there_and_back(contract: &mut Tested<Encryption>) {
        contract.by(ALICE).construct().unwrap();
        for message in ["", "a", "the message that nobody else reads, longer than one block of the cipher"] {
            assert_eq!(contract.by(BOB).encrypt_decrypt(text(message)), Ok(text(message)));
            let sealed = contract.by(BOB).encrypt(text(message)).unwrap();
            assert_eq!(contract.by(BOB).decrypt(sealed), Ok(text(message)));
        }
    }

    #[enigma_sdk::test]
    fn only_what_was_encrypted_here_for_the_caller(contract: &mut Tested<Encryption>) {
        contract.by(ALICE).construct().unwrap();
        let sealed = contract.by(ALICE).encrypt(text("a secret")).unwrap();
        assert_ne!(contract.by(ALICE).encrypt(text("a secret")).unwrap(), sealed);
        let refused = Err(Refusal::NotEncryptedHere.into());
        assert_eq!(contract.by(BOB).decrypt(sealed.clone()), refused);
        let mut changed = sealed;
        changed.0[20] ^= 1;
        assert_eq!(contract.by(ALICE).decrypt(changed), refused);
        assert_eq!(contract.by(ALICE).decrypt(text("short")), refused);
    }

    #[enigma_sdk::test]
    fn a_text_does_not_show(contract: &mut Tested<Encryption>) {
        contract.by(ALICE).construct().unwrap();
        contract.leak_check(["yes, buy it", "no, sell it"], |contract, secret| {
            contract.by(ALICE).encrypt(text(secret)).unwrap();
        });
    }
}
