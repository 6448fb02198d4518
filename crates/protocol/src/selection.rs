//! Epochs and the choice of a worker by stake.
//!
//! The workers of an epoch are the leaves of a Merkle-sum tree whose root and total Ethereum keeps; a worker shows its place
//! with a path of at most 20 steps, whatever the number of workers.

use crate::{
    hash::Preimage,
    limits::{MAX_SELECTION_STEPS, MAX_WORKERS},
    primitives::{Address, Domain, Hash, ScAddress},
    receipt::eip712_digest,
};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use sha3::{Digest, Keccak256};

const PARAMETERS_TYPE: &str = "EpochParameters(uint64 epoch,bytes32 seed,bytes32 workersRoot,uint128 totalStake)";

/// What Ethereum keeps of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EpochParameters {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Randomness of the key managers, mixed with a block hash.
    pub seed: Hash,
    /// Root of the worker tree.
    pub workers_root: Hash,
    /// Sum of its stakes in grains.
    pub total_stake: u128,
}

impl EpochParameters {
    /// The EIP-712 digest that t key managers sign.
    pub fn digest(&self, domain: &Domain) -> Hash {
        let struct_hash = Preimage::new(PARAMETERS_TYPE)
            .u64(self.epoch)
            .hash(self.seed)
            .hash(self.workers_root)
            .u128(self.total_stake)
            .finish();
        eip712_digest(domain, struct_hash)
    }

    /// The point in the stake of all workers that chooses rank `rank` of `sc`; `None` when nobody has a stake.
    pub fn ticket(&self, sc: ScAddress, rank: u8) -> Option<u128> {
        let hash = Preimage::new("enigma/rank/1").hash(self.seed).contract(sc).u64(rank.into()).finish();
        modulo(&hash.0, self.total_stake)
    }
}

/// A 256-bit big-endian number modulo a 128-bit one, by schoolbook reduction bit by bit.
fn modulo(number: &[u8; 32], modulus: u128) -> Option<u128> {
    if modulus == 0 {
        return None;
    }
    let mut rest: u128 = 0;
    for byte in number {
        for bit in (0..8).rev() {
            let next = u128::from((byte >> bit) & 1);
            // rest < modulus, so 2·rest + next is below 2·modulus; the carry is the bit shifted out.
            let carry = rest >> 127 == 1;
            rest = (rest << 1) | next;
            if carry || rest >= modulus {
                rest = rest.wrapping_sub(modulus);
            }
        }
    }
    Some(rest)
}

/// One worker of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct WorkerStake {
    /// The signing address of its enclave.
    pub signer: Address,
    /// Its stake in grains, above zero.
    pub stake: u128,
}

/// A list of workers that no tree is built from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWorkers {
    /// Nobody is there.
    #[error("there is no worker")]
    Empty,
    /// More than [`MAX_WORKERS`].
    #[error("there are more workers than an epoch may have")]
    TooMany,
    /// Equal or descending signers.
    #[error("worker signers must be strictly ascending")]
    Order,
    /// A worker without a stake.
    #[error("worker {0} has no stake")]
    ZeroStake(Address),
    /// The sum exceeds 128 bits.
    #[error("the sum of the stakes overflows")]
    Overflow,
}

/// One step of a path, from a leaf upwards.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PathStep {
    /// The other child of the parent.
    pub sibling: Hash,
    /// Its sum of stakes.
    pub sum: u128,
    /// Whether it stands to the left.
    pub sibling_is_left: bool,
}

/// Evidence that a worker has a place in an epoch's tree.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SelectionProof {
    /// The rank it claims.
    pub rank: u8,
    /// The worker.
    pub worker: WorkerStake,
    /// From its leaf to the root.
    pub path: Vec<PathStep>,
}

/// A selection proof that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelection {
    /// The path is longer than any tree.
    #[error("the selection path is too long")]
    TooLong,
    /// Sum or hash differ from the epoch's.
    #[error("the selection path does not lead to the epoch's worker tree")]
    Root,
    /// The ticket falls on another worker.
    #[error("the worker is not the selected one")]
    NotSelected,
}

