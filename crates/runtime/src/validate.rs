//! Decides whether a module can be a contract, and takes it apart.
//!
//! Sections are checked against our own list first (for errors that say what to change), then by the WebAssembly validator.

use crate::{
    imports::{Import, MODULE, Returns},
    limits as limit,
};
use alloc::{
    borrow::ToOwned as _,
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::ops::Range;
use thiserror::Error;
use wasmparser::{
    BlockType, CompositeInnerType, ElementItems, Encoding, ExternalKind, FuncToValidate, FuncType,
    FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload, TypeRef, ValType, ValidPayload, Validator,
    ValidatorResources, WasmFeatures,
};

/// Name of the exported memory.
pub const MEMORY: &str = "memory";
/// Exported functions that every contract has, all `[] -> []`.
pub(crate) const FUNCTIONS: [&str; 3] = ["deploy", "call", "enigma_abi_1"];
/// An exported function of the same type that a contract may have.
pub(crate) const QUERY: &str = "query";
/// Functions that instrumentation adds.
const ADDED_FUNCTIONS: u32 = 2;
/// A local and operands that instrumentation adds to a function.
const ADDED_TO_FRAME: u32 = 8;
/// Exports with this beginning belong to the runtime.
const RESERVED: &str = "enigma.";
/// Names in errors are cut to this length.
const MAX_NAME_CHARACTERS: usize = 64;

/// Why code is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidCode {
    /// More bytes than the runtime takes.
    #[error("{what} has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// preCode or exeCode.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// Not a WebAssembly module of version 1.
    #[error("this is not a WebAssembly module")]
    NotWasm,
    /// It begins like a module, and is not valid WebAssembly.
    #[error("invalid WebAssembly at byte {offset}: {message}")]
    Malformed {
        /// Where.
        offset: u64,
        /// What the validator says.
        message: String,
    },
    /// No memory of its own.
    #[error("the module has no memory")]
    NoMemory,
    /// More memory than a contract may have.
    #[error("the module declares {pages} pages of memory, the limit is {limit}")]
    MemoryTooLarge {
        /// Declared pages, initial or maximal.
        pages: u64,
        /// The bound.
        limit: u32,
    },
    /// A start function would run before every call.
    #[error("the module has a start function; use the constructor")]
    StartFunction,
    /// Floating-point results differ between machines.
    #[error("floating point is not allowed ({0}); use integers")]
    FloatingPoint(String),
    /// Vector types or instructions.
    #[error("SIMD is not allowed ({0}); build without the simd128 target feature")]
    Simd(String),
    /// Shared memory or atomic instructions.
    #[error("threads are not allowed ({0}); build without the atomics target feature")]
    Threads(String),
    /// Reference types beyond one table of functions.
    #[error("reference types are not allowed ({0})")]
    ReferenceTypes(String),
    /// An instruction of another proposal.
    #[error("the instruction {name} ({proposal}) is not allowed")]
    Instruction {
        /// Instruction.
        name: String,
        /// Proposal that it belongs to.
        proposal: &'static str,
    },
    /// Another section of another proposal.
    #[error("the module has {0}, which is not allowed")]
    Section(&'static str),
    /// An import that the runtime does not offer.
    #[error("unknown import {module}.{name}")]
    UnknownImport {
        /// Module of the import.
        module: String,
        /// Name of the import.
        name: String,
    },
    /// An import with the wrong parameters or results.
    #[error("the import {0} has another type than the runtime's")]
    ImportType(String),
    /// A memory, table or global is imported.
    #[error("the import {0} is not a function; memory, tables and globals cannot be imported")]
    ImportKind(String),
    /// An export is missing.
    #[error("the module does not export `{0}`")]
    MissingExport(String),
    /// An export of the wrong kind or type.
    #[error("the export `{0}` has the wrong type")]
    ExportType(String),
    /// An export whose name belongs to the runtime.
    #[error("the export name `{0}` is reserved")]
    ReservedExport(String),
    /// Too many of something.
    #[error("too many {what}: {count}, the limit is {limit}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many.
        count: u64,
        /// The bound.
        limit: u32,
    },
    /// The engine does not take the code.
    #[error("the code cannot be compiled: {0}")]
    Engine(String),
}

impl From<wasmparser::BinaryReaderError> for InvalidCode {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        InvalidCode::Malformed { offset: error.offset(), message: error.message().to_owned() }
    }
}

/// Which of the two kinds of code a module must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As compiled.
    PreCode,
    /// As instrumented: a few more types, functions and globals, and exports with reserved names.
    ExeCode,
}

