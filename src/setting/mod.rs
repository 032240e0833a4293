//! System settings: typed values with a unit, bounds and a default, looked up by code in any case.
//!
//! A setting that points at a mailbox or a template is a reference, so what it points at cannot vanish. The store holds
//! only what differs from the default.

mod catalogue;
mod value;

use std::collections::HashMap;

use rusqlite::named_params;
use serde::Serialize;
use serde_json::Value as Json;

pub use self::catalogue::*;
pub use self::value::{Preset, Setting, Shape, Unit, Value};

use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::name::{self, fold};
use crate::plan::{Change, Op, Plan, Reach};
use crate::store::{Store, Tx};

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
            "SELECT code, number, text, coalesce(mailbox, provider, template, idp),
                    coalesce(mailbox.name, sms_provider.name, template.name, idp.name)
             FROM setting LEFT JOIN mailbox ON mailbox.id = setting.mailbox
                  LEFT JOIN sms_provider ON sms_provider.id = setting.provider
                  LEFT JOIN template ON template.id = setting.template
                  LEFT JOIN idp ON idp.id = setting.idp",
        )?;
        let mut rows = query.query([])?;
        let mut values = HashMap::new();
        while let Some(row) = rows.next()? {
            let value = if let Some(number) = row.get(1)? {
                Value::Number(number)
            } else if let Some(text) = row.get(2)? {
                Value::Text(text)
            } else {
                Value::Thing(row.get(3)?, row.get(4)?)
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
    pub(crate) fn text(&self, setting: &Setting) -> &str {
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

/// The codes of all that stands in the table, and whether the value is of the setting's type; `None`: there is no such
/// setting.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn stored(store: &Store) -> Result<Vec<(String, Option<bool>)>> {
    let Settings(values) = Settings::load(store)?;
    let mut stored: Vec<_> = values
        .into_iter()
        .map(|(code, value)| {
            let setting = ALL.iter().find(|setting| setting.code == code);
            let fits = setting.map(|setting| setting.shape.takes(&value));
            (code, fits)
        })
        .collect();
    stored.sort();
    Ok(stored)
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

    /// Whether it turns 2FA off for everybody, administrators among them.
    fn turns_off(&self, store: &Store) -> Result<bool> {
        Ok(self.sets(&ENABLE_2FA) && Settings::load(store)?.flag(&ENABLE_2FA))
    }

    /// Whether it takes away what sends the codes of a method, from administrators too. That is as good as disabling it.
    fn silences(&self, store: &Store) -> Result<bool> {
        let settings = Settings::load(store)?;
        if !settings.flag(&ENABLE_2FA) {
            return Ok(false);
        }
        let sends = |setting: &Setting| {
            [&MAILBOX_2FA, &SMS_PROVIDER]
                .iter()
                .any(|one| one.code == setting.code)
        };
        let values = self.values(store)?;
        Ok(values.iter().any(|(setting, value)| {
            sends(setting) && matches!(value, Value::None) && settings.thing(setting).is_some()
        }))
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
            // One that is there stays, for a file that declares it declares what is.
            if let (Value::Thing(id, _), Shape::Idp, false) = (&want, setting.shape, have == want) {
                crate::idp::can_be_default(store, *id)?;
            }
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
            let (mut number, mut text) = (None, None);
            let (mut mailbox, mut provider, mut template, mut idp) = (None, None, None, None);
            match (value, setting.shape) {
                (Value::None, _) => continue,
                (Value::Number(value), _) => number = Some(value),
                (Value::Text(value), _) => text = Some(value),
                (Value::Thing(id, _), Shape::Template { .. }) => template = Some(id),
                (Value::Thing(id, _), Shape::Provider) => provider = Some(id),
                (Value::Thing(id, _), Shape::Idp) => idp = Some(id),
                (Value::Thing(id, _), _) => mailbox = Some(id),
            }
            tx.db().execute(
                "INSERT INTO setting (code, number, text, mailbox, provider, template, idp)
                 VALUES (:code, :number, :text, :mailbox, :provider, :template, :idp)",
                named_params! {
                    ":code": setting.code, ":number": number, ":text": text, ":mailbox": mailbox,
                    ":provider": provider, ":template": template, ":idp": idp,
                },
            )?;
        }
        Ok(())
    }

    fn reach(&self, store: &Store) -> Result<Reach> {
        let touches = [
            &ENABLE_2FA,
            &MAILBOX_2FA,
            &SMS_PROVIDER,
            &NO_INTERNAL_PASSWORDS,
        ]
        .into_iter()
        .any(|setting| self.sets(setting));
        // Where nobody has to come through a provider, it matters to nobody which is the default one.
        let sends_elsewhere =
            self.sets(&DEFAULT_SSO) && Settings::load(store)?.flag(&NO_INTERNAL_PASSWORDS);
        Ok(if touches || sends_elsewhere {
            Reach::Everyone
        } else {
            Reach::Nobody
        })
    }

    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        Ok(self.turns_off(store)? || self.silences(store)?)
    }

    fn confirms(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        if self.turns_off(store)? {
            return Ok(Some("turning 2FA off for administrators too".to_owned()));
        }
        Ok(self
            .silences(store)?
            .then(|| "taking away what sends codes, for administrators too".to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
