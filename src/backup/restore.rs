//! Restoring: a backup takes the place of the store, and nothing that was consumed comes back to life.
//!
//! The backup is copied beside the store, checked, and merged with what the live store knows better; then it is written
//! over the live one in a single transaction of that file, so that other processes see either. A store that cannot be read
//! is moved aside, and what it would have known is taken at its worst: no code that an app has shown until now works, and
//! no recovery code at all. The log goes on from the backup's end with a row that holds both.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Value, json};

use super::digest;
use super::merge::{Merged, merge};
use crate::actor::{Process, Session};
use crate::ask::Ask;
use crate::audit::{self, End, Entry, Event, Outcome};
use crate::clock::{Source, Time};
use crate::error::{Error, Kind, Result};
use crate::files::{Owner, PrivateFile, directory_of, make_private_directory};
use crate::name::{counted, visible};
use crate::plan::Warning;
use crate::progress::Progress;
use crate::store::{
    Found, Place, Store, copy_of, look, open_copy, put_in_place, remove_unfinished, write_over,
};
use crate::verb::verb;

/// What `restore` is told.
pub struct Wanted<'a> {
    /// The backup.
    pub file: &'a Path,
    /// `--as`.
    pub as_login: Option<&'a str>,
    /// `--reason`.
    pub note: Option<String>,
    /// How long to wait for a busy store.
    pub wait: Duration,
    /// Makes somebody who watches.
    pub watcher: &'a dyn Fn() -> Box<dyn Progress>,
}

/// What stood where the backup went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Live {
    /// A store: what it knew better was kept.
    Merged,
    /// Nothing.
    Absent,
    /// Something that cannot be read.
    Unreadable,
}

/// What was done. Its keys are never left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The backup.
    pub file: String,
    /// The store it is of.
    pub store_id: String,
    /// The newest event in it.
    pub restored_seq: i64,
    /// How many events of the live store are lost; `null`: nobody knows.
    pub lost_events: Option<i64>,
    /// What stood there.
    pub live: Live,
    /// Where what could not be read is now.
    pub aside: Option<String>,
    /// Logins of users whose recovery codes are void by it.
    pub recovery_codes_void: Vec<String>,
    /// Whether anything was done: a backup that was just restored is not restored again.
    #[serde(skip)]
    pub changed: bool,
    /// What is worth saying beside it.
    #[serde(skip)]
    pub warnings: Vec<Warning>,
}

/// A backup, copied and checked.
struct Copy {
    sha256: String,
    end: End,
    /// When its newest event was.
    at: Time,
}

/// Puts a backup in the place of the store.
///
/// # Errors
/// [`Kind::NotPermitted`]; [`Kind::Conflict`] for the backup of another store; [`Kind::Guard`] for one whose log was
/// tampered with; [`Kind::MissingAnswer`], [`Kind::Declined`]; [`Kind::Busy`]; storage and key errors. Then the store is
/// as it was.
pub fn restore(
    place: &Place,
    wanted: &Wanted<'_>,
    process: &Process,
    source: &Rc<dyn Source>,
    ask: &mut dyn Ask,
) -> Result<Restored> {
    refuse_itself(place, wanted.file)?;
    let found = look(place, wanted.wait, source)?;
    let begin = |store| {
        let note = wanted.note.clone();
        Session::begin(store, verb("restore")?, process, wanted.as_login, note)
    };
    let (session, why) = match found {
        Found::Store(store) => {
            store.watch((wanted.watcher)());
            (Some(begin(*store)?), None)
        }
        Found::Absent => (None, None),
        Found::Unreadable(why) => (None, Some(why)),
    };
    let directory = directory_of(&place.db);
    let owner = Owner::of(&place.db).or_else(|| place.key.as_file().and_then(Owner::of));
    let failed = |error: std::io::Error| {
        let message = format!("cannot write into `{}`", directory.display());
        Error::new(Kind::Io, message).because(error)
    };
    make_private_directory(directory, owner).map_err(failed)?;
    remove_unfinished(directory, source.as_ref());
    let file = PrivateFile::begin(&place.db).map_err(failed)?;
    file.give_to(owner).map_err(failed)?;
    let live = session.as_ref().map(|session| &session.store);
    let (merged, copy) = copied(place, wanted, &file, live, source)?;
    match session {
        Some(session) => over(&session, &merged, &copy, wanted, ask),
        None => anew(begin(merged)?, place, file, &copy, why, wanted, source, ask),
    }
}

