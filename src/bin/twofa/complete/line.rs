//! The line that is being typed, as a shell hands it over: `twofa -- twofa WORD…`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, Command, CommandFactory as _};
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

/// What stands for the words of a command.
const SWITCH: &str = "--quiet";

/// The command that is being typed, alone, and the words of the line for it.
///
/// Of a hundred commands with fifteen options each, clap makes as many more before it completes a word. This one stands
/// for all of them: the words that led to it are replaced by a switch that it does not ask about, since the shell has
/// counted them.
pub fn command() -> (Command, Vec<OsString>) {
    let mut words = words();
    let cursor = cursor(&words);
    let mut command = Cli::command();
    let globals: Vec<Arg> = command.get_arguments().cloned().collect();
    let (mut is_value, mut is_below) = (false, false);
    for word in words.iter_mut().take(cursor).skip(1) {
        if std::mem::take(&mut is_value) {
            // clap takes it for the command that is called so.
            if command.find_subcommand(&*word).is_some() {
                word.clear();
            }
            continue;
        }
        let text = word.to_string_lossy();
        if text == "--" {
            break;
        }
        is_value = takes_next(&text, globals.iter().chain(command.get_arguments()));
        if let Some(next) = command.find_subcommand(text.as_ref()).cloned() {
            command = next;
            *word = OsString::from(SWITCH);
            is_below = true;
        }
    }
    if is_below {
        command = command.args(globals).disable_help_subcommand(true);
    }
    // What every command takes would hide what this one is about; who types a hyphen is shown it.
    if words.get(cursor).is_none_or(|word| word.is_empty()) {
        command = command.mut_args(|argument| {
            let is_for_all = argument.is_global_set();
            argument.hide(is_for_all)
        });
    }
    (command.mut_subcommands(|below| bare(&below)), words)
}

/// A command of which only the name is asked.
fn bare(command: &Command) -> Command {
    Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .hide(command.is_hide_set())
        .aliases(command.get_all_aliases().map(str::to_owned))
}

/// Whether a word is an option whose value is the word after it.
fn takes_next<'a>(word: &str, arguments: impl Iterator<Item = &'a Arg>) -> bool {
    let mut arguments = arguments;
    let named = |argument: &&Arg| {
        let long = word.strip_prefix("--");
        let short = word
            .strip_prefix('-')
            .filter(|rest| rest.chars().count() == 1);
        (long.is_some() && argument.get_long() == long)
            || (short.is_some()
                && argument.get_short() == short.and_then(|rest| rest.chars().next()))
    };
    // The tree is not built yet: an option that takes values says so by its action.
    arguments.find(named).is_some_and(|argument| {
        argument.get_action().takes_values() && !argument.is_require_equals_set()
    })
}

/// What the rest of the line says of an argument of its command. What is wrong with a line that is not finished is
/// nobody's business yet.
pub fn given(id: &str) -> Option<OsString> {
    let (command, mut words) = command();
    let cursor = cursor(&words);
    if cursor < words.len() {
        words.remove(cursor);
    }
    words.retain(|word| word != SWITCH);
    let matches = command
        .ignore_errors(true)
        .try_get_matches_from(words)
        .ok()?;
    matches.try_get_raw(id).ok()??.next().map(OsString::from)
}

/// Where the store of the line is, with its keys.
pub fn place() -> Option<Place> {
    let [_, key] = named();
    let key = process::key_source(key.as_deref()).ok()?;
    Some(Place::new(store()?, key))
}

/// Where the store of the line is.
pub fn store() -> Option<PathBuf> {
    let [db, _] = named();
    if db.is_some() {
        return db;
    }
    let system = std::path::Path::new(Place::SYSTEM);
    if process::process().effective == Some(0) || system.exists() {
        return Some(system.to_owned());
    }
    process::default_store().ok()
}

/// What the line, or its variables, say of the store and of its keys.
fn named() -> [Option<PathBuf>; 2] {
    let mut words = words()
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned());
    let mut named = [("--db", "TWOFA_DB"), ("--key-file", "TWOFA_KEY_FILE")]
        .map(|(option, name)| (option, process::variable(name).map(PathBuf::from)));
    while let Some(word) = words.next() {
        for (option, path) in &mut named {
            let rest = word.strip_prefix(*option);
            if rest == Some("") {
                *path = words.next().map(PathBuf::from);
                break;
            }
            if let Some(value) = rest.and_then(|rest| rest.strip_prefix('=')) {
                *path = Some(value.into());
            }
        }
    }
    named.map(|(_, path)| path.map(at_home))
}

/// A shell expands `~` when the line is run, which it is not yet.
fn at_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), process::variable("HOME")) {
        (Ok(below), Some(home)) => PathBuf::from(home).join(below),
        _ => path,
    }
}
