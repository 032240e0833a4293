//! How an SMS provider is reached, as it is stored.

use super::http;
use crate::error::{Error, Kind, Result};
use crate::mailbox::Tls;
use crate::name::{self, visible};
use crate::template::fill;
use crate::user::rules::phone;

/// A REST interface in Twilio's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twilio {
    /// The account, which is the name that logs in as well.
    pub account: String,
    /// Where the interface is: `https://api.twilio.com`, without the path of a version.
    pub url: String,
    /// A file of certificates to trust instead of the system's.
    pub ca_file: Option<String>,
}

/// Any other interface over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where a message is sent to; it may have macros.
    pub url: String,
    /// `GET`, `POST` or `PUT`.
    pub method: String,
    /// Names and values of headers, which may have macros.
    pub headers: Vec<(String, String)>,
    /// What is sent; it may have macros, whose values are written as its type wants them.
    pub body: Option<String>,
    /// Who logs in (RFC 7617), with the secret as the password.
    pub username: Option<String>,
    /// What counts as success beside the status.
    pub success: Option<String>,
    /// Where in the answer the receipt is.
    pub receipt: Option<String>,
    /// A file of certificates to trust instead of the system's.
    pub ca_file: Option<String>,
}

/// A message centre that speaks SMPP 3.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smpp {
    /// Host name, or an address; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is protected: not at all, or TLS from the first byte.
    pub tls: Tls,
    /// The `system_id` that binds.
    pub username: String,
    /// The `system_type` that binds.
    pub system_type: Option<String>,
    /// A file of certificates to trust instead of the system's.
    pub ca_file: Option<String>,
}

/// How an SMS provider sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Twilio, or what speaks like it.
    Twilio(Twilio),
    /// Any interface over HTTP.
    Http(Http),
    /// A message centre.
    Smpp(Smpp),
    /// A program of this machine; the message comes on its standard input.
    Command {
        /// The program.
        program: String,
        /// Its arguments, which may have macros.
        arguments: Vec<String>,
    },
    /// Into a directory, one file a message.
    File {
        /// The directory.
        directory: String,
    },
}

impl Transport {
    /// The word in the store and in `show`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Transport::Twilio(_) => "twilio",
            Transport::Http(_) => "http",
            Transport::Smpp(_) => "smpp",
            Transport::Command { .. } => "command",
            Transport::File { .. } => "file",
        }
    }

    /// Whether a token or password has a use there.
    #[must_use]
    pub fn takes_secret(&self) -> bool {
        matches!(
            self,
            Transport::Twilio(_) | Transport::Http(_) | Transport::Smpp(_)
        )
    }

    /// The option that gives it its secret.
    pub(crate) fn secret_option(&self) -> &'static str {
        match self {
            Transport::Smpp(_) => "--password-stdin",
            Transport::Http(http) if http.username.is_some() => "--password-stdin",
            _ => "--token-stdin",
        }
    }

    /// Whether a secret has anywhere to go.
    #[must_use]
    pub fn uses_secret(&self) -> bool {
        match self {
            Transport::Twilio(_) | Transport::Smpp(_) => true,
            Transport::Http(http) => http.username.is_some() || http.holders().next().is_some(),
            Transport::Command { .. } | Transport::File { .. } => false,
        }
    }

    /// Whether a secret kept for `had` must be given again: whoever edits a provider without knowing its secret must not
    /// have it sent to another server, as another account, unprotected, or where they could read it.
    #[must_use]
    pub fn wants_secret_anew(&self, had: &Transport) -> bool {
        match (self, had) {
            (Transport::Twilio(new), Transport::Twilio(had)) => {
                (&new.account, &new.url) != (&had.account, &had.url)
            }
            (Transport::Http(new), Transport::Http(had)) => {
                (&new.url, &new.method, &new.username) != (&had.url, &had.method, &had.username)
                    || !new.holders().eq(had.holders())
            }
            (Transport::Smpp(new), Transport::Smpp(had)) => {
                let bared = new.tls == Tls::None && had.tls != Tls::None;
                (&new.host, new.port, &new.username) != (&had.host, had.port, &had.username)
                    || bared
            }
            _ => true,
        }
    }

    /// Whether all of it fits together.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`], [`Kind::Usage`] with the rule that is broken.
    pub(super) fn check(&self, has_secret: bool) -> Result<()> {
        if has_secret && !self.takes_secret() {
            return Err(Error::new(
                Kind::Usage,
                "a program and a directory take no token and no password",
            ));
        }
        if self.takes_secret() && !has_secret && !matches!(self, Transport::Http(_)) {
            return Err(Error::new(Kind::MissingAnswer, "a secret is needed")
                .hint(format!("give it with {}", self.secret_option())));
        }
        match self {
            Transport::Smpp(smpp) => smpp.check(),
            Transport::Command { arguments, .. } => {
                arguments.iter().try_for_each(|text| of_a_program(text))
            }
            Transport::Twilio(twilio) => twilio.check(),
            Transport::Http(http) => http
                .keeps_nothing_secret()
                .and_then(|()| http.check(has_secret)),
            Transport::File { .. } => Ok(()),
        }
    }
}

