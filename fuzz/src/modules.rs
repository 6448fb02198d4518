//! Modules that contracts could be, made from bytes.
//!
//! wasm-smith makes any shape of code, with random pointers: its calls of imports mostly fail. So half of the contracts are
//! written here instead, with pointers and lengths that are mostly good and sometimes at an edge.

use arbitrary::{Arbitrary as _, Result, Unstructured};
use enigma_runtime::engine::{Import, MODULE, Returns};
use std::{fmt::Write as _, sync::OnceLock};
use wasm_smith::{Config, InstructionKind, InstructionKinds, MemoryOffsetChoices, Module};

/// Most pages that a memory may have.
const MAX_PAGES: u64 = 1_024;
/// Statements and nesting of a contract that is written here.
const MAX_STATEMENTS: usize = 40;
const MAX_DEPTH: usize = 4;

/// A module that is probably accepted.
///
/// # Errors
///
/// When the bytes are used up.
pub fn contract(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if bytes.arbitrary()? { written(bytes) } else { shaped(bytes) }
}

/// Any valid module: proposals that contracts may not use, imports that do not exist, start functions.
///
/// # Errors
///
/// When the bytes are used up.
pub fn any_module(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if bytes.ratio(1, 3)? {
        return shaped(bytes);
    }
    let mut config = Config::arbitrary(bytes)?;
    config.max_memory32_bytes = config.max_memory32_bytes.min((MAX_PAGES + 1) << 16);
    if bytes.arbitrary()? {
        config.available_imports = Some(imports().to_vec());
        config.exports = Some(exports(bytes)?);
    }
    Module::new(config, bytes).map(|module| module.to_bytes())
}

/// A module of wasm-smith in the shape of a contract.
///
/// # Errors
///
/// When the bytes are used up.
pub fn shaped(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let config = Config {
        available_imports: Some(imports().to_vec()),
        exports: Some(exports(bytes)?),
        allowed_instructions: InstructionKinds::new(&[
            InstructionKind::NumericInt,
            InstructionKind::MemoryInt,
            InstructionKind::Parametric,
            InstructionKind::Variable,
            InstructionKind::Control,
        ]),
        allow_floats: false,
        allow_start_export: false,
        compact_imports_enabled: false,
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        max_table_elements: 10_000,
        max_memory32_bytes: MAX_PAGES << 16,
        memory64_enabled: false,
        memory_offset_choices: MemoryOffsetChoices(95, 4, 1),
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        saturating_float_to_int_enabled: false,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    };
    Module::new(config, bytes).map(|module| module.to_bytes())
}

/// A module that imports everything that the runtime offers.
fn imports() -> &'static [u8] {
    static IMPORTS: OnceLock<Vec<u8>> = OnceLock::new();
    IMPORTS.get_or_init(|| wat::parse_str(format!("(module {})", import_text())).expect("the text is WebAssembly"))
}

/// All imports as fields of a module, each under its name.
#[must_use]
pub fn import_text() -> String {
    let import = |import: &Import| {
        let result = match import.returns() {
            Returns::Nothing => "",
            Returns::I32 => "(result i32)",
            Returns::I64 => "(result i64)",
        };
        let (name, parameters) = (import.name(), " i32".repeat(import.parameters()));
        format!("(import \"{MODULE}\" \"{name}\" (func ${name} (param{parameters}) {result}))\n")
    };
    Import::ALL.iter().map(import).collect()
}

/// A module with the exports of a contract.
fn exports(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let query = if bytes.arbitrary()? { "(func (export \"query\"))" } else { "" };
    let text = format!(
        "(module {} (func (export \"deploy\")) (func (export \"call\")) (func (export \"enigma_abi_1\")) {query})",
        memory(bytes)?
    );
    Ok(wat::parse_str(text).expect("the text is WebAssembly"))
}

fn memory(bytes: &mut Unstructured<'_>) -> Result<String> {
    let initial = *bytes.choose(&[0, 1, 1, 1, 1, 1, 2, 3])?;
    let maximum = if bytes.arbitrary()? { (initial + bytes.int_in_range(0..=6)?).to_string() } else { String::new() };
    Ok(format!("(memory (export \"memory\") {initial} {maximum})"))
}

/// A contract that is written here.
///
/// # Errors
///
/// When the bytes are used up.
pub fn written(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let memory = memory(bytes)?;
    let query = if bytes.arbitrary()? { "(func (export \"query\") (call $main (i32.const 3)))" } else { "" };
    let mut body = Writer { bytes, text: String::new(), left: MAX_STATEMENTS };
    body.statements(0)?;
    let text = format!(
        r#"(module {} {memory} (table 3 funcref) (elem (i32.const 0) $main $leaf)
          (data (i32.const 64) "Transfer(address,uint256)") (data (i32.const 96) "key of the state, and a value")
          (data $passive "\00\01\02\03\04\05\06\07") (global $fuel (mut i32) (i32.const 200))
          (func $leaf (param i32) (local i64 i64))
          (func $main (param $way i32) (local $i i32) (local $x i32) (local $y i64)
            (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
            {})
          (func (export "enigma_abi_1")) (func (export "deploy") (call $main (i32.const 1)))
          (func (export "call") (call $main (i32.const 2))) {query})"#,
        import_text(),
        body.text
    );
    Ok(wat::parse_str(text).expect("the text is WebAssembly"))
}

