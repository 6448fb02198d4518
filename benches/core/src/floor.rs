//! The cryptography that no task can do without, with the very crates that the core uses: opening the input, sealing the output,
//! encrypting the change of the state, signing the receipt. And the disk, which every reply waits for.

use crate::{
    Setup,
    network::DOMAIN,
    results::{Figure, lower, percentile},
    tasks::{SystemRandom, account, words},
};
use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit,
    aead::{Aead, Payload},
};
use anyhow::{Context, Result, anyhow};
use enigma_protocol::{
    Address, Hash, ScAddress, TaskId,
    padding::pad,
    receipt::{Receipt, Status},
    sealing::{InputKey, TaskContext, seal_task},
    signature::SecretKey,
};
use std::{
    fs,
    hint::black_box,
    io::{Seek, SeekFrom, Write},
    time::Instant,
};

const ROUND_TASKS: u32 = 500;
const ROUNDS: usize = 6;
/// Keys and values of a transfer, before they are padded.
const CHANGE_BYTES: usize = 200;
const SYNCS: usize = 300;
const SYNCED_BYTES: usize = 8 << 10;
const SYNCED_FILE_BYTES: usize = 4 << 20;

/// `crypto_floor_us`, in processor time as the core's is counted, and `disk_sync_us`.
pub fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    setup.progress("Cryptography of a task");
    let input_key = InputKey::derive(&[7; 32]);
    let signing_key = SecretKey::from_bytes(&[9; 32])?;
    let context = TaskContext { domain: DOMAIN, sc: ScAddress([1; 32]), epoch: 1, task_id: TaskId([2; 32]) };
    let args = words(&[&account(1).0, &[1]]);
    let (sealed, _) = seal_task(&mut SystemRandom, &context, input_key.public(), "transfer(address,uint256)", &args)?;
    let receipt = receipt();
    let mut best_us = f64::INFINITY;
    for _ in 0..ROUNDS {
        let began_ns = processor_ns()?;
        for _ in 0..ROUND_TASKS {
            let opened =
                input_key.open_task(&context, &sealed.user_dh_key, &sealed.encrypted_fn, &sealed.encrypted_args)?;
            let cipher = Aes256GcmSiv::new(&[3; 32].into());
            let change = pad(&[4; CHANGE_BYTES]);
            let payload = Payload { msg: &change, aad: &[5; 150] };
            let delta = cipher.encrypt(&[6; 12].into(), payload).map_err(|_| anyhow!("the cipher failed"))?;
            let output = opened.response.seal(Hash([8; 32]), Status::Success, &[])?;
            let signature = signing_key.sign(black_box(&receipt).digest(&DOMAIN));
            black_box((opened, delta, output, signature));
        }
        best_us = best_us.min((processor_ns()? - began_ns) / 1e3 / f64::from(ROUND_TASKS));
    }
    setup.progress("Making a page durable");
    let sync_us = disk_sync_us(setup)?;
    Ok(vec![lower("crypto_floor_us", best_us, "µs"), lower("disk_sync_us", sync_us, "µs")])
}

/// What it takes to make a few changed pages of a file durable, without any database; median.
fn disk_sync_us(setup: &Setup) -> Result<f64> {
    fs::create_dir_all(setup.data())?;
    let mut file = tempfile::tempfile_in(setup.data())?;
    file.write_all(&vec![1; SYNCED_FILE_BYTES])?;
    file.sync_all()?;
    let mut times_us = Vec::with_capacity(SYNCS);
    for number in 0..SYNCS {
        // Anywhere, but not in order.
        let position = number * 37 * SYNCED_BYTES % SYNCED_FILE_BYTES;
        file.seek(SeekFrom::Start(position as u64))?;
        file.write_all(&[2; SYNCED_BYTES])?;
        let began = Instant::now();
        file.sync_data()?;
        times_us.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(percentile(&mut times_us, 50))
}

fn receipt() -> Receipt {
    Receipt {
        task_id: TaskId([1; 32]),
        sc: ScAddress([2; 32]),
        record_index: 3,
        delta_index: 4,
        epoch: 1,
        rank: 0,
        generation: 0,
        exe_code_hash: Hash([5; 32]),
        inputs_hash: Hash([6; 32]),
        previous_tip: Hash([7; 32]),
        tip: Hash([8; 32]),
        output_hash: Hash([9; 32]),
        gas_used: 10_000,
        status: Status::Success,
        call_target: Address::ZERO,
        call_data_hash: Hash::ZERO,
        call_gas: 0,
        pay_to: Address::ZERO,
        pay_amount: 0,
    }
}

/// Processor time of this thread in nanoseconds: that of other programs does not count.
fn processor_ns() -> Result<f64> {
    let times =
        fs::read_to_string("/proc/thread-self/schedstat").context("processor time is measured on Linux only")?;
    Ok(times.split_whitespace().next().context("unknown form of /proc")?.parse()?)
}
