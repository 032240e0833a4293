//! `outbox`: every message, and what became of it.

use clap::{Args, Subcommand, ValueEnum};
use twofa::delivery::outbox::{self, Filter, Message, State};
use twofa::error::Result;
use twofa::login::retry::retry;
use twofa::method::Method;
use twofa::name::visible;
use twofa::user;

use crate::answer::{Answer, row};
use crate::complete;
use crate::session::Context;

/// Look at the messages that were sent
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa outbox list --state failed --since '1h ago'\n  twofa outbox show 17\n  twofa outbox retry 17"
)]
pub enum Outbox {
    /// List messages, newest first
    #[command(
        after_help = "Examples:\n  twofa outbox list\n  twofa outbox list --state failed --since '1h ago'\n  twofa outbox list --user alice -o json"
    )]
    List(List),
    /// Show one message
    #[command(after_help = "Examples:\n  twofa outbox show 17\n  twofa outbox show 17 -o json")]
    Show(One),
    /// Send a message that did not leave once more, with a new code
    #[command(after_help = "Examples:\n  twofa outbox retry 17\n  twofa outbox retry 17 -o json")]
    Retry(One),
}

/// How a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stands {
    /// It may be on its way
    Pending,
    /// The server took it
    Accepted,
    /// It did not leave
    Failed,
    /// Its command ended in between: nobody knows
    Unknown,
}

impl Stands {
    fn state(self) -> State {
        match self {
            Stands::Pending => State::Pending,
            Stands::Accepted => State::Accepted,
            Stands::Failed => State::Failed,
            Stands::Unknown => State::Unknown,
        }
    }
}

/// `outbox list`.
#[derive(Debug, Args)]
pub struct List {
    /// Messages for this user only
    #[arg(long, value_name = "LOGIN", add = complete::users())]
    user: Option<String>,
    /// Messages that stand so only
    #[arg(long)]
    state: Option<Stands>,
    /// Messages by this method only
    #[arg(long, value_name = "METHOD", add = complete::methods())]
    method: Option<String>,
    /// Messages from this time on
    #[arg(long, value_name = "TIME", add = complete::times_past())]
    since: Option<String>,
    /// Messages before this time
    #[arg(long, value_name = "TIME", add = complete::times_past())]
    until: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

/// A message by its number.
#[derive(Debug, Args)]
pub struct One {
    /// The number of the message
    #[arg(value_name = "MESSAGE", add = complete::messages())]
    message: i64,
}

const COLUMNS: &[&str] = &[
    "id",
    "at",
    "user",
    "method",
    "recipient",
    "template",
    "sender",
    "state",
    "tries",
    "receipt",
    "error",
    "closed_at",
];
const TABLE: &[&str] = &["id", "at", "user", "recipient", "state", "error"];

pub fn run(context: &mut Context, verb: Outbox) -> Result<Answer> {
    match verb {
        Outbox::List(args) => list(context, &args),
        Outbox::Show(args) => {
            let session = context.session()?;
            Answer::thing(&outbox::show(&session.store, args.message)?)
        }
        Outbox::Retry(args) => {
            let session = context.session()?;
            let sent = retry(&session, args.message)?;
            let sentence = format!(
                "It was sent to {} once more, with a new code, as message {}.",
                visible(&sent.recipient),
                sent.id
            );
            Ok(Answer::thing(&sent)?
                .changed(true, Vec::new())
                .say(sentence))
        }
    }
}

fn list(context: &mut Context, args: &List) -> Result<Answer> {
    let session = context.session()?;
    let user = match &args.user {
        Some(login) => Some(user::find(&session.store, login)?.id),
        None => None,
    };
    let filter = Filter {
        user,
        method: args.method.as_deref().map(Method::parse).transpose()?,
        state: args.state.map(Stands::state),
        since: context.time(args.since.as_deref())?,
        until: context.time(args.until.as_deref())?,
        limit: args.limit.map(i64::from),
    };
    let understood = [("since", filter.since), ("until", filter.until)];
    let answer = Answer::stream(COLUMNS, TABLE, move |each| {
        outbox::list(&session.store, &filter, &mut |message: Message| {
            each(row(&message)?)
        })
    });
    Ok(understood
        .into_iter()
        .fold(answer, |answer, (name, time)| match time {
            Some(time) => answer.say(format!("--{name} was understood as {time}.")),
            None => answer,
        }))
}
