//! Solidity's contract ABI: how arguments and results are written as bytes.
//!
//! The format is that of the [specification](https://docs.soliditylang.org/en/latest/abi-spec.html). Decoding reads
//! untrusted bytes: it refuses what does not fit its type (a `uint8` of 256, a `bool` of 2), never allocates more than
//! the input can hold, and reads each byte of the input at most once, so that nested arrays which all point at the same
//! place cannot blow up.

use crate::contract::Failure;
use crate::describe::{Signature, Type};
use crate::error::Failing;
use crate::{Address, Bytes, FixedBytes, I256, Int, U256, Uint};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// A Rust type that has a Solidity type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no Solidity type",
    label = "not a type of the Solidity ABI",
    note = "write one of: bool, u8 to u128, i8 to i128, U256, I256, Uint<N>, Int<N>, Address, String, Bytes, FixedBytes<N>, Bytes32, Vec<T>, [T; N], a tuple of these, or a struct of these with `#[enigma_sdk::data]`"
)]
pub trait Abi: Sized {
    /// Its Solidity type.
    const TYPE: Type;

    /// Whether the encoding's length depends on the value.
    const DYNAMIC: bool = Self::TYPE.is_dynamic();

    /// Bytes in the part of a sequence that holds this value, or the offset of its encoding.
    const HEAD_SIZE: usize = Self::TYPE.head_size();

    /// The types that a function returning this has in its list of results.
    const OUTPUTS: &'static [Type] = &[Self::TYPE];

    /// Appends the encoding of the value.
    fn encode(&self, out: &mut Encoder);

    /// Reads a value whose encoding begins `at` bytes into the input.
    ///
    /// # Errors
    /// If the bytes are not an encoding of this type.
    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError>;

    /// Appends the encoding as the results of a function.
    fn encode_outputs(&self, out: &mut Encoder) {
        Sequence::encode(out, |sequence, out| sequence.head(self, out), |sequence, out| sequence.tail(self, out));
    }

    /// Reads what [`encode_outputs`](Abi::encode_outputs) wrote.
    ///
    /// # Errors
    /// If the bytes are not the results of a function that returns this type.
    fn decode_outputs(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        decoder.next(0, &mut 0)
    }
}

/// Encodes values as the arguments or results of a function: `encode(&(a, b))`.
pub fn encode<T: Abi>(values: &T) -> Vec<u8> {
    let mut out = Encoder::new();
    values.encode_outputs(&mut out);
    out.finish()
}

/// Decodes the arguments or results of a function, given as a tuple: `decode::<(U256, Address)>(bytes)`.
///
/// # Errors
/// If the bytes are not an encoding of these types; the error tells which argument is wrong.
pub fn decode<T: Arguments>(input: &[u8]) -> Result<T, ArgumentError> {
    T::decode_arguments(&mut Decoder::new(input))
}

/// Decodes what a function returned: `decode_outputs::<U256>(bytes)`, and a tuple for several results.
///
/// # Errors
/// If the bytes are not the results of such a function.
pub fn decode_outputs<T: Outputs>(output: &[u8]) -> Result<T, DecodeError> {
    T::from_outputs(&mut Decoder::new(output))
}

/// What the caller of a function gets when it succeeds: nothing, a type of the Solidity ABI, or a tuple for several results.
pub trait Outputs: Sized {
    /// Reads the results.
    ///
    /// # Errors
    /// If the bytes are not the results of such a function.
    fn from_outputs(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError>;
}

impl Outputs for () {
    fn from_outputs(_: &mut Decoder<'_>) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl<T: Abi> Outputs for T {
    fn from_outputs(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        T::decode_outputs(decoder)
    }
}

/// Why bytes could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// There are fewer bytes than the type needs.
    TooShort,
    /// An offset or length points beyond the end.
    OutOfRange,
    /// Two values share bytes of the input.
    ReadTwice,
    /// The value has more bits than its type.
    TooLarge,
    /// A text is not UTF-8.
    NotUtf8,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl DecodeError {
    pub(crate) fn text(self) -> &'static str {
        match self {
            DecodeError::TooShort => "its encoding is too short",
            DecodeError::OutOfRange => "an offset or length points beyond the end",
            DecodeError::ReadTwice => "its encoding uses the same bytes twice",
            DecodeError::TooLarge => "the value does not fit the type",
            DecodeError::NotUtf8 => "the text is not UTF-8",
        }
    }
}

impl core::error::Error for DecodeError {}

/// Why arguments could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgumentError {
    /// Which argument, from 0.
    pub index: usize,
    /// What is wrong.
    pub reason: DecodeError,
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "argument {}: {}", self.index + 1, self.reason)
    }
}

