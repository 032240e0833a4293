//! `key`: the key file.

use clap::Subcommand;
use twofa::error::{Kind, Result};
use twofa::name::{argument, counted, visible};

use crate::answer::Answer;
use crate::session::Context;

/// Look after the key file
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  twofa key check\n  twofa key check -o json")]
pub enum Key {
    /// Check that the key file opens every sealed value of the store
    #[command(after_help = "Examples:\n  twofa key check\n  twofa key check -o json")]
    Check,
}

pub fn run(context: &mut Context, verb: Key) -> Result<Answer> {
    let Key::Check = verb;
    let session = context.session()?;
    let found = twofa::sealed::check(&session.store)?;
    let bad = found.broken.len() as u64;
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
        "The key file is the right one; nothing is sealed yet.".to_owned()
    } else {
        format!(
            "The key file opens every sealed value: {}.",
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
