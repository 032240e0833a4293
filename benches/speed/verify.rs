//! The library's second factor: one process, one open connection, wrong codes under a high limit.

use std::time::Instant;

use rusqlite::{Connection, params};
use twofa::actor::Session;
use twofa::audit::Who;
use twofa::error::{Kind, Result};
use twofa::login::run;
use twofa::login::verdict::{Outcome, Verdict};
use twofa::method::Method;
use twofa::secret::Secret;
use twofa::store::Store;

use crate::world::{World, fail};
use crate::{ROUNDS, at_least, at_most, heading, line, median};

/// How the write-ahead log is found by a measurement. What a commit costs depends on it more than on anything else.
#[derive(Clone, Copy)]
enum Log {
    /// Empty, as a command finds it that is the only one: every page that is written makes the file longer.
    New,
    /// Long already, as in a process that stays: the log is written over from its beginning, and a commit costs the disk
    /// less.
    Long,
}

impl Log {
    /// Commits of one measurement: enough for each side to write more than the thousand pages that bring a checkpoint,
    /// and in a long log for many of those.
    fn commits(self) -> u64 {
        match self {
            Log::New => 600,
            Log::Long => 3_000,
        }
    }

    fn per_commit(self, seconds: f64) -> f64 {
        seconds / f64::from(u32::try_from(self.commits()).unwrap_or(1))
    }
}

/// Not the code that was sent; an app shows it three times in a million.
const WRONG: &str = "000000";

/// One connection to one world, and who speaks for a bare process.
struct Side<'w> {
    world: &'w World,
    session: Session,
    bare: Connection,
    who: Who,
    log: Log,
    turn: u64,
}

/// Which entrance is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Through {
    /// `login::run::verify`: judges the permission of the acting user first.
    Verify,
    /// `login::run::answer`: for a process that is the login itself.
    Answer,
}

