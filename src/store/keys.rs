//! The keys of an open store, which another command may change at any moment.

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
            vault.take_over(Vault::open(
                &self.db,
                &self.id,
                &Ring::read(&self.place.key)?,
            )?);
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
