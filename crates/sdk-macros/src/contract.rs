//! `#[enigma_sdk::contract]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Meta, Pat, Path, Result, ReturnType, Token, Type};

/// The SDK decodes argument tuples up to this length.
const MAX_ARGUMENTS: usize = 12;

pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let events = events(attribute)?;
    let span = item.span();
    let mut block: ItemImpl = syn::parse2(item).map_err(|error| match error.to_string().as_str() {
        "expected `impl`" => {
            Error::new(span, "write `#[enigma_sdk::contract]` on the `impl` block with the contract's functions")
        }
        _ => error,
    })?;
    if let Some((_, path, _)) = &block.trait_ {
        return Err(Error::new_spanned(
            path,
            "write the contract's functions in an `impl` block of their own, not in that of a trait",
        ));
    }
    if !block.generics.params.is_empty() {
        return Err(Error::new_spanned(&block.generics, "write a contract without generics or lifetimes"));
    }

    let mut functions = Vec::new();
    let mut errors: Option<Error> = None;
    for item in &mut block.items {
        let ImplItem::Fn(function) = item else { continue };
        match Function::parse(function) {
            Ok(Some(function)) => functions.push(function),
            Ok(None) => {}
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    if let Some(error) = errors {
        return Err(error);
    }
    // The constructor comes first; without one, an empty constructor is generated.
    functions.sort_by_key(|function| function.role != Role::Constructor);
    if let Some(second) = functions.iter().skip(1).find(|function| function.role == Role::Constructor) {
        return Err(Error::new(second.ident.span(), "write one `#[constructor]`: a contract is deployed in one way"));
    }
    if functions.is_empty() {
        return Err(Error::new_spanned(
            &block.self_ty,
            "write `#[call]` on the functions that tasks can call, `#[query]` on those that queries can: this contract has none",
        ));
    }
    if let Some((first, second)) = same_name(&functions) {
        let message =
            format!("write another name: `{first}` is called already, and callers choose a function by its name");
        return Err(Error::new(second.span(), message));
    }
    Ok(generate(&block, &functions, &events))
}

/// The events in `#[enigma_sdk::contract(events(A, B))]`.
fn events(attribute: TokenStream) -> Result<Vec<Path>> {
    if attribute.is_empty() {
        return Ok(Vec::new());
    }
    let advice = "write `#[enigma_sdk::contract]`, or `#[enigma_sdk::contract(events(Transfer, …))]` with the events that the contract emits";
    let wrong = |_| Error::new_spanned(&attribute, advice);
    let list: syn::MetaList = syn::parse2(attribute.clone()).map_err(wrong)?;
    if !list.path.is_ident("events") {
        return Err(Error::new_spanned(&list, advice));
    }
    let events = list.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated).map_err(wrong)?;
    Ok(events.into_iter().collect())
}

