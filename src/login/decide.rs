//! The one decision: facts in, verdict out. Pure, and without words.
//!
//! `start`, `verify`, `simulate`, `explain`, `coverage`, the confirmation of administrator actions and the lock-out guard
//! all call it, so none of them can disagree with another.

use super::facts::{Person, System};
use super::trail::{Known, Step, Trail, Usability};
use crate::challenge::Standing;
use crate::clock::Time;
use crate::error::Kind;
use crate::idp::Taken;
use crate::method::Method;
use crate::user::{Type, User};

/// How a login comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Channel {
    /// A person, through a page of the application.
    #[default]
    Web,
    /// An integration with a login and a password.
    Forms,
    /// An integration through OAuth.
    Oauth,
}

impl Channel {
    /// The word on the command line.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Channel::Web => "web",
            Channel::Forms => "forms",
            Channel::Oauth => "oauth",
        }
    }
}

/// What a user could use, and whether they must: what the second factor is decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Means {
    /// Type.
    pub(crate) kind: Type,
    /// Whether `CanUse2FA` allows them.
    pub(crate) can_use: bool,
    /// Whether they are an administrator.
    pub(crate) administrator: bool,
    /// Whether they came through a provider that is enabled and takes their type.
    pub(crate) brought: bool,
    /// Whether there is an address for codes by email.
    pub(crate) address: bool,
    /// Whether there is a phone for codes by SMS.
    pub(crate) phone: bool,
    /// Whether an authenticator app is connected.
    pub(crate) authenticator: bool,
    /// Whether a recovery code is left.
    pub(crate) recovery_codes: bool,
}

impl From<&Person> for Means {
    fn from(person: &Person) -> Means {
        Means {
            kind: person.user.kind,
            can_use: person.can_use,
            administrator: person.administrator,
            brought: person.through.is_some(),
            address: person.address().is_some(),
            phone: person.phone().is_some(),
            authenticator: person.authenticator,
            recovery_codes: person.recovery_codes > 0,
        }
    }
}

impl Means {
    /// Whether there is what a method needs of its user.
    pub(crate) fn serves(self, method: Method) -> bool {
        match method {
            Method::Email => self.address,
            Method::Sms => self.phone,
            Method::Totp => self.authenticator,
            Method::RecoveryCodes => self.recovery_codes,
        }
    }
}

/// Whether a method could be used, or what is missing.
fn usability(system: &System, means: Means, method: Method) -> Usability {
    if !system.is_enabled(method) {
        return Usability::Disabled;
    }
    match method {
        Method::Email if !system.mailbox => Usability::NoSender,
        Method::Sms if !system.provider => Usability::NoSender,
        _ if means.serves(method) => Usability::Usable,
        Method::Email | Method::Sms => Usability::NoDestination,
        Method::Totp => Usability::NotConnected,
        Method::RecoveryCodes => Usability::NoCodes,
    }
}

/// The methods this user could use now, in the order in which they are asked: the primary one, then the lookup's order;
/// recovery codes when nothing else is left.
#[must_use]
pub(crate) fn usable(system: &System, means: impl Into<Means>) -> Vec<Method> {
    usable_with(system, means.into(), &mut ())
}

fn usable_with(system: &System, means: Means, trail: &mut impl Trail) -> Vec<Method> {
    let mut methods = Vec::new();
    for row in &system.methods {
        let usability = usability(system, means, row.code);
        trail.leave(Step::Method(row.code, usability));
        if usability == Usability::Usable {
            methods.push(row.code);
        }
    }
    methods.sort_by_key(|method| {
        (
            *method == Method::RecoveryCodes,
            system.primary() != Some(*method),
        )
    });
    methods
}

/// Whether the app is enabled and this user has none connected.
#[must_use]
pub(crate) fn may_connect(system: &System, means: impl Into<Means>) -> bool {
    system.is_enabled(Method::Totp) && !means.into().authenticator
}

/// Whether the granted answer offers to connect the app: it is primary, and this user has none.
#[must_use]
pub(crate) fn offers_connection(system: &System, means: impl Into<Means>) -> bool {
    let means = means.into();
    uses(system, means) && system.primary() == Some(Method::Totp) && !means.authenticator
}

/// Whether a password of this user is of no use: it is an employee's, who is no administrator, and employees use single
/// sign-on.
#[must_use]
pub(crate) fn must_use_sso(system: &System, means: impl Into<Means>) -> bool {
    let means = means.into();
    system.no_internal_passwords && means.kind == Type::Employee && !means.administrator
}

/// How the provider of a user is known, if one that is enabled takes them.
#[must_use]
pub(crate) fn provider(system: &System, means: impl Into<Means>) -> Option<Known> {
    let means = means.into();
    if means.brought {
        return Some(Known::Before);
    }
    system.default_for(means.kind).map(|_| Known::ByDefault)
}

/// The provider through which somebody logs in who gives no password, by its row id; `None`: they have to give one.
#[must_use]
pub(crate) fn goes_through(system: &System, person: &Person) -> Option<i64> {
    let has_none = !person.user.has_password && person.through.is_some();
    if has_none || must_use_sso(system, person) {
        system.provider_of(person)
    } else {
        None
    }
}

