//! An archive and its log verify together and apart, and what is done to either shows.

use std::io::Cursor;
use std::path::PathBuf;

use super::super::archive_file::VerifiedArchive;
use super::super::{Anchor, Damage, Entry, Event, Outcome, Who, anchor, append, verify};
use super::*;
use crate::store::tests::{Fresh, fresh};

/// A log of so many rows, one a second, about two users in turns.
fn filled(rows: i64) -> Fresh {
    let fresh = fresh();
    fresh
        .store
        .tampered()
        .execute_batch(
            "INSERT INTO user (id, login, type, created_at) VALUES (1, 'alice', 'employee', 0), (2, 'bob', 'employee', 0)",
        )
        .unwrap();
    for row in 0..rows {
        add(&fresh, row);
    }
    fresh
}

fn add(fresh: &Fresh, row: i64) {
    fresh.clock.set(Time(1_000 + row));
    let event = if row % 3 == 0 {
        Event::LOGIN_DENIED
    } else {
        Event::SETTING_CHANGED
    };
    let entry = Entry::new(event, Outcome::Ok)
        .user_id(Some(row % 2 + 1))
        .detail(json!({ "row": row, "text": "ü\n=\"", "float": 1.50 }));
    fresh
        .store
        .write(|tx| append(tx, &Who::default(), &entry))
        .unwrap();
}

fn archive(fresh: &Fresh, selection: Selection, name: &str) -> Result<(PathBuf, Archived)> {
    let path = fresh.directory.path().join(name);
    let copied = Copied::copy(&fresh.store, selection, &path)?;
    let answer = copied.answer().clone();
    fresh.store.write(|tx| {
        copied.is_current(tx)?;
        copied.bury(tx)?;
        append(
            tx,
            &Who::default(),
            &Entry::new(Event::AUDIT_ARCHIVED, Outcome::Ok)
                .subject(answer.archive.clone().unwrap())
                .detail(copied.detail()),
        )
    })?;
    drop(copied);
    Ok((path, answer))
}

fn all(till: i64) -> Selection {
    Selection {
        from: Time(0),
        till: Time(1_000 + till),
        events: Vec::new(),
        now: Time(1_000_000),
    }
}

fn read(fresh: &Fresh, path: &Path) -> VerifiedArchive {
    let bytes = std::fs::read(path).unwrap();
    verify_archive(&fresh.store, &mut Cursor::new(bytes)).unwrap()
}

#[test]
fn together_and_apart() {
    let fresh = filled(20);
    let before = anchor(&fresh.store).unwrap();
    let logins = Selection {
        events: vec!["login".to_owned()],
        ..all(9)
    };
    let (first, made) = archive(&fresh, logins, "logins").unwrap();
    assert_eq!((made.rows, made.first, made.last), (4, Some(1), Some(10)));
    let (second, rest) = archive(&fresh, all(12), "rest").unwrap();
    assert_eq!((rest.rows, rest.first, rest.last), (9, Some(2), Some(13)));
    for row in 20..25 {
        add(&fresh, row);
    }
    let found = verify(&fresh.store, Some(&before)).unwrap();
    assert!(found.intact, "{found:?}");
    assert_eq!((found.rows, found.archived, found.head), (14, 13, 27));
    for (path, rows) in [(&first, 4), (&second, 9)] {
        let found = read(&fresh, path);
        assert!(found.intact, "{found:?}");
        assert_eq!((found.rows, found.tombstones), (rows, rows));
    }
    // Apart: a store that knows nothing of the archiving, but has the key.
    fresh
        .store
        .tampered()
        .execute_batch("DELETE FROM audit_tombstone")
        .unwrap();
    let found = read(&fresh, &second);
    assert_eq!((found.intact, found.tombstones), (true, 0));
    let found = verify(&fresh.store, None).unwrap();
    assert_eq!(
        (found.first_bad, found.damage),
        (Some(1), Some(Damage::CutHead))
    );
}

