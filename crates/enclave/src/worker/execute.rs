//! Execution of one record.
//!
//! The order of the checks decides what a request can do: nothing is decrypted before the input is the recorded one and the
//! record is the next of its contract, or one of the few behind it, whose input is opened while its predecessors run. It runs
//! at its turn, on what they made of the state, durable or not; nothing is answered before it is durable, and nothing is
//! durable whose predecessors are not.

use super::{
    Worker,
    contracts::{self, Contract, Head, Import, Live, Outcome, Slot, lock},
    keys::ContractSecrets,
    required, snapshot,
    state::{ContractState, Link, MAX_STATE_BYTES, StateCipher, derive},
};
use crate::{
    error::Refusal,
    frame,
    ptt::GENERATION,
    store::{Store, Ticket, bare_key, code_key, entry_key, head_key, outcome_key},
    tee::Tee,
};
use enigma_protocol::{
    Address, Domain, Hash, ScAddress, TaskId,
    hash::keccak256,
    ipc::{ComputeInput, ComputeResult, Delta, DeployInput, DeployResult, FailedResult, Response, SnapshotMade},
    json::{ByteArray, Hex, ReceiptJson, U64},
    output::{Failure, Output},
    padding::size_class,
    receipt::{MINIMUM_GAS, Receipt, Status, gas_tier},
    record::{Record, queue_genesis, queue_head},
    sealing::{OpenedTask, TaskContext},
    state::{StateChanges, genesis_tip, snapshot_due},
    task::{InvalidInput, SUITE_X25519, TaskInput},
};
use enigma_runtime::{Context, Entry, EthereumCall, PayOut, Program, prepare};
use std::{sync::MutexGuard, time::Duration};
use zeroize::Zeroizing;

/// How far ahead of its turn a record may arrive to wait for it: as many as one connection may have unanswered.
const MAX_AHEAD: u64 = 64;
/// How long it waits: its predecessors are on the way, or its node does not know that they are missing.
const AHEAD_PATIENCE: Duration = Duration::from_secs(1);
/// Gas for each byte of a deployed module: validating, metering and compiling it.
const PREPARE_GAS_PER_BYTE: u64 = 1;
/// The rank of a worker; key managers serve no other in this version.
const RANK: u8 = 0;

/// An input that is the recorded one.
pub(super) struct Task {
    pub(super) record: Record,
    pub(super) record_hash: Hash,
    pub(super) input: TaskInput,
    /// Nothing was recorded: the record was made up for the request.
    pub(super) bare: bool,
}

impl Task {
    fn verify(domain: &Domain, pre_code: Option<Vec<u8>>, input: ComputeInput) -> Result<Self, Refusal> {
        if input.ledger_proof.is_some() {
            return Err(Refusal::UnsupportedField("`ledgerProof`"));
        }
        let record: Record = required(input.record, "input.record")?.into();
        if input.contract_address.0 != record.sc {
            return Err(Refusal::Mismatch("the record is of another contract"));
        }
        if input.gas_limit.0 != record.gas_limit {
            return Err(Refusal::Mismatch("the record has another gas limit"));
        }
        let task_id = record.task_id(domain);
        if pre_code.is_some() && record.sc != ScAddress::from(task_id) {
            return Err(Refusal::Input(InvalidInput::DeploymentAddress));
        }
        let input = TaskInput {
            task_id,
            sc: record.sc,
            epoch: record.epoch,
            suite: input.suite.unwrap_or(SUITE_X25519),
            encrypted_fn: input.encrypted_fn.0,
            encrypted_args: input.encrypted_args.0,
            user_dh_key: input.user_dh_key.0,
            pre_code,
        };
        input.verify_recorded(record.inputs_hash).map_err(Refusal::Input)?;
        if (record.record_index == 0) != input.pre_code.is_some() {
            return Err(Refusal::Mismatch("record 0 of a contract is its deployment, and no other is"));
        }
        Ok(Self { record_hash: record.record_hash(domain), record, input, bare: false })
    }
}

/// What came of a record.
pub(super) struct Run {
    status: Status,
    gas_used: u64,
    encrypted_output: Vec<u8>,
    previous_tip: Hash,
    deployed: Option<Deployed>,
    change: Option<(Link, StateChanges)>,
    ethereum_call: Option<EthereumCall>,
    pay_out: Option<PayOut>,
}

