//! `init` and `status`: the beginning, and how things stand.

use clap::Args;
use twofa::error::{Error, Kind, Result};
use twofa::init;
use twofa::name::{argument, counted, visible};
use twofa::status::{self, Status as Standing};

use crate::answer::Answer;
use crate::complete;
use crate::process;
use crate::session::Context;

/// Make a store, its key file and the first administrator
///
/// The first administrator has no password yet, and nobody can log in as them until `twofa password set`. On an
/// existing store nothing changes. Keep a copy of the key file in a safe place: without it every authenticator app,
/// recovery code, mailbox password and user password of the store is lost.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  twofa init --admin alice --email alice@example.com\n  twofa init --owner twofa\n  twofa --db ./twofa.db init"
)]
pub struct Init {
    /// Login of the first administrator [default: Supervisor]
    #[arg(long, value_name = "LOGIN")]
    admin: Option<String>,
    /// Their email address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The account of this machine that acts as them
    #[arg(long, value_name = "NAME", add = complete::accounts())]
    os_user: Option<String>,
    /// Give what is made to this account of the machine (root only)
    #[arg(long, value_name = "ACCOUNT", add = complete::accounts())]
    owner: Option<String>,
}

/// Show what is on, for how many, and what to do next
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  twofa status\n  twofa status -o json")]
pub struct Status {}

pub fn init(context: &mut Context, args: &Init) -> Result<Answer> {
    if args.owner.is_some() && context.process.effective != Some(0) {
        return Err(Error::new(
            Kind::NotPermitted,
            "only root gives files to another account",
        )
        .hint("leave --owner out"));
    }
    let place = context.place()?;
    let wanted = init::Init {
        admin: args.admin.clone(),
        email: args.email.clone(),
        os_user: args.os_user.clone(),
        owner: args.owner.clone(),
        reason: context.globals.reason.clone(),
    };
    let made = init::init(
        &place,
        &wanted,
        &context.process,
        process::wait(&context.globals)?,
        &context.source,
    )?;
    let changed = made.changed;
    let admin = argument(&made.admin);
    let answer = Answer::thing(&made)?.changed(changed, Vec::new());
    Ok(if changed {
        answer
            .say(format!("The store is ready. Keep a copy of {} in a safe place: without it everything sealed in the store is lost.", made.key_file))
            .say(format!("Next: `twofa password set {admin}`."))
    } else {
        answer.say("The store was there already; nothing was changed.")
    })
}

pub fn status(context: &mut Context) -> Result<Answer> {
    let session = context.session()?;
    let standing = status::status(&session.store)?;
    let shown = table(&standing);
    let mut answer = Answer::thing(&standing)?.shown_as(shown);
    answer.warnings = standing.warnings;
    Ok(answer)
}

/// The status as one screen.
fn table(standing: &Standing) -> String {
    let mut text = String::new();
    let mut say = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    say(format!(
        "2FA is {}.",
        if standing.enabled { "on" } else { "off" }
    ));
    let locked = if standing.locked > 0 {
        format!(", {} locked now", standing.locked)
    } else {
        String::new()
    };
    say(format!(
        "{}, {} active{locked}.",
        counted(standing.users.unsigned_abs(), "user", "users"),
        standing.active
    ));
    say(String::new());
    for method in &standing.methods {
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
        say(format!("{:<18} {state:<8}  {ready}", method.row.name));
    }
    say(String::new());
    if let Some(provider) = &standing.sms_provider {
        say(format!(
            "Codes by SMS leave through the provider `{}`.",
            visible(provider)
        ));
    }
    if let Some(mailbox) = &standing.mailbox {
        say(format!(
            "Codes leave through the mailbox `{}`.",
            visible(mailbox)
        ));
    }
    if standing.overrides > 0 {
        say(format!(
            "{} went unconfirmed by --override within the last seven days: `twofa audit list --event confirmation.skipped`.",
            counted(
                standing.overrides.unsigned_abs(),
                "administrator action",
                "administrator actions"
            )
        ));
    }
    say(format!("Next: `{}`.", standing.next));
    text
}
