//! `twofa restore`: a backup takes the place of the store, and nothing that was consumed comes back to life.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

/// Alice with an app, recovery codes, and a question that waits for its answer; then a backup, `copy.db`. Returns the
/// secret of the app, the codes, the question and the code that was mailed for it.
fn backed_up() -> (World, String, Vec<String>, String, String) {
    let world = World::with_email();
    world.ok("method enable totp");
    world.ok("method enable recovery-codes");
    let secret = world.connect("alice");
    let codes = world.recovery("alice");
    world.later(60);
    let open = world.challenge("alice");
    let mailed = world.code();
    world.ok("backup copy.db");
    (world, secret, codes, open, mailed)
}

/// What is in the store, row by row, but for what a denied or refused command adds.
fn contents(world: &World) -> Vec<Value> {
    vec![
        world.json("user list"),
        world.json("login list"),
        world.json("authenticator list"),
        world.number("SELECT count(*) FROM recovery_code").into(),
    ]
}

#[test]
fn what_was_consumed_stays_consumed() {
    let (world, secret, codes, open, mailed) = backed_up();
    world.later(30);
    let shown = world.app(&secret);
    let totp = world.challenge("alice --method totp");
    world.verify(&totp, &shown).succeeds();
    let recovery = world.challenge("alice --method recovery-codes");
    world.verify(&recovery, &codes[0]).succeeds();
    world.verify(&open, WRONG).exits(11);
    world.verify(&open, WRONG).exits(11);
    world.ok("user deactivate bob --yes");
    world.ok("user add carol");
    world
        .run("restore copy.db --yes --reason disk")
        .shows(str![[r#"
$ twofa restore copy.db --yes --reason disk
? 0
--- stdout
file                 copy.db
store id             692865c9a376a1a82d161b0f95785955
restored seq         14
lost events          8
live                 merged
aside                –
recovery codes void  –
changed              yes
--- stderr
The store is as `copy.db` has it, at event 14; 8 later events are lost.
Anchors of what is lost no longer fit. Next: `twofa audit anchor`.

"#]]);
    let row = &world.json("audit list --limit 1")[0];
    assert_eq!(
        (&row["event"], &row["note"]),
        (&json!("store.restored"), &json!("disk"))
    );
    assert_eq!(
        row["detail"]["backup"]["seq"].as_i64().unwrap() + 1,
        row["seq"]
    );
    assert!(row["detail"]["live"]["seq"].as_i64() > row["seq"].as_i64());
    world.ok("audit verify");
    world.ok("key check");
    world.run("user show carol").exits(3);
    assert_eq!(world.json("user show bob")["active"], false);
    assert_eq!(world.tries("alice"), 2);
    assert_eq!(world.json("login list"), json!([]), "questions are void");
    world.verify(&open, &mailed).exits(12);
    let again = world.challenge("alice --method totp");
    world.verify(&again, &shown).exits(12);
    let again = world.challenge("alice --method recovery-codes");
    world.verify(&again, &codes[0]).exits(12);
    world.verify(&again, &codes[1]).succeeds();
    world.later(30);
    let next = world.challenge("alice --method totp");
    world.verify(&next, &world.app(&secret)).succeeds();
}

#[test]
fn it_asks_before_anything_is_lost() {
    let (world, ..) = backed_up();
    world.ok("user add carol");
    world.ok("user add dave");
    let before = contents(&world);
    world.run("restore copy.db").shows(str![[r#"
$ twofa restore copy.db
? 2
--- stderr
error: are you sure? The store goes back to event 14 of 2026-01-01T00:01:00Z: 2 later events are lost.
 hint: say yes with --yes

"#]]);
    assert_eq!(contents(&world), before);
    let done = world.json("restore copy.db --yes");
    assert_eq!(
        (&done["lost_events"], &done["live"], &done["changed"]),
        (&json!(2), &json!("merged"), &json!(true))
    );
    assert_eq!(done["recovery_codes_void"], json!([]));
    // Once more is fine, and asks nothing.
    world.run("restore copy.db").shows(str![[r#"
$ twofa restore copy.db
? 0
--- stdout
file                 copy.db
store id             692865c9a376a1a82d161b0f95785955
restored seq         14
lost events          0
live                 merged
aside                –
recovery codes void  –
changed              no
--- stderr
This backup was restored already, and nothing has happened since.

"#]]);
    // Until something happens.
    world.ok("user add carol");
    world.run("restore copy.db").exits(2);
    assert_eq!(world.json("restore copy.db --yes")["lost_events"], 2);
}

/// Numbers that rows of the live store had are not given to others.
#[test]
fn what_comes_next_has_numbers_of_its_own() {
    let (world, ..) = backed_up();
    world.ok("user add carol");
    let carol = world.number("SELECT id FROM user WHERE login = 'carol'");
    let open = world.challenge("alice");
    let asked = world.number("SELECT max(id) FROM challenge");
    world.ok("restore copy.db --yes");
    world.ok("user add dave");
    assert!(world.number("SELECT id FROM user WHERE login = 'dave'") > carol);
    world.verify(&open, &world.code()).exits(3);
    world.challenge("alice");
    assert!(world.number("SELECT max(id) FROM challenge") > asked);
}

/// What a restore undoes on purpose is named: it may have been done for a reason.
#[test]
fn what_comes_back_is_named() {
    let (world, secret, ..) = backed_up();
    world.ok("user remove bob --yes");
    world.ok("authenticator disconnect alice --yes");
    world.recovery("alice");
    world
        .run("password set alice --password-stdin")
        .stdin("another-pw\n")
        .succeeds();
    world.later(30);
    world.run("restore copy.db --yes").shows(str![[r#"
$ twofa restore copy.db --yes
? 0
--- stdout
file                 copy.db
store id             692865c9a376a1a82d161b0f95785955
restored seq         14
lost events          4
live                 merged
aside                –
recovery codes void  alice
changed              yes
--- stderr
warning: users whose recovery codes are void now: `alice`
   hint: they need new ones: `twofa recovery-codes generate LOGIN`
warning: users who had been removed since and are back: `bob`
   hint: `twofa user remove LOGIN` removes them again
warning: users whose app had been disconnected or replaced since, and whose old one is back: `alice`
   hint: `twofa authenticator disconnect LOGIN` disconnects it again
warning: users who had got another password since, and whose old one is back: `alice`
   hint: `twofa password set LOGIN --must-change` sets another
The store is as `copy.db` has it, at event 14; 4 later events are lost.
Anchors of what is lost no longer fit. Next: `twofa audit anchor`.

"#]]);
    assert_eq!(world.json("recovery-codes show alice")["left"], 0);
    let again = world.challenge("alice --method totp");
    // Nobody knows what that app had shown: all that it could have is used.
    world.verify(&again, &world.app(&secret)).exits(12);
    world.later(60);
    world.verify(&again, &world.app(&secret)).succeeds();
    world
        .run("login start alice --method recovery-codes --password-stdin")
        .stdin("alice-pw\n")
        .exits(4);
}

/// Who had been shut out stays so, unless nobody else could administer the store.
#[test]
fn somebody_can_administer_the_store() {
    let world = World::peopled();
    world.ok("user edit alice --group 'System administrators'");
    world.ok("user deactivate alice --yes");
    world.ok("backup copy.db");
    world.ok("user activate alice");
    world.ok("user deactivate Supervisor --yes");
    world.ok("user deactivate bob --yes");
    world
        .run("restore copy.db --yes --as alice")
        .shows(str![[r#"
$ twofa restore copy.db --yes --as alice
? 0
--- stdout
file                 copy.db
store id             692865c9a376a1a82d161b0f95785955
restored seq         7
lost events          3
live                 merged
aside                –
recovery codes void  –
changed              yes
--- stderr
warning: users who had been deactivated since and are active, for nobody else could administer the store: `Supervisor`
   hint: `twofa user deactivate LOGIN` once there is another administrator
The store is as `copy.db` has it, at event 7; 3 later events are lost.
Anchors of what is lost no longer fit. Next: `twofa audit anchor`.

"#]]);
    let active = |login: &str| world.json(&format!("user show {login}"))["active"].clone();
    assert_eq!(
        [active("Supervisor"), active("alice"), active("bob")],
        [true, false, false]
    );
}

#[test]
fn where_there_is_no_store() {
    let (world, secret, codes, open, mailed) = backed_up();
    world.later(30);
    fs::remove_file(world.file("twofa.db")).unwrap();
    world.run("restore copy.db").shows(str![[r#"
$ twofa restore copy.db
? 2
--- stderr
error: are you sure? There is no store at `twofa.db`: `copy.db` becomes it, up to event 14 of 2026-01-01T00:01:00Z, and every recovery code is void.
 hint: say yes with --yes

"#]]);
    assert!(!world.file("twofa.db").exists());
    let done = world.run("restore copy.db --yes").done();
    done.shows(str![[r#"
$ twofa restore copy.db --yes
? 0
--- stdout
file                 copy.db
store id             692865c9a376a1a82d161b0f95785955
restored seq         14
lost events          –
live                 absent
aside                –
recovery codes void  alice
changed              yes
--- stderr
warning: users whose recovery codes are void now: `alice`
   hint: they need new ones: `twofa recovery-codes generate LOGIN`
The store is as `copy.db` has it, at event 14.
Codes that apps show now are refused as used; new ones work once `TotpDriftSteps` steps have passed.
Anchors of what is lost no longer fit. Next: `twofa audit anchor`.

"#]]);
    let found: Value = world.json("restore copy.db");
    assert_eq!(found["changed"], false, "it is the store now");
    let totp = world.challenge("alice --method totp");
    world.verify(&totp, &world.app(&secret)).exits(12);
    world.later(60);
    world.verify(&totp, &world.app(&secret)).succeeds();
    world.verify(&open, &mailed).exits(12);
    let totp = world.challenge("alice --method totp");
    world
        .run(&format!(
            "login verify {totp} --method recovery-codes --code {}",
            codes[1]
        ))
        .exits(11);
    world.ok("audit verify");
    assert_eq!(world.text("PRAGMA journal_mode"), "wal");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(world.file("twofa.db")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
}

#[test]
fn what_cannot_be_read_is_moved_aside() {
    let (world, ..) = backed_up();
    let names = |world: &World| {
        let mut names: Vec<String> = fs::read_dir(world.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("unreadable") || name.contains("unfinished"))
            .collect();
        names.sort();
        names
    };
    // Cut off, with a log beside it that belongs to what is lost.
    let whole = fs::read(world.file("twofa.db")).unwrap();
    world.write("twofa.db", "SQLite");
    world.write("twofa.db-wal", "of another time");
    world.run("restore copy.db").exits(2);
    assert_eq!(names(&world), Vec::<String>::new());
    world.run("restore copy.db --yes").shows(str![[r#"
$ twofa restore copy.db --yes
? 0
--- stdout
file                 copy.db
store id             692865c9a376a1a82d161b0f95785955
restored seq         14
lost events          –
live                 unreadable
aside                twofa.db.unreadable-1
recovery codes void  alice
changed              yes
--- stderr
warning: users whose recovery codes are void now: `alice`
   hint: they need new ones: `twofa recovery-codes generate LOGIN`
The store is as `copy.db` has it, at event 14.
What could not be read is kept as `twofa.db.unreadable-1`.
Codes that apps show now are refused as used; new ones work once `TotpDriftSteps` steps have passed.
Anchors of what is lost no longer fit. Next: `twofa audit anchor`.

"#]]);
    assert_eq!(
        names(&world),
        ["twofa.db.unreadable-1", "twofa.db.unreadable-1-wal"]
    );
    world.ok("audit verify");
    world.ok("user add carol");
    // A page that holds nothing any more.
    let mut torn = whole;
    torn[4096 * 3..4096 * 6].fill(0);
    fs::write(world.file("twofa.db"), torn).unwrap();
    let done = world.json("restore copy.db --yes");
    assert_eq!(done["live"], "unreadable");
    assert_eq!(done["lost_events"], Value::Null);
    assert!(names(&world).contains(&"twofa.db.unreadable-2".to_owned()));
    world.ok("audit verify");
}

#[test]
fn what_is_refused_leaves_everything() {
    let (world, ..) = backed_up();
    let before = contents(&world);
    world.run("restore twofa.db --yes").shows(str![[r#"
$ twofa restore twofa.db --yes
? 4
--- stderr
error: `twofa.db` is the store itself
 hint: name a file that `twofa backup` made

"#]]);
    world.run("restore nothing --yes").exits(1);
    world.run("restore mail --yes").exits(1);
    world.write("foreign", "hello, this is no store at all");
    world.run("restore foreign --yes").shows(str![[r#"
$ twofa restore foreign --yes
? 1
--- stderr
error: `foreign` is not a twofa store
 hint: `twofa backup FILE` makes a file that can be restored

"#]]);
    world.ok("init --db other.db");
    world.ok("backup other.backup --db other.db");
    world.run("restore other.backup --yes").shows(str![[r#"
$ twofa restore other.backup --yes
? 4
--- stderr
error: `other.backup` is a backup of another store
 hint: nothing was changed; name the place of that store with --db

"#]]);
    world.run("restore copy.db --yes --as alice").exits(5);
    // Tampered with, damaged, newer.
    let changed = |sql: &str| {
        fs::copy(world.file("copy.db"), world.file("changed.db")).unwrap();
        #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
        let db = rusqlite::Connection::open(world.file("changed.db")).unwrap();
        db.execute_batch(sql).unwrap();
    };
    changed("UPDATE audit SET subject = 'mallory' WHERE seq = 2");
    world.run("restore changed.db --yes").shows(str![[r#"
$ twofa restore changed.db --yes
? 4
--- stderr
error: the audit log of `changed.db` was tampered with: row 2 (edited)
 hint: nothing was changed: restore another backup

"#]]);
    changed("PRAGMA user_version = 99");
    world.run("restore changed.db --yes").shows(str![[r#"
$ twofa restore changed.db --yes
? 1
--- stderr
error: `changed.db` was written by a newer twofa (layout 99, this one knows 1)
 hint: run the newer twofa; the file was not touched

"#]]);
    let mut torn = fs::read(world.file("copy.db")).unwrap();
    torn[4096 * 3..4096 * 6].fill(0);
    fs::write(world.file("changed.db"), torn).unwrap();
    world.run("restore changed.db --yes").exits(1);
    // The key file of another store.
    world
        .run("restore copy.db --yes --key-file other.db.key")
        .exits(1);
    world
        .run("restore copy.db --yes --key-file nothing")
        .exits(1);
    assert_eq!(contents(&world), before);
    // Nor is a database of another program written over, nor a directory.
    #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
    rusqlite::Connection::open(world.file("theirs.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    let theirs = fs::read(world.file("theirs.db")).unwrap();
    let line = "restore copy.db --yes --key-file twofa.db.key --db";
    world.run(&format!("{line} theirs.db")).exits(1);
    assert_eq!(fs::read(world.file("theirs.db")).unwrap(), theirs);
    world.run(&format!("{line} mail")).exits(1);
    assert!(world.file("mail").is_dir());
    let unfinished = fs::read_dir(world.path()).unwrap().any(|entry| {
        let name = entry.unwrap().file_name();
        name.to_string_lossy().contains("unfinished")
    });
    assert!(!unfinished);
}

/// Others keep the store open: who writes is waited for, and who reads sees the one or the other.
#[test]
fn others_keep_working() {
    let (world, ..) = backed_up();
    world.ok("user add carol");
    let other = world.writer();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    let users = |db: &rusqlite::Connection| -> i64 {
        db.query_row("SELECT count(*) FROM user", [], |row| row.get(0))
            .unwrap()
    };
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = world
        .run("restore copy.db --yes --wait 0 -o json")
        .exits(75);
    assert_eq!(error.error()["kind"], "busy");
    assert_eq!(users(&other), 4);
    other.execute_batch("ROLLBACK; BEGIN").unwrap();
    assert_eq!(users(&other), 4);
    world.ok("restore copy.db --yes");
    assert_eq!(users(&other), 4, "a moment that is held stays");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(users(&other), 3, "and the next is the restored one");
    other
        .execute_batch("UPDATE user SET name = 'Bobby' WHERE login = 'bob'")
        .unwrap();
    assert_eq!(world.json("user show bob")["name"], "Bobby");
    world.ok("audit verify");
}

/// Tries and locks keep the stricter side of both, whichever that is.
#[test]
fn tries_and_locks_keep_the_stricter_side() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 3");
    let wrong = |login: &str, times: usize| {
        let challenge = world.challenge(login);
        for _ in 0..times {
            world.verify(&challenge, WRONG).done();
        }
    };
    let until = |login: &str| world.json(&format!("user show {login}"))["locked_until"].clone();
    wrong("alice", 3);
    wrong("bob", 2);
    world.ok("backup copy.db");
    let locked = until("alice");
    assert!(locked.is_string());
    // Looser there, stricter here; and the other way round.
    world.ok("user unlock alice");
    wrong("bob", 1);
    let later = until("bob");
    assert!(later.is_string());
    world.ok("restore copy.db --yes");
    assert_eq!([until("alice"), until("bob")], [locked, later]);
    assert_eq!(world.tries("bob"), 3);
    world.start("alice").exits(14);
    // A lock of the backup that has run out takes no try with it that came after.
    world.later(3_600);
    wrong("alice", 2);
    world.ok("restore copy.db --yes");
    assert_eq!(until("alice"), Value::Null);
    assert_eq!(world.tries("alice"), 2);
    wrong("alice", 1);
    world.start("alice").exits(14);
    world.ok("audit verify");
}

/// After a restore history goes another way; a backup of what was lost is one of that store still.
#[test]
fn a_backup_of_what_was_lost_is_counted_from_where_they_part() {
    let (world, secret, codes, ..) = backed_up();
    let base = world.json("audit anchor")["seq"].as_i64().unwrap();
    world.write("anchor.json", &world.ok("audit anchor -o json").stdout);
    for at in 0..5 {
        world.ok(&format!("user add lost{at}"));
    }
    world.ok("backup lost.db");
    world.write("lost.json", &world.ok("audit anchor -o json").stdout);
    world.ok("restore copy.db --yes");
    world.ok("audit verify --anchor anchor.json");
    world.run("audit verify --anchor lost.json").exits(20);
    world.later(30);
    let shown = world.app(&secret);
    let totp = world.challenge("alice --method totp");
    world.verify(&totp, &shown).succeeds();
    let recovery = world.challenge("alice --method recovery-codes");
    world.verify(&recovery, &codes[3]).succeeds();
    let now = world.json("audit anchor")["seq"].as_i64().unwrap();
    let done = world.json("restore lost.db --yes");
    assert_eq!(done["lost_events"], now - base);
    assert_eq!(done["restored_seq"], base + 5);
    world.ok("user show lost4");
    let again = world.challenge("alice --method totp");
    world.verify(&again, &shown).exits(12);
    let again = world.challenge("alice --method recovery-codes");
    world.verify(&again, &codes[3]).exits(12);
    world.ok("audit verify --anchor lost.json");
}

/// A copy that somebody made by hand counts with its log, and is not touched.
#[test]
fn a_copy_with_its_log_is_a_backup_too() {
    let world = World::peopled();
    let other = world.writer();
    world.ok("user add erin");
    for end in ["", "-wal"] {
        let to = world.file(&format!("raw.db{end}"));
        fs::copy(world.file(&format!("twofa.db{end}")), to).unwrap();
    }
    drop(other);
    world.ok("user add frank");
    let before = ["raw.db", "raw.db-wal"].map(|name| fs::read(world.file(name)).unwrap());
    world.ok("restore raw.db --yes");
    world.ok("user show erin");
    world.run("user show frank").exits(3);
    let after = ["raw.db", "raw.db-wal"].map(|name| fs::read(world.file(name)).unwrap());
    assert!(before == after);
}
