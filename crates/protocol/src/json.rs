//! JSON forms of bytes and numbers, and of the structures that IPC and RPC share.
//!
//! IPC hexadecimal is lower-case without `0x` ([`Hex`]), Ethereum-facing hexadecimal has it ([`Hex0x`]); both accept both.
//! Numbers above 2^53 are written as decimal strings ([`U128`]), because JavaScript would round them.

use crate::{
    primitives::{Address, Hash, ScAddress, TaskId},
    receipt::{Receipt, Status},
    record::Record,
    signature::Signature,
};
use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::{fmt, marker::PhantomData};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

/// Bytes as hexadecimal without prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hex<T>(pub T);

/// Bytes as hexadecimal with `0x`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hex0x<T>(pub T);

/// A type that hexadecimal digits are parsed into.
pub trait FromBytes: Sized {
    /// Takes the bytes, or `None` when their number is wrong.
    fn from_bytes(bytes: Vec<u8>) -> Option<Self>;
}

impl FromBytes for Vec<u8> {
    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Some(bytes)
    }
}

macro_rules! from_bytes {
    ($($name:ty),*) => { $(impl FromBytes for $name {
        fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
            Self::try_from(bytes.as_slice()).ok()
        }
    })* };
}
from_bytes!(Hash, TaskId, ScAddress, Address, Signature);

fn parse_hex<T: FromBytes, E: de::Error>(text: &str) -> Result<T, E> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let length = digits.len() / 2;
    let mut bytes = vec![0; length];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| E::custom("expected hexadecimal digits"))?;
    T::from_bytes(bytes).ok_or_else(|| E::custom(format!("{length} bytes are not the expected length")))
}

fn hex_text(prefix: &str, bytes: &[u8]) -> String {
    let mut digits = vec![0; bytes.len().saturating_mul(2)];
    // As long as it has to be, and digits are text.
    let _ = hex::encode_to_slice(bytes, &mut digits);
    let mut text = String::with_capacity(prefix.len().saturating_add(digits.len()));
    text.push_str(prefix);
    text.push_str(core::str::from_utf8(&digits).unwrap_or_default());
    text
}

/// Reads a text of hexadecimal digits where it stands.
struct HexText<T>(PhantomData<T>);

impl<T: FromBytes> Visitor<'_> for HexText<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text of hexadecimal digits")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        parse_hex(text)
    }
}

macro_rules! hex_serde {
    ($name:ident, $prefix:literal) => {
        impl<T: AsRef<[u8]>> Serialize for $name<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&hex_text($prefix, self.0.as_ref()))
            }
        }
        impl<'de, T: FromBytes> Deserialize<'de> for $name<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(HexText(PhantomData)).map($name)
            }
        }
    };
}
hex_serde!(Hex, "");
hex_serde!(Hex0x, "0x");

/// Bytes written as `[]`, an array of byte values, in the message set; hexadecimal is accepted in its place. A core that is asked
/// for it (`encoding`) writes hexadecimal too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByteArray(pub Vec<u8>);

impl Serialize for ByteArray {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As bytes and not as a sequence, so that whoever writes the text chooses between array and hexadecimal.
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for ByteArray {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = ByteArray;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of byte values or hexadecimal digits")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteArray, E> {
                parse_hex(text).map(ByteArray)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ByteArray, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = items.next_element::<u8>()? {
                    bytes.push(byte);
                }
                Ok(ByteArray(bytes))
            }
        }
        deserializer.deserialize_any(Bytes)
    }
}

/// A number of up to 128 bits: written as a decimal string, read from a string or a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct U128(pub u128);

impl Serialize for U128 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string())
    }
}

impl<'de> Deserialize<'de> for U128 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = U128;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, as a number or a decimal string")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<U128, E> {
                Ok(U128(value.into()))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<U128, E> {
                text.parse().map(U128).map_err(|_| E::custom("expected a decimal number"))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// A number of up to 64 bits, written as a number, read from a number or a decimal string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct U64(pub u64);

impl Serialize for U64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for U64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let U128(value) = U128::deserialize(deserializer)?;
        u64::try_from(value).map(U64).map_err(|_| de::Error::custom("the number exceeds 64 bits"))
    }
}

/// A record as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields are those of `Record`")]
pub struct RecordJson {
    pub sc: Hex0x<ScAddress>,
    pub sender: Hex0x<Address>,
    pub sender_nonce: U64,
    pub inputs_hash: Hex0x<Hash>,
    pub timestamp: U64,
    pub prevrandao: Hex0x<Hash>,
    pub inlined: bool,
    pub gas_limit: U64,
    pub gas_price: U128,
    pub value: U128,
    pub call_gas: U64,
    pub epoch: U64,
    pub block_number: U64,
    pub due: U64,
    pub record_index: U64,
}

