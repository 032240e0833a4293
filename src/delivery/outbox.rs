//! The outbox: every message, with its outcome.
//!
//! A row is committed with its body sealed before the message is sent; the outcome is committed after, and erases the
//! body. What is left by a command that died in between is a pending row without an outcome: nobody knows whether it
//! left, so it counts as sent for the limits and its code was never valid. Its body goes when the next code is asked
//! for, of an app too.

use rusqlite::{OptionalExtension as _, named_params};

use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::method::Method;
use crate::store::{Store, Tx};
use crate::template::Words;
use crate::vault::Label;

pub(crate) const BODY: Label = Label("outbox.body");

/// A message about to leave.
pub(crate) struct Outgoing<'a> {
    pub(crate) challenge: i64,
    pub(crate) user: i64,
    pub(crate) method: Method,
    pub(crate) recipient: &'a str,
    pub(crate) template: &'a str,
    pub(crate) sender: &'a str,
    pub(crate) words: &'a Words,
}

/// How long after it was kept a message cannot be on its way any more, in seconds: twice the longest delivery.
const OVER: i64 = 60;

/// How many bodies one command erases: more than are left between two messages, and few enough not to be felt.
const SWEPT: i64 = 20;

const SWEEP: &str = "UPDATE outbox SET body = NULL WHERE id IN
    (SELECT id FROM outbox WHERE body IS NOT NULL AND created_at < :over ORDER BY created_at LIMIT :most)";

/// Erases bodies whose sending was killed: their codes were never valid, and nobody will send them.
pub(crate) fn sweep(tx: &Tx<'_>) -> Result<()> {
    tx.db()
        .prepare_cached(SWEEP)?
        .execute(named_params! { ":over": tx.now().plus(-OVER), ":most": SWEPT })?;
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
            "INSERT INTO outbox (id, challenge, user, method, recipient, template, sender, state, body, tries, created_at)
             VALUES (:id, :challenge, :user, :method, :recipient, :template, :sender, 'pending', :body, 1, :now)",
        )?
        .execute(named_params! {
            ":id": id, ":challenge": outgoing.challenge, ":user": outgoing.user, ":method": outgoing.method,
            ":recipient": outgoing.recipient, ":template": outgoing.template, ":sender": outgoing.sender,
            ":body": body, ":now": tx.now(),
        })?;
    Ok(id)
}

/// Keeps what came of it and erases the body: the receipt, or what the server said.
pub(crate) fn close(tx: &Tx<'_>, id: i64, outcome: std::result::Result<&str, &str>) -> Result<()> {
    let (state, receipt, error) = match outcome {
        Ok(receipt) => ("accepted", Some(receipt), None),
        Err(error) => ("failed", None, Some(error)),
    };
    tx.db()
        .prepare_cached("UPDATE outbox SET state = :state, receipt = :receipt, error = :error, body = NULL, closed_at = :now WHERE id = :id")?
        .execute(named_params! { ":state": state, ":receipt": receipt, ":error": error, ":now": tx.now(), ":id": id })?;
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
                            challenge: 1,
                            user: 1,
                            method: Method::Email,
                            recipient: "a@example.com",
                            template: "2FA verification code",
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

    #[test]
    fn the_sweep_reads_no_whole_table() {
        let fresh = fresh();
        let mut query = fresh
            .store
            .tampered()
            .prepare(&format!("EXPLAIN QUERY PLAN {SWEEP}"))
            .unwrap();
        let steps: Vec<String> = query
            .query_map(named_params! { ":over": 0, ":most": 1 }, |row| row.get(3))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        assert!(
            steps
                .iter()
                .any(|step| step.contains("outbox_body (created_at<?)")),
            "{steps:?}"
        );
        assert!(
            !steps.iter().any(|step| step.starts_with("SCAN")),
            "{steps:?}"
        );
    }
}
