//! Findings of `twofa doctor` about what methods need: senders, and of each person an address, a phone or an app.

use std::fs;

use snapbox::str;

use crate::doctor::{healthy, paste, provoked, report};
use crate::sso_required::provider;
use crate::world::World;

#[test]
fn methods_that_nothing_sends_for() {
    let world = World::with_email();
    provoked(
        &world,
        "no_method",
        |world| world.sql("UPDATE method SET is_primary = 0; UPDATE method SET enabled = 0"),
        &[],
        str![[r#"
{
  "check": "methods",
  "kind": "no_method",
  "severity": "error",
  "message": "2FA is on and no method is enabled: whoever may use it cannot log in.",
  "count": 1,
  "names": [],
  "mend": [
    "twofa method enable email --primary"
  ]
}

"#]],
    );
    provoked(
        &world,
        "no_mailbox",
        |world| world.sql("DELETE FROM setting WHERE code = '2FAmailbox'"),
        &[],
        str![[r#"
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
}

"#]],
    );
    // Without any, one is added first.
    provoked(
        &world,
        "no_provider",
        |world| world.sql("UPDATE method SET enabled = 1 WHERE code = 'sms'"),
        &[
            (
                "add NAME --twilio --account SID --from NUMBER",
                "add NAME --file sms",
            ),
            ("NAME", "text"),
        ],
        str![[r#"
{
  "check": "methods",
  "kind": "no_provider",
  "severity": "error",
  "message": "Codes by SMS are enabled, and no provider sends them.",
  "count": 1,
  "names": [],
  "mend": [
    "twofa sms-provider add NAME --twilio --account SID --from NUMBER",
    "twofa setting set SmsProvider NAME"
  ]
}

"#]],
    );
    provoked(
        &world,
        "no_mailbox",
        |world| world.sql("DELETE FROM setting WHERE code = '2FAmailbox'; DELETE FROM mailbox"),
        &[
            ("--smtp URL --tls starttls", "--file mail"),
            ("ADDRESS", "a@example.com"),
            ("NAME", "post"),
        ],
        str![[r#"
{
  "check": "methods",
  "kind": "no_mailbox",
  "severity": "error",
  "message": "Codes by email are enabled, and no mailbox sends them.",
  "count": 1,
  "names": [],
  "mend": [
    "twofa mailbox add NAME --smtp URL --tls starttls --from ADDRESS",
    "twofa setting set 2FAmailbox NAME"
  ]
}

"#]],
    );
}

#[test]
fn certificates_that_are_gone() {
    let world = World::with_email();
    world.write("ca.pem", "");
    world.ok(
        "mailbox add post --smtp smtp://mail.example.com --ca-file ca.pem --from a@example.com",
    );
    for (name, way) in [
        ("carrier", "--twilio --account AC1 --from +493012345678"),
        (
            "api",
            "--http https://sms.example.com/ --body 'to=#Phone#&text=#Text#&token=#Token#'",
        ),
        ("centre", "--smpp 127.0.0.1:2775 --tls tls --username u"),
    ] {
        let secret = if name == "centre" {
            "--password-stdin"
        } else {
            "--token-stdin"
        };
        world
            .run(&format!(
                "sms-provider add {name} {way} {secret} --ca-file ca.pem"
            ))
            .stdin("secret\n")
            .succeeds();
    }
    world.ok("setting set SSPRegistrationMailbox post SmsProvider carrier");
    provoked(
        &world,
        "certificates_gone",
        |world| fs::rename(world.file("ca.pem"), world.file("other.pem")).unwrap(),
        &[("FILE", "other.pem")],
        str![[r#"
{
  "check": "methods",
  "kind": "certificates_gone",
  "severity": "error",
  "message": "The mailbox `post` trusts the certificates in `[DIR]/ca.pem`, which is no file.",
  "count": 1,
  "names": [
    "post"
  ],
  "mend": [
    "twofa mailbox edit post --ca-file FILE"
  ]
}
{
  "check": "methods",
  "kind": "certificates_gone",
  "severity": "error",
  "message": "The SMS provider `carrier` trusts the certificates in `[DIR]/ca.pem`, which is no file.",
  "count": 1,
  "names": [
    "carrier"
  ],
  "mend": [
    "twofa sms-provider edit carrier --ca-file FILE"
  ]
}

"#]],
    );
    let gone = |name: &str| {
        world.ok(&format!("setting set SmsProvider {name}"));
        let found = report(&world, "doctor");
        assert_eq!(found["findings"][0]["kind"], "certificates_gone");
        let line = format!("twofa sms-provider edit {name} --ca-file FILE");
        assert_eq!(found["findings"][0]["mend"][0], line);
        paste(&world, &[line], &[("FILE", "other.pem")]);
        healthy(&world);
    };
    gone("api");
    gone("centre");
}

/// Whoever could log in. Supervisor has no password, carol is technical, and dora may not use 2FA.
#[test]
fn people_who_lack_what_the_primary_method_needs() {
    let world = World::with_email();
    world.ok("user add carol --type technical");
    world
        .run("user add dora --password-stdin --email dora@example.com")
        .stdin("dora-pw\n")
        .succeeds();
    world.ok("permission deny CanUse2FA --user dora --position 1");
    provoked(
        &world,
        "no_address",
        |world| {
            world.sql("UPDATE user SET email = NULL WHERE login <> 'Supervisor'; DELETE FROM identity WHERE is_login = 0");
        },
        &[
            ("alice --email ADDRESS", "alice --email alice@example.com"),
            ("bob --email ADDRESS", "bob --email bob@example.com"),
        ],
        str![[r#"
{
  "check": "addresses",
  "kind": "no_address",
  "severity": "warning",
  "message": "2 users have no address, and codes go by email: `alice`, `bob`.",
  "count": 2,
  "names": [
    "alice",
    "bob"
  ],
  "mend": [
    "twofa user edit alice --email ADDRESS",
    "twofa user edit bob --email ADDRESS"
  ]
}

"#]],
    );
    world.ok("sms-provider add text --file sms");
    world.ok("setting set SmsProvider text");
    provoked(
        &world,
        "no_phone",
        |world| {
            world.sql("UPDATE method SET is_primary = 0; UPDATE method SET enabled = 1, is_primary = 1 WHERE code = 'sms'");
        },
        &[("NUMBER", "+493012345678")],
        str![[r#"
{
  "check": "phones",
  "kind": "no_phone",
  "severity": "warning",
  "message": "2 users have no phone, and codes go by SMS: `alice`, `bob`.",
  "count": 2,
  "names": [
    "alice",
    "bob"
  ],
  "mend": [
    "twofa user edit alice --phone NUMBER",
    "twofa user edit bob --phone NUMBER"
  ]
}

"#]],
    );
    provoked(
        &world,
        "no_app",
        |world| {
            world.ok("method enable totp --primary");
        },
        &[],
        str![[r#"
{
  "check": "apps",
  "kind": "no_app",
  "severity": "warning",
  "message": "2 users have no app connected, and codes come from an app: `alice`, `bob`.",
  "count": 2,
  "names": [
    "alice",
    "bob"
  ],
  "mend": [
    "twofa authenticator connect alice",
    "twofa authenticator connect bob"
  ]
}

"#]],
    );
}

/// Who uses another method than the primary one is no finding where nobody must have the primary one.
#[test]
fn some_use_the_app_and_others_email() {
    let (world, _) = World::with_app();
    world.ok("method enable email --primary");
    healthy(&world);
}

#[test]
fn who_cannot_log_in() {
    let world = World::with_email();
    world.sql("UPDATE method SET is_primary = 0");
    provoked(
        &world,
        "no_second_factor",
        |world| {
            world.sql("UPDATE user SET email = NULL WHERE login = 'bob'; DELETE FROM identity WHERE key = 'bob@example.com'");
        },
        &[("ADDRESS", "bob@example.com")],
        str![[r#"
{
  "check": "second_factors",
  "kind": "no_second_factor",
  "severity": "error",
  "message": "1 user has no usable second factor and cannot log in: `bob`.",
  "count": 1,
  "names": [
    "bob"
  ],
  "mend": [
    "twofa user edit bob --email ADDRESS"
  ]
}

"#]],
    );
    // Whoever may connect an app can log in.
    world.ok("method enable totp");
    world.sql("UPDATE user SET email = NULL WHERE login = 'bob'; DELETE FROM identity WHERE key = 'bob@example.com'");
    healthy(&world);
}

#[test]
fn nobody_is_asked() {
    let world = World::with_email();
    provoked(
        &world,
        "nobody_asked",
        |world| world.sql("DELETE FROM grantee WHERE operation = 'CanUse2FA'"),
        &[],
        str![[r#"
{
  "check": "second_factors",
  "kind": "nobody_asked",
  "severity": "warning",
  "message": "2FA is on, and no row of CanUse2FA reaches anybody who could log in: nobody is asked.",
  "count": 2,
  "names": [],
  "mend": [
    "twofa permission grant CanUse2FA --group 'All employees'"
  ]
}

"#]],
    );
}

#[test]
fn who_has_to_use_single_sign_on_and_is_taken_by_none() {
    let world = World::with_email();
    provoked(
        &world,
        "no_identity_provider",
        |world| {
            world.sql(
                "INSERT INTO setting (code, number) VALUES ('DisableInternalUserPasswordAuth', 1)",
            );
        },
        &[],
        str![[r#"
{
  "check": "second_factors",
  "kind": "no_identity_provider",
  "severity": "error",
  "message": "2 users have to use single sign-on, and no identity provider takes them: `alice`, `bob`.",
  "count": 2,
  "names": [
    "alice",
    "bob"
  ],
  "mend": [
    "twofa setting set DisableInternalUserPasswordAuth off"
  ]
}

"#]],
    );
    world.ok("setting set DisableInternalUserPasswordAuth on --allow-lockout");
    provider(&world, "corp");
    let found = report(&world, "doctor");
    let finding = found["findings"].as_array().unwrap().iter();
    let mut finding = finding.filter(|one| one["kind"] == "no_identity_provider");
    let mend = "twofa setting set DefaultSsoProvider corp";
    assert_eq!(finding.next().unwrap()["mend"], serde_json::json!([mend]));
    world.ok("setting set DefaultSsoProvider corp");
    let found = report(&world, "doctor");
    let mut kinds = found["findings"].as_array().unwrap().iter();
    assert!(kinds.all(|one| one["kind"] != "no_identity_provider"));
}
