//! Operation permissions: who may.
//!
//! An operation has an ordered list of grantees. The smallest position whose grantee is the user, or a group the user is
//! in through any nesting, decides; nothing matches means no. A user and a group are different things even under one
//! name. The cost follows the groups a user is in, not the number of users.

mod effect;
mod grant;
mod nesting;
mod view;
mod whole;

use std::collections::BTreeSet;
use std::rc::Rc;

use rusqlite::OptionalExtension as _;

use crate::clock::Time;
use crate::error::Result;
use crate::store::{Store, Tx};
use crate::user::kind::Type;
use crate::verb::Operation;

pub(crate) use self::effect::{Effect, For, State, effect};
pub use self::grant::{Access, Edit, SetGrantees};
pub(crate) use self::nesting::{Administrators, Nesting};
pub(crate) use self::view::named;
pub use self::view::{
    Decision, GranteeRow, Named, OperationRow, check, find, list, shadowed, show,
};
pub(crate) use self::whole::ReplaceGrantees;

/// The groups built in, computed or fixed.
pub(crate) mod built_in {
    /// `group.built_in` of "All employees".
    pub(crate) const EMPLOYEES: &str = "employees";
    /// `group.built_in` of "All external users".
    pub(crate) const EXTERNALS: &str = "externals";
    /// `group.built_in` of "System administrators".
    pub(crate) const ADMINISTRATORS: &str = "administrators";
}

/// Who a row names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// A user, by id.
    User(i64),
    /// A group, by id.
    Group(i64),
}

/// A row of an operation's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grantee {
    /// 1 is judged first.
    pub position: i64,
    /// Who it names.
    pub whom: Whom,
    /// Allow, or deny.
    pub access: Access,
    /// From this moment on it does not match.
    pub until: Option<Time>,
}

impl Grantee {
    /// Whether it has run out at `now`.
    fn has_expired(&self, now: Time) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Whether it names a user who is in `groups`.
    fn names(&self, user: i64, groups: &BTreeSet<i64>) -> bool {
        match self.whom {
            Whom::User(id) => id == user,
            Whom::Group(id) => groups.contains(&id),
        }
    }
}

/// The list of one operation, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grantees(pub Vec<Grantee>);

impl Grantees {
    /// Reads the list.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn load(store: &Store, operation: Operation) -> Result<Grantees> {
        let mut query = store.db().prepare_cached(
            "SELECT position, user, \"group\", access, until_at FROM grantee WHERE operation = ?1 ORDER BY position",
        )?;
        let rows = query.query_map([operation.code()], |row| {
            let user: Option<i64> = row.get(1)?;
            Ok(Grantee {
                position: row.get(0)?,
                whom: match user {
                    Some(user) => Whom::User(user),
                    None => Whom::Group(row.get(2)?),
                },
                access: row.get(3)?,
                until: row.get(4)?,
            })
        })?;
        Ok(Grantees(rows.collect::<rusqlite::Result<_>>()?))
    }

    /// Every moment from `now` on at which it may decide otherwise: now, and the ends of its rows.
    pub(crate) fn moments(&self, now: Time) -> impl Iterator<Item = Time> {
        let ends = self.0.iter().filter_map(|row| row.until);
        let mut moments: Vec<Time> = ends.filter(|until| now < *until).collect();
        moments.push(now);
        moments.sort_unstable();
        moments.dedup();
        moments.into_iter()
    }

    /// The row that decides for a user who is in `groups`, if one matches at `now`.
    #[must_use]
    pub(crate) fn deciding(
        &self,
        user: i64,
        groups: &BTreeSet<i64>,
        now: Time,
    ) -> Option<&Grantee> {
        self.0
            .iter()
            .filter(|row| !row.has_expired(now) && row.names(user, groups))
            .min_by_key(|row| row.position)
    }

    /// Whether a user who is in `groups` may, at `now`.
    #[must_use]
    pub(crate) fn allow(&self, user: i64, groups: &BTreeSet<i64>, now: Time) -> bool {
        self.deciding(user, groups, now)
            .is_some_and(|row| row.access == Access::Allow)
    }
}

/// The group everybody of a type is in.
pub(crate) fn everybody(kind: Type) -> Option<&'static str> {
    match kind {
        Type::Employee => Some(built_in::EMPLOYEES),
        Type::External => Some(built_in::EXTERNALS),
        Type::Technical => None,
    }
}

