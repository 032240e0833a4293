//! Authenticator apps: connecting, confirming, disconnecting.
//!
//! `connect` makes a pending secret and a setup token; a right code confirms them and is consumed by that. A second
//! `connect` replaces the pending one; a connected app is kept until the new one is confirmed. Five wrong confirmations
//! void the set-up and never touch the counter of logins.

use rusqlite::{OptionalExtension as _, named_params};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use zeroize::Zeroizing;

use crate::audit::{Entry, Event, Outcome, Who, append};
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::name::{argument, visible};
use crate::permission::is_administrator;
use crate::plan::{Change, Op, Plan, Reach};
use crate::secret::Secret;
use crate::setting::{self, Settings};
use crate::store::{Store, Tx};
use crate::totp::{self, Judged, Parameters};
use crate::user::{User, get};
use crate::vault::{Label, same};

/// Wrong confirmations that void a set-up.
pub(crate) const CONFIRMATIONS: i64 = 5;

pub(crate) const SECRET: Label = Label("authenticator.secret");
pub(crate) const PENDING: Label = Label("authenticator_setup.secret");
const TOKEN: Label = Label("authenticator_setup.token");
const FINGERPRINT: Label = Label("authenticator.fingerprint");

/// A pending connection, as it is shown to whoever connects: this once.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// What `confirm` asks for.
    pub setup_token: Secret,
    /// What the QR code carries.
    pub uri: Secret,
    /// What is typed where no QR code can be read.
    pub secret: Secret,
    /// From when on it cannot be confirmed.
    pub expires_at: Time,
}

impl Serialize for Enrolment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut whole = serializer.serialize_struct("Enrolment", 4)?;
        whole.serialize_field("setup_token", self.setup_token.expose())?;
        whole.serialize_field("uri", self.uri.expose())?;
        whole.serialize_field("secret", self.secret.expose())?;
        whole.serialize_field("expires_at", &self.expires_at)?;
        whole.end()
    }
}

/// Makes a pending secret for a user; an earlier one is void. Returns the set-up's row id too.
pub(crate) fn begin(tx: &Tx<'_>, who: &Who, user: &User, life: i64) -> Result<(i64, Enrolment)> {
    let settings = Settings::load(tx)?;
    let secret = totp::new_secret(tx.source())?;
    let uri = totp::uri(
        &secret,
        Parameters::default(),
        settings.text(&setting::TOTP_ISSUER),
        &user.login,
    )?;
    let mut bytes = Zeroizing::new([0u8; 16]);
    tx.source().fill(bytes.as_mut())?;
    let token = Secret::new(
        data_encoding::BASE32_NOPAD
            .encode(bytes.as_ref())
            .to_ascii_lowercase(),
    );
    let now = tx.now();
    let expires_at = now.plus(life);
    tx.db()
        .execute("DELETE FROM authenticator_setup WHERE user = ?1", [user.id])?;
    sweep(tx)?;
    let id = tx.next_id("authenticator_setup")?;
    tx.db().execute(
        "INSERT INTO authenticator_setup (id, user, secret, token_hash, created_at, expires_at)
         VALUES (:id, :user, :secret, :token, :now, :expires)",
        named_params! {
            ":id": id, ":user": user.id, ":secret": tx.vault()?.seal(PENDING, id, &secret, tx.source())?,
            ":token": token_hash(tx, id, &token)?, ":now": now, ":expires": expires_at,
        },
    )?;
    let entry = Entry::new(Event::AUTHENTICATOR_STARTED, Outcome::Ok)
        .user(user.id, user.login.as_str())
        .detail(serde_json::json!({ "expires_at": expires_at }));
    append(tx, who, &entry)?;
    Ok((
        id,
        Enrolment {
            setup_token: token,
            uri,
            secret: totp::base32(&secret),
            expires_at,
        },
    ))
}

/// Ends every set-up.
pub(crate) fn void_setups(tx: &Tx<'_>) -> Result<()> {
    tx.db().execute("DELETE FROM authenticator_setup", [])?;
    Ok(())
}

