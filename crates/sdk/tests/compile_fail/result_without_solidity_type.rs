use enigma_sdk::prelude::*;

#[enigma_sdk::state]
pub struct Token {
    owner: Value<Address>,
}

#[enigma_sdk::contract]
impl Token {
    #[query]
    pub fn owner(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

fn main() {}
