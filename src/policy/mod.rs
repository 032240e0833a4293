//! The policy file: a whole set-up as one reviewed file.
//!
//! What a file declares becomes steps, each a plan of its noun: the same plans that the single commands carry out, with
//! the same rules, rights, guards and log. What they would change is found out on an overlay of the store, by the
//! code that then writes it. What it promises: everything or nothing; a second run changes nothing; a file never holds a
//! secret, and an export is a file that makes the same of a new store.

mod declared;
mod document;
mod export;
mod impact;
mod members;
mod prune;
mod read;
mod reference;
mod schema;
mod senders;
mod step;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

pub use self::document::Document;
pub use self::export::{export, to_toml};
pub use self::impact::Impact;
pub use self::read::LONGEST;
pub use self::reference::{Reference, Vaults};
pub use self::schema::schema;

use self::read::Source;
use self::senders::{Found, Sender};
use self::step::{Blamed, Step, What};
use crate::audit::Event;
use crate::error::{Kind, Result};
use crate::guard::{self, Standing};
use crate::name::{self, counted, fold, visible};
use crate::plan::{Change, Op, Plan, Reach, Warning};
use crate::store::{Overlay, Store, Tx};
use crate::user::User;
use crate::verb::Operation;

/// The nouns that a policy declares, and their sections, in the order of the file.
pub const SECTIONS: [(&str, &str); 8] = [
    ("setting", "settings"),
    ("method", "methods"),
    ("mailbox", "mailboxes"),
    ("sms-provider", "sms_providers"),
    ("template", "templates"),
    ("group", "groups"),
    ("user", "users"),
    ("permission", "permissions"),
];

/// The section of a noun, which may be written as the section is.
///
/// # Errors
/// [`Kind::NotFound`] with the near miss.
pub fn section(noun: &str) -> Result<&'static str> {
    let wanted = fold(noun).replace('_', "-");
    let found = SECTIONS
        .iter()
        .find(|(noun, section)| *noun == wanted || section.replace('_', "-") == wanted);
    match found {
        Some((_, section)) => Ok(section),
        None => Err(name::not_found(
            "noun of a policy",
            noun,
            SECTIONS.iter().map(|(noun, _)| *noun),
            "twofa help policy",
        )),
    }
}

/// The kind of a warning about a secret that was not compared.
pub const SECRET_UNREAD: &str = "secret_unread";

/// What becomes of a secret that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// The command ends.
    Refuse,
    /// It is told of, and taken as unchanged: where nothing is written.
    Warn,
}

/// How a file is read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only these sections count; empty: all of them.
    pub only: Vec<&'static str>,
    /// What is not named goes.
    pub prune: bool,
    /// Whoever applies it acts for the owner of the store, and chooses no file, program or secret of theirs: a file that
    /// names one is refused.
    pub delegated: bool,
}

/// A policy file, with the secrets it refers to.
#[derive(Debug)]
pub struct Policy {
    source: Source,
    prune: bool,
    /// By section and folded name.
    secrets: HashMap<(&'static str, String), Found>,
    warnings: Vec<Warning>,
    /// What the last look found.
    seen: RefCell<Seen>,
    /// Whether that is a forecast of which nobody has been asked yet.
    is_foretold: Cell<bool>,
}

/// What the steps of a policy come to.
#[derive(Debug, Default)]
struct Seen {
    /// Steps that were taken; one that waits for another is taken more than once.
    steps: u64,
    changes: Vec<Change>,
    everyone: bool,
    users: BTreeSet<i64>,
    administrators: bool,
    confirms: Vec<String>,
    operations: Vec<Operation>,
    directories: Vec<String>,
    binds: Vec<u8>,
    warnings: Vec<Warning>,
}

impl Seen {
    fn reach(&self) -> Reach {
        if self.everyone {
            Reach::Everyone
        } else if self.users.is_empty() {
            Reach::Nobody
        } else {
            Reach::Users(self.users.iter().copied().collect())
        }
    }

