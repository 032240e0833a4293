//! Whether a user may log in at all: remove, activate, deactivate, unlock.

use serde_json::Value;

use super::{first_administrator, get};
use crate::audit::Event;
use crate::challenge;
use crate::error::{Error, Kind, Result};
use crate::name::visible;
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
        Ok(vec![change])
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
        Ok(Some(format!(
            "The user `{}` will be removed for good, with their authenticator app and recovery codes{also}.",
            visible(&user.login)
        )))
    }
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
