//! Whether a long history costs anything: taking a contract over, and reading its tip.

use crate::{
    Setup,
    holders::{holder, token},
    load,
    network::{Network, Requester},
    results::{Figure, lower, percentile},
    tasks::Contract,
    throughput::transfer,
    wire,
};
use anyhow::{Context, Result, ensure};
use enigma_protocol::{
    ScAddress, TaskId,
    hash::keccak256,
    json::{Hex, Hex0x},
    state::{EntryHeader, EntryKind, StateEntry, genesis_tip},
};
use serde_json::{Value, json};
use std::time::Instant;

/// Deltas of the contract that is taken over.
const DELTAS: u64 = 100_000;
const HOLDERS: u64 = 100;
const ROUND_TASKS: u64 = 5_000;
const PROGRESS_DELTAS: u64 = 20_000;
const REQUESTERS: usize = 4;
const TAKE_OVERS: usize = 3;
/// Entries that one message may hold.
const ITEMS: u64 = 1_024;

/// `takeover_100k_deltas_s` and `get_tip_ratio_1m_deltas`.
pub fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    let mut network = setup.network()?;
    let code = setup.bench_contract("bench_many_holders")?;
    let mut contract = token(&mut network, &code, HOLDERS)?;
    while contract.deltas < DELTAS {
        if contract.deltas % PROGRESS_DELTAS <= 1 {
            setup.progress(&format!("Making a history: {} of {DELTAS} deltas", contract.deltas));
        }
        grow(&mut network, &mut contract)?;
    }
    let history = History::export(&mut network.requester, &contract)?;
    setup.progress(&format!("Taking over from a snapshot and {} later deltas", history.later_deltas));
    let mut best_s = f64::INFINITY;
    for number in 1..=TAKE_OVERS {
        network.replace_worker()?;
        let seconds = history.take_over(&mut network, &mut contract)?;
        setup.progress(&format!("Taking over, round {number} of {TAKE_OVERS}: {seconds:.3} s"));
        best_s = best_s.min(seconds);
    }
    network.replace_worker()?;
    let ratio = tips(setup, &mut network.requester, &history.code)?;
    Ok(vec![lower("takeover_100k_deltas_s", best_s, "s"), lower("get_tip_ratio_1m_deltas", ratio, "x")])
}

/// A round of transfers.
fn grow(network: &mut Network, contract: &mut Contract) -> Result<()> {
    let count = ROUND_TASKS.min(DELTAS - contract.deltas);
    let tasks: Vec<_> = (0..count)
        .map(|number| {
            let [from, to] = [number, number + 1].map(|number| holder(number % HOLDERS));
            (transfer(from, to), network.next_nonce(from))
        })
        .collect();
    let queue = [contract.seal_all(&tasks)?];
    let done = load::closed(&network.worker.endpoint, &queue, REQUESTERS)?;
    contract.check(&queue[0], &done.replies[0], network.signer()?)?;
    Ok(())
}

/// What nodes keep of a contract, laid out as the messages that another worker gets.
struct History {
    code: Vec<u8>,
    messages: Vec<Vec<u8>>,
    later_deltas: u64,
}

fn message(kind: &str, mut fields: Value) -> Vec<u8> {
    fields["id"] = json!("b");
    fields["type"] = json!(kind);
    wire::message(fields.to_string().as_bytes())
}

impl History {
    fn export(requester: &mut Requester, contract: &Contract) -> Result<Self> {
        let sc = Hex(contract.sc);
        let bytecode = requester.ask("GetContract", json!({"input": sc, "encoding": "hex"}))?["bytecode"].clone();
        let Hex(code): Hex<Vec<u8>> = serde_json::from_value(bytecode)?;
        let mut messages = vec![message("UpdateNewContract", json!({"address": sc, "bytecode": Hex(&code)}))];

        let mut part = json!(0);
        let mut behind = 0;
        while !part.is_null() {
            let fields = json!({"input": {"address": sc, "part": part}, "encoding": "hex"});
            let snapshot = requester.ask("GetSnapshot", fields)?;
            behind = snapshot["key"].as_u64().context("a snapshot without its place")?;
            let entry = json!({"address": sc, "key": behind, "data": snapshot["data"]});
            messages.push(message("UpdateDeltas", json!({ "deltas": [entry] })));
            part = snapshot["next"].clone();
        }

        let last = contract.deltas - 1;
        for from in (behind + 1..=last).step_by(ITEMS as usize) {
            let mut input = json!([{"address": sc, "from": from, "to": (from + ITEMS - 1).min(last)}]);
            while !input.is_null() {
                let page = requester.ask("GetDeltas", json!({"input": input, "encoding": "hex", "limit": ITEMS}))?;
                messages.push(message("UpdateDeltas", json!({ "deltas": page["deltas"] })));
                input = page["next"].clone();
            }
        }
        Ok(Self { code, messages, later_deltas: last - behind })
    }

