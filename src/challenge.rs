//! Challenges: pending second-factor questions.
//!
//! A challenge belongs to a user and a purpose, and holds at most one sent code as a keyed hash bound to it. It lives
//! twenty minutes or until it is answered; that of a recovery, once its mail was taken, as long as its token. Logins,
//! confirmations and new passwords use the same table.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension as _, Row, named_params};
use serde::Serialize;

use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::method::Method;
use crate::secret::Secret;
use crate::store::{Store, Tx};
use crate::vault::{Label, same};

/// How long a challenge can be answered, in seconds (SEMANTICS, "Second factor").
pub(crate) const LIFE: i64 = 20 * 60;

const CODE: Label = Label("challenge.code");

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A login.
    Login,
    /// A login that connects an app first.
    Enrolment,
    /// An administrator action, or a change of one's own second factor.
    Confirmation,
    /// A password that its user changes or recovers.
    Password,
    /// A recovery: answered with the token that was mailed, and with a second factor of its own.
    Recovery,
}

impl Purpose {
    const ALL: [Purpose; 5] = [
        Purpose::Login,
        Purpose::Enrolment,
        Purpose::Confirmation,
        Purpose::Password,
        Purpose::Recovery,
    ];

    /// The word in the store and in `login list`.
    #[must_use]
    pub(crate) fn code(self) -> &'static str {
        match self {
            Purpose::Login => "login",
            Purpose::Enrolment => "enrolment",
            Purpose::Confirmation => "confirmation",
            Purpose::Password => "password",
            Purpose::Recovery => "recovery",
        }
    }
}

impl ToSql for Purpose {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.code().to_sql()
    }
}

impl FromSql for Purpose {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_str()?;
        Purpose::ALL
            .into_iter()
            .find(|purpose| purpose.code() == code)
            .ok_or(FromSqlError::InvalidType)
    }
}

/// How a challenge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Somebody answered rightly.
    Answered,
    /// It was cancelled.
    Cancelled,
    /// What it was about is void.
    Void,
}

impl Closed {
    fn code(self) -> &'static str {
        match self {
            Closed::Answered => "answered",
            Closed::Cancelled => "cancelled",
            Closed::Void => "void",
        }
    }
}

/// How a challenge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It can be answered.
    Open,
    /// It was answered, cancelled, replaced or voided.
    Closed,
    /// Nobody answered in time.
    Expired,
}

/// A pending question, as stored.
#[derive(Debug, Clone)]
pub(crate) struct Challenge {
    /// Row id.
    pub id: i64,
    /// The CHALLENGE of the command line.
    pub token: String,
    /// Whom it asks.
    pub user: i64,
    /// What for.
    pub purpose: Purpose,
    /// Which method is asked for.
    pub method: Method,
    /// What exactly is confirmed.
    pub binding: Option<Vec<u8>>,
    /// The set-up it would confirm.
    pub setup: Option<i64>,
    /// When the server took the code; before that it is not valid.
    pub accepted_at: Option<Time>,
    /// From when on the code is not valid.
    pub code_expires_at: Option<Time>,
    /// From when on it cannot be answered.
    pub expires_at: Time,
    code_hash: Option<Vec<u8>>,
    /// One that was closed because nobody answered in time has expired, and is not closed to whoever answers now.
    closed: bool,
}

const COLUMNS: &str = "id, token, user, purpose, method, binding, setup, code_hash, accepted_at, code_expires_at, expires_at, coalesce(closed_as <> 'expired', 0)";

fn read(row: &Row<'_>) -> rusqlite::Result<Challenge> {
    Ok(Challenge {
        id: row.get(0)?,
        token: row.get(1)?,
        user: row.get(2)?,
        purpose: row.get(3)?,
        method: row.get(4)?,
        binding: row.get(5)?,
        setup: row.get(6)?,
        code_hash: row.get(7)?,
        accepted_at: row.get(8)?,
        code_expires_at: row.get(9)?,
        expires_at: row.get(10)?,
        closed: row.get(11)?,
    })
}

