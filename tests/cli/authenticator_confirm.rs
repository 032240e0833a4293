//! `twofa authenticator confirm`.

use serde_json::{Value, json};
use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

#[test]
fn confirm_connects_and_consumes_the_code() {
    let world = World::with_email();
    world.ok("method primary totp");
    let setup = world.json("authenticator connect alice");
    let secret = setup["secret"].as_str().unwrap();
    let code = world.app(secret);
    // Root and the store's owner need no setup token.
    world
        .run(&format!(
            "authenticator confirm alice --code {code} -o json"
        ))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 098439 -o json
? 0
--- stdout
{
  "user": "alice",
  "connected": true,
  "connected_at": "2026-01-01T00:00:00Z",
  "algorithm": "SHA1",
  "digits": 6,
  "period": 30,
  "pending_until": null,
  "changed": true,
  "warnings": []
}
--- stderr
The authenticator app of `alice` is connected.

"#]]);
    let challenge = world.challenge("alice");
    world.verify(&challenge, &code).exits(12);
    world
        .run(&format!("authenticator confirm alice --code {code}"))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 098439
? 3
--- stderr
error: no authenticator app of `alice` waits to be confirmed
 hint: `twofa authenticator connect alice` begins

"#]]);
    assert_eq!(world.json("user show alice")["authenticator"], true);
}

