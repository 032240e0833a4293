//! Logins that were sent to an identity provider, and the assertions that came back and counted.
//!
//! A login waits for its answer as long as a challenge does, and is answered once. An assertion counts once, whatever it
//! answers: its id is kept until it has expired for good. What is long over goes a few rows at a time with the next login.

use rusqlite::{OptionalExtension as _, Row, named_params};
use sha2::{Digest as _, Sha256};

use crate::actor::Session;
use crate::audit::{Entry, Event, Outcome, append};
use crate::challenge::{ChallengeRow, LIFE, SSO};
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::name::fold;
use crate::store::{Store, Tx};
use crate::user::{self, User};
use crate::vault::{Label, same};

/// The frozen name of the hash of a login that nobody has.
const LOGIN: Label = Label("sso_login.login");

/// How long after its end a login that was sent is kept, in seconds.
const KEPT: i64 = 86_400;

/// How many rows that are long over one login takes away: more than come with it.
const SWEPT: i64 = 20;

/// How a login that was sent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The provider's answer was believed.
    Answered,
    /// It was cancelled.
    Cancelled,
}

impl Closed {
    fn code(self) -> &'static str {
        match self {
            Closed::Answered => "answered",
            Closed::Cancelled => "cancelled",
        }
    }
}

/// A login that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirected {
    /// Row id.
    pub(crate) id: i64,
    /// The CHALLENGE of the command line, and `RelayState`.
    pub(crate) token: String,
    /// The provider it was sent to.
    pub(crate) idp: i64,
    /// For whom it was begun, where that was said and somebody has the login.
    pub(crate) user: Option<i64>,
    /// The request that is to be answered.
    pub(crate) request: String,
    /// Whether the provider has to have asked anew.
    pub(crate) forced: bool,
    /// When it was sent.
    pub(crate) created_at: Time,
    /// From when on it cannot be answered.
    pub(crate) expires_at: Time,
    /// Whether it was answered, cancelled or made void.
    pub(crate) closed: bool,
    login_hash: Option<Vec<u8>>,
}

/// For whom a login is begun.
#[derive(Debug, Clone, Copy)]
pub(crate) enum For<'a> {
    /// Whomever the provider sends.
    Anybody,
    /// This user.
    User(i64),
    /// Whoever has this login by then.
    Login(&'a str),
}

const COLUMNS: &str = "id, token, idp, user, request, expires_at, closed_at IS NOT NULL, login_hash, created_at, forced";

fn read(row: &Row<'_>) -> rusqlite::Result<Redirected> {
    Ok(Redirected {
        id: row.get(0)?,
        token: row.get(1)?,
        idp: row.get(2)?,
        user: row.get(3)?,
        request: row.get(4)?,
        expires_at: row.get(5)?,
        closed: row.get(6)?,
        login_hash: row.get(7)?,
        created_at: row.get(8)?,
        forced: row.get(9)?,
    })
}

