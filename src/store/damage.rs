//! A store that may be damaged: opening it all the same, and reading the file from one end to the other.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::kept::Kept;
use super::opened::Opened;
use super::{Place, STEP, Store, check_header, settle, unreadable};
use crate::clock::Source;
use crate::error::{Error, Kind, Result};
use crate::progress::Silent;

/// What `PRAGMA integrity_check` says.
#[derive(Debug)]
pub(crate) struct Integrity {
    /// What is wrong, at most a hundred lines.
    pub(crate) lines: Vec<String>,
    /// Whether the rules of columns were looked at too.
    pub(crate) rules: bool,
}

/// A file that is being read; nothing, where it is read by whoever waits for it ([`Store::integrity`]).
#[derive(Debug)]
pub(crate) struct Reading(Option<mpsc::Receiver<Result<Vec<String>>>>);

impl Store {
    /// Opens a store that may be too damaged to be opened otherwise, to read what can be read of it. Whoever is given one
    /// is whoever may have the file anyway: nothing of it says who acts ([`crate::actor::open_damaged`]).
    ///
    /// # Errors
    /// As [`Store::open`], but for what is damaged behind the first bytes of the file.
    pub(crate) fn open_damaged(
        place: &Place,
        wait: Duration,
        source: Rc<dyn Source>,
    ) -> Result<Store> {
        let opened = Opened::begin(&place.db, check_header)?;
        let db = open_to_look(&place.db, OpenFlags::SQLITE_OPEN_READ_ONLY, wait)?;
        let id = db.query_row("SELECT store_id FROM store", [], |row| row.get(0));
        Ok(Store {
            db,
            place: place.clone(),
            id: id.unwrap_or_default(),
            writable: false,
            wait,
            vault: OnceCell::new(),
            source,
            kept: Kept::default(),
            watcher: Rc::new(RefCell::new(Box::new(Silent))),
            committed: Rc::default(),
            _opened: opened,
        })
    }

    /// Begins to read the file page by page, and each index against its table. Nothing is written.
    ///
    /// It is read on a thread of its own: other questions can be asked meanwhile, which wait for another part of the machine
    /// (they open seals, this one reads pages).
    ///
    /// The rules of columns (`CHECK`) are looked at by a connection of its own, which may write and is told not to: a
    /// connection that was opened to read does not know them (`SQLite`, `sqlite3AddCheckConstraint`). Where the file cannot
    /// be opened so, they are left out, and the answer says it.
    pub(crate) fn begin_integrity(&self) -> Reading {
        let twin = open_to_look(&self.place.db, OpenFlags::SQLITE_OPEN_READ_WRITE, self.wait);
        let twin = twin.ok().filter(|twin| {
            // SQLite opens a file that it may not write as one to read.
            matches!(twin.is_readonly("main"), Ok(false)) && is_readable(twin)
        });
        Reading(twin.map(|twin| aside(twin, lines)))
    }

    /// Waits for the end of a reading.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`], where the damage keeps the look from beginning.
    pub(crate) fn integrity(&self, reading: Reading) -> Result<Integrity> {
        let rules = reading.0.is_some();
        let lines = match reading.0 {
            Some(answer) => self.awaited("Reading the file", &answer)?,
            // A connection of its own may be none: in a directory that cannot be written there is one way to read.
            None => lines(&self.db)?,
        };
        Ok(Integrity { lines, rules })
    }

    /// The rows that name rows which are not there: how many of each table, and by which of its references.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn broken_references(&self) -> Result<BTreeMap<(String, i64), u64>> {
        let twin = open_to_look(&self.place.db, OpenFlags::SQLITE_OPEN_READ_ONLY, self.wait);
        match twin.ok().filter(is_readable) {
            Some(twin) => self.awaited("Following references", &aside(twin, broken_references)),
            None => broken_references(&self.db),
        }
    }

    /// Waits for a statement that takes long and tells nothing of how far it is, while somebody may watch that it goes on.
    fn awaited<T>(&self, what: &str, answer: &mpsc::Receiver<Result<T>>) -> Result<T> {
        self.watched(what, None, |at| {
            for tick in 1.. {
                match answer.recv_timeout(TICK) {
                    Ok(done) => return done,
                    Err(mpsc::RecvTimeoutError::Timeout) => at(tick * STEP),
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
            }
            Err(Error::new(
                Kind::Storage,
                "the check did not come to its end",
            ))
        })
    }
}

/// Runs a statement that takes long on a thread of its own.
fn aside<T: Send + 'static>(
    twin: Connection,
    work: fn(&Connection) -> Result<T>,
) -> mpsc::Receiver<Result<T>> {
    let (give, take) = mpsc::channel();
    thread::spawn(move || {
        // Whoever asked may have gone: then nobody waits for the answer.
        let _ = give.send(work(&twin));
    });
    take
}

/// How often is shown that something goes on.
const TICK: Duration = Duration::from_millis(200);

fn broken_references(db: &Connection) -> Result<BTreeMap<(String, i64), u64>> {
    let mut broken: BTreeMap<(String, i64), u64> = BTreeMap::new();
    let mut query = db.prepare("PRAGMA foreign_key_check")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        *broken.entry((row.get(0)?, row.get(3)?)).or_default() += 1;
    }
    Ok(broken)
}

fn is_readable(db: &Connection) -> bool {
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .is_ok()
}

fn lines(db: &Connection) -> Result<Vec<String>> {
    let mut query = db.prepare("PRAGMA integrity_check")?;
    let rows = query.query_map([], |row| row.get::<_, String>(0))?;
    let answers = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    // What is wrong with one tree of pages is told in several lines of one row.
    let lines = answers.iter().flat_map(|answer| answer.lines());
    Ok(lines
        .filter(|line| *line != "ok")
        .map(str::to_owned)
        .collect())
}

/// A connection that changes nothing, however it was opened; of what is damaged the reader hears when they ask for it.
#[expect(
    clippy::disallowed_methods,
    reason = "the store is the one place that opens a connection"
)]
fn open_to_look(path: &Path, how: OpenFlags, wait: Duration) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE | how;
    let failed = |error| unreadable(path, error);
    let db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.busy_timeout(wait)?;
    settle(&db, false).map_err(failed)?;
    Ok(db)
}
