//! `mailbox`: where codes leave by mail.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};
use twofa::delivery::{self, Sender};
use twofa::error::{Error, Kind, Result};
use twofa::guard::Allowance;
use twofa::mailbox::{
    self, Auth, FIELDS, From, Mailbox as Stored, MailboxRow, PutMailbox, RemoveMailbox, Smtp, Tls,
    Transport,
};
use twofa::name::visible;
use twofa::plan::{Plan as _, Warning};
use twofa::secret::Secret;
use twofa::store::Store;

use super::or_none;
use crate::answer::Answer;
use crate::cli::PasswordFrom;
use crate::complete;
use crate::sending::{self, absolute};
use crate::session::Context;
use crate::ui::{Lines, Wanted};

/// Manage mailboxes
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa mailbox add ops --smtp smtp://mx.example.com --from ops@example.com\n  twofa mailbox test ops --to alice@example.com"
)]
pub enum Mailbox {
    /// Add a mailbox
    #[command(
        after_help = "Examples:\n  twofa mailbox add ops --smtp smtp://mx.example.com --from ops@example.com\n  twofa mailbox add ops --smtp smtps://mail.example.com --username ops \\\n      --password-file secret --from 'Ops <ops@example.com>'\n  twofa mailbox add trial --file ./mail --from ops@example.com"
    )]
    Add(Add),
    /// List mailboxes
    #[command(after_help = "Examples:\n  twofa mailbox list\n  twofa mailbox list -o json")]
    List,
    /// Show one mailbox
    #[command(after_help = "Examples:\n  twofa mailbox show ops\n  twofa mailbox show ops -o json")]
    Show(Named),
    /// Change a mailbox
    #[command(
        after_help = "Examples:\n  twofa mailbox edit ops --from 'Ops <ops@example.com>'\n  twofa mailbox edit ops --smtp smtp://mx.example.com --no-username\n  twofa mailbox edit ops --password-file secret"
    )]
    Edit(Edit),
    /// Remove a mailbox
    #[command(
        after_help = "Examples:\n  twofa mailbox remove ops\n  twofa mailbox remove ops --if-exists --yes"
    )]
    Remove(Remove),
    /// Send a test message and say what came of it
    #[command(
        after_help = "Examples:\n  twofa mailbox test ops --to alice@example.com\n  twofa mailbox test ops -o json"
    )]
    Test(Test),
}

/// A mailbox by name.
#[derive(Debug, Args)]
pub struct Named {
    /// The name, in any case
    #[arg(value_name = "NAME", add = complete::mailboxes())]
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protection {
    /// No protection
    None,
    /// STARTTLS, never falling back to plain
    Starttls,
    /// TLS from the first byte
    Tls,
}

impl Protection {
    fn tls(self) -> Tls {
        match self {
            Protection::None => Tls::None,
            Protection::Starttls => Tls::Starttls,
            Protection::Tls => Tls::Tls,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mechanism {
    /// What the server offers, PLAIN before LOGIN
    Auto,
    /// Name and password at once
    Plain,
    /// Name and password one after the other
    Login,
    /// Name and an OAuth 2.0 access token, which is given as the password
    Xoauth2,
}

impl Mechanism {
    fn auth(self) -> Option<Auth> {
        match self {
            Mechanism::Auto => None,
            Mechanism::Plain => Some(Auth::Plain),
            Mechanism::Login => Some(Auth::Login),
            Mechanism::Xoauth2 => Some(Auth::Xoauth2),
        }
    }
}

/// How a mailbox sends.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("way").args(["smtp", "file", "sendmail"]))]
pub struct Way {
    #[arg(
        help = "Send to an SMTP server: smtp://HOST[:PORT] or smtps://HOST[:PORT]",
        long,
        value_name = "URL"
    )]
    smtp: Option<String>,
    /// How the connection is protected [default: starttls]
    #[arg(long, value_name = "HOW")]
    tls: Option<Protection>,
    /// Log in to the server with this name
    #[arg(long)]
    username: Option<String>,
    /// How the server is told who logs in [default: auto]
    #[arg(long, value_name = "HOW")]
    auth: Option<Mechanism>,
    #[command(flatten)]
    password: PasswordFrom,
    /// Trust the certificates in this file instead of the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,
    /// Write messages into this directory, one .eml file each
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    file: Option<PathBuf>,
    /// Hand messages to a sendmail program
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "/usr/sbin/sendmail", value_hint = ValueHint::ExecutablePath)]
    sendmail: Option<PathBuf>,
    /// The sender: ADDRESS or 'NAME <ADDRESS>'
    #[arg(long, value_name = "SENDER")]
    from: Option<String>,
}

/// `mailbox add`.
#[derive(Debug, Args)]
pub struct Add {
    /// Name of the new mailbox
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    way: Way,
}

/// `mailbox edit`.
#[derive(Debug, Args)]
pub struct Edit {
    #[command(flatten)]
    named: Named,
    /// New name
    #[arg(long = "name", value_name = "NEW", id = "new_name")]
    new_name: Option<String>,
    #[command(flatten)]
    way: Way,
    /// Log in to the server without a name
    #[arg(long, conflicts_with = "username")]
    no_username: bool,
    /// Trust the system's certificates
    #[arg(long, conflicts_with = "ca_file")]
    no_ca_file: bool,
}

