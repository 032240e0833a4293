//! The store and its key: what is missing, foreign, newer, damaged, read-only, or busy.

use snapbox::str;

use crate::world::World;

/// Every byte of the store, its log and its key. A log that is absent and one that is empty say the same.
fn bytes(world: &World) -> Vec<(String, Vec<u8>)> {
    ["twofa.db", "twofa.db-wal", "twofa.db.key"]
        .map(|name| {
            (
                name.to_owned(),
                std::fs::read(world.file(name)).unwrap_or_default(),
            )
        })
        .to_vec()
}

#[test]
fn no_store() {
    let world = World::empty();
    world.run("status").shows(str![[r#"
$ twofa status
? 1
--- stderr
error: there is no store at `twofa.db`
 hint: `twofa init` makes one; --db names another

"#]]);
    world.run("method enable email -o json").shows(str![[r#"
$ twofa method enable email -o json
? 1
--- stderr
error: there is no store at `twofa.db`
 hint: `twofa init` makes one; --db names another
{"error":{"kind":"store_missing","message":"there is no store at `twofa.db`","hint":"`twofa init` makes one; --db names another"}}

"#]]);
    world.run("user list --db elsewhere/x.db").shows(str![[r#"
$ twofa user list --db elsewhere/x.db
? 1
--- stderr
error: there is no store at `elsewhere/x.db`
 hint: `twofa --db elsewhere/x.db init` makes one; --db names another

"#]]);
    // Nothing was made by looking.
    assert_eq!(std::fs::read_dir(world.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_key() {
    let world = World::peopled();
    std::fs::rename(world.file("twofa.db.key"), world.file("away")).unwrap();
    // What needs no key still answers.
    world.run("setting get Enable2FA").shows(str![[r#"
$ twofa setting get Enable2FA
? 0
--- stdout
false

"#]]);
    let before = bytes(&world);
    world.run("method enable email").shows(str![[r#"
$ twofa method enable email
? 1
--- stderr
error: the key file `twofa.db.key` is missing
 hint: put its copy back, or name it with --key-file; a new key cannot open what the old one sealed

"#]]);
    world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the key file `twofa.db.key` is missing
 hint: put its copy back, or name it with --key-file; a new key cannot open what the old one sealed
{"error":{"kind":"key_missing","message":"the key file `twofa.db.key` is missing","hint":"put its copy back, or name it with --key-file; a new key cannot open what the old one sealed"}}

"#]]);
    world.run("key check").shows(str![[r#"
$ twofa key check
? 1
--- stderr
error: the key file `twofa.db.key` is missing
 hint: put its copy back, or name it with --key-file; a new key cannot open what the old one sealed

"#]]);
    world.run("init").shows(str![[r#"
$ twofa init
? 1
--- stderr
error: the key file `twofa.db.key` is missing
 hint: put its copy back, or name it with --key-file; a new key cannot open what the old one sealed

"#]]);
    assert_eq!(bytes(&world), before);
    assert!(!world.file("twofa.db.key").exists(), "never a new key");
    world.ok("method enable email --key-file away");
}

#[test]
fn a_wrong_key() {
    let world = World::peopled();
    // Another count of commands, so other random bytes.
    let other = World::empty();
    other.run("status").exits(1);
    other.ok("init");
    std::fs::copy(other.file("twofa.db.key"), world.file("twofa.db.key")).unwrap();
    let before = bytes(&world);
    world.run("method enable email").shows(str![[r#"
$ twofa method enable email
? 1
--- stderr
error: the key file `twofa.db.key` does not open this store: it lacks the key `374708ff`
 hint: name the right key file with --key-file

"#]]);
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin
? 1
--- stderr
error: the key file `twofa.db.key` does not open this store: it lacks the key `374708ff`
 hint: name the right key file with --key-file

"#]]);
    world.run("audit verify").shows(str![[r#"
$ twofa audit verify
? 1
--- stderr
error: the key file `twofa.db.key` does not open this store: it lacks the key `374708ff`
 hint: name the right key file with --key-file

"#]]);
    for text in ["", "not a key\n", "{}", "\u{0}\u{1}"] {
        world.write("twofa.db.key", text);
        let done = world.run("method enable email -o json").exits(1);
        assert!(
            done.stderr.contains(r#""kind":"key_"#),
            "{text:?}: {}",
            done.stderr
        );
    }
    world.write("twofa.db.key", "not a key\n");
    world.run("method enable email").shows(str![[r#"
$ twofa method enable email
? 1
--- stderr
error: `twofa.db.key` is not a twofa key file (line 1)
 hint: name the right key file with --key-file

"#]]);
    std::fs::remove_file(world.file("twofa.db.key")).unwrap();
    std::fs::create_dir(world.file("twofa.db.key")).unwrap();
    let done = world.run("method enable email -o json").exits(1);
    assert!(
        done.stderr.contains(r#""kind":"key_missing""#),
        "{}",
        done.stderr
    );
    assert_eq!(bytes(&world)[..2], before[..2]);
}

#[test]
fn what_is_no_store_is_refused_untouched() {
    let world = World::new();
    world.write("text", "hello\n");
    world.write("empty", "");
    std::fs::create_dir(world.file("directory")).unwrap();
    world.write("long", &"SQLite format 3\0".repeat(500));
    {
        #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
        let db = rusqlite::Connection::open(world.file("other.db")).unwrap();
        db.execute_batch("CREATE TABLE user (id INTEGER); PRAGMA user_version = 1")
            .unwrap();
    }
    for name in ["text", "empty", "long", "other.db"] {
        let before = std::fs::read(world.file(name)).unwrap();
        for line in ["status", "method enable email", "init"] {
            let done = world.run(&format!("{line} --db {name} -o json")).exits(1);
            assert!(
                done.stderr.contains(r#""kind":"foreign_store""#),
                "{line} {name}: {}",
                done.stderr
            );
            assert_eq!(done.stdout, "");
        }
        assert_eq!(std::fs::read(world.file(name)).unwrap(), before, "{name}");
        assert!(!world.file(&format!("{name}-wal")).exists());
    }
    world.run("status --db other.db").shows(str![[r#"
$ twofa status --db other.db
? 1
--- stderr
error: `other.db` is not a twofa store
 hint: name another file with --db; this one was not touched

"#]]);
    world.run("status --db directory").shows(str![[r#"
$ twofa status --db directory
? 1
--- stderr
error: cannot read the store `directory`: it is a directory

"#]]);
    world.run("init --db directory").shows(str![[r#"
$ twofa init --db directory
? 1
--- stderr
error: cannot read the store `directory`: it is a directory

"#]]);
}

/// Neither a pipe that nobody writes to nor a device without an end holds a command up.
#[cfg(unix)]
#[test]
fn what_is_no_file_at_all() {
    let world = World::peopled();
    nix::unistd::mkfifo(&world.file("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    world.run("status --db pipe").shows(str![[r#"
$ twofa status --db pipe
? 1
--- stderr
error: `pipe` is not a twofa store
 hint: name another file with --db; this one was not touched

"#]]);
    world.run("init --db /dev/zero -o json").shows(str![[r#"
$ twofa init --db /dev/zero -o json
? 1
--- stderr
error: `/dev/zero` is not a twofa store
 hint: name another file with --db; this one was not touched
{"error":{"kind":"foreign_store","message":"`/dev/zero` is not a twofa store","hint":"name another file with --db; this one was not touched"}}

"#]]);
    world
        .run("method enable email --key-file /dev/zero")
        .shows(str![[r#"
$ twofa method enable email --key-file /dev/zero
? 1
--- stderr
error: `/dev/zero` is longer than a twofa key file can be (65536 bytes)
 hint: name the right key file with --key-file

"#]]);
}

#[test]
fn a_newer_store_is_refused_untouched() {
    let world = World::peopled();
    world.sql("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)");
    let before = std::fs::read(world.file("twofa.db")).unwrap();
    world.run("status").shows(str![[r#"
$ twofa status
? 1
--- stderr
error: `twofa.db` was written by a newer twofa (layout 99, this one knows 1)
 hint: run the newer twofa; the file was not touched

"#]]);
    world.run("method enable email -o json").shows(str![[r#"
$ twofa method enable email -o json
? 1
--- stderr
error: `twofa.db` was written by a newer twofa (layout 99, this one knows 1)
 hint: run the newer twofa; the file was not touched
{"error":{"kind":"newer_store","message":"`twofa.db` was written by a newer twofa (layout 99, this one knows 1)","hint":"run the newer twofa; the file was not touched"}}

"#]]);
    world.run("init").exits(1);
    assert_eq!(std::fs::read(world.file("twofa.db")).unwrap(), before);
}

/// Modes do not bind root.
#[cfg(unix)]
fn modes_bind() -> bool {
    let bound = !nix::unistd::geteuid().is_root();
    if !bound {
        use std::io::Write as _;
        #[expect(
            clippy::disallowed_methods,
            reason = "a skipped test says so past the capture"
        )]
        let mut stderr = std::io::stderr();
        let _ = writeln!(
            stderr,
            "SKIPPED: this test runs as root, whom file modes do not bind; run it as an ordinary account too"
        );
    }
    bound
}

#[cfg(unix)]
fn mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn a_read_only_file() {
    let world = World::peopled();
    mode(&world.file("twofa.db"), 0o400);
    world.ok("user list");
    if modes_bind() {
        let before = bytes(&world);
        world.run("method enable email").shows(str![[r#"
$ twofa method enable email
? 1
--- stderr
error: the store `twofa.db` cannot be written: Permission denied (os error 13)
 hint: run the command as the store's owner; reading commands still work

"#]]);
        // A refusal that cannot be kept is still a refusal, and says so.
        let done = world.run("user list --as bob").exits(5);
        assert!(
            done.stderr.contains(
                "warning: the refusal could not be recorded: the store `twofa.db` cannot be written"
            ),
            "{}",
            done.stderr
        );
        assert_eq!(bytes(&world), before);
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_directory() {
    let world = World::new();
    std::fs::create_dir(world.file("kept")).unwrap();
    world.ok("init --db kept/twofa.db");
    mode(&world.file("kept"), 0o500);
    let reads = world.run("user list --db kept/twofa.db").done();
    let writes = modes_bind().then(|| {
        world
            .run("method enable email --db kept/twofa.db -o json")
            .done()
    });
    // Or the directory of the test could not be removed.
    mode(&world.file("kept"), 0o700);
    assert_eq!(reads.code, Some(0), "{}", reads.stderr);
    if let Some(writes) = writes {
        assert_eq!(writes.code, Some(1), "{}", writes.stderr);
        assert!(
            writes.stderr.contains(r#""kind":"read_only""#),
            "{}",
            writes.stderr
        );
    }
}

#[test]
fn a_busy_store() {
    let world = World::peopled();
    #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
    let other = rusqlite::Connection::open(world.file("twofa.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = bytes(&world);
    #[expect(
        clippy::disallowed_methods,
        reason = "a test measures by the machine's clock"
    )]
    let begun = std::time::Instant::now();
    world
        .run("method enable email --wait 1s -o json")
        .shows(str![[r#"
$ twofa method enable email --wait 1s -o json
? 75
--- stderr
error: the store is busy
 hint: another command is writing; try again, or wait longer with --wait
{"error":{"kind":"busy","message":"the store is busy","hint":"another command is writing; try again, or wait longer with --wait"}}

"#]]);
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));
    assert!(begun.elapsed() < std::time::Duration::from_secs(9));
    world.run("method enable email --wait 0s").shows(str![[r#"
$ twofa method enable email --wait 0s
? 75
--- stderr
error: the store is busy
 hint: another command is writing; try again, or wait longer with --wait

"#]]);
    world
        .run("method enable email")
        .env("TWOFA_WAIT", "0s")
        .exits(75);
    // A login is not told that anything was wrong.
    let done = world
        .run("login start alice --password-stdin --wait 0s -o json")
        .stdin("alice-pw\n")
        .exits(75);
    assert!(
        done.stderr.contains(r#""kind":"busy""#) && !done.stderr.contains("wrong"),
        "{}",
        done.stderr
    );
    // Who may not is told so, even while the row about it cannot be written.
    let done = world.run("user list --as bob --wait 0s").exits(5);
    assert!(
        done.stderr
            .contains("the refusal could not be recorded: the store is busy"),
        "{}",
        done.stderr
    );
    assert_eq!(bytes(&world), before);
    // Reading goes on meanwhile.
    world.ok("method list");
    world.ok("audit verify");
    other.execute_batch("ROLLBACK").unwrap();
    world.ok("method enable email");
    world.run("status --wait 21d").shows(str![[r#"
$ twofa status --wait 21d
? 2
--- stderr
error: --wait: more than 20 days is too long
 hint: write it as 10s or 1m

"#]]);
    world.run("status --wait 20d").succeeds();
    world.run("status --wait soon").shows(str![[r#"
$ twofa status --wait soon
? 2
--- stderr
error: --wait: `soon` is not a duration
 hint: write it as 10s or 1m

"#]]);
}

/// A writer that ends while another waits lets it in.
#[test]
fn a_store_that_is_busy_for_a_moment() {
    let world = World::peopled();
    let path = world.file("twofa.db");
    let (ready, wait) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
        let other = rusqlite::Connection::open(path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        ready.send(()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "so long it holds the lock")]
        std::thread::sleep(std::time::Duration::from_millis(200));
        other.execute_batch("COMMIT").unwrap();
    });
    wait.recv().unwrap();
    world.ok("method enable email --wait 20s");
    thread.join().unwrap();
}

/// A reading verb leaves the main file and the content of the log as they are, answered or refused for its words.
#[test]
fn reading_leaves_the_store_untouched() {
    let world = World::with_email();
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
    // With a log that has content: another program keeps the store open.
    #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
    let other = rusqlite::Connection::open(world.file("twofa.db")).unwrap();
    let _: i64 = other
        .query_row("SELECT count(*) FROM user", [], |row| row.get(0))
        .unwrap();
    world.ok("user edit bob --name Bob");
    let before = bytes(&world);
    assert!(!before[1].1.is_empty());
    for line in [
        "status",
        "method list",
        "method show email",
        "setting list",
        "setting show Enable2FA",
        "setting get Enable2FA",
        "user list",
        "user list --without totp",
        "user show alice",
        "authenticator list",
        "authenticator show alice",
        "recovery-codes show alice",
        "mailbox list",
        "mailbox show trial",
        "template list",
        "template show '2FA SMS code'",
        "template preview '2FA SMS code'",
        "login list",
        "audit list",
        "audit show 1",
        "audit verify",
        "key check",
    ] {
        world.ok(line);
        assert_eq!(bytes(&world), before, "{line}");
    }
    for line in [
        "user show nobody",
        "setting get nothing",
        "audit show 999999",
    ] {
        world.run(line).exits(3);
        assert_eq!(bytes(&world), before, "{line}");
    }
    // And without one.
    drop(other);
    world.ok("user edit bob --name Robert");
    let before = bytes(&world);
    world.ok("user list");
    assert_eq!(bytes(&world), before);
}

#[test]
fn a_damaged_page_is_said_to_be_damage() {
    let world = World::peopled();
    world.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    let root = world.number("SELECT rootpage FROM sqlite_schema WHERE name = 'user'");
    let size = world.number("PRAGMA page_size");
    let mut file = std::fs::read(world.file("twofa.db")).unwrap();
    let start = usize::try_from((root - 1) * size).unwrap();
    file[start..start + 64].fill(0xa5);
    std::fs::write(world.file("twofa.db"), &file).unwrap();
    for line in ["user list", "user show alice", "user edit alice --name A"] {
        let done = world.run(&format!("{line} -o json")).exits(1);
        assert!(
            done.stderr.contains(r#""kind":"storage""#),
            "{line}: {}",
            done.stderr
        );
        assert!(
            done.stderr.starts_with("error: the store is damaged"),
            "{line}: {}",
            done.stderr
        );
    }
    let done = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .exits(1);
    assert!(!done.stderr.contains("wrong"), "{}", done.stderr);
    assert_eq!(done.stdout, "");
}

#[test]
fn a_cut_off_file() {
    let world = World::peopled();
    world.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    let file = std::fs::read(world.file("twofa.db")).unwrap();
    std::fs::write(world.file("twofa.db"), &file[..8_192]).unwrap();
    for line in ["user list -o json", "method enable email -o json"] {
        let done = world.run(line).exits(1);
        assert!(
            done.stderr.contains(r#""kind":"storage""#),
            "{line}: {}",
            done.stderr
        );
    }
}
