//! Summaries: what is looked for in a log of ten million rows is not looked for in all of them.
//!
//! Each [`ROWS`] rows that follow each other are a block. When its last row is written, a summary of it is: the earliest
//! and the latest moment, for a clock can go back, and a Bloom filter (Bloom, "Space/time trade-offs in hash coding with
//! allowable errors", 1970) of the words that are searched for. A summary may promise what is not there, and costs a
//! look; it never denies what is there: [`super::verify()`] holds every row against it, so that nobody hides one. Where
//! there is no summary, the rows are read.
//!
//! An index would do the same for pages that every commit of a login writes; a summary is one row in a thousand.

use std::hash::Hasher;

use fnv::FnvHasher;
use rusqlite::{OptionalExtension as _, named_params};

use super::read::Filter;
use super::row::{COLUMNS, Words};
use crate::error::Result;
use crate::name::fold;
use crate::store::{Store, Tx};

/// Rows of a block. The last one's number is a multiple of it. In a test of a rule they are few, so that there are many
/// blocks.
pub(super) const ROWS: i64 = if cfg!(test) { 64 } else { 1024 };

/// Bits that stand for one word.
const PROBES: u64 = 4;

/// Bits for each word, at least: of eight and four probes, one block in forty is read in vain (`(1 - e^(-4/8))^4`).
const BITS: usize = 8;

