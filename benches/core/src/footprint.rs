//! What a worker takes before it works: memory, and the time of a deployment.

use crate::{
    Setup,
    results::{Figure, lower, percentile},
    tasks::{account, words},
    throughput::CONSTRUCTOR,
};
use anyhow::Result;
use std::time::Instant;

const DEPLOYMENTS: usize = 9;

/// `core_idle_rss_mb`, the same with one contract, and `deploy_erc20_ms`.
pub fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    let mut network = setup.network()?;
    let idle_mb = network.worker.resident_mb()?;
    let code = setup.secret_contract("erc20")?;
    let args = words(&[&account(0).0, &u64::MAX.to_be_bytes()]);
    let (mut times_ms, mut one_contract_mb) = (Vec::new(), 0.0);
    setup.progress(&format!("Deploying {DEPLOYMENTS} tokens"));
    for number in 0..DEPLOYMENTS {
        let mut contract = network.contract()?;
        let sealed = contract.seal_deployment(&code, CONSTRUCTOR, &args)?;
        let began = Instant::now();
        let reply = network.requester.exchange(&sealed.message)?;
        times_ms.push(began.elapsed().as_secs_f64() * 1e3);
        contract.check_next(&sealed, &reply, network.signer()?)?;
        if number == 0 {
            one_contract_mb = network.worker.resident_mb()?;
        }
    }
    Ok(vec![
        lower("core_idle_rss_mb", idle_mb, "MB"),
        lower("core_one_contract_rss_mb", one_contract_mb, "MB"),
        lower("deploy_erc20_ms", percentile(&mut times_ms, 50), "ms"),
    ])
}
