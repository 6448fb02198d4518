// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDevelopmentVerifier} from "./interfaces/IDevelopmentVerifier.sol";
import {IEvidenceVerifier} from "./interfaces/IEvidenceVerifier.sol";
import {Preimages} from "./libraries/Preimages.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Verifier of simulated evidence
/// @notice Same chain of trust as hardware: a root certifies a platform key, the platform signs a quote about an enclave.
/// The development root's private key is public, so that this protects nobody: for development networks only.
/// @dev Layout, packed, integers big-endian: version 1 | platform 1 | configHash 32 | role 1 | signer 20 | purpose 1 |
/// purposeKeyHash 32 | blockHash 32 | measurement 32 | hardwareId 32 | tcbLevel 2 | debug 1 | platformKey 20 |
/// notBefore 8 | notAfter 8 | rootSignature 65 | quoteSignature 65.
contract DevelopmentVerifier is IDevelopmentVerifier {
    uint256 private constant LENGTH = 353;
    uint8 private constant VERSION = 1;
    uint8 private constant PLATFORM_SIMULATION = 0;

    /// @inheritdoc IDevelopmentVerifier
    address public immutable ROOT;

    /// @param root address of the development root
    constructor(address root) {
        ROOT = root;
    }

    /// @inheritdoc IEvidenceVerifier
    function verify(bytes calldata evidence) external view returns (Claims memory claims) {
        if (evidence.length != LENGTH) revert WrongLength(evidence.length, LENGTH);
        if (uint8(evidence[0]) != VERSION) revert UnknownVersion(uint8(evidence[0]));
        if (uint8(evidence[1]) != PLATFORM_SIMULATION) revert WrongPlatform(uint8(evidence[1]));
        uint8 debug = uint8(evidence[186]);
        if (debug != 0) revert DebugEnclave(debug);

        claims = _claims(evidence);
        _checkQuote(claims, debug, _certifiedPlatform(claims.hardwareId, evidence), evidence[288:353]);
    }

    function _claims(bytes calldata evidence) private pure returns (Claims memory) {
        return Claims({
            configHash: bytes32(evidence[2:34]),
            role: uint8(evidence[34]),
            signer: address(bytes20(evidence[35:55])),
            purpose: uint8(evidence[55]),
            purposeKeyHash: bytes32(evidence[56:88]),
            blockHash: bytes32(evidence[88:120]),
            measurement: bytes32(evidence[120:152]),
            hardwareId: bytes32(evidence[152:184]),
            tcbLevel: uint16(bytes2(evidence[184:186]))
        });
    }

    /// @dev The platform key, once the root's certificate over it has been checked.
    function _certifiedPlatform(bytes32 hardwareId, bytes calldata evidence)
        private
        view
        returns (address platformKey)
    {
        platformKey = address(bytes20(evidence[187:207]));
        uint64 notBefore = uint64(bytes8(evidence[207:215]));
        uint64 notAfter = uint64(bytes8(evidence[215:223]));
        if (block.timestamp < notBefore || block.timestamp > notAfter) {
            revert CertificateNotValid(notBefore, notAfter, block.timestamp);
        }
        bytes32 certificate = Preimages.developmentPlatform(platformKey, hardwareId, notBefore, notAfter);
        address signer = Signatures.recover(certificate, evidence[223:288]);
        if (signer != ROOT || signer == address(0)) revert UnknownRoot(signer, ROOT);
    }

    function _checkQuote(Claims memory claims, uint8 debug, address platformKey, bytes calldata signature)
        private
        pure
    {
        bytes32 reportData = Preimages.reportData(
            claims.configHash,
            claims.role,
            claims.signer,
            claims.purpose,
            claims.purposeKeyHash,
            claims.blockHash
        );
        bytes32 quote = Preimages.developmentQuote(
            claims.measurement, claims.hardwareId, claims.tcbLevel, debug, reportData
        );
        address signer = Signatures.recover(quote, signature);
        if (signer != platformKey || signer == address(0)) revert WrongQuoteSignature(signer, platformKey);
    }
}
