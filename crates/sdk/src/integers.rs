//! Solidity's integers that Rust does not have: `int256`, and those of every width between.
//!
//! `uint256` is [`U256`]; `uint8` … `uint128` and `int8` … `int128` of the widths that Rust has are Rust's own.

use crate::{NotANumber, TooLarge, U256};
use borsh::{BorshDeserialize, BorshSerialize, io};
use core::cmp::Ordering;
use core::fmt;
use core::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Rem, RemAssign, Sub, SubAssign};
use core::str::FromStr;

/// A whole number from −2²⁵⁵ to 2²⁵⁵ − 1: Solidity's `int256`.
///
/// The operators stop the call with a readable failure when there is no result; the `checked_` functions return `None`.
///
/// ```
/// use enigma_sdk::I256;
/// assert_eq!(I256::from(2) - I256::from(5), I256::from(-3));
/// assert_eq!(I256::from(-7) / I256::from(2), I256::from(-3));
/// assert_eq!(I256::MIN.checked_sub(I256::from(1)), None);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct I256(U256);

/// 2²⁵⁵: the sign's bit.
const SIGN: U256 = U256::from_limbs([0, 0, 0, 1 << 63]);

impl I256 {
    /// 0
    pub const ZERO: I256 = I256(U256::ZERO);
    /// −2²⁵⁵
    pub const MIN: I256 = I256(SIGN);
    /// 2²⁵⁵ − 1
    pub const MAX: I256 = I256(U256::from_limbs([u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 1]));

    /// The number that 32 bytes in two's complement mean, most significant byte first.
    pub fn from_be_bytes(bytes: [u8; 32]) -> I256 {
        I256(U256::from_be_bytes(bytes))
    }

    /// The number as 32 bytes in two's complement, most significant byte first.
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes()
    }

    /// Whether this is less than 0.
    pub fn is_negative(&self) -> bool {
        self.0 >= SIGN
    }

    /// The distance from 0.
    pub fn unsigned_abs(self) -> U256 {
        if self.is_negative() { self.0.wrapping_neg() } else { self.0 }
    }

    /// The number with this distance from 0 on one side of it, if there is one.
    fn from_parts(negative: bool, distance: U256) -> Option<I256> {
        if negative {
            (distance <= SIGN).then(|| I256(distance.wrapping_neg()))
        } else {
            (distance < SIGN).then_some(I256(distance))
        }
    }

    /// The sum, or `None` if `int256` cannot hold it.
    pub fn checked_add(self, other: I256) -> Option<I256> {
        let sum = I256(self.0.wrapping_add(other.0));
        let overflow = self.is_negative() == other.is_negative() && sum.is_negative() != self.is_negative();
        (!overflow).then_some(sum)
    }

    /// The difference, or `None` if `int256` cannot hold it.
    pub fn checked_sub(self, other: I256) -> Option<I256> {
        let difference = I256(self.0.wrapping_add(other.0.wrapping_neg()));
        let overflow = self.is_negative() != other.is_negative() && difference.is_negative() != self.is_negative();
        (!overflow).then_some(difference)
    }

    /// The product, or `None` if `int256` cannot hold it.
    pub fn checked_mul(self, other: I256) -> Option<I256> {
        let distance = self.unsigned_abs().checked_mul(other.unsigned_abs())?;
        I256::from_parts(self.is_negative() != other.is_negative(), distance)
    }

    /// The quotient, rounded towards 0, or `None` if there is none.
    pub fn checked_div(self, other: I256) -> Option<I256> {
        let distance = self.unsigned_abs().checked_div(other.unsigned_abs())?;
        I256::from_parts(self.is_negative() != other.is_negative(), distance)
    }

    /// What a division leaves, with the sign of this number, or `None` if `other` is 0.
    pub fn checked_rem(self, other: I256) -> Option<I256> {
        let distance = self.unsigned_abs().checked_rem(other.unsigned_abs())?;
        I256::from_parts(self.is_negative(), distance)
    }

    /// The number on the other side of 0, or `None` for [`I256::MIN`].
    pub fn checked_neg(self) -> Option<I256> {
        I256::from_parts(!self.is_negative(), self.unsigned_abs())
    }
}

