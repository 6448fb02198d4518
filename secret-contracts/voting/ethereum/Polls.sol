// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title What the example `voting` calls on Ethereum
/// @notice Publishes what polls came to. Only the Enigma contract can record.
contract Polls {
    /// @notice Somebody else than the Enigma contract called.
    error NotEnigma();

    /// @notice A poll was tallied.
    event TallyRecorded(uint256 indexed pollId, uint256 percent);

    address private immutable ENIGMA;
    mapping(uint256 pollId => uint256 percent) private _tallies;

    /// @param enigma The Enigma contract.
    constructor(address enigma) {
        ENIGMA = enigma;
    }

    /// @notice Records how many per cent of the votes were in favour.
    function recordTally(uint256 pollId, uint256 percent) external {
        if (msg.sender != ENIGMA) revert NotEnigma();
        _tallies[pollId] = percent;
        emit TallyRecorded(pollId, percent);
    }

    /// @notice How many per cent of the votes were in favour.
    function tally(uint256 pollId) external view returns (uint256) {
        return _tallies[pollId];
    }
}
