//! One private computation, end to end, on real processes: anvil, cores, nodes, key manager, client.

mod common;

use common::{Network, PATIENCE, eventually, secret_contract};
use enigma_client::{
    Client, Outcome, PreparedTask, Task, TaskError, TaskFailed, TaskOptions, abi,
    ledger::{RecordRequest, RecordTarget},
    node::NodeError,
    protocol::{
        Hash, ScAddress,
        json::Hex0x,
        receipt::{MINIMUM_GAS, Status},
        rpc::{TaskInputJson, TaskParams, TaskResult, TaskState, TaskStatus, codes},
        sealing::{InputKey, TaskContext, rand_core::UnwrapErr, seal_task},
        task::{SUITE_X25519, TaskInput, task_id},
    },
};
use std::time::Duration;

async fn deploy(client: &Client, contract: &str) -> ScAddress {
    let constructor = abi::call("construct()", &[]).unwrap();
    let task = client.deploy(secret_contract(contract), &constructor, TaskOptions::default()).await.unwrap();
    client.result(&task).await.unwrap().into_success().unwrap();
    task.sc()
}

async fn submit(client: &Client, sc: ScAddress, function: &str, args: &[&str]) -> Task {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    client.call(sc, &abi::call(function, &args).unwrap(), TaskOptions::default()).await.unwrap()
}

async fn outcome(client: &Client, sc: ScAddress, function: &str, args: &[&str]) -> Outcome {
    let task = submit(client, sc, function, args).await;
    client.result(&task).await.unwrap()
}

