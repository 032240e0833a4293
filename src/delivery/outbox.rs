//! The outbox: every message, with its outcome.
//!
//! A row is committed with its body sealed before the message is sent; the outcome is committed after, and erases the
//! body. What is left by a command that died in between is a pending row without an outcome: nobody knows whether it
//! left, so it counts as sent for the limits and its code was never valid. Its body goes when the next code is asked
//! for, of an app too.

use rusqlite::{OptionalExtension as _, Row, ToSql, named_params};
use serde::Serialize;

use super::Came;
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::method::Method;
use crate::store::{Store, Tx};
use crate::template::Words;
use crate::vault::Label;

pub(crate) const BODY: Label = Label("outbox.body");

/// A message about to leave.
pub(crate) struct Outgoing<'a> {
    /// The question it answers; `None`: a test message.
    pub(crate) challenge: Option<i64>,
    pub(crate) user: Option<i64>,
    pub(crate) method: Method,
    pub(crate) recipient: &'a str,
    pub(crate) template: Option<&'a str>,
    pub(crate) sender: &'a str,
    pub(crate) words: &'a Words,
}

/// How long after it was kept a message cannot be on its way any more, in seconds: twice the longest delivery.
pub(crate) const OVER: i64 = 60;

/// How many bodies one command erases: more than are left between two messages, and few enough not to be felt.
const SWEPT: i64 = 20;

const SWEEP: &str = "UPDATE outbox SET body = NULL WHERE id IN
    (SELECT id FROM outbox WHERE body IS NOT NULL AND created_at < :over ORDER BY created_at LIMIT :most)";

/// How long a message is kept, in seconds: thirty days, to look back over what a user says of last week or of the last
/// month's bill of a provider. The limits count within an hour.
const KEPT: i64 = 30 * 86_400;

/// The oldest have the lowest ids: no index is needed, nor more than [`SWEPT`] rows looked at.
const PRUNE: &str =
    "DELETE FROM outbox WHERE id < (SELECT min(id) FROM outbox) + :most AND created_at < :over";

/// Erases bodies whose sending was killed: their codes were never valid, and nobody will send them. Forgets the oldest
/// messages, a few at a time, so that no command pays for all.
pub(crate) fn sweep(tx: &Tx<'_>) -> Result<()> {
    tx.db()
        .prepare_cached(SWEEP)?
        .execute(named_params! { ":over": tx.now().plus(-OVER), ":most": SWEPT })?;
    tx.db()
        .prepare_cached(PRUNE)?
        .execute(named_params! { ":over": tx.now().plus(-KEPT), ":most": SWEPT })?;
    Ok(())
}

/// Erases every body: nothing that was about to leave does.
pub(crate) fn forget_bodies(tx: &Tx<'_>) -> Result<()> {
    tx.db()
        .execute("UPDATE outbox SET body = NULL WHERE body IS NOT NULL", [])?;
    Ok(())
}

/// Keeps a message about to leave; returns its row id.
pub(crate) fn enqueue(tx: &Tx<'_>, outgoing: &Outgoing<'_>) -> Result<i64> {
    sweep(tx)?;
    let id = tx.next_id("outbox")?;
    let words = zeroize::Zeroizing::new(
        serde_json::to_vec(outgoing.words)
            .map_err(|error| Error::new(Kind::Io, "the message cannot be kept").because(error))?,
    );
    let body = tx.vault()?.seal(BODY, id, &words, tx.source())?;
    tx.db()
        .prepare_cached(
            "INSERT INTO outbox (id, challenge, user, login, method, recipient, template, sender, state, body, tries, created_at)
             VALUES (:id, :challenge, :user, (SELECT login FROM user WHERE id = :user), :method, :recipient, :template, :sender, 'pending', :body, 1, :now)",
        )?
        .execute(named_params! {
            ":id": id, ":challenge": outgoing.challenge, ":user": outgoing.user, ":method": outgoing.method,
            ":recipient": outgoing.recipient, ":template": outgoing.template, ":sender": outgoing.sender,
            ":body": body, ":now": tx.now(),
        })?;
    Ok(id)
}

