//! The file that archived rows go into, and whether it is whole.
//!
//! One JSON document a line: a head that says what it is, the rows in the order of their numbers, each with its digest, its
//! mac and the mac before it, and a foot that counts them and proves everything above it with the audit key. So it
//! verifies without the rows and the tombstones of a store; the store lends its key.

use std::io::{BufRead, Read as _};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::tombstone;
use super::{Damage, Raw, Record, link};
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::store::Store;
use crate::vault::{Vault, same};

/// The layout of the file.
const LAYOUT: u32 = 1;
/// The longest line that is read, in bytes: a row holds what one command said, with room to spare.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) twofa_audit_archive: u32,
    pub(super) archive: String,
    pub(super) store_id: String,
    pub(super) from: i64,
    pub(super) till: i64,
    pub(super) events: Vec<String>,
    pub(super) made_at: i64,
}

impl Head {
    pub(super) fn new(
        archive: &str,
        store: &Store,
        from: Time,
        till: Time,
        events: &[String],
    ) -> Head {
        Head {
            twofa_audit_archive: LAYOUT,
            archive: archive.to_owned(),
            store_id: store.id().to_owned(),
            from: from.0,
            till: till.0,
            events: events.to_vec(),
            made_at: store.now().0,
        }
    }
}

/// A row, as it stood in the log. `at` is in seconds since 1970, `detail` the very text that the digest is over.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    seq: i64,
    at: i64,
    actor: Option<String>,
    os_user: Option<String>,
    event: String,
    subject: Option<String>,
    user: Option<i64>,
    earlier: Option<i64>,
    outcome: String,
    reason: Option<String>,
    note: Option<String>,
    detail: Option<Box<RawValue>>,
    key: i64,
    before: String,
    digest: String,
    mac: String,
}

/// The chain around a row.
pub(super) struct Bonds<'a> {
    pub(super) key: i64,
    pub(super) before: &'a [u8],
    pub(super) digest: &'a [u8],
    pub(super) mac: &'a [u8],
}

impl Line {
    /// `None`: its detail is no JSON, as no row of this program is.
    pub(super) fn of(raw: Raw, bonds: &Bonds<'_>) -> Option<Line> {
        let detail = raw.detail.map(RawValue::from_string).transpose().ok()?;
        let row = raw.record;
        Some(Line {
            seq: row.seq,
            at: row.at.0,
            actor: row.actor,
            os_user: row.os_user,
            event: row.event,
            subject: row.subject,
            user: row.user,
            earlier: row.earlier,
            outcome: row.outcome,
            reason: row.reason,
            note: row.note,
            detail,
            key: bonds.key,
            before: HEXLOWER.encode(bonds.before),
            digest: HEXLOWER.encode(bonds.digest),
            mac: HEXLOWER.encode(bonds.mac),
        })
    }

    fn into_raw(self) -> Raw {
        Raw {
            record: Record {
                seq: self.seq,
                at: Time(self.at),
                actor: self.actor,
                os_user: self.os_user,
                event: self.event,
                subject: self.subject,
                outcome: self.outcome,
                reason: self.reason,
                note: self.note,
                detail: None,
                user: self.user,
                earlier: self.earlier,
            },
            detail: self.detail.map(|detail| detail.get().to_owned()),
            sound: true,
        }
    }
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct Foot {
    rows: i64,
    key: i64,
    proof: String,
}

/// What proves a file: everything above the foot, with the audit key.
fn proof(vault: &Vault, key: i64, rows: i64, above: &[u8; 32]) -> Result<[u8; 32]> {
    vault.audit_mac(key, &[b"archive", &rows.to_be_bytes(), above])
}

/// Puts lines together, and the foot below them.
pub(super) struct Lines<'a> {
    vault: &'a Vault,
    hash: Sha256,
    rows: i64,
    write: &'a mut dyn FnMut(&[u8]) -> Result<()>,
}

impl<'a> Lines<'a> {
    pub(super) fn begin(
        vault: &'a Vault,
        head: &Head,
        write: &'a mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Lines<'a>> {
        let mut lines = Lines {
            vault,
            hash: Sha256::new(),
            rows: 0,
            write,
        };
        lines.line(head)?;
        Ok(lines)
    }

    fn line(&mut self, of: &impl Serialize) -> Result<()> {
        let failed = |error| Error::new(Kind::Io, "a row cannot be written").because(error);
        let mut text = serde_json::to_vec(of).map_err(failed)?;
        text.push(b'\n');
        self.hash.update(&text);
        (self.write)(&text)
    }

    pub(super) fn row(&mut self, line: &Line) -> Result<()> {
        self.rows += 1;
        self.line(line)
    }

    /// Writes the foot.
    pub(super) fn end(mut self) -> Result<()> {
        let key = self.vault.audit_key()?;
        let above: [u8; 32] = self.hash.clone().finalize().into();
        let proof = proof(self.vault, key, self.rows, &above)?;
        self.line(&Foot {
            rows: self.rows,
            key,
            proof: HEXLOWER.encode(&proof),
        })
    }
}

/// What was found of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifiedArchive {
    /// Its id, which the tombstones of its rows name.
    pub archive: String,
    /// Whether it is whole, and fits the store.
    pub intact: bool,
    /// Rows looked at.
    pub rows: i64,
    /// Rows whose tombstones in this store name it. 0 where the store was set back behind the archiving, or it never came
    /// to it: then the rows are there still.
    pub tombstones: i64,
    /// The first row that does not fit.
    pub first_bad: Option<i64>,
    /// What kind of damage it is.
    pub damage: Option<Damage>,
    /// What it holds.
    #[serde(skip)]
    pub(super) held: Held,
}

