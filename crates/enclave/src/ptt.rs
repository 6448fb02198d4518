//! Pass the torch: how a worker asks the key managers for keys and how they answer.
//!
//! Both messages are MessagePack maps with the fields of the published message set and further ones. Bytes are `bin`. Only the
//! canonical encoding is read: what does not encode to the same bytes again is refused, so there are no trailing bytes, unknown
//! fields or second spellings.
//!
//! * The request names contracts, epoch and a recent block, and carries a fresh X25519 key with the evidence that binds it.
//! * The answer is sealed to that key (HPKE base mode) and signed by the key manager. It holds, per contract, the partial
//!   evaluations of [`crate::dprf`] with their proofs.

use crate::{
    dprf::{Commitment, Input, Partial, Purpose, Secret, VerifiedPartial, combine},
    error::{InvalidAnswer, Refusal},
    network::{KeyManagers, Network},
    tee::{Tee, TeeError},
};
use core::convert::Infallible;
use enigma_protocol::{
    Address, Domain, Hash, ScAddress,
    hash::Preimage,
    limits::MAX_PTT_ADDRESSES,
    signature::{Purpose as SigningPurpose, SecretKey, Signature},
};
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable as _,
    aead::AesGcm256,
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    rand_core::{TryCryptoRng, TryRng},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Visitor};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use zeroize::{Zeroize as _, Zeroizing};

const PREFIX: &[u8] = b"Enigma Message";
/// A request: 64 addresses and evidence, with room for larger evidence of hardware.
pub(crate) const MAX_REQUEST_BYTES: usize = 64 << 10;
/// An answer: 64 addresses with three shares of 96 bytes each take 23 KB.
pub(crate) const MAX_RESPONSE_BYTES: usize = 64 << 10;
/// Requests that wait for an answer; the oldest is given up for a new one.
const MAX_PENDING: usize = 16;
/// Generation of state keys; later versions count it up.
pub(crate) const GENERATION: u32 = 0;

type PrivateKey = <X25519HkdfSha256 as hpke::Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as hpke::Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as hpke::Kem>::EncappedKey;

/// Identifies a request.
pub(crate) type RequestId = [u8; 12];

/// MessagePack `bin`.
#[derive(Clone, PartialEq, Eq)]
struct Bin(Vec<u8>);

impl Bin {
    fn array<const N: usize>(&self) -> Option<[u8; N]> {
        self.0.as_slice().try_into().ok()
    }
}

