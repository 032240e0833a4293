//! What people would notice: how their next login differs, judged by the decision that judges logins.

use std::collections::HashMap;

use serde::Serialize;

use crate::error::Result;
use crate::login::crowd::{self, Brought, Passer};
use crate::login::decide::{self, Next, Way};
use crate::login::facts::System;
use crate::method::Method;
use crate::name::{counted, visible};
use crate::permission::{self, Grantees};
use crate::plan::{Reach, Warning};
use crate::store::Store;
use crate::user::{self, User};
use crate::verb::Operation;

/// How many users an impact names; a number tells of the others.
const NAMES: usize = 10;

/// Users whose next login would differ in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// The word scripts match on: `locked_out`, `connects_app`, `asked`, `other_method`, `not_asked`, `sso`,
    /// `let_in`, `barred`.
    pub kind: &'static str,
    /// The sentence.
    pub message: String,
    /// How many users.
    pub count: u64,
    /// The logins of the first ten of them.
    pub users: Vec<String>,
}

/// What a login asks for behind its first factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Asked {
    /// Nothing: the password is enough.
    Nothing,
    /// A code of this method.
    Code(Method),
    /// To connect an authenticator app first.
    App,
    /// What this user does not have.
    Impossible,
    /// To come through an identity provider.
    Provider,
    /// The same, and none takes this user.
    NoProvider,
    /// Nothing: they do not log in, for they are not active, technical or not there.
    Barred,
}

/// What a way to log in asks for. `None`: it is none.
fn asked(way: &Way) -> Option<Asked> {
    Some(match way {
        Way::Password(Next::Granted) => Asked::Nothing,
        Way::Password(Next::Ask(method) | Next::NotUsable(method)) => Asked::Code(*method),
        Way::Password(Next::Enrol) => Asked::App,
        Way::Password(Next::Denied(..)) => Asked::Impossible,
        Way::Provider => Asked::Provider,
        Way::NoProvider => Asked::NoProvider,
        Way::Nothing => return None,
    })
}

/// What everybody within reach who can log in is asked for, by id.
fn all(store: &Store, reach: &Reach, each: &mut dyn FnMut(&Passer<'_>, Asked)) -> Result<()> {
    let system = System::load(store)?;
    let can_use = Grantees::load(store, Operation::CanUse2FA)?;
    let now = store.now();
    let what = "Asking who could log in";
    crowd::within(store, reach, Brought::Matters, what, &mut |passer| {
        let uses = can_use.allow(passer.id, passer.groups, now);
        let way = decide::way(&system, passer.means(uses), passer.has_password);
        if let Some(asked) = asked(&way) {
            each(passer, asked);
        }
        Ok(())
    })
}

/// What differs between the logins of one state and another, the worst first.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(super) fn impact(before: &Store, after: &Store, reach: &Reach) -> Result<Vec<Impact>> {
    let mut had: HashMap<i64, Asked> = HashMap::new();
    all(before, reach, &mut |user, asked| {
        had.insert(user.id, asked);
    })?;
    let mut moved: HashMap<(Asked, Asked), (u64, Vec<String>)> = HashMap::new();
    all(after, reach, &mut |user, now| {
        let was = had.remove(&user.id).unwrap_or(Asked::Barred);
        if was == now {
            return;
        }
        let (count, names) = moved.entry((was, now)).or_default();
        *count += 1;
        if names.len() < NAMES {
            names.push(user.login.to_owned());
        }
    })?;
    // Who is left logs in no more; whoever could not before notices nothing.
    let mut left: Vec<(i64, Asked)> = had.into_iter().collect();
    left.retain(|(_, was)| !matches!(was, Asked::Impossible | Asked::NoProvider));
    left.sort_unstable_by_key(|(id, _)| *id);
    for (id, _) in left {
        let (count, names) = moved.entry((Asked::Nothing, Asked::Barred)).or_default();
        *count += 1;
        if names.len() < NAMES {
            names.push(user::get(before, id)?.login);
        }
    }
    let mut moved: Vec<_> = moved.into_iter().collect();
    moved.sort_by_key(|((was, now), _)| (rank(*was, *now), *was, *now));
    Ok(moved
        .into_iter()
        .map(|((was, now), (count, mut users))| {
            users.sort_unstable();
            let (kind, sentence) = words(was, now, count);
            let shown: Vec<String> = users
                .iter()
                .map(|login| format!("`{}`", visible(login)))
                .collect();
            let more = match count.saturating_sub(users.len() as u64) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Impact {
                kind,
                message: format!("{sentence}: {}{more}", shown.join(", ")),
                count,
                users,
            }
        })
        .collect())
}

