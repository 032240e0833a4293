//! Copies of a whole store, out of it and over it, by `SQLite`'s own backup interface.
//!
//! Out of it: one moment of it, however many write meanwhile, into a file that needs no log beside it. Over it: in one
//! transaction of the file that is written over, which other processes see as any other commit; what is copied may be
//! made when nobody else can write that file any more.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, params};

use super::{APPLICATION_ID, Place, Store, Tx, create, open_file, refuse_newer};
use crate::clock::Source;
use crate::error::{Error, Kind, Result};
use crate::files::{PrivateFile, directory_of, sync_directory, with_suffix};

/// How many pages are copied between two looks at how far it is.
const PAGES: i32 = 1_024;

impl Store {
    /// Copies the store into the empty file at `path`, which nobody else knows. Of a snapshot that is held, that moment
    /// is copied.
    ///
    /// # Errors
    /// [`Kind::Storage`], [`Kind::DiskFull`].
    pub(crate) fn copy_to(&self, path: &Path) -> Result<()> {
        let _moment = self.db().moment()?;
        self.watched("Copying the store", None, |at| copy(&self.db, path, at))
    }

    /// What `SQLite` finds wrong with the file: nothing, or its first words.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub(crate) fn damage(&self, thorough: bool) -> Result<Option<String>> {
        let check = if thorough {
            "PRAGMA integrity_check(1)"
        } else {
            // Indices are not held against their tables.
            "PRAGMA quick_check(1)"
        };
        let said: String = self.watched("Looking for damage", None, |_| {
            Ok(self.db().query_row(check, [], |row| row.get(0))?)
        })?;
        Ok((said != "ok").then_some(said))
    }
}

/// Copies one moment of `from` into an empty file.
fn copy(from: &Connection, path: &Path, at: &mut dyn FnMut(u64)) -> Result<()> {
    let of_copy = |error: rusqlite::Error| Error::from(error).in_front("the copy");
    // The copy is begun anew where its moment is another one; a read transaction that has begun holds it.
    from.query_row("SELECT count(*) FROM store", [], |_| Ok(()))?;
    let mut to = open_file(path, true, Duration::ZERO)?;
    {
        let backup = Backup::new(from, &mut to).map_err(of_copy)?;
        loop {
            match backup.step(PAGES).map_err(of_copy)? {
                StepResult::Done => break,
                StepResult::More => {
                    let so_far = backup.progress();
                    let done = so_far.pagecount.saturating_sub(so_far.remaining);
                    at(u64::try_from(done).unwrap_or_default());
                }
                _ => return Err(Error::new(Kind::Busy, "the store is busy")),
            }
        }
    }
    // It opens anywhere then, also where no log can be made.
    let mode: String = to
        .query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))
        .map_err(of_copy)?;
    if mode != "delete" {
        return Err(Error::new(Kind::Storage, "the copy keeps a log of its own"));
    }
    to.close().map_err(|(_, error)| of_copy(error))
}

/// Copies the store that lies in the file at `from`, whatever its layout, into the empty file at `path`. `from` is not
/// touched.
///
/// # Errors
/// [`Kind::StoreMissing`], [`Kind::ForeignStore`], [`Kind::Storage`], [`Kind::DiskFull`].
pub(crate) fn copy_of(from: &Path, path: &Path, wait: Duration) -> Result<()> {
    let opened = super::opened::Opened::begin(from, super::check_header)?;
    let db = open_file(from, false, wait)?;
    refuse_newer(&db, from)?;
    db.execute_batch("BEGIN")?;
    let copied = copy(&db, path, &mut |_| {});
    drop(db);
    drop(opened);
    copied
}

/// Opens a copy of a store that nobody else knows. One that is opened to write is brought to the latest layout.
///
/// # Errors
/// As [`Store::open`].
pub(crate) fn open_copy(place: &Place, writable: bool, source: Rc<dyn Source>) -> Result<Store> {
    Store::connect(place, writable, Duration::ZERO, source)
}

impl Tx<'_> {
    /// From now on gives no id that a row of `other`, another moment of the same store, has had.
    pub(crate) fn ids_behind(&self, other: &Store) -> Result<()> {
        let mut query = other
            .db()
            .prepare("SELECT name, max(seq) FROM sqlite_sequence GROUP BY name")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (name, seq): (String, i64) = (row.get(0)?, row.get(1)?);
            let raised = self.db().execute(
                "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1",
                params![name, seq],
            )?;
            if raised == 0 {
                self.db().execute(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)",
                    params![name, seq],
                )?;
            }
        }
        Ok(())
    }
}

/// What stands at a place where a store is to be.
#[derive(Debug)]
pub(crate) enum Found {
    /// A store that can be read.
    Store(Box<Store>),
    /// Nothing.
    Absent,
    /// What was a store, or is none any more: why it cannot be read.
    Unreadable(String),
}

