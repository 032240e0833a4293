//! What a search leaves out was not there, and who hides a row is found.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::audit::{Damage, Entry, Event, Outcome, Record, Who, append, history, list, verify};
use crate::clock::Time;
use crate::store::tests::{Fresh, fresh};

/// How many rows: four blocks, and the beginning of a fifth.
const LONG: i64 = 4 * ROWS + 30;

/// A log of many users, some of whom are removed, in which something rare happens once in a block at most, under a
/// clock that is set back now and then.
fn long() -> Fresh {
    let fresh = fresh();
    for id in 1..=150 {
        let user = format!(
            "INSERT INTO user (id, login, type, created_at) VALUES ({id}, 'user{id}', 'employee', 0)"
        );
        fresh.store.tampered().execute_batch(&user).unwrap();
    }
    // A transaction has one moment.
    for part in 0..=LONG / 4 {
        let back = if part % 17 == 0 { 5_000 } else { 0 };
        fresh.clock.set(Time(10_000 + part * 60 - back));
        let rows = part * 4..LONG.min(part * 4 + 4);
        let written = |tx: &Tx<'_>| rows.clone().try_for_each(|row| written(tx, row).map(drop));
        fresh.store.write(written).unwrap();
    }
    fresh
}

fn written(tx: &Tx<'_>, row: i64) -> Result<i64> {
    let id = row * row % 150 + 1;
    let entry = match row {
        150..160 => {
            let gone = row - 149;
            tx.db().execute("DELETE FROM user WHERE id = ?1", [gone])?;
            Entry::new(Event::USER_REMOVED, Outcome::Ok)
                .user_id(Some(gone))
                .subject(format!("Üser{gone}"))
        }
        40 | 190 => Entry::new(Event::AUDIT_ARCHIVED, Outcome::Refused),
        100 => Entry::new(Event::KEY_ROTATED, Outcome::Failed),
        _ if row % 3 == 0 => Entry::new(Event::SETTING_CHANGED, Outcome::Ok).subject("Enable2FA"),
        _ => Entry::new(Event::LOGIN_DENIED, Outcome::Denied)
            .user_id(Some(id))
            .subject(format!("Üser{id}")),
    };
    let who = Who {
        actor: (row % 60 == 10).then(|| format!("admin{row}")),
        ..Who::default()
    };
    append(tx, &who, &entry)
}

type Read = fn(&Store, &Filter, &mut dyn FnMut(Record) -> Result<()>) -> Result<()>;

fn seqs(read: Read, fresh: &Fresh, filter: &Filter) -> Vec<i64> {
    let mut rows = Vec::new();
    read(&fresh.store, filter, &mut |record| {
        rows.push(record.seq);
        Ok(())
    })
    .unwrap();
    rows
}

fn filters() -> impl Strategy<Value = Filter> {
    let moment = || prop::option::weighted(0.4, (4_000i64..16_000).prop_map(Time));
    let events = prop::sample::select(vec![
        vec![],
        vec![],
        vec!["login"],
        vec!["audit.archived"],
        vec!["key", "audit.archived"],
        vec!["key.rotated"],
        vec!["nothing"],
    ]);
    let actors = prop::option::weighted(0.2, 0i64..5);
    let outcome = prop::sample::select(vec![None, None, Some("denied"), Some("failed")]);
    let user = prop::option::weighted(0.4, 1i64..160);
    let limit = prop::option::weighted(0.3, 0i64..50);
    (moment(), moment(), events, actors, outcome, user, limit).prop_map(
        |(since, until, events, actor, outcome, user, limit)| Filter {
            since,
            until,
            user,
            actors: actor.map(|nth| BTreeSet::from([format!("admin{}", nth * 60 + 10)])),
            events: events.into_iter().map(str::to_owned).collect(),
            outcome: outcome.map(str::to_owned),
            limit,
        },
    )
}