impl core::error::Error for ArgumentError {}

/// The arguments of a function: a tuple.
pub trait Arguments: Sized {
    /// Reads them from the beginning of the input.
    ///
    /// # Errors
    /// If the bytes are not an encoding of these types.
    fn decode_arguments(decoder: &mut Decoder<'_>) -> Result<Self, ArgumentError>;
}

impl Arguments for () {
    fn decode_arguments(_: &mut Decoder<'_>) -> Result<(), ArgumentError> {
        Ok(())
    }
}

/// What a function of a contract may return.
#[diagnostic::on_unimplemented(
    message = "a contract cannot return `{Self}`",
    label = "not a type of the Solidity ABI",
    note = "return nothing, a type of the Solidity ABI (bool, u8 to u128, U256, Address, String, Bytes, Vec<T>, a tuple, a struct with `#[enigma_sdk::data]`, …), or `Result<T, E>` of one, where `E` is `String`, `&'static str` or a type with `#[enigma_sdk::error]`"
)]
pub trait Returns {
    /// What the caller gets when the function succeeds.
    type Success: Outputs;

    /// The types in the function's list of results.
    const OUTPUTS: &'static [Type];

    /// The errors with which the function can fail.
    const ERRORS: &'static [Signature];

    /// The encoded results, or why there are none.
    ///
    /// # Errors
    /// If the function returned an error.
    fn into_output(self) -> Result<Vec<u8>, Failure>;
}

impl Returns for () {
    type Success = ();

    const OUTPUTS: &'static [Type] = &[];
    const ERRORS: &'static [Signature] = &[];

    fn into_output(self) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }
}

impl<T: Abi> Returns for T {
    type Success = T;

    const OUTPUTS: &'static [Type] = <T as Abi>::OUTPUTS;
    const ERRORS: &'static [Signature] = &[];

    fn into_output(self) -> Result<Vec<u8>, Failure> {
        Ok(encode(&self))
    }
}

impl<T: Returns, E: Failing> Returns for Result<T, E> {
    type Success = T::Success;

    const OUTPUTS: &'static [Type] = T::OUTPUTS;
    const ERRORS: &'static [Signature] = E::ERRORS;

    fn into_output(self) -> Result<Vec<u8>, Failure> {
        match self {
            Ok(value) => value.into_output(),
            Err(error) => Err(error.into_failure()),
        }
    }
}

/// The input, and how much of it may still be read.
#[derive(Debug)]
pub struct Decoder<'a> {
    input: &'a [u8],
    unread: usize,
}

impl<'a> Decoder<'a> {
    /// Nothing of the input is read yet.
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Decoder { input, unread: input.len() }
    }

    fn take(&mut self, at: usize, length: usize) -> Result<&'a [u8], DecodeError> {
        let bytes = self.input.get(at..).and_then(|rest| rest.get(..length)).ok_or(DecodeError::TooShort)?;
        self.unread = self.unread.checked_sub(length).ok_or(DecodeError::ReadTwice)?;
        Ok(bytes)
    }

    fn word(&mut self, at: usize) -> Result<[u8; 32], DecodeError> {
        let mut word = [0; 32];
        word.copy_from_slice(self.take(at, 32)?);
        Ok(word)
    }

    /// An offset or a length: not larger than the input.
    fn size(&mut self, at: usize) -> Result<usize, DecodeError> {
        let word = self.word(at)?;
        let (high, low) = word.split_at(28);
        if high.iter().any(|byte| *byte != 0) {
            return Err(DecodeError::OutOfRange);
        }
        let size = low.iter().fold(0usize, |size, byte| size << 8 | usize::from(*byte));
        if size > self.input.len() {
            return Err(DecodeError::OutOfRange);
        }
        Ok(size)
    }

    /// The next value of a sequence that began at `base`; for the macros' output.
    ///
    /// # Errors
    /// If the bytes are not an encoding of this type.
    #[doc(hidden)]
    pub fn next<T: Abi>(&mut self, base: usize, cursor: &mut usize) -> Result<T, DecodeError> {
        let at = *cursor;
        *cursor = at.saturating_add(T::HEAD_SIZE);
        if T::DYNAMIC {
            let offset = self.size(at)?;
            T::decode(self, base.saturating_add(offset))
        } else {
            T::decode(self, at)
        }
    }

    fn bytes(&mut self, at: usize) -> Result<&'a [u8], DecodeError> {
        let length = self.size(at)?;
        self.take(at.saturating_add(32), length)
    }
}

