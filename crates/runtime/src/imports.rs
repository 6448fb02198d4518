//! The functions that a contract may import, as `spec/runtime.md` lists them.

/// The only module that imports may name.
pub const MODULE: &str = "enigma";

/// What an import returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// Nothing.
    Nothing,
    /// An `i32`.
    I32,
    /// An `i64`.
    I64,
}

macro_rules! imports {
    ($($import:ident $name:literal $parameters:literal $returns:ident)*) => {
        /// A function that contracts may import. All its parameters are `i32`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Import {
            $(#[doc = concat!("`", $name, "`")] $import,)*
        }

        impl Import {
            /// All of them.
            pub const ALL: &[Import] = &[$(Import::$import,)*];

            /// The name in [`MODULE`].
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Import::$import => $name,)* }
            }

            /// Number of parameters.
            #[must_use]
            pub const fn parameters(self) -> usize {
                match self { $(Import::$import => $parameters,)* }
            }

            /// The result.
            #[must_use]
            pub const fn returns(self) -> Returns {
                match self { $(Import::$import => Returns::$returns,)* }
            }

            /// The import with this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Import> {
                match name { $($name => Some(Import::$import),)* _ => None }
            }
        }
    };
}

imports! {
    FnLen "fn_len" 0 I32
    FnRead "fn_read" 1 Nothing
    ArgsLen "args_len" 0 I32
    ArgsRead "args_read" 1 Nothing
    Output "output" 2 Nothing
    Fail "fail" 2 Nothing
    FailWith "fail_with" 4 Nothing
    StateGet "state_get" 2 I32
    RegisterRead "register_read" 1 Nothing
    StateSet "state_set" 4 Nothing
    StateRemove "state_remove" 2 Nothing
    Event "event" 4 Nothing
    EthereumCall "ethereum_call" 3 Nothing
    PayOut "pay_out" 2 Nothing
    Caller "caller" 1 Nothing
    Contract "contract" 1 Nothing
    TaskId "task_id" 1 Nothing
    Value "value" 1 Nothing
    BlockNumber "block_number" 0 I64
    BlockTimestamp "block_timestamp" 0 I64
    Random "random" 2 Nothing
    Keccak256 "keccak256" 3 Nothing
    Sha256 "sha256" 3 Nothing
    Recover "recover" 3 I32
    Encrypt "encrypt" 7 Nothing
    Decrypt "decrypt" 7 I32
    Debug "debug" 2 Nothing
    GasLeft "gas_left" 0 I64
}
