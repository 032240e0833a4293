//! Operation permissions: who may.
//!
//! An operation has an ordered list of grantees. The smallest position whose grantee is the user, or a group the user is
//! in through any nesting, decides; nothing matches means no. A user and a group are different things even under one
//! name. The cost follows the groups a user is in, not the number of users.

use std::collections::{BTreeSet, HashMap};

use rusqlite::OptionalExtension as _;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

use crate::clock::Time;
use crate::error::Result;
use crate::store::{Store, Tx};
use crate::user::kind::Type;
use crate::verb::Operation;

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
pub(crate) enum Whom {
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
    pub allow: bool,
    /// From this moment on it does not match.
    pub until: Option<Time>,
}

/// The column `access`.
#[derive(PartialEq, Eq)]
enum Access {
    Allow,
    Deny,
}

impl FromSql for Access {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "allow" => Ok(Access::Allow),
            "deny" => Ok(Access::Deny),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// The list of one operation, in order.
#[derive(Debug, Clone, Default)]
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
                allow: row.get::<_, Access>(3)? == Access::Allow,
                until: row.get(4)?,
            })
        })?;
        Ok(Grantees(rows.collect::<rusqlite::Result<_>>()?))
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
            .filter(|row| row.until.is_none_or(|until| now < until))
            .filter(|row| match row.whom {
                Whom::User(id) => id == user,
                Whom::Group(id) => groups.contains(&id),
            })
            .min_by_key(|row| row.position)
    }

    /// Whether a user who is in `groups` may, at `now`.
    #[must_use]
    pub(crate) fn allow(&self, user: i64, groups: &BTreeSet<i64>, now: Time) -> bool {
        self.deciding(user, groups, now)
            .is_some_and(|row| row.allow)
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
    let known = store.kept((operation, user, kind), || {
        let groups = groups_of(store, user, kind)?;
        Ok((Grantees::load(store, operation)?, groups))
    })?;
    let (grantees, groups) = &*known;
    Ok(grantees.allow(user, groups, store.now()))
}

/// Whether a user is in "System administrators", directly or through a nested group; active or not.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn in_administrators(store: &Store, user: i64, kind: Type) -> Result<bool> {
    Ok(groups_of(store, user, kind)?.contains(&built_in_group(store, built_in::ADMINISTRATORS)?))
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

/// Memberships of many users at once: the nesting is read once, and each set of direct groups is resolved once.
pub(crate) struct Nesting {
    above: HashMap<i64, Vec<i64>>,
    computed: HashMap<&'static str, i64>,
    resolved: HashMap<(Vec<i64>, Type), BTreeSet<i64>>,
}

impl Nesting {
    /// Reads the nesting of groups.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn load(store: &Store) -> Result<Nesting> {
        let mut above: HashMap<i64, Vec<i64>> = HashMap::new();
        let mut query = store
            .db()
            .prepare("SELECT member, \"group\" FROM group_group")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            above.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        let mut computed = HashMap::new();
        for which in [built_in::EMPLOYEES, built_in::EXTERNALS] {
            computed.insert(which, built_in_group(store, which)?);
        }
        Ok(Nesting {
            above,
            computed,
            resolved: HashMap::new(),
        })
    }

    /// All groups of a user of type `kind` whose direct groups, in ascending order, are `direct`.
    pub(crate) fn groups(&mut self, direct: Vec<i64>, kind: Type) -> &BTreeSet<i64> {
        // Organisations have few combinations of groups; a store that has many pays in memory only up to here.
        if self.resolved.len() > 100_000 {
            self.resolved.clear();
        }
        let (above, computed) = (&self.above, &self.computed);
        self.resolved
            .entry((direct, kind))
            .or_insert_with_key(|(direct, kind)| {
                let mut open: Vec<i64> = direct.clone();
                open.extend(everybody(*kind).and_then(|which| computed.get(which)));
                let mut inside = BTreeSet::new();
                while let Some(group) = open.pop() {
                    if inside.insert(group) {
                        open.extend(above.get(&group).into_iter().flatten());
                    }
                }
                inside
            })
    }
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
mod tests {
    use super::*;

    fn row(position: i64, whom: Whom, allow: bool, until: Option<i64>) -> Grantee {
        Grantee {
            position,
            whom,
            allow,
            until: until.map(Time),
        }
    }

    #[test]
    fn the_smallest_matching_position_decides() {
        let list = Grantees(vec![
            row(1, Whom::Group(1), false, Some(100)),
            row(2, Whom::User(1), true, None),
            row(3, Whom::Group(2), false, None),
        ]);
        let groups = |ids: &[i64]| ids.iter().copied().collect::<BTreeSet<_>>();
        assert!(list.allow(1, &groups(&[2]), Time(0)));
        assert!(
            !list.allow(1, &groups(&[1]), Time(99)),
            "a denial before it"
        );
        assert!(list.allow(1, &groups(&[1]), Time(100)), "which has expired");
        assert!(!list.allow(2, &groups(&[2]), Time(0)));
        assert!(!list.allow(2, &groups(&[]), Time(0)), "nothing matches: no");
        assert!(
            !list.allow(2, &groups(&[]), Time(0)),
            "user 1 is not group 1"
        );
    }

    #[test]
    fn administrators_are_found_through_every_kind_of_group() {
        let fresh = crate::store::tests::fresh();
        let store = &fresh.store;
        let run = |sql: &str| {
            let done = store.write(|tx| Ok(tx.db().execute_batch(sql)?));
            done.unwrap();
        };
        let found = |limit| active_administrators(store, limit).unwrap();
        run("INSERT INTO user (id, login, type, active, created_at) VALUES
                 (1, 'ada', 'external', 1, 0), (2, 'bea', 'employee', 1, 0), (3, 'cy', 'employee', 0, 0);
             INSERT INTO identity VALUES ('ada', 1, 1, 0), ('bea', 2, 1, 0), ('cy', 3, 1, 0);
             INSERT INTO \"group\" (id, name, name_key, created_at) VALUES (10, 'Inner', 'inner', 0);
             INSERT INTO group_user VALUES (10, 1), (10, 3);");
        assert_eq!(found(5), [""; 0]);
        run(
            "INSERT INTO group_group SELECT id, 10 FROM \"group\" WHERE built_in = 'administrators'",
        );
        assert_eq!(found(5), ["ada"], "through a nested group, if active");
        run("INSERT INTO group_group SELECT 10, id FROM \"group\" WHERE built_in = 'employees'");
        assert_eq!(found(5), ["ada", "bea"], "through a computed group too");
        assert_eq!(found(1), ["ada"]);
        assert!(another_administrator(store, 1).unwrap());
    }
}
