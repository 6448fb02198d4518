use enigma_sdk::prelude::*;

#[enigma_sdk::state]
pub struct Token {
    owner: Value<Address>,
}

pub enum Wrong {
    Owner,
}

#[enigma_sdk::contract]
impl Token {
    #[call]
    pub fn mint(&mut self) -> Result<(), Wrong> {
        Err(Wrong::Owner)
    }
}

fn main() {}
