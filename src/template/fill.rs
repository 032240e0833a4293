//! Values in the places of their macros.
//!
//! What is promised: a value is never searched for macros; it brings no line break and no control character with it,
//! anywhere; in HTML it is text and nothing else, wherever the rules let a macro stand.

use std::ops::Range;

/// The macros and what looks like one, in the order in which [`fill`] finds them: `#`, letters and digits of ASCII, `#`.
pub(super) fn macros(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(hash) = text[at..].find('#') {
        let start = at + hash;
        let inside = &text[start + 1..];
        let length = inside
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(inside.len());
        if length > 0 && inside[length..].starts_with('#') {
            let end = start + length + 2;
            found.push((start..end, &inside[..length]));
            at = end;
        } else {
            at = start + 1;
        }
    }
    found
}

/// Puts `values`, treated by `treat`, in the place of their macros. What has no value stays as it is.
pub(crate) fn fill(text: &str, values: &[(&str, &str)], treat: impl Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut done = 0;
    for (place, name) in macros(text) {
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            filled.push_str(&text[done..place.start]);
            filled.push_str(&treat(value));
            done = place.end;
        }
    }
    filled.push_str(&text[done..]);
    filled
}

/// A value for a subject or a text: spaces where it breaks the line or is a control character.
pub(super) fn plain(value: &str) -> String {
    value
        .chars()
        .map(|c| if breaks(c) { ' ' } else { c })
        .collect()
}

/// Whether a character ends a line or is a control character.
pub(super) fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A value for HTML: plain, and what HTML takes as markup as entities (WHATWG HTML, section 13.1.2.3 and 13.1.2.4).
pub(super) fn escaped(value: &str) -> String {
    let mut safe = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ if breaks(c) => safe.push(' '),
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_take_the_place_of_macros_and_are_not_searched() {
        let values = [
            ("Username", "#SecondFactorCode# <b>"),
            ("SecondFactorCode", "123456"),
            ("SecondFactorCodeTTL", "60"),
        ];
        assert_eq!(
            fill(
                "#Username#: #SecondFactorCode# (#SecondFactorCodeTTL#) #Other# # ##Username#",
                &values,
                plain
            ),
            "#SecondFactorCode# <b>: 123456 (60) #Other# # ##SecondFactorCode# <b>"
        );
    }

    #[test]
    fn what_looks_like_a_macro() {
        for (text, found) in [
            ("#A# b #C1#", vec!["A", "C1"]),
            ("## # # #a b# #ä# #", vec![]),
            ("#fff; #000#", vec!["000"]),
            ("&#39;&#39;", vec![]),
            ("#A#B#", vec!["A"]),
        ] {
            let names: Vec<&str> = macros(text).into_iter().map(|(_, name)| name).collect();
            assert_eq!(names, found, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_value_stays_on_its_line(value in any::<String>()) {
            let filled = fill("Code for #Username#\n", &[("Username", &value)], plain);
            prop_assert_eq!(filled.chars().filter(|c| breaks(*c)).count(), 1);
            prop_assert!(filled.ends_with('\n'));
        }

        #[test]
        fn a_value_is_no_markup(value in any::<String>()) {
            let html = fill("<p>#Username#</p>", &[("Username", &value)], escaped);
            let inside = &html[3..html.len() - 4];
            prop_assert!(!inside.contains(['<', '>', '"', '\'']) && !inside.chars().any(breaks));
            let read = inside.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"")
                .replace("&#39;", "'").replace("&amp;", "&");
            prop_assert_eq!(read, plain(&value));
        }

        #[test]
        fn a_value_is_never_searched(name in "[#a-zA-Z]{0,12}", code in "[0-9]{6}") {
            let value = format!("#Code#{name}#Username#");
            let filled = fill("#Username#|#Code#", &[("Username", &value), ("Code", &code)], plain);
            prop_assert_eq!(filled, format!("{value}|{code}"));
        }

        #[test]
        fn what_is_between_stays(text in any::<String>()) {
            prop_assert_eq!(fill(&text, &[], plain), text);
        }
    }
}
