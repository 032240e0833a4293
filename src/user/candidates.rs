//! What a shell offers for a user: names that begin like what was typed, as fast among a million users as among ten.
//!
//! Whom a command cannot be about is left out where that is quick to see. Where it is not, everybody is offered: a name
//! too many is no harm, one that is missing is.

use rusqlite::{Statement, ToSql, named_params};

use crate::error::Result;
use crate::name::fold;
use crate::store::Store;

/// Who is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Everybody.
    Everybody,
    /// Whoever has an authenticator app connected.
    WithApp,
    /// Whoever has recovery codes.
    WithCodes,
    /// Whoever is directly in this group.
    InGroup(i64),
}

/// So many can be looked at one by one.
const FEW: i64 = 2_000;

impl Among {
    /// The ids of those who belong to it, and whether `user` does.
    fn sql(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Among::Everybody => return None,
            Among::WithApp => (
                "SELECT user FROM authenticator",
                "SELECT 1 FROM authenticator WHERE user = some.user",
            ),
            Among::WithCodes => (
                "SELECT DISTINCT user FROM recovery_code",
                "SELECT 1 FROM recovery_code WHERE user = some.user",
            ),
            Among::InGroup(_) => (
                "SELECT user FROM group_user WHERE \"group\" = :group",
                "SELECT 1 FROM group_user WHERE \"group\" = :group AND user = some.user",
            ),
        })
    }

    fn group(self) -> Option<i64> {
        match self {
            Among::InGroup(group) => Some(group),
            _ => None,
        }
    }
}

/// Logins that begin with `prefix`, at most `limit`; with an @ in it, addresses too.
///
/// # Errors
/// [`Kind::Storage`](crate::error::Kind::Storage).
pub fn candidates(store: &Store, among: Among, prefix: &str, limit: i64) -> Result<Vec<String>> {
    let found = match among.sql() {
        None => Vec::new(),
        Some((all, is_one)) => match few(store, among, all, prefix, limit)? {
            Some(found) => return Ok(found),
            None => first(store, among, is_one, prefix, limit)?,
        },
    };
    if found.is_empty() {
        everybody(store, prefix, limit)
    } else {
        Ok(found)
    }
}

/// The keys that begin with `prefix`: from the first, up to the second, which sorts after all of them.
fn range(prefix: &str) -> (String, String) {
    let key = fold(prefix);
    let end = format!("{key}\u{10ffff}");
    (key, end)
}