/// Every form in which a host could have written down these bytes.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let numbers: Vec<String> = secret.iter().map(ToString::to_string).collect();
    vec![
        secret.to_vec(),
        hex::encode(secret).into_bytes(),
        hex::encode_upper(secret).into_bytes(),
        numbers.join(",").into_bytes(),
        numbers.join(", ").into_bytes(),
    ]
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// Fails if any of the secrets shows in anything that the hosts could look at.
fn assert_hidden(network: &Network, secrets: &[(&str, Vec<u8>)]) {
    let seen = network.seen_by_hosts();
    // The search is worth something only if what crossed each wire is there.
    let everywhere = |needle: &[u8]| seen.iter().filter(|(_, bytes)| contains(bytes, needle)).count();
    assert!(everywhere(b"enigma::wire") >= 2, "peers' messages are in the logs");
    assert!(everywhere(b"sendTaskInput") >= 1 && everywhere(b"ComputeTask") >= 1, "RPC and IPC are recorded");
    for (what, secret) in secrets {
        for form in forms(secret) {
            let place = seen.iter().find(|(_, bytes)| contains(bytes, &form));
            assert!(place.is_none(), "{what} shows in {}", place.unwrap().0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_millionaires_problem_from_deployment_to_confirmation() {
    let mut network = Network::start().await;
    let users = [network.client(0).await, network.client(1).await, network.client(2).await];
    let worths = ["1000000000000000000000077", "2000000000000000000000088", "1500000000000000000000099"];
    let sc = deploy(&users[0], "millionaires_problem").await;
    for (user, worth) in users.iter().zip(worths) {
        let added = outcome(user, sc, "add_millionaire(address,uint256)", &[&user.address().to_string(), worth]).await;
        assert_eq!(added.receipt.status, Status::Success);
    }
    let task = submit(&users[0], sc, "compute_richest()", &[]).await;
    let richest = users[0].result(&task).await.unwrap().into_success().unwrap();
    let richest = abi::decode("address", &richest).unwrap().remove(0);
    assert_eq!(richest.to_lowercase(), users[1].address().to_string());

    // Ethereum confirms: all five records closed, the tip is the receipt's.
    users[0].confirmed_within(&task, PATIENCE).await.unwrap();
    let receipt = users[0].result(&task).await.unwrap().receipt;
    let facts = users[0].ledger().contract_facts(sc).await.unwrap();
    assert_eq!((facts.deployed, facts.record_count, facts.closed_records), (true, 5, 5));
    assert_eq!(facts.tip, receipt.tip);
    eventually("the node says confirmed", async || users[0].status(&task).await.unwrap() == TaskState::Confirmed).await;

    // Another user cannot open the result, and an answer about an unknown task comes at once.
    let result: TaskResult =
        users[1].node().call("getTaskResult", &TaskParams { task_id: Hex0x(task.id()) }).await.unwrap();
    let stranger = submit(&users[1], sc, "compute_richest()", &[]).await;
    let sealed = result.result.unwrap().encrypted_output.0;
    assert!(!contains(&sealed, &users[1].address().0));
    let unknown = TaskParams { task_id: Hex0x([0xee; 32].into()) };
    let status: TaskStatus = users[0].node().call("getTaskStatus", &unknown).await.unwrap();
    assert_eq!(status.state, TaskState::Unknown);
    users[1].result(&stranger).await.unwrap().into_success().unwrap();

    // What the hosts saw: neither plaintexts nor keys.
    let mut secrets = vec![
        ("the called function", b"add_millionaire(address,uint256)".to_vec()),
        ("the called function", b"compute_richest()".to_vec()),
    ];
    for worth in worths {
        let encoded = abi::call("f(uint256)", &[worth.into()]).unwrap().args;
        let number = encoded.iter().position(|byte| *byte != 0).map(|start| encoded[start..].to_vec()).unwrap();
        secrets.push(("a net worth, as text", worth.as_bytes().to_vec()));
        secrets.push(("a net worth, big-endian", number.clone()));
        secrets.push(("a net worth, little-endian", number.into_iter().rev().collect()));
    }
    let key = serde_json::from_str::<serde_json::Value>(&task.to_secret_json()).unwrap();
    let key = hex::decode(key["responseKey"].as_str().unwrap().trim_start_matches("0x")).unwrap();
    secrets.push(("the key of a result", key[32..].to_vec()));
    let input_key = users[0].worker(sc).await.unwrap().input_key;
    let enclave_keys = network.take_enclave_keys();
    let share = enclave_keys.last().unwrap().1.clone();
    let input_seed = network.derived_key(&share, 2, sc, task.epoch());
    assert_eq!(InputKey::derive(&input_seed.clone().try_into().unwrap()).public(), &input_key, "the formulas hold");
    secrets.push(("the input key", input_seed));
    secrets.push(("the state key", network.derived_key(&share, 1, sc, 0)));
    secrets.push(("the contract's randomness", network.derived_key(&share, 3, sc, 0)));
    secrets.extend(enclave_keys);
    assert_hidden(&network, &secrets);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_one_user_in_flight_at_once() {
    let network = Network::start().await;
    let client = network.client(0).await;
    let sc = deploy(&client, "simple_calculator").await;
    let pairs = [("2", "3"), ("40", "2"), ("7", "7"), ("1", "0")];
    let tasks = futures::future::join_all(
        pairs.iter().map(|(a, b)| async { submit(&client, sc, "add(uint256,uint256)", &[a, b]).await }),
    )
    .await;
    let results = futures::future::join_all(tasks.iter().map(|task| client.result(task))).await;
    let sums: Vec<String> = results
        .into_iter()
        .map(|result| abi::decode("uint256", &result.unwrap().into_success().unwrap()).unwrap().remove(0))
        .collect();
    assert_eq!(sums, ["5", "42", "14", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_between_record_and_execution_executes() {
    let mut network = Network::start().await;
    let client = network.client(0).await;
    let sc = deploy(&client, "misbehaving").await;
    outcome(&client, sc, "count()", &[]).await.into_success().unwrap();

    // Frozen, the core cannot have executed what is recorded now; the node has the record and the input.
    network.worker_core.signal("STOP");
    let task = submit(&client, sc, "count()", &[]).await;
    eventually("the node has input and record", async || {
        matches!(client.status(&task).await.unwrap(), TaskState::Queued)
    })
    .await;
    network.kill_worker();
    // And one that is recorded while the worker is away.
    let later = submit(&client, sc, "count()", &[]).await;
    network.restart_worker();

    for (task, expected) in [(&task, "2"), (&later, "3")] {
        let output = client.result_within(task, PATIENCE).await.unwrap().into_success().unwrap();
        assert_eq!(abi::decode("uint256", &output).unwrap(), [expected]);
        client.confirmed_within(task, PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_can_be_killed_and_nothing_is_lost() {
    let mut network = Network::start_with_epochs_of(8).await;
    let client = network.client(0).await;
    let sc = deploy(&client, "misbehaving").await;
    let mut tasks = Vec::new();
    let victims: [fn(&mut Network) -> &mut common::Part; 5] = [
        |network| &mut network.user,
        |network| &mut network.worker,
        |network| &mut network.worker_core,
        |network| &mut network.km,
        |network| &mut network.km_core,
    ];
    for victim in victims {
        // One task that nobody waits for, and one as soon as the part is back.
        tasks.push(submit(&client, sc, "count()", &[]).await);
        victim(&mut network).restart();
        eventually("the worker can be asked", async || client.worker(sc).await.is_ok()).await;
        tasks.push(submit(&client, sc, "count()", &[]).await);
    }
    for (task, expected) in tasks.iter().zip(1..) {
        let output = client.result_within(task, PATIENCE).await.unwrap().into_success().unwrap();
        assert_eq!(abi::decode("uint256", &output).unwrap(), [expected.to_string()]);
    }
    let last = tasks.last().unwrap();
    client.confirmed_within(last, PATIENCE).await.unwrap();
    assert_eq!(client.ledger().contract_facts(sc).await.unwrap().closed_records, tasks.len() as u64 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_ends_between_record_and_hand_over_goes_on() {
    let mut network = Network::start().await;
    let client = network.client(0).await;
    let sc = deploy(&client, "misbehaving").await;
    outcome(&client, sc, "count()", &[]).await.into_success().unwrap();

    // The node is away: the task is recorded, and the client ends while it still offers the input.
    network.user.kill();
    let (mut kept, call) = (None, abi::call("count()", &[]).unwrap());
    let mut keep = |task: &PreparedTask| {
        kept = Some(task.to_secret_json());
        Ok(())
    };
    {
        let made = client.call_keeping(sc, &call, TaskOptions::default(), &mut keep);
        let recorded = eventually("the task is recorded", async || {
            client.ledger().contract_facts(sc).await.unwrap().record_count == 3
        });
        tokio::select! {
            made = made => panic!("nobody took the input: {made:?}"),
            () = recorded => {}
        }
    }
    network.user.restart();

    let kept = kept.unwrap();
    let prepared = PreparedTask::from_secret_json(&kept).unwrap();
    let task = network.client(0).await.recover(prepared).await.unwrap().expect("Ethereum has the record");
    let output = client.result(&task).await.unwrap().into_success().unwrap();
    assert_eq!(abi::decode("uint256", &output).unwrap(), ["2"]);
    // Once more, when it is confirmed, does no harm.
    client.confirmed_within(&task, PATIENCE).await.unwrap();
    let prepared = PreparedTask::from_secret_json(&kept).unwrap();
    assert_eq!(client.recover(prepared).await.unwrap().unwrap().id(), task.id());
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_change_while_tasks_go_on() {
    let network = Network::start_with_epochs_of(5).await;
    let client = network.client(0).await;
    let sc = deploy(&client, "misbehaving").await;
    let mut last = None;
    for expected in 1..=12 {
        let task = submit(&client, sc, "count()", &[]).await;
        let output = client.result(&task).await.unwrap().into_success().unwrap();
        assert_eq!(abi::decode("uint256", &output).unwrap(), [expected.to_string()]);
        last = Some(task);
    }
    let last = last.unwrap();
    assert!(last.epoch() > 1, "the epoch changed in between");
    client.confirmed_within(&last, PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_that_misbehave_fail_readably_and_are_paid_for() {
    let network = Network::start().await;
    let client = network.client(0).await;
    let worker_before = balance(&client, network.worker_operator).await;
    let sc = deploy(&client, "misbehaving").await;
    let options = TaskOptions { gas_limit: 5_000_000, ..TaskOptions::default() };
    let mut spent = 0;
    for (function, expected) in [
        ("panic()", "panic"),
        ("divide_by_zero()", "zero"),
        ("loop_forever()", "out of gas"),
        ("allocate_without_end()", ""),
        ("no_such_function()", "no function"),
    ] {
        let task = client.call(sc, &abi::call(function, &[]).unwrap(), options).await.unwrap();
        let outcome = client.result(&task).await.unwrap();
        assert_eq!(outcome.receipt.status, Status::Failure, "{function}");
        assert_eq!(outcome.receipt.tip, outcome.receipt.previous_tip, "{function} changes nothing");
        spent += u128::from(outcome.receipt.gas_used);
        let Err(TaskFailed::Failure { text, .. }) = outcome.into_success() else { panic!("{function} did not fail") };
        assert!(!text.is_empty() && text.contains(expected), "{function}: {text}");
    }
    let task = submit(&client, sc, "count()", &[]).await;
    let counted = client.result(&task).await.unwrap();
    spent += u128::from(counted.receipt.gas_used);
    assert_eq!(abi::decode("uint256", &counted.into_success().unwrap()).unwrap(), ["1"]);

    // What is not WASM at all: the deployment fails readably, and others go on.
    let constructor = abi::call("construct()", &[]).unwrap();
    let garbage = client.deploy(b"this is not a module".to_vec(), &constructor, options).await.unwrap();
    let failed = client.result(&garbage).await.unwrap();
    spent += u128::from(failed.receipt.gas_used);
    let Err(TaskFailed::Failure { text, .. }) = failed.into_success() else { panic!("garbage was deployed") };
    assert!(!text.is_empty(), "{text}");
    client.confirmed_within(&garbage, PATIENCE).await.unwrap();
    client.confirmed_within(&task, PATIENCE).await.unwrap();
    outcome(&client, sc, "count()", &[]).await.into_success().unwrap();

    // Fees: the worker's operator has what the user's receipts say (the deployment's and the last call's come on top).
    let earned = balance(&client, network.worker_operator).await - worker_before;
    assert!(earned >= spent, "{earned} earned for {spent} gas");
    assert!(!client.ledger().contract_facts(garbage.sc()).await.unwrap().deployed);
}

async fn balance(client: &Client, account: enigma_client::protocol::Address) -> u128 {
    let account = enigma_client::ledger::eth_address(account);
    client.ledger().contract().accountOf(account).call().await.unwrap().balance
}

/// An input as a client makes it, not yet recorded.
async fn seal(client: &Client, sc: ScAddress, sender_nonce: u64) -> TaskInput {
    let worker = client.worker(sc).await.unwrap();
    let domain = client.ledger().domain();
    let id = task_id(&domain, client.address(), sender_nonce);
    let context = TaskContext { domain, sc, epoch: worker.epoch, task_id: id };
    let mut rng = UnwrapErr(getrandom::SysRng);
    let (sealed, _) = seal_task(&mut rng, &context, &worker.input_key, "count()", &[]).unwrap();
    TaskInput {
        task_id: id,
        sc,
        epoch: worker.epoch,
        suite: SUITE_X25519,
        encrypted_fn: sealed.encrypted_fn,
        encrypted_args: sealed.encrypted_args,
        user_dh_key: sealed.user_dh_key.to_vec(),
        pre_code: None,
    }
}

async fn record(client: &Client, input: &TaskInput, inputs_hash: Hash) {
    let sender_nonce = client.ledger().account().await.unwrap().sender_nonce;
    let request = RecordRequest {
        epoch: input.epoch,
        sender_nonce,
        target: RecordTarget::Call(input.sc),
        inputs_hash,
        gas_limit: 1_000_000,
        gas_price: 1,
    };
    let recorded = client.ledger().record(&request).await.unwrap();
    assert_eq!(recorded.task_id, input.task_id);
}

async fn send(client: &Client, input: &TaskInput) -> Result<TaskStatus, NodeError> {
    client.node().call("sendTaskInput", &TaskInputJson::from(input)).await
}

async fn wait_for_result(client: &Client, input: &TaskInput) -> TaskResult {
    let params = TaskParams { task_id: Hex0x(input.task_id) };
    let mut answer = None;
    eventually("there is a result", async || {
        let result: TaskResult = client.node().call("getTaskResult", &params).await.unwrap();
        let there = result.result.is_some();
        answer = Some(result);
        there
    })
    .await;
    answer.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_are_not_the_recorded_ones_are_refused() {
    let network = Network::start().await;
    let (alice, mallory) = (network.client(0).await, network.client(1).await);
    let sc = deploy(&alice, "misbehaving").await;

    // Changed on the way: the node refuses it, and the true one is still taken.
    let nonce = alice.ledger().account().await.unwrap().sender_nonce;
    let input = seal(&alice, sc, nonce).await;
    record(&alice, &input, input.inputs_hash()).await;
    eventually("the node sees the record", async || {
        let params = TaskParams { task_id: Hex0x(input.task_id) };
        let status: TaskStatus = alice.node().call("getTaskStatus", &params).await.unwrap();
        status.state == TaskState::Recorded
    })
    .await;
    let mut tampered = input.clone();
    tampered.encrypted_args[20] ^= 1;
    match send(&mallory, &tampered).await {
        Err(NodeError::Refused(error)) => assert_eq!(error.code, codes::INPUT_MISMATCH),
        other => panic!("a tampered input was taken: {other:?}"),
    }
    send(&alice, &input).await.unwrap();
    let result = wait_for_result(&alice, &input).await.result.unwrap();
    assert_eq!(result.receipt.status, Status::Success as u8);

    // Alice's ciphertext under Mallory's name: recorded, but it does not open, and Mallory learns nothing.
    let stolen_id = task_id(&mallory.ledger().domain(), mallory.address(), 0);
    let stolen = TaskInput { task_id: stolen_id, ..input.clone() };
    record(&mallory, &stolen, stolen.inputs_hash()).await;
    send(&mallory, &stolen).await.unwrap();
    let result = wait_for_result(&mallory, &stolen).await.result.unwrap();
    assert_eq!(result.receipt.status, Status::Undecryptable as u8);
    assert_eq!(result.receipt.gas_used.0, MINIMUM_GAS);
    assert_eq!((result.encrypted_output.0.len(), result.receipt.tip), (0, result.receipt.previous_tip));

    // Tampered before it was recorded: the same.
    let mut broken = seal(&mallory, sc, 1).await;
    broken.encrypted_fn[3] ^= 1;
    record(&mallory, &broken, broken.inputs_hash()).await;
    send(&mallory, &broken).await.unwrap();
    let result = wait_for_result(&mallory, &broken).await.result.unwrap();
    assert_eq!(result.receipt.status, Status::Undecryptable as u8);

    // Nothing of this counted, and the contract goes on.
    let output = outcome(&alice, sc, "count()", &[]).await.into_success().unwrap();
    assert_eq!(abi::decode("uint256", &output).unwrap(), ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_is_reported_at_once_and_comes_back() {
    let mut network = Network::start().await;
    let client = network.client(0).await;
    let sc = deploy(&client, "misbehaving").await;
    network.kill_worker();
    let stranger = network.client(1).await;
    eventually("the user node notices", async || {
        let asked = tokio::time::timeout(Duration::from_secs(20), stranger.worker(ScAddress([7; 32]))).await;
        matches!(asked.unwrap(), Err(TaskError::Node(NodeError::Refused(error))) if error.code == codes::WORKER_OFFLINE)
    })
    .await;
    network.restart_worker();
    eventually("the worker is back", async || stranger.worker(ScAddress([8; 32])).await.is_ok()).await;
    outcome(&client, sc, "count()", &[]).await.into_success().unwrap();
}
