//! Tasks as a client seals them and Ethereum records them, laid out as requests; and the checks of what comes back.

use crate::{network::DOMAIN, wire};
use anyhow::{Context, Result, bail, ensure};
use enigma_protocol::{
    Address, Hash, ScAddress,
    hash::keccak256,
    ipc::{ReplyFrame, Response},
    json::{Hex, RecordJson},
    output::{Failure, Output},
    receipt::{Receipt, Status},
    record::{Record, queue_genesis, queue_head},
    sealing::{
        ResponseKey, TaskContext,
        rand_core::{TryCryptoRng, TryRng},
        seal_task,
    },
    task::{SUITE_X25519, TaskInput, task_id},
};
use serde_json::json;
use std::{convert::Infallible, thread};

/// Enough for the longest computation here.
const GAS: u64 = 10_000_000_000;
/// When every record happened.
const NOW_S: u64 = 1_800_000_000;

/// A call before it is sealed.
#[derive(Clone)]
pub struct Task {
    /// Who records it.
    pub sender: Address,
    /// The Solidity signature of the function.
    pub function: &'static str,
    /// Its ABI encoded arguments.
    pub args: Vec<u8>,
}

/// A recorded task, laid out as a request.
pub struct Sealed {
    /// The message to the core.
    pub message: Vec<u8>,
    /// Its place among the records of its contract.
    pub index: u64,
    task_id: enigma_protocol::TaskId,
    inputs_hash: Hash,
    record_hash: Hash,
    response_key: ResponseKey,
}

/// A secret contract: its input key, and where its chain of receipts is.
pub struct Contract {
    /// Its address.
    pub sc: ScAddress,
    /// The epoch, and the key that inputs are sealed to in it.
    pub input_key: (u64, [u8; 32]),
    deployment: (Address, u64),
    /// Index of the next record.
    pub records: u64,
    /// The queue on Ethereum behind the last record.
    pub queue_head: Hash,
    /// Index of the next delta.
    pub deltas: u64,
    /// The newest tip; unknown before the deployment.
    pub tip: Option<Hash>,
}

impl Contract {
    /// A contract before its deployment, which this sender records with this nonce.
    pub fn new(sc: ScAddress, input_key: (u64, [u8; 32]), deployment: (Address, u64)) -> Self {
        Self { sc, input_key, deployment, records: 0, queue_head: queue_genesis(sc), deltas: 0, tip: None }
    }

    /// The deployment as a request.
    pub fn seal_deployment(&mut self, code: &[u8], constructor: &'static str, args: &[u8]) -> Result<Sealed> {
        let (sender, nonce) = self.deployment;
        let task = Task { sender, function: constructor, args: args.to_vec() };
        let sealed = seal(self.sc, self.input_key, &task, nonce, 0, Some(code.to_vec()))?;
        self.record(&sealed);
        Ok(sealed)
    }

    /// The next record as a request.
    pub fn seal(&mut self, task: &Task, nonce: u64) -> Result<Sealed> {
        let sealed = seal(self.sc, self.input_key, task, nonce, self.records, None)?;
        self.record(&sealed);
        Ok(sealed)
    }

    /// The next records as requests, made on all processors.
    pub fn seal_all(&mut self, tasks: &[(Task, u64)]) -> Result<Vec<Sealed>> {
        let (sc, key) = (self.sc, self.input_key);
        let indexed: Vec<_> = (self.records..).zip(tasks).collect();
        let sealed = on_all_processors(&indexed, |(index, (task, nonce))| seal(sc, key, task, *nonce, *index, None))?;
        sealed.iter().for_each(|sealed| self.record(sealed));
        Ok(sealed)
    }

    /// Checks the replies to these tasks, which continue the chain: all succeeded, the receipts chain, signatures verify,
    /// outputs open. Returns the outputs.
    pub fn check(&mut self, tasks: &[Sealed], replies: &[Vec<u8>], signer: Address) -> Result<Vec<Vec<u8>>> {
        ensure!(tasks.len() == replies.len(), "{} replies to {} tasks", replies.len(), tasks.len());
        let pairs: Vec<_> = tasks.iter().zip(replies).collect();
        let done = on_all_processors(&pairs, |(task, reply)| opened(self.sc, task, reply, signer))?;
        let advance = |(receipt, output): (Receipt, Vec<u8>)| self.advance(&receipt).map(|()| output);
        done.into_iter().map(advance).collect()
    }

    /// Checks one reply and returns the output.
    pub fn check_next(&mut self, task: &Sealed, reply: &[u8], signer: Address) -> Result<Vec<u8>> {
        let (receipt, output) = opened(self.sc, task, reply, signer)?;
        self.advance(&receipt)?;
        Ok(output)
    }

    /// What Ethereum does.
    fn record(&mut self, sealed: &Sealed) {
        self.records += 1;
        self.queue_head = queue_head(self.queue_head, sealed.record_hash);
    }

    fn advance(&mut self, receipt: &Receipt) -> Result<()> {
        let expected = self.tip.unwrap_or(receipt.previous_tip);
        ensure!(receipt.previous_tip == expected, "the receipt of record {} does not follow", receipt.record_index);
        ensure!(receipt.delta_index == self.deltas, "record {} has another delta index", receipt.record_index);
        self.deltas += u64::from(receipt.tip != receipt.previous_tip);
        self.tip = Some(receipt.tip);
        Ok(())
    }
}

