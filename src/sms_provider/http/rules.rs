//! What a provider over HTTP may be told to do: checked once, when it is configured.

use super::place::{Place, holds_in_json, holds_in_xml, macros};
use super::{Address, LONGEST_URL, Receipt, Success, is_token};
use crate::error::{Error, Kind, Result};
use crate::name::visible;
use crate::sms_provider::Http;

/// The most headers.
const MOST_HEADERS: usize = 32;

/// The longest value of a header, in characters.
const LONGEST_HEADER: usize = 2_000;

/// The longest body, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// Headers that are ours to write: they say where a message goes and where it ends, and what of HTTP we speak.
const OURS: [&str; 9] = [
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Accept-Encoding",
    "Expect",
    "TE",
    "Trailer",
    "Upgrade",
];

pub(super) fn bad(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(Kind::InvalidValue, message).hint(hint)
}

impl Http {
    /// Checks all of it. `has_secret`: a password or token is kept beside it.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] with the rule that is broken. No URL with credentials is repeated.
    pub(crate) fn check(&self, has_secret: bool) -> Result<()> {
        url(&self.url)?;
        self.check_method()?;
        self.check_headers()?;
        self.check_body()?;
        self.check_macros(has_secret)?;
        self.check_login(has_secret)?;
        Success::parse(self.success.as_deref())?;
        self.receipt.as_deref().map(Receipt::parse).transpose()?;
        Ok(())
    }

    fn check_method(&self) -> Result<()> {
        match (self.method.as_str(), &self.body) {
            ("GET", None) | ("POST" | "PUT", Some(_)) => Ok(()),
            ("GET", Some(_)) => Err(bad(
                "a GET request has no body",
                "send it with --method POST, or put the macros into the URL",
            )),
            ("POST" | "PUT", None) => Err(bad(
                format!("a {} request needs a body", self.method),
                "give it with --body TEXT or --body-file FILE, or send it with --method GET",
            )),
            (other, _) => Err(bad(
                format!("`{}` is no method for sending", visible(other)),
                "it is GET, POST or PUT",
            )),
        }
    }

