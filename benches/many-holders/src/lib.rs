//! The example token `erc20`, reduced to its transfer, with a call that makes thousands of holders at once.
//!
//! It is here to be measured: what a transfer costs must not depend on how many holders there are.
#![no_std]

use enigma_sdk::prelude::*;

/// Who owns how much.
#[enigma_sdk::state]
pub struct ManyHolders {
    balances: Map<Address, U256>,
}

#[enigma_sdk::contract]
impl ManyHolders {
    /// Gives tokens to the accounts from `first` on.
    #[call]
    pub fn fill(&mut self, first: u64, count: u64) {
        for number in first..first + count {
            let mut owner = [0; 20];
            owner[12..].copy_from_slice(&number.to_be_bytes());
            self.balances.set(&Address(owner), U256::from(1_000_000_000u64));
        }
    }

    /// Sends the caller's tokens.
    #[call]
    pub fn transfer(&mut self, to: Address, amount: U256) -> Result<(), String> {
        let from = caller();
        let rest = self.balances.get_or_default(&from).checked_sub(amount).ok_or("insufficient funds")?;
        self.balances.set(&from, rest);
        self.balances.set(&to, self.balances.get_or_default(&to) + amount);
        Ok(())
    }
}