/// A word that is searched for: what of a row it is, and its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key<'w> {
    Event(&'w str),
    /// What stands before the dot of an event.
    Noun(&'w str),
    Outcome(&'w str),
    Actor(&'w str),
    User(i64),
    /// The folded name of a user, at the time.
    Subject(&'w str),
}

impl Key<'_> {
    /// FNV-1a, 64 bits (Fowler, Noll and Vo): the same on every machine, for it lies in the file. Who makes two words meet makes a
    /// search slower, and nothing else.
    fn hash(self) -> u64 {
        let mut hash = FnvHasher::default();
        let (tag, bytes) = match &self {
            Key::Event(word) => (b'e', word.as_bytes()),
            Key::Noun(word) => (b'n', word.as_bytes()),
            Key::Outcome(word) => (b'o', word.as_bytes()),
            Key::Actor(word) => (b'a', word.as_bytes()),
            Key::User(id) => (b'u', &id.to_be_bytes()[..]),
            Key::Subject(word) => (b's', word.as_bytes()),
        };
        Hasher::write_u8(&mut hash, tag);
        Hasher::write(&mut hash, bytes);
        hash.finish()
    }
}

/// The hashes of what a row can be found by.
fn hashes(row: &Words<'_>) -> impl Iterator<Item = u64> {
    let noun = row.event.split('.').next().unwrap_or_default();
    // Whoever is looked for by a name is a user.
    let subject = row.user.and(row.subject).map(fold);
    [
        Some(Key::Event(row.event)),
        Some(Key::Noun(noun)),
        Some(Key::Outcome(row.outcome)),
        row.actor.map(Key::Actor),
        row.user.map(Key::User),
        subject.as_deref().map(Key::Subject),
    ]
    .map(|key| key.map(Key::hash))
    .into_iter()
    .flatten()
}

/// What a block holds, as far as a summary tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    earliest: i64,
    latest: i64,
    /// A power of two of bytes.
    words: Vec<u8>,
}

impl Summary {
    fn of(moments: (i64, i64), hashes: &[u64]) -> Summary {
        let bytes = (hashes.len() * BITS / 8).next_power_of_two();
        let mut words = vec![0u8; bytes];
        for hash in hashes {
            for (byte, bit) in places(*hash, bytes) {
                words[byte] |= bit;
            }
        }
        Summary {
            earliest: moments.0,
            latest: moments.1,
            words,
        }
    }

    fn has(&self, hash: u64) -> bool {
        places(hash, self.words.len()).all(|(byte, bit)| self.words[byte] & bit != 0)
    }

    /// Whether a word may stand in a row of the block.
    pub(super) fn may_have(&self, key: Key<'_>) -> bool {
        self.has(key.hash())
    }

    /// Whether a row that the filter takes may be in the block.
    pub(super) fn may_have_any(&self, filter: &Filter) -> bool {
        let event =
            |word: &String| self.may_have(Key::Event(word)) || self.may_have(Key::Noun(word));
        let by = |actors: &std::collections::BTreeSet<String>| {
            actors.iter().any(|actor| self.may_have(Key::Actor(actor)))
        };
        filter.since.is_none_or(|since| self.latest >= since.0)
            && filter.until.is_none_or(|until| self.earliest <= until.0)
            && (filter.events.is_empty() || filter.events.iter().any(event))
            && filter
                .outcome
                .as_ref()
                .is_none_or(|word| self.may_have(Key::Outcome(word)))
            && filter.actors.as_ref().is_none_or(by)
            && filter.user.is_none_or(|id| self.may_have(Key::User(id)))
    }

    /// Whether it tells of a row, by all that the row can be found by.
    fn tells_of(&self, row: &Words<'_>) -> bool {
        (self.earliest..=self.latest).contains(&row.at) && hashes(row).all(|hash| self.has(hash))
    }
}

/// Where a word's bits lie (Kirsch and Mitzenmacher, "Less hashing, same performance", 2006: two hashes give them all).
fn places(hash: u64, bytes: usize) -> impl Iterator<Item = (usize, u8)> {
    let (first, step) = (hash, (hash >> 32) | 1);
    let bits = bytes as u64 * 8;
    (0..PROBES).map(move |probe| {
        let bit = first.wrapping_add(probe.wrapping_mul(step)) & (bits - 1);
        let byte = usize::try_from(bit / 8).unwrap_or_default();
        (byte, 1 << (bit % 8))
    })
}

/// The numbers of the first and the last row of the block that a row stands in. At both ends of all numbers, where no log
/// comes to, a block is shorter.
pub(crate) fn around(seq: i64) -> (i64, i64) {
    let before = seq.saturating_sub(1).div_euclid(ROWS);
    let first = before.saturating_mul(ROWS).saturating_add(1);
    (first.min(seq), first.saturating_add(ROWS - 1).max(seq))
}

/// The summary of the block that ends with a row. One that is none is as good as absent.
pub(super) fn of(store: &Store, last: i64) -> Result<Option<Summary>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT earliest, latest, words FROM audit_block WHERE last = ?1")?;
    let found = query
        .query_row([last], |row| {
            Ok(Summary {
                earliest: row.get(0)?,
                latest: row.get(1)?,
                words: row.get(2)?,
            })
        })
        .optional()?;
    Ok(found.filter(|summary| summary.words.len().is_power_of_two()))
}

/// Writes the summary of a block whose last row has just been written.
pub(super) fn close(tx: &Tx<'_>, last: i64) -> Result<()> {
    let mut query = tx.db().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM audit WHERE seq > ?1 AND seq <= ?2"
    ))?;
    let mut rows = query.query([last - ROWS, last])?;
    let (mut found, mut moments) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        // A row that is none of the log is not looked for: but somebody shall see it, and the block has no summary.
        let Some(words) = Words::read(row)? else {
            return Ok(());
        };
        let (earliest, latest) = moments.unwrap_or((words.at, words.at));
        moments = Some((words.at.min(earliest), words.at.max(latest)));
        found.extend(hashes(&words));
    }
    found.sort_unstable();
    found.dedup();
    let Some(moments) = moments else {
        return Ok(());
    };
    let Summary {
        earliest,
        latest,
        words,
    } = Summary::of(moments, &found);
    tx.db()
        .prepare_cached(
            "INSERT OR REPLACE INTO audit_block (last, earliest, latest, words)
             VALUES (:last, :earliest, :latest, :words)",
        )?
        .execute(named_params! {
            ":last": last, ":earliest": earliest, ":latest": latest, ":words": words,
        })?;
    Ok(())
}

/// Removes the summaries of blocks whose rows are gone.
pub(super) fn drop_empty(tx: &Tx<'_>) -> Result<()> {
    tx.db().execute(
        "DELETE FROM audit_block
         WHERE NOT EXISTS (SELECT 1 FROM audit WHERE seq > audit_block.last - ?1 AND seq <= audit_block.last)",
        [ROWS],
    )?;
    Ok(())
}

/// The summaries, beside a log that is followed from its beginning.
#[derive(Default)]
pub(super) struct Summaries {
    last: i64,
    summary: Option<Summary>,
}

impl Summaries {
    /// Whether the summary of a row's block would keep a search from finding the row.
    pub(super) fn hide(&mut self, store: &Store, row: &Words<'_>) -> Result<bool> {
        if row.seq > self.last {
            self.last = around(row.seq).1;
            self.summary = of(store, self.last)?;
        }
        let summary = self.summary.as_ref();
        Ok(summary.is_some_and(|summary| !summary.tells_of(row)))
    }
}

#[cfg(test)]
mod tests;