/// A store is no backup of itself.
fn refuse_itself(place: &Place, file: &Path) -> Result<()> {
    let real = |path: &Path| fs::canonicalize(path).ok();
    if real(file).is_some_and(|file| Some(file) == real(&place.db)) {
        let message = format!("`{}` is the store itself", file.display());
        return Err(
            Error::new(Kind::Conflict, message).hint("name a file that `twofa backup` made")
        );
    }
    Ok(())
}

/// Copies the backup and looks at the copy: it must be whole, open with the key file, and have a log that verifies.
fn copied(
    place: &Place,
    wanted: &Wanted<'_>,
    file: &PrivateFile<'_>,
    live: Option<&Store>,
    source: &Rc<dyn Source>,
) -> Result<(Store, Copy)> {
    let shown = wanted.file.display();
    // A pipe would wait for its other end.
    let sha256 = match fs::metadata(wanted.file) {
        Ok(found) if !found.is_file() => Err(std::io::Error::other("it is not a file")),
        _ => digest(wanted.file).map(|(_, sha256)| sha256),
    };
    let sha256 = sha256
        .map_err(|error| Error::new(Kind::Io, format!("cannot read `{shown}`")).because(error))?;
    copy_of(wanted.file, file.hidden(), wanted.wait).map_err(|error| {
        if error.kind() == Kind::ForeignStore {
            error.hint("`twofa backup FILE` makes a file that can be restored")
        } else {
            error
        }
    })?;
    let beside = Place::new(file.hidden().to_owned(), Some(place.key.clone()));
    let merged = open_copy(&beside, true, Rc::clone(source))?;
    merged.watch((wanted.watcher)());
    if let Some(damage) = merged.damage(true)? {
        let message = format!("the backup `{shown}` is damaged: {damage}");
        return Err(Error::new(Kind::Storage, message).hint("restore another one"));
    }
    if live.is_some_and(|live| live.id() != merged.id()) {
        let message = format!("`{shown}` is a backup of another store");
        return Err(Error::new(Kind::Conflict, message)
            .hint("nothing was changed; name the place of that store with --db"));
    }
    merged.vault()?;
    let found = audit::verify(&merged, None)?;
    if let (Some(damage), Some(seq)) = (found.damage, found.first_bad) {
        let message = format!(
            "the audit log of `{shown}` was tampered with: row {seq} ({})",
            damage.words()
        );
        return Err(
            Error::new(Kind::Guard, message).hint("nothing was changed: restore another backup")
        );
    }
    let end = audit::end(&merged)?;
    let at = audit::show(&merged, end.seq).map_or(Time(0), |newest| newest.at);
    Ok((merged, Copy { sha256, end, at }))
}

/// Writes a backup over a store that can be read.
fn over(
    session: &Session,
    merged: &Store,
    copy: &Copy,
    wanted: &Wanted<'_>,
    ask: &mut dyn Ask,
) -> Result<Restored> {
    let live = &session.store;
    let file = wanted.file.display().to_string();
    let mut answer = answer(&file, merged, copy, Live::Merged);
    let before = audit::end(live)?;
    if is_just_restored(live, &before, copy)? {
        answer.lost_events = Some(0);
        return Ok(answer);
    }
    let lost = before.seq - audit::in_common(live, merged)?;
    let shown = ask.sure(&format!(
        "The store goes back to event {} of {}: {} lost.",
        copy.end.seq,
        copy.at,
        counted(lost.unsigned_abs(), "later event is", "later events are")
    ))?;
    let last = || {
        session.still_may(live)??;
        let now = audit::end(live)?;
        if shown && now != before {
            let message = "the store changed in the meantime, and with it what would be lost";
            return Err(Error::new(Kind::Conflict, message)
                .hint("nothing was changed; stop what writes, or say --yes"));
        }
        let lost = now.seq - audit::in_common(live, merged)?;
        let who = session.who();
        let done = merged.write(|tx| {
            let entry = entry(&file, copy, Some(&now));
            merge(tx, &who, Some(live), &entry)
        })?;
        Ok((lost, done))
    };
    let (lost, done) = write_over(merged, live.place(), wanted.wait, last).map_err(|error| {
        if error.kind() == Kind::NotPermitted {
            session.refuse(None, error)
        } else {
            error
        }
    })?;
    answer.lost_events = Some(lost);
    Ok(finished(answer, done))
}

/// Whether the newest thing that happened is that this very backup was restored.
fn is_just_restored(live: &Store, end: &End, copy: &Copy) -> Result<bool> {
    if end.seq == 0 {
        return Ok(false);
    }
    let newest = match audit::show(live, end.seq) {
        Err(error) if error.kind() == Kind::NotFound => return Ok(false),
        newest => newest?,
    };
    let sha256 = newest
        .detail
        .as_ref()
        .and_then(|detail| detail.get("sha256"));
    Ok(newest.event == Event::STORE_RESTORED.code()
        && sha256.and_then(Value::as_str) == Some(copy.sha256.as_str()))
}

