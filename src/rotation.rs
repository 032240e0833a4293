//! `key rotate` and `key retire`: new keys in the place of old ones, while logins go on.
//!
//! The order is the promise. The new ring key is durable in the key file before any row names it; then, in one
//! transaction, it wraps every data key and new data keys seal and chain; then what old keys sealed is sealed anew, some
//! hundred rows a transaction; then the old keys go that nothing names any more. One rotation runs at a time. Killed anywhere, the store opens with the key file that is there, and
//! the next `key rotate` goes on where this one stopped.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::params;
use serde::Serialize;
use serde_json::json;

use crate::actor::Session;
use crate::ask::Ask;
use crate::audit::{Entry, Event, Outcome, append, prove_anew};
use crate::delivery::outbox;
use crate::error::{Error, Kind, Result};
use crate::files::{Owner, with_suffix};
use crate::login::recover;
use crate::name;
use crate::sealed::{Broken, COLUMNS, retirable_of, ring_keys};
use crate::secret::Secret;
use crate::store::{Store, Tx};
use crate::vault::{Form, KeySource, Label, Lock, Purpose, Ring};
use crate::{authenticator, challenge, idp, oauth_client, recovery};

/// How many rows are sealed anew in one transaction.
const BATCH: i64 = 500;
/// How long the lock is left free behind each of them: less than half of the time that one takes. Whoever waits
/// looks every 100 ms at the latest, and more often the longer they wait, so that a login finds it within a second or two.
const BREATH: Duration = Duration::from_millis(2);

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Rotate {
    /// The keys are known to somebody else: what they make testable is void too.
    pub compromised: bool,
    /// Where the keys go, if not into the key file itself.
    pub new_key_file: Option<PathBuf>,
    /// How they are written, if not as before.
    pub form: Option<Form>,
    /// What becomes of the passphrase.
    pub passphrase: NewLock,
}

/// What becomes of the passphrase of a key file.
#[derive(Debug, Clone, Default)]
pub enum NewLock {
    /// What is locked stays locked with the same one, and what is not stays open.
    #[default]
    AsBefore,
    /// It is locked with this one.
    Passphrase(Secret),
    /// It is locked with none.
    Nothing,
}

impl Rotate {
    /// Whether the keys go elsewhere, or are written in another way.
    fn moves(&self) -> bool {
        self.new_key_file.is_some()
            || self.form.is_some()
            || !matches!(self.passphrase, NewLock::AsBefore)
    }
}

/// What was done. Its keys are never left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// The id of the ring key that is current now.
    pub ring_key: String,
    /// The key file it stands in.
    pub key_file: String,
    /// Whether that is locked with a passphrase.
    #[serde(skip)]
    pub locked: bool,
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
    /// OAuth clients that need another secret, after --compromised.
    pub secrets_void: Vec<String>,
    /// Identity providers that need another key pair of ours, after --compromised.
    pub pairs_known: Vec<String>,
}

/// Puts new keys in the place of the old ones. What an earlier rotation left undone is done first, and is enough.
///
/// # Errors
/// [`Kind::NotPermitted`], [`Kind::Declined`]; [`Kind::Busy`] while another rotation runs; [`Kind::Conflict`] when the new
/// key file is there; [`Kind::Io`], storage and key errors.
pub fn rotate(session: &Session, options: &Rotate, ask: &mut dyn Ask) -> Result<Rotated> {
    session.permit(None)?;
    let store = &session.store;
    store.vault()?;
    let is_resumed = |done: bool| done && !options.compromised && !options.moves();
    let key = &store.place().key;
    if options.new_key_file.is_none() && !is_resumed(is_unfinished(store)?) {
        needs_new_file(key)?;
    }
    // Before the write lock is taken: what a passphrase comes to takes its time.
    let lock = match &options.passphrase {
        NewLock::Passphrase(phrase) => Some(Lock::new(phrase, store.source())?),
        NewLock::AsBefore | NewLock::Nothing => None,
    };
    ask.sure(question(options))?;
    let _alone = Alone::begin(store)?;
    let mut done = Rotated::default();
    if is_unfinished(store)? {
        // What nobody can open is no rotation that was stopped.
        done.resumed = finish(session, &mut done)?;
    }
    let ring = if is_resumed(done.resumed) {
        Ring::read(key)?
    } else {
        needs_new_file_unless(options, key)?;
        let ring = begin(session, options, lock.as_ref(), &mut done)?;
        finish(session, &mut done)?;
        ring
    };
    done.retirable = retirable_of(store, &ring)?;
    ring.current().clone_into(&mut done.ring_key);
    done.key_file = ring.source().shown();
    done.locked = ring.is_locked();
    Ok(done)
}