impl Form {
    /// Additional room for what instrumentation adds.
    fn allow(self, limit: u32, added: u32) -> u32 {
        match self {
            Form::PreCode => limit,
            Form::ExeCode => limit.saturating_add(added),
        }
    }
}

/// A global's type and initial value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Global {
    pub(crate) mutable: bool,
    pub(crate) initial: Constant,
}

/// Initial value of a global.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Constant {
    I32(i32),
    I64(i64),
}

/// A module taken apart. Sections that instrumentation does not change are kept as bytes.
pub(crate) struct Module<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) types: Vec<FuncType>,
    pub(crate) imports: Option<&'a [u8]>,
    /// Type indices of imported functions, then of defined ones.
    pub(crate) functions: Vec<u32>,
    pub(crate) imported_functions: u32,
    pub(crate) tables: Option<&'a [u8]>,
    pub(crate) initial_pages: u32,
    pub(crate) maximum_pages: u32,
    pub(crate) globals: Vec<Global>,
    /// Function indices of [`FUNCTIONS`].
    pub(crate) entries: [u32; 3],
    /// Function index of [`QUERY`].
    pub(crate) query: Option<u32>,
    pub(crate) elements: Option<&'a [u8]>,
    pub(crate) data_count: Option<u32>,
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) data_bytes: usize,
    /// The contract's functions, table entries and elements.
    pub(crate) items: u64,
    pub(crate) bodies: Vec<(FuncToValidate<ValidatorResources>, FunctionBody<'a>)>,
}

/// What the validator accepts: the first WebAssembly version without floating point, and what compilers have used since.
fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::CALL_INDIRECT_OVERLONG
}

