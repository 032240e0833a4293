//! Where the value of a macro is written to, and how it is written there so that it stays inside.

use url::form_urlencoded::byte_serialize;

use crate::error::{Error, Kind, Result};
use crate::name::{nearest, visible};
use crate::template;

/// What a request may have a macro for.
pub(super) const MACROS: [&str; 5] = ["Phone", "PhoneDigits", "Text", "Sender", "Token"];

/// A place that has rules of its own for what is written into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Path or query of a URL.
    Url,
    /// The value of a header.
    Header,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Inside a string of a JSON document.
    Json,
    /// Text or an attribute's value of an XML document.
    Xml,
    /// Text that has no markup.
    Plain,
}

impl Place {
    /// The place that a body of this type is; `None` where nobody knows how to write a value.
    pub(super) fn of(content_type: &str) -> Option<Place> {
        let kind = content_type.split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        Some(match kind.as_str() {
            "application/x-www-form-urlencoded" => Place::Form,
            "application/json" => Place::Json,
            "application/xml" | "text/xml" => Place::Xml,
            "text/plain" => Place::Plain,
            other if other.ends_with("+json") => Place::Json,
            other if other.ends_with("+xml") => Place::Xml,
            _ => return None,
        })
    }

    /// `template` with `values` in the place of their macros. Values are never searched for macros.
    pub(super) fn fill(self, template: &str, values: &[(&str, &str)]) -> String {
        template::fill(template, values, |value| self.escape(value))
    }

    /// `value` as it stands in this place.
    pub(super) fn escape(self, value: &str) -> String {
        match self {
            Place::Url => percent(value),
            Place::Header => value
                .chars()
                .map(|c| match c {
                    ' '..='~' => c,
                    c if c.is_control() => ' ',
                    _ => '?',
                })
                .collect(),
            Place::Form => byte_serialize(value.as_bytes()).collect(),
            Place::Json => json(value),
            Place::Xml => xml(value),
            Place::Plain => value
                .chars()
                .filter(|c| !c.is_control() || matches!(c, '\n' | '\r'))
                .collect(),
        }
    }
}

/// Everything but the unreserved characters percent-encoded (RFC 3986, section 2.3).
pub(super) fn percent(value: &str) -> String {
    encoded(value, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
    })
}

/// A written part of a URL, with what a URL cannot have percent-encoded (RFC 3986, section 2).
pub(super) fn literal(part: &str) -> String {
    encoded(part, |byte| {
        byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)
    })
}

fn encoded(text: &str, stays: impl Fn(u8) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if stays(byte) {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    safe
}

/// The inside of a JSON string (RFC 8259, section 7).
pub(super) fn json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// What XML 1.0 takes as markup or would normalise, and all beyond ASCII, as character references, which mean the same in
/// every encoding; what XML cannot have is left out (XML 1.0, sections 2.2, 3.3.3 and 4.1).
pub(super) fn xml(value: &str) -> String {
    let mut safe = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => {}
            '"' | '\'' | '\t' | '\n' | '\r' | '\u{7f}'.. => {
                safe.push_str(&format!("&#{};", u32::from(c)));
            }
            c if c.is_control() => {}
            _ => safe.push(c),
        }
    }
    safe
}

/// The macros that stand in `template`, in their order, as often as they stand there.
///
/// # Errors
/// [`Kind::InvalidValue`] for one that is not known, with the near miss.
pub(crate) fn macros(template: &str) -> Result<Vec<&'static str>> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find('#') {
        rest = &rest[at + 1..];
        let word = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .map_or("", |end| &rest[..end]);
        if !rest[word.len()..].starts_with('#') || !word.starts_with(|c: char| c.is_alphabetic()) {
            continue;
        }
        let Some(known) = MACROS.into_iter().find(|known| *known == word) else {
            let error = Error::new(
                Kind::InvalidValue,
                format!("there is no macro `#{}#`", visible(word)),
            );
            return Err(error.hint(match nearest(word, MACROS) {
                Some(near) => format!("did you mean `#{near}#`?"),
                None => "there are #Phone#, #PhoneDigits#, #Text#, #Sender# and #Token#".to_owned(),
            }));
        };
        found.push(known);
        rest = &rest[word.len() + 1..];
    }
    Ok(found)
}