impl Challenge {
    /// How it stands. A sent code that ran out expires the answer, not the challenge.
    #[must_use]
    pub(crate) fn standing(&self, now: Time) -> Standing {
        if self.closed {
            Standing::Closed
        } else if self.expires_at <= now {
            Standing::Expired
        } else {
            Standing::Open
        }
    }

    /// Until when the method that is asked for can be answered.
    #[must_use]
    pub(crate) fn answerable_until(&self) -> Time {
        match self.code_expires_at {
            Some(code) if self.method.is_sent() => code.min(self.expires_at),
            _ => self.expires_at,
        }
    }

    /// Whether `code` is the one that was sent. The comparison does not tell where they differ.
    ///
    /// # Errors
    /// [`Kind::KeyMissing`] and the like.
    pub(crate) fn is_code(&self, store: &Store, code: &Secret) -> Result<bool> {
        let Some(stored) = &self.code_hash else {
            return Ok(false);
        };
        Ok(same(&hash(store, self.id, code)?, stored))
    }
}

/// The keyed hash of a code, bound to its challenge. Spaces that people type are not part of a code.
fn hash(store: &Store, challenge: i64, code: &Secret) -> Result<[u8; 32]> {
    let plain: zeroize::Zeroizing<String> = zeroize::Zeroizing::new(
        code.expose()
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect(),
    );
    store
        .vault()?
        .hash(CODE, &[&challenge.to_be_bytes(), plain.as_bytes()])
}

/// What a new challenge is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    /// What exactly is confirmed.
    pub(crate) binding: Option<Vec<u8>>,
    /// The set-up it would confirm.
    pub(crate) setup: Option<i64>,
}

/// How long after its end a question that nobody answered counts as pending, in seconds.
const KEPT: i64 = 86_400;

/// How many questions that are long over one opened closes: more than are left between two, and few enough not to be
/// felt.
const SWEPT: i64 = 20;

/// Closes questions that nobody answered. Their answer stays what it was.
fn sweep(tx: &Tx<'_>) -> Result<()> {
    tx.db()
        .prepare_cached(
            "UPDATE challenge SET closed_at = :now, closed_as = 'expired', code_hash = NULL WHERE id IN
                 (SELECT id FROM challenge WHERE closed_at IS NULL AND expires_at < :over ORDER BY expires_at LIMIT :most)",
        )?
        .execute(named_params! { ":now": tx.now(), ":over": tx.now().plus(-KEPT), ":most": SWEPT })?;
    Ok(())
}

/// Draws the token of a challenge: 128 random bits, in letters and digits.
///
/// # Errors
/// [`Kind::Io`] when the system gives no randomness.
pub(crate) fn draw_token(store: &Store) -> Result<String> {
    let mut bytes = [0u8; 16];
    store.source().fill(&mut bytes)?;
    let token = data_encoding::BASE32_NOPAD.encode(&bytes);
    Ok(token.to_ascii_lowercase())
}

/// Opens a challenge.
pub(crate) fn open(
    tx: &Tx<'_>,
    user: i64,
    purpose: Purpose,
    method: Method,
    about: About,
) -> Result<Challenge> {
    let token = draw_token(tx)?;
    let now = tx.now();
    sweep(tx)?;
    let id = tx.next_id("challenge")?;
    tx.db()
        .prepare_cached(
            "INSERT INTO challenge (id, token, user, purpose, method, binding, setup, created_at, expires_at)
             VALUES (:id, :token, :user, :purpose, :method, :binding, :setup, :now, :expires)",
        )?
        .execute(named_params! {
            ":id": id, ":token": token, ":user": user, ":purpose": purpose, ":method": method,
            ":binding": about.binding, ":setup": about.setup, ":now": now, ":expires": now.plus(LIFE),
        })?;
    get(tx, id)
}

/// The challenge of a row id.
pub(crate) fn get(store: &Store, id: i64) -> Result<Challenge> {
    let mut query = store
        .db()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM challenge WHERE id = ?1"))?;
    Ok(query.query_row([id], read)?)
}

