//! What contracts can do: reading the call, the state with its changes, effects, failing, hashing, encryption, randomness.
//!
//! Written once, over bytes and numbers, so that every engine runs the same. Each import checks the memory it is given before it
//! does or charges anything by length, and charges before it works.

use crate::{
    Failure, Program,
    execute::{Changes, Context, Entry, EthereumCall, Execution, PayOut, State},
    gas,
    imports::Import,
    instrument::GAS_HOST_EXHAUSTED,
    limits as limit,
};
use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit as _,
    aead::{Aead as _, Payload},
};
use alloc::{
    borrow::{Cow, ToOwned as _},
    boxed::Box,
    string::String,
    vec::Vec,
};
use core::ops::Range;
use enigma_protocol::{Hash, output::Event, signature::Signature};
use sha2::Sha256;
use sha3::{Digest as _, Keccak256};

/// Label of the stream behind `random`: block `i` is `keccak256(keccak256(label) ‖ seed ‖ i as a 32-byte word)`.
const RANDOM_LABEL: &[u8] = b"enigma/random-stream/1";
/// Bytes that AES-GCM-SIV adds.
const TAG_BYTES: u32 = 16;

/// One call of an import, as [`Program::execute_traced`] tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCall {
    /// Name of the import.
    pub import: &'static str,
    /// The key, where the state is read or written.
    pub key: Option<Vec<u8>>,
    /// The lengths involved.
    pub bytes: Vec<usize>,
}

/// Everything the imports work on during one call.
pub struct Host<'a> {
    entry: Entry,
    function: &'a str,
    args: &'a [u8],
    context: &'a Context,
    state: &'a State,
    /// Most gas of the call.
    limit: u64,
    /// Keys set and removed so far, including those that turn out not to change anything.
    changes: Changes,
    /// Bytes of keys and values in `changes`.
    delta_bytes: usize,
    register: Cow<'a, [u8]>,
    random: RandomStream,
    output: Vec<u8>,
    events: Vec<Event>,
    event_bytes: usize,
    ethereum_call: Option<EthereumCall>,
    pay_out: Option<PayOut>,
    debug: Vec<String>,
    /// Room for texts in `debug`.
    debug_room: usize,
    pub(crate) trace: Option<Vec<HostCall>>,
}

impl<'a> Host<'a> {
    /// Begins a call; returns the gas that the instance has to spend.
    ///
    /// # Errors
    ///
    /// The whole result of a call that fails before its first instruction.
    pub fn begin(
        program: &Program,
        entry: Entry,
        function: &'a str,
        args: &'a [u8],
        context: &'a Context,
        state: &'a State,
    ) -> Result<(Self, i64), Box<Execution>> {
        let most = i64::MAX.unsigned_abs();
        let limit = context.gas_limit.min(most);
        let Some(gas) = limit.checked_sub(program.start_gas) else {
            return Err(Box::new(Execution::failed(limit, Failure::OutOfGas { limit: context.gas_limit })));
        };
        let failure = if function.len() > limit::MAX_FUNCTION_BYTES {
            Some(Failure::TooLarge { what: "the function's name is", limit: limit::MAX_FUNCTION_BYTES })
        } else if args.len() > limit::MAX_ARGS_BYTES {
            Some(Failure::TooLarge { what: "the arguments are", limit: limit::MAX_ARGS_BYTES })
        } else if entry == Entry::Query && !program.answers_queries {
            Some(Failure::Refused("this contract answers no queries"))
        } else {
            None
        };
        if let Some(failure) = failure {
            return Err(Box::new(Execution::failed(program.start_gas, failure)));
        }
        let host = Host {
            entry,
            function,
            args,
            context,
            state,
            limit,
            changes: Changes::new(),
            delta_bytes: 0,
            register: Cow::Borrowed(&[]),
            random: RandomStream { block: [0; 32], used: 32, next: 0 },
            output: Vec::new(),
            events: Vec::new(),
            event_bytes: 0,
            ethereum_call: None,
            pay_out: None,
            debug: Vec::new(),
            debug_room: if context.debug { limit::MAX_DEBUG_BYTES } else { 0 },
            trace: None,
        };
        Ok((host, i64::try_from(gas).unwrap_or(i64::MAX)))
    }