/// The id of a built-in group.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn built_in_group(store: &Store, which: &str) -> Result<i64> {
    Ok(store
        .db()
        .prepare_cached("SELECT id FROM \"group\" WHERE built_in = ?1")?
        .query_row([which], |row| row.get(0))?)
}

/// The ids of the groups a user is a direct member of, ascending.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn direct_groups(store: &Store, user: i64) -> Result<Vec<i64>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT \"group\" FROM group_user WHERE user = ?1 ORDER BY \"group\"")?;
    let rows = query.query_map([user], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The groups a user is in, through nesting and by type.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn groups_of(store: &Store, user: i64, kind: Type) -> Result<BTreeSet<i64>> {
    // Computed groups may be members of others, so they start the walk too.
    let mut open = direct_groups(store, user)?;
    if let Some(which) = everybody(kind) {
        open.push(built_in_group(store, which)?);
    }
    let mut above = store
        .db()
        .prepare_cached("SELECT \"group\" FROM group_group WHERE member = ?1")?;
    let mut inside = BTreeSet::new();
    while let Some(group) = open.pop() {
        if inside.insert(group) {
            let mut rows = above.query([group])?;
            while let Some(row) = rows.next()? {
                open.push(row.get(0)?);
            }
        }
    }
    Ok(inside)
}

/// Whether a user may do what `operation` governs.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn allowed(store: &Store, operation: Operation, user: i64, kind: Type) -> Result<bool> {
    let known = known(store, operation, user, kind)?;
    let (grantees, groups) = &*known;
    Ok(grantees.allow(user, groups, store.now()))
}

/// What that is judged by: the list, and every group the user is in.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn known(
    store: &Store,
    operation: Operation,
    user: i64,
    kind: Type,
) -> Result<Rc<(Grantees, BTreeSet<i64>)>> {
    store.kept((operation, user, kind), || {
        let groups = groups_of(store, user, kind)?;
        Ok((Grantees::load(store, operation)?, groups))
    })
}

/// Whether a user is in "System administrators", directly or through a nested group; active or not.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn in_administrators(store: &Store, user: i64, kind: Type) -> Result<bool> {
    Ok(groups_of(store, user, kind)?.contains(&built_in_group(store, built_in::ADMINISTRATORS)?))
}

/// Whether the user of a row id is one, active or not.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn is_administrator(store: &Store, user: i64) -> Result<bool> {
    let kind: Option<Type> = store
        .db()
        .prepare_cached("SELECT type FROM user WHERE id = ?1")?
        .query_row([user], |row| row.get(0))
        .optional()?;
    // Nobody is one who is not there, or not yet.
    kind.map_or(Ok(false), |kind| in_administrators(store, user, kind))
}

/// The type of the user of a row id.
fn kind_of(store: &Store, user: i64) -> Result<Type> {
    Ok(store
        .db()
        .prepare_cached("SELECT type FROM user WHERE id = ?1")?
        .query_row([user], |row| row.get(0))?)
}

/// The groups whose users are administrators: `System administrators` and every group nested in it.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn administrator_groups(store: &Store) -> Result<BTreeSet<i64>> {
    let mut query = store.db().prepare_cached(
        "WITH RECURSIVE inside (id) AS (
             SELECT id FROM \"group\" WHERE built_in = 'administrators'
             UNION SELECT group_group.member FROM group_group JOIN inside ON group_group.\"group\" = inside.id)
         SELECT id FROM inside",
    )?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The logins of active administrators, at most `limit`, in order.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn active_administrators(store: &Store, limit: i64) -> Result<Vec<String>> {
    let below = administrator_groups(store)?;
    let mut query = store.db().prepare_cached(
        "SELECT login FROM group_user JOIN user ON user.id = group_user.user
         WHERE \"group\" = ?1 AND active = 1 AND type <> 'technical' ORDER BY login LIMIT ?2",
    )?;
    let mut logins = BTreeSet::new();
    for group in &below {
        let rows = query.query_map([*group, limit], |row| row.get(0))?;
        logins.extend(rows.collect::<rusqlite::Result<Vec<String>>>()?);
    }
    // A computed group has no rows of members; its users are read in the order of names until there are enough.
    let mut query = store.db().prepare_cached(
        "SELECT login FROM identity JOIN user ON user.id = identity.user
         WHERE is_login = 1 AND active = 1 AND type = ?1 ORDER BY key LIMIT ?2",
    )?;
    for kind in Type::ALL {
        let Some(which) = everybody(kind) else {
            continue;
        };
        if below.contains(&built_in_group(store, which)?) {
            let rows = query.query_map(rusqlite::params![kind, limit], |row| row.get(0))?;
            logins.extend(rows.collect::<rusqlite::Result<Vec<String>>>()?);
        }
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(logins.into_iter().take(most).collect())
}

/// An administrator, active or not, who is directly in a group, if there is one.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn an_administrator_in(store: &Store, group: i64) -> Result<Option<String>> {
    let mut administrators = Administrators::load(store)?;
    let mut query = store.db().prepare_cached(
        "SELECT user.id, type, login FROM group_user JOIN user ON user.id = group_user.user WHERE \"group\" = ?1",
    )?;
    let mut rows = query.query([group])?;
    while let Some(row) = rows.next()? {
        let direct = direct_groups(store, row.get(0)?)?.into_iter().collect();
        if administrators.have(&direct, row.get(1)?) {
            return Ok(Some(row.get(2)?));
        }
    }
    Ok(None)
}

