//! Rows that do not fit together in ways that no foreign key sees, and whether somebody administers the store.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;

use super::finding::{Findings, NAMED, Tally, by_hand, identifier, text};
use super::{Looked, Patient};
use crate::error::Result;
use crate::name::{argument, counted};
use crate::store::Store;
use crate::user::rules::{Identity, identities};
use crate::{audit, permission};

pub(super) fn orphans(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    identity(store, out)?;
    positions(store, out)?;
    cycles(store, out)?;
    computed_members(store, out)?;
    row_numbers(store, out)?;
    tombstones(store, out)?;
    Ok(Looked::Whole)
}

/// The sum of all rows, in whatever order they come. The hashes are drawn anew in each run, so that no two tables that
/// differ can be made to have one sum.
struct Sum {
    hashers: [RandomState; 2],
    sums: [u64; 2],
}

impl Sum {
    fn add(&mut self, user: i64, key: &str, is_login: bool, is_email: bool, sign: Sign) {
        for (hasher, sum) in self.hashers.iter().zip(&mut self.sums) {
            let one = hasher.hash_one((user, key, is_login, is_email));
            *sum = match sign {
                Sign::Want => sum.wrapping_add(one),
                Sign::Have => sum.wrapping_sub(one),
            };
        }
    }
}

#[derive(Clone, Copy)]
enum Sign {
    Want,
    Have,
}

const USERS: &str = "SELECT id, login, email FROM user";

/// Whether every name that leads to a user is a login or an address of theirs, and the other way round. Both tables are
/// read from one end to the other and compared by their sums; only where those differ is each user looked at.
fn identity(store: &Store, out: &mut Findings<'_>) -> Result<()> {
    let _one = store.db().moment()?;
    let mut sum = Sum {
        hashers: [RandomState::new(), RandomState::new()],
        sums: [0, 0],
    };
    let mut query = store.db().prepare(USERS)?;
    store.watched("Comparing logins and addresses", None, |at| {
        let mut rows = query.query([])?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            let user: i64 = row.get(0)?;
            let (login, email) = (
                row.get_ref(1)?.as_str_or_null(),
                row.get_ref(2)?.as_str_or_null(),
            );
            let login = login.ok().flatten().unwrap_or_default();
            for one in identities(login, email.ok().flatten()) {
                sum.add(user, &one.key, one.is_login, one.is_email, Sign::Want);
            }
            read += 1;
            at(read);
        }
        let mut query = store
            .db()
            .prepare("SELECT key, user, is_login, is_email FROM identity")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_str_or_null().ok().flatten();
            let key = key.unwrap_or_default();
            sum.add(row.get(1)?, key, row.get(2)?, row.get(3)?, Sign::Have);
            read += 1;
            at(read);
        }
        Ok(())
    })?;
    if sum.sums == [0, 0] {
        return Ok(());
    }
    each_identity(store, out)
}

/// The users whose names differ.
fn each_identity(store: &Store, out: &mut Findings<'_>) -> Result<()> {
    let mut tally = Tally::default();
    let mut lines = Vec::new();
    let mut query = store.db().prepare(USERS)?;
    let mut of = store
        .db()
        .prepare("SELECT key, is_login, is_email FROM identity WHERE user = ?1")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (user, login, email): (i64, String, Option<String>) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let want: BTreeSet<Identity> = identities(&login, email.as_deref()).into_iter().collect();
        let have = of.query_map([user], |row| {
            Ok(Identity {
                key: row.get(0)?,
                is_login: row.get(1)?,
                is_email: row.get(2)?,
            })
        })?;
        let have = have.collect::<rusqlite::Result<BTreeSet<_>>>()?;
        if have != want {
            tally.add(login);
            if lines.len() < NAMED {
                lines.push(by_hand(store, &rewritten(user, &want)));
            }
        }
    }
    if tally.count > 0 {
        let message = format!(
            "The names that lead to {} are not their login and address: {}.",
            counted(tally.count, "user", "users"),
            tally.listed()
        );
        let finding = out
            .add("identity", tally.count, message)
            .names(&tally.names);
        finding.mend.extend(lines);
    }
    Ok(())
}

fn rewritten(user: i64, want: &BTreeSet<Identity>) -> String {
    let rows: Vec<String> = want
        .iter()
        .map(|one| {
            format!(
                "({}, {user}, {}, {})",
                text(&one.key),
                i32::from(one.is_login),
                i32::from(one.is_email)
            )
        })
        .collect();
    format!(
        "DELETE FROM identity WHERE user = {user}; INSERT INTO identity (key, user, is_login, is_email) VALUES {}",
        rows.join(", ")
    )
}

