//! What the node keeps across restarts: the mind's records, key to value, in one redb file.
//!
//! A call of [`Store::persist`] returns after its writes are durable, or fails and has written nothing. The file belongs to one
//! process and to one network; both are checked when it is opened. Nothing secret is in it: inputs and results are ciphertext.

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Pages that the database keeps in memory; the mind holds what it works with itself.
const CACHE_BYTES: usize = 32 << 20;
const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
const NETWORK: TableDefinition<&str, &str> = TableDefinition::new("network");
const NETWORK_ID: &str = "id";

/// A store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made.
    #[error("the data directory {} cannot be created; choose another with --data-dir", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody has it open.
    #[error("another process uses {}; stop it, or choose another --data-dir", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// It is no database of ours.
    #[error(
        "{} cannot be opened; move it away and start again: it is rebuilt from Ethereum, the core and other nodes",
        path.display()
    )]
    Broken {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<DatabaseError>,
    },
    /// It was filled on another network.
    #[error("the data directory belongs to the network {found}, not to {expected}; choose another --data-dir")]
    OtherNetwork {
        /// In the file.
        found: String,
        /// Wanted.
        expected: String,
    },
    /// Reading or writing failed.
    #[error("the node's store failed: {0}")]
    Failed(#[from] Box<redb::Error>),
}

fn failed(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Failed(Box::new(error.into()))
}

/// A key and its value.
pub type Record = (Vec<u8>, Vec<u8>);
/// One pair to write, or to remove when there is no value.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// An open store.
pub struct Store(Database);

impl Store {
    /// Opens or creates the store of `network_id` in the file `path`, and the folders above it.
    ///
    /// # Errors
    /// [`StoreError`], which says what to do.
    pub fn open(path: &Path, network_id: &str) -> Result<Self, StoreError> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)
                .map_err(|source| StoreError::Directory { path: directory.to_path_buf(), source })?;
        }
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(|source| match source {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.to_path_buf() },
            source => StoreError::Broken { path: path.to_path_buf(), source: Box::new(source) },
        })?;
        let store = Self(database);
        store.claim(network_id)?;
        Ok(store)
    }

    fn claim(&self, network_id: &str) -> Result<(), StoreError> {
        let transaction = self.0.begin_write().map_err(failed)?;
        {
            let mut table = transaction.open_table(NETWORK).map_err(failed)?;
            let found = table.get(NETWORK_ID).map_err(failed)?.map(|found| found.value().to_owned());
            match found {
                Some(found) if found != network_id => {
                    return Err(StoreError::OtherNetwork { found, expected: network_id.to_owned() });
                }
                Some(_) => {}
                None => {
                    table.insert(NETWORK_ID, network_id).map_err(failed)?;
                }
            }
        }
        transaction.commit().map_err(failed)
    }

    /// All records, ascending by key.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read.
    pub fn load(&self) -> Result<Vec<Record>, StoreError> {
        let transaction = self.0.begin_read().map_err(failed)?;
        let table = match transaction.open_table(RECORDS) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut records = Vec::new();
        for record in table.iter().map_err(failed)? {
            let (key, value) = record.map_err(failed)?;
            records.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(records)
    }

    /// Writes all of `writes` durably, or none.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the disk fails.
    pub fn persist(&self, writes: &[Write]) -> Result<(), StoreError> {
        let transaction = self.0.begin_write().map_err(failed)?;
        {
            let mut table = transaction.open_table(RECORDS).map_err(failed)?;
            for (key, value) in writes {
                match value {
                    Some(value) => table.insert(key.as_slice(), value.as_slice()).map_err(failed)?,
                    None => table.remove(key.as_slice()).map_err(failed)?,
                };
            }
        }
        transaction.commit().map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: Option<&str>) -> Write {
        (key.into(), value.map(Into::into))
    }

    #[test]
    fn what_was_persisted_is_there_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deeper/node.redb");
        let store = Store::open(&path, "enigma-1").unwrap();
        assert!(store.load().unwrap().is_empty());
        store.persist(&[pair("b", Some("2")), pair("a", Some("1")), pair("c", Some("3"))]).unwrap();
        store.persist(&[pair("b", None), pair("c", Some("4")), pair("never", None)]).unwrap();
        drop(store);
        let records = Store::open(&path, "enigma-1").unwrap().load().unwrap();
        assert_eq!(records, [(b"a".to_vec(), b"1".to_vec()), (b"c".to_vec(), b"4".to_vec())]);
    }

    #[test]
    fn a_store_has_one_owner_and_one_network() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.redb");
        let store = Store::open(&path, "enigma-1").unwrap();
        assert!(matches!(Store::open(&path, "enigma-1"), Err(StoreError::InUse { .. })));
        drop(store);
        assert!(matches!(Store::open(&path, "enigma-2"), Err(StoreError::OtherNetwork { .. })));
    }

    #[test]
    fn a_file_that_is_no_store_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.redb");
        std::fs::write(&path, "not a database, but somebody's text").unwrap();
        assert!(matches!(Store::open(&path, "enigma-1"), Err(StoreError::Broken { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"not a database, but somebody's text");
        let file_as_folder = path.join("node.redb");
        assert!(matches!(Store::open(&file_as_folder, "enigma-1"), Err(StoreError::Directory { .. })));
    }
}
