//! Secrets by reference: a policy file says where a secret is, and never what it is.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Result;
use crate::name::fold;
use crate::secret::Secret;

/// Where a secret is: its first line, without the line's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `env:NAME`: a variable of the environment.
    Variable(String),
    /// `file:/PATH`: a file, by its whole path.
    File(String),
    /// `credential:NAME`: a credential that systemd handed to the unit (systemd.exec(5), `LoadCredential=`).
    Credential(String),
}

/// What reads secrets: the library knows no environment.
pub trait Vaults {
    /// The secret that stands there.
    ///
    /// # Errors
    /// [`crate::error::Kind::NotFound`] for a variable that is not set, [`crate::error::Kind::Io`] for what cannot be
    /// read.
    fn read(&self, reference: &Reference) -> Result<Secret>;
}

impl Reference {
    /// Reads `env:NAME`, `file:/PATH` or `credential:NAME`. What is none of these may be a secret, and is not repeated.
    fn parse(text: &str) -> Option<Reference> {
        let (source, place) = text.trim().split_once(':')?;
        let place = place.trim();
        if place.is_empty() || place.contains(['\0', '\n']) {
            return None;
        }
        match source.trim() {
            "env" if !place.contains('=') => Some(Reference::Variable(place.to_owned())),
            "file" if place.starts_with('/') || place.get(1..3) == Some(":\\") => {
                Some(Reference::File(place.to_owned()))
            }
            "credential" if !place.contains('/') && !place.starts_with('.') => {
                Some(Reference::Credential(place.to_owned()))
            }
            _ => None,
        }
    }

    /// The reference that an export gives a secret: where it came from is not kept, so a variable is named after the
    /// thing it belongs to.
    pub(super) fn of(noun: &str, name: &str, field: &str) -> Reference {
        let upper = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        let whole = format!("{noun}_{}_{field}", fold(name));
        Reference::Variable(whole.chars().map(upper).collect())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Variable(name) => write!(f, "env:{name}"),
            Reference::File(path) => write!(f, "file:{path}"),
            Reference::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        const RULE: &str = "a secret does not stand in the file: say where it is, as env:NAME, file:/PATH or credential:NAME";
        // Whatever stands there may be the secret itself: no message repeats it.
        impl Visitor<'_> for Text {
            type Value = Reference;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("env:NAME, file:/PATH or credential:NAME")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Reference, E> {
                Reference::parse(text).ok_or_else(|| E::custom(RULE))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Reference, E> {
                Err(E::custom(RULE))
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Reference, E> {
                Err(E::custom(RULE))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Reference, E> {
                Err(E::custom(RULE))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Reference, E> {
                Err(E::custom(RULE))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for Reference {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Reference".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(env:[^=]+|file:/.+|credential:[^./][^/]*)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_says_where() {
        for (text, want) in [
            (
                "env:SMTP_PASSWORD",
                Some(Reference::Variable("SMTP_PASSWORD".into())),
            ),
            (
                "file:/run/secrets/smtp",
                Some(Reference::File("/run/secrets/smtp".into())),
            ),
            (
                "credential:smtp",
                Some(Reference::Credential("smtp".into())),
            ),
            ("hunter2", None),
            ("env:", None),
            ("env:A=B", None),
            ("file:relative", None),
            ("credential:../../etc/shadow", None),
            ("vault:x", None),
        ] {
            assert_eq!(Reference::parse(text), want, "{text}");
        }
        let reference = Reference::of("mailbox", "Ops & co.", "password");
        assert_eq!(reference.to_string(), "env:MAILBOX_OPS___CO__PASSWORD");
    }

    #[test]
    fn no_message_repeats_what_may_be_a_secret() {
        for text in [
            "\"hunter2\"",
            "4711",
            "1.5",
            "true",
            "[1]",
            "{\"hunter2\": 1}",
        ] {
            let error = serde_json::from_str::<Reference>(text)
                .unwrap_err()
                .to_string();
            assert!(
                !error.contains("hunter2") && !error.contains("4711"),
                "{error}"
            );
        }
    }
}