impl Ord for I256 {
    fn cmp(&self, other: &Self) -> Ordering {
        // With the sign's bit turned, the order is that of the bits.
        self.0.wrapping_add(SIGN).cmp(&other.0.wrapping_add(SIGN))
    }
}

impl PartialOrd for I256 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for I256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative() {
            f.write_str("-")?;
        }
        self.unsigned_abs().fmt(f)
    }
}

/// Decimal, or hexadecimal after `0x`, after an optional `-`.
impl FromStr for I256 {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        I256::from_parts(negative, digits.parse()?).ok_or(NotANumber)
    }
}

macro_rules! convert_signed {
    ($($integer:ty),*) => { $(
        impl From<$integer> for I256 {
            fn from(number: $integer) -> Self {
                let distance = U256::from(number.unsigned_abs());
                I256(if number < 0 { distance.wrapping_neg() } else { distance })
            }
        }

        impl TryFrom<I256> for $integer {
            type Error = TooLarge;

            fn try_from(number: I256) -> Result<Self, TooLarge> {
                let distance = u128::try_from(number.unsigned_abs())?;
                let number = if number.is_negative() { 0i128.checked_sub_unsigned(distance) } else { i128::try_from(distance).ok() };
                number.and_then(|number| number.try_into().ok()).ok_or(TooLarge)
            }
        }
    )* };
}

convert_signed!(i8, i16, i32, i64, i128);

impl TryFrom<U256> for I256 {
    type Error = TooLarge;

    fn try_from(number: U256) -> Result<Self, TooLarge> {
        I256::from_parts(false, number).ok_or(TooLarge)
    }
}

impl TryFrom<I256> for U256 {
    type Error = TooLarge;

    fn try_from(number: I256) -> Result<Self, TooLarge> {
        if number.is_negative() { Err(TooLarge) } else { Ok(number.0) }
    }
}

/// An unsigned number of `BITS` bits, such as `Uint<40>` for Solidity's `uint40`: 8 to 256 bits, in steps of 8.
///
/// The operators stop the call with a readable failure when there is no result; the `checked_` functions return `None`.
///
/// ```
/// use enigma_sdk::Uint;
/// let day = Uint::<24>::try_from(86_400u32).unwrap();
/// assert_eq!((day + day).to_string(), "172800");
/// assert_eq!(Uint::<24>::MAX.checked_add(day), None);
/// ```
///
/// Other widths do not compile:
///
/// ```compile_fail
/// const LARGEST: enigma_sdk::Uint<23> = enigma_sdk::Uint::MAX;
/// # let _ = LARGEST;
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uint<const BITS: usize>(U256);

impl<const BITS: usize> Uint<BITS> {
    /// 0
    pub const ZERO: Self = Self(U256::ZERO);
    /// The largest number.
    pub const MAX: Self = Self(max(width(BITS)));
}

/// A signed number of `BITS` bits, such as `Int<24>` for Solidity's `int24`: 8 to 256 bits, in steps of 8.
///
/// The operators stop the call with a readable failure when there is no result; the `checked_` functions return `None`.
///
/// ```
/// use enigma_sdk::Int;
/// let tick = Int::<24>::try_from(-887_272).unwrap();
/// assert_eq!((-tick).to_string(), "887272");
/// assert_eq!(Int::<24>::MIN.checked_neg(), None);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Int<const BITS: usize>(I256);

impl<const BITS: usize> Int<BITS> {
    /// 0
    pub const ZERO: Self = Self(I256::ZERO);
    /// The smallest number.
    pub const MIN: Self = Self(I256(U256::MAX.wrapping_add(max(width(BITS) - 1).wrapping_neg())));
    /// The largest number.
    pub const MAX: Self = Self(I256(max(width(BITS) - 1)));

    /// The number on the other side of 0, or `None` for [`MIN`](Self::MIN).
    pub fn checked_neg(self) -> Option<Self> {
        self.0.checked_neg()?.try_into().ok()
    }
}

