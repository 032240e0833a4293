//! Recovery codes: ten single-use codes that stand in for a lost device.
//!
//! A code is `xxxxx-xxxxx` from an alphabet without look-alikes, 50 bits, kept as a keyed hash and shown once. It is
//! accepted in any case, with or without hyphen and spaces. A new set voids the old one.

use std::cell::RefCell;

use rusqlite::{OptionalExtension as _, named_params};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::audit::Event;
use crate::clock::Time;
use crate::error::Result;
use crate::name::visible;
use crate::permission::is_administrator;
use crate::plan::{Change, Op, Plan, Reach};
use crate::secret::Secret;
use crate::store::{Store, Tx};
use crate::user::get;
use crate::vault::Label;

/// How many codes a set has.
pub(crate) const COUNT: usize = 10;

/// From how many left on an answer warns.
pub(crate) const FEW: i64 = 2;

const LENGTH: usize = 10;
/// 32 characters: digits and letters without i, l, o and u, as Crockford's base 32 has them.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CODE: Label = Label("recovery_code.code");

/// A typed code as it is compared: what people misread is put right. `None`: it cannot be one.
fn normalised(typed: &Secret) -> Option<Zeroizing<String>> {
    let mut code = Zeroizing::new(String::new());
    for c in typed
        .expose()
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
    {
        let c = match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        if !c.is_ascii() || !ALPHABET.contains(&(c as u8)) {
            return None;
        }
        code.push(c);
    }
    (code.len() == LENGTH).then_some(code)
}

fn hash(store: &Store, user: i64, code: &str) -> Result<[u8; 32]> {
    store
        .vault()?
        .hash(CODE, &[&user.to_be_bytes(), code.as_bytes()])
}

/// What a typed code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Used {
    /// Right; it is used up now, and so many are left.
    Right {
        /// Codes left.
        left: i64,
    },
    /// Right, but it was used before.
    Before,
    /// None of this user's codes.
    Wrong,
}

/// Checks and consumes a code, in the caller's transaction.
pub(crate) fn consume(tx: &Tx<'_>, user: i64, typed: &Secret) -> Result<Used> {
    let Some(code) = normalised(typed) else {
        return Ok(Used::Wrong);
    };
    let hash = hash(tx, user, &code)?;
    let found: Option<(i64, bool)> = tx
        .db()
        .prepare_cached("SELECT id, used_at IS NOT NULL FROM recovery_code WHERE user = :user AND code_hash = :hash")?
        .query_row(named_params! { ":user": user, ":hash": hash }, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        None => Ok(Used::Wrong),
        Some((_, true)) => Ok(Used::Before),
        Some((id, false)) => {
            tx.db()
                .prepare_cached("UPDATE recovery_code SET used_at = ?1 WHERE id = ?2")?
                .execute(rusqlite::params![tx.now(), id])?;
            Ok(Used::Right {
                left: left(tx, user)?,
            })
        }
    }
}

/// Codes a user has left.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn left(store: &Store, user: i64) -> Result<i64> {
    Ok(store
        .db()
        .prepare_cached("SELECT count(*) FROM recovery_code WHERE user = ?1 AND used_at IS NULL")?
        .query_row([user], |row| row.get(0))?)
}

/// Voids the codes of everybody, and counts those that were left.
pub(crate) fn void_all(tx: &Tx<'_>) -> Result<u64> {
    let count: i64 = tx.db().query_row(
        "SELECT count(*) FROM recovery_code WHERE used_at IS NULL",
        [],
        |row| row.get(0),
    )?;
    tx.db().execute("DELETE FROM recovery_code", [])?;
    Ok(count.unsigned_abs())
}

/// Of a restored store's codes leaves those that the live one has left too: what was used there is used, and what was
/// replaced or deleted is void. Without a live one all are. Returns the logins of users who lost codes that were left.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn keep_unused(tx: &Tx<'_>, live: Option<&Store>) -> Result<Vec<String>> {
    let mut query = tx.db().prepare(
        "SELECT recovery_code.id, user, code_hash, login FROM recovery_code JOIN user ON user.id = user
         WHERE used_at IS NULL ORDER BY login, user",
    )?;
    let mut left = Vec::new();
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (id, user): (i64, i64) = (row.get(0)?, row.get(1)?);
        left.push((id, user, row.get::<_, Vec<u8>>(2)?, row.get(3)?));
    }
    let mut logins: Vec<String> = Vec::new();
    let mut known = match live {
        Some(live) => Some(live.db().prepare(
            "SELECT used_at FROM recovery_code WHERE id = ?1 AND user = ?2 AND code_hash = ?3",
        )?),
        None => None,
    };
    for (id, user, hash, login) in left {
        let found: Option<Option<Time>> = match &mut known {
            Some(known) => known
                .query_row(rusqlite::params![id, user, hash], |row| row.get(0))
                .optional()?,
            None => None,
        };
        match found {
            Some(None) => {}
            Some(used) => {
                tx.db()
                    .prepare_cached("UPDATE recovery_code SET used_at = ?1 WHERE id = ?2")?
                    .execute(rusqlite::params![used, id])?;
            }
            None => {
                tx.db()
                    .prepare_cached("DELETE FROM recovery_code WHERE id = ?1")?
                    .execute([id])?;
                if logins.last() != Some(&login) {
                    logins.push(login);
                }
            }
        }
    }
    Ok(logins)
}

