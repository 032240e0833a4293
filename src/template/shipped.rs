//! The words shipped with the program. A language is a directory beside this file and a word in the lists below; one
//! that leaves a template out falls back to English there.

use super::{Words, document};
use crate::error::{Error, Kind, Result};
use crate::name::visible;

/// A template of the program.
#[derive(Debug)]
pub(super) struct Shipped {
    pub(super) name: &'static str,
    /// Whether it is an email, with a subject and perhaps HTML, or an SMS.
    pub(super) is_email: bool,
    /// The macro of the code that it is sent for: without it there is no use in sending it.
    pub(super) code: &'static str,
    pub(super) macros: &'static [&'static str],
    /// English is among them.
    pub(super) translations: &'static [Translation],
}

/// The words of one language, as their files have them.
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) language: &'static str,
    /// An email begins with its subject.
    file: &'static str,
    html: Option<&'static str>,
}

macro_rules! texts {
    ($file:literal: $($language:literal)*) => {
        &[$(Translation {
            language: $language,
            file: include_str!(concat!($language, "/", $file, ".txt")),
            html: None,
        }),*]
    };
    ($file:literal and html: $($language:literal)*) => {
        &[$(Translation {
            language: $language,
            file: include_str!(concat!($language, "/", $file, ".txt")),
            html: Some(include_str!(concat!($language, "/", $file, ".html"))),
        }),*]
    };
}

/// Macros of a message that carries a code.
const CODE_MACROS: &[&str] = &["Username", "SecondFactorCode", "SecondFactorCodeTTL"];

pub(super) static SHIPPED: &[Shipped] = &[
    Shipped {
        name: "2FA verification code",
        is_email: true,
        code: "SecondFactorCode",
        macros: CODE_MACROS,
        translations: texts!("verification-code" and html: "en" "de" "fr"),
    },
    Shipped {
        name: "2FA SMS code",
        is_email: false,
        code: "SecondFactorCode",
        macros: CODE_MACROS,
        translations: texts!("sms-code": "en" "de" "fr"),
    },
    Shipped {
        name: "Password recovery",
        is_email: true,
        code: "RecoveryToken",
        macros: &["Username", "RecoveryToken", "RecoveryTokenTTL"],
        translations: texts!("password-recovery": "en" "de" "fr"),
    },
];

/// What the program knows of a template of the store.
pub(super) fn shipped(name: &str) -> Result<&'static Shipped> {
    SHIPPED
        .iter()
        .find(|shipped| shipped.name == name)
        .ok_or_else(|| {
            Error::new(
                Kind::Storage,
                format!("the template `{}` has no words", visible(name)),
            )
        })
}

impl Shipped {
    /// The words shipped in exactly this language.
    pub(super) fn words(&self, language: &str) -> Result<Option<Words>> {
        let found = self
            .translations
            .iter()
            .find(|translation| translation.language == language);
        let Some(translation) = found else {
            return Ok(None);
        };
        let mut words = document::read(self.is_email, translation.file)?;
        words.html = translation.html.map(str::to_owned);
        Ok(Some(words.tidy(self.is_email)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules;
    use super::*;

    #[test]
    fn what_is_shipped_keeps_the_rules_in_every_language() {
        for shipped in SHIPPED {
            let english = shipped.words("en").unwrap().unwrap();
            for translation in shipped.translations {
                let words = shipped.words(translation.language).unwrap().unwrap();
                rules::check(shipped, &words).unwrap();
                assert!(rules::warnings(shipped, translation.language, &words).is_empty());
                assert_eq!(words.html.is_some(), english.html.is_some());
                // No macro is lost in translation.
                for name in shipped.macros {
                    let name = format!("#{name}#");
                    for (ours, theirs) in [
                        (Some(&words.text), Some(&english.text)),
                        (words.html.as_ref(), english.html.as_ref()),
                    ] {
                        assert_eq!(
                            ours.is_some_and(|text| text.contains(&name)),
                            theirs.is_some_and(|text| text.contains(&name)),
                            "{} {} {name}",
                            shipped.name,
                            translation.language
                        );
                    }
                }
                // What goes out by SMS is short and needs no alphabet of its own.
                assert!(
                    shipped.is_email || (words.text.is_ascii() && words.text.len() < 160),
                    "{}",
                    translation.language
                );
            }
        }
    }
}
