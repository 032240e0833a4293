//! `twofa login start`: the first factor, and what is decided before a second one is asked for.

use serde_json::{Value, json};
use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

impl World {
    /// A first factor that is not right: the verdict, and that it tells nothing.
    fn refused(&self, login: &str, password: &str) -> Value {
        let done = self
            .run(&format!("login start {login} --password-stdin -o json"))
            .stdin(&format!("{password}\n"))
            .exits(10);
        assert!(
            done.stderr
                .starts_with("error: the login was refused\n{\"error\":"),
            "{}",
            done.stderr
        );
        serde_json::from_str(&done.stdout).unwrap()
    }
}

#[test]
fn without_2fa_the_password_is_enough() {
    let world = World::peopled();
    world.start("alice").shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 0
--- stdout
{
  "outcome": "granted",
  "reason": null,
  "user": "alice",
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
`alice` is logged in.

"#]]);
    assert_eq!(
        world.json("user show alice")["last_login_at"],
        "2026-01-01T00:00:00Z"
    );
    world
        .run("login start bob@EXAMPLE.com --password-stdin")
        .stdin("bob-pw\n")
        .shows(str![[r#"
$ twofa login start bob@EXAMPLE.com --password-stdin
? 0
--- stdout
outcome      granted
user         bob
--- stderr
`bob` is logged in.

"#]]);
    // A method alone asks nobody.
    world.ok("method enable email --primary");
    world.start("alice").succeeds();
    for channel in ["web", "forms", "oauth"] {
        world
            .start(&format!("alice --channel {channel}"))
            .succeeds();
    }
}

#[test]
fn who_may_not_use_2fa_is_not_asked() {
    let world = World::with_email();
    world.sql("UPDATE grantee SET access = 'deny' WHERE operation = 'CanUse2FA'");
    world.start("alice").succeeds();
    world.sql("DELETE FROM grantee WHERE operation = 'CanUse2FA'");
    world.start("alice").succeeds();
}

#[test]
fn external_users_are_asked_as_employees_are() {
    let world = World::with_email();
    world
        .run("user add eve --type external --email eve@example.net --password-stdin")
        .stdin("eve-pw\n")
        .succeeds();
    world.start("eve").shows(str![[r#"
$ twofa login start eve --password-stdin -o json
? 18
--- stdout
{
  "outcome": "second_factor_required",
  "reason": "second_factor_required",
  "user": "eve",
  "challenge": "qtv3klsi4djhl6ivmtch7gakoi",
  "method": "email",
  "methods": [
    "email"
  ],
  "destination": "e***e@example.net",
  "expires_at": "2026-01-01T00:01:00Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
Next: `twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code N`.

"#]]);
}

#[test]
fn every_wrong_first_factor_is_one_answer() {
    let world = World::with_email();
    world.ok("user add robot --type technical");
    world.ok("user add fresh --email fresh@example.com");
    world
        .run("user add gone --email gone@example.com --password-stdin")
        .stdin("gone-pw\n")
        .succeeds();
    world.ok("user deactivate gone --yes");
    world
        .run("login start nobody --password-stdin -o json")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start nobody --password-stdin -o json
? 10
--- stdout
{
  "outcome": "denied",
  "reason": "first_factor_wrong",
  "user": "nobody",
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
error: the login was refused
{"error":{"kind":"first_factor_wrong","message":"the login was refused","hint":null}}

"#]]);
    let expected = |login: &str| {
        json!({
            "outcome": "denied", "reason": "first_factor_wrong", "user": login, "challenge": null, "method": null,
            "methods": [], "destination": null, "expires_at": null, "enrolment": null, "sso": null, "warnings": [],
        })
    };
    for (login, password) in [
        ("nobody", "alice-pw"),
        ("alice", "wrong"),
        ("alice", ""),
        ("gone", "gone-pw"),
        ("gone", "wrong"),
        ("robot", "anything"),
        ("fresh", "anything"),
        ("fresh", ""),
    ] {
        assert_eq!(world.refused(login, password), expected(login), "{login}");
    }
    // The log knows better; what nobody is called may be a password and is kept as its hash and length only.
    let kept = world.kept("login.denied");
    let unknown: Vec<&String> = kept
        .iter()
        .filter(|row| row.contains("unknown_user"))
        .collect();
    assert_eq!(unknown.len(), 2);
    assert_eq!(unknown[0], unknown[1]);
    let known: Vec<&String> = kept
        .iter()
        .filter(|row| !row.contains("unknown_user"))
        .collect();
    assert_eq!(
        known,
        [
            "login.denied alice denied wrong_password null",
            "login.denied alice denied wrong_password null",
            "login.denied gone denied inactive null",
            "login.denied gone denied inactive null",
            "login.denied robot denied technical_user null",
            "login.denied fresh denied no_password null",
            "login.denied fresh denied no_password null",
        ]
    );
}

#[test]
fn an_unknown_login_is_kept_as_hash_and_length() {
    let world = World::with_email();
    for typed in ["hunter2", "HUNTER2", "hunter3"] {
        world
            .run(&format!("login start {typed} --password-stdin -q"))
            .stdin("x\n")
            .exits(10);
    }
    world
        .run("audit list --event login.denied -o json")
        .shows(str![[r#"
$ twofa audit list --event login.denied -o json
? 0
--- stdout
[
  {"seq":10,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.denied","subject":null,"outcome":"denied","reason":"unknown_user","note":null,"detail":{"login_hash":"0fca5d04b09f1c5e27866fe0ac5152fbaabd330da32fa5a1fdf5ee5b6e7dbf12","length":7}},
  {"seq":9,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.denied","subject":null,"outcome":"denied","reason":"unknown_user","note":null,"detail":{"login_hash":"d717ef8ea5355628ff13d032212a6147cf45833f0238501a6ef141a0dd876a15","length":7}},
  {"seq":8,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.denied","subject":null,"outcome":"denied","reason":"unknown_user","note":null,"detail":{"login_hash":"d717ef8ea5355628ff13d032212a6147cf45833f0238501a6ef141a0dd876a15","length":7}}
]

"#]]);
    let everything = world.ok("audit list -o json").stdout;
    assert!(!everything.to_lowercase().contains("hunter"));
    for file in ["twofa.db", "twofa.db-wal"] {
        let bytes = std::fs::read(world.file(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(!text.contains("hunter"), "{file} knows what was typed");
    }
}

#[test]
fn a_blank_login_touches_nothing() {
    let world = World::with_email();
    let before = world.json("audit list --limit 1")[0]["seq"].clone();
    world
        .run("login start ' ' --password-stdin -o json")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start   --password-stdin -o json
? 2
--- stderr
error: the login is blank
{"error":{"kind":"blank_login","message":"the login is blank","hint":null}}

"#]]);
    world
        .run("login simulate '' --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login simulate  --password-stdin
? 2
--- stderr
error: the login is blank

"#]]);
    assert_eq!(world.json("audit list --limit 1")[0]["seq"], before);
}

#[test]
fn only_the_right_password_learns_of_a_lock() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 1");
    let challenge = world.challenge("alice");
    world.verify(&challenge, WRONG).exits(14);
    world.start("alice").shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 14
--- stdout
{
  "outcome": "denied",
  "reason": "locked",
  "user": "alice",
  "challenge": null,
  "method": null,
  "methods": [],
  "destination": null,
  "expires_at": "2026-01-01T00:15:00Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
error: the login was refused
{"error":{"kind":"locked","message":"the login was refused","hint":null}}

"#]]);
    assert_eq!(world.refused("alice", "wrong")["expires_at"], Value::Null);
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin
? 14
--- stdout
outcome      denied
reason       locked
user         alice
expires at   2026-01-01T00:15:00Z
--- stderr
error: the login was refused

"#]]);
    assert_eq!(
        world.kept("login.denied")[1..],
        [
            "login.denied alice denied locked null",
            "login.denied alice denied wrong_password null",
            "login.denied alice denied locked null",
        ]
    );
}

#[test]
fn a_password_that_must_be_changed_does_not_log_in() {
    let world = World::with_email();
    world
        .run("user add carl --email carl@example.com --must-change --password-stdin")
        .stdin("carl-pw\n")
        .succeeds();
    world.start("carl").shows(str![[r#"
$ twofa login start carl --password-stdin -o json
? 17
--- stdout
{
  "outcome": "denied",
  "reason": "password_must_change",
  "user": "carl",
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
error: the password must be changed
 hint: `twofa password change carl`
{"error":{"kind":"password_must_change","message":"the password must be changed","hint":"`twofa password change carl`"}}

"#]]);
    world.refused("carl", "wrong");
    assert_eq!(
        world.kept("login"),
        [
            "login.denied carl denied password_must_change null",
            "login.denied carl denied wrong_password null",
        ]
    );
    // With 2FA off as well.
    world.ok("setting set Enable2FA off --yes");
    world.start("carl").exits(17);
}

#[test]
fn a_password_expires() {
    let world = World::with_email();
    world.ok("setting set MaxPasswordAge 30");
    world.later(30 * 86_400 - 1);
    world.challenge("alice");
    world.later(1);
    world.start("alice").shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 17
--- stdout
{
  "outcome": "denied",
  "reason": "password_expired",
  "user": "alice",
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
error: the password has expired
 hint: `twofa password change alice`
{"error":{"kind":"password_expired","message":"the password has expired","hint":"`twofa password change alice`"}}

"#]]);
    world.refused("alice", "wrong");
    world.ok("setting set MaxPasswordAge 0");
    world.challenge("alice");
}

#[test]
fn with_2fa_on_integrations_cannot_use_passwords() {
    let world = World::with_email();
    world.start("alice --channel forms").shows(str![[r#"
$ twofa login start alice --channel forms --password-stdin -o json
? 4
--- stdout
{
  "outcome": "denied",
  "reason": "channel_refused",
  "user": "alice",
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
error: passwords are not accepted on this channel
 hint: an integration gets in by OAuth: `twofa oauth-client add NAME --user LOGIN`
{"error":{"kind":"channel_refused","message":"passwords are not accepted on this channel","hint":"an integration gets in by OAuth: `twofa oauth-client add NAME --user LOGIN`"}}

"#]]);
    world.start("alice --channel oauth").exits(4);
    // Before that the password is judged.
    world
        .run("login start alice --channel forms --password-stdin")
        .stdin("wrong\n")
        .exits(10);
    world.start("alice --channel web").exits(18);
    world.start("alice --channel ftp").exits(2);
    assert_eq!(
        world.kept("login.denied"),
        [
            "login.denied alice denied channel_refused null",
            "login.denied alice denied channel_refused null",
            "login.denied alice denied wrong_password null",
        ]
    );
}

#[test]
fn too_many_wrong_passwords_lock() {
    let world = World::with_email();
    world.ok("setting set LoginAttemptCount 2");
    for _ in 0..2 {
        world.refused("alice", "wrong");
    }
    assert_eq!(world.json("user show alice")["locked_until"], Value::Null);
    // A right one starts the count anew.
    world.challenge("alice");
    for _ in 0..2 {
        world.refused("alice", "wrong");
    }
    assert_eq!(world.json("user show alice")["locked_until"], Value::Null);
    // The one that exceeds the count locks, and its answer does not tell.
    world.refused("alice", "wrong");
    assert_eq!(
        world.json("user show alice")["locked_until"],
        "2026-01-01T00:15:00Z"
    );
    world.refused("alice", "wrong");
    // The right one does, however many were wrong.
    let verdict = world.start("alice").json(14);
    assert_eq!(verdict["expires_at"], "2026-01-01T00:15:00Z");
    world.later(899);
    world.start("alice").exits(14);
    world.later(1);
    world.challenge("alice");
    assert_eq!(
        world.kept("user.locked --event user.lock_ended"),
        [
            r#"user.locked alice ok first_factor_wrong {"failures":3,"locked_until":"2026-01-01T00:15:00Z"}"#,
            r#"user.lock_ended alice ok - {"locked_until":"2026-01-01T00:15:00Z"}"#,
        ]
    );
}

#[test]
fn wrong_passwords_never_lock_where_a_lock_has_no_length() {
    let world = World::with_email();
    world.ok("setting set LoginAttemptCount 1 UserLockoutDuration 0");
    for _ in 0..4 {
        world.refused("alice", "wrong");
    }
    world.challenge("alice");
    assert_eq!(world.json("user show alice")["active"], true);
}

#[test]
fn without_a_limit_wrong_passwords_never_lock() {
    let world = World::with_email();
    for _ in 0..7 {
        world.refused("alice", "wrong");
    }
    world.challenge("alice");
}

#[test]
fn others_log_in_by_permission_and_oneself_without() {
    let world = World::with_email();
    world.start("alice --as alice").exits(18);
    world
        .run("login start alice --as bob --password-stdin -o json")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --as bob --password-stdin -o json
? 5
--- stderr
error: `bob` lacks the operation `CanManageAdministration`, which `twofa login start` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as
{"error":{"kind":"not_permitted","message":"`bob` lacks the operation `CanManageAdministration`, which `twofa login start` needs","hint":"ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as","operation":"CanManageAdministration"}}

"#]]);
    // Whether a login exists cannot be learned so.
    world
        .run("login start nobody --as bob --password-stdin -q")
        .stdin("x\n")
        .exits(5);
    let challenge = world.challenge("alice");
    for line in [
        format!("login verify {challenge} --code {WRONG}"),
        "login verify nothing --code 1".to_owned(),
        format!("login resend {challenge}"),
        format!("login cancel {challenge}"),
        "login list --user alice".to_owned(),
    ] {
        let done = world.run(&format!("{line} --as bob")).exits(5);
        assert_eq!(done.stdout, "", "{line}");
    }
    world.run("login list --user bob --as bob").succeeds();
    // Of the others bob sees nothing, alice her own.
    let seen = |who: &str| {
        world
            .json(&format!("login list --as {who}"))
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((seen("bob"), seen("alice")), (0, 2));
    world
        .run(&format!(
            "login verify {challenge} --code {} --as alice",
            world.code()
        ))
        .succeeds();
}
