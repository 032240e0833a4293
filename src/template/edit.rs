//! Changing words: those of one language, and back to the shipped ones. The store keeps what differs from those alone.

use rusqlite::named_params;
use serde_json::Value;

use super::shipped::{Shipped, shipped};
use super::{TemplateRow, Words, document, in_force, languages_of, no_words, rules, stored};
use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::plan::{Change, Op, Plan, Warning};
use crate::store::{Store, Tx};

/// What the HTML shall be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Html {
    /// As it is.
    #[default]
    Keep,
    /// None.
    Clear,
    /// This.
    Set(String),
}

/// `template set` and `template edit`: the words of one language as they shall be. What is not given stays.
#[derive(Debug, Clone)]
pub struct SetWords {
    /// The template.
    pub template: TemplateRow,
    /// The language, as a tag.
    pub language: String,
    /// Of an email.
    pub subject: Option<String>,
    /// Plain text.
    pub text: Option<String>,
    /// The HTML part.
    pub html: Html,
    /// The words that the new ones were made of, where somebody took their time over it: they must still hold.
    pub based_on: Option<Option<Words>>,
}

impl SetWords {
    /// What holds now and what shall hold, checked.
    fn wanted(&self, store: &Store) -> Result<(Option<Words>, Words)> {
        let template = shipped(&self.template.name)?;
        let have = in_force(store, &self.template, &self.language)?.map(|found| found.words);
        if self.based_on.as_ref().is_some_and(|seen| *seen != have) {
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "somebody else changed the words of `{}` in `{}` in the meantime",
                    self.template.name, self.language
                ),
            )
            .hint("begin again with `twofa template edit`"));
        }
        let missing = |what: &str, option: &str| {
            let message = format!(
                "the {what} is needed: `{}` has no words in `{}` yet",
                self.template.name, self.language
            );
            Error::new(Kind::MissingAnswer, message).hint(format!("give it with {option}"))
        };
        let old = have.as_ref();
        let subject = self
            .subject
            .clone()
            .or_else(|| old.and_then(|old| old.subject.clone()));
        if subject.is_none() && template.is_email {
            return Err(missing("subject", "--subject"));
        }
        let text = self
            .text
            .clone()
            .or_else(|| old.map(|old| old.text.clone()));
        let want = Words {
            subject,
            text: text.ok_or_else(|| missing("text", "--text or --text-file"))?,
            html: match &self.html {
                Html::Keep => old.and_then(|old| old.html.clone()),
                Html::Clear => None,
                Html::Set(html) => Some(html.clone()),
            },
        };
        let want = want.tidy(template.is_email);
        rules::check(template, &want)?;
        Ok((have, want))
    }

    /// What is worth saying of the words that hold now.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub fn warnings(&self, store: &Store) -> Result<Vec<Warning>> {
        let template = shipped(&self.template.name)?;
        let found = in_force(store, &self.template, &self.language)?;
        Ok(found.map_or_else(Vec::new, |found| {
            rules::warnings(template, &self.language, &found.words)
        }))
    }
}

impl Plan for SetWords {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let (have, want) = self.wanted(store)?;
        let key = key(&self.template.name, &self.language);
        Ok(change(key, Event::TEMPLATE_CHANGED, have.as_ref(), Some(&want)).if_any())
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let (_, want) = self.wanted(tx)?;
        if shipped(&self.template.name)?.words(&self.language)? == Some(want.clone()) {
            return forget(tx, self.template.id, &self.language);
        }
        tx.db().execute(
            "INSERT INTO template_words (template, language, subject, text, html, changed_at)
             VALUES (:template, :language, :subject, :text, :html, :now)
             ON CONFLICT (template, language) DO UPDATE SET subject = :subject, text = :text, html = :html, changed_at = :now",
            named_params! {
                ":template": self.template.id, ":language": self.language, ":subject": want.subject,
                ":text": want.text, ":html": want.html, ":now": tx.now(),
            },
        )?;
        Ok(())
    }
}

/// `template reset`.
#[derive(Debug, Clone)]
pub struct ResetWords {
    /// The template.
    pub template: TemplateRow,
    /// The language; `None`: all of them.
    pub language: Option<String>,
}

