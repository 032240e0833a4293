//! What `init` does to files: several at once, what a killed one left behind, whose files they become.

use std::process::Child;
use std::time::{Duration, SystemTime};

use snapbox::str;

use crate::world::World;

fn names(world: &World) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(world.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn several_at_once_make_one_store() {
    for _ in 0..6 {
        let world = World::empty();
        let children: Vec<Child> = (0..6).map(|_| world.run("init").start()).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
        world.ok("key check");
        world.ok("audit verify");
        assert_eq!(world.number("SELECT count(*) FROM user"), 1);
        assert_eq!(world.number("SELECT count(*) FROM audit"), 1);
        assert_eq!(names(&world), ["twofa.db", "twofa.db.key"]);
    }
}

#[test]
fn what_a_killed_init_left_behind_goes_after_an_hour() {
    let world = World::empty();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(world.now()).unwrap());
    let age = |name: &str, seconds: u64| {
        world.write(name, "half a store");
        let file = std::fs::File::options()
            .write(true)
            .open(world.file(name))
            .unwrap();
        file.set_modified(now - Duration::from_secs(seconds))
            .unwrap();
    };
    for (name, seconds) in [
        (".twofa-unfinished-old", 3_700),
        (".twofa-unfinished-old-wal", 3_700),
        (".twofa-unfinished-young", 3_500),
        (".other", 9_000),
    ] {
        age(name, seconds);
    }
    world.ok("init");
    let left = [
        ".other",
        ".twofa-unfinished-young",
        "twofa.db",
        "twofa.db.key",
    ];
    assert_eq!(names(&world), left);
    // An existing store is no reason to keep them.
    world.later(200);
    world.ok("init");
    assert_eq!(names(&world), [".other", "twofa.db", "twofa.db.key"]);
}

#[test]
fn the_key_of_another_store_is_an_error() {
    let world = World::new();
    let other = World::empty();
    // Every command has random bytes of its own.
    other.ok("help exit-codes");
    other.ok("init");
    std::fs::copy(other.file("twofa.db"), world.file("twofa.db")).unwrap();
    world.run("init -o json").shows(str![[r#"
$ twofa init -o json
? 1
--- stderr
error: the key file `twofa.db.key` does not open this store: it lacks the key `78382582`
 hint: name the right key file with --key-file
{"error":{"kind":"key_wrong","message":"the key file `twofa.db.key` does not open this store: it lacks the key `78382582`","hint":"name the right key file with --key-file"}}

"#]]);
}

#[cfg(unix)]
mod owner {
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use crate::world::World;

    /// An account that is on every machine.
    const ACCOUNT: &str = "daemon";

    /// Its number. Only root gives files away; to others this is skipped, loudly.
    fn account() -> Option<u32> {
        if !nix::unistd::geteuid().is_root() {
            #[expect(clippy::disallowed_methods, reason = "a skip is told")]
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: only root gives files to another account; run this test as root too"
            );
            return None;
        }
        let user = nix::unistd::User::from_name(ACCOUNT).unwrap().unwrap();
        Some(user.uid.as_raw())
    }

    fn owner(world: &World, name: &str) -> u32 {
        world.file(name).symlink_metadata().unwrap().uid()
    }

    #[test]
    fn what_was_made_is_theirs_and_nothing_else() {
        let Some(account) = account() else { return };
        let world = World::empty();
        world.ok("init --owner daemon");
        assert_eq!(
            ["", "twofa.db", "twofa.db.key"].map(|name| owner(&world, name)),
            [0, account, account]
        );
        // Directories of this run are theirs too, or they could not reach the store.
        world.ok("--db new/deep/twofa.db --key-file keys/k init --owner daemon");
        for name in ["new", "new/deep", "new/deep/twofa.db", "keys", "keys/k"] {
            assert_eq!(owner(&world, name), account, "{name}");
        }
        // A key that was there before is not given away.
        std::fs::copy(world.file("twofa.db.key"), world.file("kept")).unwrap();
        world.ok("--db third.db --key-file kept init --owner daemon");
        assert_eq!(
            ["third.db", "kept"].map(|name| owner(&world, name)),
            [account, 0]
        );
    }

    #[test]
    fn an_existing_store_stays_whose_it_is() {
        if account().is_none() {
            return;
        }
        let world = World::new();
        let answer = world.json("init --owner daemon");
        assert_eq!(answer["changed"], false);
        for name in ["", "twofa.db", "twofa.db.key"] {
            assert_eq!(owner(&world, name), 0, "{name}");
        }
        // Nor does what a link points at become anybody's.
        std::fs::create_dir(world.file("other")).unwrap();
        world.write("other/file", "mine");
        symlink("other/file", world.file("linked.db-wal")).unwrap();
        symlink("other", world.file("dir")).unwrap();
        world.ok("--db dir/twofa.db init --owner daemon");
        world.run("--db linked.db init --owner daemon").done();
        assert_eq!(
            ["other", "other/file", "dir"].map(|name| owner(&world, name)),
            [0, 0, 0]
        );
    }
}