    fn check_headers(&self) -> Result<()> {
        if self.headers.len() > MOST_HEADERS {
            return Err(bad(
                format!("there are more than {MOST_HEADERS} headers"),
                "leave out those that the provider does not need",
            ));
        }
        for (at, (name, value)) in self.headers.iter().enumerate() {
            let form = "write it as --header 'Name: value', in ASCII";
            if !is_token(name) {
                return Err(bad(
                    format!("`{}` is no name of a header", visible(name)),
                    form,
                ));
            }
            if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
                return Err(bad(
                    format!("the header `{name}` cannot be set"),
                    "leave it out: it follows from the request",
                ));
            }
            // The value is not repeated: there may be a key in it.
            if value.len() > LONGEST_HEADER || value.chars().any(|c| !(' '..='~').contains(&c)) {
                return Err(bad(
                    format!(
                        "the value of the header `{name}` is not one line of at most {LONGEST_HEADER} visible characters"
                    ),
                    form,
                ));
            }
            let earlier = self.headers[..at].iter();
            if earlier
                .into_iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                return Err(bad(
                    format!("the header `{name}` is given twice"),
                    "give it once, with commas if it has several values",
                ));
            }
        }
        Ok(())
    }

    fn check_body(&self) -> Result<()> {
        let Some(body) = &self.body else {
            return Ok(());
        };
        if body.is_empty() || body.len() > LONGEST_BODY {
            return Err(bad(
                format!("a body has between 1 byte and {} KiB", LONGEST_BODY / 1024),
                "give it with --body TEXT or --body-file FILE",
            ));
        }
        if let Some(charset) = self.content_type().and_then(charset)
            && !charset.eq_ignore_ascii_case("utf-8")
        {
            return Err(bad(
                format!("a body is written in UTF-8, not in `{}`", visible(&charset)),
                "leave the charset out of the header Content-Type, or say utf-8",
            ));
        }
        let found = macros(body)?;
        match self.place(body) {
            None => Err(bad(
                format!(
                    "it is not known how a value is written into `{}`",
                    visible(self.content_type().unwrap_or_default())
                ),
                "the header Content-Type is JSON, XML, text/plain or application/x-www-form-urlencoded",
            )),
            Some(Place::Json) if !holds_in_json(body, found.len()) => Err(bad(
                "the body is not JSON that has every macro inside a string",
                r##"write it as {"to":"#Phone#","text":"#Text#"}"##,
            )),
            Some(Place::Xml) if !holds_in_xml(body) => Err(bad(
                "the body is not XML that has every macro in text or in an attribute",
                "write it as <sms to=\"#Phone#\">#Text#</sms>",
            )),
            Some(Place::Form) if !is_form(body) => Err(bad(
                "the body is no form: pairs of name=value with & between them, in one line",
                "write it as to=#Phone#&text=#Text#, or name its type with --header 'Content-Type: …'",
            )),
            Some(_) => Ok(()),
        }
    }

    fn check_macros(&self, has_secret: bool) -> Result<()> {
        let in_url = macros(&self.url)?;
        let in_body = macros(self.body.as_deref().unwrap_or_default())?;
        let mut in_headers = Vec::new();
        for (_, value) in &self.headers {
            in_headers.extend(macros(value)?);
        }
        let sent = |name: &str| in_url.contains(&name) || in_body.contains(&name);
        let place = "write them into the URL or the body, such as to=#Phone#&text=#Text#";
        if !sent("Text") {
            return Err(bad(
                "#Text# stands neither in the URL nor in the body",
                place,
            ));
        }
        if !sent("Phone") && !sent("PhoneDigits") {
            return Err(bad(
                "neither #Phone# nor #PhoneDigits# stands in the URL or the body",
                place,
            ));
        }
        if in_url.contains(&"Token") {
            return Err(bad(
                "#Token# stands in the URL, and URLs end up in logs",
                "put it into a header, such as --header 'Authorization: Bearer #Token#', or into the body",
            ));
        }
        match (
            in_headers.contains(&"Token") || in_body.contains(&"Token"),
            has_secret,
        ) {
            (true, false) => Err(bad(
                "#Token# has no value",
                "give it with --token-stdin or --token-file FILE",
            )),
            (false, true) if self.username.is_none() => Err(bad(
                "the token is sent nowhere",
                "put #Token# into a header, such as --header 'Authorization: Bearer #Token#', or into the body",
            )),
            _ => Ok(()),
        }
    }

    fn check_login(&self, has_secret: bool) -> Result<()> {
        let Some(username) = &self.username else {
            return Ok(());
        };
        // RFC 7617, section 2.
        if username.is_empty()
            || username.chars().count() > 200
            || username.contains(|c: char| c == ':' || c.is_control())
        {
            return Err(bad(
                format!("`{}` is no username for a login", visible(username)),
                "it has at most 200 characters, no colon and no control character",
            ));
        }
        if !has_secret {
            return Err(bad(
                "a username needs a password",
                "give it with --password-stdin",
            ));
        }
        let taken = self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("Authorization"));
        if taken {
            return Err(bad(
                "there are a username and the header `Authorization`, which is how it would log in",
                "leave one of them out",
            ));
        }
        Ok(())
    }
}

/// Checks an absolute URL of http or https.
pub(super) fn url(text: &str) -> Result<Address> {
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        // It is not repeated: there may be a password in it.
        return Err(bad(
            "a URL has no username or password in it",
            "give them with --username NAME --password-stdin",
        ));
    }
    if text.chars().count() > LONGEST_URL {
        return Err(bad(
            format!("the URL is longer than {LONGEST_URL} characters"),
            "put the macros into a body, and send it with --method POST",
        ));
    }
    macros(text)?;
    Address::read(text).ok_or_else(|| {
        // What stands before an `@` may be a password, whatever else is wrong with the address.
        let shown = text.rsplit_once('@').map_or_else(
            || visible(text).into_owned(),
            |(_, server)| format!("…@{}", visible(server)),
        );
        bad(
            format!("`{shown}` is no URL to send to"),
            "write it as https://api.example.com/sms, without blanks and without a part behind `#`; macros stand in its path and query",
        )
    })
}

/// Whether a body has the shape of a form, but for the end of the file that it comes from.
fn is_form(body: &str) -> bool {
    let body = body.trim_end_matches(['\r', '\n']);
    !body.contains(char::is_control) && body.split('&').all(|pair| pair.contains('='))
}

/// The charset that a type names.
fn charset(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_owned())
    })
}
