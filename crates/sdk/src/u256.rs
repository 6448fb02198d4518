//! Solidity's `uint256`.
//!
//! The arithmetic is that of the `ruint` crate. It is wrapped because `ruint`'s operators wrap around silently, and in a
//! contract that holds money a sum that is too large must stop the call.

use borsh::{BorshDeserialize, BorshSerialize, io};
use core::fmt;
use core::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Rem, RemAssign, Sub, SubAssign};
use core::str::FromStr;

type Inner = ruint::Uint<256, 4>;

/// A whole number from 0 to 2²⁵⁶ − 1.
///
/// The operators `+ - * / %` stop the call with a readable failure when there is no result; the `checked_` functions
/// return `None`.
///
/// ```
/// use enigma_sdk::U256;
/// assert_eq!(U256::from(2) + U256::from(3), U256::from(5));
/// assert_eq!(U256::from(2).checked_sub(U256::from(3)), None);
/// assert_eq!("1000000000000000000".parse(), Ok(U256::from(10).checked_pow(18).unwrap()));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct U256(Inner);

impl U256 {
    /// 0
    pub const ZERO: U256 = U256(Inner::ZERO);
    /// 1
    pub const ONE: U256 = U256(Inner::ONE);
    /// 2²⁵⁶ − 1
    pub const MAX: U256 = U256(Inner::MAX);

    pub(crate) const fn from_limbs(limbs: [u64; 4]) -> U256 {
        U256(Inner::from_limbs(limbs))
    }

    pub(crate) const fn wrapping_add(self, other: U256) -> U256 {
        U256(self.0.wrapping_add(other.0))
    }

    pub(crate) const fn wrapping_neg(self) -> U256 {
        U256(self.0.wrapping_neg())
    }

    /// The number that 32 bytes mean, most significant byte first.
    pub fn from_be_bytes(bytes: [u8; 32]) -> U256 {
        let limb = |i: usize| {
            let mut limb = [0; 8];
            limb.copy_from_slice(&bytes[i..i + 8]);
            u64::from_be_bytes(limb)
        };
        U256(Inner::from_limbs([limb(24), limb(16), limb(8), limb(0)]))
    }

    /// The number as 32 bytes, most significant byte first.
    pub fn to_be_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (place, limb) in bytes.chunks_exact_mut(8).zip(self.0.as_limbs().iter().rev()) {
            place.copy_from_slice(&limb.to_be_bytes());
        }
        bytes
    }

    /// Whether this is 0.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// The sum, or `None` if it exceeds [`U256::MAX`].
    pub fn checked_add(self, other: U256) -> Option<U256> {
        self.0.checked_add(other.0).map(U256)
    }

    /// The difference, or `None` if it would be negative.
    pub fn checked_sub(self, other: U256) -> Option<U256> {
        self.0.checked_sub(other.0).map(U256)
    }

    /// The product, or `None` if it exceeds [`U256::MAX`].
    pub fn checked_mul(self, other: U256) -> Option<U256> {
        self.0.checked_mul(other.0).map(U256)
    }

    /// The quotient, rounded down, or `None` if `other` is 0.
    pub fn checked_div(self, other: U256) -> Option<U256> {
        self.0.checked_div(other.0).map(U256)
    }

    /// What a division leaves, or `None` if `other` is 0.
    pub fn checked_rem(self, other: U256) -> Option<U256> {
        self.0.checked_rem(other.0).map(U256)
    }

    /// The power, or `None` if it exceeds [`U256::MAX`].
    pub fn checked_pow(self, exponent: u32) -> Option<U256> {
        self.0.checked_pow(Inner::from(exponent)).map(U256)
    }

    /// The sum, or [`U256::MAX`] if it is larger.
    pub fn saturating_add(self, other: U256) -> U256 {
        U256(self.0.saturating_add(other.0))
    }

    /// The difference, or 0 if it would be negative.
    pub fn saturating_sub(self, other: U256) -> U256 {
        U256(self.0.saturating_sub(other.0))
    }
}

macro_rules! operator {
    ($operator:ident, $function:ident, $assign:ident, $assign_function:ident, $checked:ident, $text:literal) => {
        impl $operator for U256 {
            type Output = U256;

            fn $function(self, other: U256) -> U256 {
                match self.$checked(other) {
                    Some(result) => result,
                    None => panic!($text),
                }
            }
        }

        impl $assign for U256 {
            fn $assign_function(&mut self, other: U256) {
                *self = $operator::$function(*self, other);
            }
        }
    };
}

