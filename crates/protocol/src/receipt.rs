//! What the enclave signs: a receipt for each task, and one signature for a batch of them (EIP-712).

use crate::{
    hash::{Preimage, keccak256},
    padding::padme,
    primitives::{Address, Domain, Hash, ScAddress, TaskId},
    signature::{InvalidSignature, Signature},
};
use alloc::{format, string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};
use sha3::{Digest, Keccak256};

/// The least gas a task is charged, and the least it may be limited to.
pub const MINIMUM_GAS: u64 = 10_000;

const DOMAIN_TYPE: &str = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const RECEIPT_TYPE: &str = "Receipt(bytes32 taskId,bytes32 sc,uint64 recordIndex,uint64 deltaIndex,uint64 epoch,\
    uint8 rank,uint32 generation,bytes32 exeCodeHash,bytes32 inputsHash,bytes32 previousTip,bytes32 tip,\
    bytes32 outputHash,uint64 gasUsed,uint8 status,address callTarget,bytes32 callDataHash,uint64 callGas,\
    address payTo,uint256 payAmount)";
const BATCH_TYPE: &str = "Batch(bytes32 sc,uint64 epoch,uint8 rank,bytes32 head,Receipt[] receipts)";

/// Gas as it is published: rounded up to a public tier, so that a secret does not show in the last digits.
pub fn gas_tier(gas_used: u64, gas_limit: u64) -> u64 {
    padme(gas_used).max(MINIMUM_GAS).min(gas_limit)
}

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Status {
    /// The call returned; its state change is part of the chain.
    Success = 0,
    /// The contract refused or failed; the caller alone can read why.
    Failure = 1,
    /// No input arrived by the input deadline.
    Skipped = 2,
    /// Nobody delivered a receipt.
    Expired = 3,
    /// The recorded input does not open under the contract's key.
    Undecryptable = 4,
}

impl Status {
    /// The status with this number on the wire.
    pub fn from_u8(number: u8) -> Option<Self> {
        [Self::Success, Self::Failure, Self::Skipped, Self::Expired, Self::Undecryptable]
            .into_iter()
            .find(|status| *status as u8 == number)
    }

    /// A word for people and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Skipped => "skipped",
            Self::Expired => "expired",
            Self::Undecryptable => "undecryptable",
        }
    }
}

/// Signed confirmation of one executed record.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// The task.
    pub task_id: TaskId,
    /// The contract.
    pub sc: ScAddress,
    /// Position in the contract's queue.
    pub record_index: u64,
    /// Index of the delta of this task, or of the next one when the state did not change.
    pub delta_index: u64,
    /// The record's epoch.
    pub epoch: u64,
    /// The signer's rank in that epoch.
    pub rank: u8,
    /// Generation of the state key.
    pub generation: u32,
    /// The executed code; zero for a failed deployment.
    pub exe_code_hash: Hash,
    /// The executed input.
    pub inputs_hash: Hash,
    /// The state chain before.
    pub previous_tip: Hash,
    /// The state chain after; equal to `previous_tip` without a state change.
    pub tip: Hash,
    /// keccak-256 of the encrypted output.
    pub output_hash: Hash,
    /// Gas, rounded up to a tier.
    pub gas_used: u64,
    /// How it ended.
    pub status: Status,
    /// Ethereum contract to call, or zero.
    pub call_target: Address,
    /// keccak-256 of the calldata, or zero.
    pub call_data_hash: Hash,
    /// Ethereum gas of the call.
    pub call_gas: u64,
    /// Receiver of a pay-out, or zero.
    pub pay_to: Address,
    /// Grains paid out.
    pub pay_amount: u128,
}

/// EIP-712 domain separator of the Enigma contract.
pub fn domain_separator(domain: &Domain) -> Hash {
    Preimage::new(DOMAIN_TYPE).bytes("Enigma").bytes("1").u64(domain.chain_id).address(domain.enigma).finish()
}

/// EIP-712: `keccak256(0x1901 ‖ domainSeparator ‖ structHash)`.
pub fn eip712_digest(domain: &Domain, struct_hash: Hash) -> Hash {
    let mut hasher = Keccak256::new();
    hasher.update([0x19, 0x01]);
    hasher.update(domain_separator(domain));
    hasher.update(struct_hash);
    Hash(hasher.finalize().into())
}

impl Receipt {
    /// EIP-712 `hashStruct`.
    pub fn struct_hash(&self) -> Hash {
        Preimage::new(RECEIPT_TYPE)
            .task(self.task_id)
            .contract(self.sc)
            .u64(self.record_index)
            .u64(self.delta_index)
            .u64(self.epoch)
            .u64(self.rank.into())
            .u64(self.generation.into())
            .hash(self.exe_code_hash)
            .hash(self.inputs_hash)
            .hash(self.previous_tip)
            .hash(self.tip)
            .hash(self.output_hash)
            .u64(self.gas_used)
            .u64(self.status as u64)
            .address(self.call_target)
            .hash(self.call_data_hash)
            .u64(self.call_gas)
            .address(self.pay_to)
            .u128(self.pay_amount)
            .finish()
    }

    /// The digest that the worker signs and a client checks.
    pub fn digest(&self, domain: &Domain) -> Hash {
        eip712_digest(domain, self.struct_hash())
    }

    /// Checks that `signer` signed this receipt on this chain and contract.
    ///
    /// # Errors
    /// [`InvalidSignature`] for any other key, receipt, chain or contract.
    pub fn verify(&self, domain: &Domain, signature: &Signature, signer: Address) -> Result<(), InvalidSignature> {
        signature.verify(self.digest(domain), signer)
    }
}

/// Consecutive receipts of one contract and epoch, up to a head of its queue.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Batch {
    /// The contract.
    pub sc: ScAddress,
    /// The epoch of all its records.
    pub epoch: u64,
    /// The signer's rank.
    pub rank: u8,
    /// Queue head after the last record.
    pub head: Hash,
    /// The receipts in queue order.
    pub receipts: Vec<Receipt>,
}

impl Batch {
    /// The digest whose signature the Enigma contract verifies.
    pub fn digest(&self, domain: &Domain) -> Hash {
        let mut receipts = Keccak256::new();
        for receipt in &self.receipts {
            receipts.update(receipt.struct_hash());
        }
        let type_text: String = format!("{BATCH_TYPE}{RECEIPT_TYPE}");
        let struct_hash = Preimage::raw()
            .hash(keccak256(type_text))
            .contract(self.sc)
            .u64(self.epoch)
            .u64(self.rank.into())
            .hash(self.head)
            .hash(Hash(receipts.finalize().into()))
            .finish();
        eip712_digest(domain, struct_hash)
    }
}
