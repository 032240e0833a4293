//! `key`: the key file.

use clap::Subcommand;
use twofa::error::{Kind, Result};
use twofa::name::counted;

use crate::answer::Answer;
use crate::session::Context;

/// Look after the key file
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  twofa key check")]
pub enum Key {
    /// Check that the key file opens every sealed value of the store
    Check,
}

pub fn run(context: &mut Context, verb: Key) -> Result<Answer> {
    let Key::Check = verb;
    let session = context.session("key check")?;
    let found = twofa::sealed::check(&session.store)?;
    let bad = found.broken.len() as u64;
    let answer = Answer::thing(&found)?;
    Ok(if bad == 0 {
        answer.say(format!(
            "The key file opens all {}.",
            counted(found.values, "sealed value", "sealed values")
        ))
    } else {
        answer.exits(Kind::Findings.exit()).say(format!(
            "{} cannot be opened.",
            counted(bad, "sealed value", "sealed values")
        ))
    })
}
