//! The functions that contracts import: reading the call, the state with its changes, failing, hashing, randomness.
//!
//! Each checks the memory it is given before it does or charges anything by length, and charges before it works.

use crate::{
    Failure,
    execute::{Changes, Context, State},
    gas, limits as limit,
};
use alloc::{borrow::ToOwned as _, string::String, vec::Vec};
use core::ops::Range;
use sha3::{Digest as _, Keccak256};
use wasmi::{AsContext as _, AsContextMut as _, Caller, Error, Func, Global, Memory, Store, Val};

/// Label of the stream behind `random`: block `i` is `keccak256(keccak256(label) ‖ seed ‖ i as a 32-byte word)`.
const RANDOM_LABEL: &[u8] = b"enigma/random-stream/1";

/// Everything the imports work on during one call.
pub(crate) struct Host<'a> {
    pub(crate) function: &'a str,
    pub(crate) args: &'a [u8],
    pub(crate) context: &'a Context,
    pub(crate) state: &'a State,
    /// Keys set and removed so far, including those that turn out not to change anything.
    pub(crate) changes: Changes,
    /// Bytes of keys and values in `changes`.
    pub(crate) delta_bytes: usize,
    pub(crate) register: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) random: RandomStream,
    /// Gas global and memory of the instance; set once it exists.
    pub(crate) instance: Option<(Global, Memory)>,
}

/// Bytes drawn from the context's seed.
pub(crate) struct RandomStream {
    block: [u8; 32],
    used: usize,
    next: u64,
}

impl RandomStream {
    pub(crate) fn new() -> Self {
        RandomStream { block: [0; 32], used: 32, next: 0 }
    }

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

/// One call of an import: its name, and the instance that calls.
struct Call<'c, 'a> {
    name: &'static str,
    caller: Caller<'c, Host<'a>>,
    gas: Global,
    memory: Memory,
}

impl<'c, 'a> Call<'c, 'a> {
    /// Starts a call by charging for it.
    fn begin(name: &'static str, caller: Caller<'c, Host<'a>>, price: u64) -> Result<Self, Error> {
        // A contract runs only after its instance exists.
        let (gas, memory) = caller.data().instance.ok_or_else(|| Error::host(Failure::BadSegment))?;
        let mut call = Call { name, caller, gas, memory };
        call.charge(gas::HOST_CALL.saturating_add(price))?;
        Ok(call)
    }

    fn fail<T>(&self, failure: Failure) -> Result<T, Error> {
        Err(Error::host(failure))
    }

    fn gas_left(&self) -> i64 {
        self.gas.get(self.caller.as_context()).i64().unwrap_or(0)
    }

    fn charge(&mut self, price: u64) -> Result<(), Error> {
        let left = self.gas_left().saturating_sub(i64::try_from(price).unwrap_or(i64::MAX));
        let exhausted = left < 0;
        let left = if exhausted { -1 } else { left };
        if self.gas.set(self.caller.as_context_mut(), Val::I64(left)).is_err() {
            return self.fail(Failure::HostExhausted);
        }
        if exhausted {
            let limit = self.caller.data().context.gas_limit;
            return self.fail(Failure::OutOfGas { limit });
        }
        Ok(())
    }

    /// The range of memory that a pointer and a length stand for.
    fn range(&self, pointer: u32, length: u32) -> Result<Range<usize>, Error> {
        let range = usize::try_from(pointer)
            .ok()
            .and_then(|start| Some(start..start.checked_add(usize::try_from(length).ok()?)?))
            .filter(|range| range.end <= self.memory.data(self.caller.as_context()).len());
        match range {
            Some(range) => Ok(range),
            None => self.fail(Failure::BadPointer { import: self.name, pointer, length }),
        }
    }

    /// Memory that the contract passes in, at most `limit` bytes of it.
    fn input(&self, pointer: u32, length: u32, what: &'static str, limit: usize) -> Result<&[u8], Error> {
        let range = self.range(pointer, length)?;
        if range.len() > limit {
            return self.fail(Failure::TooLarge { what, limit });
        }
        Ok(self.memory.data(self.caller.as_context()).get(range).unwrap_or_default())
    }

