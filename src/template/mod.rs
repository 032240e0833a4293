//! Templates: the words in which a code leaves us.
//!
//! A template has words in several languages: a subject, a text, and for emails an optional HTML part. `#Macro#` stands
//! for a value. The program ships words in some languages, English among them; the store keeps those that differ. Whoever
//! gets a message gets it in their language, else in the language theirs is a variant of, else in English.
//!
//! What promises safety: words without their code are refused; a value put into HTML is escaped, and stands nowhere
//! but where that is enough; a line break never reaches a subject.

mod document;
mod edit;
mod fill;
mod markup;
mod rules;
mod shipped;

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, named_params};
use serde::Serialize;

pub use self::edit::{Draft, Html, ResetWords, SetWords};
pub use self::rules::LONGEST;

pub(crate) use self::fill::fill;
use self::fill::{escaped, plain};
use self::shipped::{Shipped, shipped};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};
use crate::store::Store;

/// The language that every template has words in.
pub const FALLBACK: &str = "en";

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

/// Words with values in the places of macros: a code is one of them.
pub(crate) type Filled = Zeroizing<Words>;

impl Zeroize for Words {
    fn zeroize(&mut self) {
        self.subject.zeroize();
        self.text.zeroize();
        self.html.zeroize();
    }
}

/// A template as `list` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateRow {
    /// Its name.
    pub name: String,
    /// `email` or `sms`.
    pub kind: String,
    /// The languages it has words in, English first.
    pub languages: Vec<String>,
    /// Those of them in which they are not the shipped ones.
    pub modified: Vec<String>,
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
    pub language: String,
    /// Whether they are other than the shipped ones.
    pub modified: bool,
    /// The words.
    #[serde(flatten)]
    pub words: Words,
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
        let template = shipped(&name)?;
        let stored = stored(store, id)?;
        let mut modified = Vec::new();
        for (language, words) in &stored {
            if template.words(language)?.as_ref() != Some(words) {
                modified.push(language.clone());
            }
        }
        Ok(TemplateRow {
            id,
            kind,
            languages: all_languages(template, &stored),
            modified: english_first(modified.into_iter().collect()),
            macros: template.macros.to_vec(),
            name,
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

/// The languages that any template has words in, for completion.
///
/// # Errors
/// [`Kind::Storage`].
pub fn languages(store: &Store) -> Result<Vec<String>> {
    let all = list(store)?;
    Ok(english_first(
        all.into_iter().flat_map(|row| row.languages).collect(),
    ))
}

/// The words of exactly this language, macros and all.
///
/// # Errors
/// [`Kind::NotFound`] with the languages there are.
pub fn show(store: &Store, template: &TemplateRow, language: &str) -> Result<TemplateText> {
    in_force(store, template, language)?.ok_or_else(|| no_words(template, language))
}

/// The words that somebody with this language gets, macros and all.
///
/// # Errors
/// [`Kind::Storage`].
pub fn fallen_back(store: &Store, template: &TemplateRow, language: &str) -> Result<TemplateText> {
    for language in lookup_order(language) {
        if let Some(found) = in_force(store, template, language)? {
            return Ok(found);
        }
    }
    Err(no_words(template, language))
}

/// The words that somebody with this language gets, with the values in their places.
///
/// # Errors
/// [`Kind::Storage`].
pub fn preview(
    store: &Store,
    template: &TemplateRow,
    language: &str,
    values: &[(&str, &str)],
) -> Result<TemplateText> {
    let found = fallen_back(store, template, language)?;
    Ok(TemplateText {
        words: found.words.filled(values),
        ..found
    })
}

/// The words of the template `name` that somebody with this language gets, with the values in their places.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn render(
    store: &Store,
    name: &str,
    language: &str,
    values: &[(&str, &str)],
) -> Result<Filled> {
    let template = shipped(name)?;
    let id: i64 = store
        .db()
        .prepare_cached("SELECT id FROM template WHERE name_key = :key")?
        .query_row(named_params! { ":key": fold(name) }, |row| row.get(0))?;
    for language in lookup_order(language) {
        let words = match stored_in(store, id, language)? {
            Some(words) => Some(words),
            None => template.words(language)?,
        };
        if let Some(words) = words {
            return Ok(Zeroizing::new(words.filled(values)));
        }
    }
    Err(Error::new(
        Kind::Storage,
        format!("the template `{}` has no words", visible(name)),
    ))
}

impl Words {
    /// With the values in their places. Values are never searched for macros.
    fn filled(&self, values: &[(&str, &str)]) -> Words {
        Words {
            subject: self
                .subject
                .as_ref()
                .map(|subject| fill(subject, values, plain)),
            text: fill(&self.text, values, plain),
            html: self.html.as_ref().map(|html| fill(html, values, escaped)),
        }
    }
}

/// The languages to look for words in: the tag itself, then without its last part until none is left, then English (RFC
/// 4647, section 3.4).
fn lookup_order(language: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(language), |tag| {
        tag.rsplit_once('-').map(|(shorter, _)| shorter)
    })
    .chain([FALLBACK])
}

