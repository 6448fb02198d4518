//! A whole network on one machine, for development: the programs that operators run, started and watched by one more.
//!
//! | part | program |
//! |---|---|
//! | `anvil` | Ethereum, with the contracts deployed on it (`enigma guard` ends it with the devnet) |
//! | `key-manager-core`, `worker-core` | `enigma-core run`, in its two roles |
//! | `key-manager` | `enigma km run` |
//! | `worker`, `user` | `enigma node run`, with and without a core |
//!
//! Invariants:
//! * It is a simulation, and everything that describes it says so.
//! * No process outlives it, however it ends ([`part`]); one part that ends takes the others along.
//! * Nothing but starting, funding and watching happens here: parts talk to each other as on any network.
//!
//! Deliberately absent: chains that survive a restart.

pub mod accounts;
mod files;
mod page;
mod part;
pub mod programs;

use crate::{
    ledger::{
        Ledger,
        deploy::{Contracts, Rules, Treasury},
    },
    operator,
};
use accounts::{Account, DEPOSIT, STAKE, WALLET};
use anyhow::{Context, bail, ensure};
use enigma_client::{ledger::Ledger as ClientLedger, node::NodeClient};
use enigma_protocol::{
    Address, Hash, ScAddress,
    config::{KeyManagerConfig, NetworkConfig},
    json::{Hex0x, U64},
    rpc::{WorkerKey, WorkerKeyParams},
};
use files::DataDir;
use futures::future::try_join_all;
use part::{Ended, Parts, Starting, start};
use programs::Programs;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// anvil's own.
const CHAIN_ID: u64 = 31337;
/// How often the hosts of a devnet ask Ethereum for news: blocks come as fast as transactions.
const POLL_MS: u64 = 20;
/// The first epoch with a worker that has its keys comes within this time, or something is wrong.
const FIRST_EPOCH_TIMEOUT: Duration = Duration::from_secs(20);
const READY_POLL: Duration = Duration::from_millis(10);

/// How a devnet is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port of its page on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where its parts keep their files; a temporary folder when absent.
    pub data_dir: Option<PathBuf>,
    /// Blocks an epoch lasts at least.
    pub epoch_blocks: u64,
    /// How long receipts wait for each other.
    pub batch_age_ms: u64,
}

/// What happens while a devnet starts.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The files of an earlier devnet are removed.
    Replaced(PathBuf),
    /// A step is done, so long after the start.
    Done(String, Duration),
}

/// Everything one has to know to use a devnet: `addresses.json`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// Always `simulation`.
    pub mode: &'static str,
    /// Whether tasks can be made.
    pub ready: bool,
    /// Milliseconds from start to ready.
    pub ready_ms: u64,
    /// This page.
    pub url: String,
    /// Of Ethereum.
    pub chain_id: u64,
    /// JSON-RPC of Ethereum.
    pub ethereum: String,
    /// Contracts on Ethereum.
    pub contracts: ContractsJson,
    /// Nodes of the network.
    pub nodes: Nodes,
    /// The current epoch.
    pub epoch: u64,
    /// What is measured of `enigma-core`.
    pub measurement: String,
    /// The running programs.
    pub parts: Vec<PartState>,
    /// Accounts with well-known keys.
    pub accounts: Vec<AccountState>,
    /// Where the parts keep their files.
    pub data_dir: String,
}

/// Contracts on Ethereum.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ContractsJson {
    /// Enigma.
    pub enigma: String,
    /// ENG.
    pub token: String,
    /// The verifier of simulated evidence.
    pub verifier: String,
}

/// Nodes of the network.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Nodes {
    /// The one that clients talk to.
    pub user: NodeState,
    /// The one with an enclave that computes.
    pub worker: NodeState,
    /// The one with an enclave that holds the key share.
    pub key_manager: NodeState,
}