/// What an encoding is written to. A `Vec` would do, and bring a kilobyte of code for what happens when it cannot grow.
#[derive(Debug, Default)]
pub struct Encoder {
    /// Zeros from `length` on.
    bytes: Vec<u8>,
    length: usize,
}

impl Encoder {
    const FIRST_BYTES: usize = 128;
    const MOST_BYTES: usize = 1 << 30;

    /// Nothing is written yet.
    pub fn new() -> Self {
        Encoder::default()
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.truncate(self.length);
        bytes
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let start = self.length;
        self.zeros(bytes.len());
        self.replace(start, bytes);
    }

    fn zeros(&mut self, count: usize) {
        self.length += count;
        if self.length > self.bytes.len() {
            // The bound, which no memory reaches, tells the compiler that this is a length.
            let mut larger = vec![0; (2 * self.length).clamp(Self::FIRST_BYTES, Self::MOST_BYTES)];
            if let Some(place) = larger.get_mut(..self.bytes.len()) {
                place.copy_from_slice(&self.bytes);
            }
            self.bytes = larger;
        }
    }

    fn replace(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}

/// Writes a sequence: first all heads, then the tails that they point at. For the macros' output.
#[doc(hidden)]
#[derive(Debug)]
pub struct Sequence {
    base: usize,
    cursor: usize,
}

impl Sequence {
    /// Heads, then tails.
    pub fn encode(
        out: &mut Encoder,
        heads: impl FnOnce(&mut Sequence, &mut Encoder),
        tails: impl FnOnce(&mut Sequence, &mut Encoder),
    ) {
        let mut sequence = Sequence { base: out.length, cursor: out.length };
        heads(&mut sequence, out);
        tails(&mut sequence, out);
    }

    /// A value in the first part, or room for where it will be.
    pub fn head<T: Abi>(&mut self, value: &T, out: &mut Encoder) {
        if T::DYNAMIC {
            out.zeros(32);
        } else {
            value.encode(out);
        }
    }

    /// A value in the second part, if that is where it belongs.
    pub fn tail<T: Abi>(&mut self, value: &T, out: &mut Encoder) {
        let head = self.cursor;
        self.cursor += T::HEAD_SIZE;
        if T::DYNAMIC {
            let offset = (out.length - self.base) as u32;
            out.replace(head + 28, &offset.to_be_bytes());
            value.encode(out);
        }
    }
}

fn encode_size(size: usize, out: &mut Encoder) {
    out.zeros(28);
    out.push(&(size as u32).to_be_bytes());
}

fn encode_bytes(bytes: &[u8], out: &mut Encoder) {
    encode_size(bytes.len(), out);
    out.push(bytes);
    let padding = bytes.len().next_multiple_of(32) - bytes.len();
    out.zeros(padding);
}

macro_rules! integer {
    ($($type:ty, $solidity:expr, $padding:expr;)*) => { $(
        impl Abi for $type {
            const TYPE: Type = $solidity;

            fn encode(&self, out: &mut Encoder) {
                let bytes = self.to_be_bytes();
                let mut word = [($padding)(*self); 32];
                word[32 - bytes.len()..].copy_from_slice(&bytes);
                out.push(&word);
            }

            fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
                const SIZE: usize = size_of::<$type>();
                let word = decoder.word(at)?;
                let mut bytes = [0; SIZE];
                bytes.copy_from_slice(&word[32 - SIZE..]);
                let number = <$type>::from_be_bytes(bytes);
                let padding = ($padding)(number);
                if word[..32 - SIZE].iter().any(|byte| *byte != padding) {
                    return Err(DecodeError::TooLarge);
                }
                Ok(number)
            }
        }
    )* };
}

