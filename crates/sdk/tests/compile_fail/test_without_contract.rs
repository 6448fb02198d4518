#[enigma_sdk::test]
fn transfers() {}

fn main() {}
