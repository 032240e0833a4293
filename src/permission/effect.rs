//! What a change of groups or grantees would do to administrators, found out before anything is written.
//!
//! Turning 2FA off for an administrator, and making or unmaking one, is an administrator action (SEMANTICS,
//! "Administrator actions"). A change of a group reaches everybody below it, so the memberships are computed as they are
//! and as they would be, and the two are compared.

use std::collections::{BTreeSet, HashMap};

use rusqlite::OptionalExtension as _;

use super::{Grantees, Nesting, built_in, built_in_group, direct_groups, users_in};
use crate::clock::Time;
use crate::error::Result;
use crate::name::visible;
use crate::setting::{self, Settings};
use crate::store::Store;
use crate::user::kind::Type;
use crate::verb::Operation;

/// Memberships and the list of `CanUse2FA`, as they are or would be.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// Which group is in which.
    pub(crate) nesting: Nesting,
    /// Who uses 2FA.
    pub(crate) can_use: Grantees,
    /// Direct groups of users that differ from what is stored.
    direct: HashMap<i64, BTreeSet<i64>>,
    /// A group that is there no more.
    gone: Option<i64>,
}

impl State {
    /// As it is.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn load(store: &Store) -> Result<State> {
        Ok(State {
            nesting: Nesting::load(store)?,
            can_use: Grantees::load(store, Operation::CanUse2FA)?,
            direct: HashMap::new(),
            gone: None,
        })
    }

    /// Whether a user is a direct member of a group, from now on.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn set_member(
        &mut self,
        store: &Store,
        group: i64,
        user: i64,
        member: bool,
    ) -> Result<()> {
        let mut direct = self.direct(store, user)?;
        if member {
            direct.insert(group);
        } else {
            direct.remove(&group);
        }
        self.direct.insert(user, direct);
        Ok(())
    }

    /// A group goes, with the rows that name it.
    pub(crate) fn remove_group(&mut self, group: i64) {
        self.nesting.remove_group(group);
        self.can_use
            .0
            .retain(|row| row.whom != super::Whom::Group(group));
        self.gone = Some(group);
    }

    fn direct(&self, store: &Store, user: i64) -> Result<BTreeSet<i64>> {
        let mut direct = match self.direct.get(&user) {
            Some(direct) => direct.clone(),
            None => direct_groups(store, user)?.into_iter().collect(),
        };
        if let Some(gone) = self.gone {
            direct.remove(&gone);
        }
        Ok(direct)
    }

    pub(super) fn groups(
        &mut self,
        store: &Store,
        user: i64,
        kind: Type,
    ) -> Result<&BTreeSet<i64>> {
        let direct = self.direct(store, user)?;
        Ok(self.nesting.groups(direct.into_iter().collect(), kind))
    }
}

/// What an effect is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// Who may do it: what would take 2FA from an administrator once it is on is for administrators.
    Right,
    /// Whether it has to be confirmed: where it takes 2FA from them now.
    Confirmation,
}

/// What happens to an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// This user becomes one.
    Made(String),
    /// This one is one no more, or leaves or joins another group.
    Membership(String),
    /// This one's logins no longer ask for a second factor.
    Off(String),
}

impl Effect {
    /// A few words that end the sentence "confirm …".
    pub(crate) fn words(&self) -> String {
        match self {
            Effect::Made(login) => format!("making `{}` an administrator", visible(login)),
            Effect::Membership(login) => {
                format!(
                    "changing the membership of the administrator `{}`",
                    visible(login)
                )
            }
            Effect::Off(login) => {
                format!("turning 2FA off for the administrator `{}`", visible(login))
            }
        }
    }
}

/// The first effect on an administrator there is, of `users`, or of everybody who is or would be one: now, or whenever a
/// row of `CanUse2FA` runs out. `For::Right`: whether it would, were 2FA on and they active.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(crate) fn effect(
    store: &Store,
    before: &mut State,
    after: &mut State,
    users: Option<&[i64]>,
    what: For,
) -> Result<Option<Effect>> {
    let now = store.now();
    let ends = [&before.can_use, &after.can_use];
    let moments: BTreeSet<Time> = ends.iter().flat_map(|list| list.moments(now)).collect();
    let on = Settings::load(store)?.flag(&setting::ENABLE_2FA);
    let administrators = built_in_group(store, built_in::ADMINISTRATORS)?;
    let concerned = match users {
        Some(users) => users.iter().copied().collect(),
        None => everybody_in(store, administrators, &[before, after])?,
    };
    let mut query = store
        .db()
        .prepare_cached("SELECT login, type, active FROM user WHERE id = ?1")?;
    for id in concerned {
        let user: Option<(String, Type, bool)> = query
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((login, kind, active)) = user else {
            continue;
        };
        let state = |state: &mut State| -> Result<(bool, Vec<bool>)> {
            let groups = state.groups(store, id, kind)?.clone();
            let uses = |now: &Time| state.can_use.allow(id, &groups, *now);
            Ok((
                groups.contains(&administrators),
                moments.iter().map(uses).collect(),
            ))
        };
        let ((was, used), (is, uses)) = (state(before)?, state(after)?);
        if was != is {
            let effect = if is { Effect::Made } else { Effect::Membership };
            return Ok(Some(effect(login)));
        }
        let turned_off = used.iter().zip(&uses).any(|(used, uses)| *used && !uses);
        if is && turned_off && (what == For::Right || on && active) {
            return Ok(Some(Effect::Off(login)));
        }
    }
    Ok(None)
}

/// Everybody who is in a group in one of these states.
fn everybody_in(store: &Store, group: i64, states: &[&mut State]) -> Result<BTreeSet<i64>> {
    let mut found = BTreeSet::new();
    for state in states {
        found.extend(users_in(store, &state.nesting, group)?);
        found.extend(state.direct.keys());
    }
    Ok(found)
}
