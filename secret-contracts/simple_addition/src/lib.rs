//! The sum of two numbers that nobody else sees. The smallest useful contract: no state, no constructor, one function.
#![no_std]

use enigma_sdk::prelude::*;

/// It remembers nothing.
#[enigma_sdk::state]
pub struct SimpleAddition;

#[enigma_sdk::contract]
impl SimpleAddition {
    /// `a + b`; a sum that does not fit `uint256` is a failure.
    #[call]
    pub fn addition(&self, a: U256, b: U256) -> U256 {
        a + b
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::{Contract, testing};

    fn addition(a: U256, b: U256) -> Result<Vec<u8>, String> {
        testing::call::<SimpleAddition>("addition(uint256,uint256)", (a, b))
    }

    #[test]
    fn adds() {
        assert_eq!(addition(U256::from(24), U256::from(67)), Ok(testing::encoded(U256::from(91))));
        assert_eq!(addition(U256::MAX, U256::ZERO), Ok(testing::encoded(U256::MAX)));
        assert_eq!(addition(U256::MAX, U256::ONE), Err("the sum is too large for uint256".into()));
    }

    #[test]
    fn has_no_constructor() {
        assert_eq!(testing::deploy::<SimpleAddition>("construct()", ()), Ok(vec![]));
        assert!(!SimpleAddition::ABI_JSON.contains("constructor"));
    }
}
