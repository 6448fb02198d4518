//! Calls of a contract on Ethereum, which records what a secret contract found out.
//!
//! A task makes at most one call, after the secret contract has ended and when Ethereum accepts the receipt; so the call has no
//! result here, and nothing is called if the task fails. The call is public. The task must have bought gas for it.
#![no_std]

use enigma_sdk::prelude::*;

enigma_sdk::ethereum_contract!(
    /// The contract that is called; `ethereum/Recorder.sol` is an example of one.
    pub Recorder,
    "abi/Recorder.json"
);

/// It remembers how many calls it has asked for.
#[enigma_sdk::state]
pub struct ContractWithEthCalls {
    calls: Value<u64>,
}

#[enigma_sdk::contract]
impl ContractWithEthCalls {
    /// Returns `x + y` and has it recorded on Ethereum: the sum becomes public, `x` and `y` stay secret.
    #[call]
    pub fn sum_and_call(&mut self, x: U256, y: U256, recorder: Address) -> U256 {
        let sum = x + y;
        self.count();
        Recorder::at(recorder).record_sum(sum).send();
        sum
    }

    /// Has a text and numbers recorded: arguments of any size.
    #[call]
    pub fn note_and_call(&mut self, note: String, numbers: Vec<U256>, recorder: Address) {
        self.count();
        Recorder::at(recorder).record_note(caller(), note, numbers).send();
    }

    /// Asks for two calls in one task, which fails, and then neither happens.
    #[call]
    pub fn call_twice(&mut self, recorder: Address) {
        self.count();
        Recorder::at(recorder).record_sum(U256::ONE).send();
        Recorder::at(recorder).record_sum(U256::ZERO).send();
    }

    /// How many calls were asked for.
    #[call]
    #[query]
    pub fn calls(&self) -> u64 {
        self.calls.get_or_default()
    }

    fn count(&mut self) {
        let calls = self.calls.get_or_default() + 1;
        self.calls.set(calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing::{Task, Tested};

    const ALICE: Address = Address([0xa1; 20]);
    const RECORDER: Address = Address([0xee; 20]);

    fn with_call_gas() -> Task {
        Task::by(ALICE).call_gas(100_000)
    }

    #[enigma_sdk::test]
    fn the_sum_is_recorded(contract: &mut Tested<ContractWithEthCalls>) {
        contract.by(ALICE).construct().unwrap();
        let sum = contract.by(with_call_gas()).sum_and_call(U256::from(24), U256::from(67), RECORDER);
        assert_eq!(sum, Ok(U256::from(91)));
        let call = contract.last().ethereum_call.clone().unwrap();
        assert_eq!(call, Recorder::at(RECORDER).record_sum(U256::from(91)));
        // keccak256("recordSum(uint256)"), and the sum as a word.
        let selector = keccak256("recordSum(uint256)").0;
        assert_eq!(call.data, [&selector[..4], &[0; 31], &[91]].concat());
        assert_eq!(contract.query(ALICE).calls(), Ok(1));
    }

    #[enigma_sdk::test]
    fn arguments_of_any_size(contract: &mut Tested<ContractWithEthCalls>) {
        contract.by(ALICE).construct().unwrap();
        let numbers = vec![U256::ONE, U256::MAX];
        contract.by(with_call_gas()).note_and_call("noted".into(), numbers.clone(), RECORDER).unwrap();
        let call = Recorder::at(RECORDER).record_note(ALICE, "noted".into(), numbers);
        assert_eq!(contract.last().ethereum_call, Some(call));
    }

    #[enigma_sdk::test]
    fn a_failed_task_calls_nothing(contract: &mut Tested<ContractWithEthCalls>) {
        contract.by(ALICE).construct().unwrap();
        let no_gas = "this task bought no gas for an Ethereum call (callGas is 0)";
        assert_eq!(contract.by(ALICE).sum_and_call(U256::ONE, U256::ONE, RECORDER), Err(no_gas.into()));
        assert!(contract.by(with_call_gas()).call_twice(RECORDER).is_err());
        assert_eq!(contract.last().ethereum_call, None);
        let too_large = contract.by(with_call_gas()).sum_and_call(U256::MAX, U256::ONE, RECORDER);
        assert_eq!(too_large, Err("the sum is too large for uint256".into()));
        assert_eq!(contract.by(ALICE).calls(), Ok(0));
    }

    #[enigma_sdk::test]
    fn the_summands_do_not_show(contract: &mut Tested<ContractWithEthCalls>) {
        contract.by(ALICE).construct().unwrap();
        // The sum itself is public: two ways to make the same one.
        contract.leak_check([(1u64, 99u64), (50, 50)], |contract, (x, y)| {
            contract.by(with_call_gas()).sum_and_call(U256::from(x), U256::from(y), RECORDER).unwrap();
        });
    }
}
