//! What a contract tells the world about itself: Solidity types, signatures and the ABI as JSON.
//!
//! Everything here is computed by the compiler (`const fn`), so that a compiled contract carries the finished texts and
//! no code that builds them.

use crate::contract::Entry;
use core::fmt;

/// A Solidity type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A type with a name of its own: `bool`, `address`, `string`, `bytes`.
    Named(&'static str),
    /// `uint8` to `uint256`.
    Uint(usize),
    /// `int8` to `int256`.
    Int(usize),
    /// `bytes1` to `bytes32`.
    FixedBytes(usize),
    /// `T[]`.
    Array(&'static Type),
    /// `T[n]`.
    FixedArray(&'static Type, usize),
    /// `(T, U, …)`.
    Tuple(&'static [Type]),
    /// A struct: a tuple whose fields have names.
    Struct(&'static [Parameter]),
}

impl Type {
    /// Whether the encoding's length depends on the value.
    pub const fn is_dynamic(&self) -> bool {
        match self {
            Type::Named(name) => equal(name, "bytes") || equal(name, "string"),
            Type::Uint(_) | Type::Int(_) | Type::FixedBytes(_) => false,
            Type::Array(_) => true,
            Type::FixedArray(element, _) => element.is_dynamic(),
            Type::Tuple(fields) => {
                let mut i = 0;
                while i < fields.len() {
                    if fields[i].is_dynamic() {
                        return true;
                    }
                    i += 1;
                }
                false
            }
            Type::Struct(fields) => {
                let mut i = 0;
                while i < fields.len() {
                    if fields[i].ty.is_dynamic() {
                        return true;
                    }
                    i += 1;
                }
                false
            }
        }
    }

    /// Bytes in the part of a sequence that holds this value, or the offset of its encoding.
    pub const fn head_size(&self) -> usize {
        if self.is_dynamic() {
            return 32;
        }
        match self {
            Type::Named(_) | Type::Uint(_) | Type::Int(_) | Type::FixedBytes(_) | Type::Array(_) => 32,
            Type::FixedArray(element, length) => element.head_size() * *length,
            Type::Tuple(fields) => {
                let mut size = 0;
                let mut i = 0;
                while i < fields.len() {
                    size += fields[i].head_size();
                    i += 1;
                }
                size
            }
            Type::Struct(fields) => {
                let mut size = 0;
                let mut i = 0;
                while i < fields.len() {
                    size += fields[i].ty.head_size();
                    i += 1;
                }
                size
            }
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Named(name) => f.write_str(name),
            Type::Uint(bits) => write!(f, "uint{bits}"),
            Type::Int(bits) => write!(f, "int{bits}"),
            Type::FixedBytes(length) => write!(f, "bytes{length}"),
            Type::Array(element) => write!(f, "{element}[]"),
            Type::FixedArray(element, length) => write!(f, "{element}[{length}]"),
            Type::Tuple(fields) => display_tuple(f, fields.iter()),
            Type::Struct(fields) => display_tuple(f, fields.iter().map(|field| &field.ty)),
        }
    }
}

fn display_tuple<'a>(f: &mut fmt::Formatter<'_>, fields: impl Iterator<Item = &'a Type>) -> fmt::Result {
    f.write_str("(")?;
    for (i, field) in fields.enumerate() {
        if i > 0 {
            f.write_str(",")?;
        }
        write!(f, "{field}")?;
    }
    f.write_str(")")
}

/// An argument of a function, a parameter of an event or an error, a field of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the Rust source.
    pub name: &'static str,
    /// Its Solidity type.
    pub ty: Type,
}

/// What a function may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// Takes `&self`: only reads the state.
    View,
    /// Takes `&mut self`: may change the state, and takes no value.
    Nonpayable,
    /// May change the state and takes value.
    Payable,
}

/// A function of a contract.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// What runs it: a deployment, a task, a query, or a task and a query.
    pub entries: &'static [Entry],
    /// What it may do.
    pub mutability: Mutability,
    /// Its name and its arguments; the constructor's name is always `construct`.
    pub signature: Signature,
    /// The types of its results.
    pub outputs: &'static [Type],
    /// The errors with which it can fail.
    pub errors: &'static [Signature],
}

