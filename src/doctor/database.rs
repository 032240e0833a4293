//! The file itself: its pages, its references, its schema.

use rusqlite::types::Value;

use super::finding::{Findings, Tally, by_hand, copy_back, identifier, text};
use super::{Looked, Patient};
use crate::error::{Kind, Result};
use crate::name::{counted, visible};
use crate::store::schema::{Object, as_made, objects};
use crate::store::{Reader, Store};

/// `PRAGMA integrity_check`, which stops at a hundred lines by itself.
pub(super) fn integrity(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    let reading = patient.reading.take();
    let reading = reading.unwrap_or_else(|| store.begin_integrity());
    let (lines, rules) = match store.integrity(reading) {
        Ok(found) => (found.lines, found.rules),
        // It is the damage that keeps the check from beginning.
        Err(error) if matches!(error.kind(), Kind::Storage | Kind::ForeignStore) => {
            let said = error.message();
            let said = said.strip_prefix("the store is damaged: ").unwrap_or(&said);
            (vec![said.to_owned()], true)
        }
        Err(error) => return Err(error),
    };
    let (mut pages, mut indexes, mut values) =
        (Tally::default(), Tally::default(), Tally::default());
    for line in lines {
        let of_an_index = ["missing from index", "wrong # of entries in index"];
        let of_a_value = ["CHECK constraint failed in", "value in"];
        if of_an_index.iter().any(|words| line.contains(words)) {
            indexes.add(line);
        } else if of_a_value.iter().any(|words| line.contains(words)) {
            values.add(line);
        } else {
            pages.add(line);
        }
    }
    if let Some(first) = pages.names.first() {
        let message = format!(
            "The file is damaged: {}.",
            visible(first.trim_end_matches('.'))
        );
        out.add("damaged", pages.count, message)
            .names(&pages.names)
            .mend(copy_back(store));
    }
    if let Some(first) = indexes.names.first() {
        let message = format!("An index disagrees with its table: {}.", visible(first));
        out.add("index_disagrees", indexes.count, message)
            .names(&indexes.names)
            .mend(by_hand(store, "REINDEX"));
    }
    if let Some(first) = values.names.first() {
        let message = format!(
            "Something else wrote what the store's rules forbid: {}.",
            visible(first)
        );
        out.add("forbidden_value", values.count, message)
            .names(&values.names)
            .mend(copy_back(store));
    }
    Ok(if rules {
        Looked::Whole
    } else {
        Looked::Not(
            "pages and indexes were; the rules of columns are not known where the store cannot be written"
                .to_owned(),
        )
    })
}

/// How many groups are built in (`schema.sql`, seed rows).
const BUILT_IN: i64 = 3;

/// A column that names a row of another table.
struct Reference {
    column: String,
    parent: String,
    key: String,
    on_delete: String,
}

/// `PRAGMA foreign_key_check`, by column.
pub(super) fn foreign_keys(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    let built_in: i64 = store.db().query_row(
        "SELECT count(*) FROM \"group\" WHERE built_in IS NOT NULL",
        [],
        |row| row.get(0),
    )?;
    for ((table, number), count) in store.broken_references()? {
        let reference = reference(store, &table, number)?;
        let column = format!("{table}.{}", reference.column);
        let message = format!(
            "{} of `{table}` {} a row of `{}` that is not there.",
            counted(count, "row", "rows"),
            if count == 1 { "names" } else { "name" },
            reference.parent
        );
        // Who was in a group that every store has, and what it may, stands in these rows alone: they do not go.
        let mend = if reference.parent == "group" && built_in < BUILT_IN {
            copy_back(store)
        } else {
            by_hand(store, &without(&table, &reference))
        };
        out.add("broken_reference", count, message)
            .names(&[column])
            .mend(mend);
    }
    Ok(Looked::Whole)
}

fn reference(store: &Store, table: &str, number: i64) -> Result<Reference> {
    let sql = "SELECT \"from\", \"table\", \"to\", on_delete FROM pragma_foreign_key_list(?1) WHERE id = ?2";
    Ok(store
        .db()
        .query_row(sql, rusqlite::params![table, number], |row| {
            Ok(Reference {
                column: row.get(0)?,
                parent: row.get(1)?,
                key: row
                    .get::<_, Option<String>>(2)?
                    .unwrap_or_else(|| "id".to_owned()),
                on_delete: row.get(3)?,
            })
        })?)
}

/// The statement that does what would have been done when the row that is named was removed.
fn without(table: &str, reference: &Reference) -> String {
    let (child, column) = (identifier(table), identifier(&reference.column));
    let lost = format!(
        "{column} NOT IN (SELECT {} FROM {})",
        identifier(&reference.key),
        identifier(&reference.parent)
    );
    if table == "store" {
        // Without a first administrator the store is nobody's.
        return format!("UPDATE store SET {column} = (SELECT id FROM user WHERE login = 'LOGIN')");
    }
    let work = if reference.on_delete == "SET NULL" {
        format!("UPDATE {child} SET {column} = NULL WHERE {lost}")
    } else {
        format!("DELETE FROM {child} WHERE {lost}")
    };
    format!("PRAGMA foreign_keys = ON; {work}")
}

