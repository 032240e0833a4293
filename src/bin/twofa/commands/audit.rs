//! `audit`: what happened.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use twofa::audit::{self, Event, Filter, Outcome, Record};
use twofa::error::{Error, Kind, Result};
use twofa::name;
use twofa::store::Store;
use twofa::user;

use crate::answer::{Answer, row};
use crate::complete;
use crate::session::Context;

/// Look at the audit log
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa audit list --since '1d ago' --event login\n  twofa audit verify"
)]
pub enum Audit {
    /// List events, newest first
    #[command(
        after_help = "Examples:\n  twofa audit list\n  twofa audit list --since '1d ago' --event login\n  twofa audit list --user alice --outcome denied -o json"
    )]
    List(List),
    /// Show one event
    #[command(after_help = "Examples:\n  twofa audit show 17\n  twofa audit show 17 -o json")]
    Show(Show),
    /// Follow the chain and say whether anything was tampered with
    #[command(after_help = "Examples:\n  twofa audit verify\n  twofa audit verify -o json")]
    Verify,
}

/// `audit list`.
#[derive(Debug, Args)]
pub struct List {
    /// Not before this time: 2026-01-31T12:00:00Z, 2026-01-31, '15m ago'
    #[arg(long, value_name = "TIME", add = complete::times_past())]
    since: Option<String>,
    /// Not after this time
    #[arg(long, value_name = "TIME", add = complete::times_past())]
    until: Option<String>,
    /// About this user, under any name
    #[arg(long, value_name = "LOGIN", add = complete::users())]
    user: Option<String>,
    /// By this acting user
    #[arg(long, value_name = "LOGIN", add = complete::users())]
    actor: Option<String>,
    /// This event, or all events of a noun; repeat for more
    #[arg(long = "event", value_name = "EVENT", add = complete::events())]
    events: Vec<String>,
    /// ok, denied, refused or failed
    #[arg(long, add = complete::outcomes())]
    outcome: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

/// `audit show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The number of the event
    #[arg(value_name = "SEQ", add = complete::seqs())]
    seq: i64,
}

const COLUMNS: &[&str] = &[
    "seq", "at", "actor", "os_user", "event", "subject", "outcome", "reason", "note", "detail",
];
const TABLE: &[&str] = &[
    "seq", "at", "actor", "event", "subject", "outcome", "reason",
];

pub fn run(context: &mut Context, verb: Audit) -> Result<Answer> {
    match verb {
        Audit::List(args) => list(context, args),
        Audit::Show(args) => {
            let session = context.session()?;
            Answer::thing(&audit::show(&session.store, args.seq)?)
        }
        Audit::Verify => {
            let session = context.session()?;
            let found = audit::verify(&session.store)?;
            let answer = Answer::thing(&found)?;
            Ok(match (&found.damage, found.first_bad) {
                (Some(damage), Some(seq)) => answer.exits(Kind::Findings.exit()).say(format!(
                    "The audit log was tampered with: row {seq} ({}).",
                    damage.replace('_', " ")
                )),
                _ => answer.say("The audit log is intact."),
            })
        }
    }
}

/// A user by login or email, and every login they had. The log outlives its people: one who was removed is found too.
fn anybody(store: &Store, login: &str) -> Result<(i64, BTreeSet<String>)> {
    let (id, now) = match user::find(store, login) {
        Ok(user) => (user.id, Some(user.login)),
        Err(error) if error.kind() == Kind::NotFound => {
            (audit::once_named(store, login)?.ok_or(error)?, None)
        }
        Err(error) => return Err(error),
    };
    let mut logins = audit::logins(store, id)?;
    logins.extend(now);
    Ok((id, logins))
}

fn list(context: &mut Context, mut args: List) -> Result<Answer> {
    let session = context.session()?;
    // A noun is written with a hyphen on the command line.
    for event in &mut args.events {
        *event = event.replace('-', "_");
    }
    for event in &args.events {
        let known = Event::ALL.iter().any(|(known, _)| {
            known.code() == event || known.code().split('.').next() == Some(event)
        });
        if !known {
            let codes = Event::ALL.iter().map(|(event, _)| event.code());
            return Err(name::not_found("event", event, codes, "twofa help events"));
        }
    }
    if let Some(outcome) = &args.outcome
        && !Outcome::ALL.iter().any(|known| known.code() == outcome)
    {
        return Err(Error::new(
            Kind::InvalidValue,
            format!("`{}` is no outcome", name::visible(outcome)),
        )
        .hint("it is ok, denied, refused or failed"));
    }
    let filter = Filter {
        since: context.time(args.since.as_deref())?,
        until: context.time(args.until.as_deref())?,
        user: args
            .user
            .as_deref()
            .map(|login| anybody(&session.store, login))
            .transpose()?
            .map(|(id, _)| id),
        actors: args
            .actor
            .as_deref()
            .map(|login| anybody(&session.store, login))
            .transpose()?
            .map(|(_, logins)| logins),
        events: args.events,
        outcome: args.outcome,
        limit: args.limit.map(i64::from),
    };
    let understood = [("since", filter.since), ("until", filter.until)];
    let answer = Answer::stream(COLUMNS, TABLE, move |each| {
        audit::list(&session.store, &filter, &mut |record: Record| {
            each(row(&record)?)
        })
    });
    Ok(understood
        .into_iter()
        .fold(answer, |answer, (name, time)| match time {
            Some(time) => answer.say(format!("--{name} was understood as {time}.")),
            None => answer,
        }))
}
