//! A provider as `list` and `show` give it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Idp, Mapped, Said, Stored, Taken, Vendor, certificates, groups};
use crate::clock::Time;
use crate::error::Result;
use crate::setting::{DEFAULT_SSO, Settings};
use crate::sso::certificate::Certificate;
use crate::store::Store;

/// The groups that each value stands for: ids and names.
pub(crate) type Groups = BTreeMap<String, Vec<(i64, String)>>;

/// A certificate of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateRow {
    /// SHA-256 over its DER.
    pub fingerprint: String,
    /// The first moment of its validity.
    pub not_before: Time,
    /// The last.
    pub not_after: Time,
}

impl From<&Stored> for CertificateRow {
    fn from(stored: &Stored) -> Self {
        CertificateRow {
            fingerprint: stored.fingerprint.clone(),
            not_before: stored.not_before,
            not_after: stored.not_after,
        }
    }
}

/// The certificate of our key pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnRow {
    /// SHA-256 over its DER.
    pub fingerprint: String,
    /// The last moment of its validity; none where it cannot be read.
    pub not_after: Option<Time>,
}

/// A provider as `list` and `show` give it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IdpRow {
    /// Its name.
    pub name: String,
    /// Whose product it is.
    pub kind: Vendor,
    /// Whether anybody comes through it.
    pub enabled: bool,
    /// Whether `DefaultSsoProvider` points at it.
    pub default: bool,
    /// Its name in every message.
    pub entity_id: String,
    /// Where a browser is sent.
    pub sso_url: String,
    /// Where a logout is asked for.
    pub slo_url: Option<String>,
    /// Our name in every message.
    pub own_entity_id: String,
    /// Where the application takes responses.
    pub acs_url: Option<String>,
    /// The format of `NameID` that is asked for.
    pub name_id_format: Option<String>,
    /// The attribute that says who it is; without one, `NameID` does.
    pub login_attribute: Option<String>,
    /// Whether it may begin a login.
    pub idp_initiated: bool,
    /// Whether requests are signed.
    pub sign_requests: bool,
    /// Whether signatures with SHA-1 are taken.
    pub allow_sha1: bool,
    /// Whether a second factor has to be asserted.
    pub require_mfa_context: bool,
    /// The contexts that assert one.
    pub mfa_contexts: Vec<String>,
    /// The attribute and value that assert one.
    pub mfa_attribute: Option<String>,
    /// Which employees come through it.
    pub employees: Taken,
    /// Which external users.
    pub externals: Taken,
    /// What tells a new external user from a new employee.
    pub external_when: Option<String>,
    /// Whether administrators may come through it.
    pub administrators: bool,
    /// Whether each login brings the mapped fields up to date.
    pub update_users: bool,
    /// The attributes that say each field; the first that is there counts.
    pub attribute_map: BTreeMap<&'static str, Vec<String>>,
    /// The attribute whose values stand for groups.
    pub groups_attribute: Option<String>,
    /// The groups that each value stands for.
    pub group_map: BTreeMap<String, Vec<String>>,
    /// What it signs with.
    pub certificates: Vec<CertificateRow>,
    /// The certificate of our key pair.
    pub own_certificate: Option<OwnRow>,
    /// How many users came through it.
    pub users: i64,
    /// When it was added.
    pub created_at: Time,
}

/// The fields of [`IdpRow`].
pub const FIELDS: &[&str] = &[
    "name",
    "kind",
    "enabled",
    "default",
    "entity_id",
    "sso_url",
    "slo_url",
    "own_entity_id",
    "acs_url",
    "name_id_format",
    "login_attribute",
    "idp_initiated",
    "sign_requests",
    "allow_sha1",
    "require_mfa_context",
    "mfa_contexts",
    "mfa_attribute",
    "employees",
    "externals",
    "external_when",
    "administrators",
    "update_users",
    "attribute_map",
    "groups_attribute",
    "group_map",
    "certificates",
    "own_certificate",
    "users",
    "created_at",
];

impl IdpRow {
    /// The row of a provider that is stored.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub fn of(store: &Store, idp: &Idp) -> Result<IdpRow> {
        let default = Settings::load(store)?.thing(&DEFAULT_SSO);
        let users: i64 = store
            .db()
            .prepare_cached("SELECT count(DISTINCT user) FROM idp_user WHERE idp = ?1")?
            .query_row([idp.id], |row| row.get(0))?;
        let theirs = certificates(store, idp.id)?;
        Ok(IdpRow {
            default: default == Some(idp.id),
            users,
            ..IdpRow::apart(store, idp, &theirs, &groups(store, idp.id)?)
        })
    }

    /// The row of a provider as it would be, without what others say of it.
    pub(crate) fn apart(
        store: &Store,
        idp: &Idp,
        certificates: &[Stored],
        groups: &Groups,
    ) -> IdpRow {
        let mut attribute_map: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for (attribute, field) in &idp.attribute_map {
            let said_by = attribute_map.entry(field.code()).or_default();
            said_by.push(attribute.clone());
        }
        let names = |stands_for: &[(i64, String)]| {
            let names = stands_for.iter().map(|(_, name)| name.clone());
            names.collect::<Vec<_>>()
        };
        IdpRow {
            name: idp.name.clone(),
            kind: idp.vendor,
            enabled: idp.enabled,
            default: false,
            entity_id: idp.entity_id.clone(),
            sso_url: idp.sso_url.clone(),
            slo_url: idp.slo_url.clone(),
            own_entity_id: idp.own_entity_id(store),
            acs_url: idp.acs_url.clone(),
            name_id_format: idp.name_id_format.clone(),
            login_attribute: idp.login_attribute.clone(),
            idp_initiated: idp.may_begin,
            sign_requests: idp.sign_requests,
            allow_sha1: idp.sha1,
            require_mfa_context: idp.require_mfa,
            mfa_contexts: idp.mfa_contexts.clone(),
            mfa_attribute: idp.mfa_attribute.as_ref().map(Said::to_string),
            employees: idp.employees,
            externals: idp.externals,
            external_when: idp.external_when.as_ref().map(Said::to_string),
            administrators: idp.administrators,
            update_users: idp.update_users,
            attribute_map,
            groups_attribute: idp.groups_attribute.clone(),
            group_map: groups
                .iter()
                .map(|(value, stands_for)| (value.clone(), names(stands_for)))
                .collect(),
            certificates: certificates.iter().map(CertificateRow::from).collect(),
            own_certificate: own_certificate(idp),
            users: 0,
            created_at: idp.created_at,
        }
    }
}

/// What is shown of our own certificate.
fn own_certificate(idp: &Idp) -> Option<OwnRow> {
    let own = idp.own.as_ref()?;
    let read = Certificate::from_der(&own.certificate).ok();
    Some(OwnRow {
        fingerprint: Certificate::fingerprint_of(&own.certificate),
        not_after: read.map(|one| one.not_after()),
    })
}

impl Mapped {
    /// Reads the word, in any case.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidValue`] with the words.
    pub fn parse(text: &str) -> Result<Mapped> {
        use crate::error::{Error, Kind};
        let wanted = crate::name::fold(text);
        let found = Mapped::ALL.iter().find(|field| field.code() == wanted);
        found.copied().ok_or_else(|| {
            let words: Vec<_> = Mapped::ALL.iter().map(|field| field.code()).collect();
            let message = format!("`{}` is no field", crate::name::visible(text));
            Error::new(Kind::InvalidValue, message).hint(format!("it is {}", words.join(", ")))
        })
    }
}