fn seal(
    sc: ScAddress,
    (epoch, input_key): (u64, [u8; 32]),
    task: &Task,
    nonce: u64,
    index: u64,
    pre_code: Option<Vec<u8>>,
) -> Result<Sealed> {
    let task_id = task_id(&DOMAIN, task.sender, nonce);
    let context = TaskContext { domain: DOMAIN, sc, epoch, task_id };
    let (sealed, response_key) = seal_task(&mut SystemRandom, &context, &input_key, task.function, &task.args)?;
    let input = TaskInput {
        task_id,
        sc,
        epoch,
        suite: SUITE_X25519,
        encrypted_fn: sealed.encrypted_fn,
        encrypted_args: sealed.encrypted_args,
        user_dh_key: sealed.user_dh_key.to_vec(),
        pre_code,
    };
    let inputs_hash = input.inputs_hash();
    let record = Record {
        sc,
        sender: task.sender,
        sender_nonce: nonce,
        inputs_hash,
        timestamp: NOW_S,
        prevrandao: keccak256(index.to_be_bytes()),
        inlined: false,
        gas_limit: GAS,
        gas_price: 1,
        value: 0,
        call_gas: 0,
        epoch,
        block_number: index + 1,
        due: index + 11,
        record_index: index,
    };
    let mut fields = json!({
        "encryptedArgs": Hex(&input.encrypted_args), "encryptedFn": Hex(&input.encrypted_fn),
        "userDHKey": Hex(&input.user_dh_key), "gasLimit": GAS, "contractAddress": Hex(sc), "suite": input.suite,
        "record": RecordJson::from(&record),
    });
    let kind = if let Some(code) = &input.pre_code {
        fields["preCode"] = json!(Hex(code));
        "DeploySecretContract"
    } else {
        "ComputeTask"
    };
    let body = json!({"id": index.to_string(), "type": kind, "input": fields, "encoding": "hex"}).to_string();
    let record_hash = record.record_hash(&DOMAIN);
    Ok(Sealed { message: wire::message(body.as_bytes()), index, task_id, inputs_hash, record_hash, response_key })
}

/// The receipt in a reply and the decrypted output, after all that a client checks.
fn opened(sc: ScAddress, task: &Sealed, reply: &[u8], signer: Address) -> Result<(Receipt, Vec<u8>)> {
    let response = match serde_json::from_slice(reply).context("a reply that cannot be read")? {
        ReplyFrame::Failure(failure) => {
            bail!("record {} was refused with error {:?}: {}", task.index, failure.code, failure.msg)
        }
        ReplyFrame::Response(frame) => frame.response,
    };
    let (receipt, signature, output) = response.receipt().context("a reply to something else")?;
    let receipt = Receipt::try_from(receipt.clone())?;
    receipt.verify(&DOMAIN, signature, signer)?;
    ensure!(
        (receipt.task_id, receipt.sc, receipt.record_index) == (task.task_id, sc, task.index),
        "the reply to record {} is about another one",
        task.index
    );
    ensure!(receipt.inputs_hash == task.inputs_hash, "record {} was executed with another input", task.index);
    ensure!(receipt.output_hash == keccak256(output), "record {} has another output than its receipt", task.index);
    let output = task.response_key.open(output)?;
    if receipt.status != Status::Success || matches!(response, Response::FailedTask { .. }) {
        let text = Failure::from_bytes(&output).map_or_else(|| "without a reason".into(), |failure| failure.text);
        bail!("record {} failed: {text}", task.index);
    }
    let output = Output::from_bytes(&output).context("an output that cannot be decoded")?;
    Ok((receipt, output.data))
}

/// Maps in order, a part of the items on each processor.
fn on_all_processors<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let part = items.len().div_ceil(processors).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> =
            items.chunks(part).map(|part| scope.spawn(|| part.iter().map(&work).collect::<Result<Vec<R>>>())).collect();
        let mut results = Vec::with_capacity(items.len());
        for worker in workers {
            results.extend(worker.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??);
        }
        Ok(results)
    })
}

/// The ABI encoding of values that take one word each, given by their last bytes.
pub fn words(values: &[&[u8]]) -> Vec<u8> {
    let mut encoded = vec![0; values.len() * 32];
    for (word, value) in encoded.chunks_mut(32).zip(values) {
        word[32 - value.len()..].copy_from_slice(value);
    }
    encoded
}

/// The `number`-th account.
pub fn account(number: u64) -> Address {
    let hash = keccak256(number.to_be_bytes());
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&hash.0[..20]);
    Address(bytes)
}

/// The randomness of this machine.
pub struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| number as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        getrandom::fill(bytes).expect("this machine has randomness");
        Ok(())
    }
}

impl TryCryptoRng for SystemRandom {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_filled_from_the_end() {
        let encoded = words(&[&[1, 2], &[3]]);
        assert_eq!((encoded.len(), &encoded[29..33], encoded[63]), (64, &[0, 1, 2, 0][..], 3));
    }

    #[test]
    fn parts_keep_their_order() {
        let numbers: Vec<u32> = (0..101).collect();
        assert_eq!(on_all_processors(&numbers, |number| Ok(*number)).unwrap(), numbers);
        assert!(on_all_processors(&numbers, |number| if *number < 100 { Ok(()) } else { bail!("no") }).is_err());
    }
}
