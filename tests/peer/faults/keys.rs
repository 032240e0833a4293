//! A key file that is missing, half there, or another store's.

use std::path::Path;

use super::case::{Kind, Subject};
use super::{READING, Tally, each};
use crate::remains::{private, seed, times};
use crate::world::World;

/// Puts something at the path of a key file, of which it is given the bytes.
type Put = fn(&Path, &[u8]);

/// What stands in the place of the key file.
const WRONG: &[(&str, Put)] = &[
    ("missing", |_, _| {}),
    ("empty", |path, _| private(path, b"")),
    ("half", |path, key| private(path, &key[..key.len() - 30])),
    ("without its last line", |path, key| {
        let lines = key.split_inclusive(|byte| *byte == b'\n');
        private(
            path,
            &lines
                .filter(|line| line.starts_with(b"#"))
                .collect::<Vec<_>>()
                .concat(),
        );
    }),
    ("another store's", |path, _| {
        let other = World::empty();
        other.run("init").env("TWOFA_TEST_SEED", "77").succeeds();
        private(path, &std::fs::read(other.file("twofa.db.key")).unwrap());
    }),
    ("noise", |path, _| private(path, &[0xa5; 200])),
    ("a directory", |path, _| std::fs::create_dir(path).unwrap()),
];

fn put(world: &World, put: Put) -> Vec<u8> {
    let path = world.file("twofa.db.key");
    let key = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    put(&path, &key);
    key
}

fn put_back(world: &World, key: &[u8]) {
    let path = world.file("twofa.db.key");
    if path.is_dir() {
        std::fs::remove_dir(&path).unwrap();
    }
    private(&path, key);
}

fn without(subject: &Subject, seed: u64, tally: &Tally) {
    if subject.line.words.contains("init ") {
        // It makes the key.
        return;
    }
    for (at, (which, wrong)) in WRONG.iter().enumerate() {
        let what = format!(
            "{}: the key file is {which} (TWOFA_PEER_SEED={seed})",
            subject.name
        );
        subject.before.put(subject.world.path());
        let key = put(&subject.world, *wrong);
        let (done, _) = subject.run(None);
        let what = format!("{what}: {done:?}");
        assert!(!done.stderr.contains("panicked"), "{what}");
        put_back(&subject.world, &key);
        let state = subject.state_now(&what);
        if done.stderr.contains("the refusal could not be recorded: ") {
            // The answer is the same, and a warning beside it.
            assert_eq!((done.code, state), (Some(subject.line.exit), 0), "{what}");
            tally.add("denied, and not recorded", 1);
        } else if done.code == Some(subject.line.exit) {
            // Nothing of it is sealed, hashed or chained.
            assert!(subject.kind == Kind::Copy, "{what}: it needs no key?");
            assert_eq!(state, subject.last(), "{what}");
            tally.add("done without a key", 1);
        } else {
            assert_eq!(done.code, Some(1), "{what}");
            assert!(done.stderr.contains("key"), "{what}");
            assert_eq!(state, 0, "{what}: something was written");
            tally.add("refused", 1);
        }
        // With its key it goes on; from the same files it need not be seen seven times.
        if times() > 1 || at == 0 {
            subject.judge(state, &what);
        }
    }
}

#[test]
fn every_writing_command_without_its_key() {
    each(seed(), without);
}

/// What needs no key answers as ever; what does says what is wrong with it.
#[test]
fn reading_without_the_key() {
    let world = World::with_email();
    let before: Vec<_> = READING.iter().map(|line| world.run(line).done()).collect();
    for (which, wrong) in WRONG {
        let key = put(&world, *wrong);
        let bytes = world.bytes();
        for (line, before) in READING.iter().zip(&before) {
            let done = world.run(line).done();
            let what = format!("{line}: the key file is {which}: {done:?}");
            assert!(!done.stderr.contains("panicked"), "{what}");
            match *line {
                "key check" | "doctor" => assert!(matches!(done.code, Some(1 | 20)), "{what}"),
                "status" => assert_eq!(done.code, Some(0), "{what}"),
                "audit verify" | "audit anchor" => assert_eq!(done.code, Some(1), "{what}"),
                _ => assert_eq!(
                    (done.code, &done.stdout),
                    (before.code, &before.stdout),
                    "{what}"
                ),
            }
            if matches!(
                *line,
                "key check" | "doctor" | "status" | "audit verify" | "audit anchor"
            ) {
                let said = format!("{}{}", done.stdout, done.stderr);
                assert!(said.contains("key"), "{what}");
            }
        }
        assert_eq!(world.bytes(), bytes, "{which}");
        put_back(&world, &key);
    }
    world.ok("key check");
    world.ok("audit verify");
}
