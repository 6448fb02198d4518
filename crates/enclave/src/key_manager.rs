//! The machine of a key manager: knows epochs and their workers, serves keys to the selected ones, and draws epoch seeds.
//!
//! What it knows of Ethereum its host tells it: this version has no proofs of headers. A host can therefore invent workers and
//! deployments, once for each epoch; it cannot have an epoch signed twice, nor present another one than the signed.

use crate::{
    authentic::Authentic,
    dprf::{Input, Purpose as DprfPurpose, Share, combine},
    error::{OpenError, Refusal},
    frame::{self, Frame},
    identity::Keys,
    network::Network,
    ptt::{self, Content},
    store::{EPOCHS, Store, deployed_key, epoch_key},
    tee::Tee,
    worker::{lock, registration_response},
};
use borsh::{BorshDeserialize, BorshSerialize};
use enigma_attestation::{Claims, Evidence, Expected, Freshness, Purpose, Role, verify};
use enigma_protocol::{
    Address, Hash, ScAddress,
    config::NetworkConfig,
    hash::Preimage,
    ipc::{
        EpochInput, EpochResult, LedgerViewInput, LedgerViewResult, PttRequestResult, PttResponseInput,
        RegistrationInput, Response,
    },
    json::{Hex, Hex0x, U64, U128},
    selection::{EpochParameters, WorkerStake, WorkerTree},
    signature::{Purpose as SigningPurpose, SecretKey, Signature},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

/// Epochs whose keys are served: tasks may be executed some epochs after their record.
const MAX_EPOCHS: u64 = 8;
/// Recent blocks that evidence may name.
const MAX_BLOCK_HASHES: usize = 256;

/// An epoch that this key manager signed. There is one for each number, for ever.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct SignedEpoch {
    parameters: EpochParameters,
    workers: Vec<WorkerStake>,
    signature: Signature,
}

/// An epoch with its tree.
struct KnownEpoch {
    parameters: EpochParameters,
    tree: WorkerTree,
}

impl KnownEpoch {
    fn is_selected(&self, signer: Address, sc: ScAddress) -> bool {
        let selected = self.parameters.ticket(sc, 0).and_then(|ticket| self.tree.select(ticket, 0));
        selected.is_some_and(|proof| proof.worker.signer == signer)
    }
}

/// What the host told of Ethereum in this run.
#[derive(Default)]
struct View {
    block_number: u64,
    block_hashes: Vec<Hash>,
    epoch: u64,
    epochs: BTreeMap<u64, Arc<KnownEpoch>>,
}

/// The machine of a key manager.
pub struct KeyManager<T, S> {
    tee: T,
    store: Authentic<S>,
    network: Network,
    signing_key: SecretKey,
    share: Share,
    view: Mutex<View>,
    /// Held while an epoch is signed, so that there is one for each number.
    signing: Mutex<()>,
}

impl<T: Tee, S: Store> KeyManager<T, S> {
    /// Opens the key manager of this data directory; makes its identity when there is none.
    ///
    /// # Errors
    /// [`OpenError`] when TEE, store, identity or configuration do not allow it.
    pub fn open(tee: T, store: S, config: NetworkConfig) -> Result<Self, OpenError> {
        let network = Network::new(&config)?;
        let keys = Keys::load_or_create(&tee, &store, Role::KeyManager)?;
        let (signing_key, share) = (keys.signing_key()?, keys.share()?.ok_or(OpenError::SealedIdentity)?);
        let (signer, commitment) = (signing_key.address(), share.commitment());
        if network.key_managers.find(signer).is_none_or(|(_, configured)| *configured != commitment) {
            return Err(OpenError::NotConfigured { signer, commitment: commitment.to_hash() });
        }
        let store = Authentic::new(store, &keys.signing_key).ok_or(OpenError::Primitive)?;
        Ok(Self { tee, store, network, signing_key, share, view: Mutex::default(), signing: Mutex::default() })
    }

    /// The address whose key signs epochs and answers.
    pub fn signer(&self) -> Address {
        self.signing_key.address()
    }

    /// Answers one JSON frame (`spec/ipc.md`).
    pub fn handle(&self, frame: &[u8]) -> Vec<u8> {
        frame::answer(frame, |frame| self.answer(frame)).wait()
    }

    fn answer(&self, frame: &Frame<'_>) -> Result<Response, Refusal> {
        match frame.request_type {
            "GetRegistrationParams" => self.registration(frame.optional_input()?),
            "SetLedgerView" => self.set_ledger_view(frame.input()?),
            "AnswerPTTRequest" => self.answer_key_request(frame.input()?),
            "SignEpoch" => self.sign_epoch(frame.input()?),
            "GetTip"
            | "GetTips"
            | "GetAllTips"
            | "GetAllAddrs"
            | "GetDelta"
            | "GetDeltas"
            | "GetContract"
            | "GetSnapshot"
            | "UpdateNewContract"
            | "UpdateNewContractOnDeployment"
            | "RemoveContract"
            | "UpdateDeltas"
            | "RemoveDeltas"
            | "AdvanceQueue"
            | "Query"
            | "GetPTTRequest"
            | "PTTResponse"
            | "NewTaskEncryptionKey"
            | "DeploySecretContract"
            | "ComputeTask"
            | "SignBatch" => Err(Refusal::WrongRole { request: frame.request_type.into(), role: Role::KeyManager }),
            other => Err(frame::unanswered(other)),
        }
    }

