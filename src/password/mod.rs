//! Passwords: setting and comparing them.
//!
//! The hash is computed with no transaction open, and never leaves this module. What a new one must keep to is in
//! `policy.rs`.

pub(crate) mod history;
mod policy;
mod weak;

pub(crate) use self::policy::check_words;

use rusqlite::OptionalExtension as _;
use zeroize::Zeroizing;

use crate::audit::Event;
use crate::challenge;
use crate::error::{Error, Kind, Result};
use crate::name::visible;
use crate::permission::is_administrator;
use crate::plan::{Change, Op, Plan};
use crate::secret::Secret;
use crate::store::{Store, Tx};
use crate::user::edit::IMPORTED;
use crate::user::{User, get};
use crate::vault::{Imported, NewPassword};

/// Hashes a new password that keeps the rules, for [`SetPassword`] or `user add`. `user`: whose earlier passwords it must
/// differ from.
///
/// # Errors
/// [`Kind::PasswordPolicy`]; [`Kind::InvalidValue`] for an empty one; key errors.
pub fn hash(
    store: &Store,
    login: &str,
    user: Option<&User>,
    password: &Secret,
) -> Result<NewPassword> {
    policy::check(store, login, user, password)?;
    store.vault()?.new_password(password, store.source())
}

/// Writes a new password.
pub(crate) fn replace(tx: &Tx<'_>, user: i64, new: &NewPassword, must_change: bool) -> Result<()> {
    history::keep(tx, user)?;
    tx.db().execute(
        "UPDATE user SET password_hash = ?1, password_imported = NULL, password_changed_at = ?2, must_change = ?3, password_failures = 0
         WHERE id = ?4",
        rusqlite::params![new.stored(), tx.now(), must_change, user],
    )?;
    // Whoever began a login with the old password has to begin anew.
    challenge::void(tx, user)
}

/// What a password is compared with, as it was read for it. A hash of another system is kept open: it is the same one
/// still when it was sealed anew.
#[derive(PartialEq, Eq)]
pub(crate) struct Stored {
    hash: Option<String>,
    imported: Option<Zeroizing<Vec<u8>>>,
}

impl Stored {
    /// Whether it is a hash of another system.
    pub(crate) fn is_imported(&self) -> bool {
        self.imported.is_some()
    }

    /// Whether it is this very hash.
    pub(crate) fn is(&self, new: &NewPassword) -> bool {
        self.hash.as_deref() == Some(new.stored())
    }
}

/// Reads what a user's password is compared with; `None` and users without a password have nothing.
pub(crate) fn stored(store: &Store, user: Option<&User>) -> Result<Stored> {
    of_user(store, user.map_or(0, |user| user.id))
}

fn of_user(store: &Store, id: i64) -> Result<Stored> {
    let found: Option<(Option<String>, Option<Vec<u8>>)> = store
        .db()
        .prepare_cached("SELECT password_hash, password_imported FROM user WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (hash, sealed) = found.unwrap_or_default();
    let imported = sealed
        .map(|sealed| store.unseal(IMPORTED, id, &sealed))
        .transpose()?;
    Ok(Stored { hash, imported })
}

/// What a comparison came to.
pub(crate) struct Came {
    /// Whether it is the password.
    pub(crate) right: bool,
    /// Our own hash of it, to take the place of an imported one.
    pub(crate) upgrade: Option<NewPassword>,
}

/// Compares a password with what is stored. Whatever that is, and if it is nothing, one Argon2id is computed; for an
/// imported hash it is the one that takes its place.
pub(crate) fn compare(store: &Store, stored: &Stored, password: &Secret) -> Result<Came> {
    let (vault, source) = (store.vault()?, store.source());
    let Some(text) = &stored.imported else {
        return Ok(Came {
            right: vault.verify_password(password, stored.hash.as_deref(), source)?,
            upgrade: None,
        });
    };
    let imported = read(text)?;
    let new = vault.new_password(password, source)?;
    let right = imported.is_of(password)?;
    Ok(Came {
        right,
        // Of a password that it does not tell from another, the imported hash is the only one there is.
        upgrade: (right && imported.tells_all_of(password)).then_some(new),
    })
}

/// The imported hash of a user, if one still stands for them.
fn imported(store: &Store, user: i64) -> Result<Option<Imported>> {
    let stored = of_user(store, user)?;
    stored
        .imported
        .as_deref()
        .map(|text| read(text))
        .transpose()
}

fn read(text: &[u8]) -> Result<Imported> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| Imported::read(text).ok())
        .ok_or_else(|| Error::new(Kind::Storage, "an imported password hash cannot be read"))
}

/// Puts our own hash of the same password in the place of an imported one.
pub(crate) fn upgrade(tx: &Tx<'_>, user: i64, new: &NewPassword) -> Result<()> {
    tx.db().execute(
        "UPDATE user SET password_hash = ?1, password_imported = NULL WHERE id = ?2",
        rusqlite::params![new.stored(), user],
    )?;
    Ok(())
}

/// `password set`.
#[derive(Debug, Clone)]
pub struct SetPassword {
    /// Whose.
    pub user: i64,
    /// The new one.
    pub password: NewPassword,
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
        replace(tx, self.user, &self.password, self.must_change)
    }

    fn binds(&self, store: &Store) -> Result<Vec<u8>> {
        let login = get(store, self.user)?.login;
        store.vault()?.bind_password(&self.password, &login)
    }

    fn confirms(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let user = get(store, self.user)?;
        Ok(is_administrator(store, self.user)?.then(|| {
            format!(
                "changing the password of the administrator `{}`",
                visible(&user.login)
            )
        }))
    }
}
