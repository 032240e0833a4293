//! `twofa login`: which method is asked for, resending and switching, apps and recovery codes.

use serde_json::{Value, json};
use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

impl World {
    /// The method asked for and all that could be, as `login start` says them.
    fn asks(&self, line: &str) -> (Value, Value) {
        let verdict = self.start(line).json(18);
        (verdict["method"].clone(), verdict["methods"].clone())
    }
}

#[test]
fn the_primary_is_asked_then_the_lookup_order_and_recovery_codes_last() {
    let world = World::with_email();
    for method in ["totp", "recovery-codes", "sms"] {
        world.ok(&format!("method enable {method}"));
    }
    assert_eq!(world.asks("alice"), (json!("email"), json!(["email"])));
    world.connect("alice");
    world.recovery("alice");
    assert_eq!(
        world.asks("alice"),
        (json!("email"), json!(["email", "totp", "recovery-codes"]))
    );
    world.ok("method primary totp");
    assert_eq!(
        world.asks("alice"),
        (json!("totp"), json!(["totp", "email", "recovery-codes"]))
    );
    // Who cannot use the primary is asked for the next one.
    assert_eq!(world.asks("bob"), (json!("email"), json!(["email"])));
    // An address can be the login itself; a phone without a provider is no method.
    world
        .run("user add eve@example.net --phone +4930123456 --password-stdin")
        .stdin("eve@example.net-pw\n")
        .succeeds();
    assert_eq!(
        world.asks("eve@example.net"),
        (json!("email"), json!(["email"]))
    );
    // Recovery codes when asked for, or when nothing else is left.
    assert_eq!(
        world.asks("alice --method recovery-codes").0,
        "recovery-codes"
    );
    world.ok("method disable email --yes --allow-lockout");
    world.ok("method disable totp --yes --allow-lockout");
    assert_eq!(
        world.asks("alice"),
        (json!("recovery-codes"), json!(["recovery-codes"]))
    );
}

