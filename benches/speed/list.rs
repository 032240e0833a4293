//! `audit list` among ten million rows, beside reading them all.

use std::time::Instant;

use rusqlite::Connection;
use twofa::error::Result;

use crate::commands::{milliseconds, time, twofa};
use crate::verify::lengthen;
use crate::world::World;
use crate::{ROUNDS, at_most, heading, line, median};

/// Rows that are written one by one, as logins write them, a whole number of blocks; and how often they are repeated.
const WRITTEN: u64 = 10 * 1024;
const TIMES: u64 = 977;

/// What is looked for, and the same question in SQL.
const ASKED: [(&str, &str, &str); 5] = [
    (
        "an event of the first day",
        "audit list --event setting --limit 10",
        "event LIKE 'setting.%'",
    ),
    (
        "an outcome that never was",
        "audit list --outcome failed",
        "outcome = 'failed'",
    ),
    (
        "a user who never was",
        "audit list --user nobody",
        "subject = 'nobody'",
    ),
    (
        "all until the first day",
        "audit list --until 2026-01-01 --limit 10",
        "at <= 1767225600",
    ),
    (
        "the newest of a user",
        "audit list --user user0000042 --limit 10",
        "subject = 'user0000042'",
    ),
];

/// Each question to the command and to a scan of the table, in turns.
pub fn among_ten_millions(world: &World) -> Result<()> {
    lengthen(world, WRITTEN)?;
    repeat(&world.bare()?)?;
    heading("audit list, 10,000,000 rows", "twofa", "scan");
    for (what, words, sql) in ASKED {
        let missing = what.ends_with("user who never was");
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let ours = time(twofa(&world.db(), words), if missing { 3 } else { 0 });
            rounds.push((ours, scan(&world.bare()?, sql)?));
        }
        let of = |pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(pick).collect());
        let ratio = of(|(ours, theirs)| ours / theirs);
        line(
            what,
            &milliseconds(of(|(ours, _)| *ours)),
            &milliseconds(of(|(_, theirs)| *theirs)),
            ratio,
            &at_most(ratio, 0.1),
        );
    }
    Ok(())
}

/// Repeats the rows and their summaries, but for those of the first block, in which the store was set up. Nothing of it
/// is chained: only what finds rows is measured.
fn repeat(db: &Connection) -> Result<()> {
    db.execute_batch("PRAGMA synchronous = OFF; BEGIN IMMEDIATE")?;
    {
        let whole = WRITTEN.cast_signed();
        let mut rows = db.prepare(
            "INSERT INTO audit SELECT seq + ?1, at + ?1, actor, os_user, event, subject, user, earlier + ?1, outcome, reason, note, detail, digest, mac, \"key\"
             FROM audit WHERE seq > 1024 AND seq <= ?2",
        )?;
        let mut blocks = db.prepare(
            "INSERT INTO audit_block SELECT last + ?1, earliest + ?1, latest + ?1, words FROM audit_block WHERE last > 1024 AND last <= ?2",
        )?;
        for time in 1..TIMES {
            let beyond = time.cast_signed() * whole;
            rows.execute([beyond, whole])?;
            blocks.execute([beyond, whole])?;
        }
    }
    db.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}

fn scan(db: &Connection, sql: &str) -> Result<f64> {
    let from = Instant::now();
    let sql = format!("SELECT count(*) FROM audit WHERE {sql}");
    let _: i64 = db.query_row(&sql, [], |row| row.get(0))?;
    Ok(from.elapsed().as_secs_f64())
}
