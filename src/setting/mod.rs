//! System settings: typed values with a unit, bounds and a default, looked up by code in any case.
//!
//! A setting that points at a mailbox or a template is a reference, so what it points at cannot vanish. The store holds
//! only what differs from the default.

mod catalogue;

use std::collections::HashMap;

use rusqlite::{OptionalExtension as _, named_params};
use serde::Serialize;
use serde_json::Value as Json;

pub use self::catalogue::*;

use crate::audit::Event;
use crate::clock::{seconds, spoken};
use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};
use crate::plan::{Change, Op, Plan, Reach};
use crate::store::{Store, Tx};

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
    pub fn code(self) -> &'static str {
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
    },
    /// An SMS provider.
    Provider,
    /// An identity provider.
    Idp,
}

impl Shape {
    /// The word in JSON and tables.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Shape::Bool => "bool",
            Shape::Int { .. } => "int",
            Shape::Text { .. } => "text",
            Shape::Mailbox => "mailbox",
            Shape::Template { .. } => "template",
            Shape::Provider => "sms-provider",
            Shape::Idp => "idp",
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
    /// What does not read it yet, if nothing does.
    pub later: Option<&'static str>,
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

/// Finds a setting by its code, in any case.
///
/// # Errors
/// [`Kind::NotFound`] with the near miss.
pub fn find(code: &str) -> Result<&'static Setting> {
    let wanted = fold(code);
    ALL.iter()
        .find(|setting| fold(setting.code) == wanted)
        .copied()
        .ok_or_else(|| {
            name::not_found(
                "setting",
                code,
                ALL.iter().map(|setting| setting.code),
                "twofa setting list",
            )
        })
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
    pub fn parse(&self, store: &Store, text: &str) -> Result<Value> {
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
                if text.is_empty() {
                    return Ok(Value::None);
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
            Shape::Template { kind } => crate::template::reference(store, text, kind)
                .map(|(id, name)| Value::Thing(id, name)),
            Shape::Provider => Err(Error::new(
                Kind::NotFound,
                format!("no SMS provider is named `{}`", visible(text)),
            )
            .hint("this version sends codes by email only")),
            Shape::Idp => Err(Error::new(
                Kind::NotFound,
                format!("no identity provider is named `{}`", visible(text)),
            )
            .hint("this version has no single sign-on")),
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

    fn preset(&self, store: &Store) -> Result<Value> {
        Ok(match (self.default, self.shape) {
            (Preset::None, _) => Value::None,
            (Preset::Number(number), _) => Value::Number(number),
            (Preset::Name(name), Shape::Template { kind }) => {
                let (id, name) = crate::template::reference(store, name, kind)?;
                Value::Thing(id, name)
            }
            (Preset::Name(name), _) => Value::Text(name.to_owned()),
        })
    }

    /// The value as JSON: typed, a thing by its name.
    #[must_use]
    pub fn json(&self, value: &Value) -> Json {
        match (value, self.shape) {
            (Value::None, _) => Json::Null,
            (Value::Number(number), Shape::Bool) => Json::Bool(*number != 0),
            (Value::Number(number), _) => Json::from(*number),
            (Value::Text(text) | Value::Thing(_, text), _) => Json::from(text.as_str()),
        }
    }

    /// The value as people read it, with its unit: `15 minutes`, `60 seconds (1m)`.
    #[must_use]
    pub fn spoken(&self, value: &Value) -> String {
        match (value, self.shape) {
            (Value::Number(number), Shape::Int { unit, .. }) => match unit.seconds() {
                Some(length) if number * length > 60 && unit != Unit::Days => {
                    format!("{number} {} ({})", unit.code(), spoken(number * length))
                }
                _ => format!("{number} {}", unit.code()),
            },
            (Value::None, _) => "–".to_owned(),
            _ => match self.json(value) {
                Json::String(text) => text,
                other => other.to_string(),
            },
        }
    }
}

/// The settings that differ from their default, read once for a run.
#[derive(Debug, Clone, Default)]
pub struct Settings(HashMap<String, Value>);

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub fn load(store: &Store) -> Result<Settings> {
        let mut query = store.db().prepare_cached(
            "SELECT code, number, text, mailbox.id, mailbox.name, template.id, template.name
             FROM setting LEFT JOIN mailbox ON mailbox.id = setting.mailbox LEFT JOIN template ON template.id = setting.template",
        )?;
        let mut rows = query.query([])?;
        let mut values = HashMap::new();
        while let Some(row) = rows.next()? {
            let value = if let Some(number) = row.get(1)? {
                Value::Number(number)
            } else if let Some(text) = row.get(2)? {
                Value::Text(text)
            } else if let Some(mailbox) = row.get(3)? {
                Value::Thing(mailbox, row.get(4)?)
            } else {
                Value::Thing(row.get(5)?, row.get(6)?)
            };
            values.insert(row.get(0)?, value);
        }
        Ok(Settings(values))
    }

    /// A bool.
    #[must_use]
    pub fn flag(&self, setting: &Setting) -> bool {
        self.number(setting) != 0
    }

    /// An int, in the setting's unit.
    #[must_use]
    pub fn number(&self, setting: &Setting) -> i64 {
        match (self.0.get(setting.code), setting.default) {
            (Some(Value::Number(number)), _) => *number,
            (_, Preset::Number(number)) => number,
            _ => 0,
        }
    }

    /// A text; empty when there is none.
    #[must_use]
    pub fn text(&self, setting: &Setting) -> &str {
        match (self.0.get(setting.code), setting.default) {
            (Some(Value::Text(text) | Value::Thing(_, text)), _) => text,
            (_, Preset::Name(name)) => name,
            _ => "",
        }
    }

    /// The id of the thing a setting points at; `None` when it points nowhere or at its default.
    #[must_use]
    pub fn thing(&self, setting: &Setting) -> Option<i64> {
        match self.0.get(setting.code) {
            Some(Value::Thing(id, _)) => Some(*id),
            _ => None,
        }
    }
}

/// One setting as `list` and `show` give it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingRow {
    /// Its code.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What an int counts.
    pub unit: Option<&'static str>,
    /// What it is.
    pub value: Json,
    /// What it is until it is set.
    pub default: Json,
    /// Whether the two differ.
    pub modified: bool,
    /// The value for eyes.
    #[serde(skip)]
    pub shown: String,
}