#[test]
fn a_search_finds_what_reading_everything_finds() {
    let (with, without) = (long(), long());
    let blocks: i64 = with
        .store
        .db()
        .query_row("SELECT count(*) FROM audit_block", [], |row| row.get(0))
        .unwrap();
    assert_eq!(blocks, 4);
    without
        .store
        .tampered()
        .execute_batch("DELETE FROM audit_block")
        .unwrap();
    proptest!(|(filter in filters())| {
        let newest = seqs(list, &with, &filter);
        prop_assert_eq!(&newest, &seqs(list, &without, &filter));
        let oldest = seqs(history, &with, &filter);
        prop_assert_eq!(&oldest, &seqs(history, &without, &filter));
        if filter.limit.is_none() {
            prop_assert_eq!(newest, oldest.into_iter().rev().collect::<Vec<_>>());
        }
    });
    for login in ["ÜSER7", "üser151", "Enable2FA", "nobody"] {
        let named = |fresh: &Fresh| crate::audit::once_named(&fresh.store, login).unwrap();
        assert_eq!(named(&with), named(&without), "{login}");
    }
    assert!(verify(&with.store, None).unwrap().intact);
}

#[test]
fn a_summary_that_hides_a_row_is_damage_and_one_that_is_absent_is_not() {
    let fresh = long();
    let found = |sql: &str| {
        fresh
            .store
            .tampered()
            .execute_batch("SAVEPOINT as_it_was")
            .unwrap();
        fresh.store.tampered().execute_batch(sql).unwrap();
        let verified = verify(&fresh.store, None).unwrap();
        let rows = seqs(list, &fresh, &Filter::default()).len();
        assert_eq!(rows, usize::try_from(LONG).unwrap(), "{sql}");
        let back = "ROLLBACK TO as_it_was; RELEASE as_it_was";
        fresh.store.tampered().execute_batch(back).unwrap();
        verified.first_bad.zip(verified.damage)
    };
    let hidden = |seq| Some((seq, Damage::Hidden));
    assert_eq!(
        found("UPDATE audit_block SET words = zeroblob(length(words)) WHERE last = 128"),
        hidden(65)
    );
    assert_eq!(
        found("UPDATE audit_block SET latest = latest - 1 WHERE last = 128"),
        hidden(125)
    );
    assert_eq!(
        found("UPDATE audit_block SET earliest = 20000, latest = 30000 WHERE last = 256"),
        hidden(193)
    );
    let one_for_another = "UPDATE audit_block SET words = (SELECT words FROM audit_block WHERE last = 64) WHERE last = 128";
    assert_eq!(found(one_for_another), hidden(71));
    assert_eq!(found("DELETE FROM audit_block WHERE last = 128"), None);
    // What is no filter is none.
    assert_eq!(found("UPDATE audit_block SET words = x''"), None);
    assert_eq!(found("UPDATE audit_block SET words = x'000000'"), None);
    assert_eq!(
        found("UPDATE audit_block SET last = 1 WHERE last = 64"),
        None
    );
}

#[test]
fn numbers_that_no_log_has_keep_nobody_waiting() {
    let fresh = long();
    for seq in [i64::MIN, -5, i64::MAX - 1, i64::MAX] {
        let row = format!(
            "INSERT INTO audit (seq, at, event, outcome, digest, mac, \"key\") VALUES ({seq}, 0, 'x', 'ok', x'', x'', 1)"
        );
        fresh.store.tampered().execute_batch(&row).unwrap();
    }
    let all = seqs(list, &fresh, &Filter::default());
    assert_eq!(all.len(), usize::try_from(LONG).unwrap() + 4);
    assert!(all.is_sorted_by(|a, b| a > b));
    let oldest = seqs(history, &fresh, &Filter::default());
    assert!(oldest.is_sorted() && oldest.len() == all.len());
}

#[test]
fn few_blocks_are_read_in_vain() {
    let ids = |from: i64| (from..from + 1_000).map(|id| Key::User(id).hash());
    let summary = Summary::of((0, 0), &ids(1_000_000).collect::<Vec<_>>());
    assert!(ids(1_000_000).all(|hash| summary.has(hash)));
    let vain = ids(2_000_000)
        .chain(ids(5))
        .filter(|hash| summary.has(*hash));
    let vain = vain.count();
    assert!(vain < 80, "{vain} of 2,000");
}
