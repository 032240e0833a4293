//! How a group comes, changes its name, and goes.

use serde_json::{Value, json};

use super::{Group, get, lookup, show};
use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::idp;
use crate::name::{self, argument, counted, fold, visible};
use crate::permission::{self, Effect, For, State, effect};
use crate::plan::{Change, Op, Plan, Reach};
use crate::store::{Store, Tx};

/// The longest name, in characters.
const LONGEST: usize = 250;

/// A name that files and commands can say: groups stand in one field of a file, split by `;`, and what begins with a dash
/// reads as an option.
fn check_name(name: &str) -> Result<String> {
    let name = name::check_typed("group name", name, LONGEST)?;
    let broken = if name.contains(';') {
        "has a `;` in it, which stands between groups in a file"
    } else if name.starts_with('-') {
        "begins with a dash, as options do"
    } else {
        return Ok(name);
    };
    Err(Error::new(
        Kind::InvalidValue,
        format!("the group name `{}` {broken}", visible(&name)),
    ))
}

/// `group add`.
#[derive(Debug, Clone)]
pub struct AddGroup {
    /// The name.
    pub name: String,
}

impl Plan for AddGroup {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let name = check_name(&self.name)?;
        if lookup(store, &name)?.is_some() {
            return Ok(Vec::new());
        }
        let change = Change::new("group", &name, Op::Add, Event::GROUP_ADDED);
        Ok(vec![change.field("name", Value::Null, name)])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let name = check_name(&self.name)?;
        tx.db().execute(
            "INSERT INTO \"group\" (name, name_key, created_at) VALUES (?1, ?2, ?3)",
            rusqlite::params![name, fold(&name), tx.now()],
        )?;
        Ok(())
    }
}

/// `group edit`: a new name.
#[derive(Debug, Clone)]
pub struct RenameGroup {
    /// The group.
    pub id: i64,
    /// Its new name.
    pub name: String,
}

impl Plan for RenameGroup {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let group = get(store, self.id)?;
        let name = check_name(&self.name)?;
        if name != group.name {
            group.is_not_built_in("renamed")?;
        }
        if let Some(other) = lookup(store, &name)?.filter(|other| other.id != self.id) {
            return Err(Error::new(
                Kind::Conflict,
                format!("there is a group `{}` already", visible(&other.name)),
            )
            .hint(format!(
                "`twofa group show {}` shows it",
                argument(&other.name)
            )));
        }
        let change = Change::new("group", &group.name, Op::Edit, Event::GROUP_EDITED);
        Ok(change.field("name", group.name.as_str(), name).if_any())
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let name = check_name(&self.name)?;
        tx.db().execute(
            "UPDATE \"group\" SET name = ?1, name_key = ?2 WHERE id = ?3",
            rusqlite::params![name, fold(&name), self.id],
        )?;
        Ok(())
    }

    /// Files and commands say groups by name: whose name is whose is a matter of administrators where it makes some.
    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        Ok(permission::administrator_groups(store)?.contains(&self.id))
    }
}

/// `group remove`.
#[derive(Debug, Clone, Copy)]
pub struct RemoveGroup {
    /// The group.
    pub id: i64,
}

impl RemoveGroup {
    /// The rows of permissions that name the group: `CODE allow`.
    fn grants(self, store: &Store) -> Result<Vec<String>> {
        let mut query = store.db().prepare_cached(
            "SELECT operation || ' ' || access FROM grantee WHERE \"group\" = ?1 ORDER BY operation",
        )?;
        let rows = query.query_map([self.id], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn effect(self, store: &Store, what: For) -> Result<Option<Effect>> {
        // Out of the group by its end is out of it, as by `remove-member`.
        if let Some(login) = permission::an_administrator_in(store, self.id)? {
            return Ok(Some(Effect::Membership(login)));
        }
        let mut before = State::load(store)?;
        let mut after = before.clone();
        after.remove_group(self.id);
        effect(store, &mut before, &mut after, None, what)
    }
}

/// What a group holds, for the log and the question.
fn held(store: &Store, group: &Group) -> Result<(u64, Vec<String>, Vec<String>)> {
    let view = show(store, group)?;
    let users = view.users.unwrap_or_default().len() as u64;
    Ok((users, view.groups, view.member_of))
}

impl Plan for RemoveGroup {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let group = get(store, self.id)?;
        group.is_not_built_in("removed")?;
        let (users, groups, member_of) = held(store, &group)?;
        let change = Change::new("group", &group.name, Op::Remove, Event::GROUP_REMOVED)
            .field("name", group.name.as_str(), Value::Null)
            .field("users", users, 0)
            .field("groups", groups, json!([]))
            .field("member_of", member_of, json!([]))
            .field("grantee_of", self.grants(store)?, json!([]));
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.db()
            .execute("DELETE FROM \"group\" WHERE id = ?1", [self.id])?;
        permission::close_gaps(tx)
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        Ok(Reach::Everyone)
    }

    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        Ok(permission::administrator_groups(store)?.contains(&self.id)
            || self.effect(store, For::Right)?.is_some())
    }

    fn confirms(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        Ok(self
            .effect(store, For::Confirmation)?
            .as_ref()
            .map(Effect::words))
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let group = get(store, self.id)?;
        let (users, groups, member_of) = held(store, &group)?;
        let grants = self.grants(store)?;
        let mut said = vec![format!(
            "The group `{}` goes; {} and {} are directly in it, and stay.",
            visible(&group.name),
            counted(users, "user", "users"),
            counted(groups.len() as u64, "group", "groups")
        )];
        if !member_of.is_empty() {
            let names: Vec<String> = member_of
                .iter()
                .map(|name| format!("`{}`", visible(name)))
                .collect();
            said.push(format!("Who is in it leaves {} too.", names.join(", ")));
        }
        if !grants.is_empty() {
            said.push(format!(
                "The rows of {} that name it go.",
                grants.join(", ")
            ));
        }
        for (name, value) in idp::standing_for(store, self.id)? {
            said.push(format!(
                "The identity provider `{}` puts people into it by the value `{}`, and will not any more.",
                visible(&name),
                visible(&value)
            ));
        }
        Ok(Some(said.join(" ")))
    }
}
