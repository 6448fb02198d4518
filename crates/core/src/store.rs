//! The data directory: one process at a time, one database, durable commits.
//!
//! A durable commit waits for the disk, which takes as long for one record as for many. So there is one thread that commits,
//! and everything that was submitted while it waited becomes one transaction: it costs the fewest commits under load, and no
//! delay without. After a failure of the disk the database is opened anew, as after a crash, before anything else is written.
//!
//! | file | content |
//! |---|---|
//! | `core.redb` | what the enclave stores; secrets in it are sealed by the enclave before they get here |
//! | `platform.secret` | the secret of the simulated platform, see [`crate::tee::simulation`] |
//!
//! Deliberately absent: the meaning of keys and values.

use enigma_enclave::{Generation, KeyValue, Store, StoreError, Ticket, Write};
use redb::{Database, DatabaseError, Durability, ReadableDatabase, TableDefinition};
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::DirBuilderExt,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock},
    thread::{self, JoinHandle},
};

const DATABASE_FILE: &str = "core.redb";
const ENTRIES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("entries");
/// The host's memory is not ours to fill; the working set of a core is its newest deltas.
const CACHE_BYTES: usize = 64 << 20;
/// Writes that wait for the commit before theirs; whoever submits more waits. Less than one snapshot of the largest state,
/// which is let through alone.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// What is answered while the database does not open again.
const CLOSED: &str = "the database is closed since the disk failed";

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
pub struct DiskStore {
    shared: Arc<Shared>,
    committer: Option<JoinHandle<()>>,
}

/// Opens the database, as often as it has to be.
type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

struct Shared {
    open: Opener,
    /// Missing only after a failure, until it could be opened again.
    database: RwLock<Option<Database>>,
    queue: Mutex<Queue>,
    /// There is something to commit, or the end has come.
    filled: Condvar,
    /// There is room in the queue, or another generation.
    emptied: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Submitted>,
    bytes: usize,
    generation: Generation,
    /// The committing thread waits for something to do.
    idle: bool,
    closed: bool,
}

struct Submitted {
    writes: Vec<Write>,
    ticket: Ticket,
}

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
        let file = path.clone();
        let open: Opener = Box::new(move || Database::builder().set_cache_size(CACHE_BYTES).create(&file));
        Self::on(open).map_err(|error| match error {
            NotOpen::InUse => OpenStoreError::InUse(folder.into()),
            NotOpen::Broken(reason) => OpenStoreError::Broken { path, reason },
        })
    }

    fn on(open: Opener) -> Result<Self, NotOpen> {
        let (database, queue, filled, emptied) = Default::default();
        let shared = Arc::new(Shared { open, database, queue, filled, emptied });
        shared.reopen()?;
        let committing = shared.clone();
        let committer = thread::Builder::new().name("commit".into()).spawn(move || committing.commit_all());
        Ok(Self { shared, committer: Some(committer.map_err(|error| NotOpen::Broken(error.to_string()))?) })
    }
}

/// Why the database does not open.
enum NotOpen {
    InUse,
    Broken(String),
}

impl Drop for DiskStore {
    /// What was submitted is still committed: whoever waits is answered.
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.filled.notify_one();
        if let Some(committer) = self.committer.take() {
            let _ = committer.join();
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the database, or closes it and opens it again.
    fn reopen(&self) -> Result<(), NotOpen> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The database checks what it reads with assertions too; a broken file is an answer here, not a crash.
        let opened = panic::catch_unwind(AssertUnwindSafe(|| {
            drop(database.take());
            let opened = (self.open)()?;
            // Readers need the table to exist.
            write(&opened, &[])?;
            Ok(opened)
        }));
        *database = match opened {
            Ok(Ok(opened)) => Some(opened),
            Ok(Err(redb::Error::DatabaseAlreadyOpen)) => return Err(NotOpen::InUse),
            Ok(Err(error)) => return Err(NotOpen::Broken(error.to_string())),
            Err(_) => return Err(NotOpen::Broken("its content is damaged".into())),
        };
        Ok(())
    }