/// Takes `bytes` apart and checks all but the function bodies' instructions.
pub(crate) fn module(bytes: &[u8], form: Form) -> Result<Module<'_>, InvalidCode> {
    if !matches!(bytes.get(..8), Some(b"\0asm\x01\0\0\0")) {
        return Err(InvalidCode::NotWasm);
    }
    let mut module = Module {
        bytes,
        types: Vec::new(),
        imports: None,
        functions: Vec::new(),
        imported_functions: 0,
        tables: None,
        initial_pages: 0,
        maximum_pages: 0,
        globals: Vec::new(),
        entries: [0; 3],
        query: None,
        elements: None,
        data_count: None,
        data: None,
        data_bytes: 0,
        items: 0,
        bodies: Vec::new(),
    };
    let mut has_memory = false;
    let mut exports = Vec::new();
    let mut validator = Validator::new_with_features(features());
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        match &payload {
            Payload::Version { encoding: Encoding::Module, .. } | Payload::CustomSection(_) | Payload::End(_) => {}
            Payload::Version { .. } => return Err(InvalidCode::NotWasm),
            Payload::TypeSection(section) => {
                at_most("types", section.count(), form.allow(limit::MAX_TYPES, limit::MAX_TYPES.saturating_add(1)))?;
                for group in section.clone() {
                    for sub_type in group?.into_types() {
                        module.types.push(function_type(&sub_type.composite_type.inner)?);
                    }
                }
            }
            Payload::ImportSection(section) => {
                at_most("imports", section.count(), limit::MAX_IMPORTS)?;
                for import in section.clone().into_imports() {
                    let import = import?;
                    module.functions.push(import_type(&module.types, import)?);
                }
                module.imported_functions = u32::try_from(module.functions.len()).unwrap_or(u32::MAX);
                module.imports = slice(bytes, section.range());
            }
            Payload::FunctionSection(section) => {
                at_most("functions", section.count(), form.allow(limit::MAX_FUNCTIONS, ADDED_FUNCTIONS))?;
                for index in section.clone() {
                    module.functions.push(index?);
                }
                let own = section.count().saturating_sub(form.allow(0, ADDED_FUNCTIONS));
                module.items = module.items.saturating_add(u64::from(own));
            }
            Payload::TableSection(section) => {
                for table in section.clone() {
                    let table = table?.ty;
                    if !table.element_type.is_func_ref() {
                        return Err(InvalidCode::ReferenceTypes("a table of another type than funcref".to_owned()));
                    }
                    at_most_u64("table entries", table.initial, limit::MAX_TABLE_ENTRIES)?;
                    module.items = module.items.saturating_add(table.initial);
                }
                at_most("tables", section.count(), 1)?;
                module.tables = slice(bytes, section.range());
            }
            Payload::MemorySection(section) => {
                at_most("memories", section.count(), 1)?;
                for memory in section.clone() {
                    let memory = memory?;
                    if memory.shared {
                        return Err(InvalidCode::Threads("a shared memory".to_owned()));
                    }
                    if memory.memory64 || memory.page_size_log2.is_some() {
                        return Err(InvalidCode::Section("a memory with 64-bit addresses or other pages"));
                    }
                    module.initial_pages = pages(memory.initial)?;
                    module.maximum_pages = memory.maximum.map_or(Ok(limit::MAX_MEMORY_PAGES), pages)?;
                    has_memory = true;
                }
            }
            Payload::GlobalSection(section) => {
                at_most("globals", section.count(), form.allow(limit::MAX_GLOBALS, 2))?;
                for global in section.clone() {
                    let global = global?;
                    number(global.ty.content_type, "a global")?;
                    let initial = match global.init_expr.get_operators_reader().read()? {
                        Operator::I32Const { value } => Constant::I32(value),
                        Operator::I64Const { value } => Constant::I64(value),
                        other => {
                            check_instruction(&other)?;
                            return Err(InvalidCode::Section("a global whose initial value is not a constant"));
                        }
                    };
                    module.globals.push(Global { mutable: global.ty.mutable, initial });
                }
            }
            Payload::ExportSection(section) => {
                at_most("exports", section.count(), form.allow(limit::MAX_EXPORTS, 2))?;
                for export in section.clone() {
                    let export = export?;
                    if form == Form::PreCode && export.name.starts_with(RESERVED) {
                        return Err(InvalidCode::ReservedExport(name(export.name)));
                    }
                    exports.push(export);
                }
            }
            Payload::StartSection { .. } => return Err(InvalidCode::StartFunction),
            Payload::ElementSection(section) => {
                at_most("element segments", section.count(), limit::MAX_SEGMENTS)?;
                let mut elements = 0_u32;
                for segment in section.clone() {
                    let count = match segment?.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    };
                    elements = elements.saturating_add(count);
                }
                at_most("elements", elements, limit::MAX_TABLE_ENTRIES)?;
                module.items = module.items.saturating_add(u64::from(elements));
                module.elements = slice(bytes, section.range());
            }
            Payload::DataCountSection { count, .. } => module.data_count = Some(*count),
            Payload::DataSection(section) => {
                at_most("data segments", section.count(), limit::MAX_SEGMENTS)?;
                for data in section.clone() {
                    module.data_bytes = module.data_bytes.saturating_add(data?.data.len());
                }
                module.data = slice(bytes, section.range());
            }
            Payload::TagSection(_) => return Err(InvalidCode::Section("exceptions")),
            Payload::CodeSectionStart { .. } | Payload::CodeSectionEntry(_) => {}
            Payload::UnknownSection { .. } => return Err(InvalidCode::Section("an unknown section")),
            _ => return Err(InvalidCode::NotWasm),
        }
        if let ValidPayload::Func(to_validate, body) = validator.payload(&payload)? {
            module.bodies.push((to_validate, body));
        }
    }
    if !has_memory {
        return Err(InvalidCode::NoMemory);
    }
    entries(&mut module, &exports)?;
    Ok(module)
}

/// What instrumentation has to know of a function body.
pub(crate) struct Body<'a> {
    pub(crate) function: u32,
    pub(crate) locals: Vec<(u32, ValType)>,
    pub(crate) declared_locals: u32,
    /// Highest operand stack.
    pub(crate) operands: u32,
    /// Whether it calls other functions.
    pub(crate) calls: bool,
    pub(crate) operators: Vec<(Operator<'a>, Range<u64>)>,
}

