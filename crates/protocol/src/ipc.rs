//! JSON messages between node and core, one per ZeroMQ frame.
//!
//! Types and fields are those of the published message set (`spec/ipc.md`); what this version adds is an optional field or a
//! further type, and says so. Request and reply carry the same `id`. A reply to anything that cannot be parsed has an empty
//! `id` and the type `Error`.

use crate::{
    hash::keccak256,
    json::{ByteArray, Hex, Hex0x, ReceiptJson, RecordJson, U64, U128},
    limits::MAX_ITEMS,
    primitives::{Address, Hash, ScAddress},
    selection::WorkerStake,
    signature::Signature,
};
use alloc::{string::String, vec::Vec};
use core::{fmt, marker::PhantomData};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFrame {
    /// Chosen by the requester and echoed.
    pub id: String,
    /// Addition: how the reply is written, and which part of it.
    #[serde(flatten)]
    pub options: Options,
    /// What is asked.
    #[serde(flatten)]
    pub request: Request,
}

impl RequestFrame {
    /// A request without options.
    pub fn new(id: impl Into<String>, request: Request) -> Self {
        Self { id: id.into(), options: Options::default(), request }
    }
}

/// How large byte fields of a reply are written: `data`, `delta`, `bytecode`, and the code in a deployment's `output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Arrays of byte values, as the published set shows them.
    #[default]
    Array,
    /// Texts of hexadecimal digits: half the size, and quick to read.
    Hex,
}

/// Additions beside `id` and `type`, of every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// How large byte fields of the reply are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// `GetAllTips`, `GetAllAddrs`: only contracts above this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Hex<ScAddress>>,
    /// `GetContract`: the first byte of the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<U64>,
    /// At most so many items, or bytes of `GetContract`. With it, or with `after` or `offset`, the reply is a page: what does not
    /// fit is left out, and `next` says what to ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<U64>,
}

/// What can be asked of a core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[allow(clippy::large_enum_variant, reason = "requests are handled one at a time")]
pub enum Request {
    /// Signing address and registration evidence.
    GetRegistrationParams {
        /// Addition: the operator's account, which the evidence binds, and a recent block hash.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<RegistrationInput>,
    },
    /// Newest entry of one contract.
    GetTip {
        /// The contract; the document shows it in an array.
        input: OneOrMany<Hex<ScAddress>>,
    },
    /// Newest entries of some contracts.
    GetTips {
        /// The contracts.
        input: OneOrMany<Hex<ScAddress>>,
    },
    /// Newest entries of all contracts.
    GetAllTips {},
    /// Addresses of all contracts.
    GetAllAddrs {},
    /// One entry.
    GetDelta {
        /// Contract and index.
        input: OneOrMany<DeltaKey>,
    },
    /// Ranges of entries.
    GetDeltas {
        /// Contracts with first and last index.
        input: OneOrMany<DeltaRange>,
    },
    /// The executed code of a contract.
    GetContract {
        /// The contract.
        input: OneOrMany<Hex<ScAddress>>,
    },
    /// Addition: one part of a contract's newest snapshot.
    GetSnapshot {
        /// Which.
        input: SnapshotKey,
    },
    /// Takes the code of a contract that was deployed elsewhere.
    UpdateNewContract {
        /// The contract.
        address: Hex<ScAddress>,
        /// Its executed code.
        bytecode: ByteArray,
    },
    /// The same with the constructor's delta.
    UpdateNewContractOnDeployment {
        /// The contract.
        address: Hex<ScAddress>,
        /// Its executed code.
        bytecode: ByteArray,
        /// The constructor's delta.
        delta: DeltaField,
    },
    /// Removes code and state of a contract.
    RemoveContract {
        /// The contract.
        address: Hex<ScAddress>,
    },
    /// Takes entries of state chains that were made elsewhere.
    UpdateDeltas {
        /// The entries, each contract's in the order of its chain.
        deltas: OneOrMany<AddressedDelta>,
    },
    /// Removes the ends of state chains.
    RemoveDeltas {
        /// Contracts with first and last index.
        input: OneOrMany<DeltaRange>,
    },
    /// Addition: which records are closed on Ethereum, and with which state (development root only).
    AdvanceQueue {
        /// How far the contract is there.
        input: AdvanceInput,
    },
    /// A fresh request for keys, for a node to carry to the key managers.
    GetPTTRequest {
        /// Addition: for which contracts, epoch and block.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<PttInput>,
    },
    /// An answer of a key manager.
    PTTResponse {
        /// The answer.
        input: PttResponseInput,
    },
    /// The input key of a contract and epoch.
    #[serde(rename_all = "camelCase")]
    NewTaskEncryptionKey {
        /// The user's key; covered by `workerSig`, otherwise unused.
        user_pub_key: Hex<Vec<u8>>,
        /// Addition: the contract.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contract_address: Option<Hex<ScAddress>>,
        /// Addition: the epoch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<U64>,
        /// Addition: a recent block hash for the evidence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        block_hash: Option<Hex0x<Hash>>,
    },
    /// Runs a deployment.
    DeploySecretContract {
        /// The task.
        input: DeployInput,
    },
    /// Runs a call.
    ComputeTask {
        /// The task.
        input: ComputeInput,
    },
    /// Addition: reads a contract's state with its own code.
    Query {
        /// The query.
        input: QueryInput,
    },
    /// Addition: signs the stored receipts of consecutive records.
    SignBatch {
        /// Which records.
        input: BatchInput,
    },
    /// Addition, key manager only: what it is told of Ethereum (development root only).
    SetLedgerView {
        /// The current epoch and its workers.
        input: LedgerViewInput,
    },
    /// Addition, key manager only: answers a worker's `GetPTTRequest`.
    AnswerPTTRequest {
        /// The request as the worker made it.
        input: PttRequestResult,
    },
    /// Addition, key manager only: seed, tree and signature of the next epoch.
    SignEpoch {
        /// The epoch and its workers.
        input: EpochInput,
    },
}

