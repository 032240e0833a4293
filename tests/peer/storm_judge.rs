//! What must hold after the storm: what was answered is what was kept, try by try and grant by grant.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rusqlite::Connection;

use crate::storm::{Done, KINDS, LIMIT, OF_A_KIND, Storm};
use crate::world::World;

/// The log may grow to this while readers keep it from being begun anew, and no further.
const LONGEST_LOG: u64 = 64 << 20;

/// Waits until every message has left.
pub fn settled(world: &World) {
    for _ in 0..600 {
        let left = "SELECT (SELECT count(*) FROM recovery_request WHERE user IS NOT NULL)
             + (SELECT count(*) FROM outbox WHERE state = 'pending')";
        if world.number(left) == 0 {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "another process is at work")]
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("a message never left");
}

/// How much was done, how fast, and how long the log was.
pub fn said(storm: &Storm, took: Duration, longest: u64) -> String {
    let done = storm.done.lock().unwrap();
    let mut counts: BTreeMap<&str, BTreeMap<i32, u64>> = BTreeMap::new();
    for one in done.iter() {
        let ends = counts.entry(one.verb).or_default();
        *ends.entry(one.code.unwrap_or(-1)).or_default() += 1;
    }
    let slowest = done.iter().max_by_key(|one| one.took).unwrap();
    let mut text = format!(
        "storm: {} processes in {:.1} s; the slowest was `twofa {}`, {:.1} s; the log grew to {} KiB\n",
        done.len(),
        took.as_secs_f64(),
        slowest.words,
        slowest.took.as_secs_f64(),
        longest >> 10
    );
    for (verb, ends) in counts {
        let ends: Vec<String> = ends
            .iter()
            .map(|(code, times)| format!("{code}: {times}"))
            .collect();
        text.push_str(&format!("  {verb:<24} {}\n", ends.join(", ")));
    }
    text
}

pub fn judge(world: &World, storm: &Storm, longest: u64) {
    let done = storm.done.lock().unwrap();
    ends(&done);
    once(&done);
    let db = open(world);
    for kind in KINDS {
        for number in 0..OF_A_KIND {
            let user = format!("{kind}{number}");
            let runs: Vec<&Done> = done.iter().filter(|one| one.user == user).collect();
            counted(&db, &user, &runs);
        }
    }
    rows(&db, &done);
    drop(db);
    world.ok("audit verify");
    world.ok("key check");
    findings(world);
    assert!(longest <= LONGEST_LOG, "the log grew to {longest} bytes");
}

#[expect(clippy::disallowed_methods, reason = "this stands for another program")]
fn open(world: &World) -> Connection {
    Connection::open(world.file("twofa.db")).unwrap()
}

/// Nothing ended otherwise than it may; nobody was told of a lock of the database, nor of a panic.
fn ends(done: &[Done]) {
    let mut bad = Vec::new();
    for one in done {
        let may = one.code.is_some_and(|code| one.may.contains(&code));
        let told = ["database is locked", "panicked", "SQLITE"];
        let silent = told.iter().all(|word| !one.stderr.contains(word));
        // Busy is said in words of its own.
        let busy = one.code != Some(75)
            || ["error: the store is busy", "error: another rotation"]
                .iter()
                .any(|words| one.stderr.contains(words));
        if !(may && silent && busy) {
            bad.push(format!(
                "twofa {}\n? {:?} after {:?}\n{}",
                one.words, one.code, one.took, one.stderr
            ));
        }
    }
    assert!(
        bad.is_empty(),
        "{} of {}:\n{}",
        bad.len(),
        done.len(),
        bad.join("\n")
    );
}

/// What can be used once let one in.
fn once(done: &[Done]) {
    let mut used = BTreeSet::new();
    let (mut granted, mut tried) = (0, 0);
    for one in done.iter().filter(|one| one.once.is_some()) {
        tried += 1;
        // A set-up that is confirmed already is so again, and changes nothing.
        let again = one.json()["changed"] == false;
        if one.code == Some(0) && !again {
            granted += 1;
            assert!(used.insert(&one.once), "twice: twofa {}", one.words);
        }
    }
    // A storm in which nobody comes second proves nothing.
    assert!(granted > 0 && tried > granted, "{granted} of {tried}");
}