/// Checks the instructions of one function.
pub(crate) fn body<'a>(
    to_validate: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'a>,
    allocations: &mut FuncValidatorAllocations,
    bytes: &'a [u8],
    form: Form,
) -> Result<Body<'a>, InvalidCode> {
    let function = to_validate.index;
    let mut validator = to_validate.into_validator(core::mem::take(allocations));
    let mut locals = Vec::new();
    let mut declared_locals = 0_u32;
    let mut reader = body.get_locals_reader()?;
    for _ in 0..reader.get_count() {
        let offset = reader.original_position();
        let (count, kind) = reader.read()?;
        number(kind, "a local")?;
        declared_locals = declared_locals.saturating_add(count);
        at_most("locals of a function", declared_locals, form.allow(limit::MAX_LOCALS, 1))?;
        validator.define_locals(offset, count, kind)?;
        locals.push((count, kind));
    }

    let mut calls = false;
    let mut operands = 0;
    let mut operators = Vec::new();
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let start = reader.original_position();
        let operator = reader.read().map_err(|error| without_simd(error, bytes, start))?;
        check_instruction(&operator)?;
        validator.op(start, &operator)?;
        if let Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } = operator {
            check_block(&validator, blockty)?;
        }
        if let Operator::BrTable { targets } = &operator {
            at_most("targets of a br_table", targets.len(), limit::MAX_BRANCH_TARGETS)?;
        }
        calls |= matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. });
        operands = operands.max(validator.operand_stack_height());
        operators.push((operator, start..reader.original_position()));
    }
    reader.finish()?;
    let frame = validator.len_locals().saturating_add(operands);
    at_most("parameters, locals and operands of a function", frame, form.allow(limit::MAX_FRAME, ADDED_TO_FRAME))?;
    *allocations = validator.into_allocations();
    Ok(Body { function, locals, declared_locals, operands, calls, operators })
}

/// Checks the instructions of all functions of exeCode: the engine expects valid code, and panics on some that is not.
pub(crate) fn bodies(module: &mut Module<'_>) -> Result<(), InvalidCode> {
    let mut allocations = FuncValidatorAllocations::default();
    for (to_validate, function_body) in core::mem::take(&mut module.bodies) {
        body(to_validate, &function_body, &mut allocations, module.bytes, Form::ExeCode)?;
    }
    Ok(())
}

/// Bounds the values that branches to a block carry.
fn check_block(validator: &wasmparser::FuncValidator<ValidatorResources>, block: BlockType) -> Result<(), InvalidCode> {
    use wasmparser::WasmModuleResources as _;
    let BlockType::FuncType(index) = block else { return Ok(()) };
    let Some(ty) = validator.resources().sub_type_at(index) else { return Ok(()) };
    let CompositeInnerType::Func(ty) = &ty.composite_type.inner else { return Ok(()) };
    let values = ty.params().len().max(ty.results().len());
    at_most("values of a block", u32::try_from(values).unwrap_or(u32::MAX), limit::MAX_RESULTS)
}

/// Looks for the exports that the runtime uses.
fn entries(module: &mut Module<'_>, exports: &[wasmparser::Export<'_>]) -> Result<(), InvalidCode> {
    let find = |name: &str| exports.iter().find(|export| export.name == name);
    let missing = |name: &str| InvalidCode::MissingExport(name.to_owned());
    if find(MEMORY).ok_or_else(|| missing(MEMORY))?.kind != ExternalKind::Memory {
        return Err(InvalidCode::ExportType(MEMORY.to_owned()));
    }
    let function = |export: &wasmparser::Export<'_>| {
        let ty = usize::try_from(export.index)
            .ok()
            .and_then(|index| module.functions.get(index))
            .and_then(|ty| module.types.get(usize::try_from(*ty).ok()?));
        let is_entry =
            export.kind == ExternalKind::Func && ty.is_some_and(|ty| ty.params().is_empty() && ty.results().is_empty());
        if is_entry { Ok(export.index) } else { Err(InvalidCode::ExportType(export.name.to_owned())) }
    };
    let mut entries = [0; 3];
    for (entry, name) in entries.iter_mut().zip(FUNCTIONS) {
        *entry = function(find(name).ok_or_else(|| missing(name))?)?;
    }
    let query = find(QUERY).map(function).transpose()?;
    (module.entries, module.query) = (entries, query);
    Ok(())
}

fn function_type(inner: &CompositeInnerType) -> Result<FuncType, InvalidCode> {
    let CompositeInnerType::Func(ty) = inner else {
        return Err(InvalidCode::ReferenceTypes("a type that is not a function".to_owned()));
    };
    at_most("parameters", u32::try_from(ty.params().len()).unwrap_or(u32::MAX), limit::MAX_PARAMETERS)?;
    at_most("results", u32::try_from(ty.results().len()).unwrap_or(u32::MAX), limit::MAX_RESULTS)?;
    for value in ty.params().iter().chain(ty.results()) {
        number(*value, "a parameter or result")?;
    }
    Ok(ty.clone())
}

