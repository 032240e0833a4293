//! What is put under faults: every writing command with the states it goes through, and how a store is judged after one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::image::{Disk, Image, Unsynced};
use super::shim::{self, Call};
use crate::kill_cases::{CASES, Line};
use crate::remains::{difference, dump, integrity, open, run};
use crate::world::{Done, World};

/// A command and where it begins.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) world: World,
    pub(super) line: Line,
    /// The files it begins with.
    pub(super) before: Image,
    /// Every state that is seen of it, the first before it and the last after it.
    pub(super) states: Vec<String>,
    /// How else it may end when it is repeated from a state that is not the first.
    pub(super) again: &'static [i32],
    /// The calls of a run that nothing disturbs, and the disk they begin on.
    pub(super) calls: Vec<Call>,
    pub(super) disk: Disk,
    pub(super) kind: Kind,
    /// The states of images that were looked at.
    known: RefCell<BTreeMap<u64, usize>>,
}

/// Makes a case: its world is of the thread that it is looked at by.
pub(super) type Make = Box<dyn Fn() -> Subject + Send + Sync>;

/// What the command leaves beside the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing that is a state.
    Store,
    /// A key file that is needed from the second state on.
    NewKeyFile,
    /// An archive.
    Archive,
    /// A store that was not there, or could not be read.
    Appears,
    /// A copy.
    Copy,
}

/// A command that makes or replaces whole files: none of the table of kills.
struct Files {
    words: &'static str,
    world: fn() -> World,
    ready: fn(&World),
    kind: Kind,
    /// How many states it goes through.
    states: usize,
    again: &'static [i32],
}

const FILES: &[Files] = &[
    // No store; a store without its first administrator; the whole.
    Files {
        words: "init --admin erika --email erika@example.com",
        world: World::empty,
        ready: |_| {},
        kind: Kind::Appears,
        states: 3,
        again: &[],
    },
    // The same into directories that are made for it.
    Files {
        words: "--db new/deep/twofa.db init --admin erika",
        world: World::empty,
        ready: |_| {},
        kind: Kind::Appears,
        states: 3,
        again: &[],
    },
    Files {
        words: "backup copy.db",
        world: World::peopled,
        ready: |_| {},
        kind: Kind::Copy,
        states: 2,
        again: &[4],
    },
    Files {
        words: "restore copy.db --yes",
        world: World::peopled,
        ready: |world| {
            world.ok("recovery-codes generate bob");
            world.ok("backup copy.db");
            std::fs::remove_file(world.file("twofa.db")).unwrap();
        },
        kind: Kind::Appears,
        states: 2,
        again: &[],
    },
    // Torn; moved aside; replaced.
    Files {
        words: "restore copy.db --yes",
        world: World::peopled,
        ready: |world| {
            world.ok("backup copy.db");
            world.write("twofa.db", "torn");
            world.write("twofa.db-wal", "of the torn one");
        },
        kind: Kind::Appears,
        states: 4,
        again: &[],
    },
    // A file beside what is written, and a directory.
    Files {
        words: "authenticator connect alice --qr svg --out code.svg",
        world: World::peopled,
        ready: |_| {},
        kind: Kind::Store,
        states: 2,
        again: &[4],
    },
    Files {
        words: "user import people.csv --yes --rejects bad.csv",
        world: World::peopled,
        ready: |world| {
            let rows = "login,email\ncarol,\nalice,other@example.com\n";
            world.write("people.csv", rows);
        },
        kind: Kind::Store,
        states: 2,
        again: &[4],
    },
    Files {
        words: "mailbox add spare --file new/deep --from ops@example.com",
        world: World::peopled,
        ready: |_| {},
        kind: Kind::Store,
        states: 2,
        again: &[],
    },
    Files {
        words: "key rotate --new-key-file new.key --yes",
        world: World::with_email,
        ready: |world| {
            world.connect("alice");
        },
        kind: Kind::NewKeyFile,
        states: 4,
        again: &[4, 1],
    },
];

/// The names of the databases that a state is made of.
const WATCHED: &[&str] = &[
    "twofa.db",
    "new/deep/twofa.db",
    "copy.db",
    "twofa.db.unreadable-1",
    "twofa.db.unreadable-1-wal",
];

/// What of a directory is state, in words that can be compared. What is looked at is not what it was before.
pub(super) fn state(directory: &Path, what: &str) -> String {
    let mut text = String::new();
    for name in WATCHED {
        let file = directory.join(name);
        let Ok(bytes) = std::fs::read(&file) else {
            continue;
        };
        text.push_str(&format!("== {name}\n"));
        if bytes.starts_with(b"SQLite format 3\0") {
            let db = open(&file);
            assert_eq!(integrity(&db), "ok", "{what}: {name}");
            text.push_str(&dump(&db));
        } else {
            text.push_str(&HEXLOWER.encode(&Sha256::digest(&bytes)));
        }
        text.push('\n');
    }
    text
}

/// What decides the state of an image.
fn decisive(image: &Image) -> u64 {
    let of_state = |path: &&std::path::PathBuf| {
        let path = path.to_string_lossy();
        WATCHED.iter().any(|name| {
            path.strip_prefix(name)
                .is_some_and(|end| matches!(end, "" | "-wal" | "-journal"))
        })
    };
    let names: Vec<_> = image.0.keys().filter(of_state).collect();
    let files = names
        .into_iter()
        .map(|name| (name.clone(), image.0[name].clone()));
    Image(files.collect()).hash()
}

