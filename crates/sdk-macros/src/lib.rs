//! The macros of `enigma-sdk`, which re-exports them; see there for how a contract is written.

use proc_macro::TokenStream;

mod contract;
mod data;
mod error;
mod ethereum;
mod event;
mod fields;
mod state;
mod test;

/// Makes a struct the state of a contract: each field is a `Value`, `Map` or `List`, kept under the field's name.
///
/// The struct gets a `Default`, which is the contract as it is stored. Such a struct can also be a field of another, or what a `Map`
/// or `List` holds.
#[proc_macro_attribute]
pub fn state(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(state::expand(attribute.into(), item.into()))
}

/// Makes an `impl` block the functions of a contract.
///
/// `#[constructor]` marks the function that runs at deployment, `#[call]` those that tasks can call, `#[query]` those that queries
/// can (a function can have both marks); functions without a mark stay internal. `#[call(payable)]` takes value. The events that the
/// contract emits are listed as `#[enigma_sdk::contract(events(Transfer, Approval))]`.
#[proc_macro_attribute]
pub fn contract(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(contract::expand(attribute.into(), item.into()))
}

/// Makes a struct usable as an argument, a result and a parameter of events (a tuple with named components in Solidity's ABI), and
/// in the state. An enum without fields becomes a `uint8`, as in Solidity.
#[proc_macro_attribute]
pub fn data(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(data::expand(attribute.into(), item.into()))
}

/// Makes a struct an event, to be listed in `#[enigma_sdk::contract(events(…))]` and emitted by `self.emit(…)`.
#[proc_macro_attribute]
pub fn event(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(event::expand(attribute.into(), item.into()))
}

/// Makes an enum, each of whose variants has a text, `#[error("you have {have}")]`, an error that functions return: a custom error of
/// Solidity for each variant, which clients decode. A struct with such a text is a single error.
#[proc_macro_attribute]
pub fn error(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(error::expand(attribute.into(), item.into()))
}

/// Makes a struct out of the JSON ABI of a contract on Ethereum: `ethereum_contract!(Voting, "abi/Voting.json");`, with a path from
/// the package's `Cargo.toml`, or with the JSON itself.
///
/// `Voting::at(address)` has a function for each function of the contract that changes something: `record_tally(…)` for `recordTally`.
/// It returns the call, which `.send()` makes. Functions that share a name have the types of their arguments in it, such as
/// `mint_address_uint256`. A tuple is a tuple. Attributes and visibility stand before the name.
#[proc_macro]
pub fn ethereum_contract(input: TokenStream) -> TokenStream {
    finish(ethereum::expand(input.into()))
}

/// Makes two tests of a function that takes `&mut Tested<…>`, a contract under test: one runs the contract natively, one compiles it to
/// WebAssembly and runs it in the real runtime. `#[enigma_sdk::test(native)]` and `#[enigma_sdk::test(runtime)]` make one of them.
#[proc_macro_attribute]
pub fn test(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(test::expand(attribute.into(), item.into()))
}

fn finish(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(|error| error.to_compile_error()).into()
}