/// Looks at what stands at a place, to write over it.
///
/// # Errors
/// [`Kind::ForeignStore`] for a database of another program, [`Kind::NewerStore`], and what has nothing to do with the
/// file itself: [`Kind::ReadOnly`], [`Kind::Busy`], [`Kind::Io`].
pub(crate) fn look(place: &Place, wait: Duration, source: &Rc<dyn Source>) -> Result<Found> {
    let found = Store::connect(place, true, wait, Rc::clone(source)).and_then(|store| {
        Ok(match store.damage(false)? {
            None => Found::Store(Box::new(store)),
            Some(damage) => Found::Unreadable(damage),
        })
    });
    match found {
        Err(error) if error.kind() == Kind::StoreMissing => Ok(Found::Absent),
        Err(error) if error.kind() == Kind::ForeignStore && !is_of_another(&place.db) => {
            Ok(Found::Unreadable(error.message()))
        }
        // What fails for want of memory, or by a disk that may answer in a moment, may be whole: it is not given up.
        Err(error) if error.is_of_system() => Err(error.hint(
            "nothing was changed; to restore without what this store knows, move it away, with its -wal file",
        )),
        Err(error) if error.kind() == Kind::Storage => Ok(Found::Unreadable(error.message())),
        found => found,
    }
}

/// Whether a file that is no store is a database of another program, or no file at all.
fn is_of_another(path: &Path) -> bool {
    use std::io::Read as _;
    if !path.is_file() {
        return true;
    }
    let mut head = [0u8; 72];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok()
        && &head[..16] == b"SQLite format 3\0"
        && head[68..] != APPLICATION_ID.to_be_bytes()
}

/// Writes a whole store over the one at `place`, in one transaction of the latter. `last` is run once nobody else can
/// write the latter any more: what it writes into `merged` is copied too, and when it fails nothing was changed.
///
/// # Errors
/// What `last` returns; [`Kind::Busy`] after the wait; [`Kind::Storage`], [`Kind::DiskFull`].
pub(crate) fn write_over<T>(
    merged: &Store,
    place: &Place,
    wait: Duration,
    last: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let _opened = super::opened::Opened::begin(&place.db, super::check_header)?;
    let mut live = open_file(&place.db, true, wait)?;
    let backup = Backup::new(&merged.db, &mut live)?;
    let taken = |step: StepResult| match step {
        StepResult::Busy | StepResult::Locked => Err(Error::from(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            None,
        ))),
        other => Ok(other),
    };
    // No page yet: it takes the write lock, and waits for it.
    taken(backup.step(0)?)?;
    let done = last()?;
    merged.watched("Writing the store", None, |at| {
        loop {
            // The last step commits.
            let step = backup
                .step(PAGES)
                .map_err(|error| Error::from(error).in_commit());
            let step = taken(step?)?;
            let so_far = backup.progress();
            at(u64::try_from(so_far.pagecount - so_far.remaining).unwrap_or_default());
            if step == StepResult::Done {
                return Ok(());
            }
        }
    })?;
    Ok(done)
}

/// Puts a store, whose file lies under a hidden name, where none is or where one cannot be read. What is in the way is
/// moved aside first, its log with it; the name it gets is returned.
///
/// # Errors
/// [`Kind::Io`].
pub(crate) fn put_in_place(file: PrivateFile<'_>, place: &Place) -> Result<Option<PathBuf>> {
    let failed = |error: std::io::Error| {
        let message = format!("cannot put the store at `{}`", place.db.display());
        Error::new(Kind::Io, message).because(error)
    };
    create::use_log(file.hidden())?;
    let aside = out_of_the_way(&place.db).map_err(failed)?;
    file.finish().map_err(|error| {
        let error = failed(error);
        match &aside {
            Some(aside) => error.hint(format!("what stood there is at `{}` now", aside.display())),
            None => error,
        }
    })?;
    Ok(aside)
}

