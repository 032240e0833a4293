//! All users as a file that [`super::import`] reads.
//!
//! A password hash of ours takes a pepper from the keys of its store and can be checked nowhere else, so the file has none
//! of them: only those that another system made and that no login has replaced yet.

use serde::Serialize;

use super::edit::IMPORTED;
use super::{Type, each};
use crate::error::{Error, Kind, Result};
use crate::group;
use crate::permission;
use crate::store::Store;

/// A row of the file; its fields are the columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Login, as written.
    pub login: String,
    /// Full name.
    pub name: Option<String>,
    /// Email address.
    pub email: Option<String>,
    /// Phone, E.164.
    pub phone: Option<String>,
    /// Type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Language of messages.
    pub language: String,
    /// The groups they are a direct member of.
    pub groups: Vec<String>,
    /// The hash that another system made.
    pub password_hash: Option<String>,
    /// Whether they may log in at all.
    pub active: bool,
}

/// How many users have a password whose hash stays here; `None`: nobody.
///
/// # Errors
/// [`Kind::Storage`].
pub fn not_portable(store: &Store) -> Result<Option<u64>> {
    let count: i64 = store.db().query_row(
        "SELECT count(*) FROM user WHERE password_hash IS NOT NULL",
        [],
        |row| row.get(0),
    )?;
    Ok(u64::try_from(count).ok().filter(|count| *count > 0))
}

/// Hands every user to `write`.
///
/// # Errors
/// [`Kind::Storage`], key errors, and what `write` returns.
pub fn export(store: &Store, write: &mut dyn FnMut(Exported) -> Result<()>) -> Result<()> {
    let _moment = store.db().snapshot()?;
    let mut sealed = store
        .db()
        .prepare_cached("SELECT password_imported FROM user WHERE id = ?1")?;
    each(store, &mut |user| {
        let kept: Option<Vec<u8>> = sealed.query_row([user.id], |row| row.get(0))?;
        let hash = match kept {
            None => None,
            Some(kept) => {
                let plain = store.unseal(IMPORTED, user.id, &kept)?;
                let text = std::str::from_utf8(&plain).map_err(|_| {
                    Error::new(Kind::Storage, "an imported password hash is damaged")
                })?;
                Some(text.to_owned())
            }
        };
        let direct = permission::direct_groups(store, user.id)?;
        write(Exported {
            groups: group::names(store, &direct)?,
            login: user.login,
            name: user.name,
            email: user.email,
            phone: user.phone,
            kind: user.kind,
            language: user.language,
            password_hash: hash,
            active: user.active,
        })
    })
}