/// A contract that this record deployed.
struct Deployed {
    exe_code: Vec<u8>,
    exe_code_hash: Hash,
    live: Live,
}

/// What a reply is made of.
pub(super) struct Answer {
    outcome: Outcome,
    delta: Option<Vec<u8>>,
    exe_code: Option<Vec<u8>>,
}

/// Whether it is a record's turn.
enum Turn<'a> {
    Now(MutexGuard<'a, Slot>),
    /// It was executed before; its outcome is durable when these writes are.
    Over(Option<Ticket>),
}

impl Run {
    /// A run that leaves nothing but its output.
    fn without_effects(status: Status, gas_used: u64, encrypted_output: Vec<u8>, tip: Hash) -> Self {
        Self {
            status,
            gas_used,
            encrypted_output,
            previous_tip: tip,
            deployed: None,
            change: None,
            ethereum_call: None,
            pay_out: None,
        }
    }

    pub(super) fn undecryptable(tip: Hash) -> Self {
        Self::without_effects(Status::Undecryptable, MINIMUM_GAS, Vec::new(), tip)
    }
}

/// What a call that returned leaves.
struct Called {
    output: Zeroizing<Vec<u8>>,
    changes: StateChanges,
    ethereum_call: Option<EthereumCall>,
    pay_out: Option<PayOut>,
}

impl<T: Tee, S: Store> Worker<T, S> {
    pub(super) fn deploy(&self, input: DeployInput) -> Result<frame::Answer, Refusal> {
        let pre_code = Some(input.pre_code.0);
        if input.task.record.is_none() {
            Ok(self.execute_bare(pre_code, input.task)?.into())
        } else {
            self.execute(pre_code, input.task)
        }
    }

    pub(super) fn compute(&self, input: ComputeInput) -> Result<frame::Answer, Refusal> {
        if input.record.is_none() { Ok(self.execute_bare(None, input)?.into()) } else { self.execute(None, input) }
    }

    fn execute(&self, pre_code: Option<Vec<u8>>, input: ComputeInput) -> Result<frame::Answer, Refusal> {
        let task = Task::verify(&self.network.domain, pre_code, input)?;
        let (sc, index) = (task.record.sc, task.record.record_index);
        let contract = self.contracts.contract(sc);
        let next = contract.next(&self.store)?;
        // Outside the lock, where it holds nobody up. Without a key this is refused when it is the record's turn.
        let ahead = (next..=next.saturating_add(MAX_AHEAD)).contains(&index);
        let mut opened = ahead.then(|| self.open_input(&task).ok()).flatten();
        loop {
            match self.turn(&contract, index)? {
                Turn::Now(mut slot) => {
                    let run = match slot.head.clone() {
                        None => self.run_deployment(&task, opened.take())?,
                        Some(head) if !head.is_deployed() => Run::undecryptable(head.tip),
                        Some(head) => self.run_call(&task, opened.take(), &head, &mut slot)?,
                    };
                    let (answer, ticket) = self.conclude(&task, run, &mut slot)?;
                    contract.advanced(slot);
                    return Ok(frame::Answer::WhenDurable(self.reply(answer)?.into(), ticket));
                }
                Turn::Over(submitted) => {
                    // If these writes fail, the record is not executed any more, and it may be its turn.
                    if submitted.is_none_or(|ticket| ticket.wait().is_ok()) {
                        return Ok(self.repeat(&task)?.into());
                    }
                }
            }
        }
    }

