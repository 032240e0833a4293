//! Values that no command writes: whoever reads them later takes them for something else, or fails over them.

use rusqlite::Row;

use super::finding::{Findings, Tally, by_hand, text};
use super::{Looked, Patient};
use crate::error::Result;
use crate::name::{argument, counted, visible};
use crate::setting;
use crate::store::Store;
use crate::user::rules;
use crate::vault;

/// A column of `user`, how what stands in it is read, and what is done where it cannot be.
struct Column {
    name: &'static str,
    kind: &'static str,
    one: &'static str,
    many: &'static str,
    reads: fn(&str) -> bool,
    mend: fn(&str) -> String,
}

const COLUMNS: &[Column] = &[
    Column {
        name: "password_hash",
        kind: "unreadable_password",
        one: "password hash",
        many: "password hashes",
        reads: vault::is_password_hash,
        mend: |login| format!("twofa password set {login}"),
    },
    Column {
        name: "email",
        kind: "unreadable_address",
        one: "email address",
        many: "email addresses",
        reads: |email| rules::email(email).is_ok(),
        mend: |login| format!("twofa user edit {login} --email ADDRESS"),
    },
    Column {
        name: "phone",
        kind: "unreadable_phone",
        one: "phone number",
        many: "phone numbers",
        reads: |phone| rules::phone(phone).is_ok(),
        mend: |login| format!("twofa user edit {login} --phone NUMBER"),
    },
];

pub(super) fn values(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    of_users(store, out)?;
    of_settings(store, out)?;
    Ok(Looked::Whole)
}

/// One pass over everybody.
fn of_users(store: &Store, out: &mut Findings<'_>) -> Result<()> {
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    let mut query = store.db().prepare(&format!(
        "SELECT login, {} FROM user ORDER BY id",
        names.join(", ")
    ))?;
    let mut rows = query.query([])?;
    let mut found: Vec<Tally> = COLUMNS.iter().map(|_| Tally::default()).collect();
    let reads = |row: &Row<'_>, at: usize, column: &Column| -> rusqlite::Result<bool> {
        let value = row.get_ref(at)?.as_str_or_null();
        Ok(value.is_ok_and(|text| text.is_none_or(column.reads)))
    };
    while let Some(row) = rows.next()? {
        for (at, column) in COLUMNS.iter().enumerate() {
            if !reads(row, at + 1, column)? {
                found[at].add(row.get::<_, String>(0)?);
            }
        }
    }
    for (column, tally) in COLUMNS.iter().zip(&found) {
        if tally.count > 0 {
            let message = format!(
                "{} cannot be read: {}.",
                counted(tally.count, column.one, column.many),
                tally.listed()
            );
            out.add(column.kind, tally.count, message)
                .names(&tally.names)
                .mend_each(|login| (column.mend)(&argument(login)));
        }
    }
    Ok(())
}

/// Each row of `setting` is of a setting there is, and of its type.
fn of_settings(store: &Store, out: &mut Findings<'_>) -> Result<()> {
    for (code, fits) in setting::stored(store)? {
        let name = std::slice::from_ref(&code);
        let sql = format!("DELETE FROM setting WHERE code = {}", text(&code));
        let line = by_hand(store, &sql);
        match fits {
            Some(true) => {}
            Some(false) => {
                let message = format!("The value of `{code}` is of another type than it has.");
                out.add("foreign_value", 1, message).names(name).mend(line);
            }
            None => {
                let message = format!("There is no setting `{}`.", visible(&code));
                out.add("unknown_setting", 1, message)
                    .names(name)
                    .mend(line);
            }
        }
    }
    Ok(())
}
