//! Pages that are not what was written: of every table and index, the header, what is free, and the log.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;

use super::image::Image;
use super::{READING, say};
use crate::remains::{Moments, dump, open, seed, times};
use crate::world::{Done, Run, World};

/// How many pages of each class are damaged in the usual run.
const PAGES: usize = 10;
/// No command of these takes a tenth of it.
const LONGEST: Duration = Duration::from_secs(60);

/// Writing commands, what they read, how they end, and where it stands what they say that they did.
const WRITING: &[(&str, &str, i32, &str)] = &[
    (
        "user edit alice --name Somebody",
        "",
        0,
        // As the command finds her: a scan of everybody stumbles over damage beside her.
        "SELECT count(*) FROM user WHERE id = (SELECT user FROM identity WHERE key = 'alice') AND name = 'Somebody'",
    ),
    (
        "setting set TotpIssuer Example",
        "",
        0,
        "SELECT count(*) FROM setting WHERE code = 'TotpIssuer' AND text = 'Example'",
    ),
    (
        "login start alice --password-stdin",
        "alice-pw\n",
        18,
        "SELECT count(*) FROM challenge WHERE user = (SELECT user FROM identity WHERE key = 'alice')",
    ),
    (
        "authenticator connect bob",
        "",
        0,
        "SELECT count(*) FROM authenticator_setup WHERE user = (SELECT user FROM identity WHERE key = 'bob')",
    ),
];

/// A page, and what is in it.
#[derive(Debug, Clone)]
struct Page {
    number: usize,
    /// The table or index it belongs to, and which part of the tree it is.
    of: String,
}

/// What is done to a page.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// The head of its tree: `SQLite` sees it when it looks at the page.
    Head,
    /// All of it is zero, as a block that was never written.
    Zero,
    /// A few bits anywhere, which may be in the middle of a name.
    Bits(u64),
}

fn do_to(page: &mut [u8], at: usize, damage: Damage) {
    match damage {
        Damage::Head => page[at..at + 8].fill(0xa5),
        Damage::Zero => page.fill(0),
        Damage::Bits(seed) => {
            let mut coins = Moments(seed);
            for _ in 0..8 {
                let draw = coins.next();
                let at = usize::try_from(draw >> 8).unwrap_or_default() % page.len();
                page[at] ^= u8::try_from(draw & 0xff).unwrap() | 1;
            }
        }
    }
}

/// A store with trees of more than one page, pages that are free, and something of most that can be in one.
fn large() -> World {
    let world = World::with_email();
    let mut csv = "login,name,email\n".to_owned();
    for at in 0..600 {
        csv.push_str(&format!("u{at},User {at},u{at}@example.com\n"));
    }
    world.write("people.csv", &csv);
    world.ok("user import people.csv --yes");
    world.connect("alice");
    world.ok("recovery-codes generate alice");
    world.ok("group add Helpdesk");
    world.ok("group add-member Helpdesk --user alice --user bob");
    world.ok("permission grant CanReset2FA --group Helpdesk --position 1");
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
    // Pages that were something and are free.
    world.sql("CREATE TABLE gone (a); INSERT INTO gone WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30) SELECT zeroblob(4000) FROM n; DROP TABLE gone");
    world
}

fn pages(db: &Connection) -> Vec<Page> {
    let mut query = db
        .prepare("SELECT pageno, name || ' ' || pagetype FROM dbstat ORDER BY pageno")
        .unwrap();
    let trees = query.query_map([], |row| {
        Ok(Page {
            number: usize::try_from(row.get::<_, i64>(0)?).unwrap(),
            of: row.get(1)?,
        })
    });
    let mut pages: Vec<Page> = trees.unwrap().map(Result::unwrap).collect();
    let count: i64 = db
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    for number in 1..=usize::try_from(count).unwrap() {
        if !pages.iter().any(|page| page.number == number) {
            pages.push(Page {
                number,
                of: "free".to_owned(),
            });
        }
    }
    pages
}

