//! Votes stay secret; the tally goes to a contract on Ethereum.
//!
//! Whoever deploys the contract is the organiser, who alone can tally a poll, and only once: a tally after every vote would tell the
//! votes. Who votes in which poll can be seen (the caller of a task is public), what they vote cannot. A tally of a single vote tells
//! it, too, so that a poll needs two.
#![no_std]

use enigma_sdk::prelude::*;

enigma_sdk::ethereum_contract!(
    /// The contract that publishes what polls came to; `ethereum/Polls.sol` is an example of one.
    pub Polls,
    "abi/Polls.json"
);

/// Votes that a tally needs, so that it does not tell a single one.
const FEWEST_VOTES: u32 = 2;

/// Polls, and where they are published.
#[enigma_sdk::state]
pub struct Voting {
    organiser: Value<Address>,
    polls_on_ethereum: Value<Address>,
    polls: Map<U256, Poll>,
}

/// One poll. Each voter has a vote in the map; the sums are counted as votes come, so that a tally costs the same whatever their
/// number.
#[enigma_sdk::state]
pub struct Poll {
    votes: Map<Address, bool>,
    cast: Value<u32>,
    in_favour: Value<u32>,
    is_closed: Value<bool>,
}

/// Why a vote or a tally is refused.
#[enigma_sdk::error]
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A vote is 0 or 1.
    #[error("a vote is 1, in favour, or 0, against")]
    NoVote,
    /// The caller's vote is there.
    #[error("you have voted in this poll already")]
    DoubleVote,
    /// There is a tally.
    #[error("this poll is closed")]
    Closed,
    /// A tally would tell too much.
    #[error("a tally needs two votes: it would tell the single one")]
    TooFewVotes,
    /// Somebody else tallies.
    #[error("only the organiser can tally")]
    NotTheOrganiser,
}

#[enigma_sdk::contract]
impl Voting {
    /// Tallies will be sent to this contract on Ethereum.
    #[constructor]
    pub fn construct(&mut self, polls_on_ethereum: Address) {
        self.organiser.set(caller());
        self.polls_on_ethereum.set(polls_on_ethereum);
    }

    /// Votes in a poll: 1 is in favour, 0 against. Nobody votes twice. A poll begins with its first vote.
    #[call]
    pub fn cast_vote(&mut self, poll_id: U256, vote: U256) -> Result<(), Refusal> {
        ensure!(vote <= U256::ONE, Refusal::NoVote);
        let mut poll = self.polls.at_mut(&poll_id);
        ensure!(!poll.is_closed.get_or_default(), Refusal::Closed);
        ensure!(!poll.votes.contains(&caller()), Refusal::DoubleVote);
        let is_in_favour = vote == U256::ONE;
        poll.votes.set(&caller(), is_in_favour);
        let (cast, in_favour) = (poll.cast.get_or_default(), poll.in_favour.get_or_default());
        poll.cast.set(cast + 1);
        // Written in both cases, so that they look the same.
        poll.in_favour.set(in_favour + u32::from(is_in_favour));
        Ok(())
    }

    /// Closes a poll and sends its tally to Ethereum: how many per cent of the votes are in favour, rounded down.
    #[call]
    pub fn tally_poll(&mut self, poll_id: U256) -> Result<U256, Refusal> {
        ensure_caller!(self.organiser.get(), Refusal::NotTheOrganiser);
        let mut poll = self.polls.at_mut(&poll_id);
        ensure!(!poll.is_closed.get_or_default(), Refusal::Closed);
        let cast = poll.cast.get_or_default();
        ensure!(cast >= FEWEST_VOTES, Refusal::TooFewVotes);
        let tally = U256::from(u64::from(poll.in_favour.get_or_default()) * 100 / u64::from(cast));
        poll.is_closed.set(true);
        Polls::at(self.polls_on_ethereum.get_or_default()).record_tally(poll_id, tally).send();
        Ok(tally)
    }