/// Keeps what came of it and erases the body: the receipt, or what the server said, and after how many tries.
pub(crate) fn close(tx: &Tx<'_>, id: i64, came: &Came) -> Result<()> {
    let (state, receipt, error) = match &came.outcome {
        Ok(receipt) => ("accepted", Some(receipt), None),
        Err(failure) => ("failed", None, Some(&failure.said)),
    };
    tx.db()
        .prepare_cached(
            "UPDATE outbox SET state = :state, receipt = :receipt, error = :error, tries = :tries, body = NULL,
                 closed_at = :now WHERE id = :id",
        )?
        .execute(named_params! {
            ":state": state, ":receipt": receipt, ":error": error, ":tries": came.tries, ":now": tx.now(), ":id": id,
        })?;
    Ok(())
}

/// When the oldest of the last `limit` messages to a user within the hour left: full until an hour after that.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn full_since(store: &Store, user: i64, limit: i64) -> Result<Option<Time>> {
    let hour_ago = store.now().plus(-3_600);
    let mut query = store.db().prepare_cached(
        "SELECT created_at FROM outbox WHERE user = :user AND created_at > :since AND state <> 'failed'
             AND NOT EXISTS (SELECT 1 FROM challenge WHERE challenge.id = outbox.challenge AND purpose = 'recovery')
         ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET :skip",
    )?;
    Ok(query
        .query_row(
            named_params! { ":user": user, ":since": hour_ago, ":skip": limit - 1 },
            |row| row.get(0),
        )
        .optional()?)
}

/// When the last message of a challenge by this method left, unless it failed.
pub(crate) fn last_sent(
    store: &Store,
    challenge: i64,
    user: i64,
    method: Method,
) -> Result<Option<Time>> {
    let mut query = store.db().prepare_cached(
        "SELECT max(created_at) FROM outbox
         WHERE user = :user AND challenge = :challenge AND method = :method AND state <> 'failed'",
    )?;
    Ok(query.query_row(
        named_params! { ":user": user, ":challenge": challenge, ":method": method },
        |row| row.get(0),
    )?)
}

/// How a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It may be on its way.
    Pending,
    /// The server took it.
    Accepted,
    /// It did not leave.
    Failed,
    /// The command that sent it ended in between: nobody knows whether it left.
    Unknown,
}

impl State {
    /// All of them.
    pub const ALL: [State; 4] = [
        State::Pending,
        State::Accepted,
        State::Failed,
        State::Unknown,
    ];

    /// The word in `outbox list`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Accepted => "accepted",
            State::Failed => "failed",
            State::Unknown => "unknown",
        }
    }
}

/// A message as `outbox list` and `outbox show` give it; its words are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Its number, which is never given again.
    pub id: i64,
    /// When it was kept, just before it was sent.
    pub at: Time,
    /// Login of the user it was for, the last one of a user who was removed; `null`: a test message.
    pub user: Option<String>,
    /// By which method it would have been answered.
    pub method: Method,
    /// Where it went.
    pub recipient: String,
    /// The name of its template when it was sent; `null`: a test message.
    pub template: Option<String>,
    /// The name of its mailbox or SMS provider when it was sent.
    pub sender: String,
    /// How it stands.
    pub state: State,
    /// How often it was tried.
    pub tries: i64,
    /// What the server called it.
    pub receipt: Option<String>,
    /// What the server or the system said.
    pub error: Option<String>,
    /// When its outcome was known.
    pub closed_at: Option<Time>,
    /// The question it was for.
    #[serde(skip)]
    pub(crate) challenge: Option<i64>,
}

/// Which messages are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those for this user.
    pub user: Option<i64>,
    /// Those by this method.
    pub method: Option<Method>,
    /// Those that stand so.
    pub state: Option<State>,
    /// Those from then on.
    pub since: Option<Time>,
    /// Those before.
    pub until: Option<Time>,
    /// At most so many.
    pub limit: Option<i64>,
}

