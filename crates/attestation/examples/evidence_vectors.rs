//! Prints the test vectors of evidence: `spec/vectors/attestation.json`.

use enigma_attestation::{
    Claims, Purpose, Role,
    simulation::{DEVELOPMENT_ROOT, Platform, Validity},
};
use enigma_protocol::{Address, Hash, ScAddress, json::Hex0x};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let platform = Platform::from_secret([7; 32], Hash([0x11; 32]), Validity::DEVELOPMENT)?;
    let (config_hash, signer, block_hash) = (Hash([0x22; 32]), Address([0x33; 20]), Hash([0x44; 32]));
    let ptt_key = [0x55; 32];
    let operator = Address([0x66; 20]);
    let purposes = [
        (Role::Worker, Purpose::Registration { operator }),
        (Role::Worker, Purpose::PttKey(&ptt_key)),
        (Role::KeyManager, Purpose::KeyManagerRegistration { operator, commitment: Hash([0x77; 32]) }),
        (
            Role::Worker,
            Purpose::InputKey { sc: ScAddress([0x88; 32]), epoch: 3, suite: 1, public_key: Hash([0x99; 32]) },
        ),
    ];
    let evidence = purposes.map(|(role, purpose)| {
        let claims = Claims::new(config_hash, role, signer, &purpose, block_hash);
        json!({
            "role": role as u8,
            "purpose": purpose.number(),
            "purposeKeyHash": Hex0x(purpose.key_hash()),
            "reportData": Hex0x(claims.report_data().to_vec()),
            "evidence": Hex0x(platform.attest(&claims)),
        })
    });
    let document = json!({
        "comment": "Printed by `cargo run -p enigma-attestation --example evidence_vectors`; normative, see spec/attestation.md.",
        "developmentRoot": Hex0x(DEVELOPMENT_ROOT),
        "configHash": Hex0x(config_hash),
        "signer": Hex0x(signer),
        "blockHash": Hex0x(block_hash),
        "measurement": Hex0x(platform.measurement()),
        "evidence": evidence,
    });
    println!("{}", serde_json::to_string_pretty(&document)?);
    Ok(())
}
