//! The rules that each value of a provider keeps, each once.
//!
//! Every function returns the value as it is stored.

use url::{Host, Url};

use super::vendor::FORMATS;
use super::{Idp, Mapped, Said};
use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};

/// The longest entity id (saml-core-2.0, section 8.3.6).
const ENTITY_ID: usize = 1024;
/// The longest address.
const ADDRESS: usize = 2048;
/// The longest name of an attribute, and the longest value that means something.
const ATTRIBUTE: usize = 500;
/// How many attributes are mapped, and how many contexts are known, at the most.
const MOST: usize = 64;

fn invalid(message: String) -> Error {
    Error::new(Kind::InvalidValue, message)
}

/// The name of a provider.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub(crate) fn name(text: &str) -> Result<String> {
    name::check_typed("name of the identity provider", text, 100)
}

/// An entity id, theirs or ours: it is compared letter by letter.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub(crate) fn entity_id(text: &str) -> Result<String> {
    let id = name::check("entity id", text, ENTITY_ID)?;
    if id.contains(char::is_whitespace) {
        return Err(invalid(format!(
            "the entity id `{}` has a space in it",
            visible(&id)
        )));
    }
    Ok(id)
}

/// An address of the web that a browser is sent to, or posts to: over TLS, save on this machine.
///
/// # Errors
/// [`Kind::InvalidValue`] with the rule.
pub(crate) fn address(text: &str) -> Result<String> {
    let text = name::check("address", text, ADDRESS)?;
    let shown = visible(&text);
    let url =
        Url::parse(&text).map_err(|_| invalid(format!("`{shown}` is no address of the web")))?;
    let is_near = match url.host() {
        Some(Host::Domain(host)) => host == "localhost",
        Some(Host::Ipv4(host)) => host.is_loopback(),
        Some(Host::Ipv6(host)) => host.is_loopback(),
        None => false,
    };
    let why = match url.scheme() {
        "https" => None,
        "http" if is_near => None,
        "http" => Some("is not protected: it is https://, and http:// only for localhost"),
        _ => Some("is no address of the web"),
    };
    let why = why.or_else(|| {
        if !url.username().is_empty() || url.password().is_some() {
            Some("has a user name or a password in it")
        } else if url.fragment().is_some() {
            Some("has a fragment (#…) in it, which no browser sends")
        } else {
            None
        }
    });
    match why {
        Some(why) => Err(invalid(format!("`{shown}` {why}"))),
        None => Ok(text),
    }
}

/// A format of `NameID`: its URI, or a word for it.
///
/// # Errors
/// [`Kind::InvalidValue`] with the words.
pub(crate) fn format(text: &str) -> Result<String> {
    let wanted = fold(text);
    if let Some((_, uri)) = FORMATS.iter().find(|(word, _)| *word == wanted) {
        return Ok((*uri).to_owned());
    }
    let uri = name::check("format of NameID", text, ATTRIBUTE)?;
    if !uri.contains(':') || uri.contains(char::is_whitespace) {
        let words = FORMATS.iter().map(|(word, _)| *word);
        return Err(
            invalid(format!("`{}` is no format of NameID", visible(&uri))).hint(format!(
                "it is {}, or a URI",
                words.collect::<Vec<_>>().join(", ")
            )),
        );
    }
    Ok(uri)
}

/// The name of an attribute.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub(crate) fn attribute(text: &str) -> Result<String> {
    name::check("name of the attribute", text, ATTRIBUTE)
}

/// A value that means something.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub(crate) fn value(text: &str) -> Result<String> {
    name::check("value", text, ATTRIBUTE)
}

/// An attribute with its value, both checked.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub(crate) fn said(said: &Said) -> Result<Said> {
    Ok(Said {
        attribute: attribute(&said.attribute)?,
        value: value(&said.value)?,
    })
}

/// Classes of authentication; what is said twice is there once.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub(crate) fn contexts(given: &[String]) -> Result<Vec<String>> {
    let mut known: Vec<String> = Vec::new();
    for one in given {
        let one = name::check("context", one, ENTITY_ID)?;
        if !known.contains(&one) {
            known.push(one);
        }
    }
    few("contexts", known)
}

