//! Whom a provider speaks of: what it calls somebody leads to a user of the store.
//!
//! What it called them at their first login counts before their login and address here: who is renamed on either side stays
//! who they are. A name that a provider gave to somebody else leads to whoever had it, unless its identifiers are persistent and
//! tell the two apart.

use rusqlite::{OptionalExtension as _, named_params};

use super::vendor::{PERSISTENT, TRANSIENT};
use super::{Idp, Taken};
use crate::error::Result;
use crate::name::{fold, visible};
use crate::sso::Asserted;
use crate::store::{Store, Tx};
use crate::user::{self, Type, User};

/// What an assertion calls whoever logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    /// The name that stays theirs: `NameID`; where that is another each time, `login`.
    pub(crate) subject: String,
    /// The name that is looked for here.
    pub(crate) login: String,
    /// Whether the provider promises never to give the subject to anybody else (saml-core-2.0, section 8.3.7).
    pub(crate) persistent: bool,
}

/// Why an assertion names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unnamed {
    /// `NameID` is another one each time, and no attribute says who it is.
    Transient,
    /// The attribute that says who it is has so many values, and not one.
    Values(usize),
}

impl Unnamed {
    /// The reason, as the end of a sentence.
    pub(crate) fn why(self, idp: &Idp) -> String {
        let attribute = visible(idp.login_attribute.as_deref().unwrap_or_default());
        match self {
            Unnamed::Transient => {
                "a transient NameID is another one each time, and leads to nobody".to_owned()
            }
            Unnamed::Values(0) => {
                format!("the attribute `{attribute}`, which says who it is, is not there")
            }
            Unnamed::Values(many) => {
                format!("the attribute `{attribute}`, which says who it is, has {many} values")
            }
        }
    }
}

/// Who it is that logged in, as the provider says it. What format `NameID` has the response says, whatever was asked for.
pub(crate) fn called(idp: &Idp, asserted: &Asserted) -> std::result::Result<Called, Unnamed> {
    let format = asserted.name_id.format.as_deref();
    let (is_transient, persistent) = (format == Some(TRANSIENT), format == Some(PERSISTENT));
    let name_id = asserted.name_id.value.clone();
    let Some(attribute) = &idp.login_attribute else {
        return if is_transient {
            Err(Unnamed::Transient)
        } else {
            Ok(Called {
                subject: subject(&name_id, persistent),
                login: name_id,
                persistent,
            })
        };
    };
    let values: Vec<&str> = asserted
        .values(attribute)
        .filter(|value| !value.is_empty())
        .collect();
    let [one] = values[..] else {
        return Err(Unnamed::Values(values.len()));
    };
    let login = one.to_owned();
    let name = if is_transient { &login } else { &name_id };
    let subject = subject(name, persistent);
    Ok(Called {
        subject,
        login,
        persistent,
    })
}

/// The type that somebody new would have.
pub(crate) fn kind_of_new(idp: &Idp, asserted: &Asserted) -> Type {
    let is_external = match &idp.external_when {
        Some(said) => asserted
            .values(&said.attribute)
            .any(|value| value == said.value),
        None => idp.employees != Taken::Create,
    };
    if is_external {
        Type::External
    } else {
        Type::Employee
    }
}

/// A name as it is kept. What is no opaque identifier is a name of people, which a provider may write in either case: as
/// one it leads to one user, also after that user was renamed. Only the case of ASCII: other letters may be two.
fn subject(name: &str, persistent: bool) -> String {
    if persistent {
        name.to_owned()
    } else {
        name.to_ascii_lowercase()
    }
}

/// Whether a user that was found by name is another's already: the provider calls them by an identifier that it gives to
/// nobody else, and it is not this one. Then the name was given to somebody new.
pub(crate) fn is_anothers(store: &Store, idp: &Idp, user: i64, called: &Called) -> Result<bool> {
    if !called.persistent {
        return Ok(false);
    }
    let mut query = store.db().prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM idp_user WHERE idp = ?1 AND user = ?2 AND persistent = 1)
             AND NOT EXISTS (SELECT 1 FROM idp_user WHERE idp = ?1 AND subject = ?3)",
    )?;
    Ok(query.query_row((idp.id, user, &called.subject), |row| row.get(0))?)
}

/// The user whom `idp` calls `subject`: the one who came through it under that name, else the one whose login or email
/// address is `login`.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn user_of(
    store: &Store,
    idp: &Idp,
    subject: &str,
    login: &str,
) -> Result<Option<User>> {
    let known: Option<i64> = store
        .db()
        .prepare_cached("SELECT user FROM idp_user WHERE idp = ?1 AND subject = ?2")?
        .query_row((idp.id, subject), |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => user::maybe(store, id),
        None => Ok(user::lookup(store, login)?.filter(|user| is_spelled(user, login))),
    }
}

/// Logins of users who came through `idp`, at most `most` of those that begin with `prefix`.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn linked(store: &Store, idp: &Idp, prefix: &str, most: usize) -> Result<Vec<String>> {
    let wanted = fold(prefix);
    let mut query = store.db().prepare_cached(
        "SELECT DISTINCT login FROM idp_user JOIN user ON user.id = user WHERE idp = ?1 ORDER BY login",
    )?;
    let mut rows = query.query([idp.id])?;
    let mut logins: Vec<String> = Vec::new();
    while let Some(row) = rows.next()? {
        let login: String = row.get(0)?;
        if fold(&login).starts_with(&wanted) {
            logins.push(login);
        }
        if logins.len() == most {
            break;
        }
    }
    Ok(logins)
}

/// Whether a user is called `login` but for upper and lower case. Names that merely look alike are one here and may be two
/// at the provider, whose other user could come as this one. Either case has to agree: lower case alone makes letters of
/// signs that are written as such (Kelvin, Angstrom), upper case alone does of others (the long s).
fn is_spelled(user: &User, login: &str) -> bool {
    let names = [Some(user.login.as_str()), user.email.as_deref()];
    let wanted = login.trim();
    names.into_iter().flatten().any(|name| {
        name.to_lowercase() == wanted.to_lowercase() && name.to_uppercase() == wanted.to_uppercase()
    })
}

/// Keeps what `idp` calls a user, and how their login was asserted to be authenticated.
pub(crate) fn keep(tx: &Tx<'_>, idp: &Idp, user: i64, came: &Came<'_>) -> Result<()> {
    tx.db()
        .prepare_cached(
            "INSERT INTO idp_user (idp, subject, user, contexts, mfa, created, persistent, last_login_at)
             VALUES (:idp, :subject, :user, :contexts, :mfa, :created, :persistent, :now)
             ON CONFLICT (idp, subject) DO UPDATE SET contexts = excluded.contexts, mfa = excluded.mfa,
                 last_login_at = excluded.last_login_at",
        )?
        .execute(named_params! {
            ":idp": idp.id, ":subject": came.subject, ":user": user, ":contexts": serde_json::json!(came.contexts).to_string(),
            ":mfa": came.mfa, ":created": came.created, ":persistent": came.persistent, ":now": tx.now(),
        })?;
    Ok(())
}

/// How somebody came through a provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came<'a> {
    /// What it calls them.
    pub(crate) subject: &'a str,
    /// How it says they were authenticated.
    pub(crate) contexts: &'a [String],
    /// Whether it says that they gave a second factor.
    pub(crate) mfa: bool,
    /// Whether they were added by this login.
    pub(crate) created: bool,
    /// Whether the provider gives that name to nobody else.
    pub(crate) persistent: bool,
}
