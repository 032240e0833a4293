//! The audit log: what happened, in a chain that shows tampering.
//!
//! A row is written in the transaction of the change it tells of. `digest` is SHA-256 over the length-prefixed columns;
//! `mac` is HMAC(audit key, seq ‖ previous mac ‖ digest); the keyed head row finds a cut tail. Rows are never rewritten;
//! one that is archived leaves a tombstone. A replaced audit key chains and proves nothing new.
//! Editing, inserting, deleting or reordering rows shows without more; a whole file set back to an earlier state shows
//! only against an anchor kept elsewhere.

mod anchor;
mod archive;
mod archive_file;
mod block;
mod event;
mod export;
mod read;
mod row;
mod tombstone;
mod verify;

use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension as _, named_params};

pub use self::anchor::{Anchor, LONGEST as LONGEST_ANCHOR, anchor};
pub use self::archive::{Archived, Copied, Selection};
pub use self::archive_file::{VerifiedArchive, verify_archive};
pub(crate) use self::block::around as block_of;
pub(crate) use self::event::Entry;
pub use self::event::{Event, Outcome, Who};
pub use self::export::Lines;
pub use self::read::{Filter, history, list, logins, once_named, show};
pub use self::row::Record;
pub(crate) use self::tombstone::beside_rows;
pub use self::verify::{Damage, Verified, verify};

use self::row::{COLUMNS, Raw, Words};
use crate::error::{Error, Kind, Result};
use crate::store::{Store, Tx};
use crate::vault::{Vault, same};

struct Head {
    seq: i64,
    mac: Vec<u8>,
    proof: Vec<u8>,
    key: i64,
    /// The newest row there is, and its mac.
    newest: Option<(i64, Vec<u8>)>,
}

/// The head, and the row it should be of. A head that cannot be read is as good as none.
fn read_head(store: &Store) -> Result<Option<Head>> {
    let mut query = store.db().prepare_cached(
        "SELECT head.seq, head.mac, head.proof, head.\"key\", audit.seq, audit.mac
         FROM audit_head AS head LEFT JOIN audit ON audit.seq = (SELECT max(seq) FROM audit)
         WHERE head.id = 1",
    )?;
    let mut rows = query.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let blob = |column| {
        row.get_ref(column)
            .map(|value| value.as_bytes().ok().map(<[u8]>::to_vec))
    };
    let (Some(mac), Some(proof)) = (blob(1)?, blob(2)?) else {
        return Ok(None);
    };
    let (Ok(seq), Ok(key)) = (row.get_ref(0)?.as_i64(), row.get_ref(3)?.as_i64()) else {
        return Ok(None);
    };
    let newest: Option<i64> = row.get(4)?;
    Ok(Some(Head {
        seq,
        mac,
        proof,
        key,
        newest: newest.zip(Some(blob(5)?.unwrap_or_default())),
    }))
}

/// The mac before the first row.
const GENESIS: [u8; 32] = [0; 32];

fn head_proof(vault: &Vault, key: i64, store_id: &str, seq: i64, mac: &[u8]) -> Result<[u8; 32]> {
    vault.audit_mac(
        key,
        &[b"head", store_id.as_bytes(), &seq.to_be_bytes(), mac],
    )
}

fn link(vault: &Vault, key: i64, seq: i64, before: &[u8], digest: &[u8]) -> Result<[u8; 32]> {
    vault.audit_mac(key, &[&seq.to_be_bytes(), before, digest])
}

/// Writes the head of an empty log: part of making a store.
pub(crate) fn begin(db: &Connection, store_id: &str, vault: &Vault) -> Result<()> {
    let key = vault.audit_key()?;
    let proof = head_proof(vault, key, store_id, 0, &GENESIS)?;
    db.execute(
        "INSERT INTO audit_head (id, seq, mac, proof, \"key\") VALUES (1, 0, :mac, :proof, :key)",
        named_params! { ":mac": GENESIS, ":proof": proof, ":key": key },
    )?;
    Ok(())
}