/// The way from a user to their events leads over tombstones, and to what is left.
#[test]
fn what_is_left_of_a_user_is_found() {
    let fresh = filled(20);
    archive(&fresh, all(11), "old").unwrap();
    let mut seqs = Vec::new();
    let filter = crate::audit::Filter {
        user: Some(1),
        ..Default::default()
    };
    crate::audit::list(&fresh.store, &filter, &mut |record| {
        seqs.push(record.seq);
        Ok(())
    })
    .unwrap();
    assert_eq!(seqs, [19, 17, 15, 13]);
    // Everything about them is archived, and goes on.
    let (_, made) = archive(&fresh, all(19), "all").unwrap();
    assert_eq!(made.rows, 8);
    add(&fresh, 21);
    add(&fresh, 22);
    assert!(verify(&fresh.store, None).unwrap().intact);
    let nothing = Copied::copy(&fresh.store, all(-1), Path::new("/nowhere/at/all")).unwrap();
    assert_eq!(nothing.answer().archive, None);
}

#[test]
fn nobody_else_buries_a_row() {
    let fresh = filled(6);
    archive(&fresh, all(1), "old").unwrap();
    let damage = |sql: &str| {
        let tx = fresh.store.tampered().unchecked_transaction().unwrap();
        tx.execute_batch(sql).unwrap();
        let found = verify(&fresh.store, None).unwrap();
        (found.first_bad, found.damage)
    };
    let forged = "INSERT INTO audit_tombstone
        SELECT seq, user, earlier, digest, mac, \"key\", 'x', (SELECT proof FROM audit_tombstone WHERE seq = 2) FROM audit WHERE seq = 4;
        DELETE FROM audit WHERE seq = 4";
    assert_eq!(damage(forged), (Some(4), Some(Damage::Deleted)));
    for (set, seq) in [
        ("mac = zeroblob(32)", 2),
        ("digest = zeroblob(32)", 2),
        ("archive = 'other'", 2),
        ("user = 1", 2),
        ("earlier = 1", 2),
        ("proof = x''", 2),
        ("\"key\" = 99", 2),
    ] {
        let sql = format!("UPDATE audit_tombstone SET {set} WHERE seq = {seq}");
        assert_eq!(damage(&sql), (Some(2), Some(Damage::Deleted)), "{set}");
    }
    assert_eq!(
        damage("DELETE FROM audit_tombstone WHERE seq = 2"),
        (Some(2), Some(Damage::Deleted))
    );
    assert_eq!(
        damage(
            "INSERT INTO audit SELECT 2, at, actor, os_user, event, subject, user, earlier, outcome, reason, note, detail, digest, mac, \"key\" FROM audit WHERE seq = 3"
        ),
        (Some(2), Some(Damage::Inserted))
    );
}

#[test]
fn an_archive_that_was_touched_shows() {
    let fresh = filled(8);
    let (path, _) = archive(&fresh, all(4), "old").unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let found = |lines: &[&str]| {
        let text = format!("{}\n", lines.join("\n"));
        let found = verify_archive(&fresh.store, &mut Cursor::new(text)).unwrap();
        assert!(!found.intact);
        (found.first_bad.unwrap(), found.damage.unwrap())
    };
    assert_eq!(found(&lines[..6]), (6, Damage::CutTail));
    let without = [&lines[..2], &lines[3..]].concat();
    assert_eq!(found(&without), (5, Damage::Head));
    let swapped = [
        lines[0], lines[2], lines[1], lines[3], lines[4], lines[5], lines[6],
    ];
    assert_eq!(found(&swapped), (1, Damage::Reordered));
    let edited = lines[3].replace("\"row\":2", "\"row\":3");
    let with_edit = [&lines[..3], &[edited.as_str()], &lines[4..]].concat();
    assert_eq!(found(&with_edit), (3, Damage::Edited));
    let more = [&lines[..], &[lines[6]]].concat();
    assert_eq!(found(&more).1, Damage::Head);
    for (text, kind) in [
        ("", Kind::InvalidValue),
        ("{}\n", Kind::InvalidValue),
        ("not json", Kind::InvalidValue),
    ] {
        let error = verify_archive(&fresh.store, &mut Cursor::new(text)).unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    let other = text.replacen(fresh.store.id(), "other", 1);
    let error = verify_archive(&fresh.store, &mut Cursor::new(other)).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidValue);
}

