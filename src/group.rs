//! Groups: sets of users and groups.
//!
//! Two are computed from the type of a user and refuse members. This version knows the built-in groups and memberships;
//! commands that make groups come with the noun.

use rusqlite::OptionalExtension as _;

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

/// Finds a group by name, in any case.
///
/// # Errors
/// [`Kind::NotFound`] with the near miss.
pub fn find(store: &Store, name: &str) -> Result<Group> {
    let mut query = store
        .db()
        .prepare_cached("SELECT id, name, built_in FROM \"group\" WHERE name_key = ?1")?;
    let group = query
        .query_row([fold(name)], |row| {
            Ok(Group {
                id: row.get(0)?,
                name: row.get(1)?,
                built_in: row.get(2)?,
            })
        })
        .optional()?;
    if let Some(group) = group {
        Ok(group)
    } else {
        let names = candidates(store)?;
        if name::nearest(name, &names).is_some() {
            return Err(name::not_found("group", name, &names, ""));
        }
        let shown: Vec<String> = names
            .iter()
            .take(5)
            .map(|name| format!("`{}`", name::visible(name)))
            .collect();
        Err(Error::new(
            Kind::NotFound,
            format!("no group is named `{}`", name::visible(name.trim())),
        )
        .hint(format!("there is {}", shown.join(", "))))
    }
}

/// A built-in group.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn built_in(store: &Store, which: &str) -> Result<Group> {
    let mut query = store
        .db()
        .prepare_cached("SELECT id, name, built_in FROM \"group\" WHERE built_in = ?1")?;
    Ok(query.query_row([which], |row| {
        Ok(Group {
            id: row.get(0)?,
            name: row.get(1)?,
            built_in: row.get(2)?,
        })
    })?)
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