/// A value, or several in an array: the document uses both.
///
/// At most [`MAX_ITEMS`] items are kept, and one more, so that it shows that there were too many; nothing is buffered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// Several.
    Many(Vec<T>),
    /// One.
    One(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one item or an array of items")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
                T::deserialize(text.into_deserializer()).map(OneOrMany::One)
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<OneOrMany<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(OneOrMany::One)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<OneOrMany<T>, A::Error> {
                let mut items = Vec::new();
                while items.len() <= MAX_ITEMS {
                    match sequence.next_element()? {
                        Some(item) => items.push(item),
                        None => return Ok(OneOrMany::Many(items)),
                    }
                }
                while sequence.next_element::<IgnoredAny>()?.is_some() {}
                Ok(OneOrMany::Many(items))
            }
        }
        deserializer.deserialize_any(Items(PhantomData))
    }
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::Many(items) => items,
            Self::One(item) => [item].into(),
        }
    }
}

/// What registration evidence binds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationInput {
    /// The Ethereum account that registers the enclave.
    pub operator: Hex0x<Address>,
    /// A recent block hash.
    pub block_hash: Hex0x<Hash>,
}

/// Names one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaKey {
    /// The contract.
    pub address: Hex<ScAddress>,
    /// The index.
    pub key: U64,
}

/// Names a range of entries, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaRange {
    /// The contract.
    pub address: Hex<ScAddress>,
    /// First index.
    pub from: U64,
    /// Last index.
    pub to: U64,
}

/// Names a part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotKey {
    /// The contract.
    pub address: Hex<ScAddress>,
    /// The part, 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<U64>,
}

/// An entry in a request: written as `{key, data}`, read from `[key, data]` too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DeltaField(pub Delta);