#[test]
fn a_setup_token_that_is_given_must_be_right() {
    let world = World::peopled();
    let setup = world.json("authenticator connect alice");
    let secret = setup["secret"].as_str().unwrap();
    let token = setup["setup_token"].as_str().unwrap();
    let code = world.app(secret);
    world
        .run(&format!(
            "authenticator confirm alice --setup-token nothing --code {code} -o json"
        ))
        .shows(str![[r#"
$ twofa authenticator confirm alice --setup-token nothing --code 814587 -o json
? 11
--- stderr
error: the code or the setup token is wrong
 hint: 4 tries are left; is the clock of the device right?
{"error":{"kind":"second_factor_wrong","message":"the code or the setup token is wrong","hint":"4 tries are left; is the clock of the device right?","tries_left":4}}

"#]]);
    world
        .run("authenticator confirm alice --setup-token-stdin --code-stdin")
        .stdin(&format!("{}\n{code}\n", token.to_uppercase()))
        .shows(str![[r#"
$ twofa authenticator confirm alice --setup-token-stdin --code-stdin
? 0
--- stdout
user           alice
connected      yes
connected at   2026-01-01T00:00:00Z
algorithm      SHA1
digits         6
period         30
pending until  –
changed        yes
--- stderr
The authenticator app of `alice` is connected.

"#]]);
    let setup = world.json("authenticator connect bob");
    let token = setup["setup_token"].as_str().unwrap();
    let code = world.app(setup["secret"].as_str().unwrap());
    world.ok(&format!(
        "authenticator confirm bob --setup-token {token} --code '{} {}'",
        &code[..3],
        &code[3..]
    ));
    // Without an answer and nobody to ask it says which is missing.
    world.json("authenticator connect bob");
    world.run("authenticator confirm bob").shows(str![[r#"
$ twofa authenticator confirm bob
? 2
--- stderr
error: code of the new app is needed
 hint: give it with --code

"#]]);
}

#[test]
fn five_wrong_confirmations_void_the_setup_and_are_no_tries() {
    let world = World::with_email();
    world.ok("method enable totp");
    world.ok("setting set SecondFactorAttemptCount 2");
    let setup = world.json("authenticator connect alice");
    let code = world.app(setup["secret"].as_str().unwrap());
    world
        .run(&format!(
            "authenticator confirm alice --code {WRONG} -o json"
        ))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 000000 -o json
? 11
--- stderr
error: the code or the setup token is wrong
 hint: 4 tries are left; is the clock of the device right?
{"error":{"kind":"second_factor_wrong","message":"the code or the setup token is wrong","hint":"4 tries are left; is the clock of the device right?","tries_left":4}}

"#]]);
    for left in ["3 tries are left", "2 tries are left", "1 try is left"] {
        let done = world
            .run(&format!("authenticator confirm alice --code {WRONG}"))
            .exits(11);
        assert!(done.stderr.contains(left), "{}", done.stderr);
    }
    world
        .run(&format!(
            "authenticator confirm alice --code {WRONG} -o json"
        ))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 000000 -o json
? 11
--- stderr
error: the code or the setup token is wrong, and the set-up is void
 hint: `twofa authenticator connect alice` begins anew
{"error":{"kind":"second_factor_wrong","message":"the code or the setup token is wrong, and the set-up is void","hint":"`twofa authenticator connect alice` begins anew"}}

"#]]);
    world
        .run(&format!("authenticator confirm alice --code {code}"))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 607824
? 3
--- stderr
error: no authenticator app of `alice` waits to be confirmed
 hint: `twofa authenticator connect alice` begins

"#]]);
    // The counter of logins knows nothing of it.
    let challenge = world.challenge("alice");
    world.verify(&challenge, WRONG).exits(11);
    world.verify(&challenge, &world.code()).succeeds();
    let kept = world.kept("authenticator");
    assert_eq!(kept.len(), 6);
    assert_eq!(
        kept[4..],
        [
            r#"authenticator.wrong alice denied second_factor_wrong {"failures":4}"#,
            r#"authenticator.wrong alice denied setup_void {"failures":5}"#,
        ]
    );
}

#[test]
fn a_setup_expires() {
    let world = World::peopled();
    let setup = world.json("authenticator connect alice");
    let secret = setup["secret"].as_str().unwrap().to_owned();
    assert_eq!(setup["expires_at"], "2026-01-01T00:02:00Z");
    world.later(119);
    assert_eq!(
        world.json("authenticator show alice")["pending_until"],
        "2026-01-01T00:02:00Z"
    );
    world.later(1);
    world
        .run(&format!(
            "authenticator confirm alice --code {} -o json",
            world.app(&secret)
        ))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 685308 -o json
? 13
--- stderr
error: the time to confirm has run out
 hint: `twofa authenticator connect alice` begins anew
{"error":{"kind":"second_factor_expired","message":"the time to confirm has run out","hint":"`twofa authenticator connect alice` begins anew"}}

"#]]);
    assert_eq!(
        world.json("authenticator show alice")["pending_until"],
        Value::Null
    );
    assert_eq!(world.json("authenticator list"), json!([]));
    world.ok("setting set TotpSetupTokenTtl 10");
    assert_eq!(
        world.json("authenticator connect alice")["expires_at"],
        "2026-01-01T00:12:00Z"
    );
}

#[test]
fn a_second_connect_replaces_the_pending_one() {
    let world = World::peopled();
    let first = world.json("authenticator connect alice");
    let second = world.json("authenticator connect alice");
    assert_ne!(first["secret"], second["secret"]);
    let code = world.app(first["secret"].as_str().unwrap());
    world
        .run(&format!("authenticator confirm alice --code {code} -q"))
        .exits(11);
    let code = world.app(second["secret"].as_str().unwrap());
    let old = first["setup_token"].as_str().unwrap();
    world
        .run(&format!(
            "authenticator confirm alice --setup-token {old} --code {code} -q"
        ))
        .exits(11);
    world.ok(&format!("authenticator confirm alice --code {code}"));
}

#[test]
fn a_connected_app_is_kept_until_the_new_one_is_confirmed() {
    let world = World::with_email();
    world.ok("method primary totp");
    let old = world.connect("alice");
    world.later(60);
    let setup = world.json("authenticator connect alice");
    let new = setup["secret"].as_str().unwrap();
    world
        .run("authenticator show alice -o json")
        .shows(str![[r#"
$ twofa authenticator show alice -o json
? 0
--- stdout
{
  "user": "alice",
  "connected": true,
  "connected_at": "2026-01-01T00:00:00Z",
  "algorithm": "SHA1",
  "digits": 6,
  "period": 30,
  "pending_until": "2026-01-01T00:03:00Z"
}

"#]]);
    let challenge = world.challenge("alice");
    world.verify(&challenge, &world.app(&old)).succeeds();
    world.ok(&format!(
        "authenticator confirm alice --code {}",
        world.app(new)
    ));
    world.later(60);
    let challenge = world.challenge("alice");
    world.verify(&challenge, &world.app(&old)).exits(11);
    world.verify(&challenge, &world.app(new)).succeeds();
}
