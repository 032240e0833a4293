//! Where a ring comes from. One type answers for every place, so that whoever reads, names or writes keys asks it and knows
//! no cases.
//!
//! A *file* is ours: it is made, replaced, and its mode and owner are looked after. A *credential* is what systemd hands to
//! a service (`LoadCredential=`, `LoadCredentialEncrypted=`): a file in a directory that only the service can read, which
//! systemd makes and takes away, so that neither its mode nor its owner is ours to judge. The *environment* holds a ring in
//! one line, as an environment file gives it. The last two are read and never written: new keys go into a new file.
//! What any of them holds may be locked with a passphrase ([`super::lock`]).

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::lock::{Lock, Passphrase};
use super::ring;
use crate::clock::Source;
use crate::error::{Error, Kind, Result};
use crate::name::visible;
use crate::secret::Secret;

/// The variable that holds a ring.
pub const KEY_VARIABLE: &str = "TWOFA_KEY";
/// How a credential is named where a file could be.
pub const CREDENTIAL: &str = "credential:";

/// The longest ring that is read: a line for each key is under a hundred bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// Where a ring comes from, and how its passphrase is come by if it is locked.
#[derive(Debug, Clone)]
pub struct KeySource {
    origin: Origin,
    passphrase: Passphrase,
}

#[derive(Debug, Clone)]
enum Origin {
    File(PathBuf),
    Credential {
        name: String,
        /// None: this process was given no credentials.
        directory: Option<PathBuf>,
    },
    Environment(Secret),
}

impl KeySource {
    fn of(origin: Origin) -> KeySource {
        KeySource {
            origin,
            passphrase: Passphrase::default(),
        }
    }

