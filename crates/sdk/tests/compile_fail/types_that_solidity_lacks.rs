use enigma_sdk::prelude::*;

#[enigma_sdk::state]
pub struct Token {
    owner: Value<Address>,
}

#[enigma_sdk::contract]
impl Token {
    #[call]
    pub fn mint(&mut self, amount: usize, rate: f64, note: &str, to: Option<Address>) {}

    #[call]
    pub fn burn(amount: U256) {}
}

fn main() {}
