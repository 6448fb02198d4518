// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDevelopmentVerifier} from "../src/interfaces/IDevelopmentVerifier.sol";
import {IEvidenceVerifier} from "../src/interfaces/IEvidenceVerifier.sol";
import {EnigmaTest} from "./support/EnigmaTest.sol";
import {Evidence} from "./support/Evidence.sol";
import {vm} from "./support/Vm.sol";

/// @dev Genuine evidence is read right; forged evidence of every kind is refused.
contract DevelopmentVerifierTest is EnigmaTest {
    function test_reads_every_claim() public view {
        Evidence.Parts memory parts = _parts();
        IEvidenceVerifier.Claims memory claims = verifier.verify(Evidence.encode(parts));
        vm.assertEq(claims.configHash, parts.configHash, "configHash");
        vm.assertEq(claims.role, parts.role, "role");
        vm.assertEq(claims.signer, parts.signer, "signer");
        vm.assertEq(claims.purpose, parts.purpose, "purpose");
        vm.assertEq(claims.purposeKeyHash, parts.purposeKeyHash, "purposeKeyHash");
        vm.assertEq(claims.blockHash, parts.blockHash, "blockHash");
        vm.assertEq(claims.measurement, parts.measurement, "measurement");
        vm.assertEq(claims.hardwareId, parts.hardwareId, "hardwareId");
        vm.assertEq(claims.tcbLevel, parts.tcbLevel, "tcbLevel");
    }

    /// @dev Every single-bit change of genuine evidence is refused.
    function testFuzz_refuses_any_changed_bit(uint256 position) public {
        bytes memory evidence = Evidence.encode(_parts());
        position = position % (evidence.length * 8);
        evidence[position / 8] = bytes1(uint8(evidence[position / 8]) ^ uint8(1 << (position % 8)));
        (bool accepted,) = address(verifier).call(abi.encodeCall(verifier.verify, (evidence)));
        vm.assertEq(accepted, false, "accepted");
    }

    function test_refuses_other_lengths_versions_and_platforms() public {
        bytes memory evidence = Evidence.encode(_parts());
        _refuse(abi.encodePacked(evidence, uint8(0)), IDevelopmentVerifier.WrongLength.selector);
        _refuse("", IDevelopmentVerifier.WrongLength.selector);
        evidence[0] = 0x02;
        _refuse(evidence, IDevelopmentVerifier.UnknownVersion.selector);
        evidence[0] = 0x01;
        evidence[1] = 0x01;
        _refuse(evidence, IDevelopmentVerifier.WrongPlatform.selector);
    }

    function test_refuses_debug_enclaves() public {
        Evidence.Parts memory parts = _parts();
        parts.debug = 1;
        _refuse(Evidence.encode(parts), IDevelopmentVerifier.DebugEnclave.selector);
    }

    function test_refuses_an_unknown_root() public {
        Evidence.Parts memory parts = _parts();
        parts.rootKey = STRANGER_KEY;
        _refuse(Evidence.encode(parts), IDevelopmentVerifier.UnknownRoot.selector);
    }

    function test_refuses_a_quote_of_another_platform() public {
        Evidence.Parts memory parts = _parts();
        parts.quoteKey = STRANGER_KEY;
        _refuse(Evidence.encode(parts), IDevelopmentVerifier.WrongQuoteSignature.selector);
    }

    function test_refuses_certificates_outside_of_their_time() public {
        Evidence.Parts memory parts = _parts();
        bytes memory evidence = Evidence.encode(parts);
        vm.warp(parts.notBefore - 1);
        _refuse(evidence, IDevelopmentVerifier.CertificateNotValid.selector);
        vm.warp(parts.notAfter + 1);
        _refuse(evidence, IDevelopmentVerifier.CertificateNotValid.selector);
        vm.warp(parts.notBefore);
        verifier.verify(evidence);
        vm.warp(parts.notAfter);
        verifier.verify(evidence);
    }

    function test_a_verifier_with_another_root_refuses_development_evidence() public {
        verifier = _newVerifier(address(0xC0FFEE));
        _refuse(Evidence.encode(_parts()), IDevelopmentVerifier.UnknownRoot.selector);
        // A zero root does not turn broken signatures into genuine ones.
        verifier = _newVerifier(address(0));
        bytes memory evidence = Evidence.encode(_parts());
        evidence[287] = 0x00; // v of the root's signature
        _refuse(evidence, IDevelopmentVerifier.UnknownRoot.selector);
    }

    function _parts() private view returns (Evidence.Parts memory) {
        return _workerEvidence(WORKER_KEY, OPERATOR);
    }

    function _refuse(bytes memory evidence, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        verifier.verify(evidence);
    }
}
