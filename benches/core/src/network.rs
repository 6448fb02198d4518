//! A network of one key manager and one worker in real processes, whose node, Ethereum and users this program plays.

use crate::{
    process::{Core, Place},
    tasks::{Contract, Sealed, Task},
    wire::{self, Kind, Receiver, Sender},
};
use anyhow::{Context, Result, bail, ensure};
use enigma_protocol::{
    Address, Domain, Hash, ScAddress,
    hash::keccak256,
    json::{Hex, Hex0x},
    task::task_id,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Chain and Enigma contract of the benchmark.
pub const DOMAIN: Domain = Domain { chain_id: 31337, enigma: Address([0x11; 20]) };
const BLOCK: Hash = Hash([0xbb; 32]);
const STAKE: &str = "1000000000000000000000";
/// Who deploys.
const DEPLOYER: Address = Address([0xd0; 20]);

/// A connection for requests that are not measured.
pub struct Requester(Sender, Receiver);

impl Requester {
    /// Connects to a core.
    pub fn new(endpoint: &str) -> Result<Self> {
        let (sender, receiver) = wire::connect(endpoint, Kind::Req)?;
        Ok(Self(sender, receiver))
    }

    /// Sends a laid out message and returns the body of the reply.
    pub fn exchange(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        self.0.send(message)?;
        self.1.receive()
    }

    /// Asks, and expects an answer that is no error.
    pub fn ask(&mut self, kind: &str, fields: Value) -> Result<Value> {
        let mut request = fields;
        request["id"] = json!("b");
        request["type"] = json!(kind);
        let reply: Value = serde_json::from_slice(&self.exchange(&wire::message(request.to_string().as_bytes()))?)?;
        if let Some(message) = reply["msg"].as_str() {
            bail!("{kind} was refused with error {}: {message}", reply["code"]);
        }
        Ok(reply["result"].clone())
    }
}

/// The processes and what Ethereum would know.
pub struct Network {
    /// The worker that is measured.
    pub worker: Core,
    /// A connection to it.
    pub requester: Requester,
    km: Requester,
    _km: Core,
    program: PathBuf,
    config: PathBuf,
    epoch: u64,
    block: u64,
    seed: Value,
    nonces: BTreeMap<Address, u64>,
    /// Last, because what lies in it ends first.
    folder: TempDir,
}

impl Network {
    /// Starts both cores in a fresh folder below `scratch`, and epoch 1.
    pub fn start(program: &Path, scratch: &Path) -> Result<Self> {
        fs::create_dir_all(scratch)?;
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(scratch)?;
        let km_place = Place { program: program.into(), data_dir: folder.path().join("km"), role: "km" };
        let measurement = keccak256(fs::read(program).with_context(|| format!("cannot read {}", program.display()))?);
        let config = folder.path().join("network.json");
        let content = json!({
            "chainId": DOMAIN.chain_id, "enigma": Hex0x(DOMAIN.enigma), "checkpoint": Hex0x(Hash::ZERO), "threshold": 1,
            "keyManagers": [km_place.identity()?], "measurements": [Hex0x(measurement)],
        });
        fs::write(&config, content.to_string())?;
        let km_process = Core::start(&km_place, &config)?;
        let km = Requester::new(&km_process.endpoint)?;
        let (worker, requester) = start_worker(program, &folder.path().join("worker-1"), &config)?;
        let mut network = Self {
            worker,
            requester,
            km,
            _km: km_process,
            program: program.into(),
            config,
            epoch: 0,
            block: 0,
            seed: Value::Null,
            nonces: BTreeMap::new(),
            folder,
        };
        network.next_epoch()?;
        Ok(network)
    }

    /// Puts a fresh worker in the place of the present one, which ends, and begins an epoch in which it is selected.
    pub fn replace_worker(&mut self) -> Result<()> {
        let data_dir = self.folder.path().join(format!("worker-{}", self.epoch + 1));
        (self.worker, self.requester) = start_worker(&self.program, &data_dir, &self.config)?;
        self.next_epoch()
    }

    fn next_epoch(&mut self) -> Result<()> {
        self.epoch += 1;
        let input = json!({"epoch": self.epoch, "blockHash": Hex0x(BLOCK), "workers": self.workers()});
        self.seed = self.km.ask("SignEpoch", json!({ "input": input }))?["seed"].clone();
        self.tell_km(&[])
    }

    fn workers(&self) -> Value {
        json!([{"signer": self.worker.signer, "stake": STAKE}])
    }

    fn tell_km(&mut self, deployed: &[ScAddress]) -> Result<()> {
        self.block += 1;
        let deployed: Vec<_> = deployed.iter().map(|sc| Hex(*sc)).collect();
        let input = json!({
            "blockNumber": self.block, "blockHashes": [Hex0x(BLOCK)], "epoch": self.epoch, "seed": self.seed,
            "workers": self.workers(), "deployed": deployed,
        });
        self.km.ask("SetLedgerView", json!({ "input": input }))?;
        Ok(())
    }

    /// Fetches the keys of a contract for the worker.
    pub fn fetch_keys(&mut self, sc: ScAddress) -> Result<()> {
        let input = json!({"addresses": [Hex(sc)], "epoch": self.epoch, "blockHash": Hex0x(BLOCK)});
        let request = self.requester.ask("GetPTTRequest", json!({ "input": input }))?;
        let answer = self.km.ask("AnswerPTTRequest", json!({ "input": request }))?;
        let installed = self.requester.ask("PTTResponse", json!({ "input": answer }))?;
        ensure!(installed["errors"] == json!([]), "the worker got no keys: {installed}");
        Ok(())
    }

    /// The next nonce of a sender.
    pub fn next_nonce(&mut self, sender: Address) -> u64 {
        let nonce = self.nonces.entry(sender).or_default();
        *nonce += 1;
        *nonce - 1
    }

    /// A contract whose deployment is recorded next: with keys, but not deployed yet.
    pub fn contract(&mut self) -> Result<Contract> {
        let nonce = self.next_nonce(DEPLOYER);
        let sc = ScAddress::from(task_id(&DOMAIN, DEPLOYER, nonce));
        self.tell_km(&[sc])?;
        self.fetch_keys(sc)?;
        let key = self.input_key(sc)?;
        Ok(Contract::new(sc, (self.epoch, key), (DEPLOYER, nonce)))
    }

    /// The key that inputs for a contract are sealed to in this epoch.
    pub fn input_key(&mut self, sc: ScAddress) -> Result<[u8; 32]> {
        let fields = json!({
            "userPubKey": "", "contractAddress": Hex(sc), "epoch": self.epoch, "blockHash": Hex0x(BLOCK),
        });
        let answer = self.requester.ask("NewTaskEncryptionKey", fields)?;
        let key: Hex<Hash> = serde_json::from_value(answer["workerEncryptionKey"].clone())?;
        Ok(key.0.0)
    }

    /// The epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Deploys a contract of this code and returns it; the reply was checked.
    pub fn deploy(&mut self, code: &[u8], constructor: &'static str, args: &[u8]) -> Result<Contract> {
        let mut contract = self.contract()?;
        let sealed = contract.seal_deployment(code, constructor, args)?;
        self.run(&mut contract, &sealed)?;
        Ok(contract)
    }

    /// Runs one task and checks what comes back; its output.
    pub fn run(&mut self, contract: &mut Contract, sealed: &Sealed) -> Result<Vec<u8>> {
        let reply = self.requester.exchange(&sealed.message)?;
        let signer = self.signer()?;
        contract.check_next(sealed, &reply, signer)
    }

    /// Seals the calls and runs them one after the other.
    pub fn run_all(&mut self, contract: &mut Contract, calls: &[Task]) -> Result<()> {
        for call in calls {
            let sealed = contract.seal(call, self.next_nonce(call.sender))?;
            self.run(contract, &sealed)?;
        }
        Ok(())
    }

    /// The worker's signing address.
    pub fn signer(&self) -> Result<Address> {
        let signer: Hex0x<Address> = serde_json::from_value(json!(self.worker.signer))?;
        Ok(signer.0)
    }
}

fn start_worker(program: &Path, data_dir: &Path, config: &Path) -> Result<(Core, Requester)> {
    let place = Place { program: program.into(), data_dir: data_dir.into(), role: "worker" };
    let worker = Core::start(&place, config)?;
    let requester = Requester::new(&worker.endpoint)?;
    Ok((worker, requester))
}