impl From<&Record> for RecordJson {
    fn from(record: &Record) -> Self {
        Self {
            sc: Hex0x(record.sc),
            sender: Hex0x(record.sender),
            sender_nonce: U64(record.sender_nonce),
            inputs_hash: Hex0x(record.inputs_hash),
            timestamp: U64(record.timestamp),
            prevrandao: Hex0x(record.prevrandao),
            inlined: record.inlined,
            gas_limit: U64(record.gas_limit),
            gas_price: U128(record.gas_price),
            value: U128(record.value),
            call_gas: U64(record.call_gas),
            epoch: U64(record.epoch),
            block_number: U64(record.block_number),
            due: U64(record.due),
            record_index: U64(record.record_index),
        }
    }
}

impl From<RecordJson> for Record {
    fn from(json: RecordJson) -> Self {
        Self {
            sc: json.sc.0,
            sender: json.sender.0,
            sender_nonce: json.sender_nonce.0,
            inputs_hash: json.inputs_hash.0,
            timestamp: json.timestamp.0,
            prevrandao: json.prevrandao.0,
            inlined: json.inlined,
            gas_limit: json.gas_limit.0,
            gas_price: json.gas_price.0,
            value: json.value.0,
            call_gas: json.call_gas.0,
            epoch: json.epoch.0,
            block_number: json.block_number.0,
            due: json.due.0,
            record_index: json.record_index.0,
        }
    }
}

/// A receipt as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields are those of `Receipt`")]
pub struct ReceiptJson {
    pub task_id: Hex0x<TaskId>,
    pub sc: Hex0x<ScAddress>,
    pub record_index: U64,
    pub delta_index: U64,
    pub epoch: U64,
    pub rank: u8,
    pub generation: u32,
    pub exe_code_hash: Hex0x<Hash>,
    pub inputs_hash: Hex0x<Hash>,
    pub previous_tip: Hex0x<Hash>,
    pub tip: Hex0x<Hash>,
    pub output_hash: Hex0x<Hash>,
    pub gas_used: U64,
    pub status: u8,
    pub call_target: Hex0x<Address>,
    pub call_data_hash: Hex0x<Hash>,
    pub call_gas: U64,
    pub pay_to: Hex0x<Address>,
    pub pay_amount: U128,
}

impl From<&Receipt> for ReceiptJson {
    fn from(receipt: &Receipt) -> Self {
        Self {
            task_id: Hex0x(receipt.task_id),
            sc: Hex0x(receipt.sc),
            record_index: U64(receipt.record_index),
            delta_index: U64(receipt.delta_index),
            epoch: U64(receipt.epoch),
            rank: receipt.rank,
            generation: receipt.generation,
            exe_code_hash: Hex0x(receipt.exe_code_hash),
            inputs_hash: Hex0x(receipt.inputs_hash),
            previous_tip: Hex0x(receipt.previous_tip),
            tip: Hex0x(receipt.tip),
            output_hash: Hex0x(receipt.output_hash),
            gas_used: U64(receipt.gas_used),
            status: receipt.status as u8,
            call_target: Hex0x(receipt.call_target),
            call_data_hash: Hex0x(receipt.call_data_hash),
            call_gas: U64(receipt.call_gas),
            pay_to: Hex0x(receipt.pay_to),
            pay_amount: U128(receipt.pay_amount),
        }
    }
}

/// A number that is no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a task status")]
pub struct UnknownStatus(pub u8);

impl TryFrom<ReceiptJson> for Receipt {
    type Error = UnknownStatus;
    fn try_from(json: ReceiptJson) -> Result<Self, UnknownStatus> {
        Ok(Self {
            task_id: json.task_id.0,
            sc: json.sc.0,
            record_index: json.record_index.0,
            delta_index: json.delta_index.0,
            epoch: json.epoch.0,
            rank: json.rank,
            generation: json.generation,
            exe_code_hash: json.exe_code_hash.0,
            inputs_hash: json.inputs_hash.0,
            previous_tip: json.previous_tip.0,
            tip: json.tip.0,
            output_hash: json.output_hash.0,
            gas_used: json.gas_used.0,
            status: Status::from_u8(json.status).ok_or(UnknownStatus(json.status))?,
            call_target: json.call_target.0,
            call_data_hash: json.call_data_hash.0,
            call_gas: json.call_gas.0,
            pay_to: json.pay_to.0,
            pay_amount: json.pay_amount.0,
        })
    }
}
