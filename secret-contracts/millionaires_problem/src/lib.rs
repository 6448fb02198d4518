//! Yao's millionaires' problem: who is the richest, when nobody wants to say what they own?
//!
//! Everybody adds themselves with what they own. The contract answers a single question, who owns most. Nothing it
//! returns depends on the amounts in any other way.
//!
//! It is an example, and trusts the people who use it: anybody can add anybody, and who adds a person again and again with
//! other amounts learns from the answers what the richest owns. A contract for strangers would take the address from
//! `caller()`, take it once, and answer once everybody is there.
#![no_std]

use enigma_sdk::prelude::*;

/// The people and what each of them owns.
#[enigma_sdk::state]
pub struct MillionairesProblem {
    people: List<Address>,
    net_worths: Map<Address, U256>,
}

#[enigma_sdk::contract]
impl MillionairesProblem {
    /// Nobody has been added yet.
    #[constructor]
    pub fn construct(&mut self) {}

    /// Adds a person. Whoever is added again keeps their place and owns the new amount from then on, so that fortunes can
    /// grow and shrink.
    #[call]
    pub fn add_millionaire(&mut self, address: Address, net_worth: U256) {
        if !self.net_worths.contains(&address) {
            self.people.push(address);
        }
        self.net_worths.set(&address, net_worth);
    }

    /// Who owns most; among equals, who was added first.
    #[call]
    pub fn compute_richest(&self) -> Result<Address, String> {
        let mut richest = None;
        for person in self.people.iter() {
            let net_worth = self.net_worths.get_or_default(&person);
            if richest.is_none_or(|(_, most)| net_worth > most) {
                richest = Some((person, net_worth));
            }
        }
        richest.map(|(person, _)| person).ok_or_else(|| "nobody has been added yet".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::{Contract, testing};

    const ALICE: Address = Address([0xa1; 20]);
    const BOB: Address = Address([0xb0; 20]);

    #[test]
    fn finds_the_richer_one() {
        let mut contract = MillionairesProblem::default();
        contract.construct();
        assert_eq!(contract.compute_richest(), Err("nobody has been added yet".into()));
        contract.add_millionaire(ALICE, U256::from(1_000_000));
        assert_eq!(contract.compute_richest(), Ok(ALICE));
        contract.add_millionaire(BOB, U256::from(2_000_000));
        assert_eq!(contract.compute_richest(), Ok(BOB));
    }

    #[test]
    fn the_first_of_equals() {
        let mut contract = MillionairesProblem::default();
        contract.add_millionaire(BOB, U256::from(5));
        contract.add_millionaire(ALICE, U256::from(5));
        assert_eq!(contract.compute_richest(), Ok(BOB));
        let mut nobody_owns_anything = MillionairesProblem::default();
        nobody_owns_anything.add_millionaire(BOB, U256::ZERO);
        assert_eq!(contract.compute_richest(), Ok(ALICE));
    }

    #[test]
    fn fortunes_change() {
        let mut contract = MillionairesProblem::default();
        contract.add_millionaire(ALICE, U256::from(1));
        contract.add_millionaire(BOB, U256::from(2));
        contract.add_millionaire(BOB, U256::ZERO);
        assert_eq!(contract.compute_richest(), Ok(ALICE));
        contract.add_millionaire(BOB, U256::MAX);
        assert_eq!(contract.compute_richest(), Ok(BOB));
        assert_eq!(contract.people.len(), 2);
    }

    #[test]
    fn by_signature() {
        testing::deploy::<MillionairesProblem>("construct()", ()).unwrap();
        let add = |person: Address, net_worth: u64| {
            testing::call::<MillionairesProblem>("add_millionaire(address,uint256)", (person, U256::from(net_worth)))
        };
        assert_eq!(add(ALICE, 1_000_000), Ok(vec![]));
        assert_eq!(add(BOB, 2_000_000), Ok(vec![]));
        assert_eq!(testing::call::<MillionairesProblem>("compute_richest()", ()), Ok(testing::encoded(BOB)));
    }

    #[test]
    fn interface() {
        assert_eq!(
            MillionairesProblem::ABI_JSON,
            concat!(
                r#"[{"type":"constructor","inputs":[],"stateMutability":"nonpayable"},"#,
                r#"{"type":"function","name":"add_millionaire","inputs":[{"name":"address","type":"address"},"#,
                r#"{"name":"net_worth","type":"uint256"}],"outputs":[],"stateMutability":"nonpayable"},"#,
                r#"{"type":"function","name":"compute_richest","inputs":[],"outputs":[{"name":"","type":"address"}],"stateMutability":"view"}]"#,
            ),
        );
    }
}
