// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title ENG, the token that pays for private computation
/// @notice A fixed supply, all of it minted to the deployer. No owner, no minting, no burning, no pausing.
contract EnigmaToken is ERC20, ERC20Permit {
    /// @notice The whole supply in grains (18 decimals). It fits `uint128` with room to spare.
    uint256 public constant SUPPLY = 150_000_000 ether;

    constructor() ERC20("Enigma", "ENG") ERC20Permit("Enigma") {
        _mint(msg.sender, SUPPLY);
    }
}