    /// Seconds from the first message to a fresh worker to its answer to the next task.
    fn take_over(&self, network: &mut Network, contract: &mut Contract) -> Result<f64> {
        let input = json!({
            "contractAddress": Hex(contract.sc), "records": contract.records, "queueHead": Hex0x(contract.queue_head),
            "tip": Hex0x(contract.tip.context("a contract without a tip")?),
        });
        let queue = message("AdvanceQueue", json!({ "input": input }));
        // The next task is not part of the history that the next worker takes over.
        let (records, queue_head, tip, deltas) = (contract.records, contract.queue_head, contract.tip, contract.deltas);
        let began = Instant::now();
        for message in self.messages.iter().chain([&queue]) {
            let reply: Value = serde_json::from_slice(&network.requester.exchange(message)?)?;
            let done = reply["result"]["status"] == json!(0) || reply["result"]["records"] == json!(records);
            ensure!(done, "the worker does not take the history: {reply}");
        }
        network.fetch_keys(contract.sc)?;
        contract.input_key = (network.epoch(), network.input_key(contract.sc)?);
        let from = holder(1);
        let sealed = contract.seal(&transfer(from, holder(2)), network.next_nonce(from))?;
        let reply = network.requester.exchange(&sealed.message)?;
        let seconds = began.elapsed().as_secs_f64();
        contract.check_next(&sealed, &reply, network.signer()?)?;
        (contract.records, contract.queue_head, contract.tip, contract.deltas) = (records, queue_head, tip, deltas);
        Ok(seconds)
    }
}

const SHORT: u64 = 100;
const LONG: u64 = 1_000_000;
const TIP_READS: usize = 2_000;
const TIP_ROUNDS: usize = 4;

/// How much longer `GetTip` takes behind a million deltas than behind a hundred. The worker has no keys for these contracts, so
/// their entries need not open.
fn tips(setup: &Setup, requester: &mut Requester, code: &[u8]) -> Result<f64> {
    let contracts = [(ScAddress([0x51; 32]), SHORT), (ScAddress([0x52; 32]), LONG)];
    for (sc, deltas) in contracts {
        invent(setup, requester, code, sc, deltas)?;
    }
    let mut best_us = [f64::INFINITY; 2];
    for number in 1..=TIP_ROUNDS {
        for ((sc, deltas), best_us) in contracts.iter().zip(&mut best_us) {
            let request = message("GetTip", json!({"input": [Hex(sc)], "encoding": "hex"}));
            let mut times_us = Vec::with_capacity(TIP_READS);
            for _ in 0..TIP_READS {
                let began = Instant::now();
                let reply = requester.exchange(&request)?;
                times_us.push(began.elapsed().as_secs_f64() * 1e6);
                let expected = format!("\"key\":{}", deltas - 1);
                ensure!(String::from_utf8_lossy(&reply).contains(&expected), "a wrong tip");
            }
            *best_us = best_us.min(percentile(&mut times_us, 50));
        }
        let [short, long] = best_us;
        setup.progress(&format!(
            "Tips, round {number} of {TIP_ROUNDS}: at best {short:.0} µs behind {SHORT} deltas, {long:.0} µs behind {LONG}"
        ));
    }
    Ok(best_us[1] / best_us[0])
}

/// Gives a worker a chain of this length that nobody computed.
fn invent(setup: &Setup, requester: &mut Requester, code: &[u8], sc: ScAddress, deltas: u64) -> Result<()> {
    let mut send = |kind: &str, fields: Value| -> Result<()> {
        let result = requester.ask(kind, fields)?;
        ensure!(result["status"] == json!(0), "the worker does not take an invented chain: {result}");
        Ok(())
    };
    send("UpdateNewContract", json!({"address": Hex(sc), "bytecode": Hex(code)}))?;
    let mut tip = genesis_tip(sc, keccak256(code));
    for first in (0..deltas).step_by(ITEMS as usize) {
        if first % (ITEMS * 200) == 0 {
            setup.progress(&format!("Inventing a chain: {first} of {deltas} deltas"));
        }
        let entries: Vec<_> = (first..deltas.min(first + ITEMS))
            .map(|index| {
                let header = EntryHeader {
                    kind: EntryKind::Delta,
                    sc,
                    generation: 0,
                    task_id: TaskId([7; 32]),
                    index,
                    previous_tip: tip,
                };
                let entry = StateEntry { header, nonce: [0; 12], ciphertext: vec![0; 16] };
                tip = entry.tip();
                json!({"address": Hex(sc), "key": index, "data": Hex(entry.to_bytes())})
            })
            .collect();
        send("UpdateDeltas", json!({ "deltas": entries }))?;
    }
    Ok(())
}