integer! {
    u8, Type::Uint(8), |_| 0;
    u16, Type::Uint(16), |_| 0;
    u32, Type::Uint(32), |_| 0;
    u64, Type::Uint(64), |_| 0;
    u128, Type::Uint(128), |_| 0;
    i8, Type::Int(8), |number| if number < 0 { 0xff } else { 0 };
    i16, Type::Int(16), |number| if number < 0 { 0xff } else { 0 };
    i32, Type::Int(32), |number| if number < 0 { 0xff } else { 0 };
    i64, Type::Int(64), |number| if number < 0 { 0xff } else { 0 };
    i128, Type::Int(128), |number| if number < 0 { 0xff } else { 0 };
}

impl Abi for U256 {
    const TYPE: Type = Type::Uint(256);

    fn encode(&self, out: &mut Encoder) {
        out.push(&self.to_be_bytes());
    }

    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
        decoder.word(at).map(U256::from_be_bytes)
    }
}

impl Abi for I256 {
    const TYPE: Type = Type::Int(256);

    fn encode(&self, out: &mut Encoder) {
        out.push(&self.to_be_bytes());
    }

    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
        decoder.word(at).map(I256::from_be_bytes)
    }
}

impl<const BITS: usize> Abi for Uint<BITS> {
    const TYPE: Type = Type::Uint(crate::integers::width(BITS));

    fn encode(&self, out: &mut Encoder) {
        U256::from(*self).encode(out);
    }

    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
        U256::decode(decoder, at)?.try_into().map_err(|_| DecodeError::TooLarge)
    }
}

impl<const BITS: usize> Abi for Int<BITS> {
    const TYPE: Type = Type::Int(crate::integers::width(BITS));

    fn encode(&self, out: &mut Encoder) {
        I256::from(*self).encode(out);
    }

    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
        I256::decode(decoder, at)?.try_into().map_err(|_| DecodeError::TooLarge)
    }
}

impl Abi for bool {
    const TYPE: Type = Type::Named("bool");

    fn encode(&self, out: &mut Encoder) {
        encode_size(usize::from(*self), out);
    }

    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
        match u8::decode(decoder, at)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::TooLarge),
        }
    }
}

impl Abi for Address {
    const TYPE: Type = Type::Named("address");

    fn encode(&self, out: &mut Encoder) {
        out.zeros(12);
        out.push(&self.0);
    }

    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
        let word = decoder.word(at)?;
        let (high, low) = word.split_at(12);
        if high.iter().any(|byte| *byte != 0) {
            return Err(DecodeError::TooLarge);
        }
        let mut address = [0; 20];
        address.copy_from_slice(low);
        Ok(Address(address))
    }
}

impl<const N: usize> Abi for FixedBytes<N> {
    const TYPE: Type = {
        assert!(1 <= N && N <= 32, "Solidity has bytes1 to bytes32; use Bytes for any number of bytes");
        Type::FixedBytes(N)
    };

    fn encode(&self, out: &mut Encoder) {
        out.push(&self.0);
        out.zeros(32 - N);
    }

    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
        let word = decoder.word(at)?;
        let (bytes, padding) = word.split_at(N);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(DecodeError::TooLarge);
        }
        let mut fixed = [0; N];
        fixed.copy_from_slice(bytes);
        Ok(FixedBytes(fixed))
    }
}

impl Abi for Bytes {
    const TYPE: Type = Type::Named("bytes");

    fn encode(&self, out: &mut Encoder) {
        encode_bytes(&self.0, out);
    }

    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
        Ok(Bytes(decoder.bytes(at)?.to_vec()))
    }
}

impl Abi for String {
    const TYPE: Type = Type::Named("string");