    /// Waits for the turn of a record that arrived a little early.
    fn turn<'a>(&self, contract: &'a Contract, index: u64) -> Result<Turn<'a>, Refusal> {
        let mut slot = contract.lock(&self.store)?;
        let (mut place, mut patience) = (None, AHEAD_PATIENCE);
        loop {
            if slot.head.as_ref().is_some_and(|head| head.bare) {
                return Err(Refusal::Bare(contract.sc()));
            }
            let expected = slot.records();
            if index < expected {
                return Ok(Turn::Over(slot.submitted()));
            }
            if slot.head.as_ref().is_some_and(|head| head.floor.is_some()) {
                return Err(Refusal::NotPlaced(contract.sc()));
            }
            if index == expected {
                return Ok(Turn::Now(slot));
            }
            place = place.or_else(|| self.contracts.waiting_place());
            if index.saturating_sub(expected) > MAX_AHEAD || place.is_none() || patience.is_zero() {
                return Err(match slot.head {
                    None => Refusal::UnknownContract(contract.sc()),
                    Some(_) => Refusal::OutOfOrder { sc: contract.sc(), given: index, expected },
                });
            }
            (slot, patience) = contract.wait_for_turn(index, slot, &self.store, patience)?;
        }
    }

    /// What a record was answered with, from the store.
    pub(super) fn repeat(&self, task: &Task) -> Result<Response, Refusal> {
        let (sc, index) = (task.record.sc, task.record.record_index);
        let outcome = contracts::load_outcome(&self.store, sc, index)?;
        if outcome.record_hash != task.record_hash {
            return Err(Refusal::OtherRecord { sc, index });
        }
        let receipt = &outcome.receipt;
        let (mut delta, mut exe_code) = (None, None);
        if receipt.status == Status::Success {
            if receipt.tip != receipt.previous_tip {
                delta = Some(contracts::load_entry(&self.store, sc, receipt.delta_index)?);
            }
            if outcome.deployment.is_some() {
                let head = contracts::known_head(&self.store, sc)?;
                exe_code = Some(contracts::load_code(&self.store, sc, &head)?);
            }
        }
        self.reply(Answer { outcome, delta, exe_code })
    }

    /// Opens the input; `None` when it does not open, which is an outcome like others.
    fn open_input(&self, task: &Task) -> Result<Option<OpenedTask>, Refusal> {
        if task.bare {
            return Ok(self.open_bare(&task.input));
        }
        let TaskInput { task_id, sc, epoch, .. } = task.input;
        let key = lock(&self.keys).input(sc, epoch)?;
        if task.input.validate().is_err() {
            return Ok(None);
        }
        let context = TaskContext { domain: self.network.domain, sc, epoch, task_id };
        let TaskInput { user_dh_key, encrypted_fn, encrypted_args, .. } = &task.input;
        Ok(key.open_task(&context, user_dh_key, encrypted_fn, encrypted_args).ok())
    }

    /// `opened` is the input where it was opened already.
    pub(super) fn run_deployment(&self, task: &Task, opened: Option<Option<OpenedTask>>) -> Result<Run, Refusal> {
        let secrets = self.secrets(task)?;
        let opened = opened.map_or_else(|| self.open_input(task), Ok)?;
        let Some(opened) = opened else { return Ok(Run::undecryptable(Hash::ZERO)) };
        let gas_limit = task.record.gas_limit;
        let pre_code = task.input.pre_code.as_deref().unwrap_or_default();
        let prepare_gas = (pre_code.len() as u64).saturating_mul(PREPARE_GAS_PER_BYTE);
        let fail = |gas_used: u64, failure: Failure| failed(&opened, Hash::ZERO, gas_used, gas_limit, &failure);
        let Some(gas_left) = gas_limit.checked_sub(prepare_gas) else {
            let text = format!("out of gas: the code alone takes {prepare_gas}, the limit was {gas_limit}");
            return fail(gas_limit, Failure { text, data: Vec::new() });
        };
        let prepared = prepare(pre_code).and_then(|exe_code| Ok((Program::load(&exe_code)?, exe_code)));
        let (program, exe_code) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                let text = format!("the code is refused: {error}");
                return fail(prepare_gas, Failure { text, data: Vec::new() });
            }
        };
        let (call_gas, result) =
            self.call(&program, Entry::Deploy, task, &opened, &secrets, gas_left, &ContractState::default())?;
        let gas_used = prepare_gas.saturating_add(call_gas);
        let called = match result {
            Ok(called) => called,
            Err(failure) => return fail(gas_used, failure),
        };
        let exe_code_hash = keccak256(&exe_code);
        let tip = genesis_tip(task.record.sc, exe_code_hash);
        let cipher = StateCipher::new(&secrets, task.record.sc, exe_code_hash)?;
        let live = Live { program, code_bytes: exe_code.len(), cipher, state: ContractState::default() };
        let run = succeeded(task, &opened, &live.cipher, (tip, 0), gas_used, called)?;
        Ok(Run { deployed: Some(Deployed { exe_code, exe_code_hash, live }), ..run })
    }

    pub(super) fn run_call(
        &self,
        task: &Task,
        opened: Option<Option<OpenedTask>>,
        head: &Head,
        slot: &mut Slot,
    ) -> Result<Run, Refusal> {
        let secrets = self.secrets(task)?;
        let opened = opened.map_or_else(|| self.open_input(task), Ok)?;
        let Some(opened) = opened else { return Ok(Run::undecryptable(head.tip)) };
        let live = match slot.live.take() {
            Some(live) => live,
            None => {
                contracts::load_live(&self.store, task.record.sc, head, &secrets).map_err(|refusal| match refusal {
                    Refusal::Corrupted("state") if head.import.unverified => Refusal::DoesNotOpen(task.record.sc),
                    refusal => refusal,
                })?
            }
        };
        let live = slot.live.insert(live);
        let gas_limit = task.record.gas_limit;
        let (gas_used, result) =
            self.call(&live.program, Entry::Call, task, &opened, &secrets, gas_limit, &live.state)?;
        match result {
            Ok(called) => succeeded(task, &opened, &live.cipher, (head.tip, head.entries), gas_used, called),
            Err(failure) => failed(&opened, head.tip, gas_used, gas_limit, &failure),
        }
    }

    /// Runs the code: gas used, and what the call leaves or why it failed.
    #[allow(clippy::too_many_arguments, reason = "everything that a call depends on")]
    fn call(
        &self,
        program: &Program,
        entry: Entry,
        task: &Task,
        opened: &OpenedTask,
        secrets: &ContractSecrets,
        gas_limit: u64,
        state: &ContractState,
    ) -> Result<(u64, Result<Called, Failure>), Refusal> {
        let Task { record, input, .. } = task;
        let context = Context {
            contract: record.sc.0,
            task_id: input.task_id.0,
            caller: record.sender.0,
            value: record.value,
            block_number: record.block_number,
            block_timestamp: record.timestamp,
            random_seed: random_seed(secrets, input.task_id, record.prevrandao)?,
            gas_limit,
            call_gas: record.call_gas,
            debug: self.tee.is_development(),
        };
        let execution = program.execute(entry, &opened.function, &opened.args, &context, state.items());
        for text in &execution.debug {
            self.tee.contract_debug(record.sc, text);
        }
        let data = match execution.outcome {
            Ok(data) => data,
            Err(failure) if !failure.is_final() => return Err(Refusal::HostExhausted),
            Err(failure) => return Ok((execution.gas_used, Err(sealed_failure(failure)))),
        };
        let changes = StateChanges(execution.changes);
        if state.size_after(&changes).in_memory() > MAX_STATE_BYTES {
            let text = format!("the contract's state would exceed {MAX_STATE_BYTES} bytes");
            return Ok((execution.gas_used, Err(Failure { text, data: Vec::new() })));
        }
        let output = Zeroizing::new(Output { data, events: execution.events }.to_bytes());
        let (ethereum_call, pay_out) = (execution.ethereum_call, execution.pay_out);
        Ok((execution.gas_used, Ok(Called { output, changes, ethereum_call, pay_out })))
    }

    /// Submits everything that the record makes, as one, and goes on from there in memory.
    pub(super) fn conclude(&self, task: &Task, run: Run, slot: &mut Slot) -> Result<(Answer, Ticket), Refusal> {
        let Task { record, record_hash, input, bare } = task;
        let sc = record.sc;
        let Run { status, gas_used, encrypted_output, previous_tip, deployed, change, ethereum_call, pay_out } = run;
        let before = slot.head.clone().unwrap_or_else(|| Head {
            records: 0,
            queue_head: queue_genesis(sc),
            pre_code_hash: input.pre_code_hash(),
            exe_code_hash: deployed.as_ref().map_or(Hash::ZERO, |deployed| deployed.exe_code_hash),
            entries: 0,
            tip: previous_tip,
            snapshot: None,
            delta_bytes: 0,
            first: 0,
            floor: None,
            bare: task.bare,
            import: Import::default(),
        });
        let (mut tip, mut delta_bytes, mut made) = (previous_tip, before.delta_bytes, None);
        if let Some((link, changes)) = &change {
            (tip, delta_bytes) = (link.tip, delta_bytes.saturating_add(link.bytes.len() as u64));
            let live = deployed.as_ref().map(|deployed| &deployed.live).or(slot.live.as_ref());
            let Live { cipher, state, .. } = live.ok_or(Refusal::Primitive)?;
            if snapshot_due(delta_bytes, size_class(state.size_after(changes).encoded())) {
                let place = (input.task_id, before.entries, tip);
                let snapshot = made.insert(snapshot::make(cipher, place, state, changes)?);
                (tip, delta_bytes) = (snapshot.tip, 0);
            }
        }
        let receipt = Receipt {
            task_id: input.task_id,
            sc,
            record_index: record.record_index,
            delta_index: before.entries,
            epoch: record.epoch,
            rank: RANK,
            generation: GENERATION,
            exe_code_hash: before.exe_code_hash,
            inputs_hash: record.inputs_hash,
            previous_tip,
            tip,
            output_hash: keccak256(&encrypted_output),
            gas_used,
            status,
            call_target: ethereum_call.as_ref().map_or(Address::ZERO, |call| Address(call.target)),
            call_data_hash: ethereum_call.as_ref().map_or(Hash::ZERO, |call| keccak256(&call.data)),
            call_gas: ethereum_call.as_ref().map_or(0, |_| record.call_gas),
            pay_to: pay_out.map_or(Address::ZERO, |pay_out| Address(pay_out.to)),
            pay_amount: pay_out.map_or(0, |pay_out| pay_out.amount),
        };
        let head = Head {
            records: before.records.saturating_add(1),
            queue_head: queue_head(before.queue_head, *record_hash),
            entries: before.entries.saturating_add(change.is_some().into()),
            tip,
            snapshot: made.as_ref().map(|made| made.at).or(before.snapshot),
            delta_bytes,
            ..before.clone()
        };
        let outcome = Outcome {
            record_hash: *record_hash,
            queue_head: head.queue_head,
            deployment: input.pre_code.is_some().then_some(head.pre_code_hash),
            receipt,
            encrypted_output,
            snapshot_parts: made.as_ref().map(|made| made.at.parts),
            ethereum_payload: ethereum_call.map(|call| call.data).unwrap_or_default(),
        };
        let mut writes = vec![
            self.store.save(outcome_key(sc, record.record_index), &outcome)?,
            self.store.save(head_key(sc), &head)?,
        ];
        if *bare {
            writes.push(self.store.save(bare_key(sc, input.task_id), &record.record_index)?);
        }
        if let Some(deployed) = &deployed {
            writes.push(self.store.write(code_key(sc), &deployed.exe_code)?);
        }
        if let Some(made) = made {
            // Whoever begins behind this snapshot needs no older one.
            writes.extend(before.snapshot.into_iter().flat_map(|old| old.keys(sc)).map(|key| (key, None)));
            for (key, part) in made.at.keys(sc).zip(made.parts) {
                writes.push(self.store.write(key, &part)?);
            }
        }
        let (mut delta, mut changes) = (None, None);
        if let Some((link, made)) = change {
            writes.push(self.store.write(entry_key(sc, before.entries), &link.bytes)?);
            (delta, changes) = (Some(link.bytes), Some(made));
        }
        let mut exe_code = None;
        let deployed = deployed.map(|Deployed { exe_code: code, live, .. }| {
            exe_code = Some(code);
            live
        });
        let ticket = slot.advance(&self.store, writes, head, |live| {
            let mut live = deployed.or(live);
            if let (Some(live), Some(changes)) = (&mut live, changes) {
                live.state.apply(changes);
            }
            live
        })?;
        Ok((Answer { outcome, delta, exe_code }, ticket))
    }

    /// The reply to a record, the same every time.
    pub(super) fn reply(&self, answer: Answer) -> Result<Response, Refusal> {
        let Answer { outcome, delta, exe_code } = answer;
        let Outcome { receipt, encrypted_output, ethereum_payload, deployment, snapshot_parts, .. } = outcome;
        let signature = Hex(self.signing_key.sign(receipt.digest(&self.network.domain)));
        let used_gas = U64(receipt.gas_used);
        let (receipt_json, output) = (ReceiptJson::from(&receipt), Hex(encrypted_output));
        if receipt.status != Status::Success {
            let result = FailedResult { output, used_gas, signature, receipt: receipt_json };
            return Ok(Response::FailedTask { result });
        }
        let made = |parts: u32| SnapshotMade { key: U64(receipt.delta_index), parts: U64(parts.into()) };
        let snapshot = snapshot_parts.map(made);
        let delta =
            delta.map_or_else(Delta::default, |data| Delta { key: U64(receipt.delta_index), data: ByteArray(data) });
        let (ethereum_payload, ethereum_address) = (Hex(ethereum_payload), Hex(receipt.call_target));
        let Some(pre_code_hash) = deployment else {
            let receipt = receipt_json;
            let result = ComputeResult {
                output,
                delta,
                used_gas,
                ethereum_payload,
                ethereum_address,
                signature,
                receipt,
                snapshot,
            };
            return Ok(Response::ComputeTask { result });
        };
        Ok(Response::DeploySecretContract {
            result: DeployResult {
                output: ByteArray(exe_code.unwrap_or_default()),
                pre_code_hash: Hex(pre_code_hash),
                delta,
                used_gas,
                ethereum_payload,
                ethereum_address,
                signature,
                receipt: receipt_json,
                encrypted_output: output,
                snapshot,
            },
        })
    }
}

