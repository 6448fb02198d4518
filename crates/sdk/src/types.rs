//! Solidity's types that Rust does not have: addresses and bytes.

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize, io};
use core::fmt;

/// An Ethereum address.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// The address 0x0000000000000000000000000000000000000000.
    pub const ZERO: Address = Address([0; 20]);
}

/// `bytes1` to `bytes32`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FixedBytes<const N: usize>(pub [u8; N]);

/// `bytes32`: a hash, an identifier.
pub type Bytes32 = FixedBytes<32>;

impl<const N: usize> Default for FixedBytes<N> {
    fn default() -> Self {
        FixedBytes([0; N])
    }
}

/// `bytes`. (`Vec<u8>` is `uint8[]`, with 32 bytes for each element.)
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

macro_rules! display_as_hex {
    ([$($parameters:tt)*] $name:ty) => {
        impl<$($parameters)*> fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("0x")?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl<$($parameters)*> fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl<$($parameters)*> AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }
    };
}

display_as_hex!([] Address);
display_as_hex!([] Bytes);
display_as_hex!([const N: usize] FixedBytes<N>);

impl From<[u8; 20]> for Address {
    fn from(bytes: [u8; 20]) -> Self {
        Address(bytes)
    }
}

impl<const N: usize> From<[u8; N]> for FixedBytes<N> {
    fn from(bytes: [u8; N]) -> Self {
        FixedBytes(bytes)
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Bytes(bytes.to_vec())
    }
}

/// The same as through a reader, in much less code.
pub(crate) fn read_array<const N: usize>(bytes: &mut &[u8]) -> io::Result<[u8; N]> {
    let (array, rest) = bytes.split_first_chunk().ok_or(io::ErrorKind::InvalidData)?;
    *bytes = rest;
    Ok(*array)
}

impl BorshSerialize for Address {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.0)
    }
}

impl BorshDeserialize for Address {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Ok(Address(BorshDeserialize::deserialize_reader(reader)?))
    }

    fn deserialize(bytes: &mut &[u8]) -> io::Result<Self> {
        read_array(bytes).map(Address)
    }
}

impl<const N: usize> BorshSerialize for FixedBytes<N> {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.0)
    }
}

impl<const N: usize> BorshDeserialize for FixedBytes<N> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Ok(FixedBytes(BorshDeserialize::deserialize_reader(reader)?))
    }

    fn deserialize(bytes: &mut &[u8]) -> io::Result<Self> {
        read_array(bytes).map(FixedBytes)
    }
}

impl BorshSerialize for Bytes {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.0.serialize(writer)
    }
}

impl BorshDeserialize for Bytes {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Ok(Bytes(BorshDeserialize::deserialize_reader(reader)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn shown_as_hex() {
        assert_eq!(Address([0xab; 20]).to_string(), "0xabababababababababababababababababababab");
        assert_eq!(FixedBytes([1, 2]).to_string(), "0x0102");
        assert_eq!(Bytes(alloc::vec![]).to_string(), "0x");
    }
}
