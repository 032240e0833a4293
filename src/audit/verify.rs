//! Following the chain, and naming what was done to it.

use std::collections::HashMap;

use serde::Serialize;

use super::{COLUMNS, Event, GENESIS, Head, Raw, Record, head_proof, link, read_head};
use crate::error::Result;
use crate::store::Store;
use crate::vault::same;

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whether the whole chain holds.
    pub intact: bool,
    /// Rows looked at.
    pub rows: i64,
    /// The newest row there should be.
    pub head: i64,
    /// The first row that does not fit.
    pub first_bad: Option<i64>,
    /// What kind of damage it is: `edited`, `inserted`, `deleted`, `cut_tail`, `head`, `unlinked`: the way
    /// from a user to their events was changed.
    pub damage: Option<String>,
}

/// Follows the chain from the first row to the head.
///
/// # Errors
/// [`crate::error::Kind::KeyMissing`], [`crate::error::Kind::KeyWrong`], [`crate::error::Kind::Storage`]. Damage is not an error but an answer.
pub fn verify(store: &Store) -> Result<Verified> {
    let rows = read_head(store)?.map(|head| head.seq.unsigned_abs());
    store.watched("Verifying the audit log", rows, |at| {
        follow(store, &mut || Ok(()), at)
    })
}

/// As [`verify`]; `meanwhile` runs between the head and the rows, where another command may come in.
fn follow(
    store: &Store,
    meanwhile: &mut dyn FnMut() -> Result<()>,
    at: &mut dyn FnMut(u64),
) -> Result<Verified> {
    // One snapshot: a row that another command adds while this one reads is not beyond the head.
    let _snapshot = store.db().snapshot()?;
    let vault = store.vault()?;
    let mut answer = Verified {
        intact: false,
        rows: 0,
        head: 0,
        first_bad: None,
        damage: None,
    };
    let mut query = store.db().prepare(&format!(
        "SELECT {COLUMNS}, digest, mac, \"key\" FROM audit ORDER BY seq"
    ))?;
    let mut rows = query.query([])?;
    let mut before = GENESIS.to_vec();
    let mut newest = Newest::default();
    let mut expected = 1;
    let bad = |mut answer: Verified, seq: i64, damage: &str| {
        answer.first_bad = Some(seq);
        answer.damage = Some(damage.to_owned());
        Ok(answer)
    };
    let head = read_head(store)?;
    answer.head = head.as_ref().map_or(0, |head| head.seq);
    meanwhile()?;
    while let Some(row) = rows.next()? {
        at(answer.rows.unsigned_abs());
        let raw = Raw::read(row)?;
        // A column that holds another type than it should was written by something else.
        let links = (
            row.get_ref(12)?.as_blob(),
            row.get_ref(13)?.as_blob(),
            row.get_ref(14)?.as_i64(),
        );
        answer.rows += 1;
        let seq = raw.record.seq;
        if seq > expected {
            return bad(answer, expected, "deleted");
        }
        if seq < expected {
            return bad(answer, seq, "inserted");
        }
        let mac = match links {
            (Ok(digest), Ok(mac), Ok(key)) if raw.sound && same(&raw.digest(), digest) => {
                link(vault, key, seq, &before, digest)
                    .is_ok_and(|want| same(&want, mac))
                    .then_some(mac)
            }
            _ => None,
        };
        let Some(mac) = mac else {
            let damage = if answer.head < seq {
                "inserted"
            } else {
                "edited"
            };
            return bad(answer, seq, damage);
        };
        if !newest.follows(&raw.record) {
            return bad(answer, seq, UNLINKED);
        }
        before = mac.to_vec();
        expected += 1;
    }
    if let Some((seq, damage)) = against_head(store, head.as_ref(), expected, &before)? {
        return bad(answer, seq, damage);
    }
    if let Some(seq) = newest.not_known_to(store)? {
        return bad(answer, seq, UNLINKED);
    }
    answer.intact = true;
    Ok(answer)
}

/// What is wrong between the head and the rows, which end before `next` with the mac `last`.
fn against_head(
    store: &Store,
    head: Option<&Head>,
    next: i64,
    last: &[u8],
) -> Result<Option<(i64, &'static str)>> {
    let Some(head) = head else {
        return Ok(Some((next, "head")));
    };
    let proven = head_proof(store.vault()?, head.key, store.id(), head.seq, &head.mac)
        .is_ok_and(|want| same(&want, &head.proof));
    Ok(if !proven {
        Some((head.seq, "head"))
    } else if head.seq >= next {
        Some((next, "cut_tail"))
    } else if head.seq + 1 < next {
        Some((head.seq + 1, "inserted"))
    } else if !same(&head.mac, last) {
        Some((head.seq, "edited"))
    } else {
        None
    })
}

const UNLINKED: &str = "unlinked";

/// The newest event about each user, as far as the chain was followed. `None`: the user was removed, and what still came
/// about them leads nowhere.
#[derive(Default)]
struct Newest(HashMap<i64, Option<i64>>);

impl Newest {
    /// Whether a row leads to the one before it about the same user.
    fn follows(&mut self, record: &Record) -> bool {
        let Some(user) = record.user else {
            return record.earlier.is_none();
        };
        let known = self.0.get(&user).copied();
        let removed = record.event == Event::USER_REMOVED.code();
        let goes_on = known != Some(None) && !removed;
        self.0.insert(user, goes_on.then_some(record.seq));
        record.earlier == known.flatten() || removed && record.earlier.is_none()
    }

    /// The newest event of a user whose row does not lead to it, or leads to one although there is none.
    fn not_known_to(&self, store: &Store) -> Result<Option<i64>> {
        let mut query = store.db().prepare("SELECT id, newest_event FROM user")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let newest = self.0.get(&row.get(0)?).copied().flatten();
            let leads = row.get_ref(1)?.as_i64_or_null().ok();
            if leads != Some(newest) {
                return Ok(Some(newest.or(leads.flatten()).unwrap_or_default()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