impl<'de> Deserialize<'de> for DeltaField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What an array begins with: the index, or the whole entry.
        enum First {
            Key(U64),
            Delta(Delta),
        }
        struct FirstVisitor;
        impl<'de> Visitor<'de> for FirstVisitor {
            type Value = First;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an index or an entry")
            }
            fn visit_u64<E: de::Error>(self, key: u64) -> Result<First, E> {
                Ok(First::Key(U64(key)))
            }
            fn visit_str<E: de::Error>(self, key: &str) -> Result<First, E> {
                U64::deserialize(key.into_deserializer()).map(First::Key)
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<First, A::Error> {
                Delta::deserialize(MapAccessDeserializer::new(fields)).map(First::Delta)
            }
        }
        impl<'de> Deserialize<'de> for First {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(FirstVisitor)
            }
        }
        struct DeltaVisitor;
        impl<'de> Visitor<'de> for DeltaVisitor {
            type Value = DeltaField;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an entry as {key, data} or [key, data]")
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<DeltaField, A::Error> {
                Delta::deserialize(MapAccessDeserializer::new(fields)).map(DeltaField)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<DeltaField, A::Error> {
                let delta = match items.next_element()? {
                    None => return Err(de::Error::invalid_length(0, &self)),
                    Some(First::Delta(delta)) => delta,
                    Some(First::Key(key)) => {
                        let data = items.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
                        Delta { key, data }
                    }
                };
                match items.next_element::<IgnoredAny>()? {
                    Some(_) => Err(de::Error::custom("expected one entry")),
                    None => Ok(DeltaField(delta)),
                }
            }
        }
        deserializer.deserialize_any(DeltaVisitor)
    }
}

/// How far a contract is on Ethereum: the host's word, in this version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvanceInput {
    /// The contract.
    pub contract_address: Hex<ScAddress>,
    /// Its closed records: the index of the next one.
    pub records: U64,
    /// Head of its queue after them.
    pub queue_head: Hex0x<Hash>,
    /// The tip of its state after them.
    pub tip: Hex0x<Hash>,
    /// Proof of it against a certified header; reserved, must be absent in this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_proof: Option<Hex<Vec<u8>>>,
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryInput {
    /// The contract.
    pub contract_address: Hex<ScAddress>,
    /// Of the input key to which it is sealed.
    pub epoch: U64,
    /// The encryption suite, 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<u16>,
    /// Sealed function.
    pub encrypted_fn: Hex<Vec<u8>>,
    /// Sealed arguments.
    pub encrypted_args: Hex<Vec<u8>>,
    /// Sealed permit of the caller.
    pub encrypted_permit: Hex<Vec<u8>>,
    /// Encapsulated key.
    #[serde(rename = "userDHKey")]
    pub user_dh_key: Hex<Vec<u8>>,
    /// The newest final block: the host's word, in this version.
    pub block: BlockInput,
    /// The tip that the state must have; the newest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tip: Option<Hex0x<Hash>>,
    /// Proof of the tip against a certified header; reserved, must be absent in this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_proof: Option<Hex<Vec<u8>>>,
    /// Certificate of that header; reserved, must be absent in this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Hex<Vec<u8>>>,
}

/// A block of Ethereum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockInput {
    /// Its number.
    pub number: U64,
    /// Its hash.
    pub hash: Hex0x<Hash>,
    /// Its time in Unix seconds.
    pub timestamp: U64,
}

/// For what keys are requested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PttInput {
    /// The contracts; at most [`crate::limits::MAX_PTT_ADDRESSES`].
    pub addresses: Vec<Hex<ScAddress>>,
    /// The epoch.
    pub epoch: U64,
    /// A recent block hash, bound in the quote.
    pub block_hash: Hex0x<Hash>,
}

/// An answer of a key manager: the signed MessagePack envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PttResponseInput {
    /// The envelope.
    pub response: Hex<Vec<u8>>,
}

