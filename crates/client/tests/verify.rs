//! What stands between a user's data and anybody's machine: every check of a worker and of a result, and its refusal.

use enigma_attestation::{Claims, EvidenceError, Policy, Purpose, Role, simulation};
use enigma_client::{
    PreparedTask, Task,
    verify::{Expectation, ResultRefused, WorkerRefused, verify_result, verify_worker},
};
use enigma_protocol::{
    Address, Domain, Hash, ScAddress, TaskId,
    hash::keccak256,
    ipc::input_key_message,
    json::{Hex0x, ReceiptJson, U64, U128},
    receipt::{Receipt, Status},
    rpc::{ComputedTask, TaskInputJson, WorkerKey},
    selection::{EpochParameters, InvalidSelection, WorkerStake, WorkerTree},
    signature::{InvalidSignature, Purpose as SigningPurpose, SecretKey},
    task::TaskInput,
};

const MEASUREMENT: Hash = Hash([0x11; 32]);
const CONFIG: Hash = Hash([0x22; 32]);
const SC: ScAddress = ScAddress([0x33; 32]);
const INPUT_KEY: Hash = Hash([0x44; 32]);
const DOMAIN: Domain = Domain { chain_id: 31337, enigma: Address([0x55; 20]) };
const NOW_S: u64 = 1_800_000_000;

fn worker_key() -> SecretKey {
    SecretKey::from_bytes(&[7; 32]).unwrap()
}

fn tree() -> WorkerTree {
    let mut workers: Vec<_> =
        [worker_key().address(), Address([1; 20])].map(|signer| WorkerStake { signer, stake: 50 }).into();
    workers.sort_by_key(|worker| worker.signer);
    WorkerTree::new(workers).unwrap()
}

/// An epoch whose seed selects our worker for [`SC`].
fn epoch() -> EpochParameters {
    let tree = tree();
    (0..=255)
        .map(|byte| EpochParameters {
            epoch: 9,
            seed: Hash([byte; 32]),
            workers_root: tree.root(),
            total_stake: tree.total_stake(),
        })
        .find(|epoch| {
            let selected = tree.select(epoch.ticket(SC, 0).unwrap(), 0).unwrap();
            selected.worker.signer == worker_key().address()
        })
        .unwrap()
}

fn evidence(
    platform: &simulation::Platform,
    config: Hash,
    role: Role,
    signer: Address,
    purpose: &Purpose<'_>,
) -> Vec<u8> {
    platform.attest(&Claims::new(config, role, signer, purpose, Hash([9; 32])))
}

fn platform() -> simulation::Platform {
    simulation::Platform::from_secret([3; 32], MEASUREMENT, simulation::Validity::DEVELOPMENT).unwrap()
}

fn purpose() -> Purpose<'static> {
    Purpose::InputKey { sc: SC, epoch: 9, suite: 1, public_key: INPUT_KEY }
}

fn sign(key: &SecretKey, domain: &Domain, input_key: &Hash) -> Hex0x<enigma_protocol::signature::Signature> {
    let evidence = evidence(&platform(), CONFIG, Role::Worker, worker_key().address(), &purpose());
    let message = input_key_message(SC, 9, 1, input_key, &evidence, &[]);
    Hex0x(key.sign(SigningPurpose::InputKey.digest(domain, 9, &message)))
}

fn honest() -> WorkerKey {
    let epoch = epoch();
    let selection = tree().select(epoch.ticket(SC, 0).unwrap(), 0).unwrap();
    let signer = worker_key().address();
    WorkerKey {
        sc: Hex0x(SC),
        epoch: U64(9),
        suite: 1,
        worker_encryption_key: Hex0x(INPUT_KEY),
        worker_sig: sign(&worker_key(), &DOMAIN, &INPUT_KEY),
        signer: Hex0x(signer),
        evidence: Hex0x(evidence(&platform(), CONFIG, Role::Worker, signer, &purpose())),
        rank: 0,
        stake: U128(selection.worker.stake),
        path: selection.path.iter().map(Into::into).collect(),
    }
}

fn check(key: &WorkerKey, policy: &Policy) -> Result<(), WorkerRefused> {
    let epoch = epoch();
    let expectation = Expectation {
        domain: DOMAIN,
        sc: SC,
        epoch: &epoch,
        config_hash: CONFIG,
        policy,
        user_pub_key: &[],
        now_s: NOW_S,
    };
    let verified = verify_worker(key, &expectation)?;
    assert_eq!((verified.input_key, verified.signer), (INPUT_KEY.0, worker_key().address()));
    Ok(())
}

fn devnet() -> Policy {
    Policy::development([MEASUREMENT])
}

#[test]
fn an_honest_worker_is_accepted_on_a_devnet_only() {
    assert_eq!(check(&honest(), &devnet()), Ok(()));
    assert!(matches!(check(&honest(), &Policy::production([MEASUREMENT])), Err(WorkerRefused::Evidence(_))));
    assert!(matches!(check(&honest(), &Policy::development([])), Err(WorkerRefused::Evidence(_))));
}

