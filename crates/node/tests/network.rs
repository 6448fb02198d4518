//! Whole networks of minds on one thread: what must work, and what must not be disturbed by whom.

mod support;

use enigma_node::{
    Config, Event, Input, LedgerEvent, Node, Output, PeerId, RestoreError, Role,
    limits::{MAX_HELD_PER_TASK, MAX_PEERS_PER_SIGNER, RESEND_MS, SUBMIT_TIMEOUT_MS},
    message::{Hello, InputKey, KeyRequest, Message, Outcome, PeerRole},
};
use enigma_protocol::{
    Address, Domain, Hash, ScAddress, TaskId,
    json::{Hex0x, U64},
    receipt::Status,
    record::Record,
    rpc::{Request, Response, TaskState, WorkerKeyParams, codes},
    signature::Signature,
    task::TaskInput,
};
use support::{
    ALICE, Disorder, MANAGER, Network, USER, WORKER,
    cores::{DOMAIN, key},
    peer,
};

fn confirmed(network: &mut Network, input: &TaskInput) {
    assert_eq!(network.state(input.task_id), TaskState::Confirmed);
    let result = network.result(input.task_id).result.expect("a confirmed task has a result");
    assert_eq!(result.receipt.status, Status::Success as u8);
    assert_eq!(result.receipt.inputs_hash.0, input.inputs_hash());
}

fn stranger(name: &str) -> PeerId {
    PeerId(name.into())
}

fn connect_stranger(network: &mut Network, host: usize, name: &str, role: PeerRole, signer: Option<Address>) {
    network.push(host, Input::PeerConnected(stranger(name)));
    network.push(host, Input::Peer(stranger(name), Message::Hello(Hello { role, signer })));
    network.settle();
}

#[test]
fn a_deployment_and_a_call_are_confirmed() {
    let mut network = Network::started();
    let deployment = network.deployment(0);
    let sc = deployment.sc;
    let key_of_worker = network.key(sc, 1).unwrap();
    assert_eq!(key_of_worker.signer.0, key(1).address());
    let parameters = network.ledger.epochs[0].0.clone();
    assert_eq!(key_of_worker.selection().verify(&parameters, sc), Ok(()));

    network.record_one(&deployment);
    network.settle();
    assert_eq!(network.state(deployment.task_id), TaskState::Recorded);
    assert_eq!(network.send_input(&deployment), Ok(TaskState::Queued));
    network.run_until(network.now + 150);
    assert_eq!(network.state(deployment.task_id), TaskState::Computed);
    network.run();
    confirmed(&mut network, &deployment);

    let call = network.call(sc, 0);
    assert_eq!(network.state(call.task_id), TaskState::Unknown);
    assert_eq!(network.send_input(&call), Ok(TaskState::Submitted));
    network.record_one(&call);
    network.settle();
    assert_eq!(network.state(call.task_id), TaskState::Computed, "a call of a known contract waits for nothing");
    network.run();
    confirmed(&mut network, &call);
    assert_eq!(network.ledger.batches, [1, 1]);
    assert_eq!(network.worker_core.executions, 2);
    network.assert_calm();
}

#[test]
fn a_node_tells_what_it_is() {
    let mut network = Network::started();
    let info = network.info(USER);
    assert_eq!((info.role.as_str(), info.epoch.0, info.signer), ("user", 1, None));
    assert_eq!(info.block_number.0, network.ledger.next_number() - 1);
    assert_eq!(info.peers.len(), 2);
    let info = network.info(WORKER);
    assert_eq!((info.role.as_str(), info.signer.unwrap().0), ("worker", key(1).address()));
    assert_eq!(network.info(MANAGER).role, "km");
}

#[test]
fn two_tasks_in_one_transaction_are_one_batch() {
    let mut network = Network::started();
    let sc = network.deploy();
    let inputs = [network.call(sc, 0), network.call(sc, 1)];
    network.record(&inputs);
    // The second comes first and waits for its turn.
    network.send_input(&inputs[1]).unwrap();
    network.run();
    assert_eq!(network.state(inputs[1].task_id), TaskState::Queued);
    network.send_input(&inputs[0]).unwrap();
    network.run();
    for input in &inputs {
        confirmed(&mut network, input);
    }
    assert_eq!(network.ledger.batches, [1, 2]);
}

#[test]
fn a_batch_ends_where_a_transaction_ends() {
    let mut network = Network::started();
    let sc = network.deploy();
    let inputs: Vec<_> = (0..3).map(|ahead| network.call(sc, ahead)).collect();
    network.record(&inputs[..1]);
    network.record(&inputs[1..]);
    for input in &inputs[..2] {
        network.send_input(input).unwrap();
    }
    network.run();
    confirmed(&mut network, &inputs[0]);
    assert_eq!(network.state(inputs[1].task_id), TaskState::Computed, "its transaction has another record");
    network.send_input(&inputs[2]).unwrap();
    network.run();
    confirmed(&mut network, &inputs[2]);
    assert_eq!(network.ledger.batches, [1, 1, 2]);
    network.assert_calm();
}

#[test]
fn contracts_do_not_wait_for_each_other() {
    let mut network = Network::started();
    let (one, other) = (network.deploy(), network.deploy());
    let inputs = [network.call(one, 0), network.call(other, 1)];
    network.record(&inputs[..1]);
    network.record(&inputs[1..]);
    network.send_input(&inputs[1]).unwrap();
    network.run();
    confirmed(&mut network, &inputs[1]);
    assert_eq!(network.state(inputs[0].task_id), TaskState::Recorded);
}

