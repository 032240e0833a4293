//! Keys are changed under a store that is in use, and whatever is stopped in between goes on.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::actor::Process;
use crate::audit::verify;
use crate::clock::{Fixed, Source};
use crate::init::{Init, init};
use crate::sealed::check;
use crate::secret::Secret;
use crate::store::Place;
use crate::store::tests::{Fresh, START};
use crate::verb::verb;

struct Yes;

impl Ask for Yes {
    fn sure(&mut self, _question: &str) -> Result<bool> {
        Ok(true)
    }

    fn code(&mut self, _prompt: &str) -> Result<Option<Secret>> {
        Ok(None)
    }
}

/// A store with its first administrator.
fn begun() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new(directory.path().join("twofa.db"), None);
    let clock = Rc::new(Fixed::new(START, 7));
    let source: Rc<dyn Source> = Rc::clone(&clock) as Rc<dyn Source>;
    let wait = Duration::from_secs(5);
    init(&place, &Init::default(), &Process::default(), wait, &source).unwrap();
    let store = Store::open(&place, verb("key rotate").unwrap(), wait, source).unwrap();
    Fresh {
        directory,
        clock,
        store,
    }
}

/// A store with so many rows in every sealed column, by one statement for each table.
fn filled(rows: i64) -> Fresh {
    let fresh = begun();
    let insert: BTreeMap<&str, &str> = BTreeMap::from([
        (
            "user",
            "INSERT INTO user (id, login, type, password_imported, created_at) VALUES (:id, 'u' || :id, 'employee', :sealed, 0)",
        ),
        (
            "authenticator",
            "INSERT INTO authenticator (id, user, secret, fingerprint, algorithm, digits, period, consumed_until_at, connected_at) VALUES (:id, :id, :sealed, x'', 'SHA1', 6, 30, 0, 0)",
        ),
        (
            "authenticator_setup",
            "INSERT INTO authenticator_setup (id, user, secret, token_hash, created_at, expires_at) VALUES (:id, :id, :sealed, x'', 0, 0)",
        ),
        (
            "idp",
            "INSERT INTO idp (id, name, name_key, kind, entity_id, sso_url, employees, externals, private_key, certificate, created_at) VALUES (:id, 'i' || :id, 'i' || :id, 'custom', 'e', 'https://example.com', 'none', 'none', :sealed, x'', 0)",
        ),
        (
            "mailbox",
            "INSERT INTO mailbox (id, name, name_key, kind, from_address, host, port, tls, username, password, created_at) VALUES (:id, 'm' || :id, 'm' || :id, 'smtp', 'a@example.com', 'h', 25, 'none', 'u', :sealed, 0)",
        ),
        (
            "sms_provider",
            "INSERT INTO sms_provider (id, name, name_key, kind, username, secret, url, created_at) VALUES (:id, 'p' || :id, 'p' || :id, 'twilio', 'u', :sealed, 'https://example.com', 0)",
        ),
        (
            "outbox",
            "INSERT INTO outbox (id, user, login, method, recipient, sender, state, body, created_at) VALUES (:id, :id, 'u', 'email', 'a', 'm', 'pending', :sealed, 0)",
        ),
        (
            "password_history",
            "INSERT INTO password_history (id, user, imported, replaced_at) VALUES (:id, :id, :sealed, 0)",
        ),
    ]);
    let vault = fresh.store.vault().unwrap();
    // A user comes before what belongs to them; a column without a statement here fails.
    let mut columns = COLUMNS.to_vec();
    columns.sort_by_key(|(table, ..)| *table != "user");
    for (table, column, label) in columns {
        for id in 10..10 + rows {
            let plain = format!("{table}.{column} {id}");
            let sealed = vault
                .seal(label, id, plain.as_bytes(), fresh.store.source())
                .unwrap();
            let named = rusqlite::named_params! { ":id": id, ":sealed": sealed };
            fresh
                .store
                .tampered()
                .execute(insert[table], named)
                .unwrap();
        }
    }
    fresh
}

fn session(fresh: &Fresh) -> Session {
    let rotate = verb("key rotate").unwrap();
    let source = Rc::clone(&fresh.clock) as Rc<dyn Source>;
    let store = Store::open(fresh.store.place(), rotate, Duration::from_secs(5), source).unwrap();
    Session::begin(store, rotate, &Process::default(), None, None).unwrap()
}

