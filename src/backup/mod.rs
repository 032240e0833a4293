//! Backups: one moment of a store in a file of its own, and the way back.
//!
//! A backup holds everything but the key file: sealed values stay sealed, and without the ring keys it names nobody reads
//! them. It is whole and checked before it has its name, and never takes the place of another file. The way back is
//! [`restore()`]: it brings nothing to life that was consumed, and says what it could not know.

mod merge;
mod restore;

use std::io::Read as _;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use self::restore::{Live, Restored, Wanted, restore};

use crate::actor::Session;
use crate::audit;
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::files::{Owner, PrivateFile, directory_of};
use crate::sealed::ring_keys;
use crate::store::{Place, open_copy, remove_unfinished};

/// What was copied. Its keys are never left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// The file.
    pub file: String,
    /// The store it is of.
    pub store_id: String,
    /// The newest event in it.
    pub seq: i64,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Ids of the keys of the key file that open it.
    pub ring_keys: Vec<String>,
    /// When it was made.
    pub at: Time,
}

/// Copies the store into a file that is not there yet.
///
/// # Errors
/// [`Kind::Conflict`] when it is; [`Kind::Storage`] for a store that is damaged; [`Kind::Io`].
pub fn backup(session: &Session, path: &Path) -> Result<BackedUp> {
    let store = &session.store;
    let shown = path.display();
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            taken(path)
        } else {
            Error::new(Kind::Io, format!("cannot write `{shown}`")).because(error)
        }
    };
    // A link that leads nowhere is there too.
    if path.symlink_metadata().is_ok() {
        return Err(taken(path));
    }
    remove_unfinished(directory_of(path), store.source());
    let file = PrivateFile::begin(path).map_err(failed)?;
    file.give_to(Owner::of(&store.place().db)).map_err(failed)?;
    let at = store.now();
    let head = {
        let _moment = store.db().moment()?;
        let head = audit::end(store)?;
        store.copy_to(file.hidden())?;
        head
    };
    check(session, file.hidden(), &head)?;
    let (bytes, sha256) = digest(file.hidden()).map_err(failed)?;
    let answer = BackedUp {
        file: shown.to_string(),
        store_id: store.id().to_owned(),
        seq: head.seq,
        bytes,
        sha256,
        ring_keys: ring_keys(store)?,
        at,
    };
    file.finish().map_err(failed)?;
    Ok(answer)
}

fn taken(path: &Path) -> Error {
    let message = format!("`{}` is there already", path.display());
    Error::new(Kind::Conflict, message)
        .hint("a backup never takes the place of another file: name another one")
}

/// Opens the copy as anybody would: it must be whole, and of the store and the moment it was made of.
fn check(session: &Session, path: &Path, head: &audit::End) -> Result<()> {
    let store = &session.store;
    let place = Place::new(path.to_owned(), Some(store.place().key.clone()));
    let copy = open_copy(&place, false, store.shared_source())?;
    if let Some(damage) = copy.damage(true)? {
        let message = format!("the store is damaged, and so would be its backup: {damage}");
        return Err(Error::new(Kind::Storage, message).hint("restore an earlier backup"));
    }
    if copy.id() != store.id() || audit::end(&copy)? != *head {
        return Err(Error::new(Kind::Storage, "the copy is not what was copied"));
    }
    Ok(())
}

/// The length of a file and its SHA-256, in hex. No connection to it may be open.
fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = std::fs::File::open(path)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut piece = vec![0u8; 64 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok((bytes, HEXLOWER.encode(&hash.finalize()))),
            length => {
                hash.update(&piece[..length]);
                bytes += length as u64;
            }
        }
    }
}
