//! Load on a core: as much as it takes, or a fixed rate.

use crate::{
    tasks::Sealed,
    wire::{self, Kind},
};
use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

/// Error of a record that arrived before its predecessor: it is sent again.
const OUT_OF_ORDER: u64 = 11;
const RETRY_PAUSE: Duration = Duration::from_micros(200);
/// Unanswered tasks of one contract: a core lets a record wait for its predecessors when it is at most 64 ahead.
const WINDOW: usize = 32;
/// How far ahead of the replies a task is sent again.
const AHEAD: usize = 8;
/// Until it is looked at again whether tasks can be sent.
const HELD_PAUSE: Duration = Duration::from_micros(100);
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

/// Sends `rate` tasks a second, the contracts in turn, each over a DEALER socket, as a node does. Latency counts from the time at
/// which a task is due to be sent, also when it is sent later, because too many are unanswered or the machine is late.
pub fn open(endpoint: &str, queues: &[Vec<Sealed>], rate: f64) -> Result<Done> {
    let contracts = queues.len();
    let due =
        |contract: usize, position: usize| Duration::from_secs_f64((position * contracts + contract) as f64 / rate);
    let connections = queues.iter().map(|_| wire::connect(endpoint, Kind::Dealer)).collect::<Result<Vec<_>>>()?;
    let (senders, receivers): (Vec<_>, Vec<_>) = connections.into_iter().unzip();
    let answered: Vec<_> = queues.iter().map(|_| AtomicUsize::new(0)).collect();
    let (report, overtaken) = mpsc::channel();
    let answered = &answered;
    let mut outgoing =
        Outgoing { queues, senders, answered, overtaken, held: vec![BTreeSet::new(); contracts], again: 0 };
    let began = Instant::now();
    let replies = thread::scope(|scope| {
        let mut running = Vec::new();
        for (contract, mut receiver) in receivers.into_iter().enumerate() {
            let (queue, report) = (&queues[contract], report.clone());
            running.push(scope.spawn(move || -> Result<Answered> {
                let first = queue.first().map_or(0, |task| task.index);
                let mut replies = Vec::with_capacity(queue.len());
                while replies.len() < queue.len() {
                    let reply = receiver.receive()?;
                    let at = began.elapsed();
                    let position = usize::try_from(id(&reply)?.wrapping_sub(first))?;
                    if overtook(&reply) {
                        report.send((contract, position)).context("the sender has ended")?;
                        continue;
                    }
                    answered[contract].fetch_add(1, Ordering::Relaxed);
                    replies.push((position, reply, at.saturating_sub(due(contract, position))));
                }
                Ok((contract, replies))
            }));
        }
        drop(report);
        let longest = queues.iter().map(Vec::len).max().unwrap_or_default();
        let mut order = (0..longest).flat_map(|position| (0..contracts).map(move |contract| (contract, position)));
        outgoing.send_all(&mut order, |contract, position| due(contract, position).checked_sub(began.elapsed()))?;
        running.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a requester panicked"))?).collect()
    });
    let again = outgoing.again;
    collect(queues, began.elapsed(), again, replies)
}

/// All that is sent at a fixed rate is sent by one thread, so that those who receive never wait to send.
struct Outgoing<'a> {
    queues: &'a [Vec<Sealed>],
    /// By contract.
    senders: Vec<wire::Sender>,
    /// Replies to the tasks of each contract.
    answered: &'a [AtomicUsize],
    /// Contract and position of tasks that overtook their predecessors.
    overtaken: mpsc::Receiver<(usize, usize)>,
    /// Those that wait for their predecessors, by contract.
    held: Vec<BTreeSet<usize>>,
    again: u64,
}

impl Outgoing<'_> {
    fn send_all(
        &mut self,
        order: &mut dyn Iterator<Item = (usize, usize)>,
        pause: impl Fn(usize, usize) -> Option<Duration>,
    ) -> Result<()> {
        for (contract, position) in order {
            if position >= self.queues[contract].len() {
                continue;
            }
            while let Some(pause) = pause(contract, position) {
                if !self.wait(pause)? {
                    return Ok(());
                }
            }
            while position >= self.answered[contract].load(Ordering::Relaxed) + WINDOW {
                if !self.wait(HELD_PAUSE)? {
                    return Ok(());
                }
            }
            self.senders[contract].send(&self.queues[contract][position].message)?;
        }
        while self.wait(HELD_PAUSE)? {}
        Ok(())
    }

    /// Sends again what was overtaken, for at most so long; false when nobody receives any more, because all is done or has failed.
    fn wait(&mut self, pause: Duration) -> Result<bool> {
        let idle = self.held.iter().all(BTreeSet::is_empty);
        match self.overtaken.recv_timeout(if idle { pause } else { pause.min(HELD_PAUSE) }) {
            Ok((contract, position)) => _ = self.held[contract].insert(position),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        }
        for (contract, held) in self.held.iter_mut().enumerate() {
            let reached = self.answered[contract].load(Ordering::Relaxed) + AHEAD;
            while let Some(position) = held.first().copied().filter(|position| *position < reached) {
                let task = self.queues[contract].get(position).context("a reply that nobody asked for")?;
                self.senders[contract].send(&task.message)?;
                held.remove(&position);
                self.again += 1;
            }
        }
        Ok(true)
    }
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
