//! The one decision: facts in, verdict out. Pure, and without words.
//!
//! `start`, `verify`, `simulate`, the confirmation of administrator actions and the lock-out guard all call it, so none
//! of them can disagree with another.

use super::facts::{Person, System};
use crate::challenge::Standing;
use crate::clock::Time;
use crate::error::Kind;
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

/// The methods this user could use now, in the order in which they are asked: the primary one, then the lookup's order;
/// recovery codes when nothing else is left.
#[must_use]
pub(crate) fn usable(system: &System, person: &Person) -> Vec<Method> {
    let mut methods: Vec<Method> = system
        .methods
        .iter()
        .filter(|row| row.enabled)
        .map(|row| row.code)
        .filter(|method| match method {
            Method::Email => system.mailbox && person.address().is_some(),
            Method::Sms => system.provider && person.phone().is_some(),
            Method::Totp => person.authenticator,
            Method::RecoveryCodes => person.recovery_codes > 0,
        })
        .collect();
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
pub(crate) fn may_connect(system: &System, person: &Person) -> bool {
    system.is_enabled(Method::Totp) && !person.authenticator
}

/// Whether the granted answer offers to connect the app: it is primary, and this user has none.
#[must_use]
pub(crate) fn offers_connection(system: &System, person: &Person) -> bool {
    uses(system, person) && system.primary() == Some(Method::Totp) && !person.authenticator
}

/// Whether a login of this user asks for a second factor.
#[must_use]
pub(crate) fn uses(system: &System, person: &Person) -> bool {
    system.enabled && person.can_use && person.user.kind != Type::Technical
}

/// Whether this user must use 2FA, can log in otherwise, and has no way to: what the lock-out guard counts.
#[must_use]
pub(crate) fn is_locked_out(system: &System, person: &Person) -> bool {
    person.user.active
        && person.user.has_password
        && uses(system, person)
        && usable(system, person).is_empty()
        && !may_connect(system, person)
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

/// Judges a login after its first factor.
#[must_use]
pub(crate) fn after_first(
    system: &System,
    person: &Person,
    first: First,
    channel: Channel,
    asked: Option<Method>,
    now: Time,
) -> Next {
    let user = &person.user;
    // One answer for all of these: nobody without the right password learns the state of an account.
    if user.kind == Type::Technical {
        return Next::Denied(Kind::FirstFactorWrong, "technical_user");
    }
    if !user.active {
        return Next::Denied(Kind::FirstFactorWrong, "inactive");
    }
    match first {
        First::Wrong if user.has_password => {
            return Next::Denied(Kind::FirstFactorWrong, "wrong_password");
        }
        First::Wrong => return Next::Denied(Kind::FirstFactorWrong, "no_password"),
        // A lock explains why the tries are used up; whoever has the right password learns of it.
        First::TooMany if !person.is_locked(now) => {
            return Next::Denied(Kind::FirstFactorWrong, "too_many_at_once");
        }
        First::Right | First::TooMany => {}
    }
    if person.is_locked(now) {
        return Next::Denied(Kind::Locked, Kind::Locked.code());
    }
    if system.enabled && channel != Channel::Web {
        return Next::Denied(Kind::ChannelRefused, Kind::ChannelRefused.code());
    }
    if user.must_change {
        return Next::Denied(Kind::PasswordMustChange, Kind::PasswordMustChange.code());
    }
    if is_expired(system, user, now) {
        return Next::Denied(Kind::PasswordExpired, Kind::PasswordExpired.code());
    }
    if !uses(system, person) {
        return Next::Granted;
    }
    let methods = usable(system, person);
    match (asked, methods.first()) {
        (Some(asked), Some(_)) if !methods.contains(&asked) => Next::NotUsable(asked),
        (Some(asked), Some(_)) => Next::Ask(asked),
        (None, Some(first)) => Next::Ask(*first),
        (_, None) if may_connect(system, person) => Next::Enrol,
        (_, None) => Next::Denied(Kind::NoSecondFactor, Kind::NoSecondFactor.code()),
    }
}

/// Whether a password is older than `MaxPasswordAge` allows.
#[must_use]
pub(crate) fn is_expired(system: &System, user: &User, now: Time) -> bool {
    system.max_age > 0
        && user
            .password_changed_at
            .is_some_and(|changed| now.since(changed) >= system.max_age * 86_400)
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::method::MethodRow;

    const NOW: Time = Time(1_000_000_000);

    pub(super) fn system(enabled: [bool; 4], primary: Option<Method>) -> System {
        let methods = Method::ALL
            .into_iter()
            .zip(enabled)
            .map(|(code, enabled)| MethodRow {
                code,
                name: code.name(),
                enabled,
                primary: enabled && primary == Some(code),
            })
            .collect();
        System {
            enabled: true,
            methods,
            mailbox: true,
            provider: true,
            attempts: 5,
            lockout: 15,
            password_attempts: 0,
            max_age: 0,
            warn_after: 0,
            remind_days: 0,
            show_lockout: false,
            show_wrong_password: false,
            code_ttl: 60,
            drift: 1,
            resend_interval: 30,
            send_limit: 30,
        }
    }

    pub(super) fn person() -> Person {
        let user = User {
            id: 2,
            login: "alice".into(),
            name: None,
            email: Some("alice@example.com".into()),
            phone: Some("+493012345".into()),
            kind: Type::Employee,
            language: "en".into(),
            active: true,
            locked_until: None,
            second_factor_failures: 0,
            password_failures: 0,
            has_password: true,
            password_changed_at: Some(NOW),
            must_change: false,
            os_user: None,
            last_login_at: None,
        };
        Person {
            user,
            authenticator: true,
            recovery_codes: 10,
            can_use: true,
        }
    }

    #[test]
    fn the_primary_is_asked_first_and_recovery_codes_last() {
        let all = [true; 4];
        assert_eq!(usable(&system(all, None), &person()), Method::ALL);
        assert_eq!(
            usable(&system(all, Some(Method::Totp)), &person()),
            [
                Method::Totp,
                Method::Email,
                Method::Sms,
                Method::RecoveryCodes
            ]
        );
        let bare = Person {
            authenticator: false,
            ..person()
        };
        assert_eq!(
            usable(&system(all, Some(Method::Totp)), &bare),
            [Method::Email, Method::Sms, Method::RecoveryCodes]
        );
        assert!(offers_connection(&system(all, Some(Method::Totp)), &bare));
        assert!(!offers_connection(&system(all, Some(Method::Email)), &bare));
    }

    #[test]
    fn a_login_that_is_an_address_stands_in_for_the_email() {
        let mut alice = person();
        alice.user.email = None;
        assert_eq!(alice.address(), None);
        alice.user.login = "alice@example.org".into();
        assert_eq!(alice.address(), Some("alice@example.org"));
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one list of rules")]
    fn each_rule_decides_in_its_order() {
        let on = system([true; 4], None);
        let judge = |person: &Person, first, channel, asked| {
            after_first(&on, person, first, channel, asked, NOW)
        };
        let with = |change: &dyn Fn(&mut Person)| {
            let mut person = person();
            change(&mut person);
            person
        };
        let locked = with(&|person| person.user.locked_until = Some(NOW.plus(1)));
        let denied = |next: Next| match next {
            Next::Denied(kind, why) => (kind, why),
            other => panic!("{other:?}"),
        };
        use Channel::{Forms, Web};
        use First::{Right, Wrong};
        assert_eq!(
            denied(judge(&locked, Wrong, Web, None)),
            (Kind::FirstFactorWrong, "wrong_password")
        );
        assert_eq!(denied(judge(&locked, Right, Web, None)).0, Kind::Locked);
        let inactive = with(&|person| person.user.active = false);
        assert_eq!(
            denied(judge(&inactive, Right, Web, None)),
            (Kind::FirstFactorWrong, "inactive")
        );
        let technical = with(&|person| person.user.kind = Type::Technical);
        assert_eq!(
            denied(judge(&technical, Right, Web, None)),
            (Kind::FirstFactorWrong, "technical_user")
        );
        assert_eq!(
            denied(judge(&person(), Right, Forms, None)).0,
            Kind::ChannelRefused
        );
        let must = with(&|person| person.user.must_change = true);
        assert_eq!(
            denied(judge(&must, Right, Web, None)).0,
            Kind::PasswordMustChange
        );
        assert_eq!(judge(&person(), Right, Web, None), Next::Ask(Method::Email));
        assert_eq!(
            judge(&person(), Right, Web, Some(Method::RecoveryCodes)),
            Next::Ask(Method::RecoveryCodes)
        );
        let phoneless = with(&|person| person.user.phone = None);
        assert_eq!(
            judge(&phoneless, Right, Web, Some(Method::Sms)),
            Next::NotUsable(Method::Sms)
        );
        let free = with(&|person| person.can_use = false);
        assert_eq!(judge(&free, Right, Web, None), Next::Granted);
        let mut aged = on.clone();
        aged.max_age = 1;
        assert_eq!(
            after_first(&aged, &person(), Right, Web, None, NOW.plus(86_399)),
            Next::Ask(Method::Email)
        );
        assert_eq!(
            denied(after_first(
                &aged,
                &person(),
                Right,
                Web,
                None,
                NOW.plus(86_400)
            ))
            .0,
            Kind::PasswordExpired
        );
        let mut off = on.clone();
        off.enabled = false;
        assert_eq!(
            after_first(&off, &person(), Right, Forms, None, NOW),
            Next::Granted
        );
    }

    #[test]
    fn nobody_is_locked_out_who_may_connect_an_app() {
        let bare = Person {
            authenticator: false,
            recovery_codes: 0,
            ..person()
        };
        assert!(!is_locked_out(
            &system([false, false, true, false], None),
            &bare
        ));
        let email_only = system([true, false, false, false], None);
        assert!(!is_locked_out(&email_only, &bare));
        let unreachable = System {
            mailbox: false,
            ..email_only
        };
        assert!(is_locked_out(&unreachable, &bare));
        let mut without_password = bare.clone();
        without_password.user.has_password = false;
        assert!(!is_locked_out(&unreachable, &without_password));
    }

    #[test]
    fn the_last_administrator_is_never_deactivated() {
        let mut system = system([true; 4], None);
        assert_eq!(
            penalty(4, &system, false, NOW),
            Penalty::Nothing { left: Some(1) }
        );
        assert_eq!(
            penalty(5, &system, false, NOW),
            Penalty::Lock {
                until: NOW.plus(900)
            }
        );
        system.lockout = 0;
        assert_eq!(penalty(5, &system, false, NOW), Penalty::Deactivate);
        assert_eq!(
            penalty(5, &system, true, NOW),
            Penalty::Lock {
                until: NOW.plus(900)
            }
        );
        system.attempts = 0;
        assert_eq!(
            penalty(1_000, &system, false, NOW),
            Penalty::Nothing { left: None }
        );
    }

    proptest! {
        /// Whatever the lookup and the user are like: what is asked is usable, and locked out means no way at all.
        #[test]
        fn what_is_asked_is_usable(
            enabled in prop::array::uniform4(any::<bool>()), primary in prop::option::of(0usize..3),
            mailbox in any::<bool>(), provider in any::<bool>(), authenticator in any::<bool>(),
            codes in 0i64..3, email in any::<bool>(), phone in any::<bool>(), can_use in any::<bool>(),
        ) {
            let mut system = system(enabled, primary.map(|index| Method::ALL[index]));
            (system.mailbox, system.provider) = (mailbox, provider);
            let mut person = Person { authenticator, recovery_codes: codes, can_use, ..person() };
            if !email { person.user.email = None; }
            if !phone { person.user.phone = None; }
            let methods = usable(&system, &person);
            for method in &methods {
                prop_assert!(system.is_enabled(*method));
            }
            if let Some(at) = methods.iter().position(|method| *method == Method::RecoveryCodes) {
                prop_assert_eq!(at + 1, methods.len());
            }
            let next = after_first(&system, &person, First::Right, Channel::Web, None, NOW);
            match next {
                Next::Granted => prop_assert!(!can_use),
                Next::Ask(method) => prop_assert_eq!(Some(&method), methods.first()),
                Next::Enrol => prop_assert!(methods.is_empty() && enabled[2] && !authenticator),
                Next::Denied(kind, _) => {
                    prop_assert_eq!(kind, Kind::NoSecondFactor);
                    prop_assert!(is_locked_out(&system, &person));
                }
                Next::NotUsable(_) => prop_assert!(false),
            }
        }
    }
}
