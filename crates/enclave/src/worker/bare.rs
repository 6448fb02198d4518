//! Requests of the published set without a record: a session for development, without Ethereum and without key managers.
//!
//! Such a request names a contract and brings a ciphertext, nothing else. It is served by a simulation under the development root
//! only, and runs on contracts of its own: one that was deployed without a record never meets a record, and the other way
//! round. The keys come from the core's identity, so nothing a key manager gives is ever used for a caller whom nobody names.
//!
//! Who calls is nobody (the zero address), the block is zero, and repetition is recognised by the content. Deliberately absent:
//! waiting for turns; one request of a contract is done before the next.

use super::{
    Worker, contracts,
    execute::{Run, Task},
    keys::ContractSecrets,
    state::derive,
};
use crate::{
    error::{OpenError, Refusal},
    store::{Store, bare_key},
    tee::Tee,
};
use enigma_protocol::{
    Address, Hash, ScAddress, TaskId,
    hash::Preimage,
    ipc::{ComputeInput, Response},
    record::Record,
    sealing::{DoesNotOpen, InputKey, OpenedQuery, OpenedTask, QueryContext, SealedQuery},
    task::{SUITE_X25519, TaskInput},
};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Keys for requests without records.
pub(super) struct BareKeys {
    secret: Zeroizing<[u8; 32]>,
    input: InputKey,
}

impl BareKeys {
    /// Takes them from the enclave's signing key.
    pub(super) fn new(signing_key: &[u8; 32]) -> Result<Self, OpenError> {
        let key = |label: &[u8]| derive(signing_key, &[label]).map_err(|_| OpenError::Primitive);
        Ok(Self { secret: key(b"enigma/bare/1")?, input: InputKey::derive(&*key(b"enigma/bare-input/1")?) })
    }

    /// The public key to which inputs are sealed.
    pub(super) fn public(&self) -> &[u8; 32] {
        self.input.public()
    }

    /// Opens a query to a contract without records.
    pub(super) fn open_query(&self, context: &QueryContext, query: &SealedQuery) -> Result<OpenedQuery, DoesNotOpen> {
        self.input.open_query(context, query)
    }

    /// State key and randomness of one contract.
    pub(super) fn contract(&self, sc: ScAddress) -> Result<Arc<ContractSecrets>, Refusal> {
        Ok(Arc::new(ContractSecrets {
            state: derive(&self.secret, &[b"state", &sc.0])?,
            random: derive(&self.secret, &[b"random", &sc.0])?,
        }))
    }
}

impl<T: Tee, S: Store> Worker<T, S> {
    /// Opens an input that was sealed without a task's id.
    pub(super) fn open_bare(&self, input: &TaskInput) -> Option<OpenedTask> {
        let TaskInput { sc, user_dh_key, encrypted_fn, encrypted_args, .. } = input;
        self.bare.input.open_bare_task(self.network.domain, *sc, user_dh_key, encrypted_fn, encrypted_args).ok()
    }

    pub(super) fn execute_bare(&self, pre_code: Option<Vec<u8>>, input: ComputeInput) -> Result<Response, Refusal> {
        self.development_only("a request without `record`")?;
        if input.ledger_proof.is_some() {
            return Err(Refusal::UnsupportedField("`ledgerProof`"));
        }
        let sc = input.contract_address.0;
        let mut task_input = TaskInput {
            task_id: TaskId::default(),
            sc,
            epoch: 0,
            suite: input.suite.unwrap_or(SUITE_X25519),
            encrypted_fn: input.encrypted_fn.0,
            encrypted_args: input.encrypted_args.0,
            user_dh_key: input.user_dh_key.0,
            pre_code,
        };
        let inputs_hash = task_input.inputs_hash();
        let content = Preimage::new("enigma/bare-task/1")
            .domain(&self.network.domain)
            .hash(inputs_hash)
            .u64(input.gas_limit.0)
            .finish();
        task_input.task_id = TaskId(content.0);

        let contract = self.contracts.contract(sc);
        let mut slot = contract.lock_settled(&self.store)?;
        if slot.head.as_ref().is_some_and(|head| !head.bare) {
            return Err(Refusal::Bare(sc));
        }
        let executed: Option<u64> = self.store.load("request", &bare_key(sc, task_input.task_id))?;
        let record = Record {
            sc,
            sender: Address::ZERO,
            sender_nonce: 0,
            inputs_hash,
            timestamp: 0,
            prevrandao: Hash::ZERO,
            inlined: false,
            gas_limit: input.gas_limit.0,
            gas_price: 0,
            value: 0,
            call_gas: 0,
            epoch: 0,
            block_number: 0,
            due: 0,
            record_index: executed.unwrap_or_else(|| slot.records()),
        };
        let task =
            Task { record_hash: record.record_hash(&self.network.domain), record, input: task_input, bare: true };
        if executed.is_some() {
            return self.repeat(&task);
        }
        let opened = None;
        let run = match slot.head.clone() {
            None if task.input.pre_code.is_none() => return Err(Refusal::UnknownContract(sc)),
            Some(_) if task.input.pre_code.is_some() => return Err(Refusal::OtherCode(sc)),
            Some(head) if head.import.removed => return Err(Refusal::UnknownContract(sc)),
            Some(head) if !head.is_deployed() => Run::undecryptable(head.tip),
            None => self.run_deployment(&task, opened)?,
            Some(head) => self.run_call(&task, opened, &head, &mut slot)?,
        };
        let (answer, ticket) = self.conclude(&task, run, &mut slot)?;
        ticket.wait()?;
        contract.advanced(slot);
        self.reply(answer)
    }

    /// Keys of the contract that a task calls.
    pub(super) fn secrets(&self, task: &Task) -> Result<Arc<ContractSecrets>, Refusal> {
        if task.bare {
            self.bare.contract(task.record.sc)
        } else {
            contracts::lock(&self.keys).contract(task.record.sc)
        }
    }
}