#[test]
fn an_input_key_that_the_evidence_does_not_bind_is_refused() {
    // The host swaps in a key of its own, even with a signature that the enclave might have been tricked into.
    let own = Hash([0x66; 32]);
    let swapped =
        WorkerKey { worker_encryption_key: Hex0x(own), worker_sig: sign(&worker_key(), &DOMAIN, &own), ..honest() };
    assert!(matches!(check(&swapped, &devnet()), Err(WorkerRefused::Evidence(_))));
    let signer = worker_key().address();
    let key = [0x44; 32];
    let others: [Purpose<'_>; 5] = [
        Purpose::InputKey { sc: ScAddress([1; 32]), epoch: 9, suite: 1, public_key: INPUT_KEY },
        Purpose::InputKey { sc: SC, epoch: 8, suite: 1, public_key: INPUT_KEY },
        Purpose::InputKey { sc: SC, epoch: 9, suite: 2, public_key: INPUT_KEY },
        Purpose::PttKey(&key),
        Purpose::Registration { operator: Address([1; 20]) },
    ];
    for other in others {
        let key =
            WorkerKey { evidence: Hex0x(evidence(&platform(), CONFIG, Role::Worker, signer, &other)), ..honest() };
        assert!(matches!(check(&key, &devnet()), Err(WorkerRefused::Evidence(_))), "{other:?}");
    }
}

#[test]
fn evidence_of_another_root_network_role_or_signer_is_refused() {
    let signer = worker_key().address();
    let other_root = SecretKey::from_bytes(&[8; 32]).unwrap();
    let validity = simulation::Validity::DEVELOPMENT;
    let forged = simulation::Platform::certified_by(&other_root, [3; 32], MEASUREMENT, validity).unwrap();
    let other_code = simulation::Platform::from_secret([3; 32], Hash([0x12; 32]), validity).unwrap();
    let cases = [
        evidence(&forged, CONFIG, Role::Worker, signer, &purpose()),
        evidence(&other_code, CONFIG, Role::Worker, signer, &purpose()),
        evidence(&platform().with_debug(), CONFIG, Role::Worker, signer, &purpose()),
        evidence(&platform(), Hash([0x23; 32]), Role::Worker, signer, &purpose()),
        evidence(&platform(), CONFIG, Role::KeyManager, signer, &purpose()),
        evidence(&platform(), CONFIG, Role::Worker, Address([9; 20]), &purpose()),
        Vec::new(),
    ];
    for bytes in cases {
        let key = WorkerKey { evidence: Hex0x(bytes), ..honest() };
        assert!(matches!(check(&key, &devnet()), Err(WorkerRefused::Evidence(_))));
    }
    let unknown_root =
        WorkerKey { evidence: Hex0x(evidence(&forged, CONFIG, Role::Worker, signer, &purpose())), ..honest() };
    let error = check(&unknown_root, &devnet()).unwrap_err();
    assert!(matches!(error, WorkerRefused::Evidence(EvidenceError::UnknownRoot { .. })), "{error:?}");
}

#[test]
fn another_worker_than_the_selected_one_is_refused() {
    let epoch = epoch();
    let other_ticket = (epoch.ticket(SC, 0).unwrap() + 50) % 100;
    let other = tree().select(other_ticket, 0).unwrap();
    let key = WorkerKey {
        signer: Hex0x(other.worker.signer),
        stake: U128(other.worker.stake),
        path: other.path.iter().map(Into::into).collect(),
        ..honest()
    };
    assert_eq!(check(&key, &devnet()), Err(WorkerRefused::NotSelected(InvalidSelection::NotSelected)));
    let richer = WorkerKey { stake: U128(100), ..honest() };
    assert_eq!(check(&richer, &devnet()), Err(WorkerRefused::NotSelected(InvalidSelection::Root)));
    let later = WorkerKey { epoch: U64(10), ..honest() };
    assert_eq!(check(&later, &devnet()), Err(WorkerRefused::OtherTask));
    let downgraded = WorkerKey { suite: 0, ..honest() };
    assert_eq!(check(&downgraded, &devnet()), Err(WorkerRefused::Suite(0)));
}

#[test]
fn a_key_signed_by_anyone_else_or_for_another_network_is_refused() {
    let other_chain = Domain { chain_id: 1, ..DOMAIN };
    let other_contract = Domain { enigma: Address([0x56; 20]), ..DOMAIN };
    for worker_sig in [
        sign(&SecretKey::from_bytes(&[6; 32]).unwrap(), &DOMAIN, &INPUT_KEY),
        sign(&worker_key(), &other_chain, &INPUT_KEY),
        sign(&worker_key(), &other_contract, &INPUT_KEY),
        sign(&worker_key(), &DOMAIN, &Hash([0x45; 32])),
    ] {
        let key = WorkerKey { worker_sig, ..honest() };
        assert_eq!(check(&key, &devnet()), Err(WorkerRefused::KeySignature(InvalidSignature)));
    }
}

