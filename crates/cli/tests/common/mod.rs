//! A whole network of real processes on loopback, with a tap on every unencrypted wire.
//!
//! Each process is the program an operator runs, started as an operator starts it. The harness adds three things: it can kill,
//! freeze and restart any part, it records what the hosts exchange, and it ends everything when it is dropped.
#![allow(dead_code, reason = "each test file uses a part of it")]

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use curve25519_dalek::{ristretto::RistrettoPoint, scalar::Scalar};
use enigma_client::{
    Client, Network as Trust, Options,
    ledger::{
        Ledger,
        bindings::{DevelopmentVerifier, Enigma, EnigmaToken, IEnigma},
        eth_address, finish,
    },
};
use enigma_protocol::{
    Address, Hash, ScAddress,
    config::{KeyManagerConfig, NetworkConfig},
    hash::keccak256,
    json::Hex0x,
};
use hkdf::Hkdf;
use redb::{ReadableDatabase, ReadableTable};
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{RecvTimeoutError, channel},
    },
    time::{Duration, Instant},
};

/// Longest wait for anything; generous, because a loaded machine is not a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);
const ENG: u128 = 1_000_000_000_000_000_000;

/// The private keys of anvil's well-known test mnemonic: deployer, key manager's operator, worker's operator, users.
const KEYS: [&str; 6] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
];
const FIRST_USER: usize = 3;