    /// Copies to the contract's memory, for the price of copying.
    fn write(mut self, pointer: u32, bytes: impl for<'h> Fn(&'h Host<'a>) -> &'h [u8]) -> Result<(), Error> {
        let length = bytes(self.caller.data()).len();
        let range = self.range(pointer, u32::try_from(length).unwrap_or(u32::MAX))?;
        self.charge(gas::copy(length))?;
        let (memory, host) = self.memory.data_and_store_mut(self.caller.as_context_mut());
        if let Some(target) = memory.get_mut(range) {
            target.copy_from_slice(bytes(host));
        }
        Ok(())
    }

    fn key(&mut self, pointer: u32, length: u32) -> Result<Vec<u8>, Error> {
        Ok(self.input(pointer, length, "the key of the state is", limit::MAX_KEY_BYTES)?.to_vec())
    }

    /// Sets or removes one key.
    fn state_write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), Error> {
        let added = key.len().saturating_add(value.as_ref().map_or(0, Vec::len));
        self.charge(gas::per(added, gas::STATE_WRITE_BYTE))?;
        let host = self.caller.data_mut();
        let replaced =
            host.changes.get(&key).map_or(0, |old| key.len().saturating_add(old.as_ref().map_or(0, Vec::len)));
        let total = host.delta_bytes.saturating_sub(replaced).saturating_add(added);
        if total > limit::MAX_DELTA_BYTES {
            return self.fail(Failure::TooLarge {
                what: "the change of the state in bytes is",
                limit: limit::MAX_DELTA_BYTES,
            });
        }
        host.delta_bytes = total;
        host.changes.insert(key, value);
        if host.changes.len() > limit::MAX_STATE_WRITES {
            return self
                .fail(Failure::TooLarge { what: "the number of changed keys is", limit: limit::MAX_STATE_WRITES });
        }
        Ok(())
    }
}

type In<'c, 'a> = Caller<'c, Host<'a>>;