#[test]
fn what_was_tampered_with_is_not_archived() {
    for sql in [
        "UPDATE audit SET subject = 'x' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 2",
        "UPDATE audit SET mac = zeroblob(32) WHERE seq = 2",
    ] {
        let fresh = filled(8);
        fresh.store.tampered().execute_batch(sql).unwrap();
        let error = archive(&fresh, all(5), "old").unwrap_err();
        assert_eq!(error.kind(), Kind::Guard, "{sql}");
        assert!(!fresh.directory.path().join("old").exists());
    }
}

/// What changes between the copy and the deed is not lost: the copy is refused.
#[test]
fn rows_that_came_meanwhile_stop_it() {
    let fresh = filled(8);
    let path = fresh.directory.path().join("old");
    let copied = Copied::copy(&fresh.store, all(1_000), &path).unwrap();
    copied.is_current(&fresh.store).unwrap();
    add(&fresh, 9);
    assert_eq!(
        copied.is_current(&fresh.store).unwrap_err().kind(),
        Kind::Conflict
    );
    drop(copied);
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    let taken = Copied::copy(&fresh.store, all(1), &path).map(drop);
    assert_eq!(taken.unwrap_err().kind(), Kind::Conflict);
}

/// Killed between the name of the file and the commit: the next run takes the file as its own.
#[test]
fn a_copy_that_was_left_is_taken() {
    let fresh = filled(8);
    let path = fresh.directory.path().join("old");
    let copied = Copied::copy(&fresh.store, all(4), &path).unwrap();
    let left = copied.answer().clone();
    copied.file.borrow_mut().take().unwrap().finish().unwrap();
    drop(copied);
    let (_, made) = archive(&fresh, all(4), "old").unwrap();
    assert_eq!(made, left);
    assert!(verify(&fresh.store, None).unwrap().intact);
    assert_eq!(read(&fresh, &path).tombstones, 5);
    // Another selection, or rows that are gone already, are another archive.
    let taken = Copied::copy(&fresh.store, all(6), &path).map(drop);
    assert_eq!(taken.unwrap_err().kind(), Kind::Conflict);
}

#[test]
fn a_file_that_was_rolled_back_shows_against_the_anchor() {
    let fresh = filled(4);
    let kept = anchor(&fresh.store).unwrap();
    let held = |anchor: &Anchor| {
        let found = verify(&fresh.store, Some(anchor)).unwrap();
        (found.first_bad, found.damage)
    };
    assert_eq!(held(&kept), (None, None));
    add(&fresh, 5);
    assert_eq!(held(&kept), (None, None));
    let ahead = Anchor {
        seq: 9,
        ..kept.clone()
    };
    assert_eq!(held(&ahead), (Some(6), Some(Damage::RolledBack)));
    let elsewhere = Anchor {
        mac: "00".repeat(32),
        ..kept.clone()
    };
    assert_eq!(held(&elsewhere), (Some(4), Some(Damage::RolledBack)));
    let other = Anchor {
        store_id: "other".into(),
        ..kept.clone()
    };
    assert_eq!(
        verify(&fresh.store, Some(&other)).unwrap_err().kind(),
        Kind::Conflict
    );
    let written = serde_json::to_vec(&kept).unwrap();
    let read = Anchor::parse(&written).unwrap();
    assert_eq!((read.seq, &read.mac), (kept.seq, &kept.mac));
    for text in [
        "",
        "[]",
        "{\"store_id\":\"x\",\"seq\":-1,\"mac\":\"\"}",
        "{\"store_id\":\"x\",\"seq\":1,\"mac\":\"zz\"}",
    ] {
        assert_eq!(
            Anchor::parse(text.as_bytes()).unwrap_err().kind(),
            Kind::InvalidValue
        );
    }
}

