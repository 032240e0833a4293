//! Just-in-time users: what a provider says of somebody becomes a user here, with their first login or with each.
//!
//! Declared state is written by the write path alone, and this is one of the two exceptions to that (DESIGN, section 3): it is
//! part of a login, in its transaction, and writes the rows of the log itself. What it writes is checked by the plans of
//! `user add` and `user edit`. Administrators are neither made nor changed: neither their fields nor their groups.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::audit::{Entry, Event, Outcome, Who, append};
use crate::error::{Error, Kind, Result};
use crate::group::member;
use crate::idp::subject::kind_of_new;
use crate::idp::{self, Idp, Mapped, Taken};
use crate::name::visible;
use crate::permission;
use crate::plan::{Change, Plan, Warning};
use crate::sso::Asserted;
use crate::store::Tx;
use crate::user::edit::{AddUser, EditUser, Fields, Patch};
use crate::user::{self, User};
use crate::verb::Operation;

/// Where Entra ID says that the groups are too many to be said (a link to ask for them instead of their names).
const ELSEWHERE: &str = "http://schemas.microsoft.com/claims/groups.link";

/// What the map makes of the attributes: of a field, the first attribute that says something.
fn mapped(idp: &Idp, asserted: &Asserted) -> BTreeMap<&'static str, String> {
    let mut fields: BTreeMap<&'static str, String> = BTreeMap::new();
    for (attribute, field) in &idp.attribute_map {
        if let Some(value) = asserted.values(attribute).find(|value| !value.is_empty()) {
            let entry = fields.entry(field.code());
            entry.or_insert_with(|| value.to_owned());
        }
    }
    let halves = [Mapped::FirstName, Mapped::LastName].map(|half| fields.remove(half.code()));
    let whole: Vec<String> = halves.into_iter().flatten().collect();
    if !whole.is_empty() {
        let name = fields.entry(Mapped::Name.code());
        name.or_insert_with(|| whole.join(" "));
    }
    fields
}

/// The fields of a user as the provider says them. What breaks the rule of its field is left out, with a warning.
fn fields(idp: &Idp, asserted: &Asserted) -> (Fields, Vec<Warning>) {
    let (mut fields, mut warnings) = (Fields::default(), Vec::new());
    for (field, value) in mapped(idp, asserted) {
        let mut with = fields.clone();
        match field {
            "name" => with.name = Patch::Set(value),
            "email" => with.email = Patch::Set(value),
            "phone" => with.phone = Patch::Set(value),
            "language" => with.language = Some(value),
            // It says who the user is, and not what they are like.
            _ => continue,
        }
        match is_fine(&with) {
            Ok(()) => fields = with,
            Err(error) => warnings.push(Warning {
                kind: "sso_field_ignored",
                message: format!(
                    "What `{}` says as {field} was left out: {}.",
                    visible(&idp.name),
                    error.message()
                ),
                hint: None,
            }),
        }
    }
    (fields, warnings)
}

fn is_fine(fields: &Fields) -> Result<()> {
    AddUser {
        login: "x".to_owned(),
        fields: fields.clone(),
        password: None,
        imported: None,
    }
    .check()
}

/// The groups that a provider decides on, by id with their names, and those of them that it puts somebody into.
struct Groups {
    managed: BTreeMap<i64, String>,
    wanted: BTreeSet<i64>,
}

/// The groups that the provider puts somebody into; `None`: it did not say.
fn groups(tx: &Tx<'_>, idp: &Idp, asserted: &Asserted) -> Result<Option<Groups>> {
    let Some(attribute) = &idp.groups_attribute else {
        return Ok(None);
    };
    let elsewhere =
        asserted.unread.contains(attribute) || asserted.values(ELSEWHERE).next().is_some();
    if elsewhere {
        return Ok(None);
    }
    let administrators = permission::administrator_groups(tx)?;
    let values: BTreeSet<&str> = asserted.values(attribute).collect();
    let (mut managed, mut wanted) = (BTreeMap::new(), BTreeSet::new());
    for (value, stands_for) in idp::groups(tx, idp.id)? {
        for (group, name) in stands_for {
            // A group may have become one of administrators since it was mapped.
            if administrators.contains(&group) {
                continue;
            }
            managed.insert(group, name);
            if values.contains(value.as_str()) {
                wanted.insert(group);
            }
        }
    }
    Ok(Some(Groups { managed, wanted }))
}

/// Why somebody is not added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotAdded {
    /// The word of the log.
    pub(super) why: &'static str,
    /// What stood in the way.
    pub(super) found: String,
}

