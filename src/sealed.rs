//! Every sealed column there is, whether the key file opens what stands in it, and which of its keys are needed for that.
//!
//! A test walks the schema, so that the next sealed column cannot be forgotten here.

use serde::Serialize;

use crate::delivery::outbox;
use crate::error::{Kind, Result};
use crate::password::history;
use crate::store::{Loose, Store};
use crate::user::edit::IMPORTED;
use crate::vault::{Label, Ring};
use crate::{authenticator, idp, mailbox, sms_provider};

/// A sealed column: its table, its name, and the label its values are bound to.
pub(crate) const COLUMNS: &[(&str, &str, Label)] = &[
    ("authenticator", "secret", authenticator::SECRET),
    ("authenticator_setup", "secret", authenticator::PENDING),
    ("idp", "private_key", idp::PRIVATE_KEY),
    ("mailbox", "password", mailbox::PASSWORD),
    ("outbox", "body", outbox::BODY),
    ("password_history", "imported", history::IMPORTED),
    ("sms_provider", "secret", sms_provider::SECRET),
    ("user", "password_imported", IMPORTED),
];

/// A value that does not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Table and column.
    pub column: String,
    /// Row id.
    pub row: i64,
}

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Ids of the keys in the key file that the store uses.
    pub ring_keys: Vec<String>,
    /// Sealed values that were opened.
    pub values: u64,
    /// Those that did not open.
    pub broken: Vec<Broken>,
    /// Ids of keys in the key file that the store needs no more: `key retire` takes them out.
    pub retirable: Vec<String>,
    /// Files that others than their owner may read or write.
    pub loose: Vec<Loose>,
}

/// Ids of the keys of the key file that wrap data keys. The key file is not read.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn ring_keys(store: &Store) -> Result<Vec<String>> {
    let mut query = store
        .db()
        .prepare("SELECT DISTINCT ring_key FROM data_key ORDER BY ring_key")?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The ids of keys in the key file that `key retire` would take out.
///
/// # Errors
/// Key and storage errors.
pub fn retirable(store: &Store) -> Result<Vec<String>> {
    retirable_of(store, &Ring::read(&store.place().key)?)
}

pub(crate) fn retirable_of(store: &Store, ring: &Ring) -> Result<Vec<String>> {
    let named = ring_keys(store)?;
    let is_needed = |id: &String| named.contains(id) || id == ring.current();
    Ok(ring.ids().into_iter().filter(|id| !is_needed(id)).collect())
}

/// Opens every sealed value, one by one.
///
/// # Errors
/// [`Kind::KeyMissing`], [`Kind::KeyWrong`] when the data keys themselves do not open.
pub fn check(store: &Store) -> Result<Checked> {
    let vault = store.vault()?;
    let mut checked = Checked {
        ring_keys: ring_keys(store)?,
        values: 0,
        broken: Vec::new(),
        retirable: retirable(store)?,
        loose: store.place().loose(),
    };
    store.watched("Opening what is sealed", None, |at| {
        for (table, column, label) in COLUMNS {
            let mut query = store.db().prepare(&format!(
                "SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY id"
            ))?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let (id, sealed) = (row.get(0)?, row.get_ref(1)?.as_blob().unwrap_or_default());
                match vault.open_sealed(*label, id, sealed) {
                    Ok(_) => checked.values += 1,
                    Err(error) if error.kind() == Kind::Storage => {
                        checked.broken.push(Broken {
                            column: format!("{table}.{column}"),
                            row: id,
                        });
                    }
                    Err(error) => return Err(error),
                }
                at(checked.values);
            }
        }
        Ok(())
    })?;
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SCHEMA;

    /// A sealed column says so in its comment in `schema.sql`.
    #[test]
    fn every_sealed_column_of_the_schema_is_listed() {
        let mut table = "";
        let mut found = Vec::new();
        for line in SCHEMA.lines() {
            if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
                table = rest.trim_end_matches(" (").trim_matches('"');
            }
            if let Some((column, comment)) = line.split_once("--")
                && column.contains("BLOB")
                && comment.contains("sealed")
            {
                found.push((table, column.split_whitespace().next().unwrap_or_default()));
            }
        }
        found.sort_unstable();
        let listed: Vec<(&str, &str)> = COLUMNS
            .iter()
            .map(|(table, column, _)| (*table, *column))
            .collect();
        assert_eq!(found, listed);
    }
}
