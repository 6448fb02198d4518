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
    use enigma_sdk::testing::Tested;

    const ALICE: Address = Address([0xa1; 20]);
    const BOB: Address = Address([0xb0; 20]);
    const CAROL: Address = Address([0xca; 20]);

    fn add(contract: &mut Tested<MillionairesProblem>, person: Address, net_worth: u64) {
        contract.by(person).add_millionaire(person, U256::from(net_worth)).unwrap();
    }

    #[enigma_sdk::test]
    fn finds_the_richer_one(contract: &mut Tested<MillionairesProblem>) {
        contract.by(ALICE).construct().unwrap();
        assert_eq!(contract.by(CAROL).compute_richest(), Err("nobody has been added yet".into()));
        add(contract, ALICE, 1_000_000);
        assert_eq!(contract.by(CAROL).compute_richest(), Ok(ALICE));
        add(contract, BOB, 2_000_000);
        assert_eq!(contract.by(CAROL).compute_richest(), Ok(BOB));
    }

    #[enigma_sdk::test]
    fn the_first_of_equals(contract: &mut Tested<MillionairesProblem>) {
        contract.by(ALICE).construct().unwrap();
        add(contract, BOB, 0);
        add(contract, ALICE, 0);
        assert_eq!(contract.by(CAROL).compute_richest(), Ok(BOB));
    }

    #[enigma_sdk::test]
    fn fortunes_change(contract: &mut Tested<MillionairesProblem>) {
        contract.by(ALICE).construct().unwrap();
        add(contract, ALICE, 1);
        add(contract, BOB, 2);
        add(contract, BOB, 0);
        assert_eq!(contract.by(CAROL).compute_richest(), Ok(ALICE));
        contract.by(BOB).add_millionaire(BOB, U256::MAX).unwrap();
        assert_eq!(contract.by(CAROL).compute_richest(), Ok(BOB));
    }

    #[enigma_sdk::test]
    fn fortunes_do_not_show(contract: &mut Tested<MillionairesProblem>) {
        contract.by(ALICE).construct().unwrap();
        contract.leak_check([(1, 2), (2, 1), (u64::MAX, 0)], |contract, (of_alice, of_bob)| {
            add(contract, ALICE, of_alice);
            add(contract, BOB, of_bob);
            contract.by(CAROL).compute_richest().unwrap();
        });
    }
}