/// The logins of everybody who has an app connected, in the order of ids.
pub(crate) fn connected(store: &Store) -> Result<Vec<String>> {
    let mut query = store.db().prepare(
        "SELECT login FROM user WHERE id IN (SELECT user FROM authenticator) ORDER BY id",
    )?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How long a set-up is kept after it was over, in seconds: so long it may be told from one that never was.
const KEPT: i64 = 86_400;

/// How many set-ups that are long over one begun removes: more than are left between two, and few enough not to be felt.
const SWEPT: i64 = 20;

/// Removes set-ups that nobody confirmed.
fn sweep(tx: &Tx<'_>) -> Result<()> {
    tx.db()
        .prepare_cached(
            "DELETE FROM authenticator_setup WHERE id IN
                 (SELECT id FROM authenticator_setup WHERE expires_at < :over ORDER BY expires_at LIMIT :most)",
        )?
        .execute(named_params! { ":over": tx.now().plus(-KEPT), ":most": SWEPT })?;
    Ok(())
}

/// Keeps what the apps of a restored store have consumed: as far as the live one knows; where it does not know an app,
/// all that the app has shown until now, `drift` steps ahead. Returns the logins of users whom the live store knows
/// without that app.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn keep_consumed(tx: &Tx<'_>, live: Option<&Store>, drift: i64) -> Result<Vec<String>> {
    let mut all = tx.db().prepare(
        "SELECT authenticator.id, user, connected_at, login FROM authenticator JOIN user ON user.id = user
         ORDER BY login, user",
    )?;
    let all = all
        .query_map([], |row| {
            Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?))
        })?
        .collect::<rusqlite::Result<Vec<((i64, i64, i64), String)>>>()?;
    let mut known = match live {
        Some(live) => Some((
            live.db().prepare(
                "SELECT consumed_until_at FROM authenticator WHERE id = ?1 AND user = ?2 AND connected_at = ?3",
            )?,
            live.db().prepare("SELECT 1 FROM user WHERE id = ?1")?,
        )),
        None => None,
    };
    let mut back = Vec::new();
    for ((id, user, connected), login) in all {
        let mut consumed: Option<i64> = None;
        if let Some((app, person)) = &mut known {
            consumed = app
                .query_row([id, user, connected], |row| row.get(0))
                .optional()?;
            if consumed.is_none() && person.exists([user])? {
                back.push(login);
            }
        }
        tx.db()
            .prepare_cached(
                "UPDATE authenticator SET consumed_until_at =
                     max(consumed_until_at, coalesce(:consumed, (:now / period + :drift + 1) * period))
                 WHERE id = :id",
            )?
            .execute(named_params! {
                ":consumed": consumed, ":now": tx.now(), ":drift": drift, ":id": id,
            })?;
    }
    Ok(back)
}

/// How long a set-up can be confirmed, in seconds.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn setup_life(store: &Store) -> Result<i64> {
    Ok(Settings::load(store)?.number(&setting::TOTP_SETUP_TOKEN_TTL) * 60)
}

fn token_hash(store: &Store, setup: i64, token: &Secret) -> Result<[u8; 32]> {
    store.vault()?.hash(
        TOKEN,
        &[
            &setup.to_be_bytes(),
            token.expose().trim().to_ascii_lowercase().as_bytes(),
        ],
    )
}

/// What a confirmation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmed {
    /// The app is connected, and the code consumed.
    Connected,
    /// The code or the token is wrong; so many tries are left.
    Wrong {
        /// Tries left before the set-up is void.
        left: i64,
    },
    /// It was the last wrong one: the set-up is void.
    Void,
    /// Too late.
    Expired,
}

struct Setup {
    id: i64,
    secret: Vec<u8>,
    token_hash: Vec<u8>,
    failures: i64,
    expires_at: Time,
}

fn pending(store: &Store, user: i64) -> Result<Option<Setup>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT id, secret, token_hash, failures, expires_at FROM authenticator_setup WHERE user = ?1")?;
    let setup = query.query_row([user], |row| {
        Ok(Setup {
            id: row.get(0)?,
            secret: row.get(1)?,
            token_hash: row.get(2)?,
            failures: row.get(3)?,
            expires_at: row.get(4)?,
        })
    });
    Ok(setup.optional()?)
}

