//! The line that is being typed, as a shell hands it over: `twofa -- twofa WORD…`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, CommandFactory as _};
use twofa::store::Place;

use crate::cli::Cli;
use crate::process;

/// The words of the line, the program's name first.
pub fn words() -> Vec<OsString> {
    process::words()
        .skip_while(|word| word != "--")
        .skip(1)
        .collect()
}

/// The place of the word under the cursor. fish hands over what stands before it, and says no number.
fn cursor(words: &[OsString]) -> usize {
    let last = words.len().saturating_sub(1);
    process::text("_CLAP_COMPLETE_INDEX")
        .and_then(|place| place.parse().ok())
        .filter(|place| *place <= last)
        .unwrap_or(last)
}

/// The words before the one under the cursor.
pub fn before() -> Vec<String> {
    let words = words();
    let cursor = cursor(&words);
    words
        .iter()
        .take(cursor)
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// What the rest of the line says of an argument of its command. What is wrong with a line that is not finished is
/// nobody's business yet.
pub fn given(id: &str) -> Option<OsString> {
    let mut words = words();
    let cursor = cursor(&words);
    if cursor < words.len() {
        words.remove(cursor);
    }
    let matches = Cli::command()
        .ignore_errors(true)
        .try_get_matches_from(words)
        .ok()?;
    let mut below: &ArgMatches = &matches;
    while let Some((_, next)) = below.subcommand() {
        below = next;
    }
    below.try_get_raw(id).ok()??.next().map(OsString::from)
}

/// Where the store of the line is.
pub fn place() -> Option<Place> {
    let mut words = words()
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned());
    let mut db: Option<PathBuf> = process::variable("TWOFA_DB").map(Into::into);
    while let Some(word) = words.next() {
        if word == "--db" {
            db = words.next().map(Into::into);
        } else if let Some(path) = word.strip_prefix("--db=") {
            db = Some(path.into());
        }
    }
    let process = process::process();
    if let Some(db) = db {
        Some(Place::new(at_home(db), None))
    } else {
        let system = std::path::Path::new(Place::SYSTEM);
        if process.effective == Some(0) || system.exists() {
            return Some(Place::new(system.to_owned(), None));
        }
        process::default_place().ok()
    }
}

/// A shell expands `~` when the line is run, which it is not yet.
fn at_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), process::variable("HOME")) {
        (Ok(below), Some(home)) => PathBuf::from(home).join(below),
        _ => path,
    }
}
