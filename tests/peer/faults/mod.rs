//! Every way to fail: each call that touches a file, power, room, rights, pages and keys.
//!
//! A small shim (`shim.c`) stands between twofa and its files. It writes down every call, from which `image.rs` makes the
//! files as they would be if the power had gone at any of them, and makes the one fail that it is told to. After each
//! fault a store is as it was before the command or after it, the command has said so, and `doctor`, `audit verify` and
//! `key check` find nothing that is not there.
//!
//! The usual run takes samples of the places at which a long command can fail, drawn by `TWOFA_PEER_SEED`;
//! `TWOFA_PEER_TIMES=N` takes N times as many, and with 100 there is none left out.

mod calls;
mod case;
mod image;
mod keys;
mod pages;
mod power;
mod room;
mod shim;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use case::Subject;

use crate::remains;

/// The commands that only read, as far as they need nothing but a store.
const READING: &[&str] = &[
    "status",
    "coverage",
    "doctor",
    "export",
    "method list",
    "setting list",
    "setting get Enable2FA",
    "user list",
    "user show alice",
    "user export",
    "group list",
    "group show 'System administrators'",
    "permission list",
    "permission show CanUse2FA",
    "permission check CanUse2FA alice",
    "authenticator list",
    "recovery-codes show alice",
    "mailbox list",
    "sms-provider list",
    "template list",
    "template preview '2FA SMS code'",
    "outbox list",
    "login list",
    "login explain alice",
    "audit list",
    "audit verify",
    "audit anchor",
    "key check",
];

/// What was done, counted.
#[derive(Default)]
struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    fn add(&self, what: &'static str, count: u64) {
        let mut counts = self.0.lock().unwrap();
        *counts.entry(what).or_default() += count;
    }

    fn says(&self) -> String {
        let counts = self.0.lock().unwrap();
        let words: Vec<String> = counts
            .iter()
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        words.join(", ")
    }
}

/// What was done, for who asks for it.
#[expect(clippy::print_stdout, reason = "shown with --nocapture")]
fn say(what: &str) {
    println!("{what}");
}

/// Does something to every writing command, on both processors of a small machine; says of each what was done, which
/// `--nocapture` shows. `TWOFA_PEER_ONLY` takes those whose command line has these words.
fn each(seed: u64, work: impl Fn(&Subject, u64, &Tally) + Sync) {
    let subjects = Subject::all(&remains::only());
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let all = Tally::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(make) = subjects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = std::panic::AssertUnwindSafe(|| {
                        let subject = make();
                        let tally = Tally::default();
                        work(&subject, seed, &tally);
                        say(&format!("{}: {}", subject.name, tally.says()));
                        for (what, count) in tally.0.into_inner().unwrap() {
                            all.add(what, count);
                        }
                    });
                    if let Err(panic) = std::panic::catch_unwind(run) {
                        let said = panic.downcast_ref::<String>().cloned();
                        let said = said.unwrap_or_else(|| "it panicked".to_owned());
                        failures.lock().unwrap().push(said);
                    }
                }
            });
        }
    });
    say(&format!("in all: {} (TWOFA_PEER_SEED={seed})", all.says()));
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
