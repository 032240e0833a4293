//! OAuth clients: integrations, which get in as a technical user by a client secret and never by a password.
//!
//! The grant is client credentials (RFC 6749, section 4.4): a secret buys a token that is good for a while, and who gets
//! the token asks whether it still is. What a client is stands here, how one comes, changes and goes in [`edit`], how
//! tokens are made and judged in [`token`].
//!
//! A secret is 256 random bits, so that a keyed hash is enough where a password gets Argon2id: what nobody can guess
//! needs no hash that is dear to compute, and a busy integration asks for tokens often.

pub mod edit;
pub mod token;

use rusqlite::{OptionalExtension as _, Row};
use serde::Serialize;

use crate::clock::{Time, spoken};
use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};
use crate::store::{Store, Tx};
use crate::vault::Label;

/// The frozen name of the hash of a secret.
const SECRET: Label = Label("oauth_client.secret");

/// How long a token is good for where nobody says it: an hour, as most servers have it.
pub const DEFAULT_TTL: i64 = 3600;
/// The shortest life of a token, which every clock is precise enough for, and the longest: a day, for whoever only looks
/// at the signature hears of nothing before its end.
const TTL: std::ops::RangeInclusive<i64> = 60..=86_400;
/// The longest audience.
const AUDIENCE: usize = 250;
/// The longest scope, all its words together: a token has to fit into a line of 4 KiB.
const SCOPE: usize = 1000;

/// A client, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Row id.
    pub id: i64,
    /// Its name, as written.
    pub name: String,
    /// What it says it is.
    pub client_id: String,
    /// The technical user it acts as.
    pub user: i64,
    /// The login of that user.
    pub login: String,
    /// Whether it gets tokens at all.
    pub active: bool,
    /// Seconds a token is good for.
    pub ttl: i64,
    /// Whom its tokens are for; `None`: this store.
    pub audience: Option<String>,
    /// What its tokens are good for.
    pub scopes: Vec<String>,
    secret_hash: Vec<u8>,
    secret_at: Time,
    old_secret: Option<(Vec<u8>, Time)>,
    generation: i64,
    last_token_at: Option<Time>,
    created_at: Time,
}

const SELECT: &str = "SELECT oauth_client.id, oauth_client.name, client_id, user, login, oauth_client.active, ttl, audience, scope,
        secret_hash, secret_at, old_secret_hash, old_secret_until_at, generation, last_token_at, oauth_client.created_at
    FROM oauth_client JOIN user ON user.id = user";

fn read(row: &Row<'_>) -> rusqlite::Result<Client> {
    let scope: String = row.get(8)?;
    let old: Option<Vec<u8>> = row.get(11)?;
    let until: Option<Time> = row.get(12)?;
    Ok(Client {
        id: row.get(0)?,
        name: row.get(1)?,
        client_id: row.get(2)?,
        user: row.get(3)?,
        login: row.get(4)?,
        active: row.get(5)?,
        ttl: row.get(6)?,
        audience: row.get(7)?,
        scopes: scope.split_whitespace().map(str::to_owned).collect(),
        secret_hash: row.get(9)?,
        secret_at: row.get(10)?,
        old_secret: old.zip(until),
        generation: row.get(13)?,
        last_token_at: row.get(14)?,
        created_at: row.get(15)?,
    })
}

/// Every client, by name.
///
/// # Errors
/// [`Kind::Storage`].
pub fn list(store: &Store) -> Result<Vec<Client>> {
    let mut query = store
        .db()
        .prepare_cached(&format!("{SELECT} ORDER BY name_key"))?;
    let rows = query.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The client of a name, in any case, if there is one.
pub(crate) fn lookup(store: &Store, name: &str) -> Result<Option<Client>> {
    let mut query = store
        .db()
        .prepare_cached(&format!("{SELECT} WHERE name_key = ?1"))?;
    Ok(query.query_row([fold(name)], read).optional()?)
}

/// The client of a client id, if there is one.
fn of_client_id(store: &Store, client_id: &str) -> Result<Option<Client>> {
    let mut query = store
        .db()
        .prepare_cached(&format!("{SELECT} WHERE client_id = ?1"))?;
    Ok(query.query_row([client_id], read).optional()?)
}

/// Finds a client by its client id, or by name in any case.
///
/// # Errors
/// [`Kind::NotFound`] with the near miss.
pub fn find(store: &Store, name: &str) -> Result<Client> {
    match either(store, name)? {
        Some(client) => Ok(client),
        None => Err(name::not_found(
            "OAuth client",
            name,
            candidates(store)?,
            "twofa oauth-client list",
        )),
    }
}

/// A client id comes first: it is random, and whoever chose a name could choose that of another client.
fn either(store: &Store, name: &str) -> Result<Option<Client>> {
    match of_client_id(store, name.trim())? {
        Some(client) => Ok(Some(client)),
        None => lookup(store, name),
    }
}

fn get(store: &Store, id: i64) -> Result<Client> {
    let mut query = store
        .db()
        .prepare_cached(&format!("{SELECT} WHERE oauth_client.id = ?1"))?;
    query
        .query_row([id], read)
        .optional()?
        .ok_or_else(|| Error::new(Kind::NotFound, "the OAuth client was removed meanwhile"))
}

/// Names of clients, for near misses and completion.
///
/// # Errors
/// [`Kind::Storage`].
pub fn candidates(store: &Store) -> Result<Vec<String>> {
    Ok(list(store)?.into_iter().map(|client| client.name).collect())
}

/// A client as `list` and `show` give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientRow {
    /// Its name.
    pub name: String,
    /// What it says it is.
    pub client_id: String,
    /// The login of the technical user it acts as.
    pub user: String,
    /// Whether it gets tokens at all.
    pub active: bool,
    /// Seconds a token is good for.
    pub ttl: i64,
    /// Whom its tokens are for.
    pub audience: String,
    /// What they are good for.
    pub scopes: Vec<String>,
    /// When its secret was made.
    pub secret_at: Time,
    /// Until when the secret before is taken too.
    pub old_secret_until: Option<Time>,
    /// When it got its last token.
    pub last_token_at: Option<Time>,
    /// When it was added.
    pub created_at: Time,
}