/// Whether every macro of a JSON document stands inside a string: a value full of what ends a string must come back
/// from there as it is.
pub(super) fn holds_in_json(template: &str, count: usize) -> bool {
    const PROBE: &str = "\"\\,}]#probe\u{7}\\\"";
    let values = MACROS.map(|name| (name, PROBE));
    let filled = Place::Json.fill(template, &values);
    serde_json::from_str(&filled).is_ok_and(|document| occurrences(&document, PROBE) == count)
}

/// How often `probe` stands in the strings and keys of a document, whose depth the parser has bounded.
fn occurrences(document: &serde_json::Value, probe: &str) -> usize {
    use serde_json::Value::{Array, Object, String};
    match document {
        String(text) => text.matches(probe).count(),
        Array(items) => items.iter().map(|item| occurrences(item, probe)).sum(),
        Object(members) => members
            .iter()
            .map(|(key, member)| key.matches(probe).count() + occurrences(member, probe))
            .sum(),
        _ => 0,
    }
}

/// Whether every macro of an XML document stands in text or in the value of an attribute: in a comment, an instruction or
/// the name of a tag a value would not stay inside.
pub(super) fn holds_in_xml(template: &str) -> bool {
    let mut rest = template;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let section = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")]
            .into_iter()
            .find(|(start, _)| rest.starts_with(start));
        let (end, bare) = match section {
            Some((_, end)) => {
                let Some(length) = rest.find(end) else {
                    return false;
                };
                (length + end.len(), rest[..length].to_owned())
            }
            None => match tag(rest) {
                Some(tag) => tag,
                None => return false,
            },
        };
        if macros(&bare).map_or(true, |found| !found.is_empty()) {
            return false;
        }
        rest = &rest[end..];
    }
    true
}

