//! `#[enigma_sdk::error]`.

use crate::fields::{Named, without_generics, without_options};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Fields, Ident, Item, LitStr, Result};

/// One custom error of Solidity: a struct, or a variant of an enum.
struct Custom {
    ident: Ident,
    /// `Self`, or `Self::Variant`.
    path: TokenStream,
    text: LitStr,
    fields: Named,
}

pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    without_options(&attribute, "error")?;
    let span = item.span();
    let mut item: Item = syn::parse2(item)?;
    let (name, errors) = match &mut item {
        Item::Enum(item) => {
            without_generics(&item.generics, "an error")?;
            let mut errors = Vec::new();
            for variant in &mut item.variants {
                let ident = &variant.ident;
                let path = quote! { Self::#ident };
                errors.push(Custom::take(ident.clone(), path, &mut variant.attrs, &variant.fields)?);
            }
            (item.ident.clone(), errors)
        }
        Item::Struct(item) => {
            without_generics(&item.generics, "an error")?;
            let error = Custom::take(item.ident.clone(), quote! { Self }, &mut item.attrs, &item.fields)?;
            (item.ident.clone(), vec![error])
        }
        _ => {
            let message =
                "write `#[enigma_sdk::error]` on an enum whose variants are the errors, or on a struct that is one";
            return Err(Error::new(span, message));
        }
    };
    let signatures = errors.iter().map(|error| {
        let (name, parameters) = (error.ident.unraw().to_string(), error.fields.parameters());
        quote! { ::enigma_sdk::describe::Signature { name: #name, inputs: #parameters } }
    });
    let formatter = Ident::new("formatter", Span::mixed_site());
    let displays = errors.iter().map(|Custom { path, text, fields, .. }| {
        // By their own names, which the text uses.
        let idents = &fields.idents;
        quote! { #path { #(#idents),* } => ::core::write!(#formatter, #text), }
    });
    let encodes = errors.iter().enumerate().map(|(i, Custom { path, fields, .. })| {
        let (pattern, encode) = (fields.pattern(), fields.encode());
        let selector = selector(&name, i);
        quote! {
            #path #pattern => {
                out.push(&#selector);
                #encode
            }
        }
    });
    let decodes = errors.iter().enumerate().map(|(i, Custom { path, fields, .. })| {
        let (pattern, decode) = (fields.pattern(), fields.decode());
        let selector = selector(&name, i);
        quote! {
            let decoded = ::enigma_sdk::macro_support::decode_error(data, #selector, |decoder| {
                let at = 0;
                #decode
                ::core::result::Result::Ok(#path #pattern)
            });
            if decoded.is_some() {
                return decoded;
            }
        }
    });
    Ok(quote! {
        #item

        impl ::core::fmt::Display for #name {
            #[allow(unused_variables)]
            fn fmt(&self, #formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { #(#displays)* }
            }
        }

        impl ::enigma_sdk::CustomError for #name {
            const ERRORS: &'static [::enigma_sdk::describe::Signature] = &[#(#signatures),*];

            fn encode(&self) -> ::enigma_sdk::macro_support::Vec<u8> {
                let mut bytes = ::enigma_sdk::abi::Encoder::new();
                let out = &mut bytes;
                match self { #(#encodes)* }
                bytes.finish()
            }

            #[allow(unused_variables)]
            fn decode(data: &[u8]) -> ::core::option::Option<Self> {
                #(#decodes)*
                ::core::option::Option::None
            }
        }
    })
}

/// The first four bytes of the signature's hash, which the compiler finds.
fn selector(name: &Ident, index: usize) -> TokenStream {
    quote! {
        {
            const SIGNATURE: &::enigma_sdk::describe::Signature = &<#name as ::enigma_sdk::CustomError>::ERRORS[#index];
            const TEXT: [u8; ::enigma_sdk::describe::signature_length(SIGNATURE)] = ::enigma_sdk::describe::signature(SIGNATURE);
            const SELECTOR: [u8; 4] = ::enigma_sdk::describe::selector(&TEXT);
            SELECTOR
        }
    }
}

impl Custom {
    /// Takes the mark with the text off.
    fn take(ident: Ident, path: TokenStream, attributes: &mut Vec<Attribute>, fields: &Fields) -> Result<Custom> {
        let fields = Named::parse(fields, "an error")?;
        let mut text = None;
        let mut error = None;
        attributes.retain(|attribute| {
            if !attribute.path().is_ident("error") {
                return true;
            }
            match attribute.parse_args::<LitStr>() {
                Ok(found) => text = Some(found),
                Err(_) => {
                    let message = "write `#[error(\"what happened\")]`; a field shows as `{field}`";
                    error = Some(Error::new_spanned(attribute, message));
                }
            }
            false
        });
        if let Some(error) = error {
            return Err(error);
        }
        let Some(text) = text else {
            let message = format!("write `#[error(\"…\")]` above `{ident}`: the text that the caller reads");
            return Err(Error::new(ident.span(), message));
        };
        Ok(Custom { ident, path, text, fields })
    }
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
            quote! { fn f() {} },
            "write `#[enigma_sdk::error]` on an enum whose variants are the errors, or on a struct that is one",
        );
        check(quote! { enum A { B } }, "write `#[error(\"…\")]` above `B`: the text that the caller reads");
        check(quote! { enum A { #[error] B } }, "write `#[error(\"what happened\")]`; a field shows as `{field}`");
        check(
            quote! { enum A { #[error("no")] B(u8) } },
            "write fields with names, such as `{ amount: U256 }`: an error shows them in its ABI",
        );
    }
}
