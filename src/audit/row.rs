//! A row of the log: as it lies in the table, and as it is shown.
//!
//! What is chained are the bytes that lie there ([`Words`]); what something else put there is shown as well as it can be,
//! and is no row of the chain.

use data_encoding::HEXLOWER;
use rusqlite::Row;
use rusqlite::types::{FromSqlResult, ValueRef};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::clock::Time;

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// When.
    pub at: Time,
    /// Login of the acting user.
    pub actor: Option<String>,
    /// Account of the machine.
    pub os_user: Option<String>,
    /// What happened.
    pub event: String,
    /// What it is about.
    pub subject: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// Why it was decided so.
    pub reason: Option<String>,
    /// `--reason` of the command.
    pub note: Option<String>,
    /// Old and new values.
    pub detail: Option<Value>,
    /// The user it is about; in the digest, but not a column of the contract.
    #[serde(skip)]
    pub user: Option<i64>,
    /// The event before this one about the same user; in the digest, but not a column of the contract.
    #[serde(skip)]
    pub earlier: Option<i64>,
}

pub(super) const COLUMNS: &str =
    "seq, at, actor, os_user, event, subject, user, earlier, outcome, reason, note, detail";

/// The words of a row where they lie: following a million rows copies none of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'r> {
    pub(super) seq: i64,
    pub(super) at: i64,
    pub(super) actor: Option<&'r str>,
    os_user: Option<&'r str>,
    pub(super) event: &'r str,
    pub(super) subject: Option<&'r str>,
    pub(super) user: Option<i64>,
    pub(super) earlier: Option<i64>,
    pub(super) outcome: &'r str,
    reason: Option<&'r str>,
    note: Option<&'r str>,
    pub(super) detail: Option<&'r str>,
}

impl<'r> Words<'r> {
    /// The words of a row of [`COLUMNS`]; none, where a column holds what this program does not write there.
    pub(super) fn read(row: &'r Row<'_>) -> rusqlite::Result<Option<Words<'r>>> {
        let value = |column| row.get_ref(column);
        let (at, user, earlier) = (value(1)?, value(6)?, value(7)?);
        let (actor, os_user, event, subject) = (value(2)?, value(3)?, value(4)?, value(5)?);
        let (outcome, reason, note, detail) = (value(8)?, value(9)?, value(10)?, value(11)?);
        let seq = row.get(0)?;
        let words = || -> FromSqlResult<Words<'r>> {
            Ok(Words {
                seq,
                at: at.as_i64()?,
                actor: actor.as_str_or_null()?,
                os_user: os_user.as_str_or_null()?,
                event: event.as_str()?,
                subject: subject.as_str_or_null()?,
                user: user.as_i64_or_null()?,
                earlier: earlier.as_i64_or_null()?,
                outcome: outcome.as_str()?,
                reason: reason.as_str_or_null()?,
                note: note.as_str_or_null()?,
                detail: detail.as_str_or_null()?,
            })
        };
        Ok(words().ok())
    }

    /// SHA-256 over the columns in table order; each is its length as eight bytes, big-endian, and its bytes, and an
    /// absent one is the length 2^64 − 1 alone.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |part: Option<&[u8]>| match part {
            Some(bytes) => {
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
            None => hash.update(u64::MAX.to_be_bytes()),
        };
        let text = |part: Option<&'r str>| part.map(str::as_bytes);
        add(Some(&self.seq.to_be_bytes()));
        add(Some(&self.at.to_be_bytes()));
        add(text(self.actor));
        add(text(self.os_user));
        add(text(Some(self.event)));
        add(text(self.subject));
        for number in [self.user, self.earlier] {
            add(number
                .map(i64::to_be_bytes)
                .as_ref()
                .map(<[u8; 8]>::as_slice));
        }
        add(text(Some(self.outcome)));
        add(text(self.reason));
        add(text(self.note));
        add(text(self.detail));
        hash.finalize().into()
    }
}

/// The row as it lies in the table; `detail` is still the text whose bytes are in the digest.
pub(super) struct Raw {
    pub(super) record: Record,
    pub(super) detail: Option<String>,
    /// Whether every column holds what this program writes there.
    pub(super) sound: bool,
}

impl Raw {
    /// A row of [`COLUMNS`].
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
        let sound = Words::read(row)?.is_some();
        let word = |column| row.get_ref(column).map(text);
        let number = |column| {
            row.get_ref(column)
                .map(|value| value.as_i64_or_null().ok().flatten())
        };
        Ok(Raw {
            record: Record {
                seq: row.get(0)?,
                // No year of any calendar, so that it shows as the number it is not.
                at: Time(number(1)?.unwrap_or(i64::MIN)),
                actor: word(2)?,
                os_user: word(3)?,
                event: word(4)?.unwrap_or_default(),
                subject: word(5)?,
                user: number(6)?,
                earlier: number(7)?,
                outcome: word(8)?.unwrap_or_default(),
                reason: word(9)?,
                note: word(10)?,
                detail: None,
            },
            detail: word(11)?,
            sound,
        })
    }

    fn words(&self) -> Words<'_> {
        let record = &self.record;
        Words {
            seq: record.seq,
            at: record.at.0,
            actor: record.actor.as_deref(),
            os_user: record.os_user.as_deref(),
            event: &record.event,
            subject: record.subject.as_deref(),
            user: record.user,
            earlier: record.earlier,
            outcome: &record.outcome,
            reason: record.reason.as_deref(),
            note: record.note.as_deref(),
            detail: self.detail.as_deref(),
        }
    }

    /// [`Words::digest`].
    pub(super) fn digest(&self) -> [u8; 32] {
        self.words().digest()
    }

    pub(super) fn into_record(self) -> Record {
        let detail = self
            .detail
            .map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        Record {
            detail,
            ..self.record
        }
    }
}

/// A column of text. Bytes that are none, and values of other types, are shown as SQL would write them.
fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Some(format!("x'{}'", HEXLOWER.encode(bytes))),
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
    }
}
