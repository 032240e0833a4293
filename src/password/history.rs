//! The passwords a user had: as many as the rule asks for, as hashes, and no more.

use crate::error::Result;
use crate::secret::Secret;
use crate::setting::{self, Settings};
use crate::store::{Store, Tx};

/// Whether a password is the one a user has, or one of those before it: `last` in all. Costs one hash for each.
///
/// # Errors
/// Storage and key errors.
pub(super) fn holds(store: &Store, user: i64, last: i64, password: &Secret) -> Result<bool> {
    if last == 0 {
        return Ok(false);
    }
    if let Some(imported) = super::imported(store, user)?
        && imported.is_of(password)?
    {
        return Ok(true);
    }
    let mut query = store.db().prepare_cached(
        "SELECT hash FROM (
             SELECT password_hash AS hash, 9223372036854775807 AS id FROM user WHERE id = ?1 AND password_hash IS NOT NULL
             UNION ALL SELECT hash, id FROM password_history WHERE user = ?1)
         ORDER BY id DESC LIMIT ?2",
    )?;
    let hashes = query
        .query_map([user, last], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    for hash in hashes {
        if store
            .vault()?
            .verify_password(password, Some(&hash), store.source())?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Keeps the hash that is about to be replaced, where the rule asks for it, and forgets what it no longer asks for.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(super) fn keep(tx: &Tx<'_>, user: i64) -> Result<()> {
    tx.db().execute(
        "INSERT INTO password_history (user, hash, replaced_at)
         SELECT id, password_hash, ?2 FROM user WHERE id = ?1 AND password_hash IS NOT NULL",
        rusqlite::params![user, tx.now()],
    )?;
    // The new one is the first of those that count.
    let earlier = (Settings::load(tx)?.number(&setting::HISTORY) - 1).max(0);
    tx.db().execute(
        "DELETE FROM password_history WHERE user = ?1
         AND id NOT IN (SELECT id FROM password_history WHERE user = ?1 ORDER BY id DESC LIMIT ?2)",
        [user, earlier],
    )?;
    Ok(())
}