#[test]
fn a_method_can_be_asked_for_by_name() {
    let world = World::with_email();
    world.ok("method enable totp");
    world.connect("alice");
    world
        .start("alice --method 'Authenticator app'")
        .shows(str![[r#"
$ twofa login start alice --method Authenticator app --password-stdin -o json
? 18
--- stdout
{
  "outcome": "second_factor_required",
  "reason": "second_factor_required",
  "user": "alice",
  "challenge": "bvulkurxm2tbsmwtbd6s4z3uty",
  "method": "totp",
  "methods": [
    "email",
    "totp"
  ],
  "destination": null,
  "expires_at": "2026-01-01T00:20:00Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
Next: `twofa login verify bvulkurxm2tbsmwtbd6s4z3uty --code N`.

"#]]);
    world.start("bob --method totp").shows(str![[r#"
$ twofa login start bob --method totp --password-stdin -o json
? 4
--- stdout
{
  "outcome": "denied",
  "reason": "method_not_usable",
  "user": "bob",
  "challenge": null,
  "method": "totp",
  "methods": [
    "email"
  ],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
error: this user cannot use the method now
 hint: `bob` can use email
{"error":{"kind":"method_not_usable","message":"this user cannot use the method now","hint":"`bob` can use email"}}

"#]]);
    world.start("bob --method sms").exits(4);
    world.start("bob --method pigeon").shows(str![[r#"
$ twofa login start bob --method pigeon --password-stdin -o json
? 3
--- stderr
error: no 2FA method is named `pigeon`
 hint: `twofa method list` lists what there is
{"error":{"kind":"not_found","message":"no 2FA method is named `pigeon`","hint":"`twofa method list` lists what there is"}}

"#]]);
    // Who is wrong about the password is not told which methods somebody has.
    world
        .run("login start bob --method totp --password-stdin -q")
        .stdin("wrong\n")
        .exits(10);
    assert_eq!(
        world.kept("login.denied"),
        [
            "login.denied bob denied method_not_usable null",
            "login.denied bob denied method_not_usable null",
            "login.denied bob denied wrong_password null",
        ]
    );
}

#[test]
fn nobody_gets_in_without_a_usable_method() {
    let world = World::with_email();
    world.ok("user edit bob --no-email --allow-lockout");
    world.start("bob").shows(str![[r#"
$ twofa login start bob --password-stdin -o json
? 16
--- stdout
{
  "outcome": "denied",
  "reason": "no_second_factor",
  "user": "bob",
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
error: no usable second factor
{"error":{"kind":"no_second_factor","message":"no usable second factor","hint":null}}

"#]]);
    world.start("bob --method email").exits(16);
    assert_eq!(
        world.kept("login"),
        [
            "login.denied bob denied no_second_factor null",
            "login.denied bob denied no_second_factor null",
        ]
    );
}

#[test]
fn an_app_code_is_consumed_and_its_replay_counts() {
    let world = World::with_email();
    world.ok("method primary totp");
    world.ok("setting set SecondFactorAttemptCount 3");
    let secret = world.connect("alice");
    // The code that confirmed the connection is consumed.
    let challenge = world.challenge("alice");
    world.verify(&challenge, &world.app(&secret)).shows(str![[r#"
$ twofa login verify ww4utcsdjnrzbrd567o6c7th54 --code 607824 -o json
? 12
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_used",
  "user": "alice",
  "challenge": "ww4utcsdjnrzbrd567o6c7th54",
  "method": "totp",
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": null,
  "warnings": [
    {
      "kind": "tries_left",
      "message": "2 tries are left.",
      "hint": null
    }
  ]
}
--- stderr
warning: 2 tries are left.
error: second factor already used, or the challenge was answered
{"error":{"kind":"second_factor_used","message":"second factor already used, or the challenge was answered","hint":null}}

"#]]);
    world.later(30);
    let code = world.app(&secret);
    world.verify(&challenge, &code).shows(str![[r#"
$ twofa login verify ww4utcsdjnrzbrd567o6c7th54 --code 982550 -o json
? 0
--- stdout
{
  "outcome": "granted",
  "reason": null,
  "user": "alice",
  "challenge": "ww4utcsdjnrzbrd567o6c7th54",
  "method": "totp",
  "methods": [
    "totp",
    "email"
  ],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
`alice` is logged in.

"#]]);
    // In another login it is a replay too, and each one counts.
    let challenge = world.challenge("alice");
    world.verify(&challenge, &code).exits(12);
    world.verify(&challenge, &code).exits(12);
    world.verify(&challenge, &code).exits(14);
    assert_eq!(
        world.kept("login.denied")[0],
        "login.denied alice denied second_factor_used null"
    );
}

#[test]
fn app_codes_are_accepted_within_the_drift() {
    let world = World::with_email();
    world.ok("method primary totp");
    let secret = world.connect("alice");
    world.later(600);
    let challenge = world.challenge("alice");
    for out in [-60, 60] {
        world
            .verify(&challenge, &world.app_at(&secret, out))
            .exits(11);
    }
    world
        .verify(&challenge, &world.app_at(&secret, -30))
        .succeeds();
    // An older step than the consumed one is a replay, the two newer ones are not.
    for step in [0, 30] {
        let challenge = world.challenge("alice");
        world
            .verify(&challenge, &world.app_at(&secret, step))
            .succeeds();
        let challenge = world.challenge("alice");
        for used in [step, -30] {
            world
                .verify(&challenge, &world.app_at(&secret, used))
                .exits(12);
        }
    }
    world.later(600);
    world.ok("setting set TotpDriftSteps 0");
    let challenge = world.challenge("alice");
    for out in [-30, 30] {
        world
            .verify(&challenge, &world.app_at(&secret, out))
            .exits(11);
    }
    world.verify(&challenge, &world.app(&secret)).succeeds();
    world.ok("setting set TotpDriftSteps 3");
    world.later(300);
    let challenge = world.challenge("alice");
    world
        .verify(&challenge, &world.app_at(&secret, -90))
        .succeeds();
}

#[test]
fn a_clock_set_back_never_accepts_a_code_again() {
    let world = World::with_email();
    world.ok("method primary totp");
    world.ok("setting set SecondFactorAttemptCount 0");
    let secret = world.connect("alice");
    world.later(3_600);
    let challenge = world.challenge("alice");
    let code = world.app(&secret);
    world.verify(&challenge, &code).succeeds();
    for back in [-30, -600] {
        world.later(back);
        let challenge = world.challenge("alice");
        world.verify(&challenge, &world.app(&secret)).exits(12);
        world.later(-back);
    }
    let challenge = world.challenge("alice");
    world.verify(&challenge, &code).exits(12);
    world.later(30);
    world.verify(&challenge, &world.app(&secret)).succeeds();
}

#[test]
fn a_code_can_be_of_another_method_than_was_asked_for() {
    let world = World::with_email();
    world.ok("method enable totp");
    let secret = world.connect("alice");
    world.later(30);
    let challenge = world.challenge("alice");
    // Nothing was sent by SMS, and it is not enabled.
    world
        .run(&format!(
            "login verify {challenge} --code {WRONG} --method sms -o json"
        ))
        .shows(str![[r#"
$ twofa login verify bvulkurxm2tbsmwtbd6s4z3uty --code 000000 --method sms -o json
? 16
--- stdout
{
  "outcome": "denied",
  "reason": "no_second_factor",
  "user": "alice",
  "challenge": "bvulkurxm2tbsmwtbd6s4z3uty",
  "method": "email",
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
error: no usable second factor
{"error":{"kind":"no_second_factor","message":"no usable second factor","hint":null}}

"#]]);
    world
        .run(&format!(
            "login verify {challenge} --code {} --method totp -o json",
            world.app(&secret)
        ))
        .shows(str![[r#"
$ twofa login verify bvulkurxm2tbsmwtbd6s4z3uty --code 325019 --method totp -o json
? 0
--- stdout
{
  "outcome": "granted",
  "reason": null,
  "user": "alice",
  "challenge": "bvulkurxm2tbsmwtbd6s4z3uty",
  "method": "totp",
  "methods": [
    "email",
    "totp"
  ],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
`alice` is logged in.

"#]]);
    // No email was sent where the app was asked for.
    let challenge = world.challenge("alice --method totp");
    world
        .run(&format!(
            "login verify {challenge} --code {WRONG} --method email -q"
        ))
        .exits(13);
    // Who has no app cannot answer with one, and that is no try.
    let challenge = world.challenge("bob");
    world
        .run(&format!(
            "login verify {challenge} --code {WRONG} --method totp -q"
        ))
        .exits(16);
    world.verify(&challenge, &world.code()).succeeds();
}

#[test]
fn a_recovery_code_logs_in_once_and_warns_at_two_left() {
    let world = World::with_email();
    world.ok("method enable recovery-codes");
    world.ok("setting set SecondFactorSendLimit 0");
    let codes = world.recovery("alice");
    assert_eq!(codes.len(), 10);
    let challenge = world.challenge("alice --method recovery-codes");
    world.verify(&challenge, &codes[0]).shows(str![[r#"
$ twofa login verify bvulkurxm2tbsmwtbd6s4z3uty --code xgbnw-7xrdm -o json
? 0
--- stdout
{
  "outcome": "granted",
  "reason": null,
  "user": "alice",
  "challenge": "bvulkurxm2tbsmwtbd6s4z3uty",
  "method": "recovery-codes",
  "methods": [
    "email",
    "recovery-codes"
  ],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
`alice` is logged in.

"#]]);
    // Used before counts as a try; one of somebody else is wrong.
    let challenge = world.challenge("alice --method recovery-codes");
    world.verify(&challenge, &codes[0]).shows(str![[r#"
$ twofa login verify n4sfnf5mvpc2mhl4eaoeimn6pi --code xgbnw-7xrdm -o json
? 12
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_used",
  "user": "alice",
  "challenge": "n4sfnf5mvpc2mhl4eaoeimn6pi",
  "method": "recovery-codes",
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": null,
  "warnings": [
    {
      "kind": "tries_left",
      "message": "4 tries are left.",
      "hint": null
    }
  ]
}
--- stderr
warning: 4 tries are left.
error: second factor already used, or the challenge was answered
{"error":{"kind":"second_factor_used","message":"second factor already used, or the challenge was answered","hint":null}}

"#]]);
    let others = world.recovery("bob");
    world.verify(&challenge, &others[0]).exits(11);
    for code in &codes[1..7] {
        let challenge = world.challenge("alice --method recovery-codes");
        let verdict = world.verify(&challenge, code).json(0);
        assert_eq!(verdict["warnings"], json!([]));
    }
    for (code, left) in codes[7..].iter().zip([
        "2 recovery codes are left.",
        "1 recovery code is left.",
        "0 recovery codes are left.",
    ]) {
        let challenge = world.challenge("alice --method recovery-codes");
        let verdict = world.verify(&challenge, code).json(0);
        assert_eq!(verdict["warnings"][0]["message"], left);
    }
    assert_eq!(world.json("user show alice")["recovery_codes_left"], 0);
    world.start("alice --method recovery-codes").exits(4);
    assert_eq!(world.asks("alice").0, "email");
}

#[test]
fn the_warning_of_the_last_codes_reads_well() {
    let world = World::with_email();
    world.ok("method enable recovery-codes");
    let codes = world.recovery("alice");
    world.sql("UPDATE recovery_code SET used_at = 1 WHERE id <= 7");
    let challenge = world.challenge("alice --method recovery-codes");
    world
        .run(&format!("login verify {challenge} --code {}", codes[8]))
        .shows(str![[r#"
$ twofa login verify dxymwvp4e467qllum3fvlkhxiq --code 3zm7n-07gz9
? 0
--- stdout
outcome      granted
user         alice
challenge    dxymwvp4e467qllum3fvlkhxiq
method       recovery-codes
methods      email, recovery-codes
--- stderr
warning: 2 recovery codes are left.
   hint: twofa recovery-codes generate alice
`alice` is logged in.

"#]]);
}
