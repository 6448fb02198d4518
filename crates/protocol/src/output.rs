//! What an executed task tells its caller: the plaintext of a sealed output.

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};

/// Largest encoding: the runtime allows 64 KiB of data, and as much of events with their lengths.
pub const MAX_OUTPUT_BYTES: usize = 160 << 10;

/// Something that a contract tells the caller beside the output.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Event {
    /// The Solidity signature, such as `Transfer(address,uint256)`.
    pub signature: String,
    /// All parameters, ABI encoded.
    pub data: Vec<u8>,
}

/// Status 0: the call returned.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Output {
    /// The result, ABI encoded.
    pub data: Vec<u8>,
    /// Events in their order.
    pub events: Vec<Event>,
}

/// Status 1: the contract refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Failure {
    /// Why, for people.
    pub text: String,
    /// A Solidity custom error, selector and arguments; or empty.
    pub data: Vec<u8>,
}

macro_rules! encoding {
    ($ty:ty) => {
        impl $ty {
            /// The canonical bytes.
            pub fn to_bytes(&self) -> Vec<u8> {
                // Writing to memory cannot fail.
                borsh::to_vec(self).unwrap_or_default()
            }

            /// Parses it; only the canonical form within [`MAX_OUTPUT_BYTES`] is accepted.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                if bytes.len() > MAX_OUTPUT_BYTES { None } else { borsh::from_slice(bytes).ok() }
            }
        }
    };
}

encoding!(Output);
encoding!(Failure);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn the_encoding_is_the_documented_one() {
        let event = Event { signature: "E(uint8)".into(), data: vec![7; 2] };
        let output = Output { data: vec![9], events: vec![event] };
        let bytes = b"\x01\0\0\0\x09\x01\0\0\0\x08\0\0\0E(uint8)\x02\0\0\0\x07\x07";
        assert_eq!(output.to_bytes(), bytes);
        assert_eq!(Output::from_bytes(bytes), Some(output));
        let failure = Failure { text: "no".into(), data: vec![1, 2, 3, 4] };
        let bytes = b"\x02\0\0\0no\x04\0\0\0\x01\x02\x03\x04";
        assert_eq!(failure.to_bytes(), bytes);
        assert_eq!(Failure::from_bytes(bytes), Some(failure));
    }

    #[test]
    fn what_is_too_large_or_longer_than_it_says_is_refused() {
        let largest = Output { data: vec![0; MAX_OUTPUT_BYTES - 8], events: Vec::new() };
        assert!(Output::from_bytes(&largest.to_bytes()).is_some());
        let larger = Output { data: vec![0; MAX_OUTPUT_BYTES - 7], events: Vec::new() };
        assert!(Output::from_bytes(&larger.to_bytes()).is_none());
        assert!(Output::from_bytes(b"\xff\xff\xff\xff\xff\xff\xff\xff").is_none());
        assert!(Output::from_bytes(b"\0\0\0\0\0\0\0\0\0").is_none());
        assert!(Failure::from_bytes(b"\x01\0\0\0\xff\0\0\0\0").is_none());
    }

    proptest! {
        #[test]
        fn only_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Some(output) = Output::from_bytes(&bytes) {
                prop_assert_eq!(output.to_bytes(), bytes.clone());
            }
            if let Some(failure) = Failure::from_bytes(&bytes) {
                prop_assert_eq!(failure.to_bytes(), bytes);
            }
        }
    }
}