/// Where others give the keys, new ones have nowhere to go unless a file is named.
fn needs_new_file(from: &KeySource) -> Result<()> {
    if from.as_file().is_some() {
        return Ok(());
    }
    let message = format!(
        "{} can be read only, and new keys must be kept somewhere",
        from.named()
    );
    Err(Error::new(Kind::Usage, message)
        .hint("`twofa key rotate --new-key-file FILE` writes them all; then give FILE in the place of the old ones"))
}

fn needs_new_file_unless(options: &Rotate, from: &KeySource) -> Result<()> {
    match options.new_key_file {
        Some(_) => Ok(()),
        None => needs_new_file(from),
    }
}

/// The one rotation that runs: two at once would each let keys go that the other still needs. The lock is the system's, and
/// goes with the process; its file stays, for whoever opened it a moment ago holds to the same one.
struct Alone {
    _lock: File,
}

impl Alone {
    fn begin(store: &Store) -> Result<Alone> {
        let path = with_suffix(&store.place().db, ".rotating");
        let failed = |error: std::io::Error| {
            let message = format!("cannot lock `{}`", path.display());
            Error::new(Kind::Io, message).because(error)
        };
        let mut open = File::options();
        open.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        let lock = open.open(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Alone { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                Kind::Busy,
                "another rotation of keys is running",
            )
            .hint("let it come to its end")),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
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
/// each lose the other's key. A key that a rotation left there, killed before any row named it, is taken.
fn with_new_key(tx: &Tx<'_>, options: &Rotate, lock: Option<&Lock>) -> Result<Ring> {
    let owner = Owner::of(&tx.place().db);
    let mut ring = tx.ring_of_now()?;
    // After a theft, a key that lay in the file is as known as the others.
    let takes_none = options.compromised
        || options.new_key_file.is_some()
        || ring_keys(tx)?.iter().any(|id| id == ring.current());
    if !takes_none && !options.moves() {
        return Ok(ring);
    }
    if takes_none {
        ring = ring.with_new_key(tx.source())?;
    }
    if let Some(form) = options.form {
        ring = ring.in_form(form);
    }
    ring = match &options.passphrase {
        NewLock::AsBefore => ring,
        NewLock::Passphrase(_) => ring.locked(lock.cloned()),
        NewLock::Nothing => ring.locked(None),
    };
    let Some(path) = &options.new_key_file else {
        ring.replace(owner, tx.source()).map_err(|error| {
            error.hint("where the key file cannot be written, --new-key-file names another one")
        })?;
        return Ok(ring);
    };
    ring = ring.at(path);
    if ring.write(owner, tx.source())? {
        return Ok(ring);
    }
    let message = format!("the key file `{}` is there already", path.display());
    Err(Error::new(Kind::Conflict, message).hint("name one that is not there yet"))
}

/// Wraps the data keys anew, and makes those that seal and chain from now on.
fn begin(
    session: &Session,
    options: &Rotate,
    lock: Option<&Lock>,
    done: &mut Rotated,
) -> Result<Ring> {
    let mut renewed = vec![Purpose::Seal, Purpose::Audit];
    if options.compromised {
        renewed.extend([Purpose::Hash, Purpose::Token]);
    }
    session.store.write(|tx| {
        let ring = with_new_key(tx, options, lock)?;
        let (vault, now, source) = (tx.vault()?, tx.now(), tx.source());
        vault.rewrap(tx.db(), &ring, source)?;
        prove_anew(tx, || {
            for purpose in &renewed {
                vault.renew(tx.db(), &ring, *purpose, now, source)?;
            }
            Ok(())
        })?;
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
                "secrets_void": done.secrets_void, "pairs_known": done.pairs_known,
            }));
        }
        append(tx, &session.who(), &entry)?;
        Ok(ring)
    })
}

/// What whoever has the old keys could test or answer is void.
fn void(tx: &Tx<'_>, done: &mut Rotated) -> Result<()> {
    challenge::void_all(tx)?;
    authenticator::void_setups(tx)?;
    recover::forget_requests(tx)?;
    outbox::forget_bodies(tx)?;
    done.recovery_codes_void = recovery::void_all(tx)?;
    done.connect_anew = authenticator::connected(tx)?;
    done.secrets_void = oauth_client::void_secrets(tx)?;
    idp::kept::void_logins(tx)?;
    done.pairs_known = idp::kept::with_own_key(tx)?;
    Ok(())
}

