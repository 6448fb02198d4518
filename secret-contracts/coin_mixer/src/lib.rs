//! Equal deposits go in, payments in a random order come out: nobody can tell which deposit paid whom.
//!
//! Everybody deposits the same amount and names a recipient, which only the enclave can read. When a deal is full, its recipients are
//! shuffled and what they came from is forgotten; from then on every task of `pay_next` pays one of them. Whoever deposits can take
//! the deposit back until the deal is full.
//!
//! What can be seen: who deposits and when, who is paid and when. A recipient hides among those of the same deal, so that a deal is
//! worth as much as the number of *different* people in it. Somebody who makes all other deposits knows whom the last one paid.
#![no_std]

use enigma_sdk::prelude::*;

/// All recipients of a deal are shuffled in one task, so there cannot be any number of them.
const MOST_PARTICIPANTS: u32 = 64;

/// The deal that fills up, and the payments of those that were full.
#[enigma_sdk::state]
pub struct CoinMixer {
    denomination: Value<u128>,
    participants: Value<u32>,
    deposits: List<Deposit>,
    /// By number, from `first_payment` to `next_payment` - 1.
    payments: Map<u64, Address>,
    first_payment: Value<u64>,
    next_payment: Value<u64>,
}

/// One deposit of a deal that is not full.
#[enigma_sdk::data]
pub struct Deposit {
    depositor: Address,
    recipient: Address,
}

/// Why something is refused.
#[enigma_sdk::error]
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The value of the task is another.
    #[error("a deposit is exactly {denomination}")]
    WrongAmount {
        /// What a deposit is.
        denomination: u128,
    },
    /// Nobody can be paid there.
    #[error("name a recipient")]
    NoRecipient,
    /// The same depositor twice would hide nobody.
    #[error("you have a deposit in this deal already")]
    DepositedAlready,
    /// It was never made, was taken back, or is in a full deal.
    #[error("you have no deposit that can be taken back")]
    NoDeposit,
    /// No deal is full.
    #[error("there is nothing to pay out: wait until a deal is full")]
    NothingToPay,
}

#[enigma_sdk::contract]
impl CoinMixer {
    /// Sets what a deposit is and how many make a deal.
    #[constructor]
    pub fn construct(&mut self, denomination: u128, participants: u32) {
        ensure!(denomination > 0, "a deposit must be worth something");
        ensure!(
            (2..=MOST_PARTICIPANTS).contains(&participants),
            "a deal has 2 to {MOST_PARTICIPANTS} participants, not {participants}"
        );
        self.denomination.set(denomination);
        self.participants.set(participants);
    }

    /// Deposits the value of the task for a recipient. Tells how many deposits the deal lacks; with the last one it is mixed.
    #[call(payable)]
    pub fn deposit(&mut self, recipient: Address) -> Result<u32, Refusal> {
        let denomination = self.denomination.get_or_default();
        ensure!(value() == denomination, Refusal::WrongAmount { denomination });
        ensure!(recipient != Address([0; 20]), Refusal::NoRecipient);
        ensure!(self.position_of(caller()).is_none(), Refusal::DepositedAlready);
        self.deposits.push(Deposit { depositor: caller(), recipient });
        let missing = self.participants.get_or_default() - self.deposits.len();
        if missing == 0 {
            self.mix();
        }
        Ok(missing)
    }

    /// Pays the caller's deposit back, as long as its deal is not full.
    #[call]
    pub fn take_back(&mut self) -> Result<(), Refusal> {
        let position = self.position_of(caller()).ok_or(Refusal::NoDeposit)?;
        if let Some(last) = self.deposits.pop()
            && position < self.deposits.len()
        {
            self.deposits.set(position, last);
        }
        pay_out(caller(), self.denomination.get_or_default());
        Ok(())
    }

    /// Pays the next recipient of a full deal; anybody can call this. Tells how many payments are left.
    #[call]
    pub fn pay_next(&mut self) -> Result<u64, Refusal> {
        let first = self.first_payment.get_or_default();
        let recipient = self.payments.get(&first).ok_or(Refusal::NothingToPay)?;
        self.payments.remove(&first);
        self.first_payment.set(first + 1);
        pay_out(recipient, self.denomination.get_or_default());
        Ok(self.next_payment.get_or_default() - first - 1)
    }

    /// What a deposit is, how many make a deal, how many there are, and how many payments are left of full deals.
    #[call]
    #[query]
    pub fn deal(&self) -> (u128, u32, u32, u64) {
        let payments = self.next_payment.get_or_default() - self.first_payment.get_or_default();
        (self.denomination.get_or_default(), self.participants.get_or_default(), self.deposits.len(), payments)
    }

    fn position_of(&self, depositor: Address) -> Option<u32> {
        self.deposits.iter().position(|deposit| deposit.depositor == depositor).map(|position| position as u32)
    }