/// Moves aside what has the name of a store, and a log that has. What they are called then: the store, if there was one.
fn out_of_the_way(db: &Path) -> std::io::Result<Option<PathBuf>> {
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    // Neither the index of a log nor an empty log holds anything.
    let index = with_suffix(db, "-shm");
    if is_there(&index) {
        fs::remove_file(index)?;
    }
    let log = with_suffix(db, "-wal");
    if log.metadata().is_ok_and(|log| log.len() == 0) {
        fs::remove_file(log)?;
    }
    // The store first: without its log it could look whole, and be an older one.
    let ends = ["", "-wal", "-journal"];
    let there: Vec<&str> = ends
        .into_iter()
        .filter(|end| is_there(&with_suffix(db, end)))
        .collect();
    let Some(first) = there.first() else {
        return Ok(None);
    };
    let mut number = 1;
    let name = loop {
        let name = with_suffix(db, &format!(".unreadable-{number}"));
        if !ends.iter().any(|end| is_there(&with_suffix(&name, end))) {
            break name;
        }
        number += 1;
    };
    for end in &there {
        fs::rename(with_suffix(db, end), with_suffix(&name, end))?;
        // A loss of power must not undo the first of two renames alone.
        sync_directory(directory_of(db))?;
    }
    Ok(Some(with_suffix(&name, first)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::progress::Progress;
    use crate::store::tests::fresh;

    /// Writes each time it is told how far something is.
    struct Writer {
        store: Store,
        times: Rc<Cell<u32>>,
    }

    fn grow(store: &Store, rows: i64) {
        let insert = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO outbox (method, recipient, sender, state, created_at, closed_at)
             SELECT 'email', hex(zeroblob(2000)), 'trial', 'accepted', 0, 0 FROM n";
        store
            .write(|tx| {
                tx.db().execute(insert, [rows])?;
                Ok(tx
                    .db()
                    .execute("UPDATE unknown_login SET failures = failures + 1", [])?)
            })
            .unwrap();
    }

    fn failures_and_rows(store: &Store) -> (i64, i64) {
        let sql = "SELECT (SELECT failures FROM unknown_login), (SELECT count(*) FROM outbox)";
        store
            .db()
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
    }

    impl Progress for Writer {
        fn begin(&mut self, _: &str, _: Option<u64>) {}

        fn at(&mut self, _: u64) {
            self.times.set(self.times.get() + 1);
            grow(&self.store, 10);
        }

        fn end(&mut self) {}
    }

    /// Many steps are one moment, although others write between them.
    #[test]
    fn a_copy_in_many_steps_is_of_one_moment() {
        let fresh = fresh();
        grow(&fresh.store, 3 * i64::from(PAGES));
        let times = Rc::new(Cell::new(0));
        fresh.store.watch(Box::new(Writer {
            store: fresh.store.writing_twin().unwrap(),
            times: Rc::clone(&times),
        }));
        let path = fresh.directory.path().join("copy");
        fs::write(&path, "").unwrap();
        fresh.store.copy_to(&path).unwrap();
        assert!(times.get() >= 3, "{}", times.get());
        let place = Place::new(path.clone(), Some(fresh.store.place().key.clone()));
        let copy = open_copy(&place, false, fresh.store.shared_source()).unwrap();
        assert_eq!(copy.damage(true).unwrap(), None);
        assert_eq!(failures_and_rows(&copy), (1, 3 * i64::from(PAGES)));
        let now = failures_and_rows(&fresh.store);
        assert_eq!(now.0, 1 + i64::from(times.get()));
        assert!(!with_suffix(&path, "-wal").exists());
    }

    /// What `last` writes is copied; when it fails, what was to be written over is as it was, and free.
    #[test]
    fn a_store_is_written_over_whole_or_not_at_all() {
        let fresh = fresh();
        let live = fresh.store.place().clone();
        let path = fresh.directory.path().join("copy");
        fs::write(&path, "").unwrap();
        fresh.store.copy_to(&path).unwrap();
        let place = Place::new(path, Some(live.key.clone()));
        let merged = open_copy(&place, true, fresh.store.shared_source()).unwrap();
        grow(&fresh.store, 5);
        let fails = || Err::<(), _>(Error::new(Kind::Conflict, "no"));
        let refused = write_over(&merged, &live, Duration::ZERO, fails).unwrap_err();
        assert_eq!(refused.kind(), Kind::Conflict);
        assert_eq!(failures_and_rows(&fresh.store), (1, 5));
        grow(&fresh.store, 5);
        let other = fresh.store.writing_twin().unwrap();
        write_over(&merged, &live, Duration::ZERO, || {
            assert_eq!(failures_and_rows(&other), (2, 10));
            let locks = "PRAGMA busy_timeout = 0; BEGIN IMMEDIATE";
            let busy = Error::from(other.tampered().execute_batch(locks).unwrap_err());
            assert_eq!(busy.kind(), Kind::Busy);
            // More than are copied in one step.
            grow(&merged, 2 * i64::from(PAGES));
            Ok(())
        })
        .unwrap();
        for store in [&fresh.store, &other] {
            assert_eq!(failures_and_rows(store), (1, 2 * i64::from(PAGES)));
            assert_eq!(store.damage(true).unwrap(), None);
        }
        let mode: String = fresh
            .store
            .tampered()
            .query_row("PRAGMA journal_mode", [], |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
        grow(&other, 1);
    }

    #[test]
    fn ids_go_on_behind_those_of_both() {
        let (one, two) = (fresh(), fresh());
        let add = |store: &Store, count: usize| {
            for _ in 0..count {
                let sql = "INSERT INTO \"group\" (name, name_key, created_at)
                     VALUES (hex(randomblob(8)), hex(randomblob(8)), 0)";
                store.write(|tx| Ok(tx.db().execute(sql, [])?)).unwrap();
            }
        };
        let next = |store: &Store, table| store.write(|tx| tx.next_id(table)).unwrap();
        add(&two.store, 7);
        let (group, user) = (next(&two.store, "group"), next(&two.store, "user"));
        one.store.write(|tx| tx.ids_behind(&two.store)).unwrap();
        assert_eq!(next(&one.store, "group"), group);
        assert_eq!(next(&one.store, "user"), user);
        add(&one.store, 9);
        let own = next(&one.store, "group");
        one.store.write(|tx| tx.ids_behind(&two.store)).unwrap();
        assert_eq!(next(&one.store, "group"), own, "never lowered");
    }
}