/// One life of the network, such that a client that repeats itself gets through whatever dies.
fn story(network: &mut Network) -> Vec<TaskInput> {
    network.join_worker();
    for _ in 0..20 {
        network.run();
    }
    assert_eq!(network.ledger.epoch(), 1);
    let deployment = network.deployment(0);
    assert!((0..20).any(|_| network.key(deployment.sc, 1).is_ok()), "a client that asks again gets a key");
    network.send_input(&deployment).unwrap();
    network.record_one(&deployment);
    network.run();
    let calls = [network.call(deployment.sc, 0), network.call(deployment.sc, 1)];
    network.record(&calls);
    for call in &calls {
        network.send_input(call).unwrap();
    }
    network.run_until(network.now + 2 * RESEND_MS);
    // Ethereum goes on, and the next epoch comes.
    network.mine_empty(25);
    network.run_until(network.now + 2 * RESEND_MS);
    [deployment].into_iter().chain(calls).collect()
}

fn assert_ended_well(network: &mut Network, inputs: &[TaskInput]) {
    for input in inputs {
        confirmed(network, input);
    }
    assert_eq!(network.ledger.epoch(), 2);
    assert_eq!(network.manager_core.signed.len(), 2);
}

#[test]
fn a_crash_before_any_output_changes_nothing() {
    for host in [USER, WORKER, MANAGER] {
        let mut undisturbed = Network::new();
        let inputs = story(&mut undisturbed);
        let outputs = undisturbed.hosts[host].performed;
        assert_ended_well(&mut undisturbed, &inputs);
        undisturbed.assert_calm();
        assert!(outputs > 20, "the story is too short: {outputs}");
        for crash_at in 0..outputs {
            let mut network = Network::new();
            network.hosts[host].crash_at = Some(crash_at);
            let inputs = story(&mut network);
            assert!(network.hosts[host].crash_at.is_none(), "host {host} did not get to {crash_at}");
            assert_ended_well(&mut network, &inputs);
            assert_eq!(network.worker_core.executions, 3, "host {host} crashed before {crash_at}");
        }
    }
}

#[test]
fn a_core_that_dies_at_any_request_changes_nothing() {
    for host in [WORKER, MANAGER] {
        let mut undisturbed = Network::new();
        story(&mut undisturbed);
        let requests = undisturbed.hosts[host].asked;
        assert!(requests > 8, "the story is too short: {requests}");
        for request in 1..=requests {
            let mut network = Network::new();
            network.hosts[host].core_dies_at = Some(request);
            let inputs = story(&mut network);
            assert!(network.hosts[host].core_dies_at.is_none(), "host {host} did not get to {request}");
            assert_ended_well(&mut network, &inputs);
        }
    }
}

#[test]
fn questions_outlive_the_core_they_were_put_to() {
    for host in [WORKER, MANAGER] {
        let mut network = Network::started();
        network.hosts[host].core_dies_at = Some(network.hosts[host].asked + 1);
        let now = network.now;
        assert!(network.key(ScAddress([4; 32]), 1).is_ok());
        assert_eq!(network.now, now, "the core came back at once, and so did the answer");
        assert!(network.hosts[host].core_dies_at.is_none());
    }
}

#[test]
fn keys_that_do_not_come_are_asked_for_again_but_not_all_the_time() {
    let mut network = Network::started();
    network.worker_core.empty_answers = 8;
    let input = network.deployment(0);
    network.record_one(&input);
    network.send_input(&input).unwrap();
    network.settle();
    assert!(network.worker_core.ptt_requests < 3, "one at once, the next later");
    network.run_until(network.now + 60_000);
    confirmed(&mut network, &input);
}

#[test]
fn a_request_for_keys_waits_until_its_block_is_known() {
    let mut network = Network::started();
    network.run();
    network.manager_core.refused_views = 3;
    let input = network.deployment(0);
    network.record_one(&input);
    network.send_input(&input).unwrap();
    network.run();
    confirmed(&mut network, &input);
    let failed = |event: &Event| matches!(event, Event::KeyExchangeFailed { .. });
    assert!(!network.hosts[WORKER].events.iter().any(failed), "the worker asked once and waited");
}

#[test]
fn tasks_of_other_workers_are_left_to_them() {
    let mut network = Network::new();
    let other = key(9).address();
    network.mine(vec![
        LedgerEvent::WorkerStaked { signer: other, stake: 100 },
        LedgerEvent::WorkerLoggedIn { signer: other },
    ]);
    network.join_worker();
    network.run();
    let (mut mine, mut others) = (0, 0);
    for _ in 0..12 {
        let input = network.deployment(0);
        match network.key(input.sc, network.ledger.epoch()) {
            Ok(found) => {
                assert_eq!(found.signer.0, key(1).address());
                mine += 1;
            }
            Err(error) => {
                assert_eq!(error.code, codes::WORKER_OFFLINE);
                others += 1;
            }
        }
        network.record_one(&input);
        network.send_input(&input).unwrap();
        // Even when somebody hands the input to this worker.
        network.push(WORKER, Input::Peer(peer(USER), Message::Input(input)));
        network.run();
    }
    assert!(mine > 0 && others > 0, "half of the stake each");
    assert_eq!((network.worker_core.executions, network.ledger.batches.len()), (mine, mine));
}

