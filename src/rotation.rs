//! `key rotate` and `key retire`: new keys in the place of old ones, while logins go on.
//!
//! The order is the promise. The new ring key is durable in the key file before any row names it; then, in one
//! transaction, it wraps every data key and new data keys seal and chain; then what old keys sealed is sealed anew, some
//! hundred rows a transaction; then the old keys go. Killed anywhere, the store opens with the key file that is there, and
//! the next `key rotate` goes on where this one stopped.

use std::path::PathBuf;

use rusqlite::params;
use serde::Serialize;
use serde_json::json;

use crate::actor::Session;
use crate::ask::Ask;
use crate::audit::{Entry, Event, Outcome, append};
use crate::delivery::outbox;
use crate::error::{Error, Kind, Result};
use crate::files::Owner;
use crate::login::recover;
use crate::name;
use crate::sealed::{Broken, COLUMNS, named, retirable_of};
use crate::store::{Store, Tx};
use crate::vault::{Purpose, Ring};
use crate::{authenticator, challenge, recovery};

/// How many rows are sealed anew in one transaction: a login waits for no more than these.
const BATCH: i64 = 500;

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Rotate {
    /// The keys are known to somebody else: what they make testable is void too.
    pub compromised: bool,
    /// Where the keys go, if not into the key file itself.
    pub new_key_file: Option<PathBuf>,
}

/// What was done. Its keys are never left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// The id of the ring key that is current now.
    pub ring_key: String,
    /// The key file it stands in.
    pub key_file: String,
    /// Ids of ring keys that nothing needs any more but backups: `key retire` takes them out of the key file.
    pub retirable: Vec<String>,
    /// Values that were sealed anew.
    pub values: u64,
    /// Values that do not open, and stay as they are.
    pub broken: Vec<Broken>,
    /// Whether an earlier rotation, which had been stopped, was brought to its end.
    pub resumed: bool,
    /// Recovery codes that are void, after --compromised.
    pub recovery_codes_void: u64,
    /// Logins of those whose app must be connected anew, after --compromised.
    pub connect_anew: Vec<String>,
}

/// Puts new keys in the place of the old ones. What an earlier rotation left undone is done first, and is enough.
///
/// # Errors
/// [`Kind::NotPermitted`], [`Kind::Declined`]; [`Kind::Conflict`] when the new key file is there; [`Kind::Io`], storage and
/// key errors.
pub fn rotate(session: &Session, options: &Rotate, ask: &mut dyn Ask) -> Result<Rotated> {
    session.permit(None)?;
    let store = &session.store;
    store.vault()?;
    ask.sure(question(options))?;
    let mut done = Rotated::default();
    if is_unfinished(store)? {
        done.resumed = true;
        finish(session, &mut done)?;
    }
    if !done.resumed || options.compromised {
        begin(session, options, &mut done)?;
        finish(session, &mut done)?;
    }
    let path = options
        .new_key_file
        .as_ref()
        .filter(|_| !done.key_file.is_empty());
    let ring = Ring::read(path.unwrap_or(&store.place().key))?;
    done.retirable = retirable_of(store, &ring)?;
    ring.current().clone_into(&mut done.ring_key);
    done.key_file = ring.path().display().to_string();
    Ok(done)
}

fn question(options: &Rotate) -> &'static str {
    if options.compromised {
        "New keys are made, everything is sealed anew, and all recovery codes, set-ups, tokens and open logins are void."
    } else {
        "New keys are made, and everything is sealed anew."
    }
}

/// Whether keys stand in the store that only a rotation which was stopped leaves.
pub(crate) fn is_unfinished(store: &Store) -> Result<bool> {
    Ok(store.db().query_row(
        "SELECT EXISTS (SELECT 1 FROM data_key WHERE current = 0 AND purpose IN ('seal', 'hash'))",
        [],
        |row| row.get(0),
    )?)
}