/// Tombstones of another course of events, and a proof by a key that was replaced.
#[test]
fn the_chain_tells_what_was_buried() {
    let fresh = filled(8);
    archive(&fresh, all(1), "old").unwrap();
    let found = |sql: &str| {
        let tx = fresh.store.tampered().unchecked_transaction().unwrap();
        tx.execute_batch(sql).unwrap();
        let found = verify(&fresh.store, None).unwrap();
        (found.first_bad, found.damage)
    };
    assert_eq!(found("SELECT 1"), (None, None));
    // Proven, and told of nowhere.
    let sql = format!("SELECT {COLUMNS}, digest, mac, \"key\" FROM audit WHERE seq = 4");
    let mut query = fresh.store.db().prepare(&sql).unwrap();
    let mut rows = query.query([]).unwrap();
    let stone = Tombstone::over(&fresh.store, rows.next().unwrap().unwrap(), "later").unwrap();
    drop(rows);
    fresh
        .store
        .write(|tx| {
            tombstone::set(tx, &stone)?;
            tx.db().execute("DELETE FROM audit WHERE seq = 4", [])?;
            Ok(())
        })
        .unwrap();
    assert_eq!(found("SELECT 1"), (Some(4), Some(Damage::Deleted)));
}

/// A log whose head is by a key that was replaced is somebody else's.
#[test]
fn a_replaced_key_proves_nothing() {
    let fresh = filled(4);
    let head = "SELECT hex(proof) FROM audit_head";
    let old: String = fresh
        .store
        .db()
        .query_row(head, [], |row| row.get(0))
        .unwrap();
    let (seq, mac): (i64, Vec<u8>) = fresh
        .store
        .db()
        .query_row("SELECT seq, mac FROM audit_head", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    fresh
        .store
        .write(|tx| {
            let ring = crate::vault::Ring::read(&tx.place().key)?;
            let purpose = crate::vault::Purpose::Audit;
            let vault = tx.vault()?;
            super::super::prove_anew(tx, || {
                vault
                    .renew(tx.db(), &ring, purpose, tx.now(), tx.source())
                    .map(drop)
            })?;
            append(
                tx,
                &Who::default(),
                &Entry::new(Event::LOGIN_GRANTED, Outcome::Ok),
            )
            .map(drop)
        })
        .unwrap();
    assert!(verify(&fresh.store, None).unwrap().intact);
    // Back to where it was, by whoever has the old key.
    fresh
        .store
        .tampered()
        .execute_batch(&format!(
            "DELETE FROM audit WHERE seq > {seq}; UPDATE audit_head SET seq = {seq}, mac = x'{}', proof = x'{old}',
                 \"key\" = (SELECT \"key\" FROM audit WHERE seq = {seq})",
            HEXLOWER.encode(&mac)
        ))
        .unwrap();
    let found = verify(&fresh.store, None).unwrap();
    assert_eq!(found.damage, Some(Damage::Head));
    let entry = Entry::new(Event::LOGIN_GRANTED, Outcome::Ok);
    let refused = fresh.store.write(|tx| append(tx, &Who::default(), &entry));
    assert_eq!(refused.unwrap_err().kind(), Kind::Storage);
}

/// A trigger that keeps rows out does not run; whatever else keeps them out, as it does here, stops the command.
#[test]
fn nothing_is_done_that_is_not_kept() {
    for trigger in [
        "CREATE TRIGGER t BEFORE INSERT ON audit BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER t BEFORE UPDATE ON audit_head BEGIN SELECT RAISE(IGNORE); END",
    ] {
        let fresh = filled(2);
        let db = fresh.store.tampered();
        db.execute_batch(trigger).unwrap();
        let entry = Entry::new(Event::LOGIN_GRANTED, Outcome::Ok);
        fresh
            .store
            .write(|tx| append(tx, &Who::default(), &entry))
            .unwrap();
        assert!(verify(&fresh.store, None).unwrap().intact, "{trigger}");
        let runs = rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER;
        db.set_db_config(runs, true).unwrap();
        let refused = fresh.store.write(|tx| append(tx, &Who::default(), &entry));
        assert_eq!(refused.unwrap_err().kind(), Kind::Storage, "{trigger}");
    }
}

/// A head that promises more rows than there are costs no more time.
#[test]
fn a_head_far_away_is_no_hang() {
    let fresh = filled(3);
    fresh
        .store
        .tampered()
        .execute_batch("UPDATE audit_head SET seq = 9000000000000000000; UPDATE audit SET subject = 'x' WHERE seq = 2")
        .unwrap();
    let found = verify(&fresh.store, None).unwrap();
    assert_eq!(
        (found.first_bad, found.damage),
        (Some(2), Some(Damage::Edited))
    );
}
