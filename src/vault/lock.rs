//! A ring under a passphrase, for machines whose disk may be read by others: laptops.
//!
//! The whole ring is sealed at once, so that whoever can write the file cannot take keys out of it, change their order, or
//! put in others. The key it is sealed with is Argon2id of the passphrase; what that costs stands beside it, is bound by the
//! associated data, and has bounds, so that a hostile file can neither ask for all the memory of the machine nor for less
//! work than a guess must cost. A wrong passphrase is told from damage no more than the AEAD can, and never from a wrong
//! code.
//!
//! A passphrase is asked for once in a process, before the write lock is taken, and what was computed from it is kept: keys
//! are read again under that lock, where nothing may wait.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::source::KeySource;
use super::{Key, MEMORY_KIB, SALT, decrypt, encrypt};
use crate::clock::Source;
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// The word that a locked ring begins with.
pub(super) const LOCKED: &str = "twofa-locked-1";

/// The field of an error that says what was wrong of the keys: the passphrase alone.
pub(crate) const WRONG: &str = "wrong";
const PASSPHRASE: &str = "passphrase";

/// What making and trying a passphrase costs. In a file that others may guess at undisturbed it is more than a password in
/// the store costs: RFC 9106, section 4, second recommended option (64 MiB, three passes), with one lane, for nothing here
/// computes several at once. OWASP's Password Storage Cheat Sheet asks for 19 MiB and two passes at least.
const COST: Cost = Cost {
    memory: 64 * 1024,
    passes: 3,
    lanes: 1,
};

/// The most that a file may ask for: 1 GiB.
const MOST_MEMORY: u32 = 1024 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 16;

/// The fewest characters of a new passphrase: whoever has the file guesses as fast as their machines allow.
const SHORTEST: usize = 12;

/// Memory in KiB, passes and lanes of Argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    fn is_sound(self) -> bool {
        (MEMORY_KIB..=MOST_MEMORY).contains(&self.memory)
            && (1..=MOST_PASSES).contains(&self.passes)
            && (1..=MOST_LANES).contains(&self.lanes)
    }
}

/// What a passphrase comes to with one salt.
#[derive(Clone)]
pub(crate) struct Lock {
    cost: Cost,
    salt: [u8; SALT],
    key: Key,
}

impl Lock {
    /// A lock for a new passphrase.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] for one that is too short; [`Kind::Io`] without randomness or memory.
    pub(crate) fn new(passphrase: &Secret, source: &dyn Source) -> Result<Lock> {
        if passphrase.expose().chars().count() < SHORTEST {
            return Err(Error::new(
                Kind::InvalidValue,
                format!("a passphrase has at least {SHORTEST} characters"),
            )
            .hint("whoever has the file can guess at it undisturbed: several words are better than one"));
        }
        let mut salt = [0u8; SALT];
        source.fill(&mut salt)?;
        Lock::derive(passphrase, COST, salt)
    }

    fn derive(passphrase: &Secret, cost: Cost, salt: [u8; SALT]) -> Result<Lock> {
        let failed = |error: &dyn fmt::Display| {
            Error::new(Kind::Io, "cannot compute a key from the passphrase")
                .because(anyhow::anyhow!("{error}"))
        };
        let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(32))
            .map_err(|error| failed(&error))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut key = Zeroizing::new([0u8; 32]);
        argon2
            .hash_password_into(passphrase.expose().as_bytes(), &salt, key.as_mut())
            .map_err(|error| failed(&error))?;
        Ok(Lock { cost, salt, key })
    }

    /// What the seal is bound to: what it is, and what the passphrase is worth.
    fn bound(&self) -> Vec<u8> {
        let Cost {
            memory,
            passes,
            lanes,
        } = self.cost;
        let numbers = [memory, passes, lanes].map(u32::to_be_bytes).concat();
        [LOCKED.as_bytes(), &numbers, &self.salt].concat()
    }

    /// The words of a locked ring: what it costs to open, and the ring, sealed.
    ///
    /// # Errors
    /// [`Kind::Io`] without randomness.
    pub(super) fn seal(&self, ring: &[u8], source: &dyn Source) -> Result<Vec<String>> {
        let sealed = encrypt(&self.key, &self.bound(), ring, source)?;
        Ok(vec![
            LOCKED.to_owned(),
            self.cost.memory.to_string(),
            self.cost.passes.to_string(),
            self.cost.lanes.to_string(),
            BASE64.encode(&self.salt),
            BASE64.encode(&sealed),
        ])
    }
}

/// A locked ring, as it was read.
pub(super) struct Locked {
    cost: Cost,
    salt: [u8; SALT],
    sealed: Vec<u8>,
}

impl Locked {
    /// Reads the words behind [`LOCKED`]; `None` where they are not such.
    pub(super) fn parse(words: &[&str]) -> Option<Locked> {
        let [memory, passes, lanes, salt, sealed] = words else {
            return None;
        };
        let cost = Cost {
            memory: memory.parse().ok()?,
            passes: passes.parse().ok()?,
            lanes: lanes.parse().ok()?,
        };
        let salt = BASE64.decode(salt.as_bytes()).ok()?;
        Some(Locked {
            cost,
            salt: salt.try_into().ok()?,
            sealed: BASE64.decode(sealed.as_bytes()).ok()?,
        })
    }

