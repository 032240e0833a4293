//! How things stand: what is on, for how many, what to do next.

use serde::Serialize;

use crate::actor::Session;
use crate::audit::{self, Record};
use crate::coverage::{self, NAMES, Numbers, Survey};
use crate::error::{Kind, Result};
use crate::idp;
use crate::login::crowd::{self, Brought, Passer};
use crate::login::decide::{self, Way};
use crate::login::facts::System;
use crate::method::{Method, MethodRow};
use crate::name::{argument, visible};
use crate::plan::Warning;
use crate::setting::{self, Settings};
use crate::store::Store;
use crate::user;
use crate::verb::Operation;

/// A method with its readiness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MethodStatus {
    /// The row of the lookup.
    #[serde(flatten)]
    pub row: MethodRow,
    /// Active employees and external users who have what it needs of them.
    pub ready: i64,
    /// Why nobody could use it all the same.
    pub lacks: Option<&'static str>,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The store.
    pub store: String,
    /// `Enable2FA`.
    pub enabled: bool,
    /// All users.
    pub users: i64,
    /// Those who are active.
    pub active: i64,
    /// Those who are locked now.
    pub locked: i64,
    /// The logins of those whose lock ends first; `null` to who may not manage users.
    pub locked_users: Option<Vec<String>>,
    /// For how many of how many 2FA is on, or would be.
    pub coverage: Numbers,
    /// The lookup.
    pub methods: Vec<MethodStatus>,
    /// The mailbox codes are sent from.
    pub mailbox: Option<String>,
    /// The SMS provider codes are sent through.
    pub sms_provider: Option<String>,
    /// `DisableInternalUserPasswordAuth`: employees have to use single sign-on.
    pub no_internal_passwords: bool,
    /// The identity providers that are enabled, by name.
    pub identity_providers: Vec<String>,
    /// The one of users who have none of their own.
    pub default_sso: Option<String>,
    /// Administrator actions that went unconfirmed by `--override` within the last seven days.
    pub overrides: i64,
    /// The newest events, newest first; `null` to who may not read the audit log.
    pub last_events: Option<Vec<Record>>,
    /// The next command.
    pub next: String,
    /// What must not go unseen: that the key file does not open the store.
    pub warnings: Vec<Warning>,
}

/// How many events are told.
const EVENTS: i64 = 5;

/// The event is written out, and not a parameter: only so does the index of these rows serve.
const OVERRIDES: &str = "SELECT count(*) FROM audit
    WHERE event = 'confirmation.skipped' AND reason = 'override' AND at >= ?1";

/// Looks at everything. What an operation opens is told to who has it.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn status(session: &Session) -> Result<Status> {
    let store = &session.store;
    let _moment = store.db().moment()?;
    let (system, settings) = (System::load(store)?, Settings::load(store)?);
    let (users, active, locked) = user::counts(store)?;
    let mut survey = Survey::begin(store, false)?;
    let mut ready = Ready::default();
    crowd::each(store, Brought::Matters, coverage::WHAT, &mut |passer| {
        survey.count(passer);
        ready.count(passer);
        Ok(())
    })?;
    let coverage = survey.into_coverage(None).numbers;
    let methods = methods(&system, &ready);
    let week_ago = store.now().plus(-7 * 86_400);
    let overrides = store
        .db()
        .query_row(OVERRIDES, [week_ago], |row| row.get(0))?;
    let has = Has {
        mailboxes: !crate::mailbox::candidates(store)?.is_empty(),
        providers: !crate::sms_provider::candidates(store)?.is_empty(),
        shut_out: coverage.no_identity_provider > 0,
        stranded: coverage.no_method > 0,
        logins: coverage.users + coverage.sso > 0,
    };
    let key = key_trouble(store)?;
    let next = if key.as_ref().is_some_and(|key| key.kind != LOCKED) {
        // Nothing that is sealed works before that.
        "twofa key check --key-file FILE".to_owned()
    } else {
        next(&system, &methods, users, &has)
    };
    let name = |setting| Some(settings.text(setting).to_owned()).filter(|name| !name.is_empty());
    Ok(Status {
        store: store.place().db.display().to_string(),
        enabled: system.enabled,
        users,
        active,
        locked,
        locked_users: told(session, Operation::CanManageUsers, || {
            user::locked(store, NAMES)
        })?,
        coverage,
        methods,
        mailbox: name(&setting::MAILBOX_2FA),
        sms_provider: name(&setting::SMS_PROVIDER),
        no_internal_passwords: system.no_internal_passwords,
        identity_providers: idp::enabled(store)?,
        default_sso: name(&setting::DEFAULT_SSO),
        overrides,
        last_events: told(session, Operation::CanViewSysOperationAudit, || {
            newest(store)
        })?,
        next,
        warnings: key.into_iter().collect(),
    })
}

