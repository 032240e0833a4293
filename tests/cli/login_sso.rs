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

pub fn begun(world: &World, line: &str) -> String {
    let begun = world.run(&format!("{line} -o json")).json(18);
    begun["challenge"].as_str().unwrap().to_owned()
}

/// Keys of the verdict that differ from those of another kind of login.
pub fn told(verdict: &Value) -> Value {
    json!([
        verdict["outcome"],
        verdict["reason"],
        verdict["user"],
        verdict["sso"]["refusal"]
    ])
}

/// `idp test` tells of a response that logged somebody in that it did.
#[test]
fn a_response_that_counted_is_told_to_have() {
    let world = world();
    let challenge = begun(&world, "login start alice --idp corp");
    let response = answered(&world, |_| {});
    // The certificate is too young for these days, which is 20 by itself.
    let replay = || {
        let tested = world
            .run("idp test corp --saml-response-stdin -o json")
            .stdin(&response)
            .json(20);
        let rows = tested["checks"].as_array().unwrap();
        rows.iter()
            .find(|row| row["check"] == "replay")
            .map(Value::to_string)
    };
    assert_eq!(replay(), None);
    world
        .run(&format!("login verify {challenge} --saml-response-stdin"))
        .stdin(&response)
        .succeeds();
    snapbox::assert_data_eq!(
        replay().unwrap(),
        str![[
            r#"{"check":"replay","ok":false,"message":"Its assertion has counted already: a login would be refused.","hint":"log in once more, and copy the response before it is handed on"}"#
        ]]
    );
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
    snapbox::assert_data_eq!(
        serde_json::to_string_pretty(&shown).unwrap(),
        str![[r#"
{
  "outcome": "redirect",
  "reason": "sso_redirect",
  "user": "alice",
  "challenge": null,
  "method": null,
  "methods": [],
  "destination": null,
  "expires_at": "2026-01-31T12:20:00Z",
  "enrolment": null,
  "sso": {
    "idp": "corp",
    "redirect_url": null,
    "name_id": null,
    "name_id_format": null,
    "session_index": null,
    "contexts": [],
    "second_factor": null,
    "attributes": {},
    "created": false,
    "refusal": null,
    "found": null
  },
  "warnings": []
}
"#]]
    );
    let answer = answered(&world, |_| ());
    world
        .run(&format!(
            "login verify {challenge} --saml-response-stdin -o json"
        ))
        .stdin(&answer)
        .shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --saml-response-stdin -o json
? 0
--- stdout
{
  "outcome": "granted",
  "reason": null,
  "user": "alice",
  "challenge": "5dozipjwnsvoppvxa3dk4zuo74",
  "method": null,
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": {
    "idp": "corp",
    "redirect_url": null,
    "name_id": "alice@example.com",
    "name_id_format": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    "session_index": "_session",
    "contexts": [
      "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    ],
    "second_factor": false,
    "attributes": {
      "groups": [
        "Staff",
        "Ops"
      ]
    },
    "created": false,
    "refusal": null,
    "found": null
  },
  "warnings": []
}
--- stderr
`alice` is logged in.

"#]]);
    world
        .run(&format!("login verify {challenge} --saml-response-stdin"))
        .stdin(&answer)
        .shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --saml-response-stdin
? 12
--- stdout
outcome      denied
reason       sso_used
user         alice
challenge    5dozipjwnsvoppvxa3dk4zuo74
idp          corp
refusal      sso_used
--- stderr
error: the login was answered or cancelled
 hint: begin anew: `twofa login start --idp corp`

"#]]);
    world
        .run("audit list --limit 3 -o ndjson")
        .shows(str![[r#"
$ twofa audit list --limit 3 -o ndjson
? 0
--- stdout
{"seq":10,"at":"2026-01-31T12:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.denied","subject":"alice","outcome":"denied","reason":"sso_used","note":null,"detail":{"idp":"corp","found":null}}
{"seq":9,"at":"2026-01-31T12:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.granted","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"method":null,"idp":"corp","subject":"alice@example.com","contexts":["urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"],"second_factor":false}}
{"seq":8,"at":"2026-01-31T12:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.redirected","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"idp":"corp"}}

"#]]);
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
            "challenge",
            "expires at",
            "idp",
            "redirect"
        ]
    );
    let challenge = world.text("SELECT token FROM sso_login");
    assert_eq!(
        done.stderr,
        format!(
            "Send the browser there, then `twofa login verify {challenge} --saml-response-stdin`.\n"
        )
    );
    world.run("login list").shows(str![[r#"
$ twofa login list
? 0
--- stdout
CHALLENGE                   USER  PURPOSE  METHOD  CREATED AT            EXPIRES AT
5dozipjwnsvoppvxa3dk4zuo74  –     sso      –       2026-01-31T12:00:00Z  2026-01-31T12:20:00Z

"#]]);
    world
        .run(&format!("login resend {challenge}"))
        .shows(str![[r#"
$ twofa login resend 5dozipjwnsvoppvxa3dk4zuo74
? 4
--- stderr
error: this login waits for what an identity provider answers, and no code is sent for it
 hint: answer it with --saml-response-stdin, or begin anew with `twofa login start`

"#]]);
    world
        .run(&format!("login verify {challenge} --code 1"))
        .shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --code 1
? 4
--- stderr
error: this login waits for what an identity provider answers, and no code is sent for it
 hint: answer it with --saml-response-stdin, or begin anew with `twofa login start`

"#]]);
    world
        .run(&format!("login cancel {challenge}"))
        .shows(str![[r#"
$ twofa login cancel 5dozipjwnsvoppvxa3dk4zuo74
? 0
--- stdout
challenge   5dozipjwnsvoppvxa3dk4zuo74
user        –
purpose     sso
method      –
created at  2026-01-31T12:00:00Z
expires at  2026-01-31T12:20:00Z
changed     yes
--- stderr
The login was cancelled.

"#]]);
    world
        .run(&format!("login cancel {challenge} -o json"))
        .shows(str![[r#"
$ twofa login cancel 5dozipjwnsvoppvxa3dk4zuo74 -o json
? 0
--- stdout
{
  "challenge": "5dozipjwnsvoppvxa3dk4zuo74",
  "user": null,
  "purpose": "sso",
  "method": null,
  "created_at": "2026-01-31T12:00:00Z",
  "expires_at": "2026-01-31T12:20:00Z",
  "changed": false,
  "warnings": []
}
--- stderr
The login was over already.

"#]]);
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
    world.run(&line).stdin(&wrong).shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --saml-response-stdin
? 11
--- stdout
outcome      denied
reason       sso_refused
user         alice
challenge    5dozipjwnsvoppvxa3dk4zuo74
idp          corp
refusal      saml_audience
--- stderr
error: the assertion was meant for another audience: `https://sp.example.net`
 hint: `twofa idp test corp --saml-response-stdin` tells more

"#]]);
    let unsigned = answered(&world, |made| made.assertion = None);
    world
        .run(&format!("{line} -o json"))
        .stdin(&unsigned)
        .shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --saml-response-stdin -o json
? 11
--- stdout
{
  "outcome": "denied",
  "reason": "sso_refused",
  "user": "alice",
  "challenge": "5dozipjwnsvoppvxa3dk4zuo74",
  "method": null,
  "methods": [],
  "destination": null,
  "expires_at": null,
  "enrolment": null,
  "sso": {
    "idp": "corp",
    "redirect_url": null,
    "name_id": null,
    "name_id_format": null,
    "session_index": null,
    "contexts": [],
    "second_factor": null,
    "attributes": {},
    "created": false,
    "refusal": "saml_unsigned",
    "found": null
  },
  "warnings": []
}
--- stderr
error: neither the response nor its assertion is signed
 hint: `twofa idp test corp --saml-response-stdin` tells more
{"error":{"kind":"sso_refused","message":"neither the response nor its assertion is signed","hint":"`twofa idp test corp --saml-response-stdin` tells more"}}

"#]]);
    world.run(&line).stdin("").shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --saml-response-stdin
? 2
--- stderr
error: standard input has no response for --saml-response-stdin

"#]]);
    world.run(&line).stdin("not base64!").shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --saml-response-stdin
? 11
--- stdout
outcome      denied
reason       sso_refused
user         alice
challenge    5dozipjwnsvoppvxa3dk4zuo74
idp          corp
refusal      saml_base64
--- stderr
error: the response is not base64
 hint: `twofa idp test corp --saml-response-stdin` tells more

"#]]);
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
        made.name_id = "<saml:NameID>supervisor</saml:NameID>".to_owned();
    });
    world
        .run(&format!("login verify {challenge} --saml-response-stdin"))
        .stdin(&admin)
        .shows(str![[r#"
$ twofa login verify ocbskksiyvnvzpjdypmpx3zovm --saml-response-stdin
? 11
--- stdout
outcome      denied
reason       sso_refused
user         Supervisor
challenge    ocbskksiyvnvzpjdypmpx3zovm
idp          corp
name id      supervisor
refusal      sso_administrator
contexts     urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport
2nd factor   not asserted
--- stderr
error: administrators may not come through this provider
 hint: `twofa idp edit corp --administrators yes` would let them

"#]]);
    let challenge = begun(&world, "login start --idp corp");
    let nobody = answered(&world, |made| {
        made.name_id = "<saml:NameID>nobody</saml:NameID>".to_owned();
    });
    world
        .run(&format!("login verify {challenge} --saml-response-stdin"))
        .stdin(&nobody)
        .shows(str![[r#"
$ twofa login verify whiv2gsutt7bccj37iwztwusne --saml-response-stdin
? 11
--- stdout
outcome      denied
reason       sso_refused
challenge    whiv2gsutt7bccj37iwztwusne
idp          corp
name id      nobody
refusal      sso_unknown_user
contexts     urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport
2nd factor   not asserted
--- stderr
error: nobody here is called `nobody`, and the provider may not add them
 hint: add them, or let the provider: `twofa idp edit corp --employees create`

"#]]);
}

#[test]
fn what_cannot_be_begun_or_answered_is_said() {
    let world = world();
    world.run("login start").shows(str![[r#"
$ twofa login start
? 2
--- stderr
error: the following required arguments were not provided:
  <USER>

Usage: twofa login start --db <FILE> <USER>

For more information, try '--help'.

"#]]);
    world.run("login start alice --idp crop").shows(str![[r#"
$ twofa login start alice --idp crop
? 3
--- stderr
error: no identity provider is named `crop`
 hint: did you mean `corp`?

"#]]);
    world.run("login start alice --force-authn").shows(str![[r#"
$ twofa login start alice --force-authn
? 2
--- stderr
error: --force-authn is of a login through an identity provider
 hint: --idp NAME names one

"#]]);
    world
        .run("login start alice --idp corp --password-stdin")
        .stdin("x\n")
        .shows(str![[r#"
$ twofa login start alice --idp corp --password-stdin
? 2
--- stderr
error: the argument '--idp <NAME>' cannot be used with '--password-stdin'

Usage: twofa login start --idp <NAME> --db <FILE> <USER>

For more information, try '--help'.

"#]]);
    world
        .run("login start alice --idp corp --channel forms")
        .shows(str![[r#"
$ twofa login start alice --idp corp --channel forms
? 2
--- stderr
error: an identity provider logs people in, and the channel `forms` is for integrations
 hint: leave --channel away

"#]]);
    world
        .run("login verify --saml-response-stdin")
        .shows(str![[r#"
$ twofa login verify --saml-response-stdin
? 2
--- stderr
error: the following required arguments were not provided:
  <CHALLENGE>

Usage: twofa login verify --saml-response-stdin --db <FILE> <CHALLENGE>

For more information, try '--help'.

"#]]);
    world
        .run("login verify x --saml-response-stdin")
        .stdin("eA==")
        .shows(str![[r#"
$ twofa login verify x --saml-response-stdin
? 3
--- stderr
error: there is no challenge `x`
 hint: `twofa login list` shows the open ones; `twofa login start` makes one

"#]]);
    world
        .run("login verify --idp corp --code 1")
        .shows(str![[r#"
$ twofa login verify --idp corp --code 1
? 2
--- stderr
error: --idp is of a login that a provider began, and takes its answer
 hint: give that with --saml-response-stdin

"#]]);
    world.ok("idp disable corp --yes");
    world.run("login start alice --idp corp").shows(str![[r#"
$ twofa login start alice --idp corp
? 4
--- stderr
error: the identity provider `corp` is not enabled
 hint: `twofa idp enable corp`

"#]]);
}
