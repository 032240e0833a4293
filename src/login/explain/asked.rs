//! What follows once a method is asked for: whether its code leaves, where it goes, what wrong ones cost, what is offered
//! then.

use serde_json::json;

use super::super::decide::{self, Penalty};
use super::super::tries;
use super::Rule;
use super::words::{CONTINUES, DENIED, Teller, Told};
use crate::error::{Error, Result};
use crate::name::{counted, visible};
use crate::setting;

impl Teller<'_> {
    /// Whether a code may leave within this hour.
    pub(super) fn send_limit(&self, full: Option<&Error>) -> Rule {
        let limit = self.system.send_limit;
        let because = match full {
            Some(full) => format!("No code leaves now: {}.", full.message()),
            None if limit == 0 => "There is no limit of codes that are sent.".into(),
            None => format!(
                "No more than {} within an hour, and there is room.",
                counted(limit.unsigned_abs(), "code is sent", "codes are sent")
            ),
        };
        let code = setting::SEND_LIMIT.code;
        let told = Told {
            fact: json!({ "limit": limit, "full": full.is_some() }),
            by: format!("setting {code}"),
            because,
            change: full.map(|_| format!("twofa setting set {code} NUMBER")),
        };
        let effect = if full.is_some() { DENIED } else { CONTINUES };
        told.rule("send_limit", effect)
    }

    /// How the code leaves, and where to.
    pub(super) fn delivery(&self, setting: &str, through: &str, to: &str) -> Rule {
        let life = crate::clock::spoken(self.system.code_ttl);
        let told = Told {
            fact: json!({ "through": through, "destination": to, "code_ttl": self.system.code_ttl }),
            by: format!("setting {setting}"),
            because: format!(
                "The code leaves through {} to {to}, and holds for {life}.",
                visible(through)
            ),
            change: Some(format!("twofa setting set {setting} NAME")),
        };
        told.rule("delivery", CONTINUES)
    }

    /// What wrong codes cost.
    pub(super) fn tries(&self) -> Result<Rule> {
        let (system, user, now) = (self.system, &self.person.user, self.store.now());
        // A lock that has ended takes the tries with it.
        let ended = user.locked_until.is_some_and(|until| until <= now);
        let failures = if ended {
            0
        } else {
            user.second_factor_failures
        };
        let so_far = match failures {
            0 => "No wrong code so far".to_owned(),
            some => format!(
                "{} so far",
                counted(some.unsigned_abs(), "wrong code", "wrong codes")
            ),
        };
        let left = (system.attempts - failures).max(1);
        let last = system.lockout == 0 && tries::is_last(self.store, user)?;
        let because = match decide::penalty(failures + left, system, last, now) {
            Penalty::Nothing { .. } => format!("{so_far}, and any number costs nothing."),
            Penalty::Lock { until } => format!(
                "{so_far}; {left} more and the account is locked for {}.",
                crate::clock::spoken(until.since(now))
            ),
            Penalty::Deactivate => format!("{so_far}; {left} more and the account is deactivated."),
        };
        let code = setting::SECOND_FACTOR_ATTEMPT_COUNT.code;
        let told = Told {
            fact: json!({ "failures": failures, "limit": system.attempts }),
            by: format!("setting {code}"),
            because,
            change: (failures > 0).then(|| format!("twofa user unlock {}", self.login())),
        };
        Ok(told.rule("tries", CONTINUES))
    }

    /// That the granted answer offers the app.
    pub(super) fn offer(&self) -> Rule {
        let told = Told {
            fact: json!(true),
            by: "method primary".into(),
            because: format!(
                "The authenticator app is primary and {} has none: once logged in, they are offered to connect one.",
                self.who()
            ),
            change: Some(format!("twofa authenticator connect {}", self.login())),
        };
        told.rule("offer", CONTINUES)
    }
}