/// How an active user gets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// With the password, and then this.
    Password(Next),
    /// Through a provider.
    Provider,
    /// Through a provider only, and none takes them.
    NoProvider,
    /// There is no password, and no provider that they came through.
    Nothing,
}

/// How an active user gets in, who has a password or has none.
#[must_use]
pub(crate) fn way(system: &System, means: impl Into<Means>, has_password: bool) -> Way {
    let means = means.into();
    if must_use_sso(system, means) {
        return match provider(system, means) {
            Some(_) => Way::Provider,
            None => Way::NoProvider,
        };
    }
    if has_password {
        return Way::Password(second_factor(system, means));
    }
    if means.brought {
        Way::Provider
    } else {
        Way::Nothing
    }
}

/// Whether 2FA applies to this user: a password login of theirs asks for a second factor, and so does what stands for one.
#[must_use]
pub(crate) fn uses(system: &System, means: impl Into<Means>) -> bool {
    uses_with(system, means.into(), &mut ())
}

fn uses_with(system: &System, means: Means, trail: &mut impl Trail) -> bool {
    trail.leave(Step::Enabled(system.enabled));
    if !system.enabled {
        return false;
    }
    let may = means.can_use && means.kind != Type::Technical;
    trail.leave(Step::Permission(may));
    may
}

/// Whether this user is kept out by what the lock-out guard counts: a second factor that is asked for and cannot be
/// answered, or single sign-on with nobody to go to.
#[must_use]
pub(crate) fn is_locked_out(system: &System, person: &Person) -> bool {
    let way = way(system, person, person.user.has_password);
    person.user.active && matches!(way, Way::NoProvider | Way::Password(Next::Denied(..)))
}

/// What the first factor came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// The password was right.
    Right,
    /// It was wrong, or there is none.
    Wrong,
    /// It was right, but logins under way had used up the tries before it was compared.
    TooMany,
}

/// What comes after the first factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// In.
    Granted,
    /// Ask for this method.
    Ask(Method),
    /// Connect an app.
    Enrol,
    /// Out. The reason is public; what is behind a wrong first factor goes to the audit log only.
    Denied(Kind, &'static str),
    /// The method asked for is none of those this user could use.
    NotUsable(Method),
}

/// Judges a login after its first factor. Of each rule that is asked, `trail` hears.
#[must_use]
pub(crate) fn after_first(
    system: &System,
    person: &Person,
    first: First,
    channel: Channel,
    asked: Option<Method>,
    now: Time,
    trail: &mut impl Trail,
) -> Next {
    let user = &person.user;
    // One answer for all of these: nobody without the right password learns the state of an account.
    trail.leave(Step::Type(user.kind));
    if user.kind == Type::Technical {
        return Next::Denied(Kind::FirstFactorWrong, "technical_user");
    }
    trail.leave(Step::Active(user.active));
    if !user.active {
        return Next::Denied(Kind::FirstFactorWrong, "inactive");
    }
    trail.leave(Step::Password {
        set: user.has_password,
        came: first,
    });
    let locked = person.is_locked(now);
    match first {
        First::Wrong if user.has_password => {
            return Next::Denied(Kind::FirstFactorWrong, "wrong_password");
        }
        First::Wrong => return Next::Denied(Kind::FirstFactorWrong, "no_password"),
        // A lock explains why the tries are used up; whoever has the right password learns of it.
        First::TooMany if !locked => {
            return Next::Denied(Kind::FirstFactorWrong, "too_many_at_once");
        }
        First::Right | First::TooMany => {}
    }
    trail.leave(Step::Lock {
        until: user.locked_until,
        holds: locked,
    });
    if locked {
        return Next::Denied(Kind::Locked, Kind::Locked.code());
    }
    let open = !system.enabled || channel == Channel::Web;
    trail.leave(Step::Channel { channel, open });
    if !open {
        return Next::Denied(Kind::ChannelRefused, Kind::ChannelRefused.code());
    }
    let must = must_use_sso(system, person);
    if system.no_internal_passwords || person.through.is_some() {
        let known = provider(system, person);
        trail.leave(Step::Sso { must, known });
    }
    if must {
        return Next::Denied(Kind::SsoRequired, Kind::SsoRequired.code());
    }
    trail.leave(Step::MustChange(user.must_change));
    if user.must_change {
        return Next::Denied(Kind::PasswordMustChange, Kind::PasswordMustChange.code());
    }
    let expired = is_expired(system, user, now);
    trail.leave(Step::PasswordAge {
        changed_at: user.password_changed_at,
        max_age: system.max_age,
        expired,
    });
    if expired {
        return Next::Denied(Kind::PasswordExpired, Kind::PasswordExpired.code());
    }
    second_factor_with(system, person.into(), asked, trail)
}