impl<'w> Side<'w> {
    fn new(world: &'w World, log: Log) -> Result<Side<'w>> {
        Ok(Side {
            world,
            session: world.session()?,
            bare: world.bare()?,
            who: Who {
                actor: None,
                os_user: None,
                note: None,
            },
            log,
            turn: 0,
        })
    }

    fn store(&self) -> &Store {
        &self.session.store
    }

    /// A user of the next measurement: all of them, in an order that jumps.
    fn next(&mut self) -> u64 {
        // A prime above a million: the step visits everybody before it repeats.
        self.turn = self.turn.wrapping_add(1_299_709);
        self.turn % self.world.users
    }

    /// Every measurement begins with a log that is done with, so that each pays for the checkpoints of its own pages.
    fn settle(&self) -> Result<()> {
        let how = match self.log {
            Log::New => "PRAGMA wal_checkpoint(TRUNCATE)",
            Log::Long => "PRAGMA wal_checkpoint(RESTART)",
        };
        self.bare.query_row(how, [], |_| Ok(()))?;
        Ok(())
    }

    /// Seconds for one wrong answer.
    fn verify(&mut self, through: Through, method: Method) -> Result<f64> {
        self.settle()?;
        let wrong = Secret::from(WRONG);
        let mut refused = 0;
        let from = Instant::now();
        for _ in 0..self.log.commits() {
            let token = World::challenge(self.next());
            let verdict = match through {
                Through::Verify => run::verify(&self.session, &token, &wrong, Some(method)),
                Through::Answer => {
                    run::answer(self.store(), &self.who, &token, &wrong, Some(method))
                }
            }?;
            refused += u64::from(is_wrong(&verdict));
        }
        let took = from.elapsed().as_secs_f64();
        // Guards against measuring a refusal that compares nothing.
        if refused + 2 < self.log.commits() {
            fail(
                "these are not wrong codes",
                &format!("{refused} of {}", self.log.commits()),
            );
        }
        Ok(self.log.per_commit(took))
    }

    /// Seconds for one bare transaction.
    fn loop_of_transactions(&mut self) -> Result<f64> {
        self.settle()?;
        let from = Instant::now();
        for _ in 0..self.log.commits() {
            let user = self.next();
            let user = self.world.id(user);
            let db = &self.bare;
            db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            db.prepare_cached(
                "UPDATE user SET second_factor_failures = second_factor_failures + 1 WHERE id = ?1",
            )?
            .execute([user])?;
            db.prepare_cached(
                "INSERT INTO bare (at, user, event) VALUES (?1, ?2, 'login.denied')",
            )?
            .execute(params![0, user])?;
            db.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(self.log.per_commit(from.elapsed().as_secs_f64()))
    }
}

fn is_wrong(verdict: &Verdict) -> bool {
    verdict.outcome == Outcome::Denied(Kind::SecondFactorWrong)
}

const CASES: [(&str, Through, Method); 4] = [
    ("login::run::verify, app", Through::Verify, Method::Totp),
    ("login::run::verify, email", Through::Verify, Method::Email),
    ("login::run::answer, app", Through::Answer, Method::Totp),
    ("login::run::answer, email", Through::Answer, Method::Email),
];

/// Makes the log of a world so much longer: with wrong answers of all its users, one after the other.
pub fn lengthen(world: &World, events: u64) -> Result<()> {
    let side = &mut Side::new(world, Log::Long)?;
    let wrong = Secret::from(WRONG);
    for _ in 0..events {
        let token = World::challenge(side.next());
        run::answer(side.store(), &side.who, &token, &wrong, Some(Method::Email))?;
    }
    side.bare
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// The rate beside a bare loop of `BEGIN IMMEDIATE; UPDATE; INSERT; COMMIT` on the same file with the same pragmas.
pub fn against_a_bare_loop(world: &World) -> Result<()> {
    for (log, title) in [
        (
            Log::New,
            "Second factor, 10,000 users, commits a second, new log",
        ),
        (Log::Long, "The same in a long log"),
    ] {
        heading(title, "twofa", "bare loop");
        beside_the_loop(&mut Side::new(world, log)?)?;
    }
    Ok(())
}

fn beside_the_loop(side: &mut Side<'_>) -> Result<()> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut seconds = Vec::new();
        for (_, through, method) in CASES {
            // There and back: a disk that gets slower meanwhile is slow for both.
            let bare = side.loop_of_transactions()?;
            let ours = side.verify(through, method)? + side.verify(through, method)?;
            seconds.push((ours / 2.0, bare.midpoint(side.loop_of_transactions()?)));
        }
        rounds.push(seconds);
    }
    for (at, (name, ..)) in CASES.iter().enumerate() {
        let of = |pick: &dyn Fn((f64, f64)) -> f64| {
            median(rounds.iter().map(|round| pick(round[at])).collect())
        };
        let ratio = of(&|(ours, bare)| bare / ours);
        line(
            name,
            &format!("{:.0}/s", of(&|(ours, _)| 1.0 / ours)),
            &format!("{:.0}/s", of(&|(_, bare)| 1.0 / bare)),
            ratio,
            &at_least(ratio, 0.8),
        );
    }
    Ok(())
}

/// The time of the same among a million users and among a hundred; the bare loop tells what the disk makes of it.
pub fn among_many(few: &World, many: &World) -> Result<()> {
    heading("Second factor, time of one", "1,000,000", "100 users");
    let (mut few, mut many) = (Side::new(few, Log::New)?, Side::new(many, Log::New)?);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut seconds = Vec::new();
        for (_, through, method) in CASES {
            let first = few.verify(through, method)?;
            let ours = many.verify(through, method)? + many.verify(through, method)?;
            seconds.push((ours / 2.0, first.midpoint(few.verify(through, method)?)));
        }
        let first = few.loop_of_transactions()?;
        let bare = many.loop_of_transactions()? + many.loop_of_transactions()?;
        seconds.push((bare / 2.0, first.midpoint(few.loop_of_transactions()?)));
        rounds.push(seconds);
    }
    let names = CASES.iter().map(|(name, ..)| *name).chain(["bare loop"]);
    for (at, name) in names.enumerate() {
        let of = |pick: &dyn Fn((f64, f64)) -> f64| {
            median(rounds.iter().map(|round| pick(round[at])).collect())
        };
        let ratio = of(&|(many, few)| many / few);
        let verdict = if at < CASES.len() {
            at_most(ratio, 1.2)
        } else {
            "for comparison".to_owned()
        };
        line(
            name,
            &format!("{:.0} us", of(&|(many, _)| many * 1e6)),
            &format!("{:.0} us", of(&|(_, few)| few * 1e6)),
            ratio,
            &verdict,
        );
    }
    Ok(())
}