impl Subject {
    /// Every one of them that says `only`, as something that makes it.
    pub(super) fn all(only: &str) -> Vec<Make> {
        let mut all: Vec<Make> = Vec::new();
        for files in FILES.iter().filter(|files| files.words.contains(only)) {
            all.push(Box::new(|| {
                let world = (files.world)();
                (files.ready)(&world);
                let line = Line::new(files.words, "");
                Subject::new(world, line, files.kind, files.states, files.again)
            }));
        }
        for case in CASES.iter().filter(|case| case.verb.contains(only)) {
            all.push(Box::new(|| {
                let world = (case.world)();
                let line = (case.line)(&world);
                let kind = match case.verb {
                    "audit archive" => Kind::Archive,
                    _ => Kind::Store,
                };
                Subject::new(world, line, kind, case.commits + 1, case.again)
            }));
        }
        all
    }

    fn new(world: World, line: Line, kind: Kind, states: usize, again: &'static [i32]) -> Subject {
        let before = Image::of(world.path());
        let disk = Disk::of(world.path());
        let mut subject = Subject {
            name: format!("twofa {}", line.words),
            world,
            line,
            before,
            states: Vec::new(),
            again,
            calls: Vec::new(),
            disk,
            kind,
            known: RefCell::default(),
        };
        let mut disk = subject.disk.clone();
        let (done, calls) = subject.run(None);
        assert_eq!(done.code, Some(subject.line.exit), "{done:?}");
        // Killed after each of its calls, it leaves every state there is.
        let scratch = tempfile::TempDir::new().unwrap();
        let mut seen = BTreeSet::new();
        let mut look = |disk: &Disk, changed: bool| {
            let image = disk.image(Unsynced::Kept);
            if changed && seen.insert(decisive(&image)) {
                image.put(scratch.path());
                let state = state(scratch.path(), &subject.name);
                if subject.states.last() != Some(&state) {
                    subject.states.push(state);
                }
            }
        };
        look(&disk, true);
        for call in &calls {
            disk.does(call);
            look(&disk, !matches!(call.effect, shim::Effect::Nothing));
        }
        assert_eq!(
            Image::of(subject.world.path()),
            disk.image(Unsynced::Kept),
            "{}: the shim has not seen all there is",
            subject.name
        );
        assert_eq!(
            subject.states.len(),
            states,
            "{}: the number of its states",
            subject.name
        );
        subject.calls = calls;
        subject
    }

    /// Runs the command behind the shim.
    pub(super) fn run(&self, fault: Option<shim::Fault>) -> (Done, Vec<Call>) {
        shim::watched(&self.world, run(&self.world, &self.line, 1), fault)
    }

    /// The number of the state that the world is in.
    pub(super) fn state_now(&self, what: &str) -> usize {
        self.state_of(&Image::of(self.world.path()), what)
    }

    /// The number of the state that an image is in.
    pub(super) fn state_of(&self, image: &Image, what: &str) -> usize {
        let key = decisive(image);
        if let Some(known) = self.known.borrow().get(&key) {
            return *known;
        }
        let copy = tempfile::TempDir::new().unwrap();
        image.put(copy.path());
        let left = state(copy.path(), what);
        let found = self.states.iter().position(|state| *state == left);
        let found = found.unwrap_or_else(|| {
            panic!(
                "{what}: neither before nor after\n{}",
                difference(&self.states[0], &left)
            )
        });
        self.known.borrow_mut().insert(key, found);
        found
    }

    pub(super) fn last(&self) -> usize {
        self.states.len() - 1
    }

    /// Whether there is a store in this state to be looked at.
    fn has_store(&self, state: usize) -> bool {
        self.kind != Kind::Appears || state == self.last()
    }

    /// What is said about a world that a fault left in this state; then the command again, and what is said then.
    pub(super) fn judge(&self, state: usize, what: &str) {
        if self.has_store(state) {
            self.holds(state, what);
        }
        if state == 0 {
            // What is left over of a file is in the way, and whoever begins anew removes it.
            for name in ["old.jsonl", "bad.csv", "code.svg"] {
                let _ = std::fs::remove_file(self.world.file(name));
            }
        }
        let again = run(&self.world, &self.line, 2).done();
        let code = again.code.unwrap();
        let left_over = self.kind == Kind::NewKeyFile && code == 4;
        assert!(
            code == self.line.exit || left_over || (state > 0 && self.again.contains(&code)),
            "{what}: again, from state {state}: {again:?}"
        );
        self.holds(self.last().max(state), what);
    }

    pub(super) fn holds(&self, state: usize, what: &str) {
        let mut words = String::new();
        if self.line.words.starts_with("--db new/") {
            words.push_str("--db new/deep/twofa.db ");
        }
        // The new file has the old keys too, and from the first row on that names the new one it is the only one that opens.
        if self.kind == Kind::NewKeyFile && state > 0 {
            words.push_str("--key-file new.key ");
        }
        let ask = |command: &str| {
            let done = self.world.run(&format!("{words}{command}")).done();
            assert_eq!(done.code, Some(0), "{what}, state {state}: {done:?}");
            done
        };
        ask("key check");
        if self.kind == Kind::Archive && self.world.file("old.jsonl").exists() {
            ask("audit verify --archive old.jsonl");
        } else {
            ask("audit verify");
        }
        let doctor = self.world.run(&format!("{words}doctor -o json")).done();
        assert!(matches!(doctor.code, Some(0 | 20)), "{what}: {doctor:?}");
        let report: serde_json::Value = serde_json::from_str(&doctor.stdout).unwrap();
        for finding in report["findings"].as_array().unwrap() {
            let check = finding["check"].as_str().unwrap();
            let lies = [
                "integrity",
                "foreign_keys",
                "schema",
                "files",
                "key",
                "audit",
                "clock",
                "orphans",
                "administrators",
            ];
            let is_so = finding["kind"] == "unfinished_rotation"
                && self.line.words.starts_with("key rotate");
            assert!(!lies.contains(&check) || is_so, "{what}: {finding}");
        }
    }
}