/// A worker's request for keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PttRequestResult {
    /// The MessagePack envelope.
    pub request: Hex<Vec<u8>>,
    /// The worker's signature over it.
    pub worker_sig: Hex<Signature>,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployInput {
    /// The module.
    pub pre_code: ByteArray,
    /// Arguments and record.
    #[serde(flatten)]
    pub task: ComputeInput,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComputeInput {
    /// Sealed arguments.
    pub encrypted_args: Hex<Vec<u8>>,
    /// Sealed function.
    pub encrypted_fn: Hex<Vec<u8>>,
    /// Encapsulated key.
    #[serde(rename = "userDHKey")]
    pub user_dh_key: Hex<Vec<u8>>,
    /// From Ethereum.
    pub gas_limit: U64,
    /// The contract.
    pub contract_address: Hex<ScAddress>,
    /// Addition: the encryption suite, 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<u16>,
    /// Addition: the record on Ethereum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordJson>,
    /// Addition: proof of the record against a certified header; reserved, must be absent in this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_proof: Option<Hex<Vec<u8>>>,
}

/// Which records to sign for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchInput {
    /// The contract.
    pub contract_address: Hex<ScAddress>,
    /// Index of the first record.
    pub first_record_index: U64,
    /// How many; at most [`crate::limits::MAX_BATCH_RECORDS`], all of one epoch.
    pub count: U64,
}

/// A worker and its stake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerJson {
    /// Signing address.
    pub signer: Hex0x<Address>,
    /// Grains.
    pub stake: U128,
}

impl From<&WorkerJson> for WorkerStake {
    fn from(json: &WorkerJson) -> Self {
        Self { signer: json.signer.0, stake: json.stake.0 }
    }
}

/// What a key manager is told of Ethereum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerViewInput {
    /// The newest block and its hash; requests for keys must name a block at most 256 older.
    pub block_number: U64,
    /// Hashes of recent blocks, newest last, at most 256.
    pub block_hashes: Vec<Hex0x<Hash>>,
    /// The current epoch as Ethereum keeps it.
    pub epoch: U64,
    /// Its seed.
    pub seed: Hex0x<Hash>,
    /// Its workers, ascending by signer.
    pub workers: Vec<WorkerJson>,
    /// Contracts that have a deployment record and were not reported before.
    pub deployed: Vec<Hex<ScAddress>>,
}

/// The next epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochInput {
    /// Its number.
    pub epoch: U64,
    /// The block hash mixed into the seed.
    pub block_hash: Hex0x<Hash>,
    /// Its workers, ascending by signer.
    pub workers: Vec<WorkerJson>,
}

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseFrame {
    /// The request's id; empty when there was none.
    pub id: String,
    /// The answer.
    #[serde(flatten)]
    pub response: Response,
}

/// What a core answers. An error has the request's type and `msg`, and is a [`Failure`] on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[allow(missing_docs, clippy::large_enum_variant, reason = "named and documented as the requests are")]
pub enum Response {
    GetRegistrationParams { result: RegistrationParams },
    GetTip { result: Delta },
    GetTips { result: Tips },
    GetAllTips { result: Tips },
    GetAllAddrs { result: Addresses },
    GetDelta { result: DeltaData },
    GetDeltas { result: Deltas },
    GetContract { result: Contract },
    GetSnapshot { result: Snapshot },
    UpdateNewContract { address: Hex<ScAddress>, result: Done },
    UpdateNewContractOnDeployment { address: Hex<ScAddress>, result: Done },
    RemoveContract { address: Hex<ScAddress>, result: Done },
    UpdateDeltas { result: DoneDeltas },
    RemoveDeltas { result: DoneDeltas },
    AdvanceQueue { result: Advanced },
    GetPTTRequest { result: PttRequestResult },
    PTTResponse { result: PttErrors },
    NewTaskEncryptionKey { result: TaskEncryptionKey },
    DeploySecretContract { result: DeployResult },
    ComputeTask { result: ComputeResult },
    FailedTask { result: FailedResult },
    Query { result: QueryResult },
    SignBatch { result: BatchResult },
    SetLedgerView { result: LedgerViewResult },
    AnswerPTTRequest { result: PttResponseInput },
    SignEpoch { result: EpochResult },
}

/// The general error: `{id, type, msg}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The request's id, or empty.
    pub id: String,
    /// The request's type, or `Error`.
    #[serde(rename = "type")]
    pub request_type: String,
    /// What is wrong, in words.
    pub msg: String,
    /// Addition: a stable number, see `spec/ipc.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