/// A pending message is of unknown fate once it cannot be on its way any more.
const COLUMNS: &str = "outbox.id, outbox.created_at, coalesce(user.login, outbox.login), method, recipient, template, sender,
    CASE WHEN state = 'pending' AND outbox.created_at <= :over THEN 'unknown' ELSE state END AS stands,
    tries, receipt, error, closed_at, challenge";

fn read(row: &Row<'_>) -> rusqlite::Result<Message> {
    let stands: String = row.get(7)?;
    let state = State::ALL.into_iter().find(|state| state.code() == stands);
    Ok(Message {
        id: row.get(0)?,
        at: row.get(1)?,
        user: row.get(2)?,
        method: row.get(3)?,
        recipient: row.get(4)?,
        template: row.get(5)?,
        sender: row.get(6)?,
        state: state.ok_or(rusqlite::types::FromSqlError::InvalidType)?,
        tries: row.get(8)?,
        receipt: row.get(9)?,
        error: row.get(10)?,
        closed_at: row.get(11)?,
        challenge: row.get(12)?,
    })
}

/// The messages, newest first, one by one.
///
/// # Errors
/// [`Kind::Storage`], and what `each` returns.
pub fn list(
    store: &Store,
    filter: &Filter,
    each: &mut dyn FnMut(Message) -> Result<()>,
) -> Result<()> {
    // Only what is asked for stands in the statement, so that a user's messages come by their own index.
    let wanted = [
        (filter.user.is_some(), "outbox.user = :user"),
        (filter.method.is_some(), "method = :method"),
        (filter.state.is_some(), "stands = :state"),
        (filter.since.is_some(), "outbox.created_at >= :since"),
        (filter.until.is_some(), "outbox.created_at < :until"),
    ];
    let conditions = wanted
        .iter()
        .filter(|(given, _)| *given)
        .fold(String::new(), |text, (_, condition)| {
            text + " AND " + condition
        });
    let mut query = store.db().prepare(&format!(
        "SELECT {COLUMNS} FROM outbox LEFT JOIN user ON user.id = outbox.user
         WHERE 1{conditions} ORDER BY outbox.id DESC LIMIT :limit"
    ))?;
    let over = store.now().plus(-OVER);
    let state = filter.state.map(State::code);
    let values: [(&str, &dyn ToSql); 7] = [
        (":over", &over),
        (":user", &filter.user),
        (":method", &filter.method),
        (":state", &state),
        (":since", &filter.since),
        (":until", &filter.until),
        (":limit", &filter.limit.unwrap_or(-1)),
    ];
    for (name, value) in values {
        if let Some(at) = query.parameter_index(name)? {
            query.raw_bind_parameter(at, value)?;
        }
    }
    let mut rows = query.raw_query();
    while let Some(row) = rows.next()? {
        each(read(row)?)?;
    }
    Ok(())
}

/// One message by its number.
///
/// # Errors
/// [`Kind::NotFound`].
pub fn show(store: &Store, id: i64) -> Result<Message> {
    let mut query = store.db().prepare(&format!(
        "SELECT {COLUMNS} FROM outbox LEFT JOIN user ON user.id = outbox.user WHERE outbox.id = :id"
    ))?;
    query
        .query_row(
            named_params! { ":id": id, ":over": store.now().plus(-OVER) },
            read,
        )
        .optional()?
        .ok_or_else(|| {
            Error::new(Kind::NotFound, format!("there is no message {id}"))
                .hint("`twofa outbox list` shows them")
        })
}

/// The newest message of a question.
pub(crate) fn newest(store: &Store, challenge: i64) -> Result<Message> {
    let id = store.db().query_row(
        "SELECT max(id) FROM outbox WHERE challenge = ?1",
        [challenge],
        |row| row.get(0),
    )?;
    show(store, id)
}