impl<const BITS: usize> Neg for Int<BITS> {
    type Output = Self;

    fn neg(self) -> Self {
        match self.checked_neg() {
            Some(number) => number,
            None => panic!("the smallest number has no opposite in int{BITS}"),
        }
    }
}

impl Neg for I256 {
    type Output = I256;

    fn neg(self) -> I256 {
        match self.checked_neg() {
            Some(number) => number,
            None => panic!("the smallest number has no opposite in int256"),
        }
    }
}

/// The width, which Solidity must have.
pub(crate) const fn width(bits: usize) -> usize {
    assert!(8 <= bits && bits <= 256 && bits % 8 == 0, "Solidity has integers of 8 to 256 bits, in steps of 8");
    bits
}

/// 2^`bits` − 1.
const fn max(bits: usize) -> U256 {
    let mut limbs = [0; 4];
    let mut i = 0;
    while i < 4 {
        if bits >= 64 * (i + 1) {
            limbs[i] = u64::MAX;
        } else if bits > 64 * i {
            limbs[i] = (1 << (bits - 64 * i)) - 1;
        }
        i += 1;
    }
    U256::from_limbs(limbs)
}

macro_rules! narrow {
    ($name:ident, $wide:ident, $fits:expr) => {
        impl<const BITS: usize> $name<BITS> {
            /// The sum, or `None` if the type cannot hold it.
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0)?.try_into().ok()
            }

            /// The difference, or `None` if the type cannot hold it.
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0)?.try_into().ok()
            }

            /// The product, or `None` if the type cannot hold it.
            pub fn checked_mul(self, other: Self) -> Option<Self> {
                self.0.checked_mul(other.0)?.try_into().ok()
            }

            /// The quotient, rounded towards 0, or `None` if there is none.
            pub fn checked_div(self, other: Self) -> Option<Self> {
                self.0.checked_div(other.0)?.try_into().ok()
            }

            /// What a division leaves, or `None` if `other` is 0.
            pub fn checked_rem(self, other: Self) -> Option<Self> {
                self.0.checked_rem(other.0)?.try_into().ok()
            }
        }

        impl<const BITS: usize> TryFrom<$wide> for $name<BITS> {
            type Error = TooLarge;

            fn try_from(number: $wide) -> Result<Self, TooLarge> {
                let fits: fn(&$wide) -> bool = $fits;
                if fits(&number) { Ok(Self(number)) } else { Err(TooLarge) }
            }
        }

        impl<const BITS: usize> From<$name<BITS>> for $wide {
            fn from(number: $name<BITS>) -> Self {
                number.0
            }
        }

        impl<const BITS: usize> fmt::Display for $name<BITS> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<const BITS: usize> FromStr for $name<BITS> {
            type Err = NotANumber;

            fn from_str(text: &str) -> Result<Self, NotANumber> {
                text.parse::<$wide>()?.try_into().map_err(|_| NotANumber)
            }
        }
    };
}

narrow!(Uint, U256, |number| *number <= Self::MAX.0);
narrow!(Int, I256, |number| Self::MIN.0 <= *number && *number <= Self::MAX.0);

macro_rules! convert_narrow {
    ($name:ident, $wide:ident, $($integer:ty),*) => { $(
        impl<const BITS: usize> TryFrom<$integer> for $name<BITS> {
            type Error = TooLarge;

            fn try_from(number: $integer) -> Result<Self, TooLarge> {
                $wide::from(number).try_into()
            }
        }

        impl<const BITS: usize> TryFrom<$name<BITS>> for $integer {
            type Error = TooLarge;

            fn try_from(number: $name<BITS>) -> Result<Self, TooLarge> {
                number.0.try_into()
            }
        }
    )* };
}

convert_narrow!(Uint, U256, u8, u16, u32, u64, u128);
convert_narrow!(Int, I256, i8, i16, i32, i64, i128);

