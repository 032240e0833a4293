//! Files of their owner alone: complete or not at all, and durable once they have their name.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// The directory that `path` is in; `.` for a bare name.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|directory| !directory.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// `path` with `suffix` after its whole name, as `SQLite` names its log.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
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
    pub(crate) fn owns(self, file: &fs::File) -> io::Result<()> {
        #[cfg(unix)]
        std::os::unix::fs::fchown(file, Some(self.uid), Some(self.gid))?;
        #[cfg(not(unix))]
        let _ = file;
        Ok(())
    }
}

/// Makes a directory, 0700, with those above it that are absent, durable as the files are that it is made for, and gives
/// what it made to `owner`, as only root can. What is there already stays whose it is.
///
/// # Errors
/// What the system says.
pub fn make_private_directory(directory: &Path, owner: Option<Owner>) -> io::Result<()> {
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
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => continue,
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
        // Its own name is durable before anything in it is said to be.
        sync_directory(directory_of(path))?;
    }
    Ok(())
}

/// How the names of files begin that are not whole yet.
pub(crate) const UNFINISHED: &str = ".twofa-unfinished-";

/// A file of mode 0600 that has its name only when it is whole. Dropped before, it leaves nothing.
#[derive(Debug)]
pub struct PrivateFile<'a> {
    path: &'a Path,
    file: NamedTempFile,
}

impl<'a> PrivateFile<'a> {
    /// Begins the file that is to be `path`, under a hidden name beside it.
    ///
    /// # Errors
    /// What the system says of the directory; [`io::ErrorKind::IsADirectory`] where `path` is one.
    pub fn begin(path: &'a Path) -> io::Result<PrivateFile<'a>> {
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // tempfile makes its files 0600.
        let file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(directory_of(path))?;
        Ok(PrivateFile { path, file })
    }

    /// The name it has until then.
    pub(crate) fn hidden(&self) -> &Path {
        self.file.path()
    }

    /// Adds to its contents.
    ///
    /// # Errors
    /// What the system says.
    pub fn fill(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Gives it to an account, if one is named.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn give_to(&self, owner: Option<Owner>) -> io::Result<()> {
        owner.map_or(Ok(()), |owner| owner.owns(self.file.as_file()))
    }

    /// Gives it its name, in the place of whatever has that: an empty file of ours that kept it, or what it is to replace.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn replace(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(self.path)?;
        keep_name(self.path)
    }

    /// Gives it its name, where nothing else may have it.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::AlreadyExists`].
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist_noclobber(self.path)?;
        keep_name(self.path)
    }
}

/// Makes a name durable that a file has got. Where that fails the file is there all the same, which is said: somebody
/// may have found it already, and it is not taken away again.
fn keep_name(path: &Path) -> io::Result<()> {
    sync_directory(directory_of(path)).map_err(|error| {
        let message = format!(
            "it is there and whole, but its directory could not be synced, and a loss of power may take it away: {error}"
        );
        io::Error::new(error.kind(), message)
    })
}

/// Lets everybody read what only its owner could.
///
/// # Errors
/// What the system says.
pub fn open_to_readers(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Writes a file that everybody may read: whole, in the place of what had its name, or not at all.
///
/// # Errors
/// What the system says.
pub fn publish(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = PrivateFile::begin(path)?;
    file.fill(bytes)?;
    open_to_readers(file.hidden())?;
    file.replace()
}

/// Makes a rename durable. Directories cannot be opened for that on Windows, which needs none of it.
///
/// # Errors
/// What the system says.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) {
        fs::File::open(directory)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_private_and_alone_or_absent() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("code.svg");
        let names = || fs::read_dir(directory.path()).unwrap().count();
        let begun = |bytes: &[u8]| {
            let mut file = PrivateFile::begin(&path).unwrap();
            file.fill(bytes).unwrap();
            file
        };
        drop(begun(b"never"));
        assert_eq!(names(), 0);
        begun(b"first").finish().unwrap();
        assert_eq!(
            begun(b"second").finish().unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(PrivateFile::begin(directory.path()).is_err());
    }

    #[test]
    fn what_is_published_is_read_by_everybody_and_replaces_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("twofa.8");
        fs::write(&path, b"a longer text that was there before").unwrap();
        publish(&path, b"a page").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a page");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        }
        // A directory is not replaced, and nothing is left behind.
        assert!(publish(directory.path(), b"a page").is_err());
        assert!(publish(&path.join("below"), b"a page").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_bare_name_is_in_this_directory() {
        for (path, directory) in [("a", "."), ("a/b", "a"), ("/a", "/"), ("./a", ".")] {
            assert_eq!(directory_of(Path::new(path)), Path::new(directory));
        }
        assert_eq!(
            with_suffix(Path::new("a/b.db"), "-wal"),
            Path::new("a/b.db-wal")
        );
    }
}
