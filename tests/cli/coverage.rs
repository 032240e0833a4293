//! `twofa coverage`: who would be asked for what, before and after.

use serde_json::{Value, json};
use snapbox::str;

use crate::world::World;

/// A store of all sorts: an administrator without anything, people with an address, a phone, an app, codes, and without.
fn sorts() -> World {
    let world = World::peopled();
    world.ok("sms-provider add text --file sms");
    world.ok("setting set SmsProvider text");
    for (login, options) in [
        ("carol", "--phone +493012345671"),
        ("dan", ""),
        ("Erin Doe", "--type external"),
        ("frank", "--email frank@example.com"),
        ("robot", "--type technical"),
    ] {
        world
            .run(&format!("user add '{login}' {options}"))
            .succeeds();
    }
    world.ok("group add Staff");
    world.ok("group add-member Staff --user alice --user carol --user dan");
    world.ok("method enable email --primary");
    world.ok("method enable sms");
    for login in ["carol", "dan", "'Erin Doe'", "Supervisor"] {
        world
            .run(&format!("password set {login} --password-stdin"))
            .stdin("some-pw\n")
            .succeeds();
    }
    world
}

fn row<'a>(found: &'a Value, name: &str) -> &'a Value {
    let rows = found["rows"].as_array().unwrap();
    rows.iter().find(|row| row["row"] == name).unwrap()
}

