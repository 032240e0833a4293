//! The store: the only place that opens a connection.
//!
//! What it promises: a reading command leaves the file and its write-ahead log as they are; a writing command holds one
//! `BEGIN IMMEDIATE` transaction that is committed with `synchronous=FULL` or not at all; a foreign or newer file is
//! refused untouched; an older one is upgraded first. [`Tx`] is the proof that the write lock is held: every function of
//! this crate that changes a row demands one, and only this crate's write paths can make it.

mod create;
mod opened;
mod place;
mod upgrade;

use std::cell::OnceCell;
use std::fs;
use std::io::Read as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use self::opened::Opened;

pub use self::create::{Created, create};
pub(crate) use self::place::make_directory;
pub use self::place::{Loose, Owner, Place, account, account_name, owner_of};

use crate::clock::{Source, Time};
use crate::error::{Error, Kind, Result};
use crate::vault::{Ring, Vault};
use crate::verb::{Opens, Verb};

/// `application_id` of a store: "2FA" and the number of this family of layouts.
pub const APPLICATION_ID: i32 = i32::from_be_bytes(*b"2FA\x01");

/// The layout this program writes; `user_version` of a store.
pub const VERSION: i32 = 1;

/// The latest schema, as a reader sees it.
pub const SCHEMA: &str = include_str!("../../schema.sql");

/// An open store.
pub struct Store {
    db: Connection,
    place: Place,
    id: String,
    writable: bool,
    wait: Duration,
    vault: OnceCell<Vault>,
    source: Rc<dyn Source>,
    /// Last, so that the connection goes first.
    _opened: Opened,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.place.db.display())
    }
}

impl Store {
    /// Opens the store at `place` the way `verb` needs it, waiting up to `wait` for a busy one.
    ///
    /// # Errors
    /// [`Kind::StoreMissing`], [`Kind::ForeignStore`], [`Kind::NewerStore`], [`Kind::ReadOnly`], [`Kind::Busy`],
    /// [`Kind::Storage`]; [`Kind::Usage`] for a verb that opens no store. The key file is not read here.
    pub fn open(
        place: &Place,
        verb: &Verb,
        wait: Duration,
        source: Rc<dyn Source>,
    ) -> Result<Store> {
        match verb.opens {
            Opens::Read => Store::connect(place, false, wait, source),
            Opens::Write | Opens::Create => Store::connect(place, true, wait, source),
            Opens::Nothing => Err(Error::new(
                Kind::Usage,
                format!("`twofa {}` opens no store", verb.path),
            )),
        }
    }

    /// The same store, opened to write: for the one audit row of a reading command that was denied.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) fn writing_twin(&self) -> Result<Store> {
        Store::connect(&self.place, true, self.wait, Rc::clone(&self.source))
    }

    fn connect(
        place: &Place,
        writable: bool,
        wait: Duration,
        source: Rc<dyn Source>,
    ) -> Result<Store> {
        let opened = Opened::begin(&place.db, check_header)?;
        let db = open_file(&place.db, writable, wait)?;
        let version: i32 = db
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|error| unreadable(&place.db, error))?;
        if version > VERSION {
            return Err(Error::new(
                Kind::NewerStore,
                format!("`{}` was written by a newer twofa (layout {version}, this one knows {VERSION})", place.db.display()),
            )
            .hint("run the newer twofa; the file was not touched"));
        }
        if version < VERSION {
            if !writable {
                // A reading command cannot upgrade; one writing connection does, and the reading one starts over.
                drop(Store::connect(place, true, wait, Rc::clone(&source))?);
                return Store::connect(place, false, wait, source);
            }
            upgrade::run(&db, upgrade::STEPS)?;
        }
        let store_id = db.query_row("SELECT store_id FROM store", [], |row| row.get(0))?;
        Ok(Store {
            db,
            place: place.clone(),
            id: store_id,
            writable,
            wait,
            vault: OnceCell::new(),
            source,
            _opened: opened,
        })
    }

    /// The connection, to read with.
    pub(crate) fn db(&self) -> &Connection {
        &self.db
    }

    /// Where the store and its key are.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The random id of this store.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it was opened to write.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// The moment, by the clock this store was opened with.
    #[must_use]
    pub fn now(&self) -> Time {
        self.source.now()
    }

    /// The clock and the random bytes this store was opened with.
    #[must_use]
    pub fn source(&self) -> &dyn Source {
        self.source.as_ref()
    }

    /// The opened keys. Read from the key file when first asked for.
    ///
    /// # Errors
    /// [`Kind::KeyMissing`], [`Kind::KeyWrong`], [`Kind::Storage`].
    pub fn vault(&self) -> Result<&Vault> {
        if let Some(vault) = self.vault.get() {
            return Ok(vault);
        }
        let vault = Vault::open(&self.db, &self.id, &Ring::read(&self.place.key)?)?;
        Ok(self.vault.get_or_init(|| vault))
    }

    /// Runs `work` in one `BEGIN IMMEDIATE` transaction and commits it; an error rolls everything back.
    ///
    /// # Errors
    /// What `work` returns; [`Kind::Busy`] after the wait; [`Kind::ReadOnly`], [`Kind::DiskFull`], [`Kind::Storage`].
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        if !self.writable {
            return Err(Error::new(
                Kind::Storage,
                "this command opened the store to read only",
            ));
        }
        let inner = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
        let tx = Tx { store: self, inner };
        let done = work(&tx)?;
        tx.inner.commit()?;
        Ok(done)
    }
}

