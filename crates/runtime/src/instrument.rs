//! Turns preCode into exeCode: the same code with metering written into it.
//!
//! Nothing that the contract numbers is renumbered: types, functions and globals are only added at the end, so instructions
//! are copied as they are, and no instruction of the contract can name what was added.
//!
//! * **Gas** is a global that counts down. Every straight run of instructions (entered at its first instruction, left after its
//!   last) begins with a charge for the whole run; the global turns negative in the charge that cannot be paid, which traps.
//! * **Stack height** is a global that counts down by the size of the frame at the entry of every function that calls others,
//!   and up again at its only exit: the body becomes a block, so that branches to its end land before the exit.
//! * `memory.copy`, `memory.fill` and `memory.init` pass their length through an added function that charges for it;
//!   `memory.grow` is replaced by one that charges for the pages.

use crate::{
    engine::{gas_export, stack_export},
    gas,
    limits::{MAX_EXE_CODE_BYTES, MAX_PRE_CODE_BYTES, MAX_STACK_UNITS},
    validate::{self, Body, Constant, FUNCTIONS, Form, InvalidCode, MEMORY, Module, QUERY},
};
use alloc::vec::Vec;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataCountSection, Encode as _, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, Instruction as I, MemorySection, MemoryType, RawSection, SectionId,
    TypeSection, ValType,
};
use wasmparser::{FuncType, Operator};

/// Value of the gas global that says that the machine had no memory left.
pub(crate) const GAS_HOST_EXHAUSTED: i64 = i64::MIN;

/// Checks preCode and turns it into exeCode, the same bytes every time.
///
/// # Errors
///
/// [`InvalidCode`] says what an author has to change.
pub fn prepare(pre_code: &[u8]) -> Result<Vec<u8>, InvalidCode> {
    if pre_code.len() > MAX_PRE_CODE_BYTES {
        return Err(InvalidCode::TooLarge { what: "preCode", bytes: pre_code.len(), limit: MAX_PRE_CODE_BYTES });
    }
    let module = validate::module(pre_code, Form::PreCode)?;
    let exe_code = instrument(module)?;
    if exe_code.len() > MAX_EXE_CODE_BYTES {
        return Err(InvalidCode::TooLarge { what: "exeCode", bytes: exe_code.len(), limit: MAX_EXE_CODE_BYTES });
    }
    // Code that is accepted at deployment must load at every later call.
    crate::Program::load(&exe_code)?;
    Ok(exe_code)
}

/// Indices of what is added to a module.
struct Added {
    gas: u32,
    stack: u32,
    /// `[i32 length] -> [i32 length]`, charges for moving so many bytes.
    charge_bytes: u32,
    /// `memory.grow` with a charge.
    grow: u32,
}

