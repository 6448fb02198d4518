//! `enigma_sdk::ethereum_contract!`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, LitStr, Result, Token, Visibility};

/// The SDK has tuples up to this length.
const MAX_TUPLE: usize = 12;

struct Input {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    name: Ident,
    source: LitStr,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let name = input.parse()?;
        input.parse::<Token![,]>()?;
        let source = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        if !input.is_empty() {
            return Err(input.error("nothing may follow"));
        }
        Ok(Input { attributes, visibility, name, source })
    }
}

pub fn expand(input: TokenStream) -> Result<TokenStream> {
    let input: Input = syn::parse2(input).map_err(|error| {
        let message = "write `ethereum_contract!(Name, \"abi/Name.json\")`: a name for the struct, and the file with the \
            JSON ABI, from the package's Cargo.toml";
        Error::new(error.span(), message)
    })?;
    let (json, tracked) = source(&input.source)?;
    let functions = functions(&json).map_err(|text| Error::new(input.source.span(), text))?;
    let Input { attributes, visibility, name, .. } = &input;
    let names = rust_names(&functions);
    let calls = functions.iter().zip(&names).map(|(function, name)| function.expand(name));
    let text =
        format!("The contract `{name}` on Ethereum: its functions that change something, as its ABI lists them.");
    Ok(quote! {
        #[doc = #text]
        #(#attributes)*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #visibility struct #name {
            address: ::enigma_sdk::Address,
        }

        #[allow(dead_code, clippy::too_many_arguments, clippy::type_complexity, clippy::wrong_self_convention)]
        impl #name {
            /// The contract at this address.
            pub fn at(address: ::enigma_sdk::Address) -> Self {
                Self { address }
            }

            #(#calls)*
        }

        #tracked
    })
}