fn program(name: &str) -> PathBuf {
    let enigma = PathBuf::from(env!("CARGO_BIN_EXE_enigma"));
    let path = enigma.with_file_name(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins` first", path.display());
    path
}

/// A contract compiled by `cargo xtask wasm`.
pub fn secret_contract(name: &str) -> Vec<u8> {
    let folder = program("enigma").parent().and_then(Path::parent).expect("a target folder").join("secret-contracts");
    let path = folder.join(format!("{name}.wasm"));
    fs::read(&path).unwrap_or_else(|_| panic!("{} is missing: run `cargo xtask wasm` first", path.display()))
}

fn anvil() -> PathBuf {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../solidity/node_modules/@foundry-rs");
    let found = fs::read_dir(&packages).ok().and_then(|packages| {
        packages.flatten().map(|package| package.path().join("bin/anvil")).find(|path| path.exists())
    });
    found.unwrap_or_else(|| panic!("anvil is missing in {}: run `cargo xtask setup` first", packages.display()))
}

/// One running process. Its log is in `<dir>/logs/<name>.log`.
pub struct Part {
    name: String,
    dir: PathBuf,
    program: PathBuf,
    arguments: Vec<String>,
    child: Child,
    _stdin: Option<ChildStdin>,
    /// The line of JSON it printed when it was ready.
    pub ready: Value,
}

impl Part {
    fn start(dir: &Path, name: &str, program: &Path, arguments: Vec<String>) -> Self {
        let logs = dir.join("logs");
        fs::create_dir_all(&logs).unwrap();
        let log = File::options().create(true).append(true).open(logs.join(format!("{name}.log"))).unwrap();
        let mut child = Command::new(program)
            .args(&arguments)
            .env("ENIGMA_LOG", "trace,libp2p=info,multistream_select=info,yamux=info,hyper=info,wasmi=info")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stdin = child.stdin.take();
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let deadline = Instant::now() + PATIENCE;
        let ready = loop {
            match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(port) = line.strip_prefix("Listening on 127.0.0.1:") {
                        break serde_json::json!({ "url": format!("http://127.0.0.1:{port}") });
                    }
                    if let Ok(value) = serde_json::from_str::<Value>(&line)
                        && value["ready"] == true
                    {
                        break value;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("{name} is not ready after {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => {
                    let log = fs::read_to_string(logs.join(format!("{name}.log"))).unwrap_or_default();
                    panic!("{name} ended before it was ready:\n{log}")
                }
            }
        };
        Self { name: name.into(), dir: dir.into(), program: program.into(), arguments, child, _stdin: stdin, ready }
    }

    /// Starts it again on its data, after `kill -9` if it still runs. It listens where it did.
    pub fn restart(&mut self) {
        self.kill();
        let again = |argument: &String| match argument.as_str() {
            "tcp://127.0.0.1:0" => self.text("endpoint"),
            "127.0.0.1:0" => format!("127.0.0.1:{}", port(&self.text("rpc"))),
            "/ip4/127.0.0.1/tcp/0" => format!("/ip4/127.0.0.1/tcp/{}", port(&self.text("p2p"))),
            other => other.to_owned(),
        };
        let arguments = self.arguments.iter().map(again).collect();
        *self = Self::start(&self.dir, &self.name, &self.program, arguments);
    }

    /// Sends a signal by name, such as `STOP`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success(), "cannot send {signal} to {}", self.name);
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn text(&self, field: &str) -> String {
        self.ready[field].as_str().unwrap_or_else(|| panic!("{} said {} without {field}", self.name, self.ready)).into()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Forwards one TCP port and keeps everything that passes, in both directions.
pub struct Tap {
    name: &'static str,
    port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    fn new(name: &'static str, target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // The target may be down: then the client sees a closed connection, as it would without the tap.
                let Ok(server) = TcpStream::connect(&target) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let record = record.clone();
                    std::thread::spawn(move || {
                        let mut buffer = vec![0; 64 << 10];
                        while let Ok(read @ 1..) = from.read(&mut buffer) {
                            record.lock().unwrap().extend(&buffer[..read]);
                            if to.write_all(&buffer[..read]).is_err() {
                                break;
                            }
                        }
                        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    });
                }
            }
        });
        Self { name, port, seen }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// The whole network.
pub struct Network {
    dir: tempfile::TempDir,
    pub anvil: Part,
    pub km_core: Part,
    pub km: Part,
    pub worker_core: Part,
    pub worker: Part,
    pub user: Part,
    pub chain_id: u64,
    pub enigma: Address,
    pub worker_operator: Address,
    taps: Vec<Tap>,
    ethereum_url: String,
    node_url: String,
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn command(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn run(name: &str, command: &mut Command) -> Value {
    let output = command.output().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    assert!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{name} printed no JSON: {}", String::from_utf8_lossy(&output.stdout)))
}

/// The port in `tcp://127.0.0.1:1234`, `http://127.0.0.1:1234` or `/ip4/127.0.0.1/tcp/1234/p2p/…`.
fn port(address: &str) -> String {
    let mut parts = address.split(['/', ':']);
    parts.find(|part| part.parse::<u16>().is_ok_and(|port| port > 0)).expect("an address with a port").into()
}

impl Network {
    /// Starts everything and waits for the first epoch; a longer epoch than any test by default.
    pub async fn start() -> Self {
        Self::start_with_epochs_of(100_000).await
    }

    /// Starts everything with epochs of this many blocks.
    pub async fn start_with_epochs_of(epoch_blocks: u64) -> Self {
        let dir = tempfile::Builder::new().prefix("enigma-test-").tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (core, enigma_program) = (program("enigma-core"), program("enigma"));
        for (index, name) in [(1, "km.key"), (2, "worker.key")] {
            fs::write(path(name), KEYS[index]).unwrap();
            Command::new("chmod").args(["600", &path(name)]).status().unwrap();
        }

        let anvil = Part::start(dir.path(), "anvil", &anvil(), strings(&["--port", "0"]));
        let ethereum = Tap::new("ethereum", format!("127.0.0.1:{}", port(&anvil.text("url"))));
        let ethereum_url = format!("http://{}", ethereum.address());

        let identity =
            command(&core, &strings(&["identity", "--data-dir", &path("km-core"), "--role", "km", "--json"]));
        let identity = run("enigma-core identity", &mut { identity });
        let manager: KeyManagerConfig = KeyManagerConfig {
            signer: serde_json::from_value(identity["signer"].clone()).unwrap(),
            commitment: serde_json::from_value(identity["commitment"].clone()).unwrap(),
        };
        let measurement = keccak256(fs::read(&core).unwrap());
        let (enigma, chain_id) = deploy(&ethereum_url, &manager, measurement, epoch_blocks).await;
        let config = NetworkConfig {
            chain_id,
            enigma: Hex0x(enigma),
            checkpoint: Hex0x(Hash::ZERO),
            threshold: 1,
            key_managers: vec![manager],
            measurements: vec![Hex0x(measurement)],
        };
        fs::write(path("network.json"), serde_json::to_vec(&config).unwrap()).unwrap();

        let start_core = |name: &str, role: &str| {
            let fixed = ["run", "--exit-with-parent", "--endpoint", "tcp://127.0.0.1:0", "--role", role];
            let own = ["--data-dir", &path(name), "--config", &path("network.json")];
            Part::start(dir.path(), name, &core, strings(&[&fixed[..], &own].concat()))
        };
        let (km_core, worker_core) = (start_core("km-core", "km"), start_core("worker-core", "worker"));
        let km_ipc = Tap::new("km-ipc", format!("127.0.0.1:{}", port(&km_core.text("endpoint"))));
        let worker_ipc = Tap::new("worker-ipc", format!("127.0.0.1:{}", port(&worker_core.text("endpoint"))));

        let contract = enigma.to_string();
        let operator = |core: &Tap, key: &str| {
            strings(&[
                "--core",
                &format!("tcp://{}", core.address()),
                "--ethereum",
                &ethereum_url,
                "--contract",
                &contract,
                "--eth-key-file",
                &path(key),
            ])
        };
        let register = |role: &str, rest: Vec<String>| {
            let arguments = [strings(&[role, "register", "--json"]), rest].concat();
            run(&format!("enigma {role} register"), &mut command(&enigma_program, &arguments))
        };
        register("km", operator(&km_ipc, "km.key"));
        register("worker", [operator(&worker_ipc, "worker.key"), strings(&["--stake", "100"])].concat());

        let start_host = |name: &str, arguments: &[&str], more: Vec<String>| {
            let everywhere = ["--poll-ms", "20", "--json", "--exit-with-parent", "--p2p", "/ip4/127.0.0.1/tcp/0"];
            let own = ["--data-dir", &path(name)];
            let arguments = strings(&[arguments, &everywhere, &own].concat());
            Part::start(dir.path(), name, &enigma_program, [arguments, more].concat())
        };
        let km = start_host("km-node", &["km", "run"], operator(&km_ipc, "km.key"));
        let node = ["node", "run", "--rpc", "127.0.0.1:0", "--peer"];
        let km_p2p = km.text("p2p");
        let of_worker = [&node[..], &[&km_p2p, "--batch-age-ms", "300"]].concat();
        let worker = start_host("worker-node", &of_worker, operator(&worker_ipc, "worker.key"));
        let worker_p2p = worker.text("p2p");
        let of_user = [&node[..], &[&worker_p2p, "--ethereum", &ethereum_url, "--contract", &contract]].concat();
        let user = start_host("user-node", &of_user, Vec::new());
        let rpc = Tap::new("rpc", format!("127.0.0.1:{}", port(&user.text("rpc"))));
        let node_url = format!("http://{}", rpc.address());

        let network = Self {
            anvil,
            km_core,
            km,
            worker_core,
            worker,
            user,
            chain_id,
            enigma,
            worker_operator: Ledger::connect(&ethereum_url, enigma, KEYS[2]).await.unwrap().address(),
            taps: vec![ethereum, km_ipc, worker_ipc, rpc],
            ethereum_url,
            node_url,
            dir,
        };
        network.wait_for_epoch(1).await;
        network
    }

    /// Waits until Ethereum has this epoch and the user node can answer for it.
    pub async fn wait_for_epoch(&self, epoch: u64) {
        let client = self.client(0).await;
        eventually("the epoch starts", async || {
            client.ledger().current_epoch().await.is_ok_and(|now| now.epoch >= epoch)
        })
        .await;
        eventually("the worker can be asked", async || client.worker([0; 32].into()).await.is_ok()).await;
    }

    /// A client of user `index` from 0, with a deposit of 1,000 ENG.
    pub async fn client(&self, index: usize) -> Client {
        Client::connect(self.options(index)).await.unwrap()
    }

    /// How user `index` connects.
    pub fn options(&self, index: usize) -> Options {
        Options {
            ethereum_url: self.ethereum_url.clone(),
            node_url: self.node_url.clone(),
            enigma: self.enigma,
            private_key: KEYS[FIRST_USER + index].to_owned().into(),
            network: Trust::Devnet,
        }
    }

    /// The user node's JSON-RPC address.
    pub fn node_url(&self) -> &str {
        &self.node_url
    }

    /// `kill -9` for core and node of the worker.
    pub fn kill_worker(&mut self) {
        self.worker.kill();
        self.worker_core.kill();
    }

    /// Starts core and node of the worker again, on their data.
    pub fn restart_worker(&mut self) {
        self.worker_core.restart();
        self.worker.restart();
    }

    /// Where the parts keep their data and logs.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The signing keys of both enclaves and the key manager's share, read as nobody could on real hardware: the simulated
    /// platform's secret lies beside what it seals. Ends the cores, because a store has one user.
    pub fn take_enclave_keys(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        self.worker_core.kill();
        self.km_core.kill();
        let mut keys = Vec::new();
        for (name, folder) in [("a key of the worker", "worker-core"), ("a key of the key manager", "km-core")] {
            let sealed = SealedStore::open(&self.dir.path().join(folder));
            // Version and role, 32 bytes of signing key, then for a key manager a marker and 32 bytes of share.
            let identity = sealed.identity();
            keys.push((name, identity[2..34].to_vec()));
            if let Some(share) = identity.get(35..67) {
                keys.push((name, share.to_vec()));
            }
        }
        assert_eq!(keys.len(), 3, "two signing keys and one share");
        keys
    }

    /// A key that enclaves derive from the share, computed anew from the formulas of `spec/keys.md`: purpose 1 is the state
    /// key of a generation, 2 the input key of an epoch, 3 the randomness of the contract.
    pub fn derived_key(&self, share: &[u8], purpose: u8, sc: ScAddress, number: u64) -> Vec<u8> {
        let share = Scalar::from_canonical_bytes(share.try_into().unwrap()).unwrap();
        let mut input = word(&[purpose]);
        input.extend(word(&self.chain_id.to_be_bytes()));
        input.extend(word(&self.enigma.0));
        input.extend(sc.0);
        input.extend(word(&number.to_be_bytes()));
        // RFC 9380, expand_message_xmd with SHA-512 for 64 bytes.
        let dst = b"enigma/dprf/1\x0d";
        let b0 = Sha512::new().chain_update([0; 128]).chain_update(&input).chain_update([0, 64, 0]).chain_update(dst);
        let b1: [u8; 64] =
            Sha512::new().chain_update(b0.finalize()).chain_update([1]).chain_update(dst).finalize().into();
        let product = (RistrettoPoint::from_uniform_bytes(&b1) * share).compress();
        let mut key = vec![0; 32];
        let info = [&b"enigma/dprf-output/1"[..], &input].concat();
        Hkdf::<Sha256>::new(None, product.as_bytes()).expand(&info, &mut key).unwrap();
        key
    }

    /// Everything the hosts could have looked at: files, logs and recorded traffic, each with its name.
    pub fn seen_by_hosts(&self) -> Vec<(String, Vec<u8>)> {
        let mut seen = Vec::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                match fs::symlink_metadata(&path).unwrap().file_type() {
                    kind if kind.is_dir() => folders.push(path),
                    kind if kind.is_file() => {
                        seen.push((path.display().to_string(), fs::read(&path).unwrap_or_default()))
                    }
                    _ => {}
                }
            }
        }
        for tap in &self.taps {
            seen.push((format!("traffic of {}", tap.name), tap.seen.lock().unwrap().clone()));
        }
        seen
    }
}

