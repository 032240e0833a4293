//! Reading the log: newest first, by filters, and what it knows of people who were renamed or removed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rusqlite::{OptionalExtension as _, params};

use super::{COLUMNS, Event, Raw, Record, newest_about, text, tombstone};
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::name::{fold, visible};
use crate::store::Store;

/// What [`list`] leaves out.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Not before.
    pub since: Option<Time>,
    /// Not after.
    pub until: Option<Time>,
    /// About this user, under any name.
    pub user: Option<i64>,
    /// By an acting user with one of these logins.
    pub actors: Option<BTreeSet<String>>,
    /// These events; a word before the dot stands for all of its events.
    pub events: Vec<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// At most so many.
    pub limit: Option<i64>,
}

impl Filter {
    fn takes(&self, record: &Record) -> bool {
        let event = record.event.as_str();
        let named = |want: &String| event == want || event.split('.').next() == Some(want);
        let by = |actors: &BTreeSet<String>| {
            record
                .actor
                .as_ref()
                .is_some_and(|actor| actors.contains(actor))
        };
        self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at <= until)
            && self
                .outcome
                .as_ref()
                .is_none_or(|outcome| record.outcome == *outcome)
            && (self.events.is_empty() || self.events.iter().any(named))
            && self.actors.as_ref().is_none_or(by)
    }
}

/// Hands the rows to `each`, newest first.
///
/// # Errors
/// [`Kind::Storage`], and what `each` returns.
pub fn list(
    store: &Store,
    filter: &Filter,
    each: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    let mut left = filter.limit.unwrap_or(i64::MAX);
    if left <= 0 {
        return Ok(());
    }
    newest_first(store, filter.user, &mut |raw| {
        if filter.takes(&raw.record) {
            each(raw.into_record())?;
            left -= 1;
        }
        Ok(if left > 0 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    })
}

/// Hands the rows to `each`, oldest first.
///
/// # Errors
/// [`Kind::Storage`], and what `each` returns.
pub fn history(
    store: &Store,
    filter: &Filter,
    each: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    let mut query = store.db().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM audit WHERE ?1 IS NULL OR user = ?1 ORDER BY seq"
    ))?;
    let mut rows = query.query([filter.user])?;
    let mut left = filter.limit.unwrap_or(i64::MAX);
    while left > 0
        && let Some(row) = rows.next()?
    {
        let raw = Raw::read(row)?;
        if filter.takes(&raw.record) {
            each(raw.into_record())?;
            left -= 1;
        }
    }
    Ok(())
}

/// Walks the log from its newest row, or what it has about one user, until `each` breaks off.
fn newest_first(
    store: &Store,
    user: Option<i64>,
    each: &mut dyn FnMut(Raw) -> Result<ControlFlow<()>>,
) -> Result<()> {
    // The walk is many statements; an archive that is made meanwhile takes nothing away from it.
    let _moment = store.db().moment()?;
    let mut unread = i64::MAX;
    if let Some(user) = user
        && let Some(newest) = newest_about(store, user)?
    {
        let mut query = store.db().prepare_cached(&format!(
            "SELECT {COLUMNS} FROM audit WHERE seq = ?1 AND user = ?2"
        ))?;
        let mut next = Some(newest);
        while let Some(seq) = next.filter(|seq| *seq <= unread) {
            let Some(raw) = query.query_row([seq, user], Raw::read).optional()? else {
                break;
            };
            (unread, next) = (seq - 1, raw.record.earlier);
            if each(raw)?.is_break() {
                return Ok(());
            }
        }
        if next.is_none() {
            return Ok(());
        }
    }
    // Where nothing leads to the rest, it is looked for row by row: of a user who is gone, and past a row that is.
    let mut query = store.db().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM audit WHERE seq <= ?1 AND (?2 IS NULL OR user = ?2) ORDER BY seq DESC"
    ))?;
    let mut rows = query.query(params![unread, user])?;
    while let Some(row) = rows.next()? {
        if each(Raw::read(row)?)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The user the log last knew by this login, in any case: one who was renamed or removed is found here.
///
/// # Errors
/// [`Kind::Storage`].
pub fn once_named(store: &Store, login: &str) -> Result<Option<i64>> {
    let wanted = fold(login);
    let mut query = store.db().prepare(
        "SELECT user, subject FROM audit WHERE user IS NOT NULL AND subject IS NOT NULL
         GROUP BY user, subject ORDER BY max(seq) DESC",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let subject = text(row.get_ref(1)?, &mut true).unwrap_or_default();
        if fold(&subject) == wanted {
            return Ok(Some(row.get(0)?));
        }
    }
    Ok(None)
}

/// Every login a user had, as far as the log tells; the actor of a row is the login of that day.
///
/// # Errors
/// [`Kind::Storage`].
pub fn logins(store: &Store, user: i64) -> Result<BTreeSet<String>> {
    let mut logins = BTreeSet::new();
    newest_first(store, Some(user), &mut |raw| {
        let Record { event, subject, .. } = raw.record;
        if event.starts_with("user.") || event == Event::STORE_CREATED.code() {
            logins.extend(subject);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(logins)
}

/// One row of the log.
///
/// # Errors
/// [`Kind::NotFound`].
pub fn show(store: &Store, seq: i64) -> Result<Record> {
    store
        .db()
        .query_row(
            &format!("SELECT {COLUMNS} FROM audit WHERE seq = ?1"),
            [seq],
            Raw::read,
        )
        .optional()?
        .map(Raw::into_record)
        .ok_or(())
        .or_else(|()| {
            let message = match tombstone::of(store, seq)? {
                Some(stone) => format!(
                    "row {seq} of the audit log went into the archive `{}`",
                    visible(&stone.archive)
                ),
                None => format!("the audit log has no row {seq}"),
            };
            Err(Error::new(Kind::NotFound, message).hint("`twofa audit list` shows the newest"))
        })
}
