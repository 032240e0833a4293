//! kill -9 at random moments of every writing command leaves the state before or after.
//!
//! A run with the clock held still and the same random bytes writes the same bytes. So each command first runs to its
//! end beside a reader that keeps `SQLite` from emptying the log; the log, cut after each of its commits, gives every
//! state the store may ever be seen in. Then the command is run and killed, again and again, and what it leaves must
//! be one of these. `TWOFA_PEER_SEED` repeats the moments of a failure as far as the machine allows.

#![expect(
    clippy::disallowed_methods,
    reason = "moments are measured by the machine's clock, and a seed comes from outside"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use twofa::verb::{Opens, VERBS};

use crate::kill_cases::{CASES, Case, Line};
use crate::world::{Run, World};

/// How often each command is killed.
const TIMES: u64 = 12;

/// The moments of the kills.
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
    fn within(&mut self, longest: Duration) -> Duration {
        let nanos = u64::try_from(longest.as_nanos()).unwrap().max(1);
        Duration::from_nanos(self.next() % nanos)
    }
}

pub fn seed() -> u64 {
    if let Ok(seed) = std::env::var("TWOFA_PEER_SEED") {
        return seed.parse().expect("TWOFA_PEER_SEED is a number");
    }
    #[expect(clippy::disallowed_methods, reason = "every run shall be another one")]
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos()) << 32 | now.as_secs() & 0xffff_ffff
}

