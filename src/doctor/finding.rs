//! A finding, and how its sentences and commands are put together.

use serde::Serialize;

use super::{Check, FAILED};
use crate::files::with_suffix;
use crate::name::{argument, is_unprintable, unabridged, visible, word};
use crate::store::Store;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work, or is not safe.
    Error,
    /// Something should be looked at.
    Warning,
}

/// How many of what was found are named.
pub(crate) const NAMED: usize = 10;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check that found it.
    pub check: &'static str,
    /// What it is, in a word.
    pub kind: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is, in a sentence.
    pub message: String,
    /// How many there are.
    pub count: u64,
    /// Their names, the first ten.
    pub names: Vec<String>,
    /// The commands that mend it. Words in capitals are for a person to fill in.
    pub mend: Vec<String>,
}

impl Finding {
    /// The names of what was found; the first of them.
    pub(super) fn names(&mut self, names: &[String]) -> &mut Finding {
        self.names = names.iter().take(NAMED).cloned().collect();
        self
    }

    /// A command that mends it.
    pub(super) fn mend(&mut self, command: impl Into<String>) -> &mut Finding {
        self.mend.push(command.into());
        self
    }

    /// A command for each name.
    pub(super) fn mend_each(&mut self, command: impl Fn(&str) -> String) -> &mut Finding {
        self.mend
            .extend(self.names.iter().map(|name| command(name)));
        self
    }
}

/// Where a check puts what it finds.
pub(super) struct Findings<'f> {
    check: &'static Check,
    all: &'f mut Vec<Finding>,
}

impl<'f> Findings<'f> {
    pub(super) fn of(check: &'static Check, all: &'f mut Vec<Finding>) -> Findings<'f> {
        Findings { check, all }
    }

    /// Adds a finding, whose kind stands in the row of its check.
    pub(super) fn add(
        &mut self,
        kind: &'static str,
        count: u64,
        message: impl Into<String>,
    ) -> &mut Finding {
        let row = self.check.finds.iter().chain([&FAILED]);
        let row = row.copied().find(|(known, _)| *known == kind);
        debug_assert!(
            row.is_some(),
            "`{}` does not find `{kind}`",
            self.check.code
        );
        let at = self.all.len();
        self.all.push(Finding {
            check: self.check.code,
            kind,
            severity: row.map_or(Severity::Error, |(_, severity)| severity),
            message: message.into(),
            count,
            names: Vec::new(),
            mend: Vec::new(),
        });
        &mut self.all[at]
    }

    /// Whether something was found in these words already.
    pub(super) fn says(&self, message: &str) -> bool {
        self.all.iter().any(|finding| finding.message == message)
    }

    /// Whether a check has found anything.
    pub(super) fn has(&self, check: &str) -> bool {
        self.all.iter().any(|finding| finding.check == check)
    }
}

/// How many there are, and the names of the first: what a check counts while it reads.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) names: Vec<String>,
}

impl Tally {
    pub(super) fn add(&mut self, name: impl Into<String>) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(name.into());
        }
    }

    /// `` `alice`, `bob` and 3 more ``.
    pub(super) fn listed(&self) -> String {
        let names: Vec<String> = self
            .names
            .iter()
            .map(|name| format!("`{}`", visible(name)))
            .collect();
        let more = self.count.saturating_sub(names.len() as u64);
        if more == 0 {
            names.join(", ")
        } else {
            format!("{} and {more} more", names.join(", "))
        }
    }
}

/// What an error says, as a sentence.
pub(super) fn sentence(error: &str) -> String {
    let mut letters = error.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let rest = letters.as_str().trim_end_matches('.');
    format!("{}{rest}.", first.unwrap_or_default())
}

/// The line that puts a copy in the place of the store, and keeps what stood there: it may be wanted as evidence. The log
/// beside it is of the file that goes.
pub(super) fn copy_back(store: &Store) -> String {
    let db = &store.place().db;
    let path = |suffix| argument(&with_suffix(db, suffix).to_string_lossy());
    format!(
        "cp -p {0} {1} && if [ -e {2} ]; then mv {2} {3}; fi && cp BACKUP {0} && rm -f {4}",
        path(""),
        path(".damaged"),
        path("-wal"),
        path(".damaged-wal"),
        path("-shm")
    )
}

/// A line for the sqlite3 shell, where no command of ours reaches.
pub(super) fn by_hand(store: &Store, sql: &str) -> String {
    let db = argument(&store.place().db.to_string_lossy());
    // Texts of SQL stand between the quotes that a word has by itself. Within the other ones, these mean something.
    let plain = !sql.contains(['"', '$', '`', '\\', '!']) && unabridged(sql) == sql;
    if plain {
        format!("sqlite3 {db} \"{sql}\"")
    } else {
        format!("sqlite3 {db} {}", word(sql))
    }
}

/// A name of a table or a column in SQL.
pub(super) fn identifier(name: &str) -> String {
    const KEYWORDS: [&str; 2] = ["group", "key"];
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    if name.chars().all(plain) && !name.is_empty() && !KEYWORDS.contains(&name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A text in SQL. What does not show is written as a number: a line is read before it is run.
pub(super) fn text(text: &str) -> String {
    let mut sql = String::from("'");
    for letter in text.chars() {
        match letter {
            '\'' => sql.push_str("''"),
            _ if is_unprintable(letter) => {
                sql.push_str(&format!("'||char({})||'", u32::from(letter)));
            }
            _ => sql.push(letter),
        }
    }
    sql.push('\'');
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_sql_is_what_it_was_and_shows() {
        assert_eq!(text("it's"), "'it''s'");
        assert_eq!(text("a\nb\u{202e}"), "'a'||char(10)||'b'||char(8238)||''");
        let fresh = crate::store::tests::fresh();
        for given in ["", "it's", "a\nb\u{202e}\u{1f512}", "\u{1}"] {
            let sql = format!("SELECT {}", text(given));
            let read: String = fresh
                .store
                .db()
                .query_row(&sql, [], |row| row.get(0))
                .unwrap();
            assert_eq!(read, given);
        }
    }
}
