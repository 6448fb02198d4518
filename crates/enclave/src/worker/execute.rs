//! Execution of one record.
//!
//! The order of the checks decides what a request can do: nothing is decrypted before the input is the recorded one and the
//! record is the next of its contract; nothing is answered before it is durable.

use super::{
    Worker,
    contracts::{self, Head, Live, Outcome, Slot, lock},
    keys::ContractSecrets,
    required,
    state::{ContractState, MAX_STATE_BYTES, StateCipher, derive},
};
use crate::{
    error::Refusal,
    ptt::GENERATION,
    store::{Store, code_key, entry_key, head_key, outcome_key},
    tee::Tee,
};
use enigma_protocol::{
    Address, Domain, Hash, ScAddress, TaskId,
    hash::keccak256,
    ipc::{ComputeInput, ComputeResult, Delta, DeployInput, DeployResult, FailedResult, Response},
    json::{ByteArray, Hex, ReceiptJson, U64},
    receipt::{MINIMUM_GAS, Receipt, Status, gas_tier},
    record::{Record, queue_genesis, queue_head},
    sealing::{OpenedTask, TaskContext},
    state::{StateChanges, StateEntry, genesis_tip},
    task::{InvalidInput, SUITE_X25519, TaskInput},
};
use enigma_runtime::{Context, Entry, Program, prepare};
use zeroize::Zeroizing;

/// Gas for each byte of a deployed module: validating, metering and compiling it.
const PREPARE_GAS_PER_BYTE: u64 = 1;
/// The rank of a worker; key managers serve no other in this version.
const RANK: u8 = 0;

/// An input that is the recorded one.
struct Task {
    record: Record,
    record_hash: Hash,
    input: TaskInput,
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
        Ok(Self { record_hash: record.record_hash(domain), record, input })
    }
}

/// What came of a record.
struct Run {
    status: Status,
    gas_used: u64,
    encrypted_output: Vec<u8>,
    previous_tip: Hash,
    /// Code of a contract that this record deployed.
    deployed: Option<(Vec<u8>, Program)>,
    change: Option<(StateEntry, StateChanges)>,
}

impl Run {
    fn undecryptable(tip: Hash) -> Self {
        Self {
            status: Status::Undecryptable,
            gas_used: MINIMUM_GAS,
            encrypted_output: Vec::new(),
            previous_tip: tip,
            deployed: None,
            change: None,
        }
    }
}

/// What the code made of a call: gas used, and output with changes or the text of a failure.
type Called = (u64, Result<(Zeroizing<Vec<u8>>, StateChanges), String>);

impl<T: Tee, S: Store> Worker<T, S> {
    pub(super) fn deploy(&self, input: DeployInput) -> Result<Response, Refusal> {
        self.execute(Some(input.pre_code.0), input.task)
    }

    pub(super) fn compute(&self, input: ComputeInput) -> Result<Response, Refusal> {
        self.execute(None, input)
    }

    fn execute(&self, pre_code: Option<Vec<u8>>, input: ComputeInput) -> Result<Response, Refusal> {
        let task = Task::verify(&self.network.domain, pre_code, input)?;
        let (sc, index) = (task.record.sc, task.record.record_index);
        let slot = self.contracts.slot(sc);
        let mut slot = lock(&slot);
        if slot.head.is_none() {
            slot.head = contracts::load_head(&self.store, sc)?;
        }
        let expected = slot.head.as_ref().map_or(0, |head| head.records);
        if index < expected {
            let outcome = contracts::load_outcome(&self.store, sc, index)?;
            if outcome.record_hash != task.record_hash {
                return Err(Refusal::OtherRecord { sc, index });
            }
            return self.reply(&outcome);
        }
        if expected == 0 && index > 0 {
            return Err(Refusal::UnknownContract(sc));
        }
        if index > expected {
            return Err(Refusal::OutOfOrder { sc, given: index, expected });
        }
        let run = match slot.head.clone() {
            None => self.run_deployment(&task)?,
            Some(head) if !head.is_deployed() => Run::undecryptable(head.tip),
            Some(head) => self.run_call(&task, &head, &mut slot)?,
        };
        let outcome = self.conclude(&task, run, &mut slot)?;
        self.reply(&outcome)
    }

