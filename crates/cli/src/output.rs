//! What a person or a program reads: stdout is the result, stderr everything else.

use indicatif::ProgressBar;
use serde::Serialize;
use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct OutputArgs {
    /// Print the result as one line of JSON.
    #[arg(long)]
    pub json: bool,
}

impl OutputArgs {
    /// Prints a result to stdout, as JSON or in words.
    ///
    /// # Errors
    /// Stdout is closed.
    pub fn result<T: Serialize>(self, value: &T, words: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        let text = if self.json { serde_json::to_string(value)? } else { words(value) };
        let mut out = io::stdout().lock();
        writeln!(out, "{}", text.trim_end())?;
        Ok(out.flush()?)
    }
}

/// Tells what is going on.
pub fn progress(text: &str) {
    eprintln!("{text}");
}

/// Whether stderr shows colours and moving things.
pub fn is_lively() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Lines of names and values, aligned.
pub fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
}

/// An error in how the program was used: exit status 2, like a wrong flag.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Steps of something long: a spinner on a terminal, plain lines elsewhere.
pub struct Steps {
    spinner: Option<ProgressBar>,
}

const TICK: Duration = Duration::from_millis(100);

impl Steps {
    /// Nothing has begun.
    pub fn new() -> Self {
        let spinner = is_lively().then(|| {
            let spinner = ProgressBar::new_spinner();
            spinner.enable_steady_tick(TICK);
            spinner
        });
        Self { spinner }
    }

    /// A step begins.
    pub fn begin(&self, text: &str) {
        match &self.spinner {
            Some(spinner) => spinner.set_message(text.to_owned()),
            None => progress(&format!("  … {text}")),
        }
    }

    /// How far the step is; shown only where it can be taken away again.
    pub fn note(&self, text: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(text.to_owned());
        }
    }

    /// A step is done.
    pub fn done(&self, text: &str) {
        self.say(&format!("  ✓ {text}"));
    }

    /// Says something.
    pub fn say(&self, text: &str) {
        match &self.spinner {
            Some(spinner) => {
                spinner.suspend(|| progress(text));
                spinner.set_message("");
            }
            None => progress(text),
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
