//! What must never happen, whatever else is allowed.
//!
//! Three guards stand behind every change: the store keeps an active administrator, somebody can still change who may,
//! and nobody who must use 2FA is newly left without any way to log in, unless the command says that this is meant. They
//! are judged on the state before and
//! after the change, under the write lock, by the decision that judges logins.

use std::collections::BTreeSet;

use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::login::decide;
use crate::login::facts::{Person, System};
use crate::method::Method;
use crate::name::{counted, visible};
use crate::permission::{self, Grantees, Nesting, active_administrators};
use crate::plan::Reach;
use crate::store::Store;
use crate::user::{self, User};
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

/// The users within reach who have no way to log in, now or when a row of `CanUse2FA` runs out.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn locked_out(store: &Store, reach: &Reach) -> Result<BTreeSet<i64>> {
    let system = System::load(store)?;
    let mut out = BTreeSet::new();
    if !system.enabled || *reach == Reach::Nobody {
        return Ok(out);
    }
    let can_use = Grantees::load(store, Operation::CanUse2FA)?;
    let moments: Vec<Time> = can_use.moments(store.now()).collect();
    let mut nesting = Nesting::load(store)?;
    let mut judge = |user: User| {
        let groups = nesting.groups(permission::direct_groups(store, user.id)?, user.kind);
        let ever = moments.iter().any(|at| can_use.allow(user.id, groups, *at));
        let person = Person::with(store, user, ever)?;
        if decide::is_locked_out(&system, &person) {
            out.insert(person.user.id);
        }
        Ok(())
    };
    match reach {
        Reach::Nobody => {}
        Reach::Users(ids) => {
            for id in ids {
                if let Some(user) = user::maybe(store, *id)? {
                    judge(user)?;
                }
            }
        }
        Reach::Everyone => user::each_with_password(store, &mut judge)?,
    }
    Ok(out)
}

/// Judges the state after a change.
///
/// # Errors
/// [`Kind::Guard`] when no active administrator is left; [`Kind::Lockout`] with the names and the number.
pub(crate) fn check(
    store: &Store,
    reach: &Reach,
    before: &BTreeSet<i64>,
    allowance: Allowance,
) -> Result<()> {
    if active_administrators(store, 1)?.is_empty() {
        return Err(Error::new(Kind::Guard, "this would leave the store without an active administrator")
            .hint("make somebody else an administrator first: `twofa user edit LOGIN --group 'System administrators'`"));
    }
    let changing = Operation::CanChangeAdminOperationGrantee;
    if !permission::is_had_by_somebody(store, changing)? {
        return Err(Error::new(
            Kind::Guard,
            format!(
                "this would leave nobody who has `{}`, and nobody could ever give it back",
                changing.code()
            ),
        )
        .hint("grant it to somebody else first, without --until"));
    }
    let newly: Vec<i64> = locked_out(store, reach)?
        .difference(before)
        .copied()
        .collect();
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
    .hint(if lacks_mailbox(store)? {
        format!(
            "email is enabled and no mailbox is set: `twofa setting set 2FAmailbox NAME` first, or say --allow-lockout={count} if it is meant"
        )
    } else {
        format!("give them a method first, or say --allow-lockout={count} if it is meant")
    })
    .with("count", count)
    .with("users", names))
}

/// Whether email is enabled and nothing sends it: then it is the mailbox that is missing, and not the users' methods.
fn lacks_mailbox(store: &Store) -> Result<bool> {
    let system = System::load(store)?;
    Ok(!system.mailbox
        && system
            .methods
            .iter()
            .any(|row| row.enabled && row.code == Method::Email))
}
