//! Solidity ABI of calls and results, from a signature and texts.

use alloy::{
    dyn_abi::{DynSolType, DynSolValue, JsonAbiExt, Specifier},
    json_abi::Function,
};

/// A function and its encoded arguments, ready to be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Canonical Solidity signature, such as `add(uint256,uint256)`.
    pub function: String,
    /// ABI encoded arguments, without a selector.
    pub args: Vec<u8>,
}

/// A signature or a value that is not Solidity.
#[derive(Debug, thiserror::Error)]
pub enum AbiError {
    /// The signature does not parse.
    #[error("`{signature}` is not a function signature such as `add(uint256,uint256)`: {reason}")]
    Signature {
        /// What was given.
        signature: String,
        /// What the parser says.
        reason: String,
    },
    /// The types of a result do not parse.
    #[error("`{types}` are not Solidity types such as `uint256` or `address,string`: {reason}")]
    Types {
        /// What was given.
        types: String,
        /// What the parser says.
        reason: String,
    },
    /// Another number of arguments than the signature has.
    #[error("`{function}` takes {expected} argument(s), {given} given")]
    Count {
        /// The function.
        function: String,
        /// What it takes.
        expected: usize,
        /// What was given.
        given: usize,
    },
    /// An argument that is not of its type.
    #[error("argument {position} is not a {kind}: {reason}")]
    Argument {
        /// From 1.
        position: usize,
        /// The Solidity type.
        kind: String,
        /// What the parser says.
        reason: String,
    },
    /// The bytes are not of the given types.
    #[error("the result is not ABI encoded `{0}`")]
    Result(String),
}

/// Encodes a call from texts: numbers in decimal or `0x`, addresses, `true`, `"text"`, `[1,2]`.
///
/// ```
/// let call = enigma_client::abi::call("add(uint256,uint256)", &["2".into(), "3".into()])?;
/// assert_eq!((call.function.as_str(), call.args.len(), call.args[31], call.args[63]), ("add(uint256,uint256)", 64, 2, 3));
/// # Ok::<(), enigma_client::abi::AbiError>(())
/// ```
///
/// # Errors
/// [`AbiError`] naming the argument that does not fit.
pub fn call(signature: &str, args: &[String]) -> Result<Call, AbiError> {
    let function = Function::parse(signature)
        .map_err(|error| AbiError::Signature { signature: signature.into(), reason: error.to_string() })?;
    if function.inputs.len() != args.len() {
        return Err(AbiError::Count {
            function: function.signature(),
            expected: function.inputs.len(),
            given: args.len(),
        });
    }
    let mut values = Vec::with_capacity(args.len());
    for (index, (parameter, text)) in function.inputs.iter().zip(args).enumerate() {
        let position = index + 1;
        let bad = |reason: String| AbiError::Argument { position, kind: parameter.ty.clone(), reason };
        let kind = parameter.resolve().map_err(|error| bad(error.to_string()))?;
        values.push(kind.coerce_str(text).map_err(|error| bad(error.to_string()))?);
    }
    let args = function
        .abi_encode_input_raw(&values)
        .map_err(|error| AbiError::Signature { signature: signature.into(), reason: error.to_string() })?;
    Ok(Call { function: function.signature(), args })
}

/// Decodes a result of the given Solidity types, such as `address` or `uint256,string`, into texts.
///
/// ```
/// let mut bytes = [0; 32];
/// bytes[31] = 5;
/// assert_eq!(enigma_client::abi::decode("uint256", &bytes)?, ["5"]);
/// # Ok::<(), enigma_client::abi::AbiError>(())
/// ```
///
/// # Errors
/// [`AbiError`] when types or bytes do not fit.
pub fn decode(types: &str, bytes: &[u8]) -> Result<Vec<String>, AbiError> {
    let value = parse_types(types)?.abi_decode_params(bytes).map_err(|_| AbiError::Result(types.into()))?;
    match value {
        DynSolValue::Tuple(values) => Ok(values.iter().map(text).collect()),
        single => Ok(vec![text(&single)]),
    }
}

/// Checks types before a task is made whose result [`decode`] could not take apart.
///
/// # Errors
/// [`AbiError::Types`].
pub fn check_types(types: &str) -> Result<(), AbiError> {
    parse_types(types).map(drop)
}

fn parse_types(types: &str) -> Result<DynSolType, AbiError> {
    DynSolType::parse(&format!("({types})"))
        .map_err(|error| AbiError::Types { types: types.into(), reason: error.to_string() })
}

fn text(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Bool(value) => value.to_string(),
        DynSolValue::Int(value, _) => value.to_string(),
        DynSolValue::Uint(value, _) => value.to_string(),
        DynSolValue::FixedBytes(word, size) => format!("0x{}", hex::encode(word.get(..*size).unwrap_or_default())),
        DynSolValue::Address(address) => address.to_string(),
        DynSolValue::Function(function) => function.to_string(),
        DynSolValue::Bytes(bytes) => format!("0x{}", hex::encode(bytes)),
        DynSolValue::String(text) => text.clone(),
        DynSolValue::Array(items) | DynSolValue::FixedArray(items) => {
            format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(","))
        }
        DynSolValue::Tuple(items) => format!("({})", items.iter().map(text).collect::<Vec<_>>().join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named() {
        let errors = [
            (call("add", &[]).unwrap_err().to_string(), "not a function signature"),
            (call("add(uint256)", &[]).unwrap_err().to_string(), "takes 1 argument(s), 0 given"),
            (call("add(uint256)", &["x".into()]).unwrap_err().to_string(), "argument 1 is not a uint256"),
            (decode("uint256", &[1]).unwrap_err().to_string(), "not ABI encoded `uint256`"),
            (check_types("nonsense").unwrap_err().to_string(), "`nonsense` are not Solidity types"),
        ];
        for (error, expected) in errors {
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn dynamic_values_round_trip() {
        let call = call("f(string,uint64[])", &["hello".into(), "[1,2]".into()]).unwrap();
        assert_eq!(decode("string,uint64[]", &call.args).unwrap(), ["hello", "[1,2]"]);
    }
}
