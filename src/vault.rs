//! The vault: the only place that sees a raw key.
//!
//! Two layers. The *ring* is what stands in the key file: wrapping keys, the first current. The *data keys* (seal, hash, pepper, audit,
//! token) are random, stand in the store, and are wrapped by a ring key. What the vault promises: a sealed value opens
//! only in the store, column and row it was made for; a keyed hash or a password hash cannot be tested without the key
//! file; a wrong key is told from damage, and neither is ever told from a wrong code by guessing.
//!
//! A sealed value is `version ‖ key id ‖ nonce ‖ ciphertext` (1, 4, 24 and n + 16 bytes), XChaCha20-Poly1305, bound by
//! its associated data to the store's id, a frozen [`Label`] and the row id; a wrapped data key to its purpose as well.

mod imported;
mod lock;
mod ring;
mod rotate;
mod source;
mod token;

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use rusqlite::{Connection, named_params};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::clock::{Source, Time};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

pub use imported::Imported;
pub use lock::Passphrase;
pub(crate) use lock::{Lock, WRONG};
pub use ring::Form;
pub(crate) use ring::Ring;
pub use source::{CREDENTIAL, KEY_VARIABLE, KeySource};
pub(crate) use token::{TokenKey, Unsigned};

const SEALED_VERSION: u8 = 1;
const NONCE: usize = 24;
const HEADER: usize = 1 + 4;
/// What XChaCha20-Poly1305 adds (RFC 8439, section 2.8).
const TAG: usize = 16;

/// Argon2id as OWASP's Password Storage Cheat Sheet gives it: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The length of a password's salt and hash, in bytes (RFC 9106, section 3.1 and 4).
const SALT: usize = 16;
const HASH: usize = 32;

type Key = Zeroizing<[u8; 32]>;

/// The frozen name of a sealed column or of a kind of keyed hash. Changing one makes stored values unreadable.
#[derive(Debug, Clone, Copy)]
pub struct Label(pub &'static str);

const DATA_KEY: Label = Label("data_key.wrapped");
const BOUND: Label = Label("confirmation.password");

/// What a data key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Sealing columns.
    Seal,
    /// Keyed hashes of codes and tokens.
    Hash,
    /// The secret input of Argon2id.
    Pepper,
    /// The audit chain.
    Audit,
    /// Signing OAuth tokens.
    Token,
}

impl Purpose {
    /// All of them, in the order in which a new store makes them.
    pub(crate) const ALL: [Purpose; 5] = [
        Purpose::Seal,
        Purpose::Hash,
        Purpose::Pepper,
        Purpose::Audit,
        Purpose::Token,
    ];

    fn code(self) -> &'static str {
        match self {
            Purpose::Seal => "seal",
            Purpose::Hash => "hash",
            Purpose::Pepper => "pepper",
            Purpose::Audit => "audit",
            Purpose::Token => "token",
        }
    }
}

struct DataKey {
    id: i64,
    purpose: Purpose,
    current: bool,
    key: Key,
    /// The key's HMAC before its first byte: a log of a million rows asks for it as often.
    keyed: OnceCell<Hmac<Sha256>>,
}

impl DataKey {
    fn new(id: i64, purpose: Purpose, current: bool, key: Key) -> Rc<DataKey> {
        Rc::new(DataKey {
            id,
            purpose,
            current,
            key,
            keyed: OnceCell::new(),
        })
    }
}

/// A new password and its hash. Neither can be read or printed outside of the crate.
#[derive(Debug, Clone)]
pub struct NewPassword {
    plain: Secret,
    hash: Secret,
}

impl NewPassword {
    /// The hash, for the column it goes into.
    pub(crate) fn stored(&self) -> &str {
        self.hash.expose()
    }
}

/// The opened keys of one store.
pub struct Vault {
    store_id: String,
    /// A key that another command made meanwhile comes to them (`rotate.rs`).
    keys: RefCell<Vec<Rc<DataKey>>>,
}

