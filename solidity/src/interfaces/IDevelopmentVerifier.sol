// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEvidenceVerifier} from "./IEvidenceVerifier.sol";

/// @title The verifier of simulated evidence and why it refuses
interface IDevelopmentVerifier is IEvidenceVerifier {
    /// @notice The evidence is not of the one length that exists.
    error WrongLength(uint256 given, uint256 expected);
    /// @notice The evidence has another version than 1.
    error UnknownVersion(uint8 version);
    /// @notice The evidence comes from another kind of platform.
    error WrongPlatform(uint8 platform);
    /// @notice The enclave could be debugged: its memory is open.
    error DebugEnclave(uint8 debug);
    /// @notice The platform's certificate is not valid at `time`.
    error CertificateNotValid(uint64 notBefore, uint64 notAfter, uint256 time);
    /// @notice Another key than the root certified the platform.
    error UnknownRoot(address signer, address root);
    /// @notice Another key than the certified platform's signed the quote.
    error WrongQuoteSignature(address signer, address platformKey);

    /// @notice Address of the key that certifies simulated platforms.
    function ROOT() external view returns (address);
}