/// Judges what a provider is believed to say: that this user logged in there. `administrators`: whether it may speak for
/// those; `takes`: which users of this type it may. Whatever else a login asks for, the provider has asked.
#[must_use]
pub(crate) fn after_sso(
    person: &Person,
    administrators: bool,
    takes: Taken,
    now: Time,
    trail: &mut impl Trail,
) -> Next {
    let user = &person.user;
    trail.leave(Step::Type(user.kind));
    if user.kind == Type::Technical {
        return Next::Denied(Kind::SsoRefused, "technical_user");
    }
    trail.leave(Step::Idp {
        takes,
        administrator: person.administrator,
        administrators,
    });
    if takes == Taken::None {
        return Next::Denied(Kind::SsoRefused, "sso_type");
    }
    if person.administrator && !administrators {
        return Next::Denied(Kind::SsoRefused, "sso_administrator");
    }
    trail.leave(Step::Active(user.active));
    if !user.active {
        return Next::Denied(Kind::Deactivated, Kind::Deactivated.code());
    }
    let locked = person.is_locked(now);
    trail.leave(Step::Lock {
        until: user.locked_until,
        holds: locked,
    });
    if locked {
        return Next::Denied(Kind::Locked, Kind::Locked.code());
    }
    Next::Granted
}

/// What a user is asked for whose first factor was right and who may log in.
#[must_use]
pub(crate) fn second_factor(system: &System, means: impl Into<Means>) -> Next {
    second_factor_with(system, means.into(), None, &mut ())
}

fn second_factor_with(
    system: &System,
    means: Means,
    wished: Option<Method>,
    trail: &mut impl Trail,
) -> Next {
    if !uses_with(system, means, trail) {
        return Next::Granted;
    }
    let methods = usable_with(system, means, trail);
    let Some(first) = methods.first() else {
        let connects = may_connect(system, means);
        trail.leave(Step::Connect(connects));
        return if connects {
            Next::Enrol
        } else {
            Next::Denied(Kind::NoSecondFactor, Kind::NoSecondFactor.code())
        };
    };
    let next = match wished {
        Some(wished) if !methods.contains(&wished) => Next::NotUsable(wished),
        wished => Next::Ask(wished.unwrap_or(*first)),
    };
    trail.leave(Step::Order {
        wished,
        usable: !matches!(next, Next::NotUsable(_)),
    });
    next
}

/// Whether a password is older than `MaxPasswordAge` allows.
#[must_use]
pub(crate) fn is_expired(system: &System, user: &User, now: Time) -> bool {
    is_older(system, user.password_changed_at, now)
}

/// Whether a password that was set then is.
#[must_use]
pub(crate) fn is_older(system: &System, changed_at: Option<Time>, now: Time) -> bool {
    system.max_age > 0
        && changed_at.is_some_and(|changed| now.since(changed) >= system.max_age * 86_400)
}

/// Judges an answer before anything is compared, in the order of SEMANTICS: closed, inactive or locked, expired.
/// `None`: compare.
#[must_use]
pub(crate) fn before_compare(standing: Standing, user: &User, now: Time) -> Option<Kind> {
    if standing == Standing::Closed {
        Some(Kind::SecondFactorUsed)
    } else if !user.active || user.kind == Type::Technical {
        Some(Kind::Deactivated)
    } else if user.locked_until.is_some_and(|until| now < until) {
        Some(Kind::Locked)
    } else if standing == Standing::Expired {
        Some(Kind::SecondFactorExpired)
    } else {
        None
    }
}

/// What a wrong second factor costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Penalty {
    /// Nothing yet; so many tries are left, if they are counted at all.
    Nothing {
        /// Tries left before the penalty.
        left: Option<i64>,
    },
    /// Locked until then.
    Lock {
        /// The end of the lock.
        until: Time,
    },
    /// Deactivated.
    Deactivate,
}

/// How long the last active administrator is locked where others would be deactivated, in minutes.
pub(crate) const LAST_ADMINISTRATOR_LOCK: i64 = 15;

/// Judges the try that made the count reach `failures`.
#[must_use]
pub(crate) fn penalty(
    failures: i64,
    system: &System,
    last_administrator: bool,
    now: Time,
) -> Penalty {
    if system.attempts == 0 {
        return Penalty::Nothing { left: None };
    }
    if failures < system.attempts {
        return Penalty::Nothing {
            left: Some(system.attempts - failures),
        };
    }
    match system.lockout {
        0 if !last_administrator => Penalty::Deactivate,
        0 => Penalty::Lock {
            until: now.plus(LAST_ADMINISTRATOR_LOCK * 60),
        },
        minutes => Penalty::Lock {
            until: now.plus(minutes * 60),
        },
    }
}

/// Whether `failures` wrong passwords lock: the count must exceed `LoginAttemptCount`, and a lock must have a length.
#[must_use]
pub(crate) fn password_lock(failures: i64, system: &System, now: Time) -> Option<Time> {
    (system.password_attempts > 0 && system.lockout > 0 && failures > system.password_attempts)
        .then(|| now.plus(system.lockout * 60))
}

#[cfg(test)]
mod tests;