/// Randomness of a task: the contract's secret, which nobody chose, mixed with the task and its block's randomness.
fn random_seed(secrets: &ContractSecrets, task_id: TaskId, prevrandao: Hash) -> Result<[u8; 32], Refusal> {
    Ok(*derive(&secrets.random, &[b"enigma/random/1", &task_id.0, &prevrandao.0])?)
}

/// A failure as its caller reads it.
pub(super) fn sealed_failure(failure: enigma_runtime::Failure) -> Failure {
    let text = failure.to_string();
    let data = match failure {
        enigma_runtime::Failure::Contract { data, .. } => data,
        _ => Vec::new(),
    };
    Failure { text, data }
}

fn failed(opened: &OpenedTask, tip: Hash, gas_used: u64, gas_limit: u64, failure: &Failure) -> Result<Run, Refusal> {
    let (status, content) = (Status::Failure, Zeroizing::new(failure.to_bytes()));
    let encrypted_output = opened.response.seal(tip, status, &content).map_err(|_| Refusal::Primitive)?;
    Ok(Run::without_effects(status, gas_tier(gas_used, gas_limit), encrypted_output, tip))
}

/// The place of the delta is given by the tip and the number of deltas before it.
fn succeeded(
    task: &Task,
    opened: &OpenedTask,
    cipher: &StateCipher,
    (previous_tip, index): (Hash, u64),
    gas_used: u64,
    called: Called,
) -> Result<Run, Refusal> {
    let Called { output, changes, ethereum_call, pay_out } = called;
    let status = Status::Success;
    let encrypted_output = opened.response.seal(previous_tip, status, &output).map_err(|_| Refusal::Primitive)?;
    let change = if changes.0.is_empty() {
        None
    } else {
        let link = cipher.encrypt(task.input.task_id, index, previous_tip, &changes)?;
        Some((link, changes))
    };
    let gas_used = gas_tier(gas_used, task.record.gas_limit);
    Ok(Run { status, gas_used, encrypted_output, previous_tip, deployed: None, change, ethereum_call, pay_out })
}

