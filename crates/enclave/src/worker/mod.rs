//! The machine of a worker: executes tasks, keeps their outcomes, signs them.

mod bare;
mod batch;
mod contracts;
mod execute;
mod import;
mod keys;
mod query;
mod reads;
mod snapshot;
mod state;

pub(crate) use contracts::lock;

use crate::{
    authentic::Authentic,
    error::{OpenError, Refusal},
    frame::{self, Answer, Frame, Reply},
    identity::Keys,
    network::Network,
    ptt::{FreshRequest, Pending, Request, valid_addresses},
    store::Store,
    tee::Tee,
};
use bare::BareKeys;
use contracts::Contracts;
use enigma_attestation::{Claims, Purpose, Role};
use enigma_protocol::{
    Address, Hash, ScAddress,
    config::NetworkConfig,
    ipc::{
        PttError, PttErrors, PttInput, PttRequestResult, PttResponseInput, RegistrationInput, RegistrationParams,
        Response, TaskEncryptionKey, input_key_message,
    },
    json::{Hex, Hex0x, U64},
    signature::{Purpose as SigningPurpose, SecretKey},
    task::SUITE_X25519,
};
use keys::KeyRing;
use serde::Deserialize;
use std::sync::Mutex;

/// Longest `userPubKey`: it is only signed over.
const MAX_USER_KEY_BYTES: usize = 256;

/// The machine of a worker.
pub struct Worker<T, S> {
    tee: T,
    store: Authentic<S>,
    network: Network,
    signing_key: SecretKey,
    keys: Mutex<KeyRing>,
    pending: Mutex<Pending>,
    contracts: Contracts,
    bare: BareKeys,
    /// The newest block that a query named.
    newest_block: Mutex<u64>,
}

/// The fields of `NewTaskEncryptionKey`, which stand beside `id` and `type`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewTaskEncryptionKey {
    user_pub_key: Hex<Vec<u8>>,
    contract_address: Option<Hex<ScAddress>>,
    epoch: Option<U64>,
    block_hash: Option<Hex0x<Hash>>,
}

/// A field that requests of the published set do not have and that is needed.
fn required<V>(value: Option<V>, field: &str) -> Result<V, Refusal> {
    value.ok_or_else(|| Refusal::Field(format!("the field `{field}` is missing")))
}

impl<T: Tee, S: Store> Worker<T, S> {
    /// Opens the worker of this data directory; makes its identity when there is none.
    ///
    /// # Errors
    /// [`OpenError`] when TEE, store, identity or configuration do not allow it.
    pub fn open(tee: T, store: S, config: NetworkConfig) -> Result<Self, OpenError> {
        let network = Network::new(&config)?;
        let keys = Keys::load_or_create(&tee, &store, Role::Worker)?;
        Ok(Self {
            bare: BareKeys::new(&keys.signing_key)?,
            signing_key: keys.signing_key()?,
            store: Authentic::new(store, &keys.signing_key).ok_or(OpenError::Primitive)?,
            tee,
            network,
            keys: Mutex::default(),
            pending: Mutex::default(),
            contracts: Contracts::default(),
            newest_block: Mutex::default(),
        })
    }

    /// The address whose key signs receipts.
    pub fn signer(&self) -> Address {
        self.signing_key.address()
    }

    /// Answers one JSON frame (`spec/ipc.md`).
    pub fn handle(&self, frame: &[u8]) -> Vec<u8> {
        self.begin(frame).wait()
    }

    /// The same without waiting for the store: the reply says when it may leave.
    pub fn begin(&self, frame: &[u8]) -> Reply {
        frame::answer(frame, |frame| self.answer(frame))
    }

    fn answer(&self, frame: &Frame<'_>) -> Result<Answer, Refusal> {
        let response = match frame.request_type {
            "GetTip" => return self.tip(frame),
            "GetTips" => return self.tips(frame),
            "GetAllTips" => return self.all_tips(frame),
            "GetAllAddrs" => return self.all_addresses(frame),
            "GetDelta" => return self.delta(frame),
            "GetDeltas" => return self.deltas(frame),
            "GetContract" => return self.contract(frame),
            "GetSnapshot" => return self.snapshot(frame),
            "UpdateNewContract" => self.update_new_contract(frame.fields()?),
            "UpdateNewContractOnDeployment" => self.update_new_contract_on_deployment(frame.fields()?),
            "RemoveContract" => self.remove_contract(frame.fields()?),
            "UpdateDeltas" => self.update_deltas(frame.fields()?),
            "RemoveDeltas" => self.remove_deltas(frame.input()?),
            "AdvanceQueue" => self.advance_queue(frame),
            "GetRegistrationParams" => self.registration(frame.optional_input()?),
            "GetPTTRequest" => self.key_request(frame.optional_input()?),
            "PTTResponse" => self.key_answer(frame.input()?),
            "NewTaskEncryptionKey" => self.encryption_key(frame.fields()?),
            "DeploySecretContract" => return self.deploy(frame.input()?),
            "ComputeTask" => return self.compute(frame.input()?),
            "Query" => self.query(frame.input()?),
            "SignBatch" => self.sign_batch(frame.input()?),
            "SetLedgerView" | "AnswerPTTRequest" | "SignEpoch" => {
                Err(Refusal::WrongRole { request: frame.request_type.into(), role: Role::Worker })
            }
            other => Err(frame::unanswered(other)),
        }?;
        Ok(response.into())
    }

