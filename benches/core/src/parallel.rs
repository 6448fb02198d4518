//! Two heavy computations: on one contract one after the other, on two contracts at once.

use crate::{
    Setup, load,
    network::Network,
    results::{Figure, higher},
    tasks::{Contract, Sealed, Task, account, words},
};
use anyhow::{Result, ensure};

/// 2^47 - 115, a prime: about six million divisions.
const NUMBER: u64 = 140_737_488_355_213;
const ROUNDS: usize = 4;

/// `two_contracts_speedup`.
pub fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    let mut network = setup.network()?;
    let code = setup.secret_contract("factorization")?;
    let mut contracts = [network.deploy(&code, "construct()", &[])?, network.deploy(&code, "construct()", &[])?];
    let mut best = 0_f64;
    for number in 1..=ROUNDS {
        let mut elapsed = |contracts: &mut [Contract], tasks_each: usize| -> Result<f64> {
            let mut queues = Vec::new();
            for contract in contracts.iter_mut() {
                queues.push(factorizations(&mut network, contract, tasks_each)?);
            }
            let done = load::closed(&network.worker.endpoint, &queues, queues.len())?;
            let signer = network.signer()?;
            for ((contract, queue), replies) in contracts.iter_mut().zip(&queues).zip(&done.replies) {
                for output in contract.check(queue, replies, signer)? {
                    ensure!(output == words(&[&[1]]), "a prime has one prime factor, the contract says otherwise");
                }
            }
            Ok(done.elapsed.as_secs_f64())
        };
        let one = elapsed(&mut contracts[..1], 2)?;
        let two = elapsed(&mut contracts, 1)?;
        setup.progress(&format!(
            "Heavy computation, round {number} of {ROUNDS}: {:.0} ms one after the other, {:.0} ms at once",
            one * 1e3,
            two * 1e3
        ));
        best = best.max(one / two);
    }
    Ok(vec![higher("two_contracts_speedup", best, "x")])
}

fn factorizations(network: &mut Network, contract: &mut Contract, count: usize) -> Result<Vec<Sealed>> {
    let sender = account(1);
    let task = Task { sender, function: "find_number_of_prime_factors(uint64)", args: words(&[&NUMBER.to_be_bytes()]) };
    (0..count).map(|_| contract.seal(&task, network.next_nonce(sender))).collect()
}
