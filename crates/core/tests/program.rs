//! The real program: its command line, its endpoint and what survives a crash.

use enigma_attestation::{Expected, Freshness, Policy, Purpose, Role, verify};
use enigma_protocol::{
    Address, Hash,
    config::NetworkConfig,
    hash::keccak256,
    ipc::{Failure, ReplyFrame, Response},
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