#[test]
fn before_the_switch_is_flipped() {
    let world = sorts();
    let before = world.bytes();
    world.run("coverage").shows(str![[r#"
$ twofa coverage
? 0
--- stdout
2FA is off. Were it on, 6 of 6 users would be asked for a second factor.
3 of them (50.0%) have a usable method; 3 could not log in.

Email                        2   33.3%
SMS                          1   16.6%
Authenticator app            0    0.0%
Recovery codes               0    0.0%
Connect an app first         0    0.0%
No usable method             3   50.0%

WHO                    USERS  ADMINISTRATORS  NAMES
No usable method       3      1               Supervisor, dan, Erin Doe
Fall back from Email   1      0               carol
No recovery codes      6      1               Supervisor, alice, bob, carol, dan, Erin Doe
No password, no login  1      0               frank
--- stderr
Next: `twofa login explain Supervisor`.

"#]]);
    world.run("coverage -o json").shows(str![[r#"
$ twofa coverage -o json
? 0
--- stdout
{
  "enabled": false,
  "at": "2026-01-01T00:00:00Z",
  "group": null,
  "primary": "email",
  "users": 6,
  "asked": 6,
  "covered": 3,
  "percent": 50.0,
  "connects_app": 0,
  "no_method": 3,
  "sso": 0,
  "no_identity_provider": 0,
  "rows": [
    {
      "row": "email",
      "name": "Email",
      "count": 2,
      "percent": 33.3,
      "administrators": 0,
      "users": null,
      "left_out": 0
    },
    {
      "row": "sms",
      "name": "SMS",
      "count": 1,
      "percent": 16.6,
      "administrators": 0,
      "users": null,
      "left_out": 0
    },
    {
      "row": "totp",
      "name": "Authenticator app",
      "count": 0,
      "percent": 0.0,
      "administrators": 0,
      "users": null,
      "left_out": 0
    },
    {
      "row": "recovery-codes",
      "name": "Recovery codes",
      "count": 0,
      "percent": 0.0,
      "administrators": 0,
      "users": null,
      "left_out": 0
    },
    {
      "row": "connects_app",
      "name": "Connect an app first",
      "count": 0,
      "percent": 0.0,
      "administrators": 0,
      "users": [],
      "left_out": 0
    },
    {
      "row": "no_method",
      "name": "No usable method",
      "count": 3,
      "percent": 50.0,
      "administrators": 1,
      "users": [
        "Supervisor",
        "dan",
        "Erin Doe"
      ],
      "left_out": 0
    },
    {
      "row": "falls_back",
      "name": "Fall back from the primary method",
      "count": 1,
      "percent": 16.6,
      "administrators": 0,
      "users": [
        "carol"
      ],
      "left_out": 0
    },
    {
      "row": "no_recovery_codes",
      "name": "No recovery codes",
      "count": 6,
      "percent": 100.0,
      "administrators": 1,
      "users": [
        "Supervisor",
        "alice",
        "bob",
        "carol",
        "dan",
        "Erin Doe"
      ],
      "left_out": 0
    },
    {
      "row": "password_only",
      "name": "Not asked, the password is enough",
      "count": 0,
      "percent": null,
      "administrators": 0,
      "users": [],
      "left_out": 0
    },
    {
      "row": "sso",
      "name": "Through an identity provider",
      "count": 0,
      "percent": null,
      "administrators": 0,
      "users": [],
      "left_out": 0
    },
    {
      "row": "no_identity_provider",
      "name": "No identity provider takes them",
      "count": 0,
      "percent": null,
      "administrators": 0,
      "users": [],
      "left_out": 0
    },
    {
      "row": "held_up",
      "name": "Locked, or a new password is due",
      "count": 0,
      "percent": null,
      "administrators": 0,
      "users": [],
      "left_out": 0
    },
    {
      "row": "no_password",
      "name": "No password, no login",
      "count": 1,
      "percent": null,
      "administrators": 0,
      "users": [
        "frank"
      ],
      "left_out": 0
    }
  ]
}
--- stderr
Next: `twofa login explain Supervisor`.

"#]]);
    world.run("coverage -o csv").shows(str![[r#"
$ twofa coverage -o csv
? 0
--- stdout
row,name,count,percent,administrators,users,left_out
email,Email,2,33.3,0,,0
sms,SMS,1,16.6,0,,0
totp,Authenticator app,0,0.0,0,,0
recovery-codes,Recovery codes,0,0.0,0,,0
connects_app,Connect an app first,0,0.0,0,,0
no_method,No usable method,3,50.0,1,Supervisor;dan;Erin Doe,0
falls_back,Fall back from the primary method,1,16.6,0,carol,0
no_recovery_codes,No recovery codes,6,100.0,1,Supervisor;alice;bob;carol;dan;Erin Doe,0
password_only,"Not asked, the password is enough",0,,0,,0
sso,Through an identity provider,0,,0,,0
no_identity_provider,No identity provider takes them,0,,0,,0
held_up,"Locked, or a new password is due",0,,0,,0
no_password,"No password, no login",1,,0,frank,0
--- stderr
Next: `twofa login explain Supervisor`.

"#]]);
    assert_eq!(world.bytes(), before);
}

#[test]
fn after_it_was() {
    let world = sorts();
    world.ok("setting set Enable2FA on --yes --allow-lockout");
    world.connect("dan");
    world.ok("method enable totp");
    world.ok("method enable recovery-codes");
    world.ok("recovery-codes generate alice");
    world.ok("permission deny CanUse2FA --user carol --position 1");
    world.run("coverage").shows(str![[r#"
$ twofa coverage
? 0
--- stdout
2FA is on: 5 of 6 users are asked for a second factor.
3 of them (60.0%) have a usable method; 2 would connect an app first.

Email                        2   40.0%
SMS                          0    0.0%
Authenticator app            1   20.0%
Recovery codes               0    0.0%
Connect an app first         2   40.0%
No usable method             0    0.0%

WHO                                USERS  ADMINISTRATORS  NAMES
Connect an app first               2      1               Supervisor, Erin Doe
Fall back from Email               1      0               dan
No recovery codes                  4      1               Supervisor, bob, dan, Erin Doe
Not asked, the password is enough  1      0               carol
No password, no login              1      0               frank

"#]]);
    let line = world.ok("coverage -o ndjson").stdout;
    assert_eq!(line.lines().count(), 1);
    let found: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(found, world.json("coverage"));
}

#[test]
fn of_a_group_and_with_every_name() {
    let world = sorts();
    let found = world.json("coverage --group staff");
    assert_eq!(
        (&found["group"], &found["users"], &found["covered"]),
        (&json!("Staff"), &json!(3), &json!(2))
    );
    assert_eq!(row(&found, "no_method")["users"], json!(["dan"]));
    // Groups within it count.
    world.ok("group add Inner");
    world.ok("group add-member Staff --group Inner");
    world.ok("group add-member Inner --user bob");
    assert_eq!(world.json("coverage --group Staff")["users"], 4);
    let found = world.json("coverage --group 'All external users'");
    assert_eq!(found["users"], 1);
    world.run("coverage --group Stff").shows(str![[r#"
$ twofa coverage --group Stff
? 3
--- stderr
error: no group is named `Stff`
 hint: did you mean `Staff`?

"#]]);
    // Ten names, or all of them; administrators first.
    for number in 10..25 {
        let login = format!("u{number}");
        world.ok(&format!("user add {login}"));
        world.sql(&format!(
            "UPDATE user SET password_hash = (SELECT password_hash FROM user WHERE login = 'alice') WHERE login = '{login}'"
        ));
    }
    let users = |options: &str| {
        let found = world.json(&format!("coverage {options}"));
        let names = row(&found, "no_method")["users"].clone();
        assert_eq!(row(&found, "no_method")["count"], 18);
        names.as_array().unwrap().clone()
    };
    let (some, all) = (users(""), users("--all"));
    assert_eq!((some.len(), all.len()), (10, 18));
    assert_eq!(
        (&some[0], &all[0]),
        (&json!("Supervisor"), &json!("Supervisor"))
    );
    let shown = world.ok("coverage").stdout;
    assert!(shown.contains("and 8 more"), "{shown}");
    assert!(!world.ok("coverage --all").stdout.contains(" more"));
}

#[test]
fn under_a_share() {
    let world = sorts();
    // Three of six have a usable method.
    world.run("coverage --fail-under 50% -o csv").exits(0);
    let short = world.run("coverage --fail-under 50.01%").exits(20);
    assert_eq!(
        short.stderr,
        "The coverage is 50.0%, which is under 50.01%.\nNext: `twofa login explain Supervisor`.\n"
    );
    world.run("coverage --fail-under 99% -q -o json").exits(20);
    world
        .run("coverage --fail-under most -o json")
        .shows(str![[r#"
$ twofa coverage --fail-under most -o json
? 2
--- stderr
error: `most` is not a share
 hint: write it as 99% or 99.5%, from 0% to 100%
{"error":{"kind":"usage","message":"`most` is not a share","hint":"write it as 99% or 99.5%, from 0% to 100%"}}

"#]]);
    world.run("coverage --fail-under").exits(2);
    // Of nobody, nobody is missing.
    world.ok("group add Nobody");
    world
        .run("coverage --group Nobody --fail-under 100")
        .shows(str![[r#"
$ twofa coverage --group Nobody --fail-under 100
? 0
--- stdout
2FA is off. Nobody in `Nobody` has a password to log in with.

"#]]);
}

#[test]
fn as_a_policy_would_make_it_and_at_another_time() {
    let world = sorts();
    world.write(
        "policy.toml",
        "version = 1\n[settings]\nEnable2FA = true\n[methods.totp]\nprimary = true\n[methods.email]\nenabled = false\n",
    );
    let before = world.bytes();
    world
        .run("coverage --policy policy.toml --fail-under 20%")
        .shows(str![[r#"
$ twofa coverage --policy policy.toml --fail-under 20%
? 20
--- stdout
With this policy: 2FA is on: 6 of 6 users are asked for a second factor.
1 of them (16.6%) has a usable method; 5 would connect an app first.

Email                        0    0.0%
SMS                          1   16.6%
Authenticator app            0    0.0%
Recovery codes               0    0.0%
Connect an app first         5   83.3%
No usable method             0    0.0%

WHO                               USERS  ADMINISTRATORS  NAMES
Connect an app first              5      1               Supervisor, alice, bob, dan, Erin Doe
Fall back from Authenticator app  1      0               carol
No recovery codes                 6      1               Supervisor, alice, bob, carol, dan, Erin Doe
No password, no login             1      0               frank
--- stderr
The coverage is 16.6%, which is under 20%.

"#]]);
    let found = world
        .run("coverage --policy - -o json")
        .stdin("version = 1\n[methods.sms]\nenabled = false\n")
        .json(0);
    assert_eq!(
        (&found["enabled"], &found["covered"]),
        (&json!(false), &json!(2))
    );
    assert_eq!(world.bytes(), before);
    world.ok("permission deny CanUse2FA --user alice --position 1 --until 'in 2d'");
    assert_eq!(world.json("coverage")["asked"], 5);
    let later = world.run("coverage --at 'in 2d'").succeeds();
    assert_eq!(
        later.stderr,
        "--at was understood as 2026-01-03T00:00:00Z.\nNext: `twofa login explain Supervisor`.\n"
    );
    assert_eq!(world.json("coverage --at 'in 2d'")["asked"], 6);
}

#[test]
fn who_may_ask() {
    let world = sorts();
    let denied = world.run("coverage --as alice -o json").exits(5);
    assert_eq!(denied.error()["operation"], "CanManageUsers");
    world.ok("permission grant CanManageUsers --user alice");
    world.ok("coverage --as alice");
    world.write("policy.toml", "version = 1\n");
    let denied = world
        .run("coverage --policy policy.toml --as alice -o json")
        .exits(5);
    assert_eq!(denied.error()["operation"], "CanManageAdministration");
    world.run("coverage -o toml").exits(2);
}
