//! Archiving: old rows go into a file, and tombstones stay.
//!
//! The rows are copied, the copy is read again and checked, and only then, in one transaction, the file gets its name and
//! the rows become tombstones. Killed anywhere, the log is as it was or as it shall be; what may be left over is a copy,
//! which the next run takes.

use std::cell::RefCell;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use data_encoding::HEXLOWER;
use rusqlite::{Row, params};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::archive_file::{Bonds, Head, Line, Lines, verify_archive};
use super::tombstone::{self, Tombstone};
use super::{COLUMNS, GENESIS, Raw, block, link, mac_of};
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::files::PrivateFile;
use crate::store::{Store, Tx};
use crate::vault::same;

/// Which rows: from and till these moments, both included, and only these events.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Not before.
    pub from: Time,
    /// Not after.
    pub till: Time,
    /// These events; a word before the dot stands for all of its events. Empty: all.
    pub events: Vec<String>,
    /// When it is asked.
    pub now: Time,
}

/// What was archived. Its keys are never left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Archived {
    /// The id that tombstones name; `null`: there was nothing to archive.
    pub archive: Option<String>,
    /// The file.
    pub file: String,
    /// How many rows.
    pub rows: i64,
    /// The number of the first of them.
    pub first: Option<i64>,
    /// The number of the last of them.
    pub last: Option<i64>,
    /// SHA-256 of the file, in hex.
    pub sha256: Option<String>,
}

/// Rows that were copied, to be turned into tombstones.
pub struct Copied<'a> {
    selection: Selection,
    answer: Archived,
    /// SHA-256 over the macs of the rows.
    macs: String,
    /// The copy, until it has its name.
    file: RefCell<Option<PrivateFile<'a>>>,
}

impl Selection {
    /// Hands every row to `each`, with its digest, its mac and its key. The newest row stays: the head is of it; and so do
    /// rows that tell of archives, by which their tombstones are judged, and actions that went unconfirmed within the last
    /// week, of which `status` tells.
    fn rows(&self, store: &Store, each: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut query = store.db().prepare(&format!(
            "SELECT {COLUMNS}, digest, mac, \"key\" FROM audit
             WHERE at BETWEEN ?1 AND ?2 AND seq < (SELECT max(seq) FROM audit)
                 AND NOT (event = 'confirmation.skipped' AND at >= ?3) AND event <> 'audit.archived' ORDER BY seq"
        ))?;
        let week_ago = self.now.plus(-7 * 86_400);
        let mut rows = query.query(params![self.from, self.till, week_ago])?;
        while let Some(row) = rows.next()? {
            let event = row.get_ref(4)?.as_str().unwrap_or_default();
            let named = |want: &String| event == want || event.split('.').next() == Some(want);
            if self.events.is_empty() || self.events.iter().any(named) {
                each(row)?;
            }
        }
        Ok(())
    }

    /// How many rows there are, and the SHA-256 over their macs.
    fn sum(&self, store: &Store) -> Result<(i64, String)> {
        let (mut count, mut macs) = (0, Sha256::new());
        self.rows(store, &mut |row| {
            count += 1;
            macs.update(row.get_ref(13)?.as_blob().unwrap_or_default());
            Ok(())
        })?;
        Ok((count, HEXLOWER.encode(&macs.finalize())))
    }
}

