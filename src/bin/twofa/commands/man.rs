//! `man`: the manual, made from the same words as the help.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _, ValueHint};
use twofa::error::{Error, Kind, Result};
use twofa::files;
use twofa::name::counted;

use super::help::find;
use crate::answer::Answer;
use crate::cli::{Cli, Format};
use crate::complete;
use crate::page::{self, page};
use crate::session::Context;

/// Print the manual page of a command, or write all of them
///
/// Without words it is the page of twofa itself. With --out the pages of the command and of everything below it are
/// written into a directory, one file each, such as twofa-user-add.8; files of these names are replaced.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  twofa man | man -l -\n  twofa man user add | man -l -\n  twofa man --out /usr/local/share/man/man8"
)]
pub struct Man {
    /// The words of a command
    #[arg(value_name = "COMMAND", add = complete::command_words())]
    words: Vec<String>,
    /// Write the pages into this directory, which is made if it is absent
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

pub fn run(context: &mut Context, args: &Man) -> Result<Answer> {
    context.only(&[Format::Table])?;
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    let mut root = Cli::command();
    root.build();
    let command = find(&root, &words, "man", "command", &[])?;
    let Some(directory) = &args.out else {
        return Ok(Answer::text(page(command)?));
    };
    make(directory).map_err(|error| {
        let shown = directory.display();
        Error::new(Kind::Io, format!("cannot make the directory `{shown}`")).because(error)
    })?;
    let count = write(command, directory)?;
    Ok(Answer::text("").say(format!(
        "{} written into `{}`.",
        counted(count, "page was", "pages were"),
        directory.display()
    )))
}

/// Makes the directory of a manual: everybody reads it.
fn make(directory: &Path) -> std::io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir(directory)?;
    files::open_to_readers(directory)
}

/// Writes the pages of a command and of those below it, and counts them.
fn write(command: &Command, directory: &Path) -> Result<u64> {
    let path = directory.join(page::file(command));
    files::publish(&path, page(command)?.as_bytes()).map_err(|error| {
        Error::new(Kind::Io, format!("cannot write `{}`", path.display())).because(error)
    })?;
    page::below(command).try_fold(1, |count, sub| Ok(count + write(sub, directory)?))
}
