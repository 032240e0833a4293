//! Where a store is, and who owns it.

use serde::Serialize;

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::files::with_suffix;

/// The paths of a store and its key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The `SQLite` file.
    pub db: PathBuf,
    /// The key file.
    pub key: PathBuf,
}

/// A file of the store that others than its owner may read or write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loose {
    /// Its path.
    pub file: String,
    /// Its mode, in octal.
    pub mode: String,
}

impl Place {
    /// Which of the store and its key have a mode looser than 0600.
    #[must_use]
    pub(crate) fn loose(&self) -> Vec<Loose> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| {
                path.metadata()
                    .map(|file| file.permissions().mode() & 0o7777)
            };
            [&self.db, &self.key]
                .into_iter()
                .filter_map(|path| Some((path, mode(path).ok()?)))
                .filter(|(_, mode)| mode & 0o077 != 0)
                .map(|(path, mode)| Loose {
                    file: path.display().to_string(),
                    mode: format!("{mode:04o}"),
                })
                .collect()
        }
        #[cfg(not(unix))]
        Vec::new()
    }

    /// The store of a whole machine.
    pub const SYSTEM: &'static str = "/var/lib/twofa/twofa.db";

    /// A store at `db`; its key is `db` + `.key` unless `key` names another.
    #[must_use]
    pub fn new(db: PathBuf, key: Option<PathBuf>) -> Place {
        let key = key.unwrap_or_else(|| with_suffix(&db, ".key"));
        Place { db, key }
    }
}

/// The id of the account that owns a file; `None` where accounts have no such ids, or the file cannot be looked at.
#[must_use]
pub fn owner_of(path: &Path) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(path).ok().map(|file| file.uid())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
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
/// [`crate::error::Kind::NotFound`] when there is no such account, or accounts have no ids here.
pub(crate) fn account_id(name: &str) -> Result<(u32, u32)> {
    #[cfg(unix)]
    if let Ok(Some(user)) = nix::unistd::User::from_name(name) {
        return Ok((user.uid.as_raw(), user.gid.as_raw()));
    }
    Err(crate::error::Error::new(
        crate::error::Kind::NotFound,
        format!(
            "this machine has no account `{}`",
            crate::name::visible(name)
        ),
    ))
}