/// Every sealed value opens and says what it said.
fn opens(store: &Store, rows: i64) {
    let found = check(store).unwrap();
    assert_eq!(
        (found.broken.len(), found.values),
        (0, COLUMNS.len() as u64 * rows.unsigned_abs())
    );
    let vault = store.vault().unwrap();
    for (table, column, label) in COLUMNS {
        let mut query = store
            .db()
            .prepare(&format!(
                "SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL"
            ))
            .unwrap();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (id, sealed): (i64, Vec<u8>) = (row.get(0).unwrap(), row.get(1).unwrap());
            let plain = vault.open_sealed(*label, id, &sealed).unwrap();
            assert_eq!(
                plain.as_slice(),
                format!("{table}.{column} {id}").as_bytes()
            );
        }
    }
}

fn reopened(fresh: &Fresh) -> Store {
    fresh.store.writing_twin().unwrap()
}

fn count(store: &Store, sql: &str) -> i64 {
    store.db().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn everything_is_sealed_anew_and_the_old_key_can_go() {
    let fresh = filled(3);
    let session = session(&fresh);
    let old = Ring::read(&fresh.store.place().key).unwrap();
    let done = rotate(&session, &Rotate::default(), &mut Yes).unwrap();
    assert_eq!(
        (done.values, done.resumed, done.broken.len()),
        (24, false, 0)
    );
    assert_eq!(done.retirable, old.ids());
    let store = reopened(&fresh);
    opens(&store, 3);
    assert!(verify(&store, None).unwrap().intact);
    let head = store.vault().unwrap().sealed_head().unwrap();
    for (table, column, _) in COLUMNS {
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE substr({column}, 1, 5) <> x'{}'",
            data_encoding::HEXLOWER.encode(&head)
        );
        assert_eq!(count(&store, &sql), 0, "{table}.{column}");
    }
    assert_eq!(
        count(
            &store,
            "SELECT count(*) FROM data_key WHERE purpose = 'seal'"
        ),
        1
    );
    // A store that was open before takes the new keys over as soon as it writes.
    fresh.store.write(|_| Ok(())).unwrap();
    opens(&fresh.store, 3);
    let retired = retire(&session, &old.ids()[0], &mut Yes).unwrap();
    assert_eq!(retired.ring_keys, [done.ring_key.as_str()]);
    opens(&reopened(&fresh), 3);
    let refused = retire(&session, &done.ring_key, &mut Yes).unwrap_err();
    assert_eq!(refused.kind(), Kind::InUse);
    assert_eq!(
        retire(&session, &old.ids()[0], &mut Yes)
            .unwrap_err()
            .kind(),
        Kind::NotFound
    );
}

#[test]
fn more_rows_than_a_batch() {
    let fresh = filled(1);
    let vault = fresh.store.vault().unwrap();
    for id in 100..=100 + BATCH * 2 {
        let sealed = vault
            .seal(crate::user::edit::IMPORTED, id, b"x", fresh.store.source())
            .unwrap();
        fresh.store.tampered().execute(
            "INSERT INTO user (id, login, type, password_imported, created_at) VALUES (?1, 'u' || ?1, 'employee', ?2, 0)",
            params![id, sealed],
        ).unwrap();
    }
    let done = rotate(&session(&fresh), &Rotate::default(), &mut Yes).unwrap();
    let of_each = COLUMNS.len() as u64;
    assert_eq!(done.values, of_each + BATCH.unsigned_abs() * 2 + 1);
    assert!(check(&reopened(&fresh)).unwrap().broken.is_empty());
}

/// Killed after each step: the store opens, and the next rotation brings it to its end.
#[test]
fn a_rotation_that_was_stopped_goes_on() {
    // The key file is written, and nothing else.
    let fresh = filled(2);
    let session = session(&fresh);
    let with_new_key = |store: &Store| {
        store
            .write(|tx| with_new_key(tx, &Rotate::default(), None))
            .unwrap()
    };
    let ring = with_new_key(&session.store);
    opens(&reopened(&fresh), 2);
    let again = with_new_key(&session.store);
    assert_eq!(
        again.ids(),
        ring.ids(),
        "the key that nothing names yet is the one that is taken"
    );
    // The keys are made, and some values are sealed anew.
    begin(&session, &Rotate::default(), None, &mut Rotated::default()).unwrap();
    let store = reopened(&fresh);
    opens(&store, 2);
    store
        .write(|tx| {
            let (row, sealed) = old(tx, "mailbox", "password", 0)?.remove(0);
            reseal(
                tx,
                "mailbox",
                "password",
                crate::mailbox::PASSWORD,
                row,
                &sealed,
            )
        })
        .unwrap();
    opens(&reopened(&fresh), 2);
    let done = rotate(&session, &Rotate::default(), &mut Yes).unwrap();
    assert_eq!((done.resumed, done.values), (true, 15));
    assert_eq!(done.ring_key, ring.current());
    opens(&reopened(&fresh), 2);
    assert!(verify(&reopened(&fresh), None).unwrap().intact);
}