    /// A key file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> KeySource {
        KeySource::of(Origin::File(path.into()))
    }

    /// A credential of a systemd service; `directory` is what `CREDENTIALS_DIRECTORY` says.
    ///
    /// # Errors
    /// [`Kind::Usage`] for what cannot be the name of one: it is one name, and no way into another directory.
    pub fn credential(name: &str, directory: Option<PathBuf>) -> Result<KeySource> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
            return Err(Error::new(
                Kind::Usage,
                format!("`{}` cannot be the name of a credential", visible(name)),
            )
            .hint(format!(
                "write {CREDENTIAL}NAME, as the unit has it: LoadCredential=NAME:FILE"
            )));
        }
        Ok(KeySource::of(Origin::Credential {
            name: name.to_owned(),
            directory: directory.filter(|path| path.is_absolute()),
        }))
    }

    /// What stands in the variable of the environment.
    #[must_use]
    pub fn environment(ring: Secret) -> KeySource {
        KeySource::of(Origin::Environment(ring))
    }

    /// The same source, with the passphrase of its ring if that is locked.
    #[must_use]
    pub fn with_passphrase(self, passphrase: Passphrase) -> KeySource {
        KeySource { passphrase, ..self }
    }

    /// The file at `path`, with the same passphrase.
    pub(super) fn moved_to(&self, path: &Path) -> KeySource {
        KeySource::file(path).with_passphrase(self.passphrase.clone())
    }

    /// A lock for a new ring, with a passphrase that is asked for.
    ///
    /// # Errors
    /// Those of asking, and of [`Lock::new`].
    pub(crate) fn new_lock(&self, source: &dyn Source) -> Result<Lock> {
        Lock::new(&self.passphrase.choose(&self.named())?, source)
    }

    /// How its passphrase is come by.
    pub(super) fn passphrase(&self) -> &Passphrase {
        &self.passphrase
    }

    /// The file that is ours to look after and to write; none where others give the keys.
    #[must_use]
    pub fn as_file(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File(path) => Some(path),
            Origin::Credential { .. } | Origin::Environment(_) => None,
        }
    }

    /// Whether it is the environment.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        matches!(self.origin, Origin::Environment(_))
    }

    /// The name of the credential, if it is one.
    #[must_use]
    pub fn as_credential(&self) -> Option<&str> {
        match &self.origin {
            Origin::Credential { name, .. } => Some(name),
            Origin::File(_) | Origin::Environment(_) => None,
        }
    }

    /// Its name in an answer: a path, `credential:NAME`, or the variable.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.origin {
            Origin::File(path) => path.display().to_string(),
            Origin::Credential { name, .. } => format!("{CREDENTIAL}{name}"),
            Origin::Environment(_) => KEY_VARIABLE.to_owned(),
        }
    }

    /// Its name in a sentence: "the key file `x`".
    #[must_use]
    pub fn named(&self) -> String {
        match &self.origin {
            Origin::File(_) => format!("the key file {}", self.quoted()),
            Origin::Credential { .. } | Origin::Environment(_) => self.quoted(),
        }
    }

    /// Its name where the sentence says itself what a file should be.
    pub(super) fn quoted(&self) -> String {
        match &self.origin {
            Origin::File(path) => format!("`{}`", path.display()),
            Origin::Credential { name, .. } => format!("the credential `{}`", visible(name)),
            Origin::Environment(_) => format!("the variable {KEY_VARIABLE}"),
        }
    }

    /// What to do about keys that are not the right ones.
    #[must_use]
    pub(crate) fn right_one(&self) -> String {
        match &self.origin {
            Origin::File(_) => "name the right key file with --key-file".to_owned(),
            Origin::Credential { name, .. } => format!(
                "give the service the right one: LoadCredential={}:FILE; or name a key file with --key-file",
                visible(name)
            ),
            Origin::Environment(_) => {
                format!("set {KEY_VARIABLE} to the right keys, or name a key file with --key-file")
            }
        }
    }

    /// Whether somebody would have to be asked for the passphrase of what stands there. What cannot be read is not locked:
    /// reading it says why.
    #[must_use]
    pub fn would_ask(&self) -> bool {
        self.passphrase.would_ask() && self.is_locked()
    }

    /// Whether what stands there is locked with a passphrase.
    #[must_use]
    pub(crate) fn is_locked(&self) -> bool {
        self.bytes()
            .is_ok_and(|bytes| std::str::from_utf8(&bytes).is_ok_and(ring::is_locked))
    }

    /// What stands there.
    ///
    /// # Errors
    /// [`Kind::KeyMissing`] when it is absent or unreadable, [`Kind::KeyWrong`] when it is too long to be a ring.
    pub(super) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>> {
        let bytes = match &self.origin {
            Origin::File(path) => read(path).map_err(|error| self.unread(error))?,
            Origin::Credential {
                name,
                directory: Some(directory),
            } => read(&directory.join(name)).map_err(|error| self.unread(error))?,
            Origin::Credential {
                directory: None, ..
            } => return Err(self.unread(io::ErrorKind::NotFound.into())),
            Origin::Environment(ring) => Zeroizing::new(ring.expose().as_bytes().to_vec()),
        };
        // Cut short, it could lose the key that is looked for.
        if bytes.len() > LONGEST {
            let message = format!(
                "{} is longer than a twofa key file can be ({LONGEST} bytes)",
                self.quoted()
            );
            return Err(Error::new(Kind::KeyWrong, message).hint(self.right_one()));
        }
        Ok(bytes)
    }

    fn unread(&self, error: io::Error) -> Error {
        let absent = error.kind() == io::ErrorKind::NotFound;
        let hint = match &self.origin {
            Origin::Credential { name, .. } => format!(
                "the unit of the service gives it, LoadCredential={}:FILE, and a command outside of the service has none: name a key file with --key-file",
                visible(name)
            ),
            _ if absent => "put its copy back, or name it with --key-file; a new key cannot open what the old one sealed".to_owned(),
            _ => "run the command as the store's owner".to_owned(),
        };
        if absent {
            let message = format!("{} is missing", self.named());
            return Error::new(Kind::KeyMissing, message).hint(hint);
        }
        let message = format!("{} cannot be read", self.named());
        Error::new(Kind::KeyMissing, message)
            .because(error)
            .hint(hint)
    }
}

/// The beginning of a file: as much as a ring may have, and one byte more.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once: a buffer that grows leaves copies of the keys behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 64));
    fs::File::open(path)?
        .take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
