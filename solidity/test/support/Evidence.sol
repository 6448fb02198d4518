// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Preimages} from "../../src/libraries/Preimages.sol";
import {vm} from "./Vm.sol";

/// @dev Makes simulated evidence, right or wrong in any part.
library Evidence {
    /// @dev The public private key of the development root.
    uint256 internal constant ROOT_KEY = uint256(keccak256("enigma development root"));
    uint256 internal constant PLATFORM_KEY = 0xBEEF;

    struct Parts {
        uint8 version;
        uint8 platform;
        bytes32 configHash;
        uint8 role;
        address signer;
        uint8 purpose;
        bytes32 purposeKeyHash;
        bytes32 blockHash;
        bytes32 measurement;
        bytes32 hardwareId;
        uint16 tcbLevel;
        uint8 debug;
        uint256 platformKey; // private
        uint256 rootKey; // private
        uint256 quoteKey; // private; equal to platformKey in honest evidence
        uint64 notBefore;
        uint64 notAfter;
    }

    function encode(Parts memory parts) internal pure returns (bytes memory) {
        return bytes.concat(_claims(parts), _platform(parts), _quoteSignature(parts));
    }

    function _claims(Parts memory parts) private pure returns (bytes memory) {
        bytes memory head = abi.encodePacked(
            parts.version, parts.platform, parts.configHash, parts.role, parts.signer, parts.purpose, parts.purposeKeyHash
        );
        return abi.encodePacked(
            head, parts.blockHash, parts.measurement, parts.hardwareId, parts.tcbLevel, parts.debug
        );
    }

    function _platform(Parts memory parts) private pure returns (bytes memory) {
        address platform = vm.addr(parts.platformKey);
        bytes32 certificate =
            Preimages.developmentPlatform(platform, parts.hardwareId, parts.notBefore, parts.notAfter);
        return abi.encodePacked(platform, parts.notBefore, parts.notAfter, sign(parts.rootKey, certificate));
    }

    function _quoteSignature(Parts memory parts) private pure returns (bytes memory) {
        bytes32 reportData = Preimages.reportData(
            parts.configHash, parts.role, parts.signer, parts.purpose, parts.purposeKeyHash, parts.blockHash
        );
        bytes32 quote = Preimages.developmentQuote(
            parts.measurement, parts.hardwareId, parts.tcbLevel, parts.debug, reportData
        );
        return sign(parts.quoteKey, quote);
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
