//! SMS providers: where codes leave by SMS.
//!
//! Through a REST interface in Twilio's shape, any other over HTTP, a message centre that speaks SMPP, a program, or into
//! a directory (the embedded way, for trying things out). Tokens and passwords are sealed.

mod edit;
pub(crate) mod http;
mod transport;

use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row};
use serde::Serialize;

pub use self::edit::{PutProvider, RemoveProvider};
pub(crate) use self::transport::argument;
pub use self::transport::{Http, Smpp, Transport, Twilio, header, sender};

use crate::error::{Error, Kind, Result};
use crate::name::{self, fold};
use crate::secret::Secret;
use crate::store::Store;
use crate::vault::Label;

pub(crate) const SECRET: Label = Label("sms_provider.secret");

/// An SMS provider, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsProvider {
    /// Row id.
    pub id: i64,
    /// Its name, as written.
    pub name: String,
    /// Whom its messages say they are from; `None`: the setting `SmsSenderName`.
    pub from: Option<String>,
    /// How it sends.
    pub transport: Transport,
    secret: Option<Vec<u8>>,
}

impl SmsProvider {
    /// The token or password.
    ///
    /// # Errors
    /// [`Kind::KeyMissing`] and the like.
    pub(crate) fn secret(&self, store: &Store) -> Result<Option<Secret>> {
        let Some(sealed) = &self.secret else {
            return Ok(None);
        };
        let plain = store.unseal(SECRET, self.id, sealed)?;
        let text = std::str::from_utf8(&plain)
            .map_err(|_| Error::new(Kind::Storage, "the secret of an SMS provider is damaged"))?;
        Ok(Some(Secret::new(text.to_owned())))
    }

    /// Whether it has a token or password.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.secret.is_some()
    }
}

const COLUMNS: &str =
    "id, name, sender, secret, kind, username, url, http_method, headers, body, success, receipt,
    host, port, tls, system_type, ca_file, path, arguments";

/// A column of JSON.
fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<SmsProvider> {
    let kind: String = row.get(4)?;
    let transport = match kind.as_str() {
        "twilio" => Transport::Twilio(Twilio {
            account: row.get(5)?,
            url: row.get(6)?,
            ca_file: row.get(16)?,
        }),
        "http" => Transport::Http(Http {
            url: row.get(6)?,
            method: row.get(7)?,
            headers: json(row, 8)?,
            body: row.get(9)?,
            username: row.get(5)?,
            success: row.get(10)?,
            receipt: row.get(11)?,
            ca_file: row.get(16)?,
        }),
        "smpp" => Transport::Smpp(Smpp {
            host: row.get(12)?,
            port: row.get(13)?,
            tls: row.get(14)?,
            username: row.get(5)?,
            system_type: row.get(15)?,
            ca_file: row.get(16)?,
        }),
        "command" => Transport::Command {
            program: row.get(17)?,
            arguments: json(row, 18)?,
        },
        "file" => Transport::File {
            directory: row.get(17)?,
        },
        _ => {
            let unknown = format!("`{kind}` is no kind of SMS provider");
            return Err(rusqlite::Error::FromSqlConversionFailure(
                4,
                Type::Text,
                unknown.into(),
            ));
        }
    };
    Ok(SmsProvider {
        id: row.get(0)?,
        name: row.get(1)?,
        from: row.get(2)?,
        secret: row.get(3)?,
        transport,
    })
}

/// Every SMS provider, by name.
///
/// # Errors
/// [`Kind::Storage`].
pub fn list(store: &Store) -> Result<Vec<SmsProvider>> {
    let mut query = store.db().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM sms_provider ORDER BY name_key"
    ))?;
    let rows = query.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The SMS provider of a name, in any case, if there is one.
pub(crate) fn lookup(store: &Store, name: &str) -> Result<Option<SmsProvider>> {
    let mut query = store.db().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM sms_provider WHERE name_key = ?1"
    ))?;
    Ok(query.query_row([fold(name)], read).optional()?)
}

/// Finds an SMS provider by name, in any case.
///
/// # Errors
/// [`Kind::NotFound`] with the near miss.
pub fn find(store: &Store, name: &str) -> Result<SmsProvider> {
    match lookup(store, name)? {
        Some(provider) => Ok(provider),
        None => Err(name::not_found(
            "SMS provider",
            name,
            candidates(store)?,
            "twofa sms-provider list",
        )),
    }
}

