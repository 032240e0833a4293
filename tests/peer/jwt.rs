//! Access tokens are verified by others through the printed key set: `PyJWT`, and the OpenSSL of Node. What these sign in
//! our name is refused here.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::world::World;
use crate::{peer, repository};

/// What a program prints that is given a JSON document.
#[track_caller]
fn answered(command: &mut Command, given: &Value) -> Value {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(given.to_string().as_bytes()).unwrap();
    drop(stdin);
    let out = child.wait_with_output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}: install pyjwt[crypto] (pip), or run .ci/run"
    );
    serde_json::from_slice(&out.stdout).unwrap()
}

/// A client with its audience, its token, and the key set.
fn issued() -> (World, Value) {
    let world = World::peopled();
    world.use_real_clock();
    world.ok("user add robot --type technical");
    let added = world.json(
        "oauth-client add billing --user robot --scope read --audience https://api.example.com",
    );
    let token = world
        .run("oauth-client token billing --client-secret-stdin -o json")
        .stdin(&format!("{}\n", added["client_secret"].as_str().unwrap()))
        .json(0);
    let given = json!({
        "jwks": world.json("oauth-client list --jwks"), "token": token["access_token"],
        "audience": "https://api.example.com", "client_id": added["client_id"],
    });
    (world, given)
}

#[test]
fn pyjwt_reads_ours_and_what_it_forges_is_refused() {
    let (world, given) = issued();
    let python = peer("python3", "apt-get install python3");
    let said = answered(
        Command::new(python).arg(repository("tests/peer/tokens.py")),
        &given,
    );
    let claims = &said["claims"];
    assert_eq!(claims["sub"], "robot");
    assert_eq!(claims["client_id"], given["client_id"]);
    assert_eq!(claims["scope"], "read");
    assert_eq!(said["header"]["typ"], "at+jwt");
    assert_eq!(said["refused"], json!(["tampered", "audience"]));
    let forged = said["forged"].as_object().unwrap();
    assert_eq!(forged.len(), 4);
    for (name, token) in forged {
        let done = world
            .run("oauth-client check --token-stdin -o json")
            .stdin(&format!("{}\n", token.as_str().unwrap()))
            .exits(10);
        assert!(
            done.stderr.contains(r#""kind":"token_refused""#),
            "{name}: {}",
            done.stderr
        );
    }
    let good = world
        .run("oauth-client check --token-stdin -o json")
        .stdin(&format!("{}\n", given["token"].as_str().unwrap()))
        .json(0);
    assert_eq!(good["claims"], *claims);
}

#[test]
fn openssl_reads_ours_by_way_of_node() {
    let (_world, given) = issued();
    let node = peer("node", "apt-get install nodejs");
    let script = "
        const crypto = require('crypto');
        const { jwks, token } = JSON.parse(require('fs').readFileSync(0));
        const [head, body, signature] = token.split('.');
        const key = crypto.createPublicKey({ key: jwks.keys[0], format: 'jwk' });
        const judge = (text) => crypto.verify('sha256', Buffer.from(text),
            { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
        // RFC 7638: the required members in the order of their names.
        const { crv, kty, x, y } = jwks.keys[0];
        const kid = crypto.createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
        console.log(JSON.stringify([judge(`${head}.${body}`), judge(`${head}.${body}x`), kid]));
    ";
    let said = answered(Command::new(node).args(["-e", script]), &given);
    assert_eq!(said, json!([true, false, given["jwks"]["keys"][0]["kid"]]));
}