/// The write lock of a store, held. Reads through it see what it wrote.
pub struct Tx<'s> {
    store: &'s Store,
    inner: Transaction<'s>,
}

impl Deref for Tx<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store
    }
}

impl Tx<'_> {
    /// Runs `work`; when it fails, what it wrote is undone and the transaction goes on.
    pub(crate) fn savepoint<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<Result<T>> {
        self.inner.execute_batch("SAVEPOINT work")?;
        let done = work();
        let end = if done.is_ok() {
            "RELEASE work"
        } else {
            "ROLLBACK TO work; RELEASE work"
        };
        self.inner.execute_batch(end)?;
        Ok(done)
    }

    /// The id that the next row of `table` gets. A sealed value is bound to its row, so the id must be known first.
    pub(crate) fn next_id(&self, table: &'static str) -> Result<i64> {
        let last: Option<i64> = self
            .db()
            .prepare_cached("SELECT max(seq) FROM sqlite_sequence WHERE name = ?1")?
            .query_row([table], |row| row.get(0))?;
        Ok(last.unwrap_or(0) + 1)
    }
}

/// Refuses what is not a store before `SQLite` touches it: its first bytes are read as a plain file. `application_id`
/// stands at offset 68 (`SQLite` file format, section 1.3), and `init` writes it into the main file itself.
fn check_header(path: &Path) -> Result<()> {
    let shown = path.display();
    let mut head = [0u8; 100];
    // Looked at before it is opened: opening a pipe would wait for its other end.
    let read = fs::metadata(path).and_then(|found| {
        if found.is_dir() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::IsADirectory,
                "it is a directory",
            ));
        }
        if !found.is_file() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        fs::File::open(path)?.read_exact(&mut head)
    });
    let foreign = || {
        Error::new(
            Kind::ForeignStore,
            format!("`{shown}` is not a twofa store"),
        )
        .hint("name another file with --db; this one was not touched")
    };
    match read {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::new(
                Kind::StoreMissing,
                format!("there is no store at `{shown}`"),
            )
            .hint("`twofa init` makes one; --db names another"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err(foreign()),
        Err(error) => {
            return Err(
                Error::new(Kind::Io, format!("cannot read the store `{shown}`")).because(error),
            );
        }
    }
    let application = i32::from_be_bytes([head[68], head[69], head[70], head[71]]);
    if &head[..16] != b"SQLite format 3\0" || application != APPLICATION_ID {
        return Err(foreign());
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that opens a connection"
)]
fn open_file(path: &Path, writable: bool, wait: Duration) -> Result<Connection> {
    let base = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let db = if writable {
        refuse_read_only(path)?;
        Connection::open_with_flags(path, base | OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(|error| unreadable(path, error))?
    } else {
        let reading = base | OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db =
            Connection::open_with_flags(path, reading).map_err(|error| unreadable(path, error))?;
        // rusqlite waits five seconds unless told, and the next statement is the first that may have to.
        db.busy_timeout(wait)?;
        match db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        }) {
            Ok(_) => db,
            // In a directory that cannot be written, or on a full disk, SQLite cannot make the index of the log. When
            // there is no log, nothing is missed by reading the file as it lies there.
            Err(error) if has_no_index(&error) && log_is_empty(path) => {
                Connection::open_with_flags(
                    immutable_uri(path),
                    reading | OpenFlags::SQLITE_OPEN_URI,
                )
                .map_err(|error| unreadable(path, error))?
            }
            Err(error) => return Err(unreadable(path, error)),
        }
    };
    db.busy_timeout(wait)?;
    settle(&db, writable).map_err(|error| unreadable(path, error))?;
    Ok(db)
}

