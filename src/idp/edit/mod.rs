//! How a provider comes, changes and goes, and how it becomes the default.

mod wanted;

use rusqlite::named_params;
use serde_json::{Value, json};

use self::wanted::{Whole, wanted};
use super::row::IdpRow;
use super::subject::linked;
use super::{Idp, PRIVATE_KEY, Said, Vendor, get, lookup};
use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::name::{counted, fold, not_found, visible};
use crate::plan::{Change, Op, Plan, Reach, added_again, in_use};
use crate::setting::{DEFAULT_SSO, SetSettings, Settings};
use crate::store::{Store, Tx};
use crate::user;

pub use self::wanted::{Certificates, Fields, Pair};

/// Among how many of those who came through a provider a near miss is looked for.
const NEAR: usize = 1_000;

/// What of a row is changed by these plans.
const CHANGED: &[&str] = &[
    "name",
    "kind",
    "enabled",
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
];

/// What has nothing to do with who comes in.
const HARMLESS: &[&str] = &[
    "name",
    "kind",
    "slo_url",
    "sign_requests",
    "own_certificate",
];

/// `idp add`, and with `id`, `idp edit`, `idp enable` and `idp disable`.
#[derive(Debug, Clone)]
pub struct PutIdp {
    /// The provider to edit; `None` adds one.
    pub id: Option<i64>,
    /// Its name.
    pub name: String,
    /// Whose product it is, where that is said.
    pub vendor: Option<Vendor>,
    /// What else is given.
    pub fields: Fields,
}

impl PutIdp {
    fn have(&self, store: &Store) -> Result<Option<Whole>> {
        let have = match self.id {
            Some(id) => Some(get(store, id)?),
            None => lookup(store, &self.name)?,
        };
        have.map(|have| Whole::load(store, have)).transpose()
    }

    fn wanted(&self, store: &Store, have: Option<&Whole>) -> Result<Whole> {
        wanted(store, have, &self.name, self.vendor, &self.fields)
    }

    /// Ids and logins of those whose names at the provider are forgotten, of all whom the command line gives.
    fn unlinked(&self, store: &Store, idp: i64) -> Result<Vec<(i64, String)>> {
        let mut found: Vec<(i64, String)> = Vec::new();
        let mut query = store.db().prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM idp_user WHERE idp = ?1 AND user = ?2)",
        )?;
        for login in &self.fields.unlink {
            let known = match user::lookup(store, login)? {
                Some(user) if query.query_row([idp, user.id], |row| row.get(0))? => user,
                _ => return Err(never_came(store, idp, login)),
            };
            if !found.iter().any(|(id, _)| *id == known.id) {
                found.push((known.id, known.login));
            }
        }
        Ok(found)
    }

    /// What differs.
    fn change(&self, store: &Store, have: Option<&Whole>) -> Result<Vec<Change>> {
        let whole = self.wanted(store, have)?;
        let shown = |whole: &Whole| {
            serde_json::to_value(row(store, whole)).map_err(|error| {
                Error::new(Kind::Io, "the provider cannot be shown").because(error)
            })
        };
        let (op, event, key) = match have {
            None => (Op::Add, Event::IDP_ADDED, whole.idp.name.clone()),
            Some(have) => (Op::Edit, Event::IDP_EDITED, have.idp.name.clone()),
        };
        let old = have.map(shown).transpose()?.unwrap_or_default();
        let new = shown(&whole)?;
        let mut change = Change::new("idp", key, op, event).fields_of(CHANGED, &old, &new);
        if have.is_some_and(|have| have.certificates != whole.certificates)
            && !change.changes("certificates")
        {
            // The same once more, which were damaged here.
            let both = |row: &Value| row["certificates"].clone();
            change = change.always("certificates", both(&old), both(&new));
        }
        if let (Pair::New(_), Some(have)) = (&self.fields.pair, have)
            && !change.changes("own_certificate")
            && !opens(store, &have.idp)?
        {
            // The same pair once more, whose key was damaged here.
            change = change.field("own_key", "set", "changed");
        }
        if let Some(have) = have {
            let gone = self.unlinked(store, have.idp.id)?;
            let logins: Vec<_> = gone.into_iter().map(|(_, login)| login).collect();
            if !logins.is_empty() {
                change = change.field("linked", json!(logins), Value::Null);
            }
        }
        Ok(change.if_any())
    }

    /// Whether administrators come through it, before or afterwards.
    fn is_for_administrators(&self, store: &Store) -> Result<bool> {
        let have = self.have(store)?;
        let before = have.as_ref().is_some_and(|have| have.idp.administrators);
        Ok(before || self.wanted(store, have.as_ref())?.idp.administrators)
    }
}

