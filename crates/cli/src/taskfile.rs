//! Tasks that outlive the command that made them: one file each, with the key to its result and, until it is recorded, its input.
//!
//! A task is kept before Ethereum records it, as `<task>.<input hash>.prepared.json`, and as `<task>.json` from then on. Commands
//! that run at once may prepare different tasks under one id; Ethereum records one of them, and says by its input hash which.

use crate::keyfile::write_private;
use anyhow::{Context, bail};
use clap::Args;
use enigma_client::{Client, PreparedTask, Task};
use enigma_protocol::TaskId;
use std::{
    env, fs, io,
    path::{Path, PathBuf},
};
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

    /// Keeps a task that is about to be recorded and returns where.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, task: &PreparedTask) -> anyhow::Result<PathBuf> {
        self.prepare()?;
        let path = self.folder()?.join(format!("{}.{}.{PREPARED}", task.id(), task.inputs_hash()));
        write_private(&path, task.to_secret_json().as_bytes())?;
        Ok(path)
    }

    /// Keeps a recorded task in place of what was kept before, and returns where.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, task: &Task, prepared: &Path) -> anyhow::Result<PathBuf> {
        let path = self.path(task.id())?;
        // A devnet that starts again has the task ids of the one before: the newest task counts.
        let new = prepared.with_extension("new");
        forget(&new);
        write_private(&new, task.to_secret_json().as_bytes())?;
        fs::rename(&new, &path).with_context(|| format!("cannot write {}", path.display()))?;
        forget(prepared);
        Ok(path)
    }

    /// The task with this id, if it was made with this state folder.
    ///
    /// # Errors
    /// It was not, was never recorded, or its file is damaged.
    pub async fn load(&self, id: TaskId, client: &Client) -> anyhow::Result<Task> {
        let mut is_prepared = false;
        for prepared in self.prepared(id)? {
            is_prepared = true;
            let text = Zeroizing::new(
                fs::read_to_string(&prepared).with_context(|| format!("cannot read {}", prepared.display()))?,
            );
            let task = PreparedTask::from_secret_json(&text).with_context(|| damaged(&prepared))?;
            if let Some(task) = client.recover(task).await? {
                self.save(&task, &prepared)?;
                return Ok(task);
            }
        }
        let path = self.path(id)?;
        match fs::read_to_string(&path) {
            Ok(text) => Task::from_secret_json(&Zeroizing::new(text)).with_context(|| damaged(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_prepared => {
                bail!("task {id} was prepared, and Ethereum has no record of it: it costs nothing; make it again")
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                "the key of task {id} is not in {}; only who made a task can open its result. Made it elsewhere? Give that \
                 --state-dir",
                path.display()
            ),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Files of what was prepared under this id and not seen recorded.
    fn prepared(&self, id: TaskId) -> anyhow::Result<Vec<PathBuf>> {
        let folder = self.folder()?;
        let start = format!("{id}.");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", folder.display())),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(&start) && name.ends_with(PREPARED)) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }
}

const PREPARED: &str = "prepared.json";

/// Removes a prepared task that will not be recorded; one that stays does no harm.
pub fn forget(prepared: &Path) {
    let _ = fs::remove_file(prepared);
}

fn damaged(path: &Path) -> String {
    format!("{} is damaged; restore it from a backup", path.display())
}
