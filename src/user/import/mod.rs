//! Bringing users in from a CSV file: all of them, or none.
//!
//! The first line names the columns; only `login` is required. An empty field is one that is not given. The file is read
//! several times over and never held: once to judge it, so that somebody can be asked, and once to write it, in one
//! transaction. It is the same file each time, by its SHA-256, which the audit log keeps.

mod columns;
mod file;
mod judge;
mod rejects;
mod row;
mod seen;
mod twice;
mod write;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use self::columns::{COLUMNS, Mapping, mapping};
pub use self::file::{Rereadable, spool};

use self::columns::{Columns, Field};
use self::file::Found;
use self::judge::{Outcome, Taken, judge, problem};
use self::rejects::Rejects;
use self::row::{Groups, Row, names};
pub use self::seen::Counts;
use self::seen::{Seen, WATCHED, edit};
use self::twice::{Fingerprints, Twice};
use self::write::Writer;
use super::state::reset_counters;
use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::name::{counted, fold, visible};
use crate::permission::Administrators;
use crate::plan::{Change, Op, Plan, Reach};
use crate::store::{Store, Tx};
use crate::vault::Label;

/// What stands for a file in a confirmation.
const BOUND: Label = Label("confirmation.import_file");

/// What becomes of a row whose user exists and differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// It is rejected.
    #[default]
    Fail,
    /// The user stays as they are.
    Skip,
    /// The user gets what the row gives. Groups are added, and nobody leaves one; a password hash counts for new users
    /// alone.
    Update,
}

/// How a file is imported.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What becomes of a row whose user differs.
    pub on_conflict: OnConflict,
    /// Columns that have other names.
    pub mappings: Vec<Mapping>,
    /// Where rejected rows go; without it one of them refuses the file.
    pub rejects: Option<PathBuf>,
}

/// `user import`.
pub struct ImportUsers {
    file: RefCell<Box<dyn Rereadable>>,
    /// Bytes of the file.
    length: u64,
    options: Options,
    groups: Groups,
    taken: RefCell<Taken>,
    /// The SHA-256 of the file when it was read first: it is the same one from then on.
    digest: Cell<Option<[u8; 32]>>,
    /// The lines that stand in the file of rejected rows, once it is written.
    written: RefCell<Option<Vec<u64>>>,
    seen: RefCell<Seen>,
}

impl std::fmt::Debug for ImportUsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImportUsers({:?})", self.options)
    }
}

impl ImportUsers {
    /// A file to import: UTF-8 with or without a byte order mark, any line ends, commas, semicolons or tabs between the
    /// fields. It is read by [`Plan::changes`].
    ///
    /// # Errors
    /// [`Kind::Io`]; [`Kind::Conflict`] where the file for rejected rows exists.
    pub fn new(mut file: Box<dyn Rereadable>, options: Options) -> Result<ImportUsers> {
        // A link that leads nowhere is in the way too.
        let stands = |path: &&Path| path.symlink_metadata().is_ok();
        if let Some(path) = options.rejects.as_deref().filter(stands) {
            let message = format!("`{}` exists", path.display());
            return Err(Error::new(Kind::Conflict, message)
                .hint("name another file with --rejects: none is written over"));
        }
        let length = file
            .seek(std::io::SeekFrom::End(0))
            .map_err(|error| Error::new(Kind::Io, "cannot read the file").because(error))?;
        Ok(ImportUsers {
            file: RefCell::new(file),
            length,
            options,
            groups: Groups::default(),
            taken: RefCell::default(),
            digest: Cell::new(None),
            written: RefCell::default(),
            seen: RefCell::default(),
        })
    }

