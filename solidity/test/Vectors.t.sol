// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEvidenceVerifier} from "../src/interfaces/IEvidenceVerifier.sol";
import {MerkleSum} from "../src/libraries/MerkleSum.sol";
import {Preimages} from "../src/libraries/Preimages.sol";
import {TypedData} from "../src/libraries/TypedData.sol";
import {Harness} from "./support/Harness.sol";
import {vm} from "./support/Vm.sol";

/// @dev The vectors that Rust prints: every hash that both sides compute is the same on both.
contract VectorsTest {
    string private constant LEDGER = "../spec/vectors/ledger.json";
    string private constant ATTESTATION = "../spec/vectors/attestation.json";

    Harness private immutable HARNESS = new Harness();
    string private _json;
    uint256 private _chainId;
    address private _enigma;
    bytes32 private _separator;

    function setUp() public {
        _json = vm.readFile(LEDGER);
        _chainId = _uint(".domain.chainId");
        _enigma = _address(".domain.enigma");
        _separator = _word(".domain.separator");
    }

    function test_domain() public view {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Enigma"),
                keccak256("1"),
                _chainId,
                _enigma
            )
        );
        vm.assertEq(separator, _separator, "separator");
    }

    function test_config_hash() public view {
        bytes memory packed;
        uint256 count = _some(".config.config.keyManagers");
        for (uint256 i = 0; i < count; ++i) {
            string memory path = _at(".config.config.keyManagers", i);
            packed = bytes.concat(packed, abi.encode(_address(_in(path, "signer")), _word(_in(path, "commitment"))));
        }
        bytes32 computed = Preimages.configHash(
            _uint(".config.config.chainId"),
            _address(".config.config.enigma"),
            _word(".config.config.checkpoint"),
            _uint(".config.config.threshold"),
            keccak256(packed)
        );
        vm.assertEq(computed, _word(".config.configHash"), "configHash");
    }

    function test_task_ids() public view {
        uint256 count = _some(".taskIds");
        for (uint256 i = 0; i < count; ++i) {
            string memory path = _at(".taskIds", i);
            bytes32 computed = Preimages.taskId(
                _chainId, _enigma, _address(_in(path, "sender")), uint64(_uint(_in(path, "senderNonce")))
            );
            vm.assertEq(computed, _word(_in(path, "taskId")), path);
        }
    }

    function test_inputs() public view {
        uint256 count = _some(".inputs");
        for (uint256 i = 0; i < count; ++i) {
            string memory path = _at(".inputs", i);
            string memory input = _in(path, "input");
            bool deployment = vm.keyExistsJson(_json, _in(input, "preCode"));
            bytes32 preCodeHash = deployment ? keccak256(_bytes(_in(input, "preCode"))) : bytes32(0);
            vm.assertEq(preCodeHash, _word(_in(path, "preCodeHash")), path);
            bytes32 computed = Preimages.inputsHash(
                deployment ? 1 : 2,
                _word(_in(input, "taskId")),
                _word(_in(input, "sc")),
                uint64(_uint(_in(input, "epoch"))),
                uint8(_uint(_in(input, "suite"))),
                keccak256(_bytes(_in(input, "encryptedFn"))),
                keccak256(_bytes(_in(input, "encryptedArgs"))),
                keccak256(_bytes(_in(input, "userDHKey"))),
                preCodeHash
            );
            vm.assertEq(computed, _word(_in(path, "inputsHash")), path);
        }
    }

    function test_queue() public view {
        bytes32 head = Preimages.emptyQueueHead(_word(".queue.sc"));
        vm.assertEq(head, _word(".queue.genesis"), "empty queue");
        uint256 count = _some(".queue.records");
        for (uint256 i = 0; i < count; ++i) {
            string memory path = _at(".queue.records", i);
            bytes32 recordHash = _recordHash(_in(path, "record"));
            vm.assertEq(recordHash, _word(_in(path, "recordHash")), path);
            head = Preimages.nextQueueHead(head, recordHash);
            vm.assertEq(head, _word(_in(path, "head")), path);
        }
    }

    function test_tips() public view {
        bytes32 sc = _word(".queue.sc");
        bytes32 genesis = Preimages.genesisTip(sc, _word(".state.exeCodeHash"));
        vm.assertEq(genesis, _word(".state.genesisTip"), "genesis");
        bytes memory entry = _bytes(".state.entry");
        vm.assertEq(Preimages.nextTip(genesis, uint8(entry[0]), keccak256(entry)), _word(".state.tip"), "tip");
    }

    function test_receipts_and_batch() public view {
        uint256 count = _some(".receipts");
        bytes32[] memory hashes = new bytes32[](count);
        address signer = _address(".batch.signer");
        for (uint256 i = 0; i < count; ++i) {
            string memory path = _at(".receipts", i);
            hashes[i] = TypedData.hashReceipt(_receipt(_in(path, "receipt")));
            vm.assertEq(_digest(hashes[i]), _word(_in(path, "digest")), path);
            bytes memory signature = _bytes(_in(path, "signature"));
            vm.assertEq(HARNESS.recover(_digest(hashes[i]), signature), signer, path);
        }
        bytes32 digest = _digest(
            TypedData.hashBatch(
                _word(".batch.sc"),
                uint64(_uint(".batch.epoch")),
                uint8(_uint(".batch.rank")),
                _word(".batch.head"),
                hashes
            )
        );
        vm.assertEq(digest, _word(".batch.digest"), "batch");
        vm.assertEq(HARNESS.recover(digest, _bytes(".batch.signature")), signer, "batch signer");
    }

    function test_epochs_and_selections() public view {
        uint256 count = _some(".epochs");
        for (uint256 i = 0; i < count; ++i) {
            string memory path = _at(".epochs", i);
            bytes32 structHash = TypedData.hashEpoch(
                uint64(_uint(_in(path, "epoch"))),
                _word(_in(path, "seed")),
                _word(_in(path, "workersRoot")),
                uint128(_uint(_in(path, "totalStake")))
            );
            vm.assertEq(_digest(structHash), _word(_in(path, "digest")), path);
            string memory selections = _in(path, "selections");
            uint256 selectionCount = _some(selections);
            for (uint256 j = 0; j < selectionCount; ++j) {
                _checkSelection(path, _at(selections, j));
            }
        }
    }

    /// @dev Evidence is read the same, and a signature of the development root and its platform is genuine here too.
    function test_evidence() public {
        _json = vm.readFile(ATTESTATION);
        bytes memory code = vm.getCode("DevelopmentVerifier.sol:DevelopmentVerifier");
        code = bytes.concat(code, abi.encode(_address(".developmentRoot")));
        IEvidenceVerifier verifier;
        assembly ("memory-safe") {
            verifier := create(0, add(code, 32), mload(code))
        }
        vm.warp(1_800_000_000);
        uint256 count = _some(".evidence");
        for (uint256 i = 0; i < count; ++i) {
            string memory path = _at(".evidence", i);
            IEvidenceVerifier.Claims memory claims = verifier.verify(_bytes(_in(path, "evidence")));
            vm.assertEq(claims.configHash, _word(".configHash"), path);
            vm.assertEq(claims.signer, _address(".signer"), path);
            vm.assertEq(claims.measurement, _word(".measurement"), path);
            vm.assertEq(claims.blockHash, _word(".blockHash"), path);
            vm.assertEq(claims.role, _uint(_in(path, "role")), path);
            vm.assertEq(claims.purpose, _uint(_in(path, "purpose")), path);
            vm.assertEq(claims.purposeKeyHash, _word(_in(path, "purposeKeyHash")), path);
            bytes32 reportData = Preimages.reportData(
                claims.configHash,
                claims.role,
                claims.signer,
                claims.purpose,
                claims.purposeKeyHash,
                claims.blockHash
            );
            vm.assertEq(abi.encode(reportData, bytes32(0)), _bytes(_in(path, "reportData")), path);
        }
    }

    function _checkSelection(string memory epoch, string memory path) private view {
        uint128 total = uint128(_uint(_in(epoch, "totalStake")));
        uint128 drawn = Preimages.drawnStake(
            _word(_in(epoch, "seed")), _word(".queue.sc"), uint8(_uint(_in(path, "rank"))), total
        );
        vm.assertEq(drawn, _uint(_in(path, "ticket")), path);

        uint128 stake = uint128(_uint(_in(path, "stake")));
        (bytes32[] memory siblings, uint128[] memory sums, bool[] memory isLeft) = _path(_in(path, "path"));
        (bytes32 root, uint128 sum, uint128 left) =
            HARNESS.follow(_address(_in(path, "signer")), stake, siblings, sums, isLeft);
        vm.assertEq(root, _word(_in(epoch, "workersRoot")), path);
        vm.assertEq(sum, total, path);
        vm.assertTrue(left <= drawn && drawn < left + stake, path);
    }

    function _path(string memory path)
        private
        view
        returns (bytes32[] memory siblings, uint128[] memory sums, bool[] memory isLeft)
    {
        uint256 depth = _count(path);
        siblings = new bytes32[](depth);
        sums = new uint128[](depth);
        isLeft = new bool[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            siblings[i] = _word(_in(_at(path, i), "sibling"));
            sums[i] = uint128(_uint(_in(_at(path, i), "sum")));
            isLeft[i] = vm.parseJsonBool(_json, _in(_at(path, i), "siblingIsLeft"));
        }
    }

    function _recordHash(string memory path) private view returns (bytes32) {
        address sender = _address(_in(path, "sender"));
        bytes32 bodyHash = Preimages.bodyHash(
            Preimages.taskId(_chainId, _enigma, sender, uint64(_uint(_in(path, "senderNonce")))),
            _word(_in(path, "inputsHash")),
            uint64(_uint(_in(path, "timestamp"))),
            uint256(_word(_in(path, "prevrandao"))),
            vm.parseJsonBool(_json, _in(path, "inlined"))
        );
        return Preimages.recordHash(
            bodyHash,
            sender,
            uint64(_uint(_in(path, "gasLimit"))),
            uint128(_uint(_in(path, "gasPrice"))),
            uint128(_uint(_in(path, "value"))),
            uint64(_uint(_in(path, "callGas"))),
            uint64(_uint(_in(path, "epoch"))),
            uint64(_uint(_in(path, "blockNumber"))),
            uint64(_uint(_in(path, "due")))
        );
    }

    function _receipt(string memory path) private view returns (TypedData.Receipt memory) {
        return TypedData.Receipt({
            taskId: _word(_in(path, "taskId")),
            sc: _word(_in(path, "sc")),
            recordIndex: uint64(_uint(_in(path, "recordIndex"))),
            deltaIndex: uint64(_uint(_in(path, "deltaIndex"))),
            epoch: uint64(_uint(_in(path, "epoch"))),
            rank: uint8(_uint(_in(path, "rank"))),
            generation: uint32(_uint(_in(path, "generation"))),
            exeCodeHash: _word(_in(path, "exeCodeHash")),
            inputsHash: _word(_in(path, "inputsHash")),
            previousTip: _word(_in(path, "previousTip")),
            tip: _word(_in(path, "tip")),
            outputHash: _word(_in(path, "outputHash")),
            gasUsed: uint64(_uint(_in(path, "gasUsed"))),
            status: uint8(_uint(_in(path, "status"))),
            callTarget: _address(_in(path, "callTarget")),
            callDataHash: _word(_in(path, "callDataHash")),
            callGas: uint64(_uint(_in(path, "callGas"))),
            payTo: _address(_in(path, "payTo")),
            payAmount: _uint(_in(path, "payAmount"))
        });
    }

    // ------------------------------------------------------------- JSON access

    function _digest(bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", _separator, structHash));
    }

    function _in(string memory path, string memory key) private pure returns (string memory) {
        return string.concat(path, ".", key);
    }

    function _at(string memory list, uint256 index) private pure returns (string memory) {
        return string.concat(list, "[", vm.toString(index), "]");
    }

    /// @dev Length of a list that must not be empty, or the test would check nothing.
    function _some(string memory list) private view returns (uint256 count) {
        count = _count(list);
        vm.assertTrue(count != 0, list);
    }

    function _count(string memory list) private view returns (uint256 count) {
        while (vm.keyExistsJson(_json, _at(list, count))) ++count;
    }

    function _uint(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(_json, key);
    }

    function _word(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, key);
    }

    function _address(string memory key) private view returns (address) {
        return vm.parseJsonAddress(_json, key);
    }

    function _bytes(string memory key) private view returns (bytes memory) {
        return vm.parseJsonBytes(_json, key);
    }
}
