//! The conversation: what is said on stderr, what is asked, and how secrets are read.
//!
//! Prompts are never required: without a terminal on both sides, or with `--no-input`, a missing answer is an error that
//! names its option. All `--…-stdin` of one command read one line each in one order: passphrase, new passphrase, password,
//! new password, token, code, confirm code.

use std::io::{BufRead as _, IsTerminal as _, Read as _, StdinLock, Write as _};
use std::path::Path;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use dialoguer::{Input, Password};
use twofa::ask::Ask;
use twofa::delivery::{Line, Speaker};
use twofa::error::{Error, Kind, Result};
use twofa::name::{fold, unabridged};
use twofa::plan::Warning;
use twofa::secret::{LONGEST, Secret};
use twofa::vault::Passphrase;

use crate::bar::Bar;
use crate::cli::{Color, Globals};

/// The terminal, as this command may use it.
#[derive(Clone)]
pub struct Ui {
    quiet: bool,
    yes: bool,
    no_input: bool,
    color: ColorChoice,
    /// The command as it was typed, for the twin that does not ask.
    typed: String,
}

/// What fits before an answer on the narrowest terminal worth one.
const LONGEST_PROMPT: usize = 30;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

impl Ui {
    pub fn new(globals: &Globals, typed: String) -> Ui {
        Ui {
            quiet: globals.quiet,
            yes: globals.yes,
            no_input: globals.no_input,
            color: color(globals.color),
            typed,
        }
    }

    /// Whether somebody sits there who can be asked.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks at the terminal"
    )]
    pub fn can_ask(&self) -> bool {
        !self.no_input && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Whether the answer goes to a terminal, where a bar would stand between its lines.
    #[expect(
        clippy::disallowed_methods,
        reason = "stdout is looked at, not written to"
    )]
    pub fn answers_at_terminal() -> bool {
        std::io::stdout().is_terminal()
    }

    /// A sentence about what was done.
    pub fn status(&self, sentence: &str) {
        if !self.quiet {
            line(self.color, &format!("{sentence}\n"));
        }
    }

    /// What a question is about, where one will be asked.
    pub fn before_asking(&self, text: &str) {
        if !self.yes && self.can_ask() {
            line(self.color, text);
        }
    }

    /// What shows how far something long has come.
    pub fn bar(&self) -> Bar {
        Bar::new(self.quiet)
    }

    /// A line of a conversation with a server.
    pub fn overheard(&self, said: &Line) {
        let mark = match said.from {
            Speaker::Client => ">",
            Speaker::Server => "<",
            Speaker::Note => "=",
        };
        self.status(&format!("{mark} {}", unabridged(&said.text)));
    }

    /// A warning: never silenced.
    pub fn warning(&self, warning: &Warning) {
        line(
            self.color,
            &format!("{WARNING}warning:{WARNING:#} {}\n", warning.message),
        );
        if let Some(hint) = &warning.hint {
            line(self.color, &format!("{HINT}   hint:{HINT:#} {hint}\n"));
        }
    }

    /// Asks for a secret that no option gave. What dialoguer reads becomes the secret itself; how it reads it is its own, and
    /// so is whether it wipes what it needed for that.
    ///
    /// # Errors
    /// [`Kind::MissingAnswer`] naming `option`.
    pub fn secret(&self, prompt: &str, option: &str, twice: bool) -> Result<Secret> {
        if !self.can_ask() {
            return Err(missing(prompt, option));
        }
        let mut ask = Password::new().with_prompt(prompt);
        if twice {
            ask = ask.with_confirmation(format!("{prompt} again"), "They differ; once more.");
        }
        ask.interact().map(Secret::new).map_err(unanswered)
    }

    /// How the passphrase of a locked key file is come by: from standard input, where it is the first line and is read at
    /// once; from a file; or from whoever sits at the terminal, once it is needed.
    ///
    /// # Errors
    /// [`Kind::MissingAnswer`] where standard input has no line.
    pub fn passphrase(&self, globals: &Globals) -> Result<Passphrase> {
        if let Some(path) = globals.passphrase_file.clone() {
            return Ok(Passphrase::read(move || {
                read_file(&path, "--passphrase-file")
            }));
        }
        if globals.passphrase_stdin && !self.can_ask() {
            let line = read_line(&mut input(), "standard input", "--passphrase-stdin")?;
            return Ok(Passphrase::read(move || Ok(line.clone())));
        }
        let ui = self.clone();
        Ok(Passphrase::asked(move |what, is_new| {
            if ui.can_ask() {
                line(ui.color, &format!("A passphrase locks {what}.\n"));
                return ui.secret("Passphrase", "--passphrase-stdin", is_new);
            }
            let message = if is_new {
                format!("a passphrase for {what} is needed")
            } else {
                format!("{what} is locked: its passphrase is needed")
            };
            Err(Error::new(Kind::MissingAnswer, message)
                .hint("give it with --passphrase-stdin or --passphrase-file"))
        }))
    }

    /// Reads one line for each option that was given, in the order of the contract. From a person each is asked for, and
    /// not shown.
    ///
    /// # Errors
    /// [`Kind::MissingAnswer`] naming the option.
    pub fn lines(&self, wanted: Wanted) -> Result<Lines> {
        let person = self.can_ask();
        let next = |wanted: bool, option: &str, prompt: &str| -> Result<Option<Secret>> {
            match (wanted, person) {
                (false, _) => Ok(None),
                (true, true) => self.secret(prompt, option, false).map(Some),
                (true, false) => read_line(&mut input(), "standard input", option).map(Some),
            }
        };
        let token = wanted.token;
        Ok(Lines {
            new_passphrase: next(
                wanted.new_passphrase,
                "--new-passphrase-stdin",
                "New passphrase",
            )?,
            password: next(wanted.password, "--password-stdin", "Password")?,
            new_password: next(wanted.new_password, "--new-password-stdin", "New password")?,
            client_secret: next(
                wanted.client_secret,
                "--client-secret-stdin",
                "Client secret",
            )?,
            token: next(token.is_some(), token.unwrap_or_default(), "Token")?,
            code: next(wanted.code, "--code-stdin", "Code")?,
            confirm_code: next(
                wanted.confirm_code,
                "--confirm-code-stdin",
                "Confirmation code",
            )?,
        })
    }

    /// Asks for a one-time code that no option gave.
    ///
    /// # Errors
    /// [`Kind::MissingAnswer`] naming `option`.
    pub fn one_time_code(&self, prompt: &str, option: &str) -> Result<Secret> {
        if !self.can_ask() {
            return Err(missing(prompt, option));
        }
        // A prompt that is wider than the terminal repeats itself with every key: what explains stands on its own line.
        let short = if prompt.chars().count() > LONGEST_PROMPT {
            line(self.color, &format!("{prompt}\n"));
            "Code"
        } else {
            prompt
        };
        Input::<String>::new()
            .with_prompt(short)
            .interact_text()
            .map(Secret::new)
            .map_err(unanswered)
    }
}

