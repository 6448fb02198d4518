//! What the runtime offers to a contract, natively: the same functions as `imports.rs`, with the runtime's texts for what it refuses.
//!
//! Not here: gas, and the limits of memory and stack.

use crate::Address;
use crate::contract::Entry;
use crate::ethereum::EthereumCall;
use crate::testing::{EmittedEvent, HostCall, PayOut};
use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha2::Sha256;
use sha3::{Digest, Keccak256};

// The runtime's limits, of `spec/runtime.md`.
const MAX_KEY_BYTES: usize = 1_024;
const MAX_VALUE_BYTES: usize = 256 << 10;
const MAX_EVENTS: usize = 64;
const MAX_EVENT_BYTES: usize = 64 << 10;
const MAX_CALL_DATA_BYTES: usize = 16 << 10;
const MAX_FAILURE_DATA_BYTES: usize = 4 << 10;
const MAX_FAILURE_TEXT_BYTES: usize = 1_024;

/// State, surroundings and effects of the call that runs in this thread.
#[derive(Clone)]
pub struct Runtime {
    pub state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub entry: Entry,
    pub caller: [u8; 20],
    pub contract: [u8; 32],
    pub task_id: [u8; 32],
    pub value: u128,
    pub call_gas: u64,
    pub block_number: u64,
    pub block_timestamp: u64,
    pub random_seed: [u8; 32],
    pub random_drawn: u64,
    pub events: Vec<EmittedEvent>,
    pub ethereum_call: Option<EthereumCall>,
    pub pay_out: Option<PayOut>,
    pub debug: Vec<String>,
    pub trace: Vec<HostCall>,
}

impl Default for Runtime {
    fn default() -> Self {
        Runtime {
            state: BTreeMap::new(),
            entry: Entry::Call,
            caller: [0; 20],
            contract: [0; 32],
            task_id: [0; 32],
            value: 0,
            call_gas: 0,
            block_number: 0,
            block_timestamp: 0,
            random_seed: [0; 32],
            random_drawn: 0,
            events: Vec::new(),
            ethereum_call: None,
            pay_out: None,
            debug: Vec::new(),
            trace: Vec::new(),
        }
    }
}

std::thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::default();
}

pub fn with<R>(f: impl FnOnce(&mut Runtime) -> R) -> R {
    RUNTIME.with(|runtime| f(&mut runtime.borrow_mut()))
}

/// How `fail_with` ends a call: what the panic carries.
pub struct FailedWith {
    pub data: Vec<u8>,
    pub text: String,
}

/// Notes a call of an import for the leak check.
fn note(import: &'static str, key: Option<&[u8]>, bytes: &[usize]) {
    let call = HostCall { import, key: key.map(<[u8]>::to_vec), bytes: bytes.to_vec() };
    with(|runtime| runtime.trace.push(call));
}

fn refuse_in_query(what: &str) {
    if with(|runtime| runtime.entry) == Entry::Query {
        panic!("a query cannot {what}");
    }
}

fn limit(what: &str, size: usize, limit: usize) {
    if size > limit {
        panic!("{what} too large: the limit is {limit}");
    }
}

pub fn fail(text: &[u8]) -> ! {
    note("fail", None, &[text.len()]);
    panic!("{}", failure_text(text))
}

pub fn fail_with(data: &[u8], text: &[u8]) -> ! {
    limit("the error's data is", data.len(), MAX_FAILURE_DATA_BYTES);
    note("fail_with", None, &[data.len(), text.len()]);
    std::panic::panic_any(FailedWith { data: data.to_vec(), text: failure_text(text) })
}

/// The text of a failure as the caller reads it.
pub fn failure_text(text: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(text.get(..MAX_FAILURE_TEXT_BYTES).unwrap_or(text)).into_owned();
    while text.len() > MAX_FAILURE_TEXT_BYTES {
        text.pop();
    }
    if text.is_empty() { "the contract failed without a message".into() } else { text }
}

pub fn state_get(key: &[u8]) -> Option<Vec<u8>> {
    limit("the key of the state is", key.len(), MAX_KEY_BYTES);
    let value = with(|runtime| runtime.state.get(key).cloned());
    note("state_get", Some(key), &[key.len(), value.as_ref().map_or(0, Vec::len)]);
    value
}

pub fn state_contains(key: &[u8]) -> bool {
    state_get(key).is_some()
}

pub fn state_set(key: &[u8], value: &[u8]) {
    refuse_in_query("change the state");
    limit("the key of the state is", key.len(), MAX_KEY_BYTES);
    limit("a value of the state is", value.len(), MAX_VALUE_BYTES);
    note("state_set", Some(key), &[key.len(), value.len()]);
    with(|runtime| runtime.state.insert(key.to_vec(), value.to_vec()));
}

pub fn state_remove(key: &[u8]) {
    refuse_in_query("change the state");
    limit("the key of the state is", key.len(), MAX_KEY_BYTES);
    note("state_remove", Some(key), &[key.len(), 0]);
    with(|runtime| runtime.state.remove(key));
}

