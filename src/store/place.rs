//! Where a store is, and who owns it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::files::{Owner, directory_of, with_suffix};
use crate::name::visible;
use crate::vault::KeySource;

/// Where a store and its keys are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The `SQLite` file.
    pub db: PathBuf,
    /// Where its keys come from.
    pub key: KeySource,
}

/// A file or directory of the store that others than its owner may read or write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loose {
    /// Its path.
    pub file: String,
    /// Its mode, in octal.
    pub mode: String,
    /// Whether it is a directory.
    #[serde(skip)]
    pub directory: bool,
}

impl Place {
    /// Which of the store, its log and its key have a mode looser than 0600, and which of their directories others may
    /// write into.
    #[must_use]
    pub(crate) fn loose(&self) -> Vec<Loose> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let logs = ["-wal", "-shm"].map(|suffix| with_suffix(&self.db, suffix));
            let mut files = vec![self.db.as_path(), &logs[0], &logs[1]];
            files.extend(self.key.as_file());
            files
                .into_iter()
                .map(|path| (path, 0o077))
                .chain(self.directories().into_iter().map(|path| (path, 0o022)))
                .filter_map(|(path, others)| {
                    let found = path.metadata().ok()?;
                    let mode = found.permissions().mode() & 0o7777;
                    (mode & others != 0).then(|| Loose {
                        file: path.display().to_string(),
                        mode: format!("{mode:04o}"),
                        directory: found.is_dir(),
                    })
                })
                .collect()
        }
        #[cfg(not(unix))]
        Vec::new()
    }

    /// The store of a whole machine.
    pub const SYSTEM: &'static str = "/var/lib/twofa/twofa.db";

    /// A store at `db`; its keys are in the file `db` + `.key` unless `key` says otherwise.
    #[must_use]
    pub fn new(db: PathBuf, key: Option<KeySource>) -> Place {
        let key = key.unwrap_or_else(|| KeySource::file(with_suffix(&db, ".key")));
        Place { db, key }
    }

    /// The store, and the key file where it is ours to look after.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.db.as_path()).chain(self.key.as_file())
    }

    /// The directories of those, each once.
    pub(crate) fn directories(&self) -> Vec<&Path> {
        let mut directories: Vec<&Path> = self.files().map(directory_of).collect();
        directories.dedup();
        directories
    }
}

/// Whether there is nothing in the log of a store.
pub(super) fn log_is_empty(path: &Path) -> bool {
    std::fs::metadata(with_suffix(path, "-wal")).map_or(true, |file| file.len() == 0)
}

/// `file:PATH?immutable=1`, with the characters that mean something in a URI escaped (`SQLite`, "Uniform Resource
/// Identifiers", section 3.1).
pub(super) fn immutable_uri(path: &Path) -> String {
    let escaped = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    format!("file:{escaped}?immutable=1")
}

/// The id of the account that owns a file; `None` where accounts have no such ids, or the file cannot be looked at.
#[must_use]
pub fn owner_of(path: &Path) -> Option<u32> {
    Owner::of(path).map(|owner| owner.uid)
}

/// The name of an account of this machine.
#[must_use]
pub(crate) fn account_name(id: u32) -> Option<String> {
    #[cfg(unix)]
    {
        nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(id))
            .ok()
            .flatten()
            .map(|user| user.name)
    }
    #[cfg(not(unix))]
    {
        let _ = id;
        None
    }
}

/// The user and group ids of an account of this machine.
///
/// # Errors
/// [`Kind::NotFound`] when there is no such account, or accounts have no ids here.
pub fn account(name: &str) -> Result<Owner> {
    #[cfg(unix)]
    if let Ok(Some(user)) = nix::unistd::User::from_name(name) {
        return Ok(Owner {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        });
    }
    Err(Error::new(
        Kind::NotFound,
        format!("this machine has no account `{}`", visible(name)),
    ))
}
