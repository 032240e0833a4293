//! What a handler works with: the options, the terminal, and the way to a session.

use std::cell::Cell;
use std::io::StdinLock;
use std::rc::Rc;
use std::time::Duration;

use twofa::actor::{Process, Session};
use twofa::change::{self, Committed, Options};
use twofa::clock::{Source, Time};
use twofa::confirmation::Given;
use twofa::error::{Error, Kind, Result};
use twofa::guard::Allowance;
use twofa::method::Method;
use twofa::plan::Plan;
use twofa::secret::Secret;
use twofa::store::{Place, Store};
use twofa::vault::Passphrase;
use twofa::verb::{Opens, Verb};

use crate::cli::{CodeFrom, Format, Globals, NewPasswordFrom, PasswordFrom};
use crate::process;
use crate::ui::{self, Lines, Ui, Wanted, read_file};

/// The surroundings of one command.
pub struct Context {
    pub globals: Globals,
    pub process: Process,
    pub ui: Ui,
    pub source: Rc<dyn Source>,
    /// Whether something was committed: see [`Error::after_commit`].
    committed: Rc<Cell<bool>>,
    /// Of a key file that is locked; asked for once.
    passphrase: Passphrase,
    /// The row of the command that runs.
    verb: &'static Verb,
}

impl Context {
    pub fn new(globals: Globals, process: Process, ui: Ui, verb: &'static Verb) -> Result<Context> {
        let passphrase = match verb.opens {
            Opens::Nothing => Passphrase::default(),
            _ => ui.passphrase(&globals)?,
        };
        Ok(Context {
            globals,
            process,
            ui,
            source: process::source(),
            committed: Rc::default(),
            passphrase,
            verb,
        })
    }

    /// Whether the command has committed something.
    pub fn has_committed(&self) -> bool {
        self.committed.get()
    }

    /// Where the store is.
    pub fn place(&self) -> Result<Place> {
        let place = process::place(&self.globals, &self.process)?;
        Ok(Place {
            key: place.key.with_passphrase(self.passphrase.clone()),
            ..place
        })
    }

    /// The passphrase of the key file, if it was needed.
    pub fn passphrase(&self) -> Option<Secret> {
        self.passphrase.answered()
    }

    /// Opens the store the way the command needs it, and finds out who acts.
    pub fn session(&self) -> Result<Session> {
        self.begin(self.store()?)
    }

    /// The same where a command that writes only looks: it opens the store to read.
    pub fn session_to_look(&self) -> Result<Session> {
        self.begin(self.open(Store::open_to_look)?)
    }

    /// The store where it is too damaged for a session: for root and its owner, to look at it.
    pub fn damaged_store(&self) -> Result<Store> {
        let store = twofa::actor::open_damaged(
            &self.place()?,
            self.verb,
            &self.process,
            process::wait(&self.globals)?,
            Rc::clone(&self.source),
        )?;
        store.watch(Box::new(self.ui.bar()));
        Ok(store)
    }

    fn begin(&self, store: Store) -> Result<Session> {
        Session::begin(
            store,
            self.verb,
            &self.process,
            self.globals.as_login.as_deref(),
            self.globals.reason.clone(),
        )
    }

    /// Opens the store the way the command needs it.
    pub fn store(&self) -> Result<Store> {
        self.open(Store::open)
    }

    fn open(
        &self,
        open: fn(&Place, &Verb, Duration, Rc<dyn Source>) -> Result<Store>,
    ) -> Result<Store> {
        let mut store = open(
            &self.place()?,
            self.verb,
            process::wait(&self.globals)?,
            Rc::clone(&self.source),
        )?;
        store.watch(Box::new(self.ui.bar()));
        store.tell_of_commits(&self.committed);
        Ok(store)
    }

    /// Reads a time option.
    pub fn time(&self, text: Option<&str>) -> Result<Option<Time>> {
        text.map(|text| Time::parse(text, self.source.now()))
            .transpose()
    }

    /// Refuses formats that a command does not speak.
    pub fn only(&self, formats: &[Format]) -> Result<()> {
        if formats.contains(&self.globals.output) {
            return Ok(());
        }
        Err(
            Error::new(Kind::Usage, "this command does not print in that format")
                .hint("leave --output out"),
        )
    }

    /// Reads the secrets that come on standard input: one line for each option given.
    pub fn lines(&self, wanted: Wanted) -> Result<Lines> {
        self.ui.lines(Wanted {
            confirm_code: self.globals.confirm_code_stdin,
            ..wanted
        })
    }

