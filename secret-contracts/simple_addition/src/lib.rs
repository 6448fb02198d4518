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
    use enigma_sdk::{Contract, testing::Tested};

    const ALICE: Address = Address([0xa1; 20]);

    #[enigma_sdk::test]
    fn adds(contract: &mut Tested<SimpleAddition>) {
        contract.by(ALICE).construct().unwrap();
        assert_eq!(contract.by(ALICE).addition(U256::from(24), U256::from(67)), Ok(U256::from(91)));
        assert_eq!(contract.by(ALICE).addition(U256::MAX, U256::ZERO), Ok(U256::MAX));
        let too_large = contract.by(ALICE).addition(U256::MAX, U256::ONE);
        assert_eq!(too_large, Err("the sum is too large for uint256".into()));
    }

    #[enigma_sdk::test]
    fn the_numbers_do_not_show(contract: &mut Tested<SimpleAddition>) {
        contract.by(ALICE).construct().unwrap();
        contract.leak_check(
            [(U256::ZERO, U256::ZERO), (U256::MAX, U256::ZERO), (U256::from(24), U256::from(67))],
            |contract, (a, b)| {
                contract.by(ALICE).addition(a, b).unwrap();
            },
        );
    }

    #[test]
    fn has_no_constructor() {
        assert!(!SimpleAddition::ABI_JSON.contains("constructor"));
    }
}