/// Runs a command, but not for ever.
fn in_time(run: Run<'_>, what: &str) -> Done {
    let child = run.start();
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let (ended, watch) = mpsc::channel::<()>();
    let hangs = std::thread::spawn(move || {
        let hangs = watch.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout);
        if hangs {
            kill(id, Signal::SIGKILL).unwrap();
        }
        hangs
    });
    let done = run.ended(child);
    drop(ended);
    assert!(!hangs.join().unwrap(), "{what}: it hangs: {done:?}");
    done
}

/// Whether another program finds a database whole.
fn is_whole(world: &World) -> bool {
    let db = open(&world.file("twofa.db"));
    let check: rusqlite::Result<String> =
        db.query_row("PRAGMA integrity_check", [], |row| row.get(0));
    check.is_ok_and(|said| said == "ok")
}

/// Runs everything on a damaged store; how many commands failed.
fn looked_at(
    world: &World,
    image: &Image,
    sound: &[(i32, String)],
    detects: bool,
    what: &str,
) -> usize {
    let mut failed = 0;
    let whole = {
        image.put(world.path());
        is_whole(world)
    };
    image.put(world.path());
    for (line, sound) in READING.iter().zip(sound) {
        let done = in_time(world.run(line), what);
        let what = format!("{what}: {done:?}");
        assert!(!done.stderr.contains("panicked"), "{what}");
        let code = done.code.unwrap_or_else(|| panic!("{what}: a signal"));
        match *line {
            // It is for this.
            "doctor" => assert_eq!(matches!(code, 1 | 20), !whole || code == 20, "{what}"),
            "audit verify" | "key check" => assert!(matches!(code, 0 | 1 | 20), "{what}"),
            _ if detects => {
                assert!(
                    code == 1 || (code, &done.stdout) == (sound.0, &sound.1),
                    "{what}"
                );
            }
            _ => assert!(matches!(code, 0 | 1 | 3 | 5), "{what}"),
        }
        failed += usize::from(code != 0);
    }
    if !whole {
        let doctor = world.run("doctor -o json").done();
        let report: serde_json::Value = serde_json::from_str(&doctor.stdout).unwrap_or_default();
        let found = &report["checks"][0]["state"];
        assert!(
            doctor.code == Some(1) || found == "found",
            "{what}: {doctor:?}"
        );
    }
    for (line, stdin, exit, query) in WRITING {
        image.put(world.path());
        let done = in_time(world.run(line).stdin(stdin), what);
        let what = format!("{what}: {done:?}");
        assert!(!done.stderr.contains("panicked"), "{what}");
        let code = done.code.unwrap_or_else(|| panic!("{what}: a signal"));
        if code == *exit {
            let found: rusqlite::Result<i64> =
                open(&world.file("twofa.db")).query_row(query, [], |row| row.get(0));
            assert!(
                found.as_ref().is_ok_and(|found| *found >= 1),
                "{what}: it is not there: {found:?}"
            );
            continue;
        }
        failed += 1;
        // What can be seen is never a wrong password, a user who is not there, or a right that is lacking.
        assert!(code == 1 || !detects, "{what}");
    }
    failed
}

