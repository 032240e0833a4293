//! The handle that reads: what a store gives to those who do not hold its write lock.

use rusqlite::{CachedStatement, Connection, Error, Params, Result, Row, Statement, Transaction};

/// A connection that only reads, even where the file was opened to write.
///
/// A statement that is not read-only is refused with [`Error::InvalidQuery`] before its first step. That costs one look
/// at a flag of the prepared statement.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'s>(&'s Connection);

impl<'s> Reader<'s> {
    pub(super) fn new(db: &'s Connection) -> Reader<'s> {
        Reader(db)
    }

    /// As [`Connection::prepare`].
    pub(crate) fn prepare(self, sql: &str) -> Result<Statement<'s>> {
        let statement = self.0.prepare(sql)?;
        reads(&statement)?;
        Ok(statement)
    }

    /// As [`Connection::prepare_cached`].
    pub(crate) fn prepare_cached(self, sql: &str) -> Result<CachedStatement<'s>> {
        let statement = self.0.prepare_cached(sql)?;
        reads(&statement)?;
        Ok(statement)
    }

    /// Holds what is read until it is dropped to one moment: what another writes meanwhile is not seen.
    pub(crate) fn snapshot(self) -> Result<Snapshot<'s>> {
        Ok(Snapshot {
            _read: self.0.unchecked_transaction()?,
        })
    }

    /// The same, unless a transaction holds what is read to one moment already. A statement of its own locks the file and
    /// lets it go again each time, which many statements pay dearly for.
    pub(crate) fn moment(self) -> Result<Option<Snapshot<'s>>> {
        if self.0.is_autocommit() {
            self.snapshot().map(Some)
        } else {
            Ok(None)
        }
    }

    /// As [`Connection::query_row`].
    pub(crate) fn query_row<T>(
        self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare(sql)?.query_row(params, read)
    }
}

/// One moment of the store. It gives no way to its connection.
pub(crate) struct Snapshot<'s> {
    _read: Transaction<'s>,
}

fn reads(statement: &Statement<'_>) -> Result<()> {
    if statement.readonly() {
        Ok(())
    } else {
        Err(Error::InvalidQuery)
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Kind;
    use crate::store::tests::fresh;

    #[test]
    fn a_statement_that_writes_is_refused_without_the_write_lock() {
        let fresh = fresh();
        let db = fresh.store.db();
        let count = "SELECT count(*) FROM method WHERE enabled = 1";
        let before: i64 = db.query_row(count, [], |row| row.get(0)).unwrap();
        for sql in [
            "UPDATE method SET enabled = 1 - enabled RETURNING enabled",
            "DELETE FROM method RETURNING enabled",
            "INSERT INTO unknown_login SELECT * FROM unknown_login RETURNING id",
            "CREATE TABLE t (a)",
            "PRAGMA user_version = 99",
            "BEGIN IMMEDIATE",
        ] {
            let refused = db.query_row(sql, [], |_| Ok(())).unwrap_err();
            let error = crate::error::Error::from(refused);
            assert_eq!(error.kind(), Kind::Storage, "{sql}");
            assert_eq!(
                error.to_string(),
                "a statement that writes was run without the write lock",
                "{sql}"
            );
            assert!(db.prepare(sql).is_err(), "{sql}");
            assert!(db.prepare_cached(sql).is_err(), "{sql}");
        }
        let after: i64 = db.query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!(after, before);
        // Even by one who holds the lock, but asks the store and not the transaction.
        let inside = fresh.store.write(|tx| {
            let store: &crate::store::Store = tx;
            Ok(store.db().prepare("DELETE FROM method")?.execute([])?)
        });
        assert_eq!(inside.unwrap_err().kind(), Kind::Storage);
        assert!(db.prepare("PRAGMA user_version").is_ok());
    }
}
