//! `#[enigma_sdk::test]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, Ident, ItemFn, Result, Type};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    Both,
    Native,
    Runtime,
}

pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let runs = match attribute.to_string().as_str() {
        "" => Runs::Both,
        "native" => Runs::Native,
        "runtime" => Runs::Runtime,
        _ => {
            let message = "write `#[enigma_sdk::test]` to run natively and in the runtime, or one of `#[enigma_sdk::test(native)]` and \
                `#[enigma_sdk::test(runtime)]`";
            return Err(Error::new_spanned(attribute, message));
        }
    };
    let span = item.span();
    let mut function: ItemFn =
        syn::parse2(item).map_err(|_| Error::new(span, "write `#[enigma_sdk::test]` on a function"))?;
    if let Some(mark) = function.attrs.iter().find(|attribute| attribute.path().is_ident("test")) {
        return Err(Error::new_spanned(mark, "leave `#[test]` out: `#[enigma_sdk::test]` stands in its place"));
    }
    let takes_contract = match function.sig.inputs.first() {
        Some(FnArg::Typed(argument)) if function.sig.inputs.len() == 1 => {
            matches!(&*argument.ty, Type::Reference(reference) if reference.mutability.is_some())
        }
        _ => false,
    };
    if !takes_contract {
        let message = "write one argument, the contract under test: `contract: &mut Tested<MyContract>`";
        return Err(Error::new_spanned(&function.sig, message));
    }
    // Expectations such as `#[should_panic]` belong to the tests.
    let (documentation, expectations): (Vec<Attribute>, Vec<Attribute>) = function
        .attrs
        .drain(..)
        .partition(|attribute| attribute.path().is_ident("doc") || attribute.path().is_ident("allow"));
    function.attrs = documentation;

    let name = &function.sig.ident;
    let output = &function.sig.output;
    let test = |kind: &str, contract: TokenStream| {
        let kind = Ident::new(kind, name.span());
        quote! {
            #(#expectations)*
            #[::core::prelude::v1::test]
            fn #kind() #output {
                super::#name(&mut #contract)
            }
        }
    };
    let native = (runs != Runs::Runtime).then(|| test("native", quote! { ::enigma_sdk::testing::Tested::native() }));
    let runtime = (runs != Runs::Native).then(|| {
        let contract = quote! {
            ::enigma_sdk::testing::Tested::in_runtime(::enigma_sdk::testing::Package {
                name: ::core::env!("CARGO_PKG_NAME"),
                directory: ::core::env!("CARGO_MANIFEST_DIR"),
            })
        };
        let test = test("runtime", contract);
        quote! { ::enigma_sdk::if_runtime! { #test } }
    });
    Ok(quote! {
        #[cfg(test)]
        #function

        #[cfg(test)]
        mod #name {
            #[allow(unused_imports)]
            use super::*;

            #native
            #runtime
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_write() {
        #[track_caller]
        fn check(attribute: TokenStream, item: TokenStream, expected: &str) {
            assert_eq!(expand(attribute, item).unwrap_err().to_string(), expected);
        }
        let none = TokenStream::new;
        check(none(), quote! { struct A; }, "write `#[enigma_sdk::test]` on a function");
        check(
            none(),
            quote! { fn f() {} },
            "write one argument, the contract under test: `contract: &mut Tested<MyContract>`",
        );
        check(
            none(),
            quote! { #[test] fn f(a: &mut Tested<A>) {} },
            "leave `#[test]` out: `#[enigma_sdk::test]` stands in its place",
        );
        check(
            quote! { wasm },
            quote! { fn f(a: &mut Tested<A>) {} },
            "write `#[enigma_sdk::test]` to run natively and in the runtime, or one of `#[enigma_sdk::test(native)]` and \
                `#[enigma_sdk::test(runtime)]`",
        );
    }
}
