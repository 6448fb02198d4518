#[enigma_sdk::error]
pub enum Wrong {
    Owner,
}

fn main() {}
