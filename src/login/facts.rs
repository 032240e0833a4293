//! The facts a login is decided on, loaded once for a run.

use crate::clock::Time;
use crate::error::Result;
use crate::method::{self, Method, MethodRow};
use crate::permission;
use crate::setting::{self, Settings};
use crate::store::Store;
use crate::user::User;
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
}

impl System {
    /// Reads the settings and the lookup.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn load(store: &Store) -> Result<System> {
        let settings = Settings::load(store)?;
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
        })
    }

    /// Whether a method is enabled.
    #[must_use]
    pub(crate) fn is_enabled(&self, method: Method) -> bool {
        self.methods
            .iter()
            .any(|row| row.code == method && row.enabled)
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
}

impl Person {
    /// Reads what belongs to a user.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn load(store: &Store, user: User) -> Result<Person> {
        let can_use = permission::allowed(store, Operation::CanUse2FA, user.id, user.kind)?;
        Person::with(store, user, can_use)
    }

    /// The same, where the permission was judged already.
    pub(crate) fn with(store: &Store, user: User, can_use: bool) -> Result<Person> {
        let (authenticator, recovery_codes) = store
            .db()
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM authenticator WHERE user = ?1),
                        (SELECT count(*) FROM recovery_code WHERE user = ?1 AND used_at IS NULL)",
            )?
            .query_row([user.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Person {
            user,
            authenticator,
            recovery_codes,
            can_use,
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
