//! Reads Ethereum block by block, in bounded ranges, and tells the mind.

use super::{CALL_TIMEOUT, Ledger, events};
use crate::{backoff::Backoff, rpc::Health};
use alloy::{
    providers::Provider,
    rpc::types::{Block, Filter, Log},
};
use anyhow::{Context, bail};
use enigma_client::ledger::eth_address;
use enigma_node::{Input, LedgerBlock};
use enigma_protocol::Hash;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

/// Blocks asked for at once at most; what public endpoints allow.
const MAX_RANGE_BLOCKS: u64 = 1000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// How Ethereum is followed.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two questions for the newest block.
    pub poll: Duration,
    /// Distance kept from the newest block.
    pub confirmations: u64,
}

/// Follows from the block `next` until nobody listens.
pub async fn follow(ledger: Ledger, next: u64, pace: Pace, inputs: mpsc::Sender<Input>, health: Arc<Health>) {
    let mut follower = Follower { ledger, next, range: MAX_RANGE_BLOCKS, last: None, warned_behind: false, inputs };
    let mut backoff = Backoff::new(FIRST_PAUSE.max(pace.poll), LAST_PAUSE);
    while !follower.inputs.is_closed() {
        match follower.step(pace.confirmations).await {
            Ok(more) => {
                if !health.ethereum.swap(true, Ordering::Relaxed) {
                    info!(next_block = follower.next, "following Ethereum");
                }
                health.block_number.store(follower.next.saturating_sub(1), Ordering::Relaxed);
                backoff.reset();
                if !more {
                    tokio::time::sleep(pace.poll).await;
                }
            }
            Err(error) => {
                health.ethereum.store(false, Ordering::Relaxed);
                let pause = backoff.pause();
                warn!(error = format!("{error:#}"), ?pause, "Ethereum cannot be followed; trying again");
                tokio::time::sleep(pause).await;
            }
        }
    }
}

struct Follower {
    ledger: Ledger,
    /// The first block not told yet.
    next: u64,
    /// Blocks asked for at once; shrinks while the endpoint refuses.
    range: u64,
    /// Hash of the last block told.
    last: Option<Hash>,
    warned_behind: bool,
    inputs: mpsc::Sender<Input>,
}

impl Follower {
    /// Tells what is new, up to one range; whether there may be more.
    async fn step(&mut self, confirmations: u64) -> anyhow::Result<bool> {
        let newest = timely(self.ledger.provider.get_block_number()).await.context("asking for the newest block")?;
        let newest = newest.saturating_sub(confirmations);
        if newest < self.next {
            self.check_behind(newest);
            return Ok(false);
        }
        let last = newest.min(self.next.saturating_add(self.range - 1));
        let (logs, block) = match tokio::try_join!(self.logs(last), self.block(last)) {
            Ok(answers) => answers,
            Err(error) => {
                // Endpoints refuse ranges with too many logs in many different words.
                self.range = (self.range / 2).max(1);
                return Err(error);
            }
        };
        self.check_parent(&block, last);
        let blocks = self.assemble(logs, &block, last).await?;
        self.last = Some(Hash(block.header.hash.0));
        for block in blocks {
            if self.inputs.send(Input::Ledger(block)).await.is_err() {
                return Ok(false);
            }
        }
        self.next = last + 1;
        self.range = (self.range * 2).min(MAX_RANGE_BLOCKS);
        Ok(last < newest)
    }

    async fn logs(&self, last: u64) -> anyhow::Result<Vec<Log>> {
        let filter = Filter::new()
            .address(eth_address(self.ledger.domain.enigma))
            .event_signature(events::SIGNATURES.to_vec())
            .from_block(self.next)
            .to_block(last);
        timely(self.ledger.provider.get_logs(&filter))
            .await
            .with_context(|| format!("asking for the events of blocks {} to {last}", self.next))
    }

    async fn block(&self, number: u64) -> anyhow::Result<Block> {
        timely(self.ledger.provider.get_block_by_number(number.into()))
            .await
            .with_context(|| format!("asking for block {number}"))?
            .with_context(|| format!("block {number} is gone"))
    }

    /// Blocks with events and the last one, ascending.
    async fn assemble(&self, logs: Vec<Log>, last_block: &Block, last: u64) -> anyhow::Result<Vec<LedgerBlock>> {
        let mut by_block: BTreeMap<u64, Vec<Log>> = BTreeMap::new();
        by_block.entry(last).or_default();
        for log in logs.into_iter().filter(|log| !log.removed) {
            let number = log.block_number.context("Ethereum gave an event without a block")?;
            if !(self.next..=last).contains(&number) {
                bail!("Ethereum gave an event of block {number}, which was not asked for");
            }
            by_block.entry(number).or_default().push(log);
        }
        let mut blocks = Vec::with_capacity(by_block.len());
        for (number, mut logs) in by_block {
            logs.sort_by_key(|log| log.log_index);
            let other;
            let block = if number == last {
                last_block
            } else {
                other = self.block(number).await?;
                &other
            };
            if logs.iter().any(|log| log.block_hash != Some(block.header.hash)) {
                bail!("Ethereum was reorganised while it was read");
            }
            blocks.push(LedgerBlock {
                number,
                hash: Hash(block.header.hash.0),
                timestamp: block.header.timestamp,
                events: logs.iter().map(events::event).collect::<Result<_, _>>()?,
            });
        }
        Ok(blocks)
    }

    fn check_behind(&mut self, newest: u64) {
        let behind = newest.saturating_add(1) < self.next;
        if behind && !self.warned_behind {
            warn!(newest, followed = self.next.saturating_sub(1), "Ethereum is behind what this node has followed");
        }
        self.warned_behind = behind;
    }

    fn check_parent(&self, block: &Block, number: u64) {
        let parent = Hash(block.header.parent_hash.0);
        if number == self.next && self.last.is_some_and(|last| last != parent) {
            error!(
                block = number,
                "Ethereum was reorganised below a block that this node has followed; move the node's store away and \
                 start it again, with --confirmations to stay clear of reorganisations"
            );
        }
    }
}

async fn timely<T, E>(answer: impl IntoFuture<Output = Result<T, E>>) -> anyhow::Result<T>
where
    anyhow::Error: From<E>,
{
    Ok(tokio::time::timeout(CALL_TIMEOUT, answer.into_future()).await.context("no answer in time")??)
}
