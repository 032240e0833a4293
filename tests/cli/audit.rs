//! `twofa audit`.

use snapbox::str;

use crate::world::World;

/// A store with a few events of a few minutes.
fn eventful() -> World {
    let world = World::with_email();
    world.later(600);
    world.ok("user edit alice --name 'Alice Adams' --reason 'she married'");
    world.later(600);
    world
        .run("login start alice --password-stdin")
        .stdin("wrong\n")
        .exits(10);
    world.later(600);
    world.run("user edit alice --no-email").exits(4);
    world.ok("user add carol --group 'System administrators'");
    world.ok("user deactivate bob --yes --as carol");
    world
}

#[test]
fn list_filters() {
    let world = eventful();
    world.run("audit list").shows(str![[r#"
$ twofa audit list
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT                 SUBJECT     OUTCOME  REASON
13   2026-01-01T00:30:00Z  carol       user.deactivated      bob         ok       –
12   2026-01-01T00:30:00Z  Supervisor  user.added            carol       ok       –
11   2026-01-01T00:30:00Z  Supervisor  confirmation.skipped  Supervisor  ok       no_usable_method
10   2026-01-01T00:30:00Z  Supervisor  change.refused        user edit   refused  lockout
9    2026-01-01T00:20:00Z  Supervisor  login.denied          alice       denied   wrong_password
8    2026-01-01T00:10:00Z  Supervisor  user.edited           alice       ok       –
7    2026-01-01T00:00:00Z  Supervisor  setting.changed       Enable2FA   ok       –
6    2026-01-01T00:00:00Z  Supervisor  method.changed        email       ok       –
5    2026-01-01T00:00:00Z  Supervisor  setting.changed       2FAmailbox  ok       –
4    2026-01-01T00:00:00Z  Supervisor  mailbox.added         trial       ok       –
3    2026-01-01T00:00:00Z  Supervisor  user.added            bob         ok       –
2    2026-01-01T00:00:00Z  Supervisor  user.added            alice       ok       –
1    2026-01-01T00:00:00Z  –           store.created         Supervisor  ok       –

"#]]);
    world.run("audit list --limit 3 -o json").shows(str![[r#"
$ twofa audit list --limit 3 -o json
? 0
--- stdout
[
  {"seq":13,"at":"2026-01-01T00:30:00Z","actor":"carol","os_user":"[ACCOUNT]","event":"user.deactivated","subject":"bob","outcome":"ok","reason":null,"note":null,"detail":{"active":{"old":true,"new":false}}},
  {"seq":12,"at":"2026-01-01T00:30:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.added","subject":"carol","outcome":"ok","reason":null,"note":null,"detail":{"login":{"old":null,"new":"carol"},"type":{"old":null,"new":"employee"},"language":{"old":null,"new":"en"},"groups":{"old":[],"new":["System administrators"]}}},
  {"seq":11,"at":"2026-01-01T00:30:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"confirmation.skipped","subject":"Supervisor","outcome":"ok","reason":"no_usable_method","note":null,"detail":{"command":"user add"}}
]

"#]]);
    // The account of the machine is the fourth column.
    let csv = world.ok("audit list --limit 1 -o csv").stdout;
    assert!(csv.starts_with("seq,at,actor,os_user,event,subject,outcome,reason,note,detail\n13,2026-01-01T00:30:00Z,carol,"), "{csv}");
    assert!(
        csv.ends_with(
            ",user.deactivated,bob,ok,,,\"{\"\"active\"\":{\"\"old\"\":true,\"\"new\"\":false}}\"\n"
        ),
        "{csv}"
    );
    world.run("audit list --event user.edited -o ndjson").shows(str![[r#"
$ twofa audit list --event user.edited -o ndjson
? 0
--- stdout
{"seq":8,"at":"2026-01-01T00:10:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.edited","subject":"alice","outcome":"ok","reason":null,"note":"she married","detail":{"name":{"old":"Alice","new":"Alice Adams"}}}

"#]]);
    world.run("audit list --since '15m ago'").shows(str![[r#"
$ twofa audit list --since 15m ago
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT                 SUBJECT     OUTCOME  REASON
13   2026-01-01T00:30:00Z  carol       user.deactivated      bob         ok       –
12   2026-01-01T00:30:00Z  Supervisor  user.added            carol       ok       –
11   2026-01-01T00:30:00Z  Supervisor  confirmation.skipped  Supervisor  ok       no_usable_method
10   2026-01-01T00:30:00Z  Supervisor  change.refused        user edit   refused  lockout
9    2026-01-01T00:20:00Z  Supervisor  login.denied          alice       denied   wrong_password
--- stderr
--since was understood as 2026-01-01T00:15:00Z.

"#]]);
    world
        .run("audit list --since 2026-01-01T00:10:00Z --until 2026-01-01T01:20:00+01:00")
        .shows(str![[r#"
$ twofa audit list --since 2026-01-01T00:10:00Z --until 2026-01-01T01:20:00+01:00
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT         SUBJECT  OUTCOME  REASON
9    2026-01-01T00:20:00Z  Supervisor  login.denied  alice    denied   wrong_password
8    2026-01-01T00:10:00Z  Supervisor  user.edited   alice    ok       –
--- stderr
--since was understood as 2026-01-01T00:10:00Z.
--until was understood as 2026-01-01T00:20:00Z.

"#]]);
    world
        .run("audit list --since 2026-01-02 -q -o json")
        .shows(str![[r#"
$ twofa audit list --since 2026-01-02 -q -o json
? 0
--- stdout
[]

"#]]);
    world.run("audit list --outcome refused").shows(str![[r#"
$ twofa audit list --outcome refused
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT           SUBJECT    OUTCOME  REASON
10   2026-01-01T00:30:00Z  Supervisor  change.refused  user edit  refused  lockout

"#]]);
    world.run("audit list --actor carol").shows(str![[r#"
$ twofa audit list --actor carol
? 0
--- stdout
SEQ  AT                    ACTOR  EVENT             SUBJECT  OUTCOME  REASON
13   2026-01-01T00:30:00Z  carol  user.deactivated  bob      ok       –

"#]]);
    world.run("audit list --user alice").shows(str![[r#"
$ twofa audit list --user alice
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT         SUBJECT  OUTCOME  REASON
9    2026-01-01T00:20:00Z  Supervisor  login.denied  alice    denied   wrong_password
8    2026-01-01T00:10:00Z  Supervisor  user.edited   alice    ok       –
2    2026-01-01T00:00:00Z  Supervisor  user.added    alice    ok       –

"#]]);
    world
        .run("audit list --event method --event setting")
        .shows(str![[r#"
$ twofa audit list --event method --event setting
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT            SUBJECT     OUTCOME  REASON
7    2026-01-01T00:00:00Z  Supervisor  setting.changed  Enable2FA   ok       –
6    2026-01-01T00:00:00Z  Supervisor  method.changed   email       ok       –
5    2026-01-01T00:00:00Z  Supervisor  setting.changed  2FAmailbox  ok       –

"#]]);
    world.run("audit list --limit 0 -o csv").shows(str![[r#"
$ twofa audit list --limit 0 -o csv
? 0
--- stdout
seq,at,actor,os_user,event,subject,outcome,reason,note,detail

"#]]);
}

#[test]
fn filters_that_mean_nothing() {
    let world = World::new();
    world.run("audit list --event user.remvoed").shows(str![[r#"
$ twofa audit list --event user.remvoed
? 3
--- stderr
error: no event is named `user.remvoed`
 hint: did you mean `user.removed`?

"#]]);
    world.run("audit list --event logins -o json").shows(str![[r#"
$ twofa audit list --event logins -o json
? 3
--- stderr
error: no event is named `logins`
 hint: `twofa help events` lists what there is
{"error":{"kind":"not_found","message":"no event is named `logins`","hint":"`twofa help events` lists what there is"}}

"#]]);
    world.run("audit list --event weather").shows(str![[r#"
$ twofa audit list --event weather
? 3
--- stderr
error: no event is named `weather`
 hint: `twofa help events` lists what there is

"#]]);
    world.run("audit list --outcome good").shows(str![[r#"
$ twofa audit list --outcome good
? 4
--- stderr
error: `good` is no outcome
 hint: it is ok, denied, refused or failed

"#]]);
    world.run("audit list --since yesterday").shows(str![[r#"
$ twofa audit list --since yesterday
? 4
--- stderr
error: `yesterday` is not a time
 hint: write 2026-01-31T12:00:00Z, 2026-01-31, `15m ago` or `in 7d`

"#]]);
    world
        .run("audit list --until '5 apples ago'")
        .shows(str![[r#"
$ twofa audit list --until 5 apples ago
? 4
--- stderr
error: `5 apples` is not a duration
 hint: write it as 90s, 5m, 1h30m or 7d

"#]]);
    world.run("audit list --user nobody").shows(str![[r#"
$ twofa audit list --user nobody
? 3
--- stderr
error: no user is named `nobody`
 hint: `twofa user list` lists what there is

"#]]);
    world.run("audit list --actor Supervisro").shows(str![[r#"
$ twofa audit list --actor Supervisro
? 3
--- stderr
error: no user is named `Supervisro`
 hint: did you mean `Supervisor`?

"#]]);
    world.run("audit list --limit some").exits(2);
}

#[test]
fn a_removed_user_is_still_found() {
    let world = World::new();
    world.ok("user add alice --group 'System administrators'");
    world.ok("user add bob --as alice");
    world.ok("user edit alice --login anna");
    world.ok("user edit bob --name Bob --as anna");
    world.ok("user remove anna --yes");
    world.run("audit list --actor alice").shows(str![[r#"
$ twofa audit list --actor alice
? 0
--- stdout
SEQ  AT                    ACTOR  EVENT        SUBJECT  OUTCOME  REASON
5    2026-01-01T00:00:00Z  anna   user.edited  bob      ok       –
3    2026-01-01T00:00:00Z  alice  user.added   bob      ok       –

"#]]);
    world.run("audit list --user anna").shows(str![[r#"
$ twofa audit list --user anna
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT         SUBJECT  OUTCOME  REASON
6    2026-01-01T00:00:00Z  Supervisor  user.removed  anna     ok       –
4    2026-01-01T00:00:00Z  Supervisor  user.edited   alice    ok       –
2    2026-01-01T00:00:00Z  Supervisor  user.added    alice    ok       –

"#]]);
}

#[test]
fn show() {
    let world = eventful();
    world.run("audit show 9 -o json").shows(str![[r#"
$ twofa audit show 9 -o json
? 0
--- stdout
{
  "seq": 9,
  "at": "2026-01-01T00:20:00Z",
  "actor": "Supervisor",
  "os_user": "[ACCOUNT]",
  "event": "login.denied",
  "subject": "alice",
  "outcome": "denied",
  "reason": "wrong_password",
  "note": null,
  "detail": null
}

"#]]);
    world.run("audit show 1 -o csv").exits(0);
    world.run("audit show 99").shows(str![[r#"
$ twofa audit show 99
? 3
--- stderr
error: the audit log has no row 99
 hint: `twofa audit list` shows the newest

"#]]);
    world.run("audit show 0").exits(3);
    world.run("audit show -- -1").exits(3);
    world.run("audit show nine").shows(str![[r#"
$ twofa audit show nine
? 2
--- stderr
error: invalid value 'nine' for '<SEQ>': invalid digit found in string

For more information, try '--help'.

"#]]);
}

#[test]
fn a_password_typed_as_login_is_not_kept() {
    let world = World::peopled();
    world
        .run("login start hunter2-hunter2 --password-stdin")
        .stdin("x\n")
        .exits(10);
    let done = world.run("audit list --limit 1 -o ndjson").succeeds();
    assert!(!done.stdout.contains("hunter2"), "{done:?}");
    assert!(
        done.stdout.contains("\"event\":\"login.denied\""),
        "{done:?}"
    );
}

#[test]
fn an_intact_log() {
    World::new().run("audit verify").shows(str![[r#"
$ twofa audit verify
? 0
--- stdout
intact     yes
rows       1
archived   0
head       1
first bad  –
damage     –
archives   –
--- stderr
The audit log is intact.

"#]]);
    let world = eventful();
    world.run("audit verify").shows(str![[r#"
$ twofa audit verify
? 0
--- stdout
intact     yes
rows       13
archived   0
head       13
first bad  –
damage     –
archives   –
--- stderr
The audit log is intact.

"#]]);
    world.run("audit verify -o json").shows(str![[r#"
$ twofa audit verify -o json
? 0
--- stdout
{
  "intact": true,
  "rows": 13,
  "archived": 0,
  "head": 13,
  "first_bad": null,
  "damage": null,
  "archives": []
}
--- stderr
The audit log is intact.

"#]]);
}

#[test]
fn every_tampering_is_found() {
    for (sql, seq, damage) in [
        (
            "UPDATE audit SET subject = 'eve' WHERE seq = 3",
            3,
            "edited",
        ),
        ("UPDATE audit SET at = at + 1 WHERE seq = 1", 1, "edited"),
        (
            "UPDATE audit SET note = 'because' WHERE seq = 4",
            4,
            "edited",
        ),
        (
            "UPDATE audit SET subject = CAST(x'ff41' AS TEXT) WHERE seq = 5",
            5,
            "edited",
        ),
        ("DELETE FROM audit WHERE seq = 2", 2, "deleted"),
        (
            "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
            13,
            "cut_tail",
        ),
        (
            "INSERT INTO audit SELECT seq + 1, at, actor, os_user, event, subject, user, earlier, outcome, reason, note, detail, digest, mac, \"key\" FROM audit WHERE seq = 13",
            14,
            "inserted",
        ),
        (
            "UPDATE audit_head SET seq = 12; DELETE FROM audit WHERE seq = 13",
            12,
            "head",
        ),
        ("DELETE FROM audit_head", 14, "head"),
    ] {
        let world = eventful();
        world.sql(sql);
        let found = world.run("audit verify -o json").json(20);
        // What was done to a row does not hide the others.
        world.run("audit list").exits(0);
        assert_eq!(
            (&found["intact"], &found["first_bad"], &found["damage"]),
            (&false.into(), &seq.into(), &damage.into()),
            "{sql}: {found}"
        );
    }
}

#[test]
fn tampering_is_said_and_nothing_is_chained_onto_a_forged_end() {
    let world = World::peopled();
    world.sql("UPDATE audit SET outcome = 'failed' WHERE seq = 2");
    world.run("audit verify").shows(str![[r#"
$ twofa audit verify
? 20
--- stdout
intact     no
rows       2
archived   0
head       5
first bad  2
damage     edited
archives   –
--- stderr
The audit log was tampered with: row 2 (edited).

"#]]);
    world.run("audit verify -o ndjson").shows(str![[r#"
$ twofa audit verify -o ndjson
? 20
--- stdout
{"intact":false,"rows":2,"archived":0,"head":5,"first_bad":2,"damage":"edited","archives":[]}
--- stderr
The audit log was tampered with: row 2 (edited).

"#]]);
    let world = World::peopled();
    world.sql("UPDATE audit_head SET seq = seq - 1; DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)");
    world.run("user edit alice --name Anna").shows(str![[r#"
$ twofa user edit alice --name Anna
? 1
--- stderr
error: the audit log's head does not prove itself: the store was changed by something else
 hint: `twofa audit verify` says where; restore a backup

"#]]);
    assert_eq!(world.json("user show alice")["name"], "Alice");
}

#[test]
fn a_log_without_its_key_is_not_judged() {
    let world = World::new();
    std::fs::remove_file(world.file("twofa.db.key")).unwrap();
    world.run("audit verify").shows(str![[r#"
$ twofa audit verify
? 1
--- stderr
error: the key file `twofa.db.key` is missing
 hint: put its copy back, or name it with --key-file; a new key cannot open what the old one sealed

"#]]);
    world.run("audit list -q -o csv").exits(0);
}

/// What changed is shown for eyes, too.
#[test]
fn show_tells_old_and_new() {
    let world = World::peopled();
    world.ok("setting set TotpIssuer Acme");
    let newest = world.number("SELECT max(seq) FROM audit");
    let shown = world.ok(&format!("audit show {newest}")).stdout;
    assert!(
        shown.contains(r#"detail   {"value":{"old":"twofa","new":"Acme"}}"#),
        "{shown}"
    );
}
