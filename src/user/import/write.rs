//! Writing many users in one transaction.
//!
//! Users come in the order of the file; the names that lead to them are gathered and written in their own order, a part of
//! the file at a time. So a page of an index is written once for many names, and not once for each: what costs in a large
//! import is to come back to pages again and again.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::row::Row;
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::store::Tx;
use crate::user::edit::IMPORTED;
use crate::user::{Type, rules};
use crate::vault::Imported;

/// How many users are gathered before they are written.
const PART: usize = 10_000;

/// How many rows one statement writes.
const AT_ONCE: usize = 32;

/// A name that leads to a user.
struct Name {
    key: String,
    user: i64,
    is_login: bool,
    is_email: bool,
}

/// New users on their way into the store.
pub(super) struct Writer<'t> {
    tx: &'t Tx<'t>,
    now: Time,
    next: i64,
    users: Vec<(i64, Row)>,
    names: Vec<Name>,
    members: Vec<(i64, i64)>,
}

impl<'t> Writer<'t> {
    pub(super) fn new(tx: &'t Tx<'t>) -> Result<Writer<'t>> {
        Ok(Writer {
            tx,
            now: tx.now(),
            next: tx.next_id("user")?,
            users: Vec::new(),
            names: Vec::new(),
            members: Vec::new(),
        })
    }

    /// Adds a user. Their names are written, and found to be taken, when their part is.
    pub(super) fn add(&mut self, mut row: Row) -> Result<()> {
        let id = self.next;
        self.next += 1;
        let shared = row.email_key.as_ref() == Some(&row.key);
        // Codes go to a login that is an address where there is no other.
        let is_address = shared || (row.key.contains('@') && rules::email(&row.login).is_ok());
        self.names.push(Name {
            key: std::mem::take(&mut row.key),
            user: id,
            is_login: true,
            is_email: is_address,
        });
        if let Some(key) = row.email_key.take().filter(|_| !shared) {
            self.names.push(Name {
                key,
                user: id,
                is_login: false,
                is_email: true,
            });
        }
        self.members
            .extend(row.groups.iter().map(|group| (*group, id)));
        self.users.push((id, row));
        if self.users.len() >= PART {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what was gathered.
    pub(super) fn flush(&mut self) -> Result<()> {
        let db = self.tx.db();
        let (tx, now) = (self.tx, self.now.0);
        insert(
            db,
            "INSERT INTO user (id, login, name, email, phone, type, language, active, created_at, password_changed_at, password_imported)",
            &mut self.users.drain(..).map(|(id, row)| {
                let sealed = row
                    .imported
                    .as_ref()
                    .map(|hash| seal(tx, id, hash))
                    .transpose()?;
                Ok([
                    Value::from(id),
                    Value::from(row.login),
                    Value::from(row.name),
                    Value::from(row.email),
                    Value::from(row.phone),
                    Value::from(row.kind.unwrap_or(Type::Employee).code().to_owned()),
                    Value::from(row.language.unwrap_or_else(|| "en".to_owned())),
                    Value::from(i64::from(row.active.unwrap_or(true))),
                    Value::from(now),
                    Value::from(sealed.as_ref().map(|_| now)),
                    Value::from(sealed),
                ])
            }),
        )?;
        self.names
            .sort_unstable_by(|one, other| one.key.cmp(&other.key));
        insert(
            db,
            "INSERT INTO identity (key, user, is_login, is_email)",
            &mut self.names.drain(..).map(|name| {
                Ok([
                    Value::from(name.key),
                    Value::from(name.user),
                    Value::from(i64::from(name.is_login)),
                    Value::from(i64::from(name.is_email)),
                ])
            }),
        )
        .map_err(taken_meanwhile)?;
        self.members.sort_unstable();
        insert(
            db,
            "INSERT INTO group_user (\"group\", user)",
            &mut self
                .members
                .drain(..)
                .map(|(group, user)| Ok([Value::from(group), Value::from(user)])),
        )
    }
}

/// The hash of a password, sealed for the row of its user.
fn seal(tx: &Tx<'_>, user: i64, hash: &Imported) -> Result<Vec<u8>> {
    tx.vault()?
        .seal(IMPORTED, user, hash.text().as_bytes(), tx.source())
}

/// The file was judged under the lock, or when nobody wrote since: a name that is taken all the same is a defect.
fn taken_meanwhile(error: Error) -> Error {
    if error.message().contains("UNIQUE constraint failed") {
        return Error::new(
            Kind::Conflict,
            "a name of the file is taken, and was not when it was judged",
        )
        .hint("run it again; nothing was imported");
    }
    error
}

/// Inserts rows, many with one statement.
fn insert<const N: usize>(
    db: &Connection,
    head: &str,
    rows: &mut dyn Iterator<Item = Result<[Value; N]>>,
) -> Result<()> {
    let sql = |rows: usize| {
        let row = format!("({})", vec!["?"; N].join(","));
        format!("{head} VALUES {}", vec![row; rows].join(","))
    };
    let mut full = db.prepare_cached(&sql(AT_ONCE))?;
    let mut batch: Vec<Value> = Vec::with_capacity(AT_ONCE * N);
    for row in rows {
        batch.extend(row?);
        if batch.len() == AT_ONCE * N {
            full.execute(params_from_iter(batch.drain(..)))?;
        }
    }
    if !batch.is_empty() {
        let rows = batch.len() / N;
        db.prepare(&sql(rows))?.execute(params_from_iter(batch))?;
    }
    Ok(())
}
