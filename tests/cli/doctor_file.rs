//! Findings of `twofa doctor` about the pages of the file, and the rows that name others.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};

use snapbox::str;

use crate::doctor::{back_up, finds, healthy, paste, provoked, report};
use crate::world::World;

/// A store whose pages hold more than a few rows.
fn filled() -> World {
    let world = World::with_email();
    let people: Vec<String> = (0..300)
        .map(|n| format!("p{n},p{n}@example.com\n"))
        .collect();
    world.write("people.csv", &format!("login,email\n{}", people.concat()));
    world.ok("user import people.csv --yes");
    world
}

#[test]
fn a_torn_page() {
    let world = filled();
    back_up(&world);
    let root = world.number("SELECT rootpage FROM sqlite_schema WHERE name = 'audit'");
    let size = world.number("PRAGMA page_size");
    provoked(
        &world,
        "damaged",
        |world| {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .open(world.file("twofa.db"))
                .unwrap();
            let at = u64::try_from((root - 1) * size).unwrap();
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&[0xff; 200]).unwrap();
        },
        &[],
        str![[r#"
{
  "check": "integrity",
  "kind": "damaged",
  "severity": "error",
  "message": "The file is damaged: database disk image is malformed.",
  "count": 1,
  "names": [
    "database disk image is malformed"
  ],
  "mend": [
    "cp -p twofa.db twofa.db.damaged && if [ -e twofa.db-wal ]; then mv twofa.db-wal twofa.db.damaged-wal; fi && cp BACKUP twofa.db && rm -f twofa.db-shm"
  ]
}

"#]],
    );
}

/// The first page is whole and the schema is not: no session begins, and the doctor looks all the same.
#[test]
fn a_schema_that_cannot_be_read() {
    let world = filled();
    back_up(&world);
    healthy(&world);
    world.sql("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE nonsense' WHERE name = 'user'");
    world.run("status").exits(1);
    world.run("doctor").shows(str![[r#"
$ twofa doctor
? 20
--- stdout
error: The file is damaged: malformed database schema (user) - near "nonsense":
  syntax error.
    cp -p twofa.db twofa.db.damaged && if [ -e twofa.db-wal ]; then mv twofa.db-wal twofa.db.damaged-wal; fi && cp BACKUP twofa.db && rm -f twofa.db-shm

1 error in 2 checks.
Not checked: foreign_keys, schema, audit, clock, methods, second_factors,
  addresses, phones, apps, idps, settings, values, secrets, pending, locks,
  grants, orphans, administrators (the store is damaged: malformed database
  schema (user) - near "nonsense": syntax error).
Not checked: key (the store is too damaged to tell which key opens it).
Not checked: senders (nobody is called without --online).

"#]]);
    let mend = finds(
        &world,
        "damaged",
        str![[r#"
{
  "check": "integrity",
  "kind": "damaged",
  "severity": "error",
  "message": "The file is damaged: malformed database schema (user) - near \"nonsense\": syntax error.",
  "count": 1,
  "names": [
    "malformed database schema (user) - near \"nonsense\": syntax error"
  ],
  "mend": [
    "cp -p twofa.db twofa.db.damaged && if [ -e twofa.db-wal ]; then mv twofa.db-wal twofa.db.damaged-wal; fi && cp BACKUP twofa.db && rm -f twofa.db-shm"
  ]
}

"#]],
    );
    paste(&world, &mend, &[]);
    healthy(&world);
}

/// An index without an entry for a row that is there.
#[test]
fn an_index_that_disagrees() {
    let world = filled();
    provoked(
        &world,
        "index_disagrees",
        |world| {
            let sql = world.text("SELECT sql FROM sqlite_schema WHERE name = 'user_locked'");
            let root =
                world.number("SELECT rootpage FROM sqlite_schema WHERE name = 'user_locked'");
            world.sql(
                "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'user_locked'",
            );
            world.sql("UPDATE user SET locked_until_at = 5 WHERE login IN ('p1', 'p2')");
            world.sql(&format!(
                "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('index', 'user_locked', 'user', {root}, '{sql}')"
            ));
        },
        &[],
        str![[r#"
{
  "check": "integrity",
  "kind": "index_disagrees",
  "severity": "error",
  "message": "An index disagrees with its table: row 5 missing from index user_locked.",
  "count": 2,
  "names": [
    "row 5 missing from index user_locked",
    "row 6 missing from index user_locked"
  ],
  "mend": [
    "sqlite3 twofa.db \"REINDEX\""
  ]
}

"#]],
    );
}

#[test]
fn a_value_that_the_schema_forbids() {
    let world = filled();
    back_up(&world);
    provoked(
        &world,
        "forbidden_value",
        |world| {
            world.sql("PRAGMA ignore_check_constraints = ON; UPDATE user SET active = 2 WHERE login = 'p7'");
        },
        &[],
        str![[r#"
{
  "check": "integrity",
  "kind": "forbidden_value",
  "severity": "error",
  "message": "Something else wrote what the store's rules forbid: CHECK constraint failed in user.",
  "count": 1,
  "names": [
    "CHECK constraint failed in user"
  ],
  "mend": [
    "cp -p twofa.db twofa.db.damaged && if [ -e twofa.db-wal ]; then mv twofa.db-wal twofa.db.damaged-wal; fi && cp BACKUP twofa.db && rm -f twofa.db-shm"
  ]
}

"#]],
    );
}

#[test]
fn a_row_that_names_one_that_is_not_there() {
    let world = filled();
    world.ok("group add Staff");
    world.ok("group add-member Staff --user p1 --user p2");
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
    provoked(
        &world,
        "broken_reference",
        |world| {
            world.sql(
                "PRAGMA foreign_keys = OFF; DELETE FROM \"group\" WHERE name = 'Staff';
                 UPDATE outbox SET challenge = 999; INSERT INTO setting (code, template) VALUES ('TwoFactorAuthSmsTemplate', 77)",
            );
        },
        &[],
        str![[r#"
{
  "check": "foreign_keys",
  "kind": "broken_reference",
  "severity": "error",
  "message": "2 rows of `group_user` name a row of `group` that is not there.",
  "count": 2,
  "names": [
    "group_user.group"
  ],
  "mend": [
    "sqlite3 twofa.db 'PRAGMA foreign_keys = ON; DELETE FROM group_user WHERE \"group\" NOT IN (SELECT id FROM \"group\")'"
  ]
}
{
  "check": "foreign_keys",
  "kind": "broken_reference",
  "severity": "error",
  "message": "1 row of `outbox` names a row of `challenge` that is not there.",
  "count": 1,
  "names": [
    "outbox.challenge"
  ],
  "mend": [
    "sqlite3 twofa.db \"PRAGMA foreign_keys = ON; UPDATE outbox SET challenge = NULL WHERE challenge NOT IN (SELECT id FROM challenge)\""
  ]
}
{
  "check": "foreign_keys",
  "kind": "broken_reference",
  "severity": "error",
  "message": "1 row of `setting` names a row of `template` that is not there.",
  "count": 1,
  "names": [
    "setting.template"
  ],
  "mend": [
    "sqlite3 twofa.db \"PRAGMA foreign_keys = ON; DELETE FROM setting WHERE template NOT IN (SELECT id FROM template)\""
  ]
}

"#]],
    );
    // Nobody is its first administrator: for whom root acts is for a person to say.
    provoked(
        &world,
        "broken_reference",
        |world| world.sql("PRAGMA foreign_keys = OFF; UPDATE store SET first_administrator = 999"),
        &[("LOGIN", "Supervisor")],
        str![[r#"
{
  "check": "foreign_keys",
  "kind": "broken_reference",
  "severity": "error",
  "message": "1 row of `store` names a row of `user` that is not there.",
  "count": 1,
  "names": [
    "store.first_administrator"
  ],
  "mend": [
    "sqlite3 twofa.db \"UPDATE store SET first_administrator = (SELECT id FROM user WHERE login = 'LOGIN')\""
  ]
}

"#]],
    );
}

/// A check that cannot read what it needs says so, and the others go on.
#[test]
fn a_check_that_fails() {
    let world = World::with_email();
    world.ok("sms-provider add api --http 'https://sms.example.com/?to=#Phone#&text=#Text#'");
    world.ok("setting set SmsProvider api");
    back_up(&world);
    healthy(&world);
    // JSON, as the schema wants it, and no headers.
    world.sql("UPDATE sms_provider SET headers = '5'; UPDATE user SET locked_until_at = 9999999999 WHERE login = 'bob'");
    let found = report(&world, "doctor");
    let kinds = found["findings"].as_array().unwrap().iter();
    let kinds: Vec<&str> = kinds
        .map(|finding| finding["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["failed", "locked"]);
    let mend = finds(
        &world,
        "failed",
        str![[r#"
{
  "check": "methods",
  "kind": "failed",
  "severity": "error",
  "message": "The store failed: Conversion error from type Text at index: 8, invalid type: integer `5`, expected a sequence at line 1 column 1.",
  "count": 1,
  "names": [],
  "mend": [
    "cp -p twofa.db twofa.db.damaged && if [ -e twofa.db-wal ]; then mv twofa.db-wal twofa.db.damaged-wal; fi && cp BACKUP twofa.db && rm -f twofa.db-shm"
  ]
}

"#]],
    );
    paste(&world, &mend, &[]);
    healthy(&world);
}
