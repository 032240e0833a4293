//! What reading the file has shown: the counts, the problems, and what it is a matter of.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::judge::{Outcome, Update};
use super::row::Row;
use super::twice::Twice;
use crate::error::{Error, Kind, Result};
use crate::group;
use crate::name::{counted, visible};
use crate::permission::Administrators;
use crate::plan::{Change, Plan};
use crate::store::Store;
use crate::user::Type;
use crate::user::edit::{AddUser, EditUser, Fields, Patch};

/// How many problems a message tells of; a program gets more.
const SHOWN: usize = 10;

/// How many problems are kept; of the others the number is told.
const KEPT: usize = 10_000;

/// Up to how many users get a row of their own in the audit log. A file that brings more is told of once.
pub(super) const TOLD: usize = 1_000;

/// Up to how many users the guards look at one by one.
pub(super) const WATCHED: usize = 10_000;

/// What is wrong with a row.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    line: u64,
    kind: Kind,
    pub(super) message: String,
    hint: Option<String>,
}

impl Problem {
    pub(super) fn new(line: u64, error: &Error) -> Problem {
        Problem {
            line,
            kind: error.kind(),
            message: error.message(),
            hint: error.hint_text().map(str::to_owned),
        }
    }
}

/// How many rows came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// New users.
    pub added: u64,
    /// Users who are changed.
    pub updated: u64,
    /// Users who are so already.
    pub unchanged: u64,
    /// Users who differ and stay.
    pub skipped: u64,
    /// Rows that are not taken.
    pub rejected: u64,
}

impl Counts {
    pub(super) fn changed(self) -> u64 {
        self.added + self.updated
    }
}

/// What reading the file has shown.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// `PRAGMA data_version` it holds for: nobody has written since, as long as that is the number.
    pub(super) version: Option<i64>,
    pub(super) counts: Counts,
    pub(super) problems: Vec<Problem>,
    /// The lines that are not taken, in their order.
    pub(super) rejected: Vec<u64>,
    pub(super) twice: Twice,
    pub(super) digest: [u8; 32],
    /// The changes, unless there are more than [`TOLD`].
    pub(super) changes: Vec<Change>,
    /// Users whose way to log in may change; more than [`WATCHED`]: anybody's.
    pub(super) touched: Vec<i64>,
    /// Whether it is a matter of administrators.
    pub(super) administrators: bool,
    /// The administrator action among it, if there is one that has to be confirmed.
    pub(super) confirms: Option<String>,
}

impl Seen {
    pub(super) fn keep(&mut self, problem: Problem) {
        if self.problems.len() < KEPT {
            self.problems.push(problem);
        }
    }

    /// Counts a row, and notes what it is a matter of.
    pub(super) fn count(
        &mut self,
        store: &Store,
        row: &Row,
        outcome: &Outcome,
        administrators: &mut Administrators,
    ) -> Result<()> {
        match outcome {
            Outcome::Same => self.counts.unchanged += 1,
            Outcome::Skip => self.counts.skipped += 1,
            Outcome::Add => {
                self.counts.added += 1;
                let groups = row.groups.iter().copied().collect();
                if administrators.have(&groups, row.kind.unwrap_or(Type::Employee)) {
                    self.administrators = true;
                    let why = || "importing administrators".to_owned();
                    self.confirms.get_or_insert_with(why);
                }
                self.tell(store, || Ok(Box::new(addition(store, row)?)))?;
            }
            Outcome::Update(update) => {
                self.counts.updated += 1;
                let before = update.direct.iter().copied().collect();
                let after = update.direct.iter().chain(&update.joins).copied().collect();
                if administrators.have(&before, update.kind.0)
                    || administrators.have(&after, update.kind.1)
                {
                    let login = visible(&update.login);
                    let why = format!("changing the administrator `{login}`");
                    self.administrators = true;
                    // As `user edit` has it: a name and a language are nobody's way in.
                    if update
                        .differs
                        .iter()
                        .any(|field| !["name", "language"].contains(field))
                    {
                        self.confirms.get_or_insert(why);
                    }
                }
                if self.touched.len() <= WATCHED {
                    self.touched.push(update.id);
                }
                self.tell(store, || Ok(Box::new(edit(store, row, update)?)))?;
            }
        }
        Ok(())
    }

    /// Keeps what the single command would keep in the log.
    fn tell(&mut self, store: &Store, plan: impl FnOnce() -> Result<Box<dyn Plan>>) -> Result<()> {
        if self.counts.changed() <= TOLD as u64 {
            self.changes.extend(plan()?.changes(store)?);
        } else {
            self.changes = Vec::new();
        }
        Ok(())
    }

    /// What the log keeps of the whole.
    pub(super) fn summary(&self) -> Value {
        json!({
            "added": self.counts.added,
            "updated": self.counts.updated,
            "unchanged": self.counts.unchanged,
            "skipped": self.counts.skipped,
            "rejected": self.counts.rejected,
            "sha256": HEXLOWER.encode(&self.digest),
        })
    }

    /// One error for all the rows that are not taken, in their order.
    pub(super) fn refuse(&self) -> Result<()> {
        let bad = &self.problems;
        let Some(first) = bad.first() else {
            return Ok(());
        };
        let said = |problem: &Problem| format!("line {}: {}", problem.line, problem.message);
        let lines: Vec<u64> = bad.iter().map(|problem| problem.line).collect();
        let error = if bad.len() == 1 {
            let error = Error::new(first.kind, said(first)).with("line", first.line);
            match &first.hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        } else {
            let mut shown: Vec<String> = bad.iter().take(SHOWN).map(said).collect();
            let rows = self.counts.rejected;
            let more = rows.saturating_sub(SHOWN as u64);
            if more > 0 {
                shown.push(format!("and {more} more"));
            }
            Error::new(
                first.kind,
                format!(
                    "{} cannot be imported:\n  {}",
                    counted(rows, "line", "lines"),
                    shown.join("\n  ")
                ),
            )
            .hint("nothing was imported; mend the lines and run it again, or take the others with --rejects FILE")
        };
        let problems: Vec<Value> = bad
            .iter()
            .map(|problem| json!({ "line": problem.line, "message": problem.message }))
            .collect();
        Err(error
            .with("rejected", self.counts.rejected)
            .with("lines", lines)
            .with("problems", problems))
    }
}

/// What the row says, as a command would.
fn fields(row: &Row) -> Fields {
    let set = |value: &Option<String>| value.clone().map_or(Patch::Keep, Patch::Set);
    Fields {
        name: set(&row.name),
        email: set(&row.email),
        phone: set(&row.phone),
        kind: row.kind,
        language: row.language.clone(),
        active: row.active,
        ..Fields::default()
    }
}

fn addition(store: &Store, row: &Row) -> Result<AddUser> {
    Ok(AddUser {
        login: row.login.clone(),
        fields: Fields {
            groups: Some(group::names(store, &row.groups)?),
            ..fields(row)
        },
        password: None,
        imported: row.imported.clone(),
    })
}

pub(super) fn edit(store: &Store, row: &Row, update: &Update) -> Result<EditUser> {
    let groups = [update.direct.clone(), update.joins.clone()].concat();
    Ok(EditUser {
        id: update.id,
        fields: Fields {
            groups: Some(group::names(store, &groups)?),
            ..fields(row)
        },
    })
}
