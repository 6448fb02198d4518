use enigma_sdk::prelude::*;

#[enigma_sdk::state]
pub struct Token {
    owner: Value<Address>,
}

#[enigma_sdk::contract]
impl Token {
    #[call]
    pub fn mint(&mut self) {
        ensure_caller!(self.owner);
    }
}

fn main() {}
