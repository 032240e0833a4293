//! Following the chain, and naming what was done to it.

use std::collections::HashMap;

use serde::Serialize;

use super::{COLUMNS, Event, GENESIS, Head, Raw, Record, head_proof, link, read_head};
use crate::error::Result;
use crate::store::Store;
use crate::vault::same;

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whether the whole chain holds.
    pub intact: bool,
    /// Rows looked at.
    pub rows: i64,
    /// The newest row there should be.
    pub head: i64,
    /// The first row that does not fit.
    pub first_bad: Option<i64>,
    /// What kind of damage it is: `edited`, `inserted`, `deleted`, `cut_tail`, `head`, `unlinked`: the way
    /// from a user to their events was changed.
    pub damage: Option<String>,
}

/// Follows the chain from the first row to the head.
///
/// # Errors
/// [`crate::error::Kind::KeyMissing`], [`crate::error::Kind::KeyWrong`], [`crate::error::Kind::Storage`]. Damage is not an error but an answer.
pub fn verify(store: &Store) -> Result<Verified> {
    let rows = read_head(store)?.map(|head| head.seq.unsigned_abs());
    store.watched("Verifying the audit log", rows, |at| {
        follow(store, &mut || Ok(()), at)
    })
}

/// As [`verify`]; `meanwhile` runs between the head and the rows, where another command may come in.
fn follow(
    store: &Store,
    meanwhile: &mut dyn FnMut() -> Result<()>,
    at: &mut dyn FnMut(u64),
) -> Result<Verified> {
    // One snapshot: a row that another command adds while this one reads is not beyond the head.
    let _snapshot = store.db().snapshot()?;
    let vault = store.vault()?;
    let mut answer = Verified {
        intact: false,
        rows: 0,
        head: 0,
        first_bad: None,
        damage: None,
    };
    let mut query = store.db().prepare(&format!(
        "SELECT {COLUMNS}, digest, mac, \"key\" FROM audit ORDER BY seq"
    ))?;
    let mut rows = query.query([])?;
    let mut before = GENESIS.to_vec();
    let mut newest = Newest::default();
    let mut expected = 1;
    let bad = |mut answer: Verified, seq: i64, damage: &str| {
        answer.first_bad = Some(seq);
        answer.damage = Some(damage.to_owned());
        Ok(answer)
    };
    let head = read_head(store)?;
    answer.head = head.as_ref().map_or(0, |head| head.seq);
    meanwhile()?;
    while let Some(row) = rows.next()? {
        at(answer.rows.unsigned_abs());
        let raw = Raw::read(row)?;
        // A column that holds another type than it should was written by something else.
        let links = (
            row.get_ref(12)?.as_blob(),
            row.get_ref(13)?.as_blob(),
            row.get_ref(14)?.as_i64(),
        );
        answer.rows += 1;
        let seq = raw.record.seq;
        if seq > expected {
            return bad(answer, expected, "deleted");
        }
        if seq < expected {
            return bad(answer, seq, "inserted");
        }
        let mac = match links {
            (Ok(digest), Ok(mac), Ok(key)) if raw.sound && same(&raw.digest(), digest) => {
                link(vault, key, seq, &before, digest)
                    .is_ok_and(|want| same(&want, mac))
                    .then_some(mac)
            }
            _ => None,
        };
        let Some(mac) = mac else {
            let damage = if answer.head < seq {
                "inserted"
            } else {
                "edited"
            };
            return bad(answer, seq, damage);
        };
        if !newest.follows(&raw.record) {
            return bad(answer, seq, UNLINKED);
        }
        before = mac.to_vec();
        expected += 1;
    }
    if let Some((seq, damage)) = against_head(store, head.as_ref(), expected, &before)? {
        return bad(answer, seq, damage);
    }
    if let Some(seq) = newest.not_known_to(store)? {
        return bad(answer, seq, UNLINKED);
    }
    answer.intact = true;
    Ok(answer)
}

/// What is wrong between the head and the rows, which end before `next` with the mac `last`.
fn against_head(
    store: &Store,
    head: Option<&Head>,
    next: i64,
    last: &[u8],
) -> Result<Option<(i64, &'static str)>> {
    let Some(head) = head else {
        return Ok(Some((next, "head")));
    };
    let proven = head_proof(store.vault()?, head.key, store.id(), head.seq, &head.mac)
        .is_ok_and(|want| same(&want, &head.proof));
    Ok(if !proven {
        Some((head.seq, "head"))
    } else if head.seq >= next {
        Some((next, "cut_tail"))
    } else if head.seq + 1 < next {
        Some((head.seq + 1, "inserted"))
    } else if !same(&head.mac, last) {
        Some((head.seq, "edited"))
    } else {
        None
    })
}

