//! `twofa status`: how things stand, on one screen.

use serde_json::{Value, json};
use snapbox::str;

use crate::world::World;

#[test]
fn status_tells_the_next_step_at_each_stage() {
    let world = World::empty();
    world.run("status -o json").shows(str![[r#"
$ twofa status -o json
? 1
--- stderr
error: there is no store at `twofa.db`
 hint: `twofa init` makes one; --db names another
{"error":{"kind":"store_missing","message":"there is no store at `twofa.db`","hint":"`twofa init` makes one; --db names another"}}

"#]]);
    world.ok("init");
    world.run("status").shows(str![[r#"
$ twofa status
? 0
--- stdout
2FA is off. Nobody has a password to log in with.
1 user, 1 active.

Email              off       0 users could use it
SMS                off       0 users could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

AT                    EVENT          SUBJECT     OUTCOME  REASON
2026-01-01T00:00:00Z  store.created  Supervisor  ok       –

Next: `twofa user add LOGIN --email ADDRESS`.

"#]]);
    world.ok("user add alice --email alice@example.com");
    world.run("status -q").shows(str![[r#"
$ twofa status -q
? 0
--- stdout
2FA is off. Nobody has a password to log in with.
2 users, 2 active.

Email              off       1 user could use it
SMS                off       0 users could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

AT                    EVENT          SUBJECT     OUTCOME  REASON
2026-01-01T00:00:00Z  user.added     alice       ok       –
2026-01-01T00:00:00Z  store.created  Supervisor  ok       –

Next: `twofa method enable email --primary`.

"#]]);
    world.ok("method enable email --primary");
    world.run("status").shows(str![[r#"
$ twofa status
? 0
--- stdout
2FA is off. Nobody has a password to log in with.
2 users, 2 active.

Email              primary   2FAmailbox is not set
SMS                off       0 users could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

AT                    EVENT           SUBJECT     OUTCOME  REASON
2026-01-01T00:00:00Z  method.changed  email       ok       –
2026-01-01T00:00:00Z  user.added      alice       ok       –
2026-01-01T00:00:00Z  store.created   Supervisor  ok       –

Next: `twofa mailbox add NAME --smtp URL --tls starttls --from ADDRESS`.

"#]]);
    // Where there is no mailbox yet, one is made first.
    world.ok("mailbox add trial --file mail --from no-reply@example.com");
    world.run("status").shows(str![[r#"
$ twofa status
? 0
--- stdout
2FA is off. Nobody has a password to log in with.
2 users, 2 active.

Email              primary   2FAmailbox is not set
SMS                off       0 users could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

AT                    EVENT           SUBJECT     OUTCOME  REASON
2026-01-01T00:00:00Z  mailbox.added   trial       ok       –
2026-01-01T00:00:00Z  method.changed  email       ok       –
2026-01-01T00:00:00Z  user.added      alice       ok       –
2026-01-01T00:00:00Z  store.created   Supervisor  ok       –

Next: `twofa setting set 2FAmailbox NAME`.

"#]]);
    world.ok("setting set 2FAmailbox trial");
    world.run("status").shows(str![[r#"
$ twofa status
? 0
--- stdout
2FA is off. Nobody has a password to log in with.
2 users, 2 active.

Email              primary   1 user could use it
SMS                off       0 users could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

Codes by email leave through the mailbox `trial`.

AT                    EVENT            SUBJECT     OUTCOME  REASON
2026-01-01T00:00:00Z  setting.changed  2FAmailbox  ok       –
2026-01-01T00:00:00Z  mailbox.added    trial       ok       –
2026-01-01T00:00:00Z  method.changed   email       ok       –
2026-01-01T00:00:00Z  user.added       alice       ok       –
2026-01-01T00:00:00Z  store.created    Supervisor  ok       –

Next: `twofa setting set Enable2FA on`.

"#]]);
    world.ok("setting set Enable2FA on --yes");
    world.run("status").shows(str![[r#"
$ twofa status
? 0
--- stdout
2FA is on. Nobody has a password to log in with.
2 users, 2 active.

Email              primary   1 user could use it
SMS                off       0 users could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

Codes by email leave through the mailbox `trial`.

AT                    EVENT            SUBJECT     OUTCOME  REASON
2026-01-01T00:00:00Z  setting.changed  Enable2FA   ok       –
2026-01-01T00:00:00Z  setting.changed  2FAmailbox  ok       –
2026-01-01T00:00:00Z  mailbox.added    trial       ok       –
2026-01-01T00:00:00Z  method.changed   email       ok       –
2026-01-01T00:00:00Z  user.added       alice       ok       –

Next: `twofa password set LOGIN`.

"#]]);
    world.run("status -o ndjson").shows(str![[r#"
$ twofa status -o ndjson
? 0
--- stdout
{"store":"twofa.db","enabled":true,"users":2,"active":2,"locked":0,"locked_users":[],"coverage":{"users":0,"asked":0,"covered":0,"percent":100.0,"connects_app":0,"no_method":0,"sso":0,"no_identity_provider":0},"methods":[{"code":"email","name":"Email","enabled":true,"primary":true,"ready":1,"lacks":null},{"code":"sms","name":"SMS","enabled":false,"primary":false,"ready":0,"lacks":"SmsProvider is not set"},{"code":"totp","name":"Authenticator app","enabled":false,"primary":false,"ready":0,"lacks":null},{"code":"recovery-codes","name":"Recovery codes","enabled":false,"primary":false,"ready":0,"lacks":null}],"mailbox":"trial","sms_provider":null,"no_internal_passwords":false,"identity_providers":[],"default_sso":null,"overrides":0,"last_events":[{"seq":6,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"setting.changed","subject":"Enable2FA","outcome":"ok","reason":null,"note":null,"detail":{"value":{"old":false,"new":true}}},{"seq":5,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"setting.changed","subject":"2FAmailbox","outcome":"ok","reason":null,"note":null,"detail":{"value":{"old":null,"new":"trial"}}},{"seq":4,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"mailbox.added","subject":"trial","outcome":"ok","reason":null,"note":null,"detail":{"name":{"old":null,"new":"trial"},"kind":{"old":null,"new":"file"},"from":{"old":null,"new":"no-reply@example.com"},"path":{"old":null,"new":"[DIR]/mail"}}},{"seq":3,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"method.changed","subject":"email","outcome":"ok","reason":null,"note":null,"detail":{"enabled":{"old":false,"new":true},"primary":{"old":false,"new":true}}},{"seq":2,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.added","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"login":{"old":null,"new":"alice"},"email":{"old":null,"new":"alice@example.com"},"type":{"old":null,"new":"employee"},"language":{"old":null,"new":"en"}}}],"next":"twofa password set LOGIN","warnings":[]}

"#]]);
    world.run("status -o csv").exits(0);
}

#[test]
fn status_counts_the_locked_and_the_overridden() {
    let world = World::with_email();
    world.ok("user edit Supervisor --email supervisor@example.com");
    world.ok("user edit Supervisor --phone +4930123456 --override --reason 'phone is new'");
    world.ok("setting set SecondFactorAttemptCount 1");
    let login = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(18);
    world
        .run(&format!(
            "login verify {} --code 0",
            login["challenge"].as_str().unwrap()
        ))
        .exits(14);
    world.ok("user deactivate bob --yes");
    world.run("status").shows(str![[r#"
$ twofa status
? 0
--- stdout
2FA is on: 1 of 1 user is asked for a second factor.
1 of them (100.0%) has a usable method.
3 users, 2 active, 1 locked now: `alice`.

Email              primary   2 users could use it
SMS                off       1 user could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

Codes by email leave through the mailbox `trial`.
1 administrator action went unconfirmed by --override within the last seven days: `twofa audit list --event confirmation.skipped`.

AT                    EVENT             SUBJECT  OUTCOME  REASON
2026-01-01T00:00:00Z  user.deactivated  bob      ok       –
2026-01-01T00:00:00Z  login.denied      alice    denied   second_factor_wrong
2026-01-01T00:00:00Z  user.locked       alice    ok       second_factor_attempts
2026-01-01T00:00:00Z  login.code_sent   alice    ok       –
2026-01-01T00:00:00Z  login.started     alice    ok       –

Next: `twofa login simulate LOGIN`.

"#]]);
    world.later(7 * 86_400 + 1);
    world.run("status").shows(str![[r#"
$ twofa status
? 0
--- stdout
2FA is on: 1 of 1 user is asked for a second factor.
1 of them (100.0%) has a usable method.
3 users, 2 active.

Email              primary   2 users could use it
SMS                off       1 user could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

Codes by email leave through the mailbox `trial`.

AT                    EVENT             SUBJECT  OUTCOME  REASON
2026-01-01T00:00:00Z  user.deactivated  bob      ok       –
2026-01-01T00:00:00Z  login.denied      alice    denied   second_factor_wrong
2026-01-01T00:00:00Z  user.locked       alice    ok       second_factor_attempts
2026-01-01T00:00:00Z  login.code_sent   alice    ok       –
2026-01-01T00:00:00Z  login.started     alice    ok       –

Next: `twofa login simulate LOGIN`.

"#]]);
}

/// Locked users are for who manages users, events for who reads the audit log; the rest is for everybody who is known.
#[test]
fn each_sees_what_they_may() {
    let world = World::with_email();
    world.sql("UPDATE user SET locked_until_at = 1767226500 WHERE login = 'bob'");
    let seen = |world: &World| {
        let status = world.json("status --as alice");
        (
            status["locked_users"].clone(),
            status["last_events"].is_null(),
        )
    };
    assert_eq!(seen(&world), (Value::Null, true));
    world.ok("permission grant CanManageUsers --user alice");
    assert_eq!(seen(&world), (json!(["bob"]), true));
    world.ok("permission grant CanViewSysOperationAudit --user alice");
    assert_eq!(seen(&world), (json!(["bob"]), false));
    world.ok("permission revoke CanManageUsers --user alice --yes");
    world.ok("permission revoke CanViewSysOperationAudit --user alice --yes");
    world.run("status --as alice").shows(str![[r#"
$ twofa status --as alice
? 0
--- stdout
2FA is on: 2 of 2 users are asked for a second factor.
2 of them (100.0%) have a usable method.
3 users, 3 active, 1 locked now.

Email              primary   2 users could use it
SMS                off       0 users could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

Codes by email leave through the mailbox `trial`.

Next: `twofa login simulate LOGIN`.

"#]]);
}

/// Whoever could not log in comes before turning it on, and after.
#[test]
fn stranded_users_are_next() {
    let world = World::peopled();
    world.ok("method enable email --primary");
    world.ok("user edit bob --no-email");
    world.run("status").shows(str![[r#"
$ twofa status
? 0
--- stdout
2FA is off. Were it on, 2 of 2 users would be asked for a second factor.
1 of them (50.0%) has a usable method; 1 could not log in.
3 users, 3 active.

Email              primary   1 user could use it
SMS                off       0 users could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

Codes by email leave through the mailbox `trial`.

AT                    EVENT            SUBJECT     OUTCOME  REASON
2026-01-01T00:00:00Z  user.edited      bob         ok       –
2026-01-01T00:00:00Z  method.changed   email       ok       –
2026-01-01T00:00:00Z  setting.changed  2FAmailbox  ok       –
2026-01-01T00:00:00Z  mailbox.added    trial       ok       –
2026-01-01T00:00:00Z  user.added       bob         ok       –

Next: `twofa coverage`.

"#]]);
    world.ok("setting set Enable2FA on --yes --allow-lockout");
    world.run("status -o json").shows(str![[r#"
$ twofa status -o json
? 0
--- stdout
{
  "store": "twofa.db",
  "enabled": true,
  "users": 3,
  "active": 3,
  "locked": 0,
  "locked_users": [],
  "coverage": {
    "users": 2,
    "asked": 2,
    "covered": 1,
    "percent": 50.0,
    "connects_app": 0,
    "no_method": 1,
    "sso": 0,
    "no_identity_provider": 0
  },
  "methods": [
    {
      "code": "email",
      "name": "Email",
      "enabled": true,
      "primary": true,
      "ready": 1,
      "lacks": null
    },
    {
      "code": "sms",
      "name": "SMS",
      "enabled": false,
      "primary": false,
      "ready": 0,
      "lacks": "SmsProvider is not set"
    },
    {
      "code": "totp",
      "name": "Authenticator app",
      "enabled": false,
      "primary": false,
      "ready": 0,
      "lacks": null
    },
    {
      "code": "recovery-codes",
      "name": "Recovery codes",
      "enabled": false,
      "primary": false,
      "ready": 0,
      "lacks": null
    }
  ],
  "mailbox": "trial",
  "sms_provider": null,
  "no_internal_passwords": false,
  "identity_providers": [],
  "default_sso": null,
  "overrides": 0,
  "last_events": [
    {
      "seq": 8,
      "at": "2026-01-01T00:00:00Z",
      "actor": "Supervisor",
      "os_user": "[ACCOUNT]",
      "event": "setting.changed",
      "subject": "Enable2FA",
      "outcome": "ok",
      "reason": null,
      "note": null,
      "detail": {
        "value": {
          "old": false,
          "new": true
        }
      }
    },
    {
      "seq": 7,
      "at": "2026-01-01T00:00:00Z",
      "actor": "Supervisor",
      "os_user": "[ACCOUNT]",
      "event": "user.edited",
      "subject": "bob",
      "outcome": "ok",
      "reason": null,
      "note": null,
      "detail": {
        "email": {
          "old": "bob@example.com",
          "new": null
        }
      }
    },
    {
      "seq": 6,
      "at": "2026-01-01T00:00:00Z",
      "actor": "Supervisor",
      "os_user": "[ACCOUNT]",
      "event": "method.changed",
      "subject": "email",
      "outcome": "ok",
      "reason": null,
      "note": null,
      "detail": {
        "enabled": {
          "old": false,
          "new": true
        },
        "primary": {
          "old": false,
          "new": true
        }
      }
    },
    {
      "seq": 5,
      "at": "2026-01-01T00:00:00Z",
      "actor": "Supervisor",
      "os_user": "[ACCOUNT]",
      "event": "setting.changed",
      "subject": "2FAmailbox",
      "outcome": "ok",
      "reason": null,
      "note": null,
      "detail": {
        "value": {
          "old": null,
          "new": "trial"
        }
      }
    },
    {
      "seq": 4,
      "at": "2026-01-01T00:00:00Z",
      "actor": "Supervisor",
      "os_user": "[ACCOUNT]",
      "event": "mailbox.added",
      "subject": "trial",
      "outcome": "ok",
      "reason": null,
      "note": null,
      "detail": {
        "name": {
          "old": null,
          "new": "trial"
        },
        "kind": {
          "old": null,
          "new": "file"
        },
        "from": {
          "old": null,
          "new": "no-reply@example.com"
        },
        "path": {
          "old": null,
          "new": "[DIR]/mail"
        }
      }
    }
  ],
  "next": "twofa coverage",
  "warnings": []
}

"#]]);
    world.ok("method enable totp");
    assert_eq!(world.json("status")["next"], "twofa login simulate LOGIN");
}
