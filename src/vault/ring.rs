//! The ring: the wrapping keys, and how they are written down.
//!
//! In a file, one key a line. In the environment, and in a file that is to go there, one line for all:
//! `TWOFA_KEY=twofa-key-1:ID:KEY,twofa-key-1:ID:KEY`, of characters that no shell, no systemd and no container quotes. Both
//! are read wherever a ring is read, and a file is written back in the form it had. Locked with a passphrase, either holds
//! one entry and all keys are in it ([`super::lock`]).

use std::fs;
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use super::lock::{LOCKED, Lock, Locked};
use super::source::{KEY_VARIABLE, KeySource};
use super::{Key, as_key};
use crate::clock::Source;
use crate::error::{Error, Kind, Result};
use crate::files::{Owner, PrivateFile};

/// The word that a key begins with.
const KEY: &str = "twofa-key-1";

/// How a ring is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One key a line.
    Lines,
    /// One line, for an environment file.
    Environment,
}

/// Wrapping keys by id, the first current.
pub(crate) struct Ring {
    source: KeySource,
    keys: Vec<(String, Key)>,
    form: Form,
    lock: Option<Lock>,
}

const HEAD: &str = "\
# twofa key file. Without it every authenticator app, recovery code, mailbox password and user password of the store
# is lost: keep a copy in a safe place, apart from the store's backups. One key a line; the first is the current one.
";
const LOCKED_HEAD: &str = "\
# twofa key file, locked with a passphrase. Without both every authenticator app, recovery code, mailbox password and
# user password of the store is lost: keep a copy in a safe place, apart from the store's backups.
";
const ENVIRONMENT_HEAD: &str = "\
# Environment file with the keys of twofa. Without them every authenticator app, recovery code, mailbox password and user
# password of the store is lost: keep a copy in a safe place, apart from the store's backups.
";

/// The entries of a ring's text, with the number of their line and whether that is one of an environment file.
fn entries(text: &str) -> impl Iterator<Item = (usize, bool, &str)> {
    let lines = text
        .lines()
        .zip(1..)
        .map(|(line, number)| (number, line.trim()));
    lines
        .filter(|(_, line)| !line.starts_with('#'))
        .flat_map(|(number, line)| {
            let value = line
                .strip_prefix(KEY_VARIABLE)
                .and_then(|rest| rest.strip_prefix('='));
            // An environment file may quote what it need not.
            let text = value.map_or(line, |value| value.trim_matches(['"', '\'']));
            text.split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
                .map(move |entry| (number, value.is_some(), entry))
        })
}

