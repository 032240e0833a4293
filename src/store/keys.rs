//! The keys of an open store: read when they are first asked for, and again when another command has made new ones.

use zeroize::Zeroizing;

use super::Store;
use crate::error::{Error, Kind, Result};
use crate::vault::{Label, Ring, Vault};

impl Store {
    /// The opened keys. Read from the key file when first asked for.
    ///
    /// # Errors
    /// [`Kind::KeyMissing`], [`Kind::KeyWrong`], [`Kind::Storage`].
    pub fn vault(&self) -> Result<&Vault> {
        if let Some(vault) = self.vault.get() {
            return Ok(vault);
        }
        if self.id.is_empty() {
            return Err(Error::new(
                Kind::Storage,
                "the store is too damaged to tell which key opens it",
            ));
        }
        let open = || Vault::open(&self.db, &self.id, &Ring::read(&self.place.key)?);
        let vault = match open() {
            // New keys may have come between the look into the file and the one into the store.
            Err(error) if error.kind() == Kind::KeyWrong => open()?,
            opened => opened?,
        };
        Ok(self.vault.get_or_init(|| vault))
    }

    /// Takes over the keys that another command made since they were opened. Under the write lock: nothing is sealed with
    /// a key that is about to go, and nothing is met that a newer key sealed.
    pub(super) fn keys_of_now(&self) -> Result<()> {
        let Some(vault) = self.vault.get() else {
            return Ok(());
        };
        let newest: i64 = self
            .db()
            .prepare_cached("SELECT max(id) FROM data_key")?
            .query_row([], |row| row.get(0))?;
        if newest != vault.newest() {
            vault.take_over(Vault::open(&self.db, &self.id, &self.ring_of_now()?)?);
        }
        Ok(())
    }

    /// The ring as it is now, for whoever holds the write lock, and so may wait for nobody: one that was locked with a
    /// passphrase since this command began is for the next command.
    ///
    /// # Errors
    /// [`Kind::Busy`]; those of reading it.
    pub(crate) fn ring_of_now(&self) -> Result<Ring> {
        Ring::read_at_once(&self.place.key)
    }

    /// Asks for the passphrase of a ring that is locked, unless that is known by now: for a command that would otherwise find
    /// out late, or take a passphrase that is wrong for keys that are.
    ///
    /// # Errors
    /// [`Kind::MissingAnswer`]; [`Kind::KeyWrong`] for a wrong passphrase.
    pub fn unlock(&self) -> Result<()> {
        if self.place.key.is_locked() {
            Ring::read(&self.place.key)?;
        }
        Ok(())
    }

    /// The same before the write lock is taken: whoever holds it waits for nobody. Every write is a row of the log, which the
    /// keys prove.
    ///
    /// # Errors
    /// As [`Store::unlock`].
    pub(super) fn unlock_for_writing(&self) -> Result<()> {
        if self.vault.get().is_none() {
            self.unlock()?;
        }
        Ok(())
    }

    /// Opens a sealed value that was read with or without the write lock: without it, a newer key may have sealed it
    /// since the keys were opened.
    ///
    /// # Errors
    /// As [`Vault::open_sealed`], and those of [`Store::vault`].
    pub(crate) fn unseal(
        &self,
        label: Label,
        row: i64,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        if let Ok(plain) = self.vault()?.open_sealed(label, row, sealed) {
            return Ok(plain);
        }
        self.keys_of_now()?;
        self.vault()?.open_sealed(label, row, sealed)
    }
}