impl Redirected {
    /// Whether it was begun for somebody who is called one of `names`: login and address. Where it was begun for nobody in
    /// particular, or for a user that is here, the names do not matter.
    pub(crate) fn is_for(&self, store: &Store, names: &[&str]) -> Result<bool> {
        let Some(wanted) = &self.login_hash else {
            return Ok(true);
        };
        for name in names {
            if same(&hash(store, name)?, wanted) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// As `login list` shows it.
    pub(crate) fn row(&self, user: Option<String>) -> ChallengeRow {
        ChallengeRow {
            challenge: self.token.clone(),
            user,
            purpose: SSO,
            method: None,
            created_at: self.created_at,
            expires_at: self.expires_at,
        }
    }
}

fn hash(store: &Store, login: &str) -> Result<[u8; 32]> {
    store.vault()?.hash(LOGIN, &[fold(login).as_bytes()])
}

/// Keeps that a login was sent. `token` was drawn by the caller, who has put it into the request.
pub(crate) fn open(
    tx: &Tx<'_>,
    token: &str,
    idp: i64,
    whom: For<'_>,
    request: &str,
    forced: bool,
) -> Result<Redirected> {
    sweep(tx)?;
    let now = tx.now();
    let (user, login_hash) = match whom {
        For::Anybody => (None, None),
        For::User(id) => (Some(id), None),
        For::Login(login) => (None, Some(hash(tx, login)?)),
    };
    tx.db()
        .prepare_cached(
            "INSERT INTO sso_login (token, idp, user, login_hash, request, forced, created_at, expires_at)
             VALUES (:token, :idp, :user, :login, :request, :forced, :now, :expires)",
        )?
        .execute(named_params! {
            ":token": token, ":idp": idp, ":user": user, ":login": login_hash, ":request": request, ":forced": forced,
            ":now": now, ":expires": now.plus(LIFE),
        })?;
    get(tx, tx.db().last_insert_rowid())
}

/// The login of a row id.
pub(crate) fn get(store: &Store, id: i64) -> Result<Redirected> {
    let mut query = store
        .db()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM sso_login WHERE id = ?1"))?;
    Ok(query.query_row([id], read)?)
}

/// The login of a token, if one was sent with it.
pub(crate) fn find(store: &Store, token: &str) -> Result<Option<Redirected>> {
    let wanted = token.trim().to_ascii_lowercase();
    let mut query = store
        .db()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM sso_login WHERE token = ?1"))?;
    Ok(query.query_row([wanted], read).optional()?)
}

/// Ends a login that was sent.
pub(crate) fn close(tx: &Tx<'_>, id: i64, closed: Closed) -> Result<()> {
    tx.db()
        .prepare_cached(
            "UPDATE sso_login SET closed_at = :now, closed_as = :closed WHERE id = :id AND closed_at IS NULL",
        )?
        .execute(named_params! { ":now": tx.now(), ":closed": closed.code(), ":id": id })?;
    Ok(())
}

/// Keeps that an assertion counted. `false`: it had counted before, through this row or another of the same provider: one
/// that has two sets of rules here has one series of ids.
pub(crate) fn count(tx: &Tx<'_>, idp: i64, assertion: &str, until: Time) -> Result<bool> {
    let id: [u8; 32] = Sha256::digest(assertion.as_bytes()).into();
    let new = tx
        .db()
        .prepare_cached(
            "INSERT OR IGNORE INTO sso_assertion (idp, id_hash, until_at)
             SELECT :idp, :hash, :until WHERE NOT EXISTS
                 (SELECT 1 FROM idp CROSS JOIN sso_assertion ON sso_assertion.idp = idp.id AND id_hash = :hash
                  WHERE entity_id = (SELECT entity_id FROM idp WHERE id = :idp))",
        )?
        .execute(named_params! { ":idp": idp, ":hash": id, ":until": until })?;
    Ok(new == 1)
}

/// Takes away what is long over: logins, and assertions that are refused as expired.
fn sweep(tx: &Tx<'_>) -> Result<()> {
    tx.db()
        .prepare_cached(
            "DELETE FROM sso_login WHERE id IN
                 (SELECT id FROM sso_login WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
        )?
        .execute(rusqlite::params![tx.now().plus(-KEPT), SWEPT])?;
    tx.db()
        .prepare_cached(
            "DELETE FROM sso_assertion WHERE (idp, id_hash) IN
                 (SELECT idp, id_hash FROM sso_assertion WHERE until_at < ?1 ORDER BY until_at LIMIT ?2)",
        )?
        .execute(rusqlite::params![tx.now(), SWEPT])?;
    Ok(())
}

/// The logins that can be answered now; of one user, or of all.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn list(store: &Store, user: Option<i64>) -> Result<Vec<ChallengeRow>> {
    let of_whom = if user.is_some() {
        "user = :user"
    } else {
        ":user IS NULL"
    };
    let mut query = store.db().prepare(&format!(
        "SELECT {COLUMNS}, (SELECT login FROM user WHERE user.id = sso_login.user) FROM sso_login
         WHERE closed_at IS NULL AND expires_at > :now AND {of_whom}"
    ))?;
    let rows = query.query_map(
        named_params! { ":now": store.now(), ":user": user },
        |row| Ok(read(row)?.row(row.get(10)?)),
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Refuses what only a challenge takes that waits for a code, where `token` is of a login that waits for a provider.
///
/// # Errors
/// [`Kind::InvalidValue`]; [`Kind::NotPermitted`].
pub fn takes_codes(session: &Session, token: &str) -> Result<()> {
    let Some(sent) = find(&session.store, token)? else {
        return Ok(());
    };
    permitted(session, &sent)?;
    let message =
        "this login waits for what an identity provider answers, and no code is sent for it";
    Err(Error::new(Kind::InvalidValue, message)
        .hint("answer it with --saml-response-stdin, or begin anew with `twofa login start`"))
}

fn permitted(session: &Session, sent: &Redirected) -> Result<Option<User>> {
    let user = sent
        .user
        .map(|id| user::get(&session.store, id))
        .transpose()?;
    session.permit(user.as_ref())?;
    Ok(user)
}

/// Cancels a login that was sent. `None`: none was sent with this token; `false`: it was closed already.
///
/// # Errors
/// [`Kind::NotPermitted`], [`Kind::Storage`].
pub fn cancel(session: &Session, token: &str) -> Result<Option<(ChallengeRow, bool)>> {
    let Some(sent) = find(&session.store, token)? else {
        return Ok(None);
    };
    let user = permitted(session, &sent)?;
    let who = session.who();
    let changed = session.store.write(|tx| {
        let sent = get(tx, sent.id)?;
        if sent.closed || sent.expires_at <= tx.now() {
            return Ok(false);
        }
        close(tx, sent.id, Closed::Cancelled)?;
        let mut entry = Entry::new(Event::LOGIN_CANCELLED, Outcome::Ok);
        if let Some(user) = &user {
            entry = entry.user(user.id, user.login.as_str());
        }
        append(tx, &who, &entry)?;
        Ok(true)
    })?;
    Ok(Some((sent.row(user.map(|user| user.login)), changed)))
}

/// Tokens of logins that can be answered now and begin with `prefix`, at most `limit`.
///
/// # Errors
/// [`Kind::Storage`].
pub fn candidates(store: &Store, prefix: &str, limit: i64) -> Result<Vec<String>> {
    let mut query = store.db().prepare(
        "SELECT token FROM sso_login WHERE closed_at IS NULL AND expires_at > ?1 AND substr(token, 1, length(?2)) = ?2
         ORDER BY expires_at DESC LIMIT ?3",
    )?;
    let rows = query.query_map(rusqlite::params![store.now(), prefix, limit], |row| {
        row.get(0)
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Fresh, fresh};

    /// A provider, and `alice`.
    fn world() -> Fresh {
        let fresh = fresh();
        fresh
            .store
            .tampered()
            .execute_batch(
                "INSERT INTO user (id, login, type, created_at) VALUES (1, 'alice', 'employee', 0);
                 INSERT INTO idp (id, name, name_key, kind, entity_id, sso_url, employees, externals, created_at)
                     VALUES (1, 'entra', 'entra', 'entra', 'urn:idp', 'https://idp', 'existing', 'none', 0)",
            )
            .unwrap();
        fresh
    }

    fn rows(fresh: &Fresh, table: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        let count = fresh.store.db().query_row(&count, [], |row| row.get(0));
        count.unwrap()
    }

    #[test]
    fn an_assertion_counts_once_until_it_has_expired() {
        let fresh = world();
        let until = fresh.store.now().plus(60);
        let counts = |id: &str| fresh.store.write(|tx| count(tx, 1, id, until)).unwrap();
        assert!(counts("_a") && counts("_b"));
        assert!(!counts("_a"), "again");
        let begin = |token: &str| {
            let open = |tx: &Tx<'_>| open(tx, token, 1, For::Anybody, "_r", false);
            fresh.store.write(open).unwrap()
        };
        fresh.clock.set(until);
        begin("one");
        assert_eq!(
            rows(&fresh, "sso_assertion"),
            2,
            "the last second is not over"
        );
        fresh.clock.set(until.plus(1));
        begin("two");
        assert_eq!(rows(&fresh, "sso_assertion"), 0);
    }

    #[test]
    fn what_is_long_over_goes() {
        let fresh = world();
        let begin = |token: &str| {
            let open = |tx: &Tx<'_>| open(tx, token, 1, For::User(1), "_r", false);
            fresh.store.write(open).unwrap()
        };
        let first = begin("one");
        fresh.clock.set(first.expires_at.plus(KEPT));
        begin("two");
        assert_eq!(rows(&fresh, "sso_login"), 2);
        fresh.clock.set(first.expires_at.plus(KEPT + 1));
        begin("three");
        assert_eq!(rows(&fresh, "sso_login"), 2);
        assert!(find(&fresh.store, "one").unwrap().is_none());
    }

    #[test]
    fn a_login_that_nobody_has_is_kept_as_a_hash() {
        let fresh = world();
        let open = |tx: &Tx<'_>| open(tx, "one", 1, For::Login(" New@Example.com"), "_r", false);
        let sent = fresh.store.write(open).unwrap();
        let is_for = |names: &[&str]| sent.is_for(&fresh.store, names).unwrap();
        assert!(is_for(&["new", "new@example.COM"]));
        assert!(!is_for(&["new", "other@example.com"]) && !is_for(&[]));
    }
}
