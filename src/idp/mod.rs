//! Identity providers: who vouches for users kept elsewhere, and what of that is believed here.
//!
//! A provider logs its users in and gives them their second factor; we take its word (SAML 2.0, `sso`) for the users that
//! it may speak for, and for nobody else. What a provider is stands here, as the store has it and without a look at XML.
//!
//! It may speak for employees, for external users, for both; for those who are here, or for whomever it sends; for
//! administrators only where that is said. What it calls a user is kept with them from their first login on.

#[cfg(feature = "saml")]
pub mod checkup;
#[cfg(feature = "saml")]
pub mod days;
#[cfg(feature = "saml")]
pub mod edit;
pub(crate) mod kept;
#[cfg(feature = "saml")]
pub mod row;
#[cfg(feature = "saml")]
pub mod rules;
#[cfg(feature = "saml")]
pub mod subject;
#[cfg(feature = "saml")]
pub(crate) mod trust;
#[cfg(feature = "saml")]
pub mod vendor;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension as _, Row};
use serde::{Serialize, Serializer};
#[cfg(feature = "saml")]
use zeroize::Zeroizing;

use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};
use crate::store::Store;
use crate::user::kind::Type;
use crate::vault::Label;

/// The frozen name of the sealed private key.
pub(crate) const PRIVATE_KEY: Label = Label("idp.private_key");

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])* $variant:ident $code:literal;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[doc = $doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word on the command line, in JSON and in the store.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $($name::$variant => $code,)* }
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.code().to_sql()
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let code = value.as_str()?;
                let found = $name::ALL.iter().copied().find(|one| one.code() == code);
                found.ok_or(FromSqlError::InvalidType)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }
    };
}

words! {
    /// Whose product it is: its habits were put in when it was added.
    Vendor {
        /// Microsoft Entra ID, once Azure AD.
        Entra "entra";
        /// Okta.
        Okta "okta";
        /// `OneLogin`.
        OneLogin "onelogin";
        /// Any other.
        Custom "custom";
    }
}

words! {
    /// Which users of a type come through a provider.
    Taken {
        /// None of them.
        None "none";
        /// Those who are here.
        Existing "existing";
        /// Those who are here, and whoever else it sends: they are added with their first login.
        Create "create";
    }
}

words! {
    /// What an attribute of a provider says about a user.
    Mapped {
        /// The login.
        Login "login";
        /// The full name.
        Name "name";
        /// The first half of the full name, where that is not said itself.
        FirstName "first_name";
        /// The second half.
        LastName "last_name";
        /// The email address.
        Email "email";
        /// The phone.
        Phone "phone";
        /// The language.
        Language "language";
    }
}

/// An attribute with a value that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The attribute's name.
    pub attribute: String,
    /// The value.
    pub value: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.attribute, self.value)
    }
}

/// A certificate, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// X.509 in DER.
    pub der: Vec<u8>,
    /// SHA-256 over that, in lower-case hexadecimal digits.
    pub fingerprint: String,
    /// The first moment of its validity.
    pub not_before: Time,
    /// The last.
    pub not_after: Time,
}

/// A private key of ours with its certificate. The key is opened when it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    sealed: Vec<u8>,
    /// X.509 in DER: what the other side is given.
    pub certificate: Vec<u8>,
}