/// Adds whoever the provider speaks of. `names`: whether the login and the address are those of whom the login was begun
/// for.
pub(super) fn add(
    tx: &Tx<'_>,
    who: &Who,
    idp: &Idp,
    login: &str,
    asserted: &Asserted,
    names: impl FnOnce(&[&str]) -> Result<bool>,
) -> Result<std::result::Result<(User, Vec<Warning>), NotAdded>> {
    let kind = kind_of_new(idp, asserted);
    if idp.takes(kind) != Taken::Create {
        return Ok(Err(NotAdded {
            why: "sso_unknown_user",
            found: login.to_owned(),
        }));
    }
    let (mut fields, mut warnings) = fields(idp, asserted);
    fields.kind = Some(kind);
    match groups(tx, idp, asserted)? {
        Some(said) => {
            let names = said
                .wanted
                .iter()
                .filter_map(|group| said.managed.get(group));
            fields.groups = Some(names.cloned().collect());
        }
        None => warnings.extend(unread_groups(idp)),
    }
    let email = match &fields.email {
        Patch::Set(email) => email.clone(),
        _ => String::new(),
    };
    if !names(&[login, &email])? {
        return Ok(Err(NotAdded {
            why: "sso_other_user",
            found: login.to_owned(),
        }));
    }
    let plan = AddUser {
        login: login.to_owned(),
        fields,
        password: None,
        imported: None,
    };
    let changes = match plan.changes(tx) {
        Ok(changes) => changes,
        Err(error) if is_about_values(&error) => {
            return Ok(Err(NotAdded {
                why: "sso_invalid_user",
                found: error.message(),
            }));
        }
        Err(error) => return Err(error),
    };
    plan.write(tx)?;
    let user = user::find(tx, login)?;
    keep(tx, who, Event::USER_ADDED, &user, &changes)?;
    Ok(Ok((user, warnings)))
}

/// Writes down what a login changed of its user.
fn keep(tx: &Tx<'_>, who: &Who, event: Event, user: &User, changes: &[Change]) -> Result<()> {
    for change in changes {
        let mut entry = Entry::new(event, Outcome::Ok)
            .user(user.id, user.login.as_str())
            .reason("sso");
        if let Some(detail) = change.detail() {
            entry = entry.detail(detail);
        }
        append(tx, who, &entry)?;
    }
    Ok(())
}

fn is_about_values(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::InvalidValue | Kind::Conflict | Kind::BlankLogin
    )
}

fn unread_groups(idp: &Idp) -> Option<Warning> {
    idp.groups_attribute.as_ref().map(|_| Warning {
        kind: "sso_groups_unread",
        message: format!(
            "`{}` did not say which groups the user is in, so that they are as they were.",
            visible(&idp.name)
        ),
        hint: None,
    })
}

/// Brings a user up to date: the mapped fields, and the mapped groups.
pub(super) fn update(
    tx: &Tx<'_>,
    who: &Who,
    idp: &Idp,
    user: &User,
    asserted: &Asserted,
) -> Result<Vec<Warning>> {
    if permission::in_administrators(tx, user.id, user.kind)? {
        return Ok(Vec::new());
    }
    let (fields, mut warnings) = fields(idp, asserted);
    let plan = EditUser {
        id: user.id,
        fields,
    };
    match plan.changes(tx) {
        Ok(changes) if changes.is_empty() => {}
        Ok(changes) => {
            plan.write(tx)?;
            keep(tx, who, Event::USER_EDITED, user, &changes)?;
        }
        Err(error) if is_about_values(&error) => warnings.push(Warning {
            kind: "sso_user_kept",
            message: format!("The user stays as they were: {}.", error.message()),
            hint: None,
        }),
        Err(error) => return Err(error),
    }
    match groups(tx, idp, asserted)? {
        Some(said) => warnings.extend(join(tx, who, user, &said)?),
        None => warnings.extend(unread_groups(idp)),
    }
    Ok(warnings)
}

/// Puts a user into those groups that are wanted, and takes them out of the others that the provider decides on.
fn join(tx: &Tx<'_>, who: &Who, user: &User, said: &Groups) -> Result<Vec<Warning>> {
    let changing = Operation::CanChangeAdminOperationGrantee;
    let changeable = permission::is_always_had(tx, changing)?;
    let mut warnings = Vec::new();
    let direct: BTreeSet<i64> = permission::direct_groups(tx, user.id)?
        .into_iter()
        .collect();
    for (group, name) in &said.managed {
        let is_wanted = said.wanted.contains(group);
        if is_wanted == direct.contains(group) {
            continue;
        }
        member::set(tx, *group, user.id, is_wanted)?;
        if changeable && !permission::is_always_had(tx, changing)? {
            member::set(tx, *group, user.id, !is_wanted)?;
            warnings.push(Warning {
                kind: "sso_groups_kept",
                message: format!(
                    "The user stays as they are in `{}`: else nobody active would have `{}`.",
                    visible(name),
                    changing.code()
                ),
                hint: None,
            });
            continue;
        }
        let (event, old, new) = if is_wanted {
            (
                Event::GROUP_MEMBER_ADDED,
                Value::Null,
                Value::from(user.login.as_str()),
            )
        } else {
            (
                Event::GROUP_MEMBER_REMOVED,
                Value::from(user.login.as_str()),
                Value::Null,
            )
        };
        let entry = Entry::new(event, Outcome::Ok)
            .subject(name.as_str())
            .user_id(Some(user.id))
            .reason("sso")
            .detail(serde_json::json!({ "user": { "old": old, "new": new } }));
        append(tx, who, &entry)?;
    }
    Ok(warnings)
}