/// What is told to who has an operation, and to nobody else.
fn told<T>(
    session: &Session,
    operation: Operation,
    what: impl FnOnce() -> Result<T>,
) -> Result<Option<T>> {
    session.has(operation)?.then(what).transpose()
}

/// The newest events.
fn newest(store: &Store) -> Result<Vec<Record>> {
    let mut found = Vec::new();
    let filter = audit::Filter {
        limit: Some(EVENTS),
        ..audit::Filter::default()
    };
    audit::list(store, &filter, &mut |record| {
        found.push(record);
        Ok(())
    })?;
    Ok(found)
}

fn methods(system: &System, ready: &Ready) -> Vec<MethodStatus> {
    let lacks = |method| match method {
        Method::Email if !system.mailbox => Some("2FAmailbox is not set"),
        Method::Sms if !system.provider => Some("SmsProvider is not set"),
        _ => None,
    };
    let status = |row: &MethodRow| MethodStatus {
        row: *row,
        ready: ready.of(row.code),
        lacks: lacks(row.code),
    };
    system.methods.iter().map(status).collect()
}

/// The kind of the warning that the keys were not looked at.
const LOCKED: &str = "key_locked";

/// What is wrong with the keys, if anything is: what is told of logins then is not what they do. Nobody is asked for a
/// passphrase to find out.
///
/// # Errors
/// [`Kind::Storage`].
pub fn key_trouble(store: &Store) -> Result<Option<Warning>> {
    let from = &store.place().key;
    if from.would_ask() {
        return Ok(Some(Warning {
            kind: LOCKED,
            message: format!(
                "{} is locked, and was not looked at: whether it opens this store is not known",
                from.named()
            ),
            hint: Some("`twofa key check` asks for the passphrase".to_owned()),
        }));
    }
    match store.vault() {
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind(), Kind::KeyMissing | Kind::KeyWrong) => {
            Ok(Some(Warning {
                kind: error.kind().code(),
                message: error.message(),
                hint: error.hint_text().map(str::to_owned),
            }))
        }
        Err(error) => Err(error),
    }
}

/// Active employees and external users, and how many of them have what each method needs of them.
#[derive(Default)]
struct Ready {
    people: i64,
    for_method: [i64; Method::ALL.len()],
}

impl Ready {
    fn count(&mut self, passer: &Passer<'_>) {
        self.people += 1;
        let means = passer.means(true);
        for (method, count) in Method::ALL.iter().zip(&mut self.for_method) {
            *count += i64::from(means.serves(*method));
        }
    }

    fn of(&self, method: Method) -> i64 {
        let mut counts = Method::ALL.iter().zip(self.for_method);
        let found = counts.find(|(one, _)| **one == method);
        found.map_or(0, |(_, count)| count)
    }
}

/// How many active employees and external users lack what a method needs of them.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn lacking(store: &Store, method: Method) -> Result<i64> {
    let mut ready = Ready::default();
    let what = "Asking who could use it";
    crowd::each(store, Brought::DoesNot, what, &mut |passer| {
        ready.count(passer);
        Ok(())
    })?;
    Ok(ready.people - ready.of(method))
}