/// Seals anew what old keys sealed, and lets them go. Whether there was anything to do.
fn finish(session: &Session, done: &mut Rotated) -> Result<bool> {
    let store = &session.store;
    let before = done.values;
    done.broken.clear();
    store.watched("Sealing anew", None, |at| {
        for (table, column, label) in COLUMNS {
            let mut last = 0;
            while let Some(row) =
                store.write(|tx| batch(tx, (table, column, *label), last, done))?
            {
                last = row;
                at(done.values);
                // Whoever waits for the lock looks for it now and then: it must be free now and then.
                store.source().pause(BREATH);
            }
        }
        Ok(())
    })?;
    store.write(|tx| {
        let vault = tx.vault()?;
        let needed = still_named(tx)?;
        let mut gone = vault.drop_old(tx.db(), Purpose::Seal, &needed)?;
        gone += vault.drop_old(tx.db(), Purpose::Hash, &[])?;
        gone += vault.drop_old(tx.db(), Purpose::Token, &[])?;
        let did = done.values > before || gone > 0;
        if did {
            let entry = Entry::new(Event::KEY_RESEALED, Outcome::Ok)
                .detail(json!({ "values": done.values - before, "broken": done.broken.len() }));
            append(tx, &session.who(), &entry)?;
        }
        Ok(did)
    })
}

/// Seals the next values of a column anew, behind the row `last`. The last row of them; `None`: there are no more.
fn batch(
    tx: &Tx<'_>,
    (table, column, label): (&str, &str, Label),
    last: i64,
    done: &mut Rotated,
) -> Result<Option<i64>> {
    let rows = old(tx, table, column, last)?;
    for (row, sealed) in &rows {
        if reseal(tx, table, column, label, *row, sealed)? {
            done.values += 1;
        } else {
            done.broken.push(Broken {
                column: format!("{table}.{column}"),
                row: *row,
            });
        }
    }
    Ok(rows.last().map(|(row, _)| *row))
}

/// The ids of seal keys that something is still sealed with, whether or not it opens: a key goes when nothing names it.
fn still_named(tx: &Tx<'_>) -> Result<Vec<i64>> {
    let mut named = Vec::new();
    for (table, column, _) in COLUMNS {
        let mut query = tx.db().prepare(&format!(
            "SELECT DISTINCT substr({column}, 2, 4) FROM {table} WHERE {column} IS NOT NULL"
        ))?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let head = row.get_ref(0)?.as_bytes().unwrap_or_default();
            let id: Option<[u8; 4]> = head.try_into().ok();
            named.extend(id.map(|id| i64::from(u32::from_be_bytes(id))));
        }
    }
    Ok(named)
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
    label: Label,
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
    if ring.source().as_file().is_none() {
        let message = format!(
            "{} can be read only: no key goes out of it here",
            ring.source().named()
        );
        return Err(Error::new(Kind::Usage, message).hint(
            "name the file that it is made from with --key-file, and give it anew afterwards",
        ));
    }
    ask.sure(&format!(
        "The key `{id}` goes out of the key file. What it alone opens, such as older backups, opens no more."
    ))?;
    // Told before it is done: killed in between, the key is still there, and the command can be repeated.
    store.write(|tx| {
        is_retirable(tx, &tx.ring_of_now()?, id)?;
        let entry = Entry::new(Event::KEY_RETIRED, Outcome::Ok).subject(id);
        append(tx, &session.who(), &entry)
    })?;
    // Under the write lock, or a rotation could lose its new key.
    store.write(|tx| {
        let ring = tx.ring_of_now()?;
        is_retirable(tx, &ring, id)?;
        let left = ring.without(id);
        left.replace(Owner::of(&tx.place().db), tx.source())?;
        Ok(Retired {
            ring_key: id.to_owned(),
            key_file: left.source().shown(),
            ring_keys: left.ids(),
        })
    })
}

fn is_retirable(store: &Store, ring: &Ring, id: &str) -> Result<()> {
    if !ring.ids().iter().any(|have| have == id) {
        return Err(name::not_found("key", id, ring.ids(), "twofa key check"));
    }
    if ring_keys(store)?.iter().any(|named| named == id) || ring.current() == id {
        let message = format!("the key `{id}` is in use: it opens this store");
        return Err(Error::new(Kind::InUse, message)
            .hint("`twofa key rotate` puts another one in its place first"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