fn everybody(store: &Store, prefix: &str, limit: i64) -> Result<Vec<String>> {
    let (key, end) = range(prefix);
    let mut query = store.db().prepare(
        "SELECT CASE WHEN is_login THEN login ELSE email END FROM identity JOIN user ON user.id = identity.user
         WHERE key >= :key AND key < :end AND (is_login = 1 OR :address) ORDER BY key LIMIT :limit",
    )?;
    let address = prefix.contains('@');
    let rows = query.query_map(
        named_params! { ":key": key, ":end": end, ":address": address, ":limit": limit },
        |row| row.get(0),
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Those of a few, each looked at; `None` where there are too many.
fn few(
    store: &Store,
    among: Among,
    all: &str,
    prefix: &str,
    limit: i64,
) -> Result<Option<Vec<String>>> {
    let some = format!("({all} LIMIT :few) AS some");
    let mut count = store
        .db()
        .prepare(&format!("SELECT count(*) FROM {some}"))?;
    bind(
        &mut count,
        &[(":few", &(FEW + 1)), (":group", &among.group())],
    )?;
    let mut counted = count.raw_query();
    let count: i64 = counted.next()?.map_or(Ok(0), |row| row.get(0))?;
    if count > FEW {
        return Ok(None);
    }
    let mut query = store.db().prepare(&format!(
        "SELECT login FROM {some} JOIN user ON user.id = some.user"
    ))?;
    bind(&mut query, &[(":few", &FEW), (":group", &among.group())])?;
    let mut rows = query.raw_query();
    let mut found: Vec<(String, String)> = Vec::new();
    let key = fold(prefix);
    while let Some(row) = rows.next()? {
        let login: String = row.get(0)?;
        let folded = fold(&login);
        if folded.starts_with(&key) {
            found.push((folded, login));
        }
    }
    found.sort_unstable();
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Some(found.into_iter().map(|(_, login)| login).collect()))
}

/// Gives a statement the values of those parameters that it has.
fn bind(query: &mut Statement<'_>, values: &[(&str, &dyn ToSql)]) -> Result<()> {
    for (name, value) in values {
        if let Some(index) = query.parameter_index(name)? {
            query.raw_bind_parameter(index, value)?;
        }
    }
    Ok(())
}

/// Those among the first names that begin with `prefix`.
fn first(
    store: &Store,
    among: Among,
    is_one: &str,
    prefix: &str,
    limit: i64,
) -> Result<Vec<String>> {
    let (key, end) = range(prefix);
    let mut query = store.db().prepare(&format!(
        "SELECT login FROM (SELECT key, user FROM identity
                            WHERE key >= :key AND key < :end AND is_login = 1 ORDER BY key LIMIT :few) AS some
         JOIN user ON user.id = some.user WHERE EXISTS ({is_one}) ORDER BY key LIMIT :limit"
    ))?;
    let values: [(&str, &dyn ToSql); 5] = [
        (":key", &key),
        (":end", &end),
        (":few", &FEW),
        (":limit", &limit),
        (":group", &among.group()),
    ];
    bind(&mut query, &values)?;
    let mut rows = query.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(row.get(0)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Fresh, fresh};

    /// Users u00000 and so on; every second of the first `apps` has an app.
    fn many(users: i64, apps: i64) -> Fresh {
        let fresh = fresh();
        fresh
            .store
            .write(|tx| {
                let db = tx.db();
                for id in 1_000..1_000 + users {
                    let login = format!("u{id:05}");
                    db.execute(
                        "INSERT INTO user (id, login, type, created_at) VALUES (?1, ?2, 'employee', 0)",
                        rusqlite::params![id, login],
                    )?;
                    db.execute(
                        "INSERT INTO identity (key, user, is_login, is_email) VALUES (?2, ?1, 1, 0)",
                        rusqlite::params![id, login],
                    )?;
                    if id < 1_000 + apps {
                        db.execute(
                            "INSERT INTO authenticator (user, secret, fingerprint, algorithm, digits, period, consumed_until_at, connected_at)
                             VALUES (?1, x'00', x'00', 'SHA1', 6, 30, 0, 0)",
                            [id],
                        )?;
                    }
                }
                Ok(())
            })
            .unwrap();
        fresh
    }

    #[test]
    fn of_few_all_are_looked_at() {
        let fresh = many(20, 3);
        let found = |prefix| candidates(&fresh.store, Among::WithApp, prefix, 10).unwrap();
        assert_eq!(found(""), ["u01000", "u01001", "u01002"]);
        assert_eq!(found("U01002"), ["u01002"]);
        // Nobody of this name has one: nobody is offered.
        assert_eq!(found("u01003"), [""; 0]);
        assert_eq!(
            candidates(&fresh.store, Among::WithApp, "", 2)
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            candidates(&fresh.store, Among::WithCodes, "u", 10).unwrap(),
            [""; 0]
        );
        assert_eq!(
            candidates(&fresh.store, Among::Everybody, "u", 99)
                .unwrap()
                .len(),
            20
        );
    }

    #[test]
    fn of_many_the_first_are_looked_at_and_nobody_is_missing() {
        let fresh = many(5_000, FEW + 1);
        let found = |prefix| candidates(&fresh.store, Among::WithApp, prefix, 10).unwrap();
        assert_eq!(found("").first().map(String::as_str), Some("u01000"));
        assert_eq!(found("").len(), 10);
        assert_eq!(found("u01007"), ["u01007"]);
        // Too many to look at: somebody who has none is offered rather than nobody.
        assert_eq!(found("u05999"), ["u05999"]);
    }
}
