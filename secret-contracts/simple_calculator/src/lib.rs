//! A calculator whose numbers nobody else sees.
#![no_std]

use enigma_sdk::prelude::*;

/// It remembers nothing.
#[enigma_sdk::state]
pub struct SimpleCalculator;

#[enigma_sdk::contract]
impl SimpleCalculator {
    /// `a + b`
    #[call]
    pub fn add(&self, a: U256, b: U256) -> Result<U256, String> {
        a.checked_add(b).ok_or_else(|| "the sum is too large: it does not fit uint256".into())
    }

    /// `a - b`
    #[call]
    pub fn sub(&self, a: U256, b: U256) -> Result<U256, String> {
        a.checked_sub(b).ok_or_else(|| "the difference is negative: uint256 starts at 0".into())
    }

    /// `a * b`
    #[call]
    pub fn mul(&self, a: U256, b: U256) -> Result<U256, String> {
        a.checked_mul(b).ok_or_else(|| "the product is too large: it does not fit uint256".into())
    }

    /// `a / b`, rounded down.
    #[call]
    pub fn div(&self, a: U256, b: U256) -> Result<U256, String> {
        a.checked_div(b).ok_or_else(|| "division by zero".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::{Contract, testing};

    #[track_caller]
    fn check(function: &str, a: U256, b: U256, expected: Result<U256, &str>) {
        let result = testing::call::<SimpleCalculator>(&format!("{function}(uint256,uint256)"), (a, b));
        assert_eq!(result, expected.map(testing::encoded).map_err(String::from));
    }

    #[test]
    fn calculates() {
        check("add", U256::from(17), U256::from(25), Ok(U256::from(42)));
        check("sub", U256::from(76), U256::from(34), Ok(U256::from(42)));
        check("mul", U256::from(6), U256::from(7), Ok(U256::from(42)));
        check("div", U256::from(85), U256::from(2), Ok(U256::from(42)));
    }

    #[test]
    fn fails_with_a_readable_cause() {
        check("add", U256::MAX, U256::ONE, Err("the sum is too large: it does not fit uint256"));
        check("sub", U256::ZERO, U256::ONE, Err("the difference is negative: uint256 starts at 0"));
        check("mul", U256::MAX, U256::from(2), Err("the product is too large: it does not fit uint256"));
        check("div", U256::ONE, U256::ZERO, Err("division by zero"));
    }

    #[test]
    fn needs_no_constructor() {
        assert_eq!(testing::deploy::<SimpleCalculator>("construct()", ()), Ok(vec![]));
        assert_eq!(
            testing::deploy::<SimpleCalculator>("construct(uint256)", (U256::ONE,)),
            Err("no constructor `construct(uint256)`".into())
        );
        assert!(!SimpleCalculator::ABI_JSON.contains("constructor"));
    }
}
