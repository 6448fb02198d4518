//! The macros of `enigma-sdk`, which re-exports them; see there for how a contract is written.

use proc_macro::TokenStream;

mod contract;
mod state;

/// Makes a struct the state of a contract: each field is a `Value`, `Map` or `List`, kept under the field's name.
///
/// The struct gets a `Default`, which is the contract as it is stored.
#[proc_macro_attribute]
pub fn state(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(state::expand(attribute.into(), item.into()))
}

/// Makes an `impl` block the functions of a contract.
///
/// `#[constructor]` marks the function that runs at deployment, `#[call]` those that can be called; functions without
/// a mark stay internal.
#[proc_macro_attribute]
pub fn contract(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(contract::expand(attribute.into(), item.into()))
}

fn finish(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(|error| error.to_compile_error()).into()
}