/// The error for somebody who is to be forgotten and never came, with the near miss among those who did.
fn never_came(store: &Store, idp: i64, login: &str) -> Error {
    let known = get(store, idp).and_then(|idp| Ok((linked(store, &idp, "", NEAR)?, idp.name)));
    match known {
        Ok((logins, name)) => not_found(
            &format!("user who came through `{}`", visible(&name)),
            login,
            logins,
            "twofa user list",
        ),
        Err(error) => error,
    }
}

/// Whether the private key opens.
fn opens(store: &Store, idp: &Idp) -> Result<bool> {
    match idp.private_key(store) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::Storage => Ok(false),
        Err(error) => Err(error),
    }
}

fn row(store: &Store, whole: &Whole) -> IdpRow {
    IdpRow::apart(store, &whole.idp, &whole.certificates, &whole.groups)
}

impl Plan for PutIdp {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let have = self.have(store)?;
        let changes = self.change(store, have.as_ref())?;
        match (self.id, have) {
            (Some(id), _) => match lookup(store, &self.name)?.filter(|other| other.id != id) {
                Some(other) => Err(Error::new(
                    Kind::Conflict,
                    format!(
                        "there is an identity provider `{}` already",
                        visible(&other.name)
                    ),
                )),
                None => Ok(changes),
            },
            (None, Some(have)) => added_again("identity provider", "idp", &have.idp.name, changes),
            (None, None) => Ok(changes),
        }
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let have = self.have(tx)?;
        let whole = self.wanted(tx, have.as_ref())?;
        let id = match &have {
            Some(have) => have.idp.id,
            None => tx.next_id("idp")?,
        };
        let own = whole.idp.own.as_ref();
        let sealed = match &self.fields.pair {
            Pair::New(pair) => Some(tx.vault()?.seal(PRIVATE_KEY, id, &pair.key, tx.source())?),
            Pair::Keep | Pair::None => own.map(|own| own.sealed.clone()),
        };
        write_row(tx, id, &whole.idp, sealed)?;
        write_certificates(tx, id, &whole)?;
        tx.db()
            .execute("DELETE FROM idp_group WHERE idp = ?1", [id])?;
        for (value, groups) in &whole.groups {
            for (group, _) in groups {
                tx.db().execute(
                    "INSERT INTO idp_group (idp, value, \"group\") VALUES (?1, ?2, ?3)",
                    (id, value, group),
                )?;
            }
        }
        for (user, _) in self.unlinked(tx, id)? {
            tx.db().execute(
                "DELETE FROM idp_user WHERE idp = ?1 AND user = ?2",
                [id, user],
            )?;
        }
        Ok(())
    }

    /// Whom it takes, whether it is enabled, and what it calls somebody lead through it; what else it is, does not.
    fn reach(&self, _store: &Store) -> Result<Reach> {
        let fields = &self.fields;
        let leads = fields.enabled.is_some()
            || fields.employees.is_some()
            || fields.externals.is_some()
            || !fields.unlink.is_empty();
        Ok(if self.id.is_some() && leads {
            Reach::Everyone
        } else {
            Reach::Nobody
        })
    }

    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        self.is_for_administrators(store)
    }

    /// Who comes through a provider is asked for no second factor here: to let administrators in is to turn it off for them.
    fn confirms(&self, store: &Store, changes: &[Change]) -> Result<Option<String>> {
        let lets_in = |change: &Change| {
            let mut fields = change.fields.iter();
            fields.any(|field| !HARMLESS.contains(&field.name))
        };
        let want = self.wanted(store, self.have(store)?.as_ref())?.idp;
        let is_open = want.enabled && want.administrators;
        Ok((is_open && changes.iter().any(lets_in))
            .then(|| "letting administrators in through an identity provider".to_owned()))
    }

    fn question(&self, store: &Store, changes: &[Change]) -> Result<Option<String>> {
        let shuts = |change: &Change| {
            let mut fields = change.fields.iter();
            change.op == Op::Edit
                && fields.any(|field| field.name == "enabled" && field.new == Value::Bool(false))
        };
        if !changes.iter().any(shuts) {
            return Ok(None);
        }
        let Some(have) = self.have(store)? else {
            return Ok(None);
        };
        let row = IdpRow::of(store, &have.idp)?;
        let mut sentence = format!(
            "Nobody will log in through `{}` any more; {} came through it so far.",
            visible(&row.name),
            came(&row)
        );
        if row.default {
            sentence.push_str(" The setting `DefaultSsoProvider` points at it.");
        }
        Ok(Some(sentence))
    }
}

