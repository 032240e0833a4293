//! What words must keep to, so that every message brings its code and nothing of a value is taken for more than text.

use super::Words;
use super::fill::{breaks, macros};
use super::markup::{self, Broken};
use super::shipped::Shipped;
use crate::error::{Error, Kind, Result};
use crate::name::{argument, nearest, visible};
use crate::plan::Warning;

/// The longest text of an email, and the longest HTML, in bytes.
pub const LONGEST: usize = 64 * 1024;
/// The longest text of an SMS, in characters: more than a message of the longest kind holds.
const LONGEST_SMS: usize = 1_000;
/// The longest subject, in characters.
const LONGEST_SUBJECT: usize = 200;

impl Words {
    /// As they are kept: lines end with a line feed, and so does the text of an email and HTML; a file's byte order mark
    /// goes, and so does the end of an SMS, of which every character counts.
    pub(super) fn tidy(self, is_email: bool) -> Words {
        let lines = |text: &str| {
            let text = text.trim_start_matches('\u{feff}');
            text.replace("\r\n", "\n")
        };
        let whole = |text: &str| {
            let mut text = lines(text);
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text
        };
        Words {
            subject: self.subject.map(|subject| subject.trim().to_owned()),
            text: if is_email {
                whole(&self.text)
            } else {
                lines(&self.text).trim_end_matches('\n').to_owned()
            },
            html: self.html.as_deref().map(whole),
        }
    }
}

/// Checks tidy words against all rules.
pub(super) fn check(template: &Shipped, words: &Words) -> Result<()> {
    match (&words.subject, template.is_email) {
        (Some(subject), true) => check_subject(template, subject)?,
        (None, true) => return Err(broken("an email needs a subject")),
        (Some(_), false) => return Err(broken("an SMS has no subject")),
        (None, false) => {}
    }
    check_text(template, "text", &words.text)?;
    if !template.is_email && words.text.chars().count() > LONGEST_SMS {
        return Err(broken(format!(
            "the text is longer than {LONGEST_SMS} characters"
        )));
    }
    match &words.html {
        Some(_) if !template.is_email => Err(broken("an SMS has no HTML")),
        Some(html) => {
            check_text(template, "HTML", html)?;
            check_markup(html)
        }
        None => Ok(()),
    }
}

/// What is allowed, and better known.
pub(super) fn warnings(template: &Shipped, language: &str, words: &Words) -> Vec<Warning> {
    let code = format!("#{}#", template.code);
    let in_subject = words
        .subject
        .as_ref()
        .is_some_and(|subject| subject.contains(&code));
    let warning = || Warning {
        kind: "code_in_subject",
        message: format!("`{code}` stands in the subject, which a locked screen may show."),
        hint: Some(format!(
            "`twofa template set {} --language {language} --subject SUBJECT` changes it",
            argument(template.name)
        )),
    };
    in_subject.then(warning).into_iter().collect()
}

fn broken(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidValue, message)
}

fn check_subject(template: &Shipped, subject: &str) -> Result<()> {
    if subject.is_empty() {
        return Err(broken("the subject is blank"));
    }
    if subject.chars().any(breaks) {
        return Err(broken(format!(
            "the subject `{}` is not one line without control characters",
            visible(subject)
        )));
    }
    if subject.chars().count() > LONGEST_SUBJECT {
        return Err(broken(format!(
            "the subject is longer than {LONGEST_SUBJECT} characters"
        )));
    }
    check_macros(template, subject)
}

fn check_text(template: &Shipped, part: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(broken(format!("the {part} is blank")));
    }
    if text.len() > LONGEST {
        return Err(broken(format!("the {part} is longer than {LONGEST} bytes")));
    }
    let control = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
    if let Some(c) = text.chars().find(control) {
        return Err(broken(format!(
            "the {part} has the control character {} in it",
            c.escape_unicode()
        )));
    }
    let code = format!("#{}#", template.code);
    if !text.contains(&code) {
        return Err(broken(format!(
            "the {part} has no `{code}`: the message would bring no code"
        ))
        .hint(format!("put {code} where the code shall stand")));
    }
    check_macros(template, text)
}

