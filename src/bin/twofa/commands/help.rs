//! `help`: commands, and topics that belong to none.

use clap::{Args, CommandFactory as _};
use serde::Serialize;
use twofa::audit::Event;
use twofa::error::{EXIT_CODES, Error, Kind, Result};
use twofa::name::nearest;
use twofa::vault::KEY_VARIABLE;

use crate::answer::Answer;
use crate::cli::{Cli, Format};
use crate::complete;
use crate::session::Context;
use crate::tree;

/// Show the help of a command or a topic
///
/// Topics: exit-codes, environment, events, policy.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  twofa help exit-codes\n  twofa help user add")]
pub struct Help {
    /// A topic, or the words of a command
    #[arg(value_name = "WORD", add = complete::help_words())]
    words: Vec<String>,
}

/// What belongs to no command.
pub const TOPICS: &[&str] = &["exit-codes", "environment", "events", "policy"];

#[derive(Serialize)]
struct ExitCode {
    exit: u8,
    kinds: Vec<&'static str>,
    meaning: &'static str,
}

/// A variable of the environment.
#[derive(Serialize)]
pub struct EnvironmentRow {
    /// Its name.
    pub variable: String,
    /// The option that it stands for, or the command that reads it.
    pub option: String,
    /// What it is for.
    pub meaning: String,
}

#[derive(Serialize)]
struct EventRow {
    event: &'static str,
    meaning: &'static str,
}

pub fn run(context: &mut Context, args: &Help) -> Result<Answer> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["exit-codes"] => Ok(Answer::list(
            &["exit", "kinds", "meaning"],
            &["exit", "meaning", "kinds"],
            exit_codes(),
        )),
        ["policy"] => {
            context.only(&[Format::Table, Format::Json, Format::Ndjson])?;
            super::policy::help(context.globals.output)
        }
        ["environment"] => {
            const COLUMNS: &[&str] = &["variable", "option", "meaning"];
            Ok(Answer::list(COLUMNS, COLUMNS, environment()))
        }
        ["events"] => {
            const COLUMNS: &[&str] = &["event", "meaning"];
            let rows = Event::ALL
                .iter()
                .map(|(event, meaning)| EventRow {
                    event: event.code(),
                    meaning,
                })
                .collect();
            Ok(Answer::list(COLUMNS, COLUMNS, rows))
        }
        _ => {
            let answer = command(&words)?;
            context.only(&[Format::Table])?;
            Ok(answer)
        }
    }
}

fn exit_codes() -> Vec<ExitCode> {
    EXIT_CODES
        .iter()
        .map(|(exit, meaning)| ExitCode {
            exit: *exit,
            kinds: Kind::ALL
                .iter()
                .filter(|kind| kind.exit() == *exit)
                .map(|kind| kind.code())
                .collect(),
            meaning,
        })
        .collect()
}

/// The variables, read off the options they stand for.
pub fn environment() -> Vec<EnvironmentRow> {
    let command = Cli::command();
    let variable = |argument: &clap::Arg| {
        Some(EnvironmentRow {
            variable: argument.get_env()?.to_string_lossy().into_owned(),
            option: format!("--{}", argument.get_long()?),
            meaning: argument.get_help()?.to_string(),
        })
    };
    let mut rows: Vec<EnvironmentRow> = command.get_arguments().filter_map(variable).collect();
    for (variable, option, meaning) in [
        (
            KEY_VARIABLE,
            "--key-file",
            "The keys themselves, in one line: `key rotate --key-form environment` writes it",
        ),
        (
            "CREDENTIALS_DIRECTORY",
            "--key-file",
            "Where systemd puts what credential:NAME names",
        ),
        (
            "NO_COLOR",
            "--color never",
            "Set to anything, it turns colour off",
        ),
        (
            "XDG_DATA_HOME",
            "--db",
            "Where the store of an ordinary account is, in twofa/twofa.db",
        ),
        (
            "VISUAL",
            "template edit",
            "The editor and its arguments; without it EDITOR, then vi",
        ),
    ] {
        rows.push(EnvironmentRow {
            variable: variable.to_owned(),
            option: option.to_owned(),
            meaning: meaning.to_owned(),
        });
    }
    rows
}

fn command(words: &[&str]) -> Result<Answer> {
    let mut root = tree::command();
    root.build();
    let mut found = find(&root, words, "help", "command or topic", TOPICS)?.clone();
    Ok(Answer::text(found.render_long_help().to_string()))
}

/// The command of these words, for one that is asked about it. `topics` stand beside the commands at the top.
pub fn find<'a>(
    root: &'a clap::Command,
    words: &[&str],
    asked: &str,
    what: &str,
    topics: &[&str],
) -> Result<&'a clap::Command> {
    let mut current = root;
    for (at, word) in words.iter().enumerate() {
        let Some(next) = current.find_subcommand(word) else {
            let topics = if at == 0 { topics } else { &[] };
            let names = current
                .get_subcommands()
                .map(clap::Command::get_name)
                .chain(topics.iter().copied());
            let error = Error::new(
                Kind::NotFound,
                format!("there is no {what} `{}`", words.join(" ")),
            );
            return Err(match nearest(word, names) {
                Some(near) => {
                    let near = [&words[..at], &[near.as_str()]].concat().join(" ");
                    error.hint(format!("did you mean `twofa {asked} {near}`?"))
                }
                None => error.hint("`twofa --help` lists the commands"),
            });
        };
        current = next;
    }
    Ok(current)
}
