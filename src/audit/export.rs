//! Rows as lines for other systems: the Common Event Format, bare or carried by syslog.
//!
//! CEF is version 0 as the "Common Event Format" guide of its makers has it, with its escapes: `\` and `|` in the head, `\` and
//! `=` in the extension, line breaks as `\n`. Syslog is RFC 5424 with facility 10 (security, section 6.2.1), no host name (whoever
//! collects knows it) and the event as MSGID.

use std::fmt::Write as _;

use super::{Event, Outcome, Record};

/// How a row is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// CEF alone.
    Cef,
    /// CEF in a syslog message.
    Syslog,
}

impl Lines {
    /// A row as one line, without its end.
    #[must_use]
    pub fn line(self, record: &Record) -> String {
        match self {
            Lines::Cef => cef(record),
            Lines::Syslog => {
                // RFC 5424, section 6.2.1: 5 is "notice", 4 "warning", 3 "error".
                let severity = match outcome(record) {
                    Some(Outcome::Ok) => 5,
                    Some(Outcome::Denied | Outcome::Refused) => 4,
                    Some(Outcome::Failed) | None => 3,
                };
                format!(
                    "<{}>1 {} - twofa - {} - {}",
                    10 * 8 + severity,
                    record.at,
                    printable(&record.event),
                    cef(record)
                )
            }
        }
    }
}

fn outcome(record: &Record) -> Option<Outcome> {
    Outcome::ALL
        .into_iter()
        .find(|one| one.code() == record.outcome)
}

/// A MSGID: printable ASCII without spaces, at most 32 (RFC 5424, section 6.2.7).
fn printable(event: &str) -> String {
    let sound = event.chars().filter(char::is_ascii_graphic).take(32);
    let id: String = sound.collect();
    if id.is_empty() { "-".to_owned() } else { id }
}

fn cef(record: &Record) -> String {
    let known = Event::ALL
        .iter()
        .find(|(event, _)| event.code() == record.event);
    let name = known.map_or(record.event.as_str(), |(_, meaning)| meaning);
    // From 0 to 10.
    let severity = match outcome(record) {
        Some(Outcome::Ok) => 3,
        Some(Outcome::Refused) => 5,
        Some(Outcome::Denied) => 6,
        Some(Outcome::Failed) | None => 8,
    };
    let mut line = format!(
        "CEF:0|twofa|twofa|{}|{}|{}|{severity}|",
        env!("CARGO_PKG_VERSION"),
        head(&record.event),
        head(name)
    );
    let detail = record.detail.as_ref().map(ToString::to_string);
    let fields = [
        ("rt", Some(record.at.0.saturating_mul(1_000).to_string())),
        ("externalId", Some(record.seq.to_string())),
        ("suser", record.actor.clone()),
        ("outcome", Some(record.outcome.clone())),
        ("reason", record.reason.clone()),
        ("msg", record.note.clone()),
    ];
    let labelled = [
        ("cs1", "subject", record.subject.clone()),
        ("cs2", "osUser", record.os_user.clone()),
        ("cs3", "detail", detail),
    ];
    let mut words = Vec::new();
    for (key, value) in fields {
        words.extend(value.map(|value| format!("{key}={}", extension(&value))));
    }
    for (key, label, value) in labelled {
        words.extend(value.map(|value| format!("{key}Label={label} {key}={}", extension(&value))));
    }
    line.push_str(&words.join(" "));
    line
}

/// A field of the head.
fn head(text: &str) -> String {
    escaped(text, '|')
}

/// A value of the extension.
fn extension(text: &str) -> String {
    escaped(text, '=')
}

/// Control characters have no form in a head, and could end a line or drive a terminal: they are written out.
fn escaped(text: &str, special: char) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\\' => safe.push_str("\\\\"),
            c if c == special => {
                safe.push('\\');
                safe.push(c);
            }
            c if c.is_control() => {
                let _ = write!(safe, "\\\\u{:04x}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::clock::Time;

    fn record() -> Record {
        Record {
            seq: 7,
            at: Time(1_767_225_600),
            actor: Some("Supervisor".into()),
            os_user: Some("root".into()),
            event: "login.denied".into(),
            subject: Some("al=ice|\\x".into()),
            outcome: "denied".into(),
            reason: Some("second_factor_wrong".into()),
            note: Some("two\nlines".into()),
            detail: Some(json!({ "method": "totp" })),
            user: Some(2),
            earlier: None,
        }
    }

    #[test]
    fn a_row_as_cef_and_in_syslog() {
        let version = env!("CARGO_PKG_VERSION");
        let cef = format!(
            "CEF:0|twofa|twofa|{version}|login.denied|a login was denied|6|rt=1767225600000 externalId=7 suser=Supervisor \
             outcome=denied reason=second_factor_wrong msg=two\\nlines cs1Label=subject cs1=al\\=ice|\\\\x \
             cs2Label=osUser cs2=root cs3Label=detail cs3={{\"method\":\"totp\"}}"
        );
        assert_eq!(Lines::Cef.line(&record()), cef);
        assert_eq!(
            Lines::Syslog.line(&record()),
            format!("<84>1 2026-01-01T00:00:00Z - twofa - login.denied - {cef}")
        );
    }

    proptest! {
        /// Whatever somebody wrote into a name, a row is one line, and its head has seven bars.
        #[test]
        fn a_row_is_one_line(text in any::<String>(), event in any::<String>()) {
            let record = Record { subject: Some(text.clone()), note: Some(text), event, ..record() };
            for lines in [Lines::Cef, Lines::Syslog] {
                let line = lines.line(&record);
                prop_assert!(!line.chars().any(char::is_control));
                let (_, cef) = line.split_once("CEF:").unwrap();
                let (head, _) = cef.split_once("|rt=").unwrap();
                let bare = head.replace("\\\\", "").replace("\\|", "");
                prop_assert_eq!(bare.matches('|').count(), 6);
            }
        }
    }
}
