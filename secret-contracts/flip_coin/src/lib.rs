//! A fair coin, and a game: somebody lays down a coin, somebody else guesses its side.
//!
//! On a public chain both need commitments and deadlines, because everybody sees what everybody sends. Here the coin that was
//! laid down is secret until it is guessed, and `flip` is a coin that nobody has chosen.
#![no_std]

use enigma_sdk::prelude::*;

/// A coin that waits to be guessed, and who laid it down.
#[enigma_sdk::state]
pub struct FlipCoin {
    coin: Value<(Address, bool)>,
}

#[enigma_sdk::contract]
impl FlipCoin {
    /// Heads or tails, each as likely as the other.
    #[call]
    pub fn flip(&self) -> bool {
        random::<1>()[0] & 1 == 1
    }

    /// Lays down a coin with this side up.
    #[call]
    pub fn commit(&mut self, side: bool) {
        ensure!(!self.coin.is_set(), "a coin is waiting to be guessed");
        self.coin.set((caller(), side));
    }

    /// Guesses the side of the coin that waits, takes it away and tells whether the guess was right.
    #[call]
    pub fn guess(&mut self, side: bool) -> Result<bool, String> {
        let (owner, coin) = self.coin.get().ok_or("no coin is waiting to be guessed")?;
        ensure!(caller() != owner, "this is your own coin: somebody else guesses it");
        self.coin.remove();
        Ok(coin == side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing::Tested;

    const ALICE: Address = Address([0xa1; 20]);
    const BOB: Address = Address([0xb0; 20]);

    #[enigma_sdk::test]
    fn both_sides_come_up(coin: &mut Tested<FlipCoin>) {
        coin.by(ALICE).construct().unwrap();
        let heads = (0..200).filter(|_| coin.by(ALICE).flip().unwrap()).count();
        assert!((60..140).contains(&heads), "{heads}");
    }

    #[enigma_sdk::test]
    fn a_guess_takes_the_coin_away(coin: &mut Tested<FlipCoin>) {
        coin.by(ALICE).construct().unwrap();
        for side in [true, false] {
            for guess in [true, false] {
                assert_eq!(coin.by(ALICE).commit(side), Ok(()));
                assert_eq!(coin.by(BOB).guess(guess), Ok(side == guess));
                assert!(coin.last().changes.values().all(Option::is_none), "the coin is gone");
                assert_eq!(coin.by(BOB).guess(guess), Err("no coin is waiting to be guessed".into()));
            }
        }
    }

    #[enigma_sdk::test]
    fn one_coin_at_a_time_and_not_ones_own(coin: &mut Tested<FlipCoin>) {
        coin.by(ALICE).construct().unwrap();
        assert_eq!(coin.by(ALICE).commit(true), Ok(()));
        assert_eq!(coin.by(BOB).commit(false), Err("a coin is waiting to be guessed".into()));
        assert_eq!(coin.by(ALICE).guess(false), Err("this is your own coin: somebody else guesses it".into()));
        assert_eq!(coin.by(BOB).guess(true), Ok(true));
    }

    #[enigma_sdk::test]
    fn the_side_does_not_show(coin: &mut Tested<FlipCoin>) {
        coin.by(ALICE).construct().unwrap();
        coin.leak_check([true, false], |coin, side| {
            coin.by(ALICE).commit(side).unwrap();
            coin.by(BOB).guess(true).unwrap();
        });
    }
}