    /// Moves the recipients of the full deal to the payments, in a random order.
    fn mix(&mut self) {
        let mut recipients = Vec::new();
        while let Some(deposit) = self.deposits.pop() {
            recipients.push(deposit.recipient);
        }
        shuffle(&mut recipients);
        let mut next = self.next_payment.get_or_default();
        for recipient in recipients {
            self.payments.set(&next, recipient);
            next += 1;
        }
        self.next_payment.set(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing::{Failure, PayOut, Task, Tested};

    const COIN: u128 = 1_000;
    const OWNER: Address = Address([0x01; 20]);
    const DEPOSITORS: [Address; 3] = [Address([0xa1; 20]), Address([0xb0; 20]), Address([0xca; 20])];
    const RECIPIENTS: [Address; 3] = [Address([0x71; 20]), Address([0x72; 20]), Address([0x73; 20])];

    fn deploy(mixer: &mut Tested<CoinMixer>) {
        mixer.by(OWNER).construct(COIN, 3).unwrap();
    }

    fn deposit(mixer: &mut Tested<CoinMixer>, who: usize, value: u128) -> Result<u32, Failure> {
        mixer.by(Task::by(DEPOSITORS[who]).value(value)).deposit(RECIPIENTS[who])
    }

    fn pay(mixer: &mut Tested<CoinMixer>) -> Address {
        mixer.by(OWNER).pay_next().unwrap();
        let PayOut { to, amount } = mixer.last().pay_out.expect("a payment");
        assert_eq!(amount, COIN);
        to
    }

    #[enigma_sdk::test]
    fn everybody_is_paid_once(mixer: &mut Tested<CoinMixer>) {
        deploy(mixer);
        assert_eq!([0, 1, 2].map(|who| deposit(mixer, who, COIN)), [Ok(2), Ok(1), Ok(0)]);
        assert_eq!(mixer.query(OWNER).deal(), Ok((COIN, 3, 0, 3)));
        let mut paid = [(); 3].map(|()| pay(mixer));
        paid.sort_by_key(|address| address.0);
        assert_eq!(paid, RECIPIENTS);
        assert_eq!(mixer.by(OWNER).pay_next(), Err(Refusal::NothingToPay.into()));
    }

    #[enigma_sdk::test]
    fn the_order_is_random(mixer: &mut Tested<CoinMixer>) {
        deploy(mixer);
        let mut first = Vec::new();
        for _ in 0..20 {
            for who in 0..3 {
                deposit(mixer, who, COIN).unwrap();
            }
            first.push(pay(mixer));
            pay(mixer);
            pay(mixer);
        }
        assert!(RECIPIENTS.iter().all(|recipient| first.contains(recipient)), "{first:?}");
    }

    #[enigma_sdk::test]
    fn deposits_can_be_taken_back(mixer: &mut Tested<CoinMixer>) {
        deploy(mixer);
        deposit(mixer, 0, COIN).unwrap();
        deposit(mixer, 1, COIN).unwrap();
        mixer.by(DEPOSITORS[0]).take_back().unwrap();
        assert_eq!(mixer.last().pay_out, Some(PayOut { to: DEPOSITORS[0], amount: COIN }));
        assert_eq!(mixer.by(DEPOSITORS[0]).take_back(), Err(Refusal::NoDeposit.into()));
        assert_eq!(deposit(mixer, 2, COIN), Ok(1));
        assert_eq!(deposit(mixer, 0, COIN), Ok(0));
        // Now it is mixed, and nobody knows whose it was.
        assert_eq!(mixer.by(DEPOSITORS[1]).take_back(), Err(Refusal::NoDeposit.into()));
    }

    #[enigma_sdk::test]
    fn refusals(mixer: &mut Tested<CoinMixer>) {
        assert!(mixer.by(OWNER).construct(0, 3).is_err());
        assert!(mixer.by(OWNER).construct(COIN, 1).is_err());
        deploy(mixer);
        let wrong = Refusal::WrongAmount { denomination: COIN };
        assert_eq!(deposit(mixer, 0, COIN - 1), Err(wrong.into()));
        let nobody = mixer.by(Task::by(OWNER).value(COIN)).deposit(Address([0; 20]));
        assert_eq!(nobody, Err(Refusal::NoRecipient.into()));
        deposit(mixer, 0, COIN).unwrap();
        assert_eq!(deposit(mixer, 0, COIN), Err(Refusal::DepositedAlready.into()));
        assert_eq!(mixer.by(OWNER).pay_next(), Err(Refusal::NothingToPay.into()));
        let valuable = mixer.by(Task::by(OWNER).value(1)).pay_next();
        assert_eq!(valuable, Err("this function takes no value: call it with a value of 0".into()));
    }

    #[enigma_sdk::test]
    fn who_pays_whom_does_not_show(mixer: &mut Tested<CoinMixer>) {
        deploy(mixer);
        let orders = [[0, 1, 2], [1, 2, 0], [2, 1, 0]];
        mixer.leak_check(orders, |mixer, order| {
            for (depositor, recipient) in DEPOSITORS.into_iter().zip(order) {
                mixer.by(Task::by(depositor).value(COIN)).deposit(RECIPIENTS[recipient]).unwrap();
            }
            for _ in order {
                mixer.by(OWNER).pay_next().unwrap();
            }
        });
    }
}