    /// Ends a call. `result` is what the engine makes of it: that the entry returned, the failure that an import ended it with,
    /// or the failure that a trap stands for. `gas_left` and `stack_left` are the meters of the instance.
    #[must_use]
    pub fn finish(self, result: Result<(), Failure>, gas_left: i64, stack_left: i64) -> Execution {
        let gas_used = self.limit.saturating_sub(u64::try_from(gas_left).unwrap_or(0));
        // A meter that ran out traps like a panic.
        let failure = match result {
            Ok(()) => None,
            Err(_) if gas_left == GAS_HOST_EXHAUSTED => Some(Failure::HostExhausted),
            Err(_) if gas_left < 0 => Some(Failure::OutOfGas { limit: self.context.gas_limit }),
            Err(_) if stack_left < 0 => Some(Failure::StackExhausted),
            Err(failure) => Some(failure),
        };
        if let Some(failure) = failure {
            return Execution { debug: self.debug, ..Execution::failed(gas_used, failure) };
        }
        let mut changes = self.changes;
        // What is as it was is no change.
        changes.retain(|key, value| self.state.get(key) != value.as_ref());
        Execution {
            gas_used,
            outcome: Ok(self.output),
            changes,
            events: self.events,
            ethereum_call: self.ethereum_call,
            pay_out: self.pay_out,
            debug: self.debug,
        }
    }

    /// Does what a contract asks for by calling `import`, on its memory and its meter of gas. The result is 0 where the import
    /// returns nothing.
    ///
    /// # Errors
    ///
    /// The failure that ends the call.
    pub fn call(
        &mut self,
        import: Import,
        arguments: &[u32],
        memory: &mut [u8],
        gas: &mut i64,
    ) -> Result<i64, Failure> {
        Call { host: self, import, memory, gas }.run(arguments)
    }

    /// The value of a key after the changes so far.
    fn value(&self, key: &[u8]) -> Option<&[u8]> {
        match self.changes.get(key) {
            Some(changed) => changed.as_deref(),
            None => self.state.get(key).map(Vec::as_slice),
        }
    }
}

/// Bytes drawn from the context's seed.
struct RandomStream {
    block: [u8; 32],
    used: usize,
    next: u64,
}

impl RandomStream {
    fn fill(&mut self, seed: &[u8; 32], target: &mut [u8]) {
        for byte in target {
            if self.used >= self.block.len() {
                let mut word = [0; 32];
                if let Some(low) = word.last_chunk_mut::<8>() {
                    *low = self.next.to_be_bytes();
                }
                self.block = keccak(&[&keccak(&[RANDOM_LABEL]), seed, &word]);
                self.used = 0;
                self.next = self.next.wrapping_add(1);
            }
            *byte = self.block.get(self.used).copied().unwrap_or_default();
            self.used = self.used.saturating_add(1);
        }
    }
}

fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// One call of an import, and the instance that calls.
struct Call<'c, 'a> {
    host: &'c mut Host<'a>,
    import: Import,
    memory: &'c mut [u8],
    gas: &'c mut i64,
}

