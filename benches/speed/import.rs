//! A file of a million users, beside the sqlite3 shell that loads the same rows into the same tables: from files that were
//! split and folded before, in one transaction, without a look at any value.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::commands::{time, twofa};
use crate::world::{World, fail};
use crate::{ROUNDS, at_most, heading, line, median, say};

const USERS: u64 = 1_000_000;

/// Groups, of which each user is in two.
const GROUPS: u64 = 200;

/// The most anonymous memory, in MiB.
const MEMORY: f64 = 64.0;

/// What the shell runs; the files lie beside it.
const LOAD: &str = "BEGIN IMMEDIATE;
CREATE TEMP VIEW people AS SELECT id, login, name, email, phone, type, language FROM user;
CREATE TEMP TRIGGER people_insert INSTEAD OF INSERT ON people BEGIN
    INSERT INTO user (id, login, name, email, phone, type, language, created_at)
    VALUES (NEW.id, NEW.login, NEW.name, NEW.email, NEW.phone, NEW.type, NEW.language, 1767225600);
END;
.mode csv
.import user.csv people
.import identity.csv identity
.import group_user.csv group_user
COMMIT;
";

/// The number that user `at` gets in a file that is in no order.
fn shuffled(at: u64) -> u64 {
    // A step that shares no factor with the number of users comes by each of them once.
    (at * 618_033_989) % USERS
}

/// Writes the file for us, and the files for the shell.
fn files(directory: &Path, order: fn(u64) -> u64) -> std::io::Result<()> {
    let create = |name: &str| File::create(directory.join(name)).map(BufWriter::new);
    let (mut ours, mut users) = (create("users.csv")?, create("user.csv")?);
    let (mut names, mut members) = (create("identity.csv")?, create("group_user.csv")?);
    writeln!(ours, "login,name,email,phone,type,language,groups")?;
    for at in 0..USERS {
        let user = order(at);
        let login = format!("person{user:07}");
        let fields =
            format!("{login},Person Number {user},{login}@example.com,+4930{user:08},employee,en");
        let (first, second) = (user % GROUPS, (user + 1 + user % 7) % GROUPS);
        writeln!(ours, "{fields},Group {first};Group {second}")?;
        // The ids that a new store gives: the first administrator and three groups are there.
        let id = at + 2;
        writeln!(users, "{id},{fields}")?;
        writeln!(names, "{login},{id},1,0\n{login}@example.com,{id},0,1")?;
        writeln!(members, "{},{id}\n{},{id}", first + 4, second + 4)?;
    }
    for mut file in [ours, users, names, members] {
        file.flush()?;
    }
    fs::write(directory.join("load.sql"), LOAD)
}

/// A copy of the empty store, and its key.
fn copy(from: &Path, name: &str) -> PathBuf {
    let to = from.with_file_name(name);
    let key = |path: &Path| path.with_extension("db.key");
    for old in [
        to.clone(),
        to.with_extension("db-wal"),
        to.with_extension("db-shm"),
    ] {
        let _ = fs::remove_file(old);
    }
    if fs::copy(from, &to)
        .and_then(|_| fs::copy(key(from), key(&to)))
        .is_err()
    {
        fail("a store cannot be copied", &to.display());
    }
    to
}

/// Seconds, and the most anonymous memory in MiB, where the system tells it.
pub fn measured(mut command: Command) -> (f64, Option<f64>) {
    let from = Instant::now();
    let mut child = match command.stdout(Stdio::null()).spawn() {
        Ok(child) => child,
        Err(error) => fail("a command does not run", &error),
    };
    let mut most: Option<f64> = None;
    let status = format!("/proc/{}/status", child.id());
    loop {
        match child.try_wait() {
            Ok(Some(done)) if done.success() => return (from.elapsed().as_secs_f64(), most),
            Ok(Some(done)) => fail("a command failed", &done),
            Ok(None) => {}
            Err(error) => fail("a command is lost", &error),
        }
        let told = fs::read_to_string(&status).unwrap_or_default();
        let kib = told.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = kib.and_then(|text| {
            text.trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<f64>()
                .ok()
        });
        most = match (most, kib.map(|kib| kib / 1024.0)) {
            (Some(most), Some(now)) => Some(most.max(now)),
            (most, now) => most.or(now),
        };
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Imports the million into a new store, and again into the store that has them.
pub fn against_the_shell(world: &World) {
    heading("A file of 1,000,000 users", "twofa", "sqlite3");
    if let Err(error) = Command::new("sqlite3").arg("--version").output() {
        say(&format!(
            "  NOT MEASURED: the sqlite3 shell is missing ({error}). Install it: it is the peer of this measurement."
        ));
        return;
    }
    let mut policy = "version = 1\n".to_owned();
    for group in 0..GROUPS {
        policy.push_str(&format!("[groups.\"Group {group}\"]\n"));
    }
    let file = world.path().join("groups.toml");
    if let Err(error) = fs::write(&file, policy) {
        fail("the policy cannot be written", &error);
    }
    time(
        twofa(&world.db(), &format!("apply {} --yes", file.display())),
        0,
    );
    for (order, words) in [
        ((|at| at) as fn(u64) -> u64, "in the order of logins"),
        (shuffled, "in no order"),
    ] {
        if let Err(error) = files(world.path(), order) {
            fail("the files cannot be written", &error);
        }
        rounds(world, words);
    }
}

fn rounds(world: &World, words: &str) {
    let import = format!(
        "user import {} --yes",
        world.path().join("users.csv").display()
    );
    let (mut ours, mut theirs, mut again) = (Vec::new(), Vec::new(), Vec::new());
    let mut most: f64 = 0.0;
    for _ in 0..ROUNDS {
        let db = copy(&world.db(), "ours.db");
        let (took, memory) = measured(twofa(&db, &import));
        ours.push(took);
        let (took, more) = measured(twofa(&db, &format!("{import} --on-conflict update")));
        again.push(took);
        most = most
            .max(memory.unwrap_or(f64::NAN))
            .max(more.unwrap_or(f64::NAN));
        let db = copy(&world.db(), "theirs.db");
        let script = File::open(world.path().join("load.sql"));
        let mut shell = Command::new("sqlite3");
        shell.arg(&db).current_dir(world.path());
        match script {
            Ok(script) => shell.stdin(Stdio::from(script)),
            Err(error) => fail("the script is gone", &error),
        };
        theirs.push(measured(shell).0);
    }
    let (ours, theirs, again) = (median(ours), median(theirs), median(again));
    let seconds = |time: f64| format!("{time:.2} s");
    for (what, time) in [
        ("import", ours),
        ("import of the same again, update", again),
    ] {
        let ratio = time / theirs;
        line(
            &format!("{what}, {words}"),
            &seconds(time),
            &seconds(theirs),
            ratio,
            &at_most(ratio, 1.25),
        );
    }
    line(
        "anonymous memory of it",
        &format!("{most:.0} MiB"),
        &format!("{MEMORY} MiB"),
        most / MEMORY,
        &at_most(most / MEMORY, 1.0),
    );
}
