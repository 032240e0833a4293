//! `twofa init`: the beginning.

use snapbox::str;

use crate::world::World;

/// The names in a directory.
fn files(world: &World, directory: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(world.file(directory))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_store_and_again() {
    let world = World::empty();
    world.run("status").shows(str![[r#"
$ twofa status
? 1
--- stderr
error: there is no store at `twofa.db`
 hint: `twofa init` makes one; --db names another

"#]]);
    world.run("init").shows(str![[r#"
$ twofa init
? 0
--- stdout
store     twofa.db
key file  twofa.db.key
admin     Supervisor
changed   yes
--- stderr
The store is ready. Keep a copy of twofa.db.key in a safe place: without it everything sealed in the store is lost.
Next: `twofa password set Supervisor`.

"#]]);
    assert_eq!(files(&world, "."), ["twofa.db", "twofa.db.key"]);
    let (store, key) = (
        std::fs::read(world.file("twofa.db")).unwrap(),
        std::fs::read(world.file("twofa.db.key")).unwrap(),
    );
    world.run("init").shows(str![[r#"
$ twofa init
? 0
--- stdout
store     twofa.db
key file  twofa.db.key
admin     Supervisor
changed   no
--- stderr
The store was there already; nothing was changed.

"#]]);
    world
        .run("init --admin SUPERVISOR -o ndjson")
        .shows(str![[r#"
$ twofa init --admin SUPERVISOR -o ndjson
? 0
--- stdout
{"store":"twofa.db","key_file":"twofa.db.key","admin":"Supervisor","changed":false,"warnings":[]}
--- stderr
The store was there already; nothing was changed.

"#]]);
    world.run("init --admin alice").shows(str![[r#"
$ twofa init --admin alice
? 4
--- stderr
error: the store's first administrator is `Supervisor`
 hint: `twofa user edit Supervisor --login NEW` renames them

"#]]);
    assert_eq!(std::fs::read(world.file("twofa.db")).unwrap(), store);
    assert_eq!(std::fs::read(world.file("twofa.db.key")).unwrap(), key);
    world.run("user list -o csv").shows(str![[r#"
$ twofa user list -o csv
? 0
--- stdout
login,name,email,phone,type,language,active,locked_until,groups,authenticator,recovery_codes_left,can_use_2fa,os_user,must_change,password_changed_at,last_login_at
Supervisor,,,,employee,en,true,,System administrators,false,0,true,,false,,

"#]]);
    world.run("audit list -o ndjson").shows(str![[r#"
$ twofa audit list -o ndjson
? 0
--- stdout
{"seq":1,"at":"2026-01-01T00:00:00Z","actor":null,"os_user":"[ACCOUNT]","event":"store.created","subject":"Supervisor","outcome":"ok","reason":null,"note":null,"detail":null}

"#]]);
}

#[test]
fn the_first_administrator_is_as_told() {
    let world = World::empty();
    world
        .run("init --admin Zoë --email zoë@example.com --os-user zoe --reason 'the beginning' -o json")
        .shows(str![[r#"
$ twofa init --admin Zoë --email zoë@example.com --os-user zoe --reason the beginning -o json
? 0
--- stdout
{
  "store": "twofa.db",
  "key_file": "twofa.db.key",
  "admin": "Zoë",
  "changed": true,
  "warnings": []
}
--- stderr
The store is ready. Keep a copy of twofa.db.key in a safe place: without it everything sealed in the store is lost.
Next: `twofa password set Zoë`.

"#]]);
    assert_eq!(world.json("audit show 1")["note"], "the beginning");
    world.run("user show zoë@example.com -o ndjson").shows(str![[r#"
$ twofa user show zoë@example.com -o ndjson
? 0
--- stdout
{"login":"Zoë","name":null,"email":"zoë@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":["System administrators"],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":"zoe","must_change":false,"password_changed_at":null,"last_login_at":null}

"#]]);
    // A renamed first administrator is found again.
    world.ok("user edit zoë --login 'Zoë Day'");
    world.run("init --admin zoë").shows(str![[r#"
$ twofa init --admin zoë
? 4
--- stderr
error: the store's first administrator is `Zoë Day`
 hint: `twofa user edit 'Zoë Day' --login NEW` renames them

"#]]);
    world
        .run("init --admin 'zoë day' -q -o ndjson")
        .shows(str![[r#"
$ twofa init --admin zoë day -q -o ndjson
? 0
--- stdout
{"store":"twofa.db","key_file":"twofa.db.key","admin":"Zoë Day","changed":false,"warnings":[]}

"#]]);
}

#[test]
fn bad_values_leave_nothing_behind() {
    let world = World::empty();
    world
        .run("init --db new/twofa.db --email supervisor")
        .shows(str![[r#"
$ twofa init --db new/twofa.db --email supervisor
? 4
--- stderr
error: `supervisor` is no email address
 hint: write it as name@example.com

"#]]);
    world
        .run("init --db new/twofa.db --admin ' '")
        .shows(str![[r#"
$ twofa init --db new/twofa.db --admin  
? 2
--- stderr
error: the login is blank

"#]]);
    world.run("init --db new/twofa.db --admin a:b -o json").shows(str![[r#"
$ twofa init --db new/twofa.db --admin a:b -o json
? 4
--- stderr
error: the login `a:b` has a colon in it
 hint: authenticator apps and HTTP take a colon as a separator
{"error":{"kind":"invalid_value","message":"the login `a:b` has a colon in it","hint":"authenticator apps and HTTP take a colon as a separator"}}

"#]]);
    world
        .run("init --db new/twofa.db --os-user 'a b'")
        .shows(str![[r#"
$ twofa init --db new/twofa.db --os-user a b
? 4
--- stderr
error: `a b` is no account name

"#]]);
    world
        .run("init --db new/twofa.db --owner no-such-account-here")
        .exits(if is_root() { 3 } else { 5 });
    world.run("init --db new/twofa.db -o xml").exits(2);
    assert_eq!(files(&world, "."), Vec::<String>::new());
    // A file in the way of the directory.
    world.write("new", "");
    world.run("init --db new/twofa.db").exits(1);
    assert_eq!(files(&world, "."), ["new"]);
}

fn is_root() -> bool {
    #[cfg(unix)]
    return nix::unistd::geteuid().is_root();
    #[cfg(not(unix))]
    false
}

#[test]
fn what_is_no_store_is_left_alone() {
    let world = World::empty();
    world.write(
        "twofa.db",
        &"not a store, but long enough to be read as one. ".repeat(4),
    );
    let before = std::fs::read(world.file("twofa.db")).unwrap();
    world.run("init").shows(str![[r#"
$ twofa init
? 1
--- stderr
error: `twofa.db` is not a twofa store
 hint: name another file with --db; this one was not touched

"#]]);
    world.run("status").shows(str![[r#"
$ twofa status
? 1
--- stderr
error: `twofa.db` is not a twofa store
 hint: name another file with --db; this one was not touched

"#]]);
    world.run("user add alice").exits(1);
    assert_eq!(std::fs::read(world.file("twofa.db")).unwrap(), before);
    world.write("empty", "");
    world.run("init --db empty").shows(str![[r#"
$ twofa init --db empty
? 1
--- stderr
error: `empty` is not a twofa store
 hint: name another file with --db; this one was not touched

"#]]);
    world.run("init --db .").shows(str![[r#"
$ twofa init --db .
? 1
--- stderr
error: cannot read the store `.`: it is a directory

"#]]);
    assert_eq!(files(&world, "."), ["empty", "twofa.db"]);
}

#[test]
fn a_lost_key_is_never_replaced() {
    let world = World::new();
    std::fs::rename(world.file("twofa.db.key"), world.file("safe")).unwrap();
    world.run("init").shows(str![[r#"
$ twofa init
? 1
--- stderr
error: the key file `twofa.db.key` is missing
 hint: put its copy back, or name it with --key-file; a new key cannot open what the old one sealed

"#]]);
    world.run("init --key-file other.key -o json").shows(str![[r#"
$ twofa init --key-file other.key -o json
? 1
--- stderr
error: the key file `other.key` is missing
 hint: put its copy back, or name it with --key-file; a new key cannot open what the old one sealed
{"error":{"kind":"key_missing","message":"the key file `other.key` is missing","hint":"put its copy back, or name it with --key-file; a new key cannot open what the old one sealed"}}

"#]]);
    assert_eq!(files(&world, "."), ["safe", "twofa.db"]);
    world
        .run("init --key-file safe -q -o ndjson")
        .shows(str![[r#"
$ twofa init --key-file safe -q -o ndjson
? 0
--- stdout
{"store":"twofa.db","key_file":"safe","admin":"Supervisor","changed":false,"warnings":[]}

"#]]);
}

#[test]
fn a_key_without_a_store_is_used() {
    let world = World::new();
    std::fs::remove_file(world.file("twofa.db")).unwrap();
    let key = std::fs::read(world.file("twofa.db.key")).unwrap();
    world.run("init").shows(str![[r#"
$ twofa init
? 0
--- stdout
store     twofa.db
key file  twofa.db.key
admin     Supervisor
changed   yes
--- stderr
The store is ready. Keep a copy of twofa.db.key in a safe place: without it everything sealed in the store is lost.
Next: `twofa password set Supervisor`.

"#]]);
    assert_eq!(std::fs::read(world.file("twofa.db.key")).unwrap(), key);
    world.run("key check").exits(0);
    // What stands there and is no key is not written over.
    let other = World::empty();
    other.write("twofa.db.key", "precious\n");
    other.run("init").shows(str![[r#"
$ twofa init
? 1
--- stderr
error: `twofa.db.key` is not a twofa key file (line 1)
 hint: name the right key file with --key-file

"#]]);
    assert_eq!(files(&other, "."), ["twofa.db.key"]);
    assert_eq!(
        std::fs::read(other.file("twofa.db.key")).unwrap(),
        b"precious\n"
    );
}

#[test]
#[cfg(unix)]
fn files_and_the_new_directory_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::empty();
    world.run("init --db a/b/store.db --key-file keys/store.key").shows(str![[r#"
$ twofa init --db a/b/store.db --key-file keys/store.key
? 0
--- stdout
store     a/b/store.db
key file  keys/store.key
admin     Supervisor
changed   yes
--- stderr
The store is ready. Keep a copy of keys/store.key in a safe place: without it everything sealed in the store is lost.
Next: `twofa --db a/b/store.db --key-file keys/store.key password set Supervisor`.

"#]]);
    let mode = |name: &str| world.file(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(
        format!("{:o} {:o}", mode("a/b/store.db"), mode("keys/store.key")),
        "600 600"
    );
    assert_eq!(
        format!("{:o} {:o} {:o}", mode("a"), mode("a/b"), mode("keys")),
        "700 700 700"
    );
    // Files that a writing command makes beside it are no looser.
    world.ok("user add alice --db a/b/store.db --key-file keys/store.key");
    for name in files(&world, "a/b") {
        assert_eq!(
            format!("{:o}", mode(&format!("a/b/{name}"))),
            "600",
            "{name}"
        );
    }
}
