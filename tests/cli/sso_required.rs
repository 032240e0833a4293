//! Employees who have to use single sign-on: what their password is worth, whom the setting may not lock out, and what
//! coverage and status say of it.

use serde_json::{Value, json};
use snapbox::str;

use crate::world::World;

/// A provider of this name, enabled, with a certificate that holds for the year, that takes employees.
pub fn provider(world: &World, name: &str) {
    world.sql(&format!(
        "INSERT INTO idp (name, name_key, kind, enabled, entity_id, sso_url, acs_url, employees, externals, created_at)
             VALUES ('{name}', '{name}', 'custom', 1, 'https://{name}.example', 'https://{name}.example/sso',
                     'https://app.example/acs', 'existing', 'none', 0);
         INSERT INTO idp_certificate (idp, fingerprint, der, not_before_at, not_after_at)
             SELECT id, 'f1', x'30', 1767225600, 1798761600 FROM idp WHERE name = '{name}';"
    ));
}

/// Keeps that a user came through a provider.
pub fn came(world: &World, login: &str, provider: &str) {
    world.sql(&format!(
        "INSERT INTO idp_user (idp, subject, user, contexts, mfa, created, last_login_at)
             SELECT idp.id, login, user.id, '[\"urn:oasis:names:tc:SAML:2.0:ac:classes:Password\"]', 0, 0, 1767225600
             FROM idp, user WHERE idp.name = '{provider}' AND login = '{login}'"
    ));
}

/// 2FA by email, an external user, and employees who have to use single sign-on, through `corp`.
fn required() -> World {
    let world = World::with_email();
    world.ok("user add erin --type external --email erin@example.com");
    for login in ["erin", "Supervisor"] {
        world
            .run(&format!("password set {login} --password-stdin"))
            .stdin("some-pw\n")
            .succeeds();
    }
    provider(&world, "corp");
    world.ok("setting set DefaultSsoProvider corp DisableInternalUserPasswordAuth on");
    world
}

fn start(world: &World, login: &str, password: &str, code: i32) -> Value {
    let line = format!("login start {login} --password-stdin -o json");
    world.run(&line).stdin(&format!("{password}\n")).json(code)
}

#[test]
fn a_right_password_of_an_employee_is_refused() {
    let world = required();
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin
? 4
--- stdout
outcome      denied
reason       sso_required
user         alice
--- stderr
error: this user logs in through an identity provider, and not with a password
 hint: `twofa login start alice` without a password sends them there, and `twofa login explain alice` tells more

"#]]);
    world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 4
--- stdout
{
  "outcome": "denied",
  "reason": "sso_required",
  "user": "alice",
  "challenge": null,
  "method": null,
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
error: this user logs in through an identity provider, and not with a password
 hint: `twofa login start alice` without a password sends them there, and `twofa login explain alice` tells more
{"error":{"kind":"sso_required","message":"this user logs in through an identity provider, and not with a password","hint":"`twofa login start alice` without a password sends them there, and `twofa login explain alice` tells more"}}

"#]]);
    // A wrong one is what it always was, and so is the password of everybody else.
    assert_eq!(
        start(&world, "alice", "wrong", 10)["reason"],
        "first_factor_wrong"
    );
    assert_eq!(
        start(&world, "erin", "some-pw", 18)["outcome"],
        "second_factor_required"
    );
    let supervisor = start(&world, "Supervisor", "some-pw", 16);
    assert_eq!(supervisor["reason"], "no_second_factor");
    let denied = world.json("audit list --event login.denied --user alice --limit 2");
    let reasons: Vec<&Value> = denied
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["reason"])
        .collect();
    assert_eq!(reasons, [&json!("wrong_password"), &json!("sso_required")]);
    world.ok("setting set DisableInternalUserPasswordAuth off");
    assert_eq!(
        start(&world, "alice", "alice-pw", 18)["outcome"],
        "second_factor_required"
    );
}