/// Anything that comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "replies are handled one at a time")]
pub enum ReplyFrame {
    /// The general error. First, because only it has `msg`.
    Failure(Failure),
    /// An answer.
    Response(ResponseFrame),
}

/// Reply to `GetRegistrationParams`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationParams {
    /// The signing address.
    pub signing_key: Hex<Address>,
    /// The evidence.
    pub report: Hex<Vec<u8>>,
    /// The enclave's signature over the evidence.
    pub signature: Hex<Signature>,
}

/// An entry and its index. Without a state change `key` is 0 and `data` empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// The index.
    pub key: U64,
    /// The entry's bytes.
    pub data: ByteArray,
}

/// An entry of a named contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressedDelta {
    /// The contract.
    pub address: Hex<ScAddress>,
    /// The index.
    pub key: U64,
    /// The entry's bytes.
    pub data: ByteArray,
}

/// Reply to `GetTips` and `GetAllTips`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tips {
    /// Newest delta of each contract that has one.
    pub tips: Vec<AddressedDelta>,
    /// Addition: there are more; `after` of the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Hex<ScAddress>>,
}

/// Reply to `GetAllAddrs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// The contracts, ascending.
    pub addresses: Vec<Hex<ScAddress>>,
    /// Addition: there are more; `after` of the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Hex<ScAddress>>,
}

/// Reply to `GetDelta`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaData {
    /// The entry's bytes.
    pub delta: ByteArray,
}

/// Reply to `GetDeltas`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deltas {
    /// The entries.
    pub deltas: Vec<AddressedDelta>,
    /// Addition: there are more; `input` of the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<DeltaRange>>,
}

/// Reply to `GetContract`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// The contract.
    pub address: Hex<ScAddress>,
    /// Its executed code.
    pub bytecode: ByteArray,
    /// Addition: there are more bytes; `offset` of the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<U64>,
}

/// Reply to `GetSnapshot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The contract.
    pub address: Hex<ScAddress>,
    /// Index of the delta behind which the snapshot stands.
    pub key: U64,
    /// Its parts.
    pub parts: U64,
    /// This part.
    pub part: U64,
    /// The part's bytes.
    pub data: ByteArray,
    /// There are more; `part` of the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<U64>,
}

/// What became of a change of what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// 0, or an error code of `spec/ipc.md`: nothing was changed.
    pub status: u16,
    /// Addition: why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
}

/// What became of changes to state chains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneDeltas {
    /// 0, or the code of the first error.
    pub status: u16,
    /// Those that were not taken or removed; all others were.
    pub errors: Vec<DeltaError>,
}

/// What was not done, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaError {
    /// The contract.
    pub address: Hex<ScAddress>,
    /// The entry, or the first of a range.
    pub key: U64,
    /// An error code of `spec/ipc.md`.
    pub status: u16,
    /// Addition: why, in words.
    pub msg: String,
}

/// Reply to `AdvanceQueue`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advanced {
    /// The index of the next record.
    pub records: U64,
}

/// Reply to `PTTResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PttErrors {
    /// Contracts for which no key was installed.
    pub errors: Vec<PttError>,
}

/// Why no key was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PttError {
    /// The contract.
    pub address: Hex<ScAddress>,
    /// An error code of `spec/ipc.md`.
    pub status: u16,
}

/// Reply to `NewTaskEncryptionKey`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskEncryptionKey {
    /// The public input key.
    pub worker_encryption_key: Hex<Hash>,
    /// Signature over [`input_key_message`].
    pub worker_sig: Hex<Signature>,
    /// Addition: who signs.
    pub signer: Hex0x<Address>,
    /// Addition: evidence that binds this key to the enclave.
    pub evidence: Hex<Vec<u8>>,
}