/// `mailbox remove`.
#[derive(Debug, Args)]
pub struct Remove {
    #[command(flatten)]
    named: Named,
    /// It is fine if there is no such mailbox
    #[arg(long)]
    if_exists: bool,
}

/// `mailbox test`.
#[derive(Debug, Args)]
pub struct Test {
    #[command(flatten)]
    named: Named,
    /// Where the message goes [default: the acting user's address]
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
}

const TABLE: &[&str] = &["name", "kind", "from", "host", "path"];

pub fn run(context: &mut Context, verb: Mailbox) -> Result<Answer> {
    match verb {
        Mailbox::Add(args) => add(context, &args),
        Mailbox::List => {
            let session = context.session()?;
            let rows: Vec<MailboxRow> = mailbox::list(&session.store)?
                .iter()
                .map(MailboxRow::from)
                .collect();
            Ok(Answer::list(FIELDS, TABLE, rows))
        }
        Mailbox::Show(named) => {
            let session = context.session()?;
            shown(&mailbox::find(&session.store, &named.name)?)
        }
        Mailbox::Edit(args) => edit(context, &args),
        Mailbox::Remove(args) => remove(context, &args),
        Mailbox::Test(args) => test(context, &args),
    }
}

/// A mailbox of one kind has few of the fields that there are.
fn shown(mailbox: &Stored) -> Result<Answer> {
    Ok(Answer::thing(&MailboxRow::from(mailbox))?.shown_without_nothing())
}

/// How it sends, as the options say; what they leave out is taken from `have`.
fn transport(way: &Way, have: Option<&Transport>) -> Result<Transport> {
    let other = way.file.is_some()
        || way.sendmail.is_some()
        || (way.smtp.is_none() && have.is_some_and(|have| !matches!(have, Transport::Smtp(_))));
    // A directory and a program have no use for them, and nothing is ignored in silence.
    let of_smtp =
        way.tls.is_some() || way.username.is_some() || way.auth.is_some() || way.ca_file.is_some();
    if other && of_smtp {
        return Err(Error::new(
            Kind::Usage,
            "--tls, --username, --auth and --ca-file go with --smtp",
        ));
    }
    if let Some(directory) = &way.file {
        return Ok(Transport::File {
            directory: absolute(directory)?,
        });
    }
    if let Some(program) = &way.sendmail {
        return Ok(Transport::Sendmail {
            program: absolute(program)?,
        });
    }
    let tls = way.tls.map(Protection::tls);
    let mut smtp = match (&way.smtp, have) {
        (Some(url), Some(Transport::Smtp(have))) => {
            let url = Smtp::parse(
                url,
                tls.or(Some(have.tls))
                    .filter(|_| !url.trim().to_ascii_lowercase().starts_with("smtps")),
            )?;
            Smtp {
                username: have.username.clone(),
                auth: have.auth,
                ca_file: have.ca_file.clone(),
                ..url
            }
        }
        (Some(url), _) => Smtp::parse(url, tls)?,
        (None, Some(Transport::Smtp(have))) => Smtp {
            tls: tls.unwrap_or(have.tls),
            ..have.clone()
        },
        (None, Some(other)) => return Ok(other.clone()),
        (None, None) => {
            return Err(
                Error::new(Kind::MissingAnswer, "how the mailbox sends is not said")
                    .hint("give --smtp URL, --file DIR or --sendmail"),
            );
        }
    };
    if let Some(username) = &way.username {
        smtp.username = Some(username.clone());
    }
    if let Some(auth) = way.auth {
        smtp.auth = auth.auth();
    }
    if let Some(path) = &way.ca_file {
        smtp.ca_file = Some(absolute(path)?);
    }
    Ok(Transport::Smtp(smtp))
}

/// The password, where the server takes one: from the options, or asked for.
fn password(
    context: &Context,
    way: &Way,
    transport: &Transport,
    lines: &mut Lines,
    have: Option<&Stored>,
) -> Result<Option<Secret>> {
    let given = way.password.password_stdin || way.password.password_file.is_some();
    let user = matches!(transport, Transport::Smtp(smtp) if smtp.username.is_some());
    let had = have.is_some_and(|have| {
        MailboxRow::from(have).password.is_some() && !transport.wants_password_anew(&have.transport)
    });
    if given && !user {
        return Err(Error::new(
            Kind::Usage,
            "a password goes with a username of an SMTP server",
        )
        .hint("give --smtp URL --username NAME with it"));
    }
    if !given && (!user || had) {
        return Ok(None);
    }
    context
        .password(&way.password, lines, "Password of the mail server", false)
        .map(Some)
}

