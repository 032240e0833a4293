//! Tests of the keys themselves; what they seal is tested where it is kept.

use std::fs;

use super::source::LONGEST;
use super::*;
use crate::store::tests::fresh;

#[test]
fn a_data_key_opens_for_its_own_purpose_only() {
    let fresh = fresh();
    let ring = Ring::read(&fresh.store.place().key).unwrap();
    let db = fresh.store.tampered();
    Vault::open(db, fresh.store.id(), &ring).unwrap();
    // Unwrapped under another purpose, the pepper would sign tokens.
    db.execute_batch(
        "UPDATE data_key SET current = 0 WHERE purpose = 'token'; UPDATE data_key SET purpose = 'token' WHERE purpose = 'pepper'",
    )
    .unwrap();
    let error = Vault::open(db, fresh.store.id(), &ring).err().unwrap();
    assert_eq!(error.kind(), Kind::Storage);
}

/// Whoever is told of a wrong key looks for another one, and there is none.
#[test]
fn a_damaged_data_key_is_no_wrong_key() {
    let fresh = fresh();
    let ring = Ring::read(&fresh.store.place().key).unwrap();
    let db = fresh.store.tampered();
    let opened = || Vault::open(db, fresh.store.id(), &ring).err().unwrap();
    let damage = "UPDATE data_key SET wrapped = zeroblob(72) WHERE purpose = 'pepper'";
    db.execute_batch(damage).unwrap();
    let error = opened();
    assert_eq!(error.kind(), Kind::Storage);
    assert!(
        error.message().starts_with("the data key 3 is damaged"),
        "{error}"
    );
    // Where it opens none, nobody knows.
    db.execute_batch("UPDATE data_key SET wrapped = zeroblob(72)")
        .unwrap();
    assert_eq!(opened().kind(), Kind::KeyWrong);
}

#[test]
fn a_key_file_is_never_read_in_part() {
    let fresh = fresh();
    let (path, from) = (&fresh.key_file(), &fresh.store.place().key);
    let text = fs::read_to_string(path).unwrap();
    let filler = "#".repeat(LONGEST - text.len() - 1);
    fs::write(path, format!("{text}{filler}\n")).unwrap();
    assert!(Ring::read(from).is_ok());
    fs::write(path, format!("{text}{filler}\n\n")).unwrap();
    let error = Ring::read(from).err().unwrap();
    assert_eq!(error.kind(), Kind::KeyWrong);
    assert!(error.message().contains("longer"), "{error}");
}

#[test]
fn what_is_secret_does_not_show() {
    let phrase = "correct horse battery staple";
    let from = KeySource::environment(Secret::from("twofa-key-1:1f2e3d4c:hush"))
        .with_passphrase(Passphrase::read(move || Ok(Secret::from(phrase))));
    let debug = format!("{from:?}");
    assert!(
        !debug.contains("hush") && !debug.contains("horse"),
        "{debug}"
    );
    let lock = crate::rotation::NewLock::Passphrase(Secret::from(phrase));
    assert!(!format!("{lock:?}").contains("horse"));
    // Nor does what is wrong with it.
    let error = Ring::read(&from).err().unwrap();
    assert!(!format!("{error:?} {}", error.to_json()).contains("hush"));
}

/// Once for each lock, however often a ring is read: it is read again under the write lock.
#[test]
fn a_passphrase_is_asked_for_once() {
    let fresh = fresh();
    let asked = Rc::new(std::cell::Cell::new(0));
    let count = Rc::clone(&asked);
    let passphrase = Passphrase::asked(move |_, _| {
        count.set(count.get() + 1);
        Ok(Secret::from("correct horse battery staple"))
    });
    let from = KeySource::file(fresh.key_file()).with_passphrase(passphrase);
    let lock = from.new_lock(fresh.clock.as_ref()).unwrap();
    let ring = Ring::read(&from).unwrap().locked(Some(lock));
    ring.replace(None, fresh.clock.as_ref()).unwrap();
    assert!(from.is_locked() && !from.would_ask());
    for _ in 0..3 {
        assert_eq!(Ring::read(&from).unwrap().ids(), ring.ids());
    }
    assert_eq!(asked.get(), 1);
    // Nobody is asked where nobody can be, and nothing is locked that cannot be read.
    let alone = KeySource::file(fresh.key_file());
    assert!(alone.would_ask());
    let error = Ring::read(&alone).err().unwrap();
    assert_eq!(error.kind(), Kind::MissingAnswer);
    assert!(!KeySource::file("absent").would_ask());
}

/// Whatever stands in a file, reading it ends with keys or with an error.
#[test]
fn no_text_makes_a_ring_panic() {
    use proptest::prelude::*;
    let words = prop::sample::select(vec![
        "twofa-key-1",
        "twofa-locked-1",
        "TWOFA_KEY=",
        ":",
        ",",
        " ",
        "\n",
        "#",
        "\"",
        "65536",
        "4294967296",
        "-1",
        "0",
        "1f2e3d4c",
        "AAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "é",
    ]);
    proptest!(|(text in prop::collection::vec(words, 0..12))| {
        let from = KeySource::environment(Secret::new(text.concat()));
        match Ring::read(&from) {
            Ok(ring) => prop_assert!(!ring.ids().is_empty()),
            Err(error) => prop_assert!(matches!(error.kind(), Kind::KeyWrong | Kind::MissingAnswer), "{error}"),
        }
    });
}
