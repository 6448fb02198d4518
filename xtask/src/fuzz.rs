//! Fuzzing: builds the targets of `fuzz/` with coverage, drives each for a while, and says how to see a crash again.
//!
//! libFuzzer sees the coverage of code that is compiled with certain flags, which a stable compiler takes. They are given to
//! the crates under test only: counting every comparison of wasmtime's compiler would take most of the time. Cargo has no
//! setting for that, so it calls the compiler through this program ([`compile`]). What is found grows in cargo's target
//! directory; `fuzz/corpus` holds the inputs that are committed, and libFuzzer only reads it.

use crate::workspace::{Workspace, run};
use anyhow::{Context, Result, bail, ensure};
use std::{
    collections::VecDeque,
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

/// Seconds for each target where nothing else is said.
const SECONDS: u64 = 10;
/// Seconds after which one input counts as a hang.
const HANG_SECONDS: u64 = 30;
/// Longest input that is tried.
const MAX_INPUT_BYTES: u64 = 16 << 10;
/// Lines of libFuzzer's report that are shown of a crash.
const REPORT_LINES: usize = 40;
/// Runs longer than this show libFuzzer's signs of life.
const QUIET_SECONDS: u64 = 60;

const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Crates that are compiled with [`COVERAGE`], besides our own: those that read what is hostile for us. Most of `serde_json` is
/// generic and compiled as part of ours; the macros of the SDK use it too, and could not be loaded with coverage.
const OBSERVED: &[&str] = &["borsh", "rmp", "rmp_serde", "wasm_encoder", "wasmi", "wasmparser"];

/// Says that this program is called in the place of the compiler.
const COMPILE: &str = "ENIGMA_FUZZ_COMPILE";

const USAGE: &str = "usage: cargo xtask fuzz [TARGET] [--seconds N | --replay FILE], or --seeds";

/// `cargo xtask fuzz`: all targets or one, for some seconds; or one input again. `--seeds` writes the seeds of `fuzz/corpus`.
pub fn command(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    if arguments == ["--seeds"] {
        return run(cargo(workspace, "run")?.args(["--example", "seeds"]));
    }
    let known = targets(workspace)?;
    let (names, seconds, replay) = parse(arguments, &known)?;
    let fuzzer = Fuzzer::build(workspace, &names)?;
    match replay {
        Some(input) => fuzzer.replay(&names[0], &std::path::absolute(input)?),
        None => fuzzer.run_all(&names, seconds),
    }
}

/// The step of the checks: the tests over the committed inputs and against the other engine, then every target for a while.
pub fn step(workspace: &Workspace) -> Result<()> {
    run(cargo(workspace, "test")?.arg("--tests"))?;
    command(workspace, &[])
}

fn parse<'a>(arguments: &[&'a str], known: &[String]) -> Result<(Vec<String>, u64, Option<&'a Path>)> {
    let (name, options) = match arguments {
        [name, options @ ..] if !name.starts_with('-') => (Some(*name), options),
        options => (None, options),
    };
    if let Some(name) = name {
        ensure!(
            known.iter().any(|known| known == name),
            "there is no fuzz target `{name}`\n  next: choose from {}",
            known.join(", ")
        );
    }
    let names = name.map_or_else(|| known.to_vec(), |name| vec![name.to_owned()]);
    match (options, name) {
        ([], _) => Ok((names, SECONDS, None)),
        (["--seconds", seconds], _) => Ok((names, seconds.parse().with_context(|| USAGE.to_owned())?, None)),
        (["--replay", input], Some(_)) => Ok((names, 0, Some(Path::new(*input)))),
        _ => bail!("{USAGE}"),
    }
}

/// The names of all targets: each has a file.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.fuzz().join("fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if let (Some(name), true) = (path.file_stem(), path.extension().is_some_and(|extension| extension == "rs")) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Cargo in the workspace of fuzz targets, with coverage.
fn cargo(workspace: &Workspace, command: &str) -> Result<Command> {
    let mut cargo = workspace.fuzz_cargo();
    cargo.env("RUSTC_WRAPPER", &workspace.program).env(COMPILE, "1").args([command, "--features", "libfuzzer"]);
    Ok(cargo)
}

/// Whether cargo calls this program in the place of the compiler.
pub fn is_compiler() -> bool {
    env::var_os(COMPILE).is_some()
}

/// Compiles in the place of the compiler: the first argument, with the others, and with coverage where it is wanted.
pub fn compile(arguments: &[String]) -> Result<ExitCode> {
    let (compiler, arguments) = arguments.split_first().context("cargo names the compiler")?;
    let mut compiler = Command::new(compiler);
    compiler.args(arguments);
    if is_observed(arguments) {
        compiler.args(COVERAGE);
    }
    let status = compiler.status().context("cannot start the compiler")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_observed(arguments: &[String]) -> bool {
    let value = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let ours = |name: &str| OBSERVED.contains(&name) || name.starts_with("enigma_");
    value("--crate-type") == Some("lib") && value("--crate-name").is_some_and(ours)
}

/// What one target did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    executions: u64,
    coverage: u64,
    features: u64,
}

struct Fuzzer {
    programs: PathBuf,
    /// Committed inputs.
    committed: PathBuf,
    /// Inputs that are found.
    found: PathBuf,
    crashes: PathBuf,
}

impl Fuzzer {
    fn build(workspace: &Workspace, names: &[String]) -> Result<Self> {
        let mut build = cargo(workspace, "build")?;
        for name in names {
            build.args(["--bin", name]);
        }
        run(&mut build)?;
        let target = workspace.fuzz_target();
        Ok(Self {
            programs: target.join("debug"),
            committed: workspace.fuzz().join("corpus"),
            found: target.join("corpus"),
            crashes: target.join("crashes"),
        })
    }

