//! Access tokens: what a secret buys, and whether a token is still good.
//!
//! A token is a signed JWT in the profile of RFC 9068. Anybody with the public key can read it; only this store knows
//! whether it was taken back. An unknown client, a wrong secret, and a client or user that is not active are one answer
//! (RFC 6749, section 5.2), at one cost: a keyed hash, and a row in the log. They are counted there and not limited: 256
//! random bits cannot be guessed (section 10.10 asks for 2^-128), and a limit would let anybody stop an integration.

use jsonwebtoken::jwk::JwkSet;
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::edit::hash;
use super::{Client, audience_of, either, issuer, of_client_id, scopes};
use crate::actor::Session;
use crate::audit::{Entry, Event, Outcome, append};
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::name::visible;
use crate::secret::{LONGEST, Secret};
use crate::store::{Store, Tx};
use crate::user::{self, Type, User};
use crate::vault::{Label, TokenKey, Unsigned, same};

/// What the log keeps of a client nobody knows: people paste secrets there.
const UNKNOWN: Label = Label("audit.unknown_client");
/// How far ahead of this clock the moment may be at which a token was made, in seconds: clocks are set back.
const SKEW: i64 = 60;
/// The random bytes of a token's id.
const TOKEN_ID: usize = 16;

/// What a token says (RFC 9068, section 2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it: this store.
    pub iss: String,
    /// The technical user's login.
    pub sub: String,
    /// Whom it is for.
    pub aud: String,
    /// The client's id.
    pub client_id: String,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// From when on it is good no more.
    pub exp: i64,
    /// Its own id, which begins with the client's generation.
    pub jti: String,
    /// What it is good for: words with one space between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// A token, as RFC 6749 (section 5.1) answers.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The token.
    pub access_token: Secret,
    /// Seconds it is good for.
    pub expires_in: i64,
    /// What it is good for.
    pub scope: Option<String>,
    /// The name of its client.
    pub client: String,
}

/// A token that is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The name of its client.
    pub client: String,
    /// The technical user's login.
    pub user: String,
    /// Whom it is for.
    pub audience: String,
    /// What it is good for.
    pub scopes: Vec<String>,
    /// When it was made.
    pub issued_at: Time,
    /// From when on it is good no more.
    pub expires_at: Time,
    /// What it says.
    pub claims: Claims,
}

/// The keys that tokens are verified with (RFC 7517, section 5).
///
/// # Errors
/// Key and storage errors.
pub fn key_set(store: &Store) -> Result<impl Serialize + use<>> {
    let key = store.vault()?.token_key()?;
    Ok(JwkSet {
        keys: vec![key.public().clone()],
    })
}

/// Gives a token for a client's secret. `wanted`: the scopes it shall have, all of the client's where none are named.
///
/// # Errors
/// [`Kind::ClientRefused`], one answer whatever is wrong; [`Kind::InvalidValue`] for a scope that the client does not
/// have; key and storage errors.
pub fn issue(
    session: &Session,
    client: &str,
    secret: &Secret,
    wanted: &[String],
) -> Result<Issued> {
    let store = &session.store;
    let wanted = scopes(wanted)?;
    let key = store.vault()?.token_key()?;
    store.write(|tx| {
        if let Err(denied) = session.permit_in(tx, None)? {
            return Ok(Err(denied));
        }
        let found = either(tx, client)?;
        let denied = |entry: Entry, error: Error| {
            append(tx, &session.who(), &entry)?;
            Ok(Err(error))
        };
        let (found, user) = match authenticate(tx, found, client, secret)? {
            Ok(found) => found,
            Err(entry) => return denied(entry, refused()),
        };
        let lacking = wanted.iter().find(|word| !found.scopes.contains(word));
        if let Some(word) = lacking {
            let entry = Entry::new(Event::OAUTH_TOKEN_DENIED, Outcome::Refused);
            let entry = entry.subject(found.name.as_str()).user_id(Some(user.id));
            let message = format!("the client does not have the scope `{}`", visible(word));
            return denied(
                entry.reason("scope"),
                Error::new(Kind::InvalidValue, message),
            );
        }
        write(tx, session, &key, &found, &user, &wanted).map(Ok)
    })?
}

/// The one answer.
fn refused() -> Error {
    Error::new(Kind::ClientRefused, "the client was refused")
        .hint("the audit log has the reason: `twofa audit list --event oauth_client`")
}

/// The client and its user, if the secret is right and both may; else the row of the log.
fn authenticate(
    tx: &Tx<'_>,
    found: Option<Client>,
    typed: &str,
    secret: &Secret,
) -> Result<std::result::Result<(Client, User), Entry>> {
    let none = [0u8; 32];
    let client_id = found.as_ref().map_or("", |client| &client.client_id);
    let given = hash(tx, client_id, secret)?;
    // Both are compared, whoever it is.
    let current = found.as_ref().map_or(&none[..], |it| &it.secret_hash);
    let old = found.as_ref().and_then(|it| it.old_secret.as_ref());
    let is_current = same(&given, current);
    let is_old = same(&given, old.map_or(&none[..], |(hash, _)| hash));
    let is_kept = old.is_some_and(|(_, until)| tx.now() < *until);
    let entry = Entry::new(Event::OAUTH_TOKEN_DENIED, Outcome::Denied);
    let Some(client) = found else {
        let hash = tx.vault()?.hash(UNKNOWN, &[typed.trim().as_bytes()])?;
        return Ok(Err(entry.reason("unknown_client").detail(json!({
            "client_hash": data_encoding::HEXLOWER.encode(&hash), "length": typed.trim().chars().count(),
        }))));
    };
    let user = user::get(tx, client.user)?;
    let reason = if is_current || is_old && is_kept {
        shut_out(tx, &client, &user)
    } else {
        Some(if is_old { "old_secret" } else { "wrong_secret" })
    };
    Ok(match reason {
        Some(reason) => Err(entry
            .subject(client.name.as_str())
            .user_id(Some(user.id))
            .reason(reason)),
        None => Ok((client, user)),
    })
}

