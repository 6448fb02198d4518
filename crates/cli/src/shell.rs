//! The event loop that joins the mind with the outside world.
//!
//! All inputs come through one bounded queue; the mind is drained after each, and its outputs are performed strictly in order,
//! where a `Persist` is on disk before anything later happens. The loop itself never waits for a part: what a part has no room
//! for is refused or dropped with a report, so no part can stop another.

use crate::{
    ipc::Core,
    ledger::Submitter,
    net::Network,
    rpc::{Health, Replies},
    store::Store,
};
use anyhow::{Context, bail};
use enigma_node::{Event, Input, LedgerCallError, Node, Output, Severity, Timestamp};
use enigma_protocol::ipc::{Failure, ReplyFrame};
use futures::future::select_all;
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tracing::{debug, error, info, warn};

/// Inputs that wait for the mind. Few, because each may be a message of the largest size.
pub const INPUT_QUEUE: usize = 64;
/// Code of a request that was not sent and may be repeated; see `spec/ipc.md`.
const CODE_RETRY: u16 = 20;

/// Everything the loop works with.
pub struct Shell {
    /// The mind.
    pub node: Node,
    /// Its memory.
    pub store: Store,
    /// All inputs.
    pub inputs: mpsc::Receiver<Input>,
    /// Peers.
    pub network: Network,
    /// The core, for workers and key managers.
    pub core: Option<Core>,
    /// Transactions, for nodes with an account.
    pub submitter: Option<Submitter>,
    /// Clients.
    pub replies: Arc<Replies>,
    /// What `/healthz` tells.
    pub health: Arc<Health>,
    /// The tasks behind the parts; none of them ends before the loop does.
    pub parts: Vec<(&'static str, JoinHandle<()>)>,
}

impl Shell {
    /// Runs until `stop`.
    ///
    /// # Errors
    /// The store failed, or a part ended.
    pub async fn run(mut self, stop: impl Future<Output = anyhow::Result<&'static str>>) -> anyhow::Result<()> {
        let (names, tasks): (Vec<_>, Vec<_>) = std::mem::take(&mut self.parts).into_iter().unzip();
        let mut ended = select_all(tasks);
        let mut stop = std::pin::pin!(stop);
        let mut clock = Clock { start: Instant::now(), wake: None };
        self.take(&mut clock, Input::Started)?;
        loop {
            let wake = clock.wake.map(|at| clock.start + Duration::from_millis(at));
            let input = tokio::select! {
                input = self.inputs.recv() => input.context("all parts of the node ended")?,
                () = tokio::time::sleep_until(wake.unwrap_or(clock.start)), if wake.is_some() => {
                    clock.wake = None;
                    Input::Tick
                }
                reason = &mut stop => {
                    info!(reason = reason?, "stopping");
                    return Ok(());
                }
                (_, index, _) = &mut ended => {
                    bail!("{} stopped unexpectedly; see the log above", names.get(index).unwrap_or(&"a part"));
                }
            };
            self.take(&mut clock, input)?;
        }
    }

    fn take(&mut self, clock: &mut Clock, input: Input) -> anyhow::Result<()> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            match input {
                Input::CoreConnected => self.health.core.store(true, Ordering::Relaxed),
                Input::CoreLost => self.health.core.store(false, Ordering::Relaxed),
                _ => {}
            }
            self.node.handle(clock.now(), input);
            while let Some(output) = self.node.poll() {
                inputs.extend(self.perform(clock, output)?);
            }
        }
        Ok(())
    }

    /// Does what the mind wants; what cannot even be tried comes back as an input.
    fn perform(&mut self, clock: &mut Clock, output: Output) -> anyhow::Result<Option<Input>> {
        match output {
            Output::Submit(id, call) => {
                let submitted = match &self.submitter {
                    Some(submitter) => submitter.submit(id, call),
                    None => Err(LedgerCallError::Unavailable("this node has no Ethereum account".to_owned())),
                };
                return Ok(submitted.err().map(|error| Input::LedgerCall(id, Err(error))));
            }
            Output::Send(peer, message) => self.network.send(peer, message),
            Output::AskCore(id, request) => {
                let asked = match &self.core {
                    Some(core) => core.ask(id, request),
                    None => Err(id),
                };
                return Ok(asked.err().map(|id| {
                    let failure = Failure {
                        id: id.0.to_string(),
                        request_type: "Error".to_owned(),
                        msg: "the queue to the core is full".to_owned(),
                        code: Some(CODE_RETRY),
                    };
                    Input::Core(id, ReplyFrame::Failure(failure))
                }));
            }
            Output::Reply(client, answer) => self.replies.answer(client, answer),
            Output::WakeAt(at) => clock.wake = Some(at),
            // The disk answers within a millisecond or so; the loop waits, other tasks move to other threads.
            Output::Persist(writes) => tokio::task::block_in_place(|| self.store.persist(&writes))
                .context("the node stops, because it must not go on with what it cannot keep")?,
            Output::Report(event) => report(&event),
        }
        Ok(None)
    }
}

struct Clock {
    start: Instant,
    wake: Option<Timestamp>,
}

impl Clock {
    fn now(&self) -> Timestamp {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// What the mind has to say, under a name of its own in the log.
fn report(event: &Event) {
    match event.severity() {
        Severity::Debug => debug!(target: "enigma::mind", "{event}"),
        Severity::Info => info!(target: "enigma::mind", "{event}"),
        Severity::Warning => warn!(target: "enigma::mind", "{event}"),
        Severity::Error => error!(target: "enigma::mind", "{event}"),
    }
}
