//! Load on a core: as much as it takes, or a fixed rate.

use crate::{
    tasks::Sealed,
    wire::{self, Kind},
};
use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Error of a record that arrived before its predecessor: it is sent again.
const OUT_OF_ORDER: u64 = 11;
const RETRY_PAUSE: Duration = Duration::from_micros(200);
/// Replies to tasks are longer than this; errors are shorter.
const MAX_ERROR_BYTES: usize = 500;

/// What a load did.
pub struct Done {
    /// From the first request to the last reply.
    pub elapsed: Duration,
    /// The replies to the tasks of each contract, in order.
    pub replies: Vec<Vec<Vec<u8>>>,
    /// From the time a task was due to be sent to its reply, in the order of replies.
    pub latencies: Vec<Duration>,
    /// Requests that had to be sent again, because they overtook their predecessor.
    pub again: u64,
}

fn overtook(reply: &[u8]) -> bool {
    reply.len() < MAX_ERROR_BYTES
        && serde_json::from_slice::<Value>(reply).is_ok_and(|reply| reply["code"].as_u64() == Some(OUT_OF_ORDER))
}

/// As many REQ sockets as asked for, shared out evenly among the contracts, each sending the next task of its contract as soon as it
/// has the reply to the last one.
pub fn closed(endpoint: &str, queues: &[Vec<Sealed>], requesters: usize) -> Result<Done> {
    let next: Vec<_> = queues.iter().map(|_| AtomicUsize::new(0)).collect();
    let again = AtomicU64::new(0);
    let connections = (0..requesters).map(|_| wire::connect(endpoint, Kind::Req)).collect::<Result<Vec<_>>>()?;
    let (next, again_ref) = (&next, &again);
    let began = Instant::now();
    let answered = thread::scope(|scope| {
        let running: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(number, (mut sender, mut receiver))| {
                let contract = number % queues.len();
                scope.spawn(move || -> Result<_> {
                    let mut answered = Vec::new();
                    loop {
                        let index = next[contract].fetch_add(1, Ordering::Relaxed);
                        let Some(task) = queues[contract].get(index) else { return Ok((contract, answered)) };
                        let sent = Instant::now();
                        let reply = loop {
                            sender.send(&task.message)?;
                            let reply = receiver.receive()?;
                            if !overtook(&reply) {
                                break reply;
                            }
                            again_ref.fetch_add(1, Ordering::Relaxed);
                            thread::sleep(RETRY_PAUSE);
                        };
                        answered.push((index, reply, sent.elapsed()));
                    }
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a requester panicked"))?).collect()
    });
    collect(queues, began.elapsed(), again.into_inner(), answered)
}

/// Sends `rate` tasks a second, the contracts in turn, whether or not replies come. Each contract has as many DEALER sockets.
pub fn open(endpoint: &str, queues: &[Vec<Sealed>], sockets_per_contract: usize, rate: f64) -> Result<Done> {
    let contracts = queues.len();
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for contract in (0..contracts).cycle().take(contracts * sockets_per_contract) {
        let (sender, receiver) = wire::connect(endpoint, Kind::Dealer)?;
        senders.push(Mutex::new(sender));
        receivers.push((contract, receiver));
    }
    let again = AtomicU64::new(0);
    let due =
        |contract: usize, position: usize| Duration::from_secs_f64((position * contracts + contract) as f64 / rate);
    let (senders, again_ref) = (&senders, &again);
    let began = Instant::now();
    let answered = thread::scope(|scope| {
        let mut running = Vec::new();
        for (socket, (contract, mut receiver)) in receivers.into_iter().enumerate() {
            let queue = &queues[contract];
            // The socket's own share of the tasks of its contract.
            let share = queue.len().saturating_sub(socket / contracts).div_ceil(sockets_per_contract);
            running.push(scope.spawn(move || -> Result<Answered> {
                let first = queue.first().map_or(0, |task| task.index);
                let mut answered = Vec::with_capacity(share);
                while answered.len() < share {
                    let reply = receiver.receive()?;
                    let at = began.elapsed();
                    let position = usize::try_from(id(&reply)?.wrapping_sub(first))?;
                    if overtook(&reply) {
                        again_ref.fetch_add(1, Ordering::Relaxed);
                        let task = queue.get(position).context("a reply that nobody asked for")?;
                        thread::sleep(RETRY_PAUSE);
                        lock(&senders[socket]).send(&task.message)?;
                        continue;
                    }
                    answered.push((position, reply, at.saturating_sub(due(contract, position))));
                }
                Ok((contract, answered))
            }));
        }
        for position in 0..queues.iter().map(Vec::len).max().unwrap_or_default() {
            for (contract, queue) in queues.iter().enumerate() {
                let Some(task) = queue.get(position) else { continue };
                if let Some(pause) = due(contract, position).checked_sub(began.elapsed()) {
                    thread::sleep(pause);
                }
                let socket = position % sockets_per_contract * contracts + contract;
                lock(&senders[socket]).send(&task.message)?;
            }
        }
        running.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a requester panicked"))?).collect()
    });
    collect(queues, began.elapsed(), again.into_inner(), answered)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The `id` of a reply, which is a number here. Replies begin with it, so that the rest need not be read.
fn id(reply: &[u8]) -> Result<u64> {
    let digits = reply.strip_prefix(br#"{"id":""#).context("a reply that does not begin with its id")?;
    let end = digits.iter().position(|byte| *byte == b'"').context("a reply without an id")?;
    Ok(std::str::from_utf8(&digits[..end])?.parse()?)
}

type Answered = (usize, Vec<(usize, Vec<u8>, Duration)>);

fn collect(queues: &[Vec<Sealed>], elapsed: Duration, again: u64, answered: Result<Vec<Answered>>) -> Result<Done> {
    let mut replies: Vec<Vec<_>> = queues.iter().map(|queue| vec![Vec::new(); queue.len()]).collect();
    let mut latencies = Vec::new();
    for (contract, answers) in answered? {
        for (index, reply, latency) in answers {
            replies[contract][index] = reply;
            latencies.push(latency);
        }
    }
    Ok(Done { elapsed, replies, latencies, again })
}
