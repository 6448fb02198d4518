//! Transfers of a secret token: how many a second, and how long one takes at half load.

use crate::{
    Setup, load,
    network::Network,
    results::{Figure, higher, lower, percentile},
    tasks::{Contract, Sealed, Task, account, words},
};
use anyhow::Result;
use enigma_protocol::Address;

/// Of the example `erc20`.
pub const CONSTRUCTOR: &str = "construct(address,uint256)";
const CONTRACTS: usize = 2;
/// Accounts that send to each other.
const HOLDERS: u64 = 64;
/// Before anything counts.
const WARM_UP_TASKS: usize = 400;
/// Tasks of a round on each contract.
const ROUND_TASKS: usize = 3_000;
/// Half of the load that the goal names: a fixed one, so that a faster core is not measured under more.
const HALF_LOAD_TASKS_PER_S: f64 = 1_500.0;
/// The best round counts: other programs on the machine can only slow one down.
const ROUNDS: usize = 3;

/// `core_compute_tasks_per_s`, `core_compute_us_p50` and `_p99` at two rates, and the processor time of a task.
pub fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    let mut network = setup.network()?;
    setup.progress("Deploying two tokens with holders");
    let code = setup.secret_contract("erc20")?;
    let mut tokens = Vec::new();
    for _ in 0..CONTRACTS {
        tokens.push(token(&mut network, &code)?);
    }
    round(setup, &mut network, &mut tokens, WARM_UP_TASKS, None)?;

    let (mut best_rate, mut best_cost_us) = (0_f64, f64::INFINITY);
    for number in 1..=ROUNDS {
        setup.progress(&format!("Transfers at full load, round {number} of {ROUNDS}"));
        let done = round(setup, &mut network, &mut tokens, ROUND_TASKS, None)?;
        let tasks = (CONTRACTS * ROUND_TASKS) as f64;
        let rate = tasks / done.elapsed_s;
        let cost_us = done.processor_s / tasks * 1e6;
        setup.progress(&format!("  {rate:.0} tasks/s, {cost_us:.0} µs of processor each, {} sent again", done.again));
        best_rate = best_rate.max(rate);
        best_cost_us = best_cost_us.min(cost_us);
    }

    let [p50, p99] = at_rate(setup, &mut network, &mut tokens, HALF_LOAD_TASKS_PER_S)?;
    let [p50_of_full, p99_of_full] = at_rate(setup, &mut network, &mut tokens, best_rate / 2.0)?;
    Ok(vec![
        higher("core_compute_tasks_per_s", best_rate, "1/s"),
        lower("core_compute_us_p50", p50, "µs"),
        lower("core_compute_us_p99", p99, "µs"),
        lower("core_compute_us_p50_half_of_full", p50_of_full, "µs"),
        lower("core_compute_us_p99_half_of_full", p99_of_full, "µs"),
        lower("core_processor_us_per_task", best_cost_us, "µs"),
    ])
}

/// Median and 99th percentile of the latency at a fixed rate, each the best of the rounds.
fn at_rate(setup: &Setup, network: &mut Network, tokens: &mut [Contract], rate: f64) -> Result<[f64; 2]> {
    let mut best = [f64::INFINITY; 2];
    for number in 1..=ROUNDS {
        setup.progress(&format!("Transfers at {rate:.0} a second, round {number} of {ROUNDS}"));
        let mut done = round(setup, network, tokens, ROUND_TASKS, Some(rate))?;
        let [half, most] = [50, 99].map(|percent| percentile(&mut done.latencies_us, percent));
        setup.progress(&format!("  p50 {half:.0} µs, p99 {most:.0} µs, {} sent again", done.again));
        best = [best[0].min(half), best[1].min(most)];
    }
    Ok(best)
}

/// A token whose holders have plenty.
fn token(network: &mut Network, code: &[u8]) -> Result<Contract> {
    let owner = account(0);
    let plenty = u128::MAX.to_be_bytes();
    let mut token = network.deploy(code, CONSTRUCTOR, &words(&[&owner.0, &plenty]))?;
    let mints: Vec<_> = (1..HOLDERS)
        .map(|number| Task {
            sender: owner,
            function: "mint(address,uint256)",
            args: words(&[&account(number).0, &u64::MAX.to_be_bytes()]),
        })
        .collect();
    network.run_all(&mut token, &mints)?;
    Ok(token)
}

/// One token from one account to another.
pub fn transfer(from: Address, to: Address) -> Task {
    Task { sender: from, function: "transfer(address,uint256)", args: words(&[&to.0, &[1]]) }
}

struct Round {
    elapsed_s: f64,
    processor_s: f64,
    latencies_us: Vec<f64>,
    again: u64,
}

/// Prepares, runs and checks so many transfers on each contract, at this rate or as fast as they go.
fn round(
    setup: &Setup,
    network: &mut Network,
    tokens: &mut [Contract],
    tasks: usize,
    rate: Option<f64>,
) -> Result<Round> {
    let mut queues: Vec<Vec<Sealed>> = Vec::new();
    for token in tokens.iter_mut() {
        let transfers: Vec<_> = (0..tasks as u64)
            .map(|number| {
                let from = account(number % HOLDERS);
                (transfer(from, account((number + 1) % HOLDERS)), network.next_nonce(from))
            })
            .collect();
        queues.push(token.seal_all(&transfers)?);
    }
    let endpoint = &network.worker.endpoint;
    let before = network.worker.processor_s()?;
    let done = match rate {
        None => load::closed(endpoint, &queues, setup.requesters)?,
        Some(rate) => load::open(endpoint, &queues, rate)?,
    };
    let processor_s = network.worker.processor_s()? - before;
    let signer = network.signer()?;
    for ((token, queue), replies) in tokens.iter_mut().zip(&queues).zip(&done.replies) {
        token.check(queue, replies, signer)?;
    }
    Ok(Round {
        elapsed_s: done.elapsed.as_secs_f64(),
        processor_s,
        latencies_us: done.latencies.iter().map(|latency| latency.as_secs_f64() * 1e6).collect(),
        again: done.again,
    })
}
