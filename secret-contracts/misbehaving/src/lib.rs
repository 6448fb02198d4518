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
    use enigma_sdk::testing;

    #[test]
    fn failures_are_readable_and_leave_no_trace() {
        let call = |signature: &str| testing::call::<Misbehaving>(signature, ());
        assert_eq!(call("count()"), Ok(testing::encoded(1u8)));
        assert_eq!(call("panic()"), Err("this contract panicked on purpose".into()));
        assert_eq!(call("divide_by_zero()"), Err("attempt to divide by zero".into()));
        assert_eq!(call("behave()"), Err("no function `behave()`".into()));
        assert_eq!(call("count()"), Ok(testing::encoded(2u8)));
    }
}
