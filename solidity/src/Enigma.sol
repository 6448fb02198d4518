// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IEvidenceVerifier} from "./interfaces/IEvidenceVerifier.sol";
import {Accounts} from "./modules/Accounts.sol";
import {NetworkPolicy} from "./modules/NetworkPolicy.sol";
import {Registry} from "./modules/Registry.sol";
import {Tasks} from "./modules/Tasks.sol";

/// @title The Enigma network on Ethereum
/// @notice One contract per network. It has no owner, is not upgradeable, and keeps hashes only.
/// @dev The modules, each with its own private state and one duty: NetworkPolicy (rules), Accounts (money), Registry
/// (enclaves), Epochs (who works), Tasks (records and receipts).
contract Enigma is Tasks {
    /// @param token_ ENG; trusted: plain ERC-20 with a supply below 2^128
    /// @param verifier judge of all attestation evidence
    /// @param initialKeyManagers signers and share commitments, in the order that `configHash` commits to
    /// @param threshold how many key managers sign an epoch, and answer an enclave
    /// @param checkpoint block root from which enclaves follow Ethereum; 0 on development chains
    /// @param measurements enclave code that may register
    /// @param parameters the numbers of this network
    constructor(
        IERC20 token_,
        IEvidenceVerifier verifier,
        KeyManager[] memory initialKeyManagers,
        uint256 threshold,
        bytes32 checkpoint,
        bytes32[] memory measurements,
        Policy memory parameters
    )
        NetworkPolicy(measurements, parameters)
        Accounts(token_)
        Registry(verifier, initialKeyManagers, threshold, checkpoint)
    {}
}
