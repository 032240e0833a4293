//! Who would be asked for what, and who would stand before a closed door: before 2FA is turned on, and after.
//!
//! Everybody who logs in with a password is judged by the decision that judges logins, as if `Enable2FA` were on: that is
//! what an admin wants to know before they turn it on. Whoever comes through an identity provider is asked there, and is
//! counted apart. It reads the store once, in one pass, and holds numbers and the
//! first few names, never everybody.

mod share;
#[cfg(test)]
mod tests;
mod tops;

use std::collections::HashMap;

use serde::Serialize;

pub use self::share::Share;
use self::tops::Tops;
use crate::clock::Time;
use crate::error::Result;
use crate::group;
use crate::login::crowd::{self, Brought, Passer};
use crate::login::decide::{self, Means, Next, Way};
use crate::login::facts::System;
use crate::method::Method;
use crate::permission::Grantees;
use crate::store::Store;
use crate::verb::Operation;

/// How many names a row tells, unless all are asked for.
pub const NAMES: usize = 10;

/// Of whom, and how many names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'a> {
    /// Only who is in this group, through any nesting.
    pub group: Option<&'a str>,
    /// Every name, and not the first [`NAMES`]. They are held in memory.
    pub all: bool,
}

/// The answer. Its keys are never left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    /// `Enable2FA`. Where it is off, the rest is as it would be if it were on.
    pub enabled: bool,
    /// The moment it is about.
    pub at: Time,
    /// The group it is about; `null`: everybody.
    pub group: Option<String>,
    /// The primary method.
    pub primary: Option<Method>,
    /// How many.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// What they come to, and who they are.
    pub rows: Vec<CoverageRow>,
}

/// How many are asked, and how many of them have something to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Numbers {
    /// Active employees and external users who have a password.
    pub users: u64,
    /// Those of them whom `CanUse2FA` allows: they are asked for a second factor.
    pub asked: u64,
    /// Those of them who have a usable method.
    pub covered: u64,
    /// `covered` of `asked` in percent, rounded down to a tenth; 100 where nobody is asked.
    pub percent: f64,
    /// Those who have none, and connect an app at their next login.
    pub connects_app: u64,
    /// Those who have none, and cannot log in.
    pub no_method: u64,
    /// Active users who log in through an identity provider, with a password or without: they are asked there.
    pub sso: u64,
    /// Those who would have to, and whom none takes: they cannot log in.
    pub no_identity_provider: u64,
}

/// Some of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CoverageRow {
    /// The word scripts match on. Of those who are asked, each stands in one of `email`, `sms`, `totp`, `recovery-codes`,
    /// `connects_app` and `no_method`, and some in `falls_back` and `no_recovery_codes` as well; those who are not stand in
    /// `password_only`, or, where they come through an identity provider, in `sso`, and in `no_identity_provider` where they have to
    /// and none takes them. `held_up` are those whom a lock or a new password that is due keeps out before any of that; who
    /// has neither password nor provider stands in `no_password`.
    pub row: &'static str,
    /// The same for people.
    pub name: &'static str,
    /// How many.
    pub count: u64,
    /// Of those who are asked, in percent, rounded down to a tenth; `null` for those who are not.
    pub percent: Option<f64>,
    /// How many of them are administrators.
    pub administrators: u64,
    /// Their logins, administrators first, each in the order of names; `null` where a method is all there is to say.
    pub users: Option<Vec<String>>,
    /// How many of them are not named, where all names were not asked for.
    pub left_out: u64,
}

/// What somebody comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Class {
    Asked(Method),
    ConnectsApp,
    NoMethod,
    FallsBack,
    NoRecoveryCodes,
    PasswordOnly,
    Sso,
    NoProvider,
    HeldUp,
    NoPassword,
}

impl Class {
    const ALL: [Class; 13] = [
        Class::Asked(Method::Email),
        Class::Asked(Method::Sms),
        Class::Asked(Method::Totp),
        Class::Asked(Method::RecoveryCodes),
        Class::ConnectsApp,
        Class::NoMethod,
        Class::FallsBack,
        Class::NoRecoveryCodes,
        Class::PasswordOnly,
        Class::Sso,
        Class::NoProvider,
        Class::HeldUp,
        Class::NoPassword,
    ];

    fn code(self) -> &'static str {
        match self {
            Class::Asked(method) => method.code(),
            Class::ConnectsApp => "connects_app",
            Class::NoMethod => "no_method",
            Class::FallsBack => "falls_back",
            Class::NoRecoveryCodes => "no_recovery_codes",
            Class::PasswordOnly => "password_only",
            Class::Sso => "sso",
            Class::NoProvider => "no_identity_provider",
            Class::HeldUp => "held_up",
            Class::NoPassword => "no_password",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Class::Asked(method) => method.name(),
            Class::ConnectsApp => "Connect an app first",
            Class::NoMethod => "No usable method",
            Class::FallsBack => "Fall back from the primary method",
            Class::NoRecoveryCodes => "No recovery codes",
            Class::PasswordOnly => "Not asked, the password is enough",
            Class::Sso => "Through an identity provider",
            Class::NoProvider => "No identity provider takes them",
            Class::HeldUp => "Locked, or a new password is due",
            Class::NoPassword => "No password, no login",
        }
    }

    /// Whether it is a part of those who are asked.
    fn is_asked(self) -> bool {
        !matches!(
            self,
            Class::PasswordOnly
                | Class::Sso
                | Class::NoProvider
                | Class::HeldUp
                | Class::NoPassword
        )
    }
}

/// What whoever watches is told.
pub(crate) const WHAT: &str = "Asking who uses what";