/// Whether another active administrator than `user` exists.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn another_administrator(store: &Store, user: i64) -> Result<bool> {
    let login: Option<String> = store
        .db()
        .prepare_cached("SELECT login FROM user WHERE id = ?1")?
        .query_row([user], |row| row.get(0))
        .optional()?;
    Ok(active_administrators(store, 2)?
        .into_iter()
        .any(|other| Some(&other) != login.as_ref()))
}

/// Whether some active user has an operation, now and whenever a row runs out.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn is_always_had(store: &Store, operation: Operation) -> Result<bool> {
    for at in Grantees::load(store, operation)?.moments(store.now()) {
        if holders(store, operation, at, 1)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The logins of active users who have an operation, at most `limit`, in the order of its list.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn active_holders(
    store: &Store,
    operation: Operation,
    limit: usize,
) -> Result<Vec<String>> {
    holders(store, operation, store.now(), limit)
}

/// Active users who have an operation at a moment.
fn holders(store: &Store, operation: Operation, at: Time, limit: usize) -> Result<Vec<String>> {
    let list = Grantees::load(store, operation)?;
    let mut nesting = Nesting::load(store)?;
    let mut user = store.db().prepare_cached(
        "SELECT type, login FROM user WHERE id = ?1 AND type <> 'technical' AND active = 1",
    )?;
    let mut logins = Vec::new();
    for row in list.0.iter().filter(|row| row.access == Access::Allow) {
        let candidates = match row.whom {
            Whom::User(id) => BTreeSet::from([id]),
            Whom::Group(id) => users_in(store, &nesting, id)?,
        };
        for id in candidates {
            if logins.len() == limit {
                return Ok(logins);
            }
            let found = user.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)));
            let Some((kind, login)) = found.optional()? else {
                continue;
            };
            let groups = nesting.groups(direct_groups(store, id)?, kind);
            if list.allow(id, groups, at) && !logins.contains(&login) {
                logins.push(login);
            }
        }
    }
    Ok(logins)
}

/// Everybody who is in a group, directly, through nesting or by type, as far as the store's memberships go.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
fn users_in(store: &Store, nesting: &Nesting, group: i64) -> Result<BTreeSet<i64>> {
    let within = nesting.within(group);
    let mut found = BTreeSet::new();
    let mut members = store
        .db()
        .prepare_cached("SELECT user FROM group_user WHERE \"group\" = ?1")?;
    for one in &within {
        let users = members.query_map([one], |row| row.get(0))?;
        found.extend(users.collect::<rusqlite::Result<Vec<i64>>>()?);
    }
    let mut of_type = store
        .db()
        .prepare_cached("SELECT id FROM user WHERE type = ?1")?;
    for kind in Type::ALL {
        if nesting
            .computed(kind)
            .is_some_and(|group| within.contains(&group))
        {
            let users = of_type.query_map([kind], |row| row.get(0))?;
            found.extend(users.collect::<rusqlite::Result<Vec<i64>>>()?);
        }
    }
    Ok(found)
}

/// Numbers the rows of every list 1..n again, after rows have gone.
pub(crate) fn close_gaps(tx: &Tx<'_>) -> Result<()> {
    tx.db().execute(
        "UPDATE grantee SET position = counted.place
         FROM (SELECT id, row_number() OVER (PARTITION BY operation ORDER BY position) AS place FROM grantee) AS counted
         WHERE counted.id = grantee.id AND position <> counted.place",
        [],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests;
