//! What structs for arguments, events and errors have in common: named fields with Solidity types.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Error, Fields, Generics, Ident, Result, Type};

/// The fields of a struct or of an enum's variant.
pub struct Named {
    pub idents: Vec<Ident>,
    pub types: Vec<Type>,
    /// What the fields are bound to in the macros' output, where their own names could be taken.
    pub bound: Vec<Ident>,
}

impl Named {
    /// `what` is the thing that has these fields.
    pub fn parse(fields: &Fields, what: &str) -> Result<Named> {
        let fields = match fields {
            Fields::Named(fields) => fields.named.iter().collect(),
            Fields::Unit => Vec::new(),
            Fields::Unnamed(fields) => {
                let message =
                    format!("write fields with names, such as `{{ amount: U256 }}`: {what} shows them in its ABI");
                return Err(Error::new_spanned(fields, message));
            }
        };
        let idents = fields.iter().filter_map(|field| field.ident.clone()).collect();
        let types = fields.iter().map(|field| field.ty.clone()).collect();
        let bound = (0..fields.len()).map(|i| Ident::new(&format!("field_{i}"), Span::mixed_site())).collect();
        Ok(Named { idents, types, bound })
    }

    /// A constant list of `describe::Parameter`.
    pub fn parameters(&self) -> TokenStream {
        let parameters = self.idents.iter().zip(&self.types).map(|(ident, ty)| {
            let name = ident.unraw().to_string();
            let ty = quote_spanned! { ty.span() => <#ty as ::enigma_sdk::abi::Abi>::TYPE };
            quote! { ::enigma_sdk::describe::Parameter { name: #name, ty: #ty } }
        });
        quote! { &[#(#parameters),*] }
    }

    /// `{ a: field_0, b: field_1 }`, to match and to build.
    pub fn pattern(&self) -> TokenStream {
        let (idents, bound) = (&self.idents, &self.bound);
        quote! { { #(#idents: #bound),* } }
    }

    /// Appends the fields, which are bound by reference, to `out`.
    pub fn encode(&self) -> TokenStream {
        let bound = &self.bound;
        quote! {
            ::enigma_sdk::macro_support::Sequence::encode(
                out,
                |sequence, out| { #(sequence.head(#bound, out);)* },
                |sequence, out| { #(sequence.tail(#bound, out);)* },
            );
        }
    }

    /// Binds the fields to what `decoder` reads from `at`.
    pub fn decode(&self) -> TokenStream {
        let (bound, types) = (&self.bound, &self.types);
        quote! {
            #[allow(unused_mut, unused_variables)]
            let mut cursor = at;
            #(let #bound = decoder.next::<#types>(at, &mut cursor)?;)*
        }
    }
}

pub fn without_generics(generics: &Generics, what: &str) -> Result<()> {
    if generics.params.is_empty() {
        return Ok(());
    }
    Err(Error::new_spanned(generics, format!("write {what} without generics or lifetimes")))
}

/// The attribute takes no options.
pub fn without_options(attribute: &TokenStream, name: &str) -> Result<()> {
    if attribute.is_empty() {
        return Ok(());
    }
    Err(Error::new_spanned(attribute, format!("write `#[enigma_sdk::{name}]`: it takes no options")))
}
