//! Templates: the words in which a code leaves us.
//!
//! A template has a subject, a text, and for emails an optional HTML part. `#Macro#` stands for a value. What promises
//! safety: a value put into HTML is escaped, and a line break never reaches a subject. The texts shipped with the
//! program are English.

use rusqlite::{OptionalExtension as _, named_params};
use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};
use crate::store::Store;

/// Words with macros in them, or with the values in their places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Words {
    /// Of an email; `null` for an SMS.
    pub subject: Option<String>,
    /// Plain text.
    pub text: String,
    /// The HTML part, if there is one.
    pub html: Option<String>,
}

struct Shipped {
    name: &'static str,
    subject: Option<&'static str>,
    text: &'static str,
    html: Option<&'static str>,
    macros: &'static [&'static str],
}

/// Macros of a message that carries a code.
const CODE_MACROS: &[&str] = &["Username", "SecondFactorCode", "SecondFactorCodeTTL"];

static SHIPPED: &[Shipped] = &[
    Shipped {
        name: "2FA verification code",
        subject: Some("Your verification code"),
        text: include_str!("en/verification-code.txt"),
        html: Some(include_str!("en/verification-code.html")),
        macros: CODE_MACROS,
    },
    Shipped {
        name: "2FA SMS code",
        subject: None,
        text: include_str!("en/sms-code.txt"),
        html: None,
        macros: CODE_MACROS,
    },
    Shipped {
        name: "Password recovery",
        subject: Some("Your new password"),
        text: include_str!("en/password-recovery.txt"),
        html: None,
        macros: &["Username", "RecoveryToken", "RecoveryTokenTTL"],
    },
];

/// A template as `list` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateRow {
    /// Its name.
    pub name: String,
    /// `email` or `sms`.
    pub kind: String,
    /// The languages it has words in.
    pub languages: Vec<&'static str>,
    /// The macros it may use.
    pub macros: Vec<&'static str>,
    /// Row id.
    #[serde(skip)]
    pub id: i64,
}

/// A template as `show` and `preview` give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateText {
    /// Its name.
    pub name: String,
    /// `email` or `sms`.
    pub kind: String,
    /// The language of the words.
    pub language: &'static str,
    /// The words.
    #[serde(flatten)]
    pub words: Words,
}

fn shipped(name: &str) -> Result<&'static Shipped> {
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

/// Every template.
///
/// # Errors
/// [`Kind::Storage`].
pub fn list(store: &Store) -> Result<Vec<TemplateRow>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT id, name, kind FROM template ORDER BY id")?;
    let rows = query.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?))
    })?;
    rows.map(|row| {
        let (id, name, kind) = row?;
        let macros = shipped(&name)?.macros.to_vec();
        Ok(TemplateRow {
            id,
            name,
            kind,
            languages: vec!["en"],
            macros,
        })
    })
    .collect()
}

/// Finds a template by name, in any case.
///
/// # Errors
/// [`Kind::NotFound`] with the near miss.
pub fn find(store: &Store, name: &str) -> Result<TemplateRow> {
    let all = list(store)?;
    let wanted = fold(name);
    match all.iter().position(|row| fold(&row.name) == wanted) {
        Some(at) => Ok(all[at].clone()),
        None => Err(name::not_found(
            "template",
            name,
            all.iter().map(|row| row.name.as_str()),
            "twofa template list",
        )),
    }
}

/// What a setting that points at a template keeps. `carries` is the macro the template must have, for without it the
/// message would reach its reader with no code.
pub(crate) fn reference(
    store: &Store,
    name: &str,
    kind: &str,
    carries: &str,
) -> Result<(i64, String)> {
    let found: Option<(i64, String)> = store
        .db()
        .prepare_cached("SELECT id, name FROM template WHERE name_key = :key AND kind = :kind")?
        .query_row(named_params! { ":key": fold(name), ":kind": kind }, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some(found) = found {
        if shipped(&found.1)?.macros.contains(&carries) {
            return Ok(found);
        }
        Err(Error::new(
            Kind::InvalidValue,
            format!(
                "the template `{}` has no macro `#{carries}#`",
                visible(&found.1)
            ),
        )
        .hint("`twofa template list` shows the macros of each"))
    } else {
        let row = find(store, name)?;
        Err(Error::new(
            Kind::InvalidValue,
            format!(
                "the template `{}` is for {}, not for {kind}",
                row.name, row.kind
            ),
        ))
    }
}

/// The words of a template, macros and all.
///
/// # Errors
/// [`Kind::Storage`].
pub fn words(name: &str) -> Result<Words> {
    let shipped = shipped(name)?;
    Ok(Words {
        subject: shipped.subject.map(str::to_owned),
        text: shipped.text.to_owned(),
        html: shipped.html.map(str::to_owned),
    })
}

/// The words with the values in their places. Values are never searched for macros.
///
/// # Errors
/// [`Kind::Storage`].
pub fn render(name: &str, values: &[(&str, &str)]) -> Result<Words> {
    let words = words(name)?;
    Ok(Words {
        subject: words
            .subject
            .map(|subject| fill(&subject, values, one_line)),
        text: fill(&words.text, values, str::to_owned),
        html: words.html.map(|html| fill(&html, values, escaped)),
    })
}

/// Puts `values`, treated by `treat`, in the place of their macros.
pub(crate) fn fill(text: &str, values: &[(&str, &str)], treat: impl Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('#') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let known = values.iter().find_map(|(name, value)| {
            let after = from[1..].strip_prefix(name)?.strip_prefix('#')?;
            Some((value, after))
        });
        if let Some((value, after)) = known {
            filled.push_str(&treat(value));
            rest = after;
        } else {
            filled.push('#');
            rest = &from[1..];
        }
    }
    filled.push_str(rest);
    filled
}

fn one_line(value: &str) -> String {
    value
        .chars()
        .map(|c| {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                ' '
            } else {
                c
            }
        })
        .collect()
}

/// What HTML takes as markup, as entities (WHATWG HTML, section 13.1.2.3 and 13.1.2.4).
fn escaped(value: &str) -> String {
    let mut safe = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
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
                "#Username#: #SecondFactorCode# (#SecondFactorCodeTTL#) #Other# #",
                &values,
                str::to_owned
            ),
            "#SecondFactorCode# <b>: 123456 (60) #Other# #"
        );
        let words = render("2FA verification code", &values).unwrap();
        assert!(words.text.contains("    123456\n"));
        assert!(
            words
                .html
                .unwrap()
                .contains("Hello #SecondFactorCode# &lt;b&gt;,")
        );
    }

    #[test]
    fn every_code_template_has_its_code() {
        for shipped in SHIPPED {
            let needed = if shipped.macros.contains(&"SecondFactorCode") {
                "#SecondFactorCode#"
            } else {
                "#RecoveryToken#"
            };
            for part in [Some(shipped.text), shipped.html].into_iter().flatten() {
                assert!(part.contains(needed), "{}", shipped.name);
            }
        }
    }

    proptest! {
        #[test]
        fn a_value_never_breaks_a_subject_or_the_markup(value in any::<String>()) {
            let subject = fill("Code for #Username#", &[("Username", &value)], one_line);
            prop_assert!(!subject.contains(['\r', '\n', '\0']));
            let html = fill("<p>#Username#</p>", &[("Username", &value)], escaped);
            let inside = &html[3..html.len() - 4];
            prop_assert!(!inside.contains(['<', '>', '"', '\'']));
        }
    }
}
