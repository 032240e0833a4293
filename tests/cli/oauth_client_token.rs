//! Tokens of OAuth clients: until when they are good, what takes them back, and what was never one of ours.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use snapbox::str;

use crate::oauth_client::{answered, checked, good, revoked, token, world};

#[test]
fn what_is_taken_away_is_gone_at_once_and_for_good() {
    let (world, secret) = world();
    let first = token(&world, &secret);
    assert_eq!(checked(&world, &first), good());
    // Shut out; what was out stays void when the client is back.
    world.ok("oauth-client edit billing --active no");
    assert_eq!(checked(&world, &first), revoked());
    world.ok("oauth-client edit billing --active yes");
    assert_eq!(checked(&world, &first), revoked());
    let second = token(&world, &secret);
    assert_eq!(checked(&world, &second), good());
    // The user.
    world.ok("user deactivate robot --yes");
    assert_eq!(checked(&world, &second), revoked());
    world.ok("user activate robot");
    assert_eq!(checked(&world, &second), good());
    world.ok("user edit robot --login robot2");
    assert_eq!(checked(&world, &second), revoked());
    world.ok("user edit robot2 --login robot");
    world.ok("user edit robot --type employee --yes");
    assert_eq!(checked(&world, &second), revoked());
    world.ok("user edit robot --type technical --yes");
    assert_eq!(checked(&world, &second), good());
    // Another user: the token says who it was.
    world.ok("user add robot3 --type technical");
    world.ok("oauth-client edit billing --user robot3");
    world.ok("oauth-client edit billing --user robot");
    assert_eq!(checked(&world, &second), revoked());
    // The client, and with its user every client of theirs.
    let third = token(&world, &secret);
    world.ok("oauth-client remove billing --yes");
    assert_eq!(checked(&world, &third), revoked());
    let added = world.json("oauth-client add billing --user robot3");
    let fourth = token(&world, added["client_secret"].as_str().unwrap());
    assert_eq!(checked(&world, &third), revoked());
    assert_eq!(checked(&world, &fourth), good());
    let asked = world.run("user remove robot3").exits(2);
    assert!(
        asked.stderr.contains("app, 1 OAuth client and recovery"),
        "{}",
        asked.stderr
    );
    world.ok("user remove robot3 --yes");
    assert_eq!(
        world.text("SELECT group_concat(event || ' ' || subject) FROM (SELECT * FROM audit ORDER BY seq DESC LIMIT 2)"),
        "user.removed robot3,oauth_client.removed billing"
    );
    assert_eq!(checked(&world, &fourth), revoked());
    assert_eq!(world.json("oauth-client list"), json!([]));
}

