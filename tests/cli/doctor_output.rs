//! What `twofa doctor` prints, whole, and for whom.

use std::fs;

use snapbox::str;

use crate::doctor::{finds_with, paste, report};
use crate::world::World;

#[test]
fn a_store_that_nothing_is_wrong_with() {
    World::new().run("doctor").shows(str![[r#"
$ twofa doctor
? 0
--- stdout
Nothing is wrong: 21 checks found nothing.
Not checked: senders (nobody is called without --online).

"#]]);
    World::with_email().run("doctor -o ndjson").shows(str![[r#"
$ twofa doctor -o ndjson
? 0
--- stderr
Nothing is wrong: 21 checks found nothing.
Not checked: senders (nobody is called without --online).

"#]]);
    let (world, _) = World::with_app();
    world.connect("alice");
    world.connect("bob");
    world.run("doctor -o csv").shows(str![[r#"
$ twofa doctor -o csv
? 0
--- stdout
check,kind,severity,message,count,names,mend
--- stderr
Nothing is wrong: 21 checks found nothing.
Not checked: senders (nobody is called without --online).

"#]]);
    world.run("doctor -o json").shows(str![[r#"
$ twofa doctor -o json
? 0
--- stdout
{
  "healthy": true,
  "checks": [
    {
      "check": "integrity",
      "state": "ok",
      "why": null
    },
    {
      "check": "foreign_keys",
      "state": "ok",
      "why": null
    },
    {
      "check": "schema",
      "state": "ok",
      "why": null
    },
    {
      "check": "files",
      "state": "ok",
      "why": null
    },
    {
      "check": "key",
      "state": "ok",
      "why": null
    },
    {
      "check": "audit",
      "state": "ok",
      "why": null
    },
    {
      "check": "clock",
      "state": "ok",
      "why": null
    },
    {
      "check": "methods",
      "state": "ok",
      "why": null
    },
    {
      "check": "second_factors",
      "state": "ok",
      "why": null
    },
    {
      "check": "addresses",
      "state": "ok",
      "why": null
    },
    {
      "check": "phones",
      "state": "ok",
      "why": null
    },
    {
      "check": "apps",
      "state": "ok",
      "why": null
    },
    {
      "check": "idps",
      "state": "ok",
      "why": null
    },
    {
      "check": "settings",
      "state": "ok",
      "why": null
    },
    {
      "check": "values",
      "state": "ok",
      "why": null
    },
    {
      "check": "secrets",
      "state": "ok",
      "why": null
    },
    {
      "check": "pending",
      "state": "ok",
      "why": null
    },
    {
      "check": "locks",
      "state": "ok",
      "why": null
    },
    {
      "check": "grants",
      "state": "ok",
      "why": null
    },
    {
      "check": "orphans",
      "state": "ok",
      "why": null
    },
    {
      "check": "administrators",
      "state": "ok",
      "why": null
    },
    {
      "check": "senders",
      "state": "not_checked",
      "why": "nobody is called without --online"
    }
  ],
  "findings": []
}

"#]]);
}

/// Something of everything, errors first.
fn ill() -> World {
    let world = World::with_email();
    world.ok("permission grant CanReset2FA --user alice --until 2026-01-01T00:00:10Z");
    world.later(60);
    world.sql("UPDATE user SET locked_until_at = 1767225900 WHERE login IN ('alice', 'bob')");
    world.sql("UPDATE setting SET mailbox = NULL, text = 'x' WHERE code = 'nothing'; DELETE FROM setting WHERE code = '2FAmailbox'");
    world.ok("setting set SecondFactorCodeTTL 3600");
    world
}

#[test]
fn findings_for_eyes() {
    ill().run("doctor").shows(str![[r#"
$ twofa doctor
? 20
--- stdout
error: Codes by email are enabled, and no mailbox sends them.
    twofa setting set 2FAmailbox trial

error: 2 users have no usable second factor and cannot log in: `alice`, `bob`.
    twofa method enable totp

warning: SecondFactorCodeTTL is 3600 seconds (1h): a code is valid longer than
  10 minutes.
    twofa setting set SecondFactorCodeTTL 600

warning: 2 users are locked now: `alice`, `bob`.
    twofa user unlock alice
    twofa user unlock bob

warning: 1 permission has run out: `CanReset2FA of alice`.
    twofa permission revoke CanReset2FA --user alice

2 errors and 3 warnings in 21 checks.
Not checked: senders (nobody is called without --online).

"#]]);
}

#[test]
fn findings_for_programs() {
    let world = ill();
    world.run("doctor -o json").shows(str![[r#"
$ twofa doctor -o json
? 20
--- stdout
{
  "healthy": false,
  "checks": [
    {
      "check": "integrity",
      "state": "ok",
      "why": null
    },
    {
      "check": "foreign_keys",
      "state": "ok",
      "why": null
    },
    {
      "check": "schema",
      "state": "ok",
      "why": null
    },
    {
      "check": "files",
      "state": "ok",
      "why": null
    },
    {
      "check": "key",
      "state": "ok",
      "why": null
    },
    {
      "check": "audit",
      "state": "ok",
      "why": null
    },
    {
      "check": "clock",
      "state": "ok",
      "why": null
    },
    {
      "check": "methods",
      "state": "found",
      "why": null
    },
    {
      "check": "second_factors",
      "state": "found",
      "why": null
    },
    {
      "check": "addresses",
      "state": "ok",
      "why": null
    },
    {
      "check": "phones",
      "state": "ok",
      "why": null
    },
    {
      "check": "apps",
      "state": "ok",
      "why": null
    },
    {
      "check": "idps",
      "state": "ok",
      "why": null
    },
    {
      "check": "settings",
      "state": "found",
      "why": null
    },
    {
      "check": "values",
      "state": "ok",
      "why": null
    },
    {
      "check": "secrets",
      "state": "ok",
      "why": null
    },
    {
      "check": "pending",
      "state": "ok",
      "why": null
    },
    {
      "check": "locks",
      "state": "found",
      "why": null
    },
    {
      "check": "grants",
      "state": "found",
      "why": null
    },
    {
      "check": "orphans",
      "state": "ok",
      "why": null
    },
    {
      "check": "administrators",
      "state": "ok",
      "why": null
    },
    {
      "check": "senders",
      "state": "not_checked",
      "why": "nobody is called without --online"
    }
  ],
  "findings": [
    {
      "check": "methods",
      "kind": "no_mailbox",
      "severity": "error",
      "message": "Codes by email are enabled, and no mailbox sends them.",
      "count": 1,
      "names": [],
      "mend": [
        "twofa setting set 2FAmailbox trial"
      ]
    },
    {
      "check": "second_factors",
      "kind": "no_second_factor",
      "severity": "error",
      "message": "2 users have no usable second factor and cannot log in: `alice`, `bob`.",
      "count": 2,
      "names": [
        "alice",
        "bob"
      ],
      "mend": [
        "twofa method enable totp"
      ]
    },
    {
      "check": "settings",
      "kind": "unwise",
      "severity": "warning",
      "message": "SecondFactorCodeTTL is 3600 seconds (1h): a code is valid longer than 10 minutes.",
      "count": 1,
      "names": [
        "SecondFactorCodeTTL"
      ],
      "mend": [
        "twofa setting set SecondFactorCodeTTL 600"
      ]
    },
    {
      "check": "locks",
      "kind": "locked",
      "severity": "warning",
      "message": "2 users are locked now: `alice`, `bob`.",
      "count": 2,
      "names": [
        "alice",
        "bob"
      ],
      "mend": [
        "twofa user unlock alice",
        "twofa user unlock bob"
      ]
    },
    {
      "check": "grants",
      "kind": "expired_grant",
      "severity": "warning",
      "message": "1 permission has run out: `CanReset2FA of alice`.",
      "count": 1,
      "names": [
        "CanReset2FA of alice"
      ],
      "mend": [
        "twofa permission revoke CanReset2FA --user alice"
      ]
    }
  ]
}

"#]]);
    world.run("doctor -o ndjson").shows(str![[r#"
$ twofa doctor -o ndjson
? 20
--- stdout
{"check":"methods","kind":"no_mailbox","severity":"error","message":"Codes by email are enabled, and no mailbox sends them.","count":1,"names":[],"mend":["twofa setting set 2FAmailbox trial"]}
{"check":"second_factors","kind":"no_second_factor","severity":"error","message":"2 users have no usable second factor and cannot log in: `alice`, `bob`.","count":2,"names":["alice","bob"],"mend":["twofa method enable totp"]}
{"check":"settings","kind":"unwise","severity":"warning","message":"SecondFactorCodeTTL is 3600 seconds (1h): a code is valid longer than 10 minutes.","count":1,"names":["SecondFactorCodeTTL"],"mend":["twofa setting set SecondFactorCodeTTL 600"]}
{"check":"locks","kind":"locked","severity":"warning","message":"2 users are locked now: `alice`, `bob`.","count":2,"names":["alice","bob"],"mend":["twofa user unlock alice","twofa user unlock bob"]}
{"check":"grants","kind":"expired_grant","severity":"warning","message":"1 permission has run out: `CanReset2FA of alice`.","count":1,"names":["CanReset2FA of alice"],"mend":["twofa permission revoke CanReset2FA --user alice"]}
--- stderr
2 errors and 3 warnings in 21 checks.
Not checked: senders (nobody is called without --online).

"#]]);
    world.run("doctor -o csv").shows(str![[r#"
$ twofa doctor -o csv
? 20
--- stdout
check,kind,severity,message,count,names,mend
methods,no_mailbox,error,"Codes by email are enabled, and no mailbox sends them.",1,,twofa setting set 2FAmailbox trial
second_factors,no_second_factor,error,"2 users have no usable second factor and cannot log in: `alice`, `bob`.",2,alice;bob,twofa method enable totp
settings,unwise,warning,SecondFactorCodeTTL is 3600 seconds (1h): a code is valid longer than 10 minutes.,1,SecondFactorCodeTTL,twofa setting set SecondFactorCodeTTL 600
locks,locked,warning,"2 users are locked now: `alice`, `bob`.",2,alice;bob,twofa user unlock alice;twofa user unlock bob
grants,expired_grant,warning,1 permission has run out: `CanReset2FA of alice`.,1,CanReset2FA of alice,twofa permission revoke CanReset2FA --user alice
--- stderr
2 errors and 3 warnings in 21 checks.
Not checked: senders (nobody is called without --online).

"#]]);
    world.run("doctor -o toml").exits(2);
}

/// A command that is printed reaches the store that was looked at.
#[test]
fn what_is_printed_can_be_pasted_where_the_store_was_named() {
    let world = ill();
    fs::rename(world.file("twofa.db"), world.file("other.db")).unwrap();
    fs::rename(world.file("twofa.db.key"), world.file("the key")).unwrap();
    let line = "--db other.db --key-file 'the key' doctor";
    let mend = finds_with(
        &world,
        line,
        "locked",
        str![[r#"
{
  "check": "locks",
  "kind": "locked",
  "severity": "warning",
  "message": "2 users are locked now: `alice`, `bob`.",
  "count": 2,
  "names": [
    "alice",
    "bob"
  ],
  "mend": [
    "twofa --db other.db --key-file 'the key' user unlock alice",
    "twofa --db other.db --key-file 'the key' user unlock bob"
  ]
}

"#]],
    );
    paste(&world, &mend, &[]);
    let found = report(&world, line);
    let checks = found["checks"].as_array().unwrap();
    let locks = checks.iter().find(|check| check["check"] == "locks");
    assert_eq!(locks.unwrap()["state"], "ok");
}

#[test]
fn no_key_and_another_key() {
    let world = World::with_email();
    let other = World::empty();
    other.ok("help events");
    other.ok("init");
    fs::copy(other.file("twofa.db.key"), world.file("other.key")).unwrap();
    world.run("doctor --key-file other.key").shows(str![[r#"
$ twofa doctor --key-file other.key
? 20
--- stdout
error: The key file `other.key` does not open this store: it lacks the key
  `374708ff`.
    mv other.key other.key.other && cp KEYFILE other.key && chmod 600 other.key

1 error in 18 checks.
Not checked: key, audit, secrets (the key file `other.key` does not open this
  store: it lacks the key `374708ff`).
Not checked: senders (nobody is called without --online).

"#]]);
    fs::remove_file(world.file("twofa.db.key")).unwrap();
    world.run("doctor").shows(str![[r#"
$ twofa doctor
? 20
--- stdout
error: The key file `twofa.db.key` is missing.
    cp KEYFILE twofa.db.key && chmod 600 twofa.db.key

1 error in 18 checks.
Not checked: key, audit, secrets (the key file `twofa.db.key` is missing).
Not checked: senders (nobody is called without --online).

"#]]);
}

#[test]
fn no_store_and_no_store_of_ours() {
    let world = World::empty();
    world.run("doctor -o json").shows(str![[r#"
$ twofa doctor -o json
? 1
--- stderr
error: there is no store at `twofa.db`
 hint: `twofa init` makes one; --db names another
{"error":{"kind":"store_missing","message":"there is no store at `twofa.db`","hint":"`twofa init` makes one; --db names another"}}

"#]]);
    world.write("twofa.db", &"garbage ".repeat(1_000));
    world.run("doctor").shows(str![[r#"
$ twofa doctor
? 1
--- stderr
error: `twofa.db` is not a twofa store
 hint: name another file with --db; this one was not touched

"#]]);
}

#[test]
fn who_may_not_is_refused() {
    let world = World::with_email();
    world.run("doctor --as alice").shows(str![[r#"
$ twofa doctor --as alice
? 5
--- stderr
error: `alice` lacks the operation `CanManageAdministration`, which `twofa doctor` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as

"#]]);
    world.ok("permission grant CanManageAdministration --user alice");
    world.ok("doctor --as alice");
}

/// Whatever it finds, the main file and the content of the log are as they were.
#[test]
fn nothing_is_written() {
    for world in [World::with_email(), ill()] {
        let _writer = world.writer();
        let before = world.bytes();
        let done = world.run("doctor --online").done();
        assert!(matches!(done.code, Some(0 | 20)), "{done:?}");
        assert!(before == world.bytes());
    }
}