#[test]
fn blocks_of_the_past_are_history() {
    let mut network = Network::started();
    let next = network.hosts[USER].node.next_block();
    assert_eq!(next, network.ledger.next_number());
    for block in network.ledger.blocks.clone() {
        network.push(USER, Input::Ledger(block));
        network.settle();
        assert_eq!(network.hosts[USER].node.next_block(), next);
    }
}

#[test]
fn everything_twice_changes_nothing() {
    let mut network = Network::new();
    network.duplicate = true;
    let inputs = story(&mut network);
    assert_ended_well(&mut network, &inputs);
    assert_eq!(network.ledger.batches.iter().sum::<usize>(), 3);
}

#[test]
fn order_and_loss_between_peers_do_not_matter() {
    for seed in 0..60 {
        let mut network = Network::new();
        network.disorder = Some(Disorder { state: seed, lost_percent: seed % 4 * 10 });
        let inputs = story(&mut network);
        network.disorder = None;
        network.run_until(network.now + 3 * RESEND_MS);
        for input in &inputs {
            // The client asks, and asks again when the answer was lost.
            network.result(input.task_id);
        }
        network.run();
        assert_ended_well(&mut network, &inputs);
    }
}

#[test]
fn a_core_that_dies_is_given_its_keys_and_tasks_again() {
    let mut network = Network::started();
    let sc = network.deploy();
    let exchanges = network.worker_core.ptt_requests;
    network.core_lost(WORKER);
    network.settle();
    let call = network.call(sc, 0);
    network.record_one(&call);
    network.send_input(&call).unwrap();
    network.run();
    assert_eq!(network.state(call.task_id), TaskState::Queued);
    network.core_back(WORKER);
    network.run();
    confirmed(&mut network, &call);
    assert!(network.worker_core.ptt_requests > exchanges, "its keys were in memory only");
}

#[test]
fn a_key_managers_core_that_dies_is_told_everything_again() {
    let mut network = Network::started();
    let sc = network.deploy();
    network.core_lost(MANAGER);
    network.core_lost(WORKER);
    network.settle();
    network.core_back(WORKER);
    let call = network.call(sc, 0);
    network.record_one(&call);
    network.send_input(&call).unwrap();
    network.run();
    assert_eq!(network.state(call.task_id), TaskState::Queued, "nobody has the keys");
    network.core_back(MANAGER);
    network.run_until(network.now + 60_000);
    confirmed(&mut network, &call);
}

#[test]
fn a_task_recorded_while_keys_are_fetched_is_executed() {
    let mut network = Network::started();
    network.disconnect(WORKER, MANAGER);
    let deployment = network.deployment(0);
    network.send_input(&deployment).unwrap();
    network.record_one(&deployment);
    network.run();
    assert_eq!(network.state(deployment.task_id), TaskState::Queued);
    assert!(network.hosts[WORKER].events.iter().any(|event| matches!(event, Event::KeyExchangeFailed { .. })));
    network.connect(WORKER, MANAGER);
    network.run();
    confirmed(&mut network, &deployment);
}

#[test]
fn failures_of_the_core_are_tried_again() {
    for (code, patience_ms) in [(20, 2_000), (21, 2_000), (14, 70_000), (1, 70_000)] {
        let mut network = Network::started();
        let sc = network.deploy();
        network.worker_core.failures = vec![code; 2];
        let call = network.call(sc, 0);
        network.record_one(&call);
        network.send_input(&call).unwrap();
        network.run_until(network.now + 50);
        assert_eq!(network.state(call.task_id), TaskState::Queued);
        network.run_until(network.now + 2 * patience_ms);
        confirmed(&mut network, &call);
    }
}

#[test]
fn a_core_that_lost_its_store_executes_again_what_is_open() {
    for learns_from_batch in [true, false] {
        let mut network = Network::started();
        network.ledger.failures = 1_000;
        let deployment = network.deployment(0);
        network.record_one(&deployment);
        network.send_input(&deployment).unwrap();
        network.run();
        assert_eq!(network.state(deployment.task_id), TaskState::Computed);
        network.worker_core.lose_store();
        let mut inputs = vec![deployment];
        if !learns_from_batch {
            let call = network.call(inputs[0].sc, 0);
            network.record_one(&call);
            network.send_input(&call).unwrap();
            network.run_until(network.now + 500);
            assert_eq!(network.state(call.task_id), TaskState::Computed);
            inputs.push(call);
        }
        network.ledger.failures = 0;
        network.run_until(network.now + 120_000);
        for input in inputs {
            confirmed(&mut network, &input);
        }
    }
}

#[test]
fn a_batch_that_fails_is_committed_later() {
    let mut network = Network::started();
    network.ledger.failures = 3;
    let sc = network.deploy();
    assert_eq!(network.ledger.batches, [1]);
    // A batch that was included although the shell could not tell: the second is refused, the event counts.
    let call = network.call(sc, 0);
    network.record_one(&call);
    network.send_input(&call).unwrap();
    network.run();
    network.restart(WORKER);
    network.run();
    confirmed(&mut network, &call);
    assert_eq!(network.ledger.batches, [1, 1]);
}