fn instrument(mut module: Module<'_>) -> Result<Vec<u8>, InvalidCode> {
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let globals = count(module.globals.len());
    let functions = count(module.functions.len());
    let added = Added {
        gas: globals,
        stack: globals.saturating_add(1),
        charge_bytes: functions,
        grow: functions.saturating_add(1),
    };

    let mut code = CodeSection::new();
    let mut block_types = BlockTypes::new(&module.types);
    let mut allocations = wasmparser::FuncValidatorAllocations::default();
    for (to_validate, body) in core::mem::take(&mut module.bodies) {
        let body = validate::body(to_validate, &body, &mut allocations, module.bytes, Form::PreCode)?;
        code.function(&function(&module, &body, &added, &mut block_types)?);
        if code.byte_len() > MAX_EXE_CODE_BYTES {
            return Err(InvalidCode::TooLarge { what: "exeCode", bytes: code.byte_len(), limit: MAX_EXE_CODE_BYTES });
        }
    }
    code.function(&charge_bytes_function(&added)).function(&grow_function(&added, module.maximum_pages));

    let mut types = TypeSection::new();
    for ty in &block_types.types {
        types.ty().function(values(ty.params()), values(ty.results()));
    }
    let helper_type = count(block_types.types.len());
    types.ty().function([ValType::I32], [ValType::I32]);

    let mut function_section = FunctionSection::new();
    for ty in module.functions.iter().skip(usize::try_from(module.imported_functions).unwrap_or(usize::MAX)) {
        function_section.function(*ty);
    }
    function_section.function(helper_type).function(helper_type);

    let mut memory = MemorySection::new();
    memory.memory(MemoryType {
        minimum: u64::from(module.initial_pages),
        maximum: Some(u64::from(module.maximum_pages)),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });

    let mut global_section = GlobalSection::new();
    for global in &module.globals {
        let (val_type, initial) = match global.initial {
            Constant::I32(value) => (ValType::I32, ConstExpr::i32_const(value)),
            Constant::I64(value) => (ValType::I64, ConstExpr::i64_const(value)),
        };
        global_section.global(GlobalType { val_type, mutable: global.mutable, shared: false }, &initial);
    }
    let meter = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
    global_section.global(meter, &ConstExpr::i64_const(0));
    global_section.global(meter, &ConstExpr::i64_const(i64::from(MAX_STACK_UNITS)));

    let mut exports = ExportSection::new();
    exports.export(MEMORY, ExportKind::Memory, 0);
    for (name, index) in FUNCTIONS.iter().zip(module.entries) {
        exports.export(name, ExportKind::Func, index);
    }
    if let Some(query) = module.query {
        exports.export(QUERY, ExportKind::Func, query);
    }
    exports.export(&gas_export(), ExportKind::Global, added.gas);
    exports.export(&stack_export(), ExportKind::Global, added.stack);

    let mut output = wasm_encoder::Module::new();
    let raw = |output: &mut wasm_encoder::Module, id: SectionId, data: Option<&[u8]>| {
        if let Some(data) = data {
            output.section(&RawSection { id: id.into(), data });
        }
    };
    output.section(&types);
    raw(&mut output, SectionId::Import, module.imports);
    output.section(&function_section);
    raw(&mut output, SectionId::Table, module.tables);
    output.section(&memory).section(&global_section).section(&exports);
    raw(&mut output, SectionId::Element, module.elements);
    if let Some(count) = module.data_count {
        output.section(&DataCountSection { count });
    }
    output.section(&code);
    raw(&mut output, SectionId::Data, module.data);
    Ok(output.finish())
}

/// The module's types, and those added for blocks that stand for whole bodies with several results.
struct BlockTypes {
    types: Vec<FuncType>,
    blocks: Vec<(Vec<wasmparser::ValType>, u32)>,
}

impl BlockTypes {
    fn new(types: &[FuncType]) -> Self {
        BlockTypes { types: types.to_vec(), blocks: Vec::new() }
    }

    /// The type of a block that takes nothing and leaves `results`.
    fn block(&mut self, results: &[wasmparser::ValType]) -> BlockType {
        match results {
            [] => return BlockType::Empty,
            [result] => return BlockType::Result(value(*result)),
            _ => {}
        }
        if let Some((_, index)) = self.blocks.iter().find(|(known, _)| known == results) {
            return BlockType::FunctionType(*index);
        }
        let index = u32::try_from(self.types.len()).unwrap_or(u32::MAX);
        self.types.push(FuncType::new([], results.iter().copied()));
        self.blocks.push((results.to_vec(), index));
        BlockType::FunctionType(index)
    }
}

/// What is open at a point of a body.
struct Open {
    kind: OpenKind,
    /// Whether a branch goes to its end.
    targeted: bool,
}

#[derive(PartialEq, Eq)]
enum OpenKind {
    Block,
    Loop,
    If,
}

