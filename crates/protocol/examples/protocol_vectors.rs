//! Prints the test vectors of the protocol: `spec/vectors/ledger.json`.
//!
//! Rust produces them, Solidity and TypeScript check them; `cargo xtask vectors --check` keeps the committed file current.

use enigma_protocol::{
    Address, Domain, Hash, ScAddress,
    config::{KeyManagerConfig, NetworkConfig},
    hash::keccak256,
    ipc::input_key_message,
    json::{Hex0x, ReceiptJson, RecordJson, U128},
    padding::{pad, padme, size_class},
    receipt::{Batch, Receipt, Status, domain_separator, gas_tier},
    record::{Record, queue_genesis, queue_head},
    rpc::{PathStepJson, TaskInputJson},
    sealing::{InputKey, TaskContext, rand_core, seal_task},
    selection::{EpochParameters, WorkerStake, WorkerTree},
    signature::{Purpose, SecretKey},
    state::{EntryHeader, EntryKind, SnapshotPart, StateEntry, genesis_tip},
    task::{SUITE_X25519, TaskInput, task_id},
};
use serde_json::{Value, json};
use std::convert::Infallible;

/// Gives the bytes 1, 2, 3, …: the ephemeral key of the sealing vector.
struct Counting(u8);

impl rand_core::TryRng for Counting {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}
impl rand_core::TryCryptoRng for Counting {}

fn address(byte: u8) -> Address {
    Address([byte; 20])
}

