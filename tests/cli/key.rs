//! `twofa key check`.

use snapbox::str;

use crate::world::World;

/// A store with a sealed value in each of three tables.
fn sealed() -> World {
    let world = World::with_email();
    world
        .run("mailbox add post --smtp smtp://mail.example.com --tls starttls --username u --password-stdin --from a@example.com")
        .stdin("secret\n")
        .succeeds();
    world.ok("authenticator connect alice");
    let secret = world.json("authenticator connect bob")["secret"].clone();
    let code = world.app(secret.as_str().unwrap());
    world.ok(&format!("authenticator confirm bob --code {code}"));
    world
}

#[test]
fn a_sound_store() {
    World::new().run("key check").shows(str![[r#"
$ twofa key check
? 0
--- stdout
ring keys  374708ff
values     0
broken     –
retirable  –
loose      –
--- stderr
The key file is the right one; nothing is sealed yet.

"#]]);
    let world = sealed();
    world.run("key check").shows(str![[r#"
$ twofa key check
? 0
--- stdout
ring keys  374708ff
values     3
broken     –
retirable  –
loose      –
--- stderr
The key file opens every sealed value: 3 values.

"#]]);
    world.run("key check -o ndjson").shows(str![[r#"
$ twofa key check -o ndjson
? 0
--- stdout
{"ring_keys":["374708ff"],"values":3,"broken":[],"retirable":[],"loose":[]}
--- stderr
The key file opens every sealed value: 3 values.

"#]]);
}

#[test]
fn a_damaged_value_is_named() {
    let world = sealed();
    world.sql("UPDATE authenticator SET secret = substr(secret, 1, length(secret) - 1)");
    world.sql("UPDATE mailbox SET password = x'0102' WHERE name = 'post'");
    world.run("key check").shows(str![[r#"
$ twofa key check
? 20
--- stdout
ring keys  374708ff
values     1
broken     authenticator.secret 1, mailbox.password 2
retirable  –
loose      –
--- stderr
2 sealed values cannot be opened: authenticator.secret of row 1, mailbox.password of row 2.

"#]]);
    world.run("key check -o json").shows(str![[r#"
$ twofa key check -o json
? 20
--- stdout
{
  "ring_keys": [
    "374708ff"
  ],
  "values": 1,
  "broken": [
    {
      "column": "authenticator.secret",
      "row": 1
    },
    {
      "column": "mailbox.password",
      "row": 2
    }
  ],
  "retirable": [],
  "loose": []
}
--- stderr
2 sealed values cannot be opened: authenticator.secret of row 1, mailbox.password of row 2.

"#]]);
}

#[test]
fn a_value_moved_to_another_row_does_not_open() {
    let world = sealed();
    let secret = world.json("authenticator connect alice")["secret"].clone();
    let code = world.app(secret.as_str().unwrap());
    world.ok(&format!("authenticator confirm alice --code {code}"));
    world.sql(
        "UPDATE authenticator SET secret = (SELECT secret FROM authenticator ORDER BY id LIMIT 1)",
    );
    world.run("key check -o ndjson").shows(str![[r#"
$ twofa key check -o ndjson
? 20
--- stdout
{"ring_keys":["374708ff"],"values":2,"broken":[{"column":"authenticator.secret","row":2}],"retirable":[],"loose":[]}
--- stderr
1 sealed value cannot be opened: authenticator.secret of row 2.

"#]]);
}

#[test]
fn another_key_file() {
    let world = sealed();
    // The second command of a world draws other bytes than the first.
    let other = World::empty();
    other.ok("help events");
    other.ok("init");
    std::fs::copy(other.file("twofa.db.key"), world.file("other.key")).unwrap();
    world.run("key check --key-file other.key -o json").shows(str![[r#"
$ twofa key check --key-file other.key -o json
? 1
--- stderr
error: the key file `other.key` does not open this store: it lacks the key `374708ff`
 hint: name the right key file with --key-file
{"error":{"kind":"key_wrong","message":"the key file `other.key` does not open this store: it lacks the key `374708ff`","hint":"name the right key file with --key-file"}}

"#]]);
    world.run("key check").exits(0);
    world
        .run("key check")
        .env("TWOFA_KEY_FILE", "other.key")
        .exits(1);
    world.write("broken.key", "not a key file\n");
    world.run("key check --key-file broken.key").shows(str![[r#"
$ twofa key check --key-file broken.key
? 1
--- stderr
error: `broken.key` is not a twofa key file (line 1)
 hint: name the right key file with --key-file

"#]]);
    world.run("key check --key-file .").exits(1);
}

#[test]
fn no_key_file() {
    let world = sealed();
    std::fs::remove_file(world.file("twofa.db.key")).unwrap();
    world.run("key check -o json").shows(str![[r#"
$ twofa key check -o json
? 1
--- stderr
error: the key file `twofa.db.key` is missing
 hint: put its copy back, or name it with --key-file; a new key cannot open what the old one sealed
{"error":{"kind":"key_missing","message":"the key file `twofa.db.key` is missing","hint":"put its copy back, or name it with --key-file; a new key cannot open what the old one sealed"}}

"#]]);
    // What needs no key goes on; what needs one says so and changes nothing.
    world.run("user list -q -o csv").exits(0);
    world.run("user edit alice --name Anna").shows(str![[r#"
$ twofa user edit alice --name Anna
? 1
--- stderr
error: the key file `twofa.db.key` is missing
 hint: put its copy back, or name it with --key-file; a new key cannot open what the old one sealed

"#]]);
    assert_eq!(world.json("user show alice")["name"], "Alice");
    assert!(!world.file("twofa.db.key").exists());
}

#[test]
#[cfg(unix)]
fn a_file_that_others_may_read_is_a_finding() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let set = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(world.file("twofa.db.key"), mode).unwrap();
    };
    set(0o640);
    world.run("key check").shows(str![[r#"
$ twofa key check
? 20
--- stdout
ring keys  374708ff
values     0
broken     –
retirable  –
loose      twofa.db.key 0640
--- stderr
The key file is the right one; nothing is sealed yet.
Others may open `twofa.db.key` (mode 0640). Next: `chmod 600 twofa.db.key`.

"#]]);
    world.run("key check -o ndjson").exits(20);
    set(0o400);
    world.run("key check").exits(0);
}

/// The log beside the store holds what the store holds, and who may write into a directory may put other files there.
#[test]
#[cfg(unix)]
fn a_log_that_others_may_read_and_a_directory_they_may_write_into_are_findings() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::empty();
    world.ok("--db d/twofa.db --key-file k/key init");
    let set = |name: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(world.file(name), mode).unwrap();
    };
    // Others may look into a directory.
    set("d", 0o755);
    world.ok("--db d/twofa.db --key-file k/key key check");
    // A reader keeps the log while the command runs.
    let held = world.file("d/twofa.db");
    #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
    let db = rusqlite::Connection::open(held).unwrap();
    db.execute_batch("UPDATE store SET created_at = created_at + 1")
        .unwrap();
    for (name, mode) in [
        ("d/twofa.db-wal", 0o640),
        ("d/twofa.db-shm", 0o644),
        ("d", 0o775),
        ("k", 0o1777),
    ] {
        set(name, mode);
    }
    world
        .run("--db d/twofa.db --key-file k/key key check -o json")
        .shows(str![[r#"
$ twofa --db d/twofa.db --key-file k/key key check -o json
? 20
--- stdout
{
  "ring_keys": [
    "374708ff"
  ],
  "values": 0,
  "broken": [],
  "retirable": [],
  "loose": [
    {
      "file": "d/twofa.db-wal",
      "mode": "0640"
    },
    {
      "file": "d/twofa.db-shm",
      "mode": "0644"
    },
    {
      "file": "d",
      "mode": "0775"
    },
    {
      "file": "k",
      "mode": "1777"
    }
  ]
}
--- stderr
The key file is the right one; nothing is sealed yet.
Others may open `d/twofa.db-wal` (mode 0640). Next: `chmod 600 d/twofa.db-wal`.
Others may open `d/twofa.db-shm` (mode 0644). Next: `chmod 600 d/twofa.db-shm`.
Others may write into `d` (mode 0775). Next: `chmod go-w d`.
Others may write into `k` (mode 1777). Next: `chmod go-w k`.

"#]]);
}

/// `status` is the first place to look, so it says when nothing that is sealed can be opened.
#[test]
fn status_says_when_the_key_does_not_open_the_store() {
    let world = World::peopled();
    let other = World::empty();
    other.ok("help events");
    other.ok("init");
    std::fs::copy(other.file("twofa.db.key"), world.file("other.key")).unwrap();
    world.write("broken.key", "not a key file\n");
    assert_eq!(world.json("status")["warnings"], serde_json::json!([]));
    for (key, kind) in [
        ("other.key", "key_wrong"),
        ("broken.key", "key_wrong"),
        ("nowhere", "key_missing"),
        ("mail", "key_missing"),
    ] {
        let standing = world.json(&format!("status --key-file {key}"));
        assert_eq!(standing["warnings"][0]["kind"], kind, "{standing}");
        assert_eq!(standing["next"], "twofa key check --key-file FILE");
        assert_eq!(standing["users"], 3);
    }
    world.run("status -q --key-file other.key").shows(str![[r#"
$ twofa status -q --key-file other.key
? 0
--- stdout
2FA is off. Were it on, 2 of 2 users would be asked for a second factor.
0 of them (0.0%) have a usable method; 2 could not log in.
3 users, 3 active.

Email              off       2 users could use it
SMS                off       0 users could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

Codes by email leave through the mailbox `trial`.

AT                    EVENT            SUBJECT     OUTCOME  REASON
2026-01-01T00:00:00Z  setting.changed  2FAmailbox  ok       –
2026-01-01T00:00:00Z  mailbox.added    trial       ok       –
2026-01-01T00:00:00Z  user.added       bob         ok       –
2026-01-01T00:00:00Z  user.added       alice       ok       –
2026-01-01T00:00:00Z  store.created    Supervisor  ok       –

Next: `twofa key check --key-file FILE`.
--- stderr
warning: the key file `other.key` does not open this store: it lacks the key `374708ff`
   hint: name the right key file with --key-file

"#]]);
}

/// A command that is killed while it sends leaves the sealed body; whoever is asked for a code next erases it.
#[test]
fn what_a_killed_send_left_is_swept() {
    let world = World::with_email();
    let start = |user: &str| {
        world
            .run(&format!("login start {user} --password-stdin"))
            .stdin(&format!("{user}-pw\n"))
            .exits(18);
    };
    start("alice");
    world
        .sql("UPDATE outbox SET state = 'pending', closed_at = NULL, receipt = NULL, body = x'00'");
    assert_eq!(
        world.run("key check -o json").json(20)["broken"],
        serde_json::json!([{ "column": "outbox.body", "row": 1 }])
    );
    world.later(61);
    start("bob");
    world.run("key check -o json").json(0);
    assert_eq!(
        world.number("SELECT count(*) FROM outbox WHERE body IS NOT NULL"),
        0
    );
    // A code of an app is asked for, and nothing is sent: that erases it too.
    world.ok("method enable totp --primary");
    world.connect("alice");
    world
        .sql("UPDATE outbox SET state = 'pending', closed_at = NULL, receipt = NULL, body = x'00'");
    world.later(61);
    start("alice");
    world.run("key check -o json").json(0);
}
