//! What must never happen, whatever else is allowed.
//!
//! Three guards stand behind every change: the store keeps an active administrator, somebody can still change who may,
//! and nobody who must use 2FA, or single sign-on, is newly left without any way to log in, unless the command says that
//! this is meant. They are judged on the state before and after the change, under the write lock, by the decision that judges logins.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::idp;
use crate::login::crowd::{self, Brought};
use crate::login::decide::{self, Next, Way};
use crate::login::facts::System;
use crate::method::Method;
use crate::name::{counted, visible};
use crate::permission::{self, Grantees, active_administrators};
use crate::plan::Reach;
use crate::store::Store;
use crate::user;
use crate::verb::Operation;

/// How many may be locked out, where `--allow-lockout[=N]` says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allowance {
    /// Nobody.
    #[default]
    Nobody,
    /// So many.
    UpTo(u64),
    /// Any number.
    Anybody,
}

/// How many names a refusal tells.
const NAMES: usize = 10;

/// What the guards compare: how things stood before a change, and how they stand after it.
pub(crate) struct Standing {
    /// Whether somebody active can change who may, now and at every end of a row.
    changeable: bool,
    /// When it may be judged otherwise who uses 2FA: now, and the ends of the rows of `CanUse2FA`, in order.
    moments: Vec<Time>,
    /// The users within reach who have no way to log in, with the moments from which on that is so.
    locked_out: BTreeMap<i64, BTreeSet<Time>>,
    /// Those of them whom no identity provider takes, and who have to come through one.
    without_provider: BTreeSet<i64>,
    /// Whether anybody ever came through a provider.
    anybody_came: bool,
    /// Those who log in through a provider, in the order of their ids; nobody where nobody ever did.
    came: Vec<i64>,
    /// Those who have no password, and no provider that they came through. They were never let in, unless they are among
    /// those who came.
    nothing: Vec<i64>,
}

impl Standing {
    /// How things stand.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub(crate) fn of(store: &Store, reach: &Reach) -> Result<Standing> {
        Standing::told(store, reach, idp::anybody_came(store)?)
    }

    /// The same, where it is known whether anybody ever came through a provider: with the last one that goes, so does what
    /// is known of it.
    fn told(store: &Store, reach: &Reach, anybody_came: bool) -> Result<Standing> {
        let changing = Operation::CanChangeAdminOperationGrantee;
        let mut standing = Standing {
            changeable: permission::is_always_had(store, changing)?,
            moments: Vec::new(),
            locked_out: BTreeMap::new(),
            without_provider: BTreeSet::new(),
            anybody_came,
            came: Vec::new(),
            nothing: Vec::new(),
        };
        let system = System::load(store)?;
        let rely = system.no_internal_passwords || anybody_came;
        if !(system.enabled || rely) || *reach == Reach::Nobody {
            return Ok(standing);
        }
        let can_use = Grantees::load(store, Operation::CanUse2FA)?;
        standing.moments = can_use.moments(store.now()).collect();
        let (moments, out) = (&standing.moments, &mut standing.locked_out);
        let without_provider = &mut standing.without_provider;
        let (came, nothing) = (&mut standing.came, &mut standing.nothing);
        let brought = if rely {
            Brought::Matters
        } else {
            Brought::DoesNot
        };
        let what = "Asking who could log in";
        crowd::within(store, reach, brought, what, &mut |passer| {
            let uses = |at: &Time| can_use.allow(passer.id, passer.groups, *at);
            let when: BTreeSet<Time> = moments.iter().copied().filter(uses).collect();
            // Whether it is the 2FA of today or of next week: the methods are those of now.
            let means = passer.means(!when.is_empty());
            match decide::way(&system, means, passer.has_password) {
                Way::Password(Next::Denied(..)) => {
                    out.insert(passer.id, when);
                }
                Way::NoProvider => {
                    out.insert(passer.id, moments.iter().copied().collect());
                    without_provider.insert(passer.id);
                }
                Way::Provider => came.push(passer.id),
                Way::Nothing if rely => nothing.push(passer.id),
                Way::Password(_) | Way::Nothing => {}
            }
            Ok(())
        })?;
        Ok(standing)
    }

    /// Whether a user is locked out at a moment: as at the last one before it at which that may have changed.
    fn is_out(&self, user: i64, at: Time) -> bool {
        let last = self.moments.iter().rev().find(|moment| **moment <= at);
        match (self.locked_out.get(&user), last) {
            (Some(when), Some(last)) => when.contains(last),
            _ => false,
        }
    }

    /// Who is locked out at a moment at which they were not before.
    fn newly_out(&self, before: &Standing) -> Vec<i64> {
        let moments: BTreeSet<Time> = self
            .moments
            .iter()
            .chain(&before.moments)
            .copied()
            .collect();
        let newly = |user: &i64| {
            let is_new = |at: &Time| self.is_out(*user, *at) && !before.is_out(*user, *at);
            moments.iter().any(is_new)
        };
        let mut out: Vec<i64> = self.locked_out.keys().copied().filter(newly).collect();
        out.extend(
            self.nothing
                .iter()
                .filter(|user| before.came.binary_search(user).is_ok()),
        );
        out.sort_unstable();
        out
    }
}