/// An identity provider, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idp {
    /// Row id.
    pub id: i64,
    /// Its name, as written.
    pub name: String,
    /// Whose product it is.
    pub vendor: Vendor,
    /// Whether anybody comes through it.
    pub enabled: bool,
    /// Its name in every message.
    pub entity_id: String,
    /// Where a browser is sent.
    pub sso_url: String,
    /// Where a logout is asked for.
    pub slo_url: Option<String>,
    /// Our name in every message; `None`: [`own_entity_id`].
    pub own_entity_id: Option<String>,
    /// Where the application takes responses.
    pub acs_url: Option<String>,
    /// The format of `NameID` that is asked for.
    pub name_id_format: Option<String>,
    /// The attribute that says who it is; `None`: `NameID`.
    pub login_attribute: Option<String>,
    /// Whether it may begin a login that nobody asked for here.
    pub may_begin: bool,
    /// Whether requests are signed.
    pub sign_requests: bool,
    /// Whether signatures with SHA-1 are taken.
    pub sha1: bool,
    /// Whether a second factor has to be asserted.
    pub require_mfa: bool,
    /// The contexts that assert one.
    pub mfa_contexts: Vec<String>,
    /// The attribute that asserts one.
    pub mfa_attribute: Option<Said>,
    /// Which employees come through it.
    pub employees: Taken,
    /// Which external users.
    pub externals: Taken,
    /// What tells a new external user from a new employee.
    pub external_when: Option<Said>,
    /// Whether administrators may come through it.
    pub administrators: bool,
    /// Whether each login brings the mapped fields up to date.
    pub update_users: bool,
    /// Attributes and what they say; of a field, the first that is there.
    pub attribute_map: Vec<(String, Mapped)>,
    /// The attribute whose values stand for groups.
    pub groups_attribute: Option<String>,
    /// Our key pair with it.
    pub own: Option<Own>,
    /// When it was added.
    pub created_at: Time,
}

const SELECT: &str = "SELECT id, name, kind, enabled, entity_id, sso_url, slo_url, own_entity_id, acs_url, name_id_format,
        login_attribute, may_begin, sign_requests, sha1, require_mfa, mfa_contexts, mfa_attribute, mfa_value, employees, externals,
        external_attribute, external_value, administrators, update_users, attribute_map, groups_attribute, private_key,
        certificate, created_at
    FROM idp";

/// A column of JSON.
fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
    })
}

/// Two columns that stand or lack together.
fn said(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Said>> {
    let (attribute, value): (Option<String>, Option<String>) =
        (row.get(column)?, row.get(column + 1)?);
    Ok(attribute
        .zip(value)
        .map(|(attribute, value)| Said { attribute, value }))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Idp> {
    let map: Vec<(String, String)> = json(row, 24)?;
    let attribute_map = map
        .into_iter()
        .map(|(attribute, field)| {
            let field = Mapped::column_result(ValueRef::Text(field.as_bytes()))?;
            Ok((attribute, field))
        })
        .collect::<FromSqlResult<_>>()
        .map_err(|error| {
            let kind = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(24, kind, Box::new(error))
        })?;
    let (sealed, certificate): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(26)?, row.get(27)?);
    Ok(Idp {
        id: row.get(0)?,
        name: row.get(1)?,
        vendor: row.get(2)?,
        enabled: row.get(3)?,
        entity_id: row.get(4)?,
        sso_url: row.get(5)?,
        slo_url: row.get(6)?,
        own_entity_id: row.get(7)?,
        acs_url: row.get(8)?,
        name_id_format: row.get(9)?,
        login_attribute: row.get(10)?,
        may_begin: row.get(11)?,
        sign_requests: row.get(12)?,
        sha1: row.get(13)?,
        require_mfa: row.get(14)?,
        mfa_contexts: json(row, 15)?,
        mfa_attribute: said(row, 16)?,
        employees: row.get(18)?,
        externals: row.get(19)?,
        external_when: said(row, 20)?,
        administrators: row.get(22)?,
        update_users: row.get(23)?,
        attribute_map,
        groups_attribute: row.get(25)?,
        own: sealed.zip(certificate).map(|(sealed, certificate)| Own {
            sealed,
            certificate,
        }),
        created_at: row.get(28)?,
    })
}

impl Idp {
    /// The private key of its pair, PKCS#8 in DER.
    ///
    /// # Errors
    /// [`Kind::KeyMissing`] and the like.
    #[cfg(feature = "saml")]
    pub(crate) fn private_key(&self, store: &Store) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(own) = &self.own else {
            return Ok(None);
        };
        store.unseal(PRIVATE_KEY, self.id, &own.sealed).map(Some)
    }

    /// Our name in every message to and from it.
    #[must_use]
    pub fn own_entity_id(&self, store: &Store) -> String {
        self.own_entity_id
            .clone()
            .unwrap_or_else(|| own_entity_id(store))
    }

    /// Which users of a type come through it.
    #[must_use]
    pub fn takes(&self, kind: Type) -> Taken {
        match kind {
            Type::Employee => self.employees,
            Type::External => self.externals,
            Type::Technical => Taken::None,
        }
    }
}

