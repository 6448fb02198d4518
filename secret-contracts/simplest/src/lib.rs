//! One small function for each thing that a contract can do: a tour of types, state and randomness.
#![no_std]

use enigma_sdk::prelude::*;

const COLORS: [&str; 8] = ["green", "yellow", "red", "blue", "white", "black", "orange", "purple"];

/// Values of three types.
#[enigma_sdk::state]
pub struct Simplest {
    text: Value<String>,
    hash: Value<Bytes32>,
    last_sum: Value<U256>,
}

#[enigma_sdk::contract]
impl Simplest {
    /// Takes the number that `get_last_sum` gives until there is a sum.
    #[constructor]
    pub fn construct(&mut self, param: U256) {
        self.last_sum.set(param);
    }

    /// Writes a text and its hash to the state, and reads both again.
    #[call]
    pub fn write(&mut self) -> (String, Bytes32) {
        self.text.set("how secret is a secret?".into());
        self.hash.set(keccak256(self.text.get_or_default()));
        (self.text.get_or_default(), self.hash.get_or_default())
    }

    /// `x + y`, which is remembered.
    #[call]
    pub fn addition(&mut self, x: U256, y: U256) -> U256 {
        let sum = x + y;
        self.last_sum.set(sum);
        sum
    }

    /// The sum of the last addition.
    #[call]
    #[query]
    pub fn get_last_sum(&self) -> U256 {
        self.last_sum.get_or_default()
    }

    /// One of eight colours.
    #[call]
    pub fn choose_rand_color(&self) -> String {
        COLORS[random_below(COLORS.len() as u64) as usize].into()
    }

    /// The numbers from 1 to 10 in a random order.
    #[call]
    pub fn get_scrambled_vec(&self) -> [u8; 10] {
        let mut numbers = core::array::from_fn(|index| index as u8 + 1);
        shuffle(&mut numbers);
        numbers
    }

    /// Takes an address and some more, and returns them all in one array.
    #[call]
    pub fn check_addresses(&self, first: Address, more: Vec<Address>) -> Vec<Address> {
        [vec![first], more].concat()
    }

    /// Takes arrays, also of values that have no fixed size themselves, and returns each as it came.
    #[call]
    pub fn dynamic_types(
        &self,
        bytes: Vec<Bytes>,
        strings: Vec<String>,
        hashes: Vec<Bytes32>,
    ) -> (Vec<Bytes>, Vec<String>, Vec<Bytes32>) {
        (bytes, strings, hashes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::{Contract, FixedBytes, testing::Tested};

    const ALICE: Address = Address([0xa1; 20]);
    const BOB: Address = Address([0xb0; 20]);

    fn deploy(contract: &mut Tested<Simplest>) {
        contract.by(ALICE).construct(U256::from(3)).unwrap();
    }

    #[enigma_sdk::test]
    fn a_sum_is_kept_across_calls(contract: &mut Tested<Simplest>) {
        deploy(contract);
        assert_eq!(contract.by(BOB).get_last_sum(), Ok(U256::from(3)));
        assert_eq!(contract.by(ALICE).addition(U256::from(24), U256::from(67)), Ok(U256::from(91)));
        let too_large = contract.by(ALICE).addition(U256::MAX, U256::ONE);
        assert_eq!(too_large, Err("the sum is too large for uint256".into()));
        assert_eq!(contract.query(BOB).get_last_sum(), Ok(U256::from(91)));
    }

    #[enigma_sdk::test]
    fn texts_and_hashes(contract: &mut Tested<Simplest>) {
        deploy(contract);
        let (text, hash) = contract.by(ALICE).write().unwrap();
        assert_eq!(text, "how secret is a secret?");
        assert_eq!(hash, keccak256(text));
        assert_eq!(contract.last().changes.len(), 2);
    }

    #[enigma_sdk::test]
    fn randomness(contract: &mut Tested<Simplest>) {
        deploy(contract);
        let mut seen = Vec::new();
        for _ in 0..100 {
            let color = contract.by(ALICE).choose_rand_color().unwrap();
            if !seen.contains(&color) {
                seen.push(color);
            }
        }
        assert_eq!(seen.len(), 8);
        let orders = [(); 3].map(|()| contract.by(ALICE).get_scrambled_vec().unwrap());
        assert!(orders[0] != orders[1] && orders[1] != orders[2]);
        for mut order in orders {
            order.sort();
            assert_eq!(order, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        }
    }

    #[enigma_sdk::test]
    fn arrays_and_nested_dynamic_arguments(contract: &mut Tested<Simplest>) {
        deploy(contract);
        let more = vec![Address([2; 20]), Address([3; 20])];
        let all = contract.by(BOB).check_addresses(ALICE, more.clone());
        assert_eq!(all, Ok(vec![ALICE, more[0], more[1]]));
        let (bytes, strings, hashes) = (
            vec![Bytes(vec![1, 2]), Bytes(vec![]), Bytes(vec![7; 33])],
            vec![String::from("grüezi")],
            vec![FixedBytes([5; 32]), FixedBytes([6; 32])],
        );
        let returned = contract.by(BOB).dynamic_types(bytes.clone(), strings.clone(), hashes.clone());
        assert_eq!(returned, Ok((bytes, strings, hashes)));
        assert!(Simplest::ABI_JSON.contains(r#""type":"uint8[10]""#));
    }

    #[enigma_sdk::test]
    fn a_sum_does_not_show(contract: &mut Tested<Simplest>) {
        deploy(contract);
        contract.leak_check([U256::ZERO, U256::MAX], |contract, secret| {
            contract.by(ALICE).addition(secret, U256::ZERO).unwrap();
            contract.by(ALICE).get_last_sum().unwrap();
        });
    }
}
