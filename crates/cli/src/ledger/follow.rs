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

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::{
        primitives::{Address as EthAddress, B256},
        sol_types::SolEvent,
    };
    use axum::{Json, Router, extract::State, routing::post};
    use enigma_client::ledger::bindings::Enigma;
    use enigma_node::LedgerEvent;
    use enigma_protocol::Address;
    use serde_json::{Value, json};
    use std::sync::Mutex;

    const CONTRACT: Address = Address([9; 20]);
    const PATIENCE: Duration = Duration::from_secs(30);

    /// An Ethereum of a few answers.
    #[derive(Default)]
    struct Chain {
        newest: u64,
        /// Blocks in which a worker logs in, with the last byte of its signer.
        logins: Vec<(u64, u8)>,
        /// Ranges longer than this are refused.
        most_blocks: u64,
        ranges: Vec<(u64, u64)>,
    }

    fn block_hash(number: u64) -> B256 {
        B256::with_last_byte(u8::try_from(number % 251).unwrap_or_default())
    }

    fn number_of(json: &Value) -> u64 {
        u64::from_str_radix(json.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    impl Chain {
        fn answer(&mut self, method: &str, params: &Value) -> Result<Value, &'static str> {
            match method {
                "eth_chainId" => Ok(json!("0x1")),
                "eth_getCode" => Ok(json!("0x00")),
                "eth_blockNumber" => Ok(json!(format!("0x{:x}", self.newest))),
                "eth_getBlockByNumber" => {
                    let number = number_of(&params[0]);
                    let mut block: Block = Block::default();
                    block.header.hash = block_hash(number);
                    block.header.inner.number = number;
                    block.header.inner.timestamp = 1000 + number;
                    block.header.inner.parent_hash = block_hash(number.wrapping_sub(1));
                    Ok(serde_json::to_value(block).unwrap())
                }
                "eth_getLogs" => {
                    let (from, to) = (number_of(&params[0]["fromBlock"]), number_of(&params[0]["toBlock"]));
                    if to - from + 1 > self.most_blocks {
                        return Err("too many blocks");
                    }
                    self.ranges.push((from, to));
                    // Newest first: the order of an answer is not relied upon.
                    let logs = self.logins.iter().enumerate().rev();
                    let logs = logs.filter(|(_, (block, _))| (from..=to).contains(block));
                    Ok(logs.map(|(index, (block, signer))| self.log(index as u64, *block, *signer)).collect())
                }
                _ => Err("unknown method"),
            }
        }

        fn log(&self, index: u64, block: u64, signer: u8) -> Value {
            let event = Enigma::WorkerLoggedIn { signer: EthAddress::repeat_byte(signer) };
            let log = Log {
                inner: alloy::primitives::Log { address: eth_address(CONTRACT), data: event.encode_log_data() },
                block_hash: Some(block_hash(block)),
                block_number: Some(block),
                log_index: Some(index),
                ..Log::default()
            };
            serde_json::to_value(log).unwrap()
        }
    }

    async fn serve(chain: Arc<Mutex<Chain>>) -> String {
        async fn answer(State(chain): State<Arc<Mutex<Chain>>>, Json(request): Json<Value>) -> Json<Value> {
            let method = request["method"].as_str().unwrap();
            let answer = chain.lock().unwrap().answer(method, &request["params"]);
            Json(match answer {
                Ok(result) => json!({"jsonrpc": "2.0", "id": request["id"], "result": result}),
                Err(text) => json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32005, "message": text}}),
            })
        }
        let app = Router::new().route("/", post(answer)).with_state(chain);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    async fn start(chain: &Arc<Mutex<Chain>>, next: u64, confirmations: u64) -> mpsc::Receiver<Input> {
        let ledger = Ledger::connect(&serve(Arc::clone(chain)).await, CONTRACT, None).await.unwrap();
        let (sender, inputs) = mpsc::channel(4);
        let pace = Pace { poll: Duration::from_millis(1), confirmations };
        tokio::spawn(follow(ledger, next, pace, sender, Arc::default()));
        inputs
    }

    async fn next(inputs: &mut mpsc::Receiver<Input>) -> (u64, Vec<u8>) {
        let input = tokio::time::timeout(PATIENCE, inputs.recv()).await.unwrap().unwrap();
        let Input::Ledger(block) = input else { panic!("{input:?}") };
        assert_eq!(block.timestamp, 1000 + block.number);
        assert_eq!(block.hash, Hash(block_hash(block.number).0));
        let logins = block.events.iter().map(|event| match event {
            LedgerEvent::WorkerLoggedIn { signer } => signer.0[19],
            other => panic!("{other:?}"),
        });
        (block.number, logins.collect())
    }

    #[tokio::test]
    async fn blocks_with_events_and_the_newest_come_in_order() {
        let chain = Chain { newest: 10, logins: vec![(3, 1), (3, 2), (7, 3)], most_blocks: 5000, ranges: Vec::new() };
        let chain = Arc::new(Mutex::new(chain));
        let mut inputs = start(&chain, 2, 0).await;
        assert_eq!(next(&mut inputs).await, (3, vec![1, 2]));
        assert_eq!(next(&mut inputs).await, (7, vec![3]));
        assert_eq!(next(&mut inputs).await, (10, vec![]));
        {
            let mut chain = chain.lock().unwrap();
            chain.logins.push((11, 4));
            chain.newest = 11;
        }
        assert_eq!(next(&mut inputs).await, (11, vec![4]));
        assert_eq!(chain.lock().unwrap().ranges, [(2, 10), (11, 11)]);
    }

    #[tokio::test]
    async fn long_ranges_are_read_in_pieces_that_the_endpoint_allows() {
        let chain = Chain { newest: 2600, logins: vec![(1, 1), (2500, 2)], most_blocks: 300, ranges: Vec::new() };
        let chain = Arc::new(Mutex::new(chain));
        let mut inputs = start(&chain, 0, 100).await;
        let mut logins = Vec::new();
        loop {
            let (number, mut signers) = next(&mut inputs).await;
            logins.append(&mut signers);
            if number == 2500 {
                break;
            }
        }
        assert_eq!(logins, [1, 2]);
        let ranges = chain.lock().unwrap().ranges.clone();
        assert!(ranges.iter().all(|(from, to)| to - from < 300), "{ranges:?}");
        let mut from = 0;
        for range in ranges {
            assert_eq!(range.0, from, "no block twice, none left out");
            from = range.1 + 1;
        }
        assert_eq!(from, 2501, "the distance from the newest block is kept");
    }
}
