//! New keys in the place of old ones.
//!
//! A new ring key wraps every data key, and new data keys seal and chain what is written from then on. What an old key
//! sealed stays readable as long as the old key stands in the store; a process that was begun before takes the new keys
//! over under the write lock ([`Vault::take_over`]), so that nothing is sealed with a key that is about to go.

use rusqlite::{Connection, named_params};
use zeroize::Zeroizing;

use super::{DataKey, HEADER, Purpose, Ring, SEALED_VERSION, Vault, bound_key, encrypt};
use crate::clock::{Source, Time};
use crate::error::Result;

impl Vault {
    /// The newest data key this process knows.
    pub(crate) fn newest(&self) -> i64 {
        let keys = self.keys.borrow();
        keys.iter().map(|key| key.id).max().unwrap_or(0)
    }

    /// Takes the keys of another opening of the same store over.
    pub(crate) fn take_over(&self, other: Vault) {
        *self.keys.borrow_mut() = other.keys.into_inner();
    }

    /// Wraps every data key with the ring's current key.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`]; [`crate::error::Kind::Io`] without randomness.
    pub(crate) fn rewrap(&self, db: &Connection, ring: &Ring, source: &dyn Source) -> Result<()> {
        let mut update = db.prepare(
            "UPDATE data_key SET ring_key = :ring_key, wrapped = :wrapped WHERE id = :id",
        )?;
        for key in self.keys.borrow().iter() {
            let bound = bound_key(&self.store_id, key.purpose, key.id);
            let wrapped = encrypt(ring.current_key(), &bound, key.key.as_ref(), source)?;
            update.execute(named_params! {
                ":id": key.id, ":ring_key": ring.current(), ":wrapped": wrapped,
            })?;
        }
        Ok(())
    }

    /// Makes a new current key for a purpose; the one before stays for what it was used for.
    ///
    /// # Errors
    /// As [`Vault::rewrap`].
    pub(crate) fn renew(
        &self,
        db: &Connection,
        ring: &Ring,
        purpose: Purpose,
        now: Time,
        source: &dyn Source,
    ) -> Result<i64> {
        let id: i64 = db.query_row(
            "SELECT max(seq) + 1 FROM sqlite_sequence WHERE name = 'data_key'",
            [],
            |row| row.get(0),
        )?;
        let mut key = Zeroizing::new([0u8; 32]);
        source.fill(key.as_mut())?;
        let bound = bound_key(&self.store_id, purpose, id);
        let wrapped = encrypt(ring.current_key(), &bound, key.as_ref(), source)?;
        db.execute(
            "UPDATE data_key SET current = 0 WHERE purpose = ?1",
            [purpose.code()],
        )?;
        db.execute(
            "INSERT INTO data_key (id, purpose, ring_key, wrapped, current, created_at)
             VALUES (:id, :purpose, :ring_key, :wrapped, 1, :now)",
            named_params! {
                ":id": id, ":purpose": purpose.code(), ":ring_key": ring.current(), ":wrapped": wrapped, ":now": now,
            },
        )?;
        let mut keys = self.keys.borrow_mut();
        for old in keys.iter_mut().filter(|old| old.purpose == purpose) {
            *old = DataKey::new(old.id, purpose, false, old.key.clone());
        }
        keys.push(DataKey::new(id, purpose, true, key));
        Ok(id)
    }

    /// How everything begins that the current seal key sealed: what begins otherwise is another key's.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn sealed_head(&self) -> Result<[u8; HEADER]> {
        let id = u32::try_from(self.current(Purpose::Seal)?.id).unwrap_or(0);
        let mut head = [SEALED_VERSION; HEADER];
        head[1..].copy_from_slice(&id.to_be_bytes());
        Ok(head)
    }

    /// Forgets the keys of a purpose that are neither current nor `needed`, and counts them.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn drop_old(
        &self,
        db: &Connection,
        purpose: Purpose,
        needed: &[i64],
    ) -> Result<usize> {
        let goes =
            |key: &DataKey| key.purpose == purpose && !key.current && !needed.contains(&key.id);
        let mut keys = self.keys.borrow_mut();
        let gone: Vec<i64> = keys
            .iter()
            .filter(|key| goes(key))
            .map(|key| key.id)
            .collect();
        for id in &gone {
            db.execute("DELETE FROM data_key WHERE id = ?1", [id])?;
        }
        keys.retain(|key| !goes(key));
        Ok(gone.len())
    }
}