/// The length of the tag that `text` begins with, and what of it stands outside of quotes.
fn tag(text: &str) -> Option<(usize, String)> {
    let mut quote = None;
    let mut bare = String::new();
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '>' => return Some((at + 1, bare)),
            None if matches!(c, '"' | '\'') => {
                quote = Some(c);
                bare.push(' ');
            }
            None => bare.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(xml: &str) -> String {
        let mut text = String::new();
        let mut rest = xml;
        while let Some((before, after)) = rest.split_once('&') {
            text.push_str(before);
            let (name, after) = after.split_once(';').unwrap();
            text.push(match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                number => char::from_u32(number[1..].parse().unwrap()).unwrap(),
            });
            rest = after;
        }
        text + rest
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_place(value in any::<String>()) {
            let values = [("Text", value.as_str())];

            let filled = Place::Json.fill(r#"{"a":"x#Text#y","b":1}"#, &values);
            let document: serde_json::Value = serde_json::from_str(&filled).unwrap();
            prop_assert_eq!(document["a"].as_str().unwrap(), format!("x{value}y"));

            let filled = Place::Form.fill("a=1&text=#Text#&b=2", &values);
            let pairs: Vec<_> = url::form_urlencoded::parse(filled.as_bytes()).collect();
            prop_assert_eq!(pairs.len(), 3);
            prop_assert_eq!(pairs[1].1.as_ref(), value.as_str());

            let filled = Place::Url.fill("https://example.com/a?text=#Text#&b=2", &values);
            let url = url::Url::parse(&filled).unwrap();
            let pairs: Vec<_> = url.query_pairs().collect();
            prop_assert_eq!(pairs.len(), 2);
            prop_assert_eq!(pairs[0].1.as_ref(), value.as_str());
            prop_assert_eq!(url.fragment(), None);

            let filled = Place::Header.escape(&value);
            prop_assert!(filled.chars().all(|c| matches!(c, ' '..='~')));

            let filled = Place::Xml.escape(&value);
            prop_assert!(!filled.contains(['<', '>', '"', '\'']) && filled.is_ascii());
            let kept: String = value
                .chars()
                .filter(|c| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'))
                .collect();
            prop_assert_eq!(decoded(&filled), kept);

            let filled = Place::Plain.escape(&value);
            prop_assert!(!filled.contains(|c: char| c.is_control() && c != '\n' && c != '\r'));
        }
    }

    #[test]
    fn values_are_not_searched_for_macros() {
        let values = [("Text", "#Token#"), ("Token", "secret")];
        assert_eq!(
            Place::Plain.fill("#Text# #Token# #Phone#", &values),
            "#Token# secret #Phone#"
        );
    }

    #[test]
    fn types_of_bodies_are_known() {
        for (kind, place) in [
            ("application/json", Some(Place::Json)),
            (
                "Application/Problem+JSON ; charset=utf-8",
                Some(Place::Json),
            ),
            ("application/x-www-form-urlencoded", Some(Place::Form)),
            ("text/xml;charset=utf-8", Some(Place::Xml)),
            ("application/soap+xml", Some(Place::Xml)),
            ("text/plain", Some(Place::Plain)),
            ("text/html", None),
            ("multipart/form-data", None),
            ("", None),
        ] {
            assert_eq!(Place::of(kind), place, "{kind}");
        }
    }

    #[test]
    fn macros_are_found_and_the_near_miss_is_named() {
        assert_eq!(
            macros("#Phone##Text# # #not this# #1# a#Text#b").unwrap(),
            ["Phone", "Text", "Text"]
        );
        let error = macros("x#Phon#").unwrap_err();
        assert_eq!(error.message(), "there is no macro `#Phon#`");
        assert_eq!(error.hint_text(), Some("did you mean `#Phone#`?"));
        let error = macros("#Nothing#").unwrap_err();
        assert!(error.hint_text().unwrap().starts_with("there are #Phone#"));
    }

    #[test]
    fn macros_of_json_stand_in_strings() {
        for (template, count, good) in [
            (r##"{"to":"#Phone#","text":"#Text#"}"##, 2, true),
            (r#"[{"a":["x #Text# y #Text#"]}]"#, 2, true),
            (r##"{"#Phone#":"#Text#"}"##, 2, true),
            (r#"{"to":#PhoneDigits#}"#, 1, false),
            (r#"{"to":"\#Phone#"}"#, 1, false),
            (r#"{"to":"\u00#PhoneDigits#"}"#, 1, false),
            (r##"{"a":"#Text#","a":"x"}"##, 1, false),
            (r##"{"a":"#Text#"} x"##, 1, false),
            (r##"{"a":"#Text#""##, 1, false),
        ] {
            assert_eq!(holds_in_json(template, count), good, "{template}");
        }
        assert!(!holds_in_json(
            &format!("{}\"#Text#\"", "[".repeat(10_000)),
            1
        ));
    }

    #[test]
    fn macros_of_xml_stand_in_text_and_attributes() {
        for (template, good) in [
            (
                "<?xml version='1.0'?><sms to=\"#Phone#\">#Text#</sms>",
                true,
            ),
            ("<a b='>'>#Text#</a>", true),
            ("<a><!-- it's \" --><b c='#Text#'/></a>", true),
            ("<a><!-- #Text# --></a>", false),
            ("<a><![CDATA[#Text#]]></a>", false),
            ("<#Text#/>", false),
            ("<a b=#Text#/>", false),
            ("<a b='#Text#", false),
            ("<?x #Text#?>", false),
        ] {
            assert_eq!(holds_in_xml(template), good, "{template}");
        }
    }
}
