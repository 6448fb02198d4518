use enigma_sdk::prelude::*;

#[enigma_sdk::state]
pub struct Token {
    owner: Address,
}

fn main() {}
