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
    use enigma_sdk::{Contract, FixedBytes, testing};

    #[test]
    fn a_sum_is_kept_across_calls() {
        testing::deploy::<Simplest>("construct(uint256)", (U256::from(3),)).unwrap();
        let last_sum = || testing::call::<Simplest>("get_last_sum()", ());
        assert_eq!(last_sum(), Ok(testing::encoded(3u8)));
        let addition = |x, y| testing::call::<Simplest>("addition(uint256,uint256)", (x, y));
        assert_eq!(addition(U256::from(24), U256::from(67)), Ok(testing::encoded(91u8)));
        assert_eq!(addition(U256::MAX, U256::ONE), Err("the sum is too large for uint256".into()));
        assert_eq!(last_sum(), Ok(testing::encoded(91u8)));
    }

    #[test]
    fn texts_and_hashes() {
        let (text, hash) = Simplest::default().write();
        assert_eq!(text, "how secret is a secret?");
        assert_eq!(hash, keccak256(text));
    }

    #[test]
    fn randomness() {
        let contract = Simplest::default();
        let colors = (0..200).map(|_| contract.choose_rand_color()).fold(Vec::new(), |mut seen, color| {
            if !seen.contains(&color) {
                seen.push(color);
            }
            seen
        });
        assert_eq!(colors.len(), 8);
        assert_ne!(contract.get_scrambled_vec(), contract.get_scrambled_vec());
        let mut sorted = contract.get_scrambled_vec();
        sorted.sort();
        assert_eq!(sorted, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn arrays_and_nested_dynamic_arguments() {
        let (first, more) = (Address([1; 20]), vec![Address([2; 20]), Address([3; 20])]);
        assert_eq!(
            testing::call::<Simplest>("check_addresses(address,address[])", (first, more.clone())),
            Ok(testing::encoded(vec![first, more[0], more[1]]))
        );
        let arguments = (
            vec![Bytes(vec![1, 2]), Bytes(vec![]), Bytes(vec![7; 33])],
            vec![String::from("grüezi")],
            vec![FixedBytes([5; 32]), FixedBytes([6; 32])],
        );
        assert_eq!(
            testing::call::<Simplest>("dynamic_types(bytes[],string[],bytes32[])", arguments.clone()),
            Ok(testing::encoded(arguments))
        );
        assert!(Simplest::ABI_JSON.contains(r#""type":"uint8[10]""#));
    }
}
