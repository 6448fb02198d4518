//! Queries: what the caller's permit says, and what the enclave's answer names.
//!
//! A query reads; it is not recorded on Ethereum. The caller is therefore not whom Ethereum saw but whom a permit names: an
//! EIP-712 message that a wallet signs for one contract, one function and one sealed query. It travels sealed inside the query,
//! so that nobody on the way learns who asks. [`crate::sealing`] seals and opens.
//!
//! Deliberately absent: permits of contract wallets (ERC-1271), which an enclave without Ethereum cannot check.

use crate::{
    hash::{Preimage, keccak256},
    primitives::{Address, Domain, Hash, ScAddress},
    receipt::{Status, eip712_digest},
    sealing::SealedQuery,
    signature::{InvalidSignature, Purpose, SecretKey, Signature},
};
use borsh::{BorshDeserialize, BorshSerialize};

const PERMIT_TYPE: &str = "QueryPermit(bytes32 sc,bytes32 functionHash,address caller,bytes32 queryKey,uint64 nonce,\
    uint64 lastValidBlock)";

/// What a wallet signs for one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryPermit {
    /// The contract.
    pub sc: ScAddress,
    /// keccak-256 of the function's Solidity signature.
    pub function_hash: Hash,
    /// Whom the contract sees as caller.
    pub caller: Address,
    /// The encapsulated key of the sealed query: the permit fits no other.
    pub query_key: [u8; 32],
    /// Chosen by the caller, so that no two permits are equal.
    pub nonce: u64,
    /// The last block on which the query is answered.
    pub last_valid_block: u64,
}

impl QueryPermit {
    /// The EIP-712 digest.
    pub fn digest(&self, domain: &Domain) -> Hash {
        let struct_hash = Preimage::new(PERMIT_TYPE)
            .contract(self.sc)
            .hash(self.function_hash)
            .address(self.caller)
            .hash(Hash(self.query_key))
            .u64(self.nonce)
            .u64(self.last_valid_block)
            .finish();
        eip712_digest(domain, struct_hash)
    }

    /// The permit with the caller's signature, as it is sealed.
    pub fn sign(&self, domain: &Domain, key: &SecretKey) -> SignedPermit {
        self.signed(key.sign(self.digest(domain)))
    }

    /// The permit with a signature that a wallet made.
    pub fn signed(&self, signature: Signature) -> SignedPermit {
        let Self { caller, nonce, last_valid_block, .. } = *self;
        SignedPermit { caller, nonce, last_valid_block, signature }
    }
}

/// A permit as it travels: what the query itself does not say.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedPermit {
    /// Who asks.
    pub caller: Address,
    /// Of the permit.
    pub nonce: u64,
    /// Of the permit.
    pub last_valid_block: u64,
    /// The caller's, over [`QueryPermit::digest`].
    pub signature: Signature,
}

impl SignedPermit {
    /// Checks that the caller signed it for this function of this contract and for this sealed query.
    ///
    /// # Errors
    /// [`InvalidSignature`] otherwise.
    pub fn verify(
        &self,
        domain: &Domain,
        sc: ScAddress,
        function: &str,
        query_key: [u8; 32],
    ) -> Result<(), InvalidSignature> {
        let permit = QueryPermit {
            sc,
            function_hash: keccak256(function),
            caller: self.caller,
            query_key,
            nonce: self.nonce,
            last_valid_block: self.last_valid_block,
        };
        self.signature.verify(permit.digest(domain), self.caller)
    }
}

/// What an enclave says about the answer to a query, beside the answer itself. It signs it ([`Purpose::QueryAnswer`]).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct QueryAnswer {
    /// The contract.
    pub sc: ScAddress,
    /// Of the input key to which the query was sealed.
    pub epoch: u64,
    /// Of the sealed query.
    pub query_hash: Hash,
    /// Success or failure.
    pub status: Status,
    /// keccak-256 of the sealed answer.
    pub output_hash: Hash,
    /// The block that the contract saw.
    pub block_number: u64,
    /// Its hash.
    pub block_hash: Hash,
    /// The state that was read: the tip of its chain.
    pub tip: Hash,
    /// Deltas of that chain.
    pub entries: u64,
}

impl QueryAnswer {
    /// The digest that the worker signs.
    pub fn digest(&self, domain: &Domain) -> Hash {
        // Writing to memory cannot fail.
        Purpose::QueryAnswer.digest(domain, self.epoch, &borsh::to_vec(self).unwrap_or_default())
    }

    /// Checks that `signer` signed it.
    ///
    /// # Errors
    /// [`InvalidSignature`] for any other key, answer, chain or contract.
    pub fn verify(&self, domain: &Domain, signature: &Signature, signer: Address) -> Result<(), InvalidSignature> {
        signature.verify(self.digest(domain), signer)
    }
}

/// Stands for a sealed query in the answer and in what the contract draws from.
pub fn query_hash(sc: ScAddress, epoch: u64, suite: u16, query: &SealedQuery) -> Hash {
    Preimage::new("enigma/query-hash/1")
        .contract(sc)
        .u64(epoch)
        .u64(suite.into())
        .bytes(&query.encrypted_fn)
        .bytes(&query.encrypted_args)
        .bytes(&query.encrypted_permit)
        .bytes(query.user_dh_key)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::str::FromStr as _;

    const DOMAIN: Domain = Domain { chain_id: 31337, enigma: Address([0xee; 20]) };

    fn permit(caller: Address) -> QueryPermit {
        QueryPermit {
            sc: ScAddress([1; 32]),
            function_hash: keccak256("balance()"),
            caller,
            query_key: [2; 32],
            nonce: 3,
            last_valid_block: 4,
        }
    }

    #[test]
    fn a_permit_is_for_one_query_of_one_caller() {
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        let signed = permit(key.address()).sign(&DOMAIN, &key);
        let sc = ScAddress([1; 32]);
        signed.verify(&DOMAIN, sc, "balance()", [2; 32]).unwrap();
        signed.verify(&DOMAIN, sc, "balances()", [2; 32]).unwrap_err();
        signed.verify(&DOMAIN, sc, "balance()", [3; 32]).unwrap_err();
        signed.verify(&DOMAIN, ScAddress([2; 32]), "balance()", [2; 32]).unwrap_err();
        signed.verify(&Domain { chain_id: 1, ..DOMAIN }, sc, "balance()", [2; 32]).unwrap_err();
        let somebody = Address::from_str("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266").unwrap();
        for changed in [
            SignedPermit { caller: somebody, ..signed.clone() },
            SignedPermit { nonce: 9, ..signed.clone() },
            SignedPermit { last_valid_block: 9, ..signed.clone() },
        ] {
            changed.verify(&DOMAIN, sc, "balance()", [2; 32]).unwrap_err();
        }
    }
}