/// Writes one function.
fn function(
    module: &Module<'_>,
    body: &Body<'_>,
    added: &Added,
    block_types: &mut BlockTypes,
) -> Result<Function, InvalidCode> {
    let internal = || InvalidCode::Engine("internal: an index out of range after validation".into());
    let ty = lookup(&module.functions, body.function).and_then(|ty| lookup(&module.types, *ty)).ok_or_else(internal)?;
    let parameters = u32::try_from(ty.params().len()).unwrap_or(u32::MAX);
    let scratch = parameters.saturating_add(body.declared_locals);
    let frame = i64::from(gas::FRAME_UNITS).saturating_add(i64::from(scratch)).saturating_add(i64::from(body.operands));

    let mut writer = Writer { output: Vec::new(), run: Vec::new(), run_gas: 0, gas: added.gas, scratch };
    if body.calls {
        take(&mut writer.output, added.stack, scratch, &[I::I64Const(frame)]);
        I::Block(block_types.block(ty.results())).encode(&mut writer.output);
    }
    writer.run_gas = gas::function_entry(body.declared_locals);

    let mut open: Vec<Open> = Vec::new();
    for (operator, range) in &body.operators {
        writer.run_gas = writer.run_gas.saturating_add(gas::instruction(operator));
        match operator {
            Operator::Return if body.calls => {
                // The whole body is one block now: leave that instead of the function.
                I::Br(u32::try_from(open.len()).unwrap_or(u32::MAX)).encode(&mut writer.run);
            }
            Operator::MemoryGrow { .. } => I::Call(added.grow).encode(&mut writer.run),
            Operator::CallIndirect { type_index, table_index } => {
                I::CallIndirect { type_index: *type_index, table_index: *table_index }.encode(&mut writer.run);
            }
            other => {
                if let Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } | Operator::MemoryInit { .. } = other {
                    I::Call(added.charge_bytes).encode(&mut writer.run);
                }
                writer.run.extend_from_slice(validate::slice(module.bytes, range.clone()).ok_or_else(internal)?);
            }
        }
        match operator {
            Operator::Block { .. } => open.push(Open { kind: OpenKind::Block, targeted: false }),
            Operator::Loop { .. } => {
                open.push(Open { kind: OpenKind::Loop, targeted: false });
                writer.end_run();
            }
            Operator::If { .. } => {
                open.push(Open { kind: OpenKind::If, targeted: false });
                writer.end_run();
            }
            Operator::Else | Operator::Return | Operator::Unreachable => writer.end_run(),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                mark(&mut open, *relative_depth);
                writer.end_run();
            }
            Operator::BrTable { targets } => {
                for target in targets.targets() {
                    mark(&mut open, target?);
                }
                mark(&mut open, targets.default());
                writer.end_run();
            }
            Operator::End => match open.pop() {
                // Code runs on past the end of a loop, and of a block that is only left at its end.
                Some(Open { kind: OpenKind::Loop, .. } | Open { kind: OpenKind::Block, targeted: false }) => {}
                Some(_) | None => writer.end_run(),
            },
            _ => {}
        }
    }
    writer.end_run();

    let mut output = writer.output;
    if body.calls {
        for instruction in [I::GlobalGet(added.stack), I::I64Const(frame), I::I64Add, I::GlobalSet(added.stack), I::End]
        {
            instruction.encode(&mut output);
        }
    }
    let mut locals: Vec<_> = body.locals.iter().map(|(count, ty)| (*count, value(*ty))).collect();
    locals.push((1, ValType::I64));
    let mut function = Function::new(locals);
    function.raw(output);
    Ok(function)
}

/// Notes that a branch goes to the end of what is open `depth` levels out.
fn mark(open: &mut [Open], depth: u32) {
    let depth = usize::try_from(depth).unwrap_or(usize::MAX);
    if let Some(target) = open.iter_mut().rev().nth(depth) {
        target.targeted = true;
    }
}

/// Collects a run of instructions until its cost is known.
struct Writer {
    output: Vec<u8>,
    run: Vec<u8>,
    run_gas: u64,
    gas: u32,
    scratch: u32,
}