impl Drop for Bin {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Serialize for Bin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Bin;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bin, E> {
                Ok(Bin(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Writing plain values to memory cannot fail.
    rmp_serde::to_vec_named(value).unwrap_or_default()
}

fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Option<T> {
    if bytes.len() > limit {
        return None;
    }
    let value: T = rmp_serde::from_slice(bytes).ok()?;
    (*Zeroizing::new(encode(&value)) == bytes).then_some(value)
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RequestEnvelope {
    prefix: Bin,
    pubkey: Bin,
    id: Bin,
    addresses: Vec<Bin>,
    epoch: u64,
    block_hash: Bin,
    evidence: Bin,
}

/// A request for keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) public_key: [u8; 32],
    pub(crate) addresses: Vec<ScAddress>,
    pub(crate) epoch: u64,
    pub(crate) block_hash: Hash,
    pub(crate) evidence: Vec<u8>,
}

impl Request {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        encode(&RequestEnvelope {
            prefix: Bin(PREFIX.into()),
            pubkey: Bin(self.public_key.into()),
            id: Bin(self.id.into()),
            addresses: self.addresses.iter().map(|sc| Bin(sc.0.into())).collect(),
            epoch: self.epoch,
            block_hash: Bin(self.block_hash.0.into()),
            evidence: Bin(self.evidence.clone()),
        })
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let envelope: RequestEnvelope = decode(bytes, MAX_REQUEST_BYTES)?;
        let addresses: Option<Vec<_>> = envelope.addresses.iter().map(|sc| sc.array().map(ScAddress)).collect();
        let request = Self {
            id: envelope.id.array()?,
            public_key: envelope.pubkey.array()?,
            addresses: addresses?,
            epoch: envelope.epoch,
            block_hash: Hash(envelope.block_hash.array()?),
            evidence: envelope.evidence.0.clone(),
        };
        (envelope.prefix.0 == PREFIX && valid_addresses(&request.addresses)).then_some(request)
    }
}

/// One to [`MAX_PTT_ADDRESSES`] contracts, each once.
pub(crate) fn valid_addresses(addresses: &[ScAddress]) -> bool {
    let distinct: BTreeSet<_> = addresses.iter().collect();
    (1..=MAX_PTT_ADDRESSES).contains(&addresses.len()) && distinct.len() == addresses.len()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnsignedEnvelope {
    prefix: Bin,
    data: Bin,
    pubkey: Bin,
    id: Bin,
    signer: Bin,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedEnvelope {
    prefix: Bin,
    data: Bin,
    pubkey: Bin,
    id: Bin,
    signer: Bin,
    signature: Bin,
}

/// A key manager's answer, sealed and signed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    data: Vec<u8>,
    encapsulated_key: [u8; 32],
    id: RequestId,
    signer: Address,
}

impl Answer {
    fn digest(&self, domain: &Domain, epoch: u64) -> Hash {
        let unsigned = encode(&UnsignedEnvelope {
            prefix: Bin(PREFIX.into()),
            data: Bin(self.data.clone()),
            pubkey: Bin(self.encapsulated_key.into()),
            id: Bin(self.id.into()),
            signer: Bin(self.signer.0.into()),
        });
        SigningPurpose::PttResponse.digest(domain, epoch, &unsigned)
    }

    fn to_bytes(&self, signature: &Signature) -> Vec<u8> {
        encode(&SignedEnvelope {
            prefix: Bin(PREFIX.into()),
            data: Bin(self.data.clone()),
            pubkey: Bin(self.encapsulated_key.into()),
            id: Bin(self.id.into()),
            signer: Bin(self.signer.0.into()),
            signature: Bin(signature.0.into()),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Option<(Self, Signature)> {
        let envelope: SignedEnvelope = decode(bytes, MAX_RESPONSE_BYTES)?;
        let answer = Self {
            data: envelope.data.0.clone(),
            encapsulated_key: envelope.pubkey.array()?,
            id: envelope.id.array()?,
            signer: Address(envelope.signer.array()?),
        };
        (envelope.prefix.0 == PREFIX).then_some((answer, Signature(envelope.signature.array()?)))
    }
}

/// Shares by contract, as an answer holds them.
pub(crate) type Content = Vec<(ScAddress, Vec<(Purpose, Partial)>)>;

/// Address, then purpose, value and proof of each share.
type ContentEnvelope = Vec<(Bin, Vec<(u8, Bin, Bin)>)>;

fn encode_content(content: &Content) -> Zeroizing<Vec<u8>> {
    let share = |(purpose, partial): &(Purpose, Partial)| {
        let proof = [partial.challenge, partial.response].concat();
        (*purpose as u8, Bin(partial.value.into()), Bin(proof))
    };
    let entry = |(sc, shares): &(ScAddress, Vec<(Purpose, Partial)>)| {
        (Bin(sc.0.into()), shares.iter().map(share).collect::<Vec<_>>())
    };
    let envelope: ContentEnvelope = content.iter().map(entry).collect();
    Zeroizing::new(encode(&envelope))
}

fn decode_content(bytes: &[u8]) -> Option<Content> {
    let envelope: ContentEnvelope = decode(bytes, MAX_RESPONSE_BYTES)?;
    let share = |(purpose, value, proof): &(u8, Bin, Bin)| {
        let (challenge, response) = proof.0.split_first_chunk::<32>()?;
        let partial = Partial { value: value.array()?, challenge: *challenge, response: response.try_into().ok()? };
        Some((Purpose::from_u8(*purpose)?, partial))
    };
    let entry = |(sc, shares): &(Bin, Vec<(u8, Bin, Bin)>)| {
        let shares: Option<Vec<_>> = shares.iter().map(share).collect();
        Some((ScAddress(sc.array()?), shares?))
    };
    envelope.iter().map(entry).collect()
}

/// What is evaluated for a contract; a seed is nobody's.
pub(crate) fn input_of(purpose: Purpose, sc: ScAddress, epoch: u64) -> Option<Input> {
    let number = match purpose {
        Purpose::State => GENERATION.into(),
        Purpose::Input => epoch,
        Purpose::Random => 0,
        Purpose::Seed => return None,
    };
    Some(Input { purpose, subject: Hash(sc.0), number })
}

fn info(domain: &Domain, epoch: u64, id: &RequestId) -> Hash {
    Preimage::new("enigma/ptt/1").domain(domain).u64(epoch).bytes(id).finish()
}

/// Randomness of the TEE in the form that HPKE draws it. After a failure the drawn bytes are worthless and must not be used.
struct TeeRng<'a, T> {
    tee: &'a T,
    failure: Option<TeeError>,
}

impl<T: Tee> TryRng for TeeRng<'_, T> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        if let Err(failure) = self.tee.fill_random(bytes) {
            self.failure = Some(failure);
        }
        Ok(())
    }
}

impl<T: Tee> TryCryptoRng for TeeRng<'_, T> {}

/// Seals and signs an answer to `request`.
pub(crate) fn seal_answer<T: Tee>(
    tee: &T,
    domain: &Domain,
    key: &SecretKey,
    request: &Request,
    content: &Content,
) -> Result<Vec<u8>, Refusal> {
    let signer = key.address();
    let bad_key = || Refusal::Field("the request's key is not a usable X25519 public key".into());
    let public = PublicKey::from_bytes(&request.public_key).map_err(|_| bad_key())?;
    let mut rng = TeeRng { tee, failure: None };
    let (encapsulated, mut context) = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        &info(domain, request.epoch, &request.id).0,
        &mut rng,
    )
    .map_err(|_| bad_key())?;
    if let Some(failure) = rng.failure {
        return Err(failure.into());
    }
    let data = context.seal(&encode_content(content), &signer.0).map_err(|_| Refusal::Primitive)?;
    let answer = Answer { data, encapsulated_key: encapsulated.to_bytes().into(), id: request.id, signer };
    let signature = key.sign(answer.digest(domain, request.epoch));
    Ok(answer.to_bytes(&signature))
}

/// The keys of one contract, as far as the key managers gave them.
#[derive(Default)]
pub(crate) struct ContractKeys {
    pub(crate) input: Option<Secret>,
    pub(crate) state: Option<Secret>,
    pub(crate) random: Option<Secret>,
}

/// What an accepted answer leads to.
pub(crate) struct Accepted {
    pub(crate) epoch: u64,
    /// All contracts that were asked for, with the keys that can be combined by now.
    pub(crate) keys: Vec<(ScAddress, ContractKeys)>,
}

struct PendingRequest {
    epoch: u64,
    addresses: Vec<ScAddress>,
    private_key: PrivateKey,
    /// By index of the key manager.
    answers: BTreeMap<u64, BTreeMap<(ScAddress, u8), VerifiedPartial>>,
}

/// Requests of this run that wait for answers. Bounded; not kept over a restart, so that no old answer fits.
#[derive(Default)]
pub(crate) struct Pending {
    requests: BTreeMap<RequestId, PendingRequest>,
    order: VecDeque<RequestId>,
}

/// A fresh key pair and id for a request.
pub(crate) struct FreshRequest {
    pub(crate) id: RequestId,
    pub(crate) public_key: [u8; 32],
    private_key: PrivateKey,
}

impl FreshRequest {
    pub(crate) fn new(tee: &impl Tee) -> Result<Self, TeeError> {
        let mut id = [0; 12];
        tee.fill_random(&mut id)?;
        let mut seed = Zeroizing::new([0; 32]);
        tee.fill_random(seed.as_mut_slice())?;
        let (private_key, public_key) = X25519HkdfSha256::derive_keypair(seed.as_slice());
        Ok(Self { id, public_key: public_key.to_bytes().into(), private_key })
    }
}

impl Pending {
    /// Remembers a request; gives up the oldest when there are too many.
    pub(crate) fn insert(&mut self, fresh: FreshRequest, epoch: u64, addresses: Vec<ScAddress>) {
        while self.order.len() >= MAX_PENDING {
            if let Some(oldest) = self.order.pop_front() {
                self.requests.remove(&oldest);
            }
        }
        let FreshRequest { id, private_key, .. } = fresh;
        self.order.push_back(id);
        self.requests.insert(id, PendingRequest { epoch, addresses, private_key, answers: BTreeMap::new() });
    }