/// One node, as its ready line describes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeState {
    /// Its JSON-RPC.
    #[serde(default)]
    pub rpc: String,
    /// Its address for peers.
    pub p2p: String,
    /// Signing address of its enclave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// One running program.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartState {
    /// Its name.
    pub name: String,
    /// `running` or `stopped`.
    pub state: &'static str,
    /// Its process.
    pub pid: u32,
    /// The process that ends it with the devnet, for a program that cannot do so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard_pid: Option<u32>,
    /// Milliseconds from the devnet's start until it was ready.
    pub ready_ms: u64,
    /// Its log.
    pub log: String,
}

/// One account.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountState {
    /// Its number.
    pub index: usize,
    /// What it is for.
    pub role: &'static str,
    /// Its address.
    pub address: String,
    /// Its key, known to everybody.
    pub private_key: String,
    /// ENG deposited for tasks.
    pub deposit: String,
}

/// A description that changes while it is shown.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Description>>);

impl Shared {
    fn get(&self) -> Description {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn update(&self, change: impl FnOnce(&mut Description)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The ready line of `enigma-core run`.
#[derive(Debug, Deserialize)]
struct CoreReady {
    endpoint: String,
    signer: Hex0x<Address>,
}

/// The line of `enigma-core identity`.
#[derive(Debug, Deserialize)]
struct Identity {
    signer: Hex0x<Address>,
    commitment: Hex0x<Hash>,
}

/// A devnet.
pub struct Devnet {
    options: Options,
    programs: Programs,
    dir: DataDir,
    parts: Parts,
    shared: Shared,
    began: Instant,
    ledger: watch::Sender<Option<Ledger>>,
    page: JoinHandle<()>,
}

impl Devnet {
    /// Checks and takes what a devnet needs; nothing runs yet but its page.
    ///
    /// # Errors
    /// A program is missing, the port is taken, the data directory cannot be used: with what to do about it.
    pub async fn open(options: Options, report: &dyn Fn(Progress)) -> anyhow::Result<Self> {
        let began = Instant::now();
        let listener = page::bind(options.port).await?;
        let programs = Programs::find()?;
        let dir = DataDir::open(options.data_dir.as_deref(), |path| report(Progress::Replaced(path.to_owned())))?;
        let shared = Shared::default();
        let (ledger, ledger_of_page) = watch::channel(None);
        let url = url_of(&listener)?;
        shared.update(|description| {
            description.mode = "simulation";
            description.url = url;
            description.chain_id = CHAIN_ID;
            description.data_dir = dir.path().display().to_string();
            description.accounts = Account::all().map(|account| account_state(&account, "0".into())).collect();
        });
        let page = page::serve(listener, shared.clone(), ledger_of_page);
        Ok(Self { options, programs, dir, parts: Parts::new(), shared, began, ledger, page })
    }

    /// Starts all parts and returns once a client could make a task. Whether or not it succeeds, [`Self::stop`] comes next
    /// or later.
    ///
    /// # Errors
    /// The part that failed, and where its log is.
    pub async fn launch(&mut self, report: &dyn Fn(Progress)) -> anyhow::Result<()> {
        let launched = self.launch_parts(report).await;
        if launched.is_err() {
            // The error names logs.
            self.dir.keep();
        }
        launched
    }

    async fn launch_parts(&mut self, report: &dyn Fn(Progress)) -> anyhow::Result<()> {
        let (identity, measurement, ethereum) =
            tokio::try_join!(self.key_manager_identity(), self.measurement(), self.start_anvil())?;
        let (anvil, ethereum) = ethereum;
        self.take("anvil", anvil, report)?;
        self.shared.update(|description| {
            description.ethereum.clone_from(&ethereum);
            description.measurement = measurement.to_string();
        });

        let deployer = account(accounts::TREASURY)?;
        let config = NetworkConfig {
            chain_id: CHAIN_ID,
            enigma: Hex0x(Contracts::of_fresh_account(deployer.address()).enigma),
            checkpoint: Hex0x(Hash::ZERO),
            threshold: 1,
            key_managers: vec![KeyManagerConfig { signer: identity.signer, commitment: identity.commitment }],
            measurements: vec![Hex0x(measurement)],
        };
        let config_file = self.dir.write_json("network.json", &config)?;
        let treasury = Treasury::new(&ethereum, deployer.private_key)?;
        let rules = Rules { epoch_length_blocks: self.options.epoch_blocks, minimum_stake: STAKE.grains / 10 };
        let deploying = async {
            let contracts = treasury.deploy(&config, &rules).await?;
            treasury.send(contracts.token, account(accounts::WORKER)?.address(), STAKE.grains).await?;
            anyhow::Ok(contracts)
        };
        let (contracts, manager_core, worker_core) = tokio::try_join!(
            deploying,
            self.start_core("key-manager-core", "km", &config_file),
            self.start_core("worker-core", "worker", &config_file),
        )?;
        self.done("contracts", report);
        ensure!(manager_core.1.signer == identity.signer, "the key manager's core has another identity than it said");
        self.take("key-manager-core", manager_core.0, report)?;
        self.take("worker-core", worker_core.0, report)?;
        self.shared.update(|description| {
            description.contracts = ContractsJson {
                enigma: contracts.enigma.to_string(),
                token: contracts.token.to_string(),
                verifier: contracts.verifier.to_string(),
            };
        });

        let manager_key = self.key_file(accounts::KEY_MANAGER)?;
        let worker_key = self.key_file(accounts::WORKER)?;
        let network = [ethereum.as_str(), &contracts.enigma.to_string()].map(str::to_owned);
        let (manager_end, worker_end) = (manager_core.1.endpoint, worker_core.1.endpoint);
        let hosts = async {
            let manager = self.start_key_manager(&network, &manager_end, &manager_key).await?;
            let worker = self.start_worker(&network, &worker_end, &worker_key, &manager.1.p2p).await?;
            let user = self.start_user(&network, &worker.1.p2p).await?;
            Ok([manager, worker, user])
        };
        let registering = async {
            let manager = Ledger::connect(&ethereum, contracts.enigma, Some(&manager_key)).await?;
            let worker = Ledger::connect(&ethereum, contracts.enigma, Some(&worker_key)).await?;
            let (_, signer) = tokio::try_join!(
                operator::register_key_manager(&manager_end, &manager),
                operator::register_and_stake(&worker_end, &worker, STAKE),
            )?;
            // The first epoch starts as soon as there is a worker, and needs the key manager to be registered.
            operator::log_in(&worker, signer).await?;
            self.ledger.send_replace(Some(worker));
            anyhow::Ok(())
        };
        let funding = fund_users(&treasury, &ethereum, &contracts);
        let ([manager, worker, user], (), ()) = tokio::try_join!(hosts, registering, funding)?;
        self.done("registration and deposits", report);
        self.take("key-manager", manager.0, report)?;
        self.take("worker", worker.0, report)?;
        self.take("user", user.0, report)?;
        let user_rpc = user.1.rpc.clone();
        self.shared.update(|description| {
            description.nodes = Nodes { user: user.1, worker: worker.1, key_manager: manager.1 };
            description.accounts = Account::all()
                .map(|account| {
                    let is_user = account.index >= accounts::FIRST_USER;
                    account_state(&account, if is_user { DEPOSIT.to_string() } else { "0".into() })
                })
                .collect();
        });
        let ledger = self.ledger.borrow().clone().context("nobody is registered")?;
        tokio::select! {
            epoch = first_epoch(&ledger, &user_rpc) => {
                let epoch = epoch?;
                self.shared.update(|description| description.epoch = epoch);
            }
            ended = self.parts.ended() => bail!(ended.describe()),
        }
        self.done("epoch 1", report);
        let elapsed_ms = self.elapsed_ms();
        self.shared.update(|description| {
            description.ready = true;
            description.ready_ms = elapsed_ms;
        });
        Ok(())
    }

    /// What there is to know.
    pub fn description(&self) -> Description {
        self.shared.get()
    }

    /// Where all files are.
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until a part ends, which it never should, and says which.
    pub async fn failed(&mut self) -> String {
        let ended: Ended = self.parts.ended().await;
        self.dir.keep();
        self.shared.update(|description| {
            description.ready = false;
            for part in &mut description.parts {
                if part.name == ended.name {
                    part.state = "stopped";
                }
            }
        });
        ended.describe()
    }

    /// Stops all parts. A temporary data directory goes away with this value.
    pub async fn stop(&mut self) {
        self.page.abort();
        self.parts.stop().await;
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn done(&self, what: &str, report: &dyn Fn(Progress)) {
        report(Progress::Done(what.to_owned(), self.began.elapsed()));
    }

    fn take(&mut self, name: &str, part: Starting, report: &dyn Fn(Progress)) -> anyhow::Result<()> {
        let state = PartState {
            name: name.to_owned(),
            state: "running",
            pid: part.pid(),
            guard_pid: part.guard_pid(),
            ready_ms: u64::try_from((part.ready_at - self.began).as_millis()).unwrap_or(u64::MAX),
            log: self.dir.log(name)?.display().to_string(),
        };
        report(Progress::Done(name.to_owned(), part.ready_at - self.began));
        self.shared.update(|description| description.parts.push(state));
        self.parts.add(part);
        Ok(())
    }

    async fn measurement(&self) -> anyhow::Result<Hash> {
        let programs = self.programs.clone();
        tokio::task::spawn_blocking(move || programs.core_measurement()).await?
    }

    async fn start_anvil(&self) -> anyhow::Result<(Starting, String)> {
        let mut args = vec!["guard".to_owned(), "--".to_owned(), self.programs.anvil.display().to_string()];
        args.extend(["--host", "127.0.0.1", "--port", "0", "--chain-id"].map(str::to_owned));
        args.push(CHAIN_ID.to_string());
        let mut part = start("anvil", &self.programs.enigma, &args, &self.dir.log("anvil")?)?;
        part.guarded().await?;
        let address = part.line(|line| line.strip_prefix("Listening on ").map(str::to_owned)).await?;
        Ok((part.into_ready(), format!("http://{address}")))
    }

    async fn key_manager_identity(&self) -> anyhow::Result<Identity> {
        let folder = self.dir.folder("key-manager-core")?;
        let output = tokio::process::Command::new(&self.programs.core)
            .args(["identity", "--role", "km", "--json", "--data-dir"])
            .arg(&folder)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot start {}", self.programs.core.display()))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "enigma-core made no identity ({}): {}", output.status, errors.trim());
        serde_json::from_slice(&output.stdout).context("enigma-core printed no identity; is it of the same build?")
    }

    async fn start_core(&self, name: &str, role: &str, config: &Path) -> anyhow::Result<(Starting, CoreReady)> {
        let folder = self.dir.folder(name)?.display().to_string();
        let config = config.display().to_string();
        let args = ["run", "--data-dir", &folder, "--role", role, "--config", &config, "--endpoint"];
        let mut args = args.map(str::to_owned).to_vec();
        args.extend(["tcp://127.0.0.1:0", "--exit-with-parent"].map(str::to_owned));
        let mut part = start(name, &self.programs.core, &args, &self.dir.log(name)?)?;
        let ready = part.ready().await?;
        Ok((part.into_ready(), ready))
    }

    async fn start_key_manager(
        &self,
        network: &[String; 2],
        core: &str,
        key_file: &Path,
    ) -> anyhow::Result<(Starting, NodeState)> {
        let key_file = key_file.display().to_string();
        let args = ["km", "run", "--core", core, "--eth-key-file", &key_file];
        self.start_host("key-manager", &args, network).await
    }

    async fn start_worker(
        &self,
        network: &[String; 2],
        core: &str,
        key_file: &Path,
        key_manager: &str,
    ) -> anyhow::Result<(Starting, NodeState)> {
        let (key_file, age) = (key_file.display().to_string(), self.options.batch_age_ms.to_string());
        let args =
            ["node", "run", "--core", core, "--eth-key-file", &key_file, "--batch-age-ms", &age, "--peer", key_manager];
        self.start_host("worker", &args, network).await
    }

    async fn start_user(&self, network: &[String; 2], worker: &str) -> anyhow::Result<(Starting, NodeState)> {
        self.start_host("user", &["node", "run", "--peer", worker], network).await
    }

    /// What the hosts have in common.
    async fn start_host(
        &self,
        name: &str,
        args: &[&str],
        [ethereum, contract]: &[String; 2],
    ) -> anyhow::Result<(Starting, NodeState)> {
        let folder = self.dir.folder(name)?.display().to_string();
        let poll = POLL_MS.to_string();
        let common = [
            "--data-dir",
            &folder,
            "--ethereum",
            ethereum,
            "--contract",
            contract,
            "--poll-ms",
            &poll,
            "--rpc",
            "127.0.0.1:0",
            "--json",
            "--exit-with-parent",
        ];
        let args: Vec<_> = args.iter().chain(&common).map(|arg| (*arg).to_owned()).collect();
        let mut part = start(name, &self.programs.enigma, &args, &self.dir.log(name)?)?;
        let ready = part.ready().await?;
        Ok((part.into_ready(), ready))
    }

    fn key_file(&self, index: usize) -> anyhow::Result<PathBuf> {
        let account = account(index)?;
        let path = self.dir.folder("keys")?.join(format!("account-{index}.key"));
        crate::keyfile::write_private(&path, account.private_key.as_bytes())?;
        Ok(path)
    }
}

fn account(index: usize) -> anyhow::Result<Account> {
    Account::get(index).with_context(|| format!("there is no account {index}"))
}

fn account_state(account: &Account, deposit: String) -> AccountState {
    AccountState {
        index: account.index,
        role: account.role(),
        address: account.address_text.to_owned(),
        private_key: account.private_key.to_owned(),
        deposit,
    }
}

fn url_of(listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("http://localhost:{}", listener.local_addr()?.port()))
}

/// Gives every user ENG, a part of it deposited.
async fn fund_users(treasury: &Treasury, ethereum: &str, contracts: &Contracts) -> anyhow::Result<()> {
    let total = DEPOSIT.grains + WALLET.grains;
    let mut deposits = Vec::new();
    for user in Account::users() {
        treasury.send(contracts.token, user.address(), total).await?;
        deposits.push(async move {
            let ledger = ClientLedger::connect(ethereum, contracts.enigma, user.private_key).await?;
            ledger.deposit(DEPOSIT.grains).await.context("a user's ENG was not deposited")
        });
    }
    try_join_all(deposits).await.map(drop)
}

/// Waits until the user node gives out an input key, for which epoch, selection, worker, key manager and the way between
/// them must be in place.
async fn first_epoch(ledger: &Ledger, user_rpc: &str) -> anyhow::Result<u64> {
    let node = NodeClient::new(user_rpc);
    let deadline = Instant::now() + FIRST_EPOCH_TIMEOUT;
    loop {
        let epoch = ledger.epoch_number().await?;
        let last = if epoch == 0 {
            "no epoch has started".to_owned()
        } else {
            let params =
                WorkerKeyParams { sc: Hex0x(ScAddress::ZERO), epoch: U64(epoch), user_pub_key: Hex0x(Vec::new()) };
            match node.call::<_, WorkerKey>("getWorkerEncryptionKey", &params).await {
                Ok(_) => return Ok(epoch),
                Err(error) => error.to_string(),
            }
        };
        if Instant::now() >= deadline {
            bail!(
                "no worker is ready for tasks {} s after all parts were: {last}; the logs of worker and key-manager tell more",
                FIRST_EPOCH_TIMEOUT.as_secs()
            );
        }
        tokio::time::sleep(READY_POLL).await;
    }
}
