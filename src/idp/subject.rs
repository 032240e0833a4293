//! Whom a provider speaks of: what it calls somebody leads to a user of the store.
//!
//! What it called them at their first login counts before their login and address here: who is renamed on either side stays
//! who they are, and a name that somebody else has now does not lead to them.

use rusqlite::{OptionalExtension as _, named_params};

use super::Idp;
use crate::error::Result;
use crate::name::fold;
use crate::store::{Store, Tx};
use crate::user::{self, User};

/// The user whom `idp` calls `subject`: the one who came through it under that name, else the one whose login or email
/// address is `login`.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn user_of(
    store: &Store,
    idp: &Idp,
    subject: &str,
    login: &str,
) -> Result<Option<User>> {
    let known: Option<i64> = store
        .db()
        .prepare_cached("SELECT user FROM idp_user WHERE idp = ?1 AND subject = ?2")?
        .query_row((idp.id, subject), |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => user::maybe(store, id),
        None => Ok(user::lookup(store, login)?.filter(|user| is_spelled(user, login))),
    }
}

/// Logins of users who came through `idp`, at most `most` of those that begin with `prefix`.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn linked(store: &Store, idp: &Idp, prefix: &str, most: usize) -> Result<Vec<String>> {
    let wanted = fold(prefix);
    let mut query = store.db().prepare_cached(
        "SELECT DISTINCT login FROM idp_user JOIN user ON user.id = user WHERE idp = ?1 ORDER BY login",
    )?;
    let mut rows = query.query([idp.id])?;
    let mut logins: Vec<String> = Vec::new();
    while let Some(row) = rows.next()? {
        let login: String = row.get(0)?;
        if fold(&login).starts_with(&wanted) {
            logins.push(login);
        }
        if logins.len() == most {
            break;
        }
    }
    Ok(logins)
}

/// Whether a user is called `login` but for upper and lower case. Names that merely look alike are one here and may be two
/// at the provider, whose other user could come as this one.
fn is_spelled(user: &User, login: &str) -> bool {
    let names = [Some(user.login.as_str()), user.email.as_deref()];
    let wanted = login.trim().to_lowercase();
    names
        .into_iter()
        .flatten()
        .any(|name| name.to_lowercase() == wanted)
}

/// Keeps what `idp` calls a user, and how their login was asserted to be authenticated.
pub(crate) fn keep(tx: &Tx<'_>, idp: &Idp, user: i64, came: &Came<'_>) -> Result<()> {
    tx.db()
        .prepare_cached(
            "INSERT INTO idp_user (idp, subject, user, contexts, mfa, created, last_login_at)
             VALUES (:idp, :subject, :user, :contexts, :mfa, :created, :now)
             ON CONFLICT (idp, subject) DO UPDATE SET contexts = excluded.contexts, mfa = excluded.mfa,
                 last_login_at = excluded.last_login_at",
        )?
        .execute(named_params! {
            ":idp": idp.id, ":subject": came.subject, ":user": user, ":contexts": serde_json::json!(came.contexts).to_string(),
            ":mfa": came.mfa, ":created": came.created, ":now": tx.now(),
        })?;
    Ok(())
}

/// How somebody came through a provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came<'a> {
    /// What it calls them.
    pub(crate) subject: &'a str,
    /// How it says they were authenticated.
    pub(crate) contexts: &'a [String],
    /// Whether it says that they gave a second factor.
    pub(crate) mfa: bool,
    /// Whether they were added by this login.
    pub(crate) created: bool,
}
