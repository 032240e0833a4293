//! The binary: words, arguments and the terminal. It translates the command line into one call of the library and
//! prints the one answer that comes back; what it decides itself is only how things are said.

#![forbid(unsafe_code)]
// The doc comments of arguments are the help, which has no markup.
#![allow(clippy::doc_markdown)]

mod answer;
mod bar;
mod cli;
mod commands;
mod complete;
mod editor;
mod page;
mod plan_text;
mod process;
mod qr;
mod reach;
mod sending;
mod session;
mod tree;
mod ui;
mod what_if;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};
use twofa::error::{Error, Kind, Result};
use twofa::name::word;
use twofa::verb::verb;

use crate::answer::Answer;
use crate::cli::{Cli, Format};
use crate::reach::Reach;
use crate::session::Context;
use crate::ui::Ui;

fn main() -> ExitCode {
    if let Err(error) = process::restrict() {
        ui::error(&error, cli::Color::Auto, wants_json());
        return ExitCode::from(error.kind().exit());
    }
    if complete::requested() {
        return complete::answer();
    }
    // The tree of commands is dear to build and to copy; the same one is looked at afterwards.
    let mut command = Cli::command();
    let matches = match command.try_get_matches_from_mut(process::words()) {
        Ok(matches) => matches,
        Err(error) => return misused(&in_full(error)),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let (color, format) = (cli.globals.color, cli.globals.output);
    let reach = Reach::of(&cli.globals);
    match run(cli, &command, &matches, &reach) {
        Ok(exit) => ExitCode::from(exit),
        Err(error) => {
            let error = reach.error(error);
            ui::error(&error, color, format.is_json());
            ExitCode::from(error.kind().exit())
        }
    }
}

fn run(cli: Cli, command: &clap::Command, matches: &clap::ArgMatches, reach: &Reach) -> Result<u8> {
    let process = process::process();
    let verb = verb(&path(matches))?;
    // Before anything is made of what was said of keys: a mistake there lets nobody past this.
    let store = process::store(&cli.globals, &process).ok();
    process::refuse_delegated(&process, store.as_deref(), verb, command, matches)?;
    // Not clap's to say: to it a switch that a variable turns off is one that was given.
    if cli.globals.confirm_code.is_some() && cli.globals.confirm_code_stdin {
        return Err(Error::new(
            Kind::Usage,
            "--confirm-code and --confirm-code-stdin exclude each other",
        )
        .hint("give one of them"));
    }
    if cli.globals.passphrase_file.is_some() && cli.globals.passphrase_stdin {
        return Err(Error::new(
            Kind::Usage,
            "--passphrase-file and --passphrase-stdin exclude each other",
        )
        .hint("give one of them"));
    }
    let ui = Ui::new(&cli.globals, typed());
    let format = cli.globals.output;
    let color = cli.globals.color;
    if format == Format::Toml && verb.path != "export" {
        return Err(
            Error::new(Kind::Usage, "only `twofa export` prints TOML").hint("leave --output out")
        );
    }
    let mut context = Context::new(cli.globals, process, ui, verb)?;
    let answer: Answer = commands::run(&mut context, cli.command).map_err(|error| {
        if context.has_committed() {
            error.after_commit()
        } else {
            error
        }
    })?;
    let printed = answer.print(verb, format, terminal_width())?;
    for warning in printed.warnings {
        context.ui.warning(&reach.warning(warning));
    }
    for sentence in &printed.status {
        context.ui.status(&reach.sentence(sentence));
    }
    if let Some(refusal) = printed.refusal {
        ui::error(&reach.error(refusal), color, format.is_json());
    }
    if let Some(after) = printed.after {
        after()?;
    }
    Ok(printed.exit)
}

/// The words of the command, as the verb table has them.
fn path(matches: &clap::ArgMatches) -> String {
    let mut words = Vec::new();
    let mut below = matches.subcommand();
    while let Some((name, matches)) = below {
        words.push(name);
        below = matches.subcommand();
    }
    words.join(" ")
}

/// How wide the answer may be, where it goes to a terminal.
#[expect(
    clippy::disallowed_methods,
    reason = "the terminal is measured, not written to"
)]
fn terminal_width() -> Option<u16> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0)
}

