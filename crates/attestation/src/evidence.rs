//! The packed form of evidence and its verification.
//!
//! Big-endian, 353 bytes: version u8 = 1 ‖ platform u8 ‖ configHash 32 ‖ role u8 ‖ signer 20 ‖ purpose u8 ‖ purposeKeyHash 32 ‖
//! blockHash 32 ‖ measurement 32 ‖ hardwareId 32 ‖ tcbLevel u16 ‖ debug u8 ‖ platformKey 20 ‖ notBefore u64 ‖ notAfter u64 ‖
//! rootSignature 65 ‖ quoteSignature 65. Fields have fixed places so that a contract on Ethereum can read them.

use crate::{
    claims::{Claims, Role},
    policy::{EvidenceError, Expected, Freshness, Platform, Policy},
};
use alloc::vec::Vec;
use enigma_protocol::{Address, Hash, hash::Preimage, signature::Signature};

const VERSION: u8 = 1;
/// Length of evidence of a simulated platform.
pub const EVIDENCE_BYTES: usize = 353;

/// Evidence of a simulated platform, parsed and not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What the enclave claims; covered by the quote's signature.
    pub claims: Claims,
    /// What runs.
    pub measurement: Hash,
    /// Which machine it runs on.
    pub hardware_id: Hash,
    /// State of the machine's firmware and microcode.
    pub tcb_level: u16,
    /// 0 unless the enclave can be debugged.
    pub debug: u8,
    /// The key that signs the platform's quotes.
    pub platform_key: Address,
    /// First second of the platform's certificate.
    pub not_before_s: u64,
    /// Last second of the platform's certificate.
    pub not_after_s: u64,
    /// The root certifies the platform.
    pub root_signature: Signature,
    /// The platform signs the quote.
    pub quote_signature: Signature,
}

/// Evidence that satisfied an expectation and a policy. There is no other way to obtain one than [`verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEvidence(Evidence);

impl VerifiedEvidence {
    /// What was verified.
    pub fn evidence(&self) -> &Evidence {
        &self.0
    }
}

pub(crate) fn certificate_digest(
    platform_key: Address,
    hardware_id: Hash,
    not_before_s: u64,
    not_after_s: u64,
) -> Hash {
    Preimage::new("enigma/dev-platform/1")
        .address(platform_key)
        .hash(hardware_id)
        .u64(not_before_s)
        .u64(not_after_s)
        .finish()
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        let [byte] = self.take()?;
        Some(byte)
    }
}

