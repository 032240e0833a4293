//! Who is in a group: users and groups come in and go out.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Group, get};
use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::name::{argument, visible};
use crate::permission::{self, Effect, For, Nesting, State, Whom, effect, named};
use crate::plan::{Change, Op, Plan, Reach};
use crate::store::{Store, Tx};

/// `group add-member` and `group remove-member`.
#[derive(Debug, Clone)]
pub struct SetMembers {
    /// The group.
    pub group: i64,
    /// The users that come or go, by id.
    pub users: Vec<i64>,
    /// The groups that come or go, by id.
    pub groups: Vec<i64>,
    /// Whether they shall be in it.
    pub member: bool,
}

impl SetMembers {
    /// The users that are not as they shall be.
    fn users(&self, store: &Store) -> Result<BTreeSet<i64>> {
        let differs = |user: &i64| Ok(is_in(store, self.group, *user)? != self.member);
        sifted(&self.users, differs)
    }

    /// The groups that are not as they shall be.
    fn groups(&self, store: &Store) -> Result<BTreeSet<i64>> {
        let mut query = store.db().prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM group_group WHERE \"group\" = ?1 AND member = ?2)",
        )?;
        sifted(&self.groups, |member| {
            let is: bool = query.query_row([self.group, *member], |row| row.get(0))?;
            Ok(is != self.member)
        })
    }

    fn effect(&self, store: &Store, what: For) -> Result<Option<Effect>> {
        let mut before = State::load(store)?;
        let mut after = before.clone();
        let (users, groups) = (self.users(store)?, self.groups(store)?);
        for member in &groups {
            if self.member {
                after.nesting.add(self.group, *member);
            } else {
                after.nesting.remove(self.group, *member);
            }
        }
        for user in &users {
            after.set_member(store, self.group, *user, self.member)?;
        }
        let users: Vec<i64> = users.into_iter().collect();
        let only = groups.is_empty().then_some(users.as_slice());
        effect(store, &mut before, &mut after, only, what)
    }
}

/// A provider puts people into groups that it names, and makes no administrators.
fn not_by_a_provider(store: &Store, group: &Group, member: &Group) -> Result<()> {
    if !permission::administrator_groups(store)?.contains(&group.id) {
        return Ok(());
    }
    let inside = Nesting::load(store)?.within(member.id);
    let Some((idp, filled, stops)) = crate::idp::that_fills(store, &inside)? else {
        return Ok(());
    };
    let message = format!(
        "`{}` cannot be a member of `{}`: the identity provider `{}` puts people into `{}`, and makes no administrators",
        visible(&member.name),
        visible(&group.name),
        visible(&idp),
        visible(&filled)
    );
    Err(Error::new(Kind::Guard, message).hint(format!(
        "`twofa idp edit {} {stops}`, first",
        argument(&idp)
    )))
}

/// Refuses a member that the group is in, with the way there.
fn no_cycle(store: &Store, group: &Group, member: &Group) -> Result<()> {
    let Some(path) = Nesting::load(store)?.path(&[group.id], member.id) else {
        return Ok(());
    };
    let refused = format!(
        "`{}` cannot be a member of `{}`",
        visible(&member.name),
        visible(&group.name)
    );
    let names = path
        .iter()
        .map(|id| get(store, *id).map(|group| group.name))
        .collect::<Result<Vec<_>>>()?;
    if names.len() == 1 {
        return Err(Error::new(
            Kind::Guard,
            format!("{refused}: it is the same group"),
        ));
    }
    let way: Vec<String> = names
        .windows(2)
        .map(|pair| format!("`{}` is in `{}`", visible(&pair[0]), visible(&pair[1])))
        .collect();
    Err(Error::new(Kind::Guard, format!("{refused}: {}", way.join(", "))).with("path", names))
}

fn sifted(ids: &[i64], mut keep: impl FnMut(&i64) -> Result<bool>) -> Result<BTreeSet<i64>> {
    let mut kept = BTreeSet::new();
    for id in ids {
        if keep(id)? {
            kept.insert(*id);
        }
    }
    Ok(kept)
}

