//! What becomes of providers and of logins under way when a store takes the place of another, or its keys are stolen.

use rusqlite::{named_params, params};

use super::{Idp, Taken, certificates, list, lookup};
use crate::error::Result;
use crate::store::{Store, Tx};

/// Nobody comes back from a provider to a login that was begun before.
pub(crate) fn void_logins(tx: &Tx<'_>) -> Result<()> {
    tx.db().execute(
        "UPDATE sso_login SET closed_at = ?1, closed_as = 'void' WHERE closed_at IS NULL",
        [tx.now()],
    )?;
    Ok(())
}

/// Of a restored store's providers keeps what the live one has at its strictest: what was disabled or removed there is
/// disabled, each speaks for those only for whom it speaks in both, certificates that it does not trust are trusted no more,
/// what it called users and was forgotten stays so, and assertions that counted in either count in neither. Logins under
/// way are void. Without a live store nothing else can be known.
pub(crate) fn keep_stricter(tx: &Tx<'_>, live: Option<&Store>) -> Result<()> {
    void_logins(tx)?;
    let Some(live) = live else {
        return Ok(());
    };
    for idp in list(tx)? {
        match counterpart(live, &idp)? {
            Some(there) => stricter(tx, &idp, live, &there)?,
            None => {
                tx.db()
                    .execute("UPDATE idp SET enabled = 0 WHERE id = ?1", [idp.id])?;
            }
        }
    }
    Ok(())
}

/// The same provider in the live store: the one of its row, which may have another name by now; a row that is another
/// provider's does not count.
fn counterpart(live: &Store, idp: &Idp) -> Result<Option<Idp>> {
    let same = |there: &Idp| there.entity_id == idp.entity_id;
    let all = list(live)?;
    let of_row = all
        .into_iter()
        .find(|there| there.id == idp.id && there.created_at == idp.created_at);
    match of_row {
        Some(there) => Ok(Some(there)),
        None => Ok(lookup(live, &idp.name)?.filter(same)),
    }
}

fn stricter(tx: &Tx<'_>, idp: &Idp, live: &Store, there: &Idp) -> Result<()> {
    tx.db().execute(
        "UPDATE idp SET enabled = :enabled, administrators = :administrators, may_begin = :may_begin, sha1 = :sha1,
             require_mfa = :require_mfa, employees = :employees, externals = :externals WHERE id = :id",
        named_params! {
            ":id": idp.id, ":enabled": idp.enabled && there.enabled,
            ":administrators": idp.administrators && there.administrators,
            ":may_begin": idp.may_begin && there.may_begin, ":sha1": idp.sha1 && there.sha1,
            ":require_mfa": idp.require_mfa || there.require_mfa,
            ":employees": fewer(idp.employees, there.employees), ":externals": fewer(idp.externals, there.externals),
        },
    )?;
    let trusted = certificates(live, there.id)?;
    for one in certificates(tx, idp.id)? {
        if !trusted.iter().any(|there| there.der == one.der) {
            tx.db().execute(
                "DELETE FROM idp_certificate WHERE idp = ?1 AND fingerprint = ?2",
                params![idp.id, one.fingerprint],
            )?;
        }
    }
    let speaks_for_nobody = "employees = 'none' AND externals = 'none'";
    let trusts_nothing = certificates(tx, idp.id)?.is_empty();
    tx.db().execute(
        &format!("UPDATE idp SET enabled = 0 WHERE id = ?1 AND (?2 OR {speaks_for_nobody})"),
        (idp.id, trusts_nothing),
    )?;
    unlink(tx, idp, live, there)?;
    counted(tx, idp, live, there)
}

/// Those of a type who come through both.
fn fewer(one: Taken, other: Taken) -> Taken {
    let both = [one, other];
    let is = |taken| both.contains(&taken);
    if is(Taken::None) {
        Taken::None
    } else if is(Taken::Existing) {
        Taken::Existing
    } else {
        Taken::Create
    }
}

/// What the provider calls users who are in the live store, and are not called so there: it was forgotten.
fn unlink(tx: &Tx<'_>, idp: &Idp, live: &Store, there: &Idp) -> Result<()> {
    let mut forgotten = live.db().prepare(
        "SELECT EXISTS (SELECT 1 FROM user WHERE id = :user)
             AND NOT EXISTS (SELECT 1 FROM idp_user WHERE idp = :idp AND subject = :subject AND user = :user)",
    )?;
    let mut gone: Vec<i64> = Vec::new();
    let mut query = tx
        .db()
        .prepare("SELECT id, subject, user FROM idp_user WHERE idp = ?1")?;
    let mut rows = query.query([idp.id])?;
    while let Some(row) = rows.next()? {
        let (id, subject, user): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let of_it = named_params! { ":idp": there.id, ":subject": subject, ":user": user };
        if forgotten.query_row(of_it, |row| row.get(0))? {
            gone.push(id);
        }
    }
    for id in gone {
        tx.db()
            .execute("DELETE FROM idp_user WHERE id = ?1", [id])?;
    }
    Ok(())
}

/// Assertions that counted in the live store.
fn counted(tx: &Tx<'_>, idp: &Idp, live: &Store, there: &Idp) -> Result<()> {
    let mut query = live
        .db()
        .prepare("SELECT id_hash, until_at FROM sso_assertion WHERE idp = ?1")?;
    let mut rows = query.query([there.id])?;
    let mut insert = tx.db().prepare(
        "INSERT INTO sso_assertion (idp, id_hash, until_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (idp, id_hash) DO UPDATE SET until_at = max(until_at, excluded.until_at)",
    )?;
    while let Some(row) = rows.next()? {
        let (hash, until): (Vec<u8>, i64) = (row.get(0)?, row.get(1)?);
        insert.execute(params![idp.id, hash, until])?;
    }
    Ok(())
}

/// Names of providers with a key pair of ours, which whoever has the keys of the store has too.
pub(crate) fn with_own_key(store: &Store) -> Result<Vec<String>> {
    let all = list(store)?.into_iter().filter(|idp| idp.own.is_some());
    Ok(all.map(|idp| idp.name).collect())
}