fn words(entry: &str) -> Vec<&str> {
    entry
        .split(|c: char| c == ':' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether a ring's text is locked with a passphrase.
pub(super) fn is_locked(text: &str) -> bool {
    entries(text).any(|(_, _, entry)| words(entry).first() == Some(&LOCKED))
}

/// Reads the words behind [`KEY`].
fn key(words: &[&str]) -> Option<(String, Key)> {
    let [id, encoded] = words else { return None };
    let bytes = Zeroizing::new(BASE64.decode(encoded.as_bytes()).ok()?);
    Some(((*id).to_owned(), as_key(&bytes)?))
}

/// Reads what was locked: keys and nothing else.
fn keys(plain: &[u8]) -> Option<Vec<(String, Key)>> {
    let text = std::str::from_utf8(plain).ok()?;
    entries(text)
        .map(|(_, _, entry)| match words(entry).as_slice() {
            [KEY, rest @ ..] => key(rest),
            _ => None,
        })
        .collect()
}

impl Ring {
    /// Makes a ring of one new key. Nothing is written.
    ///
    /// # Errors
    /// [`Kind::Io`] when the system gives no randomness.
    pub(crate) fn generate(from: &KeySource, source: &dyn Source) -> Result<Ring> {
        let mut id = [0u8; 4];
        source.fill(&mut id)?;
        let mut key = Zeroizing::new([0u8; 32]);
        source.fill(key.as_mut())?;
        Ok(Ring {
            source: from.clone(),
            keys: vec![(HEXLOWER.encode(&id), key)],
            form: Form::Lines,
            lock: None,
        })
    }

    /// Reads a ring. Whoever holds the write lock has unlocked it before ([`crate::store::Store::unlock`]).
    ///
    /// # Errors
    /// [`Kind::KeyMissing`] when it is absent or unreadable, [`Kind::KeyWrong`] when it is not a ring, or its passphrase is
    /// another; [`Kind::MissingAnswer`] when nobody can be asked for that.
    pub(crate) fn read(from: &KeySource) -> Result<Ring> {
        let bytes = from.bytes()?;
        Ring::parse(from, &bytes)
    }

    /// Reads the text of a ring.
    ///
    /// # Errors
    /// [`Kind::KeyWrong`] with the line; [`Kind::MissingAnswer`] when nobody can be asked for its passphrase.
    pub(crate) fn parse(from: &KeySource, text: &[u8]) -> Result<Ring> {
        let wrong = |line: usize| {
            let message = format!("{} is not a twofa key file (line {line})", from.quoted());
            Error::new(Kind::KeyWrong, message).hint(from.right_one())
        };
        let text = std::str::from_utf8(text).map_err(|_| wrong(1))?;
        let mut ring = Ring {
            source: from.clone(),
            keys: Vec::new(),
            form: Form::Lines,
            lock: None,
        };
        for (line, in_variable, entry) in entries(text) {
            if in_variable || from.is_environment() {
                ring.form = Form::Environment;
            }
            // What is locked is the whole of it.
            if ring.lock.is_some() {
                return Err(wrong(line));
            }
            match words(entry).as_slice() {
                [KEY, rest @ ..] => ring.keys.push(key(rest).ok_or_else(|| wrong(line))?),
                [LOCKED, rest @ ..] if ring.keys.is_empty() => {
                    let locked = Locked::parse(rest).ok_or_else(|| wrong(line))?;
                    let (lock, plain) = locked.open(from)?;
                    ring.lock = Some(lock);
                    ring.keys = keys(&plain).ok_or_else(|| wrong(line))?;
                }
                _ => return Err(wrong(line)),
            }
        }
        if ring.keys.is_empty() {
            return Err(wrong(1));
        }
        Ok(ring)
    }

    /// The same for whoever may wait for nobody.
    ///
    /// # Errors
    /// Those of reading it; [`Kind::Busy`] where somebody would have to be asked.
    pub(crate) fn read_at_once(from: &KeySource) -> Result<Ring> {
        from.passphrase().silently(|| Ring::read(from))
    }

    /// This ring with a new key before the others. Nothing is written.
    ///
    /// # Errors
    /// [`Kind::Io`] when the system gives no randomness.
    pub(crate) fn with_new_key(mut self, source: &dyn Source) -> Result<Ring> {
        let mut new = Ring::generate(&self.source, source)?;
        new.keys.append(&mut self.keys);
        Ok(Ring {
            keys: new.keys,
            ..self
        })
    }

    /// This ring without one of its keys. Nothing is written.
    pub(crate) fn without(mut self, id: &str) -> Ring {
        self.keys.retain(|(have, _)| have != id);
        self
    }

    /// The same keys for another file.
    pub(crate) fn at(self, path: &Path) -> Ring {
        Ring {
            source: self.source.moved_to(path),
            ..self
        }
    }

    /// The same keys, to be written down so.
    pub(crate) fn in_form(self, form: Form) -> Ring {
        Ring { form, ..self }
    }

    /// The same keys, locked so, or with none not locked.
    pub(crate) fn locked(self, lock: Option<Lock>) -> Ring {
        if let Some(lock) = &lock {
            self.source.passphrase().remember(lock);
        }
        Ring { lock, ..self }
    }

    /// Whether it is locked with a passphrase.
    pub(crate) fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Where it comes from.
    pub(crate) fn source(&self) -> &KeySource {
        &self.source
    }

    /// The ids of its keys, the current one first.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.keys.iter().map(|(id, _)| id.clone()).collect()
    }

    /// Writes the key file by temporary file, fsync and rename, mode 0600, and gives it to `owner`. One that is there
    /// already stays; the answer is whether this one was written.
    ///
    /// # Errors
    /// [`Kind::Io`]; [`Kind::Usage`] where others give the keys.
    pub(crate) fn write(&self, owner: Option<Owner>, source: &dyn Source) -> Result<bool> {
        let file = self.begin(self.file()?, owner, source)?;
        match file.finish() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(self.not_written(error)),
        }
    }

    /// Writes the key file in the place of the one that is there.
    ///
    /// # Errors
    /// As [`Ring::write`].
    pub(crate) fn replace(&self, owner: Option<Owner>, source: &dyn Source) -> Result<()> {
        // A link leads to where the keys are kept: there they stay.
        let target = fs::canonicalize(self.file()?).map_err(|error| self.not_written(error))?;
        let file = self.begin(&target, owner, source)?;
        file.replace().map_err(|error| self.not_written(error))
    }

    fn file(&self) -> Result<&Path> {
        self.source.as_file().ok_or_else(|| {
            let message = format!("{} can be read only", self.source.named());
            Error::new(Kind::Usage, message).hint("name a key file with --key-file")
        })
    }

    /// The file with its contents, before it has its name.
    fn begin<'p>(
        &self,
        path: &'p Path,
        owner: Option<Owner>,
        source: &dyn Source,
    ) -> Result<PrivateFile<'p>> {
        let text = self.text(source)?;
        let failed = |error| self.not_written(error);
        let mut file = PrivateFile::begin(path).map_err(failed)?;
        file.fill(text.as_bytes()).map_err(failed)?;
        file.give_to(owner).map_err(failed)?;
        Ok(file)
    }

    /// The whole of what is written.
    fn text(&self, source: &dyn Source) -> Result<Zeroizing<String>> {
        let (head, variable, word, entry, end) = match (self.form, &self.lock) {
            (Form::Lines, None) => (HEAD, "", " ", "\n", "\n"),
            (Form::Lines, Some(_)) => (LOCKED_HEAD, "", " ", "\n", "\n"),
            (Form::Environment, _) => (ENVIRONMENT_HEAD, KEY_VARIABLE, ":", ",", "\n"),
        };
        // Room for all of it at once: a text that grows leaves copies of the keys behind.
        let room = head.len() + 64 + self.keys.len() * 256;
        let mut text = Zeroizing::new(String::with_capacity(room));
        text.push_str(head);
        if !variable.is_empty() {
            text.push_str(variable);
            text.push('=');
        }
        match &self.lock {
            None => self.put(&mut text, word, entry),
            Some(lock) => {
                let mut plain = Zeroizing::new(String::with_capacity(room));
                self.put(&mut plain, " ", "\n");
                text.push_str(&lock.seal(plain.as_bytes(), source)?.join(word));
            }
        }
        text.push_str(end);
        Ok(text)
    }

    /// Puts the keys into a text.
    fn put(&self, text: &mut String, word: &str, entry: &str) {
        for (at, (id, key)) in self.keys.iter().enumerate() {
            let encoded = Zeroizing::new(BASE64.encode(key.as_ref()));
            if at > 0 {
                text.push_str(entry);
            }
            for part in [KEY, word, id, word, &encoded] {
                text.push_str(part);
            }
        }
    }

    fn not_written(&self, error: std::io::Error) -> Error {
        let message = format!("cannot write {}", self.source.named());
        Error::new(Kind::Io, message).because(error)
    }

    /// The id of the current wrapping key.
    #[must_use]
    pub(crate) fn current(&self) -> &str {
        &self.keys[0].0
    }

    /// The current wrapping key.
    pub(super) fn current_key(&self) -> &Key {
        &self.keys[0].1
    }

    pub(super) fn key(&self, id: &str) -> Option<&Key> {
        self.keys
            .iter()
            .find(|(have, _)| have == id)
            .map(|(_, key)| key)
    }
}
