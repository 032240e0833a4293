//! What a user is: add and edit.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, named_params};
use serde_json::{Value, json};

use super::rules::{email, identities, language, login, os_user, phone};
use super::{Type, User, get, lookup};
use crate::audit::Event;
use crate::challenge;
use crate::error::{Error, Kind, Result};
use crate::group::{self, Group};
use crate::name::{self, argument, fold, visible};
use crate::permission::{self, Administrators, Nesting, built_in};
use crate::plan::{Change, Op, Plan, Reach};
use crate::store::{Store, Tx};
use crate::vault::{Imported, Label, NewPassword};

/// What a field shall be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch {
    /// As it is.
    #[default]
    Keep,
    /// Empty.
    Clear,
    /// This.
    Set(String),
}

impl Patch {
    /// From an option of the command line and its `--no-…` twin.
    #[must_use]
    pub fn from_options(value: Option<String>, clear: bool) -> Patch {
        match (value, clear) {
            (Some(value), _) => Patch::Set(value),
            (None, true) => Patch::Clear,
            (None, false) => Patch::Keep,
        }
    }

    fn checked(&self, check: impl Fn(&str) -> Result<String>) -> Result<Patch> {
        Ok(match self {
            Patch::Set(value) => Patch::Set(check(value)?),
            other => other.clone(),
        })
    }

    fn apply(&self, have: Option<&String>) -> Option<String> {
        match self {
            Patch::Keep => have.cloned(),
            Patch::Clear => None,
            Patch::Set(value) => Some(value.clone()),
        }
    }
}

/// The fields of a user that a command names.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// New login (`edit`).
    pub login: Option<String>,
    /// Full name.
    pub name: Patch,
    /// Email address.
    pub email: Patch,
    /// Phone.
    pub phone: Patch,
    /// Type.
    pub kind: Option<Type>,
    /// Language.
    pub language: Option<String>,
    /// Account of the machine.
    pub os_user: Patch,
    /// Groups: to be a member of (`add`), or all direct ones (`edit`).
    pub groups: Option<Vec<String>>,
    /// Whether the next login asks for a new password.
    pub must_change: Option<bool>,
    /// Whether they may log in at all (`import`).
    pub active: Option<bool>,
}

impl Fields {
    /// The same, with every value checked and trimmed.
    fn checked(&self) -> Result<Fields> {
        Ok(Fields {
            login: self.login.as_deref().map(login).transpose()?,
            name: self
                .name
                .checked(|value| name::check_display("name", value, 250))?,
            email: self.email.checked(email)?,
            phone: self.phone.checked(phone)?,
            language: self.language.as_deref().map(language).transpose()?,
            os_user: self.os_user.checked(os_user)?,
            ..self.clone()
        })
    }

    fn groups(&self, store: &Store) -> Result<Option<Vec<Group>>> {
        let Some(names) = &self.groups else {
            return Ok(None);
        };
        names
            .iter()
            .map(|name| group::find(store, name)?.takes_members())
            .collect::<Result<_>>()
            .map(Some)
    }
}

/// Refuses a name that leads to another user than `by`.
pub(super) fn taken(store: &Store, what: &str, name: &str, by: Option<i64>) -> Result<()> {
    match lookup(store, name)? {
        Some(other) if Some(other.id) != by => Err(leads(what, name, &other.login)),
        _ => Ok(()),
    }
}

/// Why a name is refused that leads to the user of a login.
pub(super) fn leads(what: &str, name: &str, login: &str) -> Error {
    let message = format!(
        "the {what} `{}` already leads to the user `{}`",
        visible(name),
        visible(login)
    );
    Error::new(Kind::Conflict, message).hint("logins and email addresses share one space of names")
}

fn os_user_taken(store: &Store, account: &str, by: Option<i64>) -> Result<()> {
    match super::by_os_user(store, account)? {
        Some(other) if Some(other.id) != by => Err(Error::new(
            Kind::Conflict,
            format!(
                "the account `{}` is already mapped to `{}`",
                visible(account),
                visible(&other.login)
            ),
        )),
        _ => Ok(()),
    }
}

/// Writes the names that lead to a user.
fn write_identity(tx: &Tx<'_>, user: i64, login: &str, address: Option<&str>) -> Result<()> {
    tx.db()
        .prepare_cached("DELETE FROM identity WHERE user = ?1")?
        .execute([user])?;
    let mut insert = tx
        .db()
        .prepare_cached("INSERT INTO identity (key, user, is_login, is_email) VALUES (:key, :user, :is_login, :is_email)")?;
    for name in identities(login, address) {
        insert.execute(named_params! {
            ":key": name.key, ":user": user, ":is_login": name.is_login, ":is_email": name.is_email,
        })?;
    }
    Ok(())
}

