//! A token in plaintext, as a contract of CosmWasm: the transfer reads and writes two balances, as that of the secret token does.
//!
//! It is here to be measured against. Deliberately absent: everything else that a token needs.

use cosmwasm_std::{
    Addr, Binary, Deps, DepsMut, Env, MessageInfo, Response, StdError, StdResult, Storage, Uint256, entry_point,
};
use serde::{Deserialize, Serialize};

/// The constructor's arguments.
#[derive(Debug, Serialize, Deserialize)]
pub struct Instantiate {
    /// Who gets what.
    pub balances: Vec<(String, Uint256)>,
}

/// The calls.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Execute {
    /// Sends the caller's tokens.
    Transfer {
        /// To whom.
        recipient: String,
        /// How many.
        amount: Uint256,
    },
}

/// The questions; there are none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {}

fn balance(storage: &dyn Storage, owner: &Addr) -> Uint256 {
    let bytes = storage.get(owner.as_bytes()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map_or(Uint256::zero(), Uint256::from_be_bytes)
}

fn set_balance(storage: &mut dyn Storage, owner: &Addr, balance: Uint256) {
    storage.set(owner.as_bytes(), &balance.to_be_bytes());
}

/// Makes the token.
#[entry_point]
pub fn instantiate(deps: DepsMut, _env: Env, _info: MessageInfo, message: Instantiate) -> StdResult<Response> {
    for (owner, amount) in message.balances {
        set_balance(deps.storage, &deps.api.addr_validate(&owner)?, amount);
    }
    Ok(Response::new())
}

/// Runs a call.
#[entry_point]
pub fn execute(deps: DepsMut, _env: Env, info: MessageInfo, message: Execute) -> StdResult<Response> {
    let Execute::Transfer { recipient, amount } = message;
    let recipient = deps.api.addr_validate(&recipient)?;
    let rest = balance(deps.storage, &info.sender).checked_sub(amount).map_err(StdError::from)?;
    set_balance(deps.storage, &info.sender, rest);
    let sum = balance(deps.storage, &recipient).checked_add(amount).map_err(StdError::from)?;
    set_balance(deps.storage, &recipient, sum);
    Ok(Response::new())
}

/// Answers nothing.
#[entry_point]
pub fn query(_deps: Deps, _env: Env, message: Query) -> StdResult<Binary> {
    match message {}
}
