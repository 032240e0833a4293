//! `backup` and `restore`: the store as one file, and back.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use twofa::backup::{self, Live, Wanted};
use twofa::error::Result;
use twofa::name::{counted, visible};

use crate::answer::Answer;
use crate::bar::Bar;
use crate::process;
use crate::session::Context;

/// Copy the store into a file
///
/// One moment of it, while others work. The file is whole and checked before it has its name, and never takes the place
/// of another. The key file is not in it: keep a copy of that elsewhere.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  twofa backup twofa-2026-01-31.backup\n  twofa backup twofa.backup -o json"
)]
pub struct Backup {
    /// The file; there must be none of that name
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

pub fn backup(context: &mut Context, args: &Backup) -> Result<Answer> {
    let session = context.session()?;
    let made = backup::backup(&session, &args.file)?;
    let ids: Vec<String> = made
        .ring_keys
        .iter()
        .map(|id| format!("`{}`", visible(id)))
        .collect();
    let (keys, are) = match ids.len() {
        1 => ("key", "is"),
        _ => ("keys", "are"),
    };
    let key_file = context.place()?.key.shown();
    Ok(Answer::thing(&made)?
        .say(format!(
            "`{}` is a backup of the store up to event {}.",
            visible(&made.file),
            made.seq
        ))
        .say(format!(
            "It opens with the {keys} {}, which {are} not in it: keep a copy of `{}` apart from it.",
            ids.join(", "),
            visible(&key_file)
        )))
}

/// Put a backup in the place of the store
///
/// The key file must hold the keys that `twofa backup` named. What was consumed since stays consumed: codes of apps,
/// recovery codes, tries, locks. Questions that wait for an answer are void. Where the store is gone or cannot be read,
/// every recovery code is void, and no code that an app has shown until now works.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  twofa restore twofa-2026-01-31.backup\n  twofa restore twofa-2026-01-31.backup --yes --reason 'disk failure'"
)]
pub struct Restore {
    /// The backup
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

pub fn restore(context: &mut Context, args: &Restore) -> Result<Answer> {
    let place = context.place()?;
    let source = std::rc::Rc::clone(&context.source);
    let quiet = context.globals.quiet;
    let wanted = Wanted {
        file: &args.file,
        as_login: context.globals.as_login.as_deref(),
        note: context.globals.reason.clone(),
        wait: process::wait(&context.globals)?,
        watcher: &move || Box::new(Bar::new(quiet)),
    };
    let done = backup::restore(&place, &wanted, &context.process, &source, &mut context.ui)?;
    let answer = Answer::thing(&done)?.changed(done.changed, done.warnings.clone());
    if !done.changed {
        return Ok(answer.say("This backup was restored already, and nothing has happened since."));
    }
    let lost = done.lost_events.map_or_else(String::new, |lost| {
        let lost = counted(lost.unsigned_abs(), "later event is", "later events are");
        format!("; {lost} lost")
    });
    let mut answer = answer.say(format!(
        "The store is as `{}` has it, at event {}{lost}.",
        visible(&done.file),
        done.restored_seq
    ));
    if let Some(aside) = &done.aside {
        answer = answer.say(format!(
            "What could not be read is kept as `{}`.",
            visible(aside)
        ));
    }
    if done.live != Live::Merged {
        answer = answer.say("Codes that apps show now are refused as used; new ones work once `TotpDriftSteps` steps have passed.");
    }
    Ok(answer.say("Anchors of what is lost no longer fit. Next: `twofa audit anchor`."))
}
