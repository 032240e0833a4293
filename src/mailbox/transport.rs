//! How a mailbox sends, and who its messages come from, as they are written on the command line.

use lettre::transport::smtp::authentication::Mechanism;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::name::{self, visible};
use crate::user::rules::email;

/// How an SMTP connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all.
    None,
    /// Plain at first, then STARTTLS (RFC 3207); never falls back.
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
}

impl Tls {
    /// The word on the command line and in the store.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Tls::None => "none",
            Tls::Starttls => "starttls",
            Tls::Tls => "tls",
        }
    }

    /// The port where none is given (RFC 5321, RFC 6409, RFC 8314).
    fn port(self) -> u16 {
        match self {
            Tls::None => 25,
            Tls::Starttls => 587,
            Tls::Tls => 465,
        }
    }
}

impl FromSql for Tls {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_str()?;
        [Tls::None, Tls::Starttls, Tls::Tls]
            .into_iter()
            .find(|tls| tls.code() == code)
            .ok_or(FromSqlError::InvalidType)
    }
}

/// How a server is told who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Name and password at once (RFC 4616).
    Plain,
    /// Name and password one after the other (draft-murchison-sasl-login).
    Login,
    /// Name and an OAuth 2.0 access token, as Google and Microsoft take it.
    Xoauth2,
}

impl Auth {
    const ALL: [Auth; 3] = [Auth::Plain, Auth::Login, Auth::Xoauth2];

    /// The word on the command line and in the store.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Auth::Plain => "plain",
            Auth::Login => "login",
            Auth::Xoauth2 => "xoauth2",
        }
    }

    /// The mechanism of SASL.
    pub(crate) fn mechanism(self) -> Mechanism {
        match self {
            Auth::Plain => Mechanism::Plain,
            Auth::Login => Mechanism::Login,
            Auth::Xoauth2 => Mechanism::Xoauth2,
        }
    }
}

impl FromSql for Auth {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_str()?;
        Auth::ALL
            .into_iter()
            .find(|auth| auth.code() == code)
            .ok_or(FromSqlError::InvalidType)
    }
}

/// An SMTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// Host name, or an address; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// Who logs in there.
    pub username: Option<String>,
    /// How it is told who logs in; `None`: as it offers, PLAIN first, then LOGIN.
    pub auth: Option<Auth>,
    /// A file of certificates to trust instead of the system's.
    pub ca_file: Option<String>,
}

impl Smtp {
    /// Reads `smtp://host[:port]`, `smtps://host[:port]` or `host[:port]`.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] with the form; [`Kind::Usage`] when `smtps` and `tls` contradict.
    pub fn parse(text: &str, tls: Option<Tls>) -> Result<Smtp> {
        let bad = || {
            // What stands before an `@` may be a password, whatever else is wrong with the address.
            let shown = text.rsplit_once('@').map_or_else(
                || visible(text).into_owned(),
                |(_, server)| format!("…@{}", visible(server)),
            );
            Error::new(Kind::InvalidValue, format!("`{shown}` is no SMTP server")).hint(
                "write it as smtp://mail.example.com:587; the password comes with --password-stdin",
            )
        };
        let whole = if text.contains("://") {
            text.trim().to_owned()
        } else {
            format!("smtp://{}", text.trim())
        };
        let url = url::Url::parse(&whole).map_err(|_| bad())?;
        let implicit = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(bad()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            // The address is not repeated: there may be a password in it.
            return Err(Error::new(
                Kind::InvalidValue,
                "the address of an SMTP server has no username or password in it",
            )
            .hint("give them with --username NAME --password-stdin"));
        }
        let bare = url.query().is_none() && url.fragment().is_none();
        if !bare || !matches!(url.path(), "" | "/") {
            return Err(bad());
        }
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or_else(bad)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '%')
        {
            return Err(bad());
        }
        let tls = match (tls, implicit) {
            (None, true) | (Some(Tls::Tls), _) => Tls::Tls,
            (None, false) => Tls::Starttls,
            (Some(tls), false) => tls,
            (Some(tls), true) => {
                return Err(Error::new(
                    Kind::Usage,
                    format!("smtps:// means --tls tls, not --tls {}", tls.code()),
                ));
            }
        };
        let port = url.port().unwrap_or_else(|| tls.port());
        if port == 0 {
            return Err(bad());
        }
        Ok(Smtp {
            host: host.to_owned(),
            port,
            tls,
            username: None,
            auth: None,
            ca_file: None,
        })
    }
}