/// Finds a challenge by its token.
///
/// # Errors
/// [`Kind::NotFound`].
pub(crate) fn find(store: &Store, token: &str) -> Result<Challenge> {
    let wanted = token.trim().to_ascii_lowercase();
    let mut query = store
        .db()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM challenge WHERE token = ?1"))?;
    query.query_row([wanted], read).optional()?.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format!(
                "there is no challenge `{}`",
                crate::name::visible(token.trim())
            ),
        )
        .hint("`twofa login list` shows the open ones; `twofa login start` makes one")
    })
}

/// Draws a new code for a challenge, asked by `method` from now on; an earlier one is void at once, and the new one is
/// not valid before [`accepted`].
pub(crate) fn new_code(tx: &Tx<'_>, challenge: i64, method: Method) -> Result<Secret> {
    let code = six_digits(tx)?;
    tx.db()
        .prepare_cached(
            "UPDATE challenge SET method = :method, code_hash = :hash, accepted_at = NULL, code_expires_at = NULL WHERE id = :id",
        )?
        .execute(named_params! { ":method": method, ":hash": hash(tx, challenge, &code)?, ":id": challenge })?;
    Ok(code)
}

/// Asks for a method that sends nothing.
pub(crate) fn switch(tx: &Tx<'_>, challenge: i64, method: Method) -> Result<()> {
    tx.db()
        .prepare_cached("UPDATE challenge SET method = :method, code_hash = NULL, accepted_at = NULL, code_expires_at = NULL WHERE id = :id")?
        .execute(named_params! { ":method": method, ":id": challenge })?;
    Ok(())
}

/// The server took `code`: it is valid from now on, for `ttl` seconds, unless a newer one has replaced it meanwhile.
pub(crate) fn accepted(tx: &Tx<'_>, challenge: i64, code: &Secret, ttl: i64) -> Result<()> {
    let now = tx.now();
    tx.db()
        .prepare_cached(
            "UPDATE challenge SET accepted_at = :now, code_expires_at = :expires WHERE id = :id AND code_hash = :hash",
        )?
        .execute(named_params! {
            ":now": now, ":expires": now.plus(ttl), ":id": challenge, ":hash": hash(tx, challenge, code)?,
        })?;
    Ok(())
}

/// Ends a challenge.
pub(crate) fn close(tx: &Tx<'_>, challenge: i64, closed: Closed) -> Result<()> {
    tx.db()
        .prepare_cached("UPDATE challenge SET closed_at = :now, closed_as = :closed, code_hash = NULL WHERE id = :id")?
        .execute(named_params! { ":now": tx.now(), ":closed": closed.code(), ":id": challenge })?;
    Ok(())
}

/// Ends what waits for an answer of a user: what it was begun with, or the way its code took, no longer holds.
pub(crate) fn void(tx: &Tx<'_>, user: i64) -> Result<()> {
    void_where(tx, user, "1")
}

/// Ends everything that waits for an answer.
pub(crate) fn void_all(tx: &Tx<'_>) -> Result<()> {
    tx.db().execute(
        "UPDATE challenge SET closed_at = :now, closed_as = :closed, code_hash = NULL WHERE closed_at IS NULL",
        named_params! { ":now": tx.now(), ":closed": Closed::Void.code() },
    )?;
    Ok(())
}

/// The same, but for logins: to those it is answered that their user is shut out.
pub(crate) fn void_beside_logins(tx: &Tx<'_>, user: i64) -> Result<()> {
    void_where(tx, user, "purpose NOT IN ('login', 'enrolment')")
}

/// `which` is SQL.
fn void_where(tx: &Tx<'_>, user: i64, which: &str) -> Result<()> {
    tx.db()
        .prepare_cached(&format!(
            "UPDATE challenge SET closed_at = :now, closed_as = :closed, code_hash = NULL
             WHERE user = :user AND closed_at IS NULL AND {which}"
        ))?
        .execute(
            named_params! { ":now": tx.now(), ":closed": Closed::Void.code(), ":user": user },
        )?;
    Ok(())
}

