//! The facts a login is decided on, loaded once for a run.
//!
//! Of every user the same statements are asked, whether or not they have an app, codes or a provider: what it costs tells
//! nothing.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, params};

use crate::clock::Time;
use crate::error::Result;
use crate::idp::{self, Idp, Taken};
use crate::method::{self, Method, MethodRow};
use crate::permission;
use crate::setting::{self, Settings};
use crate::store::Store;
use crate::user::{Type, User};
use crate::verb::Operation;

/// What holds for everybody.
#[derive(Debug, Clone)]
pub(crate) struct System {
    /// `Enable2FA`.
    pub enabled: bool,
    /// The lookup, in order.
    pub methods: Vec<MethodRow>,
    /// Whether `2FAmailbox` is set.
    pub mailbox: bool,
    /// Whether `SmsProvider` is set.
    pub provider: bool,
    /// `SecondFactorAttemptCount`; 0: no limit.
    pub attempts: i64,
    /// `UserLockoutDuration`, in minutes.
    pub lockout: i64,
    /// `LoginAttemptCount`; 0: no limit.
    pub password_attempts: i64,
    /// `MaxPasswordAge`, in days; 0: never.
    pub max_age: i64,
    /// `LoginAttemptBeforeWarningCount`; 0: never.
    pub warn_after: i64,
    /// `PasswordChangeReminding`, in days; 0: never.
    pub remind_days: i64,
    /// `DisplayAccountLockoutMessageAtLogin`.
    pub show_lockout: bool,
    /// `DisplayIncorrectPasswordMessageAtLogin`.
    pub show_wrong_password: bool,
    /// `SecondFactorCodeTTL`, in seconds.
    pub code_ttl: i64,
    /// `TotpDriftSteps`.
    pub drift: i64,
    /// `SecondFactorResendInterval`, in seconds.
    pub resend_interval: i64,
    /// `SecondFactorSendLimit`, within an hour; 0: no limit.
    pub send_limit: i64,
    /// `DisableInternalUserPasswordAuth`.
    pub no_internal_passwords: bool,
    /// `DefaultSsoProvider`, enabled or not.
    pub default_sso: Option<Idp>,
}

impl System {
    /// Reads the settings and the lookup.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn load(store: &Store) -> Result<System> {
        let settings = Settings::load(store)?;
        let default_sso = settings.thing(&setting::DEFAULT_SSO);
        Ok(System {
            enabled: settings.flag(&setting::ENABLE_2FA),
            methods: method::list(store)?,
            mailbox: settings.thing(&setting::MAILBOX_2FA).is_some(),
            provider: settings.thing(&setting::SMS_PROVIDER).is_some(),
            attempts: settings.number(&setting::SECOND_FACTOR_ATTEMPT_COUNT),
            lockout: settings.number(&setting::USER_LOCKOUT_DURATION),
            password_attempts: settings.number(&setting::LOGIN_ATTEMPT_COUNT),
            max_age: settings.number(&setting::MAX_AGE),
            warn_after: settings.number(&setting::LOGIN_WARNING_COUNT),
            remind_days: settings.number(&setting::REMINDING),
            show_lockout: settings.flag(&setting::SHOW_LOCKOUT),
            show_wrong_password: settings.flag(&setting::SHOW_WRONG_PASSWORD),
            code_ttl: settings.number(&setting::SECOND_FACTOR_CODE_TTL),
            drift: settings.number(&setting::TOTP_DRIFT),
            resend_interval: settings.number(&setting::RESEND_INTERVAL),
            send_limit: settings.number(&setting::SEND_LIMIT),
            no_internal_passwords: settings.flag(&setting::NO_INTERNAL_PASSWORDS),
            default_sso: default_sso.map(|id| idp::get(store, id)).transpose()?,
        })
    }

    /// Whether a method is enabled.
    #[must_use]
    pub(crate) fn is_enabled(&self, method: Method) -> bool {
        self.methods
            .iter()
            .any(|row| row.code == method && row.enabled)
    }

    /// The default provider, if it is enabled and takes users of a type.
    #[must_use]
    pub(crate) fn default_for(&self, kind: Type) -> Option<&Idp> {
        self.default_sso
            .as_ref()
            .filter(|idp| idp.enabled && idp.takes(kind) != Taken::None)
    }

    /// The provider of a user, by row id: the one they came through, else the default one.
    #[must_use]
    pub(crate) fn provider_of(&self, person: &Person) -> Option<i64> {
        let before = person.through.as_ref().map(|through| through.id);
        before.or_else(|| self.default_for(person.user.kind).map(|idp| idp.id))
    }

    /// The primary method.
    #[must_use]
    pub(crate) fn primary(&self) -> Option<Method> {
        self.methods
            .iter()
            .find(|row| row.enabled && row.primary)
            .map(|row| row.code)
    }
}

