#[enigma_sdk::event]
pub struct Minted(u64);

fn main() {}
