//! The entry of a task on Ethereum, and the hash chain that orders the entries of one contract.

use crate::{
    hash::Preimage,
    primitives::{Address, Domain, Hash, ScAddress, TaskId},
    task::task_id,
};
use borsh::{BorshDeserialize, BorshSerialize};

/// Everything that Ethereum fixes about one task.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Record {
    /// The called contract, or the one being deployed.
    pub sc: ScAddress,
    /// Who pays and whom the contract sees as caller.
    pub sender: Address,
    /// The sender's counter of tasks.
    pub sender_nonce: u64,
    /// Hash of the encrypted input.
    pub inputs_hash: Hash,
    /// Timestamp of the record's block, in seconds.
    pub timestamp: u64,
    /// `block.prevrandao` of the record's block.
    pub prevrandao: Hash,
    /// Whether the ciphertext stands in the record's calldata.
    pub inlined: bool,
    /// Most gas the task may use.
    pub gas_limit: u64,
    /// Grains of ENG per unit of gas.
    pub gas_price: u128,
    /// Grains that go to the contract's vault.
    pub value: u128,
    /// Ethereum gas bought for a call; 0 forbids calls.
    pub call_gas: u64,
    /// The epoch that was current when it was recorded.
    pub epoch: u64,
    /// The block of the record.
    pub block_number: u64,
    /// The block by which rank 0 is due.
    pub due: u64,
    /// Position in the contract's queue; the deployment is 0.
    pub record_index: u64,
}

impl Record {
    /// The task's id.
    pub fn task_id(&self, domain: &Domain) -> TaskId {
        task_id(domain, self.sender, self.sender_nonce)
    }

    /// The hash that enters the contract's queue.
    pub fn record_hash(&self, domain: &Domain) -> Hash {
        let body = Preimage::new("enigma/body/1")
            .task(self.task_id(domain))
            .hash(self.inputs_hash)
            .u64(self.timestamp)
            .hash(self.prevrandao)
            .u64(self.inlined.into())
            .finish();
        Preimage::new("enigma/record/1")
            .hash(body)
            .address(self.sender)
            .u64(self.gas_limit)
            .u128(self.gas_price)
            .u128(self.value)
            .u64(self.call_gas)
            .u64(self.epoch)
            .u64(self.block_number)
            .u64(self.due)
            .finish()
    }
}

/// Head of the queue of `sc` before its first record.
pub fn queue_genesis(sc: ScAddress) -> Hash {
    Preimage::new("enigma/queue/1").contract(sc).finish()
}

/// Head of a queue after one more record.
pub fn queue_head(previous: Hash, record_hash: Hash) -> Hash {
    Preimage::new("enigma/queue/1").hash(previous).hash(record_hash).finish()
}
