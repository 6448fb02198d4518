//! Makes what today's compiler emits acceptable to `cosmwasm-vm`, which refuses bulk memory operations.
//!
//! The standard library for wasm32 is compiled with them. Each `memory.copy` and `memory.fill` becomes a call of a function that
//! does the same by words and bytes, as compilers before 1.87 had it.

use anyhow::{Result, anyhow};
use std::convert::Infallible;
use wasm_encoder::{
    BlockType, CodeSection, Function, FunctionSection,
    Instruction::{self, *},
    MemArg, MemArgTarget, Module, TypeSection, ValType,
    reencode::{Error, Reencode, utils},
};
use wasmparser::{CodeSectionReader, FunctionSectionReader, Operator, Parser, Payload, TypeRef, TypeSectionReader};

const DESTINATION: u32 = 0;
const SOURCE: u32 = 1;
const LENGTH: u32 = 2;
const WORD: i32 = 8;
const UNALIGNED: MemArg = MemArg { offset: 0, align: 0, target: MemArgTarget::Memory(0), ordering: None };

/// The same module without bulk memory operations.
pub fn lower(code: &[u8]) -> Result<Vec<u8>> {
    let mut lowered = Lowered { functions: 0, new_type: 0 };
    for payload in Parser::new(0).parse_all(code) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    lowered.functions += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::FunctionSection(section) => lowered.functions += section.count(),
            _ => {}
        }
    }
    let mut module = Module::new();
    let done = lowered.parse_core_module(&mut module, Parser::new(0), code);
    done.map_err(|error| anyhow!("the contract cannot be rewritten: {error}"))?;
    Ok(module.finish())
}

struct Lowered {
    /// Functions of the module, imports included; the two new ones follow.
    functions: u32,
    new_type: u32,
}

impl Reencode for Lowered {
    type Error = Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: TypeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_type_section(self, types, section)?;
        self.new_type = types.len();
        types.ty().function([ValType::I32; 3], []);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.new_type).function(self.new_type);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_code_section(self, code, section)?;
        code.function(&copy()).function(&fill());
        Ok(())
    }

    fn instruction<'a>(&mut self, operator: Operator<'a>) -> Result<Instruction<'a>, Error<Infallible>> {
        match operator {
            Operator::MemoryCopy { .. } => Ok(Call(self.functions)),
            Operator::MemoryFill { .. } => Ok(Call(self.functions + 1)),
            other => utils::instruction(self, other),
        }
    }
}

fn copy() -> Function {
    let add = |local, amount| [LocalGet(local), I32Const(amount), I32Add, LocalSet(local)];
    let at = |local| [LocalGet(local), LocalGet(LENGTH), I32Add];
    let mut body = vec![LocalGet(DESTINATION), LocalGet(SOURCE), I32GtU, If(BlockType::Empty)];
    // From the end, because what is overwritten is read later.
    body.extend(repeat(
        true,
        &[&add(LENGTH, -WORD), &at(DESTINATION)[..], &at(SOURCE), &[I64Load(UNALIGNED), I64Store(UNALIGNED)]],
    ));
    body.extend(repeat(
        false,
        &[&add(LENGTH, -1), &at(DESTINATION)[..], &at(SOURCE), &[I32Load8U(UNALIGNED), I32Store8(UNALIGNED)]],
    ));
    body.push(Else);
    for (by_words, step, load, store) in
        [(true, WORD, I64Load(UNALIGNED), I64Store(UNALIGNED)), (false, 1, I32Load8U(UNALIGNED), I32Store8(UNALIGNED))]
    {
        let advance = [add(DESTINATION, step), add(SOURCE, step), add(LENGTH, -step)].concat();
        body.extend(repeat(by_words, &[&[LocalGet(DESTINATION), LocalGet(SOURCE), load, store], &advance]));
    }
    body.push(End);
    function(&body)
}

fn fill() -> Function {
    let shorten = [LocalGet(LENGTH), I32Const(1), I32Sub, LocalSet(LENGTH)];
    let store = [LocalGet(DESTINATION), LocalGet(LENGTH), I32Add, LocalGet(SOURCE), I32Store8(UNALIGNED)];
    function(&repeat(false, &[&shorten, &store]))
}

/// Repeats the parts while the length is at least a word, or not zero.
fn repeat(by_words: bool, parts: &[&[Instruction<'static>]]) -> Vec<Instruction<'static>> {
    let mut body = vec![Loop(BlockType::Empty), LocalGet(LENGTH)];
    if by_words {
        body.extend([I32Const(WORD), I32GeU]);
    }
    body.push(If(BlockType::Empty));
    body.extend(parts.concat());
    body.extend([Br(1), End, End]);
    body
}

fn function(body: &[Instruction<'_>]) -> Function {
    let mut function = Function::new([]);
    for instruction in body {
        function.instruction(instruction);
    }
    function.instruction(&End);
    function
}
