use enigma_sdk::prelude::*;

pub struct Order;

#[enigma_sdk::state]
pub struct Token {
    order: Value<Order>,
}

fn main() {}
