//! `twofa permission grant|deny|move|revoke`.

use snapbox::str;

use crate::world::World;

#[test]
fn rows_come_move_change_and_go() {
    let world = World::peopled();
    world.ok("group add Helpdesk");
    world
        .run("permission grant CanReset2FA --group helpdesk -o json")
        .shows(str![[r#"
$ twofa permission grant CanReset2FA --group helpdesk -o json
? 0
--- stdout
{
  "code": "CanReset2FA",
  "name": "Can disconnect 2FA authenticator app",
  "grantees": [
    {
      "position": 1,
      "group": "System administrators",
      "access": "allow",
      "until": null,
      "expired": false
    },
    {
      "position": 2,
      "group": "Helpdesk",
      "access": "allow",
      "until": null,
      "expired": false
    }
  ],
  "opens": [
    "authenticator show",
    "authenticator disconnect",
    "recovery-codes generate",
    "recovery-codes show",
    "login explain"
  ],
  "changed": true,
  "warnings": []
}
--- stderr
The list of `CanReset2FA` was changed.

"#]]);
    world
        .run("permission grant canreset2fa --group Helpdesk")
        .shows(str![[r#"
$ twofa permission grant canreset2fa --group Helpdesk
? 0
--- stdout
CanReset2FA: Can disconnect 2FA authenticator app

POSITION  GRANTEE                IS     ACCESS  UNTIL  EXPIRED
1         System administrators  group  allow   –      no
2         Helpdesk               group  allow   –      no
--- stderr
The list of `CanReset2FA` is like that already.

"#]]);
    world
        .run("permission deny CanReset2FA --user bob@example.com --position 1 --until 2026-02-01")
        .shows(str![[r#"
$ twofa permission deny CanReset2FA --user bob@example.com --position 1 --until 2026-02-01
? 0
--- stdout
CanReset2FA: Can disconnect 2FA authenticator app

POSITION  GRANTEE                IS     ACCESS  UNTIL                 EXPIRED
1         bob                    user   deny    2026-02-01T00:00:00Z  no
2         System administrators  group  allow   –                     no
3         Helpdesk               group  allow   –                     no
--- stderr
The list of `CanReset2FA` was changed.
--until was understood as 2026-02-01T00:00:00Z.

"#]]);
    // What stands there changes in place; without --until it stands for good.
    world
        .run("permission grant CanReset2FA --user bob")
        .shows(str![[r#"
$ twofa permission grant CanReset2FA --user bob
? 0
--- stdout
CanReset2FA: Can disconnect 2FA authenticator app

POSITION  GRANTEE                IS     ACCESS  UNTIL  EXPIRED
1         bob                    user   allow   –      no
2         System administrators  group  allow   –      no
3         Helpdesk               group  allow   –      no
--- stderr
The list of `CanReset2FA` was changed.
The row no longer runs out.

"#]]);
    world
        .run("permission move CanReset2FA --user bob --position 3")
        .shows(str![[r#"
$ twofa permission move CanReset2FA --user bob --position 3
? 0
--- stdout
CanReset2FA: Can disconnect 2FA authenticator app

POSITION  GRANTEE                IS     ACCESS  UNTIL  EXPIRED
1         System administrators  group  allow   –      no
2         Helpdesk               group  allow   –      no
3         bob                    user   allow   –      no
--- stderr
The list of `CanReset2FA` was changed.

"#]]);
    world
        .run("permission move CanReset2FA --user bob --position 3 -o json")
        .shows(str![[r#"
$ twofa permission move CanReset2FA --user bob --position 3 -o json
? 0
--- stdout
{
  "code": "CanReset2FA",
  "name": "Can disconnect 2FA authenticator app",
  "grantees": [
    {
      "position": 1,
      "group": "System administrators",
      "access": "allow",
      "until": null,
      "expired": false
    },
    {
      "position": 2,
      "group": "Helpdesk",
      "access": "allow",
      "until": null,
      "expired": false
    },
    {
      "position": 3,
      "user": "bob",
      "access": "allow",
      "until": null,
      "expired": false
    }
  ],
  "opens": [
    "authenticator show",
    "authenticator disconnect",
    "recovery-codes generate",
    "recovery-codes show",
    "login explain"
  ],
  "changed": false,
  "warnings": []
}
--- stderr
The list of `CanReset2FA` is like that already.

"#]]);
    world
        .run("permission revoke CanReset2FA --group Helpdesk")
        .shows(str![[r#"
$ twofa permission revoke CanReset2FA --group Helpdesk
? 2
--- stderr
error: are you sure? Row 2 of `CanReset2FA` goes: allow for the group `Helpdesk`.
 hint: say yes with --yes

"#]]);
    world
        .run("permission revoke CanReset2FA --group Helpdesk --yes")
        .shows(str![[r#"
$ twofa permission revoke CanReset2FA --group Helpdesk --yes
? 0
--- stdout
CanReset2FA: Can disconnect 2FA authenticator app

POSITION  GRANTEE                IS     ACCESS  UNTIL  EXPIRED
1         System administrators  group  allow   –      no
2         bob                    user   allow   –      no
--- stderr
Off the list of `CanReset2FA`.

"#]]);
    world
        .run("permission revoke CanReset2FA --group Helpdesk -o json")
        .shows(str![[r#"
$ twofa permission revoke CanReset2FA --group Helpdesk -o json
? 0
--- stdout
{
  "code": "CanReset2FA",
  "name": "Can disconnect 2FA authenticator app",
  "grantees": [
    {
      "position": 1,
      "group": "System administrators",
      "access": "allow",
      "until": null,
      "expired": false
    },
    {
      "position": 2,
      "user": "bob",
      "access": "allow",
      "until": null,
      "expired": false
    }
  ],
  "opens": [
    "authenticator show",
    "authenticator disconnect",
    "recovery-codes generate",
    "recovery-codes show",
    "login explain"
  ],
  "changed": false,
  "warnings": []
}
--- stderr
Not on the list of `CanReset2FA`.

"#]]);
    world
        .run("permission move CanReset2FA --group Helpdesk --position 1")
        .shows(str![[r#"
$ twofa permission move CanReset2FA --group Helpdesk --position 1
? 3
--- stderr
error: no row of `CanReset2FA` names the group `Helpdesk`
 hint: `twofa permission show CanReset2FA` lists its rows

"#]]);
    world
        .run("permission grant CanReset2FA --group Helpdesk --position 4")
        .shows(str![[r#"
$ twofa permission grant CanReset2FA --group Helpdesk --position 4
? 4
--- stderr
error: 4 is no position in the list of `CanReset2FA`
 hint: it is from 1 to 3

"#]]);
    world
        .run("permission grant CanReset2FA --group Helpdesk --position -1")
        .shows(str![[r#"
$ twofa permission grant CanReset2FA --group Helpdesk --position -1
? 4
--- stderr
error: -1 is no position in the list of `CanReset2FA`
 hint: it is from 1 to 3

"#]]);
    world
        .run("permission grant CanReset2FA --group Helpdesk --until '1d ago'")
        .shows(str![[r#"
$ twofa permission grant CanReset2FA --group Helpdesk --until 1d ago
? 4
--- stderr
error: 2025-12-31T00:00:00Z has passed, and the row would never match
 hint: write a time to come: 2026-12-31T12:00:00Z, 2026-12-31 (its first second, UTC) or `in 7d`

"#]]);
    world
        .run("permission grant CanReset2FA --group Helpdesc")
        .shows(str![[r#"
$ twofa permission grant CanReset2FA --group Helpdesc
? 3
--- stderr
error: no group is named `Helpdesc`
 hint: did you mean `Helpdesk`?

"#]]);
    world.run("permission grant CanReset2FA").shows(str![[r#"
$ twofa permission grant CanReset2FA
? 2
--- stderr
error: the following required arguments were not provided:
  <--user <LOGIN>|--group <GROUP>>

Usage: twofa permission grant --db <FILE> <--user <LOGIN>|--group <GROUP>> <OPERATION>

For more information, try '--help'.

"#]]);
    world
        .run("permission grant CanReset2FA --group Helpdesk --user bob")
        .shows(str![[r#"
$ twofa permission grant CanReset2FA --group Helpdesk --user bob
? 2
--- stderr
error: the argument '--group <GROUP>' cannot be used with '--user <LOGIN>'

Usage: twofa permission grant --db <FILE> <--user <LOGIN>|--group <GROUP>> <OPERATION>

For more information, try '--help'.

"#]]);
    world
        .run("audit list --event permission -o ndjson")
        .shows(str![[r#"
$ twofa audit list --event permission -o ndjson
? 0
--- stdout
{"seq":11,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"permission.changed","subject":"CanReset2FA","outcome":"ok","reason":null,"note":null,"detail":{"group":{"old":"Helpdesk","new":"Helpdesk"},"position":{"old":2,"new":null},"access":{"old":"allow","new":null}}}
{"seq":10,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"permission.changed","subject":"CanReset2FA","outcome":"ok","reason":null,"note":null,"detail":{"user":{"old":"bob","new":"bob"},"position":{"old":1,"new":3}}}
{"seq":9,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"permission.changed","subject":"CanReset2FA","outcome":"ok","reason":null,"note":null,"detail":{"user":{"old":"bob","new":"bob"},"access":{"old":"deny","new":"allow"},"until":{"old":"2026-02-01T00:00:00Z","new":null}}}
{"seq":8,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"permission.changed","subject":"CanReset2FA","outcome":"ok","reason":null,"note":null,"detail":{"user":{"old":"bob","new":"bob"},"position":{"old":null,"new":1},"access":{"old":null,"new":"deny"},"until":{"old":null,"new":"2026-02-01T00:00:00Z"}}}
{"seq":7,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"permission.changed","subject":"CanReset2FA","outcome":"ok","reason":null,"note":null,"detail":{"group":{"old":"Helpdesk","new":"Helpdesk"},"position":{"old":null,"new":2},"access":{"old":null,"new":"allow"}}}

"#]]);
    // A user who goes leaves no gap.
    world.ok("permission grant CanReset2FA --user alice --position 1");
    world.ok("user remove alice --yes");
    let positions = world.text("SELECT group_concat(position) FROM (SELECT position FROM grantee WHERE operation = 'CanReset2FA' ORDER BY position)");
    assert_eq!(positions, "1,2");
}

/// A row that others above it keep from deciding is worth a word.
#[test]
fn a_row_that_does_nothing_warns() {
    let world = World::peopled();
    world.ok("group add Staff");
    let warning = |line: &str| {
        let warnings = world.json(line)["warnings"].clone();
        warnings[0]["message"].as_str().map(str::to_owned)
    };
    assert_eq!(
        warning("permission deny CanUse2FA --user alice").as_deref(),
        Some("row 1 decides for `alice` before this one.")
    );
    assert_eq!(
        warning("permission deny CanUse2FA --group Staff").as_deref(),
        Some("whoever of `Staff` a row above names is decided for there: row 1, 2.")
    );
    assert_eq!(
        warning("permission deny CanUse2FA --user alice --position 1"),
        None
    );
    assert_eq!(
        warning("permission move CanUse2FA --group Staff --position 2").as_deref(),
        None,
        "a row above it that denies as well"
    );
    assert_eq!(warning("permission grant CanReset2FA --group Staff"), None);
}

/// What is so already is so, whatever time it is.
#[test]
fn again_is_fine_when_its_time_has_passed() {
    let world = World::peopled();
    let line = "permission deny CanReset2FA --user alice --until 2026-01-02";
    assert_eq!(world.json(line)["changed"], true);
    world.later(2 * 86_400);
    assert_eq!(world.json(line)["changed"], false);
    world
        .run("permission deny CanReset2FA --user bob --until 2026-01-02")
        .exits(4);
}
