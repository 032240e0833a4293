//! `twofa login`: what all logins share, `list`, `cancel` and `simulate`; the files beside this one have the rest.

use serde_json::Value;
use snapbox::str;

use crate::world::{Run, World};

/// No code that any of these tests is sent.
pub const WRONG: &str = "000000";

/// The keys of a login's document, in their order.
pub const KEYS: [&str; 11] = [
    "outcome",
    "reason",
    "user",
    "challenge",
    "method",
    "methods",
    "destination",
    "expires_at",
    "enrolment",
    "sso",
    "warnings",
];

impl World {
    /// `login start` with the right password of the first word, in JSON.
    pub fn start(&self, line: &str) -> Run<'_> {
        let login = line.split(' ').next().unwrap();
        self.run(&format!("login start {line} --password-stdin -o json"))
            .stdin(&format!("{login}-pw\n"))
    }

    /// A login whose first factor was right: its challenge.
    pub fn challenge(&self, line: &str) -> String {
        let verdict = self.start(line).json(18);
        verdict["challenge"].as_str().unwrap().to_owned()
    }

    /// `login verify`, in JSON.
    pub fn verify(&self, challenge: &str, code: &str) -> Run<'_> {
        self.run(&format!("login verify {challenge} --code {code} -o json"))
    }

    /// `login resend` that must send.
    pub fn ok_again(&self, challenge: &str) {
        self.run(&format!("login resend {challenge} -q")).exits(18);
    }

    /// A login by email that must be granted.
    pub fn logs_in(&self, login: &str) {
        let challenge = self.challenge(login);
        self.verify(&challenge, &self.code()).succeeds();
    }

    /// What the app of a secret shows `seconds` from now.
    pub fn app_at(&self, secret: &str, seconds: i64) -> String {
        self.later(seconds);
        let code = self.app(secret);
        self.later(-seconds);
        code
    }

    /// A new set of recovery codes.
    pub fn recovery(&self, login: &str) -> Vec<String> {
        let set = self.json(&format!("recovery-codes generate {login}"));
        let codes = set["codes"].as_array().unwrap();
        codes
            .iter()
            .map(|code| code.as_str().unwrap().to_owned())
            .collect()
    }

    /// What the audit log keeps of these events, oldest first: event, outcome, reason and detail.
    pub fn kept(&self, events: &str) -> Vec<String> {
        let rows = self.json(&format!("audit list --event {events}"));
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let mut rows: Vec<String> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let words = ["event", "subject", "outcome", "reason"];
                let words: Vec<String> = words.iter().map(|key| text(&row[*key])).collect();
                format!("{} {}", words.join(" "), row["detail"])
            })
            .collect();
        rows.reverse();
        rows
    }
}

#[test]
fn every_verdict_is_one_document_with_the_same_keys() {
    let world = World::with_email();
    let keys = |verdict: &Value| -> Vec<String> {
        let object = verdict.as_object().unwrap();
        object.keys().cloned().collect()
    };
    let required = world.start("alice").json(18);
    assert_eq!(keys(&required), KEYS);
    let challenge = required["challenge"].as_str().unwrap();
    assert_eq!(keys(&world.verify(challenge, WRONG).json(11)), KEYS);
    assert_eq!(keys(&world.verify(challenge, &world.code()).json(0)), KEYS);
    assert_eq!(keys(&world.verify(challenge, WRONG).json(12)), KEYS);
    assert_eq!(keys(&world.start("nobody").json(10)), KEYS);
    world.ok("method disable email --yes --allow-lockout");
    assert_eq!(keys(&world.start("alice").json(16)), KEYS);
    world.ok("method enable totp");
    let enrolment = world.start("alice").json(16);
    assert_eq!(keys(&enrolment), KEYS);
    assert_eq!(
        keys(&enrolment["enrolment"]),
        ["setup_token", "uri", "secret", "expires_at"]
    );
}

