//! The tree of commands, with what the verb table says of each: who may run it.
//!
//! Help is printed from it. Everything else that reads the command line takes the plain tree of `cli.rs`, which is
//! built faster.

use clap::{Command, CommandFactory as _};
use twofa::verb::{Needs, Opens, VERBS, Verb};

use crate::cli::Cli;

/// How examples begin in the help of a command.
pub const EXAMPLES: &str = "Examples:\n";

/// The tree, for help.
pub fn command() -> Command {
    below(Cli::command(), "")
}

fn below(command: Command, path: &str) -> Command {
    command.mut_subcommands(|sub| {
        let path = format!("{path} {}", sub.get_name()).trim().to_owned();
        let sub = below(sub, &path);
        match VERBS.iter().find(|verb| verb.path == path) {
            Some(verb) => told(sub, verb),
            None => sub,
        }
    })
}

fn told(command: Command, verb: &Verb) -> Command {
    let who = who(verb);
    let before = |text: &clap::builder::StyledStr| format!("{who}\n\n{text}");
    let long = command.get_after_long_help().map(before);
    let command = match command.get_after_help().map(before) {
        Some(text) => command.after_help(text),
        None => command.after_help(who),
    };
    match long {
        Some(text) => command.after_long_help(text),
        None => command,
    }
}

/// Who may run a command, in a sentence or two.
pub fn who(verb: &Verb) -> String {
    let mut said = match verb.needs {
        Needs::Nothing if verb.opens == Opens::Create => {
            "For whoever may write where the store is to be.".to_owned()
        }
        Needs::Nothing => "Anybody may run it.".to_owned(),
        Needs::Mapped => "Every user of the store may run it.".to_owned(),
        Needs::OneselfOr(operation) => format!(
            "Needs the operation {}, unless it is about oneself.",
            operation.code()
        ),
        Needs::OneselfConfirmedOr(operation) => format!(
            "Needs the operation {}, or one's own second factor if it is about oneself.",
            operation.code()
        ),
        Needs::OneselfConfirmedOrAdministrator(operation) => format!(
            "Needs an administrator who has the operation {}, or one's own second factor if it is about oneself.",
            operation.code()
        ),
        Needs::Operation(operation) => format!("Needs the operation {}.", operation.code()),
        Needs::OwnerAsAdministrator => {
            "For root and the store's owner only, acting as an administrator.".to_owned()
        }
    };
    if !verb.is_delegable() {
        said.push_str(" It is not for delegated callers (sudo).");
    }
    said
}

#[cfg(test)]
#[path = "../../../tests/cli/shell_words.rs"]
mod shell_words;

#[cfg(test)]
mod tests {
    use super::shell_words::{examples, of_twofa};
    use super::*;

    /// The commands of the tree that people are told of, with their words; groups of commands among them.
    fn walk(command: &Command, path: &str, each: &mut dyn FnMut(&Command, &str)) {
        each(command, path);
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let path = format!("{path} {}", sub.get_name());
            walk(sub, path.trim(), each);
        }
    }

    /// Every example is one that the real command line takes, stands under its command, and fits a terminal, on which a
    /// page of the manual is set in by seven.
    #[test]
    fn every_command_has_examples_that_are_read() {
        let tree = command();
        let mut count = 0;
        walk(&tree, "", &mut |command, path| {
            let short = command.get_after_help().map(ToString::to_string);
            let long = command.get_after_long_help().map(ToString::to_string);
            for help in [short.clone(), long.or(short)] {
                let help = help.unwrap_or_default();
                let found = examples(&help);
                assert!(found.len() >= 2, "`{path}` has no two examples: {help:?}");
                if !command.has_subcommands() {
                    let last = help.rsplit("\n\n").next().unwrap_or_default();
                    assert!(last.starts_with(EXAMPLES), "`{path}` ends with other words");
                }
                for line in help.lines() {
                    let width = line.trim_start_matches("  ").chars().count();
                    assert!(width <= 73 || !line.starts_with(' '), "too long: {line}");
                }
                for example in found {
                    judge(path, &example);
                    count += 1;
                }
            }
        });
        assert!(count > 300, "{count}");
    }

    fn judge(path: &str, example: &str) {
        let words = of_twofa(example).unwrap_or_else(|| panic!("not of twofa: {example}"));
        let words = std::iter::once("twofa".to_owned()).chain(words);
        let matches = Cli::command()
            .try_get_matches_from(words)
            .unwrap_or_else(|error| panic!("{example}\n{error}"));
        let named = crate::path(&matches);
        assert!(
            named == path || named.starts_with(path),
            "`{example}` stands under `{path}`"
        );
    }

    /// No sentence of who may is left out, and none tells of another operation than the table.
    #[test]
    fn help_says_who_may() {
        let tree = command();
        walk(&tree, "", &mut |command, path| {
            let Some(verb) = VERBS.iter().find(|verb| verb.path == path) else {
                return;
            };
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(help.starts_with(&who(verb)), "{path}: {help}");
            if let Some(operation) = verb.needs.operation() {
                assert!(help.contains(operation.code()), "{path}: {help}");
            }
        });
    }
}
