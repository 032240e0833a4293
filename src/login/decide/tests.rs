//! Tests of the decision.

use proptest::prelude::*;

use super::*;
use crate::idp::{Idp, Vendor};
use crate::login::facts::Through;
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
        no_internal_passwords: false,
        default_sso: None,
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
        administrator: false,
        through: None,
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
        after_first(&on, person, first, channel, asked, NOW, &mut ())
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
        after_first(
            &aged,
            &person(),
            Right,
            Web,
            None,
            NOW.plus(86_399),
            &mut ()
        ),
        Next::Ask(Method::Email)
    );
    assert_eq!(
        denied(after_first(
            &aged,
            &person(),
            Right,
            Web,
            None,
            NOW.plus(86_400),
            &mut ()
        ))
        .0,
        Kind::PasswordExpired
    );
    let mut off = on.clone();
    off.enabled = false;
    assert_eq!(
        after_first(&off, &person(), Right, Forms, None, NOW, &mut ()),
        Next::Granted
    );
}

/// A provider that is enabled and takes employees.
fn vouching() -> Idp {
    Idp {
        id: 7,
        name: "corp".into(),
        vendor: Vendor::Custom,
        enabled: true,
        entity_id: "https://idp.example".into(),
        sso_url: "https://idp.example/sso".into(),
        slo_url: None,
        own_entity_id: None,
        acs_url: Some("https://app.example/acs".into()),
        name_id_format: None,
        login_attribute: None,
        may_begin: false,
        sign_requests: false,
        sha1: false,
        require_mfa: false,
        mfa_contexts: Vec::new(),
        mfa_attribute: None,
        employees: Taken::Existing,
        externals: Taken::None,
        external_when: None,
        administrators: false,
        update_users: false,
        attribute_map: Vec::new(),
        groups_attribute: None,
        own: None,
        created_at: NOW,
    }
}

/// Only employees, only where that is set, never administrators; behind the lock and the channel, before everything that is
/// said of passwords.
#[test]
fn employees_have_to_use_single_sign_on() {
    use Channel::{Forms, Web};
    use First::{Right, TooMany, Wrong};
    let on = System {
        no_internal_passwords: true,
        ..system([true; 4], None)
    };
    let with = |change: &dyn Fn(&mut Person)| {
        let mut person = person();
        person.user.must_change = true;
        change(&mut person);
        person
    };
    let judge = |system: &System, person: &Person, first, channel| {
        let mut trail = Vec::new();
        let next = after_first(system, person, first, channel, None, NOW, &mut trail);
        let asked = trail.iter().find_map(|step| match step {
            Step::Sso { must, known } => Some((*must, *known)),
            _ => None,
        });
        let kind = match next {
            Next::Denied(kind, _) => Some(kind),
            _ => None,
        };
        (kind, asked)
    };
    let alice = with(&|_| ());
    assert_eq!(
        judge(&on, &alice, Right, Web),
        (Some(Kind::SsoRequired), Some((true, None)))
    );
    // Whoever has no right password learns nothing of it; a lock and a closed channel come first.
    assert_eq!(
        judge(&on, &alice, Wrong, Web),
        (Some(Kind::FirstFactorWrong), None)
    );
    assert_eq!(
        judge(&on, &alice, TooMany, Web),
        (Some(Kind::FirstFactorWrong), None)
    );
    let locked = with(&|person| person.user.locked_until = Some(NOW.plus(1)));
    assert_eq!(judge(&on, &locked, Right, Web), (Some(Kind::Locked), None));
    assert_eq!(
        judge(&on, &alice, Right, Forms),
        (Some(Kind::ChannelRefused), None)
    );
    let (must_change, free) = (Some(Kind::PasswordMustChange), Some((false, None)));
    let admin = with(&|person| person.administrator = true);
    assert_eq!(judge(&on, &admin, Right, Web), (must_change, free));
    let external = with(&|person| person.user.kind = Type::External);
    assert_eq!(judge(&on, &external, Right, Web), (must_change, free));
    // With the setting off it is no rule, save for those who came through a provider: they are told.
    let off = system([true; 4], None);
    assert_eq!(judge(&off, &alice, Right, Web), (must_change, None));
    let brought = with(&|person| {
        person.through = Some(Through {
            id: 7,
            name: "corp".into(),
        });
    });
    assert_eq!(
        judge(&off, &brought, Right, Web),
        (must_change, Some((false, Some(Known::Before))))
    );
}

