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
    use enigma_sdk::{
        Contract,
        testing::{Failure, Tested},
    };

    const ALICE: Address = Address([0xa1; 20]);

    #[enigma_sdk::test]
    fn calculates(calculator: &mut Tested<SimpleCalculator>) {
        calculator.by(ALICE).construct().unwrap();
        let number = |number: u64| U256::from(number);
        assert_eq!(calculator.by(ALICE).add(number(17), number(25)), Ok(number(42)));
        assert_eq!(calculator.by(ALICE).sub(number(76), number(34)), Ok(number(42)));
        assert_eq!(calculator.by(ALICE).mul(number(6), number(7)), Ok(number(42)));
        assert_eq!(calculator.by(ALICE).div(number(85), number(2)), Ok(number(42)));
    }

    #[enigma_sdk::test]
    fn fails_with_a_readable_cause(calculator: &mut Tested<SimpleCalculator>) {
        calculator.by(ALICE).construct().unwrap();
        let refused = |text: &str| Err(Failure::from(text));
        let two = U256::from(2);
        let results = [
            (calculator.by(ALICE).add(U256::MAX, U256::ONE), "the sum is too large: it does not fit uint256"),
            (calculator.by(ALICE).sub(U256::ZERO, U256::ONE), "the difference is negative: uint256 starts at 0"),
            (calculator.by(ALICE).mul(U256::MAX, two), "the product is too large: it does not fit uint256"),
            (calculator.by(ALICE).div(U256::ONE, U256::ZERO), "division by zero"),
        ];
        for (result, text) in results {
            assert_eq!(result, refused(text));
        }
    }

    /// How long multiplication and division take depends on the numbers, which the gas of such a task can show.
    #[enigma_sdk::test]
    fn summands_do_not_show(calculator: &mut Tested<SimpleCalculator>) {
        calculator.by(ALICE).construct().unwrap();
        calculator.leak_check([U256::ONE, U256::MAX], |calculator, secret| {
            calculator.by(ALICE).add(secret, U256::ZERO).unwrap();
            calculator.by(ALICE).sub(secret, U256::ONE).unwrap();
        });
    }

    #[test]
    fn has_no_constructor() {
        assert!(!SimpleCalculator::ABI_JSON.contains("constructor"));
    }
}