/// What an archive holds, to compare it with what another would.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) first: Option<i64>,
    pub(super) last: Option<i64>,
    /// SHA-256 over the macs of its rows, in hex.
    pub(super) macs: String,
    /// SHA-256 of the file, in hex.
    pub(super) sha256: String,
}

/// Reads an archive from its first line to its last, and holds its rows against the tombstones that name it.
///
/// # Errors
/// [`Kind::InvalidValue`] for what is no archive, or one of another store; [`Kind::Io`]. Damage is an answer.
pub fn verify_archive(store: &Store, file: &mut dyn BufRead) -> Result<VerifiedArchive> {
    let vault = store.vault()?;
    let mut hash = Sha256::new();
    let first = next_line(file)?.unwrap_or_default();
    let head: Head = serde_json::from_slice(&first).map_err(|error| {
        Error::new(Kind::InvalidValue, "this is no archive of an audit log").because(error)
    })?;
    if head.twofa_audit_archive != LAYOUT || head.store_id != store.id() {
        let message = format!("this is an archive of another store: `{}`", head.store_id);
        return Err(Error::new(Kind::InvalidValue, message).hint("name the store with --db"));
    }
    hash.update(&first);
    let mut answer = VerifiedArchive {
        archive: head.archive,
        intact: false,
        rows: 0,
        tombstones: 0,
        first_bad: None,
        damage: None,
        held: Held::default(),
    };
    let mut macs = Sha256::new();
    let mut last = 0;
    let bad = loop {
        let Some(text) = next_line(file)? else {
            break Some((last + 1, Damage::CutTail));
        };
        if let Ok(foot) = serde_json::from_slice::<Foot>(&text) {
            let above: [u8; 32] = hash.clone().finalize().into();
            hash.update(&text);
            let is_proven = proof(vault, foot.key, foot.rows, &above)
                .is_ok_and(|want| same(HEXLOWER.encode(&want).as_bytes(), foot.proof.as_bytes()));
            let is_over = next_line(file)?.is_none();
            break (!is_proven || !is_over || foot.rows != answer.rows)
                .then_some((last, Damage::Head));
        }
        hash.update(&text);
        let Ok(line) = serde_json::from_slice::<Line>(&text) else {
            break Some((last + 1, Damage::Edited));
        };
        let seq = line.seq;
        macs.update(HEXLOWER.decode(line.mac.as_bytes()).unwrap_or_default());
        answer.rows += 1;
        match judge(store, vault, line, last, &answer.archive)? {
            Ok(is_buried) => answer.tombstones += i64::from(is_buried),
            Err(damage) => break Some((seq, damage)),
        }
        answer.held.first = answer.held.first.or(Some(seq));
        last = seq;
    };
    answer.held.last = (last > 0).then_some(last);
    answer.held.macs = HEXLOWER.encode(&macs.finalize());
    answer.held.sha256 = HEXLOWER.encode(&hash.finalize());
    // Rows whose tombstones name it and that it does not hold.
    let named = tombstone::count(store, &answer.archive)?;
    let bad = bad.or_else(|| (answer.tombstones < named).then_some((last + 1, Damage::Deleted)));
    answer.intact = bad.is_none();
    (answer.first_bad, answer.damage) = bad.unzip();
    Ok(answer)
}

/// Judges a row of an archive: whether it is the one its digest and mac are of, and what its tombstone says. Whether there
/// is one, or what is wrong.
fn judge(
    store: &Store,
    vault: &Vault,
    line: Line,
    last: i64,
    archive: &str,
) -> Result<std::result::Result<bool, Damage>> {
    let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).unwrap_or_default();
    let (before, digest, mac) = (bytes(&line.before), bytes(&line.digest), bytes(&line.mac));
    let (seq, key) = (line.seq, line.key);
    if seq <= last {
        return Ok(Err(Damage::Reordered));
    }
    let fits = same(&line.into_raw().digest(), &digest)
        && link(vault, key, seq, &before, &digest).is_ok_and(|want| same(&want, &mac));
    if !fits {
        return Ok(Err(Damage::Edited));
    }
    Ok(match tombstone::of(store, seq)? {
        Some(stone) if !same(&stone.mac, &mac) || !same(&stone.digest, &digest) => {
            Err(Damage::Edited)
        }
        Some(stone) => Ok(stone.archive == archive),
        None => Ok(false),
    })
}

/// The next line with its end; `None`: there is none.
fn next_line(file: &mut dyn BufRead) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let failed =
        |error: std::io::Error| Error::new(Kind::Io, "the archive cannot be read").because(error);
    let read = file
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut line)
        .map_err(failed)?;
    if read as u64 == LONGEST_LINE {
        return Err(Error::new(
            Kind::InvalidValue,
            "this is no archive: a line does not end",
        ));
    }
    Ok((read > 0).then_some(line))
}