/// What looks like a macro and is none would reach the reader as it stands: it is a typo.
fn check_macros(template: &Shipped, text: &str) -> Result<()> {
    for (_, name) in macros(text) {
        if template.macros.contains(&name) {
            continue;
        }
        let error = broken(format!(
            "`#{}#` is no macro of this template",
            visible(name)
        ));
        return Err(match nearest(name, template.macros) {
            Some(near) => error
                .hint(format!("did you mean `#{near}#`?"))
                .with("near", format!("#{near}#")),
            None => error.hint(format!("its macros are {}", listed(template.macros))),
        });
    }
    Ok(())
}

/// `#A#, #B#`: macros as they are written.
pub(super) fn listed(macros: &[&str]) -> String {
    let names: Vec<String> = macros.iter().map(|name| format!("#{name}#")).collect();
    names.join(", ")
}

fn check_markup(html: &str) -> Result<()> {
    let spans = markup::spans(html).map_err(|what| match what {
        Broken::Open(what) => broken(format!("the HTML has {what} that does not end")),
        Broken::Style => broken(
            "a style cannot hold `[`, `\\` or `@import`: with these it could give a code away"
                .to_owned(),
        ),
        Broken::Refused(name) => broken(format!(
            "the HTML has the element `{name}`, which no message may have"
        )),
    })?;
    for (place, name) in macros(html) {
        if !markup::allows(&spans, place.start) {
            return Err(broken(format!(
                "`#{name}#` stands in the HTML where a value is not safe"
            ))
            .hint(
                "a macro goes between tags, into the quoted value of a title or an alt, or into the quoted https address of a link, behind its host",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fill::{fill, plain};
    use super::super::shipped::SHIPPED;
    use super::*;

    fn email(subject: &str, text: &str, html: Option<&str>) -> Words {
        Words {
            subject: Some(subject.to_owned()),
            text: text.to_owned(),
            html: html.map(str::to_owned),
        }
        .tidy(true)
    }

    fn said(words: &Words) -> String {
        check(&SHIPPED[0], words).map_or_else(|error| error.message(), |()| "sound".to_owned())
    }

    const CODE: &str = "#SecondFactorCode#";

    #[test]
    fn a_code_comes_with_every_part() {
        assert_eq!(said(&email("Code", CODE, None)), "sound");
        assert_eq!(said(&email("Code", CODE, Some(CODE))), "sound");
        let lost = "has no `#SecondFactorCode#`: the message would bring no code";
        assert_eq!(
            said(&email("Code", "#Username#", None)),
            format!("the text {lost}")
        );
        assert_eq!(
            said(&email("Code", CODE, Some("<p>x</p>"))),
            format!("the HTML {lost}")
        );
        let recovery = check(&SHIPPED[2], &email("Code", "x", None)).unwrap_err();
        assert_eq!(
            recovery.message(),
            "the text has no `#RecoveryToken#`: the message would bring no code"
        );
    }

    #[test]
    fn a_macro_that_is_none_is_a_typo() {
        let error = |text: &str| {
            let error = check(&SHIPPED[0], &email("Code", text, None)).unwrap_err();
            (
                error.message(),
                error.hint_text().unwrap_or_default().to_owned(),
            )
        };
        assert_eq!(
            error("#SecondFactorCode# #username#"),
            (
                "`#username#` is no macro of this template".to_owned(),
                "did you mean `#Username#`?".to_owned()
            )
        );
        assert_eq!(
            error("#SecondFactorCode# #RecoveryToken#").1,
            "its macros are #Username#, #SecondFactorCode#, #SecondFactorCodeTTL#"
        );
        assert_eq!(
            said(&email("For #Usernme#", CODE, None)),
            "`#Usernme#` is no macro of this template"
        );
    }

    #[test]
    fn subjects() {
        for (subject, rule) in [
            ("For #Username#", "sound"),
            (" \t", "the subject is blank"),
            (
                "a\nBcc: b@example.com",
                "the subject `a\\u{a}Bcc: b@example.com` is not one line without control characters",
            ),
            (
                "a\u{2028}b",
                "the subject `a\\u{2028}b` is not one line without control characters",
            ),
        ] {
            assert_eq!(said(&email(subject, CODE, None)), rule);
        }
        assert_eq!(said(&email(&"ä".repeat(200), CODE, None)), "sound");
        assert_eq!(
            said(&email(&"ä".repeat(201), CODE, None)),
            "the subject is longer than 200 characters"
        );
        let shown = email(CODE, CODE, None);
        assert_eq!(said(&shown), "sound");
        assert_eq!(
            warnings(&SHIPPED[0], "en", &shown)[0].kind,
            "code_in_subject"
        );
    }

    #[test]
    fn texts() {
        for (text, rule) in [
            ("#SecondFactorCode#\r\n\tx", "sound"),
            (" \n", "the text is blank"),
            (
                "#SecondFactorCode#\u{1b}[2J",
                "the text has the control character \\u{1b} in it",
            ),
            (
                "#SecondFactorCode#\rx",
                "the text has the control character \\u{d} in it",
            ),
        ] {
            assert_eq!(said(&email("Code", text, None)), rule);
        }
        let long = format!("{CODE}{}", "a".repeat(LONGEST - CODE.len() - 1));
        assert_eq!(said(&email("Code", &long, None)), "sound");
        assert_eq!(
            said(&email("Code", &format!("{long}a"), None)),
            "the text is longer than 65536 bytes"
        );
    }

    #[test]
    fn an_sms_is_a_text_alone() {
        let sms = |subject: Option<&str>, text: String, html: Option<&str>| {
            let words = Words {
                subject: subject.map(str::to_owned),
                text,
                html: html.map(str::to_owned),
            };
            check(&SHIPPED[1], &words.tidy(false))
                .map_or_else(|error| error.message(), |()| "sound".to_owned())
        };
        assert_eq!(sms(None, CODE.into(), None), "sound");
        assert_eq!(sms(Some("a"), CODE.into(), None), "an SMS has no subject");
        assert_eq!(sms(None, CODE.into(), Some(CODE)), "an SMS has no HTML");
        assert_eq!(
            sms(None, format!("{CODE}{}", "ä".repeat(983)), None),
            "the text is longer than 1000 characters"
        );
    }

    #[test]
    fn html() {
        for (html, rule) in [
            (
                "<script>1</script>",
                "the HTML has the element `script`, which no message may have",
            ),
            ("<!-- ", "the HTML has a comment that does not end"),
            (
                "<p #Username#>",
                "`#Username#` stands in the HTML where a value is not safe",
            ),
        ] {
            assert_eq!(
                said(&email("Code", CODE, Some(&format!("{CODE}{html}")))),
                rule
            );
        }
    }

    proptest! {
        #[test]
        fn of_sound_words_no_macro_is_left(
            parts in proptest::collection::vec(
                prop_oneof![Just("#Username#".to_owned()), Just(CODE.to_owned()), "[#a-zA-Z \n]{0,6}"],
                1..8,
            ),
        ) {
            let words = email("Code", &parts.concat(), None);
            prop_assume!(check(&SHIPPED[0], &words).is_ok());
            let values = [("Username", "Alice"), ("SecondFactorCode", "123456"), ("SecondFactorCodeTTL", "60")];
            let filled = fill(&words.text, &values, plain);
            prop_assert!(filled.contains("123456"));
            for name in SHIPPED[0].macros {
                let whole = format!("#{name}#");
                prop_assert!(!filled.contains(&whole), "{}", filled);
            }
        }

        #[test]
        fn what_is_tidy_stays_so(text in any::<String>(), is_email in any::<bool>()) {
            let once = Words { subject: Some(text.clone()), text: text.clone(), html: Some(text) }.tidy(is_email);
            // A carriage return alone is refused.
            prop_assume!(!once.text.contains('\r'));
            prop_assert_eq!(once.clone().tidy(is_email), once);
        }
    }
}
