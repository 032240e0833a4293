//! Completion: the shell asks this program for the words.
//!
//! A completer sees the current word only, so the line is read again for `--db`. The store is opened to read, without
//! waiting, and whatever goes wrong means no candidates: a Tab press never prints an error.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::CommandFactory as _;
use clap_complete::CompletionCandidate;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};
use clap_complete::env::Shells;
use twofa::actor::Session;
use twofa::challenge;
use twofa::clock::System;
use twofa::delivery::outbox::{self, Filter};
use twofa::error::{Kind, Result};
use twofa::method::Method;
use twofa::setting::{self, Shape};
use twofa::store::{Place, Store};
use twofa::user::{self, Type};
use twofa::verb::{Opens, Operation, VERBS};
use twofa::{audit, group, mailbox, policy, sms_provider, template};

use crate::cli::Cli;
use crate::commands::help::TOPICS;
use crate::process;

/// The variable that turns the program into a completer.
const VARIABLE: &str = "TWOFA_COMPLETE";
/// How many names of a store are offered at once.
const MOST: i64 = 200;

/// Whether a shell asks.
pub fn requested() -> bool {
    process::variable(VARIABLE).is_some_and(|shell| !shell.is_empty())
}

/// Answers the shell. Its words are `twofa -- twofa WORD…`. A delegated caller gets no answer: candidates come out of
/// directories and stores that they may not choose.
pub fn answer() -> ExitCode {
    if process::is_delegated(&process::process(), place().as_ref(), None) {
        return ExitCode::from(Kind::NotPermitted.exit());
    }
    let shell = process::text(VARIABLE).unwrap_or_default();
    let shells = Shells::builtins();
    let Some(completer) = shells.completer(&shell) else {
        return ExitCode::FAILURE;
    };
    let words = words();
    let mut out = Vec::new();
    let directory = std::env::current_dir().ok();
    let mut command = Cli::command();
    if completer
        .write_complete(&mut command, words, directory.as_deref(), &mut out)
        .is_ok()
    {
        #[expect(
            clippy::disallowed_methods,
            reason = "the candidates are the whole answer to the shell"
        )]
        let mut stdout = std::io::stdout();
        // Nobody listens: nothing to do.
        let _ = std::io::Write::write_all(&mut stdout, &out);
    }
    ExitCode::SUCCESS
}

fn words() -> Vec<OsString> {
    process::words()
        .skip_while(|word| word != "--")
        .skip(1)
        .collect()
}

/// Where the store of the line is.
fn place() -> Option<Place> {
    let mut words = words()
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned());
    let mut db = process::variable("TWOFA_DB").map(Into::into);
    while let Some(word) = words.next() {
        if word == "--db" {
            db = words.next().map(Into::into);
        } else if let Some(path) = word.strip_prefix("--db=") {
            db = Some(path.into());
        }
    }
    let process = process::process();
    if let Some(db) = db {
        Some(Place::new(db, None))
    } else {
        let system = std::path::Path::new(Place::SYSTEM);
        if process.effective == Some(0) || system.exists() {
            return Some(Place::new(system.to_owned(), None));
        }
        process::default_place().ok()
    }
}

/// What the store of the line has to say, to somebody who may list users; else nothing.
fn ask(what: impl FnOnce(&Store) -> Result<Vec<String>>) -> Vec<CompletionCandidate> {
    let found = || -> Option<Vec<String>> {
        let verb = VERBS
            .iter()
            .find(|verb| verb.path == "user list" && verb.opens == Opens::Read)?;
        let store = Store::open(&place()?, verb, Duration::ZERO, Rc::new(System)).ok()?;
        let session = Session::look(store, verb, &process::process()).ok()?;
        what(&session.store).ok()
    };
    // A name that would break the line of the shell's protocol is not offered.
    let sound = |name: &String| !name.chars().any(char::is_control);
    found()
        .unwrap_or_default()
        .into_iter()
        .filter(sound)
        .map(CompletionCandidate::new)
        .collect()
}

fn fixed(words: impl IntoIterator<Item = &'static str>) -> Vec<CompletionCandidate> {
    words.into_iter().map(CompletionCandidate::new).collect()
}

/// Logins.
pub fn users() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let prefix = current.to_string_lossy().into_owned();
        ask(|store| user::candidates(store, &prefix, MOST))
    })
}

/// Names that begin with the current word, in any case.
fn named(all: fn(&Store) -> Result<Vec<String>>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let prefix = twofa::name::fold(&current.to_string_lossy());
        ask(|store| {
            Ok(all(store)?
                .into_iter()
                .filter(|name| twofa::name::fold(name).starts_with(&prefix))
                .collect())
        })
    })
}

/// Groups.
pub fn groups() -> ArgValueCompleter {
    named(group::candidates)
}