/// Whether there is anything that codes could leave by.
struct Has {
    mailboxes: bool,
    providers: bool,
    /// Whether somebody cannot log in now, for no identity provider takes them.
    shut_out: bool,
    /// Whether somebody could not log in with 2FA on.
    stranded: bool,
    /// Whether anybody has a password, or comes through a provider.
    logins: bool,
}

/// The next thing an administrator would do.
fn next(system: &System, methods: &[MethodStatus], users: i64, has: &Has) -> String {
    let enabled: Vec<&MethodStatus> = methods.iter().filter(|method| method.row.enabled).collect();
    if users <= 1 {
        return "twofa user add LOGIN --email ADDRESS".to_owned();
    }
    if has.shut_out {
        return "twofa coverage".to_owned();
    }
    if enabled.is_empty() {
        return "twofa method enable email --primary".to_owned();
    }
    let lacks = |code: Method| {
        let lacking = |method: &&MethodStatus| method.row.code == code && method.lacks.is_some();
        enabled.iter().any(lacking)
    };
    if lacks(Method::Email) {
        return if has.mailboxes {
            "twofa setting set 2FAmailbox NAME".to_owned()
        } else {
            "twofa mailbox add NAME --smtp URL --tls starttls --from ADDRESS".to_owned()
        };
    }
    if lacks(Method::Sms) {
        return if has.providers {
            "twofa setting set SmsProvider NAME".to_owned()
        } else {
            "twofa sms-provider add NAME --twilio --account SID --from NUMBER".to_owned()
        };
    }
    if has.stranded {
        return "twofa coverage".to_owned();
    }
    if !system.enabled {
        return "twofa setting set Enable2FA on".to_owned();
    }
    if !has.logins {
        return "twofa password set LOGIN".to_owned();
    }
    "twofa login simulate LOGIN".to_owned()
}

/// Whether a password is of use to a user: technical users have none, and who has to use single sign-on needs none.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn uses_password(store: &Store, user: &user::User) -> Result<bool> {
    let person = crate::login::facts::Person::load(store, user.clone())?;
    let system = System::load(store)?;
    Ok(user.kind != user::Type::Technical && !decide::must_use_sso(&system, &person))
}

/// What is worth saying of a user who could not log in right now, for want of a second factor or of an identity provider.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn stranded(store: &Store, user: &user::User) -> Result<Option<Warning>> {
    let person = crate::login::facts::Person::load(store, user.clone())?;
    let system = System::load(store)?;
    if user.active && decide::way(&system, &person, user.has_password) == Way::NoProvider {
        return Ok(Some(Warning {
            kind: "no_identity_provider",
            message: format!(
                "`{}` has to use single sign-on, no identity provider takes them, and they cannot log in.",
                visible(&user.login)
            ),
            hint: Some("twofa idp default NAME".to_owned()),
        }));
    }
    Ok(decide::is_locked_out(&system, &person).then(|| Warning {
        kind: "no_second_factor",
        message: format!(
            "`{}` has no usable second factor and cannot log in.",
            visible(&user.login)
        ),
        hint: Some(format!(
            "twofa user edit {} --email ADDRESS",
            argument(&user.login)
        )),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Event;
    use crate::store::tests::fresh;

    #[test]
    fn overrides_are_counted_without_reading_the_log() {
        let event = format!("'{}'", Event::CONFIRMATION_SKIPPED.code());
        assert!(OVERRIDES.contains(&event));
        let plan: String = fresh()
            .store
            .db()
            .query_row(&format!("EXPLAIN QUERY PLAN {OVERRIDES}"), [0], |row| {
                row.get(3)
            })
            .unwrap();
        assert!(
            plan.starts_with("SEARCH audit USING INDEX audit_unconfirmed"),
            "{plan}"
        );
    }
}