    /// How many have voted in a poll.
    #[call]
    #[query]
    pub fn votes_cast(&self, poll_id: U256) -> u32 {
        self.polls.at(&poll_id).cast.get_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing::{Failure, Task, Tested};

    const ORGANISER: Address = Address([0x01; 20]);
    const ALICE: Address = Address([0xa1; 20]);
    const BOB: Address = Address([0xb0; 20]);
    const CAROL: Address = Address([0xca; 20]);
    const POLLS: Address = Address([0xee; 20]);

    fn deploy(voting: &mut Tested<Voting>) {
        voting.by(ORGANISER).construct(POLLS).unwrap();
    }

    fn vote(voting: &mut Tested<Voting>, voter: Address, poll: u64, vote: u64) -> Result<(), Failure> {
        voting.by(voter).cast_vote(U256::from(poll), U256::from(vote))
    }

    fn tally(voting: &mut Tested<Voting>, poll: u64) -> Result<U256, Failure> {
        voting.by(Task::by(ORGANISER).call_gas(100_000)).tally_poll(U256::from(poll))
    }

    #[enigma_sdk::test]
    fn one_in_favour_and_one_against_is_half(voting: &mut Tested<Voting>) {
        deploy(voting);
        assert_eq!(vote(voting, ALICE, 1, 1), Ok(()));
        assert_eq!(vote(voting, BOB, 1, 0), Ok(()));
        assert_eq!(tally(voting, 1), Ok(U256::from(50)));
        let call = Polls::at(POLLS).record_tally(U256::from(1), U256::from(50));
        assert_eq!(voting.last().ethereum_call, Some(call));
    }

    #[enigma_sdk::test]
    fn polls_are_apart(voting: &mut Tested<Voting>) {
        deploy(voting);
        for (voter, poll, choice) in [(ALICE, 1, 1), (ALICE, 2, 0), (BOB, 2, 0), (BOB, 1, 1), (CAROL, 1, 0)] {
            assert_eq!(vote(voting, voter, poll, choice), Ok(()));
        }
        assert_eq!(voting.query(CAROL).votes_cast(U256::from(1)), Ok(3));
        assert_eq!(voting.query(CAROL).votes_cast(U256::from(3)), Ok(0));
        assert_eq!(tally(voting, 1), Ok(U256::from(66)));
        assert_eq!(tally(voting, 2), Ok(U256::ZERO));
    }

    #[enigma_sdk::test]
    fn refusals(voting: &mut Tested<Voting>) {
        deploy(voting);
        assert_eq!(vote(voting, ALICE, 1, 2), Err(Refusal::NoVote.into()));
        assert_eq!(vote(voting, ALICE, 1, 1), Ok(()));
        assert_eq!(vote(voting, ALICE, 1, 0), Err(Refusal::DoubleVote.into()));
        assert_eq!(tally(voting, 1), Err(Refusal::TooFewVotes.into()));
        assert_eq!(vote(voting, BOB, 1, 0), Ok(()));
        assert_eq!(voting.by(ALICE).tally_poll(U256::ONE), Err(Refusal::NotTheOrganiser.into()));
        let no_gas = "this task bought no gas for an Ethereum call (callGas is 0)";
        assert_eq!(voting.by(ORGANISER).tally_poll(U256::ONE), Err(no_gas.into()));
        assert_eq!(tally(voting, 1), Ok(U256::from(50)));
        assert_eq!(tally(voting, 1), Err(Refusal::Closed.into()));
        assert_eq!(vote(voting, CAROL, 1, 1), Err(Refusal::Closed.into()));
    }

    #[enigma_sdk::test]
    fn a_vote_does_not_show(voting: &mut Tested<Voting>) {
        deploy(voting);
        vote(voting, ALICE, 1, 1).unwrap();
        voting.leak_check([0, 1], |voting, choice| vote(voting, BOB, 1, choice).unwrap());
    }
}
