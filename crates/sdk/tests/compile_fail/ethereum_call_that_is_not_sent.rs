#![deny(unused_must_use)]

use enigma_sdk::Address;

enigma_sdk::ethereum_contract!(Voting, r#"[{"type":"function","name":"open","inputs":[]}]"#);

fn main() {
    Voting::at(Address::ZERO).open();
}