/// What Litestream keeps in the file that it copies.
const LITESTREAM: &str = "_litestream_";

/// Compares the schema with that of a store that has just been made.
pub(super) fn schema(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    let have = objects(store.db())?;
    let want = as_made(objects)?;
    let same = |one: &&Object, other: &Object| one.kind == other.kind && one.name == other.name;
    for object in &want {
        match have.iter().find(|one| same(one, object)) {
            None => missing(store, object, out),
            Some(found) if found.sql != object.sql => altered(store, object, out),
            Some(_) => {}
        }
    }
    let is_foreign = |object: &&Object| {
        !object.name.starts_with(LITESTREAM) && !want.iter().any(|one| same(&one, object))
    };
    for object in have.iter().filter(is_foreign) {
        let kind = if object.kind == "trigger" {
            "foreign_trigger"
        } else {
            "foreign_object"
        };
        let message = format!(
            "The {} `{}` is none of a store.",
            object.kind,
            visible(&object.name)
        );
        out.add(kind, 1, message)
            .names(std::slice::from_ref(&object.name))
            .mend(by_hand(store, &drop_of(object)));
    }
    for seed in SEEDS {
        seed.look(store, out)?;
    }
    Ok(Looked::Whole)
}

fn drop_of(object: &Object) -> String {
    format!(
        "DROP {} {}",
        object.kind.to_uppercase(),
        identifier(&object.name)
    )
}

fn missing(store: &Store, object: &Object, out: &mut Findings<'_>) {
    let message = format!("The {} `{}` is missing.", object.kind, object.name);
    let name = std::slice::from_ref(&object.name);
    if object.kind == "table" {
        out.add("missing_table", 1, message)
            .names(name)
            .mend(copy_back(store));
    } else {
        out.add("missing_object", 1, message)
            .names(name)
            .mend(by_hand(store, &object.sql));
    }
}

fn altered(store: &Store, object: &Object, out: &mut Findings<'_>) {
    let message = format!(
        "The {} `{}` is not as it was made.",
        object.kind, object.name
    );
    let name = std::slice::from_ref(&object.name);
    if object.kind == "table" {
        out.add("altered_table", 1, message)
            .names(name)
            .mend(copy_back(store));
    } else {
        let again = format!("{}; {}", drop_of(object), object.sql);
        out.add("altered_object", 1, message)
            .names(name)
            .mend(by_hand(store, &again));
    }
}

/// Rows that stand in `schema.sql`, and that no command removes.
struct Seed {
    table: &'static str,
    /// The column that tells one from the other.
    key: &'static str,
    columns: &'static [&'static str],
}

const SEEDS: &[Seed] = &[
    Seed {
        table: "method",
        key: "code",
        columns: &["code", "position", "name"],
    },
    Seed {
        table: "template",
        key: "name_key",
        columns: &["name", "name_key", "kind"],
    },
    Seed {
        table: "group",
        key: "built_in",
        columns: &["name", "name_key", "built_in", "created_at"],
    },
    Seed {
        table: "operation",
        key: "code",
        columns: &["code", "name"],
    },
    Seed {
        table: "unknown_login",
        key: "id",
        columns: &["id", "failures"],
    },
];

impl Seed {
    fn look(&self, store: &Store, out: &mut Findings<'_>) -> Result<()> {
        let table = identifier(self.table);
        let keys = format!("SELECT {} FROM {table}", self.key);
        let mut query = store.db().prepare(&keys)?;
        let have = query
            .query_map([], |row| row.get::<_, Value>(0))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let columns = self.columns.join(", ");
        let missing = as_made(|made| self.rows(made, &columns))?;
        for (key, row) in missing.iter().filter(|(key, _)| !have.contains(key)) {
            let message = format!("`{}` lacks the row `{}`.", self.table, shown(key));
            let values: Vec<String> = row.iter().map(literal).collect();
            let sql = format!(
                "INSERT INTO {table} ({columns}) VALUES ({})",
                values.join(", ")
            );
            out.add("missing_row", 1, message)
                .names(&[format!("{} {}", self.table, shown(key))])
                .mend(by_hand(store, &sql));
        }
        Ok(())
    }

    /// Key and columns of each row.
    fn rows(&self, made: Reader<'_>, columns: &str) -> Result<Vec<(Value, Vec<Value>)>> {
        let sql = format!(
            "SELECT {}, {columns} FROM {}",
            self.key,
            identifier(self.table)
        );
        let mut query = made.prepare(&sql)?;
        let rows = query.query_map([], |row| {
            let values = (1..=self.columns.len()).map(|at| row.get(at));
            Ok((row.get(0)?, values.collect::<rusqlite::Result<_>>()?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Null | Value::Real(_) | Value::Blob(_) => String::new(),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Text(words) => text(words),
        other => Some(shown(other))
            .filter(|shown| !shown.is_empty())
            .unwrap_or_else(|| "NULL".to_owned()),
    }
}
