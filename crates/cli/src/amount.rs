//! Amounts of ENG as people write them: decimal texts, exact to the last of 18 digits. Money is never a float.

use std::{fmt, str::FromStr};

/// Digits after the point.
const DECIMALS: usize = 18;
/// Grains in one ENG.
const GRAINS: u128 = 1_000_000_000_000_000_000;

/// An amount of ENG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Eng {
    /// In the smallest unit.
    pub grains: u128,
}

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    /// Something else than digits and one point.
    #[error("`{0}` is not an amount of ENG such as 12 or 0.5")]
    NotANumber(String),
    /// Finer than a grain.
    #[error("`{0}` has more than 18 digits after the point; the smallest unit of ENG has 18")]
    TooFine(String),
    /// More than there can be.
    #[error("`{0}` is more ENG than fits 128 bits")]
    TooLarge(String),
}

impl Eng {
    /// Whole ENG.
    pub const fn whole(amount: u64) -> Self {
        // 2^64 · 10^18 stays below 2^128.
        Self { grains: amount as u128 * GRAINS }
    }

    /// Grains as an amount.
    pub const fn from_grains(grains: u128) -> Self {
        Self { grains }
    }
}

impl FromStr for Eng {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) {
            return Err(InvalidAmount::NotANumber(text.into()));
        }
        if fraction.len() > DECIMALS {
            return Err(InvalidAmount::TooFine(text.into()));
        }
        let too_large = || InvalidAmount::TooLarge(text.into());
        let whole: u128 = whole.parse().map_err(|_| too_large())?;
        let fraction: u128 = format!("{fraction:0<DECIMALS$}").parse().map_err(|_| too_large())?;
        let grains = whole.checked_mul(GRAINS).and_then(|grains| grains.checked_add(fraction)).ok_or_else(too_large)?;
        Ok(Self { grains })
    }
}

impl fmt::Display for Eng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:018}", self.grains % GRAINS);
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{}", self.grains / GRAINS),
            digits => write!(f, "{}.{digits}", self.grains / GRAINS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        let check = |text: &str, grains: u128, shown: &str| {
            let amount: Eng = text.parse().unwrap();
            assert_eq!((amount.grains, amount.to_string().as_str()), (grains, shown), "{text}");
            assert_eq!(shown.parse(), Ok(amount));
        };
        check("0", 0, "0");
        check("1", GRAINS, "1");
        check("0.000000000000000001", 1, "0.000000000000000001");
        check("0.1", GRAINS / 10, "0.1");
        check("007.50", 7 * GRAINS + GRAINS / 2, "7.5");
        check("340282366920938463463.374607431768211455", u128::MAX, "340282366920938463463.374607431768211455");
    }

    #[test]
    fn everything_else_is_refused() {
        let check = |text: &str, expected: fn(String) -> InvalidAmount| {
            assert_eq!(text.parse::<Eng>(), Err(expected(text.into())), "{text}");
        };
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "0x1", "1.2.3", "٣"] {
            check(text, InvalidAmount::NotANumber);
        }
        check("0.0000000000000000001", InvalidAmount::TooFine);
        check("340282366920938463463.374607431768211456", InvalidAmount::TooLarge);
        check("999999999999999999999999999999999999999999", InvalidAmount::TooLarge);
    }
}