#[test]
fn after_a_theft_what_can_be_tested_is_void() {
    let fresh = filled(2);
    fresh.store.tampered().execute_batch(
        "INSERT INTO recovery_code (user, code_hash, generated_at, used_at) VALUES (10, x'01', 0, NULL), (10, x'02', 0, 1);
         INSERT INTO challenge (token, user, purpose, method, created_at, expires_at) VALUES ('t', 10, 'login', 'totp', 0, 99);
         INSERT INTO recovery_request (login_hash, created_at) VALUES (x'00', 0)",
    ).unwrap();
    let options = Rotate {
        compromised: true,
        ..Rotate::default()
    };
    let done = rotate(&session(&fresh), &options, &mut Yes).unwrap();
    assert_eq!(
        (done.recovery_codes_void, done.connect_anew),
        (1, vec!["u10".to_owned(), "u11".to_owned()])
    );
    let store = reopened(&fresh);
    for none in [
        "SELECT count(*) FROM recovery_code",
        "SELECT count(*) FROM authenticator_setup",
        "SELECT count(*) FROM recovery_request",
        "SELECT count(*) FROM challenge WHERE closed_as IS NULL",
        "SELECT count(*) FROM outbox WHERE body IS NOT NULL",
        "SELECT count(*) FROM data_key WHERE current = 0 AND purpose <> 'audit'",
    ] {
        assert_eq!(count(&store, none), 0, "{none}");
    }
    let found = check(&store).unwrap();
    assert_eq!((found.values, found.broken.len()), (12, 0));
    // What is hashed anew is hashed with the new key.
    let of = |id: i64| -> Vec<u8> {
        let sql = "SELECT fingerprint FROM authenticator WHERE id = ?1";
        store.db().query_row(sql, [id], |row| row.get(0)).unwrap()
    };
    for id in [10, 11] {
        let secret = format!("authenticator.secret {id}");
        assert_eq!(
            of(id),
            authenticator::fingerprint(&store, secret.as_bytes()).unwrap()
        );
    }
    assert!(verify(&store, None).unwrap().intact);
}

#[test]
fn what_does_not_open_stays_and_is_told() {
    let fresh = filled(2);
    // A byte of its text, behind the head that names its key.
    let flip = "UPDATE mailbox SET password = CAST(substr(password, 1, 40) || x'00' || substr(password, 42) AS BLOB) WHERE id = 10";
    fresh.store.tampered().execute_batch(flip).unwrap();
    let session = session(&fresh);
    let mut keys = vec![
        Ring::read(&fresh.store.place().key)
            .unwrap()
            .current()
            .to_owned(),
    ];
    for compromised in [false, false, true] {
        let options = Rotate {
            compromised,
            ..Rotate::default()
        };
        let done = rotate(&session, &options, &mut Yes).unwrap();
        // It neither stops a rotation nor passes for one that was stopped.
        assert!(!done.resumed && !keys.contains(&done.ring_key), "{done:?}");
        assert_eq!((done.broken.len(), done.broken[0].row), (1, 10));
        keys.push(done.ring_key);
        // Its key stays, should the value come back; the others go.
        let seals = "SELECT count(*) FROM data_key WHERE purpose = 'seal'";
        assert_eq!(count(&reopened(&fresh), seals), 2);
    }
}

/// One at a time: each would let keys go that the other needs.
#[test]
fn another_rotation_is_waited_for_by_whoever_asks() {
    let fresh = filled(1);
    let session = session(&fresh);
    let running = Alone::begin(&session.store).unwrap();
    let refused = rotate(&session, &Rotate::default(), &mut Yes).unwrap_err();
    assert_eq!(refused.kind(), Kind::Busy);
    drop(running);
    rotate(&session, &Rotate::default(), &mut Yes).unwrap();
}

