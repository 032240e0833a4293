//! How a client comes, changes, gets another secret and goes.
//!
//! What takes tokens away raises the client's generation: a token names the one it was made in, so that those that are out
//! are void at once and for good, also when the client is activated again.

use std::cell::RefCell;

use rusqlite::named_params;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Client, DEFAULT_TTL, SECRET, audience, get, issuer, lookup, scopes, ttl};
use crate::audit::Event;
use crate::clock::spoken;
use crate::error::{Error, Kind, Result};
use crate::name::{self, argument, fold, visible};
use crate::plan::{Change, Op, Plan, added_again};
use crate::secret::Secret;
use crate::store::{Store, Tx};
use crate::user::{self, Type, User};

/// The bytes of a client id and of a secret.
const CLIENT_ID: usize = 16;
const SECRET_BYTES: usize = 32;
/// The longest time that a secret is taken beside its successor: long enough for a roll-over, and no way of life.
const LONGEST_ROLL_OVER: i64 = 30 * 86_400;

/// What the command line gives of a client.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// The login of the technical user it acts as.
    pub user: Option<String>,
    /// Seconds a token is good for.
    pub ttl: Option<i64>,
    /// Whom its tokens are for; `Some(None)`: this store.
    pub audience: Option<Option<String>>,
    /// What they are good for.
    pub scopes: Option<Vec<String>>,
    /// Whether it gets tokens at all.
    pub active: Option<bool>,
}

/// The technical user of a login.
fn technical(store: &Store, login: &str) -> Result<User> {
    let user = user::find(store, login)?;
    if user.kind == Type::Technical {
        return Ok(user);
    }
    let message = format!(
        "`{}` is no technical user, and an OAuth client acts as one",
        visible(&user.login)
    );
    Err(Error::new(Kind::InvalidValue, message)
        .hint("`twofa user add LOGIN --type technical` adds one"))
}

/// A client as a change shows it.
struct Shown {
    user: i64,
    row: Value,
}

const CHANGED: &[&str] = &["name", "user", "active", "ttl", "audience", "scopes"];

fn shown(store: &Store, have: &Client) -> Value {
    json!({
        "name": have.name, "user": have.login, "active": have.active, "ttl": have.ttl,
        "audience": super::audience_of(store, have), "scopes": have.scopes,
    })
}

/// `oauth-client add`, and with `id`, `oauth-client edit`.
#[derive(Debug)]
pub struct PutClient {
    /// The client to edit; `None` adds one.
    pub id: Option<i64>,
    /// Its name.
    pub name: String,
    /// What else is given.
    pub fields: Fields,
    secret: RefCell<Option<Secret>>,
}

impl PutClient {
    /// A new one.
    #[must_use]
    pub fn add(name: String, fields: Fields) -> PutClient {
        PutClient {
            id: None,
            name,
            fields,
            secret: RefCell::default(),
        }
    }

    /// One that is there.
    #[must_use]
    pub fn edit(id: i64, name: String, fields: Fields) -> PutClient {
        PutClient {
            id: Some(id),
            ..PutClient::add(name, fields)
        }
    }

    /// The secret of a client that was added.
    #[must_use]
    pub fn into_secret(self) -> Option<Secret> {
        self.secret.into_inner()
    }

    fn have(&self, store: &Store) -> Result<Option<Client>> {
        match self.id {
            Some(id) => get(store, id).map(Some),
            None => lookup(store, &self.name),
        }
    }