#[test]
fn a_transaction_that_vanishes_is_made_anew() {
    let mut network = Network::new();
    network.ledger.swallowed = 1;
    network.join_worker();
    network.run_until(network.now + SUBMIT_TIMEOUT_MS / 2);
    assert_eq!(network.ledger.epoch(), 0);
    network.run_until(network.now + SUBMIT_TIMEOUT_MS);
    assert_eq!(network.ledger.epoch(), 1);
    let sc = network.deploy();
    network.ledger.swallowed = 1;
    let call = network.call(sc, 0);
    network.record_one(&call);
    network.send_input(&call).unwrap();
    network.run_until(network.now + SUBMIT_TIMEOUT_MS / 2);
    assert_eq!(network.state(call.task_id), TaskState::Computed);
    network.run_until(network.now + SUBMIT_TIMEOUT_MS);
    confirmed(&mut network, &call);
}

#[test]
fn a_batch_is_committed_when_its_epoch_ends() {
    let mut network = Network::started();
    let sc = network.deploy();
    network.hosts[WORKER].config.batch_age_ms = 3_600_000;
    network.restart(WORKER);
    let call = network.call(sc, 0);
    network.record_one(&call);
    network.send_input(&call).unwrap();
    network.run_until(network.now + 600_000);
    assert_eq!(network.state(call.task_id), TaskState::Computed, "it waits for company");
    network.mine_empty(25);
    network.run();
    assert_eq!(network.ledger.epoch(), 2);
    confirmed(&mut network, &call);
}

#[test]
fn a_question_for_the_next_epoch_waits_for_it() {
    let mut network = Network::started();
    connect_stranger(&mut network, WORKER, "early", PeerRole::User, None);
    let ask = |id, epoch| {
        let request = KeyRequest { id, sc: ScAddress([1; 32]), epoch, user_pub_key: vec![] };
        Input::Peer(stranger("early"), Message::KeyRequest(request))
    };
    network.strangers.clear();
    for (id, epoch) in [(1, 2), (2, 3), (3, 0)] {
        network.push(WORKER, ask(id, epoch));
    }
    network.settle();
    let refused = |message: &Message| matches!(message, Message::KeyReply { id: 2 | 3, result: Err(_) });
    assert!(network.strangers.len() == 2 && network.strangers.iter().all(|(_, message)| refused(message)));
    network.mine_empty(25);
    network.settle();
    assert!(matches!(network.strangers.last(), Some((_, Message::KeyReply { id: 1, result: Ok(_) }))));
}

#[test]
fn a_record_of_the_epoch_before_is_executed_under_its_own_keys() {
    let mut network = Network::started();
    let sc = network.deploy();
    let old = network.call(sc, 0);
    // Both are computed before one is committed.
    network.record_one(&old);
    network.mine_empty(25);
    network.run();
    assert_eq!(network.ledger.epoch(), 2);
    let new = network.call(sc, 0);
    assert_eq!(new.epoch, 2);
    network.record_one(&new);
    network.send_input(&new).unwrap();
    network.run();
    assert_eq!(network.state(new.task_id), TaskState::Queued, "the older record is first");
    network.ledger.failures = 3;
    network.send_input(&old).unwrap();
    network.run();
    for input in [old, new] {
        confirmed(&mut network, &input);
    }
    assert_eq!(network.ledger.batches, [1, 1, 1], "a batch has one epoch");
    network.assert_calm();
}

#[test]
fn bogus_inputs_do_not_block_the_true_one() {
    let mut network = Network::started();
    let sc = network.deploy();
    let call = network.call(sc, 0);
    connect_stranger(&mut network, WORKER, "mallory", PeerRole::User, None);
    let forged = |n: usize| TaskInput { encrypted_args: vec![n as u8; 10], ..call.clone() };
    for n in 0..3 * MAX_HELD_PER_TASK {
        network.push(WORKER, Input::Peer(stranger("mallory"), Message::Input(forged(n))));
        let expected = if n < MAX_HELD_PER_TASK { Ok(TaskState::Submitted) } else { Err(codes::INPUT_CONFLICT) };
        assert_eq!(network.send_input(&forged(n)).map_err(|error| error.code), expected);
    }
    assert_eq!(network.send_input(&call).map_err(|error| error.code), Err(codes::INPUT_CONFLICT));
    network.record_one(&call);
    network.settle();
    assert_eq!(network.state(call.task_id), TaskState::Recorded);
    assert_eq!(network.send_input(&forged(1)).map_err(|error| error.code), Err(codes::INPUT_MISMATCH));
    network.push(WORKER, Input::Peer(stranger("mallory"), Message::Input(forged(1))));
    assert_eq!(network.send_input(&call), Ok(TaskState::Queued));
    network.run();
    confirmed(&mut network, &call);
}

#[test]
fn what_is_held_for_a_peer_goes_with_it() {
    let mut network = Network::started();
    let sc = network.deploy();
    let call = network.call(sc, 0);
    connect_stranger(&mut network, USER, "mallory", PeerRole::User, None);
    connect_stranger(&mut network, WORKER, "mallory", PeerRole::User, None);
    for n in 0..MAX_HELD_PER_TASK {
        let forged = TaskInput { encrypted_args: vec![n as u8; 10], ..call.clone() };
        network.push(WORKER, Input::Peer(stranger("mallory"), Message::Input(forged)));
    }
    let offer = |network: &mut Network| {
        let client = network.ask_later(WORKER, Request::SendTaskInput((&call).into()));
        network.settle();
        network.replies.remove(&client).unwrap().map_err(|error| error.code)
    };
    assert_eq!(offer(&mut network).unwrap_err(), codes::INPUT_CONFLICT);
    network.push(WORKER, Input::PeerGone(stranger("mallory")));
    assert!(offer(&mut network).is_ok());
    // A user node has no use for inputs of peers.
    let forged = TaskInput { encrypted_args: vec![9], ..call.clone() };
    network.push(USER, Input::Peer(stranger("mallory"), Message::Input(forged)));
    assert_eq!(network.state(call.task_id), TaskState::Unknown);
}

