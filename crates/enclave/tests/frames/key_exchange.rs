//! Pass the torch: who receives keys, and which answers are believed.

use crate::{
    harness::*,
    path::{network, signer},
};
use enigma_attestation::{
    Claims, Purpose, Role,
    simulation::{Platform, Validity},
};
use enigma_protocol::{
    Address, Hash, ScAddress,
    ipc::{LedgerViewInput, PttError, PttRequestResult, PttResponseInput, Request, Response},
    json::{Hex, Hex0x, U64, U128},
    selection::{EpochParameters, WorkerTree},
    signature::{Purpose as SigningPurpose, SecretKey},
};
use serde::{Serialize, Serializer};

pub const SC: ScAddress = ScAddress([0x5c; 32]);

pub fn give(worker: &dyn Machine, response: Vec<u8>) -> Result<Vec<PttError>, (u16, String)> {
    match worker.ask(Request::PTTResponse { input: PttResponseInput { response: Hex(response) } }) {
        Ok(Response::PTTResponse { result }) => Ok(result.errors),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err((failure.code.unwrap(), failure.msg)),
    }
}

#[track_caller]
pub fn has_no_key(worker: &dyn Machine) {
    assert_eq!(worker.refuses(encryption_key_request(SC, 1)).0, 10);
}

#[test]
fn answers_to_other_requests_and_runs() {
    let (network, store, worker) = network();
    let first = network.answer(key_request(&worker, 1, &[SC])).unwrap().response.0;
    let restarted = network.worker(2, &store);
    assert_eq!(give(&restarted, first.clone()).unwrap_err().0, 15);
    has_no_key(&restarted);
    // Sixteen requests may wait; one more gives up the first.
    let later: Vec<_> = (0..16).map(|_| key_request(&worker, 1, &[SC])).collect();
    assert_eq!(give(&worker, first).unwrap_err().0, 15);
    has_no_key(&worker);
    for request in later {
        assert_eq!(give(&worker, network.answer(request).unwrap().response.0).unwrap(), []);
    }
}

#[test]
fn the_selected_worker_alone_receives_keys() {
    let stores = [Memory::default(), Memory::default()];
    let network = Network::new(&[signer(2, &stores[0]), signer(3, &stores[1])]);
    let workers = [network.worker(2, &stores[0]), network.worker(3, &stores[1])];
    let contracts: Vec<_> = (0..20).map(|n| ScAddress([n; 32])).collect();
    let mut given = 0;
    for worker in &workers {
        let answer = network.answer(key_request(worker, 1, &contracts)).unwrap();
        let refused = give(worker, answer.response.0).unwrap();
        assert!(refused.iter().all(|error| error.status == 16));
        for sc in &contracts {
            let has_key = worker.ask(encryption_key_request(*sc, 1)).is_ok();
            assert_eq!(has_key, !refused.iter().any(|error| error.address.0 == *sc));
            given += usize::from(has_key);
        }
    }
    assert_eq!(given, contracts.len(), "each contract has one worker");
    for sc in contracts {
        let results = workers.each_ref().map(|worker| network.answer(key_request(worker, 1, &[sc])).map(drop));
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        let refused = results.into_iter().find_map(Result::err).unwrap();
        assert_eq!(refused.code, Some(16));
    }
    // Somebody without a stake.
    let nobody = network.worker(4, &Memory::default());
    assert_eq!(network.answer(key_request(&nobody, 1, &[SC])).unwrap_err().code, Some(16));
}

#[test]
fn a_successor_without_the_state_executes_nothing() {
    let (mut network, _, first) = network();
    let sc = network.deployed(&first, &contract(), b"kept");
    let store = Memory::default();
    network.replace_workers(&[signer(3, &store)]);
    let second = network.worker(3, &store);
    assert_eq!(network.fetch_keys_of(&first, &[sc], 2).unwrap_err().code, Some(16));
    assert_eq!(network.fetch_keys_of(&second, &[sc], 1).unwrap_err().code, Some(16));
    network.fetch_keys(&second, &[sc]);
    let get = network.call(&second, sc, Address([1; 20]), "get()", b"");
    assert_eq!(second.refuses(get.request()).0, 13);
    assert_eq!(first.refuses(get.request()).0, 10);
    assert!(store.snapshot().keys().all(|key| key == b"identity"));
}

