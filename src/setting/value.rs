//! The types of settings: reading a value as it is typed, and saying it.

use serde_json::Value as Json;

use super::TOTP_ISSUER;
use crate::clock::{seconds, spoken};
use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};
use crate::store::Store;

/// What an int counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Days of 24 hours.
    Days,
    /// Tries.
    Tries,
    /// Characters.
    Characters,
    /// Passwords.
    Passwords,
    /// Messages or requests within an hour.
    PerHour,
    /// TOTP steps.
    Steps,
}

impl Unit {
    /// The word in JSON and tables.
    #[must_use]
    pub(crate) fn code(self) -> &'static str {
        match self {
            Unit::Seconds => "seconds",
            Unit::Minutes => "minutes",
            Unit::Days => "days",
            Unit::Tries => "tries",
            Unit::Characters => "characters",
            Unit::Passwords => "passwords",
            Unit::PerHour => "per hour",
            Unit::Steps => "steps",
        }
    }

    /// The word behind a number.
    fn counted(self, number: i64) -> &'static str {
        match (self, number) {
            (Unit::Seconds, 1) => "second",
            (Unit::Minutes, 1) => "minute",
            (Unit::Days, 1) => "day",
            (Unit::Tries, 1) => "try",
            (Unit::Characters, 1) => "character",
            (Unit::Passwords, 1) => "password",
            (Unit::Steps, 1) => "step",
            _ => self.code(),
        }
    }

    /// The length of one, where it is a length of time.
    fn seconds(self) -> Option<i64> {
        match self {
            Unit::Seconds => Some(1),
            Unit::Minutes => Some(60),
            Unit::Days => Some(86_400),
            _ => None,
        }
    }
}

/// The type of a setting, with its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// true or false.
    Bool,
    /// A whole number from `min` to `max` of `unit`.
    Int {
        /// What it counts.
        unit: Unit,
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// At most `max` characters.
    Text {
        /// The longest, in characters.
        max: usize,
    },
    /// A mailbox.
    Mailbox,
    /// A template of this kind.
    Template {
        /// `email` or `sms`.
        kind: &'static str,
        /// The macro it must have: the code it is sent for.
        carries: &'static str,
    },
    /// An SMS provider.
    Provider,
    /// Whom SMS say they are from: a number or a short name.
    SmsSender,
    /// An identity provider.
    Idp,
}

impl Shape {
    /// The word in JSON and tables.
    #[must_use]
    pub(crate) fn code(self) -> &'static str {
        match self {
            Shape::Bool => "bool",
            Shape::Int { .. } => "int",
            Shape::Text { .. } | Shape::SmsSender => "text",
            Shape::Mailbox => "mailbox",
            Shape::Template { .. } => "template",
            Shape::Provider => "sms-provider",
            Shape::Idp => "idp",
        }
    }

    /// Whether a value is of this type.
    pub(crate) fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (Shape::Bool, Value::Number(number)) => matches!(number, 0 | 1),
            (Shape::Int { .. }, Value::Number(_))
            | (Shape::Text { .. } | Shape::SmsSender, Value::Text(_))
            | (
                Shape::Mailbox | Shape::Template { .. } | Shape::Provider | Shape::Idp,
                Value::Thing(..),
            ) => true,
            _ => false,
        }
    }
}

/// A default, as the catalogue writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Nothing.
    None,
    /// A bool (0 or 1) or an int.
    Number(i64),
    /// A text, or the name of a thing every store has.
    Name(&'static str),
}

/// An entry of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its code.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its type and bounds.
    pub shape: Shape,
    /// What it is until it is set.
    pub default: Preset,
    /// One line.
    pub meaning: &'static str,
}

/// A value. References carry the id and the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    None,
    /// A bool (0 or 1) or an int, in the setting's unit.
    Number(i64),
    /// A text.
    Text(String),
    /// A mailbox or a template.
    Thing(i64, String),
}

impl Setting {
    fn refuse(&self, text: &str, rule: &str) -> Error {
        Error::new(
            Kind::InvalidValue,
            format!(
                "`{}` is no value for `{}`: {rule}",
                visible(text),
                self.code
            ),
        )
        .hint(format!(
            "`twofa setting show {}` tells what it takes",
            self.code
        ))
    }

    /// Reads a value, as typed.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] with the type or the bounds; [`Kind::NotFound`] for a thing that is not there.
    pub(crate) fn parse(&self, store: &Store, text: &str) -> Result<Value> {
        match self.shape {
            Shape::Bool => match fold(text).as_str() {
                "true" | "on" | "yes" | "1" => Ok(Value::Number(1)),
                "false" | "off" | "no" | "0" => Ok(Value::Number(0)),
                _ => Err(self.refuse(text, "it is true or false (on, off, yes, no)")),
            },
            Shape::Int { unit, min, max } => {
                self.parse_int(text, unit, min, max).map(Value::Number)
            }
            Shape::Text { max } => {
                // No text at all is the default: where there is one, nothing else can be kept in its place.
                if text.trim().is_empty() {
                    return self.preset(store);
                }
                let text = name::check(&format!("value of {}", self.code), text, max)?;
                // The otpauth URI separates issuer and login with a colon.
                if self.code == TOTP_ISSUER.code && text.contains(':') {
                    return Err(self.refuse(&text, "it must not contain a colon"));
                }
                Ok(Value::Text(text))
            }
            Shape::Mailbox => {
                crate::mailbox::reference(store, text).map(|(id, name)| Value::Thing(id, name))
            }
            Shape::Template { kind, carries } => {
                crate::template::reference(store, text, kind, carries)
                    .map(|(id, name)| Value::Thing(id, name))
            }
            Shape::Provider => {
                crate::sms_provider::reference(store, text).map(|(id, name)| Value::Thing(id, name))
            }
            Shape::SmsSender => {
                if text.trim().is_empty() {
                    return self.preset(store);
                }
                crate::sms_provider::sender(text).map(Value::Text)
            }
            Shape::Idp => {
                crate::idp::reference(store, text).map(|(id, name)| Value::Thing(id, name))
            }
        }
    }

