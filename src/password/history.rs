//! The passwords a user had: as many as the rule asks for, as hashes, and no more.

use super::{imported, read};
use crate::error::Result;
use crate::secret::Secret;
use crate::setting::{self, Settings};
use crate::store::{Store, Tx};
use crate::vault::Label;

/// What an imported hash that was replaced is sealed as.
pub(crate) const IMPORTED: Label = Label("password_history.imported");

/// Whether a password is the one a user has, or one of those before it: `last` in all. Costs one hash for each.
///
/// # Errors
/// Storage and key errors.
pub(super) fn holds(store: &Store, user: i64, last: i64, password: &Secret) -> Result<bool> {
    if last == 0 {
        return Ok(false);
    }
    let now = super::of_user(store, user)?;
    if super::compare(store, &now, password)?.right {
        return Ok(true);
    }
    let mut query = store.db().prepare_cached(
        "SELECT id, hash, imported FROM password_history WHERE user = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let earlier = query
        .query_map([user, last - 1], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<rusqlite::Result<Vec<(i64, Option<String>, Option<Vec<u8>>)>>>()?;
    for (id, hash, sealed) in earlier {
        let is_this = match sealed {
            Some(sealed) => read(&store.unseal(IMPORTED, id, &sealed)?)?.is_of(password)?,
            None => store
                .vault()?
                .verify_password(password, hash.as_deref(), store.source())?,
        };
        if is_this {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Keeps the hash that is about to be replaced, where the rule asks for it, and forgets what it no longer asks for.
///
/// # Errors
/// Storage and key errors.
pub(super) fn keep(tx: &Tx<'_>, user: i64) -> Result<()> {
    // The new one is the first of those that count.
    let earlier = (Settings::load(tx)?.number(&setting::HISTORY) - 1).max(0);
    if earlier > 0 {
        tx.db().execute(
            "INSERT INTO password_history (user, hash, replaced_at)
             SELECT id, password_hash, ?2 FROM user WHERE id = ?1 AND password_hash IS NOT NULL",
            rusqlite::params![user, tx.now()],
        )?;
        if let Some(hash) = imported(tx, user)? {
            let id = tx.next_id("password_history")?;
            let sealed = tx
                .vault()?
                .seal(IMPORTED, id, hash.text().as_bytes(), tx.source())?;
            tx.db().execute(
                "INSERT INTO password_history (id, user, imported, replaced_at) VALUES (?1, ?2, ?3, ?4)",
                rusqlite::params![id, user, sealed, tx.now()],
            )?;
        }
    }
    tx.db().execute(
        "DELETE FROM password_history WHERE user = ?1
         AND id NOT IN (SELECT id FROM password_history WHERE user = ?1 ORDER BY id DESC LIMIT ?2)",
        [user, earlier],
    )?;
    Ok(())
}