    /// What the rows came to, when the file was judged last.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.seen.borrow().counts
    }

    /// Reads the file and hands each record to `each`, while somebody watches.
    fn pass(
        &self,
        store: &Store,
        what: &str,
        each: &mut dyn FnMut(&Columns, Found<'_>) -> Result<()>,
    ) -> Result<[u8; 32]> {
        let columns = |headers: &csv::StringRecord| Columns::read(headers, &self.options.mappings);
        store.watched(what, Some(self.length), |at| {
            let mut file = self.file.borrow_mut();
            file::read(&mut **file, &columns, &mut |columns, found| {
                at(found.at);
                each(columns, found)
            })
        })
    }

    /// Judges the whole file, unless that was done and still holds.
    fn look(&self, store: &Store) -> Result<()> {
        let version = store.data_version()?;
        if self.seen.borrow().version == Some(version) {
            return Ok(());
        }
        let _moment = store.db().moment()?;
        self.groups.forget();
        *self.taken.borrow_mut() = Taken::load(store)?;
        let mut prints = Fingerprints::new();
        let mut twice = Twice::none();
        let mut seen = self.judge(store, &twice, &mut |names| {
            let [login, email] = names;
            // A user whose address is their login has one name.
            let email = email
                .as_ref()
                .filter(|email| login.as_ref() != Some(*email));
            login.iter().chain(email).for_each(|name| prints.add(name));
        })?;
        let found = prints.twice();
        if !found.is_empty() {
            twice = found;
            self.pass(
                store,
                "Looking for names that stand twice",
                &mut |columns, found| {
                    let names = names(columns, found.record);
                    names
                        .iter()
                        .flatten()
                        .for_each(|name| twice.note(name, found.line));
                    Ok(())
                },
            )?;
            seen = self.judge(store, &twice, &mut |_| {})?;
        }
        seen.twice = twice;
        seen.version = Some(version);
        self.is_the_same(seen.digest)?;
        let written = self.written.borrow();
        if written
            .as_ref()
            .is_some_and(|lines| *lines != seen.rejected)
        {
            return Err(Error::new(
                Kind::Conflict,
                "the store changed in the meantime, and with it the rows that are rejected",
            )
            .hint("nothing was imported; run it again"));
        }
        *self.seen.borrow_mut() = seen;
        Ok(())
    }

    /// Judges every row. `each` is told the names of each.
    fn judge(
        &self,
        store: &Store,
        twice: &Twice,
        each: &mut dyn FnMut(&[Option<String>; 2]),
    ) -> Result<Seen> {
        let mut seen = Seen::default();
        let mut administrators = Administrators::load(store)?;
        seen.digest = self.pass(store, "Reading the file", &mut |columns, found| {
            let names = names(columns, found.record);
            each(&names);
            match self.judge_record(store, columns, &found, twice) {
                Ok((row, outcome)) => seen.count(store, &row, &outcome, &mut administrators),
                Err(error) => {
                    seen.counts.rejected += 1;
                    seen.rejected.push(found.line);
                    seen.keep(problem(found.line, error)?);
                    Ok(())
                }
            }
        })?;
        Ok(seen)
    }

    /// What one record comes to.
    fn judge_record(
        &self,
        store: &Store,
        columns: &Columns,
        found: &Found<'_>,
        twice: &Twice,
    ) -> Result<(Row, Outcome)> {
        if !twice.is_empty()
            && let Some(error) = stands_twice(twice, columns, found)
        {
            return Err(error);
        }
        let row = Row::read(store, &self.groups, columns, found.record)?;
        let outcome = judge(store, &self.taken.borrow(), &row, self.options.on_conflict)?;
        Ok((row, outcome))
    }

    /// Carries out `work`, which commits the other rows, with the rejected ones written before it; their file gets its
    /// name when `work` is done, and is gone when it fails.
    ///
    /// # Errors
    /// Those of `work`; [`Kind::Io`].
    pub fn with_rejects<T>(&self, store: &Store, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let rejects = match &self.options.rejects {
            None => None,
            Some(path) => {
                self.look(store)?;
                self.reject(store, path)?
            }
        };
        let done = work()?;
        if let Some(rejects) = rejects {
            rejects.finish().map_err(|error| {
                error.hint("the other rows were imported; only this file could not be written")
            })?;
        }
        Ok(done)
    }

    fn reject<'p>(&self, store: &Store, path: &'p Path) -> Result<Option<Rejects<'p>>> {
        let seen = self.seen.borrow();
        *self.written.borrow_mut() = Some(seen.rejected.clone());
        let mut rejects: Option<Rejects<'p>> = None;
        if seen.counts.rejected == 0 {
            return Ok(None);
        }
        self.pass(store, "Writing the rejected rows", &mut |columns, found| {
            if let Err(error) = self.judge_record(store, columns, &found, &seen.twice) {
                let problem = problem(found.line, error)?;
                let file = match &mut rejects {
                    Some(file) => file,
                    None => rejects.insert(Rejects::begin(path, columns)?),
                };
                file.add(columns, found.line, &problem.message, found.record)?;
            }
            Ok(())
        })?;
        Ok(rejects)
    }

    /// Refuses a file that is another one than was read first.
    fn is_the_same(&self, digest: [u8; 32]) -> Result<()> {
        let first = self.digest.get().unwrap_or(digest);
        self.digest.set(Some(first));
        if digest == first {
            return Ok(());
        }
        Err(
            Error::new(Kind::Conflict, "the file changed while it was read")
                .hint("nothing was imported; run it again"),
        )
    }
}

