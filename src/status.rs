//! How things stand: what is on, for how many, what to do next.

use serde::Serialize;

use crate::error::{Kind, Result};
use crate::login::decide;
use crate::login::facts::System;
use crate::method::{Method, MethodRow};
use crate::name::{argument, visible};
use crate::plan::Warning;
use crate::setting::{self, Settings};
use crate::store::Store;
use crate::user;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// The lookup.
    pub methods: Vec<MethodStatus>,
    /// The mailbox codes are sent from.
    pub mailbox: Option<String>,
    /// The SMS provider codes are sent through.
    pub sms_provider: Option<String>,
    /// Administrator actions that went unconfirmed by `--override` within the last seven days.
    pub overrides: i64,
    /// The next command.
    pub next: String,
    /// What must not go unseen: that the key file does not open the store.
    pub warnings: Vec<Warning>,
}

/// The event is written out, and not a parameter: only so does the index of these rows serve.
const OVERRIDES: &str = "SELECT count(*) FROM audit
    WHERE event = 'confirmation.skipped' AND reason = 'override' AND at >= ?1";

/// Looks at everything.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn status(store: &Store) -> Result<Status> {
    let system = System::load(store)?;
    let settings = Settings::load(store)?;
    let (users, active, locked) = user::counts(store)?;
    let methods: Vec<MethodStatus> = system
        .methods
        .iter()
        .map(|row| {
            let lacks = match row.code {
                Method::Email if !system.mailbox => Some("2FAmailbox is not set"),
                Method::Sms if !system.provider => Some("SmsProvider is not set"),
                _ => None,
            };
            Ok(MethodStatus {
                row: *row,
                ready: ready(store, row.code)?,
                lacks,
            })
        })
        .collect::<Result<_>>()?;
    let week_ago = store.now().plus(-7 * 86_400);
    let overrides = store
        .db()
        .query_row(OVERRIDES, [week_ago], |row| row.get(0))?;
    let has = Has {
        mailboxes: !crate::mailbox::candidates(store)?.is_empty(),
        providers: !crate::sms_provider::candidates(store)?.is_empty(),
    };
    let key = key_trouble(store)?;
    let next = if key.is_some() {
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
        methods,
        mailbox: name(&setting::MAILBOX_2FA),
        sms_provider: name(&setting::SMS_PROVIDER),
        overrides,
        next,
        warnings: key.into_iter().collect(),
    })
}

/// What is wrong with the key file, if anything is.
fn key_trouble(store: &Store) -> Result<Option<Warning>> {
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

/// Active employees and external users who have what a method needs of them.
fn ready(store: &Store, method: Method) -> Result<i64> {
    let has = match method {
        Method::Email => user::HAS_ADDRESS,
        Method::Sms => "phone IS NOT NULL",
        Method::Totp => "id IN (SELECT user FROM authenticator)",
        Method::RecoveryCodes => "id IN (SELECT user FROM recovery_code WHERE used_at IS NULL)",
    };
    let sql =
        format!("SELECT count(*) FROM user WHERE active = 1 AND type <> 'technical' AND {has}");
    Ok(store.db().query_row(&sql, [], |row| row.get(0))?)
}

/// How many active employees and external users lack what a method needs of them.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn lacking(store: &Store, method: Method) -> Result<i64> {
    let all: i64 = store.db().query_row(
        "SELECT count(*) FROM user WHERE active = 1 AND type <> 'technical'",
        [],
        |row| row.get(0),
    )?;
    Ok(all - ready(store, method)?)
}

/// Whether there is anything that codes could leave by.
struct Has {
    mailboxes: bool,
    providers: bool,
}

/// The next thing an administrator would do.
fn next(system: &System, methods: &[MethodStatus], users: i64, has: &Has) -> String {
    let enabled: Vec<&MethodStatus> = methods.iter().filter(|method| method.row.enabled).collect();
    if users <= 1 {
        return "twofa user add LOGIN --email ADDRESS".to_owned();
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
    if !system.enabled {
        return "twofa setting set Enable2FA on".to_owned();
    }
    "twofa login simulate LOGIN".to_owned()
}

/// What is worth saying of a user who could not log in right now, for want of a second factor.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn stranded(store: &Store, user: &user::User) -> Result<Option<Warning>> {
    let person = crate::login::facts::Person::load(store, user.clone())?;
    Ok(
        decide::is_locked_out(&System::load(store)?, &person).then(|| Warning {
            kind: "no_second_factor",
            message: format!(
                "`{}` has no usable second factor and cannot log in.",
                visible(&user.login)
            ),
            hint: Some(format!(
                "twofa user edit {} --email ADDRESS",
                argument(&user.login)
            )),
        }),
    )
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
