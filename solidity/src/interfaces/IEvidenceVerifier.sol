// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title What Enigma asks of a verifier of attestation evidence
/// @notice A verifier answers who vouches for what. Whether the claims are wanted here (role, purpose, chain, policy) is
/// Enigma's own question.
interface IEvidenceVerifier {
    /// @notice What valid evidence claims.
    struct Claims {
        bytes32 configHash;
        uint8 role; // 1 worker, 2 key manager
        address signer; // the enclave's signing key
        uint8 purpose; // 1 registration, 2 PTT key, 3 key manager registration, 4 input key
        bytes32 purposeKeyHash;
        bytes32 blockHash; // a recent block when the evidence was made
        bytes32 measurement;
        bytes32 hardwareId;
        uint16 tcbLevel;
    }

    /// @notice Checks evidence at the time of the current block and reverts unless it is genuine.
    /// @param evidence versioned structure, see `spec/ledger.md`
    /// @return claims what the platform vouches for
    function verify(bytes calldata evidence) external view returns (Claims memory claims);
}
