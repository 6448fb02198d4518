//! The data directory of a devnet: a new temporary one that goes away, or one that the user names and keeps.

use anyhow::{Context, bail};
use serde::Serialize;
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Says that a folder is a devnet's; locked while one runs.
const MARKER: &str = "enigma-devnet.lock";

/// A data directory in use.
pub struct DataDir {
    path: PathBuf,
    is_temporary: bool,
    _lock: File,
}

impl DataDir {
    /// Takes the named folder, or makes a temporary one. A folder of an earlier devnet is emptied: its chain is gone, and
    /// with it the meaning of everything else in it. `replaced` is told about that.
    ///
    /// # Errors
    /// The folder cannot be written, is in use, or holds something else than a devnet's files.
    pub fn open(named: Option<&Path>, replaced: impl FnOnce(&Path)) -> anyhow::Result<Self> {
        let Some(path) = named else {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
            let path = std::env::temp_dir().join(format!("enigma-devnet-{}-{since}", std::process::id()));
            private_folder(&path, false)?;
            return Ok(Self { _lock: lock(&path)?, path, is_temporary: true });
        };
        private_folder(path, true)?;
        let path = path.canonicalize().with_context(|| format!("cannot use the data directory {}", path.display()))?;
        let entries: Vec<_> = read_folder(&path)?;
        let is_devnets = entries.iter().any(|entry| entry.ends_with(MARKER));
        if !entries.is_empty() && !is_devnets {
            bail!(
                "the data directory {} is not empty and was not made by a devnet; give an empty or new one with --data-dir",
                path.display()
            );
        }
        let lock = lock(&path)?;
        let old: Vec<_> = entries.iter().filter(|entry| !entry.ends_with(MARKER)).collect();
        if !old.is_empty() {
            replaced(&path);
        }
        for entry in old {
            let removed = if entry.is_dir() { fs::remove_dir_all(entry) } else { fs::remove_file(entry) };
            removed.with_context(|| format!("cannot remove {} of the devnet before", entry.display()))?;
        }
        Ok(Self { path, is_temporary: false, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder in it, for its owner only.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        private_folder(&path, true)?;
        Ok(path)
    }

    /// Writes a JSON file into it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        fs::write(&path, serde_json::to_vec_pretty(value)?)
            .with_context(|| format!("cannot write {}; check the rights of --data-dir", path.display()))?;
        Ok(path)
    }

    /// Where the log of a part is.
    ///
    /// # Errors
    /// The folder for logs cannot be made.
    pub fn log(&self, part: &str) -> anyhow::Result<PathBuf> {
        Ok(self.folder("logs")?.join(format!("{part}.log")))
    }

    /// Leaves the folder behind, for somebody to look at.
    pub fn keep(&mut self) {
        self.is_temporary = false;
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.is_temporary {
            // What cannot be removed stays in the system's folder for temporary files.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn private_folder(path: &Path, may_exist: bool) -> anyhow::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(may_exist);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .with_context(|| format!("the data directory {} cannot be made; give another --data-dir", path.display()))
}

fn read_folder(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    entries.with_context(|| format!("the data directory {} cannot be read; give another --data-dir", path.display()))
}

fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join(MARKER);
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).with_context(|| {
        format!("cannot write into the data directory {}; give another --data-dir", folder.display())
    })?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("another devnet runs in {}; stop it, or give another --data-dir", folder.display())
        }
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.set_len(0)?;
    writeln!(file, "This folder belongs to `enigma devnet`, which empties it when it starts.")?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_away_unless_kept() {
        let open = || DataDir::open(None, |_| panic!("new folders replace nothing")).unwrap();
        let path = open().path().to_owned();
        assert!(!path.exists());
        let mut kept = open();
        kept.keep();
        let path = kept.path().to_owned();
        drop(kept);
        assert!(path.is_dir());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_named_folder_is_a_devnets_or_refused() {
        let parent = tempfile::tempdir().unwrap();
        let named = parent.path().join("net");
        let dir = DataDir::open(Some(&named), |_| panic!("nothing to replace")).unwrap();
        fs::write(dir.folder("worker").unwrap().join("node.redb"), "x").unwrap();
        let error = DataDir::open(Some(&named), |_| ()).err().unwrap().to_string();
        assert!(error.contains("another devnet runs"), "{error}");
        drop(dir);

        let mut told = false;
        let dir = DataDir::open(Some(&named), |_| told = true).unwrap();
        assert!(told && !dir.path().join("worker").exists());

        let other = parent.path().join("photos");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("cat.jpg"), "meow").unwrap();
        let error = DataDir::open(Some(&other), |_| ()).err().unwrap().to_string();
        assert!(error.contains("not made by a devnet") && other.join("cat.jpg").exists(), "{error}");

        let error = DataDir::open(Some(&other.join("cat.jpg")), |_| ()).err().unwrap().to_string();
        assert!(error.contains("cannot be made"), "{error}");
    }
}
