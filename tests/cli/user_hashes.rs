//! Password hashes of other systems, brought in with `user import`.

use snapbox::str;

use crate::world::{Done, World};

/// Hashes of `correct horse` as other programs wrote them.
const HASHES: [(&str, &str); 4] = [
    (
        "anna",
        "$argon2id$v=19$m=256,t=2,p=1$2tkbhtQg/gST3HdpciaSNw$MwA7F/5rZhnUhn1pq98H99FJo3+RWF7xYm0Dp8Gcomg",
    ),
    (
        "berta",
        "$2b$04$szS2u1041Frh9mk3IEBL.e3Qa9C.fQia0g.hqkdSUJi.NOxFCDFDi",
    ),
    (
        "clara",
        "$pbkdf2-sha256$1000$Twnh/B/jXOu9V2qNUUoJIQ$NeUUkDaOxzIx1cnBKuB1Jsp.4s3z3LDpc3ig9Q1dGVk",
    ),
    (
        "dora",
        "pbkdf2_sha256$1000$saltySALT123$eShGjpKPm6Y3wDmOEBjyANjzV9eTHjbbulRRNLYPxpU=",
    ),
];

fn imported() -> World {
    let world = World::new();
    let lines = HASHES.map(|(login, hash)| format!("{login},\"{hash}\"\n"));
    world.write(
        "people.csv",
        &format!("login,password_hash\n{}", lines.concat()),
    );
    world.ok("user import people.csv --yes");
    world
}

fn login(world: &World, login: &str, password: &str) -> Done {
    world
        .run(&format!("login start {login} --password-stdin"))
        .stdin(&format!("{password}\n"))
        .done()
}