/// The name and the parameters of a function, an event or an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name.
    pub name: &'static str,
    /// The parameters.
    pub inputs: &'static [Parameter],
}

/// What a contract's JSON ABI tells.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// All functions.
    pub functions: &'static [Function],
    /// The events that it emits.
    pub events: &'static [Signature],
}

/// The length of [`signature`].
pub const fn signature_length(of: &Signature) -> usize {
    let mut text = Text::<0>::new();
    text.signature(of);
    text.length
}

/// The text of a signature, such as `add(uint256,uint256)`.
pub const fn signature<const N: usize>(of: &Signature) -> [u8; N] {
    let mut text = Text::<N>::new();
    text.signature(of);
    text.finish()
}

/// The first four bytes of the Keccak-256 hash of a signature's text: what an encoded custom error begins with.
pub const fn selector(signature: &[u8]) -> [u8; 4] {
    let hash = crate::keccak::keccak256(signature);
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The length of [`json`].
pub const fn json_length(interface: &Interface) -> usize {
    let mut text = Text::<0>::new();
    text.json(interface);
    text.length
}

/// The contract's interface as Solidity's JSON ABI.
pub const fn json<const N: usize>(interface: &Interface) -> [u8; N] {
    let mut text = Text::<N>::new();
    text.json(interface);
    text.finish()
}

/// The bytes of a text as an array.
pub const fn bytes<const N: usize>(source: &str) -> [u8; N] {
    let mut text = Text::<N>::new();
    text.text(source);
    text.finish()
}

/// The text in an array that holds UTF-8.
pub const fn as_str(bytes: &[u8]) -> &str {
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("a signature is UTF-8"),
    }
}