/// Draws a new token for a recovery; an earlier one is void at once, and the new one is not valid before
/// [`token_accepted`].
pub(crate) fn new_token(tx: &Tx<'_>, challenge: i64) -> Result<Secret> {
    let mut bytes = zeroize::Zeroizing::new([0u8; 20]);
    tx.source().fill(&mut *bytes)?;
    let token = data_encoding::BASE32_NOPAD
        .encode(&*bytes)
        .to_ascii_lowercase();
    let token = Secret::new(token);
    tx.db().execute(
        "UPDATE challenge SET code_hash = :hash, accepted_at = NULL, code_expires_at = NULL WHERE id = :id",
        named_params! { ":hash": hash(tx, challenge, &token)?, ":id": challenge },
    )?;
    Ok(token)
}

/// The server took `token`: it is valid from now on, for `life` seconds, unless a newer one has replaced it meanwhile or
/// the recovery was closed.
pub(crate) fn token_accepted(tx: &Tx<'_>, challenge: i64, token: &Secret, life: i64) -> Result<()> {
    let now = tx.now();
    tx.db().execute(
        "UPDATE challenge SET accepted_at = :now, code_expires_at = :expires, expires_at = :expires
         WHERE id = :id AND code_hash = :hash AND closed_at IS NULL",
        named_params! {
            ":now": now, ":expires": now.plus(life), ":id": challenge, ":hash": hash(tx, challenge, token)?,
        },
    )?;
    Ok(())
}

/// The open recovery of a user that a token answers.
///
/// # Errors
/// Storage and key errors.
pub(crate) fn of_token(store: &Store, user: i64, token: &Secret) -> Result<Option<Challenge>> {
    let folded = Secret::new(token.expose().to_ascii_lowercase());
    let mut query = store.db().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM challenge
         WHERE user = :user AND expires_at > :now AND closed_at IS NULL AND purpose = 'recovery'
             AND accepted_at <= :now"
    ))?;
    let open = query
        .query_map(named_params! { ":user": user, ":now": store.now() }, read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for challenge in open {
        if challenge.is_code(store, &folded)? {
            return Ok(Some(challenge));
        }
    }
    Ok(None)
}

/// Six digits, each number as likely as any other, leading zeros kept.
fn six_digits(store: &Store) -> Result<Secret> {
    const NUMBERS: u32 = 1_000_000;
    // The largest multiple of a million that fits: what lies above would make small numbers likelier.
    const FAIR: u32 = u32::MAX - u32::MAX % NUMBERS;
    loop {
        let mut bytes = [0u8; 4];
        store.source().fill(&mut bytes)?;
        let drawn = u32::from_be_bytes(bytes);
        if drawn < FAIR {
            return Ok(Secret::new(format!("{:06}", drawn % NUMBERS)));
        }
    }
}

/// The purpose of a login that was sent to an identity provider.
#[cfg(feature = "saml")]
pub(crate) const SSO: &str = "sso";

/// An open challenge as `login list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChallengeRow {
    /// Its token.
    pub challenge: String,
    /// Login of the user it asks; nobody, where an identity provider is to say who it is.
    pub user: Option<String>,
    /// What for.
    pub purpose: &'static str,
    /// Which method is asked for; none, where an identity provider asks.
    pub method: Option<Method>,
    /// When it was opened.
    pub created_at: Time,
    /// Until when it can be answered.
    pub expires_at: Time,
}

