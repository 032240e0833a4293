//! Where a store is, and who owns it.

use serde::Serialize;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::Result;

/// The paths of a store and its key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The `SQLite` file.
    pub db: PathBuf,
    /// The key file.
    pub key: PathBuf,
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
    pub fn loose(&self) -> Vec<Loose> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let beside = |suffix: &str| {
                let mut path = self.db.as_os_str().to_owned();
                path.push(suffix);
                PathBuf::from(path)
            };
            let mut directories = [&self.db, &self.key]
                .map(|path| directory_of(path))
                .to_vec();
            directories.dedup();
            let files = [
                self.db.clone(),
                beside("-wal"),
                beside("-shm"),
                self.key.clone(),
            ];
            files
                .iter()
                .map(|path| (path.as_path(), 0o077))
                .chain(directories.into_iter().map(|path| (path, 0o022)))
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

    /// A store at `db`; its key is `db` + `.key` unless `key` names another.
    #[must_use]
    pub fn new(db: PathBuf, key: Option<PathBuf>) -> Place {
        let key = key.unwrap_or_else(|| {
            let mut path = db.as_os_str().to_owned();
            path.push(".key");
            PathBuf::from(path)
        });
        Place { db, key }
    }
}

/// The directory a file is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|directory| !directory.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The account that files are given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}

impl Owner {
    /// The account a file belongs to; `None` where accounts have no such ids, or the file cannot be looked at.
    #[must_use]
    pub fn of(path: &Path) -> Option<Owner> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let file = fs::metadata(path).ok()?;
            Some(Owner {
                uid: file.uid(),
                gid: file.gid(),
            })
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            None
        }
    }

    /// Gives an open file to the account.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn owns(self, file: &File) -> std::io::Result<()> {
        #[cfg(unix)]
        std::os::unix::fs::fchown(file, Some(self.uid), Some(self.gid))?;
        #[cfg(not(unix))]
        let _ = file;
        Ok(())
    }
}

/// Makes a directory, 0700, with those above it that are absent, and gives what it made to `owner`, as only
/// root can. What is there already stays whose it is.
///
/// # Errors
/// What the system says.
pub(crate) fn make_directory(directory: &Path, owner: Option<Owner>) -> std::io::Result<()> {
    let absent: Vec<&Path> = directory
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.is_dir())
        .collect();
    for path in absent.into_iter().rev() {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(path) {
            Ok(()) => {}
            // Somebody else made it a moment ago, and it is theirs; a file or a dangling link of that name is an error.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => continue,
            Err(error) => return Err(error),
        }
        #[cfg(unix)]
        if let Some(owner) = owner
            && nix::unistd::geteuid().is_root()
        {
            // Not through a link, should one have taken its place.
            std::os::unix::fs::lchown(path, Some(owner.uid), Some(owner.gid))?;
        }
        #[cfg(not(unix))]
        let _ = owner;
    }
    Ok(())
}

/// The id of the account that owns a file; `None` where accounts have no such ids, or the file cannot be looked at.
#[must_use]
pub fn owner_of(path: &Path) -> Option<u32> {
    Owner::of(path).map(|owner| owner.uid)
}

/// The name of an account of this machine.
#[must_use]
pub fn account_name(id: u32) -> Option<String> {
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
pub fn account(name: &str) -> Result<Owner> {
    #[cfg(unix)]
    if let Ok(Some(user)) = nix::unistd::User::from_name(name) {
        return Ok(Owner {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        });
    }
    Err(crate::error::Error::new(
        crate::error::Kind::NotFound,
        format!(
            "this machine has no account `{}`",
            crate::name::visible(name)
        ),
    ))
}
