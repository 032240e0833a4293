//! What an answer over HTTP means: the rule by which it counts as success, and where its receipt is.
//!
//! A rule is conditions with blanks between them; all of them must hold:
//! * `status=200,201`: the status is one of these. Without this condition any of 200 to 299 will do.
//! * `/result/code=0|accepted`: the JSON value at this pointer (RFC 6901) has one of these texts. Numbers and `true`,
//!   `false` and `null` are compared as they are written.
//! * `text~accepted`: the answer has these words in it.
//!
//! In pointers, values and words `%20` stands for a blank, and any other byte can be written that way, as RFC 6901 has it
//! in section 6: `%7C` for `|`, `%3D` for `=`, `%25` for `%`.

use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::name::visible;

/// The longest rule and pointer, in characters.
const LONGEST: usize = 500;

/// What a server said.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn document(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Status(Vec<u16>),
    At {
        pointer: String,
        one_of: Vec<String>,
    },
    Words(String),
}

/// The rule by which an answer counts as success.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Success(Vec<Condition>);

impl Success {
    /// Reads a rule.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] with what is wrong in it.
    pub(crate) fn parse(rule: Option<&str>) -> Result<Success> {
        let Some(rule) = rule else {
            return Ok(Success(Vec::new()));
        };
        if rule.trim().is_empty() || rule.chars().count() > LONGEST {
            return Err(bad(format!(
                "a success rule has between 1 and {LONGEST} characters"
            )));
        }
        let conditions: Vec<Condition> = rule
            .split_whitespace()
            .map(condition)
            .collect::<Result<_>>()?;
        let statuses = conditions
            .iter()
            .filter(|condition| matches!(condition, Condition::Status(_)));
        if statuses.count() > 1 {
            return Err(bad("a success rule has one `status=`, with commas in it"));
        }
        Ok(Success(conditions))
    }

    /// Whether the rule holds for an answer with a status of success.
    ///
    /// # Errors
    /// What does not hold, as a sentence that may repeat what the server said.
    pub(crate) fn judge(&self, answer: &Answer) -> Result<(), String> {
        if !answer.succeeded() {
            return Err(format!("the status is {}", answer.status));
        }
        let document = answer.document();
        for condition in &self.0 {
            match condition {
                Condition::Status(wanted) => {
                    if !wanted.contains(&answer.status) {
                        let wanted: Vec<String> = wanted.iter().map(u16::to_string).collect();
                        return Err(format!(
                            "the status is {}, not {}",
                            answer.status,
                            wanted.join(" or ")
                        ));
                    }
                }
                Condition::At { pointer, one_of } => {
                    let Some(document) = &document else {
                        return Err(format!("the answer is no JSON, so it has no `{pointer}`"));
                    };
                    let found = document
                        .pointer(pointer)
                        .ok_or_else(|| format!("the answer has no `{pointer}`"))?;
                    let found = text(found)
                        .ok_or_else(|| format!("`{pointer}` of the answer is no single value"))?;
                    if !one_of.contains(&found) {
                        return Err(format!(
                            "`{pointer}` is `{found}`, not `{}`",
                            one_of.join("` or `")
                        ));
                    }
                }
                Condition::Words(words) => {
                    if !answer.body.contains(words.as_str()) {
                        return Err(format!("the answer does not have `{words}` in it"));
                    }
                }
            }
        }
        Ok(())
    }
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidValue, message).hint(
        "write conditions with blanks between them: status=200,201 /json/pointer=value|other text~words",
    )
}

fn condition(text: &str) -> Result<Condition> {
    if let Some(statuses) = text.strip_prefix("status=") {
        return statuses
            .split(',')
            .map(|status| {
                let number = status.parse().ok();
                number
                    .filter(|number| status.len() == 3 && (200..300).contains(number))
                    .ok_or_else(|| {
                        bad(format!(
                            "`{}` is no status of success, which are 200 to 299",
                            visible(status)
                        ))
                    })
            })
            .collect::<Result<_>>()
            .map(Condition::Status);
    }
    if let Some(words) = text.strip_prefix("text~") {
        let words = decoded(words)?;
        if words.is_empty() {
            return Err(bad("`text~` has no words"));
        }
        return Ok(Condition::Words(words));
    }
    if text.starts_with('/') {
        let (at, values) = text
            .split_once('=')
            .ok_or_else(|| bad(format!("the condition `{}` has no `=`", visible(text))))?;
        // Other languages have these; here they would be a member called `status!` and a value that begins with `=`.
        if at.ends_with('!') || values.starts_with('=') {
            return Err(bad(format!(
                "the condition `{}` has another sign than `=`, and there is no `not`",
                visible(text)
            )));
        }
        return Ok(Condition::At {
            pointer: pointer(at)?,
            one_of: values.split('|').map(decoded).collect::<Result<_>>()?,
        });
    }
    Err(bad(format!(
        "`{}` is no condition of a success rule",
        visible(text)
    )))
}

/// Reads a JSON pointer, in which `~` stands before `0` or `1` only.
fn pointer(text: &str) -> Result<String> {
    let pointer = decoded(text)?;
    let mut tildes = pointer.split('~').skip(1);
    if pointer.starts_with('/') && tildes.all(|after| after.starts_with(['0', '1'])) {
        return Ok(pointer);
    }
    Err(Error::new(
        Kind::InvalidValue,
        format!("`{}` is no JSON pointer", visible(text)),
    )
    .hint("write it as /messages/0/id; ~1 stands for a slash in a name, ~0 for a tilde"))
}