/// The command as it was typed, with the words quoted that a shell would split.
fn typed() -> String {
    let words = process::words().skip(1);
    std::iter::once("twofa".to_owned())
        .chain(words.map(|typed| word(&typed.to_string_lossy())))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A help that was asked for, with what stands in no other tree: who may run the command.
fn in_full(error: clap::Error) -> clap::Error {
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if !is_help {
        return error;
    }
    match tree::command().try_get_matches_from(process::words()) {
        Err(full) => full,
        Ok(_) => error,
    }
}

/// What clap has to say: help and version on stdout, mistakes on stderr with exit 2 and, for programs, as JSON too.
fn misused(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if !error.use_stderr() {
        return match printed {
            // A closed pipe is nobody's fault.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                let failed = Error::new(Kind::Io, "cannot write the answer").because(error);
                ui::error(&failed, cli::Color::Auto, wants_json());
                ExitCode::from(failed.kind().exit())
            }
            _ => ExitCode::SUCCESS,
        };
    }
    if wants_json() {
        let text = error.to_string();
        // The first paragraph says what is wrong, over several lines where it lists something.
        let first: Vec<&str> = text
            .lines()
            .map(str::trim)
            .take_while(|line| !line.is_empty())
            .collect();
        let first = first.join(" ");
        let message = first
            .strip_prefix("error: ")
            .unwrap_or("a command is missing");
        let tip = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("tip: "));
        let said = Error::new(Kind::Usage, message)
            .hint(tip.unwrap_or("`twofa --help` lists the commands"))
            .to_json();
        ui::line(ui::color(cli::Color::Never), &format!("{said}\n"));
    }
    ExitCode::from(Kind::Usage.exit())
}

/// Whether JSON was asked for, where the command line could not be read.
fn wants_json() -> bool {
    let words: Vec<String> = process::words()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let named = words
        .iter()
        .enumerate()
        .find_map(|(at, word)| match word.as_str() {
            "-o" | "--output" => words.get(at + 1).cloned(),
            _ => word
                .strip_prefix("--output=")
                .or_else(|| word.strip_prefix("-o"))
                .map(str::to_owned),
        });
    let format = named
        .or_else(|| process::text("TWOFA_OUTPUT"))
        .unwrap_or_default();
    <Format as clap::ValueEnum>::from_str(&format, true).is_ok_and(Format::is_json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Every leaf of the command line is a row of the verb table, and every row is a leaf.
    #[test]
    fn leaves_and_verbs_are_one_to_one() {
        fn leaves(command: &clap::Command, path: &[String], found: &mut Vec<String>) {
            // clap adds a `help` below every group; ours stands at the top.
            let mut below = command
                .get_subcommands()
                .filter(|sub| sub.get_name() != "help" || path.is_empty())
                .peekable();
            if below.peek().is_none() {
                found.push(path.join(" "));
            }
            for sub in below {
                leaves(sub, &[path, &[sub.get_name().to_owned()]].concat(), found);
            }
        }
        let mut found = Vec::new();
        leaves(&Cli::command(), &[], &mut found);
        found.sort();
        let mut table: Vec<String> = twofa::verb::VERBS
            .iter()
            .map(|verb| verb.path.to_owned())
            .collect();
        table.sort();
        assert_eq!(found, table);
    }

    /// A stream is an argument that there is, that names a file, and whose help says what `-` is; nothing else says so.
    #[test]
    fn streams_are_where_the_help_says() {
        fn walk(command: &clap::Command, path: &str, found: &mut Vec<(String, String)>) {
            for argument in command.get_arguments() {
                let help = argument.get_help().map(ToString::to_string);
                if help.unwrap_or_default().contains("; - ") {
                    assert_eq!(argument.get_value_hint(), clap::ValueHint::FilePath);
                    found.push((path.to_owned(), argument.get_id().to_string()));
                }
            }
            for sub in command.get_subcommands() {
                walk(sub, format!("{path} {}", sub.get_name()).trim(), found);
            }
        }
        let mut found = Vec::new();
        walk(&Cli::command(), "", &mut found);
        found.sort();
        let listed: Vec<(String, String)> = cli::STREAMS
            .iter()
            .map(|(path, id)| ((*path).to_owned(), (*id).to_owned()))
            .collect();
        assert_eq!(found, listed);
    }

    #[test]
    fn colour_has_a_default() {
        let cli = Cli::command()
            .try_get_matches_from(["twofa", "status"])
            .unwrap();
        assert_eq!(
            Cli::from_arg_matches(&cli).unwrap().globals.color,
            cli::Color::Auto
        );
    }
}