/// `recovery-codes generate`: a new set, which voids the old one. The codes are shown this once.
#[derive(Debug)]
pub struct GenerateCodes {
    /// Whose.
    pub user: i64,
    codes: RefCell<Vec<Secret>>,
}

impl GenerateCodes {
    /// For this user.
    #[must_use]
    pub fn new(user: i64) -> GenerateCodes {
        GenerateCodes {
            user,
            codes: RefCell::default(),
        }
    }

    /// The codes that were written.
    #[must_use]
    pub fn into_codes(self) -> Vec<Secret> {
        self.codes.into_inner()
    }
}

impl Plan for GenerateCodes {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let user = get(store, self.user)?;
        let have = show(store, self.user)?;
        let change = Change::new(
            "recovery-codes",
            user.login,
            Op::Edit,
            Event::RECOVERY_CODES_GENERATED,
        )
        .about(self.user)
        .always("left", have.left, COUNT);
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.db()
            .execute("DELETE FROM recovery_code WHERE user = ?1", [self.user])?;
        let mut codes = Vec::with_capacity(COUNT);
        while codes.len() < COUNT {
            let mut bytes = Zeroizing::new([0u8; LENGTH]);
            tx.source().fill(bytes.as_mut())?;
            // 256 is a multiple of 32: the low five bits are fair.
            let code: Zeroizing<String> = Zeroizing::new(
                bytes
                    .iter()
                    .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
                    .collect(),
            );
            let inserted = tx
                .db()
                .prepare_cached("INSERT OR IGNORE INTO recovery_code (user, code_hash, generated_at) VALUES (:user, :hash, :now)")?
                .execute(named_params! { ":user": self.user, ":hash": hash(tx, self.user, &code)?, ":now": tx.now() })?;
            if inserted == 1 {
                codes.push(Secret::new(format!(
                    "{}-{}",
                    &code[..LENGTH / 2],
                    &code[LENGTH / 2..]
                )));
            }
        }
        self.codes.replace(codes);
        Ok(())
    }

    fn confirms(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        // New codes of an administrator confirm administrator actions from now on.
        let user = get(store, self.user)?;
        Ok(is_administrator(store, self.user)?.then(|| {
            format!(
                "generating recovery codes of the administrator `{}`",
                visible(&user.login)
            )
        }))
    }

    fn own(&self) -> &'static str {
        "generating your recovery codes"
    }

    fn about(&self) -> Option<i64> {
        Some(self.user)
    }
}

/// A user's set as `show` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoveryRow {
    /// Codes of the set.
    pub total: i64,
    /// Codes not yet used.
    pub left: i64,
    /// When it was made.
    pub generated_at: Option<Time>,
}

/// A user's set.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn show(store: &Store, user: i64) -> Result<RecoveryRow> {
    Ok(store.db().query_row(
        "SELECT count(*), count(*) - count(used_at), max(generated_at) FROM recovery_code WHERE user = ?1",
        [user],
        |row| Ok(RecoveryRow { total: row.get(0)?, left: row.get(1)?, generated_at: row.get(2)? }),
    )?)
}

/// `recovery-codes delete`.
#[derive(Debug, Clone, Copy)]
pub struct DeleteCodes {
    /// Whose.
    pub user: i64,
}

impl Plan for DeleteCodes {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let user = get(store, self.user)?;
        let have = show(store, self.user)?;
        if have.total == 0 {
            return Ok(Vec::new());
        }
        let change = Change::new(
            "recovery-codes",
            user.login,
            Op::Remove,
            Event::RECOVERY_CODES_DELETED,
        )
        .about(self.user)
        .field("total", have.total, 0)
        .field("left", have.left, 0);
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.db()
            .execute("DELETE FROM recovery_code WHERE user = ?1", [self.user])?;
        Ok(())
    }

    fn about(&self) -> Option<i64> {
        Some(self.user)
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        Ok(Reach::Users(vec![self.user]))
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let user = get(store, self.user)?;
        let left = left(store, self.user)?;
        Ok(Some(format!(
            "The recovery codes of `{}` will be void ({}).",
            visible(&user.login),
            crate::name::counted(left.unsigned_abs(), "code left", "codes left")
        )))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        let read = |typed: &str| normalised(&typed.into()).map(|code| code.to_string());
        assert_eq!(read("abcde-fghjk").as_deref(), Some("abcdefghjk"));
        assert_eq!(read(" ABCDE FGHJK ").as_deref(), Some("abcdefghjk"));
        assert_eq!(read("o1il0-abcde").as_deref(), Some("01110abcde"));
        for bad in [
            "",
            "abcde",
            "abcde-fghj",
            "abcde-fghjkm",
            "abcde-fghju",
            "abcde-fgh!k",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_typed_panics(typed in "\\PC{0,30}") {
            let _ = normalised(&typed.as_str().into());
        }
    }
}
