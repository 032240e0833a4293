//! What the suites that break commands off share: the states a store may be seen in, and what one was left in.
//!
//! A run with the clock held still and the same random bytes writes the same bytes. So a command first runs to its end
//! beside a reader that keeps `SQLite` from emptying the log; the log, cut after each of its commits, gives every state
//! the store may ever be seen in.
//!
//! `TWOFA_PEER_SEED` repeats what was drawn; `TWOFA_PEER_TIMES=N` makes the suites N times as long.

#![expect(
    clippy::disallowed_methods,
    reason = "moments are measured by the machine's clock, and a seed comes from outside"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::kill_cases::Line;
use crate::world::{Run, World};

/// What is drawn: moments, places, coins.
pub struct Moments(pub u64);

impl Moments {
    /// `SplitMix64`: any number is a good seed.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Any time shorter than this.
    pub fn within(&mut self, longest: Duration) -> Duration {
        let nanos = u64::try_from(longest.as_nanos()).unwrap().max(1);
        Duration::from_nanos(self.next() % nanos)
    }
}

/// How many times as long as usual the suites shall be.
pub fn times() -> u64 {
    std::env::var("TWOFA_PEER_TIMES").map_or(1, |times| {
        times.parse().expect("TWOFA_PEER_TIMES is a number")
    })
}

/// Of which commands a suite shall take its cases: those that say these words.
pub fn only() -> String {
    std::env::var("TWOFA_PEER_ONLY").unwrap_or_default()
}

pub fn seed() -> u64 {
    if let Ok(seed) = std::env::var("TWOFA_PEER_SEED") {
        return seed.parse().expect("TWOFA_PEER_SEED is a number");
    }
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos()) << 32 | now.as_secs() & 0xffff_ffff
}

/// The files of a directory, to be put back as they were.
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    pub fn keep(directory: &Path) -> Files {
        let files = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file());
        Files(
            files
                .map(|path| {
                    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                    (name, std::fs::read(path).unwrap())
                })
                .collect(),
        )
    }

    /// Empties the directory, the mail too, and writes these.
    pub fn put_back(&self, directory: &Path) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::remove_dir_all(&path).unwrap();
                std::fs::create_dir(&path).unwrap();
            } else if let Err(error) = std::fs::remove_file(path) {
                // A process that was left to mail something may have closed the store, and its log, by itself.
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
            }
        }
        for (name, bytes) in &self.0 {
            private(&directory.join(name), bytes);
        }
    }
}

/// Writes a file as the program makes its own: for its owner alone.
pub fn private(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).unwrap().write_all(bytes).unwrap();
}

/// Another program that opens a store.
pub fn open(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

/// Everything in a store, row by row.
pub fn dump(db: &Connection) -> String {
    let mut tables = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap();
    let tables: Vec<String> = tables
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut text = String::new();
    for table in tables {
        let mut all = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = all.column_count();
        let mut lines = Vec::new();
        let mut rows = all.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let mut line = table.clone();
            for column in 0..columns {
                line.push_str(&match row.get_ref(column).unwrap() {
                    ValueRef::Null => " -".to_owned(),
                    ValueRef::Integer(number) => format!(" {number}"),
                    ValueRef::Real(number) => format!(" {number}"),
                    ValueRef::Text(text) => format!(" {:?}", String::from_utf8_lossy(text)),
                    ValueRef::Blob(blob) => format!(" {}", data_encoding::HEXLOWER.encode(blob)),
                });
            }
            lines.push(line);
        }
        lines.sort();
        text.push_str(&lines.join("\n"));
        text.push('\n');
    }
    text
}

pub fn integrity(db: &Connection) -> String {
    db.query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap()
}

/// The lines that only one of two dumps has.
pub fn difference(a: &str, b: &str) -> String {
    let only = |a: &str, b: &str, mark: char| -> String {
        let lines = a
            .lines()
            .filter(|line| !b.lines().any(|other| other == *line));
        let marked: Vec<String> = lines.map(|line| format!("{mark} {line}\n")).collect();
        marked.concat()
    };
    only(a, b, '-') + &only(b, a, '+')
}

/// The command, with random bytes of its own; the first run and those that are killed share theirs.
pub fn run<'w>(world: &'w World, line: &Line, random: u64) -> Run<'w> {
    world
        .run(&line.words)
        .stdin(line.stdin)
        .env("TWOFA_TEST_SEED", &random.to_string())
}

/// The states of a store from before a command to its end, and how long it takes.
pub fn states(world: &World, line: &Line, files: &Files) -> (Vec<String>, Duration) {
    let store = world.file("twofa.db");
    let begun = Instant::now();
    run(world, line, 1).exits(line.exit);
    let mut took = begun.elapsed();

    files.put_back(world.path());
    // A reader in a transaction: the command is not the last one to close the store, and leaves the log.
    let reader = open(&store);
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM user")
        .unwrap();
    let begun = Instant::now();
    run(world, line, 1).exits(line.exit);
    took = took.min(begun.elapsed());
    let log = std::fs::read(world.file("twofa.db-wal")).unwrap();
    drop(reader);

    let cut = tempfile::TempDir::new().unwrap();
    let mut states = Vec::new();
    let mut ends = commits(&log);
    ends.insert(0, 0);
    for end in ends {
        let copy = cut.path().join(format!("{end}.db"));
        private(&copy, &files.0["twofa.db"]);
        private(&cut.path().join(format!("{end}.db-wal")), &log[..end]);
        states.push(dump(&open(&copy)));
    }
    (states, took)
}

/// Where the commits in a write-ahead log end (`SQLite` file format, section 4.1).
pub fn commits(log: &[u8]) -> Vec<usize> {
    let word = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let frame = 24 + usize::try_from(word(8)).unwrap();
    let mut ends = Vec::new();
    let mut at = 32;
    while at + frame <= log.len() {
        if word(at + 4) != 0 {
            ends.push(at + frame);
        }
        at += frame;
    }
    ends
}

/// What a killed command must have left.
pub fn holds(world: &World) {
    world.ok("audit verify");
    world.ok("key check");
}
