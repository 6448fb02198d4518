//! Whether a transfer costs more when a token has many holders.

use crate::{
    Setup, load,
    network::Network,
    results::{Figure, lower},
    tasks::{Contract, Task, words},
    throughput::transfer,
};
use anyhow::Result;
use enigma_protocol::Address;

const FEW: u64 = 100;
const MANY: u64 = 100_000;
/// Holders that one call makes: below the bound of keys that a call may write.
const PER_CALL: u64 = 4_000;
/// More than one, so that transfers share the commits of the disk, which say nothing about holders.
const REQUESTERS: usize = 4;
const ROUND_TASKS: u64 = 2_000;
const ROUNDS: usize = 4;

/// `transfer_ratio_100k_holders`.
pub fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    let mut network = setup.network()?;
    let code = setup.bench_contract("bench_many_holders")?;
    setup.progress(&format!("Filling a token with {MANY} holders"));
    let mut few = token(&mut network, &code, FEW)?;
    let mut many = token(&mut network, &code, MANY)?;
    let (mut few_us, mut many_us) = (f64::INFINITY, f64::INFINITY);
    for number in 1..=ROUNDS {
        few_us = few_us.min(transfers(&mut network, &mut few, FEW)?);
        many_us = many_us.min(transfers(&mut network, &mut many, MANY)?);
        setup.progress(&format!(
            "Transfers, round {number} of {ROUNDS}: at best {few_us:.0} µs with {FEW} holders, {many_us:.0} µs with {MANY}"
        ));
    }
    Ok(vec![lower("transfer_ratio_100k_holders", many_us / few_us, "x")])
}

/// The `number`-th account that `fill` makes.
pub fn holder(number: u64) -> Address {
    let mut bytes = [0; 20];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Address(bytes)
}

/// A token with so many holders.
pub fn token(network: &mut Network, code: &[u8], holders: u64) -> Result<Contract> {
    let mut token = network.deploy(code, "construct()", &[])?;
    let fills: Vec<_> = (0..holders)
        .step_by(PER_CALL as usize)
        .map(|first| Task {
            sender: holder(0),
            function: "fill(uint64,uint64)",
            args: words(&[&first.to_be_bytes(), &PER_CALL.min(holders - first).to_be_bytes()]),
        })
        .collect();
    network.run_all(&mut token, &fills)?;
    Ok(token)
}

/// Microseconds of a transfer between holders spread over all of them.
fn transfers(network: &mut Network, token: &mut Contract, holders: u64) -> Result<f64> {
    let tasks: Vec<_> = (0..ROUND_TASKS)
        .map(|number| {
            let [from, to] = [number * 7_919, number * 104_729 + 1].map(|number| holder(number % holders));
            (transfer(from, to), network.next_nonce(from))
        })
        .collect();
    let queue = [token.seal_all(&tasks)?];
    let done = load::closed(&network.worker.endpoint, &queue, REQUESTERS)?;
    token.check(&queue[0], &done.replies[0], network.signer()?)?;
    Ok(done.elapsed.as_secs_f64() * 1e6 / ROUND_TASKS as f64)
}