impl Plan for SetMembers {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let group = if self.member {
            get(store, self.group)?.takes_members()?
        } else {
            get(store, self.group)?
        };
        let event = if self.member {
            Event::GROUP_MEMBER_ADDED
        } else {
            Event::GROUP_MEMBER_REMOVED
        };
        let change = |field, name: &str| {
            let (old, new) = if self.member {
                (Value::Null, name.into())
            } else {
                (name.into(), Value::Null)
            };
            Change::new("group", &group.name, Op::Edit, event).field(field, old, new)
        };
        let mut changes = Vec::new();
        for user in self.users(store)? {
            let (field, login) = named(store, Whom::User(user))?;
            changes.push(change(field, &login).about(user));
        }
        for member in self.groups(store)? {
            let member = get(store, member)?;
            if self.member {
                no_cycle(store, &group, &member)?;
                not_by_a_provider(store, &group, &member)?;
            }
            changes.push(change("group", &member.name));
        }
        Ok(changes)
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        for user in &self.users {
            set(tx, self.group, *user, self.member)?;
        }
        let sql = if self.member {
            "INSERT OR IGNORE INTO group_group (\"group\", member) VALUES (?1, ?2)"
        } else {
            "DELETE FROM group_group WHERE \"group\" = ?1 AND member = ?2"
        };
        let mut write = tx.db().prepare(sql)?;
        for member in &self.groups {
            write.execute([self.group, *member])?;
        }
        Ok(())
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        Ok(if self.groups.is_empty() {
            Reach::Users(self.users.clone())
        } else {
            Reach::Everyone
        })
    }

    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        Ok(
            permission::administrator_groups(store)?.contains(&self.group)
                || self.effect(store, For::Right)?.is_some(),
        )
    }

    fn confirms(&self, store: &Store, changes: &[Change]) -> Result<Option<String>> {
        // Whatever group it is: the membership of an administrator is what an administrator confirms.
        for user in changes.iter().filter_map(|change| change.user) {
            if permission::is_administrator(store, user)? {
                let (_, login) = named(store, Whom::User(user))?;
                return Ok(Some(Effect::Membership(login).words()));
            }
        }
        Ok(self
            .effect(store, For::Confirmation)?
            .as_ref()
            .map(Effect::words))
    }

    fn question(&self, store: &Store, changes: &[Change]) -> Result<Option<String>> {
        if self.member {
            return Ok(None);
        }
        let group = get(store, self.group)?;
        let names: Vec<String> = changes
            .iter()
            .flat_map(|change| &change.fields)
            .map(|field| {
                let name = field.old.as_str().unwrap_or_default();
                format!("the {} `{}`", field.name, visible(name))
            })
            .collect();
        Ok(Some(format!(
            "Out of `{}`: {}.",
            visible(&group.name),
            names.join(", ")
        )))
    }
}

/// The ids of the users who are in a group directly.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn users(store: &Store, group: i64) -> Result<Vec<i64>> {
    ids(
        store,
        "SELECT user FROM group_user WHERE \"group\" = ?1",
        group,
    )
}

/// The ids of the groups that are in a group directly.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn groups(store: &Store, group: i64) -> Result<Vec<i64>> {
    ids(
        store,
        "SELECT member FROM group_group WHERE \"group\" = ?1",
        group,
    )
}

fn ids(store: &Store, sql: &str, group: i64) -> Result<Vec<i64>> {
    let mut query = store.db().prepare_cached(sql)?;
    let rows = query.query_map([group], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn is_in(store: &Store, group: i64, user: i64) -> Result<bool> {
    Ok(store
        .db()
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM group_user WHERE \"group\" = ?1 AND user = ?2)",
        )?
        .query_row([group, user], |row| row.get(0))?)
}

/// Writes whether a user is directly in a group. What is so already stays so.
pub(crate) fn set(tx: &Tx<'_>, group: i64, user: i64, member: bool) -> Result<()> {
    let sql = if member {
        "INSERT OR IGNORE INTO group_user (\"group\", user) VALUES (?1, ?2)"
    } else {
        "DELETE FROM group_user WHERE \"group\" = ?1 AND user = ?2"
    };
    tx.db().prepare_cached(sql)?.execute([group, user])?;
    Ok(())
}
