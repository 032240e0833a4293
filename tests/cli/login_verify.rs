//! `twofa login verify`: codes sent by email, tries, and what they cost.

use serde_json::Value;
use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

#[test]
fn a_code_by_email_grants_once() {
    let world = World::with_email();
    world.start("alice").shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 18
--- stdout
{
  "outcome": "second_factor_required",
  "reason": "second_factor_required",
  "user": "alice",
  "challenge": "5dozipjwnsvoppvxa3dk4zuo74",
  "method": "email",
  "methods": [
    "email"
  ],
  "destination": "a***e@example.com",
  "expires_at": "2026-01-01T00:01:00Z",
  "enrolment": null,
  "warnings": []
}
--- stderr
Next: `twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --code N`.

"#]]);
    let challenge = world.json("login list")[0]["challenge"]
        .as_str()
        .unwrap()
        .to_owned();
    world.later(59);
    let code = world.code();
    world.verify(&challenge, &code).shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --code 231284 -o json
? 0
--- stdout
{
  "outcome": "granted",
  "reason": null,
  "user": "alice",
  "challenge": "5dozipjwnsvoppvxa3dk4zuo74",
  "method": "email",
  "methods": [
    "email"
  ],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "warnings": []
}
--- stderr
`alice` is logged in.

"#]]);
    world.verify(&challenge, &code).shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --code 231284 -o json
? 12
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_used",
  "user": "alice",
  "challenge": "5dozipjwnsvoppvxa3dk4zuo74",
  "method": "email",
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "warnings": []
}
--- stderr
error: second factor already used, or the challenge was answered
{"error":{"kind":"second_factor_used","message":"second factor already used, or the challenge was answered","hint":null}}