/// The JSON, and what makes the compiler look again when its file changes.
fn source(source: &LitStr) -> Result<(String, TokenStream)> {
    let text = source.value();
    if text.trim_start().starts_with(['[', '{']) {
        return Ok((text, TokenStream::new()));
    }
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let path = Path::new(&package).join(&text);
    let json = std::fs::read_to_string(&path).map_err(|error| {
        let message = format!(
            "cannot read `{text}`: {error}\n  write the path of the contract's JSON ABI, from the package's Cargo.toml; \
                the compiler of the Ethereum contract makes it, such as `solc --abi` or `forge inspect Name abi --json`"
        );
        Error::new(source.span(), message)
    })?;
    let path = path.display().to_string();
    Ok((json, quote! { const _: &[u8] = ::core::include_bytes!(#path); }))
}

struct Function {
    name: String,
    inputs: Vec<Parameter>,
}

struct Parameter {
    name: String,
    ty: Type,
}

/// A type in Solidity and in Rust.
struct Type {
    /// As in a signature.
    solidity: String,
    rust: TokenStream,
    /// As part of a Rust name.
    word: String,
}

/// The functions that a transaction would call, in the order of the ABI.
fn functions(json: &str) -> core::result::Result<Vec<Function>, String> {
    let json: Value = serde_json::from_str(json)
        .map_err(|error| format!("this is not JSON: {error}\n  write the contract's JSON ABI"))?;
    // What compilers write has the ABI beside the code.
    let entries = json.as_array().or_else(|| json["abi"].as_array()).ok_or(
        "this is JSON, but no ABI\n  write a list of functions, or what the compiler wrote with such a list under `abi`",
    )?;
    let is_function = |entry: &&Value| entry["type"].as_str().unwrap_or("function") == "function";
    // Reading is of no use: a call has no result here.
    let only_reads = |entry: &Value| {
        matches!(entry["stateMutability"].as_str(), Some("view" | "pure")) || entry["constant"].as_bool() == Some(true)
    };
    let functions = entries
        .iter()
        .filter(is_function)
        .filter(|entry| !only_reads(entry))
        .map(function)
        .collect::<core::result::Result<Vec<_>, _>>()?;
    if functions.is_empty() {
        return Err(
            "this ABI has no function that changes something\n  write the ABI of the contract that is to be called"
                .into(),
        );
    }
    Ok(functions)
}

fn function(entry: &Value) -> core::result::Result<Function, String> {
    let name = entry["name"].as_str().ok_or("a function of this ABI has no name")?;
    let snake = snake_case(name);
    if ident(&snake).is_none() && !is_self(&snake) {
        return Err(format!("`{name}` cannot be a function's name in Rust\n  leave this function out of the ABI"));
    }
    let inputs = entry["inputs"].as_array().map_or(&[][..], Vec::as_slice);
    let inputs = inputs
        .iter()
        .map(|input| {
            let ty = parse_type(input).map_err(|error| format!("{name}: {error}"))?;
            Ok(Parameter { name: input["name"].as_str().unwrap_or_default().to_owned(), ty })
        })
        .collect::<core::result::Result<_, String>>()?;
    Ok(Function { name: name.to_owned(), inputs })
}

fn parse_type(parameter: &Value) -> core::result::Result<Type, String> {
    let text = parameter["type"].as_str().ok_or("a parameter of this ABI has no type")?;
    let (base, dimensions) = text.split_at(text.find('[').unwrap_or(text.len()));
    let mut ty = if base == "tuple" { tuple(parameter)? } else { simple(base)? };
    for dimension in dimensions.split_terminator(']') {
        let length = dimension.strip_prefix('[').ok_or_else(|| unknown(text))?;
        let Type { solidity, rust, word } = ty;
        ty = if length.is_empty() {
            Type {
                solidity: format!("{solidity}[]"),
                rust: quote! { ::enigma_sdk::macro_support::Vec<#rust> },
                word: format!("{word}_array"),
            }
        } else {
            let number: usize = length.parse().map_err(|_| unknown(text))?;
            Type {
                solidity: format!("{solidity}[{number}]"),
                rust: quote! { [#rust; #number] },
                word: format!("{word}_array{number}"),
            }
        };
    }
    Ok(ty)
}

fn tuple(parameter: &Value) -> core::result::Result<Type, String> {
    let components = parameter["components"].as_array().ok_or("a tuple of this ABI has no `components`")?;
    if components.is_empty() || components.len() > MAX_TUPLE {
        return Err(format!(
            "a tuple of this ABI has {} components, and 1 to {MAX_TUPLE} are possible\n  leave this function out of the ABI and \
                write `EthereumCall {{ target, data }}` with the data that it needs",
            components.len()
        ));
    }
    let fields = components.iter().map(parse_type).collect::<core::result::Result<Vec<_>, _>>()?;
    let types = fields.iter().map(|field| &field.rust);
    let signatures = fields.iter().map(|field| field.solidity.as_str()).collect::<Vec<_>>();
    Ok(Type {
        solidity: format!("({})", signatures.join(",")),
        rust: quote! { (#(#types,)*) },
        word: "tuple".to_owned(),
    })
}

fn simple(name: &str) -> core::result::Result<Type, String> {
    let width = |prefix: &str| -> Option<usize> { name.strip_prefix(prefix)?.parse().ok() };
    let is_width = |bits: &usize| (8..=256).contains(bits) && bits % 8 == 0;
    let rust = match name {
        "bool" => quote! { bool },
        "address" => quote! { ::enigma_sdk::Address },
        "string" => quote! { ::enigma_sdk::macro_support::String },
        "bytes" => quote! { ::enigma_sdk::Bytes },
        "uint" | "uint256" => quote! { ::enigma_sdk::U256 },
        "int" | "int256" => quote! { ::enigma_sdk::I256 },
        "function" => quote! { ::enigma_sdk::FixedBytes<24> },
        _ => match (width("bytes"), width("uint").filter(is_width), width("int").filter(is_width)) {
            (Some(length), ..) if (1..=32).contains(&length) => quote! { ::enigma_sdk::FixedBytes<#length> },
            (_, Some(bits @ (8 | 16 | 32 | 64 | 128)), _) => word_type("u", bits),
            (_, Some(bits), _) => quote! { ::enigma_sdk::Uint<#bits> },
            (_, _, Some(bits @ (8 | 16 | 32 | 64 | 128))) => word_type("i", bits),
            (_, _, Some(bits)) => quote! { ::enigma_sdk::Int<#bits> },
            _ => return Err(unknown(name)),
        },
    };
    let solidity = match name {
        "uint" => "uint256",
        "int" => "int256",
        name => name,
    };
    Ok(Type { solidity: solidity.to_owned(), rust, word: solidity.to_owned() })
}

fn word_type(prefix: &str, bits: usize) -> TokenStream {
    let name = Ident::new(&format!("{prefix}{bits}"), Span::mixed_site());
    quote! { #name }
}

fn unknown(name: &str) -> String {
    format!(
        "`{name}` is no type of Solidity's ABI\n  write the JSON ABI as the compiler of the Ethereum contract makes it"
    )
}

impl Function {
    fn signature(&self) -> String {
        let types = self.inputs.iter().map(|input| input.ty.solidity.as_str()).collect::<Vec<_>>();
        format!("{}({})", self.name, types.join(","))
    }

    fn expand(&self, name: &Ident) -> TokenStream {
        let signature = self.signature();
        let text = format!("Calls `{signature}`.");
        let types = self.inputs.iter().map(|input| &input.ty.rust);
        let idents = self.parameter_names();
        quote! {
            #[doc = #text]
            pub fn #name(&self, #(#idents: #types),*) -> ::enigma_sdk::macro_support::EthereumCall {
                const SELECTOR: [u8; 4] = ::enigma_sdk::describe::selector(#signature.as_bytes());
                let mut data = ::enigma_sdk::abi::Encoder::new();
                data.push(&SELECTOR);
                ::enigma_sdk::macro_support::Sequence::encode(
                    &mut data,
                    |sequence, out| { #(sequence.head(&#idents, out);)* },
                    |sequence, out| { #(sequence.tail(&#idents, out);)* },
                );
                ::enigma_sdk::macro_support::EthereumCall { target: self.address, data: data.finish() }
            }
        }
    }

    fn parameter_names(&self) -> Vec<Ident> {
        let mut taken: BTreeSet<String> = ["sequence", "out", "arguments", "data"].map(String::from).into();
        self.inputs
            .iter()
            .enumerate()
            .map(|(i, input)| {
                let mut name = snake_case(&input.name);
                if ident(&name).is_none() || taken.contains(&name) {
                    name = format!("argument_{}", i + 1);
                }
                taken.insert(name.clone());
                ident(&name).unwrap_or_else(|| Ident::new("argument", Span::call_site()))
            })
            .collect()
    }
}

/// A name for each function. Where several share one, the types of the arguments tell them apart.
fn rust_names(functions: &[Function]) -> Vec<Ident> {
    let mut count = BTreeMap::new();
    for function in functions {
        *count.entry(snake_case(&function.name)).or_insert(0usize) += 1;
    }
    let mut taken: BTreeSet<String> = ["at".to_owned()].into();
    functions
        .iter()
        .map(|function| {
            let mut name = snake_case(&function.name);
            if count.get(&name).is_some_and(|count| *count > 1) {
                name = function.inputs.iter().fold(name, |name, input| format!("{name}_{}", input.ty.word));
            }
            while ident(&name).is_none() || taken.contains(&name) {
                name.push('_');
            }
            taken.insert(name.clone());
            ident(&name).unwrap_or_else(|| Ident::new("function", Span::call_site()))
        })
        .collect()
}

/// A name that Rust can have, raw if it is a keyword.
fn ident(name: &str) -> Option<Ident> {
    if let Ok(ident) = syn::parse_str::<Ident>(name) {
        return Some(Ident::new(&ident.to_string(), Span::call_site()));
    }
    if is_self(name) || syn::parse_str::<Ident>(&format!("r#{name}")).is_err() {
        return None;
    }
    Some(Ident::new_raw(name, Span::call_site()))
}

/// The keywords that cannot be raw names.
fn is_self(name: &str) -> bool {
    matches!(name, "self" | "Self" | "super" | "crate" | "_")
}

/// `recordTally` as `record_tally`, `setURI` as `set_uri`.
fn snake_case(name: &str) -> String {
    let letters = name.chars().collect::<Vec<_>>();
    let mut snake = String::new();
    for (i, letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(i + 1);
        let starts_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                *before != '_'
                    && (!before.is_ascii_uppercase() || after.is_some_and(|after| after.is_ascii_lowercase()))
            });
        if starts_word {
            snake.push('_');
        }
        // `$` may stand in Solidity's names, and not in Rust's.
        snake.push(if *letter == '$' { '_' } else { letter.to_ascii_lowercase() });
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_rust() {
        for (solidity, rust) in [
            ("recordTally", "record_tally"),
            ("setURI", "set_uri"),
            ("URIOf", "uri_of"),
            ("already_snake", "already_snake"),
            ("transfer", "transfer"),
            ("mint2", "mint2"),
            ("_hidden", "_hidden"),
        ] {
            assert_eq!(snake_case(solidity), rust);
        }
    }

    #[test]
    fn functions_that_share_a_name() {
        let entry = |name: &str, types: &[&str]| {
            let inputs = types.iter().map(|ty| format!(r#"{{"name":"","type":"{ty}"}}"#)).collect::<Vec<_>>();
            format!(r#"{{"type":"function","name":"{name}","inputs":[{}]}}"#, inputs.join(","))
        };
        let abi = [
            entry("mint", &[]),
            entry("mint", &["address", "uint"]),
            entry("mint", &["uint8[2][]"]),
            entry("at", &[]),
            entry("type", &["bool"]),
            entry("self", &[]),
        ];
        let functions = functions(&format!("[{}]", abi.join(","))).unwrap();
        let names = rust_names(&functions).iter().map(Ident::to_string).collect::<Vec<_>>();
        assert_eq!(names, ["mint", "mint_address_uint256", "mint_uint8_array2_array", "at_", "r#type", "self_"]);
        assert_eq!(functions[1].signature(), "mint(address,uint256)");
        assert_eq!(functions[2].signature(), "mint(uint8[2][])");
    }

    #[test]
    fn errors_say_what_to_write() {
        #[track_caller]
        fn check(input: TokenStream, expected: &str) {
            let error = expand(input).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        check(quote! { "abi.json" }, "write `ethereum_contract!(Name, \"abi/Name.json\")`");
        check(quote! { Voting, "no/such/file.json" }, "cannot read `no/such/file.json`: ");
        check(quote! { Voting, "[1" }, "this is not JSON: ");
        check(quote! { Voting, "{}" }, "this is JSON, but no ABI\n  write ");
        check(quote! { Voting, "[]" }, "this ABI has no function that changes something");
        let with = |ty: &str| {
            let json = format!(r#"[{{"name":"f","inputs":[{{"name":"a","type":"{ty}"}}]}}]"#);
            quote! { Voting, #json }
        };
        check(with("uint9"), "f: `uint9` is no type of Solidity's ABI");
        check(with("fixed128x18"), "f: `fixed128x18` is no type of Solidity's ABI");
        check(with("tuple"), "f: a tuple of this ABI has no `components`");
    }
}