/// The fields of [`ClientRow`].
pub const FIELDS: &[&str] = &[
    "name",
    "client_id",
    "user",
    "active",
    "ttl",
    "audience",
    "scopes",
    "secret_at",
    "old_secret_until",
    "last_token_at",
    "created_at",
];

impl ClientRow {
    /// The row of a client.
    #[must_use]
    pub fn of(store: &Store, client: &Client) -> ClientRow {
        let old = client.old_secret.as_ref().map(|(_, until)| *until);
        ClientRow {
            name: client.name.clone(),
            client_id: client.client_id.clone(),
            user: client.login.clone(),
            active: client.active,
            ttl: client.ttl,
            audience: audience_of(store, client),
            scopes: client.scopes.clone(),
            secret_at: client.secret_at,
            old_secret_until: old.filter(|until| store.now() < *until),
            last_token_at: client.last_token_at,
            created_at: client.created_at,
        }
    }
}

/// Who signs the tokens. It is a name and no address: this program answers at none.
fn issuer(store: &Store) -> String {
    format!("urn:twofa:{}", store.id())
}

fn audience_of(store: &Store, client: &Client) -> String {
    client.audience.clone().unwrap_or_else(|| issuer(store))
}

/// Checks how long a token shall be good for.
fn ttl(seconds: i64) -> Result<i64> {
    if TTL.contains(&seconds) {
        return Ok(seconds);
    }
    let message = format!(
        "a token cannot be good for {}: it is {} to {}",
        spoken(seconds),
        spoken(*TTL.start()),
        spoken(*TTL.end())
    );
    Err(Error::new(Kind::InvalidValue, message))
}

/// Checks whom tokens are for.
fn audience(text: &str) -> Result<String> {
    name::check_typed("audience", text, AUDIENCE)
}

/// Checks the words of a scope (RFC 6749, section 3.3), each of which may be several with spaces between them; what is said
/// twice is there once.
fn scopes(given: &[String]) -> Result<Vec<String>> {
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let mut words: Vec<String> = Vec::new();
    for word in given.iter().flat_map(|given| given.split(' ')) {
        if word.is_empty() {
            continue;
        }
        if !word.bytes().all(allowed) {
            let message = format!(
                "the scope `{}` has a character in it that none has",
                visible(word)
            );
            return Err(Error::new(Kind::InvalidValue, message)
                .hint("letters, digits and signs of ASCII, without quotation mark and backslash"));
        }
        if !words.iter().any(|have| have == word) {
            words.push(word.to_owned());
        }
    }
    if words.join(" ").len() > SCOPE {
        let message = format!("the scopes are longer than {SCOPE} characters");
        return Err(Error::new(Kind::InvalidValue, message));
    }
    Ok(words)
}

/// After a theft of the keys no secret can be tested any more, and tokens are void; the names of the clients that were
/// active, which need another secret.
pub(crate) fn void_secrets(tx: &Tx<'_>) -> Result<Vec<String>> {
    tx.db().execute(
        "UPDATE oauth_client SET old_secret_hash = NULL, old_secret_until_at = NULL, generation = generation + 1",
        [],
    )?;
    let clients = list(tx)?.into_iter().filter(|client| client.active);
    Ok(clients.map(|client| client.name).collect())
}

/// Of a restored store's clients keeps what the live one has at its strictest: its secrets, and what it took away. Those
/// that were removed there are inactive here. Without a live one tokens are void, and secrets stay as passwords do.
pub(crate) fn keep_stricter(tx: &Tx<'_>, live: Option<&Store>) -> Result<()> {
    for client in list(tx)? {
        let there = match live {
            Some(live) => of_client_id(live, &client.client_id)?,
            None => Some(client.clone()),
        };
        let gone = there.is_none();
        let there = there.unwrap_or_else(|| client.clone());
        let generation =
            client.generation.max(there.generation) + i64::from(gone || live.is_none());
        let (old, until) = there.old_secret.unzip();
        tx.db().execute(
            "UPDATE oauth_client SET active = :active, secret_hash = :secret, secret_at = :secret_at, old_secret_hash = :old,
                 old_secret_until_at = :until, generation = :generation WHERE id = :id",
            rusqlite::named_params! {
                ":id": client.id, ":active": client.active && there.active && !gone, ":secret": there.secret_hash,
                ":secret_at": there.secret_at, ":old": old, ":until": until, ":generation": generation,
            },
        )?;
    }
    Ok(())
}
