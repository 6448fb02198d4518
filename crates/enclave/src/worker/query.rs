//! Queries: a contract reads its state for a caller who shows a permit.
//!
//! A query is not recorded, changes nothing, and its answer is sealed to who asked. The caller comes from the permit inside the
//! ciphertext, so the host does not learn who asks; it learns the contract, the size classes and whether the query failed. An
//! answer names the block and the tip that it stands for and is signed, and nothing is answered from a state that is not durable.
//!
//! How fresh the state is, is the word of the host in this version: it says which block is final, and may keep this core behind.
//! So queries are served under the development root only. A block that was named never goes back within a run, so a permit
//! that is over stays over. While a query runs, records of the same contract wait: it reads the state that they change.

use super::{Worker, contracts, execute::sealed_failure, state::derive};
use crate::{error::Refusal, store::Store, tee::Tee};
use enigma_protocol::{
    hash::keccak256,
    ipc::{QueryInput, QueryResult, Response},
    json::{Hex, Hex0x, U64},
    limits::{MAX_ENCRYPTED_ARGS_BYTES, MAX_ENCRYPTED_FN_BYTES},
    output::Output,
    query::{QueryAnswer, query_hash},
    receipt::Status,
    sealing::{QueryContext, RESPONSE_NONCE_BYTES, SealedQuery},
    task::SUITE_X25519,
};
use enigma_runtime::{Context, Entry};
use zeroize::Zeroizing;

/// Gas of a query: nobody pays for it, and records of its contract wait meanwhile.
pub(super) const QUERY_GAS: u64 = 10_000_000;

impl<T: Tee, S: Store> Worker<T, S> {
    pub(super) fn query(&self, input: QueryInput) -> Result<Response, Refusal> {
        self.development_only("`Query`")?;
        for (field, is_there) in
            [("`ledgerProof`", input.ledger_proof.is_some()), ("`certificate`", input.certificate.is_some())]
        {
            if is_there {
                return Err(Refusal::UnsupportedField(field));
            }
        }
        let (sc, epoch, block) = (input.contract_address.0, input.epoch.0, input.block);
        let suite = input.suite.unwrap_or(SUITE_X25519);
        if suite != SUITE_X25519 {
            return Err(Refusal::Query("its encryption suite is not known"));
        }
        if input.encrypted_fn.0.len() > MAX_ENCRYPTED_FN_BYTES
            || input.encrypted_args.0.len() > MAX_ENCRYPTED_ARGS_BYTES
            || input.encrypted_permit.0.len() > MAX_ENCRYPTED_FN_BYTES
        {
            return Err(Refusal::Query("a part of it is larger than its bound"));
        }
        let query = SealedQuery {
            user_dh_key: input.user_dh_key.0.try_into().map_err(|_| Refusal::Query("`userDHKey` is not 32 bytes"))?,
            encrypted_fn: input.encrypted_fn.0,
            encrypted_args: input.encrypted_args.0,
            encrypted_permit: input.encrypted_permit.0,
        };
        {
            let mut newest = contracts::lock(&self.newest_block);
            if block.number.0 < *newest {
                return Err(Refusal::Query("a later block was final before: final blocks do not go back"));
            }
            *newest = block.number.0;
        }

        let contract = self.contracts.contract(sc);
        let mut slot = contract.lock(&self.store)?;
        let head = slot.head.clone().filter(|head| head.is_deployed() && !head.import.removed);
        let head = head.ok_or(Refusal::UnknownContract(sc))?;
        if head.floor.is_some() {
            return Err(Refusal::NotPlaced(sc));
        }
        if input.tip.is_some_and(|tip| tip.0 != head.tip) {
            return Err(Refusal::OtherTip { sc, tip: head.tip });
        }
        let context = QueryContext { domain: self.network.domain, sc, epoch };
        let opened = match (head.bare, epoch) {
            (false, _) => contracts::lock(&self.keys).input(sc, epoch)?.open_query(&context, &query),
            (true, 0) => self.bare.open_query(&context, &query),
            (true, _) => return Err(Refusal::Bare(sc)),
        };
        let opened = opened.map_err(|_| Refusal::Query("it does not open"))?;
        let permit = &opened.permit;
        permit
            .verify(&self.network.domain, sc, &opened.function, query.user_dh_key)
            .map_err(|_| Refusal::Query("its permit is not signed by its caller for this query"))?;
        if block.number.0 > permit.last_valid_block {
            return Err(Refusal::Query("its permit is over: the last valid block is behind"));
        }

        let secrets = if head.bare { self.bare.contract(sc)? } else { contracts::lock(&self.keys).contract(sc)? };
        let live = match slot.live.take() {
            Some(live) => live,
            None => contracts::load_live(&self.store, sc, &head, &secrets)?,
        };
        let live = slot.live.insert(live);
        let mut nonce = [0; RESPONSE_NONCE_BYTES];
        self.tee.fill_random(&mut nonce)?;
        let hash = query_hash(sc, epoch, suite, &query);
        let context = Context {
            contract: sc.0,
            task_id: hash.0,
            caller: permit.caller.0,
            value: 0,
            block_number: block.number.0,
            block_timestamp: block.timestamp.0,
            random_seed: *derive(&secrets.random, &[b"enigma/query-random/1", &hash.0, &nonce])?,
            gas_limit: QUERY_GAS,
            call_gas: 0,
            debug: self.tee.is_development(),
        };
        let execution =
            live.program.execute(Entry::Query, &opened.function, &opened.args, &context, live.state.items());
        let submitted = slot.submitted();
        contract.advanced(slot);
        for text in &execution.debug {
            self.tee.contract_debug(sc, text);
        }
        let (status, content) = match execution.outcome {
            Ok(data) => (Status::Success, Output { data, events: Vec::new() }.to_bytes()),
            Err(failure) if !failure.is_final() => return Err(Refusal::HostExhausted),
            Err(failure) => (Status::Failure, sealed_failure(failure).to_bytes()),
        };
        let output = opened.response.seal(&nonce, &Zeroizing::new(content)).map_err(|_| Refusal::Primitive)?;
        // The state may be ahead of the disk: what is answered is durable.
        if let Some(submitted) = submitted {
            submitted.wait()?;
        }
        let answer = QueryAnswer {
            sc,
            epoch,
            query_hash: hash,
            status,
            output_hash: keccak256(&output),
            block_number: block.number.0,
            block_hash: block.hash.0,
            tip: head.tip,
            entries: head.entries,
        };
        let signature = self.signing_key.sign(answer.digest(&self.network.domain));
        Ok(Response::Query {
            result: QueryResult {
                output: Hex(output),
                status: status as u8,
                block_number: U64(answer.block_number),
                block_hash: Hex0x(answer.block_hash),
                tip: Hex0x(answer.tip),
                entries: U64(answer.entries),
                signature: Hex(signature),
            },
        })
    }
}
