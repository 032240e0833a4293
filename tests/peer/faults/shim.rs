//! The shim: made once, put before a command, and its journal read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::world::{Done, Run, World};
use crate::{peer, repository, succeeds};

/// What a call is, as `shim.c` numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    Open,
    Read,
    Write,
    Sync,
    Rename,
    Unlink,
    Truncate,
    Mkdir,
    Map,
    Owner,
}

impl Class {
    pub(super) const ALL: [Class; 10] = [
        Class::Open,
        Class::Read,
        Class::Write,
        Class::Sync,
        Class::Rename,
        Class::Unlink,
        Class::Truncate,
        Class::Mkdir,
        Class::Map,
        Class::Owner,
    ];

    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// A call that is to fail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) class: Class,
    /// Which of its class, from 1.
    pub(super) number: usize,
    pub(super) errno: i32,
    /// `once`, `on`, `dead` or `short`: see `shim.c`.
    pub(super) how: &'static str,
}

/// What a call did.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    Nothing,
    Created {
        path: PathBuf,
        file: u64,
    },
    Wrote {
        file: u64,
        at: u64,
        bytes: Vec<u8>,
    },
    Cut {
        file: u64,
        size: u64,
    },
    Synced {
        file: u64,
    },
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
    Linked {
        from: PathBuf,
        to: PathBuf,
    },
    Unlinked {
        path: PathBuf,
    },
    MadeDirectory {
        path: PathBuf,
        file: u64,
    },
    /// Words went out: 1 are the answer, 2 the conversation.
    Spoke {
        to: u64,
    },
}

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// `None`: words.
    pub(super) class: Option<Class>,
    pub(super) effect: Effect,
    /// The file it was about.
    pub(super) path: PathBuf,
    pub(super) error: i32,
}

/// The shim, compiled for this machine.
fn library() -> &'static Path {
    static MADE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let system = std::env::consts::OS;
    assert_eq!(
        system, "linux",
        "this test preloads a shim, as glibc's loader on Linux can"
    );
    let (_, library) = MADE.get_or_init(|| {
        let directory = TempDir::new().unwrap();
        let library = directory.path().join("shim.so");
        succeeds(
            Command::new(peer("cc", "apt-get install gcc libc6-dev"))
                .args([
                    "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o",
                ])
                .arg(&library)
                .arg(repository("tests/peer/faults/shim.c")),
        );
        (directory, library)
    });
    library
}

/// Runs a command behind the shim; what it did to the files of its world.
pub(super) fn watched(world: &World, run: Run<'_>, fault: Option<Fault>) -> (Done, Vec<Call>) {
    let place = TempDir::new().unwrap();
    let journal = place.path().join("journal");
    let mut run = run
        .env("LD_PRELOAD", library().to_str().unwrap())
        .env("SHIM_JOURNAL", journal.to_str().unwrap())
        .env(
            "SHIM_DIRECTORY",
            world.path().canonicalize().unwrap().to_str().unwrap(),
        );
    if let Some(fault) = fault {
        let Fault {
            class,
            number,
            errno,
            how,
        } = fault;
        let fail = format!("{}:{number}:{errno}:{how}", class.name());
        run = run.env("SHIM_FAIL", &fail);
    }
    let done = run.done();
    assert_ne!(done.code, Some(99), "the shim failed: {done:?}");
    let file = std::fs::File::open(&journal).expect("a command that the shim stands before");
    // What it started to mail something after its answer is at work as long as this is locked.
    file.lock().unwrap();
    let bytes = std::fs::read(&journal).unwrap();
    (done, read(&bytes))
}

/// How many calls of each class there are.
pub(super) fn counts(calls: &[Call]) -> BTreeMap<Class, usize> {
    let mut counts = BTreeMap::new();
    for class in calls.iter().filter_map(|call| call.class) {
        *counts.entry(class).or_default() += 1;
    }
    counts
}

/// Reads a journal (`struct record` of `shim.c`).
fn read(mut rest: &[u8]) -> Vec<Call> {
    let mut calls = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_ne_bytes(rest[at..at + 8].try_into().unwrap());
        let (class, effect, file, at) = (word(0), word(4), long(8), long(16));
        let error = i32::from_ne_bytes(rest[24..28].try_into().unwrap());
        let sizes = [28, 32, 36].map(|at| usize::try_from(word(at)).unwrap());
        rest = &rest[40..];
        let [path, other, bytes] = sizes.map(|size| {
            let (part, behind) = rest.split_at(size);
            rest = behind;
            part
        });
        let name = |bytes: &[u8]| PathBuf::from(std::str::from_utf8(bytes).unwrap());
        let (path, other) = (name(path), name(other));
        calls.push(Call {
            path: path.clone(),
            class: Class::ALL.get(usize::try_from(class).unwrap()).copied(),
            effect: match effect {
                0 => Effect::Nothing,
                1 => Effect::Created { path, file },
                2 => Effect::Wrote {
                    file,
                    at,
                    bytes: bytes.to_vec(),
                },
                3 => Effect::Cut { file, size: at },
                4 => Effect::Synced { file },
                5 => Effect::Renamed {
                    from: path,
                    to: other,
                },
                6 => Effect::Linked {
                    from: path,
                    to: other,
                },
                7 => Effect::Unlinked { path },
                8 => Effect::MadeDirectory { path, file },
                9 => Effect::Spoke { to: at },
                other => panic!("effect {other}"),
            },
            error,
        });
    }
    calls
}
