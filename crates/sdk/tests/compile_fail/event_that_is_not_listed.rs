use enigma_sdk::prelude::*;

#[enigma_sdk::state]
pub struct Token {
    owner: Value<Address>,
}

#[enigma_sdk::event]
pub struct Minted {
    amount: U256,
}

#[enigma_sdk::contract]
impl Token {
    #[call]
    pub fn mint(&mut self, amount: U256) {
        self.emit(Minted { amount });
    }
}

fn main() {}
