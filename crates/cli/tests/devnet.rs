//! `enigma devnet`, `enigma demo` and the commands of users, with the real programs.

use enigma_client::{Client, Network, Options, PreparedTask, TaskOptions, abi};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Far above what anything takes, for slow machines with other work.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(20);

/// The program, without settings of whoever runs the tests.
fn enigma(args: &[&str]) -> Command {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_enigma"));
    let core = program.with_file_name(format!("enigma-core{}", std::env::consts::EXE_SUFFIX));
    assert!(core.is_file(), "{} is missing; build it first with: cargo build --workspace --bins", core.display());
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        if key.to_str().is_some_and(|key| key.starts_with("ENIGMA_") && key != "ENIGMA_ANVIL") {
            command.env_remove(key);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

fn contract(name: &str) -> String {
    let target = Path::new(env!("CARGO_BIN_EXE_enigma")).parent().and_then(Path::parent).unwrap();
    let path = target.join("secret-contracts").join(name);
    assert!(path.is_file(), "{} is missing; build it first with: cargo xtask wasm", path.display());
    path.display().to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A devnet that is ready.
struct Devnet {
    child: Child,
    stderr: Option<thread::JoinHandle<String>>,
    ready: Value,
}

impl Devnet {
    fn start(args: &[&str]) -> Self {
        let mut command = enigma(&["devnet", "--port", "0", "--json"]);
        let mut child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = errors.read_to_end(&mut bytes);
            text(&bytes)
        });
        let out = child.stdout.take().unwrap();
        let (sender, line) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(out).read_line(&mut line);
            let _ = sender.send(line);
        });
        let mut devnet = Self { child, stderr: Some(stderr), ready: Value::Null };
        let line = line.recv_timeout(PATIENCE).expect("a devnet says something");
        devnet.ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {}", devnet.finish().1));
        devnet
    }

    fn parts(&self) -> Vec<Value> {
        self.ready["parts"].as_array().unwrap().clone()
    }

    fn pid_of(&self, part: &str) -> u64 {
        self.parts().iter().find(|state| state["name"] == part).unwrap()["pid"].as_u64().unwrap()
    }

    /// All processes but the devnet's own.
    fn pids(&self) -> Vec<u64> {
        self.parts().iter().flat_map(|part| [part["pid"].as_u64(), part["guardPid"].as_u64()]).flatten().collect()
    }

    fn url(&self) -> &str {
        self.ready["url"].as_str().unwrap()
    }

    fn get(&self, path: &str) -> String {
        let port: u16 = self.url().rsplit(':').next().unwrap().parse().unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        body.to_owned()
    }

    /// Runs a command as a user of this devnet.
    fn user(&self, state: &Path, args: &[&str]) -> Output {
        let mut command = enigma(args);
        command.args(["--devnet", self.url(), "--json"]).env("ENIGMA_STATE_DIR", state).output().unwrap()
    }

    fn user_json(&self, state: &Path, args: &[&str]) -> Value {
        let output = self.user(state, args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{args:?}: {}", text(&output.stdout)))
    }

    /// A recorded task of the first user, as it was before its record.
    fn make_task(&self, sc: &str, function: &str, args: [&str; 2]) -> PreparedTask {
        let accounts = self.ready["accounts"].as_array().unwrap();
        let user = accounts.iter().find(|account| account["role"] == "user").unwrap();
        let string = |value: &Value| value.as_str().unwrap().to_owned();
        let options = Options {
            ethereum_url: string(&self.ready["ethereum"]),
            node_url: string(&self.ready["nodes"]["user"]["rpc"]),
            enigma: string(&self.ready["contracts"]["enigma"]).parse().unwrap(),
            private_key: string(&user["privateKey"]).into(),
            network: Network::Devnet,
        };
        let call = abi::call(function, &args.map(str::to_owned)).unwrap();
        let mut kept = None;
        let made = async {
            let mut keep = |task: &PreparedTask| {
                kept = Some(task.to_secret_json());
                Ok(())
            };
            let client = Client::connect(options).await.unwrap();
            client.call_keeping(sc.parse().unwrap(), &call, TaskOptions::default(), &mut keep).await.unwrap()
        };
        let made = tokio::runtime::Runtime::new().unwrap().block_on(made);
        let prepared = PreparedTask::from_secret_json(&kept.unwrap()).unwrap();
        assert_eq!(prepared.id(), made.id());
        prepared
    }

    /// Waits for the end: whether it was a success, and what stood on standard error.
    fn finish(&mut self) -> (bool, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() >= deadline => panic!("the devnet does not end"),
                None => thread::sleep(LOOK),
            }
        };
        (status.success(), self.stderr.take().unwrap().join().unwrap())
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        // Asked first, so that it removes its folder.
        let _ = Command::new("kill").arg(self.child.id().to_string()).stderr(Stdio::null()).status();
        let deadline = Instant::now() + PATIENCE / 9;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(name: &str, pid: u64) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

