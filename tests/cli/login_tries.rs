//! `twofa login verify`: tries, and what they cost.

use serde_json::Value;
use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

#[test]
fn wrong_codes_tell_the_tries_left_and_lock_at_the_limit() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 3 SecondFactorCodeTTL 600");
    let challenge = world.challenge("alice");
    let code = world.code();
    world.verify(&challenge, WRONG).shows(str![[r#"
$ twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code 000000 -o json
? 11
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_wrong",
  "user": "alice",
  "challenge": "qtv3klsi4djhl6ivmtch7gakoi",
  "method": "email",
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
error: second factor wrong
{"error":{"kind":"second_factor_wrong","message":"second factor wrong","hint":null}}

"#]]);
    // Nothing at all is no answer, and no try.
    world.verify(&challenge, "''").exits(2);
    assert_eq!(world.tries("alice"), 1);
    world.verify(&challenge, WRONG).exits(11);
    // The try that reaches the limit is answered with the lock already.
    world.verify(&challenge, WRONG).shows(str![[r#"
$ twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code 000000 -o json
? 14
--- stdout
{
  "outcome": "denied",
  "reason": "locked",
  "user": "alice",
  "challenge": "qtv3klsi4djhl6ivmtch7gakoi",
  "method": "email",
  "methods": [],
  "destination": null,
  "expires_at": "2026-01-01T00:15:00Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
error: the user is locked
 hint: the lock ends at 2026-01-01T00:15:00Z; an administrator can take it off with `twofa user unlock alice`
{"error":{"kind":"locked","message":"the user is locked","hint":"the lock ends at 2026-01-01T00:15:00Z; an administrator can take it off with `twofa user unlock alice`"}}

"#]]);
    // While it lasts the right code is not compared, and nothing is counted.
    world.verify(&challenge, &code).shows(str![[r#"
$ twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code 991103 -o json
? 14
--- stdout
{
  "outcome": "denied",
  "reason": "locked",
  "user": "alice",
  "challenge": "qtv3klsi4djhl6ivmtch7gakoi",
  "method": "email",
  "methods": [],
  "destination": null,
  "expires_at": "2026-01-01T00:15:00Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
error: the user is locked
 hint: the lock ends at 2026-01-01T00:15:00Z; an administrator can take it off with `twofa user unlock alice`
{"error":{"kind":"locked","message":"the user is locked","hint":"the lock ends at 2026-01-01T00:15:00Z; an administrator can take it off with `twofa user unlock alice`"}}

"#]]);
    world.later(899);
    world.verify(&challenge, &code).exits(14);
    world
        .run(&format!("login resend {challenge} -o json"))
        .exits(14);
    assert_eq!(
        world.json("user show alice")["locked_until"],
        "2026-01-01T00:15:00Z"
    );
    world
        .run("audit list --event user.locked -o json")
        .shows(str![[r#"
$ twofa audit list --event user.locked -o json
? 0
--- stdout
[
  {"seq":14,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.locked","subject":"alice","outcome":"ok","reason":"second_factor_attempts","note":null,"detail":{"failures":3,"locked_until":"2026-01-01T00:15:00Z"}}
]

"#]]);
}

#[test]
fn a_lock_that_runs_out_resets_the_counters_and_is_kept() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 2 SecondFactorCodeTTL 3600 LoginAttemptCount 2");
    for _ in 0..2 {
        world
            .run("login start alice --password-stdin -q")
            .stdin("wrong\n")
            .exits(10);
    }
    let challenge = world.challenge("alice");
    let code = world.code();
    world.verify(&challenge, WRONG).exits(11);
    world.verify(&challenge, WRONG).exits(14);
    for _ in 0..2 {
        world
            .run("login start alice --password-stdin -q")
            .stdin("wrong\n")
            .exits(10);
    }
    world.later(900);
    // Nobody has written since: it still stands in the store, and counts for nothing.
    assert_eq!(world.json("user show alice")["locked_until"], Value::Null);
    assert_eq!(world.kept("user.lock_ended"), Vec::<String>::new());
    // One try is free again.
    world.verify(&challenge, WRONG).exits(11);
    assert_eq!(
        world.kept("user.lock_ended"),
        [r#"user.lock_ended alice ok - {"locked_until":"2026-01-01T00:15:00Z"}"#,]
    );
    // So are passwords.
    world
        .run("login start alice --password-stdin -q")
        .stdin("wrong\n")
        .exits(10);
    world.verify(&challenge, &code).succeeds();
    assert_eq!(world.kept("user.lock_ended").len(), 1);
}

#[test]
fn success_resets_the_tries() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 2 SecondFactorSendLimit 0");
    for _ in 0..3 {
        let challenge = world.challenge("alice");
        let code = world.code();
        world.verify(&challenge, WRONG).exits(11);
        world.verify(&challenge, &code).succeeds();
    }
}

#[test]
fn tries_are_one_count_over_all_challenges() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 3");
    for left in [2, 1] {
        let challenge = world.challenge("alice");
        let verdict = world.verify(&challenge, WRONG).json(11);
        let said = if left == 1 {
            "1 try is left."
        } else {
            "2 tries are left."
        };
        assert_eq!(verdict["warnings"][0]["message"], said);
    }
    let challenge = world.challenge("alice");
    world.verify(&challenge, WRONG).exits(14);
    // Nobody else pays for it.
    world.logs_in("bob");
}

#[test]
fn unlock_and_activate_reset_the_counters() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 2 SecondFactorCodeTTL 3600");
    let challenge = world.challenge("alice");
    let code = world.code();
    world.verify(&challenge, WRONG).exits(11);
    world.ok("user unlock alice");
    world.verify(&challenge, WRONG).exits(11);
    world.verify(&challenge, WRONG).exits(14);
    world.ok("user unlock alice");
    world.verify(&challenge, WRONG).exits(11);
    world.ok("setting set UserLockoutDuration 0");
    world.verify(&challenge, WRONG).exits(15);
    world.ok("user activate alice");
    world.verify(&challenge, WRONG).exits(11);
    world.verify(&challenge, &code).succeeds();
}

#[test]
fn without_a_lock_the_penalty_is_deactivation() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 2 UserLockoutDuration 0");
    let challenge = world.challenge("alice");
    world.verify(&challenge, WRONG).exits(11);
    world.verify(&challenge, WRONG).shows(str![[r#"
$ twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code 000000 -o json
? 15
--- stdout
{
  "outcome": "denied",
  "reason": "deactivated",
  "user": "alice",
  "challenge": "qtv3klsi4djhl6ivmtch7gakoi",
  "method": "email",
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
error: the user is deactivated
{"error":{"kind":"deactivated","message":"the user is deactivated","hint":null}}

"#]]);
    world.verify(&challenge, &world.code()).shows(str![[r#"
$ twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code 991103 -o json
? 15
--- stdout
{
  "outcome": "denied",
  "reason": "deactivated",
  "user": "alice",
  "challenge": "qtv3klsi4djhl6ivmtch7gakoi",
  "method": "email",
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
error: the user is deactivated
{"error":{"kind":"deactivated","message":"the user is deactivated","hint":null}}

"#]]);
    assert_eq!(world.json("user show alice")["active"], false);
    // From outside it is one of the answers of a wrong first factor.
    world.start("alice").exits(10);
    assert_eq!(
        world.kept("user.deactivated"),
        [r#"user.deactivated alice ok second_factor_attempts {"failures":2}"#,]
    );
}

#[test]
fn the_last_active_administrator_is_locked_instead() {
    let world = World::with_email();
    world
        .run("password set Supervisor --password-stdin")
        .stdin("Supervisor-pw\n")
        .succeeds();
    world.ok("user edit Supervisor --email root@example.com");
    world.ok("setting set SecondFactorAttemptCount 1 UserLockoutDuration 0");
    let challenge = world.challenge("Supervisor");
    world.verify(&challenge, WRONG).shows(str![[r#"
$ twofa login verify bvulkurxm2tbsmwtbd6s4z3uty --code 000000 -o json
? 14
--- stdout
{
  "outcome": "denied",
  "reason": "locked",
  "user": "Supervisor",
  "challenge": "bvulkurxm2tbsmwtbd6s4z3uty",
  "method": "email",
  "methods": [],
  "destination": null,
  "expires_at": "2026-01-01T00:15:00Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
error: the user is locked
 hint: the lock ends at 2026-01-01T00:15:00Z; an administrator can take it off with `twofa user unlock Supervisor`
{"error":{"kind":"locked","message":"the user is locked","hint":"the lock ends at 2026-01-01T00:15:00Z; an administrator can take it off with `twofa user unlock Supervisor`"}}

"#]]);
    assert_eq!(world.json("user show Supervisor")["active"], true);
    world.later(900);
    world.logs_in("Supervisor");
    // With another administrator about, one can be spared.
    world.ok("user edit bob --group 'System administrators' --override --reason 'the test'");
    let challenge = world.challenge("Supervisor");
    world.verify(&challenge, WRONG).exits(15);
}

#[test]
fn without_a_limit_wrong_codes_are_free() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 0");
    let challenge = world.challenge("alice");
    for _ in 0..8 {
        let verdict = world.verify(&challenge, WRONG).json(11);
        assert_eq!(verdict["warnings"], serde_json::json!([]));
    }
    world.verify(&challenge, &world.code()).succeeds();
}

#[test]
fn an_empty_code_is_a_missing_answer() {
    let (world, _) = World::with_app();
    world.connect("alice");
    world.later(30);
    let start = "login start alice --password-stdin -o json";
    let token = world.run(start).stdin("alice-pw\n").json(18)["challenge"].clone();
    let token = token.as_str().unwrap();
    world
        .run(&format!("login verify {token} --code ''"))
        .exits(2);
    world
        .run(&format!("login verify {token} --code-stdin"))
        .stdin("\n")
        .exits(2);
    world
        .run("recovery-codes generate Supervisor --code ''")
        .exits(2);
    // An unset variable of a script is no confirmation code either.
    let refused = world
        .run("setting set Enable2FA off --yes -q")
        .env("TWOFA_CONFIRM_CODE", "")
        .exits(5);
    assert!(
        refused.stderr.contains("--confirm-code"),
        "{}",
        refused.stderr
    );
    assert_eq!((world.tries("alice"), world.tries("Supervisor")), (0, 0));
}
