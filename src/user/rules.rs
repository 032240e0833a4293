//! The rules a value of a user keeps, each once: `user add`, `user edit` and `user import` use the same.
//!
//! Every function returns the value as it is stored.

use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};
use crate::plan::Warning;

/// A login: 1 to 250 characters, no colon (RFC 7617, section 2, and the otpauth URI take it as a separator).
///
/// # Errors
/// [`Kind::InvalidValue`]; [`Kind::BlankLogin`].
pub fn login(text: &str) -> Result<String> {
    if text.trim().is_empty() {
        return Err(Error::new(Kind::BlankLogin, "the login is blank"));
    }
    let login = name::check_typed("login", text, 250)?;
    if login.contains(':') {
        return Err(Error::new(
            Kind::InvalidValue,
            format!("the login `{}` has a colon in it", visible(&login)),
        )
        .hint("authenticator apps and HTTP take a colon as a separator"));
    }
    Ok(login)
}

/// An email address (RFC 5321, section 4.1.2): `name@domain`, at most 254 characters.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub fn email(text: &str) -> Result<String> {
    let address = name::check("email address", text, 254)?;
    address.parse::<lettre::Address>().map_err(|_| {
        Error::new(
            Kind::InvalidValue,
            format!("`{}` is no email address", visible(&address)),
        )
        .hint("write it as name@example.com")
    })?;
    Ok(address)
}

/// A name that leads to a user: a row of `identity`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    /// The login or address, folded.
    pub(crate) key: String,
    /// Whether it is the login.
    pub(crate) is_login: bool,
    /// Whether codes can go to it.
    pub(crate) is_email: bool,
}

/// The names that lead to a user with this login and address.
pub(crate) fn identities(login: &str, address: Option<&str>) -> Vec<Identity> {
    let login_key = fold(login);
    let email_key = address.map(fold);
    let shared = email_key.as_ref() == Some(&login_key);
    let mut names = vec![Identity {
        // Codes go to a login that is an address where there is no other.
        is_email: shared || (login_key.contains('@') && email(login).is_ok()),
        key: login_key,
        is_login: true,
    }];
    names.extend(email_key.filter(|_| !shared).map(|key| Identity {
        key,
        is_login: false,
        is_email: true,
    }));
    names
}

/// A phone number: `+` and 7 to 15 digits, the first not 0 (E.164).
///
/// # Errors
/// [`Kind::InvalidValue`] with the rule.
pub fn phone(text: &str) -> Result<String> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix('+').unwrap_or("");
    let sound = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if sound {
        return Ok(trimmed.to_owned());
    }
    Err(Error::new(
        Kind::InvalidValue,
        format!(
            "`{}` is no phone number: it is + and 7 to 15 digits, the first not 0",
            visible(trimmed)
        ),
    )
    .hint("write it as +493012345678, without spaces"))
}

/// What is worth saying of a phone number that the numbering plans do not know (ITU-T E.164, as Google's libphonenumber
/// keeps them). Plans change faster than programs: it is never a reason to refuse one.
#[must_use]
pub fn improbable(number: &str) -> Option<Warning> {
    let known = phonenumber::parse(None, number).is_ok_and(|parsed| parsed.is_valid());
    (!known).then(|| Warning {
        kind: "phone_improbable",
        message: format!(
            "no numbering plan knows the phone `{}`: look at it once more.",
            visible(number)
        ),
        hint: None,
    })
}

/// A language tag: letters and hyphens, 2 to 35 characters (RFC 5646, section 4.4.1).
///
/// # Errors
/// [`Kind::InvalidValue`].
pub fn language(text: &str) -> Result<String> {
    let tag = text.trim().to_ascii_lowercase();
    let sound = (2..=35).contains(&tag.len())
        && tag.split('-').all(|part| {
            !part.is_empty()
                && part.len() <= 8
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
        && tag
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic());
    if sound {
        return Ok(tag);
    }
    Err(Error::new(
        Kind::InvalidValue,
        format!("`{}` is no language", visible(text)),
    )
    .hint("write it as en, de or pt-br"))
}

/// An account name of the machine, as useradd(8) takes them, and longer.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub fn os_user(text: &str) -> Result<String> {
    let account = name::check_typed("account", text, 256)?;
    if account
        .chars()
        .any(|c| c.is_whitespace() || matches!(c, ':' | '/'))
    {
        return Err(Error::new(
            Kind::InvalidValue,
            format!("`{}` is no account name", visible(&account)),
        ));
    }
    Ok(account)
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_their_rules() {
        for good in ["+4930123", "+493012345678901", " +1234567 "] {
            assert!(phone(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "4930123456",
            "+0123456789",
            "+123456",
            "+1234567890123456",
            "+49 30 123456",
            "+49a0123456",
        ] {
            assert_eq!(phone(bad).unwrap_err().kind(), Kind::InvalidValue, "{bad}");
        }
        for good in [
            "a@example.com",
            "zoë@example.com",
            "first.last+tag@sub.example.org",
        ] {
            assert!(email(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@",
            "@b",
            "a b@example.com",
            "a@b@c",
            "a@example.com\r\nBcc: x@y.z",
        ] {
            assert_eq!(email(bad).unwrap_err().kind(), Kind::InvalidValue, "{bad}");
        }
        assert_eq!(login("  ").unwrap_err().kind(), Kind::BlankLogin);
        assert_eq!(login("a:b").unwrap_err().kind(), Kind::InvalidValue);
        assert_eq!(language("pt-BR").unwrap(), "pt-br");
        assert!(language("1").is_err());
    }
}