fn hash(byte: u8) -> Hash {
    Hash([byte; 32])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let domain = Domain { chain_id: 31337, enigma: address(0xe1) };
    let key = SecretKey::from_bytes(&[0x42; 32])?;

    let deployment_id = task_id(&domain, address(0xa1), 0);
    let sc = ScAddress::from(deployment_id);
    let deployment = TaskInput {
        task_id: deployment_id,
        sc,
        epoch: 3,
        suite: SUITE_X25519,
        encrypted_fn: vec![1; 528],
        encrypted_args: vec![2; 528],
        user_dh_key: vec![3; 32],
        pre_code: Some(b"\0asm".to_vec()),
    };
    let call_id = task_id(&domain, address(0xa2), u64::MAX);
    let call = TaskInput { task_id: call_id, pre_code: None, ..deployment.clone() };

    let record = |input: &TaskInput, sender, sender_nonce, record_index| Record {
        sc,
        sender,
        sender_nonce,
        inputs_hash: input.inputs_hash(),
        timestamp: 1_800_000_000,
        prevrandao: hash(0x77),
        inlined: false,
        gas_limit: 10_000_000,
        gas_price: 1_000_000_000_000,
        value: 0,
        call_gas: 0,
        epoch: 3,
        block_number: 1234,
        due: 1300 + record_index,
        record_index,
    };
    let records = [record(&deployment, address(0xa1), 0, 0), record(&call, address(0xa2), u64::MAX, 1)];
    let mut head = queue_genesis(sc);
    let heads: Vec<Hash> = records
        .iter()
        .map(|record| {
            head = queue_head(head, record.record_hash(&domain));
            head
        })
        .collect();

    let exe_code_hash = keccak256(b"exe");
    let genesis = genesis_tip(sc, exe_code_hash);
    let entry = StateEntry {
        header: EntryHeader {
            kind: EntryKind::Delta,
            sc,
            generation: 0,
            task_id: deployment_id,
            index: 0,
            previous_tip: genesis,
        },
        nonce: [9; 12],
        ciphertext: vec![8; 40],
    };
    let part = StateEntry {
        header: EntryHeader {
            kind: EntryKind::Snapshot(SnapshotPart { part: 0, parts: 1 }),
            previous_tip: entry.tip(),
            ..entry.header.clone()
        },
        nonce: [7; 12],
        ciphertext: vec![6; 40],
    };
    let receipt = |index: usize, status, previous_tip, tip| Receipt {
        task_id: records[index].task_id(&domain),
        sc,
        record_index: index as u64,
        delta_index: index as u64,
        epoch: 3,
        rank: 0,
        generation: 0,
        exe_code_hash,
        inputs_hash: records[index].inputs_hash,
        previous_tip,
        tip,
        output_hash: keccak256(b"sealed output"),
        gas_used: gas_tier(123_456, 10_000_000),
        status,
        call_target: Address::ZERO,
        call_data_hash: Hash::ZERO,
        call_gas: 0,
        pay_to: Address::ZERO,
        pay_amount: 0,
    };
    let receipts =
        vec![receipt(0, Status::Success, genesis, entry.tip()), receipt(1, Status::Failure, entry.tip(), entry.tip())];
    let batch = Batch { sc, epoch: 3, rank: 0, head, receipts: receipts.clone() };

    let config = NetworkConfig {
        chain_id: domain.chain_id,
        enigma: Hex0x(domain.enigma),
        checkpoint: Hex0x(Hash::ZERO),
        threshold: 2,
        key_managers: [0x11u8, 0x22, 0x33]
            .map(|byte| KeyManagerConfig { signer: Hex0x(address(byte)), commitment: Hex0x(hash(byte)) })
            .into(),
        measurements: Vec::new(),
    };

    let epochs = [1, 2, 3, 5, 8].map(|workers| epoch(&domain, sc, workers));
    let gas_tiers = [0u64, 1, 10_000, 10_001, 123_456, 9_999_999]
        .map(|gas| json!({ "gasUsed": gas, "tier": gas_tier(gas, 10_000_000) }));
    let document = json!({
        "comment": "Printed by `cargo run -p enigma-protocol --example protocol_vectors`; normative, see spec/README.md.",
        "domain": {
            "chainId": domain.chain_id,
            "enigma": Hex0x(domain.enigma),
            "separator": Hex0x(domain_separator(&domain)),
            "networkId": domain.network_id(),
        },
        "taskIds": [
            { "sender": Hex0x(address(0xa1)), "senderNonce": "0", "taskId": Hex0x(deployment_id) },
            { "sender": Hex0x(address(0xa2)), "senderNonce": u64::MAX.to_string(), "taskId": Hex0x(call_id) },
        ],
        "inputs": [input(&deployment), input(&call)],
        "queue": {
            "sc": Hex0x(sc),
            "genesis": Hex0x(queue_genesis(sc)),
            "records": records.iter().zip(&heads).map(|(record, head)| json!({
                "record": RecordJson::from(record),
                "recordHash": Hex0x(record.record_hash(&domain)),
                "head": Hex0x(*head),
            })).collect::<Vec<_>>(),
        },
        "state": {
            "exeCodeHash": Hex0x(exe_code_hash),
            "genesisTip": Hex0x(genesis),
            "entry": Hex0x(entry.to_bytes()),
            "tip": Hex0x(entry.tip()),
            "snapshotPart": Hex0x(part.to_bytes()),
            "snapshotTip": Hex0x(part.tip()),
        },
        "receipts": receipts.iter().map(|receipt| json!({
            "receipt": ReceiptJson::from(receipt),
            "digest": Hex0x(receipt.digest(&domain)),
            "signature": Hex0x(key.sign(receipt.digest(&domain))),
        })).collect::<Vec<_>>(),
        "batch": {
            "sc": Hex0x(batch.sc),
            "epoch": batch.epoch,
            "rank": batch.rank,
            "head": Hex0x(batch.head),
            "digest": Hex0x(batch.digest(&domain)),
            "signer": Hex0x(key.address()),
            "signature": Hex0x(key.sign(batch.digest(&domain))),
        },
        "epochs": epochs,
        "config": { "config": config, "configHash": Hex0x(config.hash()) },
        "signatures": signatures(&domain, &key),
        "padding": padding(),
        "gasTiers": gas_tiers,
        "sealing": sealing(&domain)?,
    });
    println!("{}", serde_json::to_string_pretty(&document)?);
    Ok(())
}

fn input(input: &TaskInput) -> Value {
    json!({
        "input": TaskInputJson::from(input),
        "preCodeHash": Hex0x(input.pre_code_hash()),
        "inputsHash": Hex0x(input.inputs_hash()),
    })
}