#[test]
fn inputs_that_nobody_can_record_are_refused_or_forgotten() {
    let mut network = Network::started();
    let sc = network.deploy();
    let call = network.call(sc, 0);
    let refusal = |network: &mut Network, input: TaskInput| network.send_input(&input).unwrap_err().code;
    assert_eq!(refusal(&mut network, TaskInput { epoch: 9, ..call.clone() }), codes::WRONG_EPOCH);
    assert_eq!(refusal(&mut network, TaskInput { suite: 2, ..call.clone() }), codes::INVALID_PARAMS);
    assert_eq!(refusal(&mut network, TaskInput { user_dh_key: vec![], ..call.clone() }), codes::INVALID_PARAMS);
    assert_eq!(refusal(&mut network, TaskInput { pre_code: Some(vec![]), ..call.clone() }), codes::INVALID_PARAMS);

    assert_eq!(network.send_input(&call), Ok(TaskState::Submitted));
    let held = network.hosts[USER].store.len();
    network.restart(USER);
    assert_eq!(network.state(call.task_id), TaskState::Submitted, "it was stored before it was accepted");
    network.mine_empty(25);
    network.run();
    assert_eq!(network.ledger.epoch(), 2);
    assert_eq!(network.state(call.task_id), TaskState::Unknown);
    assert!(network.hosts[USER].store.len() <= held, "an epoch came, an input went");
}

