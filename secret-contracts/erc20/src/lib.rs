//! A token in the manner of ERC-20 whose balances and transfers are secret.
//!
//! Everybody may know the total supply. A balance is told to its owner only, an allowance to its owner and its spender. A transfer
//! reads and writes the same keys with values of the same size whatever the amount, so that neither gas nor the size of the
//! change tells it. (Two cases can be seen: a transfer that fails, and one that changes nothing, because the amount is 0 or
//! sender and recipient are the same.)
#![no_std]

use enigma_sdk::prelude::*;

const INSUFFICIENT_FUNDS: &str = "insufficient funds";
const INSUFFICIENT_ALLOWANCE: &str = "insufficient allowance";

/// Who owns how much, and who may spend how much for whom.
#[enigma_sdk::state]
pub struct Erc20 {
    minter: Value<Address>,
    total_supply: Value<U256>,
    balances: Map<Address, U256>,
    /// By owner and spender.
    allowances: Map<(Address, Address), U256>,
}

#[enigma_sdk::contract]
impl Erc20 {
    /// The owner gets the whole supply, and is the only one who can make more.
    #[constructor]
    pub fn construct(&mut self, owner: Address, total_supply: U256) {
        self.minter.set(owner);
        self.total_supply.set(total_supply);
        self.balances.set(&owner, total_supply);
    }

    /// Makes new tokens.
    #[call]
    pub fn mint(&mut self, to: Address, amount: U256) -> Result<(), String> {
        ensure!(self.minter.get() == Some(caller()), "only the owner of the contract can mint");
        let supply = self.total_supply.get_or_default().checked_add(amount);
        self.total_supply.set(supply.ok_or("the total supply would not fit uint256")?);
        // No balance exceeds the total supply.
        self.balances.set(&to, self.balances.get_or_default(&to) + amount);
        Ok(())
    }

    /// Sends the caller's tokens.
    #[call]
    pub fn transfer(&mut self, to: Address, amount: U256) -> Result<(), String> {
        self.send(caller(), to, amount)
    }

    /// Lets somebody spend up to this amount of the caller's tokens, instead of the amount that was approved before.
    #[call]
    pub fn approve(&mut self, spender: Address, amount: U256) {
        self.allowances.set(&(caller(), spender), amount);
    }

    /// Sends somebody else's tokens, who has approved it.
    #[call]
    pub fn transfer_from(&mut self, from: Address, to: Address, amount: U256) -> Result<(), String> {
        let key = (from, caller());
        let allowance = self.allowances.get_or_default(&key).checked_sub(amount).ok_or(INSUFFICIENT_ALLOWANCE)?;
        self.allowances.set(&key, allowance);
        self.send(from, to, amount)
    }

    /// How many tokens there are.
    #[call]
    pub fn total_supply(&self) -> U256 {
        self.total_supply.get_or_default()
    }

    /// How many tokens the caller owns. The address must be the caller's: it is there because ERC-20 has it.
    #[call]
    pub fn balance_of(&self, owner: Address) -> U256 {
        ensure!(caller() == owner, "a balance is for its owner only");
        self.balances.get_or_default(&owner)
    }

    /// How many of the owner's tokens the spender may still spend. For these two only.
    #[call]
    pub fn allowance(&self, owner: Address, spender: Address) -> U256 {
        ensure!([owner, spender].contains(&caller()), "an allowance is for its owner and its spender only");
        self.allowances.get_or_default(&(owner, spender))
    }

