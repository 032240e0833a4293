//! `coverage` of everybody beside one `SELECT` of the columns it is made of.

use std::time::Instant;

use rusqlite::types::ValueRef;

use crate::commands::{milliseconds, twofa};
use crate::import::measured;
use crate::world::{World, fail};
use crate::{ROUNDS, at_most, heading, line, median};

/// What is known of each person, as one statement says it.
const COLUMNS: &str = "SELECT user.id, login, email, phone, type, coalesce(password_hash, password_imported) IS NOT NULL,
        EXISTS (SELECT 1 FROM authenticator WHERE authenticator.user = user.id),
        EXISTS (SELECT 1 FROM recovery_code WHERE recovery_code.user = user.id AND used_at IS NULL),
        (SELECT group_concat(\"group\") FROM group_user WHERE group_user.user = user.id)
    FROM user WHERE active = 1 AND type <> 'technical'";

/// A million people in nested groups, one in ten with recovery codes, against the bare statement and against a hundred.
pub fn of_everybody(few: &World, many: &World) {
    heading("Coverage", "twofa", "one SELECT");
    for world in [few, many] {
        if let Err(error) = give_codes(world) {
            fail("cannot give recovery codes", &error);
        }
    }
    let ours = |world: &World| measured(twofa(&world.db(), "coverage -o json"));
    let (_, among_few) = ours(few);
    let (mut rounds, mut among_many) = (Vec::new(), None);
    for _ in 0..ROUNDS {
        let (took, memory) = ours(many);
        among_many = memory.or(among_many);
        rounds.push((took, select(many)));
    }
    let of = |pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(pick).collect());
    let ratio = of(|(ours, theirs)| ours / theirs);
    line(
        "coverage, 1,000,000 users",
        &milliseconds(of(|(ours, _)| *ours)),
        &milliseconds(of(|(_, theirs)| *theirs)),
        ratio,
        &at_most(ratio, 2.0),
    );
    let mib =
        |memory: Option<f64>| memory.map_or("unknown".to_owned(), |mib| format!("{mib:.1} MiB"));
    line(
        "anonymous memory of it, against 100 users",
        &mib(among_many),
        &mib(among_few),
        among_many.unwrap_or(f64::NAN) / among_few.unwrap_or(f64::NAN),
        "",
    );
}

/// Ten codes for every tenth of them, half of the codes used.
fn give_codes(world: &World) -> rusqlite::Result<()> {
    let db = world.bare()?;
    db.execute_batch("BEGIN IMMEDIATE")?;
    {
        let mut code = db.prepare(
            "INSERT INTO recovery_code (user, code_hash, generated_at, used_at) VALUES (?1, randomblob(32), 0, iif(?2 % 2, 0, NULL))",
        )?;
        for number in (0..world.users).step_by(10) {
            for which in 0..10 {
                code.execute([world.id(number), which])?;
            }
        }
    }
    db.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
}

/// Seconds of one statement that reads every column.
fn select(world: &World) -> f64 {
    let read = || -> rusqlite::Result<(f64, usize)> {
        let from = Instant::now();
        let db = world.bare()?;
        let mut query = db.prepare(COLUMNS)?;
        let columns = query.column_count();
        let mut rows = query.query([])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                bytes += match row.get_ref(column)? {
                    ValueRef::Text(text) | ValueRef::Blob(text) => text.len(),
                    ValueRef::Integer(_) | ValueRef::Real(_) => 8,
                    ValueRef::Null => 0,
                };
            }
        }
        Ok((from.elapsed().as_secs_f64(), bytes))
    };
    match read() {
        Ok((seconds, bytes)) if bytes > 0 => seconds,
        Ok(_) => fail("nobody was read", &COLUMNS),
        Err(error) => fail("the statement fails", &error),
    }
}
