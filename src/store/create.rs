//! Making a store: all of it, or nothing.
//!
//! First the key file becomes durable; then the store is built under a temporary name, its keys wrapped by what stands
//! in that file, and gets its name last. A command killed in between leaves at most a key file that no store names, and
//! the next `init` uses it: a key is never written over, and a store neither. Of several at once one is first with the
//! key and one with the store, and both fit.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use rusqlite::{Connection, named_params};

use super::opened::Opened;
use super::{APPLICATION_ID, Place, SCHEMA, VERSION};
use crate::clock::Source;
use crate::error::{Error, Kind, Result};
use crate::files::{Owner, PrivateFile, UNFINISHED, directory_of, make_private_directory};
use crate::vault::{Form, Ring, Vault};

/// Given the database, the store's id and its keys: the log knows the store, and the store does not know the log.
pub(crate) type Begin = fn(&Connection, &str, &Vault) -> Result<()>;

/// What [`create`] found or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// The store was made.
    New,
    /// There was one; it is as it was.
    Existing,
}

/// How a new key file is written.
#[derive(Debug, Clone, Default)]
pub struct NewKeys {
    /// In this form; without one, a key a line.
    pub form: Option<Form>,
    /// Locked with a passphrase, which is asked for.
    pub locked: bool,
}

/// Makes an empty store and its key file, mode 0600, in a directory that is made too (0700) if it is absent. What is
/// made belongs to `owner`. The first administrator is not in it yet. `begin` writes what else a new store begins with:
/// the head of its audit log.
///
/// # Errors
/// [`Kind::Io`], [`Kind::Storage`]; [`Kind::KeyMissing`] for an existing store without its key: never a new key.
pub(crate) fn create(
    place: &Place,
    keys: &NewKeys,
    owner: Option<Owner>,
    source: &dyn Source,
    begin: Begin,
) -> Result<Created> {
    let existing = || {
        Opened::begin(&place.db, super::check_header)?;
        Ring::read(&place.key)?;
        Ok(Created::Existing)
    };
    let directory = directory_of(&place.db);
    for directory in place.directories() {
        remove_unfinished(directory, source);
    }
    if place.db.exists() {
        return existing();
    }
    for directory in place.directories() {
        make_private_directory(directory, owner).map_err(|error| {
            Error::new(
                Kind::Io,
                format!("cannot make the directory `{}`", directory.display()),
            )
            .because(error)
        })?;
    }
    let failed = |error: std::io::Error| {
        Error::new(
            Kind::Io,
            format!("cannot make a store in `{}`", directory.display()),
        )
        .because(error)
    };
    // Where others give the keys they are taken as they are: a new one that nobody keeps would be lost with the process.
    if place.key.as_file().is_some_and(|file| !file.exists()) {
        let lock = keys
            .locked
            .then(|| place.key.new_lock(source))
            .transpose()?;
        let ring = Ring::generate(&place.key, source)?.locked(lock);
        let form = keys.form.unwrap_or(Form::Lines);
        ring.in_form(form).write(owner, source)?;
    }
    // Read back: another may have been first, and a store is wrapped by the key that stands there.
    let ring = Ring::read(&place.key)?;
    let file = PrivateFile::begin(&place.db).map_err(failed)?;
    fill(file.hidden(), &ring, source, begin)?;
    file.give_to(owner).map_err(failed)?;
    match file.finish() {
        Ok(()) => Ok(Created::New),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => existing(),
        Err(error) => Err(failed(error)),
    }
}

/// Nothing that is not finished by then is still at work: neither `init` nor a copy of a large store takes so long.
const LEFT_BEHIND: Duration = Duration::from_secs(3_600);

/// Removes what a command that was killed long ago left unfinished. It is no harm if it stays.
pub(crate) fn remove_unfinished(directory: &Path, source: &dyn Source) {
    let now = u64::try_from(source.now().0).map(|now| UNIX_EPOCH + Duration::from_secs(now));
    let (Ok(now), Ok(entries)) = (now, std::fs::read_dir(directory)) else {
        return;
    };
    for entry in entries.flatten() {
        let old = || {
            let found = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            now.duration_since(found.modified().ok()?).ok()
        };
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED)
            && old().is_some_and(|age| age > LEFT_BEHIND)
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a store is made here and opened in the parent module"
)]
fn fill(path: &Path, ring: &Ring, source: &dyn Source, begin: Begin) -> Result<()> {
    let db = Connection::open(path)?;
    let now = source.now();
    // The log would lie under the temporary name; WAL is switched on last, when there is nothing left to log.
    db.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL; BEGIN")?;
    db.execute_batch(SCHEMA)?;
    let mut id = [0u8; 16];
    source.fill(&mut id)?;
    let id = HEXLOWER.encode(&id);
    db.execute(
        "INSERT INTO store (id, store_id, created_at) VALUES (1, :id, :now)",
        named_params! { ":id": id, ":now": now },
    )?;
    db.execute(
        "UPDATE \"group\" SET created_at = :now",
        named_params! { ":now": now },
    )?;
    let vault = Vault::create(&db, &id, ring, now, source)?;
    begin(&db, &id, &vault)?;
    db.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT"
    ))?;
    log_on(db)
}

/// Switches a store's log on, and closes it.
fn log_on(db: Connection) -> Result<()> {
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Error::new(
            Kind::Storage,
            "this file system cannot hold a store: it has no shared memory for SQLite's log",
        )
        .hint("put the store on a local file system"));
    }
    db.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// Switches the log on of a store that lies under a hidden name, before it gets its own.
///
/// # Errors
/// [`Kind::Storage`].
#[expect(
    clippy::disallowed_methods,
    reason = "a store is made here and opened in the parent module"
)]
pub(super) fn use_log(path: &Path) -> Result<()> {
    log_on(Connection::open(path)?)
}