/// A data key as the store has it.
struct Wrapped {
    id: i64,
    purpose: String,
    ring_key: String,
    sealed: Vec<u8>,
    current: bool,
}

fn wrapped_keys(db: &Connection) -> Result<Vec<Wrapped>> {
    let mut query =
        db.prepare("SELECT id, purpose, ring_key, wrapped, current FROM data_key ORDER BY id")?;
    let rows = query.query_map([], |row| {
        Ok(Wrapped {
            id: row.get(0)?,
            purpose: row.get(1)?,
            ring_key: row.get(2)?,
            sealed: row.get(3)?,
            current: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Wrapped {
    /// The key, if the ring opens it for its own purpose.
    fn unwrapped(&self, store_id: &str, ring: &Ring) -> Option<Zeroizing<Vec<u8>>> {
        let purpose = Purpose::ALL
            .into_iter()
            .find(|known| known.code() == self.purpose)?;
        let key = ring.key(&self.ring_key)?;
        decrypt(key, &bound_key(store_id, purpose, self.id), &self.sealed)
    }
}

fn damaged_key(id: i64) -> Error {
    let message =
        format!("the data key {id} is damaged: the key that opens the others does not open it");
    Error::new(Kind::Storage, message).hint("`twofa restore BACKUP` brings it back from a backup")
}

impl Vault {
    /// Makes the data keys of a new store and writes them wrapped by the ring's current key.
    ///
    /// # Errors
    /// [`Kind::Storage`], or [`Kind::Io`] without randomness.
    pub(crate) fn create(
        db: &Connection,
        store_id: &str,
        ring: &Ring,
        now: Time,
        source: &dyn Source,
    ) -> Result<Vault> {
        let mut insert = db.prepare(
            "INSERT INTO data_key (id, purpose, ring_key, wrapped, current, created_at)
             VALUES (:id, :purpose, :ring_key, :wrapped, 1, :now)",
        )?;
        let mut keys = Vec::new();
        for (id, purpose) in (1..).zip(Purpose::ALL) {
            let mut key = Zeroizing::new([0u8; 32]);
            source.fill(key.as_mut())?;
            let wrapped = encrypt(
                ring.current_key(),
                &bound_key(store_id, purpose, id),
                key.as_ref(),
                source,
            )?;
            insert.execute(named_params! {
                ":id": id, ":purpose": purpose.code(), ":ring_key": ring.current(), ":wrapped": wrapped, ":now": now,
            })?;
            keys.push(DataKey::new(id, purpose, true, key));
        }
        Ok(Vault {
            store_id: store_id.to_owned(),
            keys: RefCell::new(keys),
        })
    }

    /// Unwraps the data keys of a store.
    ///
    /// # Errors
    /// [`Kind::KeyWrong`] when a ring key is not in the file or opens no data key; [`Kind::Storage`] when it opens others.
    pub(crate) fn open(db: &Connection, store_id: &str, ring: &Ring) -> Result<Vault> {
        let wrong = |what: String| {
            let from = ring.source();
            let message = format!("{} does not open this store: {what}", from.named());
            Error::new(Kind::KeyWrong, message).hint(from.right_one())
        };
        let rows = wrapped_keys(db)?;
        let mut keys = Vec::new();
        for row in &rows {
            let (id, purpose, ring_key) = (row.id, &row.purpose, &row.ring_key);
            if ring.key(ring_key).is_none() {
                return Err(wrong(format!("it lacks the key `{ring_key}`")));
            }
            let purpose = Purpose::ALL
                .into_iter()
                .find(|known| known.code() == *purpose)
                .ok_or_else(|| {
                    Error::new(
                        Kind::Storage,
                        format!("data key {id} has the unknown purpose `{purpose}`"),
                    )
                })?;
            let Some(plain) = row.unwrapped(store_id, ring) else {
                // A key that opens others is the right one.
                return Err(
                    if rows.iter().any(|other| {
                        other.ring_key == *ring_key && other.unwrapped(store_id, ring).is_some()
                    }) {
                        damaged_key(id)
                    } else {
                        wrong(format!("its key `{ring_key}` is a different one"))
                    },
                );
            };
            let key = as_key(&plain).ok_or_else(|| damaged_key(id))?;
            keys.push(DataKey::new(id, purpose, row.current, key));
        }
        let vault = Vault {
            store_id: store_id.to_owned(),
            keys: RefCell::new(keys),
        };
        for purpose in Purpose::ALL {
            vault.current(purpose)?;
        }
        Ok(vault)
    }

    /// The key of this purpose and id.
    fn key(&self, purpose: Purpose, id: i64) -> Option<Rc<DataKey>> {
        let keys = self.keys.borrow();
        let mut found = keys
            .iter()
            .filter(|key| key.purpose == purpose && key.id == id);
        found.next().cloned()
    }

    fn current(&self, purpose: Purpose) -> Result<Rc<DataKey>> {
        self.keys
            .borrow()
            .iter()
            .find(|key| key.purpose == purpose && key.current)
            .cloned()
            .ok_or_else(|| {
                Error::new(
                    Kind::Storage,
                    format!("the store has no current {} key", purpose.code()),
                )
            })
    }

    /// Seals `plain` for the column `label` of row `row`.
    ///
    /// # Errors
    /// [`Kind::Io`] when the system gives no randomness.
    pub fn seal(
        &self,
        label: Label,
        row: i64,
        plain: &[u8],
        source: &dyn Source,
    ) -> Result<Vec<u8>> {
        let key = self.current(Purpose::Seal)?;
        let id = u32::try_from(key.id)
            .map_err(|_| Error::new(Kind::Storage, "a data key's id is out of range"))?;
        let mut sealed = vec![SEALED_VERSION];
        sealed.extend(id.to_be_bytes());
        sealed.extend(encrypt(
            &key.key,
            &bound(&self.store_id, label, row),
            plain,
            source,
        )?);
        Ok(sealed)
    }

    /// Opens what [`Vault::seal`] made for this column and row.
    ///
    /// # Errors
    /// [`Kind::Storage`] when the value is damaged, from another row, or sealed by a key the store does not have.
    pub(crate) fn open_sealed(
        &self,
        label: Label,
        row: i64,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        let damaged = || {
            Error::new(Kind::Storage, format!("the sealed value `{}` of row {row} does not open", label.0))
                .hint("it was damaged or moved here from another row: `twofa key check` lists such values")
        };
        let (head, body) = sealed.split_at_checked(HEADER).ok_or_else(damaged)?;
        let id = u32::from_be_bytes(head[1..].try_into().map_err(|_| damaged())?);
        if head[0] != SEALED_VERSION {
            return Err(damaged());
        }
        let key = self.key(Purpose::Seal, i64::from(id)).ok_or_else(damaged)?;
        decrypt(&key.key, &bound(&self.store_id, label, row), body).ok_or_else(damaged)
    }

    /// The keyed hash of `parts` under `label`: HMAC-SHA-256 over the length-prefixed parts.
    ///
    /// # Errors
    /// [`Kind::Storage`] when the store has no hash key.
    pub fn hash(&self, label: Label, parts: &[&[u8]]) -> Result<[u8; 32]> {
        let key = self.current(Purpose::Hash)?;
        let mut mac = mac(&key.key);
        for part in [label.0.as_bytes()].iter().chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Ok(mac.finalize().into_bytes().into())
    }

    /// The id of the audit key that new rows are chained with.
    ///
    /// # Errors
    /// [`Kind::Storage`] when the store has none.
    pub(crate) fn audit_key(&self) -> Result<i64> {
        Ok(self.current(Purpose::Audit)?.id)
    }

    /// HMAC-SHA-256 over `parts`, as they are, with the audit key `id`.
    ///
    /// # Errors
    /// [`Kind::Storage`] when the store has no such audit key.
    pub(crate) fn audit_mac(&self, id: i64, parts: &[&[u8]]) -> Result<[u8; 32]> {
        let key = self
            .key(Purpose::Audit, id)
            .ok_or_else(|| Error::new(Kind::Storage, format!("the store has no audit key {id}")))?;
        let mut mac = key.keyed.get_or_init(|| mac(&key.key)).clone();
        for part in parts {
            mac.update(part);
        }
        Ok(mac.finalize().into_bytes().into())
    }

    /// Hashes a password with a new salt: `$argon2id$v=19$…`.
    ///
    /// # Errors
    /// [`Kind::Io`] without randomness or memory.
    pub fn hash_password(&self, password: &Secret, source: &dyn Source) -> Result<String> {
        let mut salt = [0u8; SALT];
        source.fill(&mut salt)?;
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(Kind::Io, "cannot hash the password").because(anyhow::anyhow!("{error}"))
        };
        let pepper = self.current(Purpose::Pepper)?;
        let params =
            Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH)).map_err(|error| failed(&error))?;
        let argon2 = Argon2::new_with_secret(
            pepper.key.as_ref(),
            Algorithm::Argon2id,
            Version::V0x13,
            params,
        )
        .map_err(|error| failed(&error))?;
        let hash = argon2::password_hash::PasswordHasher::<PasswordHash>::hash_password_with_salt(
            &argon2,
            password.expose().as_bytes(),
            &salt,
        )
        .map_err(|error| failed(&error))?;
        Ok(hash.to_string())
    }

    /// A hash that costs next to nothing, for a test that logs in thousands of times. Comparing costs what the hash says.
    #[cfg(test)]
    pub(crate) fn hash_cheaply(&self, password: &Secret) -> String {
        let pepper = self.current(Purpose::Pepper).unwrap();
        let params = Params::new(8, 1, 1, Some(HASH)).unwrap();
        let argon2 = Argon2::new_with_secret(
            pepper.key.as_ref(),
            Algorithm::Argon2id,
            Version::V0x13,
            params,
        );
        let hash = argon2::password_hash::PasswordHasher::<PasswordHash>::hash_password_with_salt(
            &argon2.unwrap(),
            password.expose().as_bytes(),
            &[7; SALT],
        );
        hash.unwrap().to_string()
    }

    /// Hashes a new password, and keeps it for what a confirmation is bound to.
    ///
    /// # Errors
    /// As [`Vault::hash_password`].
    pub(crate) fn new_password(
        &self,
        password: &Secret,
        source: &dyn Source,
    ) -> Result<NewPassword> {
        let hash = self.hash_password(password, source)?;
        Ok(NewPassword {
            plain: password.clone(),
            hash: Secret::new(hash),
        })
    }

    /// What stands for a password in a confirmation: Argon2id with a salt that follows from `about`, so that the same
    /// password gives the same bytes, and guessing from them is as dear as from the stored hash.
    ///
    /// # Errors
    /// [`Kind::Io`] without memory; [`Kind::Storage`] without keys.
    pub(crate) fn bind_password(&self, password: &NewPassword, about: &str) -> Result<Vec<u8>> {
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(Kind::Io, "cannot hash the password").because(anyhow::anyhow!("{error}"))
        };
        let salt = self.hash(BOUND, &[about.as_bytes()])?;
        let pepper = self.current(Purpose::Pepper)?;
        let params =
            Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH)).map_err(|error| failed(&error))?;
        let argon2 = Argon2::new_with_secret(
            pepper.key.as_ref(),
            Algorithm::Argon2id,
            Version::V0x13,
            params,
        )
        .map_err(|error| failed(&error))?;
        let mut bound = vec![0u8; HASH];
        argon2
            .hash_password_into(
                password.plain.expose().as_bytes(),
                &salt[..SALT],
                &mut bound,
            )
            .map_err(|error| failed(&error))?;
        Ok(bound)
    }

    /// Compares a password with a stored hash. Without one it hashes all the same and says no, so that a user without a
    /// password costs the same time as one with.
    ///
    /// # Errors
    /// [`Kind::Storage`] for a hash that cannot be read: never "wrong password".
    pub(crate) fn verify_password(
        &self,
        password: &Secret,
        stored: Option<&str>,
        source: &dyn Source,
    ) -> Result<bool> {
        let Some(stored) = stored else {
            self.hash_password(password, source)?;
            return Ok(false);
        };
        let unreadable = |error: &dyn std::fmt::Display| {
            Error::new(Kind::Storage, "a stored password hash cannot be read")
                .because(anyhow::anyhow!("{error}"))
        };
        let hash = PasswordHash::new(stored).map_err(|error| unreadable(&error))?;
        let pepper = self.current(Purpose::Pepper)?;
        let argon2 = Argon2::new_with_secret(
            pepper.key.as_ref(),
            Algorithm::Argon2id,
            Version::V0x13,
            Params::default(),
        )
        .map_err(|error| unreadable(&error))?;
        match argon2.verify_password(password.expose().as_bytes(), &hash) {
            Ok(()) => Ok(true),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(unreadable(&error)),
        }
    }
}