fn warnings(store: &Store, transport: &Transport) -> Vec<Warning> {
    let file = match transport {
        Transport::Smtp(smtp) => smtp
            .ca_file
            .as_deref()
            .and_then(|path| sending::absent(path, "--ca-file")),
        Transport::Sendmail { program } => sending::absent(program, "--sendmail"),
        Transport::File { .. } => None,
    };
    exposed(store, transport).into_iter().chain(file).collect()
}

/// What is worth saying of who could read what is sent.
fn exposed(store: &Store, transport: &Transport) -> Option<Warning> {
    match transport {
        Transport::Smtp(smtp) if smtp.tls == Tls::None && smtp.username.is_some() => {
            Some(Warning {
                kind: "password_in_clear",
                message: "the password goes over the network unprotected.".to_owned(),
                hint: Some("--tls starttls or --tls tls".to_owned()),
            })
        }
        Transport::File { directory } => {
            delivery::open_directory(store, std::path::Path::new(directory))
        }
        Transport::Smtp(_) | Transport::Sendmail { .. } => None,
    }
}

fn put(
    context: &mut Context,
    plan: &PutMailbox,
    lines: Lines,
    session: &twofa::actor::Session,
) -> Result<Answer> {
    // What is refused makes no directory, and a mailbox whose directory cannot be made is not added.
    plan.changes(&session.store)?;
    if let Transport::File { directory } = &plan.transport {
        sending::prepare(&session.store, directory)?;
    }
    let mut done = context.commit(session, plan, Allowance::Nobody, Some(lines))?;
    done.warnings
        .extend(warnings(&session.store, &plan.transport));
    let stored = mailbox::find(&session.store, &plan.name)?;
    let name = visible(&stored.name).into_owned();
    let changed = done.changed();
    let did = if plan.id.is_none() {
        "was added"
    } else {
        "was changed"
    };
    let sentence = if changed {
        format!("The mailbox `{name}` {did}.")
    } else {
        format!("The mailbox `{name}` is like that already.")
    };
    let answer = shown(&stored)?
        .changed(changed, done.warnings)
        .say(sentence);
    let next = sending::next(&session.store, &Sender::Mailbox(stored))?;
    Ok(answer.say(next))
}

fn add(context: &mut Context, args: &Add) -> Result<Answer> {
    let session = context.session()?;
    let mut lines = context.lines(Wanted {
        password: args.way.password.password_stdin,
        ..Wanted::default()
    })?;
    let from = args.way.from.as_deref().ok_or_else(|| {
        Error::new(Kind::MissingAnswer, "the sender is needed").hint("give it with --from")
    })?;
    let from = From::parse(from)?;
    let transport = transport(&args.way, None)?;
    let password = password(context, &args.way, &transport, &mut lines, None)?;
    let plan = PutMailbox {
        id: None,
        name: args.name.clone(),
        from,
        transport,
        password,
    };
    put(context, &plan, lines, &session)
}

fn edit(context: &mut Context, args: &Edit) -> Result<Answer> {
    let session = context.session()?;
    let have = mailbox::find(&session.store, &args.named.name)?;
    let mut lines = context.lines(Wanted {
        password: args.way.password.password_stdin,
        ..Wanted::default()
    })?;
    let from = args
        .way
        .from
        .as_deref()
        .map(From::parse)
        .transpose()?
        .unwrap_or_else(|| have.from.clone());
    let mut transport = transport(&args.way, Some(&have.transport))?;
    if let Transport::Smtp(smtp) = &mut transport {
        if args.no_username {
            (smtp.username, smtp.auth) = (None, None);
        }
        if args.no_ca_file {
            smtp.ca_file = None;
        }
    }
    let password = password(context, &args.way, &transport, &mut lines, Some(&have))?;
    let name = args.new_name.clone().unwrap_or_else(|| have.name.clone());
    let plan = PutMailbox {
        id: Some(have.id),
        name,
        from,
        transport,
        password,
    };
    put(context, &plan, lines, &session)
}

fn remove(context: &mut Context, args: &Remove) -> Result<Answer> {
    let session = context.session()?;
    let found = mailbox::find(&session.store, &args.named.name);
    let have = match or_none(found, args.if_exists, "mailbox", "name", &args.named.name)? {
        Ok(have) => have,
        Err(none) => return Ok(none),
    };
    let done = context.commit(
        &session,
        &RemoveMailbox { id: have.id },
        Allowance::Nobody,
        None,
    )?;
    let changed = done.changed();
    Ok(shown(&have)?.changed(changed, done.warnings).say(format!(
        "The mailbox `{}` was removed.",
        visible(&have.name)
    )))
}

fn test(context: &mut Context, args: &Test) -> Result<Answer> {
    let session = context.session()?;
    let have = mailbox::find(&session.store, &args.named.name)?;
    let to = match &args.to {
        Some(to) => twofa::user::rules::email(to)?,
        None => session.actor.user.email.clone().ok_or_else(|| {
            Error::new(
                Kind::MissingAnswer,
                "you have no email address the message could go to",
            )
            .hint("name one with --to ADDRESS")
        })?,
    };
    let warnings = warnings(&session.store, &have.transport);
    sending::test(context, &session, &Sender::Mailbox(have), &to, warnings)
}
