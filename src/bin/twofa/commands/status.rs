//! `status`: how things stand, on one screen.

use clap::Args;
use twofa::audit::Record;
use twofa::error::Result;
use twofa::name::{counted, visible};
use twofa::status::{self, MethodStatus, Status as Standing};

use super::coverage;
use crate::answer::{self, Answer, row};
use crate::reach::Reach;
use crate::session::Context;

/// Show what is on, for how many, and what to do next
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Status {}

const EXAMPLES: &str = "Examples:
  twofa status
  twofa status -o json";

pub fn run(context: &mut Context) -> Result<Answer> {
    let session = context.session()?;
    let mut standing = status::status(&session)?;
    standing.next = Reach::of(&context.globals).command(&standing.next);
    let shown = screen(&standing, crate::terminal_width())?;
    let mut answer = Answer::thing(&standing)?.shown_as(shown);
    answer.warnings = standing.warnings;
    Ok(answer)
}

/// A screen of paragraphs.
fn screen(standing: &Standing, width: Option<u16>) -> Result<String> {
    let who = coverage::sentences(standing.enabled, &standing.coverage, None);
    let methods: Vec<String> = standing.methods.iter().map(method).collect();
    let mut paragraphs = vec![
        format!("{who}\n{}", users(standing)),
        methods.join("\n"),
        senders(standing).join("\n"),
        sso(standing).join("\n"),
    ];
    if let Some(events) = &standing.last_events {
        paragraphs.push(table(events, width)?.trim_end().to_owned());
    }
    paragraphs.push(format!("Next: `{}`.", standing.next));
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    Ok(format!("{}\n", paragraphs.join("\n\n")))
}

/// How codes leave, and what went unconfirmed.
fn senders(standing: &Standing) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(mailbox) = &standing.mailbox {
        lines.push(format!(
            "Codes by email leave through the mailbox `{}`.",
            visible(mailbox)
        ));
    }
    if let Some(provider) = &standing.sms_provider {
        lines.push(format!(
            "Codes by SMS leave through the provider `{}`.",
            visible(provider)
        ));
    }
    if standing.overrides > 0 {
        lines.push(format!(
            "{} went unconfirmed by --override within the last seven days: `twofa audit list --event confirmation.skipped`.",
            counted(
                standing.overrides.unsigned_abs(),
                "administrator action",
                "administrator actions"
            )
        ));
    }
    lines
}

/// Who logs in elsewhere, and where.
fn sso(standing: &Standing) -> Vec<String> {
    let mut lines = Vec::new();
    if standing.no_internal_passwords {
        lines.push(
            "Employees have to use single sign-on; administrators log in with a password."
                .to_owned(),
        );
    }
    let names: Vec<String> = standing
        .identity_providers
        .iter()
        .map(|name| {
            let default = standing.default_sso.as_ref() == Some(name);
            let mark = if default { " (the default one)" } else { "" };
            format!("`{}`{mark}", visible(name))
        })
        .collect();
    if !names.is_empty() {
        lines.push(format!(
            "Identity providers that are enabled: {}.",
            names.join(", ")
        ));
    } else if standing.no_internal_passwords {
        lines.push("No identity provider is enabled.".to_owned());
    }
    lines
}

fn users(standing: &Standing) -> String {
    let mut locked = String::new();
    if standing.locked > 0 {
        locked = format!(", {} locked now", standing.locked);
    }
    if let Some(names) = standing
        .locked_users
        .as_deref()
        .filter(|names| !names.is_empty())
    {
        let shown: Vec<String> = names
            .iter()
            .map(|name| format!("`{}`", visible(name)))
            .collect();
        let more = match standing
            .locked
            .unsigned_abs()
            .saturating_sub(names.len() as u64)
        {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        locked = format!("{locked}: {}{more}", shown.join(", "));
    }
    format!(
        "{}, {} active{locked}.",
        counted(standing.users.unsigned_abs(), "user", "users"),
        standing.active
    )
}

fn method(method: &MethodStatus) -> String {
    let state = match (method.row.enabled, method.row.primary) {
        (_, true) => "primary",
        (true, false) => "enabled",
        (false, false) => "off",
    };
    let ready = match method.lacks {
        Some(lacks) if method.row.enabled => lacks.to_owned(),
        _ => format!(
            "{} could use it",
            counted(method.ready.unsigned_abs(), "user", "users")
        ),
    };
    format!("{:<18} {state:<8}  {ready}", method.row.name)
}

/// The newest events.
fn table(events: &[Record], width: Option<u16>) -> Result<String> {
    let rows = events
        .iter()
        .map(row)
        .collect::<Result<Vec<answer::Row>>>()?;
    answer::table(
        &["at", "event", "subject", "outcome", "reason"],
        &rows,
        width,
    )
}