/// A key goes only when nothing names it, whatever this rotation has met.
#[test]
fn a_key_that_is_named_stays() {
    let fresh = filled(2);
    let session = session(&fresh);
    begin(&session, &Rotate::default(), None, &mut Rotated::default()).unwrap();
    fresh
        .store
        .write(|tx| {
            let gone = tx
                .vault()?
                .drop_old(tx.db(), Purpose::Seal, &still_named(tx)?)?;
            assert_eq!(gone, 0);
            Ok(())
        })
        .unwrap();
    opens(&reopened(&fresh), 2);
}

/// After a theft no key is taken that lay in the file before.
#[test]
fn a_left_over_key_is_as_known_as_the_others() {
    let fresh = filled(1);
    let session = session(&fresh);
    let left = fresh
        .store
        .write(|tx| with_new_key(tx, &Rotate::default(), None))
        .unwrap();
    let options = Rotate {
        compromised: true,
        ..Rotate::default()
    };
    let done = rotate(&session, &options, &mut Yes).unwrap();
    assert!(!left.ids().contains(&done.ring_key));
}

#[cfg(unix)]
#[test]
fn keys_stay_where_a_link_leads() {
    let fresh = filled(1);
    let (key, kept) = (fresh.key_file(), fresh.directory.path().join("kept"));
    std::fs::rename(&key, &kept).unwrap();
    std::os::unix::fs::symlink(&kept, &key).unwrap();
    let done = rotate(&session(&fresh), &Rotate::default(), &mut Yes).unwrap();
    assert!(key.is_symlink());
    assert_eq!(
        Ring::read(&KeySource::file(&kept)).unwrap().current(),
        done.ring_key
    );
    opens(&reopened(&fresh), 1);
}

#[test]
fn keys_go_into_another_file_where_the_key_file_stays_as_it_is() {
    let fresh = filled(1);
    let session = session(&fresh);
    let before = std::fs::read(fresh.key_file()).unwrap();
    let path = fresh.directory.path().join("new.key");
    let options = Rotate {
        new_key_file: Some(path.clone()),
        ..Rotate::default()
    };
    let done = rotate(&session, &options, &mut Yes).unwrap();
    assert_eq!(done.key_file, path.display().to_string());
    assert_eq!(std::fs::read(fresh.key_file()).unwrap(), before);
    let db = &fresh.store.place().db;
    let place = Place::new(db.clone(), Some(KeySource::file(path)));
    let source = Rc::clone(&fresh.clock) as Rc<dyn Source>;
    let check_verb = verb("key check").unwrap();
    opens(
        &Store::open(&place, check_verb, Duration::ZERO, source).unwrap(),
        1,
    );
    assert_eq!(
        reopened(&fresh).vault().map(drop).unwrap_err().kind(),
        Kind::KeyWrong
    );
    assert_eq!(
        rotate(&session, &options, &mut Yes).unwrap_err().kind(),
        Kind::Conflict
    );
}

/// Two rotations at once: neither loses the other's key, and one comes after the other.
#[test]
fn two_at_once() {
    let fresh = filled(2);
    let (one, other) = (session(&fresh), session(&fresh));
    other.store.vault().unwrap();
    let first = rotate(&one, &Rotate::default(), &mut Yes).unwrap();
    let second = rotate(&other, &Rotate::default(), &mut Yes).unwrap();
    assert_ne!(first.ring_key, second.ring_key);
    let ring = Ring::read(&fresh.store.place().key).unwrap().ids();
    assert_eq!(
        (ring.len(), &ring[0], &ring[1]),
        (3, &second.ring_key, &first.ring_key)
    );
    opens(&reopened(&fresh), 2);
}

/// A key file that another command locks in between is not asked about by whoever holds the write lock.
#[test]
fn nobody_is_asked_under_the_write_lock() {
    let fresh = filled(1);
    let one = session(&fresh);
    // Another process knows nothing of what is answered in this one.
    let key = KeySource::file(fresh.key_file());
    let place = Place::new(fresh.store.place().db.clone(), Some(key));
    let source = Rc::clone(&fresh.clock) as Rc<dyn Source>;
    let wait = Duration::from_secs(5);
    let other = Store::open(&place, verb("key rotate").unwrap(), wait, source).unwrap();
    other.vault().unwrap();
    let options = Rotate {
        passphrase: NewLock::Passphrase(Secret::from("correct horse battery staple")),
        ..Rotate::default()
    };
    let done = rotate(&one, &options, &mut Yes).unwrap();
    assert!(done.locked);
    let error = other.write(|_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.message().contains("was locked"), "{error}");
    // Who locked it goes on.
    one.store.write(|_| Ok(())).unwrap();
    rotate(&one, &Rotate::default(), &mut Yes).unwrap();
}