fn missing(prompt: &str, option: &str) -> Error {
    Error::new(
        Kind::MissingAnswer,
        format!("{} is needed", prompt.to_lowercase()),
    )
    .hint(format!("give it with {option}"))
}

fn unanswered(error: dialoguer::Error) -> Error {
    Error::new(Kind::MissingAnswer, "the question was not answered").because(error)
}

pub fn color(color: Color) -> ColorChoice {
    match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
}

/// Writes to stderr. When that is closed there is nobody to tell.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that writes to stderr"
)]
pub fn line(color: ColorChoice, text: &str) {
    let mut err = AutoStream::new(std::io::stderr().lock(), color);
    let _ = err.write_all(text.as_bytes());
}

/// Prints an error: for people, and as the last line of stderr for programs.
pub fn error(error: &Error, choice: Color, json: bool) {
    let choice = color(choice);
    line(
        choice,
        &format!("{ERROR}error:{ERROR:#} {}\n", error.message()),
    );
    if let Some(hint) = error.hint_text() {
        line(choice, &format!("{HINT} hint:{HINT:#} {hint}\n"));
    }
    if let Some(why) = error
        .detail()
        .get("not_recorded")
        .and_then(|why| why.as_str())
    {
        line(
            choice,
            &format!("{WARNING}warning:{WARNING:#} the refusal could not be recorded: {why}\n"),
        );
    }
    if let Some(committed) = error.detail().get("committed") {
        let what = if committed.is_null() {
            "the disk failed while the change was written, and it may be there or not"
        } else {
            "the command had changed the store before it failed"
        };
        line(
            choice,
            &format!("{WARNING}warning:{WARNING:#} {what}: look before you repeat it\n"),
        );
    }
    if json {
        line(choice, &format!("{}\n", error.to_json()));
    }
}

/// Asks whoever sits at the terminal; the default is no.
///
/// # Errors
/// [`Kind::MissingAnswer`] where the terminal goes away.
pub fn wants(question: &str) -> Result<bool> {
    // A whole line is read: of a "yes" whose first letter is enough, the rest would go to the shell.
    let answer: String = Input::new()
        .with_prompt(format!("{question} [y/N]"))
        .allow_empty(true)
        .interact_text()
        .map_err(unanswered)?;
    Ok(matches!(fold(&answer).as_str(), "y" | "yes"))
}