    /// Standard input as a file: then no secret comes on it.
    pub fn file_from_input(&self) -> Result<StdinLock<'static>> {
        let taken = [
            (
                self.globals.confirm_code_stdin,
                "the confirmation code",
                "use --confirm-code",
            ),
            (
                self.globals.passphrase_stdin,
                "the passphrase",
                "use --passphrase-file",
            ),
        ];
        if let Some((_, what, hint)) = taken.iter().find(|(taken, ..)| *taken) {
            let message = format!("standard input cannot be both the file and {what}");
            return Err(Error::new(Kind::Usage, message).hint(*hint));
        }
        Ok(ui::input())
    }

    /// A password: from standard input, from a file, or asked for.
    pub fn password(
        &self,
        from: &PasswordFrom,
        lines: &mut Lines,
        prompt: &str,
        twice: bool,
    ) -> Result<Secret> {
        match (lines.password.take(), &from.password_file) {
            (Some(password), _) => Ok(password),
            (None, Some(path)) => read_file(path, "--password-file"),
            (None, None) => self.ui.secret(prompt, "--password-stdin", twice),
        }
    }

    /// A new password: from standard input, from a file, or asked for twice.
    pub fn new_password(&self, from: &NewPasswordFrom, lines: &mut Lines) -> Result<Secret> {
        match (lines.new_password.take(), &from.new_password_file) {
            (Some(password), _) => Ok(password),
            (None, Some(path)) => read_file(path, "--new-password-file"),
            (None, None) => self.ui.secret("New password", "--new-password-stdin", true),
        }
    }

    /// A one-time code: an argument, from standard input, or asked for.
    pub fn code(&self, from: &CodeFrom, lines: &mut Lines, prompt: &str) -> Result<Secret> {
        match own_code(from, lines)? {
            Some(code) => Ok(code),
            None => self.ui.one_time_code(prompt, "--code"),
        }
    }

    /// What the command line says about the confirmation of an administrator action.
    pub fn given(&self, lines: &mut Lines) -> Result<Given> {
        Ok(Given {
            code: lines
                .confirm_code
                .take()
                .or_else(|| self.globals.confirm_code.clone().map(Secret::new))
                // Nothing is no code: it asks for one, and is no wrong try.
                .filter(|code| !code.expose().trim().is_empty()),
            method: self
                .globals
                .confirm_method
                .as_deref()
                .map(Method::parse)
                .transpose()?,
            challenge: self.globals.confirm_challenge.clone(),
            skip: self.globals.skip_confirmation,
        })
    }

    /// Carries out a plan, with the confirmation of the global options.
    pub fn commit(
        &mut self,
        session: &Session,
        plan: &dyn Plan,
        allowance: Allowance,
        lines: Option<Lines>,
    ) -> Result<Committed> {
        let mut lines = match lines {
            Some(lines) => lines,
            None => self.lines(Wanted::default())?,
        };
        let confirm = self.given(&mut lines)?;
        self.commit_with(session, plan, allowance, confirm)
    }

    /// Carries out a plan.
    pub fn commit_with(
        &mut self,
        session: &Session,
        plan: &dyn Plan,
        allowance: Allowance,
        confirm: Given,
    ) -> Result<Committed> {
        let options = Options { confirm, allowance };
        change::commit(session, plan, &options, &mut self.ui)
    }

    /// The confirmation of a command about oneself: its own `--code` is one.
    pub fn given_with(&self, code: &CodeFrom, lines: &mut Lines) -> Result<Given> {
        let own = own_code(code, lines)?;
        let given = self.given(lines)?;
        Ok(Given {
            code: given.code.or(own),
            ..given
        })
    }
}

/// The code that was given: an argument, or a line of standard input. An empty one, as a script with an unset variable
/// gives it, is a missing answer and no try.
pub fn own_code(from: &CodeFrom, lines: &mut Lines) -> Result<Option<Secret>> {
    let (code, option) = match (&from.code, lines.code.take()) {
        (Some(code), _) => (Secret::new(code.clone()), "--code"),
        (None, Some(code)) => (code, "--code-stdin"),
        (None, None) => return Ok(None),
    };
    if code.expose().trim().is_empty() {
        return Err(Error::new(
            Kind::MissingAnswer,
            format!("the code of {option} is empty"),
        )
        .hint(format!("give it with {option}")));
    }
    Ok(Some(code))
}