macro_rules! operator {
    ([$($parameters:tt)*] $name:ty, $operator:ident, $function:ident, $assign:ident, $assign_function:ident, $checked:ident, $text:literal) => {
        impl<$($parameters)*> $operator for $name {
            type Output = Self;

            fn $function(self, other: Self) -> Self {
                match self.$checked(other) {
                    Some(result) => result,
                    None => panic!($text),
                }
            }
        }

        impl<$($parameters)*> $assign for $name {
            fn $assign_function(&mut self, other: Self) {
                *self = $operator::$function(*self, other);
            }
        }
    };
}

macro_rules! operators {
    ([$($parameters:tt)*] $name:ty) => {
        operator!([$($parameters)*] $name, Add, add, AddAssign, add_assign, checked_add, "the sum does not fit its type");
        operator!([$($parameters)*] $name, Sub, sub, SubAssign, sub_assign, checked_sub, "the difference does not fit its type");
        operator!([$($parameters)*] $name, Mul, mul, MulAssign, mul_assign, checked_mul, "the product does not fit its type");
        operator!([$($parameters)*] $name, Div, div, DivAssign, div_assign, checked_div, "division by zero, or the quotient does not fit its type");
        operator!([$($parameters)*] $name, Rem, rem, RemAssign, rem_assign, checked_rem, "division by zero");

        impl<$($parameters)*> fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

operators!([] I256);
operators!([const BITS: usize] Uint<BITS>);
operators!([const BITS: usize] Int<BITS>);

impl BorshSerialize for I256 {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.0.serialize(writer)
    }
}

impl BorshDeserialize for I256 {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        U256::deserialize_reader(reader).map(I256)
    }
}

macro_rules! borsh_narrow {
    ($name:ident, $wide:ident) => {
        /// As many bytes as the type has, most significant first.
        impl<const BITS: usize> BorshSerialize for $name<BITS> {
            fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
                writer.write_all(self.0.to_be_bytes().get(32 - BITS / 8..).unwrap_or_default())
            }
        }

        impl<const BITS: usize> BorshDeserialize for $name<BITS> {
            fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
                let mut bytes = [0; 32];
                let (padding, number) = bytes.split_at_mut(32 - BITS / 8);
                reader.read_exact(number)?;
                // Only a signed number can have its highest bit set and be padded with ones.
                if Self::SIGNED && number.first().is_some_and(|byte| *byte >= 0x80) {
                    padding.fill(0xff);
                }
                Ok(Self($wide::from_be_bytes(bytes)))
            }
        }
    };
}

impl<const BITS: usize> Uint<BITS> {
    const SIGNED: bool = false;
}

impl<const BITS: usize> Int<BITS> {
    const SIGNED: bool = true;
}

borsh_narrow!(Uint, U256);
borsh_narrow!(Int, I256);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn edges() {
        assert_eq!(I256::MAX.checked_add(I256::from(1)), None);
        assert_eq!(I256::MIN.checked_div(I256::from(-1)), None);
        assert_eq!(I256::MIN.checked_neg(), None);
        assert_eq!(I256::MIN.checked_mul(I256::from(-1)), None);
        assert_eq!(I256::MIN + I256::MAX, I256::from(-1));
        assert!(I256::MIN < I256::from(-1) && I256::from(-1) < I256::ZERO && I256::ZERO < I256::MAX);
        assert_eq!(Uint::<8>::MAX.to_string(), "255");
        assert_eq!(Int::<8>::MIN.to_string(), "-128");
        assert_eq!(Int::<8>::MAX.to_string(), "127");
        assert_eq!(Uint::<256>::MAX, Uint(U256::MAX));
        assert_eq!((Int::<256>::MIN.0, Int::<256>::MAX.0), (I256::MIN, I256::MAX));
        assert_eq!(Uint::<40>::try_from(1u64 << 40), Err(TooLarge));
        assert_eq!("-129".parse::<Int<8>>(), Err(NotANumber));
        assert_eq!(borsh::to_vec(&Uint::<24>::try_from(258u32).unwrap()).unwrap(), [0, 1, 2]);
        assert_eq!(U256::try_from(I256::from(-1)), Err(TooLarge));
    }
}