/// An epoch of some workers with ascending signers, and the paths of the workers selected for one contract.
fn epoch(domain: &Domain, sc: ScAddress, workers: u8) -> Value {
    let workers: Vec<WorkerStake> = (1..=workers)
        .map(|n| WorkerStake { signer: address(n), stake: u128::from(n) * 1_000_000_000_000_000_000 })
        .collect();
    let list: Vec<Value> =
        workers.iter().map(|worker| json!({ "signer": Hex0x(worker.signer), "stake": U128(worker.stake) })).collect();
    let tree = WorkerTree::new(workers).expect("workers are ascending and have stakes");
    let parameters =
        EpochParameters { epoch: 3, seed: hash(0x5e), workers_root: tree.root(), total_stake: tree.total_stake() };
    let selections: Vec<Value> = (0..3)
        .map(|rank| {
            let ticket = parameters.ticket(sc, rank).expect("there is stake");
            let proof = tree.select(ticket, rank).expect("the ticket is below the total");
            json!({
                "rank": rank,
                "ticket": U128(ticket),
                "signer": Hex0x(proof.worker.signer),
                "stake": U128(proof.worker.stake),
                "path": proof.path.iter().map(PathStepJson::from).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "epoch": parameters.epoch,
        "seed": Hex0x(parameters.seed),
        "workers": list,
        "workersRoot": Hex0x(parameters.workers_root),
        "totalStake": U128(parameters.total_stake),
        "digest": Hex0x(parameters.digest(domain)),
        "selections": selections,
    })
}

fn signatures(domain: &Domain, key: &SecretKey) -> Value {
    let message = input_key_message(ScAddress([4; 32]), 3, SUITE_X25519, &hash(5), &[7; 353], &[6; 32]);
    let purposes = [
        ("inputKey", Purpose::InputKey),
        ("pttRequest", Purpose::PttRequest),
        ("pttResponse", Purpose::PttResponse),
        ("registration", Purpose::Registration),
    ];
    let entries: Vec<Value> = purposes
        .iter()
        .map(|(name, purpose)| {
            let digest = purpose.digest(domain, 3, &message);
            json!({ "purpose": name, "digest": Hex0x(digest), "signature": Hex0x(key.sign(digest)) })
        })
        .collect();
    json!({ "signer": Hex0x(key.address()), "epoch": 3, "message": Hex0x(message), "entries": entries })
}

fn padding() -> Value {
    let sizes =
        [0usize, 1, 508, 509, 600, 1000, 100_000].map(|bytes| json!({ "content": bytes, "class": size_class(bytes) }));
    let padme = [1u64, 9, 100, 513, 1_000_000].map(|n| json!({ "n": n, "padme": padme(n) }));
    json!({ "sizes": sizes, "padme": padme, "padded": { "content": "0x616263", "bytes": Hex0x(pad(b"abc")) } })
}

fn sealing(domain: &Domain) -> Result<Value, Box<dyn std::error::Error>> {
    let seed = [0x99; 32];
    let input_key = InputKey::derive(&seed);
    let context = TaskContext { domain: *domain, sc: ScAddress([4; 32]), epoch: 3, task_id: [5; 32].into() };
    let function = "add(uint256,uint256)";
    let args = [7; 64];
    let (sealed, response_key) = seal_task(&mut Counting(0), &context, input_key.public(), function, &args)?;
    let opened = input_key.open_task(&context, &sealed.user_dh_key, &sealed.encrypted_fn, &sealed.encrypted_args)?;
    let output = opened.response.seal(hash(6), Status::Success, b"output")?;
    assert_eq!(response_key.open(&output)?, b"output");
    Ok(json!({
        "inputKeySeed": Hex0x(seed.to_vec()),
        "inputPublicKey": Hex0x(input_key.public().to_vec()),
        "sc": Hex0x(context.sc),
        "epoch": context.epoch,
        "taskId": Hex0x(context.task_id),
        "function": function,
        "args": Hex0x(args.to_vec()),
        "ephemeralKeyMaterial": "the 32 bytes 1, 2, …, 32",
        "userDHKey": Hex0x(sealed.user_dh_key.to_vec()),
        "encryptedFn": Hex0x(sealed.encrypted_fn),
        "encryptedArgs": Hex0x(sealed.encrypted_args),
        "previousTip": Hex0x(hash(6)),
        "status": Status::Success as u8,
        "output": Hex0x(b"output".to_vec()),
        "encryptedOutput": Hex0x(output),
    }))
}