/// Positions are 1 to n, each once.
fn positions(store: &Store, out: &mut Findings<'_>) -> Result<()> {
    let gaps = super::moments::logins(
        store,
        "SELECT operation FROM grantee GROUP BY operation
         HAVING min(position) <> 1 OR max(position) <> count(*) OR count(DISTINCT position) <> count(*)",
        [],
    )?;
    if gaps.count == 0 {
        return Ok(());
    }
    let message = format!(
        "The positions of {} are not 1, 2, 3 and so on: {}.",
        counted(gaps.count, "permission", "permissions"),
        gaps.listed()
    );
    let renumber = "UPDATE grantee SET position = 1 + (SELECT count(*) FROM grantee AS g WHERE g.operation = grantee.operation \
         AND (g.position, g.id) < (grantee.position, grantee.id))";
    out.add("grantee_positions", gaps.count, message)
        .names(&gaps.names)
        .mend(by_hand(store, renumber));
    Ok(())
}

/// A group that is within itself, through others.
fn cycles(store: &Store, out: &mut Findings<'_>) -> Result<()> {
    let mut below: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let mut query = store
        .db()
        .prepare("SELECT \"group\", member FROM group_group ORDER BY \"group\", member")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        below.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    let name = |id: i64| -> Result<String> {
        let sql = "SELECT name FROM \"group\" WHERE id = ?1";
        Ok(store.db().query_row(sql, [id], |row| row.get(0))?)
    };
    let closing = closing(&below);
    if closing.is_empty() {
        return Ok(());
    }
    let mut tally = Tally::default();
    let mut lines = Vec::new();
    for (group, member) in &closing {
        let (group, member) = (name(*group)?, name(*member)?);
        if lines.len() < NAMED {
            lines.push(format!(
                "twofa group remove-member {} --group {}",
                argument(&group),
                argument(&member)
            ));
        }
        tally.add(group);
    }
    let message = format!(
        "{} within itself, through others: {}.",
        counted(tally.count, "group is", "groups are each"),
        tally.listed()
    );
    let finding = out
        .add("group_cycle", tally.count, message)
        .names(&tally.names);
    finding.mend.extend(lines);
    Ok(())
}

/// The memberships without which nothing is within itself: those that lead back to where the walk has come from.
fn closing(below: &BTreeMap<i64, Vec<i64>>) -> Vec<(i64, i64)> {
    let mut closing = Vec::new();
    let (mut done, mut inside) = (BTreeSet::new(), BTreeSet::new());
    for root in below.keys() {
        // Groups under way, and how many of the members of each were walked.
        let mut open = vec![(*root, 0)];
        while let Some((group, walked)) = open.pop() {
            if walked == 0 && (done.contains(&group) || !inside.insert(group)) {
                continue;
            }
            let Some(member) = below.get(&group).and_then(|members| members.get(walked)) else {
                inside.remove(&group);
                done.insert(group);
                continue;
            };
            open.push((group, walked + 1));
            if inside.contains(member) {
                closing.push((group, *member));
            } else if !done.contains(member) {
                open.push((*member, 0));
            }
        }
    }
    closing
}

