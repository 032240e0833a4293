//! Whole commands: the program that cargo built beside this bench, in a cleared environment.

use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use twofa::error::Result;
use twofa::secret::Secret;

use crate::world::{PASSWORD, World, fail};
use crate::{ROUNDS, at_most, heading, line, median, say};

/// Runs of each side in a round.
const RUNS: usize = 40;

/// A command on a store; its words are split at spaces.
pub fn twofa(db: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twofa"));
    command
        .args(line.split_whitespace())
        .env_clear()
        .env("TWOFA_DB", db)
        .stdin(Stdio::null());
    command
}

/// Seconds of one run, which must exit so.
pub fn time(mut command: Command, exit: i32) -> f64 {
    let from = Instant::now();
    let done = command.output();
    let took = from.elapsed().as_secs_f64();
    match done {
        Ok(done) if done.status.code() == Some(exit) => took,
        Ok(done) => fail("a command failed", &String::from_utf8_lossy(&done.stderr)),
        Err(error) => fail("a command does not run", &error),
    }
}

/// The runs of two commands in turns, for each round.
fn runs(ours: &dyn Fn() -> Command, theirs: &dyn Fn() -> Command) -> Vec<(Vec<f64>, Vec<f64>)> {
    (0..ROUNDS)
        .map(|_| {
            (0..RUNS)
                .map(|_| (time(ours(), 0), time(theirs(), 0)))
                .unzip()
        })
        .collect()
}

/// Two commands in turns: the medians of a round's runs, for each round.
pub fn in_turns(ours: &dyn Fn() -> Command, theirs: &dyn Fn() -> Command) -> Vec<(f64, f64)> {
    runs(ours, theirs)
        .into_iter()
        .map(|(ours, theirs)| (median(ours), median(theirs)))
        .collect()
}

pub fn report(what: &str, rounds: &[(f64, f64)], limit: Option<f64>) {
    let of = |pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(pick).collect());
    let ratio = of(|(ours, theirs)| ours / theirs);
    line(
        what,
        &milliseconds(of(|(ours, _)| *ours)),
        &milliseconds(of(|(_, theirs)| *theirs)),
        ratio,
        &limit.map_or(String::new(), |limit| at_most(ratio, limit)),
    );
}

pub fn milliseconds(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1e3)
}

/// `setting get` beside the sqlite3 shell: on a store nobody else has open, and on one an application has open.
pub fn against_the_shell(world: &World) -> Result<()> {
    heading("One command", "twofa", "sqlite3");
    if let Err(error) = Command::new("sqlite3").arg("--version").output() {
        say(&format!(
            "  NOT MEASURED: the sqlite3 shell is missing ({error}). Install it: it is the peer of this measurement."
        ));
        return Ok(());
    }
    let db = world.db();
    let ours = || twofa(&db, "setting get Enable2FA");
    let theirs = || {
        let mut command = Command::new("sqlite3");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .arg(&db)
            .arg("SELECT number FROM setting WHERE code = 'Enable2FA'")
            .stdin(Stdio::null());
        command
    };
    report(
        "setting get Enable2FA, store idle",
        &in_turns(&ours, &theirs),
        Some(2.0),
    );
    let store = world.open()?;
    store.vault()?;
    report(
        "setting get Enable2FA, store in use",
        &in_turns(&ours, &theirs),
        Some(2.0),
    );
    Ok(())
}

/// Commands among a million users and among a hundred.
pub fn among_many(few: &World, many: &World) -> Result<()> {
    heading("One command", "1,000,000", "100 users");
    for (name, words) in [
        ("user show, by login", "user show user0000042"),
        ("setting get Enable2FA", "setting get Enable2FA"),
        ("status", "status"),
    ] {
        // A command that reads everybody is not run as often.
        if name == "status" {
            let once = |world: &World| time(twofa(&world.db(), words), 0);
            let rounds: Vec<_> = (0..ROUNDS).map(|_| (once(many), once(few))).collect();
            report(name, &rounds, None);
        } else {
            let of = |world: &World| twofa(&world.db(), words);
            report(name, &in_turns(&|| of(many), &|| of(few)), None);
        }
    }
    tabs(few, many);
    let miss = |world: &World| -> f64 { time(twofa(&world.db(), "user show usre0000042"), 3) };
    let rounds: Vec<_> = (0..ROUNDS).map(|_| (miss(many), miss(few))).collect();
    report("user show of a near miss", &rounds, None);
    login_start(few, many)?;
    new_store(few);
    whole_list(many);
    Ok(())
}

/// Seconds that a Tab press may take, of twenty in nineteen.
const TAB: f64 = 0.020;