/// Confirms a user's pending set-up with a code of the new app, and with its token unless `token` is `None`.
pub(crate) fn confirm(
    tx: &Tx<'_>,
    who: &Who,
    user: &User,
    code: &Secret,
    token: Option<&Secret>,
    drift: i64,
) -> Result<Confirmed> {
    let setup = pending(tx, user.id)?.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format!(
                "no authenticator app of `{}` waits to be confirmed",
                visible(&user.login)
            ),
        )
        .hint(format!(
            "`twofa authenticator connect {}` begins",
            argument(&user.login)
        ))
    })?;
    if setup.expires_at <= tx.now() {
        return Ok(Confirmed::Expired);
    }
    let token_fits = match token {
        Some(token) => same(&token_hash(tx, setup.id, token)?, &setup.token_hash),
        None => true,
    };
    let secret = tx.vault()?.open_sealed(PENDING, setup.id, &setup.secret)?;
    // The new secret has consumed nothing yet.
    let judged = totp::judge(
        &secret,
        Parameters::default(),
        code,
        tx.now(),
        drift,
        Time(0),
    )?;
    let Judged::Right { ends_at } = judged else {
        return wrong(tx, who, user, &setup);
    };
    if !token_fits {
        return wrong(tx, who, user, &setup);
    }
    connect(tx, who, user, &secret, ends_at)?;
    tx.db()
        .execute("DELETE FROM authenticator_setup WHERE id = ?1", [setup.id])?;
    Ok(Confirmed::Connected)
}

fn wrong(tx: &Tx<'_>, who: &Who, user: &User, setup: &Setup) -> Result<Confirmed> {
    let failures = setup.failures + 1;
    let void = failures >= CONFIRMATIONS;
    if void {
        tx.db()
            .execute("DELETE FROM authenticator_setup WHERE id = ?1", [setup.id])?;
    } else {
        tx.db().execute(
            "UPDATE authenticator_setup SET failures = ?1 WHERE id = ?2",
            [failures, setup.id],
        )?;
    }
    let entry = Entry::new(Event::AUTHENTICATOR_WRONG, Outcome::Denied)
        .user(user.id, user.login.as_str())
        .reason(if void {
            "setup_void"
        } else {
            Kind::SecondFactorWrong.code()
        })
        .detail(serde_json::json!({ "failures": failures }));
    append(tx, who, &entry)?;
    Ok(if void {
        Confirmed::Void
    } else {
        Confirmed::Wrong {
            left: CONFIRMATIONS - failures,
        }
    })
}

/// The keyed hash of a connected app's secret. Equal secrets have equal ones, so that two users with one secret are found
/// without opening any; whoever has the store and not the key file learns nothing from it.
///
/// # Errors
/// [`Kind::KeyMissing`] and the like.
pub(crate) fn fingerprint(store: &Store, secret: &[u8]) -> Result<[u8; 32]> {
    store.vault()?.hash(FINGERPRINT, &[secret])
}

/// Writes the fingerprint of a secret anew, with the hash key that is current now. Where that is the one of before, which
/// only a compromised key changes, the row and its index stay as they are.
pub(crate) fn renew_fingerprint(tx: &Tx<'_>, row: i64, secret: &[u8]) -> Result<()> {
    tx.db()
        .prepare_cached(
            "UPDATE authenticator SET fingerprint = ?2 WHERE id = ?1 AND fingerprint <> ?2",
        )?
        .execute(rusqlite::params![row, fingerprint(tx, secret)?])?;
    Ok(())
}

