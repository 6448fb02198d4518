//! The threshold pseudorandom function from which every shared secret is derived (`spec/keys.md`).
//!
//! A key manager with share x evaluates `x·P`, where P is the input hashed to ristretto255, and proves that it used the share
//! it is committed to. Whoever has t such partial evaluations interpolates them to `k·P`, k being the key that exists nowhere,
//! and derives 32 bytes. The construction is that of a verifiable OPRF (RFC 9497) without the blinding: the input is public.
//!
//! Deliberately absent: the generation of shares among several key managers.
#![allow(clippy::arithmetic_side_effects, reason = "group and field operations do not overflow")]

use crate::tee::{Tee, TeeError};
use curve25519_dalek::{
    constants::RISTRETTO_BASEPOINT_POINT,
    ristretto::{CompressedRistretto, RistrettoPoint},
    scalar::Scalar,
    traits::Identity as _,
};
use enigma_protocol::{Domain, Hash};
use hkdf::Hkdf;
use sha2::{Digest, Sha256, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const HASH_TO_GROUP_DST: &[u8] = b"enigma/dprf/1";
const OUTPUT_LABEL: &[u8] = b"enigma/dprf-output/1";
const CHALLENGE_LABEL: &[u8] = b"enigma/dprf-challenge/1";
const NONCE_LABEL: &[u8] = b"enigma/dprf-nonce/1";

/// 32 bytes that enclaves share and nobody else knows.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// What an output is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Purpose {
    /// State key of a contract and generation.
    State = 1,
    /// Input key of a contract and epoch.
    Input = 2,
    /// Randomness of a contract.
    Random = 3,
    /// Seed of an epoch.
    Seed = 4,
}

impl Purpose {
    /// The purpose with this number on the wire.
    pub(crate) fn from_u8(number: u8) -> Option<Self> {
        [Self::State, Self::Input, Self::Random, Self::Seed].into_iter().find(|known| *known as u8 == number)
    }
}

/// The public input of one evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) purpose: Purpose,
    /// The contract, or zero for a seed.
    pub(crate) subject: Hash,
    /// Generation or epoch; zero for randomness.
    pub(crate) number: u64,
}

impl Input {
    /// `abi.encode(purpose, chainId, enigma, subject, number)`.
    fn encode(&self, domain: &Domain) -> Vec<u8> {
        let mut words = Vec::with_capacity(160);
        words.extend([0; 31]);
        words.push(self.purpose as u8);
        words.extend([0; 24]);
        words.extend(domain.chain_id.to_be_bytes());
        words.extend([0; 12]);
        words.extend(domain.enigma.0);
        words.extend(self.subject.0);
        words.extend([0; 24]);
        words.extend(self.number.to_be_bytes());
        words
    }

    fn point(&self, domain: &Domain) -> RistrettoPoint {
        hash_to_group(&self.encode(domain), HASH_TO_GROUP_DST)
    }
}

/// RFC 9380 section 5.3.1, `expand_message_xmd` with SHA-512, for outputs of one block; `None` above 64 bytes.
fn expand_message_xmd<const N: usize>(message: &[u8], dst: &[u8]) -> Option<[u8; N]> {
    let dst_length = u8::try_from(dst.len()).ok()?;
    let length = u8::try_from(N).ok().filter(|length| *length <= 64)?;
    let b0 = Sha512::new()
        .chain_update([0; 128])
        .chain_update(message)
        .chain_update([0, length, 0])
        .chain_update(dst)
        .chain_update([dst_length])
        .finalize();
    let b1 = Sha512::new().chain_update(b0).chain_update([1]).chain_update(dst).chain_update([dst_length]).finalize();
    b1.first_chunk::<N>().copied()
}

/// RFC 9380 appendix B, `ristretto255_XMD:SHA-512_R255MAP_RO_`.
fn hash_to_group(message: &[u8], dst: &[u8]) -> RistrettoPoint {
    // Both label and length are constants within bounds.
    let uniform = expand_message_xmd::<64>(message, dst).unwrap_or([0; 64]);
    RistrettoPoint::from_uniform_bytes(&uniform)
}

/// A key manager's share of the key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Share(Scalar);

impl Share {
    /// A new random share.
    pub(crate) fn random(tee: &impl Tee) -> Result<Self, TeeError> {
        let mut wide = Zeroizing::new([0; 64]);
        tee.fill_random(wide.as_mut_slice())?;
        Ok(Self(Scalar::from_bytes_mod_order_wide(&wide)))
    }

