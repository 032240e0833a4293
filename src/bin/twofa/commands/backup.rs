//! `backup` and `restore`: the store as one file, and back.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use twofa::backup;
use twofa::error::Result;
use twofa::name::visible;

use crate::answer::Answer;
use crate::session::Context;

/// Copy the store into a file
///
/// One moment of it, while others work. The file is whole and checked before it has its name, and never takes the place
/// of another. The key file is not in it: keep a copy of that elsewhere.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  twofa backup twofa-2026-01-31.backup")]
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
    let key_file = context.place()?.key.display().to_string();
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