/// What every connection is set to.
fn settle(db: &Connection, writable: bool) -> rusqlite::Result<()> {
    for (setting, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        // The plan of a statement follows from its text alone: it is the plan that a test has looked at, and binding
        // another value does not prepare it anew.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !writable),
    ] {
        db.set_db_config(setting, value)?;
    }
    db.set_prepared_statement_cache_capacity(128);
    if writable {
        // 8 MiB of pages: a process that stays reads the inner pages of large tables once.
        db.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA cache_size = -8192",
        )?;
    } else {
        db.execute_batch("PRAGMA query_only = ON")?;
    }
    Ok(())
}

/// `SQLite` opens a file it may not write all the same and fails at the first write; say so before anything is asked.
/// The file is not opened for that: to close it would drop the locks of a connection this process has.
fn refuse_read_only(path: &Path) -> Result<()> {
    #[cfg(unix)]
    let may = nix::unistd::faccessat(
        nix::fcntl::AT_FDCWD,
        path,
        nix::unistd::AccessFlags::W_OK,
        nix::fcntl::AtFlags::AT_EACCESS,
    )
    .map_err(std::io::Error::from);
    #[cfg(not(unix))]
    let may = fs::OpenOptions::new().write(true).open(path).map(drop);
    may.map_err(|error| {
        Error::new(
            Kind::ReadOnly,
            format!("the store `{}` cannot be written", path.display()),
        )
        .because(error)
        .hint("run the command as the store's owner; reading commands still work")
    })
}

/// Whether `SQLite` could not make the index of its log: not at all, or not as long as it must be.
fn has_no_index(error: &rusqlite::Error) -> bool {
    let full = error.sqlite_error();
    lacks_its_log(error)
        || full.is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

fn log_is_empty(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(PathBuf::from(log)).map_or(true, |file| file.len() == 0)
}

/// `file:PATH?immutable=1`, with the characters that mean something in a URI escaped (`SQLite`, "Uniform Resource
/// Identifiers", section 3.1).
fn immutable_uri(path: &Path) -> String {
    let escaped = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    format!("file:{escaped}?immutable=1")
}

/// Whether `SQLite` could not make the log or its index. To an account that may not write into the directory it says
/// `SQLITE_READONLY_DIRECTORY` of a connection that only reads.
fn lacks_its_log(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly)
    )
}