    /// Authenticates an answer and takes its shares; combines them once there are enough.
    ///
    /// An answer that is refused changes nothing: the request goes on waiting.
    pub(crate) fn accept(&mut self, network: &Network, bytes: &[u8]) -> Result<Accepted, InvalidAnswer> {
        self.accept_from(&network.domain, &network.key_managers, bytes)
    }

    fn accept_from(
        &mut self,
        domain: &Domain,
        key_managers: &KeyManagers,
        bytes: &[u8],
    ) -> Result<Accepted, InvalidAnswer> {
        let (answer, signature) = Answer::from_bytes(bytes).ok_or(InvalidAnswer::Envelope)?;
        let request = self.requests.get_mut(&answer.id).ok_or(InvalidAnswer::NotPending)?;
        let found = key_managers.find(answer.signer).ok_or(InvalidAnswer::UnknownSigner(answer.signer))?;
        let (index, commitment) = found;
        let digest = answer.digest(domain, request.epoch);
        signature.verify(digest, answer.signer).map_err(|_| InvalidAnswer::Signature)?;
        if request.answers.contains_key(&index) {
            return Err(InvalidAnswer::NotPending);
        }
        let shares = request.open(domain, commitment, &answer)?;
        request.answers.insert(index, shares);
        let accepted = request.combine(domain, key_managers.threshold);
        if request.answers.len() as u64 >= key_managers.threshold {
            self.requests.remove(&answer.id);
            self.order.retain(|id| *id != answer.id);
        }
        Ok(accepted)
    }
}

impl PendingRequest {
    fn open(
        &self,
        domain: &Domain,
        commitment: &Commitment,
        answer: &Answer,
    ) -> Result<BTreeMap<(ScAddress, u8), VerifiedPartial>, InvalidAnswer> {
        let encapsulated = EncappedKey::from_bytes(&answer.encapsulated_key).map_err(|_| InvalidAnswer::DoesNotOpen)?;
        let info = info(domain, self.epoch, &answer.id);
        let mut context = hpke::setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private_key,
            &encapsulated,
            &info.0,
        )
        .map_err(|_| InvalidAnswer::DoesNotOpen)?;
        let plaintext = context.open(&answer.data, &answer.signer.0).map_err(|_| InvalidAnswer::DoesNotOpen)?;
        let content = decode_content(&Zeroizing::new(plaintext)).ok_or(InvalidAnswer::Content)?;
        let mut shares = BTreeMap::new();
        for (sc, partials) in content {
            if !self.addresses.contains(&sc) {
                return Err(InvalidAnswer::Content);
            }
            for (purpose, partial) in partials {
                let input = input_of(purpose, sc, self.epoch).ok_or(InvalidAnswer::Content)?;
                let verified = partial.verify(domain, &input, commitment).map_err(|_| InvalidAnswer::Share)?;
                if shares.insert((sc, purpose as u8), verified).is_some() {
                    return Err(InvalidAnswer::Content);
                }
            }
        }
        Ok(shares)
    }

