//! `twofa login`: sending anew, switching the method, how often, and what could not be sent.

use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

#[test]
fn a_resend_must_wait_and_replaces_the_code() {
    let world = World::with_email();
    world.ok("setting set SecondFactorCodeTTL 300 SecondFactorAttemptCount 2");
    let challenge = world.challenge("alice");
    let code = world.code();
    world.verify(&challenge, WRONG).exits(11);
    world.later(10);
    world
        .run(&format!("login resend {challenge} -o json"))
        .shows(str![[r#"
$ twofa login resend qtv3klsi4djhl6ivmtch7gakoi -o json
? 4
--- stderr
error: a code was sent by Email a moment ago
 hint: try again in 20 s, or ask by another method with --method
{"error":{"kind":"too_soon","message":"a code was sent by Email a moment ago","hint":"try again in 20 s, or ask by another method with --method","retry_after":20}}

"#]]);
    world
        .run(&format!("login resend {challenge} --method email -q"))
        .exits(4);
    world.later(19);
    world.run(&format!("login resend {challenge} -q")).exits(4);
    world.later(1);
    world
        .run(&format!("login resend {challenge} -o json"))
        .shows(str![[r#"
$ twofa login resend qtv3klsi4djhl6ivmtch7gakoi -o json
? 18
--- stdout
{
  "outcome": "second_factor_required",
  "reason": "second_factor_required",
  "user": "alice",
  "challenge": "qtv3klsi4djhl6ivmtch7gakoi",
  "method": "email",
  "methods": [
    "email"
  ],
  "destination": "a***e@example.com",
  "expires_at": "2026-01-01T00:05:30Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
Next: `twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code N`.

"#]]);
    assert_ne!(world.code(), code);
    // The tries are not reset: this one, with the replaced code, was the last.
    world.verify(&challenge, &code).exits(14);
    world.ok("user unlock alice");
    world.verify(&challenge, &world.code()).succeeds();
    world
        .run(&format!("login resend {challenge} -o json"))
        .shows(str![[r#"
$ twofa login resend qtv3klsi4djhl6ivmtch7gakoi -o json
? 12
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_used",
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
error: second factor already used, or the challenge was answered
{"error":{"kind":"second_factor_used","message":"second factor already used, or the challenge was answered","hint":null}}

"#]]);
    // A login of its own has a code of its own at once, and no interval is fine too.
    let challenge = world.challenge("alice");
    world.ok("setting set SecondFactorResendInterval 0");
    world.ok_again(&challenge);
    world.verify(&challenge, &world.code()).succeeds();
}

#[test]
fn switching_the_method_is_no_resend_and_keeps_the_tries() {
    let world = World::with_email();
    world.ok("method enable totp");
    world.ok("setting set SecondFactorAttemptCount 3");
    let secret = world.connect("alice");
    world.later(30);
    let challenge = world.challenge("alice --method totp");
    world.verify(&challenge, WRONG).exits(11);
    world
        .run(&format!("login resend {challenge} --method email -o json"))
        .shows(str![[r#"
$ twofa login resend ww4utcsdjnrzbrd567o6c7th54 --method email -o json
? 18
--- stdout
{
  "outcome": "second_factor_required",
  "reason": "second_factor_required",
  "user": "alice",
  "challenge": "ww4utcsdjnrzbrd567o6c7th54",
  "method": "email",
  "methods": [
    "email",
    "totp"
  ],
  "destination": "a***e@example.com",
  "expires_at": "2026-01-01T00:01:30Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
Next: `twofa login verify ww4utcsdjnrzbrd567o6c7th54 --code N`.

"#]]);
    world.verify(&challenge, WRONG).exits(11);
    world
        .run(&format!("login resend {challenge} --method totp -o json"))
        .shows(str![[r#"
$ twofa login resend ww4utcsdjnrzbrd567o6c7th54 --method totp -o json
? 18
--- stdout
{
  "outcome": "second_factor_required",
  "reason": "second_factor_required",
  "user": "alice",
  "challenge": "ww4utcsdjnrzbrd567o6c7th54",
  "method": "totp",
  "methods": [
    "email",
    "totp"
  ],
  "destination": null,
  "expires_at": "2026-01-01T00:20:30Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
Next: `twofa login verify ww4utcsdjnrzbrd567o6c7th54 --code N`.

"#]]);
    // Back to email within the interval: of this method it is a resend.
    world
        .run(&format!("login resend {challenge} --method email -q"))
        .exits(4);
    world
        .run(&format!("login resend {challenge} --method sms -o json"))
        .shows(str![[r#"
$ twofa login resend ww4utcsdjnrzbrd567o6c7th54 --method sms -o json
? 4
--- stdout
{
  "outcome": "denied",
  "reason": "method_not_usable",
  "user": "alice",
  "challenge": "ww4utcsdjnrzbrd567o6c7th54",
  "method": "sms",
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
error: this user cannot use the method now
 hint: `alice` can use email, totp
{"error":{"kind":"method_not_usable","message":"this user cannot use the method now","hint":"`alice` can use email, totp"}}

"#]]);
    world.verify(&challenge, WRONG).exits(14);
    world.ok("user unlock alice");
    world.verify(&challenge, &world.app(&secret)).succeeds();
}

#[test]
fn codes_to_one_user_are_limited_by_the_hour() {
    let world = World::with_email();
    world.ok("setting set SecondFactorSendLimit 2 SecondFactorCodeTTL 600");
    let first = world.challenge("alice");
    world.later(60);
    world.challenge("alice");
    let code = world.code();
    world.later(60);
    world.start("alice").shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 4
--- stderr
error: 2 codes were sent to this user within the hour
 hint: try again in 3480 s
{"error":{"kind":"send_limit","message":"2 codes were sent to this user within the hour","hint":"try again in 3480 s","retry_after":3480,"challenge":"bvulkurxm2tbsmwtbd6s4z3uty","methods":[]}}

"#]]);
    world
        .run(&format!("login resend {first} -o json"))
        .shows(str![[r#"
$ twofa login resend qtv3klsi4djhl6ivmtch7gakoi -o json
? 4
--- stderr
error: 2 codes were sent to this user within the hour
 hint: try again in 3480 s
{"error":{"kind":"send_limit","message":"2 codes were sent to this user within the hour","hint":"try again in 3480 s","retry_after":3480,"challenge":"qtv3klsi4djhl6ivmtch7gakoi","methods":[]}}

"#]]);
    assert_eq!(world.code(), code);
    // Others are not concerned, and the hour passes.
    world.logs_in("bob");
    world.later(3_600 - 121);
    world.start("alice").exits(4);
    world.later(1);
    world.challenge("alice");
    world.start("alice").exits(4);
    world.ok("setting set SecondFactorSendLimit 0");
    world.logs_in("alice");
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
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: the directory `[DIR]/mail` is not there","hint":"`twofa login resend bvulkurxm2tbsmwtbd6s4z3uty --method totp` asks by another method","temporary":true,"outbox":1,"challenge":"bvulkurxm2tbsmwtbd6s4z3uty","methods":["totp"]}}

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
  "sso": null,
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
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: the directory `[DIR]/mail` is not there","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":true,"outbox":3,"challenge":"mdissb5fvrrqfmfjowtjzd6qye","methods":[]}}

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
