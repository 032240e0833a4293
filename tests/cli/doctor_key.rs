//! Findings of `twofa doctor` about the key file, what it opens, and the log that is chained with it.

use std::fs;

use snapbox::str;

use crate::doctor::{back_up, provoked};
use crate::world::World;

#[test]
fn the_key_is_missing_or_another() {
    let world = World::with_email();
    fs::copy(world.file("twofa.db.key"), world.file("KEYFILE")).unwrap();
    provoked(
        &world,
        "key_missing",
        |world| fs::remove_file(world.file("twofa.db.key")).unwrap(),
        &[],
        str![[r#"
{
  "check": "key",
  "kind": "key_missing",
  "severity": "error",
  "message": "The key file `twofa.db.key` is missing.",
  "count": 1,
  "names": [
    "twofa.db.key"
  ],
  "mend": [
    "cp KEYFILE twofa.db.key && chmod 600 twofa.db.key"
  ]
}

"#]],
    );
    provoked(
        &world,
        "key_wrong",
        |world| {
            let other = World::empty();
            other.ok("help events");
            other.ok("init");
            fs::copy(other.file("twofa.db.key"), world.file("twofa.db.key")).unwrap();
        },
        &[],
        str![[r#"
{
  "check": "key",
  "kind": "key_wrong",
  "severity": "error",
  "message": "The key file `twofa.db.key` does not open this store: it lacks the key `374708ff`.",
  "count": 1,
  "names": [
    "twofa.db.key"
  ],
  "mend": [
    "mv twofa.db.key twofa.db.key.other && cp KEYFILE twofa.db.key && chmod 600 twofa.db.key"
  ]
}

"#]],
    );
}

/// A value that was damaged, in each column that is sealed.
#[test]
fn what_is_sealed_and_does_not_open() {
    let world = World::with_email();
    world.connect("alice");
    provoked(
        &world,
        "sealed_app",
        |world| world.sql("UPDATE authenticator SET secret = zeroblob(length(secret))"),
        &[],
        str![[r#"
{
  "check": "key",
  "kind": "sealed_app",
  "severity": "error",
  "message": "1 secret of an app cannot be opened: `alice`.",
  "count": 1,
  "names": [
    "alice"
  ],
  "mend": [
    "twofa authenticator connect alice"
  ]
}

"#]],
    );
    world.ok("authenticator connect bob");
    provoked(
        &world,
        "sealed_setup",
        |world| world.sql("UPDATE authenticator_setup SET secret = zeroblob(length(secret))"),
        &[],
        str![[r#"
{
  "check": "key",
  "kind": "sealed_setup",
  "severity": "error",
  "message": "1 secret of an app about to be connected cannot be opened: `bob`.",
  "count": 1,
  "names": [
    "bob"
  ],
  "mend": [
    "twofa authenticator connect bob"
  ]
}

"#]],
    );
    for line in [
        "mailbox add post --smtp smtp://mail.example.com --username u --password-stdin --from a@example.com",
        "sms-provider add carrier --twilio --account AC1 --from +493012345678 --token-stdin",
        "sms-provider add centre --smpp 127.0.0.1:2775 --username u --password-stdin",
    ] {
        world.run(line).stdin("secret\n").succeeds();
    }
    provoked(
        &world,
        "sealed_mailbox",
        |world| world.sql("UPDATE mailbox SET password = x'00' WHERE name = 'post'"),
        &[],
        str![[r#"
{
  "check": "key",
  "kind": "sealed_mailbox",
  "severity": "error",
  "message": "1 password of a mailbox cannot be opened: `post`.",
  "count": 1,
  "names": [
    "post"
  ],
  "mend": [
    "twofa mailbox edit post --password-stdin"
  ]
}

"#]],
    );
    provoked(
        &world,
        "sealed_provider",
        |world| world.sql("UPDATE sms_provider SET secret = x'00'"),
        &[],
        str![[r#"
{
  "check": "key",
  "kind": "sealed_provider",
  "severity": "error",
  "message": "2 secrets of SMS providers cannot be opened: `carrier`, `centre`.",
  "count": 2,
  "names": [
    "carrier",
    "centre"
  ],
  "mend": [
    "twofa sms-provider edit carrier --token-stdin",
    "twofa sms-provider edit centre --password-stdin"
  ]
}

"#]],
    );
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
    provoked(
        &world,
        "sealed_message",
        |world| {
            world.sql("UPDATE outbox SET state = 'pending', closed_at = NULL, receipt = NULL, body = x'00'");
        },
        &[],
        str![[r#"
{
  "check": "key",
  "kind": "sealed_message",
  "severity": "error",
  "message": "1 message that did not leave cannot be opened: `message 1`.",
  "count": 1,
  "names": [
    "message 1"
  ],
  "mend": [
    "sqlite3 twofa.db \"UPDATE outbox SET body = NULL WHERE id IN (1)\""
  ]
}

"#]],
    );
    provoked(
        &world,
        "sealed_history",
        |world| {
            world.sql("INSERT INTO password_history (user, imported, replaced_at) SELECT id, x'00', 0 FROM user WHERE login = 'bob'");
        },
        &[],
        str![[r#"
{
  "check": "key",
  "kind": "sealed_history",
  "severity": "error",
  "message": "1 earlier password cannot be opened: `bob`.",
  "count": 1,
  "names": [
    "bob"
  ],
  "mend": [
    "sqlite3 twofa.db \"DELETE FROM password_history WHERE id IN (1)\""
  ]
}

"#]],
    );
    provoked(
        &world,
        "sealed_password",
        |world| {
            world.sql("UPDATE user SET password_hash = NULL, password_imported = x'00' WHERE login = 'bob'");
        },
        &[("password set bob", "password set bob --password-stdin")],
        str![[r#"
{
  "check": "key",
  "kind": "sealed_password",
  "severity": "error",
  "message": "1 imported password cannot be opened: `bob`.",
  "count": 1,
  "names": [
    "bob"
  ],
  "mend": [
    "twofa password set bob"
  ]
}

"#]],
    );
}

#[test]
fn a_log_that_was_tampered_with() {
    let world = World::with_email();
    back_up(&world);
    provoked(
        &world,
        "tampered",
        |world| world.sql("UPDATE audit SET subject = 'x' WHERE seq = 3"),
        &[],
        str![[r#"
{
  "check": "audit",
  "kind": "tampered",
  "severity": "error",
  "message": "The audit log was tampered with: row 3 (edited). Nothing mends that; a copy from before may show what it said.",
  "count": 1,
  "names": [
    "3"
  ],
  "mend": [
    "cp -p twofa.db twofa.db.damaged && if [ -e twofa.db-wal ]; then mv twofa.db-wal twofa.db.damaged-wal; fi && cp BACKUP twofa.db && rm -f twofa.db-shm"
  ]
}

"#]],
    );
}

#[test]
fn a_log_whose_rows_are_hidden_from_a_search() {
    let world = World::with_email();
    provoked(
        &world,
        "hidden",
        |world| {
            world.sql("INSERT INTO audit_block VALUES (1024, 0, 0, zeroblob(64))");
            world
                .run("audit list --event setting.changed")
                .shows(str![[r#"
$ twofa audit list --event setting.changed
? 0
--- stdout
SEQ  AT  ACTOR  EVENT  SUBJECT  OUTCOME  REASON

"#]]);
            world.run("audit verify").shows(str![[r#"
$ twofa audit verify
? 20
--- stdout
intact     no
rows       1
archived   0
head       7
first bad  1
damage     hidden
archives   –
--- stderr
The audit log was tampered with: row 1 (the summary of its block hides it).

"#]]);
        },
        &[],
        str![[r#"
{
  "check": "audit",
  "kind": "hidden",
  "severity": "error",
  "message": "`audit list` does not find some of the rows 1 to 1024 of the audit log: their summary was changed.",
  "count": 1,
  "names": [
    "1"
  ],
  "mend": [
    "sqlite3 twofa.db \"DELETE FROM audit_block WHERE last = 1024\""
  ]
}

"#]],
    );
}

#[test]
fn a_rotation_that_was_stopped() {
    let world = World::with_email();
    world.connect("alice");
    let seal = "WHERE purpose = 'seal'";
    let id = world.number(&format!("SELECT id FROM data_key {seal}"));
    let ring = world.text(&format!("SELECT ring_key FROM data_key {seal}"));
    let wrapped = world.text(&format!("SELECT hex(wrapped) FROM data_key {seal}"));
    world.ok("key rotate --yes");
    provoked(
        &world,
        "unfinished_rotation",
        // As if it had not come to its end: the old key is still there.
        |world| {
            world.sql(&format!(
                "INSERT INTO data_key VALUES ({id}, 'seal', '{ring}', x'{wrapped}', 0, 0)"
            ));
        },
        &[],
        str![[r#"
{
  "check": "key",
  "kind": "unfinished_rotation",
  "severity": "warning",
  "message": "A rotation of keys was stopped: some of what is sealed waits for the new key.",
  "count": 1,
  "names": [],
  "mend": [
    "twofa key rotate --yes"
  ]
}

"#]],
    );
}
