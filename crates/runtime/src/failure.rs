//! How a call can fail, in words that its caller reads.

use alloc::{string::String, vec::Vec};
use thiserror::Error;
use wasmi::TrapCode;

/// Why a call failed. The text is part of the encrypted result; it holds nothing of the state that the contract did not put there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// The contract ended the call itself.
    #[error("{text}")]
    Contract {
        /// What it says.
        text: String,
        /// A Solidity custom error, or empty.
        data: Vec<u8>,
    },
    /// Something that this call, or a second time any call, may not do.
    #[error("{0}")]
    Refused(&'static str),
    /// The gas limit was reached.
    #[error("out of gas: the limit was {limit}")]
    OutOfGas {
        /// The gas limit of the call.
        limit: u64,
    },
    /// Too many nested function calls.
    #[error("the call stack is exhausted: recursion is too deep")]
    StackExhausted,
    /// An `unreachable` instruction: a panic whose text was not reported.
    #[error("the contract panicked without a message")]
    Panicked,
    /// A load or store outside the memory.
    #[error("the contract accessed memory out of bounds")]
    MemoryOutOfBounds,
    /// Division or remainder by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// The smallest integer divided by minus one.
    #[error("integer overflow in a division")]
    IntegerOverflow,
    /// An indirect call of nothing, or of a function of another type.
    #[error("the contract called a function pointer that does not exist or has another type")]
    BadIndirectCall,
    /// A pointer and length given to an import reach outside the memory.
    #[error("the contract gave `{import}` {length} bytes at {pointer}, which is outside its memory")]
    BadPointer {
        /// Name of the import.
        import: &'static str,
        /// Address in the contract's memory.
        pointer: u32,
        /// Bytes from there.
        length: u32,
    },
    /// Something exceeds its bound.
    #[error("{what} too large: the limit is {limit}")]
    TooLarge {
        /// What exceeds it.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// The code cannot be set up: a data or element segment lies outside the memory or table.
    #[error("the contract's data does not fit its memory or table")]
    BadSegment,
    /// The machine could not provide what the limits allow. This says nothing about the call: sign no result, try again.
    #[error("the machine ran out of resources")]
    HostExhausted,
}

impl Failure {
    /// Whether every machine comes to this failure. If not, there is no result to sign.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Failure::HostExhausted)
    }

    /// The failure that a trap of the engine stands for, once metering (which traps on purpose) is ruled out.
    pub(crate) fn of_trap(trap: TrapCode) -> Failure {
        match trap {
            TrapCode::UnreachableCodeReached => Failure::Panicked,
            TrapCode::MemoryOutOfBounds => Failure::MemoryOutOfBounds,
            TrapCode::IntegerDivisionByZero => Failure::DivisionByZero,
            TrapCode::IntegerOverflow | TrapCode::BadConversionToInteger => Failure::IntegerOverflow,
            TrapCode::TableOutOfBounds | TrapCode::IndirectCallToNull | TrapCode::BadSignature => {
                Failure::BadIndirectCall
            }
            // The stack in metered code ends long before the engine's, fuel is off, and nothing limits growth.
            TrapCode::StackOverflow
            | TrapCode::OutOfFuel
            | TrapCode::GrowthOperationLimited
            | TrapCode::OutOfSystemMemory => Failure::HostExhausted,
        }
    }
}

impl wasmi::errors::HostError for Failure {}
