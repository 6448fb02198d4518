//! `#[enigma_sdk::event]`.

use crate::fields::{Named, without_generics, without_options};
use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Error, ItemStruct, Result};

pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    without_options(&attribute, "event")?;
    let span = item.span();
    let item: ItemStruct = syn::parse2(item).map_err(|_| {
        Error::new(span, "write `#[enigma_sdk::event]` on a struct whose fields are the event's parameters")
    })?;
    without_generics(&item.generics, "an event")?;
    let fields = Named::parse(&item.fields, "an event")?;
    let name = &item.ident;
    let text = name.unraw().to_string();
    let (parameters, pattern, encode, decode) =
        (fields.parameters(), fields.pattern(), fields.encode(), fields.decode());
    Ok(quote! {
        #item

        impl ::enigma_sdk::Event for #name {
            const SIGNATURE: ::enigma_sdk::describe::Signature =
                ::enigma_sdk::describe::Signature { name: #text, inputs: #parameters };

            const TEXT: &'static str = {
                const SIGNATURE: &::enigma_sdk::describe::Signature = &<#name as ::enigma_sdk::Event>::SIGNATURE;
                const TEXT: [u8; ::enigma_sdk::describe::signature_length(SIGNATURE)] = ::enigma_sdk::describe::signature(SIGNATURE);
                ::enigma_sdk::describe::as_str(&TEXT)
            };

            fn encode(&self) -> ::enigma_sdk::macro_support::Vec<u8> {
                let Self #pattern = self;
                let mut bytes = ::enigma_sdk::abi::Encoder::new();
                let out = &mut bytes;
                #encode
                bytes.finish()
            }

            #[allow(unused_variables)]
            fn decode(
                decoder: &mut ::enigma_sdk::abi::Decoder<'_>,
            ) -> ::core::result::Result<Self, ::enigma_sdk::abi::DecodeError> {
                let at = 0;
                #decode
                ::core::result::Result::Ok(Self #pattern)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_write() {
        #[track_caller]
        fn check(item: TokenStream, expected: &str) {
            assert_eq!(expand(TokenStream::new(), item).unwrap_err().to_string(), expected);
        }
        check(
            quote! { enum A { B } },
            "write `#[enigma_sdk::event]` on a struct whose fields are the event's parameters",
        );
        check(quote! { struct A<T> { a: T } }, "write an event without generics or lifetimes");
        check(
            quote! { struct A(u8); },
            "write fields with names, such as `{ amount: U256 }`: an event shows them in its ABI",
        );
    }
}