/// Attributes and what they say; what is said twice is there once.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub(crate) fn map(given: &[(String, Mapped)]) -> Result<Vec<(String, Mapped)>> {
    let mut map: Vec<(String, Mapped)> = Vec::new();
    for (name, field) in given {
        let pair = (attribute(name)?, *field);
        if !map.contains(&pair) {
            map.push(pair);
        }
    }
    few("mapped attributes", map)
}

fn few<T>(what: &str, list: Vec<T>) -> Result<Vec<T>> {
    if list.len() <= MOST {
        return Ok(list);
    }
    Err(invalid(format!("there are more than {MOST} {what}")))
}

/// Two words with an equals sign between them: the last one, for names of attributes are addresses with a query, and
/// what they stand for is no such thing.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub fn divided<'t>(text: &'t str, form: &str) -> Result<(&'t str, &'t str)> {
    match text.rsplit_once('=') {
        Some((before, after)) if !before.trim().is_empty() && !after.trim().is_empty() => {
            Ok((before, after))
        }
        _ => Err(invalid(format!("`{}` is not {form}", visible(text)))
            .hint(format!("write it as {form}"))),
    }
}

/// Refuses metadata of another provider than the one that is edited: a wrong file would make it that one, in silence.
///
/// # Errors
/// [`Kind::Conflict`] with how it is said that it is meant.
pub fn same_provider(known: &Idp, described: &str) -> Result<()> {
    if known.entity_id == described {
        return Ok(());
    }
    let message = format!(
        "the metadata describes `{}`, and `{}` is `{}`",
        visible(described),
        visible(&known.name),
        visible(&known.entity_id)
    );
    Err(Error::new(Kind::Conflict, message).hint(format!(
        "if it has another entity id now, say so: --entity-id {}",
        name::argument(described)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_protected_and_carries_nothing_else() {
        for good in [
            "https://sso.example.com/saml?tenant=a",
            "http://localhost:8080/acs",
            "http://127.0.0.1/acs",
            "http://[::1]/acs",
            " https://sso.example.com ",
        ] {
            assert_eq!(address(good).unwrap(), good.trim());
        }
        for (bad, why) in [
            ("", "the address `` is blank"),
            (
                "sso.example.com",
                "`sso.example.com` is no address of the web",
            ),
            (
                "ftp://a.example",
                "`ftp://a.example` is no address of the web",
            ),
            (
                "javascript:alert(1)",
                "`javascript:alert(1)` is no address of the web",
            ),
            (
                "http://sso.example.com",
                "`http://sso.example.com` is not protected: it is https://, and http:// only for localhost",
            ),
            (
                "http://localhost.example.com",
                "`http://localhost.example.com` is not protected: it is https://, and http:// only for localhost",
            ),
            (
                "https://a:b@sso.example.com",
                "`https://a:b@sso.example.com` has a user name or a password in it",
            ),
            (
                "https://sso.example.com/#x",
                "`https://sso.example.com/#x` has a fragment (#…) in it, which no browser sends",
            ),
        ] {
            assert_eq!(address(bad).unwrap_err().message(), why);
        }
    }

    #[test]
    fn the_last_equals_sign_divides() {
        let form = "ATTRIBUTE=FIELD";
        assert_eq!(divided("a?b=c=email", form).unwrap(), ("a?b=c", "email"));
        for bad in ["", "a", "=a", "a=", " = "] {
            let error = divided(bad, form).unwrap_err();
            assert_eq!(error.message(), format!("`{bad}` is not ATTRIBUTE=FIELD"));
        }
    }

    #[test]
    fn a_format_has_words() {
        assert_eq!(format("Email").unwrap(), super::super::vendor::EMAIL);
        assert_eq!(format("urn:x:y").unwrap(), "urn:x:y");
        let error = format("mail").unwrap_err();
        assert_eq!(error.message(), "`mail` is no format of NameID");
    }
}
