//! Reading a policy file: TOML, or JSON where it begins with a brace. What is wrong is told with its line.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::document::{Document, Named, VERSION};
use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};

/// The longest file, in bytes.
pub const LONGEST: u64 = 64 << 20;

/// A file as it was read: its text, to find lines in, and what it declares.
#[derive(Debug)]
pub(super) struct Source {
    text: String,
    pub(super) document: Document,
}

/// Where something stands in a file: `["users", "alice", "email"]`. Elements of arrays go by their number, from 0.
pub(super) type Place = Vec<String>;

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] with the line.
    pub(super) fn read(bytes: &[u8]) -> Result<Source> {
        if bytes.len() as u64 > LONGEST {
            let message = format!("the policy is longer than {} MiB", LONGEST >> 20);
            return Err(Error::new(Kind::InvalidValue, message));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = line_at(bytes, error.valid_up_to());
            at(line, Error::new(Kind::InvalidValue, "it is not UTF-8"))
        })?;
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let document = if is_json(&text) {
            serde_json::from_str(&text).map_err(|error| {
                let said = error.to_string();
                // Behind the sentence stands the place, which is told in front of it.
                let place = format!(" at line {} column {}", error.line(), error.column());
                mistake(said.trim_end_matches(&place), error.line())
            })
        } else {
            toml::from_str(&text).map_err(|error: toml::de::Error| {
                // Only the sentence: the whole message repeats the line, which may hold a secret.
                let start = error.span().map_or(0, |span| span.start);
                mistake(error.message(), line_at(&text, start))
            })
        };
        let document: Document = match document {
            Ok(document) => document,
            Err(error) => return Err(newer(&text).unwrap_or(error)),
        };
        if document.version != VERSION {
            let error = newer(&text).unwrap_or_else(|| unknown_version(document.version.into()));
            return Err(error);
        }
        Ok(Source { text, document })
    }

    /// An error about what stands at `place`, with its line.
    pub(super) fn blame(&self, place: &Place, error: Error) -> Error {
        let parts: Vec<_> = place.iter().map(|part| visible(part)).collect();
        let key = parts.join(".");
        let line = self.line_of(place).unwrap_or(1);
        at(line, error.in_front(&key)).with("key", key)
    }

    /// The line on which something stands, from 1: of the longest part of its place that there is.
    fn line_of(&self, place: &Place) -> Option<usize> {
        let offset = if is_json(&self.text) {
            json_offset(&self.text, place)
        } else {
            toml_offset(&self.text, place)
        };
        offset.map(|offset| line_at(&self.text, offset))
    }
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn line_at(text: impl AsRef<[u8]>, offset: usize) -> usize {
    let before = text.as_ref().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}

/// The same error with its line in front.
fn at(line: usize, error: Error) -> Error {
    error.in_front(&format!("line {line}")).with("line", line)
}

/// What serde has to say, in our words: of a key that is not known, the near miss.
fn mistake(said: &str, line: usize) -> Error {
    let first = said.lines().next().unwrap_or(said);
    let names: Vec<&str> = first.split('`').skip(1).step_by(2).collect();
    let error = match (first, names.as_slice()) {
        (said, [unknown, known @ ..]) if said.starts_with("unknown field") => {
            let message = format!("`{}` is no key here", visible(unknown));
            let error = Error::new(Kind::InvalidValue, message);
            match name::nearest(unknown, known.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("the keys here are {}", known.join(", "))),
            }
        }
        (said, [missing]) if said.starts_with("missing field") => {
            let error = Error::new(Kind::InvalidValue, format!("`{missing}` is missing"));
            if *missing == "version" {
                error.hint(format!("begin the file with `version = {VERSION}`"))
            } else {
                error
            }
        }
        _ => {
            // The names of types are Rust's.
            let said = [
                ("expected u16", "expected a whole number"),
                ("expected u32", "expected a whole number"),
                ("expected i64", "expected a whole number"),
                ("invalid type: sequence", "invalid type: array"),
                ("invalid type: map", "invalid type: table"),
                ("expected a sequence", "expected an array"),
                ("expected a map", "expected a table"),
            ]
            .iter()
            .fold(first.to_owned(), |said, (theirs, ours)| {
                said.replace(theirs, ours)
            });
            Error::new(Kind::InvalidValue, visible(&said).into_owned())
        }
    };
    at(line, error)
}

/// Whether it is a file of a later version, whose other keys say nothing to us.
fn newer(text: &str) -> Option<Error> {
    #[derive(Deserialize)]
    struct Only {
        version: i64,
    }
    let only: Only = if is_json(text) {
        serde_json::from_str(text).ok()?
    } else {
        toml::from_str(text).ok()?
    };
    (only.version != i64::from(VERSION)).then(|| unknown_version(only.version))
}

fn unknown_version(version: i64) -> Error {
    Error::new(
        Kind::InvalidValue,
        format!("version {version} of the policy file is not known"),
    )
    .hint(format!("this twofa reads version {VERSION}"))
}