fn leaf(worker: &WorkerStake) -> Hash {
    let mut hasher = Keccak256::new();
    hasher.update([0]);
    hasher.update(worker.signer);
    hasher.update(worker.stake.to_be_bytes());
    Hash(hasher.finalize().into())
}

fn parent(left: &(Hash, u128), right: &(Hash, u128)) -> Option<(Hash, u128)> {
    let mut hasher = Keccak256::new();
    hasher.update([1]);
    hasher.update(left.0);
    hasher.update(left.1.to_be_bytes());
    hasher.update(right.0);
    hasher.update(right.1.to_be_bytes());
    Some((Hash(hasher.finalize().into()), left.1.checked_add(right.1)?))
}

/// The Merkle-sum tree over the workers of one epoch.
#[derive(Clone, Debug)]
pub struct WorkerTree {
    workers: Vec<WorkerStake>,
    levels: Vec<Vec<(Hash, u128)>>,
    total_stake: u128,
}

impl WorkerTree {
    /// Builds the tree over workers in strictly ascending order of their signers.
    ///
    /// # Errors
    /// The first rule of [`InvalidWorkers`] that the list breaks.
    pub fn new(workers: Vec<WorkerStake>) -> Result<Self, InvalidWorkers> {
        if workers.is_empty() {
            return Err(InvalidWorkers::Empty);
        }
        if workers.len() > MAX_WORKERS {
            return Err(InvalidWorkers::TooMany);
        }
        if workers.iter().zip(workers.iter().skip(1)).any(|(a, b)| a.signer >= b.signer) {
            return Err(InvalidWorkers::Order);
        }
        if let Some(worker) = workers.iter().find(|worker| worker.stake == 0) {
            return Err(InvalidWorkers::ZeroStake(worker.signer));
        }
        let mut level: Vec<_> = workers.iter().map(|worker| (leaf(worker), worker.stake)).collect();
        let mut levels = Vec::new();
        while level.len() > 1 {
            let next = level
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => parent(left, right).ok_or(InvalidWorkers::Overflow),
                    // An odd node moves up unchanged.
                    odd => odd.first().copied().ok_or(InvalidWorkers::Empty),
                })
                .collect::<Result<Vec<_>, _>>()?;
            levels.push(core::mem::replace(&mut level, next));
        }
        let total_stake = level.first().map(|root| root.1).ok_or(InvalidWorkers::Empty)?;
        levels.push(level);
        Ok(Self { workers, levels, total_stake })
    }

    /// The root hash.
    pub fn root(&self) -> Hash {
        self.levels.last().and_then(|level| level.first()).map_or(Hash::ZERO, |root| root.0)
    }

    /// The sum of all stakes in grains.
    pub fn total_stake(&self) -> u128 {
        self.total_stake
    }

    /// The worker on which `ticket` falls, with its proof.
    pub fn select(&self, ticket: u128, rank: u8) -> Option<SelectionProof> {
        let mut left: u128 = 0;
        for (index, worker) in self.workers.iter().enumerate() {
            let right = left.checked_add(worker.stake)?;
            if ticket < right {
                return Some(SelectionProof { rank, worker: *worker, path: self.path(index)? });
            }
            left = right;
        }
        None
    }

    fn path(&self, mut index: usize) -> Option<Vec<PathStep>> {
        let mut path = Vec::new();
        for level in self.levels.split_last()?.1 {
            let sibling_is_left = index & 1 == 1;
            // The last node of an odd level has no sibling and no step.
            if let Some((sibling, sum)) = level.get(index ^ 1) {
                path.push(PathStep { sibling: *sibling, sum: *sum, sibling_is_left });
            }
            index >>= 1;
        }
        Some(path)
    }
}

