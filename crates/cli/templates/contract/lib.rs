//! Secret points: everybody collects their own, and nobody else learns how many.
#![no_std]

use enigma_sdk::prelude::*;

/// What the contract remembers. Only the enclave that runs it can read this.
#[enigma_sdk::state]
pub struct ContractName {
    most: Value<u64>,
    points: Map<Address, u64>,
}

#[enigma_sdk::contract]
impl ContractName {
    /// Runs once, when the contract is deployed. Nobody can have more than `most` points.
    #[constructor]
    pub fn construct(&mut self, most: u64) {
        self.most.set(most);
    }

    /// Gives the caller points, and tells how many they have now.
    #[call]
    pub fn add(&mut self, points: u64) -> u64 {
        let most = self.most.get_or_default();
        let sum = self.points.get_or_default(&caller()).saturating_add(points);
        ensure!(sum <= most, "nobody can have more than {most} points");
        self.points.set(&caller(), sum);
        sum
    }

    /// How many points the caller has.
    #[call]
    pub fn mine(&self) -> u64 {
        self.points.get_or_default(&caller())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing;

    const ALICE: Address = Address([0xa1; 20]);
    const BOB: Address = Address([0xb0; 20]);

    fn add(caller: Address, points: u64) -> Result<Vec<u8>, String> {
        testing::set_caller(caller);
        testing::call::<ContractName>("add(uint64)", (points,))
    }

    #[test]
    fn everybody_has_their_own_points() {
        testing::deploy::<ContractName>("construct(uint64)", (10u64,)).unwrap();
        assert_eq!(add(ALICE, 3), Ok(testing::encoded(3u64)));
        assert_eq!(add(BOB, 5), Ok(testing::encoded(5u64)));
        assert_eq!(add(ALICE, 4), Ok(testing::encoded(7u64)));
        assert_eq!(add(ALICE, 4), Err("nobody can have more than 10 points".into()));
        assert_eq!(testing::call::<ContractName>("mine()", ()), Ok(testing::encoded(7u64)));
    }
}