/// Why a record is not taken that has a name of an earlier one.
fn stands_twice(twice: &Twice, columns: &Columns, found: &Found<'_>) -> Option<Error> {
    [Field::Login, Field::Email].into_iter().find_map(|field| {
        let name = columns.text(found.record, field).ok().flatten()?;
        let earlier = twice.earlier(&fold(name), found.line)?;
        let message = format!("`{}` stands in line {earlier} already", visible(name));
        Some(Error::new(Kind::Conflict, message))
    })
}

impl Plan for ImportUsers {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        self.look(store)?;
        let seen = self.seen.borrow();
        if self.options.rejects.is_none() {
            seen.refuse()?;
        }
        if seen.counts.changed() == 0 || !seen.changes.is_empty() {
            return Ok(seen.changes.clone());
        }
        // Too many for a row each: the whole is one change.
        let counts = seen.counts;
        let whole = Change::new("user", "import", Op::Edit, Event::USERS_IMPORTED)
            .field("added", 0, counts.added)
            .field("updated", 0, counts.updated);
        Ok(vec![Change {
            detail: Some(seen.summary()),
            ..whole
        }])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.room_for_many()?;
        let mut writer = Writer::new(tx)?;
        let seen = self.seen.borrow();
        // Where every row is a new user nothing is asked of the store: it was, and holds.
        let all_new = seen.counts.added > 0
            && seen.counts
                == Counts {
                    added: seen.counts.added,
                    ..Counts::default()
                };
        let digest = self.pass(tx, "Writing users", &mut |columns, found| {
            if all_new {
                let row = Row::read(tx, &self.groups, columns, found.record)?;
                return writer.add(row);
            }
            // It stays rejected, though a change of this very file may have made room for it.
            if seen.rejected.binary_search(&found.line).is_ok() {
                return Ok(());
            }
            let (row, outcome) = self.judge_record(tx, columns, &found, &seen.twice)?;
            match outcome {
                Outcome::Same | Outcome::Skip => Ok(()),
                Outcome::Add => writer.add(row),
                Outcome::Update(update) => {
                    edit(tx, &row, &update)?.write(tx)?;
                    // As by `user activate`.
                    if update.activates {
                        reset_counters(tx, update.id)?;
                    }
                    Ok(())
                }
            }
        })?;
        writer.flush()?;
        drop(seen);
        self.is_the_same(digest)?;
        // What was judged is so no more.
        self.seen.borrow_mut().version = None;
        Ok(())
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        let touched = &self.seen.borrow().touched;
        Ok(match touched.len() {
            0 => Reach::Nobody,
            many if many > WATCHED => Reach::Everyone,
            _ => Reach::Users(touched.clone()),
        })
    }

    fn touches_administrators(&self, _store: &Store, _changes: &[Change]) -> Result<bool> {
        Ok(self.seen.borrow().administrators)
    }

    fn confirms(&self, _store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        Ok(self.seen.borrow().confirms.clone())
    }

    fn binds(&self, store: &Store) -> Result<Vec<u8>> {
        let seen = self.seen.borrow();
        let words = format!("{:?}", (self.options.on_conflict, &self.options.mappings));
        let vault = store.vault()?;
        Ok(vault
            .hash(BOUND, &[&seen.digest, words.as_bytes()])?
            .to_vec())
    }

    fn question(&self, _store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let counts = self.counts();
        let users = |count| counted(count, "user", "users");
        let mut said = vec![format!("{} will be added.", users(counts.added))];
        if counts.updated > 0 {
            said.push(format!("{} will be changed.", users(counts.updated)));
        }
        if counts.rejected > 0 {
            let rows = counted(counts.rejected, "row", "rows");
            said.push(format!("{rows} will not be taken."));
        }
        Ok(Some(said.join(" ")))
    }

    fn summary(&self, changes: &[Change]) -> Option<(Event, Value)> {
        // The whole as one change tells it itself.
        let alone = matches!(changes, [change] if change.event == Event::USERS_IMPORTED);
        (!alone).then(|| (Event::USERS_IMPORTED, self.seen.borrow().summary()))
    }
}

#[cfg(test)]
mod tests;
