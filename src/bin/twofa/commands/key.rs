//! `key`: the key file.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use twofa::error::{Kind, Result};
use twofa::name::{argument, counted, visible};
use twofa::rotation::{self, NewLock};
use twofa::vault::{KEY_VARIABLE, KeySource};

use crate::answer::Answer;
use crate::cli::KeyForm;
use crate::complete;
use crate::session::Context;
use crate::ui::{Wanted, read_file};

/// Look after the key file
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  twofa key check\n  twofa key check -o json")]
pub enum Key {
    /// Check that the key file opens every sealed value of the store
    #[command(after_help = "Examples:\n  twofa key check\n  twofa key check -o json")]
    Check,
    /// Make new keys and seal everything anew, while logins go on
    ///
    /// A rotation that was stopped is brought to its end by the next one. The old key stays in the key file until
    /// `twofa key retire`: backups that were made before need it. Keys that systemd or the environment gives can be read
    /// only: new ones go into a new file. A passphrase is put on the key file, changed and taken off here, with new keys: a
    /// copy that somebody took keeps the passphrase it had.
    #[command(after_help = ROTATE)]
    Rotate(Rotate),
    /// Take a key out of the key file that the store needs no more
    #[command(
        after_help = "Examples:\n  twofa key retire 1f2e3d4c\n  twofa key retire 1f2e3d4c --yes -o json"
    )]
    Retire(Retire),
}

const ROTATE: &str = "Examples:
  twofa key rotate
  twofa key rotate --compromised --yes
  twofa key rotate --new-passphrase
  twofa key rotate --new-key-file new.key
  twofa key rotate --new-key-file key.env --key-form environment
  twofa --key-file credential:twofa key rotate --new-key-file new.key";

/// `key rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// The keys are known to somebody else: void recovery codes, tokens and open logins too, and list whose app must be
    /// connected anew
    #[arg(long)]
    compromised: bool,
    /// Write the keys into this new file and leave the key file as it is
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    new_key_file: Option<PathBuf>,
    /// How the keys are written; without it, as they were
    #[arg(long, value_name = "FORM")]
    key_form: Option<KeyForm>,
    /// Lock the key file with a new passphrase
    #[arg(long)]
    new_passphrase: bool,
    /// Read it from standard input, one line behind the passphrase
    #[arg(long, conflicts_with_all = ["new_passphrase_file", "no_passphrase"])]
    new_passphrase_stdin: bool,
    /// Read it from the first line of a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "no_passphrase")]
    new_passphrase_file: Option<PathBuf>,
    /// Lock the key file no more
    #[arg(long, conflicts_with = "new_passphrase")]
    no_passphrase: bool,
}

/// `key retire`.
#[derive(Debug, Args)]
pub struct Retire {
    /// The id of the key
    #[arg(add = complete::ring_keys())]
    id: String,
}

pub fn run(context: &mut Context, verb: Key) -> Result<Answer> {
    match verb {
        Key::Check => check(context),
        Key::Rotate(args) => rotate(context, args),
        Key::Retire(args) => retire(context, &args),
    }
}

fn rotate(context: &mut Context, args: Rotate) -> Result<Answer> {
    let session = context.session()?;
    session.permit(None)?;
    // The one that is, before the one that is to be.
    session.store.unlock()?;
    let options = rotation::Rotate {
        compromised: args.compromised,
        passphrase: new_lock(context, &args)?,
        new_key_file: args.new_key_file,
        form: args.key_form.map(KeyForm::form),
    };
    let done = rotation::rotate(&session, &options, &mut context.ui)?;
    let sealed = counted(done.values, "value was", "values were");
    let mut said = vec![if done.resumed {
        format!("An earlier rotation was brought to its end: {sealed} sealed anew.")
    } else {
        format!(
            "The key `{}` is current; {sealed} sealed anew.",
            done.ring_key
        )
    }];
    let broken = done.broken.len() as u64;
    if broken > 0 {
        said.push(format!(
            "{} cannot be opened and stay as they are: `twofa key check` lists them.",
            counted(broken, "value", "values")
        ));
    }
    if options.compromised {
        said.extend(voided(&done));
    }
    said.extend(lock_sentence(&options.passphrase));
    if options.new_key_file.is_some() {
        said.push(new_home(&session.store.place().key, &done.key_file));
    }
    said.push(if done.locked {
        "Keep a copy of the key file, and the passphrase, in a safe place, apart from the backups."
    } else {
        "Keep a copy of the key file in a safe place, apart from the backups."
    }
    .to_owned());
    if let Some(old) = done.retirable.first() {
        let file = match &options.new_key_file {
            Some(_) => format!("--key-file {} ", argument(&done.key_file)),
            None => String::new(),
        };
        said.push(format!(
            "Next, once no backup needs it: `twofa {file}key retire {}`.",
            argument(old)
        ));
    }
    let answer = Answer::thing(&done)?.changed(true, Vec::new());
    let answer = said.into_iter().fold(answer, Answer::say);
    Ok(if broken > 0 {
        answer.exits(Kind::Findings.exit())
    } else {
        answer
    })
}