fn task() -> Task {
    let json = serde_json::json!({
        "taskId": Hex0x(TaskId([1; 32])), "sc": Hex0x(SC), "epoch": 9, "inputsHash": Hex0x(Hash([2; 32])),
        "worker": Hex0x(worker_key().address()), "recordIndex": 4, "recordGasUsed": 0,
        "responseKey": Hex0x(vec![0; 64]),
    });
    Task::from_secret_json(&json.to_string()).unwrap()
}

fn receipt() -> Receipt {
    Receipt {
        task_id: TaskId([1; 32]),
        sc: SC,
        record_index: 4,
        delta_index: 2,
        epoch: 9,
        rank: 0,
        generation: 0,
        exe_code_hash: Hash([3; 32]),
        inputs_hash: Hash([2; 32]),
        previous_tip: Hash([4; 32]),
        tip: Hash([5; 32]),
        output_hash: keccak256(b"sealed"),
        gas_used: 10_000,
        status: Status::Success,
        call_target: Address::ZERO,
        call_data_hash: Hash::ZERO,
        call_gas: 0,
        pay_to: Address::ZERO,
        pay_amount: 0,
    }
}

fn computed(receipt: &Receipt, key: &SecretKey, domain: &Domain) -> ComputedTask {
    ComputedTask {
        receipt: ReceiptJson::from(receipt),
        signature: Hex0x(key.sign(receipt.digest(domain))),
        encrypted_output: Hex0x(b"sealed".to_vec()),
    }
}

#[test]
fn only_the_verified_workers_receipt_of_this_task_is_taken() {
    let (task, key) = (task(), worker_key());
    let check = |computed: &ComputedTask| verify_result(&DOMAIN, &task, computed).map(drop);
    assert_eq!(check(&computed(&receipt(), &key, &DOMAIN)), Ok(()));

    let other_key = SecretKey::from_bytes(&[6; 32]).unwrap();
    let forged = Err(ResultRefused::Signature(InvalidSignature));
    assert_eq!(check(&computed(&receipt(), &other_key, &DOMAIN)), forged);
    assert_eq!(check(&computed(&receipt(), &key, &Domain { chain_id: 1, ..DOMAIN })), forged);
    assert_eq!(check(&computed(&receipt(), &key, &Domain { enigma: Address([0; 20]), ..DOMAIN })), forged);

    let others = [
        (Receipt { task_id: TaskId([9; 32]), ..receipt() }, "task"),
        (Receipt { sc: ScAddress([9; 32]), ..receipt() }, "contract"),
        (Receipt { epoch: 8, ..receipt() }, "epoch"),
        (Receipt { inputs_hash: Hash([9; 32]), ..receipt() }, "input"),
        (Receipt { record_index: 5, ..receipt() }, "record"),
    ];
    for (other, what) in others {
        assert_eq!(check(&computed(&other, &key, &DOMAIN)), Err(ResultRefused::Other(what)));
    }
    let mut changed = computed(&receipt(), &key, &DOMAIN);
    changed.receipt.status = 1;
    assert_eq!(check(&changed), forged);
    changed = computed(&receipt(), &key, &DOMAIN);
    changed.encrypted_output = Hex0x(b"other".to_vec());
    assert_eq!(check(&changed), Err(ResultRefused::Output));
}

#[test]
fn a_task_survives_its_process() {
    let again = Task::from_secret_json(&task().to_secret_json()).unwrap();
    assert_eq!((again.id(), again.sc(), again.epoch()), (task().id(), SC, 9));
    assert!(Task::from_secret_json("{}").is_none());

    // Before its record it has its input and no place in a queue, and the two are not taken for one another.
    let input = TaskInput {
        task_id: TaskId([1; 32]),
        sc: SC,
        epoch: 9,
        suite: 1,
        encrypted_fn: vec![1; 528],
        encrypted_args: vec![2; 528],
        user_dh_key: vec![3; 32],
        pre_code: None,
    };
    let json = serde_json::json!({
        "input": TaskInputJson::from(&input), "worker": Hex0x(worker_key().address()), "responseKey": Hex0x(vec![0; 64]),
    });
    let prepared = PreparedTask::from_secret_json(&json.to_string()).unwrap();
    assert!(PreparedTask::from_secret_json(&task().to_secret_json()).is_none());
    assert!(Task::from_secret_json(&prepared.to_secret_json()).is_none());
    let again = PreparedTask::from_secret_json(&prepared.to_secret_json()).unwrap();
    assert_eq!((again.id(), again.inputs_hash()), (input.task_id, input.inputs_hash()));
}