/// The challenges that can be answered now, newest first; of one user, or of all.
///
/// # Errors
/// [`Kind::Storage`].
pub fn list(store: &Store, user: Option<i64>) -> Result<Vec<ChallengeRow>> {
    // Each of the two has an index of its own; one statement for both would read every challenge there ever was.
    let of_whom = if user.is_some() {
        "challenge.user = :user"
    } else {
        ":user IS NULL"
    };
    let mut query = store.db().prepare(&format!(
        "SELECT token, login, purpose, method, challenge.created_at, expires_at
         FROM challenge JOIN user ON user.id = challenge.user
         WHERE closed_at IS NULL AND expires_at > :now AND {of_whom}
         ORDER BY challenge.created_at DESC, challenge.id DESC"
    ))?;
    let rows = query.query_map(
        named_params! { ":now": store.now(), ":user": user },
        |row| {
            let purpose: Purpose = row.get(2)?;
            Ok(ChallengeRow {
                challenge: row.get(0)?,
                user: row.get(1)?,
                purpose: purpose.code(),
                method: row.get(3)?,
                created_at: row.get(4)?,
                expires_at: row.get(5)?,
            })
        },
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Challenges that can be answered now and begin with `prefix`, at most `limit`; without one, the last to expire first.
///
/// # Errors
/// [`Kind::Storage`].
pub fn candidates(store: &Store, prefix: &str, limit: i64) -> Result<Vec<String>> {
    // Each of the two has an index of its own.
    let which = if prefix.is_empty() {
        "expires_at > :now AND :key = :end ORDER BY expires_at DESC"
    } else {
        "token >= :key AND token < :end AND expires_at > :now"
    };
    let mut query = store.db().prepare(&format!(
        "SELECT token FROM challenge WHERE closed_at IS NULL AND {which} LIMIT :limit"
    ))?;
    // A token is ASCII: what begins with `prefix` sorts before this.
    let end = if prefix.is_empty() {
        String::new()
    } else {
        format!("{prefix}\u{10ffff}")
    };
    let rows = query.query_map(
        named_params! { ":now": store.now(), ":key": prefix, ":end": end, ":limit": limit },
        |row| row.get(0),
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;

    #[test]
    fn the_acceptance_of_a_replaced_code_makes_no_other_valid() {
        let fresh = fresh();
        let expires = fresh.store.write(|tx| {
            tx.db().execute(
                "INSERT INTO user (login, type, created_at) VALUES ('alice', 'employee', 0)",
                [],
            )?;
            let opened = open(tx, 1, Purpose::Login, Method::Email, About::default())?;
            let first = new_code(tx, opened.id, Method::Email)?;
            let second = new_code(tx, opened.id, Method::Email)?;
            accepted(tx, opened.id, &first, 60)?;
            let after_first = get(tx, opened.id)?.code_expires_at;
            accepted(tx, opened.id, &second, 60)?;
            Ok((after_first, get(tx, opened.id)?.code_expires_at))
        });
        let now = fresh.store.now();
        assert_eq!(expires.unwrap(), (None, Some(now.plus(60))));
    }

    #[test]
    fn what_nobody_answered_is_closed_a_day_later_and_stays_expired() {
        let fresh = fresh();
        let opened = || {
            let begin = |tx: &Tx<'_>| open(tx, 1, Purpose::Login, Method::Totp, About::default());
            fresh.store.write(begin).unwrap().id
        };
        let user = "INSERT INTO user (login, type, created_at) VALUES ('alice', 'employee', 0)";
        fresh.store.tampered().execute(user, []).unwrap();
        let closed = "SELECT count(*) FROM challenge WHERE closed_as = 'expired'";
        let closed = || -> i64 {
            fresh
                .store
                .db()
                .query_row(closed, [], |row| row.get(0))
                .unwrap()
        };
        let later = |seconds| fresh.clock.set(fresh.store.now().plus(seconds));
        let first = opened();
        for _ in 0..SWEPT + 4 {
            opened();
        }
        later(LIFE + KEPT);
        opened();
        assert_eq!(closed(), 0, "a day is not over yet");
        later(1);
        opened();
        assert_eq!(closed(), SWEPT);
        opened();
        assert_eq!(closed(), SWEPT + 5);
        let standing = get(&fresh.store, first)
            .unwrap()
            .standing(fresh.store.now());
        assert_eq!(standing, Standing::Expired);
    }

    #[test]
    fn codes_are_six_digits_with_their_zeros() {
        let fresh = fresh();
        let codes: Vec<String> = (0..2_000)
            .map(|_| six_digits(&fresh.store).unwrap().expose().to_owned())
            .collect();
        assert!(
            codes
                .iter()
                .all(|code| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()))
        );
        assert!(codes.iter().any(|code| code.starts_with('0')));
    }
}