    /// Reads what [`Self::to_bytes`] gave; `None` for zero and for other encodings.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let scalar: Option<Scalar> = Scalar::from_canonical_bytes(*bytes).into();
        scalar.filter(|scalar| *scalar != Scalar::ZERO).map(Self)
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// `x·G`, which Ethereum and the configuration keep.
    pub(crate) fn commitment(&self) -> Commitment {
        let point = RistrettoPoint::mul_base(&self.0);
        Commitment { point, bytes: point.compress().to_bytes() }
    }

    /// `x·P` with a proof; `random` hedges the proof's nonce.
    pub(crate) fn evaluate(&self, domain: &Domain, input: &Input, random: &[u8; 32]) -> Partial {
        let point = input.point(domain);
        let value_point = point * self.0;
        let value = value_point.compress().to_bytes();
        let commitment = self.commitment();
        let mut wide: [u8; 64] = Sha512::new()
            .chain_update(NONCE_LABEL)
            .chain_update(self.to_bytes().as_slice())
            .chain_update(random)
            .chain_update(commitment.bytes)
            .chain_update(point.compress().to_bytes())
            .finalize()
            .into();
        let mut nonce = Scalar::from_bytes_mod_order_wide(&wide);
        wide.zeroize();
        let challenge = challenge(&commitment, &point, &value, &RistrettoPoint::mul_base(&nonce), &(point * nonce));
        let response = nonce - challenge * self.0;
        nonce.zeroize();
        Partial { value, challenge: challenge.to_bytes(), response: response.to_bytes() }
    }
}

/// What a key manager is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Commitment {
    point: RistrettoPoint,
    bytes: [u8; 32],
}

impl Commitment {
    /// Decodes a compressed point; the identity is refused.
    pub(crate) fn from_hash(hash: Hash) -> Option<Self> {
        let point = CompressedRistretto(hash.0).decompress()?;
        (point != RistrettoPoint::identity()).then_some(Self { point, bytes: hash.0 })
    }

    pub(crate) fn to_hash(self) -> Hash {
        Hash(self.bytes)
    }
}

/// Fiat–Shamir challenge of the proof that one scalar relates G to X and P to Y (Chaum–Pedersen).
fn challenge(
    commitment: &Commitment,
    point: &RistrettoPoint,
    value: &[u8; 32],
    a: &RistrettoPoint,
    b: &RistrettoPoint,
) -> Scalar {
    let hash = Sha512::new()
        .chain_update(CHALLENGE_LABEL)
        .chain_update(RISTRETTO_BASEPOINT_POINT.compress().to_bytes())
        .chain_update(commitment.bytes)
        .chain_update(point.compress().to_bytes())
        .chain_update(value)
        .chain_update(a.compress().to_bytes())
        .chain_update(b.compress().to_bytes())
        .finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

/// One key manager's evaluation, as it travels (inside an encrypted answer).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Partial {
    pub(crate) value: [u8; 32],
    pub(crate) challenge: [u8; 32],
    pub(crate) response: [u8; 32],
}

/// A partial evaluation that its proof does not support.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidPartial;

/// A partial evaluation that was made with the committed share.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct VerifiedPartial(RistrettoPoint);

impl Partial {
    /// Checks the proof against the commitment.
    pub(crate) fn verify(
        &self,
        domain: &Domain,
        input: &Input,
        commitment: &Commitment,
    ) -> Result<VerifiedPartial, InvalidPartial> {
        let scalar = |bytes: [u8; 32]| Option::from(Scalar::from_canonical_bytes(bytes)).ok_or(InvalidPartial);
        let (expected, response): (Scalar, Scalar) = (scalar(self.challenge)?, scalar(self.response)?);
        let value = CompressedRistretto(self.value).decompress().ok_or(InvalidPartial)?;
        let point = input.point(domain);
        let a = RistrettoPoint::mul_base(&response) + commitment.point * expected;
        let b = point * response + value * expected;
        if challenge(commitment, &point, &self.value, &a, &b) != expected {
            return Err(InvalidPartial);
        }
        Ok(VerifiedPartial(value))
    }
}