#[cfg(test)]
mod tests {
    use enigma_protocol::{limits::MAX_MESSAGE_BYTES, output, padding::size_class};
    use enigma_runtime::limits::{
        MAX_CALL_DATA_BYTES, MAX_DELTA_BYTES, MAX_EVENT_BYTES, MAX_EVENTS, MAX_EXE_CODE_BYTES, MAX_FAILURE_DATA_BYTES,
        MAX_FAILURE_TEXT_BYTES, MAX_OUTPUT_BYTES, MAX_STATE_WRITES,
    };

    #[test]
    fn the_largest_output_is_read_by_its_caller() {
        const {
            assert!(MAX_OUTPUT_BYTES + MAX_EVENT_BYTES + 8 * (MAX_EVENTS + 1) <= output::MAX_OUTPUT_BYTES);
            assert!(MAX_FAILURE_TEXT_BYTES + MAX_FAILURE_DATA_BYTES + 8 <= output::MAX_OUTPUT_BYTES);
        }
    }

    #[test]
    fn the_largest_reply_fits_a_frame() {
        // Lengths and tags of an encoded change; header, nonce, length and tag of an entry; receipt and names of the reply.
        let (change, entry, names) = (9, 256, 16 << 10);
        let delta = size_class(MAX_DELTA_BYTES + MAX_STATE_WRITES * change) + entry;
        // Code and delta are decimal numbers with commas, output and calldata are hexadecimal.
        let output = size_class(output::MAX_OUTPUT_BYTES) + 64 + MAX_CALL_DATA_BYTES;
        let largest = 4 * (MAX_EXE_CODE_BYTES + delta) + 2 * output + names;
        assert!(largest <= MAX_MESSAGE_BYTES, "{largest} bytes: a node could never read this reply, nor go on");
    }
}