impl<'a> Copied<'a> {
    /// Copies the rows into a file that has no name yet, and checks the copy. `path` is the name it will have.
    ///
    /// # Errors
    /// [`Kind::Guard`] for a row that was tampered with: an archive would make it true; [`Kind::Conflict`] when the file is
    /// there; [`Kind::Io`].
    pub fn copy(store: &Store, selection: Selection, path: &'a Path) -> Result<Copied<'a>> {
        let _moment = store.db().moment()?;
        let (rows, macs) = selection.sum(store)?;
        let mut copied = Copied {
            selection,
            answer: Archived {
                archive: None,
                file: path.display().to_string(),
                rows,
                first: None,
                last: None,
                sha256: None,
            },
            macs,
            file: RefCell::new(None),
        };
        if rows > 0 {
            copied.begin(store, path)?;
        }
        Ok(copied)
    }

    /// Makes the copy, or takes the one that is there: a run that was killed before its rows went may have left it.
    fn begin(&mut self, store: &Store, path: &'a Path) -> Result<()> {
        if !path.exists() {
            let total = u64::try_from(self.answer.rows).ok();
            let file = store.watched("Copying rows", total, |at| self.fill(store, path, at))?;
            self.check(store, file.hidden())?;
            self.file = RefCell::new(Some(file));
            return Ok(());
        }
        let there = File::open(path).ok().and_then(|file| {
            let found = verify_archive(store, &mut BufReader::new(file)).ok()?;
            let is_this = found.intact && found.tombstones == 0 && found.held.macs == self.macs;
            is_this.then_some(found)
        });
        let Some(there) = there else {
            let message = format!("`{}` is there already", path.display());
            return Err(Error::new(Kind::Conflict, message)
                .hint("an archive never takes the place of another file: name another one"));
        };
        self.answer.archive = Some(there.archive);
        (self.answer.first, self.answer.last) = (there.held.first, there.held.last);
        self.answer.sha256 = Some(there.held.sha256);
        Ok(())
    }

    /// Writes the copy.
    fn fill(
        &mut self,
        store: &Store,
        path: &'a Path,
        at: &mut dyn FnMut(u64),
    ) -> Result<PrivateFile<'a>> {
        let failed = |error: std::io::Error| {
            Error::new(Kind::Io, format!("cannot write `{}`", path.display())).because(error)
        };
        let mut id = [0u8; 8];
        store.source().fill(&mut id)?;
        let id = HEXLOWER.encode(&id);
        let mut file = PrivateFile::begin(path).map_err(failed)?;
        let mut hash = Sha256::new();
        let mut write = |bytes: &[u8]| {
            hash.update(bytes);
            file.fill(bytes).map_err(failed)
        };
        let Selection {
            from, till, events, ..
        } = &self.selection;
        let head = Head::new(&id, store, *from, *till, events);
        let mut lines = Lines::begin(store.vault()?, &head, &mut write)?;
        let (mut first, mut last, mut done) = (None, None, 0);
        // The mac of the row that was read last: most rows follow one another.
        let mut before: Option<(i64, Vec<u8>)> = None;
        self.selection.rows(store, &mut |row| {
            let seq: i64 = row.get(0)?;
            let previous = match before.take() {
                Some((number, mac)) if number + 1 == seq => mac,
                _ => mac_before(store, seq)?,
            };
            let mac = row.get_ref(13)?.as_blob().unwrap_or_default().to_vec();
            lines.row(&sound(store, row, &previous)?)?;
            before = Some((seq, mac));
            first = first.or(Some(seq));
            last = Some(seq);
            done += 1;
            at(done);
            Ok(())
        })?;
        lines.end()?;
        self.answer.archive = Some(id);
        (self.answer.first, self.answer.last) = (first, last);
        self.answer.sha256 = Some(HEXLOWER.encode(&hash.finalize()));
        Ok(file)
    }

    /// Reads the copy again.
    fn check(&self, store: &Store, path: &Path) -> Result<()> {
        let failed =
            |why: String| Error::new(Kind::Io, format!("the copy is not what was written: {why}"));
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        let found = verify_archive(store, &mut BufReader::new(file))?;
        if !found.intact || found.rows != self.answer.rows {
            return Err(failed(format!("row {:?}", found.first_bad)));
        }
        Ok(())
    }

    /// What it comes to.
    #[must_use]
    pub fn answer(&self) -> &Archived {
        &self.answer
    }
}