impl Twilio {
    /// Where Twilio's own interface is.
    pub const URL: &'static str = "https://api.twilio.com";
}

impl Http {
    /// The names and words of the places that hold the secret.
    fn holders(&self) -> impl Iterator<Item = (&str, &str)> {
        let body = self.body.as_deref().map(|body| ("", body));
        let headers = self.headers.iter();
        headers
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(body)
            .filter(|(_, words)| words.contains("#Token#"))
    }
}

impl Smpp {
    /// The port that is registered for SMPP (IANA, `smpp`).
    pub(crate) const PORT: u16 = 2775;

    /// Reads `HOST:PORT`.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] with the form.
    pub fn address(text: &str) -> Result<(String, u16)> {
        let bad = || {
            Error::new(
                Kind::InvalidValue,
                format!("`{}` is no message centre", visible(text)),
            )
            .hint("write it as smsc.example.com:2775; the password comes with --password-stdin")
        };
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(bad)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port: u16 = port.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?;
        let sound = !host.is_empty()
            && host
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '/' | '@' | '%'));
        if sound {
            Ok((host.to_owned(), port))
        } else {
            Err(bad())
        }
    }

    /// The fields of a bind have a length of their own (SMPP 3.4, section 4.1.1).
    fn check(&self) -> Result<()> {
        octets("username of a message centre", &self.username, 15)?;
        if let Some(kind) = &self.system_type {
            octets("system type", kind, 12)?;
        }
        Ok(())
    }
}

/// A header as people write it: `Name: value`.
///
/// # Errors
/// [`Kind::InvalidValue`]; what is behind the first word is not repeated.
pub fn header(text: &str) -> Result<(String, String)> {
    match text.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(Error::new(
            Kind::InvalidValue,
            // What is behind the first word may be a secret.
            format!(
                "`{} …` is no header",
                visible(text.split_whitespace().next().unwrap_or_default())
            ),
        )
        .hint("write it as 'Content-Type: application/json'")),
    }
}

fn octets(what: &str, text: &str, longest: usize) -> Result<()> {
    let sound = (1..=longest).contains(&text.len())
        && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if sound {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidValue,
        format!(
            "`{}` is no {what}: it is 1 to {longest} characters of ASCII",
            visible(text)
        ),
    ))
}

/// Whom a message may say it is from: a number (E.164), a short code of 3 to 8 digits, a name of up to 11 letters, digits,
/// blanks, hyphens, dots and underlines, or a service of Twilio's (`MG…`).
///
/// # Errors
/// [`Kind::InvalidValue`] with the forms.
pub fn sender(text: &str) -> Result<String> {
    let text = name::check("sender", text, 50)?;
    let short = (3..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let service = text.len() == 34
        && text.starts_with("MG")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '.' | '_');
    let named = text.len() <= 11
        && text.chars().all(plain)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().any(|c| c.is_ascii_alphabetic());
    if short || service || named || phone(&text).is_ok() {
        return Ok(text);
    }
    Err(Error::new(
        Kind::InvalidValue,
        format!("`{}` is no sender of an SMS", visible(&text)),
    )
    .hint("it is a number such as +493012345678, a short code, or up to 11 letters and digits"))
}

/// An argument of a program with the values in the places of its macros.
pub(crate) fn argument(text: &str, to: &str, from: Option<&str>) -> String {
    let values = [
        ("Phone", to),
        ("PhoneDigits", to.trim_start_matches('+')),
        ("Sender", from.unwrap_or_default()),
    ];
    fill(text, &values, str::to_owned)
}

/// An argument of a program may not hold the words: every account of the machine can read it while the program runs.
fn of_a_program(text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::new(
            Kind::InvalidValue,
            "an argument has a null character in it",
        ));
    }
    match http::macros(text)?
        .into_iter()
        .find(|name| matches!(*name, "Text" | "Token"))
    {
        None => Ok(()),
        Some(name) => Err(Error::new(
            Kind::InvalidValue,
            format!(
                "an argument cannot hold `#{name}#`: everybody on the machine sees the arguments of a program"
            ),
        )
        .hint("the words come on the program's standard input")),
    }
}
