//! The policy file as it is written: what its sections and keys are. Reading, writing and the published JSON Schema are
//! made from these types, so none of them can say something else.
//!
//! Sections and keys are those that `show` prints. A section that is absent is not managed; a key that is absent stays as
//! it is, and an empty text clears it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::reference::Reference;
use super::schema;
use crate::clock::Time;
use crate::mailbox::{Auth, Tls};
use crate::name::{fold, visible};
use crate::permission::Access;
use crate::user::Type;

/// The only version there is.
pub(super) const VERSION: u32 = 1;

/// A policy: the declared state of a store, or of a part of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "twofa policy")]
pub struct Document {
    /// Where an editor finds the schema of a JSON file; nothing reads it.
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The version of this format: 1.
    #[schemars(schema_with = "schema::version")]
    pub version: u32,
    /// System settings by code. With --prune, those not named are reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::settings")]
    pub settings: Option<Named<Scalar>>,
    /// The 2FA methods by code: email, sms, totp, recovery-codes. With --prune, those not named are disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::methods")]
    pub methods: Option<Named<Method>>,
    /// Mailboxes by name. With --prune, those not named are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailboxes: Option<Named<Mailbox>>,
    /// SMS providers by name. With --prune, those not named are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_providers: Option<Named<SmsProvider>>,
    /// The words of templates, by template and language. With --prune, those not named are the shipped ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templates: Option<Named<Named<Words>>>,
    /// Groups by name. With --prune, those not named are removed, save the built-in ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Named<Group>>,
    /// Users by login. With --prune, those not named are removed, save the first administrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Named<User>>,
    /// Who may, by operation: always the whole list, in order. With --prune, lists not named are those of a new store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::permissions")]
    pub permissions: Option<Named<Vec<Grantee>>>,
}

impl Document {
    /// Leaves these sections, and forgets the others.
    pub(super) fn keep(&mut self, sections: &[&str]) {
        fn unless<T>(keep: bool, section: &mut Option<T>) {
            if !keep {
                *section = None;
            }
        }
        let keep = |section| sections.contains(&section);
        unless(keep("settings"), &mut self.settings);
        unless(keep("methods"), &mut self.methods);
        unless(keep("mailboxes"), &mut self.mailboxes);
        unless(keep("sms_providers"), &mut self.sms_providers);
        unless(keep("templates"), &mut self.templates);
        unless(keep("groups"), &mut self.groups);
        unless(keep("users"), &mut self.users);
        unless(keep("permissions"), &mut self.permissions);
    }
}

/// A 2FA method.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// Whether it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether it is asked first. It enables the method, and no other one is primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
}

/// How a mailbox sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailboxKind {
    /// To an SMTP server.
    Smtp,
    /// Into a directory of .eml files.
    File,
    /// Through a sendmail program.
    Sendmail,
}

/// A mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mailbox {
    /// How it sends; needed for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<MailboxKind>,
    /// Who its messages come from: `ADDRESS` or `NAME <ADDRESS>`; needed for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// smtp: the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// smtp: its port; without it, 25, 587 or 465 as `tls` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// smtp: how the connection is protected; without it, starttls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// smtp: who logs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// smtp: how the server is told so; without it, as the server offers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// smtp: where the password is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Reference>,
    /// smtp: certificates to trust instead of the system's, as an absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// file: the directory; sendmail: the program; as an absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// How an SMS provider sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// A REST interface in Twilio's shape.
    Twilio,
    /// Any other interface over HTTP.
    Http,
    /// A message centre that speaks SMPP 3.4.
    Smpp,
    /// A program of this machine.
    Command,
    /// Into a directory.
    File,
}

/// An SMS provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmsProvider {
    /// How it sends; needed for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProviderKind>,
    /// Whom its messages say they are from; without it, the setting `SmsSenderName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// twilio: the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// http, smpp: who logs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// twilio, http, smpp: where the token or password is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    /// twilio: where the interface is; http: where a message is sent to, with macros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// http: GET, POST or PUT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// http: headers, each as `Name: value`, with macros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<String>>,
    /// http: what is sent, with macros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// http: what counts as success beside the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<String>,
    /// http: where in the answer the receipt is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// smpp: the message centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// smpp: its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// smpp: none or tls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// smpp: the system type that binds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_type: Option<String>,
    /// twilio, http, smpp: certificates to trust instead of the system's, as an absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// command: the program; file: the directory; as an absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// command: its arguments, with macros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Vec<String>>,
}