fn toml_offset(text: &str, place: &Place) -> Option<usize> {
    use toml::de::{DeTable, DeValue};
    let table = DeTable::parse(text).ok()?;
    let mut found = None;
    let mut here: Option<&DeValue<'_>> = None;
    for (depth, part) in place.iter().enumerate() {
        let table = match here {
            None if depth == 0 => table.get_ref(),
            Some(DeValue::Table(table)) => table,
            Some(DeValue::Array(values)) => {
                let value = values.get(part.parse::<usize>().ok()?)?;
                found = Some(value.span().start);
                here = Some(value.get_ref());
                continue;
            }
            _ => break,
        };
        let Some((key, value)) = table
            .iter()
            .find(|(key, _)| fold(key.get_ref()) == fold(part))
        else {
            break;
        };
        found = Some(key.span().start);
        here = Some(value.get_ref());
    }
    found
}

fn json_offset(text: &str, place: &Place) -> Option<usize> {
    let mut here: &RawValue = serde_json::from_str(text).ok()?;
    let mut found = None;
    for part in place {
        let raw = here.get();
        let next: &RawValue = if raw.starts_with('[') {
            let values: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
            values.get(part.parse::<usize>().ok()?)?
        } else if let Ok(table) = serde_json::from_str::<Named<&RawValue>>(raw)
            && let Some(value) = table.get(part)
        {
            value
        } else {
            break;
        };
        // What is borrowed from the text tells by its address where in the text it is.
        found = Some(next.get().as_ptr().addr() - text.as_ptr().addr());
        here = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> (String, Option<String>) {
        let error = Source::read(text.as_bytes()).unwrap_err();
        (error.message(), error.hint_text().map(str::to_owned))
    }

    #[test]
    fn mistakes_are_told_with_their_line_in_both_forms() {
        for (text, message, hint) in [
            (
                "version = 1\n\n[users.alice]\nemial = \"a@example.com\"\n",
                "line 4: `emial` is no key here",
                Some("did you mean `email`?"),
            ),
            (
                "{\"version\": 1,\n \"users\": {\"alice\": {\n \"emial\": \"a@example.com\"}}}",
                "line 3: `emial` is no key here",
                Some("did you mean `email`?"),
            ),
            (
                "version = 1\n[setings]\n",
                "line 2: `setings` is no key here",
                Some("did you mean `settings`?"),
            ),
            (
                "[settings]\nEnable2FA = true\n",
                "line 1: `version` is missing",
                Some("begin the file with `version = 1`"),
            ),
            (
                "version = 1\n[users]\nalice = {}\nALICE = {}\n",
                "line 4: `ALICE` stands twice",
                None,
            ),
            (
                "{\"version\": 1, \"users\": {\"alice\": {},\n\"alice\": {}}}",
                "line 2: `alice` stands twice",
                None,
            ),
            (
                "version = 1\n[permissions]\nCanUse2FA = [{ group = \"x\", access = \"alow\" }]\n",
                "line 3: unknown variant `alow`, expected `allow` or `deny`",
                None,
            ),
            (
                "version = 2\n[frobs]\n",
                "version 2 of the policy file is not known",
                Some("this twofa reads version 1"),
            ),
            (
                "version = 1\n[mailboxes.ops]\npassword = \"hunter2\"\n",
                "line 3: a secret does not stand in the file: say where it is, as env:NAME, file:/PATH or credential:NAME",
                None,
            ),
            (
                "version = 1\n[settings]\nEnable2FA = 1.5\n",
                "line 3: true, false, a whole number or a text",
                None,
            ),
        ] {
            assert_eq!(
                refused(text),
                (message.to_owned(), hint.map(str::to_owned)),
                "{text}"
            );
        }
    }

    /// What stands in an array has no keys, and is not taken by its position.
    #[test]
    fn an_array_is_no_table() {
        for text in [
            "version = 1\n\n[methods]\ntotp = [true, true]\n",
            "version = 1\n\n[templates.x]\nen = ['a', 'b']\n",
            "version = 1\n\n[permissions]\nCanUse2FA = [['x', 'y', 'allow']]\n",
            "{\"version\": 1,\n \"users\":\n {\n\"alice\": [\"Alice\"]}}",
        ] {
            let told = "line 4: invalid type: array, expected a table".to_owned();
            assert_eq!(refused(text), (told, None), "{text}");
        }
    }

    #[test]
    fn a_place_has_a_line() {
        for text in [
            "version = 1\n[users.alice]\nname = 'A'\nemail = 'a'\n[permissions]\nCanUse2FA = [\n  { user = 'x', access = 'deny' },\n  { user = 'y', access = 'deny' },\n]\n",
            "{\"version\": 1, \"users\":\n{\"alice\": {\n\"name\": \"A\", \"email\":\n\"a\"}},\n \"permissions\": {\n\"CanUse2FA\": [\n{\"user\": \"x\", \"access\": \"deny\"},\n{\"user\": \"y\", \"access\": \"deny\"}]}}",
        ] {
            let source = Source::read(text.as_bytes()).unwrap();
            let line = |place: &[&str]| {
                let place = place.iter().map(|part| (*part).to_owned()).collect();
                source.line_of(&place)
            };
            assert_eq!(line(&["users", "Alice", "email"]), Some(4));
            assert_eq!(line(&["permissions", "CanUse2FA", "1"]), Some(8));
            assert_eq!(line(&["nothing"]), None);
        }
    }

    proptest! {
        #[test]
        fn no_file_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Source::read(&bytes);
        }

        #[test]
        fn nothing_like_a_policy_panics(text in "(version = 1\n)?(\\[[a-z.\"]{0,12}\\]\n|[a-z]{1,8} = [\\[{\"'0-9a-z]{0,8}\n){0,6}") {
            let _ = Source::read(text.as_bytes());
        }
    }
}