/// The files of a directory, to be put back as they were.
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    fn keep(directory: &Path) -> Files {
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
    fn put_back(&self, directory: &Path) {
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
fn private(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).unwrap().write_all(bytes).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "this stands for another program")]
fn open(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

/// Everything in a store, row by row.
fn dump(db: &Connection) -> String {
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

fn integrity(db: &Connection) -> String {
    db.query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap()
}

/// The lines that only one of two dumps has.
fn difference(a: &str, b: &str) -> String {
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
fn run<'w>(world: &'w World, line: &Line, random: u64) -> Run<'w> {
    world
        .run(&line.words)
        .stdin(line.stdin)
        .env("TWOFA_TEST_SEED", &random.to_string())
}

/// The states of a store from before a command to its end, and how long it takes.
fn states(world: &World, line: &Line, files: &Files) -> (Vec<String>, Duration) {
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
fn commits(log: &[u8]) -> Vec<usize> {
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

/// Starts the command and kills it: at any moment, or a moment after the first byte of a file it writes.
fn killed(
    world: &World,
    line: &Line,
    moments: &mut Moments,
    took: Duration,
    written: Option<&str>,
) -> ExitStatus {
    let mut child = run(world, line, 1).start();
    if let Some(name) = written {
        let file = world.file(name);
        let written = || file.metadata().is_ok_and(|file| file.len() > 0);
        while !written() && child.try_wait().unwrap().is_none() {
            std::hint::spin_loop();
        }
        wait(moments.within(Duration::from_millis(5)), &mut child);
    } else {
        wait(moments.within(took), &mut child);
    }
    // One that has ended already is a run too.
    let _ = child.kill();
    child.wait().unwrap()
}

/// Sleeps, or less when the process has ended before.
fn wait(time: Duration, child: &mut Child) {
    let until = Instant::now() + time;
    while Instant::now() < until && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// What a killed command must have left.
fn holds(world: &World) {
    world.ok("audit verify");
    world.ok("key check");
}

/// What came of the kills: how many found the command running, and in which state they left the store.
#[derive(Default)]
struct Count {
    killed: AtomicUsize,
    before: AtomicUsize,
    between: AtomicUsize,
    after: AtomicUsize,
}

fn kill(case: &Case, seed: u64, count: &Count) {
    let mut moments = Moments(seed);
    let world = (case.world)();
    let line = (case.line)(&world);
    let files = Files::keep(world.path());
    assert!(
        !files.0.contains_key("twofa.db-wal"),
        "the store is closed: {:?}",
        files.0.keys()
    );
    let (states, took) = states(&world, &line, &files);
    let what = format!("twofa {} (TWOFA_PEER_SEED={seed})", line.words);
    assert_eq!(
        states.len() - 1,
        case.commits,
        "{what}: the number of its transactions"
    );
    for at in 1..states.len() {
        assert_ne!(states[at - 1], states[at], "{what}: an empty transaction");
    }
    for time in 0..TIMES {
        files.put_back(world.path());
        let written = (time % 2 == 1).then_some("twofa.db-wal");
        let status = killed(&world, &line, &mut moments, took, written);
        if status.code().is_none() {
            count.killed.fetch_add(1, Ordering::Relaxed);
        }
        let db = open(&world.file("twofa.db"));
        assert_eq!(integrity(&db), "ok", "{what}");
        let left = dump(&db);
        drop(db);
        let Some(state) = states.iter().position(|state| *state == left) else {
            panic!(
                "{what}: neither before nor after\n{}",
                difference(&states[0], &left)
            );
        };
        let kind = match state {
            0 => &count.before,
            state if state == case.commits => &count.after,
            _ => &count.between,
        };
        kind.fetch_add(1, Ordering::Relaxed);
        holds(&world);
        if state == 0 && case.verb == "audit archive" {
            // A copy that is left over is in the way, and whoever begins anew removes it.
            let _ = std::fs::remove_file(world.file("old.jsonl"));
        }
        let again = run(&world, &line, 2).done();
        let code = again.code.unwrap();
        assert!(
            code == line.exit || (state > 0 && case.again.contains(&code)),
            "{what}: again, from state {state}: {again:?}"
        );
        holds(&world);
    }
}

#[test]
fn every_writing_command() {
    let seed = seed();
    // The one transaction of `deliver` is that of a code that was sent, which `login start` has too; that of an editor's
    // words, at a terminal, is the one of `template set`.
    let elsewhere = ["deliver", "template edit"];
    let writing = VERBS
        .iter()
        .filter(|verb| verb.opens == Opens::Write && !elsewhere.contains(&verb.path));
    for verb in writing {
        assert!(
            CASES.iter().any(|case| case.verb == verb.path),
            "`twofa {}` writes, and nothing here kills it",
            verb.path
        );
    }
    let count = Count::default();
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = CASES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = std::panic::AssertUnwindSafe(|| kill(case, seed, &count));
                    if std::panic::catch_unwind(run).is_err() {
                        failures.lock().unwrap().push(case.verb);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let [killed, before, between, after] =
        [&count.killed, &count.before, &count.between, &count.after]
            .map(|number| number.load(Ordering::Relaxed));
    let said = format!(
        "{killed} killed of {}: {before} before, {between} between two transactions, {after} after; TWOFA_PEER_SEED={seed}",
        before + between + after
    );
    assert!(failures.is_empty(), "{failures:?}\n{said}");
    // Kills that never hit, or never after a write, would prove nothing.
    assert!(killed >= 100 && before >= 50 && after >= 20, "{said}");
}

#[test]
fn init() {
    let seed = seed();
    let mut moments = Moments(seed);
    let line = Line::new("init --admin erika --email erika@example.com", "");
    let world = World::empty();
    let nothing = Files(BTreeMap::new());
    let mut took = Duration::MAX;
    for _ in 0..3 {
        nothing.put_back(world.path());
        let begun = Instant::now();
        run(&world, &line, 1).exits(0);
        took = took.min(begun.elapsed());
    }
    let (mut times, mut killed_of, mut stores) = (0, 0, 0);
    // At any moment; once the key is there; once the store is there and its first administrator is written.
    let moments_of = [None, Some("twofa.db.key"), Some("twofa.db-wal")];
    while killed_of < 45 {
        let what = format!("run {times}, TWOFA_PEER_SEED={seed}");
        assert!(times < 450, "{what}: only {killed_of} runs were killed");
        nothing.put_back(world.path());
        let written = moments_of[times % 3];
        times += 1;
        let status = killed(&world, &line, &mut moments, took, written);
        if status.code().is_some() {
            continue;
        }
        killed_of += 1;
        let (store, key) = (world.file("twofa.db"), world.file("twofa.db.key"));
        let had = std::fs::read(&key).ok();
        if store.exists() {
            stores += 1;
            assert!(had.is_some(), "{what}: a store without its key");
            assert_eq!(integrity(&open(&store)), "ok", "{what}");
        }
        let again = run(&world, &line, 2).done();
        assert_eq!(again.code, Some(0), "{what}: {again:?}");
        if let Some(had) = had {
            assert_eq!(had, std::fs::read(&key).unwrap(), "{what}: another key");
        }
        holds(&world);
        let admins = world.json("user list");
        assert_eq!(admins.as_array().unwrap().len(), 1, "{what}: {admins}");
        assert_eq!(admins[0]["email"], "erika@example.com", "{what}: {admins}");
        let created = world.json("audit list");
        assert_eq!(created.as_array().unwrap().len(), 1, "{what}: {created}");
        // And once more: nothing left to do.
        let last = run(&world, &line, 3).exits(0);
        assert!(
            last.stderr.contains("nothing was changed"),
            "{what}: {last:?}"
        );
    }
    assert!(
        (5..=40).contains(&stores),
        "{stores} stores of {killed_of}, TWOFA_PEER_SEED={seed}"
    );
}

/// A backup that is killed leaves no file of its name, or a whole one; the store is as it was.
#[test]
fn backup() {
    let seed = seed();
    let mut moments = Moments(seed);
    let world = World::peopled();
    let line = Line::new("backup copy.db", "");
    let files = Files::keep(world.path());
    let before = dump(&open(&world.file("twofa.db")));
    let mut took = Duration::MAX;
    for _ in 0..3 {
        files.put_back(world.path());
        let begun = Instant::now();
        run(&world, &line, 1).exits(0);
        took = took.min(begun.elapsed());
    }
    let (mut times, mut killed_of, mut made) = (0, 0, 0);
    while killed_of < 45 {
        let what = format!("run {times}, TWOFA_PEER_SEED={seed}");
        assert!(times < 450, "{what}: only {killed_of} runs were killed");
        files.put_back(world.path());
        times += 1;
        let status = killed(&world, &line, &mut moments, took, None);
        if status.code().is_some() {
            continue;
        }
        killed_of += 1;
        let copy = world.file("copy.db");
        let stands = copy.exists();
        if stands {
            made += 1;
            assert!(!world.file("copy.db-wal").exists(), "{what}");
            let copy = open(&copy);
            assert_eq!(integrity(&copy), "ok", "{what}");
            assert_eq!(dump(&copy), before, "{what}");
        }
        assert_eq!(dump(&open(&world.file("twofa.db"))), before, "{what}");
        let again = run(&world, &line, 2).done();
        let expected = if stands { 4 } else { 0 };
        assert_eq!(again.code, Some(expected), "{what}: {again:?}");
        holds(&world);
    }
    assert!(made < 45, "{made} of {killed_of}, TWOFA_PEER_SEED={seed}");
}

/// Where the store cannot be read, it is there as it was, or moved aside, or the backup is there; and never a log beside
/// the backup that is of the other.
#[test]
fn restore_of_what_cannot_be_read() {
    let seed = seed();
    let mut moments = Moments(seed);
    let world = World::peopled();
    world.ok("backup copy.db");
    let line = Line::new("restore copy.db --yes", "");
    let mut files = Files::keep(world.path());
    files.0.insert("twofa.db".into(), b"torn".to_vec());
    files
        .0
        .insert("twofa.db-wal".into(), b"of the torn one".to_vec());
    files.put_back(world.path());
    run(&world, &line, 1).exits(0);
    let restored = dump(&open(&world.file("twofa.db")));
    let mut took = Duration::MAX;
    for _ in 0..3 {
        files.put_back(world.path());
        let begun = Instant::now();
        run(&world, &line, 1).exits(0);
        took = took.min(begun.elapsed());
    }
    let (mut times, mut killed_of, mut seen) = (0, 0, [0; 3]);
    while killed_of < 45 {
        let what = format!("run {times}, TWOFA_PEER_SEED={seed}");
        assert!(times < 450, "{what}: only {killed_of} runs were killed");
        files.put_back(world.path());
        // At any moment, and at the moments about which the store is moved.
        let aside = (times % 2 == 1).then_some("twofa.db.unreadable-1");
        times += 1;
        if killed(&world, &line, &mut moments, took, aside)
            .code()
            .is_some()
        {
            continue;
        }
        killed_of += 1;
        let torn = |name: &str| std::fs::read(world.file(name)).is_ok_and(|file| file == b"torn");
        let kept = torn("twofa.db") || torn("twofa.db.unreadable-1");
        assert!(kept, "{what}: what could not be read is lost");
        if torn("twofa.db") {
            seen[0] += 1;
            assert!(world.file("twofa.db-wal").exists(), "{what}");
        } else if world.file("twofa.db").exists() {
            seen[2] += 1;
            let store = open(&world.file("twofa.db"));
            assert_eq!(integrity(&store), "ok", "{what}");
            assert_eq!(dump(&store), restored, "{what}");
        } else {
            seen[1] += 1;
        }
        let again = run(&world, &line, 2).done();
        assert_eq!(again.code, Some(0), "{what}: {again:?}");
        holds(&world);
    }
    assert!(seen[0] > 0, "{seen:?}, TWOFA_PEER_SEED={seed}");
}