/// The mac that a row is chained to: of the row before it, or of its tombstone.
fn mac_before(store: &Store, seq: i64) -> Result<Vec<u8>> {
    if seq == 1 {
        return Ok(GENESIS.to_vec());
    }
    let before = seq.checked_sub(1).ok_or_else(|| tampered(seq))?;
    mac_of(store, before)?.ok_or_else(|| tampered(seq))
}

fn tampered(seq: i64) -> Error {
    Error::new(
        Kind::Guard,
        format!("row {seq} of the audit log was tampered with"),
    )
    .hint("`twofa audit verify` says how; an archive would make it true")
}

/// A row as a line, if it is one of the chain.
fn sound(store: &Store, row: &Row<'_>, before: &[u8]) -> Result<Line> {
    let raw = Raw::read(row)?;
    let seq = raw.record.seq;
    let (Ok(digest), Ok(mac), Ok(key)) = (
        row.get_ref(12)?.as_blob(),
        row.get_ref(13)?.as_blob(),
        row.get_ref(14)?.as_i64(),
    ) else {
        return Err(tampered(seq));
    };
    let fits = raw.sound
        && same(&raw.digest(), digest)
        && link(store.vault()?, key, seq, before, digest).is_ok_and(|want| same(&want, mac));
    let bonds = Bonds {
        key,
        before,
        digest,
        mac,
    };
    Line::of(raw, &bonds)
        .filter(|_| fits)
        .ok_or_else(|| tampered(seq))
}

impl Copied<'_> {
    /// Refuses to go on where other rows are chosen now than were copied.
    ///
    /// # Errors
    /// [`Kind::Conflict`].
    pub(crate) fn is_current(&self, store: &Store) -> Result<()> {
        if self.selection.sum(store)? == (self.answer.rows, self.macs.clone()) {
            return Ok(());
        }
        let message = "the audit log changed in the meantime, and with it what would be archived";
        Err(Error::new(Kind::Conflict, message)
            .hint("nothing was changed; repeat the command with an earlier --till"))
    }

    /// SHA-256 over the macs of the rows, in hex: no other rows have it.
    pub(crate) fn macs(&self) -> &str {
        &self.macs
    }

    /// What the log keeps of it.
    pub(crate) fn detail(&self) -> Value {
        let (answer, chosen) = (&self.answer, &self.selection);
        json!({
            "file": answer.file, "rows": answer.rows, "first": answer.first, "last": answer.last,
            "from": chosen.from, "till": chosen.till, "events": chosen.events, "sha256": answer.sha256, "macs": self.macs,
        })
    }

    /// Gives the copy its name, and sets tombstones in the place of its rows.
    ///
    /// # Errors
    /// [`Kind::Io`], [`Kind::Storage`].
    pub(crate) fn bury(&self, tx: &Tx<'_>) -> Result<()> {
        let path = &self.answer.file;
        if let Some(file) = self.file.borrow_mut().take() {
            // Before any row goes, its copy is there and durable.
            file.finish().map_err(|error| {
                Error::new(Kind::Io, format!("cannot write `{path}`")).because(error)
            })?;
        }
        let archive = self.answer.archive.as_deref().unwrap_or_default();
        tx.room_for_many()?;
        let mut buried = Vec::new();
        self.selection.rows(tx, &mut |row| {
            buried.push(Tombstone::over(tx, row, archive)?);
            if buried.len() == BATCH {
                bury(tx, &mut buried)?;
            }
            Ok(())
        })?;
        bury(tx, &mut buried)?;
        block::drop_empty(tx)
    }
}

/// How many tombstones are held before they are set.
const BATCH: usize = 1_000;

/// Sets tombstones in the place of rows.
fn bury(tx: &Tx<'_>, stones: &mut Vec<Tombstone>) -> Result<()> {
    let mut gone = tx.db().prepare_cached("DELETE FROM audit WHERE seq = ?1")?;
    for stone in stones.drain(..) {
        tombstone::set(tx, &stone)?;
        gone.execute([stone.seq])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