    fn combine(&self, domain: &Domain, threshold: u64) -> Accepted {
        let secret = |sc: ScAddress, purpose: Purpose| {
            let partials =
                self.answers.iter().filter_map(|(index, shares)| Some((*index, shares.get(&(sc, purpose as u8))?)));
            combine(domain, &input_of(purpose, sc, self.epoch)?, threshold, &partials.collect::<Vec<_>>())
        };
        let keys = |sc: &ScAddress| {
            let keys = ContractKeys {
                input: secret(*sc, Purpose::Input),
                state: secret(*sc, Purpose::State),
                random: secret(*sc, Purpose::Random),
            };
            (*sc, keys)
        };
        Accepted { epoch: self.epoch, keys: self.addresses.iter().map(keys).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dprf::{Share, tests::deal};
    use enigma_attestation::Claims;

    struct Counter(core::sync::atomic::AtomicU8);

    impl Tee for Counter {
        fn measurement(&self) -> Hash {
            Hash::ZERO
        }
        fn attest(&self, _: &Claims) -> Result<Vec<u8>, TeeError> {
            Ok(Vec::new())
        }
        fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, TeeError> {
            Ok(plaintext.to_vec())
        }
        fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
            Ok(Zeroizing::new(sealed.to_vec()))
        }
        fn fill_random(&self, bytes: &mut [u8]) -> Result<(), TeeError> {
            match self.0.fetch_add(1, core::sync::atomic::Ordering::SeqCst) {
                255 => Err(TeeError::Unavailable { service: "randomness", reason: "none left".into() }),
                byte => {
                    bytes.fill(byte);
                    Ok(())
                }
            }
        }
        fn now_s(&self) -> u64 {
            0
        }
    }

    const DOMAIN: Domain = Domain { chain_id: 1, enigma: Address([1; 20]) };
    const SC: ScAddress = ScAddress([2; 32]);
    const EPOCH: u64 = 3;

    /// Five key managers of which three are needed, and a request that waits for them.
    struct Setup {
        tee: Counter,
        signers: Vec<SecretKey>,
        shares: Vec<Share>,
        key_managers: KeyManagers,
        pending: Pending,
        request: Request,
    }

    fn setup() -> Setup {
        let tee = Counter(0.into());
        let signers: Vec<_> = (1..=5).map(|n| SecretKey::from_bytes(&[n; 32]).unwrap()).collect();
        let shares: Vec<_> = deal(77, 3, 5).into_iter().map(|(_, share)| share).collect();
        let members = signers.iter().zip(&shares).map(|(key, share)| (key.address(), share.commitment())).collect();
        let fresh = FreshRequest::new(&tee).unwrap();
        let (id, public_key, addresses) = (fresh.id, fresh.public_key, vec![SC]);
        let request = Request {
            id,
            public_key,
            addresses: addresses.clone(),
            epoch: EPOCH,
            block_hash: Hash::ZERO,
            evidence: vec![],
        };
        let mut pending = Pending::default();
        pending.insert(fresh, EPOCH, addresses);
        Setup { tee, signers, shares, key_managers: KeyManagers::for_test(3, members), pending, request }
    }

    impl Setup {
        fn share(&self, index: usize, purpose: Purpose) -> (Purpose, Partial) {
            (purpose, self.shares[index].evaluate(&DOMAIN, &input_of(purpose, SC, EPOCH).unwrap(), &[0; 32]))
        }

        fn honest(&self, index: usize) -> Content {
            vec![(
                SC,
                [Purpose::Input, Purpose::State, Purpose::Random].map(|purpose| self.share(index, purpose)).into(),
            )]
        }

        fn give(&mut self, index: usize, content: &Content) -> Result<Accepted, InvalidAnswer> {
            let answer = seal_answer(&self.tee, &DOMAIN, &self.signers[index], &self.request, content).unwrap();
            self.pending.accept_from(&DOMAIN, &self.key_managers, &answer)
        }
    }

    fn input_secret(accepted: Result<Accepted, InvalidAnswer>) -> Option<Secret> {
        let mut accepted = accepted.unwrap();
        assert_eq!((accepted.epoch, accepted.keys.len()), (EPOCH, 1));
        let (sc, keys) = accepted.keys.pop().unwrap();
        assert_eq!(sc, SC);
        assert_eq!((keys.state.is_some(), keys.random.is_some()), (keys.input.is_some(), keys.input.is_some()));
        assert!(keys.input.is_none() || keys.input != keys.state && keys.state != keys.random);
        keys.input
    }

    #[test]
    fn any_three_of_five_answers_give_the_keys() {
        let mut secrets = Vec::new();
        for order in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
            let mut setup = setup();
            let [one, two, three] = order.map(|index| {
                let content = setup.honest(index);
                setup.give(index, &content)
            });
            assert_eq!((input_secret(one), input_secret(two)), (None, None));
            secrets.push(input_secret(three).unwrap());
            let content = setup.honest(order[0]);
            assert_eq!(setup.give(order[0], &content).err(), Some(InvalidAnswer::NotPending), "the request is done");
        }
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn one_key_manager_counts_once() {
        let mut setup = setup();
        let content = setup.honest(0);
        assert!(setup.give(0, &content).is_ok());
        assert_eq!(setup.give(0, &content).err(), Some(InvalidAnswer::NotPending));
        assert!(setup.give(1, &setup.honest(1)).is_ok());
        assert!(input_secret(setup.give(2, &setup.honest(2))).is_some());
    }

    #[test]
    fn a_registered_key_manager_that_cheats() {
        let mut setup = setup();
        let other_share = setup.honest(1);
        assert_eq!(setup.give(0, &other_share).err(), Some(InvalidAnswer::Share));
        let (_, partial) = setup.share(0, Purpose::State);
        let relabelled = vec![(SC, vec![(Purpose::Input, partial.clone())])];
        assert_eq!(setup.give(0, &relabelled).err(), Some(InvalidAnswer::Share));
        let seed = vec![(SC, vec![(Purpose::Seed, partial)])];
        assert_eq!(setup.give(0, &seed).err(), Some(InvalidAnswer::Content));
        let twice = vec![(SC, vec![setup.share(0, Purpose::Input), setup.share(0, Purpose::Input)])];
        assert_eq!(setup.give(0, &twice).err(), Some(InvalidAnswer::Content));
        let not_asked_for = vec![(ScAddress([9; 32]), vec![])];
        assert_eq!(setup.give(0, &not_asked_for).err(), Some(InvalidAnswer::Content));
        // It can still answer as it should.
        assert!(setup.give(0, &setup.honest(0)).is_ok());
    }

    #[test]
    fn without_randomness_nothing_is_sealed() {
        let setup = setup();
        setup.tee.0.store(255, core::sync::atomic::Ordering::SeqCst);
        let sealed = seal_answer(&setup.tee, &DOMAIN, &setup.signers[0], &setup.request, &setup.honest(0));
        assert!(matches!(sealed, Err(Refusal::Tee(_))));
    }

    #[test]
    fn requests_have_one_encoding() {
        let request = setup().request;
        let bytes = request.to_bytes();
        assert_eq!(Request::from_bytes(&bytes), Some(request));
        for position in 0..bytes.len() {
            assert_eq!(Request::from_bytes(&bytes[..position]), None);
            for change in 1..=255 {
                let mut changed = bytes.clone();
                changed[position] ^= change;
                if let Some(read) = Request::from_bytes(&changed) {
                    assert_eq!(read.to_bytes(), changed);
                }
            }
        }
        assert_eq!(Request::from_bytes(&[bytes, vec![0xc0]].concat()), None);
    }
}