fn json_of(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(Kind::Io, "a list cannot be written").because(error))
}

/// Attribute and value, in two columns.
fn parted(said: Option<&Said>) -> (Option<&str>, Option<&str>) {
    let parts = said.map(|said| (said.attribute.as_str(), said.value.as_str()));
    parts.unzip()
}

fn write_row(tx: &Tx<'_>, id: i64, idp: &Idp, sealed: Option<Vec<u8>>) -> Result<()> {
    let (mfa_attribute, mfa_value) = parted(idp.mfa_attribute.as_ref());
    let (external_attribute, external_value) = parted(idp.external_when.as_ref());
    let certificate = idp.own.as_ref().map(|own| own.certificate.as_slice());
    tx.db().execute(
        "INSERT INTO idp (id, name, name_key, kind, enabled, entity_id, sso_url, slo_url, own_entity_id, acs_url, name_id_format,
             login_attribute, may_begin, sign_requests, sha1, require_mfa, mfa_contexts, mfa_attribute, mfa_value, employees,
             externals, external_attribute, external_value, administrators, update_users, attribute_map, groups_attribute,
             private_key, certificate, created_at)
         VALUES (:id, :name, :key, :kind, :enabled, :entity_id, :sso_url, :slo_url, :own_entity_id, :acs_url, :name_id_format,
             :login_attribute, :may_begin, :sign_requests, :sha1, :require_mfa, :mfa_contexts, :mfa_attribute, :mfa_value,
             :employees, :externals, :external_attribute, :external_value, :administrators, :update_users, :attribute_map,
             :groups_attribute, :private_key, :certificate, :created_at)
         ON CONFLICT (id) DO UPDATE SET name = :name, name_key = :key, kind = :kind, enabled = :enabled,
             entity_id = :entity_id, sso_url = :sso_url, slo_url = :slo_url, own_entity_id = :own_entity_id,
             acs_url = :acs_url, name_id_format = :name_id_format, login_attribute = :login_attribute,
             may_begin = :may_begin, sign_requests = :sign_requests, sha1 = :sha1, require_mfa = :require_mfa,
             mfa_contexts = :mfa_contexts, mfa_attribute = :mfa_attribute, mfa_value = :mfa_value,
             employees = :employees, externals = :externals, external_attribute = :external_attribute,
             external_value = :external_value, administrators = :administrators, update_users = :update_users,
             attribute_map = :attribute_map, groups_attribute = :groups_attribute, private_key = :private_key,
             certificate = :certificate",
        named_params! {
            ":id": id, ":name": idp.name, ":key": fold(&idp.name), ":kind": idp.vendor, ":enabled": idp.enabled,
            ":entity_id": idp.entity_id, ":sso_url": idp.sso_url, ":slo_url": idp.slo_url,
            ":own_entity_id": idp.own_entity_id, ":acs_url": idp.acs_url, ":name_id_format": idp.name_id_format,
            ":login_attribute": idp.login_attribute, ":may_begin": idp.may_begin, ":sign_requests": idp.sign_requests,
            ":sha1": idp.sha1, ":require_mfa": idp.require_mfa, ":mfa_contexts": json_of(&idp.mfa_contexts)?,
            ":mfa_attribute": mfa_attribute, ":mfa_value": mfa_value, ":employees": idp.employees,
            ":externals": idp.externals, ":external_attribute": external_attribute,
            ":external_value": external_value, ":administrators": idp.administrators,
            ":update_users": idp.update_users, ":attribute_map": json_of(&idp.attribute_map)?,
            ":groups_attribute": idp.groups_attribute, ":private_key": sealed, ":certificate": certificate,
            ":created_at": idp.created_at,
        },
    )?;
    Ok(())
}