    /// Does something with the open database.
    fn with<R>(&self, act: impl FnOnce(&Database) -> Result<R, redb::Error>) -> Result<R, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(StoreError(CLOSED.into()))?;
        // A panic of the database concerns one request, not the thread that commits.
        let done = panic::catch_unwind(AssertUnwindSafe(|| act(database)));
        done.unwrap_or(Err(redb::Error::Corrupted("an assertion failed".into())))
            .map_err(|error| StoreError(error.to_string()))
    }

    fn commit(&self, sets: &[&[Write]]) -> Result<(), StoreError> {
        // Whoever reads again after a failure submits nothing first, and so brings the database back.
        if self.database.read().unwrap_or_else(PoisonError::into_inner).is_none() {
            self.reopen().map_err(|_| StoreError(CLOSED.into()))?;
        }
        if sets.iter().all(|writes| writes.is_empty()) {
            return Ok(());
        }
        let committed = self.with(|database| write(database, sets));
        if let Err(failure) = &committed {
            tracing::error!(%failure, "writes were lost; the requests they belong to are refused");
            if let Err(NotOpen::Broken(reason)) = self.reopen() {
                tracing::error!(reason, "the database does not open again");
            }
        }
        committed
    }

    fn submit(&self, generation: Generation, writes: Vec<Write>) -> Result<Ticket, StoreError> {
        let mut queue = self.queue();
        while queue.bytes > 0 && queue.bytes.saturating_add(bytes(&writes)) > MAX_WAITING_BYTES {
            queue = self.emptied.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.generation != generation {
            return Err(StoreError::stale());
        }
        let ticket = Ticket::default();
        queue.bytes = queue.bytes.saturating_add(bytes(&writes));
        queue.waiting.push(Submitted { writes, ticket: ticket.clone() });
        let idle = queue.idle;
        drop(queue);
        if idle {
            self.filled.notify_one();
        }
        Ok(ticket)
    }

    /// The committing thread: takes everything that waits, commits it as one, and settles it.
    fn commit_all(&self) {
        loop {
            let mut queue = self.queue();
            while queue.waiting.is_empty() && !queue.closed {
                queue.idle = true;
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.idle = false;
            let mut taken = std::mem::take(&mut queue.waiting);
            queue.bytes = 0;
            drop(queue);
            self.emptied.notify_all();
            if taken.is_empty() {
                return;
            }
            let sets: Vec<_> = taken.iter().map(|submitted| submitted.writes.as_slice()).collect();
            let committed = self.commit(&sets);
            if committed.is_err() {
                let mut queue = self.queue();
                queue.generation.0 = queue.generation.0.saturating_add(1);
                queue.bytes = 0;
                taken.append(&mut queue.waiting);
                drop(queue);
                self.emptied.notify_all();
            }
            for submitted in taken {
                submitted.ticket.settle(committed.clone());
            }
        }
    }
}

fn write(database: &Database, sets: &[&[Write]]) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    // Of several writes of one key the last counts.
    let writes: BTreeMap<_, _> = sets.iter().copied().flatten().map(|(key, value)| (key, value)).collect();
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

fn read(database: &Database, key: &[u8]) -> Result<Option<Vec<u8>>, redb::Error> {
    let entries = database.begin_read()?.open_table(ENTRIES)?;
    Ok(entries.get(key)?.map(|value| value.value().to_vec()))
}

fn read_range(database: &Database, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<KeyValue>, redb::Error> {
    let entries = database.begin_read()?.open_table(ENTRIES)?;
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

fn bytes(writes: &[Write]) -> usize {
    let bytes = |(key, value): &Write| key.len().saturating_add(value.as_ref().map_or(0, Vec::len));
    writes.iter().map(bytes).fold(0, usize::saturating_add)
}

impl Store for DiskStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.shared.with(|database| read(database, key))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<KeyValue>, StoreError> {
        self.shared.with(|database| read_range(database, prefix, from, limit))
    }

    fn generation(&self) -> Generation {
        self.shared.queue().generation
    }

    fn submit(&self, generation: Generation, writes: Vec<Write>) -> Result<Ticket, StoreError> {
        self.shared.submit(generation, writes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

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
        store.commit(vec![put("a/1", "one"), put("a/2", "two"), put("b/1", "three")]).unwrap();
        store.commit(vec![put("a/1", "uno"), ("a/2".into(), None)]).unwrap();
        drop(store);
        let store = DiskStore::open(folder.path()).unwrap();
        assert_eq!(store.get(b"a/1").unwrap(), Some(b"uno".to_vec()));
        assert_eq!(store.get(b"a/2").unwrap(), None);
        assert_eq!(store.scan(b"", b"", 9).unwrap(), entries(&[("a/1", "uno"), ("b/1", "three")]));
    }

    #[test]
    fn what_is_submitted_together_becomes_durable_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = DiskStore::open(folder.path()).unwrap();
        thread::scope(|scope| {
            for writer in 0..4u8 {
                let store = &store;
                scope.spawn(move || {
                    for round in 0..20u8 {
                        let generation = store.generation();
                        let sets = [round, 100 + round].map(|value| vec![(vec![writer], Some(vec![value]))]);
                        let tickets = sets.map(|writes| store.submit(generation, writes).unwrap());
                        assert_eq!(tickets[1].wait(), Ok(()));
                        assert_eq!(store.get(&[writer]).unwrap(), Some(vec![100 + round]), "the later one counts");
                    }
                });
            }
        });
        // What nobody waited for is there too.
        store.submit(store.generation(), vec![put("last", "one")]).unwrap();
        drop(store);
        let store = DiskStore::open(folder.path()).unwrap();
        assert_eq!(store.get(b"last").unwrap(), Some(b"one".to_vec()));
        assert_eq!(store.scan(b"", b"", 9).unwrap().len(), 5);
    }

    #[test]
    fn more_than_the_queue_holds_waits_and_passes() {
        let folder = tempfile::tempdir().unwrap();
        let store = DiskStore::open(folder.path()).unwrap();
        let large = |name: &str| vec![(name.into(), Some(vec![7; MAX_WAITING_BYTES]))];
        let tickets = ["a", "b", "c"].map(|name| store.submit(store.generation(), large(name)).unwrap());
        assert_eq!(tickets.map(|ticket| ticket.wait()), [Ok(()), Ok(()), Ok(())]);
        assert_eq!(store.scan(b"", b"", 9).unwrap().len(), 3);
    }

    /// A disk that can refuse to make anything durable.
    #[derive(Clone, Debug, Default)]
    struct Faulty(Arc<redb::backends::InMemoryBackend>, Arc<AtomicBool>);

    impl redb::StorageBackend for Faulty {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            if self.1.load(Ordering::SeqCst) { Err(io::Error::other("full")) } else { self.0.sync_data() }
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }
    }

    #[test]
    fn a_failed_commit_fails_what_was_made_before_it_was_known() {
        let disk = Faulty::default();
        let opened = disk.clone();
        let open: Opener = Box::new(move || Database::builder().create_with_backend(opened.clone()));
        let store = DiskStore::on(open).unwrap_or_else(|_| panic!());
        store.commit(vec![put("a", "1")]).unwrap();
        let before = store.generation();
        disk.1.store(true, Ordering::SeqCst);
        let tickets: Vec<_> = (0..3).filter_map(|_| store.submit(before, vec![put("b", "2")]).ok()).collect();
        assert!(tickets.iter().all(|ticket| ticket.wait().is_err()));
        assert!(store.generation() > before);
        assert_eq!(store.submit(before, vec![put("a", "3")]).unwrap_err(), StoreError::stale());
        assert!(store.commit(vec![put("a", "4")]).is_err(), "an answer, and no waiting for ever");
        assert!(store.get(b"a").is_err());
        // The disk works again: so does the store, with what was durable.
        disk.1.store(false, Ordering::SeqCst);
        store.commit(Vec::new()).unwrap();
        assert_eq!(store.get(b"a").unwrap(), Some(b"1".to_vec()));
        store.commit(vec![put("a", "6")]).unwrap();
        assert_eq!(store.get(b"a").unwrap(), Some(b"6".to_vec()));
    }

    #[test]
    fn a_scan_keeps_to_prefix_start_and_limit() {
        let folder = tempfile::tempdir().unwrap();
        let store = DiskStore::open(folder.path()).unwrap();
        store.commit(["a", "b1", "b2", "b3", "c"].map(|key| put(key, key)).into()).unwrap();
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
        store.commit(vec![put("key", "value")]).unwrap();
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
