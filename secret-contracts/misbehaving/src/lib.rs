//! Everything a contract can do wrong, to test that a worker survives it. Not an example to follow.
#![no_std]

use core::hint::black_box;
use enigma_sdk::prelude::*;

/// A counter, so that a test can see that the contract goes on after a failure.
#[enigma_sdk::state]
pub struct Misbehaving {
    count: Value<U256>,
}

#[enigma_sdk::contract]
impl Misbehaving {
    /// Panics after a change of the state, which must not last.
    #[call]
    pub fn panic(&mut self) {
        self.count.set(U256::MAX);
        panic!("this contract panicked on purpose")
    }

    /// Divides by a zero that the compiler does not know of.
    #[call]
    pub fn divide_by_zero(&self) -> u64 {
        1 / black_box(0)
    }

    /// Ends when the gas does.
    #[call]
    pub fn loop_forever(&self) {
        let mut turns = 0u64;
        loop {
            turns = black_box(turns.wrapping_add(1));
        }
    }

    /// Ends when the memory does.
    #[call]
    pub fn allocate_without_end(&self) {
        let mut kept = Vec::new();
        loop {
            kept.push(black_box(vec![1u8; 1 << 20]));
        }
    }

    /// Behaves: how often this was called.
    #[call]
    pub fn count(&mut self) -> U256 {
        let count = self.count.get_or_default() + U256::ONE;
        self.count.set(count);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing::{Task, Tested};

    const ALICE: Address = Address([0xa1; 20]);

    #[enigma_sdk::test]
    fn failures_are_readable_and_leave_no_trace(contract: &mut Tested<Misbehaving>) {
        contract.by(ALICE).construct().unwrap();
        assert_eq!(contract.by(ALICE).count(), Ok(U256::ONE));
        assert_eq!(contract.by(ALICE).panic(), Err("this contract panicked on purpose".into()));
        assert_eq!(contract.by(ALICE).divide_by_zero(), Err("attempt to divide by zero".into()));
        assert_eq!(contract.by(ALICE).count(), Ok(U256::from(2)));
    }

    #[enigma_sdk::test(runtime)]
    fn gas_and_memory_end(contract: &mut Tested<Misbehaving>) {
        contract.by(ALICE).construct().unwrap();
        let endless = contract.by(Task::by(ALICE).gas_limit(500_000)).loop_forever();
        assert_eq!(endless, Err("out of gas: the limit was 500000".into()));
        assert!(contract.by(ALICE).allocate_without_end().is_err());
        assert_eq!(contract.by(ALICE).count(), Ok(U256::ONE));
    }
}
