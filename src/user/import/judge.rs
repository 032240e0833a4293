//! What a row comes to, beside the user of its login.

use std::collections::HashSet;

use rusqlite::OptionalExtension as _;

use super::OnConflict;
use super::row::Row;
use super::seen::Problem;
use crate::error::{Error, Kind, Result};
use crate::name::{argument, visible};
use crate::permission;
use crate::store::Store;
use crate::user::Type;
use crate::user::edit::{leads, taken};

/// What is done about a row.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A new user.
    Add,
    /// The user is so already, in what is given.
    Same,
    /// The user differs, and stays.
    Skip,
    /// The user is changed: the fields that differ, with their old and new values.
    Update(Update),
}

/// A change of a user who is there.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) id: i64,
    pub(super) login: String,
    /// Their type, and the groups they are in directly, before and after.
    pub(super) kind: (Type, Type),
    pub(super) direct: Vec<i64>,
    pub(super) joins: Vec<i64>,
    pub(super) differs: Vec<&'static str>,
    /// Whether they were shut out, and are no more.
    pub(super) activates: bool,
}

/// The user a name leads to, as far as a row is compared with them.
struct Have {
    id: i64,
    is_login: bool,
    login: String,
    kind: Type,
    differs: Vec<&'static str>,
}

/// Finds the user of a login and compares them with a row, without a copy of what is the same.
fn look(store: &Store, row: &Row) -> Result<Option<Have>> {
    let mut query = store.db().prepare_cached(
        "SELECT user.id, is_login, login, name, email, phone, type, language, active
         FROM identity JOIN user ON user.id = identity.user WHERE key = ?1",
    )?;
    Ok(query
        .query_row([row.key.as_str()], |have| {
            let text = |at: usize| -> rusqlite::Result<Option<&str>> {
                Ok(have.get_ref(at)?.as_str_or_null()?)
            };
            let mut differs = Vec::new();
            for (field, at, given) in [
                ("name", 3, row.name.as_deref()),
                ("email", 4, row.email.as_deref()),
                ("phone", 5, row.phone.as_deref()),
                ("type", 6, row.kind.map(Type::code)),
                ("language", 7, row.language.as_deref()),
            ] {
                if given.is_some() && text(at)? != given {
                    differs.push(field);
                }
            }
            if let Some(active) = row.active
                && have.get::<_, bool>(8)? != active
            {
                differs.push("active");
            }
            Ok(Have {
                id: have.get(0)?,
                is_login: have.get(1)?,
                login: text(2)?.unwrap_or_default().to_owned(),
                kind: have.get(6)?,
                differs,
            })
        })
        .optional()?)
}

/// Refuses an address that leads to another user than `id`.
fn address_is_free(store: &Store, row: &Row, id: Option<i64>) -> Result<()> {
    match (&row.email, &row.email_key) {
        (Some(email), Some(key)) if *key != row.key => taken(store, "email address", email, id),
        _ => Ok(()),
    }
}

/// The names that lead to users, where they are few: of most rows of a large file it then says that they are new.
#[derive(Debug, Default)]
pub(super) struct Taken(Option<HashSet<String>>);

impl Taken {
    /// Up to how many names are held.
    const FEW: u32 = 20_000;

    /// Reads them, unless there are many.
    pub(super) fn load(store: &Store) -> Result<Taken> {
        let mut query = store.db().prepare("SELECT key FROM identity LIMIT ?1")?;
        let rows = query.query_map([Self::FEW + 1], |row| row.get(0))?;
        let names: HashSet<String> = rows.collect::<rusqlite::Result<_>>()?;
        Ok(Taken(
            Some(names).filter(|names| names.len() <= Self::FEW as usize),
        ))
    }

    /// Whether the names of a row are known to lead to nobody.
    fn frees(&self, row: &Row) -> bool {
        let is_free = |names: &HashSet<String>| {
            let email = row.email_key.as_ref();
            !names.contains(&row.key) && !email.is_some_and(|key| names.contains(key))
        };
        self.0.as_ref().is_some_and(is_free)
    }
}

/// Judges a row.
///
/// # Errors
/// [`Kind::Conflict`]; [`Kind::Storage`].
pub(super) fn judge(
    store: &Store,
    taken: &Taken,
    row: &Row,
    on_conflict: OnConflict,
) -> Result<Outcome> {
    if taken.frees(row) {
        return Ok(Outcome::Add);
    }
    let Some(have) = look(store, row)? else {
        address_is_free(store, row, None)?;
        return Ok(Outcome::Add);
    };
    if !have.is_login {
        return Err(leads("login", &row.login, &have.login));
    }
    let mut differs = have.differs;
    let mut joins = Vec::new();
    if !row.groups.is_empty() {
        let direct = permission::direct_groups(store, have.id)?;
        joins = row
            .groups
            .iter()
            .copied()
            .filter(|id| !direct.contains(id))
            .collect();
        if !joins.is_empty() {
            differs.push("groups");
        }
    }
    if differs.is_empty() {
        return Ok(Outcome::Same);
    }
    match on_conflict {
        OnConflict::Skip => Ok(Outcome::Skip),
        OnConflict::Fail => Err(Error::new(
            Kind::Conflict,
            format!(
                "the user `{}` exists and differs in {}",
                visible(&have.login),
                differs.join(", ")
            ),
        )
        .hint(format!(
            "`twofa user edit {}` changes it, --on-conflict update changes all of them",
            argument(&have.login)
        ))),
        OnConflict::Update => {
            if differs.contains(&"email") {
                address_is_free(store, row, Some(have.id))?;
            }
            Ok(Outcome::Update(Update {
                id: have.id,
                login: have.login,
                kind: (have.kind, row.kind.unwrap_or(have.kind)),
                direct: permission::direct_groups(store, have.id)?,
                joins,
                activates: row.active == Some(true) && differs.contains(&"active"),
                differs,
            }))
        }
    }
}

/// What a failed judgement comes to: a problem of the row, unless the store itself failed.
pub(super) fn problem(line: u64, error: Error) -> Result<Problem> {
    if error.kind().exit() == Kind::Storage.exit() {
        return Err(error);
    }
    Ok(Problem::new(line, &error))
}