fn group_names(store: &Store, ids: &BTreeSet<i64>) -> Result<Vec<String>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT name FROM \"group\" WHERE id = ?1")?;
    let mut names = ids
        .iter()
        .map(|id| Ok(query.query_row([id], |row| row.get::<_, String>(0))?))
        .collect::<Result<Vec<_>>>()?;
    names.sort_by_cached_key(|name| fold(name));
    Ok(names)
}

/// `user add`.
#[derive(Debug, Clone)]
pub struct AddUser {
    /// The login.
    pub login: String,
    /// What else is given.
    pub fields: Fields,
    /// The password.
    pub password: Option<NewPassword>,
    /// The hash of it that another system made, instead.
    pub imported: Option<Imported>,
}

/// What an imported password hash is sealed as.
pub(crate) const IMPORTED: Label = Label("user.password_imported");

/// What stands for an imported hash in a confirmation.
const BOUND: Label = Label("confirmation.imported");

impl AddUser {
    /// Checks the values by themselves, without a store.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`], [`Kind::BlankLogin`].
    pub fn check(&self) -> Result<()> {
        login(&self.login)?;
        self.fields.checked().map(|_| ())
    }

    /// Whether they would be an administrator: by a group that is named, or by the computed group of their type.
    pub(super) fn joins(&self, store: &Store, administrators: &mut Administrators) -> Result<bool> {
        let groups = self.fields.groups(store)?.unwrap_or_default();
        let direct = groups.iter().map(|group| group.id).collect();
        let kind = self.fields.kind.unwrap_or(Type::Employee);
        Ok(administrators.have(&direct, kind))
    }

    fn joins_administrators(&self, store: &Store) -> Result<bool> {
        self.joins(store, &mut Administrators::load(store)?)
    }

    /// What the user is like already, in the fields given; the names of those that differ.
    fn differs(store: &Store, have: &User, fields: &Fields) -> Result<Vec<&'static str>> {
        let mut names = Vec::new();
        let mut compare = |name, same: bool| {
            if !same {
                names.push(name);
            }
        };
        compare("name", fields.name.apply(have.name.as_ref()) == have.name);
        compare(
            "email",
            fields.email.apply(have.email.as_ref()) == have.email,
        );
        compare(
            "phone",
            fields.phone.apply(have.phone.as_ref()) == have.phone,
        );
        compare("type", fields.kind.is_none_or(|kind| kind == have.kind));
        compare(
            "language",
            fields
                .language
                .as_ref()
                .is_none_or(|language| *language == have.language),
        );
        compare(
            "os_user",
            fields.os_user.apply(have.os_user.as_ref()) == have.os_user,
        );
        compare(
            "active",
            fields.active.is_none_or(|active| active == have.active),
        );
        let direct = permission::direct_groups(store, have.id)?;
        let groups = fields.groups(store)?.unwrap_or_default();
        compare(
            "groups",
            groups.iter().all(|group| direct.contains(&group.id)),
        );
        Ok(names)
    }
}

