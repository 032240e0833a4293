//! Following the chain, and naming what was done to it.
//!
//! Rows and the tombstones of archived ones are read side by side in the order of their numbers; each must be the one
//! that the mac before it leads to. An anchor that was kept elsewhere shows what the file alone cannot: that all of it is
//! an older one.

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use rusqlite::Rows;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::block::Summaries;
use super::tombstone::{self, Tombstone};
use super::{Anchor, COLUMNS, Event, GENESIS, Head, Raw, Words, head_proof, link, read_head};
use crate::error::{Error, Kind, Result};
use crate::store::Store;
use crate::vault::{Vault, same};

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whether the whole chain holds.
    pub intact: bool,
    /// Rows looked at.
    pub rows: i64,
    /// Tombstones of archived rows looked at.
    pub archived: i64,
    /// The newest row there should be.
    pub head: i64,
    /// The first row that does not fit.
    pub first_bad: Option<i64>,
    /// What kind of damage it is.
    pub damage: Option<Damage>,
}

/// What was done to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// A column of a row was changed.
    Edited,
    /// A row stands in another's place.
    Reordered,
    /// A row came that nobody chained.
    Inserted,
    /// A row is missing, and others follow.
    Deleted,
    /// The oldest rows are missing.
    CutHead,
    /// The newest rows are missing.
    CutTail,
    /// The head row, which proves where the log ends, does not.
    Head,
    /// The way from a user to their events was changed.
    Unlinked,
    /// The summary of a row's block would keep a search from finding it.
    Hidden,
    /// The log does not reach the anchor, or went another way: the file is an older one.
    RolledBack,
}

impl Damage {
    /// The kind, in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Damage::Edited => "edited",
            Damage::Reordered => "reordered",
            Damage::Inserted => "inserted",
            Damage::Deleted => "deleted",
            Damage::CutHead => "cut off the beginning",
            Damage::CutTail => "cut off the end",
            Damage::Head => "the head does not prove it",
            Damage::Unlinked => "the way from its user leads elsewhere",
            Damage::Hidden => "the summary of its block hides it",
            Damage::RolledBack => "the file was rolled back behind the anchor",
        }
    }
}

/// Damage, and the first row that shows it.
type Bad = (i64, Damage);

/// Follows the chain from the first row to the head. With an anchor, the log must hold the row it is of.
///
/// # Errors
/// [`Kind::Conflict`] for the anchor of another store; [`Kind::KeyMissing`], [`Kind::KeyWrong`], [`Kind::Storage`].
/// Damage is not an error but an answer.
pub fn verify(store: &Store, anchor: Option<&Anchor>) -> Result<Verified> {
    if anchor.is_some_and(|anchor| anchor.store_id != store.id()) {
        return Err(Error::new(Kind::Conflict, "the anchor is of another store")
            .hint("`twofa audit anchor` makes one of this store"));
    }
    let rows = read_head(store)?.map(|head| head.seq.unsigned_abs());
    store.watched("Verifying the audit log", rows, |at| {
        follow(store, anchor, &mut || Ok(()), at)
    })
}