/// How a mailbox sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// To a server.
    Smtp(Smtp),
    /// Into a directory, one `.eml` file a message.
    File {
        /// The directory.
        directory: String,
    },
    /// Through a program that takes a message on its standard input.
    Sendmail {
        /// The program.
        program: String,
    },
}

impl Transport {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Transport::Smtp(_) => "smtp",
            Transport::File { .. } => "file",
            Transport::Sendmail { .. } => "sendmail",
        }
    }

    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Transport::Smtp(_) => None,
            Transport::File { directory } => Some(directory),
            Transport::Sendmail { program } => Some(program),
        }
    }

    /// Whether a password kept for `had` must be given again: one server's is not for another to learn, nor for a
    /// network that was kept from reading it.
    #[must_use]
    pub fn wants_password_anew(&self, had: &Transport) -> bool {
        let (Some(new), Some(had)) = (self.smtp(), had.smtp()) else {
            return false;
        };
        let moved = (&new.host, new.port) != (&had.host, had.port);
        let bared = new.tls == Tls::None && had.tls != Tls::None;
        let renamed = had.username.is_some() && new.username != had.username;
        new.username.is_some() && (moved || bared || renamed)
    }

    /// Who logs in at the server.
    pub(crate) fn username(&self) -> Option<&str> {
        self.smtp()?.username.as_deref()
    }

    pub(super) fn smtp(&self) -> Option<&Smtp> {
        if let Transport::Smtp(smtp) = self {
            Some(smtp)
        } else {
            None
        }
    }
}

/// A sender: `NAME <ADDRESS>` or the address alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// What people see.
    pub name: Option<String>,
    /// Where it comes from.
    pub address: String,
}

impl From {
    /// Reads `NAME <ADDRESS>` or `ADDRESS`.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`].
    pub fn parse(text: &str) -> Result<From> {
        let trimmed = text.trim();
        let Some(rest) = trimmed.strip_suffix('>') else {
            return Ok(From {
                name: None,
                address: email(trimmed)?,
            });
        };
        let (name, address) = rest.rsplit_once('<').ok_or_else(|| {
            Error::new(
                Kind::InvalidValue,
                format!("`{}` is no sender", visible(trimmed)),
            )
            .hint("write it as NAME <name@example.com>")
        })?;
        let name = name.trim().trim_matches('"').trim();
        let name = if name.is_empty() {
            None
        } else {
            Some(name::check_display("sender's name", name, 100)?)
        };
        Ok(From {
            name,
            address: email(address)?,
        })
    }
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => f.write_str(&self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read() {
        for (text, tls, host, port, want) in [
            (
                "mail.example.com",
                None,
                "mail.example.com",
                587,
                Tls::Starttls,
            ),
            (
                "smtp://mail.example.com:2525",
                Some(Tls::None),
                "mail.example.com",
                2525,
                Tls::None,
            ),
            (
                "smtps://mail.example.com",
                None,
                "mail.example.com",
                465,
                Tls::Tls,
            ),
            ("smtp://[::1]:25", Some(Tls::None), "::1", 25, Tls::None),
            (
                "127.0.0.1:1025",
                Some(Tls::Starttls),
                "127.0.0.1",
                1025,
                Tls::Starttls,
            ),
        ] {
            let smtp = Smtp::parse(text, tls).unwrap();
            assert_eq!(
                (smtp.host.as_str(), smtp.port, smtp.tls),
                (host, port, want),
                "{text}"
            );
        }
        for bad in [
            "",
            "http://x",
            "smtp://",
            "smtp://user:pw@host",
            "smtp://host/path",
            "host:99999",
            "host:0",
            "a b",
        ] {
            assert!(Smtp::parse(bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn senders_are_read() {
        for (text, shown) in [
            ("ops@example.com", "ops@example.com"),
            (
                "Acme Operations <ops@example.com>",
                "Acme Operations <ops@example.com>",
            ),
            (
                "\"Acme, Ltd\" <ops@example.com>",
                "Acme, Ltd <ops@example.com>",
            ),
            ("<ops@example.com>", "ops@example.com"),
        ] {
            assert_eq!(From::parse(text).unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "ops",
            "x <ops>",
            "x ops@example.com>",
            "a\r\nBcc: x <ops@example.com>",
        ] {
            assert!(From::parse(bad).is_err(), "{bad}");
        }
    }
}
