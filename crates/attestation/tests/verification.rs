//! Evidence is accepted as made, and in no other form.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use enigma_attestation::{
    Claims, EVIDENCE_BYTES, Evidence, EvidenceError, Expected, Freshness, Platform as Kind, Policy, Purpose, Role,
    simulation::{DEVELOPMENT_ROOT, Platform, Validity},
    verify,
};
use enigma_protocol::{Address, Hash, ScAddress, signature::SecretKey};

const NOW_S: u64 = 1_800_000_000;
const MEASUREMENT: Hash = Hash([1; 32]);
const RECENT: [Hash; 2] = [Hash([8; 32]), Hash([9; 32])];
const PURPOSE: Purpose<'static> =
    Purpose::InputKey { sc: ScAddress([4; 32]), epoch: 5, suite: 1, public_key: Hash([6; 32]) };
const EXPECTED: Expected<'static> = Expected {
    config_hash: Hash([2; 32]),
    role: Role::Worker,
    signer: Address([3; 20]),
    purpose: PURPOSE,
    freshness: Freshness::OneOf(&RECENT),
};

fn platform() -> Platform {
    Platform::from_secret([7; 32], MEASUREMENT, Validity::DEVELOPMENT).unwrap()
}

fn claims() -> Claims {
    Claims::new(EXPECTED.config_hash, EXPECTED.role, EXPECTED.signer, &PURPOSE, RECENT[1])
}

fn check(evidence: &[u8], expected: &Expected<'_>) -> Result<(), EvidenceError> {
    verify(evidence, expected, &Policy::development([MEASUREMENT]), NOW_S).map(drop)
}

#[test]
fn what_was_made_is_accepted() {
    let bytes = platform().attest(&claims());
    assert_eq!(bytes.len(), EVIDENCE_BYTES);
    assert_eq!(Evidence::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    assert_eq!(check(&bytes, &EXPECTED), Ok(()));
    assert_eq!(check(&bytes, &Expected { freshness: Freshness::NotChecked, ..EXPECTED }), Ok(()));
    let verified = verify(&bytes, &EXPECTED, &Policy::development([MEASUREMENT]), NOW_S).unwrap();
    assert_eq!(verified.evidence().claims, claims());
}

#[test]
fn every_single_bit_change_is_refused() {
    let bytes = platform().attest(&claims());
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[position] ^= 1 << bit;
            assert!(check(&changed, &EXPECTED).is_err(), "byte {position}, bit {bit}");
        }
    }
}

#[test]
fn every_other_length_is_refused() {
    let mut bytes = platform().attest(&claims());
    for length in 0..bytes.len() {
        let error = EvidenceError::Length { actual: length, expected: EVIDENCE_BYTES };
        assert_eq!(check(&bytes[..length], &EXPECTED), Err(error));
    }
    bytes.push(0);
    assert!(check(&bytes, &EXPECTED).is_err());
}

#[test]
fn production_refuses_the_development_root() {
    let bytes = platform().attest(&claims());
    let result = verify(&bytes, &EXPECTED, &Policy::production([MEASUREMENT]), NOW_S);
    assert_eq!(result.unwrap_err(), EvidenceError::DevelopmentRoot);
}

#[test]
fn another_root_is_unknown() {
    let root = SecretKey::from_bytes(&[5; 32]).unwrap();
    assert_ne!(root.address(), DEVELOPMENT_ROOT);
    let other = Platform::certified_by(&root, [7; 32], MEASUREMENT, Validity::DEVELOPMENT).unwrap();
    assert_eq!(check(&other.attest(&claims()), &EXPECTED), Err(EvidenceError::UnknownRoot(root.address())));
}

