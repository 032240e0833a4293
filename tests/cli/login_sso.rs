//! Logins through an identity provider, end to end: the request, the answer, and what is told of either.

use std::sync::OnceLock;

use data_encoding::BASE64;
use serde_json::{Value, json};
use snapbox::str;

use crate::made::{Made, PROVIDER, REQUEST};
use crate::world::{Built, World};

/// 2026-01-31T12:00:00Z, at which the test provider answers.
const NOON: i64 = 1_769_860_800;

/// The certificate of a file that has the key too.
pub fn certificate(pem: &str) -> &str {
    &pem[pem.find("-----BEGIN CERTIFICATE-----").unwrap()..]
}

/// `World::peopled` with the enabled provider `corp`.
pub fn world() -> World {
    static BUILT: OnceLock<Built> = OnceLock::new();
    World::once(&BUILT, || {
        let world = World::peopled();
        world.later(NOON - world.now());
        world.write("corp.crt", certificate(PROVIDER));
        world.ok("idp add corp --entity-id https://idp.example.com/metadata --sso-url https://idp.example.com/sso \
             --certificate corp.crt --acs-url https://sp.example.org/acs --own-entity-id https://sp.example.org");
        world.ok("idp enable corp");
        world
    })
}

/// What `made` answers to the newest request, as a browser posts it.
pub fn answered(world: &World, change: impl FnOnce(&mut Made)) -> String {
    let request = world.text("SELECT request FROM sso_login ORDER BY id DESC LIMIT 1");
    let mut made = Made {
        id: format!("_a{request}"),
        ..Made::default()
    };
    change(&mut made);
    for part in [&mut made.head, &mut made.confirmation] {
        *part = part.replace(REQUEST, &request);
    }
    BASE64.encode(made.xml().as_bytes())
}

fn begun(world: &World, line: &str) -> String {
    let begun = world.run(line).json(18);
    begun["challenge"].as_str().unwrap().to_owned()
}

/// Keys of the verdict that differ from those of another kind of login.
fn told(verdict: &Value) -> Value {
    json!([
        verdict["outcome"],
        verdict["reason"],
        verdict["user"],
        verdict["sso"]["refusal"]
    ])
}