/// Whether a text is the hash of a password, as [`Vault::hash_password`] writes it.
pub(crate) fn is_password_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| hash.algorithm.as_str() == "argon2id")
}

/// Whether two hashes are the same, in a time that does not tell where they differ.
#[must_use]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// A key of these bytes, copied to where it stays and to nowhere else.
fn as_key(bytes: &[u8]) -> Option<Key> {
    let mut key = Zeroizing::new([0u8; 32]);
    if bytes.len() != key.len() {
        return None;
    }
    key.copy_from_slice(bytes);
    Some(key)
}

fn mac(key: &Key) -> Hmac<Sha256> {
    // A key shorter than the hash's block is filled with zeros (RFC 2104, section 2); given so, nothing can fail.
    let mut block = Zeroizing::new([0u8; 64]);
    block[..key.len()].copy_from_slice(key.as_ref());
    <Hmac<Sha256> as hmac::KeyInit>::new((&*block).into())
}

/// The associated data of a sealed value: its store, its column and its row.
fn bound(store_id: &str, label: Label, row: i64) -> Vec<u8> {
    prefixed(&[store_id, label.0], row)
}

/// The associated data of a data key: its purpose too, so that a key opens for nothing else than it was made for.
fn bound_key(store_id: &str, purpose: Purpose, id: i64) -> Vec<u8> {
    prefixed(&[store_id, DATA_KEY.0, purpose.code()], id)
}

/// Length-prefixed parts, then the row.
fn prefixed(parts: &[&str], row: i64) -> Vec<u8> {
    let mut data = Vec::new();
    for part in parts {
        data.extend((part.len() as u64).to_be_bytes());
        data.extend(part.as_bytes());
    }
    data.extend(row.to_be_bytes());
    data
}

/// How long a sealed value of so many bytes is.
pub(crate) fn sealed_length(plain: usize) -> i64 {
    i64::try_from(HEADER + NONCE + plain + TAG).unwrap_or(i64::MAX)
}

fn encrypt(key: &Key, aad: &[u8], plain: &[u8], source: &dyn Source) -> Result<Vec<u8>> {
    let mut nonce = [0u8; NONCE];
    source.fill(&mut nonce)?;
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let body = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad })
        .map_err(|_| Error::new(Kind::Io, "the value is too large to seal"))?;
    Ok([nonce.as_slice(), &body].concat())
}

fn decrypt(key: &Key, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, body) = sealed.split_at_checked(NONCE)?;
    let nonce: [u8; NONCE] = nonce.try_into().ok()?;
    let cipher = XChaCha20Poly1305::new((&**key).into());
    cipher
        .decrypt(&XNonce::from(nonce), Payload { msg: body, aad })
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests;
