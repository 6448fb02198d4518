//! Tasks that outlive the command that made them: one file each, which holds the key to its result.

use crate::keyfile::write_private;
use anyhow::{Context, bail};
use clap::Args;
use enigma_client::Task;
use enigma_protocol::TaskId;
use std::{env, fs, path::PathBuf};
use zeroize::Zeroizing;

/// Where tasks are kept.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// Folder for the keys that open your results [default: ~/.enigma].
    #[arg(long, env = "ENIGMA_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl StateArgs {
    fn folder(&self) -> anyhow::Result<PathBuf> {
        let state = match &self.state_dir {
            Some(folder) => folder.clone(),
            None => env::home_dir().context("there is no home directory; give --state-dir")?.join(".enigma"),
        };
        Ok(state.join("tasks"))
    }

    fn path(&self, id: TaskId) -> anyhow::Result<PathBuf> {
        Ok(self.folder()?.join(format!("{id}.json")))
    }

    /// Checks that tasks can be kept, before anything is recorded that could not be opened later.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn prepare(&self) -> anyhow::Result<()> {
        let folder = self.folder()?;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).with_context(|| {
            format!("cannot make the folder {} for task keys; give another --state-dir", folder.display())
        })
    }

    /// Keeps a task and returns where.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, task: &Task) -> anyhow::Result<PathBuf> {
        self.prepare()?;
        let path = self.path(task.id())?;
        write_private(&path, task.to_secret_json().as_bytes())?;
        Ok(path)
    }

    /// The task with this id, if it was made with this state folder.
    ///
    /// # Errors
    /// It was not, or its file is damaged.
    pub fn load(&self, id: TaskId) -> anyhow::Result<Task> {
        let path = self.path(id)?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "the key of task {id} is not in {}; only who made a task can open its result. Made it elsewhere? Give that \
                 --state-dir",
                path.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Task::from_secret_json(&text)
            .with_context(|| format!("{} is damaged; restore it from a backup", path.display()))
    }
}
