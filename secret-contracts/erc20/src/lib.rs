//! A token in the manner of ERC-20 whose balances and transfers are secret.
//!
//! Everybody may know the total supply. A balance is told to its owner only, an allowance to its owner and its spender. A transfer
//! reads and writes the same keys with values of the same size whatever the amount, so that neither gas nor the size of the
//! change tells it. (Two cases can be seen: a transfer that fails, and one that changes nothing, because the amount is 0 or
//! sender and recipient are the same.)
#![no_std]

use enigma_sdk::prelude::*;

/// Who owns how much, and who may spend how much for whom.
#[enigma_sdk::state]
pub struct Erc20 {
    minter: Value<Address>,
    total_supply: Value<U256>,
    balances: Map<Address, U256>,
    /// By owner and spender.
    allowances: Map<(Address, Address), U256>,
}

/// Why tokens do not move. None of these tells a balance: who spends for somebody else does not learn what they own.
#[enigma_sdk::error]
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The balance is less than the amount.
    #[error("insufficient funds")]
    InsufficientFunds,
    /// The owner approved less than the amount.
    #[error("insufficient allowance")]
    InsufficientAllowance,
    /// Somebody else mints.
    #[error("only the owner of the contract can mint")]
    NotTheMinter,
    /// There would be too many tokens.
    #[error("the total supply would not fit uint256")]
    SupplyTooLarge,
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
    pub fn mint(&mut self, to: Address, amount: U256) -> Result<(), Refusal> {
        ensure_caller!(self.minter.get(), Refusal::NotTheMinter);
        let supply = self.total_supply.get_or_default().checked_add(amount);
        self.total_supply.set(supply.ok_or(Refusal::SupplyTooLarge)?);
        // No balance exceeds the total supply.
        self.balances.set(&to, self.balances.get_or_default(&to) + amount);
        Ok(())
    }

    /// Sends the caller's tokens.
    #[call]
    pub fn transfer(&mut self, to: Address, amount: U256) -> Result<(), Refusal> {
        self.send(caller(), to, amount)
    }

    /// Lets somebody spend up to this amount of the caller's tokens, instead of the amount that was approved before.
    #[call]
    pub fn approve(&mut self, spender: Address, amount: U256) {
        self.allowances.set(&(caller(), spender), amount);
    }

    /// Sends somebody else's tokens, who has approved it.
    #[call]
    pub fn transfer_from(&mut self, from: Address, to: Address, amount: U256) -> Result<(), Refusal> {
        let key = (from, caller());
        let allowance =
            self.allowances.get_or_default(&key).checked_sub(amount).ok_or(Refusal::InsufficientAllowance)?;
        self.allowances.set(&key, allowance);
        self.send(from, to, amount)
    }

    /// How many tokens there are.
    #[call]
    #[query]
    pub fn total_supply(&self) -> U256 {
        self.total_supply.get_or_default()
    }

    /// How many tokens the caller owns. The address must be the caller's: it is there because ERC-20 has it.
    #[call]
    #[query]
    pub fn balance_of(&self, owner: Address) -> U256 {
        ensure_caller!(owner, "a balance is for its owner only");
        self.balances.get_or_default(&owner)
    }

    /// How many of the owner's tokens the spender may still spend. For these two only.
    #[call]
    #[query]
    pub fn allowance(&self, owner: Address, spender: Address) -> U256 {
        ensure_caller!([owner, spender], "an allowance is for its owner and its spender only");
        self.allowances.get_or_default(&(owner, spender))
    }

    fn send(&mut self, from: Address, to: Address, amount: U256) -> Result<(), Refusal> {
        let rest = self.balances.get_or_default(&from).checked_sub(amount).ok_or(Refusal::InsufficientFunds)?;
        self.balances.set(&from, rest);
        // Read after the sender's was written, so that sending to oneself changes nothing. The sum is at most the total supply.
        self.balances.set(&to, self.balances.get_or_default(&to) + amount);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing::Tested;

    const OWNER: Address = Address([0x01; 20]);
    const ALICE: Address = Address([0xa1; 20]);
    const BOB: Address = Address([0xb0; 20]);

    /// Alice deploys the contract, which gives her no right.
    fn deploy(token: &mut Tested<Erc20>, supply: u64) {
        token.by(ALICE).construct(OWNER, U256::from(supply)).unwrap();
    }

    #[track_caller]
    fn check_balances(token: &mut Tested<Erc20>, expected: [u64; 3]) {
        for (owner, balance) in [OWNER, ALICE, BOB].into_iter().zip(expected) {
            assert_eq!(token.query(owner).balance_of(owner), Ok(U256::from(balance)));
        }
    }

    #[enigma_sdk::test]
    fn transfers(token: &mut Tested<Erc20>) {
        deploy(token, 100);
        assert_eq!(token.by(OWNER).transfer(ALICE, U256::from(60)), Ok(()));
        assert_eq!(token.by(ALICE).transfer(BOB, U256::from(20)), Ok(()));
        assert_eq!(token.by(ALICE).transfer(ALICE, U256::from(40)), Ok(()));
        check_balances(token, [40, 40, 20]);
        for (sender, amount) in [(BOB, U256::from(21)), (ALICE, U256::from(41)), (OWNER, U256::MAX)] {
            assert_eq!(token.by(sender).transfer(ALICE, amount), Err(Refusal::InsufficientFunds.into()));
        }
        check_balances(token, [40, 40, 20]);
    }

    #[enigma_sdk::test]
    fn only_the_owner_mints(token: &mut Tested<Erc20>) {
        token.by(ALICE).construct(OWNER, U256::MAX - U256::from(5)).unwrap();
        assert_eq!(token.by(ALICE).mint(ALICE, U256::ONE), Err(Refusal::NotTheMinter.into()));
        assert_eq!(token.by(OWNER).mint(ALICE, U256::from(6)), Err(Refusal::SupplyTooLarge.into()));
        assert_eq!(token.by(OWNER).mint(ALICE, U256::from(5)), Ok(()));
        assert_eq!(token.query(BOB).total_supply(), Ok(U256::MAX));
        assert_eq!(token.query(ALICE).balance_of(ALICE), Ok(U256::from(5)));
    }

    #[enigma_sdk::test]
    fn allowances_are_used_up(token: &mut Tested<Erc20>) {
        deploy(token, 100);
        assert_eq!(token.by(OWNER).approve(ALICE, U256::from(50)), Ok(()));
        assert_eq!(token.by(ALICE).transfer_from(OWNER, BOB, U256::from(30)), Ok(()));
        for (spender, amount) in [(ALICE, 21), (BOB, 1)] {
            let spent = token.by(spender).transfer_from(OWNER, BOB, U256::from(amount));
            assert_eq!(spent, Err(Refusal::InsufficientAllowance.into()));
        }
        for reader in [OWNER, ALICE] {
            assert_eq!(token.query(reader).allowance(OWNER, ALICE), Ok(U256::from(20)));
        }
        check_balances(token, [70, 0, 30]);
    }

    #[enigma_sdk::test]
    fn a_refused_transfer_leaves_the_allowance(token: &mut Tested<Erc20>) {
        deploy(token, 10);
        assert_eq!(token.by(OWNER).approve(ALICE, U256::from(50)), Ok(()));
        let spent = token.by(ALICE).transfer_from(OWNER, BOB, U256::from(11));
        assert_eq!(spent, Err(Refusal::InsufficientFunds.into()));
        assert_eq!(token.query(OWNER).allowance(OWNER, ALICE), Ok(U256::from(50)));
    }

    #[enigma_sdk::test]
    fn strangers_learn_nothing(token: &mut Tested<Erc20>) {
        deploy(token, 10);
        assert_eq!(token.query(BOB).balance_of(OWNER), Err("a balance is for its owner only".into()));
        let refused = "an allowance is for its owner and its spender only";
        assert_eq!(token.query(BOB).allowance(OWNER, ALICE), Err(refused.into()));
    }

    #[enigma_sdk::test]
    fn amounts_do_not_show(token: &mut Tested<Erc20>) {
        token.by(ALICE).construct(OWNER, U256::MAX).unwrap();
        token.by(OWNER).transfer(BOB, U256::from(7)).unwrap();
        token.by(OWNER).approve(BOB, U256::from(1_000_000)).unwrap();
        token.leak_check([1, 1_000_000], |token, amount| {
            let amount = U256::from(amount);
            token.by(OWNER).transfer(BOB, amount).unwrap();
            token.by(BOB).transfer_from(OWNER, BOB, amount).unwrap();
            token.by(OWNER).mint(BOB, U256::ZERO).unwrap();
            token.by(OWNER).approve(BOB, amount).unwrap();
            token.by(BOB).balance_of(BOB).unwrap();
        });
    }
}
