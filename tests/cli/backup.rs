//! `twofa backup`: one moment of the store in a file of its own, whoever writes meanwhile.

use std::fs;
use std::path::Path;
use std::process::Child;

use sha2::{Digest as _, Sha256};
use snapbox::str;

use crate::world::World;

/// What `SQLite` says of a file that nobody else has open.
fn integrity(path: &Path) -> String {
    #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
    let db = rusqlite::Connection::open(path).unwrap();
    db.query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap()
}

/// What lies in the directory, without the store's own log.
fn names(world: &World) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(world.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("twofa.db-"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_backup_is_one_file_that_says_what_it_needs() {
    let world = World::with_email();
    let before = world.bytes();
    let mut done = world.ok("backup copy.db");
    let bytes = fs::read(world.file("copy.db")).unwrap();
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
    done.stdout = done.stdout.replace(&sha256, "[SHA256]");
    done.shows(str![[r#"
$ twofa backup copy.db
? 0
--- stdout
file       copy.db
store id   692865c9a376a1a82d161b0f95785955
seq        7
bytes      401408
sha256     [SHA256]
ring keys  374708ff
at         2026-01-01T00:00:00Z
--- stderr
`copy.db` is a backup of the store up to event 7.
It opens with the key `374708ff`, which is not in it: keep a copy of `twofa.db.key` apart from it.

"#]]);
    let made = world.json("backup again.db");
    assert_eq!(made["sha256"], sha256, "nothing happened between the two");
    assert_eq!(made["bytes"], bytes.len());
    assert_eq!(made["ring_keys"], world.json("key check")["ring_keys"]);
    assert_eq!(world.bytes(), before, "to read leaves the store as it is");
    assert_eq!(
        names(&world),
        ["again.db", "copy.db", "mail", "twofa.db", "twofa.db.key"],
        "it needs no log, and nothing is left over"
    );
    // It is a store like the one it is of.
    world.ok("audit verify --db copy.db --key-file twofa.db.key");
    world.ok("key check --db again.db --key-file twofa.db.key");
    assert_eq!(
        world.json("user list --db copy.db --key-file twofa.db.key"),
        world.json("user list")
    );
    let key = fs::read_to_string(world.file("twofa.db.key")).unwrap();
    let secret = key.split_whitespace().last().unwrap();
    let secret = data_encoding::BASE64.decode(secret.as_bytes()).unwrap();
    assert!(
        !bytes.windows(secret.len()).any(|window| window == secret),
        "no key is in it"
    );
}

#[cfg(unix)]
#[test]
fn a_backup_is_for_its_owner_alone() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let world = World::new();
    world.ok("backup copy.db");
    let about = |name: &str| fs::metadata(world.file(name)).unwrap();
    assert_eq!(about("copy.db").permissions().mode() & 0o777, 0o600);
    assert_eq!(about("copy.db").uid(), about("twofa.db").uid());
    // As it was read from a disk that nobody can write.
    let disk = world.file("disk");
    fs::create_dir(&disk).unwrap();
    fs::copy(world.file("copy.db"), disk.join("copy.db")).unwrap();
    fs::set_permissions(&disk, fs::Permissions::from_mode(0o500)).unwrap();
    let read = world
        .run("audit list --db disk/copy.db --key-file twofa.db.key")
        .done();
    fs::set_permissions(&disk, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(read.code, Some(0), "{read:?}");
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 1, "no log was made");
}

#[test]
fn what_stops_it_leaves_nothing() {
    let world = World::peopled();
    world.write("mine", "mine");
    world.run("backup mine").shows(str![[r#"
$ twofa backup mine
? 4
--- stderr
error: `mine` is there already
 hint: a backup never takes the place of another file: name another one

"#]]);
    assert_eq!(fs::read(world.file("mine")).unwrap(), b"mine");
    world.run("backup twofa.db").exits(4);
    world.run("backup mail").exits(4);
    world.run("backup nowhere/copy.db").exits(1);
    world.run("backup").exits(2);
    let error = world.run("backup copy.db --as alice -o json").exits(5);
    assert_eq!(error.error()["kind"], "not_permitted");
    world.run("backup copy.db --db other.db").exits(1);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nothing", world.file("link")).unwrap();
        world.run("backup link").exits(4);
        fs::remove_file(world.file("link")).unwrap();
    }
    assert_eq!(names(&world), ["mail", "mine", "twofa.db", "twofa.db.key"]);
    // `-` is a file of that name, as everywhere else.
    world.ok("backup -");
    assert_eq!(integrity(&world.file("-")), "ok");
}

#[test]
fn a_backup_needs_no_key() {
    let world = World::peopled();
    let ring_keys = world.json("key check")["ring_keys"].clone();
    fs::rename(world.file("twofa.db.key"), world.file("away")).unwrap();
    let made = world.json("backup copy.db");
    assert_eq!(made["ring_keys"], ring_keys);
    world.run("audit verify --db copy.db").exits(1);
    world.ok("audit verify --db copy.db --key-file away");
}

#[test]
fn a_damaged_store_has_no_backup() {
    let world = World::peopled();
    // A page that holds nothing any more, and an index that leads there.
    let page: i64 = world.number("SELECT rootpage FROM sqlite_schema WHERE name = 'identity_user'");
    let mut bytes = fs::read(world.file("twofa.db")).unwrap();
    let at = usize::try_from(page - 1).unwrap() * 4096;
    bytes[at..at + 4096].fill(0);
    fs::write(world.file("twofa.db"), bytes).unwrap();
    let error = world.run("backup copy.db -o json").exits(1).error();
    assert_eq!(error["kind"], "storage");
    assert!(!world.file("copy.db").exists());
    // One whose log of events was tampered with is whole, and evidence.
    let world = World::peopled();
    world.sql("UPDATE audit SET subject = 'mallory' WHERE seq = 2");
    world.ok("backup copy.db");
    world
        .run("audit verify --db copy.db --key-file twofa.db.key")
        .exits(20);
}

/// While many write, a backup is one moment of the store, and nobody waits long for it.
#[test]
fn one_moment_while_many_write() {
    let world = World::peopled();
    let head = |line: &str| world.json(line)["seq"].as_i64().unwrap();
    let first = head("audit anchor");
    let lines: Vec<String> = (0..64)
        .map(|at| match at % 4 {
            0 => format!("setting set TotpDriftSteps {}", at % 8),
            1 => format!("user add u{at} --email u{at}@example.com"),
            2 => format!("group add Group{at}"),
            _ => format!("user edit alice --name Alice{at}"),
        })
        .collect();
    let mut writers: Vec<Child> = Vec::new();
    let mut copies = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        writers.push(world.run(&format!("{line} --wait 60s -q")).start());
        if at % 16 == 8 {
            copies.push((at, head(&format!("backup copy-{at}.db --wait 60s"))));
        }
    }
    for child in writers {
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let last = head("audit anchor");
    for (at, seq) in copies {
        let name = format!("copy-{at}.db");
        assert!(first <= seq && seq <= last, "{first} {seq} {last}");
        assert_eq!(integrity(&world.file(&name)), "ok");
        let found = world.json(&format!("audit verify --db {name} --key-file twofa.db.key"));
        assert_eq!(found["head"], seq);
        // What its log tells of is there, and nothing else: a user for each row that adds one.
        #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
        let db = rusqlite::Connection::open(world.file(&name)).unwrap();
        let differ: i64 = db
            .query_row(
                "SELECT (SELECT count(*) FROM user) - (SELECT count(*) FROM audit WHERE event = 'user.added')
                     - (SELECT count(*) FROM audit WHERE event = 'store.created')",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(differ, 0);
    }
}