#[test]
fn an_imported_hash_logs_in_and_becomes_ours() {
    let world = imported();
    let sealed = || world.number("SELECT count(*) FROM user WHERE password_imported IS NOT NULL");
    let ours = || {
        world
            .number("SELECT count(*) FROM user WHERE password_hash LIKE '$argon2id$v=19$m=19456,%'")
    };
    world.run("key check").shows(str![[r#"
$ twofa key check
? 0
--- stdout
ring keys  374708ff
values     4
broken     –
retirable  –
loose      –
--- stderr
The key file opens every sealed value: 4 values.

"#]]);
    for (user, _) in HASHES {
        let before = (sealed(), ours());
        assert_eq!(
            login(&world, user, "correct horsf").code,
            Some(10),
            "{user}"
        );
        assert_eq!((sealed(), ours()), before, "{user}");
        assert_eq!(login(&world, user, "correct horse").code, Some(0), "{user}");
        assert_eq!((sealed(), ours()), (before.0 - 1, before.1 + 1), "{user}");
        assert_eq!(login(&world, user, "correct horse").code, Some(0), "{user}");
        assert_eq!(
            login(&world, user, "correct horsf").code,
            Some(10),
            "{user}"
        );
    }
    world.run("audit list --user anna -o ndjson").shows(str![[r#"
$ twofa audit list --user anna -o ndjson
? 0
--- stdout
{"seq":11,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.denied","subject":"anna","outcome":"denied","reason":"wrong_password","note":null,"detail":null}
{"seq":10,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.granted","subject":"anna","outcome":"ok","reason":null,"note":null,"detail":{"method":null}}
{"seq":9,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.granted","subject":"anna","outcome":"ok","reason":null,"note":null,"detail":{"method":null}}
{"seq":8,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"password.upgraded","subject":"anna","outcome":"ok","reason":null,"note":null,"detail":null}
{"seq":7,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"login.denied","subject":"anna","outcome":"denied","reason":"wrong_password","note":null,"detail":null}
{"seq":2,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.added","subject":"anna","outcome":"ok","reason":null,"note":null,"detail":{"login":{"old":null,"new":"anna"},"type":{"old":null,"new":"employee"},"language":{"old":null,"new":"en"},"password":{"old":null,"new":"imported"}}}

"#]]);
    world.ok("audit verify");
}

/// Sealed means: not in the file, not in the log, not in an answer, and not without the key.
#[test]
fn an_imported_hash_is_seen_nowhere() {
    let world = imported();
    let mut bytes = std::fs::read(world.file("twofa.db")).unwrap();
    bytes.extend(std::fs::read(world.file("twofa.db-wal")).unwrap_or_default());
    let told = world.ok("audit list -o json").stdout + &world.ok("user list -o json").stdout;
    for (user, hash) in HASHES {
        let end = &hash[hash.len() - 20..];
        assert!(
            !bytes.windows(20).any(|part| part == end.as_bytes()),
            "{user}"
        );
        assert!(!told.contains(end), "{user}");
    }
    assert!(told.contains(r#""password":{"old":null,"new":"imported"}"#));
    std::fs::rename(world.file("twofa.db.key"), world.file("away")).unwrap();
    assert_eq!(login(&world, "anna", "correct horse").code, Some(1));
    std::fs::rename(world.file("away"), world.file("twofa.db.key")).unwrap();
    // A damaged one is damage, and never a wrong password.
    world.sql("UPDATE user SET password_imported = zeroblob(80) WHERE login = 'anna'");
    let done = login(&world, "anna", "correct horse");
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    world.run("key check").exits(20);
    // A new password takes its place.
    world
        .run("password set anna --password-stdin")
        .stdin("new\n")
        .succeeds();
    assert_eq!(login(&world, "anna", "new").code, Some(0));
    world.ok("key check");
}

/// A code that confirmed one hash for an administrator confirms no other.
#[test]
fn a_confirmation_is_bound_to_the_hash() {
    let world = World::with_email();
    world.ok("user edit Supervisor --email root@example.com --reason set-up --override");
    let file = |hash: &str| {
        let text = format!("login,groups,password_hash\neve,System administrators,\"{hash}\"\n");
        world.write("people.csv", &text);
    };
    file(HASHES[0].1);
    let asked = world.run("user import people.csv --yes -o json").exits(5);
    let error: serde_json::Value =
        serde_json::from_str(asked.stderr.lines().last().unwrap()).unwrap();
    let challenge = error["error"]["challenge"].as_str().unwrap().to_owned();
    let confirm = format!(
        "user import people.csv --yes --confirm-challenge {challenge} --confirm-code {}",
        world.code()
    );
    file(HASHES[1].1);
    let other = world.run(&confirm).exits(5);
    assert!(
        other
            .stderr
            .contains("the challenge confirms another command"),
        "{}",
        other.stderr
    );
    file(HASHES[0].1);
    world.ok(&confirm);
}

/// The imported password is one of the last, too; and what bcrypt does not look at never becomes part of ours.
#[test]
fn an_imported_password_counts_as_one() {
    let world = imported();
    world.ok("setting set PasswordHistoryRecordCount 2");
    world
        .run("password set berta --password-stdin")
        .stdin("correct horse\n")
        .exits(4);
    // And stays one when it is replaced.
    for (new, code) in [
        ("second", 0),
        ("correct horse", 4),
        ("third", 0),
        ("correct horse", 0),
    ] {
        let done = world
            .run("password set berta --password-stdin")
            .stdin(&format!("{new}\n"))
            .done();
        assert_eq!(done.code, Some(code), "{new}: {}", done.stderr);
        world.ok("key check");
    }
    // bcrypt of 80 times `x`: it cannot tell 73 of them from 74.
    let hash = "$2b$04$5wBblnJ9nETOtX5udNyw/.q8IjIy4me5wUHLdBW5vAv0U0GKz2c.S";
    world.write("long.csv", &format!("login,password_hash\nlong,{hash}\n"));
    world.ok("user import long.csv --yes");
    let typed = format!("{}y", "x".repeat(79));
    assert_eq!(login(&world, "long", &typed).code, Some(0));
    assert_eq!(login(&world, "long", &"x".repeat(80)).code, Some(0));
    assert_eq!(login(&world, "long", &"x".repeat(71)).code, Some(10));
}