/// The words of exactly this language: those of the store, else the shipped ones.
fn in_force(store: &Store, template: &TemplateRow, language: &str) -> Result<Option<TemplateText>> {
    let ours = shipped(&template.name)?.words(language)?;
    let stored = stored_in(store, template.id, language)?;
    let modified = stored.is_some() && stored != ours;
    Ok(stored.or(ours).map(|words| TemplateText {
        name: template.name.clone(),
        kind: template.kind.clone(),
        language: language.to_owned(),
        modified,
        words,
    }))
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Words> {
    Ok(Words {
        subject: row.get("subject")?,
        text: row.get("text")?,
        html: row.get("html")?,
    })
}

/// The words that the store keeps in exactly this language.
fn stored_in(store: &Store, template: i64, language: &str) -> Result<Option<Words>> {
    Ok(store
        .db()
        .prepare_cached(
            "SELECT subject, text, html FROM template_words WHERE template = :template AND language = :language",
        )?
        .query_row(
            named_params! { ":template": template, ":language": language },
            read,
        )
        .optional()?)
}

/// All words that the store keeps of a template, by language.
fn stored(store: &Store, template: i64) -> Result<Vec<(String, Words)>> {
    let mut query = store.db().prepare_cached(
        "SELECT language, subject, text, html FROM template_words WHERE template = :template ORDER BY language",
    )?;
    let rows = query.query_map(named_params! { ":template": template }, |row| {
        Ok((row.get("language")?, read(row)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn languages_of(store: &Store, template: &TemplateRow) -> Result<Vec<String>> {
    let stored = stored(store, template.id)?;
    Ok(all_languages(shipped(&template.name)?, &stored))
}

fn all_languages(template: &Shipped, stored: &[(String, Words)]) -> Vec<String> {
    let ours = template
        .translations
        .iter()
        .map(|translation| translation.language.to_owned());
    let kept = stored.iter().map(|(language, _)| language.clone());
    english_first(ours.chain(kept).collect())
}

fn english_first(languages: BTreeSet<String>) -> Vec<String> {
    let (mut sorted, others): (Vec<_>, Vec<_>) = languages
        .into_iter()
        .partition(|language| language == FALLBACK);
    sorted.extend(others);
    sorted
}

fn no_words(template: &TemplateRow, language: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!(
            "the template `{}` has no words in `{}`",
            visible(&template.name),
            visible(language)
        ),
    )
    .hint(format!("it has words in {}", template.languages.join(", ")))
    .with("languages", template.languages.clone())
}

/// Reads what somebody saved in an editor, and judges it: for the fuzzer.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let saved = String::from_utf8_lossy(bytes);
    let _ = markup::spans(&saved);
    let filled = fill(&saved, &[("SecondFactorCode", "#Username#")], plain);
    assert_eq!(plain(&saved), plain(&plain(&saved)));
    drop(filled);
    for is_email in [true, false] {
        let Ok(words) = document::read(is_email, &saved) else {
            continue;
        };
        let words = words.tidy(is_email);
        // A carriage return alone is refused, and may make a line end of the one behind it.
        let parts = [Some(&words.text), words.html.as_ref()];
        if !parts.into_iter().flatten().any(|part| part.contains('\r')) {
            assert_eq!(words.clone().tidy(is_email), words);
        }
        for template in shipped::SHIPPED {
            if rules::check(template, &words).is_ok() {
                let subject = words.subject.as_deref().unwrap_or_default();
                assert!(!subject.contains(['\r', '\n']));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_falls_back_to_what_it_is_a_variant_of() {
        for (language, order) in [
            ("en", vec!["en", "en"]),
            ("pt-br", vec!["pt-br", "pt", "en"]),
            ("zh-hant-tw", vec!["zh-hant-tw", "zh-hant", "zh", "en"]),
            ("", vec!["", "en"]),
        ] {
            assert_eq!(lookup_order(language).collect::<Vec<_>>(), order);
        }
    }
}