/// Two functions that the same name would call. The compiler finds those that have the same name in Rust.
fn same_name(functions: &[Function]) -> Option<(String, &Ident)> {
    functions.iter().enumerate().find_map(|(i, function)| {
        let name = function.name();
        let is_same = functions.iter().take(i).any(|before| before.name() == name && before.ident != function.ident);
        is_same.then_some((name, &function.ident))
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Constructor,
    Call,
    Query,
    CallAndQuery,
}

struct Function {
    role: Role,
    payable: bool,
    ident: Ident,
    changes_state: bool,
    arguments: Vec<(Ident, Type)>,
    output: Type,
}

impl Function {
    /// Takes the marks off a function; `None` if it has none and is internal.
    fn parse(function: &mut ImplItemFn) -> Result<Option<Function>> {
        let mut role = None;
        let mut payable = false;
        let mut error = None;
        function.attrs.retain(|attribute| {
            let found = match attribute.path().get_ident() {
                Some(ident) if ident == "constructor" => Role::Constructor,
                Some(ident) if ident == "call" => Role::Call,
                Some(ident) if ident == "query" => Role::Query,
                _ => return true,
            };
            match &attribute.meta {
                Meta::Path(_) => {}
                Meta::List(list) if found != Role::Query && list.tokens.to_string() == "payable" => payable = true,
                _ => {
                    let message = "write `#[call]`, `#[query]` or `#[constructor]`; `#[call(payable)]` or `#[constructor(payable)]` \
                        if it takes value";
                    error = Some(Error::new_spanned(attribute, message));
                }
            }
            role = match (role, found) {
                (None, found) => Some(found),
                (Some(Role::Call), Role::Query) | (Some(Role::Query), Role::Call) => Some(Role::CallAndQuery),
                (Some(before), _) => {
                    let message = "write one of `#[call]`, `#[query]` and `#[constructor]`, or `#[call]` and `#[query]`";
                    error = Some(Error::new_spanned(attribute, message));
                    Some(before)
                }
            };
            false
        });
        if let Some(error) = error {
            return Err(error);
        }
        let Some(role) = role else { return Ok(None) };

        let signature = &function.sig;
        if let Some(asyncness) = &signature.asyncness {
            return Err(Error::new_spanned(
                asyncness,
                "write a plain `fn`: a contract runs from beginning to end without waiting",
            ));
        }
        if let Some(unsafety) = &signature.unsafety {
            return Err(Error::new_spanned(unsafety, "write a safe `fn`: anybody can call it"));
        }
        if !signature.generics.params.is_empty() {
            return Err(Error::new_spanned(
                &signature.generics,
                "write concrete types: a function with generics has no Solidity signature",
            ));
        }
        let changes_state = match signature.receiver() {
            Some(receiver) if receiver.reference.is_some() && receiver.colon_token.is_none() => {
                receiver.mutability.is_some()
            }
            Some(receiver) => {
                return Err(Error::new_spanned(receiver, "write `&self` to read the state, `&mut self` to change it"));
            }
            None => {
                let message = "write `&self` (to read the state) or `&mut self` (to change it) as the first argument";
                return Err(Error::new_spanned(&signature.ident, message));
            }
        };
        if role == Role::Constructor && !changes_state {
            return Err(Error::new_spanned(signature.receiver(), "write `&mut self`: a constructor sets up the state"));
        }
        if matches!(role, Role::Query | Role::CallAndQuery) && changes_state {
            return Err(Error::new_spanned(signature.receiver(), "write `&self`: a query can change nothing"));
        }
        if payable && !changes_state {
            return Err(Error::new_spanned(
                signature.receiver(),
                "write `&mut self`: a function that takes value has to remember it",
            ));
        }

        let mut arguments = Vec::new();
        for argument in &signature.inputs {
            let FnArg::Typed(argument) = argument else { continue };
            let Pat::Ident(name) = &*argument.pat else {
                return Err(Error::new_spanned(
                    &argument.pat,
                    "write a name: it becomes part of the contract's interface",
                ));
            };
            supported(&argument.ty)?;
            arguments.push((name.ident.clone(), (*argument.ty).clone()));
        }
        if arguments.len() > MAX_ARGUMENTS {
            let message = format!("write at most {MAX_ARGUMENTS} arguments; several can share one as a tuple");
            return Err(Error::new_spanned(&signature.inputs, message));
        }
        let output = match &signature.output {
            ReturnType::Default => syn::parse_quote_spanned! { signature.ident.span() => () },
            ReturnType::Type(_, ty) => {
                if !matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty()) {
                    supported(ty)?;
                }
                (**ty).clone()
            }
        };
        Ok(Some(Function { role, payable, ident: signature.ident.clone(), changes_state, arguments, output }))
    }

    /// The name by which it is called.
    fn name(&self) -> String {
        match self.role {
            Role::Constructor => "construct".to_owned(),
            Role::Call | Role::Query | Role::CallAndQuery => self.ident.unraw().to_string(),
        }
    }

    fn entries(&self) -> TokenStream {
        match self.role {
            Role::Constructor => quote! { ::enigma_sdk::Entry::Deploy },
            Role::Call => quote! { ::enigma_sdk::Entry::Call },
            Role::Query => quote! { ::enigma_sdk::Entry::Query },
            Role::CallAndQuery => quote! { ::enigma_sdk::Entry::Call, ::enigma_sdk::Entry::Query },
        }
    }

    fn describe(&self) -> TokenStream {
        let name = self.name();
        let entries = self.entries();
        let mutability = match (self.changes_state, self.payable) {
            (false, _) => quote! { View },
            (true, false) => quote! { Nonpayable },
            (true, true) => quote! { Payable },
        };
        let inputs = self.arguments.iter().map(|(name, ty)| {
            let name = name.unraw().to_string();
            let ty = quote_spanned! { ty.span() => <#ty as ::enigma_sdk::abi::Abi>::TYPE };
            quote! { ::enigma_sdk::describe::Parameter { name: #name, ty: #ty } }
        });
        let output = &self.output;
        let outputs = quote_spanned! { output.span() => <#output as ::enigma_sdk::abi::Returns>::OUTPUTS };
        quote! {
            ::enigma_sdk::describe::Function {
                entries: &[#entries],
                mutability: ::enigma_sdk::describe::Mutability::#mutability,
                signature: ::enigma_sdk::describe::Signature { name: #name, inputs: &[#(#inputs),*] },
                outputs: #outputs,
                errors: <#output as ::enigma_sdk::abi::Returns>::ERRORS,
            }
        }
    }

    /// The function as one of a handle, for tests.
    fn typed(&self, contract: &Type, index: usize) -> TokenStream {
        let name = &self.ident;
        let text = format!("Calls `{name}`.");
        let constructs = self.role == Role::Constructor;
        let types = self.arguments.iter().map(|(_, ty)| ty);
        let names = (0..self.arguments.len())
            .map(|i| Ident::new(&format!("argument_{i}"), Span::mixed_site()))
            .collect::<Vec<_>>();
        let output = &self.output;
        quote! {
            #[doc = #text]
            #[track_caller]
            pub fn #name(
                self,
                #(#names: #types),*
            ) -> ::core::result::Result<<#output as ::enigma_sdk::abi::Returns>::Success, ::enigma_sdk::testing::Failure> {
                const FUNCTION: &::enigma_sdk::describe::Signature = &<#contract as ::enigma_sdk::Contract>::FUNCTIONS[#index].signature;
                const SIGNATURE: [u8; ::enigma_sdk::describe::signature_length(FUNCTION)] = ::enigma_sdk::describe::signature(FUNCTION);
                let mut arguments = ::enigma_sdk::abi::Encoder::new();
                ::enigma_sdk::macro_support::Sequence::encode(
                    &mut arguments,
                    |sequence, out| { #(sequence.head(&#names, out);)* },
                    |sequence, out| { #(sequence.tail(&#names, out);)* },
                );
                self.0.send(#constructs, ::enigma_sdk::describe::as_str(&SIGNATURE), &arguments.finish())
            }
        }
    }

    /// Calls the function if `signature` is its signature.
    fn dispatch(&self, contract: &Type, index: usize) -> TokenStream {
        let function = &self.ident;
        let entry = match self.role {
            Role::Constructor => quote! { ::enigma_sdk::Entry::Deploy },
            Role::Call => quote! { ::enigma_sdk::Entry::Call },
            Role::Query => quote! { ::enigma_sdk::Entry::Query },
            Role::CallAndQuery => quote! { ::enigma_sdk::Entry::Call | ::enigma_sdk::Entry::Query },
        };
        // A query comes without value.
        let refuse_value = (!self.payable && self.role != Role::Query)
            .then(|| quote! { ::enigma_sdk::macro_support::refuse_value(); });
        let types = self.arguments.iter().map(|(_, ty)| ty);
        let names = (0..self.arguments.len())
            .map(|i| Ident::new(&format!("argument_{i}"), Span::mixed_site()))
            .collect::<Vec<_>>();
        let output = &self.output;
        let result = quote_spanned! { output.span() => <#output as ::enigma_sdk::abi::Returns>::into_output(result) };
        quote! {
            {
                const FUNCTION: &::enigma_sdk::describe::Signature = &<#contract as ::enigma_sdk::Contract>::FUNCTIONS[#index].signature;
                const SIGNATURE: [u8; ::enigma_sdk::describe::signature_length(FUNCTION)] = ::enigma_sdk::describe::signature(FUNCTION);
                if ::core::matches!(entry, #entry) && signature == &SIGNATURE[..] {
                    #refuse_value
                    let (#(#names,)*) = ::enigma_sdk::abi::decode::<(#(#types,)*)>(arguments)?;
                    // Nothing in it needs to be dropped: the call ends here.
                    #[allow(unused_mut)]
                    let mut contract = ::enigma_sdk::macro_support::ManuallyDrop::new(<#contract as ::core::default::Default>::default());
                    #[allow(clippy::let_unit_value)]
                    let result = <#contract>::#function(&mut contract, #(#names),*);
                    return ::core::result::Result::Ok(#result?);
                }
            }
        }
    }
}

/// Refuses types that can have no Solidity type with advice that the trait's error could not give.
fn supported(ty: &Type) -> Result<()> {
    match ty {
        Type::Reference(reference) => {
            let instead = match &*reference.elem {
                Type::Path(path) if path.path.is_ident("str") => "`String`",
                Type::Slice(_) => "`Vec<T>` (or `Bytes` for bytes)",
                _ => "the type without `&`",
            };
            Err(Error::new_spanned(ty, format!("write {instead}: values come in and go out whole")))
        }
        Type::Slice(_) => Err(Error::new_spanned(ty, "write `Vec<T>` (or `Bytes` for bytes)")),
        Type::Tuple(tuple) if tuple.elems.is_empty() => {
            Err(Error::new_spanned(ty, "leave this out: an empty tuple has no Solidity type"))
        }
        Type::ImplTrait(_) | Type::TraitObject(_) => {
            Err(Error::new_spanned(ty, "write a concrete type: it becomes part of the contract's interface"))
        }
        Type::Path(path) => {
            let name = path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
            match name.as_str() {
                "f32" | "f64" => Err(Error::new_spanned(
                    ty,
                    "write an integer, such as `U256` in a small unit: contracts have no floating point numbers",
                )),
                "usize" => Err(Error::new_spanned(
                    ty,
                    "write `u32`, `u64` or `U256`: the size of `usize` depends on the machine",
                )),
                "isize" => {
                    Err(Error::new_spanned(ty, "write `i32` or `i64`: the size of `isize` depends on the machine"))
                }
                "Option" => {
                    Err(Error::new_spanned(ty, "write a tuple such as `(bool, T)`: Solidity has no optional values"))
                }
                "Self" => Err(Error::new_spanned(
                    ty,
                    "write a type of the Solidity ABI: the contract itself stays in the enclave",
                )),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn generate(block: &ItemImpl, functions: &[Function], events: &[Path]) -> TokenStream {
    let contract = &*block.self_ty;
    let listed = events.iter().map(|event| quote! { <#event as ::enigma_sdk::Event>::SIGNATURE });
    let emits =
        events.iter().map(|event| quote_spanned! { event.span() => impl ::enigma_sdk::Emits<#event> for #contract {} });
    let has_queries = functions.iter().any(|function| matches!(function.role, Role::Query | Role::CallAndQuery));
    let query = has_queries.then(|| {
        quote! {
            #[unsafe(export_name = "query")]
            extern "C" fn query() {
                ::enigma_sdk::macro_support::serve::<#contract>(::enigma_sdk::Entry::Query);
            }
        }
    });
    let descriptions = functions.iter().map(Function::describe);
    let has_constructor = functions.first().is_some_and(|function| function.role == Role::Constructor);
    let dispatches = functions.iter().enumerate().map(|(index, function)| function.dispatch(contract, index));
    let typed = functions.iter().enumerate().map(|(index, function)| function.typed(contract, index));
    let typed_constructor = (!has_constructor).then(|| {
        quote! {
            /// Deploys the contract.
            #[track_caller]
            pub fn construct(self) -> ::core::result::Result<(), ::enigma_sdk::testing::Failure> {
                self.0.send(true, "construct()", &[])
            }
        }
    });
    let no_constructor = (!has_constructor).then(|| {
        quote! {
            if entry == ::enigma_sdk::Entry::Deploy && signature == b"construct()" {
                ::enigma_sdk::macro_support::refuse_value();
                return ::core::result::Result::Ok(::enigma_sdk::macro_support::Vec::new());
            }
        }
    });
    quote! {
        #block

        #(#emits)*

        impl ::enigma_sdk::Contract for #contract {
            const FUNCTIONS: &'static [::enigma_sdk::describe::Function] = &[#(#descriptions),*];

            const EVENTS: &'static [::enigma_sdk::describe::Signature] = &[#(#listed),*];

            const ABI_JSON: &'static str = {
                const INTERFACE: &::enigma_sdk::describe::Interface = &::enigma_sdk::describe::Interface {
                    functions: <#contract as ::enigma_sdk::Contract>::FUNCTIONS,
                    events: <#contract as ::enigma_sdk::Contract>::EVENTS,
                };
                const JSON: [u8; ::enigma_sdk::describe::json_length(INTERFACE)] = ::enigma_sdk::describe::json(INTERFACE);
                ::enigma_sdk::describe::as_str(&JSON)
            };

            fn dispatch(
                entry: ::enigma_sdk::Entry,
                signature: &[u8],
                arguments: &[u8],
            ) -> ::core::result::Result<::enigma_sdk::macro_support::Vec<u8>, ::enigma_sdk::Failure> {
                #(#dispatches)*
                #no_constructor
                ::core::result::Result::Err(::enigma_sdk::Failure::NoFunction)
            }
        }

        #[cfg(not(target_arch = "wasm32"))]
        #[allow(dead_code, missing_docs, private_interfaces, unreachable_pub, clippy::too_many_arguments, clippy::type_complexity)]
        const _: () = {
            #[derive(Debug)]
            pub struct Calls<'a>(::enigma_sdk::testing::Handle<'a, #contract>);

            impl<'a> ::core::convert::From<::enigma_sdk::testing::Handle<'a, #contract>> for Calls<'a> {
                fn from(handle: ::enigma_sdk::testing::Handle<'a, #contract>) -> Self {
                    Calls(handle)
                }
            }

            impl ::enigma_sdk::testing::Typed for #contract {
                type Calls<'a> = Calls<'a>;
            }

            impl Calls<'_> {
                #typed_constructor
                #(#typed)*
            }
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = "deploy")]
            extern "C" fn deploy() {
                ::enigma_sdk::macro_support::serve::<#contract>(::enigma_sdk::Entry::Deploy);
            }

            #[unsafe(export_name = "call")]
            extern "C" fn call() {
                ::enigma_sdk::macro_support::serve::<#contract>(::enigma_sdk::Entry::Call);
            }

            #query

            #[unsafe(export_name = "enigma_abi_1")]
            extern "C" fn version() {}

            #[used]
            #[unsafe(link_section = "enigma_abi")]
            static ABI: [u8; <#contract as ::enigma_sdk::Contract>::ABI_JSON.len()] =
                ::enigma_sdk::describe::bytes(<#contract as ::enigma_sdk::Contract>::ABI_JSON);
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The macro's error for a block, which must say what to write.
    #[track_caller]
    fn check(block: TokenStream, expected: &str) {
        assert_eq!(expand(TokenStream::new(), block).unwrap_err().to_string(), expected);
    }

    #[test]
    fn errors_say_what_to_write() {
        check(
            quote! { struct A; },
            "write `#[enigma_sdk::contract]` on the `impl` block with the contract's functions",
        );
        check(
            quote! { impl Clone for A { #[call] fn f(&self) {} } },
            "write the contract's functions in an `impl` block of their own, not in that of a trait",
        );
        check(quote! { impl<T> A<T> {} }, "write a contract without generics or lifetimes");
        check(
            quote! { impl A { fn f(&self) {} } },
            "write `#[call]` on the functions that tasks can call, `#[query]` on those that queries can: this contract has none",
        );
        check(
            quote! { impl A { #[constructor] fn f(&mut self) {} #[constructor] fn g(&mut self) {} } },
            "write one `#[constructor]`: a contract is deployed in one way",
        );
        check(
            quote! { impl A { #[constructor] fn f(&self) {} } },
            "write `&mut self`: a constructor sets up the state",
        );
        check(
            quote! { impl A { #[call] #[constructor] fn f(&mut self) {} } },
            "write one of `#[call]`, `#[query]` and `#[constructor]`, or `#[call]` and `#[query]`",
        );
        let options = "write `#[call]`, `#[query]` or `#[constructor]`; `#[call(payable)]` or `#[constructor(payable)]` \
            if it takes value";
        check(quote! { impl A { #[call(view)] fn f(&self) {} } }, options);
        check(quote! { impl A { #[query(payable)] fn f(&self) {} } }, options);
        check(
            quote! { impl A { #[call(payable)] fn f(&self) {} } },
            "write `&mut self`: a function that takes value has to remember it",
        );
        check(quote! { impl A { #[query] fn f(&mut self) {} } }, "write `&self`: a query can change nothing");
        check(
            quote! { impl A { #[constructor] fn new(&mut self) {} #[call] fn construct(&mut self) {} } },
            "write another name: `construct` is called already, and callers choose a function by its name",
        );
    }

    #[test]
    fn only_events_are_an_option() {
        for attribute in [quote! { view }, quote! { events }, quote! { errors(A) }, quote! { events(1) }] {
            assert_eq!(
                expand(attribute, quote! { impl A {} }).unwrap_err().to_string(),
                "write `#[enigma_sdk::contract]`, or `#[enigma_sdk::contract(events(Transfer, …))]` with the events that the \
                    contract emits"
            );
        }
    }

    #[test]
    fn errors_about_functions() {
        #[track_caller]
        fn function(function: TokenStream, expected: &str) {
            check(quote! { impl A { #[call] #function } }, expected);
        }
        function(
            quote! { fn f(a: u8) {} },
            "write `&self` (to read the state) or `&mut self` (to change it) as the first argument",
        );
        function(quote! { fn f(self) {} }, "write `&self` to read the state, `&mut self` to change it");
        function(
            quote! { async fn f(&self) {} },
            "write a plain `fn`: a contract runs from beginning to end without waiting",
        );
        function(
            quote! { fn f<T>(&self, a: T) {} },
            "write concrete types: a function with generics has no Solidity signature",
        );
        function(
            quote! { fn f(&self, (a, b): (u8, u8)) {} },
            "write a name: it becomes part of the contract's interface",
        );
        function(quote! { fn f(&self, a: &str) {} }, "write `String`: values come in and go out whole");
        function(
            quote! { fn f(&self, a: &[u8]) {} },
            "write `Vec<T>` (or `Bytes` for bytes): values come in and go out whole",
        );
        function(quote! { fn f(&self, a: &U256) {} }, "write the type without `&`: values come in and go out whole");
        function(
            quote! { fn f(&self) -> f64 {} },
            "write an integer, such as `U256` in a small unit: contracts have no floating point numbers",
        );
        function(
            quote! { fn f(&self, a: usize) {} },
            "write `u32`, `u64` or `U256`: the size of `usize` depends on the machine",
        );
        function(
            quote! { fn f(&self) -> Option<u8> {} },
            "write a tuple such as `(bool, T)`: Solidity has no optional values",
        );
        function(quote! { fn f(&self, a: ()) {} }, "leave this out: an empty tuple has no Solidity type");
        let many = (0..13).map(|i| Ident::new(&format!("a{i}"), Span::call_site()));
        function(
            quote! { fn f(&self, #(#many: u8),*) {} },
            "write at most 12 arguments; several can share one as a tuple",
        );
    }

    #[test]
    fn every_error_is_shown_at_once() {
        let block = quote! { impl A { #[call] fn f() {} #[call] fn g(&self, a: &str) {} } };
        assert_eq!(expand(TokenStream::new(), block).unwrap_err().into_iter().count(), 2);
    }

    #[test]
    fn unmarked_functions_stay_internal() {
        let expanded = expand(TokenStream::new(), quote! { impl A { #[call] fn f(&self) {} fn hidden<T>(a: &T) {} } });
        let expanded = expanded.unwrap().to_string();
        assert!(expanded.contains("name : \"f\""));
        assert!(!expanded.contains("\"hidden\""));
        assert!(!expanded.contains("# [call]"));
    }
}
