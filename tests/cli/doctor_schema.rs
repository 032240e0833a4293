//! Findings of `twofa doctor` about the schema: what is missing, altered, or of somebody else.

use snapbox::str;

use crate::doctor::{back_up, provoked};
use crate::world::World;

#[test]
fn a_table_that_is_missing_or_another() {
    let world = World::with_email();
    back_up(&world);
    provoked(
        &world,
        "missing_table",
        |world| world.sql("PRAGMA foreign_keys = OFF; DROP TABLE recovery_code"),
        &[],
        str![[r#"
{
  "check": "schema",
  "kind": "missing_table",
  "severity": "error",
  "message": "The table `recovery_code` is missing.",
  "count": 1,
  "names": [
    "recovery_code"
  ],
  "mend": [
    "cp -p twofa.db twofa.db.damaged && if [ -e twofa.db-wal ]; then mv twofa.db-wal twofa.db.damaged-wal; fi && cp BACKUP twofa.db && rm -f twofa.db-shm"
  ]
}

"#]],
    );
    provoked(
        &world,
        "altered_table",
        |world| world.sql("ALTER TABLE recovery_request ADD COLUMN note TEXT"),
        &[],
        str![[r#"
{
  "check": "schema",
  "kind": "altered_table",
  "severity": "error",
  "message": "The table `recovery_request` is not as it was made.",
  "count": 1,
  "names": [
    "recovery_request"
  ],
  "mend": [
    "cp -p twofa.db twofa.db.damaged && if [ -e twofa.db-wal ]; then mv twofa.db-wal twofa.db.damaged-wal; fi && cp BACKUP twofa.db && rm -f twofa.db-shm"
  ]
}

"#]],
    );
}

#[test]
fn an_index_or_a_view_that_is_missing_or_another() {
    let world = World::with_email();
    provoked(
        &world,
        "missing_object",
        |world| world.sql("DROP INDEX challenge_open; DROP VIEW messages"),
        &[],
        str![[r#"
{
  "check": "schema",
  "kind": "missing_object",
  "severity": "error",
  "message": "The index `challenge_open` is missing.",
  "count": 1,
  "names": [
    "challenge_open"
  ],
  "mend": [
    "sqlite3 twofa.db \"CREATE INDEX challenge_open ON challenge (expires_at) WHERE closed_at IS NULL\""
  ]
}
{
  "check": "schema",
  "kind": "missing_object",
  "severity": "error",
  "message": "The view `messages` is missing.",
  "count": 1,
  "names": [
    "messages"
  ],
  "mend": [
    "sqlite3 twofa.db \"CREATE VIEW messages AS SELECT datetime(outbox.created_at, 'unixepoch') AS sent, coalesce(user.login, outbox.login) AS user, method, recipient, sender, state, receipt, error FROM outbox LEFT JOIN user ON user.id = outbox.user ORDER BY outbox.id DESC\""
  ]
}

"#]],
    );
    provoked(
        &world,
        "altered_object",
        |world| {
            world.sql("DROP INDEX challenge_open; CREATE INDEX challenge_open ON challenge (id)");
        },
        &[],
        str![[r#"
{
  "check": "schema",
  "kind": "altered_object",
  "severity": "error",
  "message": "The index `challenge_open` is not as it was made.",
  "count": 1,
  "names": [
    "challenge_open"
  ],
  "mend": [
    "sqlite3 twofa.db \"DROP INDEX challenge_open; CREATE INDEX challenge_open ON challenge (expires_at) WHERE closed_at IS NULL\""
  ]
}

"#]],
    );
}

#[test]
fn what_is_none_of_a_store() {
    let world = World::with_email();
    // What belongs to SQLite and to what copies the file is no finding.
    world.sql("ANALYZE; CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)");
    provoked(
        &world,
        "foreign_trigger",
        |world| {
            world.sql("CREATE TRIGGER \"it's\" AFTER UPDATE ON user BEGIN SELECT 1; END");
        },
        &[],
        str![[r#"
{
  "check": "schema",
  "kind": "foreign_trigger",
  "severity": "error",
  "message": "The trigger `it's` is none of a store.",
  "count": 1,
  "names": [
    "it's"
  ],
  "mend": [
    "sqlite3 twofa.db 'DROP TRIGGER \"it'\\''s\"'"
  ]
}

"#]],
    );
    provoked(
        &world,
        "foreign_object",
        |world| {
            world.sql("CREATE TABLE notes (a); CREATE VIEW \"all notes\" AS SELECT * FROM notes");
        },
        &[],
        str![[r#"
{
  "check": "schema",
  "kind": "foreign_object",
  "severity": "warning",
  "message": "The table `notes` is none of a store.",
  "count": 1,
  "names": [
    "notes"
  ],
  "mend": [
    "sqlite3 twofa.db \"DROP TABLE notes\""
  ]
}
{
  "check": "schema",
  "kind": "foreign_object",
  "severity": "warning",
  "message": "The view `all notes` is none of a store.",
  "count": 1,
  "names": [
    "all notes"
  ],
  "mend": [
    "sqlite3 twofa.db 'DROP VIEW \"all notes\"'"
  ]
}

"#]],
    );
}

#[test]
fn a_row_that_every_store_has() {
    let world = World::with_email();
    provoked(
        &world,
        "missing_row",
        |world| {
            world.sql("DELETE FROM method WHERE code = 'sms'; DELETE FROM unknown_login; DELETE FROM template WHERE name = 'Password recovery'");
            world.sql("PRAGMA foreign_keys = ON; DELETE FROM \"group\" WHERE built_in = 'externals'; UPDATE grantee SET position = 1 WHERE operation = 'CanUse2FA'");
        },
        &[],
        str![[r#"
{
  "check": "schema",
  "kind": "missing_row",
  "severity": "error",
  "message": "`method` lacks the row `sms`.",
  "count": 1,
  "names": [
    "method sms"
  ],
  "mend": [
    "sqlite3 twofa.db \"INSERT INTO method (code, position, name) VALUES ('sms', 2, 'SMS')\""
  ]
}
{
  "check": "schema",
  "kind": "missing_row",
  "severity": "error",
  "message": "`template` lacks the row `password recovery`.",
  "count": 1,
  "names": [
    "template password recovery"
  ],
  "mend": [
    "sqlite3 twofa.db \"INSERT INTO template (name, name_key, kind) VALUES ('Password recovery', 'password recovery', 'email')\""
  ]
}
{
  "check": "schema",
  "kind": "missing_row",
  "severity": "error",
  "message": "`group` lacks the row `externals`.",
  "count": 1,
  "names": [
    "group externals"
  ],
  "mend": [
    "sqlite3 twofa.db 'INSERT INTO \"group\" (name, name_key, built_in, created_at) VALUES ('\\''All external users'\\'', '\\''all external users'\\'', '\\''externals'\\'', 0)'"
  ]
}
{
  "check": "schema",
  "kind": "missing_row",
  "severity": "error",
  "message": "`unknown_login` lacks the row `1`.",
  "count": 1,
  "names": [
    "unknown_login 1"
  ],
  "mend": [
    "sqlite3 twofa.db \"INSERT INTO unknown_login (id, failures) VALUES (1, 0)\""
  ]
}

"#]],
    );
}