    fn registration(&self, input: Option<RegistrationInput>) -> Result<Response, Refusal> {
        let (operator, block_hash) =
            input.map_or_else(Default::default, |input| (input.operator.0, input.block_hash.0));
        let purpose = Purpose::KeyManagerRegistration { operator, commitment: self.share.commitment().to_hash() };
        let claims = Claims::new(self.network.config_hash, Role::KeyManager, self.signer(), &purpose, block_hash);
        let report = self.tee.attest(&claims)?;
        Ok(registration_response(&self.network, &self.signing_key, report))
    }

    fn load_epoch(&self, epoch: u64) -> Result<Option<SignedEpoch>, Refusal> {
        self.store.load("epoch", &epoch_key(epoch))
    }

    fn set_ledger_view(&self, input: LedgerViewInput) -> Result<Response, Refusal> {
        let (block_number, epoch) = (input.block_number.0, input.epoch.0);
        if input.block_hashes.len() > MAX_BLOCK_HASHES {
            let (actual, limit) = (input.block_hashes.len(), MAX_BLOCK_HASHES);
            return Err(Refusal::TooLarge { what: "`blockHashes`", actual, limit });
        }
        let mut view = lock(&self.view);
        if block_number < view.block_number || epoch < view.epoch {
            return Err(Refusal::View("the view of Ethereum does not go back: a newer block or epoch is known"));
        }
        if epoch > 0 {
            self.check_epoch(epoch, input.seed.0, &input.workers.iter().map(WorkerStake::from).collect::<Vec<_>>())?;
        }
        let mut writes = Vec::new();
        for sc in input.deployed.iter().map(|sc| sc.0).collect::<BTreeSet<_>>() {
            writes.push(self.store.write(deployed_key(sc), &[])?);
        }
        if !writes.is_empty() {
            self.store.commit(writes)?;
        }
        view.block_number = block_number;
        view.block_hashes = input.block_hashes.into_iter().map(|hash| hash.0).collect();
        view.epoch = epoch;
        let oldest = epoch.saturating_sub(MAX_EPOCHS);
        view.epochs.retain(|known, _| *known > oldest);
        Ok(Response::SetLedgerView { result: LedgerViewResult { block_number: U64(block_number) } })
    }

    /// An epoch counts only as this key manager signed it.
    fn check_epoch(&self, epoch: u64, seed: Hash, workers: &[WorkerStake]) -> Result<(), Refusal> {
        let signed = self.load_epoch(epoch)?.ok_or(Refusal::UnknownEpoch(epoch))?;
        if signed.parameters.seed != seed || signed.workers != workers {
            return Err(Refusal::View("the epoch has another seed or other workers than this key manager signed"));
        }
        Ok(())
    }

    /// An epoch whose keys are served: the current one or one of the last few before it.
    fn served_epoch(&self, view: &mut View, epoch: u64) -> Result<Arc<KnownEpoch>, Refusal> {
        let served = epoch > view.epoch.saturating_sub(MAX_EPOCHS) && epoch <= view.epoch;
        if !served {
            return Err(Refusal::UnknownEpoch(epoch));
        }
        if let Some(known) = view.epochs.get(&epoch) {
            return Ok(known.clone());
        }
        let SignedEpoch { parameters, workers, .. } = self.load_epoch(epoch)?.ok_or(Refusal::UnknownEpoch(epoch))?;
        let known = Arc::new(KnownEpoch { parameters, tree: WorkerTree::new(workers)? });
        view.epochs.insert(epoch, known.clone());
        Ok(known)
    }

    fn answer_key_request(&self, input: PttRequestResult) -> Result<Response, Refusal> {
        let request = ptt::Request::from_bytes(&input.request.0)
            .ok_or_else(|| Refusal::Field("`request` is not a valid envelope".into()))?;
        let signer = Evidence::from_bytes(&request.evidence)?.claims.signer;
        let digest = SigningPurpose::PttRequest.digest(&self.network.domain, request.epoch, &input.request.0);
        input.worker_sig.0.verify(digest, signer).map_err(|_| Refusal::RequestSignature)?;
        let epoch = {
            let mut view = lock(&self.view);
            self.verify_evidence(&request, signer, &view.block_hashes)?;
            self.served_epoch(&mut view, request.epoch)?
        };
        let mut content = Content::new();
        for sc in request.addresses.iter().copied().filter(|sc| epoch.is_selected(signer, *sc)) {
            content.push((sc, self.shares(sc, request.epoch)?));
        }
        if content.is_empty() {
            return Err(Refusal::NotSelected { signer, epoch: request.epoch });
        }
        let response = ptt::seal_answer(&self.tee, &self.network.domain, &self.signing_key, &request, &content)?;
        Ok(Response::AnswerPTTRequest { result: PttResponseInput { response: Hex(response) } })
    }

