//! `twofa doctor` on a store of a million users with a long log, beside the sum of what it cannot do without: the integrity
//! check, the foreign-key check, and `audit verify`.

use std::time::Instant;

use rusqlite::Connection;
use twofa::error::Result;

use crate::commands::{time, twofa};
use crate::verify::lengthen;
use crate::world::{World, fail};
use crate::{ROUNDS, at_most, heading, line, median};

/// Rows of the log.
const EVENTS: u64 = 300_000;

/// Users, as they are, and a log of [`EVENTS`] rows.
pub fn beside_what_it_stands_on(world: &World) -> Result<()> {
    lengthen(world, EVENTS)?;
    let db = world.bare()?;
    // What the other measurements need is a finding.
    db.execute_batch(
        "DROP TABLE bare; DELETE FROM setting WHERE code = 'SecondFactorAttemptCount';
         UPDATE method SET enabled = 0 WHERE code = 'email'; PRAGMA wal_checkpoint(TRUNCATE)",
    )?;
    drop(db);
    heading(
        "doctor, 1,000,000 users and 300,000 events",
        "twofa",
        "the sum",
    );
    let path = world.db();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let integrity = check(world, "PRAGMA integrity_check")?;
        let keys = check(world, "PRAGMA foreign_key_check")?;
        let log = time(twofa(&path, "audit verify -q"), 0);
        let ours = time(twofa(&path, "doctor -q"), 0);
        rounds.push([ours, integrity, keys, log]);
    }
    let of = |pick: &dyn Fn(&[f64; 4]) -> f64| median(rounds.iter().map(pick).collect());
    let seconds = |value: f64| format!("{value:.2} s");
    let sum = |round: &[f64; 4]| round[1] + round[2] + round[3];
    for (at, name) in [
        (1, "  integrity check"),
        (2, "  foreign-key check"),
        (3, "  audit verify"),
    ] {
        let took = of(&|round| round[at]);
        let share = of(&|round| round[at] / sum(round));
        line(name, "", &seconds(took), share, "of the sum");
    }
    let ratio = of(&|round| round[0] / sum(round));
    line(
        "doctor",
        &seconds(of(&|round| round[0])),
        &seconds(of(&sum)),
        ratio,
        &at_most(ratio, 1.3),
    );
    Ok(())
}

/// Seconds of one of the two checks, by a connection of its own that is set as the doctor's is.
fn check(world: &World, sql: &str) -> Result<f64> {
    let db: Connection = world.bare()?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2000")?;
    let from = Instant::now();
    let mut query = db.prepare(sql)?;
    let mut rows = query.query([])?;
    let mut said = 0;
    while let Some(row) = rows.next()? {
        said += usize::from(row.get_ref(0)?.as_str().unwrap_or_default() != "ok");
    }
    let took = from.elapsed().as_secs_f64();
    if said > 0 {
        fail("the store is not sound", &sql);
    }
    Ok(took)
}