/// Interpolates the partial evaluations of key managers with these indices (from 1) and derives the output.
///
/// `None` unless there are exactly as many as the threshold, with distinct indices above zero.
pub(crate) fn combine(
    domain: &Domain,
    input: &Input,
    threshold: u64,
    partials: &[(u64, &VerifiedPartial)],
) -> Option<Secret> {
    if threshold == 0 || partials.len() as u64 != threshold {
        return None;
    }
    let mut sum = RistrettoPoint::identity();
    for (index, partial) in partials {
        sum += partial.0 * lagrange_at_zero(*index, partials.iter().map(|(other, _)| *other))?;
    }
    let kdf = Hkdf::<Sha256>::new(None, &*Zeroizing::new(sum.compress().to_bytes()));
    sum.zeroize();
    let mut output = Zeroizing::new([0; 32]);
    kdf.expand(&[OUTPUT_LABEL, &input.encode(domain)].concat(), output.as_mut_slice()).ok()?;
    Some(output)
}

/// `Π j / (j − i)` over the other indices; `None` when an index is zero or occurs twice.
fn lagrange_at_zero(index: u64, indices: impl Iterator<Item = u64>) -> Option<Scalar> {
    let (mut numerator, mut denominator, mut seen) = (Scalar::ONE, Scalar::ONE, 0u32);
    for other in indices {
        if other == 0 {
            return None;
        }
        if other == index {
            seen = seen.saturating_add(1);
            continue;
        }
        numerator *= Scalar::from(other);
        denominator *= Scalar::from(other) - Scalar::from(index);
    }
    (seen == 1).then(|| numerator * denominator.invert())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use enigma_protocol::Address;

    fn domain() -> Domain {
        Domain { chain_id: 31337, enigma: Address([1; 20]) }
    }

    fn input() -> Input {
        Input { purpose: Purpose::State, subject: Hash([2; 32]), number: 3 }
    }

    fn hex32(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn expand_message_is_rfc_9380s() {
        // Appendix K.3, SHA-512, DST of 38 bytes, outputs of 0x20 bytes.
        let dst = b"QUUX-V01-CS02-with-expander-SHA512-256";
        for (message, expected) in [
            ("", "6b9a7312411d92f921c6f68ca0b6380730a1a4d982c507211a90964c394179ba"),
            ("abc", "0da749f12fbe5483eb066a5f595055679b976e93abe9be6f0f6318bce7aca8dc"),
        ] {
            assert_eq!(expand_message_xmd::<32>(message.as_bytes(), dst).unwrap(), hex32(expected));
        }
        assert_eq!(expand_message_xmd::<65>(b"", dst), None);
        assert_eq!(expand_message_xmd::<32>(b"", &[0; 256]), None);
    }

    #[test]
    fn hash_to_group_is_rfc_9497s() {
        // Appendix A.1.1, OPRF mode, test vector 1: BlindedElement = Blind * HashToGroup(Input).
        let blind = "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706";
        let blind: Option<Scalar> = Scalar::from_canonical_bytes(hex32(blind)).into();
        let blinded = hash_to_group(&[0], b"HashToGroup-OPRFV1-\x00-ristretto255-SHA512") * blind.unwrap();
        let expected = "609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c";
        assert_eq!(blinded.compress().to_bytes(), hex32(expected));
    }

    #[test]
    fn inputs_are_encoded_as_five_words() {
        let encoded = input().encode(&domain());
        assert_eq!(encoded.len(), 160);
        let mut expected = [0; 160];
        expected[31] = 1;
        expected[62..64].copy_from_slice(&31337u16.to_be_bytes());
        expected[76..96].fill(1);
        expected[96..128].fill(2);
        expected[159] = 3;
        assert_eq!(encoded, expected);
    }

    /// A dealer that only a test may be: Shamir shares of `secret` with `threshold`, indices from 1.
    pub(crate) fn deal(secret: u64, threshold: u64, count: u64) -> Vec<(u64, Share)> {
        let coefficients: Vec<Scalar> = (1..threshold).map(|n| Scalar::from(n * 7919)).collect();
        let value = |index: u64| {
            let x = Scalar::from(index);
            coefficients.iter().rev().fold(Scalar::ZERO, |sum, coefficient| (sum + coefficient) * x)
                + Scalar::from(secret)
        };
        (1..=count).map(|index| (index, Share(value(index)))).collect()
    }

    fn evaluate(share: &Share) -> VerifiedPartial {
        let partial = share.evaluate(&domain(), &input(), &[9; 32]);
        partial.verify(&domain(), &input(), &share.commitment()).unwrap_or_else(|_| panic!("own proof"))
    }

    #[test]
    fn any_three_of_five_agree_with_the_whole_key() {
        let secret = 123_456_789;
        let whole = evaluate(&Share(Scalar::from(secret)));
        let expected = combine(&domain(), &input(), 1, &[(1, &whole)]).unwrap();
        let partials: Vec<_> = deal(secret, 3, 5).iter().map(|(index, share)| (*index, evaluate(share))).collect();
        for a in 0..5 {
            for b in a + 1..5 {
                for c in b + 1..5 {
                    let chosen = [c, a, b].map(|n| (partials[n].0, &partials[n].1));
                    assert_eq!(combine(&domain(), &input(), 3, &chosen).unwrap(), expected);
                }
            }
        }
        let [one, two, three] = [0, 1, 2].map(|n| (partials[n].0, &partials[n].1));
        assert_ne!(combine(&domain(), &input(), 2, &[one, two]).unwrap(), expected);
        assert!(combine(&domain(), &input(), 3, &[one, two]).is_none());
        assert!(combine(&domain(), &input(), 2, &[one, two, three]).is_none());
        assert!(combine(&domain(), &input(), 2, &[one, one]).is_none());
        assert!(combine(&domain(), &input(), 1, &[(0, one.1)]).is_none());
        assert!(combine(&domain(), &input(), 0, &[]).is_none());
    }

    #[test]
    fn outputs_depend_on_everything() {
        let share = Share(Scalar::from(5u64));
        let output = |domain: &Domain, input: &Input| {
            let partial = share.evaluate(domain, input, &[0; 32]);
            let verified = partial.verify(domain, input, &share.commitment()).unwrap_or_else(|_| panic!("own proof"));
            *combine(domain, input, 1, &[(1, &verified)]).unwrap()
        };
        let mut outputs = vec![
            output(&domain(), &input()),
            output(&Domain { chain_id: 1, ..domain() }, &input()),
            output(&Domain { enigma: Address([2; 20]), ..domain() }, &input()),
            output(&domain(), &Input { subject: Hash([3; 32]), ..input() }),
            output(&domain(), &Input { number: 4, ..input() }),
        ];
        for purpose in [Purpose::Input, Purpose::Random, Purpose::Seed] {
            outputs.push(output(&domain(), &Input { purpose, ..input() }));
        }
        let count = outputs.len();
        outputs.sort_unstable();
        outputs.dedup();
        assert_eq!(outputs.len(), count);
    }

    #[test]
    fn forged_partials_are_refused() {
        let share = Share(Scalar::from(5u64));
        let partial = share.evaluate(&domain(), &input(), &[9; 32]);
        let commitment = share.commitment();
        let refused = |partial: &Partial, input: &Input, commitment: &Commitment| {
            assert!(partial.verify(&domain(), input, commitment).is_err());
        };
        refused(&partial, &Input { number: 4, ..input() }, &commitment);
        refused(&partial, &input(), &Share(Scalar::from(6u64)).commitment());
        for position in 0..32 {
            for field in 0..3 {
                let mut changed = partial.clone();
                [&mut changed.value, &mut changed.challenge, &mut changed.response][field][position] ^= 1;
                refused(&changed, &input(), &commitment);
            }
        }
        let mut other = Share(Scalar::from(6u64)).evaluate(&domain(), &input(), &[9; 32]);
        refused(&other, &input(), &commitment);
        other.value = partial.value;
        refused(&other, &input(), &commitment);
        // The proof's nonce never repeats for another input, and nothing depends on the hedge but the proof.
        assert!(partial.value == share.evaluate(&domain(), &input(), &[8; 32]).value);
    }

    #[test]
    fn degenerate_keys_are_refused() {
        assert!(Share::from_bytes(&[0; 32]).is_none());
        assert!(Share::from_bytes(&[0xff; 32]).is_none());
        assert!(Commitment::from_hash(Hash([0; 32])).is_none());
        assert!(Commitment::from_hash(Hash([0xff; 32])).is_none());
        let share = Share(Scalar::from(5u64));
        assert!(Share::from_bytes(&share.to_bytes()).is_some());
        assert_eq!(Commitment::from_hash(share.commitment().to_hash()), Some(share.commitment()));
    }
}
