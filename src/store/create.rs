//! Making a store: all of it, or nothing.
//!
//! The file is built under a temporary name with its keys already wrapped; then the key file becomes durable, and last
//! the store gets its name. A command killed in between leaves at most a key file that no store names, and the next
//! `init` uses it: a key is never written over.

use std::path::Path;

use data_encoding::HEXLOWER;
use rusqlite::{Connection, named_params};

use super::{APPLICATION_ID, Place, SCHEMA, VERSION};
use crate::clock::Source;
use crate::error::{Error, Kind, Result};
use crate::files::{PrivateFile, directory_of, make_private_directory};
use crate::vault::{Ring, Vault};

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

/// Makes an empty store and its key file, mode 0600, in a directory that is made too (0700) if it is absent. The first
/// administrator is not in it yet. `begin` writes what else a new store begins with: the head of its audit log.
///
/// # Errors
/// [`Kind::Io`], [`Kind::Storage`]; [`Kind::KeyMissing`] for an existing store without its key: never a new key.
pub(crate) fn create(place: &Place, source: &dyn Source, begin: Begin) -> Result<Created> {
    if place.db.exists() {
        super::check_header(&place.db)?;
        Ring::read(&place.key)?;
        return Ok(Created::Existing);
    }
    let directory = directory_of(&place.db);
    make_directory(directory)?;
    make_directory(directory_of(&place.key))?;
    let failed = |error: std::io::Error| {
        Error::new(
            Kind::Io,
            format!("cannot make a store in `{}`", directory.display()),
        )
        .because(error)
    };
    let ring = if place.key.exists() {
        Ring::read(&place.key)?
    } else {
        Ring::generate(&place.key, source)?
    };
    let file = PrivateFile::begin(&place.db).map_err(failed)?;
    fill(file.hidden(), &ring, source, begin)?;
    if !place.key.exists() {
        ring.write()?;
    }
    file.finish_new().map_err(failed)?;
    Ok(Created::New)
}

fn make_directory(directory: &Path) -> Result<()> {
    make_private_directory(directory).map_err(|error| {
        Error::new(
            Kind::Io,
            format!("cannot make the directory `{}`", directory.display()),
        )
        .because(error)
    })
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