impl SelectionProof {
    /// Checks that this worker has this rank for `sc` in `epoch`.
    ///
    /// # Errors
    /// Why it has not.
    pub fn verify(&self, epoch: &EpochParameters, sc: ScAddress) -> Result<(), InvalidSelection> {
        if self.path.len() > MAX_SELECTION_STEPS {
            return Err(InvalidSelection::TooLong);
        }
        let mut node = (leaf(&self.worker), self.worker.stake);
        let mut left: u128 = 0;
        for step in &self.path {
            let sibling = (step.sibling, step.sum);
            node = if step.sibling_is_left {
                left = left.checked_add(step.sum).ok_or(InvalidSelection::Root)?;
                parent(&sibling, &node)
            } else {
                parent(&node, &sibling)
            }
            .ok_or(InvalidSelection::Root)?;
        }
        if self.worker.stake == 0 || node != (epoch.workers_root, epoch.total_stake) {
            return Err(InvalidSelection::Root);
        }
        let ticket = epoch.ticket(sc, self.rank).ok_or(InvalidSelection::Root)?;
        let right = left.checked_add(self.worker.stake).ok_or(InvalidSelection::Root)?;
        if (left..right).contains(&ticket) { Ok(()) } else { Err(InvalidSelection::NotSelected) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn workers(stakes: &[u128]) -> Vec<WorkerStake> {
        (1u8..).zip(stakes).map(|(n, stake)| WorkerStake { signer: Address([n; 20]), stake: *stake }).collect()
    }

    fn epoch_of(tree: &WorkerTree) -> EpochParameters {
        EpochParameters { epoch: 1, seed: Hash([7; 32]), workers_root: tree.root(), total_stake: tree.total_stake() }
    }

    #[test]
    fn exactly_the_selected_worker_has_a_valid_proof() {
        for count in 1..=9 {
            let stakes: Vec<u128> = (1..=count).collect();
            let tree = WorkerTree::new(workers(&stakes)).unwrap();
            let epoch = epoch_of(&tree);
            for contract in 0..20u8 {
                let sc = ScAddress([contract; 32]);
                let selected = tree.select(epoch.ticket(sc, 0).unwrap(), 0).unwrap();
                assert_eq!(selected.verify(&epoch, sc), Ok(()));
                let mut left = 0;
                for worker in &tree.workers {
                    let other = tree.select(left, 0).unwrap();
                    left += worker.stake;
                    let expected = if other == selected { Ok(()) } else { Err(InvalidSelection::NotSelected) };
                    assert_eq!(other.verify(&epoch, sc), expected);
                }
            }
        }
    }

    #[test]
    fn forged_proofs_are_refused() {
        let tree = WorkerTree::new(workers(&[5, 6, 7])).unwrap();
        let epoch = epoch_of(&tree);
        let sc = ScAddress([3; 32]);
        let good = tree.select(epoch.ticket(sc, 0).unwrap(), 0).unwrap();
        let mut richer = good.clone();
        richer.worker.stake += 1;
        let mut shorter = good.clone();
        shorter.path.pop();
        let mut longer = good.clone();
        longer.path = vec![good.path[0].clone(); MAX_SELECTION_STEPS + 1];
        let mut moved = good.clone();
        moved.path[0].sibling_is_left ^= true;
        assert_eq!(richer.verify(&epoch, sc), Err(InvalidSelection::Root));
        assert_eq!(shorter.verify(&epoch, sc), Err(InvalidSelection::Root));
        assert_eq!(longer.verify(&epoch, sc), Err(InvalidSelection::TooLong));
        assert_eq!(moved.verify(&epoch, sc), Err(InvalidSelection::Root));
    }

    #[test]
    fn lists_that_no_tree_is_built_from() {
        let mut unsorted = workers(&[1, 2]);
        unsorted.reverse();
        assert_eq!(WorkerTree::new(unsorted).unwrap_err(), InvalidWorkers::Order);
        assert_eq!(WorkerTree::new(vec![]).unwrap_err(), InvalidWorkers::Empty);
        assert_eq!(WorkerTree::new(workers(&[1, 0])).unwrap_err(), InvalidWorkers::ZeroStake(Address([2; 20])));
        assert_eq!(WorkerTree::new(workers(&[u128::MAX, 1])).unwrap_err(), InvalidWorkers::Overflow);
    }

    #[test]
    fn modulo_reduces_256_bits() {
        assert_eq!(modulo(&[0xff; 32], 10), Some(5)); // 2^256 - 1 ends in 5
        assert_eq!(modulo(&[0xff; 32], u128::MAX), Some(0));
        assert_eq!(modulo(&[0; 32], 0), None);
    }
}