/// The ring with a new key before the others, durable in its file. Under the write lock, for two rotations at once would
/// each lose the other's key. A key that a rotation left there, killed before any row named it, is as good as new.
fn with_new_key(tx: &Tx<'_>, options: &Rotate) -> Result<Ring> {
    let owner = Owner::of(&tx.place().db);
    let ring = Ring::read(&tx.place().key)?;
    let Some(path) = &options.new_key_file else {
        if !named(tx)?.iter().any(|id| id == ring.current()) {
            return Ok(ring);
        }
        let ring = ring.with_new_key(tx.source())?;
        ring.replace(owner).map_err(|error| {
            error.hint("where the key file cannot be written, --new-key-file names another one")
        })?;
        return Ok(ring);
    };
    let ring = ring.with_new_key(tx.source())?.at(path);
    if ring.write(owner)? {
        return Ok(ring);
    }
    let message = format!("the key file `{}` is there already", path.display());
    Err(Error::new(Kind::Conflict, message).hint("name one that is not there yet"))
}

/// Wraps the data keys anew, and makes those that seal and chain from now on.
fn begin(session: &Session, options: &Rotate, done: &mut Rotated) -> Result<()> {
    let mut renewed = vec![Purpose::Seal, Purpose::Audit];
    if options.compromised {
        renewed.extend([Purpose::Hash, Purpose::Token]);
    }
    session.store.write(|tx| {
        let ring = with_new_key(tx, options)?;
        let (vault, now, source) = (tx.vault()?, tx.now(), tx.source());
        vault.rewrap(tx.db(), &ring, source)?;
        for purpose in &renewed {
            vault.renew(tx.db(), &ring, *purpose, now, source)?;
        }
        let mut reason = "planned";
        if options.compromised {
            reason = "compromised";
            void(tx, done)?;
        }
        let mut entry = Entry::new(Event::KEY_ROTATED, Outcome::Ok)
            .subject(ring.current())
            .reason(reason);
        if options.compromised {
            entry = entry.detail(json!({
                "recovery_codes_void": done.recovery_codes_void, "connect_anew": done.connect_anew,
            }));
        }
        append(tx, &session.who(), &entry)?;
        done.key_file = ring.path().display().to_string();
        Ok(())
    })
}

/// What whoever has the old keys could test or answer is void.
fn void(tx: &Tx<'_>, done: &mut Rotated) -> Result<()> {
    challenge::void_all(tx)?;
    authenticator::drop_setups(tx)?;
    recover::forget_requests(tx)?;
    outbox::give_up_all(tx)?;
    done.recovery_codes_void = recovery::void_all(tx)?;
    done.connect_anew = authenticator::connected(tx)?;
    Ok(())
}

/// Seals anew what old keys sealed, and lets them go.
fn finish(session: &Session, done: &mut Rotated) -> Result<()> {
    let store = &session.store;
    store.watched("Sealing anew", None, |at| {
        for (table, column, label) in COLUMNS {
            let mut last = 0;
            loop {
                let batch = store.write(|tx| {
                    let mut rows = old(tx, table, column, last)?;
                    for (row, sealed) in &rows {
                        if !reseal(tx, table, column, *label, *row, sealed)? {
                            done.broken.push(Broken {
                                column: format!("{table}.{column}"),
                                row: *row,
                            });
                        }
                    }
                    Ok(rows.pop().map(|(row, _)| (row, rows.len() as u64 + 1)))
                })?;
                let Some((row, count)) = batch else { break };
                last = row;
                done.values += count;
                at(done.values);
            }
        }
        Ok(())
    })?;
    done.values -= done.broken.len() as u64;
    store.write(|tx| {
        let vault = tx.vault()?;
        // What does not open is no reason to throw away the key it might open with.
        if done.broken.is_empty() {
            vault.drop_old(tx.db(), Purpose::Seal)?;
        }
        vault.drop_old(tx.db(), Purpose::Hash)?;
        vault.drop_old(tx.db(), Purpose::Token)?;
        let entry = Entry::new(Event::KEY_RESEALED, Outcome::Ok)
            .detail(json!({ "values": done.values, "broken": done.broken.len() }));
        append(tx, &session.who(), &entry)?;
        Ok(())
    })
}