/// What `workerSig` of `NewTaskEncryptionKey` covers: contract, epoch and suite, the worker's key, its evidence and the user's
/// key. It covers the evidence so that a node, which does not verify evidence, passes on only what the worker itself gave.
pub fn input_key_message(
    sc: ScAddress,
    epoch: u64,
    suite: u16,
    worker_key: &Hash,
    evidence: &[u8],
    user_key: &[u8],
) -> Vec<u8> {
    let mut message = Vec::with_capacity(138);
    message.extend(sc.0);
    message.extend(epoch.to_be_bytes());
    message.extend(suite.to_be_bytes());
    message.extend(worker_key.0);
    message.extend(keccak256(evidence).0);
    message.extend(user_key);
    message
}

/// A snapshot of the state that a record caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMade {
    /// Index of the delta behind which it stands.
    pub key: U64,
    /// Its parts.
    pub parts: U64,
}

/// Reply to `DeploySecretContract`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployResult {
    /// The executed code.
    pub output: ByteArray,
    /// Hash of the deployed code.
    pub pre_code_hash: Hex<Hash>,
    /// The constructor's delta.
    pub delta: Delta,
    /// Gas tier.
    pub used_gas: U64,
    /// Calldata for an Ethereum call; empty.
    pub ethereum_payload: Hex<Vec<u8>>,
    /// Target of an Ethereum call; zero.
    pub ethereum_address: Hex<Address>,
    /// The enclave's signature over `receipt`.
    pub signature: Hex<Signature>,
    /// Addition: the receipt.
    pub receipt: ReceiptJson,
    /// Addition: the constructor's sealed output.
    pub encrypted_output: Hex<Vec<u8>>,
    /// Addition: the snapshot that stands behind the delta, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotMade>,
}

/// Reply to `ComputeTask`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComputeResult {
    /// The sealed output.
    pub output: Hex<Vec<u8>>,
    /// The delta, `{0, []}` without a state change.
    pub delta: Delta,
    /// Gas tier.
    pub used_gas: U64,
    /// Calldata for an Ethereum call; empty.
    pub ethereum_payload: Hex<Vec<u8>>,
    /// Target of an Ethereum call; zero.
    pub ethereum_address: Hex<Address>,
    /// The enclave's signature over `receipt`.
    pub signature: Hex<Signature>,
    /// Addition: the receipt.
    pub receipt: ReceiptJson,
    /// Addition: the snapshot that stands behind the delta, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotMade>,
}

/// `FailedTask`: a task that ended without success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedResult {
    /// The sealed reason; empty when the input does not open.
    pub output: Hex<Vec<u8>>,
    /// Gas tier.
    pub used_gas: U64,
    /// The enclave's signature over `receipt`.
    pub signature: Hex<Signature>,
    /// Addition: the receipt.
    pub receipt: ReceiptJson,
}

/// Reply to `Query`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryResult {
    /// The sealed answer.
    pub output: Hex<Vec<u8>>,
    /// 0 success, 1 failure.
    pub status: u8,
    /// The block that the contract saw.
    pub block_number: U64,
    /// Its hash.
    pub block_hash: Hex0x<Hash>,
    /// The tip of the state that was read.
    pub tip: Hex0x<Hash>,
    /// Deltas of that state.
    pub entries: U64,
    /// The enclave's signature over all of this, see [`crate::query::QueryAnswer`].
    pub signature: Hex<Signature>,
}

/// Reply to `SignBatch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResult {
    /// The epoch of all its records.
    pub epoch: U64,
    /// Queue head after the last record.
    pub head: Hex0x<Hash>,
    /// The receipts.
    pub receipts: Vec<ReceiptJson>,
    /// The enclave's signature over the batch.
    pub signature: Hex0x<Signature>,
}

/// Reply to `SetLedgerView`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerViewResult {
    /// The block that is now known.
    pub block_number: U64,
}

/// Reply to `SignEpoch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochResult {
    /// The epoch.
    pub epoch: U64,
    /// Its seed.
    pub seed: Hex0x<Hash>,
    /// Root of its worker tree.
    pub workers_root: Hex0x<Hash>,
    /// Sum of the stakes.
    pub total_stake: U128,
    /// The key manager's EIP-712 signature.
    pub signature: Hex0x<Signature>,
}

