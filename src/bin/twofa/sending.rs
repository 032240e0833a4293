//! What mailboxes and SMS providers have in common on the command line: their paths, and the test of what they send.

use std::path::Path;

use serde_json::Value;
use twofa::actor::Session;
use twofa::delivery::{self, Sender};
use twofa::error::{Error, Kind, Result};
use twofa::name::{argument, visible};
use twofa::plan::Warning;
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
    delivery::prepare_directory(store, Path::new(directory)).map_err(|error| {
        Error::new(Kind::Io, format!("cannot make the directory `{directory}`")).because(error)
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
    let (noun, setting) = match sender {
        Sender::Mailbox(_) => ("mailbox", "2FAmailbox"),
        Sender::Provider(_) => ("provider", "SmsProvider"),
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
    Ok(answer
        .say(format!("The test message to {} was accepted.", visible(to)))
        .say(format!(
            "Next: `twofa setting set {setting} {}`.",
            argument(sender.name())
        )))
}