/// Judges the state after a change.
///
/// # Errors
/// [`Kind::Guard`] when no active administrator is left; [`Kind::Lockout`] with the names and the number.
pub(crate) fn check(
    store: &Store,
    reach: &Reach,
    before: &Standing,
    allowance: Allowance,
) -> Result<()> {
    if active_administrators(store, 1)?.is_empty() {
        return Err(Error::new(Kind::Guard, "this would leave the store without an active administrator")
            .hint("make somebody else an administrator first: `twofa user edit LOGIN --group 'System administrators'`"));
    }
    let after = Standing::told(store, reach, before.anybody_came)?;
    if before.changeable && !after.changeable {
        let changing = Operation::CanChangeAdminOperationGrantee.code();
        return Err(Error::new(
            Kind::Guard,
            format!(
                "this would leave nobody active who has `{changing}`, and nobody could give it back"
            ),
        )
        .hint("grant it to somebody else first, without --until"));
    }
    let newly = after.newly_out(before);
    let count = newly.len() as u64;
    let allowed = match allowance {
        Allowance::Nobody => 0,
        Allowance::UpTo(limit) => limit,
        Allowance::Anybody => u64::MAX,
    };
    if count <= allowed {
        return Ok(());
    }
    let mut names = Vec::new();
    for id in newly.iter().take(NAMES) {
        names.push(user::get(store, *id)?.login);
    }
    let shown = names
        .iter()
        .map(|name| format!("`{}`", visible(name)))
        .collect::<Vec<_>>()
        .join(", ");
    let more = newly.len().saturating_sub(NAMES);
    let and = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Err(Error::new(
        Kind::Lockout,
        format!(
            "this would leave {} with no way to log in: {shown}{and}",
            counted(count, "user", "users")
        ),
    )
    .hint(match lacking(store, &after, &newly)? {
        Some(first) => format!("{first} first, or say --allow-lockout={count} if it is meant"),
        None => {
            format!("give them a method first, or say --allow-lockout={count} if it is meant")
        }
    })
    .with("count", count)
    .with("users", names))
}

/// What to do where nobody vouches for some of them, or a method is enabled and nothing sends its codes: then it is that
/// which is missing, and not the users' methods.
fn lacking(store: &Store, after: &Standing, newly: &[i64]) -> Result<Option<&'static str>> {
    let system = System::load(store)?;
    let any = |is: &dyn Fn(i64) -> bool| newly.iter().any(|id| is(*id));
    Ok(if any(&|id| after.without_provider.contains(&id)) {
        Some("no identity provider takes them: `twofa idp default NAME`")
    } else if any(&|id| after.nothing.binary_search(&id).is_ok()) {
        Some("they have no password and come through no other provider: `twofa password set LOGIN`")
    } else if system.is_enabled(Method::Email) && !system.mailbox {
        Some("email is enabled and no mailbox is set: `twofa setting set 2FAmailbox NAME`")
    } else if system.is_enabled(Method::Sms) && !system.provider {
        Some("SMS is enabled and no provider is set: `twofa setting set SmsProvider NAME`")
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::login::facts::Person;
    use crate::login::random::{World, cases, made, shared};
    use crate::store::tests::START;

    proptest! {
        #![proptest_config(cases())]

        /// Everybody at once, these one by one, and each asked alone: they agree on who is locked out now.
        #[test]
        fn whoever_is_locked_out_alone_is_so_among_others(
            shared in shared(), users in prop::collection::vec(made(), 8)
        ) {
            let world = World::new(&shared, &users);
            let (alone, together, each) = world.look("coverage", START, |store| {
                let (system, mut ids, mut alone) = (System::load(store).unwrap(), Vec::new(), Vec::new());
                user::each(store, &mut |user| {
                    ids.push(user.id);
                    let person = Person::load(store, user)?;
                    if decide::is_locked_out(&system, &person) {
                        alone.push(person.user.id);
                    }
                    Ok(())
                })
                .unwrap();
                let out = |reach: &Reach| -> Vec<i64> {
                    let standing = Standing::of(store, reach).unwrap();
                    let out = standing.locked_out.keys().copied();
                    out.filter(|id| standing.is_out(*id, store.now())).collect()
                };
                alone.sort_unstable();
                (alone, out(&Reach::Everyone), out(&Reach::Users(ids)))
            });
            prop_assert_eq!(&alone, &together);
            prop_assert_eq!(alone, each);
        }
    }
}