/// The task a reply is about, where it is about one.
impl Response {
    /// The receipt in an answer to a task.
    pub fn receipt(&self) -> Option<(&ReceiptJson, &Signature, &[u8])> {
        match self {
            Self::DeploySecretContract { result } => {
                Some((&result.receipt, &result.signature.0, &result.encrypted_output.0))
            }
            Self::ComputeTask { result } => Some((&result.receipt, &result.signature.0, &result.output.0)),
            Self::FailedTask { result } => Some((&result.receipt, &result.signature.0, &result.output.0)),
            Self::GetRegistrationParams { .. }
            | Self::GetTip { .. }
            | Self::GetTips { .. }
            | Self::GetAllTips { .. }
            | Self::GetAllAddrs { .. }
            | Self::GetDelta { .. }
            | Self::GetDeltas { .. }
            | Self::GetContract { .. }
            | Self::GetSnapshot { .. }
            | Self::UpdateNewContract { .. }
            | Self::UpdateNewContractOnDeployment { .. }
            | Self::RemoveContract { .. }
            | Self::UpdateDeltas { .. }
            | Self::RemoveDeltas { .. }
            | Self::AdvanceQueue { .. }
            | Self::Query { .. }
            | Self::GetPTTRequest { .. }
            | Self::PTTResponse { .. }
            | Self::NewTaskEncryptionKey { .. }
            | Self::SignBatch { .. }
            | Self::SetLedgerView { .. }
            | Self::AnswerPTTRequest { .. }
            | Self::SignEpoch { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_ITEMS;
    use std::format;

    #[test]
    fn one_or_many_items_are_read_and_no_more_than_the_bound_are_kept() {
        let read = |text: &str| serde_json::from_str::<OneOrMany<DeltaKey>>(text);
        let item = format!(r#"{{"address":"{}","key":7}}"#, "5a".repeat(32));
        let key = DeltaKey { address: Hex(ScAddress([0x5a; 32])), key: U64(7) };
        assert_eq!(read(&item).unwrap(), OneOrMany::One(key.clone()));
        assert_eq!(read(&format!("[{item},{item}]")).unwrap(), OneOrMany::Many([key.clone(), key].into()));
        assert_eq!(read("[]").unwrap(), OneOrMany::Many(Vec::new()));
        for wrong in
            ["5", "null", "true", r#""text""#, "{}", "[[]]", "[5]", &format!("[{item}"), &format!("[{item},5]")]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        // What is beyond the bound is passed over, whatever it is, as long as it is JSON.
        let many = format!("[{}5]", format!("{item},").repeat(3 * MAX_ITEMS));
        assert_eq!(read(&many).unwrap().into_vec().len(), MAX_ITEMS + 1);
        let address = format!("\"{}\"", "5a".repeat(32));
        let addresses = serde_json::from_str::<OneOrMany<Hex<ScAddress>>>(&address).unwrap();
        assert_eq!(addresses, OneOrMany::One(Hex(ScAddress([0x5a; 32]))));
    }

    #[test]
    fn a_delta_is_read_in_every_form_and_written_in_one() {
        let delta = DeltaField(Delta { key: U64(3), data: ByteArray([1, 255].into()) });
        for form in [
            r#"{"key":3,"data":[1,255]}"#,
            r#"{"data":"01ff","key":"3"}"#,
            r#"[3,[1,255]]"#,
            r#"["3","0x01FF"]"#,
            r#"[{"key":3,"data":"01ff"}]"#,
        ] {
            assert_eq!(serde_json::from_str::<DeltaField>(form).unwrap(), delta, "{form}");
        }
        assert_eq!(serde_json::to_string(&delta).unwrap(), r#"{"key":3,"data":[1,255]}"#);
        for wrong in ["[]", "[3]", "[3,[1],4]", "[3,[256]]", "{}", "3", r#"[{"key":3,"data":[]},5]"#, r#"["x",[]]"#] {
            assert!(serde_json::from_str::<DeltaField>(wrong).is_err(), "{wrong}");
        }
    }
}