    /// The client as it shall be.
    fn wanted(&self, store: &Store, have: Option<&Client>) -> Result<Shown> {
        let name = name::check_typed("name of the OAuth client", &self.name, 100)?;
        let (user, login) = match (&self.fields.user, have) {
            (Some(login), _) => technical(store, login).map(|user| (user.id, user.login))?,
            (None, Some(have)) => (have.user, have.login.clone()),
            (None, None) => {
                return Err(
                    Error::new(Kind::MissingAnswer, "the technical user is needed")
                        .hint("name it with --user LOGIN"),
                );
            }
        };
        let ttl = match self.fields.ttl {
            Some(seconds) => ttl(seconds)?,
            None => have.map_or(DEFAULT_TTL, |have| have.ttl),
        };
        let audience = match &self.fields.audience {
            Some(Some(text)) => Some(audience(text)?),
            Some(None) => None,
            None => have.and_then(|have| have.audience.clone()),
        };
        let scopes = match &self.fields.scopes {
            Some(given) => scopes(given)?,
            None => have.map_or_else(Vec::new, |have| have.scopes.clone()),
        };
        let active = self.fields.active.or(have.map(|have| have.active));
        let row = json!({
            "name": name, "user": login, "active": active.unwrap_or(true), "ttl": ttl,
            "audience": audience.unwrap_or_else(|| issuer(store)), "scopes": scopes,
        });
        Ok(Shown { user, row })
    }
}

impl Plan for PutClient {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let have = self.have(store)?;
        let wanted = self.wanted(store, have.as_ref())?;
        let (op, event, key) = match &have {
            None => (
                Op::Add,
                Event::OAUTH_CLIENT_ADDED,
                wanted.row["name"].as_str().unwrap_or_default().to_owned(),
            ),
            Some(have) => (Op::Edit, Event::OAUTH_CLIENT_EDITED, have.name.clone()),
        };
        let old = have.as_ref().map(|have| shown(store, have));
        let changes = Change::new("oauth-client", key, op, event)
            .fields_of(CHANGED, &old.unwrap_or_default(), &wanted.row)
            .if_any();
        match (self.id, have) {
            (Some(id), _) => match lookup(store, &self.name)?.filter(|other| other.id != id) {
                Some(other) => Err(Error::new(
                    Kind::Conflict,
                    format!(
                        "there is an OAuth client `{}` already",
                        visible(&other.name)
                    ),
                )),
                None => Ok(changes),
            },
            (None, Some(have)) => added_again("OAuth client", "oauth-client", &have.name, changes),
            (None, None) => Ok(changes),
        }
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let have = self.have(tx)?;
        let wanted = self.wanted(tx, have.as_ref())?;
        let row = &wanted.row;
        let name = row["name"].as_str().unwrap_or_default();
        let audience = row["audience"].as_str().filter(|text| *text != issuer(tx));
        let scope = row["scopes"].as_array().map_or_else(String::new, |words| {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            words.join(" ")
        });
        let active = row["active"].as_bool().unwrap_or(true);
        let ttl = row["ttl"].as_i64();
        if let Some(have) = have {
            let void = have.active && !active || have.user != wanted.user;
            tx.db().execute(
                "UPDATE oauth_client SET name = :name, name_key = :key, user = :user, active = :active, ttl = :ttl,
                     audience = :audience, scope = :scope, generation = generation + :void WHERE id = :id",
                named_params! {
                    ":id": have.id, ":name": name, ":key": fold(name), ":user": wanted.user, ":active": active,
                    ":ttl": ttl, ":audience": audience, ":scope": scope, ":void": void,
                },
            )?;
            return Ok(());
        }
        let mut id = [0u8; CLIENT_ID];
        tx.source().fill(&mut id)?;
        let client_id = data_encoding::HEXLOWER.encode(&id);
        let (secret, hash) = new_secret(tx, &client_id)?;
        tx.db().execute(
            "INSERT INTO oauth_client (name, name_key, client_id, user, active, secret_hash, secret_at, ttl, audience, scope,
                 created_at)
             VALUES (:name, :key, :client_id, :user, :active, :secret, :now, :ttl, :audience, :scope, :now)",
            named_params! {
                ":name": name, ":key": fold(name), ":client_id": client_id, ":user": wanted.user, ":active": active,
                ":secret": hash, ":ttl": ttl, ":audience": audience, ":scope": scope, ":now": tx.now(),
            },
        )?;
        self.secret.replace(Some(secret));
        Ok(())
    }
}

