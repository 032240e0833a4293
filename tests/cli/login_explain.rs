//! `twofa login explain`: what a login would do, and why.

use serde_json::json;
use snapbox::str;

use crate::world::World;

#[test]
fn a_helpdesk_can_repeat_it() {
    let world = World::with_email();
    world.run("login explain ALICE").shows(str![[r#"
$ twofa login explain ALICE
? 0
--- stdout
alice is asked for a code, which is sent by Email to a***e@example.com.

RULE          BECAUSE                                                                   EFFECT
type          alice is an employee, and employees log in with a password.               continues
active        The account is active.                                                    continues
password      The password is taken to be typed right.                                  continues
lock          The account is not locked.                                                continues
channel       The login comes through the page for people.                              continues
must_change   Nobody asked for a new password.                                          continues
password_age  Passwords never expire.                                                   continues
enable_2fa    2FA is on.                                                                continues
can_use_2fa   Row 1 of CanUse2FA gives 2FA to the group All employees, where alice is.  continues
method        Email is usable: codes go to a***e@example.com.                           usable
method        SMS is not enabled.                                                       not_usable
method        Authenticator app is not enabled.                                         not_usable
method        Recovery codes are not enabled.                                           not_usable
order         Email is primary, so that it is asked for.                                second_factor_required
send_limit    No more than 30 codes are sent within an hour, and there is room.         continues
delivery      The code leaves through trial to a***e@example.com, and holds for 1m.     continues
tries         No wrong code so far; 5 more and the account is locked for 15m.           continues

What would change it:
  twofa method primary METHOD

"#]]);
    world.run("login explain bob --method sms").shows(str![[r#"
$ twofa login explain bob --method sms
? 0
--- stdout
bob is refused: SMS is not usable.

RULE          BECAUSE                                                                 EFFECT
type          bob is an employee, and employees log in with a password.               continues
active        The account is active.                                                  continues
password      The password is taken to be typed right.                                continues
lock          The account is not locked.                                              continues
channel       The login comes through the page for people.                            continues
must_change   Nobody asked for a new password.                                        continues
password_age  Passwords never expire.                                                 continues
enable_2fa    2FA is on.                                                              continues
can_use_2fa   Row 1 of CanUse2FA gives 2FA to the group All employees, where bob is.  continues
method        Email is usable: codes go to b***b@example.com.                         usable
method        SMS is not enabled.                                                     not_usable
method        Authenticator app is not enabled.                                       not_usable
method        Recovery codes are not enabled.                                         not_usable
order         The login wishes for SMS, which is not usable.                          denied

"#]]);
    world.ok("user deactivate bob --yes");
    world.run("login explain bob").shows(str![[r#"
$ twofa login explain bob
? 0
--- stdout
bob cannot log in: the account is deactivated.

RULE    BECAUSE                                                           EFFECT
type    bob is an employee, and employees log in with a password.         continues
active  The account is deactivated, and refuses every password as wrong.  denied

What would change it:
  twofa user activate bob

"#]]);
}

#[test]
fn the_document() {
    let world = World::peopled();
    world.run("login explain alice -o json").shows(str![[r#"
$ twofa login explain alice -o json
? 0
--- stdout
{
  "outcome": "granted",
  "reason": null,
  "user": "alice",
  "at": "2026-01-01T00:00:00Z",
  "channel": "web",
  "idp": null,
  "method": null,
  "methods": [],
  "summary": "alice logs in with the password alone.",
  "change_with": [
    "twofa setting set Enable2FA on"
  ],
  "steps": [
    {
      "rule": "type",
      "fact": "employee",
      "decided_by": "user type",
      "because": "alice is an employee, and employees log in with a password.",
      "effect": "continues",
      "change_with": null
    },
    {
      "rule": "active",
      "fact": true,
      "decided_by": "user active",
      "because": "The account is active.",
      "effect": "continues",
      "change_with": "twofa user deactivate alice"
    },
    {
      "rule": "password",
      "fact": {
        "set": true
      },
      "decided_by": "user password",
      "because": "The password is taken to be typed right.",
      "effect": "continues",
      "change_with": null
    },
    {
      "rule": "lock",
      "fact": {
        "locked_until": null,
        "locked": false
      },
      "decided_by": "user locked_until",
      "because": "The account is not locked.",
      "effect": "continues",
      "change_with": null
    },
    {
      "rule": "channel",
      "fact": {
        "channel": "web",
        "open": true,
        "enable_2fa": false
      },
      "decided_by": "setting Enable2FA",
      "because": "The login comes through the page for people.",
      "effect": "continues",
      "change_with": null
    },
    {
      "rule": "must_change",
      "fact": false,
      "decided_by": "user must_change",
      "because": "Nobody asked for a new password.",
      "effect": "continues",
      "change_with": null
    },
    {
      "rule": "password_age",
      "fact": {
        "changed_at": "2026-01-01T00:00:00Z",
        "max_age": 0,
        "expired": false
      },
      "decided_by": "setting MaxPasswordAge",
      "because": "Passwords never expire.",
      "effect": "continues",
      "change_with": "twofa setting set MaxPasswordAge DAYS"
    },
    {
      "rule": "enable_2fa",
      "fact": false,
      "decided_by": "setting Enable2FA",
      "because": "2FA is off, so that the password is enough.",
      "effect": "granted",
      "change_with": "twofa setting set Enable2FA on"
    }
  ]
}

"#]]);
    world.ok("method enable totp");
    world.ok("setting set Enable2FA on --yes");
    let told = world.json("login explain alice");
    assert_eq!(told["outcome"], "enrolment_required");
    assert_eq!(told["change_with"][0], "twofa method enable email");
    let rules: Vec<&str> = told["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["rule"].as_str().unwrap())
        .collect();
    assert_eq!(
        rules,
        [
            "type",
            "active",
            "password",
            "lock",
            "channel",
            "must_change",
            "password_age",
            "enable_2fa",
            "can_use_2fa",
            "method",
            "method",
            "method",
            "method",
            "connect"
        ]
    );
    world.run("login explain alice -o csv").exits(2);
}

/// A lock that is to end, a password that is to expire, a row that is to run out: at any moment, with the store as it is.
#[test]
fn at_another_moment() {
    let world = World::with_email();
    let outcome = |options: &str| {
        let told = world.json(&format!("login explain alice {options}"));
        let steps = told["steps"].as_array().unwrap();
        let last = |step: &&serde_json::Value| step["effect"] == told["outcome"];
        let because = steps.iter().find(last).unwrap()["because"].clone();
        (told["outcome"].clone(), because)
    };
    world.ok("setting set MaxPasswordAge 30");
    world.ok("permission deny CanUse2FA --user alice --position 1 --until 'in 2d'");
    world.sql("UPDATE user SET locked_until_at = 1767226500 WHERE login = 'alice'");
    assert_eq!(
        outcome(""),
        (
            json!("denied"),
            json!("The account is locked until 2026-01-01T00:15:00Z.")
        )
    );
    assert_eq!(
        outcome("--at 'in 1d'"),
        (
            json!("granted"),
            json!(
                "Row 1 of CanUse2FA takes 2FA from the user alice, so that the password is enough."
            )
        )
    );
    assert_eq!(
        outcome("--at 2026-01-03").0,
        json!("second_factor_required")
    );
    assert_eq!(
        outcome("--at 'in 30d'"),
        (
            json!("denied"),
            json!(
                "The password was set at 2026-01-01T00:00:00Z; 30 days old, it expired at 2026-01-31T00:00:00Z."
            )
        )
    );
    let said = world.ok("login explain alice --at 'in 30d'");
    assert_eq!(
        said.stderr,
        "--at was understood as 2026-01-31T00:00:00Z.\n"
    );
    assert!(
        said.stdout.starts_with(
            "At 2026-01-31T00:00:00Z: alice cannot log in: the password has expired.\n"
        )
    );
    world.run("login explain alice --at tomorrow").exits(4);
}

#[test]
fn under_a_policy_that_nobody_applied() {
    let world = World::with_email();
    world.write(
        "policy.toml",
        "version = 1\n[methods.email]\nenabled = false\n[methods.totp]\nprimary = true\n[users.carol]\n",
    );
    let before = world.bytes();
    world
        .run("login explain alice --policy policy.toml")
        .shows(str![[r#"
$ twofa login explain alice --policy policy.toml
? 0
--- stdout
With this policy: alice has to connect an authenticator app with this login.

RULE          BECAUSE                                                                                         EFFECT
type          alice is an employee, and employees log in with a password.                                     continues
active        The account is active.                                                                          continues
password      The password is taken to be typed right.                                                        continues
lock          The account is not locked.                                                                      continues
channel       The login comes through the page for people.                                                    continues
must_change   Nobody asked for a new password.                                                                continues
password_age  Passwords never expire.                                                                         continues
enable_2fa    2FA is on.                                                                                      continues
can_use_2fa   Row 1 of CanUse2FA gives 2FA to the group All employees, where alice is.                        continues
method        Email is not enabled.                                                                           not_usable
method        SMS is not enabled.                                                                             not_usable
method        Authenticator app is enabled, but alice has none connected.                                     not_usable
method        Recovery codes are not enabled.                                                                 not_usable
connect       No method is usable, but the authenticator app is enabled: alice connects one with this login.  enrolment_required

What would change it:
  twofa method enable email
  twofa authenticator connect alice

"#]]);
    let told = world.json("login explain carol --policy policy.toml");
    assert_eq!(told["summary"], "carol cannot log in: no password is set.");
    let from_input = world
        .run("login explain alice --policy - -o json")
        .stdin("version = 1\n[settings]\nEnable2FA = false\n")
        .json(0);
    assert_eq!(from_input["outcome"], "granted");
    world.run("login explain carol").exits(3);
    world.write("policy.toml", "version = 1\n[methods.emial]\n");
    let error = world
        .run("login explain alice --policy policy.toml -o json")
        .exits(3)
        .error();
    assert_eq!(error["line"], 2);
    assert_eq!(world.bytes(), before);
    // What is as it was already is the store itself.
    world.write("policy.toml", "version = 1\n");
    assert_eq!(
        world.json("login explain alice --policy policy.toml")["method"],
        "email"
    );
}

#[test]
fn who_may_ask() {
    let world = World::with_email();
    world.ok("login explain alice --as alice");
    let denied = world.run("login explain bob --as alice -o json").exits(5);
    assert_eq!(denied.error()["operation"], "CanReset2FA");
    let unknown = world.run("login explain nobody --as alice").exits(5);
    assert!(!unknown.stderr.contains("did you mean"));
    world.ok("permission grant CanReset2FA --user alice");
    world.ok("login explain bob --as alice");
    world.run("login explain bbo --as alice").shows(str![[r#"
$ twofa login explain bbo --as alice
? 3
--- stderr
error: no user is named `bbo`
 hint: did you mean `bob`?

"#]]);
    // A policy tells what else there is.
    world.write("policy.toml", "version = 1\n");
    let denied = world
        .run("login explain bob --policy policy.toml --as alice -o json")
        .exits(5);
    assert_eq!(denied.error()["operation"], "CanManageAdministration");
}

/// What is explained is what happens, and nothing of it is written before.
#[test]
fn nothing_is_touched() {
    let world = World::with_email();
    world.ok("setting set SecondFactorSendLimit 1");
    let before = world.bytes();
    let told = world.json("login explain alice");
    world.run("login explain alice --at 'in 365d'").exits(0);
    assert_eq!(world.bytes(), before);
    let start = |world: &World, exit| {
        world
            .run("login start alice --password-stdin -o json")
            .stdin("alice-pw\n")
            .exits(exit)
    };
    let verdict: serde_json::Value = serde_json::from_str(&start(&world, 18).stdout).unwrap();
    for key in ["outcome", "reason", "user", "method", "methods"] {
        assert_eq!(told[key], verdict[key], "{key}");
    }
    let told = world.json("login explain alice");
    assert_eq!(
        (&told["outcome"], &told["reason"]),
        (&json!("denied"), &json!("send_limit"))
    );
    assert_eq!(start(&world, 4).error()["kind"], "send_limit");
    world.run("login explain alice").shows(str![[r#"
$ twofa login explain alice
? 0
--- stdout
alice cannot log in now: 1 code was sent to this user within the hour.

RULE          BECAUSE                                                                   EFFECT
type          alice is an employee, and employees log in with a password.               continues
active        The account is active.                                                    continues
password      The password is taken to be typed right.                                  continues
lock          The account is not locked.                                                continues
channel       The login comes through the page for people.                              continues
must_change   Nobody asked for a new password.                                          continues
password_age  Passwords never expire.                                                   continues
enable_2fa    2FA is on.                                                                continues
can_use_2fa   Row 1 of CanUse2FA gives 2FA to the group All employees, where alice is.  continues
method        Email is usable: codes go to a***e@example.com.                           usable
method        SMS is not enabled.                                                       not_usable
method        Authenticator app is not enabled.                                         not_usable
method        Recovery codes are not enabled.                                           not_usable
order         Email is primary, so that it is asked for.                                continues
send_limit    No code leaves now: 1 code was sent to this user within the hour.         denied

What would change it:
  twofa setting set SecondFactorSendLimit NUMBER

"#]]);
}