impl Plan for AddUser {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let login = login(&self.login)?;
        let fields = self.fields.checked()?;
        let groups = fields.groups(store)?.unwrap_or_default();
        if let Some(have) = lookup(store, &login)? {
            if fold(&have.login) != fold(&login) {
                taken(store, "login", &login, None)?;
            }
            let differs = Self::differs(store, &have, &fields)?;
            if differs.is_empty() {
                return Ok(Vec::new());
            }
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "the user `{}` exists and differs in {}",
                    visible(&have.login),
                    differs.join(", ")
                ),
            )
            .hint(format!(
                "`twofa user edit {}` changes it",
                argument(&have.login)
            )));
        }
        if let Patch::Set(address) = &fields.email {
            taken(store, "email address", address, None)?;
        }
        if let Patch::Set(account) = &fields.os_user {
            os_user_taken(store, account, None)?;
        }
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        let change = Change::new("user", &login, Op::Add, Event::USER_ADDED)
            .field("login", Value::Null, login.as_str())
            .field("name", Value::Null, fields.name.apply(None))
            .field("email", Value::Null, fields.email.apply(None))
            .field("phone", Value::Null, fields.phone.apply(None))
            .field(
                "type",
                Value::Null,
                fields.kind.unwrap_or(Type::Employee).code(),
            )
            .field(
                "language",
                Value::Null,
                fields.language.as_deref().unwrap_or("en"),
            )
            .field("groups", json!([]), names)
            .field("os_user", Value::Null, fields.os_user.apply(None))
            .field("must_change", false, fields.must_change.unwrap_or(false))
            .field("active", true, fields.active.unwrap_or(true))
            .field(
                "password",
                Value::Null,
                match (&self.password, &self.imported) {
                    (Some(_), _) => Some("set"),
                    (None, Some(_)) => Some("imported"),
                    (None, None) => None,
                },
            );
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let login = login(&self.login)?;
        let fields = self.fields.checked()?;
        let email = fields.email.apply(None);
        let now = tx.now();
        let id = tx.next_id("user")?;
        let has_password = self.password.is_some() || self.imported.is_some();
        let imported = self
            .imported
            .as_ref()
            .map(|hash| {
                tx.vault()?
                    .seal(IMPORTED, id, hash.text().as_bytes(), tx.source())
            })
            .transpose()?;
        tx.db()
            .prepare_cached(
                "INSERT INTO user (id, login, name, email, phone, type, language, active, password_hash, password_imported, password_changed_at, must_change, os_user, created_at)
                 VALUES (:id, :login, :name, :email, :phone, :type, :language, :active, :hash, :imported, :changed, :must_change, :os_user, :now)",
            )?
            .execute(named_params! {
                ":id": id, ":login": login, ":name": fields.name.apply(None), ":email": email,
                ":phone": fields.phone.apply(None), ":type": fields.kind.unwrap_or(Type::Employee),
                ":language": fields.language.as_deref().unwrap_or("en"), ":active": fields.active.unwrap_or(true),
                ":hash": self.password.as_ref().map(NewPassword::stored), ":imported": imported, ":changed": has_password.then_some(now),
                ":must_change": fields.must_change.unwrap_or(false), ":os_user": fields.os_user.apply(None), ":now": now,
            })?;
        write_identity(tx, id, &login, email.as_deref())?;
        for group in fields.groups(tx)?.unwrap_or_default() {
            group::member::set(tx, group.id, id, true)?;
        }
        Ok(())
    }

    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        Ok(self.fields.os_user != Patch::Keep || self.joins_administrators(store)?)
    }

    fn binds(&self, store: &Store) -> Result<Vec<u8>> {
        let vault = store.vault()?;
        match (&self.password, &self.imported) {
            (Some(password), _) => vault.bind_password(password, self.login.trim()),
            (None, Some(hash)) => Ok(vault.hash(BOUND, &[hash.text().as_bytes()])?.to_vec()),
            (None, None) => Ok(Vec::new()),
        }
    }

    fn confirms(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        Ok(self
            .joins_administrators(store)?
            .then(|| format!("making `{}` an administrator", visible(self.login.trim()))))
    }
}

/// `user edit`.
#[derive(Debug, Clone)]
pub struct EditUser {
    /// The user.
    pub id: i64,
    /// What is given.
    pub fields: Fields,
}

/// The user and their direct groups, as they shall be.
fn edited(have: &User, fields: &Fields) -> User {
    User {
        login: fields.login.clone().unwrap_or_else(|| have.login.clone()),
        name: fields.name.apply(have.name.as_ref()),
        email: fields.email.apply(have.email.as_ref()),
        phone: fields.phone.apply(have.phone.as_ref()),
        kind: fields.kind.unwrap_or(have.kind),
        language: fields
            .language
            .clone()
            .unwrap_or_else(|| have.language.clone()),
        os_user: fields.os_user.apply(have.os_user.as_ref()),
        must_change: fields.must_change.unwrap_or(have.must_change),
        active: fields.active.unwrap_or(have.active),
        ..have.clone()
    }
}

impl EditUser {
    fn wanted(&self, store: &Store) -> Result<(User, User, BTreeSet<i64>, BTreeSet<i64>)> {
        let have = get(store, self.id)?;
        let fields = self.fields.checked()?;
        let direct: BTreeSet<i64> = permission::direct_groups(store, self.id)?
            .into_iter()
            .collect();
        let groups = match fields.groups(store)? {
            Some(groups) => groups.iter().map(|group| group.id).collect(),
            None => direct.clone(),
        };
        let want = edited(&have, &fields);
        Ok((have, want, direct, groups))
    }
}

impl EditUser {
    /// Whether the user is an administrator, before or after: one who becomes one counts like one who is one no more.
    fn administers(&self, store: &Store) -> Result<bool> {
        let (have, want, direct, groups) = self.wanted(store)?;
        let mut administrators = Administrators::load(store)?;
        Ok(administrators.have(&direct, have.kind) || administrators.have(&groups, want.kind))
    }
}

