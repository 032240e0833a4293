//! The words of the write path: what a noun says it would change, before anything is written.
//!
//! A noun implements [`Plan`]; `change.rs` judges it, asks, writes it and keeps it. Plans are pure until
//! [`Plan::write`]: they can be computed for a look (`diff`, `--dry-run`) as well as for the deed, and are computed again
//! under the write lock, so that nothing is decided on what was there a moment ago.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::name::{argument, visible};
use crate::store::{Store, Tx};
use crate::verb::Operation;

/// What is done to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// It comes.
    Add,
    /// It stays and differs.
    Edit,
    /// It goes.
    Remove,
}

impl Op {
    /// How many of `changes` do it.
    #[must_use]
    pub fn count(self, changes: &[Change]) -> u64 {
        changes.iter().filter(|change| change.op == self).count() as u64
    }
}

/// One field of a thing, before and after. A secret carries no bytes: `null` or `"set"`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// Its name, as in JSON.
    pub name: &'static str,
    /// What it was; `null` when the thing is new.
    pub old: Value,
    /// What it will be; `null` when the thing goes.
    pub new: Value,
    /// What a confirmation is bound to instead: a moment that is said anew each time, such as `in 7d`, is another each
    /// time.
    #[serde(skip)]
    pub said: Option<Value>,
}

/// One thing that would change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Its noun.
    pub noun: &'static str,
    /// Its name.
    pub key: String,
    /// Whether it comes, differs or goes.
    pub op: Op,
    /// What differs.
    pub fields: Vec<Field>,
    /// How the audit log calls it.
    #[serde(skip)]
    pub event: Event,
    /// The user it is about, if it is about one that exists.
    #[serde(skip)]
    pub user: Option<i64>,
    /// What the audit log keeps instead of the fields.
    #[serde(skip)]
    pub detail: Option<Value>,
}

impl Change {
    /// A change of `noun` `key`, so far without fields.
    pub fn new(noun: &'static str, key: impl Into<String>, op: Op, event: Event) -> Change {
        Change {
            noun,
            key: key.into(),
            op,
            fields: Vec::new(),
            event,
            user: None,
            detail: None,
        }
    }

    /// The user it is about.
    #[must_use]
    pub fn about(mut self, user: i64) -> Change {
        self.user = Some(user);
        self
    }

    /// Adds a field when its two values differ.
    #[must_use]
    pub fn field(
        mut self,
        name: &'static str,
        old: impl Into<Value>,
        new: impl Into<Value>,
    ) -> Change {
        let (old, new) = (old.into(), new.into());
        if old != new {
            self.fields.push(Field {
                name,
                old,
                new,
                said: None,
            });
        }
        self
    }

    /// Adds a field for each of `names` whose values differ between two rows as they are shown.
    #[must_use]
    pub fn fields_of(self, names: &'static [&'static str], old: &Value, new: &Value) -> Change {
        let of = |row: &Value, name: &str| row.get(name).cloned().unwrap_or_default();
        names.iter().fold(self, |change, name| {
            change.field(name, of(old, name), of(new, name))
        })
    }

    /// What a confirmation is bound to instead of the new value of the last field, if that is `name`.
    #[must_use]
    pub fn said(mut self, name: &str, said: Option<&str>) -> Change {
        if let Some(field) = self.fields.last_mut().filter(|field| field.name == name) {
            field.said = said.map(Value::from);
        }
        self
    }

    /// Adds a field whether or not its values differ: what is confirmed must read the same however it was before.
    #[must_use]
    pub fn always(
        mut self,
        name: &'static str,
        old: impl Into<Value>,
        new: impl Into<Value>,
    ) -> Change {
        self.fields.push(Field {
            name,
            old: old.into(),
            new: new.into(),
            said: None,
        });
        self
    }

    /// Whether it says the same as another, which was planned at another moment.
    #[must_use]
    pub(crate) fn is_like(&self, other: &Change) -> bool {
        (self.noun, &self.key, self.op, &self.fields)
            == (other.noun, &other.key, other.op, &other.fields)
    }

    /// This change, unless it is an edit of nothing.
    #[must_use]
    pub fn if_any(self) -> Vec<Change> {
        if self.op == Op::Edit && self.fields.is_empty() {
            Vec::new()
        } else {
            vec![self]
        }
    }

    /// Whether a field of this name changes.
    #[must_use]
    pub fn changes(&self, field: &str) -> bool {
        self.fields.iter().any(|have| have.name == field)
    }

    /// Old and new values for the audit log: `{"name": {"old": …, "new": …}}`.
    #[must_use]
    pub fn detail(&self) -> Option<Value> {
        if self.detail.is_some() {
            return self.detail.clone();
        }
        if self.fields.is_empty() {
            return None;
        }
        let fields = self.fields.iter().map(|field| {
            let mut pair = Map::new();
            pair.insert("old".into(), field.old.clone());
            pair.insert("new".into(), field.new.clone());
            (field.name.to_owned(), Value::Object(pair))
        });
        Some(Value::Object(fields.collect()))
    }
}