    /// Opens the input; `None` when it does not open, which is an outcome like others.
    fn open_input(&self, task: &Task) -> Result<Option<OpenedTask>, Refusal> {
        let TaskInput { task_id, sc, epoch, .. } = task.input;
        let key = lock(&self.keys).input(sc, epoch)?;
        if task.input.validate().is_err() {
            return Ok(None);
        }
        let context = TaskContext { domain: self.network.domain, sc, epoch, task_id };
        let TaskInput { user_dh_key, encrypted_fn, encrypted_args, .. } = &task.input;
        Ok(key.open_task(&context, user_dh_key, encrypted_fn, encrypted_args).ok())
    }

    fn run_deployment(&self, task: &Task) -> Result<Run, Refusal> {
        let secrets = lock(&self.keys).contract(task.record.sc)?;
        let Some(opened) = self.open_input(task)? else { return Ok(Run::undecryptable(Hash::ZERO)) };
        let gas_limit = task.record.gas_limit;
        let pre_code = task.input.pre_code.as_deref().unwrap_or_default();
        let prepare_gas = (pre_code.len() as u64).saturating_mul(PREPARE_GAS_PER_BYTE);
        let fail = |gas_used: u64, text: String| failed(&opened, Hash::ZERO, gas_used, gas_limit, &text);
        let Some(gas_left) = gas_limit.checked_sub(prepare_gas) else {
            let text = format!("out of gas: the code alone takes {prepare_gas}, the limit was {gas_limit}");
            return fail(gas_limit, text);
        };
        let prepared = prepare(pre_code).and_then(|exe_code| Ok((Program::load(&exe_code)?, exe_code)));
        let (program, exe_code) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return fail(prepare_gas, format!("the code is refused: {error}")),
        };
        let (call_gas, result) =
            call(&program, Entry::Deploy, task, &opened, &secrets, gas_left, &ContractState::default())?;
        let gas_used = prepare_gas.saturating_add(call_gas);
        let (output, changes) = match result {
            Ok(result) => result,
            Err(text) => return fail(gas_used, text),
        };
        let exe_code_hash = keccak256(&exe_code);
        let tip = genesis_tip(task.record.sc, exe_code_hash);
        let run = succeeded(task, &opened, &secrets, (exe_code_hash, tip, 0), gas_used, &output, changes)?;
        Ok(Run { deployed: Some((exe_code, program)), ..run })
    }

    fn run_call(&self, task: &Task, head: &Head, slot: &mut Slot) -> Result<Run, Refusal> {
        let secrets = lock(&self.keys).contract(task.record.sc)?;
        let Some(opened) = self.open_input(task)? else { return Ok(Run::undecryptable(head.tip)) };
        let live = match slot.live.take() {
            Some(live) => live,
            None => contracts::load_live(&self.store, task.record.sc, head, &secrets)?,
        };
        let live = slot.live.insert(live);
        let gas_limit = task.record.gas_limit;
        let (gas_used, result) = call(&live.program, Entry::Call, task, &opened, &secrets, gas_limit, &live.state)?;
        match result {
            Ok((output, changes)) => {
                let place = (head.exe_code_hash, head.tip, head.entries);
                succeeded(task, &opened, &secrets, place, gas_used, &output, changes)
            }
            Err(text) => failed(&opened, head.tip, gas_used, gas_limit, &text),
        }
    }

    /// Signs the receipt, makes everything durable in one commit, and only then changes what is in memory.
    fn conclude(&self, task: &Task, run: Run, slot: &mut Slot) -> Result<Outcome, Refusal> {
        let Task { record, record_hash, input } = task;
        let sc = record.sc;
        let Run { status, gas_used, encrypted_output, previous_tip, deployed, change } = run;
        let deployed = deployed.map(|(code, program)| (keccak256(&code), code, program));
        let before = slot.head.clone().unwrap_or_else(|| Head {
            records: 0,
            queue_head: queue_genesis(sc),
            pre_code_hash: input.pre_code_hash(),
            exe_code_hash: deployed.as_ref().map_or(Hash::ZERO, |(hash, ..)| *hash),
            entries: 0,
            tip: previous_tip,
            snapshot: None,
            delta_bytes: 0,
            first: 0,
            floor: None,
            bare: false,
        });
        let tip = change.as_ref().map_or(previous_tip, |(entry, _)| entry.tip());
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
            call_target: Address::ZERO,
            call_data_hash: Hash::ZERO,
            call_gas: 0,
            pay_to: Address::ZERO,
            pay_amount: 0,
        };
        let head = Head {
            records: before.records.saturating_add(1),
            queue_head: queue_head(before.queue_head, *record_hash),
            entries: before.entries.saturating_add(change.is_some().into()),
            tip,
            ..before
        };
        let outcome = Outcome {
            record_hash: *record_hash,
            queue_head: head.queue_head,
            deployment: input.pre_code.is_some().then_some(head.pre_code_hash),
            signature: self.signing_key.sign(receipt.digest(&self.network.domain)),
            receipt,
            encrypted_output,
        };
        let mut writes = vec![
            self.store.save(outcome_key(sc, record.record_index), &outcome)?,
            self.store.save(head_key(sc), &head)?,
        ];
        if let Some((_, code, _)) = &deployed {
            writes.push(self.store.write(code_key(sc), code)?);
        }
        if let Some((entry, _)) = &change {
            writes.push(self.store.write(entry_key(sc, entry.header.index), &entry.to_bytes())?);
        }
        if let Err(error) = self.store.commit(&writes) {
            // Whatever the store made of it: read it again before the next record.
            *slot = Slot::default();
            return Err(error.into());
        }
        slot.head = Some(head);
        if let Some((_, _, program)) = deployed {
            slot.live = Some(Live { program, state: ContractState::default() });
        }
        if let (Some(live), Some((_, changes))) = (&mut slot.live, change) {
            live.state.apply(changes);
        }
        Ok(outcome)
    }

    /// The reply to a record, made from what is stored, so that it is the same every time.
    fn reply(&self, outcome: &Outcome) -> Result<Response, Refusal> {
        let Outcome { receipt, signature, encrypted_output, deployment, .. } = outcome;
        let sc = receipt.sc;
        let (signature, used_gas) = (Hex(*signature), U64(receipt.gas_used));
        let (receipt_json, output) = (ReceiptJson::from(receipt), Hex(encrypted_output.clone()));
        if receipt.status != Status::Success {
            let result = FailedResult { output, used_gas, signature, receipt: receipt_json };
            return Ok(Response::FailedTask { result });
        }
        let delta = if receipt.tip == receipt.previous_tip {
            Delta::default()
        } else {
            let data = contracts::load_entry(&self.store, sc, receipt.delta_index)?;
            Delta { key: U64(receipt.delta_index), data: ByteArray(data) }
        };
        let (ethereum_payload, ethereum_address) = (Hex(Vec::new()), Hex(Address::ZERO));
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
                snapshot: None,
            };
            return Ok(Response::ComputeTask { result });
        };
        let head = contracts::known_head(&self.store, sc)?;
        let code = contracts::load_code(&self.store, sc, &head)?;
        Ok(Response::DeploySecretContract {
            result: DeployResult {
                output: ByteArray(code),
                pre_code_hash: Hex(*pre_code_hash),
                delta,
                used_gas,
                ethereum_payload,
                ethereum_address,
                signature,
                receipt: receipt_json,
                encrypted_output: output,
                snapshot: None,
            },
        })
    }
}