/// An identity provider that a user came through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Through {
    /// Row id.
    pub id: i64,
    /// Its name.
    pub name: String,
}

/// What holds for one user.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// The user, as stored.
    pub user: User,
    /// Whether an authenticator app is connected.
    pub authenticator: bool,
    /// Recovery codes left.
    pub recovery_codes: i64,
    /// Whether `CanUse2FA` allows them.
    pub can_use: bool,
    /// Whether they are an administrator.
    pub administrator: bool,
    /// The provider they came through last, of those that are enabled and take their type.
    pub through: Option<Through>,
}

impl Person {
    /// Reads what belongs to a user.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn load(store: &Store, user: User) -> Result<Person> {
        let known = permission::known(store, Operation::CanUse2FA, user.id, user.kind)?;
        let (grantees, groups) = &*known;
        let can_use = grantees.allow(user.id, groups, store.now());
        Person::with(store, user, can_use, groups)
    }

    /// The same, where the permission was judged already, by every group they are in.
    pub(crate) fn with(
        store: &Store,
        user: User,
        can_use: bool,
        groups: &BTreeSet<i64>,
    ) -> Result<Person> {
        let (authenticator, recovery_codes, administrators): (_, _, i64) = store
            .db()
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM authenticator WHERE user = ?1),
                        (SELECT count(*) FROM recovery_code WHERE user = ?1 AND used_at IS NULL),
                        (SELECT id FROM \"group\" WHERE built_in = 'administrators')",
            )?
            .query_row([user.id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(Person {
            through: through(store, user.id, user.kind)?,
            user,
            authenticator,
            recovery_codes,
            can_use,
            administrator: groups.contains(&administrators),
        })
    }

    /// Where codes by email go: the address, else the login if it is one.
    #[must_use]
    pub(crate) fn address(&self) -> Option<&str> {
        self.user.address()
    }

    /// Where codes by SMS go.
    #[must_use]
    pub(crate) fn phone(&self) -> Option<&str> {
        self.user.phone.as_deref()
    }

    /// Whether they are locked at `now`.
    #[must_use]
    pub(crate) fn is_locked(&self, now: Time) -> bool {
        self.user.locked_until.is_some_and(|until| now < until)
    }
}

/// The provider that a user of a type came through last, of those that are enabled and take it.
fn through(store: &Store, user: i64, kind: Type) -> Result<Option<Through>> {
    let mut query = store.db().prepare_cached(
        "SELECT idp.id, idp.name FROM idp_user JOIN idp ON idp.id = idp_user.idp
         WHERE idp_user.user = ?1 AND idp.enabled = 1
             AND CASE ?2 WHEN 'employee' THEN idp.employees WHEN 'external' THEN idp.externals ELSE 'none' END <> 'none'
         ORDER BY idp_user.last_login_at DESC, idp_user.id DESC LIMIT 1",
    )?;
    let row = query.query_row(params![user, kind], |row| {
        Ok(Through {
            id: row.get(0)?,
            name: row.get(1)?,
        })
    });
    Ok(row.optional()?)
}