/// As [`verify`]; `meanwhile` runs between the head and the rows, where another command may come in.
fn follow(
    store: &Store,
    anchor: Option<&Anchor>,
    meanwhile: &mut dyn FnMut() -> Result<()>,
    at: &mut dyn FnMut(u64),
) -> Result<Verified> {
    // One moment: a row that another command adds while this one reads is not beyond the head.
    let _moment = store.db().moment()?;
    let mut answer = Verified {
        intact: false,
        rows: 0,
        archived: 0,
        head: 0,
        first_bad: None,
        damage: None,
    };
    let mut stones = tombstone::all(store)?;
    let mut chain = Chain {
        store,
        vault: store.vault()?,
        anchor,
        before: GENESIS.to_vec(),
        key: 0,
        expected: 1,
        newest: Newest::default(),
        archives: Archives::default(),
        summaries: Summaries::default(),
        stone: None,
        stones: stones.query([])?,
        archived: 0,
    };
    let mut query = store.db().prepare(&format!(
        "SELECT {COLUMNS}, digest, mac, \"key\" FROM audit ORDER BY seq"
    ))?;
    let head = read_head(store)?;
    answer.head = head.as_ref().map_or(0, |head| head.seq);
    // A head can be made to say anything; no row has a number beyond the last one.
    let most: Option<i64> = store
        .db()
        .query_row("SELECT max(seq) FROM audit", [], |row| row.get(0))?;
    let most = most.unwrap_or(0).min(answer.head);
    let mut rows = query.query([])?;
    chain.next_stone()?;
    meanwhile()?;
    let mut bad = None;
    while bad.is_none()
        && let Some(row) = rows.next()?
    {
        at(answer.rows.unsigned_abs());
        answer.rows += 1;
        bad = chain.row(row, answer.head, most)?;
    }
    let bad = match bad {
        None => chain.end(head.as_ref())?,
        bad => bad,
    };
    answer.archived = chain.archived;
    answer.intact = bad.is_none();
    (answer.first_bad, answer.damage) = bad.unzip();
    Ok(answer)
}

/// The chain, as far as it was followed.
struct Chain<'a> {
    store: &'a Store,
    vault: &'a Vault,
    anchor: Option<&'a Anchor>,
    /// The mac of the last link, and its key.
    before: Vec<u8>,
    key: i64,
    /// The number the next link must have.
    expected: i64,
    newest: Newest,
    archives: Archives,
    summaries: Summaries,
    /// The tombstone at hand, and those behind it.
    stone: Option<Tombstone>,
    stones: Rows<'a>,
    archived: i64,
}

