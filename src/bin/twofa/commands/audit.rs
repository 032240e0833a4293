//! `audit`: what happened.

mod archive;

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
    List(Chosen),
    /// Show one event
    #[command(after_help = "Examples:\n  twofa audit show 17\n  twofa audit show 17 -o json")]
    Show(Show),
    /// Print events for other systems, oldest first
    Export(archive::Export),
    /// Move old events into a file; the chain goes on verifying
    Archive(archive::Archive),
    /// Follow the chain and say whether anything was tampered with
    Verify(archive::Verify),
    /// Print where the log ends, to be kept elsewhere
    #[command(
        after_help = "Examples:\n  twofa audit anchor\n  twofa audit anchor -o json > anchor.json"
    )]
    Anchor,
}

/// Which events.
#[derive(Debug, Args)]
pub struct Chosen {
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
        Audit::Export(args) => archive::export(context, args),
        Audit::Archive(args) => archive::archive(context, &args),
        Audit::Verify(args) => archive::verify(context, &args),
        Audit::Anchor => archive::anchor(context),
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

/// Events by the words of the command line, which spells a noun with a hyphen.
fn events(words: &[String]) -> Result<Vec<String>> {
    let words: Vec<String> = words.iter().map(|word| word.replace('-', "_")).collect();
    for event in &words {
        let known = Event::ALL.iter().any(|(known, _)| {
            known.code() == event || known.code().split('.').next() == Some(event)
        });
        if !known {
            let codes = Event::ALL.iter().map(|(event, _)| event.code());
            return Err(name::not_found("event", event, codes, "twofa help events"));
        }
    }
    Ok(words)
}

impl Chosen {
    /// The filter, and how its moments were understood.
    fn filter(self, context: &Context, store: &Store) -> Result<(Filter, Vec<String>)> {
        let events = events(&self.events)?;
        if let Some(outcome) = &self.outcome
            && !Outcome::ALL.iter().any(|known| known.code() == outcome)
        {
            return Err(Error::new(
                Kind::InvalidValue,
                format!("`{}` is no outcome", name::visible(outcome)),
            )
            .hint("it is ok, denied, refused or failed"));
        }
        let known = |login: Option<&str>| login.map(|login| anybody(store, login)).transpose();
        let filter = Filter {
            since: context.time(self.since.as_deref())?,
            until: context.time(self.until.as_deref())?,
            user: known(self.user.as_deref())?.map(|(id, _)| id),
            actors: known(self.actor.as_deref())?.map(|(_, logins)| logins),
            events,
            outcome: self.outcome,
            limit: self.limit.map(i64::from),
        };
        let said = [("since", filter.since), ("until", filter.until)]
            .into_iter()
            .filter_map(|(name, time)| Some(format!("--{name} was understood as {}.", time?)))
            .collect();
        Ok((filter, said))
    }
}

fn list(context: &mut Context, args: Chosen) -> Result<Answer> {
    let session = context.session()?;
    let (filter, said) = args.filter(context, &session.store)?;
    let answer = Answer::stream(COLUMNS, TABLE, move |each| {
        audit::list(&session.store, &filter, &mut |record: Record| {
            each(row(&record)?)
        })
    });
    Ok(said.into_iter().fold(answer, Answer::say))
}