    fn parse_int(&self, text: &str, unit: Unit, min: i64, max: i64) -> Result<i64> {
        let bounds = || {
            format!(
                "it is a whole number from {min} to {max}, in {}",
                unit.code()
            )
        };
        let trimmed = text.trim();
        let value = match (trimmed.parse::<i64>(), unit.seconds()) {
            (Ok(value), _) => value,
            (Err(_), Some(length)) => {
                let span = seconds(trimmed).map_err(|_| self.refuse(text, &bounds()))?;
                if span % length != 0 {
                    return Err(self.refuse(text, &format!("it is kept in whole {}", unit.code())));
                }
                span / length
            }
            (Err(_), None) => return Err(self.refuse(text, &bounds())),
        };
        if (min..=max).contains(&value) {
            Ok(value)
        } else {
            Err(self.refuse(text, &bounds()))
        }
    }

    pub(super) fn preset(&self, store: &Store) -> Result<Value> {
        Ok(match (self.default, self.shape) {
            (Preset::None, _) => Value::None,
            (Preset::Number(number), _) => Value::Number(number),
            (Preset::Name(name), Shape::Template { kind, carries }) => {
                let (id, name) = crate::template::reference(store, name, kind, carries)?;
                Value::Thing(id, name)
            }
            (Preset::Name(name), _) => Value::Text(name.to_owned()),
        })
    }

    /// The value as JSON: typed, a thing by its name.
    #[must_use]
    pub(crate) fn json(&self, value: &Value) -> Json {
        match (value, self.shape) {
            (Value::None, _) => Json::Null,
            (Value::Number(number), Shape::Bool) => Json::Bool(*number != 0),
            (Value::Number(number), _) => Json::from(*number),
            (Value::Text(text) | Value::Thing(_, text), _) => Json::from(text.as_str()),
        }
    }

    /// The value as people read it, with its unit: `15 minutes`, `60 seconds (1m)`.
    #[must_use]
    pub(crate) fn spoken(&self, value: &Value) -> String {
        match (value, self.shape) {
            (Value::Number(number), Shape::Int { unit, .. }) => {
                let count = format!("{number} {}", unit.counted(*number));
                match unit
                    .seconds()
                    .map(|length| spoken(number.saturating_mul(length)))
                {
                    // 90 minutes say more as 1h 30m; 15 minutes as 15m say nothing new.
                    Some(length)
                        if length.contains(' ') || !length.starts_with(&number.to_string()) =>
                    {
                        format!("{count} ({length})")
                    }
                    _ => count,
                }
            }
            (Value::None, _) => "–".to_owned(),
            _ => match self.json(value) {
                Json::String(text) => text,
                other => other.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;
    use crate::store::tests::fresh;

    #[test]
    fn values_are_read_by_type() {
        let fresh = fresh();
        let parse = |setting: &Setting, text: &str| setting.parse(&fresh.store, text);
        for (text, want) in [("on", 1), ("YES", 1), ("True", 1), ("off", 0), ("no", 0)] {
            assert_eq!(
                parse(&ENABLE_2FA, text).unwrap(),
                Value::Number(want),
                "{text}"
            );
        }
        for (setting, text, want) in [
            (&SECOND_FACTOR_CODE_TTL, "5m", 300),
            (&SECOND_FACTOR_CODE_TTL, "86400", 86_400),
            (&USER_LOCKOUT_DURATION, "120s", 2),
            (&USER_LOCKOUT_DURATION, "1h30m", 90),
            (&MAX_AGE, "2w", 14),
            (&TOTP_DRIFT, "0", 0),
        ] {
            assert_eq!(parse(setting, text).unwrap(), Value::Number(want), "{text}");
        }
        for (setting, text, said) in [
            (
                &ENABLE_2FA,
                "maybe",
                "`maybe` is no value for `Enable2FA`: it is true or false (on, off, yes, no)",
            ),
            (
                &SECOND_FACTOR_CODE_TTL,
                "0",
                "`0` is no value for `SecondFactorCodeTTL`: it is a whole number from 1 to 86400, in seconds",
            ),
            (
                &SECOND_FACTOR_CODE_TTL,
                "86401",
                "`86401` is no value for `SecondFactorCodeTTL`: it is a whole number from 1 to 86400, in seconds",
            ),
            (
                &USER_LOCKOUT_DURATION,
                "90s",
                "`90s` is no value for `UserLockoutDuration`: it is kept in whole minutes",
            ),
            (
                &TOTP_DRIFT,
                "5m",
                "`5m` is no value for `TotpDriftSteps`: it is a whole number from 0 to 10, in steps",
            ),
            (
                &TOTP_ISSUER,
                "a:b",
                "`a:b` is no value for `TotpIssuer`: it must not contain a colon",
            ),
        ] {
            let error = parse(setting, text).unwrap_err();
            assert_eq!(
                (error.kind(), error.message().as_str()),
                (Kind::InvalidValue, said)
            );
        }
    }
}
