//! `twofa login`: connecting an app at login, where it is the only way in, or offered where it is primary.

use serde_json::{Value, json};
use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

/// The app is enabled and primary, and nothing else is.
fn app_only() -> World {
    let world = World::peopled();
    world.ok("method primary totp");
    world.ok("setting set Enable2FA on --yes");
    world
}

impl World {
    /// A login that must connect the app first: its challenge and the secret.
    fn enrols(&self, login: &str) -> (String, String) {
        let verdict = self.start(login).json(16);
        assert_eq!(verdict["outcome"], "enrolment_required");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            text(&verdict["challenge"]),
            text(&verdict["enrolment"]["secret"]),
        )
    }
}

#[test]
fn a_login_connects_the_app_and_is_granted_in_one_step() {
    let world = app_only();
    world.start("alice").shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 16
--- stdout
{
  "outcome": "enrolment_required",
  "reason": "enrolment_required",
  "user": "alice",
  "challenge": "ijmneh5iwcexoxrftku75p6zma",
  "method": "totp",
  "methods": [],
  "destination": null,
  "expires_at": "2026-01-01T00:02:00Z",
  "enrolment": {
    "setup_token": "j7yzbngcyvz6zgm5rw3v6idei4",
    "uri": "otpauth://totp/twofa:alice?secret=5DOZIPJWNSVOPPVXA3DK4ZUO74FCK76F&issuer=twofa",
    "secret": "5DOZIPJWNSVOPPVXA3DK4ZUO74FCK76F",
    "expires_at": "2026-01-01T00:02:00Z"
  },
  "sso": null,
  "warnings": []
}
--- stderr
Connect the app, then `twofa login verify ijmneh5iwcexoxrftku75p6zma --code N`.

"#]]);
    let (challenge, secret) = world.enrols("alice");
    assert_eq!(
        world.json("login list --user alice")[0]["purpose"],
        "enrolment"
    );
    let code = world.app(&secret);
    world.verify(&challenge, &code).shows(str![[r#"
$ twofa login verify srlgl2u5kshlgfr52zh4o5hb4m --code 098439 -o json
? 0
--- stdout
{
  "outcome": "granted",
  "reason": null,
  "user": "alice",
  "challenge": "srlgl2u5kshlgfr52zh4o5hb4m",
  "method": "totp",
  "methods": [
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
    assert_eq!(world.json("authenticator show alice")["connected"], true);
    assert_eq!(
        world.json("user show alice")["last_login_at"],
        "2026-01-01T00:00:00Z"
    );
    // The challenge is answered, the step consumed.
    world.verify(&challenge, &code).exits(12);
    let next = world.challenge("alice");
    world.verify(&next, &code).exits(12);
    world.later(30);
    world.verify(&next, &world.app(&secret)).succeeds();
    assert_eq!(
        world.kept("login"),
        [
            r#"login.started alice ok - {"method":"totp","enrolment":true}"#,
            r#"login.started alice ok - {"method":"totp","enrolment":true}"#,
            r#"login.granted alice ok - {"method":"totp"}"#,
            "login.denied alice denied second_factor_used null",
            r#"login.started alice ok - {"method":"totp"}"#,
            "login.denied alice denied second_factor_used null",
            r#"login.granted alice ok - {"method":"totp"}"#,
        ]
    );
    assert_eq!(
        world.kept("authenticator"),
        [
            r#"authenticator.started alice ok - {"expires_at":"2026-01-01T00:02:00Z"}"#,
            r#"authenticator.started alice ok - {"expires_at":"2026-01-01T00:02:00Z"}"#,
            "authenticator.connected alice ok - null",
        ]
    );
}

#[test]
fn an_enrolment_reads_well() {
    let world = app_only();
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin
? 16
--- stdout
outcome      enrolment_required
reason       enrolment_required
user         alice
challenge    ijmneh5iwcexoxrftku75p6zma
method       totp
expires at   2026-01-01T00:02:00Z

secret       5DOZ IPJW NSVO PPVX A3DK 4ZUO 74FC K76F
uri          otpauth://totp/twofa:alice?secret=5DOZIPJWNSVOPPVXA3DK4ZUO74FCK76F&issuer=twofa
setup token  j7yzbngcyvz6zgm5rw3v6idei4
expires at   2026-01-01T00:02:00Z
--- stderr
Connect the app, then `twofa login verify ijmneh5iwcexoxrftku75p6zma --code N`.

"#]]);
}

#[test]
fn the_fifth_wrong_code_voids_the_enrolment_and_none_is_a_try() {
    let world = app_only();
    world.ok("setting set SecondFactorAttemptCount 2");
    let (challenge, secret) = world.enrols("alice");
    world.verify(&challenge, WRONG).shows(str![[r#"
$ twofa login verify srlgl2u5kshlgfr52zh4o5hb4m --code 000000 -o json
? 11
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_wrong",
  "user": "alice",
  "challenge": "srlgl2u5kshlgfr52zh4o5hb4m",
  "method": "totp",
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
error: second factor wrong
{"error":{"kind":"second_factor_wrong","message":"second factor wrong","hint":null}}

"#]]);
    for _ in 0..3 {
        world.verify(&challenge, WRONG).exits(11);
    }
    world.verify(&challenge, WRONG).shows(str![[r#"
$ twofa login verify srlgl2u5kshlgfr52zh4o5hb4m --code 000000 -o json
? 11
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_wrong",
  "user": "alice",
  "challenge": "srlgl2u5kshlgfr52zh4o5hb4m",
  "method": "totp",
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": null,
  "warnings": [
    {
      "kind": "setup_void",
      "message": "It was the last try: the set-up is void.",
      "hint": "twofa login start alice"
    }
  ]
}
--- stderr
warning: It was the last try: the set-up is void.
   hint: twofa login start alice
error: second factor wrong
{"error":{"kind":"second_factor_wrong","message":"second factor wrong","hint":null}}

"#]]);
    world.verify(&challenge, &world.app(&secret)).shows(str![[r#"
$ twofa login verify srlgl2u5kshlgfr52zh4o5hb4m --code 098439 -o json
? 12
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_used",
  "user": "alice",
  "challenge": "srlgl2u5kshlgfr52zh4o5hb4m",
  "method": "totp",
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
    assert_eq!(world.json("user show alice")["locked_until"], Value::Null);
    assert_eq!(
        world.json("authenticator show alice")["pending_until"],
        Value::Null
    );
    // Beginning anew works, with all five.
    let (challenge, secret) = world.enrols("alice");
    for _ in 0..4 {
        world.verify(&challenge, WRONG).exits(11);
    }
    world.verify(&challenge, &world.app(&secret)).succeeds();
    assert_eq!(
        world.kept("authenticator")[1..6],
        [
            r#"authenticator.wrong alice denied second_factor_wrong {"failures":1}"#,
            r#"authenticator.wrong alice denied second_factor_wrong {"failures":2}"#,
            r#"authenticator.wrong alice denied second_factor_wrong {"failures":3}"#,
            r#"authenticator.wrong alice denied second_factor_wrong {"failures":4}"#,
            r#"authenticator.wrong alice denied setup_void {"failures":5}"#,
        ]
    );
}

#[test]
fn an_enrolment_ends_with_its_setup_token() {
    let world = app_only();
    world.ok("setting set TotpSetupTokenTtl 5");
    let verdict = world.start("alice").json(16);
    assert_eq!(verdict["expires_at"], "2026-01-01T00:05:00Z");
    assert_eq!(verdict["enrolment"]["expires_at"], "2026-01-01T00:05:00Z");
    let challenge = verdict["challenge"].as_str().unwrap().to_owned();
    let secret = verdict["enrolment"]["secret"].as_str().unwrap().to_owned();
    world.later(300);
    world.verify(&challenge, &world.app(&secret)).shows(str![[r#"
$ twofa login verify srlgl2u5kshlgfr52zh4o5hb4m --code 790116 -o json
? 13
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_expired",
  "user": "alice",
  "challenge": "srlgl2u5kshlgfr52zh4o5hb4m",
  "method": "totp",
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
    // No login is open longer than twenty minutes, whatever the token says.
    world.ok("setting set TotpSetupTokenTtl 60");
    let verdict = world.start("alice").json(16);
    assert_eq!(verdict["expires_at"], "2026-01-01T00:25:00Z");
    assert_eq!(verdict["enrolment"]["expires_at"], "2026-01-01T01:05:00Z");
}

#[test]
fn a_later_setup_replaces_the_one_of_a_login() {
    let world = app_only();
    let (first, old) = world.enrols("alice");
    let (second, _) = world.enrols("alice");
    world.verify(&first, &world.app(&old)).shows(str![[r#"
$ twofa login verify ijmneh5iwcexoxrftku75p6zma --code 874696 -o json
? 12
--- stdout
{
  "outcome": "denied",
  "reason": "second_factor_used",
  "user": "alice",
  "challenge": "ijmneh5iwcexoxrftku75p6zma",
  "method": "totp",
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
    let setup = world.json("authenticator connect alice");
    let secret = setup["secret"].as_str().unwrap();
    world.verify(&second, &world.app(secret)).exits(12);
    world.ok(&format!(
        "authenticator confirm alice --code {}",
        world.app(secret)
    ));
}

#[test]
fn an_enrolment_cannot_be_answered_while_locked() {
    let world = app_only();
    let (challenge, secret) = world.enrols("alice");
    world.ok("user deactivate alice --yes");
    world.verify(&challenge, &world.app(&secret)).exits(15);
    world.ok("user activate alice");
    world.verify(&challenge, &world.app(&secret)).succeeds();
}

#[test]
fn an_enrolment_ends_when_the_app_is_switched_off() {
    let world = app_only();
    let (challenge, secret) = world.enrols("alice");
    world.ok("method disable totp --yes --allow-lockout");
    let verdict = world.verify(&challenge, &world.app(&secret)).json(16);
    assert_eq!(verdict["reason"], "no_second_factor");
    assert_eq!(world.json("authenticator show alice")["connected"], false);
}

#[test]
fn nothing_is_sent_for_an_enrolment() {
    let world = app_only();
    let (challenge, _) = world.enrols("alice");
    world
        .run(&format!("login resend {challenge} -o json"))
        .shows(str![[r#"
$ twofa login resend ijmneh5iwcexoxrftku75p6zma -o json
? 4
--- stderr
error: this login waits for an authenticator app to be connected, and nothing is sent for it
 hint: answer with a code of the app, or begin anew with `twofa login start alice`
{"error":{"kind":"invalid_value","message":"this login waits for an authenticator app to be connected, and nothing is sent for it","hint":"answer with a code of the app, or begin anew with `twofa login start alice`"}}

"#]]);
}

#[test]
fn another_usable_method_goes_before_an_enrolment() {
    let world = app_only();
    // Enabled is enough, it need not be primary.
    world.ok("method enable email");
    let verdict = world.start("alice").json(18);
    assert_eq!(
        (&verdict["method"], &verdict["enrolment"]),
        (&json!("email"), &Value::Null)
    );
    // The granted answer offers the connection, because the app is primary.
    let challenge = verdict["challenge"].as_str().unwrap();
    world.verify(challenge, &world.code()).shows(str![[r#"
$ twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code 991103 -o json
? 0
--- stdout
{
  "outcome": "granted",
  "reason": null,
  "user": "alice",
  "challenge": "qtv3klsi4djhl6ivmtch7gakoi",
  "method": "email",
  "methods": [
    "email"
  ],
  "destination": null,
  "expires_at": null,
  "enrolment": {
    "setup_token": "pomztt77fhpvpghyqq64xuduoi",
    "uri": "otpauth://totp/twofa:alice?secret=DXYMWVP4E467QLLUM3FVLKHXIRRHQAZ7&issuer=twofa",
    "secret": "DXYMWVP4E467QLLUM3FVLKHXIRRHQAZ7",
    "expires_at": "2026-01-01T00:02:00Z"
  },
  "sso": null,
  "warnings": []
}
--- stderr
`alice` is logged in.

"#]]);
    let offered = world.json("audit list --event authenticator.started --limit 1");
    assert_eq!(offered[0]["subject"], "alice");
    // Not taking it changes nothing; where email is primary nothing is offered.
    world.ok("method primary email");
    let challenge = world.challenge("alice");
    let verdict = world.verify(&challenge, &world.code()).json(0);
    assert_eq!(verdict["enrolment"], Value::Null);
}

#[test]
fn what_a_granted_answer_offers_can_be_confirmed() {
    let world = app_only();
    world.ok("method enable email");
    let challenge = world.challenge("alice");
    let verdict = world.verify(&challenge, &world.code()).json(0);
    let secret = verdict["enrolment"]["secret"].as_str().unwrap();
    let token = verdict["enrolment"]["setup_token"].as_str().unwrap();
    world.ok(&format!(
        "authenticator confirm alice --setup-token {token} --code {}",
        world.app(secret)
    ));
    world.later(30);
    let challenge = world.challenge("alice");
    let verdict = world.verify(&challenge, &world.app(secret)).json(0);
    assert_eq!(verdict["enrolment"], Value::Null);
}

#[test]
fn a_recovery_code_goes_before_an_enrolment_too() {
    let world = app_only();
    world.ok("method enable recovery-codes");
    let codes = world.recovery("alice");
    let verdict = world.start("alice").json(18);
    assert_eq!(verdict["method"], "recovery-codes");
    let challenge = verdict["challenge"].as_str().unwrap();
    let verdict = world.verify(challenge, &codes[0]).json(0);
    assert!(verdict["enrolment"]["secret"].is_string());
    // Bob has none and must connect the app, whatever method he would rather use.
    world.enrols("bob");
    world.enrols("bob --method recovery-codes");
}