    fn encode(&self, out: &mut Encoder) {
        encode_bytes(self.as_bytes(), out);
    }

    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
        match core::str::from_utf8(decoder.bytes(at)?) {
            Ok(text) => Ok(String::from(text)),
            Err(_) => Err(DecodeError::NotUtf8),
        }
    }
}

impl<T: Abi> Abi for Vec<T> {
    const TYPE: Type = Type::Array(&T::TYPE);

    fn encode(&self, out: &mut Encoder) {
        encode_size(self.len(), out);
        Sequence::encode(
            out,
            |sequence, out| self.iter().for_each(|element| sequence.head(element, out)),
            |sequence, out| self.iter().for_each(|element| sequence.tail(element, out)),
        );
    }

    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
        let length = decoder.size(at)?;
        let base = at.saturating_add(32);
        let available = decoder.input.len().saturating_sub(base);
        if length.saturating_mul(T::HEAD_SIZE) > available {
            return Err(DecodeError::TooShort);
        }
        let mut cursor = base;
        (0..length).map(|_| decoder.next(base, &mut cursor)).collect()
    }
}

impl<T: Abi, const N: usize> Abi for [T; N] {
    const TYPE: Type = {
        assert!(N > 0, "Solidity has no arrays of length zero");
        Type::FixedArray(&T::TYPE, N)
    };

    fn encode(&self, out: &mut Encoder) {
        Sequence::encode(
            out,
            |sequence, out| self.iter().for_each(|element| sequence.head(element, out)),
            |sequence, out| self.iter().for_each(|element| sequence.tail(element, out)),
        );
    }

    fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
        let mut cursor = at;
        let elements = (0..N).map(|_| decoder.next(at, &mut cursor)).collect::<Result<Vec<T>, _>>()?;
        elements.try_into().map_err(|_| DecodeError::TooShort)
    }
}

macro_rules! tuple {
    ($($name:ident),+) => {
        #[allow(non_snake_case)]
        impl<$($name: Abi),+> Abi for ($($name,)+) {
            const TYPE: Type = Type::Tuple(&[$($name::TYPE),+]);
            const OUTPUTS: &'static [Type] = &[$($name::TYPE),+];

            fn encode(&self, out: &mut Encoder) {
                let ($($name,)+) = self;
                Sequence::encode(
                    out,
                    |sequence, out| { $(sequence.head($name, out);)+ },
                    |sequence, out| { $(sequence.tail($name, out);)+ },
                );
            }

            fn decode(decoder: &mut Decoder<'_>, at: usize) -> Result<Self, DecodeError> {
                let mut cursor = at;
                Ok(($(decoder.next::<$name>(at, &mut cursor)?,)+))
            }

            fn encode_outputs(&self, out: &mut Encoder) {
                self.encode(out);
            }

            fn decode_outputs(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                Self::decode(decoder, 0)
            }
        }

        impl<$($name: Abi),+> Arguments for ($($name,)+) {
            fn decode_arguments(decoder: &mut Decoder<'_>) -> Result<Self, ArgumentError> {
                let mut cursor = 0;
                let mut index = 0;
                Ok(($({
                    let value = match decoder.next::<$name>(0, &mut cursor) {
                        Ok(value) => value,
                        Err(reason) => return Err(ArgumentError { index, reason }),
                    };
                    #[allow(unused_assignments)]
                    {
                        index += 1;
                    }
                    value
                },)+))
            }
        }
    };
}

