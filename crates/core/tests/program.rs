//! The real program: its command line, its endpoint and what survives a crash.

use enigma_attestation::{Expected, Freshness, Policy, Purpose, Role, verify};
use enigma_protocol::{
    Address, Hash,
    config::NetworkConfig,
    hash::keccak256,
    ipc::{Failure, ReplyFrame, Response},
    output,
    sealing::{ResponseKey, rand_core, seal_bare_task},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use zeromq::{ReqSocket, Socket, SocketRecv, SocketSend};

const PROGRAM: &str = env!("CARGO_BIN_EXE_enigma-core");
const PATIENCE: Duration = Duration::from_secs(60);
const ANY_TCP: &str = "tcp://127.0.0.1:0";

/// A folder with the configuration of a network of one key manager.
struct Network {
    folder: TempDir,
}

impl Network {
    fn new() -> Self {
        let network = Self { folder: tempfile::tempdir().unwrap() };
        let manager = network.identity("km");
        let config = json!({
            "chainId": 31337, "enigma": format!("0x{}", "11".repeat(20)), "checkpoint": format!("0x{}", "00".repeat(32)),
            "threshold": 1, "keyManagers": [manager], "measurements": [],
        });
        fs::write(network.config(), config.to_string()).unwrap();
        network
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("network.json")
    }

    fn data_dir(&self, role: &str) -> PathBuf {
        self.folder.path().join(role)
    }

    fn command(&self, command: &str, role: &str) -> Command {
        let mut program = Command::new(PROGRAM);
        program.args([command, "--role", role, "--data-dir"]).arg(self.data_dir(role));
        program.env_remove("ENIGMA_MODE").env_remove("ENIGMA_LOG").env_remove("RUST_LOG").stdin(Stdio::null());
        program
    }

    fn run_command(&self, role: &str, endpoint: &str) -> Command {
        let mut program = self.command("run", role);
        program.arg("--config").arg(self.config()).args(["--endpoint", endpoint]);
        program
    }

    fn identity(&self, role: &str) -> Value {
        let output = self.command("identity", role).arg("--json").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn start(&self, role: &str, endpoint: &str) -> Core {
        Core::start(&mut self.run_command(role, endpoint))
    }

    /// Expects the program to end with an error that says all of `parts`.
    fn check_refused(program: &mut Command, parts: &[&str]) {
        let mut process = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait(&mut process);
        let Output { status, stdout, stderr } = process.wait_with_output().unwrap();
        let text = String::from_utf8(stderr).unwrap();
        let error = text.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("no error: {text}"));
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
        assert!(!status.success());
        assert_eq!(stdout, b"");
    }
}

/// Waits for the program's end, but not for ever.
fn wait(process: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > PATIENCE {
            let _ = process.kill();
            panic!("the program does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running program; killed when dropped.
struct Core {
    process: Child,
    ready: Value,
}

impl Core {
    fn start(program: &mut Command) -> Self {
        let mut process = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(ready) = serde_json::from_str(&line) else {
            let _ = process.kill();
            let mut log = String::new();
            process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            panic!("not ready: {log}");
        };
        Self { process, ready }
    }

    fn endpoint(&self) -> &str {
        self.ready["endpoint"].as_str().unwrap()
    }

    fn terminate(&self) {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
    }

    fn wait(&mut self) -> ExitStatus {
        wait(&mut self.process)
    }

    async fn requester(&self) -> Requester {
        let mut socket = ReqSocket::new();
        timeout(PATIENCE, socket.connect(self.endpoint())).await.unwrap().unwrap();
        Requester(socket)
    }

    async fn check_alive(&self) {
        let reply = self.requester().await.ask(r#"{"id":"alive","type":"GetAllAddrs"}"#).await;
        let expected: Value = json!({"id": "alive", "type": "GetAllAddrs", "result": {"addresses": []}});
        assert_eq!(serde_json::from_slice::<Value>(&reply).unwrap(), expected);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A plain REQ socket.
struct Requester(ReqSocket);

impl Requester {
    async fn ask(&mut self, frame: impl Into<Vec<u8>>) -> Vec<u8> {
        let exchange = async {
            self.0.send(frame.into().into()).await.unwrap();
            self.0.recv().await.unwrap()
        };
        let reply = timeout(PATIENCE, exchange).await.expect("a reply");
        assert_eq!(reply.len(), 1);
        reply.get(0).unwrap().to_vec()
    }

    async fn check_failure(&mut self, frame: impl Into<Vec<u8>>, id: &str, request_type: &str, code: u16) {
        let frame = frame.into();
        let shown = String::from_utf8_lossy(&frame[..frame.len().min(80)]).into_owned();
        let reply = self.ask(frame).await;
        let failure: Failure = serde_json::from_slice(&reply).unwrap();
        assert_eq!(
            (failure.id.as_str(), failure.request_type.as_str(), failure.code),
            (id, request_type, Some(code)),
            "{shown}: {}",
            failure.msg
        );
        assert!(!failure.msg.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_made_once() {
    let network = Network::new();
    let worker = network.identity("worker");
    assert_eq!(worker.as_object().unwrap().len(), 1);
    assert_eq!(network.identity("worker"), worker);
    assert!(network.identity("km")["commitment"].is_string());

    for _ in 0..2 {
        let core = network.start("worker", ANY_TCP);
        assert!(core.endpoint().starts_with("tcp://127.0.0.1:"));
        let expected = json!({
            "ready": true, "endpoint": core.endpoint(), "signer": worker["signer"], "role": "worker", "mode": "simulation",
        });
        assert_eq!(core.ready, expected);
    }
    let manager = network.identity("km");
    assert_eq!(network.start("km", ANY_TCP).ready["signer"], manager["signer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_requesters_are_served_over_both_transports() {
    let network = Network::new();
    let local = format!("ipc://{}/core.sock", network.folder.path().display());
    for endpoint in [ANY_TCP, &local] {
        let core = network.start("worker", endpoint);
        let (operator, block_hash) = (Address([0x22; 20]), Hash([0x33; 32]));
        let request = json!({
            "id": "r1", "type": "GetRegistrationParams",
            "input": {"operator": format!("0x{}", "22".repeat(20)), "blockHash": format!("0x{}", "33".repeat(32))},
        });
        let reply: ReplyFrame = serde_json::from_slice(&core.requester().await.ask(request.to_string()).await).unwrap();
        let ReplyFrame::Response(frame) = reply else { panic!("{reply:?}") };
        let Response::GetRegistrationParams { result } = frame.response else { panic!("{:?}", frame.response) };
        assert_eq!(frame.id, "r1");

        // What runs is what the evidence says, under the development root only.
        let config: NetworkConfig = serde_json::from_slice(&fs::read(network.config()).unwrap()).unwrap();
        let expected = Expected {
            config_hash: config.hash(),
            role: Role::Worker,
            signer: result.signing_key.0,
            purpose: Purpose::Registration { operator },
            freshness: Freshness::OneOf(&[block_hash]),
        };
        let measurement = keccak256(fs::read(PROGRAM).unwrap());
        let now_s = 1_800_000_000;
        verify(&result.report.0, &expected, &Policy::development([measurement]), now_s).unwrap();
        verify(&result.report.0, &expected, &Policy::production([measurement]), now_s).unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requesters_are_served_at_once() {
    let network = Network::new();
    let core = network.start("worker", ANY_TCP);
    let mut requesters = Vec::new();
    for number in 0..64 {
        let mut requester = core.requester().await;
        requesters.push(tokio::spawn(async move {
            for round in 0..10 {
                let id = format!("{number}/{round}");
                let reply = requester.ask(json!({"id": id, "type": "GetAllTips"}).to_string()).await;
                let reply: Value = serde_json::from_slice(&reply).unwrap();
                assert_eq!(reply, json!({"id": id, "type": "GetAllTips", "result": {"tips": []}}));
            }
        }));
    }
    for requester in requesters {
        requester.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_answered() {
    let network = Network::new();
    // What is wrong with a worker's request is said by a worker; a key manager says that it is none of its business.
    for (role, wrong_field) in [("worker", 3), ("km", 17)] {
        let core = network.start(role, ANY_TCP);
        let mut requester = core.requester().await;
        for frame in [&b""[..], b"hello", b"\xff\xfe", b"{", b"[]", b"null", &b"[".repeat(1 << 20)] {
            requester.check_failure(frame, "", "Error", 1).await;
        }
        requester.check_failure("{}", "", "Error", 3).await;
        requester.check_failure(r#"{"id":"a","type":"Nonsense"}"#, "a", "Nonsense", 2).await;
        for request in ["GetTip", "NewTaskEncryptionKey", "DeploySecretContract", "ComputeTask", "PTTResponse"] {
            requester.check_failure(format!(r#"{{"id":"b","type":"{request}"}}"#), "b", request, wrong_field).await;
            requester
                .check_failure(format!(r#"{{"id":"c","type":"{request}","input":7}}"#), "c", request, wrong_field)
                .await;
        }
        requester.check_failure(vec![b' '; 100_000_000], "", "Error", 4).await;
        // The same connection, and a new one.
        requester.check_failure("still here?", "", "Error", 1).await;
        drop(requester);
        core.requester().await.check_failure("and here?", "", "Error", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_no_requester_sends_end_nothing_but_their_connection() {
    let network = Network::new();
    let core = network.start("worker", ANY_TCP);
    let address = core.endpoint().strip_prefix("tcp://").unwrap();

    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9..16].copy_from_slice(b"\x7f\x03\x00NULL");
    let ready = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03REQ";
    let terabyte = b"\x01\x00\x02\0\0\x01\0\0\0\0\0";

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[&greeting[..], ready, terabyte].concat()).await.unwrap();
    let mut answer = [0; 64 + 30 + 3];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    let length = stream.read_u8().await.unwrap();
    let mut body = vec![0; length.into()];
    stream.read_exact(&mut body).await.unwrap();
    assert_eq!(serde_json::from_slice::<Failure>(&body).unwrap().code, Some(4));
    core.check_alive().await;

    let garbage: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        &garbage,
        &[0xff; 64],
        &[&greeting[..], &garbage].concat(),
        &[&greeting[..], ready, &garbage].concat(),
        &[&greeting[..], b"\x06\xff\xff\xff\xff\xff\xff\xff\xff"].concat(),
        &[&greeting[..], ready, b"\x02\xff\xff\xff\xff\xff\xff\xff\xff"].concat(),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The other side may close while this is written.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("the connection is closed");
        core.check_alive().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_core_starts_again_at_the_same_place() {
    let network = Network::new();
    let socket = network.folder.path().join("core.sock");
    let endpoint = format!("ipc://{}", socket.display());
    let mut signers = Vec::new();
    for _ in 0..3 {
        let mut core = network.start("worker", &endpoint);
        core.check_alive().await;
        signers.push(core.ready["signer"].clone());
        core.process.kill().unwrap();
        core.wait();
        assert!(socket.exists());
    }
    signers.dedup();
    assert_eq!(signers.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_stops_when_asked_and_with_its_parent() {
    let network = Network::new();
    let socket = network.folder.path().join("core.sock");
    let endpoint = format!("ipc://{}", socket.display());

    let mut core = network.start("worker", &endpoint);
    core.check_alive().await;
    core.terminate();
    assert!(core.wait().success());
    assert!(!socket.exists());

    let mut program = network.run_command("worker", &endpoint);
    let mut core = Core::start(program.arg("--exit-with-parent").stdin(Stdio::piped()));
    core.check_alive().await;
    drop(core.process.stdin.take());
    assert!(core.wait().success());
}

#[test]
fn a_data_directory_is_used_by_one_process() {
    let network = Network::new();
    let _core = network.start("worker", ANY_TCP);
    Network::check_refused(
        &mut network.run_command("worker", ANY_TCP),
        &["in use by another enigma-core", "--data-dir"],
    );
    Network::check_refused(&mut network.command("identity", "worker"), &["in use by another enigma-core"]);
}

#[test]
fn a_taken_endpoint_is_an_error() {
    let network = Network::new();
    let core = network.start("worker", ANY_TCP);
    Network::check_refused(&mut network.run_command("km", core.endpoint()), &["is in use", "--endpoint"]);
    let file = format!("ipc://{}", network.config().display());
    Network::check_refused(&mut network.run_command("km", &file), &["is not a socket"]);
}

#[test]
fn broken_data_directories_are_errors_that_say_what_to_do() {
    let network = Network::new();
    network.identity("worker");
    let check = |file: &str, content: &[u8], parts: &[&str]| {
        let path = network.data_dir("worker").join(file);
        let sound = fs::read(&path).unwrap();
        fs::write(&path, content).unwrap();
        Network::check_refused(&mut network.run_command("worker", ANY_TCP), parts);
        Network::check_refused(&mut network.command("identity", "worker"), parts);
        fs::write(&path, sound).unwrap();
    };
    check("core.redb", b"not a database", &["core.redb cannot be opened", "backup", "--data-dir"]);
    check("platform.secret", b"short", &["platform.secret is damaged", "backup"]);
    check("platform.secret", &[7; 32], &["the sealed identity", "does not open"]);
    network.identity("worker");

    let mut program = Command::new(PROGRAM);
    program.args(["identity", "--role", "worker", "--data-dir"]).arg(network.config());
    Network::check_refused(&mut program, &["cannot create the data directory", "another --data-dir"]);
}

#[test]
fn the_command_line_refuses_what_would_not_be_safe_or_cannot_work() {
    let network = Network::new();
    let refused = |endpoint: &str, parts: &[&str]| {
        Network::check_refused(&mut network.run_command("worker", endpoint), parts);
    };
    refused("tcp://0.0.0.0:0", &["other machines", "--allow-remote"]);
    refused("ipc:///nowhere/at/all", &["cannot listen at ipc:///nowhere/at/all"]);
    let too_long = format!("ipc://{}/{}", network.folder.path().display(), "x".repeat(200));
    refused(&too_long, &["cannot listen at", "--endpoint"]);

    let hardware = if Path::new("/dev/attestation").exists() || Path::new("/sys/kernel/config/tsm/report").exists() {
        "cannot use it yet"
    } else {
        "no TEE was found"
    };
    Network::check_refused(network.run_command("worker", ANY_TCP).arg("--hardware"), &[hardware, "simulation"]);
    Network::check_refused(network.run_command("worker", ANY_TCP).env("ENIGMA_MODE", "hardware"), &[hardware]);

    fs::write(network.config(), "{}").unwrap();
    refused(ANY_TCP, &["network.json is not valid", "chainId"]);
    fs::remove_file(network.config()).unwrap();
    refused(ANY_TCP, &["cannot read the configuration", "--config"]);
}

#[test]
fn help_teaches() {
    let help = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let overview = help(&["--help"]);
    for part in ["Examples:", "enigma-core identity --data-dir", "enigma-core run", "keyManagers", "ENIGMA_LOG"] {
        assert!(overview.contains(part), "`{part}` is not in:\n{overview}");
    }
    assert!(help(&["run", "--help"]).contains("--exit-with-parent"));
}

/// Numbers that are good enough for a test's user.
struct Counter(u64);

impl rand_core::TryRng for Counter {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|number| number as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0 += 1;
        Ok(u64::from_be_bytes(keccak256(self.0.to_be_bytes()).0[..8].try_into().unwrap()))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for byte in bytes {
            *byte = self.try_next_u64()? as u8;
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Counter {}

/// Keeps its constructor's arguments; a call keeps its own and answers the ones before, fails without any, and with a single byte
/// never ends.
const KEEPER: &str = r#"(module
  (import "enigma" "args_len" (func $args_len (result i32)))
  (import "enigma" "args_read" (func $args_read (param i32)))
  (import "enigma" "output" (func $output (param i32 i32)))
  (import "enigma" "fail" (func $fail (param i32 i32)))
  (import "enigma" "state_get" (func $state_get (param i32 i32) (result i32)))
  (import "enigma" "register_read" (func $register_read (param i32)))
  (import "enigma" "state_set" (func $state_set (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 60000) "kno")
  (func (export "enigma_abi_1"))
  (func $save
    (call $args_read (i32.const 0))
    (call $state_set (i32.const 60000) (i32.const 1) (i32.const 0) (call $args_len)))
  (func (export "deploy") (call $save))
  (func (export "call")
    (local $length i32)
    (if (i32.eq (call $args_len) (i32.const 1)) (then (loop $again (br $again))))
    (if (i32.eqz (call $args_len)) (then (call $fail (i32.const 60001) (i32.const 2))))
    (local.set $length (call $state_get (i32.const 60000) (i32.const 1)))
    (call $register_read (i32.const 1000))
    (call $output (i32.const 1000) (local.get $length))
    (call $save)))"#;

/// A requester that speaks the published messages and nothing else.
struct Published {
    socket: Requester,
    domain: enigma_protocol::Domain,
    rng: Counter,
}

impl Published {
    /// Sends a message; checks the reply's fields: those of the document, and the additions that may be there.
    async fn ask(&mut self, message: Value, fields: &[&str], additions: &[&str]) -> Value {
        let reply = self.reply(&message).await;
        assert_eq!((&reply["id"], &reply["type"]), (&message["id"], &message["type"]), "{reply}");
        check_fields(&reply["result"], fields, additions);
        reply["result"].clone()
    }

    async fn reply(&mut self, message: &Value) -> Value {
        serde_json::from_slice(&self.socket.ask(message.to_string()).await).unwrap()
    }

    async fn task(&mut self, address: &str, function: &str, args: &[u8]) -> (Value, ResponseKey) {
        let request = json!({"id": "key", "type": "NewTaskEncryptionKey", "userPubKey": "ab".repeat(32)});
        let result = self.ask(request, &["workerEncryptionKey", "workerSig"], &["signer", "evidence"]).await;
        let public: [u8; 32] = bytes(&result["workerEncryptionKey"]).try_into().unwrap();
        let sc = address.parse().unwrap();
        let (task, key) = seal_bare_task(&mut self.rng, self.domain, sc, &public, function, args).unwrap();
        let input = json!({
            "encryptedArgs": hex::encode(task.encrypted_args), "encryptedFn": hex::encode(task.encrypted_fn),
            "userDHKey": hex::encode(task.user_dh_key), "gasLimit": 1_000_000, "contractAddress": address,
        });
        (input, key)
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn check_fields(object: &Value, fields: &[&str], additions: &[&str]) {
    let object = object.as_object().unwrap_or_else(|| panic!("no object: {object}"));
    for field in fields {
        assert!(object.contains_key(*field), "`{field}` is missing");
    }
    for field in object.keys() {
        assert!(fields.contains(&field.as_str()) || additions.contains(&field.as_str()), "`{field}` is not documented");
    }
}

/// A node of 2019 would find everything where it looks for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_in_the_published_form() {
    let network = Network::new();
    let core = network.start("worker", ANY_TCP);
    let config: NetworkConfig = serde_json::from_slice(&fs::read(network.config()).unwrap()).unwrap();
    let mut node = Published { socket: core.requester().await, domain: config.domain(), rng: Counter(0) };
    let (address, other) = ("5c".repeat(32), "77".repeat(32));

    let registration = json!({"id": "1", "type": "GetRegistrationParams"});
    node.ask(registration, &["signingKey", "report", "signature"], &[]).await;

    // Deployment, in which bytes are a text, and the same again.
    let (mut input, _) = node.task(&address, "construct(bytes)", b"first").await;
    input["preCode"] = hex::encode(wat::parse_str(KEEPER).unwrap()).into();
    let deploy = json!({"id": "2", "type": "DeploySecretContract", "input": input});
    let task_fields = ["output", "delta", "usedGas", "ethereumPayload", "ethereumAddress", "signature"];
    let additions = ["receipt", "snapshot", "encryptedOutput"];
    let deployed = node.ask(deploy.clone(), &[&task_fields[..], &["preCodeHash"]].concat(), &additions).await;
    check_fields(&deployed["delta"], &["key", "data"], &[]);
    assert_eq!(deployed["delta"]["key"], 0);
    assert!(deployed["output"].as_array().unwrap().iter().all(Value::is_u64));
    assert_eq!(node.reply(&deploy).await["result"], deployed);

    // A call, a failure, and what is wrong on the protocol level.
    let (input, key) = node.task(&address, "swap(bytes)", b"second").await;
    let compute = json!({"id": "3", "type": "ComputeTask", "input": input});
    let computed = node.ask(compute.clone(), &task_fields, &additions).await;
    let plaintext = key.open(&bytes(&computed["output"])).unwrap();
    assert_eq!(output::Output::from_bytes(&plaintext).unwrap().data, b"first");
    assert_eq!(computed["delta"]["key"], 1);
    assert_eq!(node.reply(&compute).await["result"], computed);
    let (input, key) = node.task(&address, "swap(bytes)", b"").await;
    let failed = node.reply(&json!({"id": "4", "type": "ComputeTask", "input": input})).await;
    assert_eq!((&failed["id"], &failed["type"]), (&"4".into(), &"FailedTask".into()));
    check_fields(&failed["result"], &["output", "usedGas", "signature"], &["receipt"]);
    assert!(!key.open(&bytes(&failed["result"]["output"])).unwrap().is_empty());
    let (input, _) = node.task(&other, "swap(bytes)", b"x").await;
    for (message, code) in [
        (json!({"id": "5", "type": "ComputeTask", "input": input}), 13),
        (json!({"id": "5", "type": "ComputeTask"}), 3),
        (json!({"id": "5", "type": "GetTip", "input": [other]}), 13),
        (json!({"id": "5", "type": "PTTResponse", "input": {"response": "00"}}), 15),
        (json!({"id": "5", "type": "NoSuchMessage"}), 2),
    ] {
        let error = node.reply(&message).await;
        assert_eq!((&error["id"], &error["type"]), (&"5".into(), &message["type"]));
        check_fields(&error, &["id", "type", "msg"], &["code"]);
        assert_eq!(error["code"], code, "{error}");
    }

    // Reads.
    let tip = node.ask(json!({"id": "6", "type": "GetTip", "input": [address]}), &["key", "data"], &[]).await;
    assert_eq!(tip, computed["delta"]);
    let addressed = json!({"address": address, "key": 1, "data": tip["data"]});
    for message in [json!({"id": "7", "type": "GetTips", "input": [address]}), json!({"id": "7", "type": "GetAllTips"})]
    {
        assert_eq!(node.ask(message, &["tips"], &[]).await, json!({"tips": [addressed]}));
    }
    let addresses = node.ask(json!({"id": "8", "type": "GetAllAddrs"}), &["addresses"], &[]).await;
    assert_eq!(addresses, json!({"addresses": [address]}));
    let get_delta = json!({"id": "9", "type": "GetDelta", "input": [{"address": address, "key": 1}]});
    assert_eq!(node.ask(get_delta, &["delta"], &[]).await, json!({"delta": tip["data"]}));
    let range = json!([{"address": address, "from": 0, "to": 1}]);
    let deltas = node.ask(json!({"id": "10", "type": "GetDeltas", "input": range}), &["deltas"], &[]).await;
    let first = json!({"address": address, "key": 0, "data": deployed["delta"]["data"]});
    assert_eq!(deltas, json!({"deltas": [first, addressed]}));
    let get_contract = json!({"id": "11", "type": "GetContract", "input": address});
    let contract = node.ask(get_contract, &["address", "bytecode"], &[]).await;
    assert_eq!((&contract["address"], &contract["bytecode"]), (&json!(address), &deployed["output"]));

    // Writes: the code under another address, and away again.
    for (request_type, message) in [
        ("UpdateNewContract", json!({"address": other, "bytecode": contract["bytecode"]})),
        (
            "UpdateNewContractOnDeployment",
            json!({"address": other, "bytecode": contract["bytecode"], "delta": [0, first["data"]]}),
        ),
        ("RemoveContract", json!({"address": other})),
    ] {
        let mut message = message;
        message["id"] = "12".into();
        message["type"] = request_type.into();
        let reply = node.reply(&message).await;
        check_fields(&reply, &["id", "type", "address", "result"], &[]);
        check_fields(&reply["result"], &["status"], &["msg"]);
        assert_eq!(reply["address"], other);
        // The delta is another contract's.
        let status = if request_type == "UpdateNewContractOnDeployment" { 32 } else { 0 };
        assert_eq!(reply["result"]["status"], status, "{reply}");
    }
    let update = json!({"id": "13", "type": "UpdateDeltas", "deltas": [{"address": other, "key": 0, "data": []}]});
    let removal = json!({"id": "13", "type": "RemoveDeltas", "input": [{"address": other, "from": 0, "to": 0}]});
    for message in [update, removal] {
        let result = node.ask(message, &["status", "errors"], &[]).await;
        assert_eq!(result["status"], 13);
        check_fields(&result["errors"][0], &["address", "key", "status"], &["msg"]);
    }

    let ptt = node.ask(json!({"id": "14", "type": "GetPTTRequest"}), &["request", "workerSig"], &[]).await;
    assert!(!bytes(&ptt["request"]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_answered_while_computations_take_all_they_can() {
    let network = Network::new();
    let core = network.start("worker", ANY_TCP);
    let config: NetworkConfig = serde_json::from_slice(&fs::read(network.config()).unwrap()).unwrap();
    let mut node = Published { socket: core.requester().await, domain: config.domain(), rng: Counter(0) };
    let address = "5c".repeat(32);
    let (mut input, _) = node.task(&address, "construct(bytes)", b"first").await;
    input["preCode"] = hex::encode(wat::parse_str(KEEPER).unwrap()).into();
    let deployed = node.reply(&json!({"id": "1", "type": "DeploySecretContract", "input": input})).await;
    assert!(deployed["result"].is_object(), "{deployed}");

    // More tasks than there is room for, each of seconds.
    let mut running = Vec::new();
    for _ in 0..80 {
        let (mut input, _) = node.task(&address, "endless()", b"!").await;
        input["gasLimit"] = 1_000_000_000_u64.into();
        let mut requester = core.requester().await;
        let frame = json!({"id": "2", "type": "ComputeTask", "input": input}).to_string();
        running.push(tokio::spawn(async move { requester.ask(frame).await }));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let started = Instant::now();
        let tip = node.reply(&json!({"id": "3", "type": "GetTip", "input": [address]})).await;
        assert_eq!(tip["result"]["key"], 0);
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "a read waited {slowest:?}");
    assert!(running.iter().filter(|task| !task.is_finished()).count() > 40, "the computations were over too soon");
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

/// What contracts tell their authors is in the log of a simulation that is asked for it, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn contracts_speak_to_their_authors_where_it_is_asked_for() {
    const TALKER: &str = r#"(module
      (import "enigma" "debug" (func $debug (param i32 i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "the answer is 42\1b[2J")
      (func (export "enigma_abi_1"))
      (func (export "deploy") (call $debug (i32.const 0) (i32.const 20)))
      (func (export "call")))"#;
    for asked in [false, true] {
        let network = Network::new();
        let mut program = network.run_command("worker", ANY_TCP);
        if asked {
            program.arg("--contract-debug");
        }
        let mut core = Core::start(&mut program);
        let config: NetworkConfig = serde_json::from_slice(&fs::read(network.config()).unwrap()).unwrap();
        let mut node = Published { socket: core.requester().await, domain: config.domain(), rng: Counter(0) };
        let (mut input, _) = node.task(&"5c".repeat(32), "construct()", b"").await;
        input["preCode"] = hex::encode(wat::parse_str(TALKER).unwrap()).into();
        let reply = node.reply(&json!({"id": "1", "type": "DeploySecretContract", "input": input})).await;
        assert!(reply["result"]["signature"].is_string(), "{reply}");
        core.terminate();
        core.wait();
        let mut log = String::new();
        core.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(log.contains("the answer is 42"), asked, "{log}");
        assert!(!log.contains("\u{1b}[2J"), "{log}");
    }
}

/// What no author and no user writes by accident is an answer to whoever sent it, and nothing to anybody else.
#[tokio::test(flavor = "multi_thread")]
async fn malformed_modules_keys_and_lengths_leave_the_core_answering() {
    let network = Network::new();
    let mut core = network.start("worker", ANY_TCP);
    let config: NetworkConfig = serde_json::from_slice(&fs::read(network.config()).unwrap()).unwrap();
    let mut node = Published { socket: core.requester().await, domain: config.domain(), rng: Counter(0) };

    let exports = "(func (export \"enigma_abi_1\")) (func (export \"deploy\")) (func (export \"call\"))";
    let module = |fields: &str| wat::parse_str(format!("(module {fields} {exports})")).unwrap();
    let memory = "(memory (export \"memory\") 1)";
    let mut truncated = wat::parse_str(KEEPER).unwrap();
    truncated.truncate(100);
    let modules = [
        ("nothing", Vec::new()),
        ("text", b"hello, this is not WebAssembly".to_vec()),
        ("a section without end", b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\x0f".to_vec()),
        ("truncated", truncated),
        ("zeros", vec![0; 1 << 20]),
        ("too large", vec![0; (1 << 20) + 1]),
        ("without memory", module("")),
        ("a start function", module(&format!("{memory} (func $s (loop $l (br $l))) (start $s)"))),
        ("4 GiB of memory", module("(memory (export \"memory\") 65536)")),
        ("an import of the system", module(&format!("(import \"env\" \"system\" (func)) {memory}"))),
    ];
    for (number, (name, code)) in modules.into_iter().enumerate() {
        let (mut input, key) = node.task(&format!("{number:064x}"), "construct(bytes)", b"x").await;
        input["preCode"] = hex::encode(code).into();
        input["gasLimit"] = 10_000_000.into();
        let reply = node.reply(&json!({"id": "1", "type": "DeploySecretContract", "input": input})).await;
        assert_eq!(reply["type"], "FailedTask", "{name}: {reply}");
        let plaintext = key.open(&bytes(&reply["result"]["output"])).unwrap();
        let failure = output::Failure::from_bytes(&plaintext).unwrap();
        assert!(failure.text.starts_with("the code is refused"), "{name}: {}", failure.text);
    }

    // Host functions that are given almost 4 GiB, by the number in the arguments.
    let calls = [
        "(call $output (i32.const 0) (i32.const -1))",
        "(call $output (i32.const -1) (i32.const -1))",
        "(call $fail (i32.const 0) (i32.const -1))",
        "(drop (call $state_get (i32.const 0) (i32.const -1)))",
        "(call $state_set (i32.const 0) (i32.const -1) (i32.const 0) (i32.const -1))",
        "(call $state_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0x80000000))",
    ];
    let branch = |(number, call): (usize, &&str)| {
        format!("(if (i32.eq (i32.load8_u (i32.const 9)) (i32.const {})) (then {call}))", number + 1)
    };
    let branches: String = calls.iter().enumerate().map(branch).collect();
    let opening = KEEPER.find("(local $length i32)").unwrap();
    let (head, tail) = KEEPER.split_at(opening);
    let hostile = format!(
        "{head}{} (call $args_read (i32.const 9)) {branches} {}",
        "(local $length i32)",
        &tail["(local $length i32)".len()..]
    );
    let address = "5c".repeat(32);
    let (mut input, _) = node.task(&address, "construct(bytes)", b"first").await;
    input["preCode"] = hex::encode(wat::parse_str(hostile).unwrap()).into();
    let reply = node.reply(&json!({"id": "1", "type": "DeploySecretContract", "input": input})).await;
    assert_eq!(reply["type"], "DeploySecretContract", "{reply}");
    for number in 1..=calls.len() {
        let (input, key) = node.task(&address, "swap(bytes)", &[number as u8, 0]).await;
        let reply = node.reply(&json!({"id": "1", "type": "ComputeTask", "input": input})).await;
        assert_eq!(reply["type"], "FailedTask", "{}: {reply}", calls[number - 1]);
        assert!(!key.open(&bytes(&reply["result"]["output"])).unwrap().is_empty());
    }

    // Keys of any length: of the user, and where the message names one.
    for length in [0, 1, 31, 33, 1 << 16] {
        let (mut input, _) = node.task(&address, "swap(bytes)", b"x").await;
        input["userDHKey"] = "09".repeat(length).into();
        let reply = node.reply(&json!({"id": "1", "type": "ComputeTask", "input": input})).await;
        assert_eq!((&reply["type"], &reply["result"]["output"]), (&"FailedTask".into(), &"".into()), "{length}");
    }
    let (input, key) = node.task(&address, "swap(bytes)", b"second").await;
    for (message, code) in [
        (json!({"id": "1", "type": "GetTip", "input": ["5c"]}), 3),
        (json!({"id": "1", "type": "GetTip", "input": ["5c".repeat(33)]}), 3),
        (json!({"id": "1", "type": "NewTaskEncryptionKey", "userPubKey": "5c".repeat(257)}), 4),
        (json!({"id": "1", "type": "PTTResponse", "input": {"response": "00".repeat(1 << 20)}}), 15),
        (json!({"id": "1", "type": "ComputeTaskk", "input": input}), 2),
        (json!({"id": "1", "type": "SignEpoch", "input": {}}), 17),
    ] {
        let reply = node.reply(&message).await;
        assert_eq!((&reply["type"], &reply["code"]), (&message["type"], &code.into()), "{reply}");
    }

    // The core is the same, and so is the state.
    let reply = node.reply(&json!({"id": "1", "type": "ComputeTask", "input": input})).await;
    let plaintext = key.open(&bytes(&reply["result"]["output"])).unwrap();
    assert_eq!(output::Output::from_bytes(&plaintext).unwrap().data, b"first");
    assert_eq!(core.process.try_wait().unwrap(), None);
}
