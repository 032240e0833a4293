//! kill -9 at random moments of every writing command leaves the state before or after.
//!
//! Each command is run and killed, again and again, and what it leaves must be one of the states that it goes through
//! (`remains.rs`). `TWOFA_PEER_SEED` repeats the moments of a failure as far as the machine allows;
//! `TWOFA_PEER_TIMES=10` makes thousands of kills of it.

#![expect(
    clippy::disallowed_methods,
    reason = "moments are measured by the machine's clock, and a seed comes from outside"
)]

use std::collections::BTreeMap;
use std::process::{Child, ExitStatus};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use twofa::verb::{Opens, VERBS};

use crate::kill_cases::{CASES, Case, Line};
use crate::remains::{
    Files, Moments, difference, dump, holds, integrity, open, run, seed, states, times,
};
use crate::world::World;

/// How often each command is killed, and how often one that makes a file.
const TIMES: u64 = 12;
const TIMES_OF_FILES: u64 = 45;

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
    for time in 0..TIMES * times() {
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
    let (mut runs, mut killed_of, mut stores) = (0, 0, 0);
    // At any moment; once the key is there; once the store is there and its first administrator is written.
    let moments_of = [None, Some("twofa.db.key"), Some("twofa.db-wal")];
    while killed_of < TIMES_OF_FILES * times() {
        let what = format!("run {runs}, TWOFA_PEER_SEED={seed}");
        assert!(
            runs < 10 * TIMES_OF_FILES * times(),
            "{what}: only {killed_of} runs were killed"
        );
        nothing.put_back(world.path());
        let written = moments_of[usize::try_from(runs % 3).unwrap()];
        runs += 1;
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
        (5 * times()..=40 * times()).contains(&stores),
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
    let (mut runs, mut killed_of, mut made) = (0, 0, 0);
    while killed_of < TIMES_OF_FILES * times() {
        let what = format!("run {runs}, TWOFA_PEER_SEED={seed}");
        assert!(
            runs < 10 * TIMES_OF_FILES * times(),
            "{what}: only {killed_of} runs were killed"
        );
        files.put_back(world.path());
        runs += 1;
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
    assert!(
        made < killed_of,
        "{made} of {killed_of}, TWOFA_PEER_SEED={seed}"
    );
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
    let (mut runs, mut killed_of, mut seen) = (0, 0, [0; 3]);
    while killed_of < TIMES_OF_FILES * times() {
        let what = format!("run {runs}, TWOFA_PEER_SEED={seed}");
        assert!(
            runs < 10 * TIMES_OF_FILES * times(),
            "{what}: only {killed_of} runs were killed"
        );
        files.put_back(world.path());
        // At any moment, and at the moments about which the store is moved.
        let aside = (runs % 2 == 1).then_some("twofa.db.unreadable-1");
        runs += 1;
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
