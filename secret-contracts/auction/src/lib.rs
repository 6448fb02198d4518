//! A sealed-bid auction: the highest bidder wins and pays the second highest bid (William Vickrey's auction, in which everybody
//! does best to bid what the item is worth to them).
//!
//! Bids stay secret for ever, before the end and after it, except that the price is the second highest. What a bid changes has
//! the same size whatever its amount, and a bid below the reserve price is accepted like any other, since a refusal could be
//! seen. There is no deposit: whether the winner pays is settled elsewhere.
#![no_std]

use enigma_sdk::prelude::*;

/// The result is found by reading all bids in one call, so there cannot be any number of them.
const MOST_BIDDERS: u32 = 1_000;

/// What is sold, and the bids.
#[enigma_sdk::state]
pub struct Auction {
    seller: Value<Address>,
    item: Value<String>,
    closes_at: Value<u64>,
    reserve: Value<U256>,
    bidders: List<Address>,
    bids: Map<Address, U256>,
}

#[enigma_sdk::contract]
impl Auction {
    /// Opens the auction until a time, in seconds since 1970. Whoever deploys it is the seller. The reserve price, below which
    /// nothing is sold, stays secret unless it becomes the price.
    #[constructor]
    pub fn construct(&mut self, item: String, closes_at: u64, reserve: U256) {
        ensure!(closes_at > block_timestamp(), "the auction would be over before it begins");
        self.seller.set(caller());
        self.item.set(item);
        self.closes_at.set(closes_at);
        self.reserve.set(reserve);
    }

    /// What is sold, by whom and until when.
    #[call]
    #[query]
    pub fn info(&self) -> (String, Address, u64) {
        (self.item.get_or_default(), self.seller.get_or_default(), self.closes_at.get_or_default())
    }

    /// Bids. Another bid of the same bidder takes the place of the one before.
    #[call]
    pub fn bid(&mut self, amount: U256) {
        ensure!(self.is_open(), "the auction is over");
        ensure!(self.seller.get() != Some(caller()), "the seller cannot bid");
        if !self.bids.contains(&caller()) {
            ensure!(self.bidders.len() < MOST_BIDDERS, "there are {MOST_BIDDERS} bidders already");
            self.bidders.push(caller());
        }
        self.bids.set(&caller(), amount);
    }

    /// Who won and for what price, once the auction is over: the second highest bid or the reserve price, whichever is more.
    /// Among equal bids the bidder who came first wins.
    #[call]
    #[query]
    pub fn result(&self) -> Result<(Address, U256), String> {
        ensure!(!self.is_open(), "the auction is not over yet");
        let mut price = self.reserve.get_or_default();
        let mut highest: Option<(Address, U256)> = None;
        for bidder in self.bidders.iter() {
            let bid = self.bids.get_or_default(&bidder);
            match highest {
                None if bid >= price => highest = Some((bidder, bid)),
                Some((_, beaten)) if bid > beaten => {
                    price = beaten;
                    highest = Some((bidder, bid));
                }
                Some(_) if bid > price => price = bid,
                _ => {}
            }
        }
        highest.map(|(winner, _)| (winner, price)).ok_or_else(|| "nobody bid the reserve price".into())
    }

    fn is_open(&self) -> bool {
        block_timestamp() < self.closes_at.get_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing::{Failure, Tested};

    const SELLER: Address = Address([0x5e; 20]);
    const ALICE: Address = Address([0xa1; 20]);
    const BOB: Address = Address([0xb0; 20]);
    const CAROL: Address = Address([0xca; 20]);
    const HOUR: u64 = 3_600;

    /// An auction that closes in an hour.
    fn open(auction: &mut Tested<Auction>, reserve: u64) {
        let closes_at = auction.block_timestamp() + HOUR;
        auction.by(SELLER).construct("a painting".into(), closes_at, U256::from(reserve)).unwrap();
    }

    fn bid(auction: &mut Tested<Auction>, bidder: Address, amount: u64) -> Result<(), Failure> {
        auction.by(bidder).bid(U256::from(amount))
    }

    #[enigma_sdk::test]
    fn the_highest_bidder_pays_the_second_price(auction: &mut Tested<Auction>) {
        for (reserve, bids, expected) in [
            (10, &[(ALICE, 50), (BOB, 70), (CAROL, 60)][..], Ok((BOB, 60))),
            (10, &[(ALICE, 70), (BOB, 60), (CAROL, 50)], Ok((ALICE, 60))),
            (10, &[(ALICE, 50), (BOB, 60), (CAROL, 70)], Ok((CAROL, 60))),
            (10, &[(ALICE, 50), (BOB, 50)], Ok((ALICE, 50))),
            // The last bid of a bidder counts.
            (0, &[(ALICE, 90), (BOB, 70), (ALICE, 20)], Ok((BOB, 20))),
            // The reserve price.
            (10, &[(ALICE, 50)], Ok((ALICE, 10))),
            (10, &[(ALICE, 9), (BOB, 10), (CAROL, 8)], Ok((BOB, 10))),
            (10, &[(ALICE, 9)], Err("nobody bid the reserve price")),
            (0, &[], Err("nobody bid the reserve price")),
        ] {
            let mut auction = auction.clone();
            open(&mut auction, reserve);
            for (bidder, amount) in bids {
                assert_eq!(bid(&mut auction, *bidder, *amount), Ok(()));
            }
            assert_eq!(auction.query(ALICE).result(), Err("the auction is not over yet".into()));
            auction.wait(HOUR);
            let expected = expected.map(|(winner, price)| (winner, U256::from(price)));
            assert_eq!(auction.query(ALICE).result(), expected.map_err(Failure::from), "{bids:?}");
        }
    }

    #[enigma_sdk::test]
    fn refusals(auction: &mut Tested<Auction>) {
        let now = auction.block_timestamp();
        let late = auction.by(SELLER).construct(String::new(), now, U256::ZERO);
        assert_eq!(late, Err("the auction would be over before it begins".into()));
        open(auction, 0);
        assert_eq!(bid(auction, SELLER, 1), Err("the seller cannot bid".into()));
        auction.wait(HOUR);
        assert_eq!(bid(auction, ALICE, 1), Err("the auction is over".into()));
    }

    #[enigma_sdk::test]
    fn everybody_may_know_what_is_sold(auction: &mut Tested<Auction>) {
        open(auction, 0);
        let closes_at = auction.block_timestamp() + HOUR;
        assert_eq!(auction.query(BOB).info(), Ok(("a painting".into(), SELLER, closes_at)));
    }

    #[enigma_sdk::test]
    fn a_bid_does_not_show(auction: &mut Tested<Auction>) {
        open(auction, 10);
        bid(auction, ALICE, 50).unwrap();
        auction.leak_check([1, 49, 51, u64::MAX], |auction, amount| bid(auction, BOB, amount).unwrap());
    }

    #[enigma_sdk::test]
    fn there_is_room_for_a_thousand_bidders(auction: &mut Tested<Auction>) {
        open(auction, 0);
        let bidder = |number: u32| {
            let mut address = [0; 20];
            address[..4].copy_from_slice(&number.to_le_bytes());
            Address(address)
        };
        for number in 0..MOST_BIDDERS {
            bid(auction, bidder(number), number.into()).unwrap();
        }
        assert_eq!(bid(auction, ALICE, 5), Err("there are 1000 bidders already".into()));
        assert_eq!(bid(auction, bidder(0), 5_000), Ok(()));
        auction.wait(HOUR);
        assert_eq!(auction.query(ALICE).result(), Ok((bidder(0), U256::from(MOST_BIDDERS - 1))));
    }
}
