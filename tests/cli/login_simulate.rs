//! `twofa login simulate`: a whole login in one run.

use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

#[test]
fn simulate_without_a_code_goes_as_far_as_it_can() {
    let world = World::peopled();
    world
        .run("login simulate alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login simulate alice --password-stdin
? 0
--- stdout
outcome      granted
user         alice
--- stderr
`alice` is logged in.

"#]]);
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    world
        .run("login simulate alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login simulate alice --password-stdin -o json
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
  "expires_at": "2026-01-01T00:01:00Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
Next: `twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code N`.

"#]]);
    world
        .run("login simulate alice --password-stdin -o json")
        .stdin("wrong\n")
        .shows(str![[r#"
$ twofa login simulate alice --password-stdin -o json
? 10
--- stdout
{
  "outcome": "denied",
  "reason": "first_factor_wrong",
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
error: the login was refused
{"error":{"kind":"first_factor_wrong","message":"the login was refused","hint":null}}

"#]]);
    world.run("login simulate alice").shows(str![[r#"
$ twofa login simulate alice
? 2
--- stderr
error: password is needed
 hint: give it with --password-stdin

"#]]);
}

#[test]
fn simulate_runs_a_whole_login_for_real() {
    let world = World::with_email();
    world.ok("method enable totp");
    let secret = world.connect("alice");
    world.later(30);
    let code = world.app(&secret);
    world
        .run("login simulate alice --method totp --password-stdin --code-stdin -o json")
        .stdin(&format!("alice-pw\n{code}\n"))
        .shows(str![[r#"
$ twofa login simulate alice --method totp --password-stdin --code-stdin -o json
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
    // It counts, and what it used is used.
    world
        .run("login simulate alice --method totp --password-stdin --code-stdin -o json")
        .stdin(&format!("alice-pw\n{code}\n"))
        .shows(str![[r#"
$ twofa login simulate alice --method totp --password-stdin --code-stdin -o json
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
    world
        .run(&format!(
            "login simulate alice --password-stdin --code {WRONG}"
        ))
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login simulate alice --password-stdin --code 000000
? 11
--- stdout
outcome      denied
reason       second_factor_wrong
user         alice
challenge    n4sfnf5mvpc2mhl4eaoeimn6pi
method       email
--- stderr
warning: 3 tries are left.
error: second factor wrong

"#]]);
    world
        .run("login simulate alice --method totp --password-stdin --code-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login simulate alice --method totp --password-stdin --code-stdin
? 2
--- stderr
error: standard input has no line for --code-stdin

"#]]);
    assert_eq!(
        world.json("user show alice")["last_login_at"],
        "2026-01-01T00:00:30Z"
    );
    assert_eq!(
        world.kept("login"),
        [
            r#"login.started alice ok - {"method":"totp"}"#,
            r#"login.granted alice ok - {"method":"totp"}"#,
            r#"login.started alice ok - {"method":"totp"}"#,
            "login.denied alice denied second_factor_used null",
            r#"login.started alice ok - {"method":"email"}"#,
            r#"login.code_sent alice ok - {"method":"email","sender":"trial"}"#,
            "login.denied alice denied second_factor_wrong null",
        ]
    );
}

#[test]
fn simulate_of_an_enrolment_counts_its_code() {
    let world = World::peopled();
    world.ok("method primary totp");
    world.ok("setting set Enable2FA on --yes");
    world
        .run(&format!(
            "login simulate alice --password-stdin --code {WRONG}"
        ))
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login simulate alice --password-stdin --code 000000
? 11
--- stdout
outcome      denied
reason       second_factor_wrong
user         alice
challenge    ijmneh5iwcexoxrftku75p6zma
method       totp
--- stderr
warning: 4 tries are left.
error: second factor wrong

"#]]);
    world
        .run("login simulate alice --password-stdin -q")
        .stdin("alice-pw\n")
        .exits(16);
}