/// Appends one row to the chain, in the transaction of what it tells of.
///
/// # Errors
/// [`Kind::Storage`], also when the head does not prove itself, or the newest row is not the one it is of: nothing is
/// chained onto a broken end.
pub(crate) fn append(tx: &Tx<'_>, who: &Who, entry: &Entry) -> Result<i64> {
    let vault = tx.vault()?;
    let end = tx.kept((), || proven_end(tx))?;
    let key = vault.audit_key()?;
    let earlier = match entry.user {
        Some(user) => newest_about(tx, user)?,
        None => None,
    };
    let raw = Raw {
        record: Record {
            seq: end.seq + 1,
            at: tx.now(),
            actor: who.actor.clone(),
            os_user: who.os_user.clone(),
            event: entry.event.code().to_owned(),
            subject: entry.subject.clone(),
            user: entry.user,
            earlier,
            outcome: entry.outcome.code().to_owned(),
            reason: entry.reason.clone(),
            note: who.note.clone(),
            detail: None,
        },
        detail: entry.detail.as_ref().map(ToString::to_string),
        sound: true,
    };
    let digest = raw.digest();
    let mac = link(vault, key, raw.record.seq, &end.mac, &digest)?;
    let proof = head_proof(vault, key, tx.id(), raw.record.seq, &mac)?;
    let row = &raw.record;
    // What keeps a row from being written without an error, as a trigger can, is no reason to go on without it.
    let one = |changed: usize| {
        if changed == 1 {
            return Ok(());
        }
        let message = "the audit log cannot be written: something else keeps its rows out";
        Err(Error::new(Kind::Storage, message).hint("`twofa doctor` says what"))
    };
    one(tx.db()
        .prepare_cached(
            "INSERT INTO audit (seq, at, actor, os_user, event, subject, user, earlier, outcome, reason, note, detail, digest, mac, \"key\")
             VALUES (:seq, :at, :actor, :os_user, :event, :subject, :user, :earlier, :outcome, :reason, :note, :detail, :digest, :mac, :key)",
        )?
        .execute(named_params! {
            ":seq": row.seq, ":at": row.at, ":actor": row.actor, ":os_user": row.os_user, ":event": row.event,
            ":subject": row.subject, ":user": row.user, ":earlier": row.earlier, ":outcome": row.outcome,
            ":reason": row.reason, ":note": row.note, ":detail": raw.detail, ":digest": digest, ":mac": mac, ":key": key,
        })?)?;
    one(tx
        .db()
        .prepare_cached(
            "UPDATE audit_head SET seq = :seq, mac = :mac, proof = :proof, \"key\" = :key",
        )?
        .execute(named_params! { ":seq": row.seq, ":mac": mac, ":proof": proof, ":key": key })?)?;
    if let Some(user) = row.user {
        tx.db()
            .prepare_cached("UPDATE user SET newest_event = ?1 WHERE id = ?2")?
            .execute([row.seq, user])?;
    }
    let seq = row.seq;
    if seq == block::around(seq).1 {
        block::close(tx, seq)?;
    }
    tx.keep(
        (),
        Rc::new(End {
            seq,
            mac: mac.to_vec(),
        }),
    );
    Ok(seq)
}

/// Runs `renew`, which makes a new audit key, and proves the end of the log by it: from then on the old one proves nothing.
///
/// # Errors
/// [`Kind::Storage`] when the log does not prove itself by the old key; what `renew` returns.
pub(crate) fn prove_anew(tx: &Tx<'_>, renew: impl FnOnce() -> Result<()>) -> Result<()> {
    let end = proven_end(tx)?;
    renew()?;
    let vault = tx.vault()?;
    let key = vault.audit_key()?;
    let proof = head_proof(vault, key, tx.id(), end.seq, &end.mac)?;
    tx.db().execute(
        "UPDATE audit_head SET proof = :proof, \"key\" = :key",
        named_params! { ":proof": proof, ":key": key },
    )?;
    Ok(())
}

/// Where the chain ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// The number of the newest row; 0: there is none.
    pub(crate) seq: i64,
    /// Its mac.
    pub(crate) mac: Vec<u8>,
}

/// The end as the head has it. Nothing is proven, and the key file is not read.
///
/// # Errors
/// [`Kind::Storage`] when there is no head.
pub(crate) fn end(store: &Store) -> Result<End> {
    let head = read_head(store)?
        .ok_or_else(|| Error::new(Kind::Storage, "the audit log's head cannot be read"))?;
    Ok(End {
        seq: head.seq,
        mac: head.mac,
    })
}

/// The newest row that two logs of one store have in common; 0: none. The mac of a row follows from all rows before it,
/// so that where two logs agree, they agree in everything before.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn in_common(one: &Store, other: &Store) -> Result<i64> {
    let (mut agree, mut beyond) = (0, end(one)?.seq.min(end(other)?.seq) + 1);
    while beyond - agree > 1 {
        let middle = agree + (beyond - agree) / 2;
        let mac = mac_of(one, middle)?;
        if mac.is_some() && mac == mac_of(other, middle)? {
            agree = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(agree)
}

/// The mac of a row, or of its tombstone.
fn mac_of(store: &Store, seq: i64) -> Result<Option<Vec<u8>>> {
    let mut query = store.db().prepare_cached(
        "SELECT mac FROM audit WHERE seq = ?1 UNION ALL SELECT mac FROM audit_tombstone WHERE seq = ?1",
    )?;
    let mut rows = query.query([seq])?;
    Ok(match rows.next()? {
        Some(row) => Some(row.get_ref(0)?.as_blob().unwrap_or_default().to_vec()),
        None => None,
    })
}

/// The end, if the head proves itself and the newest row is the one it is of.
fn proven_end(store: &Store) -> Result<End> {
    let broken = |what: &str| {
        Error::new(
            Kind::Storage,
            format!("the audit log's {what}: the store was changed by something else"),
        )
        .hint("`twofa audit verify` says where; restore a backup")
    };
    let unproven = || broken("head does not prove itself");
    let head = read_head(store)?.ok_or_else(unproven)?;
    let vault = store.vault()?;
    let proof = head_proof(vault, head.key, store.id(), head.seq, &head.mac)?;
    // A key that was replaced may be known to somebody else.
    if head.key != vault.audit_key()? || !same(&proof, &head.proof) {
        return Err(unproven());
    }
    let (end, mac) = head.newest.unwrap_or((0, GENESIS.to_vec()));
    if end != head.seq || !same(&mac, &head.mac) {
        return Err(broken("newest row is not the one its head is of"));
    }
    Ok(End { seq: end, mac })
}

/// The newest event about a user, as far as their row knows: nothing leads to the events of one who is gone.
///
/// An index would do the same, for one page more that every commit of a login writes; the user's row is written anyway.
fn newest_about(store: &Store, user: i64) -> Result<Option<i64>> {
    let newest: Option<Option<i64>> = store
        .db()
        .prepare_cached("SELECT newest_event FROM user WHERE id = ?1")?
        .query_row([user], |row| row.get(0))
        .optional()?;
    Ok(newest.flatten())
}