/// Looks at everybody, at the moment of the store's clock.
///
/// # Errors
/// [`crate::error::Kind::NotFound`] for a group that is not there.
pub fn coverage(store: &Store, scope: Scope<'_>) -> Result<Coverage> {
    let _moment = store.db().moment()?;
    let mut survey = Survey::begin(store, scope.all)?;
    let group = scope
        .group
        .map(|name| group::find(store, name))
        .transpose()?;
    crowd::each(store, Brought::Matters, WHAT, &mut |passer| {
        if group
            .as_ref()
            .is_none_or(|group| passer.groups.contains(&group.id))
        {
            survey.count(passer);
        }
        Ok(())
    })?;
    Ok(survey.into_coverage(group.map(|group| group.name)))
}

/// Those counted so far, and what they are judged by.
pub(crate) struct Survey {
    /// As it would be with `Enable2FA` on.
    system: System,
    enabled: bool,
    can_use: Grantees,
    now: Time,
    /// People differ in few ways: each is judged once, with a password and without.
    judged: HashMap<(Means, bool), Judged>,
    /// One for each class.
    tops: [Tops; Class::ALL.len()],
    users: u64,
}

impl Survey {
    /// Nobody was counted yet. `all`: every name is kept.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn begin(store: &Store, all: bool) -> Result<Survey> {
        let known = System::load(store)?;
        Ok(Survey {
            enabled: known.enabled,
            system: System {
                enabled: true,
                ..known
            },
            can_use: Grantees::load(store, Operation::CanUse2FA)?,
            now: store.now(),
            judged: HashMap::new(),
            tops: Class::ALL.map(|_| Tops::new((!all).then_some(NAMES))),
            users: 0,
        })
    }

    /// Counts somebody in.
    pub(crate) fn count(&mut self, passer: &Passer<'_>) {
        self.users += u64::from(passer.has_password);
        let can_use = self.can_use.allow(passer.id, passer.groups, self.now);
        let (means, system) = (passer.means(can_use), &self.system);
        let judged = self
            .judged
            .entry((means, passer.has_password))
            .or_insert_with(|| Judged::of(system, means, passer.has_password));
        let is_held_up = match judged.way {
            Way::Password(_) => passer.is_held_up(system, self.now),
            // A password that is due is nothing to whoever does not use it.
            Way::Provider => passer.is_locked(self.now),
            Way::NoProvider | Way::Nothing => false,
        };
        for (class, top) in Class::ALL.iter().zip(&mut self.tops) {
            if judged.classes.contains(class) || is_held_up && *class == Class::HeldUp {
                top.count(passer.login, passer.administrator);
            }
        }
    }

    /// What it comes to. `group` is the one that everybody counted is in.
    pub(crate) fn into_coverage(self, group: Option<String>) -> Coverage {
        let tops: Vec<(Class, Tops)> = Class::ALL.into_iter().zip(self.tops).collect();
        let sum = |of: fn(Class) -> bool| {
            let counted = tops.iter().filter(|(class, _)| of(*class));
            counted.map(|(_, top)| top.count).sum::<u64>()
        };
        let covered = sum(|class| matches!(class, Class::Asked(_)));
        let connects_app = sum(|class| class == Class::ConnectsApp);
        let no_method = sum(|class| class == Class::NoMethod);
        let asked = covered + connects_app + no_method;
        Coverage {
            enabled: self.enabled,
            at: self.now,
            group,
            primary: self.system.primary(),
            numbers: Numbers {
                users: self.users,
                asked,
                covered,
                percent: share::percent(covered, asked),
                connects_app,
                no_method,
                sso: sum(|class| class == Class::Sso),
                no_identity_provider: sum(|class| class == Class::NoProvider),
            },
            rows: tops
                .into_iter()
                .map(|(class, top)| row(class, top, asked))
                .collect(),
        }
    }
}

fn row(class: Class, top: Tops, asked: u64) -> CoverageRow {
    let (count, administrators) = (top.count, top.administrators);
    let users = (!matches!(class, Class::Asked(_))).then(|| top.into_names());
    let named = users.as_ref().map_or(count, |users| users.len() as u64);
    CoverageRow {
        row: class.code(),
        name: class.name(),
        count,
        percent: class.is_asked().then(|| share::percent(count, asked)),
        administrators,
        users,
        left_out: count - named,
    }
}

/// What somebody comes to.
struct Judged {
    way: Way,
    classes: Vec<Class>,
}

impl Judged {
    fn of(system: &System, means: Means, has_password: bool) -> Judged {
        let way = decide::way(system, means, has_password);
        let classes = classes(system, means, &way);
        Judged { way, classes }
    }
}

/// One way of being asked, or none, and what is worth knowing beside it.
fn classes(system: &System, means: Means, way: &Way) -> Vec<Class> {
    let asked = match way {
        Way::Password(Next::Granted) => return vec![Class::PasswordOnly],
        Way::Password(Next::Ask(method) | Next::NotUsable(method)) => Class::Asked(*method),
        Way::Password(Next::Enrol) => Class::ConnectsApp,
        Way::Password(Next::Denied(..)) => Class::NoMethod,
        Way::Provider => return vec![Class::Sso],
        Way::NoProvider => return vec![Class::NoProvider],
        Way::Nothing => return vec![Class::NoPassword],
    };
    let mut classes = vec![asked];
    let primary = system.primary();
    if matches!(asked, Class::Asked(method) if primary.is_some_and(|primary| primary != method)) {
        classes.push(Class::FallsBack);
    }
    if !means.recovery_codes {
        classes.push(Class::NoRecoveryCodes);
    }
    classes
}

impl Coverage {
    /// Whether fewer than this share of those who are asked have a usable method.
    #[must_use]
    pub fn is_under(&self, share: Share) -> bool {
        share.is_more_than(self.numbers.covered, self.numbers.asked)
    }
}
