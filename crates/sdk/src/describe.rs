//! What a contract tells the world about its functions: Solidity types, signatures and the ABI as JSON.
//!
//! Everything here is computed by the compiler (`const fn`), so that a compiled contract carries the finished texts and
//! no code that builds them.

use core::fmt;

/// A Solidity type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A type with a name of its own: `uint256`, `bool`, `address`, `string`, …
    Named(&'static str),
    /// `bytes1` to `bytes32`.
    FixedBytes(usize),
    /// `T[]`.
    Array(&'static Type),
    /// `T[n]`.
    FixedArray(&'static Type, usize),
    /// `(T, U, …)`.
    Tuple(&'static [Type]),
}

impl Type {
    /// Whether the encoding's length depends on the value.
    pub const fn is_dynamic(&self) -> bool {
        match self {
            Type::Named(name) => equal(name, "bytes") || equal(name, "string"),
            Type::FixedBytes(_) => false,
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
        }
    }

    /// Bytes in the part of a sequence that holds this value, or the offset of its encoding.
    pub const fn head_size(&self) -> usize {
        if self.is_dynamic() {
            return 32;
        }
        match self {
            Type::Named(_) | Type::FixedBytes(_) | Type::Array(_) => 32,
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
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Named(name) => f.write_str(name),
            Type::FixedBytes(length) => write!(f, "bytes{length}"),
            Type::Array(element) => write!(f, "{element}[]"),
            Type::FixedArray(element, length) => write!(f, "{element}[{length}]"),
            Type::Tuple(fields) => {
                f.write_str("(")?;
                for (i, field) in fields.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{field}")?;
                }
                f.write_str(")")
            }
        }
    }
}

/// A function's argument or result.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name in the Rust source.
    pub name: &'static str,
    /// Its Solidity type.
    pub ty: Type,
}

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Runs once, when the contract is deployed.
    Constructor,
    /// Takes `&mut self`: may change the state.
    Call,
    /// Takes `&self`: only reads the state.
    View,
}

/// A function of a contract.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// What it is for.
    pub kind: Kind,
    /// Its name; the constructor's is always `construct`.
    pub name: &'static str,
    /// Its arguments.
    pub inputs: &'static [Parameter],
    /// The types of its results.
    pub outputs: &'static [Type],
}

/// The length of [`signature`].
pub const fn signature_length(function: &Function) -> usize {
    let mut text = Text::<0>::new();
    text.signature(function);
    text.length
}

/// The Solidity signature of a function, such as `add(uint256,uint256)`.
pub const fn signature<const N: usize>(function: &Function) -> [u8; N] {
    let mut text = Text::<N>::new();
    text.signature(function);
    text.finish()
}

/// The length of [`json`].
pub const fn json_length(functions: &[Function]) -> usize {
    let mut text = Text::<0>::new();
    text.json(functions);
    text.length
}

/// The contract's interface as Solidity's JSON ABI.
pub const fn json<const N: usize>(functions: &[Function]) -> [u8; N] {
    let mut text = Text::<N>::new();
    text.json(functions);
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

    const fn signature(&mut self, function: &Function) {
        self.text(function.name);
        self.byte(b'(');
        let mut i = 0;
        while i < function.inputs.len() {
            self.comma(i);
            self.signature_type(&function.inputs[i].ty);
            i += 1;
        }
        self.byte(b')');
    }

    const fn signature_type(&mut self, ty: &Type) {
        match ty {
            Type::Named(name) => self.text(name),
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
        }
    }

    const fn json(&mut self, functions: &[Function]) {
        self.byte(b'[');
        let mut i = 0;
        while i < functions.len() {
            self.comma(i);
            self.json_function(&functions[i]);
            i += 1;
        }
        self.byte(b']');
    }

    const fn json_function(&mut self, function: &Function) {
        match function.kind {
            Kind::Constructor => self.text("{\"type\":\"constructor\""),
            Kind::Call | Kind::View => {
                self.text("{\"type\":\"function\",\"name\":\"");
                self.text(function.name);
                self.byte(b'"');
            }
        }
        self.text(",\"inputs\":[");
        let mut i = 0;
        while i < function.inputs.len() {
            self.comma(i);
            self.json_parameter(function.inputs[i].name, &function.inputs[i].ty);
            i += 1;
        }
        self.byte(b']');
        if !matches!(function.kind, Kind::Constructor) {
            self.text(",\"outputs\":");
            self.json_unnamed(function.outputs);
        }
        self.text(",\"stateMutability\":\"");
        self.text(match function.kind {
            Kind::Constructor | Kind::Call => "nonpayable",
            Kind::View => "view",
        });
        self.text("\"}");
    }

    const fn json_unnamed(&mut self, types: &[Type]) {
        self.byte(b'[');
        let mut i = 0;
        while i < types.len() {
            self.comma(i);
            self.json_parameter("", &types[i]);
            i += 1;
        }
        self.byte(b']');
    }

    const fn json_parameter(&mut self, name: &str, ty: &Type) {
        self.text("{\"name\":\"");
        self.text(name);
        self.text("\",\"type\":\"");
        self.json_type(ty);
        self.byte(b'"');
        if let Some(fields) = tuple_fields(ty) {
            self.text(",\"components\":");
            self.json_unnamed(fields);
        }
        self.byte(b'}');
    }

    /// As in a signature, but `tuple` in the place of its fields.
    const fn json_type(&mut self, ty: &Type) {
        match ty {
            Type::Named(_) | Type::FixedBytes(_) => self.signature_type(ty),
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
            Type::Tuple(_) => self.text("tuple"),
        }
    }
}

/// The fields of the tuple that a type is, or is an array of.
const fn tuple_fields(ty: &Type) -> Option<&'static [Type]> {
    match ty {
        Type::Named(_) | Type::FixedBytes(_) => None,
        Type::Array(element) | Type::FixedArray(element, _) => tuple_fields(element),
        Type::Tuple(fields) => Some(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::{Address, U256};
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    const FUNCTION: Function = Function {
        kind: Kind::View,
        name: "f",
        inputs: &[
            Parameter { name: "a", ty: <(U256, String) as Abi>::TYPE },
            Parameter { name: "b", ty: <Vec<[(Address, bool); 12]> as Abi>::TYPE },
        ],
        outputs: &[<Vec<u8> as Abi>::TYPE],
    };

    #[test]
    fn signatures() {
        const SIGNATURE: [u8; signature_length(&FUNCTION)] = signature(&FUNCTION);
        assert_eq!(as_str(&SIGNATURE), "f((uint256,string),(address,bool)[12][])");
        assert_eq!(FUNCTION.inputs[1].ty.to_string(), "(address,bool)[12][]");
    }

    #[test]
    fn json_abi() {
        const JSON: [u8; json_length(&[FUNCTION])] = json(&[FUNCTION]);
        assert_eq!(
            as_str(&JSON),
            concat!(
                r#"[{"type":"function","name":"f","inputs":["#,
                r#"{"name":"a","type":"tuple","components":[{"name":"","type":"uint256"},{"name":"","type":"string"}]},"#,
                r#"{"name":"b","type":"tuple[12][]","components":[{"name":"","type":"address"},{"name":"","type":"bool"}]}],"#,
                r#""outputs":[{"name":"","type":"uint8[]"}],"stateMutability":"view"}]"#,
            ),
        );
    }
}