/// The provider they came through, else the default one; who has neither is kept out, with a password or without.
#[test]
fn each_user_has_one_way_in() {
    let with = |provider: Option<&dyn Fn(&mut Idp)>| {
        let mut idp = vouching();
        let default_sso = provider.map(|change| {
            change(&mut idp);
            idp
        });
        System {
            no_internal_passwords: true,
            default_sso,
            ..system([false; 4], None)
        }
    };
    let corp = with(Some(&|_| ()));
    let lacking = [
        with(None),
        with(Some(&|idp| idp.enabled = false)),
        with(Some(&|idp| idp.employees = Taken::None)),
    ];
    let mut alice = person();
    for has_password in [true, false] {
        alice.user.has_password = has_password;
        assert_eq!(way(&corp, &alice, has_password), Way::Provider);
        assert_eq!(corp.provider_of(&alice), Some(7));
        assert!(!is_locked_out(&corp, &alice));
        for system in &lacking {
            assert_eq!(way(system, &alice, has_password), Way::NoProvider);
            assert_eq!(system.provider_of(&alice), None);
            assert!(is_locked_out(system, &alice));
        }
    }
    let mut gone = alice.clone();
    gone.user.active = false;
    assert!(!is_locked_out(&lacking[0], &gone));
    // Their own provider comes first, and is enough.
    let mut brought = alice.clone();
    brought.through = Some(Through {
        id: 9,
        name: "other".into(),
    });
    assert_eq!(corp.provider_of(&brought), Some(9));
    assert_eq!(way(&lacking[0], &brought, false), Way::Provider);
    // Nothing of it is about an administrator or an external user: one with no usable method is kept out by that.
    let mut admin = alice.clone();
    admin.administrator = true;
    let stranded = Way::Password(Next::Denied(
        Kind::NoSecondFactor,
        Kind::NoSecondFactor.code(),
    ));
    assert_eq!(way(&corp, &admin, true), stranded);
    assert_eq!(way(&corp, &admin, false), Way::Nothing);
    let mut external = alice;
    external.user.kind = Type::External;
    assert_eq!(way(&corp, &external, false), Way::Nothing);
}

/// What a provider says is believed of those it may speak for, and no state of the password or the second factor is asked.
#[test]
fn a_provider_speaks_for_whom_it_may() {
    let with = |change: &dyn Fn(&mut Person)| {
        let mut person = person();
        (person.user.must_change, person.user.has_password) = (true, false);
        change(&mut person);
        person
    };
    let judge = |person: &Person, administrators, takes| {
        after_sso(person, administrators, takes, NOW, &mut ())
    };
    let refused = |why| Next::Denied(Kind::SsoRefused, why);
    let alice = with(&|_| ());
    for takes in [Taken::Existing, Taken::Create] {
        assert_eq!(judge(&alice, false, takes), Next::Granted);
    }
    assert_eq!(judge(&alice, true, Taken::None), refused("sso_type"));
    let technical = with(&|person| person.user.kind = Type::Technical);
    assert_eq!(
        judge(&technical, true, Taken::Create),
        refused("technical_user")
    );
    let admin = with(&|person| person.administrator = true);
    assert_eq!(
        judge(&admin, false, Taken::Create),
        refused("sso_administrator")
    );
    assert_eq!(judge(&admin, true, Taken::Existing), Next::Granted);
    let both = with(&|person| {
        person.user.active = false;
        person.user.locked_until = Some(NOW.plus(1));
    });
    assert_eq!(
        judge(&both, false, Taken::Existing),
        Next::Denied(Kind::Deactivated, "deactivated")
    );
    let locked = with(&|person| person.user.locked_until = Some(NOW.plus(1)));
    assert_eq!(
        judge(&locked, false, Taken::Existing),
        Next::Denied(Kind::Locked, "locked")
    );
    let was = with(&|person| person.user.locked_until = Some(NOW));
    assert_eq!(judge(&was, false, Taken::Existing), Next::Granted);
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
        let next = after_first(&system, &person, First::Right, Channel::Web, None, NOW, &mut ());
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