fn connect(tx: &Tx<'_>, who: &Who, user: &User, secret: &[u8], ends_at: Time) -> Result<()> {
    let parameters = Parameters::default();
    tx.db()
        .execute("DELETE FROM authenticator WHERE user = ?1", [user.id])?;
    let id = tx.next_id("authenticator")?;
    tx.db().execute(
        "INSERT INTO authenticator (id, user, secret, fingerprint, algorithm, digits, period, consumed_until_at, connected_at)
         VALUES (:id, :user, :secret, :fingerprint, :algorithm, :digits, :period, :consumed, :now)",
        named_params! {
            ":id": id, ":user": user.id, ":secret": tx.vault()?.seal(SECRET, id, secret, tx.source())?,
            ":fingerprint": fingerprint(tx, secret)?,
            ":algorithm": parameters.algorithm.code(), ":digits": parameters.digits, ":period": parameters.period,
            ":consumed": ends_at, ":now": tx.now(),
        },
    )?;
    append(
        tx,
        who,
        &Entry::new(Event::AUTHENTICATOR_CONNECTED, Outcome::Ok).user(user.id, user.login.as_str()),
    )?;
    Ok(())
}

/// Judges a code of a user's connected app and consumes its step, in the caller's transaction. `None`: no app.
pub(crate) fn consume(tx: &Tx<'_>, user: i64, code: &Secret, drift: i64) -> Result<Option<Judged>> {
    let found = tx
        .db()
        .prepare_cached("SELECT id, secret, algorithm, digits, period, consumed_until_at FROM authenticator WHERE user = ?1")?
        .query_row([user], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, Vec<u8>>(1)?,
                Parameters {
                    algorithm: row.get(2)?,
                    digits: row.get(3)?,
                    period: row.get(4)?,
                },
                row.get::<_, Time>(5)?,
            ))
        })
        .optional()?;
    let Some((id, sealed, parameters, consumed_until)) = found else {
        return Ok(None);
    };
    let secret = tx.vault()?.open_sealed(SECRET, id, &sealed)?;
    let judged = totp::judge(&secret, parameters, code, tx.now(), drift, consumed_until)?;
    if let Judged::Right { ends_at } = judged {
        // max: whatever is judged, the watermark is never lowered.
        tx.db()
            .prepare_cached("UPDATE authenticator SET consumed_until_at = max(consumed_until_at, ?1) WHERE id = ?2")?
            .execute(rusqlite::params![ends_at, id])?;
    }
    Ok(Some(judged))
}

/// A user's app as `list` and `show` give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuthenticatorRow {
    /// Login of the user.
    pub user: String,
    /// Whether an app is connected.
    pub connected: bool,
    /// When it was connected.
    pub connected_at: Option<Time>,
    /// The hash.
    pub algorithm: Option<String>,
    /// Digits of a code.
    pub digits: Option<u8>,
    /// Seconds a code lives.
    pub period: Option<u32>,
    /// Until when a pending connection can be confirmed.
    pub pending_until: Option<Time>,
}

/// The users with an app connected or waiting to be confirmed, by login.
///
/// # Errors
/// [`Kind::Storage`], and what `each` returns.
pub fn list(
    store: &Store,
    only: Option<i64>,
    each: &mut dyn FnMut(AuthenticatorRow) -> Result<()>,
) -> Result<()> {
    let now = store.now();
    let mut query = store.db().prepare(
        "SELECT user.login, connected_at, algorithm, digits, period,
                (SELECT expires_at FROM authenticator_setup WHERE user = user.id AND expires_at > :now)
         FROM identity JOIN user ON user.id = identity.user LEFT JOIN authenticator ON authenticator.user = user.id
         WHERE is_login = 1 AND (:only IS NULL OR user.id = :only)
           AND (:only IS NOT NULL OR authenticator.id IS NOT NULL
                OR EXISTS (SELECT 1 FROM authenticator_setup WHERE user = user.id AND expires_at > :now))
         ORDER BY key",
    )?;
    let mut rows = query.query(named_params! { ":now": now, ":only": only })?;
    while let Some(row) = rows.next()? {
        let connected_at: Option<Time> = row.get(1)?;
        each(AuthenticatorRow {
            user: row.get(0)?,
            connected: connected_at.is_some(),
            connected_at,
            algorithm: row.get(2)?,
            digits: row.get(3)?,
            period: row.get(4)?,
            pending_until: row.get(5)?,
        })?;
    }
    Ok(())
}