#[test]
fn another_secret_ends_the_old_one_at_once_or_after_a_while() {
    let (world, first) = world();
    let token_of_first = token(&world, &first);
    world
        .run("oauth-client rotate-secret billing --keep-old-for 2h -o json")
        .shows(str![[r#"
$ twofa oauth-client rotate-secret billing --keep-old-for 2h -o json
? 0
--- stdout
{
  "name": "billing",
  "client_id": "f616620950c4139db66ec7b7c82d2ae0",
  "user": "robot",
  "active": true,
  "ttl": 3600,
  "audience": "urn:twofa:692865c9a376a1a82d161b0f95785955",
  "scopes": [
    "read",
    "write"
  ],
  "secret_at": "2026-01-01T00:00:00Z",
  "old_secret_until": "2026-01-01T02:00:00Z",
  "last_token_at": "2026-01-01T00:00:00Z",
  "created_at": "2026-01-01T00:00:00Z",
  "client_secret": "84ebb52e48e0d275f91564c47f980a72ddc008fa85bb0e1a6913424d20189f6c",
  "changed": true,
  "warnings": []
}
--- stderr
The OAuth client `billing` has another secret, shown this once. The old one is taken until 2026-01-01T02:00:00Z.

"#]]);
    // The second is lost: rotated once more, the first is the one before no longer.
    let second = world.json("oauth-client rotate-secret billing --keep-old-for 2h");
    assert_eq!(answered(&world, "billing", &first), Some(10));
    let third = world.json("oauth-client rotate-secret billing --keep-old-for 2h");
    let second = second["client_secret"].as_str().unwrap();
    let third = third["client_secret"].as_str().unwrap();
    assert_eq!(checked(&world, &token_of_first), good());
    world.later(7199);
    assert_eq!(answered(&world, "billing", second), Some(0));
    world.later(1);
    assert_eq!(answered(&world, "billing", second), Some(10));
    assert_eq!(
        world.json("oauth-client show billing")["old_secret_until"],
        Value::Null
    );
    let token_of_third = token(&world, third);
    world
        .run("oauth-client rotate-secret billing")
        .shows(str![[r#"
$ twofa oauth-client rotate-secret billing
? 0
--- stdout
name              billing
client id         f616620950c4139db66ec7b7c82d2ae0
user              robot
active            yes
ttl               3600
audience          urn:twofa:692865c9a376a1a82d161b0f95785955
scopes            read, write
secret at         2026-01-01T02:00:00Z
old secret until  –
last token at     2026-01-01T02:00:00Z
created at        2026-01-01T00:00:00Z
client secret     9c175cca6c4100c125b8ba8208726b101ddcdcf6671f3f3f119fddc892b7d1cd
changed           yes
--- stderr
The OAuth client `billing` has another secret, shown this once. The old one and its tokens are void.

"#]]);
    assert_eq!(answered(&world, "billing", third), Some(10));
    assert_eq!(checked(&world, &token_of_third), revoked());
    for wrong in ["0s", "31d", "soon"] {
        world
            .run(&format!(
                "oauth-client rotate-secret billing --keep-old-for {wrong}"
            ))
            .exits(4);
    }
    // Neither secrets nor what is kept of them stand in the log.
    let log = world.text("SELECT group_concat(coalesce(detail, '')) FROM audit");
    for secret in [first.as_str(), second, third] {
        assert!(!log.contains(secret));
    }
}

#[test]
fn a_token_is_good_for_its_time() {
    let (world, secret) = world();
    let token = token(&world, &secret);
    world.later(3599);
    assert_eq!(checked(&world, &token), good());
    world.later(1);
    world
        .run("oauth-client check --token-stdin -o json")
        .stdin(&format!("{token}\n"))
        .shows(str![[r#"
$ twofa oauth-client check --token-stdin -o json
? 13
--- stderr
error: the token has expired at 2026-01-01T01:00:00Z
 hint: `twofa oauth-client token` gives another one
{"error":{"kind":"token_expired","message":"the token has expired at 2026-01-01T01:00:00Z","hint":"`twofa oauth-client token` gives another one","reason":"expired"}}

"#]]);
    // A clock that was set back a little does no harm; further back it is not believed.
    world.later(-3660);
    assert_eq!(checked(&world, &token), good());
    world.later(-1);
    assert_eq!(checked(&world, &token), (10, "not_yet".to_owned()));
}

/// The parts of a token, decoded.
fn parts(token: &str) -> Vec<Vec<u8>> {
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
    token.split('.').map(decode).collect()
}

#[test]
fn what_this_store_did_not_sign_for_this_reader_is_refused() {
    let (world, secret) = world();
    let token = token(&world, &secret);
    let [head, body, sign] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("{token}");
    };
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let mut claims: Value = serde_json::from_slice(&parts(&token)[1]).unwrap();
    let refused = |token: &str, reason: &str| {
        assert_eq!(checked(&world, token), (10, reason.to_owned()), "{token}");
    };
    claims["exp"] = json!(99_999_999_999_i64);
    refused(&format!("{head}.{}.{sign}", encode(&claims)), "signature");
    let none = encode(&json!({ "alg": "none", "typ": "at+jwt" }));
    refused(&format!("{none}.{body}."), "malformed");
    // The public key as the secret of HS256, in every way it could be written.
    let keys = world.json("oauth-client list --jwks");
    let key = &keys["keys"][0];
    let coordinate = |name: &str| {
        let text = key[name].as_str().unwrap();
        BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
    };
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    for secret in [
        key.to_string().into_bytes(),
        keys.to_string().into_bytes(),
        point,
    ] {
        let head = encode(&json!({ "alg": "HS256", "typ": "at+jwt", "kid": key["kid"] }));
        let message = format!("{head}.{body}");
        let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(&secret).unwrap();
        hmac::Mac::update(&mut mac, message.as_bytes());
        let sign = BASE64URL_NOPAD.encode(&hmac::Mac::finalize(mac).into_bytes());
        refused(&format!("{message}.{sign}"), "algorithm");
    }
    for wrong in [
        "x",
        ".",
        "..",
        "a.b.c",
        "\u{e9}.\u{e9}.\u{e9}",
        &format!("{token}.{token}"),
    ] {
        refused(wrong, "malformed");
    }
    // For somebody else, by another store, longer than a line.
    world
        .run("oauth-client check --token-stdin --audience https://api.example.com")
        .stdin(&format!("{token}\n"))
        .shows(str![[r#"
$ twofa oauth-client check --token-stdin --audience https://api.example.com
? 10
--- stderr
error: the token is not good: it is for `urn:twofa:692865c9a376a1a82d161b0f95785955`

"#]]);
    world.ok("oauth-client edit billing --audience https://api.example.com");
    refused(&token, "audience");
    world.ok("init --db other.db --yes");
    let done = world
        .run("oauth-client check --token-stdin --db other.db -o json")
        .stdin(&format!("{token}\n"))
        .exits(10);
    assert!(
        done.stderr.contains(r#""kind":"token_refused""#),
        "{}",
        done.stderr
    );
    world
        .run("oauth-client check --token-stdin")
        .stdin(&"a".repeat(1 << 20))
        .exits(4);
}

#[test]
fn new_keys_leave_tokens_alone_unless_the_old_were_stolen() {
    let (world, secret) = world();
    let token_before = token(&world, &secret);
    let key = world.json("oauth-client list --jwks")["keys"][0]["kid"].clone();
    world.ok("key rotate --yes");
    assert_eq!(checked(&world, &token_before), good());
    assert_eq!(answered(&world, "billing", &secret), Some(0));
    assert_eq!(
        world.json("oauth-client list --jwks")["keys"][0]["kid"],
        key
    );
    let done = world.run("key rotate --compromised --yes -o json").json(0);
    assert_eq!(done["secrets_void"], json!(["billing"]));
    assert_eq!(checked(&world, &token_before), (10, "signature".to_owned()));
    assert_eq!(answered(&world, "billing", &secret), Some(10));
    assert_ne!(
        world.json("oauth-client list --jwks")["keys"][0]["kid"],
        key
    );
    let anew = world.json("oauth-client rotate-secret billing");
    let after = token(&world, anew["client_secret"].as_str().unwrap());
    assert_eq!(checked(&world, &after), good());
}

/// A restore brings back no secret that was replaced, no token that was taken back, and no client that was shut out or
/// removed.
#[test]
fn a_restore_gives_nothing_back_that_was_taken_away() {
    let (world, first) = world();
    world.ok("oauth-client add shut --user robot");
    let gone = world.json("oauth-client add gone --user robot");
    let token_before = token(&world, &first);
    world.ok("backup kept.db");
    let second = world.json("oauth-client rotate-secret billing");
    world.ok("oauth-client edit shut --active no");
    world.ok("oauth-client remove gone --yes");
    world.ok("restore kept.db --yes");
    assert_eq!(checked(&world, &token_before), revoked());
    assert_eq!(answered(&world, "billing", &first), Some(10));
    let second = second["client_secret"].as_str().unwrap();
    assert_eq!(answered(&world, "billing", second), Some(0));
    assert_eq!(world.json("oauth-client show shut")["active"], false);
    assert_eq!(world.json("oauth-client show gone")["active"], false);
    let secret = gone["client_secret"].as_str().unwrap();
    assert_eq!(answered(&world, "gone", secret), Some(10));
}

/// Technical users have no login with a password, on any channel, whether or not 2FA is on.
#[test]
fn a_technical_user_never_logs_in_with_a_password() {
    let (world, _) = world();
    world
        .run("user add bot --type technical --password-stdin")
        .stdin("bot-pw\n")
        .succeeds();
    for enabled in ["off", "on"] {
        world.ok(&format!(
            "setting set Enable2FA {enabled} --yes --allow-lockout"
        ));
        for channel in ["web", "forms", "oauth"] {
            world
                .run(&format!(
                    "login start bot --channel {channel} --password-stdin"
                ))
                .stdin("bot-pw\n")
                .exits(10);
        }
    }
}