/// Puts a backup where no store is, or one that cannot be read.
fn anew(
    session: Session,
    place: &Place,
    file: PrivateFile<'_>,
    copy: &Copy,
    why: Option<String>,
    wanted: &Wanted<'_>,
    source: &Rc<dyn Source>,
    ask: &mut dyn Ask,
) -> Result<Restored> {
    let merged = &session.store;
    let name = wanted.file.display().to_string();
    let there = place.db.display();
    let (live, stands) = match &why {
        None => (Live::Absent, format!("There is no store at `{there}`")),
        Some(why) => (
            Live::Unreadable,
            format!("The store `{there}` cannot be read ({why}) and is moved aside"),
        ),
    };
    ask.sure(&format!(
        "{stands}: `{}` becomes it, up to event {} of {}, and every recovery code is void.",
        visible(&name),
        copy.end.seq,
        copy.at
    ))?;
    let who = session.who();
    let done = merged.write(|tx| merge(tx, &who, None, &entry(&name, copy, None)))?;
    let mut answer = answer(&name, merged, copy, live);
    // Its connection first, or its locks would go with the file's descriptor.
    drop(session);
    let still = look(place, wanted.wait, source)?;
    if !matches!(
        (&still, live),
        (Found::Absent, Live::Absent) | (Found::Unreadable(_), Live::Unreadable)
    ) {
        let message = format!("something else stands at `{there}` than a moment ago");
        return Err(Error::new(Kind::Conflict, message)
            .hint("nothing was changed; repeat the command, and look again"));
    }
    let aside = put_in_place(file, place)?;
    answer.aside = aside.map(|path| path.display().to_string());
    Ok(finished(answer, done))
}

/// The row of the log: the ends of both.
fn entry(file: &str, copy: &Copy, live: Option<&End>) -> Entry {
    let end = |end: &End| json!({ "seq": end.seq, "mac": HEXLOWER.encode(&end.mac) });
    Entry::new(Event::STORE_RESTORED, Outcome::Ok).detail(json!({
        "file": file, "sha256": copy.sha256, "backup": end(&copy.end), "live": live.map(end),
    }))
}

/// The answer, as long as nothing was done.
fn answer(file: &str, merged: &Store, copy: &Copy, live: Live) -> Restored {
    Restored {
        file: file.to_owned(),
        store_id: merged.id().to_owned(),
        restored_seq: copy.end.seq,
        lost_events: None,
        live,
        aside: None,
        recovery_codes_void: Vec::new(),
        changed: false,
        warnings: Vec::new(),
    }
}

fn finished(answer: Restored, done: Merged) -> Restored {
    let warnings = [
        (
            "recovery_codes_void",
            "users whose recovery codes are void now",
            "they need new ones: `twofa recovery-codes generate LOGIN`",
            &done.codes_void,
        ),
        (
            "users_back",
            "users who had been removed since and are back",
            "`twofa user remove LOGIN` removes them again",
            &done.users_back,
        ),
        (
            "apps_back",
            "users whose app had been disconnected or replaced since, and whose old one is back",
            "`twofa authenticator disconnect LOGIN` disconnects it again",
            &done.apps_back,
        ),
        (
            "passwords_back",
            "users who had got another password since, and whose old one is back",
            "`twofa password set LOGIN --must-change` sets another",
            &done.passwords_back,
        ),
        (
            "kept_active",
            "users who had been deactivated since and are active, for nobody else could administer the store",
            "`twofa user deactivate LOGIN` once there is another administrator",
            &done.kept_active,
        ),
    ];
    let warnings = warnings
        .into_iter()
        .filter(|(_, _, _, names)| !names.is_empty())
        .map(|(kind, what, hint, names)| Warning {
            kind,
            message: format!("{what}: {}", named(names)),
            hint: Some(hint.to_owned()),
        })
        .collect();
    Restored {
        changed: true,
        warnings,
        recovery_codes_void: done.codes_void,
        ..answer
    }
}

/// How many names a warning tells.
const NAMES: usize = 10;

/// The first names, and how many more there are.
fn named(names: &[String]) -> String {
    let first: Vec<String> = names
        .iter()
        .take(NAMES)
        .map(|name| format!("`{}`", visible(name)))
        .collect();
    match names.len().checked_sub(NAMES) {
        Some(more) if more > 0 => format!("{}, and {more} more", first.join(", ")),
        _ => first.join(", "),
    }
}
