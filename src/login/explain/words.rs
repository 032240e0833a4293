//! The words of an explanation: each rule as a sentence that somebody at a helpdesk can repeat, with the command that
//! would change it.

use serde_json::{Value, json};

use super::super::decide::{self, Channel, First, Next};
use super::super::facts::{Person, System};
use super::super::second;
use super::super::trail::{Step, Usability};
use super::super::verdict::masked;
use super::Rule;
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::method::Method;
use crate::name::{argument, counted, visible};
use crate::permission::{self, Access, Named};
use crate::setting;
use crate::store::Store;
use crate::user::Type;
use crate::verb::Operation;

/// Who tells: with the facts at hand.
pub(super) struct Teller<'a> {
    pub(super) store: &'a Store,
    pub(super) system: &'a System,
    pub(super) person: &'a Person,
}

/// What was found, by which row or setting, and the command that would change it.
pub(super) struct Told {
    pub(super) fact: Value,
    pub(super) by: String,
    pub(super) because: String,
    pub(super) change: Option<String>,
}

impl Teller<'_> {
    /// The user, as a sentence calls them.
    pub(super) fn who(&self) -> String {
        visible(&self.person.user.login).into_owned()
    }

    /// The user, as an argument of a command.
    pub(super) fn login(&self) -> String {
        argument(&self.person.user.login)
    }

    /// A rule in words.
    pub(super) fn tell(&self, step: Step) -> Result<Rule> {
        let (rule, told) = match step {
            Step::Type(kind) => ("type", self.kind(kind)),
            Step::Active(active) => ("active", self.active(active)),
            Step::Password { set, came } => ("password", self.password(set, came)),
            Step::Lock { until, holds } => ("lock", self.lock(until, holds)),
            Step::Channel { channel, open } => ("channel", self.channel(channel, open)),
            Step::Sso { must, known } => ("sso", self.sso(must, known)?),
            Step::Idp {
                takes,
                administrator,
                administrators,
            } => (
                "idp",
                self.spoken_for(takes, administrator && !administrators),
            ),
            Step::MustChange(must) => ("must_change", self.must_change(must)),
            Step::PasswordAge {
                changed_at,
                max_age,
                expired,
            } => ("password_age", self.age(changed_at, max_age, expired)),
            Step::Enabled(on) => ("enable_2fa", enabled(on)),
            Step::Permission(may) => ("can_use_2fa", self.permission(may)?),
            Step::Method(method, usability) => ("method", self.method(method, usability)),
            Step::Order { wished, usable } => ("order", self.order(wished, usable)),
            Step::Connect(connects) => ("connect", self.connect(connects)),
        };
        let effect = match step {
            Step::Method(_, Usability::Usable) => "usable",
            Step::Method(..) => "not_usable",
            _ => CONTINUES,
        };
        Ok(told.rule(rule, effect))
    }

    fn kind(&self, kind: Type) -> Told {
        let who = self.who();
        let (is, do_log_in) = match kind {
            Type::Employee if self.system.no_internal_passwords => {
                ("an employee", "employees have to use single sign-on")
            }
            Type::Employee => ("an employee", "employees log in with a password"),
            Type::External => ("an external user", "external users log in with a password"),
            Type::Technical => (
                "a technical user",
                "technical users never log in with a password",
            ),
        };
        Told {
            fact: json!(kind),
            by: "user type".into(),
            because: format!("{who} is {is}, and {do_log_in}."),
            change: (kind == Type::Technical)
                .then(|| format!("twofa user edit {} --type employee", self.login())),
        }
    }

    fn active(&self, active: bool) -> Told {
        let (because, verb) = if active {
            ("The account is active.", "deactivate")
        } else {
            (
                "The account is deactivated, and refuses every password as wrong.",
                "activate",
            )
        };
        Told {
            fact: json!(active),
            by: "user active".into(),
            because: because.into(),
            change: Some(format!("twofa user {verb} {}", self.login())),
        }
    }

    fn password(&self, set: bool, came: First) -> Told {
        let because = if !set && came == First::Right {
            "No password is set, and none would be of use."
        } else if came == First::Right {
            "The password is taken to be typed right."
        } else {
            "No password is set, so that none is right."
        };
        Told {
            fact: json!({ "set": set }),
            by: "user password".into(),
            because: because.into(),
            change: (came == First::Wrong).then(|| format!("twofa password set {}", self.login())),
        }
    }

    fn lock(&self, until: Option<Time>, holds: bool) -> Told {
        let because = match until {
            Some(until) if holds => format!("The account is locked until {until}."),
            Some(until) => {
                format!("A lock ended at {until}; this login takes it off, and the tries with it.")
            }
            None => "The account is not locked.".into(),
        };
        Told {
            fact: json!({ "locked_until": until, "locked": holds }),
            by: "user locked_until".into(),
            because,
            change: holds.then(|| format!("twofa user unlock {}", self.login())),
        }
    }

    fn channel(&self, channel: Channel, open: bool) -> Told {
        let on = self.system.enabled;
        let because = match (channel, open) {
            (Channel::Web, _) => "The login comes through the page for people.".to_owned(),
            (other, true) => format!(
                "The login comes through the channel `{}`, which takes passwords as long as 2FA is off.",
                other.code()
            ),
            (other, false) => format!(
                "2FA is on, and then the channel `{}` takes no password: an integration gets in through OAuth, with a client of its own.",
                other.code()
            ),
        };
        Told {
            fact: json!({ "channel": channel.code(), "open": open, "enable_2fa": on }),
            by: "setting Enable2FA".into(),
            because,
            change: (!open).then(|| "twofa oauth-client add NAME --user LOGIN".to_owned()),
        }
    }

    fn must_change(&self, must: bool) -> Told {
        let because = if must {
            "The password has to be changed before anything else."
        } else {
            "Nobody asked for a new password."
        };
        Told {
            fact: json!(must),
            by: "user must_change".into(),
            because: because.into(),
            change: must.then(|| format!("twofa password change {}", self.login())),
        }
    }

    fn age(&self, changed_at: Option<Time>, max_age: i64, expired: bool) -> Told {
        let days = counted(max_age.unsigned_abs(), "day", "days");
        let (because, change) = match changed_at {
            _ if max_age == 0 => (
                "Passwords never expire.".into(),
                Some("twofa setting set MaxPasswordAge DAYS".to_owned()),
            ),
            None => (
                "Nobody knows when the password was set, so that it does not expire.".into(),
                None,
            ),
            Some(changed) => {
                let end = changed.plus(max_age * 86_400);
                let expires = if expired { "expired" } else { "expires" };
                (
                    format!(
                        "The password was set at {changed}; {days} old, it {expires} at {end}."
                    ),
                    expired.then(|| format!("twofa password change {}", self.login())),
                )
            }
        };
        Told {
            fact: json!({ "changed_at": changed_at, "max_age": max_age, "expired": expired }),
            by: "setting MaxPasswordAge".into(),
            because,
            change,
        }
    }

    fn permission(&self, may: bool) -> Result<Told> {
        let user = &self.person.user;
        let operation = Operation::CanUse2FA;
        let code = operation.code();
        let decision = permission::check(self.store, operation, user.id, user.kind, &user.login)?;
        let (by, because) = match (&decision.row, &decision.expired) {
            (Some(row), _) => {
                let lets = match row.access {
                    Access::Allow => "gives 2FA to",
                    Access::Deny => "takes 2FA from",
                };
                let whom = match &row.whom {
                    Named::User(login) => format!("the user {}", visible(login)),
                    Named::Group(group) => {
                        let through = decision
                            .through
                            .split_last()
                            .map_or(&[][..], |(_, way)| way);
                        let way: Vec<_> = through.iter().map(|group| visible(group)).collect();
                        let by = if way.is_empty() {
                            String::new()
                        } else {
                            format!(" through {}", way.join(", "))
                        };
                        format!("the group {}, where {} is{by}", visible(group), self.who())
                    }
                };
                (
                    format!("permission {code} row {}", row.position),
                    format!("Row {} of {code} {lets} {whom}", row.position),
                )
            }
            (None, Some(row)) => (
                format!("permission {code}"),
                format!(
                    "Row {} of {code} ran out, and no other names {}",
                    row.position,
                    self.who()
                ),
            ),
            (None, None) => (
                format!("permission {code}"),
                format!("No row of {code} names {} or a group of theirs", self.who()),
            ),
        };
        let end = if may {
            "."
        } else {
            ", so that the password is enough."
        };
        let access = if may { "deny" } else { "grant" };
        Ok(Told {
            fact: json!({ "granted": may, "row": decision.row, "through": decision.through }),
            by,
            because: format!("{because}{end}"),
            change: Some(format!(
                "twofa permission {access} {code} --user {} --position 1",
                self.login()
            )),
        })
    }

    fn method(&self, method: Method, usability: Usability) -> Told {
        let (name, code, login) = (method.name(), method.code(), self.login());
        let because = match (usability, method) {
            (Usability::Usable, Method::Email | Method::Sms) => format!(
                "{name} is usable: codes go to {}.",
                self.destination(method).unwrap_or_default()
            ),
            (Usability::Usable, Method::Totp) => format!("{name} is usable: one is connected."),
            (Usability::Usable, Method::RecoveryCodes) => {
                let left = self.person.recovery_codes.unsigned_abs();
                format!("{name} are usable: {} left.", counted(left, "is", "are"))
            }
            (Usability::Disabled, Method::RecoveryCodes) => format!("{name} are not enabled."),
            (Usability::Disabled, _) => format!("{name} is not enabled."),
            (Usability::NoSender, Method::Sms) => {
                format!("{name} is enabled, but no SMS provider is set.")
            }
            (Usability::NoSender, _) => format!("{name} is enabled, but no mailbox is set."),
            (Usability::NoDestination, Method::Sms) => {
                format!("{name} is enabled, but {} has no phone.", self.who())
            }
            (Usability::NoDestination, _) => {
                format!("{name} is enabled, but {} has no address.", self.who())
            }
            (Usability::NotConnected, _) => {
                format!("{name} is enabled, but {} has none connected.", self.who())
            }
            (Usability::NoCodes, _) => {
                format!("{name} are enabled, but {} has none left.", self.who())
            }
        };
        let (by, change) = match (usability, method) {
            (Usability::Usable, _) => ("method", format!("twofa method disable {code}")),
            // Enabled, it would be of use.
            (Usability::Disabled, _) if self.serves(method) => {
                ("method", format!("twofa method enable {code}"))
            }
            (Usability::Disabled, _) => ("method", String::new()),
            (Usability::NoSender, Method::Sms) => (
                "setting",
                format!("twofa setting set {} NAME", setting::SMS_PROVIDER.code),
            ),
            (Usability::NoSender, _) => (
                "setting",
                format!("twofa setting set {} NAME", setting::MAILBOX_2FA.code),
            ),
            (Usability::NoDestination, Method::Sms) => {
                ("user", format!("twofa user edit {login} --phone NUMBER"))
            }
            (Usability::NoDestination, _) => {
                ("user", format!("twofa user edit {login} --email ADDRESS"))
            }
            (Usability::NotConnected, _) => {
                ("user", format!("twofa authenticator connect {login}"))
            }
            (Usability::NoCodes, _) => ("user", format!("twofa recovery-codes generate {login}")),
        };
        let by = match (by, method) {
            ("setting", Method::Sms) => format!("setting {}", setting::SMS_PROVIDER.code),
            ("setting", _) => format!("setting {}", setting::MAILBOX_2FA.code),
            ("user", Method::Email) => "user email".into(),
            ("user", Method::Sms) => "user phone".into(),
            ("user", Method::Totp) => "user authenticator".into(),
            ("user", Method::RecoveryCodes) => "user recovery_codes".into(),
            _ => format!("method {code}"),
        };
        Told {
            fact: json!({ "method": method, "usability": usability.code() }),
            by,
            because,
            change: Some(change).filter(|change| !change.is_empty()),
        }
    }

    /// Whether the user could use a method, were it enabled, or connect an app with the login.
    fn serves(&self, method: Method) -> bool {
        method == Method::Totp || decide::Means::from(self.person).serves(method)
    }

    fn destination(&self, method: Method) -> Option<String> {
        let to = if method == Method::Sms {
            self.person.phone()
        } else {
            self.person.address()
        };
        to.map(masked)
    }

    fn order(&self, wished: Option<Method>, usable: bool) -> Told {
        let methods = decide::usable(self.system, self.person);
        let primary = self.system.primary();
        let first = methods.first().copied();
        let (by, because) = match (wished, first) {
            (Some(wished), _) if usable => (
                "the login",
                format!("The login wishes for {}, which is usable.", wished.name()),
            ),
            (Some(wished), _) => (
                "the login",
                format!(
                    "The login wishes for {}, which is not usable.",
                    wished.name()
                ),
            ),
            (None, Some(Method::RecoveryCodes)) => (
                "method recovery-codes",
                "Nothing else is usable, so that a recovery code is asked for.".into(),
            ),
            (None, Some(first)) if primary == Some(first) => (
                "method primary",
                format!("{} is primary, so that it is asked for.", first.name()),
            ),
            (None, first) => {
                let first = first.map_or("nothing", Method::name);
                let why = match primary {
                    Some(primary) => format!("{} is primary but not usable", primary.name()),
                    None => "No method is primary".into(),
                };
                (
                    "method order",
                    format!("{why}; of those that are usable, {first} stands first in the lookup."),
                )
            }
        };
        Told {
            fact: json!({ "wished": wished, "primary": primary, "usable": methods }),
            by: by.into(),
            because,
            change: wished
                .is_none()
                .then(|| "twofa method primary METHOD".to_owned()),
        }
    }

    fn connect(&self, connects: bool) -> Told {
        let (because, change) = if connects {
            (
                format!(
                    "No method is usable, but the authenticator app is enabled: {} connects one with this login.",
                    self.who()
                ),
                format!("twofa authenticator connect {}", self.login()),
            )
        } else {
            (
                "No method is usable, and none can be set up while logging in.".to_owned(),
                "twofa method enable totp".to_owned(),
            )
        };
        Told {
            fact: json!(connects),
            by: format!("method {}", Method::Totp.code()),
            because,
            change: Some(change),
        }
    }

    /// The verdict.
    pub(super) fn summary(&self, next: &Next, full: Option<&Error>) -> Result<String> {
        let who = self.who();
        if let Some(full) = full {
            return Ok(format!("{who} cannot log in now: {}.", full.message()));
        }
        Ok(match next {
            Next::Granted => format!("{who} logs in with the password alone."),
            Next::Ask(method) if method.is_sent() => {
                let to = second::sender(self.store, self.person, *method)?.to;
                format!(
                    "{who} is asked for a code, which is sent by {} to {}.",
                    method.name(),
                    masked(&to)
                )
            }
            Next::Ask(Method::RecoveryCodes) => format!("{who} is asked for a recovery code."),
            Next::Ask(_) => format!("{who} is asked for a code of the authenticator app."),
            Next::Enrol => format!("{who} has to connect an authenticator app with this login."),
            Next::NotUsable(method) => {
                format!("{who} is refused: {} is not usable.", method.name())
            }
            Next::Denied(kind, why) => format!("{who} cannot log in: {}.", denied(*kind, why)),
        })
    }
}

