//! The store: the only place that opens a connection.
//!
//! What it promises: a reading command leaves the file and its write-ahead log as they are; a writing command holds one
//! `BEGIN IMMEDIATE` transaction that is committed with `synchronous=FULL` or not at all; a foreign or newer file is
//! refused untouched; an older one is upgraded first. [`Tx`] is the proof that the write lock is held: only it gives the
//! connection to write with, so every function of this crate that changes a row demands one, and only this crate's write
//! paths can make it. What a store alone gives is a reader, which refuses a statement that writes.

mod copy;
mod create;
mod damage;
mod kept;
mod keys;
mod opened;
mod overlay;
mod place;
mod reader;
pub(crate) mod schema;
mod upgrade;
mod wait;
mod write;

use std::cell::{Cell, OnceCell, RefCell};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use self::kept::Kept;
use self::opened::Opened;
use self::place::{immutable_uri, log_is_empty};

pub(crate) use self::copy::{Found, copy_of, look, open_copy, put_in_place, write_over};
pub use self::create::NewKeys;
pub(crate) use self::create::{Created, create, remove_unfinished};
pub(crate) use self::damage::Reading;
pub use self::overlay::Overlay;
pub(crate) use self::place::account_name;
pub use self::place::{Loose, Place, account, owner_of};
pub(crate) use self::reader::Reader;
pub use self::write::Tx;

use crate::clock::{Source, Standing, Time};
use crate::error::{Error, Kind, Result};
use crate::progress::{Progress, Silent};
use crate::vault::Vault;
use crate::verb::{Opens, Verb};

/// `application_id` of a store: "2FA" and the number of this family of layouts.
pub(crate) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"2FA\x01");

/// The layout this program writes; `user_version` of a store.
pub(crate) const VERSION: i32 = 1;

/// How much is done between two looks at the clock, in rows or bytes.
const STEP: u64 = 256;

/// The latest schema, as a reader sees it.
pub(crate) const SCHEMA: &str = include_str!("../../schema.sql");

/// An open store.
pub struct Store {
    db: Connection,
    place: Place,
    id: String,
    writable: bool,
    wait: Duration,
    vault: OnceCell<Vault>,
    source: Rc<dyn Source>,
    kept: Kept,
    /// Who watches what takes long.
    watcher: Watcher,
    /// Set when something is committed.
    committed: Rc<Cell<bool>>,
    /// Last, so that the connection goes first.
    _opened: Opened,
}

/// Somebody who watches; an overlay is watched by whoever watches its store.
type Watcher = Rc<RefCell<Box<dyn Progress>>>;

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

    /// Opens the store to read for a verb that writes, where it only looks (`--dry-run`).
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_to_look(
        place: &Place,
        verb: &Verb,
        wait: Duration,
        source: Rc<dyn Source>,
    ) -> Result<Store> {
        let reads = Verb {
            opens: match verb.opens {
                Opens::Write => Opens::Read,
                other => other,
            },
            ..*verb
        };
        Store::open(place, &reads, wait, source)
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
        let version = refuse_newer(&db, &place.db)?;
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
            kept: Kept::default(),
            watcher: Rc::new(RefCell::new(Box::new(Silent))),
            committed: Rc::default(),
            _opened: opened,
        })
    }

    /// From now on `progress` is told of what takes long.
    pub fn watch(&self, progress: Box<dyn Progress>) {
        *self.watcher.borrow_mut() = progress;
    }

    /// From now on `committed` is set when a transaction is committed: whoever fails after that says so.
    pub fn tell_of_commits(&mut self, committed: &Rc<Cell<bool>>) {
        self.committed = Rc::clone(committed);
    }

    /// Runs `work`, whose rows or bytes are counted with what it is handed, while somebody may watch.
    pub(crate) fn watched<T>(
        &self,
        what: &str,
        total: Option<u64>,
        work: impl FnOnce(&mut dyn FnMut(u64)) -> Result<T>,
    ) -> Result<T> {
        self.watcher.borrow_mut().begin(what, total);
        let mut last = 0u64;
        let done = work(&mut |done| {
            // The clock is not looked at for every row.
            if done.saturating_sub(last) >= STEP {
                last = done;
                self.watcher.borrow_mut().at(done);
            }
        });
        self.watcher.borrow_mut().end();
        done
    }

    /// What is read with. Within a transaction it sees what was written.
    pub(crate) fn db(&self) -> Reader<'_> {
        Reader::new(&self.db)
    }

    /// The connection itself, for a test that does to a store what this crate does not.
    #[cfg(test)]
    pub(crate) fn tampered(&self) -> &Connection {
        &self.db
    }

    /// Where the store and its key are.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The random id of this store.
    #[must_use]
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether it was opened to write.
    #[must_use]
    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    /// The moment, by the clock this store was opened with.
    #[must_use]
    pub fn now(&self) -> Time {
        self.source.now()
    }

    /// From now on its clock stands at `at`, for who looks at the store as at that moment. A store that is opened to write
    /// keeps its clock.
    pub fn stand_still(&mut self, at: Time) {
        if !self.writable {
            self.set_clock(at);
        }
    }

    fn set_clock(&mut self, at: Time) {
        let other = Rc::clone(&self.source);
        self.source = Rc::new(Standing { at, other });
    }

    /// The clock and the random bytes this store was opened with.
    #[must_use]
    pub fn source(&self) -> &dyn Source {
        self.source.as_ref()
    }

    /// The same, for another store of this process.
    pub(crate) fn shared_source(&self) -> Rc<dyn Source> {
        Rc::clone(&self.source)
    }

    /// A number that is another one after any commit of another connection (`SQLite`, `PRAGMA data_version`).
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub(crate) fn data_version(&self) -> Result<i64> {
        Ok(self
            .db()
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?)
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

/// The layout of a store, which this program must know.
fn refuse_newer(db: &Connection, path: &Path) -> Result<i32> {
    let version: i32 = db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|error| unreadable(path, error))?;
    if version > VERSION {
        return Err(Error::new(
            Kind::NewerStore,
            format!(
                "`{}` was written by a newer twofa (layout {version}, this one knows {VERSION})",
                path.display()
            ),
        )
        .hint("run the newer twofa; the file was not touched"));
    }
    Ok(version)
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
        // A store has none: whoever puts one into the file would have it run with the rights of the next command. Those of
        // an overlay are temporary, and run all the same.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
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
pub(crate) mod tests;
