//! The data directory: one process at a time, one database, durable commits.
//!
//! | file | content |
//! |---|---|
//! | `core.redb` | what the enclave stores; secrets in it are sealed by the enclave before they get here |
//! | `platform.secret` | the secret of the simulated platform, see [`crate::tee::simulation`] |
//!
//! Deliberately absent: the meaning of keys and values.

use enigma_enclave::{KeyValue, Store, StoreError, Write};
use redb::{Database, DatabaseError, Durability, ReadableDatabase, TableDefinition};
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    panic,
    path::{Path, PathBuf},
};

const DATABASE_FILE: &str = "core.redb";
const ENTRIES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("entries");
/// The host's memory is not ours to fill; the working set of a core is its newest deltas.
const CACHE_BYTES: usize = 64 << 20;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    #[error("cannot create the data directory {path}; choose another --data-dir")]
    Folder { path: PathBuf, source: io::Error },
    #[error(
        "the data directory {0} is in use by another enigma-core; stop that one first, or give this one a --data-dir of \
         its own"
    )]
    InUse(PathBuf),
    #[error(
        "the database {path} cannot be opened: {reason}; restore it from a backup, or start with an empty --data-dir, \
         which makes a new identity that has to register again"
    )]
    Broken { path: PathBuf, reason: String },
}

/// The database of one data directory.
pub struct DiskStore(Database);

impl DiskStore {
    /// Opens the directory, which is created when missing, readable by its owner only. It stays locked until the process ends.
    ///
    /// # Errors
    /// See [`OpenStoreError`].
    pub fn open(folder: &Path) -> Result<Self, OpenStoreError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| OpenStoreError::Folder { path: folder.into(), source })?;
        let path = folder.join(DATABASE_FILE);
        // The database checks what it reads with assertions too; a broken file is an answer here, not a crash.
        let opened = panic::catch_unwind(|| Database::builder().set_cache_size(CACHE_BYTES).create(&path));
        let database = match opened {
            Ok(Ok(database)) => database,
            Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => return Err(OpenStoreError::InUse(folder.into())),
            Ok(Err(error)) => return Err(OpenStoreError::Broken { path, reason: error.to_string() }),
            Err(_) => return Err(OpenStoreError::Broken { path, reason: "its content is damaged".into() }),
        };
        let store = Self(database);
        // Readers need the table to exist.
        store.write(&[]).map_err(|error| OpenStoreError::Broken { path, reason: error.to_string() })?;
        Ok(store)
    }

    fn write(&self, writes: &[Write]) -> Result<(), redb::Error> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            for (key, value) in writes {
                match value {
                    Some(value) => entries.insert(key.as_slice(), value.as_slice())?,
                    None => entries.remove(key.as_slice())?,
                };
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, redb::Error> {
        let entries = self.0.begin_read()?.open_table(ENTRIES)?;
        Ok(entries.get(key)?.map(|value| value.value().to_vec()))
    }

    fn read_range(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<KeyValue>, redb::Error> {
        let entries = self.0.begin_read()?.open_table(ENTRIES)?;
        let mut found = Vec::new();
        for entry in entries.range(from.max(prefix)..)?.take(limit) {
            let (key, value) = entry?;
            if !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(found)
    }
}

fn failed(error: redb::Error) -> StoreError {
    StoreError(error.to_string())
}

impl Store for DiskStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(key).map_err(failed)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<KeyValue>, StoreError> {
        self.read_range(prefix, from, limit).map_err(failed)
    }

    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.write(writes).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &str) -> Write {
        (key.into(), Some(value.into()))
    }

    fn entries(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
        pairs.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_was_committed_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let store = DiskStore::open(folder.path()).unwrap();
        store.commit(&[put("a/1", "one"), put("a/2", "two"), put("b/1", "three")]).unwrap();
        store.commit(&[put("a/1", "uno"), ("a/2".into(), None)]).unwrap();
        drop(store);
        let store = DiskStore::open(folder.path()).unwrap();
        assert_eq!(store.get(b"a/1").unwrap(), Some(b"uno".to_vec()));
        assert_eq!(store.get(b"a/2").unwrap(), None);
        assert_eq!(store.scan(b"", b"", 9).unwrap(), entries(&[("a/1", "uno"), ("b/1", "three")]));
    }

    #[test]
    fn a_scan_keeps_to_prefix_start_and_limit() {
        let folder = tempfile::tempdir().unwrap();
        let store = DiskStore::open(folder.path()).unwrap();
        store.commit(&["a", "b1", "b2", "b3", "c"].map(|key| put(key, key))).unwrap();
        let check = |prefix: &str, from: &str, limit, keys: &[&str]| {
            let found = store.scan(prefix.as_bytes(), from.as_bytes(), limit).unwrap();
            assert_eq!(found, entries(&keys.iter().map(|key| (*key, *key)).collect::<Vec<_>>()), "{prefix} {from}");
        };
        check("b", "", 9, &["b1", "b2", "b3"]);
        check("b", "b2", 9, &["b2", "b3"]);
        check("b", "b2", 1, &["b2"]);
        check("b", "c", 9, &[]);
        check("b", "", 0, &[]);
        check("x", "", 9, &[]);
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let _first = DiskStore::open(folder.path()).unwrap();
        assert!(matches!(DiskStore::open(folder.path()), Err(OpenStoreError::InUse(_))));

        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(DiskStore::open(&file.join("below")), Err(OpenStoreError::Folder { .. })));

        let broken = folder.path().join("broken");
        fs::create_dir(&broken).unwrap();
        fs::write(broken.join(DATABASE_FILE), "not a database").unwrap();
        assert!(matches!(DiskStore::open(&broken), Err(OpenStoreError::Broken { .. })));
    }

    #[test]
    fn a_damaged_database_is_an_error_or_still_readable() {
        let folder = tempfile::tempdir().unwrap();
        let store = DiskStore::open(folder.path()).unwrap();
        store.commit(&[put("key", "value")]).unwrap();
        drop(store);
        let path = folder.path().join(DATABASE_FILE);
        let sound = fs::read(&path).unwrap();
        for position in (0..320).step_by(29).chain((4096..sound.len().min(40_000)).step_by(6007)) {
            let mut damaged = sound.clone();
            damaged[position] ^= 0xff;
            fs::write(&path, damaged).unwrap();
            if let Ok(store) = DiskStore::open(folder.path()) {
                let _ = store.get(b"key");
            }
        }
        fs::write(&path, &sound[..sound.len() / 2]).unwrap();
        assert!(matches!(DiskStore::open(folder.path()), Err(OpenStoreError::Broken { .. })));
    }
}
