//! `enigma guard`, hidden: runs a program that knows nothing of its parent, and ends it when the parent is gone.
//!
//! Portable: the sign of a dead parent is the end of standard input, a pipe that only the parent holds.

use anyhow::{Context, bail};
use clap::Args;
use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How often the program is looked at, so that its end is noticed soon.
const LOOK: Duration = Duration::from_millis(20);

/// Run a program and end it when standard input ends.
#[derive(Debug, Args)]
pub struct Guard {
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Guard {
    /// Runs until the program or standard input ends. The first line on standard output is the program's process id.
    ///
    /// # Errors
    /// The program cannot be started, or ended by itself.
    pub fn run(self) -> anyhow::Result<()> {
        let (program, args) = self.command.split_first().context("no program was given")?;
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let (gone, parent) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 64];
            while matches!(std::io::stdin().read(&mut bytes), Ok(1..)) {}
            let _ = gone.send(());
        });
        // A parent that is gone already does not read it; the end of standard input follows.
        let mut stdout = std::io::stdout();
        let _ = writeln!(stdout, "{}", child.id()).and_then(|()| stdout.flush());
        // Only now may the program be heard: it prints numbers too, which would be taken for its id.
        if let Some(mut said) = child.stdout.take() {
            thread::spawn(move || std::io::copy(&mut said, &mut std::io::stdout()));
        }
        let ended = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            match parent.recv_timeout(LOOK) {
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => break None,
            }
        };
        match ended {
            Some(status) => bail!("{program} ended: {status}"),
            None => {
                // It may have ended in this moment.
                let _ = child.kill();
                child.wait()?;
                Ok(())
            }
        }
    }
}
