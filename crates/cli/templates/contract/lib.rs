//! Secret points: everybody collects their own, and nobody else learns how many.
#![no_std]

use enigma_sdk::prelude::*;

/// What the contract remembers. Only the enclave that runs it can read this.
#[enigma_sdk::state]
pub struct ContractName {
    most: Value<u64>,
    points: Map<Address, u64>,
}

/// Why the contract refuses something. The caller reads the text, and clients decode it as a custom error of Solidity.
#[enigma_sdk::error]
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The sum would be too large.
    #[error("nobody can have more than {most} points")]
    TooMany {
        /// How many somebody can have.
        most: u64,
    },
}

/// Tells the caller, and nobody else, what happened.
#[enigma_sdk::event]
#[derive(Debug, PartialEq, Eq)]
pub struct Added {
    /// How many came.
    points: u64,
    /// How many there are now.
    sum: u64,
}

#[enigma_sdk::contract(events(Added))]
impl ContractName {
    /// Runs once, when the contract is deployed. Nobody can have more than `most` points.
    #[constructor]
    pub fn construct(&mut self, most: u64) {
        self.most.set(most);
    }

    /// A task that changes something: gives the caller points, and tells how many they have now.
    #[call]
    pub fn add(&mut self, points: u64) -> Result<u64, Refusal> {
        let most = self.most.get_or_default();
        let sum = self.points.get_or_default(&caller()).saturating_add(points);
        ensure!(sum <= most, Refusal::TooMany { most });
        self.points.set(&caller(), sum);
        self.emit(Added { points, sum });
        Ok(sum)
    }

    /// A query, which changes nothing and costs nothing: how many points the caller has. It can be a task, too.
    #[call]
    #[query]
    pub fn mine(&self) -> u64 {
        self.points.get_or_default(&caller())
    }
}

/// Each of these runs twice: natively, and compiled in the real runtime.
#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing::Tested;

    const OWNER: Address = Address([0x01; 20]);
    const ALICE: Address = Address([0xa1; 20]);
    const BOB: Address = Address([0xb0; 20]);

    #[enigma_sdk::test]
    fn everybody_has_their_own_points(contract: &mut Tested<ContractName>) {
        contract.by(OWNER).construct(10).unwrap();
        assert_eq!(contract.by(ALICE).add(3), Ok(3));
        assert_eq!(contract.by(BOB).add(5), Ok(5));
        assert_eq!(contract.by(ALICE).add(4), Ok(7));
        assert_eq!(contract.last().events::<Added>(), [Added { points: 4, sum: 7 }]);
        assert_eq!(contract.by(ALICE).add(4), Err(Refusal::TooMany { most: 10 }.into()));
        assert_eq!(contract.query(ALICE).mine(), Ok(7));
        assert_eq!(contract.query(OWNER).mine(), Ok(0));
    }

    /// Fails if gas, state keys, sizes or the order of calls tell an observer how many points were added.
    #[enigma_sdk::test]
    fn points_do_not_show(contract: &mut Tested<ContractName>) {
        contract.by(OWNER).construct(u64::MAX).unwrap();
        contract.leak_check([1, 1_000_000], |contract, points| {
            contract.by(ALICE).add(points).unwrap();
        });
    }
}
