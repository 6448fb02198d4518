//! `#[enigma_sdk::data]`.

use crate::fields::{Named, without_generics, without_options};
use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Error, Fields, Item, ItemEnum, ItemStruct, Result};

const ADVICE: &str = "write `#[enigma_sdk::data]` on a struct with named fields, or on an enum without fields";

pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    without_options(&attribute, "data")?;
    let span = item.span();
    match syn::parse2(item) {
        Ok(Item::Struct(item)) => structure(&item),
        Ok(Item::Enum(item)) => enumeration(&item),
        _ => Err(Error::new(span, ADVICE)),
    }
}

/// A tuple in the ABI; its fields one after another in the state.
fn structure(item: &ItemStruct) -> Result<TokenStream> {
    without_generics(&item.generics, "data")?;
    let fields = Named::parse(&item.fields, "a struct")?;
    if fields.idents.is_empty() {
        return Err(Error::new_spanned(item, "write at least one field: Solidity has no empty structs"));
    }
    let name = &item.ident;
    let (idents, bound, types) = (&fields.idents, &fields.bound, &fields.types);
    let (parameters, pattern, encode, decode) =
        (fields.parameters(), fields.pattern(), fields.encode(), fields.decode());
    Ok(quote! {
        #item

        impl ::enigma_sdk::abi::Abi for #name {
            const TYPE: ::enigma_sdk::describe::Type = ::enigma_sdk::describe::Type::Struct(#parameters);

            fn encode(&self, out: &mut ::enigma_sdk::abi::Encoder) {
                let Self #pattern = self;
                #encode
            }

            fn decode(
                decoder: &mut ::enigma_sdk::abi::Decoder<'_>,
                at: usize,
            ) -> ::core::result::Result<Self, ::enigma_sdk::abi::DecodeError> {
                #decode
                ::core::result::Result::Ok(Self #pattern)
            }
        }

        impl ::enigma_sdk::borsh::BorshSerialize for #name {
            fn serialize<W: ::enigma_sdk::borsh::io::Write>(&self, writer: &mut W) -> ::enigma_sdk::borsh::io::Result<()> {
                #(::enigma_sdk::borsh::BorshSerialize::serialize(&self.#idents, writer)?;)*
                ::core::result::Result::Ok(())
            }
        }

        impl ::enigma_sdk::borsh::BorshDeserialize for #name {
            fn deserialize_reader<R: ::enigma_sdk::borsh::io::Read>(reader: &mut R) -> ::enigma_sdk::borsh::io::Result<Self> {
                #(let #bound = <#types as ::enigma_sdk::borsh::BorshDeserialize>::deserialize_reader(reader)?;)*
                ::core::result::Result::Ok(Self #pattern)
            }
        }
    })
}

/// `uint8` in the ABI, one byte in the state: the variant's number, from 0, as in Solidity.
fn enumeration(item: &ItemEnum) -> Result<TokenStream> {
    without_generics(&item.generics, "data")?;
    for variant in &item.variants {
        if !matches!(variant.fields, Fields::Unit) {
            let message = "write this variant without fields: Solidity's enums are numbers; a struct can hold more";
            return Err(Error::new_spanned(variant, message));
        }
        if let Some((_, number)) = &variant.discriminant {
            return Err(Error::new_spanned(number, "leave the number out: Solidity counts an enum's variants from 0"));
        }
    }
    if item.variants.is_empty() || item.variants.len() > 256 {
        return Err(Error::new_spanned(item, "write 1 to 256 variants: Solidity keeps an enum in a `uint8`"));
    }
    let name = &item.ident;
    let variants = item.variants.iter().map(|variant| &variant.ident).collect::<Vec<_>>();
    let numbers = (0..=u8::MAX).take(variants.len()).collect::<Vec<_>>();
    Ok(quote! {
        #item

        impl #name {
            fn enigma_number(&self) -> u8 {
                match self { #(Self::#variants => #numbers,)* }
            }

            fn enigma_from_number(number: u8) -> ::core::option::Option<Self> {
                match number {
                    #(#numbers => ::core::option::Option::Some(Self::#variants),)*
                    #[allow(unreachable_patterns)]
                    _ => ::core::option::Option::None,
                }
            }
        }

        impl ::enigma_sdk::abi::Abi for #name {
            const TYPE: ::enigma_sdk::describe::Type = <u8 as ::enigma_sdk::abi::Abi>::TYPE;

            fn encode(&self, out: &mut ::enigma_sdk::abi::Encoder) {
                ::enigma_sdk::abi::Abi::encode(&self.enigma_number(), out)
            }

            fn decode(
                decoder: &mut ::enigma_sdk::abi::Decoder<'_>,
                at: usize,
            ) -> ::core::result::Result<Self, ::enigma_sdk::abi::DecodeError> {
                let number = <u8 as ::enigma_sdk::abi::Abi>::decode(decoder, at)?;
                Self::enigma_from_number(number).ok_or(::enigma_sdk::abi::DecodeError::TooLarge)
            }
        }

        impl ::enigma_sdk::borsh::BorshSerialize for #name {
            fn serialize<W: ::enigma_sdk::borsh::io::Write>(&self, writer: &mut W) -> ::enigma_sdk::borsh::io::Result<()> {
                ::enigma_sdk::borsh::BorshSerialize::serialize(&self.enigma_number(), writer)
            }
        }

        impl ::enigma_sdk::borsh::BorshDeserialize for #name {
            fn deserialize_reader<R: ::enigma_sdk::borsh::io::Read>(reader: &mut R) -> ::enigma_sdk::borsh::io::Result<Self> {
                let number = <u8 as ::enigma_sdk::borsh::BorshDeserialize>::deserialize_reader(reader)?;
                Self::enigma_from_number(number).ok_or(::enigma_sdk::borsh::io::ErrorKind::InvalidData.into())
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
        check(quote! { fn f() {} }, ADVICE);
        check(quote! { struct A<T> { a: T } }, "write data without generics or lifetimes");
        check(quote! { struct A; }, "write at least one field: Solidity has no empty structs");
        check(
            quote! { struct A(u8); },
            "write fields with names, such as `{ amount: U256 }`: a struct shows them in its ABI",
        );
        check(
            quote! { enum A { B(u8) } },
            "write this variant without fields: Solidity's enums are numbers; a struct can hold more",
        );
        check(quote! { enum A { B = 1 } }, "leave the number out: Solidity counts an enum's variants from 0");
    }
}
