//! What is sent over HTTP may hold a secret in one form only: as `#Token#`, whose value is sealed. Any other would be kept
//! in the clear, shown, and stand in the audit log.

use serde_json::Value;

use super::is_secret;
use super::rules::bad;
use crate::error::{Error, Result};
use crate::name::visible;
use crate::sms_provider::Http;

/// Names in a body that are for secrets. Fewer than of headers: a body has a `keyword` and an `author`.
const IN_BODY: [&str; 8] = [
    "password", "passwd", "pwd", "secret", "token", "apikey", "api_key", "api-key",
];

impl Http {
    /// Refuses what looks like a secret in the clear: the value of a header, a field of the query or of the body whose
    /// name says so. The value is never repeated.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidValue`].
    pub(crate) fn keeps_nothing_secret(&self) -> Result<()> {
        for (name, value) in &self.headers {
            if is_secret(name) && !is_sealed(value) {
                return Err(refused(&format!("header `{}`", visible(name))));
            }
        }
        let query = self.url.split_once('?').map_or("", |(_, query)| query);
        for (name, value) in pairs(query) {
            if is_secret(name) && !value.is_empty() && !is_macro(value) {
                return Err(refused(&format!(
                    "field `{}` of the address",
                    visible(name)
                )));
            }
        }
        let body = self.body.as_deref().unwrap_or_default();
        let found = match serde_json::from_str::<Value>(body) {
            Ok(document) => in_document(&document),
            Err(_) => pairs(body)
                .find(|(name, value)| is_for_secrets(name) && !is_sealed(value))
                .map(|(name, _)| name.to_owned()),
        };
        match found {
            Some(name) => Err(refused(&format!("field `{}` of the body", visible(&name)))),
            None => Ok(()),
        }
    }
}

fn refused(place: &str) -> Error {
    bad(
        format!("the {place} holds a secret in the clear"),
        "write #Token# in its place, in a header or in the body, and give the secret with --token-stdin",
    )
}

/// `#Token#`, alone or behind the name of a scheme such as `Bearer`.
fn is_sealed(value: &str) -> bool {
    let value = value.trim();
    let scheme = |before: &str| {
        before.is_empty()
            || (before.len() <= 12
                && before.ends_with(' ')
                && before
                    .trim_end()
                    .bytes()
                    .all(|byte| byte.is_ascii_alphabetic()))
    };
    value.strip_suffix("#Token#").is_some_and(scheme) || is_macro(value)
}

/// Another macro alone: a number or a sender is no secret.
fn is_macro(value: &str) -> bool {
    value
        .strip_prefix('#')
        .and_then(|rest| rest.strip_suffix('#'))
        .is_some_and(|name| !name.contains('#'))
}

fn is_for_secrets(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    IN_BODY.iter().any(|word| name.contains(word))
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&').filter_map(|pair| pair.split_once('='))
}

/// The name of the first member, however deep, that is for a secret and holds one in the clear.
fn in_document(document: &Value) -> Option<String> {
    match document {
        Value::Object(members) => members.iter().find_map(|(name, value)| match value {
            Value::String(text) if is_for_secrets(name) && !is_sealed(text) => Some(name.clone()),
            other => in_document(other),
        }),
        Value::Array(values) => values.iter().find_map(in_document),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_clear_is_found() {
        let http = |url: &str, header: (&str, &str), body: &str| Http {
            url: url.to_owned(),
            method: "POST".to_owned(),
            headers: vec![(header.0.to_owned(), header.1.to_owned())],
            body: Some(body.to_owned()),
            username: None,
            success: None,
            receipt: None,
            ca_file: None,
        };
        let plain = ("X-Sender", "a");
        for good in [
            http("https://x/", ("Authorization", "Bearer #Token#"), "{}"),
            http("https://x/", ("X-Api-Key", "#Token#"), "a=b"),
            http(
                "https://x/?to=#Phone#&keyword=",
                plain,
                r#"{"keyword":"a"}"#,
            ),
            http("https://x/", plain, r##"{"auth":{"password":"#Token#"}}"##),
            http("https://x/", plain, "user=a&password=#Token#"),
        ] {
            assert!(good.keeps_nothing_secret().is_ok(), "{good:?}");
        }
        for bad in [
            http("https://x/", ("Authorization", "Basic aHVudGVyMg=="), "{}"),
            http(
                "https://x/",
                ("Authorization", "Basic hunter2hunter2 #Token#"),
                "{}",
            ),
            http("https://x/", ("X-Auth", "hunter2"), "{}"),
            http("https://x/", ("X-Pwd", "hunter2"), "{}"),
            http("https://x/", ("Cookie", "session=hunter2"), "{}"),
            http("https://x/?api_key=hunter2", plain, "{}"),
            http("https://x/", plain, r#"{"a":[{"password":"hunter2"}]}"#),
            http("https://x/", plain, "user=a&password=hunter2"),
        ] {
            let error = bad.keeps_nothing_secret().unwrap_err();
            assert!(!error.message().contains("hunter2"), "{}", error.message());
        }
    }
}
