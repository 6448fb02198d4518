//! The TEE below the enclave: which one there is, and what it does for the enclave.
//!
//! This version has one backend, the simulation. Real hardware is looked for only so that asking for it gets an honest answer.

pub mod simulation;

use std::path::Path;

/// Where the host shows that this process runs in a TEE, and which.
const HARDWARE: &[(&str, &str)] = &[
    ("/dev/attestation", "SGX under Gramine"),
    ("/sys/kernel/config/tsm/report", "TDX or SEV-SNP through configfs-tsm"),
];

/// Why there is no hardware backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HardwareError {
    #[error(
        "no TEE was found on this machine (neither /dev/attestation nor /sys/kernel/config/tsm/report exists); run inside \
         Gramine-SGX or a TDX or SEV-SNP guest, or leave out --hardware for a simulation, which protects nobody from the \
         machine's operator"
    )]
    Absent,
    #[error(
        "a TEE was found ({0}), but this version of enigma-core cannot use it yet; leave out --hardware for a simulation, \
         which protects nobody from the machine's operator"
    )]
    Unsupported(&'static str),
}

/// What stands in the way of using this machine's TEE.
pub fn hardware() -> HardwareError {
    HARDWARE
        .iter()
        .find(|(path, _)| Path::new(path).exists())
        .map_or(HardwareError::Absent, |(_, name)| HardwareError::Unsupported(name))
}