/// What it comes to that a thing is added whose name is taken: nothing, where it is the same but for the spelling of its
/// name; else a conflict. `what` is its noun in a sentence, `command` on the command line.
///
/// # Errors
/// [`Kind::Conflict`].
pub(crate) fn added_again(
    what: &str,
    command: &str,
    name: &str,
    changes: Vec<Change>,
) -> Result<Vec<Change>> {
    let differs: Vec<&str> = changes
        .iter()
        .flat_map(|change| &change.fields)
        .map(|field| field.name)
        .filter(|field| *field != "name")
        .collect();
    if differs.is_empty() {
        return Ok(Vec::new());
    }
    let message = format!(
        "the {what} `{}` exists and has another {}",
        visible(name),
        differs.join(", ")
    );
    Err(Error::new(Kind::Conflict, message).hint(format!(
        "`twofa {command} edit {}` changes it",
        argument(name)
    )))
}

/// Why a thing is not removed that the setting `code` points at.
pub(crate) fn in_use(what: &str, name: &str, code: &str) -> Error {
    let message = format!(
        "the setting `{code}` points at the {what} `{}`",
        visible(name)
    );
    Error::new(Kind::InUse, message).hint(format!(
        "`twofa setting set {code} OTHER`, or `twofa setting reset {code}`, first"
    ))
}

/// Whose way to log in a plan could touch: what the guards compare before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Nobody's.
    Nobody,
    /// These users'.
    Users(Vec<i64>),
    /// Everybody's.
    Everyone,
}

/// Something worth saying beside the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The word scripts match on.
    pub kind: &'static str,
    /// The sentence.
    pub message: String,
    /// The next command.
    pub hint: Option<String>,
}

/// A change of declared state, as its noun knows it.
pub trait Plan {
    /// What differs from what is there. Empty: it is already so.
    ///
    /// # Errors
    /// A value that breaks its rule, a name that is not there, a conflict.
    fn changes(&self, store: &Store) -> Result<Vec<Change>>;

    /// Writes it. Called once, with the write lock, when [`Plan::changes`] was not empty under that same lock.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    fn write(&self, tx: &Tx<'_>) -> Result<()>;

    /// The user a command is about, where being that user is enough to run it.
    fn about(&self) -> Option<i64> {
        None
    }

    /// The operations it needs beside that of the command, for what it changes. Asked behind [`Plan::changes`].
    fn operations(&self) -> Vec<Operation> {
        Vec::new()
    }

    /// Directories that have to be there: they are made when nothing more is asked.
    fn directories(&self) -> Vec<String> {
        Vec::new()
    }

    /// What the audit log keeps of the whole, beside a row for each change.
    fn summary(&self, _changes: &[Change]) -> Option<(Event, Value)> {
        None
    }

    /// Whose way to log in it could touch.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    fn reach(&self, _store: &Store) -> Result<Reach> {
        Ok(Reach::Nobody)
    }

    /// Whether only an administrator, root or the owner may, beside what changes a user who is an administrator now: it
    /// makes one, or maps an account.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    fn touches_administrators(&self, _store: &Store, _changes: &[Change]) -> Result<bool> {
        Ok(false)
    }

    /// The administrator action it is, if it is one that the acting user confirms with a second factor: a few words
    /// that end the sentence "confirm …".
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    fn confirms(&self, _store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        Ok(None)
    }

    /// What it does to the second factor of the user it is about, who has to prove it with that factor: a few words
    /// that end the sentence "confirm …".
    fn own(&self) -> &'static str {
        "this"
    }

    /// What a confirmation is bound to beside the changes: what they keep secret.
    ///
    /// # Errors
    /// Key errors.
    fn binds(&self, _store: &Store) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// The sentence before "Are you sure?", where this command asks that.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    fn question(&self, _store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        Ok(None)
    }
}