/// Randomness of a task: the contract's secret, which nobody chose, mixed with the task and its block's randomness.
fn random_seed(secrets: &ContractSecrets, task_id: TaskId, prevrandao: Hash) -> Result<[u8; 32], Refusal> {
    Ok(*derive(&secrets.random, &[b"enigma/random/1", &task_id.0, &prevrandao.0])?)
}

fn call(
    program: &Program,
    entry: Entry,
    task: &Task,
    opened: &OpenedTask,
    secrets: &ContractSecrets,
    gas_limit: u64,
    state: &ContractState,
) -> Result<Called, Refusal> {
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
    };
    let execution = program.execute(entry, &opened.function, &opened.args, &context, state.items());
    let changes = StateChanges(execution.changes);
    let result = match execution.outcome {
        Err(failure) if !failure.is_final() => return Err(Refusal::HostExhausted),
        Err(failure) => Err(failure.to_string()),
        Ok(_) if state.bytes_after(&changes) > MAX_STATE_BYTES => {
            Err(format!("the contract's state would exceed {MAX_STATE_BYTES} bytes"))
        }
        Ok(output) => Ok((Zeroizing::new(output), changes)),
    };
    Ok((execution.gas_used, result))
}

fn failed(opened: &OpenedTask, tip: Hash, gas_used: u64, gas_limit: u64, text: &str) -> Result<Run, Refusal> {
    let status = Status::Failure;
    let encrypted_output = opened.response.seal(tip, status, text.as_bytes()).map_err(|_| Refusal::Primitive)?;
    let gas_used = gas_tier(gas_used, gas_limit);
    Ok(Run { status, gas_used, encrypted_output, previous_tip: tip, deployed: None, change: None })
}

