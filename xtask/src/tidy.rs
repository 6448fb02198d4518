//! The rules of ARCHITECTURE.md, CONTRIBUTING.md and SECURITY.md that no compiler checks.
//!
//! [`dependencies`] looks at crates as cargo resolves them, [`sources`] at the text of the code, [`documents`] at what the papers
//! promise. Each rule reports every place that breaks it, with the rule in the message; nothing here changes a file.

mod dependencies;
mod documents;
mod sources;

use crate::workspace::{Workspace, output};
use anyhow::{Context, Result, bail};
use std::{fs, path::PathBuf, process::Command};

/// The crates whose code runs inside the TEE and decides what leaves it.
const TRUSTED: &[&str] = &["protocol", "attestation", "runtime", "enclave"];

/// A file of the repository, by its path from the root with `/` between folders.
struct File {
    path: String,
    bytes: u64,
    /// Absent when the file is not UTF-8.
    text: Option<String>,
}

impl File {
    fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    fn is(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// Lines with their numbers, counted from one.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text().lines())
    }
}

/// Checks every rule.
pub fn check(workspace: &Workspace) -> Result<()> {
    let files = files(workspace)?;
    let mut problems = Vec::new();
    dependencies::check(workspace, &files, &mut problems)?;
    sources::check(&files, &mut problems);
    documents::check(workspace, &files, &mut problems);
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    if !problems.is_empty() {
        bail!("{} broken rules (above)", problems.len());
    }
    println!("tidy: {} files keep the rules", files.len());
    sources::print_trusted_size(&files);
    Ok(())
}

/// Accepts the dependencies that the trusted base has now.
pub fn bless(workspace: &Workspace) -> Result<()> {
    dependencies::bless(workspace)
}

/// Committed files, and new ones that a commit could take in.
fn files(workspace: &Workspace) -> Result<Vec<File>> {
    let listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let paths = output(Command::new("git").args(listing).current_dir(&workspace.root))?;
    let mut files = Vec::new();
    for path in paths.split_terminator('\0') {
        let absolute: PathBuf = workspace.root.join(path);
        if absolute.is_file() {
            let content = fs::read(&absolute).with_context(|| format!("cannot read {path}"))?;
            files.push(File {
                path: path.to_owned(),
                bytes: content.len() as u64,
                text: String::from_utf8(content).ok(),
            });
        }
    }
    Ok(files)
}
