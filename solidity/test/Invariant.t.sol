// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEnigma} from "../src/interfaces/IEnigma.sol";
import {EnigmaTest} from "./support/EnigmaTest.sol";
import {vm} from "./support/Vm.sol";

/// @dev Users and workers that do anything they may, in any order. Amounts are bounded so that every step succeeds.
contract Actor is EnigmaTest {
    address[3] private _users = [USER, address(0xA1), address(0xA2)];
    bytes32[] private _contracts;
    uint256 public openFees;

    constructor() {
        EnigmaTest.setUp();
        for (uint256 i = 1; i < 3; ++i) {
            _fund(_users[i], 10_000 ether);
        }
    }

    function setUp() public override {}

    function depositSome(uint8 who, uint128 amount) external {
        vm.prank(_user(who));
        enigma.deposit(1 + amount % 1 ether);
    }

    function withdrawSome(uint8 who, uint128 amount) external {
        uint128 balance = _balance(_user(who));
        if (balance == 0) return;
        vm.prank(_user(who));
        enigma.withdraw(1 + amount % balance);
    }

    function stakeMore(uint128 amount) external {
        vm.prank(OPERATOR);
        enigma.stake(workerSigner, 1 + amount % 1 ether);
    }

    function recordDeployment(uint8 who) external {
        if (_balance(_user(who)) < uint256(GAS_LIMIT) * PRICE) return;
        _contracts.push(_deploy(_user(who)));
        openFees += uint256(GAS_LIMIT) * PRICE;
    }

    function recordTasks(uint8 who, uint8 which, uint8 count) external {
        count = 1 + count % 3;
        uint256 fee = uint256(count) * GAS_LIMIT * PRICE;
        if (_contracts.length == 0 || _balance(_user(who)) < fee) return;
        bytes32 sc = _contracts[which % _contracts.length];
        IEnigma.ContractState memory state = enigma.contractState(sc);
        if (state.closedRecords != 0 && !state.deployed) return;
        if (state.openEntry - state.closedEntry >= 20) return;
        _recordTasks(_user(who), sc, _tasks(count));
        openFees += fee;
    }

    function commitBatch(uint8 which, uint256 outcomes) external {
        if (_contracts.length == 0) return;
        bytes32 sc = _contracts[which % _contracts.length];
        Batch memory batch = _batch(sc);
        if (batch.records.length == 0) return;
        IEnigma.ContractState memory state = enigma.contractState(sc);
        bool deploying = state.closedRecords == 0;
        bool failed = deploying ? outcomes % 4 == 0 : !state.deployed;
        if (failed) batch.exeCodeHash = 0;
        bytes32 tip = state.tip;
        for (uint256 i = 0; i < batch.receipts.length; ++i) {
            outcomes = uint256(keccak256(abi.encode(outcomes)));
            IEnigma.ReceiptData memory receipt = batch.receipts[i];
            bool first = deploying && i == 0;
            receipt.status = failed ? (first ? 1 : 4) : (first ? 0 : [0, 1, 4][outcomes % 3]);
            receipt.gasUsed = receipt.status == 4 ? 10_000 : 10_000 + uint64(outcomes % (GAS_LIMIT - 9_999));
            if (receipt.status != 0) receipt.tip = failed ? bytes32(0) : tip;
            tip = receipt.tip;
        }
        openFees -= batch.records.length * GAS_LIMIT * PRICE;
        _sign(batch, WORKER_KEY);
        _commit(batch);
    }

    function expire(uint8 which) external {
        if (_contracts.length == 0) return;
        bytes32 sc = _contracts[which % _contracts.length];
        IEnigma.RecordPreimage[] memory records = _open(sc);
        if (records.length == 0) return;
        uint256 last = uint256(records[records.length - 1].due) + 2 * DEADLINE;
        uint256 blockNumber = vm.getBlockNumber();
        vm.roll(last + 1);
        enigma.closeExpired(sc, _epoch(), enigma.contractState(sc).openEntry, records);
        vm.roll(blockNumber);
        _forget(sc, records.length);
        openFees -= records.length * GAS_LIMIT * PRICE;
    }

    /// @dev Tokens the contract holds, and tokens it owes.
    function books() external view returns (uint256 held, uint256 owed) {
        held = token.balanceOf(address(enigma));
        owed = openFees + enigma.worker(workerSigner).stake + _balance(OPERATOR);
        for (uint256 i = 0; i < 3; ++i) {
            owed += _balance(_users[i]);
        }
    }

    function _user(uint8 who) private view returns (address) {
        return _users[who % 3];
    }
}

/// @dev The contract holds exactly what it owes: deposits, stakes and the fees of open records.
contract MoneyInvariantTest {
    Actor private _actor;

    function setUp() public {
        _actor = new Actor();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_actor);
    }

    function invariant_holds_what_it_owes() public view {
        (uint256 held, uint256 owed) = _actor.books();
        vm.assertEq(held, owed, "tokens held against tokens owed");
    }
}