impl Plan for EditUser {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let (have, want, direct, groups) = self.wanted(store)?;
        if want.login != have.login {
            taken(store, "login", &want.login, Some(self.id))?;
        }
        if let Some(address) = want.email.as_deref().filter(|_| want.email != have.email) {
            taken(store, "email address", address, Some(self.id))?;
        }
        if let Some(account) = want.os_user.as_deref() {
            os_user_taken(store, account, Some(self.id))?;
        }
        let change = Change::new("user", &have.login, Op::Edit, Event::USER_EDITED)
            .about(self.id)
            .field("login", have.login.as_str(), want.login.as_str())
            .field("name", have.name, want.name)
            .field("email", have.email, want.email)
            .field("phone", have.phone, want.phone)
            .field("type", have.kind.code(), want.kind.code())
            .field("language", have.language, want.language)
            .field(
                "groups",
                group_names(store, &direct)?,
                group_names(store, &groups)?,
            )
            .field("os_user", have.os_user, want.os_user)
            .field("active", have.active, want.active)
            .field("must_change", have.must_change, want.must_change);
        Ok(change.if_any())
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let (have, want, direct, groups) = self.wanted(tx)?;
        tx.db()
            .prepare_cached(
                "UPDATE user SET login = :login, name = :name, email = :email, phone = :phone, type = :type,
                 language = :language, os_user = :os_user, active = :active, must_change = :must_change WHERE id = :id",
            )?
            .execute(named_params! {
                ":login": want.login, ":name": want.name, ":email": want.email, ":phone": want.phone, ":type": want.kind,
                ":language": want.language, ":os_user": want.os_user, ":active": want.active,
                ":must_change": want.must_change, ":id": self.id,
            })?;
        if want.login != have.login || want.email != have.email {
            write_identity(tx, self.id, &want.login, want.email.as_deref())?;
        }
        let voids = (&want.login, &want.email, &want.phone, want.kind)
            != (&have.login, &have.email, &have.phone, have.kind)
            || (want.active, want.must_change) != (have.active, have.must_change);
        if voids {
            challenge::void(tx, self.id)?;
        }
        for group in direct.difference(&groups) {
            group::member::set(tx, *group, self.id, false)?;
        }
        for group in groups.difference(&direct) {
            group::member::set(tx, *group, self.id, true)?;
        }
        Ok(())
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        Ok(Reach::Users(vec![self.id]))
    }

    fn touches_administrators(&self, store: &Store, changes: &[Change]) -> Result<bool> {
        let administrators = permission::administrator_groups(store)?;
        let (_, _, direct, groups) = self.wanted(store)?;
        Ok(self.administers(store)?
            || direct
                .symmetric_difference(&groups)
                .any(|group| administrators.contains(group))
            || changes.iter().any(|change| change.changes("os_user")))
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let (have, want, direct, groups) = self.wanted(store)?;
        if have.kind == want.kind {
            return Ok(None);
        }
        let login = visible(&have.login);
        let mut goes = Vec::new();
        let mut nesting = Nesting::load(store)?;
        let mut all = |direct: BTreeSet<i64>, kind| {
            let direct = direct.into_iter().collect();
            nesting.groups(direct, kind).clone()
        };
        let (before, after) = (all(direct, have.kind), all(groups, want.kind));
        let left: Vec<String> = group_names(store, &before.difference(&after).copied().collect())?
            .iter()
            .map(|name| format!("`{}`", visible(name)))
            .collect();
        if !left.is_empty() {
            goes.push(format!("`{login}` will leave {}.", left.join(", ")));
        }
        if want.kind == Type::Technical {
            goes.push(format!(
                "As a technical user `{login}` will never log in with a password."
            ));
        }
        Ok(Some(goes.join(" ")).filter(|said| !said.is_empty()))
    }

    fn confirms(&self, store: &Store, changes: &[Change]) -> Result<Option<String>> {
        let (have, ..) = self.wanted(store)?;
        let guarded = ["login", "email", "phone", "active", "groups", "type"];
        let touched = changes
            .iter()
            .flat_map(|change| &change.fields)
            .find(|field| guarded.contains(&field.name));
        let administrator = self.administers(store)?;
        Ok(touched.filter(|_| administrator).map(|field| {
            let what = if field.name == "groups" {
                "membership"
            } else {
                field.name
            };
            format!(
                "changing the {what} of the administrator `{}`",
                visible(&have.login)
            )
        }))
    }
}

/// Makes the first administrator of a new store.
///
/// # Errors
/// A value that breaks its rule; [`Kind::Storage`].
pub(crate) fn add_first(tx: &Tx<'_>, plan: &AddUser) -> Result<i64> {
    plan.write(tx)?;
    let id = tx
        .db()
        .query_row("SELECT id FROM user", [], |row| row.get::<_, i64>(0))
        .optional()?;
    let id =
        id.ok_or_else(|| Error::new(Kind::Storage, "the first administrator was not written"))?;
    let administrators = permission::built_in_group(tx, built_in::ADMINISTRATORS)?;
    group::member::set(tx, administrators, id, true)?;
    tx.db()
        .execute("UPDATE store SET first_administrator = ?1", [id])?;
    Ok(id)
}
