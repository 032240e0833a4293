//! Sending an SMS over HTTP: what may be configured, the request that comes of it, and what an answer means. No I/O.
//!
//! A request is a template. What promises that no value leaves its place is [`place`]; that nothing secret is shown,
//! [`Prepared::shown`], which is the template, and [`mask`].

mod answer;
mod clear;
mod mask;
mod place;
mod rules;
pub(crate) mod twilio;

use url::{Position, Url};

pub(crate) use self::mask::{MASKED, Mask};
pub(crate) use self::place::macros;
use self::place::{MACROS, Place, literal};
use zeroize::{Zeroize as _, Zeroizing};

use super::Http;
use crate::secret::Secret;

pub(crate) use self::answer::{Answer, Receipt, Success};

/// The longest URL, in characters.
const LONGEST_URL: usize = 2_000;

/// What a message is made of. It has no `Debug`: there is a code in the text.
pub(crate) struct Values<'a> {
    /// The number: `+` and digits.
    pub(crate) to: &'a str,
    /// Whom it says it is from.
    pub(crate) from: Option<&'a str>,
    /// The words.
    pub(crate) text: &'a str,
    /// The password or token.
    pub(crate) secret: Option<&'a Secret>,
}

/// A request, ready to be sent. It has no `Debug`.
pub(crate) struct Prepared {
    /// Where to connect.
    pub(crate) address: Address,
    /// `GET`, `POST` or `PUT`.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names and values.
    pub(crate) headers: Vec<(String, String)>,
    /// The body of anything but `GET`.
    pub(crate) body: Option<String>,
    /// The request line and the headers as they may be told: the macros of what is secret still stand there.
    pub(crate) shown: Vec<String>,
    /// Hides what is secret in what the server says.
    pub(crate) mask: Mask,
}

impl Drop for Prepared {
    /// Secret and words stand in all three; the library that sends them has copies of its own.
    fn drop(&mut self) {
        self.target.zeroize();
        self.body.zeroize();
        for (_, value) in &mut self.headers {
            value.zeroize();
        }
    }
}

/// The server of a URL, and what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Whether it is reached over TLS.
    pub(crate) secure: bool,
    /// Host name, or an address; IPv6 without brackets.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
    /// `https://host:port`, without a port that goes without saying.
    pub(crate) base: String,
    /// Path and query, macros and all; it begins with `/`.
    tail: String,
}

impl Address {
    /// Reads an absolute URL of http or https, in which macros stand in path and query only. `None` for anything else.
    fn read(text: &str) -> Option<Address> {
        if text.chars().count() > LONGEST_URL
            || text.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return None;
        }
        let (_, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let tail = &rest[end..];
        if tail.starts_with(['#', '\\']) || rest[..end].contains('@') {
            return None;
        }
        let values = MACROS.map(|name| (name, "0"));
        if Place::Plain.fill(tail, &values).contains('#') {
            return None;
        }
        let url = Url::parse(&text[..text.len() - tail.len()]).ok()?;
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = url.host_str().filter(|host| !host.is_empty())?;
        let tail = literal(tail);
        Some(Address {
            secure,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default().filter(|port| *port != 0)?,
            base: url[..Position::BeforePath].to_owned(),
            tail: if tail.starts_with('/') {
                tail
            } else {
                format!("/{tail}")
            },
        })
    }
}