pub fn event(signature: &[u8], data: &[u8]) {
    refuse_in_query("emit events");
    limit("an event's signature is", signature.len(), MAX_EVENT_BYTES);
    limit("an event's data is", data.len(), MAX_EVENT_BYTES);
    note("event", None, &[signature.len(), data.len()]);
    let event = EmittedEvent { signature: String::from_utf8_lossy(signature).into_owned(), data: data.to_vec() };
    let (count, size) = with(|runtime| {
        runtime.events.push(event);
        let size = |event: &EmittedEvent| event.signature.len() + event.data.len();
        (runtime.events.len(), runtime.events.iter().map(size).sum())
    });
    limit("the size of all events is", size, MAX_EVENT_BYTES);
    limit("the number of events is", count, MAX_EVENTS);
}

pub fn ethereum_call(target: &[u8; 20], data: &[u8]) {
    refuse_in_query("call Ethereum");
    limit("the data of an Ethereum call is", data.len(), MAX_CALL_DATA_BYTES);
    note("ethereum_call", None, &[data.len()]);
    if with(|runtime| runtime.call_gas) == 0 {
        panic!("this task bought no gas for an Ethereum call (callGas is 0)");
    }
    let call = EthereumCall { target: Address(*target), data: data.to_vec() };
    if with(|runtime| runtime.ethereum_call.replace(call)).is_some() {
        panic!("a task can call Ethereum only once");
    }
    refuse_zero(target);
}

pub fn pay_out(to: &[u8; 20], amount: u128) {
    refuse_in_query("pay out");
    note("pay_out", None, &[]);
    if with(|runtime| runtime.pay_out.replace(PayOut { to: Address(*to), amount })).is_some() {
        panic!("a task can pay out only once");
    }
    refuse_zero(to);
}

fn refuse_zero(address: &[u8; 20]) {
    if *address == [0; 20] {
        panic!("the zero address can neither be called nor paid");
    }
}

pub fn caller() -> [u8; 20] {
    note("caller", None, &[]);
    with(|runtime| runtime.caller)
}

pub fn contract() -> [u8; 32] {
    note("contract", None, &[]);
    with(|runtime| runtime.contract)
}

pub fn task_id() -> [u8; 32] {
    note("task_id", None, &[]);
    with(|runtime| runtime.task_id)
}

pub fn value() -> u128 {
    note("value", None, &[]);
    with(|runtime| runtime.value)
}

pub fn block_number() -> u64 {
    note("block_number", None, &[]);
    with(|runtime| runtime.block_number)
}

pub fn block_timestamp() -> u64 {
    note("block_timestamp", None, &[]);
    with(|runtime| runtime.block_timestamp)
}

/// The runtime's stream: the same bytes as there for the same seed.
pub fn random(out: &mut [u8]) {
    note("random", None, &[out.len()]);
    with(|runtime| {
        for byte in out {
            let (block, place) = (runtime.random_drawn / 32, (runtime.random_drawn % 32) as usize);
            let mut number = [0; 32];
            number[24..].copy_from_slice(&block.to_be_bytes());
            let hash = Keccak256::new()
                .chain_update(Keccak256::digest(b"enigma/random-stream/1"))
                .chain_update(runtime.random_seed)
                .chain_update(number)
                .finalize();
            *byte = hash[place];
            runtime.random_drawn += 1;
        }
    });
}

pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    note("keccak256", None, &[bytes.len()]);
    Keccak256::digest(bytes).into()
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    note("sha256", None, &[bytes.len()]);
    Sha256::digest(bytes).into()
}

pub fn recover(hash: &[u8; 32], signature: &[u8; 65]) -> Option<[u8; 20]> {
    note("recover", None, &[]);
    let (rs, v) = signature.split_at(64);
    let parity = match v.first()? {
        0 | 27 => RecoveryId::new(false, false),
        1 | 28 => RecoveryId::new(true, false),
        _ => return None,
    };
    let signature = Signature::from_slice(rs).ok()?;
    if signature.normalize_s() != signature {
        return None;
    }
    let key = VerifyingKey::recover_from_prehash(hash, &signature, parity).ok()?;
    let point = key.to_sec1_point(false);
    let hash = Keccak256::digest(point.as_bytes().get(1..)?);
    hash.get(12..)?.try_into().ok()
}

pub fn encrypt(key: &[u8; 32], nonce: &[u8; 12], context: &[u8], text: &[u8], out: &mut [u8]) {
    note("encrypt", None, &[context.len(), text.len()]);
    let cipher = Aes256GcmSiv::new(&(*key).into());
    let sealed = cipher.encrypt(&(*nonce).into(), Payload { msg: text, aad: context });
    out.copy_from_slice(&sealed.expect("a text that fits memory can be encrypted"));
}

pub fn decrypt(key: &[u8; 32], nonce: &[u8; 12], context: &[u8], sealed: &[u8], out: &mut [u8]) -> bool {
    note("decrypt", None, &[context.len(), sealed.len()]);
    let cipher = Aes256GcmSiv::new(&(*key).into());
    let Ok(text) = cipher.decrypt(&(*nonce).into(), Payload { msg: sealed, aad: context }) else { return false };
    out.copy_from_slice(&text);
    true
}

pub fn debug(text: &[u8]) {
    note("debug", None, &[text.len()]);
    let text = String::from_utf8_lossy(text).into_owned();
    std::println!("debug: {text}");
    with(|runtime| runtime.debug.push(text));
}

/// Nothing is metered natively.
pub fn gas_left() -> u64 {
    note("gas_left", None, &[]);
    u64::MAX
}