/// Our name where no provider knows us by another: one for each store.
#[must_use]
pub fn own_entity_id(store: &Store) -> String {
    format!("urn:twofa:{}", store.id())
}

/// Every provider, by name.
///
/// # Errors
/// [`Kind::Storage`].
pub fn list(store: &Store) -> Result<Vec<Idp>> {
    let mut query = store
        .db()
        .prepare_cached(&format!("{SELECT} ORDER BY name_key"))?;
    let rows = query.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The provider of a name, in any case, if there is one.
pub(crate) fn lookup(store: &Store, name: &str) -> Result<Option<Idp>> {
    let mut query = store
        .db()
        .prepare_cached(&format!("{SELECT} WHERE name_key = ?1"))?;
    Ok(query.query_row([fold(name)], read).optional()?)
}

/// Finds a provider by name, in any case.
///
/// # Errors
/// [`Kind::NotFound`] with the near miss.
pub fn find(store: &Store, name: &str) -> Result<Idp> {
    match lookup(store, name)? {
        Some(idp) => Ok(idp),
        None => Err(name::not_found(
            "identity provider",
            name,
            candidates(store)?,
            "twofa idp list",
        )),
    }
}

/// The provider of a row id, if it is still there.
pub(crate) fn maybe(store: &Store, id: i64) -> Result<Option<Idp>> {
    let mut query = store
        .db()
        .prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    Ok(query.query_row([id], read).optional()?)
}

/// The provider of a row id.
///
/// # Errors
/// [`Kind::NotFound`] when it was removed meanwhile.
pub(crate) fn get(store: &Store, id: i64) -> Result<Idp> {
    maybe(store, id)?.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            "the identity provider was removed meanwhile",
        )
    })
}

/// Names of providers, for near misses and completion.
///
/// # Errors
/// [`Kind::Storage`].
pub fn candidates(store: &Store) -> Result<Vec<String>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT name FROM idp ORDER BY name_key")?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Our metadata, for a provider.
///
/// # Errors
/// [`Kind::InvalidValue`] as long as nobody said where responses are taken; storage and key errors.
#[cfg(feature = "saml")]
pub fn our_metadata(store: &Store, idp: &Idp) -> Result<String> {
    trust::our_metadata(store, idp)
}

/// Our metadata for a provider that is not here yet, which wants to know us first.
///
/// # Errors
/// [`Kind::InvalidValue`].
#[cfg(feature = "saml")]
pub fn our_metadata_at(store: &Store, acs_url: &str, own: Option<&str>) -> Result<String> {
    trust::our_metadata_at(store, acs_url, own)
}

/// The names of those that are enabled.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn enabled(store: &Store) -> Result<Vec<String>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT name FROM idp WHERE enabled = 1 ORDER BY name_key")?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The names of those that are enabled and take users of a type.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn taking(store: &Store, kind: Type) -> Result<Vec<String>> {
    let takes = |idp: &Idp| idp.enabled && idp.takes(kind) != Taken::None;
    let names = list(store)?.into_iter().filter(takes);
    Ok(names.map(|idp| idp.name).collect())
}

/// What a setting that names a provider refers to.
pub(crate) fn reference(store: &Store, name: &str) -> Result<(i64, String)> {
    find(store, name).map(|idp| (idp.id, idp.name))
}

/// Refuses the provider of a row id as the default, unless users can come through it.
pub(crate) fn can_be_default(store: &Store, id: i64) -> Result<()> {
    let mut of = store
        .db()
        .prepare_cached("SELECT name, enabled FROM idp WHERE id = ?1")?;
    let (name, enabled): (String, bool) =
        of.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if enabled {
        Ok(())
    } else {
        Err(disabled(&name))
    }
}