impl Call<'_, '_> {
    fn run(&mut self, arguments: &[u32]) -> Result<i64, Failure> {
        let price = match self.import {
            Import::StateGet => gas::STATE_GET,
            Import::StateSet | Import::StateRemove => gas::STATE_WRITE,
            Import::Event => gas::EVENT,
            Import::EthereumCall | Import::PayOut => gas::EFFECT,
            Import::Keccak256 | Import::Sha256 => gas::HASH,
            Import::Recover => gas::RECOVER,
            Import::Encrypt | Import::Decrypt => gas::CIPHER,
            _ => 0,
        };
        self.charge(gas::HOST_CALL.saturating_add(price))?;
        if self.host.entry == Entry::Query {
            let refused = match self.import {
                Import::StateSet | Import::StateRemove => Some("a query cannot change the state"),
                Import::Event => Some("a query cannot emit events"),
                Import::EthereumCall => Some("a query cannot call Ethereum"),
                Import::PayOut => Some("a query cannot pay out"),
                _ => None,
            };
            refused.map_or(Ok(()), |text| Err(Failure::Refused(text)))?;
        }
        let context = self.host.context;
        match (self.import, arguments) {
            (Import::FnLen, []) => Ok(self.length(self.host.function.len())),
            (Import::FnRead, &[out]) => self.read(out, self.host.function.as_bytes()),
            (Import::ArgsLen, []) => Ok(self.length(self.host.args.len())),
            (Import::ArgsRead, &[out]) => self.read(out, self.host.args),
            (Import::Output, &[bytes, length]) => {
                let output = self.input(bytes, length, "the output is", limit::MAX_OUTPUT_BYTES)?;
                self.charge(gas::copy(output.len()))?;
                self.note(None, &[output.len()]);
                self.host.output = self.copy(output);
                Ok(0)
            }
            (Import::Fail, &[text, length]) => {
                let text = self.range(text, length)?;
                self.note(None, &[text.len()]);
                Err(Failure::Contract { text: failure_text(self.bytes(text)), data: Vec::new() })
            }
            (Import::FailWith, &[data, data_length, text, length]) => {
                let data = self.input(data, data_length, "the error's data is", limit::MAX_FAILURE_DATA_BYTES)?;
                let text = self.range(text, length)?;
                self.charge(gas::copy(data.len()))?;
                self.note(None, &[data.len(), text.len()]);
                Err(Failure::Contract { text: failure_text(self.bytes(text)), data: self.copy(data) })
            }
            (Import::StateGet, &[key, length]) => self.state_get(key, length),
            (Import::RegisterRead, &[out]) => {
                let register = core::mem::take(&mut self.host.register);
                let done = self.read(out, &register);
                self.host.register = register;
                done
            }
            (Import::StateSet, &[key, key_length, value, length]) => {
                let key = self.key(key, key_length)?;
                let value = self.input(value, length, "a value of the state is", limit::MAX_VALUE_BYTES)?;
                self.state_write(key, Some(value))
            }
            (Import::StateRemove, &[key, length]) => {
                let key = self.key(key, length)?;
                self.state_write(key, None)
            }
            (Import::Event, &[signature, signature_length, data, length]) => {
                let most = limit::MAX_EVENT_BYTES;
                let signature = self.input(signature, signature_length, "an event's signature is", most)?;
                let data = self.input(data, length, "an event's data is", most)?;
                self.event(signature, data)
            }
            (Import::EthereumCall, &[target, data, length]) => {
                let target = self.range(target, 20)?;
                let data = self.input(data, length, "the data of an Ethereum call is", limit::MAX_CALL_DATA_BYTES)?;
                self.charge(gas::per(data.len(), gas::EFFECT_BYTE))?;
                self.note(None, &[data.len()]);
                if context.call_gas == 0 {
                    return Err(Failure::Refused("this task bought no gas for an Ethereum call (callGas is 0)"));
                }
                let call = EthereumCall { target: self.array(target), data: self.copy(data) };
                once(&mut self.host.ethereum_call, call.target, call, "a task can call Ethereum only once")
            }
            (Import::PayOut, &[to, amount]) => {
                let (to, amount) = (self.range(to, 20)?, self.range(amount, 16)?);
                self.note(None, &[]);
                let pay_out = PayOut { to: self.array(to), amount: u128::from_be_bytes(self.array(amount)) };
                once(&mut self.host.pay_out, pay_out.to, pay_out, "a task can pay out only once")
            }
            (Import::Caller, &[out]) => self.read(out, &context.caller),
            (Import::Contract, &[out]) => self.read(out, &context.contract),
            (Import::TaskId, &[out]) => self.read(out, &context.task_id),
            (Import::Value, &[out]) => self.read(out, &context.value.to_be_bytes()),
            (Import::BlockNumber, []) => Ok(self.word(context.block_number)),
            (Import::BlockTimestamp, []) => Ok(self.word(context.block_timestamp)),
            (Import::Random, &[out, length]) => {
                let out = self.range(out, length)?;
                self.charge(gas::per(out.len(), gas::RANDOM_BYTE))?;
                self.note(None, &[out.len()]);
                let target = self.memory.get_mut(out).unwrap_or_default();
                self.host.random.fill(&context.random_seed, target);
                Ok(0)
            }
            (Import::Keccak256, &[bytes, length, out]) => self.hash(bytes, length, out, |bytes| keccak(&[bytes])),
            (Import::Sha256, &[bytes, length, out]) => {
                self.hash(bytes, length, out, |bytes| Sha256::digest(bytes).into())
            }
            (Import::Recover, &[hash, signature, out]) => {
                let (hash, signature, out) = (self.range(hash, 32)?, self.range(signature, 65)?, self.range(out, 20)?);
                self.note(None, &[]);
                let mut signature: [u8; 65] = self.array(signature);
                if let Some(v @ (0 | 1)) = signature.last_mut() {
                    *v = v.saturating_add(27);
                }
                match Signature(signature).recover(Hash(self.array(hash))) {
                    Ok(address) => self.write(out, &address.0),
                    Err(_) => return Ok(0),
                }
                Ok(1)
            }
            (Import::Encrypt | Import::Decrypt, &[key, nonce, aad, aad_length, input, length, out]) => {
                self.cipher(key, nonce, (aad, aad_length), (input, length), out)
            }
            (Import::Debug, &[text, length]) => {
                let range = self.range(text, length)?;
                self.charge(gas::copy(range.len()))?;
                self.note(None, &[range.len()]);
                if self.host.debug_room > 0 {
                    let text = text_of(self.bytes(range), self.host.debug_room);
                    self.host.debug_room = self.host.debug_room.saturating_sub(text.len().max(limit::MIN_DEBUG_BYTES));
                    self.host.debug.push(text);
                }
                Ok(0)
            }
            (Import::GasLeft, []) => {
                self.note(None, &[]);
                Ok(*self.gas)
            }
            // An engine checks types before it runs anything.
            _ => Err(Failure::HostExhausted),
        }
    }

