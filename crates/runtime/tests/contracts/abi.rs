//! Solidity's ABI, as much of it as these tests need.

/// An argument or a result.
pub enum Value {
    /// A static type: one word.
    Word([u8; 32]),
    /// `bytes` or `string`.
    Bytes(Vec<u8>),
    /// `T[]`
    Array(Vec<Value>),
}

use Value::{Array, Bytes, Word};

pub fn number(number: u128) -> Value {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&number.to_be_bytes());
    Word(word)
}

pub fn address(address: [u8; 20]) -> Value {
    let mut word = [0; 32];
    word[12..].copy_from_slice(&address);
    Word(word)
}

pub fn boolean(value: bool) -> Value {
    number(u128::from(value))
}

pub fn string(text: &str) -> Value {
    Bytes(text.as_bytes().to_vec())
}

/// The largest `uint256`.
pub const MAX: Value = Word([0xff; 32]);

/// Arguments or results in sequence.
pub fn encode<const N: usize>(values: [Value; N]) -> Vec<u8> {
    sequence(&values)
}

fn sequence(values: &[Value]) -> Vec<u8> {
    let mut heads = Vec::new();
    let mut tails = Vec::new();
    for value in values {
        let mut tail = match value {
            Word(word) => {
                heads.extend(word);
                continue;
            }
            Bytes(bytes) => {
                let padding = bytes.len().next_multiple_of(32) - bytes.len();
                [size(bytes.len()).to_vec(), bytes.clone(), vec![0; padding]].concat()
            }
            Array(elements) => [size(elements.len()).to_vec(), sequence(elements)].concat(),
        };
        heads.extend(size(32 * values.len() + tails.len()));
        tails.append(&mut tail);
    }
    [heads, tails].concat()
}

fn size(size: usize) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&(size as u64).to_be_bytes());
    word
}
