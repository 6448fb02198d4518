use enigma_sdk::prelude::*;

#[enigma_sdk::state]
pub struct Token {
    owner: Value<Address>,
}

pub struct Order;

#[enigma_sdk::contract]
impl Token {
    #[call]
    pub fn place(&mut self, order: Order) {}
}

fn main() {}
