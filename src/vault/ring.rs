//! The key file: the wrapping keys, and how it is read and written.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use super::Key;
use crate::clock::Source;
use crate::error::{Error, Kind, Result};
use crate::files::{Owner, PrivateFile};

/// The longest key file that is read: a line for each key is under a hundred bytes.
pub(super) const LONGEST_FILE: usize = 64 * 1024;

/// The key file: wrapping keys by id, the first current.
pub(crate) struct Ring {
    pub(super) path: PathBuf,
    pub(super) keys: Vec<(String, Key)>,
}

const RING_HEAD: &str = "\
# twofa key file. Without it every authenticator app, recovery code, mailbox password and user password of the store
# is lost: keep a copy in a safe place, apart from the store's backups. One key a line; the first is the current one.
";

impl Ring {
    /// Makes a ring of one new key. Nothing is written.
    ///
    /// # Errors
    /// [`Kind::Io`] when the system gives no randomness.
    pub(crate) fn generate(path: &Path, source: &dyn Source) -> Result<Ring> {
        let mut id = [0u8; 4];
        source.fill(&mut id)?;
        let mut key = Zeroizing::new([0u8; 32]);
        source.fill(key.as_mut())?;
        Ok(Ring {
            path: path.to_owned(),
            keys: vec![(HEXLOWER.encode(&id), key)],
        })
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// [`Kind::KeyMissing`] when it is absent or unreadable, [`Kind::KeyWrong`] when it is not a key file.
    pub(crate) fn read(path: &Path) -> Result<Ring> {
        let shown = path.display();
        // Room for all of it at once: a buffer that grows leaves copies of the keys behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST_FILE + 64));
        let read = fs::File::open(path)
            .and_then(|file| file.take(LONGEST_FILE as u64 + 1).read_to_end(&mut bytes));
        let text = match read {
            // Cut short, it could lose the key that is looked for.
            Ok(length) if length > LONGEST_FILE => {
                return Err(Error::new(
                    Kind::KeyWrong,
                    format!(
                        "`{shown}` is longer than a twofa key file can be ({LONGEST_FILE} bytes)"
                    ),
                )
                .hint("name the right one with --key-file"));
            }
            Ok(_) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::new(Kind::KeyMissing, format!("the key file `{shown}` is missing"))
                    .hint("put its copy back, or name it with --key-file; a new key cannot open what the old one sealed"));
            }
            Err(error) => {
                return Err(Error::new(
                    Kind::KeyMissing,
                    format!("the key file `{shown}` cannot be read"),
                )
                .because(error)
                .hint("run the command as the store's owner"));
            }
        };
        Ring::parse(path, &text)
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// [`Kind::KeyWrong`] with the line.
    pub(crate) fn parse(path: &Path, text: &[u8]) -> Result<Ring> {
        let shown = path.display();
        let wrong = |line: usize| {
            Error::new(
                Kind::KeyWrong,
                format!("`{shown}` is not a twofa key file (line {line})"),
            )
            .hint("name the right one with --key-file")
        };
        let text = std::str::from_utf8(text).map_err(|_| wrong(1))?;
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let ["twofa-key-1", id, encoded] = words.as_slice() else {
                return Err(wrong(number + 1));
            };
            let bytes = Zeroizing::new(
                BASE64
                    .decode(encoded.as_bytes())
                    .map_err(|_| wrong(number + 1))?,
            );
            let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| wrong(number + 1))?;
            keys.push(((*id).to_owned(), Zeroizing::new(key)));
        }
        if keys.is_empty() {
            return Err(wrong(1));
        }
        Ok(Ring {
            path: path.to_owned(),
            keys,
        })
    }

    /// This ring with a new key before the others. Nothing is written.
    ///
    /// # Errors
    /// [`Kind::Io`] when the system gives no randomness.
    pub(crate) fn with_new_key(&self, source: &dyn Source) -> Result<Ring> {
        let mut ring = Ring::generate(&self.path, source)?;
        ring.keys.extend(self.keys.iter().cloned());
        Ok(ring)
    }

    /// This ring without one of its keys. Nothing is written.
    pub(crate) fn without(&self, id: &str) -> Ring {
        let others = self.keys.iter().filter(|(have, _)| have != id);
        Ring {
            path: self.path.clone(),
            keys: others.cloned().collect(),
        }
    }

    /// The same keys in another file.
    pub(crate) fn at(self, path: &Path) -> Ring {
        Ring {
            path: path.to_owned(),
            keys: self.keys,
        }
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The ids of its keys, the current one first.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.keys.iter().map(|(id, _)| id.clone()).collect()
    }

    /// Writes the key file by temporary file, fsync and rename, mode 0600, and gives it to `owner`. One that is there
    /// already stays; the answer is whether this one was written.
    ///
    /// # Errors
    /// [`Kind::Io`].
    pub(crate) fn write(&self, owner: Option<Owner>) -> Result<bool> {
        let file = self.begin(&self.path, owner)?;
        match file.finish() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(self.not_written(error)),
        }
    }

    /// Writes the key file in the place of the one that is there.
    ///
    /// # Errors
    /// [`Kind::Io`].
    pub(crate) fn replace(&self, owner: Option<Owner>) -> Result<()> {
        // A link leads to where the keys are kept: there they stay.
        let target = fs::canonicalize(&self.path).map_err(|error| self.not_written(error))?;
        let file = self.begin(&target, owner)?;
        file.replace().map_err(|error| self.not_written(error))
    }

    /// The file with its contents, before it has its name.
    fn begin<'p>(&self, path: &'p Path, owner: Option<Owner>) -> Result<PrivateFile<'p>> {
        let mut text = Zeroizing::new(String::from(RING_HEAD));
        for (id, key) in &self.keys {
            let encoded = Zeroizing::new(BASE64.encode(key.as_ref()));
            text.push_str(&format!("twofa-key-1 {id} {}\n", encoded.as_str()));
        }
        let failed = |error| self.not_written(error);
        let mut file = PrivateFile::begin(path).map_err(failed)?;
        file.fill(text.as_bytes()).map_err(failed)?;
        file.give_to(owner).map_err(failed)?;
        Ok(file)
    }

    fn not_written(&self, error: std::io::Error) -> Error {
        let message = format!("cannot write the key file `{}`", self.path.display());
        Error::new(Kind::Io, message).because(error)
    }

    /// The id of the current wrapping key.
    #[must_use]
    pub(crate) fn current(&self) -> &str {
        &self.keys[0].0
    }

    pub(super) fn key(&self, id: &str) -> Option<&Key> {
        self.keys
            .iter()
            .find(|(have, _)| have == id)
            .map(|(_, key)| key)
    }
}
