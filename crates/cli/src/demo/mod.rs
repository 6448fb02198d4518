//! The millionaires' problem, played on a devnet: three users, one question, and a look at what everybody else saw.

pub mod search;
pub mod tap;

use crate::{
    devnet::{
        Description,
        accounts::{Account, FIRST_USER},
    },
    ledger::{Ledger, operator::CommittedBatch},
    output::Steps,
};
use anyhow::{Context, ensure};
use enigma_client::{
    Client, Network, Options, Task, TaskOptions, abi,
    ledger::ContractFacts,
    node::NodeClient,
    protocol::{
        Address, ScAddress,
        hash::keccak256,
        json::Hex0x,
        receipt::Receipt,
        rpc::{TaskParams, TaskResult},
    },
};
use futures::future::try_join_all;
use search::{Haystack, Needle};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tap::Tap;
use zeroize::Zeroizing;

/// The players and what they own. Numbers that do not occur by accident, because they are searched for.
pub const PLAYERS: [(&str, u64); 3] = [("Alice", 7_341_902_218), ("Bob", 12_904_377_651), ("Carol", 9_876_115_437)];
const RICHEST: &str = "Bob";

const CONTRACT_FILE: &str = "millionaires_problem.wasm";
const CONSTRUCTOR: &str = "construct()";
const ADD: &str = "add_millionaire(address,uint256)";
const COMPUTE: &str = "compute_richest()";
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(30);
/// How much ciphertext is shown.
const EXCERPT_DIGITS: usize = 96;

/// Everything that the play showed.
pub struct Played {
    /// Who is the richest, opened by the one who asked.
    pub richest: String,
    /// Address of the contract.
    pub sc: ScAddress,
    /// All tasks with their verified receipts, in the order of their records.
    pub tasks: Vec<(String, Task, Receipt)>,
    /// Milliseconds from Carol's question to her opened answer.
    pub answer_ms: u128,
    /// What Ethereum knows of the contract.
    pub facts: ContractFacts,
    /// The receipts on Ethereum.
    pub batches: Vec<CommittedBatch>,
    /// Beginning of the last sealed input as it passed the user node, in hexadecimal digits.
    pub sealed_input: String,
    /// Beginning of the sealed answer as the worker's host gives it out, in hexadecimal digits.
    pub sealed_output: String,
    traffic: Vec<u8>,
}

/// A user with a connection of their own.
struct Player {
    name: &'static str,
    owns: u64,
    client: Client,
}

/// Plays until the answer is confirmed on Ethereum.
///
/// # Errors
/// Whatever did not hold.
pub async fn play(devnet: &Description, contracts: &Path, steps: &Steps) -> anyhow::Result<Played> {
    let path = contracts.join(CONTRACT_FILE);
    let code = std::fs::read(&path).with_context(|| format!("cannot read {}; run `make build`", path.display()))?;
    let tap = Tap::start(&devnet.nodes.user.rpc).await?;
    let players = connect(devnet, &tap.url).await?;
    let [alice, bob, carol] = players.as_slice() else { anyhow::bail!("the play is for three") };

    steps.begin("Alice deploys the secret contract");
    let options = TaskOptions::default();
    let deployment = alice.client.deploy(code, &abi::call(CONSTRUCTOR, &[])?, options).await?;
    let sc = deployment.sc();
    let (receipt, _) = succeed(alice, &deployment).await?;
    let mut tasks = vec![("Alice deploys the contract".to_owned(), deployment, receipt)];
    steps.done(&format!("Alice deployed the secret contract {sc}"));

    steps.begin("Alice, Bob and Carol each add what they own, encrypted");
    let additions = try_join_all([alice, bob, carol].map(|player| add(player, sc))).await?;
    tasks.extend(additions);
    steps.done("Alice, Bob and Carol each added what they own, encrypted on their side");

    steps.begin("Carol asks who is the richest");
    let asked = Instant::now();
    let question = carol.client.call(sc, &abi::call(COMPUTE, &[])?, options).await?;
    let (receipt, output) = succeed(carol, &question).await?;
    let answer_ms = asked.elapsed().as_millis();
    let richest = name_of(&players, &output)?;
    ensure!(richest == RICHEST, "the answer is {richest}, it should be {RICHEST}");
    steps.done(&format!("Carol opened the answer after {answer_ms} ms and verified its receipt"));

    steps.begin("Waiting until Ethereum has all receipts");
    carol.client.confirmed_within(&question, CONFIRMATION_TIMEOUT).await?;
    tasks.push(("Carol asks who is the richest".to_owned(), question, receipt));
    tasks.sort_by_key(|(_, task, _)| task.record_index());
    let facts = carol.client.ledger().contract_facts(sc).await?;
    let last_tip = tasks.last().map(|(_, _, receipt)| receipt.tip).unwrap_or_default();
    ensure!(facts.deployed && facts.closed_records == facts.record_count, "Ethereum has not confirmed every task");
    ensure!(facts.tip == last_tip, "Ethereum's tip differs from the one that the receipts lead to");
    let enigma: Address = devnet.contracts.enigma.parse()?;
    let batches = Ledger::connect(&devnet.ethereum, enigma, None).await?.batches(sc).await?;
    steps.done("Ethereum confirmed every receipt");

    let traffic = tap.seen();
    let sealed_input = sealed_input(&traffic).context("no sealed input passed the user node")?;
    let sealed_output = sealed_output(&devnet.nodes.worker.rpc, &tasks).await?;
    Ok(Played { richest, sc, tasks, answer_ms, facts, batches, sealed_input, sealed_output, traffic })
}

