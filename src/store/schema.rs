//! The schema as `SQLite` keeps it: what tables, indexes, views and triggers a store has, beside what it should have.

use rusqlite::Connection;

use super::{Reader, SCHEMA};
use crate::error::Result;

/// A table, an index, a view or a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// `table`, `index`, `view` or `trigger`.
    pub(crate) kind: String,
    /// Its name.
    pub(crate) name: String,
    /// The statement that makes it, without comments, one blank between two words.
    pub(crate) sql: String,
}

/// The statement without what is there for a reader.
fn bare(sql: &str) -> String {
    sql.lines()
        .map(|line| line.split("--").next().unwrap_or(""))
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ")
}

/// What `db` has, in the order of kind and name, but for what `SQLite` makes by itself.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn objects(db: Reader<'_>) -> Result<Vec<Object>> {
    let mut query = db.prepare(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         ORDER BY type, name",
    )?;
    let rows = query.query_map([], |row| {
        Ok(Object {
            kind: row.get(0)?,
            name: row.get(1)?,
            sql: bare(&row.get::<_, String>(2)?),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Reads a store that has just been made, in memory: its schema and the rows that stand in `schema.sql`.
///
/// # Errors
/// Those of `read`.
pub(crate) fn as_made<T>(read: impl FnOnce(Reader<'_>) -> Result<T>) -> Result<T> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a database in memory, beside the store"
    )]
    let db = Connection::open_in_memory()?;
    db.execute_batch(SCHEMA)?;
    read(Reader::new(&db))
}
