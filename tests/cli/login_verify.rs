//! `twofa login verify`: codes sent by email, their life, and the order of judgement.

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
  "sso": null,
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
  "sso": null,
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
  "sso": null,
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
  "sso": null,
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
  "sso": null,
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
  "sso": null,
  "warnings": []
}
--- stderr
error: no usable second factor
{"error":{"kind":"no_second_factor","message":"no usable second factor","hint":null}}

"#]]);
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
? 3
--- stderr
error: no login waits for the challenge `qtv3klsi4djhl6ivmtch7gakoi`
 hint: it is a confirmation: repeat its command with --confirm-challenge and --confirm-code
{"error":{"kind":"not_found","message":"no login waits for the challenge `qtv3klsi4djhl6ivmtch7gakoi`","hint":"it is a confirmation: repeat its command with --confirm-challenge and --confirm-code"}}

"#]]);
}