/// A process that nobody has waited for yet does no harm any more.
fn is_alive(pid: u64) -> bool {
    let pid = pid.to_string();
    let exists = Command::new("kill").args(["-0", &pid]).stderr(Stdio::null()).status().unwrap().success();
    let state = Command::new("ps").args(["-o", "stat=", "-p", &pid]).output();
    exists && !state.is_ok_and(|state| text(&state.stdout).trim().starts_with('Z'))
}

fn wait_until_gone(pids: &[u64]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left: Vec<_> = pids.iter().filter(|pid| is_alive(**pid)).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "processes were left behind: {left:?}");
        thread::sleep(LOOK);
    }
}

#[test]
fn it_describes_itself_and_stops_when_told() {
    let mut devnet = Devnet::start(&[]);
    let ready = devnet.ready.clone();
    assert_eq!(
        (&ready["mode"], &ready["ready"], &ready["chainId"]),
        (&"simulation".into(), &true.into(), &31337.into())
    );
    assert!(ready["epoch"].as_u64() >= Some(1), "{ready}");
    let names: Vec<_> = devnet.parts().iter().map(|part| part["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["anvil", "key-manager-core", "worker-core", "key-manager", "worker", "user"]);
    for part in devnet.parts() {
        assert_eq!(part["state"], "running");
        assert!(
            is_alive(part["pid"].as_u64().unwrap()) && Path::new(part["log"].as_str().unwrap()).is_file(),
            "{part}"
        );
    }
    let deposits: Vec<_> =
        ready["accounts"].as_array().unwrap().iter().map(|account| account["deposit"].as_str().unwrap()).collect();
    assert_eq!(deposits, ["0", "0", "0", "1000", "1000", "1000", "1000", "1000", "1000", "1000"]);

    let mut served: Value = serde_json::from_str(&devnet.get("/addresses.json")).unwrap();
    served["epoch"] = ready["epoch"].clone();
    assert_eq!(served, ready);
    let page = devnet.get("/");
    for shown in [&ready["contracts"]["enigma"], &ready["nodes"]["user"]["rpc"], &ready["accounts"][3]["address"]] {
        assert!(page.contains(shown.as_str().unwrap()), "{shown}");
    }
    assert!(page.contains("protected from the operator"));

    signal("-TERM", devnet.child.id().into());
    let (success, errors) = devnet.finish();
    assert!(success && errors.contains("simulation, which protects nothing"), "{errors}");
    wait_until_gone(&devnet.pids());
    assert!(!Path::new(ready["dataDir"].as_str().unwrap()).exists(), "the temporary folder goes away");
}

#[test]
fn users_deploy_call_and_pay() {
    let devnet = Devnet::start(&[]);
    let state = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| devnet.user_json(state.path(), args);

    let deployed = run(&["deploy", &contract("simple_calculator.wasm")]);
    assert_eq!((&deployed["status"], &deployed["sc"]), (&"success".into(), &deployed["taskId"]));
    let sc = deployed["sc"].as_str().unwrap();

    let sum = run(&["call", sc, "add(uint256,uint256)", "2", "3", "--returns", "uint256"]);
    assert_eq!((&sum["values"][0], &sum["status"]), (&"5".into(), &"success".into()));

    let failed = devnet.user(state.path(), &["call", sc, "div(uint256,uint256)", "1", "0"]);
    let report: Value = serde_json::from_slice(&failed.stdout).unwrap();
    assert!(!failed.status.success() && report["status"] == "failure", "{report}");
    let errors = text(&failed.stderr);
    assert!(errors.contains("the contract failed: ") && errors.contains("zero"), "{errors}");

    let recorded = run(&["call", sc, "mul(uint256,uint256)", "6", "7", "--no-wait"]);
    let id = recorded["taskId"].as_str().unwrap();
    let result = run(&["task", "result", id, "--returns", "uint256"]);
    assert_eq!(result["values"][0], "42");
    let status = run(&["task", "status", id]);
    assert!(["computed", "confirmed"].contains(&status["state"].as_str().unwrap()), "{status}");
    let key = state.path().join("tasks").join(format!("{id}.json"));
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&key).unwrap().permissions()) & 0o777, 0o600);
    // Without the key nobody opens the result, and the message says where the key was expected.
    let elsewhere = tempfile::tempdir().unwrap();
    let refused = devnet.user(elsewhere.path(), &["task", "result", id]);
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("only who made a task"),
        "{}",
        text(&refused.stderr)
    );

    // As if a command had ended while Ethereum recorded: its place in the queue is unknown, and another command had prepared a
    // task under the same id.
    let prepared = devnet.make_task(sc, "mul(uint256,uint256)", ["6", "8"]);
    let id = &prepared.id().to_string();
    let tasks = state.path().join("tasks");
    let keep = |task: &PreparedTask| {
        let name = format!("{id}.{}.prepared.json", task.inputs_hash());
        fs::write(tasks.join(name), task.to_secret_json()).unwrap();
    };
    let mut other: Value = serde_json::from_str(&prepared.to_secret_json()).unwrap();
    other["input"]["encryptedFn"] = "0x00".into();
    keep(&PreparedTask::from_secret_json(&other.to_string()).unwrap());
    let refused = devnet.user(state.path(), &["task", "result", id]);
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("has no record of it"),
        "{}",
        text(&refused.stderr)
    );
    // The file of a devnet that ran before does not stand in the way.
    let saved = tasks.join(format!("{id}.json"));
    fs::copy(&key, &saved).unwrap();
    keep(&prepared);
    for _ in 0..2 {
        assert_eq!(run(&["task", "result", id, "--returns", "uint256"])["values"][0], "48");
        assert!(saved.is_file(), "it is a recorded task now");
    }

    // Commands of one account that run at once wait for each other's record.
    let add = |number: &str| run(&["call", sc, "add(uint256,uint256)", number, "10", "--returns", "uint256"]);
    thread::scope(|scope| {
        let sums = ["1", "2", "3"].map(|number| scope.spawn(move || add(number)["values"][0].clone()));
        assert_eq!(sums.map(|sum| sum.join().unwrap()), ["11", "12", "13"]);
    });

    // Neither what Ethereum refuses nor what cannot be decoded later leaves a key or a record behind.
    let kept = || fs::read_dir(&tasks).unwrap().count();
    let (files, tasks_before) = (kept(), run(&["balance"])["tasksRecorded"].clone());
    let nowhere = format!("0x{}", "11".repeat(32));
    for (args, expected) in [
        (vec!["call", &nowhere, "add()"], "is there no contract"),
        (vec!["call", sc, "add(uint256,uint256)", "2", "3", "--gas-limit", "1"], "--gas-limit"),
        (vec!["call", sc, "add(uint256,uint256)", "2", "3", "--returns", "nonsense"], "`nonsense`"),
    ] {
        let refused = devnet.user(state.path(), &args);
        let errors = text(&refused.stderr);
        assert!(!refused.status.success() && errors.contains(expected), "{errors}");
    }
    assert_eq!((kept(), &run(&["balance"])["tasksRecorded"]), (files, &tasks_before));
    let late = devnet.user(state.path(), &["call", sc, "add(uint256,uint256)", "2", "3", "--timeout", "0"]);
    let errors = text(&late.stderr);
    // A fast worker may have answered.
    assert!(late.status.success() || errors.contains("enigma task result 0x"), "{errors}");

    let shown = run(&["worker", "show", sc]);
    assert_eq!(
        (&shown["signer"], &shown["platform"]),
        (&devnet.ready["nodes"]["worker"]["signer"], &"simulation".into())
    );

    let before = run(&["balance", "--account", "4"]);
    assert_eq!((&before["deposit"], &before["wallet"]), (&"1000".into(), &"1000".into()));
    let after = run(&["deposit", "0.000000000000000001", "--account", "4"]);
    assert_eq!(
        (&after["deposit"], &after["wallet"]),
        (&"1000.000000000000000001".into(), &"999.999999999999999999".into())
    );
    let after = run(&["withdraw", "1000", "--account", "4"]);
    assert_eq!(after["deposit"], "0.000000000000000001");
    let refused = devnet.user(state.path(), &["withdraw", "1", "--account", "4"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("the deposit holds 0.000000000000000001 ENG"));
}