/// Whether a later message of the same question left, or may have.
pub(crate) fn replaced(store: &Store, id: i64, challenge: i64) -> Result<bool> {
    Ok(store.db().query_row(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE challenge = :challenge AND id > :id AND state <> 'failed')",
        named_params! { ":challenge": challenge, ":id": id },
        |row| row.get(0),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;

    fn left(store: &Store) -> i64 {
        let sql = "SELECT count(*) FROM outbox WHERE body IS NOT NULL";
        store.db().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_a_killed_command_left_is_erased_bit_by_bit() {
        let fresh = fresh();
        let words = Words {
            subject: None,
            text: "123456".to_owned(),
            html: None,
        };
        let keep = |seconds: i64, count: i64| {
            fresh.clock.set(fresh.store.now().plus(seconds));
            fresh
                .store
                .write(|tx| {
                    let db = tx.db();
                    db.execute("INSERT OR IGNORE INTO user (id, login, type, created_at) VALUES (1, 'a', 'employee', 0)", [])?;
                    db.execute("INSERT OR IGNORE INTO challenge (id, token, user, purpose, method, created_at, expires_at) VALUES (1, 'x', 1, 'login', 'email', 0, 9999999999)", [])?;
                    for _ in 0..count {
                        enqueue(tx, &Outgoing {
                            challenge: Some(1),
                            user: Some(1),
                            method: Method::Email,
                            recipient: "a@example.com",
                            template: Some("2FA verification code"),
                            sender: "trial",
                            words: &words,
                        })?;
                    }
                    Ok(())
                })
                .unwrap();
            left(&fresh.store)
        };
        assert_eq!(keep(0, SWEPT + 2), SWEPT + 2);
        assert_eq!(keep(OVER, 1), SWEPT + 3, "these may be on their way");
        assert_eq!(keep(1, 1), 4);
        assert_eq!(keep(0, 1), 3, "the messages of the last minute");
    }

    /// Rows as a store has them that has sent for months, one every half hour until `end`.
    fn aged(fresh: &crate::store::tests::Fresh, count: i64, end: Time) {
        let mut insert = fresh
            .store
            .tampered()
            .prepare(
                "INSERT INTO outbox (method, recipient, sender, state, created_at, closed_at)
                 VALUES ('email', 'a@example.com', 'trial', 'accepted', :at, :at)",
            )
            .unwrap();
        for at in 0..count {
            let at = end.plus((at - count + 1) * 1_800);
            insert.execute(named_params! { ":at": at }).unwrap();
        }
    }

    #[test]
    fn old_messages_go_a_few_at_a_time() {
        let fresh = fresh();
        let rows = || -> i64 {
            let sql = "SELECT count(*) FROM outbox";
            fresh
                .store
                .db()
                .query_row(sql, [], |row| row.get(0))
                .unwrap()
        };
        let now = fresh.store.now();
        aged(&fresh, 3 * SWEPT + 5, now.plus(-KEPT - 1));
        aged(&fresh, 7, now.plus(-KEPT + 7 * 1_800));
        let mut counts = Vec::new();
        for _ in 0..5 {
            fresh.store.write(sweep).unwrap();
            counts.push(rows());
        }
        assert_eq!(counts, [52, 32, 12, 7, 7]);
        fresh.clock.set(now.plus(4 * 1_800 + 1));
        fresh.store.write(sweep).unwrap();
        assert_eq!(rows(), 3, "those that have become old meanwhile");
    }

    #[test]
    fn the_sweep_reads_no_whole_table() {
        let fresh = fresh();
        for (sql, index) in [
            (SWEEP, "outbox_body (created_at<?)"),
            (PRUNE, "INTEGER PRIMARY KEY (rowid<?)"),
        ] {
            let mut query = fresh
                .store
                .tampered()
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap();
            let steps: Vec<String> = query
                .query_map(named_params! { ":over": 0, ":most": 1 }, |row| row.get(3))
                .unwrap()
                .collect::<rusqlite::Result<_>>()
                .unwrap();
            assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
            assert!(
                !steps.iter().any(|step| step.starts_with("SCAN")),
                "{steps:?}"
            );
        }
    }
}