const UNLINKED: &str = "unlinked";

/// The newest event about each user, as far as the chain was followed. `None`: the user was removed, and what still came
/// about them leads nowhere.
#[derive(Default)]
struct Newest(HashMap<i64, Option<i64>>);

impl Newest {
    /// Whether a row leads to the one before it about the same user.
    fn follows(&mut self, record: &Record) -> bool {
        let Some(user) = record.user else {
            return record.earlier.is_none();
        };
        let known = self.0.get(&user).copied();
        let removed = record.event == Event::USER_REMOVED.code();
        let goes_on = known != Some(None) && !removed;
        self.0.insert(user, goes_on.then_some(record.seq));
        record.earlier == known.flatten() || removed && record.earlier.is_none()
    }

    /// The newest event of a user whose row does not lead to it, or leads to one although there is none.
    fn not_known_to(&self, store: &Store) -> Result<Option<i64>> {
        let mut query = store.db().prepare("SELECT id, newest_event FROM user")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let newest = self.0.get(&row.get(0)?).copied().flatten();
            let leads = row.get_ref(1)?.as_i64_or_null().ok();
            if leads != Some(newest) {
                return Ok(Some(newest.or(leads.flatten()).unwrap_or_default()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Entry, Event, Outcome, Who, append};
    use super::*;
    use crate::error::Kind;
    use crate::store::tests::{Fresh, fresh};

    fn filled(rows: i64) -> Fresh {
        let fresh = fresh();
        fresh
            .store
            .write(|tx| {
                for row in 0..rows {
                    let entry = Entry::new(Event::SETTING_CHANGED, Outcome::Ok)
                        .subject(format!("s{row}"))
                        .detail(serde_json::json!({ "new": row }));
                    append(tx, &Who::default(), &entry)?;
                }
                Ok(())
            })
            .unwrap();
        fresh
    }

    fn about(user: i64) -> Entry {
        Entry::new(Event::LOGIN_DENIED, Outcome::Denied).user_id(Some(user))
    }

    fn add(fresh: &Fresh, entries: &[Entry]) {
        let all = |tx: &crate::store::Tx<'_>| {
            entries
                .iter()
                .try_for_each(|entry| append(tx, &Who::default(), entry).map(drop))
        };
        fresh.store.write(all).unwrap();
    }

    /// Two users: rows 4, 6 and 8 are about the first, 5, 7 and 9 about the second.
    fn two_users() -> Fresh {
        let fresh = filled(3);
        let users = "INSERT INTO user (id, login, type, created_at)
             VALUES (1, 'alice', 'employee', 0), (2, 'bob', 'employee', 0)";
        fresh.store.tampered().execute_batch(users).unwrap();
        add(&fresh, &[about(1), about(2), about(1)]);
        add(&fresh, &[about(2), about(1), about(2)]);
        fresh
    }

    fn listed(fresh: &Fresh, user: i64) -> Vec<i64> {
        let filter = super::super::Filter {
            user: Some(user),
            ..Default::default()
        };
        let mut rows = Vec::new();
        super::super::list(&fresh.store, &filter, &mut |record| {
            rows.push(record.seq);
            Ok(())
        })
        .unwrap();
        rows
    }

    #[test]
    fn the_way_from_a_user_to_their_events_is_followed() {
        let fresh = two_users();
        assert!(verify(&fresh.store).unwrap().intact);
        assert_eq!(listed(&fresh, 1), [8, 6, 4]);
        assert_eq!(listed(&fresh, 2), [9, 7, 5]);
        // A removal, and what still came about whoever was removed.
        let remove = "DELETE FROM user WHERE id = 1";
        fresh.store.tampered().execute_batch(remove).unwrap();
        let removed = Entry::new(Event::USER_REMOVED, Outcome::Ok).user_id(Some(1));
        add(&fresh, &[removed, about(1), about(2)]);
        assert!(verify(&fresh.store).unwrap().intact);
        assert_eq!(listed(&fresh, 1), [11, 10, 8, 6, 4]);
        assert_eq!(listed(&fresh, 2), [12, 9, 7, 5]);
    }

    #[test]
    fn a_way_that_was_bent_shows_whether_or_not_the_log_went_on_from_it() {
        let unlinked = |fresh: &Fresh| {
            let found = verify(&fresh.store).unwrap();
            assert_eq!(found.damage.as_deref(), Some(UNLINKED));
            found.first_bad
        };
        for leads in ["NULL", "4", "9", "99"] {
            let fresh = two_users();
            let bend = format!("UPDATE user SET newest_event = {leads} WHERE id = 1");
            fresh.store.tampered().execute_batch(&bend).unwrap();
            assert_eq!(unlinked(&fresh), Some(8), "{leads}");
            add(&fresh, &[about(1)]);
            assert_eq!(unlinked(&fresh), Some(10), "{leads}");
            assert_eq!(listed(&fresh, 2), [9, 7, 5], "{leads}");
        }
    }

    #[test]
    fn where_the_way_leads_nowhere_the_rest_is_looked_for() {
        for (sql, rows) in [
            (
                "UPDATE user SET newest_event = NULL WHERE id = 1",
                vec![8, 6, 4],
            ),
            (
                "UPDATE user SET newest_event = 9 WHERE id = 1",
                vec![8, 6, 4],
            ),
            (
                "UPDATE user SET newest_event = 99 WHERE id = 1",
                vec![8, 6, 4],
            ),
            ("DELETE FROM audit WHERE seq = 6", vec![8, 4]),
            ("UPDATE audit SET earlier = 9 WHERE seq = 6", vec![8, 6, 4]),
            ("UPDATE audit SET earlier = 6 WHERE seq = 6", vec![8, 6, 4]),
        ] {
            let fresh = two_users();
            fresh.store.tampered().execute_batch(sql).unwrap();
            assert_eq!(listed(&fresh, 1), rows, "{sql}");
        }
    }

    fn damage_after(rows: i64, sql: &str) -> (Option<i64>, Option<String>) {
        let fresh = filled(rows);
        fresh.store.tampered().execute_batch(sql).unwrap();
        let found = verify(&fresh.store).unwrap();
        assert!(!found.intact, "{sql}");
        (found.first_bad, found.damage)
    }

    #[test]
    fn an_untouched_log_verifies() {
        for rows in [0, 1, 5] {
            let found = verify(&filled(rows).store).unwrap();
            assert_eq!(
                found,
                Verified {
                    intact: true,
                    rows,
                    head: rows,
                    first_bad: None,
                    damage: None
                }
            );
        }
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let named = |seq, damage: &str| (Some(seq), Some(damage.to_owned()));
        assert_eq!(
            damage_after(5, "UPDATE audit SET subject = 'x' WHERE seq = 3"),
            named(3, "edited")
        );
        assert_eq!(
            damage_after(5, "DELETE FROM audit WHERE seq = 2"),
            named(2, "deleted")
        );
        assert_eq!(
            damage_after(5, "DELETE FROM audit WHERE seq = 1"),
            named(1, "deleted")
        );
        assert_eq!(
            damage_after(5, "DELETE FROM audit WHERE seq >= 4"),
            named(4, "cut_tail")
        );
        assert_eq!(
            damage_after(
                5,
                "INSERT INTO audit SELECT 6, at, actor, os_user, event, subject, user, earlier, outcome, reason, note, detail, digest, mac, \"key\" FROM audit WHERE seq = 5"
            ),
            named(6, "inserted")
        );
        assert_eq!(
            damage_after(
                5,
                "UPDATE audit SET seq = 100 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 100"
            ),
            named(2, "edited")
        );
        assert_eq!(damage_after(5, "DELETE FROM audit_head"), named(6, "head"));
        assert_eq!(
            damage_after(
                5,
                "UPDATE audit_head SET seq = 4; DELETE FROM audit WHERE seq = 5"
            ),
            named(4, "head")
        );
    }

    #[test]
    fn a_value_of_another_type_is_an_edit_and_is_shown() {
        for (set, shown) in [
            ("subject = CAST(x'61ff' AS TEXT)", "a\u{fffd}"),
            ("subject = x'00ff'", "x'00ff'"),
            ("subject = 7", "7"),
            ("subject = 1.5", "1.5"),
            ("at = 'soon'", "s2"),
            ("user = x'00'", "s2"),
            ("digest = 'short'", "s2"),
            ("mac = 1", "s2"),
            ("\"key\" = NULL", "s2"),
        ] {
            let fresh = filled(5);
            // STRICT stands in the schema, which is text too.
            fresh
                .store
                .tampered()
                .execute_batch(&format!(
                    "CREATE TABLE loose AS SELECT * FROM audit; DROP TABLE audit;
                     CREATE TABLE audit (seq INTEGER PRIMARY KEY, at, actor, os_user, event, subject, user, earlier, outcome, reason, note, detail, digest, mac, \"key\");
                     INSERT INTO audit SELECT * FROM loose; UPDATE audit SET {set} WHERE seq = 3"
                ))
                .unwrap();
            let found = verify(&fresh.store).unwrap();
            assert_eq!(
                (found.first_bad, found.damage.as_deref()),
                (Some(3), Some("edited")),
                "{set}"
            );
            let mut subjects = Vec::new();
            let all = super::super::Filter::default();
            super::super::list(&fresh.store, &all, &mut |record| {
                subjects.push(record.subject.unwrap_or_default());
                Ok(())
            })
            .unwrap();
            assert_eq!(subjects, ["s4", "s3", shown, "s1", "s0"], "{set}");
            let row = super::super::show(&fresh.store, 3).unwrap();
            assert_eq!(row.subject.as_deref(), Some(shown), "{set}");
        }
    }

    #[test]
    fn a_row_that_is_added_meanwhile_is_no_damage() {
        let fresh = filled(3);
        let other = fresh.store.writing_twin().unwrap();
        let found = follow(
            &fresh.store,
            &mut || {
                other.write(|tx| {
                    let entry = Entry::new(Event::LOGIN_GRANTED, Outcome::Ok);
                    append(tx, &Who::default(), &entry).map(drop)
                })
            },
            &mut |_| {},
        )
        .unwrap();
        assert!(found.intact, "{found:?}");
        assert_eq!((found.rows, verify(&fresh.store).unwrap().rows), (3, 4));
    }

    #[test]
    fn nothing_is_chained_onto_an_end_that_the_head_is_not_of() {
        for sql in [
            "DELETE FROM audit WHERE seq = 3",
            "DELETE FROM audit",
            "UPDATE audit SET mac = zeroblob(32) WHERE seq = 3",
            "INSERT INTO audit SELECT 4, at, actor, os_user, event, subject, user, earlier, outcome, reason, note, detail, digest, mac, \"key\" FROM audit WHERE seq = 3",
            "INSERT INTO audit SELECT 9, at, actor, os_user, event, subject, user, earlier, outcome, reason, note, detail, digest, mac, \"key\" FROM audit WHERE seq = 3",
        ] {
            let fresh = filled(3);
            fresh.store.tampered().execute_batch(sql).unwrap();
            let entry = Entry::new(Event::LOGIN_GRANTED, Outcome::Ok);
            let error = fresh
                .store
                .write(|tx| append(tx, &Who::default(), &entry))
                .unwrap_err();
            assert_eq!(
                (error.kind(), error.message().as_str()),
                (
                    Kind::Storage,
                    "the audit log's newest row is not the one its head is of: the store was changed by something else"
                ),
                "{sql}"
            );
        }
    }

    #[test]
    fn nothing_is_chained_onto_a_forged_head() {
        let fresh = filled(3);
        fresh
            .store
            .tampered()
            .execute_batch("UPDATE audit_head SET seq = 2; DELETE FROM audit WHERE seq = 3")
            .unwrap();
        let error = fresh
            .store
            .write(|tx| {
                append(
                    tx,
                    &Who::default(),
                    &Entry::new(Event::LOGIN_GRANTED, Outcome::Ok),
                )
            })
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Storage);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_changed_column_of_any_row_is_found(
            rows in 1i64..8, pick in 0i64..8,
            column in prop::sample::select(vec!["at", "actor", "os_user", "event", "subject", "user", "earlier", "reason", "note", "detail"]),
        ) {
            let seq = pick % rows + 1;
            let value = if ["at", "user", "earlier"].contains(&column) { "coalesce(at, 0) + 1" } else { "'changed'" };
            let (first, damage) = damage_after(rows, &format!("UPDATE audit SET {column} = {value} WHERE seq = {seq}"));
            prop_assert_eq!((first, damage.as_deref()), (Some(seq), Some("edited")));
        }
    }
}