#[test]
fn what_is_missing_or_taken_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cat.jpg");
    fs::write(&file, "meow").unwrap();
    let below_file = file.join("data").display().to_string();
    let with_file = folder.path().display().to_string();
    let check = |args: &[&str], anvil: Option<&str>, code: i32, expected: [&str; 2]| {
        let mut command = enigma(&["devnet", "--json"]);
        command.args(args);
        if let Some(anvil) = anvil {
            command.env("ENIGMA_ANVIL", anvil);
        }
        let output = command.output().unwrap();
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
        assert!(expected.iter().all(|part| errors.contains(part)), "{args:?}: {errors}");
        assert!(output.stdout.is_empty(), "standard output is for results");
    };
    check(&["--port", &port], None, 1, [&format!("port {port}"), "--port 0"]);
    check(&["--port", "0"], Some("/nowhere/anvil"), 1, ["/nowhere/anvil", "make setup"]);
    check(&["--port", "0", "--data-dir", &below_file], None, 1, [&below_file, "another --data-dir"]);
    check(&["--port", "0", "--data-dir", &with_file], None, 1, ["not made by a devnet", "--data-dir"]);
    check(&["--port", "0", "--hardware"], None, 2, ["TEE", "simulation"]);
    assert_eq!(fs::read(&file).unwrap(), b"meow");

    let alone = enigma(&["balance", "--devnet", "http://127.0.0.1:9"]).output().unwrap();
    let errors = text(&alone.stderr);
    assert!(
        !alone.status.success() && errors.contains("no devnet answers") && errors.contains("enigma devnet"),
        "{errors}"
    );
    let half = enigma(&["balance", "--node", "http://127.0.0.1:9"]).output().unwrap();
    assert!(text(&half.stderr).contains("--ethereum is missing"), "{}", text(&half.stderr));
}