/// Operations.
pub fn operations() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(Operation::ALL.iter().map(|operation| operation.code())))
}

/// Mailboxes.
pub fn mailboxes() -> ArgValueCompleter {
    named(mailbox::candidates)
}

/// Numbers of the newest messages.
pub fn messages() -> ArgValueCompleter {
    named(|store| {
        let newest = Filter {
            limit: Some(50),
            ..Filter::default()
        };
        let mut numbers = Vec::new();
        outbox::list(store, &newest, &mut |message| {
            numbers.push(message.id.to_string());
            Ok(())
        })?;
        Ok(numbers)
    })
}

/// Names of SMS providers.
pub fn sms_providers() -> ArgValueCompleter {
    named(sms_provider::candidates)
}

/// Open challenges.
pub fn challenges() -> ArgValueCompleter {
    named(|store| {
        Ok(challenge::list(store, None)?
            .into_iter()
            .take(50)
            .map(|row| row.challenge)
            .collect())
    })
}

/// Templates.
pub fn templates() -> ArgValueCompleter {
    named(|store| {
        Ok(template::list(store)?
            .into_iter()
            .map(|row| row.name)
            .collect())
    })
}

/// Languages that a template has words in.
pub fn languages() -> ArgValueCompleter {
    named(template::languages)
}

/// 2FA methods.
pub fn methods() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(Method::ALL.map(Method::code)))
}

/// Nouns of a policy file.
pub fn policy_nouns() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(policy::SECTIONS.map(|(noun, _)| noun)))
}

/// Types of users.
pub fn types() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(Type::ALL.map(Type::code)))
}

/// Settings, in any case.
pub fn settings() -> ArgValueCompleter {
    ArgValueCompleter::new(codes)
}

fn codes(current: &OsStr) -> Vec<CompletionCandidate> {
    let prefix = twofa::name::fold(&current.to_string_lossy());
    setting::ALL
        .iter()
        .filter(|setting| twofa::name::fold(setting.code).starts_with(&prefix))
        .map(|setting| CompletionCandidate::new(setting.code).help(Some(setting.meaning.into())))
        .collect()
}

/// Settings and their values in turn: after a code, what it takes.
pub fn settings_and_values() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let words = words();
        let before = words
            .iter()
            .rev()
            .nth(1)
            .map(|word| word.to_string_lossy().into_owned())
            .unwrap_or_default();
        let Ok(setting) = setting::find(&before) else {
            return codes(current);
        };
        let prefix = current.to_string_lossy().into_owned();
        let starts = |candidate: &CompletionCandidate| {
            candidate.get_value().to_string_lossy().starts_with(&prefix)
        };
        let candidates = match setting.shape {
            Shape::Bool => fixed(["true", "false"]),
            Shape::Mailbox => ask(mailbox::candidates),
            Shape::Provider => ask(sms_provider::candidates),
            Shape::Template { kind, carries } => ask(|store| {
                Ok(template::list(store)?
                    .into_iter()
                    .filter(|row| row.kind == kind && row.macros.contains(&carries))
                    .map(|row| row.name)
                    .collect())
            }),
            _ => Vec::new(),
        };
        candidates.into_iter().filter(starts).collect()
    })
}

/// The words of commands, one after another, and the topics of `help`.
pub fn help_words() -> ArgValueCompleter {
    words_of_commands("help", TOPICS)
}

/// The words of commands, for `man`.
pub fn command_words() -> ArgValueCompleter {
    words_of_commands("man", &[])
}

/// The words of commands after `asked`, one after another; `topics` stand beside the first.
fn words_of_commands(asked: &'static str, topics: &'static [&'static str]) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let words = words();
        let before = words
            .iter()
            .skip_while(|word| *word != asked)
            .skip(1)
            .map(|word| word.to_string_lossy());
        let mut before: Vec<_> = before.collect();
        // The last one is the word under the cursor.
        before.pop();
        let mut command = Cli::command();
        for word in &before {
            let Some(next) = command.find_subcommand(word.as_ref()).cloned() else {
                return Vec::new();
            };
            command = next;
        }
        let topics = if before.is_empty() { topics } else { &[] };
        let prefix = current.to_string_lossy();
        command
            .get_subcommands()
            .filter(|below| !below.is_hide_set())
            .map(|below| {
                CompletionCandidate::new(below.get_name().to_owned())
                    .help(below.get_about().cloned())
            })
            .chain(topics.iter().map(CompletionCandidate::new))
            .filter(|candidate| {
                candidate
                    .get_value()
                    .to_string_lossy()
                    .starts_with(&*prefix)
            })
            .collect()
    })
}

/// Events and their nouns.
pub fn events() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(audit::Event::ALL.iter().map(|(event, _)| event.code())))
}