impl Chain<'_> {
    fn next_stone(&mut self) -> Result<()> {
        self.stone = self.stones.next()?.map(Tombstone::read).transpose()?;
        Ok(())
    }

    /// Judges a row, and the tombstones before it.
    fn row(&mut self, row: &rusqlite::Row<'_>, head: i64, most: i64) -> Result<Option<Bad>> {
        let seq = row.get(0)?;
        if let Some(bad) = self.tombstones(Some(seq))? {
            return Ok(Some(bad));
        }
        if seq != self.expected {
            return Ok(Some(self.gap(seq)));
        }
        // A column that holds another type than it should was written by something else.
        let links = (
            row.get_ref(12)?.as_blob(),
            row.get_ref(13)?.as_blob(),
            row.get_ref(14)?.as_i64(),
        );
        let link = match (Words::read(row)?, links) {
            (Some(words), (Ok(digest), Ok(mac), Ok(key))) => {
                if !same(&words.digest(), digest) {
                    let damage = changed(Raw::read(row)?, digest, head, most);
                    return Ok(Some((seq, damage)));
                }
                self.leads_to(key, seq, digest, mac)
                    .then_some((words, mac, key))
            }
            _ => None,
        };
        let Some((words, mac, key)) = link else {
            let damage = if head < seq {
                Damage::Inserted
            } else {
                Damage::Edited
            };
            return Ok(Some((seq, damage)));
        };
        if !self.newest.follows(&words) {
            return Ok(Some((seq, Damage::Unlinked)));
        }
        if self.summaries.hide(self.store, &words)? {
            return Ok(Some((seq, Damage::Hidden)));
        }
        self.archives.told(&words);
        Ok(self.took(seq, key, mac))
    }

    /// Takes the tombstones before a row, or all that are left.
    fn tombstones(&mut self, before: Option<i64>) -> Result<Option<Bad>> {
        while let Some(stone) = &self.stone {
            let (seq, is_proven) = (stone.seq, stone.proves_itself(self.store.id(), self.vault));
            if before.is_some_and(|before| seq > before) {
                return Ok(None);
            }
            if before == Some(seq) {
                // A row that was archived is there all the same.
                return Ok(Some((seq, Damage::Inserted)));
            }
            if seq != self.expected {
                return Ok(Some(self.gap(seq)));
            }
            if !is_proven {
                return Ok(Some((seq, Damage::Deleted)));
            }
            if !self.leads_to(stone.key, seq, &stone.digest, &stone.mac) {
                return Ok(Some((seq, Damage::Edited)));
            }
            let (mac, key) = (stone.mac.clone(), stone.key);
            self.newest.passes(stone.user, seq);
            self.archives.buried(stone);
            self.archived += 1;
            if let Some(bad) = self.took(seq, key, &mac) {
                return Ok(Some(bad));
            }
            self.next_stone()?;
        }
        Ok(None)
    }

    /// Whether the mac of a link is the one that the links before it lead to. Keys are only ever replaced by newer ones.
    fn leads_to(&self, key: i64, seq: i64, digest: &[u8], mac: &[u8]) -> bool {
        key >= self.key
            && link(self.vault, key, seq, &self.before, digest).is_ok_and(|want| same(&want, mac))
    }

    /// Goes on behind a link that fits.
    fn took(&mut self, seq: i64, key: i64, mac: &[u8]) -> Option<Bad> {
        self.key = key;
        self.before.clear();
        self.before.extend_from_slice(mac);
        self.expected = seq + 1;
        let anchored = self.anchor.filter(|anchor| anchor.seq == seq);
        anchored
            .is_some_and(|anchor| !anchor.is_of(mac))
            .then_some((seq, Damage::RolledBack))
    }

    /// What it means that a link has another number than it should.
    fn gap(&self, seq: i64) -> Bad {
        if seq < self.expected {
            (seq, Damage::Inserted)
        } else if self.expected == 1 {
            (1, Damage::CutHead)
        } else {
            (self.expected, Damage::Deleted)
        }
    }

    /// Judges the end: what the head proves, where the anchor is, and where the users' rows lead.
    fn end(&mut self, head: Option<&Head>) -> Result<Option<Bad>> {
        if let Some(bad) = self.tombstones(None)? {
            return Ok(Some(bad));
        }
        if let Some(bad) = self.against_head(head) {
            return Ok(Some(bad));
        }
        if self
            .anchor
            .is_some_and(|anchor| anchor.seq >= self.expected)
        {
            return Ok(Some((self.expected, Damage::RolledBack)));
        }
        if let Some(seq) = self.archives.not_told() {
            return Ok(Some((seq, Damage::Deleted)));
        }
        let lost = self.newest.not_known_to(self.store)?;
        Ok(lost.map(|seq| (seq, Damage::Unlinked)))
    }

    /// What is wrong between the head and the links.
    fn against_head(&self, head: Option<&Head>) -> Option<Bad> {
        let next = self.expected;
        let Some(head) = head else {
            return Some((next, Damage::Head));
        };
        let proof = head_proof(self.vault, head.key, self.store.id(), head.seq, &head.mac);
        // A key that was replaced may be known to somebody else.
        let is_current = self.vault.audit_key().is_ok_and(|key| key == head.key);
        if !is_current || !proof.is_ok_and(|want| same(&want, &head.proof)) {
            Some((head.seq, Damage::Head))
        } else if head.seq >= next {
            Some((next, Damage::CutTail))
        } else if head.seq + 1 < next {
            Some((head.seq + 1, Damage::Inserted))
        } else if !same(&head.mac, &self.before) {
            Some((head.seq, Damage::Edited))
        } else {
            None
        }
    }
}

/// Up to which number it is looked for whose words a row has: what is found then has been found, and only its name is
/// another one.
const FAR: i64 = 10_000_000;

/// What became of a row whose digest is of other words: those of another number are another row's.
fn changed(mut row: Raw, digest: &[u8], head: i64, most: i64) -> Damage {
    if head < row.record.seq {
        return Damage::Inserted;
    }
    let is_of = |seq: i64| {
        row.record.seq = seq;
        same(&row.digest(), digest)
    };
    if (1..=most.min(FAR)).any(is_of) {
        Damage::Reordered
    } else {
        Damage::Edited
    }
}

