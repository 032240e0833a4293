//! `audit verify` beside one scan with the same hashes, and `key rotate` beside an `UPDATE` of the same columns.

use std::time::Instant;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};
use twofa::error::Result;

use crate::commands::{time, twofa};
use crate::verify::lengthen;
use crate::world::{World, fail};
use crate::{ROUNDS, at_least, at_most, heading, line, median};

/// Rows of the log.
const EVENTS: u64 = 1_000_000;
/// Users, each with an app.
const USERS: u64 = 100_000;
/// Rows that `key rotate` seals anew in one transaction.
const BATCH: i64 = 500;

/// A million rows of the log, followed, against a `SELECT` of them with one SHA-256 and one HMAC each.
pub fn verify(world: &World) -> Result<()> {
    lengthen(world, EVENTS)?;
    heading("audit verify, 1,000,000 rows", "twofa", "scan and hash");
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let ours = time(twofa(&world.db(), "audit verify -q"), 0);
        rounds.push((ours, scan(&world.bare()?)?));
    }
    let of = |pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(pick).collect());
    let ratio = of(|(ours, theirs)| ours / theirs);
    let seconds = |value: f64| format!("{value:.2} s");
    line(
        "audit verify",
        &seconds(of(|(ours, _)| *ours)),
        &seconds(of(|(_, theirs)| *theirs)),
        ratio,
        &at_most(ratio, 1.5),
    );
    Ok(())
}

/// Seconds of reading every row and hashing it twice.
fn scan(db: &Connection) -> Result<f64> {
    let from = Instant::now();
    let mut query = db.prepare("SELECT * FROM audit ORDER BY seq")?;
    let columns = query.column_count();
    let mut rows = query.query([])?;
    let mut before = [0u8; 32];
    while let Some(row) = rows.next()? {
        let mut digest = Sha256::new();
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Null => digest.update([0xff; 8]),
                ValueRef::Integer(number) => digest.update(number.to_be_bytes()),
                ValueRef::Real(number) => digest.update(number.to_be_bytes()),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => digest.update(bytes),
            }
        }
        let mut mac = <Hmac<Sha256>>::new(&[7u8; 64].into());
        mac.update(&before);
        mac.update(&digest.finalize());
        before = mac.finalize().into_bytes().into();
    }
    let took = from.elapsed().as_secs_f64();
    if before == [0u8; 32] {
        fail("no row was read", &"audit");
    }
    Ok(took)
}

/// Every app's secret sealed anew, against an `UPDATE` of the same columns in the same batches.
pub fn rotate(world: &World) -> Result<()> {
    heading("key rotate, 100,000 apps", "twofa", "UPDATE");
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let ours = time(twofa(&world.db(), "key rotate --yes -q"), 0);
        rounds.push((ours, update(&world.bare()?)?));
    }
    let of = |pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(pick).collect());
    let ratio = of(|(ours, theirs)| theirs / ours);
    let seconds = |value: f64| format!("{value:.2} s");
    line(
        "key rotate, its speed",
        &seconds(of(|(ours, _)| *ours)),
        &seconds(of(|(_, theirs)| *theirs)),
        ratio,
        &at_least(ratio, 0.5),
    );
    Ok(())
}

/// Seconds of writing every secret again as it is, with as many commits.
fn update(db: &Connection) -> Result<f64> {
    let from = Instant::now();
    let mut last = 0;
    loop {
        let tx = rusqlite::Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
        let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = {
            let mut query = tx.prepare_cached(
                "SELECT id, secret, fingerprint FROM authenticator WHERE id > ?1 ORDER BY id LIMIT ?2",
            )?;
            let rows = query.query_map([last, BATCH], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        let Some((end, ..)) = rows.last() else { break };
        last = *end;
        for (id, secret, fingerprint) in &rows {
            tx.prepare_cached(
                "UPDATE authenticator SET secret = ?2, fingerprint = ?3 WHERE id = ?1",
            )?
            .execute(params![id, secret, fingerprint])?;
        }
        tx.commit()?;
    }
    Ok(from.elapsed().as_secs_f64())
}

/// The store to rotate in.
pub fn world() -> Result<World> {
    World::of(USERS)
}