/// What the worker's host has of the last task's output.
async fn sealed_output(worker_rpc: &str, tasks: &[(String, Task, Receipt)]) -> anyhow::Result<String> {
    let (_, task, receipt) = tasks.last().context("there are tasks")?;
    let params = TaskParams { task_id: Hex0x(task.id()) };
    let answer: TaskResult = NodeClient::new(worker_rpc).call("getTaskResult", &params).await?;
    let output = answer.result.context("the worker's host has no output")?.encrypted_output.0;
    ensure!(
        keccak256(&output) == receipt.output_hash,
        "the worker's host has another output than the receipt confirms"
    );
    Ok(hex::encode(output).chars().take(EXCERPT_DIGITS).collect())
}

async fn connect(devnet: &Description, node_url: &str) -> anyhow::Result<Vec<Player>> {
    let mut players = Vec::new();
    for ((name, owns), index) in PLAYERS.into_iter().zip(FIRST_USER..) {
        let account = Account::get(index).context("the devnet has an account for each player")?;
        let options = Options {
            ethereum_url: devnet.ethereum.clone(),
            node_url: node_url.to_owned(),
            enigma: devnet.contracts.enigma.parse()?,
            private_key: Zeroizing::new(account.private_key.to_owned()),
            network: Network::Devnet,
        };
        players.push(Player { name, owns, client: Client::connect(options).await? });
    }
    Ok(players)
}

async fn add(player: &Player, sc: ScAddress) -> anyhow::Result<(String, Task, Receipt)> {
    let call = abi::call(ADD, &[player.client.address().to_string(), player.owns.to_string()])?;
    let task = player.client.call(sc, &call, TaskOptions::default()).await?;
    let (receipt, _) = succeed(player, &task).await?;
    Ok((format!("{} adds a sealed net worth", player.name), task, receipt))
}

/// The verified receipt and the opened output of a task that must succeed.
async fn succeed(player: &Player, task: &Task) -> anyhow::Result<(Receipt, Vec<u8>)> {
    let outcome = player.client.result(task).await?;
    let receipt = outcome.receipt.clone();
    Ok((receipt, outcome.into_success()?))
}

fn name_of(players: &[Player], output: &[u8]) -> anyhow::Result<String> {
    let values = abi::decode("address", output)?;
    let address: Address = values.first().context("the answer is empty")?.parse()?;
    let player = players.iter().find(|player| player.client.address() == address);
    Ok(player.map_or_else(|| address.to_string(), |player| player.name.to_owned()))
}

/// The sealed arguments of the last input in the traffic, as hexadecimal digits.
fn sealed_input(traffic: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(traffic);
    let (_, rest) = text.rsplit_once(r#""encryptedArgs":"0x"#)?;
    let digits: String = rest.chars().take(EXCERPT_DIGITS).take_while(char::is_ascii_hexdigit).collect();
    (digits.len() == EXCERPT_DIGITS).then_some(digits)
}

/// What a search of everything the hosts had showed.
pub struct Searched {
    /// Files of the hosts, the traffic included.
    pub places: usize,
    /// Their size.
    pub bytes: usize,
    /// Where something secret stood; empty if all is well.
    pub found: Vec<String>,
}

/// Searches all files of all hosts, their logs, and the traffic of the user node for what must not be there.
///
/// # Errors
/// A file cannot be read, or the search does not even find what is public.
pub fn search_everything(data_dir: &Path, played: &Played) -> anyhow::Result<Searched> {
    let mut places = search::files_below(data_dir)?;
    places.push(Haystack { name: "the traffic of the user node".into(), bytes: played.traffic.clone() });
    let mut needles: Vec<_> =
        PLAYERS.iter().map(|(name, owns)| Needle::number(format!("what {name} owns"), *owns)).collect();
    for function in [CONSTRUCTOR, ADD, COMPUTE] {
        needles.push(Needle::sealed_text(format!("the call of {function}"), function));
    }
    let control = Needle::bytes("the contract's address", &played.sc.0);
    for host in ["worker/", "user/", "worker-core/", "the traffic"] {
        let is_there =
            places.iter().any(|place| place.name.starts_with(host) && control.form_in(&place.bytes).is_some());
        ensure!(is_there, "the search is blind: it does not find the contract's public address in {host}");
    }
    let found = search::find(&needles, &places);
    Ok(Searched { places: places.len(), bytes: places.iter().map(|place| place.bytes.len()).sum(), found })
}