#[test]
fn evidence_of_other_programs_and_roots() {
    let store = Memory::default();
    let network = Network::new(&[signer(2, &store)]);
    let refused = |platform: Platform, expected: &str| {
        let worker = network.worker_on(TestTee::on(2, platform), &store);
        let failure = network.answer(key_request(&worker, 1, &[SC])).unwrap_err();
        assert_eq!((failure.code, failure.msg.contains(expected)), (Some(14), true), "{}", failure.msg);
    };
    let platform = |measurement| Platform::from_secret([2; 32], measurement, Validity::DEVELOPMENT).unwrap();
    refused(platform(Hash([1; 32])), "measurement");
    refused(platform(MEASUREMENT).with_debug(), "debug");
    let other_root = Platform::certified_by(&stranger(), [2; 32], MEASUREMENT, Validity::DEVELOPMENT).unwrap();
    refused(other_root, "no accepted root");
    let expired = Validity { not_before_s: 0, not_after_s: 1 };
    refused(Platform::from_secret([2; 32], MEASUREMENT, expired).unwrap(), "certificate");
    // The same enclave as it should be.
    network.fetch_keys(&network.worker(2, &store), &[SC]);
}

struct Bin<'a>(&'a [u8]);
impl Serialize for Bin<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    prefix: Bin<'a>,
    pubkey: Bin<'a>,
    id: Bin<'a>,
    addresses: Vec<Bin<'a>>,
    epoch: u64,
    block_hash: Bin<'a>,
    evidence: Bin<'a>,
}

/// A request made outside of any enclave by somebody whom the simulation attests.
struct Forged {
    config_hash: Hash,
    role: Role,
    registration: bool,
    bound_key: [u8; 32],
    key: [u8; 32],
    block: Hash,
    prefix: &'static [u8],
    epoch: u64,
    addresses: Vec<ScAddress>,
    trailing: Vec<u8>,
    signed_by: SecretKey,
    signed_epoch: u64,
}

impl Forged {
    fn new(network: &Network) -> Self {
        Self {
            config_hash: network.config.hash(),
            role: Role::Worker,
            registration: false,
            bound_key: [9; 32],
            key: [9; 32],
            block: BLOCK,
            prefix: b"Enigma Message",
            epoch: 1,
            addresses: vec![SC],
            trailing: Vec::new(),
            signed_by: stranger(),
            signed_epoch: 1,
        }
    }

    fn code(self, network: &Network) -> Option<u16> {
        let platform = Platform::from_secret([8; 32], MEASUREMENT, Validity::DEVELOPMENT).unwrap();
        let purpose = if self.registration {
            Purpose::Registration { operator: Address([1; 20]) }
        } else {
            Purpose::PttKey(&self.bound_key)
        };
        let signer = stranger().address();
        let evidence = platform.attest(&Claims::new(self.config_hash, self.role, signer, &purpose, self.block));
        let envelope = Envelope {
            prefix: Bin(self.prefix),
            pubkey: Bin(&self.key),
            id: Bin(&[1; 12]),
            addresses: self.addresses.iter().map(|sc| Bin(&sc.0)).collect(),
            epoch: self.epoch,
            block_hash: Bin(&self.block.0),
            evidence: Bin(&evidence),
        };
        let bytes = [rmp_serde::to_vec_named(&envelope).unwrap(), self.trailing].concat();
        let digest = SigningPurpose::PttRequest.digest(&DOMAIN, self.signed_epoch, &bytes);
        let input = PttRequestResult { request: Hex(bytes), worker_sig: Hex(self.signed_by.sign(digest)) };
        network.answer(input).err().map(|failure| failure.code.unwrap())
    }
}

#[test]
fn requests_that_a_key_manager_refuses() {
    // Even a host whose simulated platform attests whatever it likes is held to the rules.
    let network = Network::new(&[stranger().address()]);
    let code = |change: &dyn Fn(&mut Forged)| {
        let mut forged = Forged::new(&network);
        change(&mut forged);
        forged.code(&network)
    };
    assert_eq!(code(&|_| {}), None, "as it should be");
    let evidence = [
        code(&|forged| forged.config_hash = Hash([1; 32])),
        code(&|forged| forged.role = Role::KeyManager),
        code(&|forged| forged.registration = true),
        code(&|forged| forged.bound_key = [8; 32]),
        code(&|forged| forged.key = [8; 32]),
        code(&|forged| forged.block = Hash([1; 32])),
        code(&|forged| forged.signed_by = SecretKey::from_bytes(&[0x78; 32]).unwrap()),
        code(&|forged| forged.signed_epoch = 2),
    ];
    assert_eq!(evidence, [Some(14); 8]);
    let envelope = [
        code(&|forged| forged.prefix = b"Enigma Massage"),
        code(&|forged| forged.addresses = vec![]),
        code(&|forged| forged.addresses = vec![SC, SC]),
        code(&|forged| forged.addresses = (0..65).map(|n| ScAddress([n; 32])).collect()),
        code(&|forged| forged.trailing = vec![0]),
        // A key of low order gives no secret.
        code(&|forged| (forged.key, forged.bound_key) = ([0; 32], [0; 32])),
    ];
    assert_eq!(envelope, [Some(3); 6]);
    let epochs = [
        code(&|forged| (forged.epoch, forged.signed_epoch) = (2, 2)),
        code(&|forged| (forged.epoch, forged.signed_epoch) = (0, 0)),
        code(&|forged| (forged.epoch, forged.signed_epoch) = (u64::MAX, u64::MAX)),
    ];
    assert_eq!(epochs, [Some(16); 3]);
    // The worker that asks for what no key manager answers is told so by itself.
    let store = Memory::default();
    let worker = network.worker(2, &store);
    for count in [0, 65] {
        let addresses = (0..count).map(|n| Hex(ScAddress([n; 32]))).collect();
        let input = Some(enigma_protocol::ipc::PttInput { addresses, epoch: U64(1), block_hash: Hex0x(BLOCK) });
        assert_eq!(worker.refuses(Request::GetPTTRequest { input }).0, 3);
    }
}