operator!(Add, add, AddAssign, add_assign, checked_add, "the sum is too large for uint256");
operator!(Sub, sub, SubAssign, sub_assign, checked_sub, "the difference is negative, which uint256 cannot hold");
operator!(Mul, mul, MulAssign, mul_assign, checked_mul, "the product is too large for uint256");
operator!(Div, div, DivAssign, div_assign, checked_div, "division by zero");
operator!(Rem, rem, RemAssign, rem_assign, checked_rem, "division by zero");

macro_rules! convert {
    ($($integer:ty),*) => { $(
        impl From<$integer> for U256 {
            fn from(number: $integer) -> Self {
                U256(Inner::from(number))
            }
        }

        impl TryFrom<U256> for $integer {
            type Error = TooLarge;

            fn try_from(number: U256) -> Result<Self, TooLarge> {
                <$integer>::try_from(number.0).map_err(|_| TooLarge)
            }
        }
    )* };
}

convert!(u8, u16, u32, u64, u128);

/// So that a plain literal becomes a number: `U256::from(10)`.
///
/// # Panics
/// If the number is negative.
impl From<i32> for U256 {
    fn from(number: i32) -> Self {
        match u32::try_from(number) {
            Ok(number) => U256::from(number),
            Err(_) => panic!("uint256 cannot hold a negative number"),
        }
    }
}

/// The number does not fit the smaller integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number is too large")
    }
}

impl core::error::Error for TooLarge {}

/// The text is not a whole number from 0 to 2²⁵⁶ − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANumber;

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a whole number from 0 to 2^256 - 1")
    }
}

impl core::error::Error for NotANumber {}

/// Decimal, or hexadecimal after `0x`.
impl FromStr for U256 {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let (digits, radix) = match text.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (text, 10),
        };
        if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
            return Err(NotANumber);
        }
        Inner::from_str_radix(digits, u64::from(radix)).map(U256).map_err(|_| NotANumber)
    }
}

impl fmt::Display for U256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for U256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl core::iter::Sum for U256 {
    fn sum<I: Iterator<Item = U256>>(numbers: I) -> U256 {
        numbers.fold(U256::ZERO, |sum, number| sum + number)
    }
}

impl BorshSerialize for U256 {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.to_be_bytes())
    }
}

impl BorshDeserialize for U256 {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Ok(U256::from_be_bytes(BorshDeserialize::deserialize_reader(reader)?))
    }

    fn deserialize(bytes: &mut &[u8]) -> io::Result<Self> {
        crate::types::read_array(bytes).map(U256::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn number(text: &str) -> U256 {
        text.parse().unwrap()
    }

    #[test]
    fn arithmetic() {
        let half = number("0x8000000000000000000000000000000000000000000000000000000000000000");
        assert_eq!(half.checked_add(half), None);
        assert_eq!(half.checked_add(half - U256::ONE), Some(U256::MAX));
        assert_eq!(half.checked_mul(U256::from(2)), None);
        assert_eq!(half / U256::from(2), number("0x4000000000000000000000000000000000000000000000000000000000000000"));
        assert_eq!(U256::MAX / U256::MAX, U256::ONE);
        assert_eq!(U256::MAX % U256::from(10), U256::from(5));
        assert_eq!(U256::ZERO.checked_sub(U256::ONE), None);
        assert_eq!(U256::ONE.checked_div(U256::ZERO), None);
        assert_eq!(U256::ONE.checked_rem(U256::ZERO), None);
        assert_eq!(U256::from(2).checked_pow(255), Some(half));
        assert_eq!(U256::from(2).checked_pow(256), None);
        let square = number("340282366920938463463374607431768211455");
        assert_eq!(
            square * square,
            number("115792089237316195423570985008687907852589419931798687112530834793049593217025")
        );
        assert_eq!([U256::ONE, U256::from(41)].into_iter().sum::<U256>(), U256::from(42));
    }

    #[test]
    #[should_panic(expected = "the sum is too large for uint256")]
    fn operators_do_not_wrap() {
        let _ = U256::MAX + U256::ONE;
    }

    #[test]
    fn texts() {
        let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        assert_eq!(U256::MAX.to_string(), max);
        assert_eq!(number(max), U256::MAX);
        assert_eq!(number("0xff"), U256::from(255));
        let too_large = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        for text in ["", "0x", "-1", "+1", "1_000", "ten", "1.0", too_large] {
            assert_eq!(text.parse::<U256>(), Err(NotANumber), "{text}");
        }
    }

    #[test]
    fn conversions() {
        assert_eq!(u64::try_from(U256::from(u64::MAX)), Ok(u64::MAX));
        assert_eq!(u64::try_from(U256::from(u128::from(u64::MAX) + 1)), Err(TooLarge));
        assert_eq!(U256::from_be_bytes(U256::from(258).to_be_bytes()), U256::from(258));
    }
}