impl Evidence {
    /// Parses evidence; nothing is verified.
    ///
    /// # Errors
    /// Wrong length, version, platform or role.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let length = EvidenceError::Length { actual: bytes.len(), expected: EVIDENCE_BYTES };
        let [version, platform, ..] = bytes else { return Err(length) };
        if *version != VERSION {
            return Err(EvidenceError::Version(*version));
        }
        match Platform::from_u8(*platform).ok_or(EvidenceError::UnknownPlatform(*platform))? {
            Platform::Simulation => {}
            other @ (Platform::SgxDcap | Platform::Tdx | Platform::SevSnp) => {
                return Err(EvidenceError::UnsupportedPlatform(other));
            }
        }
        if bytes.len() != EVIDENCE_BYTES {
            return Err(length);
        }
        Self::read(bytes).ok_or(length)?
    }

    fn read(bytes: &[u8]) -> Option<Result<Self, EvidenceError>> {
        let mut reader = Reader(bytes);
        let [_version, _platform] = reader.take()?;
        let config_hash = Hash(reader.take()?);
        let role = match reader.byte()? {
            1 => Role::Worker,
            2 => Role::KeyManager,
            other => return Some(Err(EvidenceError::UnknownRole(other))),
        };
        let claims = Claims {
            config_hash,
            role,
            signer: Address(reader.take()?),
            purpose: reader.byte()?,
            purpose_key_hash: Hash(reader.take()?),
            block_hash: Hash(reader.take()?),
        };
        Some(Ok(Self {
            claims,
            measurement: Hash(reader.take()?),
            hardware_id: Hash(reader.take()?),
            tcb_level: u16::from_be_bytes(reader.take()?),
            debug: reader.byte()?,
            platform_key: Address(reader.take()?),
            not_before_s: u64::from_be_bytes(reader.take()?),
            not_after_s: u64::from_be_bytes(reader.take()?),
            root_signature: Signature(reader.take()?),
            quote_signature: Signature(reader.take()?),
        }))
    }

    /// The packed form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(EVIDENCE_BYTES);
        bytes.extend([VERSION, Platform::Simulation as u8]);
        bytes.extend(self.claims.config_hash.0);
        bytes.push(self.claims.role.number());
        bytes.extend(self.claims.signer.0);
        bytes.push(self.claims.purpose);
        bytes.extend(self.claims.purpose_key_hash.0);
        bytes.extend(self.claims.block_hash.0);
        bytes.extend(self.measurement.0);
        bytes.extend(self.hardware_id.0);
        bytes.extend(self.tcb_level.to_be_bytes());
        bytes.push(self.debug);
        bytes.extend(self.platform_key.0);
        bytes.extend(self.not_before_s.to_be_bytes());
        bytes.extend(self.not_after_s.to_be_bytes());
        bytes.extend(self.root_signature.0);
        bytes.extend(self.quote_signature.0);
        bytes
    }

    /// What the root signs: that this key is a platform's.
    pub fn certificate_digest(&self) -> Hash {
        certificate_digest(self.platform_key, self.hardware_id, self.not_before_s, self.not_after_s)
    }

    /// What the platform signs.
    pub fn quote_digest(&self) -> Hash {
        Preimage::new("enigma/dev-quote/1")
            .hash(self.measurement)
            .hash(self.hardware_id)
            .u64(self.tcb_level.into())
            .u64(self.debug.into())
            .hash(self.claims.report_hash())
            .finish()
    }

    fn check_expected(&self, expected: &Expected<'_>) -> Result<(), EvidenceError> {
        let claims = &self.claims;
        if claims.config_hash != expected.config_hash {
            return Err(EvidenceError::ConfigHash { actual: claims.config_hash, expected: expected.config_hash });
        }
        if claims.role != expected.role {
            return Err(EvidenceError::Role { actual: claims.role, expected: expected.role });
        }
        if claims.signer != expected.signer {
            return Err(EvidenceError::Signer { actual: claims.signer, expected: expected.signer });
        }
        if claims.purpose != expected.purpose.number() {
            return Err(EvidenceError::Purpose { actual: claims.purpose, expected: expected.purpose.number() });
        }
        if claims.purpose_key_hash != expected.purpose.key_hash() {
            return Err(EvidenceError::PurposeKey);
        }
        match expected.freshness {
            Freshness::OneOf(recent) if !recent.contains(&claims.block_hash) => {
                Err(EvidenceError::Block(claims.block_hash))
            }
            Freshness::OneOf(_) | Freshness::NotChecked => Ok(()),
        }
    }
}

/// Verifies evidence against an expectation and a policy at the time `now_s` (Unix seconds).
///
/// # Errors
/// The first check that fails, in this order: format, debug mode, certificate, root, quote, measurement and TCB level, claims.
pub fn verify(
    evidence: &[u8],
    expected: &Expected<'_>,
    policy: &Policy,
    now_s: u64,
) -> Result<VerifiedEvidence, EvidenceError> {
    let evidence = Evidence::from_bytes(evidence)?;
    if evidence.debug != 0 {
        return Err(EvidenceError::Debug);
    }
    let Evidence { not_before_s, not_after_s, .. } = evidence;
    if !(not_before_s..=not_after_s).contains(&now_s) {
        return Err(EvidenceError::Expired { not_before_s, not_after_s, now_s });
    }
    let root = evidence.root_signature.recover(evidence.certificate_digest());
    policy.check_root(root.map_err(|_| EvidenceError::RootSignature)?)?;
    let quote = evidence.quote_signature.verify(evidence.quote_digest(), evidence.platform_key);
    quote.map_err(|_| EvidenceError::QuoteSignature)?;
    policy.check_platform(evidence.measurement, evidence.tcb_level)?;
    evidence.check_expected(expected)?;
    Ok(VerifiedEvidence(evidence))
}