/// What the acting user will not be able to do any more. A right that only 2FA needs is none of those.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(super) fn rights_lost(before: &Store, after: &Store, acting: &User) -> Result<Option<Warning>> {
    let still = user::maybe(after, acting.id)?.filter(|user| user.active);
    let mut lost = Vec::new();
    for operation in Operation::ALL {
        let had = permission::allowed(before, *operation, acting.id, acting.kind)?;
        let has = match &still {
            Some(user) => permission::allowed(after, *operation, user.id, user.kind)?,
            None => false,
        };
        if had && !has && *operation != Operation::CanUse2FA {
            lost.push(operation.code());
        }
    }
    Ok((!lost.is_empty()).then(|| Warning {
        kind: "own_rights",
        message: format!(
            "`{}`, who runs this, loses {}.",
            visible(&acting.login),
            lost.join(", ")
        ),
        hint: Some("the next run needs another user, with --as".to_owned()),
    }))
}

fn rank(was: Asked, now: Asked) -> u8 {
    match (was, now) {
        (_, Asked::Impossible | Asked::NoProvider) => 0,
        (Asked::Barred, _) => 6,
        (_, Asked::Barred) => 5,
        (_, Asked::App) => 1,
        (_, Asked::Nothing) => 4,
        (Asked::Nothing | Asked::Provider, _) | (Asked::Code(_) | Asked::App, Asked::Provider) => 2,
        (Asked::Code(_), Asked::Code(_)) => 3,
        _ => 6,
    }
}

/// The kind, and the sentence that the names follow.
fn words(was: Asked, now: Asked, count: u64) -> (&'static str, String) {
    let who = counted(count, "user", "users");
    let s = if count == 1 { "s" } else { "" };
    match (was, now) {
        (_, Asked::Barred) => (
            "barred",
            format!("{who} who can log in now will not be able to any more"),
        ),
        (Asked::Code(method), Asked::Impossible) => (
            "locked_out",
            format!(
                "{who} lose{s} the only method, {}, and cannot log in",
                method.name()
            ),
        ),
        (_, Asked::Impossible) => (
            "locked_out",
            format!("{who} will have no usable method and cannot log in"),
        ),
        (_, Asked::NoProvider) => (
            "locked_out",
            format!("{who} will have to use single sign-on, and no identity provider takes them"),
        ),
        (_, Asked::App) => (
            "connects_app",
            format!("{who} will have to connect an authenticator app at the next login"),
        ),
        (Asked::Nothing | Asked::Provider, Asked::Code(method)) => (
            "asked",
            format!(
                "{who} will be asked for a second factor, {}, from now on",
                method.name()
            ),
        ),
        (Asked::Code(old), Asked::Code(new)) => (
            "other_method",
            format!(
                "{who} will be asked for {} instead of {}",
                new.name(),
                old.name()
            ),
        ),
        (Asked::Impossible | Asked::NoProvider | Asked::Barred, _) => (
            "let_in",
            format!("{who} who cannot log in now will be able to"),
        ),
        (_, Asked::Provider) => (
            "sso",
            format!("{who} will log in through an identity provider"),
        ),
        (_, Asked::Nothing) => (
            "not_asked",
            format!("{who} will log in with the password alone"),
        ),
        (Asked::App, Asked::Code(method)) => (
            "other_method",
            format!(
                "{who} will be asked for {} instead of connecting an app",
                method.name()
            ),
        ),
    }
}