impl Plan for ResetWords {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let template = shipped(&self.template.name)?;
        let languages = match &self.language {
            Some(language) => vec![language.clone()],
            None => languages_of(store, &self.template)?,
        };
        let mut changes = Vec::new();
        for language in languages {
            let have = in_force(store, &self.template, &language)?
                .ok_or_else(|| no_words(&self.template, &language))?;
            let key = key(&self.template.name, &language);
            let want = template.words(&language)?;
            changes.extend(
                change(key, Event::TEMPLATE_RESET, Some(&have.words), want.as_ref()).if_any(),
            );
        }
        Ok(changes)
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        match &self.language {
            Some(language) => forget(tx, self.template.id, language),
            None => stored(tx, self.template.id)?
                .iter()
                .try_for_each(|(language, _)| forget(tx, self.template.id, language)),
        }
    }
}

fn forget(tx: &Tx<'_>, template: i64, language: &str) -> Result<()> {
    tx.db().execute(
        "DELETE FROM template_words WHERE template = :template AND language = :language",
        named_params! { ":template": template, ":language": language },
    )?;
    Ok(())
}

/// How changes and the audit log call the words of one language.
fn key(template: &str, language: &str) -> String {
    format!("{template} ({language})")
}

fn change(key: String, event: Event, have: Option<&Words>, want: Option<&Words>) -> Change {
    let op = match (have, want) {
        (None, _) => Op::Add,
        (Some(_), Some(_)) => Op::Edit,
        (Some(_), None) => Op::Remove,
    };
    let of = |words: Option<&Words>, field: fn(&Words) -> Option<&String>| -> Value {
        words.and_then(field).cloned().into()
    };
    Change::new("template", key, op, event)
        .field(
            "subject",
            of(have, |words| words.subject.as_ref()),
            of(want, |words| words.subject.as_ref()),
        )
        .field(
            "text",
            of(have, |words| Some(&words.text)),
            of(want, |words| Some(&words.text)),
        )
        .field(
            "html",
            of(have, |words| words.html.as_ref()),
            of(want, |words| words.html.as_ref()),
        )
}

/// The words of one language while somebody edits them.
#[derive(Debug, Clone)]
pub struct Draft {
    template: TemplateRow,
    language: String,
    based_on: Option<Words>,
    /// What the editor is given.
    pub text: String,
}

impl Draft {
    /// Begins with the words there are; a new language with those that its users get so far.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] for words that an editor cannot show.
    pub fn begin(store: &Store, template: &TemplateRow, language: &str) -> Result<Draft> {
        let about = shipped(&template.name)?;
        let based_on = in_force(store, template, language)?.map(|found| found.words);
        let words = match &based_on {
            Some(words) => words.clone(),
            None => super::fallen_back(store, template, language)?.words,
        };
        let comments = comments(about, language, based_on.is_none());
        let text = document::compose(&comments, about.is_email, &words)?;
        Ok(Draft {
            template: template.clone(),
            language: language.to_owned(),
            based_on,
            text,
        })
    }

    /// What was saved, as a plan.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] for a text that is not built as the first one was.
    pub fn finish(&self, saved: &str) -> Result<SetWords> {
        let is_email = shipped(&self.template.name)?.is_email;
        let words = document::read(is_email, saved)?;
        Ok(SetWords {
            template: self.template.clone(),
            language: self.language.clone(),
            subject: words.subject,
            text: Some(words.text),
            html: words.html.map_or(Html::Clear, Html::Set),
            based_on: Some(self.based_on.clone()),
        })
    }
}

/// What stands above the words in an editor.
fn comments(about: &Shipped, language: &str, is_new: bool) -> Vec<String> {
    let mut lines = vec![format!("The words of `{}` in `{language}`.", about.name)];
    if is_new {
        lines.push("There are none yet: below are those that are used instead.".to_owned());
    }
    lines.push(format!(
        "Values take the place of {}.",
        rules::listed(about.macros)
    ));
    if about.is_email {
        lines.push(format!("#{}# stays, in the HTML too.", about.code));
        lines.push("HTML, if wanted, stands behind a line `--- html ---`.".to_owned());
    } else {
        lines.push(format!("#{}# stays.", about.code));
    }
    lines.push("Lines like these, at the top, are left out.".to_owned());
    lines
}