impl Ask for Ui {
    fn sure(&mut self, question: &str) -> Result<bool> {
        if self.yes {
            return Ok(false);
        }
        if !self.can_ask() {
            return Err(
                Error::new(Kind::MissingAnswer, format!("are you sure? {question}"))
                    .hint("say yes with --yes"),
            );
        }
        line(
            self.color,
            &format!("{question}\nWithout asking: {} --yes\n", self.typed),
        );
        if wants("Are you sure?")? {
            Ok(true)
        } else {
            Err(Error::new(Kind::Declined, "nothing was changed"))
        }
    }

    fn code(&mut self, prompt: &str) -> Result<Option<Secret>> {
        if !self.can_ask() {
            return Ok(None);
        }
        self.one_time_code(prompt, "--confirm-code").map(Some)
    }
}

/// Which `--…-stdin` options a command was given.
#[derive(Debug, Default, Clone, Copy)]
pub struct Wanted {
    pub new_passphrase: bool,
    pub password: bool,
    pub new_password: bool,
    pub client_secret: bool,
    /// The option that names the token.
    pub token: Option<&'static str>,
    pub code: bool,
    pub confirm_code: bool,
}

/// The lines that were read for them.
#[derive(Debug, Default)]
pub struct Lines {
    pub new_passphrase: Option<Secret>,
    pub password: Option<Secret>,
    pub new_password: Option<Secret>,
    pub client_secret: Option<Secret>,
    pub token: Option<Secret>,
    pub code: Option<Secret>,
    pub confirm_code: Option<Secret>,
}

/// Standard input.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads standard input"
)]
pub fn input() -> StdinLock<'static> {
    std::io::stdin().lock()
}

/// Reads the first line of a file.
pub fn read_file(path: &Path, option: &str) -> Result<Secret> {
    let file = std::fs::File::open(path).map_err(|error| {
        Error::new(Kind::Io, format!("cannot read `{}`", path.display())).because(error)
    })?;
    read_line(
        &mut std::io::BufReader::new(file),
        &format!("`{}`", path.display()),
        option,
    )
}

/// One line without its end, at most 4 KiB. The buffer of standard input is Rust's, and cannot be wiped. Read byte by byte in the buffer, so that what follows stays for the next.
fn read_line(input: &mut impl std::io::BufRead, from: &str, option: &str) -> Result<Secret> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(LONGEST + 2));
    let limit = LONGEST as u64 + 2;
    input
        .by_ref()
        .take(limit)
        .read_until(b'\n', &mut bytes)
        .map_err(|error| {
            Error::new(Kind::Io, format!("cannot read the line for {option}")).because(error)
        })?;
    if bytes.is_empty() {
        return Err(Error::new(
            Kind::MissingAnswer,
            format!("{from} has no line for {option}"),
        ));
    }
    let end = bytes
        .iter()
        .rposition(|byte| !matches!(byte, b'\r' | b'\n'))
        .map_or(0, |last| last + 1);
    if end > LONGEST {
        return Err(Error::new(
            Kind::InvalidValue,
            format!("the line for {option} is longer than {LONGEST} bytes"),
        ));
    }
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| {
        Error::new(
            Kind::InvalidValue,
            format!("the line for {option} is not UTF-8"),
        )
    })?;
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_ends_and_nothing_else() {
        let mut input: &[u8] = b" secret \r\nnext\nlast";
        assert_eq!(
            read_line(&mut input, "standard input", "--x")
                .unwrap()
                .expose(),
            " secret "
        );
        assert_eq!(
            read_line(&mut input, "standard input", "--x")
                .unwrap()
                .expose(),
            "next"
        );
        assert_eq!(
            read_line(&mut input, "standard input", "--x")
                .unwrap()
                .expose(),
            "last"
        );
        let error = read_line(&mut input, "standard input", "--x").unwrap_err();
        assert_eq!(
            (error.kind(), error.message().as_str()),
            (Kind::MissingAnswer, "standard input has no line for --x")
        );
        assert_eq!(
            read_line(&mut &b"\n"[..], "standard input", "--x")
                .unwrap()
                .expose(),
            ""
        );
    }

    #[test]
    fn a_line_has_a_limit() {
        let fits = [vec![b'a'; LONGEST], b"\n".to_vec()].concat();
        assert_eq!(
            read_line(&mut fits.as_slice(), "standard input", "--x")
                .unwrap()
                .expose()
                .len(),
            LONGEST
        );
        let over = [vec![b'a'; LONGEST + 1], b"\n".to_vec()].concat();
        assert_eq!(
            read_line(&mut over.as_slice(), "standard input", "--x")
                .unwrap_err()
                .kind(),
            Kind::InvalidValue
        );
    }
}
