//! `twofa oauth-client …`: clients, their secrets, and the tokens these buy. What becomes of those: `oauth_client_token.rs`.

use serde_json::{Value, json};
use snapbox::str;

use crate::world::World;

/// A store with a technical user `robot` and a client `billing`; its secret.
pub fn world() -> (World, String) {
    let world = World::peopled();
    world.ok("user add robot --type technical");
    let added = world.json("oauth-client add billing --user robot --scope read write");
    let secret = added["client_secret"].as_str().unwrap().to_owned();
    (world, secret)
}

/// A token of `billing`.
pub fn token(world: &World, secret: &str) -> String {
    let issued = world
        .run("oauth-client token billing --client-secret-stdin -o json")
        .stdin(&format!("{secret}\n"))
        .json(0);
    issued["access_token"].as_str().unwrap().to_owned()
}

/// How `check` ends, and why.
pub fn checked(world: &World, token: &str) -> (i32, String) {
    let done = world
        .run("oauth-client check --token-stdin -o json")
        .stdin(&format!("{token}\n"))
        .done();
    let code = done.code.unwrap();
    if code == 0 {
        return (0, String::new());
    }
    assert_eq!(done.stdout, "");
    let error: Value = serde_json::from_str(done.stderr.lines().last().unwrap()).unwrap();
    let reason = error["error"]["reason"].as_str().unwrap_or("none");
    (code, reason.to_owned())
}

/// How a secret is answered.
pub fn answered(world: &World, client: &str, secret: &str) -> Option<i32> {
    world
        .run(&format!(
            "oauth-client token {client} --client-secret-stdin"
        ))
        .stdin(&format!("{secret}\n"))
        .done()
        .code
}

/// The rows of the log whose event begins so, a line each.
fn kept(world: &World, event: &str) -> String {
    world.text(&format!(
        "SELECT group_concat(event || ' ' || coalesce(subject, '-') || ' ' || outcome || ' ' || coalesce(reason, '-'), x'0a')
         FROM (SELECT * FROM audit WHERE event LIKE '{event}%' ORDER BY seq)"
    ))
}

pub fn revoked() -> (i32, String) {
    (10, "revoked".to_owned())
}

pub fn good() -> (i32, String) {
    (0, String::new())
}