    /// Whose logins could differ: those within reach, and whoever a change is about. To deactivate somebody reaches nobody,
    /// as the guards see it.
    fn touched(&self) -> Reach {
        if self.everyone {
            return Reach::Everyone;
        }
        let about = self.changes.iter().filter_map(|change| change.user);
        let users: BTreeSet<i64> = self.users.iter().copied().chain(about).collect();
        Reach::Users(users.into_iter().collect())
    }
}

/// What a policy would change, and for whom.
#[derive(Debug, Serialize)]
pub struct Forecast {
    /// Each thing that would come, differ or go.
    pub changes: Vec<Change>,
    /// What people would notice at their next login.
    pub impact: Vec<Impact>,
    /// What is worth saying beside it, a refusal by a guard included.
    #[serde(skip)]
    pub warnings: Vec<Warning>,
}

impl Policy {
    /// Reads a file, and the secrets it refers to.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] with the line and the near miss; [`Kind::NotPermitted`] for what is not for delegated callers;
    /// what `vaults` say of a secret.
    pub fn read(
        bytes: &[u8],
        options: &Options,
        vaults: &dyn Vaults,
        unread: Unread,
    ) -> Result<Policy> {
        let mut source = Source::read(bytes)?;
        if options.delegated {
            senders::name_no_file(&source.document)?;
        }
        if !options.only.is_empty() {
            source.document.keep(&options.only);
        }
        let mut secrets = HashMap::new();
        let mut warnings = Vec::new();
        for Sender {
            section,
            name,
            secret,
            ..
        } in source.document.senders()
        {
            let Some((key, reference)) = secret else {
                continue;
            };
            let found = match vaults.read(reference) {
                Ok(secret) => Found::Read(secret),
                Err(error) if unread == Unread::Warn => {
                    warnings.push(Warning {
                        kind: SECRET_UNREAD,
                        message: format!(
                            "{section}.{}.{key} was not compared: {}.",
                            visible(name),
                            error.message()
                        ),
                        hint: Some("`twofa apply` needs it".to_owned()),
                    });
                    Found::Unread
                }
                Err(error) => {
                    let place = vec![section.to_owned(), name.to_owned(), key.to_owned()];
                    return Err(source.blame(&place, error));
                }
            };
            secrets.insert((section, fold(name)), found);
        }
        Ok(Policy {
            source,
            prune: options.prune,
            secrets,
            warnings,
            seen: RefCell::default(),
            is_foretold: Cell::default(),
        })
    }

    fn secret(&self, section: &'static str, name: &str) -> Option<&Found> {
        self.secrets.get(&(section, fold(name)))
    }

    /// What it would change, and for whom; of what `acting` loses, a warning tells. Nothing is written. What is asked about
    /// next is this, as it was told.
    ///
    /// # Errors
    /// What one of the plans refuses, with the line.
    pub fn forecast(&self, store: &Store, acting: Option<&User>) -> Result<Forecast> {
        let overlay = self.look(store)?;
        self.is_foretold.set(true);
        let seen = self.seen.borrow();
        let mut forecast = Forecast {
            changes: seen.changes.clone(),
            impact: Vec::new(),
            warnings: seen.warnings.clone(),
        };
        let Some(overlay) = overlay else {
            return Ok(forecast);
        };
        let reach = seen.reach();
        let before = Standing::of(store, &reach)?;
        if let Err(error) = guard::check(&overlay, &reach, &before, guard::Allowance::Nobody) {
            forecast.warnings.push(Warning {
                kind: error.kind().code(),
                message: format!("`twofa apply` would refuse it: {}.", error.message()),
                hint: error.hint_text().map(str::to_owned),
            });
        }
        if let Some(acting) = acting {
            let lost = impact::rights_lost(store, &overlay, acting)?;
            forecast.warnings.extend(lost);
        }
        forecast.impact = impact::impact(store, &overlay, &seen.touched())?;
        Ok(forecast)
    }

    /// The store as it would be; `None`: as it is already. Nothing is written.
    ///
    /// # Errors
    /// As [`Policy::forecast`].
    pub fn would_be(&self, store: &Store) -> Result<Option<Overlay>> {
        self.look(store)
    }

    /// Finds out what the steps come to. Returns the store as it would be; `None` when nothing would change.
    fn look(&self, store: &Store) -> Result<Option<Overlay>> {
        let declared = self.steps(store)?;
        let mut seen = Seen::default();
        let mut overlay = None;
        if self.any_pending(store, &declared.steps)? {
            let would = store.overlay()?;
            seen = would.pretend(|tx| self.take(tx, "Planning", declared.steps))?;
            overlay = Some(would);
        }
        seen.warnings = [self.warnings.clone(), declared.warnings].concat();
        *self.seen.borrow_mut() = seen;
        Ok(overlay)
    }