#[test]
fn nothing_survives_a_killed_devnet() {
    let mut devnet = Devnet::start(&[]);
    let pids = devnet.pids();
    let alive: Vec<_> = pids.iter().copied().filter(|pid| is_alive(*pid)).collect();
    assert!(pids.len() == 7 && alive == pids, "six parts and a guard: {pids:?}, alive: {alive:?}");
    signal("-KILL", devnet.child.id().into());
    let _ = devnet.finish();
    wait_until_gone(&pids);
    fs::remove_dir_all(devnet.ready["dataDir"].as_str().unwrap()).unwrap();
}

/// Anvil prints its chain id on a line of its own, which must not be taken for the id of its process.
#[test]
fn a_guard_names_its_program_before_it_is_heard() {
    for _ in 0..20 {
        let mut guard = enigma(&["guard", "--", "sh", "-c", "echo 31337; exec cat /dev/zero"]);
        let mut guard = guard.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(guard.stdout.take().unwrap());
        let (mut id, mut said) = (String::new(), String::new());
        out.read_line(&mut id).unwrap();
        out.read_line(&mut said).unwrap();
        assert_eq!(said, "31337\n", "after {id}");
        drop((guard.stdin.take(), out));
        guard.wait().unwrap();
        wait_until_gone(&[id.trim().parse().unwrap()]);
    }
}

#[test]
fn a_part_that_ends_takes_the_others_along() {
    let guard_of_anvil = |devnet: &Devnet| devnet.parts()[0]["guardPid"].as_u64().unwrap();
    let check = |name: &str, victim: &dyn Fn(&Devnet) -> u64| {
        let folder = tempfile::tempdir().unwrap();
        let mut devnet = Devnet::start(&["--data-dir", &folder.path().join("net").display().to_string()]);
        signal("-KILL", victim(&devnet));
        let (success, errors) = devnet.finish();
        let log = devnet.ready["dataDir"].as_str().unwrap().to_owned() + "/logs/" + name + ".log";
        assert!(!success && errors.contains(&format!("{name} ended")) && errors.contains(&log), "{errors}");
        wait_until_gone(&devnet.pids());
    };
    check("worker-core", &|devnet| devnet.pid_of("worker-core"));
    check("anvil", &|devnet| devnet.pid_of("anvil"));
    check("anvil", &guard_of_anvil);
}

#[test]
fn the_demo_holds() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("net");
    let output = enigma(&["demo", "--data-dir", &data.display().to_string()]).output().unwrap();
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{errors}");
    for part in [
        "Who is the richest of Alice, Bob, Carol?  Bob.",
        "WHAT ETHEREUM RECORDED",
        "Neither was found",
        "Everything held",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(errors.contains("Alice deployed the secret contract"), "progress is shown: {errors}");
}