/// The next values of a column, behind the row `last`, that the current key did not seal.
fn old(tx: &Tx<'_>, table: &str, column: &str, last: i64) -> Result<Vec<(i64, Vec<u8>)>> {
    let head = tx.vault()?.sealed_head()?;
    let mut query = tx.db().prepare_cached(&format!(
        "SELECT id, {column} FROM {table} WHERE id > ?1 AND {column} IS NOT NULL AND substr({column}, 1, ?2) <> ?3
         ORDER BY id LIMIT ?4"
    ))?;
    let length = i64::try_from(head.len()).unwrap_or_default();
    let rows = query.query_map(params![last, length, head, BATCH], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Seals a value anew. `false`: it does not open.
fn reseal(
    tx: &Tx<'_>,
    table: &str,
    column: &str,
    label: crate::vault::Label,
    row: i64,
    sealed: &[u8],
) -> Result<bool> {
    let vault = tx.vault()?;
    let plain = match vault.open_sealed(label, row, sealed) {
        Ok(plain) => plain,
        Err(error) if error.kind() == Kind::Storage => return Ok(false),
        Err(error) => return Err(error),
    };
    let anew = vault.seal(label, row, &plain, tx.source())?;
    if label.0 == authenticator::SECRET.0 {
        // A new hash key makes another fingerprint of the same secret.
        authenticator::renew_fingerprint(tx, row, &plain)?;
    }
    tx.db()
        .prepare_cached(&format!("UPDATE {table} SET {column} = ?2 WHERE id = ?1"))?
        .execute(params![row, anew])?;
    Ok(true)
}

/// What was taken out of the key file. Its keys are never left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retired {
    /// The id of the key.
    pub ring_key: String,
    /// The key file.
    pub key_file: String,
    /// The ids of the keys that are left in it, the current one first.
    pub ring_keys: Vec<String>,
}

/// Takes a key out of the key file that no row needs any more.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::InUse`] while a data key is wrapped by it, or it is the current one; [`Kind::Declined`].
pub fn retire(session: &Session, id: &str, ask: &mut dyn Ask) -> Result<Retired> {
    session.permit(None)?;
    let store = &session.store;
    store.vault()?;
    let ring = Ring::read(&store.place().key)?;
    is_retirable(store, &ring, id)?;
    ask.sure(&format!(
        "The key `{id}` goes out of the key file. What it alone opens, such as older backups, opens no more."
    ))?;
    // Told before it is done: killed in between, the key is still there, and the command can be repeated.
    store.write(|tx| {
        is_retirable(tx, &Ring::read(&tx.place().key)?, id)?;
        let entry = Entry::new(Event::KEY_RETIRED, Outcome::Ok).subject(id);
        append(tx, &session.who(), &entry)
    })?;
    // Under the write lock, or a rotation could lose its new key.
    store.write(|tx| {
        let ring = Ring::read(&tx.place().key)?;
        is_retirable(tx, &ring, id)?;
        let left = ring.without(id);
        left.replace(Owner::of(&tx.place().db))?;
        Ok(Retired {
            ring_key: id.to_owned(),
            key_file: left.path().display().to_string(),
            ring_keys: left.ids(),
        })
    })
}

fn is_retirable(store: &Store, ring: &Ring, id: &str) -> Result<()> {
    if !ring.ids().iter().any(|have| have == id) {
        return Err(name::not_found("key", id, ring.ids(), "twofa key check"));
    }
    if named(store)?.iter().any(|named| named == id) || ring.current() == id {
        let message = format!("the key `{id}` is in use: it opens this store");
        return Err(Error::new(Kind::InUse, message)
            .hint("`twofa key rotate` puts another one in its place first"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
