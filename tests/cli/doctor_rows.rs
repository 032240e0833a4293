//! Findings of `twofa doctor` about rows that do not fit together, and about who administers the store.

use snapbox::str;

use crate::doctor::{back_up, provoked};
use crate::world::World;

#[test]
fn names_that_lead_to_somebody_else() {
    let world = World::with_email();
    world.ok("user add dave@example.com --email Dave@Example.com");
    world.ok("user add erin@example.com");
    world.ok("user add 'O hara' --email ohara@example.com");
    provoked(
        &world,
        "identity",
        |world| {
            world.sql(
                "DELETE FROM identity WHERE key = 'bob@example.com';
                 UPDATE identity SET key = 'mallory' WHERE key = 'alice';
                 UPDATE identity SET is_email = 0 WHERE key = 'erin@example.com';
                 INSERT INTO identity SELECT 'more@example.com', user, 0, 1 FROM identity WHERE key = 'o hara'",
            );
        },
        &[],
        str![[r#"
{
  "check": "orphans",
  "kind": "identity",
  "severity": "error",
  "message": "The names that lead to 4 users are not their login and address: `alice`, `bob`, `erin@example.com`, `O hara`.",
  "count": 4,
  "names": [
    "alice",
    "bob",
    "erin@example.com",
    "O hara"
  ],
  "mend": [
    "sqlite3 twofa.db \"DELETE FROM identity WHERE user = 2; INSERT INTO identity (key, user, is_login, is_email) VALUES ('alice', 2, 1, 0), ('alice@example.com', 2, 0, 1)\"",
    "sqlite3 twofa.db \"DELETE FROM identity WHERE user = 3; INSERT INTO identity (key, user, is_login, is_email) VALUES ('bob', 3, 1, 0), ('bob@example.com', 3, 0, 1)\"",
    "sqlite3 twofa.db \"DELETE FROM identity WHERE user = 5; INSERT INTO identity (key, user, is_login, is_email) VALUES ('erin@example.com', 5, 1, 1)\"",
    "sqlite3 twofa.db \"DELETE FROM identity WHERE user = 6; INSERT INTO identity (key, user, is_login, is_email) VALUES ('o hara', 6, 1, 0), ('ohara@example.com', 6, 0, 1)\""
  ]
}

"#]],
    );
}

#[test]
fn positions_with_gaps() {
    let world = World::with_email();
    for login in ["alice", "bob"] {
        world.ok(&format!("permission grant CanReset2FA --user {login}"));
    }
    let order = "SELECT group_concat(coalesce(user, 0) || '@' || position) FROM (SELECT * FROM grantee WHERE operation = 'CanReset2FA' ORDER BY position)";
    let before = world.text(order);
    provoked(
        &world,
        "grantee_positions",
        |world| {
            world.sql("UPDATE grantee SET position = position * 2 WHERE operation = 'CanReset2FA'; UPDATE grantee SET position = 2 WHERE operation = 'CanUse2FA'");
        },
        &[],
        str![[r#"
{
  "check": "orphans",
  "kind": "grantee_positions",
  "severity": "error",
  "message": "The positions of 2 permissions are not 1, 2, 3 and so on: `CanReset2FA`, `CanUse2FA`.",
  "count": 2,
  "names": [
    "CanReset2FA",
    "CanUse2FA"
  ],
  "mend": [
    "sqlite3 twofa.db \"UPDATE grantee SET position = 1 + (SELECT count(*) FROM grantee AS g WHERE g.operation = grantee.operation AND (g.position, g.id) < (grantee.position, grantee.id))\""
  ]
}

"#]],
    );
    assert_eq!(world.text(order), before);
}

#[test]
fn a_group_within_itself() {
    let world = World::with_email();
    for name in ["A", "B", "C"] {
        world.ok(&format!("group add {name}"));
    }
    world.ok("group add-member A --group B");
    world.ok("group add-member B --group C");
    provoked(
        &world,
        "group_cycle",
        |world| {
            world.sql("INSERT INTO group_group SELECT c.id, a.id FROM \"group\" AS a, \"group\" AS c WHERE a.name = 'A' AND c.name = 'C'");
        },
        &[],
        str![[r#"
{
  "check": "orphans",
  "kind": "group_cycle",
  "severity": "error",
  "message": "1 group is within itself, through others: `C`.",
  "count": 1,
  "names": [
    "C"
  ],
  "mend": [
    "twofa group remove-member C --group A"
  ]
}

"#]],
    );
}

#[test]
fn members_of_a_computed_group() {
    let world = World::with_email();
    world.ok("group add Staff");
    provoked(
        &world,
        "computed_members",
        |world| {
            world.sql(
                "INSERT INTO group_user SELECT g.id, user.id FROM \"group\" AS g, user WHERE built_in = 'externals' AND login = 'bob';
                 INSERT INTO group_group SELECT g.id, s.id FROM \"group\" AS g, \"group\" AS s WHERE g.built_in = 'employees' AND s.name = 'Staff'",
            );
        },
        &[],
        str![[r#"
{
  "check": "orphans",
  "kind": "computed_members",
  "severity": "warning",
  "message": "1 row stands in `group_user` of a group whose members follow from their type.",
  "count": 1,
  "names": [
    "group_user"
  ],
  "mend": [
    "sqlite3 twofa.db \"DELETE FROM group_user WHERE [group] IN (SELECT id FROM [group] WHERE built_in IN ('employees', 'externals'))\""
  ]
}
{
  "check": "orphans",
  "kind": "computed_members",
  "severity": "warning",
  "message": "1 row stands in `group_group` of a group whose members follow from their type.",
  "count": 1,
  "names": [
    "group_group"
  ],
  "mend": [
    "sqlite3 twofa.db \"DELETE FROM group_group WHERE [group] IN (SELECT id FROM [group] WHERE built_in IN ('employees', 'externals'))\""
  ]
}

"#]],
    );
}

#[test]
fn ids_that_would_be_used_again() {
    let world = World::with_email();
    provoked(
        &world,
        "row_numbers",
        |world| {
            world.sql("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'user'; DELETE FROM sqlite_sequence WHERE name = 'group'");
        },
        &[],
        str![[r#"
{
  "check": "orphans",
  "kind": "row_numbers",
  "severity": "error",
  "message": "The next row of `group` would get an id that was used before.",
  "count": 1,
  "names": [
    "group"
  ],
  "mend": [
    "sqlite3 twofa.db 'DELETE FROM sqlite_sequence WHERE name = '\\''group'\\''; INSERT INTO sqlite_sequence (name, seq) SELECT '\\''group'\\'', max(id) FROM \"group\"'"
  ]
}
{
  "check": "orphans",
  "kind": "row_numbers",
  "severity": "error",
  "message": "The next row of `user` would get an id that was used before.",
  "count": 1,
  "names": [
    "user"
  ],
  "mend": [
    "sqlite3 twofa.db \"DELETE FROM sqlite_sequence WHERE name = 'user'; INSERT INTO sqlite_sequence (name, seq) SELECT 'user', max(id) FROM user\""
  ]
}

"#]],
    );
    world.ok("user add dave");
}

#[test]
fn a_tombstone_of_a_row_that_is_there() {
    let world = World::with_email();
    provoked(
        &world,
        "tombstones",
        |world| {
            world.sql("INSERT INTO audit_tombstone SELECT seq, user, earlier, digest, mac, \"key\", 'x', x'' FROM audit WHERE seq = 2");
        },
        &[],
        str![[r#"
{
  "check": "orphans",
  "kind": "tombstones",
  "severity": "error",
  "message": "1 tombstone of the audit log, which this program did not set, stands for rows that are there.",
  "count": 1,
  "names": [
    "2"
  ],
  "mend": [
    "sqlite3 twofa.db \"DELETE FROM audit_tombstone WHERE seq IN (2)\""
  ]
}

"#]],
    );
}

#[test]
fn an_archived_row_that_came_back() {
    let world = World::with_email();
    world.later(3_600);
    let elsewhere = world.file("before.db").display().to_string();
    world.sql(&format!(
        "ATTACH '{elsewhere}' AS old; CREATE TABLE old.row AS SELECT * FROM audit WHERE seq = 2"
    ));
    world.ok("audit archive --from 2025-01-01 --till 2026-01-01T00:00:00Z --out old.audit --yes");
    provoked(
        &world,
        "archived_rows",
        |world| {
            world.sql(&format!(
                "ATTACH '{elsewhere}' AS old; INSERT INTO audit SELECT * FROM old.row"
            ));
        },
        &[],
        str![[r#"
{
  "check": "orphans",
  "kind": "archived_rows",
  "severity": "error",
  "message": "1 row of the audit log stands there again although it was archived.",
  "count": 1,
  "names": [
    "2"
  ],
  "mend": [
    "sqlite3 twofa.db \"DELETE FROM audit WHERE seq IN (2)\""
  ]
}

"#]],
    );
    world.ok("audit verify");
}

#[test]
fn nobody_administers_the_store() {
    let world = World::with_email();
    provoked(
        &world,
        "no_administrator",
        |world| world.sql("UPDATE user SET active = 0 WHERE login = 'Supervisor'"),
        &[],
        str![[r#"
{
  "check": "administrators",
  "kind": "no_administrator",
  "severity": "error",
  "message": "The store has no active administrator.",
  "count": 1,
  "names": [],
  "mend": [
    "twofa user activate Supervisor"
  ]
}

"#]],
    );
    provoked(
        &world,
        "no_administrator",
        |world| {
            world.ok("permission grant CanManageAdministration --user Supervisor");
            world.sql("DELETE FROM group_user");
        },
        &[],
        str![[r#"
{
  "check": "administrators",
  "kind": "no_administrator",
  "severity": "error",
  "message": "The store has no active administrator.",
  "count": 1,
  "names": [],
  "mend": [
    "sqlite3 twofa.db \"INSERT INTO group_user SELECT [group].id, user.id FROM [group], user WHERE built_in = 'administrators' AND login = 'Supervisor'\""
  ]
}

"#]],
    );
    // Root and the owner act for nobody then, and no session begins.
    provoked(
        &world,
        "no_first_administrator",
        |world| {
            world.sql("UPDATE store SET first_administrator = NULL");
            world.run("status").exits(1);
        },
        &[("LOGIN", "Supervisor")],
        str![[r#"
{
  "check": "administrators",
  "kind": "no_first_administrator",
  "severity": "error",
  "message": "The store has no first administrator, for whom root and its owner act.",
  "count": 1,
  "names": [],
  "mend": [
    "sqlite3 twofa.db \"UPDATE store SET first_administrator = (SELECT id FROM user WHERE login = 'LOGIN')\""
  ]
}

"#]],
    );
}

/// Where nobody administers, nobody can be permitted to look; whoever owns the store looks all the same.
#[test]
fn the_administrators_are_gone() {
    let world = World::with_email();
    provoked(
        &world,
        "no_administrator",
        |world| world.sql("DELETE FROM group_user"),
        &[],
        str![[r#"
{
  "check": "administrators",
  "kind": "no_administrator",
  "severity": "error",
  "message": "The store has no active administrator.",
  "count": 1,
  "names": [],
  "mend": [
    "sqlite3 twofa.db \"INSERT INTO group_user SELECT [group].id, user.id FROM [group], user WHERE built_in = 'administrators' AND login = 'Supervisor'\""
  ]
}

"#]],
    );
    world.run("doctor --as bob").exits(5);
}

/// Who was in a group that every store has stands in rows that name it: no line throws them away.
#[test]
fn a_built_in_group_is_gone() {
    let world = World::with_email();
    back_up(&world);
    provoked(
        &world,
        "broken_reference",
        |world| {
            world.sql(
                "PRAGMA foreign_keys = OFF; DELETE FROM \"group\" WHERE built_in = 'employees'",
            );
        },
        &[],
        str![[r#"
{
  "check": "foreign_keys",
  "kind": "broken_reference",
  "severity": "error",
  "message": "1 row of `grantee` names a row of `group` that is not there.",
  "count": 1,
  "names": [
    "grantee.group"
  ],
  "mend": [
    "cp -p twofa.db twofa.db.damaged && if [ -e twofa.db-wal ]; then mv twofa.db-wal twofa.db.damaged-wal; fi && cp BACKUP twofa.db && rm -f twofa.db-shm"
  ]
}

"#]],
    );
}