fn counted_by(store: &Store, sql: &str) -> Result<u64> {
    let count: i64 = store.db().query_row(sql, [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Who is in a computed group follows from their type alone.
fn computed_members(store: &Store, out: &mut Findings<'_>) -> Result<()> {
    const COMPUTED: &str =
        "[group] IN (SELECT id FROM [group] WHERE built_in IN ('employees', 'externals'))";
    for table in ["group_user", "group_group"] {
        let sql = format!("SELECT count(*) FROM {table} WHERE {COMPUTED}");
        let count = counted_by(store, &sql)?;
        if count > 0 {
            let message = format!(
                "{} in `{table}` of a group whose members follow from their type.",
                counted(count, "row stands", "rows stand")
            );
            out.add("computed_members", count, message)
                .names(&[table.to_owned()])
                .mend(by_hand(
                    store,
                    &format!("DELETE FROM {table} WHERE {COMPUTED}"),
                ));
        }
    }
    Ok(())
}

/// A row id is never used twice: what is sealed is bound to it.
fn row_numbers(store: &Store, out: &mut Findings<'_>) -> Result<()> {
    let mut query = store.db().prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%' ORDER BY name",
    )?;
    let names = query
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for name in names {
        let table = identifier(&name);
        let sql = format!(
            "SELECT coalesce((SELECT max(id) FROM {table}), 0) > coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = ?1), 0)"
        );
        let behind: bool = store.db().query_row(&sql, [&name], |row| row.get(0))?;
        if behind {
            let message = format!("The next row of `{name}` would get an id that was used before.");
            let known = text(&name);
            let line = format!(
                "DELETE FROM sqlite_sequence WHERE name = {known}; \
                 INSERT INTO sqlite_sequence (name, seq) SELECT {known}, max(id) FROM {table}"
            );
            out.add("row_numbers", 1, message)
                .names(std::slice::from_ref(&name))
                .mend(by_hand(store, &line));
        }
    }
    Ok(())
}

/// A tombstone stands for a row of the log that was moved to an archive: of the two, the one goes that was not written here.
fn tombstones(store: &Store, out: &mut Findings<'_>) -> Result<()> {
    let (back, forged) = audit::beside_rows(store)?;
    let numbers = |seqs: &[i64]| {
        let first = seqs.iter().take(NAMED).map(i64::to_string);
        first.collect::<Vec<_>>()
    };
    if !back.is_empty() {
        let count = back.len() as u64;
        let message = format!(
            "{} of the audit log {} there again although {} archived.",
            counted(count, "row", "rows"),
            if count == 1 { "stands" } else { "stand" },
            if count == 1 { "it was" } else { "they were" }
        );
        let sql = format!(
            "DELETE FROM audit WHERE seq IN ({})",
            numbers(&back).join(", ")
        );
        out.add("archived_rows", count, message)
            .names(&numbers(&back))
            .mend(by_hand(store, &sql));
    }
    if !forged.is_empty() {
        let count = forged.len() as u64;
        let message = format!(
            "{} of the audit log, which this program did not set, {} for rows that are there.",
            counted(count, "tombstone", "tombstones"),
            if count == 1 { "stands" } else { "stand" }
        );
        let sql = format!(
            "DELETE FROM audit_tombstone WHERE seq IN ({})",
            numbers(&forged).join(", ")
        );
        out.add("tombstones", count, message)
            .names(&numbers(&forged))
            .mend(by_hand(store, &sql));
    }
    Ok(())
}

/// Whether somebody can administer the store.
pub(super) fn administrators(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    let first: Option<(String, bool)> = match crate::user::first_administrator(store)? {
        Some(first) => Some((first.login, first.active)),
        None => None,
    };
    if first.is_none() {
        out.add(
            "no_first_administrator",
            1,
            "The store has no first administrator, for whom root and its owner act.",
        )
        .mend(by_hand(
            store,
            "UPDATE store SET first_administrator = (SELECT id FROM user WHERE login = 'LOGIN')",
        ));
    }
    if permission::active_administrators(store, 1)?.is_empty() {
        let (login, active) = first.unwrap_or_else(|| ("LOGIN".to_owned(), true));
        let line = if active {
            // Who could say it by a command was in that group.
            let insert = format!(
                "INSERT INTO group_user SELECT [group].id, user.id FROM [group], user \
                 WHERE built_in = 'administrators' AND login = {}",
                text(&login)
            );
            by_hand(store, &insert)
        } else {
            format!("twofa user activate {}", argument(&login))
        };
        out.add(
            "no_administrator",
            1,
            "The store has no active administrator.",
        )
        .mend(line);
    }
    Ok(Looked::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_closes_a_circle_is_found_once() {
        let graph = |edges: &[(i64, i64)]| {
            let mut below: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
            for (group, member) in edges {
                below.entry(*group).or_default().push(*member);
            }
            closing(&below)
        };
        assert_eq!(graph(&[]), []);
        // Two ways to one group are no circle.
        assert_eq!(graph(&[(1, 2), (1, 3), (2, 4), (3, 4)]), []);
        assert_eq!(graph(&[(1, 2), (2, 1)]), [(2, 1)]);
        assert_eq!(graph(&[(1, 2), (2, 3), (3, 2), (4, 1)]), [(3, 2)]);
        assert_eq!(graph(&[(1, 2), (2, 3), (3, 1), (3, 4), (4, 3)]).len(), 2);
    }
}