/// The type index of an import that the runtime offers.
fn import_type(types: &[FuncType], import: wasmparser::Import<'_>) -> Result<u32, InvalidCode> {
    let full_name = || format!("{}.{}", name(import.module), name(import.name));
    let TypeRef::Func(index) = import.ty else { return Err(InvalidCode::ImportKind(full_name())) };
    let Some(known) = Import::named(import.name).filter(|_| import.module == MODULE) else {
        return Err(InvalidCode::UnknownImport { module: name(import.module), name: name(import.name) });
    };
    let results: &[ValType] = match known.returns() {
        Returns::Nothing => &[],
        Returns::I32 => &[ValType::I32],
        Returns::I64 => &[ValType::I64],
    };
    match usize::try_from(index).ok().and_then(|index| types.get(index)) {
        Some(ty) if ty.params() == [ValType::I32].repeat(known.parameters()) && ty.results() == results => Ok(index),
        _ => Err(InvalidCode::ImportType(full_name())),
    }
}

/// Refuses every value type but the two integers.
fn number(value: ValType, place: &str) -> Result<(), InvalidCode> {
    match value {
        ValType::I32 | ValType::I64 => Ok(()),
        ValType::F32 | ValType::F64 => Err(InvalidCode::FloatingPoint(format!("{place} of type {value}"))),
        ValType::V128 => Err(InvalidCode::Simd(format!("{place} of type {value}"))),
        ValType::Ref(_) => Err(InvalidCode::ReferenceTypes(format!("{place} of type {value}"))),
    }
}

/// Refuses instructions outside the accepted set. Whether an accepted one is used correctly is the validator's matter.
fn check_instruction(operator: &Operator<'_>) -> Result<(), InvalidCode> {
    let (name, proposal) = describe(operator);
    match proposal {
        "mvp" | "sign_extension" if !(name.contains("F32") || name.contains("F64")) => Ok(()),
        "mvp" | "saturating_float_to_int" => Err(InvalidCode::FloatingPoint(name.to_owned())),
        "bulk_memory"
            if matches!(
                operator,
                Operator::MemoryCopy { .. }
                    | Operator::MemoryFill { .. }
                    | Operator::MemoryInit { .. }
                    | Operator::DataDrop { .. }
            ) =>
        {
            Ok(())
        }
        "bulk_memory" | "reference_types" | "function_references" => Err(InvalidCode::ReferenceTypes(name.to_owned())),
        "simd" | "relaxed_simd" => Err(InvalidCode::Simd(name.to_owned())),
        "threads" | "shared_everything_threads" | "acquire_release_atomics" => {
            Err(InvalidCode::Threads(name.to_owned()))
        }
        _ => Err(InvalidCode::Instruction { name: name.to_owned(), proposal }),
    }
}

/// Name and proposal of an instruction.
fn describe(operator: &Operator<'_>) -> (&'static str, &'static str) {
    macro_rules! table {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $( Operator::$op { .. } => (stringify!($op), stringify!($proposal)), )*
                _ => ("an unknown instruction", "unknown"),
            }
        };
    }
    wasmparser::for_each_operator!(table)
}

/// The parser is built without SIMD and cannot name its instructions; they all begin with the same byte.
fn without_simd(error: wasmparser::BinaryReaderError, bytes: &[u8], offset: u64) -> InvalidCode {
    const SIMD_PREFIX: u8 = 0xfd;
    match usize::try_from(offset).ok().and_then(|offset| bytes.get(offset)) {
        Some(&SIMD_PREFIX) => InvalidCode::Simd("a vector instruction".to_owned()),
        _ => error.into(),
    }
}

fn pages(count: u64) -> Result<u32, InvalidCode> {
    match u32::try_from(count) {
        Ok(pages) if pages <= limit::MAX_MEMORY_PAGES => Ok(pages),
        _ => Err(InvalidCode::MemoryTooLarge { pages: count, limit: limit::MAX_MEMORY_PAGES }),
    }
}

fn at_most(what: &'static str, count: u32, limit: u32) -> Result<(), InvalidCode> {
    at_most_u64(what, u64::from(count), limit)
}

fn at_most_u64(what: &'static str, count: u64, limit: u32) -> Result<(), InvalidCode> {
    if count > u64::from(limit) { Err(InvalidCode::TooMany { what, count, limit }) } else { Ok(()) }
}

/// A name of the module as it appears in errors.
fn name(name: &str) -> String {
    name.chars().take(MAX_NAME_CHARACTERS).collect()
}

/// The bytes of a range of the module.
pub(crate) fn slice(bytes: &[u8], range: Range<u64>) -> Option<&[u8]> {
    bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

/// An engine's error as text.
pub(crate) fn engine_error(error: &wasmi::Error) -> InvalidCode {
    InvalidCode::Engine(error.to_string())
}