#[test]
fn every_class_of_pages() {
    let seed = seed();
    let mut coins = Moments(seed);
    let world = large();
    let before = Image::of(world.path());
    let all = pages(&open(&world.file("twofa.db")));
    before.put(world.path());
    let sound: Vec<(i32, String)> = READING
        .iter()
        .map(|line| world.run(line).done())
        .map(|done| (done.code.unwrap(), done.stdout))
        .collect();
    // One page of each tree and of each part of it, in an order that is drawn; the header and a free one always.
    let mut classes: Vec<Page> = Vec::new();
    for page in &all {
        if !classes.iter().any(|class| class.of == page.of) {
            classes.push(page.clone());
        }
    }
    for at in (1..classes.len()).rev() {
        let draw = coins.next() % u64::try_from(at + 1).unwrap();
        classes.swap(at, usize::try_from(draw).unwrap());
    }
    let first =
        |page: &Page| page.number == 1 || page.of == "free" || page.of.ends_with("internal");
    classes.sort_by_key(|page| !first(page));
    let most = PAGES * usize::try_from(times()).unwrap();
    let (mut damaged, mut failed) = (0, 0);
    let file = before.0[std::path::Path::new("twofa.db")].clone().unwrap();
    for page in classes.iter().take(most) {
        let start = (page.number - 1) * 4096;
        let (head, is_free) = (if page.number == 1 { 100 } else { 0 }, page.of == "free");
        for damage in [Damage::Head, Damage::Zero, Damage::Bits(coins.next())] {
            if page.number == 1 && matches!(damage, Damage::Zero) {
                // Then it is no store: `store.rs` of the other suite.
                continue;
            }
            let mut image = before.clone();
            let mut bytes = file.clone();
            do_to(&mut bytes[start..start + 4096], head, damage);
            image.0.insert("twofa.db".into(), Some(bytes));
            let what = format!("{page:?} {damage:?} (TWOFA_PEER_SEED={seed})");
            let detects = matches!(damage, Damage::Head) && !is_free;
            let count = looked_at(&world, &image, &sound, detects, &what);
            damaged += 1;
            failed += count;
        }
    }
    say(&format!(
        "{damaged} damaged stores of {} classes of pages, {failed} of {} commands failed (TWOFA_PEER_SEED={seed})",
        classes.len(),
        damaged * (READING.len() + WRITING.len())
    ));
    assert!(failed > damaged, "damage that nobody sees proves nothing");
}

/// A log that is damaged ends where it is: what was committed before that is there, whole, and nothing else.
#[test]
fn the_log() {
    let seed = seed();
    let mut coins = Moments(seed);
    let world = World::with_email();
    let base = dump(&open(&world.file("twofa.db")));
    // Whoever reads keeps the log from being emptied; each commit is a state.
    let reader = open(&world.file("twofa.db"));
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM user")
        .unwrap();
    let mut states = vec![base];
    for line in [
        "user edit alice --name A",
        "group add Night",
        "user add carol",
    ] {
        world.ok(line);
        states.push(dump(&open(&world.file("twofa.db"))));
    }
    let image = Image::of(world.path());
    drop(reader);
    let log = image.0[std::path::Path::new("twofa.db-wal")]
        .clone()
        .unwrap();
    let frames = (log.len() - 32) / (4096 + 24);
    let mut seen = std::collections::BTreeSet::new();
    let mut places: Vec<usize> = vec![0, 8, 16, 24];
    for frame in 0..frames {
        let start = 32 + frame * (4096 + 24);
        places.push(start + usize::try_from(coins.next() % 24).unwrap());
        places.push(start + 24 + usize::try_from(coins.next() % 4096).unwrap());
    }
    for place in places {
        let mut damaged = image.clone();
        let mut bytes = log.clone();
        bytes[place] ^= 0xff;
        damaged.0.insert("twofa.db-wal".into(), Some(bytes));
        damaged.put(world.path());
        let what = format!("byte {place} of the log (TWOFA_PEER_SEED={seed})");
        for line in ["audit verify", "key check", "user list", "doctor"] {
            let done = in_time(world.run(line), &what);
            assert!(matches!(done.code, Some(0 | 20)), "{what}: {done:?}");
            assert!(line == "doctor" || done.code == Some(0), "{what}: {done:?}");
        }
        let left = dump(&open(&world.file("twofa.db")));
        let state = states.iter().position(|state| *state == left);
        seen.insert(state.unwrap_or_else(|| panic!("{what}: another state")));
        world.ok("user edit bob --name Bob");
        world.ok("audit verify");
    }
    assert!(seen.len() >= 3, "{seen:?}");
}