    fn send(&mut self, from: Address, to: Address, amount: U256) -> Result<(), String> {
        let rest = self.balances.get_or_default(&from).checked_sub(amount).ok_or(INSUFFICIENT_FUNDS)?;
        self.balances.set(&from, rest);
        // Read after the sender's was written, so that sending to oneself changes nothing. The sum is at most the total supply.
        self.balances.set(&to, self.balances.get_or_default(&to) + amount);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing::{self, EncodeArguments};

    const OWNER: Address = Address([0x01; 20]);
    const ALICE: Address = Address([0xa1; 20]);
    const BOB: Address = Address([0xb0; 20]);

    fn deployed(supply: U256) {
        assert_eq!(testing::deploy::<Erc20>("construct(address,uint256)", (OWNER, supply)), Ok(vec![]));
    }

    fn call(caller: Address, signature: &str, arguments: impl EncodeArguments) -> Result<Vec<u8>, String> {
        testing::set_caller(caller);
        testing::call::<Erc20>(signature, arguments)
    }

    #[track_caller]
    fn check_balances(expected: [u64; 3]) {
        for (owner, balance) in [OWNER, ALICE, BOB].into_iter().zip(expected) {
            assert_eq!(call(owner, "balance_of(address)", (owner,)), Ok(testing::encoded(U256::from(balance))));
        }
    }

    fn transfer(from: Address, to: Address, amount: u64) -> Result<Vec<u8>, String> {
        call(from, "transfer(address,uint256)", (to, U256::from(amount)))
    }

    fn transfer_from(spender: Address, from: Address, to: Address, amount: u64) -> Result<Vec<u8>, String> {
        call(spender, "transfer_from(address,address,uint256)", (from, to, U256::from(amount)))
    }

    #[test]
    fn transfers() {
        deployed(U256::from(100));
        assert_eq!(transfer(OWNER, ALICE, 60), Ok(vec![]));
        assert_eq!(transfer(ALICE, BOB, 20), Ok(vec![]));
        assert_eq!(transfer(ALICE, ALICE, 40), Ok(vec![]));
        check_balances([40, 40, 20]);
        assert_eq!(transfer(BOB, ALICE, 21), Err("insufficient funds".into()));
        assert_eq!(transfer(ALICE, ALICE, 41), Err("insufficient funds".into()));
        check_balances([40, 40, 20]);
    }

    #[test]
    fn only_the_owner_mints() {
        deployed(U256::MAX - U256::from(5));
        let mint = |caller, amount: u64| call(caller, "mint(address,uint256)", (ALICE, U256::from(amount)));
        assert_eq!(mint(ALICE, 1), Err("only the owner of the contract can mint".into()));
        assert_eq!(mint(OWNER, 6), Err("the total supply would not fit uint256".into()));
        assert_eq!(mint(OWNER, 5), Ok(vec![]));
        assert_eq!(call(BOB, "total_supply()", ()), Ok(testing::encoded(U256::MAX)));
        assert_eq!(call(ALICE, "balance_of(address)", (ALICE,)), Ok(testing::encoded(5u8)));
    }

    #[test]
    fn allowances_are_used_up() {
        deployed(U256::from(100));
        assert_eq!(call(OWNER, "approve(address,uint256)", (ALICE, U256::from(50))), Ok(vec![]));
        assert_eq!(transfer_from(ALICE, OWNER, BOB, 30), Ok(vec![]));
        assert_eq!(transfer_from(ALICE, OWNER, BOB, 21), Err("insufficient allowance".into()));
        assert_eq!(transfer_from(BOB, OWNER, BOB, 1), Err("insufficient allowance".into()));
        assert_eq!(call(ALICE, "allowance(address,address)", (OWNER, ALICE)), Ok(testing::encoded(20u8)));
        check_balances([70, 0, 30]);
    }

    #[test]
    fn a_refused_transfer_leaves_the_allowance() {
        deployed(U256::from(10));
        assert_eq!(call(OWNER, "approve(address,uint256)", (ALICE, U256::from(50))), Ok(vec![]));
        assert_eq!(transfer_from(ALICE, OWNER, BOB, 11), Err("insufficient funds".into()));
        assert_eq!(call(OWNER, "allowance(address,address)", (OWNER, ALICE)), Ok(testing::encoded(50u8)));
    }

    #[test]
    fn strangers_learn_nothing() {
        deployed(U256::from(10));
        assert_eq!(call(BOB, "balance_of(address)", (OWNER,)), Err("a balance is for its owner only".into()));
        assert_eq!(
            call(BOB, "allowance(address,address)", (OWNER, ALICE)),
            Err("an allowance is for its owner and its spender only".into())
        );
        assert_eq!(call(BOB, "total_supply()", ()), Ok(testing::encoded(10u8)));
    }
}
