//! The configuration that evidence binds, checked once.

use crate::{dprf::Commitment, error::OpenError};
use enigma_attestation::Policy;
use enigma_protocol::{Address, Domain, Hash, config::NetworkConfig};

/// Key managers of the network, by their order in the configuration.
pub(crate) struct KeyManagers {
    pub(crate) threshold: u64,
    members: Vec<(Address, Commitment)>,
}

impl KeyManagers {
    /// Index (from 1) and commitment of the key manager that signs as `signer`.
    pub(crate) fn find(&self, signer: Address) -> Option<(u64, &Commitment)> {
        (1..).zip(&self.members).find(|(_, member)| member.0 == signer).map(|(index, member)| (index, &member.1))
    }

    #[cfg(test)]
    pub(crate) fn for_test(threshold: u64, members: Vec<(Address, Commitment)>) -> Self {
        Self { threshold, members }
    }
}

/// The network that an enclave belongs to for its whole run.
pub(crate) struct Network {
    pub(crate) domain: Domain,
    pub(crate) config_hash: Hash,
    pub(crate) key_managers: KeyManagers,
    /// Whose evidence is accepted.
    pub(crate) policy: Policy,
}

impl Network {
    pub(crate) fn new(config: &NetworkConfig) -> Result<Self, OpenError> {
        let (threshold, key_managers) = (config.threshold, config.key_managers.len());
        if (threshold, key_managers) != (1, 1) {
            return Err(OpenError::Threshold { threshold, key_managers });
        }
        let member = |manager: &enigma_protocol::config::KeyManagerConfig| {
            let commitment = Commitment::from_hash(manager.commitment.0);
            Ok((manager.signer.0, commitment.ok_or(OpenError::Commitment(manager.commitment.0))?))
        };
        let members = config.key_managers.iter().map(member).collect::<Result<_, OpenError>>()?;
        Ok(Self {
            domain: config.domain(),
            config_hash: config.hash(),
            key_managers: KeyManagers { threshold, members },
            // Only simulated evidence can be read yet, and every network of this version is a development network.
            policy: Policy::development(config.measurements.iter().map(|measurement| measurement.0)),
        })
    }
}