struct Writer<'w, 'b> {
    bytes: &'w mut Unstructured<'b>,
    text: String,
    left: usize,
}

impl Writer<'_, '_> {
    fn statements(&mut self, depth: usize) -> Result<()> {
        while self.left > 0 && self.bytes.ratio(4, 5)? {
            self.left -= 1;
            self.statement(depth)?;
        }
        Ok(())
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.text.write_fmt(arguments).expect("a string takes text");
    }

    fn statement(&mut self, depth: usize) -> Result<()> {
        match self.bytes.int_in_range(0..=15)? {
            0..=5 => self.import()?,
            6 if depth < MAX_DEPTH => {
                let times = self.bytes.int_in_range(1..=30)?;
                self.write(format_args!("(local.set $i (i32.const {times})) (loop $again{depth} "));
                self.statements(depth + 1)?;
                self.write(format_args!(
                    "(local.set $i (i32.sub (local.get $i) (i32.const 1))) (br_if $again{depth} (i32.gt_s (local.get $i) (i32.const 0))))\n"
                ));
            }
            7 if depth < MAX_DEPTH => {
                let at = self.number()?;
                self.write(format_args!("(if (i32.load8_u (i32.const {at})) (then "));
                self.statements(depth + 1)?;
                self.write(format_args!(") (else "));
                self.statements(depth + 1)?;
                self.write(format_args!("))\n"));
            }
            8 => {
                let pages = self.bytes.int_in_range(-1..=4)?;
                self.write(format_args!("(local.set $x (memory.grow (i32.const {pages})))\n"));
            }
            9 => {
                let (to, from, length) = (self.number()?, self.number()?, self.number()?);
                let instruction = *self.bytes.choose(&["memory.copy", "memory.fill", "memory.init $passive"])?;
                self.write(format_args!("({instruction} (i32.const {to}) (i32.const {from}) (i32.const {length}))\n"));
            }
            10 => {
                let ways = ["(i32.gt_s (global.get $fuel) (i32.const 0))", "(i32.const 1)", "(local.get $x)"];
                let way = *self.bytes.choose(&ways)?;
                self.write(format_args!("(if {way} (then (call $main (local.get $x))))\n"));
            }
            11 => {
                let index = self.bytes.int_in_range(0..=3)?;
                let ty = *self.bytes.choose(&["(param i32)", "(param i64)"])?;
                let value = if ty.contains("i32") { "(local.get $x)" } else { "(local.get $y)" };
                self.write(format_args!(
                    "(if (i32.gt_s (global.get $fuel) (i32.const 0)) (then (call_indirect {ty} {value} (i32.const {index}))))\n"
                ));
            }
            12 => {
                let operation =
                    *self.bytes.choose(&["div_s", "div_u", "rem_s", "rem_u", "shl", "rotr", "mul", "shr_s"])?;
                let (left, right) = (self.bytes.arbitrary::<i64>()?, *self.bytes.choose(&[-1, 0, 1, 7, i64::MAX])?);
                self.write(format_args!(
                    "(local.set $y (i64.{operation} (i64.xor (local.get $y) (i64.const {left})) (i64.const {right})))\n"
                ));
            }
            13 => {
                let (at, offset) = (self.number()?, self.bytes.int_in_range(0..=70_000)?);
                let (store, value) = *self.bytes.choose(&[
                    ("i32.store8", "(local.get $x)"),
                    ("i64.store", "(local.get $y)"),
                    ("i32.store16", "(local.get $i)"),
                    ("i64.store32", "(i64.extend16_s (local.get $y))"),
                ])?;
                self.write(format_args!("({store} offset={offset} (i32.const {at}) {value})\n"));
            }
            14 => {
                let (at, length) = (self.number()?, self.bytes.int_in_range(0..=200)?);
                self.write(format_args!("(call $output (i32.const {at}) (i32.const {length}))\n"));
            }
            _ => {
                let end = *self.bytes.choose(&["(return)", "(unreachable)", "(data.drop $passive)", "(nop)"])?;
                self.write(format_args!("(if (i32.load8_s (i32.const 90)) (then {end}))\n"));
            }
        }
        Ok(())
    }

    /// A call of an import; its result goes to a local.
    fn import(&mut self) -> Result<()> {
        let import = *self.bytes.choose(Import::ALL)?;
        let mut call = format!("(call ${}", import.name());
        for _ in 0..import.parameters() {
            let _ = write!(call, " (i32.const {})", self.number()?);
        }
        call.push(')');
        match import.returns() {
            Returns::Nothing => self.write(format_args!("{call}\n")),
            Returns::I32 => self.write(format_args!("(local.set $x {call})\n")),
            Returns::I64 => self.write(format_args!("(local.set $y {call})\n")),
        }
        Ok(())
    }

    /// A pointer or length: mostly one that can be meant.
    fn number(&mut self) -> Result<i32> {
        Ok(match self.bytes.int_in_range(0..=9)? {
            0..=2 => *self.bytes.choose(&[0, 1, 12, 16, 20, 25, 32, 64, 65, 96])?,
            3..=6 => self.bytes.int_in_range(0..=200)?,
            7 => self.bytes.int_in_range(0..=65_535)?,
            8 => self.bytes.int_in_range(65_400..=65_600)?,
            _ => self.bytes.arbitrary()?,
        })
    }
}
