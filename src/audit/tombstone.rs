//! Tombstones: what stays of a row that was archived.
//!
//! The digest and the mac, so that the chain verifies without the row; the user and the event before, so that the way from
//! a user to their events goes on; and a proof with the audit key, for a tombstone is a permission to be gone: without it
//! whoever can write the file could bury any row.

use rusqlite::{Row, Statement, named_params};

use crate::error::Result;
use crate::store::{Store, Tx};
use crate::vault::{Vault, same};

const COLUMNS: &str = "seq, user, earlier, digest, mac, \"key\", archive, proof";

/// Reads all of them, in order.
pub(super) fn all(store: &Store) -> Result<Statement<'_>> {
    let sql = format!("SELECT {COLUMNS} FROM audit_tombstone ORDER BY seq");
    Ok(store.db().prepare(&sql)?)
}

/// A row that was archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tombstone {
    pub(super) seq: i64,
    pub(super) user: Option<i64>,
    pub(super) earlier: Option<i64>,
    pub(super) digest: Vec<u8>,
    pub(super) mac: Vec<u8>,
    pub(super) key: i64,
    /// The id of the archive it went into.
    pub(super) archive: String,
    proof: Vec<u8>,
}

impl Tombstone {
    /// One of the table's rows. A column that holds another type than it should makes one that does not prove itself.
    pub(super) fn read(row: &Row<'_>) -> Result<Tombstone> {
        let blob = |column| -> rusqlite::Result<Vec<u8>> {
            Ok(row.get_ref(column)?.as_blob().unwrap_or_default().to_vec())
        };
        let number = |column| -> rusqlite::Result<Option<i64>> {
            Ok(row.get_ref(column)?.as_i64_or_null().unwrap_or_default())
        };
        Ok(Tombstone {
            seq: row.get(0)?,
            user: number(1)?,
            earlier: number(2)?,
            digest: blob(3)?,
            mac: blob(4)?,
            key: number(5)?.unwrap_or_default(),
            archive: row.get_ref(6)?.as_str().unwrap_or_default().to_owned(),
            proof: blob(7)?,
        })
    }

    /// Whether this program wrote it.
    pub(super) fn proves_itself(&self, store_id: &str, vault: &Vault) -> bool {
        // What is proven has one reading only: each part but the last is of one length.
        self.digest.len() == 32
            && self.mac.len() == 32
            && self
                .proven(store_id, vault)
                .is_ok_and(|proof| same(&proof, &self.proof))
    }

    /// The one of a row with its digest, mac and key, which goes into an archive.
    pub(super) fn over(store: &Store, row: &Row<'_>, archive: &str) -> Result<Tombstone> {
        let blob = |column| -> rusqlite::Result<Vec<u8>> {
            Ok(row.get_ref(column)?.as_blob().unwrap_or_default().to_vec())
        };
        let mut stone = Tombstone {
            seq: row.get(0)?,
            user: row.get(6)?,
            earlier: row.get(7)?,
            digest: blob(12)?,
            mac: blob(13)?,
            key: row.get(14)?,
            archive: archive.to_owned(),
            proof: Vec::new(),
        };
        stone.proof = stone.proven(store.id(), store.vault()?)?.to_vec();
        Ok(stone)
    }

    fn proven(&self, store_id: &str, vault: &Vault) -> Result<[u8; 32]> {
        let number = |number: Option<i64>| [i64::from(number.is_some()), number.unwrap_or(0)];
        let numbers: Vec<u8> = [
            [self.seq, self.key],
            number(self.user),
            number(self.earlier),
        ]
        .concat()
        .into_iter()
        .flat_map(i64::to_be_bytes)
        .collect();
        vault.audit_mac(
            self.key,
            &[
                b"tombstone",
                store_id.as_bytes(),
                &numbers,
                &self.digest,
                &self.mac,
                self.archive.as_bytes(),
            ],
        )
    }
}

/// The tombstone of a row, if it was archived.
pub(super) fn of(store: &Store, seq: i64) -> Result<Option<Tombstone>> {
    let mut query = store.db().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM audit_tombstone WHERE seq = ?1"
    ))?;
    let mut rows = query.query([seq])?;
    rows.next()?.map(Tombstone::read).transpose()
}

/// The numbers of rows that stand in the log although they have a tombstone: of those whose tombstone this program set,
/// which were put back, and of the others, which somebody would have liked to bury.
///
/// # Errors
/// Key and storage errors.
pub(crate) fn beside_rows(store: &Store) -> Result<(Vec<i64>, Vec<i64>)> {
    let mut query = store.db().prepare(&format!(
        "SELECT {COLUMNS} FROM audit_tombstone WHERE seq IN (SELECT seq FROM audit) ORDER BY seq"
    ))?;
    let mut rows = query.query([])?;
    let (mut back, mut forged) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let stone = Tombstone::read(row)?;
        if stone.proves_itself(store.id(), store.vault()?) {
            back.push(stone.seq);
        } else {
            forged.push(stone.seq);
        }
    }
    Ok((back, forged))
}

/// How many rows went into an archive.
pub(super) fn count(store: &Store, archive: &str) -> Result<i64> {
    Ok(store.db().query_row(
        "SELECT count(*) FROM audit_tombstone WHERE archive = ?1",
        [archive],
        |row| row.get(0),
    )?)
}

/// Sets one.
pub(super) fn set(tx: &Tx<'_>, stone: &Tombstone) -> Result<()> {
    tx.db()
        .prepare_cached(
            "INSERT INTO audit_tombstone (seq, user, earlier, digest, mac, \"key\", archive, proof)
             VALUES (:seq, :user, :earlier, :digest, :mac, :key, :archive, :proof)",
        )?
        .execute(named_params! {
            ":seq": stone.seq, ":user": stone.user, ":earlier": stone.earlier, ":digest": stone.digest,
            ":mac": stone.mac, ":key": stone.key, ":archive": stone.archive, ":proof": stone.proof,
        })?;
    Ok(())
}