    /// What rests on the host's word about Ethereum is served where nobody is protected from the host anyway.
    fn development_only(&self, what: &'static str) -> Result<(), Refusal> {
        if self.tee.is_development() { Ok(()) } else { Err(Refusal::DevelopmentOnly(what)) }
    }

    fn evidence(&self, purpose: &Purpose<'_>, block_hash: Hash) -> Result<Vec<u8>, Refusal> {
        let claims = Claims::new(self.network.config_hash, Role::Worker, self.signer(), purpose, block_hash);
        Ok(self.tee.attest(&claims)?)
    }

    fn registration(&self, input: Option<RegistrationInput>) -> Result<Response, Refusal> {
        let (operator, block_hash) =
            input.map_or_else(Default::default, |input| (input.operator.0, input.block_hash.0));
        let report = self.evidence(&Purpose::Registration { operator }, block_hash)?;
        Ok(registration_response(&self.network, &self.signing_key, report))
    }

    fn key_request(&self, input: Option<PttInput>) -> Result<Response, Refusal> {
        // The published request names nothing; what it asks for, no key manager has.
        let nothing = || PttInput { addresses: Vec::new(), epoch: U64(0), block_hash: Hex0x(Hash::ZERO) };
        let bare = input.is_none();
        if bare {
            self.development_only("`GetPTTRequest` without `input`")?;
        }
        let input = input.unwrap_or_else(nothing);
        let addresses: Vec<_> = input.addresses.iter().map(|sc| sc.0).collect();
        if !bare && !valid_addresses(&addresses) {
            let limit = enigma_protocol::limits::MAX_PTT_ADDRESSES;
            return Err(Refusal::Field(format!("`addresses` must hold 1 to {limit} different contracts")));
        }
        let fresh = FreshRequest::new(&self.tee)?;
        let evidence = self.evidence(&Purpose::PttKey(&fresh.public_key), input.block_hash.0)?;
        let request = Request {
            id: fresh.id,
            public_key: fresh.public_key,
            addresses: addresses.clone(),
            epoch: input.epoch.0,
            block_hash: input.block_hash.0,
            evidence,
        };
        let bytes = request.to_bytes();
        let digest = SigningPurpose::PttRequest.digest(&self.network.domain, request.epoch, &bytes);
        lock(&self.pending).insert(fresh, request.epoch, addresses);
        Ok(Response::GetPTTRequest {
            result: PttRequestResult { request: Hex(bytes), worker_sig: Hex(self.signing_key.sign(digest)) },
        })
    }

    fn key_answer(&self, input: PttResponseInput) -> Result<Response, Refusal> {
        let accepted = lock(&self.pending).accept(&self.network, &input.response.0)?;
        let missing = lock(&self.keys).install(accepted);
        let status = 16;
        let errors = missing.into_iter().map(|sc| PttError { address: Hex(sc), status }).collect();
        Ok(Response::PTTResponse { result: PttErrors { errors } })
    }

    fn encryption_key(&self, input: NewTaskEncryptionKey) -> Result<Response, Refusal> {
        let bare = input.contract_address.is_none() && input.epoch.is_none();
        let user_key = input.user_pub_key.0;
        if user_key.len() > MAX_USER_KEY_BYTES {
            let actual = user_key.len();
            return Err(Refusal::TooLarge { what: "`userPubKey`", actual, limit: MAX_USER_KEY_BYTES });
        }
        let (sc, epoch, public_key) = if bare {
            self.development_only("`NewTaskEncryptionKey` without a contract")?;
            (ScAddress::default(), 0, Hash(*self.bare.public()))
        } else {
            let sc = required(input.contract_address, "contractAddress")?.0;
            let epoch = required(input.epoch, "epoch")?.0;
            (sc, epoch, Hash(*lock(&self.keys).input(sc, epoch)?.public()))
        };
        let suite = SUITE_X25519;
        let purpose = Purpose::InputKey { sc, epoch, suite, public_key };
        let evidence = self.evidence(&purpose, input.block_hash.map_or(Hash::ZERO, |hash| hash.0))?;
        let message = input_key_message(sc, epoch, suite, &public_key, &evidence, &user_key);
        let digest = SigningPurpose::InputKey.digest(&self.network.domain, epoch, &message);
        Ok(Response::NewTaskEncryptionKey {
            result: TaskEncryptionKey {
                worker_encryption_key: Hex(public_key),
                worker_sig: Hex(self.signing_key.sign(digest)),
                signer: Hex0x(self.signer()),
                evidence: Hex(evidence),
            },
        })
    }
}

/// The reply to `GetRegistrationParams`, signed by the enclave.
pub(crate) fn registration_response(network: &Network, key: &SecretKey, report: Vec<u8>) -> Response {
    let digest = SigningPurpose::Registration.digest(&network.domain, 0, &report);
    let signature = Hex(key.sign(digest));
    Response::GetRegistrationParams {
        result: RegistrationParams { signing_key: Hex(key.address()), report: Hex(report), signature },
    }
}