#[test]
fn keys_of_the_last_epochs_are_served_also_after_a_restart() {
    let (mut network, _, worker) = network();
    for _ in 1..10 {
        network.next_epoch();
    }
    let served = |network: &Network| {
        let serves = |epoch: &u64| network.answer(key_request(&worker, *epoch, &[SC])).is_ok();
        (0..13).filter(serves).collect::<Vec<_>>()
    };
    assert_eq!(served(&network), [3, 4, 5, 6, 7, 8, 9, 10]);
    network.restart_km();
    // Nothing is known of Ethereum yet, no block is recent.
    let failure = network.answer(key_request(&worker, 10, &[SC])).unwrap_err();
    assert_eq!(failure.code, Some(14));
    network.tell_km(&[]);
    assert_eq!(served(&network), [3, 4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn an_epoch_is_signed_once() {
    let (mut network, ..) = network();
    let signed = network.sign_epoch(1);
    let workers = network.epoch_input(1).workers;
    let tree = WorkerTree::new(workers.iter().map(Into::into).collect()).unwrap();
    let parameters = EpochParameters {
        epoch: 1,
        seed: signed.seed.0,
        workers_root: signed.workers_root.0,
        total_stake: signed.total_stake.0,
    };
    assert_eq!((tree.root(), tree.total_stake()), (parameters.workers_root, parameters.total_stake));
    signed.signature.0.verify(parameters.digest(&DOMAIN), network.km.signer()).unwrap();

    // Another block hash or other workers for the same number give the same answer, also after a restart.
    let mut other = network.epoch_input(1);
    other.block_hash = Hex0x(Hash([1; 32]));
    other.workers[0].stake = U128(5);
    for _ in 0..2 {
        let result = network.km.ask(Request::SignEpoch { input: other.clone() }).unwrap();
        assert_eq!(result, Response::SignEpoch { result: signed.clone() });
        network.restart_km();
    }
    let mut next = network.epoch_input(2);
    next.block_hash = Hex0x(Hash([1; 32]));
    let refused = |change: &dyn Fn(&mut enigma_protocol::ipc::EpochInput)| {
        let mut input = next.clone();
        change(&mut input);
        network.km.refuses(Request::SignEpoch { input }).0
    };
    let codes = [
        refused(&|input| input.epoch = U64(0)),
        refused(&|input| input.epoch = U64(3)),
        refused(&|input| input.epoch = U64(u64::MAX)),
        refused(&|input| input.workers.clear()),
        refused(&|input| input.workers[0].stake = U128(0)),
        refused(&|input| input.workers.push(input.workers[0].clone())),
    ];
    assert_eq!(codes, [3; 6]);
    let Ok(Response::SignEpoch { result }) = network.km.ask(Request::SignEpoch { input: next }) else { panic!() };
    assert_ne!(result.seed, signed.seed);
}

#[test]
fn a_view_of_ethereum_is_held_to_what_was_signed() {
    let (mut network, ..) = network();
    network.next_epoch();
    let refused = |change: &dyn Fn(&mut LedgerViewInput)| {
        let mut input = network.view(&[]);
        change(&mut input);
        network.km.refuses(Request::SetLedgerView { input }).0
    };
    let codes = [
        refused(&|view| view.block_number = U64(0)),
        refused(&|view| (view.epoch, view.seed) = (U64(1), network.sign_epoch(1).seed)),
        refused(&|view| view.seed = Hex0x(Hash([1; 32]))),
        refused(&|view| view.workers[0].signer = Hex0x(stranger().address())),
        refused(&|view| view.workers[0].stake = U128(1)),
        refused(&|view| view.workers.clear()),
        refused(&|view| view.epoch = U64(3)),
        refused(&|view| view.block_hashes = vec![Hex0x(BLOCK); 257]),
    ];
    assert_eq!(codes, [3, 3, 3, 3, 3, 3, 16, 4]);
    network.tell_km(&[]);
}
