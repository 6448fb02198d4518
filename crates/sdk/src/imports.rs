//! The functions that the runtime offers to a contract, and nothing else. Beside `heap.rs` the only unsafe code of the SDK.
//!
//! Each import takes a place in the contract's memory as a pointer, or a pointer and a length. The runtime checks every
//! place against the memory's bounds, so a mistake here can never reach beyond the contract.
#![allow(unsafe_code)]

use alloc::vec;
use alloc::vec::Vec;

mod enigma {
    #[link(wasm_import_module = "enigma")]
    unsafe extern "C" {
        pub safe fn fn_len() -> u32;
        pub fn fn_read(out: *mut u8);
        pub safe fn args_len() -> u32;
        pub fn args_read(out: *mut u8);
        pub fn output(bytes: *const u8, length: usize);
        pub fn fail(text: *const u8, length: usize) -> !;
        pub fn state_get(key: *const u8, key_length: usize) -> i32;
        pub fn register_read(out: *mut u8);
        pub fn state_set(key: *const u8, key_length: usize, value: *const u8, value_length: usize);
        pub fn state_remove(key: *const u8, key_length: usize);
        pub fn caller(out: *mut u8);
        pub fn contract(out: *mut u8);
        pub fn task_id(out: *mut u8);
        pub fn value(out: *mut u8);
        pub safe fn block_number() -> u64;
        pub safe fn block_timestamp() -> u64;
        pub fn random(out: *mut u8, length: usize);
        pub fn keccak256(bytes: *const u8, length: usize, out: *mut u8);
        pub safe fn gas_left() -> u64;
        pub fn event(signature: *const u8, signature_length: usize, data: *const u8, data_length: usize);
        pub fn ethereum_call(target: *const u8, data: *const u8, data_length: usize);
        pub fn pay_out(to: *const u8, amount: *const u8);
        pub fn recover(hash: *const u8, signature: *const u8, out: *mut u8) -> i32;
        pub fn sha256(bytes: *const u8, length: usize, out: *mut u8);
        pub fn encrypt(
            key: *const u8,
            nonce: *const u8,
            context: *const u8,
            context_length: usize,
            text: *const u8,
            length: usize,
            out: *mut u8,
        );
        pub fn decrypt(
            key: *const u8,
            nonce: *const u8,
            context: *const u8,
            context_length: usize,
            sealed: *const u8,
            length: usize,
            out: *mut u8,
        ) -> i32;
        pub fn fail_with(data: *const u8, data_length: usize, text: *const u8, text_length: usize) -> !;
        pub fn debug(text: *const u8, length: usize);
    }
}

pub use enigma::{block_number, block_timestamp, gas_left};

/// The most that anything is long which the runtime passes in, generously. With the bound, the compiler knows that a length is one.
const MAX_BYTES: usize = 1 << 26;

fn zeros(length: usize) -> Vec<u8> {
    // Shorter than what the runtime writes it must not be.
    if length > MAX_BYTES {
        fail(b"the runtime passes in too much");
    }
    vec![0; length]
}

pub fn function() -> Vec<u8> {
    let mut text = zeros(enigma::fn_len() as usize);
    // SAFETY: the runtime writes `fn_len` bytes, which is the length of `text`.
    unsafe { enigma::fn_read(text.as_mut_ptr()) };
    text
}

pub fn arguments() -> Vec<u8> {
    let mut bytes = zeros(enigma::args_len() as usize);
    // SAFETY: the runtime writes `args_len` bytes, which is the length of `bytes`.
    unsafe { enigma::args_read(bytes.as_mut_ptr()) };
    bytes
}

pub fn output(bytes: &[u8]) {
    // SAFETY: the runtime only reads the slice.
    unsafe { enigma::output(bytes.as_ptr(), bytes.len()) }
}

pub fn fail(text: &[u8]) -> ! {
    // SAFETY: the runtime only reads the text, then ends the call.
    unsafe { enigma::fail(text.as_ptr(), text.len()) }
}

pub fn state_get(key: &[u8]) -> Option<Vec<u8>> {
    // SAFETY: the runtime only reads the key.
    let length = unsafe { enigma::state_get(key.as_ptr(), key.len()) };
    let mut value = zeros(usize::try_from(length).ok()?);
    // SAFETY: the register holds the value just found, whose length is that of `value`.
    unsafe { enigma::register_read(value.as_mut_ptr()) };
    Some(value)
}

pub fn state_contains(key: &[u8]) -> bool {
    // SAFETY: the runtime only reads the key.
    unsafe { enigma::state_get(key.as_ptr(), key.len()) >= 0 }
}