/// Tab presses: how they grow with the users, and what a person feels of them.
fn tabs(few: &World, many: &World) {
    for (name, words) in [
        (
            "Tab after `user show user00000`",
            ["user", "show", "user00000"],
        ),
        ("Tab after `user show `", ["user", "show", ""]),
        ("Tab after `setting set `", ["setting", "set", ""]),
        (
            "Tab after `authenticator show `",
            ["authenticator", "show", ""],
        ),
    ] {
        let tab = |world: &World| {
            let mut command = twofa(&world.db(), "-- twofa");
            command
                .args(words)
                .env("TWOFA_COMPLETE", "bash")
                .env("_CLAP_IFS", "\n")
                .env("_CLAP_COMPLETE_INDEX", words.len().to_string());
            command
        };
        let rounds = runs(&|| tab(many), &|| tab(few));
        let medians: Vec<_> = rounds
            .iter()
            .map(|(many, few)| (median(many.clone()), median(few.clone())))
            .collect();
        report(name, &medians, Some(1.2));
        let mut all: Vec<f64> = rounds.into_iter().flat_map(|(many, _)| many).collect();
        all.sort_by(f64::total_cmp);
        let slow = all.get(all.len() * 95 / 100).copied().unwrap_or(f64::NAN);
        line(
            "  its 95th percentile, beside what it may take",
            &milliseconds(slow),
            &milliseconds(TAB),
            slow / TAB,
            &at_most(slow / TAB, 1.0),
        );
    }
}

/// `login start` beside the Argon2id that it must do.
fn login_start(few: &World, many: &World) -> Result<()> {
    let start = |world: &World| {
        let from = Instant::now();
        let mut command = twofa(
            &world.db(),
            "login start user0000042 --method totp --password-stdin -o json",
        );
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap_or_else(|error| fail("a command does not run", &error));
        if let Some(mut stdin) = child.stdin.take() {
            // A refusal shows in the exit status.
            let _ = stdin.write_all(PASSWORD.as_bytes());
        }
        match child.wait_with_output() {
            Ok(done) if done.status.code() == Some(18) => from.elapsed().as_secs_f64(),
            Ok(done) => fail("login start failed", &String::from_utf8_lossy(&done.stderr)),
            Err(error) => fail("login start failed", &error),
        }
    };
    let rounds: Vec<_> = (0..ROUNDS).map(|_| (start(many), start(few))).collect();
    report("login start", &rounds, None);
    let store = few.open()?;
    let vault = store.vault()?;
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let from = Instant::now();
        vault.hash_password(&Secret::from(PASSWORD), store.source())?;
        seconds.push(from.elapsed().as_secs_f64());
    }
    say(&format!(
        "  of which one Argon2id: {}",
        milliseconds(median(seconds))
    ));
    Ok(())
}

fn new_store(beside: &World) {
    let path = beside.path().join("new");
    let seconds = (0..ROUNDS)
        .map(|_| {
            let took = time(twofa(&path.join("twofa.db"), "init"), 0);
            let _ = std::fs::remove_dir_all(&path);
            took
        })
        .collect();
    say(&format!("  init: {}", milliseconds(median(seconds))));
}

/// The list of everybody: its time, and how the resident memory grows while it is written.
fn whole_list(many: &World) {
    let from = Instant::now();
    let child = twofa(&many.db(), "user list -o ndjson")
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| fail("a command does not run", &error));
    let mut rows = 0;
    let mut peaks: Vec<(usize, String)> = Vec::new();
    if let Some(mut out) = child.stdout.take() {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = out.read(&mut buffer) {
            rows += lines(&buffer[..length]);
            // About a tenth, a half and nearly all of it.
            if [100_000, 500_000, 990_000]
                .get(peaks.len())
                .is_some_and(|mark| rows > *mark)
            {
                peaks.push((rows, resident(child.id())));
            }
        }
    }
    let done = child.wait();
    let took = from.elapsed().as_secs_f64();
    if !done.is_ok_and(|status| status.success()) {
        fail("user list failed", &rows);
    }
    say(&format!(
        "  user list -o ndjson: {rows} rows in {took:.2} s"
    ));
    for (rows, peak) in peaks {
        say(&format!(
            "    peak resident memory after {rows} rows: {peak}"
        ));
    }
}

fn lines(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

/// The peak of a running process, as Linux tells it.
fn resident(process: u32) -> String {
    std::fs::read_to_string(format!("/proc/{process}/status"))
        .ok()
        .and_then(|text| {
            text.lines().find_map(|line| {
                line.strip_prefix("VmHWM:")
                    .map(|rest| rest.trim().to_owned())
            })
        })
        .unwrap_or_else(|| "not told by this system".to_owned())
}