fn row(store: &Store, settings: &Settings, setting: &'static Setting) -> Result<SettingRow> {
    let preset = setting.preset(store)?;
    let value = settings
        .0
        .get(setting.code)
        .cloned()
        .unwrap_or_else(|| preset.clone());
    Ok(SettingRow {
        code: setting.code,
        name: setting.name,
        kind: setting.shape.code(),
        unit: if let Shape::Int { unit, .. } = setting.shape {
            Some(unit.code())
        } else {
            None
        },
        value: setting.json(&value),
        default: setting.json(&preset),
        modified: value != preset,
        shown: setting.spoken(&value),
    })
}

/// Every setting with its value.
///
/// # Errors
/// [`Kind::Storage`].
pub fn list(store: &Store) -> Result<Vec<SettingRow>> {
    let settings = Settings::load(store)?;
    ALL.iter()
        .map(|setting| row(store, &settings, setting))
        .collect()
}

/// One setting with its value.
///
/// # Errors
/// [`Kind::Storage`].
pub fn show(store: &Store, setting: &'static Setting) -> Result<SettingRow> {
    row(store, &Settings::load(store)?, setting)
}

/// What `setting set` and `setting reset` ask for: each setting with the text of its new value, `None` to reset.
#[derive(Debug, Clone)]
pub struct SetSettings(pub Vec<(&'static Setting, Option<String>)>);

impl SetSettings {
    /// Reads what was typed: every code is looked up before any value is.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a code, [`Kind::Usage`] for one named twice.
    pub fn read<'a>(
        pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<SetSettings> {
        let mut wanted: Vec<(&'static Setting, Option<String>)> = Vec::new();
        for (code, text) in pairs {
            let setting = find(code)?;
            if wanted.iter().any(|(have, _)| have.code == setting.code) {
                return Err(Error::new(
                    Kind::Usage,
                    format!("`{}` is named twice", setting.code),
                ));
            }
            wanted.push((setting, text.map(str::to_owned)));
        }
        Ok(SetSettings(wanted))
    }

    fn values(&self, store: &Store) -> Result<Vec<(&'static Setting, Value)>> {
        self.0
            .iter()
            .map(|(setting, text)| {
                let value = match text {
                    Some(text) => setting.parse(store, text)?,
                    None => setting.preset(store)?,
                };
                Ok((*setting, value))
            })
            .collect()
    }

    fn sets(&self, setting: &Setting) -> bool {
        self.0.iter().any(|(have, _)| have.code == setting.code)
    }
}

/// The change of one setting's value.
fn change(setting: &Setting, have: &Value, want: &Value) -> Vec<Change> {
    Change::new("setting", setting.code, Op::Edit, Event::SETTING_CHANGED)
        .field("value", setting.json(have), setting.json(want))
        .if_any()
}

impl Plan for SetSettings {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let settings = Settings::load(store)?;
        let mut changes = Vec::new();
        for (setting, want) in self.values(store)? {
            let have = match settings.0.get(setting.code) {
                Some(value) => value.clone(),
                None => setting.preset(store)?,
            };
            changes.extend(change(setting, &have, &want));
        }
        Ok(changes)
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        for (setting, value) in self.values(tx)? {
            tx.db()
                .execute("DELETE FROM setting WHERE code = ?1", [setting.code])?;
            if value == setting.preset(tx)? {
                continue;
            }
            let (mut number, mut text, mut mailbox, mut template) = (None, None, None, None);
            match (value, setting.shape) {
                (Value::None, _) => continue,
                (Value::Number(value), _) => number = Some(value),
                (Value::Text(value), _) => text = Some(value),
                (Value::Thing(id, _), Shape::Template { .. }) => template = Some(id),
                (Value::Thing(id, _), _) => mailbox = Some(id),
            }
            tx.db().execute(
                "INSERT INTO setting (code, number, text, mailbox, template) VALUES (:code, :number, :text, :mailbox, :template)",
                named_params! { ":code": setting.code, ":number": number, ":text": text, ":mailbox": mailbox, ":template": template },
            )?;
        }
        Ok(())
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        let touches = [&ENABLE_2FA, &MAILBOX_2FA, &SMS_PROVIDER]
            .into_iter()
            .any(|setting| self.sets(setting));
        Ok(if touches {
            Reach::Everyone
        } else {
            Reach::Nobody
        })
    }

    fn confirms(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let turns_off = self.sets(&ENABLE_2FA) && Settings::load(store)?.flag(&ENABLE_2FA);
        Ok(turns_off.then(|| "turning 2FA off for administrators too".to_owned()))
    }

    fn question(&self, _store: &Store, changes: &[Change]) -> Result<Option<String>> {
        let enable = changes.iter().find(|change| change.key == ENABLE_2FA.code);
        Ok(enable.and_then(|change| change.fields.first()).map(|field| {
            if field.new == Json::Bool(true) {
                "From now on everybody who may use 2FA will be asked for a second factor at login.".to_owned()
            } else {
                "From now on a password alone will be enough to log in.".to_owned()
            }
        }))
    }
}

/// The codes of settings that point at a mailbox or a template.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn pointing_at(store: &Store, column: &'static str, id: i64) -> Result<Option<String>> {
    let sql = format!("SELECT code FROM setting WHERE {column} = ?1 LIMIT 1");
    Ok(store
        .db()
        .query_row(&sql, [id], |row| row.get(0))
        .optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;

    #[test]
    fn the_catalogue_is_sound() {
        for setting in ALL {
            assert_eq!(
                find(&setting.code.to_uppercase()).unwrap().code,
                setting.code
            );
            assert!(setting.meaning.ends_with('.'), "{}", setting.code);
            if let (Shape::Int { min, max, .. }, Preset::Number(default)) =
                (setting.shape, setting.default)
            {
                assert!(min <= default && default <= max, "{}", setting.code);
            }
        }
    }

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