/// Why neither a secret nor a token helps this client now.
fn shut_out(store: &Store, client: &Client, user: &User) -> Option<&'static str> {
    let locked = user.locked_until.is_some_and(|until| store.now() < until);
    match () {
        () if !client.active => Some("inactive_client"),
        () if !user.active => Some("inactive_user"),
        () if locked => Some("locked_user"),
        () if user.kind != Type::Technical => Some("no_technical_user"),
        () => None,
    }
}

/// Makes the token, and the row that tells of it.
fn write(
    tx: &Tx<'_>,
    session: &Session,
    key: &TokenKey,
    client: &Client,
    user: &User,
    wanted: &[String],
) -> Result<Issued> {
    let mut random = [0u8; TOKEN_ID];
    tx.source().fill(&mut random)?;
    let words = if wanted.is_empty() {
        &client.scopes[..]
    } else {
        wanted
    };
    let scope = (!words.is_empty()).then(|| words.join(" "));
    let now = tx.now();
    let claims = Claims {
        iss: issuer(tx),
        sub: user.login.clone(),
        aud: audience_of(tx, client),
        client_id: client.client_id.clone(),
        iat: now.0,
        exp: now.plus(client.ttl).0,
        jti: format!(
            "{}.{}",
            client.generation,
            data_encoding::HEXLOWER.encode(&random)
        ),
        scope: scope.clone(),
    };
    let access_token = key.sign(&claims)?;
    tx.db().execute(
        "UPDATE oauth_client SET last_token_at = ?2 WHERE id = ?1",
        params![client.id, now],
    )?;
    let entry = Entry::new(Event::OAUTH_TOKEN_ISSUED, Outcome::Ok)
        .subject(client.name.as_str())
        .user_id(Some(user.id))
        .detail(json!({ "jti": claims.jti, "expires_at": Time(claims.exp), "scope": scope }));
    append(tx, &session.who(), &entry)?;
    Ok(Issued {
        access_token,
        expires_in: client.ttl,
        scope,
        client: client.name.clone(),
    })
}

/// Whether a token is good now, for `audience`; where that is not said, for the one its client has. It looks and writes
/// nothing: whoever gets tokens asks at every request.
///
/// # Errors
/// [`Kind::TokenRefused`] with the `reason`, [`Kind::TokenExpired`]; key and storage errors.
pub fn check(store: &Store, token: &Secret, audience: Option<&str>) -> Result<Checked> {
    let key = store.vault()?.token_key()?;
    if token.expose().len() > LONGEST {
        return Err(no("malformed", "it is longer than any of ours"));
    }
    let claims: Claims = key.verify(token).map_err(|why| match why {
        Unsigned::Malformed => no("malformed", "it is no token of ours"),
        Unsigned::Algorithm => no("algorithm", "it is another kind of token than ours"),
        Unsigned::Signature => no("signature", "it is not signed by this store's key"),
    })?;
    if claims.iss != issuer(store) {
        return Err(no("issuer", "another store made it"));
    }
    let now = store.now();
    if claims.exp <= now.0 {
        let message = format!("the token has expired at {}", Time(claims.exp));
        return Err(Error::new(Kind::TokenExpired, message)
            .hint("`twofa oauth-client token` gives another one")
            .with("reason", "expired"));
    }
    if now.plus(SKEW).0 < claims.iat {
        return Err(no(
            "not_yet",
            "it was made in the future: look at the clocks",
        ));
    }
    let Some(client) = of_client_id(store, &claims.client_id)? else {
        return Err(no("revoked", "its client was removed"));
    };
    let user = user::get(store, client.user)?;
    standing(store, &client, &user, &claims)?;
    let wanted = audience.map_or_else(|| audience_of(store, &client), str::to_owned);
    if claims.aud != wanted {
        let message = format!("it is for `{}`", visible(&claims.aud));
        return Err(no("audience", &message));
    }
    Ok(Checked {
        client: client.name,
        user: user.login,
        audience: claims.aud.clone(),
        scopes: claims
            .scope
            .iter()
            .flat_map(|scope| scope.split(' '))
            .map(str::to_owned)
            .collect(),
        issued_at: Time(claims.iat),
        expires_at: Time(claims.exp),
        claims,
    })
}

/// Whether what a token stands on still stands.
fn standing(store: &Store, client: &Client, user: &User, claims: &Claims) -> Result<()> {
    let words = match shut_out(store, client, user) {
        Some("inactive_client") => Some("its client is not active"),
        Some("inactive_user") => Some("its user is not active"),
        Some("locked_user") => Some("its user is locked"),
        Some(_) => Some("its user is no technical user any more"),
        None => None,
    };
    if let Some(words) = words {
        return Err(no("revoked", words));
    }
    let generation = claims.jti.split_once('.').map(|(generation, _)| generation);
    if generation != Some(client.generation.to_string().as_str()) {
        return Err(no("revoked", "it was taken back"));
    }
    if claims.sub != user.login {
        return Err(no("revoked", "its user has another login now"));
    }
    Ok(())
}

fn no(reason: &str, because: &str) -> Error {
    Error::new(
        Kind::TokenRefused,
        format!("the token is not good: {because}"),
    )
    .with("reason", reason)
}

#[cfg(test)]
mod tests;
