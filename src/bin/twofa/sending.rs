//! What mailboxes and SMS providers have in common on the command line: their paths, the next command, and the test of
//! what they send.

use std::path::Path;

use serde_json::Value;
use twofa::actor::Session;
use twofa::delivery::{self, Sender};
use twofa::error::{Error, Kind, Result};
use twofa::name::{argument, visible};
use twofa::plan::Warning;
use twofa::setting::{self, Setting, Settings};
use twofa::store::Store;

use crate::answer::{Answer, Row};
use crate::session::Context;

/// A path that means the same from any directory.
pub fn absolute(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).map_err(|error| {
        Error::new(Kind::Io, format!("cannot use `{}`", path.display())).because(error)
    })?;
    absolute
        .into_os_string()
        .into_string()
        .map_err(|_| Error::new(Kind::InvalidValue, "the path is not UTF-8"))
}

/// Makes the directory that messages go into, where it is absent.
pub fn prepare(store: &Store, directory: &str) -> Result<()> {
    // What cannot be kept in the log is not done, and leaves no directory.
    store.vault()?;
    delivery::prepare_directory(store, Path::new(directory)).map_err(|error| {
        Error::new(Kind::Io, format!("cannot make the directory `{directory}`")).because(error)
    })
}

/// The setting that has codes leave by a sender, and whether it does.
fn setting_of(store: &Store, sender: &Sender) -> Result<(&'static Setting, bool)> {
    let (setting, id) = match sender {
        Sender::Mailbox(mailbox) => (&setting::MAILBOX_2FA, mailbox.id),
        Sender::Provider(provider) => (&setting::SMS_PROVIDER, provider.id),
    };
    Ok((setting, Settings::load(store)?.thing(setting) == Some(id)))
}

/// The commands that come after a sender was added or changed: to test it, and to have codes leave by it, where they do not
/// yet.
pub fn next(store: &Store, sender: &Sender) -> Result<String> {
    let (setting, is_set) = setting_of(store, sender)?;
    let name = argument(sender.name());
    let test = format!("Next: `twofa {} test {name}`", sender.command());
    Ok(if is_set {
        format!("{test}.")
    } else {
        format!("{test}, then `twofa setting set {} {name}`.", setting.code)
    })
}

/// What is worth saying of a file or a program that a sender names and that is not there.
pub fn absent(path: &str, option: &str) -> Option<Warning> {
    (!Path::new(path).is_file()).then(|| Warning {
        kind: "file_absent",
        message: format!("there is no file `{}`.", visible(path)),
        hint: Some(format!(
            "{option} names it; a path is read from the current directory, and PATH is not searched"
        )),
    })
}

/// Sends a test message to `to`; each step is shown while it is done.
pub fn test(
    context: &Context,
    session: &Session,
    sender: &Sender,
    to: &str,
    warnings: Vec<Warning>,
) -> Result<Answer> {
    let ui = &context.ui;
    let tested = delivery::test(session, sender, to, &mut |line| ui.overheard(line))?;
    let (setting, is_set) = setting_of(&session.store, sender)?;
    let noun = match sender {
        Sender::Mailbox(_) => "mailbox",
        Sender::Provider(_) => "provider",
    };
    let mut row = Row::new();
    row.insert(noun.to_owned(), sender.name().into());
    row.insert("to".to_owned(), to.into());
    row.insert("delivered".to_owned(), true.into());
    row.insert("receipt".to_owned(), tested.receipt.into());
    let json = |value: serde_json::Result<Value>| value.unwrap_or_default();
    let conversation = json(serde_json::to_value(&tested.conversation));
    row.insert("conversation".to_owned(), conversation);
    row.insert("warnings".to_owned(), json(serde_json::to_value(&warnings)));
    let mut answer = Answer::thing(&row)?;
    answer.warnings = warnings;
    answer = answer.say(format!("The test message to {} was accepted.", visible(to)));
    Ok(if is_set {
        answer
    } else {
        answer.say(format!(
            "Next: `twofa setting set {} {}`.",
            setting.code,
            argument(sender.name())
        ))
    })
}