/// The SMS provider of a row id.
pub(crate) fn get(store: &Store, id: i64) -> Result<SmsProvider> {
    let mut query = store
        .db()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM sms_provider WHERE id = ?1"))?;
    Ok(query.query_row([id], read)?)
}

/// Names of SMS providers, for near misses and completion.
///
/// # Errors
/// [`Kind::Storage`].
pub fn candidates(store: &Store) -> Result<Vec<String>> {
    Ok(list(store)?
        .into_iter()
        .map(|provider| provider.name)
        .collect())
}

/// What a setting that points at an SMS provider keeps.
pub(crate) fn reference(store: &Store, name: &str) -> Result<(i64, String)> {
    find(store, name).map(|provider| (provider.id, provider.name))
}

/// An SMS provider as `list` and `show` give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderRow {
    /// Its name.
    pub name: String,
    /// `twilio`, `http`, `smpp`, `command` or `file`.
    pub kind: &'static str,
    /// Whom its messages say they are from.
    pub from: Option<String>,
    /// The account of a Twilio-compatible interface.
    pub account: Option<String>,
    /// Who logs in.
    pub username: Option<String>,
    /// `set`, if there is a token or a password.
    pub secret: Option<&'static str>,
    /// Where the interface is.
    pub url: Option<String>,
    /// The method of HTTP.
    pub method: Option<String>,
    /// Headers, as `Name: value`.
    pub headers: Option<Vec<String>>,
    /// What is sent, with macros.
    pub body: Option<String>,
    /// What counts as success.
    pub success: Option<String>,
    /// Where the receipt is.
    pub receipt: Option<String>,
    /// The message centre.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub tls: Option<&'static str>,
    /// The system type that binds.
    pub system_type: Option<String>,
    /// Certificates to trust.
    pub ca_file: Option<String>,
    /// The directory or the program.
    pub path: Option<String>,
    /// Arguments of the program, with macros.
    pub arguments: Option<Vec<String>>,
}

/// The fields of [`ProviderRow`].
pub const FIELDS: &[&str] = &[
    "name",
    "kind",
    "from",
    "account",
    "username",
    "secret",
    "url",
    "method",
    "headers",
    "body",
    "success",
    "receipt",
    "host",
    "port",
    "tls",
    "system_type",
    "ca_file",
    "path",
    "arguments",
];

impl ProviderRow {
    /// The row of a provider that is, or that shall be.
    fn of(name: &str, from: Option<&str>, transport: &Transport, has_secret: bool) -> ProviderRow {
        let mut row = ProviderRow {
            name: name.to_owned(),
            kind: transport.kind(),
            from: from.map(str::to_owned),
            account: None,
            username: None,
            secret: has_secret.then_some("set"),
            url: None,
            method: None,
            headers: None,
            body: None,
            success: None,
            receipt: None,
            host: None,
            port: None,
            tls: None,
            system_type: None,
            ca_file: None,
            path: None,
            arguments: None,
        };
        match transport {
            Transport::Twilio(twilio) => {
                row.account = Some(twilio.account.clone());
                row.url = Some(twilio.url.clone());
                row.ca_file.clone_from(&twilio.ca_file);
            }
            Transport::Http(http) => {
                let header = |(name, value): &(String, String)| format!("{name}: {value}");
                row.username.clone_from(&http.username);
                row.url = Some(http.url.clone());
                row.method = Some(http.method.clone());
                row.headers = Some(http.headers.iter().map(header).collect());
                row.body.clone_from(&http.body);
                row.success.clone_from(&http.success);
                row.receipt.clone_from(&http.receipt);
                row.ca_file.clone_from(&http.ca_file);
            }
            Transport::Smpp(smpp) => {
                row.username = Some(smpp.username.clone());
                row.host = Some(smpp.host.clone());
                row.port = Some(smpp.port);
                row.tls = Some(smpp.tls.code());
                row.system_type.clone_from(&smpp.system_type);
                row.ca_file.clone_from(&smpp.ca_file);
            }
            Transport::Command { program, arguments } => {
                row.path = Some(program.clone());
                row.arguments = Some(arguments.clone());
            }
            Transport::File { directory } => row.path = Some(directory.clone()),
        }
        row
    }
}

impl From<&SmsProvider> for ProviderRow {
    fn from(provider: &SmsProvider) -> Self {
        ProviderRow::of(
            &provider.name,
            provider.from.as_deref(),
            &provider.transport,
            provider.has_secret(),
        )
    }
}