#[test]
fn verdicts_read_well() {
    let world = World::with_email();
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin
? 18
--- stdout
outcome      second_factor_required
reason       second_factor_required
user         alice
challenge    5dozipjwnsvoppvxa3dk4zuo74
method       email
methods      email
destination  a***e@example.com
expires at   2026-01-01T00:01:00Z
--- stderr
Next: `twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --code N`.

"#]]);
    let listed = world.json("login list");
    let challenge = listed[0]["challenge"].as_str().unwrap();
    world
        .run(&format!("login verify {challenge} --code {WRONG}"))
        .shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --code 000000
? 11
--- stdout
outcome      denied
reason       second_factor_wrong
user         alice
challenge    5dozipjwnsvoppvxa3dk4zuo74
method       email
--- stderr
warning: 4 tries are left.
error: second factor wrong

"#]]);
    let code = world.code();
    world
        .run(&format!("login verify {challenge} --code {code}"))
        .shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --code 231284
? 0
--- stdout
outcome      granted
user         alice
challenge    5dozipjwnsvoppvxa3dk4zuo74
method       email
methods      email
--- stderr
`alice` is logged in.

"#]]);
    world
        .run(&format!("login verify {challenge} --code {code}"))
        .shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --code 231284
? 12
--- stdout
outcome      denied
reason       second_factor_used
user         alice
challenge    5dozipjwnsvoppvxa3dk4zuo74
method       email
--- stderr
error: second factor already used, or the challenge was answered

"#]]);
    world
        .run("login start ALICE --password-stdin")
        .stdin("wrong\n")
        .shows(str![[r#"
$ twofa login start ALICE --password-stdin
? 10
--- stdout
outcome      denied
reason       first_factor_wrong
user         ALICE
--- stderr
error: the login was refused

"#]]);
}

#[test]
fn formats_other_than_a_document_work_too() {
    let world = World::with_email();
    world
        .run("login start alice --password-stdin -o ndjson")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin -o ndjson
? 18
--- stdout
{"outcome":"second_factor_required","reason":"second_factor_required","user":"alice","challenge":"5dozipjwnsvoppvxa3dk4zuo74","method":"email","methods":["email"],"destination":"a***e@example.com","expires_at":"2026-01-01T00:01:00Z","enrolment":null,"sso":null,"warnings":[]}
--- stderr
Next: `twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --code N`.

"#]]);
    world
        .run("login start alice --password-stdin -o csv")
        .stdin("wrong\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin -o csv
? 10
--- stdout
outcome,reason,user,challenge,method,methods,destination,expires_at,enrolment,sso,warnings
denied,first_factor_wrong,alice,,,,,,,,
--- stderr
error: the login was refused

"#]]);
}

#[test]
fn list_shows_what_can_be_answered() {
    let world = World::with_email();
    world.run("login list").shows(str![[r#"
$ twofa login list
? 0
--- stdout
CHALLENGE  USER  PURPOSE  METHOD  CREATED AT  EXPIRES AT

"#]]);
    let first = world.challenge("alice");
    world.later(60);
    let second = world.challenge("bob");
    world.run("login list").shows(str![[r#"
$ twofa login list
? 0
--- stdout
CHALLENGE                   USER   PURPOSE  METHOD  CREATED AT            EXPIRES AT
dxymwvp4e467qllum3fvlkhxiq  bob    login    email   2026-01-01T00:01:00Z  2026-01-01T00:21:00Z
qtv3klsi4djhl6ivmtch7gakoi  alice  login    email   2026-01-01T00:00:00Z  2026-01-01T00:20:00Z

"#]]);
    world.run("login list --user alice -o json").shows(str![[r#"
$ twofa login list --user alice -o json
? 0
--- stdout
[
  {"challenge":"qtv3klsi4djhl6ivmtch7gakoi","user":"alice","purpose":"login","method":"email","created_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-01T00:20:00Z"}
]

"#]]);
    world.run("login list --user alcie -o json").shows(str![[r#"
$ twofa login list --user alcie -o json
? 3
--- stderr
error: no user is named `alcie`
 hint: did you mean `alice`?
{"error":{"kind":"not_found","message":"no user is named `alcie`","hint":"did you mean `alice`?","near":"alice"}}

"#]]);
    world.verify(&second, &world.code()).succeeds();
    let left = world.json("login list");
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["challenge"], first.as_str());
    // Twenty minutes after its start it is gone.
    world.later(1_139);
    assert_eq!(world.json("login list").as_array().unwrap().len(), 1);
    world.later(1);
    assert_eq!(world.json("login list"), serde_json::json!([]));
}

#[test]
fn a_cancelled_login_is_over() {
    let world = World::with_email();
    let challenge = world.challenge("alice");
    world
        .run(&format!("login cancel {challenge} -o json"))
        .shows(str![[r#"
$ twofa login cancel 5dozipjwnsvoppvxa3dk4zuo74 -o json
? 0
--- stdout
{
  "challenge": "5dozipjwnsvoppvxa3dk4zuo74",
  "user": "alice",
  "purpose": "login",
  "method": "email",
  "created_at": "2026-01-01T00:00:00Z",
  "expires_at": "2026-01-01T00:20:00Z",
  "changed": true,
  "warnings": []
}
--- stderr
The login was cancelled.

"#]]);
    world
        .run(&format!("login cancel {challenge}"))
        .shows(str![[r#"
$ twofa login cancel 5dozipjwnsvoppvxa3dk4zuo74
? 0
--- stdout
challenge   5dozipjwnsvoppvxa3dk4zuo74
user        alice
purpose     login
method      email
created at  2026-01-01T00:00:00Z
expires at  2026-01-01T00:20:00Z
changed     no
--- stderr
The login was over already.

"#]]);
    world.verify(&challenge, &world.code()).shows(str![[r#"
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
    world
        .run(&format!("login resend {challenge} -o json"))
        .shows(str![[r#"
$ twofa login resend 5dozipjwnsvoppvxa3dk4zuo74 -o json
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
    assert_eq!(world.json("login list"), serde_json::json!([]));
    assert_eq!(world.json("user show alice")["last_login_at"], Value::Null);
}

#[test]
fn an_unknown_challenge_is_not_found() {
    let world = World::with_email();
    world
        .run("login verify aaaaaaaaaaaaaaaaaaaaaaaaaa --code 123456 -o json")
        .shows(str![[r#"
$ twofa login verify aaaaaaaaaaaaaaaaaaaaaaaaaa --code 123456 -o json
? 3
--- stderr
error: there is no challenge `aaaaaaaaaaaaaaaaaaaaaaaaaa`
 hint: `twofa login list` shows the open ones; `twofa login start` makes one
{"error":{"kind":"not_found","message":"there is no challenge `aaaaaaaaaaaaaaaaaaaaaaaaaa`","hint":"`twofa login list` shows the open ones; `twofa login start` makes one"}}

"#]]);
    for verb in ["resend", "cancel"] {
        let done = world.run(&format!("login {verb} nothing")).exits(3);
        assert_eq!(done.stdout, "");
        assert!(
            done.stderr
                .starts_with("error: there is no challenge `nothing`\n")
        );
    }
    // Spaces and case that a copy adds do not matter.
    let challenge = world.challenge("alice").to_uppercase();
    world
        .run(&format!(
            "login verify ' {challenge} ' --code {}",
            world.code()
        ))
        .succeeds();
}

#[test]
fn verify_says_which_answer_is_missing() {
    let world = World::with_email();
    let challenge = world.challenge("alice");
    world
        .run(&format!("login verify {challenge}"))
        .shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74
? 2
--- stderr
error: code is needed
 hint: give it with --code

"#]]);
    world
        .run(&format!("login verify {challenge} --code-stdin"))
        .shows(str![[r#"
$ twofa login verify 5dozipjwnsvoppvxa3dk4zuo74 --code-stdin
? 2
--- stderr
error: standard input has no line for --code-stdin

"#]]);
    world
        .run(&format!(
            "login verify {challenge} --code 1 --code-stdin -q"
        ))
        .stdin("1\n")
        .exits(2);
    world.run("login start alice").shows(str![[r#"
$ twofa login start alice
? 2
--- stderr
error: password is needed
 hint: give it with --password-stdin

"#]]);
    world
        .run("login start alice --password-stdin")
        .shows(str![[r#"
$ twofa login start alice --password-stdin
? 2
--- stderr
error: standard input has no line for --password-stdin

"#]]);
    // None of these was a try.
    world
        .run(&format!("login verify {challenge} --code-stdin"))
        .stdin(&format!("{}\r\n", world.code()))
        .succeeds();
    assert_eq!(world.kept("login.denied"), Vec::<String>::new());
}
