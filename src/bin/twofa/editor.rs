//! The editor of whoever sits at the terminal, on a file that nobody else can read and that is gone afterwards.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use twofa::error::{Error, Kind, Result};
use twofa::files::PrivateFile;
use twofa::name::visible;

use crate::process;

/// What is there where nobody chose an editor (POSIX, `more`, `crontab`).
const DEFAULT: &str = "vi";
/// What an editor may leave behind, in bytes: more than any words that keep the rules.
const LONGEST: u64 = 1024 * 1024;

/// The editor as the environment names it: a program and its arguments, split at white space and never by a shell.
fn words() -> Result<Vec<String>> {
    for name in ["VISUAL", "EDITOR"] {
        let Some(value) = process::variable(name) else {
            continue;
        };
        let value = value.into_string().map_err(|_| {
            Error::new(Kind::Usage, format!("the variable {name} is not UTF-8"))
                .hint("set it to the name of an editor")
        })?;
        let words: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
        if !words.is_empty() {
            return Ok(words);
        }
    }
    Ok(vec![DEFAULT.to_owned()])
}

/// Lets `text` be edited; returns what was saved.
///
/// # Errors
/// [`Kind::Io`] where the editor does not start or does not end well: nothing was saved then.
pub fn edit(text: &str) -> Result<String> {
    let words = words()?;
    let failed =
        |error: std::io::Error| Error::new(Kind::Io, "cannot make a file to edit").because(error);
    // Files made here are for their owner alone, and what an editor puts beside its file goes with the directory.
    let directory = tempfile::Builder::new()
        .prefix("twofa-")
        .tempdir()
        .map_err(failed)?;
    let path = directory.path().join("template.txt");
    let mut file = PrivateFile::begin(&path).map_err(failed)?;
    file.fill(text.as_bytes()).map_err(failed)?;
    file.finish().map_err(failed)?;
    run(&words, &path)?;
    read(&path)
}

/// Runs the editor at the terminal, with the conversation's output for its own: the answer's may lead into a file.
#[expect(
    clippy::disallowed_methods,
    reason = "the editor gets the terminal, and nothing is written here"
)]
fn run(words: &[String], path: &Path) -> Result<()> {
    let shown = words.join(" ");
    let shown = visible(&shown);
    let [program, arguments @ ..] = words else {
        return Ok(());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(path)
        .stdout(Stdio::from(std::io::stderr()));
    process::keep_secrets_from(&mut command);
    let status = command.status().map_err(|error| {
        Error::new(Kind::Io, format!("cannot start the editor `{shown}`"))
            .because(error)
            .hint("name another one in the variable VISUAL or EDITOR")
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Io,
        format!("the editor `{shown}` failed ({status}); nothing was changed"),
    ))
}

fn read(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, "cannot read what the editor saved").because(error)
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .map_err(failed)?
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(Error::new(
            Kind::InvalidValue,
            format!("what the editor saved is longer than {LONGEST} bytes"),
        ));
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::new(Kind::InvalidValue, "what the editor saved is not UTF-8"))
}