/// The words of a template in one language, with macros such as `#SecondFactorCode#`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Of an email.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The HTML part of an email; empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// A group. Who is in it and not named stays, unless --prune.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Logins of users who are in it directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
    /// Names of groups that are in it directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the key is `os_user`, as everywhere"
)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Full name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Email address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Phone: + and 7 to 15 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// employee, external or technical; a new one is an employee.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Type>,
    /// Language of messages, as a tag; a new user has en.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Whether they may log in at all; a new one may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// The account of the machine that acts as this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_user: Option<String>,
    /// Names of groups to be in directly, beside those whose `users` name this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
}

/// A row of an operation's list: it names a user or a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schema::user_or_group)]
pub struct Grantee {
    /// A user, by login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A group, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// allow or deny.
    pub access: Access,
    /// From when on the row does not match, as 2026-12-31T12:00:00Z.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "moment"
    )]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<Time>,
}

/// A moment, as text or as TOML has it. A distance such as `in 7d` would be another moment at each reading.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a time such as 2026-12-31T12:00:00Z")]
    enum Written {
        Text(String),
        Toml(toml::value::Datetime),
    }
    let text = match Option::<Written>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Written::Text(text)) => text,
        Some(Written::Toml(moment)) => moment.to_string(),
    };
    // The same moment, whenever it is read: nothing in it counts from now.
    match [Time(0), Time(1)].map(|now| Time::parse(&text, now)) {
        [Ok(first), Ok(second)] if first == second => Ok(Some(first)),
        _ => Err(de::Error::custom(format!(
            "`{}` is no moment: write it as 2026-12-31T12:00:00Z",
            visible(&text)
        ))),
    }
}

/// A value of a setting: true, a number, or a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "true, false, a whole number or a text")]
pub enum Scalar {
    /// true or false.
    Bool(bool),
    /// A whole number, in the setting's unit.
    Int(i64),
    /// A text; of a number with its unit; the name of a thing. Empty: the default.
    Text(String),
}

impl Scalar {
    /// As it would be typed.
    #[must_use]
    pub fn typed(&self) -> String {
        match self {
            Scalar::Bool(value) => value.to_string(),
            Scalar::Int(value) => value.to_string(),
            Scalar::Text(text) => text.clone(),
        }
    }
}

/// Things by name, in the order of the file. Two names that fold to one are refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T> Named<T> {
    /// The thing of a name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        let wanted = fold(name);
        self.0
            .iter()
            .find(|(name, _)| fold(name) == wanted)
            .map(|(_, thing)| thing)
    }

    /// The name as it is written, and the thing, of a folded name.
    pub(super) fn entry(&self, key: &str) -> Option<(&str, &T)> {
        self.iter().find(|(name, _)| fold(name) == key)
    }

    /// Names and things, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> + Clone {
        self.0.iter().map(|(name, thing)| (name.as_str(), thing))
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// What may stand under a name.
pub(super) trait Entry<'de>: Sized {
    /// Reads it.
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// What is written as a table. To serde an array is one too, whose values are taken by their position.
macro_rules! tables {
    ($($table:ty),*) => { $(
        impl<'de> Entry<'de> for $table {
            fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(Table(PhantomData))
            }
        }
    )* };
}

/// What serde reads as it is meant.
macro_rules! others {
    ($($other:ty),*) => { $(
        impl<'de> Entry<'de> for $other {
            fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Deserialize::deserialize(deserializer)
            }
        }
    )* };
}

tables!(Method, Mailbox, SmsProvider, Words, Group, User);
others!(Scalar, Named<Words>, &'de RawValue);

impl<'de> Entry<'de> for Vec<Grantee> {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Row(#[serde(deserialize_with = "row")] Grantee);
        fn row<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Grantee, D::Error> {
            deserializer.deserialize_map(Table(PhantomData))
        }
        let rows = Vec::<Row>::deserialize(deserializer)?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }
}

/// A table of known keys, and nothing else.
struct Table<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Table<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

impl<'de, T: Entry<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names<T>(PhantomData<T>);
        impl<'de, T: Entry<'de>> Visitor<'de> for Names<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut things = Vec::new();
                let mut seen = HashSet::new();
                while let Some(name) = map.next_key_seed(Another(&mut seen))? {
                    things.push((name, map.next_value_seed(Under(PhantomData))?));
                }
                Ok(Named(things))
            }
        }
        deserializer.deserialize_map(Names(PhantomData))
    }
}

/// What stands under a name.
struct Under<T>(PhantomData<T>);

impl<'de, T: Entry<'de>> DeserializeSeed<'de> for Under<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }
}

/// A name that did not stand before. It is judged while it is read, so that the error has its line.
struct Another<'a>(&'a mut HashSet<String>);

impl<'de> DeserializeSeed<'de> for Another<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let name = String::deserialize(deserializer)?;
        if self.0.insert(fold(&name)) {
            Ok(name)
        } else {
            let twice = format!("`{}` stands twice", visible(&name));
            Err(de::Error::custom(twice))
        }
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}