/// Length of something as contracts see it; everything they can ask for is far smaller than 2^31.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The import `name`, for this store.
#[rustfmt::skip]
pub(crate) fn import<'a>(store: &mut Store<Host<'a>>, name: &str) -> Option<Func> {
    Some(match name {
        "fn_len" => Func::wrap(store, |c: In<'_, 'a>| {
            let call = Call::begin("fn_len", c, 0)?;
            Ok::<_, Error>(length(call.caller.data().function.as_bytes()))
        }),
        "fn_read" => Func::wrap(store, |c: In<'_, 'a>, pointer: u32| {
            Call::begin("fn_read", c, 0)?.write(pointer, |host| host.function.as_bytes())
        }),
        "args_len" => Func::wrap(store, |c: In<'_, 'a>| {
            let call = Call::begin("args_len", c, 0)?;
            Ok::<_, Error>(length(call.caller.data().args))
        }),
        "args_read" => Func::wrap(store, |c: In<'_, 'a>, pointer: u32| {
            Call::begin("args_read", c, 0)?.write(pointer, |host| host.args)
        }),
        "output" => Func::wrap(store, |c: In<'_, 'a>, pointer: u32, length: u32| {
            let mut call = Call::begin("output", c, 0)?;
            let output = call.input(pointer, length, "the output is", limit::MAX_OUTPUT_BYTES)?.to_vec();
            call.charge(gas::copy(output.len()))?;
            call.caller.data_mut().output = output;
            Ok::<_, Error>(())
        }),
        "fail" => Func::wrap(store, |c: In<'_, 'a>, pointer: u32, length: u32| {
            let call = Call::begin("fail", c, 0)?;
            let range = call.range(pointer, length)?;
            let text = call.memory.data(call.caller.as_context()).get(range).unwrap_or_default();
            call.fail::<()>(Failure::Contract(failure_text(text)))
        }),
        "state_get" => Func::wrap(store, |c: In<'_, 'a>, key: u32, key_length: u32| {
            let mut call = Call::begin("state_get", c, gas::STATE_GET)?;
            let key = call.key(key, key_length)?;
            let host = call.caller.data();
            let value = match host.changes.get(&key) {
                Some(changed) => changed.as_ref(),
                None => host.state.get(&key),
            };
            let found = value.map_or(-1, |value| i32::try_from(value.len()).unwrap_or(i32::MAX));
            let size = value.map_or(0, Vec::len);
            if size > limit::MAX_VALUE_BYTES {
                return call.fail(Failure::TooLarge { what: "a value of the state is", limit: limit::MAX_VALUE_BYTES });
            }
            call.charge(gas::copy(key.len().saturating_add(size)))?;
            let host = call.caller.data_mut();
            let value = match host.changes.get(&key) {
                Some(changed) => changed.as_deref(),
                None => host.state.get(&key).map(Vec::as_slice),
            };
            host.register.clear();
            host.register.extend_from_slice(value.unwrap_or_default());
            Ok::<_, Error>(found)
        }),
        "register_read" => Func::wrap(store, |c: In<'_, 'a>, pointer: u32| {
            Call::begin("register_read", c, 0)?.write(pointer, |host| &host.register)
        }),
        "state_set" => Func::wrap(store, |c: In<'_, 'a>, key: u32, key_length: u32, value: u32, value_length: u32| {
            let mut call = Call::begin("state_set", c, gas::STATE_WRITE)?;
            let key = call.key(key, key_length)?;
            let value = call.input(value, value_length, "a value of the state is", limit::MAX_VALUE_BYTES)?.to_vec();
            call.state_write(key, Some(value))
        }),
        "state_remove" => Func::wrap(store, |c: In<'_, 'a>, key: u32, key_length: u32| {
            let mut call = Call::begin("state_remove", c, gas::STATE_WRITE)?;
            let key = call.key(key, key_length)?;
            call.state_write(key, None)
        }),
        "caller" => Func::wrap(store, |c: In<'_, 'a>, pointer: u32| {
            Call::begin("caller", c, 0)?.write(pointer, |host| &host.context.caller)
        }),
        "contract" => Func::wrap(store, |c: In<'_, 'a>, pointer: u32| {
            Call::begin("contract", c, 0)?.write(pointer, |host| &host.context.contract)
        }),
        "task_id" => Func::wrap(store, |c: In<'_, 'a>, pointer: u32| {
            Call::begin("task_id", c, 0)?.write(pointer, |host| &host.context.task_id)
        }),
        "value" => Func::wrap(store, |c: In<'_, 'a>, pointer: u32| {
            let mut call = Call::begin("value", c, 0)?;
            let value = call.caller.data().context.value.to_be_bytes();
            let range = call.range(pointer, length(&value))?;
            call.charge(gas::copy(value.len()))?;
            if let Some(target) = call.memory.data_mut(call.caller.as_context_mut()).get_mut(range) {
                target.copy_from_slice(&value);
            }
            Ok::<_, Error>(())
        }),
        "block_number" => Func::wrap(store, |c: In<'_, 'a>| {
            let call = Call::begin("block_number", c, 0)?;
            Ok::<_, Error>(call.caller.data().context.block_number)
        }),
        "block_timestamp" => Func::wrap(store, |c: In<'_, 'a>| {
            let call = Call::begin("block_timestamp", c, 0)?;
            Ok::<_, Error>(call.caller.data().context.block_timestamp)
        }),
        "random" => Func::wrap(store, |c: In<'_, 'a>, pointer: u32, length: u32| {
            let mut call = Call::begin("random", c, 0)?;
            let range = call.range(pointer, length)?;
            call.charge(gas::per(range.len(), gas::RANDOM_BYTE))?;
            let (memory, host) = call.memory.data_and_store_mut(call.caller.as_context_mut());
            let seed = &host.context.random_seed;
            host.random.fill(seed, memory.get_mut(range).unwrap_or_default());
            Ok::<_, Error>(())
        }),
        "keccak256" => Func::wrap(store, |c: In<'_, 'a>, pointer: u32, length: u32, out: u32| {
            let mut call = Call::begin("keccak256", c, gas::KECCAK)?;
            let input = call.range(pointer, length)?;
            let out = call.range(out, 32)?;
            call.charge(gas::per(input.len(), gas::KECCAK_BYTE))?;
            let memory = call.memory.data_mut(call.caller.as_context_mut());
            let hash = keccak(&[memory.get(input).unwrap_or_default()]);
            if let Some(target) = memory.get_mut(out) {
                target.copy_from_slice(&hash);
            }
            Ok::<_, Error>(())
        }),
        "gas_left" => Func::wrap(store, |c: In<'_, 'a>| {
            let call = Call::begin("gas_left", c, 0)?;
            Ok::<_, Error>(call.gas_left())
        }),
        _ => return None,
    })
}

/// The text of a failure, cut to its bound, with what is not UTF-8 replaced.
fn failure_text(bytes: &[u8]) -> String {
    let bytes = bytes.get(..limit::MAX_FAILURE_TEXT_BYTES).unwrap_or(bytes);
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    while text.len() > limit::MAX_FAILURE_TEXT_BYTES {
        text.pop();
    }
    if text.is_empty() { "the contract failed without a message".to_owned() } else { text }
}
