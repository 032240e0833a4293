//! Which stores this process has open.
//!
//! When a process closes any descriptor of a file, the system drops every lock it holds on that file (POSIX,
//! `fcntl`): `SQLite`'s too. So nobody opens a store's file past `SQLite` while a connection to it is open.

use std::path::Path;

use crate::error::Result;

/// A store counts as open as long as this lives: a connection goes before it.
pub(super) struct Opened {
    #[cfg(unix)]
    file: Option<File>,
}

/// Device and number of a file.
#[cfg(unix)]
type File = (u64, u64);

#[cfg(unix)]
static OPEN: std::sync::Mutex<Vec<File>> = std::sync::Mutex::new(Vec::new());

impl Opened {
    /// Counts the store at `path` as open. Only for the first of this process is it looked at with `check`, which may
    /// open the file.
    ///
    /// # Errors
    /// Those of `check`.
    pub(super) fn begin(path: &Path, check: impl FnOnce(&Path) -> Result<()>) -> Result<Opened> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            // Held while the file is looked at: nobody else connects to it meanwhile.
            let mut open = OPEN
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let file = path.metadata().ok().map(|found| (found.dev(), found.ino()));
            if !file.is_some_and(|file| open.contains(&file)) {
                check(path)?;
            }
            open.extend(file);
            Ok(Opened { file })
        }
        #[cfg(not(unix))]
        check(path).map(|()| Opened {})
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(file) = self.file {
            let mut open = OPEN
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(at) = open.iter().position(|one| *one == file) {
                open.swap_remove(at);
            }
        }
    }
}
