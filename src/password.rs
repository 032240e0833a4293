//! Passwords: setting and comparing them.
//!
//! The hash is computed with no transaction open, and never leaves this module.

use rusqlite::OptionalExtension as _;

use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::name::visible;
use crate::plan::{Change, Op, Plan};
use crate::secret::Secret;
use crate::store::{Store, Tx};
use crate::user::{User, get, is_administrator};

/// The shortest input that is taken: a password has at least one character.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub(crate) fn check(password: &Secret) -> Result<()> {
    if password.is_empty() {
        return Err(Error::new(Kind::InvalidValue, "the password is empty"));
    }
    Ok(())
}

/// Hashes a new password for [`SetPassword`] or `user add`.
///
/// # Errors
/// [`Kind::InvalidValue`] for an empty one; key errors.
pub fn hash(store: &Store, password: &Secret) -> Result<String> {
    check(password)?;
    store.vault()?.hash_password(password, store.source())
}

/// Compares a password with a user's. Without a user, or without a password, one Argon2id is computed all the same.
pub(crate) fn compare(store: &Store, user: Option<&User>, password: &Secret) -> Result<bool> {
    let stored: Option<String> = match user {
        Some(user) => store
            .db()
            .prepare_cached("SELECT password_hash FROM user WHERE id = ?1")?
            .query_row([user.id], |row| row.get(0))
            .optional()?
            .flatten(),
        None => None,
    };
    store
        .vault()?
        .verify_password(password, stored.as_deref(), store.source())
}

/// `password set`.
#[derive(Debug, Clone)]
pub struct SetPassword {
    /// Whose.
    pub user: i64,
    /// Its hash, made before.
    pub hash: String,
    /// Whether the next login asks for a new one.
    pub must_change: bool,
}

impl Plan for SetPassword {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let user = get(store, self.user)?;
        if user.kind == crate::user::Type::Technical {
            return Err(Error::new(
                Kind::Guard,
                format!(
                    "`{}` is a technical user and never logs in with a password",
                    visible(&user.login)
                ),
            ));
        }
        let old = user.has_password.then_some("set");
        // A salted hash does not tell whether it is the same password again, so setting one is always a change.
        let new = if user.has_password { "changed" } else { "set" };
        let change = Change::new("user", user.login, Op::Edit, Event::PASSWORD_SET)
            .about(self.user)
            .field("password", old, new)
            .field("must_change", user.must_change, self.must_change);
        Ok(change.if_any())
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.db().execute(
            "UPDATE user SET password_hash = ?1, password_changed_at = ?2, must_change = ?3, password_failures = 0 WHERE id = ?4",
            rusqlite::params![self.hash, tx.now(), self.must_change, self.user],
        )?;
        Ok(())
    }

    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        is_administrator(store, self.user)
    }

    fn confirms(&self, store: &Store, changes: &[Change]) -> Result<Option<String>> {
        let user = get(store, self.user)?;
        Ok(self.touches_administrators(store, changes)?.then(|| {
            format!(
                "changing the password of the administrator `{}`",
                visible(&user.login)
            )
        }))
    }
}
