enigma_sdk::ethereum_contract!(Voting, "abi/Voting.json");

fn main() {}