    fn charge(&mut self, price: u64) -> Result<(), Failure> {
        let left = self.gas.saturating_sub(i64::try_from(price).unwrap_or(i64::MAX));
        *self.gas = left.max(-1);
        if left < 0 { Err(Failure::OutOfGas { limit: self.host.context.gas_limit }) } else { Ok(()) }
    }

    fn note(&mut self, key: Option<&Range<usize>>, bytes: &[usize]) {
        if let Some(trace) = &mut self.host.trace {
            let key = key.map(|key| self.memory.get(key.clone()).unwrap_or_default().to_vec());
            trace.push(HostCall { import: self.import.name(), key, bytes: bytes.to_vec() });
        }
    }

    /// The range of memory that a pointer and a length stand for.
    fn range(&self, pointer: u32, length: u32) -> Result<Range<usize>, Failure> {
        usize::try_from(pointer)
            .ok()
            .and_then(|start| Some(start..start.checked_add(usize::try_from(length).ok()?)?))
            .filter(|range| range.end <= self.memory.len())
            .ok_or(Failure::BadPointer { import: self.import.name(), pointer, length })
    }

    /// Memory that the contract passes in, at most `limit` bytes of it.
    fn input(&self, pointer: u32, length: u32, what: &'static str, limit: usize) -> Result<Range<usize>, Failure> {
        let range = self.range(pointer, length)?;
        if range.len() > limit { Err(Failure::TooLarge { what, limit }) } else { Ok(range) }
    }