/// `text` with `%XX` decoded.
fn decoded(text: &str) -> Result<String> {
    let broken = || {
        bad(format!(
            "`{}` is not percent-encoded: `%` stands before two hexadecimal digits, `%25` for itself",
            visible(text)
        ))
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .ok_or_else(broken)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| broken())?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

/// The text of a single JSON value.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

/// Where the receipt of a message is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// In the JSON of the answer.
    At(String),
    /// In a header.
    Header(String),
}

impl Receipt {
    /// Reads `/json/pointer` or `header:NAME`.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`].
    pub(crate) fn parse(place: &str) -> Result<Receipt> {
        if let Some(name) = place.strip_prefix("header:") {
            if super::is_token(name) {
                return Ok(Receipt::Header(name.to_owned()));
            }
        } else if place.starts_with('/') && place.chars().count() <= LONGEST {
            return pointer(place).map(Receipt::At);
        }
        Err(Error::new(
            Kind::InvalidValue,
            format!("`{}` is no place of a receipt", visible(place)),
        )
        .hint("write it as /json/pointer or header:Name"))
    }

    /// The receipt in `answer`, if it is there.
    pub(crate) fn find(&self, answer: &Answer) -> Option<String> {
        match self {
            Receipt::At(pointer) => text(answer.document()?.pointer(pointer)?),
            Receipt::Header(name) => answer.header(name).map(str::to_owned),
        }
        .filter(|found| !found.trim().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: vec![("x-id".to_owned(), "h-1".to_owned())],
            body: body.to_owned(),
        }
    }

    fn judged(rule: &str, status: u16, body: &str) -> String {
        let rule = Success::parse(Some(rule)).unwrap();
        match rule.judge(&answer(status, body)) {
            Ok(()) => "holds".to_owned(),
            Err(why) => why,
        }
    }

    #[test]
    fn rules_hold_or_say_why_not() {
        let json = r#"{"code":0,"ok":true,"none":null,"s":"a b","list":[{"state":"sent"}],"n":1.50,"a/b":"|"}"#;
        for (rule, status, body, said) in [
            ("status=200,202", 202, "", "holds"),
            (
                "status=200,202",
                201,
                "",
                "the status is 201, not 200 or 202",
            ),
            ("/code=0", 200, json, "holds"),
            ("/code=0", 500, json, "the status is 500"),
            ("/code=1|0 /ok=true /none=null", 299, json, "holds"),
            ("/list/0/state=queued|sent", 200, json, "holds"),
            ("/s=a%20b text~sent /a~1b=%7C", 200, json, "holds"),
            ("/code=1", 200, json, "`/code` is `0`, not `1`"),
            ("/s=x|y", 200, json, "`/s` is `a b`, not `x` or `y`"),
            (
                "/list=sent",
                200,
                json,
                "`/list` of the answer is no single value",
            ),
            ("/gone=1", 200, json, "the answer has no `/gone`"),
            (
                "/gone=1",
                200,
                "OK",
                "the answer is no JSON, so it has no `/gone`",
            ),
            ("text~OK", 200, "ID: 7 OK", "holds"),
            (
                "text~OK%20ID",
                200,
                "OK",
                "the answer does not have `OK ID` in it",
            ),
        ] {
            assert_eq!(judged(rule, status, body), said, "{rule}");
        }
        let default = Success::parse(None).unwrap();
        assert!(default.judge(&answer(204, "")).is_ok());
        assert!(default.judge(&answer(302, "")).is_err());
        let deep = "[".repeat(100_000);
        assert!(judged("/0=1", 200, &deep).contains("no JSON"));
    }

    #[test]
    fn rules_that_mean_nothing_are_refused() {
        for (rule, said) in [
            ("", "a success rule has between 1 and 500 characters"),
            ("ok", "`ok` is no condition of a success rule"),
            (
                "status=",
                "`` is no status of success, which are 200 to 299",
            ),
            (
                "status=404",
                "`404` is no status of success, which are 200 to 299",
            ),
            (
                "status=0200",
                "`0200` is no status of success, which are 200 to 299",
            ),
            (
                "status=200 status=201",
                "a success rule has one `status=`, with commas in it",
            ),
            ("/code", "the condition `/code` has no `=`"),
            ("/co~2de=1", "`/co~2de` is no JSON pointer"),
            ("text~", "`text~` has no words"),
            (
                "text~%2",
                "`%2` is not percent-encoded: `%` stands before two hexadecimal digits, `%25` for itself",
            ),
            (
                "text~%ff",
                "`%ff` is not percent-encoded: `%` stands before two hexadecimal digits, `%25` for itself",
            ),
        ] {
            let error = Success::parse(Some(rule)).unwrap_err();
            assert_eq!(error.message(), said, "{rule}");
            assert!(error.hint_text().is_some(), "{rule}");
        }
    }

    #[test]
    fn receipts_are_found() {
        let body = r#"{"messages":[{"id":17}],"empty":" "}"#;
        for (place, found) in [
            ("/messages/0/id", Some("17")),
            ("/messages/1/id", None),
            ("/messages", None),
            ("/empty", None),
            ("header:X-Id", Some("h-1")),
            ("header:Other", None),
        ] {
            let receipt = Receipt::parse(place).unwrap();
            assert_eq!(
                receipt.find(&answer(200, body)).as_deref(),
                found,
                "{place}"
            );
        }
        for place in ["", "id", "header:", "header:a b", "/~", "/%"] {
            assert!(Receipt::parse(place).is_err(), "{place}");
        }
    }
}