    /// Whether a step would change something, or is refused, as things are now. What bulk comparison left over does.
    fn any_pending(&self, store: &Store, steps: &[Step<'_>]) -> Result<bool> {
        for step in steps {
            // What it names may be yet to come.
            let Ok(plan) = step.plan(store, self) else {
                return Ok(true);
            };
            match plan.changes(store) {
                Ok(changes) if changes.is_empty() => {}
                Err(error) if error.kind().exit() == Kind::Storage.exit() => return Err(error),
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Takes every step in order, and gathers what they come to, while somebody watches.
    fn take(&self, tx: &Tx<'_>, what: &str, steps: Vec<Step<'_>>) -> Result<Seen> {
        let total = steps.len() as u64;
        tx.watched(what, Some(total), |at| self.take_each(tx, steps, at))
    }

    fn take_each(
        &self,
        tx: &Tx<'_>,
        steps: Vec<Step<'_>>,
        at: &mut dyn FnMut(u64),
    ) -> Result<Seen> {
        let mut seen = Seen::default();
        let mut steps = steps.into_iter().peekable();
        while let Some(step) = steps.next() {
            if !matches!(step.what, What::User(..)) {
                self.step(tx, &step, &mut seen, at)?;
                continue;
            }
            let mut users = vec![step];
            while let Some(next) = steps.next_if(|step| matches!(step.what, What::User(..))) {
                users.push(next);
            }
            self.users(tx, users, &mut seen, at)?;
        }
        Ok(seen)
    }

    /// Takes the steps of users. A name that one gives up may be another's from then on: who finds theirs taken waits. Each
    /// round goes the other way, for names that are handed on along a row come free from its end.
    fn users(
        &self,
        tx: &Tx<'_>,
        mut users: Vec<Step<'_>>,
        seen: &mut Seen,
        at: &mut dyn FnMut(u64),
    ) -> Result<()> {
        while !users.is_empty() {
            let mut waiting = Vec::new();
            let mut taken = None;
            let all = users.len();
            for user in users {
                match self.try_step(tx, &user, seen, at) {
                    Ok(()) => {}
                    Err((place, error)) if error.kind() == Kind::Conflict => {
                        taken.get_or_insert((place, error));
                        waiting.push(user);
                    }
                    Err((place, error)) => return Err(self.source.blame(&place, error)),
                }
            }
            match taken {
                Some((place, error)) if waiting.len() == all => {
                    return Err(self.source.blame(&place, error));
                }
                _ => users = waiting.into_iter().rev().collect(),
            }
        }
        Ok(())
    }

    fn step(
        &self,
        tx: &Tx<'_>,
        step: &Step<'_>,
        seen: &mut Seen,
        at: &mut dyn FnMut(u64),
    ) -> Result<()> {
        self.try_step(tx, step, seen, at)
            .map_err(|(place, error)| self.source.blame(&place, error))
    }

    /// Takes a step. To find the line of an error the file is read once more, which is left to who tells of it.
    fn try_step(
        &self,
        tx: &Tx<'_>,
        step: &Step<'_>,
        seen: &mut Seen,
        at: &mut dyn FnMut(u64),
    ) -> Result<(), Blamed> {
        seen.steps += 1;
        at(seen.steps);
        let plan = step.plan(tx, self)?;
        let done = take_plan(tx, step, plan.as_ref(), seen);
        done.map_err(|error| (step.place.clone(), error))
    }
}

/// Gathers what a plan comes to, and carries it out.
fn take_plan(tx: &Tx<'_>, step: &Step<'_>, plan: &dyn Plan, seen: &mut Seen) -> Result<()> {
    let changes = plan.changes(tx)?;
    if changes.is_empty() {
        return Ok(());
    }
    match plan.reach(tx)? {
        Reach::Nobody => {}
        Reach::Users(users) => seen.users.extend(users),
        Reach::Everyone => seen.everyone = true,
    }
    let mut touches = plan.touches_administrators(tx, &changes)?;
    for user in changes.iter().filter_map(|change| change.user) {
        touches = touches || crate::permission::is_administrator(tx, user)?;
    }
    seen.administrators |= touches;
    seen.confirms.extend(plan.confirms(tx, &changes)?);
    seen.directories.extend(plan.directories());
    seen.binds.extend(plan.binds(tx)?);
    let operation = step.operation();
    if !seen.operations.contains(&operation) {
        seen.operations.push(operation);
    }
    seen.changes.extend(changes);
    plan.write(tx)
}

impl Plan for Policy {
    /// First those of a forecast, if there was one: whoever says yes to it says yes to what they saw. Under the write lock
    /// they are found out again.
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        if !self.is_foretold.replace(false) {
            self.look(store)?;
        }
        Ok(self.seen.borrow().changes.clone())
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let steps = self.steps(tx)?.steps;
        self.take(tx, "Writing", steps).map(drop)
    }

    fn operations(&self) -> Vec<Operation> {
        self.seen.borrow().operations.clone()
    }

    fn directories(&self) -> Vec<String> {
        self.seen.borrow().directories.clone()
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        Ok(self.seen.borrow().reach())
    }

    fn touches_administrators(&self, _store: &Store, _changes: &[Change]) -> Result<bool> {
        Ok(self.seen.borrow().administrators)
    }

    fn confirms(&self, _store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let seen = self.seen.borrow();
        Ok(seen
            .confirms
            .first()
            .map(|first| match seen.confirms.len() {
                1 => first.clone(),
                all => {
                    let more = counted(all as u64 - 1, "change", "changes");
                    format!("{first}, and {more} more")
                }
            }))
    }

    fn binds(&self, _store: &Store) -> Result<Vec<u8>> {
        Ok(self.seen.borrow().binds.clone())
    }

    fn question(&self, _store: &Store, changes: &[Change]) -> Result<Option<String>> {
        Ok(Some(format!(
            "{} will be made: {} to add, {} to edit, {} to remove.",
            counted(changes.len() as u64, "change", "changes"),
            Op::Add.count(changes),
            Op::Edit.count(changes),
            Op::Remove.count(changes)
        )))
    }

    fn summary(&self, changes: &[Change]) -> Option<(Event, serde_json::Value)> {
        let summary = serde_json::json!({
            "added": Op::Add.count(changes),
            "edited": Op::Edit.count(changes),
            "removed": Op::Remove.count(changes),
            "prune": self.prune,
        });
        Some((Event::POLICY_APPLIED, summary))
    }
}

/// Reads a file as far as that takes no store: for the fuzzer.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let _ = Source::read(bytes);
}

#[cfg(test)]
mod foretold;
#[cfg(test)]
mod tests;
