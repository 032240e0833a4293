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
    assert_eq!(error.kind(), Kind::KeyWrong);
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
