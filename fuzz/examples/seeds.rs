//! Writes the seeds of the corpora: one input of each kind that a target tells apart. `cargo xtask fuzz --seeds`
//!
//! They are committed, so that a short run starts where it matters. What crashed once lies beside them under another name, and
//! stays.

// Code that is compiled for coverage needs libFuzzer, which wants a target.
#[cfg(feature = "libfuzzer")]
libfuzzer_sys::fuzz_target!(|_bytes: &[u8]| {});

use borsh::BorshSerialize;
use enigma_fuzz::ipc;
use enigma_protocol::{
    Address, Hash, ScAddress, TaskId,
    output::{Event, Failure, Output},
    padding::pad,
    receipt::{Receipt, Status},
    record::Record,
    state::{EntryHeader, EntryKind, SnapshotPart, StateChanges, StateEntry},
    task::TaskInput,
};
use enigma_sdk::{Address as User, Bytes, FixedBytes, I256, Int, U256, Uint, abi::encode};
use std::{fs, path::Path};

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("the folder can be made");
    fs::write(folder.join(name), bytes).expect("the file can be written");
}

fn main() {
    abi();
    binary();
    code();
    frames();
    for number in 0..24_u64 {
        let bytes: Vec<u8> = (0..768_u64)
            .map(|index| {
                let mixed = (number * 1_000 + index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes()[1]
            })
            .collect();
        write("engine", &format!("seed-{number:02}"), &bytes);
        if number < 12 {
            write("code", &format!("made-{number:02}"), &[&[0], &bytes[..]].concat());
        }
    }
}

fn abi() {
    let (number, user) = (U256::from(1_000_000_007), User([0xa1; 20]));
    let (text, bytes) = (String::from("sealed bid"), Bytes(vec![7; 40]));
    let encodings = [
        encode(&(number, user, true)),
        encode(&(1_u8, -1_i8, 2_u16, -2_i16, 3_u32, -3_i32, 4_u64, -4_i64, 5_u128, -5_i128)),
        encode(&(bytes.clone(), text.clone())),
        encode(&(vec![number; 3], vec![true, false])),
        encode(&(vec![vec![number; 2], vec![]], [1_u8, 2, 3])),
        encode(&(vec![bytes.clone(); 2], vec![text.clone(), String::new()])),
        encode(&(FixedBytes([1; 1]), FixedBytes([2; 20]), FixedBytes([3; 32]))),
        encode(&((number, (bytes.clone(), true)), [bytes.clone(), Bytes(vec![])])),
        encode(&(vec![(user, number); 2],)),
        encode(&(vec![(text.clone(), vec![[number; 2]; 2])], number)),
        encode(&(Uint::<24>::default(), Int::<40>::default(), I256::default(), Int::<8>::default())),
        // The struct is encoded as a tuple of its fields is.
        encode(&(vec![(text.clone(), vec![(user, number)], 9_u64); 2], (text.clone(), vec![(user, number)], 9_u64))),
        encode(&(vec![vec![vec![vec![bytes; 2]]]],)),
        encode(&([vec![FixedBytes([4; 4]); 2], vec![]], [[1_u16, 2], [3, 4]], i128::MIN)),
    ];
    for (choice, encoding) in (0_u8..).zip(encodings) {
        write("abi", &format!("types-{choice:02}"), &[&[choice], &encoding[..]].concat());
    }
}

fn binary() {
    fn one(name: &str, value: &impl BorshSerialize) {
        write("binary", name, &borsh::to_vec(value).expect("memory suffices"));
    }
    let (sc, task_id, hash) = (ScAddress([1; 32]), TaskId([2; 32]), Hash([3; 32]));
    let header = EntryHeader { kind: EntryKind::Delta, sc, generation: 1, task_id, index: 7, previous_tip: hash };
    let part = EntryKind::Snapshot(SnapshotPart { part: 1, parts: 2 });
    one("header", &header);
    one("entry", &StateEntry { header: header.clone(), nonce: [4; 12], ciphertext: vec![5; 64] });
    let header = EntryHeader { kind: part, ..header };
    one("entry-snapshot", &StateEntry { header, nonce: [4; 12], ciphertext: vec![5; 64] });
    let event = Event { signature: "Transfer(address,uint256)".into(), data: vec![6; 64] };
    one("output", &Output { data: vec![7; 32], events: vec![event.clone(), event] });
    one("failure", &Failure { text: "insufficient funds".into(), data: vec![8; 36] });
    one("changes", &StateChanges([(vec![1], Some(vec![2; 9])), (vec![1, 2], None)].into()));
    one("changes-empty", &StateChanges::default());
    let (sender, call_target) = (Address([6; 20]), Address([7; 20]));
    one(
        "record",
        &Record {
            sc,
            sender,
            sender_nonce: 1,
            inputs_hash: hash,
            timestamp: 1_700_000_000,
            prevrandao: hash,
            inlined: false,
            gas_limit: 1_000_000,
            gas_price: 1,
            value: 2,
            call_gas: 3,
            epoch: 4,
            block_number: 5,
            due: 15,
            record_index: 6,
        },
    );
    one(
        "receipt",
        &Receipt {
            task_id,
            sc,
            record_index: 1,
            delta_index: 2,
            epoch: 3,
            rank: 0,
            generation: 1,
            exe_code_hash: hash,
            inputs_hash: hash,
            previous_tip: hash,
            tip: hash,
            output_hash: hash,
            gas_used: 10_000,
            status: Status::Success,
            call_target,
            call_data_hash: hash,
            call_gas: 0,
            pay_to: sender,
            pay_amount: 5,
        },
    );
    one(
        "task",
        &TaskInput {
            task_id,
            sc,
            epoch: 1,
            suite: 1,
            encrypted_fn: vec![1; 40],
            encrypted_args: vec![2; 40],
            user_dh_key: vec![3; 32],
            pre_code: Some(b"\0asm".to_vec()),
        },
    );
    write("binary", "padded", &pad(b"a plaintext"));
    write("binary", "padded-large", &pad(&[1; 600]));
}

/// The first byte of a module in text chooses that the rest is code.
fn code() {
    let contracts = [
        ("smallest", ""),
        ("loop", "(func (export \"query\") (loop $l (br_if $l (i32.const 0))))"),
        ("table", "(table 2 funcref) (func $f (result i32 i64) (i32.const 1) (i64.const 2)) (elem (i32.const 0) $f)"),
        ("data", "(data (i32.const 8) \"hello\") (data $p \"passive\") (global (mut i64) (i64.const 4))"),
        ("bulk", "(func (memory.copy (i32.const 0) (i32.const 8) (i32.const 8)) (drop (memory.grow (i32.const 1))))"),
        ("start", "(func $s) (start $s)"),
        ("float", "(func (drop (f64.const 1)))"),
    ];
    for (name, fields) in contracts {
        let text = format!(
            "(module (import \"enigma\" \"output\" (func (param i32 i32))) (memory (export \"memory\") 1)
             (func (export \"deploy\")) (func (export \"call\") (call 0 (i32.const 0) (i32.const 9)))
             (func (export \"enigma_abi_1\")) {fields})"
        );
        let module = wat::parse_str(text).expect("the text is WebAssembly");
        write("code", name, &[b"m", &module[..]].concat());
        if let Ok(exe_code) = enigma_runtime::prepare(&module) {
            write("code", &format!("{name}-exe"), &[b"m", &exe_code[..]].concat());
        }
    }
}

fn frames() {
    let frames = ipc::frames();
    for (number, (request, replies)) in frames.iter().enumerate() {
        write("ipc", &format!("template-{number:02}"), &[ipc::TEMPLATE + u8::try_from(number).expect("there are few")]);
        let mut small = vec![("json", format!("request-{number:02}"), request)];
        small
            .extend(replies.iter().enumerate().map(|(who, reply)| ("json", format!("reply-{number:02}-{who}"), reply)));
        for (target, name, bytes) in small {
            // Evidence and code are long, and say nothing that shorter frames do not.
            if bytes.len() <= 2_048 {
                write(target, &name, bytes);
            }
        }
        if request.len() <= 512 {
            write("ipc", &format!("frame-{number:02}"), request);
        }
    }
}