impl Http {
    /// The request that sends a message.
    ///
    /// # Errors
    /// Why there is none, as a sentence without a secret in it.
    pub(crate) fn request(&self, values: &Values<'_>) -> Result<Prepared, String> {
        let address = Address::read(&self.url).ok_or("the URL cannot be used")?;
        let place = match &self.body {
            Some(body) => Some(self.place(body).ok_or("the body is of an unknown type")?),
            None => None,
        };
        let secret = values.secret.map(Secret::expose);
        let known = known(values);
        let shown: Vec<_> = (known.iter().copied())
            .filter(|(name, _)| !matches!(*name, "Text" | "Token"))
            .collect();
        self.can_be_filled(values)?;

        let mut lines = vec![format!(
            "{} {} HTTP/1.1",
            self.method,
            hidden_query(&Place::Url.fill(&address.tail, &shown))
        )];
        let mut headers = Vec::new();
        let mut secrets: Vec<Secret> = secret.map(Secret::from).into_iter().collect();
        if let (Some(username), Some(secret)) = (&self.username, secret) {
            let (header, credentials) = basic(username, secret);
            headers.push(header);
            secrets.push(credentials);
            lines.push("Authorization: ****".to_owned());
        }
        for (name, value) in &self.headers {
            headers.push((name.clone(), Place::Header.fill(value, &known)));
            lines.push(if is_secret(name) {
                format!("{name}: {MASKED}")
            } else {
                format!("{name}: {}", Place::Header.fill(value, &shown))
            });
        }
        if let (Some(body), None) = (&self.body, self.content_type()) {
            let kind = kind_of(body);
            headers.push(("Content-Type".to_owned(), kind.to_owned()));
            lines.push(format!("Content-Type: {kind}"));
        }
        let body = place.zip(self.body.as_ref()).map(|(place, body)| {
            // A file ends with a line break, which would become part of the last field.
            let body = if place == Place::Form {
                body.trim_end_matches(['\r', '\n'])
            } else {
                body
            };
            place.fill(body, &known)
        });
        let secrets: Vec<&str> = secrets.iter().map(Secret::expose).collect();
        Ok(Prepared {
            target: Place::Url.fill(&address.tail, &known),
            address,
            method: self.method.clone(),
            headers,
            body,
            shown: lines,
            mask: Mask::new(&secrets, values.text),
        })
    }

    /// Whether every macro that stands there has a value, and one that can stand there.
    fn can_be_filled(&self, values: &Values<'_>) -> Result<(), String> {
        let in_headers = |name: &str| {
            let name = format!("#{name}#");
            self.headers.iter().any(|(_, value)| value.contains(&name))
        };
        let anywhere = |name: &str| {
            let quoted = format!("#{name}#");
            let body = self.body.as_deref().unwrap_or_default();
            in_headers(name) || self.url.contains(&quoted) || body.contains(&quoted)
        };
        if values.from.is_none() && anywhere("Sender") {
            return Err("there is no sender to put in the place of `#Sender#`".to_owned());
        }
        match values.secret {
            None if anywhere("Token") || self.username.is_some() => {
                Err("there is no secret to log in with".to_owned())
            }
            Some(secret)
                if in_headers("Token")
                    && secret.expose().chars().any(|c| !(' '..='~').contains(&c)) =>
            {
                Err("the secret has a character that cannot stand in a header".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn content_type(&self) -> Option<&str> {
        self.headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("Content-Type"))
            .map(|(_, value)| value.as_str())
    }

    fn place(&self, body: &str) -> Option<Place> {
        Place::of(self.content_type().unwrap_or(kind_of(body)))
    }
}

/// The values of all macros.
fn known<'a>(values: &Values<'a>) -> Vec<(&'static str, &'a str)> {
    vec![
        ("Phone", values.to),
        ("PhoneDigits", values.to.trim_start_matches('+')),
        ("Text", values.text),
        ("Sender", values.from.unwrap_or_default()),
        ("Token", values.secret.map_or("", Secret::expose)),
    ]
}

/// What a body without a type is taken for.
fn kind_of(body: &str) -> &'static str {
    if body.trim_start().starts_with(['{', '[']) {
        "application/json"
    } else {
        "application/x-www-form-urlencoded"
    }
}

/// The header of a login with name and password (RFC 7617), and the credentials in it.
fn basic(username: &str, password: &str) -> ((String, String), Secret) {
    let pair = Zeroizing::new(format!("{username}:{password}"));
    let credentials = Secret::new(data_encoding::BASE64.encode(pair.as_bytes()));
    let value = format!("Basic {}", credentials.expose());
    (("Authorization".to_owned(), value), credentials)
}

/// A name is a token (RFC 9110, section 5.6.2).
fn is_token(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=100).contains(&name.len()) && name.bytes().all(good)
}

/// Whether what has this name is likely to be a secret that was written down where it is not looked for.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = [
        "auth", "key", "token", "secret", "pass", "cookie", "sign", "pwd",
    ];
    words.iter().any(|word| name.contains(word))
}

/// A target with `****` in the place of what looks like a secret in its query.
fn hidden_query(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return target.to_owned();
    };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}={MASKED}"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

#[cfg(test)]
mod tests;
