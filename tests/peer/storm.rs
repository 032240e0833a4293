//! Sixty-four processes at once on one store: no try is lost, nothing lets two in, nobody is told that it is locked.
//!
//! Workers run one command after another, each a process: logins with right, wrong, old and shared codes beside
//! everything an administrator does. What can be used once is posted, and taken by several of them at the same time. The
//! clock is stepped, so that apps show many codes and locks run out. Every run is kept with what it gave and how it
//! ended, and `storm_judge.rs` compares that with what the store kept.
//!
//! `TWOFA_PEER_STORM` is how many seconds it lasts (15), `TWOFA_PEER_SEED` repeats its choices, as far as the machine
//! allows.

#![expect(
    clippy::disallowed_methods,
    reason = "it lasts a time by the machine's clock, and a length and a seed come from outside"
)]

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::remains::{Moments, seed};
use crate::storm_acts::act;
use crate::storm_judge;
use crate::world::World;

/// Processes at once.
const WORKERS: u64 = 64;
/// Users of each kind: `email0` …, who answer by email, `app0` … by app, `paper0` … by recovery codes; `forgot0` …, who
/// recover their passwords; `new0` …, who connect apps; `guessed0` …, whose passwords are guessed and never right.
pub const OF_A_KIND: u64 = 6;
pub const KINDS: [&str; 6] = ["email", "app", "paper", "forgot", "new", "guessed"];
/// Wrong second factors until the lock.
pub const LIMIT: i64 = 5;
/// Everybody's password, and the hash of it that another system made.
pub const PASSWORD: &str = "correct horse";
const IMPORTED: &str = "$2b$04$szS2u1041Frh9mk3IEBL.e3Qa9C.fQia0g.hqkdSUJi.NOxFCDFDi";
/// The clock goes so many seconds forward, so often.
const STEP: (i64, Duration) = (30, Duration::from_millis(500));

/// What was posted to be used by several.
#[derive(Clone)]
pub struct Posted {
    pub kind: &'static str,
    pub user: String,
    /// A challenge, or nothing.
    pub token: String,
    pub code: String,
    left: u32,
}

/// A command that has run.
pub struct Done {
    pub verb: &'static str,
    pub user: String,
    /// What of it may let somebody in once.
    pub once: Option<String>,
    /// Whether a second factor was given that was never right.
    pub wrong: bool,
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
    pub took: Duration,
    /// How it may end.
    pub may: &'static [i32],
    pub words: String,
}

impl Done {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or(Value::Null)
    }
}

/// Messages, by whom they are to; those that were read are known.
#[derive(Default)]
struct Mail {
    seen: HashSet<PathBuf>,
    newest: HashMap<String, Vec<String>>,
}

pub struct Storm {
    directory: PathBuf,
    clock: AtomicI64,
    seeds: AtomicU64,
    mail: Mutex<Mail>,
    posted: Mutex<Vec<Posted>>,
    pub done: Mutex<Vec<Done>>,
    /// Whoever is asked for a code by mail is asked by one at a time: the newest message is then theirs.
    pub asked: Vec<Mutex<()>>,
    /// The secrets of the apps.
    pub secrets: Vec<String>,
    pub numbers: AtomicU64,
    over: AtomicBool,
}

/// A command about to run.
pub struct Act {
    pub verb: &'static str,
    pub words: String,
    pub stdin: String,
    pub user: String,
    pub once: Option<String>,
    pub wrong: bool,
    pub may: &'static [i32],
}

impl Act {
    pub fn new(verb: &'static str, words: impl Into<String>, may: &'static [i32]) -> Act {
        Act {
            verb,
            words: words.into(),
            stdin: String::new(),
            user: String::new(),
            once: None,
            wrong: false,
            may,
        }
    }

    pub fn of(self, user: &str) -> Act {
        Act {
            user: user.to_owned(),
            ..self
        }
    }

    pub fn stdin(self, stdin: impl Into<String>) -> Act {
        Act {
            stdin: stdin.into(),
            ..self
        }
    }
}

