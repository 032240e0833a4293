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
    Ok(if bad == 0 && found.values == 0 {
        answer.say("The key file is the right one; nothing is sealed yet.")
    } else if bad == 0 {
        answer.say(format!(
            "The key file opens every sealed value: {}.",
            counted(found.values, "value", "values")
        ))
    } else {
        let named: Vec<String> = found
            .broken
            .iter()
            .map(|broken| format!("{} of row {}", broken.column, broken.row))
            .collect();
        answer.exits(Kind::Findings.exit()).say(format!(
            "{} cannot be opened: {}.",
            counted(bad, "sealed value", "sealed values"),
            named.join(", ")
        ))
    })
}