#[test]
fn a_login_goes_to_the_provider_and_comes_back() {
    let world = world();
    let done = world.run("login start alice --idp corp -o json").exits(18);
    let begun: Value = serde_json::from_str(&done.stdout).unwrap();
    let mut shown = begun.clone();
    let url = shown["sso"]["redirect_url"].take();
    let url = url.as_str().unwrap();
    let challenge = begun["challenge"].as_str().unwrap();
    assert!(url.starts_with("https://idp.example.com/sso?SAMLRequest="));
    assert!(url.ends_with(&format!("&RelayState={challenge}")));
    shown["challenge"] = Value::Null;
    snapbox::assert_data_eq!(serde_json::to_string_pretty(&shown).unwrap(), str![[r#""#]]);
    let answer = answered(&world, |_| ());
    world
        .run(&format!(
            "login verify {challenge} --saml-response-stdin -o json"
        ))
        .stdin(&answer)
        .shows(str![[r#""#]]);
    world
        .run(&format!("login verify {challenge} --saml-response-stdin"))
        .stdin(&answer)
        .shows(str![[r#""#]]);
    world
        .run("audit list --limit 3 -o ndjson")
        .shows(str![[r#""#]]);
}

#[test]
fn people_are_told_where_to_go() {
    let world = world();
    let done = world.run("login start --idp corp").exits(18);
    let shown: Vec<&str> = done
        .stdout
        .lines()
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    assert_eq!(
        shown,
        [
            "outcome",
            "reason",
            "user",
            "challenge",
            "expires at",
            "idp",
            "redirect url"
        ]
    );
    let challenge = world.text("SELECT token FROM sso_login");
    assert_eq!(
        done.stderr,
        format!(
            "Send the browser there, then `twofa login verify {challenge} --saml-response-stdin`.\n"
        )
    );
    world.run("login list").shows(str![[r#""#]]);
    world
        .run(&format!("login resend {challenge}"))
        .shows(str![[r#""#]]);
    world
        .run(&format!("login verify {challenge} --code 1"))
        .shows(str![[r#""#]]);
    world
        .run(&format!("login cancel {challenge}"))
        .shows(str![[r#""#]]);
    world
        .run(&format!("login cancel {challenge} -o json"))
        .shows(str![[r#""#]]);
    let cancelled = world
        .run(&format!(
            "login verify {challenge} --saml-response-stdin -o json"
        ))
        .stdin("eA==")
        .json(12);
    assert_eq!(
        told(&cancelled),
        json!(["denied", "sso_used", "", "sso_used"])
    );
}

#[test]
fn a_refusal_says_why_and_what_to_do() {
    let world = world();
    let challenge = begun(&world, "login start alice --idp corp");
    let line = format!("login verify {challenge} --saml-response-stdin");
    let wrong = answered(&world, |made| {
        made.conditions = made.conditions.replace("sp.example.org", "sp.example.net");
    });
    world.run(&line).stdin(&wrong).shows(str![[r#""#]]);
    let unsigned = answered(&world, |made| made.assertion = None);
    world
        .run(&format!("{line} -o json"))
        .stdin(&unsigned)
        .shows(str![[r#""#]]);
    world.run(&line).stdin("").shows(str![[r#""#]]);
    world.run(&line).stdin("not base64!").shows(str![[r#""#]]);
    let longest = "QUJD".repeat(400_000);
    let large = world
        .run(&format!("{line} -o json"))
        .stdin(&longest)
        .json(11);
    assert_eq!(
        told(&large),
        json!(["denied", "sso_refused", "alice", "saml_too_large"])
    );
    let challenge = begun(&world, "login start --idp corp");
    let admin = answered(&world, |made| {
        made.name_id = "<saml:NameID>supervisor</saml:NameID>".to_owned()
    });
    world
        .run(&format!("login verify {challenge} --saml-response-stdin"))
        .stdin(&admin)
        .shows(str![[r#""#]]);
    let challenge = begun(&world, "login start --idp corp");
    let nobody = answered(&world, |made| {
        made.name_id = "<saml:NameID>nobody</saml:NameID>".to_owned()
    });
    world
        .run(&format!("login verify {challenge} --saml-response-stdin"))
        .stdin(&nobody)
        .shows(str![[r#""#]]);
}

#[test]
fn what_cannot_be_begun_or_answered_is_said() {
    let world = world();
    world.run("login start").shows(str![[r#""#]]);
    world
        .run("login start alice --idp crop")
        .shows(str![[r#""#]]);
    world
        .run("login start alice --force-authn")
        .shows(str![[r#""#]]);
    world
        .run("login start alice --idp corp --password-stdin")
        .stdin("x\n")
        .shows(str![[r#""#]]);
    world
        .run("login start alice --idp corp --channel forms")
        .shows(str![[r#""#]]);
    world
        .run("login verify --saml-response-stdin")
        .shows(str![[r#""#]]);
    world
        .run("login verify x --saml-response-stdin")
        .stdin("eA==")
        .shows(str![[r#""#]]);
    world
        .run("login verify --idp corp --code 1")
        .shows(str![[r#""#]]);
    world.ok("idp disable corp --yes");
    world
        .run("login start alice --idp corp")
        .shows(str![[r#""#]]);
}

#[test]
fn who_has_come_through_a_provider_and_has_no_password_goes_there() {
    let world = world();
    world.ok("user add carol --email carol@example.com");
    // Nobody knows yet where she belongs.
    world.run("login start carol").exits(2);
    let challenge = begun(&world, "login start carol --idp corp");
    let answer = answered(&world, |made| {
        made.name_id = "<saml:NameID>carol@example.com</saml:NameID>".to_owned()
    });
    let verdict = world
        .run(&format!(
            "login verify {challenge} --saml-response-stdin -o json"
        ))
        .stdin(&answer)
        .json(0);
    assert_eq!(told(&verdict), json!(["granted", null, "carol", null]));
    let begun = world
        .run("login start carol --force-authn -o json")
        .json(18);
    assert_eq!(begun["sso"]["idp"], "corp");
    // Whoever has a password uses it, unless a provider is named.
    let challenge = self::begun(&world, "login start alice --idp corp");
    let answer = answered(&world, |_| ());
    let line = format!("login verify {challenge} --saml-response-stdin -o json");
    world.run(&line).stdin(&answer).json(0);
    world.run("login start alice").exits(2);
    world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(0);
}

#[test]
fn employees_have_to_where_their_passwords_are_off() {
    let world = world();
    world.ok("idp default corp");
    world.ok("setting set DisableInternalUserPasswordAuth on");
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#""#]]);
    let wrong = world
        .run("login start alice --password-stdin -o json")
        .stdin("wrong\n")
        .json(10);
    assert_eq!(
        wrong["reason"], "first_factor_wrong",
        "nobody else learns of it"
    );
    let begun = world.run("login start alice -o json").json(18);
    assert_eq!(begun["sso"]["idp"], "corp");
    // Administrators, and users who are no employees, use their passwords.
    world.run("login start Supervisor").exits(2);
    world.ok("user add eve --type external");
    world.run("login start eve").exits(2);
}

#[test]
fn the_response_does_not_go_with_a_code_or_a_method() {
    let world = world();
    let challenge = begun(&world, "login start alice --idp corp");
    for beside in ["--code 1", "--code-stdin", "--method totp"] {
        let line = format!("login verify {challenge} --saml-response-stdin {beside}");
        let done = world.run(&line).stdin("x").exits(2);
        assert!(
            done.stderr.contains("cannot be used with"),
            "{}",
            done.stderr
        );
    }
}