/// Those that stay keep their rows.
fn write_certificates(tx: &Tx<'_>, idp: i64, whole: &Whole) -> Result<()> {
    let stay: Vec<&str> = whole
        .certificates
        .iter()
        .map(|one| one.fingerprint.as_str())
        .collect();
    tx.db().execute(
        "DELETE FROM idp_certificate WHERE idp = ?1 AND fingerprint NOT IN (SELECT value FROM json_each(?2))",
        (idp, json_of(&stay)?),
    )?;
    for one in &whole.certificates {
        tx.db().execute(
            "INSERT INTO idp_certificate (idp, fingerprint, der, not_before_at, not_after_at)
             VALUES (:idp, :fingerprint, :der, :not_before, :not_after)
             ON CONFLICT (idp, fingerprint) DO UPDATE SET der = :der, not_before_at = :not_before, not_after_at = :not_after",
            named_params! {
                ":idp": idp, ":fingerprint": one.fingerprint, ":der": one.der, ":not_before": one.not_before,
                ":not_after": one.not_after,
            },
        )?;
    }
    Ok(())
}

/// `idp remove`.
#[derive(Debug, Clone, Copy)]
pub struct RemoveIdp {
    /// The provider.
    pub id: i64,
}

impl Plan for RemoveIdp {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let have = get(store, self.id)?;
        if Settings::load(store)?.thing(&DEFAULT_SSO) == Some(self.id) {
            return Err(in_use("identity provider", &have.name, DEFAULT_SSO.code));
        }
        let change = Change::new("idp", have.name, Op::Remove, Event::IDP_REMOVED)
            .field("kind", have.vendor.code(), Value::Null)
            .field("entity_id", have.entity_id, Value::Null)
            .field("enabled", have.enabled, Value::Null);
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.db()
            .execute("DELETE FROM idp WHERE id = ?1", [self.id])?;
        Ok(())
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        Ok(Reach::Everyone)
    }

    /// To remove it is to shut it.
    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        Ok(get(store, self.id)?.administrators)
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let row = IdpRow::of(store, &get(store, self.id)?)?;
        Ok(Some(format!(
            "The identity provider `{}` will be removed. {} came through it so far; users stay.",
            visible(&row.name),
            capital(&came(&row))
        )))
    }
}

/// How many came through a provider.
fn came(row: &IdpRow) -> String {
    match row.users.unsigned_abs() {
        0 => "nobody".to_owned(),
        users => counted(users, "user", "users"),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// `idp default`: the plan of the setting; without a name it is reset.
#[must_use]
pub fn default_to(name: Option<&str>) -> SetSettings {
    SetSettings(vec![(&DEFAULT_SSO, name.map(str::to_owned))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Fresh, fresh};

    fn corp(fresh: &Fresh, fields: Fields) -> PutIdp {
        let put = PutIdp {
            id: None,
            name: "corp".to_owned(),
            vendor: None,
            fields: Fields {
                entity_id: Some("urn:corp".to_owned()),
                sso_url: Some("https://idp.example.com/sso".to_owned()),
                ..fields
            },
        };
        fresh.store.write(|tx| put.write(tx)).unwrap();
        PutIdp {
            id: Some(1),
            fields: Fields::default(),
            ..put
        }
    }

    /// Only an administrator opens a provider to administrators, changes one that is, or shuts it for them.
    #[test]
    fn a_provider_for_administrators_is_theirs() {
        let fresh = fresh();
        let mut plan = corp(&fresh, Fields::default());
        let touches = |plan: &PutIdp| plan.touches_administrators(&fresh.store, &[]).unwrap();
        plan.fields.update_users = Some(true);
        assert!(!touches(&plan));
        plan.fields.administrators = Some(true);
        assert!(touches(&plan));
        fresh.store.write(|tx| plan.write(tx)).unwrap();
        plan.fields = Fields {
            administrators: Some(false),
            ..Fields::default()
        };
        assert!(touches(&plan));
        plan.fields = Fields::default();
        assert!(touches(&plan));
        let remove = RemoveIdp { id: 1 };
        let removes = || remove.touches_administrators(&fresh.store, &[]).unwrap();
        assert!(removes(), "to remove it is to shut it");
        plan.fields.administrators = Some(false);
        fresh.store.write(|tx| plan.write(tx)).unwrap();
        assert!(!removes());
    }
}
