// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title What the example `contract_with_eth_calls` calls on Ethereum
/// @notice Records what the Enigma contract says a secret contract found out. An application that relies on it lets only the
/// Enigma contract call, as here.
contract Recorder {
    /// @notice Somebody else than the Enigma contract called.
    error NotEnigma();

    /// @notice A sum was recorded.
    event SumRecorded(uint256 sum);
    /// @notice A note was recorded.
    event NoteRecorded(address indexed author, string note, uint256[] numbers);

    address private immutable ENIGMA;
    uint256 private _lastSum;

    /// @param enigma The Enigma contract.
    constructor(address enigma) {
        ENIGMA = enigma;
    }

    modifier onlyEnigma() {
        if (msg.sender != ENIGMA) revert NotEnigma();
        _;
    }

    /// @notice Records a sum.
    function recordSum(uint256 sum) external onlyEnigma {
        _lastSum = sum;
        emit SumRecorded(sum);
    }

    /// @notice Records a note with numbers.
    function recordNote(address author, string calldata note, uint256[] calldata numbers) external onlyEnigma {
        emit NoteRecorded(author, note, numbers);
    }

    /// @notice The sum that was recorded last.
    function lastSum() external view returns (uint256) {
        return _lastSum;
    }
}