/// `place` is the code's hash, the tip and the number of entries before this task.
fn succeeded(
    task: &Task,
    opened: &OpenedTask,
    secrets: &ContractSecrets,
    (exe_code_hash, previous_tip, index): (Hash, Hash, u64),
    gas_used: u64,
    output: &[u8],
    changes: StateChanges,
) -> Result<Run, Refusal> {
    let status = Status::Success;
    let encrypted_output = opened.response.seal(previous_tip, status, output).map_err(|_| Refusal::Primitive)?;
    let change = if changes.0.is_empty() {
        None
    } else {
        let cipher = StateCipher::new(secrets, task.record.sc, exe_code_hash)?;
        let entry = cipher.encrypt(task.input.task_id, index, previous_tip, &changes)?;
        Some((entry, changes))
    };
    let gas_used = gas_tier(gas_used, task.record.gas_limit);
    Ok(Run { status, gas_used, encrypted_output, previous_tip, deployed: None, change })
}

#[cfg(test)]
mod tests {
    use enigma_protocol::{limits::MAX_MESSAGE_BYTES, padding::size_class};
    use enigma_runtime::limits::{MAX_DELTA_BYTES, MAX_EXE_CODE_BYTES, MAX_OUTPUT_BYTES, MAX_STATE_WRITES};

    #[test]
    fn the_largest_reply_fits_a_frame() {
        // Lengths and tags of an encoded change; header, nonce, length and tag of an entry; receipt and names of the reply.
        let (change, entry, names) = (9, 256, 16 << 10);
        let delta = size_class(MAX_DELTA_BYTES + MAX_STATE_WRITES * change) + entry;
        // Code and delta are decimal numbers with commas, the output is hexadecimal.
        let largest = 4 * (MAX_EXE_CODE_BYTES + delta) + 2 * (size_class(MAX_OUTPUT_BYTES) + 64) + names;
        assert!(largest <= MAX_MESSAGE_BYTES, "{largest} bytes: a node could never read this reply, nor go on");
    }
}
