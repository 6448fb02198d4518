//! `#[enigma_sdk::state]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Error, Fields, ItemStruct, Result};

pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !attribute.is_empty() {
        return Err(Error::new_spanned(attribute, "write `#[enigma_sdk::state]`: it takes no options"));
    }
    let span = item.span();
    let state: ItemStruct = syn::parse2(item)
        .map_err(|_| Error::new(span, "write `#[enigma_sdk::state]` on the struct that holds the contract's state"))?;
    if !state.generics.params.is_empty() {
        return Err(Error::new_spanned(&state.generics, "write a state without generics or lifetimes"));
    }
    let fields = match &state.fields {
        Fields::Named(fields) => fields.named.iter().collect::<Vec<_>>(),
        Fields::Unit => Vec::new(),
        Fields::Unnamed(fields) => {
            return Err(Error::new_spanned(
                fields,
                "write fields with names, such as `{ owner: Value<Address> }`: each is kept under its name",
            ));
        }
    };

    let name = &state.ident;
    let body = |place: fn(&str) -> TokenStream| match &state.fields {
        Fields::Unit => quote! { #name },
        _ => {
            let fields = fields.iter().map(|field| {
                let (ident, ty) = (&field.ident, &field.ty);
                let key = ident.as_ref().map(|ident| ident.unraw().to_string()).unwrap_or_default();
                let place = place(&key);
                let value = quote_spanned! { ty.span() => <#ty as ::enigma_sdk::Field>::from_place(#place) };
                quote! { #ident: #value }
            });
            quote! { #name { #(#fields),* } }
        }
    };
    let outer = body(|name| quote! { ::enigma_sdk::Place::of(#name) });
    let nested = body(|name| quote! { place.field(#name) });
    Ok(quote! {
        #state

        /// The contract's state as it is stored.
        impl ::core::default::Default for #name {
            fn default() -> Self {
                #outer
            }
        }

        /// So that a map or a list can hold such structs.
        impl ::enigma_sdk::Field for #name {
            #[allow(unused_variables)]
            fn from_place(place: ::enigma_sdk::Place) -> Self {
                #nested
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
        check(quote! { enum A {} }, "write `#[enigma_sdk::state]` on the struct that holds the contract's state");
        check(quote! { struct A<T> { a: Value<T> } }, "write a state without generics or lifetimes");
        check(
            quote! { struct A(Value<u8>); },
            "write fields with names, such as `{ owner: Value<Address> }`: each is kept under its name",
        );
    }
}
