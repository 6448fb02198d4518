//! The program that is measured, as an operator runs it.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Ticks in a second of the times in `/proc`; the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Where one enclave lives.
#[derive(Clone)]
pub struct Place {
    /// The `enigma-core` program.
    pub program: PathBuf,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// `worker` or `km`.
    pub role: &'static str,
}

impl Place {
    fn command(&self, command: &str) -> Command {
        let mut program = Command::new(&self.program);
        program.args([command, "--role", self.role, "--data-dir"]).arg(&self.data_dir);
        program.env_remove("ENIGMA_MODE").env_remove("RUST_LOG").env("ENIGMA_LOG", "error");
        program
    }

    /// Makes the identity and returns it.
    pub fn identity(&self) -> Result<Value> {
        let output = self.command("identity").arg("--json").output();
        let output = output.with_context(|| format!("cannot start {}", self.program.display()))?;
        ensure!(
            output.status.success(),
            "`enigma-core identity` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// A running core; it ends with this value, and with this process.
pub struct Core {
    process: Child,
    /// Where it listens.
    pub endpoint: String,
    /// Its signing address.
    pub signer: String,
}

impl Core {
    /// Starts a core on loopback TCP.
    pub fn start(place: &Place, config: &Path) -> Result<Self> {
        let mut program = place.command("run");
        program.arg("--config").arg(config).args(["--endpoint", "tcp://127.0.0.1:0", "--exit-with-parent"]);
        program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = program.spawn().with_context(|| format!("cannot start {}", place.program.display()))?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no stdout")?).read_line(&mut line)?;
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let _ = process.kill();
            bail!("enigma-core did not start; above it says why");
        };
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        let (endpoint, signer) = (text("endpoint"), text("signer"));
        Ok(Self { process, endpoint, signer })
    }

    /// Its process id, for a profiler.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Resident memory in mebibytes.
    pub fn resident_mb(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))
            .context("memory is measured on Linux only, where /proc tells it")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    /// Processor time used so far, user and system, in seconds.
    pub fn processor_s(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))
            .context("processor time is measured on Linux only, where /proc tells it")?;
        // The name in parentheses may hold anything; the fields are counted from behind it.
        let fields = stat.rsplit_once(')').context("unknown form of /proc")?.1;
        let ticks = |index: usize| -> Result<f64> {
            Ok(fields.split_whitespace().nth(index).context("unknown form of /proc")?.parse()?)
        };
        Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