/// A new secret and what is kept of it.
fn new_secret(tx: &Tx<'_>, client_id: &str) -> Result<(Secret, [u8; 32])> {
    let mut bytes = Zeroizing::new([0u8; SECRET_BYTES]);
    tx.source().fill(bytes.as_mut())?;
    let secret = Secret::new(data_encoding::HEXLOWER.encode(bytes.as_ref()));
    let hash = hash(tx, client_id, &secret)?;
    Ok((secret, hash))
}

/// The hash of a secret, which is good for one client.
pub(super) fn hash(store: &Store, client_id: &str, secret: &Secret) -> Result<[u8; 32]> {
    let parts = [client_id.as_bytes(), secret.expose().as_bytes()];
    store.vault()?.hash(SECRET, &parts)
}

/// `oauth-client rotate-secret`.
#[derive(Debug)]
pub struct RotateSecret {
    /// The client.
    pub id: i64,
    /// Seconds for which the old secret is taken too; `None`: not at all, and the tokens that are out are void.
    pub keep_old_for: Option<i64>,
    secret: RefCell<Option<Secret>>,
}

impl RotateSecret {
    /// Another secret for this client.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] for a time that is no roll-over.
    pub fn new(id: i64, keep_old_for: Option<i64>) -> Result<RotateSecret> {
        if let Some(seconds) = keep_old_for.filter(|it| !(1..=LONGEST_ROLL_OVER).contains(it)) {
            let message = format!(
                "the old secret cannot be kept for {}: it is 1s to {}",
                spoken(seconds),
                spoken(LONGEST_ROLL_OVER)
            );
            return Err(Error::new(Kind::InvalidValue, message)
                .hint("without --keep-old-for it stops at once"));
        }
        Ok(RotateSecret {
            id,
            keep_old_for,
            secret: RefCell::default(),
        })
    }

    /// The new secret.
    #[must_use]
    pub fn into_secret(self) -> Option<Secret> {
        self.secret.into_inner()
    }
}

impl Plan for RotateSecret {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let have = get(store, self.id)?;
        let until = self.keep_old_for.map(|seconds| store.now().plus(seconds));
        let change = Change::new(
            "oauth-client",
            have.name,
            Op::Edit,
            Event::OAUTH_SECRET_ROTATED,
        )
        .about(have.user)
        .always("secret", "set", "changed")
        .field("old_secret_until", Value::Null, json!(until));
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let have = get(tx, self.id)?;
        let (secret, hash) = new_secret(tx, &have.client_id)?;
        let until = self.keep_old_for.map(|seconds| tx.now().plus(seconds));
        tx.db().execute(
            "UPDATE oauth_client SET secret_hash = :new, secret_at = :now, old_secret_hash = :old,
                 old_secret_until_at = :until, generation = generation + :void WHERE id = :id",
            named_params! {
                ":id": have.id, ":new": hash, ":now": tx.now(), ":old": until.map(|_| have.secret_hash),
                ":until": until, ":void": until.is_none(),
            },
        )?;
        self.secret.replace(Some(secret));
        Ok(())
    }
}

/// `oauth-client remove`.
#[derive(Debug, Clone, Copy)]
pub struct RemoveClient {
    /// The client.
    pub id: i64,
}

impl Plan for RemoveClient {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let have = get(store, self.id)?;
        let change = Change::new(
            "oauth-client",
            have.name,
            Op::Remove,
            Event::OAUTH_CLIENT_REMOVED,
        )
        .field("client_id", have.client_id, Value::Null)
        .field("user", have.login, Value::Null);
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.db()
            .execute("DELETE FROM oauth_client WHERE id = ?1", [self.id])?;
        Ok(())
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        Ok(Some(format!(
            "The OAuth client `{}` will be removed, and its tokens are void at once.",
            visible(&get(store, self.id)?.name)
        )))
    }
}

/// The command that gives a client another secret.
#[must_use]
pub fn rotate_with(client: &str) -> String {
    format!("twofa oauth-client rotate-secret {}", argument(client))
}