/// Replays the log of one user: every try is there, the lock came with the one that reached the limit, and the counters
/// are what is left.
fn counted(db: &Connection, user: &str, runs: &[&Done]) {
    let mut rows = db
        .prepare(
            "SELECT seq, event, coalesce(reason, ''), coalesce(detail ->> 'failures', 0) FROM audit
             WHERE user = (SELECT id FROM user WHERE login = ?1) ORDER BY seq",
        )
        .unwrap();
    let rows = rows.query_map([user], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    let (mut count, mut locked, mut locks) = (0, false, 0);
    let (mut wrong, mut refused, mut granted) = (0, 0, 0);
    for row in rows.unwrap() {
        let (seq, event, reason, failures): (i64, String, String, i64) = row.unwrap();
        let told = format!("{user}, event {seq}: {event} {reason} {failures}, at {count}");
        match (event.as_str(), reason.as_str()) {
            ("user.locked", "second_factor_attempts") => {
                assert!(!locked && count + 1 == LIMIT && failures == LIMIT, "{told}");
                (locked, locks) = (true, locks + 1);
            }
            ("user.lock_ended" | "user.unlocked", _) => (count, locked) = (0, false),
            ("login.granted", _) => {
                assert!(!locked, "{told}");
                (count, granted) = (0, granted + 1);
            }
            ("login.denied", reason) => {
                refused += 1;
                wrong += u64::from(reason == "second_factor_wrong");
                // A challenge that was answered is not compared; codes of apps and of paper are, and they are old.
                let replayed = reason == "second_factor_used" && !user.starts_with("email");
                if reason == "second_factor_wrong" || replayed {
                    count += 1;
                    assert!(count <= LIMIT && (count == LIMIT) == locked, "{told}");
                }
            }
            _ => {}
        }
    }
    let kept = |sql: &str| -> i64 { db.query_row(sql, [user], |row| row.get(0)).unwrap() };
    assert_eq!(
        kept("SELECT second_factor_failures FROM user WHERE login = ?1"),
        count,
        "{user}"
    );
    let ended = |verbs: &[&str], codes: &[i32]| {
        let them = runs.iter().filter(|one| {
            verbs.contains(&one.verb) && one.code.is_some_and(|code| codes.contains(&code))
        });
        u64::try_from(them.count()).unwrap()
    };
    let logins = [
        "login start",
        "login resend",
        "login verify",
        "login simulate",
    ];
    assert_eq!(ended(&logins, &[0]), granted, "{user}: grants");
    let guesses = ended(&["wrong password"], &[10]);
    let answers = ended(
        &["login start", "login verify", "login simulate"],
        &[4, 11, 12, 13, 14],
    );
    // Whoever asks anew for a code of a question that is closed is told so, and has tried nothing.
    let asked = ended(&["login resend"], &[4, 12, 13, 14]);
    let least = answers + guesses;
    assert!(
        (least..=least + asked).contains(&refused),
        "{user}: {refused} refusals in the log, {least} answered, {asked} asked anew"
    );
    // A code that never was right is told so, or meets a challenge or a user that is closed.
    let elsewise = runs.iter().filter(|one| one.wrong && one.code == Some(0));
    assert_eq!(elsewise.count(), 0, "{user}: let in by a wrong code");
    assert!(
        ended(&logins, &[11]) <= wrong && wrong <= ended(&logins, &[11]) + locks,
        "{user}: wrong codes"
    );
    // Whoever was only ever guessed at has every guess on their account.
    assert_eq!(
        u64::try_from(kept("SELECT password_failures FROM user WHERE login = ?1")).unwrap(),
        guesses,
        "{user}: guesses"
    );
}

/// One row for each grant and each change that was answered with one.
fn rows(db: &Connection, done: &[Done]) {
    let of = |event: &str| -> i64 {
        let count = "SELECT count(*) FROM audit WHERE event = ?1";
        db.query_row(count, [event], |row| row.get(0)).unwrap()
    };
    let ended = |verb: &str| {
        let them = done
            .iter()
            .filter(|one| one.verb == verb && one.code == Some(0));
        i64::try_from(them.count()).unwrap()
    };
    let answered =
        "SELECT count(*) FROM challenge WHERE closed_as = 'answered' AND purpose = 'login'";
    let answered: i64 = db.query_row(answered, [], |row| row.get(0)).unwrap();
    assert_eq!(of("login.granted"), answered);
    assert_eq!(of("password.recovered"), ended("password recovered"));
    // Those of the apps that were connected before.
    assert_eq!(
        of("authenticator.connected") - OF_A_KIND.cast_signed(),
        ended("authenticator confirm")
    );
    assert_eq!(of("user.imported") - 1, ended("user import"));
    assert_eq!(
        of("recovery_codes.generated"),
        ended("recovery-codes generate")
    );
}

/// What `doctor` may say of a store that is as this one was made: settings that are unwise, and who is locked just now.
fn findings(world: &World) {
    let doctor = world.run("doctor -o json").json(20);
    for finding in doctor["findings"].as_array().unwrap() {
        let check = finding["check"].as_str().unwrap();
        assert!(["settings", "locks"].contains(&check), "{finding:#}");
    }
}