const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Writes a text at compile time; with `N` = 0 it only counts.
struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    const fn new() -> Self {
        Text { bytes: [0; N], length: 0 }
    }

    const fn finish(self) -> [u8; N] {
        assert!(self.length == N, "the array has the length of the text");
        self.bytes
    }

    const fn byte(&mut self, byte: u8) {
        if self.length < N {
            self.bytes[self.length] = byte;
        }
        self.length += 1;
    }

    const fn text(&mut self, text: &str) {
        let text = text.as_bytes();
        let mut i = 0;
        while i < text.len() {
            self.byte(text[i]);
            i += 1;
        }
    }

    const fn number(&mut self, number: usize) {
        if number >= 10 {
            self.number(number / 10);
        }
        self.byte(b'0' + (number % 10) as u8);
    }

    const fn comma(&mut self, i: usize) {
        if i > 0 {
            self.byte(b',');
        }
    }

    const fn signature(&mut self, of: &Signature) {
        self.text(of.name);
        self.signature_parameters(of.inputs);
    }

    const fn signature_parameters(&mut self, parameters: &[Parameter]) {
        self.byte(b'(');
        let mut i = 0;
        while i < parameters.len() {
            self.comma(i);
            self.signature_type(&parameters[i].ty);
            i += 1;
        }
        self.byte(b')');
    }

    const fn signature_type(&mut self, ty: &Type) {
        match ty {
            Type::Named(name) => self.text(name),
            Type::Uint(bits) => {
                self.text("uint");
                self.number(*bits);
            }
            Type::Int(bits) => {
                self.text("int");
                self.number(*bits);
            }
            Type::FixedBytes(length) => {
                self.text("bytes");
                self.number(*length);
            }
            Type::Array(element) => {
                self.signature_type(element);
                self.text("[]");
            }
            Type::FixedArray(element, length) => {
                self.signature_type(element);
                self.byte(b'[');
                self.number(*length);
                self.byte(b']');
            }
            Type::Tuple(fields) => {
                self.byte(b'(');
                let mut i = 0;
                while i < fields.len() {
                    self.comma(i);
                    self.signature_type(&fields[i]);
                    i += 1;
                }
                self.byte(b')');
            }
            Type::Struct(fields) => self.signature_parameters(fields),
        }
    }

    const fn json(&mut self, interface: &Interface) {
        let functions = interface.functions;
        self.byte(b'[');
        let mut i = 0;
        while i < functions.len() {
            self.comma(i);
            self.json_function(&functions[i]);
            i += 1;
        }
        let mut event = 0;
        while event < interface.events.len() {
            self.comma(i);
            self.json_event(&interface.events[event]);
            event += 1;
            i += 1;
        }
        let mut function = 0;
        while function < functions.len() {
            let mut error = 0;
            while error < functions[function].errors.len() {
                if !error_came_before(functions, function, error) {
                    self.comma(i);
                    self.json_error(&functions[function].errors[error]);
                    i += 1;
                }
                error += 1;
            }
            function += 1;
        }
        self.byte(b']');
    }

    const fn json_function(&mut self, function: &Function) {
        let is_constructor = matches!(function.entries, [Entry::Deploy]);
        if is_constructor {
            self.text("{\"type\":\"constructor\"");
        } else {
            self.text("{\"type\":\"function\",\"name\":\"");
            self.text(function.signature.name);
            self.byte(b'"');
        }
        self.text(",\"inputs\":");
        self.json_parameters(function.signature.inputs, "");
        if !is_constructor {
            self.text(",\"outputs\":");
            self.json_unnamed(function.outputs);
        }
        self.text(",\"stateMutability\":\"");
        self.text(match function.mutability {
            Mutability::View => "view",
            Mutability::Nonpayable => "nonpayable",
            Mutability::Payable => "payable",
        });
        self.text("\"}");
    }

    const fn json_event(&mut self, event: &Signature) {
        self.text("{\"type\":\"event\",\"name\":\"");
        self.text(event.name);
        self.text("\",\"inputs\":");
        self.json_parameters(event.inputs, ",\"indexed\":false");
        self.text(",\"anonymous\":false}");
    }

    const fn json_error(&mut self, error: &Signature) {
        self.text("{\"type\":\"error\",\"name\":\"");
        self.text(error.name);
        self.text("\",\"inputs\":");
        self.json_parameters(error.inputs, "");
        self.byte(b'}');
    }

    const fn json_parameters(&mut self, parameters: &[Parameter], more: &str) {
        self.byte(b'[');
        let mut i = 0;
        while i < parameters.len() {
            self.comma(i);
            self.json_parameter(parameters[i].name, &parameters[i].ty, more);
            i += 1;
        }
        self.byte(b']');
    }

    const fn json_unnamed(&mut self, types: &[Type]) {
        self.byte(b'[');
        let mut i = 0;
        while i < types.len() {
            self.comma(i);
            self.json_parameter("", &types[i], "");
            i += 1;
        }
        self.byte(b']');
    }

    const fn json_parameter(&mut self, name: &str, ty: &Type, more: &str) {
        self.text("{\"name\":\"");
        self.text(name);
        self.text("\",\"type\":\"");
        self.json_type(ty);
        self.byte(b'"');
        match innermost(ty) {
            Type::Tuple(fields) => {
                self.text(",\"components\":");
                self.json_unnamed(fields);
            }
            Type::Struct(fields) => {
                self.text(",\"components\":");
                self.json_parameters(fields, "");
            }
            _ => {}
        }
        self.text(more);
        self.byte(b'}');
    }

    /// As in a signature, but `tuple` in the place of its fields.
    const fn json_type(&mut self, ty: &Type) {
        match ty {
            Type::Named(_) | Type::Uint(_) | Type::Int(_) | Type::FixedBytes(_) => self.signature_type(ty),
            Type::Array(element) => {
                self.json_type(element);
                self.text("[]");
            }
            Type::FixedArray(element, length) => {
                self.json_type(element);
                self.byte(b'[');
                self.number(*length);
                self.byte(b']');
            }
            Type::Tuple(_) | Type::Struct(_) => self.text("tuple"),
        }
    }
}

