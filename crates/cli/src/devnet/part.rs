//! The running programs of a devnet, and how none of them is left behind.
//!
//! Every part holds one end of a pipe as its standard input and stops when the other end, the devnet's, is gone, however the
//! devnet ended. Parts are in process groups of their own, so that Ctrl-C in a terminal reaches the devnet alone, which then
//! stops them in order.

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

/// A part that says nothing for so long does not become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// A part that is told to stop may take so long before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// Lines of a failed part's log that are shown.
const SHOWN_LINES: usize = 8;
/// Ends that wait to be looked at; more parts than this do not exist.
const ENDS: usize = 32;

/// A part that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its name.
    pub name: String,
    /// How.
    pub how: String,
    /// Its log.
    pub log: PathBuf,
}

impl Ended {
    /// What to tell: which part, how it ended, and the end of its log.
    pub fn describe(&self) -> String {
        let log = self.log.display();
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let tail = lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES)).map(|line| format!("\n    {line}"));
        format!("{} ended ({}); its log is {log}{}", self.name, self.how, tail.collect::<String>())
    }
}

/// A running part.
struct Part {
    name: String,
    pid: u32,
    /// A program behind a guard, which has to be ended by its id should the guard be killed.
    guarded: Option<u32>,
    stdin: ChildStdin,
    kill: oneshot::Sender<()>,
    /// Whether it ended by itself or when asked, and not by a signal.
    ended: JoinHandle<bool>,
}

/// All running parts, in the order of their start.
pub struct Parts {
    running: Vec<Part>,
    ends: mpsc::Receiver<Ended>,
    sender: mpsc::Sender<Ended>,
}

/// A part that has been started and must say that it is ready. Dropping it closes its standard input, which stops it.
pub struct Starting {
    name: String,
    log: PathBuf,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    guarded: Option<u32>,
    /// When it said so.
    pub ready_at: std::time::Instant,
}

/// Starts a program with its error output in `log`.
///
/// # Errors
/// Program or log cannot be opened.
pub fn start(name: &str, program: &Path, args: &[String], log: &Path) -> anyhow::Result<Starting> {
    let file = open_log(log)?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
    #[cfg(unix)]
    command.process_group(0);
    // Settings of the user's own nodes are not for these.
    for (key, _) in std::env::vars_os() {
        let is_ours = key.to_str().is_some_and(|key| key.starts_with("ENIGMA_") && key != "ENIGMA_LOG");
        if is_ours {
            command.env_remove(key);
        }
    }
    let mut child = command.spawn().with_context(|| format!("cannot start {name} ({})", program.display()))?;
    let stdin = child.stdin.take().context("a started program has a standard input")?;
    let stdout = child.stdout.take().context("a started program has a standard output")?;
    let lines = BufReader::new(stdout).lines();
    Ok(Starting {
        name: name.to_owned(),
        log: log.to_owned(),
        child,
        stdin,
        lines,
        guarded: None,
        ready_at: std::time::Instant::now(),
    })
}

fn open_log(log: &Path) -> anyhow::Result<File> {
    OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("cannot write {}", log.display()))
}

impl Starting {
    /// Waits for a line on standard output that `take` can use.
    ///
    /// # Errors
    /// The part ended or stayed silent.
    pub async fn line<T>(&mut self, mut take: impl FnMut(&str) -> Option<T>) -> anyhow::Result<T> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            let Ok(line) = tokio::time::timeout_at(deadline, self.lines.next_line()).await else {
                bail!(
                    "{} did not become ready within {} s; its log is {}",
                    self.name,
                    READY_TIMEOUT.as_secs(),
                    self.log.display()
                );
            };
            match line? {
                Some(line) => {
                    if let Some(taken) = take(&line) {
                        return Ok(taken);
                    }
                }
                None => {
                    let how = describe(self.child.wait().await);
                    bail!(Ended { name: self.name.clone(), how, log: self.log.clone() }.describe());
                }
            }
        }
    }

    /// Waits for the line of JSON that says the part is ready.
    ///
    /// # Errors
    /// The part ended or stayed silent.
    pub async fn ready<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        self.line(|line| serde_json::from_str(line).ok()).await
    }

    /// Takes the first line of a guard: the id of the program behind it.
    ///
    /// # Errors
    /// The part ended or stayed silent.
    pub async fn guarded(&mut self) -> anyhow::Result<()> {
        self.guarded = Some(self.line(|line| line.parse().ok()).await?);
        Ok(())
    }

    /// It is ready now.
    pub fn into_ready(mut self) -> Self {
        self.ready_at = std::time::Instant::now();
        self
    }

    /// Id of the guard, where there is one.
    pub fn guard_pid(&self) -> Option<u32> {
        self.guarded.and(self.child.id())
    }

    /// Id of the program itself.
    pub fn pid(&self) -> u32 {
        self.guarded.or(self.child.id()).unwrap_or_default()
    }
}

impl Parts {
    /// None yet.
    pub fn new() -> Self {
        let (sender, ends) = mpsc::channel(ENDS);
        Self { running: Vec::new(), ends, sender }
    }

    /// Takes over a part that is ready.
    pub fn add(&mut self, part: Starting) {
        let (kill, killed) = oneshot::channel();
        let pid = part.child.id().unwrap_or_default();
        let watch = watch(part.child, part.lines, killed, part.log, part.name.clone(), self.sender.clone());
        let ended = tokio::spawn(watch);
        self.running.push(Part { name: part.name, pid, guarded: part.guarded, stdin: part.stdin, kill, ended });
    }

    /// Waits until a part ends.
    pub async fn ended(&mut self) -> Ended {
        // `sender` is held here too, so the queue never closes.
        match self.ends.recv().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Stops all parts, the last started first, and returns when none is left.
    pub async fn stop(&mut self) {
        while let Some(part) = self.running.pop() {
            drop(part.stdin);
            let mut ended = part.ended;
            let in_order = match tokio::time::timeout(STOP_TIMEOUT, &mut ended).await {
                Ok(ended) => ended.unwrap_or(false),
                Err(_) => {
                    tracing::warn!(part = part.name, pid = part.pid, "does not stop and is killed");
                    let _ = part.kill.send(());
                    let _ = ended.await;
                    false
                }
            };
            if let (Some(guarded), false) = (part.guarded, in_order) {
                end(guarded).await;
            }
        }
    }
}

/// Ends a program whose guard was killed and could not do it.
async fn end(pid: u32) {
    let kill = Command::new("kill").args(["-9", &pid.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let _ = kill.await;
}

async fn watch(
    mut child: Child,
    mut lines: Lines<BufReader<ChildStdout>>,
    killed: oneshot::Receiver<()>,
    log: PathBuf,
    name: String,
    ends: mpsc::Sender<Ended>,
) -> bool {
    // What a part prints after its ready line belongs into its log; a log that cannot be written is no reason to stop.
    let mut file = open_log(&log).ok();
    let mut killed = std::pin::pin!(killed);
    let mut reading = true;
    let mut kill_sent = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            _ = &mut killed, if !kill_sent => {
                kill_sent = true;
                let _ = child.start_kill();
            }
            line = lines.next_line(), if reading => match line {
                Ok(Some(line)) => {
                    if let Some(file) = &mut file {
                        let _ = writeln!(file, "{line}");
                    }
                }
                Ok(None) | Err(_) => reading = false,
            }
        }
    };
    let in_order = status.as_ref().is_ok_and(|status| status.code().is_some());
    let _ = ends.try_send(Ended { name, how: describe(status), log });
    in_order
}

fn describe(status: std::io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}