/// Right-aligned in 32 bytes.
fn word(bytes: &[u8]) -> Vec<u8> {
    [vec![0; 32 - bytes.len()], bytes.to_vec()].concat()
}

/// Repeats a question until it is answered with yes.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Deploys token, verifier and Enigma, and gives operators and users their ENG.
async fn deploy(url: &str, manager: &KeyManagerConfig, measurement: Hash, epoch_blocks: u64) -> (Address, u64) {
    let deployer = Ledger::connect(url, Address::ZERO, KEYS[0]).await.unwrap();
    let provider = deployer.provider().clone();
    let token = EnigmaToken::deploy(provider.clone()).await.unwrap();
    let root = eth_address(enigma_attestation::simulation::DEVELOPMENT_ROOT);
    let verifier = DevelopmentVerifier::deploy(provider.clone(), root).await.unwrap();
    let managers =
        vec![IEnigma::KeyManager { signer: eth_address(manager.signer.0), commitment: manager.commitment.0.0.into() }];
    let policy = IEnigma::Policy {
        epochLengthBlocks: epoch_blocks,
        deadlineBlocks: 100,
        gasPerBlock: 1_000_000,
        backlogBlocks: 10_000,
        unbondingBlocks: 100,
        minimumGasPrice: 1,
        minimumStake: ENG,
        minimumTcbLevel: 0,
    };
    let enigma = Enigma::deploy(
        provider,
        *token.address(),
        *verifier.address(),
        managers,
        alloy::primitives::U256::from(1),
        Default::default(),
        vec![measurement.0.into()],
        policy,
    )
    .await
    .unwrap();
    let enigma = Address((*enigma.address()).into());
    for (index, key) in KEYS.iter().enumerate().skip(2) {
        let account = Ledger::connect(url, enigma, key).await.unwrap();
        let amount = alloy::primitives::U256::from(10_000 * ENG);
        finish(token.transfer(eth_address(account.address()), amount).send().await.unwrap()).await.unwrap();
        if index >= FIRST_USER {
            account.deposit(1_000 * ENG).await.unwrap();
        }
    }
    (enigma, deployer.domain().chain_id)
}