/// One user's app.
///
/// # Errors
/// [`Kind::Storage`].
pub fn show(store: &Store, user: i64) -> Result<AuthenticatorRow> {
    let mut found = None;
    list(store, Some(user), &mut |row| {
        found = Some(row);
        Ok(())
    })?;
    found.ok_or_else(|| Error::new(Kind::Storage, "the user is gone"))
}

/// `authenticator disconnect`.
#[derive(Debug, Clone, Copy)]
pub struct Disconnect {
    /// Whose.
    pub user: i64,
}

impl Plan for Disconnect {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let user = get(store, self.user)?;
        let have = show(store, self.user)?;
        if !have.connected {
            return Ok(Vec::new());
        }
        let change = Change::new(
            "authenticator",
            user.login,
            Op::Remove,
            Event::AUTHENTICATOR_DISCONNECTED,
        )
        .about(self.user)
        .field(
            "connected_at",
            have.connected_at.map(|at| at.to_string()),
            Value::Null,
        );
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.db()
            .execute("DELETE FROM authenticator WHERE user = ?1", [self.user])?;
        tx.db().execute(
            "DELETE FROM authenticator_setup WHERE user = ?1",
            [self.user],
        )?;
        Ok(())
    }

    fn about(&self) -> Option<i64> {
        Some(self.user)
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        Ok(Reach::Users(vec![self.user]))
    }

    fn confirms(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let user = get(store, self.user)?;
        Ok(is_administrator(store, self.user)?.then(|| {
            format!(
                "disconnecting the authenticator app of the administrator `{}`",
                visible(&user.login)
            )
        }))
    }

    fn own(&self) -> &'static str {
        "disconnecting your authenticator app"
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let user = get(store, self.user)?;
        Ok(Some(format!(
            "The authenticator app of `{}` will be disconnected.",
            visible(&user.login)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;

    #[test]
    fn a_fingerprint_is_of_the_secret_alone_and_of_nothing_else_that_is_hashed() {
        let world = fresh();
        let of = |secret: &[u8]| fingerprint(&world.store, secret).unwrap();
        assert_eq!(of(b"one"), of(b"one"));
        assert_ne!(of(b"one"), of(b"two"));
        let other = world.store.vault().unwrap().hash(TOKEN, &[b"one"]);
        assert_ne!(of(b"one"), other.unwrap());
    }

    #[test]
    fn a_set_up_that_nobody_confirmed_goes_with_the_next_a_day_later() {
        let world = fresh();
        let users = "INSERT INTO user (login, type, created_at)
             VALUES ('alice', 'employee', 0), ('bob', 'employee', 0)";
        world.store.tampered().execute(users, []).unwrap();
        let connect = |user| {
            let work = |tx: &Tx<'_>| begin(tx, &Who::default(), &get(tx, user)?, 120);
            world.store.write(work).unwrap();
            let count = "SELECT count(*) FROM authenticator_setup";
            let db = world.store.db();
            db.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        let later = |seconds| world.clock.set(world.store.now().plus(seconds));
        assert_eq!(connect(1), 1);
        later(120 + KEPT);
        assert_eq!(connect(2), 2, "a day is not over yet");
        later(1);
        assert_eq!(connect(2), 1);
    }

    #[test]
    fn an_unknown_algorithm_is_damage_and_not_a_wrong_code() {
        let world = fresh();
        let tampered = "PRAGMA ignore_check_constraints = ON;
             INSERT INTO user (id, login, type, created_at) VALUES (1, 'alice', 'employee', 0);
             INSERT INTO authenticator (user, secret, fingerprint, algorithm, digits, period, consumed_until_at, connected_at)
             VALUES (1, x'00', x'00', 'MD5', 6, 30, 0, 0)";
        world.store.tampered().execute_batch(tampered).unwrap();
        let code = Secret::new("123456".to_owned());
        let judged = world.store.write(|tx| consume(tx, 1, &code, 1));
        assert_eq!(judged.unwrap_err().kind(), Kind::Storage);
    }
}
