//! Whether a user may log in at all: remove, activate, deactivate, unlock.

use rusqlite::{OptionalExtension as _, named_params};
use serde_json::Value;

use super::{first_administrator, get};
use crate::audit::Event;
use crate::challenge;
use crate::error::{Error, Kind, Result};
use crate::name::{counted, visible};
use crate::permission::{self, is_administrator};
use crate::plan::{Change, Op, Plan};
use crate::store::{Store, Tx};

/// `user remove`.
#[derive(Debug, Clone, Copy)]
pub struct RemoveUser {
    /// The user.
    pub id: i64,
}

impl Plan for RemoveUser {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let user = get(store, self.id)?;
        if first_administrator(store)?.is_some_and(|first| first.id == self.id) {
            return Err(Error::new(
                Kind::Guard,
                format!(
                    "`{}` is the first administrator and cannot be removed",
                    visible(&user.login)
                ),
            )
            .hint("`twofa user edit` renames it, `twofa user deactivate` shuts it out"));
        }
        let change = Change::new("user", &user.login, Op::Remove, Event::USER_REMOVED)
            .about(self.id)
            .field("login", user.login.as_str(), Value::Null)
            .field("email", user.email, Value::Null)
            .field("type", user.kind.code(), Value::Null);
        // Their clients go with them, and each is told of.
        let clients = clients(store, self.id)?.into_iter();
        let gone = clients.map(|name| {
            Change::new(
                "oauth-client",
                name,
                Op::Remove,
                Event::OAUTH_CLIENT_REMOVED,
            )
        });
        Ok(gone.chain([change]).collect())
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.db()
            .execute("DELETE FROM user WHERE id = ?1", [self.id])?;
        permission::close_gaps(tx)
    }

    fn confirms(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let user = get(store, self.id)?;
        Ok(is_administrator(store, self.id)?
            .then(|| format!("removing the administrator `{}`", visible(&user.login))))
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let user = get(store, self.id)?;
        let grants: i64 = store.db().query_row(
            "SELECT count(*) FROM grantee WHERE user = ?1",
            [self.id],
            |row| row.get(0),
        )?;
        let also = if grants > 0 {
            " and from the permissions that name them"
        } else {
            ""
        };
        let clients = match clients(store, self.id)?.len() {
            0 => String::new(),
            count => format!(
                ", {}",
                counted(count as u64, "OAuth client", "OAuth clients")
            ),
        };
        Ok(Some(format!(
            "The user `{}` will be removed for good, with their authenticator app{clients} and recovery codes{also}.",
            visible(&user.login)
        )))
    }
}

/// The names of the OAuth clients that act as a user.
fn clients(store: &Store, user: i64) -> Result<Vec<String>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT name FROM oauth_client WHERE user = ?1 ORDER BY name_key")?;
    let rows = query.query_map([user], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// `user activate` and `user deactivate`.
#[derive(Debug, Clone, Copy)]
pub struct SetActive {
    /// The user.
    pub id: i64,
    /// What they shall be.
    pub active: bool,
}

impl Plan for SetActive {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let user = get(store, self.id)?;
        let event = if self.active {
            Event::USER_ACTIVATED
        } else {
            Event::USER_DEACTIVATED
        };
        let change = Change::new("user", &user.login, Op::Edit, event)
            .about(self.id)
            .field("active", user.active, self.active);
        // Activating takes off a lock too, and forgets wrong tries.
        let until = user.locked_until.filter(|until| store.now() < *until);
        Ok(if self.active {
            change
                .field(
                    "locked_until",
                    until.map(|until| until.to_string()),
                    Value::Null,
                )
                .field("second_factor_failures", user.second_factor_failures, 0)
                .field("password_failures", user.password_failures, 0)
                .if_any()
        } else {
            change.if_any()
        })
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.db().execute(
            "UPDATE user SET active = ?1 WHERE id = ?2",
            rusqlite::params![self.active, self.id],
        )?;
        if self.active {
            reset_counters(tx, self.id)
        } else {
            challenge::void_beside_logins(tx, self.id)
        }
    }

    fn confirms(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let user = get(store, self.id)?;
        let doing = if self.active {
            "activating"
        } else {
            "deactivating"
        };
        Ok(is_administrator(store, self.id)?
            .then(|| format!("{doing} the administrator `{}`", visible(&user.login))))
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let user = get(store, self.id)?;
        Ok((!self.active).then(|| {
            format!(
                "The user `{}` will no longer be able to log in.",
                visible(&user.login)
            )
        }))
    }
}

/// `user unlock`.
#[derive(Debug, Clone, Copy)]
pub struct Unlock {
    /// The user.
    pub id: i64,
}