fn enabled(on: bool) -> Told {
    let because = if on {
        "2FA is on."
    } else {
        "2FA is off, so that the password is enough."
    };
    Told {
        fact: json!(on),
        by: format!("setting {}", setting::ENABLE_2FA.code),
        because: because.into(),
        change: Some(set_enabled(!on)),
    }
}

fn set_enabled(on: bool) -> String {
    let value = if on { "on" } else { "off" };
    format!("twofa setting set {} {value}", setting::ENABLE_2FA.code)
}

pub(super) fn denied(kind: Kind, why: &str) -> &'static str {
    match (kind, why) {
        (Kind::SsoRefused, "technical_user") => "no provider speaks for technical users",
        (Kind::SsoRefused, "sso_type") => "it takes no users of this type",
        (Kind::SsoRefused, "sso_administrator") => "it takes no administrators",
        (Kind::SsoRefused, _) => "nothing it says is believed",
        (Kind::InvalidValue, _) => "it is not enabled",
        (Kind::SsoRequired, _) => "employees have to use single sign-on",
        (_, "technical_user") => "a technical user has no login with a password",
        (Kind::Deactivated, _) | (_, "inactive") => "the account is deactivated",
        (_, "no_password") => "no password is set",
        (Kind::Locked, _) => "the account is locked",
        (Kind::ChannelRefused, _) => "2FA is on, and this channel takes no password",
        (Kind::PasswordMustChange, _) => "the password has to be changed first",
        (Kind::PasswordExpired, _) => "the password has expired",
        (Kind::NoSecondFactor, _) => "there is no second factor to ask for",
        _ => "the first factor is refused",
    }
}

pub(super) const CONTINUES: &str = "continues";
pub(super) const DENIED: &str = "denied";

impl Told {
    pub(super) fn rule(self, rule: &'static str, effect: &'static str) -> Rule {
        Rule {
            rule,
            fact: self.fact,
            decided_by: self.by,
            because: self.because,
            effect,
            change_with: self.change,
        }
    }
}