tuple!(A);
tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);
tuple!(A, B, C, D, E);
tuple!(A, B, C, D, E, F);
tuple!(A, B, C, D, E, F, G);
tuple!(A, B, C, D, E, F, G, H);
tuple!(A, B, C, D, E, F, G, H, I);
tuple!(A, B, C, D, E, F, G, H, I, J);
tuple!(A, B, C, D, E, F, G, H, I, J, K);
tuple!(A, B, C, D, E, F, G, H, I, J, K, L);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    /// Words of 64 hexadecimal digits.
    fn words(words: &[&str]) -> Vec<u8> {
        let digits = words.concat();
        assert_eq!(digits.len() % 64, 0);
        (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
    }

    #[track_caller]
    fn check<T: Abi + Arguments + PartialEq + fmt::Debug>(values: T, encoding: &[&str]) {
        let encoding = words(encoding);
        assert_eq!(encode(&values), encoding);
        assert_eq!(decode::<T>(&encoding), Ok(values));
        // Every byte counts: without its end, no encoding can be read.
        for length in 0..encoding.len() {
            let shorter = decode::<T>(&encoding[..length]);
            assert!(shorter.is_err() || encoding[length..].iter().all(|byte| *byte == 0), "{length}");
        }
    }

    #[track_caller]
    fn refuse<T: Abi + Arguments + fmt::Debug>(encoding: &[&str], text: &str) {
        assert_eq!(decode::<T>(&words(encoding)).unwrap_err().to_string(), text);
    }

    const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";
    const ONE: &str = "0000000000000000000000000000000000000000000000000000000000000001";
    const TWO: &str = "0000000000000000000000000000000000000000000000000000000000000002";
    const H20: &str = "0000000000000000000000000000000000000000000000000000000000000020";
    const MAX: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

    // The examples of the specification.

    #[test]
    fn baz_uint32_bool() {
        check((69u32, true), &["0000000000000000000000000000000000000000000000000000000000000045", ONE]);
    }

    #[test]
    fn bar_bytes3_array() {
        check(
            ([FixedBytes(*b"abc"), FixedBytes(*b"def")],),
            &[
                "6162630000000000000000000000000000000000000000000000000000000000",
                "6465660000000000000000000000000000000000000000000000000000000000",
            ],
        );
    }

    #[test]
    fn sam_bytes_bool_uint256_array() {
        check(
            (Bytes(b"dave".to_vec()), true, vec![U256::from(1), U256::from(2), U256::from(3)]),
            &[
                "0000000000000000000000000000000000000000000000000000000000000060",
                ONE,
                "00000000000000000000000000000000000000000000000000000000000000a0",
                "0000000000000000000000000000000000000000000000000000000000000004",
                "6461766500000000000000000000000000000000000000000000000000000000",
                "0000000000000000000000000000000000000000000000000000000000000003",
                ONE,
                TWO,
                "0000000000000000000000000000000000000000000000000000000000000003",
            ],
        );
    }

    #[test]
    fn f_uint256_uint32_array_bytes10_bytes() {
        check(
            (U256::from(0x123), vec![0x456u32, 0x789], FixedBytes(*b"1234567890"), Bytes(b"Hello, world!".to_vec())),
            &[
                "0000000000000000000000000000000000000000000000000000000000000123",
                "0000000000000000000000000000000000000000000000000000000000000080",
                "3132333435363738393000000000000000000000000000000000000000000000",
                "00000000000000000000000000000000000000000000000000000000000000e0",
                TWO,
                "0000000000000000000000000000000000000000000000000000000000000456",
                "0000000000000000000000000000000000000000000000000000000000000789",
                "000000000000000000000000000000000000000000000000000000000000000d",
                "48656c6c6f2c20776f726c642100000000000000000000000000000000000000",
            ],
        );
    }

    #[test]
    fn g_nested_arrays_and_strings() {
        check(
            (
                vec![vec![U256::from(1), U256::from(2)], vec![U256::from(3)]],
                vec![String::from("one"), String::from("two"), String::from("three")],
            ),
            &[
                "0000000000000000000000000000000000000000000000000000000000000040",
                "0000000000000000000000000000000000000000000000000000000000000140",
                TWO,
                "0000000000000000000000000000000000000000000000000000000000000040",
                "00000000000000000000000000000000000000000000000000000000000000a0",
                TWO,
                ONE,
                TWO,
                ONE,
                "0000000000000000000000000000000000000000000000000000000000000003",
                "0000000000000000000000000000000000000000000000000000000000000003",
                "0000000000000000000000000000000000000000000000000000000000000060",
                "00000000000000000000000000000000000000000000000000000000000000a0",
                "00000000000000000000000000000000000000000000000000000000000000e0",
                "0000000000000000000000000000000000000000000000000000000000000003",
                "6f6e650000000000000000000000000000000000000000000000000000000000",
                "0000000000000000000000000000000000000000000000000000000000000003",
                "74776f0000000000000000000000000000000000000000000000000000000000",
                "0000000000000000000000000000000000000000000000000000000000000005",
                "7468726565000000000000000000000000000000000000000000000000000000",
            ],
        );
    }

    #[test]
    fn tuples_and_integers() {
        check(
            (Address([0x11; 20]), i8::MIN, -1i128, u128::MAX),
            &[
                "0000000000000000000000001111111111111111111111111111111111111111",
                "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff80",
                MAX,
                "00000000000000000000000000000000ffffffffffffffffffffffffffffffff",
            ],
        );
        // A static tuple lies in the head, a dynamic one behind an offset.
        check(((true, 2u8),), &[ONE, TWO]);
        check(
            ((true, Bytes(vec![])),),
            &[H20, ONE, "0000000000000000000000000000000000000000000000000000000000000040", ZERO],
        );
        check((vec![(1u8, [2u8; 2])],), &[H20, ONE, ONE, TWO, TWO]);
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        let h100 = "0000000000000000000000000000000000000000000000000000000000000100";
        refuse::<(U256, u8)>(&[ONE, h100], "argument 2: the value does not fit the type");
        refuse::<(bool,)>(&[TWO], "argument 1: the value does not fit the type");
        refuse::<(Address,)>(&[MAX], "argument 1: the value does not fit the type");
        refuse::<(FixedBytes<4>,)>(&[MAX], "argument 1: the value does not fit the type");
        refuse::<(i8,)>(
            &["ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00"],
            "argument 1: the value does not fit the type",
        );
        refuse::<(i8,)>(
            &["0000000000000000000000000000000000000000000000000000000000000080"],
            "argument 1: the value does not fit the type",
        );
        refuse::<(String,)>(&[H20, ONE, MAX], "argument 1: the text is not UTF-8");
    }

    #[test]
    fn hostile_lengths_are_refused() {
        refuse::<(U256,)>(&[], "argument 1: its encoding is too short");
        refuse::<(Vec<U256>,)>(&[MAX], "argument 1: an offset or length points beyond the end");
        refuse::<(Vec<U256>,)>(&[H20, MAX], "argument 1: an offset or length points beyond the end");
        refuse::<(Vec<U256>,)>(&[H20, TWO, ONE], "argument 1: its encoding is too short");
        refuse::<(Bytes,)>(&[H20, H20], "argument 1: its encoding is too short");
        refuse::<(Bytes,)>(
            &["0000000000000000000000000000000000000000000000000000000000000030", ONE],
            "argument 1: its encoding is too short",
        );
    }

    #[test]
    fn bytes_are_read_once() {
        // An array of arrays that all lie at the same place.
        let length = "0000000000000000000000000000000000000000000000000000000000000008";
        let offset = "0000000000000000000000000000000000000000000000000000000000000000";
        let mut bomb = vec![H20, length];
        bomb.extend([offset; 8]);
        bomb.extend([ZERO; 8]);
        assert!(decode::<(Vec<Vec<Vec<Vec<U256>>>>,)>(&words(&bomb)).is_ok());
        let mut bomb = vec![H20, TWO, "0000000000000000000000000000000000000000000000000000000000000040"];
        bomb.extend(["0000000000000000000000000000000000000000000000000000000000000040", TWO, ONE, ONE]);
        refuse::<(Vec<Vec<U256>>,)>(&bomb, "argument 1: its encoding uses the same bytes twice");
    }

    #[test]
    fn results_are_a_list() {
        assert_eq!((U256::ONE, true).into_output(), Ok(words(&[ONE, ONE])));
        assert_eq!(String::from("a").into_output().unwrap().len(), 96);
        assert_eq!(().into_output(), Ok(vec![]));
        assert_eq!(Err::<U256, _>("no").into_output(), Err(Failure::Text("no".into())));
        assert_eq!(decode_outputs(&words(&[ONE, TWO])), Ok((U256::ONE, 2u8)));
        assert_eq!(decode_outputs(&encode(&String::from("a"))), Ok(String::from("a")));
        assert_eq!(decode_outputs(&[]), Ok(()));
        assert_eq!(
            format!("{:?}", <Result<(U256, bool), String> as Returns>::OUTPUTS),
            format!("{:?}", [U256::TYPE, bool::TYPE])
        );
    }
}
