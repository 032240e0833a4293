//! Every kind of damage, and none.

use proptest::prelude::*;

use super::*;
use crate::audit::{Entry, Event, Outcome, Who, append};
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
    let filter = crate::audit::Filter {
        user: Some(user),
        ..Default::default()
    };
    let mut rows = Vec::new();
    crate::audit::list(&fresh.store, &filter, &mut |record| {
        rows.push(record.seq);
        Ok(())
    })
    .unwrap();
    rows
}

#[test]
fn the_way_from_a_user_to_their_events_is_followed() {
    let fresh = two_users();
    assert!(verify(&fresh.store, None).unwrap().intact);
    assert_eq!(listed(&fresh, 1), [8, 6, 4]);
    assert_eq!(listed(&fresh, 2), [9, 7, 5]);
    // A removal, and what still came about whoever was removed.
    let remove = "DELETE FROM user WHERE id = 1";
    fresh.store.tampered().execute_batch(remove).unwrap();
    let removed = Entry::new(Event::USER_REMOVED, Outcome::Ok).user_id(Some(1));
    add(&fresh, &[removed, about(1), about(2)]);
    assert!(verify(&fresh.store, None).unwrap().intact);
    assert_eq!(listed(&fresh, 1), [11, 10, 8, 6, 4]);
    assert_eq!(listed(&fresh, 2), [12, 9, 7, 5]);
}

#[test]
fn a_way_that_was_bent_shows_whether_or_not_the_log_went_on_from_it() {
    let unlinked = |fresh: &Fresh| {
        let found = verify(&fresh.store, None).unwrap();
        assert_eq!(found.damage, Some(Damage::Unlinked));
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

fn damage_after(rows: i64, sql: &str) -> (Option<i64>, Option<Damage>) {
    let fresh = filled(rows);
    fresh.store.tampered().execute_batch(sql).unwrap();
    let found = verify(&fresh.store, None).unwrap();
    assert!(!found.intact, "{sql}");
    (found.first_bad, found.damage)
}

#[test]
fn an_untouched_log_verifies() {
    for rows in [0, 1, 5] {
        let found = verify(&filled(rows).store, None).unwrap();
        assert_eq!(
            found,
            Verified {
                intact: true,
                rows,
                archived: 0,
                head: rows,
                first_bad: None,
                damage: None
            }
        );
    }
}

#[test]
fn every_kind_of_damage_is_named() {
    let named = |seq, damage| (Some(seq), Some(damage));
    assert_eq!(
        damage_after(5, "UPDATE audit SET subject = 'x' WHERE seq = 3"),
        named(3, Damage::Edited)
    );
    assert_eq!(
        damage_after(5, "DELETE FROM audit WHERE seq = 2"),
        named(2, Damage::Deleted)
    );
    assert_eq!(
        damage_after(5, "DELETE FROM audit WHERE seq = 1"),
        named(1, Damage::CutHead)
    );
    assert_eq!(
        damage_after(5, "DELETE FROM audit WHERE seq >= 4"),
        named(4, Damage::CutTail)
    );
    assert_eq!(
        damage_after(
            5,
            "INSERT INTO audit SELECT 6, at, actor, os_user, event, subject, user, earlier, outcome, reason, note, detail, digest, mac, \"key\" FROM audit WHERE seq = 5"
        ),
        named(6, Damage::Inserted)
    );
    assert_eq!(
        damage_after(
            5,
            "UPDATE audit SET seq = 100 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 100"
        ),
        named(2, Damage::Reordered)
    );
    assert_eq!(
        damage_after(5, "DELETE FROM audit_head"),
        named(6, Damage::Head)
    );
    assert_eq!(
        damage_after(
            5,
            "UPDATE audit_head SET seq = 4; DELETE FROM audit WHERE seq = 5"
        ),
        named(4, Damage::Head)
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
        let found = verify(&fresh.store, None).unwrap();
        assert_eq!(
            (found.first_bad, found.damage),
            (Some(3), Some(Damage::Edited)),
            "{set}"
        );
        let mut subjects = Vec::new();
        let all = crate::audit::Filter::default();
        crate::audit::list(&fresh.store, &all, &mut |record| {
            subjects.push(record.subject.unwrap_or_default());
            Ok(())
        })
        .unwrap();
        assert_eq!(subjects, ["s4", "s3", shown, "s1", "s0"], "{set}");
        let row = crate::audit::show(&fresh.store, 3).unwrap();
        assert_eq!(row.subject.as_deref(), Some(shown), "{set}");
    }
}

#[test]
fn a_row_that_is_added_meanwhile_is_no_damage() {
    let fresh = filled(3);
    let other = fresh.store.writing_twin().unwrap();
    let found = follow(
        &fresh.store,
        None,
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
    assert_eq!(
        (found.rows, verify(&fresh.store, None).unwrap().rows),
        (3, 4)
    );
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
        prop_assert_eq!((first, damage), (Some(seq), Some(Damage::Edited)));
    }
}