"#]]);
    assert_eq!(
        world.json("user show alice")["last_login_at"],
        "2026-01-01T00:00:59Z"
    );
    world.run("audit list --event login -o json").shows(str![[r#"
$ twofa audit list --event login -o json
? 0
--- stdout
[
  {"seq":11,"at":"2026-01-01T00:00:59Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.denied","subject":"alice","outcome":"denied","reason":"second_factor_used","note":null,"detail":null},
  {"seq":10,"at":"2026-01-01T00:00:59Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.granted","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"method":"email"}},
  {"seq":9,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.code_sent","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"method":"email","sender":"trial"}},
  {"seq":8,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.started","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"method":"email"}}
]

"#]]);
    world.ok("audit verify");
}

#[test]
fn a_code_opens_its_own_login_only() {
    let world = World::with_email();
    let first = world.challenge("alice");
    let code = world.code();
    let second = world.challenge("alice");
    assert_ne!(code, world.code());
    world.verify(&second, &code).exits(11);
    let other = world.challenge("bob");
    world.verify(&other, &code).exits(11);
    world.verify(&first, &code).succeeds();
}

#[test]
fn a_code_is_read_with_the_spaces_people_type() {
    let world = World::with_email();
    let challenge = world.challenge("alice");
    let code = world.code();
    let typed = format!(" {} {}", &code[..3], &code[3..]);
    world.verify(&challenge, &format!("'{typed}'")).succeeds();
}

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
    // Nothing at all is an answer too.
    world.verify(&challenge, "''").exits(11);
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
fn a_code_that_ran_out_is_neither_compared_nor_counted() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 2 SecondFactorCodeTTL 90");
    let verdict = world.start("alice").json(18);
    assert_eq!(verdict["expires_at"], "2026-01-01T00:01:30Z");
    let challenge = verdict["challenge"].as_str().unwrap().to_owned();
    let code = world.code();
    world.verify(&challenge, WRONG).exits(11);
    world.later(90);
    world.verify(&challenge, &code).shows(str![[r#"
$ twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code 991103 -o json
? 13
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_expired",
  "user": "alice",
  "challenge": "qtv3klsi4djhl6ivmtch7gakoi",
  "method": "email",
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "warnings": []
}
--- stderr
error: second factor or challenge expired
{"error":{"kind":"second_factor_expired","message":"second factor or challenge expired","hint":null}}

"#]]);
    for _ in 0..3 {
        world.verify(&challenge, WRONG).exits(13);
    }
    // The challenge lives on: a new code is answered, and the one try is still there.
    world.ok_again(&challenge);
    world.verify(&challenge, &world.code()).succeeds();
}

impl World {
    /// `login resend` that must send.
    pub fn ok_again(&self, challenge: &str) {
        self.run(&format!("login resend {challenge} -q")).exits(18);
    }
}

#[test]
fn a_challenge_lives_twenty_minutes() {
    let world = World::with_email();
    world.ok("setting set SecondFactorCodeTTL 86400");
    let verdict = world.start("alice").json(18);
    assert_eq!(verdict["expires_at"], "2026-01-01T00:20:00Z");
    let first = verdict["challenge"].as_str().unwrap().to_owned();
    let code = world.code();
    world.later(1_199);
    let second = world.challenge("alice");
    world.later(1);
    world.verify(&first, &code).shows(str![[r#"
$ twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code 991103 -o json
? 13
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_expired",
  "user": "alice",
  "challenge": "qtv3klsi4djhl6ivmtch7gakoi",
  "method": "email",
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "warnings": []
}
--- stderr
error: second factor or challenge expired
{"error":{"kind":"second_factor_expired","message":"second factor or challenge expired","hint":null}}

"#]]);
    world
        .run(&format!("login resend {first} -o json"))
        .exits(13);
    world.verify(&second, &world.code()).succeeds();
}

#[test]
fn answers_are_judged_in_their_order() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 1 SecondFactorCodeTTL 60");
    let answered = world.challenge("alice");
    world.verify(&answered, &world.code()).succeeds();
    let open = world.challenge("alice");
    let locking = world.challenge("alice");
    world.verify(&locking, WRONG).exits(14);
    // Answered goes before locked, locked before expired.
    world.verify(&answered, WRONG).exits(12);
    world.later(120);
    world.verify(&open, WRONG).exits(14);
    world.ok("user deactivate alice --yes");
    world.verify(&answered, WRONG).exits(12);
    world.verify(&open, WRONG).exits(15);
    world.ok("user activate alice");
    world.verify(&open, WRONG).exits(13);
    // So it stays when the method is switched off under them.
    world.ok("method disable email --yes --allow-lockout");
    world.verify(&answered, WRONG).exits(12);
    world.verify(&open, WRONG).shows(str![[r#"
$ twofa login verify bvulkurxm2tbsmwtbd6s4z3uty --code 000000 -o json
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
  "warnings": []
}
--- stderr
error: no usable second factor
{"error":{"kind":"no_second_factor","message":"no usable second factor","hint":null}}

"#]]);
}

#[test]
fn a_code_that_could_not_be_sent_is_an_error_and_no_try() {
    let world = World::with_email();
    world.ok("method enable totp");
    let secret = world.connect("alice");
    world.later(30);
    std::fs::remove_dir_all(world.file("mail")).unwrap();
    world.start("alice").shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the mailbox `trial` could not send: the directory `[DIR]/mail` is not there
 hint: `twofa login resend bvulkurxm2tbsmwtbd6s4z3uty --method totp` asks by another method
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: the directory `[DIR]/mail` is not there","hint":"`twofa login resend bvulkurxm2tbsmwtbd6s4z3uty --method totp` asks by another method","temporary":true,"challenge":"bvulkurxm2tbsmwtbd6s4z3uty","methods":["totp"]}}

"#]]);
    let challenge = world.json("login list")[0]["challenge"]
        .as_str()
        .unwrap()
        .to_owned();
    // No code was taken by any server, so none is right or wrong.
    world.verify(&challenge, WRONG).shows(str![[r#"
$ twofa login verify bvulkurxm2tbsmwtbd6s4z3uty --code 000000 -o json
? 13
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_expired",
  "user": "alice",
  "challenge": "bvulkurxm2tbsmwtbd6s4z3uty",
  "method": "email",
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "warnings": []
}
--- stderr
error: second factor or challenge expired
{"error":{"kind":"second_factor_expired","message":"second factor or challenge expired","hint":null}}

"#]]);
    // A failed one is not too soon, and still fails.
    world.run(&format!("login resend {challenge} -q")).exits(1);
    world
        .run(&format!("login resend {challenge} --method totp -o json"))
        .exits(18);
    world.verify(&challenge, &world.app(&secret)).succeeds();
    // Who has no other method is told so.
    world.start("bob").shows(str![[r#"
$ twofa login start bob --password-stdin -o json
? 1
--- stderr
error: the mailbox `trial` could not send: the directory `[DIR]/mail` is not there
 hint: this user has no other method; `twofa mailbox test NAME` tries the mailbox
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: the directory `[DIR]/mail` is not there","hint":"this user has no other method; `twofa mailbox test NAME` tries the mailbox","temporary":true,"challenge":"mdissb5fvrrqfmfjowtjzd6qye","methods":[]}}

"#]]);
    assert_eq!(
        world.kept("login"),
        [
            r#"login.started alice ok - {"method":"email"}"#,
            r#"login.code_failed alice failed - {"method":"email","sender":"trial"}"#,
            "login.denied alice denied code_not_sent null",
            r#"login.code_failed alice failed - {"method":"email","sender":"trial"}"#,
            r#"login.granted alice ok - {"method":"totp"}"#,
            r#"login.started bob ok - {"method":"email"}"#,
            r#"login.code_failed bob failed - {"method":"email","sender":"trial"}"#,
        ]
    );
    let counted = world.json("audit list --event user.locked");
    assert_eq!(counted, serde_json::json!([]));
}

#[test]
fn a_replaced_code_of_a_failed_resend_is_void() {
    let world = World::with_email();
    let challenge = world.challenge("alice");
    let code = world.code();
    world.later(30);
    std::fs::rename(world.file("mail"), world.file("away")).unwrap();
    world.run(&format!("login resend {challenge} -q")).exits(1);
    world.verify(&challenge, &code).exits(13);
    std::fs::rename(world.file("away"), world.file("mail")).unwrap();
    world.ok_again(&challenge);
    world.verify(&challenge, &world.code()).succeeds();
}

#[test]
fn a_challenge_for_something_else_is_no_login() {
    let world = World::with_email();
    world.ok("user edit Supervisor --email root@example.com");
    let done = world
        .run("user edit Supervisor --phone +4930123456 -o json")
        .exits(5);
    let error: Value = serde_json::from_str(done.stderr.lines().last().unwrap()).unwrap();
    let challenge = error["error"]["challenge"].as_str().unwrap();
    world.verify(challenge, &world.code()).shows(str![[r#"
$ twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code 991103 -o json
? 4
--- stderr
error: the challenge is for `confirmation`, not for a login
 hint: repeat that command with --confirm-challenge and --confirm-code
{"error":{"kind":"invalid_value","message":"the challenge is for `confirmation`, not for a login","hint":"repeat that command with --confirm-challenge and --confirm-code"}}

"#]]);
}