    fn run_all(&self, names: &[String], seconds: u64) -> Result<()> {
        let header = ["fuzz target", "seconds", "executions", "per second", "coverage", "features"];
        let mut rows = Vec::new();
        for name in names {
            println!("fuzzing `{name}` for {seconds} s");
            let Figures { executions, coverage, features } = self.run(name, seconds)?;
            rows.push([
                name.clone(),
                seconds.to_string(),
                executions.to_string(),
                (executions / seconds.max(1)).to_string(),
                coverage.to_string(),
                features.to_string(),
            ]);
        }
        println!(
            "\n{:<12} {:>8} {:>12} {:>11} {:>9} {:>9}",
            header[0], header[1], header[2], header[3], header[4], header[5]
        );
        for [name, seconds, executions, rate, coverage, features] in rows {
            println!("{name:<12} {seconds:>8} {executions:>12} {rate:>11} {coverage:>9} {features:>9}");
        }
        println!("fuzzing: {} targets, no crash", names.len());
        Ok(())
    }

    fn run(&self, name: &str, seconds: u64) -> Result<Figures> {
        let (found, committed) = (self.found.join(name), self.committed.join(name));
        for folder in [&found, &self.crashes] {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let prefix = self.crashes.join(format!("{name}-"));
        let mut fuzzer = Command::new(self.programs.join(name));
        fuzzer.arg(&found);
        if committed.is_dir() {
            fuzzer.arg(&committed);
        }
        fuzzer
            .arg(format!("-artifact_prefix={}", prefix.display()))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-timeout={HANG_SECONDS}"))
            .arg(format!("-max_len={MAX_INPUT_BYTES}"))
            .args(["-len_control=10", "-use_value_profile=1", "-print_final_stats=1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = fuzzer.spawn().with_context(|| format!("cannot start the fuzz target `{name}`"))?;
        let report = BufReader::new(process.stderr.take().context("standard error is piped")?);
        let mut last_lines = VecDeque::new();
        let mut figures = Figures::default();
        let mut crash = None;
        for line in report.split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            figures.read(&line);
            if let Some((_, file)) = line.split_once("Test unit written to ") {
                crash = Some(file.trim().to_owned());
            }
            if seconds > QUIET_SECONDS && line.contains("pulse") {
                println!("{line}");
            }
            last_lines.push_back(line);
            if last_lines.len() > REPORT_LINES {
                last_lines.pop_front();
            }
        }
        let status = process.wait()?;
        if !status.success() || crash.is_some() {
            last_lines.iter().for_each(|line| eprintln!("{line}"));
            match crash {
                Some(file) => bail!(
                    "the fuzz target `{name}` crashed\n  next: `cargo xtask fuzz {name} --replay {file}` shows it again; \
                     with the mistake mended, keep the file in fuzz/corpus/{name}"
                ),
                None => bail!("the fuzz target `{name}` ended with {status}"),
            }
        }
        Ok(figures)
    }

    fn replay(&self, name: &str, input: &Path) -> Result<()> {
        ensure!(input.is_file(), "{} is no file", input.display());
        run(Command::new(self.programs.join(name)).arg(format!("-timeout={HANG_SECONDS}")).arg(input))
    }
}

impl Figures {
    /// Takes what a line of libFuzzer's report tells.
    fn read(&mut self, line: &str) {
        let after = |label: &str| {
            let (_, rest) = line.split_once(label)?;
            rest.split_whitespace().next()?.parse().ok()
        };
        if line.starts_with('#') {
            self.coverage = after(" cov: ").unwrap_or(self.coverage);
            self.features = after(" ft: ").unwrap_or(self.features);
        }
        self.executions = after("stat::number_of_executed_units:").unwrap_or(self.executions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_report() {
        let mut figures = Figures::default();
        for line in [
            "INFO: Seed: 12",
            "#1440\tDONE   cov: 19021 ft: 34333 corp: 170/473b lim: 4 exec/s: 130 rss: 56Mb",
            "stat::number_of_executed_units: 1440",
        ] {
            figures.read(line);
        }
        assert_eq!(figures, Figures { executions: 1440, coverage: 19021, features: 34333 });
    }

    #[test]
    fn coverage_is_for_what_is_tested() {
        let observed = |arguments: &str| is_observed(&arguments.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(observed("--crate-name enigma_runtime --edition=2024 --crate-type lib"));
        assert!(observed("--crate-name wasmparser --crate-type lib"));
        assert!(!observed("--crate-name wasmtime --crate-type lib"));
        assert!(!observed("--crate-name enigma_sdk_macros --crate-type proc-macro"));
        assert!(!observed("--crate-name build_script_build --crate-type bin"));
        assert!(!observed("-vV"));
    }

    #[test]
    fn one_target_or_all_and_a_while() {
        let known = ["abi".to_owned(), "ipc".to_owned()];
        let parse = |arguments: &[&'static str]| parse(arguments, &known).ok();
        assert_eq!(parse(&[]), Some((known.to_vec(), SECONDS, None)));
        assert_eq!(parse(&["ipc", "--seconds", "3"]), Some((vec!["ipc".to_owned()], 3, None)));
        assert_eq!(parse(&["abi", "--replay", "x"]), Some((vec!["abi".to_owned()], 0, Some(Path::new("x")))));
        for wrong in [&["other"][..], &["--replay", "x"], &["--seconds"], &["abi", "--seconds", "x"], &["abi", "ipc"]] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
