//! Reading the log: newest first, by filters, and what it knows of people who were renamed or removed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rusqlite::OptionalExtension as _;

use super::block::{self, Key, Summary};
use super::{COLUMNS, Event, Raw, Record, newest_about, tombstone};
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
        self.user.is_none_or(|user| record.user == Some(user))
            && self.since.is_none_or(|since| record.at >= since)
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
    let mut taker = Taker::of(filter, each);
    if taker.is_full() {
        return Ok(());
    }
    newest_first(store, filter, &mut |raw| taker.take(raw))
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
    let mut taker = Taker::of(filter, each);
    if taker.is_full() {
        return Ok(());
    }
    let _moment = store.db().moment()?;
    let may = |summary: &Summary| summary.may_have_any(filter);
    walk(store, Way::Oldest, i64::MIN, &may, &mut |raw| {
        taker.take(raw)
    })
}

/// Takes what a filter takes, until it is enough.
struct Taker<'f> {
    filter: &'f Filter,
    each: &'f mut dyn FnMut(Record) -> Result<()>,
    left: i64,
}

impl<'f> Taker<'f> {
    fn of(filter: &'f Filter, each: &'f mut dyn FnMut(Record) -> Result<()>) -> Taker<'f> {
        Taker {
            filter,
            each,
            left: filter.limit.unwrap_or(i64::MAX),
        }
    }

    fn is_full(&self) -> bool {
        self.left <= 0
    }

    fn take(&mut self, raw: Raw) -> Result<ControlFlow<()>> {
        if self.filter.takes(&raw.record) {
            (self.each)(raw.into_record())?;
            self.left -= 1;
        }
        Ok(if self.is_full() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }
}

/// Takes a row; whether to go on.
type Each<'f> = dyn FnMut(Raw) -> Result<ControlFlow<()>> + 'f;

/// Walks the log from its newest row, or what it has about one user, until `each` breaks off. Rows that the filter does
/// not take may come too.
fn newest_first(store: &Store, filter: &Filter, each: &mut Each<'_>) -> Result<()> {
    // The walk is many statements; an archive that is made meanwhile takes nothing away from it.
    let _moment = store.db().moment()?;
    let mut unread = i64::MAX;
    if let Some(user) = filter.user
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
    // Where nothing leads to the rest, it is looked for: of a user who is gone, and past a row that is.
    let may = |summary: &Summary| summary.may_have_any(filter);
    walk(store, Way::Newest, unread, &may, each)
}

/// Which row comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Newest,
    Oldest,
}

impl Way {
    /// The first row from a number on, that one included.
    fn next(self) -> &'static str {
        match self {
            Way::Newest => "SELECT max(seq) FROM audit WHERE seq <= ?1",
            Way::Oldest => "SELECT min(seq) FROM audit WHERE seq >= ?1",
        }
    }

    fn rows(self) -> String {
        let way = match self {
            Way::Newest => "DESC",
            Way::Oldest => "ASC",
        };
        format!("SELECT {COLUMNS} FROM audit WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq {way}")
    }
}

/// Walks the log block by block, but for those whose summary says that nothing is in them.
fn walk(
    store: &Store,
    way: Way,
    from: i64,
    may: &dyn Fn(&Summary) -> bool,
    each: &mut Each<'_>,
) -> Result<()> {
    let mut next = store.db().prepare_cached(way.next())?;
    let mut query = store.db().prepare_cached(&way.rows())?;
    let mut at = Some(from);
    while let Some(from) = at
        && let Some(seq) = next.query_row([from], |row| row.get::<_, Option<i64>>(0))?
    {
        let (first, last) = block::around(seq);
        let summary = block::of(store, last)?;
        if summary.is_none_or(|summary| may(&summary)) {
            let (first, last) = match way {
                Way::Newest => (first, seq),
                Way::Oldest => (seq, last),
            };
            let mut rows = query.query([first, last])?;
            while let Some(row) = rows.next()? {
                if each(Raw::read(row)?)?.is_break() {
                    return Ok(());
                }
            }
        }
        at = match way {
            Way::Newest => first.checked_sub(1),
            Way::Oldest => last.checked_add(1),
        };
    }
    Ok(())
}

/// The user the log last knew by this login, in any case: one who was renamed or removed is found here.
///
/// # Errors
/// [`Kind::Storage`].
pub fn once_named(store: &Store, login: &str) -> Result<Option<i64>> {
    let wanted = fold(login);
    let _moment = store.db().moment()?;
    let may = |summary: &Summary| summary.may_have(Key::Subject(&wanted));
    let mut found = None;
    walk(store, Way::Newest, i64::MAX, &may, &mut |raw| {
        let Record { user, subject, .. } = raw.record;
        found = user.filter(|_| subject.is_some_and(|subject| fold(&subject) == wanted));
        Ok(match found {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        })
    })?;
    Ok(found)
}

/// Every login a user had, as far as the log tells; the actor of a row is the login of that day.
///
/// # Errors
/// [`Kind::Storage`].
pub fn logins(store: &Store, user: i64) -> Result<BTreeSet<String>> {
    let mut logins = BTreeSet::new();
    let filter = Filter {
        user: Some(user),
        ..Filter::default()
    };
    newest_first(store, &filter, &mut |raw| {
        let Record {
            event,
            subject,
            user: of,
            ..
        } = raw.record;
        let names = event.starts_with("user.") || event == Event::STORE_CREATED.code();
        if names && of == Some(user) {
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
