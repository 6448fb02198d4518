enigma_sdk::ethereum_contract!(Voting, r#"[{"type":"function","name":"vote","inputs":[{"name":"a","type":"uint7"}]}]"#);

fn main() {}