#[test]
fn each_rule_of_the_policy_has_its_error() {
    let bytes = platform().attest(&claims());
    let other = Hash([0xee; 32]);
    let result = verify(&bytes, &EXPECTED, &Policy::development([other]), NOW_S);
    assert_eq!(result.unwrap_err(), EvidenceError::Measurement(MEASUREMENT));
    let strict = Policy::development([MEASUREMENT]).with_min_tcb_level(2);
    let result = verify(&bytes, &EXPECTED, &strict, NOW_S);
    assert_eq!(result.unwrap_err(), EvidenceError::TcbLevel { actual: 1, required: 2 });
    assert!(verify(&platform().with_tcb_level(2).attest(&claims()), &EXPECTED, &strict, NOW_S).is_ok());
    assert_eq!(check(&platform().with_debug().attest(&claims()), &EXPECTED), Err(EvidenceError::Debug));

    let (not_before_s, not_after_s) = (100, 200);
    let validity = Validity { not_before_s, not_after_s };
    let bytes = Platform::from_secret([7; 32], MEASUREMENT, validity).unwrap().attest(&claims());
    for now_s in [0, 99, 201, u64::MAX] {
        let result = verify(&bytes, &EXPECTED, &Policy::development([MEASUREMENT]), now_s);
        assert_eq!(result.unwrap_err(), EvidenceError::Expired { not_before_s, not_after_s, now_s });
    }
    for now_s in [100, 150, 200] {
        assert!(verify(&bytes, &EXPECTED, &Policy::development([MEASUREMENT]), now_s).is_ok());
    }
}

#[test]
fn each_claim_has_its_error() {
    let bytes = platform().attest(&claims());
    let (hash, signer) = (Hash([0xee; 32]), Address([0xee; 20]));
    let key = [6; 32];
    let cases = [
        (
            Expected { config_hash: hash, ..EXPECTED },
            EvidenceError::ConfigHash { actual: EXPECTED.config_hash, expected: hash },
        ),
        (
            Expected { role: Role::KeyManager, ..EXPECTED },
            EvidenceError::Role { actual: Role::Worker, expected: Role::KeyManager },
        ),
        (Expected { signer, ..EXPECTED }, EvidenceError::Signer { actual: EXPECTED.signer, expected: signer }),
        (Expected { purpose: Purpose::PttKey(&key), ..EXPECTED }, EvidenceError::Purpose { actual: 4, expected: 2 }),
        (Expected { freshness: Freshness::OneOf(&[]), ..EXPECTED }, EvidenceError::Block(RECENT[1])),
    ];
    for (expected, error) in cases {
        assert_eq!(check(&bytes, &expected), Err(error));
    }
    let (sc, epoch, suite, public_key) = (ScAddress([4; 32]), 5, 1, Hash([6; 32]));
    let other_keys = [
        Purpose::InputKey { sc: ScAddress([5; 32]), epoch, suite, public_key },
        Purpose::InputKey { sc, epoch: 6, suite, public_key },
        Purpose::InputKey { sc, epoch, suite: 2, public_key },
        Purpose::InputKey { sc, epoch, suite, public_key: hash },
    ];
    for purpose in other_keys {
        assert_eq!(check(&bytes, &Expected { purpose, ..EXPECTED }), Err(EvidenceError::PurposeKey));
    }
}

#[test]
fn operators_and_commitments_are_bound() {
    let (operator, commitment, key) = (Address([1; 20]), Hash([2; 32]), [3; 32]);
    let purposes = [
        Purpose::Registration { operator },
        Purpose::Registration { operator: Address([9; 20]) },
        Purpose::KeyManagerRegistration { operator, commitment },
        Purpose::KeyManagerRegistration { operator, commitment: Hash([9; 32]) },
        Purpose::KeyManagerRegistration { operator: Address([9; 20]), commitment },
        Purpose::PttKey(&key),
        Purpose::PttKey(&[9; 32]),
    ];
    for made in purposes {
        let bytes =
            platform().attest(&Claims::new(EXPECTED.config_hash, EXPECTED.role, EXPECTED.signer, &made, RECENT[0]));
        for purpose in purposes {
            assert_eq!(check(&bytes, &Expected { purpose, ..EXPECTED }).is_ok(), made == purpose);
        }
    }
}

#[test]
fn other_formats_are_named() {
    let text = |head: [u8; 2]| check(&[&head[..], &[0; 800]].concat(), &EXPECTED).unwrap_err();
    assert_eq!(text([2, 0]), EvidenceError::Version(2));
    assert_eq!(text([1, 9]), EvidenceError::UnknownPlatform(9));
    for (number, kind, name) in [(1, Kind::SgxDcap, "sgx-dcap"), (2, Kind::Tdx, "tdx"), (3, Kind::SevSnp, "sev-snp")] {
        assert_eq!(text([1, number]), EvidenceError::UnsupportedPlatform(kind));
        assert_eq!(text([1, number]).to_string(), format!("platform {name} is not supported by this version"));
    }
    let mut role = platform().attest(&claims());
    role[34] = 3;
    assert_eq!(check(&role, &EXPECTED), Err(EvidenceError::UnknownRole(3)));
}
