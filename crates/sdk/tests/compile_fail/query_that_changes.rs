use enigma_sdk::prelude::*;

#[enigma_sdk::state]
pub struct Token {
    owner: Value<Address>,
}

#[enigma_sdk::contract]
impl Token {
    #[query]
    pub fn mint(&mut self) {}
}

fn main() {}
