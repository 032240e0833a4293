//! `twofa outbox`: every message, and what became of it.

use snapbox::str;

use crate::world::World;

/// A login of alice whose mail cannot be written: the directory is away.
fn failed() -> World {
    let world = World::with_email();
    std::fs::rename(world.file("mail"), world.file("away")).unwrap();
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(1);
    world
}

fn back(world: &World) {
    std::fs::rename(world.file("away"), world.file("mail")).unwrap();
}

#[test]
fn list_and_show() {
    let world = failed();
    back(&world);
    world.later(60);
    world
        .run("login start bob --password-stdin")
        .stdin("bob-pw\n")
        .exits(18);
    world.ok("mailbox test trial --to me@example.com -q");
    world.run("outbox list").shows(str![[r#"
$ twofa outbox list
? 0
--- stdout
ID  AT                    USER   RECIPIENT          STATE     ERROR
3   2026-01-01T00:01:00Z  –      me@example.com     accepted  –
2   2026-01-01T00:01:00Z  bob    bob@example.com    accepted  –
1   2026-01-01T00:00:00Z  alice  alice@example.com  failed    the directory `[DIR]/mail` is not there

"#]]);
    world.run("outbox list -o ndjson").shows(str![[r#"
$ twofa outbox list -o ndjson
? 0
--- stdout
{"id":3,"at":"2026-01-01T00:01:00Z","user":null,"method":"email","recipient":"me@example.com","template":null,"sender":"trial","state":"accepted","tries":1,"receipt":"2026-01-01T000100Z-39b7c4cb26554ff9.eml","error":null,"closed_at":"2026-01-01T00:01:00Z"}
{"id":2,"at":"2026-01-01T00:01:00Z","user":"bob","method":"email","recipient":"bob@example.com","template":"2FA verification code","sender":"trial","state":"accepted","tries":1,"receipt":"2026-01-01T000100Z-b327f8099fb4a307.eml","error":null,"closed_at":"2026-01-01T00:01:00Z"}
{"id":1,"at":"2026-01-01T00:00:00Z","user":"alice","method":"email","recipient":"alice@example.com","template":"2FA verification code","sender":"trial","state":"failed","tries":3,"receipt":null,"error":"the directory `[DIR]/mail` is not there","closed_at":"2026-01-01T00:00:00Z"}

"#]]);
    world
        .run("outbox list -o csv --state failed")
        .shows(str![[r#"
$ twofa outbox list -o csv --state failed
? 0
--- stdout
id,at,user,method,recipient,template,sender,state,tries,receipt,error,closed_at
1,2026-01-01T00:00:00Z,alice,email,alice@example.com,2FA verification code,trial,failed,3,,the directory `[DIR]/mail` is not there,2026-01-01T00:00:00Z

"#]]);
    world.run("outbox show 1").shows(str![[r#"
$ twofa outbox show 1
? 0
--- stdout
id         1
at         2026-01-01T00:00:00Z
user       alice
method     email
recipient  alice@example.com
template   2FA verification code
sender     trial
state      failed
tries      3
receipt    –
error      the directory `[DIR]/mail` is not there
closed at  2026-01-01T00:00:00Z

"#]]);
    world.run("outbox show 99").shows(str![[r#"
$ twofa outbox show 99
? 3
--- stderr
error: there is no message 99
 hint: `twofa outbox list` shows them

"#]]);
    for (filter, count) in [
        ("--user alice", 1),
        ("--user bob --state accepted", 1),
        ("--method sms", 0),
        ("--method email", 3),
        ("--since '30s ago'", 2),
        ("--until '30s ago'", 1),
        ("--limit 2", 2),
        ("--state unknown", 0),
    ] {
        let rows = world.json(&format!("outbox list {filter}"));
        assert_eq!(rows.as_array().unwrap().len(), count, "{filter}: {rows}");
    }
    // No words are kept of what is over.
    assert_eq!(
        world.number("SELECT count(*) FROM outbox WHERE body IS NOT NULL"),
        0
    );
}

#[test]
fn retry_sends_a_new_code() {
    let world = failed();
    let old = world.text("SELECT hex(code_hash) FROM challenge");
    // It fails as it did before, and says so.
    world.run("outbox retry 1 -o json").shows(str![[r#"
$ twofa outbox retry 1 -o json
? 1
--- stderr
error: the mailbox `trial` could not send: the directory `[DIR]/mail` is not there
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: the directory `[DIR]/mail` is not there","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":true,"outbox":2,"challenge":"5dozipjwnsvoppvxa3dk4zuo74","methods":[]}}

"#]]);
    back(&world);
    world.run("outbox retry 1 -o json").shows(str![[r#"
$ twofa outbox retry 1 -o json
? 0
--- stdout
{
  "id": 3,
  "at": "2026-01-01T00:00:00Z",
  "user": "alice",
  "method": "email",
  "recipient": "alice@example.com",
  "template": "2FA verification code",
  "sender": "trial",
  "state": "accepted",
  "tries": 1,
  "receipt": "2026-01-01T000000Z-6c765e1499fb0972.eml",
  "error": null,
  "closed_at": "2026-01-01T00:00:00Z",
  "changed": true,
  "warnings": []
}
--- stderr
It was sent to alice@example.com once more, with a new code, as message 3.

"#]]);
    assert_ne!(old, world.text("SELECT hex(code_hash) FROM challenge"));
    let challenge = world.text("SELECT token FROM challenge");
    let code = world.code();
    // What was sent is not sent once more, and neither is what it took the place of.
    world.run("outbox retry 3").shows(str![[r#"
$ twofa outbox retry 3
? 4
--- stderr
error: the message was accepted by its server
 hint: whoever waits for it asks for another: `twofa login resend`, or the command they ran

"#]]);
    world.run("outbox retry 1").shows(str![[r#"
$ twofa outbox retry 1
? 4
--- stderr
error: a later message took its place
 hint: `twofa outbox list --user alice` shows it

"#]]);
    world.ok(&format!("login verify {challenge} --code {code}"));
    world.run("outbox retry 2").shows(str![[r#"
$ twofa outbox retry 2
? 4
--- stderr
error: what the message was for is over
 hint: `twofa login start alice` begins anew

"#]]);
    world.run("outbox retry 7").exits(3);
    let retried = world.json("audit list --event outbox.retried");
    assert_eq!(retried.as_array().unwrap().len(), 2, "{retried}");
}

#[test]
fn a_test_message_is_not_retried() {
    let world = World::with_email();
    world.ok("mailbox test trial --to me@example.com");
    world.run("outbox retry 1").shows(str![[r#"
$ twofa outbox retry 1
? 4
--- stderr
error: a test message is not sent once more
 hint: `twofa mailbox test NAME` and `twofa sms-provider test NAME` send another

"#]]);
}

/// A command that was killed while it sent leaves a row of which nobody knows.
#[test]
fn what_a_killed_command_left() {
    let world = failed();
    world.sql("UPDATE outbox SET state = 'pending', closed_at = NULL, error = NULL");
    world.run("outbox retry 1").shows(str![[r#"
$ twofa outbox retry 1
? 4
--- stderr
error: the message may be on its way
 hint: try again in 60 s

"#]]);
    assert_eq!(world.json("outbox show 1")["state"], "pending");
    back(&world);
    world.later(60);
    assert_eq!(world.json("outbox show 1")["state"], "unknown");
    world.ok("outbox retry 1");
    world.code();
}

/// The mail of a recovery can be sent once more: with another token, and as long as the first would have lived.
#[test]
fn a_recovery_is_retried() {
    let world = World::with_email();
    world.ok("setting set SSPRegistrationMailbox trial");
    std::fs::rename(world.file("mail"), world.file("away")).unwrap();
    let asked = world.json("password recover alice");
    assert!(asked["expires_at"].is_string(), "{asked}");
    // The mail is left to a process of its own.
    crate::password_recover::settled(&world);
    assert_eq!(world.json("outbox show 1")["state"], "failed");
    back(&world);
    world.run("outbox retry 1 -q").succeeds();
    assert!(world.letter().contains("Subject: Your new password"));
}

/// Of several retries at once one is sent, and each failed one leaves the recovery where it was: it lives no longer.
#[test]
fn a_recovery_is_retried_once_and_not_for_ever() {
    let world = World::with_email();
    world.ok("setting set SSPRegistrationMailbox trial");
    std::fs::rename(world.file("mail"), world.file("away")).unwrap();
    world.ok("password recover alice");
    crate::password_recover::settled(&world);
    let expires = || world.number("SELECT expires_at FROM challenge");
    let first = expires();
    world.later(600);
    world.run("outbox retry 1").exits(1);
    assert_eq!(expires(), first);
    back(&world);
    let started: Vec<_> = (0..4)
        .map(|_| world.run("outbox retry 2").start())
        .collect();
    let ended: Vec<_> = started
        .into_iter()
        .map(|child| child.wait_with_output().unwrap().status.code())
        .collect();
    let sent = ended.iter().filter(|code| **code == Some(0)).count();
    assert_eq!(sent, 1, "{ended:?}");
    assert_eq!(
        world.number("SELECT count(*) FROM outbox WHERE state = 'accepted'"),
        1
    );
    // What is over stays over.
    let world = World::with_email();
    world.ok("setting set SSPRegistrationMailbox trial");
    std::fs::rename(world.file("mail"), world.file("away")).unwrap();
    world.ok("password recover alice");
    crate::password_recover::settled(&world);
    back(&world);
    world.later(1_201);
    world.run("outbox retry 1").exits(4);
    assert_eq!(world.number("SELECT count(*) FROM outbox"), 1);
}

/// Over the limit, what is sent another way is no way out, and what needs nothing to be sent is.
#[test]
fn the_limit_names_what_still_works() {
    let world = World::with_email();
    world.ok("setting set SecondFactorSendLimit 1");
    world.ok("user edit alice --phone +493012345678");
    world.ok("sms-provider add trial --file sms");
    world.ok("setting set SmsProvider trial");
    world.ok("method enable sms");
    let start = || {
        world
            .run("login start alice --password-stdin -o json")
            .stdin("alice-pw\n")
    };
    start().exits(18);
    let error = start().exits(4).error();
    assert_eq!(error["methods"], serde_json::json!([]));
    assert_eq!(error["hint"], "try again in 3600 s");
    world.ok("method enable recovery-codes");
    world.ok("recovery-codes generate alice");
    let error = start().exits(4).error();
    assert_eq!(error["methods"], serde_json::json!(["recovery-codes"]));
}

/// What became of a message is kept when its user goes; it cannot be sent once more.
#[test]
fn a_message_outlives_its_user() {
    let world = failed();
    back(&world);
    world.ok("user remove alice --yes");
    let row = world.json("outbox show 1");
    assert_eq!(
        (&row["user"], &row["state"]),
        (&"alice".into(), &"failed".into()),
        "{row}"
    );
    world.run("outbox retry 1").exits(4);
}

/// What is long over goes with ordinary logins, a few rows with each: no command pays for all.
#[test]
fn old_rows_go_with_ordinary_logins() {
    let world = World::with_email();
    world.ok("method enable totp");
    let secret = world.connect("bob");
    world.later(40 * 86_400);
    let (now, old) = (world.now(), world.now() - 31 * 86_400);
    world.sql(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70)
         INSERT INTO outbox (method, recipient, sender, state, created_at, closed_at)
             SELECT 'email', 'a@example.com', 'trial', 'accepted', {old} + i, {old} + i FROM n;
         INSERT INTO outbox (method, recipient, sender, state, created_at, closed_at)
             VALUES ('email', 'a@example.com', 'trial', 'accepted', {now} - 86400, {now} - 86400);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70)
         INSERT INTO recovery_request (login_hash, created_at) SELECT x'00', {old} + i FROM n;
         INSERT INTO recovery_request (login_hash, created_at) VALUES (x'00', {now} - 60);"
    ));
    let rows = || {
        ["outbox", "recovery_request"]
            .map(|table| world.number(&format!("SELECT count(*) FROM {table}")))
    };
    assert_eq!(rows(), [71, 71]);
    let mut seen = Vec::new();
    for _ in 0..5 {
        // By an app too, which sends nothing.
        let challenge = world.challenge("bob --method totp");
        world.verify(&challenge, &world.app(&secret)).succeeds();
        seen.push(rows());
        world.later(30);
    }
    assert_eq!(seen, [[51, 51], [31, 31], [11, 11], [1, 1], [1, 1]]);
    world.logs_in("alice");
    assert_eq!(rows(), [2, 1]);
    assert_eq!(world.json("outbox list").as_array().unwrap().len(), 2);
}