/// What is void with keys that somebody else knows.
fn voided(done: &rotation::Rotated) -> Vec<String> {
    let mut said = vec![format!(
        "{} void, and {} to connect an app anew: whoever has the old keys has its secret.",
        counted(
            done.recovery_codes_void,
            "recovery code is",
            "recovery codes are"
        ),
        counted(done.connect_anew.len() as u64, "user has", "users have")
    )];
    let clients = done.secrets_void.len() as u64;
    if clients > 0 {
        said.push(format!(
            "{} another secret: `twofa oauth-client rotate-secret NAME`.",
            counted(clients, "OAuth client needs", "OAuth clients need")
        ));
    }
    let pairs = done.pairs_known.len() as u64;
    if pairs > 0 {
        said.push(format!(
            "{} another key pair of ours, for the old key is known: `twofa idp edit NAME --make-key`.",
            counted(pairs, "identity provider needs", "identity providers need")
        ));
    }
    said
}

/// What becomes of the passphrase, as the options say.
fn new_lock(context: &Context, args: &Rotate) -> Result<NewLock> {
    if args.no_passphrase {
        return Ok(NewLock::Nothing);
    }
    let mut lines = context.lines(Wanted {
        new_passphrase: args.new_passphrase_stdin,
        ..Wanted::default()
    })?;
    let passphrase = match (lines.new_passphrase.take(), &args.new_passphrase_file) {
        (Some(passphrase), _) => passphrase,
        (None, Some(path)) => read_file(path, "--new-passphrase-file")?,
        (None, None) if args.new_passphrase => {
            context
                .ui
                .secret("New passphrase", "--new-passphrase-stdin", true)?
        }
        (None, None) => return Ok(NewLock::AsBefore),
    };
    Ok(NewLock::Passphrase(passphrase))
}

fn lock_sentence(lock: &NewLock) -> Option<String> {
    match lock {
        NewLock::AsBefore => None,
        NewLock::Passphrase(_) => Some(
            "The new passphrase opens the key file. A copy from before opens with what it had, and holds the old keys."
                .to_owned(),
        ),
        NewLock::Nothing => Some("The key file is no longer locked.".to_owned()),
    }
}

/// What is to be done with a new key file, in the place of where the keys came from.
fn new_home(before: &KeySource, file: &str) -> String {
    let file = argument(file);
    if let Some(name) = before.as_credential() {
        let name = visible(name);
        return format!(
            "From now on the store needs the keys of {file}: make the credential `{name}` from it, and start the service anew."
        );
    }
    if before.is_environment() {
        return format!(
            "From now on the store needs the keys of {file}: {KEY_VARIABLE} comes from there, as in EnvironmentFile=."
        );
    }
    format!("From now on the store needs `--key-file {file}`.")
}

fn retire(context: &mut Context, args: &Retire) -> Result<Answer> {
    let session = context.session()?;
    let done = rotation::retire(&session, &args.id, &mut context.ui)?;
    let sentence = format!(
        "The key `{}` is no longer in the key file.",
        visible(&done.ring_key)
    );
    Ok(Answer::thing(&done)?
        .changed(true, Vec::new())
        .say(sentence))
}

fn check(context: &mut Context) -> Result<Answer> {
    let session = context.session()?;
    let found = twofa::sealed::check(&session.store)?;
    let bad = found.broken.len() as u64;
    let key = &session.store.place().key;
    let keys = match key.as_file() {
        Some(_) => "The key file".to_owned(),
        None => key.named().replacen('t', "T", 1),
    };
    let sentence = if bad > 0 {
        let named: Vec<String> = found
            .broken
            .iter()
            .map(|broken| format!("{} of row {}", broken.column, broken.row))
            .collect();
        format!(
            "{} cannot be opened: {}.",
            counted(bad, "sealed value", "sealed values"),
            named.join(", ")
        )
    } else if found.values == 0 {
        format!("{keys} is the right one; nothing is sealed yet.")
    } else {
        format!(
            "{keys} opens every sealed value: {}.",
            counted(found.values, "value", "values")
        )
    };
    let mut answer = Answer::thing(&found)?.say(sentence);
    for loose in &found.loose {
        let (may, fix) = if loose.directory {
            ("write into", "go-w")
        } else {
            ("open", "600")
        };
        answer = answer.say(format!(
            "Others may {may} `{}` (mode {}). Next: `chmod {fix} {}`.",
            visible(&loose.file),
            loose.mode,
            argument(&loose.file)
        ));
    }
    Ok(if bad > 0 || !found.loose.is_empty() {
        answer.exits(Kind::Findings.exit())
    } else {
        answer
    })
}
