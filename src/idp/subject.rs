//! Whom a provider speaks of: what it calls somebody leads to a user of the store.
//!
//! What it called them at their first login counts before their login and address here: who is renamed on either side stays
//! who they are, and a name that somebody else has now does not lead to them.

use rusqlite::OptionalExtension as _;

use super::Idp;
use crate::error::Result;
use crate::store::Store;
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
        None => user::lookup(store, login),
    }
}