impl Storm {
    pub fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A number nobody else has.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::SeqCst)
    }

    fn command(&self, words: &str, now: i64) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twofa"));
        command
            .args(crate::world::split(words))
            .current_dir(&self.directory)
            .env_clear()
            .env("TWOFA_DB", "twofa.db")
            .env("TWOFA_TEST_NOW", moment(now))
            .env(
                "TWOFA_TEST_SEED",
                self.seeds.fetch_add(1, Ordering::SeqCst).to_string(),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it at this moment; what came of it is kept, and given as JSON with the exit status.
    pub fn run_at(&self, act: Act, now: i64) -> (Option<i32>, Value) {
        let from = Instant::now();
        let mut child = self.command(&act.words, now).spawn().unwrap();
        // A command that reads nothing closes the pipe before it is written; that is its right.
        let _ = child.stdin.take().unwrap().write_all(act.stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let done = Done {
            verb: act.verb,
            user: act.user,
            once: act.once,
            wrong: act.wrong,
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: from.elapsed(),
            may: act.may,
            words: act.words,
        };
        let answer = (done.code, done.json());
        self.done.lock().unwrap().push(done);
        answer
    }

    pub fn run(&self, act: Act) -> (Option<i32>, Value) {
        self.run_at(act, self.now())
    }

    /// Posts something that several shall use.
    pub fn post(&self, kind: &'static str, user: &str, token: &str, code: &str, times: u32) {
        self.posted.lock().unwrap().push(Posted {
            kind,
            user: user.to_owned(),
            token: token.to_owned(),
            code: code.to_owned(),
            left: times,
        });
    }

    /// The newest thing of this kind that was posted: whoever asks next gets the same, as often as it was posted for.
    pub fn take(&self, kind: &str) -> Option<Posted> {
        let mut posted = self.posted.lock().unwrap();
        let at = posted.iter().rposition(|one| one.kind == kind)?;
        posted[at].left -= 1;
        let taken = posted[at].clone();
        if taken.left == 0 {
            posted.remove(at);
        }
        Some(taken)
    }

    /// The newest message to somebody; each is given once.
    pub fn letter(&self, address: &str) -> Option<String> {
        let mut mail = self.mail.lock().unwrap();
        for entry in std::fs::read_dir(self.file("mail")).unwrap() {
            let path = entry.unwrap().path();
            let named = path.extension().is_some_and(|end| end == "eml");
            if !named || mail.seen.contains(&path) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            mail.seen.insert(path);
            let to = text.lines().find_map(|line| line.strip_prefix("To: "));
            let to = to.unwrap_or_default().trim_matches(['<', '>']).to_owned();
            mail.newest.entry(to).or_default().push(text);
        }
        mail.newest.get_mut(address)?.pop()
    }
}

pub fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

/// The store before: everybody is there, the apps are connected, 2FA is on.
fn world() -> (World, Vec<String>) {
    let world = World::peopled();
    let mut people = "login,email,groups,password_hash\n".to_owned();
    world.ok("group add Relaxed");
    for kind in KINDS {
        for number in 0..OF_A_KIND {
            let group = if kind == "forgot" { "Relaxed" } else { "" };
            people.push_str(&format!(
                "{kind}{number},{kind}{number}@example.com,{group},{IMPORTED}\n"
            ));
        }
    }
    world.write("people.csv", &people);
    world.ok("user import people.csv --yes");
    world.ok("permission deny CanUse2FA --group Relaxed --position 1");
    world.ok("method enable email --primary");
    world.ok("method enable recovery-codes");
    world.ok("method enable totp");
    let secrets: Vec<String> = (0..OF_A_KIND)
        .map(|number| world.connect(&format!("app{number}")))
        .collect();
    world.ok("setting set SSPRegistrationMailbox trial");
    world.ok(&format!(
        "setting set SecondFactorAttemptCount {LIMIT} UserLockoutDuration 1 SecondFactorCodeTTL 3600 SecondFactorSendLimit 0 SecondFactorResendInterval 0 PasswordRecoveryLimit 0"
    ));
    world.ok("setting set Enable2FA on --yes");
    world.later(60);
    (world, secrets)
}

/// Its log, while it lasts: the longest it was.
fn watch(storm: &Storm) -> u64 {
    let mut longest = 0;
    let mut stepped = Instant::now();
    while !storm.over.load(Ordering::SeqCst) {
        let length = std::fs::metadata(storm.file("twofa.db-wal")).map_or(0, |file| file.len());
        longest = longest.max(length);
        if stepped.elapsed() >= STEP.1 {
            storm.clock.fetch_add(STEP.0, Ordering::SeqCst);
            stepped = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    longest
}

#[expect(
    clippy::print_stdout,
    reason = "how much was done is shown with a failure, and with --nocapture"
)]
fn tell(text: &str) {
    println!("{text}");
}

#[test]
fn sixty_four_processes_at_once() {
    let length = std::env::var("TWOFA_PEER_STORM").map_or(15, |text| {
        text.parse().expect("TWOFA_PEER_STORM is a number")
    });
    let seed = seed();
    let (world, secrets) = world();
    let storm = Storm {
        directory: world.path().to_owned(),
        clock: AtomicI64::new(world.now()),
        seeds: AtomicU64::new(1_000_000),
        mail: Mutex::default(),
        posted: Mutex::default(),
        done: Mutex::default(),
        asked: (0..OF_A_KIND).map(|_| Mutex::new(())).collect(),
        secrets,
        numbers: AtomicU64::new(0),
        over: AtomicBool::new(false),
    };
    let from = Instant::now();
    let longest = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&storm));
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let storm = &storm;
                let mut moments = Moments(seed ^ worker.wrapping_mul(0x9e37_79b9));
                scope.spawn(move || {
                    while from.elapsed() < Duration::from_secs(length) {
                        act(storm, &mut moments);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        storm.over.store(true, Ordering::SeqCst);
        watcher.join().unwrap()
    });
    let took = from.elapsed();
    // What was asked for at the very end is still being mailed.
    world.later(storm.now() - world.now());
    storm_judge::settled(&world);
    let said = storm_judge::said(&storm, took, longest);
    tell(&format!("{said}\n  TWOFA_PEER_SEED={seed}"));
    storm_judge::judge(&world, &storm, longest);
}
