//! The one transaction: the write lock of a store, and the proof that it is held.

use std::ops::Deref;

use rusqlite::{Connection, Transaction};

use super::{Store, wait};
use crate::error::{Error, Kind, Result};

impl Store {
    /// Runs `work` in one `BEGIN IMMEDIATE` transaction and commits it; an error rolls everything back.
    ///
    /// # Errors
    /// What `work` returns; [`Kind::Busy`] after the wait; [`Kind::ReadOnly`], [`Kind::DiskFull`], [`Kind::Storage`].
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        self.kept.forget();
        self.transact(work)
    }

    /// The same for work that writes only what belongs to one user, and the log: tries, challenges, consumed codes. What
    /// holds for everybody (settings, the lookup, groups and members, grantees, mailboxes, templates) it leaves as it is,
    /// and what was read of that before holds ([`Store::kept`]).
    ///
    /// # Errors
    /// As [`Store::write`].
    pub(crate) fn write_for_one<T>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        let done = self.transact(|tx| {
            self.kept.open(tx.data_version()?);
            work(tx)
        });
        match done {
            Ok(_) => self.kept.close(),
            Err(_) => self.kept.forget(),
        }
        done
    }

    fn transact<T>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        if !self.writable {
            return Err(Error::new(
                Kind::Storage,
                "this command opened the store to read only",
            ));
        }
        self.unlock_for_writing()?;
        let inner = wait::begin(&self.db, self.wait)?;
        let tx = Tx { store: self, inner };
        self.keys_of_now()?;
        let done = work(&tx)?;
        tx.inner
            .commit()
            .map_err(|error| Error::from(error).in_commit())?;
        self.committed.set(true);
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
    /// The connection, to write with.
    pub(crate) fn db(&self) -> &Connection {
        &self.inner
    }

    /// Runs `work`; when it fails, what it wrote is undone and the transaction goes on.
    pub(crate) fn savepoint<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<Result<T>> {
        self.inner.execute_batch("SAVEPOINT work")?;
        let done = work();
        if done.is_err() {
            self.store.kept.forget();
        }
        let end = if done.is_ok() {
            "RELEASE work"
        } else {
            "ROLLBACK TO work; RELEASE work"
        };
        self.inner.execute_batch(end)?;
        Ok(done)
    }

    /// Makes room for a transaction of many rows: 32 MiB of pages instead of 8, until the connection goes.
    pub(crate) fn room_for_many(&self) -> Result<()> {
        Ok(self.db().execute_batch("PRAGMA cache_size = -32768")?)
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