/// The type of which a type is an array, however deep; a type that is no array is its own.
const fn innermost(ty: &Type) -> &Type {
    match ty {
        Type::Array(element) | Type::FixedArray(element, _) => innermost(element),
        _ => ty,
    }
}

/// Whether a function before this one, or this one, lists the same error already.
const fn error_came_before(functions: &[Function], function: usize, error: usize) -> bool {
    let wanted = functions[function].errors[error].name;
    let mut f = 0;
    while f <= function {
        let end = if f == function { error } else { functions[f].errors.len() };
        let mut e = 0;
        while e < end {
            if equal(functions[f].errors[e].name, wanted) {
                return true;
            }
            e += 1;
        }
        f += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::{Address, U256};
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    const POINT: Type = Type::Struct(&[Parameter { name: "x", ty: i32::TYPE }, Parameter { name: "y", ty: i32::TYPE }]);

    const INTERFACE: Interface = Interface {
        functions: &[
            Function {
                entries: &[Entry::Call],
                mutability: Mutability::View,
                signature: Signature {
                    name: "f",
                    inputs: &[
                        Parameter { name: "a", ty: <(U256, String) as Abi>::TYPE },
                        Parameter { name: "b", ty: <Vec<[(Address, bool); 12]> as Abi>::TYPE },
                    ],
                },
                outputs: &[<Vec<u8> as Abi>::TYPE],
                errors: &[TOO_LITTLE],
            },
            Function {
                entries: &[Entry::Call],
                mutability: Mutability::Payable,
                signature: Signature { name: "g", inputs: &[Parameter { name: "p", ty: Type::Array(&POINT) }] },
                outputs: &[],
                errors: &[TOO_LITTLE],
            },
        ],
        events: &[Signature { name: "Moved", inputs: &[Parameter { name: "to", ty: POINT }] }],
    };

    const TOO_LITTLE: Signature =
        Signature { name: "TooLittle", inputs: &[Parameter { name: "wanted", ty: U256::TYPE }] };

    #[test]
    fn signatures() {
        const SIGNATURE: Signature = INTERFACE.functions[0].signature;
        const TEXT: [u8; signature_length(&SIGNATURE)] = signature(&SIGNATURE);
        assert_eq!(as_str(&TEXT), "f((uint256,string),(address,bool)[12][])");
        assert_eq!(SIGNATURE.inputs[1].ty.to_string(), "(address,bool)[12][]");
        assert_eq!(POINT.to_string(), "(int32,int32)");
        // As in the specification of the ABI.
        assert_eq!(selector(b"baz(uint32,bool)"), [0xcd, 0xcd, 0x77, 0xc0]);
    }

    #[test]
    fn json_abi() {
        const JSON: [u8; json_length(&INTERFACE)] = json(&INTERFACE);
        assert_eq!(
            as_str(&JSON),
            concat!(
                r#"[{"type":"function","name":"f","inputs":["#,
                r#"{"name":"a","type":"tuple","components":[{"name":"","type":"uint256"},{"name":"","type":"string"}]},"#,
                r#"{"name":"b","type":"tuple[12][]","components":[{"name":"","type":"address"},{"name":"","type":"bool"}]}],"#,
                r#""outputs":[{"name":"","type":"uint8[]"}],"stateMutability":"view"},"#,
                r#"{"type":"function","name":"g","inputs":[{"name":"p","type":"tuple[]","components":["#,
                r#"{"name":"x","type":"int32"},{"name":"y","type":"int32"}]}],"outputs":[],"stateMutability":"payable"},"#,
                r#"{"type":"event","name":"Moved","inputs":[{"name":"to","type":"tuple","components":["#,
                r#"{"name":"x","type":"int32"},{"name":"y","type":"int32"}],"indexed":false}],"anonymous":false},"#,
                r#"{"type":"error","name":"TooLittle","inputs":[{"name":"wanted","type":"uint256"}]}]"#,
            ),
        );
    }
}