#[test]
fn nobody_is_left_without_a_provider_unawares() {
    let world = World::peopled();
    world.ok("user add carol");
    let before = world.bytes();
    let on = "setting set DisableInternalUserPasswordAuth on";
    world.run(on).shows(str![[r#"
$ twofa setting set DisableInternalUserPasswordAuth on
? 4
--- stderr
error: this would leave 3 users with no way to log in: `alice`, `bob`, `carol`
 hint: no identity provider takes them: `twofa idp default NAME` first, or say --allow-lockout=3 if it is meant

"#]]);
    assert_eq!(
        world.run(&format!("{on} -o json")).exits(4).error()["users"],
        json!(["alice", "bob", "carol"])
    );
    assert_ne!(world.bytes(), before, "the refusal is kept in the log");
    world.run(&format!("{on} --allow-lockout=2")).exits(4);
    world.ok(&format!("{on} --allow-lockout=3"));
    // Who is out already is not put out by anything else.
    world.ok("setting set SecondFactorCodeTTL 90");
    world.ok("setting set Enable2FA on --yes");
    // Coming and going of what takes them.
    provider(&world, "corp");
    world.ok("setting set DefaultSsoProvider corp");
    world
        .run("setting reset DefaultSsoProvider")
        .shows(str![[r#"
$ twofa setting reset DefaultSsoProvider
? 4
--- stderr
error: this would leave 3 users with no way to log in: `alice`, `bob`, `carol`
 hint: no identity provider takes them: `twofa idp default NAME` first, or say --allow-lockout=3 if it is meant

"#]]);
    came(&world, "alice", "corp");
    came(&world, "bob", "corp");
    let error = world
        .run("setting reset DefaultSsoProvider -o json")
        .exits(4)
        .error();
    assert_eq!(error["users"], json!(["carol"]));
    world.ok("user deactivate carol --yes");
    world.ok("setting reset DefaultSsoProvider");
    // Whoever becomes an employee who is no administrator has to have one, too.
    world.ok("user add dan --group 'System administrators'");
    let error = world
        .run("user edit dan --group Helpdesk -o json")
        .exits(3)
        .error();
    assert_eq!(error["kind"], "not_found");
    world
        .run("group remove-member 'System administrators' --user dan --yes")
        .shows(str![[r#"
$ twofa group remove-member System administrators --user dan --yes
? 4
--- stderr
error: this would leave 1 user with no way to log in: `dan`
 hint: no identity provider takes them: `twofa idp default NAME` first, or say --allow-lockout=1 if it is meant

"#]]);
    world.ok("user add erin --type external");
    world.run("user edit erin --type employee --yes").exits(4);
    // One that takes nobody is as good as none.
    world.sql("UPDATE idp SET employees = 'none'");
    world.ok("setting set DefaultSsoProvider corp");
    world.run("user edit erin --type employee --yes").exits(4);
    world.sql("UPDATE idp SET employees = 'create'");
    world.ok("user edit erin --type employee --yes");
}

#[test]
fn whoever_is_added_without_one_is_told() {
    let world = required();
    let added = world.json("user add carol");
    assert_eq!(added["warnings"], json!([]));
    world.sql("UPDATE idp SET enabled = 0");
    world.run("user add dan").shows(str![[r#"
$ twofa user add dan
? 0
--- stdout
login                dan
name                 –
email                –
phone                –
type                 employee
language             en
active               yes
locked until         –
groups               –
authenticator        no
recovery codes left  0
can use 2fa          yes
os user              –
must change          no
password changed at  –
last login at        –
changed              yes
--- stderr
warning: `dan` has to use single sign-on, no identity provider takes them, and they cannot log in.
   hint: twofa idp default NAME
The user `dan` was added.

"#]]);
}

#[test]
fn coverage_counts_them_apart() {
    let world = required();
    world.ok("user add carol");
    world.run("coverage").shows(str![[r#"
$ twofa coverage
? 0
--- stdout
2FA is on: 2 of 4 users are asked for a second factor.
1 of them (50.0%) has a usable method; 1 could not log in.
3 users log in through an identity provider, and are asked there.

Email                        1   50.0%
SMS                          0    0.0%
Authenticator app            0    0.0%
Recovery codes               0    0.0%
Connect an app first         0    0.0%
No usable method             1   50.0%

WHO                           USERS  ADMINISTRATORS  NAMES
No usable method              1      1               Supervisor
No recovery codes             2      1               Supervisor, erin
Through an identity provider  3      0               alice, bob, carol
--- stderr
Next: `twofa login explain Supervisor`.

"#]]);
    world.sql("UPDATE idp SET enabled = 0");
    world.run("coverage").shows(str![[r#"
$ twofa coverage
? 0
--- stdout
2FA is on: 2 of 4 users are asked for a second factor.
1 of them (50.0%) has a usable method; 1 could not log in.
3 users have to use single sign-on, no identity provider takes them, and they cannot log in.

Email                        1   50.0%
SMS                          0    0.0%
Authenticator app            0    0.0%
Recovery codes               0    0.0%
Connect an app first         0    0.0%
No usable method             1   50.0%

WHO                              USERS  ADMINISTRATORS  NAMES
No usable method                 1      1               Supervisor
No recovery codes                2      1               Supervisor, erin
No identity provider takes them  3      0               alice, bob, carol
--- stderr
Next: `twofa login explain alice`.

"#]]);
    let found = world.json("coverage");
    assert_eq!(
        (
            &found["sso"],
            &found["no_identity_provider"],
            &found["asked"]
        ),
        (&json!(0), &json!(3), &json!(2))
    );
    // Off, they are asked here, and who has no password logs in where they came through.
    world.sql("UPDATE idp SET enabled = 1");
    world.ok("setting set DisableInternalUserPasswordAuth off");
    came(&world, "carol", "corp");
    let found = world.json("coverage");
    assert_eq!(
        (
            &found["sso"],
            &found["no_identity_provider"],
            &found["asked"]
        ),
        (&json!(1), &json!(0), &json!(4))
    );
    // A lock keeps them out as everybody; a password that is due does not.
    world.sql("UPDATE user SET must_change = 1");
    world.ok("setting set DisableInternalUserPasswordAuth on");
    let held_up = |world: &World| {
        let found = world.json("coverage");
        let rows = found["rows"].as_array().unwrap().clone();
        rows.iter().find(|row| row["row"] == "held_up").unwrap()["users"].clone()
    };
    assert_eq!(held_up(&world), json!(["Supervisor", "erin"]));
    world.sql("UPDATE user SET locked_until_at = 1798761600 WHERE login = 'carol'");
    assert_eq!(held_up(&world), json!(["Supervisor", "carol", "erin"]));
}

#[test]
fn status_tells_it() {
    let world = required();
    provider(&world, "other");
    world.run("status").shows(str![[r#"
$ twofa status
? 0
--- stdout
2FA is on: 2 of 4 users are asked for a second factor.
1 of them (50.0%) has a usable method; 1 could not log in.
2 users log in through an identity provider, and are asked there.
4 users, 4 active.

Email              primary   3 users could use it
SMS                off       0 users could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

Codes by email leave through the mailbox `trial`.

Employees have to use single sign-on; administrators log in with a password.
Identity providers that are enabled: `corp` (the default one), `other`.

AT                    EVENT                 SUBJECT                          OUTCOME  REASON
2026-01-01T00:00:00Z  setting.changed       DisableInternalUserPasswordAuth  ok       –
2026-01-01T00:00:00Z  setting.changed       DefaultSsoProvider               ok       –
2026-01-01T00:00:00Z  password.set          Supervisor                       ok       –
2026-01-01T00:00:00Z  confirmation.skipped  Supervisor                       ok       no_usable_method
2026-01-01T00:00:00Z  password.set          erin                             ok       –

Next: `twofa coverage`.

"#]]);
    let told = world.json("status");
    assert_eq!(
        (
            &told["no_internal_passwords"],
            &told["default_sso"],
            &told["identity_providers"]
        ),
        (&json!(true), &json!("corp"), &json!(["corp", "other"]))
    );
    world.sql("UPDATE idp SET enabled = 0");
    let told = world.json("status");
    assert_eq!(told["next"], "twofa coverage");
    assert_eq!(told["coverage"]["no_identity_provider"], 2);
    let shown = world.ok("status").stdout;
    assert!(
        shown.contains("No identity provider is enabled."),
        "{shown}"
    );
}

#[test]
fn a_policy_foretells_it() {
    let world = required();
    world.ok("setting set DisableInternalUserPasswordAuth off");
    world.write(
        "on.toml",
        "version = 1\n[settings]\nDisableInternalUserPasswordAuth = true\n",
    );
    let told = world.run("apply on.toml --dry-run -o json").json(20);
    assert_eq!(told["impact"][0]["kind"], "sso");
    assert_eq!(told["impact"][0]["users"], json!(["alice", "bob"]));
    let told = world.json("login explain alice --policy on.toml");
    assert_eq!(
        (&told["outcome"], &told["idp"]),
        (&json!("redirect"), &json!("corp"))
    );
    assert_eq!(world.json("coverage --policy on.toml")["sso"], 2);
    world.sql("UPDATE idp SET enabled = 0");
    let told = world.run("apply on.toml --dry-run -o json").json(20);
    assert_eq!(told["impact"][0]["kind"], "locked_out");
    world.run("apply on.toml --yes").shows(str![[r#"
$ twofa apply on.toml --yes
? 4
--- stderr
error: this would leave 2 users with no way to log in: `alice`, `bob`
 hint: no identity provider takes them: `twofa idp default NAME` first, or say --allow-lockout=2 if it is meant

"#]]);
}