    /// Opens it with the passphrase of its source.
    ///
    /// # Errors
    /// [`Kind::KeyWrong`] for another passphrase, and for what asks for more than it may; those of asking.
    pub(super) fn open(&self, from: &KeySource) -> Result<(Lock, Zeroizing<Vec<u8>>)> {
        if !self.cost.is_sound() {
            let Cost {
                memory,
                passes,
                lanes,
            } = self.cost;
            let message = format!(
                "{} asks for what no passphrase may cost: {memory} KiB, passes {passes}, lanes {lanes}",
                from.named()
            );
            return Err(Error::new(Kind::KeyWrong, message).hint(from.right_one()));
        }
        let lock = from.passphrase().lock(self, from)?;
        let Some(ring) = decrypt(&lock.key, &lock.bound(), &self.sealed) else {
            let message = format!("the passphrase does not open {}", from.named());
            return Err(Error::new(Kind::KeyWrong, message)
                .with(WRONG, PASSPHRASE)
                .hint(
                    "type it again; without it, only an unlocked copy of the keys opens the store",
                ));
        };
        Ok((lock, ring))
    }
}

/// How the passphrase of a locked ring is come by. Clones share what was answered and what was computed from it.
#[derive(Clone)]
pub struct Passphrase(Rc<Known>);

struct Known {
    ask: Box<Asking>,
    /// Whether that may disturb somebody.
    asks_somebody: bool,
    answer: RefCell<Option<Secret>>,
    /// Whether nobody may be asked now.
    silent: Cell<bool>,
    /// Argon2id is dear, and a ring is read several times.
    locks: RefCell<Vec<Lock>>,
}

/// Given the ring's name, and whether a new passphrase is chosen for it.
type Asking = dyn Fn(&str, bool) -> Result<Secret>;

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

impl Default for Passphrase {
    /// Nobody can be asked.
    fn default() -> Self {
        Passphrase::asked(|what, _| {
            Err(Error::new(
                Kind::MissingAnswer,
                format!("{what} is locked, and nobody can be asked for its passphrase"),
            ))
        })
    }
}

impl Passphrase {
    fn new(
        asks_somebody: bool,
        ask: impl Fn(&str, bool) -> Result<Secret> + 'static,
    ) -> Passphrase {
        Passphrase(Rc::new(Known {
            ask: Box::new(ask),
            asks_somebody,
            answer: RefCell::new(None),
            silent: Cell::new(false),
            locks: RefCell::new(Vec::new()),
        }))
    }

    /// Somebody is asked, once, when it is needed; `ask` is told what it opens, and whether it is a new one.
    #[must_use]
    pub fn asked(ask: impl Fn(&str, bool) -> Result<Secret> + 'static) -> Passphrase {
        Passphrase::new(true, ask)
    }

    /// It is read, once, when it is needed, and nobody is asked.
    #[must_use]
    pub fn read(read: impl Fn() -> Result<Secret> + 'static) -> Passphrase {
        Passphrase::new(false, move |_, _| read())
    }

    /// What was answered, if it was needed.
    #[must_use]
    pub fn answered(&self) -> Option<Secret> {
        self.0.answer.borrow().clone()
    }

    /// Whether somebody would be asked, were it needed now.
    pub(super) fn would_ask(&self) -> bool {
        self.0.asks_somebody && self.0.answer.borrow().is_none()
    }

    /// Keeps a lock that was made in this process: what it locks can be read again.
    pub(crate) fn remember(&self, lock: &Lock) {
        self.0.locks.borrow_mut().push(lock.clone());
    }

    /// A new one, for the ring of this name.
    ///
    /// # Errors
    /// Those of asking.
    pub(super) fn choose(&self, what: &str) -> Result<Secret> {
        self.ask(what, true)
    }

    /// Does `work`, in which nobody is asked.
    pub(super) fn silently<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.silent.set(true);
        let done = work();
        self.0.silent.set(false);
        done
    }

    fn ask(&self, what: &str, is_new: bool) -> Result<Secret> {
        if self.0.asks_somebody && self.0.silent.get() {
            let message = format!("{what} was locked with a passphrase a moment ago");
            return Err(Error::new(Kind::Busy, message).hint("run the command again"));
        }
        let answer = (self.0.ask)(what, is_new)?;
        *self.0.answer.borrow_mut() = Some(answer.clone());
        Ok(answer)
    }

    fn lock(&self, locked: &Locked, from: &KeySource) -> Result<Lock> {
        let same = |lock: &&Lock| lock.cost == locked.cost && lock.salt == locked.salt;
        if let Some(lock) = self.0.locks.borrow().iter().find(same) {
            return Ok(lock.clone());
        }
        let answer = match self.answered() {
            Some(answer) => answer,
            None => self.ask(&from.named(), false)?,
        };
        let lock = Lock::derive(&answer, locked.cost, locked.salt)?;
        self.remember(&lock);
        Ok(lock)
    }
}