impl Writer {
    fn end_run(&mut self) {
        if self.run_gas > 0 {
            let cost = i64::try_from(self.run_gas).unwrap_or(i64::MAX);
            take(&mut self.output, self.gas, self.scratch, &[I::I64Const(cost)]);
        }
        self.output.append(&mut self.run);
        self.run_gas = 0;
    }
}

/// Takes an amount (what `amount` leaves on the stack) from a meter, and traps when the meter turns negative.
fn take(output: &mut Vec<u8>, meter: u32, scratch: u32, amount: &[I<'_>]) {
    I::GlobalGet(meter).encode(output);
    for instruction in amount {
        instruction.encode(output);
    }
    for instruction in [
        I::I64Sub,
        I::LocalTee(scratch),
        I::GlobalSet(meter),
        I::LocalGet(scratch),
        I::I64Const(0),
        I::I64LtS,
        I::If(BlockType::Empty),
        I::Unreachable,
        I::End,
    ] {
        instruction.encode(output);
    }
}

fn charge_bytes_function(added: &Added) -> Function {
    let round_up = i64::try_from(gas::BYTES_PER_GAS).unwrap_or(i64::MAX).saturating_sub(1);
    let bytes_per_gas = i64::try_from(gas::BYTES_PER_GAS).unwrap_or(i64::MAX);
    let mut output = Vec::new();
    take(
        &mut output,
        added.gas,
        1,
        &[I::LocalGet(0), I::I64ExtendI32U, I::I64Const(round_up), I::I64Add, I::I64Const(bytes_per_gas), I::I64DivU],
    );
    I::LocalGet(0).encode(&mut output);
    I::End.encode(&mut output);
    let mut function = Function::new([(1, ValType::I64)]);
    function.raw(output);
    function
}

fn grow_function(added: &Added, maximum_pages: u32) -> Function {
    let mut output = Vec::new();
    let encode = |output: &mut Vec<u8>, instructions: &[I<'_>]| {
        for instruction in instructions {
            instruction.encode(output);
        }
    };
    // Beyond the maximum: fails as WebAssembly says, and costs nothing more.
    encode(
        &mut output,
        &[
            I::LocalGet(0),
            I::I64ExtendI32U,
            I::MemorySize(0),
            I::I64ExtendI32U,
            I::I64Add,
            I::I64Const(i64::from(maximum_pages)),
            I::I64GtU,
            I::If(BlockType::Empty),
            I::I32Const(-1),
            I::Return,
            I::End,
        ],
    );
    let page = i64::try_from(gas::PAGE).unwrap_or(i64::MAX);
    take(&mut output, added.gas, 1, &[I::LocalGet(0), I::I64ExtendI32U, I::I64Const(page), I::I64Mul]);
    // Within the maximum only the machine can fail, and that must not look like a result.
    encode(
        &mut output,
        &[
            I::LocalGet(0),
            I::MemoryGrow(0),
            I::LocalTee(0),
            I::I32Const(-1),
            I::I32Eq,
            I::If(BlockType::Empty),
            I::I64Const(GAS_HOST_EXHAUSTED),
            I::GlobalSet(added.gas),
            I::Unreachable,
            I::End,
            I::LocalGet(0),
            I::End,
        ],
    );
    let mut function = Function::new([(1, ValType::I64)]);
    function.raw(output);
    function
}

fn lookup<T>(items: &[T], index: u32) -> Option<&T> {
    items.get(usize::try_from(index).ok()?)
}

fn values(types: &[wasmparser::ValType]) -> Vec<ValType> {
    types.iter().map(|ty| value(*ty)).collect()
}

/// Validation leaves only the two integer types.
fn value(ty: wasmparser::ValType) -> ValType {
    if ty == wasmparser::ValType::I64 { ValType::I64 } else { ValType::I32 }
}