fn unreadable(path: &Path, error: rusqlite::Error) -> Error {
    if lacks_its_log(&error) {
        return Error::new(
            Kind::ReadOnly,
            format!("the store `{}` cannot be opened", path.display()),
        )
        .because(error)
        .hint("SQLite keeps a log beside the file: the directory must be writable, and files there that end in -wal and -shm too");
    }
    error.into()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};

    use rusqlite::trace::{TraceEvent, TraceEventCodes};

    use super::*;
    use crate::clock::Fixed;

    /// A new store in a directory of its own, with a clock that stands at 2026-01-01T00:00:00Z.
    pub(crate) struct Fresh {
        /// Removed when this goes.
        pub(crate) directory: tempfile::TempDir,
        pub(crate) clock: Rc<Fixed>,
        pub(crate) store: Store,
    }

    /// Every statement that `store` executes from now on.
    pub(crate) fn traced(store: &mut Store) -> Arc<Mutex<BTreeSet<String>>> {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let kept = Arc::clone(&seen);
        let keep = move |event: TraceEvent<'_>| {
            if let TraceEvent::Stmt(_, sql) = event {
                kept.lock().unwrap().insert(sql.to_owned());
            }
        };
        store
            .db
            .trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(keep))
            .unwrap();
        seen
    }

    pub(crate) const START: Time = Time(1_767_225_600);

    pub(crate) fn fresh() -> Fresh {
        let directory = tempfile::tempdir().unwrap();
        let clock = Rc::new(Fixed::new(START, 7));
        let place = Place::new(directory.path().join("twofa.db"), None);
        create(&place, None, clock.as_ref()).unwrap();
        let store = Store::connect(
            &place,
            true,
            Duration::from_secs(5),
            Rc::clone(&clock) as Rc<dyn Source>,
        )
        .unwrap();
        Fresh {
            directory,
            clock,
            store,
        }
    }

    #[test]
    fn a_foreign_file_is_refused_untouched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        for bytes in [&b""[..], b"hello", &[0u8; 4096], b"SQLite format 3\0 and then nothing of ours ...................................................................."] {
            fs::write(&path, bytes).unwrap();
            let error = check_header(&path).unwrap_err();
            assert_eq!(error.kind(), Kind::ForeignStore);
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn a_newer_store_is_refused() {
        let fresh = fresh();
        fresh
            .store
            .db()
            .execute_batch("PRAGMA user_version = 99")
            .unwrap();
        let place = fresh.store.place().clone();
        let error = Store::connect(
            &place,
            true,
            Duration::ZERO,
            Rc::clone(&fresh.clock) as Rc<dyn Source>,
        )
        .unwrap_err();
        assert_eq!(error.kind(), Kind::NewerStore);
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let fresh = fresh();
        let result: Result<()> = fresh.store.write(|tx| {
            tx.db().execute("UPDATE method SET enabled = 1", [])?;
            Err(Error::new(Kind::Guard, "no"))
        });
        assert!(result.is_err());
        let enabled: i64 = fresh
            .store
            .db()
            .query_row("SELECT count(*) FROM method WHERE enabled = 1", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(enabled, 0);
    }

    #[test]
    fn a_second_writer_waits_and_is_told() {
        let fresh = fresh();
        let place = fresh.store.place().clone();
        let other = Store::connect(
            &place,
            true,
            Duration::ZERO,
            Rc::clone(&fresh.clock) as Rc<dyn Source>,
        )
        .unwrap();
        fresh
            .store
            .write(|_| {
                let busy = other.write(|_| Ok(())).unwrap_err();
                assert_eq!(busy.kind(), Kind::Busy);
                Ok(())
            })
            .unwrap();
    }

    /// To open a store a second time, to write or to read, leaves the locks of the first connection where they are.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_second_opening_drops_no_lock() {
        use std::os::unix::fs::OpenOptionsExt as _;

        use nix::fcntl::{FcntlArg, fcntl};
        use nix::libc;

        let fresh = fresh();
        let place = fresh.store.place().clone();
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_CLOEXEC)
            .open(&place.db)
            .unwrap();
        // The first connection reads, and so holds a lock until it goes.
        fresh
            .store
            .db()
            .query_row("SELECT count(*) FROM user", [], |_| Ok(()))
            .unwrap();
        let is_locked = || {
            let mut lock = libc::flock {
                l_type: i16::try_from(libc::F_WRLCK).unwrap(),
                l_whence: i16::try_from(libc::SEEK_SET).unwrap(),
                l_start: 0,
                l_len: 0,
                l_pid: 0,
            };
            // A lock of the open file, not of the process: it sees the process's own.
            fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock)).unwrap();
            i32::from(lock.l_type) != libc::F_UNLCK
        };
        assert!(is_locked());
        for writable in [true, false] {
            let again = Store::connect(
                &place,
                writable,
                Duration::ZERO,
                Rc::clone(&fresh.clock) as Rc<dyn Source>,
            )
            .unwrap();
            assert!(is_locked());
            drop(again);
            assert!(is_locked());
        }
        create(&place, None, fresh.clock.as_ref()).unwrap();
        assert!(is_locked());
    }
}