#[test]
fn a_new_client_shows_its_secret_this_once() {
    let world = World::peopled();
    world.ok("user add robot --type technical");
    world
        .run("oauth-client add Billing --user robot --ttl 10m --audience https://api.example.com --scope read write read -o json")
        .shows(str![[r#"
$ twofa oauth-client add Billing --user robot --ttl 10m --audience https://api.example.com --scope read write read -o json
? 0
--- stdout
{
  "name": "Billing",
  "client_id": "f616620950c4139db66ec7b7c82d2ae0",
  "user": "robot",
  "active": true,
  "ttl": 600,
  "audience": "https://api.example.com",
  "scopes": [
    "read",
    "write"
  ],
  "secret_at": "2026-01-01T00:00:00Z",
  "old_secret_until": null,
  "last_token_at": null,
  "created_at": "2026-01-01T00:00:00Z",
  "client_secret": "383ee9b8ae3473488c5ee74b65625638bf38706d81c7abc3f9dd6c9413cbace4",
  "changed": true,
  "warnings": []
}
--- stderr
The OAuth client `Billing` was added. Its secret is shown this once.
Next: `twofa oauth-client token Billing --client-secret-stdin`.

"#]]);
    world
        .run("oauth-client add billing --user robot")
        .shows(str![[r#"
$ twofa oauth-client add billing --user robot
? 0
--- stdout
name              Billing
client id         f616620950c4139db66ec7b7c82d2ae0
user              robot
active            yes
ttl               600
audience          https://api.example.com
scopes            read, write
secret at         2026-01-01T00:00:00Z
old secret until  –
last token at     –
created at        2026-01-01T00:00:00Z
client secret     –
changed           no
--- stderr
warning: It keeps the secret it has, which cannot be shown again.
   hint: twofa oauth-client rotate-secret Billing
The OAuth client `Billing` is like that already.

"#]]);
    world
        .run("oauth-client add other --user robot")
        .shows(str![[r#"
$ twofa oauth-client add other --user robot
? 0
--- stdout
name              other
client id         84ebb52e48e0d275f91564c47f980a72
user              robot
active            yes
ttl               3600
audience          urn:twofa:692865c9a376a1a82d161b0f95785955
scopes            –
secret at         2026-01-01T00:00:00Z
old secret until  –
last token at     –
created at        2026-01-01T00:00:00Z
client secret     e1204f7fab020db18a0690d525c4bfebd7ffcd34d6242f3956bc9780d29ff38e
changed           yes
--- stderr
The OAuth client `other` was added. Its secret is shown this once.
Next: `twofa oauth-client token other --client-secret-stdin`.

"#]]);
    world.run("oauth-client show BILLING").shows(str![[r#"
$ twofa oauth-client show BILLING
? 0
--- stdout
name              Billing
client id         f616620950c4139db66ec7b7c82d2ae0
user              robot
active            yes
ttl               600
audience          https://api.example.com
scopes            read, write
secret at         2026-01-01T00:00:00Z
old secret until  –
last token at     –
created at        2026-01-01T00:00:00Z

"#]]);
    world.run("oauth-client list").shows(str![[r#"
$ twofa oauth-client list
? 0
--- stdout
NAME     USER   ACTIVE  TTL   AUDIENCE                                    SCOPES
Billing  robot  yes     600   https://api.example.com                     read, write
other    robot  yes     3600  urn:twofa:692865c9a376a1a82d161b0f95785955  –

"#]]);
    // What is kept is a hash.
    let secret = world.json("oauth-client add third --user robot")["client_secret"].clone();
    let bytes = std::fs::read(world.file("twofa.db")).unwrap();
    let log = std::fs::read(world.file("twofa.db-wal")).unwrap_or_default();
    let secret = secret.as_str().unwrap().as_bytes();
    for bytes in [bytes, log] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}

#[test]
fn what_is_no_client_is_refused() {
    let world = World::peopled();
    world.ok("user add robot --type technical");
    world
        .run("oauth-client add billing --user alice")
        .shows(str![[r#"
$ twofa oauth-client add billing --user alice
? 4
--- stderr
error: `alice` is no technical user, and an OAuth client acts as one
 hint: `twofa user add LOGIN --type technical` adds one

"#]]);
    world.run("oauth-client add billing --user rob").exits(3);
    world.run("oauth-client add billing").exits(2);
    world
        .run("oauth-client add billing --user robot --ttl 2d")
        .shows(str![[r#"
$ twofa oauth-client add billing --user robot --ttl 2d
? 4
--- stderr
error: a token cannot be good for 2d: it is 1m to 1d

"#]]);
    for wrong in [
        "--ttl 59s",
        "--ttl soon",
        "--audience ' '",
        "--scope 'a\"b'",
        "--scope b\u{e9}",
    ] {
        world
            .run(&format!("oauth-client add billing --user robot {wrong}"))
            .exits(4);
    }
    world.run("oauth-client add -- -x --user robot").exits(2);
    assert_eq!(world.json("oauth-client list"), json!([]));
}

#[test]
fn a_client_is_edited_renamed_and_removed() {
    let (world, _) = world();
    world
        .run("oauth-client edit billing --name Invoices --ttl 1d --audience api --no-scope")
        .shows(str![[r#"
$ twofa oauth-client edit billing --name Invoices --ttl 1d --audience api --no-scope
? 0
--- stdout
name              Invoices
client id         f616620950c4139db66ec7b7c82d2ae0
user              robot
active            yes
ttl               86400
audience          api
scopes            –
secret at         2026-01-01T00:00:00Z
old secret until  –
last token at     –
created at        2026-01-01T00:00:00Z
changed           yes
--- stderr
The OAuth client `Invoices` was changed.

"#]]);
    world
        .run("oauth-client edit invoices --ttl 24h")
        .shows(str![[r#"
$ twofa oauth-client edit invoices --ttl 24h
? 0
--- stdout
name              Invoices
client id         f616620950c4139db66ec7b7c82d2ae0
user              robot
active            yes
ttl               86400
audience          api
scopes            –
secret at         2026-01-01T00:00:00Z
old secret until  –
last token at     –
created at        2026-01-01T00:00:00Z
changed           no
--- stderr
The OAuth client `Invoices` is like that already.

"#]]);
    world.ok("oauth-client add other --user robot");
    world
        .run("oauth-client edit other --name INVOICES")
        .shows(str![[r#"
$ twofa oauth-client edit other --name INVOICES
? 4
--- stderr
error: there is an OAuth client `Invoices` already

"#]]);
    world.run("oauth-client edit other --user bob").exits(4);
    world.run("oauth-client remove other").shows(str![[r#"
$ twofa oauth-client remove other
? 2
--- stderr
error: are you sure? The OAuth client `other` will be removed, and its tokens are void at once.
 hint: say yes with --yes

"#]]);
    world.run("oauth-client remove other --yes").shows(str![[r#"
$ twofa oauth-client remove other --yes
? 0
--- stdout
name              other
client id         1df0cb55fc273df82d7466cb55a8f744
user              robot
active            yes
ttl               3600
audience          urn:twofa:692865c9a376a1a82d161b0f95785955
scopes            –
secret at         2026-01-01T00:00:00Z
old secret until  –
last token at     –
created at        2026-01-01T00:00:00Z
changed           yes
--- stderr
The OAuth client `other` was removed, and its tokens are void.

"#]]);
    world.run("oauth-client remove other --yes").exits(3);
    world
        .run("oauth-client remove other --if-exists --yes")
        .shows(str![[r#"
$ twofa oauth-client remove other --if-exists --yes
? 0
--- stdout
name     other
changed  no
--- stderr
There is no OAuth client `other`.

"#]]);
    snapbox::assert_data_eq!(
        kept(&world, "oauth_client"),
        str![[r#"
oauth_client.added billing ok -
oauth_client.edited billing ok -
oauth_client.added other ok -
oauth_client.removed other ok -
"#]]
    );
}

#[test]
fn a_secret_buys_a_token_that_is_checked() {
    let (world, secret) = world();
    world
        .run("oauth-client token billing --client-secret-stdin")
        .stdin(&format!("{secret}\n"))
        .shows(str![[r#"
$ twofa oauth-client token billing --client-secret-stdin
? 0
--- stdout
eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6IjBPeEVSZnQ5VGR1bXpqaTFjN295Rm9sYkt0bjJ6RVZhb1RKR2ViRDBzSkkifQ.eyJpc3MiOiJ1cm46dHdvZmE6NjkyODY1YzlhMzc2YTFhODJkMTYxYjBmOTU3ODU5NTUiLCJzdWIiOiJyb2JvdCIsImF1ZCI6InVybjp0d29mYTo2OTI4NjVjOWEzNzZhMWE4MmQxNjFiMGY5NTc4NTk1NSIsImNsaWVudF9pZCI6ImY2MTY2MjA5NTBjNDEzOWRiNjZlYzdiN2M4MmQyYWUwIiwiaWF0IjoxNzY3MjI1NjAwLCJleHAiOjE3NjcyMjkyMDAsImp0aSI6IjEuZThkZDk0M2QzNjZjYWFlN2JlYjcwNmM2YWU2NjhlZmYiLCJzY29wZSI6InJlYWQgd3JpdGUifQ.yez9_GZzvekLpMoiFM7vHK0Nm2zOteUHTMlLZ_9BADScltALbFFAyfa4Y8becmSzSjg1A0J_uiVplajfSb6jEA

"#]]);
    world
        .run("oauth-client token billing --client-secret-stdin -o json")
        .stdin(&format!("{secret}\n"))
        .shows(str![[r#"
$ twofa oauth-client token billing --client-secret-stdin -o json
? 0
--- stdout
{
  "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6IjBPeEVSZnQ5VGR1bXpqaTFjN295Rm9sYkt0bjJ6RVZhb1RKR2ViRDBzSkkifQ.eyJpc3MiOiJ1cm46dHdvZmE6NjkyODY1YzlhMzc2YTFhODJkMTYxYjBmOTU3ODU5NTUiLCJzdWIiOiJyb2JvdCIsImF1ZCI6InVybjp0d29mYTo2OTI4NjVjOWEzNzZhMWE4MmQxNjFiMGY5NTc4NTk1NSIsImNsaWVudF9pZCI6ImY2MTY2MjA5NTBjNDEzOWRiNjZlYzdiN2M4MmQyYWUwIiwiaWF0IjoxNzY3MjI1NjAwLCJleHAiOjE3NjcyMjkyMDAsImp0aSI6IjEuODRlYmI1MmU0OGUwZDI3NWY5MTU2NGM0N2Y5ODBhNzIiLCJzY29wZSI6InJlYWQgd3JpdGUifQ.T1SUKLZ029iViAivJM46Palosqe_8J9PVbpRtyFFantHyLnl7LMP5DSXIPBrQxiR4-TiwQtiAqbAOw_Us-N2Rg",
  "token_type": "Bearer",
  "expires_in": 3600,
  "scope": "read write"
}

"#]]);
    let token = token(&world, &secret);
    world
        .run("oauth-client check --token-stdin -o json")
        .stdin(&format!("{token}\n"))
        .shows(str![[r#"
$ twofa oauth-client check --token-stdin -o json
? 0
--- stdout
{
  "client": "billing",
  "user": "robot",
  "audience": "urn:twofa:692865c9a376a1a82d161b0f95785955",
  "scopes": [
    "read",
    "write"
  ],
  "issued_at": "2026-01-01T00:00:00Z",
  "expires_at": "2026-01-01T01:00:00Z",
  "claims": {
    "iss": "urn:twofa:692865c9a376a1a82d161b0f95785955",
    "sub": "robot",
    "aud": "urn:twofa:692865c9a376a1a82d161b0f95785955",
    "client_id": "f616620950c4139db66ec7b7c82d2ae0",
    "iat": 1767225600,
    "exp": 1767229200,
    "jti": "1.1df0cb55fc273df82d7466cb55a8f744",
    "scope": "read write"
  }
}

"#]]);
    world
        .run("oauth-client check --token-stdin")
        .stdin(&format!("{token}\n"))
        .shows(str![[r#"
$ twofa oauth-client check --token-stdin
? 0
--- stdout
client      billing
user        robot
audience    urn:twofa:692865c9a376a1a82d161b0f95785955
scopes      read, write
issued at   2026-01-01T00:00:00Z
expires at  2026-01-01T01:00:00Z

"#]]);
    // The client id is a name as well.
    let shown = world.json("oauth-client show billing");
    assert_eq!(shown["last_token_at"], world.clock());
    let client_id = shown["client_id"].as_str().unwrap();
    assert_eq!(answered(&world, client_id, &secret), Some(0));
    // Fewer scopes may be asked for, and no others.
    let narrow = world
        .run("oauth-client token billing --client-secret-stdin --scope read -o json")
        .stdin(&format!("{secret}\n"))
        .json(0);
    assert_eq!(narrow["scope"], "read");
    world
        .run("oauth-client token billing --client-secret-stdin --scope read admin")
        .stdin(&format!("{secret}\n"))
        .shows(str![[r#"
$ twofa oauth-client token billing --client-secret-stdin --scope read admin
? 4
--- stderr
error: the client does not have the scope `admin`

"#]]);
    world
        .run("oauth-client token billing --no-input")
        .shows(str![[r#"
$ twofa oauth-client token billing --no-input
? 2
--- stderr
error: client secret is needed
 hint: give it with --client-secret-stdin

"#]]);
    world.run("oauth-client list --jwks").shows(str![[r#"
$ twofa oauth-client list --jwks
? 0
--- stdout
{
  "keys": [
    {
      "use": "sig",
      "alg": "ES256",
      "kid": "0OxERft9Tdumzji1c7oyFolbKtn2zEVaoTJGebD0sJI",
      "kty": "EC",
      "crv": "P-256",
      "x": "2ScB5wdygui1gqneia_k87cwvgrvfZwy4lh4KMrOsj0",
      "y": "vKb9dUD9NmwD5uVz-pOKYKVVZXkgGM2xF5zPeiWyWLM"
    }
  ]
}

"#]]);
    world.run("oauth-client list --jwks -o csv").exits(2);
    world.ok("audit verify");
}

/// An unknown client, a wrong secret, a client and a user that are not active, and a user who is no technical one any more
/// are one answer; the log tells them apart.
#[test]
fn who_is_refused_is_not_told_why() {
    let (world, secret) = world();
    world.ok("oauth-client add shut --user robot");
    let mut said = Vec::new();
    let mut refused = |client: &str, secret: &str| {
        let done = world
            .run(&format!(
                "oauth-client token {client} --client-secret-stdin -o json"
            ))
            .stdin(&format!("{secret}\n"))
            .exits(10);
        assert_eq!(done.stdout, "");
        said.push(done.stderr);
    };
    refused("nobody", &secret);
    refused("billing", "wrong");
    refused("billing", "");
    // A secret is good for one client.
    refused("shut", &secret);
    world.ok("oauth-client edit billing --active no");
    refused("billing", &secret);
    refused("billing", "wrong");
    world.ok("oauth-client edit billing --active yes");
    world.ok("user deactivate robot --yes");
    refused("billing", &secret);
    world.ok("user activate robot");
    world.ok("user edit robot --type employee --yes");
    refused("billing", &secret);
    assert!(said.iter().all(|other| *other == said[0]), "{said:#?}");
    snapbox::assert_data_eq!(
        said[0].clone(),
        str![[r#"
error: the client was refused
 hint: the audit log has the reason: `twofa audit list --event oauth_client`
{"error":{"kind":"client_refused","message":"the client was refused","hint":"the audit log has the reason: `twofa audit list --event oauth_client`"}}

"#]]
    );
    snapbox::assert_data_eq!(
        kept(&world, "oauth_client.token_denied"),
        str![[r#"
oauth_client.token_denied - denied unknown_client
oauth_client.token_denied billing denied wrong_secret
oauth_client.token_denied billing denied wrong_secret
oauth_client.token_denied shut denied wrong_secret
oauth_client.token_denied billing denied inactive_client
oauth_client.token_denied billing denied wrong_secret
oauth_client.token_denied billing denied inactive_user
oauth_client.token_denied billing denied no_technical_user
"#]]
    );
    // What was typed where nobody is known may be a secret.
    let kept = world.text("SELECT detail FROM audit WHERE reason = 'unknown_client'");
    assert!(
        !kept.contains("nobody") && kept.contains(r#""length":6"#),
        "{kept}"
    );
}
