//! Groups: sets of users and groups.
//!
//! Groups nest without cycles. Two are computed from the type of a user and refuse members; `System administrators` is
//! the third that is built in. What a group is stands here, how one comes and goes in [`edit`], who is in it in
//! [`member`].

pub mod edit;
pub mod member;

use std::collections::HashMap;

use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::name::{self, fold};
use crate::permission::built_in;
use crate::store::Store;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Row id.
    pub id: i64,
    /// Its name, as written.
    pub name: String,
    /// Which built-in group it is, if it is one.
    pub built_in: Option<String>,
}

impl Group {
    /// Whether its members follow from their type.
    #[must_use]
    pub(crate) fn is_computed(&self) -> bool {
        matches!(
            self.built_in.as_deref(),
            Some(built_in::EMPLOYEES | built_in::EXTERNALS)
        )
    }

    /// Refuses to rename or remove a built-in group.
    ///
    /// # Errors
    /// [`Kind::Guard`].
    fn is_not_built_in(&self, done: &str) -> Result<()> {
        if self.built_in.is_none() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Guard,
            format!("`{}` is built in and cannot be {done}", self.name),
        ))
    }

    /// Refuses a computed group as a place for members.
    ///
    /// # Errors
    /// [`Kind::Guard`].
    pub(crate) fn takes_members(self) -> Result<Group> {
        if self.is_computed() {
            return Err(Error::new(
                Kind::Guard,
                format!(
                    "`{}` takes no members: everybody of that type is in it",
                    self.name
                ),
            )
            .hint("`twofa user edit LOGIN --type TYPE` changes the type"));
        }
        Ok(self)
    }
}

/// The group of a name, in any case, if there is one.
fn lookup(store: &Store, name: &str) -> Result<Option<Group>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT id, name, built_in FROM \"group\" WHERE name_key = ?1")?;
    Ok(query.query_row([fold(name)], read).optional()?)
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group {
        id: row.get(0)?,
        name: row.get(1)?,
        built_in: row.get(2)?,
    })
}

/// The group of a row id.
fn get(store: &Store, id: i64) -> Result<Group> {
    store
        .db()
        .prepare_cached("SELECT id, name, built_in FROM \"group\" WHERE id = ?1")?
        .query_row([id], read)
        .optional()?
        .ok_or_else(|| Error::new(Kind::NotFound, "the group was removed meanwhile"))
}

/// Finds a group by name, in any case.
///
/// # Errors
/// [`Kind::NotFound`] with the near miss.
pub fn find(store: &Store, name: &str) -> Result<Group> {
    match lookup(store, name)? {
        Some(group) => Ok(group),
        None => Err(name::not_found(
            "group",
            name,
            candidates(store)?,
            "twofa group list",
        )),
    }
}

/// The names of groups, in the order of their ids.
///
/// # Errors
/// [`Kind::NotFound`] for one that is gone.
pub(crate) fn names(store: &Store, ids: &[i64]) -> Result<Vec<String>> {
    ids.iter()
        .map(|id| get(store, *id).map(|group| group.name))
        .collect()
}

/// Every group, by its folded name.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn all(store: &Store) -> Result<HashMap<String, Group>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT id, name, built_in, name_key FROM \"group\"")?;
    let rows = query.query_map([], |row| Ok((row.get(3)?, read(row)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Names of groups, for near misses and completion.
///
/// # Errors
/// [`Kind::Storage`].
pub fn candidates(store: &Store) -> Result<Vec<String>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT name FROM \"group\" ORDER BY name_key LIMIT 2000")?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Names of groups that begin with `prefix`, at most `limit`: completion candidates.
///
/// # Errors
/// [`Kind::Storage`].
pub fn beginning(store: &Store, prefix: &str, limit: i64) -> Result<Vec<String>> {
    let key = fold(prefix);
    // The end of the range: every key that begins with `key` sorts before it.
    let end = format!("{key}\u{10ffff}");
    let mut query = store.db().prepare(
        "SELECT name FROM \"group\" WHERE name_key >= ?1 AND name_key < ?2 ORDER BY name_key LIMIT ?3",
    )?;
    let rows = query.query_map(params![key, end, limit], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Names of the groups that are directly in one.
///
/// # Errors
/// [`Kind::Storage`].
pub fn within(store: &Store, group: &Group) -> Result<Vec<String>> {
    let mut query = store.db().prepare_cached(
        "SELECT name FROM group_group JOIN \"group\" AS inner ON inner.id = member WHERE \"group\" = ?1 ORDER BY name_key",
    )?;
    let rows = query.query_map([group.id], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A group as `list` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupRow {
    /// Its name, as written.
    pub name: String,
    /// Whether it is there in every store.
    pub built_in: bool,
    /// How many users are in it directly; in a computed one, how many are of its type.
    pub users: i64,
    /// How many groups are in it directly.
    pub groups: i64,
}

/// Hands every group to `each`, in the order of names.
///
/// # Errors
/// [`Kind::Storage`], and what `each` returns.
pub fn list(store: &Store, each: &mut dyn FnMut(GroupRow) -> Result<()>) -> Result<()> {
    let mut query = store.db().prepare(
        "SELECT name, built_in IS NOT NULL,
                CASE built_in WHEN 'employees' THEN (SELECT count(*) FROM user WHERE type = 'employee')
                              WHEN 'externals' THEN (SELECT count(*) FROM user WHERE type = 'external')
                              ELSE (SELECT count(*) FROM group_user WHERE \"group\" = id) END,
                (SELECT count(*) FROM group_group WHERE \"group\" = id)
         FROM \"group\" ORDER BY name_key",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        each(GroupRow {
            name: row.get(0)?,
            built_in: row.get(1)?,
            users: row.get(2)?,
            groups: row.get(3)?,
        })?;
    }
    Ok(())
}

/// A group as `show` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupView {
    /// Its name, as written.
    pub name: String,
    /// Whether it is there in every store.
    pub built_in: bool,
    /// Logins of the users in it directly, in the order of names; `null` in a computed one, whose users follow from
    /// their type.
    pub users: Option<Vec<String>>,
    /// Names of the groups in it directly.
    pub groups: Vec<String>,
    /// Names of the groups it is in directly.
    pub member_of: Vec<String>,
}

/// One group with its members.
///
/// # Errors
/// [`Kind::Storage`].
pub fn show(store: &Store, group: &Group) -> Result<GroupView> {
    let names = |sql: &str| -> Result<Vec<String>> {
        let mut query = store.db().prepare_cached(sql)?;
        let rows = query.query_map([group.id], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    };
    let users = names(
        "SELECT login FROM group_user JOIN user ON user.id = group_user.user
         JOIN identity ON identity.user = user.id AND is_login = 1 WHERE \"group\" = ?1 ORDER BY key",
    )?;
    Ok(GroupView {
        name: group.name.clone(),
        built_in: group.built_in.is_some(),
        users: (!group.is_computed()).then_some(users),
        groups: within(store, group)?,
        member_of: names(
            "SELECT name FROM group_group JOIN \"group\" AS outer ON outer.id = \"group\" WHERE member = ?1 ORDER BY name_key",
        )?,
    })
}