    fn verify_evidence(&self, request: &ptt::Request, signer: Address, recent: &[Hash]) -> Result<(), Refusal> {
        let expected = Expected {
            config_hash: self.network.config_hash,
            role: Role::Worker,
            signer,
            purpose: Purpose::PttKey(&request.public_key),
            freshness: Freshness::OneOf(recent),
        };
        verify(&request.evidence, &expected, &self.network.policy, self.tee.now_s())?;
        Ok(())
    }

    /// The input share of any contract; state and randomness only of one that has a deployment record.
    fn shares(&self, sc: ScAddress, epoch: u64) -> Result<Vec<(DprfPurpose, crate::dprf::Partial)>, Refusal> {
        let deployed = self.store.get("contract", &deployed_key(sc))?.is_some();
        let purposes: &[DprfPurpose] = if deployed {
            &[DprfPurpose::Input, DprfPurpose::State, DprfPurpose::Random]
        } else {
            &[DprfPurpose::Input]
        };
        let mut shares = Vec::new();
        for purpose in purposes {
            let input = ptt::input_of(*purpose, sc, epoch).ok_or(Refusal::Primitive)?;
            shares.push((*purpose, self.share.evaluate(&self.network.domain, &input, &self.random()?)));
        }
        Ok(shares)
    }

    fn random(&self) -> Result<[u8; 32], Refusal> {
        let mut bytes = [0; 32];
        self.tee.fill_random(&mut bytes)?;
        Ok(bytes)
    }

    fn sign_epoch(&self, input: EpochInput) -> Result<Response, Refusal> {
        let epoch = input.epoch.0;
        let _one_at_a_time = lock(&self.signing);
        if let Some(signed) = self.load_epoch(epoch)? {
            return Ok(epoch_response(&signed));
        }
        let next = self.last_signed_epoch()?.saturating_add(1);
        if epoch != next {
            return Err(Refusal::EpochOrder { given: epoch, next });
        }
        let workers: Vec<_> = input.workers.iter().map(WorkerStake::from).collect();
        let tree = WorkerTree::new(workers.clone())?;
        let parameters = EpochParameters {
            epoch,
            seed: self.seed(epoch, input.block_hash.0)?,
            workers_root: tree.root(),
            total_stake: tree.total_stake(),
        };
        let signature = self.signing_key.sign(parameters.digest(&self.network.domain));
        let signed = SignedEpoch { parameters, workers, signature };
        self.store.commit(vec![self.store.save(epoch_key(epoch), &signed)?])?;
        Ok(epoch_response(&signed))
    }

    fn last_signed_epoch(&self) -> Result<u64, Refusal> {
        let is_signed =
            |epoch: u64| Ok::<_, Refusal>(!self.store.scan("epoch", EPOCHS, &epoch_key(epoch), 1)?.is_empty());
        // Epochs are signed in order without gaps, so the last one is found by halving.
        let (mut signed, mut unsigned) = (0u64, u64::MAX);
        while unsigned.saturating_sub(signed) > 1 {
            let middle = signed.midpoint(unsigned);
            if is_signed(middle)? { signed = middle } else { unsigned = middle }
        }
        Ok(signed)
    }

    fn seed(&self, epoch: u64, block_hash: Hash) -> Result<Hash, Refusal> {
        let input = Input { purpose: DprfPurpose::Seed, subject: Hash::ZERO, number: epoch };
        let domain = &self.network.domain;
        let partial = self.share.evaluate(domain, &input, &self.random()?);
        let verified = partial.verify(domain, &input, &self.share.commitment()).map_err(|_| Refusal::Primitive)?;
        let (index, _) = self.network.key_managers.find(self.signer()).ok_or(Refusal::Primitive)?;
        let output = combine(domain, &input, self.network.key_managers.threshold, &[(index, &verified)]);
        let output = output.ok_or(Refusal::Primitive)?;
        Ok(Preimage::new("enigma/seed/1").hash(Hash(*output)).hash(block_hash).finish())
    }
}

fn epoch_response(signed: &SignedEpoch) -> Response {
    let EpochParameters { epoch, seed, workers_root, total_stake } = signed.parameters;
    Response::SignEpoch {
        result: EpochResult {
            epoch: U64(epoch),
            seed: Hex0x(seed),
            workers_root: Hex0x(workers_root),
            total_stake: U128(total_stake),
            signature: Hex0x(signed.signature),
        },
    }
}