/// The archives that tombstones name. Each must be told of by a row of the chain, with as many rows and the same macs:
/// what is buried otherwise was not buried by this program, or in another course of events.
#[derive(Default)]
struct Archives(HashMap<String, Buried>);

#[derive(Default)]
struct Buried {
    first: i64,
    rows: i64,
    macs: Sha256,
    /// What the chain tells of it.
    told: Option<(i64, String)>,
}

impl Archives {
    fn buried(&mut self, stone: &Tombstone) {
        let buried = self.0.entry(stone.archive.clone()).or_default();
        if buried.rows == 0 {
            buried.first = stone.seq;
        }
        buried.rows += 1;
        buried.macs.update(&stone.mac);
    }

    /// A row of the chain that tells of an archive.
    fn told(&mut self, row: &Words<'_>) {
        if row.event != Event::AUDIT_ARCHIVED.code() {
            return;
        }
        let detail = row.detail.unwrap_or_default();
        let detail: Value = serde_json::from_str(detail).unwrap_or_default();
        if let (Some(archive), Some(rows), Some(macs)) = (
            row.subject,
            detail["rows"].as_i64(),
            detail["macs"].as_str(),
        ) {
            self.0.entry(archive.to_owned()).or_default().told = Some((rows, macs.to_owned()));
        }
    }

    /// The first tombstone of an archive that the chain does not tell of, or otherwise.
    fn not_told(&self) -> Option<i64> {
        let wrong = self.0.values().filter(|buried| {
            let macs = HEXLOWER.encode(&buried.macs.clone().finalize());
            buried.rows > 0 && buried.told != Some((buried.rows, macs))
        });
        wrong.map(|buried| buried.first).min()
    }
}

/// What is known of the newest event about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It is this one.
    Event(i64),
    /// It is this one, and was archived: whether it removed the user, its tombstone does not say.
    Archived(i64),
    /// The user was removed, and what still came about them leads nowhere.
    Gone,
}

/// The newest event about each user, as far as the chain was followed.
#[derive(Default)]
struct Newest(HashMap<i64, Known>);

impl Newest {
    /// Whether a row leads to the one before it about the same user.
    fn follows(&mut self, row: &Words<'_>) -> bool {
        let Some(user) = row.user else {
            return row.earlier.is_none();
        };
        let known = self.0.get(&user).copied();
        let removed = row.event == Event::USER_REMOVED.code();
        let now = match known {
            _ if removed => Known::Gone,
            Some(Known::Gone) => Known::Gone,
            // Whoever has no way back behind an archived event was removed by it.
            Some(Known::Archived(_)) if row.earlier.is_none() => Known::Gone,
            _ => Known::Event(row.seq),
        };
        self.0.insert(user, now);
        let leads = match known {
            Some(Known::Event(seq)) => row.earlier == Some(seq),
            Some(Known::Archived(seq)) => row.earlier.is_none_or(|earlier| earlier == seq),
            Some(Known::Gone) | None => row.earlier.is_none(),
        };
        leads || removed && row.earlier.is_none()
    }

    /// An archived event about a user.
    fn passes(&mut self, user: Option<i64>, seq: i64) {
        if let Some(user) = user {
            self.0.insert(user, Known::Archived(seq));
        }
    }

    /// The newest event of a user whose row does not lead to it, or leads to one although there is none.
    fn not_known_to(&self, store: &Store) -> Result<Option<i64>> {
        let mut query = store.db().prepare("SELECT id, newest_event FROM user")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let newest = match self.0.get(&row.get(0)?) {
                Some(Known::Event(seq) | Known::Archived(seq)) => Some(*seq),
                Some(Known::Gone) | None => None,
            };
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