pub fn state_set(key: &[u8], value: &[u8]) {
    // SAFETY: the runtime only reads both slices.
    unsafe { enigma::state_set(key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
}

pub fn state_remove(key: &[u8]) {
    // SAFETY: the runtime only reads the key.
    unsafe { enigma::state_remove(key.as_ptr(), key.len()) }
}

pub fn caller() -> [u8; 20] {
    let mut out = [0; 20];
    // SAFETY: the runtime writes 20 bytes.
    unsafe { enigma::caller(out.as_mut_ptr()) };
    out
}

pub fn contract() -> [u8; 32] {
    let mut out = [0; 32];
    // SAFETY: the runtime writes 32 bytes.
    unsafe { enigma::contract(out.as_mut_ptr()) };
    out
}

pub fn task_id() -> [u8; 32] {
    let mut out = [0; 32];
    // SAFETY: the runtime writes 32 bytes.
    unsafe { enigma::task_id(out.as_mut_ptr()) };
    out
}

pub fn value() -> u128 {
    let mut out = [0; 16];
    // SAFETY: the runtime writes 16 bytes.
    unsafe { enigma::value(out.as_mut_ptr()) };
    u128::from_be_bytes(out)
}

pub fn random(out: &mut [u8]) {
    // SAFETY: the runtime writes as many bytes as the slice has.
    unsafe { enigma::random(out.as_mut_ptr(), out.len()) }
}

pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // SAFETY: the runtime reads the slice and writes 32 bytes.
    unsafe { enigma::keccak256(bytes.as_ptr(), bytes.len(), out.as_mut_ptr()) };
    out
}

pub fn event(signature: &[u8], data: &[u8]) {
    // SAFETY: the runtime only reads both slices.
    unsafe { enigma::event(signature.as_ptr(), signature.len(), data.as_ptr(), data.len()) }
}

pub fn ethereum_call(target: &[u8; 20], data: &[u8]) {
    // SAFETY: the runtime only reads 20 bytes and the slice.
    unsafe { enigma::ethereum_call(target.as_ptr(), data.as_ptr(), data.len()) }
}

pub fn pay_out(to: &[u8; 20], amount: u128) {
    // SAFETY: the runtime only reads 20 and 16 bytes.
    unsafe { enigma::pay_out(to.as_ptr(), amount.to_be_bytes().as_ptr()) }
}

pub fn recover(hash: &[u8; 32], signature: &[u8; 65]) -> Option<[u8; 20]> {
    let mut out = [0; 20];
    // SAFETY: the runtime reads 32 and 65 bytes and writes at most 20.
    let found = unsafe { enigma::recover(hash.as_ptr(), signature.as_ptr(), out.as_mut_ptr()) };
    (found == 1).then_some(out)
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // SAFETY: the runtime reads the slice and writes 32 bytes.
    unsafe { enigma::sha256(bytes.as_ptr(), bytes.len(), out.as_mut_ptr()) };
    out
}

/// `out` has 16 bytes more than the text.
pub fn encrypt(key: &[u8; 32], nonce: &[u8; 12], context: &[u8], text: &[u8], out: &mut [u8]) {
    assert!(out.len() == text.len() + 16);
    // SAFETY: the runtime reads 32 and 12 bytes and the slices, and writes 16 bytes more than the text has, as `out` holds.
    unsafe {
        enigma::encrypt(
            key.as_ptr(),
            nonce.as_ptr(),
            context.as_ptr(),
            context.len(),
            text.as_ptr(),
            text.len(),
            out.as_mut_ptr(),
        )
    }
}

/// `out` has 16 bytes less than what was encrypted.
pub fn decrypt(key: &[u8; 32], nonce: &[u8; 12], context: &[u8], sealed: &[u8], out: &mut [u8]) -> bool {
    assert!(out.len() + 16 == sealed.len());
    // SAFETY: the runtime reads 32 and 12 bytes and the slices, and writes at most 16 bytes less than `sealed` has, as `out` holds.
    let opened = unsafe {
        enigma::decrypt(
            key.as_ptr(),
            nonce.as_ptr(),
            context.as_ptr(),
            context.len(),
            sealed.as_ptr(),
            sealed.len(),
            out.as_mut_ptr(),
        )
    };
    opened == 1
}

pub fn fail_with(data: &[u8], text: &[u8]) -> ! {
    // SAFETY: the runtime only reads both slices, then ends the call.
    unsafe { enigma::fail_with(data.as_ptr(), data.len(), text.as_ptr(), text.len()) }
}

pub fn debug(text: &[u8]) {
    // SAFETY: the runtime only reads the text.
    unsafe { enigma::debug(text.as_ptr(), text.len()) }
}
