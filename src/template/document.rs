//! Words as one text: what an editor is given, and how the shipped ones are kept.
//!
//! `Subject: …`, a blank line, the text; then, behind a line `--- html ---`, the HTML. An SMS is its text alone. At the
//! very top may stand lines that begin with `#!`: they explain, and are left out.

use super::Words;
use crate::error::{Error, Kind, Result};

/// How a line begins that explains.
const COMMENT: &str = "#!";
/// The line before the HTML.
const DIVIDER: &str = "--- html ---";
const SUBJECT: &str = "Subject:";

/// Words as a text, below `comments`.
///
/// # Errors
/// [`Kind::InvalidValue`] for words with a line that would be read as the divider.
pub(super) fn compose(comments: &[String], is_email: bool, words: &Words) -> Result<String> {
    let mut whole = String::new();
    for comment in comments {
        whole.push_str(&format!("{COMMENT} {comment}\n"));
    }
    if is_email {
        let subject = words.subject.as_deref().unwrap_or_default();
        whole.push_str(&format!("{SUBJECT} {subject}\n\n"));
    } else {
        // The text may begin with what looks like a comment.
        whole.push('\n');
    }
    for part in [Some(&words.text), words.html.as_ref()]
        .into_iter()
        .flatten()
    {
        if part.lines().any(is_divider) {
            return Err(Error::new(
                Kind::InvalidValue,
                format!(
                    "these words have a line `{DIVIDER}`, which stands before the HTML in an editor"
                ),
            )
            .hint("`twofa template set` changes them from files"));
        }
    }
    whole.push_str(&words.text);
    if !whole.ends_with('\n') {
        whole.push('\n');
    }
    if let Some(html) = &words.html {
        whole.push_str(&format!("{DIVIDER}\n{html}"));
    }
    Ok(whole)
}

fn is_divider(line: &str) -> bool {
    line.trim_end() == DIVIDER
}

/// The words of a text.
///
/// # Errors
/// [`Kind::InvalidValue`] for an email that does not begin with its subject.
pub(super) fn read(is_email: bool, whole: &str) -> Result<Words> {
    let whole = whole.trim_start_matches('\u{feff}');
    let mut rest = whole;
    while rest.starts_with(COMMENT) {
        rest = rest.split_once('\n').map_or("", |(_, after)| after);
    }
    if !is_email {
        let text = without_blank_line(rest);
        return Ok(Words {
            subject: None,
            text: text.to_owned(),
            html: None,
        });
    }
    // White space before the subject is nobody's.
    let rest = rest.trim_start();
    let (first, rest) = rest.split_once('\n').unwrap_or((rest, ""));
    let subject = first.strip_prefix(SUBJECT).ok_or_else(|| {
        Error::new(
            Kind::InvalidValue,
            format!("the first line does not begin with `{SUBJECT}`"),
        )
        .hint("a blank line and the text stand below it")
    })?;
    let rest = without_blank_line(rest);
    let mut at = 0;
    let divider = rest.split_inclusive('\n').find_map(|line| {
        let start = at;
        at += line.len();
        is_divider(line).then_some((start, at))
    });
    let (text, html) = match divider {
        Some((start, end)) => (&rest[..start], Some(&rest[end..])),
        None => (rest, None),
    };
    Ok(Words {
        subject: Some(subject.trim().to_owned()),
        text: text.to_owned(),
        // Nothing below the divider is no HTML.
        html: html
            .filter(|html| !html.trim().is_empty())
            .map(str::to_owned),
    })
}

fn without_blank_line(text: &str) -> &str {
    text.strip_prefix("\r\n")
        .or_else(|| text.strip_prefix('\n'))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(subject: Option<&str>, text: &str, html: Option<&str>) -> Words {
        Words {
            subject: subject.map(str::to_owned),
            text: text.to_owned(),
            html: html.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_read() {
        for (whole, want) in [
            ("Subject: a\n\nb\n", words(Some("a"), "b\n", None)),
            ("#! x\n#!\nSubject:a\nb", words(Some("a"), "b", None)),
            (
                "\u{feff}Subject: a\r\n\r\nb\r\n--- html ---\r\n<p>\r\n",
                words(Some("a"), "b\r\n", Some("<p>\r\n")),
            ),
            (
                "Subject: a\n\nb\n--- html ---\n\n",
                words(Some("a"), "b\n", None),
            ),
            (
                "Subject: a\n\nb\n--- html ---",
                words(Some("a"), "b\n", None),
            ),
            ("Subject:", words(Some(""), "", None)),
        ] {
            assert_eq!(read(true, whole).unwrap(), want, "{whole}");
        }
        assert_eq!(
            read(true, "#! x\nHello\n").unwrap_err().message(),
            "the first line does not begin with `Subject:`"
        );
        assert_eq!(
            read(false, "#! x\n\n#! b\n").unwrap(),
            words(None, "#! b\n", None)
        );
        assert!(compose(&[], true, &words(Some("a"), "b\n--- html ---\nc\n", None)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_composed_is_read_again(
            subject in "\\PC{1,30}",
            text in "(\\PC{0,10}\n){1,4}",
            html in proptest::option::of("(\\PC{0,10}\n){1,4}"),
            is_email in any::<bool>(),
        ) {
            let words = Words {
                subject: is_email.then_some(subject),
                text,
                html: html.filter(|html| is_email && !html.trim().is_empty()),
            };
            let words = words.tidy(is_email);
            prop_assume!(words.subject.as_ref().is_none_or(|subject| !subject.is_empty()));
            let whole = compose(&["Explained".to_owned()], is_email, &words).unwrap();
            prop_assert_eq!(read(is_email, &whole).unwrap().tidy(is_email), words);
        }

        #[test]
        fn any_text_is_read_or_refused(whole in any::<String>(), is_email in any::<bool>()) {
            let _ = read(is_email, &whole);
        }
    }
}