/// The store of a core with the key of its simulated platform.
struct SealedStore {
    cipher: Aes256GcmSiv,
    entries: Vec<Vec<u8>>,
}

impl SealedStore {
    fn open(folder: &Path) -> Self {
        let secret = fs::read(folder.join("platform.secret")).unwrap();
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, &secret).expand(b"enigma/sim-seal/1", &mut key).unwrap();
        let mut files = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        let path = files.find(|path| path.extension().is_some_and(|extension| extension == "redb"));
        let database = redb::Database::open(path.expect("a store")).unwrap();
        let table = redb::TableDefinition::<&[u8], &[u8]>::new("entries");
        let transaction = database.begin_read().unwrap();
        let table = transaction.open_table(table).unwrap();
        let entries = table.iter().unwrap().flatten().map(|(_, value)| value.value().to_vec()).collect();
        Self { cipher: Aes256GcmSiv::new_from_slice(&key).unwrap(), entries }
    }

    /// The one entry that unseals.
    fn identity(&self) -> Vec<u8> {
        let open = |entry: &Vec<u8>| {
            let (nonce, msg) = entry.split_first_chunk::<12>()?;
            let payload = Payload { msg, aad: b"enigma/sim-seal/1" };
            self.cipher.decrypt(&Nonce::from(*nonce), payload).ok()
        };
        self.entries.iter().find_map(open).expect("a sealed identity")
    }
}