impl Plan for Unlock {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let user = get(store, self.id)?;
        let until = user.locked_until.filter(|until| store.now() < *until);
        let change = Change::new("user", &user.login, Op::Edit, Event::USER_UNLOCKED)
            .about(self.id)
            .field(
                "locked_until",
                until.map(|until| until.to_string()),
                Value::Null,
            )
            .field("second_factor_failures", user.second_factor_failures, 0)
            .field("password_failures", user.password_failures, 0);
        Ok(change.if_any())
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        reset_counters(tx, self.id)
    }
}

/// No lock, no failures.
pub(crate) fn reset_counters(tx: &Tx<'_>, user: i64) -> Result<()> {
    tx.db()
        .prepare_cached("UPDATE user SET locked_until_at = NULL, second_factor_failures = 0, password_failures = 0 WHERE id = ?1")?
        .execute([user])?;
    Ok(())
}

/// Keeps the moment at which a login was granted.
pub(crate) fn logged_in(tx: &Tx<'_>, user: i64) -> Result<()> {
    tx.db()
        .prepare_cached("UPDATE user SET last_login_at = ?1 WHERE id = ?2")?
        .execute(rusqlite::params![tx.now(), user])?;
    Ok(())
}

/// Users whose lock has run out, and still stands there.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn with_lock_over(store: &Store) -> Result<Vec<i64>> {
    let mut query = store
        .db()
        .prepare("SELECT id FROM user WHERE locked_until_at <= ?1 ORDER BY id")?;
    let rows = query.query_map([store.now()], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Keeps of tries, locks and activity what is stricter, here or in another moment of the same store. A lock that has run
/// out there has taken the tries with it. Returns the users whom only the other has inactive.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn keep_stricter(tx: &Tx<'_>, other: &Store) -> Result<Vec<i64>> {
    let mut query = other.db().prepare(
        "SELECT id, created_at, active, locked_until_at, second_factor_failures, password_failures FROM user
         WHERE active = 0 OR locked_until_at > :now
             OR locked_until_at IS NULL AND (second_factor_failures > 0 OR password_failures > 0)",
    )?;
    let mut update = tx.db().prepare(
        "UPDATE user SET active = min(active, :active),
             locked_until_at = nullif(max(coalesce(locked_until_at, 0), coalesce(:locked, 0)), 0),
             second_factor_failures = max(second_factor_failures, :second),
             password_failures = max(password_failures, :first)
         WHERE id = :id AND created_at = :created",
    )?;
    let mut active = tx
        .db()
        .prepare("SELECT 1 FROM user WHERE id = ?1 AND created_at = ?2 AND active = 1")?;
    let mut shut_out = Vec::new();
    let mut rows = query.query(named_params! { ":now": tx.now() })?;
    while let Some(row) = rows.next()? {
        let (id, created): (i64, i64) = (row.get(0)?, row.get(1)?);
        let is_active: bool = row.get(2)?;
        let locked: Option<i64> = row.get(3)?;
        let locked = locked.filter(|until| *until > tx.now().0);
        let over = row.get::<_, Option<i64>>(3)?.is_some() && locked.is_none();
        let tries = |tries: i64| if over { 0 } else { tries };
        if !is_active && active.exists([id, created])? {
            shut_out.push(id);
        }
        update.execute(named_params! {
            ":active": is_active, ":locked": locked, ":second": tries(row.get(4)?), ":first": tries(row.get(5)?),
            ":id": id, ":created": created,
        })?;
    }
    Ok(shut_out)
}

/// Activates a user whom [`keep_stricter`] made inactive.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn keep_active(tx: &Tx<'_>, user: i64) -> Result<()> {
    tx.db()
        .execute("UPDATE user SET active = 1 WHERE id = ?1", [user])?;
    Ok(())
}

/// Logins of users who are not in another moment of the same store.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn not_in(store: &Store, other: &Store) -> Result<Vec<String>> {
    where_other(
        store,
        other,
        "SELECT 1 FROM user WHERE id = ?1",
        |_, found| found.is_none(),
    )
}

/// Logins of users who have a password here that was set at another time than the one they have in another moment of the
/// same store.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn with_other_password(store: &Store, other: &Store) -> Result<Vec<String>> {
    let set = "SELECT password_changed_at FROM user WHERE id = ?1";
    where_other(store, other, set, |have, found| {
        have.is_some() && found.is_some_and(|found| found != have)
    })
}

/// Logins of users, in their order, of whom another store's number `sql` differs so from when their password was set.
fn where_other(
    store: &Store,
    other: &Store,
    sql: &str,
    differs: fn(Option<i64>, Option<Option<i64>>) -> bool,
) -> Result<Vec<String>> {
    let mut ask = other.db().prepare(sql)?;
    let mut query = store
        .db()
        .prepare("SELECT id, login, password_changed_at FROM user ORDER BY login, id")?;
    let mut rows = query.query([])?;
    let mut logins = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let found: Option<Option<i64>> = ask.query_row([id], |row| row.get(0)).optional()?;
        if differs(row.get(2)?, found) {
            logins.push(row.get(1)?);
        }
    }
    Ok(logins)
}