    fn key(&self, pointer: u32, length: u32) -> Result<Range<usize>, Failure> {
        self.input(pointer, length, "the key of the state is", limit::MAX_KEY_BYTES)
    }

    /// Memory in a range that was checked.
    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.memory.get(range).unwrap_or_default()
    }

    fn copy(&self, range: Range<usize>) -> Vec<u8> {
        self.bytes(range).to_vec()
    }

    fn array<const N: usize>(&self, range: Range<usize>) -> [u8; N] {
        self.bytes(range).try_into().unwrap_or([0; N])
    }

    fn write(&mut self, range: Range<usize>, bytes: &[u8]) {
        if let Some(target) = self.memory.get_mut(range) {
            target.copy_from_slice(bytes);
        }
    }

    /// Copies to the contract's memory, for the price of copying.
    fn read(&mut self, out: u32, bytes: &[u8]) -> Result<i64, Failure> {
        let out = self.range(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX))?;
        self.charge(gas::copy(bytes.len()))?;
        self.note(None, &[bytes.len()]);
        self.write(out, bytes);
        Ok(0)
    }

    /// Length of something as contracts see it; everything they can ask for is far smaller than 2^31.
    fn length(&mut self, length: usize) -> i64 {
        self.word(u64::try_from(length).unwrap_or(u64::MAX))
    }

    fn word(&mut self, number: u64) -> i64 {
        self.note(None, &[]);
        number.cast_signed()
    }

    fn state_get(&mut self, key: u32, length: u32) -> Result<i64, Failure> {
        let key = self.key(key, length)?;
        let found = self.host.value(self.bytes(key.clone())).map(<[u8]>::len);
        let size = found.unwrap_or_default();
        if size > limit::MAX_VALUE_BYTES {
            return Err(Failure::TooLarge { what: "a value of the state is", limit: limit::MAX_VALUE_BYTES });
        }
        self.charge(gas::copy(key.len().saturating_add(size)))?;
        self.note(Some(&key), &[key.len(), size]);
        let key = self.memory.get(key).unwrap_or_default();
        let Host { changes, state, register, .. } = &mut *self.host;
        *register = match changes.get(key) {
            Some(changed) => Cow::Owned(changed.clone().unwrap_or_default()),
            None => Cow::Borrowed(state.get(key).map_or(&[], Vec::as_slice)),
        };
        Ok(found.map_or(-1, |size| i64::try_from(size).unwrap_or(i64::MAX)))
    }

    /// Sets or removes one key.
    fn state_write(&mut self, key: Range<usize>, value: Option<Range<usize>>) -> Result<i64, Failure> {
        let size = value.as_ref().map_or(0, Range::len);
        let added = key.len().saturating_add(size);
        self.charge(gas::per(added, gas::STATE_WRITE_BYTE))?;
        self.note(Some(&key), &[key.len(), size]);
        let (key, value) = (self.copy(key), value.map(|value| self.copy(value)));
        let Host { changes, delta_bytes, .. } = &mut *self.host;
        let replaced = changes.get(&key).map_or(0, |old| key.len().saturating_add(old.as_ref().map_or(0, Vec::len)));
        let total = delta_bytes.saturating_sub(replaced).saturating_add(added);
        if total > limit::MAX_DELTA_BYTES {
            let what = "the change of the state in bytes is";
            return Err(Failure::TooLarge { what, limit: limit::MAX_DELTA_BYTES });
        }
        *delta_bytes = total;
        changes.insert(key, value);
        if changes.len() > limit::MAX_STATE_WRITES {
            let what = "the number of changed keys is";
            return Err(Failure::TooLarge { what, limit: limit::MAX_STATE_WRITES });
        }
        Ok(0)
    }

    fn event(&mut self, signature: Range<usize>, data: Range<usize>) -> Result<i64, Failure> {
        let added = signature.len().saturating_add(data.len());
        self.charge(gas::per(added, gas::EVENT_BYTE))?;
        self.note(None, &[signature.len(), data.len()]);
        let total = self.host.event_bytes.saturating_add(added);
        if total > limit::MAX_EVENT_BYTES {
            return Err(Failure::TooLarge { what: "the size of all events is", limit: limit::MAX_EVENT_BYTES });
        }
        if self.host.events.len() >= limit::MAX_EVENTS {
            return Err(Failure::TooLarge { what: "the number of events is", limit: limit::MAX_EVENTS });
        }
        let signature = core::str::from_utf8(self.bytes(signature))
            .map_err(|_| Failure::Refused("the signature of an event must be text"))?
            .to_owned();
        let data = self.copy(data);
        self.host.event_bytes = total;
        self.host.events.push(Event { signature, data });
        Ok(0)
    }

    fn hash(&mut self, bytes: u32, length: u32, out: u32, hash: fn(&[u8]) -> [u8; 32]) -> Result<i64, Failure> {
        let bytes = self.range(bytes, length)?;
        let out = self.range(out, 32)?;
        self.charge(gas::per(bytes.len(), gas::HASH_BYTE))?;
        self.note(None, &[bytes.len()]);
        let hash = hash(self.bytes(bytes));
        self.write(out, &hash);
        Ok(0)
    }

    /// AES-256-GCM-SIV in both directions; the areas may overlap.
    fn cipher(&mut self, key: u32, nonce: u32, aad: (u32, u32), input: (u32, u32), out: u32) -> Result<i64, Failure> {
        let (key, nonce) = (self.range(key, 32)?, self.range(nonce, 12)?);
        let (aad, message) = (self.range(aad.0, aad.1)?, self.range(input.0, input.1)?);
        let encrypts = self.import == Import::Encrypt;
        let out_length = if encrypts { input.1.saturating_add(TAG_BYTES) } else { input.1.saturating_sub(TAG_BYTES) };
        let out = self.range(out, out_length)?;
        self.charge(gas::per(aad.len().saturating_add(message.len()), gas::CIPHER_BYTE))?;
        self.note(None, &[aad.len(), message.len()]);
        let cipher = Aes256GcmSiv::new(&self.array(key).into());
        let nonce = self.array::<12>(nonce).into();
        let payload = Payload { msg: self.bytes(message), aad: self.bytes(aad) };
        let result = if encrypts { cipher.encrypt(&nonce, payload) } else { cipher.decrypt(&nonce, payload) };
        match result {
            Ok(bytes) => self.write(out, &bytes),
            // Encryption refuses only lengths far beyond any memory.
            Err(_) => return Ok(0),
        }
        Ok(i64::from(!encrypts))
    }
}

/// Sets an effect that a task can have once, on an address that is one.
fn once<E>(effect: &mut Option<E>, address: [u8; 20], new: E, text: &'static str) -> Result<i64, Failure> {
    if effect.is_some() {
        return Err(Failure::Refused(text));
    }
    if address == [0; 20] {
        return Err(Failure::Refused("the zero address can neither be called nor paid"));
    }
    *effect = Some(new);
    Ok(0)
}

/// The text of a failure.
fn failure_text(bytes: &[u8]) -> String {
    let text = text_of(bytes, limit::MAX_FAILURE_TEXT_BYTES);
    if text.is_empty() { "the contract failed without a message".to_owned() } else { text }
}

/// Text of a contract, cut to its bound, with what is not UTF-8 replaced.
fn text_of(bytes: &[u8], limit: usize) -> String {
    let bytes = bytes.get(..limit).unwrap_or(bytes);
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    while text.len() > limit {
        text.pop();
    }
    text
}