/// The certificates that a provider signs with, the one that lasts longest first.
///
/// # Errors
/// [`Kind::Storage`].
pub fn certificates(store: &Store, idp: i64) -> Result<Vec<Stored>> {
    let mut query = store.db().prepare_cached(
        "SELECT der, fingerprint, not_before_at, not_after_at FROM idp_certificate WHERE idp = ?1
         ORDER BY not_after_at DESC, fingerprint",
    )?;
    let rows = query.query_map([idp], |row| {
        Ok(Stored {
            der: row.get(0)?,
            fingerprint: row.get(1)?,
            not_before: row.get(2)?,
            not_after: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// What the values of the groups attribute stand for: of each value, the ids and names of the groups.
///
/// # Errors
/// [`Kind::Storage`].
pub fn groups(store: &Store, idp: i64) -> Result<BTreeMap<String, Vec<(i64, String)>>> {
    let mut query = store.db().prepare_cached(
        "SELECT value, \"group\".id, name FROM idp_group JOIN \"group\" ON \"group\".id = \"group\"
         WHERE idp = ?1 ORDER BY value, name_key",
    )?;
    let mut rows = query.query([idp])?;
    let mut groups: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let stands_for = groups.entry(row.get(0)?).or_default();
        stands_for.push((row.get(1)?, row.get(2)?));
    }
    Ok(groups)
}

/// A provider that puts people into one of these groups: its name, the name of the group, and what makes it stop.
pub(crate) fn that_fills(
    store: &Store,
    groups: &BTreeSet<i64>,
) -> Result<Option<(String, String, String)>> {
    let mut query = store.db().prepare_cached(
        "SELECT idp.name, \"group\".name, value, built_in FROM idp CROSS JOIN \"group\"
             LEFT JOIN idp_group ON idp_group.idp = idp.id AND idp_group.\"group\" = \"group\".id
         WHERE \"group\".id = ?1 AND (value IS NOT NULL OR built_in = 'employees' AND employees = 'create'
             OR built_in = 'externals' AND externals = 'create')
         ORDER BY idp.name_key, value LIMIT 1",
    )?;
    for group in groups {
        let found = query.query_row([group], |row| {
            let (value, built_in): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
            let stops = match value {
                Some(value) => format!("--no-group {}", name::argument(&value)),
                None => format!("--{} existing", built_in.unwrap_or_default()),
            };
            Ok((row.get(0)?, row.get(1)?, stops))
        });
        if let Some(found) = found.optional()? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The values that stand for a group, each with the name of its provider.
pub(crate) fn standing_for(store: &Store, group: i64) -> Result<Vec<(String, String)>> {
    let mut query = store.db().prepare_cached(
        "SELECT name, value FROM idp_group JOIN idp ON idp.id = idp WHERE \"group\" = ?1 ORDER BY name_key, value",
    )?;
    let rows = query.query_map([group], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A user whom a provider brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Brought {
    /// The provider.
    pub(crate) idp: i64,
    /// Its name.
    pub(crate) name: String,
    /// Whether it is enabled.
    pub(crate) enabled: bool,
    /// How their last login through it was asserted to be authenticated.
    pub(crate) contexts: Vec<String>,
    /// Whether that has a second factor.
    pub(crate) mfa: bool,
    /// When that was.
    pub(crate) last_login_at: Time,
}

/// The providers that a user came through, the last one first.
pub(crate) fn of_user(store: &Store, user: i64) -> Result<Vec<Brought>> {
    let mut query = store.db().prepare_cached(
        "SELECT idp, name, enabled, contexts, mfa, last_login_at FROM idp_user JOIN idp ON idp.id = idp
         WHERE user = ?1 ORDER BY last_login_at DESC, idp_user.id DESC",
    )?;
    let rows = query.query_map([user], |row| {
        Ok(Brought {
            idp: row.get(0)?,
            name: row.get(1)?,
            enabled: row.get(2)?,
            contexts: json(row, 3)?,
            mfa: row.get(4)?,
            last_login_at: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether anybody ever came through a provider.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn anybody_came(store: &Store) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM idp_user)";
    let mut query = store.db().prepare_cached(sql)?;
    Ok(query.query_row([], |row| row.get(0))?)
}

/// Why a provider is of no use that is not enabled.
pub(crate) fn disabled(name: &str) -> Error {
    let message = format!("the identity provider `{}` is not enabled", visible(name));
    Error::new(Kind::InvalidValue, message)
        .hint(format!("`twofa idp enable {}`", name::argument(name)))
}