#[test]
fn a_peer_that_claims_to_be_the_worker_is_found_out() {
    let mut network = Network::started();
    // Its name comes before the true worker's.
    connect_stranger(&mut network, USER, "Mallory", PeerRole::Worker, Some(key(1).address()));
    let params = WorkerKeyParams { sc: Hex0x(ScAddress([9; 32])), epoch: U64(1), user_pub_key: Hex0x(vec![]) };
    let client = network.ask_later(USER, Request::GetWorkerEncryptionKey(params));
    network.disconnect(USER, WORKER);
    network.connect(USER, WORKER);
    network.settle();
    // Only Mallory may have been asked; it answers with a key of its own.
    let asked: Vec<u64> = network
        .strangers
        .iter()
        .filter_map(|(_, message)| match message {
            Message::KeyRequest(request) => Some(request.id),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 1);
    let forged = InputKey {
        worker_encryption_key: Hash([6; 32]),
        worker_sig: Signature([6; 65]),
        signer: key(1).address(),
        evidence: vec![],
    };
    let reply = |id| Input::Peer(stranger("Mallory"), Message::KeyReply { id, result: Ok(forged.clone()) });
    for id in [asked[0], asked[0] + 1, 0] {
        network.push(USER, reply(id));
    }
    network.run();
    match network.replies.remove(&client) {
        Some(Ok(Response::WorkerKey(key))) => {
            assert_ne!(key.worker_encryption_key.0, Hash([6; 32]))
        }
        Some(Err(error)) => assert_eq!(error.code, codes::WORKER_OFFLINE),
        other => panic!("{other:?}"),
    }
    assert!(network.key(ScAddress([9; 32]), 1).is_ok());
}

#[test]
fn peers_that_claim_to_be_the_worker_do_not_crowd_it_out() {
    let mut network = Network::started();
    for n in 0..3 * MAX_PEERS_PER_SIGNER {
        // Their names come before the true worker's.
        let name = format!(" {n}");
        connect_stranger(&mut network, USER, &name, PeerRole::Worker, Some(key(1).address()));
    }
    let sc = ScAddress([9; 32]);
    let got = (0..8).any(|_| network.key(sc, 1).is_ok());
    assert!(got, "everybody is asked in turn");
    let input = network.deployment(0);
    network.record_one(&input);
    network.send_input(&input).unwrap();
    network.run_until(network.now + 300_000);
    confirmed(&mut network, &input);
}

#[test]
fn a_workers_key_with_other_evidence_is_not_passed_on() {
    let mut network = Network::started();
    let sc = ScAddress([9; 32]);
    let genuine = network.key(sc, 1).unwrap();
    // A peer repeats what the worker signed, but for the evidence, which no client would accept.
    network.restart(USER);
    connect_stranger(&mut network, USER, "Mallory", PeerRole::Worker, Some(key(1).address()));
    let params = WorkerKeyParams { sc: Hex0x(sc), epoch: U64(1), user_pub_key: Hex0x(vec![]) };
    let client = network.ask_later(USER, Request::GetWorkerEncryptionKey(params));
    network.disconnect(USER, WORKER);
    network.connect(USER, WORKER);
    network.settle();
    let asked = network.strangers.iter().find_map(|(_, message)| match message {
        Message::KeyRequest(request) => Some(request.id),
        _ => None,
    });
    let replayed = InputKey {
        worker_encryption_key: genuine.worker_encryption_key.0,
        worker_sig: genuine.worker_sig.0,
        signer: genuine.signer.0,
        evidence: b"not evidence".to_vec(),
    };
    let reply = Message::KeyReply { id: asked.unwrap(), result: Ok(replayed) };
    network.push(USER, Input::Peer(stranger("Mallory"), reply));
    network.run();
    if let Some(Ok(Response::WorkerKey(key))) = network.replies.remove(&client) {
        assert_eq!(key.evidence, genuine.evidence);
    }
    assert_eq!(network.key(sc, 1).unwrap().evidence, genuine.evidence, "nothing else is remembered either");
}

#[test]
fn outcomes_that_the_worker_did_not_sign_are_refused() {
    let mut network = Network::started();
    let sc = network.deploy();
    let call = network.call(sc, 0);
    network.record_one(&call);
    network.settle();
    connect_stranger(&mut network, USER, "mallory", PeerRole::Worker, Some(key(3).address()));
    connect_stranger(&mut network, WORKER, "mallory", PeerRole::User, None);
    let deployment = TaskId(sc.0);
    network.push(WORKER, Input::Peer(stranger("mallory"), Message::GetOutcome { task_id: deployment }));
    network.settle();
    let Some((_, Message::Outcome(genuine))) = network.strangers.pop() else { panic!("outcomes are public") };
    let mut forged = genuine.clone();
    forged.receipt.task_id = call.task_id;
    forged.receipt.inputs_hash = call.inputs_hash();
    forged.receipt.record_index = 1;
    let mut signed_by_mallory = forged.clone();
    signed_by_mallory.signature = key(3).sign(forged.receipt.digest(&DOMAIN));
    let sign = |mut outcome: Outcome| {
        outcome.signature = key(1).sign(outcome.receipt.digest(&DOMAIN));
        outcome
    };
    let mut other_output = forged.clone();
    other_output.encrypted_output.push(0);
    let mut other_input = forged.clone();
    other_input.receipt.inputs_hash = Hash([1; 32]);
    let mut other_epoch = forged.clone();
    other_epoch.receipt.epoch = 2;
    let by_worker = [other_output, other_input, other_epoch].map(sign);
    for outcome in [forged, signed_by_mallory, genuine].into_iter().chain(by_worker) {
        network.push(USER, Input::Peer(stranger("mallory"), Message::Outcome(outcome)));
    }
    network.settle();
    assert_eq!(network.state(call.task_id), TaskState::Recorded);
    let refused = network.hosts[USER].events.iter().filter(|event| matches!(event, Event::OutcomeRefused { .. }));
    assert_eq!(refused.count(), 5, "the genuine one concerns a task whose outcome is known");
}

#[test]
fn a_peer_that_claims_to_manage_keys_delays_but_does_not_prevent() {
    let mut network = Network::started();
    connect_stranger(&mut network, WORKER, "Mallory", PeerRole::KeyManager, None);
    let input = network.deployment(0);
    network.record_one(&input);
    network.send_input(&input).unwrap();
    network.settle();
    let (_, request) = network.strangers.pop().expect("Mallory was asked first");
    let Message::PttRequest { id, .. } = request else { panic!("{request:?}") };
    // When it leaves, the next one is asked at once.
    let mut left = Network::started();
    connect_stranger(&mut left, WORKER, "Mallory", PeerRole::KeyManager, None);
    let other = left.deployment(0);
    left.record_one(&other);
    left.send_input(&other).unwrap();
    left.settle();
    left.push(WORKER, Input::PeerGone(stranger("Mallory")));
    left.run_until(left.now + 1_000);
    confirmed(&mut left, &other);
    // An answer from somebody else, one to another request, and one that no enclave signed.
    let answer = |from: &str, id| Input::Peer(stranger(from), Message::PttReply { id, result: Ok(b"forged".to_vec()) });
    connect_stranger(&mut network, WORKER, "Eve", PeerRole::User, None);
    network.push(WORKER, answer("Eve", id));
    network.push(WORKER, answer("Mallory", id + 1));
    network.push(WORKER, answer("Mallory", id));
    network.run_until(network.now + 30_000);
    confirmed(&mut network, &input);
}

#[test]
fn an_unknown_task_and_an_offline_worker_are_answered_at_once() {
    let mut network = Network::started();
    let now = network.now;
    assert_eq!(network.state(TaskId([8; 32])), TaskState::Unknown);
    assert_eq!(network.result(TaskId([8; 32])).result, None);
    network.disconnect(USER, WORKER);
    network.settle();
    assert_eq!(network.key(ScAddress([1; 32]), 1).unwrap_err().code, codes::WORKER_OFFLINE);
    assert_eq!(network.now, now, "nobody waited");
    assert_eq!(network.key(ScAddress([1; 32]), 2).unwrap_err().code, codes::WRONG_EPOCH);
    assert_eq!(network.key(ScAddress([1; 32]), 0).unwrap_err().code, codes::WRONG_EPOCH);
}

#[test]
fn a_client_is_answered_when_worker_or_key_manager_hang() {
    let mut network = Network::started();
    network.disconnect(WORKER, MANAGER);
    assert_eq!(network.key(ScAddress([1; 32]), 1).unwrap_err().code, codes::WORKER_OFFLINE);
    network.connect(WORKER, MANAGER);
    assert!(network.key(ScAddress([1; 32]), 1).is_ok());
    network.core_lost(WORKER);
    assert_eq!(network.key(ScAddress([2; 32]), 1).unwrap_err().code, codes::WORKER_OFFLINE);
    assert!(network.key(ScAddress([1; 32]), 1).is_ok(), "the key of an epoch does not change");
    let mut before = Network::new();
    assert_eq!(before.key(ScAddress([1; 32]), 1).unwrap_err().code, codes::WRONG_EPOCH);
}

#[test]
fn a_lost_outcome_is_asked_for() {
    let mut network = Network::started();
    let sc = network.deploy();
    let call = network.call(sc, 0);
    network.record_one(&call);
    network.send_input(&call).unwrap();
    network.run();
    // A user node with an empty disk follows Ethereum and finds the result when somebody asks for it.
    network.hosts[USER].store.clear();
    network.restart(USER);
    network.settle();
    assert_eq!(network.result(call.task_id).result, None);
    network.settle();
    confirmed(&mut network, &call);
}

#[test]
fn an_epoch_that_does_not_start_is_tried_again_with_the_same_seed() {
    let mut network = Network::new();
    network.ledger.failures = 3;
    network.manager_core.failures = vec![20, 21];
    network.join_worker();
    network.run_until(network.now + 150);
    assert_eq!(network.ledger.epoch(), 0);
    network.restart(MANAGER);
    // Another worker comes too late for this epoch.
    let signer = key(9).address();
    network.run_until(network.now + 350);
    assert_eq!(network.manager_core.signed.len(), 1);
    network.mine(vec![LedgerEvent::WorkerStaked { signer, stake: 1 }, LedgerEvent::WorkerLoggedIn { signer }]);
    network.run_until(network.now + 150);
    network.core_lost(MANAGER);
    network.core_back(MANAGER);
    network.run_until(network.now + 60_000);
    assert_eq!(network.ledger.epoch(), 1);
    assert_eq!(network.manager_core.signed.len(), 1);
    network.deploy();
    let unknown = |event: &Event| matches!(event, Event::EpochWorkersUnknown { .. });
    assert!(!network.hosts.iter().any(|host| host.events.iter().any(unknown)));
}

#[test]
fn a_choice_that_the_core_refuses_is_made_anew() {
    let mut network = Network::new();
    network.manager_core.failures = vec![14];
    network.join_worker();
    network.run();
    assert_eq!(network.ledger.epoch(), 1);
}

#[test]
fn without_workers_there_is_no_epoch() {
    let mut network = Network::new();
    network.mine_empty(30);
    network.run();
    assert_eq!(network.ledger.epoch(), 0);
    network.join_worker();
    network.run();
    let signer = key(1).address();
    network.mine(vec![LedgerEvent::WorkerLoggedOut { signer }]);
    network.mine_empty(30);
    network.run();
    assert_eq!(network.ledger.epoch(), 1, "the epoch goes on");
}

#[test]
fn expired_records_free_the_queue() {
    let mut network = Network::started();
    let sc = network.deploy();
    let lost = network.call(sc, 0);
    network.record_one(&lost);
    network.settle();
    network.ledger.expire(sc);
    network.settle();
    assert_eq!(network.state(lost.task_id), TaskState::Expired);
    assert_eq!(network.send_input(&lost), Ok(TaskState::Expired), "it is not needed any more");
}

#[test]
fn what_is_kept_does_not_grow_with_closed_tasks() {
    let mut network = Network::started();
    let sc = network.deploy();
    let large = |network: &Network| TaskInput { encrypted_args: vec![5; 100_000], ..network.call(sc, 0) };
    for _ in 0..15 {
        let call = large(&network);
        network.record_one(&call);
        network.send_input(&call).unwrap();
        network.run();
        confirmed(&mut network, &call);
    }
    for host in &network.hosts {
        let bytes: usize = host.store.values().map(Vec::len).sum();
        assert!(bytes < 50_000, "inputs of closed tasks are kept: {bytes} bytes");
    }
}

#[test]
fn events_that_contradict_themselves_are_harmless() {
    let mut network = Network::started();
    let record = Record {
        sc: ScAddress([1; 32]),
        sender: ALICE,
        sender_nonce: 0,
        inputs_hash: Hash::ZERO,
        timestamp: 0,
        prevrandao: Hash::ZERO,
        inlined: false,
        gas_limit: 0,
        gas_price: 0,
        value: 0,
        call_gas: 0,
        epoch: 77,
        block_number: 0,
        due: u64::MAX,
        record_index: u64::MAX,
    };
    let (sc, count) = (ScAddress([1; 32]), u64::MAX);
    let task_id = record.task_id(&DOMAIN);
    network.mine(vec![
        LedgerEvent::TaskRecorded {
            task_id: TaskId([1; 32]),
            record: record.clone(),
            pre_code_hash: Hash::ZERO,
            entry: 0,
        },
        LedgerEvent::TaskRecorded { task_id, record: record.clone(), pre_code_hash: Hash::ZERO, entry: u64::MAX },
        LedgerEvent::TaskRecorded { task_id, record, pre_code_hash: Hash::ZERO, entry: u64::MAX },
        LedgerEvent::RecordsExpired { sc, epoch: 0, first_record_index: count, record_count: count },
        LedgerEvent::RecordsExpired { sc, epoch: 0, first_record_index: 0, record_count: count },
        LedgerEvent::WorkerLoggedOut { signer: Address([1; 20]) },
    ]);
    network.settle();
    assert_eq!(network.state(TaskId([1; 32])), TaskState::Unknown);
}

#[test]
fn a_tick_too_early_loses_no_timer() {
    let mut network = Network::started();
    network.deploy();
    let now = network.now;
    let mut node = network.hosts.remove(WORKER).node;
    let mut wake_ups = |now, input| {
        node.handle(now, input);
        let outputs: Vec<_> = std::iter::from_fn(|| node.poll()).collect();
        outputs.iter().filter(|output| matches!(output, Output::WakeAt(at) if *at > now)).count()
    };
    assert_eq!(wake_ups(now, Input::CoreConnected), 0, "it was asked for before");
    assert_eq!(wake_ups(now, Input::Tick), 1);
    assert_eq!(wake_ups(now, Input::Tick), 1);
}

#[test]
fn a_store_of_another_network_or_version_is_refused() {
    let network = Network::started();
    let host = &network.hosts[USER];
    let other = Domain { chain_id: 1, ..DOMAIN };
    let config = Config { domain: other, role: Role::User, ..host.config.clone() };
    assert_eq!(Node::new(config, host.store.clone()).unwrap_err(), RestoreError::OtherNetwork(DOMAIN));
    let mut store = host.store.clone();
    store.insert(vec![0xff], vec![]);
    let error = Node::new(host.config.clone(), store).unwrap_err();
    assert!(matches!(error, RestoreError::UnknownKey { .. }), "{error}");
    for key in host.store.keys() {
        for damaged in [vec![], vec![2], vec![1, 9, 9]] {
            let mut store = host.store.clone();
            store.insert(key.clone(), damaged);
            let error = Node::new(host.config.clone(), store).unwrap_err();
            assert!(matches!(error, RestoreError::Value { .. }), "{error}");
        }
    }
}

#[test]
fn a_key_manager_with_many_contracts_tells_its_core_in_pages() {
    for contracts in [1_000, 2_500] {
        let mut network = Network::started();
        let events = (0..contracts).map(|nonce| {
            let mut record = Record {
                sc: ScAddress::ZERO,
                sender: Address([0xb0; 20]),
                sender_nonce: nonce,
                inputs_hash: Hash::ZERO,
                timestamp: 0,
                prevrandao: Hash::ZERO,
                inlined: false,
                gas_limit: 10_000,
                gas_price: 1,
                value: 0,
                call_gas: 0,
                epoch: 1,
                block_number: 0,
                due: 0,
                record_index: 0,
            };
            let task_id = record.task_id(&DOMAIN);
            record.sc = task_id.into();
            LedgerEvent::TaskRecorded { task_id, record, pre_code_hash: Hash([1; 32]), entry: 1 }
        });
        let events = events.collect();
        network.mine(events);
        network.run();
        network.core_lost(MANAGER);
        network.core_back(MANAGER);
        network.restart(MANAGER);
        network.run();
        network.deploy();
    }
}

#[test]
fn a_worker_serves_clients_too() {
    let mut network = Network::started();
    let input = network.deployment(0);
    let params = WorkerKeyParams { sc: Hex0x(input.sc), epoch: U64(1), user_pub_key: Hex0x(vec![1, 2, 3]) };
    let keys = [USER, WORKER].map(|host| network.ask_later(host, Request::GetEvidence(params.clone())));
    network.record_one(&input);
    let deploy = network.ask_later(WORKER, Request::DeploySecretContract((&input).into()));
    network.run();
    let [one, other] = keys.map(|client| network.replies.remove(&client).unwrap().unwrap());
    assert_eq!(one, other);
    assert!(network.replies.remove(&deploy).unwrap().is_ok());
    assert_eq!(network.state(input.task_id), TaskState::Confirmed);
    let request = Request::GetWorkerEncryptionKey(params);
    let refused = network.ask_later(MANAGER, request);
    network.settle();
    assert_eq!(network.replies.remove(&refused).unwrap().unwrap_err().code, codes::METHOD_NOT_FOUND);
}

#[test]
fn a_peer_introduces_itself_once_for_each_connection() {
    let mut network = Network::started();
    let sc = network.deploy();
    let call = network.call(sc, 0);
    network.record_one(&call);
    network.disconnect(USER, WORKER);
    network.send_input(&call).unwrap();
    let greet = |network: &mut Network| {
        let hello = Hello { role: PeerRole::Worker, signer: Some(key(1).address()) };
        network.push(USER, Input::Peer(stranger("copy"), Message::Hello(hello)));
        network.settle();
        network.strangers.iter().filter(|(_, message)| matches!(message, Message::Input(_))).count()
    };
    network.push(USER, Input::PeerConnected(stranger("copy")));
    assert_eq!(greet(&mut network), 1, "it gets the input that waits for it");
    assert_eq!(greet(&mut network), 1, "but not whenever it likes");
    network.push(USER, Input::PeerConnected(stranger("copy")));
    assert_eq!(greet(&mut network), 2, "it may have been restarted");
}

#[test]
fn a_peer_beyond_the_limit_is_not_talked_to() {
    let mut network = Network::started();
    for n in 0..300 {
        network.push(WORKER, Input::PeerConnected(stranger(&format!("peer {n}"))));
    }
    network.settle();
    let greeted = network.strangers.len();
    assert!(greeted < 300);
    network.push(WORKER, Input::Peer(stranger("peer 299"), Message::GetOutcome { task_id: TaskId([1; 32]) }));
    network.push(WORKER, Input::PeerGone(stranger("peer 299")));
    network.push(WORKER, Input::PeerGone(stranger("peer 0")));
    network.push(WORKER, Input::PeerConnected(stranger("peer 299")));
    network.settle();
    assert_eq!(network.strangers.len(), greeted + 1, "somebody left, so another may come");
    assert!(network.info(WORKER).peers.contains(&"peer 299".to_string()));
    assert!(network.info(WORKER).peers.contains(&peer(USER).to_string()));
}
